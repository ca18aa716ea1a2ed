-- Finished consultant episodes into provider spells, each with its critical care and its excess bed days beside it.
-- Reads: ledger, spell_pods (pod, elective), trims (currency_code, elective_days, emergency_days), excess_prices (currency_code, "*" for any: unit_cost),
--        settings (priced_per, transfer_days).

-- 1. Episodes in order. One still open is taken to go on; one that ends before it starts lasts no night.
CREATE OR REPLACE TEMP VIEW episodes AS
SELECT l.activity_id, l.patient_id, l.provider_code, l.icb_code, l.currency_code, l.start_date, l.cost_basis, l.cost_pence, p.elective,
       CASE WHEN l.end_date IS NULL THEN DATE '9999-12-31' ELSE greatest(l.start_date, l.end_date) END AS ends
FROM ledger AS l
JOIN spell_pods AS p ON p.pod = l.pod;

-- 2. A spell goes on while the next episode at the same provider starts on or before the latest day that an earlier one ended.
CREATE OR REPLACE TEMP VIEW breaks AS
SELECT *, max(ends) OVER (PARTITION BY patient_id, provider_code ORDER BY start_date, ends, activity_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS ended
FROM episodes;

CREATE OR REPLACE TEMP VIEW numbered AS
SELECT *, sum(CASE WHEN ended >= start_date THEN 0 ELSE 1 END)
            OVER (PARTITION BY patient_id, provider_code ORDER BY start_date, ends, activity_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS spell_number
FROM breaks;

-- 3. The first episode names the spell; the dearest is dominant. Where prices are per spell, only the dominant of those priced counts; recorded cost always does.
CREATE OR REPLACE TEMP TABLE placed AS
SELECT n.*, n.cost_basis = 'recorded' AS recorded,
       first_value(activity_id) OVER (PARTITION BY patient_id, provider_code, spell_number ORDER BY start_date, ends, activity_id) AS spell_id,
       row_number() OVER (PARTITION BY patient_id, provider_code, spell_number ORDER BY start_date, ends, activity_id) AS place,
       row_number() OVER (PARTITION BY patient_id, provider_code, spell_number ORDER BY coalesce(cost_pence, -1) DESC, start_date, ends, activity_id) AS dominance,
       row_number() OVER (PARTITION BY patient_id, provider_code, spell_number, n.cost_basis = 'recorded'
                          ORDER BY coalesce(cost_pence, -1) DESC, start_date, ends, activity_id) AS dominance_in_kind
FROM numbered AS n;

CREATE OR REPLACE TEMP TABLE counted AS
SELECT p.spell_id, p.activity_id, p.place, p.dominance, p.patient_id, p.provider_code, p.icb_code, p.currency_code, p.start_date, p.ends, p.elective, p.recorded,
       p.cost_pence AS ledger_pence,
       CASE WHEN s.priced_per = 'spell' AND NOT p.recorded AND p.dominance_in_kind > 1 THEN 0 * p.cost_pence ELSE p.cost_pence END AS cost_pence
FROM placed AS p
CROSS JOIN settings AS s;

CREATE OR REPLACE TEMP TABLE stays AS
SELECT spell_id, min(patient_id) AS patient_id, min(provider_code) AS provider_code, max(CASE WHEN place = 1 THEN icb_code END) AS icb_code,
       min(start_date) AS start_date, max(ends) AS ends, count(*) AS episodes, max(CASE WHEN place = 1 THEN elective END) AS elective,
       max(CASE WHEN dominance = 1 THEN currency_code END) AS currency_code,
       CAST(sum(CASE WHEN recorded THEN 1 ELSE 0 END) AS BIGINT) AS recorded, CAST(sum(CASE WHEN ledger_pence IS NULL THEN 1 ELSE 0 END) AS BIGINT) AS uncosted,
       CAST(coalesce(sum(cost_pence), 0) AS BIGINT) AS episodes_pence
FROM counted
GROUP BY spell_id;

-- 4. Critical care stands beside the spell in whose days it starts, at the same provider.
CREATE OR REPLACE TEMP TABLE critical AS
SELECT l.activity_id, s.spell_id, l.units, l.cost_pence
FROM ledger AS l
LEFT JOIN stays AS s ON s.patient_id = l.patient_id AND s.provider_code = l.provider_code AND l.start_date BETWEEN s.start_date AND s.ends
WHERE l.pod = 'critical_care_day';

CREATE OR REPLACE TEMP VIEW critical_by_spell AS
SELECT spell_id, CAST(sum(units) AS BIGINT) AS days, CAST(coalesce(sum(cost_pence), 0) AS BIGINT) AS pence
FROM critical
WHERE spell_id IS NOT NULL
GROUP BY spell_id;

-- 5. Days: nights, less those in critical care, against the trim point of the dominant HRG. Days beyond it are the excess.
CREATE OR REPLACE TEMP VIEW measured AS
SELECT s.*, coalesce(c.days, 0) AS critical_care_days, coalesce(c.pence, 0) AS critical_care_pence,
       CASE WHEN s.ends < DATE '9999-12-31' THEN datediff('day', s.start_date, s.ends) END AS nights,
       CASE WHEN s.ends < DATE '9999-12-31' THEN greatest(datediff('day', s.start_date, s.ends) - coalesce(c.days, 0), 0) END AS ward_days,
       CASE WHEN s.elective = 1 THEN t.elective_days ELSE t.emergency_days END AS trim_days, coalesce(x.unit_cost, anything.unit_cost) AS excess_price
FROM stays AS s
LEFT JOIN critical_by_spell AS c ON c.spell_id = s.spell_id
LEFT JOIN trims AS t ON t.currency_code = s.currency_code
LEFT JOIN excess_prices AS x ON x.currency_code = s.currency_code
LEFT JOIN excess_prices AS anything ON anything.currency_code = '*';

CREATE OR REPLACE TEMP VIEW exceeding AS
SELECT *, CASE WHEN ward_days IS NULL OR trim_days IS NULL THEN NULL ELSE greatest(ward_days - trim_days, 0) END AS excess_days FROM measured;

-- What the episodes cost already holds all days, unless a price list pays excess days apart (never where a cost is recorded).
CREATE OR REPLACE TEMP VIEW paid AS
SELECT *, CASE WHEN excess_price IS NOT NULL AND recorded = 0 AND excess_days > 0 THEN (excess_days * excess_price + 50) // 100 ELSE 0 END AS added_pence,
       CASE WHEN excess_days > 0 THEN (episodes_pence * excess_days) // ward_days WHEN excess_days = 0 THEN 0 END AS within_pence
FROM exceeding;

-- 6. Spells, with the continuous inpatient spell that each is part of: one of the patient's starts on or before transfer_days after an earlier one ended, anywhere.
CREATE OR REPLACE TEMP VIEW followed AS
SELECT p.*, max(ends) OVER (PARTITION BY patient_id ORDER BY start_date, ends, spell_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS left_last
FROM paid AS p;

CREATE OR REPLACE TEMP VIEW chained AS
SELECT f.*, sum(CASE WHEN datediff('day', f.left_last, f.start_date) <= s.transfer_days THEN 0 ELSE 1 END)
              OVER (PARTITION BY f.patient_id ORDER BY f.start_date, f.ends, f.spell_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS chain
FROM followed AS f
CROSS JOIN settings AS s;

CREATE OR REPLACE TEMP TABLE spells AS
SELECT spell_id, first_value(spell_id) OVER (PARTITION BY patient_id, chain ORDER BY start_date, ends, spell_id) AS cips_id,
       patient_id, provider_code, icb_code, currency_code, start_date, CASE WHEN nights IS NOT NULL THEN ends END AS end_date, episodes, uncosted,
       nights, critical_care_days, ward_days, trim_days, excess_days,
       CASE WHEN added_pence > 0 THEN episodes_pence ELSE episodes_pence - within_pence END AS inlier_pence,
       CASE WHEN added_pence > 0 THEN added_pence ELSE within_pence END AS excess_pence,
       critical_care_pence, episodes_pence + added_pence + critical_care_pence AS cost_pence, added_pence
FROM chained;

-- 7. Every admitted row once: which spell it is in, and what of its cost counts.
CREATE OR REPLACE TEMP VIEW members AS
SELECT activity_id, spell_id, 'episode' AS part, ledger_pence, cost_pence FROM counted
UNION ALL
SELECT activity_id, spell_id, 'critical_care' AS part, cost_pence AS ledger_pence, cost_pence FROM critical;

CREATE OR REPLACE TEMP VIEW statement AS
SELECT CAST(coalesce(sum(ledger_pence), 0) AS BIGINT) AS ledger_pence,
       CAST(coalesce(sum(CASE WHEN spell_id IS NULL THEN cost_pence END), 0) AS BIGINT) AS outside_pence,
       CAST(coalesce(sum(ledger_pence - cost_pence), 0) AS BIGINT) AS repeated_pence
FROM members;
