"""Nothing that is shown may tell of one to seven people: small numbers are suppressed, others rounded.

The HES rule: 0 stays; 1 to 7 is shown as `*`; other counts go to the nearest 5; whatever rests on 1 to 7 people
(a mean, a share, an interval) is `*` too; a percentage has a decimal place only where its rounded denominator is at
least 4,000. Where totals are shown over a grouping, one suppressed row alone in its group could be had by
subtraction, so a second row of that group is suppressed with it.

Source: NHS England, Hospital Episode Statistics analysis guide, disclosure control for sub-national figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pathcost_lib.errors import InputError, require_one_of

__all__ = ["MARK", "RULES", "Disclosed", "Rule", "disclose"]

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


RULES = {
    "hes": Rule(
        "hes",
        8,
        5,
        4000,
        "Counts of 1 to 7, and whatever rests on them, are shown as *; other counts are rounded to the nearest 5.",
    )
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
    """

    frame: pd.DataFrame
    hidden: pd.DataFrame
    rule: Rule
    primary: int = 0
    secondary: int = 0
    counts: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """Footnote: the rule, and how many rows it touched."""
        if not self.counts:
            return ""
        if not self.primary:
            if not any(count in self.frame for count in self.counts):
                return ""
            return f"Counts are rounded to the nearest {self.rule.base}."
        return f"{self.rule.text} Rows suppressed: {self.primary} small, {self.secondary} to protect them."

    def select(self, columns: Sequence[str]) -> Disclosed:
        """Return some columns, still disclosed."""
        return replace(self, frame=self.frame[[*columns]], hidden=self.hidden[[*columns]])


def disclose(
    table: pd.DataFrame,
    *,
    counts: str | Sequence[str],
    rule: str = "hes",
    totals: Sequence[Sequence[str]] = (),
    apart: Mapping[str, Sequence[str]] | None = None,
    exempt: Sequence[str] = (),
) -> Disclosed:
    """Return `table` as it may be shown.

    Parameters
    ----------
    table : DataFrame
        Text columns say what a row is; every number of a row rests on the row's counts.
    counts : str or sequence of str
        Columns that count people or contacts. A row with any of them from 1 to 7 is suppressed. Empty: the table
        counts nobody (prices, organisations), and is shown as it is.
    rule : str
        Name in `RULES`.
    totals : sequence of sequence of str
        Groupings of the rows over which totals are shown, here or elsewhere: `[["phase"], ["setting"]]`; `[[]]` is
        one total of all rows.
    apart : mapping of str to sequence of str, optional
        Another count column, and the number columns that rest on it alone: a national mean beside a local one.
    exempt : sequence of str
        Number columns that rest on no patients at all, or on far more than a table of this kind could tell of.

    Raises
    ------
    InputError
        If a count column or a grouping is not in the table, or the rule is not known.
    """
    chosen = RULES[require_one_of(rule, RULES, what="Disclosure rule")]
    names = [counts] if isinstance(counts, str) else list(counts)
    others = {count: list(columns) for count, columns in (apart or {}).items()}
    for column in {*names, *others, *(c for group in totals for c in group)} - set(table.columns):
        raise InputError(f"Column {column!r} is not in the table. Columns: {', '.join(map(str, table.columns))}.")
    frame = table.reset_index(drop=True).copy()
    elsewhere = {*exempt, *others, *(c for columns in others.values() for c in columns)}
    numbers = [str(c) for c in frame.select_dtypes("number") if c not in elsewhere]
    frame[numbers] = frame[numbers].astype(float)
    hidden = pd.DataFrame(False, index=frame.index, columns=frame.columns)
    small, hide = np.zeros(len(frame), dtype=bool), np.zeros(len(frame), dtype=bool)
    # Other counts first: a difference from a suppressed reference would give it away, so the row goes with it.
    for resting_on, columns in [*(([count], [count, *more]) for count, more in others.items()), (names, numbers)]:
        values = frame[resting_on].to_numpy(dtype=float)
        small = small | ((values > 0) & (values < chosen.smallest)).any(axis=1)
        hide = _protect(frame, hide | small, values, totals)
        hidden.loc[hide, columns] = True
        if resting_on:
            _coarsen(frame, resting_on, columns, chosen)
    primary, secondary = int(small.sum()), int((hide & ~small).sum())
    return Disclosed(frame.mask(hidden), hidden, chosen, primary, secondary, (*names, *others))


def _protect(frame: pd.DataFrame, small: np.ndarray, values: np.ndarray, totals: Sequence[Sequence[str]]) -> np.ndarray:
    """Suppress a second row wherever a shown total would give one suppressed row away; repeat until none does."""
    hide = small.copy()
    weight = values[:, -1] if values.size else np.zeros(len(frame))
    groups = [_members(frame, list(by)) for by in totals]
    changed = True
    while changed:
        changed = False
        for members in (m for group in groups for m in group):
            open_rows = members[~hide[members] & (weight[members] > 0)]
            if hide[members].sum() == 1 and len(open_rows):
                hide[open_rows[np.argmin(weight[open_rows])]] = True
                changed = True
    return hide


def _members(frame: pd.DataFrame, by: list[str]) -> list[np.ndarray]:
    if not by:
        return [np.arange(len(frame))]
    return [np.asarray(rows) for rows in frame.groupby(by, sort=True).indices.values()]


def _coarsen(frame: pd.DataFrame, names: list[str], numbers: list[str], rule: Rule) -> None:
    frame[names] = np.floor(frame[names] / rule.base + 0.5) * rule.base
    shares = [c for c in numbers if c.endswith("_pct")]
    whole = (frame[names[0]] < rule.decimal_from).to_numpy()
    for column in shares:
        frame[column] = np.where(whole, frame[column].round(0), frame[column].round(1))
