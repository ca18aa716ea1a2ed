"""How much of the activity that a population would be expected to have is in the data, and what the rest might cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pathcost_lib import paths
from pathcost_lib.codes import financial_year_bounds, months
from pathcost_lib.errors import InputError
from pathcost_lib.sources.engine import Relation
from pathcost_lib.sources.held import MonthsHeld, months_held

__all__ = ["coverage", "coverage_bounds", "coverage_by_month"]

_SQL = Path(__file__).with_name("coverage.sql")
_NO_RATE = "no national rate or no population for this ICB and setting"


def coverage(
    activity: Relation,
    population: Relation | pd.DataFrame,
    *,
    year: str,
    rates: pd.DataFrame | None = None,
    months: MonthsHeld | None = None,
) -> pd.DataFrame:
    """Compare activity held with activity expected from national rates by age and sex.

    Parameters
    ----------
    activity : Relation
        Activity or ledger.
    population : Relation or DataFrame
        icb_code, year, age, sex, variant, persons; the mid-year that the financial year starts in is used.
    year : str
        Financial year.
    rates : DataFrame, optional
        setting, pod, age_from, age_to, sex ("all" for both), contacts_per_head_per_year; the national ones of
        `data/reference/contacts_per_head.csv` if not given.
    months : MonthsHeld, optional
        Months of the year that the data hold; those of `activity` if not given. Of part of a year only the months from
        the first to the last of them are expected, by their days; a month without activity between them is missing.

    Returns
    -------
    DataFrame
        One row per ICB and setting: held and expected (units of the setting's points of delivery), coverage_pct, and
        the reason where it cannot be computed. Indirect standardisation: expected = sum over age and sex of persons
        times the national rate; need beyond age and sex is not allowed for, and moves it by some per cent either way.

    Raises
    ------
    InputError
        If the population does not hold the year.
    """
    cells = _run(activity, population, year, rates, "by_icb", extent=months)
    table = cells.groupby(["icb_code", "setting"], as_index=False).agg(
        held=("held", "sum"), expected=("expected", lambda x: x.sum(min_count=1))
    )
    known = table["expected"] > 0
    table["coverage_pct"] = np.where(known, 100 * table["held"] / table["expected"].where(known), np.nan)
    table["reason"] = np.where(known, "", _NO_RATE)
    return table


def coverage_by_month(
    activity: Relation,
    population: Relation | pd.DataFrame,
    *,
    year: str,
    rates: pd.DataFrame | None = None,
    months: MonthsHeld | None = None,
) -> pd.DataFrame:
    """Compare held and expected activity by provider, setting and month: where a month is missing or thin.

    A provider is expected to have its own share, over the year, of what its ICBs' people would have in the month, by
    days. This finds months that are missing; a provider that records too little all year shows in `coverage` of its
    ICB instead, because no one publishes whom a provider ought to see.

    Parameters
    ----------
    activity, population, year, rates, held
        As in `coverage`.

    Returns
    -------
    DataFrame
        provider_code, setting, month ("2024-04"), held, expected, coverage_pct; months from the first to the last that
        the activity holds.

    Raises
    ------
    InputError
        If the population does not hold the year.
    """
    return _run(activity, population, year, rates, "by_month", extent=months)


def coverage_bounds(
    ledger: Relation,
    population: Relation | pd.DataFrame,
    *,
    year: str,
    rates: pd.DataFrame | None = None,
    months: MonthsHeld | None = None,
) -> pd.DataFrame:
    """Bound what activity that is missing, or held without a cost, would add to each ICB's cost.

    Missing units are those expected less those held (none where more are held), by point of delivery. Each missing or
    uncosted unit is costed at the mean cost of its point of delivery over all ICBs, and, for the bounds, at
    the lowest and the highest ICB's mean.

    Parameters
    ----------
    ledger : Relation
        From `cost_activity`.
    population, year, rates, held
        As in `coverage`.

    Returns
    -------
    DataFrame
        One row per ICB and setting: held_units, coverage_pct (of the points of delivery that have a rate), cost_gbp
        (held and costed), missing_units, uncosted_units, added_gbp, added_lower_gbp, added_upper_gbp, and the reason
        where a point of delivery has no rate or no cost anywhere. Without a population for the year what is missing
        cannot be known, only what is held without a cost.
    """
    cells = _run(ledger, population, year, rates, "by_icb", needed=False, extent=months)
    own = cells["cost_pence"] / 100 / cells["costed"].where(cells["costed"] > 0)
    pods = (
        cells.assign(own=own)
        .groupby("pod")
        .agg(cost=("cost_pence", "sum"), units=("costed", "sum"), low=("own", "min"), high=("own", "max"))
    )
    pods["mean"] = pods["cost"] / 100 / pods["units"].where(pods["units"] > 0)
    cells = cells.merge(pods[["mean", "low", "high"]], left_on="pod", right_index=True)
    cells["missing_units"] = (cells["expected"] - cells["held"]).clip(lower=0)
    cells["uncosted_units"] = cells["held"] - cells["costed"]
    add = cells["missing_units"].fillna(0) + cells["uncosted_units"]
    for name, price in (("added_gbp", "mean"), ("added_lower_gbp", "low"), ("added_upper_gbp", "high")):
        cells[name] = np.where(add > 0, add * cells[price], 0.0)
    unknown = cells["expected"].isna() | ((add > 0) & cells["mean"].isna())
    cells["reason"] = cells["pod"].where(unknown)
    cells["cost_gbp"] = cells["cost_pence"] / 100
    cells["held_units"], cells["rated"] = cells["held"], cells["held"].where(cells["expected"].notna())
    summed = ["held_units", "cost_gbp", "missing_units", "uncosted_units"]
    summed += ["added_gbp", "added_lower_gbp", "added_upper_gbp", "rated", "expected"]
    table = cells.groupby(["icb_code", "setting"], as_index=False)[summed].sum()
    expected = table.pop("expected")
    table.insert(3, "coverage_pct", 100 * table.pop("rated") / expected.where(expected > 0))
    pods_without = cells.dropna(subset="reason").groupby(["icb_code", "setting"])["reason"].agg(", ".join)
    why = ("no rate or no cost for " + pods_without).rename("reason").reset_index()
    return table.merge(why, how="left", on=["icb_code", "setting"]).fillna({"reason": ""})


def _run(
    activity: Relation,
    population: Relation | pd.DataFrame,
    year: str,
    rates: pd.DataFrame | None,
    step: str,
    *,
    needed: bool = True,
    extent: MonthsHeld | None = None,
) -> pd.DataFrame:
    first, last = financial_year_bounds(year)
    # Of part of a year only the months held are expected: the rest is to come, and is not missing.
    there = (extent or months_held(activity, year)).months
    span = (there[0].start_time.date(), there[-1].end_time.date()) if there else (first, last)
    if "cost_pence" not in activity.columns:
        activity = activity.query("SELECT *, CAST(NULL AS BIGINT) AS cost_pence FROM this")
    table = pd.DataFrame(months(*span), columns=["month", "first_day", "last_day"])
    days = [(t - f).days + 1 for _, f, t in months(*span)]
    table["share_of_span"] = [count / sum(days) for count in days]
    inputs = {
        "activity": activity,
        "population": population,
        "rates": pd.read_csv(paths.reference() / "contacts_per_head.csv") if rates is None else rates,
        "months": table,
        "settings": pd.DataFrame({"year": [first.year], "share_of_year": [sum(days) / ((last - first).days + 1)]}),
    }
    steps = activity.engine.run(_SQL, inputs)
    if needed and steps["expected"].count() == 0:
        raise InputError(f"The population table holds no persons for {first.year} (variant principal): no coverage.")
    return steps[step].to_pandas()
