"""Whether the parts of a pack speak of the same pounds: one price base for a pack, or said on its cover."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pathcost_lib.packs.document import Message, Prose, Section

__all__ = ["price_base_warning", "price_bases"]

_POUNDS_OF = re.compile(r"\b[Pp]ounds of (\d{4}-\d{2})\b")


def price_bases(section: Section, parameters: Mapping[str, Any]) -> set[str]:
    """Return the financial years whose pounds a section states: in its words, or else as its parameter says.

    Parameters
    ----------
    section : Section
        As `read_section` gives it.
    parameters : mapping
        The values that its notebook ran with.
    """
    words: list[str] = []
    for block in section.blocks:
        if isinstance(block, Message):
            words.append(block.text)
        elif isinstance(block, Prose):
            words.append(block.markdown)
    words += [str(table.payload["note"]) for table in section.tables] + [figure.note for figure in section.figures]
    stated = {year for text in words for year in _POUNDS_OF.findall(text)}
    return stated or ({str(parameters["price_base"])} if parameters.get("price_base") else set())


def price_base_warning(sections: Sequence[Section], parameters: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what the cover must say where a pack holds pounds of several years; empty where it holds those of one."""
    of = {section.source: price_bases(section, parameters.get(section.source, {})) for section in sections}
    stated = sorted(year for years in of.values() for year in years)
    if len({*stated}) < 2:
        return ""
    usual = max(stated, key=stated.count)
    others = [
        f"of {year} in {', '.join(repr(s.title) for s in sections if year in of[s.source])}"
        for year in sorted({*stated} - {usual})
    ]
    return (
        "This pack contains pounds of several years, which must not be added or set against each other: pounds of "
        f"{usual}, but {'; '.join(others)}."
    )
