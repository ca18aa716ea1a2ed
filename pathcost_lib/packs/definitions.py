"""What each column of a pack's tables is, in words for people to edit: `definitions.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from pathcost_lib.present.address import measure_at
from pathcost_lib.present.format import LIMIT

__all__ = ["Method", "definition", "entries", "interval_method"]


@dataclass(frozen=True)
class Method:
    """How limits are worked out: in a sentence, and the function of the library whose notes have the source."""

    method: str
    code: str


def definition(address: str, columns: Sequence[Mapping[str, Any]], place: int) -> str:
    """Return what the number at a place of a table is; of a limit, what it is a limit of. Empty where nothing says.

    Parameters
    ----------
    address : str
        Of the table: `02/by_phase`.
    columns : sequence of mapping
        Of the table's payload.
    place : int
        Of the column.

    Examples
    --------
    >>> columns = [{"key": "persons", "number": True}, {"key": "upper_95", "number": True}]
    >>> definition("03/all_areas", columns, 0)
    'Number of people, rounded to the nearest 5.'
    >>> definition("03/all_areas", columns, 1)
    'Upper end of the 95% interval of this number: Number of people, rounded to the nearest 5.'
    """
    key = str(columns[place]["key"])
    if (limit := LIMIT.search(key)) and (measure := measure_at(columns, place)) != place:
        return f"{limit[1].capitalize()} end of the {limit[2]}% interval of this number: " + definition(
            address, columns, measure
        )
    tables = [entries().get(part, {}) for part in (address, address.partition("/")[0], "everywhere")]
    return next((str(t[key.lower()]) for t in tables if key.lower() in t), str(tables[0].get("*", "")))


def interval_method(address: str) -> Method | None:
    """Return how the limits of a table's numbers are worked out; None where nothing says."""
    methods = entries()["intervals"]
    entry = methods.get(address) or methods.get(address.partition("/")[0])
    return Method(**entry) if entry else None


@cache
def entries() -> dict[str, Any]:
    """Return `definitions.toml`: definitions by notebook or table, and `intervals`."""
    return tomllib.loads((files("pathcost_lib.packs") / "definitions.toml").read_text(encoding="utf-8"))
