"""Cost per outcome as a ratio of means, with two kinds of limits, and no number where the effect may be nought."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from pathcost_lib.arguments import require_columns
from pathcost_lib.benchmark.intervals import Limits, fieller_limits, limit_columns
from pathcost_lib.benchmark.streams import Streams
from pathcost_lib.results import Result
from pathcost_lib.value.gain import group_means

__all__ = ["CostPerOutcome", "cost_per_outcome", "ratio_columns"]

CHUNK = 2_000_000  # resampled patients held at once


@dataclass(frozen=True, eq=False)
class CostPerOutcome(Result):
    """Cost per unit of effect by group. `ratio_gbp` and its limits are missing where `reason` says why."""

    @property
    def summary(self) -> str:
        """The groups' ratios in words."""
        said = [
            f"{row['group']}: " + (row["reason"] or f"£{row['ratio_gbp']:,.0f}")
            for row in self.table.rename(columns={self.table.columns[0]: "group"}).to_dict("records")
        ]
        return "Cost per unit of effect. " + "; ".join(map(str, said[:5]))


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
        One row a patient.
    by, cost, effect : str
        Columns: group; pounds; effect, such as QALYs gained.
    confidence : float
    draws : int
        Bootstrap samples of patients, cost and effect together; the first k are the same whatever their number.
    rng : numpy Generator

    Returns
    -------
    CostPerOutcome
        by, pathways, mean_gbp, effect, ratio_gbp, lower_95, upper_95 (Fieller), bootstrap_lower_95, bootstrap_upper_95
        (percentiles), mean_of_ratios_gbp, reason. The last but one is there to be compared, never to be used: a patient
        with next to no gain makes it as large as you like, and it is no cost per outcome of the group.

    Notes
    -----
    Ratio of means: Stinnett and Paltiel, Medical Decision Making 1997;17:483. Fieller's limits with Student's t;
    bootstrap: Briggs, Wonderling and Mooney, Health Economics 1997;6:327. Where the effect is not above nought with
    the given confidence, Fieller's set has no ends, a bootstrap would hide it, and a negative ratio cannot be told from
    a saving: there is a reason instead.
    """
    require_columns(rows, [by, cost, effect], what="patients")
    table = group_means(rows, by=by, cost=cost, effect=effect)
    levels = ratio_columns(table, confidence)
    streams = Streams(rng, table[by])
    quantiles = [(1 - confidence) / 2, (1 + confidence) / 2]
    limits, odd = np.full((len(table), 2), np.nan), np.full(len(table), np.nan)
    for place, (_, part) in enumerate(rows.groupby(by, sort=True)):
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
    return CostPerOutcome(table.assign(mean_of_ratios_gbp=odd, reason=levels["reason"]))


def _resampled(values: np.ndarray, generator: np.random.Generator, draws: int) -> np.ndarray:
    """Return the means of `draws` samples of the rows, with replacement."""
    n, parts = len(values), []
    for start in range(0, draws, step := max(CHUNK // n, 1)):
        parts.append(values[generator.integers(n, size=(min(step, draws - start), n))].mean(axis=1))
    return np.concatenate(parts)


def ratio_columns(
    means: pd.DataFrame, confidence: float = 0.95, freedom: np.ndarray | None = None, worth: str = "effect"
) -> pd.DataFrame:
    """Return `ratio_gbp`, Fieller's limits and `reason` for the rows of `group_means` (or differences of them)."""
    free = means["pathways"].to_numpy(dtype=float) - 1 if freedom is None else freedom
    with np.errstate(invalid="ignore"):
        t = np.where(free > 0, special.stdtrit(np.maximum(free, 1), (1 + confidence) / 2), np.nan)
    cost, effect, cost_var, effect_var, both = (
        means[c].to_numpy(dtype=float) for c in ("cost", "effect", "cost_var", "effect_var", "both")
    )
    sure = effect - t * np.sqrt(effect_var) > 0
    worse = effect + t * np.sqrt(effect_var) < 0
    reason = np.select(
        [~(free > 0), worse, ~sure],
        ["too few patients", f"the {worth} is below nought", f"the {worth} may be nought: the ratio has no limits"],
        "",
    )

    def limits(_: float) -> Limits:
        found = fieller_limits(cost, effect, (cost_var, effect_var), both, t)
        return np.where(sure, found[0], np.nan), np.where(sure, found[1], np.nan)

    ratio = np.divide(cost, effect, out=np.full(len(cost), np.nan), where=sure)
    return pd.DataFrame({"ratio_gbp": ratio, **limit_columns(confidence, limits), "reason": reason}, index=means.index)
