"""The outlook of one ICB if nothing changes: cost by setting, what drives it, the gap, and what matters most."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from pathcost_lib.arguments import no_gaps, numbers, one_row_each, refuse, require_columns, whole_numbers
from pathcost_lib.codes import SETTINGS
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.results import Result
from pathcost_lib.scenarios.demand.outlook_inputs import DemandInputs
from pathcost_lib.scenarios.demand.projection import (
    CostPath,
    DemandModel,
    DemandSimulation,
    Growth,
    cost_path,
    do_nothing_gap,
    project,
    simulate_demand,
    tornado,
)
from pathcost_lib.scenarios.draws import Distribution
from pathcost_lib.scenarios.scenario import Demand, Scenario

__all__ = ["DemandOutlook", "demand_outlook"]

_ALL = "All settings"
TABLES = ("cost", "drivers", "gap", "tornado", "pyramid", "services", "settings")
_DRIVERS = {
    "base": "Base year",
    "demographic": "Size and age of the population",
    "health_status": "Health at a given age",
    "non_demographic": "Use at a given age",
    "level_up": "Levelling up",
    "waiting_list": "Backlog of the year",
    "price": "Pay and prices",
    "interaction": "Interaction",
    "cost": "Last year",
}
_ASSUMPTIONS = {
    "non_demographic_pct": ("Use", "% a year"),
    "waiting_list_pct": ("Backlog", "% of a year's activity"),
    "health_status_years": ("Health at a given age", "years of age a year"),
    "level_up_share": ("Levelling up", "of the gap"),
    "price_pct": ("Pay and prices", "% a year"),
}
_NAMES = {"p50": "p50_gbp", "p10": "lower_80", "p90": "upper_80", "mean": "mean_gbp", "central": "central_gbp"}


@dataclass(frozen=True, eq=False)
class DemandOutlook(Result):
    """An outlook: tables by name; limits are 80 % (p10 and p90), GBP at the price base. `.table` is that of cost.

    Attributes
    ----------
    tables : mapping of name to DataFrame
        Where nothing can be projected each has one column, not_computable, with the reason. Else:
        cost (setting, year, p50_gbp, lower_80, upper_80, mean_gbp, central_gbp with every assumption at its mean,
        compounding_bias_pct: mean against central; the base year is what was held);
        drivers (driver, change_gbp: the base year, each driver, the interaction, and the last year, their sum);
        gap (scope, year, cost_gbp, allocation_gbp, gap_gbp with limits, efficiency_gbp: what the efficiency factor
        would save of the cost);
        tornado (assumption, assumed, at_low_gbp, at_high_gbp: change from central in the last year, swing_gbp);
        pyramid (band, sex, base_persons, last_persons);
        services (service, setting, contacts, persons, ageing_pct, growth_pct with limits, reason);
        settings (setting, contacts, cost_gbp, uncosted_pct, coverage_pct, growth: what is assumed, reason).
    counts : mapping of table to columns
        Which columns count people or contacts.
    """

    base_year: int
    last_year: int
    tables: Mapping[str, pd.DataFrame]
    counts: Mapping[str, Sequence[str]]
    note: str = ""
    reason: str = ""


def demand_outlook(
    inputs: DemandInputs, scenario: Scenario, *, draws: int = 1_000, rng: int | np.random.Generator = 0
) -> DemandOutlook:
    """Assemble an outlook from projection, costs and simulation.

    Parameters
    ----------
    inputs : DemandInputs
        From `dataset_inputs` or `official_inputs`.
    scenario : Scenario
        With a demand part; assumptions on PODs that the inputs do not hold have no effect. The horizon is the
        scenario's, or the last year of the population where that comes first.
    draws, rng
        As in `simulate_demand`.

    Raises
    ------
    InputError
        If the scenario has no demand part; or if the inputs lack a column or a number, hold a POD twice, a setting that
        is not one of `codes.SETTINGS`, rates and PODs that do not go together, no POD that is not left out, or a
        coverage that has a setting twice, or lacks one of the PODs or the reason of a missing figure; each by name.
    """
    if scenario.demand is None:
        raise InputError(f"Scenario {scenario.name} has no demand part.")
    if inputs.reason:
        nothing = pd.DataFrame({"not_computable": [inputs.reason]})
        year, tables = inputs.base_year, dict.fromkeys(TABLES, nothing)
        return DemandOutlook(nothing, year, year, tables, {}, inputs.note, inputs.reason)
    _check(inputs)
    demand = scenario.demand
    kept = inputs.pods[inputs.pods["reason"] == ""]
    growth = _held(demand.growth, set(kept["pod"]))
    last = min(demand.horizon, int(inputs.people["year"].max()))
    rates = inputs.rates[inputs.rates["pod"].isin(kept["pod"])]
    actual = kept.rename(columns={"contacts": "activity"}).assign(icb_code=inputs.icb) if inputs.actual else None
    years: dict[str, Any] = {"base_year": inputs.base_year, "horizon": last, "base_activity": actual}
    variant = max(demand.variants, key=lambda name: demand.variants[name])
    projection = project(inputs.people, rates, variant=variant, growth=growth, **years)
    costs = kept[["pod", "unit_cost_gbp"]].dropna()
    path = cost_path(projection, costs, price_pct=growth.assumptions()["price_pct"].mean)
    simulation = simulate_demand(
        inputs.people,
        rates,
        growth,
        variants=demand.variants,
        draws=draws,
        rng=rng,
        correlations=scenario.correlations,
        **years,
    )
    unit: dict[str, float] = dict(zip(costs["pod"], costs["unit_cost_gbp"], strict=True))
    setting_of: dict[str, str] = dict(zip(kept["pod"], kept["setting"], strict=True))
    groups = {_ALL: set(unit)} | {s: {p for p in unit if setting_of[p] == s} for s in SETTINGS}
    bands = {name: _spread(simulation, unit, pods) for name, pods in groups.items() if pods}
    spread = pd.concat([band.assign(setting=name) for name, band in bands.items()], ignore_index=True)
    at_last = path.table[path.table["year"] == last]
    steps = [(words, float(at_last[f"{name}_gbp"].sum())) for name, words in _DRIVERS.items()]
    tables = {
        "cost": spread[["setting", "year", *_NAMES.values(), "compounding_bias_pct"]],
        "drivers": pd.DataFrame(steps, columns=["driver", "change_gbp"]),
        "gap": _gap(path, demand, {p: setting_of[p] for p in unit}, simulation, unit),
        "tornado": _tornado(inputs, rates, growth, unit, years, variant),
        "pyramid": _pyramid(inputs.people[inputs.people["variant"] == variant], inputs.base_year, last),
        "services": _services(inputs, projection.table, simulation, last),
        "settings": _settings(inputs, growth),
    }
    counts = {"services": [c for c in ("contacts", "persons") if c in tables["services"]], "settings": ["contacts"]}
    note = " ".join(part for part in (inputs.note, projection.not_covered) if part)
    return DemandOutlook(tables["cost"], inputs.base_year, last, tables, counts, note)


def _check(inputs: DemandInputs) -> None:
    """Refuse inputs of which a sum would forget a part without a word."""
    require_columns(inputs.people, ["year"], what="people of the outlook")
    whole_numbers(inputs.people, "year", [])
    require_columns(inputs.rates, ["pod"], what="rates of the outlook")
    pods = inputs.pods
    words, amounts = ["service", "setting", "reason"], ["contacts", "cost_gbp", "uncosted"]
    one_row_each(pods, ["pod"], [*words, *amounts, "unit_cost_gbp"], what="PODs of the outlook")
    no_gaps(pods, words, what="PODs of the outlook")
    for setting in pods["setting"]:
        require_one_of(setting, SETTINGS, what="Setting of the PODs")
    kept = pods[pods["reason"] == ""]
    if kept.empty:
        why = "; ".join(f"{reason} ({count})" for reason, count in pods["reason"].value_counts().items())
        raise InputError(f"Every POD of the outlook is left out, so nothing can be projected: {why}.")
    for amount in amounts:
        numbers(kept, amount, ["pod"])
    refuse(kept, ~kept["pod"].isin(inputs.rates["pod"]).to_numpy(), ["pod"], "A POD has no rate of use")
    refuse(inputs.rates, ~inputs.rates["pod"].isin(pods["pod"]).to_numpy(), ["pod"], "A rate is of a POD not in `pods`")
    _check_coverage(inputs.coverage, kept)


def _check_coverage(held: pd.DataFrame, kept: pd.DataFrame) -> None:
    """Refuse a coverage that would double a setting, or leave one without a figure and without a reason."""
    what = "coverage of the outlook"
    one_row_each(held, ["setting"], ["coverage_pct", "reason"], what=what)
    no_gaps(held, ["reason"], what=what)
    for setting in held["setting"]:
        require_one_of(setting, SETTINGS, what="Setting of the coverage")
    refuse(kept, ~kept["setting"].isin(held["setting"]).to_numpy(), ["setting"], "A setting has no row of coverage")
    numbers(held[held["coverage_pct"].notna() | (held["reason"] == "")], "coverage_pct", ["setting"])


def _held(growth: Growth, pods: Collection[str]) -> Growth:
    def keep(by_pod: Mapping[str, Distribution | float]) -> dict[str, Distribution | float]:
        return {pod: value for pod, value in by_pod.items() if pod in pods or pod == "*"}

    return replace(
        growth, non_demographic_pct=keep(growth.non_demographic_pct), waiting_list_pct=keep(growth.waiting_list_pct)
    )


def _spread(simulation: DemandSimulation, unit: dict[str, float], pods: Collection[str]) -> pd.DataFrame:
    """Return the cost of some PODs by year; in the base year there is nothing to be unsure of."""
    only = {pod: unit[pod] if pod in pods else 0.0 for pod in unit}
    only |= {pod: 0.0 for pod in simulation.labels["pod"] if pod not in unit}
    table = simulation.intervals(("year",), unit_cost_gbp=only).rename(columns=_NAMES)
    known = list(_NAMES.values())
    table.loc[:0, known] = table["central_gbp"].iloc[0]
    return table


def _gap(
    path: CostPath, demand: Demand, setting_of: dict[str, str], simulation: DemandSimulation, unit: dict[str, float]
) -> pd.DataFrame:
    """Return cost against funding for health, and for health and social care."""
    health = sorted(pod for pod, setting in setting_of.items() if setting != "social_care")
    scopes = {"Health": health, "Health and social care": sorted(setting_of)}
    scopes = {name: pods for name, pods in scopes.items() if pods and (name == "Health" or len(pods) > len(health))}
    funding: dict[str, Any] = {
        "allocation_growth_pct": demand.allocation_growth_pct,
        "efficiency_pct": demand.efficiency_pct,
    }
    table = do_nothing_gap(path, scopes=scopes, **funding)
    limits = pd.concat([_spread(simulation, unit, pods).assign(scope=name) for name, pods in scopes.items()])
    table = table.merge(limits[["scope", "year", "lower_80", "upper_80"]], on=["scope", "year"])
    # Doing nothing saves nothing, so the gap is before efficiency; funding is certain, so the limits just move.
    for name in ("lower_80", "upper_80"):
        table[f"gap_{name}"] = table.pop(name) - table["allocation_gbp"]
    table["gap_gbp"] = table["cost_gbp"] - table["allocation_gbp"]
    columns = ["scope", "year", "cost_gbp", "allocation_gbp", "gap_gbp", "gap_lower_80", "gap_upper_80"]
    return table[[*columns, "efficiency_gbp"]]


def _tornado(
    inputs: DemandInputs,
    rates: pd.DataFrame,
    growth: Growth,
    unit: dict[str, float],
    years: dict[str, Any],
    variant: str,
) -> pd.DataFrame:
    """Return each assumption at its p10 and p90, and the population's variants from lowest to highest cost."""
    last = years["horizon"]
    held = inputs.people.groupby("variant")["year"].agg(["min", "max"])
    whole = held.index[(held["min"] <= inputs.base_year) & (held["max"] >= last)]
    models = {name: DemandModel(inputs.people, rates, variant=name, **years) for name in whole}
    means = {name: np.array([a.mean]) for name, a in growth.assumptions().items()}
    costs = {pod: unit.get(pod, 0.0) for pod in models[variant].pods}  # what has no cost is said in the settings
    each = np.array(list(costs.values()))
    price = float(models[variant].factors(growth, means)["price"][-1, 0])
    by_variant = {name: float(each @ m.activity(growth, means)[0, :, -1, 0]) * price for name, m in models.items()}
    central = by_variant[variant]
    words = inputs.pods.set_index("pod")["service"]
    rows = []
    for row in tornado(models[variant], growth, year=last, unit_cost_gbp=costs).to_dict("records"):
        kind, _, pod = str(row["assumption"]).partition(".")
        name, measure = _ASSUMPTIONS[kind]
        low, high = growth.assumptions()[str(row["assumption"])].ppf([0.1, 0.9])
        name += f": {words.get(pod, 'all other services')}" if pod else ""
        said = f"{low:.2f} to {high:.2f} {measure}".replace("-", "−")
        rows.append((name, said, row["low"] - central, row["high"] - central))
    if len(by_variant) > 1:
        least, most = (pick(by_variant, key=lambda name: by_variant[name]) for pick in (min, max))
        said = f"{least} to {most}".replace("_", " ")
        rows.append(("Population variant", said, by_variant[least] - central, by_variant[most] - central))
    table = pd.DataFrame(rows, columns=["assumption", "assumed", "at_low_gbp", "at_high_gbp"])
    table["swing_gbp"] = (table["at_high_gbp"] - table["at_low_gbp"]).abs()
    return table.sort_values("swing_gbp", ascending=False, ignore_index=True)


def _pyramid(people: pd.DataFrame, base: int, last: int) -> pd.DataFrame:
    first = people["age"] // 5 * 5
    names = first.map(lambda age: f"{age}+" if age == first.max() else f"{age} to {age + 4}").rename("band")
    sums = people.groupby([first.rename("from_age"), names, "sex", "year"])["persons"].sum().unstack()  # noqa: PD010
    table = sums[[base, last]].set_axis(["base_persons", "last_persons"], axis=1).reset_index()
    return table.drop(columns="from_age")


def _services(inputs: DemandInputs, projected: pd.DataFrame, simulation: DemandSimulation, last: int) -> pd.DataFrame:
    """Return each POD's growth to the last year: by the population alone, and in all with its 80 % interval."""
    at_last = projected[projected["year"] == last].set_index("pod")
    base = at_last["base_activity"]
    drawn = simulation.intervals(("pod", "year"))
    drawn = drawn[drawn["year"] == last].set_index("pod")
    growth = pd.DataFrame({"ageing_pct": 100 * at_last["demographic_activity"] / base})
    growth["growth_pct"] = 100 * (at_last["activity"] / base - 1)
    growth["growth_lower_80"] = 100 * (drawn["p10"] / base - 1)
    growth["growth_upper_80"] = 100 * (drawn["p90"] / base - 1)
    columns = [c for c in ("pod", "service", "setting", "contacts", "persons", "reason") if c in inputs.pods]
    table = inputs.pods[columns].merge(growth, left_on="pod", right_index=True, how="left").drop(columns="pod")
    return table[[*(c for c in table if c != "reason"), "reason"]]


def _settings(inputs: DemandInputs, growth: Growth) -> pd.DataFrame:
    kept = inputs.pods[inputs.pods["reason"] == ""]
    named = {*growth.non_demographic_pct} | ({*kept["pod"]} if "*" in growth.non_demographic_pct else set())
    table = kept.groupby("setting")[["contacts", "cost_gbp", "uncosted"]].sum().reset_index()
    table["uncosted_pct"] = 100 * table.pop("uncosted") / table["contacts"]
    share = kept["pod"].isin(named).groupby(kept["setting"]).mean()
    said = np.select(
        [share == 0, share < 1], ["population only", "population; use, of some services"], "population, use"
    )
    table["growth"] = table["setting"].map(dict(zip(share.index, said, strict=True)))
    table = table.merge(inputs.coverage, on="setting", how="left")
    order = table["setting"].map(SETTINGS.index)
    columns = ["setting", "contacts", "cost_gbp", "uncosted_pct", "coverage_pct", "growth", "reason"]
    return table.assign(order=order).sort_values("order")[columns].reset_index(drop=True)
