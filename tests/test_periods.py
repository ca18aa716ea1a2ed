"""Stays over months, years and phases: each sums to itself."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import pytest
from factories import activity_frame, activity_row, tables
from hypothesis import given, settings
from hypothesis import strategies as st
from test_ledger import HOW
from test_pathways import CHEST, KNEE, costed, with_overlap

from pathcost_lib.ledger import cost_activity
from pathcost_lib.ledger.periods import split_periods
from pathcost_lib.pathways import link, split_phases, summarise
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


@pytest.mark.slow
@pytest.mark.property
@settings(max_examples=40)
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


# -- phases ------------------------------------------------------------------------------------------------------------
DAY = date(2024, 1, 31)  # of the operation: KNEE's phases are 180 days before, the day itself, 180 days after


def by_phase(rows: list[dict], **how) -> pd.DataFrame:
    from factories import make_tables

    _, ledger = costed(make_tables() | {"activity": activity_frame(rows)})
    links = link(ledger, KNEE)
    parts = split_phases(links, ledger, **how)
    assert parts.statement(ledger) == links.statement(ledger)
    return parts.links.query("SELECT * FROM this ORDER BY activity_id, days_from_index").to_pandas()


@pytest.mark.unit
def test_a_stay_costs_the_phases_of_its_nights_and_a_package_those_of_its_days():
    rows = [
        activity_row(1, "elective", DAY, 3, recorded_cost_pence=10_001),  # one night of the day itself, two after it
        activity_row(1, "rehabilitation_day", DAY - timedelta(days=2), 4, recorded_cost_pence=10_000),
        activity_row(1, "social_care_week", DAY + timedelta(days=5), 400, recorded_cost_pence=77),  # beyond the window
        activity_row(1, "community_contact", DAY, recorded_cost_pence=500),
        activity_row(1, "mental_health_bed_day", DAY - timedelta(days=1), None, units=9, recorded_cost_pence=900),
    ]
    table = by_phase(rows, as_of=DAY + timedelta(days=6))
    found = table.groupby(["activity_id", "phase"], sort=False)[["days", "cost_pence"]].sum()
    whole = table.groupby("activity_id")["cost_pence"].sum()  # at national prices
    assert table.groupby("activity_id")["days"].sum().tolist() == [3, 4, 400, 1, 8]
    assert found["days"].to_dict() == {
        (1, "operation"): 1,
        (1, "after"): 2,
        (2, "before"): 2,
        (2, "operation"): 1,
        (2, "after"): 1,
        (3, "after"): 400,
        (4, "operation"): 1,
        (5, "before"): 1,
        (5, "operation"): 1,
        (5, "after"): 6,
    }
    assert found.loc[(1, "operation"), "cost_pence"] == whole[1] // 3
    assert found.loc[(2, "before"), "cost_pence"] == whole[2] // 2


@pytest.mark.unit
@pytest.mark.parametrize(
    ("start", "nights"),
    [(date(2024, 1, 30), 3), (date(2024, 1, 1), 400), (date(2024, 1, 31), 0), (date(2024, 1, 29), 68)],
    ids=["30 January to 2 February", "400 days", "no night", "ends tomorrow"],
)
def test_the_named_stays_sum_to_themselves_over_months_years_and_phases(start, nights):
    from factories import make_tables

    rows = [activity_row(1, "elective", DAY, 1), activity_row(1, "non_elective", start, nights)]
    _, ledger = costed(make_tables() | {"activity": activity_frame(rows)})
    today = date(2024, 4, 5)  # the fourth stay ends on the 6th
    whole = ledger.query("SELECT * FROM this WHERE activity_id = 2").to_pandas()
    pieces = [split_periods(ledger, by, as_of=today).to_pandas() for by in ("month", "financial_year")]
    pieces.append(split_phases(link(ledger, KNEE), ledger, as_of=today).links.to_pandas())
    for table in pieces:
        mine = table[table["activity_id"] == 2]
        assert mine["days"].sum() == max(nights, 1)
        for column in ("cost_pence", "fixed_pence", "semi_fixed_pence", "variable_pence"):
            assert mine[column].sum() == whole[column][0] > 0


@pytest.mark.slow
@pytest.mark.property
@settings(max_examples=20)
@given(data=tables(max_size=20, patients=3), overlap=st.sampled_from(["nearest_index", "equal_split"]))
def test_pieces_over_phases_are_the_linked_row_to_the_penny(data, overlap):
    made, ledger = costed(data)
    links = link(ledger, [with_overlap(KNEE, overlap), with_overlap(CHEST, overlap)], patients=made.patients)
    parts = split_phases(links, ledger)
    assert parts.statement(ledger) == links.statement(ledger)
    key = ["pathway", "pathway_id", "activity_id"]
    columns = ["cost_pence", "fixed_pence", "semi_fixed_pence", "variable_pence"]
    whole, pieces = links.links.to_pandas(), parts.links.to_pandas()
    sums = pieces.groupby(key)[columns].sum(min_count=1)
    expected = whole.set_index(key)[columns].loc[sums.index]
    assert sums.equals(expected.astype(sums.dtypes.to_dict())) and len(sums) == len(whole)
    assert (pieces.groupby(key)["days"].sum() == pieces.groupby(key)["days_in_all"].first()).all()
    assert (pieces["days"] >= 1).all()


@pytest.mark.unit
def test_a_summary_by_phase_of_the_pieces_has_the_same_total():
    from factories import make_tables

    made, ledger = costed(make_tables(patients=60))
    links = link(ledger, KNEE, patients=made.patients)
    whole, pieces = (
        summarise(k, ledger, ["phase"], year="2024-25").set_index("phase")["cost_gbp"]
        for k in (links, split_phases(links, ledger))
    )
    assert pieces.sum() == pytest.approx(whole.sum(), abs=0.005)
    assert pieces["operation"] < whole["operation"] and pieces["after"] > whole["after"]
