"""Put text in the order that it means: deciles, months and years, never the order of their letters.

"10" stands before "2" among letters, and "Apr-23" before "Jan-23". What is plainly a number, a month or a financial
year is read as such, and the result says so; what is not is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pathcost_lib.errors import InputError

__all__ = ["Order", "order_of"]

_NUMBER = re.compile(r"^\s*([+-]?\d+(?:\.\d+)?)(?:\s*(?:[-–—:(].*)?)$")
_YEAR = re.compile(r"^\s*(\d{4})[-/](\d{2}|\d{4})\s*$")
#: Layouts of a month or a day as NHS publications write them. Two-digit years are of this century.
_DATES = (
    "%Y-%m-%d",
    "%Y-%m",
    "%Y/%m",
    "%Y%m",
    "%b-%y",
    "%b-%Y",
    "%b %Y",
    "%b %y",
    "%B %Y",
    "%B-%Y",
    "%d/%m/%Y",
    "%d-%b-%Y",
    "%d %b %Y",
    "%d %B %Y",
)


@dataclass(frozen=True, eq=False)
class Order:
    """Where each value stands.

    Attributes
    ----------
    key : Series
        Numbers or timestamps with the index of what was given; they sort and compare as the values mean.
    kind : str
        "number", "date" or "category".
    note : str
        How text was read, in a sentence; empty where nothing had to be read.
    """

    key: pd.Series
    kind: str
    note: str


def order_of(values: pd.Series, *, what: str) -> Order:
    """Return the order of a column: numbers, dates, periods and ordered categories as they are, plain text as read.

    Parameters
    ----------
    values : Series
        No value may be missing.
    what : str
        Name of the column, for messages.

    Raises
    ------
    InputError
        If a value is missing, or if text is neither all numbers ("1", "10 - least deprived"), nor all months or days
        ("Apr-23", "2023-04", "April 2023", "30/04/2023"), nor all financial years ("2023-24").

    Examples
    --------
    >>> order_of(pd.Series(["10", "2", "1 - most deprived"]), what="decile").key.tolist()
    [10.0, 2.0, 1.0]
    >>> order_of(pd.Series(["Apr-23", "Jan-23"]), what="month").kind
    'date'
    """
    if values.isna().any():
        raise InputError(f"{what} is missing in {int(values.isna().sum())} row(s).")
    if isinstance(values.dtype, pd.CategoricalDtype):
        if values.cat.ordered:
            return Order(values.cat.codes.astype(float), "category", "")
        values = values.astype(values.cat.categories.dtype)
    if isinstance(values.dtype, pd.PeriodDtype):
        return Order(values.dt.start_time, "date", "")
    if pd.api.types.is_datetime64_any_dtype(values):
        return Order(values, "date", "")
    if pd.api.types.is_bool_dtype(values):
        raise InputError(f"{what} is true or false, which has no order. Give numbers, dates or ordered categories.")
    if pd.api.types.is_numeric_dtype(values):
        numbers = values.astype(float)
        if np.isinf(numbers).any():
            raise InputError(f"{what} is infinite in {int(np.isinf(numbers).sum())} row(s).")
        return Order(numbers, "number", "")
    return _read(values, what)


def _read(values: pd.Series, what: str) -> Order:
    distinct = pd.Series(values.unique())
    if not distinct.map(lambda value: isinstance(value, str)).all():
        dates = pd.to_datetime(distinct, errors="coerce")
        if dates.notna().all() and not distinct.map(lambda value: isinstance(value, str | int | float)).any():
            return Order(values.map(dict(zip(distinct, dates, strict=True))), "date", "")
        distinct = distinct.astype(str)
        values = values.astype(str)
    years = distinct.str.extract(_YEAR)
    if years.notna().all(axis=None) and years.apply(_follows, axis=1).all():
        starts = dict(zip(distinct, years[0].astype(float), strict=True))
        return Order(values.map(starts), "number", f"{what} was read as financial years.")
    for layout in _DATES:
        dates = pd.to_datetime(distinct, format=layout, errors="coerce")
        if dates.notna().all():
            # Months that differ in spelling only ("Apr-23", "APR-23") are the same month.
            return Order(values.map(dict(zip(distinct, dates, strict=True))), "date", f"{what} was read as dates.")
    numbers = distinct.str.extract(_NUMBER)[0]
    if numbers.notna().all():
        read = dict(zip(distinct, numbers.astype(float), strict=True))
        note = f"{what} was read as the number at its start." if len(set(read.values())) == len(read) else ""
        if not note:
            raise InputError(f"{what} has two labels with the same number. Give each its own number.")
        return Order(values.map(read), "number", note)
    odd = distinct[numbers.isna()]
    raise InputError(
        f"{what} is text without an order ({len(odd)} label(s) are neither a number nor a month, first at row "
        f"{int(np.argmax(values.isin(odd).to_numpy())) + 1}). Give numbers, dates or an ordered category "
        "(pandas.Categorical(..., ordered=True))."
    )


def _follows(year: pd.Series) -> bool:
    """Say whether the second part of "2023-24" is the year after the first."""
    return (int(year[0]) + 1) % 100 == int(year[1]) % 100
