-- The ledger rows that start on the days that a pathway owns.
-- Reads: ledger, pieces (windows.sql).

-- A split row's pence go out by cumulative division, so that the parts are the row to the penny.
CREATE OR REPLACE TEMP VIEW shared AS
SELECT p.pathway, p.pathway_id, l.patient_id, l.activity_id, p.phase, datediff('day', p.index_date, l.start_date) AS days_from_index,
       p.part, p.parts, l.setting, l.pod, l.provider_code, l.cost_basis,
       (l.cost_pence * p.part) // p.parts - (l.cost_pence * (p.part - 1)) // p.parts AS cost_pence,
       (l.fixed_pence * p.part) // p.parts - (l.fixed_pence * (p.part - 1)) // p.parts AS fixed_pence,
       (l.semi_fixed_pence * p.part) // p.parts - (l.semi_fixed_pence * (p.part - 1)) // p.parts AS semi_fixed_pence
FROM ledger AS l
JOIN pieces AS p ON p.patient_id = l.patient_id AND l.start_date BETWEEN p.from_date AND p.to_date;

CREATE OR REPLACE TEMP TABLE links AS
SELECT pathway, pathway_id, patient_id, activity_id, phase, days_from_index, CAST(1.0 / parts AS DOUBLE) AS share, part, parts, setting, pod, provider_code, cost_basis,
       cost_pence, fixed_pence, semi_fixed_pence, cost_pence - fixed_pence - semi_fixed_pence AS variable_pence
FROM shared;
