"""Funnels: limits, over-dispersion, calibration, and official outlier flags."""

from __future__ import annotations

import math
import runpy
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from statsmodels.stats.proportion import proportion_confint

from pathcost_lib.errors import InputError
from pathcost_lib.variation import adjust_pvalues, funnel
from pathcost_lib.variation.dispersion import _expected_square, estimate_phi, inflation, truncated, winsorise

Z95, Z998 = 1.959963984540054, 3.090232306167813  # qnorm(0.975), qnorm(0.999)
BENCHMARK = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "funnel.py"))


def ratios(observed: list[float], expected: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"unit": [f"R{i:02}" for i in range(len(observed))], "o": observed, "e": expected})


def draw(frame: pd.DataFrame, kind: str = "ratio", **options):
    return funnel(frame, unit="unit", numerator="o", denominator="e", kind=kind, **options)


# -- limits --
@pytest.mark.unit
def test_square_root_limits_are_squared_back() -> None:
    table = draw(ratios([110.0], [100.0]), method="cqc").table
    assert table.loc[0, "lower_95"] == pytest.approx((1 - Z95 * 0.05) ** 2)
    assert table.loc[0, "upper_998"] == pytest.approx((1 + Z998 * 0.05) ** 2)
    assert table.loc[0, "z"] == pytest.approx(2 * (math.sqrt(110) - 10))


@pytest.mark.unit
def test_rate_limits_have_both_terms_unless_the_population_is_fixed() -> None:
    frame = ratios([200, 190], [100, 100])
    both = draw(frame, "rate", target=2.0).table
    assert both.loc[0, "upper_95"] == pytest.approx(2 * math.exp(Z95 * math.sqrt(1 / 200 + 1 / 100)))
    fixed = draw(frame, "rate", target=2.0, fixed_denominator=True, method="cqc").table
    assert fixed.loc[0, "upper_95"] == pytest.approx(2 * math.exp(Z95 * math.sqrt(1 / 200)))


@pytest.mark.unit
def test_arcsine_limits_of_a_proportion() -> None:
    table = draw(ratios([30], [100]), "proportion", target=0.2, method="cqc").table
    assert table.loc[0, "lower_95"] == pytest.approx(math.sin(math.asin(math.sqrt(0.2)) - Z95 / 20) ** 2)


@pytest.mark.unit
def test_mean_limits_and_pooled_limits_elsewhere() -> None:
    frame = pd.DataFrame({"unit": ["a", "b"], "m": [5000.0, 5600.0], "s": [100.0, 200.0], "n": [400, 100]})
    result = funnel(frame, unit="unit", value="m", se="s", denominator="n", kind="mean")
    assert result.target == pytest.approx((5000 * 400 + 5600 * 100) / 500)
    assert result.table.loc[1, "upper_95"] == pytest.approx(5120 + Z95 * 200)
    # Both have a standard deviation of 2,000, so the pooled one is 2,000.
    assert result.limits_at([1600]).loc[0, "lower_998"] == pytest.approx(5120 - Z998 * 50)


@pytest.mark.unit
@pytest.mark.parametrize("expected", [0.02, 0.7, 3.3, 20.0, 151.5])
def test_exact_poisson_flags_are_those_of_the_mid_p_tail(expected: float) -> None:
    counts = np.arange(0, int(expected + 8 * math.sqrt(expected) + 8))
    table = draw(ratios(list(counts), [expected] * len(counts))).table
    mass = [math.exp(-expected + k * math.log(expected) - math.lgamma(k + 1)) for k in range(400)]
    for count, flag, z in zip(counts, table["flag"], table["z"], strict=True):
        low = math.fsum(mass[:count]) + mass[count] / 2
        high = math.fsum(mass[count + 1 :]) + mass[count] / 2
        side = "low" if low < high else "high"
        tail = min(low, high)
        assert flag == (f"{side}_998" if tail < 0.001 else f"{side}_95" if tail < 0.025 else "within")
        assert stats.norm.sf(abs(z)) == pytest.approx(tail, rel=1e-6)


@pytest.mark.unit
def test_exact_binomial_flags_and_the_ends() -> None:
    counts = np.arange(0, 13)
    table = draw(ratios(list(counts), [12] * 13), "proportion", target=0.3).table
    mass = [math.comb(12, k) * 0.3**k * 0.7 ** (12 - k) for k in range(13)]
    high = [sum(mass[k + 1 :]) + mass[k] / 2 for k in range(13)]
    assert list(table["flag"] == "high_998") == [h < 0.001 for h in high]
    assert (table["lower_998"] >= 0).all() and (table["upper_998"] <= 1).all()


@pytest.mark.oracle
def test_exact_limits_are_spiegelhalters_moved_by_half_a_case() -> None:
    """R: qpois(c(.025, .975), 100) is 81 and 120, and Spiegelhalter 2005's interpolation gives 80.37 and 119.58."""
    limits = draw(ratios([100], [100.0])).limits_at([100.0]) * 100
    for column, quantile, probability in (("lower_95", 81, 0.025), ("upper_95", 120, 0.975)):
        below, at = stats.poisson.cdf([quantile - 1, quantile], 100)
        published = quantile - (at - probability) / (at - below)
        assert limits.loc[0, column] == pytest.approx(published + 0.5, abs=0.05)


@pytest.mark.unit
@pytest.mark.parametrize("expected", [0.02, 0.7, 3.3, 20.0, 151.5])
def test_quantile_flags_are_those_of_the_whole_poisson_tail(expected: float) -> None:
    counts = np.arange(0, int(expected + 8 * math.sqrt(expected) + 8))
    table = draw(ratios(list(counts), [expected] * len(counts)), method="quantile").table
    mass = [math.exp(-expected + k * math.log(expected) - math.lgamma(k + 1)) for k in range(400)]
    for count, flag, z in zip(counts, table["flag"], table["z"], strict=True):
        low, high = math.fsum(mass[: count + 1]), math.fsum(mass[count:])
        side, tail = ("low", low) if low < high else ("high", high)
        assert flag == (f"{side}_998" if tail < 0.001 else f"{side}_95" if tail < 0.025 else "within")
        assert stats.norm.sf(abs(z)) == pytest.approx(min(tail, 0.5), rel=1e-6)


@pytest.mark.oracle
def test_quantile_limits_are_scipys() -> None:
    """Quantiles of Poisson(100), of Binomial(200, 0.3), and of Poisson(100) as a rate of a fixed population."""
    names = ["lower_998", "lower_95", "upper_95", "upper_998"]
    poisson = draw(ratios([100], [100]), method="quantile").table.loc[0, names] * 100
    assert list(poisson.astype(float).round(9)) == list(stats.poisson.ppf([0.001, 0.025, 0.975, 0.999], 100))
    assert list(poisson.astype(float).round(9)) == [71, 81, 120, 132]
    binomial = draw(ratios([60], [200]), "proportion", target=0.3, method="quantile").table.loc[0, names] * 200
    assert list(binomial.astype(float).round(9)) == list(stats.binom.ppf([0.001, 0.025, 0.975, 0.999], 200, 0.3))
    rate = draw(ratios([100], [50_000]), "rate", fixed_denominator=True, target=0.002, method="quantile")
    assert list((rate.limits_at([50_000]).loc[0, names] * 50_000).astype(float).round(9)) == [71, 81, 120, 132]


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("count", "expected", "flag"),
    [(200, 173.241, "within"), (200, 173.240, "high_95"), (500, 573.028, "low_998"), (500, 573.026, "low_95")],
)
def test_quantile_flags_change_where_fingertips_limits_lie(count: int, expected: float, flag: str) -> None:
    """PHEindicatormethods' poisson_funnel, which draws Fingertips' funnels of ratios and rates.

    200 events lie on the upper 95 % limit at 173.24086 expected, 500 on the lower 99.8 % limit at 573.02748: the values
    that the tests of DHSC's Python edition of the package hold.
    """
    assert draw(ratios([count], [expected]), method="quantile").table.loc[0, "flag"] == flag


@pytest.mark.oracle
@pytest.mark.parametrize(("target", "cases"), [(0.2, 150), (0.02, 900), (0.7, 40)])
def test_wilson_limits_are_where_a_wilson_interval_reaches_the_target(target: float, cases: int) -> None:
    """Fingertips' proportions: at each limit statsmodels' Wilson interval of the unit just reaches the target."""
    table = draw(ratios([0], [cases]), "proportion", target=target, method="wilson").table
    for level, alpha in (("95", 0.05), ("998", 0.002)):
        for side, end in (("lower", 1), ("upper", 0)):
            limit = table.loc[0, f"{side}_{level}"]
            if 0 < limit < 1:
                assert proportion_confint(limit * cases, cases, alpha, "wilson")[end] == pytest.approx(target)
    counts = np.arange(cases + 1)
    flags = draw(ratios(list(counts), [cases] * len(counts)), "proportion", target=target, method="wilson").table[
        "flag"
    ]
    low, high = proportion_confint(counts, cases, 0.05, "wilson")
    np.testing.assert_array_equal(flags.str.startswith("high"), low > target)
    np.testing.assert_array_equal(flags.str.startswith("low"), high < target)


@pytest.mark.unit
def test_limits_at_any_level_and_names() -> None:
    result = draw(ratios([90, 110, 100], [100, 100, 100]), limits=(0.999, 0.8), method="cqc")
    assert [c for c in result.table.columns if "er_" in c and c != "higher"] == [
        "lower_80",
        "upper_80",
        "lower_999",
        "upper_999",
    ]
    at = result.limits_at([100.0])
    assert at.loc[0, "upper_80"] == pytest.approx(result.table.loc[0, "upper_80"])
    assert list(result.table.columns[:5]) == ["unit", "value", "denominator", "z", "z_adjusted"]


# -- zeros, ties, what cannot be computed --
@pytest.mark.unit
@pytest.mark.parametrize(
    "options", [{}, {"overdispersion": "additive"}, {"overdispersion": "additive", "method": "shmi"}]
)
def test_zeros_and_missing_are_defined(options: dict) -> None:
    frame = ratios([0, 5, np.nan, 3, 20, 12], [4.0, 0.0, 3.0, 0.001, 18.0, 12.0])
    table = draw(frame, **options).table
    assert list(table["flag"] == "not computable") == [False, True, True, False, False, False]
    assert table.loc[1, "reason"] and pd.isna(table.loc[1, "z"]) and not table.loc[1, "flag_fdr"]
    assert table.loc[0, "value"] == 0 and np.isfinite(table.loc[0, "z"])
    # Three where a thousandth was expected; on the log scale an expected count so small has no limits to speak of.
    assert table.loc[3, "flag"] == ("within" if options.get("method") == "shmi" else "high_998")
    assert table["flag_fdr"].dtype == bool


@pytest.mark.unit
def test_an_indicator_with_nothing_to_judge_says_so_and_spares_the_others() -> None:
    frame = pd.concat(
        [ratios([0, 0, 0], [50, 60, 70]).assign(i="none"), ratios([5, 9, 30], [50, 60, 70]).assign(i="some")]
    )
    result = draw(frame, "proportion", indicator="i")
    table = result.table.set_index(["indicator", "unit"])
    assert (table.loc["none", "flag"] == "not computable").all() and table.loc["none", "reason"].str.contains(
        "target"
    ).all()
    assert table.loc[("some", "R02"), "flag"] == "high_998"
    assert result.limits_at([50], "none")["upper_95"].isna().all()
    empty = draw(ratios([np.nan], [0.0]))
    assert empty.table.loc[0, "flag"] == "not computable" and "0 units" in empty.summary


@pytest.mark.unit
def test_a_value_on_its_limit_is_within() -> None:
    upper = 5000 + stats.norm.ppf(0.975) * 100
    frame = pd.DataFrame({"unit": ["a", "b"], "m": [upper, np.nextafter(upper, np.inf)], "s": [100.0, 100.0]})
    table = funnel(frame, unit="unit", value="m", se="s", kind="mean", target=5000.0).table
    assert list(table["flag"]) == ["within", "high_95"]


@pytest.mark.unit
def test_direction_of_good_is_stated() -> None:
    frame = ratios([60, 100, 150], [100, 100, 100])
    assert list(draw(frame, higher_is="worse").table["reading"]) == [
        "better than expected",
        "as expected",
        "worse than expected",
    ]
    assert draw(frame, higher_is="better").table.loc[0, "reading"] == "worse than expected"
    assert draw(frame).table.loc[2, "reading"] == "higher than expected"


@pytest.mark.unit
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "odds"}, "kind"),
        ({"overdispersion": "plus"}, "overdispersion"),
        ({"method": "shmi", "kind": "rate"}, "shmi"),
        ({"method": "exact", "overdispersion": "additive"}, "exact"),
        ({"limits": (95,)}, "Write 0.95 for 95 %"),
        ({"trim": 0.5}, "trim"),
        ({"numerator": "z"}, "lack z"),
        ({"target": 0.0}, "target"),
        ({"target": np.nan}, "target is nan"),
        ({"limits": (0.95, np.nan)}, "Confidence is nan"),
        ({"limits": "wide"}, "Confidence"),
        ({"false_discovery": 5}, "write 0.05 for 5 %"),
        ({"method": "quantile", "kind": "rate"}, "fixed population"),
        ({"method": "wilson"}, "proportions"),
        ({"kind": "mean"}, "standard error"),
    ],
)
def test_bad_input_is_said(change: dict, words: str) -> None:
    options = {"unit": "unit", "numerator": "o", "denominator": "e", "kind": "ratio"} | change
    with pytest.raises(InputError, match=words):
        funnel(ratios([1, 2, 3], [2.0, 2.0, 2.0]), **options)


@pytest.mark.unit
def test_bad_rows_are_said() -> None:
    with pytest.raises(InputError, match=r"each key once: 2 row\(s\), unit: a"):
        draw(pd.DataFrame({"unit": ["a", "a"], "o": [1, 2], "e": [1.0, 2.0]}))
    with pytest.raises(InputError, match="negative"):
        draw(ratios([-1, 2], [1.0, 2.0]))
    with pytest.raises(InputError, match="above 1"):
        draw(ratios([3, 1], [2, 2]), "proportion")
    with pytest.raises(InputError, match="not whole"):
        draw(ratios([1.5, 1], [2.0, 2.0]))


# -- over-dispersion --
#: Colditz et al. 1994, 13 trials of BCG vaccine: (events, none) vaccinated and control.
BCG = [
    (4, 119, 11, 128), (6, 300, 29, 274), (3, 228, 11, 209), (62, 13536, 248, 12619), (33, 5036, 47, 5761),
    (180, 1361, 372, 1079), (8, 2537, 10, 619), (505, 87886, 499, 87892), (29, 7470, 45, 7232), (17, 1699, 65, 1600),
    (186, 50448, 141, 27197), (5, 2493, 3, 2338), (27, 16886, 29, 17825),
]  # fmt: skip


@pytest.mark.oracle
def test_dersimonian_laird_of_the_bcg_trials() -> None:
    """tau² = 0.3088, Q = 152.233: R's metafor, rma(method = "DL") on dat.bcg (J Stat Software 2010; 36(3))."""
    log_ratio = [math.log(a / (a + b)) - math.log(c / (c + d)) for a, b, c, d in BCG]
    se = [math.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)) for a, b, c, d in BCG]
    frame = pd.DataFrame({"unit": range(13), "value": log_ratio, "se": se})
    result = funnel(frame, unit="unit", value="value", se="se", kind="mean", overdispersion="additive", trim=0)
    assert result.tau2 == pytest.approx(0.3088, abs=5e-5)
    assert result.phi * 13 == pytest.approx(152.233, abs=5e-4)
    paule_mandel = funnel(
        frame, unit="unit", value="value", se="se", kind="mean", overdispersion="additive", trim=0, unbiased=True
    )
    assert paule_mandel.tau2 > 0


@pytest.mark.unit
def test_additive_ratio_limits_add_tau2_to_the_squared_error() -> None:
    rng = np.random.default_rng(5)
    expected = rng.uniform(50, 500, 60)
    frame = ratios(list(rng.poisson(expected * rng.lognormal(0, 0.2, 60))), list(expected))
    result = draw(frame, overdispersion="additive")
    z = np.clip(zs := 2 * (np.sqrt(frame["o"]) - np.sqrt(expected)), *np.quantile(zs, [0.1, 0.9]))
    weight = 4 * expected
    tau2 = (np.sum(z**2) - 59) / (weight.sum() - np.sum(weight**2) / weight.sum())
    assert result.tau2 == pytest.approx(tau2)
    upper = (1 + Z95 * np.sqrt(1 / weight + tau2)) ** 2
    np.testing.assert_allclose(result.table["upper_95"], upper)
    np.testing.assert_allclose(
        result.table["z_adjusted"], (np.sqrt(frame["o"] / expected) - 1) / np.sqrt(1 / weight + tau2)
    )


@pytest.mark.unit
def test_shmi_is_on_the_log_scale_and_truncates() -> None:
    rng = np.random.default_rng(6)
    expected = rng.uniform(200, 3000, 20)
    frame = ratios(list(rng.poisson(expected * rng.lognormal(0, 0.1, 20))), list(expected))
    result = draw(frame, overdispersion="additive", method="shmi")
    z = np.sqrt(expected) * np.log(frame["o"] / expected)
    kept = z.sort_values().index[2:18]  # of 20, ranks 1, 2, 19 and 20 go
    weight = expected[kept]
    tau2 = max(0, (np.sum(z[kept] ** 2) - 15) / (weight.sum() - np.sum(weight**2) / weight.sum()))
    assert result.tau2 == pytest.approx(tau2)
    np.testing.assert_allclose(result.table["upper_998"], np.exp(Z998 * np.sqrt(1 / expected + tau2)))


@pytest.mark.unit
def test_winsorising_keeps_and_truncating_drops() -> None:
    z = np.arange(1.0, 12.0)
    assert list(winsorise(z, 0.1)) == [2.0, *range(2, 11), 10.0]
    assert list(np.flatnonzero(~truncated(np.arange(20.0), 0.1))) == [0, 1, 18, 19]
    assert truncated(np.array([1.0, 1.0, 1.0, 1.0]), 0.25).all()  # ties share a rank, and stay together


@pytest.mark.unit
def test_multiplicative_limits_and_the_inflation_rule() -> None:
    assert inflation(1.5, 32) == 1.0  # 1 + 2 √(2/32) = 1.5: not above
    assert inflation(1.51, 32) == 1.51
    frame = ratios([60, 140, 100, 180, 40, 100, 100, 130, 75, 120], [100.0] * 10)
    result = draw(frame, overdispersion="multiplicative", trim=0)
    phi = float(np.mean((2 * (np.sqrt(frame["o"]) - 10)) ** 2))
    assert result.phi == pytest.approx(phi)
    assert result.table.loc[0, "upper_95"] == pytest.approx((1 + Z95 * 0.05 * math.sqrt(phi)) ** 2)
    calm = draw(ratios([100, 101, 99], [100.0] * 3), overdispersion="multiplicative").table
    assert calm.loc[0, "upper_95"] == pytest.approx((1 + Z95 * 0.05) ** 2)


@pytest.mark.oracle
@pytest.mark.parametrize("trim", [0.05, 0.1, 0.25])
def test_what_trimming_takes_away_is_that_of_the_normal_distribution(trim: float) -> None:
    cut = stats.norm.isf(trim)
    inside = integrate.quad(lambda x: x**2 * stats.norm.pdf(x), -cut, cut)[0]
    assert _expected_square(trim, "shmi") == pytest.approx(inside / (1 - 2 * trim))
    assert _expected_square(trim, "cqc") == pytest.approx(inside + 2 * trim * cut**2)
    z = np.random.default_rng(1).normal(size=200_000)
    assert estimate_phi(z, trim=trim, method="shmi", unbiased=True) == pytest.approx(1, abs=0.02)


# -- many at once, invariances, speed --
@pytest.mark.unit
def test_many_indicators_in_one_call_are_the_single_ones() -> None:
    rng = np.random.default_rng(2)
    frame = pd.concat(
        [BENCHMARK["simulate"]("ratio", "additive", 42, rng).assign(indicator=f"i{k}") for k in range(42)]
    )
    options = {
        "unit": "unit",
        "numerator": "events",
        "denominator": "size",
        "kind": "ratio",
        "overdispersion": "additive",
    }
    many = funnel(frame, indicator="indicator", **options)
    one = funnel(frame[frame["indicator"] == "i7"], **options)
    part = many.table[many.table["indicator"] == "i7"].drop(columns="indicator").reset_index(drop=True)
    pd.testing.assert_frame_equal(part, one.table)
    assert many.tau2["i7"] == one.tau2 and len(many.table) == 42 * 42 and len(many.parameters) == 42
    pd.testing.assert_frame_equal(many.limits_at([50, 500], "i7"), one.limits_at([50, 500]))
    with pytest.raises(InputError, match="Say which"):
        many.limits_at([50])


@pytest.mark.property
@given(st.integers(0, 10_000), st.sampled_from(["none", "multiplicative", "additive"]))
@settings(max_examples=25)
def test_order_does_not_matter_and_flags_follow_scores(seed: int, overdispersion: str) -> None:
    rng = np.random.default_rng(seed)
    frame = BENCHMARK["simulate"]("ratio", "additive", 40, rng)
    options = {
        "unit": "unit",
        "numerator": "events",
        "denominator": "size",
        "kind": "ratio",
        "overdispersion": overdispersion,
    }
    table = funnel(frame, **options).table
    mixed = funnel(frame.sample(frac=1, random_state=seed), **options).table.sort_values("unit", ignore_index=True)
    pd.testing.assert_frame_equal(table, mixed, rtol=1e-9)
    assert ((table["z_adjusted"].abs() > Z95) == (table["flag"] != "within")).all()
    np.testing.assert_allclose(table["q_value"], adjust_pvalues(table["p_value"]))


# -- calibration: quick; benchmarks/funnel.py is the full one --
@pytest.mark.slow
@pytest.mark.property
@pytest.mark.parametrize("units", [10, 300])
@pytest.mark.parametrize("kind", list(BENCHMARK["TRUTH"]))
def test_false_positives_are_nominal_where_only_chance_acts(kind: str, units: int) -> None:
    repeats = {10: 400, 300: 40}[units]
    found = BENCHMARK["false_positives"](kind, "none", units, repeats, np.random.default_rng(11), overdispersion="none")
    assert abs(found["at_95"] - 0.05) <= 4 * found["error_95"]
    assert abs(found["at_998"] - 0.002) <= 4 * found["error_998"]


@pytest.mark.property
@pytest.mark.parametrize("over", ["multiplicative", "additive"])
@pytest.mark.parametrize("kind", list(BENCHMARK["TRUTH"]))
def test_false_positives_are_nominal_where_units_truly_vary(kind: str, over: str) -> None:
    options = {"overdispersion": over, "unbiased": True}
    found = BENCHMARK["false_positives"](kind, over, 500, 30, np.random.default_rng(12), **options)
    assert abs(found["at_95"] - 0.05) <= 4 * found["error_95"]
    assert abs(found["at_998"] - 0.002) <= 4 * found["error_998"]


@pytest.mark.property
@pytest.mark.parametrize(("method", "share"), [("cqc", 0.12), ("shmi", 0.20)])
def test_published_trimming_flags_more_than_nominal_and_by_how_much(method: str, share: float) -> None:
    options = {"overdispersion": "additive", "method": method}
    found = BENCHMARK["false_positives"]("ratio", "additive", 500, 30, np.random.default_rng(13), **options)
    assert found["at_95"] == pytest.approx(share, abs=0.02)


@pytest.mark.property
def test_planted_outliers_are_found() -> None:
    power = BENCHMARK["power"](10).set_index(["units truly vary", "raised by"])
    assert power.loc[("none", "50%"), "found at 99.8 %"] > 0.8
    assert power.loc[("none", "30%"), "false among those"] < 0.15
    assert power["found at 95 %"].groupby(level=0).is_monotonic_increasing.all()


# -- official flags --
PROMS = {
    2016: ("Time_Series_Hip_and_Knee_Replacement_1617.csv.zip", "ProvComm_Hip_and_Knee_Replacement_1617.csv.zip"),
    2017: ("Time_Series_1718.csv.zip", "ProvComm_Hip_and_Knee_Replacements_1718.csv.zip"),
}
FLAGS = {
    "Not an outlier": "within",
    "Positive outlier (95%)": "high_95",
    "Positive outlier (99.8%)": "high_998",
    "Negative outlier (95%)": "low_95",
    "Negative outlier (99.8%)": "low_998",
}


def read_zip(path: Path) -> pd.DataFrame:
    with zipfile.ZipFile(path) as archive:
        name = next(n for n in archive.namelist() if not n.startswith("__"))
        with archive.open(name) as file:
            return pd.read_csv(file, encoding="latin-1", dtype=str)


def proms_differences(folder: Path, year: int) -> tuple[int, pd.DataFrame]:
    """Return how many official flags there are, and the rows where the funnel's differ.

    NHS Digital: adjusted health gain against England's, England's standard deviation over the root of modelled records,
    for providers with 30 modelled records or more.
    """
    series, gain = (read_zip(folder / name) for name in PROMS[year])
    for column in ("Modelled Records", "Adjusted Average Health Gain", "Standard Deviation"):
        gain[column] = pd.to_numeric(gain[column], errors="coerce")
    keys = ["Procedure", "Measure"]
    england = gain[gain["Organisation Type"] == "England"].set_index(keys)
    providers = gain[gain["Organisation Type"] == "Provider"].rename(columns={"Organisation Code": "OrgCode"})
    official = series[series[f"Outlier_{year}"].isin(FLAGS)].merge(providers, on=["OrgCode", *keys], validate="1:1")
    differences = []
    for key, part in official.groupby(keys):
        error = england.loc[key, "Standard Deviation"] / np.sqrt(part["Modelled Records"])
        result = funnel(
            part.assign(se=error),
            unit="OrgCode",
            value="Adjusted Average Health Gain",
            se="se",
            denominator="Modelled Records",
            kind="mean",
            target=float(england.loc[key, "Adjusted Average Health Gain"]),
            higher_is="better",
        )
        table = result.table.assign(official=part[f"Outlier_{year}"].map(FLAGS).to_numpy(), key=" / ".join(key))
        differences.append(table[table["flag"] != table["official"]])
    return len(official), pd.concat(differences)[["key", "unit", "z", "flag", "official"]]


@pytest.mark.published
@pytest.mark.parametrize(("year", "rows"), [(2016, 2972), (2017, 2750)])
def test_proms_outlier_flags_are_the_official_ones(public_data: Path, year: int, rows: int) -> None:
    official, differences = proms_differences(public_data / "proms_hip_knee", year)
    print(differences.to_string())
    assert official == rows
    # 98 % was asked for. Of 5,722 flags one differs: it is as near its limit as published gains are rounded.
    assert len(differences) <= 0.001 * rows
    assert ((differences["z"].abs() - Z95).abs() < 0.002).all()
