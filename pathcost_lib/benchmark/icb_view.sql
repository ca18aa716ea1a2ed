-- What one look at all ICBs needs, as small tables: people, their cost in the year, providers, and the pathways in pieces.
-- Reads: ledger, links, index_events (pathway, pathway_id, icb_code), chosen (the complete pathways that close in the year), patients,
--        settings (first_day, last_day, calendar_year, groups).

-- 1. People with their age at mid-year, in five-year steps, and whether they lived at the start of the year.
CREATE OR REPLACE TEMP VIEW people AS
SELECT p.patient_id, p.icb_code,
       -- Of an unknown year of birth nothing: least and greatest pass over nulls, and would make of it a child of 0.
       CASE WHEN p.birth_year IS NOT NULL THEN least(greatest(s.calendar_year - p.birth_year, 0), 90) // 5 * 5 END AS age_from, p.sex, p.deprivation_decile,
       least(p.conditions, 5) AS conditions,
       coalesce(p.birth_year <= s.calendar_year, TRUE) AND (p.died_on IS NULL OR p.died_on >= s.first_day) AS living
FROM patients AS p
CROSS JOIN settings AS s;

CREATE OR REPLACE TEMP VIEW registered AS
SELECT icb_code, age_from, sex, deprivation_decile, CAST(count(*) AS BIGINT) AS persons
FROM people
WHERE living
GROUP BY icb_code, age_from, sex, deprivation_decile;

-- 2. Each person's cost in the year, by setting: contacts that start in it. The only pass by person.
CREATE OR REPLACE TEMP TABLE person_costs AS
SELECT l.patient_id, l.setting, max(l.icb_code) AS icb_code, CAST(sum(l.cost_pence) AS BIGINT) AS cost_pence, CAST(sum(l.variable_pence) AS BIGINT) AS variable_pence
FROM ledger AS l
JOIN settings AS s ON l.start_date BETWEEN s.first_day AND s.last_day
GROUP BY l.patient_id, l.setting;

-- 3. The same for groups of people alike, with sums of squares; all settings together are one more setting.
CREATE OR REPLACE TEMP VIEW whole_costs AS
SELECT patient_id, setting, cost_pence, variable_pence FROM person_costs
UNION ALL
SELECT patient_id, 'all_settings' AS setting, CAST(sum(cost_pence) AS BIGINT) AS cost_pence, CAST(sum(variable_pence) AS BIGINT) AS variable_pence
FROM person_costs
GROUP BY patient_id;

CREATE OR REPLACE TEMP TABLE costs AS
SELECT p.icb_code, p.age_from, p.sex, p.deprivation_decile, c.setting, CAST(count(*) AS BIGINT) AS users,
       CAST(coalesce(sum(c.cost_pence), 0) AS BIGINT) AS cost_pence, CAST(coalesce(sum(c.variable_pence), 0) AS BIGINT) AS variable_pence,
       CAST(coalesce(sum(CAST(c.cost_pence AS DECIMAL(19, 0)) * CAST(c.cost_pence AS DECIMAL(19, 0))), 0) AS DOUBLE) AS squares
FROM whole_costs AS c
JOIN people AS p ON p.patient_id = c.patient_id
GROUP BY p.icb_code, p.age_from, p.sex, p.deprivation_decile, c.setting;

-- The same by number of long-term conditions too, 5 and over together.
CREATE OR REPLACE TEMP VIEW registered_conditions AS
SELECT icb_code, age_from, sex, deprivation_decile, conditions, CAST(count(*) AS BIGINT) AS persons
FROM people
WHERE living
GROUP BY icb_code, age_from, sex, deprivation_decile, conditions;

CREATE OR REPLACE TEMP VIEW condition_costs AS
SELECT p.icb_code, p.age_from, p.sex, p.deprivation_decile, p.conditions, c.setting, CAST(count(*) AS BIGINT) AS users,
       CAST(coalesce(sum(c.cost_pence), 0) AS BIGINT) AS cost_pence,
       CAST(coalesce(sum(CAST(c.cost_pence AS DECIMAL(19, 0)) * CAST(c.cost_pence AS DECIMAL(19, 0))), 0) AS DOUBLE) AS squares
FROM whole_costs AS c
JOIN people AS p ON p.patient_id = c.patient_id
GROUP BY p.icb_code, p.age_from, p.sex, p.deprivation_decile, p.conditions, c.setting;

-- Cost of people who fit no stratum, because their age or sex is not known or they are not in the table of patients.
CREATE OR REPLACE TEMP VIEW unknown AS
SELECT c.icb_code, CAST(coalesce(sum(c.cost_pence), 0) AS DOUBLE) AS cost_pence,
       CAST(coalesce(sum(CASE WHEN p.age_from IS NULL OR coalesce(p.sex, '') NOT IN ('female', 'male') THEN c.cost_pence END), 0) AS DOUBLE) AS unknown_pence
FROM person_costs AS c
LEFT JOIN people AS p ON p.patient_id = c.patient_id
GROUP BY c.icb_code;

-- 4. What each provider did in the year, apart where the row is an index event, and on whose price its cost rests.
CREATE OR REPLACE TEMP TABLE providers AS
SELECT l.provider_code, i.pathway, l.pod, l.currency_code, l.cost_basis, CAST(count(*) AS BIGINT) AS contacts, CAST(sum(l.units) AS BIGINT) AS units,
       CAST(sum(l.cost_pence) AS BIGINT) AS cost_pence,
       CAST(sum(CAST(l.cost_pence AS DECIMAL(19, 0)) * CAST(l.cost_pence AS DECIMAL(19, 0))) AS DOUBLE) AS squares
FROM ledger AS l
JOIN settings AS s ON l.start_date BETWEEN s.first_day AND s.last_day
LEFT JOIN index_events AS i ON i.pathway_id = l.activity_id
GROUP BY l.provider_code, i.pathway, l.pod, l.currency_code, l.cost_basis;

-- 5. Pathways by the age and sex of their patients, and their contacts in as many random parts as the jackknife leaves out in turn.
CREATE OR REPLACE TEMP TABLE parted AS
SELECT c.pathway, c.pathway_id, c.icb_code, c.index_date, p.age_from, p.sex,
       CAST(row_number() OVER (PARTITION BY c.pathway, c.icb_code ORDER BY c.pathway_id) % s.groups AS BIGINT) AS part
FROM chosen AS c
CROSS JOIN settings AS s
LEFT JOIN people AS p ON p.patient_id = c.patient_id;

CREATE OR REPLACE TEMP VIEW events AS
SELECT pathway, icb_code, age_from, sex, part, CAST(count(*) AS BIGINT) AS pathways
FROM parted
GROUP BY pathway, icb_code, age_from, sex, part;

CREATE OR REPLACE TEMP VIEW pieces AS
SELECT q.pathway, q.icb_code, q.part, k.phase, k.setting,
       CASE WHEN CAST(q.index_date + CAST(k.days_from_index AS INTEGER) AS DATE) BETWEEN s.first_day AND s.last_day THEN 1 ELSE 0 END AS in_year,
       CAST(count(*) AS BIGINT) AS contacts, CAST(coalesce(sum(k.cost_pence), 0) AS BIGINT) AS cost_pence
FROM links AS k
JOIN parted AS q ON q.pathway = k.pathway AND q.pathway_id = k.pathway_id
CROSS JOIN settings AS s
GROUP BY q.pathway, q.icb_code, q.part, k.phase, k.setting, in_year;
