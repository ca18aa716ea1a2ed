"""Organisations that merge and split: totals stay to the penny, and what cannot be shared out is said."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathcost_lib.errors import InputError
from pathcost_lib.sources import follow
from pathcost_lib.sources.succession import icb_successions


def successions(*rows: tuple[str, str, str, float | None]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["org_code", "valid_to", "successor_code", "successor_share"])
    return frame.assign(valid_to=pd.to_datetime(frame["valid_to"]))


@pytest.mark.unit
def test_a_split_by_hand():
    table = pd.DataFrame({"icb_code": ["A", "B"], "year": ["y1", "y1"], "cost_pence": [1001, 500]})
    followed = follow(
        table, successions(("A", "2026-03-31", "B", 0.25), ("A", "2026-03-31", "C", 0.75)), "2026-04-01",
        additive=["cost_pence"],
    )  # fmt: skip
    # 1001 x 0.25 = 250.25: B has 250 of A, C the other 751.
    assert followed.table.to_numpy().tolist() == [["B", "y1", 750], ["C", "y1", 751]]
    assert followed.table["cost_pence"].dtype == "int64"
    assert "1 ended before, 1 of them split" in followed.summary


@pytest.mark.unit
def test_a_merger_makes_a_ratio_anew_and_leaves_a_mean_out():
    table = pd.DataFrame(
        {
            "icb_code": ["A", "B"],
            "pence": [600, 400],
            "contacts": [3, 1],
            "pence_each": [200.0, 400.0],
            "score": [0.1, 0.2],
        }
    )
    moves = successions(("A", "2024-03-31", "M", 1.0), ("B", "2024-03-31", "M", None))
    followed = follow(
        table, moves, "2024-04-01", additive=["pence", "contacts"], ratios={"pence_each": ("pence", "contacts")}
    )
    # 1000 pence over 4 contacts: 250, not the mean of 200 and 400.
    assert followed.table.to_dict("records") == [{"icb_code": "M", "pence": 1000, "contacts": 4, "pence_each": 250.0}]
    assert "score is left out: a mean or a ratio has no share" in followed.summary


@pytest.mark.unit
def test_two_changes_in_a_chain_and_only_those_before_the_day():
    moves = successions(
        ("A", "2022-06-30", "B", 1.0), ("B", "2026-03-31", "C", 0.5), ("B", "2026-03-31", "D", 0.5)
    )  # fmt: skip
    table = pd.DataFrame({"icb_code": ["A"], "pence": [7]})
    assert follow(table, moves, "2022-06-30", additive=["pence"]).table["icb_code"].tolist() == ["A"]
    assert follow(table, moves, "2022-07-01", additive=["pence"]).table["icb_code"].tolist() == ["B"]
    last = follow(table, moves, date(2026, 4, 1), additive=["pence"]).table
    assert last.to_numpy().tolist() == [["C", 3], ["D", 4]]


@pytest.mark.unit
@pytest.mark.parametrize(
    ("moves", "said"),
    [
        ([("A", "2026-03-31", "B", 0.5)], "sum to 0.5000"),
        ([("A", "2024-03-31", "B", 1.0), ("B", "2025-03-31", "A", 1.0)], "round in a ring: A to B to A"),
    ],
)
def test_successions_that_cannot_be_followed_are_refused(moves, said):
    with pytest.raises(InputError, match=said):
        follow(pd.DataFrame({"icb_code": ["A"], "n": [1]}), successions(*moves), "2026-04-01", additive=["n"])


@pytest.mark.unit
def test_forty_two_icbs_become_thirty_six():
    table = pd.read_csv("data/reference/icbs.csv", dtype={"icb_code": str})
    old = table[table["valid_to"].notna() | (table["valid_from"] < "2026")]
    counts = pd.DataFrame({"icb_code": old["icb_code"], "people": old["registered_population"].astype("int64")})
    followed = follow(counts, icb_successions(), "2026-04-01", additive=["people"])
    assert (len(counts), len(followed.table)) == (42, 36)
    assert followed.table["people"].sum() == counts["people"].sum()
    assert "12 ended before, 3 of them split" in followed.summary


@pytest.mark.slow
@pytest.mark.property
@settings(max_examples=300)
@given(
    pence=st.lists(st.integers(-(10**15), 10**15), min_size=1, max_size=5),
    weights=st.lists(st.integers(1, 1000), min_size=1, max_size=5),
)
def test_totals_are_kept_to_the_penny_whatever_the_shares(pence, weights):
    shares = [weight / sum(weights) for weight in weights]
    moves = successions(*(("A", "2026-03-31", f"S{n}", share) for n, share in enumerate(shares)))
    table = pd.DataFrame({"icb_code": "A", "year": range(len(pence)), "pence": pence})
    followed = follow(table, moves, "2026-04-01", additive=["pence"]).table
    assert followed.groupby("year")["pence"].sum().tolist() == pence
    for row in followed.itertuples():
        assert abs(row.pence - pence[row.year] * shares[int(row.icb_code[1:])]) <= 1 + abs(
            pence[row.year]
        ) * 1e-6 * len(shares)
