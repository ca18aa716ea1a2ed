"""Who is more expensive and no better, who is cheaper and worse: cost against gain, shrunk, with probabilities."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import special, stats

from pathcost_lib.arguments import draw_count, generator, number, share
from pathcost_lib.benchmark.shrinkage import posterior_draws
from pathcost_lib.benchmark.streams import Streams
from pathcost_lib.results import Result
from pathcost_lib.value.gain import complete_patients, group_means, without
from pathcost_lib.variation.screening import adjust_pvalues

__all__ = ["FEWEST_PATIENTS", "NOT_SURE", "Quadrants", "quadrants"]

FEWEST_UNITS = 3  # a spread between units needs three
#: Patients from which something is stated of a unit: NHS Digital publishes a provider's adjusted PROMs gain from 30
#: modelled records (docs/calibration-value.md), as costs and gains of fewer are too skewed for a normal mean.
FEWEST_PATIENTS = 30
NOT_SURE = "not sure"
#: Of the table, after the unit.
COLUMNS = ["pathways", "own_gbp", "own_effect", "cost_gbp", "lower_95", "upper_95", "effect", "effect_lower_95"]
COLUMNS += ["effect_upper_95", "expensive_better_pct", "expensive_worse_pct", "cheaper_better_pct", "cheaper_worse_pct"]
COLUMNS += [
    "expensive_no_better_pct",
    "cheap_no_worse_pct",
    "worthwhile_pct",
    "cost_q",
    "effect_q",
    "finding",
    "reason",
]


@dataclass(frozen=True, eq=False)
class Quadrants(Result):
    """Units on the value map; `finding` is "not sure" where the rule states nothing, and `reason` why not. `left_out`
    counts the patients without a unit, a cost or an effect. With fewer than three units, or patients who do not vary,
    the table has no rows and the result's own `reason` says so.
    """  # noqa: D205

    matters: float
    false_discovery: float
    left_out: dict[str, int] = field(default_factory=dict)
    reason: str = ""

    @property
    def summary(self) -> str:
        """How many of each finding."""
        if self.reason:
            return f"Not computable: {self.reason}."
        findings = self.table.loc[self.table["finding"] != NOT_SURE, "finding"].value_counts()
        named = "; ".join(f"{n} {name}" for name, n in findings.items()) or "none stands out"
        return (
            f"{len(self.table)} compared{without(self.left_out)}, {named} (at most about {self.false_discovery:.0%} of "
            "what stands out are expected to be false alarms)"
        )


def quadrants(
    rows: pd.DataFrame,
    *,
    by: str,
    cost: str,
    effect: str,
    matters: float = 0.0,
    worth_gbp: float | None = None,
    false_discovery: float = 0.05,
    fewest: int = FEWEST_PATIENTS,
    draws: int = 4_000,
    rng: np.random.Generator,
) -> Quadrants:
    """Place each unit on the map of cost against effect, as a difference from the mean of all patients.

    Parameters
    ----------
    rows : DataFrame
        One row a patient, cost and effect adjusted for case mix (`adjust`). Those without a unit, a cost or an effect
        are left out and counted.
    by, cost, effect : str
        Columns: provider or area; pounds; effect, higher is better.
    matters : float
        Least difference in effect that matters: "no better" is not better by more than this.
    worth_gbp : float, optional
        What a unit of effect is worth, pounds: gives the probability that extra effect is worth its extra cost.
    false_discovery : float
        Share of false alarms that is borne among the differences that are stated.
    fewest : int
        Patients below which a unit helps to judge the spread, but nothing is stated of it.
    draws, rng
        Of the posterior; the same for a unit whatever the number or the order.

    Returns
    -------
    Quadrants
        by, pathways, own_gbp and own_effect (differences as observed), cost_gbp with lower_95, upper_95 and effect with
        effect_lower_95, effect_upper_95 (shrunk), the four quadrants' probabilities (expensive_better_pct,
        expensive_worse_pct, cheaper_better_pct, cheaper_worse_pct), expensive_no_better_pct, cheap_no_worse_pct,
        worthwhile_pct, cost_q and effect_q (false-discovery rate at which the difference would be stated), finding:
        "more expensive and no better", "cheaper and worse", "cheaper and no worse" or "not sure", and reason.

    Raises
    ------
    InputError
        If a column is absent or holds text for a number, or an argument is out of range.

    Notes
    -----
    Empirical Bayes, each measure by `benchmark.shrinkage`; patients' spread is pooled over units, and the correlation
    of cost and effect within units is carried into the draws. The mean of all patients is taken as known.

    The rule of a finding. A difference ("more expensive", "cheaper", "worse") is stated where the 95 % interval beside
    it, two-sided and shrunk, leaves out zero, and the two-sided p-value of the unit's mean against that of all
    (Student's t, spread pooled, the unit's own share in the mean of all allowed for) holds after false discovery is
    controlled over all units that have enough patients (Benjamini and Hochberg, JRSS B 1995;57:289). "No better" and
    "no worse" claim that there is no difference that matters: the interval lies on that side of `matters`. A one-sided
    probability alone states nothing: 95 % of it is a two-sided interval of 90 %.
    """
    matters = number(matters, "matters (least difference in effect)", least=0)
    worth_gbp = None if worth_gbp is None else number(worth_gbp, "worth_gbp (£ per unit of effect)", above=0)
    number(share(false_discovery, "false_discovery"), "false_discovery", above=0)
    fewest = int(number(fewest, "fewest (patients)", least=2, whole=True))
    draws, rng = draw_count(draws), generator(rng)
    rows, left_out = complete_patients(rows, labels=[by], numbers=[cost, effect])
    units = group_means(rows, by=by, cost=cost, effect=effect, pooled=True)
    variances = units[["cost_var", "effect_var"]].to_numpy()
    if len(units) < FEWEST_UNITS or not (variances > 0).all():
        why = "A value map needs three units or more, whose patients differ in cost and in effect"
        return Quadrants(pd.DataFrame(columns=[by, *COLUMNS]), matters, false_discovery, left_out, why)
    correlation = float(units["both"].iloc[0] / np.sqrt(variances[0].prod()))
    streams, shared = Streams(rng, units[by]), Streams(rng, ["cost", "effect"])
    which = special.ndtr(shared.normal(draws))
    first, second = streams.normal(draws), streams.normal(draws)
    normals = first, correlation * first + np.sqrt(max(1 - correlation**2, 0.0)) * second
    shifts = []
    for place, name in enumerate(("cost", "effect")):
        drawn = posterior_draws(
            units[name].to_numpy(),
            np.sqrt(variances[:, place]),
            which=which[:, place],
            scale=special.ndtr(streams.normal(draws)),
            normal=normals[place],
        )
        shifts.append(drawn - rows[cost if name == "cost" else effect].mean())
    more, good = shifts

    def pct(event: np.ndarray) -> np.ndarray:
        return 100 * np.asarray(event.mean(axis=0))

    cost_low, cost_high = np.quantile(more, [0.025, 0.975], axis=0)
    good_low, good_high = np.quantile(good, [0.025, 0.975], axis=0)
    table = units[[by, "pathways"]].assign(
        own_gbp=units["cost"] - rows[cost].mean(),
        own_effect=units["effect"] - rows[effect].mean(),
        cost_gbp=more.mean(axis=0),
        lower_95=cost_low,
        upper_95=cost_high,
        effect=good.mean(axis=0),
        effect_lower_95=good_low,
        effect_upper_95=good_high,
        expensive_better_pct=pct((more > 0) & (good > 0)),
        expensive_worse_pct=pct((more > 0) & (good <= 0)),
        cheaper_better_pct=pct((more <= 0) & (good > 0)),
        cheaper_worse_pct=pct((more <= 0) & (good <= 0)),
        expensive_no_better_pct=pct((more > 0) & (good <= matters)),
        cheap_no_worse_pct=pct((more < 0) & (good >= -matters)),
        worthwhile_pct=np.nan if worth_gbp is None else pct(worth_gbp * good > more),
    )
    enough = (table["pathways"] >= fewest).to_numpy()
    for name in ("cost", "effect"):
        table[f"{name}_q"] = _q_values(units, table["own_gbp" if name == "cost" else "own_effect"], name, enough)
    costs_more, costs_less = table["lower_95"] > 0, table["upper_95"] < 0
    cost_sure, effect_sure = (table[f"{name}_q"] <= false_discovery for name in ("cost", "effect"))
    findings = {
        "cheaper and worse": cost_sure & costs_less & effect_sure & (table["effect_upper_95"] < 0),
        "more expensive and no better": cost_sure & costs_more & (table["effect_upper_95"] <= matters),
        "cheaper and no worse": cost_sure & costs_less & (table["effect_lower_95"] >= -matters),
    }
    table["finding"] = np.select(list(findings.values()), list(findings), NOT_SURE)
    table["reason"] = np.where(enough, "", f"fewer than {fewest} patients")
    return Quadrants(table, matters, false_discovery, left_out)


def _q_values(units: pd.DataFrame, own: pd.Series, name: str, enough: np.ndarray) -> np.ndarray:
    """Return the q-value of each unit's difference from all patients; missing where it has too few of them."""
    n = units["pathways"].to_numpy(dtype=float)
    spread = units[f"{name}_var"].to_numpy() * n  # of a patient, pooled: the same in every unit
    se = np.sqrt(spread * np.maximum(1 / n - 1 / n.sum(), 0))
    p = 2 * stats.t.sf(np.abs(own.to_numpy()) / se, n.sum() - len(n))
    return adjust_pvalues(np.where(enough, p, np.nan))
