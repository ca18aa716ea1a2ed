"""One pack as every format sees it: whose it is, what its notebooks say, how it was made, what was suppressed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pathcost_lib.packs.blocks import Section, Table

__all__ = ["Document", "PackSummary"]


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
    """

    organisation: str
    icb: str
    year: str
    about: str
    sections: tuple[Section, ...]
    facts: tuple[tuple[str, str], ...] = ()
    kind: str = "Board pack"

    @property
    def title(self) -> str:
        """What a reader's window is called."""
        return f"{self.organisation}: {self.kind.lower()} {self.year}"

    @property
    def messages(self) -> list[str]:
        """Lines of the cover, each once: the banner of coverage is in every notebook."""
        return list(dict.fromkeys(text for s in self.sections for text in s.messages))

    @property
    def tables(self) -> list[Table]:
        """Every table, in order."""
        return [t for s in self.sections for t in s.tables]

    @cached_property
    def suppression(self) -> dict[str, Any]:
        """How many rows of each table were suppressed and why, as a table payload; never what stood there."""
        words = {"unit": "", "number": False, "excel": "General", "kind": ""}
        rows = {"unit": "rows", "number": True, "excel": "#,##0", "kind": "cells"}
        columns = [
            {"key": "table", "heading": "Table", **words},
            {"key": "rule", "heading": "Rule", **words},
            {"key": "primary", "heading": "Suppressed: small", **rows},
            {"key": "secondary", "heading": "Suppressed: to protect those", **rows},
        ]
        shown = [(t.title, t.payload) for t in self.tables]
        return {
            "name": "suppression",
            "title": "What was suppressed",
            "note": "",
            "columns": columns,
            "rows": [
                [title, p["rule"].upper() or "None: counts nobody", p["primary"], p["secondary"]] for title, p in shown
            ],
        }


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
    """

    icb: str
    organisation: str
    href: str = ""
    figures: tuple[dict[str, Any], ...] = ()
    failures: tuple[str, ...] = ()
