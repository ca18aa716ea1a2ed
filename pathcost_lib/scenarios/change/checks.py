"""Ready calculations behind what is often claimed: each small, each from the figures in a scenario file.

A `[[check]]` table of a scenario names one of `CHECKS` by its `kind` and gives its arguments; `run_checks` works them
out. Results are rows of measure, value, unit and reading (what it means, in words).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from pathcost_lib.arguments import number, number_list, share
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.scenarios.change.appraisal import payback
from pathcost_lib.scenarios.change.release import flexible_budget
from pathcost_lib.scenarios.change.system import SystemImpact, build_model
from pathcost_lib.scenarios.scenario import Scenario
from pathcost_lib.sources.engine import Relation

__all__ = [
    "CHECKS",
    "displacement",
    "freed_time",
    "growth_case",
    "merger_ceiling",
    "outpatient_checks",
    "realised",
    "run_checks",
    "shared_service",
    "utilisation",
    "withdrawal",
]

Rows = list[tuple[str, float, str, str]]

#: Arguments that must be more than zero: something is divided by them.
_ABOVE_ZERO = {"activity", "capacity", "turnover_gbp", "out_of_area_per_bed_day_gbp", "planned_low_gbp"}

CHECKS: dict[str, Callable[..., Rows]] = {}


def _ready(calculation: Callable[..., Rows]) -> Callable[..., Rows]:
    """Make a function a ready calculation: every argument is checked by its name, which ends in its unit."""

    @functools.wraps(calculation)
    def checked(**arguments: Any) -> Rows:
        for name, value in arguments.items():
            if name.endswith("_share"):
                share(value, name)
            elif name == "utilisation_pct":
                number_list(value, name, least=1.0, most=100.0)
            elif name == "scale_elasticity":
                number(value, name, least=-1.0, most=0.0)
            elif name in ("members", "organisations"):
                number(value, name, least=1, whole=True)
            elif name.endswith("_pct"):
                number(value, f"{name} (per cent)", least=0.0, most=100.0)
            else:
                number(value, name, least=0.0, above=0.0 if name in _ABOVE_ZERO else -np.inf)
        return calculation(**arguments)

    CHECKS[calculation.__name__] = checked
    return checked


@_ready
def displacement(
    *,
    bed_days_closed: float,
    released_per_bed_day_gbp: float,
    displaced_share: float,
    out_of_area_per_bed_day_gbp: float,
) -> Rows:
    """Beds closed locally, part of the demand placed out of area at a higher price (FIGURES: QIPP and placements)."""
    saved = bed_days_closed * released_per_bed_day_gbp
    spent = bed_days_closed * displaced_share * out_of_area_per_bed_day_gbp
    rate = 100 * released_per_bed_day_gbp / out_of_area_per_bed_day_gbp
    reading = "the closure costs more than it saves" if spent > saved else "the closure still saves"
    return [
        ("cost released by closing beds", saved, "GBP a year", "at what a closed bed day really releases"),
        ("cost of placements out of area", spent, "GBP a year", ""),
        ("net saving", saved - spent, "GBP a year", reading),
        ("break-even displacement", rate, "%", "displace more of the closed bed days than this and money is lost"),
    ]


@_ready
def merger_ceiling(
    *, turnover_gbp: float, back_office_pct: float, saving_pct: float, exit_cost_gbp: float, double_running_gbp: float
) -> Rows:
    """What a merger can save at most: all of the back office, and what a stated part of it would pay back."""
    ceiling = turnover_gbp * back_office_pct / 100
    saving = ceiling * saving_pct / 100
    years = payback([-exit_cost_gbp - double_running_gbp, *[saving] * 50])
    return [
        ("ceiling: the whole back office", ceiling, "GBP a year", f"{back_office_pct:g} % of turnover"),
        ("saving planned", saving, "GBP a year", f"{saving_pct:g} % of the back office"),
        ("saving planned, of turnover", 100 * saving / turnover_gbp, "%", ""),
        ("payback", float(years) if isinstance(years, float) else np.nan, "years", "" if years else str(years)),
    ]


@_ready
def utilisation(*, capacity: float, fixed_gbp: float, variable_unit_gbp: float, utilisation_pct: list[float]) -> Rows:
    """Unit cost at each use of capacity, and the cost of what is not used (as in Kaplan and Anderson 2004)."""
    level = capacity * np.asarray(utilisation_pct, float) / 100
    table = flexible_budget(
        level, base_activity=capacity, fixed_gbp=fixed_gbp, semi_fixed_gbp=0.0,
        variable_gbp=variable_unit_gbp * capacity, step=capacity,
    )  # fmt: skip
    rows: Rows = []
    for used, unit in zip(utilisation_pct, table["average_gbp"], strict=True):
        rows.append((f"unit cost at {used:g} % of capacity", float(unit), "GBP", ""))
        unused = fixed_gbp * (1 - used / 100)
        rows.append((f"cost of capacity not used at {used:g} %", unused, "GBP a year", ""))
    return rows


@_ready
def withdrawal(
    *, income_gbp: float, variable_gbp: float, semi_fixed_gbp: float, fixed_gbp: float, fixed_avoidable_gbp: float = 0.0
) -> Rows:
    """Should an organisation leave a contract that loses money at full cost? Compare income with avoidable cost."""
    full = income_gbp - variable_gbp - semi_fixed_gbp - fixed_gbp
    contribution = income_gbp - variable_gbp - semi_fixed_gbp - fixed_avoidable_gbp
    better = "leaving makes the organisation worse off" if contribution > 0 else "leaving makes it better off"
    return [
        ("surplus at full cost", full, "GBP a year", "what the service line shows"),
        ("contribution", contribution, "GBP a year", f"income less what leaving would avoid: {better}"),
        ("change if it leaves", -contribution, "GBP a year", ""),
        (
            "fixed cost for others to bear",
            fixed_gbp - fixed_avoidable_gbp,
            "GBP a year",
            "stays when the contract goes",
        ),
    ]


@_ready
def shared_service(
    *,
    members: int,
    cost_each_gbp: float,
    scale_elasticity: float,
    exit_cost_each_gbp: float,
    double_running_months: float,
) -> Rows:
    """Unit cost of a shared service falls as size ** elasticity (below nil); leaving costs something.

    The power law of scale is Moore's (1959) "six-tenths rule" in its general form.
    """
    after = cost_each_gbp * members**scale_elasticity
    saving = members * (cost_each_gbp - after)
    outlay = members * (exit_cost_each_gbp + cost_each_gbp * double_running_months / 12)
    years = payback([-outlay, *[saving] * 50])
    return [
        ("cost for each member, alone", cost_each_gbp, "GBP a year", ""),
        (f"cost for each of {members} members, shared", after, "GBP a year", ""),
        ("saving of all members", saving, "GBP a year", ""),
        ("exit cost and double running", outlay, "GBP once", ""),
        ("payback", float(years) if isinstance(years, float) else np.nan, "years", "" if years else str(years)),
    ]


@_ready
def freed_time(*, contacts: float, cancelled_share: float, minutes_each: float, replacement_minutes: float) -> Rows:
    """Clinician time that a replaced contact frees: capacity, which is cash only if posts or sessions go."""
    freed = contacts * cancelled_share * minutes_each - contacts * replacement_minutes
    return [
        ("contacts cancelled", contacts * cancelled_share, "a year", ""),
        ("clinician time freed", freed / 60, "hours a year", "net of the time that the review takes"),
        (
            "sessions of four hours freed",
            freed / 240,
            "a year",
            "capacity for other patients, or cash where sessions are given up: not both",
        ),
    ]


@_ready
def growth_case(
    *, activity: float, fixed_gbp: float, variable_unit_gbp: float, growth_pct: float, organisations: int
) -> Rows:
    """Growing out of a deficit: the average falls, the total rises; where demand is given, not everyone can."""
    more = activity * (1 + growth_pct / 100)
    before, after = fixed_gbp / activity + variable_unit_gbp, fixed_gbp / more + variable_unit_gbp
    extra = (more - activity) * variable_unit_gbp
    return [
        ("average cost before", before, "GBP", ""),
        ("average cost after", after, "GBP", "falls: fixed cost is spread over more"),
        ("cost added, one organisation", extra, "GBP a year", "the total rises"),
        ("cost added to the system if all grow", organisations * extra, "GBP a year", "nobody's loss pays for it"),
        (
            "saving to the system if growth is taken from others",
            0.0,
            "GBP a year",
            "one's gain is another's stranded cost",
        ),
    ]


@_ready
def realised(*, planned_low_gbp: float, planned_high_gbp: float, delivered_gbp: float) -> Rows:
    """Return what part of a planned saving came, at the ends of the plan and at its middle.

    The middle is what `realisation` of a scenario with interventions would be set to (FIGURES: pathology, £250m to
    £500m planned in 2008, £200m by 2016).
    """
    if planned_high_gbp < planned_low_gbp:
        raise InputError("planned_high_gbp is below planned_low_gbp.")
    middle = (planned_low_gbp + planned_high_gbp) / 2
    return [
        ("delivered, of the lowest plan", 100 * delivered_gbp / planned_low_gbp, "%", ""),
        ("delivered, of the middle", 100 * delivered_gbp / middle, "%", "the realisation to plan the next one with"),
        ("delivered, of the highest plan", 100 * delivered_gbp / planned_high_gbp, "%", ""),
        ("planned and not delivered", middle - delivered_gbp, "GBP a year", "against the middle of the plan"),
    ]


def run_checks(scenario: Scenario) -> pd.DataFrame:
    """Work out the `[[check]]` tables of a scenario.

    Returns
    -------
    DataFrame
        scenario, identity, check, measure, value, unit, reading.

    Raises
    ------
    InputError
        If a kind or an argument is not known, missing or out of range (a share of 60 for 0.6); the message names the
        check.
    """
    if not isinstance(scenario, Scenario):
        raise InputError(f"scenario must come from load_scenario; this is a {type(scenario).__name__}.")
    rows: list[tuple[Any, ...]] = []
    for place, table in enumerate(scenario.checks, start=1):
        kind = table["kind"]
        try:
            results = CHECKS[kind](**{key: value for key, value in table.items() if key != "kind"})
        except InputError as error:
            raise InputError(f"{scenario.name}, [[check]] {place}, {kind}: {error}") from None
        rows += [(scenario.name, scenario.identity, kind, *row) for row in results]
    return pd.DataFrame(rows, columns=["scenario", "identity", "check", "measure", "value", "unit", "reading"])


def outpatient_checks(
    scenario: Scenario,
    impact: SystemImpact,
    ledger: Relation | pd.DataFrame | None = None,
    *,
    year: str | None = None,
) -> pd.DataFrame:
    """Put the three questions that outpatient savings fail (Edwards, BMJ 2018;361:k1826) to any scenario.

    Parameters
    ----------
    scenario : Scenario
        What is claimed.
    impact : SystemImpact
        The same scenario, worked out.
    ledger, year
        As given to `system_impact`, if they were.

    Returns
    -------
    DataFrame
        intervention, check, measure, value, unit, note, for the last year: 1 fixed cost left (the claim at full cost,
        and what of it is cash); 2 overheads reallocated (what each contact left has to carry); 3 a blanket percentage
        (variable cost released if the average contact goes, and if the cheapest go first).

    Raises
    ------
    InputError
        As `system_impact`, or if the impact is not of this scenario.
    """
    if not isinstance(impact, SystemImpact):
        raise InputError(f"impact must come from system_impact; this is a {type(impact).__name__}.")
    years = [int(y[:4]) for y in impact.financial_years]
    model = build_model(scenario, ledger, year=year, years=years)
    for item in model.interventions:
        require_one_of(item.name, impact.interventions, what="The impact is of another scenario: intervention")
    last = impact.released[impact.released["financial_year"] == impact.financial_years[-1]]
    rows = []
    for place, item in enumerate(model.interventions):
        mine = last[last["intervention"] == item.name]
        full = float(mine["full_cost_gbp"].sum())
        stays = float((mine["stranded_fixed_gbp"] + mine["stranded_semi_fixed_gbp"]).sum())
        share = item.effect.mean * float(model.levels[place, -1])
        cells = model.cells[(model.cells["selected_by"].str[place] == "1") & (model.cells["activity"] > 0)]
        unit = (cells["variable_gbp"] / cells["activity"]).to_numpy(float)
        quota = share * cells["activity"].sum()
        order = np.argsort(unit)
        activity = cells["activity"].to_numpy(float)[order]
        taken = np.clip(quota - (np.cumsum(activity) - activity), 0.0, activity)
        left = cells["activity"].sum() - quota
        carried, note = (stays / left, "") if left > 0 else (np.nan, "no contact is left")
        name, average = item.name, float(share * cells["variable_gbp"].sum())
        cheapest = float(taken @ unit[order])
        rows += [
            (name, "fixed cost left", "claimed at full cost", full, "GBP a year", ""),
            (name, "fixed cost left", "released as cash", full - stays, "GBP a year", ""),
            (name, "overheads reallocated", "each contact left carries", carried, "GBP a contact", note),
            (name, "blanket percentage", "variable cost, average contacts go", average, "GBP a year", ""),
            (name, "blanket percentage", "variable cost, cheapest go first", cheapest, "GBP a year", ""),
        ]
    return pd.DataFrame(rows, columns=["intervention", "check", "measure", "value", "unit", "note"])
