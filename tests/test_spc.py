"""XmR charts: limits, the four rules, icons, gaps, short and constant series."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathcost_lib.errors import InputError
from pathcost_lib.variation import xmr
from pathcost_lib.variation.spc import xmr_many


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
    """Western Electric's rule, which was the default: the third point may lie anywhere."""
    base = [0, 1] * 10  # centre 0.5 on the baseline, half-width 2.66, near beyond 1.7733
    centre = 0.5
    near, far = centre + 1.9, centre - 1.9
    rule = {"rules": "western_electric", "baseline": 20}
    assert flagged([*base, near, 0.4, near, 0.6], "two of three", **rule) == [20, 22]
    assert flagged([*base, near, 0.4, 0.6, near], "two of three", **rule) == []
    assert flagged([*base, near, far, 0.4], "two of three", **rule) == []
    assert flagged([*base, near, near, 0.4], "two of three", **rule) == [20, 21]


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("later", "near"),
    [
        ((2.4, 0.4, 2.4, 0.6), []),  # the one between is below the centre
        ((2.4, 0.6, 2.4, 0.4), [20, 22]),  # all three above it
        ((2.4, 2.4, 0.4), []),  # neither neighbour is above it
        ((2.4, 2.4, 0.6), [20, 21]),
        ((-1.4, 0.4, -1.4), [20, 22]),  # and below
        ((2.4, 0.6, 9.0), []),  # beyond the limit is not near it
        ((2.4, 0.6, 0.6, 2.4), []),
    ],
)
def test_nhs_two_of_three_asks_that_all_three_lie_on_one_side(later: tuple[float, ...], near: list[int]) -> None:
    """NHSRplotthedots 0.2.2: points on opposite sides of the mean do not count (its issue 143), nor one beyond a limit.

    Here the centre is 0.5 and the limits 2.66 from it: near is 1.7733 from it.
    """
    assert flagged([*[1, 0] * 10, *later], "two of three", baseline=20) == near


@pytest.mark.unit
def test_a_trend_outranks_one_side_and_its_first_point_takes_its_direction() -> None:
    # Centre 10.5, limits 7.84 and 13.16. Seven fall, all above the centre; the first of them is a rise from 10.
    base = [11, 10] * 8
    fall = [12.2, 12.0, 11.8, 11.6, 11.4, 11.2, 11.0]
    new = xmr([*base, *fall], baseline=16, improvement="lower")
    part = new.table.iloc[16:]
    assert part["rule"].str.contains("seven rising or falling").all() and part["rule"].str.contains("one side").all()
    assert list(part["reading"]) == ["improvement"] * 7 and new.variation == "improvement_low"
    old = xmr([*base, *fall], baseline=16, improvement="lower", rules="western_electric")
    assert list(old.table["reading"].iloc[16:]) == ["concern"] * 7 and old.variation == "concern_high"


@pytest.mark.unit
def test_outside_a_limit_outranks_a_trend_and_a_turning_point_belongs_to_the_later_trend() -> None:
    base = [11, 10] * 8
    table = xmr([*base, 5.0, 9.0, 9.5, 9.8, 10.0, 10.2, 10.4], baseline=16, improvement="higher").table.iloc[16:]
    assert "outside a limit" in table["rule"].iloc[0] and "rising" in table["rule"].iloc[0]
    assert list(table["reading"]) == ["concern"] + ["improvement"] * 6
    up, down = [10.1, 10.2, 10.3, 10.4, 10.6, 10.7, 10.8], [10.7, 10.6, 10.4, 10.3, 10.2, 10.1]
    turn = xmr([*base, *up, *down], baseline=16, improvement="higher").table.iloc[16:]
    assert list(turn["reading"]) == ["improvement"] * 6 + ["concern"] * 7


@pytest.mark.property
@given(st.lists(st.integers(0, 12), min_size=8, max_size=40), st.integers(2, 8))
@settings(max_examples=60)
def test_nhs_readings_are_those_of_the_rules_told_one_by_one(values: list[int], baseline: int) -> None:
    """Each rule written again, point by point, as NHS England words it."""
    table = xmr(values, baseline=baseline, improvement="higher").table
    centre, upper, lower = table["centre"][0], table["upper"][0], table["lower"][0]
    if np.isnan(upper):
        return
    half, count = upper - centre, len(values)
    side = [0 if abs(v - centre) < 1e-9 else 1 if v > centre else -1 for v in values]
    beyond = [v > upper + 1e-9 or v < lower - 1e-9 for v in values]
    near = [
        half > 1e-9 and abs(v - centre) > half * 2 / 3 + 1e-9 and not o for v, o in zip(values, beyond, strict=True)
    ]
    borderline = any(abs(abs(v - centre) - half * 2 / 3) < 1e-6 or abs(abs(v - centre) - half) < 1e-6 for v in values)
    if borderline and half > 1e-9:
        return
    expected = []
    for i in range(count):
        trends = [
            np.sign(values[start + 1] - values[start])
            for start in range(max(0, i - 6), min(i, count - 7) + 1)
            if len(
                {np.sign(b - a) for a, b in zip(values[start : start + 6], values[start + 1 : start + 7], strict=True)}
            )
            == 1
            and values[start] != values[start + 1]
        ]
        threes = [range(start, start + 3) for start in range(max(0, i - 2), min(i, count - 3) + 1)]
        pair = near[i] and any(sum(near[k] for k in t) >= 2 and abs(sum(side[k] for k in t)) == 3 for t in threes)
        sevens = [side[start : start + 7] for start in range(max(0, i - 6), min(i, count - 7) + 1)]
        run = any(abs(sum(s)) == 7 for s in sevens)
        way = side[i] if beyond[i] else trends[-1] if trends else side[i] if pair or run else 0
        expected.append({1: "improvement", -1: "concern", 0: "common cause"}[int(way)])
    assert list(table["reading"]) == expected


@pytest.mark.unit
@pytest.mark.parametrize(
    "label",
    [
        pd.Timestamp("2024-04-01"),
        pd.Period("2024-04", "M"),
        "2024-04",
        "Apr-24",
        "April 2024",
        "2024-04-01",
        pd.Timestamp("2024-04-01").date(),
        np.datetime64("2024-04-01"),
    ],
)
def test_a_rebase_is_looked_up_in_the_calendar(label: object) -> None:
    """It rebased the last month: a Timestamp was not in the monthly index, and position -1 was taken."""
    values = np.r_[np.tile([10.0, 11.0], 6), np.tile([20.0, 21.0], 6)]
    months = pd.period_range("2023-04", periods=24, freq="M")
    for index in (months, pd.Index([str(m) for m in months]), pd.Index([m.strftime("%b-%y") for m in months])):
        for rebase in (label, [label]):
            table = xmr(pd.Series(values, index=index), rebase=rebase).table
            assert list(table["segment"]) == [0] * 12 + [1] * 12
            np.testing.assert_allclose(table["centre"], [10.5] * 12 + [20.5] * 12)


@pytest.mark.unit
def test_a_rebase_on_days_names_a_month_where_only_one_day_lies_in_it() -> None:
    ends = pd.date_range("2023-04-30", periods=24, freq="ME")
    values = pd.Series(np.arange(24.0), index=ends)
    assert xmr(values, rebase="2024-04").table["segment"].sum() == 12
    for label in ("2024-04-29", "2024-24", "Michaelmas", pd.Timestamp("2031-01-01"), 3, True, None):
        with pytest.raises(InputError, match=r"cannot rebase at .*Allowed: 2023-04-30"):
            xmr(values, rebase=[label])
    weeks = pd.Series(np.arange(60.0), index=pd.date_range("2024-01-01", periods=60, freq="W"))
    with pytest.raises(InputError, match="names several"):
        xmr(weeks, rebase="2024-02")
    inside = xmr(values.set_axis(ends.to_period("M")), rebase=[pd.Timestamp("2024-04-17")])
    assert inside.table["segment"].sum() == 12  # a day lies in its month
    assert xmr(np.arange(24.0), rebase=12).table["segment"].sum() == 12
    with pytest.raises(InputError, match="cannot rebase at -1"):
        xmr(np.arange(24.0), rebase=[-1])


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
def test_months_as_text_are_in_the_order_of_the_calendar() -> None:
    """A year low and a year high are 24 points in runs of 12; in the order of the letters no run has seven."""
    months = pd.period_range("2023-01", periods=24, freq="M")
    values = np.r_[np.tile([99.0, 101.0], 6), np.tile([129.0, 131.0], 6)]
    frame = pd.DataFrame({"icb": "Q1", "month": months, "n": values})
    text = frame.assign(month=months.strftime("%b-%y")).sample(frac=1, random_state=2)
    options = {"by": "icb", "period": "month", "value": "n"}
    plain, read = xmr_many(frame, **options), xmr_many(text, **options)
    letters = frame.assign(month=months.strftime("%b-%y")).sort_values("month")["n"].to_numpy()
    assert plain.table["special_cause"].sum() == 24 and xmr(letters).table["special_cause"].sum() == 0
    assert list(read.table["period"]) == list(months.strftime("%b-%y"))
    pd.testing.assert_frame_equal(read.table.drop(columns="period"), plain.table.drop(columns="period"))
    assert read.note == "month was read as dates." and plain.note == "" and read.note in read.summary
    with pytest.raises(InputError, match="text without an order"):
        xmr_many(frame.assign(month=[f"month {chr(97 + i)}" for i in range(24)]), **options)
    one = xmr(pd.Series(values, index=months.strftime("%b-%y")))
    assert "read as dates" in one.note
    with pytest.raises(InputError, match="in order"):
        xmr(pd.Series(values, index=months.strftime("%b-%y")).sort_index())


@pytest.mark.unit
def test_missing_months_are_told() -> None:
    months = pd.period_range("2023-04", periods=24, freq="M")
    values = pd.Series(np.tile([10.0, 11.0], 12), index=months)
    for index in (months, months.to_timestamp(), months.to_timestamp(how="end").normalize(), np.arange(24)):
        assert xmr(values.set_axis(index)).note == ""
        assert "missing in 2 place(s)" in xmr(values.set_axis(index).drop(index[[5, 6, 12]])).note
    whole = xmr(values.drop(months[[5, 6, 12]]), frequency="M")
    assert whole.note == "" and (whole.table["reason"] == "no data").sum() == 3
    frame = pd.DataFrame({"icb": np.repeat(["A", "B"], 24), "month": [*months, *months], "n": 1.0}).drop(index=30)
    many = xmr_many(frame, by="icb", period="month", value="n")
    assert many.icons["note"].ne("").tolist() == [False, True] and "1 lack periods" in many.summary


@pytest.mark.unit
def test_many_series_refuse_rows_that_belong_nowhere() -> None:
    months = pd.period_range("2023-04", periods=12, freq="M")
    frame = pd.DataFrame({"icb": np.repeat(["A", "B"], 12), "month": [*months, *months], "n": 1.0})
    options = {"by": "icb", "period": "month", "value": "n"}
    with pytest.raises(InputError, match=r"icb must be known in every row: 1 row"):
        xmr_many(frame.assign(icb=[None, *frame["icb"][1:]]), **options)
    with pytest.raises(InputError, match="month is missing in 1 row"):
        xmr_many(frame.assign(month=[None, *frame["month"][1:]]), **options)
    with pytest.raises(InputError, match=r"each key once: 2 row\(s\), icb/month: A/2023-04"):
        xmr_many(pd.concat([frame, frame.iloc[[0]]]), **options)
    with pytest.raises(InputError, match="target: key 'C' is not known"):
        xmr_many(frame, target={"C": 1.0}, **options)
    with pytest.raises(InputError, match="target, A is nan"):
        xmr_many(frame, target={"A": np.nan}, **options)


@pytest.mark.unit
def test_bad_input_is_said() -> None:
    with pytest.raises(InputError, match="improvement"):
        xmr([1, 2, 3], improvement="up")
    with pytest.raises(InputError, match="in order"):
        xmr(pd.Series([1.0, 2.0], index=[2, 1]))
    with pytest.raises(InputError, match="infinite"):
        xmr([1.0, np.inf])
    for baseline in (1, 2.5, "all", np.nan):
        with pytest.raises(InputError, match="baseline"):
            xmr([1.0, 2.0], baseline=baseline)
    for target in (np.nan, np.inf, "5"):
        with pytest.raises(InputError, match=r"target is .* must be a number"):
            xmr([1.0, 2.0], target=target)
    with pytest.raises(InputError, match="not numbers, the first at position 2"):
        xmr([1.0, "n/a"])
    with pytest.raises(InputError, match="rules 'montgomery' is not known"):
        xmr([1.0, 2.0], rules="montgomery")
    with pytest.raises(InputError, match="needs periods that are dates"):
        xmr([1.0, 2.0], frequency="M")
    for values in (5.0, [[1.0, 2.0]]):
        with pytest.raises(InputError, match="list of values"):
            xmr(values)


@pytest.mark.property
@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=40), st.floats(0.01, 100), st.floats(-1e3, 1e3))
@settings(max_examples=40)
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
