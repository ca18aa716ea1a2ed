"""Demand by driver: population by age and sex times use at each age, moved by what else changes.

Each driver's isolated effect is what it would do alone from the base year; the rest is a residual interaction, so the
parts add to the whole in every cell and every sum (the NHS demand model of the Strategy Unit reports in this way).

Health status at a given age: if people of an age become as healthy as those some years younger, use at age a is read
at age a - shift. Rates are joined by straight lines between single ages, so activity is linear in the shift between
whole years, and sums at whole-year shifts are all that a simulation needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from pathcost_lib.arguments import number, numbers, one_row_each, refuse, share, whole_numbers
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.results import Result
from pathcost_lib.scenarios.draws import Distribution

__all__ = ["ACTIVITY_DRIVERS", "DemandModel", "Growth", "Projection", "exact", "project"]

FloatArray = NDArray[np.float64]
Assumption = Distribution | float

_PEOPLE = ["icb_code", "variant", "year", "sex", "age"]
ACTIVITY_DRIVERS = ("demographic", "health_status", "non_demographic", "level_up", "waiting_list")


@dataclass(frozen=True)
class Growth:
    """Growth assumptions beyond the size and age of the population; each a number or a `Distribution`.

    Attributes
    ----------
    non_demographic_pct : mapping of POD to %/year
        Growth in use at a given age (technology, expectations); "*" stands for PODs not named.
    health_status_years : years of age per calendar year
        How many years younger, in health, an age becomes each year (0.1: one year in ten).
    health_status_from_age : int
        Youngest age that it holds for; below it, younger does not mean less use (infants, births).
    waiting_list_pct : mapping of POD to %
        Backlog as % of a base year's activity, cleared evenly over `waiting_list_years`, then gone.
    level_up_share : 0 to 1
        Part of the gap closed, over `level_up_years`, for ICBs whose use is below the pooled use for their ages.
    price_pct : %/year
        Pay and prices above the price base (real, if the price base is).
    scenario : str
        Name and identity of the scenario file that the assumptions come from; it goes on every output.

    Raises
    ------
    InputError
        If an assumption is neither a number nor a `Distribution`, or is out of its range.
    """

    non_demographic_pct: Mapping[str, Assumption] = field(default_factory=dict)
    health_status_years: Assumption = 0.0
    health_status_from_age: int = 55
    waiting_list_pct: Mapping[str, Assumption] = field(default_factory=dict)
    waiting_list_years: int = 3
    level_up_share: Assumption = 0.0
    level_up_years: int = 10
    price_pct: Assumption = 0.0
    scenario: str = ""

    def __post_init__(self) -> None:
        for name in ("non_demographic_pct", "waiting_list_pct"):
            if not isinstance(getattr(self, name), Mapping):
                raise InputError(f"{name} must give a number for each POD, such as {{'elective': 1.0}}.")
        for name in ("waiting_list_years", "level_up_years"):
            number(getattr(self, name), f"{name} (years)", least=1, whole=True)
        number(self.health_status_from_age, "health_status_from_age (years)", least=0, whole=True)
        for name, assumption in self.assumptions().items():
            kind = name.partition(".")[0]
            for value in assumption.parameters:
                if kind == "level_up_share":
                    share(value, kind)
                elif kind == "waiting_list_pct":
                    number(value, f"{name} (% of a year's activity)", least=0)
                elif kind != "health_status_years":
                    number(value, f"{name} (% a year)", above=-100)

    def assumptions(self) -> dict[str, Distribution]:
        """Return every assumption by name ("non_demographic_pct.elective")."""
        flat: dict[str, Assumption] = {
            f"{name}.{pod}": value
            for name in ("non_demographic_pct", "waiting_list_pct")
            for pod, value in getattr(self, name).items()
        }
        flat |= {name: getattr(self, name) for name in ("health_status_years", "level_up_share", "price_pct")}
        return {
            name: value if isinstance(value, Distribution) else Distribution("fixed", (number(value, name),))
            for name, value in flat.items()
        }


def exact(values: ArrayLike, bits: int) -> FloatArray:
    """Round to multiples of 2 ** -bits, so that sums and differences in any order are exact in floating point."""
    return np.round(np.asarray(values, dtype=float) * 2.0**bits) / 2.0**bits


@dataclass(frozen=True, eq=False)
class Projection(Result):
    """Activity by ICB x year x POD.

    `.table` has icb_code, year, pod, base_activity, one column a driver (demographic_activity ...),
    interaction_activity and activity, their exact sum. `.not_covered` says which people have no rates.
    """

    base_year: int
    variant: str
    not_covered: str
    scenario: str = ""

    @property
    def summary(self) -> str:
        """One sentence."""
        last = self.table[self.table["year"] == self.table["year"].max()]
        growth = 100 * (last["activity"].sum() / last["base_activity"].sum() - 1)
        year = int(self.table["year"].max())
        return (
            f"Activity changes by {growth:.1f} % from {self.base_year} to {year} ({self.variant}). {self.not_covered}"
        )

    def waterfall(self, year: int, *, by: str | None = None) -> pd.DataFrame:
        """Return base, each driver, interaction and total in `year`, over all cells or by one key.

        Raises
        ------
        InputError
            If the year is not one of those projected, or the key is neither icb_code nor pod.
        """
        require_one_of(str(year), map(str, self.table["year"].unique()), what="Year of the projection")
        if by is not None:
            require_one_of(by, ("icb_code", "pod"), what="Key")
        rows = self.table[self.table["year"] == year]
        columns = [c for c in self.table.columns if c.endswith("activity")]
        sums = rows.groupby(by)[columns].sum() if by else rows[columns].sum().to_frame().T
        return sums.rename(columns=lambda c: c.removesuffix("_activity").replace("activity", "total"))


class DemandModel:
    """Arrays built once from population and rates; `activity` applies assumptions to them.

    Parameters
    ----------
    population : DataFrame
        icb_code, year, age, sex, variant, persons (mid-year). Each ICB has one row for every year, sex and single year
        of age, up to a top age that all share; nobody of an age is a row with 0.
    rates : DataFrame
        pod, age, sex, rate (yearly use a head); with icb_code too, each ICB has its own. The top age is open-ended.
        The sexes are those of the population, in the same words.
    base_year, horizon : int
        First and last year; every year between them is projected.
    variant : str
        Population variant; years before its first come from no other variant.
    base_activity : DataFrame, optional
        icb_code, pod, activity: actual activity of the base year, to which the rates are scaled: one row for each ICB
        and POD.

    Raises
    ------
    InputError
        If a column, a year, a sex, an age or a cell is missing, keys repeat, a number is missing or negative, an ICB
        has no rates, or there is activity where the rates expect none; the cells are named.
    """

    def __init__(
        self,
        population: pd.DataFrame,
        rates: pd.DataFrame,
        *,
        base_year: int,
        horizon: int,
        variant: str = "principal",
        base_activity: pd.DataFrame | None = None,
    ) -> None:
        one_row_each(population, _PEOPLE, ["persons"], what="population")
        population = population.assign(
            year=whole_numbers(population, "year", _PEOPLE), age=whole_numbers(population, "age", _PEOPLE)
        )
        number(base_year, "base_year", whole=True)
        number(horizon, "horizon", whole=True)
        if horizon < base_year:
            raise InputError(f"The horizon, {horizon}, is before the base year, {base_year}.")
        self.years = list(range(int(base_year), int(horizon) + 1))
        self.variant = require_one_of(variant, map(str, population["variant"].unique()), what="Population variant")
        of_variant = population[population["variant"] == variant]
        people = of_variant[of_variant["year"].isin(self.years)]
        people = people.assign(persons=numbers(people, "persons", _PEOPLE))
        missing = sorted(set(self.years) - set(people["year"]))
        if missing:
            raise InputError(
                f"Population ({variant}) has no year {', '.join(map(str, missing))}. "
                f"It holds {of_variant['year'].min()} to {of_variant['year'].max()}."
            )
        rates = self._checked(rates)
        self.icbs = sorted(people["icb_code"].unique())
        self.pods = sorted(rates["pod"].unique())
        self.ages = np.arange(rates["age"].min(), rates["age"].max() + 1)
        self.sexes = sorted(rates["sex"].unique())
        self.by_icb = "icb_code" in rates.columns
        self._rates = self._rate_array(rates)
        self._people = self._people_array(people)
        self._sums: dict[tuple[int, int], FloatArray] = {}
        self.scale = np.ones((len(self.icbs), len(self.pods)))
        if base_activity is not None:
            actual = self._by_cell(base_activity)
            expected = self._at_shift(0)[:, :, 0]
            lost = np.argwhere((actual > 0) & (expected == 0))
            if len(lost):
                cells = "; ".join(f"{self.icbs[icb]}/{self.pods[pod]}" for icb, pod in lost[:5])
                raise InputError(
                    f"base_activity has activity where the rates expect none, so that it cannot be projected: "
                    f"{len(lost)} cell(s), icb_code/pod: {cells}."
                )
            self.scale = np.divide(actual, expected, out=np.zeros_like(actual), where=expected > 0)

    def _checked(self, rates: pd.DataFrame) -> pd.DataFrame:
        keys = [*(["icb_code"] if "icb_code" in rates else []), "pod", "sex", "age"]
        one_row_each(rates, keys, ["rate"], what="rates")
        return rates.assign(rate=numbers(rates, "rate", keys), age=whole_numbers(rates, "age", keys))

    def _rate_array(self, rates: pd.DataFrame) -> FloatArray:
        """Return rates as (ICB or 1, POD, sex, age)."""
        keys = [*(["icb_code"] if self.by_icb else []), "pod", "sex", "age"]
        levels = [*([self.icbs] if self.by_icb else []), self.pods, self.sexes, list(self.ages)]
        full = _complete(rates, keys, levels, "rate", what="Rates")
        return full.reshape(-1, len(self.pods), len(self.sexes), len(self.ages))

    def _people_array(self, people: pd.DataFrame) -> FloatArray:
        """Return persons as (ICB, year, sex, age), ages above the rates' top joined to it; say who is not covered."""
        sexes = sorted(people["sex"].unique())
        if sexes != self.sexes:
            raise InputError(
                f"Population and rates differ in sex: {', '.join(map(str, sexes))} against "
                f"{', '.join(map(str, self.sexes))}. Use the same words in both, and give every sex a rate."
            )
        ages = list(range(people["age"].min(), max(people["age"].max(), self.ages[-1]) + 1))
        if ages[0] > self.ages[0]:
            raise InputError(f"The population begins at age {ages[0]}, the rates at {self.ages[0]}.")
        keys, levels = ["icb_code", "year", "sex", "age"], [self.icbs, self.years, self.sexes, ages]
        full = _complete(people, keys, levels, "persons", what=f"Population ({self.variant})")
        persons = full.reshape(len(self.icbs), len(self.years), len(self.sexes), len(ages))
        young = int(self.ages[0]) - ages[0]
        left = 100 * persons[..., :young].sum() / persons.sum() if persons.sum() else 0.0
        said = f"Not covered: ages below {self.ages[0]}, {left:.1f} % of persons, for want of rates."
        self.not_covered = said if left > 0 else ""
        covered = persons[..., young : young + len(self.ages)].copy()
        covered[..., -1] += persons[..., young + len(self.ages) :].sum(axis=-1)
        return covered

    def _by_cell(self, frame: pd.DataFrame) -> FloatArray:
        keys = ["icb_code", "pod"]
        one_row_each(frame, keys, ["activity"], what="base_activity")
        for key, known in (("icb_code", self.icbs), ("pod", self.pods)):
            refuse(frame, ~frame[key].isin(known).to_numpy(), keys, f"base_activity: {key} has no people or no rates")
        activity = frame.assign(activity=numbers(frame, "activity", keys))
        full = _complete(activity, keys, [self.icbs, self.pods], "activity", what="base_activity")
        return full.reshape(len(self.icbs), len(self.pods))

    def _at_shift(self, shift: int, from_age: int = 0) -> FloatArray:
        """Return activity (ICB, POD, year) with rates from `from_age` read `shift` whole years younger."""
        if (shift, from_age) not in self._sums:
            at = np.arange(len(self.ages))
            at = np.where(self.ages >= from_age, np.clip(at - shift, 0, len(at) - 1), at)
            rates = np.broadcast_to(self._rates[..., at], (len(self.icbs), *self._rates.shape[1:]))
            flat = (len(self.icbs), len(self.pods), -1)
            people = self._people.reshape(len(self.icbs), len(self.years), -1)
            self._sums[shift, from_age] = rates.reshape(flat) @ people.transpose(0, 2, 1)
        return self._sums[shift, from_age]

    def aged(self, shift: FloatArray, from_age: int = 0, *, base_population: bool = False) -> FloatArray:
        """Return activity (ICB, POD, year, draw) at a health-status shift of shape (year, draw), in years."""
        whole = np.floor(shift).astype(int)
        part = shift - whole
        first = int(whole.min())
        sums = np.stack([self._at_shift(k, from_age) for k in range(first, int(whole.max()) + 2)], axis=-1)
        found = np.empty((*sums.shape[:2], *shift.shape))
        for year in range(len(self.years)):
            here = sums[:, :, 0 if base_population else year]
            at = whole[year] - first
            found[:, :, year] = here[..., at] * (1 - part[year]) + here[..., at + 1] * part[year]
        return found * self.scale[:, :, None, None]

    def factors(self, growth: Growth, drawn: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """Return each driver as an array that broadcasts to (ICB, POD, year, draw); `health_status` is a shift."""
        known = {*self.pods, "*"}
        for pod in {*growth.non_demographic_pct, *growth.waiting_list_pct}:
            require_one_of(pod, known, what="POD of a growth assumption")
        after = np.arange(len(self.years))[:, None]
        draws = len(drawn["price_pct"])
        found = {
            "health_status": drawn["health_status_years"] * after,
            "price": (1 + drawn["price_pct"] / 100) ** after,
            "non_demographic": (1 + self._pod_values("non_demographic_pct", drawn, draws) / 100) ** after,
        }
        clearing = (after >= 1) & (after <= growth.waiting_list_years)
        found["waiting_list"] = (
            clearing * self._pod_values("waiting_list_pct", drawn, draws) / (100 * growth.waiting_list_years)
        )
        share = drawn["level_up_share"] * np.minimum(after / growth.level_up_years, 1)
        found["level_up"] = 1 + self._shortfall(bool(np.any(share > 0)))[:, :, None, None] * share
        return found

    def _pod_values(self, name: str, drawn: Mapping[str, FloatArray], draws: int) -> FloatArray:
        """Return an assumption by POD, shape (POD, 1, draw); nil where neither the POD nor "*" is named."""
        nil = np.zeros(draws)
        return np.array([drawn.get(f"{name}.{pod}", drawn.get(f"{name}.*", nil)) for pod in self.pods])[:, None, :]

    def _shortfall(self, wanted: bool) -> FloatArray:
        """Return by how much pooled use exceeds own use at the ICB's ages, share of own use, nil if it does not."""
        if not wanted:
            return np.zeros((len(self.icbs), len(self.pods)))
        if not self.by_icb:
            raise InputError("Levelling up needs rates by ICB (a column icb_code); these rates are the same for all.")
        people = self._people[:, 0]
        total = people.sum(axis=0)
        pooled = np.einsum("ipsa,isa->psa", self._rates, people)
        pooled = np.divide(pooled, total, out=np.zeros_like(pooled), where=total > 0)
        expected = np.einsum("psa,isa->ip", pooled, people)
        own = self._at_shift(0)[:, :, 0]
        return np.maximum(np.divide(expected, own, out=np.ones_like(own), where=own > 0) - 1, 0)

    def activity(self, growth: Growth, drawn: Mapping[str, FloatArray]) -> FloatArray:
        """Return activity (ICB, POD, year, draw) with every driver at work."""
        f = self.factors(growth, drawn)
        found = self.aged(f["health_status"], growth.health_status_from_age)
        found *= f["non_demographic"]
        found *= f["level_up"]
        base = self._at_shift(0)[:, :, 0] * self.scale
        if np.any(f["waiting_list"]):
            found += base[:, :, None, None] * f["waiting_list"]
        return found

    def alone(self, growth: Growth, drawn: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """Return what activity would be with one driver at work on the base year, (ICB, POD, year, draw)."""
        f = self.factors(growth, drawn)
        base = (self._at_shift(0)[:, :, 0] * self.scale)[:, :, None, None]
        return {
            "demographic": self.aged(np.zeros_like(f["health_status"])),
            "health_status": self.aged(f["health_status"], growth.health_status_from_age, base_population=True),
            "non_demographic": base * f["non_demographic"],
            "level_up": base * f["level_up"],
            "waiting_list": base + base * f["waiting_list"],
        }


def project(
    population: pd.DataFrame,
    rates: pd.DataFrame,
    *,
    base_year: int,
    horizon: int,
    variant: str = "principal",
    growth: Growth | None = None,
    base_activity: pd.DataFrame | None = None,
) -> Projection:
    """Project activity to every year of the horizon, driver by driver, at each assumption's mean.

    Parameters
    ----------
    population, rates, base_year, horizon, variant, base_activity
        As in `DemandModel`.
    growth : Growth, optional
        Drivers beyond the population; none by default.

    Returns
    -------
    Projection
        base + drivers + interaction = activity, exactly, in every cell and every sum.
    """
    growth = growth or Growth()
    model = DemandModel(
        population, rates, base_year=base_year, horizon=horizon, variant=variant, base_activity=base_activity
    )
    drawn = {name: np.array([assumption.mean]) for name, assumption in growth.assumptions().items()}
    total = exact(model.activity(growth, drawn)[..., 0], 20)
    base = np.broadcast_to(total[:, :, :1], total.shape)
    parts = {
        name: exact(np.broadcast_to(level[..., 0], total.shape), 20) - base
        for name, level in model.alone(growth, drawn).items()
    }
    index = pd.MultiIndex.from_product([model.icbs, model.pods, model.years], names=["icb_code", "pod", "year"])
    columns = {"base": base} | parts | {"interaction": total - base - sum(parts.values())}
    table = pd.DataFrame({f"{name}_activity": part.ravel() for name, part in columns.items()}, index=index)
    table["activity"] = total.ravel()
    table = table.reset_index()
    table.insert(1, "year", table.pop("year"))
    return Projection(table, base_year, variant, model.not_covered, growth.scenario)


def _complete(frame: pd.DataFrame, keys: list[str], levels: list[list], column: str, *, what: str) -> FloatArray:
    """Return a column over every combination of the levels, in their order; those without a row are named."""
    index = pd.MultiIndex.from_product(levels, names=keys)
    full = frame.set_index(keys)[column].reindex(index)
    lacking = full.isna().to_numpy()
    if lacking.any():
        cells = "; ".join("/".join(map(str, cell)) for cell in index[lacking][:5])
        raise InputError(
            f"{what}: {int(lacking.sum())} of {len(full)} cells have no {column}; {'/'.join(keys)}: {cells}."
        )
    return full.to_numpy(float)
