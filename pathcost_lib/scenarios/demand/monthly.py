"""Several monthly series forecast in one go, each by what a rolling backtest chose against the seasonal naive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pathcost_lib.arguments import as_list, number, numbers, one_row_each, refuse
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.paths import folder as as_path
from pathcost_lib.results import Result
from pathcost_lib.scenarios.demand.forecasting import backtest, by_month, forecast
from pathcost_lib.sources import published
from pathcost_lib.sources.engine import Relation
from pathcost_lib.sources.names import icb_codes
from pathcost_lib.sources.quoting import quote_value

__all__ = ["MonthlyOutlook", "monthly_activity", "monthly_outlook", "official_months"]

_HORIZON = 3  # months ahead, and between origins: the tested months then follow on from one another


_SAID = {"seasonal_naive": "Seasonal naive", "ets": "Exponential smoothing (ETS)", "stl": "STL and ARIMA"}
_SAID |= {"sarimax": "ARIMA with a season", "counts": "Negative binomial regression"}
#: Small counts equal those of the year before by chance; from this number on it is a copy (by chance 3 % and falling).
_COPY = 100
#: Settings and PODs of planned care, which has working days only.
_PLANNED = ("primary_care", "outpatient", "day_case", "elective")


def monthly_activity(activity: Relation, icb: str) -> pd.DataFrame:
    """Return an ICB's activity by month: series (POD), month (period), activity, calendar (as `forecast` takes it).

    Raises
    ------
    InputError
        If the ICB has no activity in the data, a column is missing or units are text.
    """
    lacking = [c for c in ("icb_code", "setting", "pod", "start_date", "units") if c not in activity.columns]
    if lacking:
        raise InputError(f"The activity lacks {', '.join(lacking)}. Columns: {', '.join(activity.columns)}.")
    if "CHAR" in activity.schema["units"].upper():
        raise InputError("units of the activity must be numbers; they are text.")
    require_one_of(icb, icb_codes(activity), what="ICB")
    table = activity.query(
        "SELECT pod AS series, setting, date_trunc('month', start_date) AS month, "
        f"CAST(sum(units) AS BIGINT) AS activity FROM this WHERE icb_code = {quote_value(icb)} "
        "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    ).to_pandas()
    planned = table["setting"].isin(_PLANNED) | table["series"].isin(_PLANNED)
    calendar = np.where(planned, "working_days", "days")
    months = pd.to_datetime(table["month"]).dt.to_period("M")
    return table[["series", "activity"]].assign(month=months, calendar=calendar)


def official_months(folder: Path | str, icb: str) -> pd.DataFrame:
    """Return an ICB's published A&E attendances and emergency admissions by month, as `monthly_activity` does."""
    folder = as_path(folder)
    codes = published.icb_codes(folder / "icb_lookups" / "sub_icb_icb_region_lookup_2022.csv")
    require_one_of(icb, map(str, codes.values()), what="ICB")
    path = folder / "activity_performance" / "england_icb_accidents_emergency.csv.gz"
    table = published.read("ae_monthly_icb", path, icbs=codes, only={"icb_code": [icb]}).table
    long = table.melt("month", ["attendances", "emergency_admissions"], var_name="series", value_name="activity")
    return long.assign(month=long["month"].dt.to_period("M"), calendar="days")


@dataclass(frozen=True, eq=False)
class MonthlyOutlook(Result):
    """Forecasts by series.

    `.table` has series, months, method, mase, naive_mase, coverage_80_pct, tested_months, reason.
    `.path` has series, month (its first day), actual, tested (forecast from the months before), naive, forecast,
    lower_80, upper_80.
    """

    path: pd.DataFrame


def monthly_outlook(
    series: pd.DataFrame,
    *,
    names: str | Sequence[str],
    horizon: int = 12,
    methods: str | Sequence[str] = ("ets", "stl", "counts"),
) -> MonthlyOutlook:
    """Backtest and forecast each series.

    Parameters
    ----------
    series : DataFrame
        series, month, activity, calendar, one row for each series and month: from `monthly_activity` or
        `official_months`. A month of a hundred or more that is the same, to the last contact, as that month of the year
        before is taken for a copy and left out, and that is said (in NHS England's A&E file February and March 2025
        repeat those of 2024 in every ICB).
    names : sequence of str
        Which series, in order.
    horizon : int
        Months to forecast.
    methods : sequence of str
        Tried against the seasonal naive.

    Returns
    -------
    MonthlyOutlook
        A series too short to test is forecast by the seasonal naive; one too short for that, or that no model fits, has
        a reason only, and the others go on.

    Raises
    ------
    InputError
        If a column is missing, a series and month repeat, a number is missing or negative, a calendar is not known, a
        name is of no series, or the horizon is no whole number of months from 1 to 120.
    """
    number(horizon, "horizon (months)", least=1, most=120, whole=True)
    keys = ["series", "month"]
    one_row_each(series, keys, ["activity", "calendar"], what="series")
    series = series.assign(activity=numbers(series, "activity", keys))
    mixed = series.groupby("series")["calendar"].transform("nunique", dropna=False) != 1
    refuse(series, mixed.to_numpy(), ["series"], "A series must have one calendar")
    rows, paths = [], []
    for name in as_list(names):
        require_one_of(name, map(str, series["series"].unique()), what="Series")
        mine = series[series["series"] == name].set_index("month")
        calendar = str(mine["calendar"].iloc[0])
        values = by_month(mine["activity"])
        gaps = len(pd.period_range(values.index.min(), values.index.max(), freq="M")) - int(values.notna().sum())
        same = (values == values.reindex(values.index - 12).to_numpy()) & (values >= _COPY)
        copies = ", ".join(month.strftime("%B %Y") for month in values.index[same])
        values = values[~same]
        row = {"series": name, "months": len(values), "reason": ""}
        note = f"Left out, the same as the year before: {copies}. " if copies else ""
        note += f"{gaps} month(s) between the first and the last have no value. " if gaps else ""
        try:
            test, method = None, "seasonal_naive"
            try:
                test = backtest(values, methods=methods, horizon=_HORIZON, step=_HORIZON, calendar=calendar)
                method = test.best
            except InputError as error:
                note += str(error)
            near = forecast(values, horizon, method=method, calendar=calendar, tested=test)
        except InputError as error:
            rows.append(row | {"reason": note if str(error) in note else note + str(error)})
            continue
        ahead = near.table.set_index("month")
        failed = [f"{_SAID[m]}: {why}" for m, why in (test.left_out if test else {}).items() if m in _SAID]
        row["reason"] = " ".join([note, *failed, near.reason]).strip()
        path = values.rename("actual").to_frame()
        if test:
            scores = test.table.set_index("method")
            row |= {"mase": scores["mase"][method], "naive_mase": scores["mase"]["seasonal_naive"]}
            row |= {"coverage_80_pct": scores["coverage_80_pct"][method], "tested_months": scores["months"][method]}
            tested = test.errors.pivot_table(index="month", columns="method", values="forecast")
            path = path.join(tested[[method]].set_axis(["tested"], axis=1))
            path = path.join(tested[["seasonal_naive"]].set_axis(["naive"], axis=1))
        rows.append(row | {"method": _SAID.get(method, method)})
        paths.append(path.join(ahead[["forecast", "lower_80", "upper_80"]], how="outer").assign(series=name))
    columns = ["series", "months", "method", "mase", "naive_mase", "coverage_80_pct", "tested_months", "reason"]
    shape = ["series", "month", "actual", "tested", "naive", "forecast", "lower_80", "upper_80"]
    whole = pd.concat([p.rename_axis("month").reset_index() for p in paths]) if paths else pd.DataFrame(columns=shape)
    whole["month"] = pd.PeriodIndex(whole["month"], freq="M").to_timestamp()
    table = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[3:7], float))
    return MonthlyOutlook(table, whole.reindex(columns=shape))
