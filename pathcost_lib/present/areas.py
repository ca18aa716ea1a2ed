"""What all packs of a run hide, settled over all areas at once, so that no pack gives away what its neighbour hides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pathcost_lib.present.precision import mean_steps
from pathcost_lib.present.protection import Line, members, nested_lines, protect, starts_of, telling

__all__ = ["ALL_AREAS", "hidden_by_area"]

#: In place of an area's code: all of them together.
ALL_AREAS = ""


def hidden_by_area(
    everywhere: Mapping[str, pd.DataFrame],
    *,
    unit: str,
    by: Mapping[str, Sequence[str]],
    counts: Sequence[str],
    smallest: int,
    base: int,
    adds_up: str = "",
) -> dict[str, set[tuple[object, ...]]]:
    """Return the rows that are hidden, each by its area (or `ALL_AREAS`) and what splits its table.

    Parameters
    ----------
    everywhere : mapping of str to DataFrame
        Tables of counts by area, of which each area's pack shows its own rows beside those of all areas.
    unit : str
        Column of the area.
    by : mapping of str to sequence of str
        Further columns that split each table.
    counts : sequence of str
        Columns that count; those that a table has not are passed over. The last that a row has adds up. The first is
        what areas are chosen by: people before their contacts, so that notebooks which count the same people choose the
        same areas, whatever else they show.
    smallest : int
        Smallest count that may be shown.
    base : int
        To what counts are rounded.
    adds_up : str
        Column of mean pounds that add up within an area as the counts do; a hidden row's must not be told closely.
    """
    frames, keys = dict[str, pd.DataFrame](), {name: [unit, *by.get(name, ())] for name in everywhere}
    for name, table in everywhere.items():
        numbers = table[[count for count in counts if count in table]]
        first, last = numbers.iloc[:, 0].astype(float), numbers.ffill(axis=1).iloc[:, -1].astype(float)
        areas = table[keys[name]].assign(people=first.fillna(0.0), value=last.fillna(0.0))
        areas["small"] = _small(numbers, smallest) | telling(table)
        areas["pounds"] = table[adds_up].astype(float) if adds_up in table else np.nan
        areas["step"] = mean_steps(areas["pounds"], numbers, base)
        whole = areas.assign(**{unit: ALL_AREAS}).groupby(keys[name])[["people", "value"]].sum().reset_index()
        whole["pounds"] = _mean_of_all(areas, keys[name], whole)
        whole["step"] = mean_steps(whole["pounds"], whole[["value"]], base)
        whole["small"] = _small(whole[["people", "value"]], smallest)
        frames[name] = pd.concat([areas, whole], ignore_index=True)
    starts = starts_of(frames)
    across = [
        Line(tuple(starts[name] + rows[:-1]), (int(starts[name] + rows[-1]),))
        for name, frame in frames.items()
        for rows in members(frame, keys[name][1:]).values()
    ]
    lines = [*across, *nested_lines(frames, keys)]
    columns = ("people", "value", "pounds", "step", "small")
    people, values, pounds, steps, hide = (
        np.concatenate([frame[c].to_numpy() for frame in frames.values()]) for c in columns
    )
    hide = protect(people, hide, across, smallest=smallest)
    everybody = np.concatenate([(frame[unit] == ALL_AREAS).to_numpy() for frame in frames.values()])
    # Means do not add up over areas: within each they do, and within all of them.
    own, whole_pounds = np.where(everybody, np.nan, pounds), np.where(everybody, pounds, np.nan)
    while True:
        for adding in (own, whole_pounds):
            hide = protect(values, hide, lines, smallest=smallest, pounds=adding, steps=steps)
        # A row whose figure for all areas is hidden goes with it, in every area: their difference is shown.
        gone = np.array([part for line in across if hide[line.total[0]] for part in line.parts], dtype=int)
        if hide[gone].all():
            break
        hide[gone] = True
    return {name: set(members(frame[hide[starts[name] :][: len(frame)]], keys[name])) for name, frame in frames.items()}


def _mean_of_all(areas: pd.DataFrame, keys: Sequence[str], whole: pd.DataFrame) -> np.ndarray:
    """Return the mean pounds of all areas' people in each row of `whole`."""
    sums = areas.assign(pounds=areas["pounds"] * areas["people"], **{keys[0]: ALL_AREAS})
    total = sums.groupby([*keys])["pounds"].sum(min_count=1).reset_index()["pounds"].to_numpy(dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean: np.ndarray = total / whole["people"].to_numpy(dtype=float)
    return np.where(np.isfinite(mean), mean, np.nan)


def _small(counts: pd.DataFrame, smallest: int) -> pd.Series:
    return ((counts > 0) & (counts < smallest)).any(axis=1)
