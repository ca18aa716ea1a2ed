"""Measures of variation: by hand, against known truth, and how much is chance."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pathcost_lib.errors import InputError
from pathcost_lib.results import NotComputable
from pathcost_lib.variation import (
    chance_share,
    extremal_quotient,
    gini,
    interquartile_ratio,
    systematic_component,
    weighted_cv,
)

MEASURES = (systematic_component, extremal_quotient, gini, interquartile_ratio, weighted_cv)


@pytest.mark.unit
def test_systematic_component_by_hand() -> None:
    # (20/80)² twice, (0)² once, less 3/80: (0.125 - 0.0375)/3.
    found = systematic_component([100, 60, 80], [80, 80, 80])
    assert float(found) == pytest.approx((2 * 0.0625 - 3 / 80) / 3)
    assert found.corrected == found.value
    assert found.lower <= found.corrected <= found.upper


@pytest.mark.unit
def test_population_serves_as_expected() -> None:
    assert float(systematic_component([100, 60, 80], [8000, 8000, 8000])) == pytest.approx((2 * 0.0625 - 3 / 80) / 3)


@pytest.mark.unit
def test_plain_measures_by_hand() -> None:
    observed, expected = [20, 40, 60, 80], [50, 50, 50, 50]
    assert float(extremal_quotient(observed, expected)) == pytest.approx(4)
    assert float(interquartile_ratio(observed, expected)) == pytest.approx(65 / 35)
    assert float(weighted_cv(observed, expected)) == pytest.approx(np.std(observed) / 50)
    # Gini of 1, 2, 3, 4: Σ (2i - n - 1) x / (n Σ x) = (-3 - 2 + 3 + 12)/40.
    assert float(gini(observed, expected)) == pytest.approx(10 / 40)


@pytest.mark.unit
def test_gini_weighs_people() -> None:
    # Half the people have a quarter of the events: the Lorenz curve has one corner, at (0.5, 0.25).
    assert float(gini([25, 75, 0], [50, 50, 1e-9])) == pytest.approx(0.25, abs=1e-6)


@pytest.mark.unit
def test_no_events_at_the_low_end_is_said_and_the_corrected_value_still_comes() -> None:
    found = extremal_quotient([0, 5, 9, 30], [5, 5, 5, 5])
    assert isinstance(found.value, NotComputable) and not found.value
    assert np.isfinite(found.corrected) and found.table.loc[0, "reason"]
    assert "not computable" in found.summary


@pytest.mark.unit
def test_all_chance_is_said() -> None:
    share = chance_share([10, 11, 9, 10], [10, 10, 10, 10])
    assert share.share == 1 and "all of the variation" in share.summary
    for measure in (extremal_quotient, interquartile_ratio):
        assert measure([10, 11, 9, 10], [10, 10, 10, 10]).corrected == pytest.approx(1)
    assert systematic_component([10, 11, 9, 10], [10, 10, 10, 10]).corrected == 0


@pytest.mark.unit
def test_share_of_chance_by_hand() -> None:
    share = chance_share([100, 60, 80], [80, 80, 80])
    assert share.share == pytest.approx((1 / 80) / (2 * 0.0625 / 3))
    assert "30% is what chance alone would produce" in share.summary


@pytest.mark.unit
@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (([1, 2], [1, 2]), "3 units or more"),
        (([1, 2, 3], [1, 2]), r"3 units or more \(here 3 and 2\)"),
        (([1, -2, 3], [1, 2, 3]), "Observed counts: value 2 of 3 is below 0"),
        (([1, np.nan, 3], [1, 2, 3]), "Observed counts: value 2 of 3 is missing"),
        (([1, 2, 3], [1, 2, np.inf]), "Expected counts: value 3 of 3 is missing or not a number"),
        (([1, 2, 3], [1, "n/a", 3]), "Expected counts must be numbers"),
        ((5, [1, 2, 3]), "3 units or more"),
        (([1, 2, 3], [1, 0, 3]), "nothing is expected of 1 unit"),
        (([0, 0, 0], [1, 1, 1]), "no unit has events"),
        ((pd.Series([1, 2, 3], list("abc")), pd.Series([1, 2, 3], list("abd"))), "different units"),
    ],
)
@pytest.mark.parametrize("measure", [*MEASURES, chance_share])
def test_bad_counts_are_said(measure: Callable[..., object], bad: tuple, words: str) -> None:
    with pytest.raises(InputError, match=words):
        measure(*bad)


@pytest.mark.unit
def test_a_level_is_a_share_and_series_are_matched_by_label() -> None:
    observed, expected = pd.Series([10.0, 30, 25], list("abc")), pd.Series([20.0, 25, 20], list("abc"))
    assert gini(observed, expected.iloc[::-1]).value == gini(observed, expected).value
    assert gini(observed, [20, 10, 20]).value != gini(observed, expected).value
    for confidence, words in ((95, "Write 0.95"), (np.nan, "is nan"), ((0.9, 0.95), "one level")):
        with pytest.raises(InputError, match=words):
            systematic_component(observed, expected, confidence=confidence)


@pytest.mark.oracle
def test_q_profile_interval_solves_its_equation() -> None:
    """Viechtbauer 2007, equation 13: Q at the interval's ends is a chi-squared quantile on k - 1 degrees of freedom."""
    rng = np.random.default_rng(4)
    expected = rng.uniform(20, 400, 42)
    observed = rng.poisson(expected * rng.gamma(50, 1 / 50, 42))
    found = systematic_component(observed, expected)
    scaled = expected * observed.sum() / expected.sum()
    for variance, quantile in ((found.lower, 0.975), (found.upper, 0.025)):
        q = np.sum((observed / scaled - 1) ** 2 / (1 / scaled + variance))
        assert stats.chi2.cdf(q, 41) == pytest.approx(quantile, abs=1e-6)


@pytest.mark.slow
@pytest.mark.property
@pytest.mark.parametrize("measure", MEASURES)
def test_corrected_intervals_cover_the_truth(measure) -> None:
    """42 units with true rates that vary by 15 %: about 95 %, and as seen measures are too high."""
    rng = np.random.default_rng(8)
    covered, seen, truth = [], [], []
    for _ in range(200):
        expected = np.exp(rng.uniform(np.log(15), np.log(400), 42))
        rate = rng.gamma(1 / 0.15**2, 0.15**2, 42)
        found = measure(rng.poisson(expected * rate), expected)
        # The systematic component is of the population that rates come from, the others of these 42 rates.
        true = 0.15**2 if measure is systematic_component else float(measure(rate * 1e9, np.full(42, 1e9) * 1.0))
        if measure in (gini, weighted_cv):
            true = float(measure(rate * expected * 1e6, expected * 1e6))
        covered.append(found.lower <= true <= found.upper)
        seen.append(float(found))
        truth.append(true)
    assert 0.91 <= np.mean(covered) <= 0.99
    if measure is not systematic_component:
        assert np.mean(seen) > 1.05 * np.mean(truth)
