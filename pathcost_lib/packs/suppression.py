"""What was suppressed, table by table, in words that an accountant can follow; never what stood there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pathcost_lib.packs.blocks import Figure, Section, Table
from pathcost_lib.present.disclosure import RULES
from pathcost_lib.present.format import count

__all__ = ["suppression_log"]

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
    words = _why(log) if name else _OPEN
    return [title, name.upper() or "None", log["rows"], log["primary"], log["secondary"], words]


def _why(log: Mapping[str, Any]) -> str:
    """Return why rows of a table were suppressed, or why none had to be, and what it was settled with."""
    small, more = log["primary"], log["secondary"]
    people = f"1 to {RULES[log['rule']].smallest - 1} people or contacts"
    said = [f"{_rows(small)} on {people}." if small else f"No row rests on {people}."]
    if more:
        where = "this pack and those of other areas" if log.get("over_areas") else "this pack"
        said.append(
            f"{count(more)} more, large enough by {'itself' if more == 1 else 'themselves'}: beside the totals in "
            f"{where}, the small could be worked out from {'it' if more == 1 else 'them'} by subtraction."
        )
    if beside := log.get("beside"):
        said.append(f"Settled together with {count(beside)} other table{'s' if beside > 1 else ''} of the same counts.")
    return " ".join(said)


def _rows(many: int) -> str:
    return f"{count(many)} row rests" if many == 1 else f"{count(many)} rows rest"
