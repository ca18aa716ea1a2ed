"""Confidence limits for counts and proportions, and how limits are named in every table."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from scipy import special

from pathcost_lib.arguments import confidence_levels

__all__ = [
    "EXACT_BELOW",
    "fieller_limits",
    "limit_columns",
    "poisson_limits",
    "wilson_limits",
]

EXACT_BELOW = 10  # counts under which Byar's approximation gives way to the exact limits (PHE Technical Guide, 2018)

Limits = tuple[np.ndarray, np.ndarray]


def limit_columns(confidence: float | Iterable[float], limits: Callable[[float], Limits]) -> dict[str, np.ndarray]:
    """Return `lower_95, upper_95, ...` for each level, from a function of the level; levels are checked here."""
    columns = {}
    for level in confidence_levels(confidence):
        name = f"{level * 100:.6g}".replace(".", "")
        columns[f"lower_{name}"], columns[f"upper_{name}"] = limits(level)
    return columns


def poisson_limits(count: np.ndarray, level: float, *, exact_below: float = EXACT_BELOW) -> Limits:
    """Return limits of a Poisson mean: Byar's approximation, exact for small counts.

    Parameters
    ----------
    count : array of float, >= 0
        Events observed. Apportioned (fractional) counts are allowed.
    level : float
        Confidence level.
    exact_below : float
        Counts under this take the exact (gamma quantile) limits; infinity makes all exact. Zero makes all Byar, whose
        lower limit is undefined at a count of zero and is NaN there.

    Notes
    -----
    Byar in Breslow and Day, Statistical Methods in Cancer Research II (1987), p. 69; exact in Garwood (1936).
    """
    count = np.asarray(count, dtype=float)
    z = special.ndtri((1 + level) / 2)
    small = count < exact_below
    with np.errstate(divide="ignore", invalid="ignore"):
        lower = count * (1 - 1 / (9 * count) - z / (3 * np.sqrt(count))) ** 3
    above = count + 1
    upper = above * (1 - 1 / (9 * above) + z / (3 * np.sqrt(above))) ** 3
    # gammaincinv(0, p) is nan, and the exact lower limit of no events is zero
    lower[small] = np.where(count[small] > 0, special.gammaincinv(np.maximum(count[small], 1e-300), (1 - level) / 2), 0)
    upper[small] = special.gammaincinv(above[small], (1 + level) / 2)
    return lower, upper


def wilson_limits(events: np.ndarray, population: np.ndarray, level: float) -> Limits:
    """Return Wilson's score limits of a proportion (Wilson, JASA 1927; Newcombe, Statistics in Medicine 1998)."""
    z2 = special.ndtri((1 + level) / 2) ** 2
    centre = 2 * events + z2
    half = np.sqrt(z2 * (z2 + 4 * events * (1 - events / population)))
    lower, upper = (centre - half) / (2 * (population + z2)), (centre + half) / (2 * (population + z2))
    return np.maximum(lower, 0.0), np.minimum(upper, 1.0)


def fieller_limits(
    top: np.ndarray,
    bottom: np.ndarray,
    variances: tuple[np.ndarray, np.ndarray],
    both: np.ndarray,
    quantile: np.ndarray,
) -> Limits:
    """Return Fieller's limits of top / bottom; NaN where bottom may be zero, so that the set has no ends.

    Parameters
    ----------
    top, bottom : array
        Estimates.
    variances : tuple of array
        Theirs, of top and of bottom.
    both : array
        Their covariance.
    quantile : array or float
        Of the normal or Student's t, such as 1.96.

    Notes
    -----
    Fieller, JRSS B 1954;16:175: the ratios r for which top - r x bottom does not differ from zero.
    """
    q2 = np.square(quantile)
    a, b, c = bottom**2 - q2 * variances[1], top * bottom - q2 * both, top**2 - q2 * variances[0]
    known = np.where(a > 0, a, np.nan)
    root = np.sqrt(np.maximum(b**2 - known * c, 0))
    return (b - root) / known, (b + root) / known
