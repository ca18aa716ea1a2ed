"""What a reader makes of published artefacts: tables, cells, the counts and pounds that each number stands for.

It shares no code with what suppresses or rounds. It knows the rules, as every reader does: a count is to the nearest
five, one to seven are a star, and a number bears as many digits as it is exact. `ATTACKS` is the list of the attacks.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import numpy as np
import openpyxl
from scipy.optimize import linprog
from scipy.sparse import csr_array

STAR, SMALLEST, MOST = "*", 8, 1e9
_TABLE = "application/vnd.pathcost.table+json"
_MESSAGE = "application/vnd.pathcost.message+json"
#: By what a table of 02 splits its rows.
BY: dict[str, tuple[str, ...]] = {
    "whole": (),
    "setting": ("setting",),
    "phase": ("phase",),
    "grid": ("setting", "phase"),
}
Row = Mapping[str, Any]
Key = tuple[str, ...]
Payload = Mapping[str, Any]


@dataclass(frozen=True)
class Found:
    """What a reader found: in which pack and table, and what. `value` is what she then knows."""

    pack: str
    table: str
    what: str
    value: Any = None


@dataclass(frozen=True)
class Table:
    """A table as it is read: what all its rows count, its columns, and its rows."""

    pack: str
    source: str
    name: str
    of: Mapping[str, str]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def found(self, what: str, value: Any = None) -> Found:
        """Return something found in this table."""
        return Found(self.pack, f"{self.source}: {self.name}", what, value)


@dataclass(frozen=True)
class Held:
    """Everything that a reader holds: executed notebooks by pack, other files by name, and what is public."""

    packs: Mapping[str, Mapping[str, str]]
    files: Mapping[str, bytes] = field(default_factory=dict)
    public: Mapping[str, Any] = field(default_factory=dict)
    # What was read before: reading is slow beside an attack.
    _read: dict[tuple[str, str], list[Table]] = field(default_factory=dict, init=False, repr=False)
    _numbers: set[float] = field(default_factory=set, init=False, repr=False)

    @property
    def payloads(self) -> dict[str, dict[str, list[Payload]]]:
        """What the notebooks' outputs hold, by pack and notebook."""
        return {pack: {n: payloads_of(text) for n, text in books.items()} for pack, books in self.packs.items()}

    def tables(self, name: str = "", *, pack: str = "") -> list[Table]:
        """Return all tables, or those of a name, in all packs or one."""
        key = name, pack
        if key not in self._read:
            found = [
                t
                for p, books in self.packs.items()
                if pack in ("", p)
                for n, text in books.items()
                for t in tables_of(p, n, text)
            ]
            self._read[key] = [t for t in found if name in ("", t.name)]
        return self._read[key]

    def rows(self, *columns: str) -> Iterator[tuple[Table, Row]]:
        """Yield the rows in which all these columns have a number."""
        for table in self.tables():
            if {*columns} <= {*table.columns}:
                yield from ((table, row) for row in table.rows if all(known(row[c]) for c in columns))

    @property
    def numbers(self) -> set[float]:
        """Every number of every table, without its sign."""
        if not self._numbers:
            rows = (row for table in self.tables() for row in table.rows)
            self._numbers.update(abs(v) for row in rows for v in row.values() if known(v))
        return self._numbers

    def but(self, **changes: Any) -> Held:
        """Return the same with something else in place."""
        return replace(self, **changes)


# -- attacks ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Attack:
    """An attack, the plant that it must find, and by which part of the product a pack with the plant is refused.

    `refused` is a door of `planted.refused`, "releases" where `test_published_again` shows it, or empty where no part
    of the product looks: then the reader's docstring says why.
    """

    name: str
    subject: str
    reader: str
    run: Callable[[Held], Iterable[Found]]
    plant: Callable[[Held], Held]
    refused: str = ""


ATTACKS: dict[str, Attack] = {}


def reader(subject: str, plant: Callable[[Held], Held], refused: str = "") -> Callable[[Callable[..., Any]], Any]:
    """Put an attack on the list; its docstring says who the reader is and what she holds."""

    def listed(run: Callable[[Held], Iterable[Found]]) -> Callable[[Held], Iterable[Found]]:
        assert run.__doc__ and run.__name__ not in ATTACKS, run.__name__
        ATTACKS[run.__name__] = Attack(run.__name__, subject, run.__doc__, run, plant, refused)
        return run

    return listed


def of_subject(subject: str) -> list[str]:
    """Return the names of the attacks of a subject."""
    return [name for name, attack in ATTACKS.items() if attack.subject == subject]


# -- notebooks --------------------------------------------------------------------------------------------------------
def payloads_of(text: str) -> list[Payload]:
    """Return the tables in the outputs of an executed notebook, and the figures behind its messages."""
    data = [output.get("data", {}) for cell in json.loads(text)["cells"] for output in cell.get("outputs", [])]
    found = [d[_TABLE] for d in data if _TABLE in d] + [d[_MESSAGE].get("behind") for d in data if _MESSAGE in d]
    return [payload for payload in found if payload]


def tables_of(pack: str, source: str, text: str) -> list[Table]:
    """Return the tables of an executed notebook."""
    found = []
    for payload in payloads_of(text):
        heads = [c["key"] for c in payload["columns"]]
        rows = tuple(dict(zip(heads, row, strict=True)) for row in payload["rows"])
        found.append(Table(pack, source, payload.get("name", "message"), payload["of"], tuple(heads), rows))
    return found


# -- what a number stands for -----------------------------------------------------------------------------------------
def known(value: Any) -> bool:
    """Say whether a cell holds a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def counts(shown: float) -> range:
    """Return the exact counts that a rounded count stands for; one that is not rounded stands for itself."""
    if shown % 5 or not shown:
        return range(round(shown), round(shown) + 1)
    return range(max(round(shown) - 2, SMALLEST), round(shown) + 3)


def half(value: float) -> float:
    """Return half the coarsest step, 1, 2 or 5 times a power of ten, of which a number is a multiple."""
    if not value:
        return 0.0
    _, digits, power = Decimal(repr(round(float(value), 6))).normalize().as_tuple()
    lead = 5 if digits[-1] == 5 else 2 if digits[-1] % 2 == 0 else 1
    return float(lead * Decimal(10) ** int(power)) / 2


def digit(value: float) -> float:
    """Return half of the last decimal place that a number is written with: half of one where there is none."""
    _, _, power = Decimal(repr(round(float(value), 6))).normalize().as_tuple()
    return 0.5 * 10.0 ** min(int(power), 0)


def whole_between(low: float, high: float) -> bool:
    """Say whether a whole number lies between two ends."""
    return bool(np.floor(high + 1e-9) >= np.ceil(low - 1e-9))


def only(fits: Iterable[int], shown: float, explained: bool = False) -> int | None:
    """Return the one exact count that fits, if one alone does of several that the shown count stands for."""
    left = list(fits)
    return left[0] if len(left) == 1 < len(counts(shown)) and not explained else None


def people(row: Row) -> str:
    """Return the column that counts the people of a row."""
    named = ("pathways", "linked_pathways", "cases", "persons", "contacts")
    return next((c for c in named if known(row.get(c)) and row[c]), "")


def bands(row: Row, column: str) -> tuple[float, float]:
    """Return between what the exact value of a number lies, as its digits say."""
    return row[column] - half(row[column]), row[column] + half(row[column])


# -- sums -------------------------------------------------------------------------------------------------------------
class Unknowns:
    """Cells between bounds, and sums of them that are zero: what can each be at least, and at most?"""

    def __init__(self) -> None:
        self.low: list[float] = []
        self.high: list[float] = []
        self.lines: list[dict[int, float]] = []

    def add(self, low: float, high: float) -> int:
        """Add a cell and return its number."""
        self.low.append(low)
        self.high.append(high)
        return len(self.low) - 1

    def count(self, shown: Any) -> int:
        """Add a count as it is shown."""
        if not known(shown):
            return self.add(0.0, MOST)
        return self.add(float(counts(shown).start), float(counts(shown).stop - 1))

    def pounds(self, shown: Any) -> int:
        """Add pounds as they are shown."""
        return self.add(max(shown - half(shown), 0.0), shown + half(shown)) if known(shown) else self.add(0.0, MOST)

    def add_up(self, parts: Iterable[int], total: int) -> None:
        """Say that some cells add up to another, unless what is shown contradicts it."""
        self.lines.append(dict.fromkeys(parts, 1.0) | {total: -1.0})
        ends = [sum(v * (a if v * s > 0 else b) for v, a, b in self._line(self.lines[-1])) for s in (1, -1)]
        if ends[0] > 1e-6 or ends[1] < -1e-6:
            self.lines.pop()

    def _line(self, line: Mapping[int, float]) -> list[tuple[float, float, float]]:
        return [(v, self.low[n], self.high[n]) for n, v in line.items()]

    def solve(self, goal: np.ndarray) -> np.ndarray | None:
        """Return what fits and makes the goal least."""
        entries = [(n, c, v) for n, line in enumerate(self.lines) for c, v in line.items()]
        rows, columns, values = zip(*entries, strict=True)
        equal = csr_array((values, (rows, columns)), (len(self.lines), len(self.low)))
        bounds = np.column_stack([self.low, self.high])
        found = linprog(goal, A_eq=equal, b_eq=np.zeros(len(self.lines)), bounds=bounds, method="highs")
        return np.asarray(found.x) if found.status == 0 else None

    def narrow(self, cells: Iterable[int], close: Callable[[float, float], bool]) -> dict[int, tuple[float, float]]:
        """Return the cells whose least and most are close, with both."""
        left, found = list(cells), {}
        size, rng = len(self.low), np.random.default_rng(0)
        seen: list[np.ndarray] = []
        for _ in range(3 if self.lines and left else 0):  # most cells are seen to vary in a few answers
            if (answer := self.solve(rng.normal(size=size))) is None:
                return {}
            seen.append(answer)
            left = [n for n in left if close(min(x[n] for x in seen), max(x[n] for x in seen))]
        for n in left if self.lines else []:
            ends = [self.solve(sign * np.eye(1, size, n)[0]) for sign in (1.0, -1.0)]
            if ends[0] is not None and ends[1] is not None and close(ends[0][n], ends[1][n]):
                found[n] = (float(ends[0][n]), float(ends[1][n]))
        return found


def few(low: float, high: float) -> bool:
    """Say whether a count is known, and is one of one to seven."""
    return high - low < 0.99 and np.floor(high + 1e-6) <= 7 and high > 0.01


def closely(low: float, high: float) -> bool:
    """Say whether pounds are known to a twentieth either way."""
    return low > 0 and high - low <= 0.1 * high


def apart(one: Any, other: Any) -> tuple[float, float]:
    """Return between what the difference of two shown counts lies."""
    return float(counts(one).start - counts(other).stop + 1), float(counts(one).stop - 1 - counts(other).start)


class System:
    """The cells of one measure in some packs' tables: each once, whatever table it stands in."""

    def __init__(self, measure: str) -> None:
        self.measure, self.unknowns, self.cells, self.stars = measure, Unknowns(), dict[Key, int](), dict[int, Key]()

    def read(self, table: Table, whose: str, column: str = "") -> None:
        """Take in a table of cost by setting, phase, both or neither; `whose` names its cells."""
        for row in table.rows:
            key = (whose, *(f"{c}={row[c]}" for c in BY.get(table.name, ())))
            value, pounds = row[column or self.measure], self.measure.endswith("_gbp")
            cell = self.unknowns.pounds(value) if pounds else self.unknowns.count(value)
            if key in self.cells and known(value):  # seen twice: the narrower counts
                own, ends = self.cells[key], (self.unknowns.low[cell], self.unknowns.high[cell])
                self.unknowns.low[own], self.unknowns.high[own] = ends
                self.stars.pop(own, None)
            elif key not in self.cells:
                self.cells[key] = cell
                if not known(value):
                    self.stars[cell] = key

    def nest(self) -> None:
        """Say that finer cells add up to coarser ones of the same owner."""
        for total, at in list(self.cells.items()):
            for axes in (["setting"], ["phase"], ["setting", "phase"]):
                have = {part.split("=")[0] for part in total[1:]}
                parts = [
                    cell
                    for key, cell in self.cells.items()
                    if key[0] == total[0] and {*total} < {*key} and {p.split("=")[0] for p in key[1:]} - have == {*axes}
                ]
                if parts and not have & {*axes}:
                    self.unknowns.add_up(parts, at)

    def across(self, owners: Iterable[str], whole: str) -> None:
        """Say that the cells of some owners add up to those of all."""
        for key, at in list(self.cells.items()):
            parts = [self.cells.get((owner, *key[1:])) for owner in owners]
            if key[0] == whole and None not in parts:
                self.unknowns.add_up([p for p in parts if p is not None], at)

    def told(self, among: Callable[[Key], bool] = lambda key: True) -> Iterator[tuple[Key, tuple[float, float]]]:
        """Yield the hidden cells that are known: small counts exactly, pounds to a twentieth either way."""
        cells = [cell for cell, key in self.stars.items() if among(key)]
        close = closely if self.measure.endswith("_gbp") else few
        for cell, ends in self.unknowns.narrow(cells, close).items():
            yield self.stars[cell], ends


# -- other files ------------------------------------------------------------------------------------------------------
def sheets_of(content: bytes) -> dict[str, list[tuple[Any, ...]]]:
    """Return the cells of every sheet of a workbook, the hidden ones too."""
    book = openpyxl.load_workbook(io.BytesIO(content))
    return {sheet.title: [tuple(c.value for c in row) for row in sheet.iter_rows()] for sheet in book.worksheets}


def parts_of(content: bytes) -> dict[str, bytes]:
    """Return the parts of an Office file, and those of the files embedded in it."""
    found = {}
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        for name in file.namelist():
            found[name] = file.read(name)
            if name.endswith(".xlsx"):
                found |= {f"{name}/{inner}": part for inner, part in parts_of(found[name]).items()}
    return found
