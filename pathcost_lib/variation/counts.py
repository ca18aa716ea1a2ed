"""Counts between units: the gamma-Poisson (negative binomial) random intercept, and who exceeds the average.

Observed counts are Poisson about expected × relative rate, and relative rates are gamma about `mean` with variance
`variance` × mean². So observed counts are negative binomial (NB2), and a unit's relative rate, once its count is seen,
is gamma again.

References
----------
Clayton D, Kaldor J. Empirical Bayes estimates of age-standardized relative risks. Biometrics 1987; 43: 671-681.
Dean C, Lawless JF. Tests for detecting overdispersion in Poisson regression models. JASA 1989; 84: 467-472.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, stats

from pathcost_lib import arguments
from pathcost_lib.errors import InputError
from pathcost_lib.results import Result

__all__ = ["CountComponents", "count_components"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CountComponents(Result):
    """A fitted gamma-Poisson model.

    Attributes
    ----------
    table : DataFrame
        One row per unit: unit, observed, expected, ratio, shrunk (posterior mean of the relative rate), sd, lower_95,
        upper_95, probability_above_average.
    mean : float
        Mean relative rate of the units.
    variance, lower_95, upper_95 : float
        Squared coefficient of variation of the true rates, with its profile-likelihood interval; 0 where chance
        explains all.
    log_likelihood : float
        Of the negative binomial at its maximum.
    """

    mean: float
    variance: float
    lower_95: float
    upper_95: float
    log_likelihood: float

    @property
    def summary(self) -> str:
        """How much true rates vary."""
        return (
            f"{len(self.table):,} units: true rates vary by {np.sqrt(self.variance):.1%} of their mean (standard "
            f"deviation; 95% interval {np.sqrt(self.lower_95):.1%} to {np.sqrt(self.upper_95):.1%}) without chance."
        )


def count_components(table: pd.DataFrame, *, unit: str, observed: str, expected: str) -> CountComponents:
    """Fit a random intercept to aggregated counts, by maximum likelihood.

    Parameters
    ----------
    table : DataFrame
        One row per unit.
    unit, observed, expected : str
        Columns: the unit, its count, and what was expected of it (or its population or person-years).

    Raises
    ------
    InputError
        If a column is missing, a unit is missing or comes twice, counts are missing, negative or not whole, an expected
        count is not above 0, there are under 3 units, or the likelihood has no maximum.

    Notes
    -----
    One level and no covariates: put those into `expected`. Intervals of units take the mean and variance as known
    (empirical Bayes).
    """
    arguments.require_columns(table, [unit, observed, expected], what="counts of the units")
    arguments.refuse(table, table[unit].isna().to_numpy(), [], f"{unit} must be known in every row")
    arguments.require_unique(table, [unit], what="counts of the units")
    counts = arguments.numbers(table, observed, [unit])
    arguments.refuse(table, np.round(counts) != counts, [unit], f"{observed} must be whole counts")
    size = arguments.numbers(table, expected, [unit], above=0.0)
    if len(counts) < 3 or not counts.any():
        raise InputError("Count components: there must be at least 3 units, with counts that are not all 0.")
    with arguments.explain_failure(f"The random intercept of {observed} by {unit}", library="scipy"):
        # In an order of their own, so that the order of the rows does not move the last digits of the maximum.
        order = np.lexsort((size, counts))
        variance, low, high = _variance(counts[order], size[order])
        mean = _mean(counts[order], size[order], variance)
    frame = pd.DataFrame(
        {"unit": table[unit].to_numpy(), "observed": counts.astype(np.int64), "expected": size, "ratio": counts / size}
    )
    if variance > 0:
        posterior = stats.gamma(1 / variance + counts, scale=1 / (1 / (variance * mean) + size))
        frame["shrunk"], frame["sd"] = posterior.mean(), posterior.std()
        frame["lower_95"], frame["upper_95"] = posterior.ppf(0.025), posterior.ppf(0.975)
        frame["probability_above_average"] = posterior.sf(mean)
    else:
        frame = frame.assign(shrunk=mean, sd=0.0, lower_95=mean, upper_95=mean, probability_above_average=0.5)
    return CountComponents(frame, mean, variance, low, high, -_deviance(variance, counts, size) / 2)


def _mean(counts: Array, size: Array, variance: float) -> float:
    """Return the mean relative rate of highest likelihood at a given variance."""
    pooled = counts.sum() / size.sum()
    if variance == 0:
        return float(pooled)

    def score(log_mean: float) -> float:
        expected = np.exp(log_mean) * size
        return float(np.sum((counts - expected) / (1 + variance * expected)))

    ratios = np.maximum(counts, 0.5) / size
    low, high = np.log(ratios.min()) - 5, np.log(ratios.max()) + 5
    return float(np.exp(optimize.brentq(score, low, high, xtol=1e-13)))


def _deviance(variance: float, counts: Array, size: Array) -> float:
    """Return minus twice the log-likelihood at a given variance, the mean at its best."""
    expected = _mean(counts, size, variance) * size
    if variance == 0:
        return float(-2 * stats.poisson.logpmf(counts, expected).sum())
    return float(-2 * stats.nbinom.logpmf(counts, 1 / variance, 1 / (1 + variance * expected)).sum())


def _variance(counts: Array, size: Array) -> tuple[float, float, float]:
    """Return the variance of highest likelihood and where the deviance has risen by 3.84 (profile interval)."""
    smallest, largest = -14.0, 6.0  # log variance: rates that vary by 0.1 % to 2,000 % of their mean

    def deviance(log_variance: float) -> float:
        return _deviance(float(np.exp(log_variance)), counts, size)

    expected = counts.sum() / size.sum() * size
    # The likelihood falls from 0 on unless counts vary more than Poisson ones (Dean and Lawless's score).
    if np.sum((counts - expected) ** 2 - counts) <= 0:
        best, lowest = 0.0, _deviance(0.0, counts, size)
        start = smallest
    else:
        minimum = optimize.minimize_scalar(
            deviance, bounds=(smallest, largest), method="bounded", options={"xatol": 1e-9}
        )
        best, lowest, start = float(np.exp(minimum.x)), float(minimum.fun), float(minimum.x)
    rise = lowest + stats.chi2.ppf(0.95, 1)
    low = 0.0
    if best > 0 and deviance(smallest) > rise:
        low = float(np.exp(optimize.brentq(lambda v: deviance(v) - rise, smallest, start)))
    high = (
        float(np.exp(optimize.brentq(lambda v: deviance(v) - rise, start, largest)))
        if deviance(largest) > rise
        else np.inf
    )
    return best, low, high
