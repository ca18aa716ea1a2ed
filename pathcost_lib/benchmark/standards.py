"""Standard populations: by which a rate is weighted, joined by key."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pathcost_lib import paths
from pathcost_lib.arguments import match, number_list, numbers, refuse, require_columns
from pathcost_lib.arguments import table as as_table
from pathcost_lib.errors import InputError, require_one_of

__all__ = ["age_band", "load_standard", "standard_weights"]


def age_band(age: pd.Series) -> pd.Series:
    """Return the five-year band of a standard population ("0-4" ... "85-89", "90+") for single years of age.

    Raises
    ------
    InputError
        If it is no column (Series), or an age is missing, negative or not a number.
    """
    if not isinstance(age, pd.Series):
        raise InputError(f"Ages must be a column (pandas Series); this is {type(age).__name__}.")
    years = pd.Series(np.floor(number_list(age.to_numpy(dtype=object, na_value=np.nan), "age", least=0)), age.index)
    start = (years.astype(int).clip(0, 90) // 5) * 5
    return start.map({s: f"{s}-{s + 4}" if s < 90 else "90+" for s in range(0, 95, 5)}).rename("age_band")


def load_standard(name: str = "ESP2013") -> pd.DataFrame:
    """Return a standard population: age_band, weight (persons per 100,000).

    Raises
    ------
    InputError
        If the name is not known. ESP2013 is Eurostat's European Standard Population, revised 2013.
    """
    require_one_of(name, ["ESP2013"], what="Standard population")
    return pd.read_csv(paths.reference() / "esp2013.csv", dtype={"age_band": str})[["age_band", "weight"]]


def standard_weights(strata: pd.DataFrame, standard: str | pd.DataFrame) -> pd.DataFrame:
    """Return the strata of the standard with their weights, over every level of the strata that it does not have."""
    table = load_standard(standard) if isinstance(standard, str) else as_table(standard, what="standard population")
    require_columns(table, ["weight"], what="standard population's rows")
    keys = [key for key in strata.columns if key in table.columns]
    if not keys:
        raise InputError(f"The standard population has none of the strata {', '.join(strata.columns)}.")
    refuse(strata, match(strata, table, keys, what="standard population") < 0, keys, "The standard population lacks")
    numbers(table, "weight", keys, above=0)
    others = [key for key in strata.columns if key not in keys]
    full = table[[*keys, "weight"]]
    return full.merge(strata[others].drop_duplicates(), how="cross") if others else full
