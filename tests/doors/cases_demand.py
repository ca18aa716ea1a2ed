"""A working call of each public function of the demand half of `scenarios`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from factories import make_tables

from doors.harness import Case
from pathcost_lib import scenarios
from pathcost_lib.scenarios import draws
from pathcost_lib.scenarios.demand.projection import CostPath, Growth
from pathcost_lib.sources import connect

INDEX = pd.MultiIndex.from_product(
    [["QA", "QB"], [2024, 2025], ["female", "male"], [60, 61, 62], ["principal"]],
    names=["icb_code", "year", "sex", "age", "variant"],
)
PEOPLE = pd.DataFrame({"persons": np.arange(100.0, 124.0)}, index=INDEX).reset_index()
KEYS = pd.MultiIndex.from_product([["a", "b"], ["female", "male"], [60, 61, 62]], names=["pod", "sex", "age"])
RATES = pd.DataFrame({"rate": np.linspace(0.5, 3.0, 12)}, index=KEYS).reset_index()
BASE = pd.DataFrame(
    {"icb_code": ["QA", "QA", "QB", "QB"], "pod": ["a", "b"] * 2, "activity": [500.0, 600.0, 700.0, 800.0]}
)
UNITS = pd.DataFrame(
    {"pod": ["a", "b"], "unit_cost_gbp": [10.0, 250.0], "fixed_share": [0.5, 0.2], "semi_fixed_share": [0.3, 0.3]}
)
GROWTH = Growth(
    non_demographic_pct={"a": draws.Distribution("interval", (1.0, 2.0))},
    price_pct=draws.Distribution("interval", (0.0, 3.0)),
)
SPAN = {"base_year": 2024, "horizon": 2025}
COUNTS = pd.DataFrame(
    {"activity": np.arange(50, 74), "persons": np.linspace(900.0, 1200.0, 24)},
    index=pd.MultiIndex.from_product([["a", "b"], [2021, 2022, 2023], [60, 61], ["female", "male"]]),
).reset_index(names=["pod", "year", "age", "sex"])
FREE = "rows are areas: a population or price list of its own label is another one"
ENDS = {("series", "a value fewer"): "a series that ends a month sooner is another series"}


def series() -> pd.Series:
    months = pd.period_range("2021-08", periods=44, freq="M")
    noise = np.random.default_rng(1).normal(0, 0.02, 44)
    values = 1000 * np.exp(0.1 * np.sin(2 * np.pi * months.month / 12) + noise + np.arange(44) / 500)
    return pd.Series(values, index=months)


def long_series() -> pd.DataFrame:
    # Two origins of the backtest are enough: more months only repeat it.
    table = series().iloc[-34:].rename("activity").rename_axis("month").reset_index()
    return table.assign(series="ae", calendar="days", month=table["month"].dt.to_timestamp())


def path(units: pd.DataFrame | None = None, **options: Any) -> CostPath:
    projection = scenarios.project(PEOPLE, RATES, growth=GROWTH, **SPAN)
    return scenarios.cost_path(projection, UNITS if units is None else units, **options)


def swings(population: pd.DataFrame, rates: pd.DataFrame, year: int, unit_cost_gbp: dict[str, float]) -> pd.DataFrame:
    model = scenarios.DemandModel(population, rates, **SPAN)
    return scenarios.tornado(model, GROWTH, year=year, unit_cost_gbp=unit_cost_gbp)


def by_month(activity: pd.DataFrame, icb: str) -> pd.DataFrame:
    return scenarios.monthly_activity(connect().register("activity", activity), icb)


def activity() -> pd.DataFrame:
    table = make_tables(patients=30)["activity"]
    return pd.DataFrame(table).head(40)[["icb_code", "setting", "pod", "start_date", "units"]]


CASES: dict[str, Case | list[Case]] = {
    "project": Case(
        scenarios.project,
        lambda: {
            "population": PEOPLE.copy(),
            "rates": RATES.copy(),
            "variant": "principal",
            "base_activity": BASE.copy(),
            **SPAN,
        },
    ),
    "simulate_demand": Case(
        scenarios.simulate_demand,
        lambda: {
            "population": PEOPLE.copy(),
            "rates": RATES.copy(),
            "growth": GROWTH,
            "variants": {"principal": 1.0},
            "draws": 100,
            "base_activity": BASE.copy(),
            **SPAN,
        },
    ),
    "tornado": Case(
        swings,
        lambda: {
            "population": PEOPLE.copy(),
            "rates": RATES.copy(),
            "year": 2025,
            "unit_cost_gbp": {"a": 10.0, "b": 20.0},
        },
    ),
    "cost_path": Case(
        path, lambda: {"units": UNITS.copy(), "price_pct": 2.0, "behaviour": "steps", "semi_fixed_step_pct": 5.0}
    ),
    "do_nothing_gap": Case(
        lambda **options: scenarios.do_nothing_gap(path(), **options),
        lambda: {
            "allocation_growth_pct": 2.0,
            "efficiency_pct": 1.0,
            "base_gap_gbp": {"health": 100.0},
            "scopes": {"health": ["a"]},
        },
        skip={"scopes": "its values are lists of names; those unknown are refused in test_demand"},
    ),
    "capacity": Case(
        scenarios.capacity,
        lambda: {
            "activity": BASE.copy(),
            "requirements": pd.DataFrame(
                {"pod": ["a", "b"], "bed_days_per_unit": [1.0, 3.0], "staff_minutes_per_unit": [30.0, 90.0]}
            ),
            "occupancy_pct": 92.0,
        },
        legitimate={
            ("activity", "icb_code mislabelled"): FREE,
            ("activity", "a row missing"): "rows are areas: fewer areas are fewer rows",
        },
    ),
    "observed_growth": Case(scenarios.observed_growth, lambda: {"counts": COUNTS.copy()}),
    "backtest": Case(
        scenarios.backtest,
        lambda: {"series": series(), "methods": "stl", "horizon": 3, "step": 6, "least": 30, "calendar": "days"},
        legitimate=ENDS,
    ),
    "forecast": Case(
        scenarios.forecast,
        lambda: {"series": series(), "horizon": 3, "method": "seasonal_naive", "calendar": "days"},
        legitimate=ENDS,
    ),
    "monthly_outlook": Case(
        scenarios.monthly_outlook,
        lambda: {"series": long_series(), "names": "ae", "horizon": 3, "methods": "stl"},
    ),
    "monthly_activity": Case(by_month, lambda: {"activity": activity(), "icb": "QZ1"}),
}
