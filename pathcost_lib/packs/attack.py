"""The reader with many packs: what all of them give away together, of every area, year, pathway and parameter.

It works from payloads alone, and shares no code with what chose the stars or how exact a number is. A released cell is
keyed by what it counts: what its table says of all rows (`of`) and the words of its row, whatever pack it stands in.
Three kinds of attack:

- Each row (`attack_rows`): the exact counts that its numbers give, and whose cost; and the tables of each notebook
  (`attack_tables`).
- The same cell twice: another number, or a star in one place and a number in another. So two parameter values, late
  rows, and a neighbour's pack show themselves.
- Sums. Every table's rows add up to the cell with the same words but theirs. Counts are whole numbers within the class
  of what is shown (`scipy.optimize.milp`, with a limit of time); means are numbers within the step that can be read off
  them. Where all areas are at hand, each area's cell is everybody's less those of the others, as far as these are
  bounded; means times people are totals. Sums over areas are taken cell by cell, not in chains with an area's own. A
  hidden count that can be none but below eight is a leak, and so are pounds known to within a tenth either way (the
  p % rule with p of 10: Hundepool A. et al., Statistical Disclosure Control, Wiley 2012, chapter 4).

It says which packs, tables and columns; never a value.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from pathcost_lib.errors import InputError
from pathcost_lib.packs.attack_rows import SMALLEST, STAR, grain, row_leaks, span
from pathcost_lib.packs.attack_tables import COMMENT, table_leaks
from pathcost_lib.packs.audit import Cells
from pathcost_lib.packs.releases import NAME, released
from pathcost_lib.present.display import MESSAGE, TABLE
from pathcost_lib.present.findings import FINDING

__all__ = ["Leak", "Packs", "attack", "attack_one", "payloads_of", "refuse", "released_payloads"]

#: Payloads by pack and notebook.
Packs = Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]
Key = frozenset[tuple[str, str]]
_Ends = tuple[float, float]

#: Names under which notebooks show the mean cost of the same pathways, and what a row is of.
_SAME = {"pathway_gbp": "mean_gbp", "value_gbp": "mean_gbp", "claim": "pathway"}
#: Numbers for all areas, beside those of one, and the word that their cells bear in place of the area's.
_EVERYWHERE = ("reference_", "all_")
_EVERYBODY = ("for", "everybody")
#: Splits over which a mean per pathway adds up; over others totals do.
_PARTS = {"phase", "setting", "cell", "cost_basis", "part"}
_AREA = "icb_code"
#: Pounds that can be told to a tenth either way are told.
_CLOSE = 0.2
_MOST = 1e9
_SECONDS = 5.0


@dataclass(frozen=True)
class Leak:
    """What a reader found: in which packs, where, and how; never a value."""

    packs: tuple[str, ...]
    where: str
    how: str

    def __str__(self) -> str:
        return f"{' with '.join(self.packs)}: {self.where}: {self.how}"


@dataclass
class _Cell:
    """One released cell: what it counts, its number or star wherever it is shown, and in which packs."""

    measure: str
    rule: str
    entries: list[tuple[str, str, Any, float]] = field(default_factory=list)  # pack, table, value, step

    @property
    def packs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(pack for pack, *_ in self.entries))

    @property
    def hidden(self) -> bool:
        return all(value == STAR for *_, value, _ in self.entries)

    @property
    def where(self) -> str:
        """The table and column in which it is hidden, or else the first."""
        title = next((table for _, table, value, _ in self.entries if value == STAR), self.entries[0][1])
        return f"{title}, {self.measure}"


def refuse(leaks: Sequence[Leak]) -> None:
    """Refuse what gives something away.

    Raises
    ------
    InputError
        With packs, tables and columns; never a value.
    """
    if leaks:
        raise InputError(
            "A reader with these packs could work out what they may not tell: "
            f"{'; '.join(map(str, leaks[:5]))}{f'; and {len(leaks) - 5} more' if len(leaks) > 5 else ''}. "
            "No pack with it is put in place. Disclose these tables together, or by fewer figures."
        )


def released_payloads(reports: Path, *, but: Container[str]) -> dict[str, dict[str, list[Mapping[str, Any]]]]:
    """Return the payloads of the packs that are released and lie in the reports folder, by pack and notebook."""
    return {pack: payloads_of(reports / pack) for pack in released(reports / NAME) if pack not in but}


def payloads_of(pack: Path) -> dict[str, list[Mapping[str, Any]]]:
    """Return the payloads of the notebooks in a pack's folder: its tables, and the figures behind its messages."""
    notebooks: dict[str, list[Mapping[str, Any]]] = {}
    for file in sorted(pack.glob("[0-9][0-9]_*.ipynb")):
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        data = [o.get("data", {}) for c in cells for o in c.get("outputs", [])]
        payloads = [
            d[TABLE] if TABLE in d else d[kind].get("behind")
            for d in data
            for kind in (TABLE, MESSAGE, FINDING)
            if kind in d
        ]
        notebooks[file.stem] = [p for p in payloads if p]
    return notebooks


def attack_one(pack: str, notebooks: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Leak]:
    """Return what one pack gives away: row by row, and what the tables of each notebook tell together."""
    people = _people({pack: notebooks})
    leaks = []
    for source, payloads in notebooks.items():
        for payload in payloads:
            for row in payload["rows"]:
                of = people.get(_key(payload, row)) or people.get(_key(payload, None))
                for column, how in row_leaks(payload, row, of):
                    leaks.append(Leak((pack,), f"{source}: {payload['title']}, {column}", how))
        leaks += [Leak((pack,), f"{source}: {where}", how) for where, how in table_leaks(payloads)]
    return list(dict.fromkeys(leaks))


def attack(packs: Packs, *, areas: Sequence[str] = (), seconds: float = _SECONDS) -> list[Leak]:
    """Return what several packs give away together.

    Parameters
    ----------
    packs : mapping of str to mapping
        Payloads by pack and notebook.
    areas : sequence of str
        Codes of all areas there are: where each has its pack here, they add up to the numbers for everywhere.
    seconds : float
        The longest that one whole-number programme may take. One that takes longer has found nothing.
    """
    cells = _cells(packs)
    leaks = [Leak(c.packs, c.where, how) for c in cells.values() if (how := _differs(c))]
    return list(dict.fromkeys([*leaks, *_sums(cells, areas, seconds)]))


# -- cells, by what they count ----------------------------------------------------------------------------------------
def _key(payload: Mapping[str, Any], row: Sequence[Any] | None) -> Key:
    """Return what a row counts: what is said of the whole table, and the row's own words."""
    pairs = {(k, str(v)) for k, v in payload.get("of", {}).items() if k not in COMMENT}
    return frozenset(pairs if row is None else {*pairs, *_words(payload, row)})


def _words(payload: Mapping[str, Any], row: Sequence[Any]) -> set[tuple[str, str]]:
    pairs = zip(payload["columns"], row, strict=True)
    labels = {(_SAME.get(c["key"], c["key"]), str(v)) for c, v in pairs if not c["number"]}
    return {pair for pair in labels if pair[0] not in COMMENT}


def _people(packs: Packs) -> dict[Key, range]:
    """Return how many people each group is, where some table of them says so."""
    ranges: dict[Key, range] = {}
    for payload in (
        p for notebooks in packs.values() for payloads in notebooks.values() for p in payloads if p.get("of")
    ):
        places = [n for n, c in enumerate(payload["columns"]) if c["key"] == "pathways"]
        for row in payload["rows"] if places and payload["rule"] in SMALLEST else []:
            if isinstance(row[places[0]], int | float) and row[places[0]]:
                ranges.setdefault(_key(payload, row), span(row[places[0]], payload["rule"]))
    return ranges


def _cells(packs: Packs) -> dict[tuple[str, Key, str], _Cell]:
    """Return the cells of all tables that say what they count, by the notebook's table, key and measure."""
    cells: dict[tuple[str, Key, str], _Cell] = {}
    for pack, notebooks in packs.items():
        for source, payloads in notebooks.items():
            for payload in (p for p in payloads if p.get("of") and p["rule"] in SMALLEST):
                table = f"{source}: {payload.get('name', payload['title'])}"
                for place, row in enumerate(payload["rows"]):
                    key = _key(payload, row)
                    for column, value in zip(payload["columns"], row, strict=True):
                        if not column["number"]:
                            continue
                        own = column["key"]
                        begin = next((b for b in _EVERYWHERE if own.startswith(b)), "")
                        if begin and value is None:  # one area has nothing to set against it: it is hidden nowhere
                            continue
                        measure = _SAME.get(own.removeprefix(begin), own.removeprefix(begin))
                        measure = "mean_gbp" if begin and measure == "gbp" else measure
                        whose = key if not begin else frozenset({*(k for k in key if k[0] != _AREA), _EVERYBODY})
                        steps = payload.get("steps", {}).get(own, [])
                        step = steps[place] if place < len(steps) else 0.0
                        at = (table if begin or measure not in ("contacts", "pathways") else source, whose, measure)
                        cell = cells.setdefault(at, _Cell(measure, payload["rule"]))
                        cell.entries.append((pack, f"{source}: {payload['title']}", value, step))
    return cells


def _differs(cell: _Cell) -> str:
    """Say how the places where one cell is shown differ."""
    values = {value for *_, value, _ in cell.entries}
    if len(values) == 1:
        return ""
    if None in values:
        return "left out in one place and shown in another"
    return "hidden in one place and shown in another" if STAR in values else "the same cell with two numbers"


# -- sums -------------------------------------------------------------------------------------------------------------
@dataclass
class _Sums(Cells):
    """What one group of patients counts or costs, cell by cell, and which cells add up to which."""

    hidden: dict[int, tuple[Key, _Cell]] = field(default_factory=dict)

    def keep_what_fits(self) -> None:
        """Leave out lines that what is shown contradicts: they are not of one definition."""
        nothing = np.zeros(len(self.lower))
        if self.solve(nothing) is None:
            lines, self.sums = self.sums, []
            for line in lines:
                self.sums.append(line)
                if self.solve(nothing) is None:
                    self.sums.pop()

    def most_whole(self, cell: int, seconds: float) -> float:
        """Return the most that a count can be, in whole numbers."""
        size = len(self.lower)
        solution = milp(
            -np.eye(1, size, cell)[0],
            constraints=LinearConstraint(self.matrix(), 0, 0),
            bounds=Bounds(np.array(self.lower), np.array(self.upper)),
            integrality=np.ones(size),
            options={"time_limit": seconds},
        )
        return -float(solution.fun) if solution.status == 0 else self.upper[cell]


def _sums(cells: Mapping[tuple[str, Key, str], _Cell], areas: Sequence[str], seconds: float) -> Iterator[Leak]:
    """Yield the hidden cells that sums give away: within each area, then over areas."""
    by_key: dict[str, dict[Key, _Cell]] = defaultdict(dict)
    for (_, key, measure), cell in cells.items():
        whole = by_key[measure].setdefault(key, _Cell(measure, cell.rule))
        whole.entries += cell.entries
    began = time.monotonic()
    people = {key: _bounds(cell, "pathways") for key, cell in by_key.get("pathways", {}).items()}
    for measure in ("pathways", "contacts", "mean_gbp", "cost_gbp"):
        ends = {key: _bounds(cell, measure) for key, cell in by_key.get(measure, {}).items()}
        for group in _groups(by_key.get(measure, {})):
            sums = _system(by_key[measure], group, measure)
            for at, (key, cell) in sums.hidden.items() if sums.sums else ():
                if time.monotonic() - began > 60 * seconds:
                    break
                ends[key] = _within(sums, at, measure, SMALLEST[cell.rule], seconds)
        # Within an area first, and then by all areas' numbers and what each area's tell of its own hidden cells.
        told = _over_areas(ends, measure, people, areas)
        for key, cell in by_key.get(measure, {}).items():
            if cell.hidden and (how := _told(ends[key], measure, cell) or _told(told.get(key), measure, cell)):
                yield Leak(cell.packs, cell.where, how)


def _groups(cells: Mapping[Key, _Cell]) -> list[list[Key]]:
    """Return the cells of each patient group: one pathway in a year and area, or everywhere."""
    groups: dict[Any, list[Key]] = defaultdict(list)
    apart = {"what", "year", "pathway", "provider_code", _AREA, _EVERYBODY[0]}
    for key in cells:
        groups[frozenset(k for k in key if k[0] in apart)].append(key)
    return [keys for keys in groups.values() if len(keys) > 1]


def _system(cells: Mapping[Key, _Cell], group: Sequence[Key], measure: str) -> _Sums:
    """Return a group's cells, and for each the cells that say one or two words more: all of one kind add up to it."""
    sums, place = _Sums(), dict[Key, int]()
    for key in group:
        place[key] = sums.add(*_bounds(cells[key], measure))
        if cells[key].hidden:
            sums.hidden[place[key]] = key, cells[key]
    for total, at in place.items() if measure != "pathways" and sums.hidden else ():
        finer: dict[frozenset[str], list[int]] = defaultdict(list)
        for key, cell in place.items():
            more = {k for k, _ in key - total} if total < key else set()
            if more and more <= _PARTS:
                finer[frozenset(more)].append(cell)
        for parts in finer.values():
            sums.add_up(parts, at)
    if sums.sums:
        sums.keep_what_fits()
    return sums


def _bounds(cell: _Cell, measure: str) -> _Ends:
    """Return between what a cell lies, by every place where it is shown."""
    low, high = (0.0, _MOST)
    for *_, value, step in cell.entries:
        if not isinstance(value, int | float):
            continue
        if measure in ("contacts", "pathways"):
            whole = span(value, cell.rule)
            ends = (float(whole.start), float(whole.stop - 1))
        else:
            # The step that a table states is believed where the number is a multiple of it.
            fits = step and abs(value / step - round(value / step)) < 1e-9
            half = max(step if fits else grain(value), 1e-6) / 2
            ends = (value - half, value + half)
        low, high = (max(low, ends[0]), min(high, ends[1])) if ends[0] <= high and ends[1] >= low else ends
    return low, high


def _within(sums: _Sums, cell: int, measure: str, smallest: int, seconds: float) -> _Ends:
    """Return between what a hidden cell lies by the sums of its own area."""
    high = min(sums.most(cell), sums.upper[cell])
    if measure not in ("contacts", "pathways"):
        return (max(sums.least(cell), 0.0) if high < _MOST / 2 else 0.0), high
    # The linear programme bounds the whole-number one from above.
    return 0.0, sums.most_whole(cell, seconds) if high < smallest + 4 else high


def _over_areas(
    ends: Mapping[Key, _Ends], measure: str, people: Mapping[Key, _Ends], areas: Sequence[str]
) -> dict[Key, _Ends]:
    """Return between what a cell of one area lies by the number for everybody, less those of all other areas.

    Means are first taken to totals: by how many people everybody is and each area's are.
    """
    every = {key - {_EVERYBODY}: at for key, at in ends.items() if _EVERYBODY in key}
    parts: dict[Key, dict[str, Key]] = defaultdict(dict)
    for key in ends:
        area = dict(key).get(_AREA)
        rest = frozenset(k for k in key if k[0] != _AREA)
        if area is not None and _EVERYBODY not in key and rest in every:
            parts[rest][area] = key
    limits: dict[Key, _Ends] = {}
    for rest, of in parts.items():
        many = dict.fromkeys(of, (1.0, 1.0))
        if measure == "mean_gbp":
            many = {area: _of_whom(key, people) for area, key in of.items()}
        if not areas or not set(areas) <= {*of} or any(high >= _MOST for _, high in many.values()):
            continue  # the reader has not all of them, or does not know how many they are
        low, high = (sum(at[n] for at in many.values()) if measure == "mean_gbp" else 1.0 for n in (0, 1))
        whole = every[rest][0] * low, every[rest][1] * high
        each = {area: (ends[key][0] * many[area][0], ends[key][1] * many[area][1]) for area, key in of.items()}
        below, above = (sum(at[n] for at in each.values()) for n in (0, 1))
        for area, key in of.items():
            # The least it can be is everybody's least without the most of the others, and the other way round.
            least, most = whole[0] - (above - each[area][1]), whole[1] - (below - each[area][0])
            own = max(least / many[area][1], ends[key][0]), min(most / many[area][0], ends[key][1])
            if own[0] <= own[1]:  # else what is shown contradicts itself, and is not of one definition
                limits[key] = own
    return limits


def _of_whom(key: Key, people: Mapping[Key, _Ends]) -> _Ends:
    """Return how many people a mean is of: those of the coarsest group that is counted."""
    groups = [group for group in people if group <= key and _AREA in dict(group)]
    low, high = people[min(groups, key=len)] if groups else (0.0, _MOST)
    return max(low, 1.0), high


def _told(ends: _Ends | None, measure: str, cell: _Cell) -> str:
    """Say how a hidden cell is told by the least and the most that it can be, if it is."""
    low, high = ends or (0.0, _MOST)
    if measure in ("contacts", "pathways"):
        return "it can be none but a small number" if high < SMALLEST[cell.rule] - 0.5 else ""
    close = low > 0 and high - low <= _CLOSE * high
    return "it is known closely from the sums that are shown" if close else ""
