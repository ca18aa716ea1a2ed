"""Patient-level outliers within a currency, and what drives a cost, without showing anyone: rows stay in the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from pathcost_lib import arguments
from pathcost_lib.errors import InputError
from pathcost_lib.results import Result
from pathcost_lib.sources import Relation, connect
from pathcost_lib.sources.quoting import quote_name

__all__ = ["CostDrivers", "OutlierResult", "TrimPoints", "cost_drivers", "robust_outliers", "trim_points"]

#: Fewest cases on which quartiles, or a median deviation, are worth having.
FEWEST = 5
#: Types of the engine that hold numbers.
_NUMBERS = ("INT", "FLOAT", "DOUBLE", "REAL", "DECIMAL")


@dataclass(frozen=True, eq=False)
class TrimPoints(Result):
    """Trim points.

    `table` has group, cases, lower_quartile_days, upper_quartile_days, trim_point_days, long_stays, excess_days,
    reason; `left_out` counts stays that belong to no group or have no length, by reason.
    """

    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """How many stays are beyond their trim point."""
        return _left_out(self.left_out) + (
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
    left_out : mapping of str to int
        Rows that were not judged, by reason.
    """

    rows: Relation
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """How many cases are outliers."""
        high, low = int(self.table["high_outliers"].sum()), int(self.table["low_outliers"].sum())
        cases = int(self.table["cases"].sum())
        left = _left_out(self.left_out)
        return f"{left}{cases:,} cases in {len(self.table):,} groups: {high:,} unusually high, {low:,} unusually low."


@dataclass(frozen=True, eq=False)
class CostDrivers(Result):
    """Where a unit's mean cost differs from the others', the largest part first.

    `table` has the cells, mean_gbp, others_gbp, difference_gbp, share; differences add up to the whole. `note` says how
    many cells were not there and count as £0.
    """

    unit: str
    note: str = ""

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
        If a column is missing or not a number, a length is negative, or lengths and codes differ in number.

    Notes
    -----
    NHS England, National Tariff and National Cost Collection guidance. Quartiles interpolate between neighbours (R's
    type 7). Under 5 stays there is no trim point. The engine counts stays by length, so that no row leaves it.
    """
    if not isinstance(los, (Relation, pd.DataFrame)):
        los, by, length = _stays(los, by), "code", "days"
    if not isinstance(by, str):
        raise InputError("Trim points: where stays are a table, `by` is the name of its column of currencies.")
    relation = _relation(los, [by, length], number=length)
    tally = relation.query(
        f"SELECT grp, CASE WHEN days * 0 = 0 THEN days END AS days, CAST(count(*) AS BIGINT) AS stays FROM (SELECT "
        f"CAST({quote_name(by)} AS VARCHAR) AS grp, CAST({quote_name(length)} AS DOUBLE) AS days FROM this) AS plain "
        "GROUP BY 1, 2 ORDER BY 1, 2"
    ).to_pandas()
    if (tally["days"] < 0).any():
        raise InputError(
            f"Trim points: {int(tally.loc[tally['days'] < 0, 'stays'].sum())} rows of {length} are negative."
        )
    nowhere, unknown = tally["grp"].isna(), tally["days"].isna()
    left_out = {
        f"no {by}": int(tally.loc[nowhere, "stays"].sum()),
        f"no {length}": int(tally.loc[~nowhere & unknown, "stays"].sum()),
    }
    kept = tally[~nowhere & ~unknown]
    if kept.empty:
        raise InputError(f"Trim points: no row has both {by} and {length}.")
    table = pd.DataFrame([_trim(str(code), part) for code, part in kept.groupby("grp")])
    return TrimPoints(table, {reason: rows for reason, rows in left_out.items() if rows})


def _stays(los: ArrayLike, by: str | ArrayLike) -> pd.DataFrame:
    """Return lengths and codes given as arrays as a table."""
    if np.ndim(los) != 1:
        raise InputError("Trim points: give a table of stays, or a list of lengths in days.")
    try:
        days = np.asarray(los, dtype=float)
    except (TypeError, ValueError):
        raise InputError("Trim points: lengths of stay must be numbers; there is text among them.") from None
    codes = np.full(len(days), "all") if isinstance(by, str) else np.asarray(by, dtype=object)
    if len(codes) != len(days):
        raise InputError(f"Trim points: there are {len(days)} lengths and {len(codes)} codes.")
    return pd.DataFrame({"code": codes, "days": days})


def robust_outliers(
    table: Relation | pd.DataFrame, *, value: str = "cost_pence", by: str = "currency_code", threshold: float = 3.5
) -> OutlierResult:
    """Find cases far from the median of their group, on the log scale, by the median absolute deviation.

    Parameters
    ----------
    table : Relation or DataFrame
        One row per case.
    value, by : str
        Columns of the amount and of the group. Rows whose amount is 0 or less or missing, or whose group is missing,
        are not judged and counted in `left_out`.
    threshold : float
        Modified z-score beyond which a case is an outlier: 0.6745 (log x - median)/MAD.

    Notes
    -----
    Iglewicz B, Hoaglin DC. How to detect and handle outliers. 1993 (3.5). Costs are skewed, hence the log. Where more
    than half of a group cost the same the deviation is 0 and there are no fences.
    """
    threshold = arguments.number(threshold, "Robust outliers: threshold (modified z-score)", above=0.0)
    relation = _relation(table, [value, by], number=value)
    named = relation.query(
        f"SELECT *, CAST({quote_name(by)} AS VARCHAR) AS outlier_group, "
        f"CAST({quote_name(value)} AS DOUBLE) AS outlier_value FROM this"
    )
    counted = named.query(
        "SELECT CAST(sum(CASE WHEN outlier_group IS NULL THEN 1 ELSE 0 END) AS BIGINT) AS nowhere, "
        "CAST(sum(CASE WHEN outlier_group IS NOT NULL AND outlier_value <= 0 THEN 1 ELSE 0 END) AS BIGINT) AS nothing, "
        "CAST(sum(CASE WHEN outlier_group IS NOT NULL AND (outlier_value * 0 = 0) IS NOT TRUE THEN 1 ELSE 0 END) "
        "AS BIGINT) AS unknown FROM this"
    ).to_pandas()
    reasons = {"nowhere": f"no {by}", "nothing": f"{value} of 0 or less", "unknown": f"no {value}"}
    left_out = {reason: int(counted[column][0]) for column, reason in reasons.items() if counted[column][0] > 0}
    settings = pd.DataFrame({"threshold": [threshold], "fewest": [FEWEST]})
    steps = named.engine.run(Path(__file__).with_name("outliers.sql"), {"cases": named, "settings": settings})
    summary = steps["outlier_summary"].to_pandas().sort_values("group", ignore_index=True)
    few = f"fewer than {FEWEST} cases"
    summary["reason"] = np.where(
        summary["upper_fence"].notna(),
        None,
        np.where(summary["cases"] < FEWEST, few, "more than half are equal"),  # type: ignore[call-overload]
    )
    return OutlierResult(summary, steps["outlier_rows"], left_out)


def cost_drivers(
    summary: pd.DataFrame, *, unit_column: str, unit: str, by: Sequence[str] = ("phase", "setting")
) -> CostDrivers:
    """Split the difference between a unit's mean cost a pathway and the others' into cells that add up to it.

    Parameters
    ----------
    summary : DataFrame
        As `pathways.summarise` gives: `unit_column`, the columns of `by`, `mean_gbp` and `pathways`, each cell of a
        unit in one row. A cell that is not there is £0, and `note` counts them; a cost that is missing is not £0 and is
        refused.
    unit_column, unit : str
        Which unit to explain, such as "icb_code" and "QHL".
    by : str or sequence of str
        Columns of the cells.

    Raises
    ------
    InputError
        If a column is missing, a unit or cell is missing or comes twice, a cost or a number of pathways is missing,
        negative or text, or the unit is not there or the only one.
    """
    cells = arguments.as_list(by)
    keys = [unit_column, *cells]
    arguments.require_columns(summary, [*keys, "mean_gbp", "pathways"], what="costs of the cells")
    for column in keys:
        arguments.refuse(summary, summary[column].isna().to_numpy(), [], f"Cost drivers: {column} must be known")
    arguments.require_unique(summary, keys, what="costs of the cells")
    summary = summary.assign(
        mean_gbp=arguments.numbers(summary, "mean_gbp", keys),
        pathways=arguments.numbers(summary, "pathways", keys, above=0.0),
    )
    size = summary.groupby(unit_column)["pathways"].max()
    if unit not in size.index or len(size) < 2:
        raise InputError(
            f"Cost drivers: {unit_column} {unit!r} is not among the {len(size)} units, or is the only one."
        )
    wide = summary.pivot_table(index=cells, columns=unit_column, values="mean_gbp", aggfunc="sum")
    absent = int(wide.isna().to_numpy().sum())
    note = f"{absent} cell(s) of a unit are not in the table and count as £0." if absent else ""
    wide = wide.fillna(0.0)
    others = [c for c in wide.columns if c != unit]
    table = pd.DataFrame({"mean_gbp": wide[unit], "others_gbp": np.average(wide[others], axis=1, weights=size[others])})
    table["difference_gbp"] = table["mean_gbp"] - table["others_gbp"]
    total = table["difference_gbp"].sum()
    table["share"] = table["difference_gbp"] / total if total else np.nan
    order = table["difference_gbp"].abs().sort_values(ascending=False, kind="stable").index
    return CostDrivers(table.loc[order].reset_index(), unit, note)


def _relation(table: Relation | pd.DataFrame, needed: list[str], *, number: str) -> Relation:
    """Return the rows in an engine, their columns there and `number` a number."""
    if not isinstance(table, Relation):
        arguments.table(table, what="rows of cases")
    columns_in(table, needed, what="table")
    if isinstance(table, pd.DataFrame):
        arguments.require_columns(table, needed, what="rows of cases")
        with arguments.explain_failure("The table of cases", library="Arrow"):
            table = connect(files=()).register("cases", table)
    kind = table.schema[number].upper()
    if not any(name in kind for name in _NUMBERS):
        raise InputError(f"Column {number} is {kind}. It must be a number.")
    return table


def columns_in(table: Relation | pd.DataFrame, needed: list[str], *, what: str) -> None:
    """Raise `InputError` if a table, in memory or in an engine, lacks a column."""
    missing = [c for c in needed if c not in table.columns]
    if missing:
        raise InputError(
            f"The {what} has no column {', '.join(missing)}. Columns: {', '.join(map(str, table.columns))}."
        )


def _left_out(left_out: Mapping[str, int]) -> str:
    """Say how many rows were left out and why, before what a summary says of the others."""
    return "".join(f"{rows:,} rows left out: {reason}. " for reason, rows in left_out.items())


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
