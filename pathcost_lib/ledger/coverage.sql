-- Activity held against activity expected of the population.
-- Reads: activity (the ledger, where costs are wanted), population, rates (setting, pod, age_from, age_to, sex, contacts_per_head_per_year),
--        months (of the year that are held: month, first_day, last_day, share_of_span), settings (year, share_of_year: that of these months).

-- 1. What is held, by month. A row without a cost is held, but not costed.
CREATE OR REPLACE TEMP TABLE held AS
SELECT a.icb_code, a.provider_code, a.setting, a.pod, m.month, CAST(sum(a.units) AS BIGINT) AS held,
       CAST(sum(CASE WHEN a.cost_pence IS NULL THEN 0 ELSE a.units END) AS BIGINT) AS costed,
       CAST(coalesce(sum(a.cost_pence), 0) AS BIGINT) AS cost_pence
FROM activity AS a
JOIN months AS m ON a.start_date BETWEEN m.first_day AND m.last_day
GROUP BY a.icb_code, a.provider_code, a.setting, a.pod, m.month;

-- 2. What the ICB's people would be expected to have in these months: national rates by age and sex (indirect standardisation).
CREATE OR REPLACE TEMP TABLE expected AS
SELECT p.icb_code, r.setting, r.pod, sum(p.persons * r.contacts_per_head_per_year * s.share_of_year) AS expected
FROM population AS p
CROSS JOIN settings AS s
JOIN rates AS r ON p.age BETWEEN r.age_from AND r.age_to AND (r.sex = p.sex OR r.sex = 'all')
WHERE p.year = s.year AND p.variant = 'principal'
GROUP BY p.icb_code, r.setting, r.pod;

-- 3. By ICB and POD over these months.
CREATE OR REPLACE TEMP VIEW held_in_year AS
SELECT icb_code, setting, pod, CAST(sum(held) AS BIGINT) AS held, CAST(sum(costed) AS BIGINT) AS costed, CAST(sum(cost_pence) AS BIGINT) AS cost_pence
FROM held
GROUP BY icb_code, setting, pod;

CREATE OR REPLACE TEMP VIEW by_icb AS
SELECT coalesce(e.icb_code, h.icb_code) AS icb_code, coalesce(e.setting, h.setting) AS setting, coalesce(e.pod, h.pod) AS pod,
       coalesce(h.held, 0) AS held, coalesce(h.costed, 0) AS costed, coalesce(h.cost_pence, 0) AS cost_pence, e.expected
FROM expected AS e
FULL OUTER JOIN held_in_year AS h ON h.icb_code = e.icb_code AND h.pod = e.pod AND h.setting = e.setting
ORDER BY icb_code, setting, pod;

-- 4. By provider and month: the provider's share, over these months, of what its ICBs' people have, times what they would be expected to have that month.
CREATE OR REPLACE TEMP VIEW shares AS
SELECT h.provider_code, h.icb_code, h.setting, h.pod, CAST(sum(h.held) AS DOUBLE) / max(t.held) AS share_of_icb
FROM held AS h
JOIN held_in_year AS t ON t.icb_code = h.icb_code AND t.setting = h.setting AND t.pod = h.pod
GROUP BY h.provider_code, h.icb_code, h.setting, h.pod;

CREATE OR REPLACE TEMP VIEW expected_by_month AS
SELECT s.provider_code, s.setting, m.month, sum(s.share_of_icb * e.expected * m.share_of_span) AS expected
FROM shares AS s
JOIN expected AS e ON e.icb_code = s.icb_code AND e.setting = s.setting AND e.pod = s.pod
CROSS JOIN months AS m
GROUP BY s.provider_code, s.setting, m.month;

CREATE OR REPLACE TEMP VIEW held_by_month AS
SELECT h.provider_code, h.setting, h.month, CAST(sum(h.held) AS BIGINT) AS held
FROM held AS h
JOIN expected AS e ON e.icb_code = h.icb_code AND e.setting = h.setting AND e.pod = h.pod
GROUP BY h.provider_code, h.setting, h.month;

CREATE OR REPLACE TEMP VIEW by_month AS
SELECT e.provider_code, e.setting, e.month, coalesce(h.held, 0) AS held, e.expected, 100.0 * coalesce(h.held, 0) / e.expected AS coverage_pct
FROM expected_by_month AS e
LEFT JOIN held_by_month AS h ON h.provider_code = e.provider_code AND h.setting = e.setting AND h.month = e.month
WHERE e.expected > 0
ORDER BY e.provider_code, e.setting, e.month;
