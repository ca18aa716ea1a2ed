"""Cost per outcome as a ratio of means, with two kinds of limits, and no number where the effect may be zero."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import special

from pathcost_lib.arguments import draw_count, generator
from pathcost_lib.benchmark.streams import Streams
from pathcost_lib.intervals import Limits, fieller_limits, limit_columns
from pathcost_lib.results import Result
from pathcost_lib.value.gain import NO_PATIENTS, complete_patients, group_means, one_level, without

__all__ = ["HALF_A_PENNY", "CostPerOutcome", "cost_per_outcome", "ratio_columns"]

CHUNK = 2_000_000  # resampled patients held at once
HALF_A_PENNY = 0.005  # a difference in mean cost below this is none


@dataclass(frozen=True, eq=False)
class CostPerOutcome(Result):
    """Cost per unit of effect by group. `ratio_gbp` and its limits are missing where `reason` says why; `left_out`
    counts the patients that lack a group, a cost or an effect. `reason`: `gain.NO_PATIENTS`.
    """  # noqa: D205

    left_out: dict[str, int] = field(default_factory=dict)
    reason: str = ""

    @property
    def summary(self) -> str:
        """The groups' ratios in words."""
        if self.reason:
            return f"Not computable: {self.reason}."
        texts = [
            f"{row['group']}: " + (row["reason"] or f"£{row['ratio_gbp']:,.0f}")
            for row in self.table.rename(columns={self.table.columns[0]: "group"}).to_dict("records")
        ]
        return f"Cost per unit of effect{without(self.left_out)}. " + "; ".join(map(str, texts[:5]))


def cost_per_outcome(
    rows: pd.DataFrame,
    *,
    by: str,
    cost: str,
    effect: str,
    confidence: float = 0.95,
    draws: int = 2_000,
    rng: np.random.Generator,
) -> CostPerOutcome:
    """Return cost per outcome by group: mean cost over mean effect.

    Parameters
    ----------
    rows : DataFrame
        One row a patient. Those without a group, a cost or an effect are left out and counted.
    by, cost, effect : str
        Columns: group; pounds; effect, such as QALYs gained.
    confidence : float
    draws : int
        Bootstrap samples of patients, cost and effect together; the first k are the same whatever their number, and
        whatever the order of the rows.
    rng : numpy Generator

    Returns
    -------
    CostPerOutcome
        by, pathways, mean_gbp, effect, ratio_gbp, lower_95, upper_95 (Fieller), bootstrap_lower_95, bootstrap_upper_95
        (percentiles), mean_of_ratios_gbp, reason. The last but one is there to be compared, never to be used: a patient
        with next to no gain makes it as large as you like, and it is no cost per outcome of the group. It is missing
        where a patient's effect is zero.

    Notes
    -----
    Ratio of means: Stinnett and Paltiel, Medical Decision Making 1997;17:483. Fieller's limits with Student's t;
    bootstrap: Briggs, Wonderling and Mooney, Health Economics 1997;6:327. Where the effect is not above zero with
    the given confidence, Fieller's set has no ends, a bootstrap would hide it, and a negative ratio cannot be told from
    a saving: there is a reason instead.

    Examples
    --------
    North pays £6,000 on average for 0.30 QALYs, £20,000 each; South £6,000 for 0.40, £15,000 each.

    >>> import numpy as np
    >>> import pandas as pd
    >>> import pathcost_lib as pc
    >>> rows = pd.DataFrame({
    ...     "area": ["North"] * 4 + ["South"] * 4,
    ...     "gbp": [5_000, 6_000, 6_000, 7_000] * 2,
    ...     "qalys": [0.25, 0.30, 0.30, 0.35, 0.35, 0.40, 0.40, 0.45],
    ... })
    >>> found = pc.cost_per_outcome(rows, by="area", cost="gbp", effect="qalys", rng=np.random.default_rng(1))
    >>> found.table[["area", "mean_gbp", "effect", "ratio_gbp"]].round(2)
        area  mean_gbp  effect  ratio_gbp
    0  North    6000.0     0.3    20000.0
    1  South    6000.0     0.4    15000.0
    """
    confidence, draws = one_level(confidence), draw_count(draws)
    rows, left_out = complete_patients(rows, labels=[by], numbers=[cost, effect])
    table = group_means(rows, by=by, cost=cost, effect=effect)
    levels = ratio_columns(table, confidence)
    streams = Streams(generator(rng), table[by])
    quantiles = [(1 - confidence) / 2, (1 + confidence) / 2]
    limits, odd = np.full((len(table), 2), np.nan), np.full(len(table), np.nan)
    for place, (_, part) in enumerate(rows.sort_values([cost, effect]).groupby(by, sort=True)):
        values = part[[cost, effect]].to_numpy(dtype=float)
        if not (values[:, 1] == 0).any():
            odd[place] = (values[:, 0] / values[:, 1]).mean()
        if not levels["reason"].iloc[place]:
            means = _resampled(values, streams.generators[place], draws)
            limits[place] = np.quantile(means[:, 0] / means[:, 1], quantiles)
    boot = limit_columns(confidence, lambda _: (limits[:, 0], limits[:, 1]))
    table = table.rename(columns={"cost": "mean_gbp"})[[by, "pathways", "mean_gbp", "effect"]].assign(
        **levels.drop(columns="reason"), **{f"bootstrap_{name}": limit for name, limit in boot.items()}
    )
    table = table.assign(mean_of_ratios_gbp=odd, reason=levels["reason"])
    return CostPerOutcome(table, left_out, "" if len(rows) else NO_PATIENTS)


def _resampled(values: np.ndarray, generator: np.random.Generator, draws: int) -> np.ndarray:
    """Return the means of `draws` samples of the rows, with replacement."""
    n, parts = len(values), []
    for start in range(0, draws, step := max(CHUNK // n, 1)):
        parts.append(values[generator.integers(n, size=(min(step, draws - start), n))].mean(axis=1))
    return np.concatenate(parts)


def ratio_columns(
    means: pd.DataFrame, confidence: float = 0.95, freedom: np.ndarray | None = None, *, difference: bool = False
) -> pd.DataFrame:
    """Return `ratio_gbp`, Fieller's limits and `reason` for the rows of `group_means`.

    With `difference` the rows are differences of two groups: what costs no more and gives more has no ratio, and what
    costs more and gives less has none either (`reason` says so).
    """
    free = means["pathways"].to_numpy(dtype=float) - 1 if freedom is None else freedom
    with np.errstate(invalid="ignore"):
        t = np.where(free > 0, special.stdtrit(np.maximum(free, 1), (1 + confidence) / 2), np.nan)
    cost, effect, cost_var, effect_var, both = (
        means[c].to_numpy(dtype=float) for c in ("cost", "effect", "cost_var", "effect_var", "both")
    )
    reach = t * np.sqrt(effect_var)
    better, worse = effect - reach > 0, effect + reach < 0
    worth = "difference in effect" if difference else "effect"
    reasons = {"too few patients": ~(free > 0)}
    if difference:
        same = np.abs(cost) < HALF_A_PENNY
        reasons["costs the same and better"] = better & same
        reasons["cheaper and better"] = better & (cost < 0)
        reasons["more expensive and worse"] = worse & ~same & (cost > 0)
    reasons |= {
        f"the {worth} is below zero": worse,
        f"the {worth} may be zero: the ratio has no limits": ~better,
    }
    reason = np.select(list(reasons.values()), list(reasons), "")
    given = reason == ""

    def limits(_: float) -> Limits:
        ends = fieller_limits(cost, effect, (cost_var, effect_var), both, t)
        return np.where(given, ends[0], np.nan), np.where(given, ends[1], np.nan)

    ratio = np.divide(cost, effect, out=np.full(len(cost), np.nan), where=given)
    return pd.DataFrame({"ratio_gbp": ratio, **limit_columns(confidence, limits), "reason": reason}, index=means.index)
