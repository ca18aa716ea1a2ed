-- Where the rows at fault are, and what they cost. A code that organisations do not hold is not shown: it could be anything.
-- Reads: faulty (finding, activity_id, provider_code, icb_code, start_date), costs (activity_id, cost_pence), spans (check.sql).

CREATE OR REPLACE TEMP VIEW priced AS
SELECT activity_id, max(cost_pence) AS cost_pence FROM costs GROUP BY activity_id;

CREATE OR REPLACE TEMP VIEW places AS
SELECT f.finding, coalesce(o.org_code, 'not known') AS provider_code, coalesce(i.org_code, 'not known') AS icb_code,
       year(f.start_date) * 100 + month(f.start_date) AS month, count(*) AS rows, CAST(sum(c.cost_pence) AS BIGINT) AS cost_pence,
       CAST(sum(CASE WHEN c.cost_pence IS NULL THEN 1 ELSE 0 END) AS BIGINT) AS uncosted
FROM faulty AS f
LEFT JOIN spans AS o ON o.org_code = f.provider_code
LEFT JOIN spans AS i ON i.org_code = f.icb_code
LEFT JOIN priced AS c ON c.activity_id = f.activity_id
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4;
