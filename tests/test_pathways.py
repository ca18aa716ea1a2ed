"""Pathways: definitions refused by key, the two laws, and a day-by-day linking to compare with."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from factories import activity_frame, activity_row, make_tables, tables, write_tables
from hypothesis import given, settings
from hypothesis import strategies as st
from test_ledger import HOW

from pathcost_lib.errors import InputError
from pathcost_lib.ledger import cost_activity
from pathcost_lib.pathways import available, link, load_definition, summarise
from pathcost_lib.pathways.borne import shares_borne
from pathcost_lib.pathways.definition import OVERLAP_RULES, Definition, Phase, linked_with
from pathcost_lib.pathways.definition_doubts import check_pathway
from pathcost_lib.sources import Dataset

ROOT = Path(__file__).parents[1]
PHASES = (Phase("before", -180, -1), Phase("operation", 0, 0), Phase("after", 1, 180))
KNEE = Definition("knee", "Knee", "Knees.", "nearest_index", {"pod": ("elective",)}, 30, 180, 180, PHASES)
CHEST = Definition(
    "chest", "Chest", "Chests.", "nearest_index", {"primary_diagnosis_prefix": ("J44",)}, 0, 20, 300,
    (Phase("before", -20, -1), Phase("stay", 0, 10), Phase("after", 11, 300)),
)  # fmt: skip


def with_overlap(definition: Definition, overlap: str) -> Definition:
    return Definition(**{**definition.__dict__, "overlap": overlap})


def costed(data: dict[str, pd.DataFrame]):
    made = Dataset.from_frames(data)
    return made, cost_activity(made.activity, made.unit_costs, made.organisations, price_base="2024-25", **HOW)


def day_by_day(
    activity: pd.DataFrame, definitions: tuple[Definition, ...]
) -> dict[int, list[tuple[str, int, str, int]]]:
    """Link each contact on its own: which windows hold its day, and which index is nearest."""
    events = []
    for n, d in enumerate(definitions):
        rows = activity
        for key, values in d.index.items():
            column = rows[key.removesuffix("_prefix")].fillna("")
            rows = rows[column.str.startswith(values) if key.endswith("_prefix") else column.isin(values)]
        for _, mine in rows.sort_values(["start_date", "activity_id"]).groupby("patient_id"):
            previous = None
            for row in mine.itertuples():
                if previous is None or (row.start_date - previous).days > d.washout_days:
                    events.append((n, d, row.patient_id, row.activity_id, row.start_date))
                previous = row.start_date
    out: dict[int, list[tuple[str, int, str, int]]] = {}
    for row in activity.itertuples():
        holding = []
        for n, d, patient, event, day in events:
            offset = (row.start_date - day).days
            if patient == row.patient_id and -d.before_days <= offset <= d.after_days:
                phase = next(p.name for p in d.phases if p.from_day <= offset <= p.to_day)
                holding.append((abs(offset), day, n, event, d.name, phase))
        holding.sort(key=lambda h: h[:4])
        if definitions[0].overlap == "nearest_index":
            holding = holding[:1]
        out[row.activity_id] = [(h[4], h[3], h[5], len(holding)) for h in holding]
    return out


@pytest.mark.slow
@pytest.mark.property
@settings(max_examples=60)
@given(
    data=tables(max_size=30, patients=3),
    overlap=st.sampled_from(["nearest_index", "equal_split"]),
    which=st.sampled_from([(KNEE,), (CHEST,), (KNEE, CHEST), (CHEST, KNEE)]),
)
def test_links_agree_with_linking_day_by_day_and_every_pound_is_counted_once(data, overlap, which):
    definitions = tuple(with_overlap(d, overlap) for d in which)
    made, ledger = costed(data)
    links = link(ledger, definitions, patients=made.patients)
    frame = links.links.to_pandas()
    expected = day_by_day(data["activity"], definitions)
    got: dict[int, set] = {a: set() for a in expected}
    for row in frame.itertuples():
        got[row.activity_id].add((row.pathway, row.pathway_id, row.phase, row.parts))
    assert got == {a: set(rows) for a, rows in expected.items()}
    statement = links.statement(ledger)
    assert statement.difference_pence == 0
    rows = ledger.to_pandas().set_index("activity_id")
    for activity_id, parts in frame.groupby("activity_id"):
        assert sorted(parts["part"]) == list(range(1, len(parts) + 1))
        if pd.notna(rows.loc[activity_id, "cost_pence"]):
            for column in ("cost_pence", "fixed_pence", "semi_fixed_pence", "variable_pence"):
                assert parts[column].sum() == rows.loc[activity_id, column]


@pytest.mark.unit
def test_the_day_between_two_index_events_goes_to_the_nearer_and_a_tie_to_the_earlier():
    first, second = date(2023, 10, 1), date(2023, 12, 10)  # 70 days apart: day 35 is a tie
    rows = [activity_row(1, "elective", first, 2), activity_row(1, "elective", second, 2)]
    rows += [activity_row(1, "gp_appointment", first + timedelta(days=d)) for d in (34, 35, 36)]
    _, ledger = costed(make_tables() | {"activity": activity_frame(rows)})
    frame = link(ledger, KNEE).links.to_pandas().set_index("activity_id")
    assert frame.loc[[3, 4, 5], "pathway_id"].tolist() == [1, 1, 2]
    assert frame.loc[[3, 4, 5], "phase"].tolist() == ["after", "after", "before"]
    shared = link(ledger, with_overlap(KNEE, "equal_split")).links.to_pandas()
    assert shared[shared["activity_id"] == 4]["cost_pence"].tolist() == [2208, 2208]  # £42.00 x 100 / 95.1 is £44.16


@pytest.mark.unit
def test_washout_counts_from_the_previous_qualifying_activity():
    days = (0, 30, 60, 91)  # the third is 30 days after the second: still no new index; the fourth is 31 after it
    rows = [activity_row(1, "elective", date(2023, 10, 1) + timedelta(days=d), 1) for d in days]
    _, ledger = costed(make_tables() | {"activity": activity_frame(rows)})
    assert sorted(link(ledger, KNEE).pathways.to_pandas()["pathway_id"]) == [1, 4]


@pytest.mark.unit
def test_a_window_is_complete_when_the_data_hold_it_or_a_death_closes_it():
    ends = [activity_row(9, "gp_appointment", day) for day in (date(2023, 4, 1), date(2025, 3, 31))]
    starts = {
        1: date(2023, 9, 27),
        2: date(2023, 9, 28),
        3: date(2024, 10, 2),
        4: date(2024, 10, 3),
        5: date(2024, 10, 3),
    }
    rows = [activity_row(p, "elective", day, 1) for p, day in starts.items()]
    people = pd.DataFrame({"patient_id": [5], "died_on": [date(2024, 11, 1)]})
    made, ledger = costed(make_tables() | {"activity": activity_frame(rows + ends), "patients": people})
    table = link(ledger, KNEE, patients=made.patients).pathways.to_pandas().set_index("patient_id")["complete"]
    assert table.to_dict() == {1: False, 2: True, 3: True, 4: False, 5: True}


@pytest.mark.unit
def test_mean_and_standard_error_are_those_of_pathway_totals_with_zeros():
    day = date(2023, 12, 1)
    rows = [activity_row(p, "elective", day, 1) for p in (1, 2, 3)]
    rows += [activity_row(1, "gp_appointment", day + timedelta(days=5), units=n) for n in (1, 2)]
    rows += [activity_row(2, "gp_appointment", day + timedelta(days=5))]
    rows += [activity_row(9, "gp_appointment", d) for d in (date(2023, 4, 1), date(2025, 3, 31))]
    _, ledger = costed(make_tables() | {"activity": activity_frame(rows)})
    table = summarise(link(ledger, KNEE), ledger, ["icb_code", "setting"]).set_index("setting")
    gp = 42.0 * 100.0 / 95.1
    totals = np.round([3 * gp, gp, 0], 2)
    row = table.loc["primary_care"]
    assert (row["pathways"], row["contacts"]) == (3, 3)
    assert row["mean_gbp"] == pytest.approx(totals.mean(), abs=0.01)
    assert row["se_gbp"] == pytest.approx(totals.std(ddof=1) / np.sqrt(3), abs=0.01)
    whole = summarise(link(ledger, KNEE), ledger, []).iloc[0]
    assert whole["cost_gbp"] == pytest.approx(table["cost_gbp"].sum())


@pytest.mark.unit
def test_summaries_over_phases_settings_providers_and_currencies_add_to_one_total():
    made, ledger = costed(make_tables(patients=90))
    links = link(ledger, KNEE, patients=made.patients)
    cuts = (
        ["phase"],
        ["icb_code", "setting"],
        ["index_provider_code", "provider_code"],
        ["currency_code"],
        ["cost_basis"],
    )
    totals = [round(summarise(links, ledger, cut, year="2024-25")["cost_gbp"].sum() * 100) for cut in cuts]
    assert len(set(totals)) == 1
    with pytest.raises(InputError, match="Column to summarise by 'colour'"):
        summarise(links, ledger, ["colour"])
    with pytest.raises(InputError, match="No knee pathway has a window that closes in 2030-31"):
        summarise(links, ledger, ["phase"], year="2030-31")


@pytest.mark.unit
def test_pathways_linked_together_need_one_rule_and_different_names():
    _, ledger = costed(make_tables())
    with pytest.raises(InputError, match="one overlap rule; these have equal_split, nearest_index"):
        link(ledger, (KNEE, with_overlap(CHEST, "equal_split")))
    with pytest.raises(InputError, match="same name"):
        link(ledger, (KNEE, KNEE))


GOOD = """
name = "mine"
title = "Mine"
description = "A test."
overlap = "nearest_index"
[index]
pod = ["elective"]
washout_days = 10
[window]
before_days = 5
after_days = 5
[[phase]]
name = "all"
from_day = -5
to_day = 5
"""


@pytest.mark.unit
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'pod = ["elective"]',
            'pod = ["electve"]',
            r"line 7, \[index\]: pod 'electve' is not known\. Did you mean elective .*Allowed: ae_type1, ae_type3",
        ),
        (
            'pod = ["elective"]',
            'pods = ["elective"]',
            r"line 7, \[index\]: key 'pods' is not known\. Did you mean pod\? Allowed: .*setting, sex, washout_days",
        ),
        ('pod = ["elective"]', "", r"line 6, index: \[index\] chooses by nothing\. Allowed: setting, pod"),
        ('pod = ["elective"]', "pod = []", r"line 7, \[index\], pod: is an empty list"),
        (
            'pod = ["elective"]',
            'pod = "elective"',
            r"line 7, \[index\]: pod must be a list, in square brackets, not 'elective'",
        ),
        (
            '"nearest_index"',
            '"nearest"',
            r"line 5: overlap 'nearest' is not .* Did you mean nearest_index\? Allowed: equal_split, nearest_index",
        ),
        ("to_day = 5", "to_day = 4", "line 15, .*phases end on day 4, the window on day 5"),
        ("from_day = -5", "from_day = -4", r"line 14, \[\[phase\]\] all, from_day: .*must start on day -5"),
        ("from_day = -5", "from_day = -5.0", r"line 14, .*: from_day must be a whole number, not -5\.0"),
        (
            "washout_days = 10",
            "washout_days = -1",
            r"line 8, \[index\]: washout_days must be a whole number from 0 to 3660, not -1",
        ),
        ("before_days = 5", "", r"line 9, \[window\]: key 'before_days' is missing \(days before the index event\)"),
        ('title = "Mine"', "", "mine.toml: key 'title' is missing"),
        ('title = "Mine"', "title = 1\ntitel = 2", "line 3: title must be text.*\n.*line 4: key 'titel' is not"),
        ("[window]", "[window", "is not valid TOML"),
    ],
)
def test_a_bad_definition_is_refused_with_file_key_and_allowed_values(tmp_path: Path, old, new, message):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD, encoding="utf-8")
    assert load_definition(path).index_phase() == "all"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=message) as raised:
        load_definition(path)
    assert "mine.toml" in str(raised.value)


@pytest.mark.unit
def test_the_eight_definitions_load_and_an_unknown_name_lists_them():
    assert len(available()) >= 8
    for name in available():
        assert load_definition(name).name == name
    with pytest.raises(InputError, match=r"Pathway 'knees' is not known\. (Did you mean|Allowed: copd)"):
        load_definition("knees")


@pytest.mark.unit
def test_falls_are_shipped_and_linked_alone_so_that_the_others_keep_their_numbers():
    falls = load_definition("falls_over_75")
    assert "falls_over_75" not in available() and linked_with(falls) == (falls,)
    assert falls not in linked_with(load_definition("hip_fracture"))
    path = ROOT / "data" / "pathways" / "alone" / "falls_over_75.toml"
    assert check_pathway(path)[1] == []
    page = (ROOT / "docs" / "write-a-pathway.md").read_text(encoding="utf-8")
    assert path.read_text(encoding="utf-8") in page
    injury, rows = date(2024, 6, 10), []
    rows.append(activity_row(1, "see_and_convey", date(2024, 6, 9)))
    rows.append(activity_row(1, "non_elective", injury, 10, primary_diagnosis="S720"))
    rows += [activity_row(1, "community_contact", injury + timedelta(days=d)) for d in (8, 30, 91)]
    data = make_tables(patients=5) | {"activity": activity_frame(rows)}
    data["patients"] = data["patients"].head(1).assign(patient_id=1, birth_year=1940).astype({"birth_year": "Int64"})
    made, ledger = costed(data)
    phases = link(ledger, falls, patients=made.patients).links.to_pandas().set_index("activity_id")["phase"]
    assert phases.to_dict() == {1: "call", 2: "first_week", 3: "long_stay", 4: "after_discharge"}


@pytest.mark.unit
def test_a_quote_in_a_definition_is_text_not_sql(tmp_path: Path):
    hostile = Definition(
        "x", "x", "x", "nearest_index", {"currency_code": ("O'Brien') OR ('1' = '1",)}, 0, 1, 1, (Phase("a", -1, 1),)
    )
    _, ledger = costed(make_tables())
    assert link(ledger, hostile).pathways.count() == 0


@pytest.mark.property
def test_parquet_partitions_and_memory_give_the_same_links(tmp_path: Path):
    from pathcost_lib.sources import open_dataset

    data = make_tables(patients=60)
    write_tables(tmp_path / "one", data)
    write_tables(tmp_path / "many", {k: v for k, v in data.items() if k != "activity"})
    for n, part in enumerate(np.array_split(np.arange(len(data["activity"])), 5)):
        write_tables(tmp_path / "many" / "activity" / str(n), {"rows": data["activity"].iloc[part]})
    results = []
    for folder in ("one", "many"):
        made = open_dataset(tmp_path / folder)
        ledger = cost_activity(made.activity, made.unit_costs, made.organisations, price_base="2024-25", **HOW)
        table = summarise(link(ledger, KNEE), ledger, ["icb_code", "phase", "setting", "cost_basis"])
        results.append(table.sort_values(list(table.columns[:4])).reset_index(drop=True))
    pd.testing.assert_frame_equal(*results)


def answers(data: dict[str, pd.DataFrame], overlap: str, threads: int, *, hold: bool) -> list[object]:
    """Return every number of the job: rows, statement, summary."""
    made, ledger = costed(data)
    made.engine.execute(f"SET threads = {threads}")
    definitions = [with_overlap(KNEE, overlap), with_overlap(CHEST, overlap)]
    links = link(ledger, definitions, patients=made.patients, hold=hold)
    rows = links.links.query("SELECT * FROM this ORDER BY pathway, pathway_id, activity_id").to_pandas()
    try:
        table = summarise(links, ledger, ["pathway", "icb_code", "phase", "setting", "currency_code"]).to_dict("list")
    except InputError as none_whole:
        table = str(none_whole)
    return [rows.drop(columns="share").to_dict("list"), links.statement(ledger), table]


@pytest.mark.slow
@pytest.mark.property
@settings(max_examples=15)
@given(data=tables(max_size=30, patients=3), seed=st.integers(0, 99), overlap=st.sampled_from(OVERLAP_RULES))
def test_answers_do_not_depend_on_row_order_threads_or_whether_links_are_held(data, seed, overlap):
    shuffled = {name: frame.sample(frac=1, random_state=seed) for name, frame in data.items()}
    one = answers(data, overlap, 1, hold=True)
    for other in (answers(shuffled, overlap, 4, hold=True), answers(shuffled, overlap, 2, hold=False)):
        assert str(other) == str(one)  # text: a missing value equals itself


@pytest.mark.unit
def test_the_two_dearest_bear_at_most_what_their_squares_allow() -> None:
    """By hand: of £6, £3 and £1 the dearest bears six tenths; the second at most √(46 - 36), which is £3.16."""
    costs = pd.Series([6.0, 3.0, 1.0])
    shares = shares_borne(*(pd.Series([v]) for v in (costs.max(), (costs**2).sum(), costs.sum())))
    assert shares.to_numpy()[0][:2] == pytest.approx([0.6, (6 + 10**0.5) / 10])
    assert shares["newest"].isna().all()  # one year is counted
    nothing = shares_borne(*(pd.Series([0.0]) for _ in range(3)))
    assert nothing.isna().all(axis=None)


# -- whose pathway it is ----------------------------------------------------------------------------------------------
FALLS = re.findall("```toml\n(.*?)```", (ROOT / "docs" / "write-a-pathway.md").read_text(encoding="utf-8"), re.DOTALL)[
    1
]


@pytest.mark.unit
def test_an_index_may_choose_by_age_and_sex(tmp_path: Path) -> None:
    (tmp_path / "falls.toml").write_text(FALLS, encoding="utf-8")
    assert check_pathway(tmp_path / "falls.toml")[1] == []
    falls = load_definition(tmp_path / "falls.toml")
    assert falls.people == {"age_from": ("75",)} and falls == load_definition("falls_over_75")
    born = [1949, 1950, 1948, None, 1940]  # 75, 74, 76 and unknown in 2024; the last has no injury
    codes = ["S720", "S720", "S720", "S720", "J440"]
    day = date(2024, 6, 1)
    rows = [activity_row(n, "non_elective", day, 5, primary_diagnosis=code) for n, code in enumerate(codes, start=1)]
    data = make_tables(patients=5) | {"activity": activity_frame(rows)}
    sexes = ["female", "female", "male", "male", "female"]
    people = data["patients"].head(5).assign(patient_id=range(1, 6), birth_year=born, sex=sexes)
    data["patients"] = people.astype({"birth_year": "Int64"})
    made, ledger = costed(data)

    def whose(definition: Definition) -> list[int]:
        return sorted(link(ledger, definition, patients=made.patients).pathways.to_pandas()["patient_id"])

    assert whose(falls) == [1, 3]
    assert whose(replace(falls, people={"age_to": ("75",)})) == [1, 2]  # an unknown age is in neither
    assert whose(replace(falls, people={"age_from": ("75",), "sex": ("female",)})) == [1]
    assert whose(replace(falls, people={})) == [1, 2, 3, 4]
    with pytest.raises(InputError, match="give the table patients"):
        link(ledger, falls)
    (tmp_path / "falls.toml").write_text(FALLS.replace("age_from = 75", "age_from = 75\nage_to = 60"), encoding="utf-8")
    with pytest.raises(InputError, match="age_to: 60 is below age_from, 75"):
        load_definition(tmp_path / "falls.toml")


LOOKS_BACK = """name = "first"
title = "A first chest admission of those known to a hospital"
description = "-"
[index]
pod = ["non_elective", "elective", "day_case"]
not_primary_diagnosis_prefix = ["M17", "C"]
not_pod = ["day_case"]
washout_days = 20
[index.without]
primary_diagnosis_prefix = ["J44"]
days = 60
[index.having]
setting = ["outpatient", "emergency"]
days = 90
[window]
before_days = 10
after_days = 10
[[phase]]
name = "all"
from_day = -10
to_day = 10
"""


@pytest.mark.property
@pytest.mark.parametrize("seed", range(3))
def test_exclusions_and_what_was_before_agree_with_a_look_at_each_contact(tmp_path: Path, seed: int) -> None:
    (tmp_path / "first.toml").write_text(LOOKS_BACK, encoding="utf-8")
    definition = load_definition(tmp_path / "first.toml")
    rng, first = np.random.default_rng(seed), date(2024, 1, 1)
    pods = ["non_elective", "elective", "day_case", "outpatient_first", "ae_type1", "gp_appointment"]
    rows = [
        activity_row(
            int(rng.integers(1, 13)),
            str(rng.choice(pods)),
            first + timedelta(days=int(rng.integers(0, 366))),
            primary_diagnosis=rng.choice(["J440", "M171", "C509", "S720", None]),
        )
        for _ in range(250)
    ]
    activity = activity_frame(rows)
    made, ledger = costed(make_tables(patients=12) | {"activity": activity})
    found = link(ledger, [KNEE, definition], patients=made.patients).of("first").pathways.to_pandas()

    events, begin, end = {}, activity["start_date"].min(), activity["start_date"].max()
    for _, mine in activity.sort_values(["start_date", "activity_id"]).groupby("patient_id"):
        previous = None
        for row in mine.itertuples():
            code = "" if pd.isna(row.primary_diagnosis) else row.primary_diagnosis
            if row.pod not in ("non_elective", "elective") or code.startswith(("M17", "C")):
                continue
            days = mine.assign(ago=[(row.start_date - day).days for day in mine["start_date"]]).query("ago > 0")
            had = days[days["setting"].isin(["outpatient", "emergency"]) & (days["ago"] <= 90)]
            if days["primary_diagnosis"].fillna("").str.startswith("J44")[days["ago"] <= 60].any() or had.empty:
                continue
            if previous is None or (row.start_date - previous).days > 20:
                known = (row.start_date - begin).days >= 90 and (end - row.start_date).days >= 10
                events[row.activity_id] = known
            previous = row.start_date
    assert len(events) > 5
    assert dict(zip(found["pathway_id"], found["complete"], strict=True)) == events
