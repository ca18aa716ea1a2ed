-- What a pathway has of each row's pounds, and in which phase.
-- Reads: owned (the ledger rows that start on the days of a pathway's pieces, with that piece's columns), phases (pathway, phase, from_day, to_day).

-- Phases tile the window, so that each row is in one. A split row's pence go out by cumulative division, so that the parts are the row to the penny.
CREATE OR REPLACE TEMP VIEW shared AS
SELECT o.*, p.phase,
       CASE WHEN parts = 1 THEN cost_pence ELSE (cost_pence * part) // parts - (cost_pence * (part - 1)) // parts END AS its_cost,
       CASE WHEN parts = 1 THEN fixed_pence ELSE (fixed_pence * part) // parts - (fixed_pence * (part - 1)) // parts END AS its_fixed,
       CASE WHEN parts = 1 THEN semi_fixed_pence ELSE (semi_fixed_pence * part) // parts - (semi_fixed_pence * (part - 1)) // parts END AS its_semi_fixed
FROM owned AS o
JOIN phases AS p ON p.pathway = o.pathway AND o.days_from_index BETWEEN p.from_day AND p.to_day;
