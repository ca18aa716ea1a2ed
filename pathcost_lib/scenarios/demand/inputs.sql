-- What an ICB's outlook of demand starts from: its own use and cost in a year, and use by age and sex of all areas.
-- Reads: ledger (the ICB's costed activity of the year), activity, patients, population, settings (icb_code, year, first_day, last_day).

CREATE OR REPLACE TEMP VIEW own AS
SELECT pod, setting, CAST(sum(units) AS BIGINT) AS contacts, count(DISTINCT patient_id) AS persons,
       CAST(sum(cost_pence) AS BIGINT) AS cost_pence,
       CAST(sum(CASE WHEN cost_pence IS NULL THEN units ELSE 0 END) AS BIGINT) AS uncosted
FROM ledger
GROUP BY pod, setting
ORDER BY pod, setting;

-- The pattern by age is that of all areas in the data together: one area's would be mostly chance at a single year of age.
CREATE OR REPLACE TEMP VIEW used AS
SELECT a.pod, CASE WHEN p.birth_year IS NOT NULL THEN least(greatest(s.year - p.birth_year, 0), 90) END AS age, p.sex, CAST(sum(a.units) AS BIGINT) AS units
FROM activity AS a
JOIN patients AS p ON p.patient_id = a.patient_id
JOIN settings AS s ON a.start_date BETWEEN s.first_day AND s.last_day
GROUP BY 1, 2, 3;

CREATE OR REPLACE TEMP VIEW people AS
SELECT p.age, p.sex, sum(p.persons) AS persons
FROM population AS p
JOIN settings AS s ON p.year = s.year
WHERE p.variant = 'principal' AND p.icb_code IN (SELECT icb_code FROM activity)
GROUP BY p.age, p.sex;

CREATE OR REPLACE TEMP VIEW rates AS
SELECT u.pod, p.age, p.sex, u.units / p.persons AS rate
FROM people AS p
JOIN used AS u ON u.age = p.age AND u.sex = p.sex
WHERE p.persons > 0
ORDER BY u.pod, p.age, p.sex;
