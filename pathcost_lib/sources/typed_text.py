"""Text to dates, numbers and money, exactly: what is not written as stated becomes null, never a guess."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pathcost_lib.sources.quoting import quote_value, quote_values

__all__ = ["ISO_DATES", "MONEY", "Reading"]

#: Pence in one unit of the money that a file is written in.
MONEY = {"pounds": 100, "dollars": 100, "pence": 1, "cents": 1}

#: A date as ISO 8601, and so the engine, writes it.
ISO_DATES = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.%f")


@dataclass(frozen=True)
class Reading:
    """How a text is to be read.

    Attributes
    ----------
    kind : str
        Type wanted: VARCHAR, BIGINT, INTEGER, DOUBLE or DATE.
    dates : tuple of str
        How a date may be written, as in strptime, or "excel" (the number of a day in a workbook); a date wanted as a
        whole number is its year.
    money : str
        A key of `MONEY`: the amount is wanted in whole pence.
    thousands : str
        Mark between groups of three digits.
    rounded : bool
        The amount may have more decimals, and is rounded to the penny, half away from zero.
    """

    kind: str
    dates: tuple[str, ...] = ()
    money: str = ""
    thousands: str = ""
    rounded: bool = False

    @property
    def words(self) -> str:
        """What the text must be, for a report ("a whole number")."""
        if self.money:
            exact = "whole" if MONEY[self.money] == 1 else "with at most two decimals"
            return f"an amount in {self.money}" + ("" if self.rounded else f", {exact}")
        if self._is_date:
            return f"a date between 1850 and 2199 written {' or '.join(self.dates or ISO_DATES)}"
        return "a number" if self.kind == "DOUBLE" else "a whole number"

    def sql(self, text: str) -> str:
        """Return an SQL expression of the type wanted, null wherever `text` is not written as it must be."""
        if self._is_date:
            return self._date(text)
        if self.kind == "VARCHAR":
            return text
        pattern, cast = self._money(text) if self.money else self._number(text)
        return f"CASE WHEN regexp_full_match({text}, {quote_value(pattern)}) THEN {cast} END"

    @property
    def _is_date(self) -> bool:
        return bool(self.dates) or self.kind == "DATE"

    @property
    def _whole(self) -> str:
        if not self.thousands:
            return r"\d{1,15}"
        return rf"(\d{{1,15}}|\d{{1,3}}({re.escape(self.thousands)}\d{{3}}){{1,4}})"

    def _digits(self, text: str) -> str:
        return f"replace({text}, {quote_value(self.thousands)}, '')" if self.thousands else text

    def _date(self, text: str) -> str:
        formats = (
            quote_values(f for f in self.dates or ISO_DATES if f != "excel")
            if {*(self.dates or ISO_DATES)} - {"excel"}
            else ""
        )
        days = [f"CAST(try_strptime({text}, [{formats}]) AS DATE)"] if formats else []
        if "excel" in self.dates:
            # Excel counts 29 February 1900, which was not: its numbers are right from 61 (1 March 1900) on.
            number = f"TRY_CAST(floor(TRY_CAST({text} AS DOUBLE)) AS INTEGER)"
            after = f"regexp_full_match({text}, '\\d{{2,6}}(\\.\\d*)?') AND {number} >= 61"
            days.append(f"CASE WHEN {after} THEN DATE '1899-12-30' + {number} END")
        day = f"coalesce({', '.join(days)})"
        # strptime reads 01/02/24 with %Y as the year 24.
        sane = f"CASE WHEN year({day}) BETWEEN 1850 AND 2199 THEN {day} END"
        return sane if self.kind == "DATE" else f"CAST(year({sane}) AS {self.kind})"

    def _money(self, text: str) -> tuple[str, str]:
        # Fifteen digits of pounds are below the largest pence that a BIGINT holds; DECIMAL keeps the pennies exact.
        cents = MONEY[self.money]
        decimals = r"(\.\d*)?" if self.rounded else r"(\.\d{0,2}0*)?" if cents == 100 else r"(\.0*)?"
        plain = rf"(-?[£$]? ?|[£$] ?-){self._whole}{decimals}"
        digits = f"regexp_replace({self._digits(text)}, '[£$ ()]', '', 'g')"
        # Brackets are a minus in accounts.
        amount = f"round(TRY_CAST(replace({digits}, '-', '') AS DECIMAL(38, 12)) * {cents}, 0)"
        minus = f"CASE WHEN {text} LIKE '%-%' OR {text} LIKE '(%' THEN -1 ELSE 1 END"
        return rf"{plain}|\([£$]? ?{self._whole}{decimals}\)", f"TRY_CAST({amount} * {minus} AS {self.kind})"

    def _number(self, text: str) -> tuple[str, str]:
        cast = f"TRY_CAST({self._digits(text)} AS {self.kind})"
        if self.kind == "DOUBLE":
            finite = f"CASE WHEN isfinite({cast}) THEN {cast} END"
            return rf"[+-]?({self._whole})?(\.\d*)?([eE][+-]?\d+)?", finite
        return rf"[+-]?{self._whole}(\.0*)?", cast
