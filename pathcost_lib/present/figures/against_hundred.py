"""Indices with intervals against 100, which is the average; peers by how far off they are."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pathcost_lib.present import style
from pathcost_lib.present.figures._common import axis_title, empty, key, margin_text, rows_down, say_list
from pathcost_lib.present.figures.waterfall import describe_waterfall, waterfall
from pathcost_lib.present.format import count, interval, unit

__all__ = [
    "against_hundred",
    "describe_against_hundred",
    "describe_drivers",
    "describe_peers",
    "drivers_waterfall",
    "peers",
]

_NOTHING = "Nothing to show: there are no others to compare with, or too few people."


def against_hundred(ax: Axes, table: pd.DataFrame, *, by: str, measure: str) -> Axes:
    """Draw each row's index and 95 % interval against a line at 100; filled where the interval leaves 100 out.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        `by`, index, index_lower_95, index_upper_95. NaN is named and marked as not shown.
    by, measure : str
        Column that names the rows; what 100 is.
    """
    if table["index"].notna().sum() == 0:
        return empty(ax, _NOTHING)
    ax.axvline(100, color=style.MUTED, lw=1)
    for row, (value, lower, upper) in enumerate(
        table[["index", "index_lower_95", "index_upper_95"]].to_numpy(dtype=float)
    ):
        if pd.isna(value):
            margin_text(ax, row, "* not shown", color=style.MUTED)
            continue
        color = style.MORE if lower > 100 else style.LESS if upper < 100 else style.MUTED
        face = color if color != style.MUTED else style.PAPER
        ax.plot([lower, upper], [row, row], color=color, lw=2.4)
        ax.plot(value, row, marker="o", ms=7, mfc=face, mec=color, mew=1.6, lw=0)
        said = count(value) if style.compact(ax) else f"{count(value)} ({_between(lower, upper)})"
        margin_text(ax, row, said, color=color, bold=color != style.MUTED)
    rows_down(ax, table[by])
    ax.locator_params(axis="x", nbins=4 if style.compact(ax) else 8)
    ax.xaxis.set_major_formatter(lambda value, _: count(value))
    ax.grid(True, axis="x")
    axis_title(ax, f"{measure} (bar: 95% interval)")
    marks = {"Above 100": (style.MORE, style.MORE), "Below 100": (style.LESS, style.LESS)}
    marks["Interval holds 100"] = (style.MUTED, style.PAPER)
    handles = [Line2D([], [], marker="o", ms=7, color=c, mfc=f, mec=c, mew=1.6, lw=2.4) for c, f in marks.values()]
    key(ax, handles, list(marks), columns=2 if style.compact(ax) else None)
    return ax


def _between(lower: float, upper: float) -> str:
    """Return an interval in words, to a decimal where rounding would have one that leaves 100 out reach it."""
    near = min(abs(lower - 100), abs(upper - 100)) < 0.5 and not lower <= 100 <= upper
    return interval(lower, upper, unit("").form if near else count)


def describe_against_hundred(table: pd.DataFrame, *, by: str, measure: str) -> str:
    """Return the alternative text: each row's index with its interval."""
    form = dict.fromkeys(("index", "index_lower_95", "index_upper_95"), count)
    said = (
        say_list(table, by, "{index} ({index_lower_95} to {index_upper_95})", **form) if len(table) else "None shown."
    )
    return f"{measure}, with 95% intervals. {said}"


def drivers_waterfall(ax: Axes, table: pd.DataFrame, *, area: str, reference: str) -> Axes:
    """Draw `waterfall` over the drivers of the cost per 1,000 people; the row of the whole difference is its end."""
    steps = table[table["driver"] != "whole_difference"]
    waterfall(ax, steps, by="driver", area=area, reference=reference)
    if ax.axison:
        axis_title(ax, "£ per 1,000 people (the axis does not start at zero)")
        ax.tick_params(axis="x", labelsize=6 if style.compact(ax) else 8)
    return ax


def describe_drivers(table: pd.DataFrame, *, area: str, reference: str) -> str:
    """Return the alternative text: both ends, and each driver with its interval."""
    steps = table[table["driver"] != "whole_difference"]
    said = describe_waterfall(steps, by="driver", area=area, reference=reference)
    return said.replace("per patient", "per 1,000 people", 1)


def peers(ax: Axes, table: pd.DataFrame, *, by: str = "name") -> Axes:
    """Draw how far each peer is, the nearest at the top: `by`, distance."""
    if table.empty:
        return empty(ax, "No peers: the data hold fewer than three areas with a population.")
    for row, far in enumerate(table["distance"].to_numpy(dtype=float)):
        ax.plot([0, far], [row, row], color=style.FOCUS, lw=2.4, alpha=0.55)
        ax.plot(far, row, marker="o", ms=7, color=style.FOCUS, lw=0)
        margin_text(ax, row, unit("").form(far), color=style.FOCUS, bold=True)
    rows_down(ax, table[by])
    ax.set_xlim(left=0)
    ax.locator_params(axis="x", nbins=4)
    ax.grid(True, axis="x")
    axis_title(ax, "Distance in standard deviations (0: alike in every feature)")
    return ax


def describe_peers(table: pd.DataFrame, *, by: str = "name") -> str:
    """Return the alternative text: each peer with its distance."""
    if table.empty:
        return "No peers are shown."
    return f"Peers, nearest first, with distance. {say_list(table, by, '{distance}', distance=unit('').form)}"
