-- The national schedule of NHS costs to unit costs by point of delivery and currency.
-- In: schedule (texts), departments, behaviour, settings (financial_year, title). Money is exact: DECIMAL, then scaled
-- integers in ten-thousandths of a pound, as the schedule gives four decimals.

CREATE OR REPLACE TEMP TABLE parsed AS
SELECT
    __row, department, currency_code, description,
    TRY_CAST(replace(activity, ',', '') AS DECIMAL(24, 4)) AS activity,
    TRY_CAST(replace(unit_cost, ',', '') AS DECIMAL(24, 4)) AS unit_cost,
    TRY_CAST(replace(cost, ',', '') AS DECIMAL(24, 4)) AS cost,
    count(*) OVER (PARTITION BY department, currency_code) AS copies
FROM schedule;

-- A row may feed several PODs (A&E departments are not told apart); the first POD counts in the reconciliation.
CREATE OR REPLACE TEMP TABLE routed AS
SELECT
    p.*, d.pod, d.unit,
    row_number() OVER (PARTITION BY p.__row ORDER BY d.pod) AS route,
    CASE
        WHEN p.department IS NULL OR p.currency_code IS NULL THEN 'no department or currency'
        WHEN d.department IS NOT NULL AND d.pod IS NULL THEN d.left_out_because
        WHEN d.department IS NULL AND EXISTS (SELECT 1 FROM departments AS k WHERE k.department = p.department)
            THEN 'no point of delivery for this currency in this department'
        WHEN d.department IS NULL THEN 'department is not in departments.csv'
        WHEN p.copies > 1 THEN 'department and currency are there more than once'
        WHEN p.unit_cost IS NULL THEN 'unit cost is not a number'
        WHEN p.unit_cost <= 0 THEN 'unit cost is zero or less'
        WHEN p.activity IS NULL OR p.activity <= 0 THEN 'activity is suppressed, zero or not a number'
        WHEN p.cost IS NULL THEN 'cost is not a number'
    END AS reason
FROM parsed AS p
LEFT JOIN departments AS d
    ON d.department = p.department AND regexp_full_match(p.currency_code, d.currencies);

CREATE OR REPLACE TEMP VIEW unused AS
SELECT __row AS row_number, department, currency_code, description,
    CAST(activity AS DOUBLE) AS activity, CAST(cost AS DOUBLE) AS cost_gbp, reason
FROM routed WHERE reason IS NOT NULL AND route = 1 ORDER BY __row;

CREATE OR REPLACE TEMP VIEW used AS
SELECT pod, unit, department, currency_code, route,
    CAST(activity * 10000 AS HUGEINT) AS activity_e4,
    CAST(unit_cost * 10000 AS HUGEINT) AS unit_cost_e4,
    CAST(cost * 10000 AS HUGEINT) AS cost_e4
FROM routed WHERE reason IS NULL;

-- One department: its published unit cost. Several: total cost over total activity, rounded half up.
CREATE OR REPLACE TEMP TABLE priced AS
SELECT
    pod, currency_code, max(unit) AS unit, sum(activity_e4) AS activity_e4, sum(cost_e4) AS cost_e4, min(route) AS route,
    CASE WHEN count(*) = 1 THEN max(unit_cost_e4)
        ELSE (2 * 10000 * sum(cost_e4) + sum(activity_e4)) // (2 * sum(activity_e4)) END AS unit_cost,
    string_agg(department, ' and ' ORDER BY department) AS departments
FROM used GROUP BY pod, currency_code;

CREATE OR REPLACE TEMP VIEW proxies AS
SELECT
    pod, '*' AS currency_code, max(unit) AS unit,
    (2 * 10000 * sum(cost_e4) + sum(activity_e4)) // (2 * sum(activity_e4)) AS unit_cost,
    CASE WHEN count(*) = 1 THEN 'its only currency'
        ELSE 'mean of ' || count(*) || ' currencies, weighted by activity' END AS departments
FROM priced GROUP BY pod;

CREATE OR REPLACE TEMP VIEW unit_costs AS
SELECT
    s.financial_year, p.pod, p.currency_code, CAST(NULL AS VARCHAR) AS provider_code,
    CAST(p.unit_cost AS BIGINT) AS unit_cost, p.unit,
    b.fixed_share, b.semi_fixed_share, b.variable_share,
    s.title || ' ' || s.financial_year || ': ' || p.departments AS source
FROM (
    SELECT pod, currency_code, unit, unit_cost, departments FROM priced
    UNION ALL SELECT pod, currency_code, unit, unit_cost, departments FROM proxies
) AS p
CROSS JOIN settings AS s
LEFT JOIN behaviour AS b ON b.pod = p.pod
ORDER BY p.pod, p.currency_code;

-- The schedule's rows by department: what was used, and how far activity times the published unit cost is from cost.
CREATE OR REPLACE TEMP VIEW totals AS
SELECT
    department, count(*) AS rows, count(*) FILTER (reason IS NULL) AS rows_used,
    CAST(sum(activity) AS DOUBLE) AS activity,
    CAST(round(coalesce(sum(cost), 0), 2) AS DOUBLE) AS cost_gbp,
    CAST(round(coalesce(sum(cost) FILTER (reason IS NULL), 0), 2) AS DOUBLE) AS used_gbp,
    CAST(round(coalesce(sum(cost) FILTER (reason IS NOT NULL), 0), 2) AS DOUBLE) AS unused_gbp,
    CAST(round(coalesce(sum(activity * CAST(unit_cost AS DECIMAL(12, 4)) - cost) FILTER (reason IS NULL), 0), 2) AS DOUBLE)
        AS unit_cost_rounding_gbp
FROM routed WHERE route = 1 GROUP BY department ORDER BY department;

-- The unit costs by point of delivery: activity times our unit cost against the schedule's cost, each pound once.
CREATE OR REPLACE TEMP VIEW pods AS
SELECT
    pod, count(*) AS currencies, CAST(sum(activity_e4) AS DOUBLE) / 10000 AS activity,
    CAST(sum(cost_e4) AS DOUBLE) / 10000 AS cost_gbp,
    CAST(sum(activity_e4 * unit_cost - cost_e4 * 10000) AS DOUBLE) / 100000000 AS rounding_gbp
FROM priced WHERE route = 1 GROUP BY pod ORDER BY pod;
