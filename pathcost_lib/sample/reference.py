"""The published figures that the synthetic England is calibrated to, as arrays over POD, sex and age band."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from pathcost_lib import paths
from pathcost_lib.codes import PODS, SETTINGS

__all__ = [
    "BANDS",
    "EXTRACT",
    "POD_CODES",
    "POD_INDEX",
    "SEXES",
    "YEARS",
    "age_band",
    "by_band",
    "days_from",
    "deprivation",
    "prices",
    "read",
    "records",
    "target_rates",
]

#: Age bands of the reference tables: first and last age.
BANDS = ((0, 4), (5, 17), (18, 29), (30, 44), (45, 54), (55, 64), (65, 74), (75, 84), (85, 120))
SEXES = ("female", "male")
POD_CODES = tuple(PODS)
POD_INDEX = {code: i for i, code in enumerate(POD_CODES)}
#: Financial years of activity, with their first and last day.
YEARS = (("2023-24", "2023-04-01", "2024-03-31"), ("2024-25", "2024-04-01", "2025-03-31"))


def days_from(day: str) -> int:
    """Return a date as days since 1970-01-01."""
    return int(np.datetime64(day, "D").astype("int64"))


#: First and last day of the extract, in days since 1970-01-01.
EXTRACT = (days_from(YEARS[0][1]), days_from(YEARS[-1][2]))


@cache
def read(name: str) -> pd.DataFrame:
    """Read a table of `data/reference`; texts stay text, empty texts are empty."""
    frame = pd.read_csv(paths.reference() / f"{name}.csv", dtype={"currency_code": str})
    texts = [c for c in frame.columns if not pd.api.types.is_numeric_dtype(frame[c])]
    return frame.fillna(dict.fromkeys(texts, ""))


def prices() -> pd.DataFrame:
    """Return the unit costs at which the synthetic England stands: one year's, which has a price for every POD."""
    table = read("unit_costs")
    return table[table["financial_year"] == YEARS[0][0]].reset_index(drop=True)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a small table's rows as dictionaries."""
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


def age_band(age: np.ndarray) -> np.ndarray:
    """Return the index of the band that holds each age."""
    return np.searchsorted([last for _, last in BANDS], age).astype(np.int8)


def by_band(frame: pd.DataFrame, column: str) -> np.ndarray:
    """Return a column of a table with `sex` and `age_from` as an array of sex x band."""
    values = dict(zip(zip(frame["sex"], frame["age_from"], strict=True), frame[column], strict=True))
    return np.array([[values[sex, first] for first, _ in BANDS] for sex in SEXES])


def target_rates() -> np.ndarray:
    """Return units per head per year as POD x sex x band."""
    rates = read("contacts_per_head")
    return np.stack([by_band(rates[rates["pod"] == pod], "contacts_per_head_per_year") for pod in POD_CODES])


def deprivation(share_of_people: np.ndarray) -> np.ndarray:
    """Return each POD's ratio to the national mean by deprivation tenth, POD x 10.

    Parameters
    ----------
    share_of_people : ndarray, shape (10,)
        Share of England's people in each tenth, most deprived first.
    """
    table = read("deprivation_gradient").pivot_table(
        index="setting", columns="decile", values="ratio_to_least_deprived"
    )
    ratios = table.loc[list(SETTINGS)].to_numpy(float)
    ratios = ratios / (ratios @ share_of_people)[:, None]
    return ratios[[SETTINGS.index(PODS[pod].setting) for pod in POD_CODES]]
