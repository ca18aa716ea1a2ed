"""What one organisation, area or variant costs and gains more than another, and whether that is worth it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import special, stats

from pathcost_lib.arguments import no_gaps, number_list, refuse, require_columns, require_unique
from pathcost_lib.errors import require_one_of
from pathcost_lib.intervals import limit_columns
from pathcost_lib.results import Result
from pathcost_lib.value.gain import complete_patients, group_means, one_level, without
from pathcost_lib.value.ratio import HALF_A_PENNY, ratio_columns

__all__ = ["NICE_RANGES_GBP", "THRESHOLDS_GBP", "Incremental", "dominance", "incremental"]

#: NICE's range for technology appraisals, £ per QALY, by when it holds: the latest first.
NICE_RANGES_GBP = {"from April 2026": (25_000.0, 35_000.0), "to March 2026": (20_000.0, 30_000.0)}
#: £ per QALY as of April 2026. NHS at the margin: Claxton and others, HTA 2015;19(14). Department of Health and Social
#: Care's own appraisals. NICE's range.
THRESHOLDS_GBP = (12_936.0, 15_000.0, *NICE_RANGES_GBP["from April 2026"])


@dataclass(frozen=True, eq=False)
class Incremental(Result):
    """Differences from the reference by unit, and (`moments`) what net benefit at any threshold needs. `left_out`
    counts the patients without a unit, a cost or an effect, and the units of fewer than two patients. Where nothing
    can be compared there are no rows, and the result's own `reason` says why.
    """  # noqa: D205

    moments: pd.DataFrame
    by: str
    left_out: dict[str, int] = field(default_factory=dict)
    reason: str = ""

    @property
    def summary(self) -> str:
        """How many are shown to differ."""
        if self.reason:
            return f"Not computable: {self.reason}."
        counts = self.table["quadrant"].value_counts()
        kinds = ", ".join(f"{n} {name}" for name, n in counts.items())
        return f"Of the point estimates: {kinds}{without(self.left_out)}"

    def net_benefit(
        self, thresholds: Sequence[float] = THRESHOLDS_GBP, confidence: float = 0.95, unit: str | None = None
    ) -> pd.DataFrame:
        """Return net monetary benefit by unit and threshold, and the probability that it is above zero.

        Returns
        -------
        DataFrame
            by, threshold_gbp, net_benefit_gbp (threshold x effect - cost, per patient), lower_95, upper_95,
            worthwhile_chance (%): over a range of thresholds, the cost-effectiveness acceptability curve. It is
            missing where neither cost nor effect varies and the two are worth the same.

        Raises
        ------
        InputError
            If a threshold is not a number from 0 up, or the unit was not compared.

        Notes
        -----
        Stinnett and Mullahy, Medical Decision Making 1998;18:S68. It is linear in cost and effect, so that it has
        limits where the ratio has none. The curve: Fenwick, Claxton and Sculpher, Health Economics 2001;10:779.
        """
        confidence = one_level(confidence)
        levels = number_list(thresholds, "thresholds (£ per unit of effect)", least=0)
        rows = self.moments
        if unit is not None:
            require_one_of(unit, rows[self.by].astype(str), what="Unit")
            rows = rows[rows[self.by].astype(str) == unit]
        worth = np.tile(levels, len(rows))
        rows = rows.loc[rows.index.repeat(len(levels))].reset_index(drop=True)
        benefit = worth * rows["effect"] - rows["cost"]
        variance = worth**2 * rows["effect_var"] + rows["cost_var"] - 2 * worth * rows["both"]
        se = np.sqrt(variance.clip(lower=0))  # rounding can leave a little less than zero
        t = special.stdtrit(rows["freedom"], (1 + confidence) / 2)
        with np.errstate(divide="ignore", invalid="ignore"):
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
        One row a patient. Those without an organisation, a cost or an effect are left out and counted: they belong
        neither to a unit nor to what it is compared with.
    by, cost, effect : str
        Columns: organisation, area or variant of the pathway; pounds; effect (higher is better).
    reference : str, optional
        Unit to compare with; all others together if not given.
    confidence : float

    Returns
    -------
    Incremental
        by, pathways, reference_pathways, cost_gbp (difference), its lower_95, upper_95, effect (difference),
        effect_lower_95, effect_upper_95, quadrant (of the point: more expensive and better ...), ratio_gbp (ICER),
        ratio_lower_95, ratio_upper_95, reason (why there is no ratio: "cheaper and better", say).

    Notes
    -----
    The two groups are independent. Student's t has the freedom of the smaller group, which errs on the wide side. Units
    of fewer than two patients are left out and counted. Costs within half a penny of each other are the same.

    Raises
    ------
    InputError
        If a column is absent or holds text for a number, or the reference is not one of the units.
    """
    confidence = one_level(confidence)
    rows, left_out = complete_patients(rows, labels=[by], numbers=[cost, effect])
    own = group_means(rows, by=by, cost=cost, effect=effect)
    alone = int((own["pathways"] < 2).sum())
    left_out |= {f"a {by} of fewer than two": alone} if alone else {}
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
    why = "There is nothing to compare: fewer than two groups have two patients or more" if own.empty else ""
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

    ratio = ratio_columns(moments, confidence, moments["freedom"].to_numpy(), difference=True)
    more = np.select(
        [moments["cost"].abs() < HALF_A_PENNY, moments["cost"] > 0], ["costs the same", "more expensive"], "cheaper"
    )
    good = np.select([moments["effect"].abs() < 1e-12, moments["effect"] > 0], ["as good", "better"], "worse")
    table = moments[[by, "pathways"]].assign(
        reference_pathways=against["pathways"],
        cost_gbp=moments["cost"],
        **limits("cost"),
        effect=moments["effect"],
        **{f"effect_{name}": limit for name, limit in limits("effect").items()},
        quadrant=[f"{a} and {b}" for a, b in zip(more, good, strict=True)],
        ratio_gbp=ratio["ratio_gbp"],
        **{f"ratio_{name}": ratio[name] for name in ratio.columns[1:-1]},
        reason=ratio["reason"],
    )
    return Incremental(table, moments, by, left_out, why)


def dominance(options: pd.DataFrame, *, option: str, cost: str, effect: str, within: str = "") -> pd.DataFrame:
    """Return options in order of cost, with who is dominated and the incremental ratios of the others.

    Parameters
    ----------
    options : DataFrame
        One row an option: alternatives for the same patients, or services among which the next pound could go (then
        each stands against doing nothing: give a row of zero cost and effect).
    option, cost, effect : str
        Columns: name, each once; mean cost, pounds; mean effect.
    within : str, optional
        Column: options are alternatives of those alike in it only (variants of one service, say).

    Returns
    -------
    DataFrame
        One row an option, none where there are none: option, cost, effect, status (frontier, dominated, extended
        dominance; "the same" as the option above it; "not comparable"), incremental_gbp, incremental_effect, ratio_gbp
        (against the next cheaper on the frontier; missing for the cheapest and for those dominated), reason (why an
        option cannot be compared: it has no cost, say; such options come last and take no part); and `within`.

    Raises
    ------
    InputError
        If an option has no name, or two have the same, or no option has both a cost and an effect.

    Notes
    -----
    Johannesson and Weinstein, Journal of Health Economics 1993;12:459. Dominated: another costs no more and gives no
    less. Extended dominance: a mix of two others gives as much for less.
    """
    named = [option, cost, effect, *([within] if within else [])]
    require_columns(options, named, what="options", may_be_empty=True)
    if options.empty:
        return options[named].assign(status="", incremental_gbp=0.0, incremental_effect=0.0, ratio_gbp=0.0, reason="")
    if within:
        no_gaps(options, [within], what="options")
        require_unique(options, [option], what="options")
        parts = options.groupby(within, sort=True)
        of = {"option": option, "cost": cost, "effect": effect}
        return pd.concat([dominance(part, **of).assign(**{within: name}) for name, part in parts], ignore_index=True)
    refuse(options, options[option].isna().to_numpy(), [], f"{option} must name each option")
    require_unique(options, [option], what="options")
    measured = options[[option, cost, effect]]
    complete, _ = complete_patients(measured, labels=[option], numbers=[cost, effect], what="options")
    table = complete.sort_values([cost, effect], ascending=[True, False], ignore_index=True, kind="stable")
    c, e = table[cost].to_numpy(dtype=float), table[effect].to_numpy(dtype=float)
    status = np.full(len(table), "extended dominance", dtype=object)
    status[1:][e[1:] <= np.maximum.accumulate(e)[:-1]] = "dominated"
    frontier: list[int] = []
    for here in map(int, np.flatnonzero(status != "dominated")):
        while len(frontier) > 1 and _slope(c, e, frontier[-2], frontier[-1]) >= _slope(c, e, frontier[-1], here):
            frontier.pop()
        frontier.append(here)
    status[frontier] = "frontier"
    status[1:][(c[1:] == c[:-1]) & (e[1:] == e[:-1])] = "the same"
    steps = pd.DataFrame(np.nan, index=table.index, columns=["incremental_gbp", "incremental_effect", "ratio_gbp"])
    for low, high in pairwise(frontier):
        steps.loc[high] = [c[high] - c[low], e[high] - e[low], _slope(c, e, low, high)]
    table = table.assign(status=status).join(steps).assign(reason="")
    rest = measured[~measured[option].isin(table[option])]
    if rest.empty:
        return table
    why = np.where(rest[cost].isna(), f"no {cost}", f"no {effect}")
    rest = rest.assign(status="not comparable", reason=why).astype({cost: float, effect: float})
    return pd.concat([table, rest], ignore_index=True)


def _slope(cost: np.ndarray, effect: np.ndarray, low: int, high: int) -> float:
    return float((cost[high] - cost[low]) / (effect[high] - effect[low]))
