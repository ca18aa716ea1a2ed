"""How much of the pathway happens outside the provider of the index event."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pathcost_lib.present import style
from pathcost_lib.present.figures._common import empty, key, margin_text, rows_down, say_list
from pathcost_lib.present.format import percent

__all__ = ["describe_outside_share", "outside_share"]


def outside_share(ax: Axes, table: pd.DataFrame, *, by: str = "phase", reference: str = "England") -> Axes:
    """Draw the share of cost at providers other than that of the index event, with the reference as a tick.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        `by`, outside_pct, reference_pct (0 to 100); the last row may be the whole pathway.
    by : str
        Column that names the rows.
    reference : str
        What the tick is called.
    """
    if table["outside_pct"].notna().sum() == 0:
        return empty(ax, "Nothing to show: the shares rest on fewer than eight contacts or patients.")
    for row, item in enumerate(table.to_dict("records")):
        if pd.isna(item["outside_pct"]):
            margin_text(ax, row, "* not shown", color=style.MUTED)
            continue
        ax.barh(row, 100, height=0.56, color=style.GRID)
        ax.barh(row, item["outside_pct"], height=0.56, color=style.FOCUS)
        if not pd.isna(item["reference_pct"]):
            ax.plot([item["reference_pct"]] * 2, [row - 0.4, row + 0.4], color=style.INK, lw=2.2)
        margin_text(ax, row, percent(item["outside_pct"]), color=style.FOCUS, bold=True)
    rows_down(ax, table[by], bold=[len(table) - 1])
    ax.set_xlim(0, 100.5)
    ax.set_xticks([0, 25, 50, 75, 100], ["0%", "25%", "50%", "75%", "100%"])
    ax.set_xlabel("Share of cost")
    handles = [Patch(color=style.FOCUS), Patch(color=style.GRID), Line2D([], [], color=style.INK, lw=2.2)]
    texts = ["Other providers", "Provider of the index event", f"Other providers, {reference}"]
    known = 3 if table["reference_pct"].notna().any() else 2
    key(ax, handles[:known], texts[:known])
    return ax


def describe_outside_share(table: pd.DataFrame, *, by: str = "phase", area: str, reference: str = "England") -> str:
    """Return the alternative text: each row's share and the reference's."""
    rows = say_list(table, by, "{outside_pct} against {reference_pct}", outside_pct=percent, reference_pct=percent)
    return f"Share of cost outside the provider of the index event, {area} against {reference}. {rows}"
