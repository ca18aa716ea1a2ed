"""The ICBs as hexagons, each about where it lies, bearing its number."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch, RegularPolygon

from pathcost_lib.present import style
from pathcost_lib.present.figures._common import empty, key
from pathcost_lib.present.format import ABSENT, count

__all__ = ["describe_hexmap", "hexmap"]

# Not the house's own colours, which turn with a dark page: here the number's ink goes with its cell.
_DARK, _PALE, _NONE = "#1c2934", "#fdfdfd", "#eceff1"
_CLASSES = (
    (0, "#00665c", _PALE, "under 90"),
    (89.5, "#8fcbc3", _DARK, "90 to 97"),
    (97.5, "#f3f0e6", _DARK, "98 to 102"),
    (102.5, "#f2b38a", _DARK, "103 to 110"),
    (110.5, "#b04508", _PALE, "over 110"),
)


def hexmap(ax: Axes, table: pd.DataFrame, *, focus: str) -> Axes:
    """Draw one hexagon for each ICB with its code and its index; the colour says the same once more.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        icb_code, q, r (odd rows half a step right, up is north), index (100 = average). NaN: no data, or suppressed.
    focus : str
        The ICB to outline.
    """
    placed = table.dropna(subset=["q", "r"])
    if placed["index"].notna().sum() == 0:
        return empty(ax, "No map: the data hold no two of the 42 areas that it shows.")
    narrow = style.compact(ax)
    for item in placed.sort_values("icb_code", key=lambda code: code == focus).to_dict("records"):
        x, y = item["q"] + 0.5 * (item["r"] % 2), item["r"] * np.sqrt(3) / 2
        ours, known = item["icb_code"] == focus, not pd.isna(item["index"])
        found = [c for c in _CLASSES if known and round(item["index"], 6) >= c[0]]
        face, ink = found[-1][1:3] if found else (_NONE, _DARK)
        # Two edges, the outer of which turns light on a dark page: one of them stands out from the cells around.
        for edge, width in ((style.INK, 3.6), (_DARK, 1.6)) if ours else ((style.PAPER, 1.2),):
            ax.add_patch(RegularPolygon((x, y), 6, radius=1 / np.sqrt(3), fc=face, ec=edge, lw=width))
        ax.text(x, y + 0.16, item["icb_code"], ha="center", va="center", color=ink, fontsize=5 if narrow else 6.5)
        size = 7 if narrow else 9
        value = count(item["index"]) if known else ABSENT
        ax.text(x, y - 0.14, value, ha="center", va="center", color=ink, fontsize=size, fontweight="bold")
    ax.set_xlim(placed["q"].min() - 0.7, placed["q"].max() + 1.2)
    ax.set_ylim((placed["r"].min() - 0.8) * np.sqrt(3) / 2, (placed["r"].max() + 0.8) * np.sqrt(3) / 2)
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    patches = [Patch(facecolor=face, edgecolor=style.GRID) for _, face, _, _ in _CLASSES]
    key(ax, patches, [text for *_, text in _CLASSES], columns=3 if narrow else None)
    return ax


def describe_hexmap(table: pd.DataFrame, *, focus: str) -> str:
    """Return the alternative text: the area's own number, the five highest and lowest, and which are not on the map."""
    known = table.dropna(subset=["index"]).sort_values("index", ascending=False)
    own = known.loc[known["icb_code"] == focus, "index"]
    pairs = [f"{row['icb_code']} {count(row['index'])}" for row in known.to_dict("records")]
    off = ", ".join(table.loc[table["q"].isna(), "icb_code"])
    return (
        f"Map of ICBs with their cost index. {focus}: {count(own.iloc[0]) if len(own) else 'not shown'}. "
        f"Highest: {', '.join(pairs[:5]) or 'none'}. Lowest: {', '.join(pairs[:-6:-1]) or 'none'}."
        + (f" Not on the map: {off}." if off else "")
    )
