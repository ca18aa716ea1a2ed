"""Every table of a pack as numbers: one contents sheet, one sheet a table."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import xlsxwriter

from pathcost_lib.packs.blocks import Table
from pathcost_lib.packs.charts import axis_of, chart_of, describe_chart
from pathcost_lib.packs.document import Document
from pathcost_lib.present import style
from pathcost_lib.present.format import say

__all__ = ["sheet_name", "write_workbook"]

#: Fixed, so that the same tables give the same bytes.
_CREATED = datetime(2000, 1, 1)
_FORBIDDEN = re.compile(r"[\[\]:*?/\\'\x00-\x1f]")
_HEADER_ROW = 4


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
        _add_chart(book, sheet, name, table.payload)
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
    sheet.write_string(0, 0, document.organisation, formats.text(font_size=16, bold=True))
    sheet.write_string(1, 0, f"{document.kind}, {document.year}", formats.text())
    row = 2
    if document.restricted:
        sheet.write_string(2, 0, document.restricted, formats.text(bold=True, font_color="#8A1C12"))
    said = [("About", document.about), *(("The board is asked to", words) for words in document.decisions)]
    for label, words in [*said, *(("What the numbers say", m.text) for m in document.messages)]:
        row += 1
        sheet.write_string(row, 0, label, formats.text(bold=True))
        sheet.write_string(row, 1, words, formats.text(text_wrap=True))
        sheet.set_row(row, 13.5 * (1 + len(words) // 95))
    first = row + 2
    for column, heading in enumerate(("Sheet", "Table")):
        sheet.write_string(first, column, heading, formats.text(bold=True, bottom=2))
    link = formats.get(font_color="#005EB8", underline=1)
    titles = [*(table.title for table in tables), "How this pack was made"]
    for row, (title, name) in enumerate(zip(titles, [*names, "Method"], strict=True), start=first + 1):
        sheet.write_url(row, 0, f"internal:'{name}'!A1", link, string=name)
        sheet.write_string(row, 1, title, formats.text(text_wrap=True))
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)


def _write_method(sheet: Any, formats: _Formats, document: Document) -> None:
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 34)
    sheet.set_column(1, 1, 90)
    sheet.write_string(0, 0, "How this pack was made", formats.text(bold=True, font_size=14))
    facts = [*document.facts, *(("Disclosure", words) for words in document.rules)]
    for row, (label, words) in enumerate(facts, start=2):
        sheet.write_string(row, 0, label, formats.text(bold=True))
        sheet.write_string(row, 1, words, formats.text(text_wrap=True))


def _add_chart(book: Any, sheet: Any, name: str, payload: Mapping[str, Any]) -> None:
    """Put a bar chart below a table that a bar chart suits, its measure by its rows, from the cells themselves.

    A suppressed cell is text, so it has no bar.
    """
    series = chart_of(payload)
    if series is None:
        return
    first, last = _HEADER_ROW + 1, _HEADER_ROW + len(payload["rows"])
    item = payload["columns"][series]
    chart = book.add_chart({"type": "bar"})
    chart.add_series(
        {
            "name": item["heading"],
            "categories": [name, first, 0, last, 0],
            "values": [name, first, series, last, series],
            "fill": {"color": style.FOCUS},
            "gap": 60,
        }
    )
    chart.set_title({"name": payload["title"], "name_font": {"size": 11}, "overlay": False})
    chart.set_legend({"none": True})
    chart.set_y_axis({"reverse": True, "num_font": {"size": 9}, "label_position": "low"})
    # At the foot, the rows being turned round.
    low, high, step, form = axis_of(payload, series)
    axis = {"num_format": form, "name": _heading(item), "label_position": "high"}
    ends = {"min": low, "max": high, "major_unit": step}
    chart.set_x_axis(axis | ends | {"major_gridlines": {"visible": True, "line": {"color": style.GRID}}})
    chart.set_size({"width": 620, "height": 110 + 30 * len(payload["rows"])})
    about = {"description": f"{payload['title']}. {describe_chart(payload, series)}"}
    sheet.insert_chart(last + 2, 0, chart, about)


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
