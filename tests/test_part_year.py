"""Part of a year scaled to a whole one: by the seasons of other years, only where asked, never where not known."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pathcost_lib.benchmark import icb_view
from pathcost_lib.benchmark.part_year import YearScale, scaled, year_scale
from pathcost_lib.sources import connect
from pathcost_lib.sources.held import MonthsHeld

YEAR = "2025-26"
SEVEN = list(pd.period_range("2025-04", "2025-10", freq="M"))
HELD = MonthsHeld(YEAR, {"admitted": SEVEN})


def world(months: dict[str, int], people: int = 10, setting: str = "admitted") -> tuple[Any, Any]:
    """Return a ledger with a cost in pence of each of some people in each month, and as many knees that close in it."""
    rows = [(setting, f"{m}-10", n, cost) for m, cost in months.items() for n in range(people)]
    ledger = pd.DataFrame(rows, columns=["setting", "start_date", "patient_id", "cost_pence"])
    ledger["start_date"] = pd.to_datetime(ledger["start_date"]).dt.date
    started = pd.to_datetime(ledger["start_date"])
    closed = pd.DataFrame({"pathway": "knee", "index_date": started, "window_to": started + pd.Timedelta(days=61)})
    closed = closed.apply(lambda days: days.dt.date if days.name != "pathway" else days)
    engine = connect()
    links = SimpleNamespace(pathways=engine.register("closed", closed), definitions=[SimpleNamespace(name="knee")])
    return engine.register("ledger", ledger), links


def year(first: int, *, summer: int, winter: int) -> dict[str, int]:
    return {
        str(m): summer if m.month in range(4, 11) else winter
        for m in pd.period_range(f"{first}-04", periods=12, freq="M")
    }


@pytest.mark.unit
def test_a_year_is_to_its_months_as_other_whole_years_were() -> None:
    """Seven months of 100 and five of 200 are 1,700, of which the seven had 700: 17/7.

    Knees are as many each month, and close two months on: as many in seven months as in any other seven.
    """
    months = year(2024, summer=100, winter=200) | {str(m): 900 for m in SEVEN}
    found = year_scale(*world(months), HELD, asked=True)
    assert found.settings == {"admitted": pytest.approx(17 / 7)}
    assert found.pathways == {"knee": pytest.approx(12 / 7)}
    assert (found.scales, found.span, found.years) == (True, "a year", ("2024-25",))
    assert found.note == (
        "The data cover 7 months of 2025-26, April to October 2025: not a whole year. Pounds and rates are scaled to a "
        "year, which is an estimate: in 2024-25 these months had of a year's cost: Admitted 41%."
    )


@pytest.mark.unit
def test_nothing_is_scaled_that_is_not_asked_for_or_whole_or_not_known() -> None:
    months = year(2024, summer=100, winter=200)
    assert not year_scale(*world(months), HELD, asked=False).scales
    assert year_scale(*world(months), HELD, asked=False).note == HELD.note
    whole = MonthsHeld("2024-25", {"admitted": list(pd.period_range("2024-04", periods=12, freq="M"))})
    assert year_scale(*world(months), whole, asked=True).note == ""
    short = {m: c for m, c in months.items() if m != "2024-12"}
    for few in (world(short), world(months, people=7), world(months, setting="community")):
        found = year_scale(*few, HELD, asked=True)
        assert not found.scales
        assert found.span == "in April to October 2025"
        assert found.note.endswith("Not scaled to a year: no whole year with enough people is held of Admitted.")


def _cells() -> icb_view.Cells:
    keys = {"icb_code": "A", "age_from": 40, "sex": "male", "deprivation_decile": [1, 1, 1]}
    costs = pd.DataFrame({"setting": ["admitted", "community", icb_view.ALL], "users": 10, **keys})
    costs = costs.assign(cost_gbp=[100.0, 50.0, 150.0], variable_gbp=[10.0, 5.0, 15.0], squares=[1e6, 4e5, 3e6])
    pieces = pd.DataFrame({"pathway": ["knee", "hip"], "cost_gbp": [10.0, 20.0]})
    none = pd.DataFrame()
    return icb_view.Cells(costs, none, none, none, none, pieces, none)


@pytest.mark.unit
def test_settings_are_scaled_each_by_its_own_and_all_of_them_are_their_sum() -> None:
    """Twice 100 and thrice 50 are 350, for 150: all squares by (350/150) squared."""
    scale = YearScale(HELD, {"admitted": 2.0, "community": 3.0}, {"knee": 2.0, "hip": np.nan})
    found = scaled(_cells(), scale)
    costs = found.costs.set_index("setting")
    assert costs["cost_gbp"].to_dict() == {"admitted": 200.0, "community": 150.0, icb_view.ALL: 350.0}
    assert costs["variable_gbp"].to_dict() == {"admitted": 20.0, "community": 15.0, icb_view.ALL: 35.0}
    assert costs["squares"].tolist() == pytest.approx([4e6, 3.6e6, 3e6 * (350 / 150) ** 2])
    assert found.pieces["cost_gbp"].tolist() == [20.0]
    assert scaled(_cells(), YearScale(HELD)).yearly is None


@pytest.mark.unit
def test_rates_are_scaled_and_counts_are_not_and_an_unknown_factor_has_a_reason() -> None:
    people = pd.DataFrame({"icb_code": ["A", "B", "C"], "age_from": 0, "sex": "male", "persons": 1000.0})
    events = pd.DataFrame({"icb_code": ["A", "B", "C"] * 2, "age_from": 0, "sex": "male", "pathways": [20, 40, 30] * 2})
    events["pathway"] = ["hip"] * 3 + ["knee"] * 3
    none = pd.DataFrame()
    cells = icb_view.Cells(none, none, people, none, events, none, none)
    yearly = pd.DataFrame({"pathway": ["knee", "hip"], "factor": [2.0, np.nan]})
    before, after = (icb_view.event_rates(c, "A").set_index("pathway") for c in (cells, replace(cells, yearly=yearly)))
    assert after.loc["knee", "pathways"] == before.loc["knee", "pathways"] == 20
    for name in ("rate", "lower_95", "upper_95", "reference_rate"):
        assert after.loc["knee", name] == pytest.approx(2 * before.loc["knee", name])
    assert after.loc["knee", "index"] == pytest.approx(before.loc["knee", "index"])
    assert np.isnan(after.loc["hip", "rate"])
    assert after.loc["hip", "reason"] == icb_view.NOT_SCALED
