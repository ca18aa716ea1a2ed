-- Activity held against activity expected of the population.
-- Reads: activity, population, rates (setting, pod, age_from, age_to, sex, contacts_per_head_per_year), settings (first_day, last_day, year, share_of_year).

CREATE OR REPLACE TEMP VIEW held AS
SELECT icb_code, setting, pod, CAST(sum(units) AS BIGINT) AS held
FROM activity
CROSS JOIN settings
WHERE start_date BETWEEN first_day AND last_day
GROUP BY icb_code, setting, pod;

CREATE OR REPLACE TEMP VIEW expected AS
SELECT p.icb_code, r.setting, r.pod, sum(p.persons * r.contacts_per_head_per_year * s.share_of_year) AS expected
FROM population AS p
CROSS JOIN settings AS s
JOIN rates AS r ON p.age BETWEEN r.age_from AND r.age_to AND (r.sex = p.sex OR r.sex = 'all')
WHERE p.year = s.year AND p.variant = 'principal'
GROUP BY p.icb_code, r.setting, r.pod;

CREATE OR REPLACE TEMP VIEW coverage AS
SELECT coalesce(e.icb_code, h.icb_code) AS icb_code, coalesce(e.setting, h.setting) AS setting, coalesce(e.pod, h.pod) AS pod,
       coalesce(h.held, 0) AS held, e.expected
FROM expected AS e
FULL OUTER JOIN held AS h ON h.icb_code = e.icb_code AND h.pod = e.pod AND h.setting = e.setting
ORDER BY ALL;
