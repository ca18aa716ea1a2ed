"""What findings say beyond their count: where, at what cost, whether they block a pack; and notebook 01."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from factories import make_tables, write_tables
from scipy import stats
from test_cli import pathcost

from pathcost_lib import ledger, sources
from pathcost_lib.errors import InputError
from pathcost_lib.packs import builder, runner
from pathcost_lib.packs.document import Section, read_section
from pathcost_lib.packs.runner import NotebookError
from pathcost_lib.quality import tables as quality
from pathcost_lib.sample import generate
from pathcost_lib.sources import Dataset, QualityReport, check

TODAY = date(2026, 1, 1)
VALID = make_tables(patients=90)
IDENTIFIERS = re.compile(r"\b[57]00000[0-9]{3}\b")
NOTEBOOK = next(path for path in builder.production_notebooks() if path.stem == "01_data_quality")


def with_activity(change) -> dict[str, pd.DataFrame]:
    activity = VALID["activity"].copy()
    change(activity)
    return {**VALID, "activity": activity}


def checked(frames: dict[str, pd.DataFrame], *, priced: bool = True) -> tuple[QualityReport, Dataset]:
    data = Dataset.from_frames(frames)
    costed = ledger.cost_activity(data.activity, data.unit_costs, data.organisations, price_base="2024-25")
    return check(data, as_of=TODAY, ledger=costed if priced else None), data


def found(report: QualityReport, rule: str) -> pd.Series:
    (row,) = [r for _, r in report.table.iterrows() if rule in r["rule"]]
    return row


# -- where and how much --
@pytest.mark.unit
def test_findings_are_placed_and_priced_to_the_penny():
    rows = VALID["activity"].index[VALID["activity"]["provider_code"].eq("A1") & VALID["activity"]["end_date"].notna()]
    rows = rows[:9]

    def break_them(activity: pd.DataFrame) -> None:
        activity.loc[rows, "end_date"] = activity.loc[rows, "start_date"].map(lambda d: d.replace(year=d.year - 1))
        activity.loc[rows[:4], "setting"] = "nowhere"

    report, data = checked(with_activity(break_them))
    costed = ledger.cost_activity(data.activity, data.unit_costs, data.organisations, price_base="2024-25").to_pandas()
    theirs = costed.set_index("activity_id").loc[VALID["activity"].loc[rows, "activity_id"], "cost_pence"]
    for rule, n in (("end before start", 9), ("value is not allowed", 4)):
        places = report.places[report.places["rule"] == rule]
        assert places["rows"].sum() == found(report, rule)["rows"] == n
        assert set(places["provider_code"]) == {"A1"} and set(places["icb_code"]) == {"QZ1"}
        assert places["cost_gbp"].sum() == pytest.approx(theirs.iloc[:n].sum() / 100, abs=1e-6)
        assert found(report, rule)["cost_gbp"] == pytest.approx(theirs.iloc[:n].sum() / 100, abs=1e-6)
    months = VALID["activity"].loc[rows, "start_date"].map(lambda d: f"{d:%Y-%m}").value_counts()
    by_month = quality.places(report, icb="QZ1", names={"A1": "One"}, by_month=True)
    ends = by_month[by_month["finding"].str.contains("end before start")].set_index("month")["rows"]
    assert ends.to_dict() == months.to_dict()
    assert not quality.places(report, icb="QZ2", names={})["finding"].str.contains("end before start").any()


@pytest.mark.unit
def test_without_a_ledger_rows_are_placed_and_costs_are_missing():
    report, _ = checked(with_activity(lambda a: a.__setitem__("units", 0)), priced=False)
    units = report.places[report.places["column"] == "units"]
    assert units["rows"].sum() == len(VALID["activity"]) and report.places["cost_gbp"].isna().all()
    assert report.table["cost_gbp"].isna().all()


@pytest.mark.unit
def test_a_code_that_organisations_do_not_hold_is_not_shown_where_findings_are():
    report, _ = checked(with_activity(lambda a: a.__setitem__("provider_code", "JOHNSMITH")))
    assert set(report.places["provider_code"]) == {"not known"}
    assert "SMITH" not in report.places.to_csv() + report.table.to_csv()


@pytest.mark.unit
def test_an_icb_that_the_published_list_has_ended_is_found_with_its_successors():
    """QM7 was split between D7T5G and S1Y5D on 1 April 2026, though the extract's own list has it open still."""
    organisations = VALID["organisations"].replace({"QZ1": "QM7"})

    def move(activity: pd.DataFrame) -> None:
        activity["icb_code"] = activity["icb_code"].replace({"QZ1": "QM7"})
        late = activity.index[activity["icb_code"] == "QM7"][:6]
        activity.loc[late, ["start_date", "end_date"]] = date(2026, 4, 1)
        activity.loc[late, "length_of_stay_days"] = None

    report, _ = checked({**with_activity(move), "organisations": organisations, "population": VALID["population"]})
    row = found(report, "ICB did not exist on the start date")
    assert (row["rows"], row["severity"]) == (6, "warning")
    assert row["example"] == "QM7 (6 rows; taken over by D7T5G and S1Y5D)"


@pytest.mark.oracle
def test_far_costs_are_those_of_the_modified_z_score():
    """SciPy's median and median absolute deviation, on groups of odd size, where nearest rank is the median."""
    rng = np.random.default_rng(5)
    rows = VALID["activity"].index[VALID["activity"]["pod"].isin(["community_contact", "gp_appointment"])]
    costs = np.round(np.exp(rng.normal(9, 0.4, len(rows))) * rng.choice([1, 12], len(rows), p=[0.95, 0.05])).astype(int)

    def record(activity: pd.DataFrame) -> None:
        activity.loc[rows, "recorded_cost_pence"] = costs
        for pod in ("community_contact", "gp_appointment"):
            of_pod = activity.index[activity["pod"].eq(pod)]
            if len(of_pod) % 2 == 0:
                activity.loc[of_pod[0], "recorded_cost_pence"] = None

    report, data = checked(with_activity(record))
    held = data.activity.to_pandas().dropna(subset=["recorded_cost_pence"])
    x = np.log(held["recorded_cost_pence"].astype(float) / held["units"].astype(float))
    by = held.groupby("pod").apply(lambda g: pd.Series(x[g.index]), include_groups=False)
    wanted = {}
    for pod in ("community_contact", "gp_appointment"):
        values = by[pod].to_numpy() if isinstance(by.index, pd.MultiIndex) else by.loc[pod].dropna().to_numpy()
        z = 0.6745 * (values - np.median(values)) / stats.median_abs_deviation(values)
        wanted[pod] = int((z > 3.5).sum()), int((z < -3.5).sum())
    table = report.unusual.set_index("pod")[["high_rows", "low_rows"]]
    assert {pod: tuple(int(n) for n in table.loc[pod]) for pod in table.index} == {
        pod: counts for pod, counts in wanted.items() if sum(counts)
    }
    assert sum(map(sum, wanted.values())) == found(report, "far from the usual")["rows"] > 0


@pytest.mark.unit
def test_how_often_columns_are_filled():
    report, _ = checked(VALID)
    held = VALID["activity"]["primary_diagnosis"].notna().mean()
    row = report.filled.set_index(["table", "column"]).loc[("activity", "primary_diagnosis")]
    assert row["rows"] == len(VALID["activity"]) and row["filled_pct"] == pytest.approx(100 * held)


# -- what blocks a pack --
@pytest.mark.unit
def test_an_error_blocks_a_pack_from_one_per_cent_of_the_rows():
    one_per_cent = int(np.ceil(len(VALID["activity"]) / 100))
    for rows, blocks in ((one_per_cent - 1, False), (one_per_cent, True)):
        report, _ = checked(with_activity(lambda a, n=rows: a.__setitem__("units", [0] * n + [1] * (len(a) - n))))
        assert not report.ok and bool(len(report.blocking)) is blocks
        assert ("Not fit for a pack" in quality.in_words(report, area="here")) is blocks
        if blocks:
            with pytest.raises(InputError, match="not fit for a pack: activity, units: outside what is allowed"):
                report.require_sound()
            report.require_sound(anyway=True)
        else:
            report.require_sound()


@pytest.mark.unit
def test_a_warning_on_every_row_does_not_block():
    report, _ = checked(with_activity(lambda a: a.__setitem__("primary_diagnosis", "not a code")))
    assert report.ok and report.blocking.empty and found(report, "ICD-10")["rows"] == len(VALID["activity"])


# -- the report --
@pytest.mark.unit
def test_a_month_that_is_missing_or_thin_is_found(tmp_path: Path):
    data = sources.open_dataset(generate(tmp_path / "sample", people=600_000, icbs=("QHL",)))
    local = quality.providers_of(data, "QHL")
    assert quality.thin_months(data, local, year="2024-25", names={}).empty
    busy = (
        data.activity.query(
            "SELECT provider_code FROM this WHERE setting = 'outpatient' GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
        )
        .to_pandas()["provider_code"]
        .iloc[0]
    )
    cut = data.activity.query(
        f"SELECT * FROM this WHERE NOT (provider_code = '{busy}' AND setting = 'outpatient' "
        "AND start_date BETWEEN DATE '2024-09-01' AND DATE '2024-09-30')"
    )
    holed = Dataset(data.engine, {**data.tables, "activity": cut})
    (row,) = quality.thin_months(holed, local, year="2024-25", names={busy: "Busy"}).to_dict("records")
    assert row == {"provider": "Busy", "setting": "outpatient", "month": "2024-09", "contacts": 0.0, "share_pct": 0.0}


def shown(folder: Path, **values: object) -> Section:
    runner.execute(NOTEBOOK, folder / "out.ipynb", values)
    return read_section(folder / "out.ipynb")


@pytest.mark.slow
@pytest.mark.notebook
def test_notebook_01_shows_what_is_planted_for_one_area_and_names_nobody(tmp_path: Path):
    def break_them(activity: pd.DataFrame) -> None:
        rows = activity.index[activity["icb_code"] == "QZ2"][:12]
        activity.loc[rows, "primary_procedure"] = "ZZZ9"

    data = write_tables(tmp_path / "data", with_activity(break_them))
    section = shown(tmp_path, icb="QZ2", data=str(data))
    assert (section.title, len(section.tables)) == ("Are the data sound?", 11)
    assert section.messages[0].text.startswith("Data quality, ICB QZ2: ")
    assert (
        "0 errors and 2 warnings" in section.messages[0].text and "serious enough to stop" in section.messages[0].text
    )
    tables = {table.name: table.payload["rows"] for table in section.tables}
    assert tables["Findings"][0][:3] == ["Activity, primary procedure: not an OPCS-4 code like W401", "Warning", 10]
    assert all("of QZ2" in row[0] for row in tables["By provider"])
    assert any(row[2] and row[3] for row in tables["Reconciliation"])
    assert not IDENTIFIERS.search((tmp_path / "out.ipynb").read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.notebook
def test_notebook_01_stops_a_pack_of_unsound_data_unless_told_to_go_on(tmp_path: Path):
    data = write_tables(tmp_path / "data", with_activity(lambda a: a.__setitem__("units", 0)))
    with pytest.raises(NotebookError, match=r"cell 4: The data are not fit for a pack: activity.parquet, units"):
        shown(tmp_path, icb="QZ1", data=str(data))
    section = shown(tmp_path, icb="QZ1", data=str(data), anyway=True)
    assert "Not fit for a pack without saying so: activity, units" in section.messages[0].text


@pytest.mark.slow
@pytest.mark.end_to_end
def test_check_writes_the_report_as_a_page_and_a_workbook_even_of_bare_activity(tmp_path: Path):
    """Without prices, population, quantum or organisations what cannot be computed says why."""
    data = write_tables(tmp_path / "data", {"activity": VALID["activity"]})
    done = pathcost("check", "--data", data, "--out", tmp_path / "report")
    assert done.returncode == 0, done.stderr
    written = sorted(path.name for path in (tmp_path / "report").iterdir())
    assert written == ["data-quality.html", "data-quality.xlsx", "manifest.json"]
    page = (tmp_path / "report" / "data-quality.html").read_text(encoding="utf-8")
    made = json.loads((tmp_path / "report" / "manifest.json").read_text(encoding="utf-8"))
    assert made["publication"] == "within the grid of definitions that may be published"
    assert "Data quality, 2024-25" in page and "the data hold no quantum to reconcile to" in page
    book = openpyxl.load_workbook(tmp_path / "report" / "data-quality.xlsx")
    assert {"Findings", "By provider", "By month", "Filled", "Reconciliation"} <= set(book.sheetnames)
    assert not IDENTIFIERS.search(page)
