"""Demand by driver: population by age and sex times use at each age, moved by what else changes.

Each driver's isolated effect is what it would do alone from the base year; the rest is a residual interaction, so the
parts add to the whole in every cell and every sum (the NHS demand model of the Strategy Unit reports in this way).

Health status at a given age: if people of an age become as healthy as those some years younger, use at age a is read
at age a - shift. Rates are joined by straight lines between single ages, so activity is linear in the shift between
whole years, and sums at whole-year shifts are all that a simulation needs.

From projected activity to pounds, beds and minutes, and the gap if nothing is done.

Demand with its uncertainty: draws by ICB x POD x year, intervals at any level, and which assumption matters most.

Given its rate, activity is a Poisson count; sums of Poisson counts are Poisson and a thinned one stays Poisson, so
its noise is added at the level reported, from the sum of rates (variance of a cost: sum of rate x unit cost squared).
Nothing is resampled row by row. Each driver keeps the drawn rate for all years, so a compounded rate has a mean above
the value at the mean rate (Jensen's inequality): tables show both and the difference.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from pathcost_lib.arguments import (
    as_list,
    draw_count,
    mapping_of_numbers,
    number,
    numbers,
    one_row_each,
    refuse,
    share,
    whole_numbers,
)
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.results import Result
from pathcost_lib.scenarios.change.release import semi_fixed_released
from pathcost_lib.scenarios.draws import Correlation, Distribution, quantile_draws, seed_of, uniforms

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

    def only(self, pods: Iterable[str]) -> Growth:
        """Return the assumptions on these PODs and on all ("*"): one on a POD that is not projected has no effect."""
        kept = {*pods, "*"}
        use, backlog = (
            {pod: value for pod, value in by_pod.items() if pod in kept}
            for by_pod in (self.non_demographic_pct, self.waiting_list_pct)
        )
        return replace(self, non_demographic_pct=use, waiting_list_pct=backlog)


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
        text = f"Not covered: ages below {self.ages[0]}, {left:.1f} % of persons, for want of rates."
        self.not_covered = text if left > 0 else ""
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
        activity = np.empty((*sums.shape[:2], *shift.shape))
        for year in range(len(self.years)):
            here = sums[:, :, 0 if base_population else year]
            at = whole[year] - first
            activity[:, :, year] = here[..., at] * (1 - part[year]) + here[..., at + 1] * part[year]
        return activity * self.scale[:, :, None, None]

    def factors(self, growth: Growth, drawn: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """Return each driver as an array that broadcasts to (ICB, POD, year, draw); `health_status` is a shift."""
        known = {*self.pods, "*"}
        for pod in {*growth.non_demographic_pct, *growth.waiting_list_pct}:
            require_one_of(pod, known, what="POD of a growth assumption")
        after = np.arange(len(self.years))[:, None]
        draws = len(drawn["price_pct"])
        factors = {
            "health_status": drawn["health_status_years"] * after,
            "price": (1 + drawn["price_pct"] / 100) ** after,
            "non_demographic": (1 + self._pod_values("non_demographic_pct", drawn, draws) / 100) ** after,
        }
        clearing = (after >= 1) & (after <= growth.waiting_list_years)
        factors["waiting_list"] = (
            clearing * self._pod_values("waiting_list_pct", drawn, draws) / (100 * growth.waiting_list_years)
        )
        share = drawn["level_up_share"] * np.minimum(after / growth.level_up_years, 1)
        factors["level_up"] = 1 + self._shortfall(bool(np.any(share > 0)))[:, :, None, None] * share
        return factors

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
        activity = self.aged(f["health_status"], growth.health_status_from_age)
        activity *= f["non_demographic"]
        activity *= f["level_up"]
        base = self._at_shift(0)[:, :, 0] * self.scale
        if np.any(f["waiting_list"]):
            activity += base[:, :, None, None] * f["waiting_list"]
        return activity

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

    Examples
    --------
    People of 0 and 1 (and older) use 1 and 3 admissions each. 100 of each is 400; with 120 older it is 460.

    >>> import pandas as pd
    >>> import pathcost_lib as pc
    >>> population = pd.DataFrame({
    ...     "icb_code": "QHL",
    ...     "year": [2024, 2024, 2025, 2025],
    ...     "age": [0, 1, 0, 1],
    ...     "sex": "all",
    ...     "variant": "principal",
    ...     "persons": [100, 100, 100, 120],
    ... })
    >>> rates = pd.DataFrame({"pod": "elective", "age": [0, 1], "sex": "all", "rate": [1.0, 3.0]})
    >>> projection = pc.project(population, rates, base_year=2024, horizon=2025)
    >>> projection.table[["year", "base_activity", "demographic_activity", "activity"]]
       year  base_activity  demographic_activity  activity
    0  2024          400.0                   0.0     400.0
    1  2025          400.0                  60.0     460.0
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


@dataclass(frozen=True, eq=False)
class CostPath(Result):
    """Cost by ICB x year x POD at the unit costs' price base.

    `.table` has icb_code, year, pod, base_gbp, one column a driver (with price_gbp), interaction_gbp and cost_gbp,
    their exact sum. `.not_costed` has the PODs left out, with the reason.
    """

    not_costed: pd.DataFrame
    scenario: str = ""

    @property
    def summary(self) -> str:
        """One sentence."""
        t = self.table
        first, last = (t.loc[t["year"] == y, "cost_gbp"].sum() for y in (t["year"].min(), t["year"].max()))
        left = ", ".join(self.not_costed["pod"])
        note = f" Not costed: {left}." if left else ""
        return f"Cost rises from £{first:,.0f} to £{last:,.0f} by {t['year'].max()}.{note}"


def cost_path(
    projection: Projection,
    unit_costs: pd.DataFrame,
    *,
    price_pct: float = 0.0,
    behaviour: str = "average",
    semi_fixed_step_pct: float = 5.0,
) -> CostPath:
    """Cost a projection.

    Parameters
    ----------
    projection : Projection
        From `project`.
    unit_costs : DataFrame
        pod, unit_cost_gbp and, for behaviour "steps", fixed_share, semi_fixed_share (the rest is variable); with
        icb_code, by ICB.
    price_pct : float
        Pay and price pressure above the price base, %/year.
    behaviour : str
        "average": in the long run every cost follows activity. "steps": within what is there, fixed cost stays and
        semi-fixed cost comes in steps of `semi_fixed_step_pct` % of an ICB's activity in a POD.

    Raises
    ------
    InputError
        If a column is missing, unit costs repeat a key or are below 0, shares are not between 0 and 1 or add to more
        than 1, or a percentage is out of range. A POD without a unit cost is left out and named in `not_costed`.
    """
    require_one_of(behaviour, ("average", "steps"), what="Behaviour")
    keys = ["icb_code", "pod"] if "icb_code" in unit_costs.columns else ["pod"]
    needed = [*keys, "unit_cost_gbp", *(["fixed_share", "semi_fixed_share"] if behaviour == "steps" else [])]
    one_row_each(unit_costs, keys, needed[len(keys) :], what="unit_costs")
    number(price_pct, "price_pct (% a year)", above=-100)
    number(semi_fixed_step_pct, "semi_fixed_step_pct (% of activity)", least=0.01, most=100)
    known = unit_costs[unit_costs["unit_cost_gbp"].notna()]
    for column in needed[len(keys) :]:
        known = known.assign(**{column: numbers(known, column, keys)})
    if behaviour == "steps":
        fixed_part = (known["fixed_share"] + known["semi_fixed_share"]).to_numpy()
        refuse(known, fixed_part > 1 + 1e-9, keys, "fixed_share and semi_fixed_share must not add to more than 1")
    activity = projection.table.merge(known[needed], on=keys, how="left", validate="many_to_one")
    unknown = activity["unit_cost_gbp"].isna()
    pods = activity.loc[unknown, ["pod"]].drop_duplicates().sort_values("pod", ignore_index=True)
    pods["reason"] = "no unit cost"
    activity = activity[~unknown].reset_index(drop=True)

    def cost(level: pd.Series) -> FloatArray:
        base, unit = activity["base_activity"].to_numpy(float), activity["unit_cost_gbp"].to_numpy(float)
        if behaviour == "average":
            return level.to_numpy(float) * unit
        ratio = np.divide(level.to_numpy(float), base, out=np.ones_like(base), where=base > 0)
        fixed, semi = (activity[c].to_numpy(float) for c in ("fixed_share", "semi_fixed_share"))
        released = semi_fixed_released(1 - ratio, semi * base * unit, 100 / semi_fixed_step_pct)
        return base * unit * (fixed + semi + (1 - fixed - semi) * ratio) - released

    after = activity["year"].to_numpy(int) - projection.base_year
    price = (1 + price_pct / 100) ** after
    # A grid of 2 ** -10 pounds keeps sums exact up to 8 million million pounds.
    base = exact(cost(activity["base_activity"]), 10)
    total = exact(cost(activity["activity"]) * price, 10)
    table = activity[["icb_code", "year", "pod"]].copy()
    table["base_gbp"] = base
    for name in ACTIVITY_DRIVERS:
        table[f"{name}_gbp"] = exact(cost(activity["base_activity"] + activity[f"{name}_activity"]), 10) - base
    table["price_gbp"] = exact(base * price, 10) - base
    drivers = [f"{name}_gbp" for name in (*ACTIVITY_DRIVERS, "price")]
    table["interaction_gbp"] = total - base - table[drivers].sum(axis=1)
    table["cost_gbp"] = total
    return CostPath(table, pods, projection.scenario)


def capacity(activity: pd.DataFrame, requirements: pd.DataFrame, *, occupancy_pct: float = 92.0) -> pd.DataFrame:
    """Return what activity needs: contacts, beds and staff hours.

    Parameters
    ----------
    activity : DataFrame
        pod, activity, and any keys (icb_code, year).
    requirements : DataFrame
        pod, bed_days_per_unit, staff_minutes_per_unit.
    occupancy_pct : float
        Planned bed occupancy, % (92 % is the ceiling of NHS England's urgent and emergency care plan, January 2023).

    Returns
    -------
    DataFrame
        `activity` with beds (mean daily occupied beds over the planned occupancy) and staff_hours; PODs without a
        requirement have NaN and a reason.

    Raises
    ------
    InputError
        If a column is missing, rows repeat, activity is no number or below 0, or the occupancy is not a per cent.
    """
    needs = ["bed_days_per_unit", "staff_minutes_per_unit"]
    keys = [c for c in activity.columns if c != "activity"] if isinstance(activity, pd.DataFrame) else []
    one_row_each(activity, keys or ["pod"], ["pod", "activity"], what="activity to be served")
    one_row_each(requirements, ["pod"], needs, what="requirements")
    number(occupancy_pct, "occupancy_pct (per cent: 92, not 0.92)", above=1, most=100)
    for column in needs:
        given = requirements[requirements[column].notna()]
        numbers(given, column, ["pod"])
    activity = activity.assign(activity=numbers(activity, "activity", keys))
    requirements = requirements.astype(dict.fromkeys(needs, float))[["pod", *needs]]
    table = activity.merge(requirements, on="pod", how="left", validate="many_to_one")
    table["beds"] = table["activity"] * table["bed_days_per_unit"] / 365.25 / (occupancy_pct / 100)
    table["staff_hours"] = table["activity"] * table["staff_minutes_per_unit"] / 60
    unknown = table[["beds", "staff_hours"]].isna().any(axis=1)
    table["reason"] = np.where(unknown, "no bed days or staff minutes stated for this POD", "")
    return table.drop(columns=["bed_days_per_unit", "staff_minutes_per_unit"])


def do_nothing_gap(
    path: CostPath,
    *,
    allocation_growth_pct: float,
    efficiency_pct: float = 0.0,
    scopes: Mapping[str, Sequence[str]] | None = None,
    base_gap_gbp: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Set the cost path against the allocation path, year by year: the gap if nothing else changes.

    Parameters
    ----------
    path : CostPath
        Cost if nothing changes.
    allocation_growth_pct : float
        Growth of funding, %/year, in the same price terms as the costs.
    efficiency_pct : float
        Efficiency factor, % of cost a year, compounding.
    scopes : mapping of name to PODs, optional
        Nested scopes (health; health and social care); all PODs as "all" by default.
    base_gap_gbp : mapping of scope to GBP, optional
        Cost above funding in the base year; none by default.

    Returns
    -------
    DataFrame
        scope, year, cost_gbp, efficiency_gbp, allocation_gbp, gap_gbp (cost less efficiency less allocation).

    Raises
    ------
    InputError
        If a scope names no POD or one that has no cost, a gap is given for no scope, or a percentage is out of range.
    """
    number(allocation_growth_pct, "allocation_growth_pct (% a year)", above=-100)
    number(efficiency_pct, "efficiency_pct (% a year)", least=0, most=100)
    all_pods = sorted(path.table["pod"].unique())
    if not all_pods:
        raise InputError("No POD has a cost, so there is nothing to set against funding.")
    if scopes is not None and not isinstance(scopes, Mapping):
        raise InputError("scopes must give the PODs of each name, such as {'health': ['elective']}.")
    by_scope = {scope: as_list(pods) for scope, pods in (scopes or {"all": all_pods}).items()}
    base_gap = mapping_of_numbers(base_gap_gbp, "base_gap_gbp", keys=by_scope)
    rows = []
    for scope, pods in by_scope.items():
        if not pods:
            raise InputError(f"Scope {scope} names no POD.")
        for pod in pods:
            require_one_of(pod, all_pods, what=f"POD of scope {scope}")
        cost = path.table[path.table["pod"].isin(pods)].groupby("year")["cost_gbp"].sum()
        after = cost.index.to_numpy(int) - int(cost.index.min())
        funded = (cost.iloc[0] - base_gap.get(scope, 0.0)) * (1 + allocation_growth_pct / 100) ** after
        saved = cost.to_numpy(float) * (1 - (1 - efficiency_pct / 100) ** after)
        frame = pd.DataFrame({"scope": scope, "year": cost.index, "cost_gbp": cost.to_numpy(float)})
        rows.append(frame.assign(efficiency_gbp=saved, allocation_gbp=funded))
    table = pd.concat(rows, ignore_index=True)
    table["gap_gbp"] = table["cost_gbp"] - table["efficiency_gbp"] - table["allocation_gbp"]
    return table


_AXES = ("icb_code", "pod", "year")
#: What intervals are called where they are of cost.
_COSTS = {"p50": "p50_gbp", "p10": "lower_80", "p90": "upper_80", "mean": "mean_gbp", "central": "central_gbp"}


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

    def costs(self, groups: Mapping[str, Collection[str]], *, unit_cost_gbp: Mapping[str, float]) -> pd.DataFrame:
        """Return the cost of groups of PODs by year, with its 80 % interval.

        Intervals of parts do not add up to that of the whole, so each group is summed draw by draw. The base year is
        what was recorded, or what the rates give: there is nothing to be unsure of, and its limits are the cost.

        Parameters
        ----------
        groups : mapping of name to PODs
            They may overlap: a setting, and all settings.
        unit_cost_gbp : mapping of POD to GBP
            One for each POD; 0 for a POD that is not to count.

        Returns
        -------
        DataFrame
            group, year, p50_gbp, lower_80 and upper_80 (p10 and p90, GBP), mean_gbp, central_gbp (every assumption at
            its mean), compounding_bias_pct (mean against central).

        Raises
        ------
        InputError
            If there is no group, a group names no POD or one that is not simulated, or a POD has no unit cost.
        """
        pods = self.labels["pod"]
        unit = dict(zip(pods, _unit_costs(unit_cost_gbp, pods), strict=True))
        if not isinstance(groups, Mapping) or not groups:
            raise InputError("groups must give the PODs of each name, such as {'emergency': ['ae_type1']}.")
        tables = []
        for group, names in groups.items():
            members = as_list(names)
            if not members:
                raise InputError(f"Group {group} names no POD.")
            for pod in members:
                require_one_of(pod, pods, what=f"POD of group {group}")
            own = {pod: cost if pod in members else 0.0 for pod, cost in unit.items()}
            table = self.intervals(("year",), unit_cost_gbp=own).rename(columns=_COSTS)
            table.loc[:0, list(_COSTS.values())] = table["central_gbp"].iloc[0]
            tables.append(table.assign(group=group))
        whole = pd.concat(tables, ignore_index=True)
        return whole[["group", "year", *_COSTS.values(), "compounding_bias_pct"]]


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
    activity = np.empty((len(first.icbs), len(first.pods), len(first.years), draws))
    central = np.zeros(activity.shape[:3])
    for place, (model, weight) in enumerate(zip(models, weights.values(), strict=True)):
        mine = np.flatnonzero(chosen == place)
        if len(models) == 1:
            activity = model.activity(growth, drawn)
        elif len(mine):
            activity[..., mine] = model.activity(growth, {name: d[mine] for name, d in drawn.items()})
        central += weight / sum(weights.values()) * model.activity(growth, means)[..., 0]
    price, price_central = (first.factors(growth, d)["price"] for d in (drawn, means))
    labels = {"icb_code": tuple(first.icbs), "pod": tuple(first.pods), "year": tuple(first.years)}
    noise = special.ndtri(uniforms("poisson", draws, seed=seed))
    total = activity.sum(axis=(0, 1))
    table = _summary(total, total, central.sum(axis=(0, 1)), labels, ("year",), noise)
    return DemandSimulation(table, activity, central, labels, price, price_central, noise, growth.scenario)


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
        assumption, p10 and p90 (its own values), low and high (the total at them), central (the total with every
        assumption at its mean), swing; largest swing first.
    """
    require_one_of(str(year), map(str, model.years), what="Year of the projection")
    each = None if unit_cost_gbp is None else _unit_costs(unit_cost_gbp, model.pods)
    assumptions = growth.assumptions()
    uncertain = [name for name, a in assumptions.items() if a.kind != "fixed"]
    columns = 2 * len(uncertain) + 1  # the last one is central
    drawn = {name: np.full(columns, a.mean) for name, a in assumptions.items()}
    ends = np.array([assumptions[name].ppf([0.1, 0.9]) for name in uncertain]).reshape(-1, 2)
    for place, name in enumerate(uncertain):
        drawn[name][2 * place : 2 * place + 2] = ends[place]
    at = model.years.index(year)
    by_pod = model.activity(growth, drawn)[:, :, at].sum(axis=0)
    total = by_pod.sum(axis=0) if each is None else each @ by_pod * model.factors(growth, drawn)["price"][at]
    table = pd.DataFrame({"assumption": uncertain, "p10": ends[:, 0], "p90": ends[:, 1]})
    table = table.assign(low=total[:-1:2], high=total[1::2], central=total[-1])
    table["swing"] = (table["high"] - table["low"]).abs()
    return table.sort_values("swing", ascending=False, ignore_index=True)
