"""What a patient gained, like with like: a linear case-mix adjustment, and gain turned to discounted QALYs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from pathcost_lib.arguments import complete_rows, confidence_levels, explain_failure, number, require_columns
from pathcost_lib.errors import InputError
from pathcost_lib.results import Result
from pathcost_lib.scenarios import discount_factors

__all__ = [
    "NO_PATIENTS",
    "Adjusted",
    "adjust",
    "complete_patients",
    "discounted_years",
    "group_means",
    "one_level",
    "without",
]

#: Rows below which a level of a factor is taken with the commonest: too few to have a coefficient of its own.
FEWEST_IN_LEVEL = 5
#: Why a step has no rows whose table of patients has none: where nobody has a gain, each step says so and no more.
NO_PATIENTS = "there are no patients"


@dataclass(frozen=True, eq=False)
class Adjusted(Result):
    """`table` is the complete rows with `excess_<outcome>`; `coefficients` of, term, estimate, se; `r_squared` the
    share of variance explained, missing where the outcome does not vary. `left_out` counts the rows without a value by
    reason; `notes` the patients whose trait is not known or too rare to have a coefficient. `reason`: `NO_PATIENTS`.
    """  # noqa: D205

    coefficients: pd.DataFrame
    r_squared: float
    residual_sd: float
    left_out: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    reason: str = ""

    @property
    def summary(self) -> str:
        """How much the case mix explains, and how many could not be counted."""
        if self.reason:
            return f"Not computable: {self.reason}."
        many = f"{len(self.table):,} patients{without(self.left_out)}"
        if np.isnan(self.r_squared):
            return f"The outcome does not vary between {many}"
        return f"Case mix explains {self.r_squared:.0%} of the variance between {many}"


def complete_patients(
    rows: pd.DataFrame, *, labels: Sequence[str] = (), numbers: Sequence[str], what: str = "patients"
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the patients that have every one of these values, numbers as floats, and how many were left out and why.

    Parameters
    ----------
    rows : DataFrame
        One row a patient.
    labels, numbers : sequence of str
        Columns that a patient needs: the group, which may be of any type; and numbers.
    what : str
        Name of the rows in messages.

    Raises
    ------
    InputError
        If a column is absent, a number is infinite or text, or of some patients none has all of them. Of none, none is
        returned.
    """
    require_columns(rows, [*labels, *numbers], what=what, may_be_empty=True)
    if rows.empty:
        return rows.astype(dict.fromkeys(numbers, float)), {}
    read = {}
    for name in numbers:
        if not pd.api.types.is_numeric_dtype(rows[name]):
            read[name] = pd.to_numeric(rows[name], errors="coerce").astype(float)
            text = int((read[name].isna() & rows[name].notna()).sum())
            if text:
                raise InputError(f"{name} of the {what} must be a number; it is text in {text} row(s).")
    complete, left_out = complete_rows(rows.assign(**read), [*labels, *numbers], what=what)
    if complete.empty:
        raise InputError(f"None of the {what} has {', '.join([*labels, *numbers])} together.")
    return complete, left_out


def without(left_out: dict[str, int]) -> str:
    """Return how many were left out and why, to stand behind a number of patients; empty where none was."""
    return f" (left out: {', '.join(f'{n:,} with {reason}' for reason, n in left_out.items())})" if left_out else ""


def one_level(confidence: float) -> float:
    """Return one confidence level; several, or a per cent, are refused."""
    levels = confidence_levels(confidence)
    if len(levels) > 1:
        raise InputError(f"Give one confidence level, such as 0.95; {len(levels)} were given.")
    return levels[0]


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
        Columns: numbers, each with its square; categories ("not known" is one, with a note of how many). One that does
        not vary is passed by.
    within : str, optional
        Column: expected values are of rows alike in it (such as pathway), each with its own coefficients.

    Returns
    -------
    Adjusted
        Rows without the outcome, a number or the `within` column are left out and counted by reason.
        `excess_<outcome>` sums to zero over all others. A group's mean excess + the mean of all is its mean at average
        case mix: the adjusted average health gain of NHS England's PROMs methodology.

    Notes
    -----
    Least squares (statsmodels). Gain on the score before has the same residuals as the score after on it, so that
    regression to the mean is taken out. Patients are not clustered in organisations here: the organisations' part goes
    to the residuals. Standard errors of coefficients are robust (HC1).

    Raises
    ------
    InputError
        If a column is absent or holds text for a number, or a group has no more patients than traits.
    """
    import statsmodels.api as sm  # slow to import, and only this function needs it

    require_columns(rows, [outcome, *numbers, *factors], what="patients", may_be_empty=True)
    rows, left_out = complete_patients(rows, labels=[within] if within else [], numbers=[outcome, *numbers])
    if rows.empty:
        none = pd.DataFrame(columns=["term", "estimate", "se", "of"])
        return Adjusted(rows.assign(**{f"excess_{outcome}": 0.0}), none, np.nan, np.nan, reason=NO_PATIENTS)
    excess = np.empty(len(rows))
    total, left, freedom, tables = 0.0, 0.0, 0, list[pd.DataFrame]()
    notes = {f"{name} not known": n for name in factors if (n := int(rows[name].isna().sum()))}
    groups = rows.groupby(within, sort=True).indices if within else {"all": np.arange(len(rows))}
    for name, places in groups.items():
        part = rows.iloc[places]
        design, rare = _design(part, numbers, factors)
        for trait, n in rare.items():
            notes[trait] = notes.get(trait, 0) + n
        y = part[outcome].to_numpy(dtype=float)
        if len(part) <= design.shape[1]:
            raise InputError(f"{name}: {len(part)} patients are too few to allow for {design.shape[1] - 1} traits.")
        with explain_failure(f"The case mix of {name}", library="statsmodels"):
            fit = sm.OLS(y, design).fit(cov_type="HC1")
        excess[places] = y - np.asarray(fit.fittedvalues)
        total, left = total + float(((y - y.mean()) ** 2).sum()), left + float(fit.ssr)
        freedom += len(y) - design.shape[1]
        tables.append(
            pd.DataFrame({"term": design.columns, "estimate": fit.params, "se": fit.bse}).assign(of=str(name))
        )
    coefficients = pd.concat(tables, ignore_index=True)
    table = rows.assign(**{f"excess_{outcome}": excess})
    # Rounding leaves a constant with a variance of some 1e-30 of its square.
    varies = total > 1e-20 * float((table[outcome] ** 2).sum())
    explained = 1 - left / total if varies else np.nan
    return Adjusted(table, coefficients, explained, float(np.sqrt(left / freedom)), left_out, notes)


def _design(rows: pd.DataFrame, numbers: Sequence[str], factors: Sequence[str]) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the columns of the regression, and how many patients have a level too rare for a column of its own."""
    rare: dict[str, int] = {}
    columns = {"constant": np.ones(len(rows))}
    for name in numbers:
        value = rows[name].to_numpy(dtype=float)
        if np.ptp(value):
            scaled = (value - value.mean()) / value.std()
            columns |= {name: scaled, f"{name}_squared": scaled**2}
    for name in factors:
        level = rows[name].astype("string").fillna("not known")
        sizes = level.value_counts().sort_index(kind="stable").sort_values(ascending=False, kind="stable")
        levels = [value for value in sizes.index[1:] if sizes[value] >= FEWEST_IN_LEVEL]
        columns |= {f"{name}={value}": (level == value).to_numpy(dtype=float) for value in levels}
        few = int(sizes.iloc[1:][sizes.iloc[1:] < FEWEST_IN_LEVEL].sum())
        rare |= {f"{name} too rare: taken with the commonest": few} if few else {}
    # Two traits that say the same (both not known for the same patients): the later one is left out.
    size = np.abs(np.diag(np.linalg.qr(np.column_stack(list(columns.values())), mode="r")))
    own = size > 1e-9 * size.max()
    design = pd.DataFrame({name: column for (name, column), kept in zip(columns.items(), own, strict=True) if kept})
    return design, rare


def group_means(rows: pd.DataFrame, *, by: str, cost: str, effect: str, pooled: bool = False) -> pd.DataFrame:
    """Return each group's mean cost and effect, their variances and covariance.

    Parameters
    ----------
    rows : DataFrame
        One row a patient, each with all three values (`complete_patients`).
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
    c, e = (
        rows[name] - rows[by].map(means[column]).astype(float) for name, column in ((cost, "cost"), (effect, "effect"))
    )
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
        Years over which it grows in a straight line from zero to what was measured (0.5: PROMs are asked at six
        months), so that QALYs are the area under the curve.
    fading : bool
        It falls in a straight line to zero at `years`, instead of lasting whole.
    schedule : str or sequence
        Of `scenarios.discount_factors`: for health effects 1.5 % to year 30 and less after (Green Book, annex A6);
        "green_book" for 3.5 %.

    Raises
    ------
    InputError
        If the gain is over before it is complete, or lasts longer than the schedule.
    """
    years = number(years, "years (how long the gain lasts)", least=0)
    build_up = number(build_up, "build_up (years until the gain is whole)", least=0)
    if build_up > years:
        raise InputError(f"A gain that takes {build_up:g} years to build up cannot be over after {years:g}.")
    ends = 0.0 if fading and years > build_up else 1.0
    grid = np.unique([0.0, build_up, *np.arange(np.ceil(years)), years])
    at, share_at = ([0.0, build_up, years], [0.0, 1.0, ends]) if build_up else ([0.0, years], [1.0, ends])
    share = np.interp(grid, at, share_at)
    area = (share[1:] + share[:-1]) / 2 * np.diff(grid)
    return float(area @ discount_factors(int(np.ceil(years)), schedule)[np.floor(grid[:-1]).astype(int)])
