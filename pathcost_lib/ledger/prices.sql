-- The price list as rows will use it: all rules of preference and all that is not whole numbers settled on small tables, one line a year x POD x currency (x provider).
-- Reads: unit_costs, organisations, years (start_year, financial_year, index_value), behaviour (pod, provider_code, fixed_share, semi_fixed_share, overrides),
--        pods (pod, unit), settings (price_base, price_base_index, mff_mode, mff_base).

-- 1. The price list with its year as a number, each price offered to every year of the activity: the latest price not after the year, else the next.
--    A price below 0 or above £10m a unit is not believed.
CREATE OR REPLACE TEMP TABLE prices AS
SELECT * FROM (
  SELECT y.start_year, u.pod, u.currency_code, u.provider_code, u.unit_cost, u.unit, u.source, u.fixed_share, u.semi_fixed_share,
         CAST(substr(u.financial_year, 1, 4) AS BIGINT) AS price_year,
         row_number() OVER (PARTITION BY y.start_year, u.pod, u.currency_code, u.provider_code
                            ORDER BY CASE WHEN CAST(substr(u.financial_year, 1, 4) AS BIGINT) <= y.start_year
                                          THEN y.start_year - CAST(substr(u.financial_year, 1, 4) AS BIGINT)
                                          ELSE 1000 + CAST(substr(u.financial_year, 1, 4) AS BIGINT) - y.start_year END, u.unit_cost, u.unit) AS choice
  FROM unit_costs AS u
  CROSS JOIN years AS y
  WHERE y.in_activity = 1 AND u.unit_cost BETWEEN 0 AND 100000000000
) AS ranked
WHERE choice = 1;

-- 2. What holds for a POD in a year, priced or not: the factor in millionths that brings a recorded cost to the price base.
CREATE OR REPLACE TEMP TABLE pod_year AS
SELECT y.start_year, y.financial_year, d.pod, d.unit, CAST(round(1000000 * s.price_base_index / y.index_value) AS BIGINT) AS recorded_factor
FROM years AS y
CROSS JOIN settings AS s
CROSS JOIN pods AS d
WHERE y.in_activity = 1;

-- 3. A line for every price, and one without a price for a POD that has no proxy ("*"): the factor that brings the price to the price base, and how the cost
--    behaves (the user's own table first, then the price list, then the usual for the POD).
CREATE OR REPLACE TEMP VIEW offers AS
SELECT start_year, pod, currency_code, provider_code, unit_cost, unit, source, fixed_share, semi_fixed_share, price_year FROM prices
UNION ALL
SELECT g.start_year, g.pod, '*', NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pod_year AS g
LEFT JOIN prices AS p ON p.start_year = g.start_year AND p.pod = g.pod AND p.currency_code = '*' AND p.provider_code IS NULL
WHERE p.pod IS NULL;

CREATE OR REPLACE TEMP VIEW price_lines AS
SELECT g.start_year, g.financial_year, g.pod, p.currency_code, p.provider_code, p.unit_cost, p.source, g.recorded_factor, p.price_year,
       CASE WHEN p.unit = 'bed_day' AND g.unit <> 'bed_day' THEN 1 ELSE 0 END AS by_day,
       CASE WHEN p.unit_cost IS NULL THEN NULL WHEN p.provider_code IS NOT NULL THEN 'provider' WHEN p.currency_code = '*' THEN 'proxy' ELSE 'national' END
         AS price_basis,
       1000000 * s.price_base_index / y.index_value AS inflation,
       -- How many units are £50m.
       least(1000000, 500000000000 // greatest(p.unit_cost, 1)) AS most_units,
       CAST(round(1000000 * coalesce(own.fixed_share, p.fixed_share, usual.fixed_share)) AS BIGINT) AS fixed_millionths,
       CAST(round(1000000 * coalesce(own.fixed_share + own.semi_fixed_share, p.fixed_share + p.semi_fixed_share, usual.fixed_share + usual.semi_fixed_share)) AS BIGINT)
         AS not_variable_millionths
FROM pod_year AS g
CROSS JOIN settings AS s
JOIN offers AS p ON p.start_year = g.start_year AND p.pod = g.pod
JOIN behaviour AS usual ON usual.pod = g.pod AND usual.overrides = 0
LEFT JOIN behaviour AS own ON own.pod = g.pod AND own.overrides = 1 AND own.provider_code IS NULL
LEFT JOIN years AS y ON y.start_year = p.price_year;

-- 4. The market forces factor of each provider in each year: the row in force at the end of the year, else the latest before it, else the first.
--    adjust: own costs are brought to national average prices. pay: national prices are brought to the provider's. none: neither.
CREATE OR REPLACE TEMP TABLE provider_year AS
SELECT m.start_year, m.provider_code, m.mff,
       CASE WHEN s.mff_mode = 'adjust' THEN s.mff_base / m.mff ELSE 1.0 END AS own_factor,
       CAST(round(1000000 * s.price_base_index / m.index_value * CASE WHEN s.mff_mode = 'adjust' THEN s.mff_base / m.mff ELSE 1.0 END) AS BIGINT) AS recorded_factor
FROM (
  SELECT y.start_year, y.index_value, o.org_code AS provider_code, o.mff,
         row_number() OVER (PARTITION BY y.start_year, o.org_code
                            ORDER BY CASE WHEN o.valid_from IS NULL OR year(o.valid_from) <= y.start_year THEN 0 ELSE 1 END, o.valid_from DESC, o.mff) AS choice
  FROM organisations AS o
  CROSS JOIN years AS y
  WHERE o.mff IS NOT NULL AND y.in_activity = 1
) AS m
CROSS JOIN settings AS s
WHERE m.choice = 1;

-- 5. Every line under a number: what a row needs of a price hangs on that one number. Line 0 is that of rows whose year or POD is not known.
--    A rate is what a unit costs at the price base, in hundred-millionths of a penny; a provider's own price has its market forces factor in it.
CREATE OR REPLACE TEMP TABLE lines AS
SELECT row_number() OVER (ORDER BY p.start_year, p.pod, p.currency_code, p.provider_code) AS line,
       p.start_year, p.financial_year, p.pod, p.currency_code, p.provider_code, p.price_basis, p.unit_cost, p.source, p.price_year, p.inflation, p.by_day, p.most_units,
       p.recorded_factor, p.fixed_millionths, p.not_variable_millionths,
       p.unit_cost * CAST(round(p.inflation * CASE WHEN p.provider_code IS NULL THEN 1.0 ELSE coalesce(m.own_factor, 1.0) END) AS BIGINT) AS rate
FROM price_lines AS p
LEFT JOIN provider_year AS m ON m.start_year = p.start_year AND m.provider_code = p.provider_code
UNION ALL
SELECT 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL;

CREATE OR REPLACE TEMP VIEW national_line AS
SELECT line, start_year, pod, currency_code FROM lines WHERE provider_code IS NULL AND currency_code <> '*';

CREATE OR REPLACE TEMP VIEW proxy_line AS
SELECT line, start_year, pod FROM lines WHERE provider_code IS NULL AND currency_code = '*';

CREATE OR REPLACE TEMP VIEW own_line AS
SELECT line, start_year, pod, currency_code, provider_code FROM lines WHERE provider_code IS NOT NULL;

-- 6. What is paid for a line that is not the provider's own, where prices are brought to the provider's.
CREATE OR REPLACE TEMP TABLE paid_factor AS
SELECT m.start_year, m.provider_code, p.price_year, CAST(round(p.inflation * (m.mff / s.mff_base)) AS BIGINT) AS price_factor
FROM provider_year AS m
CROSS JOIN (SELECT DISTINCT price_year, inflation FROM lines WHERE provider_code IS NULL AND inflation IS NOT NULL) AS p
CROSS JOIN settings AS s
WHERE s.mff_mode = 'pay';

-- 7. The user's own cost behaviour of one provider, which goes before all other.
CREATE OR REPLACE TEMP VIEW own_behaviour AS
SELECT pod, provider_code, CAST(round(1000000 * fixed_share) AS BIGINT) AS fixed_millionths,
       CAST(round(1000000 * (fixed_share + semi_fixed_share)) AS BIGINT) AS not_variable_millionths
FROM behaviour
WHERE overrides = 1 AND provider_code IS NOT NULL;
