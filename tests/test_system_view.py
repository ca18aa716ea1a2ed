"""The steps of notebook 06 leave nobody out, whoever pays, holds the budget or takes activity over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from system_steps import Steps, steps

from pathcost_lib import scenarios
from pathcost_lib.errors import InputError
from pathcost_lib.results import NotComputable
from pathcost_lib.scenarios.change import localise, system, tables
from pathcost_lib.scenarios.change.tables import ALL, SYSTEM
from pathcost_lib.scenarios.scenario import parse_scenario, rebase
from pathcost_lib.sources.engine import connect

ROW = {
    "icb_code": "ICB", "setting": "admitted", "pod": "elective", "fixed_share": 0.5, "semi_fixed_share": 0.0,
    "source": "Made up",
}  # fmt: skip
SCHEME = {
    "name": "fewer", "title": "Fewer stays", "source": "Made up", "evidence": "assumed", "change": "avoid",
    "effect": 0.1, "start": "2025-26", "select": {"pod": ["elective"]},
}  # fmt: skip
FILE: dict[str, Any] = {
    "name": "own", "title": "Own", "narrative": "-", "source": "Made up", "price_base": "2024-25", "years": 3,
    "baseline": [
        ROW | {"provider_code": "BIG", "activity": 3000, "cost_gbp": 30_000_000},
        ROW | {"provider_code": "SMALL", "activity": 1000, "cost_gbp": 10_000_000},
    ],
    "intervention": [SCHEME],
}  # fmt: skip


def look(content: dict[str, Any], **options: Any) -> Steps:
    """Take the notebook's steps on a file's own baseline."""
    local = scenarios.localise(parse_scenario(content, "own.toml"), None, icb="", year="")
    return steps(local, **options)


def wide(table: pd.DataFrame, columns: str) -> pd.DataFrame:
    return table.pivot_table(index="organisation", columns=columns, values="impact_gbp", sort=False)


def require_whole(view: Steps) -> None:
    """Whatever is shown adds up to the system, and the system is the impact's."""
    assert view.impact is not None
    total = float(view.impact.system.sum())
    within = 0.01 + 1e-9 * float(view.impact.table["impact_gbp"].abs().sum())
    matrix = wide(view.tables["matrix"], "scheme")
    assert matrix.loc[SYSTEM, ALL] == pytest.approx(total, abs=within)
    assert matrix.drop(index=SYSTEM).sum().to_numpy() == pytest.approx(matrix.loc[SYSTEM].to_numpy(), abs=within)
    rules = wide(view.tables["rules"], "payment_rule")
    assert rules.loc[SYSTEM].to_numpy() == pytest.approx([total] * 4, abs=within)
    assert rules.drop(index=SYSTEM).sum().to_numpy() == pytest.approx([total] * 4, abs=within)
    worth = view.tables["worth"].set_index("organisation")["at_mean_effects_gbp"]
    assert worth.drop(SYSTEM).sum() == pytest.approx(worth[SYSTEM], abs=within)
    paid = view.tables["compensation"].set_index("organisation")
    assert paid.loc[SYSTEM, "before_gbp"] == pytest.approx(total, abs=within)
    assert paid["transfer_gbp"].drop(SYSTEM).sum() == pytest.approx(0, abs=within)
    names = view.tables["matrix"]["organisation"].unique()
    assert set(names) == {*paid.index} == {*view.tables["worth"]["organisation"]}


@pytest.mark.unit
def test_a_host_in_no_scheme_has_a_row_and_the_sign_is_right() -> None:
    # A tenth of £40m goes, half of it variable: £2m a year to the system, whoever pays whom. Under capitation the
    # host keeps the £4m it no longer pays, and the providers are £2m worse off.
    view = look(FILE | {"payment": {"rule": "capitation", "host": "COMMUNITY"}, "names": {"COMMUNITY": "Community"}})
    matrix = wide(view.tables["matrix"], "scheme")[ALL]
    assert matrix.to_dict() == pytest.approx(
        {"ICB": 0, "BIG": -4_500_000, "SMALL": -1_500_000, "Community": 12_000_000, SYSTEM: 6_000_000}
    )
    require_whole(view)
    assert view.tables["worth"].set_index("organisation").loc[SYSTEM, "net_present_value_gbp"] > 0


@pytest.mark.unit
def test_rules_vary_the_file_s_own_rule_and_claims_inherit_its_prices() -> None:
    # Payment at 0.8 of cost: £3.2m of £4m a year moves under activity, by the table of rules as by the matrix.
    view = look(FILE | {"payment": {"rule": "activity", "payment_to_cost": 0.8}})
    rules = wide(view.tables["rules"], "payment_rule")
    assert rules.loc["ICB"].to_dict() == pytest.approx(
        {"block": 0, "activity": 9_600_000, "blended": 9_600_000, "capitation": 0}
    )
    assert wide(view.tables["matrix"], "scheme").loc["ICB", ALL] == pytest.approx(9_600_000)
    claims = view.tables["register"]  # £9.6m by the commissioner, £12m at full cost by the providers
    assert claims["claimed_gbp"].tolist() == pytest.approx([21_600_000])
    by_name = scenarios.system_impact(
        parse_scenario(FILE | {"payment": {"payment_to_cost": 0.8}}, "f"), payment="block"
    )
    assert by_name.by_organisation()["impact_gbp"].tolist() == pytest.approx([4_500_000, 0, 1_500_000])
    block = parse_scenario(FILE | {"payment": {"rule": "block", "payment_to_cost": 0.8}}, "f")
    by_activity = scenarios.system_impact(block, payment="activity").by_organisation().set_index("organisation")
    assert by_activity.loc["ICB", "impact_gbp"] == pytest.approx(9_600_000)
    hosted = look(FILE | {"payment": {"rule": "capitation", "host": "SMALL", "payment_to_cost": 0.5}})
    rules = wide(hosted.tables["rules"], "payment_rule")
    assert rules["capitation"].to_dict() == pytest.approx(wide(hosted.tables["matrix"], "scheme")[ALL].to_dict())
    assert rules.loc["ICB", "activity"] == pytest.approx(6_000_000)


@pytest.mark.unit
def test_two_commissioners_two_of_one_name_and_reserved_names() -> None:
    second = ROW | {"icb_code": "ICB2", "provider_code": "BIG", "activity": 500, "cost_gbp": 6_000_000}
    content = FILE | {
        "baseline": [*FILE["baseline"], second],
        "names": {"BIG": "Trust", "SMALL": "Trust", "ICB": SYSTEM},
    }
    view = look(content)
    assert view.tables["worth"]["organisation"].tolist() == [
        "System (ICB)", "Trust (BIG)", "Trust (SMALL)", "ICB2", SYSTEM
    ]  # fmt: skip
    require_whole(view)
    for key in ("total", "system"):
        with pytest.raises(InputError, match="cannot be the code"):
            look(FILE | {"baseline": [ROW | {"provider_code": key, "activity": 1, "cost_gbp": 100}]})


@pytest.mark.unit
def test_an_organisation_with_money_and_no_name_stops_the_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tables.names_shown

    def forgetful(*arguments: Any, **options: Any) -> dict[str, str]:
        return {code: name for code, name in whole(*arguments, **options).items() if code != "SMALL"}

    monkeypatch.setattr(tables, "names_shown", forgetful)
    with pytest.raises(AssertionError, match="would be left out: SMALL"):
        look(FILE)


@pytest.mark.unit
def test_a_scheme_without_effect_is_in_the_register_with_nothing_claimed() -> None:
    view = look(FILE | {"intervention": [SCHEME, SCHEME | {"name": "idle", "title": "Idle", "effect": 0.0}]})
    register = view.tables["register"].set_index("scheme")
    assert register.loc["Idle", ["claimed_gbp", "system_gbp"]].tolist() == [0, 0]
    assert register.loc["Fewer stays", "claimed_gbp"] == pytest.approx(24_000_000)
    require_whole(view)


@pytest.mark.unit
def test_a_mistyped_payer_is_refused_and_a_declared_one_is_not() -> None:
    with pytest.raises(InputError, match=r"own.toml, \[\[intervention\]\] fewer, payer.*Did you mean SMALL"):
        look(FILE | {"intervention": [SCHEME | {"payer": "SMAL", "running_gbp": 10}]})
    view = look(
        FILE | {"intervention": [SCHEME | {"payer": "COUNCIL", "running_gbp": 10}], "names": {"COUNCIL": "Council"}}
    )
    assert wide(view.tables["matrix"], "scheme").loc["Council", ALL] == -30
    frame = parse_scenario(FILE, "f").baseline
    scheme = replace(parse_scenario(FILE, "f").interventions[0], payer="BIGG")
    with pytest.raises(InputError, match="Did you mean BIG"):
        scenarios.system_impact([scheme], frame)


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    """A file with random cells, schemes, payers, destinations, payment and host."""
    money, share = st.integers(0, 10**6), st.sampled_from([0.0, 0.2, 0.5, 1.0])
    rows = []
    for buyer, provider in draw(st.sets(st.tuples(st.sampled_from("AB"), st.sampled_from("PQRS")), min_size=1)):
        for setting, pod in (("admitted", "elective"), ("outpatient", "outpatient_first")):
            row = {"icb_code": buyer, "provider_code": provider, "setting": setting, "pod": pod, "source": "-"}
            fixed = draw(share)
            row |= {"activity": draw(st.integers(1, 5000)), "cost_gbp": 1 + draw(money), "fixed_share": fixed}
            rows.append(row | {"semi_fixed_share": draw(share) * (1 - fixed)})
    schemes: list[dict[str, Any]] = []
    for place in range(draw(st.integers(1, 3))):
        change = draw(st.sampled_from(["avoid", "move"]))
        scheme = SCHEME | {
            "name": f"s{place}", "title": draw(st.sampled_from(["Same title", f"Title {place}"])), "change": change,
            "effect": draw(share), "select": {"pod": draw(st.sampled_from([["elective"], ["outpatient_first"]]))},
            "payer": draw(st.sampled_from(["commissioner", "provider", "COUNCIL"])), "running_gbp": draw(money),
        }  # fmt: skip
        if change == "move":
            to = {"setting": "community", "pod": "community_contact", "unit_cost_gbp": draw(money), "price_gbp": 9}
            scheme["to"] = to | draw(st.sampled_from([{}, {"provider_code": "C"}, {"provider_code": "P"}]))
        schemes.append(scheme)
    rule = draw(st.sampled_from(["block", "activity", "blended", "capitation"]))
    payment = {"rule": rule, "payment_to_cost": draw(st.sampled_from([0.5, 1.0, 1.3]))}
    payment |= {"host": draw(st.sampled_from(["P", "H", "A", "COUNCIL", "C"]))} if rule == "capitation" else {}
    names = {"COUNCIL": draw(st.sampled_from(["Council", "System", "P"]))}
    return FILE | {"baseline": rows, "intervention": schemes, "payment": payment, "names": names}


@pytest.mark.slow
@pytest.mark.property
@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(files(), st.integers(1, 3))
def test_every_view_adds_up_to_the_system(content: dict[str, Any], most: int) -> None:
    local = scenarios.localise(parse_scenario(content, "own.toml"), None, icb="", year="")
    view = steps(local, most=most)
    require_whole(view)
    assert view.impact is not None
    within = 0.01 + 1e-9 * float(view.impact.table["impact_gbp"].abs().sum())
    deals = tables.deals(local, view.impact, scenarios.GainShareTerms(0.5, cap_rate=0.1)).dropna(axis="columns")
    assert deals.sum().to_numpy() == pytest.approx(float(view.impact.system.sum()), abs=within)


@pytest.mark.unit
def test_a_gain_share_and_a_settlement_move_money_by_their_terms() -> None:
    # £40m at half variable, a tenth less: the buyer saves £4m a year for three years, BIG has three quarters of it.
    scenario = parse_scenario(FILE, "own.toml")
    local = scenarios.localise(scenario, None, icb="", year="")
    impact = scenarios.system_impact(local.scenario, local.rows)

    def million(*terms: float | None) -> dict[str, list[float]]:
        share, least, most = terms
        deal = tables.deals(local, impact, scenarios.GainShareTerms(share, minimum_rate=least, cap_rate=most))
        return {str(code): (row / 1e6).round(6).tolist() for code, row in deal.iterrows()}

    assert million(0.5, 0.02, 0.10) == {"BIG": [-4.5, 0.0, 2.0], "ICB": [12.0, 6.0, 2.0], "SMALL": [-1.5, 0.0, 2.0]}
    assert million(0.5, 0.02, 0.01)["ICB"][1] == 12 - 3 * 0.01 * 40
    assert million(0.5, 0.11, None)["ICB"][1] == 12  # a tenth is below the minimum
    worse = parse_scenario(FILE | {"intervention": [SCHEME | {"running_gbp": 3_000_000}]}, "own.toml")
    local = scenarios.localise(worse, None, icb="", year="")
    impact = scenarios.system_impact(local.scenario, local.rows)
    deal = tables.deals(local, impact, scenarios.GainShareTerms(0.5))
    assert deal["all gain alike"].isna().all() and deal["gain share"].sum() == pytest.approx(impact.system.sum())


# -- set on an ICB ----------------------------------------------------------------------------------------------------


def local_ledger() -> pd.DataFrame:
    """Ten stays of £1,000 of QA at BIG, and as many contacts of another kind; a fifth of it at OTHER."""
    count = 20
    rows = pd.DataFrame({"patient_id": range(count), "icb_code": "QA", "financial_year": "2024-25", "units": 1})
    rows["provider_code"] = ["BIG", "BIG", "BIG", "BIG", "OTHER"] * 4
    rows["setting"], rows["pod"] = ["admitted", "outpatient"] * 10, ["elective", "outpatient_first"] * 10
    rows["cost_pence"], rows["semi_fixed_pence"] = 100_000, 0
    return rows.assign(fixed_pence=50_000, variable_pence=50_000)


def here(content: dict[str, Any], **options: Any) -> localise.Local:
    scenario = parse_scenario(content, "own.toml")
    ledger = connect().register("ledger", local_ledger())
    return scenarios.localise(scenario, ledger, icb="QA", year="2024-25", **options)


@pytest.mark.unit
def test_what_is_touched_is_said_and_a_start_that_has_passed_moves() -> None:
    late = here(FILE | {"intervention": [SCHEME | {"start": "2023-24", "end": "2024-25"}]})
    assert late.touched.iloc[0].to_dict() == {
        "touched_gbp": 10_000,
        "whole_gbp": 20_000,
        "touched_pct": 50,
        "persons": 10,
    }
    item = late.scenario.interventions[0]
    assert (item.start, item.end, late.scenario.years[0]) == (2025, 2026, 2025)
    assert late.notes == ["It starts in 2025-26 here; the file is written for 2023-24."]
    assert here(FILE).notes == []  # it starts after the data as it is
    dated = here(FILE | {"first_year": "2024-25", "intervention": [SCHEME | {"start": "2024-25"}]})
    assert dated.scenario.years[0] == 2024
    assert "as its file says" in dated.notes[0]
    assert here(FILE, first_year="2027-28").scenario.interventions[0].start == 2027


@pytest.mark.unit
def test_pounds_are_brought_to_one_price_base() -> None:
    # HM Treasury's GDP deflator, March 2026: 96.1117 in 2023-24, 100 in 2024-25.
    content = FILE | {"price_base": "2023-24", "intervention": [SCHEME | {"running_gbp": 961_117}]}
    moved = rebase(parse_scenario(content, "f"), "2024-25")
    assert moved.interventions[0].running_gbp == pytest.approx(1_000_000)
    assert moved.baseline is not None
    assert moved.baseline["cost_gbp"].sum() == pytest.approx(40_000_000 / 0.961117)
    # The size of the place takes the deflator out again: £10,000 of £41.6m, times £1.0m.
    local = here(content, price_base="2024-25")
    assert local.scenario.interventions[0].running_gbp == pytest.approx(1_000_000 * 10_000 / (40_000_000 / 0.961117))
    assert "by the GDP deflator" in local.notes[0]
    with pytest.raises(InputError, match="Price base '1999-00' is not known"):
        rebase(moved, "1999-00")
    first, second = (
        scenarios.system_impact(parse_scenario(FILE | {"price_base": y}, "f")) for y in ("2023-24", "2024-25")
    )
    with pytest.raises(InputError, match="pounds of different years"):
        system.compare(first, second)


@pytest.mark.unit
def test_a_file_with_a_baseline_runs_on_it_unless_it_asks_for_the_icb() -> None:
    assert parse_scenario(FILE, "f").scope == "baseline"
    assert parse_scenario(FILE | {"scope": "icb"}, "f").scope == "icb"
    assert scenarios.load_scenario("nursing_homes").scope == "baseline"
    with pytest.raises(InputError, match="has no"):
        parse_scenario({k: v for k, v in FILE.items() if k != "baseline"} | {"scope": "baseline"}, "f")
    with pytest.raises(InputError, match="changes nothing"):
        parse_scenario({k: v for k, v in FILE.items() if k != "intervention"} | {"realisation": 0.53}, "f")


@pytest.mark.unit
def test_years_with_a_gap_are_refused_by_the_system_s_arithmetic() -> None:
    scenario = parse_scenario(FILE, "f")
    for years in ([2026, 2030], [2027, 2026], [2026, 2026], [], [2026.5]):
        with pytest.raises(InputError, match="years"):
            scenarios.system_impact(scenario, years=years)
    assert not isinstance(scenarios.transition_payment(scenarios.system_impact(scenario)), NotComputable)
