"""A working call of each public function that reads an area's starting point, and of the steps taken from it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from factories import make_tables

from doors.harness import Case
from pathcost_lib import ledger, paths, scenarios
from pathcost_lib.scenarios.demand.inputs import DemandInputs
from pathcost_lib.sources import Dataset

YEAR = "2024-25"
AGES = range(18, 91)


@cache
def publications() -> Path:
    """Write files laid out as the published ones, with numbers of our own: two areas, three years."""
    folder = Path(tempfile.mkdtemp(prefix="pathcost-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for part in ("icb_lookups", "icb_population_projections", "activity_performance"):
        (folder / part).mkdir()
    areas = {"E54000061": "QF7", "E54000026": "QH8"}
    lookup = {"LOC22CD": ["E38000006", "E38000007"], "LOC22CDH": ["02P", "99E"], "LOC22NM": ["one", "two"]}
    lookup |= {"ICB22CD": list(areas), "ICB22CDH": list(areas.values()), "ICB22NM": ["one", "two"]}
    lookup |= {"NHSER22CD": ["E40000012"] * 2, "NHSER22CDH": ["Y63"] * 2, "NHSER22NM": ["North"] * 2}
    pd.DataFrame(lookup).to_csv(folder / "icb_lookups" / "sub_icb_icb_region_lookup_2022.csv", index=False)
    people = [(a, "v1", y, age, 900 + age, 950 + age) for a in areas for y in (2024, 2025, 2026) for age in AGES]
    names = ["area_code", "variant", "year", "age", "female", "male"]
    projections = folder / "icb_population_projections"
    table = pd.DataFrame(people, columns=names)
    table.to_csv(projections / "icb_population_by_age_sex_2024_2025_principal.csv", index=False)
    groups = pd.read_csv(paths.reference() / "official_groups.csv")
    use = [
        (a, "edc", group, label, age, 0.2, 0.1, 0.2 + age / 1000, 0.1)
        for a in areas
        for group, label in zip(groups["activity_group"], groups["label"], strict=True)
        for age in AGES
    ]
    sexes = [f"{sex}_rate{kind}" for kind in ("", "_smoothed") for sex in ("female", "male")]
    rates = pd.DataFrame(use, columns=["area_code", "pod", "group", "label", "age", *sexes])
    rates.to_csv(projections / "icb_activity_rates_by_age_sex_2022.csv", index=False)
    months = pd.period_range("2022-04", periods=36, freq="M")
    ae = pd.DataFrame(
        [(a, 1000 + n, 100, 300 + n, 30, m.strftime("%B %Y")) for a in areas for n, m in enumerate(months)]
    )
    heads = ["icb22_code", "total_attendances", "attendances_over_4hours", "total_emergency_admissions"]
    ae.columns = [*heads, "emergency_admissions_over_4hours", "date"]
    ae.to_csv(folder / "activity_performance" / "england_icb_accidents_emergency.csv.gz", index=False)
    return folder


@cache
def extract() -> Dataset:
    return Dataset.from_frames(make_tables(patients=40))


def own(**changed: Any) -> DemandInputs:
    """Read the extract's starting point."""
    data = extract()
    costed = ledger.cost_activity(data.activity, data.unit_costs, data.organisations, price_base=YEAR)
    return scenarios.dataset_inputs(data, costed, **{"icb": "QZ1", "year": YEAR} | changed)


@cache
def starting_point() -> DemandInputs:
    return scenarios.official_inputs(publications(), icb="QF7", base_year=2024, price_base=YEAR)


def outlook(
    people: pd.DataFrame, rates: pd.DataFrame, pods: pd.DataFrame, coverage: pd.DataFrame, draws: int
) -> dict[str, pd.DataFrame]:
    """Take the steps of notebook 05 from a starting point."""
    inputs = replace(starting_point(), people=people, rates=rates, pods=pods, coverage=coverage)
    scenario = scenarios.load_scenario("official_groups")
    assert scenario.demand is not None
    kept = inputs.pods[inputs.pods["reason"] == ""]
    used, growth = inputs.only(kept["pod"]), scenario.demand.growth.only(kept["pod"])
    last = min(scenario.demand.horizon, int(inputs.people["year"].max()))
    start: dict[str, Any] = {"population": inputs.people, "rates": used.rates, "base_activity": used.base_activity}
    start |= {"base_year": inputs.base_year, "horizon": last}
    projection = scenarios.project(growth=growth, **start)
    costs = kept[["pod", "unit_cost_gbp"]].dropna()
    simulation = scenarios.simulate_demand(growth=growth, draws=draws, **start)
    unit = dict(kept.set_index("pod")["unit_cost_gbp"].fillna(0.0))
    settings = {str(s): [*rows] for s, rows in kept.groupby("setting")["pod"]}
    model = scenarios.DemandModel(**start)
    return {
        "path": scenarios.cost_path(projection, costs).table,
        "costs": simulation.costs(settings | {"all": [*kept["pod"]]}, unit_cost_gbp=unit),
        "tornado": scenarios.tornado(model, growth, year=last, unit_cost_gbp=unit),
        "services": inputs.pods,
        "settings": kept.groupby("setting")[["contacts", "cost_gbp", "uncosted"]].sum().merge(coverage, on="setting"),
    }


CASES: dict[str, Case | list[Case]] = {
    "dataset_inputs": Case(own, lambda: {"icb": "QZ1", "year": YEAR}),
    "official_inputs": Case(
        scenarios.official_inputs,
        lambda: {"folder": publications(), "icb": "QF7", "base_year": 2024, "price_base": YEAR},
    ),
    "official_growth": Case(
        scenarios.official_growth,
        lambda: {"folder": publications(), "base_year": 2024, "years": [2025, 2026]},
        legitimate={("years", "a*"): "fewer years are asked for"},
    ),
    "official_months": Case(scenarios.official_months, lambda: {"folder": publications(), "icb": "QF7"}),
    "DemandInputs": Case(
        outlook,
        lambda: {
            "people": starting_point().people.copy(),
            "rates": starting_point().rates.copy(),
            "pods": starting_point().pods.copy(),
            "coverage": starting_point().coverage.assign(
                coverage_pct=[80.0 + n for n in range(len(starting_point().coverage))], reason=""
            ),
            "draws": 100,
        },
    ),
}
