"""What a pack is made of, whatever its format: sections of prose, messages, figures and tables, read from notebooks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nbformat

from pathcost_lib.errors import InputError
from pathcost_lib.packs.audit import refuse_leaks
from pathcost_lib.present.display import FIGURE, MESSAGE, TABLE, TALLY
from pathcost_lib.present.naming import Named

__all__ = ["Block", "Figure", "Message", "Prose", "Section", "Table", "read_section"]

_TITLE = re.compile(r"^# +(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Prose:
    """Markdown: a heading or a paragraph."""

    markdown: str


@dataclass(frozen=True)
class Message:
    """One line for the cover, what it asks to be decided, the figures behind it, and the same as a table's payload."""

    text: str
    decision: str = ""
    figures: tuple[Mapping[str, Any], ...] = ()
    behind: Mapping[str, Any] = field(default_factory=dict)
    #: Organisations that it names, with the grounds.
    named: tuple[Named, ...] = ()


@dataclass(frozen=True)
class Figure:
    """A figure in two widths, with what it says and how its data were disclosed."""

    name: str
    title: str
    alt: str
    note: str
    wide: str
    narrow: str
    log: Mapping[str, Any] = field(default_factory=dict)
    #: The same as a picture (PNG, in base64), for a figure that slides show.
    picture: str = ""


@dataclass(frozen=True)
class Table:
    """A disclosed table: `payload` is what `present.display.table_bundle` made."""

    payload: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Short name: the sheet."""
        return str(self.payload["name"])

    @property
    def title(self) -> str:
        """Caption."""
        return str(self.payload["title"])


Block = Prose | Message | Figure | Table


@dataclass(frozen=True)
class Section:
    """What one notebook adds to the pack."""

    source: str
    title: str
    blocks: tuple[Block, ...]
    #: Where in a pack each block belongs, if not in the notebook's own place (`document.PARTS`).
    places: tuple[str, ...] = ()

    @property
    def messages(self) -> list[Message]:
        """Lines for the cover."""
        return [b for b in self.blocks if isinstance(b, Message)]

    @property
    def tables(self) -> list[Table]:
        """Tables in order."""
        return [b for b in self.blocks if isinstance(b, Table)]

    @property
    def figures(self) -> list[Figure]:
        """Figures in order."""
        return [b for b in self.blocks if isinstance(b, Figure)]

    @property
    def shown(self) -> list[Mapping[str, Any]]:
        """Payloads of all numbers that it shows: tables, and figures behind messages."""
        return [*(m.behind for m in self.messages if m.behind), *(t.payload for t in self.tables)]


def read_section(path: Path) -> Section:
    """Read the cells tagged `pack` of an executed notebook.

    Raises
    ------
    InputError
        If the notebook has no title, shows something that has not come through `present` (so has not passed
        disclosure control), has fewer figures or tables than it said it would, or shows enough to work out what is
        suppressed.
    """
    notebook = nbformat.read(path, as_version=4)
    blocks: list[Block] = []
    places: list[str] = []
    title, tally = "", {"figures": 0, "tables": 0}
    for number, cell in enumerate(notebook.cells, start=1):
        outputs = [o.get("data", {}) for o in cell.get("outputs", [])]
        tally = next((dict(o[TALLY]) for o in outputs if TALLY in o), tally)
        tags = cell.get("metadata", {}).get("tags", [])
        if "pack" not in tags:
            continue
        before = len(blocks)
        if cell.cell_type == "markdown":
            heading = _TITLE.search(cell.source)
            title = title or (heading[1].strip() if heading else "")
            text = _TITLE.sub("", cell.source, count=1 if heading else 0).strip()
            blocks += [Prose(text)] if text else []
        else:
            blocks += [_block(o, f"{path.name}, cell {number}") for o in cell.outputs if TALLY not in o.get("data", {})]
        place = next((tag.removeprefix("part-") for tag in tags if tag.startswith("part-")), "")
        places += [place] * (len(blocks) - before)
    section = Section(path.stem, title, tuple(blocks), tuple(places))
    if not title:
        raise InputError(f"{path.name}: no cell tagged `pack` holds a title (a line that begins with one #).")
    if tally.pop("left_out", False):  # its message says why; prose about what is not there would say nothing
        kept = [n for n, block in enumerate(section.blocks) if isinstance(block, Message)]
        section = replace(section, blocks=tuple(blocks[n] for n in kept), places=tuple(places[n] for n in kept))
    found = {"figures": len(section.figures), "tables": len(section.tables)}
    if found != tally:
        raise InputError(f"{path.name}: meant to show {tally}, but the cells tagged `pack` hold {found}.")
    refuse_leaks(path.name, [table.payload for table in section.tables])
    return section


def _block(output: Any, where: str) -> Block:
    data = output.get("data", {})
    if MESSAGE in data:
        said = data[MESSAGE]
        figures, behind = tuple(said.get("figures", ())), said.get("behind", {})
        named = tuple(Named.read(one) for one in said.get("named", ()))
        return Message(said["text"], said.get("decision", ""), figures, behind, named)
    if TABLE in data:
        return Table(data[TABLE])
    if FIGURE in data:
        payload, wide = data[FIGURE], data.get("image/svg+xml", "")
        if not wide or not payload["narrow"] or not payload["alt"].strip():
            raise InputError(f"{where}: figure {payload['name']!r} is empty or has no alternative text.")
        words = {key: str(payload[key]) for key in ("name", "title", "alt", "note", "narrow")}
        return Figure(wide="".join(wide), log=payload.get("log", {}), picture=payload.get("picture", ""), **words)
    raise InputError(
        f"{where}: a cell tagged `pack` shows something that has not come through `present.table`, `present.figure` or "
        "`present.message`, so it has not passed disclosure control."
    )
