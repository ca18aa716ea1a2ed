"""What a patient gained, like with like: a linear case-mix adjustment, and gain turned to discounted QALYs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pathcost_lib.arguments import require_columns
from pathcost_lib.errors import InputError
from pathcost_lib.results import Result
from pathcost_lib.scenarios import discount_factors

__all__ = ["Adjusted", "adjust", "discounted_years", "group_means"]

#: Rows below which a level of a factor is taken with the commonest: too few to have a coefficient of its own.
FEWEST_IN_LEVEL = 5


@dataclass(frozen=True, eq=False)
class Adjusted(Result):
    """`table` is the rows with `excess_<outcome>`; `coefficients` term, estimate, se; share of variance explained."""

    coefficients: pd.DataFrame
    r_squared: float
    residual_sd: float

    @property
    def summary(self) -> str:
        """How much the case mix explains."""
        return f"Case mix explains {self.r_squared:.0%} of the variance between {len(self.table):,} patients"


def adjust(
    rows: pd.DataFrame, outcome: str, *, numbers: Sequence[str] = (), factors: Sequence[str] = (), within: str = ""
) -> Adjusted:
    """Return how far each row's outcome is above what its case mix would lead one to expect.

    Parameters
    ----------
    rows : DataFrame
        One row a patient.
    outcome : str
        Column: gain, or cost.
    numbers, factors : sequence of str
        Columns: numbers, each with its square; categories (missing is a category). One that does not vary is passed by.
    within : str, optional
        Column: expected values are of rows alike in it (such as pathway), each with its own coefficients.

    Returns
    -------
    Adjusted
        `excess_<outcome>` sums to nought over all. A group's mean excess + the mean of all is its mean at average case
        mix: the adjusted average health gain of NHS England's PROMs methodology.

    Notes
    -----
    Least squares (statsmodels). Gain on the score before has the same residuals as the score after on it, so that
    regression to the mean is taken out. Patients are not clustered in organisations here: the organisations' part goes
    to the residuals. Standard errors of coefficients are robust (HC1).
    """
    import statsmodels.api as sm  # slow to import, and only this function needs it

    require_columns(rows, [outcome, *numbers, *factors], what="rows to adjust")
    excess = np.empty(len(rows))
    total, left, freedom, tables = 0.0, 0.0, 0, []
    groups = rows.groupby(within, sort=True).indices if within else {"all": np.arange(len(rows))}
    for name, places in groups.items():
        part = rows.iloc[places]
        design = _design(part, numbers, factors)
        y = part[outcome].to_numpy(dtype=float)
        if len(part) <= design.shape[1]:
            raise InputError(f"{name}: {len(part)} patients are too few to allow for {design.shape[1] - 1} traits.")
        fit = sm.OLS(y, design).fit(cov_type="HC1")
        excess[places] = y - np.asarray(fit.fittedvalues)
        total, left = total + float(((y - y.mean()) ** 2).sum()), left + float(fit.ssr)
        freedom += len(y) - design.shape[1]
        tables.append(
            pd.DataFrame({"term": design.columns, "estimate": fit.params, "se": fit.bse}).assign(of=str(name))
        )
    coefficients = pd.concat(tables, ignore_index=True)
    table = rows.assign(**{f"excess_{outcome}": excess})
    return Adjusted(table, coefficients, 1 - left / total if total else 0.0, float(np.sqrt(left / freedom)))


def _design(rows: pd.DataFrame, numbers: Sequence[str], factors: Sequence[str]) -> pd.DataFrame:
    columns = {"constant": np.ones(len(rows))}
    for name in numbers:
        value = rows[name].to_numpy(dtype=float)
        if np.ptp(value):
            scaled = (value - value.mean()) / value.std()
            columns |= {name: scaled, f"{name}_squared": scaled**2}
    for name in factors:
        level = rows[name].astype("string").fillna("not known")
        sizes = level.value_counts().sort_index(kind="stable").sort_values(ascending=False, kind="stable")
        held = [value for value in sizes.index[1:] if sizes[value] >= FEWEST_IN_LEVEL]
        columns |= {f"{name}={value}": (level == value).to_numpy(dtype=float) for value in held}
    # Two traits that say the same (both not known for the same patients): the later one is left out.
    size = np.abs(np.diag(np.linalg.qr(np.column_stack(list(columns.values())), mode="r")))
    own = size > 1e-9 * size.max()
    return pd.DataFrame({name: column for (name, column), kept in zip(columns.items(), own, strict=True) if kept})


def group_means(rows: pd.DataFrame, *, by: str, cost: str, effect: str, pooled: bool = False) -> pd.DataFrame:
    """Return each group's mean cost and effect, their variances and covariance.

    Parameters
    ----------
    rows : DataFrame
        One row a patient.
    by, cost, effect : str
        Columns.
    pooled : bool
        Spread within groups pooled over all of them, so that a group of one patient has a standard error too.

    Returns
    -------
    DataFrame
        by, pathways, cost, effect, cost_var, effect_var, both (covariance), the last three of the means.
    """
    grouped = rows.groupby(by, sort=True)
    n = grouped.size().rename("pathways")
    means = grouped[[cost, effect]].mean().set_axis(["cost", "effect"], axis=1)
    c, e = (rows[name] - rows[by].map(means[column]) for name, column in ((cost, "cost"), (effect, "effect")))
    products = pd.DataFrame({"cost_var": c * c, "effect_var": e * e, "both": c * e}).groupby(rows[by]).sum()
    if pooled:
        spread = products * 0 + products.sum() / max(int((n - 1).sum()), 1)
    else:
        spread = products.div((n - 1).where(n > 1), axis=0)
    return pd.concat([n, means, spread.div(n, axis=0)], axis=1).reset_index()


def discounted_years(
    years: float,
    *,
    build_up: float = 0.5,
    fading: bool = False,
    schedule: str | Sequence[tuple[int, float]] = "green_book_health",
) -> float:
    """Return the discounted years at the full gain, so that QALYs = gain of the EQ-5D index x these years.

    Parameters
    ----------
    years : float
        How long the gain lasts from the index event, in years: an assumption, to be stated.
    build_up : float
        Years over which it grows in a straight line from nought to what was measured (0.5: PROMs are asked at six
        months), so that QALYs are the area under the curve.
    fading : bool
        It falls in a straight line to nought at `years`, instead of lasting whole.
    schedule : str or sequence
        Of `scenarios.discount_factors`: 1.5 % for health effects (Green Book, annex A1); "green_book" for 3.5 %.

    Raises
    ------
    InputError
        If the gain is over before it is complete, or lasts longer than the schedule.
    """
    if not 0 <= build_up <= years:
        raise InputError(f"A gain that takes {build_up:g} years to build up cannot be over after {years:g}.")
    ends = 0.0 if fading and years > build_up else 1.0
    grid = np.unique([0.0, build_up, *np.arange(np.ceil(years)), years])
    at, share_at = ([0.0, build_up, years], [0.0, 1.0, ends]) if build_up else ([0.0, years], [1.0, ends])
    share = np.interp(grid, at, share_at)
    area = (share[1:] + share[:-1]) / 2 * np.diff(grid)
    return float(area @ discount_factors(int(np.ceil(years)), schedule)[np.floor(grid[:-1]).astype(int)])
