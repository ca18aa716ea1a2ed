"""Where a number of a pack is: `02/by_phase/operation/mean_gbp` is notebook, table, row and column.

An address is made of what a reader sees: the table's name, the words at the head of the row, the name of the column.
It is the same in the page, the workbook and `pathcost explain`, and tells nothing that the table does not show.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pathcost_lib.present.format import LIMIT, measure_of

__all__ = [
    "FIGURE_PART",
    "figure_address",
    "measure_at",
    "row_keys",
    "slug",
    "table_address",
    "telling_columns",
]

#: What stands in the place of a table's name in the address of a figure.
FIGURE_PART = "figure"
#: Numbers that say what a row is, as words do.
_OF_ROWS = ("year", "decile")


def slug(text: object) -> str:
    """Return text as a part of an address: small letters and digits, all else is one underscore.

    Examples
    --------
    >>> slug("By setting and phase"), slug("A&E, major department"), slug(" ")
    ('by_setting_and_phase', 'a_e_major_department', 'none')
    """
    return re.sub(r"[^a-z0-9]+", "_", str(text).lower()).strip("_") or "none"


def table_address(source: str, name: str) -> str:
    """Return the address of a table.

    Parameters
    ----------
    source : str
        Name of its notebook, such as "02_pathway_cost".
    name : str
        Its own.

    Examples
    --------
    >>> table_address("02_pathway_cost", "By phase")
    '02/by_phase'
    """
    return f"{source.partition('_')[0]}/{slug(name)}"


def figure_address(source: str, name: str) -> str:
    """Return the address of a figure: `02/figure/waterfall`."""
    return f"{source.partition('_')[0]}/{FIGURE_PART}/{slug(name)}"


def telling_columns(columns: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the places of the columns that tell rows apart: the first, and those of words, years or tenths."""
    return [n for n, c in enumerate(columns) if n == 0 or not c["number"] or c["kind"] in _OF_ROWS]


def row_keys(payload: Mapping[str, Any]) -> list[str]:
    """Return what each row of a table's payload is called in an address; no two rows are called the same.

    It is the first column, and of the further columns of words (or years, tenths) as many as tell the rows apart.

    Examples
    --------
    >>> columns = [{"key": k, "number": k == "gbp", "kind": ""} for k in ("setting", "phase", "gbp")]
    >>> row_keys({"columns": columns, "rows": [["A&E", "before", 1.0], ["A&E", "after", 2.0]]})
    ['a_e.before', 'a_e.after']
    """
    rows, telling = payload["rows"], telling_columns(payload["columns"])
    keys = [""] * len(rows)
    for many in range(1, len(telling) + 1):
        keys = [".".join(slug(_word(row[n])) for n in telling[:many]) for row in rows]
        if len({*keys}) == len(rows):
            return keys
    repeated, seen = Counter(keys), Counter[str]()
    numbered = []
    for key in keys:
        seen[key] += 1
        numbered.append(f"{key}.{seen[key]}" if repeated[key] > 1 else key)
    return numbered


def measure_at(columns: Sequence[Mapping[str, Any]], place: int) -> int:
    """Return the place of the number that the limit at a place belongs to (`measure_of`); of no limit, the place."""
    before = {columns[n]["key"]: n for n in range(place) if columns[n]["number"]}
    key = columns[place]["key"]
    return before.get(measure_of(key, [*before]), place) if LIMIT.search(key) else place


def _word(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else "" if value is None else value
