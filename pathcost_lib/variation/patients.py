"""Patient-level outliers within a currency, and what drives a cost, without showing anyone: rows stay in the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from pathcost_lib.errors import InputError
from pathcost_lib.results import Result
from pathcost_lib.sources import Relation, connect
from pathcost_lib.sources.quoting import quote_name

__all__ = ["CostDrivers", "OutlierResult", "TrimPoints", "cost_drivers", "robust_outliers", "trim_points"]

#: Fewest cases on which quartiles, or a median deviation, are worth having.
FEWEST = 5


@dataclass(frozen=True, eq=False)
class TrimPoints(Result):
    """Trim points.

    `table` has group, cases, lower_quartile_days, upper_quartile_days, trim_point_days, long_stays, excess_days,
    reason.
    """

    @property
    def summary(self) -> str:
        """How many stays are beyond their trim point."""
        return (
            f"{int(self.table['cases'].sum()):,} stays in {len(self.table):,} currencies; "
            f"{int(self.table['long_stays'].sum()):,} are beyond the trim point, by "
            f"{self.table['excess_days'].sum():,.0f} days in all."
        )


@dataclass(frozen=True, eq=False)
class OutlierResult(Result):
    """Robust outliers by group.

    Attributes
    ----------
    table : DataFrame
        One row per group: group, cases, median, lower_fence, upper_fence, low_outliers, high_outliers, excess (sum
        above the upper fence), all in the value's units; reason (where there are no fences).
    rows : Relation
        The outlying rows with all their columns, the group's `outlier_centre` and `outlier_reach` (log scale) and
        `robust_z`: patients, so they stay in the engine.
    """

    rows: Relation

    @property
    def summary(self) -> str:
        """How many cases are outliers."""
        high, low = int(self.table["high_outliers"].sum()), int(self.table["low_outliers"].sum())
        cases = int(self.table["cases"].sum())
        return f"{cases:,} cases in {len(self.table):,} groups: {high:,} unusually high, {low:,} unusually low."


@dataclass(frozen=True, eq=False)
class CostDrivers(Result):
    """Where a unit's mean cost differs from the others', the largest part first.

    `table` has the cells, mean_gbp, others_gbp, difference_gbp, share; differences add up to the whole.
    """

    unit: str

    @property
    def summary(self) -> str:
        """The total difference and its largest part."""
        total, top = self.table["difference_gbp"].sum(), self.table.iloc[0]
        cell = ", ".join(str(top[c]) for c in list(self.table.columns)[:-4])
        largest = f"{cell} (£{top['difference_gbp']:,.0f})"
        return f"{self.unit} differs by £{total:,.0f} a pathway from the others; the largest part is {largest}."


def trim_points(
    los: Relation | pd.DataFrame | ArrayLike,
    *,
    by: str | ArrayLike = "currency_code",
    length: str = "length_of_stay_days",
) -> TrimPoints:
    """Return each currency's trim point: the upper quartile plus 1.5 interquartile ranges of length of stay.

    Parameters
    ----------
    los : Relation, DataFrame, or array-like of days
        Rows of stays, or the lengths themselves.
    by : str or array-like
        Column of the currency (where `los` is a table), or the codes themselves. With lengths and no codes, all are one
        group "all".
    length : str
        Column of whole days, where `los` is a table. Missing lengths are left out.

    Raises
    ------
    InputError
        If a column is missing, or a length is negative.

    Notes
    -----
    NHS England, National Tariff and National Cost Collection guidance. Quartiles interpolate between neighbours (R's
    type 7). Under 5 stays there is no trim point. The engine counts stays by length, so that no row leaves it.
    """
    if not isinstance(los, (Relation, pd.DataFrame)):
        days = np.asarray(los, dtype=float)
        codes = np.full(len(days), "all") if isinstance(by, str) else np.asarray(by)
        los, by, length = pd.DataFrame({"code": codes, "days": days}), "code", "days"
    relation = _relation(los, [str(by), length])
    tally = relation.query(
        "SELECT grp, days, CAST(count(*) AS BIGINT) AS stays "
        f"FROM (SELECT CAST({quote_name(str(by))} AS VARCHAR) AS grp, "
        f"CAST({quote_name(length)} AS DOUBLE) AS days FROM this) AS plain WHERE days * 0 = 0 "
        "GROUP BY grp, days ORDER BY grp, days"
    ).to_pandas()
    if (tally["days"] < 0).any():
        raise InputError(
            f"Trim points: {int(tally.loc[tally['days'] < 0, 'stays'].sum())} rows of {length} are negative."
        )
    return TrimPoints(pd.DataFrame([_trim(str(code), part) for code, part in tally.groupby("grp", dropna=False)]))


def robust_outliers(
    table: Relation | pd.DataFrame, *, value: str = "cost_pence", by: str = "currency_code", threshold: float = 3.5
) -> OutlierResult:
    """Find cases far from the median of their group, on the log scale, by the median absolute deviation.

    Parameters
    ----------
    table : Relation or DataFrame
        One row per case.
    value, by : str
        Columns of the amount and of the group. Amounts of 0 or less, and missing ones, are not judged.
    threshold : float
        Modified z-score beyond which a case is an outlier: 0.6745 (log x - median)/MAD.

    Notes
    -----
    Iglewicz B, Hoaglin DC. How to detect and handle outliers. 1993 (3.5). Costs are skewed, hence the log. Where more
    than half of a group cost the same the deviation is 0 and there are no fences.
    """
    relation = _relation(table, [value, by])
    named = relation.query(
        f"SELECT *, CAST({quote_name(by)} AS VARCHAR) AS outlier_group, "
        f"CAST({quote_name(value)} AS DOUBLE) AS outlier_value FROM this"
    )
    settings = pd.DataFrame({"threshold": [float(threshold)], "fewest": [FEWEST]})
    steps = named.engine.run(Path(__file__).with_name("outliers.sql"), {"cases": named, "settings": settings})
    summary = steps["outlier_summary"].to_pandas().sort_values("group", ignore_index=True)
    few = f"fewer than {FEWEST} cases"
    summary["reason"] = np.where(
        summary["upper_fence"].notna(),
        None,
        np.where(summary["cases"] < FEWEST, few, "more than half are equal"),  # type: ignore[call-overload]
    )
    return OutlierResult(summary, steps["outlier_rows"])


def cost_drivers(
    summary: pd.DataFrame, *, unit_column: str, unit: str, by: Sequence[str] = ("phase", "setting")
) -> CostDrivers:
    """Split the difference between a unit's mean cost a pathway and the others' into cells that add up to it.

    Parameters
    ----------
    summary : DataFrame
        As `pathways.summarise` gives: `unit_column`, the columns of `by`, `mean_gbp` and `pathways`. A cell that is not
        there is £0.
    unit_column, unit : str
        Which unit to explain, such as "icb_code" and "QHL".
    by : sequence of str
        Columns of the cells.
    """
    cells = list(by)
    missing = [c for c in (unit_column, *cells, "mean_gbp", "pathways") if c not in summary.columns]
    if missing:
        raise InputError(f"Cost drivers: the table has no column {', '.join(missing)}.")
    size = summary.groupby(unit_column)["pathways"].max()
    if unit not in size.index or len(size) < 2:
        raise InputError(
            f"Cost drivers: {unit_column} {unit!r} is not among the {len(size)} units, or is the only one."
        )
    wide = summary.pivot_table(index=cells, columns=unit_column, values="mean_gbp", aggfunc="sum", fill_value=0.0)
    others = [c for c in wide.columns if c != unit]
    table = pd.DataFrame({"mean_gbp": wide[unit], "others_gbp": np.average(wide[others], axis=1, weights=size[others])})
    table["difference_gbp"] = table["mean_gbp"] - table["others_gbp"]
    total = table["difference_gbp"].sum()
    table["share"] = table["difference_gbp"] / total if total else np.nan
    order = table["difference_gbp"].abs().sort_values(ascending=False, kind="stable").index
    return CostDrivers(table.loc[order].reset_index(), unit)


def _relation(table: Relation | pd.DataFrame, needed: list[str]) -> Relation:
    missing = [c for c in needed if c not in table.columns]
    if missing:
        raise InputError(f"The table has no column {', '.join(missing)}. It has {', '.join(map(str, table.columns))}.")
    return table if isinstance(table, Relation) else connect().register("cases", table)


def _trim(code: str, tally: pd.DataFrame) -> dict[str, object]:
    days, stays = tally["days"].to_numpy(), tally["stays"].to_numpy()
    cases = int(stays.sum())
    row: dict[str, object] = {"group": code, "cases": cases}
    if cases < FEWEST:
        empty = dict.fromkeys(("lower_quartile_days", "upper_quartile_days", "trim_point_days"), np.nan)
        return row | empty | {"long_stays": 0, "excess_days": 0.0, "reason": f"fewer than {FEWEST} stays"}
    low, high = (_quantile(days, stays, q) for q in (0.25, 0.75))
    point = high + 1.5 * (high - low)
    beyond = days > point
    return row | {
        "lower_quartile_days": low,
        "upper_quartile_days": high,
        "trim_point_days": point,
        "long_stays": int(stays[beyond].sum()),
        "excess_days": float(((days - point) * stays)[beyond].sum()),
        "reason": None,
    }


def _quantile(days: np.ndarray, stays: np.ndarray, share: float) -> float:
    place = share * (stays.sum() - 1)
    ends = np.cumsum(stays) - 1
    below, above = (days[np.searchsorted(ends, np.floor(place))], days[np.searchsorted(ends, np.ceil(place))])
    return float(below + (above - below) * (place - np.floor(place)))
