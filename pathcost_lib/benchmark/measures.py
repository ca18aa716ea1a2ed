"""Crude rates, proportions, means and quantiles with limits, for any number of groups at once.

Methods follow Public Health England's "Technical Guide: assigning confidence intervals to public health indicators"
(2018); docstrings say where not.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy import stats

from pathcost_lib.arguments import as_list, encode, number, number_list, numbers, refuse, require_columns, told_apart
from pathcost_lib.benchmark.estimates import (
    Estimates,
    Keys,
    Levels,
    few_events_rule,
    several_each,
    withhold,
)
from pathcost_lib.errors import InputError
from pathcost_lib.intervals import EXACT_BELOW, Limits, limit_columns, poisson_limits, wilson_limits

__all__ = ["mean", "proportion", "quantiles", "rate"]


def proportion(
    df: pd.DataFrame, *, by: Keys, events: str, population: str, confidence: Levels = 0.95, few_events: str = "mark"
) -> Estimates:
    """Return proportions with Wilson's limits: by, value, lower_95, upper_95, events, population, method, reason.

    Parameters
    ----------
    df : DataFrame
        One row per group, or finer where another column tells the rows apart.
    by, events, population, confidence
        As in `directly_standardised_rate`.
    few_events : "mark" or "withhold"
        Whether a proportion of fewer than ten events is given and marked, or withheld, as for rates.

    Raises
    ------
    InputError
        If the population is zero or less, events are negative or exceed it, or no column but these two tells two
        rows of a group apart: with the keys.
    """
    withheld = few_events_rule(few_events)
    x, n, _, groups = _totals(df, as_list(by), events, population)
    refuse(groups.assign(all="all"), x > n, as_list(by) or ["all"], f"{events} must not exceed {population}")
    table = groups.assign(
        value=x / n,
        **limit_columns(confidence, lambda level: wilson_limits(x, n, level)),
        events=x,
        population=n,
        method="Wilson",
        reason=np.select([x == 0, x == n, x < EXACT_BELOW], ["no events", "events in all", "fewer than 10 events"], ""),
    )
    table = withhold(table, "value", x) if withheld else table
    return Estimates(table, "Proportion")


def rate(
    df: pd.DataFrame,
    *,
    by: Keys,
    events: str,
    population: str,
    per: float = 100_000,
    confidence: Levels = 0.95,
    event_frequency: str | None = None,
    few_events: str = "mark",
) -> Estimates:
    """Return crude rates with Byar's limits, exact under ten: columns as `proportion`.

    Parameters
    ----------
    df : DataFrame
        One row per group, or finer where another column tells the rows apart.
    by, events, population, per, confidence
        As in `directly_standardised_rate`.
    event_frequency, few_events : str
        As in `directly_standardised_rate`: limits by the sum of f^2 n_f; fewer than ten events marked or withheld.

    Raises
    ------
    InputError
        If the population is zero or less, events are negative, or no other column tells two rows of a group apart:
        with the keys.

    Notes
    -----
    Limits are those that Fingertips publishes. Funnels (`variation.funnel`) have limits about a target instead.
    """
    per, withheld = number(per, "per (multiplier)", above=0), few_events_rule(few_events)
    x, n, squares, groups = _totals(df, as_list(by), events, population, event_frequency)
    # Dobson's scaling of the Poisson limits; with one event a person it is 1.
    spread = np.sqrt(squares / np.where(x > 0, x, 1)) * (x > 0) + (x == 0)

    def limits(level: float) -> Limits:
        low, high = poisson_limits(x, level)
        return per * (x + spread * (low - x)) / n, per * (x + spread * (high - x)) / n

    table = groups.assign(
        value=per * x / n,
        **limit_columns(confidence, limits),
        events=x,
        population=n,
        method=np.where(x < EXACT_BELOW, "exact", "Byar"),
        reason=np.select([x == 0, x < EXACT_BELOW], ["no events", "fewer than 10 events"], ""),
    )
    table = withhold(table, "value", x) if withheld else table
    return Estimates(table, f"Rate per {per:,.0f}")


def _totals(
    df: pd.DataFrame, by: list[str], events: str, population: str, frequency: str | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, pd.DataFrame]:
    """Return events, population, variance of the events, and the groups that they belong to."""
    measures = [events, population, *as_list(frequency)]
    require_columns(df, [*by, *measures], what="rows")
    told_apart(df, [events, population], what="rows")
    cells = [column for column in df.columns if column not in measures] if frequency else by
    df, x, squares = several_each(df, cells, events, population, frequency)
    n = numbers(df, population, by, above=0)
    group, groups = encode(df, by)
    x, n, squares = (np.bincount(group, values, len(groups)) for values in (x, n, squares))
    return x, n, squares, groups


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
        If a value is missing, only one of `count` and `squares` is given, squares are too small for the sum, or no
        column but these tells two cells apart.
    """
    keys = as_list(by)
    if (count is None) != (squares is None):
        raise InputError("Give both count and squares (sum of squares), or neither.")
    require_columns(df, [*keys, value, *(c for c in (count, squares) if c)], what="rows")
    values = pd.to_numeric(df[value], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    refuse(df, ~np.isfinite(values), keys, f"{value} must be a number")
    if count is not None:
        told_apart(df, [value, count, str(squares)], what="cells")
    group, groups = encode(df, keys)
    n = np.bincount(group, np.ones(len(df)) if count is None else numbers(df, count, keys, above=0), len(groups))
    centre = np.bincount(group, values, len(groups)) / n
    if squares is None:
        deviations = np.bincount(group, (values - centre[group]) ** 2, len(groups))
    else:
        total_squares = np.bincount(group, numbers(df, squares, keys), len(groups))
        refuse(
            groups,
            total_squares * (1 + 1e-9) < n * centre**2,
            keys,
            f"{squares} must be at least {value} squared over {count}",
        )
        deviations = np.maximum(total_squares - n * centre**2, 0)
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
    df: pd.DataFrame, *, by: Keys, value: str, q: float | Iterable[float] = (0.25, 0.5, 0.75), confidence: Levels = 0.95
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
    keys, wanted = as_list(by), number_list(list(q) if isinstance(q, Iterable) else q, "q (quantiles)")
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
