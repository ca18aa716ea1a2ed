"""Outcomes joined to pathways, by hand and on the sample's planted truths; and the notebook of value."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from factories import activity_frame, activity_row, make_tables, organisations, typed, unit_costs, write_tables
from in_process import run as run_here

from pathcost_lib import ledger, pathways, value
from pathcost_lib.packs import builder, runner
from pathcost_lib.packs.document import Section, read_section
from pathcost_lib.present import style
from pathcost_lib.present.disclosure import disclose
from pathcost_lib.sample import generate
from pathcost_lib.sources import Dataset, open_dataset
from pathcost_lib.value import figures, outcomes
from pathcost_lib.value import words as value_words

NOTEBOOK = next(p for p in builder.production_notebooks() if p.stem == "07_value")
OPERATED = date(2024, 4, 10)


# -- the join, by hand --
def answers(patient: int, *scores: tuple[str, int, float], instrument: str = "eq5d_index") -> list[dict[str, Any]]:
    """Return rows of outcomes: (stage, days from the operation, score)."""
    key = {"patient_id": patient, "pathway": "knee_replacement", "instrument": instrument}
    return [
        {**key, "stage": stage, "measured_on": OPERATED + timedelta(days=days), "score": score}
        for stage, days, score in scores
    ]


@pytest.fixture(scope="module")
def joined() -> outcomes.Outcomes:
    """Six knees operated on one day, each with another story."""

    def on(patient: int, day: int, pod: str, days: int = 0, **more: Any) -> dict[str, object]:
        return activity_row(patient, pod, OPERATED + timedelta(days=day), days, "QZ1", 1, **more)

    rows = [on(p, 0, "elective", 3, recorded_cost_pence=700_000) for p in range(1, 7)]
    rows += [on(1, -30, "outpatient_first", recorded_cost_pence=20_000)]  # before the index event: not counted
    rows += [on(1, 40, "outpatient_follow_up", recorded_cost_pence=15_000)]
    rows += [on(2, 32, "non_elective", 2, recorded_cost_pence=300_000)]  # 29 days after discharge: the last that counts
    rows += [on(3, 33, "non_elective", 2, recorded_cost_pence=300_000)]  # 30 days after
    rows += [activity_row(9, "gp_appointment", day, 0, "QZ1") for day in (date(2023, 4, 1), date(2025, 3, 31))]
    said = [
        *answers(1, ("pre", -100, 0.1), ("pre", -9, 0.4), ("post", 200, 0.9), ("post", 240, 0.2)),
        *answers(1, ("pre", -9, 20.0), ("post", 200, 40.0), instrument="oxford_knee_score"),
        *answers(2, ("pre", -9, 0.3)),
        *answers(3, ("pre", -9, 0.5), ("post", 60, 0.7)),  # too soon to be the second questionnaire
        *answers(4, ("post", 200, 0.8)),
        *answers(5, ("pre", -9, 0.2)),  # dies before the second is due
    ]
    people = pd.DataFrame({"patient_id": [*range(1, 7), 9], "icb_code": "QZ1", "birth_year": 1950, "sex": "female"})
    people = people.assign(deprivation_decile=3, practice_code=None, died_on=None)
    people.loc[people["patient_id"] == 5, "died_on"] = OPERATED + timedelta(days=80)
    frames = {"activity": activity_frame(rows), "patients": typed(people), "unit_costs": unit_costs()}
    data = Dataset.from_frames(frames | {"organisations": organisations(), "outcomes": typed(pd.DataFrame(said))})
    costed = ledger.cost_activity(data.activity, data.unit_costs, data.organisations, price_base="2024-25", mff="pay")
    links = pathways.link(costed, pathways.load_definition("knee_replacement"), patients=data.patients)
    return value.join_outcomes(links, data.activity, data.patients, data.outcomes, year="2024-25")


@pytest.mark.unit
def test_what_the_dearest_patient_bears_of_a_mean_is_known_for_disclosure_control(joined: outcomes.Outcomes) -> None:
    """By hand: patient 1 alone answered twice, with all of £7,150; fewer than eight were silent, of whom no mean is."""
    (row,) = joined.response().to_dict("records")
    assert (row["answered_pathways"], row["answered_gbp"]) == (1, 7150.0)
    assert (row["largest_share"], row["two_largest_share"]) == (1.0, 1.0)


@pytest.mark.unit
def test_scores_nearest_the_operation_count_and_cost_counts_from_it(joined: outcomes.Outcomes) -> None:
    (pair,) = joined.pairs.to_dict("records")
    assert (pair["pre"], pair["post"]) == (0.4, 0.9)
    assert pair["gain"] == pytest.approx(0.5)
    assert (pair["cost_gbp"], pair["index_gbp"], pair["bed_days"], pair["age_from"]) == (7150.0, 7000.0, 3, 70)


@pytest.mark.unit
def test_response_is_of_those_due_and_the_dead_are_not_silent(joined: outcomes.Outcomes) -> None:
    row = joined.table.iloc[0]
    counts = [int(row[f"{c}pathways"]) for c in ("", "due_", "linked_", "answered_")]
    assert counts == [6, 5, 3, 1]
    assert row["linkage_pct"] == pytest.approx(60) and row["response_pct"] == pytest.approx(100 / 3)
    assert row["answered_gbp"] == 7150.0
    assert row["silent_gbp"] == pytest.approx((10_000 + 10_000 + 7_000 + 7_000) / 4)
    assert "of the 5 whose second questionnaire was due, 1 (20%)" in joined.summary


@pytest.mark.unit
def test_readmission_death_and_what_is_not_held(joined: outcomes.Outcomes) -> None:
    events = joined.events().set_index("measure")
    assert events.loc["readmitted", "value_pct"] == pytest.approx(100 / 6)
    assert events.loc["died", "value_pct"] == pytest.approx(100 / 6)
    assert events.loc["died", "lower_95"] < 100 / 6 < events.loc["died", "upper_95"]
    assert "destination of discharge" in events.loc["usual_residence", "reason"]


# -- planted truths --
@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    icbs = ("QHL", "QOP", "QNX", "QNC", "QU9")
    return generate(tmp_path_factory.mktemp("value") / "sample", people=5_000_000, icbs=icbs)


def cases_of(folder: Path, pathway: str = "") -> tuple[outcomes.Outcomes, pd.DataFrame]:
    """Take the notebook's steps up to patients of like case mix, with the cost of the index event at its trim point."""
    data = open_dataset(folder)
    costed = ledger.cost_activity(data.activity, data.unit_costs, data.organisations, price_base="2024-25")
    defined = [pathways.load_definition(name) for name in value.pathways_with_outcomes(data.outcomes)]
    links = pathways.link(costed, defined, patients=data.patients)
    joined = value.join_outcomes(links, data.activity, data.patients, data.outcomes, year="2024-25")
    joined = joined.of(pathway) if pathway else joined
    fifth = np.ceil(joined.pairs["deprivation_decile"].astype(float) / 2)
    rows = joined.pairs.assign(deprivation_fifth=fifth, qalys=value.discounted_years(10.0) * joined.pairs["gain"])
    traits = {"numbers": ["pre"], "factors": ["age_from", "sex", "deprivation_fifth"]}
    rows = value.adjust(rows, "gain", within="pathway", **traits).table
    rows = value.adjust(rows, "index_gbp", within="pathway", factors=["currency_code", "age_from", "sex"]).table
    adjusted = rows.groupby("pathway")["excess_index_gbp"]
    low, high = adjusted.transform("quantile", 0.25), adjusted.transform("quantile", 0.75)
    trimmed = rows["excess_index_gbp"].clip(low - 1.5 * (high - low), high + 1.5 * (high - low))
    gain = value.discounted_years(10.0) * (rows["excess_gain"] + rows["gain"].mean())
    return joined, rows.assign(trimmed_gbp=trimmed + rows["index_gbp"].mean(), adjusted_qalys=gain)


@pytest.mark.slow
@pytest.mark.property
def test_the_planted_expensive_and_no_better_provider_is_found_and_no_average_one_is(sample: Path) -> None:
    truth = json.loads((sample / "truth.json").read_text(encoding="utf-8"))
    planted = truth["dear_and_no_better"]
    joined, rows = cases_of(sample, planted["pathway"])
    assert {*rows["pathway"]} == {planted["pathway"]} == {*joined.table["pathway"]}
    matters = value.INSTRUMENTS["eq5d_index"].matters * value.discounted_years(10.0)
    columns = {"by": "provider_code", "cost": "trimmed_gbp", "effect": "adjusted_qalys"}
    placed = value.quadrants(rows, **columns, matters=matters, rng=np.random.default_rng(20250401)).table
    placed = placed.set_index("provider_code")
    row = placed.loc[planted["provider_code"]]
    assert row["finding"] == "more expensive and no better" and row["cost_q"] < 0.001
    assert row["lower_95"] > 0 and row["effect_lower_95"] < 0.2
    # Planted: 1.35 times the cost of the index event, £8,500 to £9,500 on average.
    assert row["own_gbp"] == pytest.approx(0.35 * 8_900, abs=1_300)
    effects = pd.Series(truth["variance_components_log_cost"]["provider_log_effect"])
    others = placed.drop(planted["provider_code"])
    dear = others.index[others["finding"] == "more expensive and no better"]
    cheap = others.index[others["finding"] == "cheaper and no worse"]
    wrong = (effects[dear] <= 0).sum() + (effects[cheap] >= 0).sum()
    assert wrong <= 0.05 * len(others)
    assert (others["finding"] != "cheaper and worse").all()


# -- words and figures --
MAP = {
    "provider_code": ["A", "B", "C"],
    "pathways": [20, 30, 40],
    "own_gbp": 0.0,
    "own_qalys": 0.0,
    "cost_gbp": [900.0, -200.0, 10.0],
    "lower_95": [200.0, -700.0, -300.0],
    "upper_95": [1600.0, 300.0, 320.0],
    "qalys": [0.01, -0.1, 0.2],
    "qalys_lower_95": -0.3,
    "qalys_upper_95": 0.3,
    "expensive_no_better_pct": [97.0, 20.0, 50.0],
    "cheaper_worse_pct": [0.5, 40.0, 20.0],
    "cheap_no_worse_pct": [1.0, 70.0, 50.0],
    "worthwhile_pct": [30.0, 40.0, 60.0],
    "finding": ["more expensive and no better", "not sure", "not sure"],
    "reason": ["", "", "fewer than 30 patients"],
}


@pytest.mark.unit
def test_the_message_names_a_provider_only_where_a_finding_is_stated_and_says_why_there_is_none() -> None:
    columns = {"pathways": [30, 900], "mean_gbp": 12_000.0, "ratio_gbp": [4_000.0, 3_900.0]}
    costs = pd.DataFrame(
        {"area": ["An ICB", "England"], **columns, "lower_95": 3000.0, "upper_95": 5000.0, "reason": ""}
    )
    response = pd.DataFrame({"pathways": [50], "linkage_pct": 80.0, "response_pct": 50.0})
    said = {"providers": disclose(pd.DataFrame(MAP), counts="pathways"), "area": "An ICB", "reference": "England"}
    said |= {"response": disclose(response, counts="pathways"), "own": {"A": "Trust A"}, "of": "knee replacement"}
    message = value_words.value_message(disclose(costs, counts="pathways"), **said, reason="")
    assert message.startswith("Knee replacement, An ICB: ")
    assert "£4,000 per QALY (95% interval £3,000 to £5,000; about 30 patients), against £3,900 in England" in message
    assert "in the data for 40% of the patients" in message
    assert "Trust A is more expensive and no better: +£900 per patient (95% interval +£200 to +£1,600)." in message
    other = said | {"own": {"B": "Trust B"}}
    near = costs.assign(ratio_gbp=float("nan"), reason="the health gain may be zero: the ratio has no limits")
    message = value_words.value_message(disclose(near, counts="pathways"), **other, reason="")
    assert "no cost per QALY can be given, because the health gain may be zero" in message
    assert "Of none of the area's providers is it sure" in message and "Trust B" not in message
    few = value_words.value_message(disclose(near, counts="pathways"), **(said | {"own": {"C": "Trust C"}}), reason="")
    assert "None of the area's providers has patients enough to be judged." in few and "Trust C" not in few
    few = value_words.value_message(disclose(costs.assign(pathways=5), counts="pathways"), **said, reason="")
    assert "too few patients" in few and "£4,000" not in few
    none = value_words.value_message(disclose(costs, counts="pathways"), **said, reason="no pathway has scores")
    assert none == "Cost per QALY of knee replacement in An ICB cannot be computed: no pathway has scores."


@pytest.mark.unit
def test_a_mean_or_a_share_that_rests_on_one_to_seven_people_is_not_shown(joined: outcomes.Outcomes) -> None:
    columns = {"icb_code": ["QHL", "QU9"], "pathways": 60, "due_pathways": 50, "linked_pathways": 45}
    response = pd.DataFrame({**columns, "answered_pathways": [44, 20], "answered_gbp": 1.0, "silent_gbp": 9.0})
    few, many = (value_words.response_table(response, icb=c, area="A").frame["silent_gbp"] for c in ("QHL", "QU9"))
    assert few.isna().all() and many.tolist() == [9.0]
    events = joined.events().assign(pathways=40)  # of forty, one came back: the share would tell of him
    shown = disclose(events, counts=["pathways", "events"]).frame
    assert shown.loc[events["measure"] == "readmitted", ["events", "value_pct", "upper_95"]].isna().all(axis=None)


@pytest.mark.unit
def test_the_value_map_marks_findings_by_shape_and_says_them() -> None:
    table, own = pd.DataFrame(MAP), {"A": "Trust A", "B": "Trust B"}
    drawn = style.draw(figures.value_map, table, width=style.WIDE, height=4, own=own, by="provider_code")
    assert [t.get_text() for t in drawn.legends[0].get_texts()][:2] == ["A  Trust A", "B  Trust B"]
    said = figures.describe_value_map(table, own=own, by="provider_code")
    assert (
        "Trust A: +£900 (+£200 to +£1,600)" in said
        and "more expensive and no better" in said
        and "not sure" not in said
    )
    empty = style.draw(figures.value_map, table.iloc[:0], width=style.NARROW, height=4, own=own, by="provider_code")
    assert not empty.axes[0].axison


# -- the notebook --
def run(tmp_path: Path, **parameters: object) -> Section:
    runner.execute(NOTEBOOK, tmp_path / "out.ipynb", parameters)
    return read_section(tmp_path / "out.ipynb")


@pytest.mark.unit
def test_the_cost_of_health_is_drawn_beside_its_worth_and_said_only_where_it_is_sure() -> None:
    ends = {"lower_95": [3_200.0, 3_760.0], "upper_95": [6_400.0, 4_280.0]}
    table = pd.DataFrame({"area": ["Here", "England"], "pathways": [35, 935], "ratio_gbp": [4_400.0, 4_010.0], **ends})
    ax = style.draw(figures.cost_of_health, table, width=6, height=2.4, worth_gbp=25_000.0).axes[0]
    assert ax.get_xlim()[0] == 0 and ax.get_xlim()[1] > 25_000
    assert figures.describe_cost_of_health(table, worth_gbp=25_000.0) == (
        "Cost of a QALY: Here £4,400 (95% interval £3,200 to £6,400); England £4,010 (95% interval £3,760 to £4,280). "
        "It is held to be worth £25,000."
    )
    assert not style.draw(figures.cost_of_health, table.iloc[:0], width=6, height=2, worth_gbp=1.0).axes[0].axison
    costs, nobody = disclose(table, counts="pathways"), disclose(table.iloc[:0], counts="pathways")
    about = {"area": "Here", "reference": "England", "of": "knees", "reason": ""}
    for worth, said in {25_000.0: "less than", 3_000.0: "more than", 5_000.0: ""}.items():
        line = value_words.value_finding(costs, nobody, **about, worth_gbp=worth).lines[1]
        assert ("held to be worth" in line) == bool(said) and said in line


@pytest.mark.slow
@pytest.mark.notebook
def test_on_the_sample_the_notebook_finds_the_planted_provider(sample: Path, tmp_path: Path) -> None:
    section = run(tmp_path, icb="QU9", pathway="hip_replacement", data=str(sample))
    assert "per QALY (95% interval £" in section.messages[0].text
    assert "Sample Acute Trust QU9 1 is more expensive and no better: +£" in section.messages[0].text
    assert (len(section.figures), len(section.tables)) == (6, 12)
    assert all("knee" not in b.title for b in [*section.figures, *section.tables])
    assert all("hip replacement" in b.title for b in [*section.figures, *section.tables])
    costs = next(t for t in section.tables if t.name == "Two intervals").payload
    keys = [c["key"] for c in costs["columns"]]
    everyone = dict(zip(keys, costs["rows"][1], strict=True))
    assert everyone["bootstrap_lower_95"] == pytest.approx(everyone["lower_95"], rel=0.03)
    assert everyone["bootstrap_upper_95"] == pytest.approx(everyone["upper_95"], rel=0.03)


@pytest.mark.slow
@pytest.mark.notebook
@pytest.mark.parametrize("kind", ["no outcomes", "no patients", "another instrument", "few"])
def test_without_a_health_gain_there_is_a_reason_and_no_number(kind: str, tmp_path: Path) -> None:
    tables = dict(make_tables(patients=120))
    if kind in ("no outcomes", "no patients"):
        del tables["outcomes"]
    if kind == "no patients":
        del tables["patients"]
    if kind == "few":
        tables["outcomes"] = tables["outcomes"].assign(instrument="eq5d_index")
    section = run(tmp_path, icb="QZ2", data=str(write_tables(tmp_path / "data", tables)))
    named = "the pathway" if kind != "few" else "knee replacement"
    assert section.messages[0].text.startswith(f"Cost per QALY of {named} in ICB QZ2 cannot be computed: ")
    # Without outcomes there is no section: one sentence, besides the coverage that every notebook states.
    assert (len(section.figures), len(section.tables)) == ((6, 12) if kind == "few" else (0, 0))
    blocks = [type(block).__name__ for block in section.blocks]
    assert kind == "few" or blocks == ["Message", "Finding", "Message"]  # the paper says that it is not known
    assert all(f.alt for f in section.figures)
    assert "QALYs (95%" not in str([t.payload for t in section.tables if t.name != "Triple aim"])


@pytest.mark.slow
@pytest.mark.notebook
def test_a_pathway_without_outcomes_has_no_section_and_one_sentence_says_why(sample: Path, tmp_path: Path) -> None:
    # Issue 16: a hip-fracture pack showed £4,192 per QALY of hip and knee replacement on its cover.
    section = run(tmp_path, icb="QU9", pathway="hip_fracture", data=str(sample))
    area = "NHS Buckinghamshire, Oxfordshire and Berkshire West ICB"
    sentence, coverage = section.messages
    why = "no patient has the EQ-5D index both before and after the index event"
    assert sentence.text == f"Cost per QALY of hip fracture in {area} cannot be computed: {why}."
    assert coverage.text.startswith("Coverage, ")
    # And the paper is told that it is not known.
    assert [type(block).__name__ for block in section.blocks] == ["Message", "Finding", "Message"]
    assert "replacement" not in str(section.blocks)


def table(section: Section, name: str) -> pd.DataFrame:
    payload = next(t.payload for t in section.tables if t.name == name)
    return pd.DataFrame(payload["rows"], columns=[c["key"] for c in payload["columns"]])


@pytest.mark.slow
@pytest.mark.property
def test_one_pathway_alone_costs_per_qaly_what_it_costs_beside_others(sample: Path) -> None:
    (_, together), (joined, alone) = (cases_of(sample, name) for name in ("", "knee_replacement"))
    assert {*together["pathway"]} == {"hip_replacement", "knee_replacement"}
    # Every part is of that one alone.
    assert {*alone["pathway"]} == {"knee_replacement"} == {*joined.table["pathway"]}
    knees = together[together["pathway"] == "knee_replacement"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone.drop(columns=["trimmed_gbp", "adjusted_qalys"]), knees[alone.columns[:-2]])
    random = {"cost": "cost_gbp", "effect": "qalys", "draws": 200}
    one, both = (
        value.cost_per_outcome(rows, by="pathway", rng=np.random.default_rng(1), **random).table.set_index("pathway")
        for rows in (alone, together)
    )
    pd.testing.assert_frame_equal(one, both.loc[["knee_replacement"]])


@pytest.fixture(scope="module")
def section(sample: Path) -> Section:
    return run_here("07", {"data": str(sample), "icb": "QU9"})


@pytest.mark.slow
@pytest.mark.notebook
@pytest.mark.parametrize(
    ("before", "after", "name", "column", "rises"),
    [
        ("whole=False", "whole=True", "Services", "mean_gbp", True),
        ("fading, trim = False, 1.5", "fading, trim = True, 1.5", "Services", "ratio_gbp", True),
        ("fewest = 60 ", "fewest = 10**6 ", "Services", "pathways", False),
    ],
)
def test_an_analyst_changes_a_step_in_one_line(
    before: str, after: str, name: str, column: str, rises: bool, section: Section, sample: Path
) -> None:
    other = run_here("07", {"data": str(sample), "icb": "QU9"}, {before: after})
    was, now = (table(one, name)[column] for one in (section, other))
    assert (now > was).all() if rises else now.empty and len(was) == 2


@pytest.mark.slow
@pytest.mark.notebook
def test_it_ends_in_three_changes_worked_which_no_pack_holds(section: Section) -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    (place,) = (n for n, cell in enumerate(cells) if cell.source.startswith("## Make it yours"))
    assert "three changes" in cells[place].source.lower() and len(cells) == place + 3
    assert not {"pack"} & {*cells[place].metadata.get("tags", []), *cells[place + 1].metadata.get("tags", [])}
    assert not any("Make it yours" in str(block) for block in section.blocks)


@pytest.mark.unit
def test_a_step_without_patients_has_no_rows_and_its_reason(joined: outcomes.Outcomes) -> None:
    none = joined.pairs.iloc[:0].assign(qalys=0.0)
    adjusted = value.adjust(none, "gain", numbers=["pre"], factors=["sex"], within="pathway")
    columns = {"by": "icb_code", "cost": "cost_gbp", "effect": "qalys"}
    ratio = value.cost_per_outcome(none, rng=np.random.default_rng(1), **columns)
    placed = value.quadrants(none, rng=np.random.default_rng(1), **columns)
    against = value.incremental(none, **columns)
    for result in (adjusted, ratio, placed, against):
        assert result.table.empty and result.reason and result.summary == f"Not computable: {result.reason}."
    assert against.net_benefit().empty and "excess_gain" in adjusted.table
    full = value.quadrants(pd.DataFrame({"u": list("AAABBBCCC"), "c": range(9), "e": [1, 2, 4] * 3}),
                           by="u", cost="c", effect="e", rng=np.random.default_rng(1))  # fmt: skip
    assert [*full.table.columns[1:]] == [*placed.table.columns[1:]] and full.reason == ""


@pytest.mark.unit
def test_operations_are_named_together() -> None:
    assert value_words.operations(["hip_replacement", "knee_replacement"]) == "hip and knee replacement together"
    assert value_words.operations(["hip_fracture"]) == "hip fracture"
    assert value_words.operations(["hip_fracture", "stroke"]) == "hip fracture and stroke together"
    assert "£25,000 to £35,000, NICE's range from April 2026 (to March 2026: £20,000 to £30,000)" in (
        value_words.thresholds_note()
    )


@pytest.mark.unit
def test_answers_that_are_not_used_are_counted_by_reason(joined: outcomes.Outcomes) -> None:
    assert joined.left_out == {"answers to another instrument": 2, "answers on other days than count": 1}
    assert joined.notes == {}
    named = joined.of("knee_replacement")
    assert (
        named.reason == ""
        and "EQ-5D index"
        in outcomes.Outcomes(joined.table, joined.cases, joined.pairs.iloc[:0], joined.instrument, True).reason
    )
