"""The pack as slides, one message each, with native charts that can be edited: they hold disclosed numbers only."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import xlsxwriter
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.dml.color import RGBColor
from pptx.enum.chart import XL_CHART_TYPE, XL_TICK_LABEL_POSITION
from pptx.util import Emu, Inches, Pt

from pathcost_lib.packs.blocks import Section, Table
from pathcost_lib.packs.charts import axis_of, chart_of, describe_chart
from pathcost_lib.packs.document import Document
from pathcost_lib.present import style
from pathcost_lib.present.format import say

__all__ = ["write_slides"]

_WIDE, _HIGH, _EDGE = Inches(13.333), Inches(7.5), Inches(0.6)
_TITLE_ONLY = 5
_CREATED = datetime(2000, 1, 1)


def write_slides(document: Document) -> bytes:
    """Return the pack as a PowerPoint file: cover, decisions, each message with its chart, then the other charts."""
    deck = Presentation()
    deck.slide_width, deck.slide_height = _WIDE, _HIGH
    about = deck.core_properties
    about.title, about.author, about.last_modified_by, about.language = document.title, "pathcost", "pathcost", "en-GB"
    about.created = about.modified = _CREATED
    source = f"{document.organisation}, {document.kind.lower()} {document.year}. " + " ".join(document.rules)
    cover = _slide(deck, document.organisation, source, size=40)
    _words(cover, [f"{document.kind}, {document.year}", document.about], top=2.2, size=20)
    if document.decisions:
        _words(_slide(deck, "The board is asked to", source), document.decisions, top=1.7, size=22)
    said = set[str]()
    for chapter in document.chapters:
        _chapter(deck, chapter, source, said)
    for slide in deck.slides if document.restricted else ():
        _words(slide, [document.restricted], top=0.1, size=12, bold=True)
    buffer = io.BytesIO()
    deck.save(buffer)
    return _dated(buffer.getvalue())


def _chapter(deck: Any, chapter: Section, source: str, said: set[str]) -> None:
    # What is in the workbook only says more of a table that has a slide of its own.
    shown = [table for table in chapter.tables if not table.payload["sheet_only"]]
    charts = [(t, at) for t in shown if (at := chart_of(t.payload)) is not None]
    for message in chapter.messages:
        if message.text in said:  # the banner of coverage is in every notebook
            continue
        said.add(message.text)
        slide = _slide(deck, chapter.title, source)
        size = 18 if len(message.text) < 420 else 15
        if charts and message is chapter.messages[-1]:
            table, at = charts.pop(0)
            _words(slide, [message.text], top=1.6, size=size - 2, across=4.6)
            _words(slide, [table.title], top=1.6, size=14, left=5.6, across=7.1, bold=True)
            _chart(slide, table, at, left=5.6, top=2.2)
        else:
            _words(slide, [message.text], top=1.7, size=size)
    for table, at in charts:
        slide = _slide(deck, table.title, f"{table.payload['note']} {source}".strip())
        _chart(slide, table, at, left=0.6)


def _slide(deck: Any, title: str, notes: str, size: int = 26) -> Any:
    slide = deck.slides.add_slide(deck.slide_layouts[_TITLE_ONLY])
    box = slide.shapes.title
    box.left, box.top, box.width, box.height = _EDGE, Inches(0.4), Emu(_WIDE - 2 * _EDGE), Inches(1.2)
    box.text_frame.text, box.text_frame.word_wrap = title, True
    _set(box.text_frame.paragraphs[0], size if len(title) < 90 else size - 6, bold=True)
    slide.notes_slide.notes_text_frame.text = notes
    return slide


def _words(
    slide: Any,
    lines: list[str],
    *,
    top: float,
    size: int,
    left: float = 0.6,
    across: float = 12.1,
    bold: bool = False,
) -> None:
    box = slide.shapes.add_textbox(Inches(left), Inches(top), Inches(across), Inches(7.1 - top))
    frame = box.text_frame
    frame.word_wrap = True
    for number, line in enumerate(lines):
        paragraph = frame.paragraphs[0] if number == 0 else frame.add_paragraph()
        paragraph.text = line
        paragraph.space_after = Pt(size * 0.7)
        _set(paragraph, size, bold=bold)


def _set(paragraph: Any, size: int, *, bold: bool = False) -> None:
    paragraph.alignment = 1  # left
    font = paragraph.font
    font.name, font.size, font.bold = "Arial", Pt(size), bold
    font.color.rgb = RGBColor.from_string(style.INK[1:])


def _chart(slide: Any, table: Table, series: int, *, left: float, top: float = 1.7) -> None:
    payload: Mapping[str, Any] = table.payload
    item = payload["columns"][series]
    data = CategoryChartData(number_format=item["excel"])
    data.categories = [say(row[0]) for row in payload["rows"]]
    # A suppressed cell has no value: no bar, and nothing in the sheet behind the chart.
    values = [row[series] if isinstance(row[series], int | float) else None for row in payload["rows"]]
    data.add_series(f"{item['heading']} ({item['unit']})" if item["unit"] else item["heading"], values)
    place = Inches(left), Inches(top), Emu(_WIDE - Inches(left) - _EDGE), Inches(7.1 - top)
    frame = slide.shapes.add_chart(XL_CHART_TYPE.BAR_CLUSTERED, *place, data)
    frame.chart.part.chart_workbook.update_from_xlsx_blob(_sheet(data))
    frame.name = f"Chart: {table.title}"
    frame._element.nvGraphicFramePr.cNvPr.set("descr", f"{table.title}. {describe_chart(payload, series)}")
    chart = frame.chart
    chart.has_legend, chart.has_title = False, False
    chart.font.name, chart.font.size = "Arial", Pt(12 if len(values) <= 12 else 9)
    chart.category_axis.reverse_order = True
    chart.category_axis.tick_label_position = XL_TICK_LABEL_POSITION.LOW
    chart.value_axis.tick_label_position = XL_TICK_LABEL_POSITION.HIGH  # at the foot, the rows being turned round
    low, high, step, form = axis_of(payload, series)
    chart.value_axis.minimum_scale, chart.value_axis.maximum_scale, chart.value_axis.major_unit = low, high, step
    chart.value_axis.tick_labels.number_format = form
    chart.value_axis.tick_labels.number_format_is_linked = False
    chart.value_axis.has_title = True
    chart.value_axis.axis_title.text_frame.text = data[0].name
    chart.value_axis.axis_title.text_frame.paragraphs[0].font.size = Pt(12)
    chart.value_axis.major_gridlines.format.line.color.rgb = RGBColor.from_string(style.GRID[1:])
    plot = chart.plots[0]
    plot.gap_width, plot.has_data_labels = 60, len(values) <= 12
    plot.series[0].format.fill.solid()
    plot.series[0].format.fill.fore_color.rgb = RGBColor.from_string(style.FOCUS[1:])
    plot.series[0].invert_if_negative = False


def _sheet(data: CategoryChartData) -> bytes:
    """Return the workbook behind a chart. Its text stays text: python-pptx's own would read `=...` as a formula."""
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    book.set_properties({"created": _CREATED})
    sheet = book.add_worksheet("Sheet1")
    sheet.write_column(1, 0, [category.label for category in data.categories])
    for column, series in enumerate(data, start=1):
        sheet.write_string(0, column, series.name)
        for row, value in enumerate(series.values, start=1):
            if value is not None:
                sheet.write_number(row, column, value)
    book.close()
    return buffer.getvalue()


def _dated(content: bytes) -> bytes:
    """Return a zip file with one date throughout, so that the same pack is the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as held, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name in held.namelist():
            part = held.read(name)
            if name == "docProps/core.xml":
                part = re.sub(rb"\d{4}-\d\d-\d\dT[\d:]+Z", f"{_CREATED:%Y-%m-%dT%H:%M:%S}Z".encode(), part)
            made.writestr(zipfile.ZipInfo(name), part, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
