-- Stays and packages over months or years by days, every penny kept.
-- Reads: ledger, periods (period, first_day, last_day), settings (as_of).

-- 1. The days that a row lasts: the nights of a stay (its last day is not slept through), at least one; an open stay runs to the day of the extract.
CREATE OR REPLACE TEMP VIEW lasting AS
SELECT l.*, CASE WHEN l.end_date IS NULL THEN greatest(l.start_date, s.as_of)
                 WHEN l.end_date <= l.start_date THEN l.start_date
                 ELSE CAST(l.end_date - 1 AS DATE) END AS final_day
FROM ledger AS l
CROSS JOIN settings AS s;

-- 2. The periods that those days fall in.
CREATE OR REPLACE TEMP VIEW pieces AS
SELECT l.*, p.period, greatest(p.first_day, l.start_date) AS piece_from, least(p.last_day, l.final_day) AS piece_to,
       datediff('day', l.start_date, l.final_day) + 1 AS days_in_all
FROM lasting AS l
JOIN periods AS p ON p.first_day <= l.final_day AND p.last_day >= l.start_date;

-- 3. Pence by cumulative days, so that the pieces are the row to the penny.
CREATE OR REPLACE TEMP VIEW counted AS
SELECT *, datediff('day', start_date, piece_from) AS days_before, datediff('day', start_date, piece_to) + 1 AS days_to_end
FROM pieces;

CREATE OR REPLACE TEMP VIEW shared AS
SELECT activity_id, patient_id, setting, pod, currency_code, provider_code, icb_code, financial_year, cost_basis, end_date IS NOT NULL AS ended, period,
       piece_from, piece_to, days_to_end - days_before AS days, days_in_all,
       (cost_pence * days_to_end) // days_in_all - (cost_pence * days_before) // days_in_all AS cost_pence,
       (fixed_pence * days_to_end) // days_in_all - (fixed_pence * days_before) // days_in_all AS fixed_pence,
       (semi_fixed_pence * days_to_end) // days_in_all - (semi_fixed_pence * days_before) // days_in_all AS semi_fixed_pence
FROM counted;

CREATE OR REPLACE TEMP VIEW split_rows AS
SELECT *, cost_pence - fixed_pence - semi_fixed_pence AS variable_pence FROM shared;
