"""What one organisation, area or variant costs and gains more than another, and whether that is worth it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import special, stats

from pathcost_lib.arguments import require_columns
from pathcost_lib.benchmark.intervals import limit_columns
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.results import Result
from pathcost_lib.value.gain import group_means
from pathcost_lib.value.ratio import ratio_columns

__all__ = ["THRESHOLDS_GBP", "Incremental", "dominance", "incremental"]

#: £ per QALY. NHS at the margin: Claxton and others, HTA 2015;19(14). Department of Health and Social Care's own
#: appraisals. NICE's range, to December 2025.
THRESHOLDS_GBP = (12_936.0, 15_000.0, 20_000.0, 30_000.0)


@dataclass(frozen=True, eq=False)
class Incremental(Result):
    """Differences from the reference by unit, and (`moments`) what net benefit at any threshold needs."""

    moments: pd.DataFrame
    by: str

    @property
    def summary(self) -> str:
        """How many are shown to differ."""
        counts = self.table["quadrant"].value_counts()
        return "Of the point estimates: " + ", ".join(f"{n} {name}" for name, n in counts.items())

    def net_benefit(
        self, thresholds: Sequence[float] = THRESHOLDS_GBP, confidence: float = 0.95, unit: str | None = None
    ) -> pd.DataFrame:
        """Return net monetary benefit by unit and threshold, and the probability that it is above nought.

        Returns
        -------
        DataFrame
            by, threshold_gbp, net_benefit_gbp (threshold x effect - cost, per patient), lower_95, upper_95,
            worthwhile_chance (%): over a range of thresholds, the cost-effectiveness acceptability curve.

        Notes
        -----
        Stinnett and Mullahy, Medical Decision Making 1998;18:S68. It is linear in cost and effect, so that it has
        limits where the ratio has none. The curve: Fenwick, Claxton and Sculpher, Health Economics 2001;10:779.
        """
        rows = self.moments if unit is None else self.moments[self.moments[self.by] == unit]
        rows = rows.loc[rows.index.repeat(len(thresholds))].reset_index(drop=True)
        worth = np.tile(np.asarray(thresholds, dtype=float), len(rows) // max(len(thresholds), 1))
        benefit = worth * rows["effect"] - rows["cost"]
        se = np.sqrt(worth**2 * rows["effect_var"] + rows["cost_var"] - 2 * worth * rows["both"])
        t = special.stdtrit(rows["freedom"], (1 + confidence) / 2)
        chance = 100 * stats.t.cdf(benefit / se, rows["freedom"])
        limits = limit_columns(confidence, lambda _: ((benefit - t * se).to_numpy(), (benefit + t * se).to_numpy()))
        table = rows[[self.by]].assign(threshold_gbp=worth, net_benefit_gbp=benefit, **limits)
        return table.assign(worthwhile_chance=chance)


def incremental(
    rows: pd.DataFrame, *, by: str, cost: str, effect: str, reference: str | None = None, confidence: float = 0.95
) -> Incremental:
    """Return incremental cost and effect of each unit against a reference, or against all other units together.

    Parameters
    ----------
    rows : DataFrame
        One row a patient.
    by, cost, effect : str
        Columns: organisation, area or variant of the pathway; pounds; effect (higher is better).
    reference : str, optional
        Unit to compare with; all others together if not given.
    confidence : float

    Returns
    -------
    Incremental
        by, pathways, reference_pathways, cost_gbp (difference), its lower_95, upper_95, effect (difference),
        effect_lower_95, effect_upper_95, quadrant (of the point: dearer and better ...), ratio_gbp (ICER),
        ratio_lower_95, ratio_upper_95, reason (why there is no ratio).

    Notes
    -----
    The two groups are independent. Student's t has the freedom of the smaller group, which errs on the wide side. Units
    of fewer than two patients are left out.
    """
    require_columns(rows, [by, cost, effect], what="patients")
    own = group_means(rows, by=by, cost=cost, effect=effect)
    own = own[own["pathways"] > 1].reset_index(drop=True)
    if reference is not None:
        require_one_of(reference, own[by].tolist(), what="Reference")
    parts = []
    for unit in own[by]:
        if unit == reference:
            continue
        others = rows[rows[by] == reference] if reference is not None else rows[rows[by] != unit]
        parts.append(group_means(others.assign(**{by: unit}), by=by, cost=cost, effect=effect))
    against = pd.concat(parts, ignore_index=True) if parts else own.iloc[:0]
    against = against[against["pathways"] > 1].reset_index(drop=True)
    own = own[own[by].isin(against[by])].reset_index(drop=True)
    if own.empty:
        raise InputError("There is nothing to compare: fewer than two groups have two patients or more.")
    moments = own[[by, "pathways"]].assign(
        cost=own["cost"] - against["cost"],
        effect=own["effect"] - against["effect"],
        **{name: own[name] + against[name] for name in ("cost_var", "effect_var", "both")},
        freedom=np.minimum(own["pathways"], against["pathways"]) - 1.0,
    )
    t = special.stdtrit(moments["freedom"], (1 + confidence) / 2)

    def limits(of: str) -> dict[str, np.ndarray]:
        middle, half = moments[of].to_numpy(), (t * np.sqrt(moments[f"{of}_var"])).to_numpy()
        return limit_columns(confidence, lambda _: (middle - half, middle + half))

    ratio = ratio_columns(moments, confidence, moments["freedom"].to_numpy(), worth="difference in effect")
    dear = np.where(moments["cost"] > 0, "dearer", "cheaper")
    good = np.where(moments["effect"] > 0, "better", "no better")
    table = moments[[by, "pathways"]].assign(
        reference_pathways=against["pathways"],
        cost_gbp=moments["cost"],
        **limits("cost"),
        effect=moments["effect"],
        **{f"effect_{name}": limit for name, limit in limits("effect").items()},
        quadrant=[f"{a} and {b}" for a, b in zip(dear, good, strict=True)],
        ratio_gbp=ratio["ratio_gbp"],
        **{f"ratio_{name}": ratio[name] for name in ratio.columns[1:-1]},
        reason=ratio["reason"],
    )
    return Incremental(table, moments, by)


def dominance(options: pd.DataFrame, *, option: str, cost: str, effect: str) -> pd.DataFrame:
    """Return options in order of cost, with who is dominated and the incremental ratios of the others.

    Parameters
    ----------
    options : DataFrame
        One row an option: alternatives for the same patients, or services among which the next pound could go (then
        each stands against doing nothing: give a row of nought cost and effect).
    option, cost, effect : str
        Columns: name; mean cost, pounds; mean effect.

    Returns
    -------
    DataFrame
        option, cost, effect, status (frontier, dominated, extended dominance), incremental_gbp, incremental_effect,
        ratio_gbp (against the next cheaper on the frontier; missing for the cheapest and for those dominated).

    Notes
    -----
    Johannesson and Weinstein, Journal of Health Economics 1993;12:459. Dominated: another costs no more and gives no
    less. Extended dominance: a mix of two others gives as much for less.
    """
    require_columns(options, [option, cost, effect], what="options")
    table = options[[option, cost, effect]].sort_values(
        [cost, effect], ascending=[True, False], ignore_index=True, kind="stable"
    )
    c, e = table[cost].to_numpy(dtype=float), table[effect].to_numpy(dtype=float)
    status = np.full(len(table), "extended dominance", dtype=object)
    status[1:][e[1:] <= np.maximum.accumulate(e)[:-1]] = "dominated"
    frontier: list[int] = []
    for here in map(int, np.flatnonzero(status != "dominated")):
        while len(frontier) > 1 and _slope(c, e, frontier[-2], frontier[-1]) >= _slope(c, e, frontier[-1], here):
            frontier.pop()
        frontier.append(here)
    status[frontier] = "frontier"
    steps = pd.DataFrame(np.nan, index=table.index, columns=["incremental_gbp", "incremental_effect", "ratio_gbp"])
    for low, high in pairwise(frontier):
        steps.loc[high] = [c[high] - c[low], e[high] - e[low], _slope(c, e, low, high)]
    return table.assign(status=status).join(steps)


def _slope(cost: np.ndarray, effect: np.ndarray, low: int, high: int) -> float:
    return float((cost[high] - cost[low]) / (effect[high] - effect[low]))
