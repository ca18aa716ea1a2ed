"""A working call of each public function of `value`."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from factories import activity_frame, activity_row, organisations, typed, unit_costs

from doors.harness import Case
from pathcost_lib import ledger, pathways, value
from pathcost_lib.arguments import explain_failure
from pathcost_lib.sources import Dataset

OTHER_PATIENTS = "rows are patients: one fewer, or one more, is another sample"


def _rng() -> np.random.Generator:
    return np.random.default_rng(1)


def _patients(units: int = 4, each: int = 30) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = units * each
    cost = rng.gamma(9, 1000, n)
    columns = {"unit": np.repeat([f"P{k}" for k in range(units)], each), "cost_gbp": cost}
    columns |= {"qalys": 0.4 + 0.2 * rng.standard_normal(n), "pre": rng.uniform(0, 1, n)}
    return pd.DataFrame({**columns, "sex": np.where(rng.random(n) < 0.5, "female", "male")})


GROUPED = {
    ("rows", "a row missing"): OTHER_PATIENTS,
    ("rows", "a row twice"): OTHER_PATIENTS,
}


def _of_patients(**more: Any) -> dict[str, Any]:
    rows = _patients()[["unit", "cost_gbp", "qalys"]]
    return {"rows": rows, "by": "unit", "cost": "cost_gbp", "effect": "qalys", **more}


def _adjusted(**arguments: Any) -> dict[str, Any]:
    """Return what `adjust` finds, its rows in the order of their numbers: patients have no label to sort them by."""
    found = value.adjust(**arguments)
    excess = found.table.sort_values("qalys")["excess_qalys"].to_numpy()
    names = {"coefficients": found.coefficients, "r_squared": found.r_squared, "residual_sd": found.residual_sd}
    return {**names, "excess": excess, "left_out": found.left_out, "notes": found.notes, "reason": found.reason}


def _margin(**arguments: Any) -> dict[str, Any]:
    margin = value.Margin(**arguments)
    return {"service": margin.service, "log_sd": margin.log_sd, "cost": margin.cost_per_qaly_gbp}


def _shift(**arguments: Any) -> Any:
    """Move pounds to a service whose margin is given as three numbers."""
    target = value.Margin("hips", *(arguments.pop(name) for name in ("target_gbp", "target_low", "target_high")))
    return value.budget_shift(**arguments, source=value.NHS_MARGIN, target=target)


def _net_benefit(**arguments: Any) -> pd.DataFrame:
    found = value.incremental(**_of_patients(reference="P0"))
    return found.net_benefit(**arguments)


# -- what takes tables of a dataset --
OPERATED = date(2024, 4, 10)
ANSWERS = ["patient_id", "pathway", "instrument", "stage", "measured_on", "score"]


def _activity(people: int) -> pd.DataFrame:
    """Knees operated on one day, in three ICBs, with a follow-up appointment each; costs differ."""
    rng = np.random.default_rng(4)
    rows = []
    for person in range(1, people + 1):
        icb = f"QZ{person % 3 + 1}"
        cost = int(700_000 + 100_000 * rng.standard_normal())
        rows.append(activity_row(person, "elective", OPERATED, 3, icb, 1, recorded_cost_pence=cost))
        rows.append(activity_row(person, "outpatient_follow_up", OPERATED + timedelta(days=40), 0, icb, 1))
    for day in (date(2023, 4, 1), date(2025, 3, 31)):
        rows.append(activity_row(people + 1, "gp_appointment", day, 0, "QZ1"))
    return activity_frame(rows)


def _people(people: int) -> pd.DataFrame:
    number = np.arange(1, people + 2)
    columns = {"patient_id": number, "icb_code": "QZ1", "birth_year": 1950 - 5 * (number % 3)}
    sex = np.where(number % 2 == 0, "female", "male")
    columns |= {"sex": sex, "deprivation_decile": number % 10 + 1, "practice_code": "Y00001"}
    return pd.DataFrame(columns).assign(died_on=pd.NaT)


def _answers(people: int) -> pd.DataFrame:
    rng = np.random.default_rng(6)
    rows = []
    for person in range(1, people + 1):
        before = round(float(rng.uniform(0, 0.6)), 3)
        after = before + round(float(rng.uniform(0, 0.4)), 3)
        for stage, days, score in (("pre", -9, before), ("post", 200, after)):
            day = pd.Timestamp(OPERATED + timedelta(days=days))
            rows.append((person, "knee_replacement", "eq5d_index", stage, day, score))
    return pd.DataFrame(rows, columns=ANSWERS)


def _tables(people: int, patients: pd.DataFrame, outcomes: pd.DataFrame) -> dict[str, Any]:
    """Register the case's tables beside the ledger and the links; types are checked as at the door of a dataset."""
    with explain_failure("The tables", library="pandas"):
        frames = {"patients": typed(patients), "outcomes": typed(outcomes)}
        data = Dataset.from_frames({"activity": _activity(people), **_fixed(), **frames})
    costed = ledger.cost_activity(data.activity, data.unit_costs, data.organisations, price_base="2024-25", mff="pay")
    everyone = Dataset.from_frames({"patients": typed(_people(people))}, data.activity.engine).patients
    links = pathways.link(costed, pathways.load_definition("knee_replacement"), patients=everyone)
    again = Dataset.from_frames(frames, data.activity.engine)
    return {"links": links, "activity": data.activity, "patients": again.patients, "outcomes": again.outcomes}


@cache
def _fixed() -> dict[str, pd.DataFrame]:
    return {"unit_costs": unit_costs(), "organisations": organisations()}


def _joined(*, patients: pd.DataFrame, outcomes: pd.DataFrame, **options: Any) -> dict[str, Any]:
    found = value.join_outcomes(**_tables(9, patients, outcomes), **options)
    pairs = found.pairs.drop(columns=["pathway_id"]).sort_values(["cost_gbp"], ignore_index=True)
    parts = {"table": found.table, "pairs": pairs.select_dtypes("number"), "events": found.events()}
    return {**parts, "left_out": found.left_out, "notes": found.notes, "reason": found.reason}


def _with_outcomes(*, outcomes: pd.DataFrame) -> dict[str, float]:
    with explain_failure("The tables", library="pandas"):
        data = Dataset.from_frames({"outcomes": typed(outcomes)})
    return dict.fromkeys(value.pathways_with_outcomes(data.outcomes), 1.0)


def _steps(*, patients: pd.DataFrame, outcomes: pd.DataFrame, years: float, draws: int, **options: Any) -> Any:
    """Take the steps of notebook 07 from tables."""
    joined = value.join_outcomes(**_tables(66, patients, outcomes), **options)
    gain = value.adjust(joined.pairs, "gain", numbers=["pre"], factors=["age_from", "sex"], within="pathway")
    rows = value.adjust(gain.table, "cost_gbp", factors=["sex"], within="pathway").table
    rows = rows.assign(qalys=value.discounted_years(years) * (rows["excess_gain"] + rows["gain"].mean()))
    columns: dict[str, Any] = {"by": "icb_code", "cost": "cost_gbp", "effect": "qalys"}
    against = value.incremental(rows, **columns)
    return {
        "reasons": joined.left_out | joined.notes | gain.notes,
        "response": joined.response(["icb_code"]),
        "events": joined.events(["icb_code"]),
        "ratios": value.cost_per_outcome(rows, draws=draws, rng=_rng(), **columns),
        "map": value.quadrants(rows, worth_gbp=20_000.0, draws=draws, rng=_rng(), **columns),
        "increments": against,
        "benefit": against.net_benefit(),
    }


ASKED = {
    ("thresholds", "a value fewer"): "rows are thresholds: what is asked for is answered",
    ("thresholds", "a lone value for a list"): "rows are thresholds: what is asked for is answered",
}
UNANSWERED = {
    ("outcomes", "a row missing"): "a patient who has not answered is not in the mean; response says how many have",
}
OTHER_OPTIONS = {
    ("options", "a row missing"): "rows are options: the others are compared without it",
    ("options", "option mislabelled"): "a name is a label only: the same numbers, which are sorted by it here",
    ("options", "no rows"): "without options none is compared: an area may have no patients with a gain",
}
OPTIONS = pd.DataFrame(
    {"option": ["usual", "a", "b", "c"], "cost": [0.0, 10.0, 12.0, 30.0], "effect": [0.0, 2.0, 1.5, 3.0]}
)

CASES: dict[str, Case | list[Case]] = {
    "adjust": Case(
        _adjusted,
        lambda: {
            "rows": _patients().drop(columns="cost_gbp"),
            "outcome": "qalys",
            "numbers": ["pre"],
            "factors": ["sex"],
            "within": "unit",
        },
        legitimate={("rows", "a row missing"): OTHER_PATIENTS, ("rows", "a row twice"): OTHER_PATIENTS},
        skip={"numbers": "names of columns", "factors": "names of columns"},
    ),
    "budget_shift": Case(
        _shift,
        lambda: {
            "amount_gbp": 1e6,
            "target_gbp": 4000.0,
            "target_low": 3000.0,
            "target_high": 5000.0,
            "draws": 500,
            "rng": _rng(),
        },
    ),
    "cost_per_outcome": Case(
        value.cost_per_outcome, lambda: _of_patients(confidence=0.95, draws=200, rng=_rng()), legitimate=GROUPED
    ),
    "discounted_years": Case(
        value.discounted_years,
        lambda: {"years": 10.0, "build_up": 0.5, "fading": True, "schedule": "green_book_health"},
    ),
    "dominance": [
        Case(
            value.dominance,
            lambda: {"options": OPTIONS.copy(), "option": "option", "cost": "cost", "effect": "effect"},
            legitimate=OTHER_OPTIONS,
        ),
        Case(
            value.dominance,
            lambda: {
                "options": OPTIONS.assign(of=["hips", "hips", "knees", "knees"]),
                "option": "option",
                "cost": "cost",
                "effect": "effect",
                "within": "of",
            },
            legitimate=OTHER_OPTIONS | {("options", "of mislabelled"): "an option of another group is alone in it"},
        ),
    ],
    "incremental": [
        Case(value.incremental, lambda: _of_patients(confidence=0.95), legitimate=GROUPED),
        Case(value.incremental, lambda: _of_patients(reference="P0", confidence=0.9), legitimate=GROUPED),
        Case(
            _net_benefit,
            lambda: {"thresholds": [10_000.0, 20_000.0], "confidence": 0.95, "unit": "P1"},
            legitimate=ASKED,
        ),
    ],
    "join_outcomes": Case(
        _joined,
        lambda: {
            "patients": _people(9),
            "outcomes": _answers(9),
            "year": "2024-25",
            "instrument": "eq5d_index",
            "whole": False,
        },
        legitimate=UNANSWERED,
    ),
    "Margin": Case(
        _margin, lambda: {"service": "hips", "cost_per_qaly_gbp": 4000.0, "lower_95": 3000.0, "upper_95": 5000.0}
    ),
    "pathways_with_outcomes": Case(
        _with_outcomes,
        lambda: {"outcomes": _answers(2)},
        legitimate={("outcomes", "no rows"): "without answers no pathway has outcomes: an extract may have none"},
    ),
    "quadrants": Case(
        value.quadrants,
        lambda: _of_patients(matters=0.05, worth_gbp=20_000.0, false_discovery=0.05, fewest=30, draws=300, rng=_rng()),
        legitimate={("rows", "a row twice"): OTHER_PATIENTS},
    ),
    "Outcomes": Case(
        _steps,
        lambda: {
            "patients": _people(66),
            "outcomes": _answers(66),
            "year": "2024-25",
            "years": 10.0,
            "whole": False,
            "draws": 200,
        },
        legitimate=UNANSWERED,
    ),
}
