"""The flow between settings: who passes from where to where, how often, after how long and at what cost."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch
from matplotlib.path import Path

from pathcost_lib.codes import SETTINGS
from pathcost_lib.present import style
from pathcost_lib.present.figures._common import empty
from pathcost_lib.present.format import count, pounds, say

__all__ = ["describe_flow_map", "flow_map"]

#: Half the width of a node, and how far the longest passage reaches beyond it.
_NODE, _REACH = 1.3, 2.3
_NOTHING = "Nothing to show: every passage rests on fewer than eight pathways."


def flow_map(ax: Axes, table: pd.DataFrame, *, top: int = 8) -> Axes:
    """Draw settings from top to bottom and the passages between them: down on the right, up on the left.

    The width of a passage is how often it occurs. The `top` commonest are numbered, and said in words beside the
    drawing (below it on a phone) with their days and pounds.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        from_step, to_step, passages (missing where suppressed), median_days between the two, mean_gbp of what is
        arrived at; as of `pathways.flow`, disclosed.
    top : int
        How many passages to number.
    """
    edges = _known(table)
    if edges.empty:
        return empty(ax, _NOTHING)
    nodes = _nodes(edges)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    # On a page the nodes take the height of the words beside them.
    apart = 1.0 if style.compact(ax) else max((min(top, len(edges)) - 1) / max(len(nodes) - 1, 1), 1.0)
    for row, node in enumerate(nodes):
        box = {"boxstyle": "round,pad=0.35", "facecolor": style.SOFT, "edgecolor": style.MUTED, "linewidth": 0.6}
        ax.text(0, row * apart, say(node), ha="center", va="center", fontsize=8, bbox=box, zorder=3)
    most, last = edges["passages"].max(), apart * max(len(nodes) - 1, 1)
    for place, edge in enumerate(edges.to_dict("records"), start=1):
        points = _arc(nodes.index(edge["from_step"]) * apart, nodes.index(edge["to_step"]) * apart, last)
        arrow = FancyArrowPatch(
            path=Path(points, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]),
            arrowstyle="-|>",
            mutation_scale=9,
            linewidth=0.7 + 4.3 * edge["passages"] / most,
            color=style.FOCUS if place <= top else style.GRID,
            zorder=2 if place <= top else 1,
        )
        ax.add_patch(arrow)
        if place <= top:
            _badge(ax, *_along(points, 0.36), place)
    _words(ax, edges.head(top), 1 + (len(nodes) - 1) * apart)
    return ax


def _known(table: pd.DataFrame) -> pd.DataFrame:
    known = table[table["passages"].gt(0) & (table["from_step"] != table["to_step"])]
    return known.sort_values("passages", ascending=False, kind="stable")


def _nodes(edges: pd.DataFrame) -> list[str]:
    found = {*edges["from_step"], *edges["to_step"]}
    return [s for s in SETTINGS if s in found] + sorted(found - set(SETTINGS))


def _arc(start: float, end: float, last: float) -> list[tuple[float, float]]:
    side = 1 if end > start else -1
    # Passages down leave and arrive a little below the middle of the node, those up above it.
    x, reach = side * _NODE, side * (_NODE + 0.35 + 1.33 * (_REACH - 0.35) * abs(end - start) / last)
    return [(x, start + 0.12 * side), (reach, start), (reach, end), (x, end - 0.12 * side)]


def _along(points: list[tuple[float, float]], t: float) -> tuple[float, float]:
    """Return where a cubic Bezier curve is at t."""
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
    x, y = (sum(w * p[axis] for w, p in zip(weights, points, strict=True)) for axis in (0, 1))
    return x, y


def _badge(ax: Axes, x: float, y: float, number: int) -> None:
    box = {"boxstyle": "circle,pad=0.22", "facecolor": style.PAPER, "edgecolor": style.INK, "linewidth": 0.7}
    ax.text(x, y, str(number), ha="center", va="center", fontsize=7, fontweight="bold", bbox=box, zorder=4)


def _words(ax: Axes, edges: pd.DataFrame, rows: float) -> None:
    """Say the numbered passages: on the right of a page, below the drawing on a phone."""
    narrow = style.compact(ax)
    left = -_NODE - _REACH if narrow else _NODE + _REACH + 0.9
    first, step = (rows + 1.2, 0.95) if narrow else (0.0, 1.0)
    heading = "Times, median days between, mean cost of what follows"
    ax.text(left, first - 0.8, heading, fontsize=7.5, color=style.MUTED, va="center")
    for place, edge in enumerate(edges.to_dict("records"), start=1):
        y = first + (place - 1) * step
        _badge(ax, left + 0.2, y, place)
        route = f"{say(edge['from_step'])} → {say(edge['to_step'])}"
        for words, side, color in ((route, 1, style.INK), (_said(edge), -1, style.MUTED)):
            # Apart by points, not by the scale of the drawing, so that the two lines never touch.
            ax.annotate(
                words,
                (left + 0.6, y),
                xytext=(0, 5.5 * side),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color=color,
                annotation_clip=False,
            )
    ax.set_xlim(-_NODE - _REACH - 0.2, _NODE + _REACH + (0.2 if narrow else 8.2))
    ax.set_ylim(max(first + (len(edges) - 0.3) * step, rows - 0.4), -0.6 if narrow else -1.1)


def _said(edge: dict[Any, Any]) -> str:
    days = edge["median_days"]
    return f"{count(edge['passages'])} times, {count(days)} day{'' if days == 1 else 's'}, {pounds(edge['mean_gbp'])}"


def describe_flow_map(table: pd.DataFrame, *, area: str, top: int = 8) -> str:
    """Return the alternative text: the commonest passages with how often, after how long and at what cost."""
    edges = _known(table)
    if edges.empty:
        return _NOTHING
    said = [f"{say(e['from_step'])} to {say(e['to_step'])}: {_said(e)}" for e in edges.head(top).to_dict("records")]
    others = len(edges) - len(said)
    more = f" Drawn without words: {others}." if others else ""
    return (
        f"How patients pass between settings, {area}; times, median days between and mean cost of what follows. "
        f"{'; '.join(said)}.{more}"
    )
