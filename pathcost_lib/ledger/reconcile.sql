-- The ledger's pounds of one year against what each provider's accounts say that it spent.
-- Reads: pieces (split_periods by financial year), ledger, quantum, settings (financial_year).

-- 1. Cost of what ended in the year, by how it is known.
CREATE OR REPLACE TEMP VIEW ended AS
SELECT l.provider_code, l.setting,
       CAST(coalesce(sum(CASE WHEN l.cost_basis = 'recorded' THEN l.cost_pence END), 0) AS BIGINT) AS recorded_pence,
       CAST(coalesce(sum(CASE WHEN l.cost_basis NOT IN ('recorded', 'none') THEN l.cost_pence END), 0) AS BIGINT) AS priced_pence,
       count(*) AS contacts, CAST(sum(CASE WHEN l.cost_basis = 'none' THEN 1 ELSE 0 END) AS BIGINT) AS uncosted
FROM ledger AS l
CROSS JOIN settings AS s
WHERE l.financial_year = s.financial_year AND l.end_date IS NOT NULL
GROUP BY l.provider_code, l.setting;

-- 2. Work in progress: days of this year of what ends later or is still open, less days of earlier years of what ended in it.
CREATE OR REPLACE TEMP VIEW moved AS
SELECT p.provider_code, p.setting,
       CAST(coalesce(sum(CASE WHEN p.period = s.financial_year AND NOT (p.ended AND p.financial_year = s.financial_year) THEN p.cost_pence
                              WHEN p.period < s.financial_year AND p.ended AND p.financial_year = s.financial_year THEN -p.cost_pence
                              ELSE 0 END), 0) AS BIGINT) AS work_in_progress_pence
FROM pieces AS p
CROSS JOIN settings AS s
GROUP BY p.provider_code, p.setting;

CREATE OR REPLACE TEMP VIEW accounts AS
SELECT provider_code, setting, CAST(sum(total_cost_pence) AS BIGINT) AS quantum_pence,
       CAST(sum(coalesce(non_patient_pence, 0)) AS BIGINT) AS non_patient_pence, CAST(sum(coalesce(excluded_pence, 0)) AS BIGINT) AS excluded_pence
FROM quantum
WHERE financial_year IN (SELECT financial_year FROM settings)
GROUP BY provider_code, setting;

CREATE OR REPLACE TEMP VIEW statement AS
SELECT coalesce(a.provider_code, e.provider_code) AS provider_code, coalesce(a.setting, e.setting) AS setting,
       coalesce(e.recorded_pence, 0) AS recorded_pence, coalesce(e.priced_pence, 0) AS priced_pence,
       coalesce(m.work_in_progress_pence, 0) AS work_in_progress_pence,
       a.non_patient_pence, a.excluded_pence, a.quantum_pence,
       coalesce(e.contacts, 0) AS contacts, coalesce(e.uncosted, 0) AS uncosted
FROM accounts AS a
FULL OUTER JOIN ended AS e ON e.provider_code = a.provider_code AND e.setting = a.setting
LEFT JOIN moved AS m ON m.provider_code = coalesce(a.provider_code, e.provider_code) AND m.setting = coalesce(a.setting, e.setting)
ORDER BY provider_code, setting;
