"""How much of the variation lies between ICBs, between providers in them, and between patients.

Nested random intercepts, normal, by restricted or full maximum likelihood.

Rows stay in the engine: one pass sums them by innermost group, and the rest works on those sums (see `nested`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from pathcost_lib import arguments
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.results import Result
from pathcost_lib.sources import Relation, connect
from pathcost_lib.sources.quoting import quote_name
from pathcost_lib.variation import nested

__all__ = ["VarianceComponents", "variance_components"]

_NUMERIC = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "FLOAT",
    "DOUBLE",
)


@dataclass(frozen=True, eq=False)
class VarianceComponents(Result):
    """A fitted model of nested random intercepts.

    Attributes
    ----------
    table : DataFrame
        One row per component (groups outermost first, then "residual"): component, variance, sd, lower_95, upper_95 (of
        the variance; Satterthwaite), share, groups, reason (where there is no interval).
    variances : Series
        Variance by group, and `residual`.
    icc : Series
        By group: share of the variance at that group or outside it, which is how alike two patients of one group are.
    fixed_effects : DataFrame
        Indexed by term ("intercept", covariates): estimate, se, lower_95, upper_95, p_value (normal).
    log_likelihood : float
        Restricted where the method is REML; with the same constants as lme4 and statsmodels.
    blups : dict of DataFrame
        By group: the group's path, level, blup (its predicted deviation from its parent's mean), sd (given the
        estimated variances and fixed effects, as lme4's), rows.
    notes : tuple of str
        What a reader should know: rows left out, variances of 0, codes under several parents.
    """

    variances: pd.Series
    icc: pd.Series
    fixed_effects: pd.DataFrame
    log_likelihood: float
    blups: dict[str, pd.DataFrame]
    method: str
    rows: int
    converged: bool
    notes: tuple[str, ...]

    @property
    def summary(self) -> str:
        """Where the variation lies, in a sentence."""
        shares = self.table.set_index("component")["share"]
        parts = [f"{share:.1%} between {name}" for name, share in shares.items() if name != "residual"]
        note = f" {' '.join(self.notes)}" if self.notes else ""
        within = f"{shares['residual']:.1%} within them"
        return f"Of the variation among {self.rows:,} rows, {', '.join(parts)}, and {within}.{note}"

    def exceedance(self, group: str, threshold: float = 0.0, *, above: bool = True) -> pd.DataFrame:
        """Return each group's probability that its true deviation is above (or below) a threshold (outcome's units)."""
        frame, threshold = self._of(group).copy(), arguments.number(threshold, "threshold")
        distance = (frame["blup"] - threshold).to_numpy() * (1 if above else -1)
        sd = frame["sd"].to_numpy()
        with np.errstate(divide="ignore", invalid="ignore"):
            certain = np.where(distance > 0, 1.0, 0.0)
            frame["probability"] = np.where(sd > 0, stats.norm.cdf(distance / sd), certain)
        return frame

    def league_table(self, group: str, confidence: float = 0.95) -> pd.DataFrame:
        """Return groups from the highest BLUP down, with intervals and the probability of being above average."""
        frame = self.exceedance(group).rename(columns={"probability": "probability_above_average"})
        levels = arguments.confidence_levels(confidence)
        if len(levels) > 1:
            raise InputError("League table: give one level of confidence.")
        confidence = levels[0]
        half = stats.norm.ppf((1 + confidence) / 2) * frame["sd"]
        name = f"{confidence * 100:.6g}".replace(".", "")
        frame[f"lower_{name}"], frame[f"upper_{name}"] = frame["blup"] - half, frame["blup"] + half
        frame = frame.sort_values("blup", ascending=False, kind="stable", ignore_index=True)
        frame.insert(0, "rank", np.arange(1, len(frame) + 1))
        return frame

    def _of(self, group: str) -> pd.DataFrame:
        return self.blups[require_one_of(group, self.blups, what="group")]


def variance_components(
    table: Relation | pd.DataFrame,
    *,
    outcome: str,
    groups: Sequence[str],
    covariates: Sequence[str] = (),
    method: str = "reml",
) -> VarianceComponents:
    """Fit outcome = covariates + a random intercept for each nested group + residual, all normal.

    Parameters
    ----------
    table : Relation or DataFrame
        One row per patient, pathway or contact. A relation is read once, in its engine.
    outcome : str
        Numeric column, such as cost or log cost.
    groups : str or sequence of str
        Columns of codes, outermost first: ["icb_code", "provider_code"]. A code under two parents is two groups.
    covariates : sequence of str
        Numeric or true/false columns; make 0/1 columns of a category yourself.
    method : {"reml", "ml"}
        Restricted or full maximum likelihood. Compare models that differ in covariates by "ml" only.

    Raises
    ------
    InputError
        If a column is missing, named twice or not a number, the outcome or a covariate is constant or a sum of others,
        or the groups leave nothing to estimate.

    Notes
    -----
    Not supported: random slopes, crossed groups, weights, correlated or unequal residuals, and outcomes other than
    normal. Rows with a missing outcome, covariate or group are left out and counted in `notes`.
    Intervals of variances are Satterthwaite's: ν σ̂²/χ²(ν), ν = 2/var(log σ̂²), as SAS PROC MIXED gives.

    Examples
    --------
    Three trusts of two patients each, by hand (balanced analysis of variance): the variance within trusts is 2, and
    that of their means 100. Of the 100, 2 / 2 is chance; 99 is between trusts.

    >>> import pandas as pd
    >>> import pathcost_lib as pc
    >>> costs = pd.DataFrame({"trust": list("AABBCC"), "cost": [9.0, 11.0, 19.0, 21.0, 29.0, 31.0]})
    >>> model = pc.variance_components(costs, outcome="cost", groups="trust")
    >>> model.variances.round(1)
    trust       99.0
    residual     2.0
    Name: variance, dtype: float64
    >>> model.icc.round(2)  # 99 / (99 + 2)
    trust    0.98
    Name: icc, dtype: float64
    """
    require_one_of(method, ("reml", "ml"), what="method")
    groups, covariates = arguments.as_list(groups), arguments.as_list(covariates)
    if not 1 <= len(groups) <= 3:
        raise InputError(f"Variance components: give one to three groups, outermost first, not {len(groups)}.")
    relation = table if isinstance(table, Relation) else _register(table, [outcome, *groups, *covariates])
    _check_columns(relation, outcome, groups, covariates)
    repeated = [c for c in {outcome, *groups, *covariates} if [outcome, *groups, *covariates].count(c) > 1]
    if repeated:
        raise InputError(f"Variance components: {', '.join(sorted(repeated))} is named more than once.")
    frame, dropped, centre, scale = _read(relation, outcome, groups, covariates)
    sums = _sums(frame, groups, len(covariates) + 1)
    _check_estimable(sums, groups, covariates)
    with arguments.explain_failure(f"The model of {outcome} by {', '.join(groups)}", library="numpy"):
        model = nested.fit(sums, reml=method == "reml")
    notes = _notes(frame, groups, dropped, model)
    return _result(model, sums, frame, groups, ["intercept", *covariates], centre, scale, method, notes)


def _register(table: pd.DataFrame, columns: list[str]) -> Relation:
    arguments.require_columns(table, columns, what="rows of the model")
    return connect(files=()).register("rows", table[list(dict.fromkeys(columns))])


def _check_columns(relation: Relation, outcome: str, groups: list[str], covariates: list[str]) -> None:
    schema = relation.schema
    missing = [c for c in (outcome, *groups, *covariates) if c not in schema]
    if missing:
        raise InputError(
            f"Variance components: the table has no column {', '.join(missing)}. It has {', '.join(schema)}."
        )
    for column in (outcome, *covariates):
        kind = schema[column].upper().split("(")[0]
        if kind not in (*_NUMERIC, "DECIMAL") and not (kind == "BOOLEAN" and column in covariates):
            raise InputError(
                f"Variance components: column {column} is {schema[column]}. It must be a number; make 0/1 columns of a "
                "category."
            )


def _read(
    relation: Relation, outcome: str, groups: list[str], covariates: list[str]
) -> tuple[pd.DataFrame, int, np.ndarray, np.ndarray]:
    """Sum the rows by innermost group in one pass, about rough centres and in rough units, so that nothing cancels.

    Returns the sums (columns z0 .. for [X y] without the ones, z0_z1 .. for products), rows left out, centres and
    scales.
    """
    numbers = [*covariates, outcome]
    fields = [f"CAST({quote_name(c)} AS DOUBLE) AS z{i}" for i, c in enumerate(numbers)]
    keys = [f"{quote_name(g)} AS g{i}" for i, g in enumerate(groups)]
    # NaN and infinity times 0 is not 0, on every engine.
    usable = " AND ".join(
        [*(f"z{i} * 0 = 0" for i in range(len(numbers))), *(f"g{i} IS NOT NULL" for i in range(len(groups)))]
    )
    first = ", ".join(f"avg(z{i}) AS m{i}, stddev_samp(z{i}) AS s{i}" for i in range(len(numbers)))
    rough = relation.query(
        f"SELECT {first} FROM (SELECT {', '.join(fields + keys)} FROM this LIMIT 20000) AS early WHERE {usable}"
    ).to_pandas()
    centre = np.nan_to_num(np.array([rough[f"m{i}"][0] for i in range(len(numbers))], dtype=float))
    scale = np.nan_to_num(np.array([rough[f"s{i}"][0] for i in range(len(numbers))], dtype=float))
    scale[scale <= 1e-12 * (1 + np.abs(centre))] = 1.0
    names = ", ".join(f"g{i}" for i in range(len(groups)))
    centred = [
        f"CASE WHEN {usable} THEN (z{i} - ({m!r})) / {s!r} END AS z{i}"
        for i, (m, s) in enumerate(zip(centre.tolist(), scale.tolist(), strict=True))
    ]
    sums = [f"sum(z{i}) AS z{i}" for i in range(len(numbers))]
    sums += [f"sum(z{i} * z{j}) AS z{i}_z{j}" for i in range(len(numbers)) for j in range(i, len(numbers))]
    frame = relation.query(
        f"SELECT {names}, CAST(count(*) AS BIGINT) AS n_all, CAST(count(z0) AS BIGINT) AS n, {', '.join(sums)} "
        f"FROM (SELECT {names}, {', '.join(centred)} "
        f"FROM (SELECT {', '.join(fields + keys)} FROM this) AS plain) AS near GROUP BY {names}"
    ).to_pandas()
    dropped = int(frame["n_all"].sum() - frame["n"].sum())
    frame = frame[frame["n"] > 0].sort_values([f"g{i}" for i in range(len(groups))], kind="stable", ignore_index=True)
    return frame.rename(columns={f"g{i}": g for i, g in enumerate(groups)}), dropped, centre, scale


def _sums(frame: pd.DataFrame, groups: list[str], numbers: int) -> nested.Sums:
    n = frame["n"].to_numpy(dtype=float)
    totals = frame[[f"z{i}" for i in range(numbers)]].to_numpy(dtype=float)
    sums = np.ascontiguousarray(np.column_stack([n, totals]).T)
    products = np.empty((numbers + 1, numbers + 1))
    products[0, :] = products[:, 0] = sums.sum(axis=1)
    for i in range(numbers):
        for j in range(i, numbers):
            products[i + 1, j + 1] = products[j + 1, i + 1] = frame[f"z{i}_z{j}"].sum()
    starts: list[np.ndarray] = []
    below = np.arange(len(frame))
    for depth in range(len(groups) - 1, 0, -1):
        path = frame.loc[below, groups[:depth]]
        first = np.flatnonzero((path != path.shift()).any(axis=1).to_numpy())
        starts.append(first)
        below = below[first]
    return nested.Sums(n, sums, products, starts)


def _check_estimable(sums: nested.Sums, groups: list[str], covariates: list[str]) -> None:
    counts = [len(sums.n), *(len(s) for s in sums.starts)][::-1]
    for name, count, below in zip(groups, counts, [*counts[1:], sums.rows], strict=True):
        if count < 2:
            raise InputError(f"Variance components: {name} has {count} group; at least 2 are needed.")
        if count >= below:
            raise InputError(
                f"Variance components: each {name} holds one thing only, so that its variance cannot be told "
                "from the next level's."
            )
    if sums.rows <= len(covariates) + 1 + len(groups):
        raise InputError(f"Variance components: {sums.rows} rows are too few.")
    cross = sums.products[:-1, :-1]
    products = sums.products
    spread = products[-1, -1] - products[0, -1] ** 2 / products[0, 0]
    if spread <= 1e-10 * max(products[-1, -1], 1e-300):
        raise InputError("Variance components: the outcome is the same in every row, so that nothing varies.")
    if products[-1, -1] - np.sum(sums.sums[-1] ** 2 / sums.n) <= 1e-10 * products[-1, -1]:
        raise InputError(
            f"Variance components: the outcome is the same in all rows of each {groups[-1]}, so that nothing is left "
            "between rows."
        )
    within = cross[1:, 1:] - np.outer(cross[0, 1:], cross[0, 1:]) / cross[0, 0]
    for i, name in enumerate(covariates):
        known = np.linalg.lstsq(within[:i, :i], within[:i, i], rcond=None)[0] if i else np.empty(0)
        left = within[i, i] - within[i, :i] @ known
        if left <= 1e-10 * max(cross[i + 1, i + 1], 1e-300):
            raise InputError(
                f"Variance components: covariate {name} is constant, or a sum of those before it: leave it out."
            )


def _notes(frame: pd.DataFrame, groups: list[str], dropped: int, model: nested.Fit) -> tuple[str, ...]:
    notes = []
    if dropped:
        notes.append(f"{dropped:,} rows were left out: a missing or infinite outcome or covariate, or no group.")
    for depth in range(1, len(groups)):
        parents = frame[groups[: depth + 1]].drop_duplicates()[groups[depth]].value_counts()
        several = int((parents > 1).sum())
        if several:
            notes.append(
                f"{several:,} codes of {groups[depth]} lie under more than one {groups[depth - 1]}: each is counted as "
                "separate groups."
            )
    notes += [
        f"No variation between {name} beyond chance was found."
        for name, ratio in zip(groups[::-1], model.theta, strict=True)
        if ratio == 0
    ]
    if not model.converged:
        notes.append("The search did not settle: treat the variances with care.")
    return tuple(notes)


def _result(
    model: nested.Fit,
    sums: nested.Sums,
    frame: pd.DataFrame,
    groups: list[str],
    terms: list[str],
    centre: np.ndarray,
    scale: np.ndarray,
    method: str,
    notes: tuple[str, ...],
) -> VarianceComponents:
    """Carry the fit back to the columns' own centres and units."""
    best, unit = model.profile, scale[-1]
    back = np.diag(np.concatenate([[1.0], 1 / scale[:-1]]))
    back[0, 1:] = -centre[:-1] / scale[:-1]
    estimate = unit * back @ best.beta
    estimate[0] += centre[-1]
    se = unit * np.sqrt(np.diag(back @ best.beta_covariance @ back.T))
    # y and the covariates were divided by their scales: the density's and the restricted likelihood's Jacobians.
    degrees = sums.rows - len(terms) if method == "reml" else sums.rows
    deviance = best.deviance + 2 * degrees * np.log(unit) + (2 * np.log(scale[:-1]).sum() if method == "reml" else 0.0)

    names = [*groups, "residual"]
    relative = np.append(model.theta[::-1], 1.0)
    variances = pd.Series(relative * best.residual_variance * unit**2, index=names, name="variance")
    log_variance = np.diag(model.log_variance_covariance)
    degrees_of_freedom = 2 / np.append(log_variance[:-1][::-1], log_variance[-1])
    counts = [len(sums.n), *(len(s) for s in sums.starts)][::-1]
    share = variances / variances.sum()
    with np.errstate(divide="ignore"):  # so few degrees of freedom that the variance has no upper limit
        upper = variances.to_numpy() * degrees_of_freedom / stats.chi2.ppf(0.025, degrees_of_freedom)
    table = pd.DataFrame(
        {
            "component": names,
            "variance": variances.to_numpy(),
            "sd": np.sqrt(variances.to_numpy()),
            "lower_95": variances.to_numpy() * degrees_of_freedom / stats.chi2.ppf(0.975, degrees_of_freedom),
            "upper_95": upper,
            "share": share.to_numpy(),
            "groups": [*counts, sums.rows],
            "reason": [None if v > 0 else "the estimate is 0: no interval" for v in variances],
        }
    )
    fixed = pd.DataFrame({"estimate": estimate, "se": se}, index=pd.Index(terms, name="term"))
    fixed["lower_95"], fixed["upper_95"] = estimate - stats.norm.ppf(0.975) * se, estimate + stats.norm.ppf(0.975) * se
    fixed["p_value"] = 2 * stats.norm.sf(np.abs(estimate / se))
    return VarianceComponents(
        table=table,
        variances=variances,
        icc=share[groups].cumsum().rename("icc"),
        fixed_effects=fixed,
        log_likelihood=-deviance / 2,
        blups=_blups(model, sums, frame, groups, unit),
        method=method,
        rows=sums.rows,
        converged=model.converged,
        notes=notes,
    )


def _blups(
    model: nested.Fit, sums: nested.Sums, frame: pd.DataFrame, groups: list[str], unit: float
) -> dict[str, pd.DataFrame]:
    blups: dict[str, pd.DataFrame] = {}
    first, rows = np.arange(len(frame)), sums.n
    for up, name in enumerate(reversed(groups)):
        if up:
            first, rows = first[sums.starts[up - 1]], np.add.reduceat(rows, sums.starts[up - 1])
        path = frame.loc[first, groups[: len(groups) - up]].reset_index(drop=True)
        blups[name] = path.assign(
            level=path[name],
            blup=unit * model.profile.blups[up],
            sd=unit * np.sqrt(model.profile.blup_variances[up]),
            rows=rows.astype(np.int64),
        )
    return {name: blups[name] for name in groups}
