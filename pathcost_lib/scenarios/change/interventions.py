"""Interventions as data: what activity changes, by how much, when, at what cost, and how good the evidence is.

Two interventions that act on the same activity compound: 20 % and then 30 % of what is left is 44 %, not 50 %. What
they avoid together is shared between them in proportion to what each would avoid alone, so their order is immaterial
and no pound is counted twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import numpy as np
from numpy.typing import NDArray

from pathcost_lib.errors import InputError
from pathcost_lib.scenarios.draws import Distribution

__all__ = [
    "CHANGES",
    "EVIDENCE",
    "Destination",
    "Families",
    "Intervention",
    "compound",
    "dependence_order",
    "levels",
    "schedule",
]

CHANGES = ("avoid", "move", "shorten_stay")
#: "decided": the effect is the decision itself (a contract is cut by a tenth), so that no interval belongs to it.
EVIDENCE = ("strong", "moderate", "weak", "assumed", "decided")

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
        Units there for each unit moved; where it is uncertain, its mean.
    units : Distribution, optional
        How sure `units_per_unit` is; certain if left out.
    """

    provider_code: str | None
    setting: str
    pod: str
    unit_cost_gbp: float
    price_gbp: float
    units_per_unit: float
    units: Distribution | None = None

    @property
    def uncertain(self) -> Distribution | None:
        """The units for each unit moved, where they are uncertain and any."""
        return self.units if self.units and self.units.kind != "fixed" and self.units_per_unit > 0 else None


@dataclass(frozen=True)
class Families:
    """What patients, carers and families save for each unit of activity that goes; negative where they give more.

    Attributes
    ----------
    hours : float
        Hours of their time.
    hour_gbp : float
        What an hour of it is worth, GBP.
    travel_gbp : float
        Travel and parking, GBP.
    """

    hours: float
    hour_gbp: float
    travel_gbp: float


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
    families: Families | None = None


def dependence_order(interventions: Sequence[Intervention]) -> list[str]:
    """Return names so that each comes after those that it depends on; refuse a cycle."""
    graph = {i.name: i.depends_on for i in interventions}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise InputError(f"the interventions go round in a circle: {' -> '.join(error.args[1])}.") from None


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
    shares: dict[str, FloatArray] = {}
    for name in dependence_order(interventions):
        own = schedule(by_name[name], years)
        shares[name] = np.minimum.reduce([own, *(shares[other] for other in by_name[name].depends_on)])
    return np.array([shares[i.name] for i in interventions]).reshape(len(interventions), len(years))


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
