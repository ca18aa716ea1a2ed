"""The files of a finished pack, before it is put in place: they say nothing that its disclosed tables do not.

Pages, sheets, charts, slides and manifest are made from those tables, so this looks for what should not be possible:

- pounds in words, or a number kept as data (a cell, a chart's copy, an attribute), that is more exact than three
  figures and stands in no table;
- few people in words;
- what a cell of a notebook shows otherwise than through `present`;
- what is there and not seen: comments, hidden elements, sheets, rows and names, kept pivots, properties;
- folders of the machine, in any file;
- a number of the data for other tools (Parquet, CSV, Power BI) that stands in no table.

Not read: where the marks of a drawing stand (a figure is drawn from a disclosed table, `present.figure` takes no
other), and what digests are of (files that whoever has them knows).
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow.parquet as pq
import pypdfium2

from pathcost_lib.errors import InputError
from pathcost_lib.packs.attack_rows import is_number
from pathcost_lib.packs.attack_tables import few_in_words

__all__ = ["file_leaks", "refuse_files"]

#: Kinds of output that come through `present`.
OURS = "application/vnd.pathcost."
_FOLDER = re.compile(r"(?:/home/|/Users/|/tmp/|/root/|[A-Z]:\\{1,2}Users\\)[\w./\\-]+|\"papermill\": *\{")
_POUNDS = re.compile(r"£(\d[\d,]*(?:\.\d+)?)")
_TAG = re.compile(r"<[^<>]*>")
_ALT = re.compile(r'\b(?:alt|aria-label|title|desc)="([^"]*)"')
#: What a page keeps and does not show: comments, hidden elements.
_UNSEEN = re.compile(r"<!--(?!\[).*?-->|<[a-z]+[^<>]*\shidden[\s>=][^<>]*|<input[^<>]*hidden[^<>]*", re.DOTALL)
_DATA = re.compile(r'\bdata-[\w-]+="(-?\d+(?:\.\d+)?)"')
#: Numbers in the parts of Office files: cells, and the copies that charts keep.
_KEPT = re.compile(r"<(?:c:)?v>(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)</(?:c:)?v>")
_HIDDEN = re.compile(r'state="(?:veryHidden|hidden)"|<(?:row|col)\b[^<>]*\shidden="1"')
_NAME = re.compile(r'<definedName name="(?!_xlnm\.)')
_MADE_BY = re.compile(r"<(?:dc:creator|cp:lastModifiedBy|cp:manager|vt:lpwstr)>(?!pathcost<)[^<]+<")
_PARTS = re.compile(r"/comments|threadedComment|pivotCache|externalLink|connections\.xml|customXml")
#: Columns of the star's fact that hold numbers of tables.
_MEASURED = ("value", "lower", "upper", "n")
#: A mean of people leaves with three figures; beyond these a number is looked for in the tables.
_FIGURES_SAID, _FIGURES_KEPT = 5, 6


def refuse_files(
    files: Mapping[str, bytes], notebooks: Mapping[str, Sequence[Mapping[str, Any]]], prose: Sequence[str] = ()
) -> None:
    """Refuse a pack whose files say what its disclosed tables do not.

    Raises
    ------
    InputError
        With files and what is wrong; never a value.
    """
    if leaks := list(dict.fromkeys(f"{name}: {how}" for name, how in file_leaks(files, notebooks, prose))):
        raise InputError(f"The files of this pack say what its disclosed tables do not: {'; '.join(leaks[:5])}.")


def file_leaks(
    files: Mapping[str, bytes], notebooks: Mapping[str, Sequence[Mapping[str, Any]]], prose: Sequence[str] = ()
) -> Iterator[tuple[str, str]]:
    """Yield what the files of a pack say that its tables do not: the file, and what.

    Parameters
    ----------
    files : mapping of str to bytes
        By name.
    notebooks : mapping of str to sequence of mapping
        Payloads of all tables and figures behind messages, by notebook.
    prose : sequence of str
        The texts between, which stand in the notebooks and come from no data: their pounds may be said again.
    """
    rows = (row for payloads in notebooks.values() for payload in payloads for row in payload["rows"])
    numbers = {_plain(v) for row in rows for v in row if is_number(v)}
    numbers |= {_plain(float(amount.replace(",", ""))) for text in prose for amount in _POUNDS.findall(text)}
    for name, content in files.items():
        if name.endswith((".xlsx", ".pptx")):
            leaks = _office(content, numbers)
        elif name.endswith(".pdf"):
            leaks = _paper(content, numbers)
        elif name.endswith(".zip"):
            leaks = _data(content, numbers)
        elif name.endswith((".html", ".txt")):
            leaks = _page(content.decode("utf-8", "replace"), numbers)
        elif name.endswith(".ipynb"):
            leaks = _notebook(content)
        elif name.endswith("manifest.json"):
            leaks = _manifest(content, numbers)
        else:
            leaks = iter(())
        yield from ((name, how) for how in leaks)
        if name.endswith((".html", ".json", ".ipynb", ".svg")) and _FOLDER.search(content.decode("utf-8", "replace")):
            yield name, "it names a folder of a machine"


def _plain(number: float) -> float:
    return float(f"{abs(number):.9g}")


def _figures(number: float) -> int:
    return len(f"{abs(number):.9g}".split("e")[0].replace(".", "").strip("0"))


def _pounds(text: str, numbers: set[float]) -> Iterator[str]:
    for amount in _POUNDS.findall(text):
        value = float(amount.replace(",", ""))
        if _figures(value) >= _FIGURES_SAID and _plain(value) not in numbers:
            yield "pounds in words that no table shows"


def _words(text: str, numbers: set[float]) -> Iterator[str]:
    yield from _pounds(text, numbers)
    # Prose says "no one patient" of none in particular; a figure is of some.
    if any(amount[0].isdigit() for amount in few_in_words(text)):
        yield "it tells of one to seven people"


def _numbers(texts: Sequence[str], numbers: set[float], figures: int) -> Iterator[str]:
    if any(_figures(float(n)) >= figures and _plain(float(n)) not in numbers for n in texts):
        yield "a number is kept that no table shows"


def _page(text: str, numbers: set[float]) -> Iterator[str]:
    yield from _words(html.unescape(_TAG.sub(" ", text)), numbers)
    yield from _words(html.unescape(" ".join(_ALT.findall(text))), numbers)
    yield from _numbers(_DATA.findall(text), numbers, 1)
    if any(re.search(r"\d", part) for part in _UNSEEN.findall(text)):
        yield "numbers are there and not seen"


def _notebook(content: bytes) -> Iterator[str]:
    outputs = (output for cell in json.loads(content)["cells"] for output in cell.get("outputs", []))
    if any(not any(kind.startswith(OURS) for kind in output.get("data", {})) for output in outputs):
        yield "a cell shows what has passed no disclosure control"


def _paper(content: bytes, numbers: set[float]) -> Iterator[str]:
    with pypdfium2.PdfDocument(content) as pages:
        text = " ".join(" ".join(page.get_textpage().get_text_bounded().split()) for page in pages)
        author = pages.get_metadata_value("Author")
    yield from _pounds(text, numbers)  # few people in words are looked for in the page: here numbers of headings run on
    if author not in ("", "pathcost"):
        yield "its properties say who made it"
    if content.rsplit(b"%%EOF", 1)[-1].strip():
        yield "it goes on after its end"


def _office(content: bytes, numbers: set[float]) -> Iterator[str]:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    for part, raw in parts.items():
        if part.endswith(".xlsx"):
            yield from _office(raw, numbers)
        if _PARTS.search(part):
            yield "comments or kept data"
        if part.endswith((".xml", ".rels", ".vml")):
            text = raw.decode("utf-8", "replace")
            yield from _words(html.unescape(_TAG.sub(" ", text)), numbers)
            yield from _numbers(_KEPT.findall(text), numbers, _FIGURES_KEPT)
            if _HIDDEN.search(text) or _NAME.search(text):
                yield "hidden sheets, rows or names"
            if part.startswith("docProps/") and _MADE_BY.search(text):
                yield "its properties say who made it"
            if _FOLDER.search(text):
                yield "it names a folder of a machine"


def _data(content: bytes, numbers: set[float]) -> Iterator[str]:
    """Read the files of the star: each number of the fact stands in a table, however few figures it has."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    for part, raw in parts.items():
        text = ""
        if part.endswith(".parquet"):
            table = pq.read_table(io.BytesIO(raw))
            rows = [{key: "" if v is None else str(v) for key, v in row.items()} for row in table.to_pylist()]
            text = "\n".join(" ".join(row.values()) for row in rows)
            if set(table.schema.metadata or {}) - {b"ARROW:schema"}:
                yield "data are kept beside its rows"
        else:
            text = raw.decode("utf-8-sig", "replace")
            rows = [*csv.DictReader(io.StringIO(text))] if part.endswith(".csv") else []
        yield from _words(text, numbers)
        if _FOLDER.search(text):
            yield "it names a folder of a machine"
        if "fact_measure." in part:
            yield from _numbers([row[key] for row in rows for key in _MEASURED if row.get(key)], numbers, 1)
            if any(row["status"] != "shown" and row["value"] for row in rows):
                yield "a number is kept that is not shown"


def _manifest(content: bytes, numbers: set[float]) -> Iterator[str]:
    figures = json.loads(content).get("figures", [])
    if any(is_number(v) and _plain(v) not in numbers for figure in figures for v in figure.values()):
        yield "a headline figure that no table shows"
