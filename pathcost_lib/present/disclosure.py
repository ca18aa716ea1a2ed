"""Nothing that is shown may tell of one to seven people: small numbers are suppressed, others rounded.

The HES rule: 0 stays; 1 to 7 is shown as `*`; other counts go to the nearest 5; whatever rests on 1 to 7 people
(a mean, a share, an interval) is `*` too; a percentage has a decimal place only where its rounded denominator is at
least 4,000. Where totals are shown over a grouping, one suppressed row alone in its group could be had by
subtraction, so a second row of that group is suppressed with it. How exact every other number may be is `precision`.

Three rules more. Dominance: a row is suppressed in which one person bears more than half of the cost, or two together
more than four fifths. Order: suppressed rows stand last, by their labels, unless the rows have an order of their own.
Years: a row that counts all years up to one is suppressed where the last of them adds one to seven people.

Sources: NHS England, Hospital Episode Statistics analysis guide, disclosure control for sub-national figures.
Dominance: Hundepool A. et al., Statistical Disclosure Control (Wiley 2012), chapter 4, the (n, k) rule; ACRO, the
checker of the UK's secure research environments, refuses from 90 % for two (its `default.yaml`), we from 80 %.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.few import NEWEST, SMALLEST
from pathcost_lib.present.areas import ALL_AREAS, hidden_by_area
from pathcost_lib.present.precision import FIGURES_ONLY, KINDS, Resting, kind_of, mean_steps, release
from pathcost_lib.present.protection import SHARES, Line, members, nested_lines, protect, starts_of, telling

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
        f"Counts of 1 to {smallest - 1}, and whatever rests on them, are shown as *. Other counts are rounded to the "
        "nearest 5. Other numbers are rounded so that no single patient can be told from them.",
    )
    for name, smallest in (("hes", SMALLEST), ("mental_health", 7), ("omop", 5))
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
    steps : DataFrame
        To what each number of `frame` is rounded (0: not at all); empty where that is not known.
    small : array of bool
        Which rows, as they were given, are suppressed because they are small.
    rounding : mapping of str to str
        By which rule each number column is rounded (`precision.IN_WORDS`).
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
    steps: pd.DataFrame = field(default_factory=pd.DataFrame)
    small: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    rounding: Mapping[str, str] = field(default_factory=dict)

    @property
    def note(self) -> str:
        """Footnote: the rule, and how many rows it touched."""
        if not self.counts:
            return ""
        if not self.primary + self.secondary:
            if not any(count in self.frame for count in self.counts):
                return ""
            return f"Counts are rounded to the nearest {self.rule.base}, other numbers to match: parts may not add up."
        return f"{self.rule.text} Rows suppressed: {self.primary} small, {self.secondary} to protect them."

    def headline(self, columns: Sequence[str], **where: object) -> Disclosed | None:
        """Return some columns of the last row with these values, for `present.message`; None if there is none."""
        if not {*columns, *where} <= set(self.frame.columns):
            return None
        rows = np.flatnonzero((self.frame[[*where]] == pd.Series(where)).all(axis=1))[-1:]
        return self.rows(rows).select(columns) if len(rows) else None

    def head(self, many: int) -> Disclosed:
        """Return the first rows. Cut here, not before: which suppressed rows are among the largest tells of them."""
        return self.rows(np.arange(min(many, len(self.frame))))

    def rows(self, places: np.ndarray) -> Disclosed:
        """Return the rows at some places, in that order."""
        return self._each(lambda part: part.iloc[places].reset_index(drop=True))

    def select(self, columns: Sequence[str]) -> Disclosed:
        """Return some columns, still disclosed."""
        return self._each(lambda part: part[[c for c in columns if c in part]])

    def worded(self, words: Mapping[str, Sequence[str]]) -> Disclosed:
        """Return the table with columns of words, made from its own released numbers."""
        frame, hidden = self.frame.assign(**words), self.hidden.assign(**dict.fromkeys(words, False))
        return replace(self, frame=frame, hidden=hidden)

    def _each(self, cut: Callable[[pd.DataFrame], pd.DataFrame]) -> Disclosed:
        steps = cut(self.steps) if len(self.steps) else self.steps
        return replace(self, frame=cut(self.frame), hidden=cut(self.hidden), steps=steps)


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
    kinds: Mapping[str, str] | None = None,
    in_order: bool = False,
) -> Disclosed:
    """Return `table` as it may be shown.

    Parameters
    ----------
    table : DataFrame
        Text columns say what a row is; every number of a row rests on the row's counts. Columns `largest_share` and
        `two_largest_share` (of a row's cost, that of its dearest one and two people) decide on dominance and go; so
        does `newest` (of a count of several years, how many the year before does not count): 1 to 7 are suppressed.
    counts : str or sequence of str
        Columns that count people or contacts; the last adds up over rows. A row with any of them too small is
        suppressed. Empty: the table counts nobody (prices, organisations), or whole areas; nothing is suppressed, and
        numbers keep three significant figures.
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
        Number columns that rest on no patients at all, or on far more than a table of this kind could tell of; they
        keep three significant figures.
    of : mapping of str to str, optional
        What every row counts, in the words of the other notebooks that count the same, so that the audit of a pack can
        hold them against each other. What one table has as a column stands under the column's name:
        `{"what": "closed pathways", "year": "2024-25", "icb_code": "QHL"}`.
    kinds : mapping of str to str, optional
        Kind (`precision.KINDS`) of a number column whose name tells another: `{"index": "rate"}`.
    in_order : bool
        The rows stand in an order of their own (phases, months, labels), which tells nothing. Else suppressed rows go
        last, by their labels: their places among rows sorted by a number would bound it.

    Raises
    ------
    InputError
        If a count column or a grouping is not in the table, or the rule or a kind is not known.

    Examples
    --------
    Three contacts are too few to show; a second row goes too, so that nobody can subtract from the total. What is left
    is rounded, the contacts to five.

    >>> import pandas as pd
    >>> import pathcost_lib as pc
    >>> table = pd.DataFrame({
    ...     "setting": ["admitted", "community", "emergency", "outpatient"],
    ...     "contacts": [412, 3, 27, 188],
    ...     "cost_gbp": [1_870_250.0, 910.0, 7_240.0, 33_480.0],
    ... })
    >>> shown = pc.disclose(table, counts="contacts", totals=[[]])
    >>> shown.frame
          setting  contacts   cost_gbp
    0    admitted     410.0  1860000.0
    1   community       NaN        NaN
    2   emergency       NaN        NaN
    3  outpatient     190.0    33800.0
    >>> shown.primary, shown.secondary
    (1, 1)
    """
    settled: dict[str, Any] = {"by": {"": by}, "everywhere": None if everywhere is None else {"": everywhere}}
    settled |= {"totals": {"": list(totals)}, "focus": focus, "apart": apart, "exempt": exempt, "of": of}
    return disclose_together({"": table}, counts=counts, rule=rule, kinds=kinds, in_order=in_order, **settled)[""]


def disclose_together(
    tables: Mapping[str, pd.DataFrame],
    *,
    counts: str | Sequence[str],
    by: Mapping[str, Sequence[str]] | None = None,
    everywhere: Mapping[str, pd.DataFrame] | None = None,
    focus: tuple[str, str] = ("", ""),
    adds_up: str = "",
    rule: str = "hes",
    totals: Mapping[str, Sequence[Sequence[str]]] | None = None,
    apart: Mapping[str, Sequence[str]] | None = None,
    exempt: Sequence[str] = (),
    of: Mapping[str, str] | None = None,
    kinds: Mapping[str, str] | None = None,
    in_order: bool = False,
) -> dict[str, Disclosed]:
    """Return tables that count the same people, each as it may be shown beside the others.

    What is suppressed in one table cannot then be had by adding up the rows of another, nor by taking the packs of the
    other areas from the national figure.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        As `disclose` takes them.
    counts, rule, apart, exempt, of, kinds, in_order
        As in `disclose`. Only the last of the counts, by which they add up, must be in every table. A table with
        columns in `by` is in order.
    by : mapping of str to sequence of str, optional
        Columns that split what a table counts, none for the whole: a table by phase adds up the table by phase and
        setting.
    everywhere : mapping of str to DataFrame, optional
        For a table whose national figures are shown too: the same counts by area. What is hidden is settled over all
        areas first, so that the pack of each hides what protects the others'.
    focus : (str, str)
        Column of the area in `everywhere`, and whose tables these are.
    adds_up : str
        Column of mean pounds of the same people, which add up as the tables in `by` do. Then no suppressed one is told
        to a tenth either way.
    totals : mapping of str to groupings, optional
        As in `disclose`, for each table: totals that are known, but not a row of any of the tables.

    Raises
    ------
    InputError
        As in `disclose`.
    """
    names = [counts] if isinstance(counts, str) else list(counts)
    others = {count: list(columns) for count, columns in (apart or {}).items()}
    _require_columns(tables, names, others, totals or {})
    for column, kind in (kinds or {}).items():
        require_one_of(kind, [*KINDS, "count", "mean"], what=f"Kind of column {column!r}")
    system = _System(
        frames={name: table.reset_index(drop=True).copy() for name, table in tables.items()},
        rule=RULES[require_one_of(rule, RULES, what="Disclosure rule")],
        names=names,
        others=others,
        by=by or {},
        adds_up=adds_up,
        exempt=[*exempt],
        kinds=kinds or {},
    )
    system.add_totals(totals or {})
    elsewhere = {name: table for name, table in (everywhere or {}).items() if name in system.frames and len(table)}
    system.settle(elsewhere, focus)
    fields = {"of": dict(of or {}), "counts": (*names, *others), "beside": len(system.frames) - 1}
    return {
        name: system.table(
            name, in_order=in_order or bool((by or {}).get(name)), over_areas=name in (everywhere or {}), **fields
        )
        for name in system.frames
    }


def _require_columns(
    tables: Mapping[str, pd.DataFrame],
    names: Sequence[str],
    others: Mapping[str, Sequence[str]],
    totals: Mapping[str, Sequence[Sequence[str]]],
) -> None:
    columns = {column for table in tables.values() for column in table}
    for name, table in tables.items():
        groups = {column for group in totals.get(name, ()) for column in group}
        for column in [*sorted({*names, *others} - columns), *sorted({*names[-1:], *groups} - {*table})]:
            raise InputError(f"Column {column!r} is not in the table. Columns: {', '.join(map(str, table.columns))}.")


class _System:
    """Tables that are settled together: first what is hidden, over all of them, then how exact the rest is.

    Their rows stand one after another; `small` are those that are hidden for what they hold, `hide` those and the rows
    that protect them.
    """

    def __init__(
        self,
        frames: dict[str, pd.DataFrame],
        rule: Rule,
        names: Sequence[str],
        others: Mapping[str, list[str]],
        by: Mapping[str, Sequence[str]],
        adds_up: str,
        exempt: list[str],
        kinds: Mapping[str, str],
    ) -> None:
        self.frames, self.rule, self.names, self.others, self.by = frames, rule, names, others, by
        self.adds_up, self.exempt = adds_up, exempt
        # What is said to count is rounded as a count, whatever its name.
        self.kinds = dict.fromkeys([*names, *others], "count") | dict(kinds)
        self.starts, self.lines = starts_of(frames), nested_lines(frames, by)
        self.small = np.concatenate([telling(f) for f in frames.values()]) if names else np.zeros(self.size, bool)
        self.hide = np.zeros(self.size, dtype=bool)
        for name, frame in frames.items():
            frames[name] = frame.drop(columns=[c for c in (*SHARES, NEWEST) if c in frame])
        self.hidden = {name: pd.DataFrame(False, index=f.index, columns=f.columns) for name, f in frames.items()}
        self.steps = {name: pd.DataFrame(0.0, index=f.index, columns=f.columns) for name, f in frames.items()}
        self.rounding: dict[str, str] = {}

    @property
    def size(self) -> int:
        """How many rows there are."""
        return sum(map(len, self.frames.values()))

    def add_totals(self, totals: Mapping[str, Sequence[Sequence[str]]]) -> None:
        """Say which totals are known though no table has them."""
        for name, groupings in totals.items():
            for rows in (rows for g in groupings for rows in members(self.frames[name], g).values()):
                self.lines.append(Line(tuple(self.starts[name] + rows)))

    def settle(self, everywhere: Mapping[str, pd.DataFrame], focus: tuple[str, str]) -> None:
        """Decide what is hidden and round the rest.

        Other counts first: a difference from a suppressed reference would give it away, so the row goes with it.
        """
        over_areas: dict[str, set[Any]] = {}
        if everywhere:
            options: dict[str, Any] = {"unit": focus[0], "by": self.by, "counts": self.names, "adds_up": self.adds_up}
            options["base"] = self.rule.base
            over_areas = hidden_by_area(everywhere, smallest=self.rule.smallest, **options)
        self._release(self.exempt, [])
        # Dominance here hides nothing of everybody's: else one pack would hide what the others show.
        own, self.small = self.small, np.zeros(self.size, dtype=bool)
        for count, more in self.others.items():
            if not np.isnan(self._counted([count])).all():  # without a reference there is nothing to give away
                self._hide([count], over_areas, ALL_AREAS, own=False)
                self._mark([count, *more])
                self._release([count, *more], [count])
        self.small = self.small | own
        self._hide(self.names, over_areas, focus[1], own=True)
        apart = {*self.exempt, *self.others, *(c for columns in self.others.values() for c in columns)}
        rest = [str(c) for frame in self.frames.values() for c in frame.select_dtypes("number") if c not in apart]
        self._mark(rest)
        self._release(rest, self.names)

    def _counted(self, counts: Sequence[str]) -> np.ndarray:
        """Return counts of all rows, missing where a table has no such column."""
        return np.concatenate(
            [frame.reindex(columns=[*counts]).to_numpy(dtype=float) for frame in self.frames.values()]
        )

    def _hide(self, counts: Sequence[str], over_areas: Mapping[str, set[Any]], area: str, *, own: bool) -> None:
        """Hide rows that are small by some counts, those hidden over all areas, and what protects them.

        What is hidden of everybody is settled over all areas, where these are given: here an area has its own rows
        only, so that one pack would hide what others show.
        """
        values = self._counted(counts)
        self.small = self.small | ((values > 0) & (values < self.rule.smallest)).any(axis=1)
        self.hide = self.hide | self.small | _rows_in(self.frames, self.by, over_areas, area)
        counted = {name for name, frame in self.frames.items() if {*counts} & {*frame}}
        settled = not own and counted <= {*over_areas}
        if len(counts) and self.hide.any() and not settled:
            people = values[:, -1]
            lines = [line for line in self.lines if not np.isnan(people[line.cells]).any()]
            money = self._pounds(values) if own and self.adds_up else {}
            self.hide = protect(np.nan_to_num(people), self.hide, lines, smallest=self.rule.smallest, **money)

    def _pounds(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Return the pounds of all rows that add up, and to what they are rounded."""
        pounds = pd.concat([frame.reindex(columns=[self.adds_up])[self.adds_up] for frame in self.frames.values()])
        steps = mean_steps(pounds, pd.DataFrame(counts), self.rule.base)
        return {"pounds": pounds.to_numpy(dtype=float), "steps": steps.to_numpy()}

    def _mark(self, columns: Sequence[str]) -> None:
        """Mark columns of the rows that are hidden by now."""
        for name, frame in self.frames.items():
            rows = slice(self.starts[name], self.starts[name] + len(frame))
            self.hidden[name].loc[self.hide[rows], [c for c in dict.fromkeys(columns) if c in frame]] = True

    def _release(self, columns: Sequence[str], counts: Sequence[str]) -> None:
        """Round columns by the counts that they rest on."""
        rule = self.rule
        resting = Resting([*counts], rule.smallest, rule.base, rule.decimal_from, self.kinds)
        for name, frame in self.frames.items():
            numbers = set(frame.select_dtypes("number"))
            wanted = numbers & set(columns)
            measures = [str(c) for c in frame if c in wanted]
            released, steps, few = release(frame, measures, resting)
            for column in measures:
                self.steps[name][column], self.hidden[name][column] = (
                    steps[column],
                    self.hidden[name][column] | few[column],
                )
                kind = kind_of(column, self.kinds)
                open_kind = "as_is" if kind in ("as_is", "count") else FIGURES_ONLY
                self.rounding[column] = kind if counts else open_kind
                if kind != "as_is":  # whole numbers stay whole
                    frame[column] = released[column]

    def table(self, name: str, *, in_order: bool, **fields: Any) -> Disclosed:
        """Return one table as it may be shown."""
        frame, hidden = self.frames[name], self.hidden[name]
        rows = slice(self.starts[name], self.starts[name] + len(frame))
        small, hide = self.small[rows], self.hide[rows]
        many = int(small.sum()), int((hide & ~small).sum())
        fields |= {"steps": self.steps[name], "small": small}
        fields["rounding"] = {column: kind for column, kind in self.rounding.items() if column in frame}
        left = Disclosed(frame.mask(hidden), hidden, self.rule, *many, **fields)
        return left if in_order or not hide.any() else left.rows(_hidden_last(frame, hide))


def _hidden_last(frame: pd.DataFrame, hide: np.ndarray) -> np.ndarray:
    """Return the places of rows, those that are hidden last and by their labels; rows sorted by labels stay."""
    words = frame.select_dtypes(exclude="number").astype(str)
    labels = list(words.itertuples(index=False, name=None))
    if labels == sorted(labels):
        return np.arange(len(frame))
    starred = sorted(np.flatnonzero(hide).tolist(), key=lambda row: labels[row])
    return np.array([*np.flatnonzero(~hide).tolist(), *starred], dtype=int)


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
