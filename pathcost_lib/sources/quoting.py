"""The one door by which a value or a name enters the text of an SQL statement.

SQL text is made of parts that the library's own source spells out. Whatever comes from elsewhere (data, a parameter, a
file's name, TOML) passes through `quote_value` or `quote_name`; a test reads the source and holds to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date, datetime

from pathcost_lib.errors import InputError

__all__ = ["quote_condition", "quote_name", "quote_value", "quote_values"]


def quote_value(value: object) -> str:
    """Return a value as an SQL literal: text, whole or finite number, true or false, date, or null.

    Raises
    ------
    InputError
        If it is of another type, or text with a character that no engine keeps (NUL).

    Examples
    --------
    >>> quote_value("x'; DROP TABLE y; --")
    "'x''; DROP TABLE y; --'"
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "'" + _plain(value).replace("'", "''") + "'"
    if isinstance(value, date) and not isinstance(value, datetime):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    raise InputError(f"A value of type {type(value).__name__} cannot be used in a query. Allowed: text, number, date.")


def quote_values(values: Iterable[object]) -> str:
    """Return values as a list of literals, to stand between the brackets of IN ( ).

    An empty list is a null, which no value is in.
    """
    return ", ".join(map(quote_value, values)) or "NULL"


def quote_condition(key: str, codes: Iterable[str]) -> str:
    """Return the test that the column of a key has one of some codes.

    A key that ends in _prefix asks for codes that begin so. One that begins with not_ is met by all others: a code that
    is not known is not one that is excluded.

    Examples
    --------
    >>> print(quote_condition("not_primary_diagnosis_prefix", ["C"]))
    coalesce(NOT (substr("primary_diagnosis", 1, 1) = 'C'), TRUE)
    """
    column = quote_name(key.removeprefix("not_").removesuffix("_prefix"))
    if key.endswith("_prefix"):
        test = f"({' OR '.join(f'substr({column}, 1, {len(code)}) = {quote_value(code)}' for code in codes)})"
    else:
        test = f"{column} IN ({quote_values(codes)})"
    return f"coalesce(NOT {test}, TRUE)" if key.startswith("not_") else test


def quote_name(name: str) -> str:
    """Return the name of a column as an SQL identifier.

    Raises
    ------
    InputError
        If it holds a character that no engine keeps (NUL).
    """
    return '"' + _plain(str(name)).replace('"', '""') + '"'


def _plain(text: str) -> str:
    if "\0" in text:
        raise InputError("A text with the character NUL cannot be used in a query. Take it out.")
    return text
