-- Activity beside what its rules need, and what is counted by group rather than by row.
-- Reads: activity, patients, organisations, unit_costs, pods (pod, pod_setting, counts_hrg, is_bed, pod_number),
--        allowed (setting and kind: the values that may be shown), published (icb_code, valid_from, valid_to: the dated list of ICBs).

-- 1. One line a patient, an organisation, a price: so that joining them repeats no row of activity.
CREATE OR REPLACE TEMP VIEW people AS
SELECT patient_id, min(died_on) AS died_on, min(birth_year) AS birth_year FROM patients GROUP BY patient_id;

-- An ICB is there while both the extract and the published list have it.
CREATE OR REPLACE TEMP VIEW own_spans AS
SELECT org_code, min(kind) AS kind, min(valid_from) AS valid_from, max(coalesce(valid_to, DATE '9999-12-31')) AS valid_to, max(successor_code) AS successor_code
FROM organisations
GROUP BY org_code;

CREATE OR REPLACE TEMP VIEW spans AS
SELECT o.org_code, o.kind, greatest(o.valid_from, coalesce(p.valid_from, o.valid_from)) AS valid_from,
       least(o.valid_to, coalesce(p.valid_to, o.valid_to)) AS valid_to, coalesce(o.successor_code, p.successors) AS successors,
       row_number() OVER (ORDER BY o.org_code) AS number
FROM own_spans AS o
LEFT JOIN published AS p ON p.icb_code = o.org_code AND o.kind = 'icb';

CREATE OR REPLACE TEMP VIEW dearest AS
SELECT pod, currency_code, max(unit_cost) AS unit_cost FROM unit_costs GROUP BY pod, currency_code;

-- 2. Each row with them.
CREATE OR REPLACE TEMP VIEW rows_with AS
SELECT a.*, p.patient_id IS NULL AS patient_unknown, p.died_on, p.birth_year, d.unit_cost AS dearest_unit_cost,
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

-- 4. Stays that begin before an earlier one of the same patient has ended (a transfer on the day is not one).
CREATE OR REPLACE TEMP VIEW overlaps AS
SELECT activity_id, provider_code, icb_code, start_date, 1 AS held FROM (
  SELECT a.activity_id, a.provider_code, a.icb_code, a.start_date,
         max(coalesce(a.end_date, a.start_date)) OVER (
           PARTITION BY a.patient_id ORDER BY a.start_date, coalesce(a.end_date, a.start_date), a.activity_id
           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS in_bed_until
  FROM activity AS a
  JOIN pods AS d ON d.pod = a.pod
  WHERE d.is_bed AND a.patient_id IS NOT NULL
) AS stays
WHERE start_date < in_bed_until;

-- 5. Rows with the same patient, day, POD and provider as another, the first of them apart. Numbers for codes: groups of text take longer.
CREATE OR REPLACE TEMP VIEW keyed AS
SELECT a.*, d.pod_number * 1000000 + o.number AS service
FROM activity AS a
JOIN pods AS d ON d.pod = a.pod
JOIN spans AS o ON o.org_code = a.provider_code;

CREATE OR REPLACE TEMP TABLE repeated AS
SELECT patient_id, start_date, service FROM keyed GROUP BY patient_id, start_date, service HAVING count(*) > 1;

CREATE OR REPLACE TEMP VIEW repeats AS
SELECT activity_id, provider_code, icb_code, start_date, 1 AS held FROM (
  SELECT k.*, row_number() OVER (PARTITION BY k.patient_id, k.start_date, k.service ORDER BY k.activity_id) AS place
  FROM keyed AS k
  JOIN repeated AS r ON r.patient_id = k.patient_id AND r.start_date = k.start_date AND r.service = k.service
) AS placed
WHERE place > 1;

-- 6. Recorded costs far from the usual of their POD and currency: 0.6745 |x - median| / MAD above 3.5, x the logarithm of the cost of a unit
--    (Iglewicz and Hoaglin, How to detect and handle outliers, 1993). Medians by nearest rank; groups of fewer than 20 have no usual.
CREATE OR REPLACE TEMP VIEW recorded AS
SELECT activity_id, provider_code, icb_code, start_date, pod, currency_code, recorded_cost_pence, ln(CAST(recorded_cost_pence AS DOUBLE) / units) AS x
FROM activity
WHERE recorded_cost_pence > 0 AND units > 0;

CREATE OR REPLACE TEMP TABLE usual AS
SELECT pod, currency_code, places, x AS median FROM (
  SELECT pod, currency_code, x, row_number() OVER (PARTITION BY pod, currency_code ORDER BY x, activity_id) AS place,
         count(*) OVER (PARTITION BY pod, currency_code) AS places
  FROM recorded
) AS ranked
WHERE place = (places + 1) // 2 AND places >= 20;

CREATE OR REPLACE TEMP TABLE spread AS
SELECT pod, currency_code, places, median, away AS mad FROM (
  SELECT u.*, abs(r.x - u.median) AS away, row_number() OVER (PARTITION BY u.pod, u.currency_code ORDER BY abs(r.x - u.median), r.activity_id) AS place
  FROM recorded AS r
  JOIN usual AS u ON u.pod = r.pod AND u.currency_code = r.currency_code
) AS ranked
WHERE place = (places + 1) // 2;

CREATE OR REPLACE TEMP VIEW unusual AS
SELECT r.activity_id, r.provider_code, r.icb_code, r.start_date, r.pod, r.currency_code, r.recorded_cost_pence, r.x > s.median AS is_high, 1 AS held
FROM recorded AS r
JOIN spread AS s ON s.pod = r.pod AND s.currency_code = r.currency_code
WHERE s.mad > 0 AND 0.6745 * abs(r.x - s.median) / s.mad > 3.5;

CREATE OR REPLACE TEMP VIEW unusual_costs AS
SELECT s.pod, s.currency_code, s.places AS recorded_rows, exp(s.median) / 100 AS median_gbp, n.high_rows, n.low_rows, CAST(n.cost_pence AS DOUBLE) / 100 AS unusual_gbp
FROM spread AS s
JOIN (
  SELECT pod, currency_code, CAST(sum(CASE WHEN is_high THEN 1 ELSE 0 END) AS BIGINT) AS high_rows,
         CAST(sum(CASE WHEN is_high THEN 0 ELSE 1 END) AS BIGINT) AS low_rows, CAST(sum(recorded_cost_pence) AS BIGINT) AS cost_pence
  FROM unusual
  GROUP BY pod, currency_code
) AS n ON n.pod = s.pod AND n.currency_code = s.currency_code
ORDER BY unusual_gbp DESC, s.pod, s.currency_code;

-- 7. What is held, by setting and kind of provider. A value that is not allowed is not shown: it could be anything.
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
