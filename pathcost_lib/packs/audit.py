"""An attacker with pencil and paper, who works out suppressed cells of a pack from those that are shown.

The tables of a notebook that bear the same measure, one split further than the other, are taken to add up wherever what
is shown does not contradict it. A linear programme then asks for the least and the most that each suppressed cell can
be. A pack in which they meet is refused. It knows nothing of how cells were chosen for suppression.

Over all notebooks of a pack the same is asked of what says that it counts the same (`of` in a payload): tables, and the
figures behind messages.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array

from pathcost_lib.errors import InputError
from pathcost_lib.present.disclosure import MARK, RULES
from pathcost_lib.present.format import LIMIT

__all__ = ["Cells", "audit", "audit_pack", "refuse_leaks", "refuse_leaks_between"]

#: Labels of rows that hold all the others of their table.
_ALL = {"all", "all_settings", "total", "whole_pathway", "whole", "system"}
#: More than any cell is; a bound, so that a programme ends.
_MOST = 1e7
#: Less than this between the least and the most that a count can be, and only one whole number fits.
_WHOLE = 0.99
_COUNTS = {"pathways", "contacts", "persons"}
#: Columns of notebooks that hold the same where they count the same: a mean cost per pathway, and whose it is.
_SAME = {"pathway_gbp": "mean_gbp", "value_gbp": "mean_gbp", "claim": "pathway"}


@dataclass
class Cells:
    """Unknowns, between what limits each lies as far as is shown, and sums that must be zero."""

    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    sums: list[dict[int, float]] = field(default_factory=list)

    def add(self, lower: float, upper: float) -> int:
        """Add an unknown and return its number."""
        self.lower.append(lower)
        self.upper.append(upper)
        return len(self.lower) - 1

    def add_up(self, parts: Sequence[int], total: int) -> None:
        """Say that some unknowns add up to another."""
        self.sums.append(dict.fromkeys(parts, 1.0) | {total: -1.0})

    def matrix(self) -> csr_array:
        """Return the sums, one a row, over the unknowns."""
        lines = enumerate(self.sums)
        rows, columns, values = zip(*((n, c, v) for n, line in lines for c, v in line.items()), strict=True)
        return csr_array((values, (rows, columns)), (len(self.sums), len(self.lower)))

    def solve(self, objective: np.ndarray) -> np.ndarray | None:
        """Return the numbers that fit what is shown and make the objective least, or None if none fit."""
        bounds = list(zip(self.lower, self.upper, strict=True))
        solution = linprog(objective, A_eq=self.matrix(), b_eq=np.zeros(len(self.sums)), bounds=bounds, method="highs")
        return np.asarray(solution.x) if solution.status == 0 else None

    def met(self, cells: Sequence[int], apart: float) -> list[int]:
        """Return the cells whose least and most possible numbers lie less than `apart` from each other."""
        if not self.sums:
            return []
        rng, size = np.random.default_rng(0), len(self.lower)
        some = [x for _ in range(5) if (x := self.solve(rng.normal(size=size))) is not None]
        # Most cells are seen to vary in a few answers; only the others are asked for one by one.
        left = [n for n in cells if not some or np.ptp([x[n] for x in some]) < apart]
        return [n for n in left if some and self.most(n) - self.least(n) < apart]

    def determined(self, cells: Sequence[int]) -> list[int]:
        """Return the cells that would be known were no number rounded: no change to what is unknown moves them."""
        unknown = [upper - lower >= _MOST for lower, upper in zip(self.lower, self.upper, strict=True)]
        change = Cells([-1.0 * free for free in unknown], [1.0 * free for free in unknown], self.sums)
        return change.met(cells, 1e-3)

    def least(self, cell: int, sign: float = 1.0) -> float:
        """Return the least that a cell can be."""
        solution = self.solve(sign * np.eye(1, len(self.lower), cell)[0])
        return -math.inf * sign if solution is None else float(solution[cell])

    def most(self, cell: int) -> float:
        """Return the most that a cell can be."""
        return self.least(cell, -1.0)


def refuse_leaks(source: str, payloads: Sequence[Mapping[str, Any]]) -> None:
    """Refuse the tables of a notebook if a suppressed cell can be worked out from them.

    Raises
    ------
    InputError
        With the notebook, the table and the column; never the value.
    """
    if leaks := list(audit(payloads)):
        raise InputError(
            f"{source}: what is suppressed can be worked out from what is shown: {'; '.join(leaks[:5])}. "
            "Disclose these tables together (`present.disclose_together`), or name the totals that are shown."
        )


def refuse_leaks_between(notebooks: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Refuse a pack if a suppressed cell can be worked out from what its notebooks show together.

    Raises
    ------
    InputError
        With the notebooks, the tables and the columns; never the value.
    """
    if leaks := list(audit_pack(notebooks)):
        raise InputError(
            "What is suppressed can be worked out from what the notebooks of this pack show together: "
            f"{'; '.join(leaks[:5])}. Disclose these tables by the same counts and totals in each notebook."
        )


def audit_pack(notebooks: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """Yield each column of a notebook's table that can be worked out from all notebooks, by notebook, table and column.

    Only what says what it counts is looked at. Its pounds are then taken to add up unless something shown says no.
    """
    stated = [_stated(source, p) for source, payloads in notebooks.items() for p in payloads if p.get("of")]
    yield from audit(stated, adds_up=True)


def _stated(source: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return a payload in which what all rows count stands in each row, without limits: those do not add up."""
    of = payload["of"]
    words = [{"key": key, "kind": "", "number": False} for key in of]
    kept = [n for n, column in enumerate(payload["columns"]) if not LIMIT.search(column["key"])]
    heads = [payload["columns"][n] for n in kept]
    columns = [*words, *({**column, "key": _SAME.get(column["key"], column["key"])} for column in heads)]
    rows = [[*of.values(), *(row[n] for n in kept)] for row in payload["rows"]]
    return {**payload, "title": f"{source}: {payload['title']}", "columns": columns, "rows": rows}


def audit(payloads: Sequence[Mapping[str, Any]], *, adds_up: bool = False) -> Iterator[str]:
    """Yield each column of a table in which a suppressed cell can be worked out, by table and column.

    Parameters
    ----------
    payloads : sequence of mapping
        Tables.
    adds_up : bool
        Take pounds to add up though no sum is shown whole, and none of them to be less than zero where all that are
        shown are not.
    """
    measures = {c["key"]: c["kind"] for p in payloads for c in p["columns"] if c["kind"] in {*_COUNTS, "gbp"}}
    for key, kind in measures.items():
        tables = [(p, column) for p in payloads if (column := _column(p, key))]
        if not any(MARK in values for _, (_, values) in tables):
            continue
        cells, places, hidden = Cells(), [], []
        numbers = (value for _, (_, values) in tables for value in values if isinstance(value, int | float))
        positive = adds_up and min(numbers, default=0.0) >= 0
        for payload, (labels, values) in tables:
            rule = RULES.get(payload["rule"])
            slack = 0.0 if kind == "gbp" or rule is None else rule.base // 2
            steps = payload.get("steps", {}).get(_written(payload, key), [0.0] * len(values))
            least = -_MOST if kind == "gbp" and not positive else 0.0
            place: dict[tuple[tuple[str, Any], ...], int] = {}
            for label, value, step in zip(labels, values, steps, strict=True):
                known = isinstance(value, int | float)
                slack_here = max(slack if value else 0.0, step / 2 if kind == "gbp" else 0.0, 1e-6) if known else 0.0
                cell = cells.add(value - slack_here, value + slack_here) if known else cells.add(least, _MOST)
                place.setdefault(label, cell)
                if value == MARK:
                    hidden.append((cell, f"{payload['title']}, {key}"))
            places.append(place)
        for lines in _links(places):
            told = [_shown_sum(cells, total, parts) for total, parts in lines]
            if kind == "gbp" and (False in told or not (adds_up or True in told)):
                continue  # a mean, not a part of a whole: or nothing shown says that it adds up
            for total, parts in lines:
                cells.add_up(parts, total)
                if cells.solve(np.zeros(len(cells.lower))) is None:
                    cells.sums.pop()
        where = dict(hidden)
        met = cells.determined(list(where)) if kind == "gbp" else cells.met(list(where), _WHOLE)
        yield from dict.fromkeys(where[cell] for cell in met)


def _written(payload: Mapping[str, Any], key: str) -> str:
    """Return how a table itself names a column that is called by another name here."""
    return next((own for own, name in _SAME.items() if name == key and own in payload.get("steps", {})), key)


def _column(payload: Mapping[str, Any], key: str) -> tuple[list[tuple[tuple[str, Any], ...]], list[Any]] | None:
    """Return a table's rows, each by its leading words, with one column of it."""
    columns = payload["columns"]
    keys = [c["key"] for c in columns]
    words = next((n for n, c in enumerate(columns) if c["number"]), len(columns))
    if key not in keys:
        return None
    labels = [tuple(sorted(zip(keys[:words], row[:words], strict=True))) for row in payload["rows"]]
    return labels, [row[keys.index(key)] for row in payload["rows"]]


def _links(places: Sequence[Mapping[tuple[tuple[str, Any], ...], int]]) -> Iterator[list[tuple[int, list[int]]]]:
    """Yield what may add up, as lists of (total, parts): within a table with a row of all, and between two tables."""
    for number, place in enumerate(places):
        within = []
        for label, total in place.items():
            rest = {(k, v) for k, v in label if str(v) not in _ALL}
            if len(rest) < len(label):
                within.append((total, [cell for other, cell in place.items() if other != label and rest <= {*other}]))
        yield [line for line in within if line[1]]
        for after, other in enumerate(places):
            pairs = [(total, label) for label, total in place.items() if label]
            finer = [(total, [c for longer, c in other.items() if {*label} < {*longer}]) for total, label in pairs]
            equal = [(total, [other[label]]) for total, label in pairs if after > number and label in other]
            yield from ([line for line in lines if line[1]] for lines in (finer, equal))


def _shown_sum(cells: Cells, total: int, parts: Sequence[int]) -> bool | None:
    """Say whether what is shown adds up as far as it is exact; None where not all is shown, and it cannot be told."""
    every = (total, *parts)
    ends = [(cells.lower[n] + cells.upper[n]) / 2 for n in every]
    slack = sum((cells.upper[n] - cells.lower[n]) / 2 for n in every)
    return abs(ends[0] - sum(ends[1:])) < 0.01 + slack if all(cells.upper[n] < _MOST for n in every) else None
