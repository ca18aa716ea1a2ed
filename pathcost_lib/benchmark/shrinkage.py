"""Estimates drawn together for small numbers: draws from the posterior of a normal hierarchical model."""

from __future__ import annotations

import numpy as np
from scipy import special

__all__ = ["posterior_draws"]

GRID = 400  # points of the between-unit standard deviation; the answer is steady to three figures from about 100


def posterior_draws(value: np.ndarray, se: np.ndarray, uniform: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Return draws of each unit's true value, carrying the doubt in the units' mean and spread.

    Parameters
    ----------
    value, se : array of shape (units,)
        Estimates and their standard errors, all positive; at least three units.
    uniform : array of shape (draws,)
        Uniform numbers in (0, 1), one a draw.
    normal : array of shape (draws, units + 1)
        Standard normal numbers; the last column is the mean's.

    Returns
    -------
    array of shape (draws, units)

    Notes
    -----
    value ~ N(theta, se^2), theta ~ N(mu, tau^2), flat priors on mu and tau: Gelman and others, Bayesian Data Analysis,
    3rd edition, section 5.4 (equation 5.21 for tau, on a grid). Numbers come from outside so that each draw is the
    same whatever the number of draws.
    """
    variance = se**2
    widest = 10 * max(float(np.std(value)), float(np.median(se)))
    tau = widest * (np.arange(GRID) + 0.5) ** 2 / GRID**2  # finer near nought, where the posterior is steep
    weight = 1 / (variance + tau[:, None] ** 2)
    mean_variance = 1 / weight.sum(axis=1)
    mean = (weight * value).sum(axis=1) * mean_variance
    log_density = 0.5 * (np.log(mean_variance) + (np.log(weight) - weight * (value - mean[:, None]) ** 2).sum(axis=1))
    mass = special.softmax(log_density + np.log(np.gradient(tau)))
    chosen = np.searchsorted(np.cumsum(mass), uniform).clip(max=GRID - 1)
    mu = mean[chosen] + np.sqrt(mean_variance[chosen]) * normal[:, -1]
    pull = variance * weight[chosen]
    return (1 - pull) * value + pull * mu[:, None] + np.sqrt((1 - pull) * variance) * normal[:, :-1]
