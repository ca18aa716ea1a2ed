"""What the cost of each setting rests on, and how much of its activity the data hold."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from pathcost_lib.codes import COST_BASES
from pathcost_lib.present import style
from pathcost_lib.present.figures._common import axis_title, empty, key, margin_text, rows_down
from pathcost_lib.present.format import percent, say

__all__ = ["cost_basis", "describe_cost_basis"]

_NAMES = {
    "recorded": "Recorded for the patient",
    "provider": "Provider's own unit cost",
    "national": "National average",
    "proxy": "Proxy",
    "none": "No cost found",
}


def cost_basis(ax: Axes, table: pd.DataFrame) -> Axes:
    """Draw the share of contacts by cost basis for each setting, with the setting's coverage in the margin.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        setting, cost_basis, contacts_pct (0 to 100 within the setting; NaN where suppressed) and coverage_pct (of the
        setting; NaN where it is not computable).
    """
    if table["contacts_pct"].notna().sum() == 0:
        return empty(ax, "Nothing to show: every share rests on fewer than eight contacts.")
    settings = list(table["setting"].drop_duplicates())
    shares = table.set_index(["setting", "cost_basis"])["contacts_pct"].unstack()  # noqa: PD010
    least = 18 if style.compact(ax) else 8
    used = [b for b in COST_BASES if b in shares and shares[b].gt(0).any()]
    fills = dict(zip(COST_BASES, style.CATEGORIES, strict=True))
    for row, setting in enumerate(settings):
        left = 0.0
        for basis in used:
            share = float(shares[basis][setting])
            if not share > 0:
                continue
            fill, hatch, ink = fills[basis]
            ax.barh(
                row, share, left=left, height=0.6, facecolor=fill, hatch=hatch, edgecolor=style.PAPER, linewidth=0.8
            )
            if share >= least:
                box = {"facecolor": fill, "edgecolor": "none", "pad": 1.2}
                ax.text(
                    left + share / 2, row, percent(share), ha="center", va="center", color=ink, bbox=box, fontsize=8
                )
            left += share
        if left < 99:
            words = "*" if style.compact(ax) and left > 40 else "* not shown"
            ax.text(left + 1.5, row, words, va="center", color=style.MUTED, fontsize=8)
        covered = table.loc[table["setting"] == setting, "coverage_pct"].iloc[0]
        margin_text(ax, row, "n/a" if pd.isna(covered) else percent(covered), bold=not pd.isna(covered))
    margin_text(ax, -0.8, "Coverage", color=style.MUTED)
    rows_down(ax, settings)
    ax.set_xlim(0, 100)
    ax.set_xticks([0, 25, 50, 75, 100], ["0%", "25%", "50%", "75%", "100%"])
    axis_title(ax, "Share of contacts, by what their cost rests on")
    handles = [Patch(facecolor=fills[b][0], hatch=fills[b][1], edgecolor=style.PAPER) for b in used]
    key(ax, handles, [_NAMES[b] for b in used], columns=None if style.compact(ax) else 3)
    return ax


def describe_cost_basis(table: pd.DataFrame) -> str:
    """Return the alternative text: each setting's shares and coverage."""
    said = []
    for setting, rows in table.groupby("setting", sort=False):
        known = rows[rows["contacts_pct"] > 0]
        shares = ", ".join(
            f"{_NAMES[b].lower()} {percent(p)}" for b, p in zip(known["cost_basis"], known["contacts_pct"], strict=True)
        )
        covered = rows["coverage_pct"].iloc[0]
        coverage = "not computable" if pd.isna(covered) else percent(covered)
        said.append(f"{say(setting)}: {shares or 'not shown'}; coverage {coverage}")
    return "What costs rest on, as a share of contacts, and coverage. " + ". ".join(said) + "."
