"""Where in the pathway the money is: phases across, settings down."""

from __future__ import annotations

import textwrap

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from pathcost_lib.present import style
from pathcost_lib.present.disclosure import MARK
from pathcost_lib.present.figures._common import empty, row_label, wrapped
from pathcost_lib.present.format import pounds, say

__all__ = ["describe_grid", "grid"]

# Not the house's own colours, which turn with a dark page: here the number's ink goes with its cell.
_SCALE = LinearSegmentedColormap.from_list("pathcost", ["#eef4fa", "#9cc4e6", "#2f80b9", "#0c3d5e"])


def grid(
    ax: Axes, table: pd.DataFrame, *, rows: str = "setting", columns: str = "phase", value: str = "mean_gbp"
) -> Axes:
    """Draw a grid of pounds per patient; each cell bears its number, and the darker the cell the more it costs.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        `rows`, `columns`, `value`; NaN is a suppressed cell and shows `*`. Order of first appearance is kept.
    rows, columns, value : str
        Which columns are which.
    """
    if table[value].notna().sum() == 0:
        return empty(ax, "Nothing to show: every cell rests on fewer than eight contacts or patients.")
    wide = table.set_index([rows, columns])[value].unstack()  # noqa: PD010
    wide = wide.loc[table[rows].drop_duplicates(), table[columns].drop_duplicates()]
    texts = wide.map(lambda v: MARK if pd.isna(v) else pounds(v))
    # Square root: one dear cell (the operation) must not wash out all others.
    sns.heatmap(
        (wide.clip(lower=0) ** 0.5).fillna(0.0),
        annot=texts,
        fmt="",
        cmap=_SCALE,
        cbar=False,
        linewidths=2.5,
        linecolor=style.PAPER,
        ax=ax,
        annot_kws={"fontsize": 7.5 if style.compact(ax) else 9},
    )
    for number in ax.texts:
        number.set_color("#fdfdfd" if number.get_color() == "w" else "#1c2934")
    narrow = style.compact(ax)
    heads = [textwrap.fill(say(str(c)), 8 if narrow else 16, break_long_words=False) for c in wide.columns]
    ax.set_xticklabels(heads, rotation=0, fontsize=7 if narrow else 8.5, color=style.INK)
    ax.set_yticks(ax.get_yticks(), [""] * len(wide))
    for row, name in enumerate(wide.index):
        row_label(ax, row + 0.5, wrapped(say(name), 12 if narrow else 24), size=7.5 if narrow else 8.5)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.set_xlabel("£ per patient (darker: more)", loc="left")
    ax.set_ylabel("")
    return ax


def describe_grid(table: pd.DataFrame, *, area: str, value: str = "mean_gbp", most: int = 5) -> str:
    """Return the alternative text: the dearest cells, and how many are suppressed."""
    top = table.dropna(subset=[value]).nlargest(most, value).to_dict("records")
    said = "; ".join(f"{say(r['setting'])}, {say(r['phase']).lower()}: {pounds(r[value])}" for r in top)
    hidden = int(table[value].isna().sum())
    return (
        f"Cost per patient in {area} by setting and phase. Dearest: {said or 'none shown'}. Cells suppressed: {hidden}."
    )
