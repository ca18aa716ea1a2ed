"""The pack as slides, one message each, with native charts that can be edited: they hold disclosed numbers only."""

from __future__ import annotations

import base64
import io
import re
import zipfile
from datetime import datetime
from typing import Any

import xlsxwriter
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.dml.color import RGBColor
from pptx.enum.chart import XL_CHART_TYPE, XL_LEGEND_POSITION, XL_MARKER_STYLE, XL_TICK_LABEL_POSITION
from pptx.oxml import parse_xml as _xml
from pptx.oxml.ns import nsdecls, qn
from pptx.util import Emu, Inches, Pt

from pathcost_lib.archive import zipped
from pathcost_lib.packs.charts import BASE, NativeChart, Series, native_chart
from pathcost_lib.packs.document import Document, Figure, Section, Table
from pathcost_lib.packs.paper import paper_of
from pathcost_lib.present import style

__all__ = ["write_slides"]

_WIDE, _HIGH, _EDGE = Inches(13.333), Inches(7.5), Inches(0.6)
_TITLE_ONLY = 5
_CREATED = datetime(2000, 1, 1)
#: Inches from the top at which the foot begins.
_FOOT = 6.9
_NAMES = nsdecls("c", "a")
_TYPES = {
    "bars": XL_CHART_TYPE.BAR_CLUSTERED,
    "tornado": XL_CHART_TYPE.BAR_CLUSTERED,
    "stacked": XL_CHART_TYPE.BAR_STACKED,
    "waterfall": XL_CHART_TYPE.BAR_STACKED,
    "columns": XL_CHART_TYPE.COLUMN_CLUSTERED,
    "stacked_columns": XL_CHART_TYPE.COLUMN_STACKED,
    "lines": XL_CHART_TYPE.LINE_MARKERS,
    "dots": XL_CHART_TYPE.LINE_MARKERS,
}


def write_slides(document: Document) -> bytes:
    """Return the board paper as a PowerPoint file: cover, what is asked, then a finding a slide.

    Of a pack without findings: each message with its chart, then the other charts.
    """
    deck = Presentation()
    deck.slide_width, deck.slide_height = _WIDE, _HIGH
    about = deck.core_properties
    about.title, about.author, about.last_modified_by, about.language = document.title, "pathcost", "pathcost", "en-GB"
    about.created = about.modified = _CREATED
    about.keywords = document.identity
    source = f"{document.organisation}, {document.kind.lower()} {document.year}. " + " ".join(document.rules)
    source = f"{document.banner}. {source}" if document.banner else source
    cover = _slide(deck, document.organisation, source, size=40)
    kind = "Board paper" if document.findings else document.kind
    _words(cover, [f"{kind}, {document.year}", document.about], top=2.2, size=20)
    if document.decisions:
        _words(_slide(deck, "The board is asked to", source), document.decisions, top=1.7, size=22)
    if document.warning:
        _words(_slide(deck, "Before numbers are set against each other", source), [document.warning], top=1.7, size=22)
    if document.findings:
        _findings(deck, document, source)
    else:
        texts = set[str]()
        for chapter in document.chapters:
            _chapter(deck, chapter, source, texts)
    for number, slide in enumerate(deck.slides, start=1):
        foot = f"{document.organisation}, {document.kind.lower()} {document.year}"
        _words(slide, [foot], top=_FOOT + 0.05, size=10, across=6.0)
        _words(slide, [document.banner], top=_FOOT + 0.05, size=12, left=6.4, across=5.0, bold=True)
        _words(slide, [f"{number}"], top=_FOOT + 0.05, size=10, left=12.2, across=0.6)
    for slide in deck.slides if document.restricted else ():
        _words(slide, [document.restricted], top=0.1, size=12, bold=True)
    buffer = io.BytesIO()
    deck.save(buffer)
    return _dated(buffer.getvalue())


def _findings(deck: Any, document: Document, source: str) -> None:
    """Give each finding a slide: its title, its lines, and its chart, native where a table of its notebook has one."""
    for answer in paper_of(document).answers:
        words, table = answer.finding.words, document.table_of(answer.finding)
        slide = _slide(deck, words.title, f"{words.question} {answer.source} {source}")
        lines = [f"{label}. {line}" if label else line for label, line in answer.lines]
        lines += [f"How sure. {answer.sure}"] if answer.sure else []
        if answer.figure is None:
            _words(slide, lines, top=1.7, size=22)
            continue
        _words(slide, lines, top=1.6, size=15, across=4.4)
        _words(slide, [answer.source], top=_FOOT - 0.5, size=10, left=5.4, across=7.3)
        drawn = table if table is not None and native_chart(table.payload) else answer.figure
        if isinstance(drawn, Table) or drawn.picture:
            _draw(slide, drawn, left=5.4, foot=_FOOT - 0.5)


def _chapter(deck: Any, chapter: Section, source: str, texts: set[str]) -> None:
    # What is in the workbook only says more of a table that has a slide of its own.
    drawn: list[Table | Figure] = [
        block
        for block in chapter.blocks
        if (isinstance(block, Figure) and block.picture)
        or (isinstance(block, Table) and not block.payload["sheet_only"] and native_chart(block.payload))
    ]
    for message in chapter.messages:
        if message.text in texts:  # the banner of coverage is in every notebook
            continue
        texts.add(message.text)
        slide = _slide(deck, chapter.title, source)
        size = 18 if len(message.text) < 420 else 15
        if drawn and message is chapter.messages[-1]:
            block = drawn.pop(0)
            _words(slide, [message.text], top=1.6, size=size - 2, across=4.6)
            _words(slide, [block.title], top=1.6, size=14, left=5.6, across=7.1, bold=True)
            _draw(slide, block, left=5.6, top=2.2)
        else:
            _words(slide, [message.text], top=1.7, size=size)
    for block in drawn:
        note = block.note if isinstance(block, Figure) else block.payload["note"]
        _draw(_slide(deck, block.title, f"{note} {source}".strip()), block, left=0.6)


def _draw(slide: Any, block: Table | Figure, *, left: float, top: float = 1.7, foot: float = _FOOT) -> None:
    if isinstance(block, Figure):
        _picture(slide, block, left=left, top=top, foot=foot)
    elif (chart := native_chart(block.payload)) is not None:
        _chart(slide, block.title, chart, left=left, top=top, foot=foot)


def _picture(slide: Any, figure: Figure, *, left: float, top: float, foot: float) -> None:
    """Put a figure on a slide as large as there is room for, with its alternative text."""
    picture = slide.shapes.add_picture(io.BytesIO(base64.b64decode(figure.picture)), Inches(left), Inches(top))
    across, down = _WIDE - Inches(left) - _EDGE, Inches(foot - top)
    scale = min(across / picture.width, down / picture.height)
    picture.width, picture.height = Emu(int(picture.width * scale)), Emu(int(picture.height * scale))
    picture.name = f"Figure: {figure.title}"
    picture._element.nvPicPr.cNvPr.set("descr", f"{figure.title}. {figure.alt}")


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
    box = slide.shapes.add_textbox(Inches(left), Inches(top), Inches(across), Inches(7.4 - top))
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


def _chart(slide: Any, title: str, native: NativeChart, *, left: float, top: float, foot: float) -> None:
    data = CategoryChartData(number_format=native.cells)
    data.categories = list(native.categories)
    for one in native.series:  # a suppressed cell has no value: no bar, and nothing in the sheet behind the chart
        data.add_series(one.name, one.numbers)
    place = Inches(left), Inches(top), Emu(_WIDE - Inches(left) - _EDGE), Inches(foot - top)
    frame = slide.shapes.add_chart(_TYPES[native.kind], *place, data)
    frame.chart.part.chart_workbook.update_from_xlsx_blob(_sheet(data))
    frame.name = f"Chart: {title}"
    frame._element.nvGraphicFramePr.cNvPr.set("descr", native.says)
    chart = frame.chart
    few = len(native.categories) * len(native.series) <= 12
    chart.has_title, chart.has_legend = False, native.keyed
    chart.font.name, chart.font.size = "Arial", Pt(12 if len(native.categories) <= 12 else 9)
    if native.keyed:
        chart.legend.position, chart.legend.include_in_layout = XL_LEGEND_POSITION.TOP, False
    _axes(chart, native)
    plot = chart.plots[0]
    plot.has_data_labels = few and not native.stacked and not any(one.below for one in native.series)
    if native.kind not in ("lines", "dots"):
        plot.gap_width = 60
        plot.overlap = 100 if native.stacked or native.kind == "tornado" else 0
    for shape, one in zip(plot.series, native.series, strict=True):
        _paint(shape, one, native.kind)


def _axes(chart: Any, native: NativeChart) -> None:
    names, numbers = chart.category_axis, chart.value_axis
    names.reverse_order = native.across
    names.tick_label_position = XL_TICK_LABEL_POSITION.LOW
    if native.across:  # at the foot, the rows being turned round
        numbers.tick_label_position = XL_TICK_LABEL_POSITION.HIGH
    numbers.minimum_scale, numbers.maximum_scale, numbers.major_unit = native.axis
    if native.origin:
        numbers.crosses_at = native.origin
    numbers.tick_labels.number_format = native.form
    numbers.tick_labels.number_format_is_linked = False
    numbers.has_title = True
    numbers.axis_title.text_frame.text = native.title
    numbers.axis_title.text_frame.paragraphs[0].font.size = Pt(12)
    numbers.major_gridlines.format.line.color.rgb = RGBColor.from_string(style.GRID[1:])


def _paint(shape: Any, one: Series, kind: str) -> None:
    """Give a series its colour, and its limits as error bars; the base of a waterfall has neither fill nor line."""
    if one.name == BASE:
        shape.format.fill.background()
        shape.format.line.fill.background()
        return
    color = RGBColor.from_string(one.color[1:])
    if kind in ("lines", "dots"):
        shape.smooth = False
        shape.marker.style, shape.marker.size = XL_MARKER_STYLE.CIRCLE, 9 if kind == "dots" else 5
        shape.marker.format.fill.solid()
        shape.marker.format.fill.fore_color.rgb = color
        shape.marker.format.line.color.rgb = color
        if kind == "dots":
            shape.format.line.fill.background()
        else:
            shape.format.line.color.rgb, shape.format.line.width = color, Pt(2)
    else:
        shape.format.fill.solid()
        shape.format.fill.fore_color.rgb = color
        shape.invert_if_negative = False
    if one.below:
        shape._element.find(qn("c:cat")).addprevious(_error_bars(one))


def _error_bars(one: Series) -> Any:
    """Return the limits of a series, which python-pptx has no call for (ECMA-376 part 1, 21.2.2.55)."""
    sides = {
        side: "".join(f'<c:pt idx="{n}"><c:v>{value!r}</c:v></c:pt>' for n, value in enumerate(values))
        for side, values in (("plus", one.above), ("minus", one.below))
    }
    drawn = "".join(
        f'<c:{side}><c:numLit><c:formatCode>General</c:formatCode><c:ptCount val="{len(one.numbers)}"/>{points}'
        f"</c:numLit></c:{side}>"
        for side, points in sides.items()
    )
    return _xml(
        f'<c:errBars {_NAMES}><c:errBarType val="both"/><c:errValType val="cust"/><c:noEndCap val="0"/>{drawn}'
        f'<c:spPr><a:ln w="15875"><a:solidFill><a:srgbClr val="{style.INK[1:]}"/></a:solidFill></a:ln></c:spPr>'
        "</c:errBars>"
    )


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
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    core = "docProps/core.xml"
    parts[core] = re.sub(rb"\d{4}-\d\d-\d\dT[\d:]+Z", f"{_CREATED:%Y-%m-%dT%H:%M:%S}Z".encode(), parts[core])
    return zipped(parts)
