"""Forecasts: the calendar, the seasonal naive by hand, a planted trend, Covid left out, and the A&E series by ICB."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pathcost_lib.errors import InputError
from pathcost_lib.scenarios import backtest, forecast, monthly_outlook
from pathcost_lib.scenarios.demand import forecasting as fc
from pathcost_lib.scenarios.demand.forecasting import METHODS, working_days

MONTHS = pd.period_range("2018-04", "2023-03", freq="M")


def planted(growth_pct: float = 3.0, noise: float = 0.01, months: pd.PeriodIndex = MONTHS) -> pd.Series:
    """Return activity a day of 100 with a season, a trend and noise, times the days of the month."""
    rng = np.random.default_rng(4)
    at = np.arange(len(months))
    season = 1 + 0.1 * np.sin(2 * np.pi * months.month / 12)
    level = 100 * (1 + growth_pct / 100) ** (at / 12) * season * np.exp(noise * rng.standard_normal(len(at)))
    return pd.Series(level * months.days_in_month, index=months)


@pytest.mark.oracle
def test_working_days_of_england():
    # gov.uk bank holidays: ten in 2022 (two for the jubilee weekend, a state funeral), nine in 2023, eight in 2024.
    found = working_days(pd.period_range("2022-01", "2024-12", freq="M")).reshape(3, 12)
    assert found.sum(axis=1).tolist() == [260 - 10, 260 - 9, 262 - 8]
    assert found[0, 5] == 20  # June 2022: 22 weekdays less two


@pytest.mark.unit
def test_seasonal_naive_by_hand():
    # Two equal years, then a third 10 % higher: forecasts repeat the third.
    year = np.array([90.0, 100, 110, 120, 100, 90, 80, 90, 100, 110, 120, 130])
    series = pd.Series([*year, *year, *(1.1 * year)], index=pd.period_range("2022-01", periods=36, freq="M"))
    result = forecast(series, 14, method="seasonal_naive", calendar="none")
    assert result.table["forecast"].tolist() == pytest.approx([*(1.1 * year), *(1.1 * year[:2])])
    # Errors of the past: 0 for a year and log 1.1 for a year; a second year ahead is wider by the root of two.
    spread = np.log(1.1) / np.sqrt(2)
    # 24 differences stand behind it: Student's t with 24 degrees of freedom is 2.063899 at 95 %, not the normal's 1.96.
    upper = result.table["upper_95"] / result.table["forecast"]
    assert np.log(upper.iloc[0]) == pytest.approx(2.063899 * spread)
    assert np.log(upper.iloc[12]) == pytest.approx(2.063899 * spread * np.sqrt(2))
    # MASE: a first origin after 27 months, one month ahead, error 0.1 of 120 over the mean of earlier differences.
    test = backtest(series, methods=["seasonal_naive"], horizon=1, step=20, calendar="none")
    differences = [0.0] * 12 + [9.0, 10.0, 11.0]
    assert test.table["mase"][0] == pytest.approx(12.0 / np.mean(differences))


@pytest.mark.slow
@pytest.mark.unit
def test_planted_trend_is_recovered_and_the_naive_beaten():
    series = planted()
    future = pd.period_range("2023-04", periods=12, freq="M")
    truth = planted(noise=0.0, months=pd.period_range("2018-04", "2024-03", freq="M")).loc[future]
    result = forecast(series, 12, breaks=())
    assert result.method != "seasonal_naive"
    assert result.backtest is not None
    assert f"{result.method} is used" in result.summary
    assert result.table["forecast"].to_numpy() == pytest.approx(truth.to_numpy(), rel=0.03)
    inside = (truth.to_numpy() > result.table["lower_95"]) & (truth.to_numpy() < result.table["upper_95"])
    assert inside.all()


@pytest.mark.slow
@pytest.mark.unit
@pytest.mark.parametrize("method", [m for m in METHODS if m != "counts"])
def test_covid_is_left_out(method):
    series = planted()
    struck = series.copy()
    struck["2020-03":"2021-07"] *= 0.5
    with_break = forecast(struck, 6, method=method).table["forecast"]
    undisturbed = forecast(series, 6, method=method).table["forecast"]
    assert with_break.to_numpy() == pytest.approx(undisturbed.to_numpy(), rel=1e-9)
    assert with_break.to_numpy() == pytest.approx(
        forecast(series, 6, method=method, breaks=()).table["forecast"].to_numpy(), rel=0.03
    )


@pytest.mark.slow
@pytest.mark.unit
def test_no_model_beats_the_naive_on_a_series_that_repeats():
    months = pd.period_range("2021-08", periods=40, freq="M")
    repeats = pd.Series(100.0 + np.arange(40) % 12 + np.where(np.arange(40) < 12, 5.0, 0.0), index=months)
    test = backtest(repeats, methods=["stl"], calendar="none")
    assert test.best == "seasonal_naive"
    assert "the naive is used" in test.summary


@pytest.mark.unit
def test_bad_series_are_refused():
    series = planted()
    with pytest.raises(InputError, match="24 months or more; the series has 20"):
        forecast(series.iloc[:20], 3, breaks=())
    with pytest.raises(InputError, match="2 months below zero"):
        forecast(series.where(np.arange(60) > 1, -1.0), 3)
    with pytest.raises(InputError, match=r"28 months or more with a value.*the series has 25"):
        forecast(series.iloc[:25], 3, breaks=())
    with pytest.raises(InputError, match="No March has a value"):
        forecast(series[series.index.month != 3], 3)
    with pytest.raises(InputError, match="no activity in any month"):
        forecast(series * 0, 3)
    with pytest.raises(InputError, match="by month; its index is by Q"):
        forecast(pd.Series(1.0, index=pd.period_range("2018Q1", periods=30, freq="Q")), 3)
    with pytest.raises(InputError, match="counts is for series with a month below 10"):
        forecast(series, 3, method="counts")
    with pytest.raises(InputError, match="repeats 60 months"):
        forecast(pd.concat([series, series]), 3)
    with pytest.raises(InputError, match="Allowed: best, counts, ets, sarimax, seasonal_naive, stl"):
        forecast(series, 3, method="oracle")


@pytest.mark.unit
def test_months_written_as_text_are_read_as_months():
    series = planted()
    text = pd.Series(series.to_numpy(), index=series.index.strftime("%b-%y")).sample(frac=1, random_state=1)
    ours = forecast(text, 3, method="seasonal_naive").table
    pd.testing.assert_frame_equal(ours, forecast(series, 3, method="seasonal_naive").table)


@pytest.mark.slow
@pytest.mark.unit
@pytest.mark.parametrize("first", ["2019-04", "2019-10", "2020-04"])
def test_a_series_that_begins_before_or_in_the_break_is_forecast(first):
    series = planted(months=pd.period_range(first, "2025-02", freq="M"))
    test = backtest(series, methods=["ets"])
    assert test.table["mase"].notna().all()
    # An origin has 27 months with a value before it: 43 months from August 2021 on, and what lies before the break.
    known = series.index[(series.index < "2020-03") | (series.index > "2021-07")]
    assert test.errors["origin"].min() == known[26]
    assert "break" in test.left_out


@pytest.mark.unit
def test_a_series_that_repeats_itself_has_no_limits_and_says_why():
    months = pd.period_range("2021-08", periods=40, freq="M")
    for values in (np.full(40, 500.0), 500.0 + np.arange(40) % 12):
        series = pd.Series(values, index=months)
        result = forecast(series, 3, calendar="none")
        assert result.table["forecast"].tolist() == pytest.approx(series.iloc[-12:-9].tolist())
        assert result.table["lower_80"].isna().all()
        assert "no limits" in result.reason


@pytest.mark.oracle
def test_calibration_is_the_conformal_quantile_and_student_before_there_are_errors():
    assert fc._multiplier(0.8, np.empty(0), 10) == pytest.approx(1.372184, abs=1e-5)  # tables of t, 10 degrees
    scores = np.arange(1, 1001) / 100
    # A thousand errors outweigh the model: the 800th of them, less what the four of t below it count.
    assert fc._multiplier(0.8, scores, 10) == pytest.approx(8.0, abs=0.02)


@pytest.mark.slow
@pytest.mark.property
def test_limits_do_not_look_ahead():
    series = planted(noise=0.05, months=pd.period_range("2019-04", "2024-09", freq="M"))
    whole = backtest(series, methods=["stl"], breaks=()).errors
    cut = backtest(series.iloc[:-9], methods=["stl"], breaks=()).errors
    both = cut.merge(whole, on=["method", "origin", "month"], suffixes=("", "_whole"))
    assert len(both) == len(cut)
    for column in ("forecast", "lower_80", "upper_80", "lower_95", "upper_95"):
        assert both[column].to_numpy() == pytest.approx(both[f"{column}_whole"].to_numpy())


@pytest.mark.slow
@pytest.mark.property
def test_a_small_service_with_empty_months_is_forecast_and_its_limits_hold():
    months = pd.period_range("2021-08", periods=60, freq="M")
    inside, sizes = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        mean = 4 * (1 + 0.4 * np.sin(2 * np.pi * months.month / 12))
        counts = pd.Series(rng.negative_binomial(3, 3 / (3 + mean)).astype(float), index=months)
        assert (counts == 0).any()
        test = backtest(counts, methods=["counts"], horizon=3, step=3)
        mine = test.errors[test.errors["method"] == "counts"]
        inside.append(mine["within_80"].mean())
        ahead = forecast(counts, 12, method="counts", tested=test).table
        assert (ahead["lower_95"] >= 0).all()
        sizes.append(ahead["forecast"].mean())
    assert np.mean(sizes) == pytest.approx(4.0, rel=0.2)
    # 33 months of 12 series: whole counts are held somewhat too often, never much too seldom.
    assert 0.75 <= np.mean(inside) <= 0.95


@pytest.mark.unit
def test_one_series_that_fails_does_not_stop_the_others():
    long = pd.concat(
        [
            planted().rename("activity").rename_axis("month").reset_index().assign(series=name, calendar="days")
            for name in ("good", "empty")
        ]
    )
    long.loc[long["series"] == "empty", "activity"] = 0.0
    result = monthly_outlook(long, names=["empty", "good"], methods=["ets"])
    assert result.table["reason"].tolist() == ["The series has no activity in any month.", ""]
    assert result.table["method"].notna().tolist() == [False, True]
    with pytest.raises(InputError, match=r"Series .goood. is not known. Did you mean good"):
        monthly_outlook(long, names=["goood"])


@pytest.mark.slow
@pytest.mark.unit
def test_a_model_that_cannot_be_fitted_is_named_and_the_others_go_on(monkeypatch):
    def fails(y, horizon):
        raise np.linalg.LinAlgError("Singular matrix")

    monkeypatch.setitem(METHODS, "stl", fails)
    test = backtest(planted(), methods=["stl", "ets"])
    assert "stl of this series cannot be computed: statsmodels says 'Singular matrix'" in test.left_out["stl"]
    assert set(test.table["method"]) == {"seasonal_naive", "ets"}


@pytest.mark.published
def test_published_series_are_forecast_and_their_limits_hold(public_data):
    # Every seventh ICB of the RTT file (April 2020 on: in the break) and of the A&E file (two months copied).
    folder = public_data / "activity_performance"
    rtt = pd.read_csv(folder / "england_rtt_stp.csv.gz").query("treatment == 'Total'")
    ae = pd.read_csv(folder / "england_icb_accidents_emergency.csv.gz")
    long = pd.concat(
        [
            pd.DataFrame(
                {"series": rows[code], "month": pd.to_datetime(rows["date"], format=layout).dt.to_period("M")}
            ).assign(activity=rows[value], calendar=calendar)
            for rows, code, value, layout, calendar in (
                (rtt, "stp20_nhs_code", "waits_over_18_weeks", "%Y-%m-%d", "none"),
                (ae, "icb22_code", "total_attendances", "%B %Y", "days"),
            )
        ]
    )
    table = monthly_outlook(long, names=sorted(long["series"].unique())[::7], methods=["ets"]).table
    assert len(table) == 12
    assert table["method"].notna().all()
    assert table["reason"].str.contains("February 2025, March 2025").sum() == 6
    inside = (table["coverage_80_pct"] * table["tested_months"]).sum() / table["tested_months"].sum()
    assert 75 <= inside <= 85


@pytest.mark.published
def test_attendances_by_icb_beat_the_seasonal_naive_on_the_median_icb(public_data):
    # NHS England, A&E attendances, April 2022 to July 2025: 42 ICBs x 40 months.
    read = pd.read_csv(public_data / "activity_performance" / "england_icb_accidents_emergency.csv.gz")
    read["month"] = pd.PeriodIndex(pd.to_datetime(read["date"], format="%B %Y"), freq="M")
    wide = read.pivot_table(index="month", columns="icb22_code", values="total_attendances")
    assert wide.shape == (40, 42)
    tables = [backtest(wide[icb], methods=["ets"], least=28, step=6).table.assign(icb=icb) for icb in wide.columns]
    table = pd.concat(tables)
    median = table.groupby("method")[["mase", "coverage_80_pct", "coverage_95_pct"]].median()
    assert median.loc["ets", "mase"] < 0.75 * median.loc["seasonal_naive", "mase"]
    assert median.loc["ets", "mase"] < 0.6
    assert 75 <= median.loc["ets", "coverage_80_pct"] <= 95
    assert median.loc["ets", "coverage_95_pct"] >= 80
