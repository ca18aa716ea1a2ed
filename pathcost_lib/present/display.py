"""Show a message, a table or a figure in a notebook, and carry it in the same display bundle to whatever makes a pack.

A bundle holds what Jupyter shows (HTML, SVG) and, under a media type of our own, the same thing as data. The executed
notebook is thus all that a pack needs. Only what has passed `disclose` can be shown.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pathcost_lib.errors import InputError
from pathcost_lib.present import style
from pathcost_lib.present.address import row_keys
from pathcost_lib.present.chart import Chart
from pathcost_lib.present.described import form_of
from pathcost_lib.present.disclosure import MARK, Disclosed
from pathcost_lib.present.format import ABSENT, LIMIT, heading, interval, say, unit, units_of
from pathcost_lib.present.naming import Named

__all__ = [
    "FIGURE",
    "MESSAGE",
    "TABLE",
    "TALLY",
    "PageTable",
    "expect",
    "figure",
    "figure_bundle",
    "figures_behind",
    "leave_out",
    "message",
    "message_bundle",
    "page_table",
    "table",
    "table_bundle",
    "table_html",
]

MESSAGE = "application/vnd.pathcost.message+json"
TABLE = "application/vnd.pathcost.table+json"
FIGURE = "application/vnd.pathcost.figure+json"
TALLY = "application/vnd.pathcost.tally+json"

#: From so many columns on a table is set smaller, and from so many characters on a cell is a sentence.
_MANY, _SENTENCE = 8, 28

_shown = {"figures": 0, "tables": 0}
_left = {"out": False}


def message(
    text: str,
    *,
    decision: str = "",
    figures: Disclosed | None = None,
    headings: Mapping[str, str] | None = None,
    named: Sequence[Named] = (),
    unknown: Sequence[str] = (),
) -> None:
    """Show the one-line message of the notebook; it goes to the cover of the pack.

    Parameters
    ----------
    text : str
        What the numbers say.
    decision : str
        What the board is asked to decide or note, in a sentence; none where there is nothing to decide.
    figures : Disclosed, optional
        One row: the headline figures behind the text, each with its limits after it, for the page over all packs.
    headings : mapping of str to str, optional
        Headings of those figures where the column's own name will not do.
    named : sequence of Named, optional
        Organisations that it names, with the grounds. The cover leaves out what it says of others.
    unknown : sequence of str
        What is not known, in sentences, for the cover of the board paper.
    """
    bundle = message_bundle(text, decision=decision, figures=figures, headings=headings, named=named, unknown=unknown)
    display(bundle, raw=True)


def message_bundle(
    text: str,
    *,
    decision: str = "",
    figures: Disclosed | None = None,
    headings: Mapping[str, str] | None = None,
    named: Sequence[Named] = (),
    unknown: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the display bundle of a message."""
    numbers: list[dict[str, Any]] = []
    behind: dict[str, Any] = {}
    if figures is not None:
        behind = figures_behind(figures, text, headings=headings)
        columns, rows = behind["columns"], behind["rows"]
        for column, value in zip(columns, rows[0] if rows else [None] * len(columns), strict=True):
            limit = LIMIT.search(column["key"])
            if limit and numbers:
                numbers[-1][limit[1]] = value
            elif column["number"]:
                numbers.append({"heading": column["heading"], "kind": column["kind"], "value": value})
    page = f"<p><strong>{html.escape(text)}</strong></p>" + (f"<p>{html.escape(decision)}</p>" if decision else "")
    payload = {"text": text, "decision": decision, "figures": numbers, "behind": behind}
    payload["named"], payload["unknown"] = [one.payload() for one in named], list(unknown)
    return {"text/plain": f"{text} {decision}".strip(), "text/html": page, MESSAGE: payload}


def figures_behind(
    figures: Disclosed, text: str, *, headings: Mapping[str, str] | None = None, kind: str = "message"
) -> dict[str, Any]:
    """Return the figures behind a text as a table's payload, so that the audit reads them with the tables."""
    _require(figures, text, kind)
    return {"title": kind, "columns": _columns(figures, headings), "rows": _rows(figures), **_settled(figures)}


def table(
    data: Disclosed,
    *,
    name: str,
    title: str,
    note: str = "",
    headings: Mapping[str, str] | None = None,
    sheet_only: bool = False,
    chart: Chart | None = None,
) -> None:
    """Show a table: HTML for the reader, and its numbers for the pack.

    Parameters
    ----------
    data : Disclosed
        From `disclose`. Units come from the column names (`cost_gbp`).
    name : str
        Short name: the sheet in the workbook.
    title, note : str
        Caption, and what to know before reading it.
    headings : mapping of str to str, optional
        Headings where the column's own name will not do.
    sheet_only : bool
        Too long for a page: the pack has it in the workbook only.
    chart : Chart, optional
        How slides and the workbook draw it; not at all if not given.

    Raises
    ------
    InputError
        If the data have not passed `disclose`, or have no title, or the chart does not fit the columns.
    """
    if _left["out"]:
        return
    bundle = table_bundle(
        data, name=name, title=title, note=note, headings=headings, sheet_only=sheet_only, chart=chart
    )
    display(bundle, raw=True)
    _shown["tables"] += 1


def table_bundle(
    data: Disclosed,
    *,
    name: str,
    title: str,
    note: str = "",
    headings: Mapping[str, str] | None = None,
    sheet_only: bool = False,
    chart: Chart | None = None,
) -> dict[str, Any]:
    """Return the display bundle of a table."""
    _require(data, title, "table")
    columns, rows = _columns(data, headings), _rows(data)
    # Where nothing could be computed the table is its reason, and has nothing to draw.
    drawn = chart is not None and "not_computable" not in data.frame
    payload = {
        "name": name,
        "title": title,
        "note": " ".join(f"{note} {data.note}".split()),
        "columns": columns,
        "rows": rows,
        "sheet_only": sheet_only,
        "chart": chart.payload(columns, rows, table=name) if chart is not None and drawn else None,
        "rounding": {column: kind for column, kind in data.rounding.items() if column in data.frame},
        **_settled(data),
    }
    return {"text/plain": f"{title} ({len(data.frame)} rows)", "text/html": table_html(payload), TABLE: payload}


def _settled(data: Disclosed) -> dict[str, Any]:
    """Return how a table was disclosed, for the pack's log and its audit."""
    return {
        "rule": data.rule.name if data.counts else "",
        "primary": data.primary,
        "secondary": data.secondary,
        "beside": data.beside,
        "over_areas": data.over_areas,
        "of": dict(data.of),
        "steps": _steps(data),
    }


def _steps(data: Disclosed) -> dict[str, list[float]]:
    """Return to what the pounds of a table are rounded, row by row: what an attacker knows from the rules."""
    if not len(data.steps):
        return {}
    units = units_of(data.frame.columns)
    pounds = [
        c for c in map(str, data.frame) if c in data.steps and units[c].code == "gbp" and not LIMIT.search(str(c))
    ]
    return {str(c): [float(step) for step in data.steps[c]] for c in pounds if data.steps[c].any()}


def _columns(data: Disclosed, headings: Mapping[str, str] | None) -> list[dict[str, Any]]:
    units = units_of(data.frame.columns)
    numbers = {column: bool(pd.api.types.is_numeric_dtype(data.frame[column])) for column in data.frame}
    return [
        {
            "key": column,
            "heading": (headings or {}).get(column, heading(column)),
            "unit": units[column].symbol if numbers[column] else "",
            "number": numbers[column],
            "excel": units[column].excel,
            "kind": units[column].code,
        }
        for column in data.frame.columns
    ]


def _rows(data: Disclosed) -> list[list[Any]]:
    frames = (frame.itertuples(index=False, name=None) for frame in (data.frame, data.hidden))
    return [[_cell(value, hide) for value, hide in zip(*pair, strict=True)] for pair in zip(*frames, strict=True)]


def figure(
    function: Callable[..., Axes],
    data: Disclosed,
    *,
    name: str,
    title: str,
    alt: str | None = None,
    note: str = "",
    height: float | None = None,
    tall: float | None = None,
    slide: bool = False,
    **options: Any,
) -> None:
    """Draw a figure from disclosed data and show it, in a form for a page and one for a phone.

    Parameters
    ----------
    function : callable
        A figure of a subject's `figures`: takes `ax`, a DataFrame and `options`, returns `ax`.
    data : Disclosed
        From `disclose`.
    name, title, note : str
        Short name; caption; what to know before reading it.
    alt : str
        What the figure says, for those who cannot see it; the figure's own (`described.describes`) if not given.
    height, tall : float
        Height in inches of the page form, and of the phone form; the figure's own if not given.
    slide : bool
        Whether slides show it, as a picture: where no chart of theirs shows the same.
    **options
        What the figure, or its alternative text alone, takes beside the table.

    Raises
    ------
    InputError
        If the data have not passed `disclose`, or title or alternative text is missing.
    """
    if _left["out"]:
        return
    _require(data, title, "figure")
    own = form_of(function)
    alt = own.alt(data.frame, options) if alt is None else alt
    if height is None:
        height, tall = own.sizes(data.frame, options)
    texts = {"name": name, "title": title, "alt": alt, "note": note}
    drawn = own.drawing(function, options)
    bundle = figure_bundle(function, data, **texts, height=height, tall=tall, slide=slide, **drawn)
    display(bundle, raw=True)
    _shown["figures"] += 1


def figure_bundle(
    function: Callable[..., Axes],
    data: Disclosed,
    *,
    name: str,
    title: str,
    alt: str,
    note: str = "",
    height: float = 3.4,
    tall: float | None = None,
    slide: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Return the display bundle of a figure."""
    _require(data, title, "figure")
    if not alt.strip():
        raise InputError(f"Figure {name!r} has no alternative text: say in `alt` what it shows.")
    forms = ((style.WIDE, height), (style.NARROW, tall or 1.25 * height))
    drawings = [_drawn(function, data.frame, across, high, options) for across, high in forms]
    wide, narrow = (style.to_svg(drawing) for drawing in drawings)
    # Rounded counts are not drawn; suppressed rows are missed.
    text = " ".join(part for part in (note, data.note if data.primary else "") if part)
    log = {"rows": len(data.frame), **_settled(data)}
    payload = {"name": name, "title": title, "alt": alt, "note": text, "narrow": narrow, "log": log}
    if slide and drawings[0].axes[0].axison:  # a reason in place of a figure is in the message
        payload["picture"] = base64.b64encode(style.to_png(drawings[0])).decode()
    return {"text/plain": f"{title}. {alt}", "image/svg+xml": wide, FIGURE: payload}


def _drawn(function: Callable[..., Axes], frame: pd.DataFrame, width: float, height: float, options: Any) -> Figure:
    drawn = style.draw(function, frame, width=width, height=height, **options)
    if not drawn.axes[0].axison:  # a reason in place of a figure needs no more room than its words
        drawn = style.draw(function, frame, width=width, height=0.7, **options)
    return drawn


def leave_out() -> None:
    """Show no figure and no table from here on: nothing can be computed, and the notebook's message says why.

    The pack then has the message and nothing else of the notebook.
    """
    _left["out"] = True


def expect(*, figures: int, tables: int) -> None:
    """Fail if the notebook has not shown as many figures and tables as it means to, and hand the number to the pack."""
    if _left["out"]:
        display({"text/plain": "Left out: the message says why.", TALLY: {**_shown, "left_out": True}}, raw=True)
        return
    wanted = {"figures": figures, "tables": tables}
    if _shown != wanted:
        raise AssertionError(f"Shown: {_shown}. Meant to be shown: {wanted}.")
    display({"text/plain": f"{figures} figures and {tables} tables shown.", TALLY: wanted}, raw=True)


@dataclass(frozen=True)
class PageTable:
    """A table as a page shows it, all of it text: (heading, unit, whether numbers stand below it), and the rows."""

    columns: tuple[tuple[str, str, bool], ...]
    rows: tuple[tuple[str, ...], ...]
    #: What each column is called in an address; two limits that share a column, by the lower.
    keys: tuple[str, ...] = ()


def page_table(payload: Mapping[str, Any]) -> PageTable:
    """Return a payload as a page shows it.

    Two limits share one column ("£1 to £3"), a column of text with nothing in it is left out, and a table without rows
    says so.
    """
    columns, rows = payload["columns"], payload["rows"]
    places = [n for n, c in enumerate(columns) if _on_page(c, n, rows)]
    texts = tuple(tuple(_text(columns, row, n) for n in places) for row in rows)
    nothing = ("None to show", *(ABSENT for _ in places[1:]))
    keys = tuple(str(columns[n]["key"]) for n in places)
    return PageTable(tuple(_head(columns[n]) for n in places), texts or (nothing,), keys)


def table_html(payload: Mapping[str, Any], identifier: str = "", *, address: str = "") -> str:
    """Return a payload as an HTML table with caption, column and row scopes; every text is escaped.

    With an address the table, its columns and rows carry what they are called in one.
    """
    page = page_table(payload)
    sides = [_look(*column[2:], [row[n] for row in page.rows]) for n, column in enumerate(page.columns)]
    units = [f' <span class="unit">({mark})</span>' if mark else "" for _, mark, _ in page.columns]
    columns = [f' data-column="{html.escape(key)}"' if address else "" for key in page.keys]
    rows = [f' data-row="{key}"' for key in row_keys(payload)] if address else []
    head = "".join(
        f'<th scope="col"{side}{column}>{html.escape(text)}{mark}</th>'
        for side, column, (text, *_), mark in zip(sides, columns, page.columns, units, strict=True)
    )
    body = "".join(
        f'<tr{key}><th scope="row"{sides[0]}>{html.escape(row[0])}</th>'
        + "".join(f"<td{side}>{html.escape(text)}</td>" for side, text in zip(sides[1:], row[1:], strict=True))
        + "</tr>"
        for key, row in zip(rows or [""] * len(page.rows), page.rows, strict=True)
    )
    name = f' id="{html.escape(identifier)}"' if identifier else ""
    caption = f"<caption{name}><span>{html.escape(payload['title'])}</span></caption>"
    many = ' class="many"' if len(page.columns) >= _MANY else ""
    where = f' data-address="{html.escape(address)}"' if address else ""
    return f"<table{many}{where}>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _look(number: bool, cells: list[str]) -> str:
    """Return the class of a column's cells: numbers to the right, and sentences with room to be read on a phone."""
    if number:
        return ' class="number"'
    return ' class="words"' if max(map(len, cells)) > _SENTENCE else ""


def _on_page(column: Mapping[str, Any], position: int, rows: list[list[Any]]) -> bool:
    limit = LIMIT.search(column["key"])
    if limit and limit[1] == "upper":
        return False
    return position == 0 or column["number"] or any(row[position] for row in rows)


def _head(column: Mapping[str, Any]) -> tuple[str, str, bool]:
    limit = LIMIT.search(column["key"])
    # Cells bear their own pound sign, and counts are plain.
    return (
        f"{limit[2]}% interval" if limit else column["heading"],
        "%" if column["unit"] == "%" else "",
        bool(column["number"]),
    )


def _text(columns: list[Mapping[str, Any]], row: list[Any], position: int) -> str:
    column, value = columns[position], row[position]
    if not column["number"]:
        return ABSENT if value is None and position else say(value)
    if isinstance(value, str):
        return value
    form = unit(column["kind"]).form
    return interval(value, row[position + 1], form) if LIMIT.search(column["key"]) else form(value)


def _cell(value: Any, hidden: bool) -> Any:
    if hidden:
        return MARK
    if value is None or pd.isna(value):
        return None
    value = value if isinstance(value, str | int | float) else getattr(value, "item", lambda: str(value))()
    # Sums of floats differ in their last digits from run to run; a millionth of anything shown is noise.
    return round(value, 6) if isinstance(value, float) else value


def _require(data: object, title: str, kind: str) -> None:
    if not isinstance(data, Disclosed):
        raise InputError(f"This {kind} has not passed `present.disclose`, so it cannot be shown in a pack.")
    if not title.strip():
        raise InputError(f"This {kind} has no title.")
