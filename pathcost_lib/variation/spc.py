"""Statistical process control: XmR charts as NHS England's Making Data Count draws them.

Centre: the mean. Limits: ± 2.66 × the mean moving range (2.66 = 3/1.128, 1.128 = d₂ of ranges of two). Ranges of 3.267
× their mean or more (D₄) are screened out once before the limits are set. A point is special cause by any of four
rules.

References
----------
Shewhart WA. Economic control of quality of manufactured product. 1931. Wheeler DJ. Understanding variation. 2nd
edition, 2000. NHS England, Making Data Count: strengthening your decisions, 2019 (rules, icons, 12 points before limits
are more than provisional).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.results import Result

__all__ = ["XmR", "XmRSeries", "xmr", "xmr_many"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

LIMIT, SCREEN, RUN, ENOUGH = 2.66, 3.267, 7, 12
RULES = ("outside a limit", "seven on one side", "seven rising or falling", "two of three near a limit")


@dataclass(frozen=True, eq=False)
class XmR(Result):
    """An XmR chart.

    Attributes
    ----------
    table : DataFrame
        One row per point: period, value, centre, lower, upper, moving_range, segment, special_cause, rule (those that
        hold, "; " between), reading (common cause, improvement, concern, special cause, no data), provisional, reason
        (where there are no limits).
    variation : str
        Icon of the latest point: common_cause, no_data, or improvement, concern or neither with _high or _low.
    assurance : str
        Icon against the target: consistently_hits, consistently_misses, hit_or_miss, no_target.
    provisional : bool
        The latest limits rest on fewer than 12 points.
    """

    variation: str
    assurance: str
    provisional: bool

    @property
    def summary(self) -> str:
        """The icons in words."""
        caution = " Limits are provisional: fewer than 12 points." if self.provisional else ""
        words = {"no_target": "no target is set", "hit_or_miss": "the target may be hit or missed by chance"}
        aim = words.get(self.assurance, f"the process {self.assurance.replace('_', ' ')} its target")
        return f"Latest point: {self.variation.replace('_', ' ')}; {aim}.{caution}"


@dataclass(frozen=True, eq=False)
class XmRSeries(Result):
    """Many charts: `table` holds every point with its series' keys, `icons` one row per series."""

    icons: pd.DataFrame

    @property
    def summary(self) -> str:
        """How many series show special cause."""
        special = int((~self.icons["variation"].isin(["common_cause", "no_data"])).sum())
        return f"{len(self.icons):,} series; {special} show special cause at their latest point."


def xmr(
    values: ArrayLike | pd.Series,
    *,
    baseline: int | None = None,
    rebase: Iterable[Hashable] = (),
    screen: bool = True,
    improvement: str = "neither",
    target: float | None = None,
    frequency: str | None = None,
) -> XmR:
    """Draw the limits of a series and judge each point.

    Parameters
    ----------
    values : array-like or Series
        In order of time; a Series keeps its index as `period`. Missing values are gaps: no range is taken across one,
        and a run ends.
    baseline : int, optional
        Set limits on so many points at the start of each segment, and hold them.
    rebase : iterable of labels
        Index labels (positions, if `values` has no index) where a new segment starts, with its own limits.
    screen : bool
        Leave out moving ranges of 3.267 × their mean or more, once.
    improvement : {"higher", "lower", "neither"}
        Direction of good.
    target : float, optional
        For the assurance icon.
    frequency : str, optional
        "D", "W", "M", "Q" or "Y": the index is dates, and periods without a value become gaps.

    Raises
    ------
    InputError
        If there is no row, a value is infinite, a label is not in the index, or dates repeat or are out of order.

    Notes
    -----
    Where we part from NHSRplotthedots 0.2: a constant series has its limits at its mean (there they are missing, so
    nothing can be special cause after it); a gap ends a run; for two of three near a limit, points beyond the limit
    count as near it, both must be near the same limit, and the third may lie anywhere (Western Electric 1956). Runs do
    not cross a rebase. With fewer than two neighbouring points there are no limits.
    """
    require_one_of(improvement, ("higher", "lower", "neither"), what="improvement")
    series = _series(values, frequency)
    number = series.to_numpy()
    segment = _segments(series.index, list(rebase))
    if baseline is not None and baseline < 2:
        raise InputError(f"XmR: a baseline needs at least 2 points, not {baseline}.")
    centre, lower, upper = (np.full(len(number), np.nan) for _ in range(3))
    ranges = np.full(len(number), np.nan)
    provisional = np.zeros(len(number), dtype=bool)
    holds = np.zeros((len(RULES), len(number)), dtype=bool)
    for part in np.unique(segment):
        at = np.flatnonzero(segment == part)
        ranges[at[1:]] = np.abs(np.diff(number[at]))
        used = at[~np.isnan(number[at])][:baseline]
        if not len(used):
            continue
        counted = ranges[at[0] + 1 : used[-1] + 1]
        # About the first value, so that rounding does not put a constant series beside its own mean.
        middle = number[used[0]] + (number[used] - number[used[0]]).mean()
        mean_range = _mean_range(counted, screen)
        centre[at], lower[at], upper[at] = middle, middle - LIMIT * mean_range, middle + LIMIT * mean_range
        provisional[at] = len(used) < ENOUGH
        holds[:, at] = _rules(number[at], middle, LIMIT * mean_range)
    special = np.asarray(holds.any(axis=0), dtype=bool)
    table = pd.DataFrame(
        {
            "period": series.index,
            "value": number,
            "centre": centre,
            "lower": lower,
            "upper": upper,
            "moving_range": ranges,
            "segment": segment,
            "special_cause": special,
            "rule": ["; ".join(name for name, held in zip(RULES, column, strict=True) if held) for column in holds.T],
            "reading": _readings(number, centre, special, holds, improvement),
            "provisional": provisional,
            "reason": _reasons(number, upper),
        }
    )
    known = np.flatnonzero(~np.isnan(number))
    if not len(known):
        return XmR(table, "no_data", "no_target", True)
    point = table.iloc[known[-1]]
    return XmR(table, _variation(point), _assurance(point, improvement, target), bool(point["provisional"]))


def xmr_many(table: pd.DataFrame, *, by: str | list[str], period: str, value: str, **options: Any) -> XmRSeries:
    """Draw an XmR chart for each series of a long table.

    Parameters
    ----------
    table : DataFrame
        One row per series and period.
    by : str or list of str
        Columns that tell series apart.
    period, value : str
        Columns of the period and the value.
    **options
        As `xmr`. `target` may be a mapping from series key to target.
    """
    keys = [by] if isinstance(by, str) else list(by)
    missing = [c for c in (*keys, period, value) if c not in table.columns]
    if missing:
        raise InputError(f"XmR: the table has no column {', '.join(missing)}.")
    targets = options.pop("target", None)
    charts, icons = [], []
    for key, part in table.sort_values([*keys, period], kind="stable").groupby(keys, sort=False):
        label = key if len(keys) > 1 else key[0]
        target = targets.get(label) if hasattr(targets, "get") else targets
        chart = xmr(part.set_index(period)[value], target=target, **options)
        names: dict[str, Any] = dict(zip(keys, key, strict=True))
        charts.append(chart.table.assign(**names))
        icons.append(
            names | {"variation": chart.variation, "assurance": chart.assurance, "provisional": chart.provisional}
        )
    if not charts:
        raise InputError("XmR: the table has no rows.")
    points = pd.concat(charts, ignore_index=True)
    return XmRSeries(points[keys + [c for c in points.columns if c not in keys]], pd.DataFrame(icons))


def _series(values: ArrayLike | pd.Series, frequency: str | None) -> pd.Series:
    series = values if isinstance(values, pd.Series) else pd.Series(np.asarray(values, dtype=float))
    series = pd.Series(series.to_numpy(dtype=float, na_value=np.nan), index=series.index)
    if not len(series):
        raise InputError("XmR: the series is empty.")
    if np.isinf(series).any():
        raise InputError(f"XmR: {int(np.isinf(series).sum())} values are infinite.")
    if series.index.has_duplicates or not series.index.is_monotonic_increasing:
        raise InputError("XmR: periods must be in order, each once.")
    if frequency is None:
        return series
    require_one_of(frequency, ("D", "W", "M", "Q", "Y"), what="frequency")
    dates = (
        pd.PeriodIndex(series.index, freq=frequency)
        if not isinstance(series.index, pd.PeriodIndex)
        else series.index.asfreq(frequency)
    )
    if dates.has_duplicates:
        raise InputError(
            f"XmR: {int(dates.duplicated().sum())} dates fall in a period ({frequency}) that has one already."
        )
    whole = pd.period_range(dates[0], dates[-1], freq=frequency)
    # Keep the dates as they were given; only the gaps are named by the period.
    kept = dict(zip(dates, series.index, strict=True))
    index = pd.Index([kept.get(p, p if isinstance(series.index, pd.PeriodIndex) else p.start_time) for p in whole])
    return pd.Series(series.set_axis(dates).reindex(whole).to_numpy(), index=index)


def _segments(index: pd.Index, rebase: list[Hashable]) -> NDArray[np.int64]:
    if isinstance(index, pd.DatetimeIndex):
        rebase = [pd.Timestamp(label) for label in rebase]  # type: ignore[arg-type]
    unknown = [str(label) for label in rebase if label not in index]
    if unknown:
        raise InputError(f"XmR: cannot rebase at {', '.join(unknown)}: there is no such period.")
    starts = np.zeros(len(index), dtype=np.int64)
    starts[index.get_indexer(pd.Index(rebase))] = 1 if rebase else 0
    return np.cumsum(starts)


def _mean_range(ranges: Array, screen: bool) -> float:
    known = ranges[~np.isnan(ranges)]
    if not len(known):
        return float("nan")
    mean = known.mean()
    # All ranges are 0 where the series is constant: nothing to screen, and the limits are at the mean.
    kept = known[known < SCREEN * mean] if screen and mean > 0 else known
    return float(kept.mean())


def _rules(value: Array, centre: float, half: float) -> Flags:
    side = np.sign(np.nan_to_num(value - centre))
    step = np.sign(np.nan_to_num(np.diff(value, prepend=np.nan)))
    with np.errstate(invalid="ignore"):
        outside = np.abs(value - centre) > half * (1 + 1e-12) + 1e-12 * abs(centre)
        near = np.where(np.abs(value - centre) > half * 2 / 3, side, 0.0) if half > 0 else np.zeros(len(value))
    return np.array([outside, _runs(side, RUN), _trends(step), _two_of_three(near)])


def _runs(sign: Array, length: int) -> Flags:
    """Return which points are in a run of at least `length` of one sign that is not 0."""
    change = np.flatnonzero(np.diff(sign, prepend=np.nan) != 0)
    sizes = np.diff(np.append(change, len(sign)))
    return np.asarray(np.repeat(sizes >= length, sizes) & (sign != 0))


def _trends(step: Array) -> Flags:
    """Return which points are among at least seven that rise or fall: six steps and the point before them."""
    inside = _runs(step, RUN - 1)
    return inside | np.append(inside[1:] & ~inside[:-1], False)


def _two_of_three(near: Array) -> Flags:
    found = np.zeros(len(near), dtype=bool)
    for sign in (1.0, -1.0):
        here = near == sign
        close = np.zeros(len(near), dtype=bool)
        for gap in (1, 2):
            pair = here[gap:] & here[:-gap]
            close[gap:] |= pair
            close[:-gap] |= pair
        found |= close
    return found


def _readings(value: Array, centre: Array, special: Flags, holds: Flags, improvement: str) -> list[str]:
    readings = np.full(len(value), "common cause", dtype=object)
    direction = _direction(value, centre, holds)
    good = {"higher": 1, "lower": -1}.get(improvement, 0)
    readings[special] = "special cause" if good == 0 else "concern"
    if good:
        readings[special & (direction == good)] = "improvement"
    readings[np.isnan(value)] = "no data"
    return list(readings)


def _reasons(value: Array, upper: Array) -> list[str | None]:
    few = [None if known else "too few points for limits" for known in ~np.isnan(upper)]
    return ["no data" if gap else reason for gap, reason in zip(np.isnan(value), few, strict=True)]


def _direction(value: Array, centre: Array, holds: Flags) -> Array:
    """Return 1 for high, -1 for low: the side of the centre, or the way it moves where a trend alone is special."""
    side = np.where(np.nan_to_num(value - centre) < 0, -1.0, 1.0)
    step = np.sign(np.nan_to_num(np.diff(value, prepend=np.nan)))
    ahead = np.append(step[1:], 0.0)
    only_trend = holds[2] & ~holds[[0, 1, 3]].any(axis=0)
    moving = np.where(step != 0, step, ahead)
    return np.where(only_trend & (moving != 0), moving, side)


def _variation(point: pd.Series) -> str:
    if not point["special_cause"]:
        return "common_cause"
    height = "high" if point["value"] >= point["centre"] else "low"
    word = point["reading"] if point["reading"] in ("improvement", "concern") else "neither"
    return f"{word}_{height}"


def _assurance(point: pd.Series, improvement: str, target: float | None) -> str:
    if target is None or improvement == "neither" or np.isnan(point["upper"]):
        return "no_target"
    worst, best = (point["lower"], point["upper"]) if improvement == "higher" else (-point["upper"], -point["lower"])
    aim = target if improvement == "higher" else -target
    return "consistently_hits" if worst >= aim else "consistently_misses" if best < aim else "hit_or_miss"
