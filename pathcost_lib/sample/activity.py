"""Contacts: the background's, by rates; the journeys', by what each patient's illness leads to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from pathcost_lib.codes import PODS, SETTINGS
from pathcost_lib.sample.catalogue import STAY_WITH_SEVERITY, Contact, Index, Journey
from pathcost_lib.sample.people import ALIVE, People, frailty_multiplier
from pathcost_lib.sample.reference import EXTRACT, POD_CODES, POD_INDEX, YEARS, days_from
from pathcost_lib.sample.truths import TRENDS
from pathcost_lib.sample.world import LOADINGS, MARGIN, SOCIAL_CARE, World, unit_mean

__all__ = ["Rows", "background", "count_effects", "journeys", "one_bed_at_a_time", "truncate"]

#: Spread of log length of stay between patients of one HRG.
_STAY_SD = 0.6
#: Share of acute contacts at another provider than the patient's usual one.
_ELSEWHERE = 0.05
_HALF_YEAR = 180

_ACUTE = 0  # row of `People.home`
_LONG, _SHORT, _ELECTIVE = (POD_INDEX[p] for p in ("non_elective", "non_elective_short", "elective"))
_CRITICAL = POD_INDEX["critical_care_day"]
_BED_DAYS = np.array([PODS[p].unit == "bed_day" for p in POD_CODES])
_SPELLS = np.array([PODS[p].unit == "spell" for p in POD_CODES])
_GROWTH = np.array([1 + TRENDS[p] / 100 for p in POD_CODES])
_MENTAL = SETTINGS.index("mental_health")


_TYPES = {
    "person": np.int32,
    "day": np.int32,
    "item": np.int16,
    "provider": np.int16,
    "units": np.int32,
    "nights": np.int32,
    "log_cost": np.float32,
}


@dataclass
class Rows:
    """Activity as arrays: person in the block, day, item, provider, units, nights (-1: no stay), planted log cost."""

    person: np.ndarray
    day: np.ndarray
    item: np.ndarray
    provider: np.ndarray
    units: np.ndarray
    nights: np.ndarray
    log_cost: np.ndarray

    def __len__(self) -> int:
        return len(self.person)

    def take(self, which: np.ndarray) -> Rows:
        """Return some of the rows, by mask or number."""
        return Rows(**{name: getattr(self, name)[which] for name in _TYPES})

    @staticmethod
    def concatenate(parts: list[Rows]) -> Rows:
        """Return all rows of several sets."""
        joined = {name: np.concatenate([getattr(p, name) for p in parts]).astype(kind) for name, kind in _TYPES.items()}
        return Rows(**joined)


def background(world: World, people: People, icb: str, rng: np.random.Generator) -> list[Rows]:
    """Draw all-cause activity: Poisson by POD, age, sex, deprivation and frailty, with what admissions lead to."""
    multiplier = [
        frailty_multiplier(people.mental_frailty if s == _MENTAL else people.frailty, LOADINGS[setting])
        for s, setting in enumerate(SETTINGS)
    ]
    parts = [_long_term_social_care(world, people, rng)]
    for year, (_, *bounds) in enumerate(YEARS):
        band = people.band(year)
        opens, closes = (days_from(day) for day in bounds)
        for pod, code in enumerate(POD_CODES):
            base = world.background[pod]
            if pod == SOCIAL_CARE or not base.any():
                continue
            # Admissions just outside the extract have contacts inside it.
            first = opens - MARGIN if pod in world.spells and year == 0 else opens
            last = closes + MARGIN if pod in world.spells and year == 1 else closes
            setting = SETTINGS.index(PODS[code].setting)
            rate = (base / world.survivors[year, setting])[people.sex, band]
            rate = rate * world.deprivation[pod, people.tenth] * multiplier[setting]
            counts = rng.poisson(rate * (world.years(pod, first, last) / unit_mean(pod)))
            person = np.repeat(np.arange(len(people), dtype=np.int32), counts)
            day = world.day(pod, first, last, len(person), rng)
            item = world.catalogue.draw(pod, people.sex[person], band[person], rng)
            provider = _provider(world, people, pod, person, icb, rng)
            if pod not in world.spells:
                units = (
                    rng.geometric(1 / unit_mean(pod), len(person)) if _BED_DAYS[pod] else np.ones(len(person), np.int32)
                )
                parts.append(_rows(pod, person, day, item, provider, units))
                continue
            stay = rng.standard_normal(len(person))
            nights = _nights(pod, world.catalogue.nights[item], stay, rng)
            patients = _Patients(person, day, nights, np.zeros(len(person)), stay, provider, pod)
            parts += _contacts(world, people, patients, world.spells[pod], icb, rng)
            parts.append(Rows(person, day, item, provider, np.ones_like(person), patients.nights, _zeros(person)))
    return parts


def journeys(world: World, people: People, icb: str, rng: np.random.Generator) -> list[Rows]:
    """Draw the eight journeys: who has one, how severe, the index event, what surrounds it; deaths go to `people`."""
    parts: list[Rows] = []
    first, last = EXTRACT[0] - MARGIN, EXTRACT[1] + MARGIN
    band = people.band(0)
    for number, journey in enumerate(world.journeys):
        assert journey.index is not None
        main = journey.index.pod
        mental = PODS[POD_CODES[main]].setting == "mental_health"
        rate = world.incidence[number][people.sex, band] * world.deprivation[main, people.tenth]
        rate = rate * frailty_multiplier(people.mental_frailty if mental else people.frailty, 0.8)
        person = np.flatnonzero(rng.random(len(people)) < -np.expm1(-rate * (last - first + 1) / 365.25)).astype(
            np.int32
        )
        day = world.day(main, first, last, len(person), rng)
        lives = (people.born[person] <= day) & (day < people.died[person])
        person, day = person[lives], day[lives]
        severity = rng.standard_normal(len(person))
        stay = _related(severity, STAY_WITH_SEVERITY, rng)
        is_short = ndtr(_related(severity, 0.8, rng)) < journey.short_share
        home = _provider(world, people, main, person, icb, rng)
        for form, chosen in ((journey.index, ~is_short), (journey.short, is_short)):
            if form is None or not chosen.any():
                continue
            nights = _nights(form.pod, np.full(int(chosen.sum()), form.nights), stay[chosen], rng)
            patients = _Patients(
                person[chosen], day[chosen], nights, severity[chosen], stay[chosen], home[chosen], form.pod
            )
            parts += _contacts(world, people, patients, journey, icb, rng)
            parts.append(_index_rows(world, journey.name, form, patients, rng))
            _deaths(people, patients, journey, rng)
    return parts


def count_effects(world: World, rows: Rows, icb: str, rng: np.random.Generator) -> Rows:
    """Apply the planted changes in numbers: rows left out, or repeated within ten days."""
    for effect in world.plan.counts:
        if effect.icb not in (None, icb):
            continue
        hit = (world.catalogue.pod[rows.item] == POD_INDEX[effect.pod]) & (rows.day >= effect.from_day)
        if effect.provider is not None:
            hit &= world.codes[rows.provider] == effect.provider
        chance = rng.random(len(rows))
        if effect.ratio < 1:
            rows = rows.take(~(hit & (chance >= effect.ratio)))
            continue
        more = rows.take(hit & (chance < effect.ratio - 1))
        moved = more.day + rng.integers(-10, 11, len(more))
        more.day = (effect.from_day + np.abs(moved - effect.from_day)).astype(np.int32)
        rows = Rows.concatenate([rows, more])
    return rows


def truncate(world: World, people: People, rows: Rows) -> tuple[Rows, np.ndarray]:
    """Keep contacts in life and in the extract, and end stays at death.

    Returns
    -------
    rows : Rows
        Kept rows; bed days and weeks hold what was used by the end of the extract or of life.
    end : ndarray of int
        Last day of each row; -1 where the stay is still open when the extract ends.
    """
    died = people.died[rows.person]
    keep = (rows.day >= np.maximum(EXTRACT[0], people.born[rows.person])) & (rows.day <= np.minimum(died, EXTRACT[1]))
    rows = rows.take(keep)
    died = died[keep]
    pod = world.catalogue.pod[rows.item]
    weeks = pod == SOCIAL_CARE
    bed_days = _BED_DAYS[pod]
    length = np.where(weeks, 7 * rows.units - 1, np.where(bed_days, rows.units, np.maximum(rows.nights, 0)))
    end = np.minimum(rows.day + length, died)
    is_open = end > EXTRACT[1]
    used = np.minimum(end, EXTRACT[1]) - rows.day
    rows.units = np.where(weeks, used // 7 + 1, np.where(bed_days, np.maximum(used, 1), rows.units)).astype(np.int32)
    stays = _SPELLS[pod] | bed_days
    rows.nights = np.where(stays & ~is_open, used, -1).astype(np.int32)
    return rows, np.where(is_open, -1, end).astype(np.int32)


def one_bed_at_a_time(world: World, rows: Rows, end: np.ndarray) -> None:
    """End a spell where the same person's next one begins. Rows are in order of person and day; changed in place."""
    spells = np.flatnonzero(_SPELLS[world.catalogue.pod[rows.item]])
    earlier, later = spells[:-1], spells[1:]
    overlaps = (rows.person[earlier] == rows.person[later]) & ((end[earlier] < 0) | (end[earlier] > rows.day[later]))
    earlier, later = earlier[overlaps], later[overlaps]
    end[earlier] = rows.day[later]
    rows.nights[earlier] = rows.day[later] - rows.day[earlier]


@dataclass
class _Patients:
    """People at an index event: when, for how long, how ill, where. `nights` grows where critical care outlasts it."""

    person: np.ndarray
    day: np.ndarray
    nights: np.ndarray
    severity: np.ndarray
    stay: np.ndarray
    provider: np.ndarray
    pod: int


def _contacts(
    world: World, people: People, at: _Patients, journey: Journey, icb: str, rng: np.random.Generator
) -> list[Rows]:
    """Draw what surrounds an index event. A contact's own trend replaces its index event's."""
    parts = []
    years = (at.day - EXTRACT[0]) / 365.25 - 0.5
    after = _planted_after(world, journey.name, at.provider)
    for contact in journey.contacts:
        if contact.pod == _CRITICAL and at.pod not in (_LONG, _ELECTIVE):
            continue
        mean = contact.mean * (world.fill[contact.pod] if contact.fill else 1.0)
        expected = mean * (_GROWTH[contact.pod] / _GROWTH[at.pod]) ** years
        if contact.severity or contact.stay:
            expected *= np.exp(contact.severity * at.severity + contact.stay * at.stay - contact.spread)
        if contact.after_discharge and after is not None:
            expected *= after
        which = np.repeat(np.arange(len(at.person)), rng.poisson(expected))
        if len(which):
            parts.append(_surrounding(world, people, at, contact, which, icb, rng))
    return parts


def _surrounding(
    world: World, people: People, at: _Patients, contact: Contact, which: np.ndarray, icb: str, rng: np.random.Generator
) -> Rows:
    pod, person = contact.pod, at.person[which]
    offset = rng.integers(contact.from_day, contact.to_day + 1, len(which))
    day = at.day[which] + offset + (at.nights[which] if contact.after_discharge else 0)
    if contact.to_day > contact.from_day and world.density[pod].min() == 0:
        # Closed at weekends: Saturday's contact is Friday's, Sunday's is Monday's.
        weekday = (day + 3) % 7
        day = day - (weekday == 5) + (weekday == 6)
    if contact.item >= 0:
        item = np.full(len(which), contact.item, np.int16)
    else:
        item = world.catalogue.draw(pod, people.sex[person], people.band(0)[person], rng)
    acute = world.kind_of_pod[pod] == _ACUTE
    same = acute and world.kind_of_pod[at.pod] == _ACUTE
    provider = at.provider[which] if same else _provider(world, people, pod, person, icb, rng)
    if _SPELLS[pod]:
        nights = _nights(pod, world.catalogue.nights[item], rng.standard_normal(len(which)), rng)
        return Rows(person, day.astype(np.int32), item, provider, np.ones_like(person), nights, _zeros(person))
    units = 1 + rng.poisson(contact.units - 1, len(which)) if contact.units > 1 else np.ones(len(which), np.int32)
    if pod == _CRITICAL:
        np.maximum.at(at.nights, which, (offset + units).astype(np.int32))
    return _rows(pod, person, day.astype(np.int32), item, provider, units)


def _index_rows(world: World, name: str, form: Index, at: _Patients, rng: np.random.Generator) -> Rows:
    item = form.items[np.searchsorted(form.cumulative[:-1], ndtr(_related(at.severity, 0.9, rng)))]
    planted = np.zeros(len(world.codes), np.float32)
    for (journey, provider), ratio in world.plan.index_cost.items():
        if journey == name:
            planted[world.codes == provider] = np.log(ratio)
    nights = at.nights if _SPELLS[form.pod] else np.full_like(at.nights, -1)
    return Rows(at.person, at.day, item, at.provider, np.ones_like(at.person), nights, planted[at.provider])


def _planted_after(world: World, name: str, provider: np.ndarray) -> np.ndarray | None:
    ratios = {code: ratio for (journey, code), ratio in world.plan.after.items() if journey == name}
    if not ratios:
        return None
    return np.array([ratios.get(code, 1.0) for code in world.codes])[provider]


def _deaths(people: People, at: _Patients, journey: Journey, rng: np.random.Generator) -> None:
    """Draw deaths in the stay and in the half-year after it; the more severe die more often and sooner."""
    risk = np.exp(0.8 * at.severity - 0.32)
    n = len(at.person)
    in_stay = rng.random(n) < journey.death_in_stay * risk
    later = rng.random(n) < journey.death_after * risk
    day_in_stay = at.day + np.floor(rng.random(n) * (at.nights + 1))
    day_later = at.day + at.nights + np.floor(_HALF_YEAR * rng.random(n) ** 2)
    died = np.where(in_stay, day_in_stay, np.where(later, day_later, ALIVE)).astype(np.int32)
    np.minimum.at(people.died, at.person, died)


def _long_term_social_care(world: World, people: People, rng: np.random.Generator) -> Rows:
    """Draw clients of long-term support, each a row of 13 weeks from the start of each quarter while they live.

    A person's own threshold stays the same, so that a client of one year is one in the next.
    """
    frail = frailty_multiplier(people.frailty, LOADINGS["social_care"]) * world.deprivation[SOCIAL_CARE, people.tenth]
    threshold = rng.random(len(people))
    item = world.catalogue.draw(SOCIAL_CARE, people.sex, people.band(0), rng)
    parts = []
    for year, (_, first, _) in enumerate(YEARS):
        weeks = world.background[SOCIAL_CARE] / world.survivors[year, SETTINGS.index("social_care")]
        chance = weeks[people.sex, people.band(year)] * frail / 52
        client = np.flatnonzero(threshold < chance).astype(np.int32)
        starts = days_from(first) + np.array([0, 91, 183, 275])
        person, day = np.repeat(client, 4), np.tile(starts, len(client))
        provider = people.home[world.kind_of_pod[SOCIAL_CARE], person]
        parts.append(_rows(SOCIAL_CARE, person, day, item[person], provider, np.full(len(person), 13)))
    return Rows.concatenate(parts)


def _provider(
    world: World, people: People, pod: int, person: np.ndarray, icb: str, rng: np.random.Generator
) -> np.ndarray:
    """Return where a contact is: the person's usual provider of the kind; now and then another acute trust."""
    kind = world.kind_of_pod[pod]
    provider = people.home[kind, person]
    if kind == _ACUTE:
        numbers, cumulative = world.flows["acute", icb]
        elsewhere = np.flatnonzero(rng.random(len(person), dtype=np.float32) < _ELSEWHERE)
        provider[elsewhere] = numbers[np.searchsorted(cumulative[:-1], rng.random(len(elsewhere)), side="right")]
    return provider


def _nights(pod: int, mean: np.ndarray, stay: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw nights with the given mean: none for day cases, none or one for short stays, two or more for long ones."""
    if pod == _SHORT:
        return (ndtr(stay) < mean).astype(np.int32)
    if pod not in (_LONG, _ELECTIVE):
        return np.zeros(len(mean), np.int32)
    least = np.minimum(2.0 if pod == _LONG else 1.0, mean)
    drawn = least + (mean - least) * np.exp(_STAY_SD * stay - 0.5 * _STAY_SD**2)
    return np.floor(drawn + rng.random(len(mean))).astype(np.int32)


def _related(z: np.ndarray, correlation: float, rng: np.random.Generator) -> np.ndarray:
    return correlation * z + np.sqrt(1 - correlation**2) * rng.standard_normal(len(z))


def _zeros(like: np.ndarray) -> np.ndarray:
    return np.zeros(len(like), np.float32)


def _rows(
    pod: int, person: np.ndarray, day: np.ndarray, item: np.ndarray, provider: np.ndarray, units: np.ndarray
) -> Rows:
    return Rows(person, day, item, provider, units, np.full(len(person), -1, np.int32), _zeros(person))
