"""Time-driven activity-based costing: what a minute of each resource costs, and what of its capacity goes unused.

Source: Kaplan and Anderson, "Time-driven activity-based costing", Harvard Business Review, November 2004. Two estimates
a resource: the cost of the capacity supplied, and the practical capacity in minutes; their quotient is the capacity
cost rate. What is not used stays visible as unused capacity, and is not spread over the patients seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from pathcost_lib.errors import InputError
from pathcost_lib.results import Result

__all__ = ["PRACTICAL_SHARE", "TimeDrivenCost", "cost"]

#: Practical as a share of theoretical capacity for people (Kaplan and Anderson: 80 to 85 per cent).
PRACTICAL_SHARE = 0.80


@dataclass(frozen=True, eq=False)
class TimeDrivenCost(Result):
    """`table` one row a step and resource; `resources` one row a resource, its unused capacity included."""

    resources: pd.DataFrame

    @property
    def summary(self) -> str:
        """What was supplied, used and not used, in pounds."""
        r = self.resources
        supplied, unused = r["supplied_gbp"].sum(), r["unused_gbp"].sum()
        over = r.loc[r["unused_minutes"] < 0, "resource"]
        strained = f" Over practical capacity: {', '.join(over)}." if len(over) else ""
        return (
            f"Capacity supplied costs £{supplied:,.2f}; steps use £{supplied - unused:,.2f} of it, "
            f"£{unused:,.2f} ({100 * unused / supplied:.1f}%) is unused.{strained}"
        )


def cost(resources: pd.DataFrame, steps: pd.DataFrame) -> TimeDrivenCost:
    """Cost the steps of a process by the minutes that they take of each resource.

    Parameters
    ----------
    resources : DataFrame
        resource (staff group or equipment), supplied_gbp (cost of the capacity over the period), and either
        practical_minutes, or theoretical_minutes with an optional practical_share (0.80 if absent).
    steps : DataFrame
        step, resource, minutes (each time), volume (times in the period). A step may use several resources.

    Returns
    -------
    TimeDrivenCost
        `.table`: step, resource, minutes, volume, used_minutes, unit_cost_gbp (one time), cost_gbp.
        `.resources`: resource, supplied_gbp, practical_minutes, rate_gbp_per_minute, used_minutes, unused_minutes,
        unused_gbp, utilisation_pct. Cost of steps + unused = supplied, for each resource. Unused is negative where the
        steps need more than practical capacity.

    Raises
    ------
    InputError
        If a column is missing, a capacity is not above 0, minutes or volumes are negative, a resource is listed
        twice, or a step uses a resource that is not listed.
    """
    _need(resources, ["resource", "supplied_gbp"], "resources")
    _need(steps, ["step", "resource", "minutes", "volume"], "steps")
    supply = resources.copy()
    if "practical_minutes" not in supply:
        _need(supply, ["theoretical_minutes"], "resources (without practical_minutes)")
        share = supply.get("practical_share", PRACTICAL_SHARE)
        supply["practical_minutes"] = supply["theoretical_minutes"] * share
    _refuse(supply, supply["resource"].duplicated(), "is listed twice")
    _refuse(supply, ~(supply["practical_minutes"] > 0), "needs practical minutes above 0")
    _refuse(supply, ~(supply["supplied_gbp"] >= 0), "needs a cost of 0 or more")
    _refuse(steps, ~steps["resource"].isin(supply["resource"]), "is used by a step but not listed in resources")
    _refuse(steps, ~((steps["minutes"] >= 0) & (steps["volume"] >= 0)), "has a step with negative minutes or volume")
    supply["rate_gbp_per_minute"] = supply["supplied_gbp"] / supply["practical_minutes"]
    table = steps.merge(supply[["resource", "rate_gbp_per_minute"]], on="resource", validate="many_to_one")
    table["used_minutes"] = table["minutes"] * table["volume"]
    table["unit_cost_gbp"] = table["minutes"] * table["rate_gbp_per_minute"]
    table["cost_gbp"] = table["unit_cost_gbp"] * table["volume"]
    used = table.groupby("resource")["used_minutes"].sum()
    supply["used_minutes"] = supply["resource"].map(used).fillna(0.0)
    supply["unused_minutes"] = supply["practical_minutes"] - supply["used_minutes"]
    supply["unused_gbp"] = supply["unused_minutes"] * supply["rate_gbp_per_minute"]
    supply["utilisation_pct"] = 100 * supply["used_minutes"] / supply["practical_minutes"]
    return TimeDrivenCost(table.drop(columns="rate_gbp_per_minute"), supply)


def _need(frame: pd.DataFrame, columns: list[str], what: str) -> None:
    missing = [c for c in columns if c not in frame]
    if missing:
        raise InputError(f"{what}: column {', '.join(missing)} is missing. Held: {', '.join(frame.columns)}.")


def _refuse(frame: pd.DataFrame, wrong: pd.Series, why: str) -> None:
    if wrong.any():
        names = ", ".join(frame.loc[wrong, "resource"].astype(str).unique()[:5])
        raise InputError(f"Resource {names} {why}.")
