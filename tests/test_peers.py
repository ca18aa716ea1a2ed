"""Peers by distance, and the boards of 2026 from those before."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathcost_lib import benchmark
from pathcost_lib.errors import InputError
from pathcost_lib.sources import follow


@pytest.fixture
def features() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "icb": [f"Q{i:02d}" for i in range(42)],
            "over_65": rng.normal(0.19, 0.03, 42),
            "deprivation": rng.normal(5, 1, 42),
            "people": rng.lognormal(14, 0.4, 42),
        }
    )


@pytest.mark.oracle
def test_distances_are_euclids_on_z_scores(features):
    found = benchmark.similar_peers(features, unit="icb")
    values = features[["over_65", "deprivation", "people"]].to_numpy()
    z = (values - values.mean(axis=0)) / values.std(axis=0)
    gaps = np.array([[sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) ** 0.5 for y in z] for x in z])
    np.testing.assert_allclose(found.distances.to_numpy(), gaps, atol=1e-12)
    nearest = np.argsort(gaps[5])[1:11]
    own = found.table[found.table["unit"] == "Q05"]
    assert own["peer"].tolist() == [f"Q{i:02d}" for i in nearest]
    assert own["rank"].tolist() == list(range(1, 11))
    assert "10 peers for each of 42 units" in found.summary


@pytest.mark.unit
def test_weights_and_the_users_own_peers(features):
    heavy = benchmark.similar_peers(features, unit="icb", weights={"over_65": 0, "people": 0})
    gap = (features["deprivation"] - features["deprivation"][7]).abs()
    assert heavy.table.query("unit == 'Q07'")["peer"].tolist() == features["icb"][gap.argsort()[1:11]].tolist()
    own = benchmark.similar_peers(features, unit="icb", override={"Q07": ["Q30", "Q02"]})
    rows = own.table.query("unit == 'Q07'")
    assert rows["peer"].tolist() == ["Q30", "Q02"]
    assert set(rows["chosen_by"]) == {"user"}
    assert len(own.table) == 41 * 10 + 2


@pytest.mark.unit
def test_bad_features_are_refused(features):
    for change, named in (
        ({"override": {"Q07": ["Q99"]}}, "Unit 'Q99' is not known"),
        ({"override": {"Q07": ["Q07"]}}, "cannot be its own peer"),
        ({"weights": {"age": 1}}, "Feature 'age' is not known"),
        ({"n": 42}, "42 units cannot give 42"),
    ):
        with pytest.raises(InputError, match=named):
            benchmark.similar_peers(features, unit="icb", **change)
    with pytest.raises(InputError, match=r"Every feature must be a number.*Q03"):
        benchmark.similar_peers(features.assign(people=features["people"].where(features["icb"] != "Q03")), unit="icb")
    with pytest.raises(InputError, match=r"Each unit must be one row.*Q00"):
        benchmark.similar_peers(pd.concat([features, features.head(1)]), unit="icb")
    flat = benchmark.similar_peers(features.assign(country="1"), unit="icb")
    assert flat.left_out == ("country",)


@settings(max_examples=20)
@given(seed=st.integers(0, 1_000))
@pytest.mark.property
def test_peers_do_not_depend_on_the_order_of_rows_nor_on_units_of_measure(seed):
    rng = np.random.default_rng(seed)
    df = pd.DataFrame(rng.integers(0, 4, (20, 3)), columns=list("abc")).assign(unit=[f"U{i:02d}" for i in range(20)])
    df["a"] += np.arange(20)
    found = benchmark.similar_peers(df, unit="unit", n=5)
    moved = df.sample(frac=1, random_state=seed).assign(a=lambda d: 1_000 * d["a"] - 7)
    again = benchmark.similar_peers(moved, unit="unit", n=5)
    pd.testing.assert_frame_equal(again.table, found.table)


@pytest.mark.published
def test_forty_two_boards_become_thirty_six_and_no_one_is_lost(public_data):
    folder = public_data / "icb_lookups"
    successions = pd.read_csv(folder / "DERIVED_icb42_to_icb36_april_2026.csv").rename(
        columns={"ICB": "org_code", "icb_2026": "successor_code", "share_of_old_icb": "successor_share"}
    )
    stays = successions["org_code"] == successions["successor_code"]
    core = pd.read_csv(folder / "DERIVED_icb_core_table_42.csv")
    df = core[["icb_ods_code", "Population", "G&A WP"]]
    moving = successions[~stays].assign(valid_to=date(2026, 3, 31))
    found = follow(df, moving, date(2026, 4, 1), organisation="icb_ods_code", additive=["Population"])
    assert df["icb_ods_code"].nunique() == 42
    assert found.table["icb_ods_code"].nunique() == 36
    assert found.shared_out["code"].nunique() == 12
    assert found.table["Population"].sum() == pytest.approx(df["Population"].sum(), rel=1e-12)
    assert [*found.left_out] == ["G&A WP"]
    essex = found.table.set_index("icb_ods_code").loc["D7T5G", "Population"]
    assert essex == pytest.approx(1_294_419.0 + 0.3544 * 1_080_854.8 + 0.2012 * 1_666_618.2, rel=1e-3)
    whole = core.assign(old_share=core["pop65plus_mid2023"] / core["pop_mid2023"])
    peers = benchmark.similar_peers(whole[["icb_ods_code", "old_share", "Population"]], unit="icb_ods_code")
    london = {"QKK", "QMF", "QMJ", "QRV", "QWE"}
    near = set(peers.table.query("unit == 'QRV'")["peer"].head(4))
    assert len(near & london) >= 2  # the young, large boards are one another's peers
