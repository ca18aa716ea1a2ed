"""The notebook of outliers: it runs on any data, says how sure it is, and claims no more than the numbers do."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from factories import make_tables, write_tables

from pathcost_lib.packs import builder, runner
from pathcost_lib.packs.document import Section, read_section
from pathcost_lib.packs.runner import NotebookError
from pathcost_lib.present import style
from pathcost_lib.present.disclosure import disclose
from pathcost_lib.results import NotComputable
from pathcost_lib.sample import generate
from pathcost_lib.variation import figures
from pathcost_lib.variation import words as outlier_words

NOTEBOOK = next(p for p in builder.production_notebooks() if p.stem == "04_outliers")


def run(tmp_path: Path, **parameters: object) -> Section:
    runner.execute(NOTEBOOK, tmp_path / "out.ipynb", parameters)
    return read_section(tmp_path / "out.ipynb")


def screen(**changes: object) -> pd.DataFrame:
    row = {
        "pathway": "knee_replacement",
        "part": "index_event",
        "provider_code": "A1",
        "pathways": 20,
        "difference_pct": 30.4,
        "flag": "high_95",
        "z_adjusted": 2.5,
        "q_value": 0.4,
        "stands_out": False,
        "excess_gbp": 54_360.0,
    }
    return pd.DataFrame([row | changes])


SERIES = outlier_words.series_words(
    pd.DataFrame(
        {
            "provider_code": ["A1", "A1"],
            "pod": ["ae_type1", "gp_appointment"],
            "contacts": [2000, 900],
            "change_pct": [39.2, 1.0],
            "signal": [True, False],
            "months_beyond": [9, 0],
            "since": [pd.Timestamp("2024-07-01"), None],
            "q_value": [0.01, 0.6],
            "sure": [True, False],
        }
    ),
    names={"A1": "Trust 1"},
)
SAID = {"area": "An ICB", "compared": 1390, "chance": 0.3}


# -- words --
@pytest.mark.unit
def test_a_finding_says_how_large_how_sure_and_what_may_warrant_it() -> None:
    """£54,360 leaves as £55,000, which over 20 is £2,750, and in words £2,800 (to its step of 200)."""
    safe = disclose(screen(), counts="pathways")
    words = outlier_words.findings(safe, names={"A1": "Trust 1"}, titles={"knee_replacement": "Knee"}).frame.iloc[0]
    assert words["finding"] == "Knee: £2,800 (30%) more per patient than expected at the index event"
    assert words["how_sure"] == "A question: outside the 95% limits"
    assert "severity" in words["may_be_warranted_by"]
    low = screen(excess_gbp=-400.0, difference_pct=-2.0, flag="within")
    within = outlier_words.findings(disclose(low, counts="pathways"), names={}, titles={}).frame.iloc[0]
    assert "less per patient than expected" in within["finding"]
    assert (within["provider"], within["how_sure"], within["may_be_warranted_by"]) == ("A1", "Within the limits", "")


@pytest.mark.unit
def test_the_message_counts_what_chance_would_give_and_claims_nothing_unsure() -> None:
    own = pd.concat([screen()] + [screen(flag="within")] * 39)
    said = outlier_words.outlier_message(own, SERIES, **SAID)
    assert "1 of 40 comparisons" in said and "By chance alone that would be about 2.0 and 0.1" in said
    assert "None is sure once false alarms over all 1,390 comparisons are controlled" in said
    assert "39% more a day since July 2024 than a year before" in said and "\n" not in said
    assert "chance alone would show about 1" in said
    sure = outlier_words.outlier_message(screen(stands_out=True, flag="high_998"), SERIES.iloc[1:], **SAID)
    assert "1 of them still stand" in sure and "none is sure." in sure
    unsure = SERIES.iloc[:1].assign(sure=False, months_beyond=1)
    found = outlier_words.series_words(unsure, names={"A1": "Trust 1"}).iloc[0]
    assert found["finding"] == "1 month of the year beyond the usual ups and downs"
    assert found["how_sure"] == "A question: may be chance"
    none = outlier_words.outlier_message(own.iloc[:0], SERIES.iloc[:0], **SAID)
    assert "cannot be computed" in none and "No monthly series" in none


@pytest.mark.unit
def test_a_drill_down_without_a_provider_says_why() -> None:
    assert outlier_words.about(NotComputable("too few"), names={}, titles={}).note == "Not computable: too few."
    note = outlier_words.about(screen().to_dict("records")[0], names={}, titles={}).note
    assert "This may be warranted by severity" in note


# -- figures --
@pytest.mark.unit
def test_a_provider_has_one_letter_in_every_figure() -> None:
    table = pd.DataFrame({"provider_code": ["Z", "B", "A"], "pathways": [10, 20, 30], "value_gbp": [3.0, 2.0, 1.0]})
    table = table.assign(
        flag=["high_998", "within", "low_95"], difference_pct=[9.0, 1.0, -7.0], lower_95=-9, upper_95=9
    )
    limits = pd.DataFrame({"denominator": [8, 30], "target": 2.0, "lower_95": 1.5, "upper_95": 2.5})
    limits = limits.assign(lower_998=1.2, upper_998=2.8)
    own = {"Z": "Zed", "A": "Ay"}
    first = style.draw(figures.funnel, table, width=style.WIDE, height=4, limits=limits, own=own)
    second = style.draw(figures.caterpillar, table, width=style.NARROW, height=4, own=own, threshold=5.0)
    for drawn in (first, second):
        texts = [t.get_text() for t in drawn.legends[0].get_texts()]
        assert texts[:2] == ["A  Ay", "B  Zed"]
    said = figures.describe_funnel(table, own=own)
    assert "2 of them outside" in said and "Zed is outside (high, 99.8%)" in said and "Ay is outside (low, 95%)" in said


@pytest.mark.unit
def test_control_charts_draw_one_small_chart_a_series() -> None:
    month = list(pd.date_range("2023-04-01", periods=24, freq="MS"))
    frame = pd.DataFrame({"series": ["one"] * 24 + ["two"] * 24, "month": month * 2, "days": 30, "contacts": 60.0})
    frame = frame.assign(
        centre=2.0, lower=1.0, upper=3.0, special_cause=False, judged=[*[False] * 12, *[True] * 12] * 2
    )
    drawn = style.draw(figures.control_charts, frame, width=style.WIDE, height=3)
    assert [a.get_title(loc="left") for a in drawn.axes[1:]] == ["one", "two"]
    empty = style.draw(figures.control_charts, frame.iloc[:0], width=style.WIDE, height=3)
    assert not empty.axes[0].axison


# -- the notebook --
@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    icbs = ("QHL", "QOP", "QNX", "QNC", "QU9")
    return generate(tmp_path_factory.mktemp("outliers") / "sample", people=1_500_000, icbs=icbs)


@pytest.mark.slow
@pytest.mark.notebook
def test_on_the_sample_the_message_names_the_planted_step_and_every_flag_has_its_caution(
    sample: Path, tmp_path: Path
) -> None:
    section = run(tmp_path, icb="QHL", data=str(sample))
    message, _ = (m.text for m in section.messages)
    (step,) = json.loads((sample / "truth.json").read_text(encoding="utf-8"))["step_change"]
    assert step["from_date"] == "2024-07-01"
    assert "the largest in A&E, major department, Sample Acute Trust QHL 2" in message
    assert "since July 2024" in message and "By chance alone that would be about" in message
    assert (len(section.figures), len(section.tables)) == (4, 7)
    for table in section.tables:
        keys = [c["key"] for c in table.payload["columns"]]
        if "how_sure" not in keys:
            continue
        sure, why = keys.index("how_sure"), keys.index("may_be_warranted_by")
        assert all(row[why] for row in table.payload["rows"] if row[sure] not in ("Within the limits", "", None))
    found = next(t for t in section.tables if t.name == "What stands out").payload
    knee = [row for row in found["rows"] if row[0] == "Sample Acute Trust QHL 1" and "more per patient" in row[1]]
    assert any("at the index event" in row[1] and "limits" in row[4] for row in knee)


@pytest.mark.slow
@pytest.mark.notebook
@pytest.mark.parametrize("kind", ["thin", "one ICB", "no prices"])
def test_thin_data_are_not_computable_with_a_reason(kind: str, tmp_path: Path) -> None:
    tables = dict(make_tables(patients=40 if kind == "thin" else 120))
    if kind == "one ICB":
        tables["activity"] = tables["activity"][tables["activity"]["icb_code"] == "QZ2"]
    if kind == "no prices":
        tables = {name: tables[name] for name in ("activity", "organisations")}
        tables["activity"] = tables["activity"].drop(columns="recorded_cost_pence")
    section = run(tmp_path, icb="QZ2", data=str(write_tables(tmp_path / "data", tables)))
    assert "cannot be computed" in section.messages[0].text
    assert (len(section.figures), len(section.tables)) == (4, 7)
    notes = " ".join(f.note for f in section.figures)
    assert "Not computable: no provider here has enough index events." in notes
    assert kind == "thin" or "Where the variation lies cannot be computed" in notes


@pytest.mark.slow
@pytest.mark.notebook
def test_it_stops_at_once_on_a_part_that_is_not_known(tmp_path: Path) -> None:
    data = str(write_tables(tmp_path / "data", make_tables(patients=6)))
    with pytest.raises(NotebookError, match="Part 'during' is not known"):
        run(tmp_path, icb="QZ1", data=data, part="during")
    assert len(nbformat.read(NOTEBOOK, as_version=4).cells) <= 30
