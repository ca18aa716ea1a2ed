"""Expected cost for a case mix, by regression on cells (age x sex x deprivation x currency ...) instead of patients.

A log-link model on weighted cells gives the same coefficients as on the patients behind them, because a cell's count
and total (and sum of squares, for its spread) are all that it needs; 50 million patients take as long as 50.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from pathcost_lib.arguments import as_list, encode, explain_failure, numbers, refuse, require_columns, told_apart
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.intervals import Limits, limit_columns
from pathcost_lib.results import Result

__all__ = ["ExpectedCost", "expected_cost"]

FAMILIES = ("poisson", "gamma", "log_ols")
PARK_GAMMA = (1.5, 2.5)  # variance grows as mean^2 when the Park exponent is nearest to 2


@dataclass(frozen=True, eq=False)
class ExpectedCost(Result):
    """Cells with `expected_gbp`; how the model was chosen, its coefficients, and whether it is calibrated."""

    coefficients: pd.DataFrame
    family: str
    chosen_because: str
    park_exponent: float
    park_se: float
    smearing: float
    calibration: pd.DataFrame
    measures: tuple[str, str, str]
    note: str = ""

    @property
    def summary(self) -> str:
        """Say which model, why, and how well it is calibrated."""
        worst = (self.calibration["observed_gbp"] / self.calibration["expected_gbp"] - 1).abs().max()
        return f"Expected cost by {self.family} ({self.chosen_because}); the worst tenth is {worst:.1%} off"

    def compare(self, by: str | Iterable[str], confidence: float | Iterable[float] = 0.95) -> pd.DataFrame:
        """Return observed over expected cost by group: by, observed_gbp, expected_gbp, ratio, lower_95, upper_95.

        Limits are of the observed cost, from the scatter of patients within cells; the model is taken as known.
        """
        count, cost, squares = self.measures
        require_columns(self.table, as_list(by), what="cells")
        group, groups = encode(self.table, as_list(by))
        n, total, square = (self.table[column].to_numpy(dtype=float) for column in (count, cost, squares))
        expected = np.bincount(group, self.table["expected_gbp"].to_numpy())
        observed = np.bincount(group, total)
        se = np.sqrt(np.bincount(group, np.maximum(square - total**2 / n, 0) * n / np.maximum(n - 1, 1)))

        def limits(level: float) -> Limits:
            half = special.ndtri((1 + level) / 2) * se
            return (observed - half) / expected, (observed + half) / expected

        columns = limit_columns(confidence, limits)
        return groups.assign(observed_gbp=observed, expected_gbp=expected, ratio=observed / expected, **columns)


def expected_cost(
    cells: pd.DataFrame,
    *,
    count: str,
    cost: str,
    squares: str,
    factors: str | Iterable[str],
    covariates: str | Iterable[str] | None = None,
    log_sum: str | None = None,
    family: str = "auto",
) -> ExpectedCost:
    """Return what each cell's patients would cost at the average for their case mix.

    Parameters
    ----------
    cells : DataFrame
        One row per combination of factors (and of the organisations to be compared afterwards).
    count, cost, squares : str
        Columns: patients; sum of their costs in pounds; sum of their squared costs.
    factors, covariates : str or list of str
        Columns: categories (the commonest is the base); numbers, entered as they are.
    log_sum : str, optional
        Column: sum of log cost; needed by log_ols.
    family : "auto", "poisson", "gamma" or "log_ols"

    Returns
    -------
    ExpectedCost
        `.table` is the cells with expected_gbp; `.coefficients` term, estimate, se, ratio (exp of the estimate);
        `.calibration` observed and expected cost by tenth of expected mean cost; `.compare(by)`.

    Raises
    ------
    InputError
        Negative or missing values, squares smaller than the mean allows, factors that say the same thing twice, or
        log_ols without log_sum or with cells of no cost.

    Notes
    -----
    The choice is by the modified Park test (Manning and Mullahy, Journal of Health Economics 2001;20:461): squared
    residuals of the gamma model regressed, with log link, on the log of its predictions give the power of the mean with
    which the variance grows. Under 1.5, Poisson-type; 1.5 to 2.5, gamma; above, least squares on log cost with Duan's
    smearing (JASA 1983;78:605) where log_sum is held, else gamma. All have a log link. Cells of no cost need
    Poisson-type. Standard errors are robust (HC0 of the patients; of the cells for log_ols).

    Examples
    --------
    Over both areas the young cost £1,000 on average and the old £3,000. So South, with more old patients, is expected
    to cost 10 x £1,000 + 30 x £3,000 = £100,000; it costs 6 % more.

    >>> import pandas as pd
    >>> import pathcost_lib as pc
    >>> cells = pd.DataFrame({
    ...     "area": ["North", "North", "South", "South"],
    ...     "age": ["young", "old", "young", "old"],
    ...     "patients": [30, 10, 10, 30],
    ...     "gbp": [27_000.0, 27_000.0, 13_000.0, 93_000.0],
    ... })
    >>> cells["squares"] = 1.2 * cells["gbp"] ** 2 / cells["patients"]  # the variance is a fifth of the mean squared
    >>> columns = {"count": "patients", "cost": "gbp", "squares": "squares", "factors": "age"}
    >>> model = pc.expected_cost(cells, family="poisson", **columns)
    >>> model.table[["area", "age", "gbp", "expected_gbp"]].round(0)
        area    age      gbp  expected_gbp
    0  North  young  27000.0       30000.0
    1  North    old  27000.0       30000.0
    2  South  young  13000.0       10000.0
    3  South    old  93000.0       90000.0
    >>> model.compare("area").round(2)
        area  observed_gbp  expected_gbp  ratio  lower_95  upper_95
    0  North       54000.0       60000.0   0.90      0.75      1.05
    1  South      106000.0      100000.0   1.06      0.90      1.22
    """
    import statsmodels.api as sm  # slow to import, and only this function needs it

    names = [*as_list(factors), *as_list(covariates)]
    require_one_of(family, ["auto", *FAMILIES], what="Model family")
    require_columns(cells, [*names, count, cost, squares, *as_list(log_sum)], what="cells")
    n, total, square = (
        numbers(cells, count, names, above=0),
        numbers(cells, cost, names),
        numbers(cells, squares, names),
    )
    told_apart(cells, [count, cost, squares, *as_list(log_sum)], what="cells")
    refuse(cells, square * (1 + 1e-9) < total**2 / n, names, f"{squares} must be at least {cost} squared over {count}")
    design = design_of(cells, as_list(factors), as_list(covariates), n)
    mean = total / n

    def fit(kind: str) -> np.ndarray:
        of = sm.families.Gamma if kind == "gamma" else sm.families.Poisson
        model = sm.GLM(mean, design, family=of(link=sm.families.links.Log()), var_weights=n)
        with explain_failure(f"The {kind} model of cost", library="statsmodels"):
            return np.asarray(model.fit(maxiter=200, tol=1e-12).params)

    power, power_se, reason = np.nan, np.nan, "asked for"
    if (mean > 0).all():
        power, power_se = _park(mean, square, n, np.exp(design.to_numpy() @ fit("gamma")))
    if family == "auto":
        family, reason = _choose(power, bool((mean > 0).all()), log_sum is not None)
    smearing = 1.0
    if family == "log_ols":
        if log_sum is None or not (mean > 0).all():
            raise InputError("log_ols needs log_sum, the sum of log cost, and no cell without cost.")
        x, log_mean = design.to_numpy(), numbers(cells, log_sum, names, above=-np.inf) / n
        # The mean of logs is at most the log of the mean (Jensen), and equal where all patients cost the same.
        refuse(cells, log_mean > np.log(mean) + 1e-9, names, f"{log_sum} is more than the cost in {cost} allows")
        beta = np.linalg.solve(x.T @ (n[:, None] * x), x.T @ (n * log_mean))
        smearing = float((total * np.exp(-x @ beta)).sum() / n.sum())  # mean of exp(residual) over patients
        working, scores = n, (n * (log_mean - x @ beta)) ** 2
    else:
        beta, x = fit(family), design.to_numpy()
        fitted = np.exp(x @ beta)
        working = n if family == "gamma" else n * fitted
        scores = (square - 2 * fitted * total + n * fitted**2) * (working / n / fitted) ** 2  # summed over patients
    bread = np.linalg.inv(x.T @ (working[:, None] * x))
    se = np.sqrt(np.diag(bread @ (x.T @ (scores[:, None] * x)) @ bread))
    predicted = np.exp(x @ beta) * smearing
    terms = pd.DataFrame({"term": design.columns, "estimate": beta, "se": se, "ratio": np.exp(beta)})
    table = cells.assign(expected_gbp=n * predicted)
    tenths = _calibration(n, total, n * predicted)
    measures, note = (count, cost, squares), saturated(cells, as_list(factors))
    return ExpectedCost(table, terms, family, reason, power, power_se, smearing, tenths, measures, note)


def saturated(cells: pd.DataFrame, factors: list[str]) -> str:
    """Name the levels that stand in one cell only: the model gives such a cell its own cost, whatever that is."""
    alone = [
        f"{factor}={level}" for factor in factors for level, cases in cells[factor].value_counts().items() if cases == 1
    ]
    return f"In one cell only, so that expected is observed there: {', '.join(sorted(alone)[:5])}." if alone else ""


def design_of(cells: pd.DataFrame, factors: list[str], covariates: list[str], n: np.ndarray) -> pd.DataFrame:
    """Return the design matrix: a constant, an indicator for each category but the commonest, and the covariates."""
    columns = {"constant": np.ones(len(cells))}
    for factor in factors:
        code, levels = encode(cells, [factor])
        base = np.bincount(code, n).argmax()
        for i in range(len(levels)):
            if i != base:
                columns[f"{factor}={levels[factor][i]}"] = (code == i).astype(float)
    for name in covariates:
        columns[name] = numbers(cells, name, factors, above=-np.inf)
    design = pd.DataFrame(columns)
    values = design.to_numpy(dtype=float)
    if np.linalg.matrix_rank(values / np.maximum(np.abs(values).max(axis=0), 1e-300)) < design.shape[1]:
        raise InputError(f"The factors {', '.join(factors + covariates)} say the same thing twice: leave one out.")
    return design


def _park(mean: np.ndarray, square: np.ndarray, n: np.ndarray, fitted: np.ndarray) -> tuple[float, float]:
    """Return the power of the mean with which the variance grows, and its standard error; NaN where means are one."""
    import statsmodels.api as sm

    squared_residual = square / n - 2 * fitted * mean + fitted**2  # mean over the cell's patients
    if np.ptp(np.log(fitted)) < 1e-9 or not (squared_residual > 0).all():
        return np.nan, np.nan
    family = sm.families.Gamma(link=sm.families.links.Log())
    model = sm.GLM(squared_residual, sm.add_constant(np.log(fitted)), family=family, var_weights=n).fit(maxiter=200)
    return float(model.params[1]), float(model.bse[1])


def _choose(power: float, positive: bool, logs: bool) -> tuple[str, str]:
    if not positive:
        return "poisson", "some cells have no cost"
    if np.isnan(power):
        return "gamma", "the Park test cannot be computed"
    low, high = PARK_GAMMA
    if power < low:
        return "poisson", f"Park exponent {power:.2f} is under {low}"
    if power <= high or not logs:
        return "gamma", f"Park exponent {power:.2f}" + ("" if power <= high else ", and log cost is not held")
    return "log_ols", f"Park exponent {power:.2f} is above {high}"


def _calibration(n: np.ndarray, observed: np.ndarray, expected: np.ndarray) -> pd.DataFrame:
    """Return observed and expected cost by tenth of patients, in order of expected mean cost."""
    tenth = tenth_of(n, observed, expected)
    table = pd.DataFrame({"tenth": tenth + 1, "patients": n, "observed_gbp": observed})
    return table.assign(expected_gbp=expected).groupby("tenth", as_index=False).sum()


def tenth_of(n: np.ndarray, observed: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the tenth of patients, 0 to 9, in which each cell lies in order of expected mean cost."""
    # Cells with the same expected mean stand in an order of their own, so that the order of rows changes nothing.
    order = np.lexsort((observed, n, np.log(expected / n).round(9)))
    middle = np.cumsum(n[order]) - n[order] / 2
    tenth = np.empty(len(n), dtype=int)
    tenth[order] = np.minimum((10 * middle / n.sum()).astype(int), 9)
    return tenth
