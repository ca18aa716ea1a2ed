"""From projected activity to pounds, beds and minutes, and the gap if nothing is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pathcost_lib.arguments import as_list, mapping_of_numbers, number, numbers, one_row_each, refuse
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.results import Result
from pathcost_lib.scenarios.demand import ACTIVITY_DRIVERS, Projection, exact
from pathcost_lib.scenarios.release import semi_fixed_released

__all__ = ["CostPath", "capacity", "cost_path", "do_nothing_gap"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CostPath(Result):
    """Cost by ICB x year x POD at the unit costs' price base.

    `.table` has icb_code, year, pod, base_gbp, one column a driver (with price_gbp), interaction_gbp and cost_gbp,
    their exact sum. `.not_costed` has the PODs left out, with the reason.
    """

    not_costed: pd.DataFrame
    scenario: str = ""

    @property
    def summary(self) -> str:
        """One sentence."""
        t = self.table
        first, last = (t.loc[t["year"] == y, "cost_gbp"].sum() for y in (t["year"].min(), t["year"].max()))
        left = ", ".join(self.not_costed["pod"])
        note = f" Not costed: {left}." if left else ""
        return f"Cost rises from £{first:,.0f} to £{last:,.0f} by {t['year'].max()}.{note}"


def cost_path(
    projection: Projection,
    unit_costs: pd.DataFrame,
    *,
    price_pct: float = 0.0,
    behaviour: str = "average",
    semi_fixed_step_pct: float = 5.0,
) -> CostPath:
    """Cost a projection.

    Parameters
    ----------
    projection : Projection
        From `project`.
    unit_costs : DataFrame
        pod, unit_cost_gbp and, for behaviour "steps", fixed_share, semi_fixed_share (the rest is variable); with
        icb_code, by ICB.
    price_pct : float
        Pay and price pressure above the price base, %/year.
    behaviour : str
        "average": in the long run every cost follows activity. "steps": within what is there, fixed cost stays and
        semi-fixed cost comes in steps of `semi_fixed_step_pct` % of an ICB's activity in a POD.

    Raises
    ------
    InputError
        If a column is missing, unit costs repeat a key or are below 0, shares are not between 0 and 1 or add to more
        than 1, or a percentage is out of range. A POD without a unit cost is left out and named in `not_costed`.
    """
    require_one_of(behaviour, ("average", "steps"), what="Behaviour")
    keys = ["icb_code", "pod"] if "icb_code" in unit_costs.columns else ["pod"]
    needed = [*keys, "unit_cost_gbp", *(["fixed_share", "semi_fixed_share"] if behaviour == "steps" else [])]
    one_row_each(unit_costs, keys, needed[len(keys) :], what="unit_costs")
    number(price_pct, "price_pct (% a year)", above=-100)
    number(semi_fixed_step_pct, "semi_fixed_step_pct (% of activity)", least=0.01, most=100)
    known = unit_costs[unit_costs["unit_cost_gbp"].notna()]
    for column in needed[len(keys) :]:
        known = known.assign(**{column: numbers(known, column, keys)})
    if behaviour == "steps":
        fixed_part = (known["fixed_share"] + known["semi_fixed_share"]).to_numpy()
        refuse(known, fixed_part > 1 + 1e-9, keys, "fixed_share and semi_fixed_share must not add to more than 1")
    activity = projection.table.merge(known[needed], on=keys, how="left", validate="many_to_one")
    unknown = activity["unit_cost_gbp"].isna()
    pods = activity.loc[unknown, ["pod"]].drop_duplicates().sort_values("pod", ignore_index=True)
    pods["reason"] = "no unit cost"
    activity = activity[~unknown].reset_index(drop=True)

    def cost(level: pd.Series) -> FloatArray:
        base, unit = activity["base_activity"].to_numpy(float), activity["unit_cost_gbp"].to_numpy(float)
        if behaviour == "average":
            return level.to_numpy(float) * unit
        ratio = np.divide(level.to_numpy(float), base, out=np.ones_like(base), where=base > 0)
        fixed, semi = (activity[c].to_numpy(float) for c in ("fixed_share", "semi_fixed_share"))
        released = semi_fixed_released(1 - ratio, semi * base * unit, 100 / semi_fixed_step_pct)
        return base * unit * (fixed + semi + (1 - fixed - semi) * ratio) - released

    after = activity["year"].to_numpy(int) - projection.base_year
    price = (1 + price_pct / 100) ** after
    # A grid of 2 ** -10 pounds keeps sums exact up to 8 million million pounds.
    base = exact(cost(activity["base_activity"]), 10)
    total = exact(cost(activity["activity"]) * price, 10)
    table = activity[["icb_code", "year", "pod"]].copy()
    table["base_gbp"] = base
    for name in ACTIVITY_DRIVERS:
        table[f"{name}_gbp"] = exact(cost(activity["base_activity"] + activity[f"{name}_activity"]), 10) - base
    table["price_gbp"] = exact(base * price, 10) - base
    drivers = [f"{name}_gbp" for name in (*ACTIVITY_DRIVERS, "price")]
    table["interaction_gbp"] = total - base - table[drivers].sum(axis=1)
    table["cost_gbp"] = total
    return CostPath(table, pods, projection.scenario)


def capacity(activity: pd.DataFrame, requirements: pd.DataFrame, *, occupancy_pct: float = 92.0) -> pd.DataFrame:
    """Return what activity needs: contacts, beds and staff hours.

    Parameters
    ----------
    activity : DataFrame
        pod, activity, and any keys (icb_code, year).
    requirements : DataFrame
        pod, bed_days_per_unit, staff_minutes_per_unit.
    occupancy_pct : float
        Planned bed occupancy, % (92 % is the ceiling of NHS England's urgent and emergency care plan, January 2023).

    Returns
    -------
    DataFrame
        `activity` with beds (mean daily occupied beds over the planned occupancy) and staff_hours; PODs without a
        requirement have NaN and a reason.

    Raises
    ------
    InputError
        If a column is missing, rows repeat, activity is no number or below 0, or the occupancy is not a per cent.
    """
    needs = ["bed_days_per_unit", "staff_minutes_per_unit"]
    keys = [c for c in activity.columns if c != "activity"] if isinstance(activity, pd.DataFrame) else []
    one_row_each(activity, keys or ["pod"], ["pod", "activity"], what="activity to be served")
    one_row_each(requirements, ["pod"], needs, what="requirements")
    number(occupancy_pct, "occupancy_pct (per cent: 92, not 0.92)", above=1, most=100)
    for column in needs:
        given = requirements[requirements[column].notna()]
        numbers(given, column, ["pod"])
    activity = activity.assign(activity=numbers(activity, "activity", keys))
    requirements = requirements.astype(dict.fromkeys(needs, float))[["pod", *needs]]
    table = activity.merge(requirements, on="pod", how="left", validate="many_to_one")
    table["beds"] = table["activity"] * table["bed_days_per_unit"] / 365.25 / (occupancy_pct / 100)
    table["staff_hours"] = table["activity"] * table["staff_minutes_per_unit"] / 60
    unknown = table[["beds", "staff_hours"]].isna().any(axis=1)
    table["reason"] = np.where(unknown, "no bed days or staff minutes stated for this POD", "")
    return table.drop(columns=["bed_days_per_unit", "staff_minutes_per_unit"])


def do_nothing_gap(
    path: CostPath,
    *,
    allocation_growth_pct: float,
    efficiency_pct: float = 0.0,
    scopes: Mapping[str, Sequence[str]] | None = None,
    base_gap_gbp: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Set the cost path against the allocation path, year by year: the gap if nothing else changes.

    Parameters
    ----------
    path : CostPath
        Cost if nothing changes.
    allocation_growth_pct : float
        Growth of funding, %/year, in the same price terms as the costs.
    efficiency_pct : float
        Efficiency factor, % of cost a year, compounding.
    scopes : mapping of name to PODs, optional
        Nested scopes (health; health and social care); all PODs as "all" by default.
    base_gap_gbp : mapping of scope to GBP, optional
        Cost above funding in the base year; none by default.

    Returns
    -------
    DataFrame
        scope, year, cost_gbp, efficiency_gbp, allocation_gbp, gap_gbp (cost less efficiency less allocation).

    Raises
    ------
    InputError
        If a scope names no POD or one that has no cost, a gap is given for no scope, or a percentage is out of range.
    """
    number(allocation_growth_pct, "allocation_growth_pct (% a year)", above=-100)
    number(efficiency_pct, "efficiency_pct (% a year)", least=0, most=100)
    held = sorted(path.table["pod"].unique())
    if not held:
        raise InputError("No POD has a cost, so there is nothing to set against funding.")
    if scopes is not None and not isinstance(scopes, Mapping):
        raise InputError("scopes must give the PODs of each name, such as {'health': ['elective']}.")
    by_scope = {scope: as_list(pods) for scope, pods in (scopes or {"all": held}).items()}
    base_gap = mapping_of_numbers(base_gap_gbp, "base_gap_gbp", keys=by_scope)
    rows = []
    for scope, pods in by_scope.items():
        if not pods:
            raise InputError(f"Scope {scope} names no POD.")
        for pod in pods:
            require_one_of(pod, held, what=f"POD of scope {scope}")
        cost = path.table[path.table["pod"].isin(pods)].groupby("year")["cost_gbp"].sum()
        after = cost.index.to_numpy(int) - int(cost.index.min())
        funded = (cost.iloc[0] - base_gap.get(scope, 0.0)) * (1 + allocation_growth_pct / 100) ** after
        saved = cost.to_numpy(float) * (1 - (1 - efficiency_pct / 100) ** after)
        frame = pd.DataFrame({"scope": scope, "year": cost.index, "cost_gbp": cost.to_numpy(float)})
        rows.append(frame.assign(efficiency_gbp=saved, allocation_gbp=funded))
    table = pd.concat(rows, ignore_index=True)
    table["gap_gbp"] = table["cost_gbp"] - table["efficiency_gbp"] - table["allocation_gbp"]
    return table
