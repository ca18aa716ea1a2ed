"""Inequality gradient: slope and relative index of inequality over ordered quantiles."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy import special

from pathcost_lib.arguments import as_list, encode, numbers, refuse, require_columns
from pathcost_lib.benchmark.estimates import Estimates, Keys
from pathcost_lib.intervals import Limits, fieller_limits, limit_columns
from pathcost_lib.ordering import order_of

__all__ = ["slope_index"]

FEWEST_QUANTILES = 3  # a line through two points has nothing to be judged by


def slope_index(
    df: pd.DataFrame,
    *,
    by: Keys,
    quantile: str,
    value: str,
    se: str,
    population: str,
    confidence: float | Iterable[float] = 0.95,
) -> Estimates:
    """Return the slope (SII) and relative (RII) index of inequality of each group.

    Parameters
    ----------
    df : DataFrame
        One row per group and quantile.
    by, quantile, value, se, population : str or list of str
        Columns: group; ordered quantile, such as deprivation decile with 1 the most deprived (numbers, text that begins
        with the number, or an ordered category); indicator; its standard error; persons in the quantile.
    confidence : float or several

    Returns
    -------
    Estimates
        by, sii, lower_95, upper_95, rii, rii_lower_95, rii_upper_95, quantiles, method, reason. The SII is the
        fitted value at the last end of the scale less that at the first, in the indicator's unit (negative where
        the most deprived have more); the RII is the last over the first. The reason names the quantiles that other
        groups have and this one has not; `.note` says how text was read.

    Raises
    ------
    InputError
        A quantile twice in a group, a quantile that is text without an order, population zero or less, or a missing
        or negative standard error.

    Notes
    -----
    Regression of the value on the midpoint of each quantile's share of the population, weighted by that share, as
    in Public Health England's method (square-root weights in its text are the same fit). PHE draws the limits by
    simulation from the standard errors; the SII is linear in the values, so its limits here are the exact ones that the
    simulation tends to, and the RII's are Fieller's, likewise.
    """
    keys = as_list(by)
    require_columns(df, [*keys, quantile, value, se, population], what="rows by quantile")
    named = [*keys, quantile]
    refuse(df, df.duplicated(named).to_numpy(), named, "Each group and quantile must be one row")
    order = order_of(df[quantile], what=quantile)
    place = pd.factorize(order.key, sort=True)[0]  # in the order that the labels mean, not of their letters
    sequence = np.lexsort((place, encode(df, keys)[0]))
    df, place = df.iloc[sequence].reset_index(drop=True), place[sequence]
    y = pd.to_numeric(df[value], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    refuse(df, ~np.isfinite(y), named, f"{value} must be a number")
    error, n = numbers(df, se, named), numbers(df, population, named, above=0)
    group, groups = encode(df, keys)

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(group, values, len(groups))

    share = n / total(n)[group]
    before = np.cumsum(share) - share
    rank = before - np.concatenate([[0.0], np.cumsum(total(share))[:-1]])[group] + share / 2
    centred = rank - total(share * rank)[group]
    spread = total(share * centred**2)
    few = np.bincount(group) < FEWEST_QUANTILES
    slope_part = share * centred / np.where(few, np.nan, spread)[group]
    first_part = share - slope_part * total(share * rank)[group]
    last_part = first_part + slope_part
    slope, first, last = total(slope_part * y), total(first_part * y), total(last_part * y)
    slope_se = np.sqrt(total((slope_part * error) ** 2))
    first_var, last_var = total((first_part * error) ** 2), total((last_part * error) ** 2)
    both = total(first_part * last_part * error**2)

    def slope_limits(level: float) -> Limits:
        half = special.ndtri((1 + level) / 2) * slope_se
        return slope - half, slope + half

    def ratio_limits(level: float) -> Limits:
        return fieller_limits(last, first, (last_var, first_var), both, special.ndtri((1 + level) / 2))

    relative = {f"rii_{name}": limit for name, limit in limit_columns(confidence, ratio_limits).items()}
    table = groups.assign(
        sii=slope,
        **limit_columns(confidence, slope_limits),
        rii=last / first,
        **relative,
        quantiles=np.bincount(group),
        method="weighted regression; Fieller for RII",
    )
    unbounded = table.filter(like="rii_").isna().any(axis=1)
    table["reason"] = np.select(
        [few, unbounded], ["fewer than 3 quantiles", "first end may be zero: no RII limits"], ""
    )
    labels = df.groupby(place)[quantile].first().astype(str)
    presence = np.zeros((len(groups), len(labels)), dtype=bool)
    presence[group, place] = True
    for row in map(int, np.flatnonzero(~presence.all(axis=1))):
        reasons = [str(table.loc[row, "reason"]), f"without {quantile} {', '.join(labels[~presence[row]])}"]
        table.loc[row, "reason"] = "; ".join(part for part in reasons if part)
    return Estimates(table, "Slope index of inequality", "sii", order.note)
