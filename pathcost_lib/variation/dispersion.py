"""How much more units vary than chance allows: Spiegelhalter's φ, and DerSimonian and Laird's τ².

References
----------
Spiegelhalter DJ. Handling over-dispersion of performance indicators. Quality and Safety in Health Care 2005; 14:
347-351.
DerSimonian R, Laird N. Meta-analysis in clinical trials. Controlled Clinical Trials 1986; 7: 177-188.
Paule RC, Mandel J. Consensus values and weighting factors. J Res National Bureau of Standards 1982; 87: 377-385.
Care Quality Commission, Intelligent Monitoring: statistical methodology, 2014-15 (winsorises 10 % of z-scores at each
end). NHS Digital, Summary Hospital-level Mortality Indicator: indicator specification (truncates: drops 10 % at each
end).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

__all__ = ["estimate_phi", "estimate_tau2", "inflation", "truncated", "winsorise"]

Array = NDArray[np.float64]


def winsorise(z: Array, trim: float) -> Array:
    """Return z with its lowest and highest shares `trim` set to the quantiles there (no value is lost)."""
    low, high = np.quantile(z, [trim, 1 - trim])
    return np.clip(z, low, high)


def truncated(z: Array, trim: float) -> NDArray[np.bool_]:
    """Return which values are kept when the lowest and highest shares `trim` are dropped, by rank, ties sharing a rank.

    The SHMI's rule: groups ⌊rank/(trim (n+1))⌋; the first and the last group go.
    """
    if trim == 0:
        return np.ones(len(z), dtype=bool)
    group = np.floor(stats.rankdata(z) / (trim * (len(z) + 1)))
    return (group > 0) & (group < np.floor(1 / trim + 1e-9) - 1)


def _trimmed_squares(z: Array, trim: float, method: str) -> Array:
    return z[truncated(z, trim)] ** 2 if method == "shmi" else winsorise(z, trim) ** 2


def _expected_square(trim: float, method: str) -> float:
    """Return the mean square of a standard normal score after trimming: 0.679 winsorised, 0.438 truncated, at 10 %."""
    if trim == 0:
        return 1.0
    cut = stats.norm.isf(trim)
    inside = (1 - 2 * trim) - 2 * cut * stats.norm.pdf(cut)
    return float(inside / (1 - 2 * trim) if method == "shmi" else inside + 2 * trim * cut**2)


def estimate_phi(z: Array, *, trim: float, method: str, unbiased: bool = False) -> float:
    """Return φ, the mean square of the trimmed z: 1 where chance explains all (about 0.7 after winsorising at 10 %).

    Parameters
    ----------
    z : array
        Unadjusted z-scores.
    trim : float
        Share trimmed at each end.
    method : {"cqc", "shmi"}
        Winsorise, or truncate.
    unbiased : bool
        Divide by what trimming takes from normal scores, so that φ is 1 where chance explains all. The published
        methods do not.
    """
    phi = float(_trimmed_squares(z, trim, method).mean())
    return phi / _expected_square(trim, method) if unbiased else phi


def inflation(phi: float, units: int) -> float:
    """Return what variances are multiplied by: φ where it is above 1 + 2√(2/units), else 1 (Spiegelhalter 2005)."""
    return phi if phi > 1 + 2 * np.sqrt(2 / units) else 1.0


def estimate_tau2(
    z: Array, se: Array, *, trim: float, method: str, unbiased: bool = False, target_estimated: bool = False
) -> float:
    """Return τ², the variance between units on the scale of `se`, never below 0.

    Notes
    -----
    τ² = (Iφ - (I - 1)) / (Σw - Σw²/Σw), w = 1/se², over the I z-scores that trimming leaves (all of them when
    winsorised). Trimming makes φ, and so τ², too small: limits flag 12 to 20 % at "95 %" where units truly vary.
    `unbiased` solves instead for the τ² at which trimmed, adjusted z-scores have the mean square that trimmed normal
    scores have (Paule and Mandel's equation, made robust).
    """
    if len(z) < 2:
        return 0.0
    if unbiased:
        goal = _expected_square(trim, method) * (1 - target_estimated / len(z))

        def excess(tau2: float) -> float:
            return float(_trimmed_squares(z * se / np.sqrt(se**2 + tau2), trim, method).mean() - goal)

        top = float(np.max((z * se) ** 2)) + float(np.max(se**2))
        if excess(0.0) <= 0:
            return 0.0
        while excess(top) > 0:
            top *= 4
        return float(optimize.brentq(excess, 0.0, top, rtol=1e-10))
    kept = truncated(z, trim) if method == "shmi" else np.ones(len(z), dtype=bool)
    units, weight = int(kept.sum()), se[kept] ** -2
    if units < 2:
        return 0.0
    phi = estimate_phi(z, trim=trim, method=method)
    return float(max(0.0, (units * phi - (units - 1)) / (weight.sum() - (weight**2).sum() / weight.sum())))
