"""Figures of notebooks 02 and 03: each takes an `ax` and a table, draws, and returns the `ax`.

`describe_...` is a figure's alternative text, and gives it its size.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, Patch, RegularPolygon
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator

from pathcost_lib.codes import COST_BASES, SETTINGS
from pathcost_lib.present import style
from pathcost_lib.present.described import describes
from pathcost_lib.present.format import ABSENT, count, interval, percent, pounds, say, signed_pounds, unit
from pathcost_lib.present.shapes import (
    axis_title,
    describe_waterfall,
    empty,
    key,
    margin_text,
    row_lines,
    rows_down,
    say_list,
    waterfall,
)

_DIFFERENCE = ["difference_gbp", "difference_lower_95", "difference_upper_95"]
_NOTHING = "Nothing to show: there are no others to compare with, or too few people."


def against_hundred(ax: Axes, table: pd.DataFrame, *, by: str, measure: str) -> Axes:
    """Draw each row's index and 95 % interval against a line at 100; filled where the interval leaves 100 out.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        `by`, index, index_lower_95, index_upper_95. NaN is named and marked as not shown.
    by, measure : str
        Column that names the rows; what 100 is.
    """
    if table["index"].notna().sum() == 0:
        return empty(ax, _NOTHING)
    limits = table[["index", "index_lower_95", "index_upper_95"]]
    _beside_line(ax, limits, at=100, form=count, reach=_between, none="* not shown", names=table[by])
    axis_title(ax, f"{measure} (bar: 95% interval)")
    return _told_apart(ax, ["Above 100", "Below 100", "Interval holds 100"])


def _beside_line(
    ax: Axes,
    limits: pd.DataFrame,
    *,
    at: float,
    form: Callable[[float], str],
    reach: Callable[[float, float], str],
    none: str,
    names: pd.Series,
    bold: Sequence[int] = (),
) -> None:
    """Draw each row's value and interval beside a line; filled where the interval leaves the line out."""
    ax.axvline(at, color=style.MUTED, lw=1)
    for row, (value, lower, upper) in enumerate(limits.to_numpy(dtype=float)):
        if pd.isna(value):
            margin_text(ax, row, none, color=style.MUTED)
            continue
        color = style.MORE if lower > at else style.LESS if upper < at else style.MUTED
        face = color if color != style.MUTED else style.PAPER
        ax.plot([lower, upper], [row, row], color=color, lw=2.4)
        ax.plot(value, row, marker="o", ms=7, mfc=face, mec=color, mew=1.6, lw=0)
        text = form(value) if style.compact(ax) else f"{form(value)} ({reach(lower, upper)})"
        margin_text(ax, row, text, color=color, bold=color != style.MUTED)
    rows_down(ax, names, bold=bold)
    ax.locator_params(axis="x", nbins=4 if style.compact(ax) else 8)
    ax.xaxis.set_major_formatter(lambda value, _: form(value))
    ax.grid(True, axis="x")


def _told_apart(ax: Axes, words: Sequence[str]) -> Axes:
    """Add the key of `_beside_line`: what more, less, and an interval over the line are called."""
    marks = [(style.MORE, style.MORE), (style.LESS, style.LESS), (style.MUTED, style.PAPER)]
    handles = [Line2D([], [], marker="o", ms=7, color=c, mfc=f, mec=c, mew=1.6, lw=2.4) for c, f in marks]
    key(ax, handles, list(words), columns=2 if style.compact(ax) else None)
    return ax


def _between(lower: float, upper: float) -> str:
    """Return an interval in words, to a decimal where rounding would have one that leaves 100 out reach it."""
    near = min(abs(lower - 100), abs(upper - 100)) < 0.5 and not lower <= 100 <= upper
    return interval(lower, upper, unit("").form if near else count)


def _hundred_tall(table: pd.DataFrame, by: str) -> float:
    """Return the height of the phone form: its labels stand in up to so many lines."""
    lines = max((len(row_lines(name, narrow=True)) for name in table[by]), default=1)
    return 1.6 + len(table) * max(0.33, 0.14 * lines)


@describes(against_hundred, height=lambda table: 1.3 + 0.3 * len(table), tall=_hundred_tall)
def describe_against_hundred(table: pd.DataFrame, *, by: str, measure: str) -> str:
    """Return the alternative text: each row's index with its interval."""
    form = dict.fromkeys(("index", "index_lower_95", "index_upper_95"), count)
    text = (
        say_list(table, by, "{index} ({index_lower_95} to {index_upper_95})", **form) if len(table) else "None shown."
    )
    return f"{measure}, with 95% intervals. {text}"


def adjustments(ax: Axes, table: pd.DataFrame, *, reference: str, used: str) -> Axes:
    """Draw the difference from the reference under each basis, with its 95 % interval, against a line at zero.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        basis, allows_for, difference_gbp, difference_lower_95, difference_upper_95: pounds per person. What is missing
        is named and marked as not known.
    reference : str
        What the area is compared with.
    used : str
        The basis on which the opportunity rests.
    """
    if table["difference_gbp"].notna().sum() == 0:
        return empty(ax, _NOTHING)
    _beside_line(
        ax,
        table[_DIFFERENCE],
        at=0,
        form=signed_pounds,
        reach=lambda lower, upper: interval(lower, upper, signed_pounds),
        none="not known",
        names=table["allows_for"],
        bold=np.flatnonzero(table["basis"] == used).tolist(),
    )
    axis_title(ax, f"£ per person more or less than {reference} (bar: 95% interval; bold: what the opportunity uses)")
    return _told_apart(ax, ["More", "Less", "No clear difference"])


@describes(
    adjustments, height=lambda table: 1.4 + 0.34 * len(table), tall=lambda table: _hundred_tall(table, "allows_for")
)
def describe_adjustments(table: pd.DataFrame, *, reference: str) -> str:
    """Return the alternative text: the difference with its interval, by what is allowed for."""
    form = dict.fromkeys(_DIFFERENCE, signed_pounds)
    text = say_list(
        table.dropna(subset="difference_gbp"),
        "allows_for",
        "{difference_gbp} ({difference_lower_95} to {difference_upper_95})",
        **form,
    )
    return f"Difference from {reference} in £ per person, by what is allowed for, with 95% intervals. {text}"


def drivers_waterfall(ax: Axes, table: pd.DataFrame, *, area: str, reference: str) -> Axes:
    """Draw `waterfall` over the drivers of the cost per 1,000 people; the row of the whole difference is its end."""
    steps = table[table["driver"] != "whole_difference"]
    waterfall(ax, steps, by="driver", area=area, reference=reference)
    if ax.axison:
        axis_title(ax, "£ per 1,000 people (the axis does not start at zero)")
        ax.tick_params(axis="x", labelsize=6 if style.compact(ax) else 8)
    return ax


@describes(drivers_waterfall, height=3.0)
def describe_drivers(table: pd.DataFrame, *, area: str, reference: str) -> str:
    """Return the alternative text: both ends, and each driver with its interval."""
    steps = table[table["driver"] != "whole_difference"]
    text = describe_waterfall(steps, by="driver", area=area, reference=reference)
    return text.replace("per patient", "per 1,000 people", 1)


def peers(ax: Axes, table: pd.DataFrame, *, by: str = "name") -> Axes:
    """Draw how far each peer is, the nearest at the top: `by`, distance."""
    if table.empty:
        return empty(ax, "No peers: the data hold fewer than three areas with a population.")
    for row, far in enumerate(table["distance"].to_numpy(dtype=float)):
        ax.plot([0, far], [row, row], color=style.FOCUS, lw=2.4, alpha=0.55)
        ax.plot(far, row, marker="o", ms=7, color=style.FOCUS, lw=0)
        margin_text(ax, row, unit("").form(far), color=style.FOCUS, bold=True)
    rows_down(ax, table[by])
    ax.set_xlim(left=0)
    ax.locator_params(axis="x", nbins=4)
    ax.grid(True, axis="x")
    axis_title(ax, "Distance in standard deviations (0: alike in every feature)")
    return ax


def _peers_high(table: pd.DataFrame) -> float:
    return 1.0 + 0.3 * max(len(table), 2)


@describes(peers, height=_peers_high, tall=lambda table: 1.4 * _peers_high(table))
def describe_peers(table: pd.DataFrame, *, by: str = "name") -> str:
    """Return the alternative text: each peer with its distance."""
    if table.empty:
        return "No peers are shown."
    return f"Peers, nearest first, with distance. {say_list(table, by, '{distance}', distance=unit('').form)}"


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


@describes(cost_basis, height=3.6)
def describe_cost_basis(table: pd.DataFrame) -> str:
    """Return the alternative text: each setting's shares and coverage."""
    texts = []
    for setting, rows in table.groupby("setting", sort=False):
        known = rows[rows["contacts_pct"] > 0]
        shares = ", ".join(
            f"{_NAMES[b].lower()} {percent(p)}" for b, p in zip(known["cost_basis"], known["contacts_pct"], strict=True)
        )
        covered = rows["coverage_pct"].iloc[0]
        coverage = "not computable" if pd.isna(covered) else percent(covered)
        texts.append(f"{say(setting)}: {shares or 'not shown'}; coverage {coverage}")
    return "What costs rest on, as a share of contacts, and coverage. " + ". ".join(texts) + "."


#: Half the width of a node, and how far the longest passage reaches beyond it.
_NODE, _REACH = 1.3, 2.3
_NO_PASSAGE = "Nothing to show: every passage rests on fewer than eight pathways."


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
        return empty(ax, _NO_PASSAGE)
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
    steps = {*edges["from_step"], *edges["to_step"]}
    return [s for s in SETTINGS if s in steps] + sorted(steps - set(SETTINGS))


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


@describes(flow_map, height=4.4, tall=6.8)
def describe_flow_map(table: pd.DataFrame, *, area: str, top: int = 8) -> str:
    """Return the alternative text: the commonest passages with how often, after how long and at what cost."""
    edges = _known(table)
    if edges.empty:
        return _NO_PASSAGE
    texts = [f"{say(e['from_step'])} to {say(e['to_step'])}: {_said(e)}" for e in edges.head(top).to_dict("records")]
    others = len(edges) - len(texts)
    more = f" Drawn without words: {others}." if others else ""
    return (
        f"How patients pass between settings, {area}; times, median days between and mean cost of what follows. "
        f"{'; '.join(texts)}.{more}"
    )


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
    handles = {}
    looks = ((area, -0.1, "o", style.FOCUS, style.FOCUS, "-"), (reference, 0.1, "D", style.MUTED, style.PAPER, "--"))
    for name, shift, marker, color, face, dash in looks:
        rows = table[(table["area"] == name) & table["value_gbp"].notna()].astype({"decile": int})
        if rows.empty:  # nobody to compare with
            continue
        at = rows["decile"] + shift
        ax.vlines(at, rows["lower_95"], rows["upper_95"], color=color, lw=2.4 if name == area else 1.4)
        ax.plot(rows["decile"], rows["fitted_gbp"], color=color, lw=1.2, ls=dash)
        (handles[name],) = ax.plot(at, rows["value_gbp"], marker=marker, ms=6, mfc=face, mec=color, color=color, lw=0)
    ax.set_xticks(range(1, 11))
    ax.set_ylim(bottom=0)
    ax.locator_params(axis="y", nbins=5)
    ax.yaxis.set_major_formatter(lambda value, _: pounds(value))
    ax.grid(True, axis="y")
    axis_title(ax, "Tenth of deprivation, 1 the most deprived (bar: 95% interval; line: fitted)")
    key(ax, [*handles.values()], [*handles])
    return ax


@describes(gradient)
def describe_gradient(table: pd.DataFrame, *, area: str, reference: str = "England") -> str:
    """Return the alternative text: each tenth of the area with its interval."""
    ours = table[table["area"] == area].assign(tenth=lambda rows: "Tenth " + rows["decile"].astype(str))
    form = dict.fromkeys(("value_gbp", "lower_95", "upper_95"), pounds)
    text = say_list(ours, "tenth", "{value_gbp} ({lower_95} to {upper_95})", **form) if len(ours) else "None shown."
    beside = f" beside {reference}" if table.loc[table["area"] == reference, "value_gbp"].notna().any() else ""
    return f"Cost per person by tenth of deprivation, {area}{beside}, with 95% intervals. {text}"


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
        classes = [c for c in _CLASSES if known and round(item["index"], 6) >= c[0]]
        face, ink = classes[-1][1:3] if classes else (_NONE, _DARK)
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


@describes(hexmap, height=5.2, tall=4.3)
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


def outside_share(ax: Axes, table: pd.DataFrame, *, by: str = "phase", reference: str = "England") -> Axes:
    """Draw the share of cost at providers other than that of the index event, with the reference as a tick.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        `by`, outside_pct, reference_pct (0 to 100); the last row may be the whole pathway.
    by : str
        Column that names the rows.
    reference : str
        What the tick is called.
    """
    if table["outside_pct"].notna().sum() == 0:
        return empty(ax, "Nothing to show: the shares rest on fewer than eight contacts or patients.")
    for row, item in enumerate(table.to_dict("records")):
        if pd.isna(item["outside_pct"]):
            margin_text(ax, row, "* not shown", color=style.MUTED)
            continue
        ax.barh(row, 100, height=0.56, color=style.GRID)
        ax.barh(row, item["outside_pct"], height=0.56, color=style.FOCUS)
        if not pd.isna(item["reference_pct"]):
            ax.plot([item["reference_pct"]] * 2, [row - 0.4, row + 0.4], color=style.INK, lw=2.2)
        margin_text(ax, row, percent(item["outside_pct"]), color=style.FOCUS, bold=True)
    rows_down(ax, table[by], bold=[len(table) - 1])
    ax.set_xlim(0, 100.5)
    ax.set_xticks([0, 25, 50, 75, 100], ["0%", "25%", "50%", "75%", "100%"])
    ax.set_xlabel("Share of cost")
    handles = [Patch(color=style.FOCUS), Patch(color=style.GRID), Line2D([], [], color=style.INK, lw=2.2)]
    texts = ["Other providers", "Provider of the index event", f"Other providers, {reference}"]
    known = 3 if table["reference_pct"].notna().any() else 2
    key(ax, handles[:known], texts[:known])
    return ax


@describes(outside_share)
def describe_outside_share(table: pd.DataFrame, *, by: str = "phase", area: str, reference: str = "England") -> str:
    """Return the alternative text: each row's share and the reference's."""
    rows = say_list(table, by, "{outside_pct} against {reference_pct}", outside_pct=percent, reference_pct=percent)
    return f"Share of cost outside the provider of the index event, {area} against {reference}. {rows}"


def stage_ranks(ax: Axes, table: pd.DataFrame, *, by: str = "provider", ranked: int, own: Collection[str] = ()) -> Axes:
    """Draw two ranks with 95 % intervals for each provider: own stage above (square), whole pathway below (disc).

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        `by`, stage_rank, stage_rank_lower_95, stage_rank_upper_95, pathway_rank, pathway_rank_lower_95,
        pathway_rank_upper_95; 1 is the lowest cost. NaN: too few pathways to rank.
    by : str
        Column that names the provider.
    ranked : int
        How many providers are ranked in all: the length of the axis.
    own : collection of str
        Providers to set in bold.
    """
    ranks = table.dropna(subset=["stage_rank", "pathway_rank"])
    if ranks.empty or ranked < 2:
        return empty(ax, "No ranks to show: fewer than two providers here have enough complete pathways to be ranked.")
    handles = []
    for measure, shift, color, marker in (("stage", -0.17, style.MORE, "s"), ("pathway", 0.17, style.FOCUS, "o")):
        for row, (rank, lower, upper) in enumerate(
            ranks[[f"{measure}_rank", f"{measure}_rank_lower_95", f"{measure}_rank_upper_95"]].to_numpy(dtype=float)
        ):
            ax.plot([lower, upper], [row + shift] * 2, color=color, lw=2.4, alpha=0.55)
            line = ax.plot(rank, row + shift, marker=marker, ms=7, color=color, mec=style.PAPER, lw=2.4)[0]
        handles.append(line)
    rows_down(ax, ranks[by], bold=[n for n, name in enumerate(ranks[by]) if name in own])
    ax.set_xlim(0.2, ranked + 0.8)
    middle = MaxNLocator(nbins=5 if style.compact(ax) else 8, integer=True).tick_values(1, ranked)
    ax.set_xticks([1, *(t for t in middle if ranked * 0.06 < t - 1 and t < ranked * 0.9), ranked])
    ax.xaxis.set_major_formatter(lambda value, _: count(value))
    ax.grid(True, axis="x")
    axis_title(ax, f"Rank among {ranked} providers (1: lowest cost; bar: 95% interval)")
    key(ax, handles, ["Own stage: the index event", "Whole pathway, all providers"])
    return ax


def _ranks_high(table: pd.DataFrame) -> float:
    return 1.2 + 0.5 * max(int(table["pathway_rank"].count()), 2)


@describes(stage_ranks, height=_ranks_high, tall=lambda table: 1.2 * _ranks_high(table))
def describe_stage_ranks(table: pd.DataFrame, *, by: str = "provider", ranked: int) -> str:
    """Return the alternative text: both ranks of each provider with intervals."""
    ranks = table.dropna(subset=["stage_rank", "pathway_rank"])
    texts = [
        f"{r[by]}: own stage {count(r['stage_rank'])} ({count(r['stage_rank_lower_95'])} to "
        f"{count(r['stage_rank_upper_95'])}), pathway {count(r['pathway_rank'])} "
        f"({count(r['pathway_rank_lower_95'])} to {count(r['pathway_rank_upper_95'])})"
        for r in ranks.to_dict("records")
    ]
    return (
        f"Ranks among {ranked} providers, 1 is the lowest cost, with 95% intervals. {'; '.join(texts) or 'None shown'}."
    )
