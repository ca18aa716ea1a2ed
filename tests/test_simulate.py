"""Distributions, draws that stay the same, and simulations against what can be worked out without simulating."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pathcost_lib.errors import InputError
from pathcost_lib.scenarios import (
    discount_factors,
    load_scenario,
    project,
    sensitivity,
    simulate,
    simulate_demand,
    system_impact,
)
from pathcost_lib.scenarios.change import simulation
from pathcost_lib.scenarios.change.system import build_model
from pathcost_lib.scenarios.demand.projection import Growth
from pathcost_lib.scenarios.draws import (
    Correlation,
    Distribution,
    parse_distribution,
    quantile_draws,
    seed_of,
    uniforms,
)

INTERVAL = Distribution("interval", (1.0, 2.0))

# -- distributions ----------------------------------------------------------------------------------------------------


@pytest.mark.oracle
def test_elicited_interval():
    # An 80 % interval of 1 to 2: mean 1.5, sd 1 / (2 x 1.281552) = 0.390152.
    assert INTERVAL.mean == 1.5
    assert round(INTERVAL.sd, 6) == 0.390152
    assert INTERVAL.ppf([0.1, 0.5, 0.9]) == pytest.approx([1, 1.5, 2])


@pytest.mark.oracle
def test_triangular_and_empirical_against_scipy_and_numpy():
    u = np.linspace(0.001, 0.999, 99)
    reference = stats.triang(c=0.25, loc=2.0, scale=8.0)  # low 2, mode 4, high 10
    ours = parse_distribution({"low": 2, "mode": 4, "high": 10}, where="here")
    assert ours.ppf(u) == pytest.approx(reference.ppf(u))
    assert (ours.mean, ours.sd) == pytest.approx((reference.mean(), reference.std()))
    seen = parse_distribution({"values": [3.0, 1.0, 2.0, 2.0]}, where="here")
    assert seen.ppf([0.1, 0.3, 0.6, 0.99]).tolist() == [1, 2, 2, 3]
    assert (seen.mean, seen.sd) == pytest.approx((2.0, np.std([1, 2, 2, 3])))
    with pytest.raises(InputError, match="here"):
        parse_distribution("a lot", where="here")


# -- draws that stay the same -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.property
@settings(max_examples=50)
@given(st.integers(0, 2**40), st.text(max_size=8), st.integers(1, 60), st.integers(0, 40))
def test_a_draw_depends_on_its_number_and_name_alone(seed, name, count, start):
    whole = uniforms(name, start + count + 7, seed=seed)
    assert (uniforms(name, count, seed=seed, start=start) == whole[start : start + count]).all()
    assert ((whole > 0) & (whole < 1)).all()
    assert not (uniforms(name + "x", 5, seed=seed) == whole[:5]).any()


@pytest.mark.property
@settings(max_examples=20)
@given(st.integers(0, 1000), st.floats(-0.3, 0.9))
def test_other_assumptions_and_blocks_change_nothing(seed, rho):
    few = {"a": INTERVAL, "b": INTERVAL, "c": INTERVAL}
    link = [Correlation(("a", "b", "c"), rho)]
    more = {"z": INTERVAL, **few, "y": Distribution("triangular", (0, 1, 2))}
    one = quantile_draws(few, 50, seed=seed, correlations=link)
    two = quantile_draws(more, 80, seed=seed, correlations=[Correlation(("y", "z"), 0.5), *link])
    tail = quantile_draws(few, 20, seed=seed, correlations=link, start=30)
    for name in few:
        assert two[name][:50] == pytest.approx(one[name], rel=1e-12)
        assert tail[name] == pytest.approx(one[name][30:], rel=1e-12)


@pytest.mark.unit
def test_correlation_is_as_stated_and_must_be_possible():
    both = {"a": INTERVAL, "b": Distribution("triangular", (0, 1, 5)), "c": INTERVAL}
    drawn = quantile_draws(both, 20_000, seed=1, correlations=[Correlation(("a", "b"), 0.6)])
    # Pearson's correlation of normal scores 0.6 is Spearman's 6/pi asin(0.3) = 0.582 of the values.
    assert stats.spearmanr(drawn["a"], drawn["b"])[0] == pytest.approx(0.582, abs=0.015)
    assert abs(np.corrcoef(drawn["a"], drawn["c"])[0, 1]) < 0.03
    assert drawn["b"].mean() == pytest.approx(2.0, abs=0.03)
    with pytest.raises(InputError, match="cannot all hold"):
        quantile_draws(both, 5, seed=1, correlations=[Correlation(("a", "b", "c"), -0.9)])
    with pytest.raises(InputError, match="Allowed: a, b, c"):
        quantile_draws(both, 5, seed=1, correlations=[Correlation(("a", "d"), 0.5)])
    assert seed_of(7) == 7
    assert seed_of(np.random.default_rng(1)) == seed_of(np.random.default_rng(1))


# -- a portfolio of interventions -------------------------------------------------------------------------------------


@pytest.mark.unit
def test_simulation_is_the_same_whatever_the_number_of_draws_or_the_block(monkeypatch):
    scenario = load_scenario("many_small_improvements")
    long = simulate(scenario, draws=700, rng=3)
    short = simulate(scenario, draws=120, rng=3)
    monkeypatch.setattr(simulation, "_BLOCK", 37)
    blocks = simulate(scenario, draws=700, rng=3)
    assert short.net_present_value_gbp == pytest.approx(long.net_present_value_gbp[:, :120], rel=1e-12)
    assert blocks.net_present_value_gbp == pytest.approx(long.net_present_value_gbp, rel=1e-12)
    assert not (simulate(scenario, draws=120, rng=4).system_gbp == short.system_gbp).all()
    assert long.identity == scenario.identity
    assert long.net_present_value_gbp.sum(axis=0) == pytest.approx(
        (long.system_gbp * discount_factors(9)[:, None]).sum(axis=0)
    )
    with pytest.raises(InputError, match=r"draws \(simulated outcomes\) is 0"):
        simulate(scenario, draws=0)


@pytest.mark.unit
@pytest.mark.parametrize("name", ["payment_cut", "many_small_improvements", "virtual_fracture_clinic", "nursing_homes"])
def test_totals_and_detail_are_one_model(name):
    scenario = load_scenario(name)
    model = build_model(scenario)
    at_means = model.totals(np.array([[i.effect.mean] for i in model.interventions]))[:, :, 0]
    detail = system_impact(scenario).by_year()["impact_gbp"].to_numpy().reshape(at_means.shape)
    assert at_means == pytest.approx(detail, abs=1e-6)


@pytest.mark.unit
def test_mean_and_spread_against_arithmetic():
    # Only variable cost, one scheme: the saving is effect x variable cost, so its mean and sd are those of the effect.
    scenario = load_scenario("payment_cut")
    effect = Distribution("interval", (0.08, 0.12))
    cells = scenario.baseline.assign(fixed_gbp=0.0, semi_fixed_gbp=0.0, variable_gbp=1e7)
    risky = replace(scenario, interventions=(replace(scenario.interventions[0], effect=effect),))
    result = simulate(risky, cells, draws=20_000, rng=1)
    row = result.table.set_index("organisation").loc["system"]
    worth = 1e7 * discount_factors(4).sum()
    assert row["mean_gbp"] == pytest.approx(0.10 * worth, rel=0.003)
    assert row["sd_gbp"] == pytest.approx(effect.sd * worth, rel=0.02)
    assert (row["p10_gbp"], row["p90_gbp"]) == pytest.approx((0.08 * worth, 0.12 * worth), rel=0.005)
    assert row["probability_of_loss"] == 0
    by_year = result.system_by_year
    assert by_year["financial_year"].iloc[0] == "2027-28"
    assert by_year["mean_gbp"].to_numpy() == pytest.approx([1e6] * 5, rel=0.003)


@pytest.mark.unit
def test_correlation_widens_a_portfolio():
    scenario = load_scenario("outpatient_reform")
    together = simulate(scenario, draws=2000, rng=1).table
    apart = simulate(replace(scenario, correlations=()), draws=2000, rng=1).table
    assert together["sd_gbp"].iloc[-1] > 1.1 * apart["sd_gbp"].iloc[-1]


@pytest.mark.unit
def test_sensitivity_ranks_effects():
    table = sensitivity(load_scenario("outpatient_reform"))
    assert table["intervention"].tolist() == ["fewer_follow_ups", "fewer_first"]
    central = system_impact(load_scenario("outpatient_reform")).appraise().net_present_value_gbp
    assert (table["low_gbp"] < central).all()
    assert (table["high_gbp"] > central).all()


# -- demand -----------------------------------------------------------------------------------------------------------


def small_demand(icbs: int = 3, years: int = 5) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(5)
    keys = pd.MultiIndex.from_product(
        [[f"Q{i}" for i in range(icbs)], range(2024, 2024 + years), ["female", "male"], range(60, 70)],
        names=["icb_code", "year", "sex", "age"],
    ).to_frame(index=False)
    person = 100 + 10 * keys["age"] + keys["icb_code"].str[1:].astype(int) * 7 + (keys["year"] - 2024) * 5
    population = keys.assign(persons=person.astype(float), variant="principal")
    high = population.assign(persons=population["persons"] * 1.1, variant="high")
    rates = pd.DataFrame([(p, s, a) for p in ("x", "y") for s in ("female", "male") for a in range(60, 70)])
    rates.columns = ["pod", "sex", "age"]
    return pd.concat([population, high]), rates.assign(rate=rng.uniform(0.1, 1, len(rates)))


GROWTH = Growth(
    non_demographic_pct={"x": Distribution("interval", (0.0, 4.9)), "y": 1.0},
    health_status_years=Distribution("interval", (0.0, 0.2)),
    price_pct=Distribution("interval", (1.0, 2.0)),
)
SPAN = {"base_year": 2024, "horizon": 2028}


@pytest.mark.unit
def test_demand_draws_do_not_depend_on_draws_or_icbs():
    population, rates = small_demand()
    whole = simulate_demand(population, rates, GROWTH, draws=160, rng=2, **SPAN)
    few = simulate_demand(population, rates, GROWTH, draws=120, rng=2, **SPAN)
    one = simulate_demand(population[population["icb_code"] == "Q1"], rates, GROWTH, draws=160, rng=2, **SPAN)
    assert few.draws == pytest.approx(whole.draws[..., :120], rel=1e-12)
    assert one.draws[0] == pytest.approx(whole.draws[1], rel=1e-12)
    central = project(population, rates, growth=GROWTH, **SPAN).table.groupby("year")["activity"].sum()
    assert whole.table["central"].to_numpy() == pytest.approx(central.to_numpy())
    assert whole.intervals(by=("icb_code", "year")).shape[0] == 15
    with pytest.raises(InputError, match="Allowed: icb_code, pod, year"):
        whole.intervals(by=("region",))


@pytest.mark.unit
def test_variants_are_weighted():
    population, rates = small_demand()
    mixed = simulate_demand(
        population, rates, Growth(), draws=4000, rng=2, variants={"principal": 3, "high": 1}, **SPAN
    )
    alone = simulate_demand(population, rates, Growth(), draws=100, **SPAN).table["mean"]
    assert mixed.table["mean"].to_numpy() == pytest.approx(alone.to_numpy() * 1.025, rel=0.003)
    assert mixed.table["central"].to_numpy() == pytest.approx(alone.to_numpy() * 1.025)


@pytest.mark.unit
def test_poisson_noise_equals_resampling():
    # Fixed assumptions: activity is Poisson, so a cost has variance sum of rate x unit cost squared.
    population, rates = small_demand(icbs=1, years=1)
    result = simulate_demand(population, rates, Growth(), base_year=2024, horizon=2024, draws=20_000, rng=1)
    x, y = result.central[0, :, 0]
    row = result.intervals(unit_cost_gbp={"x": 100.0, "y": 20.0}).iloc[0]
    rng = np.random.default_rng(9)
    counted = rng.poisson(x, 20_000) * 100 + rng.poisson(y, 20_000) * 20
    assert row["mean"] == pytest.approx(100 * x + 20 * y)
    assert row["sd"] == pytest.approx(np.sqrt(x * 100**2 + y * 20**2))
    assert row["sd"] == pytest.approx(counted.std(), rel=0.02)
    assert [row["p10"], row["p90"]] == pytest.approx(np.quantile(counted, [0.1, 0.9]).tolist(), rel=0.005)
    # Thinning: 30 % avoided of a Poisson count is a Poisson count of 70 % of the rate.
    thinned = rng.binomial(rng.poisson(x, 40_000), 0.7)
    assert thinned.var() == pytest.approx(0.7 * x, rel=0.03)


@pytest.mark.oracle
def test_compounding_bias_as_known():
    # FIGURES: outpatients at 0.0-4.9 %/y for 18 years: a mean of 1.627 against 1.545 at the midpoint.
    population = pd.DataFrame({"icb_code": "Q", "year": range(2024, 2043), "age": 60, "sex": "female"})
    population = population.assign(variant="principal", persons=1e6)
    rates = pd.DataFrame({"pod": ["x"], "sex": "female", "age": 60, "rate": 1.0})
    growth = Growth(non_demographic_pct={"x": Distribution("interval", (0.0, 4.9))})
    last = simulate_demand(population, rates, growth, base_year=2024, horizon=2042, draws=20_000, rng=1).table.iloc[-1]
    assert last["central"] / 1e6 == pytest.approx(1.545, abs=0.002)
    assert last["mean"] / 1e6 == pytest.approx(1.627, abs=0.01)
    assert last["compounding_bias_pct"] == pytest.approx(5.4, abs=0.5)
