"""Simulation: every assumption drawn from its distribution, the same draws whatever their number or what else is asked.

Draws are taken in blocks that fit the memory; since a draw depends on its number and its assumption's name alone (see
`draws`), neither the size of the block nor the number of workers can change an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pathcost_lib import arguments
from pathcost_lib.errors import InputError
from pathcost_lib.results import Result
from pathcost_lib.scenarios.change.appraisal import Schedule, net_present_value
from pathcost_lib.scenarios.change.model import PaymentRule, SystemModel
from pathcost_lib.scenarios.change.release import Release
from pathcost_lib.scenarios.change.system import build_model
from pathcost_lib.scenarios.draws import Distribution, quantile_draws, seed_of
from pathcost_lib.scenarios.scenario import Scenario
from pathcost_lib.scenarios.years import financial_years
from pathcost_lib.sources.engine import Relation

__all__ = ["Simulation", "describe", "sensitivity", "simulate"]

FloatArray = NDArray[np.float64]

#: Draws in a block: 200 organisations x 10 years x 500 draws are 8 MB an array.
_BLOCK = 500


@dataclass(frozen=True, eq=False)
class Simulation(Result):
    """Draws of net present value, and of each year's net effect for the system.

    `.table` has organisation (and "system"), mean_gbp, sd_gbp, p10_gbp, p50_gbp, p90_gbp of the net present value over
    all years, and probability_of_loss.

    Attributes
    ----------
    net_present_value_gbp : array of shape (organisations, draws)
        By organisation, in the order of `organisations`.
    system_gbp : array of shape (years, draws)
        The system's undiscounted net effect.
    """

    organisations: tuple[str, ...]
    years: tuple[int, ...]
    net_present_value_gbp: FloatArray
    system_gbp: FloatArray
    scenario: str
    identity: str
    seed: int

    @property
    def summary(self) -> str:
        """One sentence."""
        row = self.table.set_index("organisation").loc["system"]
        return (
            f"Net present value to the system: £{row['p50_gbp']:,.0f}, with an 80 % interval of £{row['p10_gbp']:,.0f} "
            f"to £{row['p90_gbp']:,.0f}; probability of a loss {row['probability_of_loss']:.0%}."
        )

    @property
    def system_by_year(self) -> pd.DataFrame:
        """The system's net effect: financial_year, mean_gbp, sd_gbp, p10_gbp, p50_gbp, p90_gbp."""
        table = describe(self.system_gbp, suffix="_gbp")
        table.insert(0, "financial_year", financial_years(self.years))
        return table


def describe(draws: FloatArray, *, suffix: str = "") -> pd.DataFrame:
    """Return mean, sd, p10, p50 and p90 over the last axis, one row a cell of the axes before it."""
    flat = draws.reshape(-1, draws.shape[-1])
    low, middle, high = np.quantile(flat, [0.1, 0.5, 0.9], axis=1)
    values = {"mean": flat.mean(axis=1), "sd": flat.std(axis=1), "p10": low, "p50": middle, "p90": high}
    return pd.DataFrame({f"{name}{suffix}": value for name, value in values.items()})


def blocks(draws: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield (first draw, number of draws) of each block."""
    if draws < 1:
        raise InputError(f"At least one draw is needed, not {draws}.")
    for start in range(0, draws, size):
        yield start, min(size, draws - start)


def simulate(
    scenario: Scenario,
    ledger: Relation | pd.DataFrame | None = None,
    *,
    draws: int = 10_000,
    rng: int | np.random.Generator = 0,
    payment: PaymentRule | str | None = None,
    release: Release | None = None,
    years: Sequence[int] | None = None,
    year: str | None = None,
    schedule: Schedule = "green_book",
) -> Simulation:
    """Simulate a scenario's interventions as one portfolio.

    Parameters
    ----------
    scenario : Scenario
        Its effects are drawn from their distributions, correlated as the file says. A drawn share outside 0 to 1 is
        brought to the nearer end.
    ledger, payment, release, years, year
        As in `system_impact`.
    draws : int
        Number of draws, 100 to a million; the first n of a longer run are the run of n.
    rng : int or Generator
        Seed (not negative), or a generator that one is taken from.
    schedule : str or sequence
        Discounting, as in `discount_factors`.

    Raises
    ------
    InputError
        As `system_impact`, or if draws or seed are out of range.

    Examples
    --------
    What a virtual fracture clinic is worth over its years (net present value) to who pays and who provides. The two
    make up the system.

    >>> import pathcost_lib as pc
    >>> result = pc.simulate(pc.load_scenario("virtual_fracture_clinic"), draws=1_000, rng=1)
    >>> result.table[["organisation", "mean_gbp", "probability_of_loss"]].round({"mean_gbp": -3})
      organisation  mean_gbp  probability_of_loss
    0          ICB  271000.0                  0.0
    1        TRUST -114000.0                  1.0
    2       system  157000.0                  0.0
    """
    draws = arguments.draw_count(draws)
    if not isinstance(rng, np.random.Generator):
        rng = int(arguments.number(rng, "rng (seed)", least=0, whole=True))
    seed = seed_of(rng)
    _require_scenario(scenario)
    model = build_model(scenario, ledger, payment=payment, release=release, years=years, year=year)
    effects = {i.name: i.effect for i in model.interventions}
    units = {f"{name}, units": units for name, units in _uncertain_units(model).items()}
    values = np.empty((len(model.organisations), draws))
    system = np.empty((len(model.years), draws))
    for start, number in blocks(draws, _BLOCK):
        drawn = quantile_draws(effects | units, number, seed=seed, correlations=scenario.correlations, start=start)
        there = np.ones((len(effects), number))
        for place, item in enumerate(model.interventions):
            if item.to and f"{item.name}, units" in units:
                there[place] = np.maximum(drawn[f"{item.name}, units"], 0.0) / item.to.units_per_unit
        net = model.totals(np.array([drawn[name] for name in effects]), there)
        values[:, start : start + number] = net_present_value(np.moveaxis(net, 1, -1), schedule)
        system[:, start : start + number] = net.sum(axis=0)
    everyone = np.vstack([values, values.sum(axis=0)])
    table = describe(everyone, suffix="_gbp")
    table.insert(0, "organisation", [*model.organisations, "system"])
    table["probability_of_loss"] = (everyone < 0).mean(axis=1)
    return Simulation(
        table,
        tuple(model.organisations),
        tuple(model.years),
        values,
        system,
        scenario.name,
        scenario.identity,
        seed,
    )


def _uncertain_units(model: SystemModel) -> dict[str, Distribution]:
    """Return how many units each intervention makes where activity moves to, of those of which it is uncertain."""
    return {i.name: i.to.uncertain for i in model.interventions if i.to and i.to.uncertain}


def _require_scenario(scenario: object) -> None:
    if not isinstance(scenario, Scenario):
        raise InputError(f"scenario must come from load_scenario; this is a {type(scenario).__name__}.")


def sensitivity(
    scenario: Scenario,
    ledger: Relation | pd.DataFrame | None = None,
    *,
    year: str | None = None,
    schedule: Schedule = "green_book",
) -> pd.DataFrame:
    """Return the system's net present value with each uncertain assumption at its p10 and p90, the others at means.

    Parameters
    ----------
    scenario, ledger, year
        As in `system_impact`.
    schedule : str or sequence
        Discounting, as in `discount_factors`.

    Returns
    -------
    DataFrame
        intervention (with ", units" where it is the units that activity moves to), low_gbp, high_gbp, swing_gbp;
        largest swing first.
    """
    _require_scenario(scenario)
    model = build_model(scenario, ledger, year=year)
    items, there = model.interventions, _uncertain_units(model)
    uncertain = [(n, "") for n, item in enumerate(items) if item.effect.kind != "fixed"]
    uncertain += [(n, ", units") for n, item in enumerate(items) if item.name in there]
    effects = np.array([[item.effect.mean] * (2 * len(uncertain)) for item in items])
    units = np.ones_like(effects)
    for column, (number, kind) in enumerate(uncertain):
        ends = slice(2 * column, 2 * column + 2)
        if kind:
            amount = there[items[number].name]
            units[number, ends] = np.maximum(amount.ppf([0.1, 0.9]), 0.0) / amount.mean
        else:
            effects[number, ends] = items[number].effect.ppf([0.1, 0.9])
    worth = net_present_value(np.moveaxis(model.totals(effects, units).sum(axis=0), 0, -1), schedule)
    table = pd.DataFrame({"intervention": [f"{items[n].name}{kind}" for n, kind in uncertain]})
    table["low_gbp"], table["high_gbp"] = worth[0::2], worth[1::2]
    table["swing_gbp"] = (table["high_gbp"] - table["low_gbp"]).abs()
    return table.sort_values("swing_gbp", ascending=False, ignore_index=True)
