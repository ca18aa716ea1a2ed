"""Discounted appraisal: what a scheme is worth, when it pays back, and how much of the claim to believe.

Discount rates, optimism bias and their schedules: HM Treasury, *The Green Book* (2022), annex A6, and its supplementary
guidance on optimism bias. The Green Book has been under review since December 2025, so every schedule is a parameter.
Cash flows are in constant (real) prices, benefits positive and costs negative, the first of them in year 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.results import NotComputable, Result

__all__ = [
    "OPTIMISM_UPPER_BOUNDS_PCT",
    "SCHEDULES",
    "Appraisal",
    "OptimismBias",
    "appraise",
    "break_even",
    "discount_factors",
    "net_present_value",
    "optimism_bias",
    "payback",
    "realise",
    "return_on_investment",
]

Schedule = str | Sequence[tuple[int, float]]

#: (last year, % a year): the rate holds for the years up to and including the last year.
SCHEDULES: dict[str, tuple[tuple[int, float], ...]] = {
    "green_book": ((30, 3.5), (75, 3.0), (125, 2.5)),
    "green_book_health": ((125, 1.5),),
}

#: Mott MacDonald (2002), *Review of Large Public Procurement in the UK*, table of recommended upper bounds, as used by
#: the Green Book's supplementary guidance: capital expenditure, % of the estimate.
OPTIMISM_UPPER_BOUNDS_PCT = {
    "standard_buildings": 24.0,
    "non_standard_buildings": 51.0,
    "standard_civil_engineering": 44.0,
    "non_standard_civil_engineering": 66.0,
    "equipment_development": 200.0,
    "outsourcing": 41.0,
}


def discount_factors(years: int, schedule: Schedule = "green_book") -> NDArray[np.float64]:
    """Return what a pound in each of years 0 to `years` is worth in year 0.

    Parameters
    ----------
    years : int
        The last year; year 0 has factor 1.
    schedule : str or sequence of (last year, % a year)
        "green_book": 3.5 % to year 30, 3.0 % to year 75, 2.5 % after. "green_book_health", for health effects: 1.5 %.

    Returns
    -------
    array of shape (years + 1,)

    Raises
    ------
    InputError
        If the schedule is not known, falls back in time, or ends before `years`.

    Notes
    -----
    Factors chain: the rate of a later band applies to the years in that band only (Green Book, annex A6).
    """
    if isinstance(schedule, str):
        require_one_of(schedule, SCHEDULES, what="Discount schedule")
        bands: Sequence[tuple[int, float]] = SCHEDULES[schedule]
    else:
        bands = schedule
    lasts = [last for last, _ in bands]
    if not lasts or lasts != sorted(set(lasts)):
        raise InputError("A discount schedule lists (last year, % a year) with last years that rise.")
    if years < 0 or years > lasts[-1]:
        raise InputError(f"Discount factors are wanted to year {years}; the schedule holds for years 0 to {lasts[-1]}.")
    rates = np.empty(years)
    for last, rate in reversed(bands):
        rates[:last] = rate
    return np.concatenate([[1.0], 1.0 / np.cumprod(1.0 + rates / 100)])


def net_present_value(cash_flows: ArrayLike, schedule: Schedule = "green_book") -> NDArray[np.float64]:
    """Return the sum of discounted cash flows.

    Parameters
    ----------
    cash_flows : array of shape (..., years + 1)
        GBP in constant prices, benefits positive; the last axis runs over years 0, 1, 2 ...
    schedule : str or sequence
        As in `discount_factors`.

    Returns
    -------
    array of shape (...)
        One present value for each leading cell; a 0-dimensional array for a single flow.
    """
    flows = np.asarray(cash_flows, dtype=float)
    return np.asarray(flows @ discount_factors(flows.shape[-1] - 1, schedule))


def payback(cash_flows: ArrayLike, schedule: Schedule | None = None) -> float | NotComputable:
    """Return the years until the cumulative cash flow stays at or above nil, straight-line within the year.

    Parameters
    ----------
    cash_flows : array of shape (years + 1,)
        GBP, year 0 first.
    schedule : optional
        Discount first (discounted payback); not by default.
    """
    flows = np.asarray(cash_flows, dtype=float)
    if schedule is not None:
        flows = flows * discount_factors(len(flows) - 1, schedule)
    total = np.cumsum(flows)
    short = np.flatnonzero(total < 0)
    if not len(short):
        return 0.0
    last = int(short[-1])
    if last == len(flows) - 1:
        return NotComputable(f"not paid back within {len(flows) - 1} years")
    return last + float(-total[last] / flows[last + 1])


def break_even(value_at: Callable[[float], float], low: float, high: float) -> float | NotComputable:
    """Return the value of one assumption at which `value_at` (an NPV, a saving) is nil, between `low` and `high`."""
    ends = value_at(low), value_at(high)
    if ends[0] * ends[1] > 0:
        sign = "above" if ends[0] > 0 else "below"
        return NotComputable(f"the value is {sign} nil all the way from {low:g} to {high:g}")
    return float(brentq(value_at, low, high, xtol=1e-12))


def return_on_investment(
    benefits: ArrayLike, costs: ArrayLike, schedule: Schedule = "green_book"
) -> float | NotComputable:
    """Return (present value of benefits - present value of costs) / present value of costs; both given as positive."""
    cost = float(net_present_value(costs, schedule))
    if cost <= 0:
        return NotComputable("there is no cost to set the benefit against")
    return (float(net_present_value(benefits, schedule)) - cost) / cost


@dataclass(frozen=True, eq=False)
class OptimismBias(Result):
    """A cost with its optimism bias: `.table` has one row a contributing factor."""

    estimate_gbp: float
    upper_bound_pct: float
    adjusted_pct: float
    adjusted_gbp: float

    @property
    def summary(self) -> str:
        """One sentence."""
        return (
            f"An estimate of £{self.estimate_gbp:,.0f} becomes £{self.adjusted_gbp:,.0f}: an upper bound of "
            f"{self.upper_bound_pct:g} %, brought down to {self.adjusted_pct:.1f} % by what has been mitigated."
        )


def optimism_bias(
    cost_gbp: float, upper_bound: float | str, mitigation: Mapping[str, tuple[float, float]] | None = None
) -> OptimismBias:
    """Uplift a cost for optimism bias, less what has been mitigated.

    Parameters
    ----------
    cost_gbp : float
        The estimate.
    upper_bound : float or str
        Upper bound, % of the estimate, or a project kind of `OPTIMISM_UPPER_BOUNDS_PCT`.
    mitigation : mapping of factor to (contribution %, share mitigated), optional
        How much of the bias each factor contributes (at most 100 % together) and how much of it is dealt with (0 to 1).

    Raises
    ------
    InputError
        If contributions exceed 100 % or a mitigated share is not between 0 and 1.

    Notes
    -----
    adjusted = upper bound x (1 - sum of contribution x share mitigated); Mott MacDonald (2002), section 3.
    """
    if isinstance(upper_bound, str):
        require_one_of(upper_bound, OPTIMISM_UPPER_BOUNDS_PCT, what="Project kind")
        upper_bound = OPTIMISM_UPPER_BOUNDS_PCT[upper_bound]
    rows = [(factor, part, share) for factor, (part, share) in (mitigation or {}).items()]
    table = pd.DataFrame(rows, columns=["factor", "contribution_pct", "share_mitigated"])
    if table["contribution_pct"].sum() > 100 + 1e-9 or (table["contribution_pct"] < 0).any():
        raise InputError("Contributions to optimism bias must be from 0 to 100 % and at most 100 % together.")
    if not table["share_mitigated"].between(0, 1).all():
        raise InputError("A mitigated share must be from 0 to 1.")
    table["reduction_pct"] = table["contribution_pct"] * table["share_mitigated"]
    adjusted = upper_bound * (1 - table["reduction_pct"].sum() / 100)
    return OptimismBias(table, cost_gbp, upper_bound, adjusted, cost_gbp * (1 + adjusted / 100))


def realise(planned_gbp: ArrayLike, factor: ArrayLike) -> NDArray[np.float64]:
    """Return planned savings times a realisation factor (delivered over planned in past schemes), by year or for all.

    Only savings shrink: a planned cost (negative) is kept whole.
    """
    planned, share = np.broadcast_arrays(np.asarray(planned_gbp, float), np.asarray(factor, float))
    if (share < 0).any():
        raise InputError("A realisation factor must not be negative.")
    return np.where(planned > 0, planned * share, planned)


@dataclass(frozen=True, eq=False)
class Appraisal(Result):
    """A discounted cash flow: a row a year of benefit, cost, net, discount factor, present value and running total."""

    net_present_value_gbp: float
    return_on_investment: float | NotComputable
    payback_years: float | NotComputable

    @property
    def summary(self) -> str:
        """One sentence for a board."""
        back = self.payback_years
        when = f"not computable ({back.reason})" if isinstance(back, NotComputable) else f"after {back:.1f} years"
        return f"Net present value £{self.net_present_value_gbp:,.0f}; payback {when}."


def appraise(
    benefits: ArrayLike, costs: ArrayLike, *, schedule: Schedule = "green_book", realisation: ArrayLike = 1.0
) -> Appraisal:
    """Appraise yearly benefits against yearly costs (both given as positive GBP, year 0 first).

    Parameters
    ----------
    benefits, costs : array of shape (years + 1,)
        GBP in constant prices.
    schedule : str or sequence
        As in `discount_factors`.
    realisation : float or array
        Share of the planned benefit that is believed (see `realise`).
    """
    gain = realise(benefits, realisation)
    cost = np.broadcast_to(np.asarray(costs, float), gain.shape)
    factors = discount_factors(len(gain) - 1, schedule)
    net = gain - cost
    table = pd.DataFrame({"year": np.arange(len(gain)), "benefit_gbp": gain, "cost_gbp": cost, "net_gbp": net})
    table["factor"] = factors
    table["present_value_gbp"] = net * factors
    table["cumulative_gbp"] = np.cumsum(net)
    value = float(net_present_value(net, schedule))
    return Appraisal(table, value, return_on_investment(gain, cost, schedule), payback(net))
