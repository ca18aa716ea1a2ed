"""Year by year: what a scenario releases and takes, and the cost that it leaves stranded."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pathcost_lib.present import style
from pathcost_lib.present.figures._common import empty, key, margin_text, pound_axis, rows_down
from pathcost_lib.present.format import percent, short_pounds

__all__ = ["describe_stranded", "describe_timeline", "stranded", "timeline"]

#: Column -> (what it is called, fill, hatch).
_TIMELINE = {
    "released_gbp": ("Cost released", style.LESS, ""),
    "destination_gbp": ("Cost where activity moves to", *style.CATEGORIES[2][:2]),
    "programme_gbp": ("Set-up, running and exit", style.MORE, ""),
    "double_running_gbp": ("Double running", *style.CATEGORIES[3][:2]),
}
_STRANDED = {
    "released_gbp": ("Released", style.LESS, ""),
    "stranded_semi_fixed_gbp": ("Capacity freed, not cashed", *style.CATEGORIES[3][:2]),
    "stranded_fixed_gbp": ("Fixed cost left behind", *style.CATEGORIES[0][:2]),
}


def timeline(ax: Axes, table: pd.DataFrame) -> Axes:
    """Draw what is released to the right and what is spent to the left, year by year, with the net as a diamond.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        financial_year, ramp_pct (how far along the schemes are), released_gbp, destination_gbp, programme_gbp,
        double_running_gbp, net_gbp; or not_computable, with the reason.
    """
    why = _blocked(table, "net_gbp")
    if why:
        return empty(ax, why)
    handles, texts = _stack(ax, table, _TIMELINE)
    ax.plot(table["net_gbp"], range(len(table)), ls="", marker="D", ms=5, mfc=style.PAPER, mec=style.INK, mew=1.4)
    for row, net in enumerate(table["net_gbp"]):
        margin_text(ax, row, short_pounds(net), color=style.MORE if net < 0 else style.LESS, bold=True)
    rows_down(ax, [f"{y} ({percent(r)})" for y, r in zip(table["financial_year"], table["ramp_pct"], strict=True)])
    pound_axis(ax, "£ a year; in brackets how far along the schemes are; in the margin the net")
    net = Line2D([], [], ls="", marker="D", ms=5, mfc=style.PAPER, mec=style.INK, mew=1.4)
    key(ax, [*handles, net], [*texts, "Net"], columns=None if style.compact(ax) else 3)
    return ax


def stranded(ax: Axes, table: pd.DataFrame) -> Axes:
    """Draw the full cost of the activity that goes, year by year: released, capacity not cashed, fixed left behind.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        financial_year, released_gbp, stranded_semi_fixed_gbp, stranded_fixed_gbp, stranded_gbp (their sum); or
        not_computable, with the reason.
    """
    why = _blocked(table, "stranded_gbp")
    if why:
        return empty(ax, why)
    handles, texts = _stack(ax, table, _STRANDED)
    for row, left in enumerate(table["stranded_gbp"]):
        margin_text(ax, row, short_pounds(left).lstrip("+"), bold=True)
    rows_down(ax, table["financial_year"])
    pound_axis(ax, "£ a year of the activity that goes; in the margin what is stranded")
    key(ax, handles, texts)
    return ax


def _blocked(table: pd.DataFrame, column: str) -> str:
    if "not_computable" in table:
        return str(table["not_computable"].iloc[0])
    return "Not shown: the schemes act on fewer than eight people." if table[column].isna().any() else ""


def _stack(
    ax: Axes, table: pd.DataFrame, series: Mapping[str, tuple[str, str, str]]
) -> tuple[list[Patch | Line2D], list[str]]:
    """Stack gains to the right of nil and costs to the left; return the key."""
    ends = {True: np.zeros(len(table)), False: np.zeros(len(table))}
    handles: list[Patch | Line2D] = []
    texts = []
    for column, (text, face, hatch) in series.items():
        values = table[column].to_numpy(dtype=float)
        if not np.abs(values).max(initial=0.0) > 0:
            continue
        left = np.where(values >= 0, ends[True], ends[False])
        bars = ax.barh(range(len(table)), values, left=left, height=0.62, facecolor=face, hatch=hatch)
        for bar in bars:
            bar.set(edgecolor=style.PAPER, linewidth=0.8)
        for side in (True, False):
            ends[side] = ends[side] + np.where((values >= 0) == side, values, 0.0)
        handles.append(Patch(facecolor=face, hatch=hatch, edgecolor=style.PAPER))
        texts.append(text)
    ax.axvline(0, color=style.MUTED, lw=0.8)
    return handles, texts


def describe_timeline(table: pd.DataFrame) -> str:
    """Return the alternative text: each year's ramp, release, spend and net."""
    why = _blocked(table, "net_gbp")
    said = (
        f"{r['financial_year']} ({percent(r['ramp_pct'])} along): released {short_pounds(r['released_gbp'])}, "
        f"double running {short_pounds(r['double_running_gbp'])}, net {short_pounds(r['net_gbp'])}"
        for r in ([] if why else table.to_dict("records"))
    )
    return why or f"Year by year. {'; '.join(said)}."


def describe_stranded(table: pd.DataFrame) -> str:
    """Return the alternative text: what is stranded in each year."""
    why = _blocked(table, "stranded_gbp")
    said = (
        f"{r['financial_year']} {short_pounds(r['stranded_gbp']).lstrip('+')}"
        for r in ([] if why else table.to_dict("records"))
    )
    return why or f"Cost stranded, by year: {'; '.join(said)}."
