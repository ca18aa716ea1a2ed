"""Expected cost of people, users and others: whether a person has any cost, and how much, by regression on cells.

As in `expected`, a cell's people, users, cost and squared cost are all that the models need, so that rows of people
stay in the engine.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from pathcost_lib.arguments import as_list, encode, numbers, refuse, require_columns, told_apart
from pathcost_lib.benchmark.expected import design_of, saturated, tenth_of
from pathcost_lib.errors import InputError
from pathcost_lib.intervals import Limits, limit_columns
from pathcost_lib.results import Result

__all__ = ["TwoPartCost", "two_part_cost"]

MOST_STEPS = 100


@dataclass(frozen=True, eq=False)
class _Fit:
    """What the interval of a group needs: by cell, people, users, cost, squares, and which combination it is of.

    By combination of factors: the design, the chance of use, the mean cost of a user; and the inverse information of
    both models' coefficients.
    """

    people: np.ndarray
    users: np.ndarray
    cost: np.ndarray
    squares: np.ndarray
    like: np.ndarray
    design: np.ndarray
    use: np.ndarray
    mean: np.ndarray
    scale: float
    use_covariance: np.ndarray
    mean_covariance: np.ndarray


@dataclass(frozen=True, eq=False)
class TwoPartCost(Result):
    """Cells with `expected_gbp` and `tenth` (of people, by expected cost); coefficients; the spread that is explained.

    `coefficients` has part ("use": log odds; "cost": log pounds of a user), term, estimate and its exponent.
    """

    coefficients: pd.DataFrame
    r_squared: float
    fit: _Fit
    note: str = ""

    @property
    def worst_tenth(self) -> float:
        """How far expected is from observed cost in the tenth of people where it is furthest: 0.05 is five per cent."""
        tenths = self.compare("tenth").query("observed_gbp > 0")
        return float((tenths["expected_gbp"] / tenths["observed_gbp"] - 1).abs().max())

    @property
    def summary(self) -> str:
        """Say how much of the spread between people is explained, and how far the worst tenth is off."""
        return (
            f"Expected cost in two parts: R-squared {self.r_squared:.3f}; the worst tenth is {self.worst_tenth:.1%} off"
        )

    def compare(self, by: str | Iterable[str], confidence: float | Iterable[float] = 0.95) -> pd.DataFrame:
        """Return observed and expected cost by group, with the interval of the whole.

        Parameters
        ----------
        by : str or list of str
            Columns of the cells: areas, tenths of expected cost, ages.
        confidence : float or several

        Returns
        -------
        DataFrame
            by, people, observed_gbp, expected_gbp, difference_gbp, se_gbp, observed_se_gbp (of the observed alone),
            lower_95, upper_95 (pounds, of the difference).

        Notes
        -----
        Everybody moves what is observed in one group and, through the coefficients, what is expected in all. The
        standard error is the root of the sum, over people, of the square of what each moves in the difference
        (infinitesimal jackknife: Huber's sandwich for both parts at once). People of a cell need not be seen for it:
        their number, users, cost and squares give the sum.
        """
        require_columns(self.table, as_list(by), what="cells")
        group, groups = encode(self.table, as_list(by))
        f, expected = self.fit, self.table["expected_gbp"].to_numpy()
        observed, wanted, people = (np.bincount(group, v) for v in (f.cost, expected, f.people))
        both = np.zeros((2, len(groups)))
        for one in range(len(groups)):
            inside = group == one
            # What is expected of the group, less its share of all, by combination: how it moves with the coefficients.
            own = inside - wanted[one] / expected.sum()
            moved = np.bincount(f.like, own * expected, len(f.use))
            by_use = -f.design @ (f.use_covariance @ (f.design.T @ (moved * (1 - f.use))))
            by_mean = -f.design @ (f.mean_covariance @ (f.design.T @ moved))
            both[0, one] = _squared(f, own, by_use[f.like], by_mean[f.like])
            both[1, one] = _squared(f, inside.astype(float), np.zeros(len(group)), np.zeros(len(group)))
        se, alone = np.sqrt(both)

        def limits(level: float) -> Limits:
            half = special.ndtri((1 + level) / 2) * se
            return observed - wanted - half, observed - wanted + half

        return groups.assign(
            people=people,
            observed_gbp=observed,
            expected_gbp=wanted,
            difference_gbp=observed - wanted,
            se_gbp=se,
            observed_se_gbp=alone,
            **limit_columns(confidence, limits),
        )


def _squared(f: _Fit, own: np.ndarray, by_use: np.ndarray, by_mean: np.ndarray) -> float:
    """Return the sum over people of (own (y - m) + by_use (u - p) + by_mean u (y - mu)) squared, from cells' sums."""
    use, mean = f.use[f.like], f.mean[f.like]
    level = -own * f.scale * use * mean - by_use * use  # of a person without cost
    slope, start = own + by_mean, level + by_use - by_mean * mean  # of a user, whose cost is y: slope y + start
    users = slope**2 * f.squares + 2 * slope * start * f.cost + start**2 * f.users
    return float((users + level**2 * np.maximum(f.people - f.users, 0)).sum())


def two_part_cost(
    cells: pd.DataFrame,
    *,
    people: str,
    users: str,
    cost: str,
    squares: str,
    factors: str | Iterable[str] | None = None,
    covariates: str | Iterable[str] | None = None,
    weight: str | None = None,
) -> TwoPartCost:
    """Return what each cell's people would cost at the average of people like them, those without any cost included.

    Parameters
    ----------
    cells : DataFrame
        One row per combination of factors (and of the areas to be compared afterwards).
    people, users, cost, squares : str
        Columns: persons; those of them with any cost; the sum of their costs in pounds; the sum of squared costs.
    factors, covariates : str or list of str, optional
        Columns: categories; numbers, entered as they are. Without any, all people are alike.
    weight : str, optional
        Column by which the expected cost is multiplied, such as a published need weight; only its ratios count.

    Returns
    -------
    TwoPartCost
        `.table` is the cells with expected_gbp, which add up to the whole cost, and tenth; `.compare(by)`.

    Raises
    ------
    InputError
        Negative or missing values, no people or a weight of zero in a cell, squares smaller than the mean allows, no
        cost at all, or factors that say the same thing twice.

    Notes
    -----
    Two-part model (Duan, Manning, Morris and Newhouse, Journal of Business and Economic Statistics 1983;1:115): the
    expected cost is the chance of any, by logistic regression, times the cost of a user, by Poisson regression with log
    link. The latter needs the mean only to be right, whatever the spread (Gourieroux, Monfort and Trognon, Econometrica
    1984;52:701), and keeps the users' cost of each level as it is. So that a level of which everybody or nobody is a
    user has an estimate, as many people of average use and cost as there are coefficients are spread evenly over the
    combinations (Clogg, Rubin, Schenker, Schultz and Weidman, JASA 1991;86:68). The expected costs are then scaled to
    the whole cost. Users beyond the people of a cell count for the cost, and as its people for the chance of any.

    Examples
    --------
    Of the young half have any cost, £100 each; of the old all, £300. South has more old people, so that it is expected
    to cost more; it costs what is expected.

    >>> import pandas as pd
    >>> from pathcost_lib.benchmark.two_part import two_part_cost
    >>> cells = pd.DataFrame({
    ...     "area": ["North", "North", "South", "South"],
    ...     "age": ["young", "old", "young", "old"],
    ...     "people": [3_000, 1_000, 1_000, 3_000],
    ...     "users": [1_500, 1_000, 500, 3_000],
    ...     "gbp": [150_000, 300_000, 50_000, 900_000],
    ... })
    >>> cells["squares"] = 1.5 * cells["gbp"] ** 2 / cells["users"]
    >>> columns = {"people": "people", "users": "users", "cost": "gbp", "squares": "squares"}
    >>> two_part_cost(cells, factors="age", **columns).compare("area")[
    ...     ["area", "observed_gbp", "expected_gbp"]
    ... ].round(-3)
        area  observed_gbp  expected_gbp
    0  North      450000.0      450000.0
    1  South      950000.0      950000.0
    """
    names = [*as_list(factors), *as_list(covariates)]
    require_columns(cells, [*names, people, users, cost, squares, *as_list(weight)], what="cells")
    told_apart(cells, [people, users, cost, squares], what="cells")
    n = numbers(cells, people, names, above=0)
    u, total, square = (numbers(cells, column, names) for column in (users, cost, squares))
    if weight is not None:
        numbers(cells, weight, names, above=0)
    refuse(cells, (u == 0) & (total > 0), names, f"{cost} must be zero where {users} is")
    least = np.divide(total**2, u, out=np.zeros(len(cells)), where=u > 0)
    refuse(cells, square * (1 + 1e-9) < least, names, f"{squares} must be at least {cost} squared over {users}")
    refuse(cells, np.full(len(cells), not total.sum() > 0), names, f"{cost} must be above zero in some cell")
    like, rows = encode(cells, [*names, *as_list(weight)])
    n_like, u_like, c_like = (np.bincount(like, v) for v in (n, np.minimum(u, n), total))
    design = design_of(rows, as_list(factors), as_list(covariates), n_like)
    x, times = design.to_numpy(), np.ones(len(rows)) if weight is None else rows[weight].to_numpy(dtype=float)
    # People of average use and cost, as many as there are coefficients, spread evenly.
    more = x.shape[1] / len(x)
    seen, costing = n_like + more, np.bincount(like, u) + more
    rate = (u_like + more * u_like.sum() / n_like.sum()) / seen
    paid = (c_like + more * times * total.sum() / (u * times[like]).sum()) / costing
    a, b = _fit(rate, x, seen, odds=True), _fit(paid, x, costing, odds=False, offset=np.log(times))
    use, mean = special.expit(x @ a), times * np.exp(x @ b)
    works = (seen * use * (1 - use), costing * mean)
    covariances = [np.linalg.pinv(x.T @ (work[:, None] * x)) for work in works]
    plain = n * (use * mean)[like]
    scale = float(total.sum() / plain.sum())
    expected = scale * plain
    tenth = tenth_of(n_like, c_like, n_like * use * mean)[like] + 1  # people alike are in one tenth
    fit = _Fit(n, u, total, square, like, x, use, mean, scale, *covariances)
    each = expected / n
    missed = (square - 2 * each * total + n * each**2).sum()
    spread = square.sum() - total.sum() ** 2 / n.sum()
    parts = [
        pd.DataFrame({"part": part, "term": design.columns, "estimate": e}) for part, e in (("use", a), ("cost", b))
    ]
    terms = pd.concat(parts, ignore_index=True).assign(ratio=lambda d: np.exp(d["estimate"]))
    table = cells.assign(expected_gbp=expected, tenth=tenth)
    explained = float(1 - missed / spread) if spread > 0 else np.nan
    return TwoPartCost(table, terms, explained, fit, saturated(cells, as_list(factors)))


def _fit(rate: np.ndarray, x: np.ndarray, n: np.ndarray, *, odds: bool, offset: float | np.ndarray = 0.0) -> np.ndarray:
    """Return the coefficients of a logistic (`odds`) or Poisson regression of rates over n, with canonical link.

    Iteratively reweighted least squares (McCullagh and Nelder, Generalized Linear Models, 1989, section 2.5), from
    halfway between each rate and the rate of all.
    """
    fitted = (rate + (n * rate).sum() / n.sum()) / 2
    beta = np.zeros(x.shape[1])
    for _ in range(MOST_STEPS):
        slope = fitted * (1 - fitted) if odds else fitted
        aim = (special.logit(fitted) if odds else np.log(fitted)) - offset + (rate - fitted) / slope
        before, work = beta, n * slope
        beta = np.linalg.solve(x.T @ (work[:, None] * x), x.T @ (work * aim))
        fitted = special.expit(x @ beta) if odds else np.exp(x @ beta + offset)
        if np.abs(beta - before).max() < 1e-9:
            return beta
    raise InputError(f"The model of {'use' if odds else 'cost'} does not settle: leave a factor or a weight out.")
