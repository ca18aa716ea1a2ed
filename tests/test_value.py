"""Value: cost per outcome, its limits and their breakdown, dominance, budget shifts, cost against gain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from pathcost_lib import value
from pathcost_lib.errors import InputError
from pathcost_lib.intervals import fieller_limits
from pathcost_lib.value.incremental import NICE_RANGES_GBP

FLAT = [(125, 0.0)]


def patients(n: int = 400, *, effect: float = 0.4, seed: int = 1, group: str = "a") -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    cost = rng.gamma(9, 1000 / 9, n)
    gain = effect + 0.2 * rng.standard_normal(n) + 0.00005 * (cost - 1000)
    return pd.DataFrame({"group": group, "cost_gbp": cost, "qalys": gain})


def ratio(rows: pd.DataFrame, **options: Any) -> dict[str, Any]:
    options = {"by": "group", "cost": "cost_gbp", "effect": "qalys", "rng": np.random.default_rng(7)} | options
    return {str(k): v for k, v in value.cost_per_outcome(rows, **options).table.iloc[0].items()}


# -- QALYs --
@pytest.mark.unit
def test_a_gain_becomes_the_area_under_its_curve() -> None:
    assert value.discounted_years(1, build_up=0, schedule=FLAT) == pytest.approx(1)
    assert value.discounted_years(1, schedule=FLAT) == pytest.approx(0.75)  # half a year rising, half a year whole
    assert value.discounted_years(10, schedule=FLAT) == pytest.approx(9.75)
    assert value.discounted_years(10, fading=True, schedule=FLAT) == pytest.approx(5.0)  # a triangle of height 1
    assert value.discounted_years(0.5, schedule=FLAT) == pytest.approx(0.25)
    assert value.discounted_years(2, build_up=0) == pytest.approx(1 + 1 / 1.015)
    assert value.discounted_years(2, build_up=0, schedule="green_book") == pytest.approx(1 + 1 / 1.035)
    with pytest.raises(InputError, match="cannot be over after 0"):
        value.discounted_years(0.25)


@pytest.mark.oracle
def test_nice_patient_x_costs_twenty_thousand_pounds_a_qaly() -> None:
    # NICE, "Measuring effectiveness and cost effectiveness: the QALY" (2010): 1 year at 0.4 for £3,000 against 1.25
    # years at 0.6 for £10,000: 0.35 QALYs for £7,000, £20,000 a QALY.
    standard, new = (u * value.discounted_years(t, build_up=0, schedule=FLAT) for u, t in ((0.4, 1), (0.6, 1.25)))
    table = value.dominance(
        pd.DataFrame({"option": ["standard", "new"], "cost": [3000, 10000], "qalys": [standard, new]}),
        option="option",
        cost="cost",
        effect="qalys",
    )
    assert table["incremental_effect"].iloc[1] == pytest.approx(0.35)
    assert table["ratio_gbp"].iloc[1] == pytest.approx(20_000)


# -- ratio of means --
@pytest.mark.unit
def test_the_ratio_of_means_is_used_and_is_not_the_mean_of_ratios() -> None:
    rows = pd.DataFrame({"group": "a", "cost_gbp": [100.0, 100.0, 100.0, 100.0], "qalys": [0.1, 0.4, 0.5, 1.0]})
    rows = pd.concat([rows] * 5)
    found = ratio(rows)
    assert found["ratio_gbp"] == pytest.approx(100 / 0.5)
    assert found["mean_of_ratios_gbp"] == pytest.approx((1000 + 250 + 200 + 100) / 4)
    # A patient who gained nothing has no ratio of his own, and changes the mean of the others by little.
    none = ratio(pd.concat([rows, rows.head(5).assign(qalys=0.0)]))
    assert np.isnan(none["mean_of_ratios_gbp"])
    assert none["ratio_gbp"] == pytest.approx(100 / 0.4)


@pytest.mark.oracle
def test_a_published_mean_of_ratios_differs_from_the_ratio_of_means() -> None:
    # Appleby and others, J R Soc Med 2013;106:323: hip replacement at English hospitals, mean cost £5,844, mean gain
    # 2.77 QALYs; the unweighted mean of the hospitals' own ratios is £2,128, and not £5,844 / 2.77.
    rows = pd.DataFrame({"group": "hospitals", "cost_gbp": [5844.0] * 3, "qalys": [2.77 - 0.2, 2.77, 2.77 + 0.2]})
    found = ratio(rows)
    assert found["ratio_gbp"] == pytest.approx(2110, abs=0.5)
    assert found["ratio_gbp"] < found["mean_of_ratios_gbp"] < 2128


@pytest.mark.oracle
def test_fiellers_limits_are_those_of_an_independent_implementation() -> None:
    # DCSTATS (University College London), tests/test_fieller.py: 14 (se 3) over 7 (se 2), with t = 1.8125 (10
    # degrees of freedom, 90 % two-sided).
    t = stats.t.ppf(0.95, 10)
    lower, upper = fieller_limits(np.array([14.0]), np.array([7.0]), (np.array([9.0]), np.array([4.0])), np.zeros(1), t)
    assert lower[0] == pytest.approx(1.051413, rel=1e-5)
    assert upper[0] == pytest.approx(4.414296, rel=1e-5)


@pytest.mark.property
@settings(max_examples=50)
@given(st.integers(0, 10_000), st.floats(0.1, 2.0))
def test_fiellers_limits_are_where_the_test_of_the_ratio_turns(seed: int, effect: float) -> None:
    rows = patients(60, effect=effect, seed=seed)
    found = ratio(rows, draws=100)
    if found["reason"]:
        assert np.isnan(found["ratio_gbp"])
        return
    t = stats.t.ppf(0.975, 59)

    def beyond(r: float) -> float:
        return abs(stats.ttest_1samp(rows["cost_gbp"] - r * rows["qalys"], 0).statistic) - t

    far = 100 * found["upper_95"]
    assert optimize.brentq(beyond, 0, found["ratio_gbp"]) == pytest.approx(found["lower_95"], rel=1e-6)
    if beyond(far) > 0:
        assert optimize.brentq(beyond, found["ratio_gbp"], far) == pytest.approx(found["upper_95"], rel=1e-6)


@pytest.mark.slow
@pytest.mark.property
def test_fieller_and_bootstrap_agree_on_well_behaved_data_and_hold_the_truth() -> None:
    held = {"": 0, "bootstrap_": 0}
    for seed in range(300):
        found = ratio(patients(200, seed=seed), draws=400)
        width = found["upper_95"] - found["lower_95"]
        assert found["bootstrap_lower_95"] == pytest.approx(found["lower_95"], abs=0.2 * width)
        assert found["bootstrap_upper_95"] == pytest.approx(found["upper_95"], abs=0.2 * width)
        for kind in held:
            held[kind] += found[f"{kind}lower_95"] <= 1000 / 0.4 <= found[f"{kind}upper_95"]
    for kind, times in held.items():
        assert 0.91 <= times / 300 <= 0.98, kind  # 95 %, with 2.5 standard deviations of 300 runs either side


@pytest.mark.unit
@pytest.mark.parametrize(("effect", "said"), [(0.01, "may be zero: the ratio has no limits"), (-0.5, "is below zero")])
def test_an_effect_near_zero_gives_a_reason_and_no_number(effect: float, said: str) -> None:
    found = ratio(patients(60, effect=effect))
    assert said in found["reason"]
    assert all(np.isnan(found[c]) for c in found if c == "ratio_gbp" or c.startswith(("lower", "upper", "bootstrap")))
    assert "too few" in ratio(patients(1))["reason"]


@pytest.mark.property
def test_bootstrap_draws_are_the_same_whatever_else_is_drawn() -> None:
    a, b = patients(seed=2), patients(seed=3, group="b")
    alone = ratio(a)
    both = ratio(pd.concat([b, a]))
    numbers = [c for c in alone if c not in ("group", "reason")]
    np.testing.assert_allclose([both[c] for c in numbers], [alone[c] for c in numbers], rtol=1e-12)


# -- increments --
@pytest.mark.unit
def test_increments_and_net_benefit_by_hand() -> None:
    a = pd.DataFrame({"unit": "A", "cost": [10.0, 14.0], "gain": [1.0, 3.0]})
    b = pd.DataFrame({"unit": "B", "cost": [6.0, 8.0], "gain": [1.0, 1.0]})
    found = value.incremental(pd.concat([a, b]), by="unit", cost="cost", effect="gain", reference="B")
    row = found.table.iloc[0]
    assert (row["cost_gbp"], row["effect"], row["quadrant"]) == (5.0, 1.0, "more expensive and better")
    assert "may be zero" in row["reason"]
    benefit = found.net_benefit([8.0]).iloc[0]
    assert benefit["net_benefit_gbp"] == pytest.approx(8 * 1 - 5)
    # var: 64 x (2/2) + (8/2 + 2/2) - 16 x (4/2) = 37; one degree of freedom.
    assert benefit["upper_95"] - benefit["net_benefit_gbp"] == pytest.approx(stats.t.ppf(0.975, 1) * np.sqrt(37))
    assert benefit["worthwhile_chance"] == pytest.approx(100 * stats.t.cdf(3 / np.sqrt(37), 1))


@pytest.mark.property
def test_where_the_benefits_limit_is_zero_is_the_ratios_limit() -> None:
    # Heitjan, Medical Decision Making 2000;20:326: the thresholds at which net benefit does not differ from zero are
    # Fieller's set.
    rows = pd.concat([patients(seed=2, effect=0.6).assign(cost_gbp=lambda d: d["cost_gbp"] * 2), patients(group="b")])
    found = value.incremental(rows, by="group", cost="cost_gbp", effect="qalys", reference="b")
    row = found.table.iloc[0]
    at = found.net_benefit([row["ratio_lower_95"], row["ratio_upper_95"]])
    assert at["upper_95"].iloc[0] == pytest.approx(0, abs=1e-6)
    assert at["lower_95"].iloc[1] == pytest.approx(0, abs=1e-6)
    curve = found.net_benefit(np.linspace(0, 30_000, 7))["worthwhile_chance"]
    assert curve.is_monotonic_increasing and curve.iloc[0] < 1 and curve.iloc[-1] > 99


# -- dominance --
@pytest.mark.oracle
def test_dominance_and_extended_dominance_as_published() -> None:
    # US Department of Veterans Affairs, Health Economics Resource Center, cost-effectiveness analysis (also a test of
    # dampack, DARTH group).
    options = pd.DataFrame(
        {
            "option": ["E", "D", "C", "B", "A", "usual care"],
            "cost": [55000, 35000, 25000, 10000, 12000, 5000],
            "effect": [5, 4, 3, 2, 1.5, 1],
        }
    )
    found = value.dominance(options, option="option", cost="cost", effect="effect").set_index("option")
    assert found["status"].to_dict() == {
        "usual care": "frontier",
        "B": "frontier",
        "A": "dominated",
        "C": "extended dominance",
        "D": "frontier",
        "E": "frontier",
    }
    assert found["ratio_gbp"].dropna().to_dict() == {"B": 5000, "D": 12500, "E": 20000}


@pytest.mark.property
@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=12, unique=True))
def test_the_frontier_is_what_some_threshold_would_choose(points: list[tuple[int, int]]) -> None:
    options = pd.DataFrame(points, columns=["cost", "effect"]).reset_index(names="option")
    found = value.dominance(options, option="option", cost="cost", effect="effect")
    frontier = found[found["status"] == "frontier"]
    assert frontier["ratio_gbp"].iloc[1:].is_monotonic_increasing
    for worth in (0.001, 0.3, 1.0, 3.0, 1000.0):
        best = (worth * options["effect"] - options["cost"]).max()
        assert (worth * frontier["effect"] - frontier["cost"]).max() == pytest.approx(best)


# -- budget --
@pytest.mark.oracle
def test_a_budget_spread_over_programmes_buys_what_the_nhs_buys_at_its_margin() -> None:
    # Claxton and others, HTA 2015;19(14), table 31: share of a change in spending (%) and cost per QALY by programme;
    # those whose cost per QALY is not given gain nothing. Together £12,936.
    programmes = [
        (4.47, 16997), (7.59, 7038), (4.58, 1998), (3.20, 7293), (3.27, 20829), (1.89, 3124), (5.98, 5480),
        (4.64, 43813), (6.83, 2969208), (2.06, 9419), (17.86, 18744), (1.04, 149883), (1.94, 45788), (0.87, 6239),
        (2.89, 42472), (1.97, 101042), (3.63, 15628), (0.93, 113546), (3.53, 526771),
    ]  # fmt: skip
    rng = np.random.default_rng(0)
    gained = 0.0
    for share, price in programmes:
        margin = value.Margin("programme", price, price, price)
        shift = value.budget_shift(share * 1e6, source=margin, target=margin, draws=100, rng=rng)
        assert shift.table["qalys"].iloc[-1] == 0
        gained += shift.table["qalys"].iloc[1]
    assert 100e6 / gained == pytest.approx(value.NHS_MARGIN.cost_per_qaly_gbp, rel=0.002)


@pytest.mark.unit
def test_a_shift_has_limits_and_refuses_what_makes_no_sense() -> None:
    cheap = value.Margin("hips", 4000.0, 3000.0, 4000.0**2 / 3000)
    found = value.budget_shift(1e6, source=value.NHS_MARGIN, target=cheap, draws=40_000, rng=np.random.default_rng(1))
    given_up, gained, net = found.table.to_dict("records")
    assert net["qalys"] == pytest.approx(250 - 1e6 / 12_936)
    assert gained["lower_95"] == pytest.approx(1e6 * 3000 / 4000**2, rel=0.02)
    assert gained["upper_95"] == pytest.approx(1e6 / 3000, rel=0.02)
    assert given_up["lower_95"] < given_up["qalys"] < given_up["upper_95"] < 0
    assert 95 < found.net_gain_pct < 100
    chance = stats.norm.cdf(np.log(12_936 / 4000) / np.hypot(value.NHS_MARGIN.log_sd, cheap.log_sd))
    assert found.net_gain_pct == pytest.approx(100 * chance, abs=0.5)
    with pytest.raises(InputError, match="more than 0"):
        value.Margin("x", 5000.0, -1.0, 9000.0)
    with pytest.raises(InputError, match="amount_gbp"):
        value.budget_shift(0, source=cheap, target=cheap, rng=np.random.default_rng(1))


@pytest.mark.oracle
def test_the_nhs_margin_has_the_published_probability() -> None:
    margin = value.NHS_MARGIN
    below = stats.norm.cdf(np.log(30_000 / margin.cost_per_qaly_gbp) / margin.log_sd)
    assert below == pytest.approx(0.97, abs=0.001)


# -- case mix --
@pytest.mark.property
def test_adjustment_takes_case_mix_out_and_leaves_what_the_organisation_does() -> None:
    rng = np.random.default_rng(5)
    n = 6_000
    unit = rng.integers(20, size=n)
    pre = np.clip(rng.normal(18 - 0.3 * (unit - 10), 7), 0, 48)  # units differ in whom they treat
    sex = rng.choice(["female", "male"], n)
    truth = rng.normal(0, 1, 20)
    gain = 20 - 0.6 * (pre - 18) + 2 * (sex == "male") + truth[unit] + rng.normal(0, 6, n)
    rows = pd.DataFrame({"unit": unit, "pre": pre, "sex": sex, "gain": gain})
    found = value.adjust(rows, "gain", numbers=["pre"], factors=["sex"])
    assert found.table["excess_gain"].sum() == pytest.approx(0, abs=1e-6)
    own = found.table.groupby("unit")["excess_gain"].mean()
    raw = rows.groupby("unit")["gain"].mean() - rows["gain"].mean()
    assert np.corrcoef(own, truth)[0, 1] > 0.9 > np.corrcoef(raw, truth)[0, 1]
    assert found.coefficients.set_index("term")["estimate"]["sex=male"] == pytest.approx(2, abs=0.7) or (
        found.coefficients.set_index("term")["estimate"]["sex=female"] == pytest.approx(-2, abs=0.7)
    )
    with pytest.raises(InputError, match="too few"):
        value.adjust(rows.head(3), "gain", numbers=["pre"])


# -- value map --
def england(seed: int, *, special: tuple[float, float] = (0.0, 0.0), spread: float = 0.0) -> pd.DataFrame:
    """Forty providers of 8 to 60 patients, all alike but for a spread of true costs and one special provider (P00).

    P00 has 35 patients: nothing is stated of fewer than 30.
    """
    rng = np.random.default_rng([11, seed])
    parts = []
    for number, n in enumerate(rng.integers(8, 60, 40)):
        dear, good = special if number == 0 else (rng.normal(0, spread), 0.0)
        n = 35 if number == 0 else n
        cost, gain = 9000 + dear + rng.normal(0, 2000, n), 0.4 + good + rng.normal(0, 0.3, n)
        parts.append(pd.DataFrame({"unit": f"P{number:02d}", "cost": cost, "gain": gain, "truth": dear}))
    return pd.concat(parts, ignore_index=True)


def find(rows: pd.DataFrame, **options: Any) -> pd.DataFrame:
    options = {"by": "unit", "cost": "cost", "effect": "gain", "matters": 0.074, "draws": 1000} | options
    return value.quadrants(rows, rng=np.random.default_rng(3), **options).table


@pytest.mark.property
def test_where_nothing_differs_nothing_is_found() -> None:
    findings = pd.concat([find(england(seed)) for seed in range(25)])
    assert (findings["finding"] != "not sure").mean() <= 0.002  # of 1,000 units that are all alike
    four = ["expensive_better_pct", "expensive_worse_pct", "cheaper_better_pct", "cheaper_worse_pct"]
    np.testing.assert_allclose(findings[four].sum(axis=1), 100)


@pytest.mark.slow
@pytest.mark.property
def test_more_expensive_and_no_better_is_found_and_more_expensive_but_better_is_not() -> None:
    dear = [find(england(s, special=(3000, 0.0), spread=400)).set_index("unit") for s in range(20)]
    assert sum(t.loc["P00", "finding"] == "more expensive and no better" for t in dear) >= 18
    others = pd.concat([t.drop("P00") for t in dear])
    truths = pd.concat(
        [england(s, special=(3000, 0.0), spread=400).groupby("unit")["truth"].first().drop("P00") for s in range(20)]
    )
    wrong = (others["finding"] == "more expensive and no better").to_numpy() & (truths <= 0).to_numpy()
    assert wrong.mean() <= 0.05
    better = [find(england(s, special=(3000, 0.5))).set_index("unit").loc["P00"] for s in range(10)]
    assert all(row["finding"] == "not sure" for row in better)
    assert all(row["expensive_better_pct"] > 95 for row in better)
    poor = [find(england(s, special=(-3000, -0.5))).set_index("unit").loc["P00", "finding"] for s in range(10)]
    assert poor == ["cheaper and worse"] * 10


@pytest.mark.unit
def test_few_patients_make_no_finding_and_few_units_no_map() -> None:
    rows = england(1, special=(9000, 0.0))
    rows = rows[(rows["unit"] != "P00") | (rows.groupby("unit").cumcount() < 29)]
    row = find(rows).set_index("unit").loc["P00"]
    assert row["expensive_no_better_pct"] > 95 and row["lower_95"] > 0
    assert (row["finding"], row["reason"]) == ("not sure", "fewer than 30 patients") and np.isnan(row["cost_q"])
    assert find(rows, fewest=29).set_index("unit").loc["P00", "finding"] == "more expensive and no better"
    two = rows[rows["unit"].isin(["P01", "P02"])]
    placed = value.quadrants(two, by="unit", cost="cost", effect="gain", rng=np.random.default_rng(1))
    assert placed.table.empty and "three units" in placed.reason
    worth = find(england(2), worth_gbp=20_000 * 9)["worthwhile_pct"]
    assert worth.between(0, 100).all()


@pytest.mark.slow
@pytest.mark.regression
def test_a_one_sided_probability_over_an_interval_that_holds_zero_states_nothing() -> None:
    # Issue 16: a trust was "more expensive and no better (95 % probable)" on -£131 to +£1,783.
    tables = [find(england(seed, special=(800, 0.0), spread=300)).set_index("unit") for seed in range(30)]
    probable = pd.concat([t[(t["expensive_no_better_pct"] >= 95) & (t["lower_95"] <= 0)] for t in tables])
    assert len(probable) >= 5 and (probable["finding"] == "not sure").all()
    stated = pd.concat([t[t["finding"] == "more expensive and no better"] for t in tables])
    assert len(stated) and (stated["lower_95"] > 0).all() and (stated["cost_q"] <= 0.05).all()
    assert (stated["effect_upper_95"] <= 0.074).all() and (stated["pathways"] >= 30).all()


@pytest.mark.oracle
def test_the_q_values_of_the_map_are_benjamini_and_hochbergs_of_the_contrast_with_all() -> None:
    # statsmodels' test of a contrast, the mean of a unit less that of all, in the regression on the units' own means.
    import statsmodels.api as sm

    rows = england(4, special=(2500, 0.0))
    table = find(rows, fewest=2)
    dummies = pd.get_dummies(rows["unit"]).astype(float)
    fit = sm.OLS(rows["cost"], dummies).fit()
    shares = (dummies.sum() / len(rows)).to_numpy()
    p = [float(fit.t_test(np.eye(len(shares))[k] - shares).pvalue) for k in range(len(shares))]
    np.testing.assert_allclose(table["cost_q"], stats.false_discovery_control(p), rtol=1e-6)


# -- what is missing is not zero, and not counted --
ARMS = pd.DataFrame(
    {
        "arm": ["A"] * 6 + ["B"] * 6,
        "c": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0] * 2,
        "e": [0.1, 0.2, 0.3, np.nan, np.nan, np.nan, 0.2, 0.3, 0.4, np.nan, np.nan, np.nan],
    }
)
OF_ARMS: dict[str, Any] = {"by": "arm", "cost": "c", "effect": "e"}


@pytest.mark.unit
def test_a_patient_without_an_effect_is_not_a_patient_of_the_comparison() -> None:
    # Issue 16. By hand: A has c 1, 2, 3 and e .1, .2, .3; B the same costs and e .1 more each. Three patients each.
    found = value.incremental(ARMS, **OF_ARMS, reference="B")
    assert found.moments["pathways"].tolist() == [3] and found.moments["freedom"].tolist() == [2]
    assert found.left_out == {"no e": 6} and "left out: 6 with no e" in found.summary
    row = found.table.iloc[0]
    assert (row["cost_gbp"], row["reference_pathways"], row["quadrant"]) == (0.0, 3, "costs the same and worse")
    assert row["effect"] == pytest.approx(-0.1)
    half = stats.t.ppf(0.975, 2) * np.sqrt(0.01 / 3 + 0.01 / 3)  # the variance of .1, .2, .3 is .01
    assert row["effect_upper_95"] - row["effect"] == pytest.approx(half)
    # The same as if the rows had never been there, everywhere.
    whole = ARMS.dropna()
    rng = np.random.default_rng
    for rows in (ARMS, ARMS.assign(e=ARMS["e"].astype(object))):
        both = [value.cost_per_outcome(part, **OF_ARMS, rng=rng(1)) for part in (rows, whole)]
        pd.testing.assert_frame_equal(both[0].table, both[1].table)
        assert both[0].left_out == {"no e": 6} and both[1].left_out == {}
    assert both[0].table["pathways"].tolist() == [3, 3]
    adjusted = value.adjust(ARMS.assign(pre=[3.0, 1.0, 2.0] * 4), "e", factors=["arm"])
    assert len(adjusted.table) == 6 and adjusted.left_out == {"no e": 6}


@pytest.mark.unit
def test_a_patient_of_no_organisation_is_nobodys_and_no_comparator() -> None:
    rows = england(3)
    lost = pd.concat([rows, rows.head(200).assign(unit=None, cost=1e6)], ignore_index=True)
    options = {"by": "unit", "cost": "cost", "effect": "gain"}
    with_lost, without = (value.incremental(part, **options) for part in (lost, rows))
    pd.testing.assert_frame_equal(with_lost.table, without.table)
    assert with_lost.left_out == {"no unit": 200}
    pd.testing.assert_frame_equal(find(lost), find(rows))
    found = value.quadrants(lost, **options, rng=np.random.default_rng(3))
    assert found.left_out == {"no unit": 200} and "left out: 200 with no unit" in found.summary


@pytest.mark.unit
def test_case_mix_leaves_out_who_has_no_value_and_notes_whose_trait_is_not_known() -> None:
    rng = np.random.default_rng(2)
    rows = pd.DataFrame({"of": "x", "pre": rng.normal(size=60), "sex": ["f", "m"] * 30, "gain": rng.normal(size=60)})
    rows.loc[0, "pre"], rows.loc[1, "gain"], rows.loc[2, "of"], rows.loc[3, "sex"] = np.nan, np.nan, None, None
    found = value.adjust(rows, "gain", numbers=["pre"], factors=["sex"], within="of")
    assert found.left_out == {"no of": 1, "no gain": 1, "no pre": 1} and len(found.table) == 57
    assert found.notes == {"sex not known": 1, "sex too rare: taken with the commonest": 1}
    assert found.table["excess_gain"].notna().all()
    assert found.table["excess_gain"].sum() == pytest.approx(0, abs=1e-9)
    same = value.adjust(rows.assign(gain=0.1), "gain", factors=["sex"])
    assert np.isnan(same.r_squared) and "does not vary" in same.summary


@pytest.mark.unit
def test_an_option_without_a_cost_or_an_effect_is_compared_with_none_and_says_why() -> None:
    options = pd.DataFrame({"o": list("abcd"), "cost": [1.0, np.nan, 3.0, 2.0], "effect": [1.0, 2.0, np.nan, 0.5]})
    found = value.dominance(options, option="o", cost="cost", effect="effect").set_index("o")
    assert found["status"].to_dict() == {
        "a": "frontier",
        "d": "dominated",
        "b": "not comparable",
        "c": "not comparable",
    }
    assert found["reason"].to_dict() == {"a": "", "d": "", "b": "no cost", "c": "no effect"}
    with pytest.raises(InputError, match="each key once"):
        value.dominance(options.assign(o="a"), option="o", cost="cost", effect="effect")
    twins = pd.DataFrame({"o": ["a", "b"], "cost": 1.0, "effect": 1.0})
    assert value.dominance(twins, option="o", cost="cost", effect="effect")["status"].tolist() == [
        "frontier",
        "the same",
    ]


@pytest.mark.unit
def test_what_is_cheaper_and_better_has_no_ratio_and_equal_cost_is_said() -> None:
    gain = np.tile([0.9, 1.0, 1.1], 10)
    b = pd.DataFrame({"unit": "B", "cost": np.tile([90.0, 100.0, 110.0], 10), "gain": gain})

    def against(cost: float, effect: float) -> Any:
        a = b.assign(unit="A", cost=b["cost"] + cost, gain=b["gain"] + effect)
        return value.incremental(pd.concat([a, b]), by="unit", cost="cost", effect="gain", reference="B").table.iloc[0]

    for cost, effect, quadrant in (
        (-20, 0.5, "cheaper and better"),
        (0, 0.5, "costs the same and better"),
        (20, -0.5, "more expensive and worse"),
    ):
        row = against(cost, effect)
        assert (row["quadrant"], row["reason"]) == (quadrant, quadrant)
        assert row[["ratio_gbp", "ratio_lower_95", "ratio_upper_95"]].isna().all()
    assert against(20, 0.5)["ratio_gbp"] == pytest.approx(40) and against(20, 0.5)["reason"] == ""
    assert against(0, 0)["quadrant"] == "costs the same and as good"


@pytest.mark.oracle
def test_health_is_discounted_at_the_green_books_falling_rates() -> None:
    # HM Treasury, Green Book (2026), health effects: 1.5 % to year 30, 1.29 % to 75, 1.07 % to 125. A gain that is
    # whole from the first day and lasts 100 years is the sum of the factors of years 0 to 99, each band an annuity.
    bands = [(30, 1.5), (75, 1.29), (125, 1.07)]
    first = (1 - 1.015**-31) / (1 - 1.015**-1)  # years 0 to 30
    at_30, at_75 = 1.015**-30, 1.015**-30 * 1.0129**-45
    second = at_30 * (1 - 1.0129**-45) / 0.0129  # years 31 to 75
    third = at_75 * (1 - 1.0107**-24) / 0.0107  # years 76 to 99
    years = value.discounted_years(100, build_up=0, schedule=bands)
    assert years == pytest.approx(first + second + third, rel=1e-12)
    assert years > value.discounted_years(100, build_up=0, schedule=[(125, 1.5)])


@pytest.mark.unit
def test_nices_range_is_dated() -> None:
    # NICE, technology appraisals: £25,000 to £35,000 per QALY from April 2026; £20,000 to £30,000 before.
    assert NICE_RANGES_GBP == {"from April 2026": (25_000, 35_000), "to March 2026": (20_000, 30_000)}
    assert value.THRESHOLDS_GBP[-2:] == (25_000, 35_000)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lower_95": float("nan")}, "lower_95"),
        ({"cost_per_qaly_gbp": 0}, "more than 0"),
        ({"upper_95": float("inf")}, "upper_95"),
        ({"cost_per_qaly_gbp": "n/a"}, "must be a number"),
        ({"upper_95": 10.0}, "between its limits"),
    ],
)
def test_a_margin_is_three_numbers_in_order(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        value.Margin(**{"service": "x", "cost_per_qaly_gbp": 20.0, "lower_95": 15.0, "upper_95": 30.0} | change)
