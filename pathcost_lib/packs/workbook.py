"""Every table of a pack as numbers: a front sheet with headline figures and links, one sheet a table."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import xlsxwriter
from xlsxwriter.utility import quote_sheetname, xl_range_abs

from pathcost_lib.packs.charts import BASE, NativeChart, Series, native_chart
from pathcost_lib.packs.document import Document, Table
from pathcost_lib.packs.proof import in_groups
from pathcost_lib.present import style
from pathcost_lib.present.format import LIMIT, say

__all__ = ["sheet_name", "write_workbook"]

#: Fixed, so that the same tables give the same bytes.
_CREATED = datetime(2000, 1, 1)
_FORBIDDEN = re.compile(r"[\[\]:*?/\\'\x00-\x1f]")
_HEADER_ROW = 4
_TYPES = {
    "bars": {"type": "bar"},
    "tornado": {"type": "bar"},
    "stacked": {"type": "bar", "subtype": "stacked"},
    "waterfall": {"type": "bar", "subtype": "stacked"},
    "columns": {"type": "column"},
    "stacked_columns": {"type": "column", "subtype": "stacked"},
    "lines": {"type": "line"},
    "dots": {"type": "line"},
}


def write_workbook(document: Document) -> bytes:
    """Return the workbook.

    Text is always written as text: a cell that begins with `=`, `+`, `-` or `@` is never a formula, and stays text when
    somebody edits it.
    """
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, options | {"in_memory": True})
    book.set_properties({"title": document.title, "created": _CREATED})
    formats = _Formats(book)
    contents = book.add_worksheet("Contents")
    tables = [*document.tables, Table(document.suppression)]
    taken = {"contents", "method"}
    names = [sheet_name(t.name, taken) for t in tables]
    _write_contents(contents, formats, tables, names, document)
    for table, name in zip(tables, names, strict=True):
        sheet = book.add_worksheet(name)
        _write_table(sheet, formats, table.payload)
        sheet.set_header(f"&C&B{document.banner}" if document.banner else "")
        _add_chart(book, sheet, formats, name, table.payload)
    _write_method(book.add_worksheet("Method"), formats, document)
    for sheet in book.worksheets() if document.restricted else ():
        sheet.set_header(f"&C{document.restricted.replace('&', '&&')[:240]}")
    book.close()
    return buffer.getvalue()


def sheet_name(name: str, taken: set[str]) -> str:
    """Return a sheet name that Excel takes: 31 characters, none forbidden, none twice; `taken` is added to."""
    stem = _FORBIDDEN.sub(" ", say(name)).strip() or "Table"
    number, chosen = 1, stem[:31].strip()
    while chosen.lower() in taken:
        number += 1
        chosen = f"{stem[:27].strip()} {number}"
    taken.add(chosen.lower())
    return chosen


class _Formats:
    """Cell formats, made once each."""

    def __init__(self, book: Any) -> None:
        self._book, self._made = book, dict[tuple[tuple[str, Any], ...], Any]()

    def get(self, **options: Any) -> Any:
        key = tuple(sorted({"font_name": "Arial", "font_size": 10, "valign": "top"}.items() | options.items()))
        if key not in self._made:
            self._made[key] = self._book.add_format(dict(key))
        return self._made[key]

    def text(self, **options: Any) -> Any:
        # The quote prefix keeps text text in Excel even after the cell is edited.
        return self.get(quote_prefix=True, num_format="@", **options)


def _write_contents(
    sheet: Any, formats: _Formats, tables: Sequence[Table], names: list[str], document: Document
) -> None:
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 34)
    sheet.set_column(1, 1, 90)
    sheet.set_column(2, 2, 26)
    sheet.write_string(0, 0, document.organisation, formats.text(font_size=16, bold=True))
    sheet.write_string(1, 0, f"{document.kind}, {document.year}", formats.text())
    sheet.write_string(1, 1, document.banner, formats.text(bold=True))
    row = 2
    if document.restricted:
        sheet.write_string(2, 0, document.restricted, formats.text(bold=True, font_color="#8A1C12"))
    rows = [("About", document.about), *(("The board is asked to", words) for words in document.decisions)]
    rows += [("Identity of this build", in_groups(document.identity))] if document.identity else []
    for label, words in [*rows, *(("What the numbers say", m.text) for m in document.messages)]:
        row += 1
        sheet.write_string(row, 0, label, formats.text(bold=True))
        sheet.write_string(row, 1, words, formats.text(text_wrap=True))
        sheet.set_row(row, 13.5 * (1 + len(words) // 95))
    first = _write_headlines(sheet, formats, document, row + 2)
    for column, heading in enumerate(("Sheet", "Table", "Address")):
        sheet.write_string(first, column, heading, formats.text(bold=True, bottom=2))
    link = formats.get(font_color="#005EB8", underline=1)
    lines = [
        *((table.title, table.address if table.source else "") for table in tables),
        ("How this pack was made", ""),
    ]
    for row, ((title, address), name) in enumerate(zip(lines, [*names, "Method"], strict=True), start=first + 1):
        sheet.write_url(row, 0, f"internal:'{name}'!A1", link, string=name)
        sheet.write_string(row, 1, title, formats.text(text_wrap=True))
        sheet.write_string(row, 2, address, formats.text())
    sheet.freeze_panes(2, 0)
    sheet.print_area(0, 0, row, 3)
    sheet.set_footer("&L&A&RPage &P of &N")
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)


def _write_headlines(sheet: Any, formats: _Formats, document: Document, first: int) -> int:
    """Write the figures behind the messages as numbers, with their limits; return the row after them and a blank."""
    behind = [(m.behind["columns"], m.behind["rows"][0]) for m in document.messages if m.behind.get("rows")]
    figures = [pair for columns, cells in behind for pair in zip(columns, cells, strict=True) if pair[0]["number"]]
    if not figures:
        return first
    heads = ("Headline figures", "Value", "Lower limit", "Upper limit")
    for column, heading in enumerate(heads):
        sheet.write_string(first, column, heading, formats.text(bold=True, bottom=2, align="left"))
    sheet.set_column(2, 3, 14)
    row, column = first, 1
    for item, value in figures:
        limit = LIMIT.search(item["key"])
        if limit and row > first:
            column = 2 if limit[1] == "lower" else 3
        else:
            row, column = row + 1, 1
            sheet.write_string(row, 0, _heading(item), formats.text())
        if isinstance(value, str):
            sheet.write_string(row, column, value, formats.text(align="left"))
        elif value is not None:
            sheet.write_number(row, column, value, formats.get(num_format=item["excel"], align="left"))
    return row + 2


def _write_method(sheet: Any, formats: _Formats, document: Document) -> None:
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 34)
    sheet.set_column(1, 1, 90)
    sheet.write_string(0, 0, "How this pack was made", formats.text(bold=True, font_size=14))
    facts = [*document.facts, *(("Disclosure", words) for words in document.rules)]
    for row, (label, words) in enumerate(facts, start=2):
        sheet.write_string(row, 0, label, formats.text(bold=True))
        sheet.write_string(row, 1, words, formats.text(text_wrap=True))


def _add_chart(book: Any, sheet: Any, formats: _Formats, name: str, payload: Mapping[str, Any]) -> None:
    """Put the chart that a table names below it: from the table's own cells where they stand below each other.

    Where they do not (a long table, the steps of a waterfall), the chart's numbers stand right of the table, with
    their heading. A suppressed cell is text, so it has no bar.
    """
    native = native_chart(payload)
    if native is None:
        return
    first, last = _HEADER_ROW + 1, _HEADER_ROW + len(payload["rows"])
    chart = book.add_chart(dict(_TYPES[native.kind]))
    own = native.kind != "waterfall" and all(one.in_one_range for one in native.series)
    at = [c["key"] for c in payload["columns"]].index(payload["chart"]["category"])
    beside = _Beside(sheet, formats, name, native, len(payload["columns"]) + 1)
    for one in native.series:
        if own:
            top, end = first + one.rows[0], first + one.rows[-1]
            cells: dict[str, Any] = {"categories": [name, top, at, end, at]}
            cells["values"] = [name, top, one.column, end, one.column]
        else:
            cells = {"categories": beside.names, "values": beside.write(one.name, one.numbers)}
        look = _look(one, native)
        if one.below:
            ends = {side: beside.formula(f"{one.name}, {side}", getattr(one, side)) for side in ("below", "above")}
            bars = {"plus_values": ends["above"], "minus_values": ends["below"], "line": {"color": style.INK}}
            look["y_error_bars"] = {"type": "custom", **bars}
        chart.add_series({"name": one.name, **cells, **look})
    chart.set_title({"name": payload["title"], "name_font": {"size": 11}, "overlay": False})
    chart.set_legend({"position": "top"} if native.keyed else {"none": True})
    numbers: dict[str, Any] = {"num_format": native.form, "name": native.title}
    numbers |= dict(zip(("min", "max", "major_unit"), native.axis, strict=True))
    numbers |= {"major_gridlines": {"visible": True, "line": {"color": style.GRID}}}
    numbers |= {"crossing": native.origin} if native.origin else {}
    names: dict[str, Any] = {"num_font": {"size": 9}, "label_position": "low"}
    if native.across:  # numbers at the foot, the rows being turned round
        chart.set_y_axis(names | {"reverse": True})
        chart.set_x_axis(numbers | {"label_position": "high"})
    else:
        chart.set_x_axis(names)
        chart.set_y_axis(numbers)
    rows = len(native.categories) * (
        1 if native.stacked or native.kind == "tornado" else max(1, len(native.series) / 2)
    )
    chart.set_size({"width": 720, "height": int(150 + 30 * rows) if native.across else 400})
    below = max(last, beside.last) + 2
    sheet.insert_chart(below, 0, chart, {"description": native.says})


class _Beside:
    """What a chart draws that no range of its table holds: in columns right of the table, with their headings."""

    def __init__(self, sheet: Any, formats: _Formats, name: str, native: NativeChart, column: int) -> None:
        self._sheet, self._name, self._native, self._column = sheet, name, native, column
        self._quiet, self._number = formats.text(font_color=style.MUTED), formats.get(num_format=native.cells)
        self._used = column
        self.last = 0

    @property
    def names(self) -> list[Any]:
        """The range of the categories, written when first asked for."""
        if not self.last:
            self.last = _HEADER_ROW + len(self._native.categories)
            self._sheet.set_column(self._column, self._column, 24)
            self._sheet.set_column(self._column + 1, self._column + 2 * len(self._native.series), 14)
            self._sheet.write_string(_HEADER_ROW, self._column, "What the chart draws", self._quiet)
            for row, text in enumerate(self._native.categories, start=_HEADER_ROW + 1):
                self._sheet.write_string(row, self._column, text, self._quiet)
        return [self._name, _HEADER_ROW + 1, self._column, self.last, self._column]

    def write(self, heading: str, values: Sequence[float | None]) -> list[Any]:
        """Write a column and return its range."""
        first, last = self.names[1], self.names[3]
        self._used += 1
        self._sheet.write_string(_HEADER_ROW, self._used, heading, self._quiet)
        for row, value in enumerate(values, start=_HEADER_ROW + 1):
            if value is not None:
                self._sheet.write_number(row, self._used, value, self._number)
        return [self._name, first, self._used, last, self._used]

    def formula(self, heading: str, values: Sequence[float]) -> str:
        """Write a column and return its range as a formula."""
        name, first, column, last, _ = self.write(heading, values)
        cells = xl_range_abs(first, column, last, column)
        return f"={quote_sheetname(name)}!{cells}"


def _look(one: Series, native: NativeChart) -> dict[str, Any]:
    """Return how a series is drawn."""
    if one.name == BASE:
        return {"fill": {"none": True}, "border": {"none": True}}
    if native.kind in ("lines", "dots"):
        mark = {"type": "circle", "size": 8 if native.kind == "dots" else 4}
        look: dict[str, Any] = {"marker": mark | {"fill": {"color": one.color}, "border": {"color": one.color}}}
        look["line"] = {"none": True} if native.kind == "dots" else {"color": one.color, "width": 2}
    else:
        look = {"fill": {"color": one.color}, "gap": 60}
        look["overlap"] = 100 if native.stacked or native.kind == "tornado" else 0
    return look


def _heading(item: Mapping[str, Any]) -> str:
    return f"{item['heading']} ({item['unit']})" if item["unit"] else str(item["heading"])


def _write_table(sheet: Any, formats: _Formats, payload: Mapping[str, Any]) -> None:
    columns, rows = payload["columns"], payload["rows"]
    sheet.hide_gridlines(2)
    sheet.write_string(0, 0, payload["title"], formats.text(bold=True, font_size=14))
    sheet.write_string(1, 0, payload["note"], formats.text(font_color="#566573"))
    sheet.write_url(2, 0, "internal:'Contents'!A1", formats.get(font_color="#005EB8", underline=1), string="Contents")
    for column, item in enumerate(columns):
        side = "right" if item["number"] else "left"
        sheet.write_string(
            _HEADER_ROW, column, _heading(item), formats.text(bold=True, text_wrap=True, bottom=2, align=side)
        )
        words = [str(row[column]) for row in rows if isinstance(row[column], str)]
        wide = 16 if item["number"] else min(60, max([14, *(len(w) + 2 for w in words)]))
        sheet.set_column(column, column, wide)
        for row, cells in enumerate(rows, start=_HEADER_ROW + 1):
            _write_cell(sheet, formats, row, column, cells[column], item)
    if rows:
        sheet.autofilter(_HEADER_ROW, 0, _HEADER_ROW + len(rows), len(columns) - 1)
    sheet.freeze_panes(_HEADER_ROW + 1, 1)
    sheet.repeat_rows(_HEADER_ROW)
    sheet.set_footer("&L&A&RPage &P of &N")
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)


def _write_cell(sheet: Any, formats: _Formats, row: int, column: int, value: Any, item: Mapping[str, Any]) -> None:
    if value is None:
        sheet.write_blank(row, column, None, formats.get())
    elif isinstance(value, str):
        align = "right" if item["number"] else "left"
        sheet.write_string(
            row, column, value if item["number"] else say(value), formats.text(align=align, text_wrap=True)
        )
    else:
        sheet.write_number(row, column, value, formats.get(num_format=item["excel"]))
