"""How much units vary, in one number, and how much of it is chance.

Each measure comes as seen, and corrected for chance: the measure of the units' true relative rates. These are gamma
about 1 with a variance that the counts are consistent with, and, given a unit's count, gamma again (as in `counts`);
the corrected value is the median, and its interval the central part, of the measure over draws of both. In simulations
of 42 units 95 % intervals cover 92 to 96 %.

References
----------
McPherson K, Wennberg JE, Hovind OB, Clifford P. Small-area variations in the use of common surgical procedures. New
England Journal of Medicine 1982; 307: 1310-1314 (systematic component of variation).
Viechtbauer W. Confidence intervals for the amount of heterogeneity in meta-analysis. Statistics in Medicine 2007; 26:
37-52 (Q-profile).
Clayton D, Kaldor J. Empirical Bayes estimates of age-standardized relative risks. Biometrics 1987; 43: 671-681.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from pathcost_lib import arguments
from pathcost_lib.errors import InputError
from pathcost_lib.results import NotComputable, Result

__all__ = [
    "ChanceShare",
    "Component",
    "chance_share",
    "extremal_quotient",
    "gini",
    "interquartile_ratio",
    "systematic_component",
    "weighted_cv",
]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Component(Result):
    """A measure of variation.

    `table` has one row: measure, value (as seen), corrected, lower and upper (of the corrected), units, reason.
    """

    value: float | NotComputable
    corrected: float
    lower: float
    upper: float

    def __float__(self) -> float:
        return float(self.value) if not isinstance(self.value, NotComputable) else float("nan")

    @property
    def summary(self) -> str:
        """The measure as seen and corrected."""
        seen = str(self.value) if isinstance(self.value, NotComputable) else f"{self.value:.3g}"
        interval = f"{self.lower:.3g} to {self.upper:.3g}"
        name = self.table["measure"][0]
        return f"{name}: {seen} as seen; {self.corrected:.3g} ({interval}) once chance is taken off."


@dataclass(frozen=True, eq=False)
class ChanceShare(Result):
    """How much of the variation between units chance alone would produce.

    `table` has one row: units, variance_seen, variance_chance, variance_systematic, share.
    """

    share: float

    @property
    def summary(self) -> str:
        """The sentence for a board."""
        row = self.table.iloc[0]
        if self.share >= 1:
            return f"Chance alone would produce all of the variation seen between these {row['units']:.0f} units."
        return (
            f"Of the variation seen between these {row['units']:.0f} units, {self.share:.0%} is what chance alone "
            f"would produce; the other {1 - self.share:.0%} is more than chance."
        )


def systematic_component(observed: ArrayLike, expected: ArrayLike, *, confidence: float = 0.95) -> Component:
    """Return the systematic component of variation, the variance of true relative rates: (1/k) Σ ((O - E)² / E² - 1/E).

    Parameters
    ----------
    observed, expected : array-like
        Counts, and what was expected of each unit (its population will do: expected are scaled to the observed total).
        Two Series are matched by their index.
    confidence : float
        Level of the interval, such as 0.95.

    Raises
    ------
    InputError
        If there are fewer than 3 units, lengths or indexes differ, a count is negative, missing, infinite or text, an
        expected count is 0, no unit has events, or the level is not between 0.5 and 1.

    Notes
    -----
    Atlases print it times 100. As seen it can be below 0; corrected it cannot. The Q-profile interval solves
    Σ (O/E - 1)² / (1/E + σ²) = χ² quantiles on k - 1 degrees of freedom.
    """
    return _component("systematic component of variation", _mean_square_excess, observed, expected, confidence)


def extremal_quotient(observed: ArrayLike, expected: ArrayLike, *, confidence: float = 0.95) -> Component:
    """Return the highest rate over the lowest; as seen, not computable where a unit has no events.

    Arguments as `systematic_component`.
    """
    return _component("extremal quotient", _highest_over_lowest, observed, expected, confidence)


def interquartile_ratio(observed: ArrayLike, expected: ArrayLike, *, confidence: float = 0.95) -> Component:
    """Return the upper over the lower quartile of the units' rates; arguments as `systematic_component`."""

    def ratio(rate: Array, _: Array) -> Array:
        low, high = np.quantile(rate, [0.25, 0.75], axis=-1)
        return high / low

    return _component("interquartile ratio", ratio, observed, expected, confidence)


def gini(observed: ArrayLike, expected: ArrayLike, *, confidence: float = 0.95) -> Component:
    """Return Gini's coefficient of events over people; arguments as `systematic_component`.

    Twice the area between equality and the Lorenz curve of the units in order of their rates.
    """

    def coefficient(rate: Array, size: Array) -> Array:
        order = np.argsort(rate, axis=-1, kind="stable")
        people = size[order] / size.sum()
        events = np.cumsum(np.take_along_axis(rate, order, axis=-1) * people, axis=-1)
        events = events / events[..., -1:]
        before = np.insert(events[..., :-1], 0, 0.0, axis=-1)
        return np.asarray(1 - np.sum(people * (events + before), axis=-1))

    return _component("Gini coefficient", coefficient, observed, expected, confidence)


def weighted_cv(observed: ArrayLike, expected: ArrayLike, *, confidence: float = 0.95) -> Component:
    """Return the coefficient of variation of rates, weighted by expected; arguments as `systematic_component`."""

    def variation(rate: Array, size: Array) -> Array:
        share = size / size.sum()
        mean = np.sum(rate * share, axis=-1)
        return np.sqrt(np.sum((rate - mean[..., None]) ** 2 * share, axis=-1)) / mean

    return _component("weighted coefficient of variation", variation, observed, expected, confidence)


def chance_share(observed: ArrayLike, expected: ArrayLike) -> ChanceShare:
    """Return the share, at most 1, of the variance of O/E that Poisson chance alone would produce."""
    counts, size = _counts(observed, expected)
    seen, chance = float(np.mean((counts / size - 1) ** 2)), float(np.mean(1 / size))
    share = min(1.0, chance / seen) if seen > 0 else 1.0
    row = {
        "units": len(size),
        "variance_seen": seen,
        "variance_chance": chance,
        "variance_systematic": max(0.0, seen - chance),
        "share": share,
    }
    return ChanceShare(pd.DataFrame([row]), share)


def _counts(observed: ArrayLike, expected: ArrayLike) -> tuple[Array, Array]:
    if isinstance(observed, pd.Series) and isinstance(expected, pd.Series):
        expected = _matched(observed, expected)
    counts = arguments.number_list(observed, "Observed counts", least=0)
    size = arguments.number_list(expected, "Expected counts", least=0)
    if len(counts) != len(size) or len(counts) < 3:
        raise InputError(
            "Variation between units needs as many observed as expected counts, of 3 units or more "
            f"(here {counts.size} and {size.size})."
        )
    none = int((size == 0).sum())
    if none or not counts.any():
        raise InputError(f"Variation between units: nothing is expected of {none} unit(s), or no unit has events.")
    return counts, size * counts.sum() / size.sum()


def _matched(observed: pd.Series, expected: pd.Series) -> pd.Series:
    """Return the expected counts in the order of the observed: by label, never by position."""
    if observed.index.equals(expected.index):
        return expected
    same = set(observed.index) == set(expected.index) and observed.index.is_unique and expected.index.is_unique
    if not same:
        raise InputError(
            "Variation between units: observed and expected counts are of different units (their indexes)."
        )
    return expected.reindex(observed.index)


def _mean_square_excess(rate: Array, size: Array) -> Array:
    return np.asarray(np.mean((rate - 1) ** 2 - 1 / size, axis=-1))


def _highest_over_lowest(rate: Array, _: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.asarray(rate.max(axis=-1) / rate.min(axis=-1))


def _component(
    measure: str,
    statistic: Callable[[Array, Array], Array],
    observed: ArrayLike,
    expected: ArrayLike,
    confidence: float,
) -> Component:
    counts, size = _counts(observed, expected)
    confidence = _one_level(confidence)
    rate = counts / size
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = float(statistic(rate, size))
    value = seen if np.isfinite(seen) else NotComputable("a unit at the low end has no events")
    tail = (1 - confidence) / 2
    if statistic is _mean_square_excess:
        corrected, (low, high) = max(0.0, seen), _q_profile(rate, size, np.array([1 - tail, tail]))
    else:
        draws = statistic(_true_rates(counts, size), size)
        low, corrected, high = np.quantile(draws, [tail, 0.5, 1 - tail])
    name = f"{confidence * 100:.6g}".replace(".", "")
    row = {"measure": measure, "value": seen if np.isfinite(seen) else np.nan, "corrected": corrected}
    row |= {f"lower_{name}": low, f"upper_{name}": high, "units": len(size)}
    row["reason"] = value.reason if isinstance(value, NotComputable) else None
    return Component(pd.DataFrame([row]), value, corrected, low, high)


def _one_level(confidence: float) -> float:
    levels = arguments.confidence_levels(confidence)
    if len(levels) > 1:
        raise InputError("Variation between units: give one level of confidence.")
    return levels[0]


def _q_profile(rate: Array, size: Array, quantiles: Array) -> Array:
    """Return the variances of true rates at which Q is at given quantiles of its distribution, 0 at the least."""
    squares, noise = (rate - 1) ** 2, 1 / size
    goal = stats.chi2.ppf(quantiles, len(rate) - 1)
    # Q falls with the variance, and is below its goal at this one.
    low, high = np.zeros(len(goal)), np.sum(squares) / goal
    for _ in range(60):
        middle = (low + high) / 2
        above = np.sum(squares / (noise + middle[:, None]), axis=1) > goal
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.where(np.sum(squares / noise) <= goal, 0.0, (low + high) / 2)


def _true_rates(counts: Array, size: Array, draws: int = 500) -> Array:
    """Return draws (rows) of the units' true relative rates. The seed is fixed: a board sees the same figure twice."""
    rng = np.random.default_rng(1982)
    grid = np.linspace(0.001, 0.999, 41)
    variances = np.interp((np.arange(draws) + 0.5) / draws, grid, _q_profile(counts / size, size, grid))
    shape = 1 / np.maximum(variances, 1e-20)[:, None]
    return rng.gamma(shape + counts, 1 / (shape + size))
