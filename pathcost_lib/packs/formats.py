"""The formats a pack comes in: each is one function from a document to bytes, the same bytes for the same document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pathcost_lib.packs.document import Document
from pathcost_lib.packs.pdf import render_pdf
from pathcost_lib.packs.render import render_html
from pathcost_lib.packs.slides import write_slides
from pathcost_lib.packs.workbook import write_workbook

__all__ = ["DEFAULT_FORMATS", "FORMATS", "Format"]


@dataclass(frozen=True)
class Format:
    """A file of the pack, and what writes it."""

    file: str
    write: Callable[[Document], bytes]


FORMATS = {
    "html": Format("board-pack.html", lambda document: render_html(document).encode()),
    "pdf": Format("board-pack.pdf", render_pdf),
    "xlsx": Format("board-pack.xlsx", write_workbook),
    "pptx": Format("board-pack.pptx", write_slides),
}
#: What is made where nobody asks for less or more.
DEFAULT_FORMATS = ("html", "pdf", "xlsx")
