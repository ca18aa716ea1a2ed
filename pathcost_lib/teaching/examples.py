"""Lessons' own little data: a few rows that a reader can check become the suite's tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import pandas as pd

from pathcost_lib.codes import PODS
from pathcost_lib.sources.dataset import Dataset

__all__ = ["example"]

_TEXT = pd.StringDtype()


def example(contacts: pd.DataFrame, prices: pd.DataFrame, factors: Mapping[str, float] | None = None) -> Dataset:
    """Return a dataset of invented contacts and prices, with the columns that a lesson does not speak of filled in.

    Parameters
    ----------
    contacts : DataFrame
        pod, currency, trust; if wanted patient (1), day (counted from 1 June 2024: 0), nights (0), units (1),
        recorded_gbp, procedure.
    prices : DataFrame
        pod, currency ("*" stands for any), unit_cost_gbp; if wanted trust (none: a national price). All of 2024-25.
    factors : mapping of trust to float, optional
        Market forces factors; 1 if not given.
    """
    rows = contacts.reset_index(drop=True)

    def given(column: str, default: object) -> pd.Series:
        return rows.get(column, pd.Series([default] * len(rows)))

    starts = [date(2024, 6, 1) + timedelta(days=int(day)) for day in given("day", 0)]
    nights = given("nights", 0).astype("Int64")
    activity = pd.DataFrame({"activity_id": rows.index + 1, "patient_id": given("patient", 1), "start_date": starts})
    activity["end_date"] = [start + timedelta(days=int(n)) for start, n in zip(starts, nights, strict=True)]
    activity["setting"] = rows["pod"].map(lambda code: PODS[code].setting)
    activity["pod"], activity["currency_code"], activity["provider_code"] = rows["pod"], rows["currency"], rows["trust"]
    activity["icb_code"], activity["units"], activity["length_of_stay_days"] = "NORTHMOOR", given("units", 1), nights
    activity["primary_diagnosis"] = pd.Series(pd.NA, index=rows.index, dtype=_TEXT)
    activity["primary_procedure"] = given("procedure", pd.NA).astype(_TEXT)
    activity["recorded_cost_pence"] = (given("recorded_gbp", pd.NA).astype("Float64") * 100).round().astype("Int64")
    unit_costs = prices.rename(columns={"currency": "currency_code", "trust": "provider_code"})
    unit_costs["unit_cost"] = (unit_costs.pop("unit_cost_gbp") * 10_000).round().astype("int64")
    unit_costs["provider_code"] = unit_costs.get("provider_code", pd.Series(pd.NA, index=prices.index)).astype(_TEXT)
    unit_costs["unit"] = unit_costs["pod"].map(lambda code: PODS[code].unit)
    shares = {"fixed_share": 0.5, "semi_fixed_share": 0.2, "variable_share": 0.3}
    unit_costs = unit_costs.assign(financial_year="2024-25", source="invented", **shares)
    trusts = pd.DataFrame({"org_code": sorted(rows["trust"].unique())}).assign(kind="acute", icb_code="NORTHMOOR")
    trusts["name"], trusts["region_code"] = trusts["org_code"], "NOWHERE"
    trusts["mff"] = trusts["org_code"].map(dict(factors or {})).fillna(1.0).astype(float)
    trusts = trusts.assign(valid_from=date(2013, 4, 1), valid_to=None, successor_code=None, successor_share=None)
    return Dataset.from_frames({"activity": activity, "unit_costs": unit_costs, "organisations": trusts})
