"""The tables that are not activity: people, what patients reported, and the population with its projections."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from pathcost_lib.sample.activity import Rows
from pathcost_lib.sample.organisations import PROVIDER_KINDS
from pathcost_lib.sample.people import ALIVE, People
from pathcost_lib.sample.reference import EXTRACT, SEXES, read, records
from pathcost_lib.sample.world import World

__all__ = ["PROJECTION_YEARS", "dictionary", "outcomes", "patients", "population"]

PROJECTION_YEARS = range(2023, 2044)
_ANCHORS = (2024, 2028, 2033, 2038, 2043)
#: Standard deviation between providers of the change in the Oxford score, points.
_QUALITY_SD = 0.5
_RANGES = {"oxford_knee_score": (0, 48, 0), "oxford_hip_score": (0, 48, 0), "eq5d_index": (-0.594, 1.0, 3)}


def dictionary(codes: np.ndarray, values: list[str | None]) -> pa.Array:
    """Return text as dictionary codes; a value of None is null. The dictionary holds each text once."""
    texts = sorted({value for value in values if value is not None})
    number = {text: n for n, text in enumerate(texts)}
    mapped = np.array([-1 if value is None else number[value] for value in values], np.int32)[codes]
    return pa.DictionaryArray.from_arrays(pa.array(mapped, mask=mapped < 0), pa.array(texts, pa.string()))


def patients(world: World, people: People, icb: int, first_id: int) -> pa.Table:
    """Return the `patients` rows of a block; patient_id counts on from `first_id`."""
    n = len(people)
    code = world.icbs["icb_code"].iloc[icb]
    practice = people.home[list(PROVIDER_KINDS).index("primary_care")]
    died = pa.array(people.died, pa.int32(), mask=people.died == ALIVE).cast(pa.date32())
    born = people.born.astype("datetime64[D]").astype("datetime64[Y]").astype(int) + 1970
    return pa.table(
        {
            "patient_id": first_id + np.arange(n, dtype=np.int64),
            "icb_code": dictionary(np.zeros(n, np.int8), [code]),
            "birth_year": born.astype(np.int32),
            "sex": dictionary(people.sex, list(SEXES)),
            "deprivation_decile": (people.tenth + 1).astype(np.int32),
            "practice_code": dictionary(practice, world.codes.tolist()),
            "died_on": died,
        }
    )


def outcomes(world: World, people: People, rows: Rows, first_id: int, rng: np.random.Generator) -> pa.Table:
    """Return what hip and knee patients reported before and after: published means, response and correlation."""
    quality = np.random.default_rng(np.random.SeedSequence([world.seed, 1])).normal(
        0, _QUALITY_SD, len(world.providers)
    )
    quality[world.codes == world.plan.dear_no_better] = 0.0
    procedure = np.array([item[3] for item in world.catalogue.items])
    parts = []
    for measure in records(read("proms")):
        journey = next(j for j in world.journeys if j.name == measure["pathway"])
        assert journey.index is not None
        operated = procedure == procedure[journey.index.items[0]]
        cases = rows.take(operated[rows.item])
        cases = cases.take(rng.random(len(cases)) < measure["response_share"])
        z = rng.standard_normal((2, len(cases)))
        low, high, places = _RANGES[measure["instrument"]]
        shift = quality[cases.provider] * (1.0 if high > 1 else 0.01)
        related = measure["correlation"] * z[0] + np.sqrt(1 - measure["correlation"] ** 2) * z[1]
        for stage, mean, sd, deviate, add, day in (
            ("pre", measure["pre_mean"], measure["pre_sd"], z[0], 0.0, cases.day - rng.integers(5, 31, len(cases))),
            (
                "post",
                measure["post_mean"],
                measure["post_sd"],
                related,
                shift,
                cases.day + rng.integers(180, 241, len(cases)),
            ),
        ):
            score = np.clip(mean + sd * deviate + add, low, high).round(places)
            known = day <= np.minimum(people.died[cases.person], EXTRACT[1])
            count = int(known.sum())
            parts.append(
                pa.table(
                    {
                        "patient_id": first_id + cases.person[known].astype(np.int64),
                        "pathway": pa.array([measure["pathway"]] * count, pa.string()),
                        "instrument": pa.array([measure["instrument"]] * count, pa.string()),
                        "stage": pa.array([stage] * count, pa.string()),
                        "measured_on": pa.array(day[known].astype(np.int32)).cast(pa.date32()),
                        "score": score[known],
                    }
                )
            )
    return pa.concat_tables(parts)


def population(world: World, people: np.ndarray) -> pd.DataFrame:
    """Return the `population` table at the sample's scale, mid-2023 to mid-2043, three variants.

    Parameters
    ----------
    people : ndarray of int, shape (ICBs,)
        People sampled in each ICB.
    """
    growth = {variant: _growth(frame) for variant, frame in read("population_growth").groupby("variant", sort=False)}
    start = growth["principal"][:1]
    years = np.array(PROJECTION_YEARS)
    england = np.average(np.log(world.icbs["growth_2024_2035"]), weights=world.icbs["population"])
    frames = []
    for number, icb in enumerate(records(world.icbs)):
        if not people[number]:
            continue
        local = np.exp((years - 2023) / 11 * (np.log(icb["growth_2024_2035"]) - england))
        base = people[number] * world.age_sex[number]
        for variant, index in growth.items():
            persons = base * index / start * local[:, None, None]
            year, age, sex = np.indices(persons.shape).reshape(3, -1)
            frames.append(
                pd.DataFrame(
                    {
                        "icb_code": icb["icb_code"],
                        "year": years[year].astype(np.int32),
                        "age": age.astype(np.int32),
                        "sex": np.array(SEXES)[sex],
                        "variant": variant,
                        "persons": persons.ravel().round(2 if people[number] > 5000 else 4),
                    }
                )
            )
    return pd.concat(frames, ignore_index=True)


def _growth(frame: pd.DataFrame) -> np.ndarray:
    """Return one variant's index by year, age and sex: straight lines between anchor years and between bands."""
    ages, years = np.arange(91), np.array(PROJECTION_YEARS)
    result = np.empty((len(years), 91, 2))
    for s, sex in enumerate(SEXES):
        rows = frame[frame["sex"] == sex].sort_values("age_from")
        middle = rows["age_from"].to_numpy() + 2.0
        anchors = np.stack([np.interp(ages, middle, rows[f"index_{year}"]) for year in _ANCHORS])
        # 2023 is the first line carried one year back.
        first = anchors[:1] - (anchors[1:2] - anchors[:1]) / (_ANCHORS[1] - _ANCHORS[0])
        points = np.vstack([first, anchors])
        for age in ages:
            result[:, age, s] = np.interp(years, (2023, *_ANCHORS), points[:, age])
    return result
