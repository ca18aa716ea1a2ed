"""Coverage: held over expected, by ICB and by month, and what the rest might cost."""

from __future__ import annotations

from datetime import date, timedelta

import nbformat
import pandas as pd
import pytest
from factories import activity_frame, activity_row, make_tables
from test_ledger import price

from pathcost_lib.benchmark.icb_view import coverage_of
from pathcost_lib.errors import InputError
from pathcost_lib.ledger import coverage, coverage_by_month
from pathcost_lib.ledger.coverage import coverage_bounds
from pathcost_lib.packs import builder
from pathcost_lib.packs.document import Document, Message, Section
from pathcost_lib.present import banner, display
from pathcost_lib.sources import Dataset, connect
from pathcost_lib.sources.held import MonthsHeld

RATES = pd.DataFrame(
    {
        "setting": "primary_care",
        "pod": "gp_appointment",
        "age_from": [0, 65],
        "age_to": [64, 120],
        "sex": "all",
        "contacts_per_head_per_year": [1.0, 2.0],
    }
)


#: The rows below are of one day each; a year of which the data hold more is said to be whole.
WHOLE = MonthsHeld("2024-25", {"primary_care": list(pd.period_range("2024-04", "2025-03", freq="M"))})


def people(**persons: float) -> pd.DataFrame:
    frame = pd.DataFrame({"icb_code": list(persons), "persons": list(persons.values())})
    return frame.assign(year=2024, age=70, sex="female", variant="principal")


@pytest.mark.unit
def test_coverage_is_held_over_expected_and_says_why_where_it_cannot_be():
    rows = [activity_row(1, "gp_appointment", date(2024, 6, 1), icb_code="QZ1", units=30)]
    rows += [activity_row(1, "ae_type1", date(2024, 6, 1), icb_code="QZ1")]
    data = Dataset.from_frames({"activity": activity_frame(rows)})
    people = pd.DataFrame(
        {
            "icb_code": ["QZ1"] * 2,
            "year": 2024,
            "age": [10, 70],
            "sex": "female",
            "variant": "principal",
            "persons": [10.0, 20.0],
        }
    )
    table = coverage(data.activity, people, year="2024-25", rates=RATES, months=WHOLE).set_index("setting")
    assert table.loc["primary_care", ["held", "expected", "coverage_pct"]].tolist() == [30, 50.0, 60.0]
    assert pd.isna(table.loc["emergency", "coverage_pct"]) and "no national rate" in table.loc["emergency", "reason"]
    with pytest.raises(InputError, match="no persons for 2030"):
        coverage(data.activity, people, year="2030-31", rates=RATES)


@pytest.mark.unit
def test_a_missing_month_shows_and_the_months_sum_to_the_year():
    days = [date(2024, 4, 1) + timedelta(days=n) for n in range(365)]
    rows = [activity_row(1, "gp_appointment", d) for d in days if d.month != 8]
    data = Dataset.from_frames({"activity": activity_frame(rows)})
    table = coverage_by_month(data.activity, people(QZ1=182.5), year="2024-25", rates=RATES).set_index("month")
    assert table.loc["2024-08", ["held", "coverage_pct"]].tolist() == [0, 0.0]
    assert table.loc["2024-05", "coverage_pct"] == pytest.approx(100.0)
    assert table["expected"].sum() == pytest.approx(365.0)


@pytest.mark.unit
def test_of_part_of_a_year_only_the_months_held_are_expected():
    # April to October has 214 of 365 days. 365 people of 70 have two contacts a year: 428 in these months, and 62 in
    # each of 31 days. QZ1 holds two a day; QZ2 has none after June, 91 days: it lacks the rest.
    days = [date(2024, 4, 1) + timedelta(days=n) for n in range(214)]
    rows = [activity_row(1, "gp_appointment", d, units=2, recorded_cost_pence=100) for d in days]
    rows += [activity_row(1, "gp_appointment", d, icb_code="QZ2", units=2, recorded_cost_pence=100) for d in days[:91]]
    data, persons = Dataset.from_frames({"activity": activity_frame(rows)}), people(QZ1=365, QZ2=365)
    table = coverage(data.activity, persons, year="2024-25", rates=RATES).set_index("icb_code")
    assert table["expected"].tolist() == pytest.approx([428, 428]) and table["held"].tolist() == [428, 182]
    assert table["coverage_pct"].tolist() == pytest.approx([100, 100 * 182 / 428])
    by_month = coverage_by_month(data.activity, people(QZ1=365), year="2024-25", rates=RATES).set_index("month")
    assert [by_month.index[0], by_month.index[-1]] == ["2024-04", "2024-10"]
    assert by_month.loc["2024-05", "expected"] == pytest.approx(62)
    ledger = connect().register("ledger", price(rows, mff="none"))
    bounds = coverage_bounds(ledger, persons, year="2024-25", rates=RATES).set_index("icb_code")
    assert bounds["missing_units"].tolist() == pytest.approx([0, 246])
    listed = data.activity.engine.register("population", persons)
    ours = coverage_of(data.activity, listed, "QZ2", year="2024-25")
    whole = data.activity.query("SELECT * FROM this WHERE icb_code = 'QZ2'")
    alone = coverage_of(whole, listed, "QZ2", year="2024-25")
    ratio = ours["coverage_pct"].max() / alone["coverage_pct"].max()
    assert ratio == pytest.approx(91 / 214), "the months of all areas are expected of each"


@pytest.mark.unit
def test_the_banner_names_the_months_of_part_of_a_year(monkeypatch):
    tables = make_tables()
    early = tables["activity"]["start_date"] < date(2024, 11, 1)
    shown = []
    monkeypatch.setattr(display, "display", lambda bundle, raw: shown.append(bundle[display.MESSAGE]["text"]))
    banner.coverage_banner(
        Dataset.from_frames(tables | {"activity": tables["activity"][early]}), icb="QZ2", year="2024-25"
    )
    assert shown[0].startswith("Coverage, ICB QZ2, April to October 2024. ")


@pytest.mark.unit
def test_missing_and_uncosted_units_are_bounded_by_the_cheapest_and_dearest_mean():
    # QZ1 holds 8 of 10 expected at £40; QZ2 10 of 10, at £60, of which 2 have no cost.
    day = date(2024, 6, 1)
    rows = [activity_row(1, "gp_appointment", day, units=8, recorded_cost_pence=32_000)]
    rows += [activity_row(1, "gp_appointment", day, icb_code="QZ2", units=8, recorded_cost_pence=48_000)]
    rows += [activity_row(1, "gp_appointment", day, icb_code="QZ2", units=2, recorded_cost_pence=2**60)]
    frame = price(rows, mff="none")
    ledger = connect().register("ledger", frame)
    table = coverage_bounds(ledger, people(QZ1=5, QZ2=5), year="2024-25", rates=RATES, months=WHOLE).set_index(
        "icb_code"
    )
    one = table.loc["QZ1", ["cost_gbp", "missing_units", "added_gbp", "added_lower_gbp", "added_upper_gbp"]]
    assert one.tolist() == [320.0, 2.0, 100.0, 80.0, 120.0]
    two = table.loc[
        "QZ2", ["missing_units", "uncosted_units", "added_gbp", "added_lower_gbp", "added_upper_gbp", "reason"]
    ]
    assert two.tolist() == [0.0, 2, 100.0, 80.0, 120.0, ""]
    alone = coverage_bounds(ledger, people(QZ1=5), year="2024-25", rates=RATES, months=WHOLE).set_index("icb_code")
    assert alone.loc["QZ2", "reason"] == "no rate or no cost for gp_appointment"


@pytest.mark.unit
def test_without_a_population_only_what_has_no_cost_is_bounded():
    rows = [activity_row(1, "gp_appointment", date(2024, 6, 1), units=8, recorded_cost_pence=32_000)]
    rows += [activity_row(1, "gp_appointment", date(2024, 6, 1), units=2, recorded_cost_pence=2**60)]
    ledger = connect().register("ledger", price(rows, mff="none"))
    row = coverage_bounds(ledger, people(QZ1=5).assign(year=2019), year="2024-25", rates=RATES).iloc[0]
    assert (row["held_units"], row["uncosted_units"], row["added_gbp"], row["missing_units"]) == (10, 2, 80.0, 0.0)
    assert pd.isna(row["coverage_pct"]) and row["reason"] == "no rate or no cost for gp_appointment"


# -- the banner --------------------------------------------------------------------------------------------------------
def cells(**columns: list) -> pd.DataFrame:
    """Return a table as of `coverage_bounds`, of one area."""
    one = {"icb_code": "QZ1", "held_units": 100, "coverage_pct": 97.0, "cost_gbp": 1_000_000.0, "uncosted_units": 0}
    one |= {"missing_units": 5.0, "added_gbp": 30_000.0, "added_lower_gbp": 20_000.0, "added_upper_gbp": 45_000.0}
    return pd.DataFrame(columns).assign(**{k: v for k, v in (one | {"reason": ""}).items() if k not in columns})


def line(table: pd.DataFrame) -> str:
    return banner.coverage_line(banner.coverage_of_one(table, "QZ1"), area="Here", year="2024-25")


@pytest.mark.unit
def test_the_banner_says_coverage_by_setting_what_has_no_cost_and_the_bounds():
    table = cells(setting=["community", "primary_care"], coverage_pct=[61.0, 97.4], uncosted_units=[4, 50])
    assert line(table) == (
        "Coverage, Here, 2024-25. What the data cover of the activity that we expect from the population's age and "
        "sex: Primary care 97%, Community 61%. Without a cost: Primary care 50%, Community a few. "
        "Cost is missing, and looks low, where the data cover little: Community. "
        "With what is missing or has no cost, cost would be about £60k (3.0%) more. "
        "It is £40k at the unit costs of the cheapest area, £90k at those of the most expensive."
    )


@pytest.mark.unit
def test_the_banner_says_why_where_it_cannot_be_computed_and_hides_small_numbers():
    none = cells(setting=["emergency"], coverage_pct=[float("nan")], added_gbp=[0.0])
    assert line(none) == (
        "Coverage, Here, 2024-25. It is not computable, because the data have no population of the year to expect "
        "activity from. All of it has a cost."
    )
    few = line(cells(setting=["community", "emergency"], held_units=[5, 100], coverage_pct=[40.0, 97.0]))
    assert "Community not known, A&E 97%" not in few and "A&E 97%, Community not known." in few and "40%" not in few
    assert "Not all of that can be bounded in: A&E." in line(cells(setting=["emergency"], reason=["no rate"]))


@pytest.mark.unit
@pytest.mark.parametrize("left_out", [(), ("population",), ("population", "unit_costs")])
def test_the_banner_is_a_message_of_any_dataset(left_out, monkeypatch):
    tables = {name: frame for name, frame in make_tables().items() if name not in left_out}
    shown = []
    monkeypatch.setattr(display, "display", lambda bundle, raw: shown.append(bundle[display.MESSAGE]["text"]))
    banner.coverage_banner(Dataset.from_frames(tables), icb="QZ2", year="2024-25")
    (text,) = shown
    assert text.startswith("Coverage, ICB QZ2, 2024-25. ")
    assert ("not computable" in text) == bool(left_out)
    assert ("Outpatient 100%, Admitted 100%, Community 100%" in text) == ("unit_costs" in left_out)


@pytest.mark.unit
def test_every_production_notebook_bears_the_banner_and_the_cover_of_a_pack_says_it_once():
    for path in builder.production_notebooks():
        cells = nbformat.read(path, as_version=4).cells
        assert any("coverage_banner(" in c.source for c in cells if "pack" in c.metadata.get("tags", [])), path.name
    two = [Section(name, name, (Message(f"{name} costs £1."), Message("Coverage, Here."))) for name in ("a", "b")]
    document = Document("Here", "QZ1", "2024-25", "", tuple(two))
    assert [m.text for m in document.messages] == ["a costs £1.", "Coverage, Here.", "b costs £1."]
