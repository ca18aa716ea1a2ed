"""Who saves and who bears: the seed example, worked examples, and the laws that hold for any system."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathcost_lib.errors import InputError
from pathcost_lib.results import NotComputable
from pathcost_lib.scenarios import (
    GainShareTerms,
    Release,
    acceptable_share,
    flexible_budget,
    gain_share,
    load_scenario,
    outpatient_checks,
    run_checks,
    scheme_register,
    settlement,
    stranded_cost,
    system_impact,
    transition_payment,
)
from pathcost_lib.scenarios.change.interventions import Destination, Intervention
from pathcost_lib.scenarios.change.model import PaymentRule
from pathcost_lib.scenarios.change.release import semi_fixed_released
from pathcost_lib.scenarios.change.sharing import payment_at_risk
from pathcost_lib.scenarios.change.system import compare, control_totals
from pathcost_lib.scenarios.draws import Distribution
from pathcost_lib.sources.engine import connect

# -- the seed example -------------------------------------------------------------------------------------------------


@pytest.mark.oracle
def test_seed_example_exactly():
    # Brown, HFMA, March 2018: payment cut £1.0m, variable £0.5m.
    impact = system_impact(load_scenario("payment_cut"))
    first = impact.by_organisation("2027-28").set_index("organisation")["impact_gbp"]
    assert first.to_dict() == {"commissioner": 1_000_000, "provider": -500_000}
    assert impact.system["2027-28"] == 500_000
    # £0.5m is left behind and worked off over four years; the transition payment covers exactly that.
    assert impact.released["stranded_fixed_gbp"].tolist() == [500_000, 375_000, 250_000, 125_000, 0]
    transfers = transition_payment(impact).set_index(["organisation", "financial_year"])
    assert transfers.loc["provider", "transfer_gbp"].tolist() == [500_000, 375_000, 250_000, 125_000, 0]
    assert (transfers["after_gbp"] >= 0).all()
    assert transfers.groupby("financial_year")["transfer_gbp"].sum().tolist() == [0] * 5
    assert stranded_cost(1e6, 5e5, years=5, over=4).total_gbp == impact.released["stranded_fixed_gbp"].sum()


@pytest.mark.unit
def test_payment_rules_move_the_burden_not_the_total():
    scenario = load_scenario("payment_cut")
    for rule, commissioner in [("block", 0), ("activity", 1e6), ("blended", 0)]:
        position = system_impact(scenario, payment=rule).by_organisation("2027-28")
        assert position["impact_gbp"].tolist() == [commissioner, 500_000 - commissioner]
    half = PaymentRule("blended", {"non_elective": 0.2})  # the 2019/20 blended emergency payment: 20 % variable
    assert system_impact(scenario, payment=half).by_organisation("2027-28")["impact_gbp"].tolist() == [200_000, 300_000]
    table = compare(*(system_impact(scenario, payment=rule) for rule in ("block", "activity")))
    assert table["net_gbp"].tolist() == [3_750_000, 3_750_000]
    assert table["worse_off"].tolist() == ["nobody", "provider"]
    host = PaymentRule("capitation", host="alliance")
    position = system_impact(scenario, payment=host).by_organisation("2027-28").set_index("organisation")
    assert position["impact_gbp"].to_dict() == {"alliance": 1e6, "commissioner": 0, "provider": -500_000}
    with pytest.raises(InputError, match="host"):
        system_impact(scenario, payment="capitation")
    with pytest.raises(InputError, match="Allowed: activity, blended, block, capitation"):
        system_impact(scenario, payment="barter")


# -- release of cost --------------------------------------------------------------------------------------------------


@pytest.mark.unit
def test_semi_fixed_steps_by_hand():
    # 950 contacts in clinics of 100 are ten clinics at £1,000. 40 fewer frees none; 60 fewer frees one, of which no
    # more than the cost of 60 contacts (6.3 % of £10,000) is counted; 130 fewer frees one; 60 more need one more.
    gone = np.array([40, 60, 130, -60]) / 950
    assert semi_fixed_released(gone, 10_000, 9.5) == pytest.approx([0, 10_000 * 60 / 950, 1000, -1000])
    assert semi_fixed_released(0.12, 100.0, 20.0) == pytest.approx(10)  # two whole steps of 5 %


@pytest.mark.unit
def test_flexible_budget_by_hand():
    # Fixed 600, semi-fixed 200 in steps of 50, variable 2 each: growth lowers the average and raises the total.
    table = flexible_budget(
        [100, 120], base_activity=100, fixed_gbp=600, semi_fixed_gbp=200, variable_gbp=200, step=50
    ).set_index("activity")
    assert table.loc[100, "total_gbp"] == 1000
    assert table.loc[120, "total_gbp"] == 600 + 300 + 240
    assert table["average_gbp"].tolist() == [10, 9.5]
    assert table["unused_capacity_pct"].tolist() == pytest.approx([0, 20])


@pytest.mark.oracle
def test_unused_capacity_as_published():
    # Kaplan and Anderson, "Time-Driven Activity-Based Costing", HBR, November 2004: 700,000 minutes of practical
    # capacity cost $560,000, 578,600 are used: 121,400 unused minutes at $0.80 are $97,120.
    table = flexible_budget(
        [578_600], base_activity=700_000, fixed_gbp=0, semi_fixed_gbp=560_000, variable_gbp=0, step=700_000
    )
    assert 560_000 * table["unused_capacity_pct"][0] / 100 == pytest.approx(97_120)


@pytest.mark.unit
def test_stranded_cost_ends_at_exit():
    result = stranded_cost(100, 40, years=4, exit_after=2)
    assert result.table["stranded_gbp"].tolist() == [60, 60, 0, 0]
    assert result.table["released_gbp"].tolist() == [40, 40, 100, 100]


# -- laws, for any system ---------------------------------------------------------------------------------------------

share = st.floats(0, 1)


@st.composite
def systems(draw):
    """A small system: cells of three providers and two ICBs, and one to five interventions on overlapping PODs."""
    cells = []
    for icb in ("A", "B"):
        for provider in ("P", "Q", "R"):
            for setting, pod in (("outpatient", "outpatient_first"), ("admitted", "elective")):
                cost = draw(st.floats(1, 1e6))
                fixed, semi = draw(share), draw(share)
                fixed, semi = fixed * (1 - semi), semi
                cells.append(
                    (icb, provider, setting, pod, draw(st.integers(1, 10_000)), cost, fixed * cost, semi * cost)
                )
    columns = ["icb_code", "provider_code", "setting", "pod", "activity", "cost_gbp", "fixed_gbp", "semi_fixed_gbp"]
    frame = pd.DataFrame(cells, columns=columns)
    frame["variable_gbp"] = frame["cost_gbp"] - frame["fixed_gbp"] - frame["semi_fixed_gbp"]
    interventions = []
    for number in range(draw(st.integers(1, 5))):
        change = draw(st.sampled_from(["avoid", "move", "shorten_stay"]))
        select = draw(
            st.sampled_from(
                [
                    {"pod": ("elective",)},
                    {"setting": ("outpatient",)},
                    {"icb_code": ("A",)},
                    {"provider_code": ("P", "Q")},
                ]
            )
        )
        to = Destination(draw(st.sampled_from([None, "R", "S"])), "community", "community_contact", 10.0, 12.0, 2.0)
        interventions.append(
            Intervention(
                f"i{number}", "", "", "weak", change, select, Distribution("fixed", (draw(share),)),
                start=2024 + draw(st.integers(0, 2)),
                ramp=tuple(sorted(draw(st.lists(share, min_size=1, max_size=3)))),
                to=to if change == "move" else None,
                stay_share=draw(share) if change == "shorten_stay" else 1.0,
                stranded_years=draw(st.sampled_from([None, 1, 3])),
                exit_year=draw(st.sampled_from([None, 2026])),
                running_gbp=100.0,
            )
        )  # fmt: skip
    return interventions, frame


laws = settings(max_examples=20)
YEARS = range(2024, 2028)


def impact_of(system, **options):
    return system_impact(system[0], system[1], years=YEARS, **options)


@pytest.mark.property
@laws
@given(systems())
def test_transfers_add_to_nil_and_everything_adds_up(system):
    impact = impact_of(system)
    scale = system[1]["cost_gbp"].sum()
    payments = impact.table[impact.table["component"] == "payment"]["impact_gbp"].sum()
    assert payments == pytest.approx(0, abs=1e-9 * scale)
    matrix = impact.matrix()
    body = matrix.drop(index="total", columns="total")
    assert matrix.loc["total", "total"] == pytest.approx(body.to_numpy().sum(), abs=1e-6)
    assert impact.system.sum() == pytest.approx(matrix.loc["total", "total"], abs=1e-6)
    assert impact.waterfall["running_gbp"].iloc[-1] == pytest.approx(impact.system.sum(), abs=1e-6)
    r = impact.released
    parts = [c for c in r.columns if c.endswith("_gbp") and c != "full_cost_gbp"]
    assert r[parts].sum(axis=1).to_numpy() == pytest.approx(r["full_cost_gbp"].to_numpy(), abs=1e-6)
    assert (r[parts] >= -1e-6).all().all()


@pytest.mark.slow
@pytest.mark.property
@laws
@given(systems(), st.floats(0, 1))
def test_system_effect_does_not_depend_on_payment_rule_or_deal(system, deal):
    rules = [
        "block",
        "activity",
        "blended",
        PaymentRule("blended", {"elective": 0.3}),
        PaymentRule("capitation", host="P"),
    ]
    impacts = [impact_of(system, payment=rule) for rule in rules]
    for other in impacts[1:]:
        assert other.system.to_numpy() == pytest.approx(impacts[0].system.to_numpy(), abs=1e-5)
    benchmark = len(YEARS) * system[1]["cost_gbp"].sum()  # of as many years as the saving: spend is not negative
    paid = gain_share(benchmark, benchmark - impacts[0].system.sum(), GainShareTerms(deal))
    commissioner, provider = impacts[0].system.sum() - paid, paid
    assert commissioner + provider == pytest.approx(impacts[0].system.sum())


@pytest.mark.property
@laws
@given(systems())
def test_never_saves_more_than_the_cost_in_scope(system):
    interventions, cells = system
    free = [dataclasses.replace(i, running_gbp=0.0, to=None, change="avoid", stay_share=1.0) for i in interventions]
    impact = impact_of((free, cells))
    chosen = pd.Series(False, index=cells.index)
    for i in free:
        mask = pd.Series(True, index=cells.index)
        for column, values in i.select.items():
            mask &= cells[column].isin(values)
        chosen |= mask
    scope = cells.loc[chosen, "cost_gbp"].sum()
    assert (impact.system <= scope * (1 + 1e-9)).all()
    assert (impact.released.groupby("financial_year")["full_cost_gbp"].sum() <= scope * (1 + 1e-9)).all()


@pytest.mark.slow
@pytest.mark.property
@laws
@given(systems(), st.randoms())
def test_order_of_interventions_does_not_matter(system, random):
    interventions, cells = system
    again = impact_of((random.sample(interventions, len(interventions)), cells))
    once = impact_of(system)
    pd.testing.assert_frame_equal(once.matrix(), again.matrix()[once.matrix().columns], rtol=1e-9, atol=1e-6)


@pytest.mark.property
@laws
@given(systems())
def test_transition_payment_leaves_nobody_worse_off(system):
    transfers = transition_payment(impact_of(system))
    if isinstance(transfers, NotComputable):
        return
    assert transfers["transfer_gbp"].sum() == pytest.approx(0, abs=1e-5)
    assert (transfers["after_gbp"] >= -0.01).all()


# -- from a ledger ----------------------------------------------------------------------------------------------------


def ledger_rows() -> pd.DataFrame:
    rows = pd.DataFrame(
        {
            "icb_code": "QHL",
            "provider_code": ["RRK", "RRK", "RXK", "RXK"],
            "setting": "admitted",
            "pod": ["elective", "elective", "elective", "day_case"],
            "currency_code": ["HN22A", "LB10C", "HN22A", "HN22A"],
            "financial_year": "2024-25",
            "units": 1,
            "cost_pence": pd.array([1_000_00, 500_00, None, 200_00], dtype="Int64"),
        }
    )
    rows["fixed_pence"] = rows["cost_pence"] // 2
    rows["semi_fixed_pence"] = 0 * rows["cost_pence"]
    rows["variable_pence"] = rows["cost_pence"] - rows["fixed_pence"]
    return rows


@pytest.mark.unit
def test_ledger_in_an_engine_with_overlapping_selections():
    common = {"title": "", "source": "", "evidence": "weak", "change": "avoid", "start": 2024}
    knees = Intervention(
        "knees", select={"currency_code_prefix": ("HN",)}, effect=Distribution("fixed", (0.2,)), **common
    )
    all_el = Intervention("elective", select={"pod": ("elective",)}, effect=Distribution("fixed", (0.5,)), **common)
    ledger = connect().register("ledger", ledger_rows())
    impact = system_impact([knees, all_el], ledger, payment="block", years=[2024])
    # RRK: knees £1,000 under both (60 % goes), LB10C £500 under one (50 %); half is variable. RXK's elective: no cost.
    by_hand = 0.5 * (0.6 * 1000 + 0.5 * 500)
    matrix = impact.matrix()
    assert matrix.loc["RRK", "total"] == pytest.approx(by_hand)
    assert matrix.loc["RRK", "knees"] == pytest.approx(0.5 * 1000 * 0.6 * 0.2 / 0.7)
    assert matrix.loc["RXK", "total"] == pytest.approx(0.5 * 0.2 * 200)
    assert impact.summary.endswith("1 units selected have no cost.")


@pytest.mark.unit
def test_ledger_mistakes_are_said_plainly():
    nothing = Intervention(
        "none", "", "", "weak", "avoid", {"provider_code": ("RZZ",)}, Distribution("fixed", (0.5,)), start=2024
    )
    with pytest.raises(InputError, match="'none' selects no activity"):
        system_impact([nothing], ledger_rows())
    with pytest.raises(InputError, match="no column provider_code"):
        system_impact([nothing], ledger_rows().drop(columns="provider_code"))
    with pytest.raises(InputError, match="2023-24, 2024-25"):
        two = pd.concat([ledger_rows(), ledger_rows().assign(financial_year="2023-24")])
        system_impact([nothing], two)
    with pytest.raises(InputError, match="no baseline"):
        system_impact([nothing])


# -- sharing ----------------------------------------------------------------------------------------------------------


@pytest.mark.oracle
def test_gain_share_under_published_rules():
    # 42 CFR 425.604 (one-sided): minimum savings rate met, half of the saving from the first dollar, scaled by quality,
    # at most 10 % of the benchmark. Benchmark 100m, minimum 3 %.
    terms = GainShareTerms(0.5, minimum_rate=0.03, cap_rate=0.10)
    actual = np.array([98.0, 97.0, 95.0, 70.0])
    assert gain_share(100.0, actual, terms).tolist() == [0, 1.5, 2.5, 10.0]
    assert gain_share(100.0, 95.0, terms, quality=0.8) == pytest.approx(2.0)
    # 425.606 (two-sided): 60 % of savings; losses beyond the minimum shared from the first dollar, capped.
    two = GainShareTerms(0.6, minimum_rate=0.02, loss_share=0.4, loss_cap_rate=0.05)
    assert gain_share(100.0, [101.0, 110.0, 130.0], two).tolist() == pytest.approx([0, -4.0, -5.0])
    above = GainShareTerms(0.5, minimum_rate=0.03, basis="over_threshold", quality_gate=0.7)
    assert gain_share(100.0, 95.0, above) == pytest.approx(1.0)
    assert gain_share(100.0, 95.0, above, quality=0.6) == 0
    with pytest.raises(InputError, match="first_pound"):
        GainShareTerms(0.5, basis="last_pound")


@pytest.mark.unit
def test_a_share_that_both_accept():
    # The seed example: the provider needs at least half of the commissioner's £1.0m, the commissioner can give it all.
    found = acceptable_share(1.0, -0.5)
    assert (found.low, found.high, found.middle) == (0.5, 1.0, 0.75)
    assert isinstance(acceptable_share(1.0, -0.5, commissioner_minimum_gbp=0.6), NotComputable)
    assert isinstance(acceptable_share(-1.0, 2.0), NotComputable)
    deal = settlement({"commissioner": 1.0, "provider": -0.5, "community": -0.2}, {"community": 0.05})
    assert deal["transfer_gbp"].sum() == pytest.approx(0)
    assert deal["after_gbp"].tolist() == pytest.approx([0.25 / 3, 0.25 / 3, 0.05 + 0.25 / 3])
    assert not settlement({"a": 1.0, "b": -2.0})
    assert payment_at_risk(1_000_000, 1.0, 0.6) == pytest.approx(4000)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda: gain_share([100.0, 100.0], [95.0, np.nan], GainShareTerms(0.5)),
            "actual_gbp: value 2 of 2 is missing",
        ),
        (lambda: gain_share(100.0, 95.0, GainShareTerms(0.5), quality=80), "quality .share.: value 1 of 1 is above 1"),
        (lambda: gain_share([100.0, 100.0], [1.0, 2.0, 3.0], GainShareTerms(0.5)), "cannot be computed"),
        (lambda: GainShareTerms(50), "write 0.5 for 50 %"),
        (lambda: GainShareTerms(0.5, cap_rate=10), "cap_rate is 10"),
        (lambda: acceptable_share(np.nan, 1.0), "commissioner_gbp is nan"),
        (lambda: settlement({"a": 1.0, "b": np.nan}), "positions_gbp, b is nan"),
        (lambda: settlement({"a": 1.0, "b": 2.0}, {"c": 1.0}), "Allowed: a, b"),
        (lambda: payment_at_risk(1e6, 0.01, 0.6), "write 1 for 0.01"),
        (lambda: payment_at_risk(1e6, 1.0, 60), "write 0.6 for 60 %"),
        (lambda: stranded_cost(100, np.nan, years=4), "released_gbp is nan"),
        (lambda: PaymentRule("blended", {"elctive": 0.2}), "Did you mean elective"),
        (lambda: PaymentRule(payment_to_cost=80), "at most 5"),
        (lambda: Release(0.05), "write 5 for 0.05"),
        (lambda: Release(capacity={"elective": 0}), "more than 0"),
    ],
)
def test_missing_amounts_and_per_cents_for_shares_are_refused(call, says):
    with pytest.raises(InputError, match=says):
        call()


@pytest.mark.unit
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"cost_gbp": np.nan}, "cost_gbp must be a number"),
        ({"activity": -1.0}, "activity must not be negative"),
        ({"fixed_gbp": 0.0}, "must add up to cost_gbp"),
        ({"pod": "electve"}, "Did you mean elective"),
        ({"provider_code": None}, "provider_code must be given"),
    ],
)
def test_a_baseline_with_gaps_is_refused(changes, says):
    scenario = load_scenario("payment_cut")
    with pytest.raises(InputError, match=says):
        system_impact(scenario, scenario.baseline.assign(**changes))
    with pytest.raises(InputError, match="must hold each key once"):
        system_impact(scenario, pd.concat([scenario.baseline, scenario.baseline]))


@pytest.mark.unit
def test_tables_of_claims_and_positions_with_gaps_are_refused():
    impact = system_impact(load_scenario("payment_cut"), years=[2027])
    claims = pd.DataFrame(
        {"scheme": "payment_cut", "organisation": ["commissioner"], "programme": "QIPP", "claim_gbp": [1.0]}
    )
    for wrong, says in (
        ({"claim_gbp": np.nan}, "claim_gbp must be a number"),
        ({"organisation": "provder"}, "provider"),
    ):
        with pytest.raises(InputError, match=says):
            scheme_register(claims.assign(**wrong), impact)
    plans = pd.DataFrame({"organisation": ["commissioner", "provider"], "control_total_gbp": 0.0, "position_gbp": 1.0})
    for wrong, says in (({"position_gbp": [1.0, np.nan]}, "position_gbp must be a number"),):
        with pytest.raises(InputError, match=says):
            control_totals(plans.assign(**wrong), impact, "2027-28")
    with pytest.raises(InputError, match="must hold each key once"):
        control_totals(pd.concat([plans, plans]), impact, "2027-28")


@pytest.mark.unit
def test_register_finds_the_pound_claimed_twice():
    impact = system_impact(load_scenario("payment_cut"), years=[2027])
    claims = pd.DataFrame(
        {
            "scheme": "payment_cut",
            "organisation": ["commissioner", "provider"],
            "programme": ["QIPP", "CIP"],
            "claim_gbp": [1_000_000.0, 500_000.0],
        }
    )
    register = scheme_register(claims, impact)
    row = register.table.iloc[0]
    assert (row["claimants"], row["claimed_gbp"], row["system_gbp"]) == (2, 1_500_000, 500_000)
    assert (row["transfer_gbp"], row["over_claim_gbp"]) == (1_000_000, 1_000_000)
    assert register.claims["not_delivered_gbp"].tolist() == [1_000_000, 0]  # the commissioner delivered none of it
    with pytest.raises(InputError, match="must hold each key once"):
        scheme_register(pd.concat([claims, claims]), impact)


@pytest.mark.unit
def test_control_totals_are_a_sum_of_organisations():
    impact = system_impact(load_scenario("payment_cut"))
    plans = pd.DataFrame(
        {"organisation": ["commissioner", "provider"], "control_total_gbp": [0.0, 0.0], "position_gbp": [-8e5, 3e5]}
    )
    table = control_totals(plans, impact, "2027-28").set_index("organisation")
    assert table["after_gbp"].to_dict() == {"commissioner": 2e5, "provider": -2e5, "system": 0}
    assert table["met"].tolist() == [True, False, True]  # the system meets its total, a member does not
    with pytest.raises(InputError, match="no row for provider"):
        control_totals(plans.head(1), impact, "2027-28")


# -- ready calculations -----------------------------------------------------------------------------------------------


@pytest.mark.unit
def test_ready_calculations_by_hand():
    def value(name: str, measure: str) -> float:
        table = run_checks(load_scenario(name))
        return float(table.loc[table["measure"] == measure, "value"].iloc[0])

    assert value("bed_closure", "net saving") == 6570 * 358 - 6570 * 0.6 * 750
    assert value("bed_closure", "break-even displacement") == pytest.approx(100 * 358 / 750)
    assert value("merger", "ceiling: the whole back office") == 44_000_000
    assert value("contract_withdrawal", "change if it leaves") == -800_000
    assert value("pathology", "unit cost at 50 % of capacity") == pytest.approx(12 / 5 + 0.6)
    assert value("virtual_fracture_clinic", "clinician time freed") == (6000 * 0.75 * 15 - 6000 * 3) / 60
    assert value("growth", "cost added to the system if all grow") == 10 * 5000 * 80


@pytest.mark.oracle
def test_fracture_clinic_at_full_cost_is_its_own_source_s_saving():
    # Anderson et al., BMJ Open 2017;7:e014509: £36.81 a patient before, £22.84 after; 6,000 patients: £83,820 a year.
    scenario = load_scenario("virtual_fracture_clinic")
    impact = system_impact(scenario)
    last = impact.financial_years[-1]
    part = impact.table[impact.table["financial_year"] == last].groupby("component")["impact_gbp"].sum()
    full = impact.released.set_index("financial_year").loc[last, "full_cost_gbp"]
    assert round(6000 * (36.81 - 22.84)) == 83_820
    assert full + part["cost_at_destination"] == pytest.approx(83_820, abs=1)
    # The cash is less: a fifth of the cost stays, and seven whole sessions of 600 go of the seven and a half.
    cash = 0.75 * 220_860 * 0.2 + 7 * 0.6 * 220_860 / 10 - 4500 * 18.1833
    assert impact.system[last] == pytest.approx(cash)
    assert cash < 83_820


@pytest.mark.oracle
def test_realisation_of_pathology_is_what_its_source_says():
    # NHS Providers, 2018: £250m to £500m planned (2008), £200m by 2016: 0.8, 0.4, and 200 / 375 of the middle.
    table = run_checks(load_scenario("pathology"))
    table = table[table["check"] == "realised"].set_index("measure")["value"]
    assert table["delivered, of the middle"] == pytest.approx(100 * 200 / 375)
    assert table["delivered, of the lowest plan"] == pytest.approx(80)
    assert table["delivered, of the highest plan"] == pytest.approx(40)


@pytest.mark.unit
def test_three_outpatient_checks():
    scenario = load_scenario("outpatient_reform")
    table = outpatient_checks(scenario, system_impact(scenario)).set_index(["intervention", "measure"])["value"]
    first = table["fewer_first"]
    claim = 0.2 * (23_206_780 + 6_250_888)
    assert first["claimed at full cost"] == pytest.approx(claim)
    assert first["released as cash"] == pytest.approx(0.6 * claim)  # 40 % is fixed; four whole steps of 5 % go
    assert first["each contact left carries"] == pytest.approx(0.4 * claim / (0.8 * 140_000))
    assert first["variable cost, cheapest go first"] == pytest.approx(0.2 * 156.2722 * 28_000)
    assert first["variable cost, average contacts go"] == pytest.approx(0.2 * claim)


@pytest.mark.unit
def test_capacity_may_be_given():
    scenario = load_scenario("payment_cut")
    cells = scenario.baseline.assign(semi_fixed_gbp=5e6, variable_gbp=0.0)
    # 4,000 spells in wards of 1,000: 400 fewer frees no ward.
    impact = system_impact(scenario, cells, release=Release(capacity={"non_elective": 1000}))
    assert impact.released["semi_fixed_released_gbp"].sum() == 0
    assert impact.released["stranded_semi_fixed_gbp"].tolist() == [500_000] * 5
