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

from pathcost_lib.errors import InputError
from pathcost_lib.results import Result

__all__ = ["Release", "StrandedCost", "fixed_released", "flexible_budget", "semi_fixed_released", "stranded_cost"]

FloatArray = NDArray[np.float64]
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Release:
    """How semi-fixed cost steps.

    Attributes
    ----------
    semi_fixed_step_pct : float
        One step (a clinic, a bay, a team), % of a provider's baseline activity in a POD; where no capacity is given.
    capacity : mapping of POD to float
        What one step can do in a year, in the POD's units.
    """

    semi_fixed_step_pct: float = 5.0
    capacity: Mapping[str, float] = field(default_factory=dict)

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
    held = np.ceil(filled - _ROUNDING)
    needed = np.ceil(filled * (1 - share) - _ROUNDING)
    per_step = np.divide(cost, held, out=np.zeros(np.broadcast(cost, held).shape), where=held > 0)
    steps = (held - needed) * per_step
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
    """
    if not 0 <= released_gbp <= avoided_gbp:
        raise InputError("What is released at once must be from nil to the full cost of the activity that goes.")
    left = (avoided_gbp - released_gbp) * _remaining(years, over, exit_after)
    return StrandedCost(
        pd.DataFrame({"year": np.arange(years), "stranded_gbp": left, "released_gbp": avoided_gbp - left})
    )


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
        Levels of activity.
    base_activity, fixed_gbp, semi_fixed_gbp, variable_gbp : float
        The baseline year.
    step : float
        Activity that one step of semi-fixed cost can do.

    Returns
    -------
    DataFrame
        activity, fixed_gbp, semi_fixed_gbp, variable_gbp, total_gbp, average_gbp, unused_capacity_pct (of steps held).
    """
    level = np.asarray(activity, dtype=float)
    steps = np.ceil(level / step - _ROUNDING)
    table = pd.DataFrame({"activity": level, "fixed_gbp": fixed_gbp})
    table["semi_fixed_gbp"] = steps * semi_fixed_gbp / np.ceil(base_activity / step - _ROUNDING)
    table["variable_gbp"] = variable_gbp * level / base_activity
    table["total_gbp"] = table["fixed_gbp"] + table["semi_fixed_gbp"] + table["variable_gbp"]
    table["average_gbp"] = table["total_gbp"] / table["activity"]
    table["unused_capacity_pct"] = 100 * (1 - level / (steps * step))
    return table
