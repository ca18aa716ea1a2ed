-- What care gave for its cost in two years, as small tables over all areas; only months that both years hold.
-- Reads: ledger, patients, calendar (y, m, period, n: months from the first), own (cost_basis: on whose price a cost is the provider's own).

-- 1. What was done in each month: by whom, for whom, at what cost, with the sums that an interval needs.
CREATE OR REPLACE TEMP TABLE work AS
SELECT l.icb_code, l.provider_code, l.setting, l.pod, l.currency_code, c.period, c.y, c.m, CASE WHEN o.cost_basis IS NULL THEN 0 ELSE 1 END AS own,
       CAST(count(*) AS BIGINT) AS contacts, CAST(coalesce(sum(l.units), 0) AS BIGINT) AS units, CAST(coalesce(sum(l.cost_pence), 0) AS BIGINT) AS cost_pence,
       CAST(coalesce(sum(l.units * l.units), 0) AS BIGINT) AS units_squared,
       sum(CAST(l.units AS DECIMAL(19, 0)) * CAST(l.cost_pence AS DECIMAL(19, 0))) AS units_times_cost,
       sum(CAST(l.cost_pence AS DECIMAL(19, 0)) * CAST(l.cost_pence AS DECIMAL(19, 0))) AS cost_squared
FROM ledger AS l
JOIN calendar AS c ON c.y = year(l.start_date) AND c.m = month(l.start_date)
LEFT JOIN own AS o ON o.cost_basis = l.cost_basis
GROUP BY l.icb_code, l.provider_code, l.setting, l.pod, l.currency_code, c.period, c.y, c.m, CASE WHEN o.cost_basis IS NULL THEN 0 ELSE 1 END;

CREATE OR REPLACE TEMP VIEW services AS
SELECT icb_code, provider_code, setting, pod, currency_code, period, own, CAST(sum(contacts) AS BIGINT) AS contacts, CAST(sum(units) AS BIGINT) AS units,
       CAST(sum(cost_pence) AS BIGINT) AS cost_pence, CAST(sum(units_squared) AS BIGINT) AS units_squared,
       CAST(coalesce(sum(units_times_cost), 0) AS DOUBLE) AS units_times_cost, CAST(coalesce(sum(cost_squared), 0) AS DOUBLE) AS cost_squared
FROM work
GROUP BY icb_code, provider_code, setting, pod, currency_code, period, own;

-- 2. Contacts and cost of each month.
CREATE OR REPLACE TEMP VIEW monthly AS
SELECT icb_code, setting, pod, period, y, m, CAST(sum(contacts) AS BIGINT) AS contacts, CAST(sum(cost_pence) AS BIGINT) AS cost_pence
FROM work
GROUP BY icb_code, setting, pod, period, y, m;

-- 3. Cost by age and sex in the first period, for what ageing alone would do.
CREATE OR REPLACE TEMP VIEW by_age AS
SELECT l.icb_code, l.setting, l.pod, least(greatest(year(l.start_date) - p.birth_year, 0), 90) // 5 * 5 AS age_from, p.sex, CAST(coalesce(sum(l.cost_pence), 0) AS BIGINT) AS cost_pence
FROM ledger AS l
JOIN calendar AS c ON c.y = year(l.start_date) AND c.m = month(l.start_date) AND c.n = 0
JOIN patients AS p ON p.patient_id = l.patient_id
WHERE p.birth_year IS NOT NULL AND p.sex IN ('female', 'male')
GROUP BY l.icb_code, l.setting, l.pod, least(greatest(year(l.start_date) - p.birth_year, 0), 90) // 5 * 5, p.sex;
