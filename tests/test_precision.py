"""What leaves is as exact as a rounded count allows, and no more: every count of a class gives the same release."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathcost_lib import present
from pathcost_lib.errors import InputError
from pathcost_lib.intervals import poisson_limits, wilson_limits
from pathcost_lib.present import display
from pathcost_lib.present.format import unit
from pathcost_lib.present.precision import kind_of
from pathcost_lib.value import words as value_words
from pathcost_lib.variation import words as outlier_words

#: Counts of five that can each be shown, the middle of a class.
CLASSES = st.sampled_from([10, 15, 20, 35, 60, 105, 550, 4000, 15185])
POUNDS = st.floats(1.0, 90_000.0)


def _of_class(middle: int) -> list[int]:
    return [n for n in range(middle - 2, middle + 3) if n >= 8]


def _row(n: int, mean: float, spread: float, population: int) -> pd.DataFrame:
    """A row whose every number rests on n people and on statistics that are the same for each n."""
    low, high = (bound[0] for bound in poisson_limits(np.array([float(n)]), 0.95))
    per = 100_000 / population
    return pd.DataFrame(
        {
            "pathways": [n],
            "mean_gbp": [mean],
            "lower_95": [max(mean - spread, 0.0)],
            "upper_95": [mean + spread],
            "cost_gbp": [n * mean],
            "rate": [n * per],
            "rate_lower_95": [low * per],
            "rate_upper_95": [high * per],
            "difference_gbp": [mean - 1234.5],
            "difference_lower_95": [mean - 1234.5 - spread],
            "difference_upper_95": [mean - 1234.5 + spread],
            "median_gbp": [0.8 * mean],
            "outside_pct": [37.123],
        }
    )


# -- each count of a class gives the same release ---------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.property
@settings(max_examples=60)
@given(CLASSES, POUNDS, st.floats(0.01, 2.0), st.integers(20_000, 2_000_000))
def test_every_count_of_a_class_gives_the_same_release(middle: int, mean: float, share: float, population: int) -> None:
    shown = [present.disclose(_row(n, mean, share * mean, population), counts="pathways") for n in _of_class(middle)]
    for other in shown[1:]:
        pd.testing.assert_frame_equal(shown[0].frame, other.frame, check_exact=True)


@pytest.mark.slow
@pytest.mark.property
@settings(max_examples=60)
@given(CLASSES, POUNDS, st.integers(20_000, 2_000_000))
def test_total_over_mean_and_rate_times_population_give_the_rounded_count(
    middle: int, mean: float, population: int
) -> None:
    for n in _of_class(middle):
        shown = present.disclose(_row(n, mean, mean, population), counts="pathways")
        row = shown.frame.iloc[0]
        # Both are released to a step of their size over the count, so each is within one and a half of it.
        assert abs(row["cost_gbp"] / row["mean_gbp"] - middle) <= 0.011 * middle + 1.5 / (1 - 2.5 / middle) * 5
        step = shown.steps["rate"].iloc[0]
        assert abs(row["rate"] - middle * 100_000 / population) <= step / 2 + 1e-6


@pytest.mark.property
@settings(max_examples=60)
@given(CLASSES, POUNDS, st.floats(0.01, 2.0))
def test_a_released_number_is_within_its_step_and_an_interval_still_covers(
    middle: int, mean: float, share: float
) -> None:
    shown = present.disclose(_row(middle, mean, share * mean, 100_000), counts="pathways")
    row, steps = shown.frame.iloc[0], shown.steps.iloc[0]
    assert abs(row["mean_gbp"] - mean) <= steps["mean_gbp"] / 2 + 1e-6
    assert steps["mean_gbp"] >= mean / middle - 1e-6
    assert row["lower_95"] <= max(mean - share * mean, 0) + 1e-6 and row["upper_95"] >= mean + share * mean - 1e-6
    assert row["lower_95"] <= row["mean_gbp"] <= row["upper_95"]


@pytest.mark.property
@settings(max_examples=60)
@given(CLASSES, st.floats(0.5, 99.5))
def test_a_share_whose_divisor_alone_is_shown_fits_every_divisor_of_the_class(middle: int, percent: float) -> None:
    table = pd.DataFrame({"unusual_rows": [middle], "high_pct": [100 * round(middle * percent / 100) / middle]})
    shown = present.disclose(table, counts="unusual_rows")
    if shown.hidden["high_pct"].iloc[0]:
        return
    share, step = shown.frame["high_pct"].iloc[0], shown.steps["high_pct"].iloc[0]
    for n in _of_class(middle):
        fits = [k for k in range(n + 1) if abs(100 * k / n - share) <= step / 2 + 1e-6]
        assert fits, (n, share, step)


@pytest.mark.property
@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(8, 400), POUNDS), min_size=2, max_size=6), st.integers(0, 5))
def test_a_cell_rounds_as_itself_whatever_stands_beside_it(cells: list[tuple[int, float]], turned: int) -> None:
    table = pd.DataFrame(cells, columns=["pathways", "mean_gbp"]).assign(place=[f"p{n}" for n in range(len(cells))])
    other = table.iloc[np.roll(np.arange(len(table)), turned)]
    one, two = (
        present.disclose(t, counts="pathways").frame.set_index("place")["mean_gbp"].to_dict() for t in (table, other)
    )
    alone = {k: v for r in range(len(table)) for k, v in _alone(table.iloc[[r]]).items()}
    assert one == two == alone


def _alone(row: pd.DataFrame) -> dict[str, float]:
    return present.disclose(row, counts="pathways").frame.set_index("place")["mean_gbp"].to_dict()


# -- the leaks that were found ----------------------------------------------------------------------------------------
@pytest.mark.unit
def test_a_share_of_linked_patients_does_not_give_the_six_who_are_not() -> None:
    """28 of 34 is 82 %, which no other pair of the classes of 30 and 35 gives; 30 of 35 is 86 %."""
    row = {"icb_code": "QHL", "pathways": 40, "due_pathways": 34, "linked_pathways": 28, "answered_pathways": 28}
    row |= {"linkage_pct": 100 * 28 / 34, "response_pct": 100.0, "answered_gbp": 12610.411071, "silent_gbp": np.nan}
    shown = value_words.response_table(pd.DataFrame([row]), icb="QHL", area="A")
    assert shown.frame[["due_pathways", "linked_pathways", "linkage_pct"]].iloc[0].tolist() == [35, 30, 86]
    assert "86%" in value_words.response_line(shown)
    pairs = [(n, k) for n, k in itertools.product(range(33, 38), range(28, 33)) if k <= n]
    assert {n - k for n, k in pairs} == set(range(1, 10))


@pytest.mark.unit
def test_seventeen_of_eighteen_is_not_told_by_a_percentage_of_about_twenty() -> None:
    """94.4 % of "20" is 17 of 18 only, so one is of the other kind: neither the part nor the rest may be 1 to 7."""
    table = pd.DataFrame(
        {"recorded_rows": [5920] * 3, "unusual_rows": [18, 18, 60], "high_pct": [94.4444, 100.0, 70.0]}
    )
    shown = present.disclose(table, counts=["recorded_rows", "unusual_rows"], in_order=True)
    assert shown.hidden["high_pct"].tolist() == [True, False, False]
    assert shown.frame["high_pct"].tolist()[1:] == [100.0, 70.0]
    assert shown.frame["unusual_rows"].tolist() == [20.0, 20.0, 60.0]


@pytest.mark.unit
@pytest.mark.parametrize("counts", [(8, 9), (14, 17)])
def test_limits_of_a_rate_are_those_of_the_rounded_count(counts: tuple[int, int]) -> None:
    """By hand: Byar at 10 events is 4.79 to 18.39, at 15 it is 8.39 to 24.74; as shares of the rate, to a step."""
    shown = []
    for n in counts:
        low, high = (bound[0] for bound in poisson_limits(np.array([float(n)]), 0.95))
        table = pd.DataFrame({"pathways": [n], "rate": [10.0 * n], "lower_95": [10 * low], "upper_95": [10 * high]})
        table = table.assign(index=100.0, index_lower_95=100 * low / n, index_upper_95=100 * high / n)
        frame = present.disclose(table, counts="pathways", kinds={"index": "rate"}).frame.drop(
            columns=[c for c in table if c.startswith("index")]
        )
        shown.append(frame.iloc[0].tolist())
    assert shown[0] == shown[1]
    assert shown[0] == {(8, 9): [10, 100, 40, 190], (14, 17): [15, 150, 80, 250]}[counts]


@pytest.mark.unit
def test_suppressed_rows_stand_last_by_label_so_that_their_place_tells_nothing() -> None:
    table = pd.DataFrame({"provider": list("dbca"), "pathways": [40, 3, 30, 5], "mean_gbp": [900.0, 800.0, 700, 600]})
    shown = present.disclose(table, counts="pathways")
    assert shown.frame["provider"].tolist() == ["d", "c", "a", "b"]
    assert shown.head(3).frame["provider"].tolist() == ["d", "c", "a"]
    other = present.disclose(table.iloc[[1, 0, 3, 2]], counts="pathways")
    assert other.frame["provider"].tolist()[2:] == ["a", "b"]
    in_order = present.disclose(table, counts="pathways", in_order=True)
    assert in_order.frame["provider"].tolist() == list("dbca")


@pytest.mark.unit
def test_words_and_pounds_of_a_finding_give_the_rounded_count() -> None:
    """£2,719.29 more for each of 16 patients was £43,508.63 more in all: 43,508.63 / 2,719 is 16."""
    shown = set()
    for n in range(13, 18):
        row = {"provider_code": "SA-1", "pathway": "knee", "part": "index_event", "pathways": n, "flag": "high_95"}
        row |= {"excess_gbp": n * 2719.289531, "difference_pct": 29.6, "stands_out": False}
        safe = present.disclose(pd.DataFrame([row]), counts="pathways")
        words = outlier_words.findings(safe, names={"SA-1": "Trust"}, titles={"knee": "Knee"})
        shown.add((words.frame["finding"].iloc[0], words.frame["excess_gbp"].iloc[0]))
        about = outlier_words.about(row, names={"SA-1": "Trust"}, titles={"knee": "Knee"})
        assert words.frame["finding"].iloc[0] in about.note
    assert shown == {("Knee: £2,600 (30%) more per patient than expected at the index event", 40_000.0)}


@pytest.mark.property
@settings(max_examples=60)
@given(st.lists(st.integers(100, 3_000_000), min_size=13, max_size=17))
def test_that_a_mean_of_pence_times_the_count_is_whole_tells_no_count(pence: list[int]) -> None:
    mean = sum(pence) / len(pence) / 100
    table = pd.DataFrame({"pathways": [len(pence)], "mean_gbp": [mean]})
    shown = present.disclose(table, counts="pathways")
    released, step = shown.frame["mean_gbp"].iloc[0], shown.steps["mean_gbp"].iloc[0]
    for n in range(13, 18):
        least, most = (100 * n * (released + side * step / 2) for side in (-1, 1))
        assert np.floor(most) >= np.ceil(least)
    bundle = display.table_bundle(shown, name="t", title="t")
    assert f"{mean:.2f}" not in str(bundle) or abs(mean - released) < 0.005


@pytest.mark.property
@settings(max_examples=100)
@given(st.lists(st.floats(500, 40_000), min_size=20, max_size=60), st.floats(500, 40_000))
def test_two_groups_that_differ_by_one_patient_do_not_give_that_patients_cost(costs: list[float], one: float) -> None:
    """A pathway of one's own without one currency gave £24,268.60. Even with both counts known, it is within a mean."""
    with_one = [*costs, one]
    shown = [
        present.disclose(pd.DataFrame({"pathways": [len(c)], "mean_gbp": [np.mean(c)]}), counts="pathways")
        for c in (costs, with_one)
    ]
    ends = [
        len(c) * (d.frame["mean_gbp"].iloc[0] + side * d.steps["mean_gbp"].iloc[0] / 2)
        for c, d in zip((costs, with_one), shown, strict=True)
        for side in (-1, 1)
    ]
    least, most = ends[2] - ends[1], ends[3] - ends[0]
    assert least - 1e-6 <= one <= most + 1e-6
    assert most - least >= 1.9 * min(np.mean(costs), np.mean(with_one))


# -- dominance, extremes, shares of pounds ----------------------------------------------------------------------------
@pytest.mark.unit
def test_a_row_in_which_one_patient_or_two_bear_the_cost_is_suppressed_and_what_says_so_goes() -> None:
    table = pd.DataFrame({"phase": list("abcd"), "contacts": [20, 30, 40, 50], "mean_gbp": [900.0] * 4})
    table = table.assign(largest_share=[0.51, 0.5, 0.3, np.nan], two_largest_share=[0.6, 0.79, 0.81, np.nan])
    shown = present.disclose(table, counts="contacts", in_order=True)
    assert shown.hidden["mean_gbp"].tolist() == [True, False, True, False]
    assert shown.primary == 2 and "largest_share" not in shown.frame
    assert not present.disclose(table, counts=[], in_order=True).hidden.to_numpy().any()
    alone = present.disclose(table.iloc[[0, 3]], counts="contacts", totals=[[]], in_order=True)
    assert alone.hidden["mean_gbp"].tolist() == [True, True], "from the total it could be had"


@pytest.mark.unit
def test_an_area_that_one_patient_dominates_is_hidden_in_all_packs() -> None:
    national = pd.DataFrame({"icb_code": list("AABB"), "phase": list("xyxy"), "contacts": [30, 40, 50, 60]})
    national["largest_share"] = [0.9, 0.1, 0.1, 0.1]
    for area, hides in (("A", True), ("B", True)):
        own = national[national["icb_code"] == area][["phase", "contacts"]].assign(mean_gbp=10.0)
        shown = present.disclose(own, counts="contacts", everywhere=national, focus=("icb_code", area), by=["phase"])
        assert shown.hidden["mean_gbp"].tolist() == [hides, False]


@pytest.mark.unit
def test_no_extreme_leaves_and_no_quantile_beyond_which_fewer_than_eight_lie() -> None:
    table = pd.DataFrame({"cases": [79, 80, 15], "median_days": [6.0, 6.0, 6.0], "p90_days": [20.0] * 3})
    table = table.assign(max_gbp=[1.0, 2.0, 3.0])
    shown = present.disclose(table, counts="cases", in_order=True)
    assert shown.hidden["p90_days"].tolist() == [True, False, True]
    assert shown.hidden["max_gbp"].all()
    assert shown.frame["median_days"].tolist() == [6.0, 6.0, 5.0]


@pytest.mark.unit
def test_a_share_of_pounds_is_never_zero_where_it_is_not() -> None:
    """A share of people needs 4,000 for a decimal; one of pounds rests on many pounds, and keeps it."""
    table = pd.DataFrame({"contacts": [1825] * 4, "own_cost_pct": [0.0, 0.03, 0.34, 98.62]})
    shown = present.disclose(table, counts="contacts", in_order=True).frame["own_cost_pct"].tolist()
    assert shown == [0.0, 0.05, 0.3, 98.6]
    assert [unit("pct").form(value) for value in shown] == ["0", "under 0.1", "0.3", "98.6"]


@pytest.mark.oracle
def test_a_share_of_events_has_wilsons_limits_at_the_rounded_counts() -> None:
    """Newcombe, Statistics in Medicine 1998; 17: 857-872, table I: 15 of 148 is 6.2 to 16.1 %; here 15 of 150."""
    table = pd.DataFrame({"unit": ["pct", "gain"], "pathways": [148, 148], "events": [14, np.nan]})
    table = table.assign(value=[100 * 14 / 148, 0.35], lower_95=[5.7, 0.3], upper_95=[15.3, 0.4])
    row = present.disclose(table, counts=["pathways", "events"], in_order=True).frame.iloc[0]
    low, high = (100 * bound[0] for bound in wilson_limits(np.array([15.0]), np.array([150.0]), 0.95))
    assert row[["pathways", "events", "value"]].tolist() == [150, 15, 10]
    assert row[["lower_95", "upper_95"]].tolist() == [np.floor(low), np.ceil(high)] == [6, 16]


@pytest.mark.unit
def test_kinds_come_from_names_and_an_unknown_percentage_is_one_of_people() -> None:
    named = {"mean_gbp": "mean", "cost_gbp": "sum", "rate": "rate", "stage_rank": "as_is", "median_gbp": "quantile"}
    named |= {"held_pct": "share", "outside_pct": "pounds_share", "loss_chance": "chance", "seen_pathways": "count"}
    assert {name: kind_of(name) for name in named} == named
    assert kind_of("cost_gbp", {"cost_gbp": "mean"}) == "mean"


@pytest.mark.unit
def test_a_table_that_counts_nobody_keeps_three_figures_and_an_unknown_kind_is_refused() -> None:
    table = pd.DataFrame({"line": ["a", "b"], "amount_gbp_exact": [2494836147.06, 0.0]})
    assert present.disclose(table, counts=[]).frame["amount_gbp_exact"].tolist() == [2_490_000_000.0, 0.0]
    with pytest.raises(InputError, match="Kind of column 'amount_gbp_exact'"):
        present.disclose(table, counts=[], kinds={"amount_gbp_exact": "total"})


@pytest.mark.property
@settings(max_examples=40)
@given(st.integers(9, 60), st.floats(100, 50_000))
def test_page_workbook_and_payload_hold_no_more_than_the_release(n: int, mean: float) -> None:
    table = pd.DataFrame({"phase": ["a"], "pathways": [n], "mean_gbp": [mean]})
    shown = present.disclose(table, counts="pathways")
    payload: dict[str, Any] = display.table_bundle(shown, name="t", title="t")[display.TABLE]
    assert payload["rows"] == [["a", *shown.frame[["pathways", "mean_gbp"]].iloc[0].tolist()]]
