"""Several monthly series forecast in one go, each by what a rolling backtest chose against the seasonal naive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pathcost_lib.errors import InputError
from pathcost_lib.results import Result
from pathcost_lib.scenarios.forecasting import backtest, forecast
from pathcost_lib.sources import published
from pathcost_lib.sources.engine import Relation
from pathcost_lib.sources.quoting import quote_value

__all__ = ["MonthlyOutlook", "monthly_activity", "monthly_outlook", "official_months"]

_HORIZON = 3  # months ahead, and between origins: the tested months then follow on from one another


_SAID = {"seasonal_naive": "Seasonal naive", "ets": "Exponential smoothing (ETS)", "stl": "STL and ARIMA"}
#: Settings and PODs of planned care, which has working days only.
_PLANNED = ("primary_care", "outpatient", "day_case", "elective")


def monthly_activity(activity: Relation, icb: str) -> pd.DataFrame:
    """Return an ICB's activity by month: series (POD), month (period), activity, calendar (as `forecast` takes it)."""
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
    codes = published.icb_codes(Path(folder) / "icb_lookups" / "sub_icb_icb_region_lookup_2022.csv")
    path = Path(folder) / "activity_performance" / "england_icb_accidents_emergency.csv.gz"
    table = published.read("ae_monthly_icb", path, icbs=codes, only={"icb_code": [icb]}).table
    long = table.melt("month", ["attendances", "emergency_admissions"], var_name="series", value_name="activity")
    return long.assign(month=long["month"].dt.to_period("M"), calendar="days")


@dataclass(frozen=True, eq=False)
class MonthlyOutlook(Result):
    """Forecasts by series: `.table` has series, months, method, mase, naive_mase, coverage_80_pct, reason.

    `.path` has series, month (its first day), actual, tested (forecast from the months before), naive, forecast,
    lower_80, upper_80.
    """

    path: pd.DataFrame


def monthly_outlook(
    series: pd.DataFrame, *, names: Sequence[str], horizon: int = 12, methods: Sequence[str] = ("ets", "stl")
) -> MonthlyOutlook:
    """Backtest and forecast each series.

    Parameters
    ----------
    series : DataFrame
        From `monthly_activity` or `official_months`. A month that is the same, to the last contact, as that month of
        the year before is taken for a copy and left out.
    names : sequence of str
        Which series, in order.
    horizon : int
        Months to forecast.
    methods : sequence of str
        Tried against the seasonal naive.

    Returns
    -------
    MonthlyOutlook
        A series too short to test is forecast by the seasonal naive; one too short for that has a reason only.
    """
    rows, paths = [], []
    for name in names:
        mine = series[series["series"] == name].set_index("month").sort_index()
        calendar = str(mine["calendar"].iloc[0])
        values = mine["activity"].astype(float)
        values = values[values != values.shift(12)]
        row = {"series": name, "months": len(values), "reason": ""}
        try:
            test, method = None, "seasonal_naive"
            try:
                test = backtest(values, methods=methods, horizon=_HORIZON, step=_HORIZON, calendar=calendar)
                method = test.best
            except InputError as error:
                row["reason"] = str(error)
            ahead = forecast(values, horizon, method=method, calendar=calendar).table.set_index("month")
        except InputError as error:
            rows.append(row | {"reason": str(error)})
            continue
        path = values.rename("actual").to_frame()
        if test:
            scores = test.table.set_index("method")
            row |= {"mase": scores["mase"][method], "naive_mase": scores["mase"]["seasonal_naive"]}
            row |= {"coverage_80_pct": scores["coverage_80_pct"][method]}
            tested = test.errors.pivot_table(index="month", columns="method", values="forecast")
            path = path.join(tested[[method]].set_axis(["tested"], axis=1))
            path = path.join(tested[["seasonal_naive"]].set_axis(["naive"], axis=1))
        rows.append(row | {"method": _SAID.get(method, method)})
        paths.append(path.join(ahead[["forecast", "lower_80", "upper_80"]], how="outer").assign(series=name))
    columns = ["series", "months", "method", "mase", "naive_mase", "coverage_80_pct", "reason"]
    shape = ["series", "month", "actual", "tested", "naive", "forecast", "lower_80", "upper_80"]
    whole = pd.concat([p.rename_axis("month").reset_index() for p in paths]) if paths else pd.DataFrame(columns=shape)
    whole["month"] = pd.PeriodIndex(whole["month"], freq="M").to_timestamp()
    table = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[3:6], float))
    return MonthlyOutlook(table, whole.reindex(columns=shape))
