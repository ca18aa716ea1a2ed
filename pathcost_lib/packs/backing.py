"""Whether each number of a text is in a table: what the board paper says, the technical annex shows.

A number in words is a cell, a number in a cell's own words, or the sum of a column (or
of what is above zero in it), to as many figures as it is written
with. Not looked at: years, the level of an interval ("95% interval"), a rule's bound ("fewer than 60"), and digits of
names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pathcost_lib.packs.attack_rows import is_number
from pathcost_lib.present.format import say

__all__ = ["unbacked"]

_YEAR = re.compile(r"\b(?:19|20)\d\d(?:-\d\d)?\b(?![,.]\d)")
_LEVEL = re.compile(r"\b\d\d(?:\.\d)?% (?:interval|limits?)|\bfewer than \d+\b")
_NUMBER = re.compile(r"£?(\d[\d,]*(?:\.\d+)?)(bn|m|k)?\b")
_SIZES = {"": 1.0, "k": 1e3, "m": 1e6, "bn": 1e9}


def unbacked(texts: Sequence[str], payloads: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the numbers of texts that are in none of the tables.

    Parameters
    ----------
    texts : sequence of str
        What is said.
    payloads : sequence of mapping
        Payloads of tables (`Section.payloads`).

    Examples
    --------
    >>> table = {"columns": [{"key": "cost_gbp"}], "rows": [[1_234_000.0], [66_000.0]]}
    >>> unbacked(["In 2024-25 we spend £1.23m of £1.3m (95% interval)."], [table])
    []
    >>> unbacked(["We spend £1.24m."], [table])
    ['£1.24m']
    """
    cells = [cell for payload in payloads for row in payload["rows"] for cell in row]
    words = {text for cell in cells if isinstance(cell, str) for text in (cell, say(cell))}
    words |= {str(text) for payload in payloads for text in (payload.get("title", ""), *payload.get("of", {}).values())}
    names = sorted((text for text in words if any(c.isdigit() for c in text)), key=len, reverse=True)
    values = [abs(float(cell)) for cell in cells if is_number(cell)] + [*_sums(payloads)]
    values += [value for text in words for _, value, _ in _numbers(text)]
    numbers = []
    for text in texts:
        plain = text
        for name in names:  # a name such as "Trust 12"; what a table says in words may be said again
            plain = plain.replace(name, " ")
        numbers += [as_written for as_written, value, unit in _numbers(plain) if not _among(value, unit, values)]
    return numbers


def _numbers(text: str) -> Iterator[tuple[str, float, float]]:
    """Yield the numbers of a text: as written, their size, and the size of their last figure."""
    for match in _NUMBER.finditer(_LEVEL.sub(" ", _YEAR.sub(" ", text))):
        digits, scale = match[1].replace(",", ""), _SIZES[match[2] or ""]
        _, _, places = digits.partition(".")
        zeros = len(digits) - len(digits.rstrip("0")) if not places and len(digits) > 3 else 0
        yield match[0], float(digits) * scale, scale * 10.0 ** (zeros - len(places))


def _sums(payloads: Sequence[Mapping[str, Any]]) -> Iterator[float]:
    for payload in payloads:
        for place in range(len(payload["columns"])):
            cells = [row[place] for row in payload["rows"] if is_number(row[place])]
            yield abs(math.fsum(cells))
            yield math.fsum(cell for cell in cells if cell > 0)  # what all who gain gain together


def _among(value: float, unit: float, values: Sequence[float]) -> bool:
    return any(abs(value - one) <= unit / 2 * (1 + 1e-9) for one in values)
