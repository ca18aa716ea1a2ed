"""Rates, ratios, proportions, means, quantiles and the inequality gradient, against published and other numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from pathcost_lib import benchmark
from pathcost_lib.benchmark import standards
from pathcost_lib.errors import InputError
from pathcost_lib.intervals import poisson_limits

AGES = ["under 20", "20-24", "25-29", "30-34", "35-39", "40 and over"]
# Fleiss (1981), Statistical Methods for Rates and Proportions, table 14.4: Down's syndrome by mother's age and birth
# order, Michigan 1950-64; births of all orders are the standard
FIFTH = {"cases": [0, 8, 63, 112, 262, 295], "births": [327, 30666, 123419, 149919, 104088, 34392]}
FIRST = {"cases": [107, 141, 60, 40, 39, 25], "births": [230061, 329449, 114920, 39487, 14208, 3052]}
ALL_BIRTHS = [319933, 931318, 786511, 488235, 237863, 61313]


@pytest.fixture
def downs() -> pd.DataFrame:
    parts = [pd.DataFrame({"order": name, "age": AGES, **rows}) for name, rows in (("5+", FIFTH), ("1", FIRST))]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def births() -> pd.DataFrame:
    return pd.DataFrame({"age": AGES, "weight": ALL_BIRTHS})


def direct(df: pd.DataFrame, standard: pd.DataFrame, **options: object) -> pd.DataFrame:
    columns = {"by": "order", "events": "cases", "population": "births", "strata": "age"}
    return benchmark.directly_standardised_rate(df, **columns, standard=standard, **options).table.set_index("order")


# --- direct


@pytest.mark.oracle
def test_direct_rate_is_the_one_published_for_downs_syndrome(downs, births):
    # R package dsrTest 1.0.0, vignette "dsrTest - examples": birth order 5+, 75.52901 per 100,000
    assert direct(downs, births).loc["5+", "value"] == pytest.approx(75.52901, abs=5e-6)


@pytest.mark.oracle
def test_dobson_limits_are_the_closed_form(downs, births):
    table = direct(downs, births, confidence=(0.95, 0.998))
    for order, data in (("5+", FIFTH), ("1", FIRST)):
        x, n, w = (np.array(v, dtype=float) for v in (data["cases"], data["births"], ALL_BIRTHS))
        total, value = x.sum(), (w * x / n).sum() / w.sum()
        spread = np.sqrt((w**2 * x / n**2).sum() / w.sum() ** 2 / total)
        for level, name in ((0.95, "95"), (0.998, "998")):
            z = stats.norm.ppf((1 + level) / 2)
            low = total * (1 - 1 / (9 * total) - z / (3 * np.sqrt(total))) ** 3
            high = (total + 1) * (1 - 1 / (9 * (total + 1)) + z / (3 * np.sqrt(total + 1))) ** 3
            assert table.loc[order, f"lower_{name}"] == pytest.approx(1e5 * (value + spread * (low - total)), rel=1e-9)
            assert table.loc[order, f"upper_{name}"] == pytest.approx(1e5 * (value + spread * (high - total)), rel=1e-9)
    assert set(table["method"]) == {"Dobson, Byar"}


@pytest.mark.oracle
def test_dobson_limits_are_exact_under_ten_events(downs, births):
    few = downs[downs["order"] == "5+"].assign(cases=[0, 1, 0, 2, 3, 1])
    row = direct(few, births).loc["5+"]
    x, n, w = few["cases"].to_numpy(), few["births"].to_numpy(), np.array(ALL_BIRTHS)
    value, spread = (w * x / n).sum() / w.sum(), np.sqrt((w**2 * x / n**2).sum() / w.sum() ** 2 / 7)
    low, high = stats.chi2.ppf(0.025, 14) / 2, stats.chi2.ppf(0.975, 16) / 2
    assert row["lower_95"] == pytest.approx(1e5 * (value + spread * (low - 7)), rel=1e-9)
    assert row["upper_95"] == pytest.approx(1e5 * (value + spread * (high - 7)), rel=1e-9)
    assert row["reason"] == "fewer than 10 events"


@pytest.mark.oracle
def test_no_events_has_the_limit_of_fay_and_feuer(downs, births):
    # Fay and Feuer 1997: gamma limit with no events = exact upper limit of 0 events (3.689) at the largest weight
    row = direct(downs.assign(cases=0), births).loc["5+"]
    largest = max(w / n for w, n in zip(ALL_BIRTHS, FIFTH["births"], strict=True)) / sum(ALL_BIRTHS)
    assert (row["value"], row["lower_95"]) == (0, 0)
    assert row["upper_95"] == pytest.approx(1e5 * largest * 3.688879454, rel=1e-9)
    assert (row["method"], row["reason"]) == ("Fay-Feuer", "no events")


@pytest.mark.unit
def test_missing_stratum_is_a_reason_not_a_rate(downs, births):
    table = direct(downs[~((downs["order"] == "1") & (downs["age"] == "35-39"))], births)
    assert np.isnan(table.loc["1", ["value", "lower_95", "upper_95"]].astype(float)).all()
    assert table.loc["1", "reason"] == "missing strata: 35-39"
    assert table.loc["5+", "value"] == pytest.approx(75.52901, abs=5e-6)
    nowhere = direct(downs[downs["age"] != "35-39"], births)
    assert nowhere["value"].isna().all()


@pytest.mark.unit
def test_european_standard_serves_both_sexes_by_key():
    standard = standards.load_standard()
    assert standard["weight"].sum() == 100_000
    assert len(standard) == 19
    bands = standard["age_band"]
    df = pd.concat([pd.DataFrame({"age_band": bands, "sex": s, "n": 1000, "x": x}) for s, x in (("f", 10), ("m", 30))])
    columns = {"events": "x", "population": "n", "strata": ["sex", "age_band"]}
    table = benchmark.directly_standardised_rate(df, by=None, **columns).table
    assert table.loc[0, "value"] == pytest.approx(2_000)  # the mean of 1 % and 3 %


@pytest.mark.unit
def test_ages_fall_in_the_bands_of_the_standard():
    bands = benchmark.age_band(pd.Series([0, 4, 5, 89, 90, 104]))
    assert bands.tolist() == ["0-4", "0-4", "5-9", "85-89", "90+", "90+"]
    assert set(benchmark.age_band(pd.Series(range(100)))) == set(standards.load_standard()["age_band"])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"births": -5}, "births must not be negative.*1/30-34"),
        ({"cases": -1}, "cases must not be negative.*1/30-34"),
        ({"cases": np.nan}, "cases must be a number.*1/30-34"),
        ({"age": "not an age"}, "standard population lacks.*not an age"),
        ({"age": "25-29"}, "must be one row.*1/25-29"),
    ],
)
@pytest.mark.unit
def test_bad_rows_are_refused_with_their_keys(downs, births, change, named):
    downs = downs.astype({"cases": float, "births": float})
    downs.loc[(downs["order"] == "1") & (downs["age"] == "30-34"), list(change)] = list(change.values())
    with pytest.raises(InputError, match=named):
        direct(downs, births)


@pytest.mark.unit
def test_events_without_people_lose_their_area_only(downs, births):
    here = (downs["order"] == "1") & (downs["age"] == "30-34")
    table = direct(downs.assign(births=downs["births"].where(~here, 0)), births)
    assert np.isnan(table.loc["1", "value"])
    assert table.loc["1", "reason"] == "events without people: 30-34"
    assert table["value"].drop("1").equals(direct(downs, births)["value"].drop("1"))


@pytest.mark.unit
def test_repeated_events_widen_the_limits_as_by_hand():
    # 10 people with one admission and 5 with three: 25 events of variance 10 + 9 x 5 = 55, so sqrt(55/25) as wide
    df = pd.DataFrame({"age": "a", "n": 100.0, "times": [1.0, 3.0], "people": [10.0, 5.0]})
    how = {"by": None, "events": "people", "population": "n", "event_frequency": "times", "per": 100}
    row = benchmark.rate(df.drop(columns="age"), **how).table.loc[0]
    low, high = poisson_limits(np.array([25.0]), 0.95)
    assert row["value"] == pytest.approx(25)
    assert row["lower_95"] == pytest.approx(25 + np.sqrt(2.2) * (low[0] - 25))
    assert row["upper_95"] == pytest.approx(25 + np.sqrt(2.2) * (high[0] - 25))
    standard = pd.DataFrame({"age": ["a"], "weight": [1.0]})
    same = benchmark.directly_standardised_rate(df, strata="age", standard=standard, **how).table.loc[0]
    assert same["upper_95"] == pytest.approx(row["upper_95"])


@pytest.mark.unit
@pytest.mark.parametrize("few_events", ["mark", "withhold"])
def test_an_estimate_of_fewer_than_ten_events_is_marked_or_withheld(few_events):
    df = pd.DataFrame({"area": ["few", "enough"], "cases": [9.0, 10.0], "people": [1_000.0, 1_000.0]})
    how = {"by": "area", "events": "cases", "population": "people", "per": 1_000}
    table = benchmark.rate(df, **how, few_events=few_events).table.set_index("area")
    assert table.loc["enough", "value"] == pytest.approx(10) and "events" not in table.loc["enough", "reason"]
    assert "events" in table.loc["few", "reason"]
    shown = table.loc["few", ["value", "lower_95", "upper_95"]].notna()
    assert shown.all() if few_events == "mark" else not shown.any()
    part = benchmark.proportion(df, by="area", events="cases", population="people", few_events=few_events).table
    part = part.set_index("area")
    assert part.loc["enough", "value"] == pytest.approx(0.01) and part.loc["enough", "reason"] == ""
    assert part.loc["few", "reason"].startswith("fewer than 10 events")
    shown = part.loc["few", ["value", "lower_95", "upper_95"]].notna()
    assert shown.all() if few_events == "mark" else not shown.any()


@pytest.mark.unit
def test_bad_arguments_are_refused(downs, births):
    for level in (0.4, 1.0, 95, ()):
        with pytest.raises(InputError, match="Confidence"):
            direct(downs, births, confidence=level)
    with pytest.raises(InputError, match="ESP2013"):
        direct(downs, "ESP1976")
    with pytest.raises(InputError, match="lack nobody"):
        benchmark.rate(downs, by="order", events="nobody", population="births")
    with pytest.raises(InputError, match="no rows"):
        benchmark.rate(downs.head(0), by="order", events="cases", population="births")
    with pytest.raises(InputError, match="order is missing in 6"):
        direct(downs.replace({"order": {"1": None}}), births)


# --- indirect


@pytest.mark.unit
def test_an_empty_stratum_adds_nothing_and_events_without_people_lose_their_area_only():
    # Rates of all: a 30/300, b 10/100. Area y, no b: 100 x 0.1 = 10 expected, 12 seen. Area z: a 10 + b 5, 13 seen.
    df = pd.DataFrame(
        {
            "area": ["x", "x", "y", "y", "z", "z"],
            "age": ["a", "b"] * 3,
            "cases": [10.0, 5.0, 12.0, 0.0, 8.0, 5.0],
            "people": [100.0, 50.0, 100.0, 0.0, 100.0, 50.0],
        }
    )
    how = {"by": "area", "observed": "cases", "population": "people", "strata": "age"}
    table = benchmark.indirectly_standardised_ratio(df, **how).table.set_index("area")
    assert table["expected"].to_dict() == pytest.approx({"x": 15.0, "y": 10.0, "z": 15.0})
    assert table["ratio"].to_dict() == pytest.approx({"x": 1.0, "y": 1.2, "z": 13 / 15})
    reference = pd.DataFrame({"age": ["a", "b"], "rate": [0.1, 0.1]})
    stray = df.assign(cases=df["cases"].where(df.index != 3, 2.0))
    table = benchmark.indirectly_standardised_ratio(stray, **how, reference=reference).table.set_index("area")
    assert np.isnan(table.loc["y", "ratio"]) and "without people" in table.loc["y", "reason"]
    assert table.loc["z", "ratio"] == pytest.approx(13 / 15)


@pytest.mark.oracle
def test_indirect_ratio_and_limits_are_the_closed_form(downs):
    rates = downs.groupby("age")[["cases", "births"]].sum().eval("cases / births")
    fit = benchmark.indirectly_standardised_ratio(
        downs, by="order", observed="cases", population="births", strata="age", confidence=(0.95, 0.998)
    )
    for row in fit.table.itertuples():
        part = downs[downs["order"] == row.order]
        expected = (part["births"] * part["age"].map(rates)).sum()
        total = part["cases"].sum()
        assert row.expected == pytest.approx(expected, rel=1e-12)
        assert row.ratio == pytest.approx(total / expected, rel=1e-12)
        low = total * (1 - 1 / (9 * total) - 1.959963984540054 / (3 * np.sqrt(total))) ** 3
        assert row.lower_95 == pytest.approx(low / expected, rel=1e-9)
        assert row.lower_998 < row.lower_95
    assert fit.table["expected"].sum() == pytest.approx(downs["cases"].sum())


@pytest.mark.oracle
def test_poisson_limits_are_those_of_the_tables():
    # Garwood's exact 95 % limits of a count, as widely tabled (Breslow and Day 1987, chapter 2)
    published = {0: (0, 3.689), 1: (0.0253, 5.572), 5: (1.623, 11.668), 10: (4.795, 18.390)}
    low, high = poisson_limits(np.array(list(published), dtype=float), 0.95, exact_below=np.inf)
    np.testing.assert_allclose(np.column_stack([low, high]), list(published.values()), atol=6e-4)
    many = np.array([10.0, 30, 137, 5_000])
    for exact, byar in zip(poisson_limits(many, 0.95, exact_below=np.inf), poisson_limits(many, 0.95), strict=True):
        np.testing.assert_allclose(byar, exact, rtol=2e-3)


@pytest.mark.unit
def test_reference_joins_by_key_not_by_row_order(downs):
    rates = pd.DataFrame({"age": AGES, "rate": [0.0004, 0.0004, 0.0005, 0.0008, 0.003, 0.009]})
    columns = {"by": "order", "observed": "cases", "population": "births", "strata": "age"}
    right = benchmark.indirectly_standardised_ratio(downs, reference=rates, **columns).table
    shuffled = rates.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(
        benchmark.indirectly_standardised_ratio(downs, reference=shuffled, **columns).table, right
    )
    assert right.set_index("order").loc["1", "expected"] == pytest.approx(
        sum(n * r for n, r in zip(FIRST["births"], rates["rate"], strict=True))
    )
    with pytest.raises(InputError, match=r"reference rates lack.*35-39"):
        benchmark.indirectly_standardised_ratio(downs, reference=rates[rates["age"] != "35-39"], **columns)
    with pytest.raises(InputError, match=r"reference rates must hold each key once.*25-29"):
        twice = pd.concat([rates, rates[rates["age"] == "25-29"]])
        benchmark.indirectly_standardised_ratio(downs, reference=twice, **columns)


@pytest.mark.unit
def test_nothing_expected_is_not_a_ratio(downs):
    zero = pd.DataFrame({"age": AGES, "rate": 0.0})
    table = benchmark.indirectly_standardised_ratio(
        downs, by="order", observed="cases", population="births", strata="age", reference=zero
    ).table
    assert table["ratio"].isna().all()
    assert set(table["reason"]) == {"no events expected"}


# --- simple measures


@pytest.mark.oracle
def test_wilson_is_newcombes_table():
    # Newcombe, Statistics in Medicine 1998;17:857, table I, method 3
    published = {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }
    df = pd.DataFrame([{"g": i, "x": x, "n": n} for i, (x, n) in enumerate(published)])
    table = benchmark.proportion(df, by="g", events="x", population="n").table
    np.testing.assert_allclose(table[["lower_95", "upper_95"]], list(published.values()), atol=5.1e-5)
    for row in table.itertuples():
        again = proportion_confint(row.events, row.population, method="wilson")
        np.testing.assert_allclose([row.lower_95, row.upper_95], again, atol=1e-12)


@pytest.mark.unit
def test_more_events_than_people_is_refused_with_the_key():
    df = pd.DataFrame({"icb": ["QHL", "QOP"], "x": [5, 11], "n": [10, 10]})
    with pytest.raises(InputError, match=r"x must not exceed n.*QOP"):
        benchmark.proportion(df, by="icb", events="x", population="n")
    assert benchmark.rate(df, by="icb", events="x", population="n", per=1).table["value"].tolist() == [0.5, 1.1]


@pytest.mark.oracle
def test_mean_is_students_and_the_same_from_sums():
    rng = np.random.default_rng(2)
    df = pd.DataFrame({"g": np.repeat(["a", "b"], [7, 30]), "v": rng.gamma(2, 900, 37)})
    table = benchmark.mean(df, by="g", value="v", confidence=(0.9, 0.95)).table
    for row in table.itertuples():
        part = df.loc[df["g"] == row.g, "v"]
        low, high = stats.t.interval(0.95, len(part) - 1, part.mean(), stats.sem(part))
        np.testing.assert_allclose([row.value, row.lower_95, row.upper_95], [part.mean(), low, high], rtol=1e-12)
    cells = df.assign(n=1, sq=df["v"] ** 2).groupby("g", as_index=False).sum()
    again = benchmark.mean(cells, by="g", value="v", count="n", squares="sq", confidence=(0.9, 0.95)).table
    pd.testing.assert_frame_equal(again, table)
    with pytest.raises(InputError, match="both count and squares"):
        benchmark.mean(cells, by="g", value="v", count="n")


@pytest.mark.unit
def test_one_observation_has_a_mean_and_no_interval():
    row = benchmark.mean(pd.DataFrame({"g": ["a"], "v": [5.0]}), by="g", value="v").table.loc[0]
    assert row["value"] == 5
    assert np.isnan(row["lower_95"])
    assert row["reason"] == "one observation: no interval"


@pytest.mark.oracle
def test_quantiles_are_numpys_with_binomial_limits():
    rng = np.random.default_rng(5)
    df = pd.DataFrame({"g": np.repeat(["a", "b"], [200, 8]), "v": rng.lognormal(size=208)})
    table = benchmark.quantiles(df, by="g", value="v", q=(0.25, 0.5, 0.9)).table
    for row in table.itertuples():
        part = np.sort(df.loc[df["g"] == row.g, "v"].to_numpy())
        assert row.value == pytest.approx(np.quantile(part, row.quantile))
        if not np.isnan(row.lower_95) and not np.isnan(row.upper_95):
            j, k = np.searchsorted(part, [row.lower_95, row.upper_95]) + 1
            held = stats.binom.cdf(k - 1, len(part), row.quantile) - stats.binom.cdf(j - 1, len(part), row.quantile)
            assert held >= 0.95
    # Conover (1999): with 8 observations the median's limits are the extremes, whose coverage is 1 - 2/2^8
    small = table[(table["g"] == "b") & (table["quantile"] == 0.5)].iloc[0]
    part = df.loc[df["g"] == "b", "v"]
    assert (small["lower_95"], small["upper_95"]) == (part.min(), part.max())
    lacking = table[(table["g"] == "b") & (table["quantile"] == 0.9)].iloc[0]
    assert np.isnan(lacking["upper_95"])
    assert lacking["reason"] == "too few observations for a limit"
    with pytest.raises(InputError, match="between 0 and 1"):
        benchmark.quantiles(df, by="g", value="v", q=[1.2])


# --- inequality

# the life expectancy by decile printed in PHEindicatormethods' phe_sii help page (two areas)
AREA_1 = [75.9, 78.3, 83.8, 83.6, 80.5, 81.1, 81.7, 84.2, 80.6, 86.3]
PEOPLE_1 = [7291, 7997, 6105, 7666, 5790, 6934, 5918, 5974, 7147, 7534]
ERROR_1 = [1.64, 1.58, 1.51, 1.78, 1.7, 1.56, 1.37, 1.4, 2.43, 1.57]


@pytest.fixture
def deciles() -> pd.DataFrame:
    return pd.DataFrame({"area": "Area1", "decile": range(1, 11), "value": AREA_1, "se": ERROR_1, "persons": PEOPLE_1})


GRADIENT = {"by": "area", "quantile": "decile", "value": "value", "se": "se", "population": "persons"}


@pytest.mark.oracle
def test_slope_index_is_the_weighted_regression_and_the_limit_of_the_simulation(deciles):
    row = benchmark.slope_index(deciles, **GRADIENT).table.loc[0]
    share = np.array(PEOPLE_1) / sum(PEOPLE_1)
    rank = np.cumsum(share) - share / 2
    fit = sm.WLS(AREA_1, sm.add_constant(rank), weights=share).fit()
    assert row["sii"] == pytest.approx(fit.params[1], rel=1e-9)
    assert row["rii"] == pytest.approx(fit.params.sum() / fit.params[0], rel=1e-9)
    # PHE's own way: refit to values drawn from their standard errors, take percentiles
    rng = np.random.default_rng(11)
    drawn = rng.normal(AREA_1, ERROR_1, (100_000, 10)).T
    x = np.column_stack([np.ones(10), rank])
    first, slope = np.linalg.solve(x.T @ (share[:, None] * x), x.T @ (share[:, None] * drawn))
    np.testing.assert_allclose(
        np.quantile(slope, [0.025, 0.975]), row[["lower_95", "upper_95"]].astype(float), atol=0.05
    )
    ratio = np.quantile((first + slope) / first, [0.025, 0.975])
    np.testing.assert_allclose(ratio, row[["rii_lower_95", "rii_upper_95"]].astype(float), atol=1e-3)


@pytest.mark.unit
def test_slope_index_by_hand_and_its_edges(deciles):
    line = deciles.assign(persons=100, value=[100 + 10 * (i + 0.5) for i in range(10)], se=1.0)  # 100 at 0, 200 at 1
    row = benchmark.slope_index(line, **GRADIENT).table.loc[0]
    assert row["sii"] == pytest.approx(100)
    assert row["rii"] == pytest.approx(2)
    few = benchmark.slope_index(line.head(2), **GRADIENT).table.loc[0]
    assert np.isnan(few["sii"])
    assert few["reason"] == "fewer than 3 quantiles"
    vague = benchmark.slope_index(line.assign(se=500.0), **GRADIENT).table.loc[0]
    assert np.isnan(vague["rii_lower_95"])
    assert "zero" in vague["reason"]
    with pytest.raises(InputError, match=r"persons must be more than 0.*Area1/1"):
        benchmark.slope_index(deciles.assign(persons=0), **GRADIENT)


@pytest.mark.unit
def test_deciles_as_text_are_in_their_order(deciles):
    # value = 100 - 50 x the middle of each tenth: the slope is -50, whatever the labels look like
    line = deciles.assign(persons=100, se=1.0, value=[100 - 5 * (i + 0.5) for i in range(10)])
    for labels in (line["decile"].astype(str), [f"{i} - most deprived" if i == 1 else str(i) for i in range(1, 11)]):
        found = benchmark.slope_index(line.assign(decile=labels), **GRADIENT)
        assert found.table.loc[0, "sii"] == pytest.approx(-50)
        assert "read as the number" in found.note


# --- laws


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), areas=st.integers(1, 12))
@pytest.mark.property
def test_row_order_changes_nothing_and_groups_do_not_meet(seed, areas):
    rng = np.random.default_rng(seed)
    keys = pd.MultiIndex.from_product([[f"A{i}" for i in range(areas)], AGES], names=["order", "age"])
    df = keys.to_frame(index=False)
    df["births"], df["cases"] = rng.integers(1, 5_000, len(df)), rng.integers(0, 4, len(df))
    standard = pd.DataFrame({"age": AGES, "weight": ALL_BIRTHS})
    table = direct(df, standard)
    shuffled = direct(df.sample(frac=1, random_state=seed), standard.sample(frac=1, random_state=seed))
    pd.testing.assert_frame_equal(shuffled, table, rtol=1e-12)
    alone = direct(df[df["order"] == "A0"], standard)
    pd.testing.assert_frame_equal(alone, table.loc[["A0"]], rtol=1e-12)
    assert (table["lower_95"] <= table["value"] + 1e-9).all()
    assert (table["value"] <= table["upper_95"] + 1e-9).all()


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000))
@pytest.mark.property
def test_indirect_against_the_pool_averages_to_one(seed):
    rng = np.random.default_rng(seed)
    df = pd.MultiIndex.from_product([list("abcd"), AGES], names=["g", "age"]).to_frame(index=False)
    df["n"], df["x"] = rng.integers(1, 900, len(df)), rng.integers(0, 30, len(df))
    columns = {"by": "g", "observed": "x", "population": "n", "strata": "age"}
    table = benchmark.indirectly_standardised_ratio(df.sample(frac=1, random_state=seed), **columns).table
    assert table["expected"].sum() == pytest.approx(table["observed"].sum())


@pytest.mark.published
def test_real_populations_give_the_same_rate_by_two_routes(public_data):
    folder = public_data / "icb_population_projections"
    people = pd.read_csv(folder / "icb_population_by_age_sex_2000_2043_principal.csv.gz")
    people = people[(people["year"] == 2022) & (people["area_code"] != "E92000001")]
    long = people.melt(["area_code", "age"], ["female", "male"], "sex", "persons")
    rates = pd.read_csv(folder / "icb_activity_rates_by_age_sex_2022.csv.gz")
    rates = rates[(rates["area_code"] != "E92000001") & (rates["group"] == "walkin")]
    assert len(rates) > 0
    rates = rates.melt(["area_code", "age"], ["female_rate", "male_rate"], "sex", "rate")
    rates["sex"] = rates["sex"].str.removesuffix("_rate")
    df = long.merge(rates, on=["area_code", "age", "sex"]).dropna()
    df["events"] = df["persons"] * df["rate"]
    df["age_band"] = benchmark.age_band(df["age"]).replace({"15-19": "18-19"})
    df = df.groupby(["area_code", "age_band", "sex"], as_index=False)[["persons", "events"]].sum()
    standard = standards.load_standard().replace({"age_band": {"15-19": "18-19"}})
    standard = standard[standard["age_band"].isin(df["age_band"])]
    table = benchmark.directly_standardised_rate(
        df, by="area_code", events="events", population="persons", strata=["age_band", "sex"], standard=standard, per=1
    ).table
    assert table["area_code"].nunique() == 42
    wide = df.assign(r=df["events"] / df["persons"]).merge(standard, on="age_band")
    by_hand = wide.groupby("area_code")[["r", "weight"]].apply(lambda g: np.average(g["r"], weights=g["weight"]))
    np.testing.assert_allclose(table.set_index("area_code")["value"], by_hand.loc[table["area_code"]], rtol=1e-12)
