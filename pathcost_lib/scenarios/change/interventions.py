"""Interventions as data: what activity changes, by how much, when, at what cost, and how good the evidence is.

Two interventions that act on the same activity compound: 20 % and then 30 % of what is left is 44 %, not 50 %. What
they avoid together is shared between them in proportion to what each would avoid alone, so their order is immaterial
and no pound is counted twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathcost_lib.codes import PODS, SETTINGS
from pathcost_lib.scenarios.draws import Distribution, parse_distribution
from pathcost_lib.scenarios.schema import Field, Where, check_table, start_year

__all__ = [
    "CHANGES",
    "EVIDENCE",
    "Destination",
    "Intervention",
    "compound",
    "levels",
    "parse_interventions",
    "schedule",
]

CHANGES = ("avoid", "move", "shorten_stay")
EVIDENCE = ("strong", "moderate", "weak", "assumed")
SELECT_COLUMNS = (
    "setting",
    "pod",
    "currency_code",
    "provider_code",
    "icb_code",
    "primary_diagnosis",
    "primary_procedure",
    "cost_basis",
)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Destination:
    """Where moved activity goes, and what it costs there.

    Attributes
    ----------
    provider_code : str or None
        None: it stays with its provider (a follow-up replaced by a telephone call).
    setting, pod : str
        What it becomes.
    unit_cost_gbp : float
        What one unit really adds to cost there (marginal, after any step), GBP.
    price_gbp : float
        What is paid for one unit there under an activity rule, GBP.
    units_per_unit : float
        Units there for each unit moved.
    """

    provider_code: str | None
    setting: str
    pod: str
    unit_cost_gbp: float
    price_gbp: float
    units_per_unit: float


@dataclass(frozen=True)
class Intervention:
    """One intervention; money in GBP at the scenario's price base, years are financial years by their first year."""

    name: str
    title: str
    source: str
    evidence: str
    change: str
    select: Mapping[str, tuple[str, ...]]
    effect: Distribution
    start: int
    end: int | None = None
    ramp: tuple[float, ...] = (1.0,)
    decay_pct: float = 0.0
    depends_on: tuple[str, ...] = ()
    to: Destination | None = None
    stay_share: float = 1.0
    owner: str | None = None
    beneficiary: str | None = None
    payer: str = "commissioner"
    set_up_gbp: float = 0.0
    running_gbp: float = 0.0
    double_running_gbp: float = 0.0
    double_running_years: int = 0
    exit_cost_gbp: float = 0.0
    stranded_years: int | None = None
    exit_year: int | None = None


_INTERVENTION = {
    "name": Field(required=True),
    "title": Field(required=True),
    "source": Field(required=True),
    "evidence": Field(required=True, allowed=EVIDENCE),
    "change": Field(required=True, allowed=CHANGES),
    "effect": Field("any", required=True),
    "start": Field("year", required=True),
    "end": Field("year"),
    "ramp": Field("list", default=[1.0]),
    "decay_pct": Field("number", default=0.0, low=0, high=100),
    "depends_on": Field("list", default=[]),
    "owner": Field(),
    "beneficiary": Field(),
    "payer": Field(default="commissioner"),
    "set_up_gbp": Field("number", default=0.0, low=0),
    "running_gbp": Field("number", default=0.0),
    "double_running_gbp": Field("number", default=0.0, low=0),
    "double_running_years": Field("integer", default=0, low=0),
    "exit_cost_gbp": Field("number", default=0.0, low=0),
    "stranded_years": Field("integer", low=1),
    "exit_year": Field("year"),
    "stay_share": Field("number", default=1.0, low=0, high=1),
    "select": Field("table", default={}),
    "to": Field("table"),
}

_DESTINATION = {
    "provider_code": Field(),
    "setting": Field(required=True, allowed=SETTINGS),
    "pod": Field(required=True, allowed=PODS),
    "unit_cost_gbp": Field("number", required=True, low=0),
    "price_gbp": Field("number", low=0),
    "units_per_unit": Field("number", default=1.0, low=0),
}


def parse_interventions(tables: Sequence[Mapping[str, Any]], file: str) -> tuple[Intervention, ...]:
    """Check and read the `[[intervention]]` tables of a scenario file.

    Raises
    ------
    InputError
        If anything is unknown, out of range or contradictory; the message names file, key and allowed values.
    """
    found = tuple(_parse(table, file) for table in tables)
    where = Where(file)
    names = [i.name for i in found]
    if len(set(names)) < len(names):
        raise where.fail("name", f"intervention names must differ; they are {', '.join(names)}.")
    for intervention in found:
        for other in intervention.depends_on:
            if other not in names:
                place = where.inside(f"[[intervention]] {intervention.name}")
                raise place.fail("depends_on", f"{other!r} is not an intervention. Allowed: {', '.join(names)}.")
    dependence_order(found, file)
    return found


def dependence_order(interventions: Sequence[Intervention], file: str = "interventions") -> list[str]:
    """Return names so that each comes after those that it depends on; refuse a cycle."""
    graph = {i.name: i.depends_on for i in interventions}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise Where(file).fail("depends_on", f"goes round in a circle: {' -> '.join(error.args[1])}.") from None


def _parse(table: Mapping[str, Any], file: str) -> Intervention:
    where = Where(file, f"[[intervention]] {table.get('name', '?')}")
    values = check_table(table, _INTERVENTION, where)
    effect = parse_distribution(values["effect"], where=where.key("effect"))
    ends = effect.ppf([0.1, 0.9]) if effect.kind == "interval" else np.array(effect.parameters)
    if ends.min() < 0 or ends.max() > 1:
        raise where.fail(
            "effect", f"is a share of the activity selected; it must be from 0 to 1, not {values['effect']}."
        )
    ramp = values["ramp"]
    if not ramp or not all(isinstance(r, int | float) and 0 <= r <= 1 for r in ramp):
        raise where.fail("ramp", f"is {ramp}; it must list shares from 0 to 1, one a year.")
    if sorted(ramp) != ramp:
        raise where.fail("ramp", f"is {ramp}; a ramp must not fall (an effect that wears off is decay_pct).")
    for key in ("end", "exit_year"):
        if values[key] and start_year(values[key]) < start_year(values["start"]):
            raise where.fail(key, f"{values[key]} is before the start, {values['start']}.")
    if (values["change"] == "move") != (values["to"] is not None):
        raise where.fail("to", 'a table of where activity goes is required for change = "move", and only then.')
    if values["exit_cost_gbp"] and not (values["exit_year"] or values["end"]):
        raise where.fail("exit_cost_gbp", "falls in the exit year or the end; give exit_year or end.")
    if bool(values["double_running_gbp"]) != bool(values["double_running_years"]):
        raise where.fail("double_running_gbp", "goes with double_running_years; give both or neither.")
    if values["stay_share"] != 1.0 and values["change"] != "shorten_stay":
        raise where.fail("stay_share", 'is the share of cost that follows bed days: only for change = "shorten_stay".')
    return Intervention(
        **{key: values[key] for key in _INTERVENTION if key not in ("effect", "ramp", "select", "to")}
        | {"effect": effect, "ramp": tuple(float(r) for r in ramp), "depends_on": tuple(values["depends_on"])}
        | {key: start_year(values[key]) if values[key] else None for key in ("start", "end", "exit_year")}
        | {"select": _select(values["select"], where), "to": _destination(values["to"], where)}
    )


def _select(table: Mapping[str, Any], where: Where) -> dict[str, tuple[str, ...]]:
    columns = [*SELECT_COLUMNS, *(f"{c}_prefix" for c in SELECT_COLUMNS)]
    known = {"setting": SETTINGS, "pod": tuple(PODS)}
    place = where.inside("[intervention.select]")
    values = check_table(table, {c: Field("list", allowed=known.get(c, ())) for c in columns}, place)
    chosen = {key: tuple(items) for key, items in values.items() if items is not None}
    if not chosen:
        raise place.fail("", f"is required: say which activity changes. Allowed: {', '.join(columns)}.")
    for key, items in chosen.items():
        if not items or not all(isinstance(i, str) and re.fullmatch(r"[A-Za-z0-9_.*-]+", i) for i in items):
            raise place.fail(key, f"is {list(items)}; it must list codes (letters, digits, and _ . * -).")
    return chosen


def _destination(table: Mapping[str, Any] | None, where: Where) -> Destination | None:
    if table is None:
        return None
    values = check_table(table, _DESTINATION, where.inside("[intervention.to]"))
    if values["price_gbp"] is None:
        values["price_gbp"] = values["unit_cost_gbp"]
    return Destination(**values)


def schedule(intervention: Intervention, years: Sequence[int]) -> FloatArray:
    """Return how far along an intervention is in each year, 0 to 1: its ramp, then its decay; 0 before and after.

    Dependence is not in it: see `levels`.
    """
    age = np.asarray(years) - intervention.start
    ramp = np.asarray(intervention.ramp)
    at = ramp[np.clip(age, 0, len(ramp) - 1)]
    worn = (1 - intervention.decay_pct / 100) ** np.maximum(age - (len(ramp) - 1), 0)
    live = (age >= 0) & (True if intervention.end is None else np.asarray(years) <= intervention.end)
    return np.where(live, at * worn, 0.0)


def levels(interventions: Sequence[Intervention], years: Sequence[int]) -> FloatArray:
    """Return each `schedule`, none further along than what it depends on; shape (interventions, years)."""
    by_name = {i.name: i for i in interventions}
    found: dict[str, FloatArray] = {}
    for name in dependence_order(interventions):
        own = schedule(by_name[name], years)
        found[name] = np.minimum.reduce([own, *(found[other] for other in by_name[name].depends_on)])
    return np.array([found[i.name] for i in interventions]).reshape(len(interventions), len(years))


def compound(shares: FloatArray) -> FloatArray:
    """Return what each intervention avoids when all act on the same activity.

    Parameters
    ----------
    shares : array of shape (interventions, ...)
        What each would avoid alone, 0 to 1.

    Returns
    -------
    array of the same shape
        Adds over the first axis to 1 - product of (1 - share), never above 1; in proportion to `shares`.
    """
    if len(shares) == 1:
        return shares
    together = 1 - np.prod(1 - shares, axis=0)
    alone = shares.sum(axis=0)
    return shares * np.divide(together, alone, out=np.ones_like(alone), where=alone > 0)
