"""One block model, one HTML page: no font, no image from outside the file, and one small script of its own.

The script shows where a number of a table is and what it is, when the number is clicked. The page lets no other run.

The formats a pack comes in: each is one function from a document to bytes, the same bytes for the same document.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

import pathcost_lib
from pathcost_lib.packs.definitions import definition
from pathcost_lib.packs.document import Document, Figure, Prose, Section, Table
from pathcost_lib.packs.paper import paper_of
from pathcost_lib.packs.pdf import render_paper, render_pdf
from pathcost_lib.packs.powerbi import write_powerbi
from pathcost_lib.packs.slides import write_slides
from pathcost_lib.packs.star import write_star
from pathcost_lib.packs.workbook import write_workbook
from pathcost_lib.present import style
from pathcost_lib.present.display import table_html
from pathcost_lib.present.format import LIMIT

#: What the house colours become on a dark page.
_DARK = {
    style.PAPER: "#131b23",
    style.INK: "#e8edf2",
    style.MUTED: "#a9b6c2",
    style.GRID: "#35434f",
    style.SOFT: "#22303c",
    style.FOCUS: "#7cbcff",
    style.MORE: "#ff9d5c",
    style.LESS: "#4fc7b8",
    style.CATEGORIES[0][0]: "#a8d8f8",
    style.CATEGORIES[1][0]: "#5aa9df",
    style.CATEGORIES[2][0]: "#2b5f86",
    style.CATEGORIES[4][0]: "#4a5763",
}


def render_html(document: Document) -> str:
    """Return the pack as one HTML page; the same document gives the same text."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    templates = files("pathcost_lib.packs") / "templates"
    environment.filters |= {"whole": _whole, "drawn": _data_uri}
    page = environment.from_string((templates / "pack.html.j2").read_text(encoding="utf-8"))
    script = (templates / "explain.js").read_text(encoding="utf-8")
    numbers = {"figure": 0, "table": 0}
    return page.render(
        document=document,
        paper=paper_of(document) if document.findings else None,
        script=Markup(script),
        allowed=f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
        css=Markup((templates / "pack.css").read_text(encoding="utf-8")),
        sections=[_section(s, n, numbers) for n, s in enumerate(document.chapters, start=1)],
        log=Markup(table_html(document.suppression, "suppression")),
        rule=" ".join(document.rules),
        version=pathcost_lib.__version__,
        notebooks=", ".join(s.source for s in document.sections),
    )


def _whole(text: str) -> Markup:
    """Return text as HTML in which a sum with a sign before it is not broken after the sign."""
    return Markup(re.sub(r"[+\u2212]£[\d,.]*\d\w*", r'<span class="whole">\g<0></span>', str(escape(text))))


def _section(section: Section, position: int, numbers: dict[str, int]) -> dict[str, Any]:
    identifier = f"part-{position}"
    headings: list[dict[str, str]] = []
    parts: list[dict[str, Any]] = []
    for block in section.blocks:
        if isinstance(block, Prose):
            parts.append({"kind": "prose", "html": Markup(_prose(block.markdown, identifier, headings))})
        elif isinstance(block, Figure):
            numbers["figure"] += 1
            parts.append(_figure(block, numbers["figure"]))
        elif isinstance(block, Table):
            numbers["table"] += 1
            name = f"table-{numbers['table']}"
            numbered = {**block.payload, "title": f"Table {numbers['table']}. {block.title}"}
            if block.payload["sheet_only"]:
                parts.append({"kind": "sheet", "title": numbered["title"]})
                continue
            html = Markup(table_html(numbered, name, address=block.address))
            part = {"kind": "table", "id": name, "html": html, "note": block.payload["note"]}
            parts.append({**part, "address": block.address, "columns": _columns(block)})
    return {"id": identifier, "title": section.title, "headings": headings, "parts": parts}


def _columns(block: Table) -> list[dict[str, str]]:
    """Return what each number column of a table is, for the page's list: limits are those of the number before."""
    columns = block.payload["columns"]
    return [
        {"key": c["key"], "heading": c["heading"], "is": definition(block.address, columns, n)}
        for n, c in enumerate(columns)
        if c["number"] and not LIMIT.search(c["key"])
    ]


def _figure(block: Figure, number: int) -> dict[str, Any]:
    return {
        "address": block.address,
        "kind": "figure",
        "id": f"figure-{number}",
        "number": number,
        "title": block.title,
        "alt": block.alt,
        "note": block.note,
        "wide": _data_uri(block.wide),
        "narrow": _data_uri(block.narrow),
    }


def _data_uri(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(_themed(svg).encode()).decode()


def _themed(svg: str) -> str:
    """Give the house colours names, so that one image serves light and dark."""
    svg = re.sub(r'(fill|stroke)="(#[0-9a-f]{6})"', r'style="\1: \2"', svg)
    light, dark = [], []
    for number, (color, other) in enumerate(_DARK.items()):
        if color in svg:
            svg = svg.replace(color, f"var(--c{number})")
            light.append(f"--c{number}:{color}")
            dark.append(f"--c{number}:{other}")
    sheet = f":root{{{';'.join(light)}}}@media (prefers-color-scheme:dark){{:root{{{';'.join(dark)}}}}}"
    return re.sub(r"(<svg[^>]*>)", lambda m: f"{m[1]}<style>{sheet}</style>", svg, count=1)


def _prose(markdown: str, identifier: str, headings: list[dict[str, str]]) -> str:
    """Return markdown as HTML, one level down (the section's title is level two); raw HTML and links stay text."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "image", "autolink"])
    tokens = reader.parse(markdown)
    for token, inner in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type not in ("heading_open", "heading_close"):
            continue
        level = min(int(token.tag[1]) + 1, 6)
        token.tag = f"h{level}"
        if token.type == "heading_open" and inner is not None:
            name = f"{identifier}-{len(headings) + 1}"
            token.attrSet("id", name)
            headings.append({"id": name, "text": inner.content})
    return str(reader.renderer.render(tokens, reader.options, {}))


@dataclass(frozen=True)
class Format:
    """A file of the pack, and what writes it."""

    file: str
    write: Callable[[Document], bytes]


FORMATS = {
    "html": Format("board-pack.html", lambda document: render_html(document).encode()),
    "paper": Format("board-paper.pdf", render_paper),
    "pdf": Format("board-pack.pdf", render_pdf),
    "xlsx": Format("board-pack.xlsx", write_workbook),
    "pptx": Format("board-pack.pptx", write_slides),
    "parquet": Format("board-data.zip", write_star),
    "powerbi": Format("board-powerbi.zip", write_powerbi),
}
#: What is made where nobody asks for less or more.
DEFAULT_FORMATS = ("html", "paper", "pdf", "xlsx", "pptx")
