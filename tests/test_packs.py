"""Packs: parameters that are refused, pages that stand alone, workbooks that are typed, and nothing half-written."""

from __future__ import annotations

import base64
import errno
import hashlib
import io
import itertools
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pypdf
import pytest
from factories import make_tables, write_tables
from pptx import Presentation

from pathcost_lib import ledger, packs, paths, pathways, present, sources
from pathcost_lib.benchmark import figures
from pathcost_lib.errors import InputError
from pathcost_lib.packs import builder, index, render, runner
from pathcost_lib.packs.charts import native_chart
from pathcost_lib.packs.document import (
    Document,
    Figure,
    Finding,
    Message,
    PackSummary,
    Prose,
    Section,
    Table,
    read_section,
)
from pathcost_lib.packs.index import render_index
from pathcost_lib.packs.pdf import render_pdf
from pathcost_lib.packs.render import _data_uri, render_html
from pathcost_lib.packs.slides import write_slides
from pathcost_lib.packs.workbook import sheet_name, write_workbook
from pathcost_lib.present import display, shapes, style
from pathcost_lib.present.findings import QUESTIONS, Confidence
from pathcost_lib.present.findings import Finding as Words

COVER = {"organisation": 'NHS <script>alert("x")</script> ICB', "icb": "QZ1", "year": "2024-25"}
HEADLINE = {"heading": "Cost <b>", "kind": "gbp", "value": 8360.0, "lower": 8000.0, "upper": 8720.0}
_STEPS = [digit * 10**power for power in range(6) for digit in (1, 2, 5)]
HOSTILE = ["=cmd()", "+1", "-1", "@SUM(A1)", '<script>"</script>', "../../etc"]


def _table(frame: pd.DataFrame, name: str = "By phase", title: str = "Cost by phase") -> Table:
    counts = [c for c in ("contacts",) if c in frame]
    safe = present.disclose(frame, counts=counts, in_order=True)
    chart = present.Chart("bars", ["mean_gbp"]) if "mean_gbp" in frame else None
    return Table(display.table_bundle(safe, name=name, title=title, chart=chart)[display.TABLE])


@pytest.fixture
def document() -> Document:
    frame = pd.DataFrame({"provider": HOSTILE, "contacts": [3, 10, 20, 30, 40, 50], "mean_gbp": [1200.0] * 6})
    shares = pd.DataFrame({"phase": ["a", "b"], "outside_pct": [10.0, 90.0], "reference_pct": [20.0, 80.0]})
    options = {"name": "f", "title": "A <b>figure</b>", "alt": 'Says "10%" & more'}
    bundle = display.figure_bundle(figures.outside_share, present.disclose(shares, counts=[]), **options)
    words = {k: bundle[display.FIGURE][k] for k in ("name", "title", "alt", "note", "narrow")}
    blocks = (
        Message("£10 more <i>than</i> England.", "Decide on =that.", (HEADLINE,)),
        Prose("## Part\n\nText with <script>bad()</script> and a [link](http://example.org)."),
        Figure(wide=bundle["image/svg+xml"], **words),
        _table(frame),
        _table(frame, name="By phase", title="The same name"),
    )
    section = Section("02_notebook", "What it costs", blocks)
    return Document(**COVER, about="About & more.", sections=(section,))


# -- parameters -------------------------------------------------------------------------------------------------------
def _notebook(path: Path, *cells: tuple[str, list[str]], markdown: str = "# Title") -> Path:
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.cells = [nbformat.v4.new_markdown_cell(markdown, metadata={"tags": ["pack"]})]
    notebook.cells += [nbformat.v4.new_code_cell(text, metadata={"tags": tags}) for text, tags in cells]
    nbformat.write(notebook, path)
    return path


PARAMETERS = ('icb: str = "QHL"  # ODS code\ndraws: int = 10  # Number\nrate: float = 0.5  # Share', ["parameters"])


@pytest.mark.unit
def test_unknown_parameter_and_wrong_type_are_refused(tmp_path: Path) -> None:
    notebook = _notebook(tmp_path / "n.ipynb", PARAMETERS)
    with pytest.raises(InputError, match=r"parameter 'draw' is not known. Did you mean draws\?"):
        runner.check_parameters(notebook, {"draw": 5})
    with pytest.raises(InputError, match="draws must be int, not str: '5'"):
        runner.check_parameters(notebook, {"draws": "5"})
    with pytest.raises(InputError, match="draws must be int, not bool"):
        runner.check_parameters(notebook, {"draws": True})
    runner.check_parameters(notebook, {"draws": 5, "rate": 1})


@pytest.mark.unit
def test_text_from_a_command_line_becomes_the_declared_type_and_no_other(tmp_path: Path) -> None:
    declared = runner.parameters_of(_notebook(tmp_path / "n.ipynb", PARAMETERS))
    assert runner.typed(declared["icb"], "01E5") == "01E5"
    assert runner.typed(declared["icb"], "no") == "no"
    assert runner.typed(declared["draws"], "12") == 12
    with pytest.raises(InputError, match="draws must be int"):
        runner.typed(declared["draws"], "1e3")


@pytest.mark.unit
@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([], "0 cells are tagged"),
        ([PARAMETERS, PARAMETERS], "2 cells are tagged"),
        ([('icb: str = "Q"  # code = QHL', ["parameters"])], "1 lines of parameters, but only 0"),
        ([("n: list = []", ["parameters"])], "of type list. Allowed: str, int, float, bool"),
    ],
)
def test_a_notebook_with_bad_parameters_cell_is_refused(tmp_path: Path, cells: list[Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        runner.parameters_of(_notebook(tmp_path / "n.ipynb", *cells))


@pytest.mark.unit
def test_a_notebook_that_names_no_kernel_is_refused_in_words(tmp_path: Path) -> None:
    path = _notebook(tmp_path / "n.ipynb", PARAMETERS)
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"metadata": {}}), encoding="utf-8")
    with pytest.raises(InputError, match=r"n.ipynb: names no kernel"):
        runner.parameters_of(path)


@pytest.mark.unit
def test_build_refuses_what_it_does_not_know_before_running_anything(tmp_path: Path) -> None:
    data = write_tables(tmp_path / "data", make_tables(patients=6))
    options: Mapping[str, Any] = {"year": "2024-25", "data": data, "out": tmp_path / "reports"}
    for wrong, said in (
        ({"parameters": {"draw": 5}}, "Notebook parameter 'draw' is not known"),
        ({"pathway": "knee"}, "Pathway 'knee' is not known"),
        ({"year": "2031-32"}, "Financial year '2031-32' is not known. .*Allowed: 2023-24, 2024-25"),
        ({"formats": ("docx",)}, "Format 'docx' is not known"),
        ({"notebooks": ["99_none"]}, "Notebook '99_none' is not known"),
    ):
        with pytest.raises(InputError, match=said):
            packs.build("QZ1", **{**options, **wrong})
    with pytest.raises(InputError, match=r"ICB 'QZ9' is not known.*QZ1, QZ2, QZ3"):
        packs.build("QZ9", **options)
    assert not (tmp_path / "reports").exists()


# -- blocks -----------------------------------------------------------------------------------------------------------
def _executed(path: Path, outputs: list[dict[str, Any]]) -> Path:
    _notebook(path, ("x", ["pack"]))
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].outputs = [nbformat.v4.new_output("display_data", data=data) for data in outputs]
    nbformat.write(notebook, path)
    return path


@pytest.mark.unit
def test_what_has_not_passed_disclosure_cannot_enter_a_pack(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"n.ipynb, cell 2: .*disclosure"):
        read_section(_executed(tmp_path / "n.ipynb", [{"text/html": "<table></table>"}]))


@pytest.mark.unit
def test_a_lost_or_empty_figure_is_found(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="meant to show"):
        read_section(_executed(tmp_path / "n.ipynb", [{display.TALLY: {"figures": 1, "tables": 0}}, _message()]))
    payload = {"name": "f", "title": "T", "alt": "A", "note": "", "narrow": ""}
    with pytest.raises(InputError, match="figure 'f' is empty"):
        read_section(_executed(tmp_path / "n.ipynb", [{display.FIGURE: payload}]))


def _message() -> dict[str, Any]:
    return display.message_bundle("One line.")


# -- page -------------------------------------------------------------------------------------------------------------
class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, *names: str) -> Iterator[dict[str, str | None]]:
        return (attrs for tag, attrs in self.tags if tag in names)


def _check_page(text: str) -> None:
    """Hold one page to what every page must be: self-contained, in order, labelled."""
    page = _Page(text)
    assert not list(page.all("link", "iframe", "object", "embed", "form"))
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = re.findall(r"script-src 'sha256-([^']+)'", text)
    assert len(digests) == len([*page.all("script")]) == 1 and digests == allowed, (
        "the page lets one script run, its own"
    )
    addresses = [a[k] for a in (attrs for _, attrs in page.tags) for k in ("src", "srcset", "href") if a.get(k)]
    assert all(str(a).startswith(("data:image/svg+xml;base64,", "#")) for a in addresses)
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    identifiers = [a["id"] for _, a in page.tags if "id" in a]
    assert len(identifiers) == len(set(identifiers))
    targets = {str(a["href"])[1:] for a in page.all("a")} | {
        str(a["aria-labelledby"]) for _, a in page.tags if "aria-labelledby" in a
    }
    assert targets <= set(identifiers)
    assert all((a.get("alt") or "").strip() for a in page.all("img"))
    assert all(a.get("scope") in ("col", "row") for a in page.all("th"))
    assert len(list(page.all("table"))) == len(list(page.all("caption")))
    assert next(page.all("a"))["class"] == "skip"
    assert next(page.all("html"))["lang"] == "en-GB"


@pytest.mark.unit
def test_page_is_self_contained_and_text_stays_text(document: Document) -> None:
    text = render_html(document)
    _check_page(text)
    assert "&lt;script&gt;" in text
    assert "<i>than" not in text
    assert "http://example.org" in text  # as text, not as a link
    assert text == render_html(document)


@pytest.mark.unit
def test_every_house_colour_has_its_own_on_a_dark_page() -> None:
    house = (style.PAPER, style.INK, style.MUTED, style.GRID, style.SOFT, style.FOCUS, style.MORE, style.LESS)
    drawn = "".join(f'<path fill="{colour}"/>' for colour in house)
    svg = base64.b64decode(_data_uri(f"<svg>{drawn}</svg>").partition("base64,")[2]).decode()
    assert not [colour for colour in house if f'fill="{colour}"' in svg or f"fill: {colour}" in svg]
    assert svg.count("var(--c") == len(house)


@pytest.mark.unit
def test_page_holds_only_disclosed_numbers(document: Document) -> None:
    row = re.search(r"<tr[^<>]*><th scope=\"row\">=cmd\(\)</th>(.*?)</tr>", render_html(document))
    assert row
    assert re.findall(r">([^<]+)</td>", row[1]) == ["*", "*"]


# -- PDF --------------------------------------------------------------------------------------------------------------
@pytest.mark.unit
def test_pdf_is_tagged_with_bookmarks_and_text_stays_text(document: Document) -> None:
    reader = pypdf.PdfReader(io.BytesIO(render_pdf(document)))
    text = "\n".join(page.extract_text() for page in reader.pages)
    for said in (COVER["organisation"], "£10 more <i>than</i> England.", "<script>bad()</script>", *HOSTILE):
        assert " ".join(said.split()) in " ".join(text.split())
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en-GB"
    assert reader.metadata is not None
    assert reader.metadata.title == document.title
    assert [item.title for item in reader.outline if not isinstance(item, list)] == [
        "What it costs",
        "How this pack was made",
    ]
    assert all(page.mediabox[2:] == pytest.approx([595.28, 841.89], abs=0.01) for page in reader.pages)
    assert "/CreationDate" not in reader.metadata
    kinds = [str(item.get_object().get("/S")) for item in _structure(root["/StructTreeRoot"])]
    assert {"/H1", "/Figure", "/Table", "/TH", "/TD", "/Caption"} <= set(kinds)
    figures = [item for item in _structure(root["/StructTreeRoot"]) if item.get("/S") == "/Figure"]
    assert [f["/Alt"] for f in figures] == ['Says "10%" & more']


def _structure(item: Any) -> Iterator[Any]:
    held = item.get_object()
    if isinstance(held, pypdf.generic.DictionaryObject):
        yield held
        children = held.get("/K", [])
        for child in children if isinstance(children, list) else [children]:
            yield from _structure(child)


@pytest.mark.unit
def test_a_table_too_wide_for_the_page_is_turned_and_nothing_is_cut(document: Document) -> None:
    frame = pd.DataFrame({f"a_heading_of_words_{n}_gbp": [1_230_000.0 + 10_000 * n] for n in range(14)})
    wide = replace(document, sections=(Section("n", "Wide", (_table(frame.assign(contacts=[2000])),)),))
    pages = pypdf.PdfReader(io.BytesIO(render_pdf(wide))).pages
    turned = [page for page in pages if page.mediabox[2] > page.mediabox[3]]
    assert len(turned) == 1
    assert all(f"£1,{230 + 10 * n},000" in turned[0].extract_text() for n in range(14))


# -- workbook ---------------------------------------------------------------------------------------------------------
@pytest.mark.unit
def test_the_front_sheet_has_the_headline_figures_as_numbers_with_their_limits(document: Document) -> None:
    frame = pd.DataFrame({"mean_gbp": [1234.0], "lower_95": [1200.0], "upper_95": [1300.0], "gap_gbp": [-5.0]})
    said = display.message_bundle("It costs.", figures=present.disclose(frame, counts=[]))[display.MESSAGE]
    message = Message(said["text"], figures=tuple(said["figures"]), behind=said["behind"])
    section = document.sections[0]
    told = replace(document, sections=(replace(section, blocks=(message, *section.blocks)),))
    sheet = openpyxl.load_workbook(io.BytesIO(write_workbook(told)))["Contents"]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    first = next(n for n, row in enumerate(rows) if row[0] == "Headline figures")
    assert rows[first] == ["Headline figures", "Value", "Lower limit", "Upper limit"]
    shown = said["behind"]["rows"][0]
    assert [row[1:] for row in rows[first + 1 : first + 3]] == [shown[:3], [shown[3], None, None]]
    assert sheet.cell(first + 2, 2).number_format == "£#,##0;-£#,##0"
    assert sheet.freeze_panes == "A3" and sheet.print_area.endswith(f"$D${sheet.max_row}")
    assert [cell.hyperlink.location for cell in sheet["A"] if cell.hyperlink][-1] == "'Method'!A1"


@pytest.mark.unit
def test_workbook_is_typed_and_runs_no_text_as_formula(document: Document) -> None:
    book = openpyxl.load_workbook(io.BytesIO(write_workbook(document)))
    assert book.sheetnames == ["Contents", "By phase", "By phase 2", "Suppression", "Method"]
    sheet = book["By phase"]
    assert [c.value for c in sheet[5]] == ["Provider", "Contacts (number)", "Mean (£)"]
    assert sheet.freeze_panes == "B6"
    for row, text in enumerate(HOSTILE, start=6):
        assert (sheet.cell(row, 1).value, sheet.cell(row, 1).data_type) == (text, "s")
        assert sheet.cell(row, 1).quotePrefix
    assert sheet["B6"].value == "*"
    assert (sheet["B7"].value, sheet["B7"].data_type) == (10, "n")
    assert sheet["C7"].number_format == "£#,##0;-£#,##0"
    assert sheet.auto_filter.ref == "A5:C11"
    kinds = {cell.data_type for s in book for cells in s.iter_rows() for cell in cells}
    assert kinds <= {"s", "n"}


@pytest.mark.unit
@pytest.mark.parametrize("name", render.FORMATS)
def test_every_format_is_the_same_bytes_each_time(document: Document, name: str) -> None:
    assert render.FORMATS[name].write(document) == render.FORMATS[name].write(document)


@pytest.mark.unit
def test_names_of_sheets_and_folders_cannot_go_astray() -> None:
    taken: set[str] = set()
    assert sheet_name("a/b:[c]*?", taken) == "A b  c"
    assert len(sheet_name("x" * 60, taken)) == 31
    assert sheet_name("x" * 60, taken).endswith(" 2")
    assert builder.safe_name("../../etc/passwd") == "etc_passwd"
    assert builder.safe_name("..") == "unnamed"


@pytest.mark.unit
@pytest.mark.parametrize(
    ("values", "axis", "form"),
    [
        ([4367.0, 4051.0, "*", 4000.0], (0, 5000, 1000), "£#,##0"),
        ([-100.0, -42.0], (-120, 0, 20), "£#,##0"),
        ([32.4e6, -1.6e6, 41.3e6], (-1e7, 5e7, 1e7), '£0,,"m";-£0,,"m";£0'),
        ([900_000.0, 2_151_575.0], (0, 2.5e6, 5e5), '£0.0,,"m";-£0.0,,"m";£0'),
        ([0.0, 0.0], (0, 0.2, 0.2), "£#,##0"),
    ],
)
def test_a_bar_starts_at_zero_and_its_label_has_room(values: list[Any], axis: tuple[float, ...], form: str) -> None:
    columns = [{"key": "name", "number": False, "kind": ""}]
    columns += [{"key": "mean_gbp", "heading": "Mean", "number": True, "kind": "gbp", "unit": "£", "excel": "£#,##0"}]
    rows = [[f"row {n}", value] for n, value in enumerate(values)]
    spec = present.Chart("bars", ["mean_gbp"]).payload(columns, rows, table="t")
    chart = native_chart({"title": "T", "columns": columns, "rows": rows, "chart": spec})
    assert chart is not None
    assert (chart.axis, chart.form) == (pytest.approx(axis), form)


@pytest.mark.unit
def test_a_sum_is_not_broken_after_its_sign(document: Document) -> None:
    text = "from −£1,828 to +£7.41m; 4 < 5."
    page = render_html(replace(document, sections=(Section("n", "T", (Message(text),)),)))
    assert 'from <span class="whole">−£1,828</span> to <span class="whole">+£7.41m</span>; 4 &lt; 5.' in page


@pytest.mark.unit
def test_charts_are_native_described_and_without_what_is_suppressed(document: Document) -> None:
    book = zipfile.ZipFile(io.BytesIO(write_workbook(document)))
    assert sum(name.startswith("xl/charts/chart") for name in book.namelist()) == 2
    assert "Bar chart. Mean: =cmd() not shown, +1 £1,200" in book.read("xl/drawings/drawing1.xml").decode()
    deck = Presentation(io.BytesIO(write_slides(document)))
    charts = [shape for slide in deck.slides for shape in slide.shapes if shape.has_chart]
    assert len(charts) == 2
    shown = list(charts[0].chart.plots[0].series[0].values)
    assert shown == [None, *[1200.0] * 5]
    assert "=cmd() not shown" in charts[0]._element.nvGraphicFramePr.cNvPr.get("descr")
    behind = openpyxl.load_workbook(io.BytesIO(charts[0].chart.part.chart_workbook.xlsx_part.blob)).active
    assert [(row[0].value, row[0].data_type) for row in behind["A2:A7"]] == [(text, "s") for text in HOSTILE]
    assert [row[0].value for row in behind["B2:B7"]] == [None, *[1200.0] * 5]
    titles = [slide.shapes.title.text for slide in deck.slides]
    assert titles == [COVER["organisation"], "The board is asked to", "What it costs", "The same name"]
    assert all("Counts of 1 to 7" in slide.notes_slide.notes_text_frame.text for slide in deck.slides)


# -- what may not be seen ---------------------------------------------------------------------------------------------
def _opened(content: bytes) -> Iterator[bytes]:
    """Yield every part of a file as a reader may take it to pieces: zips in zips, images in pages, text, rows."""
    yield content
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as held:
            for name in held.namelist():
                yield from _opened(held.read(name))
    elif content.startswith(b"PAR1"):
        yield str(pq.read_table(io.BytesIO(content)).to_pylist()).encode()
    elif content.startswith(b"%PDF"):
        for page in pypdf.PdfReader(io.BytesIO(content)).pages:
            yield page.extract_text().encode()
    else:
        yield from (base64.b64decode(image) for image in re.findall(rb"base64,([A-Za-z0-9+/=]{40,})", content))


@pytest.mark.unit
@pytest.mark.parametrize("name", render.FORMATS)
def test_a_small_number_is_in_no_part_of_any_format(name: str) -> None:
    """Planted: three people whose cost is 4321.987, beside many, in table, figure, chart and words for the blind."""
    frame = pd.DataFrame({"phase": ["a", "b", "c"], "contacts": [3, 40, 50], "mean_gbp": [4321.987, 5555.5, 20.0]})
    frame["lower_95"], frame["upper_95"] = frame["mean_gbp"] - 1, frame["mean_gbp"] + 1
    frame[["reference_gbp", "reference_lower_95", "reference_upper_95"]] = [9.0, 8.0, 10.0]
    leaks = {}
    for rule, counts in (("kept", ["contacts"]), ("planted", [])):
        safe = present.disclose(frame, counts=counts, totals=[[]])
        said = {"by": "phase", "area": "A"}
        alt = shapes.describe_against_reference(safe.frame, **said)
        options = {"name": "f", "title": "F", "alt": alt} | said
        bundle = display.figure_bundle(shapes.against_reference, safe, **options)
        words = {k: bundle[display.FIGURE][k] for k in ("name", "title", "alt", "note", "narrow")}
        chart = present.Chart("bars", ["mean_gbp"], reference="reference_gbp")
        table = Table(display.table_bundle(safe, name="t", title="T", chart=chart)[display.TABLE])
        finding = Finding(Words(QUESTIONS[2], "T", ("a", "b", "c"), Confidence("high", "r"), "f", "t"), "n")
        blocks = (Message("M"), finding, Figure(wide=bundle["image/svg+xml"], **words), table)
        content = render.FORMATS[name].write(Document(**COVER, about="A.", sections=(Section("n", "T", blocks),)))
        leaks[rule] = [part for part in _opened(content) if re.search(rb"(?<![\d.])4,?32[012](?![\d])", part)]
        assert any(re.search(rb"5,?55[56]|>20<|20", part) for part in _opened(content))
    assert not leaks["kept"]
    assert leaks["planted"], "the search does not find what is there"


# -- all packs --------------------------------------------------------------------------------------------------------
def _summaries() -> list[PackSummary]:
    bad = '<script>alert("x")</script>'
    return [
        PackSummary("QHL", f"NHS {bad} ICB", "QHL/board-pack.html", (HEADLINE,)),
        PackSummary("QOP", "NHS Two ICB", "QOP/board-pack.html", ({**HEADLINE, "value": "*", "lower": "*"},), ("No.",)),
        PackSummary("QZ9", "NHS Off the map ICB", "", (), (f"02_x.ipynb, cell 3: {bad}",)),
    ]


@pytest.mark.unit
def test_the_page_over_all_packs_has_figures_map_and_failures() -> None:
    text = render_index(_summaries(), year="2024-25")
    page = _Page(text)
    assert text == render_index(_summaries(), year="2024-25")
    assert "<script>alert" not in text
    assert "Cost <b>" not in text
    assert [a["href"] for a in page.all("a")].count("QHL/board-pack.html") == 2
    places = [place.get("class") for place in page.all("polygon")]
    assert (len(places), places.count("empty")) == (42, 40)
    assert "Not on the map: NHS Off the map ICB." in text
    assert re.findall(r'data-order="([^"]*)">([^<]*)', text) == [("8360.0", "£8,360"), ("", "*"), ("", "–")]
    assert "£8,000 to £8,720" in text
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert "Packs built: 1 of 3; not built: 2." in text


@pytest.mark.unit
def test_the_page_over_all_packs_is_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _summaries()
    monkeypatch.setattr(index, "summaries", lambda *_: lines)
    index.write_index(tmp_path, "2024-25", {}, {})
    before = (tmp_path / "index.html").read_bytes()

    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    index.write_index(tmp_path, "2024-25", {}, {})  # nothing has changed: nothing is written
    lines.pop()
    with pytest.raises(OSError, match="No space"):
        index.write_index(tmp_path, "2024-25", {}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    assert (tmp_path / "index.html").read_bytes() == before
    assert builder._without_page(
        OSError(28, "No space left on device"), [builder.Pack("QZ1", tmp_path, failures=("No.",))]
    ) == (
        "The page over all packs cannot be written: No space left on device. Every pack is whole; run this again. "
        "Not built: QZ1: No."
    )


# -- whole packs ------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tables(tmp_path_factory.mktemp("data"), make_tables(patients=240))


@pytest.mark.slow
@pytest.mark.notebook
def test_a_failed_run_keeps_the_old_pack_and_leaves_nothing_half_written(data: Path, tmp_path: Path) -> None:
    notebook = _notebook(tmp_path / "01_x.ipynb", PARAMETERS, ("raise ValueError('no')", ["pack"]))
    old = tmp_path / "reports" / "2024-25" / "QZ1"
    old.mkdir(parents=True)
    (old / "board-pack.html").write_text("old", encoding="utf-8")
    pack = packs.build("QZ1", year="2024-25", data=data, out=tmp_path / "reports", notebooks=[notebook])
    assert pack.failures == ("01_x.ipynb, cell 3: ValueError: no",)
    assert [p.name for p in old.parent.iterdir()] == ["QZ1"]
    assert (old / "board-pack.html").read_text(encoding="utf-8") == "old"
    fresh = packs.build("QZ1", year="2023-24", data=data, out=tmp_path / "reports", notebooks=[notebook])
    assert fresh.failures
    assert sorted(p.name for p in (tmp_path / "reports").iterdir()) == [".locks", "2024-25"]


_EVERYBODY_S = """from pathcost_lib import present
import pandas as pd
counted = {"what": "closed pathways", "year": "2024-25", "icb_code": icb}
table = {"phase": ["a"], "pathways": [20], "mean_gbp": [900.0], "reference_pathways": [90]}
table["reference_gbp"] = [2000.0 if icb == "QZ2" else 1000.0]
apart = {"reference_pathways": ["reference_gbp"]}
shown = present.disclose(pd.DataFrame(table), counts="pathways", apart=apart, of=counted)
present.table(shown, name="t", title="t")
present.expect(figures=0, tables=1)"""


@pytest.mark.slow
@pytest.mark.notebook
def test_packs_are_attacked_together_before_any_is_in_place(data: Path, tmp_path: Path) -> None:
    """England has another number in QZ2's pack. The two that agree stand; nothing was in place before all were made."""
    notebook = _notebook(tmp_path / "02_x.ipynb", PARAMETERS, (_EVERYBODY_S, ["pack"]))
    year = tmp_path / "reports" / "2024-25"
    there: list[set[str]] = []

    def progress(done: int, total: int) -> None:
        there.append({p.name for p in year.iterdir() if not p.name.startswith(".")})

    options: dict[str, Any] = {"notebooks": [notebook], "formats": ("html",), "out": tmp_path / "reports"}
    built = packs.build_all(year="2024-25", data=data, progress=progress, **options)
    failed = {pack.icb: pack.failures for pack in built}
    assert set(failed) == {"QZ1", "QZ2", "QZ3"} and failed["QZ1"] == failed["QZ3"] == ()
    assert len(failed["QZ2"]) == 1 and "2024-25/QZ1" in failed["QZ2"][0] and "two numbers" in failed["QZ2"][0]
    assert len(there) > 6 and set().union(*there) == set()
    assert {p.name for p in year.iterdir()} == {"QZ1", "QZ3", "index.html"}


@pytest.mark.slow
@pytest.mark.notebook
def test_a_run_that_is_stopped_puts_in_place_what_was_ready(data: Path, tmp_path: Path) -> None:
    notebook = _notebook(tmp_path / "02_x.ipynb", PARAMETERS, (_EVERYBODY_S, ["pack"]))

    def stop(done: int, total: int) -> None:
        if done == 4:  # two notebooks, two packs
            raise KeyboardInterrupt

    options: dict[str, Any] = {"notebooks": [notebook], "formats": ("html",), "out": tmp_path / "reports"}
    with pytest.raises(KeyboardInterrupt):
        packs.build_all(["QZ1", "QZ3", "QZ2"], year="2024-25", data=data, progress=stop, **options)
    year = tmp_path / "reports" / "2024-25"
    assert 1 <= len([p for p in year.iterdir() if (p / "board-pack.html").is_file()]) <= 2
    assert not [p for p in year.iterdir() if p.name.endswith(".part")]


@pytest.mark.unit
def test_a_run_that_ended_between_the_renames_is_mended(tmp_path: Path) -> None:
    (tmp_path / ".QZ1.old").mkdir()
    builder._recover(tmp_path / "QZ1")
    assert [p.name for p in tmp_path.iterdir()] == ["QZ1"]


@pytest.mark.slow
@pytest.mark.end_to_end
def test_a_pack_reconciles_to_the_ledger_and_is_the_same_twice(data: Path, tmp_path: Path) -> None:
    one, two = (
        packs.build(
            "QZ1",
            year="2024-25",
            data=data,
            out=tmp_path / name,
            notebooks=["02_pathway_cost"],
            parameters={"draws": "200"},
        )
        for name in ("one", "two")
    )
    assert not one.failures
    names = [f"board-pack.{kind}" for kind in ("html", "pdf", "pptx", "xlsx")] + ["board-paper.pdf"]
    assert [p.name for p in one.files] == ["02_pathway_cost.ipynb", *names, "manifest.json"]
    for name in names:
        assert (one.folder / name).read_bytes() == (two.folder / name).read_bytes()
    _check_page((one.folder / "board-pack.html").read_text(encoding="utf-8"))

    dataset = sources.open_dataset(data)
    costed = ledger.cost_activity(
        dataset.activity, dataset.unit_costs, dataset.organisations, price_base="2024-25"
    ).materialise()
    knee = pathways.load_definition("knee_replacement")
    links = pathways.link(costed, pathways.linked_with(knee), patients=dataset.patients)
    statement = links.statement(costed)
    pounds = {
        row[0].value: row[1].value
        for row in openpyxl.load_workbook(one.folder / "board-pack.xlsx")["Every pound once"]["A6":"B10"]
    }
    # To the penny in the notebook, which asserts it; a pack shows three figures.
    assert pounds["Ledger: all activity with a cost"] == pytest.approx(statement.ledger_pence / 100, rel=0.005)
    assert pounds["Outside any pathway"] == pytest.approx(statement.outside_pence / 100, rel=0.005)
    assert pounds["Unexplained"] == 0
    inside = [v for k, v in pounds.items() if k.startswith("In ")]
    assert sum(inside) == pytest.approx(statement.attributed_pence / 100, rel=0.005)

    links = links.of(knee.name)
    ours = links.pathways.to_pandas().query("complete and icb_code == 'QZ1'")
    ours = ours[pd.to_datetime(ours["window_to"]).between("2024-04-01", "2025-03-31")]
    rows = links.links.to_pandas().merge(ours[["pathway_id"]], on="pathway_id")
    means = rows.groupby("phase")["cost_pence"].sum() / 100 / len(ours)
    sheet = openpyxl.load_workbook(one.folder / "board-pack.xlsx")["By phase"]
    # As docs/disclosure.md has it: to 1, 2 or 5 times a power of ten, at least the mean over the rounded count.
    count = 5 * int(len(ours) / 5 + 0.5)
    steps = {phase: min(s for s in _STEPS if s >= mean / count) for phase, mean in means.items()}
    released = {phase: steps[phase] * int(mean / steps[phase] + 0.5) for phase, mean in means.items()}
    assert {r[0].value.lower(): r[2].value for r in sheet["A6":"C9"]} == pytest.approx(released)

    manifest = json.loads((one.folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["parameters"]["02_pathway_cost"]["draws"] == 200
    assert manifest["seeds"] == {"02_pathway_cost": 20250401}
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in manifest["inputs"].values())
    assert {Path(name).name for name in manifest["inputs"]} >= {"activity.parquet", "knee_replacement.toml"}
    assert set(manifest["outputs"]) == {"02_pathway_cost.ipynb", *names}


@pytest.mark.slow
@pytest.mark.end_to_end
def test_a_pack_of_one_area_without_prices_or_population(tmp_path: Path) -> None:
    """As with records from elsewhere: costs recorded in the activity, one area, no population."""
    tables = make_tables(patients=90)
    activity = tables["activity"].assign(icb_code="QZ1", recorded_cost_pence=12_345)
    activity["recorded_cost_pence"] = activity["recorded_cost_pence"].astype("Int64")
    people = tables["patients"].assign(icb_code="QZ1")
    data = write_tables(
        tmp_path / "data", {"activity": activity, "patients": people, "organisations": tables["organisations"]}
    )
    own = tmp_path / "own.toml"
    text = (paths.pathway_definitions() / "knee_replacement.toml").read_text(encoding="utf-8")
    own.write_text(
        text.replace('"knee_replacement"', '"own_knee"').replace('"Primary knee', '"Own knee'), encoding="utf-8"
    )
    pack = packs.build("QZ1", year="2024-25", data=data, pathway=str(own), out=tmp_path / "reports")
    assert not pack.failures
    page = (pack.folder / "board-pack.html").read_text(encoding="utf-8")
    _check_page(page)
    assert "Own knee replacement, ICB QZ1" in page
    assert "Only QZ1 has activity in these data, so there is nothing to compare with." in page
    assert "England" not in re.sub(r"NHS England|Open Innovations", "", page)
    assert "Coverage is not computable" in page
