"""How exact a number may be that leaves: what it rests on decides, by one rule for each kind of number.

A count leaves as the nearest 5, so 15 stands for 13 to 17 people: its class. Every other number leaves as a function of
rounded counts and of coarse statistics, so that each count of the class gives the same release.

- A mean (and a median, a ratio, an index) has a step of at least its own size over the rounded count, and three
  significant figures at most. Who knows the number of patients exactly still knows their total no better than to the
  cost of an average patient; who has two groups that differ by one patient knows that patient's cost no better.
- A sum, and a rate of events, is first taken to the rounded count (multiplied by rounded over true count): divided by
  the mean or by a public population it gives the rounded count, never the true one. Limits of a rate are taken to the
  limits that Byar's method gives at the rounded count.
- A share of people is worked out again from rounded counts; where the table has the divisor only, its step is 100 over
  the smallest divisor of the class, so that each divisor of the class has a numerator that fits; it is suppressed where
  the part, or the rest, is one to seven people.
- A share of pounds keeps a decimal place where it rests on many, and is never 0 where it is not.
- Limits go outward, so that an interval still covers what it says.
- A quantile has a step of eight patients' share of its size; one beyond which fewer than eight lie is suppressed, and
  so is any smallest or largest value.

Rounding looks at the cell alone: the same cell is the same number in every pack, so repetition averages nothing out.

Sources: the class of a rounded count, NHS England's rule (`disclosure`). Steps: Hundepool A. et al., Statistical
Disclosure Control (Wiley 2012), chapters 4 (a contributor must not be estimated closely from a published total) and 5
(rounding); NHS rules give none for pounds, so the step is ours. Byar's limits: `benchmark.intervals`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from pathcost_lib.intervals import poisson_limits, wilson_limits
from pathcost_lib.present.format import LIMIT, UNITS, measure_of

__all__ = [
    "COUNTED",
    "FIGURES_ONLY",
    "IN_WORDS",
    "KINDS",
    "Resting",
    "kind_of",
    "mean_steps",
    "nearest",
    "release",
    "step_of",
]

_FIGURES = 3
#: Units in which people, contacts or rows are counted; a column of them that is no count of its table is rounded too.
COUNTED = ("pathways", "contacts", "rows", "persons", "cases", "passages", "events", "units")

#: Kind of a number by its column's name; the first pattern that fits. A sum of pounds must be named here.
KINDS: dict[str, re.Pattern[str]] = {
    "as_is": re.compile(r"(^|_)(rank|decile|year|months|organisations|cells)$|^(threshold_gbp|q|r|days)$"),
    "rate": re.compile(r"^(rate|crude_rate)$"),
    "sum": re.compile(
        r"^(cost|actual|expected|excess|unusual|opportunity|once|once_variable|variable|cost_in_scope|matched)_gbp$"
        r"|^share_pct$"
    ),
    "extreme": re.compile(r"^(min|max|smallest|largest)_"),
    "quantile": re.compile(r"^median_|^p\d+_days$|^reference_days$"),
    "chance": re.compile(r"_chance$|^chance_|_(better|worse)_pct$|^worthwhile_pct$"),
    "difference": re.compile(r"^(difference|unmatched|net_benefit)_|_difference$"),
    "pounds_share": re.compile(r"^(outside|own_cost|inside|compounding_bias|coverage|ageing|growth)_pct$"),
    "share": re.compile(r"^(linkage|response|contacts|high|filled|uncosted|answered|linked)_pct$"),
}
#: Kind of a number that rests on a whole area or on no patients.
FIGURES_ONLY = "figures"
#: The rule of each kind, for readers.
IN_WORDS = {
    "count": "A count is rounded to the nearest 5.",
    "as_is": "It is shown as it is: a rank, a year, an assumption or a population tells of no patient.",
    FIGURES_ONLY: "It rests on a whole area or on no patients, so it has three significant figures.",
    "mean": "A mean has three significant figures at most, and is no finer than its size over the number of people.",
    "sum": "A sum is first taken to the rounded count, then rounded as a mean is.",
    "rate": "A rate is first taken to the rounded count, then rounded as a mean is.",
    "difference": "A difference is that of the two rounded numbers, or as exact as what it is a difference of.",
    "share": "A share of people is worked out from rounded counts. It has a decimal place only from 4,000 people.",
    "pounds_share": "A share of pounds has one decimal place at most, and is never zero where it is not.",
    "chance": "A probability is rounded to a whole per cent.",
    "quantile": "A quantile is no finer than eight patients' share of its size.",
    "extreme": "A smallest or largest value is one patient's, so it is never shown.",
}
#: Shares of which the table has both numbers: numerator, and divisor or the columns within which numerators add up.
_PARTS: dict[str, tuple[str, str | tuple[str, ...]]] = {
    "linkage_pct": ("linked_pathways", "due_pathways"),
    "response_pct": ("answered_pathways", "linked_pathways"),
    "contacts_pct": ("contacts", ("setting",)),
}
#: Count of a table on which a number rests, where it is not the last.
_OF_COUNT = {"unusual_gbp": "unusual_rows", "high_pct": "unusual_rows", "median_gbp": "recorded_rows"}
#: What a difference is the difference of, where the table has it: the measure here, beside the reference.
_HERE = ("mean_gbp", "value_gbp")


@dataclass(frozen=True)
class Resting:
    """What numbers of a table rest on.

    Attributes
    ----------
    counts : sequence of str
        Columns of true counts; none where the numbers rest on a whole area or on nobody.
    smallest, base, decimal_from : int
        Of the rule: the smallest count shown, to what counts are rounded, and from which divisor a percentage of people
        has a decimal place.
    kinds : mapping of str to str
        Kinds of columns whose name tells another.
    """

    counts: Sequence[str]
    smallest: int = 8
    base: int = 5
    decimal_from: int = 4000
    kinds: Mapping[str, str] = field(default_factory=dict)


def kind_of(column: str, kinds: Mapping[str, str] | None = None) -> str:
    """Return the kind of a number from its column's name: one of `KINDS`, "count", or else "mean".

    An unknown percentage is taken to be one of people, which is the stricter.
    """
    if kinds and column in kinds:
        return kinds[column]
    if column.rsplit("_", 1)[-1] in COUNTED:
        return "count"
    known = next((kind for kind, pattern in KINDS.items() if pattern.search(column)), "")
    return known or ("share" if column.endswith("_pct") else "mean")


def nearest(values: np.ndarray, base: float | np.ndarray) -> np.ndarray:
    """Return values to the nearest multiple of `base`, halves away from zero."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.sign(values) * np.floor(np.abs(values) / base + 0.5 + 1e-9) * base)


def step_of(scale: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Return the step to round to: 1, 2 or 5 times a power of ten.

    Parameters
    ----------
    scale : array of float
        Size of the number, or of what it is compared with.
    count : array of float
        Rounded count it rests on; infinity where it rests on so many that figures alone decide.

    Returns
    -------
    array of float
        The larger of a step of three significant figures, and of the least step of at least scale / count; 1 where the
        scale is zero or missing, and nothing needs rounding.
    """
    size = np.abs(np.nan_to_num(scale))
    known = size > 0
    size = np.where(known, size, 1.0)
    figures = 10.0 ** (np.floor(np.log10(size) + 1e-12) - _FIGURES + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(count > 0, size / count, 0.0)
    power = 10.0 ** np.floor(np.log10(np.where(share > 0, share, 1.0)) + 1e-12)
    lead = share / power
    rung = np.select([lead <= 1 + 1e-9, lead <= 2 + 1e-9, lead <= 5 + 1e-9], [1.0, 2.0, 5.0], 10.0) * power
    return np.where(known, np.maximum(figures, np.where(share > 0, rung, 0.0)), 1.0)


def mean_steps(means: pd.Series, counts: pd.DataFrame, base: int) -> pd.Series:
    """Return to what means are rounded by the counts that stand in their rows: the fewest people decide."""
    rounded = nearest(counts.to_numpy(dtype=float), base)
    few = np.where(rounded > 0, rounded, np.inf).min(axis=1)
    return pd.Series(step_of(means.to_numpy(dtype=float), few), index=means.index)


def release(
    frame: pd.DataFrame, columns: Sequence[str], resting: Resting
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the columns of a table as they may leave.

    Parameters
    ----------
    frame : DataFrame
        The table, its counts true; columns released before (a reference) as they were released.
    columns : sequence of str
        Number columns to release, the counts among them.
    resting : Resting
        What they rest on.

    Returns
    -------
    released, steps, hidden : DataFrame
        The columns; the step of each number (0 where it is as it was); and which cells may not leave at all.
    """
    work = _Release(frame, [c for c in frame if c in set(columns)], resting)
    for column in work.columns:
        work.settle(column)
    return work.out, work.steps, work.hidden


class _Release:
    """One table under way: columns are settled from left to right, a limit after the measure that it belongs to."""

    def __init__(self, frame: pd.DataFrame, columns: Sequence[str], resting: Resting) -> None:
        self.frame, self.columns, self.resting = frame, list(columns), resting
        self.counts = [c for c in resting.counts if c in frame]
        self.true = {c: frame[c].to_numpy(dtype=float) for c in self.counts}
        self.round = {c: nearest(v, resting.base) for c, v in self.true.items()}
        each = [np.where(v > 0, v, np.inf) for v in self.round.values()]
        #: Smallest rounded count of each row, of those that are not zero.
        self.few: np.ndarray = np.array(each or [np.full(len(frame), np.inf)]).min(axis=0)
        self.out = frame[self.columns].astype(float)
        self.steps = pd.DataFrame(0.0, index=frame.index, columns=self.columns)
        self.hidden = pd.DataFrame(False, index=frame.index, columns=self.columns)
        self.measure, self.kind, self.step = "", "mean", np.ones(len(frame))
        self.done: list[str] = []
        self.numbers = [str(c) for c in frame.select_dtypes("number")]

    def settle(self, column: str) -> None:
        """Round one column."""
        limit = LIMIT.search(column)
        if limit and (measure := measure_of(column, self.numbers[: self.numbers.index(column)])):
            own = measure in self.done  # else it was released before, with what it rests on
            self.measure, self.kind = measure, kind_of(measure, self.resting.kinds) if own else "mean"
            self.step = self.steps[measure].to_numpy() if own else np.zeros(len(self.frame))
            self._limit(column, limit[1] == "upper", float(f"0.{limit[2]}"))
            return
        self.measure, self.kind = column, kind_of(column, self.resting.kinds)
        values = self.frame[column].to_numpy(dtype=float)
        done, self.step = getattr(self, f"_{self.kind}")(column, values)
        self._put(column, done)

    def _put(self, column: str, values: np.ndarray) -> None:
        self.out[column] = np.round(values, 10) + 0.0  # no minus before zero
        self.steps[column] = self.step
        if not LIMIT.search(column):
            self.done.append(column)

    def _own(self, column: str) -> str | None:
        """Return the count that a number is in proportion to."""
        named = _OF_COUNT.get(column)
        return named if named in self.counts else self.counts[-1] if self.counts else None

    def _to_class(self, column: str, values: np.ndarray) -> np.ndarray:
        """Take what is in proportion to a count to the rounded count."""
        own = self._own(column)
        if own is None:
            return values
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.true[own] > 0, values * self.round[own] / self.true[own], values)

    # -- kinds --------------------------------------------------------------------------------------------------------
    def _count(self, column: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not self.counts:
            return values, np.zeros(len(values))
        if column not in self.counts:
            self.hidden[column] = (values > 0) & (values < self.resting.smallest)
        return nearest(values, self.resting.base), np.full(len(values), float(self.resting.base))

    def _as_is(self, column: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return values, np.zeros(len(values))

    def _mean(self, column: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scale = np.where(np.nan_to_num(values) == 0, self._reach(column), values)
        step = step_of(scale, self.few)
        done = nearest(values, step)
        return self._proportions(column, done, step)

    def _reach(self, column: str) -> np.ndarray:
        """Return the size of the limits that follow a measure: the scale of one that is zero or missing itself."""
        after = self.columns[self.columns.index(column) + 1 :]
        limits = _limits_after(after)
        if not limits:
            return np.zeros(len(self.frame))
        return np.nan_to_num(np.abs(self.frame[limits].to_numpy(dtype=float))).max(axis=1)

    def _sum(self, column: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values = self._to_class(column, values)
        step = step_of(np.where(np.nan_to_num(values) == 0, self._reach(column), values), self.few)
        return _never_zero(values, nearest(values, step), step), step

    _rate = _sum

    def _difference(self, column: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A difference is that of two released numbers, or as exact as what it is a difference of."""
        if column.endswith("_pct"):
            step = np.maximum(_rung(100.0 / self.few), 0.1)
            return _never_zero(values, nearest(values, step), step), step
        beside = [c for c in self.out if c in (*_HERE, "quantum_gbp") and _unit(c) == _unit(column)]
        sizes = [np.abs(self.frame[c].to_numpy(dtype=float)) for c in beside] + [np.abs(values), self._reach(column)]
        scale = np.nan_to_num(np.array(sizes)).max(axis=0)
        step = np.maximum(_rung(scale / self.few), step_of(values, np.full(len(values), np.inf)))
        done = nearest(values, step)
        if column == "difference_gbp" and beside and "reference_gbp" in self.frame:
            there = self.out if "reference_gbp" in self.done else self.frame  # else it was released before
            released = self.out[beside[0]].to_numpy() - there["reference_gbp"].to_numpy(dtype=float)
            done = np.where(np.isnan(values) | np.isnan(released), done, released)
        return done, step

    def _share(self, column: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A percentage of people: from rounded counts, or so coarse that every divisor of the class fits."""
        part, whole = _PARTS.get(column, ("", ""))
        if part in self.round and (isinstance(whole, tuple) or whole in self.round):
            divisor = self._within(part, whole) if isinstance(whole, tuple) else self.round[whole]
            with np.errstate(divide="ignore", invalid="ignore"):
                again = np.where(np.isnan(values) | ~(divisor > 0), np.nan, 100 * self.round[part] / divisor)
            step = np.where(divisor < self.resting.decimal_from, 1.0, 0.1)
            return nearest(np.minimum(again, 100.0), step), step
        own = self._own(column)
        if own is None:
            return nearest(values, 0.1), np.full(len(values), 0.1)
        part_of = np.round(values * self.true[own] / 100)
        for few in (part_of, self.true[own] - part_of):
            self.hidden[column] |= (few > 0) & (few < self.resting.smallest)
        least = np.maximum(self.round[own] - self.resting.base // 2, 1.0)
        step = np.maximum(np.where(self.round[own] < self.resting.decimal_from, 1.0, 0.1), _rung(100 / least))
        return _never_zero(values, nearest(values, step), step), step

    def _within(self, part: str, columns: Sequence[str]) -> np.ndarray:
        """Return the rounded sum of a count over the rows that share some columns."""
        keys = [self.frame[c] for c in columns if c in self.frame]
        true = pd.Series(self.true[part], index=self.frame.index)
        whole = true.groupby(keys).transform("sum") if keys else pd.Series(true.sum(), index=true.index)
        return nearest(whole.to_numpy(dtype=float), self.resting.base)

    def _pounds_share(self, column: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        step = np.maximum(_rung(np.abs(np.nan_to_num(values)) / self.few), 0.1)
        return _never_zero(values, nearest(values, step), step), step

    def _chance(self, column: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return nearest(values, 1.0), np.ones(len(values))

    def _quantile(self, column: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        match = re.match(r"p(\d+)_", column)
        share = float(f"0.{match[1]}") if match else 0.5
        if self.counts and share != 0.5:
            people = np.fmin.reduce([np.where(v > 0, v, np.inf) for v in self.true.values()])
            self.hidden[column] = people * min(share, 1 - share) < self.resting.smallest - 1e-9
        few = self.round.get(_OF_COUNT.get(column, ""), self.few)
        step = step_of(values, few / self.resting.smallest)
        step = np.maximum(step, 1.0) if _unit(column) == "days" else step
        return nearest(values, step), step

    def _extreme(self, column: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.hidden[column] = True
        return np.full(len(values), np.nan), np.zeros(len(values))

    # -- limits -------------------------------------------------------------------------------------------------------
    def _limit(self, column: str, upper: bool, level: float) -> None:
        """Round a limit outward to the step of its measure, and never past the measure itself."""
        values = self.frame[column].to_numpy(dtype=float)
        own = self._own(self.measure)
        if self.kind in ("sum", "rate") and own is not None:
            values = (
                self._rate_limit(values, own, upper, level)
                if self.kind == "rate"
                else self._to_class(self.measure, values)
            )
        if self.kind == "as_is":
            self.out[column] = values
            return
        figures = step_of(values, np.full(len(values), np.inf))
        step = np.maximum(self.step, np.where(np.nan_to_num(values) == 0, 0.0, figures))
        step = np.where(step > 0, step, 1.0)
        steps = values / step
        with np.errstate(invalid="ignore"):
            outward = np.ceil(steps - 1e-9) if upper else np.floor(steps + 1e-9)
        true = self.frame[self.measure].to_numpy(dtype=float)
        middle = self.out[self.measure].to_numpy() if self.measure in self.done else true
        exact = self.frame[column].to_numpy(dtype=float)
        done = np.where(true == exact, nearest(values, step), outward * step)
        beyond = exact >= true if upper else exact <= true
        done = np.where(beyond, (np.fmax if upper else np.fmin)(done, middle), done)
        done, _ = self._proportion_limit(done, upper, level)
        self._put(column, done)

    def _rate_limit(self, values: np.ndarray, own: str, upper: bool, level: float) -> np.ndarray:
        """Return a limit as far from its rate as Byar's (Dobson's) would be at the rounded count."""
        true, rounded = self.true[own], self.round[own]
        rate = self.frame[self.measure].to_numpy(dtype=float)
        safe = [np.where(n > 0, n, 1.0) for n in (true, rounded)]
        reach = [poisson_limits(n, level)[int(upper)] / n - 1 for n in safe]
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = self._to_class(self.measure, rate) * (1 + (values / rate - 1) * reach[1] / reach[0])
        return np.where((true > 0) & (rate > 0), moved, values)

    # -- rows in units of their own -----------------------------------------------------------------------------------
    def _proportion_rows(self) -> np.ndarray | None:
        """Return which rows of a table with a column of units hold events over pathways in per cent."""
        if "unit" not in self.frame or self.measure != "value" or not {"events", "pathways"} <= self.round.keys():
            return None
        return (self.frame["unit"] == "pct").to_numpy() & (self.round["pathways"] > 0) & (self.round["events"] >= 0)

    def _proportions(self, column: str, done: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = self._proportion_rows()
        if rows is None or not rows.any():
            return done, step
        with np.errstate(divide="ignore", invalid="ignore"):
            again = nearest(100 * np.minimum(self.round["events"] / self.round["pathways"], 1.0), 1.0)
        return np.where(rows & ~np.isnan(done), again, done), np.where(rows, 1.0, step)

    def _proportion_limit(self, done: np.ndarray, upper: bool, level: float) -> tuple[np.ndarray, None]:
        rows = self._proportion_rows()
        if rows is None or not rows.any():
            return done, None
        whole = np.where(rows, self.round["pathways"], 1.0)
        part = np.where(rows, np.minimum(self.round["events"], whole), 0.0)
        wilson = 100 * wilson_limits(part, whole, level)[int(upper)]
        outward = np.ceil(wilson - 1e-9) if upper else np.floor(wilson + 1e-9)
        return np.where(rows & ~np.isnan(done), outward, done), None


def _limits_after(columns: Sequence[str]) -> list[str]:
    """Return the limits at the head of some columns."""
    limits: list[str] = []
    for column in columns:
        if not LIMIT.search(column):
            break
        limits.append(column)
    return limits


def _rung(values: np.ndarray) -> np.ndarray:
    """Return the least 1, 2 or 5 times a power of ten that is not below."""
    safe = np.where((values > 0) & np.isfinite(values), values, 1.0)
    power = 10.0 ** np.floor(np.log10(safe) + 1e-12)
    lead = safe / power
    rung = np.select([lead <= 1 + 1e-9, lead <= 2 + 1e-9, lead <= 5 + 1e-9], [1.0, 2.0, 5.0], 10.0) * power
    return np.where((values > 0) & np.isfinite(values), rung, 0.0)


def _never_zero(values: np.ndarray, done: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return rounded values of which none is 0 that was not: half a step stands for less than that."""
    lost = (done == 0) & (np.abs(np.nan_to_num(values)) > 1e-6)
    return np.where(lost, np.sign(values) * step / 2, done)


def _unit(column: str) -> str:
    end = column.rsplit("_", 1)[-1]
    return end if end in UNITS or end == "days" else ""
