"""The scenarios that come with the suite: each pound from its source, no doubt left, and what each comes to by hand."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from system_steps import steps

from pathcost_lib import paths, scenarios
from pathcost_lib.codes import SCHEME_PODS
from pathcost_lib.errors import InputError
from pathcost_lib.scenarios import list_scenarios, load_scenario, run_checks, simulate, system_impact
from pathcost_lib.scenarios.change import portfolio, words
from pathcost_lib.scenarios.change.check_words import answers, checks_finding, checks_message
from pathcost_lib.scenarios.scenario import parse_scenario
from pathcost_lib.scenarios.scenario_doubts import check_scenario
from pathcost_lib.sources.toml_files import read_toml

TODAY = dt.date(2026, 5, 1)
#: The five schemes of the articles: who is shown, and what each gains over all years at mean effects.
FIVE: dict[str, dict[str, float]] = {
    "nursing_homes": {"ICB": 2_766_910, "TRUST": -1_064_998, "AMBULANCE": -164_800},
    "bed_closure": {"ICB": 6_602_850, "TRUST": -9_723_408, "ELSEWHERE": 0},
    "virtual_fracture_clinic": {"ICB": 289_179, "TRUST": -119_129},
    "shared_payroll": {"SMALL": 623_600, "LARGE": 270_000},
    "same_admissions": {"ICB": 37_632_960, "TRUST": -16_690_720, "COMMUNITY": 1_098_240},
}


def content(name: str) -> dict[str, Any]:
    return dict(read_toml(paths.scenarios() / f"{name}.toml", "scenario"))


@pytest.mark.unit
@pytest.mark.parametrize("name", list_scenarios())
def test_a_shipped_file_leaves_no_doubt(name):
    assert check_scenario(paths.scenarios() / f"{name}.toml", today=TODAY)[1] == []


@pytest.mark.oracle
@pytest.mark.parametrize("name", list_scenarios())
def test_each_cost_of_a_baseline_is_its_source_s_unit_cost_times_its_activity(name):
    stated = 0
    for row in content(name).get("baseline", []):
        unit = re.search(r"£([\d,]+(?:\.\d+)?) an? (?!session)", row["source"])
        if unit:
            assert row["cost_gbp"] == pytest.approx(row["activity"] * float(unit[1].replace(",", "")), abs=1), row[
                "pod"
            ]
            stated += 1
        assert unit or "llustrative" in row["source"], f"{row['pod']}: neither a unit cost nor marked illustrative"
        assert SCHEME_PODS[row["pod"]].setting == row["setting"]
    assert stated or name in {"payment_cut"} or not content(name).get("baseline")


@pytest.mark.oracle
def test_the_homes_have_the_admissions_that_their_attendances_become():
    # Wolters et al., July 2019: 0.98 attendances and 0.70 admissions a resident; Brown, 2018: 28 homes, 15 %.
    rows = load_scenario("nursing_homes").baseline.set_index("pod")
    assert rows.loc["non_elective", "activity"] == pytest.approx(rows.loc["ae_type1", "activity"] * 0.70 / 0.98)
    assert rows.loc["ae_type1", "activity"] / 28 == 50
    visits, admissions = load_scenario("nursing_homes").interventions
    assert visits.effect.mean == pytest.approx(0.15) and admissions.effect.parameters == (0.0, 0.23)
    # Visits alone lose money; with the admissions the homes pay. Second year, by hand: an admission's fifth that is
    # variable, two whole steps of 5 % of the semi-fixed two fifths, and an eighth of last year's fixed cost.
    impact = system_impact(load_scenario("nursing_homes"))
    of = impact.matrix("2028-29").loc["total"]
    admitted = 5_132_000 * (0.115 * 0.2 + 0.10 * 0.4 + 0.0575 * 0.4 / 8)
    assert of["fewer_admissions"] == pytest.approx(admitted)
    assert impact.matrix().loc["total", "one_gp_a_home"] < 0 < impact.matrix().loc["total", "total"]


@pytest.mark.oracle
def test_a_closed_ward_loses_past_its_break_even_displacement():
    # £651 a bed day (NCC 2023/24: £4,860.9m / 7,463,508); 55 % of it goes with the ward; £750 out of area.
    assert round(4_860.9e6 / 7_463_508) == 651
    scenario = load_scenario("bed_closure")
    impact = system_impact(scenario)
    closed, goes = 6570, 0.55 * 651
    assert impact.system["2028-29"] == pytest.approx(closed * (goes - 0.6 * 750))
    matrix = impact.matrix("2028-29")["total"]
    assert matrix["ICB"] == pytest.approx(closed * (651 - 0.6 * 750))
    assert matrix["TRUST"] == pytest.approx(closed * (goes - 651))
    checks = run_checks(scenario).set_index("measure")["value"]
    assert checks["net saving"] == pytest.approx(impact.system["2028-29"], rel=0.001)  # £358 is 55 % of £651, rounded
    # At the break-even share of the check, the system neither gains nor loses (but for the set-up).
    (ward,) = scenario.interventions
    even = checks["break-even displacement"] / 100
    at = replace(ward, to=replace(ward.to, units_per_unit=even, units=None))
    assert system_impact(replace(scenario, interventions=(at,))).system["2028-29"] == pytest.approx(0, abs=500)


@pytest.mark.unit
def test_what_turns_up_elsewhere_is_drawn_and_its_mean_is_the_central_case():
    scenario = load_scenario("bed_closure")
    result = simulate(scenario, draws=20_000, rng=3)
    central = scenarios.net_present_value(system_impact(scenario).system.to_numpy(), "green_book")
    assert result.table.set_index("organisation").loc["system", "mean_gbp"] == pytest.approx(central, rel=0.02)
    # The system loses where more than 47.7 % turns up; drawn around 60 % with 40 to 80 % as the 80 % interval.
    loss = result.table.set_index("organisation").loc["system", "probability_of_loss"]
    assert loss == pytest.approx(0.79, abs=0.03)
    table = scenarios.sensitivity(scenario)
    assert table["intervention"].tolist() == ["close_a_ward, units"]
    net = [system_impact(_placed(scenario, share)).system.to_numpy() for share in (0.4, 0.8)]
    low, high = (float(scenarios.net_present_value(flow, "green_book")) for flow in net)
    assert table.loc[0, ["low_gbp", "high_gbp"]].tolist() == pytest.approx([low, high])


def _placed(scenario, share):
    (ward,) = scenario.interventions
    return replace(scenario, interventions=(replace(ward, to=replace(ward.to, units_per_unit=share, units=None)),))


@pytest.mark.oracle
def test_who_hosts_a_payroll_and_who_gains_year_by_year():
    # 36,000 payslips of £11 move to the large trust: a further one costs it £3.50, and it charges £5.
    impact = system_impact(load_scenario("shared_payroll"))
    small, large = (impact.matrix(year)["total"] for year in ("2027-28", "2028-29"))
    run = 36_000 * 5.0
    goes = 396_000 * 0.6  # variable and semi-fixed at once; the fixed two fifths in the exit year
    assert small["SMALL"] == pytest.approx(goes - run - 40_000 - 198_000)
    assert large["SMALL"] == pytest.approx(396_000 - run - 60_000)
    for year in impact.financial_years:
        assert impact.matrix(year).loc["LARGE", "total"] == pytest.approx(36_000 * 1.5)
    assert impact.system["2027-28"] < 0 < impact.system["2028-29"]
    # Hosted by the small one, more payslips move, and the system gains less.
    other = system_impact(load_scenario("shared_payroll_small_host"))
    assert 0 < other.system.sum() < impact.system.sum()
    rows = load_scenario("shared_payroll").baseline
    assert rows["activity"].tolist() == [12 * 3000, 12 * 10_000]


@pytest.mark.oracle
def test_two_plans_that_claim_the_same_admissions_are_one_pound_once():
    scenario = load_scenario("same_admissions")
    impact = system_impact(scenario)
    paid = impact.table.query("component == 'variable_released' and financial_year == '2027-28'")["impact_gbp"].sum()
    assert paid == pytest.approx(0.44 * 20_528_000 * 0.2)  # 20 % and 30 % of what is left: 44 %, not 50 %
    local = scenarios.localise(scenario, None, icb="", year="")
    table = scenarios.side_by_side([local]).table.set_index("scenario")
    assert table.loc["All together", "together_gbp"] == pytest.approx(impact.system.sum())
    assert table.loc["All together", "alone_gbp"] == pytest.approx(table["alone_gbp"].iloc[:2].sum())
    assert (table["difference_gbp"] > 0).all()
    register = steps(local).tables["register"]
    assert (register["claiming_organisations"] == 2).all() and (register["claimed_gbp"] > register["system_gbp"]).all()


@pytest.mark.regression
@pytest.mark.parametrize("name", FIVE)
def test_the_five_schemes_of_the_articles(name):
    position = system_impact(load_scenario(name)).by_organisation().set_index("organisation")["impact_gbp"]
    assert position.to_dict() == pytest.approx(FIVE[name], abs=1)


@pytest.mark.unit
@pytest.mark.parametrize("name", FIVE)
def test_each_of_the_five_is_answered_first(name):
    local = scenarios.localise(load_scenario(name), None, icb="", year="")
    worth = steps(local).tables["worth"].rename(columns=str)
    text = words.savings_message(worth, title=local.asked.title, area="A", years=5, buyer=local.buyer)
    assert "Not computable" not in text and re.search("The system (gains|may gain or lose)", text)
    assert ("he commissioner" in text) == (name != "shared_payroll")


# -- files of ready calculations only ---------------------------------------------------------------------------------
@pytest.mark.unit
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("merger", "Ceiling, the whole back office: £44.0m a year (11% of turnover)."),
        ("pathology", "Unit cost at 50% of capacity: £3.00. Delivered, of the middle: 53% (the realisation"),
        ("growth", "Cost added to the system if all grow: £4.00m a year (nobody's loss pays for it)."),
        ("contract_withdrawal", "Change if it leaves: −£800k a year. Change if it leaves: £500k a year."),
        ("shared_service", "Payback: 2.8 years."),
        ("bed_closure", "Net saving: −£604k a year (the closure costs more than it saves)."),
        ("virtual_fracture_clinic", "Clinician time freed: 825 hours a year (net of the time that the review takes)."),
    ],
)
def test_ready_calculations_are_answered_in_words(name, said):
    checks = run_checks(load_scenario(name))
    text = checks_message(checks, title="T")
    assert text.startswith(f"T. {said}") and "Not computable" not in text
    finding = checks_finding(checks, title="T")
    assert finding.headline is not None and finding.headline.number in text
    assert (
        words.savings_message(pd.DataFrame({"not_computable": ["-"]}), title="T", area="A", years=5, checks=checks)
        == text
    )


@pytest.mark.unit
def test_a_payback_that_never_comes_is_said():
    checks = run_checks(load_scenario("shared_service")).assign(value=np.nan)
    assert answers(checks)["said"].tolist() == ["not within fifty years"]


# -- stacked ----------------------------------------------------------------------------------------------------------
@pytest.mark.unit
def test_a_stack_keeps_each_file_s_rows_realisation_and_optimism(tmp_path: Path):
    first, second = load_scenario("nursing_homes"), load_scenario("same_admissions")
    second = replace(second, realisation=0.5, optimism_bias_pct=10.0)
    whole = portfolio.stack([first, second])
    together, alone = system_impact(whole), [system_impact(each) for each in (first, second)]
    # No row is in both files: variable cost and programme cost are the sum. (Semi-fixed steps are of the provider.)
    sums = [i.table.groupby("component")["impact_gbp"].sum() for i in (together, *alone)]
    for component in ("variable_released", "programme_cost", "payment", "cost_at_destination"):
        parts = [part.get(component, 0.0) for part in sums]
        assert parts[0] == pytest.approx(sum(parts[1:]), abs=0.01), component
    # The same file twice is the same rows: two schemes of 25 % on one ward are 43.75 %, and names differ.
    ward = load_scenario("bed_closure")
    twice = portfolio.stack([ward, ward])
    assert [i.name for i in twice.interventions] == ["bed_closure_0_close_a_ward", "bed_closure_1_close_a_ward"]
    gone = system_impact(twice).released.query("financial_year == '2028-29'")["full_cost_gbp"].sum()
    assert gone == pytest.approx(0.4375 * 17_108_280)


@pytest.mark.unit
def test_what_cannot_be_stacked_is_told(tmp_path: Path):
    homes, cut = load_scenario("nursing_homes"), load_scenario("payment_cut")
    with pytest.raises(InputError, match=r"different years \(2017-18, 2023-24\): use rebase"):
        portfolio.stack([homes, cut])
    other = replace(homes, baseline=homes.baseline.assign(activity=homes.baseline["activity"] + 1))
    with pytest.raises(InputError, match=r"state A&E, major department of TRUST differently.*another currency_code"):
        portfolio.stack([homes, other])
    set_here = [scenarios.localise(each, None, icb="", year="") for each in (homes, other)]
    side = scenarios.side_by_side(set_here)
    assert side.note.startswith("Not added up: ") and len(side.table) == 2 and side.table["together_gbp"].isna().all()
    nothing = scenarios.localise(load_scenario("bed_closure"), None, icb="", year="")
    nothing = replace(nothing, scenario=replace(nothing.scenario, interventions=()))
    side = scenarios.side_by_side([set_here[0], nothing])
    assert side.note.startswith("Beds closed, patients placed out of area is left out: ")
    with pytest.raises(InputError, match="None of the scenarios can be worked out"):
        scenarios.side_by_side([nothing])


# -- what finance tracks ----------------------------------------------------------------------------------------------
@pytest.mark.unit
def test_control_totals_payment_at_risk_and_attribution_of_the_two_plans():
    local = scenarios.localise(load_scenario("same_admissions"), None, icb="", year="")
    view = steps(local)
    assert view.impact is not None
    first = view.impact.matrix("2027-28")["total"]
    totals = view.tables["totals"].set_index("organisation")
    lost = 20_528_000 * 0.01 * (1 - 0.6)
    assert totals.loc["Trust", "at_risk_gbp"] == pytest.approx(-lost)
    assert totals.loc["Trust", "after_gbp"] == pytest.approx(500_000 - lost + first["TRUST"])
    assert totals.loc["System", "after_gbp"] == pytest.approx(totals["after_gbp"].drop("System").sum())
    assert totals["met"].to_dict() == {"ICB": "yes", "Trust": "no", "Community provider": "yes", "System": "no"}
    claims = view.tables["claimed"].set_index(["scheme", "organisation"])
    # The commissioner claims what the trust delivers: it releases no cost of its own.
    assert claims.loc[("Virtual ward", "ICB"), "delivered_gbp"] == 0
    released = view.impact.table[view.impact.table["component"].str.endswith("_released")]
    by_trust = released.query("organisation == 'TRUST' and intervention == 'same_day_care'")["impact_gbp"].sum()
    assert claims.loc[("Same-day emergency care", "Trust"), "delivered_gbp"] == pytest.approx(by_trust)
    assert view.tables["register"]["claimed_gbp"].tolist() == [21_700_000, 44_800_000]


@pytest.mark.unit
def test_plan_and_delivery_month_by_month():
    local = scenarios.localise(load_scenario("same_admissions"), None, icb="", year="")
    table = steps(local).tables["delivery"]
    assert table["delivered_so_far_pct"].round(6).tolist()[:2] == [40.0, 60.0] and table.isna().any(axis=1).tolist()[2]
    assert (table["owner"] == "Community provider").all() and table["recurrent"].tolist() == ["yes", "no", "yes"]
    none = steps(scenarios.localise(load_scenario("bed_closure"), None, icb="", year="")).tables
    assert all("not_stated" in none[name] for name in ("totals", "delivery"))


@pytest.mark.unit
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"claim": [{"scheme": "x", "organisation": "ICB", "programme": "QIPP", "claim_gbp": 1}]},
            "scheme 'x'|'x' is not",
        ),
        (
            {"claim": [{"scheme": "virtual_ward", "organisation": "X", "programme": "QIPP", "claim_gbp": 1}]},
            "'X' is not known",
        ),
        (
            {"position": [{"organisation": "TRUST", "control_total_gbp": 0, "position_gbp": 0}]},
            "no row for COMMUNITY, ICB, which the schemes touch",
        ),
        ({"delivery": [{"scheme": "virtual_ward", "month": "2027-13", "planned_gbp": 1}]}, "a month like 2027-04"),
    ],
)
def test_what_finance_tracks_is_checked(changes, said):
    with pytest.raises(InputError, match=said):
        parse_scenario(content("same_admissions") | changes, "same_admissions.toml")
