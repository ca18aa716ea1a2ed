-- A cost on every activity row: each finds its line of the price list. Whole numbers only.
-- Reads: activity; and the small tables of prices.sql: lines, national_line, proxy_line, own_line, provider_year, paid_factor, own_behaviour.

-- 1. Each row with its line. Activity belongs to the financial year in which it ends (a stay still open: in which it began).
CREATE OR REPLACE TEMP VIEW dated AS
SELECT *, year(coalesce(end_date, start_date)) - CASE WHEN month(coalesce(end_date, start_date)) < 4 THEN 1 ELSE 0 END AS start_year
FROM activity;

-- The proxy line, which every POD has in every year (priced or not), is looked up only where there is no national one: where there is, its key is null.
CREATE OR REPLACE TEMP VIEW found AS
SELECT a.*, m.mff, m.recorded_factor AS own_recorded_factor, coalesce(o.line, n.line, g.line, 0) AS line
FROM dated AS a
LEFT JOIN national_line AS n ON n.start_year = a.start_year AND n.pod = a.pod AND n.currency_code = a.currency_code
LEFT JOIN proxy_line AS g ON g.start_year = CASE WHEN n.line IS NULL THEN a.start_year END AND g.pod = a.pod
LEFT JOIN own_line AS o ON o.start_year = a.start_year AND o.pod = a.pod AND o.currency_code = a.currency_code AND o.provider_code = a.provider_code
LEFT JOIN provider_year AS m ON m.start_year = a.start_year AND m.provider_code = a.provider_code;

-- Each row has one line, so that this join neither drops nor doubles any.
CREATE OR REPLACE TEMP VIEW rated AS
SELECT a.*, l.financial_year, l.source, l.unit_cost, l.price_basis, l.most_units,
       CASE WHEN f.price_factor IS NOT NULL AND l.price_basis <> 'provider' THEN l.unit_cost * f.price_factor ELSE l.rate END AS rate,
       CASE WHEN l.recorded_factor IS NOT NULL THEN coalesce(a.own_recorded_factor, l.recorded_factor) END AS recorded_factor,
       coalesce(b.fixed_millionths, l.fixed_millionths) AS fixed_millionths,
       coalesce(b.not_variable_millionths, l.not_variable_millionths) AS not_variable_millionths,
       CASE WHEN l.by_day = 0 THEN a.units WHEN a.length_of_stay_days < 1 THEN 1 ELSE a.length_of_stay_days END AS quantity
FROM found AS a
JOIN lines AS l ON l.line = a.line
LEFT JOIN paid_factor AS f ON f.start_year = a.start_year AND f.provider_code = a.provider_code AND f.price_year = l.price_year
LEFT JOIN own_behaviour AS b ON b.pod = a.pod AND b.provider_code = a.provider_code;

-- 2. The amount at the price base, in hundred-millionths of a penny; none where it cannot be known, or not believed (beyond £50m, so that nothing can overflow).
CREATE OR REPLACE TEMP VIEW amounts AS
SELECT *,
       CASE WHEN recorded_cost_pence IS NULL AND quantity BETWEEN 1 AND most_units THEN quantity * rate
            WHEN recorded_cost_pence BETWEEN -5000000000 AND 5000000000 THEN recorded_cost_pence * 100 * recorded_factor END AS amount
FROM rated;

-- Pence, rounded once, half away from zero.
CREATE OR REPLACE TEMP VIEW priced AS
SELECT *, CASE WHEN amount < 0 THEN -((-amount + 50000000) // 100000000) ELSE (amount + 50000000) // 100000000 END AS cost_pence
FROM amounts;

-- 3. Where the cost came from, or why there is none.
CREATE OR REPLACE TEMP VIEW based AS
SELECT *,
       CASE WHEN cost_pence IS NULL THEN 'none' WHEN recorded_cost_pence IS NOT NULL THEN 'recorded' ELSE price_basis END AS cost_basis,
       CASE WHEN cost_pence IS NOT NULL THEN CASE WHEN recorded_cost_pence IS NULL AND price_basis = 'proxy' THEN source END
            WHEN financial_year IS NULL THEN 'no date, a year outside the price index, or a point of delivery that is not known'
            WHEN recorded_cost_pence IS NOT NULL THEN 'recorded cost beyond the largest believable cost'
            WHEN price_basis IS NULL THEN 'no price for this point of delivery and currency'
            WHEN rate IS NULL THEN 'price from a year outside the price index'
            WHEN quantity IS NULL OR quantity < 1 THEN 'units missing or below 1'
            ELSE 'cost beyond the largest believable cost' END AS cost_note
FROM priced;

-- 4. Fixed, and fixed with semi-fixed, are rounded; the rest follows by subtraction, so that the three are the cost on every row.
CREATE OR REPLACE TEMP VIEW split AS
SELECT *,
       CASE WHEN cost_pence < 0 THEN -((-cost_pence * fixed_millionths + 500000) // 1000000)
            ELSE (cost_pence * fixed_millionths + 500000) // 1000000 END AS fixed_pence,
       CASE WHEN cost_pence < 0 THEN -((-cost_pence * not_variable_millionths + 500000) // 1000000)
            ELSE (cost_pence * not_variable_millionths + 500000) // 1000000 END AS not_variable_pence
FROM based;
