"""How much units vary, in one number, and how much of it is chance.

Each measure comes as seen, and corrected: the measure of the units' true relative rates, whose variance is what is left
when chance is taken off. Its interval runs from the measure at the lowest to that at the highest variance that the
counts are consistent with.

References
----------
McPherson K, Wennberg JE, Hovind OB, Clifford P. Small-area variations in the use of common surgical procedures. New
England Journal of Medicine 1982; 307: 1310-1314 (systematic component of variation).
Viechtbauer W. Confidence intervals for the amount of heterogeneity in meta-analysis. Statistics in Medicine 2007; 26:
37-52 (Q-profile).
Louis TA. Estimating a population of parameter values using Bayes and empirical Bayes methods. JASA 1984; 79: 393-398
(rates shrunk so that their spread, and not each of them, is right).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

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
    confidence : float
        Level of the interval.

    Raises
    ------
    InputError
        If there are fewer than 3 units, lengths differ, or counts are negative or missing.

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
    return _component("extremal quotient", lambda rate, _: rate.max() / rate.min(), observed, expected, confidence)


def interquartile_ratio(observed: ArrayLike, expected: ArrayLike, *, confidence: float = 0.95) -> Component:
    """Return the upper over the lower quartile of the units' rates; arguments as `systematic_component`."""

    def ratio(rate: Array, _: Array) -> float:
        low, high = np.quantile(rate, [0.25, 0.75])
        return float(high / low)

    return _component("interquartile ratio", ratio, observed, expected, confidence)


def gini(observed: ArrayLike, expected: ArrayLike, *, confidence: float = 0.95) -> Component:
    """Return Gini's coefficient of events over people; arguments as `systematic_component`.

    Twice the area between equality and the Lorenz curve of the units in order of their rates.
    """

    def coefficient(rate: Array, size: Array) -> float:
        order = np.argsort(rate, kind="stable")
        people = size[order] / size.sum()
        events = np.cumsum(rate[order] * people)
        events /= events[-1]
        return float(1 - np.sum(people * (events + np.concatenate([[0.0], events[:-1]]))))

    return _component("Gini coefficient", coefficient, observed, expected, confidence)


def weighted_cv(observed: ArrayLike, expected: ArrayLike, *, confidence: float = 0.95) -> Component:
    """Return the coefficient of variation of rates, weighted by expected; arguments as `systematic_component`."""

    def variation(rate: Array, size: Array) -> float:
        mean = np.average(rate, weights=size)
        return float(np.sqrt(np.average((rate - mean) ** 2, weights=size)) / mean)

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
    counts, size = np.asarray(observed, dtype=float), np.asarray(expected, dtype=float)
    if counts.shape != size.shape or counts.ndim != 1 or len(counts) < 3:
        raise InputError(
            "Variation between units needs as many observed as expected counts, of 3 units or more "
            f"(here {counts.size} and {size.size})."
        )
    bad = int((~(np.isfinite(counts) & np.isfinite(size) & (counts >= 0) & (size > 0))).sum())
    if bad or not counts.any():
        raise InputError(
            f"Variation between units: {bad} units have a missing or negative count, or none expected, or all are 0."
        )
    return counts, size * counts.sum() / size.sum()


def _mean_square_excess(rate: Array, size: Array) -> float:
    return float(np.mean((rate - 1) ** 2 - 1 / size))


def _component(
    measure: str,
    statistic: Callable[[Array, Array], float],
    observed: ArrayLike,
    expected: ArrayLike,
    confidence: float,
) -> Component:
    counts, size = _counts(observed, expected)
    rate = counts / size
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = float(statistic(rate, size))
    value = seen if np.isfinite(seen) else NotComputable("a unit at the low end has no events")
    variances = [max(0.0, _mean_square_excess(rate, size)), *_q_profile(rate, size, confidence)]
    if statistic is _mean_square_excess:
        corrected, low, high = variances
    else:
        corrected, low, high = (float(statistic(_rates_of_variance(rate, size, v), size)) for v in variances)
    name = f"{confidence * 100:.6g}".replace(".", "")
    row = {"measure": measure, "value": seen if np.isfinite(seen) else np.nan, "corrected": corrected}
    row |= {f"lower_{name}": low, f"upper_{name}": high, "units": len(size)}
    row["reason"] = value.reason if isinstance(value, NotComputable) else None
    return Component(pd.DataFrame([row]), value, corrected, low, high)


def _q_profile(rate: Array, size: Array, confidence: float) -> tuple[float, float]:
    """Return the lowest and highest variance of true rates that the counts are consistent with."""

    def solve(quantile: float) -> float:
        goal = stats.chi2.ppf(quantile, len(rate) - 1)

        def excess(variance: float) -> float:
            return float(np.sum((rate - 1) ** 2 / (1 / size + variance)) - goal)

        if excess(0.0) <= 0:
            return 0.0
        top = 1.0
        while excess(top) > 0:
            top *= 10
        return float(optimize.brentq(excess, 0.0, top, rtol=1e-12))

    return solve((1 + confidence) / 2), solve((1 - confidence) / 2)


def _rates_of_variance(rate: Array, size: Array, variance: float) -> Array:
    """Return rates drawn in towards 1, the smallest units most, so that they vary by `variance` and none falls to 0."""
    log_rate = np.log(np.maximum(rate * size, 0.5) / size)
    drawn = log_rate * np.sqrt(variance / (variance + 1 / size))
    if variance == 0:
        return np.ones_like(rate)
    # Rates of mean 1 and variance v have log variance log(1 + v) where they are log-normal.
    return np.asarray(np.exp(drawn * np.sqrt(np.log1p(variance) / max(np.mean(drawn**2), 1e-300))))
