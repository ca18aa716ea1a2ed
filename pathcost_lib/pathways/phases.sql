-- Linked stays and packages over the phases of their pathway by days, every penny kept.
-- Reads: links (link.sql), dates (activity_id, start_date, end_date), phases (pathway, phase, from_day, to_day), settings (as_of).

-- 1. The last day of a row, from the index: the nights of a stay, at least one; an open stay runs to the day of the extract (as in periods.sql).
CREATE OR REPLACE TEMP VIEW lasting AS
SELECT k.*, k.days_from_index + CASE WHEN d.end_date IS NULL THEN greatest(datediff('day', d.start_date, s.as_of), 0)
                                     ELSE greatest(datediff('day', d.start_date, d.end_date) - 1, 0) END AS final_day
FROM links AS k
JOIN dates AS d ON d.activity_id = k.activity_id
CROSS JOIN settings AS s;

-- 2. The phases that those days fall in, counted from the row's first day.
CREATE OR REPLACE TEMP VIEW pieces AS
SELECT k.*, p.phase AS day_phase, greatest(p.from_day, k.days_from_index) - k.days_from_index AS days_before,
       least(p.to_day, k.final_day) + 1 - k.days_from_index AS days_to_end, k.final_day + 1 - k.days_from_index AS days_in_all
FROM lasting AS k
JOIN phases AS p ON p.pathway = k.pathway AND p.from_day <= k.final_day AND p.to_day >= k.days_from_index;

-- 3. Pence by cumulative days, so that the pieces are the linked row to the penny.
CREATE OR REPLACE TEMP VIEW shared AS
SELECT *, (cost_pence * days_to_end) // days_in_all - (cost_pence * days_before) // days_in_all AS cost,
       (fixed_pence * days_to_end) // days_in_all - (fixed_pence * days_before) // days_in_all AS fixed,
       (semi_fixed_pence * days_to_end) // days_in_all - (semi_fixed_pence * days_before) // days_in_all AS semi_fixed
FROM pieces;

CREATE OR REPLACE TEMP TABLE links_by_day AS
SELECT pathway, pathway_id, patient_id, activity_id, day_phase AS phase, days_from_index + days_before AS days_from_index, share, part, parts,
       setting, pod, provider_code, cost_basis, cost AS cost_pence, fixed AS fixed_pence, semi_fixed AS semi_fixed_pence,
       cost - fixed - semi_fixed AS variable_pence, days_to_end - days_before AS days, days_in_all
FROM shared;
