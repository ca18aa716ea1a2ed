"""Small valid frames of every table, and hypothesis strategies for activity that is awkward on purpose.

`make_tables()` is a closed little England: three ICBs, a provider of each kind in each, two financial years of
activity in all eight settings. `sources.check` finds no error and no warning in it. Codes are invented.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

YEARS = ("2023-24", "2024-25")
ICBS = ("QZ1", "QZ2", "QZ3")
#: Kind of provider to the letter that its code begins with: "A1" is the acute provider of the first ICB.
KINDS = {
    "acute": "A",
    "community": "C",
    "mental_health": "M",
    "ambulance": "B",
    "primary_care": "P",
    "social_care": "L",
}
MFF = {"QZ1": 1.0, "QZ2": 1.05, "QZ3": 1.2}
FIRST_DAY = date(2023, 4, 1)
DAYS = 731  # two financial years, the first of them with 29 February 2024

#: POD, currency, kind of provider, national unit cost in ten-thousandths of a pound, unit. Setting is codes.PODS'.
SERVICES = {
    "gp_appointment": ("GP", "primary_care", 420_000, "contact"),
    "call_111": ("111", "ambulance", 155_000, "contact"),
    "see_and_convey": ("ASC1", "ambulance", 4_170_655, "incident"),
    "ae_type1": ("VB08Z", "acute", 2_655_602, "contact"),
    "outpatient_first": ("110", "acute", 1_850_333, "contact"),
    "outpatient_follow_up": ("110", "acute", 1_405_001, "contact"),
    "day_case": ("HN23C", "acute", 18_321_111, "spell"),
    "elective": ("HN22E", "acute", 74_655_602, "spell"),
    "non_elective": ("DZ65F", "acute", 39_870_005, "spell"),
    "critical_care_day": ("XC06Z", "acute", 19_112_345, "bed_day"),
    "community_contact": ("N08AF", "community", 655_602, "contact"),
    "rehabilitation_day": ("VC04Z", "community", 4_512_399, "bed_day"),
    "mental_health_contact": ("MHC", "mental_health", 2_010_100, "contact"),
    "mental_health_bed_day": ("MHB", "mental_health", 5_430_987, "bed_day"),
    "social_care_week": ("SCR", "social_care", 9_015_050, "week"),
}
SETTING_OF = {
    "gp_appointment": "primary_care",
    "call_111": "ambulance",
    "see_and_convey": "ambulance",
    "ae_type1": "emergency",
    "outpatient_first": "outpatient",
    "outpatient_follow_up": "outpatient",
    "day_case": "admitted",
    "elective": "admitted",
    "non_elective": "admitted",
    "critical_care_day": "admitted",
    "community_contact": "community",
    "rehabilitation_day": "community",
    "mental_health_contact": "mental_health",
    "mental_health_bed_day": "mental_health",
    "social_care_week": "social_care",
}
#: PODs that a patient stays in overnight; the others start and end on one day.
STAYS = (
    "elective",
    "non_elective",
    "critical_care_day",
    "rehabilitation_day",
    "mental_health_bed_day",
    "social_care_week",
)
ADMISSIONS = ("elective", "non_elective")

_TEXT, _INT, _DATE = "string", "Int64", pd.ArrowDtype(pa.date32())
#: Column to pandas type, so that a column of nulls keeps its type on the way to Arrow.
_DTYPES: dict[str, object] = {
    **dict.fromkeys(("start_date", "end_date", "died_on", "valid_from", "valid_to", "measured_on"), _DATE),
    **dict.fromkeys(("units", "length_of_stay_days", "recorded_cost_pence", "unit_cost"), _INT),
    **dict.fromkeys(("total_cost_pence", "non_patient_pence", "excluded_pence"), _INT),
    **dict.fromkeys(("birth_year", "deprivation_decile", "conditions", "year", "age"), "Int32"),
    **dict.fromkeys(
        ("mff", "successor_share", "persons", "score", "fixed_share", "semi_fixed_share", "variable_share"), float
    ),
    **dict.fromkeys(("activity_id", "patient_id"), _INT),
}


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Give each column the type of the tables; text identifiers stay text."""
    kinds = {name: _DTYPES.get(name, _TEXT) for name in frame.columns}
    for name in ("activity_id", "patient_id"):
        if name in kinds and len(frame) and isinstance(frame[name].iloc[0], str):
            kinds[name] = _TEXT
    return frame.astype(kinds)


def provider_code(kind: str, icb_code: str) -> str:
    """Return the code of the provider of a kind in an ICB ("acute", "QZ1" is "A1")."""
    return KINDS[kind] + icb_code[-1]


def activity_row(
    patient_id: int | str,
    pod: str,
    start: date,
    days: int | None = 0,
    icb_code: str = "QZ1",
    units: int = 1,
    **other: object,
) -> dict[str, object]:
    """Return one activity row without its id; `days` None is still open."""
    currency, kind, *_ = SERVICES[pod]
    return {
        "patient_id": patient_id,
        "start_date": start,
        "end_date": None if days is None else start + timedelta(days=days),
        "setting": SETTING_OF[pod],
        "pod": pod,
        "currency_code": currency,
        "provider_code": provider_code(kind, icb_code),
        "icb_code": icb_code,
        "units": units,
        "length_of_stay_days": days if pod in STAYS else None,
        "primary_diagnosis": {"elective": "M171", "non_elective": "J441"}.get(pod),
        "primary_procedure": {"elective": "W401", "day_case": "W852"}.get(pod),
        "recorded_cost_pence": None,
        **other,
    }


def activity_frame(rows: list[dict[str, object]], first_id: int = 1) -> pd.DataFrame:
    """Number the rows and give them the table's types and column order."""
    columns = ["activity_id", *activity_row(0, "elective", FIRST_DAY)]
    numbered = [{"activity_id": first_id + i, **row} for i, row in enumerate(rows)]
    return typed(pd.DataFrame(numbered, columns=columns))


def make_tables(*, patients: int = 30, seed: int = 1) -> dict[str, pd.DataFrame]:
    """Return every table, valid.

    Every third patient has a knee replacement (HN22E) between May and August 2024 with contacts before and after it,
    and a non-elective admission a year before; the others have contacts in every setting. Admissions of one patient
    do not overlap.
    """
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    people: list[dict[str, object]] = []
    for number in range(patients):
        patient_id, icb = 700_000_001 + number, ICBS[number % 3]
        if number % 3 == 0:
            rows += _knee(
                patient_id, ICBS[number // 3 % 3], date(2024, 5, 1) + timedelta(days=int(rng.integers(100))), rng
            )
            icb = ICBS[number // 3 % 3]
        rows += _background(patient_id, icb, rng)
        people.append(
            {
                "patient_id": patient_id,
                "icb_code": icb,
                "birth_year": int(rng.integers(1930, 2005)),
                "sex": ("female", "male", "unknown")[number % 3],
                "deprivation_decile": None if number % 11 == 10 else number % 10 + 1,
                "conditions": None if number % 13 == 12 else number % 7,
                "practice_code": None if number % 7 == 6 else f"Y{number:05d}",
                "died_on": date(2025, 6, 1) if number % 10 == 9 else None,
            }
        )
    return {
        "activity": activity_frame(rows, 500_000_001),
        "patients": typed(pd.DataFrame(people)),
        "unit_costs": unit_costs(),
        "organisations": organisations(),
        "population": population(),
        "quantum": quantum(),
        "outcomes": outcomes([p["patient_id"] for p in people]),
    }


def _knee(patient_id: int, icb: str, day: date, rng: np.random.Generator) -> list[dict[str, object]]:
    def on(offset: int, pod: str, days: int = 0, units: int = 1) -> dict[str, object]:
        return activity_row(patient_id, pod, day + timedelta(days=offset), days, icb, units)

    stay = int(rng.integers(1, 8))
    return [
        on(-350, "non_elective", 4),
        on(-120, "gp_appointment"),
        on(-90, "outpatient_first"),
        on(0, "elective", stay),
        on(stay, "community_contact", units=2),
        on(stay + 1, "rehabilitation_day", days=5, units=5),
        *(on(int(d), "community_contact") for d in rng.integers(10, 90, 3)),
        on(42, "outpatient_follow_up"),
        on(60, "gp_appointment"),
    ]


def _background(patient_id: int, icb: str, rng: np.random.Generator) -> list[dict[str, object]]:
    rows = []
    for pod in SERVICES:
        if pod in ADMISSIONS or rng.random() < 0.5:
            continue
        days = int(rng.integers(1, 10)) if pod in STAYS else 0
        start = FIRST_DAY + timedelta(days=int(rng.integers(DAYS - days)))
        units = {"social_care_week": 1 + days // 7}.get(pod, max(days, 1))
        rows.append(activity_row(patient_id, pod, start, days, icb, units))
    return rows


def unit_costs() -> pd.DataFrame:
    """National prices of every service in both years, one provider's own, and one proxy for the POD ("*")."""
    rows = []
    for year, uplift in zip(YEARS, (100, 104), strict=True):
        for pod, (currency, _, cost, unit) in SERVICES.items():
            national = _price(year, pod, currency, None, cost * uplift // 100, unit, "national schedule")
            rows += [national, {**national, "currency_code": "*", "source": "mean of the POD"}]
            if pod == "elective":
                rows.append(
                    {**national, "provider_code": "A1", "unit_cost": cost * uplift // 100 + 500_001, "source": "own"}
                )
    return typed(pd.DataFrame(rows))


def _price(
    year: str, pod: str, currency: str, provider: str | None, cost: int, unit: str, source: str
) -> dict[str, object]:
    shares = {"fixed_share": 0.5, "semi_fixed_share": 0.2, "variable_share": 0.3}
    key = {"financial_year": year, "pod": pod, "currency_code": currency, "provider_code": provider}
    return {**key, "unit_cost": cost, "unit": unit, **shares, "source": source}


def organisations() -> pd.DataFrame:
    """Three ICBs in one region and a provider of each kind in each."""
    rows = [_organisation("Y99", "Region of tests", "region", None, None)]
    for icb in ICBS:
        rows.append(_organisation(icb, f"ICB {icb}", "icb", icb, None))
        rows += [_organisation(provider_code(kind, icb), f"{kind} of {icb}", kind, icb, MFF[icb]) for kind in KINDS]
    return typed(pd.DataFrame(rows))


def _organisation(code: str, name: str, kind: str, icb: str | None, mff: float | None) -> dict[str, object]:
    return {
        "org_code": code,
        "name": name,
        "kind": kind,
        "icb_code": icb,
        "region_code": "Y99",
        "mff": mff,
        "valid_from": date(2013, 4, 1),
        "valid_to": None,
        "successor_code": None,
        "successor_share": None,
    }


def population() -> pd.DataFrame:
    """People by ICB, calendar year, single year of age (90 is 90 and over) and sex."""
    keys = [
        (icb, year, age, sex)
        for icb in ICBS
        for year in (2023, 2024)
        for age in range(91)
        for sex in ("female", "male")
    ]
    frame = pd.DataFrame(keys, columns=["icb_code", "year", "age", "sex"]).assign(variant="principal")
    return typed(frame.assign(persons=6000.0 - 60.0 * frame["age"] + 10.5 * (frame["sex"] == "female")))


def quantum() -> pd.DataFrame:
    """A round total for every acute provider and year."""
    rows = [
        (provider_code("acute", icb), year, s) for icb in ICBS for year in YEARS for s in ("admitted", "outpatient")
    ]
    frame = pd.DataFrame(rows, columns=["provider_code", "financial_year", "setting"])
    return typed(frame.assign(total_cost_pence=5_000_000_000, non_patient_pence=100_000_000, excluded_pence=50_000_000))


def outcomes(patient_ids: list[object]) -> pd.DataFrame:
    """Oxford knee score before and after the operation of every third patient."""
    stages = (("pre", date(2024, 4, 20), 18.0), ("post", date(2025, 2, 20), 36.0))
    key = {"pathway": "knee_replacement", "instrument": "oxford_knee_score"}
    rows = [
        {"patient_id": patient, **key, "stage": stage, "measured_on": day, "score": score}
        for patient in patient_ids[::3]
        for stage, day, score in stages
    ]
    return typed(pd.DataFrame(rows))


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame | pa.Table]) -> Path:
    """Write each table as `<name>.parquet` in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        arrow = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame, preserve_index=False)
        pq.write_table(arrow, folder / f"{name}.parquet")
    return folder


def pseudonym_of(identifier: str, of: str = "patient") -> str:
    """Return what an identifier becomes at the door, by Python's own HMAC."""
    key = bytes.fromhex(Path(os.environ["PATHCOST_KEY"]).read_text(encoding="ascii"))
    return "p" + hmac.new(key, f"{of}:{identifier}".encode(), hashlib.sha256).hexdigest()[:32]


# -- strategies ---------------------------------------------------------------------------------------------------

#: Days on which things go wrong: window edges round day 365, year ends (31 March and 1 April), the ends of the data.
_DAYS = st.one_of(
    st.sampled_from([0, 1, 185, 186, 364, 365, 366, 367, 368, 545, 546, 729, 730]), st.integers(0, DAYS - 1)
)
#: Index events come often, so that windows overlap.
_PODS = st.one_of(st.sampled_from(["elective", "non_elective"]), st.sampled_from(sorted(SERVICES)))


@st.composite
def activity_rows(draw: st.DrawFn, patients: int = 4) -> dict[str, object]:
    """One contact of one of a few patients: stays may cross a year end or be open, and the ICB may differ each time."""
    pod, patient = draw(_PODS), draw(st.integers(1, patients))
    days = draw(st.one_of(st.none(), st.integers(0, 60), st.just(400))) if pod in STAYS else 0
    start = FIRST_DAY + timedelta(days=draw(_DAYS))
    icb = draw(st.sampled_from([ICBS[patient % 3]] * 4 + list(ICBS)))
    recorded = draw(st.one_of(st.none(), st.none(), st.integers(0, 10**7)))
    return activity_row(patient, pod, start, days, icb, draw(st.integers(1, 40)), recorded_cost_pence=recorded)


def activity_frames(min_size: int = 1, max_size: int = 25, patients: int = 4) -> st.SearchStrategy[pd.DataFrame]:
    """Activity with overlapping windows, same-day events, stays across year ends, missing end dates, moves of ICB."""
    return st.lists(activity_rows(patients), min_size=min_size, max_size=max_size).map(activity_frame)


@st.composite
def tables(draw: st.DrawFn, max_size: int = 25, patients: int = 4) -> dict[str, pd.DataFrame]:
    """Every table, with awkward activity; patients live in the ICB of their last row, and some die on or after it."""
    activity = draw(activity_frames(max_size=max_size, patients=patients))
    last = activity.sort_values(["start_date", "activity_id"]).groupby("patient_id").last().reset_index()
    deaths = draw(st.lists(st.one_of(st.none(), st.integers(0, 90)), min_size=len(last), max_size=len(last)))
    died = [
        None if gap is None else day + timedelta(days=gap) for day, gap in zip(last["start_date"], deaths, strict=True)
    ]
    people = last[["patient_id", "icb_code"]].assign(
        birth_year=1950, sex="female", deprivation_decile=5, practice_code=None, died_on=died
    )
    fixed = {
        "unit_costs": unit_costs(),
        "organisations": organisations(),
        "population": population(),
        "quantum": quantum(),
    }
    return {"activity": activity, "patients": typed(people), **fixed, "outcomes": outcomes(list(people["patient_id"]))}
