"""Which further cells to suppress so that no suppressed one can be had from the totals that are shown.

A line is a set of cells whose total is known. A suppressed cell is exposed if the lines determine it. Two checks find
that: one of each line by itself (fewer than two suppressed cells, or suppressed cells that rest on fewer people
together than may be shown), and one of all lines together, which sees what a chain of lines gives away.

Pounds are told by less than that: where the cells suppressed beside one hold next to no money, their sum is as good as
the cell. So a suppressed cell's pounds, as far as the lines bound them, must leave room of at least a fifth of the most
that they can be.

Sources: Cox L. H., Suppression methodology and statistical disclosure control. Journal of the American Statistical
Association 1980; 75: 377-385. Room: the p % rule with p of 10 on either side (Hundepool A. et al., Statistical
Disclosure Control, Wiley 2012, chapter 4).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linprog
from scipy.sparse import csr_array
from scipy.sparse.linalg import lsmr

from pathcost_lib.few import LARGEST_SHARES, NEWEST, SMALLEST

__all__ = ["SHARES", "Line", "exposed", "members", "nested_lines", "protect", "starts_of", "telling"]

#: Columns of a row with the share of its cost that one person, and that two together, bear, and the most they may.
SHARES = LARGEST_SHARES
#: The least room between the least and the most that a suppressed cell's pounds can be, as a share of the most.
_ROOM = 0.2


@dataclass(frozen=True)
class Line:
    """Cells that add up to as much as some other cells, or (where there are none) to a sum known from elsewhere."""

    parts: tuple[int, ...]
    total: tuple[int, ...] = ()

    @property
    def cells(self) -> np.ndarray:
        """All of them, those of the total last."""
        return np.array([*self.parts, *self.total], dtype=int)

    def signs(self) -> list[tuple[int, int]]:
        """Return each cell with the sign it has in the sum that is known."""
        return [*((part, 1) for part in self.parts), *((cell, -1) for cell in self.total)]


def members(frame: pd.DataFrame, by: Sequence[str]) -> dict[tuple[Any, ...], np.ndarray]:
    """Return the positions of the rows that share the values of some columns; of all rows where there are none."""
    places: dict[tuple[Any, ...], list[int]] = {}
    keys = frame[[*by]].itertuples(index=False, name=None) if len(by) else itertools.repeat((), len(frame))
    for row, key in enumerate(keys):
        places.setdefault(key, []).append(row)
    return {key: np.array(rows) for key, rows in places.items()}


def telling(frame: pd.DataFrame) -> np.ndarray:
    """Return the rows that tell of few people however many they count, where the frame says so.

    One person, or two, bear too much of the cost; or few are new, so that the year before, taken from this one, is
    theirs.
    """
    rows = np.zeros(len(frame), dtype=bool)
    for column, most in SHARES.items():
        if column in frame:
            rows |= (frame[column] > most).to_numpy(dtype=bool)
    if NEWEST in frame:
        rows |= ((frame[NEWEST] > 0) & (frame[NEWEST] < SMALLEST)).to_numpy(dtype=bool)
    return rows


def starts_of(frames: Mapping[str, pd.DataFrame]) -> dict[str, int]:
    """Return at which place each frame begins when all of them stand one after another."""
    return dict(zip(frames, itertools.accumulate(map(len, frames.values()), initial=0), strict=False))


def nested_lines(frames: Mapping[str, pd.DataFrame], by: Mapping[str, Sequence[str]]) -> list[Line]:
    """Return which rows of one frame add up to which of another, each being split by its own columns."""
    starts, lines = starts_of(frames), []
    for (name, split), (other, other_split) in itertools.combinations(by.items(), 2):
        both = [column for column in split if column in other_split]
        ours, theirs = members(frames[name], both), members(frames[other], both)
        for key in ours.keys() | theirs.keys():
            sides = [(starts[n], rows.get(key, ())) for n, rows in ((name, ours), (other, theirs))]
            lines.append(Line(*(tuple(int(start + row) for row in rows) for start, rows in sides)))
    return sorted(lines, key=lambda line: (line.parts, line.total))


def protect(
    values: np.ndarray,
    hide: np.ndarray,
    lines: Sequence[Line],
    *,
    smallest: int,
    pounds: np.ndarray | None = None,
    steps: np.ndarray | None = None,
) -> np.ndarray:
    """Return which cells to suppress: those in `hide`, and as few others as a greedy search finds.

    Parameters
    ----------
    values : array of float
        What each cell counts; never negative.
    hide : array of bool
        Cells that must be suppressed.
    lines : sequence of Line
        What adds up to what.
    smallest : int
        Suppressed cells of a line must count this many together; two of 7 each tell as much as two of nobody.
    pounds, steps : array of float, optional
        What each cell costs, which adds up as the lines do (lines with a missing one are passed over), and to what it
        is rounded where it is shown. Then no suppressed cell's pounds are told closely either.

    Notes
    -----
    The smallest cell goes first, those that count nobody last. Where nothing is left to suppress, all of the line is.
    """
    hide = hide.copy()
    # A total that is small is suppressed itself, and tells nothing.
    counted = [n for n in lines if n.total or not 0 < values[[*n.parts]].sum() < smallest]
    while True:
        _by_counts(values, hide, counted, smallest)
        if pounds is None or steps is None or not _widen_pounds(pounds, steps, values, hide, lines):
            return hide


def _by_counts(values: np.ndarray, hide: np.ndarray, lines: Sequence[Line], smallest: int) -> None:
    """Suppress more cells until no line, and not all of them together, tell what is suppressed."""
    while True:
        changed = [_widen(values, hide, line, smallest) for line in lines]
        if any(changed):
            continue
        # A row of nobody may be known: it is hidden only because what stands beside it is.
        bare, touched = set(np.flatnonzero(exposed(hide, lines) & (values > 0)).tolist()), set[int]()
        for line in lines:
            cells = line.cells
            free = cells[~hide[cells]]
            if len(free) and bare & {*cells.tolist()} and not touched & {*cells.tolist()}:
                hide[_cheapest(values, free)] = True
                touched |= {*cells.tolist()}
        if not touched:
            return


def exposed(hide: np.ndarray, lines: Sequence[Line]) -> np.ndarray:
    """Return which suppressed cells the lines determine, all of them together.

    A change to the suppressed cells that leaves every line's sum as it was does not move a cell that is determined. One
    such change is had by taking from a change at random the part that the lines see (least squares); a cell that it
    does not move is determined, but for an accident of probability zero.
    """
    cells = np.flatnonzero(hide)
    place = np.full(len(hide), -1)
    place[cells] = np.arange(len(cells))
    entries = [(n, place[c], s) for n, line in enumerate(lines) for c, s in line.signs() if place[c] >= 0]
    exposure = np.zeros(len(hide), dtype=bool)
    if entries:
        rows, columns, signs = (np.array(part) for part in zip(*entries, strict=True))
        seen = csr_array((signs.astype(float), (rows, columns)), (len(lines), len(cells)))
        change = np.random.default_rng(0).normal(size=len(cells))
        free = change - lsmr(seen, seen @ change, atol=1e-13, btol=1e-13, conlim=0, maxiter=20 * len(cells))[0]
        exposure[cells] = np.abs(free) < 1e-6
    return exposure


def _widen_pounds(
    pounds: np.ndarray, steps: np.ndarray, values: np.ndarray, hide: np.ndarray, lines: Sequence[Line]
) -> bool:
    """Suppress one more cell beside each whose pounds are told closely, and say whether any was.

    Of those that cost enough that which counts the fewest goes, else that which costs most.
    """
    before = hide.sum()
    lines = [line for line in lines if hide[line.cells].any() and not np.isnan(pounds[line.cells]).any()]
    for cell in _close(pounds, steps, hide, lines):
        beside = [line.cells for line in lines if cell in line.cells]
        free = np.unique(np.concatenate([cells[~hide[cells]] for cells in beside]))
        rich = free[pounds[free] >= _ROOM * pounds[cell]]
        if len(rich):
            hide[_cheapest(values, rich)] = True
        elif len(free):
            hide[free[np.argmax(pounds[free])]] = True
    return bool(hide.sum() > before)


def _close(pounds: np.ndarray, steps: np.ndarray, hide: np.ndarray, lines: Sequence[Line]) -> list[int]:
    """Return the suppressed cells whose pounds the lines bound closely, if none is known to be negative."""
    if not lines:
        return []
    cells = np.unique(np.concatenate([line.cells for line in lines]))
    place = {int(cell): n for n, cell in enumerate(cells)}
    entries = [(n, place[c], s) for n, line in enumerate(lines) for c, s in line.signs()]
    at, columns, signs = (np.array(part) for part in zip(*entries, strict=True))
    adds_up = csr_array((signs.astype(float), (at, columns)), (len(lines), len(cells)))
    true, dark = pounds[cells], hide[cells]
    most = 10 * np.abs(true).sum()
    # With a credit among the cells, no sum bounds any.
    low = np.where(dark, 0.0 if true.min() >= 0 else -most, true - steps[cells] / 2)
    high = np.where(dark, most, true + steps[cells] / 2)

    def corner(goal: np.ndarray) -> np.ndarray:
        bounds = np.column_stack([low, high])
        solution = linprog(goal, A_eq=adds_up, b_eq=np.zeros(len(lines)), bounds=bounds, method="highs")
        return np.asarray(solution.x) if solution.status == 0 else true

    # Most cells are seen to have room in a few corners; only the others are asked for one by one.
    rng = np.random.default_rng(0)
    corners = np.array([corner(rng.normal(size=len(cells)) * dark) for _ in range(8)])
    least, greatest = corners.min(axis=0), corners.max(axis=0)
    close = []
    for n in np.flatnonzero(dark & (least > 0) & (greatest - least <= _ROOM * greatest)):
        one = np.eye(1, len(cells), int(n))[0]
        down, up = min(least[n], corner(one)[n]), max(greatest[n], corner(-one)[n])
        if down > 0 and up - down <= _ROOM * up:
            close.append(int(cells[n]))
    return close


def _widen(values: np.ndarray, hide: np.ndarray, line: Line, smallest: int) -> bool:
    """Suppress one more cell of a line that gives away what it hides."""
    cells = line.cells
    hidden, free = cells[hide[cells]], cells[~hide[cells]]
    if not len(hidden) or not len(free) or (len(hidden) > 1 and not _told(values[hidden], smallest)):
        return False
    hide[_cheapest(values, free)] = True
    return True


def _told(counts: np.ndarray, smallest: int) -> bool:
    """Say whether the sum of suppressed counts tells of them: too few together, or all as many as small ones can be."""
    small, total = (counts < smallest).all(), counts.sum()
    return bool(total < smallest or (small and total > (smallest - 1) * len(counts) - 2))


def _cheapest(values: np.ndarray, cells: np.ndarray) -> int:
    """Return the cell that counts the fewest, those that count nobody last."""
    counts = values[cells]
    return int(cells[np.lexsort((cells, counts, counts == 0))[0]])
