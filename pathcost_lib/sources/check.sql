-- Activity beside what its rules need, and what is counted by group rather than by row.
-- Reads: activity, patients, organisations, unit_costs, pods (pod, pod_setting, counts_hrg, is_admission),
--        allowed (setting and kind: the values that may be shown).

-- 1. One line a patient, an organisation, a price: so that joining them repeats no row of activity.
CREATE OR REPLACE TEMP VIEW people AS
SELECT patient_id, min(died_on) AS died_on FROM patients GROUP BY patient_id;

CREATE OR REPLACE TEMP VIEW spans AS
SELECT org_code, min(kind) AS kind, min(valid_from) AS valid_from, max(coalesce(valid_to, DATE '9999-12-31')) AS valid_to
FROM organisations
GROUP BY org_code;

CREATE OR REPLACE TEMP VIEW dearest AS
SELECT pod, currency_code, max(unit_cost) AS unit_cost FROM unit_costs GROUP BY pod, currency_code;

-- 2. Each row with them.
CREATE OR REPLACE TEMP VIEW rows_with AS
SELECT a.*, p.patient_id IS NULL AS patient_unknown, p.died_on, d.unit_cost AS dearest_unit_cost,
       a.start_date NOT BETWEEN o.valid_from AND o.valid_to AS provider_not_valid,
       a.start_date NOT BETWEEN i.valid_from AND i.valid_to AS icb_not_valid
FROM activity AS a
LEFT JOIN people AS p ON p.patient_id = a.patient_id
LEFT JOIN spans AS o ON o.org_code = a.provider_code
LEFT JOIN spans AS i ON i.org_code = a.icb_code
LEFT JOIN dearest AS d ON d.pod = a.pod AND d.currency_code = a.currency_code;

-- 3. What is counted in which setting, and whether it has a price: its own, or one for any currency of its POD ("*").
CREATE OR REPLACE TEMP VIEW services AS
SELECT s.setting, s.pod, s.currency_code, s.held, d.pod_setting, d.counts_hrg,
       own.pod IS NOT NULL AS has_price, proxy.pod IS NOT NULL AS has_proxy
FROM (SELECT setting, pod, currency_code, count(*) AS held FROM activity GROUP BY setting, pod, currency_code) AS s
LEFT JOIN pods AS d ON d.pod = s.pod
LEFT JOIN dearest AS own ON own.pod = s.pod AND own.currency_code = s.currency_code
LEFT JOIN dearest AS proxy ON proxy.pod = s.pod AND proxy.currency_code = '*';

-- 4. Admissions that begin before an earlier one of the same patient has ended (a transfer on the day is not one).
CREATE OR REPLACE TEMP VIEW overlaps AS
SELECT 1 AS held FROM (
  SELECT a.start_date,
         max(coalesce(a.end_date, a.start_date)) OVER (
           PARTITION BY a.patient_id ORDER BY a.start_date, coalesce(a.end_date, a.start_date), a.activity_id
           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS in_hospital_until
  FROM activity AS a
  JOIN pods AS d ON d.pod = a.pod
  WHERE d.is_admission AND a.patient_id IS NOT NULL
) AS admissions
WHERE start_date < in_hospital_until;

-- 5. What is held, by setting and kind of provider. A value that is not allowed is not shown: it could be anything.
CREATE OR REPLACE TEMP VIEW coverage AS
SELECT coalesce(s.code, 'not allowed') AS setting, coalesce(k.code, 'unknown') AS provider_kind,
       CAST(sum(m.held) AS BIGINT) AS activity_rows, CAST(sum(m.units) AS BIGINT) AS units,
       count(DISTINCT m.provider_code) AS providers,
       min(m.month) AS first_month, max(m.month) AS last_month, count(DISTINCT m.month) AS months_held
FROM (
  SELECT setting, provider_code, CAST(date_trunc('month', start_date) AS DATE) AS month, count(*) AS held, sum(units) AS units
  FROM activity
  GROUP BY setting, provider_code, CAST(date_trunc('month', start_date) AS DATE)
) AS m
LEFT JOIN spans AS o ON o.org_code = m.provider_code
LEFT JOIN allowed AS s ON s.name = 'setting' AND s.code = m.setting
LEFT JOIN allowed AS k ON k.name = 'kind' AND k.code = o.kind
GROUP BY coalesce(s.code, 'not allowed'), coalesce(k.code, 'unknown')
ORDER BY setting, provider_kind;
