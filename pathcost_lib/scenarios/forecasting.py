"""The near months: a forecast of a monthly series, chosen by rolling backtest against the seasonal naive.

Models are statsmodels' (ETS; STL with an ARIMA remainder; SARIMAX with a Fourier season) on the logarithm of activity
a day, so that months of unequal length compare. Accuracy is the mean absolute scaled error (MASE; Hyndman and Koehler
2006): errors over those of the seasonal naive on the months before. A model that does not beat the seasonal naive on
the same origins is not used, and that is said.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from dateutil.relativedelta import MO  # type: ignore[import-untyped]
from numpy.typing import NDArray
from pandas.tseries import holiday
from pandas.tseries.offsets import DateOffset
from scipy import stats
from statsmodels.tsa.arima.model import ARIMA
from statsmodels.tsa.deterministic import Fourier
from statsmodels.tsa.exponential_smoothing.ets import ETSModel
from statsmodels.tsa.forecasting.stl import STLForecast
from statsmodels.tsa.statespace.sarimax import SARIMAX

from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.results import Result

__all__ = ["COVID", "METHODS", "Backtest", "Forecast", "backtest", "forecast", "join_long_run", "working_days"]

FloatArray = NDArray[np.float64]
Fitted = tuple[FloatArray, FloatArray]  # mean and standard error on the log scale, a value for each month ahead

_SEASON = 12
_LEAST = 2 * _SEASON  # months to fit: two whole years

#: Months left out as like no others: the first lockdown to the end of legal limits on contact in England.
COVID = (("2020-03", "2021-07"),)

_LEVELS = (80, 95)


class _BankHolidays(holiday.AbstractHolidayCalendar):
    """Regular bank holidays of England and Wales (gov.uk)."""

    rules = [  # noqa: RUF012  (the base class reads it so)
        holiday.Holiday("New Year", month=1, day=1, observance=holiday.next_monday),
        holiday.GoodFriday,
        holiday.EasterMonday,
        holiday.Holiday("Early May", month=5, day=1, offset=DateOffset(weekday=MO(1))),
        holiday.Holiday("Spring", month=5, day=31, offset=DateOffset(weekday=MO(-1))),
        holiday.Holiday("Summer", month=8, day=31, offset=DateOffset(weekday=MO(-1))),
        holiday.Holiday("Christmas", month=12, day=25, observance=holiday.next_monday),
        holiday.Holiday("Boxing", month=12, day=26, observance=holiday.next_monday_or_tuesday),
    ]


_ADDED = ["2022-06-02", "2022-06-03", "2022-09-19", "2023-05-08"]  # jubilee, state funeral, coronation
_MOVED = ["2022-05-30"]


def working_days(months: pd.PeriodIndex) -> NDArray[np.int64]:
    """Return the weekdays of each month that are not bank holidays in England."""
    days = _BankHolidays().holidays(months.min().start_time, months.max().end_time)
    closed = (set(days.strftime("%Y-%m-%d")) - set(_MOVED)) | set(_ADDED)
    first = months.to_timestamp().to_numpy().astype("datetime64[D]")
    after = (months + 1).to_timestamp().to_numpy().astype("datetime64[D]")
    return np.busday_count(first, after, holidays=np.array(sorted(closed), dtype="datetime64[D]"))


def _seasonal_naive(y: pd.Series, horizon: int) -> Fitted:
    """Repeat the last year; the spread grows with each year ahead (Hyndman and Athanasopoulos, FPP3, section 5.5)."""
    values = _bridged(y).to_numpy()
    ahead = np.arange(horizon)
    spread = np.sqrt(np.mean((values[_SEASON:] - values[:-_SEASON]) ** 2))
    return values[-_SEASON:][ahead % _SEASON], spread * np.sqrt(ahead // _SEASON + 1)


def _ets(y: pd.Series, horizon: int) -> Fitted:
    """Exponential smoothing with a damped trend and an additive season."""
    model = ETSModel(_bridged(y), error="add", trend="add", damped_trend=True, seasonal="add", seasonal_periods=_SEASON)
    found = model.fit(disp=False).get_prediction(start=len(y), end=len(y) + horizon - 1).summary_frame(alpha=0.05)
    return _from_frame(found, "mean", "pi_lower", "pi_upper")


def _stl(y: pd.Series, horizon: int) -> Fitted:
    """Seasonal-trend decomposition by loess, ARIMA(0,1,1) for the rest; the interval leaves out the season's error."""
    fitted = STLForecast(_bridged(y), ARIMA, model_kwargs={"order": (0, 1, 1)}, period=_SEASON, robust=True).fit()
    found = fitted.get_prediction(start=len(y), end=len(y) + horizon - 1).summary_frame(alpha=0.05)
    return _from_frame(found, "mean", "mean_ci_lower", "mean_ci_upper")


def _sarimax(y: pd.Series, horizon: int) -> Fitted:
    """ARIMA(0,1,1) with a season of three harmonics; a month left out is as good as a dummy of its own."""
    season = Fourier(_SEASON, order=3)
    past, ahead = season.in_sample(y.index), season.out_of_sample(horizon, y.index)
    # The season's coefficients are states, so that their uncertainty is in the interval.
    model = SARIMAX(y, exog=past, order=(0, 1, 1), mle_regression=False, concentrate_scale=True)
    fitted = model.fit(disp=False, maxiter=100)
    found = fitted.get_forecast(horizon, exog=ahead).summary_frame(alpha=0.05)
    return _from_frame(found, "mean", "mean_ci_lower", "mean_ci_upper")


def _from_frame(frame: pd.DataFrame, mean: str, lower: str, upper: str) -> Fitted:
    spread = (frame[upper] - frame[lower]).to_numpy(float) / (2 * stats.norm.ppf(0.975))
    return frame[mean].to_numpy(float), spread


METHODS: dict[str, Callable[[pd.Series, int], Fitted]] = {
    "seasonal_naive": _seasonal_naive,
    "ets": _ets,
    "stl": _stl,
    "sarimax": _sarimax,
}


def _bridged(y: pd.Series) -> pd.Series:
    """Fill months left out: a straight line through the series less its mean for each calendar month."""
    if not y.isna().any():
        return y
    season = y.groupby(pd.DatetimeIndex(y.index).month).transform("mean")
    return (y - season).interpolate(limit_direction="both") + season


@dataclass(frozen=True, eq=False)
class Backtest(Result):
    """Accuracy by method: `.table` has method, origins, months, mase, coverage_80_pct, coverage_95_pct.

    `.errors` has every forecast: origin, month, method, actual, forecast, scaled_error, within_80, within_95.
    """

    errors: pd.DataFrame
    best: str

    @property
    def summary(self) -> str:
        """One sentence."""
        t = self.table.set_index("method")["mase"]
        if self.best == "seasonal_naive":
            return f"No model beats the seasonal naive (MASE {t['seasonal_naive']:.2f}): the naive is used."
        return f"{self.best} is used: MASE {t[self.best]:.2f} against {t['seasonal_naive']:.2f} for the seasonal naive."


@dataclass(frozen=True, eq=False)
class Forecast(Result):
    """A forecast: `.table` has month, forecast, lower_80, upper_80, lower_95, upper_95 (activity in the month)."""

    method: str
    backtest: Backtest | None

    @property
    def summary(self) -> str:
        """One sentence."""
        why = f" {self.backtest.summary}" if self.backtest else ""
        return f"{self.table['forecast'].sum():,.0f} in the next {len(self.table)} months.{why}"


def _prepare(series: pd.Series, calendar: str, breaks: Sequence[tuple[str, str]]) -> tuple[pd.Series, pd.PeriodIndex]:
    """Return the log of activity a day, gaps and breaks as NaN, and its months."""
    require_one_of(calendar, ("days", "working_days", "none"), what="Calendar")
    months = series.index if isinstance(series.index, pd.PeriodIndex) else pd.PeriodIndex(series.index, freq="M")
    if months.has_duplicates:
        raise InputError(f"The series repeats {int(months.duplicated().sum())} months; one value a month.")
    if (series <= 0).any():
        raise InputError(
            f"The series has {int((series <= 0).sum())} months at or below nil; activity must be positive."
        )
    whole = pd.period_range(months.min(), months.max(), freq="M")
    values = pd.Series(series.to_numpy(float), index=months).reindex(whole)
    for first, last in breaks:
        values[(whole >= pd.Period(first, "M")) & (whole <= pd.Period(last, "M"))] = np.nan
    if values.notna().sum() < _LEAST:
        raise InputError(f"A forecast needs {_LEAST} months or more; the series has {int(values.notna().sum())}.")
    logs = np.log(values / _days(whole, calendar))
    logs.index = whole.to_timestamp()
    return logs.asfreq("MS"), whole


def _days(months: pd.PeriodIndex, calendar: str) -> FloatArray:
    if calendar == "none":
        return np.ones(len(months))
    return np.asarray(working_days(months) if calendar == "working_days" else months.days_in_month, dtype=float)


def _fit(method: str, y: pd.Series, horizon: int) -> Fitted:
    with warnings.catch_warnings():
        # Few months make statsmodels warn of start values and convergence; the backtest judges the result.
        warnings.simplefilter("ignore")
        return METHODS[method](y, horizon)


def _unlog(fitted: Fitted, days: FloatArray) -> dict[str, FloatArray]:
    """Return the median and the intervals in the series' own units."""
    mean, spread = fitted
    found = {"forecast": np.exp(mean) * days}
    for level in _LEVELS:
        z = stats.norm.ppf(0.5 + level / 200)
        found |= {
            f"lower_{level}": np.exp(mean - z * spread) * days,
            f"upper_{level}": np.exp(mean + z * spread) * days,
        }
    return found


def backtest(
    series: pd.Series,
    *,
    methods: Sequence[str] = tuple(METHODS),
    horizon: int = 6,
    step: int = 3,
    least: int = _LEAST + 3,
    calendar: str = "days",
    breaks: Sequence[tuple[str, str]] = COVID,
) -> Backtest:
    """Forecast again and again from the past, each time without looking ahead.

    Parameters
    ----------
    series : Series
        Activity by month (index of months); gaps are allowed.
    methods : sequence of str
        Of `METHODS`; the seasonal naive is always among them.
    horizon, step, least : int
        Months ahead, months between origins, months before the first origin.
    calendar : str
        What a month's activity is divided by: "days", "working_days" (planned care) or "none".
    breaks : sequence of (first month, last month)
        Months left out: not fitted, not scored.

    Raises
    ------
    InputError
        If the series is too short, repeats a month or is not positive.
    """
    y, months = _prepare(series, calendar, breaks)
    days = _days(months, calendar)
    actual = np.exp(y.to_numpy()) * days
    origins = range(least, len(y), step)
    if not len(origins):
        raise InputError(f"A backtest needs more than {least} months; the series has {len(y)}.")
    rows = []
    for method in dict.fromkeys(["seasonal_naive", *methods]):
        require_one_of(method, METHODS, what="Method")
        for origin in origins:
            ahead = min(horizon, len(y) - origin)
            found = _unlog(_fit(method, y.iloc[:origin], ahead), days[origin : origin + ahead])
            scale = np.nanmean(np.abs(actual[_SEASON:origin] - actual[: origin - _SEASON]))
            frame = pd.DataFrame(found).assign(method=method)
            frame["origin"] = pd.PeriodIndex([months[origin - 1]] * ahead)
            frame["month"] = months[origin : origin + ahead]
            frame["actual"] = actual[origin : origin + ahead]
            frame["scaled_error"] = (frame["actual"] - frame["forecast"]).abs() / scale
            rows.append(frame)
    errors = pd.concat(rows, ignore_index=True).dropna(subset=["actual"])
    for level in _LEVELS:
        errors[f"within_{level}"] = errors["actual"].between(errors[f"lower_{level}"], errors[f"upper_{level}"])
    table = errors.groupby("method", sort=False).agg(
        origins=("origin", "nunique"),
        months=("actual", "size"),
        mase=("scaled_error", "mean"),
        coverage_80_pct=("within_80", lambda w: 100 * w.mean()),
        coverage_95_pct=("within_95", lambda w: 100 * w.mean()),
    )
    best = str(table["mase"].idxmin())
    return Backtest(table.reset_index(), errors.reset_index(drop=True), best)


def forecast(
    series: pd.Series,
    horizon: int,
    *,
    method: str = "best",
    calendar: str = "days",
    breaks: Sequence[tuple[str, str]] = COVID,
) -> Forecast:
    """Forecast a monthly series.

    Parameters
    ----------
    series : Series
        Activity by month (index of months).
    horizon : int
        Months ahead.
    method : str
        Of `METHODS`, or "best": the one with the lowest MASE in `backtest`, the seasonal naive unless it is beaten.
    calendar, breaks
        As in `backtest`.

    Returns
    -------
    Forecast
        Medians and intervals; on the log scale errors are taken as normal.
    """
    test = None
    if method == "best":
        test = backtest(series, calendar=calendar, breaks=breaks)
        method = test.best
    require_one_of(method, METHODS, what="Method")
    y, months = _prepare(series, calendar, breaks)
    ahead = pd.period_range(months[-1] + 1, periods=horizon, freq="M")
    table = pd.DataFrame(_unlog(_fit(method, y, horizon), _days(ahead, calendar)))
    table.insert(0, "month", ahead)
    return Forecast(table, method, test)


def join_long_run(series: pd.Series, near: Forecast, long_run: pd.Series) -> pd.DataFrame:
    """Join a monthly forecast to a yearly projection, so that the path has no step where they meet.

    Parameters
    ----------
    series : Series
        Activity by month, as given to `forecast`.
    near : Forecast
        Its forecast.
    long_run : Series
        Projected activity by calendar year (index of years).

    Returns
    -------
    DataFrame
        year, activity, source ("actual and forecast", "projection"), factor: the projection is scaled by the last whole
        year of actual and forecast months over the projection of that year.

    Raises
    ------
    InputError
        If no whole calendar year is common to both.
    """
    index = series.index if isinstance(series.index, pd.PeriodIndex) else pd.PeriodIndex(series.index, freq="M")
    near_months = pd.Series(near.table["forecast"].to_numpy(), index=pd.PeriodIndex(near.table["month"]))
    monthly = pd.concat([pd.Series(series.to_numpy(float), index=index), near_months])
    yearly = monthly.groupby(pd.PeriodIndex(monthly.index).year).agg(["sum", "size"])
    known = yearly.loc[(yearly["size"] == _SEASON) & yearly.index.isin(long_run.index), "sum"]
    if known.empty:
        raise InputError("The forecast and the projection have no whole calendar year in common.")
    join = known.index.max()
    factor = known[join] / long_run[join]
    later = long_run[long_run.index > join] * factor
    table = pd.DataFrame({"year": [*known.index, *later.index], "activity": [*known, *later]})
    table["source"] = np.where(table["year"] <= join, "actual and forecast", "projection")
    table["factor"] = np.where(table["year"] <= join, 1.0, factor)
    return table
