"""What several figures share: rows from top to bottom, labels, a key above the data."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from pathcost_lib.present import style
from pathcost_lib.present.format import pounds, say, tick_pounds

__all__ = ["axis_title", "empty", "key", "margin_text", "pound_axis", "row_label", "rows_down", "say_list", "wrapped"]


def wrapped(text: str, width: int) -> list[str]:
    """Return text in as few lines of at most `width` as it takes, all of about one length: none is a stray word."""
    lines = textwrap.wrap(text, width)
    longest = max((len(word) for word in text.split()), default=0)
    tighter = (textwrap.wrap(text, across) for across in range(max(1, min(longest, width)), width))
    return next((found for found in tighter if found and len(found) == len(lines)), lines)


def rows_down(ax: Axes, names: Iterable[str], *, bold: Sequence[int] = ()) -> None:
    """Label the rows from top to bottom, wrapped to the width that there is."""
    texts = [wrapped(say(name), 16 if style.compact(ax) else 30) for name in names]
    ax.set_yticks(range(len(texts)), [""] * len(texts))
    ax.set_ylim(len(texts) - 0.45, -0.55)
    for row, lines in enumerate(texts):
        row_label(ax, row, lines, bold=row in bold)


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
    said = "\n".join(wrapped(text, 40 if style.compact(ax) else 80))
    ax.text(0.5, 0.5, said, ha="center", va="center", color=style.MUTED)
    return ax


def say_list(table: pd.DataFrame, column: str, template: str, **forms: Callable[[float | None], str]) -> str:
    """Say a table row by row for those who cannot see the figure; rows whose first value is suppressed say so."""
    said = []
    for row in table.to_dict("records"):
        values = {k: form(row[k]) for k, form in forms.items()}
        hidden = pd.isna(row[next(iter(forms))])
        said.append(f"{say(row[column])}: " + ("not shown" if hidden else template.format(**values)))
    return "; ".join(said) + "."
