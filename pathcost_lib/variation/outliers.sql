-- Cases far from the median of their group, on the log scale, by the median absolute deviation.
-- Inputs: cases (with outlier_group and outlier_value), settings (threshold, fewest).
-- Medians are means of the middle one or two by row_number: percentile functions are approximate on some engines.

CREATE OR REPLACE TEMP TABLE log_values AS
SELECT *, ln(outlier_value) AS outlier_log
FROM cases
WHERE outlier_value * 0 = 0 AND outlier_value > 0 AND outlier_group IS NOT NULL;

CREATE OR REPLACE TEMP TABLE group_medians AS
SELECT outlier_group, CAST(max(n) AS BIGINT) AS cases, avg(outlier_log) AS centre
FROM (
  SELECT outlier_group, outlier_log,
    row_number() OVER (PARTITION BY outlier_group ORDER BY outlier_log) AS place,
    count(*) OVER (PARTITION BY outlier_group) AS n
  FROM log_values
) AS ranked
WHERE 2 * place BETWEEN n AND n + 2
GROUP BY outlier_group;

CREATE OR REPLACE TEMP TABLE group_deviations AS
SELECT outlier_group, avg(deviation) AS mad
FROM (
  SELECT v.outlier_group, abs(v.outlier_log - m.centre) AS deviation,
    row_number() OVER (PARTITION BY v.outlier_group ORDER BY abs(v.outlier_log - m.centre)) AS place,
    count(*) OVER (PARTITION BY v.outlier_group) AS n
  FROM log_values AS v
  JOIN group_medians AS m ON v.outlier_group = m.outlier_group
) AS ranked
WHERE 2 * place BETWEEN n AND n + 2
GROUP BY outlier_group;

-- 0.6745 is the upper quartile of the standard normal distribution.
CREATE OR REPLACE TEMP TABLE group_fences AS
SELECT m.outlier_group, m.cases, m.centre, d.mad,
  CASE WHEN d.mad > 1e-12 AND m.cases >= s.fewest THEN s.threshold * d.mad / 0.6744897501960817 END AS reach
FROM group_medians AS m
JOIN group_deviations AS d ON m.outlier_group = d.outlier_group
CROSS JOIN settings AS s;

CREATE OR REPLACE TEMP VIEW outlier_rows AS
SELECT v.*, f.centre AS outlier_centre, f.reach AS outlier_reach,
  0.6744897501960817 * (v.outlier_log - f.centre) / f.mad AS robust_z
FROM log_values AS v
JOIN group_fences AS f ON v.outlier_group = f.outlier_group
WHERE f.reach IS NOT NULL AND abs(v.outlier_log - f.centre) > f.reach;

CREATE OR REPLACE TEMP VIEW outlier_counts AS
SELECT outlier_group,
  CAST(sum(CASE WHEN robust_z < 0 THEN 1 ELSE 0 END) AS BIGINT) AS low_outliers,
  CAST(sum(CASE WHEN robust_z > 0 THEN 1 ELSE 0 END) AS BIGINT) AS high_outliers,
  sum(CASE WHEN robust_z > 0 THEN outlier_value - exp(outlier_centre + outlier_reach) ELSE 0 END) AS excess
FROM outlier_rows
GROUP BY outlier_group;

CREATE OR REPLACE TEMP VIEW outlier_summary AS
SELECT f.outlier_group AS "group", f.cases, exp(f.centre) AS median,
  exp(f.centre - f.reach) AS lower_fence, exp(f.centre + f.reach) AS upper_fence,
  coalesce(c.low_outliers, 0) AS low_outliers, coalesce(c.high_outliers, 0) AS high_outliers,
  coalesce(c.excess, 0.0) AS excess
FROM group_fences AS f
LEFT JOIN outlier_counts AS c ON f.outlier_group = c.outlier_group;
