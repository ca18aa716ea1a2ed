"""The triple aim on one page: health, experience and access, resource use, inequality; a scale for each row."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pathcost_lib.present import style
from pathcost_lib.present.figures._common import empty, key, margin_text, rows_down
from pathcost_lib.present.format import percent, unit

__all__ = ["describe_triple_aim", "say_measure", "triple_aim"]


def say_measure(value: float, code: str) -> str:
    """Return a value in the words of its unit: gain, gbp, pct, days."""
    return percent(value, 1) if code == "pct" else unit(code).form(value)


def triple_aim(ax: Axes, table: pd.DataFrame, *, area: str, reference: str = "England") -> Axes:
    """Draw each measure's difference from all areas with its 95 % interval, as wide as the row; or that it is not held.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        measure, unit, value, lower_95, upper_95, reference, reason.
    area, reference : str
        What the two are called.
    """
    if table.empty:
        return empty(ax, "Nothing to show: the area has no pathway here.")
    ax.axvline(0, color=style.MUTED, lw=1.2)
    for row, item in enumerate(table.to_dict("records")):
        if pd.isna(item["value"]):
            words = "not held" if item["reason"] else "* not shown"
            ax.text(0.06, row, words, ha="left", va="center", color=style.MUTED)
            continue
        middle = item["value"] if pd.isna(item["reference"]) else item["reference"]
        away = [item[c] - middle for c in ("lower_95", "value", "upper_95")]
        lower, value, upper = (step / (max(map(abs, away)) or 1.0) for step in away)
        ax.plot([lower, upper], [row, row], color=style.FOCUS, lw=2.6)
        ax.plot(value, row, "o", ms=7, color=style.FOCUS, mec=style.PAPER)
        margin_text(ax, row - 0.16, say_measure(item["value"], item["unit"]), color=style.FOCUS, bold=True)
        margin_text(ax, row + 0.24, say_measure(item["reference"], item["unit"]), color=style.MUTED)
    rows_down(ax, table["measure"])
    ax.set_xlim(-1.05, 1.05)
    ax.set_xticks([-1, 0, 1], ["less", reference, "more"])
    marks = [Line2D([], [], color=style.FOCUS, marker="o", ms=7, lw=2.6), Line2D([], [], color=style.MUTED, lw=1.2)]
    key(ax, marks, [f"{area} (bar: 95% interval)", reference])
    return ax


def describe_triple_aim(table: pd.DataFrame, *, area: str, reference: str = "England") -> str:
    """Return the alternative text: each measure, its interval, and all areas; or why it is not held."""
    said = []
    for row in table.to_dict("records"):
        code = row["unit"]
        if pd.isna(row["value"]):
            said.append(f"{row['measure']}: {row['reason'] or 'not shown'}")
            continue
        ends = tuple(say_measure(row[c], code) for c in ("lower_95", "upper_95"))
        said.append(
            f"{row['measure']}: {say_measure(row['value'], code)} ({ends[0]} to {ends[1]}) against "
            f"{say_measure(row['reference'], code)}"
        )
    return f"{area} (95% interval) against {reference}. {'; '.join(said) or 'Nothing to show'}."
