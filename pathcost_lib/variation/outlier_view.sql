-- Cost of each part of each pathway beside what the same index currency costs on average.
-- Reads: pathways, links, activity, organisations, parts (pathway, phase, part), reach (pathway, part, from_day, to_day), settings (data_from, data_to, fewest).

-- 1. Index events with their case mix: the index event's currency, rare ones together.
CREATE OR REPLACE TEMP TABLE events AS
SELECT p.pathway, p.pathway_id, p.index_date, p.complete, p.index_provider_code AS provider_code,
       CASE WHEN count(*) OVER (PARTITION BY p.pathway, a.currency_code) < s.fewest THEN '*' ELSE a.currency_code END AS mix
FROM pathways AS p
JOIN activity AS a ON a.activity_id = p.pathway_id
CROSS JOIN settings AS s;

-- 2. Each part's cost: 0 without a contact, missing where none of its contacts has a cost; contacts without one are counted.
CREATE OR REPLACE TEMP TABLE part_costs AS
SELECT k.pathway, k.pathway_id, t.part, CAST(sum(k.cost_pence) AS BIGINT) AS cost_pence,
       CAST(sum(CASE WHEN k.cost_pence IS NULL THEN 1 ELSE 0 END) AS BIGINT) AS unpriced
FROM links AS k
JOIN parts AS t ON t.pathway = k.pathway AND t.phase = k.phase
GROUP BY k.pathway, k.pathway_id, t.part;

CREATE OR REPLACE TEMP TABLE costs AS
SELECT e.pathway, e.pathway_id, r.part, e.provider_code, e.mix,
       CASE WHEN c.pathway_id IS NULL THEN 0.0 ELSE CAST(c.cost_pence AS DOUBLE) / 100 END AS cost_gbp,
       coalesce(c.unpriced, 0) AS unpriced,
       -- The financial year (by that in which it begins) from which the event is counted: its days have passed, or a death.
       year(CASE WHEN e.complete AND r.to_day > 0 THEN e.index_date ELSE e.index_date + CAST(r.to_day AS INTEGER) END - INTERVAL 3 MONTH) AS counted_in
FROM events AS e
JOIN reach AS r ON r.pathway = e.pathway
CROSS JOIN settings AS s
LEFT JOIN part_costs AS c ON c.pathway = e.pathway AND c.pathway_id = e.pathway_id AND c.part = r.part
WHERE e.index_date + CAST(r.from_day AS INTEGER) >= s.data_from
  AND (e.index_date + CAST(r.to_day AS INTEGER) <= s.data_to OR (e.complete AND e.index_date <= s.data_to));

-- 3. Expected: the mean of everyone with the same pathway, part and case mix. A provider lies in the ICB that it was last in.
CREATE OR REPLACE TEMP VIEW homes AS
SELECT org_code, icb_code
FROM (SELECT *, row_number() OVER (PARTITION BY org_code ORDER BY valid_from DESC) AS place FROM organisations) AS dated
WHERE place = 1;

CREATE OR REPLACE TEMP TABLE cases AS
SELECT x.pathway, x.pathway_id, x.part, x.provider_code, x.mix, x.cost_gbp, x.unpriced, x.expected_gbp, h.icb_code,
       100 * (x.cost_gbp / x.expected_gbp - 1) AS difference_pct,
       -- Before the first year with a cost nothing is expected, and nobody is counted.
       CASE WHEN x.costed_in > x.counted_in THEN x.costed_in ELSE x.counted_in END AS counted_in
FROM (
  SELECT *, avg(cost_gbp) OVER (PARTITION BY pathway, part, mix) AS expected_gbp,
         min(CASE WHEN cost_gbp > 0 THEN counted_in END) OVER (PARTITION BY pathway, part, mix) AS costed_in
  FROM costs
  WHERE cost_gbp IS NOT NULL
) AS x
LEFT JOIN homes AS h ON h.org_code = x.provider_code
WHERE x.expected_gbp > 0;

CREATE OR REPLACE TEMP VIEW providers AS
SELECT pathway, part, provider_code, CAST(count(*) AS BIGINT) AS pathways, sum(cost_gbp) AS actual_gbp, sum(expected_gbp) AS expected_gbp,
       sum(expected_gbp * expected_gbp) AS expected_squares, sum(difference_pct) AS differences, sum(difference_pct * difference_pct) AS squares,
       max(cost_gbp) AS largest_gbp, sum(cost_gbp * cost_gbp) AS cost_squares,
       -- People of the last year that added any to the row.
       CAST(sum(CASE WHEN counted_in = last_in THEN 1 ELSE 0 END) AS BIGINT) AS newest
FROM (SELECT *, max(counted_in) OVER (PARTITION BY pathway, part, provider_code) AS last_in FROM cases) AS dated
GROUP BY pathway, part, provider_code;

-- 4. What is in no case, or only in part, by reason.
CREATE OR REPLACE TEMP VIEW left_out AS
SELECT pathway, part, 'events without any cost: in no comparison' AS reason, CAST(count(*) AS BIGINT) AS number
FROM costs
WHERE cost_gbp IS NULL
GROUP BY pathway, part
UNION ALL
SELECT pathway, part, 'contacts without a cost: the cost of their events is too low' AS reason, CAST(sum(unpriced) AS BIGINT) AS number
FROM costs
WHERE cost_gbp IS NOT NULL AND unpriced > 0
GROUP BY pathway, part
UNION ALL
SELECT pathway, part, 'events whose provider is in no ICB' AS reason, CAST(count(*) AS BIGINT) AS number
FROM cases
WHERE icb_code IS NULL
GROUP BY pathway, part;
