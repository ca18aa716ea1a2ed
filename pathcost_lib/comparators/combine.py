"""Ages are combined before they are shared so that nothing need be hidden, and shared out again where they are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pathcost_lib.errors import InputError
from pathcost_lib.few import LARGEST_SHARES, SMALLEST

__all__ = ["OLDEST", "combine", "share_out", "squares_of"]

#: First age of the highest band, which is open.
OLDEST = 90
#: How much one person, and two together, bear of a cell's cost is bounded from the sum of squares, which hides some
#: cells that need not be and none too few.
_MOST_SQUARES = min(LARGEST_SHARES["largest_share"] ** 2, LARGEST_SHARES["two_largest_share"] ** 2 / 2)
BOTH = "all"
_STEPS = 50


def combine(rows: pd.DataFrame, *counts: str) -> pd.DataFrame:
    """Return the cells of one area's table with adjacent ages combined until each may be shown.

    Parameters
    ----------
    rows : DataFrame
        age_from, sex, the count, and what adds up over people: cost_gbp and squares (pounds squared) among it where
        there are costs. One row for each age and sex of the population, those without anybody as 0.
    *counts : str
        Columns of the people (or pathways) in a cell: each may be shown.

    Returns
    -------
    DataFrame
        age_band ("0 to 4", "90 and over"), sex ("all" where both had to be combined), and the sums. A cell has nobody,
        or eight at least, of whom none bears more than half of the cost and no two more than four fifths. Without rows
        where even all of them together are fewer.

    Notes
    -----
    Greedy, from the youngest: a cell is closed as soon as it may be shown; what is left over goes to the cell before.
    All cells are of one partition of ages and sexes, so that no sum or difference of them tells of fewer than one cell.
    """
    sums = [c for c in rows.columns if c not in ("age_from", "sex")]
    records: list[dict[str, Any]] = []
    for sex, part in rows.sort_values("age_from").groupby("sex"):
        cells = _closed(part, sums, counts)
        records += [{**cell, "sex": sex} for cell in cells]
    if not all(_may_be_shown(cell, counts) for cell in records):
        both = rows.groupby("age_from", as_index=False)[sums].sum()
        records = [{**cell, "sex": BOTH} for cell in _closed(both, sums, counts)]
    if not all(_may_be_shown(cell, counts) for cell in records):
        records = []
    table = pd.DataFrame(records, columns=["first", "last", "sex", *sums])
    bands = [_band(a, b) for a, b in zip(table.pop("first"), table.pop("last"), strict=True)]
    return table.assign(age_band=pd.Series(bands, dtype=str))


def _closed(rows: pd.DataFrame, sums: Sequence[str], counts: Sequence[str]) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = []
    current: dict[str, Any] | None = None
    for row in rows.to_dict("records"):
        one = {"first": row["age_from"], "last": row["age_from"], **{c: row[c] for c in sums}}
        current = one if current is None else _together(current, one, sums)
        if _may_be_shown(current, counts):
            cells.append(current)
            current = None
    while current is not None and cells and not _may_be_shown(current, counts):
        current = _together(cells.pop(), current, sums)
    return cells if current is None else [*cells, current]


def _together(a: Mapping[str, Any], b: Mapping[str, Any], sums: Iterable[str]) -> dict[str, Any]:
    return {"first": a["first"], "last": b["last"], **{c: a[c] + b[c] for c in sums}}


def _may_be_shown(cell: Mapping[str, Any], counts: Sequence[str]) -> bool:
    if all(cell[count] == 0 for count in counts):
        return True
    cost, squares = cell.get("cost_gbp", 0.0), cell.get("squares", 0.0)
    enough = all(cell[count] >= SMALLEST for count in counts)
    return enough and bool(squares <= _MOST_SQUARES * cost**2 + 1e-9)


def _band(first: float, last: float) -> str:
    return f"{first:.0f} and over" if last >= OLDEST else f"{first:.0f} to {last + 4:.0f}"


def squares_of(deviations: pd.Series, total: pd.Series, count: pd.Series) -> pd.Series:
    """Return the sum of squares from the sum of squared deviations from the mean, the total and the count."""
    return deviations + (total**2 / count.where(count > 0)).fillna(0.0)


def share_out(
    groups: pd.DataFrame, population: pd.DataFrame, own: pd.DataFrame, *, by: Sequence[str], lead: str
) -> pd.DataFrame:
    """Share combined ages and sexes out to those of the population.

    Parameters
    ----------
    groups : DataFrame
        Cells of other areas: icb_code, `by`, age_band, sex and sums.
    population : DataFrame
        icb_code, age_from, sex, persons of all areas.
    own : DataFrame
        The area's own cells, which are exact: `by`, age_from, sex and `lead`; its population is in `population`.
    by : sequence of str
        What else splits the cells (setting, pathway).
    lead : str
        Column of the sums by which a cell is shared out.

    Returns
    -------
    DataFrame
        icb_code, `by`, age_from, sex, share (of the cell), cell (its row in `groups`). Shares of a cell add up to 1.

    Notes
    -----
    By the rates of all areas together: rates by age that fit all cells best are found step by step, each cell shared
    out by people times rate (the EM algorithm for grouped Poisson counts; Dempster, Laird and Rubin, J. R. Statist.
    Soc. B 1977; 39: 1-38). Cells of one age and sex are as they were.
    """
    first, last = _ages(groups["age_band"])
    cells = groups[["icb_code", *by, lead]].assign(
        cell=np.arange(len(groups)), first=first, last=last, of=groups["sex"]
    )
    pairs = cells.merge(population, on="icb_code")
    inside = pairs["age_from"].between(pairs["first"], pairs["last"]) & pairs["of"].isin([BOTH]).where(
        pairs["of"] == BOTH, pairs["of"] == pairs["sex"]
    )
    pairs = pairs[inside].reset_index(drop=True)
    known = own[own["icb_code"].isin(population["icb_code"])].merge(population, on=["icb_code", "age_from", "sex"])
    strata = [*by, "age_from", "sex"]
    stratum, _ = pd.factorize(pd.MultiIndex.from_frame(pd.concat([pairs[strata], known[strata]])))
    here, there = stratum[: len(pairs)], stratum[len(pairs) :]
    size = int(stratum.max()) + 1 if len(stratum) else 0
    exact, people = np.bincount(there, known[lead], size), np.bincount(there, known["persons"], size)
    people = people + np.bincount(here, pairs["persons"], size)
    cell, persons, total = pairs["cell"].to_numpy(), pairs["persons"].to_numpy(), pairs[lead].to_numpy(dtype=float)
    share = persons / np.bincount(cell, persons, len(groups))[cell]
    for _ in range(_STEPS):
        rate = (exact + np.bincount(here, total * share, size)) / people
        weight = persons * rate[here]
        whole = np.bincount(cell, weight, len(groups))[cell]
        share = np.where(whole > 0, weight / np.where(whole > 0, whole, 1.0), share)
    return pairs[["icb_code", *strata, "cell"]].assign(share=share)


def _ages(bands: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return the first five-year age of each band, and the last."""
    parts = bands.str.extract(r"^(\d{1,3}) (?:to (\d{1,3})|and over)$")
    if parts[0].isna().any():
        raise InputError(f"age_band {bands[parts[0].isna()].iloc[0]!r} is no band. Allowed: 0 to 4, 90 and over.")
    return parts[0].astype(float), parts[1].astype(float).fillna(OLDEST + 4.0) - 4.0
