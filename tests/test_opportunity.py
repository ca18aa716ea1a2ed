"""Opportunity: nothing claimed by chance, planted excess found, limits that cover, each pound once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pathcost_lib import benchmark
from pathcost_lib.benchmark.opportunity import deduplicate
from pathcost_lib.benchmark.shrinkage import posterior_draws
from pathcost_lib.errors import InputError

COLUMNS = {"unit": "icb", "value": "v", "se": "se", "count": "n"}
TARGETS = ["median", "best_quarter", "best_5_of_10"]


def boards(rng: np.random.Generator, *, spread: float = 0.0, units: int = 42) -> tuple[pd.DataFrame, np.ndarray]:
    """Return boards whose true mean costs differ by `spread` (standard deviation), and those true means."""
    n = rng.integers(30, 2_000, units)
    true = 5_000 + spread * rng.standard_normal(units)
    se = 3_000 / np.sqrt(n)
    table = pd.DataFrame({"icb": [f"Q{i:02d}" for i in range(units)], "n": n, "se": se})
    return table.assign(v=true + se * rng.standard_normal(units)), true


def ring(units: int = 42, near: int = 5) -> pd.DataFrame:
    """Return ten peers for each board: the five on either side of it in a ring."""
    steps = [k for k in range(-near, near + 1) if k]
    pairs = [(f"Q{i:02d}", f"Q{(i + k) % units:02d}") for i in range(units) for k in steps]
    return pd.DataFrame(pairs, columns=["unit", "peer"])


def claim(df: pd.DataFrame, target: str | float = "median", seed: int = 1, **options: object) -> pd.DataFrame:
    options = {"draws": 600, "peers": ring(), **options}
    return benchmark.opportunity(df, **COLUMNS, target=target, rng=np.random.default_rng(seed), **options).table


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.oracle
def test_where_nothing_differs_nothing_is_claimed_beyond_the_nominal_rate(target):
    shares, any_claim, seeds = [], 0, 200
    for seed in range(seeds):
        df, _ = boards(np.random.default_rng(seed))
        significant = claim(df, target, seed=seed + 1_000, draws=300)["significant"]
        shares.append(significant.mean())
        any_claim += significant.any()
    assert np.mean(shares) <= 0.05  # the share of boards with a claim
    assert any_claim <= stats.binom.ppf(0.999, seeds, 0.05)  # and of runs with any claim at all


@pytest.mark.oracle
def test_the_usual_method_does_claim_by_chance():
    # own interval against the mean of the best five of ten as if it were known (RightCare's way; Dropkin 2018: 12 %)
    shares = []
    for seed in range(25):
        df, _ = boards(np.random.default_rng(seed))
        circle = ring().groupby("unit")["peer"].agg(list)
        best = [np.sort(df.set_index("icb").loc[circle[unit], "v"])[:5].mean() for unit in df["icb"]]
        shares.append((df["v"] - 1.959963984540054 * df["se"] > best).mean())
    assert np.mean(shares) > 0.10


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.oracle
def test_limits_cover_the_true_opportunity_and_luck_is_shrunk_away(target):
    held, off, raw, claims = 0, 0.0, 0.0, 0
    whole = 0.0
    for seed in range(20):
        df, true = boards(np.random.default_rng(seed), spread=300)
        table = claim(df, target, seed=seed + 1_000)
        circle = ring().groupby("unit")["peer"].agg(list)
        truth = pd.Series(true, df["icb"])
        aim = {
            "median": truth * 0 + truth.median(),
            "best_quarter": truth * 0 + truth.quantile(0.25),
            "best_5_of_10": pd.Series({u: np.sort(truth[circle[u]])[:5].mean() for u in truth.index}),
        }[target]
        real = ((truth - aim).to_numpy() * df["n"].to_numpy())[table["significant"]]
        made = table[table["significant"]]
        held += ((made["lower_95_gbp"] <= real) & (real <= made["upper_95_gbp"])).sum()
        off += (made["opportunity_gbp"] - real).sum()
        raw += (made["v"] - made["target_value"]).mul(made["n"]).sum()
        raw -= real.sum()
        claims += len(made)
        whole += real.sum()
    assert 0.92 <= held / claims <= 0.98
    assert abs(off / whole) < 0.05
    assert raw / whole > abs(off / whole)  # the plain difference overstates what was picked for being high


@pytest.mark.unit
def test_planted_excess_is_found_in_pounds():
    df, _ = boards(np.random.default_rng(3))
    df = df.assign(n=1_000, se=100.0, v=5_000.0 + 20 * stats.norm.ppf((np.arange(42) + 0.5) / 42))
    df.loc[7, "v"] += 1_500
    table = claim(df.assign(share=0.5), variable_share="share")
    made = table[table["significant"]]
    assert made["icb"].tolist() == ["Q07"]
    row = made.iloc[0]
    assert row["opportunity_gbp"] == pytest.approx(1_500_000, rel=0.05)
    assert row["lower_95_gbp"] < row["opportunity_gbp"] < row["upper_95_gbp"]
    assert row["variable_gbp"] == pytest.approx(row["opportunity_gbp"] / 2)
    assert row["variable_upper_95_gbp"] == pytest.approx(row["upper_95_gbp"] / 2)
    rest = table[~table["significant"]]
    assert (rest["opportunity_gbp"] == 0).all()
    assert rest["lower_95_gbp"].isna().all()
    assert set(rest["reason"]) == {"not above the target by more than chance"}


@pytest.mark.unit
def test_a_known_target_has_the_students_test():
    df, _ = boards(np.random.default_rng(5), spread=400)
    table = claim(df, 5_100.0)
    np.testing.assert_allclose(table["p_value"], stats.t.sf((df["v"] - 5_100) / df["se"], df["n"] - 1), rtol=1e-9)
    by_column = claim(df.assign(aim=5_100.0), "aim")
    pd.testing.assert_frame_equal(by_column.drop(columns="reason"), table.drop(columns="reason"))


@pytest.mark.oracle
def test_false_discovery_control_is_benjamini_and_hochbergs():
    # Benjamini and Hochberg, JRSS B 1995;57:289, section 3: the first four of these 15 are rejected at 5 %
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.324,
        0.4262,
        0.5719,
        0.6528,
        0.759,
        1,
    ]
    n = 10**6  # so many that Student's t is the normal
    z = stats.norm.isf(np.clip(p, None, 1 - 1e-12))
    df = pd.DataFrame({"icb": [f"Q{i:02d}" for i in range(15)], "v": 5_000 + 10 * z, "se": 10.0, "n": n})
    table = claim(df, 5_000.0)
    np.testing.assert_allclose(table["p_value"].head(14), p[:14], rtol=1e-4)
    assert (table["p_adjusted"] <= 0.05).tolist() == [True] * 4 + [False] * 11


def drawn(value: np.ndarray, se: np.ndarray, draws: int = 20_000) -> np.ndarray:
    rng, shape = np.random.default_rng(1), (draws, len(value))
    return posterior_draws(
        value, se, which=rng.random(draws), scale=rng.random(shape), normal=rng.standard_normal(shape)
    )


@pytest.mark.oracle
def test_shrinkage_is_that_of_the_eight_schools():
    # Rubin 1981; Gelman and others, Bayesian Data Analysis, 3rd edition, table 5.3: medians, 2.5 % and 97.5 % points
    effect, se = np.array([28.0, 8, -3, 7, -1, 1, 18, 12]), np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    low, middle, high = np.quantile(drawn(effect, se), [0.025, 0.5, 0.975], axis=0)
    np.testing.assert_allclose(middle, [10, 8, 7, 8, 5, 6, 10, 8], atol=1.5)
    np.testing.assert_allclose(low, [-2, -5, -11, -7, -9, -7, -1, -6], atol=3)
    np.testing.assert_allclose(high, [31, 23, 19, 21, 18, 28, 26, 33], atol=11)  # theirs are of 200 draws


@pytest.mark.oracle
def test_shrinkage_leaves_an_outlier_alone_and_is_complete_where_nothing_differs():
    value, se = np.append(np.random.default_rng(2).normal(0, 1, 30), 40.0), np.ones(31)
    mean = drawn(value, se, 4_000).mean(axis=0)
    assert mean[-1] == pytest.approx(40, abs=0.25)
    assert np.abs(mean[:-1]).max() < 0.6 * np.abs(value[:-1]).max()


@pytest.mark.unit
def test_measures_do_not_touch_one_another_but_for_the_false_discovery_rate():
    first, _ = boards(np.random.default_rng(1), spread=300)
    second, _ = boards(np.random.default_rng(2), spread=300)
    both = pd.concat([first.assign(pathway="knee"), second.assign(pathway="hip")]).sample(frac=1, random_state=1)
    table = claim(both, measure="pathway")
    alone = claim(first.assign(pathway="knee"), measure="pathway")
    columns = ["icb", "p_value", "shrunk_value", "target_value"]
    knee = table[table["pathway"] == "knee"].reset_index(drop=True)
    pd.testing.assert_frame_equal(knee[columns], alone[columns])


@pytest.mark.unit
def test_too_few_to_compare_with_is_a_reason():
    df, _ = boards(np.random.default_rng(1), units=4)
    table = claim(df)
    assert (table["opportunity_gbp"] == 0).all()
    assert table["reason"].str.contains("fewer than 5").all()
    more, _ = boards(np.random.default_rng(1), spread=800)
    tiny = more.assign(n=more["n"].where(more["icb"] != "Q03", 1), se=more["se"].where(more["icb"] != "Q04"))
    found = claim(tiny).set_index("icb")
    assert (found.loc[["Q03", "Q04"], "reason"] == "fewer than 2 patients, or no standard error").all()
    rest = claim(more[~more["icb"].isin(["Q03", "Q04"])]).set_index("icb")
    assert found["significant"].any()
    pd.testing.assert_frame_equal(found.drop(["Q03", "Q04"]), rest)
    lonely = claim(more, "best_5_of_10", peers=ring().query("unit != 'Q03'"))
    assert "fewer than 5" in lonely.set_index("icb").loc["Q03", "reason"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"v": -1.0}, r"v must not be negative.*Q04"),
        ({"se": -1.0}, r"se must not be negative.*Q04"),
        ({"n": 0}, r"n must be more than 0.*Q04"),
        ({"icb": "Q03"}, r"must be one row.*Q03"),
        ({"share": 1.2}, r"share must be between 0 and 1.*Q04"),
    ],
)
@pytest.mark.unit
def test_bad_rows_are_refused_with_their_keys(change, named):
    df, _ = boards(np.random.default_rng(1))
    df = df.assign(share=0.5)
    df.loc[4, list(change)] = list(change.values())
    with pytest.raises(InputError, match=named):
        claim(df, variable_share="share")


@pytest.mark.unit
def test_bad_targets_are_refused():
    df, _ = boards(np.random.default_rng(1))
    with pytest.raises(InputError, match="needs peers"):
        claim(df, "best_5_of_10", peers=None)
    with pytest.raises(InputError, match="lack top_decile"):
        claim(df, "top_decile")
    with pytest.raises(InputError, match=r"both have costs here; without costs: X00, X01"):
        claim(df, "best_5_of_10", peers=ring().assign(peer=lambda t: "X" + t["peer"].str[1:]))


# --- each pound once


def scope_of(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["icb", "claim", "cell", "cost_gbp"])


def claims_of(*rows: tuple[str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["icb", "claim", "opportunity_gbp"])


KEYS = {"unit": "icb", "claim": "claim", "cell": "cell"}


@pytest.mark.unit
def test_two_claims_on_one_cost_count_once_by_hand():
    scope = scope_of(
        ("QHL", "knee pathway", "knee/outpatient", 100.0),
        ("QHL", "knee pathway", "knee/admitted", 300.0),
        ("QHL", "outpatient", "knee/outpatient", 100.0),
        ("QHL", "outpatient", "other/outpatient", 100.0),
    )
    claims = claims_of(("QHL", "knee pathway", 40.0), ("QHL", "outpatient", 60.0))
    found = deduplicate(claims, scope, **KEYS)
    # knee claims 10 on the shared cell, outpatient 30: 30 counts, shared 1 to 3
    table = found.table.set_index("claim")
    assert table["deduplicated_gbp"].to_dict() == {"knee pathway": 37.5, "outpatient": 52.5}
    assert table["overlap_gbp"].tolist() == [2.5, 7.5]
    assert table.loc["outpatient", "share_kept"] == 0.875
    assert found.overlap.loc["knee pathway", "outpatient"] == 100
    assert found.overlap.loc["knee pathway", "knee pathway"] == 400
    assert found.cost_in_scope_gbp == 500
    assert "counted twice" in found.summary


@pytest.mark.unit
def test_claims_that_do_not_meet_keep_all_and_identical_claims_halve():
    apart = scope_of(("QHL", "a", "1", 50.0), ("QHL", "b", "2", 50.0), ("QOP", "a", "2", 50.0))
    claims = claims_of(("QHL", "a", 5.0), ("QHL", "b", 6.0), ("QOP", "a", 7.0))
    assert deduplicate(claims, apart, **KEYS).table["deduplicated_gbp"].tolist() == [5, 6, 7]
    same = scope_of(("QHL", "a", "1", 50.0), ("QHL", "b", "1", 50.0))
    halves = deduplicate(claims_of(("QHL", "a", 8.0), ("QHL", "b", 8.0)), same, **KEYS)
    assert halves.table["deduplicated_gbp"].tolist() == [4, 4]


@pytest.mark.unit
def test_claims_without_cost_behind_them_are_refused():
    scope = scope_of(("QHL", "a", "1", 50.0))
    with pytest.raises(InputError, match=r"must not exceed its cost in scope.*QHL/a"):
        deduplicate(claims_of(("QHL", "a", 51.0)), scope, **KEYS)
    with pytest.raises(InputError, match=r"must not exceed its cost in scope.*QHL/b"):
        deduplicate(claims_of(("QHL", "b", 1.0)), scope, **KEYS)
    with pytest.raises(InputError, match=r"cost_gbp must not be negative.*QHL/1/a"):
        deduplicate(claims_of(("QHL", "a", 1.0)), scope.assign(cost_gbp=-1.0), **KEYS)
    with pytest.raises(InputError, match=r"one cost.*QHL/1"):
        differs = pd.concat([scope, scope_of(("QHL", "b", "1", 60.0))])
        deduplicate(claims_of(("QHL", "a", 1.0)), differs, **KEYS)
    nothing = deduplicate(claims_of(("QHL", "b", 0.0)), scope, **KEYS)
    assert nothing.table["deduplicated_gbp"].tolist() == [0]


@pytest.mark.slow
@settings(max_examples=40)
@given(seed=st.integers(0, 100_000))
@pytest.mark.property
def test_the_sum_is_within_scope_and_no_claim_rises(seed):
    rng = np.random.default_rng(seed)
    cells = pd.MultiIndex.from_product([["QHL", "QOP"], list("12345")], names=["icb", "cell"]).to_frame(index=False)
    cells["cost_gbp"] = np.round(rng.gamma(1, 100, len(cells)) * (rng.random(len(cells)) > 0.1), 2)
    pairs = cells.merge(pd.DataFrame({"claim": list("abcd")}), how="cross")
    scope = pairs[rng.random(len(pairs)) < 0.6]
    whole = scope.groupby(["icb", "claim"], as_index=False)["cost_gbp"].sum()
    claims = whole.assign(opportunity_gbp=whole.pop("cost_gbp") * rng.choice([0, 0.1, 0.7, 1], len(whole)))
    found = deduplicate(claims, scope, **KEYS)
    table = found.table
    held = scope.drop_duplicates(["icb", "cell"]).groupby("icb")["cost_gbp"].sum()
    sums = table.groupby("icb")["deduplicated_gbp"].sum()
    assert (sums <= held.reindex(sums.index) + 1e-6).all()
    assert (table["deduplicated_gbp"] <= table["opportunity_gbp"]).all()
    assert (table["deduplicated_gbp"] >= 0).all()
    largest = table.groupby("icb")["opportunity_gbp"].max()
    assert (sums >= largest - 1e-6).all()  # and nothing real is thrown away
    moved = deduplicate(claims.sample(frac=1, random_state=seed), scope.sample(frac=1, random_state=seed), **KEYS)
    pd.testing.assert_frame_equal(moved.table, table, rtol=1e-9)


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), target=st.sampled_from(TARGETS))
@pytest.mark.property
def test_claims_stay_within_scope_and_do_not_depend_on_row_order(seed, target):
    rng = np.random.default_rng(seed)
    df, _ = boards(rng, spread=float(rng.choice([0, 500, 5_000])))
    df["v"] = df["v"].clip(lower=1)
    table = claim(df, target, draws=100)
    assert (table["opportunity_gbp"] <= table["cost_in_scope_gbp"]).all()
    assert (table["opportunity_gbp"] >= 0).all()
    pd.testing.assert_frame_equal(claim(df.sample(frac=1, random_state=seed), target, draws=100), table)
