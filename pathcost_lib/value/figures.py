"""Figures of notebook 07: each takes an `ax` and a table, draws, and returns the `ax`.

`describe_...` is a figure's alternative text, which it carries with its size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse

from pathcost_lib.present import style
from pathcost_lib.present.described import describes
from pathcost_lib.present.format import interval, percent, pounds, signed_pounds, tick_pounds, unit
from pathcost_lib.present.shapes import axis_title, empty, key, margin_text, rows_down
from pathcost_lib.variation.figures import own_points

#: A finding's mark, as in the funnel: orange diamond for a question, teal square for an example to others.
FLAGS = {"more expensive and no better": "high", "cheaper and worse": "high", "cheaper and no worse": "low"}
QALYS = unit("qalys").form


def value_map(ax: Axes, table: pd.DataFrame, *, own: Mapping[str, str], by: str, reason: str = "") -> Axes:
    """Draw each organisation's shrunken difference in cost (across) and in QALYs (up); the area's with intervals.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        `by`, pathways, cost_gbp with lower_95, upper_95, qalys with qalys_lower_95, qalys_upper_95, finding.
    own : mapping of str to str
        Code to name of those in colour, with a letter.
    by : str
        Column of the codes.
    reason : str
        Why there is no map.
    """
    points = table.dropna(subset=["cost_gbp"]).rename(columns={by: "provider_code"})
    if reason or len(points) < 2:
        return empty(ax, f"No map to show: {reason or 'fewer than two have eight patients with a health gain'}.")
    mine = points["provider_code"].isin(own)
    plain = points[~mine & ~points["finding"].isin(FLAGS)]
    ax.plot(plain["cost_gbp"], plain["qalys"], "o", ms=3.6, mfc=style.PAPER, mec=style.MUTED)
    flagged = points[~mine & points["finding"].isin(FLAGS)]
    for row in flagged.to_dict("records"):
        mark, color = ("D", style.MORE) if FLAGS[row["finding"]] == "high" else ("s", style.LESS)
        ax.plot(row["cost_gbp"], row["qalys"], mark, ms=5.5, mfc=style.PAPER, mec=color, mew=1.4)
    for row in points[mine].to_dict("records"):
        ax.hlines(row["qalys"], row["lower_95"], row["upper_95"], color=style.FOCUS, lw=1.2, alpha=0.6)
        ax.vlines(row["cost_gbp"], row["qalys_lower_95"], row["qalys_upper_95"], color=style.FOCUS, lw=1.2, alpha=0.6)
    handles = own_points(ax, points.assign(flag=points["finding"].map(FLAGS).fillna("")), own, "cost_gbp", "qalys")
    _cross(ax)
    ax.xaxis.set_major_formatter(lambda v, _: tick_pounds(v))
    axis_title(ax, "£ per patient more (right) or less (left) than the mean of all")
    ax.set_ylabel("QALYs per patient above or below")
    marks = [*handles.values(), *(_mark(m, c) for m, c in (("o", style.MUTED), ("D", style.MORE), ("s", style.LESS)))]
    texts = [*handles, "Others", "More expensive and no better, or cheaper and worse", "Cheaper and no worse"]
    key(ax, marks, texts, columns=1 if style.compact(ax) else 2)
    return ax


def cost_of_health(ax: Axes, table: pd.DataFrame, *, worth_gbp: float, reason: str = "") -> Axes:
    """Draw what a QALY costs here and elsewhere, with its 95 % interval, beside what it is held to be worth.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        area, ratio_gbp, lower_95, upper_95: this area first.
    worth_gbp : float
        What a QALY is held to be worth, pounds.
    reason : str
        Why there is nothing to draw.
    """
    rows = table.dropna(subset=["ratio_gbp"])
    if reason or rows.empty:
        return empty(ax, f"No cost per QALY to show: {reason or 'too few patients have a health gain'}.")
    rows_down(ax, rows["area"], bold=[0])
    for at, row in enumerate(rows.to_dict("records")):
        color = style.MUTED if at else style.FOCUS
        ax.hlines(at, row["lower_95"], row["upper_95"], color=color, lw=3.0)
        ax.plot(row["ratio_gbp"], at, "D" if at else "o", ms=8, mfc=style.PAPER if at else color, mec=color, mew=1.6)
        margin_text(ax, at, pounds(row["ratio_gbp"]), color=color, bold=not at)
    line = ax.axvline(worth_gbp, color=style.INK, lw=1.2, ls=(0, (4, 2)))
    ax.set_xlim(0, 1.08 * max(worth_gbp, rows["upper_95"].max()))
    ax.xaxis.set_major_formatter(lambda v, _: tick_pounds(v))
    axis_title(ax, "£ for a year of full health (QALY), with 95% intervals")
    key(ax, [line], [f"What it is held to be worth: {pounds(worth_gbp)}"])
    return ax


@describes(cost_of_health, height=2.4, tall=2.8)
def describe_cost_of_health(table: pd.DataFrame, *, worth_gbp: float, reason: str = "") -> str:
    """Return the alternative text: each cost per QALY with its interval, and the worth."""
    rows = table.dropna(subset=["ratio_gbp"])
    if reason or rows.empty:
        return f"No cost per QALY: {reason or 'too few patients have a health gain'}."
    costs = [
        f"{row['area']} {pounds(row['ratio_gbp'])} (95% interval {interval(row['lower_95'], row['upper_95'])})"
        for row in rows.to_dict("records")
    ]
    return f"Cost of a QALY: {'; '.join(costs)}. It is held to be worth {pounds(worth_gbp)}."


def _mark(marker: str, color: str) -> Line2D:
    return Line2D([], [], ls="", marker=marker, ms=5, mfc=style.PAPER, mec=color, mew=1.2)


def _cross(ax: Axes) -> None:
    """Draw the two axes through zero, all of the data in reach of them, and say what each corner means."""
    ax.margins(0.08, 0.16)
    ax.axhline(0, color=style.INK, lw=0.9)
    ax.axvline(0, color=style.INK, lw=0.9)
    for x, side, cost in ((0.01, "left", "cheaper"), (0.99, "right", "more expensive")):
        for y, end, gain in ((0.98, "top", "better"), (0.02, "bottom", "worse")):
            ax.text(x, y, f"{cost}, {gain}", transform=ax.transAxes, ha=side, va=end, color=style.MUTED, fontsize=8)


@describes(value_map, height=4.6, tall=5.2)
def describe_value_map(table: pd.DataFrame, *, own: Mapping[str, str], by: str, reason: str = "") -> str:
    """Return the alternative text: where the area's are, and what is found of them and of the others."""
    points = table.dropna(subset=["cost_gbp"])
    if reason or len(points) < 2:
        return f"No value map: {reason or 'too few organisations have enough patients'}."
    texts = [
        f"{own[r[by]]}: {signed_pounds(r['cost_gbp'])} ({interval(r['lower_95'], r['upper_95'], signed_pounds)}) and "
        f"{QALYS(r['qalys'])} QALYs ({interval(r['qalys_lower_95'], r['qalys_upper_95'], QALYS)}) per patient"
        + (f", {r['finding']}" if r["finding"] in FLAGS else "")
        for r in points[points[by].isin(own)].to_dict("records")
    ]
    others = points.loc[~points[by].isin(own) & points["finding"].isin(FLAGS), "finding"].value_counts()
    elsewhere = "; ".join(f"{n} {name}" for name, n in others.items()) or "none stands out"
    mine = "; ".join(texts) or "None of the area can be shown"
    return (
        f"Cost against health gain of {len(points)}, as differences from the mean. {mine}. Of the others, {elsewhere}."
    )


def cost_effectiveness_plane(ax: Axes, table: pd.DataFrame, *, area: str, worth_gbp: float, reason: str = "") -> Axes:
    """Draw an area's extra QALYs (across) and extra cost (up) against the other areas, with 50 % and 95 % regions.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        One row: cost_gbp, qalys, their standard errors cost_se_gbp and qalys_se, and their correlation.
    area : str
        What the area is called.
    worth_gbp : float
        £ per QALY, drawn as a line through zero: below it the difference is worth it.
    reason : str
        Why there is no plane.
    """
    points = table.dropna(subset=["cost_gbp"])
    if reason or points.empty:
        return empty(ax, f"No plane to show: {reason or 'fewer than eight patients have a health gain'}.")
    row = points.iloc[0]
    widest = 0.0
    for share, alpha in ((0.95, 0.16), (0.5, 0.3)):
        reach = np.sqrt(-2 * np.log(1 - share))  # sqrt(chi2.ppf(share, 2))
        ax.add_patch(_region(row, reach, alpha))
        widest = max(widest, reach)
    ax.plot(row["qalys"], row["cost_gbp"], "o", ms=7, color=style.FOCUS, mec=style.PAPER)
    across = abs(row["qalys"]) + 1.15 * widest * row["qalys_se"]
    up = abs(row["cost_gbp"]) + 1.15 * widest * row["cost_se_gbp"]
    end = min(across, up / worth_gbp)
    ax.plot([-end, end], [-end * worth_gbp, end * worth_gbp], color=style.MUTED, lw=0.9, ls=(0, (4, 2)))
    ax.set_xlim(-across, across)
    ax.set_ylim(-up, up)
    ax.axhline(0, color=style.INK, lw=0.9)
    ax.axvline(0, color=style.INK, lw=0.9)
    ax.yaxis.set_major_formatter(lambda v, _: tick_pounds(v))
    ax.set_ylabel("£ per patient more than other areas")
    axis_title(ax, "QALYs per patient more than other areas")
    region = Line2D([], [], color=style.FOCUS, alpha=0.3, lw=7)
    line = Line2D([], [], color=style.MUTED, lw=0.9, ls=(0, (4, 2)))
    point = Line2D([], [], ls="", marker="o", ms=7, color=style.FOCUS)
    worth = f"Below and right of the line: worth it at {tick_pounds(worth_gbp)} a QALY"
    texts = [area, "Shaded: 50% and 95% uncertainty regions", worth]
    key(ax, [point, region, line], texts, columns=1 if style.compact(ax) else 2)
    return ax


def _region(row: pd.Series, reach: float, alpha: float) -> Ellipse:
    """Return the ellipse of a bivariate normal, out to `reach` standard deviations along its axes."""
    both = row["correlation"] * row["qalys_se"] * row["cost_se_gbp"]
    values, vectors = np.linalg.eigh([[row["qalys_se"] ** 2, both], [both, row["cost_se_gbp"] ** 2]])
    width, height = 2 * reach * np.sqrt(np.maximum(values, 0))
    angle = np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0]))
    return Ellipse((row["qalys"], row["cost_gbp"]), width, height, angle=angle, color=style.FOCUS, alpha=alpha, lw=0)


@describes(cost_effectiveness_plane, height=4.2, tall=4.8)
def describe_cost_effectiveness_plane(table: pd.DataFrame, *, area: str, reason: str = "") -> str:
    """Return the alternative text: both differences with intervals."""
    points = table.dropna(subset=["cost_gbp"])
    if reason or points.empty:
        return f"No cost-effectiveness plane: {reason or 'too few patients'}."
    row = points.iloc[0]
    return (
        f"{area} against all other areas: {signed_pounds(row['cost_gbp'])} per patient "
        f"({interval(row['lower_95'], row['upper_95'], signed_pounds)}) and {QALYS(row['qalys'])} QALYs "
        f"({interval(row['qalys_lower_95'], row['qalys_upper_95'], QALYS)})."
    )


def acceptability(ax: Axes, table: pd.DataFrame, *, thresholds: Sequence[float], reason: str = "") -> Axes:
    """Draw the probability that an area gives better value than the others, by what a QALY is held to be worth.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        threshold_gbp, worthwhile_chance.
    thresholds : sequence of float
        £ per QALY to be marked.
    reason : str
        Why there is no curve.
    """
    points = table.dropna(subset=["worthwhile_chance"])
    if reason or len(points) < 2:
        return empty(ax, f"No curve to show: {reason or 'fewer than eight patients have a health gain'}.")
    ax.plot(points["threshold_gbp"], points["worthwhile_chance"], color=style.FOCUS, lw=2.4)
    ax.axhline(50, color=style.MUTED, lw=0.9)
    for worth in thresholds:
        ax.axvline(worth, color=style.MUTED, lw=0.9, ls=(0, (4, 2)))
    ax.set_ylim(0, 100)
    ax.set_xlim(0, points["threshold_gbp"].max())
    ax.xaxis.set_major_formatter(lambda v, _: tick_pounds(v))
    ax.yaxis.set_major_formatter(lambda v, _: percent(v))
    ax.grid(True, axis="y")
    axis_title(ax, "What a QALY is held to be worth (£)")
    ax.set_ylabel("Probability of better value")
    return ax


@describes(acceptability)
def describe_acceptability(table: pd.DataFrame, *, thresholds: Sequence[float], reason: str = "") -> str:
    """Return the alternative text: the probability at each threshold."""
    points = table.dropna(subset=["worthwhile_chance"])
    if reason or points.empty:
        return f"No acceptability curve: {reason or 'too few patients'}."
    at = [
        f"{percent(np.interp(w, points['threshold_gbp'].astype(float), points['worthwhile_chance'].astype(float)))} at "
        f"{pounds(w)}"
        for w in thresholds
    ]
    return f"Probability that the area gives better value than the others: {', '.join(at)} a QALY."


def say_measure(value: float, code: str) -> str:
    """Return a value in the words of its unit: gain, gbp, pct, days."""
    return percent(value, 1) if code == "pct" else unit(code).form(value)


def triple_aim(ax: Axes, table: pd.DataFrame, *, area: str, reference: str = "England") -> Axes:
    """Draw each measure's difference from all areas with its 95 % interval, as wide as the row; or that it is not held.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        measure, unit, value, lower_95, upper_95, reference, reason.
    area, reference : str
        What the two are called.
    """
    if table.empty:
        return empty(ax, "Nothing to show: the area has no pathway here.")
    ax.axvline(0, color=style.MUTED, lw=1.2)
    for row, item in enumerate(table.to_dict("records")):
        if pd.isna(item["value"]):
            words = "not held" if item["reason"] else "* not shown"
            ax.text(0.06, row, words, ha="left", va="center", color=style.MUTED)
            continue
        middle = item["value"] if pd.isna(item["reference"]) else item["reference"]
        away = [item[c] - middle for c in ("lower_95", "value", "upper_95")]
        lower, value, upper = (step / (max(map(abs, away)) or 1.0) for step in away)
        ax.plot([lower, upper], [row, row], color=style.FOCUS, lw=2.6)
        ax.plot(value, row, "o", ms=7, color=style.FOCUS, mec=style.PAPER)
        margin_text(ax, row - 0.16, say_measure(item["value"], item["unit"]), color=style.FOCUS, bold=True)
        margin_text(ax, row + 0.24, say_measure(item["reference"], item["unit"]), color=style.MUTED)
    rows_down(ax, table["measure"])
    ax.set_xlim(-1.05, 1.05)
    marks = {f"{area} (bar: 95% interval)": Line2D([], [], color=style.FOCUS, marker="o", ms=7, lw=2.6)}
    if table["reference"].notna().any():
        ax.set_xticks([-1, 0, 1], ["less", reference, "more"])
        marks[reference] = Line2D([], [], color=style.MUTED, lw=1.2)
    else:  # nobody to compare with
        ax.set_xticks([])
    key(ax, [*marks.values()], [*marks])
    return ax


@describes(triple_aim, height=4.8, tall=6.0)
def describe_triple_aim(table: pd.DataFrame, *, area: str, reference: str = "England") -> str:
    """Return the alternative text: each measure, its interval, and all areas; or why it is not held."""
    texts = []
    for row in table.to_dict("records"):
        code = row["unit"]
        if pd.isna(row["value"]):
            texts.append(f"{row['measure']}: {row['reason'] or 'not shown'}")
            continue
        ends = tuple(say_measure(row[c], code) for c in ("lower_95", "upper_95"))
        texts.append(
            f"{row['measure']}: {say_measure(row['value'], code)} ({ends[0]} to {ends[1]}) against "
            f"{say_measure(row['reference'], code)}"
        )
    return f"{area} (95% interval) against {reference}. {'; '.join(texts) or 'Nothing to show'}."
