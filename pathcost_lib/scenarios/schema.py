"""What a scenario file may hold: a checker that names the file, the key and the allowed values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pathcost_lib.arguments import number_list
from pathcost_lib.codes import financial_year_bounds
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.sources.contracts import PATTERNS

__all__ = ["Field", "Where", "check_table", "financial_years", "running_years", "start_year"]


@dataclass(frozen=True)
class Where:
    """A place in a file, for messages: `file.toml, [[intervention]] follow_ups`."""

    file: str
    table: str = ""

    def key(self, key: str) -> str:
        """Return the place with a key."""
        return ", ".join(part for part in (self.file, self.table, key) if part)

    def inside(self, table: str) -> Where:
        """Return the place of a table inside this one."""
        return Where(self.file, f"{self.table} {table}".strip())

    def fail(self, key: str, what: str) -> InputError:
        """Return the error to raise."""
        return InputError(f"{self.key(key)}: {what}")


@dataclass(frozen=True)
class Field:
    """A key's type ("text", "number", "integer", "year", "list", "table", "any"), range, allowed values and default."""

    kind: str = "text"
    required: bool = False
    default: Any = None
    low: float | None = None
    high: float | None = None
    allowed: Iterable[str] = ()


_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "text": ((str,), "text"),
    "number": ((int, float), "a number"),
    "integer": ((int,), "a whole number"),
    "year": ((str,), "a financial year like 2024-25"),
    "list": ((list,), "a list"),
    "table": ((dict,), "a table"),
    "any": ((object,), "anything"),
}


def check_table(table: object, fields: Mapping[str, Field], where: Where) -> dict[str, Any]:
    """Return the values of `table`, defaults filled in.

    Raises
    ------
    InputError
        If a key is unknown, missing, of the wrong type, out of range or not an allowed value.
    """
    if not isinstance(table, Mapping):
        raise where.fail("", f"must be a table with the keys {', '.join(fields)}.")
    for key in table:
        require_one_of(key, fields, what=f"{where.key('key')}:")
    values = {}
    for key, field in fields.items():
        if key not in table:
            if field.required:
                raise where.fail(key, "is required.")
            values[key] = field.default
            continue
        values[key] = _check_value(table[key], field, where, key)
    return values


def _check_value(value: Any, field: Field, where: Where, key: str) -> Any:
    types, name = _TYPES[field.kind]
    valid: bool = isinstance(value, types)  # a name of its own, so that the value stays Any below
    if not valid or (isinstance(value, bool) and field.kind in ("number", "integer")):
        raise where.fail(key, f"is {value!r}; it must be {name}.{_plain_number(value, field)}")
    if field.kind in ("number", "integer") and not math.isfinite(value):
        raise where.fail(key, f"is {value!r}; it must be {name}.")
    if isinstance(value, str) and (key == "name" or key.endswith("_code")):
        pattern, words = PATTERNS["word" if key == "name" else "currency" if key == "currency_code" else "code"]
        if not re.fullmatch(pattern, value):
            raise where.fail(key, f"is {value!r}, which is not {words}.")
    if field.kind == "year":
        try:
            financial_year_bounds(value)
        except InputError as error:
            raise where.fail(key, str(error)) from None
    if (field.low is not None and value < field.low) or (field.high is not None and value > field.high):
        limits = " and ".join(part for part in (_limit("at least", field.low), _limit("at most", field.high)) if part)
        as_share = field.high == 1 and 1 < value <= 100
        hint = f" It is a share: write {value / 100:g} for {value} %." if as_share else ""
        raise where.fail(key, f"is {value}; it must be {limits}.{hint}")
    allowed = tuple(field.allowed)
    if allowed:
        for item in value if isinstance(value, list) else [value]:
            require_one_of(item, allowed, what=f"{where.key(key)}:")
    return value


def _plain_number(value: Any, field: Field) -> str:
    """Return how a number that was written as text ("£382,158") is written in TOML."""
    digits = str(value).replace("£", "").replace(",", "").strip() if isinstance(value, str) else ""
    if field.kind not in ("number", "integer") or not digits.replace(".", "", 1).isdigit():
        return ""
    return f" Write it without quotes, £ and commas: {digits}."


def _limit(word: str, limit: float | None) -> str:
    return "" if limit is None else f"{word} {limit:g}"


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
    return [f"{y}-{(y + 1) % 100:02d}" for y in years]
