-- The order of steps in each pathway.
-- Reads: events (case_id, step, day, position, cost_pence), settings (collapse).

-- 1. Steps in order, and whether each differs from the one before.
CREATE OR REPLACE TEMP VIEW ordered AS
SELECT case_id, step, day, cost_pence, position,
       lag(step) OVER (PARTITION BY case_id ORDER BY day, position) AS step_before
FROM events;

-- 2. Runs: the same step several times on end is one run, where asked for.
CREATE OR REPLACE TEMP VIEW numbered AS
SELECT o.*, sum(CASE WHEN s.collapse = 1 AND o.step_before = o.step THEN 0 ELSE 1 END)
              OVER (PARTITION BY o.case_id ORDER BY o.day, o.position ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS run
FROM ordered AS o
CROSS JOIN settings AS s;

CREATE OR REPLACE TEMP TABLE runs AS
SELECT case_id, CAST(run AS BIGINT) AS run, min(step) AS step, min(day) AS first_day, max(day) AS last_day, count(*) AS contacts,
       CAST(coalesce(sum(cost_pence), 0) AS BIGINT) AS cost_pence
FROM numbered
GROUP BY case_id, run;

-- 3. Edges: from the last day of a run to the first of the next.
CREATE OR REPLACE TEMP VIEW passages AS
SELECT a.case_id, a.step AS from_step, b.step AS to_step, b.first_day - a.last_day AS days, b.cost_pence,
       row_number() OVER (PARTITION BY a.step, b.step ORDER BY b.first_day - a.last_day, a.case_id, a.run) AS place,
       count(*) OVER (PARTITION BY a.step, b.step) AS places
FROM runs AS a
JOIN runs AS b ON b.case_id = a.case_id AND b.run = a.run + 1;

-- Median and ninth decile by nearest rank, the same on every engine.
CREATE OR REPLACE TEMP VIEW edges AS
SELECT from_step, to_step, count(*) AS passages, count(DISTINCT case_id) AS cases, avg(days) AS mean_days,
       max(CASE WHEN place = (places + 1) // 2 THEN days END) AS median_days,
       max(CASE WHEN place = (9 * places + 9) // 10 THEN days END) AS p90_days,
       CAST(sum(cost_pence) AS BIGINT) AS cost_pence
FROM passages
GROUP BY from_step, to_step
ORDER BY passages DESC, from_step, to_step;

-- 4. Variants: the whole order of steps of a pathway.
CREATE OR REPLACE TEMP VIEW orders AS
SELECT case_id, string_agg(step, ' > ' ORDER BY run) AS variant, count(*) AS steps, CAST(sum(cost_pence) AS BIGINT) AS cost_pence
FROM runs
GROUP BY case_id;

CREATE OR REPLACE TEMP VIEW variants AS
SELECT variant, max(steps) AS steps, count(*) AS cases, CAST(sum(cost_pence) AS BIGINT) AS cost_pence
FROM orders
GROUP BY variant
ORDER BY cases DESC, variant;
