"""Who gains and who loses: organisations down, schemes or payment rules across, each cell signed."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from seaborn.utils import relative_luminance

from pathcost_lib.present import style
from pathcost_lib.present.disclosure import MARK
from pathcost_lib.present.figures._common import axis_title, empty, row_label, wrapped
from pathcost_lib.present.format import say, short_pounds

__all__ = ["describe_signed_grid", "signed_grid"]

# Not the house's own colours, which turn with a dark page: here the number's ink goes with its cell.
_SCALE = LinearSegmentedColormap.from_list(
    "pathcost_signed", ["#b5490d", "#e39a6c", "#f8e6da", "#f6f6f4", "#d8ece9", "#6db6ad", "#00695f"]
)


def signed_grid(ax: Axes, table: pd.DataFrame, *, columns: str, most: int = 6) -> Axes:
    """Draw a grid of signed pounds; the last row is the system and stands a little apart.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        organisation, `columns`, impact_gbp (positive is better); NaN is a suppressed cell and shows `*`. Order of
        first appearance is kept. Or not_computable, with the reason.
    columns : str
        What runs across.
    most : int
        Columns drawn: those with the largest amounts, and always the last.
    """
    if "not_computable" in table:
        return empty(ax, str(table["not_computable"].iloc[0]))
    if table["impact_gbp"].notna().sum() == 0:
        return empty(ax, "Nothing to show: every cell rests on fewer than eight people.")
    wide = table.set_index(["organisation", columns])["impact_gbp"].unstack()  # noqa: PD010
    across = list(table[columns].drop_duplicates())
    large = set(wide.abs().max().drop(across[-1]).nlargest(most - 1).index)
    wide = wide.loc[table["organisation"].drop_duplicates(), [c for c in across if c in large or c == across[-1]]]
    # A power below one: one large cell must not wash out all others.
    shade = wide.abs() ** 0.4 * wide.map(np.sign)
    reach = float(np.nanmax(shade.abs().to_numpy(dtype=float)))
    narrow = style.compact(ax)
    sns.heatmap(
        shade.fillna(0.0),
        annot=wide.map(lambda v: MARK if pd.isna(v) else short_pounds(v)),
        fmt="",
        cmap=_SCALE,
        vmin=-reach,
        vmax=reach,
        cbar=False,
        linewidths=2.5,
        linecolor=style.PAPER,
        ax=ax,
        annot_kws={"fontsize": 7 if narrow else 9},
    )
    for number, face in zip(ax.texts, ax.collections[0].get_facecolor(), strict=True):
        number.set_color("#fdfdfd" if relative_luminance(face) < 0.223 else "#1c2934")
    heads = [textwrap.fill(say(str(c)), 9 if narrow else 18, break_long_words=False) for c in wide.columns]
    ax.set_xticklabels(heads, rotation=0, fontsize=6.5 if narrow else 8.5, color=style.INK)
    ax.set_yticks(ax.get_yticks(), [""] * len(wide))
    for row, name in enumerate(wide.index):
        last = row == len(wide) - 1
        lines = wrapped(say(name), 13 if narrow else 26)
        row_label(ax, row + 0.5, lines, bold=last, size=7 if narrow else 8.5)
    ax.axhline(len(wide) - 1, color=style.INK, lw=1.2)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    axis_title(ax, "+ better off, − worse off; £, k thousand, m million")
    ax.set_ylabel("")
    return ax


def describe_signed_grid(table: pd.DataFrame, *, columns: str) -> str:
    """Return the alternative text: every organisation's amount under each heading."""
    if "not_computable" in table:
        return str(table["not_computable"].iloc[0])
    said = []
    for name, rows in table.groupby("organisation", sort=False):
        cells = zip(rows[columns], rows["impact_gbp"], strict=True)
        values = (f"{say(c).lower()} {'not shown' if pd.isna(v) else short_pounds(v)}" for c, v in cells)
        said.append(f"{say(name)}: {', '.join(values)}")
    return f"Better (+) or worse (−) off. {'; '.join(said)}."
