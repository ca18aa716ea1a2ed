"""Ranks by simulation, and the agreement of two rankings."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pathcost_lib import benchmark
from pathcost_lib.errors import InputError
from pathcost_lib.results import NotComputable

COLUMNS = {"by": "icb", "value": "v", "se": "se"}


def units(values: list[float], se: float | list[float]) -> pd.DataFrame:
    return pd.DataFrame({"icb": [f"Q{i:02d}" for i in range(len(values))], "v": values, "se": se})


def rank(df: pd.DataFrame, draws: int = 4_000, seed: int = 1) -> pd.DataFrame:
    return benchmark.rank(df, **COLUMNS, draws=draws, rng=np.random.default_rng(seed)).table


@pytest.mark.oracle
def test_two_units_swap_with_the_normal_probability():
    table = rank(units([0.0, 1.0], [1.0, 1.0]), draws=40_000)
    chance = stats.norm.cdf(1 / np.sqrt(2))  # P(the first is lower)
    assert table.loc[0, "probability_lowest_quarter"] == pytest.approx(chance, abs=0.01)
    assert table.loc[1, "probability_highest_quarter"] == pytest.approx(chance, abs=0.01)


@pytest.mark.oracle
def test_few_observations_draw_from_students_t():
    df = units([0.0, 3.0], [1.0, 0.0]).assign(n=[3, 3])  # only the first moves: it is higher with t's tail beyond 3
    table = benchmark.rank(df, **COLUMNS, count="n", draws=40_000, rng=np.random.default_rng(1)).table
    assert table.loc[0, "probability_highest_quarter"] == pytest.approx(stats.t.sf(3, 2), abs=0.004)
    with pytest.raises(InputError, match=r"n must be more than 1.*Q01"):
        benchmark.rank(df.assign(n=[3, 1]), **COLUMNS, count="n", rng=np.random.default_rng(1))


@pytest.mark.oracle
def test_equal_units_have_every_rank_alike():
    table = rank(units([5.0] * 40, 1.0), draws=8_000)
    np.testing.assert_allclose(table["probability_lowest_quarter"], 0.25, atol=0.02)
    np.testing.assert_allclose(table["probability_highest_quarter"], 0.25, atol=0.02)
    assert table["lower_95"].between(1, 2).all()  # uniform on 1 to 40
    assert table["upper_95"].between(39, 40).all()
    assert (table["rank"] == 1).all()


@pytest.mark.unit
def test_without_doubt_the_rank_is_the_rank():
    table = rank(units([3.0, 1.0, 2.0, 9.0, 7.0, 8.0, 6.0, 5.0], 0.0), draws=100)
    assert table["rank"].tolist() == [3, 1, 2, 8, 6, 7, 5, 4]
    for column in ("lower_95", "upper_95", "median_rank"):
        assert table[column].tolist() == table["rank"].tolist()
    assert table["probability_lowest_quarter"].tolist() == [0, 1, 1, 0, 0, 0, 0, 0]
    assert table["probability_highest_quarter"].tolist() == [0, 0, 0, 1, 0, 1, 0, 0]


@pytest.mark.unit
def test_draws_are_the_same_whatever_their_number_and_the_order_of_rows():
    df = units([1.0, 1.3, 0.8, 2.0, 1.1], [0.3, 0.2, 0.5, 0.1, 0.4])
    pd.testing.assert_frame_equal(rank(df.sample(frac=1, random_state=4)), rank(df))
    # counts of draws 1 to 1,500 and 1,501 to 3,000 can only add up to 3,000's if the first are the same
    for column in ("probability_lowest_quarter", "probability_highest_quarter"):
        short, long = (np.round(rank(df, draws=k)[column] * k) for k in (1_500, 3_000))
        assert ((long - short).between(0, 1_500)).all()
    streams = [benchmark.ranking.Streams(np.random.default_rng(7), ["a", "b"]) for _ in range(2)]
    first = np.vstack([streams[0].normal(3), streams[0].normal(5)])
    np.testing.assert_array_equal(first, streams[1].normal(8))
    alone = benchmark.ranking.Streams(np.random.default_rng(7), ["b"]).normal(8)[:, 0]
    np.testing.assert_array_equal(alone, first[:, 1])


@settings(max_examples=25)
@given(values=st.lists(st.floats(-50, 50), min_size=1, max_size=15), se=st.floats(0, 10))
@pytest.mark.property
def test_ranks_are_ranks(values, se):
    table = rank(units(values, se), draws=200)
    assert (table["lower_95"] <= table["median_rank"]).all()
    assert (table["median_rank"] <= table["upper_95"]).all()
    assert table["lower_95"].min() >= 1
    assert table["upper_95"].max() <= len(values)


@pytest.mark.unit
def test_bad_input_is_refused_with_the_key():
    df = units([1.0, 2.0], [0.1, 0.2])
    for wrong, named in (
        (df.assign(se=[0.1, -1]), r"se must not be negative.*Q01"),
        (df.assign(v=[np.nan, 1]), r"v must be a number.*Q00"),
        (pd.concat([df, df.tail(1)]), r"Each unit must be one row.*Q01"),
    ):
        with pytest.raises(InputError, match=named):
            rank(wrong)
    with pytest.raises(InputError, match=r"draws .* is 0"):
        rank(df, draws=0)


@pytest.mark.oracle
def test_kendalls_tau_counts_pairs():
    rng = np.random.default_rng(8)
    df = units(rng.normal(size=12).tolist(), 1.0)
    df["w"] = df["v"] + rng.normal(size=12)
    found = benchmark.rank_agreement(df, by="icb", first="v", second="w")
    pairs = [np.sign(df["v"][i] - df["v"][j]) * np.sign(df["w"][i] - df["w"][j]) for i in range(12) for j in range(i)]
    assert found.tau == pytest.approx(np.mean(pairs))
    assert found.lower_95 < found.tau < found.upper_95
    widest = found.table["difference"].abs()
    assert widest.is_monotonic_decreasing
    assert found.table.loc[0, "icb"] in found.summary


@pytest.mark.oracle
def test_limits_of_tau_cover():
    # true tau of a bivariate normal is 2/pi asin(correlation)
    rng, held = np.random.default_rng(2), 0
    for _ in range(300):
        first = rng.normal(size=40)
        df = units(first.tolist(), 1.0).assign(w=0.7 * first + np.sqrt(1 - 0.49) * rng.normal(size=40))
        found = benchmark.rank_agreement(df, by="icb", first="v", second="w")
        held += found.lower_95 <= 2 / np.pi * np.arcsin(0.7) <= found.upper_95
    assert 0.92 <= held / 300 <= 0.98


@pytest.mark.unit
def test_planted_disagreement_comes_first():
    df = units([float(i) for i in range(20)], 1.0)
    df["w"] = df["v"]
    df.loc[2, "w"] = 99.0  # efficient at its own stage, in the dearest pathway
    found = benchmark.rank_agreement(df, by="icb", first="v", second="w")
    assert found.table.loc[0, ["icb", "rank_first", "rank_second", "difference"]].tolist() == ["Q02", 3, 20, 17]
    flat = benchmark.rank_agreement(df.assign(w=1.0), by="icb", first="v", second="w")
    assert isinstance(flat.tau, NotComputable)
    assert "not computable" in flat.summary
