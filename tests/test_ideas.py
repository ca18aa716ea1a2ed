"""The table of docs/ideas.md: each idea has a place to find it, a number that the library gives, and a test."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pathcost_lib import benchmark, scenarios, value, variation
from pathcost_lib.present.format import plain_pounds, short_pounds
from pathcost_lib.scenarios import load_scenario, run_checks, system_impact
from pathcost_lib.scenarios.change import sharing
from pathcost_lib.scenarios.change.check_words import answers
from pathcost_lib.scenarios.change.system import control_totals
from pathcost_lib.scenarios.demand import projection

ROOT = Path(__file__).parents[1]
COLUMNS = ("#", "idea", "where a user finds it", "entered", "comes out", "test")


def table() -> list[dict[str, str]]:
    """Return the rows of the page's table."""
    lines = [line for line in (ROOT / "docs" / "ideas.md").read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    assert tuple(cells[0]) == COLUMNS
    return [dict(zip(COLUMNS, row, strict=True)) for row in cells[2:]]


def gbp(amount: float) -> str:
    return short_pounds(float(amount), plus="+")


def measure(name: str, what: str) -> float:
    rows = run_checks(load_scenario(name)).set_index("measure")["value"]
    return float(rows[what])


def first_year(name: str) -> pd.Series:
    impact = system_impact(load_scenario(name))
    return impact.matrix(impact.financial_years[0])["total"]


def own_stage() -> str:
    # Four trusts, invented: what a knee replacement costs at its own stage, and over the whole pathway.
    costs = pd.DataFrame({"trust": list("ABCD"), "own": [5.0, 6.0, 7.0, 8.0], "whole": [14.0, 10.0, 11.0, 12.0]})
    top = benchmark.rank_agreement(costs, by="trust", first="own", second="whole").table.iloc[0]
    return (
        f"{top['trust']}: rank {top['rank_first']:.0f} at its own stage, {top['rank_second']:.0f} in the whole pathway"
    )


def rank() -> str:
    two = pd.DataFrame({"trust": ["A", "B"], "cost": [100.0, 110.0], "se": [10.0, 10.0]})
    rng = np.random.default_rng(1)
    ranks = benchmark.rank(two, by="trust", value="cost", se="se", draws=40_000, rng=rng).table.set_index("trust")
    return f"A is really the cheaper with {100 * ranks.loc['A', 'probability_lowest_quarter']:.0f}%"


def stranded() -> str:
    return ", ".join(gbp(v) for v in system_impact(load_scenario("payment_cut")).stranded["stranded_gbp"])


def matrix() -> str:
    first = first_year("payment_cut")
    return f"commissioner {gbp(first['commissioner'])}, provider {gbp(first['provider'])}, system {gbp(first['total'])}"


def totals() -> str:
    plans = pd.DataFrame(
        {"organisation": ["commissioner", "provider"], "control_total_gbp": 0.0, "position_gbp": [-8e5, 3e5]}
    )
    impact = system_impact(load_scenario("payment_cut"))
    after = control_totals(plans, impact, "2027-28").set_index("organisation")["after_gbp"]
    return f"system {gbp(after['system'])}, its provider {gbp(after['provider'])}"


def gap() -> str:
    costs = pd.DataFrame({"pod": ["health", "care"], "year": 2024, "cost_gbp": [1e9, 5e8]})
    path = projection.CostPath(costs, pd.DataFrame())
    scopes = {"Health": ["health"], "Health and social care": ["health", "care"]}
    base = {"Health": 286e6, "Health and social care": 542e6}
    rows = scenarios.do_nothing_gap(path, allocation_growth_pct=0, scopes=scopes, base_gap_gbp=base)
    return " and ".join(plain_pounds(v) for v in rows["gap_gbp"])


def outlier() -> str:
    trusts = pd.DataFrame({"trust": list("ABCD"), "readmitted": [20, 18, 45, 17], "cases": [250] * 4})
    found = variation.funnel(trusts, unit="trust", numerator="readmitted", denominator="cases", kind="proportion").table
    out = found[found["flag"] == "high_998"].iloc[0]
    return f"{out['unit']} alone, {100 * out['value']:.0f}% against a limit of {100 * out['upper_998']:.1f}%"


def homes() -> str:
    of = system_impact(load_scenario("nursing_homes")).matrix().loc["total"]
    return f"visits alone {gbp(of['one_gp_a_home'])} to the system; with admissions {gbp(of['total'])}"


def once() -> str:
    plans = scenarios.localise(load_scenario("same_admissions"), None, icb="", year="")
    last = scenarios.side_by_side([plans]).table.iloc[-1]
    claimed = sum(row["claim_gbp"] for row in plans.asked.tracked["claims"].to_dict("records"))
    return f"{plain_pounds(claimed)} claimed, {plain_pounds(last['together_gbp'])} once"


def payroll() -> str:
    system = system_impact(load_scenario("shared_payroll")).system
    lost = sharing.payment_at_risk(20_528_000, 1, 0.6)
    return f"{gbp(system.iloc[0])}, then {gbp(system.iloc[1])}; {plain_pounds(lost)} lost of payment at risk"


def qaly() -> str:
    options = pd.DataFrame({"option": ["old", "new"], "cost": [3000, 10_000], "qalys": [0.4, 0.75]})
    ratio = value.dominance(options, option="option", cost="cost", effect="qalys")["ratio_gbp"].iloc[1]
    return f"{plain_pounds(ratio)} a QALY"


def survey() -> str:
    answers_ = pd.DataFrame({"survey": ["a"], "first": [61], "asked": [100]})
    row = benchmark.proportion(answers_, by="survey", events="first", population="asked").table.iloc[0]
    return f"{100 * row['lower_95']:.0f}% to {100 * row['upper_95']:.0f}%"


def growth() -> str:
    before, after = measure("growth", "average cost before"), measure("growth", "average cost after")
    everyone = measure("growth", "cost added to the system if all grow")
    one = measure("growth", "cost added, one organisation")
    return f"average £{before:.2f} to £{after:.2f}, total {gbp(one)}; all ten {gbp(everyone)}"


def beds() -> str:
    even = measure("bed_closure", "break-even displacement")
    return f"{gbp(first_year_after('bed_closure'))} a year; break-even at {even:.0f}%"


def first_year_after(name: str) -> float:
    return float(system_impact(load_scenario(name)).system.iloc[1])


def attribution() -> str:
    impact = system_impact(load_scenario("payment_cut"), years=[2027])
    claims = scenarios.usual_claims(impact, "commissioner")
    rows = scenarios.scheme_register(claims, impact).claims.set_index("organisation")
    buyer, provider = rows.loc["commissioner"], rows.loc["provider"]
    claimed, came = plain_pounds(buyer["claim_gbp"]), plain_pounds(buyer["delivered_gbp"])
    return (
        f"the commissioner claims {claimed} and delivers {came}, "
        f"the trust delivers {plain_pounds(provider['delivered_gbp'])}"
    )


def contracts() -> str:
    rows = answers(run_checks(load_scenario("contract_withdrawal")))
    return " and ".join(gbp(v) for v in rows["value"])


def waterfall() -> str:
    steps = system_impact(load_scenario("virtual_fracture_clinic")).waterfall
    first, last = (plain_pounds(steps["running_gbp"].iloc[n]) for n in (0, -1))
    return f"{first} of activity, {last} of cash"


def outpatients() -> str:
    scenario = load_scenario("outpatient_reform")
    rows = scenarios.outpatient_checks(scenario, system_impact(scenario)).set_index(["intervention", "measure"])[
        "value"
    ]
    first = rows["fewer_first"]
    cheap = first["variable cost, cheapest go first"] / first["variable cost, average contacts go"]
    return (
        f"{plain_pounds(first['claimed at full cost'])} claimed, {plain_pounds(first['released as cash'])} cash; "
        f"£{first['each contact left carries']:.0f} on each contact left; {100 * cheap:.0f}% if the cheapest go"
    )


def fractures() -> str:
    hours = measure("virtual_fracture_clinic", "clinician time freed")
    return f"{hours:.0f} hours or {plain_pounds(first_year_after('virtual_fracture_clinic'))} of cash a year, not both"


def merger() -> str:
    share = measure("merger", "saving planned, of turnover")
    most = plain_pounds(measure("merger", "ceiling: the whole back office"))
    return f"{most} at most, {share:.1f}% of turnover by a fifth of it"


def pathology() -> str:
    part = measure("pathology", "delivered, of the middle")
    half, full = (measure("pathology", f"unit cost at {use} % of capacity") for use in (50, 100))
    return f"{part:.0f}% came; £{half:.2f} a test at half of capacity, £{full:.2f} at all of it"


def many() -> str:
    row = scenarios.simulate(load_scenario("many_small_improvements"), draws=2000, rng=20250401).table.iloc[-1]
    return f"{plain_pounds(row['p50_gbp'])} ({plain_pounds(row['p10_gbp'])} to {plain_pounds(row['p90_gbp'])})"


IDEAS: tuple[Callable[[], str], ...] = (
    *(own_stage, rank, matrix, stranded, totals, gap, outlier, homes, once, payroll, qaly),
    *(survey, growth, beds, attribution, contracts, waterfall, outpatients, fractures, merger, pathology, many),
)
COMES_OUT = {str(row): work for row, work in enumerate(IDEAS, start=1)}


@pytest.mark.regression
@pytest.mark.parametrize("row", COMES_OUT)
def test_the_number_out_is_what_the_library_gives(row: str) -> None:
    (cells,) = (cells for cells in table() if cells["#"] == row)
    assert cells["comes out"] == COMES_OUT[row]()


@pytest.mark.unit
def test_every_row_of_the_figures_names_a_test_and_a_place_that_exist() -> None:
    rows = table()
    assert [row["#"] for row in rows] == list(COMES_OUT)
    for row in rows:
        (named,) = re.findall(r"`(tests/\w+\.py)::(\w+)`", row["test"])
        assert f"def {named[1]}(" in (ROOT / named[0]).read_text(encoding="utf-8"), row["test"]
        for notebook in re.findall(r"`(\d\d_\w+)`", row["where a user finds it"]):
            assert [*(ROOT / "notebooks").rglob(f"{notebook}.ipynb")], notebook
        for name in re.findall(r"scenario `(\w+)`", row["where a user finds it"]):
            assert name in scenarios.list_scenarios(), name
    page = (ROOT / "docs" / "ideas.md").read_text(encoding="utf-8")
    without = [row["#"] for row in rows if not re.search(r"`\d\d_\w+`", row["where a user finds it"])]
    assert f"From no notebook: {', '.join(without) or 'none'}." in page
