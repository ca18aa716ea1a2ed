"""Where funnel limits lie: exact limits of counts, and the scales on which counts and means are near enough normal.

References
----------
Spiegelhalter DJ. Funnel plots for comparing institutional performance. Statistics in Medicine 2005; 24: 1185-1202.
Spiegelhalter D, Sherlaw-Johnson C, Bardsley M, Blunt I, Wood C, Grigg O. Statistical methods for healthcare regulation:
rating, screening and surveillance. Journal of the Royal Statistical Society A 2012; 175: 1-47.
Lancaster HO. Significance tests in discrete distributions. JASA 1961; 56: 223-234 (the mid-P value).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

__all__ = ["Scale", "exact_limit", "exact_z", "level_name", "reference_distribution", "scale_for"]

Array = NDArray[np.float64]


def level_name(level: float) -> str:
    """Return how a level is written in a column name: 0.95 is "95", 0.998 is "998"."""
    return f"{level * 100:.6g}".replace(".", "")


@dataclass(frozen=True)
class Scale:
    """A scale on which a statistic is near enough normal with a standard error that its size alone decides.

    Attributes
    ----------
    name : str
        identity, square root, log, or arcsine.
    forward, inverse : callable
        To the scale and back. `inverse` stays inside what is possible: a ratio is never below 0.
    standard_error : callable
        (target, denominators) to the standard error on the scale, were the unit's truth the target.
    """

    name: str
    forward: Callable[[Array], Array]
    inverse: Callable[[Array], Array]
    standard_error: Callable[[float, Array], Array]


def _half(_: float, size: Array) -> Array:
    return np.asarray(0.5 / np.sqrt(size), dtype=float)


SQUARE_ROOT = Scale("square root", np.sqrt, lambda t: np.maximum(t, 0) ** 2, _half)
ARCSINE = Scale("arcsine", lambda y: np.arcsin(np.sqrt(y)), lambda t: np.sin(np.clip(t, 0, np.pi / 2)) ** 2, _half)
LOG_EVENTS = Scale("log", np.log, np.exp, lambda target, size: 1 / np.sqrt(target * size))
LOG_TWO_COUNTS = Scale("log", np.log, np.exp, lambda target, size: np.sqrt(1 / (target * size) + 1 / size))


def mean_scale(sd: float) -> Scale:
    """Return the natural scale of a mean of `size` values that vary with standard deviation `sd`."""
    return Scale("identity", np.asarray, np.asarray, lambda _, size: sd / np.sqrt(size))


def scale_for(kind: str, method: str, *, fixed_denominator: bool, sd: float) -> Scale:
    """Return the scale of a kind of indicator.

    Notes
    -----
    Proportions: arcsine of the square root, standard error 1/(2√n). Ratios: "cqc" square root, 1/(2√E); "shmi" log,
    1/√(θE). Rates: log, √(1/(θN) + 1/N), for the denominator is a count as well; 1/(θN) alone where it is a fixed
    population. A peer drops the first term's θ and gets limits that flag most units. Sources: Spiegelhalter 2012,
    appendix A.
    """
    if kind == "proportion":
        return ARCSINE
    if kind == "ratio":
        return LOG_EVENTS if method == "shmi" else SQUARE_ROOT
    if kind == "rate":
        return LOG_EVENTS if fixed_denominator else LOG_TWO_COUNTS
    return mean_scale(sd)


def reference_distribution(kind: str, target: float, size: Array) -> Any:
    """Return the distribution of the numerator, were each unit's truth the target: binomial, or Poisson."""
    return stats.binom(np.round(size), target) if kind == "proportion" else stats.poisson(target * size)


def exact_limit(distribution: Any, probability: float) -> Array:
    """Return the count at which the mid-P cumulative distribution reaches `probability`, interpolated.

    Parameters
    ----------
    distribution : frozen scipy discrete distribution
        One per unit.
    probability : float
        0.025 for the lower 95 % limit, 0.975 for the upper.

    Notes
    -----
    Spiegelhalter 2005 (appendix A.1) draws the straight line on P(R <= r), which sets both limits half a case low, so
    that the lower flags too few and the upper too many. On the mid-P cumulative P(R < r) + P(R = r)/2 each tail has its
    share on average over sizes. A count is outside a limit exactly where its mid-P tail is smaller than the limit's.
    Where no count is improbable enough, the lower limit is 0 (and an upper one the denominator): never flagged.
    """
    count = distribution.ppf(probability)
    below = np.where(_mid(distribution, count) >= probability, count - 1, count)
    at_below, at_above = _mid(distribution, below), _mid(distribution, below + 1)
    return np.maximum(below + (probability - at_below) / (at_above - at_below), 0.0)


def exact_z(distribution: Any, count: ArrayLike) -> Array:
    """Return the normal score of a count's mid-P tail: beyond 1.96 just where the count is outside the 95 % limits."""
    tiny = np.nextafter(0.0, 1.0)
    half = 0.5 * distribution.pmf(count)
    lower, upper = distribution.cdf(count) - half, distribution.sf(count) + half
    return np.where(lower < upper, stats.norm.ppf(np.maximum(lower, tiny)), -stats.norm.ppf(np.maximum(upper, tiny)))


def _mid(distribution: Any, count: Array) -> Array:
    return np.asarray(distribution.cdf(count) - 0.5 * distribution.pmf(count), dtype=float)
