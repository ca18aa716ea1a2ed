-- A cost on every activity row.
-- Reads: activity, unit_costs, organisations, price_index (start_year, financial_year, index_value), behaviour (pod, provider_code, fixed_share, semi_fixed_share, overrides),
--        pods (pod, unit), settings (price_base, price_base_index, mff_mode, mff_base, largest_cost).
-- Every distinct year x POD x currency x provider is priced once on a small table; then one join puts the price on the rows.

-- 1. What has to be priced. Activity belongs to the financial year in which it ends (a stay still open: in which it began).
CREATE OR REPLACE TEMP TABLE keys AS
SELECT year(coalesce(end_date, start_date)) - CASE WHEN month(coalesce(end_date, start_date)) < 4 THEN 1 ELSE 0 END AS start_year,
       pod, currency_code, provider_code
FROM activity
GROUP BY ALL
ORDER BY ALL;

-- 2. The price list with its year as a number and what each price is.
CREATE OR REPLACE TEMP VIEW price_list AS
SELECT CAST(substr(financial_year, 1, 4) AS BIGINT) AS price_year, pod, currency_code, provider_code, unit_cost, unit, source,
       fixed_share, semi_fixed_share,
       CASE WHEN currency_code = '*' THEN 'proxy' WHEN provider_code IS NULL THEN 'national' ELSE 'provider' END AS cost_basis
FROM unit_costs;

-- 3. Each key with all prices that could serve it: its own provider and currency, the national price, or a proxy for the POD.
CREATE OR REPLACE TEMP VIEW offers AS
SELECT k.start_year, k.pod, k.currency_code, k.provider_code, p.price_year, p.unit_cost, p.unit, p.source, p.cost_basis,
       p.fixed_share, p.semi_fixed_share,
       CASE p.cost_basis WHEN 'provider' THEN 1 WHEN 'national' THEN 2 ELSE 3 END AS preference,
       CASE WHEN p.provider_code IS NULL THEN 1 ELSE 0 END AS not_own,
       CASE WHEN p.price_year <= k.start_year THEN k.start_year - p.price_year ELSE 1000 + p.price_year - k.start_year END AS distance
FROM keys AS k
JOIN price_list AS p
  ON p.pod = k.pod
 AND (p.currency_code = k.currency_code OR p.currency_code = '*')
 AND (p.provider_code IS NULL OR p.provider_code = k.provider_code);

-- 4. The best offer: recorded costs aside, provider before national before proxy; then the latest year not after the activity, else the next.
CREATE OR REPLACE TEMP VIEW best_offer AS
SELECT * FROM (
  SELECT *, row_number() OVER (PARTITION BY start_year, pod, currency_code, provider_code
                               ORDER BY preference, not_own, distance, unit_cost, unit) AS choice
  FROM offers
) AS ranked
WHERE choice = 1;

-- 5. The market forces factor of each provider in each year: the row in force at the end of the year, else the latest before it, else the first.
CREATE OR REPLACE TEMP VIEW provider_mff AS
SELECT start_year, provider_code, mff FROM (
  SELECT k.start_year, k.provider_code, o.mff,
         row_number() OVER (PARTITION BY k.start_year, k.provider_code
                            ORDER BY CASE WHEN o.valid_from IS NULL OR year(o.valid_from) <= k.start_year THEN 0 ELSE 1 END, o.valid_from DESC, o.mff) AS choice
  FROM (SELECT DISTINCT start_year, provider_code FROM keys) AS k
  JOIN organisations AS o ON o.org_code = k.provider_code
  WHERE o.mff IS NOT NULL
) AS ranked
WHERE choice = 1;

-- 6. How the cost of each key behaves: the user's own table before the price's shares, those before the reference; a provider's line before the general.
CREATE OR REPLACE TEMP VIEW key_behaviour AS
SELECT start_year, pod, currency_code, provider_code, fixed_share, semi_fixed_share, overrides FROM (
  SELECT k.*, h.fixed_share, h.semi_fixed_share, h.overrides,
         row_number() OVER (PARTITION BY k.start_year, k.pod, k.currency_code, k.provider_code
                            ORDER BY h.overrides DESC, CASE WHEN h.provider_code IS NULL THEN 1 ELSE 0 END) AS choice
  FROM keys AS k
  JOIN behaviour AS h ON h.pod = k.pod AND (h.provider_code IS NULL OR h.provider_code = k.provider_code)
) AS ranked
WHERE choice = 1;

-- 7. One line a key: its price, and scaled factors (millionths) for own costs (recorded, provider) and for national prices.
--    adjust: own costs are brought to national average prices. pay: national prices are brought to the provider's. none: neither.
CREATE OR REPLACE TEMP TABLE rates AS
SELECT k.start_year, y.financial_year, k.pod, k.currency_code, k.provider_code,
       b.unit_cost, b.cost_basis, b.source, m.mff,
       CASE WHEN b.unit = 'bed_day' AND d.unit <> 'bed_day' THEN 1 ELSE 0 END AS priced_by_day,
       CAST(round(1000000 * s.price_base_index / y.index_value
            * CASE WHEN s.mff_mode = 'adjust' THEN s.mff_base / coalesce(m.mff, s.mff_base) ELSE 1 END) AS BIGINT) AS recorded_factor,
       CAST(round(1000000 * s.price_base_index / py.index_value
            * CASE WHEN s.mff_mode = 'adjust' AND b.cost_basis = 'provider' THEN s.mff_base / coalesce(m.mff, s.mff_base)
                   WHEN s.mff_mode = 'pay' AND b.cost_basis <> 'provider' THEN coalesce(m.mff, s.mff_base) / s.mff_base
                   ELSE 1 END) AS BIGINT) AS price_factor,
       CAST(round(1000000 * CASE WHEN h.overrides = 1 OR b.fixed_share IS NULL THEN h.fixed_share ELSE b.fixed_share END) AS BIGINT) AS fixed_millionths,
       CAST(round(1000000 * CASE WHEN h.overrides = 1 OR b.fixed_share IS NULL THEN h.fixed_share + h.semi_fixed_share
                                 ELSE b.fixed_share + b.semi_fixed_share END) AS BIGINT) AS not_variable_millionths
FROM keys AS k
CROSS JOIN settings AS s
LEFT JOIN price_index AS y ON y.start_year = k.start_year
LEFT JOIN best_offer AS b
  ON b.start_year = k.start_year AND b.pod = k.pod
 AND b.currency_code IS NOT DISTINCT FROM k.currency_code AND b.provider_code IS NOT DISTINCT FROM k.provider_code
LEFT JOIN price_index AS py ON py.start_year = b.price_year
LEFT JOIN provider_mff AS m ON m.start_year = k.start_year AND m.provider_code = k.provider_code
LEFT JOIN key_behaviour AS h
  ON h.start_year = k.start_year AND h.pod = k.pod
 AND h.currency_code IS NOT DISTINCT FROM k.currency_code AND h.provider_code IS NOT DISTINCT FROM k.provider_code
LEFT JOIN pods AS d ON d.pod = k.pod;

-- 8. The rate beside each row, and how many units it buys (a stay of no nights, priced by the day, counts one day).
CREATE OR REPLACE TEMP VIEW rated AS
SELECT a.*, r.financial_year, r.unit_cost, r.cost_basis AS price_basis, r.source, r.mff, r.recorded_factor, r.price_factor,
       r.fixed_millionths, r.not_variable_millionths, s.price_base, s.mff_mode, s.largest_cost,
       CASE WHEN r.priced_by_day <> 1 THEN a.units WHEN a.length_of_stay_days < 1 THEN 1 ELSE a.length_of_stay_days END AS quantity
FROM activity AS a
CROSS JOIN settings AS s
LEFT JOIN rates AS r
  ON r.start_year = year(coalesce(a.end_date, a.start_date)) - CASE WHEN month(coalesce(a.end_date, a.start_date)) < 4 THEN 1 ELSE 0 END
 AND r.pod = a.pod
 AND r.currency_code IS NOT DISTINCT FROM a.currency_code AND r.provider_code IS NOT DISTINCT FROM a.provider_code;

-- 9. Which cost it is, or why there is none.
CREATE OR REPLACE TEMP VIEW based AS
SELECT *,
       CASE WHEN financial_year IS NULL OR fixed_millionths IS NULL THEN 'none'
            WHEN recorded_cost_pence IS NOT NULL AND recorded_cost_pence BETWEEN -largest_cost AND largest_cost THEN 'recorded'
            WHEN recorded_cost_pence IS NOT NULL THEN 'none'
            WHEN price_basis IS NULL OR price_factor IS NULL OR quantity IS NULL OR quantity < 1 THEN 'none'
            WHEN quantity > 1000000 OR unit_cost > 100000000000 THEN 'none'
            WHEN unit_cost * quantity > 100 * largest_cost THEN 'none'
            ELSE price_basis END AS cost_basis,
       CASE WHEN financial_year IS NULL THEN 'no date, or a year outside the price index'
            WHEN fixed_millionths IS NULL THEN 'point of delivery has no price and no cost behaviour'
            WHEN recorded_cost_pence BETWEEN -largest_cost AND largest_cost THEN NULL
            WHEN recorded_cost_pence IS NOT NULL THEN 'recorded cost beyond the largest believable cost'
            WHEN price_basis IS NULL THEN 'no price for this point of delivery and currency'
            WHEN price_factor IS NULL THEN 'price from a year outside the price index'
            WHEN quantity IS NULL OR quantity < 1 THEN 'units missing or below 1'
            WHEN quantity > 1000000 OR unit_cost > 100000000000 THEN 'cost beyond the largest believable cost'
            WHEN unit_cost * quantity > 100 * largest_cost THEN 'cost beyond the largest believable cost'
            WHEN price_basis = 'proxy' THEN source END AS cost_note
FROM rated;

-- 10. Pence, rounded once, half away from zero. 1e8: price is in ten-thousandths of a pound (100 to the penny), factor in millionths.
CREATE OR REPLACE TEMP VIEW priced AS
SELECT *,
       CASE WHEN cost_basis = 'recorded' AND recorded_cost_pence < 0 THEN -((-recorded_cost_pence * recorded_factor + 500000) // 1000000)
            WHEN cost_basis = 'recorded' THEN (recorded_cost_pence * recorded_factor + 500000) // 1000000
            WHEN cost_basis <> 'none' THEN (unit_cost * quantity * price_factor + 50000000) // 100000000 END AS cost_pence
FROM based;

-- 11. Fixed, and fixed with semi-fixed, are rounded; the rest follows by subtraction, so that the three are the cost on every row.
CREATE OR REPLACE TEMP VIEW split AS
SELECT *,
       CASE WHEN cost_pence < 0 THEN -((-cost_pence * fixed_millionths + 500000) // 1000000)
            ELSE (cost_pence * fixed_millionths + 500000) // 1000000 END AS fixed_pence,
       CASE WHEN cost_pence < 0 THEN -((-cost_pence * not_variable_millionths + 500000) // 1000000)
            ELSE (cost_pence * not_variable_millionths + 500000) // 1000000 END AS not_variable_pence
FROM priced;

CREATE OR REPLACE TEMP VIEW ledger AS
SELECT activity_id, patient_id, start_date, end_date, setting, pod, currency_code, provider_code, icb_code, units, length_of_stay_days,
       primary_diagnosis, primary_procedure, recorded_cost_pence, financial_year, unit_cost, cost_pence, fixed_pence,
       not_variable_pence - fixed_pence AS semi_fixed_pence, cost_pence - not_variable_pence AS variable_pence,
       cost_basis, cost_note, mff, mff_mode, price_base
FROM split;
