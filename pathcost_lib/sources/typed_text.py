"""Text to dates, numbers and money, exactly: what is not written as stated becomes null, never a guess."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pathcost_lib.sources.csv_files import quote_text

__all__ = ["MONEY", "Reading"]

#: Pence in one unit of the money that a file is written in.
MONEY = {"pounds": 100, "dollars": 100, "pence": 1, "cents": 1}

_DATES = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")


@dataclass(frozen=True)
class Reading:
    """How a text is to be read.

    Attributes
    ----------
    kind : str
        Type wanted: VARCHAR, BIGINT, INTEGER, DOUBLE or DATE.
    dates : tuple of str
        How a date may be written, as in strptime; a date wanted as a whole number is its year.
    money : str
        A key of `MONEY`: the amount is wanted in whole pence.
    thousands : str
        Mark between groups of three digits.
    """

    kind: str
    dates: tuple[str, ...] = ()
    money: str = ""
    thousands: str = ""

    @property
    def words(self) -> str:
        """What the text must be, for a report ("a whole number")."""
        if self.money:
            return f"an amount in {self.money}, {'whole' if MONEY[self.money] == 1 else 'with at most two decimals'}"
        if self._is_date:
            return f"a date between 1850 and 2199 written {' or '.join(self.dates or _DATES)}"
        return "a number" if self.kind == "DOUBLE" else "a whole number"

    def sql(self, text: str) -> str:
        """Return an SQL expression of the type wanted, null wherever `text` is not written as it must be."""
        if self._is_date:
            return self._date(text)
        if self.kind == "VARCHAR":
            return text
        pattern, cast = self._money(text) if self.money else self._number(text)
        return f"CASE WHEN regexp_full_match({text}, {quote_text(pattern)}) THEN {cast} END"

    @property
    def _is_date(self) -> bool:
        return bool(self.dates) or self.kind == "DATE"

    @property
    def _whole(self) -> str:
        if not self.thousands:
            return r"\d{1,15}"
        return rf"(\d{{1,15}}|\d{{1,3}}({re.escape(self.thousands)}\d{{3}}){{1,4}})"

    def _digits(self, text: str) -> str:
        return f"replace({text}, {quote_text(self.thousands)}, '')" if self.thousands else text

    def _date(self, text: str) -> str:
        formats = ", ".join(quote_text(f) for f in self.dates or _DATES)
        day = f"CAST(try_strptime({text}, [{formats}]) AS DATE)"
        # strptime reads 01/02/24 with %Y as the year 24.
        sane = f"CASE WHEN year({day}) BETWEEN 1850 AND 2199 THEN {day} END"
        return sane if self.kind == "DATE" else f"CAST(year({sane}) AS {self.kind})"

    def _money(self, text: str) -> tuple[str, str]:
        # Fifteen digits of pounds are below the largest pence that a BIGINT holds; DECIMAL keeps the pennies exact.
        decimals = r"(\.\d{0,2}0*)?" if MONEY[self.money] == 100 else r"(\.0*)?"
        amount = f"TRY_CAST(regexp_replace({self._digits(text)}, '[£$]', '') AS DECIMAL(38, 2))"
        return rf"-?[£$]?{self._whole}{decimals}", f"TRY_CAST({amount} * {MONEY[self.money]} AS {self.kind})"

    def _number(self, text: str) -> tuple[str, str]:
        cast = f"TRY_CAST({self._digits(text)} AS {self.kind})"
        if self.kind == "DOUBLE":
            finite = f"CASE WHEN isfinite({cast}) THEN {cast} END"
            return rf"[+-]?({self._whole})?(\.\d*)?([eE][+-]?\d+)?", finite
        return rf"[+-]?{self._whole}(\.0*)?", cast
