"""Cost per person from the most to the least deprived tenth."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from pathcost_lib.present import style
from pathcost_lib.present.figures._common import axis_title, empty, key, say_list
from pathcost_lib.present.format import pounds

__all__ = ["describe_gradient", "gradient"]


def gradient(ax: Axes, table: pd.DataFrame, *, area: str, reference: str = "England") -> Axes:
    """Draw each tenth's cost per person with its 95 % interval and the fitted line, of the area and of the reference.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        area (one of the two names), decile, value_gbp, lower_95, upper_95, fitted_gbp. NaN tenths are missed out.
    area, reference : str
        What the two are called.
    """
    if table.loc[table["area"] == area, "value_gbp"].notna().sum() == 0:
        return empty(ax, "Nothing to show: no deprivation is held for the people of this area, or too few people are.")
    handles = []
    looks = ((area, -0.1, "o", style.FOCUS, style.FOCUS, "-"), (reference, 0.1, "D", style.MUTED, style.PAPER, "--"))
    for name, shift, marker, color, face, dash in looks:
        rows = table[(table["area"] == name) & table["value_gbp"].notna()].astype({"decile": int})
        at = rows["decile"] + shift
        ax.vlines(at, rows["lower_95"], rows["upper_95"], color=color, lw=2.4 if name == area else 1.4)
        ax.plot(rows["decile"], rows["fitted_gbp"], color=color, lw=1.2, ls=dash)
        handles += ax.plot(at, rows["value_gbp"], marker=marker, ms=6, mfc=face, mec=color, color=color, lw=0)
    ax.set_xticks(range(1, 11))
    ax.set_ylim(bottom=0)
    ax.locator_params(axis="y", nbins=5)
    ax.yaxis.set_major_formatter(lambda value, _: pounds(value))
    ax.grid(True, axis="y")
    axis_title(ax, "Tenth of deprivation, 1 the most deprived (bar: 95% interval; line: fitted)")
    key(ax, handles, [area, reference])
    return ax


def describe_gradient(table: pd.DataFrame, *, area: str, reference: str = "England") -> str:
    """Return the alternative text: each tenth of the area with its interval."""
    ours = table[table["area"] == area].assign(tenth=lambda rows: "Tenth " + rows["decile"].astype(str))
    form = dict.fromkeys(("value_gbp", "lower_95", "upper_95"), pounds)
    said = say_list(ours, "tenth", "{value_gbp} ({lower_95} to {upper_95})", **form) if len(ours) else "None shown."
    return f"Cost per person by tenth of deprivation, {area} beside {reference}, with 95% intervals. {said}"
