"""The pack as a PDF: A4, tagged to PDF/UA-1, with bookmarks, and the same bytes for the same document.

The template reads the document as JSON, so that no text of a user's is ever read as markup. The face is the one that
matplotlib brings and lays figures out in, so that nothing depends on what the computer has.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import matplotlib
import typst
from markdown_it import MarkdownIt

import pathcost_lib
from pathcost_lib.packs.document import Document, Figure, Prose, Table
from pathcost_lib.packs.paper import content as paper_content
from pathcost_lib.present.display import page_table

__all__ = ["render_paper", "render_pdf"]

_STYLES = {"strong_open": "strong", "em_open": "emph"}


def render_pdf(document: Document) -> bytes:
    """Return the whole pack as a PDF: the technical annex, where there is a board paper beside it."""
    content = {
        "title": document.annex_title,
        "organisation": document.organisation,
        "kind": document.annex,
        "year": document.year,
        "about": document.about,
        "banner": document.banner,
        "restricted": document.restricted,
        "decisions": document.decisions,
        "messages": [m.text for m in document.messages],
        "chapters": [
            {"title": chapter.title, "blocks": [part for b in chapter.blocks for part in _parts(b)]}
            for chapter in document.chapters
        ],
        "facts": document.facts,
        "log": _table(document.suppression),
        "rules": document.rules,
    }
    return _compiled("pack.typ", content, document)


def render_paper(document: Document) -> bytes:
    """Return the board paper as a PDF of at most `paper.MOST_PAGES` pages."""
    return _compiled("paper.typ", paper_content(document), document)


def _compiled(name: str, content: dict[str, Any], document: Document) -> bytes:
    content |= {"keywords": [document.identity] if document.identity else [], "version": pathcost_lib.__version__}
    template = (files("pathcost_lib.packs") / "templates" / name).read_bytes()
    return typst.compile(
        template, format="pdf", font_paths=_fonts(), pdf_standards="ua-1", sys_inputs={"content": json.dumps(content)}
    )


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts(include_system_fonts=False, font_paths=[Path(matplotlib.get_data_path()) / "fonts" / "ttf"])


def _parts(block: object) -> list[dict[str, Any]]:
    if isinstance(block, Prose):
        return _prose(block.markdown)
    if isinstance(block, Figure):
        fields = {"title": block.title, "alt": block.alt, "note": _note(block.note, block), "svg": block.wide}
        return [{"kind": "figure", **fields}]
    if isinstance(block, Table):
        if block.payload["sheet_only"]:
            return [{"kind": "sheet", "title": block.title}]
        table = _table(block.payload)
        return [{"kind": "table", **table, "note": _note(table["note"], block)}]
    return []


def _note(note: str, block: Table | Figure) -> str:
    """Return a note with the address at its end, by which `pathcost explain` knows the table or figure."""
    return f"{note} Address: {block.address}.".strip()


def _table(payload: Any) -> dict[str, Any]:
    page = page_table(payload)
    heads = [f"{text} ({unit})" if unit else text for text, unit, _ in page.columns]
    numbers = [number for *_, number in page.columns]
    return {
        "title": payload["title"],
        "note": payload["note"],
        "heads": heads,
        "numbers": numbers,
        "rows": page.rows,
    }


def _prose(markdown: str) -> list[dict[str, Any]]:
    """Return markdown as headings, paragraphs and list items, each a list of runs of text with their style."""
    parts: list[dict[str, Any]] = []
    kind, level = "paragraph", 0
    for token in MarkdownIt("commonmark", {"html": False}).disable(["link", "image", "autolink"]).parse(markdown):
        if token.type == "heading_open":
            kind, level = "heading", int(token.tag[1])
        elif token.type in ("list_item_open", "list_item_close"):
            kind = "item" if token.type.endswith("open") else "paragraph"
        elif token.type == "inline":
            parts.append({"kind": kind, "level": level, "runs": _runs(token.children or [])})
            kind = "paragraph" if kind == "heading" else kind
        elif token.type in ("fence", "code_block"):
            parts.append({"kind": "paragraph", "level": 0, "runs": [{"style": "raw", "text": token.content}]})
    return parts


def _runs(tokens: list[Any]) -> list[dict[str, str]]:
    runs, style = [], ""
    for token in tokens:
        if token.type in _STYLES:
            style = _STYLES[token.type]
        elif token.type.endswith("_close"):
            style = ""
        elif token.type in ("softbreak", "hardbreak"):
            runs.append({"style": "", "text": " "})
        else:
            runs.append({"style": "raw" if token.type == "code_inline" else style, "text": token.content})
    return runs
