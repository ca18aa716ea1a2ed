"""Which tables a native chart suits, and which of their columns it shows: Excel and PowerPoint draw the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pathcost_lib.present.format import LIMIT, say, unit

__all__ = ["axis_of", "chart_of", "describe_chart"]

#: More bars than these are not read, and fewer say nothing that the table does not.
_FEWEST, _MOST = 2, 25
_MONEY_OR_SHARE = ("gbp", "pct")


def chart_of(payload: Mapping[str, Any]) -> int | None:
    """Return the column that a bar chart by row would show, or None where a chart does not suit the table.

    A table suits that names each row once in its first column and holds a measure in pounds or per cent, of which at
    least two numbers are shown: the first with an interval, else the first in pounds, else a share that comes first.
    """
    columns, rows = payload["columns"], payload["rows"]
    names = [row[0] for row in rows]
    if not _FEWEST <= len(rows) <= _MOST or columns[0]["number"] or len({*names}) < len(names):
        return None
    numbers = [n for n, c in enumerate(columns) if c["number"]]
    measures = [n for n in numbers if columns[n]["kind"] in _MONEY_OR_SHARE and not LIMIT.search(columns[n]["key"])]
    shown = [n for n in measures if sum(isinstance(row[n], int | float) for row in rows) >= _FEWEST]
    # What has an interval is what the table is about; then pounds; a share only where it comes first.
    sure = [n for n in shown if n + 1 in numbers and LIMIT.search(columns[n + 1]["key"])]
    pounds = [n for n in shown if columns[n]["kind"] == "gbp"]
    return next(iter([*sure, *pounds, *(n for n in shown if n == numbers[0])]), None)


def axis_of(payload: Mapping[str, Any], series: int) -> tuple[float, float, float, str]:
    """Return the axis: its ends, from zero, with room for labels; its step, round; and how Excel writes its numbers.

    Left to itself an axis may begin just below the least bar, and make a little look like much.
    """
    shown = [float(row[series]) for row in payload["rows"] if isinstance(row[series], int | float)]
    low, high = min([0.0, *shown]), max([0.0, *shown])
    rough = (high - low or 1.0) / 5
    size = 10.0 ** math.floor(math.log10(rough))
    step = size * next(n for n in (1, 2, 5, 10) if n * size >= rough * 0.999)
    # A label stands outside its bar, and names stand left of the axis.
    low, high = (1.15 * low if low else 0.0), 1.08 * high
    low, high = step * math.floor(low / step), step * math.ceil(high / step)
    return low, high if high > low else step, step, _short(payload["columns"][series], max(-low, high), step)


def _short(item: Mapping[str, Any], most: float, step: float) -> str:
    """Return the number format of an axis: pounds in thousands or millions where they would be long."""
    if item["kind"] != "gbp" or most < 10_000:
        return str(item["excel"])
    size, letter, commas = (1e6, "m", ",,") if most >= 1e6 else (1e3, "k", ",")
    form = f'£0{"" if step >= size else ".0"}{commas}"{letter}"'
    return f"{form};-{form};£0"


def describe_chart(payload: Mapping[str, Any], series: int) -> str:
    """Return the alternative text of such a chart: each row's name with its number as the table shows it."""
    item = payload["columns"][series]
    form = unit(item["kind"]).form
    rows = (f"{say(r[0])} {r[series] if isinstance(r[series], str) else form(r[series])}" for r in payload["rows"])
    sign = "%" if item["unit"] == "%" else ""
    return f"Bar chart, {item['heading'].lower()}{f' ({sign})' if sign else ''}: {', '.join(rows)}."
