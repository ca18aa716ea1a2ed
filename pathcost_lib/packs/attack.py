"""The reader with many packs: what all of them give away together, of every area, year, pathway and parameter.

It works from payloads alone, and shares no code with what chose the stars or how exact a number is. A released cell is
keyed by what it counts: what its table says of all rows (`of`) and the words of its row, whatever pack it stands in.
Three kinds of attack:

- Each row (`attack_rows`): the exact counts that its numbers give, and whose cost.
- The same cell twice: another number, or a star in one place and a number in another. So two parameter values, late
  rows, and a neighbour's pack show themselves. Within a notebook, rows of the same words are held against each other.
- Sums. Every table's rows add up to the cell with the same words but theirs; areas add up to England where all are at
  hand. Counts are whole numbers within the class of what is shown (`scipy.optimize.milp`, with a limit of time); means
  are numbers within the step that can be read off them; means times people are totals, which add up over areas. A
  hidden count that can be none but below eight is a leak, and so are pounds known to within a tenth either way (the
  p % rule with p of 10: Hundepool A. et al., Statistical Disclosure Control, Wiley 2012, chapter 4).

It says which packs, tables and columns; never a value.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from pathcost_lib.errors import InputError
from pathcost_lib.packs.attack_rows import SMALLEST, STAR, grain, row_leaks, span
from pathcost_lib.packs.releases import NAME, released
from pathcost_lib.present.display import MESSAGE, TABLE

__all__ = ["Leak", "Packs", "attack", "attack_one", "payloads_of", "refuse", "released_payloads"]

#: Payloads by pack and notebook.
Packs = Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]
Key = frozenset[tuple[str, str]]

#: Names under which notebooks show the mean cost of the same pathways, and what a row is of.
_SAME = {"pathway_gbp": "mean_gbp", "value_gbp": "mean_gbp", "claim": "pathway"}
#: Words of a row that name what another word of it says, or comment on it.
_COMMENT = {"reason", "provider", "finding", "how_sure", "may_be_warranted_by", "organisation"}
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
    shown: list[tuple[str, str, Any, float]] = field(default_factory=list)  # pack, table, value, step

    @property
    def packs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(pack for pack, *_ in self.shown))

    @property
    def hidden(self) -> bool:
        return all(value == STAR for *_, value, _ in self.shown)

    @property
    def where(self) -> str:
        """The table and column in which it is hidden, or else the first."""
        found = next((table for _, table, value, _ in self.shown if value == STAR), self.shown[0][1])
        return f"{found}, {self.measure}"


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


def released_payloads(reports: Path, *, but: str) -> dict[str, dict[str, list[Mapping[str, Any]]]]:
    """Return the payloads of the packs that are released and lie in the reports folder, by pack and notebook."""
    return {pack: payloads_of(reports / pack) for pack in released(reports / NAME) if pack != but}


def payloads_of(pack: Path) -> dict[str, list[Mapping[str, Any]]]:
    """Return the payloads of the notebooks in a pack's folder: its tables, and the figures behind its messages."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for file in sorted(pack.glob("[0-9][0-9]_*.ipynb")):
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        data = [o.get("data", {}) for c in cells for o in c.get("outputs", [])]
        shown = [d[TABLE] if TABLE in d else d[MESSAGE].get("behind") for d in data if TABLE in d or MESSAGE in d]
        found[file.stem] = [p for p in shown if p]
    return found


def attack_one(pack: str, notebooks: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Leak]:
    """Return what the rows of one pack give away, and the same rows of a notebook held against each other."""
    people = _people({pack: notebooks})
    found = []
    for source, shown in notebooks.items():
        for payload in shown:
            for row in payload["rows"]:
                of = people.get(_key(payload, row)) or people.get(_key(payload, None))
                for column, how in row_leaks(payload, row, of):
                    found.append(Leak((pack,), f"{source}: {payload['title']}, {column}", how))
            found += [Leak((pack,), f"{source}: {payload['title']}", how) for how in _order(payload)]
        found += _twice_in_a_notebook(pack, source, shown)
    return list(dict.fromkeys(found))


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
    return list(dict.fromkeys([*leaks, *_sums(cells, packs, areas, seconds)]))


# -- cells, by what they count ----------------------------------------------------------------------------------------
def _key(payload: Mapping[str, Any], row: Sequence[Any] | None) -> Key:
    """Return what a row counts: what is said of the whole table, and the row's own words."""
    said = {(k, str(v)) for k, v in payload.get("of", {}).items() if k not in _COMMENT}
    return frozenset(said if row is None else {*said, *_words(payload, row)})


def _words(payload: Mapping[str, Any], row: Sequence[Any]) -> set[tuple[str, str]]:
    pairs = zip(payload["columns"], row, strict=True)
    found = {(_SAME.get(c["key"], c["key"]), str(v)) for c, v in pairs if not c["number"]}
    return {pair for pair in found if pair[0] not in _COMMENT}


def _people(packs: Packs) -> dict[Key, range]:
    """Return how many people each group is, where some table of them says so."""
    found: dict[Key, range] = {}
    for payload in (p for notebooks in packs.values() for shown in notebooks.values() for p in shown if p.get("of")):
        places = [n for n, c in enumerate(payload["columns"]) if c["key"] == "pathways"]
        for row in payload["rows"] if places and payload["rule"] in SMALLEST else []:
            if isinstance(row[places[0]], int | float) and row[places[0]]:
                found.setdefault(_key(payload, row), span(row[places[0]], payload["rule"]))
    return found


def _cells(packs: Packs) -> dict[tuple[str, Key, str], _Cell]:
    """Return the cells of all tables that say what they count, by the notebook's table, key and measure."""
    cells: dict[tuple[str, Key, str], _Cell] = {}
    for pack, notebooks in packs.items():
        for source, shown in notebooks.items():
            for payload in (p for p in shown if p.get("of") and p["rule"] in SMALLEST):
                table = f"{source}: {payload.get('name', payload['title'])}"
                for place, row in enumerate(payload["rows"]):
                    key = _key(payload, row)
                    for column, value in zip(payload["columns"], row, strict=True):
                        if not column["number"] or value is None:
                            continue
                        own = column["key"]
                        begin = next((b for b in _EVERYWHERE if own.startswith(b)), "")
                        measure = _SAME.get(own.removeprefix(begin), own.removeprefix(begin))
                        measure = "mean_gbp" if begin and measure == "gbp" else measure
                        whose = key if not begin else frozenset({*(k for k in key if k[0] != _AREA), _EVERYBODY})
                        steps = payload.get("steps", {}).get(own, [])
                        step = steps[place] if place < len(steps) else 0.0
                        at = (table if begin or measure not in ("contacts", "pathways") else source, whose, measure)
                        cell = cells.setdefault(at, _Cell(measure, payload["rule"]))
                        cell.shown.append((pack, f"{source}: {payload['title']}", value, step))
    return cells


def _differs(cell: _Cell) -> str:
    """Say how the places where one cell is shown differ."""
    values = {value for *_, value, _ in cell.shown}
    if len(values) == 1:
        return ""
    return "hidden in one place and shown in another" if STAR in values else "the same cell with two numbers"


def _twice_in_a_notebook(pack: str, source: str, shown: Sequence[Mapping[str, Any]]) -> Iterator[Leak]:
    """Rows of the same words in tables with the same columns of words: a number in one, a star in the other."""
    held: dict[tuple[Any, ...], dict[str, set[bool]]] = defaultdict(lambda: defaultdict(set))
    for payload in (p for p in shown if p["rule"] in SMALLEST):
        heads = [c["key"] for c in payload["columns"]]
        family = payload["title"].split(":")[0]
        for row in payload["rows"]:
            pairs = zip(heads, payload["columns"], row, strict=True)
            words = frozenset((k, v) for k, c, v in pairs if not c["number"] and k not in _COMMENT - {"provider"})
            for key, value in zip(heads, row, strict=True):
                if words and isinstance(value, int | float | str) and (key, value) not in words:
                    held[family, words, key][payload["title"]].add(value == STAR)
    for (_, _, key), tables in held.items():
        # Rows of the same words within one table are not the same row.
        if all(len(stars) == 1 for stars in tables.values()) and len({*map(min, tables.values())}) > 1:
            first, second = list(tables)[:2]
            yield Leak((pack,), f"{source}: {first}, {key}", f"hidden here or in {second!r}, and shown in the other")


def _order(payload: Mapping[str, Any]) -> Iterator[str]:
    """A star among rows that are sorted by their numbers lies between its neighbours'."""
    rows, columns = payload["rows"], payload["columns"]
    words = [tuple(str(v) for c, v in zip(columns, row, strict=True) if not c["number"]) for row in rows]
    if words == sorted(words) or payload["rule"] not in SMALLEST:
        return
    for place, column in enumerate(columns):
        values = [row[place] for row in rows]
        shown = [n for n, value in enumerate(values) if isinstance(value, int | float)]
        among = [n for n, value in enumerate(values) if value == STAR and shown and shown[0] < n < shown[-1]]
        numbers = [values[n] for n in shown]
        # Eight in a row by chance are one in 20,000, either way; fewer different ones would be an accident.
        if among and len(set(numbers)) >= 8 and numbers in (sorted(numbers), sorted(numbers, reverse=True)):
            yield f"a star stands among rows sorted by {column['key']}"


# -- sums -------------------------------------------------------------------------------------------------------------
@dataclass
class _Sums:
    """Unknowns between bounds, and lines of them that add up to another."""

    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    lines: list[tuple[list[int], int]] = field(default_factory=list)
    hidden: dict[int, _Cell] = field(default_factory=dict)

    def add(self, low: float, high: float) -> int:
        self.low.append(low)
        self.high.append(high)
        return len(self.low) - 1

    def matrix(self, lines: Sequence[tuple[list[int], int]]) -> np.ndarray:
        found = np.zeros((len(lines), len(self.low)))
        for n, (parts, total) in enumerate(lines):
            found[n, parts] = 1.0
            found[n, total] = -1.0
        return found

    def keep_what_fits(self) -> None:
        """Leave out lines that what is shown contradicts: they are not of one definition."""
        if self.lines and self._solve(np.zeros(len(self.low)), self.lines) is None:
            kept: list[tuple[list[int], int]] = []
            for line in self.lines:
                if self._solve(np.zeros(len(self.low)), [*kept, line]) is not None:
                    kept.append(line)
            self.lines = kept

    def _solve(self, goal: np.ndarray, lines: Sequence[tuple[list[int], int]]) -> np.ndarray | None:
        bounds = np.column_stack([self.low, self.high])
        found = linprog(goal, A_eq=self.matrix(lines), b_eq=np.zeros(len(lines)), bounds=bounds, method="highs")
        return found.x if found.status == 0 else None

    def end(self, cell: int, sign: float) -> float:
        """Return the least (1) or the most (-1) that a cell can be."""
        found = self._solve(sign * np.eye(1, len(self.low), cell)[0], self.lines)
        return (
            self.low[cell] if found is None and sign > 0 else self.high[cell] if found is None else float(found[cell])
        )

    def most_whole(self, cell: int, seconds: float) -> float:
        """Return the most that a count can be, in whole numbers."""
        size = len(self.low)
        rows = LinearConstraint(self.matrix(self.lines), 0, 0)
        options = {"time_limit": seconds}
        within = Bounds(np.array(self.low), np.array(self.high))
        goal = -np.eye(1, size, cell)[0]
        found = milp(goal, constraints=rows, bounds=within, integrality=np.ones(size), options=options)
        return -float(found.fun) if found.status == 0 else self.high[cell]


def _sums(
    cells: Mapping[tuple[str, Key, str], _Cell], packs: Packs, areas: Sequence[str], seconds: float
) -> Iterator[Leak]:
    """Yield the hidden cells that sums give away: counts as whole numbers, then pounds."""
    by_key: dict[str, dict[Key, _Cell]] = defaultdict(dict)
    for (_, key, measure), cell in cells.items():
        held = by_key[measure].setdefault(key, _Cell(measure, cell.rule))
        held.shown += cell.shown
    everyone = set(areas) and set(areas) <= {dict(key).get(_AREA, "") for key in by_key.get("contacts", {})}
    began = time.monotonic()
    for measure in ("contacts", "pathways", "mean_gbp", "cost_gbp"):
        for group in _groups(by_key.get(measure, {}), bool(everyone)):
            sums = _system(by_key[measure], group, measure, by_key.get("pathways", {}), bool(everyone), areas)
            if sums.hidden and time.monotonic() - began < 60 * seconds:
                yield from _ends(sums, measure, seconds)


def _groups(found: Mapping[Key, _Cell], everyone: bool) -> list[list[Key]]:
    """Return the cells of each patient group: one pathway in a year and area; with everyone's, all areas together."""
    groups: dict[Any, list[Key]] = defaultdict(list)
    apart = {"what", "year", "pathway", "provider_code", *(() if everyone else (_AREA, _EVERYBODY[0]))}
    for key in found:
        groups[frozenset(k for k in key if k[0] in apart)].append(key)
    return [keys for keys in groups.values() if len(keys) > 1]


def _system(
    found: Mapping[Key, _Cell],
    group: Sequence[Key],
    measure: str,
    people: Mapping[Key, _Cell],
    everyone: bool,
    areas: Sequence[str],
) -> _Sums:
    sums, place = _Sums(), dict[Key, int]()
    for key in group:
        low, high = _bounds(found[key], measure)
        place[key] = sums.add(low, high)
        if found[key].hidden:
            sums.hidden[place[key]] = found[key]
    if measure in ("contacts", "cost_gbp", "mean_gbp"):
        _add_lines(sums, place, _PARTS)
    if everyone and measure == "mean_gbp":
        _add_totals(sums, place, people, areas)
    elif everyone:
        _add_lines(sums, place, {_AREA}, len(set(areas)))
    sums.keep_what_fits()
    return sums


def _within(total: Key, key: Key) -> bool:
    """Say whether a cell counts some of what another does: it says more, and of an area where the other is of all."""
    return total - {_EVERYBODY} < key and ((_EVERYBODY in total) == (_EVERYBODY in key) or _AREA in dict(key))


def _add_lines(sums: _Sums, place: Mapping[Key, int], splits: set[str], whole: int = 0) -> None:
    """Add up the cells that say one or two words more than another, all of them of the same kind."""
    for total, at in place.items():
        finer: dict[frozenset[str], list[int]] = defaultdict(list)
        for key, cell in place.items():
            more = {k for k, _ in key - total}
            if _within(total, key) and more and more <= splits:
                finer[frozenset(more)].append(cell)
        sums.lines += [(parts, at) for parts in finer.values() if not whole or len(parts) == whole]


def _add_totals(sums: _Sums, place: Mapping[Key, int], people: Mapping[Key, _Cell], areas: Sequence[str]) -> None:
    """Add up over areas the totals that means and people give: each an unknown between the least and most of both."""
    for total, at in dict(place).items():
        parts = [(key, cell) for key, cell in place.items() if {k for k, _ in key - total} == {_AREA}]
        parts = [(key, cell) for key, cell in parts if _within(total, key)]
        if len(parts) != len(set(areas)):
            continue
        counts = [_of_whom(key, people) for key, _ in parts]
        if any(c is None for c in counts):
            continue
        ends = [(c.start, c.stop - 1) for c in counts if c is not None]
        pounds = [
            sums.add(sums.low[cell] * low, min(sums.high[cell] * high, _MOST))
            for (_, cell), (low, high) in zip(parts, ends, strict=True)
        ]
        everyone = [sum(end[n] for end in ends) for n in (0, 1)]
        whole = sums.add(sums.low[at] * everyone[0], min(sums.high[at] * everyone[1], _MOST))
        sums.lines.append((pounds, whole))
        for (_, cell), unknown in zip(parts, pounds, strict=True):
            if cell in sums.hidden:
                sums.hidden[unknown] = sums.hidden[cell]


def _of_whom(key: Key, people: Mapping[Key, _Cell]) -> range | None:
    cell = next((people[k] for k in sorted(people, key=len) if k <= key and dict(k).get(_AREA)), None)
    shown = next((v for *_, v, _ in cell.shown if isinstance(v, int | float)), None) if cell else None
    return span(shown, cell.rule) if cell and shown is not None else None


def _bounds(cell: _Cell, measure: str) -> tuple[float, float]:
    """Return between what a cell lies, by every place where it is shown."""
    low, high = (0.0, _MOST)
    for *_, value, step in cell.shown:
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


def _ends(sums: _Sums, measure: str, seconds: float) -> Iterator[Leak]:
    for cell, shown in sums.hidden.items():
        if measure in ("contacts", "pathways"):
            top = SMALLEST[shown.rule]
            # The linear programme bounds the whole-number one from above.
            if sums.lines and sums.end(cell, -1.0) < top + 4 and sums.most_whole(cell, seconds) < top - 0.5:
                yield Leak(shown.packs, shown.where, "it can be none but a small number")
        elif sums.lines:
            high = sums.end(cell, -1.0)
            low = sums.end(cell, 1.0) if high < _MOST / 2 else 0.0
            if low > 0 and high - low <= _CLOSE * high:
                yield Leak(shown.packs, shown.where, "it is known closely from the sums that are shown")
