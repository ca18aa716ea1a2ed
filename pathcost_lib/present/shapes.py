"""Shapes that several subjects draw, and what all figures share: rows, labels, a key above the data."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pathcost_lib.present import style
from pathcost_lib.present.described import describes
from pathcost_lib.present.disclosure import MARK
from pathcost_lib.present.format import pounds, say, signed_pounds, tick_pounds
from pathcost_lib.present.precision import nearest, step_of


def wrapped(text: str, width: int) -> list[str]:
    """Return text in as few lines of at most `width` as it takes, all of about one length: none is a stray word."""
    lines = textwrap.wrap(text, width)
    longest = max((len(word) for word in text.split()), default=0)
    tighter = (textwrap.wrap(text, across) for across in range(max(1, min(longest, width)), width))
    return next((candidate for candidate in tighter if candidate and len(candidate) == len(lines)), lines)


def rows_down(ax: Axes, names: Iterable[str], *, bold: Sequence[int] = ()) -> None:
    """Label the rows from top to bottom, wrapped to the width that there is."""
    texts = [row_lines(name, narrow=style.compact(ax)) for name in names]
    ax.set_yticks(range(len(texts)), [""] * len(texts))
    ax.set_ylim(len(texts) - 0.45, -0.55)
    for row, lines in enumerate(texts):
        row_label(ax, row, lines, bold=row in bold)


def row_lines(name: str, *, narrow: bool) -> list[str]:
    """Return the lines in which a row's label stands, on a page or on a phone."""
    return wrapped(say(name), 16 if narrow else 30)


def row_label(ax: Axes, row: float, lines: Sequence[str], *, bold: bool = False, size: float = 8.5) -> None:
    """Write a row's label left of the axes, each line on its own: set flush right whatever face the page has."""
    for number, line in enumerate(lines):
        ax.annotate(
            line,
            xy=(0, row),
            xycoords=ax.get_yaxis_transform(),
            xytext=(-5, size * 1.15 * ((len(lines) - 1) / 2 - number)),
            textcoords="offset points",
            ha="right",
            va="center",
            color=style.INK,
            fontsize=size,
            fontweight="bold" if bold else "normal",
            annotation_clip=False,
        )


def axis_title(ax: Axes, text: str) -> None:
    """Say what the horizontal axis measures, wrapped to the width that there is."""
    ax.set_xlabel("\n".join(wrapped(text, 34)) if style.compact(ax) else text)


def pound_axis(ax: Axes, text: str) -> None:
    """Draw a pound axis with few, round ticks and light guide lines; in thousands and millions where room is short."""
    ax.locator_params(axis="x", nbins=4 if style.compact(ax) else 7)
    form = tick_pounds if style.compact(ax) else pounds
    ax.xaxis.set_major_formatter(lambda value, _: form(value))
    axis_title(ax, text)
    ax.grid(True, axis="x")


def margin_text(ax: Axes, row: float, text: str, *, color: str = style.INK, bold: bool = False) -> None:
    """Write a value in the right-hand margin, level with its row, where no data are."""
    ax.text(
        1.02,
        row,
        text,
        transform=ax.get_yaxis_transform(),
        va="center",
        color=color,
        fontweight="bold" if bold else "normal",
    )


def key(ax: Axes, handles: Sequence[Artist], texts: Sequence[str], *, columns: int | None = None) -> None:
    """Put the key above the axes, so that it never lies on data."""
    across = columns or (1 if style.compact(ax) else len(texts))
    ax.figure.legend(
        handles,
        texts,
        loc="outside upper left",
        ncols=across,
        frameon=False,
        fontsize=8.5,
        handletextpad=0.5,
        columnspacing=1.4,
        borderpad=0.1,
        labelcolor=style.INK,
    )


def empty(ax: Axes, text: str) -> Axes:
    """Say why there is nothing to draw, in the figure's place."""
    ax.set_axis_off()
    message = "\n".join(wrapped(text, 40 if style.compact(ax) else 80))
    ax.text(0.5, 0.5, message, ha="center", va="center", color=style.MUTED)
    return ax


def say_list(table: pd.DataFrame, column: str, template: str, **forms: Callable[[float | None], str]) -> str:
    """Say a table row by row for those who cannot see the figure; rows whose first value is suppressed say so."""
    texts = []
    for row in table.to_dict("records"):
        values = {k: form(row[k]) for k, form in forms.items()}
        hidden = pd.isna(row[next(iter(forms))])
        texts.append(f"{say(row[column])}: " + ("not shown" if hidden else template.format(**values)))
    return "; ".join(texts) + "."


def against_reference(ax: Axes, table: pd.DataFrame, *, by: str, area: str, reference: str = "England") -> Axes:
    """Draw each row's mean and 95 % interval as a disc, and the reference's as a hollow diamond just above it.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        `by`, mean_gbp, lower_95, upper_95, reference_gbp, reference_lower_95, reference_upper_95. Pounds per patient;
        rows with NaN means are named and marked as not shown.
    by : str
        Column that names the rows.
    area, reference : str
        What the two are called.
    """
    if table["mean_gbp"].notna().sum() == 0:
        return empty(ax, "Nothing to show: every row rests on fewer than eight contacts or patients.")
    ours = theirs = None
    for row, item in enumerate(table.to_dict("records")):
        at = row - 0.2
        if not pd.isna(item["reference_gbp"]):
            theirs = _reference(ax, item, at)
        if pd.isna(item["mean_gbp"]):
            margin_text(ax, row + 0.2, "* not shown", color=style.FOCUS)
            continue
        here = row + 0.14
        ax.plot([item["lower_95"], item["upper_95"]], [here, here], color=style.FOCUS, lw=2.6)
        ours = ax.plot(item["mean_gbp"], here, marker="o", ms=7, color=style.FOCUS, mec=style.PAPER, lw=2.6)[0]
        margin_text(ax, here + 0.06, pounds(item["mean_gbp"]), color=style.FOCUS, bold=True)
    rows_down(ax, table[by])
    ax.set_xlim(left=-0.025 * ax.get_xlim()[1])
    pound_axis(ax, "£ per patient (bar: 95% interval)")
    keyed = [(mark, text) for mark, text in ((ours, area), (theirs, reference)) if mark is not None]
    key(ax, [mark for mark, _ in keyed], [text for _, text in keyed])
    return ax


def _reference(ax: Axes, item: Mapping[Hashable, Any], at: float) -> Line2D:
    color = style.MUTED
    ax.plot([item["reference_lower_95"], item["reference_upper_95"]], [at, at], color=color, lw=1.4)
    margin_text(ax, at, pounds(item["reference_gbp"]), color=color)
    return ax.plot(item["reference_gbp"], at, marker="D", ms=5, mfc=style.PAPER, mec=color, mew=1.3, color=color)[0]


@describes(against_reference, height=lambda table: 2.7 + 0.24 * len(table))
def describe_against_reference(table: pd.DataFrame, *, by: str, area: str, reference: str = "England") -> str:
    """Return the alternative text: each row's two means and the interval."""
    rows = say_list(
        table,
        by,
        "{mean_gbp} ({lower_95} to {upper_95}) against {reference_gbp}",
        mean_gbp=pounds,
        lower_95=pounds,
        upper_95=pounds,
        reference_gbp=pounds,
    )
    return f"Cost per patient in {area} (95% interval) against {reference}. {rows}"


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


@describes(grid, height=3.8)
def describe_grid(table: pd.DataFrame, *, area: str, value: str = "mean_gbp", most: int = 5) -> str:
    """Return the alternative text: the dearest cells, and how many are suppressed."""
    top = table.dropna(subset=[value]).nlargest(most, value).to_dict("records")
    text = "; ".join(f"{say(r['setting'])}, {say(r['phase']).lower()}: {pounds(r[value])}" for r in top)
    hidden = int(table[value].isna().sum())
    listed = f"Most expensive: {text or 'none shown'}"
    return f"Cost per patient in {area} by setting and phase. {listed}. Cells suppressed: {hidden}."


def waterfall(ax: Axes, table: pd.DataFrame, *, by: str, area: str, reference: str = "England") -> Axes:
    """Draw the steps of the difference: the steps add up to the difference of the means exactly.

    A step whose 95 % interval holds zero is hatched. The two ends are marks, not bars, because the axis does not start
    at zero.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        `by`, mean_gbp, reference_gbp, difference_gbp, difference_lower_95, difference_upper_95: all the parts of one
        whole. If a part is not shown, nor are the steps, for it could be had from the others.
    by : str
        Column that names the steps.
    area, reference : str
        What the two ends are called.
    """
    if table["difference_gbp"].isna().any() or table.empty:
        return empty(
            ax, "The steps are not shown: at least one of them rests on too few patients, or on one area only."
        )
    level = start = float(table["reference_gbp"].sum())
    ends = [start]
    for row, item in enumerate(table.to_dict("records"), start=1):
        step, sure = item["difference_gbp"], item["difference_lower_95"] > 0 or item["difference_upper_95"] < 0
        color = style.MORE if step > 0 else style.LESS
        face, hatch = (color, None) if sure else (style.PAPER, "////")
        ax.barh(row, step, left=level, height=0.52, facecolor=face, hatch=hatch, edgecolor=color, linewidth=1.0)
        ax.plot([level, level], [row - 1 + 0.0, row + 0.26], color=style.MUTED, lw=0.8, zorder=0)
        level += step
        ends.append(level)
        margin_text(ax, row, signed_pounds(step), color=color, bold=bool(sure))
    last = len(table) + 1
    ax.plot([level, level], [last - 1, last], color=style.MUTED, lw=0.8, zorder=0)
    ax.plot(start, 0, marker="D", ms=8, mfc=style.PAPER, mec=style.MUTED, mew=1.6, lw=0)
    ax.plot(level, last, marker="o", ms=10, color=style.FOCUS, lw=0)
    margin_text(ax, 0, _whole(start), color=style.MUTED, bold=True)
    margin_text(ax, last, _whole(level), color=style.FOCUS, bold=True)
    rows_down(ax, [reference, *table[by], area], bold=[0, last])
    room = max(max(ends) - min(ends), 1.0) * 0.12
    ax.set_xlim(min(ends) - room, max(ends) + room)
    pound_axis(ax, "£ per patient (the axis does not start at zero)")
    more, less = Patch(facecolor=style.MORE), Patch(facecolor=style.LESS)
    unsure = Patch(facecolor=style.PAPER, edgecolor=style.MUTED, hatch="////")
    key(ax, [more, less, unsure], ["Costs more", "Costs less", "95% interval holds zero"])
    return ax


@describes(waterfall)
def describe_waterfall(table: pd.DataFrame, *, by: str, area: str, reference: str = "England") -> str:
    """Return the alternative text: both ends, and each step with its interval."""
    if table["difference_gbp"].isna().any():
        return f"The steps from {reference} to {area} are not shown."
    start, end = table["reference_gbp"].sum(), table["reference_gbp"].sum() + table["difference_gbp"].sum()
    steps = say_list(
        table,
        by,
        "{difference_gbp} ({difference_lower_95} to {difference_upper_95})",
        difference_gbp=signed_pounds,
        difference_lower_95=signed_pounds,
        difference_upper_95=signed_pounds,
    )
    return f"Steps from {reference}, {_whole(start)} per patient, to {area}, {_whole(end)}, with 95% intervals. {steps}"


def _whole(total: float) -> str:
    """Return a sum of rounded parts in words: three figures, for the parts bear no more."""
    value = np.array([total])
    return pounds(float(nearest(value, step_of(value, np.array([np.inf])))[0]))
