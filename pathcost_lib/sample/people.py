"""People: age, sex, deprivation, frailty, home providers, births and deaths, a block at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pathcost_lib.sample.organisations import PROVIDER_KINDS
from pathcost_lib.sample.reference import EXTRACT, YEARS, age_band, days_from
from pathcost_lib.sample.world import FRAILTY_SD, MENTAL_CORRELATION, World

__all__ = ["ALIVE", "People", "draw_people", "frailty_multiplier"]

#: Day of death of those who do not die in the extract.
ALIVE = 2**30
#: The eight journeys bring deaths of their own; the background brings the rest.
_BACKGROUND_DEATHS = 0.87


@dataclass
class People:
    """A block of people; arrays of one value a person. Days are since 1970-01-01."""

    born: np.ndarray
    died: np.ndarray
    sex: np.ndarray
    tenth: np.ndarray
    frailty: np.ndarray
    mental_frailty: np.ndarray
    home: np.ndarray

    def __len__(self) -> int:
        return len(self.born)

    def band(self, year: int) -> np.ndarray:
        """Return each person's age band in the middle of a financial year of the extract."""
        middle = days_from(YEARS[year][1]) + 183
        return age_band(np.maximum((middle - self.born) // 365.25, 0))


def draw_people(world: World, icb: int, n: int, rng: np.random.Generator) -> People:
    """Draw `n` people of an ICB as at the extract's first day, and the children born to it during the extract."""
    code = world.icbs["icb_code"].iloc[icb]
    shares = world.age_sex[icb]
    born_in_extract = rng.poisson(2 * n * shares[0].sum())
    cell = np.searchsorted(np.cumsum(shares.ravel()), rng.random(n), side="right")
    age, sex = np.divmod(np.minimum(cell, shares.size - 1), 2)
    # Past 90 the tables stop: a geometric tail, no older than 105.
    age = np.where(age == 90, np.minimum(90 + rng.geometric(0.28, n) - 1, 105), age)
    born = EXTRACT[0] - np.floor((age + rng.random(n)) * 365.25) - 1
    born = np.concatenate([born, rng.integers(EXTRACT[0], EXTRACT[1] + 1, born_in_extract)]).astype(np.int32)
    sex = np.concatenate([sex, (rng.random(born_in_extract) < 0.512)]).astype(np.int8)
    total = len(born)
    tenth = np.searchsorted(np.cumsum(world.tenths[icb])[:-1], rng.random(total), side="right").astype(np.int8)
    frailty = rng.standard_normal(total)
    home = np.empty((len(PROVIDER_KINDS), total), np.int16)
    for row, kind in enumerate(PROVIDER_KINDS):
        numbers, cumulative = world.flows[kind, code]
        home[row] = numbers[np.searchsorted(cumulative[:-1], rng.random(total), side="right")]
    people = People(
        born=born,
        died=np.full(total, ALIVE, np.int32),
        sex=sex,
        tenth=tenth,
        frailty=frailty,
        mental_frailty=MENTAL_CORRELATION * frailty + np.sqrt(1 - MENTAL_CORRELATION**2) * rng.standard_normal(total),
        home=home,
    )
    _background_deaths(world, people, rng)
    return people


def frailty_multiplier(z: np.ndarray, loading: float) -> np.ndarray:
    """Return exp(loading x frailty), scaled to a mean of 1 over a standard normal z."""
    scale = loading * FRAILTY_SD
    return np.exp(scale * z - 0.5 * scale**2)


def _background_deaths(world: World, people: People, rng: np.random.Generator) -> None:
    hazard = world.mortality[people.sex, people.band(0)] * frailty_multiplier(people.frailty, 1.0) * _BACKGROUND_DEATHS
    years = rng.exponential(1.0, len(people)) / hazard
    day = np.maximum(people.born, EXTRACT[0]) + np.minimum(years * 365.25, 10_000)
    people.died = np.where(day <= EXTRACT[1], day, ALIVE).astype(np.int32)
