"""Coverage: held over expected, by ICB and by month, and what the rest might cost."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import pytest
from factories import activity_frame, activity_row
from test_ledger import price

from pathcost_lib.errors import InputError
from pathcost_lib.ledger import coverage, coverage_bounds, coverage_by_month
from pathcost_lib.sources import Dataset, connect

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
    table = coverage(data.activity, people, year="2024-25", rates=RATES).set_index("setting")
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
def test_missing_and_uncosted_units_are_bounded_by_the_cheapest_and_dearest_mean():
    # QZ1 holds 8 of 10 expected at £40; QZ2 10 of 10, at £60, of which 2 have no cost.
    day = date(2024, 6, 1)
    rows = [activity_row(1, "gp_appointment", day, units=8, recorded_cost_pence=32_000)]
    rows += [activity_row(1, "gp_appointment", day, icb_code="QZ2", units=8, recorded_cost_pence=48_000)]
    rows += [activity_row(1, "gp_appointment", day, icb_code="QZ2", units=2, recorded_cost_pence=2**60)]
    frame = price(rows, mff="none")
    ledger = connect().register("ledger", frame)
    table = coverage_bounds(ledger, people(QZ1=5, QZ2=5), year="2024-25", rates=RATES).set_index("icb_code")
    one = table.loc["QZ1", ["cost_gbp", "missing_units", "added_gbp", "added_lower_gbp", "added_upper_gbp"]]
    assert one.tolist() == [320.0, 2.0, 100.0, 80.0, 120.0]
    two = table.loc[
        "QZ2", ["missing_units", "uncosted_units", "added_gbp", "added_lower_gbp", "added_upper_gbp", "reason"]
    ]
    assert two.tolist() == [0.0, 2, 100.0, 80.0, 120.0, ""]
    alone = coverage_bounds(ledger, people(QZ1=5), year="2024-25", rates=RATES).set_index("icb_code")
    assert alone.loc["QZ2", "reason"] == "no rate or no cost for gp_appointment"
