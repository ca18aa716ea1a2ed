"""Appraisal against the Green Book's own tables and examples."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathcost_lib.errors import InputError
from pathcost_lib.results import NotComputable
from pathcost_lib.scenarios.change import appraisal


@pytest.mark.oracle
def test_green_book_factors():
    # HM Treasury, The Green Book (2003), table of discount factors at 3.5 %, four decimals.
    factors = appraisal.discount_factors(125)
    published = {1: 0.9662, 2: 0.9335, 3: 0.9019, 5: 0.8420, 10: 0.7089, 20: 0.5026, 30: 0.3563}
    assert {year: round(factors[year], 4) for year in published} == published
    # Table 6.1: 3.0 % for years 31-75, 2.5 % for 76-125, chained.
    assert factors[31] / factors[30] == pytest.approx(1 / 1.03)
    assert factors[75] == pytest.approx(1.035**-30 * 1.03**-45)
    assert factors[125] == pytest.approx(1.035**-30 * 1.03**-45 * 1.025**-50)


@pytest.mark.unit
def test_health_effects_and_own_schedule():
    assert appraisal.discount_factors(2, "green_book_health") == pytest.approx([1, 1 / 1.015, 1 / 1.015**2])
    assert appraisal.discount_factors(2, [(1, 10.0), (5, 0.0)]) == pytest.approx([1, 1 / 1.1, 1 / 1.1])
    with pytest.raises(InputError, match="green_book_health"):
        appraisal.discount_factors(2, "treasury")
    with pytest.raises(InputError, match="0 to 1000"):
        appraisal.discount_factors(1001)


@pytest.mark.oracle
def test_green_book_rates_go_on_and_health_rates_fall_too():
    # The Green Book (February 2026), annex A6: 2.0 % to year 200, 1.5 % to 300, then 1.0 %; health 1.5, 1.29, 1.07,
    # 0.86, 0.64 and 0.43 % over the same bands. Products written out, not by the code's own loop.
    standard, health = appraisal.discount_factors(310), appraisal.discount_factors(310, "green_book_health")
    to_125 = 1.035**-30 * 1.03**-45 * 1.025**-50
    assert standard[[200, 300, 310]] == pytest.approx(
        [to_125 * 1.02**-75, to_125 * 1.02**-75 * 1.015**-100, to_125 * 1.02**-75 * 1.015**-100 * 1.01**-10]
    )
    assert health[30] == pytest.approx(1.015**-30)
    assert health[31] / health[30] == pytest.approx(1 / 1.0129)
    assert health[75] == pytest.approx(1.015**-30 * 1.0129**-45)
    assert health[125] == pytest.approx(health[75] * 1.0107**-50)
    assert health[[200, 300, 310]] == pytest.approx(
        health[125] * np.array([1.0086**-75, 1.0086**-75 * 1.0064**-100, 1.0086**-75 * 1.0064**-100 * 1.0043**-10])
    )


@pytest.mark.unit
def test_present_value_goes_by_the_calendar_not_by_position():
    # £100 in 2026 and £100 in 2030, four years later: 100 + 100 / 1.035^4 = 187.14, not 100 + 100 / 1.035 = 196.62.
    worth = 100 + 100 / 1.035**4
    assert round(worth, 2) == 187.14
    assert appraisal.net_present_value([100.0, 100.0], years=[2026, 2030]) == pytest.approx(worth)
    assert appraisal.net_present_value([100.0, 100.0], years=["2026-27", "2030-31"]) == pytest.approx(worth)
    assert appraisal.net_present_value(pd.Series({2030: 60.0, 2026: 100.0})) == pytest.approx(100 + 60 / 1.035**4)
    for years in ([2026], [2026, 2026], [0, 2], [2026, float("nan")], 2026):
        with pytest.raises(InputError, match="years"):
            appraisal.net_present_value([100.0, 100.0], years=years)
    for values in ({2026: -100.0, 2030: 50.0}, {2027: -100.0, 2026: 50.0}):
        with pytest.raises(InputError, match="out of order or have a gap"):
            appraisal.payback(pd.Series(values))


@pytest.mark.unit
@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: appraisal.net_present_value([1.0, float("nan")]), "value 2 of 2 is missing"),
        (lambda: appraisal.net_present_value([[1.0, 2.0], [3.0, float("nan")]]), "1 of 4 values are missing"),
        (lambda: appraisal.net_present_value(5.0), "one number for each year"),
        (lambda: appraisal.appraise([1.0, 2.0], [1.0]), "of the same years; they have 2 and 1"),
        (lambda: appraisal.appraise([1.0, 2.0], [1.0, 1.0], realisation=80), "is above 2"),
        (lambda: appraisal.discount_factors(5, [(30, 0.035)]), "write 3.5 for 0.035"),
        (lambda: appraisal.optimism_bias(1.0, 0.24), "write 24"),
        (lambda: appraisal.optimism_bias(1.0, 24.0, {"a": (30, 50)}), "write 0.5 for 50 %"),
        (lambda: appraisal.break_even(lambda n: n, 5, 1), "low must be less than high"),
    ],
)
def test_what_is_missing_or_out_of_range_is_refused(call, says):
    with pytest.raises(InputError, match=says):
        call()


@pytest.mark.oracle
def test_green_book_npv_example():
    # The Green Book (2003), chapter 5: A costs 10.0 and brings 2.5 a year for 4 years, B costs 5.0 and brings 1.5.
    flows = [[-10.0, 2.5, 2.5, 2.5, 2.5], [-5.0, 1.5, 1.5, 1.5, 1.5]]
    assert np.round(appraisal.net_present_value(flows), 2).tolist() == [-0.82, 0.51]


@pytest.mark.unit
def test_payback_counts_the_last_time_it_turns():
    assert appraisal.payback([-100, 40, 40, 40]) == pytest.approx(2.5)
    assert appraisal.payback([-100, 150, -80, 60]) == pytest.approx(2.5)  # 50 up, 30 down, then level half-way
    assert isinstance(appraisal.payback([-100, 10]), NotComputable)
    assert appraisal.payback([-100, 103.5], "green_book") == pytest.approx(1.0)


@pytest.mark.unit
def test_break_even_and_return():
    # Setting up costs 90 and each contact avoided is worth 3: 30 contacts break even.
    assert appraisal.break_even(lambda n: 3 * n - 90, 0, 100) == pytest.approx(30)
    assert "below zero" in str(appraisal.break_even(lambda n: 3 * n - 90, 0, 10))
    assert appraisal.return_on_investment([0, 207.0], [100, 0]) == pytest.approx(1.0)
    assert isinstance(appraisal.return_on_investment([1, 1], [0, 0]), NotComputable)


@pytest.mark.oracle
def test_optimism_bias_example():
    # Mott MacDonald (2002), section 3: non-standard buildings, 51 %, 92 % of it managed: £100m becomes £104m.
    result = appraisal.optimism_bias(100.0, "non_standard_buildings", {"risks managed": (100, 0.92)})
    assert round(result.adjusted_pct) == 4
    assert round(result.adjusted_gbp) == 104
    assert appraisal.optimism_bias(100.0, 24.0).adjusted_gbp == pytest.approx(124)
    # Two factors: 30 % of the bias half dealt with, 20 % wholly: 35 % off 24 % leaves 15.6 %.
    assert appraisal.optimism_bias(1, 24.0, {"a": (30, 0.5), "b": (20, 1.0)}).adjusted_pct == pytest.approx(15.6)
    with pytest.raises(InputError, match="at most 100 %"):
        appraisal.optimism_bias(1, 24.0, {"a": (70, 0.5), "b": (40, 1.0)})
    with pytest.raises(InputError, match="Project kind"):
        appraisal.optimism_bias(1, "castle")


@pytest.mark.unit
def test_realisation_shrinks_savings_only():
    # Pathology consolidation: £250m estimated in 2008, £200m in 2016 (FIGURES row 21): 0.8 realised.
    assert appraisal.realise([250.0, -50.0], 0.8).tolist() == [200.0, -50.0]


@pytest.mark.unit
def test_appraise_puts_it_together():
    result = appraisal.appraise([0, 60, 60, 60], [100, 0, 0, 0])
    assert result.table["cumulative_gbp"].tolist() == [-100, -40, 20, 80]
    assert result.payback_years == pytest.approx(1 + 40 / 60)
    assert result.net_present_value_gbp == pytest.approx(result.table["present_value_gbp"].sum())
    assert "payback after 1.7 years" in result.summary


@pytest.mark.property
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.floats(-3, 3))
def test_npv_is_linear(flows, scale):
    value = appraisal.net_present_value(flows)
    assert appraisal.net_present_value(np.array(flows) * scale) == pytest.approx(value * scale, abs=1e-3)
    assert abs(value) <= np.abs(flows).sum() + 1e-6
