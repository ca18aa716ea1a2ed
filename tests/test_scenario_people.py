"""A scheme for some people only: by age, sex, deprivation, practice or a list, on an ICB's activity."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pathcost_lib import scenarios
from pathcost_lib.errors import InputError
from pathcost_lib.intake import pseudonyms
from pathcost_lib.scenarios.scenario import Scenario, load_scenario, parse_scenario
from pathcost_lib.sources.engine import connect

ROWS = pd.DataFrame(
    {
        "activity_id": range(1, 9),
        "patient_id": ["p1", "p1", "p2", "p3", "p4", "p5", "p6", "p9"],  # of p9 the table of patients knows nothing
        "financial_year": "2024-25", "icb_code": "QA", "provider_code": "R1", "setting": "admitted", "pod": "elective",
        "units": 1, "cost_pence": [1_00, 2_00, 4_00, 8_00, 16_00, 32_00, 64_00, 128_00],
        "fixed_pence": 0, "semi_fixed_pence": 0,
        "primary_diagnosis": [None, "F03X", "J440", "S720", "F001", "J440", None, "J440"],
    }
).assign(variable_pence=lambda t: t["cost_pence"])  # fmt: skip
PATIENTS = pd.DataFrame(
    {
        "patient_id": ["p1", "p2", "p3", "p4", "p5", "p6"],
        "birth_year": [1949, 1950, 1959, 1960, 2000, None],  # 75, 74, 65, 64, 24, unknown in 2024
        "sex": ["female", "male", "female", "male", "unknown", "female"],
        "deprivation_decile": [1, 2, 10, None, 1, 5],
        "practice_code": ["A1", "A1", "B1", "B2", None, "A2"],
    }
).astype({"birth_year": "Int64", "deprivation_decile": "Int64"})
FILE: dict[str, Any] = {
    "name": "own", "title": "Own", "narrative": "-", "source": "Made up", "price_base": "2024-25", "years": 1,
    "intervention": [
        {
            "name": "fewer", "title": "Fewer stays", "source": "Made up", "evidence": "assumed", "change": "avoid",
            "effect": 0.5, "start": "2025-26", "select": {"pod": ["elective"]},
        }
    ],
}  # fmt: skip


def file(**select: Any) -> dict[str, Any]:
    content = copy.deepcopy(FILE)
    content["intervention"][0]["select"] |= select
    return content


def local(scenario: Scenario, patients: pd.DataFrame | None = PATIENTS, rows: pd.DataFrame = ROWS) -> Any:
    engine = connect()
    known = None if patients is None else engine.register("patients", patients)
    return scenarios.localise(scenario, engine.register("rows", rows), icb="QA", year="2024-25", patients=known)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("select", "pounds", "persons"),
    [
        ({}, 255, 7),
        ({"age_from": 65}, 1 + 2 + 4 + 8, 3),
        ({"age_from": 65, "age_to": 74}, 4 + 8, 2),
        ({"age_to": 64}, 16 + 32, 2),
        ({"age_from": 0}, 63, 5),  # of two the age is not known: they are not selected, and not taken for 0
        ({"sex": ["female"]}, 1 + 2 + 8 + 64, 3),
        ({"sex": ["unknown"]}, 32, 1),
        ({"deprivation_decile": [1, 2]}, 1 + 2 + 4 + 32, 3),
        ({"practice_code": ["A1"]}, 1 + 2 + 4, 2),
        ({"practice_code_prefix": ["A"]}, 1 + 2 + 4 + 64, 3),
        ({"age_from": 65, "sex": ["female"], "deprivation_decile": [10]}, 8, 1),
        # Of p9 and p5 no practice is known: they are not excluded. One contact of p1 has no diagnosis.
        ({"not_practice_code": ["A1", "B2"]}, 8 + 32 + 64 + 128, 4),
        ({"not_primary_diagnosis_prefix": ["F"]}, 1 + 4 + 8 + 32 + 64 + 128, 6),
        ({"not_primary_diagnosis_prefix": ["F0", "S7"], "age_from": 65}, 1 + 4, 2),
        ({"patient_diagnosis_prefix": ["F0"]}, 1 + 2 + 16, 2),
        ({"patient_diagnosis_prefix": ["F0", "S72"], "not_primary_diagnosis_prefix": ["F"]}, 1 + 8, 2),
    ],
)
def test_people_are_chosen_by_what_is_known_of_them(select, pounds, persons):
    here = local(parse_scenario(file(**select), "own.toml"))
    assert here.whole["fewer"] == {"cost_gbp": pounds, "persons": persons}
    assert here.touched["touched_pct"].iloc[0] == pytest.approx(100 * pounds / 255)
    impact = scenarios.system_impact(here.scenario, here.rows, year=here.year)
    assert impact.system.sum() == pytest.approx(0.5 * pounds)


@pytest.mark.unit
def test_a_list_of_people_is_read_beside_the_file_and_is_part_of_its_identity(tmp_path: Path):
    listed = tmp_path / "homes.csv"
    listed.write_text("patient_id,home\np2,A\np2,A\n p9 ,B\nnobody,C\n,D\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"homes\.csv lists fewer than 8 people"):
        local(parse_scenario(file(people="homes.csv"), "own.toml", tmp_path / "own.toml"))
    scenario = parse_scenario(file(people="homes.csv"), "own.toml", tmp_path / "own.toml")
    (item,) = scenario.interventions
    assert item.select["people"] == (str(listed),)
    ids = ["p" + f"{n:032x}" for n in (0, 1, 2, *range(100, 105))]
    listed.write_text("\n".join(["patient_id", " " + ids[0], *ids, ids[0], ""]), encoding="utf-8")
    rows = ROWS.assign(patient_id=["p" + f"{n:032x}" for n in range(8)])
    here = local(scenario, PATIENTS, rows)
    assert here.whole["fewer"] == {"cost_gbp": 7, "persons": 3}
    again = parse_scenario(file(people="homes.csv"), "own.toml", tmp_path / "own.toml")
    assert again.identity != scenario.identity


@pytest.mark.unit
def test_nhs_numbers_on_a_list_become_the_pseudonyms_of_the_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATHCOST_KEY", str(tmp_path / "key"))
    listed = tmp_path / "homes.csv"
    others = "\n".join("p" + f"{n:032x}" for n in range(7))
    # The example number of the NHS Data Dictionary, among pseudonyms.
    listed.write_text(f"patient_id\n943 476 5919\n{others}\n", encoding="utf-8")
    scenario = parse_scenario(file(people="homes.csv"), "own.toml", tmp_path / "own.toml")
    with pytest.raises(InputError, match="there is no key to make pseudonyms with"):
        local(scenario)
    engine = connect(files=())
    with pseudonyms.key_in(engine, pseudonyms.local_key()):
        made = engine.view("made", f"SELECT {pseudonyms.pseudonym(chr(39) + '9434765919' + chr(39), 'patient')} AS id")
        one = made.to_pandas()["id"].iloc[0]
    rows = ROWS.assign(patient_id=[one, one, *ROWS["patient_id"][2:]])
    assert local(scenario, rows=rows).whole["fewer"] == {"cost_gbp": 3, "persons": 1}
    with pytest.raises(InputError, match=r"nobody of homes\.csv is in the activity") as error:
        local(scenario)
    assert "943" not in str(error.value) and one not in str(error.value)


@pytest.mark.unit
def test_numbers_as_identifiers_are_compared_as_they_are(tmp_path: Path):
    lines = ["patient_id", "3", "4", *map(str, range(100, 106)), ""]
    (tmp_path / "homes.csv").write_text("\n".join(lines), encoding="utf-8")
    scenario = parse_scenario(file(people="homes.csv"), "own.toml", tmp_path / "own.toml")
    here = local(scenario, PATIENTS.assign(patient_id=range(1, 7)), ROWS.assign(patient_id=range(1, 9)))
    assert here.whole["fewer"] == {"cost_gbp": 12, "persons": 2}


@pytest.mark.unit
@pytest.mark.parametrize(
    ("select", "said"),
    [
        ({"age_from": 80, "age_to": 70}, "age_to: 70 is below age_from, 80"),
        ({"age_from": -1}, "age_from must be a whole number from 0 to 120"),
        ({"sex": ["f"]}, "Allowed: female, male, unknown"),
        ({"deprivation_decile": [11]}, "from 1 to 10"),
        ({"people": ["a.csv"]}, "people"),
    ],
)
def test_what_is_not_allowed_is_told(select, said):
    with pytest.raises(InputError) as error:
        parse_scenario(file(**select), "own.toml")
    assert said in str(error.value)


@pytest.mark.unit
def test_a_file_s_own_baseline_has_no_people(tmp_path: Path):
    row = {
        "icb_code": "I", "provider_code": "T", "setting": "admitted", "pod": "elective", "activity": 10,
        "cost_gbp": 100, "fixed_share": 0.5, "semi_fixed_share": 0.0, "source": "Made up",
    }  # fmt: skip
    with pytest.raises(InputError, match=r'chooses people by age_from, and \[\[baseline\]\] has none.*scope = "icb"'):
        parse_scenario(file(age_from=65) | {"baseline": [row]}, "own.toml")
    asked = file(age_from=65) | {"baseline": [row], "scope": "icb"}
    asked["intervention"][0] |= {"running_gbp": 10}
    here = local(parse_scenario(asked, "own.toml"))
    (item,) = here.scenario.interventions
    assert item.running_gbp == pytest.approx(10 * 15 / 100)  # to the size of what is selected here
    with pytest.raises(InputError, match="give the table patients"):
        local(parse_scenario(file(age_from=65), "own.toml"), None)
    for name in ("none.csv", "bad.csv"):
        (tmp_path / "bad.csv").write_text("id\n1\n", encoding="utf-8")
        with pytest.raises(InputError, match=f"{name} (cannot be read|has no column patient_id)"):
            local(parse_scenario(file(people=name), "own.toml", tmp_path / "own.toml"))


@pytest.mark.unit
def test_exclusions_of_rows_take_out_what_they_name_and_no_more():
    rows = ROWS.assign(
        provider_code=["R1", "R2"] * 4, pod=["elective", "elective", "day_case", "elective"] * 2,
        currency_code=["HN22E", "DZ65F", None, "HN23A"] * 2, primary_procedure=["W401", None] * 4,
    )  # fmt: skip

    def pounds(**select: Any) -> float:
        content = file(**select)
        del content["intervention"][0]["select"]["pod"]
        return float(local(parse_scenario(content, "own.toml"), rows=rows).whole["fewer"]["cost_gbp"])

    assert pounds(not_pod=["day_case"]) == 255 - 4 - 64
    assert pounds(not_provider_code=["R2"]) == 1 + 4 + 16 + 64
    assert pounds(not_currency_code_prefix=["HN2"]) == 2 + 4 + 32 + 64
    assert pounds(not_primary_procedure_prefix=["W40"], setting=["admitted"]) == 2 + 8 + 32 + 128


@pytest.mark.unit
def test_two_schemes_for_some_people_are_stacked_by_their_own_people():
    old, poor = (parse_scenario(file(**one) | {"name": n}, "o") for n, one in
                 (("old", {"age_from": 65}), ("poor", {"deprivation_decile": [1]})))  # fmt: skip
    engine = connect()
    rows, people = engine.register("rows", ROWS), engine.register("patients", PATIENTS)
    both = [scenarios.localise(s, rows, icb="QA", year="2024-25", patients=people) for s in (old, poor)]
    table = scenarios.side_by_side(both).table.set_index("scenario")
    # £15 and £35 at a half; £3 of them are of both: a half and a half of what is left are three quarters.
    assert table["alone_gbp"].tolist() == pytest.approx([7.5, 17.5, 25.0])
    assert table.loc["All together", "together_gbp"] == pytest.approx(0.5 * 12 + 0.5 * 32 + 0.75 * 3)
    assert load_scenario("same_admissions").scope == "baseline"
