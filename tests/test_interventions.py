"""Scenario files: what is read, what is refused, how interventions ramp, depend and compound."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathcost_lib.errors import InputError
from pathcost_lib.scenarios import list_scenarios, load_scenario, run_checks, system_impact
from pathcost_lib.scenarios.change.interventions import compound, levels, schedule
from pathcost_lib.scenarios.scenario import parse_scenario

GOOD: dict[str, Any] = {
    "name": "example",
    "title": "Example",
    "narrative": "Two schemes.",
    "source": "Made up",
    "price_base": "2024-25",
    "first_year": "2024-25",
    "years": 6,
    "intervention": [
        {
            "name": "first",
            "title": "First",
            "source": "Made up",
            "evidence": "assumed",
            "change": "avoid",
            "effect": 0.2,
            "start": "2024-25",
            "end": "2027-28",
            "ramp": [0.5, 1.0],
            "decay_pct": 10,
            "select": {"pod": ["elective"]},
        },
        {
            "name": "second",
            "title": "Second",
            "source": "Made up",
            "evidence": "weak",
            "change": "avoid",
            "effect": {"low": 0.2, "high": 0.4},
            "start": "2025-26",
            "depends_on": ["first"],
            "select": {"pod": ["elective"], "currency_code_prefix": ["HN"]},
        },
    ],
}


def changed(**changes: Any) -> dict[str, Any]:
    content = copy.deepcopy(GOOD)
    content["intervention"][0] |= changes
    return content


@pytest.mark.unit
@pytest.mark.parametrize("name", list_scenarios())
def test_ready_scenarios_run(name):
    scenario = load_scenario(name)
    assert scenario.name == name
    assert len(scenario.identity) == 12
    assert scenario.interventions or scenario.checks or scenario.demand
    if scenario.demand:
        kinds = {a.kind for a in scenario.demand.growth.assumptions().values()}
        assert "interval" in kinds
    if scenario.interventions:
        impact = system_impact(scenario)
        assert impact.identity == scenario.identity
        assert not impact.table["impact_gbp"].isna().any()
    if scenario.checks:
        assert run_checks(scenario)["value"].notna().all()


@pytest.mark.unit
@pytest.mark.parametrize(
    ("changes", "key", "says"),
    [
        ({"select": {"pod": ["electve"]}}, "pod", "Did you mean elective"),
        ({"select": {"currency_code": ["HN' OR 1=1"]}}, "currency_code", "must be a code of letters, digits, and _"),
        ({"select": {}}, "intervention.select", "Allowed: setting"),
        ({"effect": 1.2}, "effect", "from 0 to 1"),
        ({"effect": {"low": 0.5, "high": 0.1}}, "effect", "must rise"),
        ({"effect": {"mean": 0.5}}, "effect", "80 % interval"),
        ({"ramp": [0.5, 0.3]}, "ramp", "must not fall"),
        ({"ramp": [0.5, 1.3]}, "ramp", "from 0 to 1"),
        ({"depends_on": ["second"]}, "depends_on", "circle: first -> second -> first"),
        ({"depends_on": ["third"]}, "depends_on", "Allowed: first, second"),
        ({"end": "2023-24"}, "end", "before the start, 2024-25"),
        ({"start": "2024"}, "start", "2024-25"),
        ({"change": "cancel"}, "change", "Allowed: avoid, move, shorten_stay"),
        ({"change": "move"}, "to", "required"),
        ({"evidence": "rumour"}, "evidence", "Allowed: assumed, decided, moderate, strong, weak"),
        ({"exit_cost_gbp": 5, "end": "2024-25"} | {"double_running_gbp": 5}, "double_running_gbp", "both or neither"),
        ({"set_up_gbp": -5}, "set_up_gbp", "at least 0"),
        ({"setup_gbp": 5}, "key", "Did you mean set_up_gbp"),
        ({"running_gbp": "lots"}, "running_gbp", "must be a number"),
    ],
)
def test_bad_files_are_refused_by_file_key_and_allowed_values(changes, key, says):
    with pytest.raises(InputError) as error:
        parse_scenario(changed(**changes), "example.toml")
    assert "example.toml" in str(error.value)
    assert "first" in str(error.value)
    assert key in str(error.value)
    assert says in str(error.value)


@pytest.mark.unit
def test_files_that_are_not_scenarios(tmp_path):
    bad = tmp_path / "bad.toml"
    bad.write_text("name = ")
    with pytest.raises(InputError, match=r"bad\.toml is not valid TOML"):
        load_scenario(bad)
    with pytest.raises(InputError, match="no scenario file"):
        load_scenario(tmp_path / "none.toml")
    with pytest.raises(InputError, match="Did you mean payment_cut"):
        load_scenario("payment_cuts")
    with pytest.raises(InputError, match="host"):
        parse_scenario(GOOD | {"payment": {"rule": "capitation"}}, "example.toml")
    with pytest.raises(InputError, match="fixed_share"):
        row = {"icb_code": "Q", "provider_code": "R", "setting": "admitted", "pod": "elective", "source": "x"}
        row |= {"activity": 1, "cost_gbp": 1, "fixed_share": 0.7, "semi_fixed_share": 0.4}
        parse_scenario(GOOD | {"baseline": [row]}, "example.toml")


@pytest.mark.unit
@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("cost_gbp = 382,158", "line 2, cost_gbp: write 382,158 without £ and commas: 382158"),
        ("cost_gbp = £382,158  # from the ledger", "line 2, cost_gbp: write £382,158 without £ and commas: 382158"),
        ("cost_gbp = £1.2m", "line 2, cost_gbp: write £1.2m in full: 1200000"),
        ("effect = { low = 5%, high = 15% }", "line 2, effect: write 5% as 0.05, or as 5 where the key ends in _pct"),
        ("start = 2025-26", 'line 2, start: write 2025-26 in quotation marks: "2025-26"'),
        ("title = Mine", r"line 2, column 9\): 'title = Mine'"),
    ],
)
def test_numbers_as_people_write_them_are_told_by_line(tmp_path, line, says):
    path = tmp_path / "own.toml"
    path.write_text(f'name = "own"\n{line}\n', encoding="utf-8")
    with pytest.raises(InputError, match=says):
        load_scenario(path)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"running_gbp": float("nan")}, r"first: running_gbp must be a finite number, not nan"),
        ({"running_gbp": "£382,158"}, "without quotes, £ and commas: 382158"),
        ({"stay_share": 60}, "write 0.6 for 60 %"),
    ],
)
def test_numbers_that_are_none_are_refused(changes, says):
    with pytest.raises(InputError, match=says):
        parse_scenario(changed(**changes), "example.toml")
    check = {"kind": "displacement", "bed_days_closed": 1, "released_per_bed_day_gbp": 1, "displaced_share": 60}
    with pytest.raises(InputError, match=r"\[\[check\]\] 1, displacement: displaced_share is 60.*write 0.6"):
        run_checks(parse_scenario(GOOD | {"check": [check | {"out_of_area_per_bed_day_gbp": 1}]}, "example.toml"))


@pytest.mark.unit
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"horizon": 2020}, "before the base year, 2024"),
        ({"price_pct": "high"}, "80 % interval"),
        ({"non_demographic_pct": {"elective": {"low": 2, "high": 1}}}, r"non_demographic_pct\.elective: low"),
        ({"variants": {"principal": -1}}, "at least 0"),
        ({"prices_pct": 1}, "Did you mean price_pct"),
    ],
)
def test_bad_growth_assumptions_are_refused(changes, says):
    with pytest.raises(InputError, match=says) as error:
        parse_scenario(GOOD | {"demand": {"base_year": 2024, "horizon": 2030} | changes}, "example.toml")
    assert "example.toml, [demand]" in str(error.value)


@pytest.mark.unit
def test_identity_is_of_the_content():
    one, two = parse_scenario(GOOD, "a.toml"), parse_scenario(dict(reversed(GOOD.items())), "b.toml")
    assert one.identity == two.identity != parse_scenario(changed(effect=0.21), "a.toml").identity


@pytest.mark.unit
def test_schedule_and_dependence_by_hand():
    first, second = parse_scenario(GOOD, "example.toml").interventions
    # Half, full, then wearing off by 10 % a year, and gone after 2027-28.
    assert schedule(first, range(2023, 2030)) == pytest.approx([0, 0.5, 1.0, 0.9, 0.81, 0, 0])
    # The second could start in full in 2025-26; it is never further along than the first.
    assert levels([second, first], range(2023, 2030))[0] == pytest.approx([0, 0, 1.0, 0.9, 0.81, 0, 0])
    assert second.effect.mean == pytest.approx(0.3)


@pytest.mark.unit
def test_compounding_by_hand():
    # 20 % and then 30 % of what is left: 44 %, shared two to three.
    assert compound(np.array([[0.2], [0.3]])).ravel() == pytest.approx([0.176, 0.264])
    assert compound(np.array([[0.0], [0.0]])).ravel() == pytest.approx([0, 0])


@pytest.mark.property
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.randoms())
def test_compounding_never_exceeds_all_and_ignores_order(shares, random):
    column = np.array(shares)[:, None]
    together = compound(column)
    assert together.sum() <= 1 + 1e-9
    assert together.sum() == pytest.approx(1 - np.prod(1 - column))
    assert (together <= column + 1e-12).all()
    order = random.sample(range(len(shares)), len(shares))
    assert compound(column[order]) == pytest.approx(together[order])
