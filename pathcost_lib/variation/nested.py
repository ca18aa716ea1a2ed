"""The likelihood of nested random intercepts from sums by innermost group: exact, with its gradient and maximum.

With variances relative to the residual's, θ, the inverse of the covariance matrix of a nested model needs only sums. A
group with a = 1'V⁻¹1 and b = 1'V⁻¹[X y] before its own effect has a/(1 + aθ) and b/(1 + aθ) after it, adds log(1 + aθ)
to log|V| and takes θ bb'/(1 + aθ) from [X y]'V⁻¹[X y] (Woodbury's identity); its parent's a and b are sums over its
children. So a million rows cost no more than their groups. The likelihood is as in Harville 1977 (JASA 72: 320-338) and
Bates et al. 2015 (J Stat Software 67(1)), with the same constants as lme4 and statsmodels' MixedLM; the parametrisation
by √θ >= 0 is lme4's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

__all__ = ["Fit", "Sums", "fit", "profile"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Sums:
    """Sufficient statistics: rows are gone, groups remain.

    Attributes
    ----------
    n : array (groups,)
        Rows in each innermost group. Groups are sorted by path, so that children of a parent are neighbours.
    sums : array (p + 1, groups)
        Sums of [X y] by innermost group; X's first column is ones. Held by column: long rows are what numpy is quick
        at.
    products : array (p + 1, p + 1)
        [X y]'[X y] over all rows.
    starts : list of arrays
        For each level above the innermost, innermost first: where each of its groups starts among the level below.
    """

    n: Array
    sums: Array
    products: Array
    starts: list[NDArray[np.int64]]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.n.sum())

    @property
    def levels(self) -> int:
        """Number of nested levels."""
        return len(self.starts) + 1


@dataclass(frozen=True)
class Profile:
    """The likelihood at given relative variances, with fixed effects and residual variance at their best."""

    deviance: float
    gradient: Array
    beta: Array
    beta_covariance: Array
    residual_variance: float
    blups: list[Array]
    blup_variances: list[Array]
    residual_slopes: Array


@dataclass(frozen=True)
class Fit:
    """Where the likelihood is highest. Relative variances, BLUPs and their variances are innermost first."""

    theta: Array
    profile: Profile
    log_variance_covariance: Array
    converged: bool


def profile(sums: Sums, theta: Array, *, reml: bool, residual_variance: float | None = None) -> Profile:
    """Return minus twice the (restricted) log-likelihood at relative variances `theta`, and its gradient.

    Parameters
    ----------
    sums : Sums
        Sufficient statistics.
    theta : array (levels,)
        Variance of each level over the residual variance.
    reml : bool
        Restricted likelihood.
    residual_variance : float, optional
        Held at this value; at its best where not given.
    """
    a, b = sums.n, sums.sums
    products = sums.products.copy()
    log_determinant = 0.0
    own: list[tuple[Array, Array]] = []
    for level, ratio in enumerate(theta):
        if level:
            a, b = np.add.reduceat(a, sums.starts[level - 1]), np.add.reduceat(b, sums.starts[level - 1], axis=1)
        shrink = 1 / (1 + a * ratio)
        products -= ratio * _cross(b * shrink, b)
        log_determinant += float(np.log1p(a * ratio).sum())
        a, b = a * shrink, b * shrink
        own.append((a, b))
    p = len(products) - 1
    factor = np.linalg.cholesky(products[:p, :p])
    inverse = np.linalg.inv(products[:p, :p])
    beta = inverse @ products[:p, p]
    rss = float(products[p, p] - products[:p, p] @ beta)
    rows = sums.rows - p if reml else sums.rows
    variance = rss / rows if residual_variance is None else residual_variance
    deviance = rows * np.log(2 * np.pi * variance) + rss / variance + log_determinant
    deviance += 2 * np.log(np.diag(factor)).sum() if reml else 0.0

    # Downwards: the effects of a group and its ancestors together have, given the rows, relative variance w, and are
    # linear in [X y] with coefficients t. They turn what the group's own rows say, a and b, into 1'V⁻¹1 and 1'V⁻¹[X y].
    gradient, slopes = np.zeros(len(theta)), np.zeros(len(theta))
    blups: list[Array] = []
    blup_variances: list[Array] = []
    w: Array = np.zeros(1)
    t: Array = np.zeros((p + 1, 1))
    for level in reversed(range(len(theta))):
        a, b = own[level]
        if level < len(theta) - 1:
            children = np.diff(np.append(sums.starts[level], len(a)))
            w, t = np.repeat(w, children), np.repeat(t, children, axis=1)
        c, v = a - a**2 * w, b - a * t
        left = 1 - theta[level] * a
        w, t = theta[level] * left + left**2 * w, theta[level] * b + left * t
        x, residual = v[:p], v[p] - np.einsum("ig,i->g", v[:p], beta)
        slopes[level] = -float(np.sum(residual**2))
        gradient[level] = float(c.sum()) + slopes[level] / variance
        if reml:
            gradient[level] -= float(np.sum(_cross(x, x) * inverse))
        blups.insert(0, theta[level] * residual)
        blup_variances.insert(0, np.maximum(variance * theta[level] * (1 - theta[level] * c), 0.0))
    return Profile(
        float(deviance),
        gradient,
        beta,
        np.asarray(variance * inverse, dtype=float),
        variance,
        blups,
        blup_variances,
        slopes,
    )


def _cross(left: Array, right: Array) -> Array:
    # Not `@`: for long thin matrices BLAS's threads cost twice the processor time and save none.
    return np.asarray(np.einsum("ig,jg->ij", left, right))


def fit(sums: Sums, *, reml: bool) -> Fit:
    """Maximise the (restricted) likelihood.

    A quasi-Newton search over √θ >= 0 with the exact gradient, then Newton steps on log θ for the levels whose variance
    is not 0.
    """

    def objective(root: Array) -> tuple[float, Array]:
        result = profile(sums, root**2, reml=reml)
        return result.deviance / sums.rows, 2 * root * result.gradient / sums.rows

    # Moderate start: groups explain about a tenth of the variance at each level.
    root = np.full(sums.levels, 0.3)
    options = {"ftol": 1e-12, "gtol": 1e-10, "maxiter": 500}
    for _ in range(5):
        search = optimize.minimize(
            objective, root, jac=True, method="L-BFGS-B", bounds=[(0, None)] * sums.levels, options=options
        )
        theta = _without_specks(sums, search.x**2, reml=reml)
        # In √θ every 0 is stationary: where the deviance falls with θ it is a step too far, so start again from inside.
        stuck = (theta == 0) & (profile(sums, theta, reml=reml).gradient < 0)
        if not stuck.any():
            break
        root = np.where(stuck, 0.05, np.sqrt(theta))
    inside = theta > 0

    def log_gradient(log_theta: Array) -> Array:
        trial = theta.copy()
        trial[inside] = np.exp(log_theta)
        return trial[inside] * profile(sums, trial, reml=reml).gradient[inside]

    for _ in range(8 if inside.any() else 0):
        here = np.log(theta[inside])
        step = np.linalg.solve(_jacobian(log_gradient, here), log_gradient(here))
        if not np.max(np.abs(step)) < 0.5:
            break
        theta[inside] = np.exp(here - step)
        # The next step would be of the order of this one squared.
        if np.max(np.abs(step)) < 1e-6:
            break
    # Within a thousandth of a unit of deviance for a doubling of any variance.
    settled = not inside.any() or bool(np.max(np.abs(log_gradient(np.log(theta[inside])))) < 1e-3)
    best = profile(sums, theta, reml=reml)
    return Fit(theta, best, _log_variance_covariance(sums, theta, best, reml=reml), settled and not stuck.any())


def _without_specks(sums: Sums, theta: Array, *, reml: bool) -> Array:
    """Set to 0 each relative variance whose loss does not lower the likelihood."""
    theta = theta.copy()
    for level in np.flatnonzero(theta < 1e-4):
        without = theta.copy()
        without[level] = 0.0
        if profile(sums, without, reml=reml).deviance <= profile(sums, theta, reml=reml).deviance + 1e-9:
            theta = without
    return theta


def _jacobian(function: Callable[[Array], Array], at: Array, step: float = 1e-4) -> Array:
    columns = [(function(at + e) - function(at - e)) / (2 * step) for e in step * np.eye(len(at))]
    jacobian = np.array(columns)
    return (jacobian + jacobian.T) / 2


def _log_variance_covariance(sums: Sums, theta: Array, best: Profile, *, reml: bool) -> Array:
    """Return the covariance of (log variances, innermost first; log residual variance), NaN where a variance is 0.

    The inverse of the observed information of the whole likelihood in (log θ, log σ²), carried to log variances = log θ
    + log σ².
    """
    inside = np.flatnonzero(theta > 0)
    k = len(inside)

    def gradient(log_theta: Array) -> Array:
        trial = theta.copy()
        trial[inside] = np.exp(log_theta)
        result = profile(sums, trial, reml=reml, residual_variance=best.residual_variance)
        return trial[inside] * result.gradient[inside]

    information = np.zeros((k + 1, k + 1))
    if k:
        information[:k, :k] = _jacobian(gradient, np.log(theta[inside]))
        information[:k, k] = information[k, :k] = -theta[inside] * best.residual_slopes[inside] / best.residual_variance
    information[k, k] = sums.rows - len(best.beta) if reml else sums.rows
    to_variance = np.eye(k + 1)
    to_variance[:, k] = 1.0
    covariance = np.full((len(theta) + 1, len(theta) + 1), np.nan)
    where = np.append(inside, len(theta))
    covariance[np.ix_(where, where)] = to_variance @ (2 * np.linalg.inv(information)) @ to_variance.T
    return covariance
