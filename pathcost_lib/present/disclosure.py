"""Nothing that is shown may tell of one to seven people: small numbers are suppressed, others rounded.

The HES rule: 0 stays; 1 to 7 is shown as `*`; other counts go to the nearest 5; whatever rests on 1 to 7 people
(a mean, a share, an interval) is `*` too; a percentage has a decimal place only where its rounded denominator is at
least 4,000. Where totals are shown over a grouping, one suppressed row alone in its group could be had by
subtraction, so a second row of that group is suppressed with it.

Source: NHS England, Hospital Episode Statistics analysis guide, disclosure control for sub-national figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.present.areas import ALL_AREAS, hidden_by_area
from pathcost_lib.present.protection import Line, members, nested_lines, protect, starts_of

__all__ = ["MARK", "RULES", "Disclosed", "Rule", "disclose", "disclose_together"]

#: What stands in a suppressed cell.
MARK = "*"


@dataclass(frozen=True)
class Rule:
    """Counts from 1 to `smallest - 1` are suppressed; the others are rounded to the nearest `base`."""

    name: str
    smallest: int
    base: int
    decimal_from: int
    text: str


#: Named rules. HES and ECDS: NHS England's guide (above). Mental health: NHS England, Mental Health Services Data Set,
#: counts below 7. OMOP: OHDSI network studies, cells below 5 are not shared.
RULES = {
    name: Rule(
        name,
        smallest,
        5,
        4000,
        f"Counts of 1 to {smallest - 1}, and whatever rests on them, are shown as *; other counts are rounded to the "
        "nearest 5.",
    )
    for name, smallest in (("hes", 8), ("mental_health", 7), ("omop", 5))
}


@dataclass(frozen=True, eq=False)
class Disclosed:
    """A table that may be shown. Suppressed cells are NaN in `frame` and True in `hidden`.

    Attributes
    ----------
    frame : DataFrame
        What may be shown.
    hidden : DataFrame of bool
        Same shape: which cells are suppressed.
    rule : Rule
        By which rule.
    primary, secondary : int
        Rows suppressed because they are small, and to protect those.
    counts : tuple of str
        Columns that count people or contacts.
    of : mapping of str to str
        What all its rows count, as `disclose` was told.
    beside : int
        How many other tables it was settled with.
    over_areas : bool
        Whether what is hidden was settled over all areas.
    """

    frame: pd.DataFrame
    hidden: pd.DataFrame
    rule: Rule
    primary: int = 0
    secondary: int = 0
    counts: tuple[str, ...] = ()
    of: Mapping[str, str] = field(default_factory=dict)
    beside: int = 0
    over_areas: bool = False

    @property
    def note(self) -> str:
        """Footnote: the rule, and how many rows it touched."""
        if not self.counts:
            return ""
        if not self.primary + self.secondary:
            if not any(count in self.frame for count in self.counts):
                return ""
            return f"Counts are rounded to the nearest {self.rule.base}."
        return f"{self.rule.text} Rows suppressed: {self.primary} small, {self.secondary} to protect them."

    def headline(self, columns: Sequence[str], **where: object) -> Disclosed | None:
        """Return some columns of the last row with these values, for `present.message`; None if there is none."""
        if not {*columns, *where} <= set(self.frame.columns):
            return None
        rows = np.flatnonzero((self.frame[[*where]] == pd.Series(where)).all(axis=1))[-1:]
        frame, hidden = (part.iloc[rows].reset_index(drop=True)[[*columns]] for part in (self.frame, self.hidden))
        return replace(self, frame=frame, hidden=hidden) if len(rows) else None

    def select(self, columns: Sequence[str]) -> Disclosed:
        """Return some columns, still disclosed."""
        return replace(self, frame=self.frame[[*columns]], hidden=self.hidden[[*columns]])


def disclose(
    table: pd.DataFrame,
    *,
    counts: str | Sequence[str],
    rule: str = "hes",
    totals: Sequence[Sequence[str]] = (),
    by: Sequence[str] = (),
    everywhere: pd.DataFrame | None = None,
    focus: tuple[str, str] = ("", ""),
    apart: Mapping[str, Sequence[str]] | None = None,
    exempt: Sequence[str] = (),
    of: Mapping[str, str] | None = None,
) -> Disclosed:
    """Return `table` as it may be shown.

    Parameters
    ----------
    table : DataFrame
        Text columns say what a row is; every number of a row rests on the row's counts.
    counts : str or sequence of str
        Columns that count people or contacts; the last adds up over rows. A row with any of them too small is
        suppressed. Empty: the table counts nobody (prices, organisations), and is shown as it is.
    rule : str
        Name in `RULES`.
    totals : sequence of sequence of str
        Groupings of the rows over which totals are shown, here or elsewhere: `[["phase"], ["setting"]]`; `[[]]` is
        one total of all rows.
    by, everywhere, focus
        As in `disclose_together`, for the one table.
    apart : mapping of str to sequence of str, optional
        Another count column, and the number columns that rest on it alone: a national mean beside a local one.
    exempt : sequence of str
        Number columns that rest on no patients at all, or on far more than a table of this kind could tell of.
    of : mapping of str to str, optional
        What every row counts, in the words of the other notebooks that count the same, so that the audit of a pack can
        hold them against each other. What one table has as a column stands under the column's name:
        `{"what": "closed pathways", "year": "2024-25", "icb_code": "QHL"}`.

    Raises
    ------
    InputError
        If a count column or a grouping is not in the table, or the rule is not known.
    """
    settled: dict[str, Any] = {"by": {"": by}, "everywhere": None if everywhere is None else {"": everywhere}}
    settled |= {"totals": {"": list(totals)}, "focus": focus, "apart": apart, "exempt": exempt, "of": of}
    return disclose_together({"": table}, counts=counts, rule=rule, **settled)[""]


def disclose_together(
    tables: Mapping[str, pd.DataFrame],
    *,
    counts: str | Sequence[str],
    by: Mapping[str, Sequence[str]] | None = None,
    everywhere: Mapping[str, pd.DataFrame] | None = None,
    focus: tuple[str, str] = ("", ""),
    rule: str = "hes",
    totals: Mapping[str, Sequence[Sequence[str]]] | None = None,
    apart: Mapping[str, Sequence[str]] | None = None,
    exempt: Sequence[str] = (),
    of: Mapping[str, str] | None = None,
) -> dict[str, Disclosed]:
    """Return tables that count the same people, each as it may be shown beside the others.

    What is suppressed in one table cannot then be had by adding up the rows of another, nor by taking the packs of the
    other areas from the national figure.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        As `disclose` takes them.
    counts, rule, apart, exempt, of
        As in `disclose`. Only the last of the counts, by which they add up, must be in every table.
    by : mapping of str to sequence of str, optional
        Columns that split what a table counts, none for the whole: a table by phase adds up the table by phase and
        setting.
    everywhere : mapping of str to DataFrame, optional
        For a table whose national figures are shown too: the same counts by area. What is hidden is settled over all
        areas first, so that the pack of each hides what protects the others'.
    focus : (str, str)
        Column of the area in `everywhere`, and whose tables these are.
    totals : mapping of str to groupings, optional
        As in `disclose`, for each table: totals that are known, but not a row of any of the tables.

    Raises
    ------
    InputError
        As in `disclose`.
    """
    chosen = RULES[require_one_of(rule, RULES, what="Disclosure rule")]
    names = [counts] if isinstance(counts, str) else list(counts)
    others = {count: list(columns) for count, columns in (apart or {}).items()}
    held = {column for table in tables.values() for column in table}
    for name, table in tables.items():
        groups = {column for group in (totals or {}).get(name, ()) for column in group}
        for column in [*sorted({*names, *others} - held), *sorted({*names[-1:], *groups} - {*table})]:
            raise InputError(f"Column {column!r} is not in the table. Columns: {', '.join(map(str, table.columns))}.")
    elsewhere = {*exempt, *others, *(c for columns in others.values() for c in columns)}
    frames = {name: table.reset_index(drop=True).copy() for name, table in tables.items()}
    starts = starts_of(frames)
    lines = nested_lines(frames, by or {})
    for name, groupings in (totals or {}).items():
        lines += [Line(tuple(starts[name] + rows)) for g in groupings for rows in members(frames[name], g).values()]
    size = sum(map(len, frames.values()))
    hidden = {name: pd.DataFrame(False, index=frame.index, columns=frame.columns) for name, frame in frames.items()}
    small, hide = np.zeros(size, dtype=bool), np.zeros(size, dtype=bool)
    elsewhere_hidden: dict[str, set[Any]] = {}
    if national := {name: table for name, table in (everywhere or {}).items() if name in frames and len(table)}:
        options: dict[str, Any] = {"unit": focus[0], "by": by or {}, "counts": names, "smallest": chosen.smallest}
        elsewhere_hidden = hidden_by_area(national, **options)
    # Other counts first: a difference from a suppressed reference would give it away, so the row goes with it.
    for resting_on, columns in [*(([count], [count, *more]) for count, more in others.items()), (names, None)]:
        parts = [frame.reindex(columns=resting_on).to_numpy(dtype=float) for frame in frames.values()]
        values = np.concatenate(parts)
        if columns is not None and np.isnan(values).all():
            continue  # there is no reference, so it can give nothing away
        small = small | ((values > 0) & (values < chosen.smallest)).any(axis=1)
        area = ALL_AREAS if columns is not None else focus[1]
        hide = hide | small | _rows_in(frames, by or {}, elsewhere_hidden, area)
        if resting_on and hide.any():
            hide = protect(np.nan_to_num(values[:, -1]), hide, lines, smallest=chosen.smallest)
        for name, frame in frames.items():
            numbers = [str(c) for c in frame.select_dtypes("number") if c not in elsewhere]
            resting = numbers if columns is None else [c for c in columns if c in frame]
            frame[resting] = frame[resting].astype(float)
            rows = slice(starts[name], starts[name] + len(frame))
            hidden[name].loc[hide[rows], resting] = True
            if counted := [count for count in resting_on if count in frame]:
                _coarsen(frame, counted, resting, chosen)
    shown = {}
    for name, frame in frames.items():
        rows = slice(starts[name], starts[name] + len(frame))
        primary, secondary = int(small[rows].sum()), int((hide & ~small)[rows].sum())
        left = frame.mask(hidden[name])
        settled: dict[str, Any] = {
            "of": dict(of or {}),
            "beside": len(frames) - 1,
            "over_areas": name in (everywhere or {}),
        }
        shown[name] = Disclosed(left, hidden[name], chosen, primary, secondary, (*names, *others), **settled)
    return shown


def _rows_in(
    frames: Mapping[str, pd.DataFrame], by: Mapping[str, Sequence[str]], hidden: Mapping[str, set[Any]], area: str
) -> np.ndarray:
    """Return which rows of the tables, one after another, are hidden for an area."""
    marks: list[bool] = []
    for name, frame in frames.items():
        mark = np.zeros(len(frame), dtype=bool)
        for key, rows in members(frame, by.get(name, ())).items():
            mark[rows] = (area, *key) in hidden.get(name, ())
        marks += mark.tolist()
    return np.array(marks, dtype=bool)


def _coarsen(frame: pd.DataFrame, names: list[str], numbers: list[str], rule: Rule) -> None:
    frame[names] = np.floor(frame[names] / rule.base + 0.5) * rule.base
    shares = [c for c in numbers if c.endswith("_pct")]
    whole = (frame[names[0]] < rule.decimal_from).to_numpy()
    for column in shares:
        frame[column] = np.where(whole, frame[column].round(0), frame[column].round(1))
