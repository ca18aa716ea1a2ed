"""Demand with its uncertainty: draws by ICB x POD x year, intervals at any level, and which assumption matters most.

Given its rate, activity is a Poisson count; sums of Poisson counts are Poisson and a thinned one stays Poisson, so
its noise is added at the level reported, from the sum of rates (variance of a cost: sum of rate x unit cost squared).
Nothing is resampled row by row. Each driver keeps the drawn rate for all years, so a compounded rate has a mean above
the value at the mean rate (Jensen's inequality): tables show both and the difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from pathcost_lib.arguments import as_list, draw_count, mapping_of_numbers
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.results import Result
from pathcost_lib.scenarios.demand import DemandModel, Growth
from pathcost_lib.scenarios.draws import Correlation, quantile_draws, seed_of, uniforms

__all__ = ["DemandSimulation", "simulate_demand", "tornado"]

FloatArray = NDArray[np.float64]
_AXES = ("icb_code", "pod", "year")


@dataclass(frozen=True, eq=False)
class DemandSimulation(Result):
    """Draws of activity rates by cell; `.table` has the intervals by year.

    Attributes
    ----------
    draws : array of shape (ICBs, PODs, years, draws)
        Expected activity under each draw of the assumptions.
    central : array of shape (ICBs, PODs, years)
        Activity with every assumption at its mean, variants weighted.
    labels : mapping of axis to its values, in order
        icb_code, pod, year.
    price : array of shape (years, draws)
        Pay and price factor.
    """

    draws: FloatArray
    central: FloatArray
    labels: Mapping[str, tuple]
    price: FloatArray
    price_central: FloatArray
    noise: FloatArray
    scenario: str = ""

    @property
    def summary(self) -> str:
        """One sentence."""
        last = self.table.iloc[-1]
        return (
            f"In {int(last['year'])}: {last['p50']:,.0f}, 80 % interval {last['p10']:,.0f} to {last['p90']:,.0f}; "
            f"the mean lies {last['compounding_bias_pct']:.2f} % from the projection at mean assumptions."
        )

    def intervals(
        self, by: str | Sequence[str] = ("year",), *, unit_cost_gbp: Mapping[str, float] | None = None
    ) -> pd.DataFrame:
        """Return mean, sd, p10, p50, p90 at a level, Poisson noise in them.

        Parameters
        ----------
        by : sequence of icb_code, pod, year
            Levels to keep; others are summed (summing over years gives the total of all years).
        unit_cost_gbp : mapping of POD to GBP, optional
            Report cost (with pay and prices) rather than activity.

        Returns
        -------
        DataFrame
            the levels, central (at mean assumptions), mean, sd_assumptions, sd_noise, sd, p10, p50, p90, and
            compounding_bias_pct (mean against central).
        """
        by = as_list(by)
        for level in by:
            require_one_of(level, _AXES, what="Level")
        unit = np.ones(len(self.labels["pod"]))
        price, price_central = np.ones_like(self.price), np.ones_like(self.price_central)
        if unit_cost_gbp is not None:
            unit = _unit_costs(unit_cost_gbp, self.labels["pod"])
            price, price_central = self.price, self.price_central
        each = unit[:, None, None]
        rate, noise = _sum(self.draws, each * price, by), _sum(self.draws, (each * price) ** 2, by)
        central = _sum(self.central[..., None], each * price_central, by)[..., 0]
        return _summary(rate, noise, central, self.labels, by, self.noise)


def _unit_costs(unit_cost_gbp: Mapping[str, float], pods: Sequence[str]) -> FloatArray:
    """Return the unit costs in the order of the PODs; each needs one, and 0 is to be said."""
    costs = mapping_of_numbers(unit_cost_gbp, "unit_cost_gbp", keys=pods, complete=True, least=0)
    return np.array([costs[pod] for pod in pods])


def _sum(draws: FloatArray, weight: FloatArray, by: Sequence[str]) -> FloatArray:
    """Sum (ICB, POD, year, draw) x weight (POD, year, draw) over the levels that are not in `by`."""
    kept = "".join(axis[0] for axis in _AXES if axis in by)
    return np.einsum(f"ipyd,pyd->{kept}d", draws, np.broadcast_to(weight, (*draws.shape[1:],)), optimize=False)


def _summary(
    rate: FloatArray,
    noise: FloatArray,
    central: FloatArray,
    labels: Mapping[str, tuple],
    by: Sequence[str],
    z: FloatArray,
) -> pd.DataFrame:
    """Return the interval table from summed rates and noise variances, each (levels ..., draw)."""
    kept = [axis for axis in _AXES if axis in by]
    index = pd.MultiIndex.from_product([labels[axis] for axis in kept], names=kept)
    low, middle, high = np.quantile(rate + np.sqrt(noise) * z, [0.1, 0.5, 0.9], axis=-1)
    mean, between, within = rate.mean(axis=-1), rate.var(axis=-1), noise.mean(axis=-1)
    columns = {"central": central, "mean": mean, "sd_assumptions": np.sqrt(between), "sd_noise": np.sqrt(within)}
    columns |= {"sd": np.sqrt(between + within), "p10": low, "p50": middle, "p90": high}
    columns["compounding_bias_pct"] = 100 * (mean / central - 1)
    return pd.DataFrame({k: np.ravel(v) for k, v in columns.items()}, index=index).reset_index()[[*by, *columns]]


def simulate_demand(
    population: pd.DataFrame,
    rates: pd.DataFrame,
    growth: Growth,
    *,
    base_year: int,
    horizon: int,
    variants: Mapping[str, float] | str = "principal",
    draws: int = 1_000,
    rng: int | np.random.Generator = 0,
    correlations: Sequence[Correlation] = (),
    base_activity: pd.DataFrame | None = None,
) -> DemandSimulation:
    """Simulate demand.

    Parameters
    ----------
    population, rates, base_year, horizon, base_activity
        As in `DemandModel`.
    growth : Growth
        Assumptions; those given as `Distribution` are drawn.
    variants : str or mapping of variant to weight
        Population variant, or several, each draw taking one with its weight.
    draws, rng, correlations
        As in `simulate`, 100 draws or more; all ICBs share a draw's assumptions, so a subset of ICBs gives the same
        draws.

    Raises
    ------
    InputError
        As `DemandModel`; for too few draws, or weights that are below zero, not numbers, all 0 or of no variant.
    """
    seed, draws = seed_of(rng), draw_count(draws)
    known = [str(v) for v in population["variant"].dropna().unique()] if "variant" in population else []
    weights = {variants: 1.0} if isinstance(variants, str) else variants
    if known:  # a population without the column is refused by the model, in better words
        weights = mapping_of_numbers(weights, "variants (weights)", keys=known, least=0)
    if not sum(weights.values()) > 0:
        raise InputError("The weights of population variants are all 0.")
    drawn = quantile_draws(growth.assumptions(), draws, seed=seed, correlations=correlations)
    means = {name: np.array([a.mean]) for name, a in growth.assumptions().items()}
    edges = np.cumsum(list(weights.values())) / sum(weights.values())
    chosen = np.searchsorted(edges, uniforms("population variant", draws, seed=seed), side="right")

    def build(variant: str) -> DemandModel:
        return DemandModel(
            population, rates, base_year=base_year, horizon=horizon, variant=variant, base_activity=base_activity
        )

    models = [build(variant) for variant in weights]
    first = models[0]
    found = np.empty((len(first.icbs), len(first.pods), len(first.years), draws))
    central = np.zeros(found.shape[:3])
    for number, (model, weight) in enumerate(zip(models, weights.values(), strict=True)):
        mine = np.flatnonzero(chosen == number)
        if len(models) == 1:
            found = model.activity(growth, drawn)
        elif len(mine):
            found[..., mine] = model.activity(growth, {name: d[mine] for name, d in drawn.items()})
        central += weight / sum(weights.values()) * model.activity(growth, means)[..., 0]
    price, price_central = (first.factors(growth, d)["price"] for d in (drawn, means))
    labels = {"icb_code": tuple(first.icbs), "pod": tuple(first.pods), "year": tuple(first.years)}
    noise = special.ndtri(uniforms("poisson", draws, seed=seed))
    total = found.sum(axis=(0, 1))
    table = _summary(total, total, central.sum(axis=(0, 1)), labels, ("year",), noise)
    return DemandSimulation(table, found, central, labels, price, price_central, noise, growth.scenario)


def tornado(
    model: DemandModel, growth: Growth, *, year: int, unit_cost_gbp: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """Return total activity in `year` with each uncertain assumption at its p10 and p90, the others at their means.

    With unit costs by POD (one for each; 0 for a POD that is not to count) it is total cost, pay and prices in it.

    Raises
    ------
    InputError
        If the year is not projected, or a POD has no unit cost.

    Returns
    -------
    DataFrame
        assumption, low, high, swing; largest swing first.
    """
    require_one_of(str(year), map(str, model.years), what="Year of the projection")
    each = None if unit_cost_gbp is None else _unit_costs(unit_cost_gbp, model.pods)
    assumptions = growth.assumptions()
    uncertain = [name for name, a in assumptions.items() if a.kind != "fixed"]
    columns = 2 * len(uncertain)
    drawn = {name: np.full(columns, a.mean) for name, a in assumptions.items()}
    for number, name in enumerate(uncertain):
        drawn[name][2 * number : 2 * number + 2] = assumptions[name].ppf([0.1, 0.9])
    at = model.years.index(year)
    total = np.empty(0)
    if uncertain:
        by_pod = model.activity(growth, drawn)[:, :, at].sum(axis=0)
        total = by_pod.sum(axis=0)
        if each is not None:
            total = each @ by_pod * model.factors(growth, drawn)["price"][at]
    table = pd.DataFrame({"assumption": uncertain, "low": total[0::2], "high": total[1::2]})
    table["swing"] = (table["high"] - table["low"]).abs()
    return table.sort_values("swing", ascending=False, ignore_index=True)
