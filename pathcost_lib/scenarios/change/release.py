"""What is really released when activity goes: variable cost at once, semi-fixed in steps, fixed at a stated exit only.

Cost behaviour by step and the flexible budget: HFMA, *NHS costing*, and any management accounting text (Drury,
*Management and Cost Accounting*, chapters 2 and 17). A cost that stays when its activity and its payment have gone is
stranded; it decays as capacity is re-used or run down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from pathcost_lib.arguments import mapping_of_numbers, number, number_list, per_cent
from pathcost_lib.codes import SCHEME_PODS
from pathcost_lib.errors import InputError
from pathcost_lib.results import Result

__all__ = ["Release", "StrandedCost", "fixed_released", "flexible_budget", "semi_fixed_released", "stranded_cost"]

FloatArray = NDArray[np.float64]
_ROUNDING = 1e-9
#: Stranded cost is followed for at most a thousand years, as discounting is.
_MOST_YEARS = 1000


@dataclass(frozen=True)
class Release:
    """How semi-fixed cost steps.

    Attributes
    ----------
    semi_fixed_step_pct : float
        One step (a clinic, a bay, a team), % of a provider's baseline activity in a POD; where no capacity is given.
    capacity : mapping of POD to float
        What one step can do in a year, in the POD's units; more than 0.

    Raises
    ------
    InputError
        If a step is not more than 0 and at most 100 % (or is a share, 0.05 for 5 %), or a POD is not known.
    """

    semi_fixed_step_pct: float = 5.0
    capacity: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not per_cent(self.semi_fixed_step_pct, "semi_fixed_step_pct"):
            raise InputError("semi_fixed_step_pct is 0. A step must be more than 0 %.")
        for pod, units in mapping_of_numbers(self.capacity, "capacity", keys=SCHEME_PODS, least=0.0).items():
            number(units, f"capacity, {pod} (units a year)", above=0)

    def base_steps(self, pod: str, activity: float) -> float:
        """Return how many steps the baseline activity fills (20.0 for a step of 5 %)."""
        return activity / self.capacity[pod] if pod in self.capacity else 100 / self.semi_fixed_step_pct


def semi_fixed_released(gone: ArrayLike, base_gbp: ArrayLike, base_steps: ArrayLike) -> FloatArray:
    """Return the semi-fixed cost released when a share of activity has gone.

    Parameters
    ----------
    gone : array
        Share of baseline activity that has gone, 0 to 1 (negative: growth, which adds steps).
    base_gbp : array
        Semi-fixed cost at baseline, GBP; it pays for `ceil(base_steps)` whole steps.
    base_steps : array
        Steps' worth of activity at baseline; all three broadcast.

    Notes
    -----
    No more is released than the cost of the activity that went: a step that was all but empty at baseline could have
    been released without the intervention.
    """
    share, cost, filled = (np.asarray(a, dtype=float) for a in (gone, base_gbp, base_steps))
    whole = np.ceil(filled - _ROUNDING)
    needed = np.ceil(filled * (1 - share) - _ROUNDING)
    per_step = np.divide(cost, whole, out=np.zeros(np.broadcast(cost, whole).shape), where=whole > 0)
    steps = (whole - needed) * per_step
    return np.where(share > 0, np.minimum(steps, share * cost), steps)


def _remaining(years: int, over: int | None, exit_after: int | None) -> FloatArray:
    """Return the share of fixed cost still there 0, 1, 2 ... years after its activity went."""
    age = np.arange(years)
    left = np.ones(years) if over is None else np.maximum(1 - age / over, 0.0)
    return left if exit_after is None else np.where(age >= exit_after, 0.0, left)


def fixed_released(gone: FloatArray, *, over: int | None = None, exit_at: int | None = None) -> FloatArray:
    """Return the share of fixed cost released year by year.

    Parameters
    ----------
    gone : array of shape (..., years, draws)
        Share of activity gone.
    over : int, optional
        Years over which stranded cost is worked off evenly, counted from when each part of it was stranded; never if
        not given.
    exit_at : int, optional
        Position of the year from which the fixed cost of what has gone is released altogether (a site closes).
    """
    years = gone.shape[-2]
    if over is None:
        released = np.zeros_like(gone)
    else:
        added = np.diff(gone, axis=-2, prepend=0.0)
        left = _remaining(years, over, None)
        lag = np.subtract.outer(np.arange(years), np.arange(years))
        weights = np.where(lag >= 0, left[np.abs(lag)], 0.0)
        stranded = np.einsum("ts,...sd->...td", weights, added)
        # Activity that returns is served by what was left stranded first.
        released = gone - np.clip(stranded, 0.0, gone)
    if exit_at is not None:
        released[..., exit_at:, :] = gone[..., exit_at:, :]
    return released


@dataclass(frozen=True, eq=False)
class StrandedCost(Result):
    """Stranded cost by year: `.table` has year, stranded_gbp, released_gbp."""

    @property
    def total_gbp(self) -> float:
        """Sum of what must be covered."""
        return float(self.table["stranded_gbp"].sum())

    @property
    def summary(self) -> str:
        """One sentence."""
        first = self.table["stranded_gbp"].iloc[0]
        return f"£{first:,.0f} is left behind in the first year, £{self.total_gbp:,.0f} over {len(self.table)} years."


def stranded_cost(
    avoided_gbp: float, released_gbp: float, *, years: int, over: int | None = None, exit_after: int | None = None
) -> StrandedCost:
    """Return the cost left behind in each year after activity goes for good in year 0.

    Parameters
    ----------
    avoided_gbp : float
        Full cost of the activity that goes (what a price at average cost would cut).
    released_gbp : float
        What of it is released at once.
    years : int
        Number of years to show.
    over : int, optional
        Years over which it is worked off evenly.
    exit_after : int, optional
        Years after which it is released altogether.

    Raises
    ------
    InputError
        If an amount is missing or negative, more is released than goes, or a number of years is not whole.
    """
    avoided, released = number(avoided_gbp, "avoided_gbp", least=0), number(released_gbp, "released_gbp", least=0)
    if released > avoided:
        raise InputError("What is released at once must be from zero to the full cost of the activity that goes.")
    count = int(number(years, "years", least=1, most=_MOST_YEARS, whole=True))
    if over is not None:
        over = int(number(over, "over (years)", least=1, most=_MOST_YEARS, whole=True))
    if exit_after is not None:
        exit_after = int(number(exit_after, "exit_after (years)", least=0, most=_MOST_YEARS, whole=True))
    left = (avoided - released) * _remaining(count, over, exit_after)
    return StrandedCost(pd.DataFrame({"year": np.arange(count), "stranded_gbp": left, "released_gbp": avoided - left}))


def flexible_budget(
    activity: ArrayLike,
    *,
    base_activity: float,
    fixed_gbp: float,
    semi_fixed_gbp: float,
    variable_gbp: float,
    step: float,
) -> pd.DataFrame:
    """Return total, average and marginal cost at each level of activity (growth: the average falls, the total rises).

    Parameters
    ----------
    activity : array
        Levels of activity, not negative.
    base_activity, fixed_gbp, semi_fixed_gbp, variable_gbp : float
        The baseline year: activity of more than 0, costs that are not negative.
    step : float
        Activity that one step of semi-fixed cost can do, more than 0.

    Returns
    -------
    DataFrame
        activity, fixed_gbp, semi_fixed_gbp, variable_gbp, total_gbp, average_gbp, unused_capacity_pct (of steps held),
        note: why a level has no average.

    Raises
    ------
    InputError
        If a number is missing or out of range.
    """
    level = number_list(activity, "activity", least=0)
    base, size = number(base_activity, "base_activity", above=0), number(step, "step (units of activity)", above=0)
    fixed, semi_fixed, variable = (
        number(value, name, least=0)
        for name, value in (
            ("fixed_gbp", fixed_gbp), ("semi_fixed_gbp", semi_fixed_gbp), ("variable_gbp", variable_gbp)
        )
    )  # fmt: skip
    steps = np.ceil(level / size - _ROUNDING)
    table = pd.DataFrame({"activity": level, "fixed_gbp": fixed})
    table["semi_fixed_gbp"] = steps * semi_fixed / np.ceil(base / size - _ROUNDING)
    table["variable_gbp"] = variable * level / base
    table["total_gbp"] = table["fixed_gbp"] + table["semi_fixed_gbp"] + table["variable_gbp"]
    some = level > 0
    table["average_gbp"] = np.divide(table["total_gbp"], level, out=np.full(len(level), np.nan), where=some)
    used = np.divide(level, steps * size, out=np.full(len(level), np.nan), where=steps > 0)
    table["unused_capacity_pct"] = 100 * (1 - used)
    table["note"] = np.where(some, "", "no activity, so no average")
    return table
