"""The near months: a forecast of a monthly series, chosen by rolling backtest against the seasonal naive.

Models are statsmodels' (ETS; STL with an ARIMA remainder; SARIMAX with a Fourier season) on the logarithm of activity
a day, so that months of unequal length compare. A series with a month below ten, zero among them, has no useful
logarithm: it is taken on the root scale on which counts have an even spread (Anscombe 1948), and a negative binomial
regression is tried too. Intervals are calibrated on the errors of earlier forecasts of the same series, never on later
ones (`_multiplier`). Accuracy is the mean absolute scaled error (MASE; Hyndman and Koehler
2006): errors over those of the seasonal naive on the months before. A model that does not beat the seasonal naive on
the same origins is not used, and that is said.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd
from dateutil.relativedelta import MO  # type: ignore[import-untyped]
from numpy.typing import NDArray
from pandas.tseries import holiday
from pandas.tseries.offsets import DateOffset
from scipy import stats
from statsmodels.genmod.families import NegativeBinomial, Poisson
from statsmodels.genmod.generalized_linear_model import GLM
from statsmodels.tsa.arima.model import ARIMA
from statsmodels.tsa.deterministic import Fourier
from statsmodels.tsa.exponential_smoothing.ets import ETSModel
from statsmodels.tsa.forecasting.stl import STLForecast
from statsmodels.tsa.statespace.sarimax import SARIMAX

from pathcost_lib.arguments import as_list, explain_failure, number
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.ordering import order_of
from pathcost_lib.results import Result

__all__ = ["COVID", "METHODS", "Backtest", "Forecast", "backtest", "forecast", "working_days"]

FloatArray = NDArray[np.float64]


class Fitted(NamedTuple):
    """What a model says on its scale, a value for each month ahead, and the degrees of freedom behind its spread."""

    mean: FloatArray
    spread: FloatArray
    freedom: int


_SEASON = 12
_LEAST = 2 * _SEASON  # months to fit: two whole years

#: Months left out as like no others: the first lockdown to the end of legal limits on contact in England.
COVID = (("2020-03", "2021-07"),)

_LEVELS = (80, 95)
#: A count below this has no useful logarithm.
_SMALL = 10
#: Errors of the past that the model's own spread is worth: at twelve earlier errors they weigh three quarters.
_OWN_WEIGHT = 4.0
_MONTHS = tuple(pd.Period(f"2000-{month:02d}", "M").strftime("%B") for month in range(1, 13))


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


def _yearly_spread(y: pd.Series, horizon: int) -> FloatArray:
    """Return the root mean square of yearly changes; it grows with each year ahead (FPP3, section 5.5)."""
    values = _bridged(y).to_numpy()
    spread = np.sqrt(np.mean((values[_SEASON:] - values[:-_SEASON]) ** 2))
    return spread * np.sqrt(np.arange(horizon) // _SEASON + 1)


def _corrected(y: pd.Series, mean: FloatArray, spread: FloatArray, parameters: int) -> Fitted:
    """Return a fit whose spread, of maximum likelihood, is put right for the parameters that the months had to pay."""
    months = int(y.notna().sum())
    freedom = max(months - parameters, 1)
    return Fitted(mean, spread * np.sqrt(months / freedom), freedom)


def _seasonal_naive(y: pd.Series, horizon: int) -> Fitted:
    """Repeat the last year (Hyndman and Athanasopoulos, FPP3, section 5.2)."""
    values = _bridged(y).to_numpy()
    mean = values[-_SEASON:][np.arange(horizon) % _SEASON]
    return Fitted(mean, _yearly_spread(y, horizon), max(len(values) - _SEASON, 1))


def _ets(y: pd.Series, horizon: int) -> Fitted:
    """Exponential smoothing, damped trend, additive season: 4 weights, level, trend and 11 of the season are fitted."""
    model = ETSModel(_bridged(y), error="add", trend="add", damped_trend=True, seasonal="add", seasonal_periods=_SEASON)
    frame = model.fit(disp=False).get_prediction(start=len(y), end=len(y) + horizon - 1).summary_frame(alpha=0.05)
    return _corrected(y, *_from_frame(frame, "mean", "pi_lower", "pi_upper"), 17)


def _stl(y: pd.Series, horizon: int) -> Fitted:
    """Seasonal-trend decomposition by loess, ARIMA(0,1,1) for the rest.

    On two or three years loess follows every month, so that what is left tells nothing of the error to come: the
    spread is that of yearly changes.
    """
    fitted = STLForecast(_bridged(y), ARIMA, model_kwargs={"order": (0, 1, 1)}, period=_SEASON, robust=True).fit()
    mean = np.asarray(fitted.forecast(horizon), dtype=float)
    return Fitted(mean, _yearly_spread(y, horizon), max(len(y) - _SEASON, 1))


def _sarimax(y: pd.Series, horizon: int) -> Fitted:
    """ARIMA(0,1,1) with a season of three harmonics; a month left out is as good as a dummy of its own."""
    season = Fourier(_SEASON, order=3)
    past, ahead = season.in_sample(y.index), season.out_of_sample(horizon, y.index)
    # The season's coefficients are states, so that their uncertainty is in the interval.
    model = SARIMAX(y, exog=past, order=(0, 1, 1), mle_regression=False, concentrate_scale=True)
    fitted = model.fit(disp=False, maxiter=100)
    frame = fitted.get_forecast(horizon, exog=ahead).summary_frame(alpha=0.05)
    return _corrected(y, *_from_frame(frame, "mean", "mean_ci_lower", "mean_ci_upper"), 8)


def _counts(y: pd.Series, horizon: int) -> Fitted:
    """Negative binomial regression of small counts on a trend and a season of two harmonics, on the root scale.

    The dispersion is that at which Pearson's chi-squared of a Poisson fit is explained (Cameron and Trivedi 2013,
    section 3.3, by moments); the spread adds the doubt about the mean: var(2 sqrt(x)) = var(x) / mean.
    """
    season = Fourier(_SEASON, order=2)
    years = pd.Series(np.arange(len(y) + horizon) / _SEASON)
    terms = np.vstack([season.in_sample(y.index), season.out_of_sample(horizon, y.index)])
    design = np.column_stack([np.ones(len(years)), years - years.iloc[len(y) - 1], terms])
    known = y.notna().to_numpy()
    counts, past = np.maximum((y.to_numpy()[known] / 2) ** 2 - 0.375, 0), design[: len(y)][known]
    mean = GLM(counts, past, family=Poisson()).fit().fittedvalues
    freedom = max(len(counts) - design.shape[1], 1)
    excess = float((((counts - mean) ** 2 - mean) / mean**2).sum() / freedom)
    alpha = max(excess, 1e-6)
    fitted = GLM(counts, past, family=NegativeBinomial(alpha=alpha)).fit()
    ahead = fitted.get_prediction(design[len(y) :]).summary_frame()
    mean = ahead["mean"].to_numpy(float)
    spread = np.sqrt(1 + alpha * mean + ahead["mean_se"].to_numpy(float) ** 2 / mean)
    return Fitted(2 * np.sqrt(mean + 0.375), spread, freedom)


def _from_frame(frame: pd.DataFrame, mean: str, lower: str, upper: str) -> tuple[FloatArray, FloatArray]:
    spread = (frame[upper] - frame[lower]).to_numpy(float) / (2 * stats.norm.ppf(0.975))
    return frame[mean].to_numpy(float), spread


METHODS: dict[str, Callable[[pd.Series, int], Fitted]] = {
    "seasonal_naive": _seasonal_naive,
    "ets": _ets,
    "stl": _stl,
    "sarimax": _sarimax,
    "counts": _counts,
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

    `.errors` has every forecast: origin, month, method, actual, forecast with its calibrated limits, scaled_error,
    score (error in spreads of the model), within_80, within_95. `.left_out` has months and methods that took no part,
    with the reason.
    """

    errors: pd.DataFrame
    best: str
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """One sentence."""
        t = self.table.set_index("method")["mase"]
        if self.best == "seasonal_naive":
            return f"No model beats the seasonal naive (MASE {t['seasonal_naive']:.2f}): the naive is used."
        return f"{self.best} is used: MASE {t[self.best]:.2f} against {t['seasonal_naive']:.2f} for the seasonal naive."


@dataclass(frozen=True, eq=False)
class Forecast(Result):
    """A forecast: `.table` has month, forecast, lower_80, upper_80, lower_95, upper_95 (activity in the month).

    `.reason` says why there are no limits; `.left_out` which months were not fitted.
    """

    method: str
    backtest: Backtest | None
    reason: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """One sentence."""
        why = f" {self.backtest.summary}" if self.backtest else ""
        return f"{self.table['forecast'].sum():,.0f} in the next {len(self.table)} months.{why}"


class _Prepared(NamedTuple):
    """A series on the scale of its models (gaps as NaN), its months, and how to go to that scale and back."""

    y: pd.Series
    months: pd.PeriodIndex
    root: bool
    left_out: dict[str, str]

    def back(self, values: FloatArray, days: FloatArray) -> FloatArray:
        """Return activity in months of so many days."""
        if not self.root:
            return np.exp(values) * days
        return np.maximum(np.maximum(values / 2, 0) ** 2 - 0.375, 0) * days


def by_month(series: object) -> pd.Series:
    """Return a series by month: numbers, one a month, whatever dates or month names its index has."""
    if not isinstance(series, pd.Series):
        raise InputError(f"The series must be a pandas Series by month; this is a {type(series).__name__}.")
    index = series.index
    if not isinstance(index, pd.PeriodIndex):
        if not isinstance(index, pd.DatetimeIndex):
            order = order_of(pd.Series(index), what="months of the series")
            if order.kind != "date":
                raise InputError("The index of the series must be months, such as 2024-04 or Apr-24.")
            index = pd.DatetimeIndex(order.key)
        index = index.to_period("M")
    if index.freqstr != "M":
        raise InputError(f"The series must be by month; its index is by {index.freqstr}.")
    if index.has_duplicates:
        raise InputError(f"The series repeats {int(index.duplicated().sum())} months; one value a month.")
    with explain_failure("The series", library="pandas"):
        values = pd.Series(series.to_numpy(float, na_value=np.nan), index=index)
    if np.isinf(values).any() or (values < 0).any():
        wrong = int((np.isinf(values) | (values < 0)).sum())
        raise InputError(f"The series has {wrong} months below zero or infinite.")
    return values.sort_index()


def _prepare(series: object, calendar: str, breaks: Sequence[tuple[str, str]]) -> _Prepared:
    """Return activity a day on the scale of the models, from the first month that counts, gaps and breaks as NaN."""
    require_one_of(calendar, ("days", "working_days", "none"), what="Calendar")
    given = by_month(series)
    left_out = dict[str, str]()
    if not len(given):
        raise InputError(f"A forecast needs {_LEAST} months or more; the series has 0.")
    whole = pd.period_range(given.index.min(), given.index.max(), freq="M")
    values = given.reindex(whole)
    if values.isna().any():
        left_out["no value"] = _span(whole[values.isna()])
    for pair in breaks:
        with explain_failure("A break (first month, last month)", library="pandas"):
            first, last = (pd.Period(month, "M") for month in pair)
        inside = (whole >= first) & (whole <= last) & values.notna()
        if inside.any():
            left_out["break"] = _span(whole[inside])
        values[inside] = np.nan
    if values.notna().sum() < _LEAST:
        raise InputError(f"A forecast needs {_LEAST} months or more; the series has {int(values.notna().sum())}.")
    values = values.loc[values.first_valid_index() :]
    months = pd.PeriodIndex(values.index)
    never = sorted(set(range(1, 13)) - set(months[values.notna()].month))
    if never:
        raise InputError(
            f"No {' and no '.join(_MONTHS[month - 1] for month in never)} has a value, so the season is not known."
        )
    if not (values > 0).any():
        raise InputError("The series has no activity in any month.")
    root = bool(values.min() < _SMALL)
    scaled = values / _days(months, calendar, root=root)
    y = 2 * np.sqrt(scaled + 0.375) if root else np.log(scaled)
    y.index = months.to_timestamp()
    return _Prepared(y.asfreq("MS"), months, root, left_out)


def _span(months: pd.PeriodIndex) -> str:
    """Return months in words: how many, from the first to the last."""
    last = f" to {months.max().strftime('%B %Y')}" if len(months) > 1 else ""
    return f"{len(months)} month(s), {months.min().strftime('%B %Y')}{last}"


def _days(months: pd.PeriodIndex, calendar: str, *, root: bool) -> FloatArray:
    """Return the days of each month; on the root scale, which needs counts, months of mean length are 1."""
    if calendar == "none":
        return np.ones(len(months))
    days = np.asarray(working_days(months) if calendar == "working_days" else months.days_in_month, dtype=float)
    return days / (253 / 12 if calendar == "working_days" else 365.25 / 12) if root else days


def _fit(method: str, y: pd.Series, horizon: int) -> Fitted:
    with warnings.catch_warnings(), explain_failure(f"{method} of this series", library="statsmodels"):
        # Few months make statsmodels warn of start values and convergence; the backtest judges the result.
        warnings.simplefilter("ignore")
        fitted = METHODS[method](y, horizon)
        if not (np.isfinite(fitted.mean).all() and np.isfinite(fitted.spread).all()):
            raise ValueError("the fit gives no finite forecast")
        return fitted


def _multiplier(level: float, scores: FloatArray, freedom: int) -> float:
    """Return how many spreads an interval must reach, from the errors of earlier forecasts in spreads.

    Split conformal prediction with normalised scores (Vovk, Gammerman and Shafer 2005; Lei et al. 2018, section 5.2) on
    errors of a rolling origin (Hyndman and Athanasopoulos, FPP3, section 5.10): the quantile of the scores. Few
    scores have no quantile at 95 %, and at first there are none, so Student's t with the model's degrees of freedom
    stands among them with the weight of `_OWN_WEIGHT` scores.
    """
    low, high = 0.0, max(float(np.max(scores, initial=0.0)), float(stats.t.ppf(0.5 + level / 2, freedom))) + 1e-9
    for _ in range(50):
        middle = (low + high) / 2
        own = _OWN_WEIGHT * (2 * stats.t.cdf(middle, freedom) - 1)
        reached = (np.sum(scores <= middle) + own) / (len(scores) + _OWN_WEIGHT) >= level
        low, high = (low, middle) if reached else (middle, high)
    return high


def _limits(of: _Prepared, fitted: Fitted, scores: FloatArray, days: FloatArray) -> dict[str, FloatArray]:
    """Return the median and the calibrated intervals in the series' own units."""
    columns = {"forecast": of.back(fitted.mean, days)}
    for level in _LEVELS:
        reach = _multiplier(level / 100, scores, fitted.freedom) * fitted.spread
        columns[f"lower_{level}"] = of.back(fitted.mean - reach, days)
        columns[f"upper_{level}"] = of.back(fitted.mean + reach, days)
    return columns


def backtest(
    series: pd.Series,
    *,
    methods: str | Sequence[str] = tuple(METHODS),
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
        Activity by month (index of months); gaps are allowed, and zeros.
    methods : str or sequence of str
        Of `METHODS`; the seasonal naive is always among them, "counts" only where a month is below ten. One that
        cannot be fitted is left out, with the reason.
    horizon, step, least : int
        Months ahead, months between origins, months with a value before the first origin.
    calendar : str
        What a month's activity is divided by: "days", "working_days" (planned care) or "none".
    breaks : sequence of (first month, last month)
        Months left out: not fitted, not scored.

    Raises
    ------
    InputError
        If the series has fewer than `least` + 1 months with a value (28 by default), repeats a month, is negative
        anywhere, lacks a month of the year in all years or repeats itself exactly from year to year.

    Notes
    -----
    The limits of a forecast are calibrated on the forecasts that came true before it was made, so the coverage is out
    of sample. Only the scale, logs or roots, is chosen on the whole series.
    """
    for name, value in (("horizon", horizon), ("step", step)):
        number(value, f"{name} (months)", least=1, most=120, whole=True)
    number(least, "least (months before the first origin)", least=_LEAST, whole=True)
    names = list(dict.fromkeys(["seasonal_naive", *as_list(methods)]))
    for method in names:
        require_one_of(method, METHODS, what="Method")
    of = _prepare(series, calendar, breaks)
    origins = _origins(of, int(horizon), int(step), int(least))
    if _repeats(of.y):
        raise InputError("Every month equals that of the year before, so there is no error to test by.")
    rows, left_out = [], dict(of.left_out)
    for method in names:
        if method == "counts" and not of.root:
            continue
        try:
            rows += _forecasts(of, method, origins, int(horizon), calendar)
        except InputError as error:
            left_out[method] = str(error)
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
    best = str(table["mase"].idxmin()) if table["mase"].notna().any() else "seasonal_naive"
    return Backtest(table.reset_index(), errors.reset_index(drop=True), best, left_out)


def _origins(of: _Prepared, horizon: int, step: int, least: int) -> list[int]:
    """Return the months to forecast from: enough with a value before, each month of the year among them."""
    known = of.y.notna().to_numpy()
    seasons = [set(of.months[:origin][known[:origin]].month) for origin in range(len(known))]
    ready = [o for o in range(len(known)) if known[:o].sum() >= least and len(seasons[o]) == _SEASON]
    if not ready:
        raise InputError(
            f"A backtest needs {least + 1} months or more with a value, each month of the year among the first "
            f"{least}; the series has {int(known.sum())}."
        )
    return [o for o in range(ready[0], len(known), step) if known[o : o + horizon].any()]


def _repeats(y: pd.Series) -> bool:
    """Say whether a series is, to rounding, the same from year to year."""
    change = (y - y.shift(_SEASON)).abs()
    return bool(change.notna().any() and change.max() < 1e-9)


def _forecasts(of: _Prepared, method: str, origins: Sequence[int], horizon: int, calendar: str) -> list[pd.DataFrame]:
    """Return a method's forecasts from each origin, each with limits from the scores of the origins before."""
    days, values = _days(of.months, calendar, root=of.root), of.y.to_numpy()
    actual = of.back(values, days)
    rows, scores, at = [], np.empty(0), np.empty(0, dtype=int)
    for origin in origins:
        ahead = np.arange(origin, min(origin + horizon, len(values)))
        fitted = _fit(method, of.y.iloc[:origin], len(ahead))
        frame = pd.DataFrame(_limits(of, fitted, scores[at < origin], days[ahead])).assign(method=method)
        frame["origin"] = pd.PeriodIndex([of.months[origin - 1]] * len(ahead))
        frame["month"] = of.months[ahead]
        frame["actual"] = actual[ahead]
        change = pd.Series(np.abs(actual[_SEASON:origin] - actual[: origin - _SEASON])).mean()
        frame["scaled_error"] = (frame["actual"] - frame["forecast"]).abs() / (change if change > 0 else np.nan)
        error = np.abs(values[ahead] - fitted.mean)
        frame["score"] = np.divide(error, fitted.spread, out=np.full(len(ahead), np.nan), where=fitted.spread > 0)
        rows.append(frame)
        known = frame["score"].notna().to_numpy()
        scores, at = np.append(scores, frame["score"][known]), np.append(at, ahead[known])
    return rows


def forecast(
    series: pd.Series,
    horizon: int,
    *,
    method: str = "best",
    calendar: str = "days",
    breaks: Sequence[tuple[str, str]] = COVID,
    tested: Backtest | None = None,
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
    tested : Backtest, optional
        Of the same series: spares a second one, and calibrates the limits of a method that is named. A named method
        without it has limits from Student's t alone.

    Returns
    -------
    Forecast
        Medians and intervals, calibrated on the errors of the backtest. A series that repeats itself exactly has no
        past error: it is repeated, without limits, and the reason is said.

    Raises
    ------
    InputError
        If the series has fewer than 24 months with a value for a method that is named, or fewer than 28 for "best";
        and as `backtest`.

    Examples
    --------
    The seasonal naive repeats the last year, here a tenth above the two before; its limits come from the errors that it
    would have made.

    >>> import pandas as pd
    >>> import pathcost_lib as pc
    >>> year = pd.Series([90, 100, 110, 120, 100, 90, 80, 90, 100, 110, 120, 130])
    >>> months = pd.period_range("2022-01", periods=36, freq="M")
    >>> activity = pd.Series([*year, *year, *(1.1 * year)], index=months)
    >>> ahead = pc.forecast(activity, 3, method="seasonal_naive", calendar="none")
    >>> ahead.table.set_index("month")[["forecast", "lower_95", "upper_95"]].round(0)
             forecast  lower_95  upper_95
    month
    2025-01      99.0      86.0     114.0
    2025-02     110.0      96.0     126.0
    2025-03     121.0     105.0     139.0
    """
    number(horizon, "horizon (months)", least=1, most=120, whole=True)
    require_one_of(method, (*METHODS, "best"), what="Method")
    of = _prepare(series, calendar, breaks)
    if method == "counts" and not of.root:
        raise InputError(f"The method counts is for series with a month below {_SMALL}; this has none.")
    repeats = _repeats(of.y)
    if method == "best" and not repeats:
        tested = tested or backtest(series, calendar=calendar, breaks=breaks)
        method = tested.best
    method = "seasonal_naive" if repeats else method
    ahead = pd.period_range(of.months[-1] + 1, periods=int(horizon), freq="M")
    scores = np.empty(0) if tested is None else tested.errors.loc[tested.errors["method"] == method, "score"].dropna()
    fitted = _fit(method, of.y, int(horizon))
    days = _days(ahead, calendar, root=of.root)
    table = pd.DataFrame(_limits(of, fitted, np.asarray(scores, dtype=float), days))
    reason = ""
    if repeats:
        reason = "Every month equals that of the year before: without past errors there are no limits."
        table.loc[:, table.columns != "forecast"] = np.nan
    table.insert(0, "month", ahead)
    return Forecast(table, method, tested, reason, of.left_out)
