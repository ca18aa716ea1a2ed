"""Rates, ratios, proportions, means and quantiles with limits, for any number of groups at once.

Strata are joined by key, never by row order. Methods follow Public Health England's "Technical Guide: assigning
confidence intervals to public health indicators" (2018) and APHO Technical Briefing 3; docstrings say where not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from pathcost_lib.arguments import as_list, encode, match, numbers, refuse, require_columns
from pathcost_lib.benchmark.intervals import EXACT_BELOW, Limits, limit_columns, poisson_limits, wilson_limits
from pathcost_lib.benchmark.standards import standard_weights
from pathcost_lib.errors import InputError
from pathcost_lib.results import Result

__all__ = [
    "Estimates",
    "directly_standardised_rate",
    "indirectly_standardised_ratio",
    "mean",
    "proportion",
    "quantiles",
    "rate",
]

Keys = str | Iterable[str] | None
Levels = float | Iterable[float]


@dataclass(frozen=True, eq=False)
class Estimates(Result):
    """One estimate a group, with limits, method and `reason` (empty where nothing needs saying)."""

    measure: str
    column: str = "value"

    @property
    def summary(self) -> str:
        """Say what was measured, over how many groups, and how many could not be computed."""
        values = self.table[self.column]
        spread = f", {values.min():,.4g} to {values.max():,.4g}" if values.notna().any() else ""
        lost = f"; {int(values.isna().sum())} not computable (see reason)" if values.isna().any() else ""
        return f"{self.measure}: {len(values):,} groups{spread}{lost}"


def directly_standardised_rate(
    df: pd.DataFrame,
    *,
    by: Keys,
    events: str,
    population: str,
    strata: Keys,
    standard: str | pd.DataFrame = "ESP2013",
    per: float = 100_000,
    confidence: Levels = 0.95,
) -> Estimates:
    """Return directly standardised rates: what each group's rates would give in one standard population.

    Parameters
    ----------
    df : DataFrame
        One row per group and stratum. A stratum without events is a row with 0 events, not a missing row.
    by, strata : str or list of str
        Columns that name the group, and the stratum.
    events, population : str
        Columns of counts; population in persons (or person-years).
    standard : str or DataFrame
        A name, or a frame with `weight` and some or all of the strata columns (the weight of an age band serves both
        sexes where the standard has no sex).
    per : float
        Multiplier of the rate.
    confidence : float or several

    Returns
    -------
    Estimates
        by, value, lower_95, upper_95, events, population, method, reason. NaN with the
        reason where a group lacks a stratum.

    Raises
    ------
    InputError
        Population nought or less, negative or missing events, a stratum twice, or strata that the standard lacks.
        The keys are named.

    Notes
    -----
    Dobson, Kuulasmaa, Eberle and Scherer, Statistics in Medicine 1991;10:457, on the Poisson limits of the total
    events: Byar, exact under ten. Without events that interval is undefined; the upper limit is then Fay and Feuer's
    (Statistics in Medicine 1997;16:791): the exact limit, 3.69 events at 95 %, at the largest stratum weight.
    """
    group_keys, strata_keys = as_list(by), as_list(strata)
    keys = [*group_keys, *strata_keys]
    require_columns(df, [*keys, events, population], what="rows to standardise")
    x, n = numbers(df, events, keys), numbers(df, population, keys, above=0)
    group, groups = encode(df, group_keys)
    stratum, held = encode(df, strata_keys)
    full = standard_weights(held, standard)
    place = match(held, full, strata_keys, what="standard population")
    cell = group * len(full) + place[stratum]
    shape = (len(groups), len(full))
    rows = np.bincount(cell, minlength=shape[0] * shape[1])
    refuse(df, rows[cell] > 1, keys, "Each group and stratum must be one row")

    weight = full["weight"].to_numpy(dtype=float)
    factor = (weight / weight.sum())[place[stratum]] / n
    value = np.bincount(group, factor * x, len(groups))
    variance = np.bincount(group, factor**2 * x, len(groups))
    total = np.bincount(group, x, len(groups))
    largest = np.zeros(len(groups))
    np.maximum.at(largest, group, factor)
    missing = rows.reshape(shape) == 0
    incomplete, none = missing.any(axis=1), total == 0

    def limits(level: float) -> Limits:
        low, high = poisson_limits(total, level)
        spread = np.sqrt(variance / np.where(none, 1, total))
        lower, upper = value + spread * (low - total), np.where(none, largest * high, value + spread * (high - total))
        return _blank(per * lower, incomplete), _blank(per * upper, incomplete)

    table = groups.assign(
        value=_blank(per * value, incomplete),
        **limit_columns(confidence, limits),
        events=total,
        population=np.bincount(group, n, len(groups)),
        method=np.select([none, total < EXACT_BELOW], ["Fay-Feuer", "Dobson, exact"], "Dobson, Byar"),
        reason=np.select([none, total < EXACT_BELOW], ["no events", "fewer than 10 events"], ""),
    )
    for row in np.flatnonzero(incomplete):
        lacked = full.loc[missing[row], strata_keys].astype(str).agg("/".join, axis=1)
        table.loc[row, "reason"] = f"missing strata: {', '.join(lacked)}"
    return Estimates(table, f"Directly standardised rate per {per:,.0f}")


def _blank(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    return np.where(where, np.nan, values)


def indirectly_standardised_ratio(
    df: pd.DataFrame,
    *,
    by: Keys,
    observed: str,
    population: str,
    strata: Keys,
    reference: pd.DataFrame | None = None,
    confidence: Levels = 0.95,
) -> Estimates:
    """Return observed events over those expected at reference rates (1 = as expected).

    Parameters
    ----------
    df : DataFrame
        One row per group and stratum; a stratum that a group does not have adds nothing to its expected events.
    by, strata, observed, population : str or list of str
        Columns, as in `directly_standardised_rate`.
    reference : DataFrame, optional
        Strata columns and `rate` (events per person); without it the pooled rates of `df`.
    confidence : float or several

    Returns
    -------
    Estimates
        by, observed, expected, ratio, lower_95, upper_95, method, reason.

    Raises
    ------
    InputError
        Population nought or less, negative or missing events, or a stratum that the reference lacks: with the keys.

    Notes
    -----
    Byar's limits of the observed events over the expected, exact under ten (PHE Technical Guide, 2018). The reference
    is joined by key; PHEindicatormethods joins it by row order, which is wrong whenever rows are sorted otherwise.
    The reference rates are taken as known.
    """
    group_keys, strata_keys = as_list(by), as_list(strata)
    keys = [*group_keys, *strata_keys]
    require_columns(df, [*keys, observed, population], what="rows to standardise")
    x, n = numbers(df, observed, keys), numbers(df, population, keys, above=0)
    group, groups = encode(df, group_keys)
    stratum, held = encode(df, strata_keys)
    if reference is None:
        rates = np.bincount(stratum, x) / np.bincount(stratum, n)
    else:
        require_columns(reference, [*strata_keys, "rate"], what="reference rates' rows")
        place = match(held, reference, strata_keys, what="reference rates")
        refuse(held, place < 0, strata_keys, "The reference rates lack")
        rates = numbers(reference, "rate", strata_keys)[place]
    total = np.bincount(group, x, len(groups))
    expected = np.bincount(group, n * rates[stratum], len(groups))
    none = expected == 0
    divisor = np.where(none, np.nan, expected)

    def limits(level: float) -> Limits:
        low, high = poisson_limits(total, level)
        return low / divisor, high / divisor

    table = groups.assign(
        observed=total,
        expected=expected,
        ratio=total / divisor,
        **limit_columns(confidence, limits),
        method=np.where(total < EXACT_BELOW, "exact", "Byar"),
        reason=np.select(
            [none, total == 0, total < EXACT_BELOW], ["no events expected", "no events", "fewer than 10 events"], ""
        ),
    )
    return Estimates(table, "Indirectly standardised ratio", "ratio")


def proportion(df: pd.DataFrame, *, by: Keys, events: str, population: str, confidence: Levels = 0.95) -> Estimates:
    """Return proportions with Wilson's limits: by, value, lower_95, upper_95, events, population, method, reason.

    Raises
    ------
    InputError
        If the population is nought or less, or events are negative or exceed it: with the keys.
    """
    x, n, groups = _totals(df, as_list(by), events, population)
    refuse(groups.assign(all="all"), x > n, as_list(by) or ["all"], f"{events} must not exceed {population}")
    table = groups.assign(
        value=x / n,
        **limit_columns(confidence, lambda level: wilson_limits(x, n, level)),
        events=x,
        population=n,
        method="Wilson",
        reason=np.select([x == 0, x == n], ["no events", "events in all"], ""),
    )
    return Estimates(table, "Proportion")


def rate(
    df: pd.DataFrame, *, by: Keys, events: str, population: str, per: float = 100_000, confidence: Levels = 0.95
) -> Estimates:
    """Return crude rates with Byar's limits, exact under ten: columns as `proportion`.

    Raises
    ------
    InputError
        If the population is nought or less, or events are negative: with the keys.
    """
    x, n, groups = _totals(df, as_list(by), events, population)

    def limits(level: float) -> Limits:
        low, high = poisson_limits(x, level)
        return per * low / n, per * high / n

    table = groups.assign(
        value=per * x / n,
        **limit_columns(confidence, limits),
        events=x,
        population=n,
        method=np.where(x < EXACT_BELOW, "exact", "Byar"),
        reason=np.select([x == 0, x < EXACT_BELOW], ["no events", "fewer than 10 events"], ""),
    )
    return Estimates(table, f"Rate per {per:,.0f}")


def _totals(
    df: pd.DataFrame, by: list[str], events: str, population: str
) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    require_columns(df, [*by, events, population], what="rows")
    x, n = numbers(df, events, by), numbers(df, population, by, above=0)
    group, groups = encode(df, by)
    return np.bincount(group, x, len(groups)), np.bincount(group, n, len(groups)), groups


def mean(
    df: pd.DataFrame,
    *,
    by: Keys,
    value: str,
    count: str | None = None,
    squares: str | None = None,
    confidence: Levels = 0.95,
) -> Estimates:
    """Return means with Student's t limits.

    Parameters
    ----------
    df : DataFrame
        One row per observation; or per cell, with `count`, `value` their sum and `squares` the sum of their squares
        (so that patients stay in the engine).
    by, value, count, squares : str
        Columns.
    confidence : float or several

    Returns
    -------
    Estimates
        by, value, lower_95, upper_95, se, count, method, reason. Limits are NaN, with the reason, for one observation.

    Raises
    ------
    InputError
        If a value is missing, or only one of `count` and `squares` is given.
    """
    keys = as_list(by)
    if (count is None) != (squares is None):
        raise InputError("Give both count and squares (sum of squares), or neither.")
    require_columns(df, [*keys, value, *(c for c in (count, squares) if c)], what="rows")
    values = pd.to_numeric(df[value], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    refuse(df, ~np.isfinite(values), keys, f"{value} must be a number")
    group, groups = encode(df, keys)
    n = np.bincount(group, np.ones(len(df)) if count is None else numbers(df, count, keys, above=0), len(groups))
    centre = np.bincount(group, values, len(groups)) / n
    if squares is None:
        deviations = np.bincount(group, (values - centre[group]) ** 2, len(groups))
    else:
        deviations = np.maximum(np.bincount(group, numbers(df, squares, keys), len(groups)) - n * centre**2, 0)
    free = np.where(n > 1, n - 1, np.nan)
    se = np.sqrt(deviations / free / n)

    def limits(level: float) -> Limits:
        half = stats.t.ppf((1 + level) / 2, free) * se
        return centre - half, centre + half

    table = groups.assign(
        value=centre,
        **limit_columns(confidence, limits),
        se=se,
        count=n,
        method="Student's t",
        reason=np.where(n > 1, "", "one observation: no interval"),
    )
    return Estimates(table, "Mean")


def quantiles(
    df: pd.DataFrame, *, by: Keys, value: str, q: Iterable[float] = (0.25, 0.5, 0.75), confidence: Levels = 0.95
) -> Estimates:
    """Return quantiles of one row per observation, with distribution-free limits.

    Returns
    -------
    Estimates
        by, quantile, value (linear interpolation), lower_95, upper_95, count, method, reason. Limits are order
        statistics chosen by the binomial distribution, so coverage is at least nominal (Conover, Practical
        Nonparametric Statistics, 1999, section 3.2); a limit beyond the data is NaN with the reason.

    Raises
    ------
    InputError
        If a value is missing, or a quantile is not between 0 and 1.
    """
    keys, wanted = as_list(by), np.asarray(list(q), dtype=float)
    if wanted.size == 0 or ((wanted <= 0) | (wanted >= 1)).any():
        raise InputError(f"Quantiles {wanted.tolist()} must lie between 0 and 1.")
    require_columns(df, [*keys, value], what="rows")
    values = pd.to_numeric(df[value], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    refuse(df, ~np.isfinite(values), keys, f"{value} must be a number")
    group, groups = encode(df, keys)
    ordered = values[np.lexsort((values, group))]
    n = np.bincount(group)[:, None]
    start = np.cumsum(n, axis=0) - n
    position = (n - 1) * wanted
    below = np.floor(position).astype(int)
    left, right = ordered[start + below], ordered[start + np.minimum(below + 1, n - 1)]

    def limits(level: float) -> Limits:
        low, high = stats.binom.ppf((1 - level) / 2, n, wanted), stats.binom.ppf((1 + level) / 2, n, wanted) + 1
        lower = np.where(low >= 1, ordered[start + np.maximum(low, 1).astype(int) - 1], np.nan)
        upper = np.where(high <= n, ordered[start + np.minimum(high, n).astype(int) - 1], np.nan)
        return lower.ravel(), upper.ravel()

    columns = limit_columns(confidence, limits)
    unbounded = np.isnan(np.array(list(columns.values()))).any(axis=0)
    table = groups.loc[groups.index.repeat(len(wanted))].reset_index(drop=True)
    table = table.assign(
        quantile=np.tile(wanted, len(groups)),
        value=(left + (position - below) * (right - left)).ravel(),
        **columns,
        count=np.repeat(n.ravel(), len(wanted)),
        method="order statistics",
        reason=np.where(unbounded, "too few observations for a limit", ""),
    )
    return Estimates(table, "Quantiles")
