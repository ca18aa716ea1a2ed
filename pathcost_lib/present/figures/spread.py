"""What a scenario may be worth: the simulated net present values of the system."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pathcost_lib.present import style
from pathcost_lib.present.figures._common import empty, key, pound_axis
from pathcost_lib.present.format import short_pounds

__all__ = ["describe_spread", "spread"]


def spread(ax: Axes, table: pd.DataFrame, *, low: float, middle: float, high: float, central: float) -> Axes:
    """Draw the draws as a histogram, losses hatched, with p10, p50 and p90 and what mean effects alone would say.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        from_gbp, to_gbp, draws_share; or not_computable, with the reason.
    low, middle, high : float
        p10, p50 and p90 of the draws, GBP.
    central : float
        Net present value at mean effects, GBP.
    """
    if "not_computable" in table:
        return empty(ax, str(table["not_computable"].iloc[0]))
    if table["draws_share"].isna().any():
        return empty(ax, "Not shown: the schemes act on fewer than eight people.")
    if len(table) < 2:
        return empty(ax, f"No assumption of this scenario is uncertain: every draw is worth {short_pounds(middle)}.")
    middles = (table["from_gbp"] + table["to_gbp"]) / 2
    widths, shares = table["to_gbp"] - table["from_gbp"], table["draws_share"].to_numpy(dtype=float)
    loss = middles.to_numpy() < 0
    for mine, color, hatch in ((~loss, style.LESS, ""), (loss, style.MORE, "////")):
        face = style.PAPER if hatch else color
        ax.bar(middles[mine], shares[mine], width=0.94 * widths[mine], facecolor=face, edgecolor=color, hatch=hatch)
    top = float(shares.max())
    for value, text, height, side in (
        (low, "p10", 1.06, "right"),
        (middle, "p50", 1.24, "center"),
        (high, "p90", 1.06, "left"),
    ):
        ax.plot([value, value], [0, top * (height - 0.02)], color=style.INK, lw=1.3)
        ax.text(value, top * height, f"{text} {short_pounds(value)}", ha=side, va="bottom", fontweight="bold")
    ax.plot(central, 0.05 * top, marker="D", ms=7, mfc=style.PAPER, mec=style.INK, mew=1.5, clip_on=False, zorder=5)
    ends = np.array([table["from_gbp"].min(), table["to_gbp"].max(), central, 0.0])
    room = 0.12 * float(np.ptp(ends))
    ax.set_xlim(ends.min() - room, ends.max() + room)
    ax.set_ylim(0, top * 1.42)
    ax.set_yticks([])
    ax.axvline(0, color=style.MUTED, lw=0.9)
    pound_axis(ax, "£, net present value to the system")
    diamond = Line2D([], [], ls="", marker="D", ms=6, mfc=style.PAPER, mec=style.INK, mew=1.5)
    handles = [Patch(facecolor=style.LESS), Patch(facecolor=style.PAPER, edgecolor=style.MORE, hatch="////"), diamond]
    texts = ["System gains", "System loses", "At mean effects"]
    kept = [0, 1, 2] if loss.any() else [0, 2]
    key(ax, [handles[k] for k in kept], [texts[k] for k in kept])
    return ax


def describe_spread(table: pd.DataFrame, *, low: float, middle: float, high: float, central: float) -> str:
    """Return the alternative text: the three percentiles, and the value at mean effects."""
    if "not_computable" in table:
        return str(table["not_computable"].iloc[0])
    if table["draws_share"].isna().any():
        return "The distribution is not shown."
    return (
        f"Simulated net present value to the system: p10 {short_pounds(low)}, p50 {short_pounds(middle)}, "
        f"p90 {short_pounds(high)}; at mean effects {short_pounds(central)}."
    )
