"""What every block of people shares: rates, items, journeys, providers, planted truths. Built once, then read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pathcost_lib.codes import SETTINGS
from pathcost_lib.sample.catalogue import Catalogue, Journey, load_journeys
from pathcost_lib.sample.organisations import KIND_OF_POD, PROVIDER_KINDS, current_icbs, flows, providers
from pathcost_lib.sample.reference import (
    EXTRACT,
    POD_CODES,
    POD_INDEX,
    SEXES,
    YEARS,
    age_band,
    by_band,
    days_from,
    deprivation,
    read,
    target_rates,
)
from pathcost_lib.sample.truths import TRENDS, Plan, provider_effects

__all__ = ["FRAILTY_SD", "LOADINGS", "MARGIN", "MENTAL_CORRELATION", "SOCIAL_CARE", "World", "build", "unit_mean"]

#: How strongly frailty raises use of each setting (exponent on a log-normal frailty of mean 1).
LOADINGS = {
    "primary_care": 0.6, "ambulance": 1.0, "emergency": 0.9, "outpatient": 0.7,
    "admitted": 0.8, "community": 1.0, "mental_health": 1.0, "social_care": 0.9,
}  # fmt: skip

#: Standard deviation of log frailty, and its correlation with what raises use of mental health services.
FRAILTY_SD = 0.7
MENTAL_CORRELATION = 0.4

#: Mean units of a background row where a row is a stay.
_MEAN_UNITS = {"rehabilitation_day": 12.0, "mental_health_bed_day": 28.0, "critical_care_day": 5.0}

_OFFICE_HOURS = {
    "gp_appointment", "practice_nurse_appointment", "outpatient_first", "outpatient_follow_up", "day_case", "elective",
    "outpatient_procedure", "diagnostic_imaging", "mental_health_contact", "talking_therapy_contact",
}  # fmt: skip
_WINTER = {"gp_appointment": 0.06, "call_111": 0.10, "non_elective": 0.05, "non_elective_short": 0.03}


@dataclass
class World:
    """Shared, read-only state. Arrays over PODs are in the order of `codes.PODS`, over providers in `providers`' own.

    `age_sex` is ICB x age (0 to 90 and over) x sex, shares of the ICB's people; `log_level` is each provider's log cost
    over the national average, market forces included.
    """

    seed: int
    icbs: pd.DataFrame
    catalogue: Catalogue
    journeys: list[Journey]
    spells: dict[int, Journey]
    background: np.ndarray
    incidence: np.ndarray
    mortality: np.ndarray
    fill: np.ndarray
    deprivation: np.ndarray
    tenths: np.ndarray
    survivors: np.ndarray
    density: np.ndarray
    providers: pd.DataFrame
    kind_of_pod: np.ndarray
    flows: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]
    age_sex: np.ndarray
    codes: np.ndarray
    log_level: np.ndarray
    plan: Plan

    def day(self, pod: int, first: int, last: int, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw days (since 1970) between two, as the POD's weekdays, seasons and trend have it."""
        offset = first - (EXTRACT[0] - MARGIN)
        cumulative = np.cumsum(self.density[pod, offset : offset + last - first + 1])
        return (np.searchsorted(cumulative, rng.random(n) * cumulative[-1], side="right") + first).astype(np.int32)

    def years(self, pod: int, first: int, last: int) -> float:
        """Return the activity of some days as a multiple of a reference year's, at the same age."""
        offset = first - (EXTRACT[0] - MARGIN)
        return float(self.density[pod, offset : offset + last - first + 1].sum() / 365.25)


#: Days before and after the extract in which events may fall whose surroundings reach into it.
MARGIN = 180


def build(seed: int) -> World:
    """Build the world from the reference tables and a seed."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0]))
    icbs = current_icbs()
    tenths = _tenths(icbs)
    catalogue = Catalogue()
    journeys, spells = load_journeys(catalogue)
    catalogue.finish()
    frame = providers(rng)
    plan = Plan.for_providers(frame)
    outliers = [provider for _, provider in plan.index_cost]
    frame = frame.join(provider_effects(frame, outliers, rng))
    frame.loc[frame["org_code"].isin([*outliers, *plan.quantum_gap]), "recorded"] = True
    cases = read("incidence")
    incidence = np.stack([by_band(cases[cases["pathway"] == j.name], "per_100_000") / 1e5 for j in journeys])
    background, fill = _residual(target_rates(), incidence, journeys, spells)
    weights = icbs["population"].to_numpy(float)
    mortality = by_band(read("mortality"), "deaths_per_1000") / 1000
    return World(
        seed=seed,
        icbs=icbs,
        catalogue=catalogue,
        journeys=journeys,
        spells=spells,
        background=background,
        incidence=incidence,
        mortality=mortality,
        fill=fill,
        deprivation=deprivation(weights @ tenths / weights.sum()),
        tenths=tenths,
        survivors=_survivors(mortality),
        density=_density(),
        providers=frame,
        kind_of_pod=np.array([list(PROVIDER_KINDS).index(KIND_OF_POD.get(p, "acute")) for p in POD_CODES], np.int8),
        flows=flows(frame),
        age_sex=np.stack([_age_sex_shares(icb) for icb in icbs["icb_code"]]),
        codes=frame["org_code"].to_numpy(str),
        log_level=(np.log(frame["mff"] / read("mff")["mff"].mean()) + frame["log_effect"]).to_numpy(),
        plan=plan,
    )


def _age_sex_shares(icb_code: str) -> np.ndarray:
    """Return the share of an ICB's people at each age (0 to 90 and over) and sex, 91 x 2.

    England's mid-2023 single years of age, moved so that the ICB's published shares of four broad ages hold.
    """
    persons = read("age_structure").sort_values("age")[list(SEXES)].to_numpy(float)
    broad = np.digitize(np.arange(91), [18, 65, 85])
    own = read("icb_age_shares").set_index("icb_code").loc[icb_code]
    wanted = own[["share_0_17", "share_18_64", "share_65_84", "share_85_plus"]].to_numpy(float)
    band_shares = np.bincount(broad, persons.sum(axis=1)) / persons.sum()
    shares = persons / persons.sum() * (wanted / wanted.sum() / band_shares)[broad][:, None]
    return shares / shares.sum()


def _tenths(icbs: pd.DataFrame) -> np.ndarray:
    """Return each ICB's share of people by deprivation tenth (ICB x 10), tilted by its published inequalities index."""
    tilt = 1.5 * np.log(icbs["health_inequalities_index"].to_numpy())
    tilt = tilt - np.average(tilt, weights=icbs["population"])
    shares = np.exp(np.outer(tilt, (5.5 - np.arange(1, 11)) / 4.5))
    return shares / shares.sum(axis=1, keepdims=True)


def _density() -> np.ndarray:
    """Return relative intensity by POD and day, margins included: weekdays x season x trend; 2023-24 averages 1."""
    days = np.arange(EXTRACT[0] - MARGIN, EXTRACT[1] + MARGIN + 1)
    weekend = (days + 3) % 7 >= 5  # 1 January 1970 was a Thursday
    winter = np.cos(2 * np.pi * (days - days_from("2024-01-10")) / 365.25)
    # The reference figures are 2023-24's, so the trend passes 1 in the middle of that year.
    years = (days - EXTRACT[0]) / 365.25 - 0.5
    rows = []
    for pod in POD_CODES:
        weekday = np.where(weekend, 0.0, 7 / 5) if pod in _OFFICE_HOURS else np.ones(len(days))
        season = 1 + _WINTER.get(pod, 0.0) * winter
        first = slice(MARGIN, MARGIN + 366)
        shape = weekday * season
        rows.append(shape / shape[first].mean() * (1 + TRENDS[pod] / 100) ** years)
    return np.stack(rows)


def _survivors(mortality: np.ndarray) -> np.ndarray:
    """Return the mean frailty multiplier of the living in the middle of each year: years x settings x sex x band.

    The frail die first, so without this the rate at a given age would fall from one year to the next. The integral of
    multiplier x survival over a standard normal frailty, by Gauss-Hermite quadrature.
    """
    z, weight = np.polynomial.hermite_e.hermegauss(40)
    weight = weight / weight.sum()
    risk = np.exp(FRAILTY_SD * z - 0.5 * FRAILTY_SD**2)
    result = np.empty((len(YEARS), len(SETTINGS), *mortality.shape))
    for year in range(len(YEARS)):
        alive = weight * np.exp(-mortality[..., None] * risk * (year + 0.5))
        for s, setting in enumerate(SETTINGS):
            loading = LOADINGS[setting] * (MENTAL_CORRELATION if setting == "mental_health" else 1.0)
            multiplier = np.exp(loading * FRAILTY_SD * z - 0.5 * (loading * FRAILTY_SD) ** 2)
            result[year, s] = (alive * multiplier).sum(axis=-1) / alive.sum(axis=-1)
    return result


def _residual(
    target: np.ndarray, incidence: np.ndarray, journeys: list[Journey], spells: dict[int, Journey]
) -> tuple[np.ndarray, np.ndarray]:
    """Return what the background has to add so that journeys, admissions' contacts and background make the target.

    Also the factor by POD on contacts marked `fill`, for PODs that only come with an admission.
    """
    ages = age_band(np.arange(91))
    persons = read("age_structure").sort_values("age")[list(SEXES)].to_numpy(float)
    people = np.stack([np.bincount(ages, persons[:, s], minlength=9) for s in range(2)])
    rest = target.copy()
    for journey, cases in zip(journeys, incidence, strict=True):
        assert journey.index is not None
        short = journey.short_share if journey.short else 0.0
        rest[journey.index.pod] -= (1 - short) * cases
        if journey.short:
            rest[journey.short.pod] -= short * cases
        for contact in journey.contacts:
            alive = 1 - journey.death_in_stay if contact.after_discharge else 1.0
            rest[contact.pod] -= alive * contact.mean * contact.units * cases
    filled = sorted({c.pod for spell in spells.values() for c in spell.contacts if c.fill})
    linked = np.zeros_like(rest)
    for pod, spell in spells.items():
        for contact in spell.contacts:
            linked[contact.pod] += contact.mean * contact.units * np.maximum(rest[pod], 0)
    fill = np.ones(len(target))
    for pod in filled:
        fill[pod] = (rest[pod] * people).sum() / (linked[pod] * people).sum()
    rest -= linked
    rest[filled] = 0.0
    # An age where journeys and admissions already bring more than the target keeps a little of its own; the rest of the
    # POD gives it back, so that the national total holds.
    floor = 0.05 * target
    raised = np.maximum(rest, floor)
    raised[filled] = 0.0
    for pod in range(len(target)):
        wanted, got = (rest[pod] * people).sum(), (raised[pod] * people).sum()
        if got > 0:
            raised[pod] *= max(wanted, 0.0) / got
    return raised, fill


def unit_mean(pod: int) -> float:
    """Return the mean units of one background row of a POD."""
    return _MEAN_UNITS.get(POD_CODES[pod], 1.0)


SOCIAL_CARE = POD_INDEX["social_care_week"]
