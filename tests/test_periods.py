"""Stays over months and years: each sums to itself."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest
from factories import activity_frame, activity_row, tables
from hypothesis import given, settings
from hypothesis import strategies as st
from test_ledger import HOW
from test_pathways import costed

from pathcost_lib.ledger import cost_activity, split_periods
from pathcost_lib.sources import Dataset


def split(rows: list[dict], **how) -> pd.DataFrame:
    from factories import make_tables

    _, ledger = costed(make_tables() | {"activity": activity_frame(rows)})
    return split_periods(ledger, **how).query("SELECT * FROM this ORDER BY activity_id, period").to_pandas()


@pytest.mark.unit
def test_30_january_to_2_february_is_two_nights_and_one():
    table = split([activity_row(1, "elective", date(2024, 1, 30), 3, recorded_cost_pence=10_000)])
    assert table["period"].tolist() == ["2024-01", "2024-02"]
    assert table["days"].tolist() == [2, 1]
    whole = table["cost_pence"].sum()
    assert table["cost_pence"].tolist() == [whole * 2 // 3, whole - whole * 2 // 3]


@pytest.mark.unit
def test_long_zero_day_open_and_future_stays_sum_to_themselves():
    rows = [
        activity_row(1, "elective", date(2023, 12, 20), 400),
        activity_row(2, "elective", date(2024, 2, 29), 0),
        activity_row(3, "mental_health_bed_day", date(2024, 3, 20), None, units=30),
        activity_row(4, "elective", date(2024, 3, 31), 1),  # ends on the day after the year's end
    ]
    table = split(rows, as_of=date(2024, 4, 5))
    counts = table.groupby("activity_id").agg(
        days=("days", "sum"), all=("days_in_all", "first"), periods=("period", "size")
    )
    assert (counts["days"] == counts["all"]).all()
    assert counts["periods"].tolist() == [14, 1, 2, 1]
    assert counts["days"].tolist() == [400, 1, 17, 1]


@pytest.mark.property
@settings(max_examples=40, deadline=None)
@given(data=tables(), by=st.sampled_from(["month", "financial_year"]))
def test_pieces_are_the_row_to_the_penny(data, by):
    made = Dataset.from_frames(data)
    ledger = cost_activity(made.activity, made.unit_costs, made.organisations, price_base="2024-25", **HOW)
    pieces = split_periods(ledger, by).to_pandas()
    rows = ledger.to_pandas().set_index("activity_id")
    columns = ["cost_pence", "fixed_pence", "semi_fixed_pence", "variable_pence"]
    sums = pieces.groupby("activity_id")[columns].sum(min_count=1)
    assert sums.sort_index().equals(rows.loc[sums.index, columns].sort_index().astype(sums.dtypes.to_dict()))
    assert set(sums.index) == set(rows.index)
    assert (pieces["days"] >= 1).all()
