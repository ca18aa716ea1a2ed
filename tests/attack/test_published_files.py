"""What lies beside the tables: pages, sheets, charts, drawings, words, properties, digests. Do they tell more?"""

from __future__ import annotations

import functools
import html
import io
import itertools
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import planted
import pypdf
import pytest
import typst
from files import DRAWN, WRITTEN, picture, real_files, sample_files, sha
from published import ATTACKS, Found, Held, known, of_subject, parts_of, reader, sheets_of

from pathcost_lib.errors import InputError

EXACT = 20194.857143
_PATH = re.compile(r"(?:/home/|/Users/|/tmp/|/root/|[A-Z]:\\\\?Users)[\w./\\-]+")


def _digits(number: str) -> int:
    """Return how many figures a number has; those that arithmetic of floats leaves are none."""
    return len(f"{float(number.replace(',', '')):.9g}".replace(".", "").replace("-", "").split("e")[0].strip("0"))


def _exact(held: Held, place: str, text: str) -> Iterator[Found]:
    """Yield pounds of five figures or more that no table shows: means of people leave with three."""
    for said in re.findall(r"£(\d[\d,]*(?:\.\d+)?)", text):
        if _digits(said) >= 5 and float(said.replace(",", "")) not in held.numbers:
            yield Found(place, "words", said)


def _files(held: Held, end: str) -> Iterator[tuple[str, bytes]]:
    yield from ((name, content) for name, content in held.files.items() if name.endswith(end))


def _plain(content: bytes) -> str:
    return html.unescape(re.sub(r"<[^<>]*>", " ", content.decode("utf-8", "replace")))


def _in_zip(part: str, make) -> Any:
    """Return what changes, or adds, a part of an Office file."""

    def changed(content: bytes) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
            for name in {*old.namelist(), part}:
                held = old.read(name) if name in old.namelist() else b""
                new.writestr(name, make(held) if name == part else held)
        return buffer.getvalue()

    return changed


def _page(words: str) -> planted.Plant:
    return planted.file("board-pack.html", lambda page: page.replace(b"</body>", f"{words}</body>".encode()))


@reader("files", _page("<p>Each costs £20,194.86.</p>"), "files")
def page_text(held: Held) -> Iterator[Found]:
    """A reader with a page and the notebooks: pounds in words or cells that are more exact than any table."""
    for name, content in _files(held, "board-pack.html"):
        yield from _exact(held, name, _plain(content))


@reader("files", _page('<img alt="England £20,195, here £9,000.">'), "files")
def alternative_text(held: Held) -> Iterator[Found]:
    """A reader whose screen reader says what a picture shows."""
    for name, content in held.files.items():
        if name.endswith((".html", ".svg")):
            said = re.findall(r'(?:alt|aria-label|title|desc)="([^"]*)"', content.decode("utf-8", "replace"))
            yield from _exact(held, name, html.unescape(" ".join(said)))
        elif name.endswith(".txt"):
            yield from _exact(held, name, content.decode())


@reader("files", _page('<!-- 3 patients --><p hidden>7</p><td data-value="7321.5">'), "files")
def what_a_page_does_not_show(held: Held) -> Iterator[Found]:
    """A reader of the page's source: comments, hidden elements, values kept beside what is shown."""
    for name, content in _files(held, "board-pack.html"):
        text = content.decode()
        found = re.findall(r"<!--.*?-->|<[^<>]*\shidden[\s>=][^<>]*|display:\s*none[^}]*}|<input[^>]*hidden[^>]*", text)
        kept = [v for _, v in re.findall(r'\b(data-[\w-]+)="([^"]*)"', text) if re.fullmatch(r"-?\d+\.?\d*", v)]
        found += [v for v in kept if abs(float(v)) not in held.numbers]  # a row may go by a number that it shows
        yield from (Found(name, "source", what) for what in found if re.search(r"\d", what) and "@media" not in what)


@functools.lru_cache(maxsize=300)
def _sheets(content: bytes) -> dict[str, list[tuple[Any, ...]]]:
    return sheets_of(content)


@functools.lru_cache(maxsize=300)
def _parts(content: bytes) -> dict[str, bytes]:
    return parts_of(content)


_CELL = _in_zip(
    "xl/worksheets/sheet2.xml",
    lambda s: s.replace(b"</sheetData>", f'<row r="99"><c r="A99"><v>{EXACT}</v></c></row></sheetData>'.encode()),
)


@reader("files", planted.file("board-pack.xlsx", _CELL), "files")
def cells_of_a_sheet(held: Held) -> Iterator[Found]:
    """A reader with a workbook, whose formats show no pence while the cells have them."""
    for name, content in _files(held, ".xlsx"):
        for sheet, rows in _sheets(content).items():
            values = (v for row in rows for v in row if known(v) and abs(v) not in held.numbers)
            yield from (Found(name, sheet, v) for v in values if _digits(repr(v)) > 5)


def _office(held: Held) -> Iterator[tuple[str, str, str]]:
    for end in (".xlsx", ".pptx"):
        for name, content in _files(held, end):
            for part, raw in _parts(content).items():
                yield name, part, raw.decode("utf-8", "replace") if part.endswith((".xml", ".rels", ".vml")) else ""


_CHART = _in_zip("xl/charts/chart1.xml", lambda s: s + f"<c:v>{EXACT}</c:v>".encode())


@reader("files", planted.file("board-pack.xlsx", _CHART), "files")
def numbers_kept_in_a_chart(held: Held) -> Iterator[Found]:
    """A reader who opens the chart of a workbook or slide: it keeps the numbers that it draws."""
    for name, part, text in _office(held):
        if "/charts/" in part:
            said = re.findall(r"<c:v>(-?\d+\.?\d*(?:[eE][-+]?\d+)?)</c:v>", text)
            yield from (Found(name, part, v) for v in said if _digits(v) > 5 and abs(float(v)) not in held.numbers)


_HIDDEN = _in_zip("xl/workbook.xml", lambda s: s.replace(b"<sheet ", b'<sheet state="veryHidden" ', 1))


@reader("files", planted.file("board-pack.xlsx", _HIDDEN), "files")
def hidden_sheets(held: Held) -> Iterator[Found]:
    """A reader who unhides: sheets, rows and columns that are there and not seen, names, what is kept of pivots."""
    for name, part, text in _office(held):
        if part.endswith("xl/workbook.xml"):
            yield from (Found(name, part, s) for s in re.findall(r'state="(?:veryHidden|hidden)"', text))
            names = re.findall(r'<definedName name="([^"]*)"', text)
            yield from (Found(name, part, n) for n in names if not n.startswith("_xlnm."))
        if "/worksheets/sheet" in part and re.search(r'<(?:row|col)\b[^>]*hidden="1"', text):
            yield Found(name, part, "hidden rows")
        if re.search(r"pivotCache|externalLink|connections\.xml|customXml", part):
            yield Found(name, part, "kept data")


@reader(
    "files",
    planted.file("board-pack.xlsx", _in_zip("xl/comments1.xml", lambda s: b"<comment>3 patients</comment>")),
    "files",
)
def comments_and_notes(held: Held) -> Iterator[Found]:
    """A reader of comments in cells and of the notes below slides."""
    for name, part, text in _office(held):
        if re.search(r"/comments|threadedComment", part):
            yield Found(name, part, "comment")
        if "notesSlides/notesSlide" in part:
            yield from _exact(held, name, _plain(text.encode()))


_AUTHOR = _in_zip("docProps/core.xml", lambda s: s.replace(b"<dc:creator>", b"<dc:creator>jane.doe"))


@reader("files", planted.file("board-pack.xlsx", _AUTHOR), "files")
def document_properties(held: Held) -> Iterator[Found]:
    """A reader of a file's properties: who made it, when and where."""
    for name, part, text in _office(held):
        if part.endswith(("docProps/core.xml", "docProps/custom.xml")):
            said = re.findall(r"<(?:dc:creator|cp:lastModifiedBy|cp:manager|vt:lpwstr)>([^<]+)<", text)
            yield from (Found(name, part, who) for who in said if who not in ("pathcost", ""))
            yield from (
                Found(name, part, when)
                for when in re.findall(r">(\d{4}-\d\d-\d\dT[\d:]+Z?)<", text)
                if when[:4] != "2000"
            )
    for name, content in _files(held, ".pdf"):
        found = pypdf.PdfReader(io.BytesIO(content))
        said = {
            k: v for k, v in (found.metadata or {}).items() if k not in ("/Title", "/Keywords", "/Creator", "/Author")
        }
        yield from (Found(name, k, v) for k, v in said.items())
        yield from (Found(name, "attachment", a) for a in found.attachments)


def _run_by(held: Held) -> Held:
    book = json.loads(held.packs["2024-25/A"]["02_pathway_cost"])
    book["metadata"] = {"papermill": {"input_path": "/home/jane/notebooks/02.ipynb"}}
    return held.but(packs={**held.packs, "2024-25/A": {**held.packs["2024-25/A"], "02_pathway_cost": json.dumps(book)}})


@reader("files", _run_by, "files")
def who_ran_a_notebook(held: Held) -> Iterator[Found]:
    """A reader of a notebook's metadata, and of any file: folders with somebody's name, papermill's notes."""
    for pack, books in held.packs.items():
        for source, text in books.items():
            yield from (Found(pack, source, path) for path in _PATH.findall(text))
            yield from (Found(pack, source, "papermill") for _ in range('"papermill":' in text))
    for name, content in held.files.items():
        if name.endswith((".html", ".json", ".svg")):
            yield from (Found(name, "path", path) for path in _PATH.findall(content.decode("utf-8", "replace")))
    for name, part, text in _office(held):
        yield from (Found(name, part, path) for path in _PATH.findall(text))


def _printed(held: Held) -> Held:
    book = json.loads(held.packs["2024-25/A"]["02_pathway_cost"])
    shown = {"output_type": "stream", "name": "stdout", "text": ["75 and over: 20 pathways, all: 25\n"]}
    cell = {"cell_type": "code", "execution_count": 1, "id": "mine", "metadata": {}, "source": "", "outputs": [shown]}
    book["cells"].append(cell)
    return held.but(packs={**held.packs, "2024-25/A": {**held.packs["2024-25/A"], "02_pathway_cost": json.dumps(book)}})


@reader("files", _printed, "files")
def what_a_notebook_prints(held: Held) -> Iterator[Found]:
    """A reader of a notebook's other outputs: what a cell printed or showed beside the tables of the pack."""
    for pack, books in held.packs.items():
        for source, text in books.items():
            for cell in json.loads(text)["cells"]:
                for shown in cell.get("outputs", []):
                    if not any("pathcost" in kind for kind in shown.get("data", {})):
                        yield Found(pack, source, shown.get("text", "shown"))


@reader("files", planted.file("board-pack.pdf", lambda _: typst.compile("Each costs £20,194.86.".encode())), "files")
def text_of_a_pdf(held: Held) -> Iterator[Found]:
    """A reader who takes the text out of a PDF and of slides."""
    for name, content in _files(held, ".pdf"):
        yield from _exact(held, name, _pdf_text(content))
    for name, part, text in _office(held):
        if part.startswith("ppt/slides/slide"):
            yield from _exact(held, name, _plain(text.encode()))


@functools.lru_cache
def _pdf_text(content: bytes) -> str:
    return " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)


_ORDERED = f'<td data-order="{EXACT}">£20,000</td>'.encode()


@reader("files", planted.file("index.html", lambda page: page + _ORDERED), "files")
def order_of_the_index(held: Held) -> Iterator[Found]:
    """A reader of the page over all packs: by what are its rows sorted?"""
    for name, content in _files(held, "index.html"):
        for value in re.findall(r'data-order="(-?[\d.]+)"', content.decode()):
            if abs(float(value)) not in held.numbers:
                yield Found(name, "data-order", value)


def _exact_manifest(content: bytes) -> bytes:
    held = json.loads(content)
    held["figures"][0]["value"] = EXACT
    return json.dumps(held).encode()


@reader("files", planted.file("A/manifest.json", _exact_manifest), "files")
def figures_of_a_manifest(held: Held) -> Iterator[Found]:
    """A reader of manifest.json: the headline figures as they were written down."""
    for name, content in _files(held, "manifest.json"):
        for figure in json.loads(content)["figures"]:
            numbers = [v for v in figure.values() if known(v)]
            yield from (Found(name, "figures", v) for v in numbers if abs(v) not in held.numbers)


@functools.cache
def _guesses() -> dict[str, str]:
    """Every small thing of which somebody might have published a digest: counts, small tables of them, words."""
    plain = (
        [str(n) for n in range(1000)]
        + [f"{n}\n" for n in range(1000)]
        + [f"[{n}]" for n in range(1000)]
        + [f"[{n}.0]" for n in range(1000)]
    )
    plain += [f'{{"{k}": {n}}}' for k in ("pathways", "contacts", "rows", "persons") for n in range(1000)]
    plain += [f"{k}\n{n}\n" for k in ("pathways", "contacts", "count") for n in range(1000)]
    plain += [f"[{a}.0, {b}.0]" for a in range(8) for b in range(0, 60)] + [
        f"[{a}, {b}]" for a in range(8) for b in range(0, 60)
    ]
    return {sha(text): text for text in plain}


def _counted(content: bytes) -> bytes:
    return json.dumps({**json.loads(content), "inputs": {"small.csv": sha("pathways\n5\n")}}).encode()


@reader("files", planted.file("A/manifest.json", _counted))
def digests_of_a_manifest(held: Held) -> Iterator[Found]:
    """A reader with a manifest and a computer: whose digest is that of a small count, or of a table of one?

    Nothing in the product tries digests: those of a manifest are of whole files, which whoever has them knows.
    """
    for name, content in _files(held, "manifest.json"):
        for digest in re.findall(r"\b[0-9a-f]{64}\b", content.decode()):
            if digest in _guesses():
                yield Found(name, "digest", _guesses()[digest])


@functools.cache
def _short() -> dict[str, str]:
    """The same by the first half of the digest, with the numbers that a row of few people would have."""
    found = {digest[:32]: text for digest, text in _guesses().items()}
    for n, pounds in itertools.product(range(1, 8), range(0, 20_000, 5)):
        found[sha(f"[{n}.0, {float(pounds)}]")[:32]] = f"{n} people, {pounds} pounds"
    return found


def _few_released(content: bytes) -> bytes:
    listed = json.loads(content)
    row = next(iter(listed["packs"]["2024-25/A"].values()))
    row["numbers"] = sha("[5.0, 4320.0]")[:32]
    return json.dumps(listed).encode()


@reader("files", planted.file("releases.json", _few_released))
def digests_of_the_releases(held: Held) -> Iterator[Found]:
    """A reader who got hold of releases.json, which is the user's alone: numbers of few people, by trying them all.

    Nothing in the product tries digests: the list is of rows of packs that were attacked before.
    """
    for name, content in _files(held, "releases.json"):
        listed = [row for rows in json.loads(content)["packs"].values() for row in rows.values()]
        yield from (Found(name, r["table"], _short()[r["numbers"]]) for r in listed if r["numbers"] in _short())
        yield from (Found(name, r["table"], n) for r in listed for n in r["counts"] if known(n) and 0 < n < 8)


def _points(svg: str) -> Iterator[float]:
    """Yield what the marks of a drawing stand for, by the ticks of its axis of pounds."""
    axis = re.findall(r'<g id="xtick_\d+">.*?<text [^>]*\sx="([\d.]+)"[^>]*>(−?)£([\d,.]+)(k?)</text>', svg, re.DOTALL)
    ticks = {float(x): float(f"{'-' * bool(m)}{v.replace(',', '')}") * (1000 if k else 1) for x, m, v, k in axis}
    if len(ticks) < 2:
        return
    (x0, v0), (x1, v1) = min(ticks.items()), max(ticks.items())
    for x in re.findall(r'<g clip-path="[^"]*">\s*<use [^>]*?\sx="([\d.]+)"', svg):
        yield v0 + (float(x) - x0) * (v1 - v0) / (x1 - x0)


def _drawn_exactly(held: Held) -> Held:
    frame = pd.DataFrame({"setting": ["acute", "gp"], "contacts": [20.0, 30.0], "mean_gbp": [6157.3, 3219.9]})
    frame = frame.assign(
        lower_95=frame["mean_gbp"] - 900, upper_95=frame["mean_gbp"] + 900, reference_gbp=[6000.0, 3000.0]
    )
    return held.but(files={**held.files, **picture(frame.assign(difference_gbp=0.0, reason=""))})


@reader("files", _drawn_exactly)
def coordinates_of_a_drawing(held: Held) -> Iterator[Found]:
    """A reader who measures a drawing: by the ticks of its axis, each mark stands for so many pounds.

    Nothing in the product measures drawings: `present.figure` draws what is disclosed, and takes nothing else.
    """
    for name, content in _files(held, ".svg"):
        for value in _points(content.decode()):
            near = min((abs(abs(value) - v) for v in held.numbers), default=0.0)
            if near > max(abs(value) * 1e-4, 0.02):
                yield Found(name, "marks", value)


NAMES = of_subject("files")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.mark.property
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_found_in_the_files_of_40_honest_samples(name: str, folder: Path) -> None:
    seeds: Iterable[int] = DRAWN if name == "coordinates_of_a_drawing" else WRITTEN
    found = {seed: leaks for seed in seeds if (leaks := list(ATTACKS[name].run(sample_files(seed, folder))))}
    assert not found, next(iter(found.items()))


@pytest.mark.unit
@pytest.mark.parametrize("name", NAMES)
def test_a_planted_leak_of_its_kind_is_found(name: str, folder: Path) -> None:
    out = sample_files(0, folder)
    assert not list(ATTACKS[name].run(out))
    assert list(ATTACKS[name].run(ATTACKS[name].plant(out)))


@pytest.mark.unit
@pytest.mark.parametrize("name", [name for name in NAMES if ATTACKS[name].refused])
def test_a_pack_whose_files_have_the_plant_is_refused(name: str, folder: Path) -> None:
    out = sample_files(0, folder)
    planted.refused(out, "files")
    with pytest.raises(InputError, match="say what its disclosed tables do not"):
        planted.refused(ATTACKS[name].plant(out), "files")


@pytest.mark.unit
def test_a_drawing_has_marks_that_can_be_measured(folder: Path) -> None:
    assert len(list(_points(sample_files(0, folder).files["A/figure.svg"].decode()))) >= 2


@pytest.mark.slow
@pytest.mark.end_to_end
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_found_in_the_files_of_a_pack(name: str, pack_of_three: Path) -> None:
    held = _real(pack_of_three.parent)
    assert not list(ATTACKS[name].run(held))


@functools.cache
def _real(folder: Path) -> Held:
    return real_files(folder)
