"""Small control charts: which months are more than the usual ups and downs."""

from __future__ import annotations

import pandas as pd
from matplotlib import dates as mdates
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pathcost_lib.present import style
from pathcost_lib.present.figures._common import empty, key, wrapped

__all__ = ["control_charts", "describe_control_charts"]


def control_charts(ax: Axes, table: pd.DataFrame, *, by: str = "series") -> Axes:
    """Draw a small chart for each series: months, centre and limits, and the points that chance does not explain.

    Parameters
    ----------
    ax : Axes
        Whose place the charts take.
    table : DataFrame
        `by`, month, days, contacts (rounded, NaN where suppressed), centre, lower, upper (a day), special_cause,
        judged. Order of first appearance is kept.
    by : str
        Column that tells series apart and names them.
    """
    if table["contacts"].notna().sum() == 0:
        return empty(ax, "No charts to show: no series is long enough and large enough for limits.")
    narrow = style.compact(ax)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines["bottom"].set_visible(False)
    names = list(table[by].drop_duplicates())
    across = 2 if narrow else 3
    places = ax.get_subplotspec().subgridspec(-(-len(names) // across), across, hspace=0.14)  # type: ignore[union-attr]
    for number, name in enumerate(names):
        small = ax.figure.add_subplot(places[number // across, number % across])
        _chart(small, table[table[by] == name])
        lines = wrapped(str(name), 22 if narrow else 34)
        small.set_title("\n".join(lines), loc="left", fontsize=6.5 if narrow else 7.5, color=style.INK)
    handles = [
        Line2D([], [], color=style.MUTED, marker="o", ms=3, lw=0.8),
        Line2D([], [], color=style.MORE, marker="D", ms=4.5, lw=0),
        Line2D([], [], color=style.MUTED, dashes=(4, 2), lw=0.9),
    ]
    key(ax, handles, ["Contacts a day", "More than the usual ups and downs", "Limits from the year before"])
    return ax


def _chart(ax: Axes, rows: pd.DataFrame) -> None:
    months = pd.Series(mdates.date2num(rows["month"]), index=rows.index)
    judged = months[rows["judged"]].min()
    a_day = rows["contacts"] / rows["days"]
    for column, dashes in (("centre", ()), ("lower", (4, 2)), ("upper", (4, 2))):
        line = ax.plot(months, rows[column].clip(lower=0), color=style.MUTED, lw=0.8)[0]
        if dashes:
            line.set_dashes(dashes)
    ax.axvspan(judged, months.max(), color=style.SOFT, zorder=0)
    ax.plot(months, a_day, color=style.FOCUS, lw=0.9, marker="o", ms=2.2)
    odd = rows["special_cause"].to_numpy(dtype=bool)
    ax.plot(months[odd], a_day[odd], "D", ms=3.6, color=style.MORE)
    ax.set_xticks([months.iloc[0], judged])
    ax.set_xticklabels([f"{d:%b %Y}" for d in mdates.num2date([months.iloc[0], judged])], fontsize=6.5, ha="left")
    ax.tick_params(axis="y", labelsize=6.5)
    ax.locator_params(axis="y", nbins=4)


def describe_control_charts(series: pd.DataFrame, *, by: str = "series") -> str:
    """Return the alternative text: each series and what was found in it (`finding`, of `outlier_words`)."""
    said = "; ".join(f"{row[by]}: {row['finding']}" for row in series.to_dict("records"))
    return f"Contacts a day by month, with limits from the year before. {said or 'None shown'}."
