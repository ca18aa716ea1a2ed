"""Discounted appraisal: what a scheme is worth, when it pays back, and how much of the claim to believe.

Discount rates, optimism bias and their schedules: HM Treasury, *The Green Book* (February 2026), annex A6, and its
supplementary guidance on optimism bias. A review of the rate reported in June 2026, so every schedule is a parameter.
Cash flows are in constant (real) prices, benefits positive and costs negative, the first of them in year 0 unless their
calendar years are given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from pathcost_lib.arguments import explain_failure, number, number_list, per_cent, share
from pathcost_lib.codes import financial_year_bounds
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

#: The last band of the Green Book ("301 and more") has no end; no appraisal looks further than this.
_LAST_YEAR = 1000

#: (last year, % a year): the rate holds for the years up to and including the last year. Green Book, annex A6: the
#: standard rates, and the health rates, which fall at the same years.
SCHEDULES: dict[str, tuple[tuple[int, float], ...]] = {
    "green_book": ((30, 3.5), (75, 3.0), (125, 2.5), (200, 2.0), (300, 1.5), (_LAST_YEAR, 1.0)),
    "green_book_health": ((30, 1.5), (75, 1.29), (125, 1.07), (200, 0.86), (300, 0.64), (_LAST_YEAR, 0.43)),
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
        "green_book": 3.5 % to year 30, 3.0 % to 75, 2.5 % to 125, 2.0 % to 200, 1.5 % to 300, 1.0 % after.
        "green_book_health", for health effects: 1.5 % to year 30, 1.29 % to 75, 1.07 % to 125, 0.86 % to 200, 0.64 %
        to 300, 0.43 % after.

    Returns
    -------
    array of shape (years + 1,)

    Raises
    ------
    InputError
        If `years` is no whole number, or the schedule is not known, falls back in time, or ends before `years`.

    Notes
    -----
    Factors chain: the rate of a later band applies to the years in that band only (Green Book, annex A6).
    """
    bands = _bands(schedule)
    last_year = int(bands[-1][0])
    last = int(number(years, f"The last year to discount (the schedule holds for years 0 to {last_year})", whole=True))
    if not 0 <= last <= last_year:
        raise InputError(f"Discount factors are wanted to year {last}; the schedule holds for years 0 to {last_year}.")
    rates = np.empty(last)
    for end, rate in reversed(bands):
        rates[: int(end)] = rate
    return np.concatenate([[1.0], 1.0 / np.cumprod(1.0 + rates / 100)])


def _bands(schedule: Schedule) -> list[tuple[float, float]]:
    """Return the bands of a schedule, checked."""
    if isinstance(schedule, str):
        require_one_of(schedule, SCHEDULES, what="Discount schedule")
        return [(float(last), rate) for last, rate in SCHEDULES[schedule]]
    pairs = isinstance(schedule, Sequence) and all(isinstance(b, Sequence) and len(b) == 2 for b in schedule)
    if not pairs or not schedule:
        raise InputError(
            f"A discount schedule is {' or '.join(SCHEDULES)}, or pairs of (last year, % a year); got {schedule!r}."
        )
    what = "A discount schedule, last year"
    bands = [
        (number(last, what, least=0, whole=True), per_cent(rate, "A discount rate", least=-50))
        for last, rate in schedule
    ]
    lasts = [last for last, _ in bands]
    if lasts != sorted(set(lasts)):
        raise InputError("A discount schedule lists (last year, % a year) with last years that rise.")
    return bands


def _flows(values: ArrayLike, what: str, *, least: float = -np.inf, most: float = np.inf) -> NDArray[np.float64]:
    """Return yearly amounts as finite floats; the last axis runs over the years."""
    try:
        flows = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{what} must be numbers, one a year; there is text, or years are missing.") from None
    if flows.ndim == 0 or flows.shape[-1] == 0:
        raise InputError(f"{what} must be a list with one number for each year; got {values!r}.")
    if flows.ndim == 1:
        return number_list(flows, what, least=least, most=most)
    if not np.isfinite(flows).all():
        raise InputError(f"{what}: {int((~np.isfinite(flows)).sum())} of {flows.size} values are missing.")
    return flows


def _ages(values: Any, count: int, years: object) -> NDArray[np.int64]:
    """Return how many years after the first each flow falls: by the years given, or those that label a Series."""
    if years is None and isinstance(values, pd.Series):
        index = values.index
        years = None if isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1 else index.tolist()
    if years is None:
        return np.arange(count)
    if isinstance(years, str) or not hasattr(years, "__iter__"):
        raise InputError(f"years must list one year for each amount, such as [2026, 2027]; got {years!r}.")
    named = [financial_year_bounds(y)[0].year if isinstance(y, str) else y for y in years]
    numbers = [int(number(y, "years: a year", whole=True)) for y in named]
    if len(numbers) != count:
        raise InputError(f"years lists {len(numbers)} years for {count} amounts. Give one year for each amount.")
    if len(set(numbers)) < count:
        raise InputError(f"years names a year twice: {', '.join(map(str, numbers))}.")
    calendar = all(1900 <= y <= 2300 for y in numbers)
    if not calendar and sorted(numbers) != list(range(count)):
        raise InputError(
            f"years must be calendar years (2026), financial years (2026-27), or 0, 1, 2 ... without a gap; they are "
            f"{', '.join(map(str, numbers))}."
        )
    return np.array(numbers, dtype=np.int64) - min(numbers)


def net_present_value(
    cash_flows: ArrayLike, schedule: Schedule = "green_book", *, years: Sequence[int | str] | None = None
) -> NDArray[np.float64]:
    """Return the sum of discounted cash flows.

    Parameters
    ----------
    cash_flows : array of shape (..., years + 1)
        GBP in constant prices, benefits positive; the last axis runs over years 0, 1, 2 ... A Series that is labelled
        with its years (2026, "2026-27") is discounted by them.
    schedule : str or sequence
        As in `discount_factors`.
    years : sequence of int or str, optional
        The calendar or financial year of each flow, in any order: the earliest is year 0, and a gap counts.

    Returns
    -------
    array of shape (...)
        One present value for each leading cell; a 0-dimensional array for a single flow.

    Raises
    ------
    InputError
        If a flow is missing or not a number, or the years do not fit the flows.
    """
    flows = _flows(cash_flows, "Cash flows (GBP)")
    ages = _ages(cash_flows, flows.shape[-1], years)
    return np.asarray(flows @ discount_factors(int(ages.max()), schedule)[ages])


def payback(cash_flows: ArrayLike, schedule: Schedule | None = None) -> float | NotComputable:
    """Return the years until the cumulative cash flow stays at or above zero, straight-line within the year.

    Parameters
    ----------
    cash_flows : array of shape (years + 1,)
        GBP, year 0 first, every year.
    schedule : optional
        Discount first (discounted payback); not by default.

    Raises
    ------
    InputError
        If a flow is missing or not a number, or a Series is labelled with years that are out of order or have a gap.
    """
    flows = _flows(cash_flows, "Cash flows (GBP)")
    if flows.ndim > 1:
        raise InputError(f"Cash flows (GBP) must be one list of numbers; this has {flows.ndim} dimensions.")
    _require_every_year(cash_flows, len(flows))
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
    """Return the value of one assumption at which `value_at` (an NPV, a saving) is zero, between `low` and `high`.

    Raises
    ------
    InputError
        If `low` is not below `high`, or `value_at` gives no number somewhere between them.
    """
    start, end = number(low, "low"), number(high, "high")
    if start >= end:
        raise InputError(f"low is {low!r} and high {high!r}. low must be less than high.")
    if not callable(value_at):
        raise InputError(f"value_at must be a function of one number; this is a {type(value_at).__name__}.")

    def value(at: float) -> float:
        return number(value_at(at), f"value_at at {at:g}")

    ends = value(start), value(end)
    if ends[0] * ends[1] > 0:
        sign = "above" if ends[0] > 0 else "below"
        return NotComputable(f"the value is {sign} zero all the way from {start:g} to {end:g}")
    with explain_failure(f"The break-even point between {start:g} and {end:g}", library="scipy"):
        return float(brentq(value, start, end, xtol=1e-12))


def return_on_investment(
    benefits: ArrayLike, costs: ArrayLike, schedule: Schedule = "green_book"
) -> float | NotComputable:
    """Return (present value of benefits - present value of costs) / present value of costs; both given as positive.

    Raises
    ------
    InputError
        If a value is missing, or benefits and costs are not of the same years.
    """
    gain, cost = _both(benefits, costs)
    spent = float(net_present_value(cost, schedule))
    if spent <= 0:
        return NotComputable("there is no cost to set the benefit against")
    return (float(net_present_value(gain, schedule)) - spent) / spent


def _both(benefits: ArrayLike, costs: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return benefits and costs as flows of the same years."""
    gain, cost = _flows(benefits, "Benefits (GBP)"), _flows(costs, "Costs (GBP)")
    if gain.ndim > 1 or gain.shape != cost.shape:
        raise InputError(
            f"Benefits and costs need one number for each year, of the same years; they have {gain.shape[-1]} and "
            f"{cost.shape[-1]}."
        )
    for values in (benefits, costs):
        _require_every_year(values, len(gain))
    return gain, cost


def _require_every_year(values: ArrayLike, count: int) -> None:
    """Refuse a Series that is labelled with years out of order or with a gap."""
    if (_ages(values, count, None) != np.arange(count)).any():
        raise InputError("Every year is needed, in order; the years are out of order or have a gap.")


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
        The estimate, not negative.
    upper_bound : float or str
        Upper bound, % of the estimate (24, not 0.24), or a project kind of `OPTIMISM_UPPER_BOUNDS_PCT`.
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
    elif isinstance(upper_bound, int | float) and 0 < upper_bound < 1:
        raise InputError(f"upper_bound is {upper_bound!r}. It is a per cent: write {100 * upper_bound:g}.")
    cost_gbp = number(cost_gbp, "cost_gbp", least=0)
    upper_bound = number(upper_bound, "upper_bound (per cent)", least=0)
    if mitigation is not None and not isinstance(mitigation, Mapping):
        raise InputError('mitigation must be like {"design complete": (30, 0.5)}: contribution %, share mitigated.')
    rows = []
    for factor, pair in (mitigation or {}).items():
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            raise InputError(f"mitigation, {factor}: give (contribution %, share mitigated), such as (30, 0.5).")
        part = per_cent(pair[0], f"mitigation, {factor}: contribution")
        rows.append((factor, part, share(pair[1], f"mitigation, {factor}: share mitigated")))
    table = pd.DataFrame(rows, columns=["factor", "contribution_pct", "share_mitigated"])
    if table["contribution_pct"].sum() > 100 + 1e-9:
        raise InputError("Contributions to optimism bias must be from 0 to 100 % and at most 100 % together.")
    table["reduction_pct"] = table["contribution_pct"] * table["share_mitigated"]
    adjusted = upper_bound * (1 - table["reduction_pct"].sum() / 100)
    return OptimismBias(table, cost_gbp, upper_bound, adjusted, cost_gbp * (1 + adjusted / 100))


#: A plan that delivers more than twice itself is a per cent written for a share.
_MOST_REALISED = 2.0


def realise(planned_gbp: ArrayLike, factor: ArrayLike) -> NDArray[np.float64]:
    """Return planned savings times a realisation factor (delivered over planned in past schemes), by year or for all.

    Only savings shrink: a planned cost (negative) is kept whole.

    Raises
    ------
    InputError
        If a value is missing, a factor is not from 0 to 2 (80 for 0.8), or there is not one factor for each year.
    """
    planned = _flows(planned_gbp, "Planned savings (GBP)")
    share = number_list(factor, "realisation (share, 0.8 for 80 %)", least=0.0, most=_MOST_REALISED)
    if np.ndim(factor) and len(share) != planned.shape[-1]:
        raise InputError(f"realisation has {len(share)} shares for {planned.shape[-1]} years: one for each, or one.")
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
    benefits: ArrayLike,
    costs: ArrayLike,
    *,
    schedule: Schedule = "green_book",
    realisation: ArrayLike = 1.0,
) -> Appraisal:
    """Appraise yearly benefits against yearly costs (both given as positive GBP, year 0 first, every year).

    Parameters
    ----------
    benefits, costs : array of shape (years + 1,)
        GBP in constant prices.
    schedule : str or sequence
        As in `discount_factors`.
    realisation : float or array
        Share of the planned benefit that is believed (see `realise`).

    Raises
    ------
    InputError
        If a value is missing, or benefits and costs are not of the same years.
    """
    planned, cost = _both(benefits, costs)
    gain = realise(planned, realisation)
    factors = discount_factors(len(gain) - 1, schedule)
    net = gain - cost
    table = pd.DataFrame({"year": np.arange(len(gain)), "benefit_gbp": gain, "cost_gbp": cost, "net_gbp": net})
    table["factor"] = factors
    table["present_value_gbp"] = net * factors
    table["cumulative_gbp"] = np.cumsum(net)
    value = float(net_present_value(net, schedule))
    return Appraisal(table, value, return_on_investment(gain, cost, schedule), payback(net))
