"""Figures of notebook 06: each takes an `ax` and a table, draws, and returns the `ax`.

`describe_...` is a figure's alternative text.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from seaborn.utils import relative_luminance

from pathcost_lib.present import style
from pathcost_lib.present.described import describes
from pathcost_lib.present.disclosure import MARK
from pathcost_lib.present.format import percent, say, short_pounds
from pathcost_lib.present.shapes import axis_title, empty, key, margin_text, pound_axis, row_label, rows_down, wrapped

#: Column -> (what it is called, fill, hatch).
_TIMELINE = {
    "released_gbp": ("Cost released", style.LESS, ""),
    "destination_gbp": ("Cost where activity moves to", *style.CATEGORIES[2][:2]),
    "programme_gbp": ("Set-up, running and exit", style.MORE, ""),
    "double_running_gbp": ("Double running", *style.CATEGORIES[3][:2]),
}
_STRANDED = {
    "released_gbp": ("Released", style.LESS, ""),
    "stranded_semi_fixed_gbp": ("Capacity freed, not cashed", *style.CATEGORIES[3][:2]),
    "stranded_fixed_gbp": ("Fixed cost left behind", *style.CATEGORIES[0][:2]),
}


def timeline(ax: Axes, table: pd.DataFrame) -> Axes:
    """Draw what is released to the right and what is spent to the left, year by year, with the net as a diamond.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        financial_year, ramp_pct (how far along the schemes are), released_gbp, destination_gbp, programme_gbp,
        double_running_gbp, net_gbp; or not_computable, with the reason.
    """
    why = _blocked(table, "net_gbp")
    if why:
        return empty(ax, why)
    handles, texts = _stack(ax, table, _TIMELINE)
    ax.plot(table["net_gbp"], range(len(table)), ls="", marker="D", ms=5, mfc=style.PAPER, mec=style.INK, mew=1.4)
    for row, net in enumerate(table["net_gbp"]):
        margin_text(ax, row, short_pounds(net), color=style.MORE if net < 0 else style.LESS, bold=True)
    rows_down(ax, [f"{y} ({percent(r)})" for y, r in zip(table["financial_year"], table["ramp_pct"], strict=True)])
    pound_axis(ax, "£ a year; in brackets how far along the schemes are; in the margin the net")
    net = Line2D([], [], ls="", marker="D", ms=5, mfc=style.PAPER, mec=style.INK, mew=1.4)
    key(ax, [*handles, net], [*texts, "Net"], columns=None if style.compact(ax) else 3)
    return ax


def stranded(ax: Axes, table: pd.DataFrame) -> Axes:
    """Draw the full cost of the activity that goes, year by year: released, capacity not cashed, fixed left behind.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        financial_year, released_gbp, stranded_semi_fixed_gbp, stranded_fixed_gbp, stranded_gbp (their sum); or
        not_computable, with the reason.
    """
    why = _blocked(table, "stranded_gbp")
    if why:
        return empty(ax, why)
    handles, texts = _stack(ax, table, _STRANDED)
    for row, left in enumerate(table["stranded_gbp"]):
        margin_text(ax, row, short_pounds(left).lstrip("+"), bold=True)
    rows_down(ax, table["financial_year"])
    pound_axis(ax, "£ a year of the activity that goes; in the margin what is stranded")
    key(ax, handles, texts)
    return ax


def _blocked(table: pd.DataFrame, column: str) -> str:
    if "not_computable" in table:
        return str(table["not_computable"].iloc[0])
    return "Not shown: the schemes act on fewer than eight people." if table[column].isna().any() else ""


def _stack(
    ax: Axes, table: pd.DataFrame, series: Mapping[str, tuple[str, str, str]]
) -> tuple[list[Patch | Line2D], list[str]]:
    """Stack gains to the right of nil and costs to the left; return the key."""
    ends = {True: np.zeros(len(table)), False: np.zeros(len(table))}
    handles: list[Patch | Line2D] = []
    texts = []
    for column, (text, face, hatch) in series.items():
        values = table[column].to_numpy(dtype=float)
        if not np.abs(values).max(initial=0.0) > 0:
            continue
        left = np.where(values >= 0, ends[True], ends[False])
        bars = ax.barh(range(len(table)), values, left=left, height=0.62, facecolor=face, hatch=hatch)
        for bar in bars:
            bar.set(edgecolor=style.PAPER, linewidth=0.8)
        for side in (True, False):
            ends[side] = ends[side] + np.where((values >= 0) == side, values, 0.0)
        handles.append(Patch(facecolor=face, hatch=hatch, edgecolor=style.PAPER))
        texts.append(text)
    ax.axvline(0, color=style.MUTED, lw=0.8)
    return handles, texts


@describes(timeline, height=lambda table: 1.5 + 0.27 * len(table))
def describe_timeline(table: pd.DataFrame) -> str:
    """Return the alternative text: each year's ramp, release, spend and net."""
    why = _blocked(table, "net_gbp")
    texts = (
        f"{r['financial_year']} ({percent(r['ramp_pct'])} along): released {short_pounds(r['released_gbp'])}, "
        f"double running {short_pounds(r['double_running_gbp'])}, net {short_pounds(r['net_gbp'])}"
        for r in ([] if why else table.to_dict("records"))
    )
    return why or f"Year by year. {'; '.join(texts)}."


@describes(stranded, height=lambda table: 1.5 + 0.27 * len(table))
def describe_stranded(table: pd.DataFrame) -> str:
    """Return the alternative text: what is stranded in each year."""
    why = _blocked(table, "stranded_gbp")
    texts = (
        f"{r['financial_year']} {short_pounds(r['stranded_gbp']).lstrip('+')}"
        for r in ([] if why else table.to_dict("records"))
    )
    return why or f"Cost stranded, by year: {'; '.join(texts)}."


_ENDS = ("Cost released", "Left for the system")


def cash_steps(table: pd.DataFrame) -> list[tuple[str, float, float, str]]:
    """Return the rows of the waterfall as (name, from, to, kind): the steps, with a subtotal where cost is released.

    `table` has step, change_gbp, running_gbp: the full cost, two steps of what stays behind, two of what is spent.
    """
    kinds = ("total", "stays", "stays", "spent", "spent")
    rows = [
        (str(step), float(running - change), float(running), kind)
        for step, change, running, kind in zip(
            table["step"], table["change_gbp"], table["running_gbp"], kinds, strict=True
        )
    ]
    rows.insert(3, (_ENDS[0], 0.0, rows[2][2], "total"))
    return [*rows, (_ENDS[1], 0.0, rows[-1][2], "total")]


def cash_waterfall(ax: Axes, table: pd.DataFrame) -> Axes:
    """Draw the steps from the full cost of the activity that goes to what the system is left with.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        As in `cash_steps`; or not_computable, with the reason.
    """
    if "not_computable" in table:
        return empty(ax, str(table["not_computable"].iloc[0]))
    if table["change_gbp"].isna().any():
        return empty(ax, "Not shown: the schemes act on fewer than eight people.")
    faces = {"total": (style.FOCUS, ""), "stays": (style.PAPER, "////"), "spent": (style.MORE, "")}
    rows = cash_steps(table)
    for row, (_, start, end, kind) in enumerate(rows):
        face, hatch = faces[kind]
        edge = style.MORE if kind == "stays" else face
        ax.barh(row, end - start, left=start, height=0.56, facecolor=face, hatch=hatch, edgecolor=edge, linewidth=1.0)
        if row + 1 < len(rows):
            ax.plot([end, end], [row + 0.28, row + 0.72], color=style.MUTED, lw=0.8, zorder=0)
        text = short_pounds(end - start)
        ink = style.FOCUS if kind == "total" else style.MORE
        margin_text(ax, row, text.lstrip("+") if kind == "total" else text, color=ink, bold=kind == "total")
    rows_down(ax, [name for name, *_ in rows], bold=[n for n, r in enumerate(rows) if r[3] == "total"])
    ax.axvline(0, color=style.MUTED, lw=0.8)
    pound_axis(ax, "£, all years together")
    handles = [Patch(facecolor=style.PAPER, edgecolor=style.MORE, hatch="////"), Patch(facecolor=style.MORE)]
    key(ax, handles, ["Stays behind", "Spent"])
    return ax


@describes(cash_waterfall)
def describe_cash_waterfall(table: pd.DataFrame) -> str:
    """Return the alternative text: each step."""
    if "not_computable" in table:
        return str(table["not_computable"].iloc[0])
    if table["change_gbp"].isna().any():
        return "The steps are not shown."
    texts = (f"{name.lower()} {short_pounds(end - start)}" for name, start, end, _ in cash_steps(table))
    return f"From activity to cash, all years together: {'; '.join(texts)}."


# Not the house's own colours, which turn with a dark page: here the number's ink goes with its cell.
_SCALE = LinearSegmentedColormap.from_list(
    "pathcost_signed", ["#b5490d", "#e39a6c", "#f8e6da", "#f6f6f4", "#d8ece9", "#6db6ad", "#00695f"]
)


def signed_grid(ax: Axes, table: pd.DataFrame, *, columns: str, most: int = 6, over: str = "") -> Axes:
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
    over : str
        What the pounds add up over, and how, where the same page shows them on another basis too.
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
    axis_title(ax, f"+ better off, − worse off; £{f' {over}' if over else ''}, k thousand, m million")
    ax.set_ylabel("")
    return ax


@describes(signed_grid, height=lambda table: 1.6 + 0.36 * table.iloc[:, 0].nunique())
def describe_signed_grid(table: pd.DataFrame, *, columns: str, over: str = "") -> str:
    """Return the alternative text: every organisation's amount under each heading."""
    if "not_computable" in table:
        return str(table["not_computable"].iloc[0])
    texts = []
    for name, rows in table.groupby("organisation", sort=False):
        cells = zip(rows[columns], rows["impact_gbp"], strict=True)
        values = (f"{say(c).lower()} {'not shown' if pd.isna(v) else short_pounds(v)}" for c, v in cells)
        texts.append(f"{say(name)}: {', '.join(values)}")
    return f"Better (+) or worse (−) off{f', £ {over}' if over else ''}. {'; '.join(texts)}."


def spread(ax: Axes, table: pd.DataFrame, *, low: float, middle: float, high: float, central: float) -> Axes:
    """Draw the draws as a histogram, losses hatched, with p10, p50 and p90 and what mean effects alone would say.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        from_gbp, to_gbp, draws_share; or not_computable, with the reason.
    low, middle, high : float
        p10, p50 and p90 of the draws, GBP.
    central : float
        Net present value at mean effects, GBP.
    """
    if "not_computable" in table:
        return empty(ax, str(table["not_computable"].iloc[0]))
    if table["draws_share"].isna().any():
        return empty(ax, "Not shown: the schemes act on fewer than eight people.")
    if len(table) < 2:
        return empty(ax, f"No assumption of this scenario is uncertain: every draw is worth {short_pounds(middle)}.")
    middles = (table["from_gbp"] + table["to_gbp"]) / 2
    widths, shares = table["to_gbp"] - table["from_gbp"], table["draws_share"].to_numpy(dtype=float)
    loss = middles.to_numpy() < 0
    for mine, color, hatch in ((~loss, style.LESS, ""), (loss, style.MORE, "////")):
        face = style.PAPER if hatch else color
        ax.bar(middles[mine], shares[mine], width=0.94 * widths[mine], facecolor=face, edgecolor=color, hatch=hatch)
    top = float(shares.max())
    for value, text, height, side in (
        (low, "p10", 1.06, "right"),
        (middle, "p50", 1.24, "center"),
        (high, "p90", 1.06, "left"),
    ):
        ax.plot([value, value], [0, top * (height - 0.02)], color=style.INK, lw=1.3)
        ax.text(value, top * height, f"{text} {short_pounds(value)}", ha=side, va="bottom", fontweight="bold")
    ax.plot(central, 0.05 * top, marker="D", ms=7, mfc=style.PAPER, mec=style.INK, mew=1.5, clip_on=False, zorder=5)
    ends = np.array([table["from_gbp"].min(), table["to_gbp"].max(), central, 0.0])
    room = 0.12 * float(np.ptp(ends))
    ax.set_xlim(ends.min() - room, ends.max() + room)
    ax.set_ylim(0, top * 1.42)
    ax.set_yticks([])
    ax.axvline(0, color=style.MUTED, lw=0.9)
    pound_axis(ax, "£, net present value to the system")
    diamond = Line2D([], [], ls="", marker="D", ms=6, mfc=style.PAPER, mec=style.INK, mew=1.5)
    handles = [Patch(facecolor=style.LESS), Patch(facecolor=style.PAPER, edgecolor=style.MORE, hatch="////"), diamond]
    texts = ["System gains", "System loses", "At mean effects"]
    kept = [0, 1, 2] if loss.any() else [0, 2]
    key(ax, [handles[k] for k in kept], [texts[k] for k in kept])
    return ax


@describes(spread)
def describe_spread(table: pd.DataFrame, *, low: float, middle: float, high: float, central: float) -> str:
    """Return the alternative text: the three percentiles, and the value at mean effects."""
    if "not_computable" in table:
        return str(table["not_computable"].iloc[0])
    if table["draws_share"].isna().any():
        return "The distribution is not shown."
    return (
        f"Simulated net present value to the system: p10 {short_pounds(low)}, p50 {short_pounds(middle)}, "
        f"p90 {short_pounds(high)}; at mean effects {short_pounds(central)}."
    )
