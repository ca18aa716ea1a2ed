"""One pack as every format sees it: whose it is, what its notebooks say, how it was made, what was suppressed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pathcost_lib.errors import require_one_of
from pathcost_lib.packs.blocks import Block, Message, Section, Table
from pathcost_lib.packs.suppression import suppression_log
from pathcost_lib.present.disclosure import RULES
from pathcost_lib.present.naming import for_cover

__all__ = ["PARTS", "Document", "PackSummary"]

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
        said = f"{self.organisation}: {self.kind.lower()} {self.year}"
        return f"{said} ({self.banner[0].lower()}{self.banner[1:]})" if self.banner else said

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
        found: dict[tuple[int, int], tuple[str, list[Block]]] = {}
        for number, section in enumerate(self.sections):
            places = section.places or ("",) * len(section.blocks)
            own = next(iter(places), "")
            for block, place in zip(section.blocks, places, strict=True):
                chosen = place or own
                where = order.index(require_one_of(chosen, order, what=f"Part of the pack in {section.source}"))
                key = (where, number if chosen == own else len(self.sections))
                title = section.title if chosen == own else PARTS[chosen]
                found.setdefault(key, (title, []))[1].append(self._as_named(block))
        sources = ", ".join(s.source for s in self.sections)
        return [Section(sources, title, tuple(blocks)) for _, (title, blocks) in sorted(found.items())]

    def _as_named(self, block: Block) -> Block:
        """Return a message without what it says of organisations on grounds too thin for a cover."""
        if not isinstance(block, Message):
            return block
        said, asked = (for_cover(text, block.named, self.others) for text in (block.text, block.decision))
        return replace(block, text=said, decision=asked)

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
