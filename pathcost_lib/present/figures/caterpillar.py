"""Providers in order of their shrunken difference, each with its interval."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pathcost_lib.present import style
from pathcost_lib.present.figures._common import axis_title, empty, key
from pathcost_lib.present.figures.funnel import own_points
from pathcost_lib.present.format import interval, percent

__all__ = ["caterpillar", "describe_caterpillar"]


def caterpillar(ax: Axes, table: pd.DataFrame, *, own: Mapping[str, str], threshold: float) -> Axes:
    """Draw each provider's shrunken difference with its 95 % interval, lowest to highest; the area's in colour.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        provider_code, difference_pct, lower_95, upper_95.
    own : mapping of str to str
        Code to name of the area's providers.
    threshold : float
        Difference that matters, in per cent: drawn as a line.
    """
    shown = table.dropna(subset=["difference_pct"]).sort_values("difference_pct").reset_index(drop=True)
    if len(shown) < 2:
        return empty(ax, "No order to show: fewer than two providers have enough events, or their costs do not vary.")
    shown["place"] = np.arange(1, len(shown) + 1)
    mine = shown["provider_code"].isin(own)
    for rows, color, weight in ((shown[~mine], style.MUTED, 0.8), (shown[mine], style.FOCUS, 2.2)):
        ax.vlines(rows["place"], rows["lower_95"], rows["upper_95"], color=color, lw=weight)
    ax.plot(shown.loc[~mine, "place"], shown.loc[~mine, "difference_pct"], "o", ms=2.6, color=style.MUTED)
    handles = own_points(ax, shown, own, "place", "difference_pct")
    ax.axhline(0, color=style.INK, lw=0.9)
    ax.axhline(threshold, color=style.MORE, lw=0.9, ls=(0, (4, 2)))
    ax.set_xticks([1, len(shown)])
    ax.yaxis.set_major_formatter(lambda v, _: percent(v))
    ax.grid(True, axis="y")
    axis_title(ax, "Providers from the lowest to the highest cost for their case mix (bar: 95% interval)")
    marks = [*handles.values(), Line2D([], [], color=style.MUTED, marker="o", ms=3, lw=0.8)]
    marks.append(Line2D([], [], color=style.MORE, lw=0.9, ls=(0, (4, 2))))
    key(
        ax,
        marks,
        [*handles, "Other providers", f"{percent(threshold)} above expected"],
        columns=1 if style.compact(ax) else 2,
    )
    return ax


def describe_caterpillar(table: pd.DataFrame, *, own: Mapping[str, str], threshold: float) -> str:
    """Return the alternative text: the area's providers with intervals and the chance of exceeding the threshold."""
    shown = table.dropna(subset=["difference_pct"])
    said = [
        f"{own[r['provider_code']]} {percent(r['difference_pct'])} "
        f"({interval(r['lower_95'], r['upper_95'], percent)}), "
        f"{percent(r['chance_above_pct'])} probable to be over {percent(threshold)} above expected"
        for r in shown[shown["provider_code"].isin(own)].to_dict("records")
    ]
    mine = "; ".join(said) or "None of the area is shown"
    return f"Difference from expected cost at {len(shown)} providers, shrunk. {mine}."
