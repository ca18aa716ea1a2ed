-- What became of the patients of a pathway: scores before and after, emergency readmission, death, bed days, cost.
-- Reads: pathways, links, activity, patients, outcomes, reach (pathway, from_day, to_day, index_phase), settings (data_from, data_to, instrument, pre_days, post_from, post_to, readmission_days, death_days).

-- 1. Pathways whose contacts the data hold from `from_day` to the end of the window, or to a death.
CREATE OR REPLACE TEMP TABLE events AS
SELECT p.pathway, p.pathway_id, p.patient_id, p.index_date, p.icb_code, p.index_provider_code AS provider_code, a.setting, a.pod, a.currency_code,
       a.end_date AS discharged_on, d.sex, d.deprivation_decile,
       5 * ((year(p.index_date) - d.birth_year) // 5) AS age_from, d.died_on, r.from_day, r.index_phase,
       -- Counted from the day on which the window closes, or of a death in it.
       CASE WHEN d.died_on >= p.index_date AND d.died_on < p.index_date + CAST(r.to_day AS INTEGER) THEN d.died_on
            ELSE p.index_date + CAST(r.to_day AS INTEGER) END AS counted_from
FROM pathways AS p
JOIN activity AS a ON a.activity_id = p.pathway_id
JOIN reach AS r ON r.pathway = p.pathway
CROSS JOIN settings AS s
LEFT JOIN patients AS d ON d.patient_id = p.patient_id
WHERE p.index_date + CAST(r.from_day AS INTEGER) >= s.data_from AND p.index_date <= s.data_to
  AND (p.index_date + CAST(r.to_day AS INTEGER) <= s.data_to OR (d.died_on >= p.index_date AND d.died_on <= s.data_to));

-- 2. Cost from `from_day` on, and in the phase of the index event: 0 without a contact, missing where none of the contacts has a cost.
CREATE OR REPLACE TEMP TABLE costs AS
SELECT e.pathway, e.pathway_id, CAST(count(*) AS BIGINT) AS contacts, CAST(sum(k.cost_pence) AS BIGINT) AS cost_pence,
       CAST(sum(k.semi_fixed_pence + k.variable_pence) AS BIGINT) AS marginal_pence,
       CAST(sum(CASE WHEN k.phase = e.index_phase THEN k.cost_pence END) AS BIGINT) AS index_pence
FROM events AS e
JOIN links AS k ON k.pathway = e.pathway AND k.pathway_id = e.pathway_id AND k.days_from_index >= e.from_day
GROUP BY e.pathway, e.pathway_id;

-- 3. The last score before the index event and the first in the window after it.
CREATE OR REPLACE TEMP TABLE scores AS
SELECT pathway, pathway_id, max(CASE WHEN stage = 'pre' THEN score END) AS pre, max(CASE WHEN stage = 'post' THEN score END) AS post
FROM (
  SELECT e.pathway, e.pathway_id, o.stage, o.score,
         row_number() OVER (PARTITION BY e.pathway, e.pathway_id, o.stage
                            ORDER BY abs(date_diff('day', e.index_date, o.measured_on)), o.measured_on, o.score) AS place
  FROM events AS e
  CROSS JOIN settings AS s
  JOIN outcomes AS o ON o.patient_id = e.patient_id AND o.pathway = e.pathway AND o.instrument = s.instrument
  WHERE (o.stage = 'pre' AND o.measured_on BETWEEN e.index_date - CAST(s.pre_days AS INTEGER) AND e.index_date)
     OR (o.stage = 'post' AND o.measured_on BETWEEN e.index_date + CAST(s.post_from AS INTEGER) AND e.index_date + CAST(s.post_to AS INTEGER))
) AS ranked
WHERE place = 1
GROUP BY pathway, pathway_id;

-- 4. Emergency admissions that begin 0 to `readmission_days` - 1 days after discharge from the index admission.
CREATE OR REPLACE TEMP TABLE readmissions AS
SELECT DISTINCT e.pathway, e.pathway_id
FROM events AS e
CROSS JOIN settings AS s
JOIN activity AS a ON a.patient_id = e.patient_id AND a.activity_id <> e.pathway_id
WHERE e.setting = 'admitted' AND a.pod IN ('non_elective', 'non_elective_short')
  AND a.start_date >= e.discharged_on AND a.start_date < e.discharged_on + CAST(s.readmission_days AS INTEGER);

-- 5. One row a pathway. A post score is due once its window has passed, unless the patient has died before its end without one.
CREATE OR REPLACE TEMP TABLE cases AS
SELECT e.pathway, e.pathway_id, e.icb_code, e.provider_code, e.pod, e.currency_code, e.age_from, e.sex, e.deprivation_decile,
       year(e.counted_from - INTERVAL 3 MONTH) AS counted_in, -- financial years, by the year in which they begin
       CASE WHEN c.pathway_id IS NULL THEN 0.0 ELSE CAST(c.cost_pence AS DOUBLE) / 100 END AS cost_gbp,
       CASE WHEN c.pathway_id IS NULL THEN 0.0 ELSE CAST(c.marginal_pence AS DOUBLE) / 100 END AS marginal_gbp,
       CASE WHEN c.pathway_id IS NULL THEN 0.0 ELSE CAST(c.index_pence AS DOUBLE) / 100 END AS index_gbp,
       CAST(date_diff('day', a.start_date, e.discharged_on) AS BIGINT) AS bed_days, x.pre, x.post,
       e.index_date + CAST(s.post_to AS INTEGER) <= s.data_to
         AND (e.died_on IS NULL OR x.post IS NOT NULL OR e.died_on > e.index_date + CAST(s.post_to AS INTEGER)) AS due,
       year(CASE WHEN e.counted_from > e.index_date + CAST(s.post_to AS INTEGER) THEN e.counted_from
                 ELSE e.index_date + CAST(s.post_to AS INTEGER) END - INTERVAL 3 MONTH) AS due_in,
       -- Of an unknown discharge nothing is counted: neither days in bed nor who came back after it.
       CASE WHEN e.setting = 'admitted' AND e.discharged_on IS NOT NULL THEN CASE WHEN r.pathway_id IS NULL THEN 0 ELSE 1 END END AS readmitted,
       CASE WHEN e.died_on <= e.index_date + CAST(s.death_days AS INTEGER) THEN 1 ELSE 0 END AS died
FROM events AS e
JOIN activity AS a ON a.activity_id = e.pathway_id
CROSS JOIN settings AS s
LEFT JOIN costs AS c ON c.pathway = e.pathway AND c.pathway_id = e.pathway_id
LEFT JOIN scores AS x ON x.pathway = e.pathway AND x.pathway_id = e.pathway_id
LEFT JOIN readmissions AS r ON r.pathway = e.pathway AND r.pathway_id = e.pathway_id;

-- 6. Answers that are not used, by the first reason that holds.
CREATE OR REPLACE TEMP TABLE unused AS
SELECT why, CAST(count(*) AS BIGINT) AS answers
FROM (
  SELECT n.patient_id, n.answer,
         CASE WHEN coalesce(max(n.instrument), '') <> max(n.wanted) THEN 'answers to another instrument'
              WHEN max(n.score) IS NULL THEN 'answers without a score'
              WHEN max(n.measured_on) IS NULL THEN 'answers without a day'
              WHEN coalesce(max(n.stage), '') NOT IN ('pre', 'post') THEN 'answers neither before nor after'
              WHEN max(e.pathway_id) IS NULL THEN 'answers of patients without a closed pathway of that name'
              WHEN max(CASE WHEN n.stage = 'pre' AND n.measured_on BETWEEN e.index_date - n.pre_days AND e.index_date THEN 1
                            WHEN n.stage = 'post' AND n.measured_on BETWEEN e.index_date + n.post_from AND e.index_date + n.post_to THEN 1
                            ELSE 0 END) = 0 THEN 'answers on other days than count'
         END AS why
  FROM (
    SELECT o.patient_id, o.pathway, o.instrument, o.stage, o.measured_on, o.score, s.instrument AS wanted,
           CAST(s.pre_days AS INTEGER) AS pre_days, CAST(s.post_from AS INTEGER) AS post_from, CAST(s.post_to AS INTEGER) AS post_to,
           row_number() OVER (PARTITION BY o.patient_id ORDER BY o.pathway, o.instrument, o.stage, o.measured_on, o.score) AS answer
    FROM outcomes AS o
    CROSS JOIN settings AS s
  ) AS n
  LEFT JOIN events AS e ON e.patient_id = n.patient_id AND e.pathway = n.pathway
  GROUP BY n.patient_id, n.answer
) AS judged
WHERE why IS NOT NULL
GROUP BY why
ORDER BY why;
