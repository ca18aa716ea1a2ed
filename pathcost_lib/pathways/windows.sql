-- From index events to the days that each owns.
-- Reads: qualifying (pathway, priority, activity_id, patient_id, start_date, icb_code, provider_code), rules (pathway, washout_days, before_days, after_days, looks_back_days),
--        deaths (patient_id, died_on), settings (overlap, data_from, data_to).
-- All the cutting is done on this small table, into days that no two pieces of one owner share; link.sql then reaches the rows by one join.

-- 1. Index events: qualifying activity with none other of the patient's in the washout before it.
CREATE OR REPLACE TEMP VIEW events AS
SELECT q.pathway, q.priority, q.activity_id AS pathway_id, q.patient_id, q.start_date AS index_date, q.icb_code, q.provider_code AS index_provider_code,
       CAST(q.start_date - CAST(r.before_days AS INTEGER) AS DATE) AS window_from, CAST(q.start_date + CAST(r.after_days AS INTEGER) AS DATE) AS window_to,
       CAST(q.start_date - CAST(greatest(r.before_days, r.looks_back_days) AS INTEGER) AS DATE) AS known_from
FROM (
  SELECT *, lag(start_date) OVER (PARTITION BY pathway, patient_id ORDER BY start_date, activity_id) AS previous
  FROM qualifying
) AS q
JOIN rules AS r ON r.pathway = q.pathway
WHERE q.previous IS NULL OR datediff('day', q.previous, q.start_date) > r.washout_days;

-- Whether the data hold the whole of each window, and of the days that decided on its event (a death closes a window).
CREATE OR REPLACE TEMP TABLE windows AS
SELECT w.*, w.known_from >= s.data_from AND (w.window_to <= s.data_to OR coalesce(d.died_on <= s.data_to, FALSE)) AS complete
FROM events AS w
CROSS JOIN settings AS s
LEFT JOIN deaths AS d ON d.patient_id = w.patient_id;

-- 2. The days on which ownership may change: a window opens, a window has closed, the midpoint between two index events is past.
CREATE OR REPLACE TEMP VIEW marks AS
SELECT patient_id, window_from AS day FROM windows
UNION
SELECT patient_id, CAST(window_to + 1 AS DATE) AS day FROM windows
UNION
SELECT a.patient_id, CAST(a.index_date + CAST(datediff('day', a.index_date, b.index_date) // 2 + 1 AS INTEGER) AS DATE) AS day
FROM windows AS a
JOIN windows AS b ON b.patient_id = a.patient_id AND b.index_date > a.index_date AND b.window_from <= a.window_to;

-- 3. Stretches of days between marks: inside one, the same windows are open and the same index is nearest.
CREATE OR REPLACE TEMP VIEW stretches AS
SELECT patient_id, from_date, CAST(next_mark - 1 AS DATE) AS to_date FROM (
  SELECT patient_id, day AS from_date, lead(day) OVER (PARTITION BY patient_id ORDER BY day) AS next_mark
  FROM marks
) AS m
WHERE next_mark IS NOT NULL;

-- 4. Who owns a stretch, nearest first; a tie goes to the earlier index, then to the pathway named first. All do where it is split equally.
CREATE OR REPLACE TEMP VIEW owners AS
SELECT w.pathway, w.pathway_id, w.patient_id, w.index_date, s.from_date, s.to_date,
       row_number() OVER (PARTITION BY s.patient_id, s.from_date
                          ORDER BY abs(datediff('day', w.index_date, s.from_date)), w.index_date, w.priority, w.pathway_id) AS part,
       count(*) OVER (PARTITION BY s.patient_id, s.from_date) AS parts
FROM stretches AS s
JOIN windows AS w ON w.patient_id = s.patient_id AND s.from_date BETWEEN w.window_from AND w.window_to;

CREATE OR REPLACE TEMP TABLE pieces AS
SELECT o.pathway, o.pathway_id, o.patient_id, o.index_date, o.from_date, o.to_date,
       CAST(CASE WHEN s.overlap = 'equal_split' THEN o.part ELSE 1 END AS INTEGER) AS part,
       CAST(CASE WHEN s.overlap = 'equal_split' THEN o.parts ELSE 1 END AS INTEGER) AS parts
FROM owners AS o
CROSS JOIN settings AS s
WHERE s.overlap = 'equal_split' OR o.part = 1;

-- 5. Each pathway.
CREATE OR REPLACE TEMP VIEW pathways AS
SELECT pathway, pathway_id, patient_id, index_date, icb_code, index_provider_code, window_from, window_to, complete FROM windows;
