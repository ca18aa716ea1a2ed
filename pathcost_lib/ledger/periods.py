"""Split stays and weekly packages over months or years by days."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

import pandas as pd

from pathcost_lib.codes import financial_year, months
from pathcost_lib.errors import require_one_of
from pathcost_lib.sources.engine import Relation

__all__ = ["split_periods"]

_SQL = Path(__file__).with_name("periods.sql")


def split_periods(
    ledger: Relation, by: Literal["month", "financial_year"] = "month", *, as_of: date | None = None
) -> Relation:
    """Split each ledger row over the periods that its days fall in.

    A stay lasts its nights, as bed days are counted: 30 January to 2 February is two days of January and one of
    February. A stay of no nights, and a contact, is one day. A stay without an end runs to `as_of`.

    Parameters
    ----------
    ledger : Relation
        From `cost_activity`.
    by : {"month", "financial_year"}
        "month" gives periods as "2024-01".
    as_of : date, optional
        The day of the extract, for stays still open; the latest date in the ledger if not given.

    Returns
    -------
    Relation
        One row per activity and period: activity_id, the row's codes, period, piece_from, piece_to, days,
        days_in_all, and that period's cost_pence, fixed_pence, semi_fixed_pence, variable_pence. The pieces of a row
        sum to the row.

    Raises
    ------
    InputError
        If the period is not known, or the ledger holds no dates.
    """
    require_one_of(by, ("month", "financial_year"), what="Period")
    extent = ledger.require_extent()
    as_of = as_of or extent.last
    periods = _periods(extent.first_start, max(extent.last, as_of), by)
    settings = pd.DataFrame({"as_of": [as_of]})
    return ledger.engine.run(_SQL, {"ledger": ledger, "periods": periods, "settings": settings})["split_rows"]


def _periods(first: date, last: date, by: str) -> pd.DataFrame:
    rows = [(name if by == "month" else financial_year(f), f, t) for name, f, t in months(first, last)]
    table = pd.DataFrame(rows, columns=["period", "first_day", "last_day"])
    return table.groupby("period", as_index=False).agg(first_day=("first_day", "min"), last_day=("last_day", "max"))
