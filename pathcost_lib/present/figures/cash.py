"""From activity to capacity to cash: what is claimed at full cost, and what is left of it."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from pathcost_lib.present import style
from pathcost_lib.present.figures._common import empty, key, margin_text, pound_axis, rows_down
from pathcost_lib.present.format import short_pounds

__all__ = ["cash_steps", "cash_waterfall", "describe_cash_waterfall"]

_ENDS = ("Cost released", "Left for the system")


def cash_steps(table: pd.DataFrame) -> list[tuple[str, float, float, str]]:
    """Return the rows of the waterfall as (name, from, to, kind): the steps, with a subtotal where cost is released.

    `table` has step, change_gbp, running_gbp: the full cost, two steps of what stays behind, two of what is spent.
    """
    kinds = ("total", "stays", "stays", "spent", "spent")
    rows = [
        (str(step), float(running - change), float(running), kind)
        for step, change, running, kind in zip(
            table["step"], table["change_gbp"], table["running_gbp"], kinds, strict=True
        )
    ]
    rows.insert(3, (_ENDS[0], 0.0, rows[2][2], "total"))
    return [*rows, (_ENDS[1], 0.0, rows[-1][2], "total")]


def cash_waterfall(ax: Axes, table: pd.DataFrame) -> Axes:
    """Draw the steps from the full cost of the activity that goes to what the system is left with.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        As in `cash_steps`; or not_computable, with the reason.
    """
    if "not_computable" in table:
        return empty(ax, str(table["not_computable"].iloc[0]))
    if table["change_gbp"].isna().any():
        return empty(ax, "Not shown: the schemes act on fewer than eight people.")
    faces = {"total": (style.FOCUS, ""), "stays": (style.PAPER, "////"), "spent": (style.MORE, "")}
    rows = cash_steps(table)
    for row, (_, start, end, kind) in enumerate(rows):
        face, hatch = faces[kind]
        edge = style.MORE if kind == "stays" else face
        ax.barh(row, end - start, left=start, height=0.56, facecolor=face, hatch=hatch, edgecolor=edge, linewidth=1.0)
        if row + 1 < len(rows):
            ax.plot([end, end], [row + 0.28, row + 0.72], color=style.MUTED, lw=0.8, zorder=0)
        text = short_pounds(end - start)
        ink = style.FOCUS if kind == "total" else style.MORE
        margin_text(ax, row, text.lstrip("+") if kind == "total" else text, color=ink, bold=kind == "total")
    rows_down(ax, [name for name, *_ in rows], bold=[n for n, r in enumerate(rows) if r[3] == "total"])
    ax.axvline(0, color=style.MUTED, lw=0.8)
    pound_axis(ax, "£, all years together")
    handles = [Patch(facecolor=style.PAPER, edgecolor=style.MORE, hatch="////"), Patch(facecolor=style.MORE)]
    key(ax, handles, ["Stays behind", "Spent"])
    return ax


def describe_cash_waterfall(table: pd.DataFrame) -> str:
    """Return the alternative text: each step."""
    if "not_computable" in table:
        return str(table["not_computable"].iloc[0])
    if table["change_gbp"].isna().any():
        return "The steps are not shown."
    said = (f"{name.lower()} {short_pounds(end - start)}" for name, start, end, _ in cash_steps(table))
    return f"From activity to cash, all years together: {'; '.join(said)}."
