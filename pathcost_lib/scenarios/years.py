"""Financial years as scenarios count them: by their first calendar year, without a gap."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from pathcost_lib.arguments import number_list
from pathcost_lib.codes import financial_year_bounds, financial_year_from
from pathcost_lib.errors import InputError

__all__ = ["financial_years", "running_years", "start_year"]


def start_year(year: str) -> int:
    """Return the calendar year in which a financial year starts: 2024 for "2024-25"."""
    return financial_year_bounds(year)[0].year


def running_years(years: Any, *, what: str = "years") -> list[int]:
    """Return years as whole numbers that run on without a gap, as a cash flow needs them.

    Raises
    ------
    InputError
        If a year is missing, or they are out of order or have a gap (2026 and 2030 are not years 0 and 1).
    """
    if isinstance(years, str | bytes) or not hasattr(years, "__len__") or not len(years):
        raise InputError(f"{what} must list financial years by their first year, such as range(2026, 2031).")
    values = number_list(years, what, least=1990, most=2300)
    if (values != np.floor(values)).any() or (np.diff(values) != 1).any():
        given = ", ".join(f"{v:g}" for v in values[:6])
        raise InputError(
            f"{what} are {given}. They must run on year by year, such as range(2026, 2031): every year of a cash flow "
            "is needed, in order."
        )
    return [int(v) for v in values]


def financial_years(years: Iterable[int]) -> list[str]:
    """Return financial years as they are written: "2024-25" for 2024."""
    return [financial_year_from(y) for y in years]
