"""How much of the activity that a population would be expected to have is in the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pathcost_lib import paths
from pathcost_lib.codes import financial_year_bounds
from pathcost_lib.errors import InputError
from pathcost_lib.sources.engine import Relation

__all__ = ["coverage"]

_SQL = Path(__file__).with_name("coverage.sql")


def coverage(
    activity: Relation, population: Relation | pd.DataFrame, *, year: str, rates: pd.DataFrame | None = None
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
        setting, pod, age_from, age_to, sex ("all" for both), contacts_per_head_per_year; the published national ones
        of `data/reference/contacts_per_head.csv` if not given.

    Returns
    -------
    DataFrame
        One row per ICB and setting: held and expected (units of the setting's points of delivery), coverage_pct,
        and the reason where it cannot be computed. Indirect standardisation: expected = sum over age and sex of
        persons times the national rate; it carries no adjustment for need other than age and sex, so 90 to 110 is
        within what need alone would explain.

    Raises
    ------
    InputError
        If the population does not hold the year.
    """
    first, last = financial_year_bounds(year)
    rates = pd.read_csv(paths.reference() / "contacts_per_head.csv") if rates is None else rates
    settings = pd.DataFrame({"first_day": [first], "last_day": [last], "year": [first.year], "share_of_year": [1.0]})
    steps = activity.engine.run(
        _SQL, {"activity": activity, "population": population, "rates": rates, "settings": settings}
    )
    cells = steps["coverage"].to_pandas()
    if cells["expected"].isna().all():
        raise InputError(f"The population table holds no persons for {first.year} (variant principal): no coverage.")
    table = cells.groupby(["icb_code", "setting"], as_index=False).agg(
        held=("held", "sum"), expected=("expected", lambda x: x.sum(min_count=1))
    )
    known = table["expected"] > 0
    table["coverage_pct"] = np.where(known, 100 * table["held"] / table["expected"].where(known), np.nan)
    table["reason"] = np.where(known, "", "no national rate or no population for this ICB and setting")
    return table
