"""Statistical process control: XmR charts as NHS England's Making Data Count draws them.

Centre: the mean. Limits: ± 2.66 × the mean moving range (2.66 = 3/1.128, 1.128 = d₂ of ranges of two). Ranges of 3.267
× their mean or more (D₄) are screened out once before the limits are set. A point is special cause by any of four
rules.

References
----------
Shewhart WA. Economic control of quality of manufactured product. 1931. Wheeler DJ. Understanding variation. 2nd
edition, 2000. NHS England, Making Data Count: strengthening your decisions, 2019 (rules, icons, 12 points before limits
are more than provisional), and 2023 with its chart tool NHSRplotthedots 0.2 (which rule decides how a point is read).
Western Electric. Statistical quality control handbook. 1956.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from pathcost_lib import arguments
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.ordering import Order, order_of
from pathcost_lib.results import Result

__all__ = ["XmR", "XmRSeries", "xmr", "xmr_many"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

LIMIT, SCREEN, RUN, ENOUGH = 2.66, 3.267, 7, 12
RULES = ("outside a limit", "seven on one side", "seven rising or falling", "two of three near a limit")
#: Whose rule of two of three, and whose order of rules when a point is read.
RULE_SETS = ("nhs", "western_electric")


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
    note : str
        How text was read as periods, and periods that are not there; empty where there is nothing to say.
    """

    variation: str
    assurance: str
    provisional: bool
    note: str = ""

    @property
    def summary(self) -> str:
        """The icons in words."""
        caution = " Limits are provisional: fewer than 12 points." if self.provisional else ""
        words = {"no_target": "no target is set", "hit_or_miss": "the target may be hit or missed by chance"}
        aim = words.get(self.assurance, f"the process {self.assurance.replace('_', ' ')} its target")
        return f"Latest point: {self.variation.replace('_', ' ')}; {aim}.{caution} {self.note}".strip()


@dataclass(frozen=True, eq=False)
class XmRSeries(Result):
    """Many charts: `table` holds every point with its series' keys, `icons` one row per series (variation, assurance,
    provisional, note), `note` how the periods were read.
    """  # noqa: D205

    icons: pd.DataFrame
    note: str = ""

    @property
    def summary(self) -> str:
        """How many series show special cause, and how many lack periods."""
        special = int((~self.icons["variation"].isin(["common_cause", "no_data"])).sum())
        gaps = int(self.icons["note"].ne("").sum())
        lacking = f" {gaps} lack periods: see their note." if gaps else ""
        text = f"{len(self.icons):,} series; {special} show special cause at their latest point."
        return f"{text}{lacking} {self.note}".strip()


def xmr(
    values: ArrayLike | pd.Series,
    *,
    baseline: int | None = None,
    rebase: Hashable | Iterable[Hashable] = (),
    screen: bool = True,
    improvement: str = "neither",
    target: float | None = None,
    frequency: str | None = None,
    rules: str = "nhs",
) -> XmR:
    """Draw the limits of a series and judge each point.

    Parameters
    ----------
    values : array-like or Series
        In order of time; a Series keeps its index as `period`. Missing values are gaps: no range is taken across one,
        and a run ends.
    baseline : int, optional
        Set limits on so many points at the start of each segment, and hold them.
    rebase : label or iterable of labels
        Periods where a new segment starts, with its own limits. A label is looked up in the calendar of the index: a
        Period, a date, or text such as "2023-04" all mean April 2023 on a monthly index. Positions (from 0), if
        `values` has no index.
    screen : bool
        Leave out moving ranges of 3.267 × their mean or more, once.
    improvement : {"higher", "lower", "neither"}
        Direction of good.
    target : float, optional
        For the assurance icon.
    frequency : str, optional
        "D", "W", "M", "Q" or "Y": the index is dates, and periods without a value become gaps.
    rules : {"nhs", "western_electric"}
        How a point is read, and what two of three asks.

        - "nhs": the first of these that holds decides: outside a limit, trend, two of three, seven on one side. A trend
          is read by its own direction, from its first point to its last; the other rules by the side of the centre. Two
          of three asks that all three lie on one side and that two lie between two thirds of the way to a limit and the
          limit.
        - "western_electric": the side of the centre decides, and the direction of a trend only where no other rule
          holds. Two of three asks for two beyond two thirds of the way to the same limit, or beyond the limit itself;
          the third may lie anywhere.

    Raises
    ------
    InputError
        If there is no row, a value is infinite or text, a label is not in the index, or periods repeat, are out of
        order, or are text without an order.

    Notes
    -----
    Where we part from NHSRplotthedots 0.2 under either set: a constant series has its limits at its mean (there they
    are missing, so nothing can be special cause after it); a gap ends a run. Runs do not cross a rebase. With fewer
    than two neighbouring points there are no limits. A period that is not in the index is not a gap unless `frequency`
    is given: `note` says how many there are.

    Examples
    --------
    The mean of the first eight weeks is 50 and of their moving ranges 4, so that the limits are 50 ± 2.66 x 4. The last
    week is outside them.

    >>> import pathcost_lib as pc
    >>> chart = pc.xmr([48, 52, 48, 52, 48, 52, 48, 52, 65], baseline=8)
    >>> chart.table[["value", "centre", "lower", "upper", "special_cause"]].tail(2).round(2)
       value  centre  lower  upper  special_cause
    7   52.0    50.0  39.36  60.64          False
    8   65.0    50.0  39.36  60.64           True
    """
    series, order = _series(values)
    if order is not None and not order.key.is_monotonic_increasing:
        raise InputError("XmR: periods must be in order, each once. Sort the series by its index first.")
    return _chart(series, order, baseline, rebase, screen, improvement, target, frequency, rules)


def _chart(
    series: pd.Series,
    order: Order | None,
    baseline: int | None,
    rebase: Hashable | Iterable[Hashable],
    screen: bool,
    improvement: str,
    target: float | None,
    frequency: str | None,
    rules: str,
) -> XmR:
    """Draw one chart of a series that is in order; `order` is None where it has positions only."""
    require_one_of(improvement, ("higher", "lower", "neither"), what="improvement")
    require_one_of(rules, RULE_SETS, what="rules")
    if target is not None:
        target = arguments.number(target, "XmR: target")
    if baseline is not None:
        baseline = int(arguments.number(baseline, "XmR: baseline (points)", least=2, whole=True))
    series, order, note = _calendar(series, order, frequency)
    number = series.to_numpy()
    segment = _segments(series.index, order, rebase)
    centre, lower, upper = (np.full(len(number), np.nan) for _ in range(3))
    ranges = np.full(len(number), np.nan)
    provisional = np.zeros(len(number), dtype=bool)
    holds = np.zeros((len(RULES), len(number)), dtype=bool)
    moves = np.zeros(len(number))
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
        holds[:, at], moves[at] = _rules(number[at], middle, LIMIT * mean_range, rules)
    special = np.asarray(holds.any(axis=0), dtype=bool)
    direction = _direction(number, centre, holds, moves, rules)
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
            "rule": ["; ".join(name for name, hit in zip(RULES, column, strict=True) if hit) for column in holds.T],
            "reading": _readings(number, special, direction, improvement),
            "provisional": provisional,
            "reason": _reasons(number, upper),
        }
    )
    known = np.flatnonzero(~np.isnan(number))
    if not len(known):
        return XmR(table, "no_data", "no_target", True, note)
    point = table.iloc[known[-1]]
    variation = _variation(point, high=direction[known[-1]] > 0)
    return XmR(table, variation, _assurance(point, improvement, target), bool(point["provisional"]), note)


def xmr_many(
    table: pd.DataFrame,
    *,
    by: str | list[str],
    period: str,
    value: str,
    target: float | Mapping[Any, float] | None = None,
    baseline: int | None = None,
    rebase: Hashable | Iterable[Hashable] = (),
    screen: bool = True,
    improvement: str = "neither",
    frequency: str | None = None,
    rules: str = "nhs",
) -> XmRSeries:
    """Draw an XmR chart for each series of a long table.

    Parameters
    ----------
    table : DataFrame
        One row per series and period, in any order.
    by : str or list of str
        Columns that tell series apart.
    period, value : str
        Columns of the period and the value. Periods are numbers, dates, periods or ordered categories; text that is
        plainly months ("Apr-23") or years is read as such, and `note` says so.
    target : float or mapping, optional
        As `xmr`, or by series key (a tuple where there are several key columns).
    baseline, rebase, screen, improvement, frequency, rules
        As `xmr`.

    Raises
    ------
    InputError
        As `xmr`; also if a key or a period is missing in a row, a period comes twice in a series, or a target is for a
        series that is not there.
    """
    keys = arguments.as_list(by)
    arguments.require_columns(table, [*keys, period, value], what="rows for XmR charts")
    for column in keys:
        arguments.refuse(table, table[column].isna().to_numpy(), [], f"XmR: {column} must be known in every row")
    arguments.require_unique(table, [*keys, period], what="rows for XmR charts")
    order = order_of(table[period].reset_index(drop=True), what=period)
    order = Order(order.key.set_axis(table.index), order.kind, order.note)
    labels = pd.Series(
        list(table[keys].itertuples(index=False, name=None)) if len(keys) > 1 else table[keys[0]].tolist()
    )
    by_series = isinstance(target, Mapping)
    targets = arguments.mapping_of_numbers(target if by_series else None, "XmR: target", keys=labels.unique())  # type: ignore[arg-type]
    options = (baseline, rebase, screen, improvement)
    charts, icons, periods = [], [], order.key.nunique()
    rows = table.assign(**{_KEY: order.key.to_numpy()}).sort_values([*keys, _KEY], kind="stable")
    for key, part in rows.groupby(keys, sort=False, observed=True):
        label = key if len(keys) > 1 else key[0]
        names: dict[str, Any] = dict(zip(keys, key, strict=True))
        series, _ = _series(part[value].set_axis(range(len(part))))
        own = Order(part[_KEY].reset_index(drop=True), order.kind, "")
        aim = targets.get(label) if by_series else target
        chart = _chart(series.set_axis(pd.Index(part[period])), own, *options, aim, frequency, rules)  # type: ignore[arg-type]
        charts.append(chart.table.assign(**names))
        icon = {"variation": chart.variation, "assurance": chart.assurance, "provisional": chart.provisional}
        fewer = len(part) < periods
        lacking = f"{periods - len(part)} period(s) that other series have are not in this one." if fewer else ""
        icons.append(names | icon | {"note": f"{chart.note} {lacking}".strip()})
    points = pd.concat(charts, ignore_index=True)
    return XmRSeries(points[keys + [c for c in points.columns if c not in keys]], pd.DataFrame(icons), order.note)


#: Column of the order of periods while series are told apart; no published table has it.
_KEY = "_order_of_period"


def _series(values: ArrayLike | pd.Series) -> tuple[pd.Series, Order | None]:
    """Return the values as floats, and the order of their index (None where there are positions only)."""
    if not isinstance(values, pd.Series) and np.ndim(values) != 1:
        raise InputError("XmR: give a list of values in order of time, not one value or a table.")
    given = values if isinstance(values, pd.Series) else pd.Series(np.asarray(values))
    if not len(given):
        raise InputError("XmR: the series is empty.")
    number = pd.to_numeric(given, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    text = np.isnan(number) & given.notna().to_numpy()
    if text.any():
        raise InputError(
            f"XmR: {int(text.sum())} value(s) are not numbers, the first at position {int(text.argmax()) + 1}."
        )
    if np.isinf(number).any():
        raise InputError(f"XmR: {int(np.isinf(number).sum())} values are infinite.")
    series = pd.Series(number, index=given.index)
    if isinstance(given.index, pd.RangeIndex):
        return series, None
    if given.index.has_duplicates:
        raise InputError("XmR: periods must be in order, each once.")
    return series, order_of(pd.Series(given.index), what="period")


def _calendar(series: pd.Series, order: Order | None, frequency: str | None) -> tuple[pd.Series, Order | None, str]:
    """Return the series with gaps where `frequency` says that a period is missing, and a note of what is missing."""
    note = order.note if order is not None else ""
    if frequency is None:
        return series, order, f"{note} {_gaps(order)}".strip()
    require_one_of(frequency, ("D", "W", "M", "Q", "Y"), what="frequency")
    if order is None or order.kind != "date":
        raise InputError(f"XmR: frequency {frequency!r} needs periods that are dates.")
    dates = pd.PeriodIndex(pd.DatetimeIndex(order.key).to_period(frequency))
    if dates.has_duplicates:
        raise InputError(
            f"XmR: {int(dates.duplicated().sum())} dates fall in a period ({frequency}) that has one already."
        )
    whole = pd.period_range(dates[0], dates[-1], freq=frequency)
    # Keep the dates as they were given; only the gaps are named by the period.
    kept = dict(zip(dates, series.index, strict=True))
    index = pd.Index([kept.get(p, p if isinstance(series.index, pd.PeriodIndex) else p.start_time) for p in whole])
    full = pd.Series(series.set_axis(dates).reindex(whole).to_numpy(), index=index)
    return full, Order(pd.Series(whole.start_time), "date", order.note), note


def _gaps(order: Order | None) -> str:
    """Say how many steps between neighbouring periods are longer than the usual one; months differ in days."""
    if order is None or len(order.key) < 3:
        return ""
    key = order.key.to_numpy()
    steps = np.diff(key).astype("timedelta64[s]").astype(float) if order.kind == "date" else np.diff(key.astype(float))
    wide = steps > 1.5 * np.median(steps)
    if not wide.any():
        return ""
    return (
        f"Periods are missing in {int(wide.sum())} place(s): neighbours there are not one period apart, and a range "
        "is taken across. Give frequency to leave gaps."
    )


def _segments(index: pd.Index, order: Order | None, rebase: Hashable | Iterable[Hashable]) -> NDArray[np.int64]:
    lone = isinstance(rebase, str | pd.Period | date | int | float) or not isinstance(rebase, Iterable)
    labels: list[Hashable] = [rebase] if lone else list(rebase)  # type: ignore[arg-type,list-item]
    starts = np.zeros(len(index), dtype=np.int64)
    for label in labels:
        starts[_place(index, order, label)] = 1
    return np.cumsum(starts)


def _place(index: pd.Index, order: Order | None, label: Hashable) -> int:
    """Return the position of a label: itself, or the one period of the calendar that it names."""
    exact = [i for i, given in enumerate(index) if type(given) is type(label) and given == label]
    if exact:
        return exact[0]
    if order is not None and order.kind == "date":
        inside = _inside(index, order, label)
        if len(inside) == 1:
            return int(inside[0])
    elif isinstance(label, int | float | np.number) and not isinstance(label, bool):
        same = np.flatnonzero(np.asarray(index == label))
        if len(same) == 1:
            return int(same[0])
    names = [str(given)[:10] if isinstance(given, pd.Timestamp | date) else str(given) for given in index]
    allowed = ", ".join(names) if len(names) <= 36 else f"{names[0]} to {names[-1]}, such as {names[1]}"
    raise InputError(
        f"XmR: cannot rebase at {label}: there is no such period, or it names several. Allowed: {allowed}."
    )


def _inside(index: pd.Index, order: Order, label: Hashable) -> NDArray[np.int64]:
    """Return the positions whose date lies in the span that a label names, or whose own period holds its date."""
    try:
        if isinstance(label, str):
            read = order_of(pd.Series([label]), what="rebase")
            # "2023-04" and "Apr-23" are a month; a full date is a day.
            day = pd.Timestamp(read.key.iloc[0]) if read.kind == "date" else None
            whole_month = day is not None and day.day == 1 and not pd.Series([label]).str.contains(_DAY).any()
            span = None if day is None else day.to_period("M" if whole_month else "D")
        elif isinstance(label, pd.Period):
            span = label
        elif isinstance(label, date | np.datetime64):
            span = pd.Timestamp(label).to_period("D")
        else:
            span = None
    except (InputError, ValueError):
        span = None
    if span is None:
        return np.array([], dtype=np.int64)
    if isinstance(index, pd.PeriodIndex):
        starts, ends = index.start_time, index.end_time
    else:
        starts = ends = pd.DatetimeIndex(order.key)
    return np.flatnonzero((starts <= span.end_time) & (ends >= span.start_time))


#: Text that names a day, not a month: three parts.
_DAY = r"^\s*\d{1,4}[-/ ]\w+[-/ ]\d{1,4}\s*$"


def _mean_range(ranges: Array, screen: bool) -> float:
    known = ranges[~np.isnan(ranges)]
    if not len(known):
        return float("nan")
    mean = known.mean()
    # All ranges are 0 where the series is constant: nothing to screen, and the limits are at the mean.
    kept = known[known < SCREEN * mean] if screen and mean > 0 else known
    return float(kept.mean())


def _rules(value: Array, centre: float, half: float, rules: str) -> tuple[Flags, Array]:
    """Return which rules hold at each point (a row per rule), and the direction of the trend that it is part of."""
    side = np.sign(np.nan_to_num(value - centre))
    step = np.sign(np.nan_to_num(np.diff(value, prepend=np.nan)))
    with np.errstate(invalid="ignore"):
        outside = np.abs(value - centre) > half * (1 + 1e-12) + 1e-12 * abs(centre)
        near = np.where(np.abs(value - centre) > half * 2 / 3, side, 0.0) if half > 0 else np.zeros(len(value))
    two = _two_of_three(near) if rules == "western_electric" else _two_of_three_on_one_side(near * ~outside, side)
    moves = _trends(step)
    return np.array([outside, _runs(side, RUN), moves != 0, two]), moves


def _runs(sign: Array, length: int) -> Flags:
    """Return which points are in a run of at least `length` of one sign that is not 0."""
    change = np.flatnonzero(np.diff(sign, prepend=np.nan) != 0)
    sizes = np.diff(np.append(change, len(sign)))
    return np.asarray(np.repeat(sizes >= length, sizes) & (sign != 0))


def _trends(step: Array) -> Array:
    """Return the direction (1, -1) of the trend that a point is part of, else 0: at least seven that rise or fall.

    Seven points are six steps and the point before them. A turning point of two trends belongs to the later.
    """
    own = np.where(_runs(step, RUN - 1), step, 0.0)
    ahead = np.append(own[1:], 0.0)
    return np.where(ahead != 0, ahead, own)


def _two_of_three_on_one_side(near: Array, side: Array) -> Flags:
    """Return which points are near a limit, with another such point among three neighbours all on that side."""
    special = np.zeros(len(near), dtype=bool)
    if len(near) < 3:
        return special
    three, sides = (np.lib.stride_tricks.sliding_window_view(a, 3) for a in (near != 0, side))
    whole = (three.sum(axis=1) >= 2) & (np.abs(sides.sum(axis=1)) == 3)
    for offset in range(3):
        special[offset : len(near) - 2 + offset] |= whole
    return special & (near != 0)


def _two_of_three(near: Array) -> Flags:
    """Return which points are near a limit, with another near the same limit next to it or next but one."""
    signals = np.zeros(len(near), dtype=bool)
    for sign in (1.0, -1.0):
        here = near == sign
        close = np.zeros(len(near), dtype=bool)
        for gap in (1, 2):
            pair = here[gap:] & here[:-gap]
            close[gap:] |= pair
            close[:-gap] |= pair
        signals |= close
    return signals


def _readings(value: Array, special: Flags, direction: Array, improvement: str) -> list[str]:
    readings = np.full(len(value), "common cause", dtype=object)
    good = {"higher": 1, "lower": -1}.get(improvement, 0)
    readings[special] = "special cause" if good == 0 else "concern"
    if good:
        readings[special & (direction == good)] = "improvement"
    readings[np.isnan(value)] = "no data"
    return list(readings)


def _reasons(value: Array, upper: Array) -> list[str | None]:
    few = [None if known else "too few points for limits" for known in ~np.isnan(upper)]
    return ["no data" if gap else reason for gap, reason in zip(np.isnan(value), few, strict=True)]


def _direction(value: Array, centre: Array, holds: Flags, moves: Array, rules: str) -> Array:
    """Return 1 for high, -1 for low: the side of the centre, or the way of a trend where the trend decides."""
    side = np.where(np.nan_to_num(value - centre) < 0, -1.0, 1.0)
    outranked = holds[0] if rules == "nhs" else holds[[0, 1, 3]].any(axis=0)
    return np.where((moves != 0) & ~outranked, moves, side)


def _variation(point: pd.Series, *, high: bool) -> str:
    if not point["special_cause"]:
        return "common_cause"
    word = point["reading"] if point["reading"] in ("improvement", "concern") else "neither"
    return f"{word}_{'high' if high else 'low'}"


def _assurance(point: pd.Series, improvement: str, target: float | None) -> str:
    if target is None or improvement == "neither" or np.isnan(point["upper"]):
        return "no_target"
    worst, best = (point["lower"], point["upper"]) if improvement == "higher" else (-point["upper"], -point["lower"])
    aim = target if improvement == "higher" else -target
    return "consistently_hits" if worst >= aim else "consistently_misses" if best < aim else "hit_or_miss"
