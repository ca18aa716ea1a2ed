"""One pack as every format sees it: whose it is, what its notebooks say, how it was made, what was suppressed.

What a pack is made of, whatever its format: sections of prose, messages, figures and tables, read from notebooks.

What was suppressed, table by table, in words that an accountant can follow; never what stood there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat

from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.packs.audit import refuse_leaks
from pathcost_lib.packs.backing import unbacked
from pathcost_lib.present.address import figure_address, table_address
from pathcost_lib.present.disclosure import RULES
from pathcost_lib.present.display import FIGURE, MESSAGE, TABLE, TALLY
from pathcost_lib.present.findings import FINDING, QUESTIONS
from pathcost_lib.present.findings import Finding as FindingWords
from pathcost_lib.present.format import count
from pathcost_lib.present.naming import Named, for_cover

#: The parts of a pack in order, with the title of what is moved there from elsewhere.
PARTS = {
    "coverage": "What the data hold",
    "position": "Position by setting and organisation",
    "pathway": "What the pathway costs",
    "variation": "Variation and outliers",
    "opportunity": "Opportunity",
    "outlook": "Demand and the gap if nothing changes",
    "system": "Who saves, who bears",
    "value": "Cost and outcome",
    "productivity": "What care gives for its cost",
    "method": "Method and reconciliation",
}


@dataclass(frozen=True)
class Document:
    """A pack before it has a format.

    Attributes
    ----------
    organisation, icb : str
        Name and ODS code.
    year : str
        Financial year, such as "2024-25".
    about : str
        What is costed, in a sentence or two.
    sections : tuple of Section
        One a notebook, in order.
    facts : tuple of (str, str)
        How the pack was made, as label and value, for the part on method: nothing that differs from run to run.
    kind : str
        What it is called.
    banner : str
        What must be read on every page, such as that the data are invented; none if empty.
    warning : str
        What a reader must know before any number is set against another, for the cover; none if empty.
    others : frozenset of str
        Names of all other organisations: a message names one only where it is sure (`present.naming`).
    restricted : str
        Why it is not for publication, as every page says; empty for a pack that may be published.
    identity : str
        Digest of what it is made from, as its manifest has it (`proof.identity`); empty where there is no manifest.
    """

    organisation: str
    icb: str
    year: str
    about: str
    sections: tuple[Section, ...]
    facts: tuple[tuple[str, str], ...] = ()
    kind: str = "Board pack"
    banner: str = ""
    warning: str = ""
    others: frozenset[str] = frozenset()
    restricted: str = ""
    identity: str = ""

    @property
    def title(self) -> str:
        """What a reader's window is called."""
        text = f"{self.organisation}: {self.kind.lower()} {self.year}"
        return f"{text} ({self.banner[0].lower()}{self.banner[1:]})" if self.banner else text

    @property
    def annex(self) -> str:
        """What the document of all figures and tables is called: a board that has a paper must not take it for that."""
        return "Technical annex" if self.findings else self.kind

    @property
    def annex_title(self) -> str:
        """What a reader's window is called that shows the annex."""
        return replace(self, kind=self.annex).title

    @cached_property
    def findings(self) -> list[Finding]:
        """The findings of the board paper, one for each question that a notebook answers, in the order of the paper."""
        blocks = {b.words.question: b for s in reversed(self.chapters) for b in s.blocks if isinstance(b, Finding)}
        return [blocks[question] for question in QUESTIONS if question in blocks]

    @cached_property
    def numbered(self) -> list[Figure]:
        """Every figure in order: the first is Figure 1."""
        return [figure for chapter in self.chapters for figure in chapter.figures]

    def figure_of(self, finding: Finding) -> tuple[int, Figure] | None:
        """Return the figure that a finding shows, with its number in the annex; none for a finding without one."""
        own = {id(figure) for s in self.sections if s.source == finding.source for figure in s.figures}
        numbers = enumerate(self.numbered, start=1)
        return next(((n, f) for n, f in numbers if id(f) in own and f.name == finding.words.figure), None)

    def table_of(self, finding: Finding) -> Table | None:
        """Return the table whose chart slides draw for a finding."""
        own = (table for s in self.sections if s.source == finding.source for table in s.tables)
        return next((table for table in own if table.name == finding.words.chart), None)

    @property
    def messages(self) -> list[Message]:
        """Lines of the cover, each once: the banner of coverage is in every notebook."""
        first = [Message(self.warning)] if self.warning else []
        return list({m.text: m for m in [*first, *(m for s in self.chapters for m in s.messages)]}.values())

    @property
    def decisions(self) -> list[str]:
        """What the board is asked to decide or note."""
        return [m.decision for m in self.messages if m.decision]

    @property
    def rules(self) -> list[str]:
        """The disclosure rules that its tables went by, in words."""
        return [RULES[name].text for name in sorted({t.payload["rule"] for t in self.tables} - {""})]

    @property
    def tables(self) -> list[Table]:
        """Every table, in order."""
        return [t for s in self.chapters for t in s.tables]

    @cached_property
    def chapters(self) -> list[Section]:
        """The sections in the order of `PARTS`, with blocks that belong elsewhere moved there.

        A notebook's title cell says where the notebook belongs, by a tag such as `part-variation`; another cell that
        bears such a tag is moved. What bears none stays where its notebook is, before the part on method.
        """
        order = [*(part for part in PARTS if part != "method"), "", "method"]
        parts: dict[tuple[int, int], tuple[str, list[Block]]] = {}
        for number, section in enumerate(self.sections):
            places = section.places or ("",) * len(section.blocks)
            own = next(iter(places), "")
            for block, place in zip(section.blocks, places, strict=True):
                chosen = place or own
                where = order.index(require_one_of(chosen, order, what=f"Part of the pack in {section.source}"))
                key = (where, number if chosen == own else len(self.sections))
                title = section.title if chosen == own else PARTS[chosen]
                parts.setdefault(key, (title, []))[1].append(self._as_named(block))
        sources = ", ".join(s.source for s in self.sections)
        return [Section(sources, title, tuple(blocks)) for _, (title, blocks) in sorted(parts.items())]

    def _as_named(self, block: Block) -> Block:
        """Return a message without what it says of organisations on grounds too thin for a cover."""
        if isinstance(block, Finding):
            return block.as_named(self.others)
        if not isinstance(block, Message):
            return block
        sentence, asked = (for_cover(text, block.named, self.others) for text in (block.text, block.decision))
        return replace(block, text=sentence, decision=asked)

    @cached_property
    def suppression(self) -> dict[str, Any]:
        """How many rows of each table were suppressed and why, as a table payload; never what stood there."""
        return suppression_log(self.chapters)


@dataclass(frozen=True)
class PackSummary:
    """One line of the page over all packs.

    Attributes
    ----------
    icb, organisation : str
        ODS code and name.
    href : str
        Where its pack is, relative to the page ("QHL/board-pack.html"); empty where there is none.
    figures : tuple of mapping
        Headline figures as `present.message` carried them: column, heading, unit, value, and limits where it has them.
    failures : tuple of str
        Why it could not be built, if so; `href` may then still lead to an earlier pack.
    banner : str
        The pack's own (`Document.banner`).
    """

    icb: str
    organisation: str
    href: str = ""
    figures: tuple[dict[str, Any], ...] = ()
    failures: tuple[str, ...] = ()
    banner: str = ""


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
    #: What is not known, in sentences for the paper's cover.
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """A finding of a notebook for the board paper, and the figures behind it as a table's payload."""

    words: FindingWords
    source: str = ""
    behind: Mapping[str, Any] = field(default_factory=dict)
    named: tuple[Named, ...] = ()

    def as_named(self, others: frozenset[str]) -> Finding:
        """Return it as a paper may have it: it names no organisation on grounds too thin for a cover.

        A line loses the clause; a title cannot, and is refused.
        """
        title = for_cover(self.words.title, self.named, others)
        if title != " ".join(self.words.title.split()):
            raise InputError(f"The finding {self.words.question!r} names an organisation in its title without grounds.")
        lines = tuple(for_cover(line, self.named, others) for line in self.words.lines)
        return replace(self, words=replace(self.words, lines=lines))


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
    #: Name of its notebook.
    source: str = ""

    @property
    def address(self) -> str:
        """Where it is: `02/figure/waterfall`."""
        return figure_address(self.source, self.name)


@dataclass(frozen=True)
class Table:
    """A disclosed table: `payload` is what `present.display.table_bundle` made."""

    payload: Mapping[str, Any]
    #: Name of its notebook.
    source: str = ""

    @property
    def name(self) -> str:
        """Short name: the sheet."""
        return str(self.payload["name"])

    @property
    def address(self) -> str:
        """Where it is: `02/by_phase`."""
        return table_address(self.source, self.name)

    @property
    def title(self) -> str:
        """Caption."""
        return str(self.payload["title"])


Block = Prose | Message | Finding | Figure | Table


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
    def shown(self) -> list[Table | Figure]:
        """Tables and figures: what has an address."""
        return [*self.tables, *self.figures]

    @property
    def payloads(self) -> list[Mapping[str, Any]]:
        """Payloads of all numbers that it shows: tables, and figures behind messages and findings."""
        behind = (b.behind for b in self.blocks if isinstance(b, Message | Finding) and b.behind)
        return [*behind, *(t.payload for t in self.tables)]


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
            blocks += [
                _block(o, f"{path.name}, cell {number}", path.stem)
                for o in cell.outputs
                if TALLY not in o.get("data", {})
            ]
        place = next((tag.removeprefix("part-") for tag in tags if tag.startswith("part-")), "")
        places += [place] * (len(blocks) - before)
    section = Section(path.stem, title, tuple(blocks), tuple(places))
    if not title:
        raise InputError(f"{path.name}: no cell tagged `pack` holds a title (a line that begins with one #).")
    if tally.pop("left_out", False):  # its message says why; prose about what is not there would say nothing
        kept = [n for n, block in enumerate(section.blocks) if isinstance(block, Message | Finding)]
        section = replace(section, blocks=tuple(blocks[n] for n in kept), places=tuple(places[n] for n in kept))
    numbers = {"figures": len(section.figures), "tables": len(section.tables)}
    if numbers != tally:
        raise InputError(f"{path.name}: meant to show {tally}, but the cells tagged `pack` hold {numbers}.")
    refuse_leaks(path.name, [table.payload for table in section.tables])
    for block in section.blocks:
        if isinstance(block, Finding):
            _refuse_unbacked(block, section, path.name)
    return section


def _refuse_unbacked(finding: Finding, section: Section, where: str) -> None:
    """Refuse a finding with a number that no table of its notebook shows, or with a figure that is not there."""
    words = finding.words
    if words.figure and words.figure not in {figure.name for figure in section.figures}:
        raise InputError(
            f"{where}: the finding {words.question!r} shows {words.figure!r}, and there is no such figure."
        )
    if numbers := unbacked(words.texts, section.payloads):
        raise InputError(
            f"{where}: the finding {words.question!r} states {len(numbers)} numbers that no table of it shows."
        )


def _block(output: Any, where: str, source: str) -> Block:
    data = output.get("data", {})
    if FINDING in data:
        stated = data[FINDING]
        named = tuple(Named.read(one) for one in stated["named"])
        return Finding(FindingWords.read(stated), source, stated["behind"], named)
    if MESSAGE in data:
        message = data[MESSAGE]
        figures, behind = tuple(message.get("figures", ())), message.get("behind", {})
        named = tuple(Named.read(one) for one in message.get("named", ()))
        return Message(
            message["text"], message.get("decision", ""), figures, behind, named, tuple(message.get("unknown", ()))
        )
    if TABLE in data:
        return Table(data[TABLE], source)
    if FIGURE in data:
        payload, wide = data[FIGURE], data.get("image/svg+xml", "")
        if not wide or not payload["narrow"] or not payload["alt"].strip():
            raise InputError(f"{where}: figure {payload['name']!r} is empty or has no alternative text.")
        words = {key: str(payload[key]) for key in ("name", "title", "alt", "note", "narrow")}
        log, picture = payload.get("log", {}), payload.get("picture", "")
        return Figure(wide="".join(wide), log=log, picture=picture, source=source, **words)
    raise InputError(
        f"{where}: a cell tagged `pack` shows something that has not come through `present.table`, `present.figure`, "
        "`present.message` or `present.finding`, so it has not passed disclosure control."
    )


_WORDS = {"unit": "", "number": False, "excel": "General", "kind": ""}
_ROWS = {"unit": "rows", "number": True, "excel": "#,##0", "kind": "cells"}
_COLUMNS = [
    {"key": "table", "heading": "Table or figure", **_WORDS},
    {"key": "rule", "heading": "Rule", **_WORDS},
    {"key": "rows", "heading": "Rows", **_ROWS},
    {"key": "primary", "heading": "Suppressed: small", **_ROWS},
    {"key": "secondary", "heading": "Suppressed: to protect those", **_ROWS},
    {"key": "why", "heading": "Why", **_WORDS},
]
#: Why a table that was disclosed without a count has nothing to suppress.
_OPEN = "No count of people or contacts: prices, organisations, assumptions, populations, or totals of a whole area."


def suppression_log(chapters: Sequence[Section]) -> dict[str, Any]:
    """Return every table, and every figure in which something is suppressed, as a table payload with a sum.

    Parameters
    ----------
    chapters : sequence of Section
        The pack, in order.
    """
    rows = []
    for block in (block for chapter in chapters for block in chapter.blocks):
        if isinstance(block, Table):
            rows.append(_row(block.title, {**block.payload, "rows": len(block.payload["rows"])}))
        elif isinstance(block, Figure) and block.log and block.log["primary"] + block.log["secondary"]:
            rows.append(_row(f"Figure: {block.title}", block.log))
    sums = [sum(row[n] for row in rows) for n in (2, 3, 4)]
    rows.append(["All together", "", *sums, "The same row counts once for each table and figure that it is in."])
    note = "A suppressed row is shown as * in each number of it, in all formats. What stood there is in no file here."
    return {"name": "suppression", "title": "What was suppressed", "note": note, "columns": _COLUMNS, "rows": rows}


def _row(title: str, log: Mapping[str, Any]) -> list[Any]:
    name = log["rule"]
    words = why_suppressed(log)
    return [title, name.upper() or "None", log["rows"], log["primary"], log["secondary"], words]


def why_suppressed(log: Mapping[str, Any]) -> str:
    """Return why rows of a table were suppressed, or why none had to be, and what it was settled with."""
    if not log["rule"]:
        return _OPEN
    small, more = log["primary"], log["secondary"]
    people = f"1 to {RULES[log['rule']].smallest - 1} people or contacts"
    texts = [f"{_rows(small)} on {people}." if small else f"No row rests on {people}."]
    if more:
        where = "this pack and those of other areas" if log.get("over_areas") else "this pack"
        texts.append(
            f"{count(more)} more, large enough by {'itself' if more == 1 else 'themselves'}: beside the totals in "
            f"{where}, the small could be worked out from {'it' if more == 1 else 'them'} by subtraction."
        )
    if beside := log.get("beside"):
        texts.append(
            f"Settled together with {count(beside)} other table{'s' if beside > 1 else ''} of the same counts."
        )
    return " ".join(texts)


def _rows(many: int) -> str:
    return f"{count(many)} row rests" if many == 1 else f"{count(many)} rows rest"
