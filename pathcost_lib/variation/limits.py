"""Where funnel limits lie: exact limits of counts, scales on which statistics are near enough normal, and the fit.

References
----------
Spiegelhalter DJ. Funnel plots for comparing institutional performance. Statistics in Medicine 2005; 24: 1185-1202.
Spiegelhalter D, Sherlaw-Johnson C, Bardsley M, Blunt I, Wood C, Grigg O. Statistical methods for healthcare regulation:
rating, screening and surveillance. Journal of the Royal Statistical Society A 2012; 175: 1-47.
Lancaster HO. Significance tests in discrete distributions. JASA 1961; 56: 223-234 (the mid-P value).
Wilson EB. Probable inference, the law of succession, and statistical inference. JASA 1927; 22: 209-212.
Office for Health Improvement and Disparities, Fingertips: technical guidance, and its package PHEindicatormethods
(`calculate_funnel_limits`: exact Poisson for ratios and rates, Wilson for proportions).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from pathcost_lib.errors import InputError
from pathcost_lib.variation import dispersion

__all__ = [
    "Fit",
    "Options",
    "Scale",
    "exact_limit",
    "exact_z",
    "fit_units",
    "level_name",
    "quantile_limit",
    "quantile_z",
    "reference_distribution",
    "scale_for",
]

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
PROPORTION = Scale(
    "identity", np.asarray, lambda t: np.clip(t, 0, 1), lambda target, size: np.sqrt(target * (1 - target) / size)
)
LOG_EVENTS = Scale("log", np.log, np.exp, lambda target, size: 1 / np.sqrt(target * size))
LOG_TWO_COUNTS = Scale("log", np.log, np.exp, lambda target, size: np.sqrt(1 / (target * size) + 1 / size))


def mean_scale(sd: float) -> Scale:
    """Return the natural scale of a mean of `size` values that vary with standard deviation `sd`."""
    return Scale("identity", np.asarray, np.asarray, lambda _, size: sd / np.sqrt(size))


def scale_for(kind: str, method: str, *, fixed_denominator: bool, sd: float) -> Scale:
    """Return the scale of a kind of indicator.

    Notes
    -----
    Proportions: arcsine of the square root, standard error 1/(2√n); "wilson" the proportion itself, √(θ(1 - θ)/n), for
    a unit's Wilson interval reaches θ just where it is z of these from it. Ratios: "cqc" square root, 1/(2√E); "shmi"
    log, 1/√(θE). Rates: log, √(1/(θN) + 1/N), for the denominator is a count as well; 1/(θN) alone where it is a fixed
    population. Without θ in the first term limits of a small rate leave most units outside. Source: Spiegelhalter
    2012.
    """
    if kind == "proportion":
        return PROPORTION if method == "wilson" else ARCSINE
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
    Spiegelhalter 2005 draws the straight line on P(R <= r), which sets both limits half a case low, so
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


def quantile_limit(distribution: Any, probability: float) -> Array:
    """Return the count at which the cumulative distribution P(R <= r) reaches `probability`: a whole number.

    Notes
    -----
    A count below the lower limit has P(R <= r) < α/2, and one above the upper limit has P(R >= r) <= α/2: the exact
    test, in which each tail has at most its share, and less for small counts.
    """
    return np.asarray(distribution.ppf(probability), dtype=float)


def quantile_z(distribution: Any, count: ArrayLike) -> Array:
    """Return the normal score of a count's whole tail, itself included: 0 where neither tail is below one half."""
    tiny = np.nextafter(0.0, 1.0)
    lower, upper = (
        np.clip(tail, tiny, 0.5) for tail in (distribution.cdf(count), distribution.sf(np.subtract(count, 1)))
    )
    return np.where(lower < upper, stats.norm.ppf(lower), -stats.norm.ppf(upper))


def _mid(distribution: Any, count: Array) -> Array:
    return np.asarray(distribution.cdf(count) - 0.5 * distribution.pmf(count), dtype=float)


@dataclass(frozen=True)
class Options:
    """What was asked of a funnel."""

    kind: str
    limits: tuple[float, ...]
    overdispersion: str
    method: str
    trim: float
    target: float | None
    fixed_denominator: bool
    unbiased: bool
    higher_is: str
    false_discovery: float
    cases: bool = True  # False where denominators are the precision of a mean, not a number of cases


@dataclass(frozen=True)
class Fit:
    """What one indicator's funnel was fitted with: enough to draw its limits at any denominator."""

    options: Options
    scale: Scale
    target: float
    phi: float
    inflation: float
    tau2: float
    units: int

    def limits(self, size: Array, se: Array | None = None) -> dict[str, Array]:
        """Return lower and upper limits by column name, at each denominator."""
        if not self.units:
            names = [f"{side}_{level_name(level)}" for level in self.options.limits for side in ("lower", "upper")]
            return {name: np.full(len(size), np.nan) for name in names}
        exact = {"exact": exact_limit, "quantile": quantile_limit}.get(self.options.method)
        reference = reference_distribution(self.options.kind, self.target, size) if exact else None
        centre = self.scale.forward(np.asarray(self.target, dtype=float))
        se = self.scale.standard_error(self.target, size) if se is None else se
        spread_se = np.sqrt(se**2 * self.inflation + self.tau2)
        columns = {}
        for level in self.options.limits:
            tail = (1 - level) / 2
            for side, probability in (("lower", tail), ("upper", 1 - tail)):
                if exact:
                    limit = exact(reference, probability) / size
                    limit = np.minimum(limit, 1.0) if self.options.kind == "proportion" else limit
                else:
                    limit = self.scale.inverse(centre + stats.norm.ppf(probability) * spread_se)
                columns[f"{side}_{level_name(level)}"] = limit
        return columns


def fit_units(
    counts: Array, values: Array, size: Array, own_se: Array | None, options: Options
) -> tuple[Fit, Array, Array]:
    """Return the fit, z and adjusted z of units that can be computed.

    Raises
    ------
    InputError
        If the target leaves nothing to vary, such as a proportion of 0.
    """
    # Weighted by cases pooled standard deviation, for limits at any number of cases.
    sd = float(np.sqrt(np.average((own_se**2) * size, weights=size))) if own_se is not None else np.nan
    scale = scale_for(options.kind, options.method, fixed_denominator=options.fixed_denominator, sd=sd)
    target = options.target
    if target is None:
        target = 1.0 if options.kind == "ratio" else float(np.average(values, weights=size))
    low, high = {"mean": (-np.inf, np.inf), "proportion": (0.0, 1.0)}.get(options.kind, (0.0, np.inf))
    if not low < target < high:
        raise InputError(f"with a target of {target:g} no {options.kind} would vary")
    if options.method in ("exact", "quantile"):
        score = exact_z if options.method == "exact" else quantile_z
        z = score(reference_distribution(options.kind, target, size), counts)
        return Fit(options, scale, target, float(np.mean(z**2)), 1.0, 0.0, len(z)), z, z
    se = scale.standard_error(target, size) if own_se is None else own_se
    observed = np.maximum(counts, 0.5) / size if scale.name == "log" else values
    z = (scale.forward(observed) - scale.forward(np.asarray(target))) / se
    phi = dispersion.estimate_phi(z, trim=options.trim, method=options.method, unbiased=options.unbiased)
    factor = dispersion.inflation(phi, len(z)) if options.overdispersion == "multiplicative" else 1.0
    tau2 = 0.0
    if options.overdispersion == "additive":
        estimated = options.target is None and options.kind != "ratio"
        tau2 = dispersion.estimate_tau2(
            z, se, trim=options.trim, method=options.method, unbiased=options.unbiased, target_estimated=estimated
        )
    return Fit(options, scale, target, phi, factor, tau2, len(z)), z, z * se / np.sqrt(se**2 * factor + tau2)
