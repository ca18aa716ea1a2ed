"""Which tables a native chart suits, and which of their columns it shows: Excel and PowerPoint draw the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pathcost_lib.present.format import LIMIT, say, unit

__all__ = ["chart_of", "describe_chart"]

#: More bars than these are not read, and fewer say nothing that the table does not.
_FEWEST, _MOST = 2, 25
_MONEY_OR_SHARE = ("gbp", "pct")


def chart_of(payload: Mapping[str, Any]) -> int | None:
    """Return the column that a bar chart by row would show, or None where a chart does not suit the table.

    A table suits that names each row once in its first column and holds a measure in pounds or per cent, of which at
    least two numbers are shown.
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


def describe_chart(payload: Mapping[str, Any], series: int) -> str:
    """Return the alternative text of such a chart: each row's name with its number as the table shows it."""
    item = payload["columns"][series]
    form = unit(item["kind"]).form
    rows = (f"{say(r[0])} {r[series] if isinstance(r[series], str) else form(r[series])}" for r in payload["rows"])
    sign = "%" if item["unit"] == "%" else ""
    return f"Bar chart, {item['heading'].lower()}{f' ({sign})' if sign else ''}: {', '.join(rows)}."
