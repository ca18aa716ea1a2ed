-- One area's contacts of some months beside what is published: the same contacts at national prices, and how many units people had.
-- Reads: ledger (the area's own), national (the same contacts at national prices), settings (first_day, last_day).

-- 1. Contacts whose cost is the provider's own, beside the published price of the same contact.
CREATE OR REPLACE TEMP TABLE matched AS
SELECT l.patient_id, l.setting, l.pod, l.currency_code, l.cost_pence AS own_pence, n.cost_pence AS national_pence
FROM ledger AS l
JOIN settings AS s ON l.start_date BETWEEN s.first_day AND s.last_day
JOIN national AS n ON n.activity_id = l.activity_id
WHERE l.cost_basis IN ('recorded', 'provider') AND n.cost_basis = 'national' AND l.cost_pence IS NOT NULL AND n.cost_pence > 0;

CREATE OR REPLACE TEMP VIEW prices AS
SELECT setting, pod, currency_code, CAST(count(*) AS BIGINT) AS contacts, CAST(sum(own_pence) AS DOUBLE) / 100 AS cost_gbp,
       CAST(sum(CAST(own_pence AS DECIMAL(19, 0)) * CAST(own_pence AS DECIMAL(19, 0))) AS DOUBLE) / 10000 AS squares,
       CAST(sum(national_pence) AS DOUBLE) / 100 AS national_gbp
FROM matched
GROUP BY setting, pod, currency_code;

CREATE OR REPLACE TEMP VIEW people_priced AS
SELECT setting, CAST(count(DISTINCT patient_id) AS BIGINT) AS persons FROM matched GROUP BY setting
UNION ALL
SELECT 'all_settings' AS setting, CAST(count(DISTINCT patient_id) AS BIGINT) AS persons FROM matched;

-- 2. All that the settings cost, of which the matched contacts are a part.
CREATE OR REPLACE TEMP VIEW whole AS
SELECT l.setting, CAST(sum(l.cost_pence) AS DOUBLE) / 100 AS whole_gbp
FROM ledger AS l
JOIN settings AS s ON l.start_date BETWEEN s.first_day AND s.last_day
GROUP BY l.setting;

-- 3. Units of each point of delivery, with the sum of squares over people.
CREATE OR REPLACE TEMP VIEW had AS
SELECT setting, pod, CAST(count(*) AS BIGINT) AS persons, CAST(sum(units) AS DOUBLE) AS units, CAST(sum(units * units) AS DOUBLE) AS squares
FROM (
  SELECT l.patient_id, l.setting, l.pod, CAST(sum(l.units) AS DOUBLE) AS units
  FROM ledger AS l
  JOIN settings AS s ON l.start_date BETWEEN s.first_day AND s.last_day
  GROUP BY l.patient_id, l.setting, l.pod
) AS each
GROUP BY setting, pod;
