"""From the reference's cost per patient to ours, one phase or setting at a time."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from pathcost_lib.present import style
from pathcost_lib.present.figures._common import empty, key, margin_text, pound_axis, rows_down, say_list
from pathcost_lib.present.format import pounds, signed_pounds
from pathcost_lib.present.precision import nearest, step_of

__all__ = ["describe_waterfall", "waterfall"]


def waterfall(ax: Axes, table: pd.DataFrame, *, by: str, area: str, reference: str = "England") -> Axes:
    """Draw the steps of the difference: the steps add up to the difference of the means exactly.

    A step whose 95 % interval holds zero is hatched. The two ends are marks, not bars, because the axis does not start
    at zero.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        `by`, mean_gbp, reference_gbp, difference_gbp, difference_lower_95, difference_upper_95: all the parts of one
        whole. If a part is not shown, nor are the steps, for it could be had from the others.
    by : str
        Column that names the steps.
    area, reference : str
        What the two ends are called.
    """
    if table["difference_gbp"].isna().any() or table.empty:
        return empty(
            ax, "The steps are not shown: at least one of them rests on too few patients, or on one area only."
        )
    level = start = float(table["reference_gbp"].sum())
    ends = [start]
    for row, item in enumerate(table.to_dict("records"), start=1):
        step, sure = item["difference_gbp"], item["difference_lower_95"] > 0 or item["difference_upper_95"] < 0
        color = style.MORE if step > 0 else style.LESS
        face, hatch = (color, None) if sure else (style.PAPER, "////")
        ax.barh(row, step, left=level, height=0.52, facecolor=face, hatch=hatch, edgecolor=color, linewidth=1.0)
        ax.plot([level, level], [row - 1 + 0.0, row + 0.26], color=style.MUTED, lw=0.8, zorder=0)
        level += step
        ends.append(level)
        margin_text(ax, row, signed_pounds(step), color=color, bold=bool(sure))
    last = len(table) + 1
    ax.plot([level, level], [last - 1, last], color=style.MUTED, lw=0.8, zorder=0)
    ax.plot(start, 0, marker="D", ms=8, mfc=style.PAPER, mec=style.MUTED, mew=1.6, lw=0)
    ax.plot(level, last, marker="o", ms=10, color=style.FOCUS, lw=0)
    margin_text(ax, 0, _whole(start), color=style.MUTED, bold=True)
    margin_text(ax, last, _whole(level), color=style.FOCUS, bold=True)
    rows_down(ax, [reference, *table[by], area], bold=[0, last])
    room = max(max(ends) - min(ends), 1.0) * 0.12
    ax.set_xlim(min(ends) - room, max(ends) + room)
    pound_axis(ax, "£ per patient (the axis does not start at zero)")
    more, less = Patch(facecolor=style.MORE), Patch(facecolor=style.LESS)
    unsure = Patch(facecolor=style.PAPER, edgecolor=style.MUTED, hatch="////")
    key(ax, [more, less, unsure], ["Costs more", "Costs less", "95% interval holds zero"])
    return ax


def describe_waterfall(table: pd.DataFrame, *, by: str, area: str, reference: str = "England") -> str:
    """Return the alternative text: both ends, and each step with its interval."""
    if table["difference_gbp"].isna().any():
        return f"The steps from {reference} to {area} are not shown."
    start, end = table["reference_gbp"].sum(), table["reference_gbp"].sum() + table["difference_gbp"].sum()
    steps = say_list(
        table,
        by,
        "{difference_gbp} ({difference_lower_95} to {difference_upper_95})",
        difference_gbp=signed_pounds,
        difference_lower_95=signed_pounds,
        difference_upper_95=signed_pounds,
    )
    return f"Steps from {reference}, {_whole(start)} per patient, to {area}, {_whole(end)}, with 95% intervals. {steps}"


def _whole(total: float) -> str:
    """Return a sum of rounded parts in words: three figures, for the parts bear no more."""
    value = np.array([total])
    return pounds(float(nearest(value, step_of(value, np.array([np.inf])))[0]))
