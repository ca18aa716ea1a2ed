"""Who is dearer and no better, who is cheaper and worse: cost against gain, both shrunk, with probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from pathcost_lib.arguments import require_columns
from pathcost_lib.benchmark.shrinkage import posterior_draws
from pathcost_lib.benchmark.streams import Streams
from pathcost_lib.errors import InputError
from pathcost_lib.results import Result
from pathcost_lib.value.gain import group_means

__all__ = ["Quadrants", "quadrants"]

FEWEST_UNITS = 3  # a spread between units needs three


@dataclass(frozen=True, eq=False)
class Quadrants(Result):
    """Units on the value map; `finding` is empty where nothing is sure."""

    matters: float
    sure: float

    @property
    def summary(self) -> str:
        """How many of each finding."""
        found = self.table.loc[self.table["finding"] != "", "finding"].value_counts()
        said = "; ".join(f"{n} {name}" for name, n in found.items()) or "none stands out"
        return f"{len(self.table)} compared, {said} (with {self.sure:.0%} probability or more)"


def quadrants(
    rows: pd.DataFrame,
    *,
    by: str,
    cost: str,
    effect: str,
    matters: float = 0.0,
    worth_gbp: float | None = None,
    sure: float = 0.95,
    fewest: int = 8,
    draws: int = 4_000,
    rng: np.random.Generator,
) -> Quadrants:
    """Place each unit on the map of cost against effect, as a difference from the mean of all patients.

    Parameters
    ----------
    rows : DataFrame
        One row a patient, cost and effect adjusted for case mix (`adjust`).
    by, cost, effect : str
        Columns: provider or area; pounds; effect, higher is better.
    matters : float
        Least difference in effect that matters: "no better" is not better by more than this.
    worth_gbp : float, optional
        What a unit of effect is worth, pounds: gives the probability that extra effect is worth its extra cost.
    sure : float
        Probability from which a finding is stated.
    fewest : int
        Patients below which a unit helps to judge the spread, but nothing is stated of it: skewed costs of a few
        patients do not have the normal mean that is assumed.
    draws, rng
        Of the posterior; the same for a unit whatever the number or the order.

    Returns
    -------
    Quadrants
        by, pathways, own_gbp and own_effect (differences as observed), cost_gbp with lower_95, upper_95 and effect with
        effect_lower_95, effect_upper_95 (shrunk), the four quadrants' probabilities (dearer_better_pct,
        dearer_worse_pct, cheaper_better_pct, cheaper_worse_pct), dear_no_better_pct, cheap_no_worse_pct,
        worthwhile_pct, finding: "dearer and no better", "cheaper and worse", "cheaper and no worse" or nothing.

    Raises
    ------
    InputError
        Fewer than three units, or patients who do not vary.

    Notes
    -----
    Empirical Bayes, each measure by `benchmark.shrinkage`; patients' spread is pooled over units, and the correlation
    of cost and effect within units is carried into the draws. The mean of all patients is taken as known.
    """
    require_columns(rows, [by, cost, effect], what="patients")
    units = group_means(rows, by=by, cost=cost, effect=effect, pooled=True)
    variances = units[["cost_var", "effect_var"]].to_numpy()
    if len(units) < FEWEST_UNITS or not (variances > 0).all():
        raise InputError("A value map needs three units or more, whose patients differ in cost and in effect.")
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
    dear, good = shifts

    def pct(event: np.ndarray) -> np.ndarray:
        return 100 * np.asarray(event.mean(axis=0))

    cost_low, cost_high = np.quantile(dear, [0.025, 0.975], axis=0)
    good_low, good_high = np.quantile(good, [0.025, 0.975], axis=0)
    table = units[[by, "pathways"]].assign(
        own_gbp=units["cost"] - rows[cost].mean(),
        own_effect=units["effect"] - rows[effect].mean(),
        cost_gbp=dear.mean(axis=0),
        lower_95=cost_low,
        upper_95=cost_high,
        effect=good.mean(axis=0),
        effect_lower_95=good_low,
        effect_upper_95=good_high,
        dearer_better_pct=pct((dear > 0) & (good > 0)),
        dearer_worse_pct=pct((dear > 0) & (good <= 0)),
        cheaper_better_pct=pct((dear <= 0) & (good > 0)),
        cheaper_worse_pct=pct((dear <= 0) & (good <= 0)),
        dear_no_better_pct=pct((dear > 0) & (good <= matters)),
        cheap_no_worse_pct=pct((dear < 0) & (good >= -matters)),
        worthwhile_pct=np.nan if worth_gbp is None else pct(worth_gbp * good > dear),
    )
    findings = {
        "cheaper and worse": table["cheaper_worse_pct"],
        "dearer and no better": table["dear_no_better_pct"],
        "cheaper and no worse": table["cheap_no_worse_pct"],
    }
    enough = table["pathways"] >= fewest
    table["finding"] = np.select([enough & (p >= 100 * sure) for p in findings.values()], list(findings), "")
    return Quadrants(table, matters, sure)
