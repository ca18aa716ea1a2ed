"""Cost per patient by phase or setting, beside the reference, with intervals."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pathcost_lib.present import style
from pathcost_lib.present.figures._common import empty, key, margin_text, pound_axis, rows_down, say_list
from pathcost_lib.present.format import pounds

__all__ = ["against_reference", "describe_against_reference"]


def against_reference(ax: Axes, table: pd.DataFrame, *, by: str, area: str, reference: str = "England") -> Axes:
    """Draw each row's mean and 95 % interval as a disc, and the reference's as a hollow diamond just above it.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        `by`, mean_gbp, lower_95, upper_95, reference_gbp, reference_lower_95, reference_upper_95. Pounds per patient;
        rows with NaN means are named and marked as not shown.
    by : str
        Column that names the rows.
    area, reference : str
        What the two are called.
    """
    if table["mean_gbp"].notna().sum() == 0:
        return empty(ax, "Nothing to show: every row rests on fewer than eight contacts or patients.")
    ours = theirs = None
    for row, item in enumerate(table.to_dict("records")):
        at = row - 0.2
        if not pd.isna(item["reference_gbp"]):
            theirs = _reference(ax, item, at)
        if pd.isna(item["mean_gbp"]):
            margin_text(ax, row + 0.2, "* not shown", color=style.FOCUS)
            continue
        here = row + 0.14
        ax.plot([item["lower_95"], item["upper_95"]], [here, here], color=style.FOCUS, lw=2.6)
        ours = ax.plot(item["mean_gbp"], here, marker="o", ms=7, color=style.FOCUS, mec=style.PAPER, lw=2.6)[0]
        margin_text(ax, here + 0.06, pounds(item["mean_gbp"]), color=style.FOCUS, bold=True)
    rows_down(ax, table[by])
    ax.set_xlim(left=-0.025 * ax.get_xlim()[1])
    pound_axis(ax, "£ per patient (bar: 95% interval)")
    keyed = [(mark, text) for mark, text in ((ours, area), (theirs, reference)) if mark is not None]
    key(ax, [mark for mark, _ in keyed], [text for _, text in keyed])
    return ax


def _reference(ax: Axes, item: Mapping[Hashable, Any], at: float) -> Line2D:
    color = style.MUTED
    ax.plot([item["reference_lower_95"], item["reference_upper_95"]], [at, at], color=color, lw=1.4)
    margin_text(ax, at, pounds(item["reference_gbp"]), color=color)
    return ax.plot(item["reference_gbp"], at, marker="D", ms=5, mfc=style.PAPER, mec=color, mew=1.3, color=color)[0]


def describe_against_reference(table: pd.DataFrame, *, by: str, area: str, reference: str = "England") -> str:
    """Return the alternative text: each row's two means and the interval."""
    rows = say_list(
        table,
        by,
        "{mean_gbp} ({lower_95} to {upper_95}) against {reference_gbp}",
        mean_gbp=pounds,
        lower_95=pounds,
        upper_95=pounds,
        reference_gbp=pounds,
    )
    return f"Cost per patient in {area} (95% interval) against {reference}. {rows}"
