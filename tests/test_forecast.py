"""Forecasts: the calendar, the seasonal naive by hand, a planted trend, Covid left out, and the A&E series by ICB."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pathcost_lib.errors import InputError
from pathcost_lib.scenarios import backtest, forecast, join_long_run
from pathcost_lib.scenarios.forecasting import METHODS, working_days

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
    upper = result.table["upper_95"] / result.table["forecast"]
    assert np.log(upper.iloc[0]) == pytest.approx(1.959964 * spread)
    assert np.log(upper.iloc[12]) == pytest.approx(1.959964 * spread * np.sqrt(2))
    # MASE: a first origin after 27 months, one month ahead, error 0.1 of 120 over the mean of earlier differences.
    test = backtest(series, methods=["seasonal_naive"], horizon=1, step=20, calendar="none")
    differences = [0.0] * 12 + [9.0, 10.0, 11.0]
    assert test.table["mase"][0] == pytest.approx(12.0 / np.mean(differences))


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


@pytest.mark.unit
@pytest.mark.parametrize("method", list(METHODS))
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


@pytest.mark.unit
def test_no_model_beats_the_naive_on_a_series_that_repeats():
    months = pd.period_range("2021-08", periods=40, freq="M")
    repeats = pd.Series(100.0 + np.arange(40) % 12 + np.where(np.arange(40) < 12, 5.0, 0.0), index=months)
    test = backtest(repeats, methods=["stl"], calendar="none")
    assert test.best == "seasonal_naive"
    assert "the naive is used" in test.summary


@pytest.mark.unit
def test_join_has_no_step():
    series = planted(months=pd.period_range("2021-04", "2025-09", freq="M"))
    near = forecast(series, 9, method="seasonal_naive")
    projected = pd.Series(1000.0 * 1.02 ** np.arange(6), index=range(2024, 2030))
    table = join_long_run(series, near, projected).set_index("year")
    assert table.loc[2025, "source"] == "actual and forecast"
    whole = series["2025-01":].sum() + near.table["forecast"].iloc[:3].sum()
    assert table.loc[2025, "activity"] == pytest.approx(whole)
    assert (table["activity"].loc[2026:] / table["activity"].shift().loc[2026:]).tolist() == pytest.approx([1.02] * 4)
    with pytest.raises(InputError, match="no whole calendar year"):
        join_long_run(series, near, projected.loc[2027:])


@pytest.mark.unit
def test_bad_series_are_refused():
    series = planted()
    with pytest.raises(InputError, match="24 months or more; the series has 20"):
        forecast(series.iloc[:20], 3, breaks=())
    with pytest.raises(InputError, match="2 months at or below nil"):
        forecast(series.where(np.arange(60) > 1, 0.0), 3)
    with pytest.raises(InputError, match="repeats 60 months"):
        forecast(pd.concat([series, series]), 3)
    with pytest.raises(InputError, match="Allowed: ets, sarimax, seasonal_naive, stl"):
        forecast(series, 3, method="oracle")


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
    # Three years are few: an interval that is somewhat too narrow is to be seen, not hidden.
    assert 60 <= median.loc["ets", "coverage_80_pct"] <= 95
    assert median.loc["ets", "coverage_95_pct"] >= 80
