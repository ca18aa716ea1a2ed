"""Estimates drawn together for small numbers, outliers left alone: draws from a hierarchical model's posterior."""

from __future__ import annotations

import numpy as np
from scipy import special

__all__ = ["posterior_draws"]

MEANS, SPREADS = 41, 40  # grid of the units' mean and spread

# nineteen units in twenty come from a normal; the twentieth from one 3, 10, 30 or 100 times as wide
SCALES = np.array([1.0, 1e1, 1e2, 1e3, 1e4])
LOG_WEIGHTS = np.log([0.95, 0.0125, 0.0125, 0.0125, 0.0125])


def posterior_draws(
    value: np.ndarray, se: np.ndarray, *, which: np.ndarray, scale: np.ndarray, normal: np.ndarray
) -> np.ndarray:
    """Return draws of each unit's true value, carrying the doubt in the units' mean and spread.

    Parameters
    ----------
    value, se : array of shape (units,)
        Estimates and their standard errors, all positive; at least three units.
    which : array of shape (draws,)
        Uniform numbers in (0, 1): choose the units' mean and spread.
    scale, normal : array of shape (draws, units)
        Uniform and standard normal numbers. They come from outside so that each draw is the same whatever the number.

    Returns
    -------
    array of shape (draws, units)

    Notes
    -----
    value ~ N(theta, se^2), theta ~ contaminated normal (mu, tau), flat priors on mu and tau, on a grid: Gelman and
    others, Bayesian Data Analysis, 3rd edition, section 5.4, with Tukey's contamination (1960) as its sensible tail. A
    plain normal pulls a true outlier several standard errors towards the rest, and a t's narrow bulk pulls the rest
    too far; this pulls what is near and leaves what is far.
    """
    variance = se**2
    centre = np.median(value)
    bulk = 1.4826 * np.median(np.abs(value - centre)) + np.median(se)
    mu = centre + np.linspace(-7.5, 7.5, MEANS) * bulk / np.sqrt(len(value))
    tau = 5 * max(float(np.std(value)), bulk) * ((np.arange(SPREADS) + 0.5) / SPREADS) ** 2  # finer near zero
    log_density = np.empty((SPREADS, MEANS))
    for i, spread in enumerate(tau):
        log_density[i] = np.logaddexp.reduce(_log_parts(value, variance, mu[:, None], spread), axis=2).sum(axis=1)
    mass = special.softmax(log_density + np.log(np.gradient(tau))[:, None]).ravel()
    chosen = np.searchsorted(np.cumsum(mass), which).clip(max=mass.size - 1)
    middle, spread = mu[chosen % MEANS][:, None], tau[chosen // MEANS][:, None]
    share = np.cumsum(special.softmax(_log_parts(value, variance, middle, spread), axis=2), axis=2)
    between = spread**2 * SCALES[(share < scale[:, :, None]).sum(axis=2).clip(max=len(SCALES) - 1)]
    pull = variance / (variance + between)
    return value + pull * (middle - value) + np.sqrt((1 - pull) * variance) * normal


def _log_parts(value: np.ndarray, variance: np.ndarray, mu: np.ndarray, tau: np.ndarray | float) -> np.ndarray:
    """Return the log density of each value under each part of the mixture; shape (means, units, parts)."""
    total = variance[:, None] + np.square(tau)[..., None] * SCALES
    return LOG_WEIGHTS - 0.5 * (np.log(total) + ((value - mu) ** 2)[:, :, None] / total)
