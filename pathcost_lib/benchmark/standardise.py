"""Directly and indirectly standardised rates and ratios with limits, for any number of groups at once.

Strata are joined by key, never by row order. Methods follow Public Health England's "Technical Guide: assigning
confidence intervals to public health indicators" (2018) and APHO Technical Briefing 3; docstrings say where not.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pathcost_lib.arguments import as_list, encode, match, number, numbers, refuse, require_columns
from pathcost_lib.benchmark.estimates import Estimates, Keys, Levels, few_events_rule, several_each, withhold
from pathcost_lib.benchmark.standards import standard_weights
from pathcost_lib.intervals import EXACT_BELOW, Limits, limit_columns, poisson_limits

__all__ = ["directly_standardised_rate", "indirectly_standardised_ratio"]

NAMED = 8  # strata named in a reason; the rest are counted


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
    event_frequency: str | None = None,
    few_events: str = "mark",
) -> Estimates:
    """Return directly standardised rates: what each group's rates would give in one standard population.

    Parameters
    ----------
    df : DataFrame
        One row per group and stratum. A stratum without events is a row with 0 events, not a missing row. A stratum
        with neither people nor events adds nothing to the rate (its weight stays), and the reason says so.
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
    event_frequency : str, optional
        Column of events a person, where one person may have several (admissions): rows are then one per group,
        stratum and number of events, and `events` counts the people who had that many. The limits are wider.
    few_events : "mark" or "withhold"
        Whether a rate of fewer than ten events is given and marked, or withheld, as PHEindicatormethods does.

    Returns
    -------
    Estimates
        by, value, lower_95, upper_95, events, population, method, reason. NaN with the reason where a group lacks a
        stratum, or has events in a stratum without people; the other groups are kept.

    Raises
    ------
    InputError
        Negative or missing population or events, a stratum twice, or strata that the standard lacks. The keys are
        named.

    Notes
    -----
    Dobson, Kuulasmaa, Eberle and Scherer, Statistics in Medicine 1991;10:457, on the Poisson limits of the total
    events: Byar, exact under ten. Without events that interval is undefined; the upper limit is then Fay and Feuer's
    (Statistics in Medicine 1997;16:791): the exact limit, 3.69 events at 95 %, at the largest stratum weight. With
    `event_frequency` the variance of a stratum's events is the sum of f^2 n_f (`estimates.several_each`), as in
    PHEindicatormethods 2.1.

    Examples
    --------
    Both areas have 10 events per 1,000 young people and 40 per 1,000 old. In a standard of three young to one old that
    is (3 x 10 + 1 x 40) / 4 = 17.5, though the crude rates are 13 and 37.

    >>> import pandas as pd
    >>> import pathcost_lib as pc
    >>> people = pd.DataFrame({
    ...     "area": ["North", "North", "South", "South"],
    ...     "age": ["young", "old", "young", "old"],
    ...     "events": [90, 40, 10, 360],
    ...     "persons": [9_000, 1_000, 1_000, 9_000],
    ... })
    >>> standard = pd.DataFrame({"age": ["young", "old"], "weight": [3, 1]})
    >>> rates = pc.directly_standardised_rate(
    ...     people, by="area", events="events", population="persons", strata="age", standard=standard, per=1_000
    ... )
    >>> rates.table[["area", "value", "lower_95", "upper_95"]].round(1)
        area  value  lower_95  upper_95
    0  North   17.5      14.2      21.3
    1  South   17.5      12.9      22.5
    """
    group_keys, strata_keys = as_list(by), as_list(strata)
    keys = [*group_keys, *strata_keys]
    require_columns(df, [*keys, events, population], what="rows to standardise")
    per, withheld = number(per, "per (multiplier)", above=0), few_events_rule(few_events)
    df, x, squares = several_each(df, keys, events, population, event_frequency)
    n = numbers(df, population, keys)
    group, groups = encode(df, group_keys)
    stratum, strata_rows = encode(df, strata_keys)
    full = standard_weights(strata_rows, standard)
    place = match(strata_rows, full, strata_keys, what="standard population")
    cell = group * len(full) + place[stratum]
    shape = (len(groups), len(full))
    rows = np.bincount(cell, minlength=shape[0] * shape[1])
    refuse(df, rows[cell] > 1, keys, "Each group and stratum must be one row")

    weight = full["weight"].to_numpy(dtype=float)
    factor = (weight / weight.sum())[place[stratum]] / np.where(n > 0, n, np.inf)
    value = np.bincount(group, factor * x, len(groups))
    variance = np.bincount(group, factor**2 * squares, len(groups))
    total = np.bincount(group, x, len(groups))
    largest = np.zeros(len(groups))
    np.maximum.at(largest, group, factor)
    missing = rows.reshape(shape) == 0
    nobody, impossible = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    nobody.flat[cell[n == 0]] = True
    impossible.flat[cell[(n == 0) & (x > 0)]] = True
    incomplete = np.asarray((missing | impossible).any(axis=1))
    none = total == 0

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
    table = withhold(table, "value", total) if withheld else table
    for where, words in ((nobody, "no people in"), (missing, "missing strata"), (impossible, "events without people")):
        _say(table, where, full[strata_keys], words)
    return Estimates(table, f"Directly standardised rate per {per:,.0f}")


def _say(table: pd.DataFrame, where: np.ndarray, strata: pd.DataFrame, words: str) -> None:
    """Name the strata of each group in its reason, graver words in place of lighter ones."""
    for row in map(int, np.flatnonzero(where.any(axis=1))):
        names = strata[where[row]].astype(str).agg("/".join, axis=1).tolist()
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        table.loc[row, "reason"] = f"{words}: {', '.join(names[:NAMED])}{more}"


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
    few_events: str = "mark",
) -> Estimates:
    """Return observed events over those expected at reference rates (1 = as expected).

    Parameters
    ----------
    df : DataFrame
        One row per group and stratum; a stratum that a group does not have adds nothing to its expected events, and
        the reason names it.
    by, strata, observed, population : str or list of str
        Columns, as in `directly_standardised_rate`.
    reference : DataFrame, optional
        Strata columns and `rate` (events per person); without it the pooled rates of the groups in `df` that can be
        computed.
    confidence : float or several
    few_events : "mark" or "withhold"
        As in `directly_standardised_rate`.

    Returns
    -------
    Estimates
        by, observed, expected, ratio, lower_95, upper_95, method, reason. A stratum with neither people nor events
        adds nothing; a group with events in a stratum without people has no ratio, with the reason.

    Raises
    ------
    InputError
        Negative or missing population or events, a stratum twice in a group, or a stratum that the reference lacks:
        with the keys.

    Notes
    -----
    Byar's limits of the observed events over the expected, exact under ten (PHE Technical Guide, 2018). The reference
    is joined by key; PHEindicatormethods joins it by row order, which is wrong whenever rows are sorted otherwise.
    The reference rates are taken as known.
    """
    group_keys, strata_keys = as_list(by), as_list(strata)
    keys = [*group_keys, *strata_keys]
    require_columns(df, [*keys, observed, population], what="rows to standardise")
    withheld = few_events_rule(few_events)
    x, n = numbers(df, observed, keys), numbers(df, population, keys)
    named = [*dict.fromkeys(keys)]
    refuse(df, df.duplicated(named, keep=False).to_numpy(), named, "Each group and stratum must be one row")
    group, groups = encode(df, group_keys)
    stratum, strata_rows = encode(df, strata_keys)
    impossible = np.zeros((len(groups), len(strata_rows)), dtype=bool)
    impossible[group, stratum] = (n == 0) & (x > 0)
    lost = np.asarray(impossible.any(axis=1))
    if reference is None:
        kept = np.where(lost[group], 0.0, 1.0)
        everyone = np.bincount(stratum, kept * n, len(strata_rows))
        rates = np.bincount(stratum, kept * x, len(strata_rows)) / np.where(everyone > 0, everyone, np.inf)
    else:
        require_columns(reference, [*strata_keys, "rate"], what="reference rates' rows")
        place = match(strata_rows, reference, strata_keys, what="reference rates")
        refuse(strata_rows, place < 0, strata_keys, "The reference rates lack")
        rates = numbers(reference, "rate", strata_keys)[place]
    total = np.bincount(group, x, len(groups))
    expected = np.bincount(group, n * rates[stratum], len(groups))
    none = expected == 0
    divisor = np.where(none | lost, np.nan, expected)

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
    table = withhold(table, "ratio", total) if withheld else table
    own = [key for key in strata_keys if key not in group_keys]  # a stratum of another group's own key is not missing
    if own:
        part, parts = encode(df, own)
        lacking = np.ones((len(groups), len(parts)), dtype=bool)
        lacking[group, part] = False
        _say(table, lacking, parts, "missing strata, which add nothing")
    _say(table, impossible, strata_rows, "events without people")
    return Estimates(table, "Indirectly standardised ratio", "ratio")
