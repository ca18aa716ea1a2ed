"""Pictures for lessons: the suite's figures on a lesson's own table, and a line chart for what the suite has none."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from pathcost_lib import present
from pathcost_lib.present import style
from pathcost_lib.present.format import heading, pounds, say, signed_pounds, tick_pounds

__all__ = ["bridge", "lines", "show"]

_DASHES = ((), (5, 2), (1.5, 1.5), (7, 2, 1.5, 2))
_COLOURS = (style.FOCUS, style.MORE, style.LESS, style.INK)


def show(function: Callable[..., Axes], table: pd.DataFrame, *, alt: str, title: str = "", **options: Any) -> None:
    """Draw a figure on invented data (which count nobody, so `disclose` has nothing to hide)."""
    present.figure(function, present.disclose(table, counts=()), name="lesson", title=title or alt, alt=alt, **options)


def lines(
    ax: Axes,
    table: pd.DataFrame,
    *,
    x: str,
    y: Iterable[str],
    up: str = "£",
    low: float = 0.0,
    dots: pd.DataFrame | None = None,
) -> Axes:
    """Draw one line a column, told apart by dashes as well as colour, each named at its end.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        `x`, and the columns of `y` (four at most).
    up : str
        What the vertical axis measures; "£" writes its ticks as pounds.
    low : float
        Where the vertical axis begins.
    dots : DataFrame, optional
        `x` and value: points to lay over the lines.
    """
    columns = list(y)
    for column, dashes, colour in zip(columns, _DASHES, _COLOURS, strict=False):
        drawn = ax.plot(table[x], table[column], color=colour, lw=1.8)[0]
        drawn.set_dashes(dashes) if dashes else None
    if dots is not None:
        ax.plot(dots[x], dots["value"], "o", ms=5, color=style.INK)
    ax.set(xlabel=heading(x), ylabel=up, ylim=(low, None))
    form = tick_pounds if up == "£" else "{:g}".format
    ax.yaxis.set_major_formatter(lambda value, _: form(value))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 10_000 else f"{value:g}")
    ax.grid(True, axis="y")
    ends = table[columns].iloc[-1].sort_values()
    apart, place = 0.06 * (ax.get_ylim()[1] - low), -float("inf")
    for name, end in ends.items():
        column = str(name)
        place = max(end, place + apart)  # names do not lie on each other
        colour = _COLOURS[columns.index(column)]
        ax.annotate(heading(column), (1.01, place), xycoords=ax.get_yaxis_transform(), va="center", color=colour)
    return ax


def bridge(ax: Axes, table: pd.DataFrame, *, end: str) -> Axes:
    """Draw steps that add up: step and change_gbp, the first of them where it begins; `end` names their sum."""
    sums = table["change_gbp"].cumsum()
    rows = [*zip(table["step"], sums - table["change_gbp"], sums, strict=True), (end, 0.0, sums.iloc[-1])]
    for row, (_, start, stop) in enumerate(rows):
        whole = row in (0, len(rows) - 1)
        colour = style.FOCUS if whole else style.MORE if stop > start else style.LESS
        ax.barh(row, stop - start, left=start, height=0.6, color=colour)
        text = pounds(stop) if whole else signed_pounds(stop - start)
        ax.annotate(text, (max(start, stop), row), xytext=(4, 0), textcoords="offset points", va="center", color=colour)
    ax.set_yticks(range(len(rows)), [say(name) for name, *_ in rows])
    ax.invert_yaxis()
    ax.set(xlim=(0, 1.2 * max(stop for *_, stop in rows)), xlabel="£")
    ax.xaxis.set_major_formatter(lambda value, _: tick_pounds(value))
    return ax
