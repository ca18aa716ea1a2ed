"""Text to dates, numbers and money, exactly: what is not written as stated becomes null, never a guess."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from pathcost_lib.sources.quoting import quote_value, quote_values

__all__ = ["ISO_DATES", "MONEY", "Reading"]

#: Pence in one unit of the money that a file is written in.
MONEY = {"pounds": 100, "dollars": 100, "pence": 1, "cents": 1}

#: A date as ISO 8601, and so the engine, writes it.
ISO_DATES = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
)
#: An offset from Greenwich after a time of day. The day counts as it is written, whatever the computer's own clock.
_OFFSET = r"(\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?) ?(Z|UTC|GMT|BST|[+-]\d{2}(:?\d{2})?)$"


@dataclass(frozen=True)
class Reading:
    """How a text is to be read.

    Attributes
    ----------
    kind : str
        Type wanted: VARCHAR, BIGINT, INTEGER, DOUBLE or DATE.
    dates : tuple of str
        How a date may be written, as in strptime, or "excel" (the number of a day in a workbook; "excel1904" where it
        counts from 1904); a date wanted as a whole number is its year. An offset from Greenwich (+01:00, Z) is passed
        over: the day is the one written.
    money : str
        A key of `MONEY`: the amount is wanted in whole pence.
    thousands : str
        Mark between groups of three digits.
    decimal : str
        Mark before the decimals: a point, or the comma of continental Europe.
    rounded : bool
        The amount may have more decimals, and is rounded to the penny, half away from zero.
    """

    kind: str
    dates: tuple[str, ...] = ()
    money: str = ""
    thousands: str = ""
    rounded: bool = False
    decimal: str = "."

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
        digits = f"replace({text}, {quote_value(self.thousands)}, '')" if self.thousands else text
        return digits if self.decimal == "." else f"replace({digits}, {quote_value(self.decimal)}, '.')"

    @property
    def _point(self) -> str:
        return re.escape(self.decimal)

    def _date(self, text: str) -> str:
        written = (re.sub(" ?(%[zZ]|Z)$", "", f) for f in self.dates or ISO_DATES if not f.startswith("excel"))
        formats = list(dict.fromkeys(written))
        local = f"regexp_replace({text}, {quote_value(_OFFSET)}, '\\1')"
        days = [f"CAST(try_strptime({local}, [{quote_values(formats)}]) AS DATE)"] if formats else []
        for base, first in (("excel", date(1899, 12, 30)), ("excel1904", date(1904, 1, 1))):
            if base in self.dates:
                # Excel counts 29 February 1900, which was not: its numbers are right from 61 (1 March 1900) on.
                number = f"TRY_CAST(floor(TRY_CAST({text} AS DOUBLE)) AS INTEGER)"
                after = f"regexp_full_match({text}, '\\d{{2,6}}(\\.\\d*)?') AND {number} >= 61"
                days.append(f"CASE WHEN {after} THEN {quote_value(first)} + {number} END")
        day = f"coalesce({', '.join(days)})"
        # strptime reads 01/02/24 with %Y as the year 24.
        sane = f"CASE WHEN year({day}) BETWEEN 1850 AND 2199 THEN {day} END"
        return sane if self.kind == "DATE" else f"CAST(year({sane}) AS {self.kind})"

    def _money(self, text: str) -> tuple[str, str]:
        # Fifteen digits of pounds are below the largest pence that a BIGINT holds; DECIMAL keeps the pennies exact.
        cents = MONEY[self.money]
        digits_after = r"\d*" if self.rounded else r"\d{0,2}0*" if cents == 100 else "0*"
        decimals = rf"({self._point}{digits_after})?"
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
            return rf"[+-]?({self._whole})?({self._point}\d*)?([eE][+-]?\d+)?", finite
        return rf"[+-]?{self._whole}({self._point}0*)?", cast
