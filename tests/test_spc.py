"""XmR charts: limits, the four rules, icons, gaps, short and constant series."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathcost_lib.errors import InputError
from pathcost_lib.variation import xmr, xmr_many


def flagged(values, rule: str, **options) -> list[int]:
    table = xmr(values, screen=False, **options).table
    return list(np.flatnonzero(table["rule"].str.contains(rule, regex=False)))


@pytest.mark.unit
def test_limits_by_hand() -> None:
    # Ranges 2, 1, 3, 2: mean 2, so 2.66 × 2 = 5.32 either side of 5.
    table = xmr([4, 6, 5, 2, 4, 9][:5]).table
    assert table["centre"].eq(4.2).all()
    np.testing.assert_allclose(table["upper"], 4.2 + 5.32)
    np.testing.assert_allclose(table["lower"], 4.2 - 5.32)
    assert list(table["moving_range"])[1:] == [2, 1, 3, 2] and np.isnan(table["moving_range"][0])


@pytest.mark.oracle
def test_nist_individuals_chart() -> None:
    """NIST/SEMATECH e-Handbook 6.3.2.2: mean 50.81, mean range 1.8778, limits 55.8041 and 45.8159 (with 3/1.128)."""
    flow = [49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1]
    table = xmr(flow).table
    assert table["centre"][0] == pytest.approx(50.81)
    assert table["moving_range"].mean() == pytest.approx(1.8778, abs=5e-5)
    assert table["upper"][0] == pytest.approx(55.8041, abs=0.002)
    assert table["lower"][0] == pytest.approx(45.8159, abs=0.002)


@pytest.mark.unit
def test_a_range_from_a_spike_is_screened_once() -> None:
    values = [10, 11] * 10 + [60] + [10, 11] * 3
    screened, raw = xmr(values).table, xmr(values, screen=False).table
    np.testing.assert_allclose(screened["upper"] - screened["centre"], 2.66)
    assert raw["upper"][0] > screened["upper"][0]
    assert screened["special_cause"][20] and "outside a limit" in screened["rule"][20]


@pytest.mark.unit
@pytest.mark.parametrize("level", [0.0, 7.3, -1e9])
def test_a_constant_series_has_its_limits_at_its_mean(level: float) -> None:
    chart = xmr([level] * 14, improvement="higher", target=level)
    assert (chart.table[["centre", "lower", "upper"]] == level).all().all()
    assert not chart.table["special_cause"].any() and chart.variation == "common_cause"
    assert chart.assurance == "consistently_hits"
    jump = xmr([level] * 14 + [level + 1], baseline=14).table
    assert jump["special_cause"].iloc[-1] and not jump["special_cause"].iloc[:-1].any()


@pytest.mark.unit
def test_seven_on_one_side_not_six_and_a_point_on_the_centre_breaks_the_run() -> None:
    wobble = [0.1, -0.1] * 8
    seven = [*wobble, *[1, 1.2, 1, 1.2, 1, 1.2, 1], *[-1, -1.2, -1, -1.2, -1, -1.2], -0.8]
    table = xmr(seven, screen=False).table
    runs = flagged(seven, "one side")
    assert runs == [*range(16, 23), *range(23, 30)]
    assert table["centre"].between(-0.01, 0.03).all()
    assert flagged([1, 1, 1, 0, 1, 1, 1, -1, -1, -1, 0, -1, -1, -1], "one side") == []


@pytest.mark.unit
def test_seven_rising_flags_all_seven() -> None:
    values = [5, 4, 5, 4, 1, 2, 3, 4, 5, 6, 7, 5, 4, 5]
    assert flagged(values, "rising or falling") == list(range(4, 11))
    assert flagged([5, 4, 5, 4, 2, 3, 4, 5, 6, 7, 5, 4, 5], "rising or falling") == []  # six
    assert flagged([*range(1, 8), *range(6, 0, -1)], "rising or falling") == list(range(13))
    assert flagged([1, 2, 3, 4, 4, 5, 6, 7, 8], "rising or falling") == []  # a tie breaks it


@pytest.mark.unit
def test_two_of_three_near_the_same_limit() -> None:
    base = [0, 1] * 10  # centre 0.5 on the baseline, half-width 2.66, near beyond 1.7733
    centre = 0.5
    near, far = centre + 1.9, centre - 1.9
    found = flagged([*base, near, 0.4, near, 0.6], "two of three", baseline=20)
    assert found == [20, 22]
    assert flagged([*base, near, 0.4, 0.6, near], "two of three", baseline=20) == []
    assert flagged([*base, near, far, 0.4], "two of three", baseline=20) == []
    assert flagged([*base, near, near, 0.4], "two of three", baseline=20) == [20, 21]


@pytest.mark.unit
def test_rebase_starts_new_limits_and_runs_do_not_cross() -> None:
    dates = pd.date_range("2024-01-01", periods=24, freq="MS")
    values = pd.Series(np.r_[np.tile([10.0, 11.0], 6), np.tile([20.0, 21.0], 6)], index=dates)
    once, twice = xmr(values).table, xmr(values, rebase=["2025-01-01"]).table
    assert once["special_cause"].any() and not twice["special_cause"].any()
    assert list(twice["segment"].unique()) == [0, 1]
    assert np.isnan(twice["moving_range"][12])
    np.testing.assert_allclose(twice["centre"], [10.5] * 12 + [20.5] * 12)
    with pytest.raises(InputError, match="no such period"):
        xmr(values, rebase=["2031-01-01"])


@pytest.mark.unit
def test_gaps_break_ranges_and_runs_and_are_shown() -> None:
    dates = pd.to_datetime(["2024-01-31", "2024-02-29", "2024-04-30", "2024-05-31"])
    table = xmr(pd.Series([5.0, 6.0, 9.0, 10.0], index=dates), frequency="M").table
    assert len(table) == 5 and table["reason"][2] == "no data" and table["reading"][2] == "no data"
    assert table["period"][0] == dates[0] and table["period"][2] == pd.Timestamp("2024-03-01")
    assert table["upper"][0] == pytest.approx(7.5 + 2.66)  # ranges 1 and 1; none across March
    run = [0, 0, 1, 1, 1, np.nan, 1, 1, 1, 1, 0, 0, 0, -2, -2]
    assert flagged(run, "one side") == []
    with pytest.raises(InputError, match="has one already"):
        xmr(pd.Series([1.0, 2.0], index=pd.to_datetime(["2024-01-01", "2024-01-02"])), frequency="M")


@pytest.mark.unit
def test_short_series_are_provisional_and_tiny_ones_have_no_limits() -> None:
    assert xmr(range(11)).provisional and not xmr(list(range(12))).provisional
    one = xmr([5.0])
    assert one.table["reason"][0] == "too few points for limits" and np.isnan(one.table["upper"][0])
    assert one.variation == "common_cause" and one.assurance == "no_target"
    none = xmr([np.nan, np.nan])
    assert none.variation == "no_data" and list(none.table["reason"]) == ["no data"] * 2
    with pytest.raises(InputError, match="empty"):
        xmr([])


@pytest.mark.unit
@pytest.mark.parametrize(
    ("improvement", "icon"), [("higher", "improvement_high"), ("lower", "concern_high"), ("neither", "neither_high")]
)
def test_variation_icons(improvement: str, icon: str) -> None:
    chart = xmr([10, 11] * 8 + [20], baseline=16, improvement=improvement)
    assert chart.variation == icon
    reading = {"higher": "improvement", "lower": "concern", "neither": "special cause"}[improvement]
    assert chart.table["reading"].iloc[-1] == reading


@pytest.mark.unit
@pytest.mark.parametrize(
    ("improvement", "target", "icon"),
    [
        ("higher", 5, "consistently_hits"),
        ("higher", 20, "consistently_misses"),
        ("higher", 10.5, "hit_or_miss"),
        ("lower", 20, "consistently_hits"),
        ("lower", 5, "consistently_misses"),
        ("neither", 5, "no_target"),
        ("higher", None, "no_target"),
    ],
)
def test_assurance_icons(improvement: str, target: float | None, icon: str) -> None:
    assert xmr([10, 11] * 8, improvement=improvement, target=target).assurance == icon


@pytest.mark.unit
def test_many_series_are_the_single_ones() -> None:
    rng = np.random.default_rng(1)
    months = pd.period_range("2023-04", periods=24, freq="M")
    frame = pd.DataFrame(
        [{"icb": f"Q{i}", "month": m, "cost": rng.normal(100, 5)} for i in range(6) for m in months]
    ).sample(frac=1, random_state=3)
    many = xmr_many(frame, by="icb", period="month", value="cost", improvement="lower", target={"Q1": 200.0})
    one = xmr(
        frame[frame["icb"] == "Q1"].sort_values("month").set_index("month")["cost"], improvement="lower", target=200.0
    )
    part = many.table[many.table["icb"] == "Q1"].drop(columns="icb").reset_index(drop=True)
    pd.testing.assert_frame_equal(part, one.table)
    icons = many.icons.set_index("icb")
    assert icons.loc["Q1", "assurance"] == "consistently_hits" and icons.loc["Q2", "assurance"] == "no_target"


@pytest.mark.unit
def test_bad_input_is_said() -> None:
    with pytest.raises(InputError, match="improvement"):
        xmr([1, 2, 3], improvement="up")
    with pytest.raises(InputError, match="in order"):
        xmr(pd.Series([1.0, 2.0], index=[2, 1]))
    with pytest.raises(InputError, match="infinite"):
        xmr([1.0, np.inf])
    with pytest.raises(InputError, match="baseline"):
        xmr([1.0, 2.0], baseline=1)


@pytest.mark.property
@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=40), st.floats(0.01, 100), st.floats(-1e3, 1e3))
@settings(max_examples=40, deadline=None)
def test_units_do_not_matter(values: list[float], scale: float, shift: float) -> None:
    rounded = np.round(values, 2)
    before, after = xmr(rounded).table, xmr(rounded * scale + shift).table
    np.testing.assert_allclose(after["upper"], before["upper"] * scale + shift, rtol=1e-6, atol=1e-6 * scale)
    np.testing.assert_allclose(after["centre"], before["centre"] * scale + shift, rtol=1e-6, atol=1e-6 * scale)


@pytest.mark.property
def test_a_step_change_is_found_and_chance_alone_seldom_is() -> None:
    rng = np.random.default_rng(5)
    false = np.mean([xmr(rng.normal(100, 5, 24)).table["rule"].str.contains("outside").mean() for _ in range(150)])
    assert false < 0.01  # 0.3 % if limits were known
    found = [xmr(np.r_[rng.normal(100, 5, 24), rng.normal(115, 5, 8)], baseline=24).variation for _ in range(60)]
    assert np.mean([v == "neither_high" for v in found]) > 0.95
