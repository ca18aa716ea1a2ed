"""Which monthly series of an area's providers changed in the year, how sure that is, and how many chance would show."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from pathcost_lib import arguments
from pathcost_lib.codes import financial_year_bounds, months
from pathcost_lib.errors import InputError
from pathcost_lib.results import Result
from pathcost_lib.sources import Relation
from pathcost_lib.sources.quoting import quote_value, quote_values
from pathcost_lib.variation.patients import columns_in
from pathcost_lib.variation.screening import FALSE_DISCOVERY, state_differences
from pathcost_lib.variation.spc import RUN, xmr, xmr_many

__all__ = ["MonthlySignals", "monthly_signals"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MonthlySignals(Result):
    """Monthly series of an area's providers: `table` has one row per month (provider_code, pod, month, days, contacts,
    centre, lower, upper per day, special_cause, judged), `series` one per series (before_per_day, contacts in
    the year, change_pct, signal, months_beyond, since, p_value, q_value, sure), sure ones first, the largest change
    first, then the least probable; `chance` is the share of unchanged series that would show a signal; `left_out`
    counts contacts and series that are in none, by reason; `note` months without a contact that count as 0.
    """  # noqa: D205

    series: pd.DataFrame
    chance: float
    left_out: Mapping[str, int] = field(default_factory=dict)
    note: str = ""

    @property
    def summary(self) -> str:
        """How many series show a signal, and how many would by chance."""
        if self.series.empty:
            return "No monthly series is long and large enough for limits."
        return (
            f"{len(self.series)} monthly series; {int(self.series['signal'].sum())} show an unusual change in the "
            f"year; about {self.chance * len(self.series):.0f} would by chance alone."
        )


def monthly_signals(
    activity: Relation, providers: Collection[str], *, year: str, fewest: int = 20, draws: int = 400, seed: int = 1
) -> MonthlySignals:
    """Chart contacts a day by provider and point of delivery, month by month, and say which series changed in the year.

    Parameters
    ----------
    activity : Relation
        The table of the dataset.
    providers : collection of str
        Whose series.
    year : str
        Points of this financial year are judged by limits from the months before it, back to the April before.
    fewest : int
        Series with fewer contacts in an average month are left out: a normal scale does not fit them.
    draws, seed : int
        Unchanged series simulated (100 or more) to say how often chance alone gives a signal.

    Raises
    ------
    InputError
        If the year is not valid, no activity has a date, or a number is out of range.

    Notes
    -----
    Contacts a day, so that a short month is not a fall. A signal is a point of the year outside a limit, or one in a
    run of seven on one side of the centre; the rules for trends and for two of three add alarms without adding
    steps that these two miss. How sure is Welch's test of the year against the months before, with false discovery
    controlled over the series. `since` is the month of the year from which one step fits best, by least squares
    (Hinkley DV. Biometrika 1970; 57: 1-17), and `change_pct` the change from the same months a year before.
    """
    fewest = int(arguments.number(fewest, "fewest (contacts a month)", least=0, whole=True))
    draws = arguments.draw_count(draws)
    seed = int(arguments.number(seed, "seed", least=0, whole=True))
    first, last = financial_year_bounds(year)
    start = first.replace(year=first.year - 1)
    columns_in(activity, ["provider_code", "pod", "start_date"], what="activity")
    if activity.schema["start_date"].upper() != "DATE":
        raise InputError(f"start_date of the activity is {activity.schema['start_date']}. It must be a date.")
    extent = activity.require_extent()
    rows = [
        (m[1], (m[2] - m[1]).days + 1)
        for m in months(start, last)
        if m[1] >= extent.first_start and m[2] <= extent.last_start
    ]
    calendar = pd.DataFrame(rows, columns=["month", "days"])
    baseline = int((calendar["month"] < first).sum())
    listed = quote_values(sorted(arguments.as_list(providers)))
    counted = activity.query(
        "SELECT provider_code, pod, year(start_date) AS y, month(start_date) AS m, count(*) AS contacts "
        f"FROM this WHERE (provider_code IN ({listed}) OR provider_code IS NULL) "
        f"AND (start_date BETWEEN {quote_value(start)} AND {quote_value(last)} OR start_date IS NULL) "
        "GROUP BY provider_code, pod, year(start_date), month(start_date)"
    ).to_pandas()
    left_out, counted = _placed(counted)
    counted["month"] = [d.date() for d in pd.to_datetime({"year": counted["y"], "month": counted["m"], "day": 1})]
    keys = ["provider_code", "pod"]
    size = counted[counted["month"].isin(set(calendar["month"]))].groupby(keys)["contacts"].sum() / max(
        len(calendar), 1
    )
    large = size[size >= fewest].reset_index()[keys]
    small = len(size) - len(large)
    left_out |= {f"series with fewer than {fewest} contacts a month": small} if small else {}
    if baseline < RUN or len(calendar) - baseline < 1 or large.empty:
        note = (
            f"There are {baseline} months before {year} and {len(calendar) - baseline} of it; {RUN} and 1 are needed."
        )
        points, none_judged = (pd.DataFrame(columns=[*keys, *columns]) for columns in (_POINT, _SERIES))
        return MonthlySignals(points, none_judged, np.nan, left_out, "" if large.empty else note)
    grid = large.merge(calendar, how="cross").merge(
        counted[[*keys, "month", "contacts"]], on=[*keys, "month"], how="left"
    )
    none = int(grid["contacts"].isna().sum())
    note = f"{none} month(s) of a series have no contact in the data and count as 0." if none else ""
    grid["contacts"] = grid["contacts"].fillna(0)
    grid["per_day"] = grid["contacts"] / grid["days"]
    charts = xmr_many(grid, by=keys, period="month", value="per_day", baseline=baseline).table
    table = grid.merge(charts.rename(columns={"period": "month"}), on=[*keys, "month"])
    table["judged"] = table["month"] >= first
    table["special_cause"] = table["rule"].str.contains("outside|one side") & table["judged"]
    series = pd.DataFrame([_series(points) for _, points in table.groupby(keys, sort=False)])
    stated = state_differences(series, keys=keys, p_value="p_value", false_discovery=FALSE_DISCOVERY).table
    series["q_value"], series["sure"] = stated["q_value"], series["signal"] & stated["stated"]
    series["place"] = series["p_value"].where(~series["sure"], -series["change_pct"].abs())
    order = ["sure", "signal", "place"]
    series = series.sort_values(order, ascending=[False, False, True], ignore_index=True).drop(columns="place")
    chance = _chance(len(calendar), baseline, draws, seed)
    return MonthlySignals(table[[*keys, *_POINT]], series, chance, left_out, note)


def _placed(counted: pd.DataFrame) -> tuple[dict[str, int], pd.DataFrame]:
    """Return how many contacts lack a provider, a point of delivery or a date, and the counts of the others."""
    left_out, keep = {}, np.ones(len(counted), dtype=bool)
    for column, name in (("provider_code", "provider_code"), ("pod", "pod"), ("y", "start_date")):
        lacking = keep & counted[column].isna().to_numpy()
        if lacking.any():
            left_out[f"contacts without {name}"] = int(counted.loc[lacking, "contacts"].sum())
        keep &= ~lacking
    return left_out, counted[keep].copy()


_POINT = ["month", "days", "contacts", "centre", "lower", "upper", "special_cause", "judged"]
_SERIES = ["before_per_day", "contacts", "change_pct", "signal", "months_beyond", "since", "p_value", "q_value", "sure"]


def _series(points: pd.DataFrame) -> dict[str, object]:
    judged, a_day = points["judged"].to_numpy(), points["per_day"].to_numpy()
    signal = bool(points["special_cause"].any())
    # Where one step fits best: the largest sum of squares between before and after.
    steps = np.flatnonzero(judged)
    means = np.array([[a_day[:k].mean(), a_day[k:].mean()] for k in steps])
    best = int(np.argmax(steps * (len(a_day) - steps) * (means[:, 1] - means[:, 0]) ** 2))
    start = int(steps[best if signal else 0])
    # Against the same months a year before, so that winter is not a step.
    before, after = float(a_day[max(start - 12, 0) : max(len(a_day) - 12, 1)].mean()), float(a_day[start:].mean())
    return {
        "provider_code": points["provider_code"].iloc[0],
        "pod": points["pod"].iloc[0],
        "before_per_day": before,
        "contacts": int(points.loc[judged, "contacts"].sum()),
        "change_pct": 100 * (after / before - 1) if before else np.nan,
        "signal": signal,
        "months_beyond": int(points["special_cause"].sum()),
        "since": points["month"].iloc[steps[best]] if signal else None,
        "p_value": _welch(a_day[judged], a_day[~judged]),
    }


def _welch(judged: Array, before: Array) -> float:
    """Return how probable so different a mean is by chance (two-sided; Welch 1947); 1 where nothing can be said."""
    sizes = len(judged), len(before)
    if min(sizes) < 2 or (np.ptp(judged) == 0 and np.ptp(before) == 0):
        return float(min(sizes) < 2 or judged[0] == before[0])
    own, other = ((part.mean(), part.std(ddof=1), len(part)) for part in (judged, before))
    return float(stats.ttest_ind_from_stats(*own, *other, equal_var=False).pvalue)


def _chance(points: int, baseline: int, draws: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    rules = (xmr(rng.standard_normal(points), baseline=baseline).table["rule"].iloc[baseline:] for _ in range(draws))
    return float(np.mean([rule.str.contains("outside|one side").any() for rule in rules]))
