"""The chart that a table names, worked out from its disclosed cells: Excel and PowerPoint draw the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pathcost_lib.present import style
from pathcost_lib.present.chart import KINDS
from pathcost_lib.present.format import LIMIT, interval, say, shortened, unit

__all__ = ["BASE", "NativeChart", "Series", "axis_of", "native_chart"]

#: More rows than these are not read, and fewer say nothing that the table does not; over time, more can be read.
_FEWEST, _MOST, _LONGEST = 2, 25, 60
_LONG_NAME = 44
#: The series that lifts the steps of a waterfall, and is not seen.
BASE = "Base (not drawn)"
_COLORS = (style.FOCUS, style.CATEGORIES[3][0], style.LESS, style.CATEGORIES[2][0], style.MORE, style.CATEGORIES[0][0])


@dataclass(frozen=True)
class Series:
    """One series: what it is called, its numbers by category (None: not shown), how far its limits lie below and above.

    `column` and `rows` say which cells of the table these are; both are None where the values are worked out.
    """

    name: str
    numbers: tuple[float | None, ...]
    color: str = style.FOCUS
    below: tuple[float, ...] = ()
    above: tuple[float, ...] = ()
    column: int | None = None
    rows: tuple[int, ...] = ()

    @property
    def in_one_range(self) -> bool:
        """Whether its cells stand below each other, so that one range of a sheet is all of them."""
        return bool(self.rows) and self.rows == tuple(range(self.rows[0], self.rows[0] + len(self.rows)))


@dataclass(frozen=True)
class NativeChart:
    """A chart as any office program draws it.

    Attributes
    ----------
    kind : str
        Of `present.chart.KINDS`.
    categories : tuple of str
        Names along the axis.
    series : tuple of Series
        In the order drawn.
    axis : tuple of float, float, float
        Ends of the axis of values, and its step.
    form, cells : str
        How the axis and the cells write numbers, as Excel has it.
    title : str
        What the axis of values measures.
    origin : float
        Where bars begin.
    says : str
        What it shows, for those who cannot see it.
    """

    kind: str
    categories: tuple[str, ...]
    series: tuple[Series, ...]
    axis: tuple[float, float, float]
    form: str
    cells: str
    title: str
    origin: float
    says: str

    @property
    def across(self) -> bool:
        """Whether its bars lie, with the names left of them."""
        return self.kind in ("bars", "stacked", "tornado", "waterfall")

    @property
    def keyed(self) -> bool:
        """Whether it needs a key: more than one series is seen, and they are not the steps of a waterfall."""
        return len(self.series) > 1 and self.kind != "waterfall"

    @property
    def stacked(self) -> bool:
        """Whether series stand on each other."""
        return self.kind in ("stacked", "stacked_columns", "waterfall")


def native_chart(payload: Mapping[str, Any]) -> NativeChart | None:
    """Return the chart that a table names, or None where it names none or too little of it may be shown.

    Too little: fewer than two rows, more than can be read, or fewer than half of the numbers; of a waterfall, any step
    that is missing, because all later ones would stand in the wrong place.
    """
    spec = payload.get("chart")
    if not spec:
        return None
    at = {c["key"]: n for n, c in enumerate(payload["columns"])}
    kept = [n for n, row in enumerate(payload["rows"]) if all(row[at[key]] == v for key, v in spec["where"].items())]
    drawn = _grouped(payload, spec, at, kept) if spec["by"] else _plain(payload, spec, at, kept)
    if drawn is None:
        return None
    categories, series = drawn
    over_time = spec["kind"] in ("lines", "columns", "stacked_columns")
    numbers = [value for one in series for value in one.numbers]
    known = [value for value in numbers if value is not None]
    # In a long table a category may have no row at all in a series: nothing is hidden there.
    cells = len(kept) * len(spec["series"]) if spec["by"] else len(numbers)
    many = len(categories) > (_LONGEST if over_time else _MOST)
    if len(categories) < _FEWEST or many or len(known) < max(_FEWEST, cells / 2):
        return None
    item = payload["columns"][at[spec["series"][0]]]
    text = _said(payload["title"], spec["kind"], item, categories, series)
    if spec["kind"] == "waterfall":
        if len(known) < len(numbers):
            return None
        categories, series = _waterfall(spec, categories, series[0])
    origin = float(spec["reference"]) if isinstance(spec["reference"], int | float) else 0.0
    axis = _axis(series, origin, stacked=spec["kind"] in ("stacked", "stacked_columns", "waterfall"))
    return NativeChart(
        kind=spec["kind"],
        categories=tuple(shortened(say(name), _LONG_NAME) for name in categories),
        series=tuple(series),
        axis=axis,
        form=_short(item, max(-axis[0], axis[1]), axis[2]),
        cells=_plain_form(item),
        title=_measure(spec, item, [one.name for one in series]),
        origin=origin,
        says=text,
    )


def _measure(spec: Mapping[str, Any], item: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return what the axis measures: the one series (though it is called otherwise), or what several have in common."""
    if spec["kind"] == "waterfall":
        return f"{item['heading']} ({item['unit']}); orange adds, teal takes away"
    several = {"£": "Pounds", "%": "Per cent"}.get(item["unit"], "")
    last = {name.rsplit(" ", 1)[-1] for name in names}
    heading = several or (last.pop().capitalize() if len(last) == 1 else "")
    if len(names) == 1 or spec.get("name"):
        heading = item["heading"]
    heading = heading or item["heading"]
    return f"{heading} ({item['unit']})" if item["unit"] in ("£", "%") else heading


def _plain(
    payload: Mapping[str, Any], spec: Mapping[str, Any], at: Mapping[str, int], kept: Sequence[int]
) -> tuple[list[str], list[Series]] | None:
    """Return categories and series of a table that has one row a category; None where a name stands twice."""
    categories = [_name(payload, n, at[spec["category"]]) for n in kept]
    if len(set(categories)) < len(categories):
        return None
    columns = [at[key] for key in spec["series"]]
    series = [_series(payload, column, kept, _COLORS[n % len(_COLORS)]) for n, column in enumerate(columns)]
    if spec.get("name") and len(series) == 1:
        series = [replace(series[0], name=spec["name"])]
    if isinstance(spec["reference"], str) and spec["reference"]:
        series.append(_series(payload, at[spec["reference"]], kept, style.MUTED))
    return categories, series


def _grouped(
    payload: Mapping[str, Any], spec: Mapping[str, Any], at: Mapping[str, int], kept: Sequence[int]
) -> tuple[list[str], list[Series]] | None:
    """Return categories and series of a long table: a series for each value of `by` (and each column, if several)."""
    names = [_name(payload, n, at[spec["category"]]) for n in kept]
    groups = [_name(payload, n, at[spec["by"]]) for n in kept]
    where = dict(zip(zip(names, groups, strict=True), kept, strict=True))
    if len(where) < len(kept):
        return None
    categories, series = list(dict.fromkeys(names)), list[Series]()
    for group in dict.fromkeys(groups):
        for key in spec["series"]:
            cells = [where.get((name, group)) for name in categories]
            heading = payload["columns"][at[key]]["heading"]
            series.append(
                Series(
                    f"{say(group)}: {heading.lower()}" if len(spec["series"]) > 1 else say(group),
                    tuple(None if n is None else _number(payload["rows"][n][at[key]]) for n in cells),
                    _COLORS[len(series) % len(_COLORS)],
                    column=at[key],
                    rows=() if None in cells else tuple(n for n in cells if n is not None),
                )
            )
    return categories, series


def _name(payload: Mapping[str, Any], row: int, column: int) -> str:
    value, item = payload["rows"][row][column], payload["columns"][column]
    return unit(item["kind"]).form(value) if item["number"] and not isinstance(value, str) else str(value)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _series(payload: Mapping[str, Any], column: int, kept: Sequence[int], color: str) -> Series:
    """Return a column as a series, with the limits that stand after it."""
    columns, rows = payload["columns"], payload["rows"]
    values = tuple(_number(rows[n][column]) for n in kept)
    below, above = tuple[float, ...](), tuple[float, ...]()
    following = [str(c["key"]) for c in columns[column + 1 : column + 3]]
    if len(following) == 2 and all(LIMIT.search(key) for key in following):
        ends = [[_number(rows[n][column + step]) for n in kept] for step in (1, 2)]
        pairs = list(zip(values, *ends, strict=True))
        # No limit where the value or the limit is hidden: nothing is drawn there.
        below = tuple(v - low if v is not None and low is not None else 0.0 for v, low, _ in pairs)
        above = tuple(high - v if v is not None and high is not None else 0.0 for v, _, high in pairs)
    return Series(columns[column]["heading"], values, color, below, above, column, tuple(kept))


def _waterfall(spec: Mapping[str, Any], categories: Sequence[str], steps: Series) -> tuple[list[str], list[Series]]:
    """Return the series of a waterfall: an unseen base, what adds, what takes away, and whole amounts.

    Each bar runs from where the one before ended. One that crosses zero is two pieces, one on each side.
    """
    last, running = len(steps.numbers) - 1, 0.0
    bars: list[tuple[str, float, float]] = []
    for n, value in enumerate(steps.numbers):
        assert value is not None
        if ("first" in spec["whole"] and n == 0) or ("last" in spec["whole"] and n == last):
            bars.append(("Whole amount", 0.0, value))
            running = value
        else:
            bars.append(("More" if value >= 0 else "Less", running, running + value))
            running += value
    names = [*categories]
    if spec["total"]:
        names.append(spec["total"])
        bars.append(("Whole amount", 0.0, running))
    ends = [(min(a, b), max(a, b)) for _, a, b in bars]
    base = tuple(low if low > 0 else high if high < 0 else 0.0 for low, high in ends)
    series = [Series(BASE, base, "")]
    for kind, color in (("Whole amount", style.FOCUS), ("More", style.MORE), ("Less", style.LESS)):
        mine = [ends[n] if bars[n][0] == kind else None for n in range(len(bars))]
        up = tuple(None if e is None else max(e[1], 0.0) - max(e[0], 0.0) for e in mine)
        down = tuple(None if e is None else min(e[0], 0.0) - min(e[1], 0.0) for e in mine)
        series += [Series(kind, side, color) for side in (up, down) if any(side)]
    return names, series


def _axis(series: Sequence[Series], origin: float, *, stacked: bool) -> tuple[float, float, float]:
    """Return the ends of the axis, with room for labels, and its step, round. It holds zero, or where bars begin.

    Left to itself an axis may begin just below the least bar, and make a little look like much.
    """
    if stacked:
        columns = list(zip(*(one.numbers for one in series), strict=True))
        most = [sum(v for v in values if v is not None and v > 0) for values in columns]
        least = [sum(v for v in values if v is not None and v < 0) for values in columns]
        amounts = [*most, *least]
    else:
        amounts = [v + s for one in series for v, s in _reach(one)]
    return axis_of(amounts, origin)


def _reach(series: Series) -> list[tuple[float, float]]:
    sides = [(0.0,) * len(series.numbers), tuple(-b for b in series.below), series.above]
    return [(v, s) for side in sides for v, s in zip(series.numbers, side, strict=False) if v is not None]


def axis_of(values: Sequence[float], origin: float = 0.0) -> tuple[float, float, float]:
    """Return ends and step of an axis for these values and where bars begin."""
    low, high = min([origin, *values]), max([origin, *values])
    rough = (high - low or 1.0) / 5
    size = 10.0 ** math.floor(math.log10(rough))
    step = size * next(n for n in (1, 2, 5, 10) if n * size >= rough * 0.999)
    # A label stands outside its bar, and names stand left of the axis.
    low, high = origin + 1.15 * (low - origin), origin + 1.08 * (high - origin)
    low, high = step * math.floor(low / step + 1e-9), step * math.ceil(high / step - 1e-9)
    return low, high if high > low else low + step, step


def _short(item: Mapping[str, Any], most: float, step: float) -> str:
    """Return the number format of an axis: pounds in thousands or millions where they would be long."""
    if item["kind"] != "gbp" or most < 10_000:
        return _plain_form(item)
    size, letter, commas = (1e6, "m", ",,") if most >= 1e6 else (1e3, "k", ",")
    form = f'£0{"" if step >= size else ".0"}{commas}"{letter}"'
    return f"{form};-{form};£0"


def _plain_form(item: Mapping[str, Any]) -> str:
    """Return a column's number format without conditions: slides write it into markup, where "<" means more."""
    return "0.0" if "<" in item["excel"] else str(item["excel"])


def _said(title: str, kind: str, item: Mapping[str, Any], categories: Sequence[str], series: Sequence[Series]) -> str:
    """Return the alternative text: each series with each row's number and interval, as the table shows them."""
    form = unit(item["kind"]).form
    parts = []
    for one in series:
        rows = []
        for n, (name, value) in enumerate(zip(categories, one.numbers, strict=True)):
            text = form(value) if value is not None else "not shown"
            if value is not None and one.below and (one.below[n] or one.above[n]):
                text += f" ({interval(value - one.below[n], value + one.above[n], form)})"
            rows.append(f"{say(name)} {text}")
        parts.append(f"{one.name}: {', '.join(rows)}")
    mark = " (%)" if item["unit"] == "%" else ""
    return f"{title}. {KINDS[kind]}{mark}. {'; '.join(parts)}."
