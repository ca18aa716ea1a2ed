"""What schemes mean for patients, carers and families, by fifth of deprivation; and partners of the NHS in a scheme."""

from __future__ import annotations

import copy
from typing import Any

import pandas as pd
import pytest
from test_scenario_people import FILE, PATIENTS, ROWS, local

from pathcost_lib import scenarios
from pathcost_lib.errors import InputError
from pathcost_lib.scenarios.change import families
from pathcost_lib.scenarios.change.localise import Local
from pathcost_lib.scenarios.scenario import Equity, parse_scenario, rebase

STATED = {"hours": 2.0, "hour_gbp": 10.0, "travel_gbp": 5.0, "source": "Made up"}
INCOMES = [16_000, 20_000, 32_000, 40_000, 64_000]
EQUITY = {"median_income_gbp": 32_000, "fifth_income_gbp": INCOMES, "source": "Made up"}
ROW = {
    "icb_code": "ICB", "provider_code": "TRUST", "setting": "admitted", "pod": "elective", "activity": 1000,
    "cost_gbp": 100_000, "fixed_share": 0.5, "semi_fixed_share": 0.0, "source": "Made up",
}  # fmt: skip


def own(*schemes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a file with a baseline of its own: schemes that differ from the one of `FILE` as stated."""
    base = FILE["intervention"][0]
    items = [copy.deepcopy(base) | {"name": f"s{n}", "title": f"S{n}"} | each for n, each in enumerate(schemes)]
    return FILE | {"baseline": [ROW], "intervention": items, "years": 3} | more


def set_up(content: dict[str, Any]) -> Local:
    return scenarios.localise(parse_scenario(content, "own.toml"), None, icb="", year="")


@pytest.mark.unit
def test_time_and_travel_follow_the_units_that_go_and_are_in_no_total() -> None:
    here = set_up(own({"effect": 0.1, "families": STATED}))
    table = families.by_year(here)
    assert table["financial_year"].tolist() == ["2025-26", "2026-27", "2027-28"]
    assert table["hours_saved"].tolist() == pytest.approx([200] * 3)  # 100 stays a year, two hours each
    assert table["time_gbp"].tolist() == pytest.approx([2000] * 3)
    assert table["families_gbp"].tolist() == pytest.approx([2500] * 3)
    impact, plain = (scenarios.system_impact(parse_scenario(c, "o")) for c in
                     (own({"effect": 0.1, "families": STATED}), own({"effect": 0.1})))  # fmt: skip
    pd.testing.assert_frame_equal(impact.table, plain.table)
    assert families.by_year(set_up(own({"effect": 0.1}))).empty and families.by_fifth(set_up(own({}))).empty
    (row,) = families.by_fifth(here).to_dict("records")
    assert row["fifth"] == "All" and row["families_gbp"] == pytest.approx(7500)
    assert row["cost_goes_gbp"] == pytest.approx(30_000)


@pytest.mark.unit
def test_two_schemes_on_the_same_stays_count_each_stay_once() -> None:
    # 20 % and 30 % are 44 %, of which two fifths belong to the first; what families give is a minus.
    both = own({"effect": 0.2, "families": STATED | {"hours": 1.0, "travel_gbp": 0.0}},
               {"effect": 0.3, "families": STATED | {"hours": 0.0, "hour_gbp": 0.0, "travel_gbp": -3.0}})  # fmt: skip
    table = families.by_year(set_up(both | {"years": 1, "realisation": 0.5}))
    together = 1 - 0.9 * 0.85
    assert table["time_gbp"].iloc[0] == pytest.approx(1000 * together * 0.4 * 10)
    assert table["travel_gbp"].iloc[0] == pytest.approx(-1000 * together * 0.6 * 3)
    moved = rebase(parse_scenario(both, "o"), "2023-24").interventions[0].families
    assert moved is not None and moved.hours == 1.0 and 9 < moved.hour_gbp < 10


@pytest.mark.unit
def test_fifths_are_those_of_the_patients_and_add_up_to_all() -> None:
    content = copy.deepcopy(FILE) | {"equity": EQUITY}
    content["intervention"][0]["families"] = STATED
    here = local(parse_scenario(content, "own.toml"))
    table = families.by_fifth(here).set_index("fifth")
    # By hand: tenths 1, 2 and 1 are p1, p2 and p5; p6 is of the fifth, p3 of the tenth; of p4 and p9 none is known.
    assert table["persons"].tolist() == [3, 0, 1, 0, 1, 2]
    assert table["cost_goes_gbp"].tolist() == pytest.approx([39 / 2, 0, 64 / 2, 0, 8 / 2, 144 / 2])
    assert table["families_gbp"].tolist() == pytest.approx([4 / 2 * 25, 0, 12.5, 0, 12.5, 25])
    people = PATIENTS.set_index("patient_id")["deprivation_decile"]
    of = ROWS.assign(fifth=ROWS["patient_id"].map(people)).dropna(subset="fifth")
    half = of.groupby((of["fifth"] + 1) // 2)["cost_pence"].sum() / 200
    known = table["cost_goes_gbp"].iloc[:5]
    assert known[known > 0].tolist() == pytest.approx(half.tolist())
    assert table["equity_weight"].iloc[:5].tolist() == pytest.approx([(32_000 / one) ** 1.3 for one in INCOMES])
    assert table["weighted_gbp"].iloc[0] == pytest.approx(50 * 2**1.3) and pd.isna(table["weighted_gbp"].iloc[5])
    impact = scenarios.system_impact(here.scenario, here.rows, year=here.year)
    assert table["cost_goes_gbp"].sum() == pytest.approx(impact.released["full_cost_gbp"].sum())
    assert table["families_gbp"].sum() == pytest.approx(families.by_year(here)["families_gbp"].sum())


@pytest.mark.oracle
def test_a_pound_at_half_the_median_weighs_two_and_a_half() -> None:
    # Green Book A3.20: Fujiwara (2010) has 2.5 for the lowest fifth; the formula gives it at half the median income.
    low, *_, high = families.equity_weights(Equity(20_000, (10_000, 15_000, 20_000, 25_000, 40_000)))
    assert round(low, 1) == 2.5 and high == pytest.approx(1 / low)
    for wrong in (Equity(20_000, (1.0,) * 4), Equity(0, (1.0,) * 5), Equity(1, (1.0, 1.0, 0.0, 1.0, 1.0))):
        with pytest.raises(InputError, match="five incomes, all above £0"):
            families.equity_weights(wrong)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (own({"families": STATED | {"hour_gbp": 0.0}}), "hours: goes with hour_gbp"),
        (own({"change": "shorten_stay", "families": STATED}), "no unit goes"),
        (own({}) | {"equity": EQUITY | {"fifth_income_gbp": [1, 2, 3, 4]}}, "has 4 incomes; there are five fifths"),
        (own({}) | {"equity": EQUITY | {"fifth_income_gbp": [0, 2, 3, 4, 5]}}, "must be above £0"),
    ],
)
def test_what_is_not_allowed_is_told(content: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_scenario(content, "own.toml")


@pytest.mark.unit
def test_partners_take_part_with_their_own_costs() -> None:
    # People in crisis are met by a voluntary organisation that the council pays; police stay 300 hours less.
    police = ROW | {"icb_code": "COUNCIL", "provider_code": "POLICE", "setting": "police", "pod": "police_hour"}
    scheme = {
        "change": "move", "effect": 0.3, "select": {"pod": ["police_hour"]},
        "to": {"provider_code": "CHARITY", "setting": "voluntary_sector", "pod": "voluntary_sector_contact",
               "unit_cost_gbp": 20, "price_gbp": 25},
    }  # fmt: skip
    names = {"POLICE": "Police", "CHARITY": "Charity", "COUNCIL": "Council"}
    content = own(scheme, years=1, names=names) | {"baseline": [police | {"fixed_share": 0.2}]}
    matrix = scenarios.system_impact(parse_scenario(content, "own.toml")).matrix()["total"]
    # £100 an hour is no longer paid for 300 hours, £80 of it goes; 300 contacts at £20 are paid at £25.
    assert matrix.round(6).to_dict() == {
        "CHARITY": 1_500, "COUNCIL": 30_000 - 7_500, "POLICE": 24_000 - 30_000, "total": 24_000 - 6_000,
    }  # fmt: skip
