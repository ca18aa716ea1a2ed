"""Which months of a year the data hold, by setting: a year of which only some months are there is no year."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from pathcost_lib.codes import financial_year_bounds, financial_year_from, label
from pathcost_lib.sources.engine import Relation
from pathcost_lib.sources.quoting import quote_value

__all__ = ["MonthsHeld", "fewer_months", "last_whole_year", "months_held", "span_words"]

#: People expected in a month from which an empty one is no chance (by chance 2 in 1,000 million).
_USUAL = 20


@dataclass(frozen=True)
class MonthsHeld:
    """The months of a financial year that hold activity.

    Attributes
    ----------
    year : str
        Financial year.
    by_setting : mapping of setting to list of months (Period)
        In order; a setting without activity in the year is not there.
    """

    year: str
    by_setting: dict[str, list[pd.Period]]

    @property
    def first(self) -> int:
        """Calendar year that the financial year starts in."""
        return int(self.year[:4])

    @property
    def months(self) -> list[pd.Period]:
        """Months that hold activity of any setting."""
        return sorted({month for months in self.by_setting.values() for month in months})

    @property
    def is_whole(self) -> bool:
        """Whether all twelve months hold activity."""
        return len(self.months) == 12

    @property
    def short(self) -> dict[str, list[pd.Period]]:
        """Settings that begin later or end sooner than the data as a whole: part of their year is not there."""
        ends = (self.months[0], self.months[-1]) if self.months else ()
        return {s: months for s, months in self.by_setting.items() if (months[0], months[-1]) != ends}

    @property
    def words(self) -> str:
        """The months as they are said: "April to October 2026", "April to June and August 2026"."""
        return span_words(self.months)

    @property
    def span(self) -> str:
        """What pounds of this year are of, as it follows them: "a year", or "in April to October 2026"."""
        return "a year" if self.is_whole or not self.months else f"in {self.words}"

    @property
    def period(self) -> str:
        """What a title names: the year or, of part of one, the months held."""
        return self.year if self.is_whole or not self.months else self.words

    @property
    def part_note(self) -> str:
        """What a headline must say: `note` where the year is not whole, else nothing."""
        return "" if self.is_whole else self.note

    @property
    def days(self) -> tuple[date, date]:
        """First and last day of the year or, of part of one, of the months held."""
        if self.is_whole or not self.months:
            return financial_year_bounds(self.year)
        return self.months[0].start_time.date(), self.months[-1].end_time.date()

    @property
    def note(self) -> str:
        """What must be said beside a number of this year; empty where the year is whole in every setting."""
        if not self.by_setting:
            return f"The data have no activity of {self.year}."
        parts = []
        if not self.is_whole:
            parts.append(f"The data cover {len(self.months)} months of {self.year}, {self.words}: not a whole year.")
        parts += [f"{label(s)}: only {span_words(months)}." for s, months in sorted(self.short.items())]
        return " ".join(parts)


def span_words(months: list[pd.Period]) -> str:
    """Return months in words, those that follow on from one another as a span."""
    spans: list[list[pd.Period]] = []
    for month in months:
        if spans and month == spans[-1][-1] + 1:
            spans[-1].append(month)
        else:
            spans.append([month])
    texts = []
    for number, span in enumerate(spans):
        last = span[-1].strftime("%B %Y")
        following = spans[number + 1][0] if number + 1 < len(spans) else None
        if following is not None and following.year == span[-1].year:
            last = span[-1].strftime("%B")
        first = span[0].strftime("%B" if span[0].year == span[-1].year else "%B %Y")
        texts.append(last if len(span) == 1 else f"{first} to {last}")
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def months_held(activity: Relation, year: str) -> MonthsHeld:
    """Return the months of a financial year in which activity starts, by setting.

    Parameters
    ----------
    activity : Relation
        Activity or a ledger: setting, start_date.
    year : str
        Financial year.

    Raises
    ------
    InputError
        If the year is not written like "2024-25".
    """
    first, last = map(quote_value, financial_year_bounds(year))
    table = activity.query(
        "SELECT setting, year(start_date) AS y, month(start_date) AS m, count(*) AS n FROM this "
        f"WHERE start_date BETWEEN {first} AND {last} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    ).to_pandas()
    by_setting: dict[str, list[pd.Period]] = {}
    for setting, y, m in table[["setting", "y", "m"]].dropna().itertuples(index=False):
        by_setting.setdefault(str(setting), []).append(pd.Period(year=int(y), month=int(m), freq="M"))
    return MonthsHeld(year, by_setting)


def fewer_months(activity: Relation, year: str, areas: Collection[str]) -> dict[str, str]:
    """Return the areas that lack months which the others hold, and the months that they do hold, by setting.

    A month counts as lacking where an area sees nobody and twenty people or more are expected: those that it sees in
    its own months, times those of the areas that hold this month over theirs in the same months. Fewer may be none by
    chance; one person may have many contacts; and what begins once a quarter (packages of social care) has few in the
    months between.

    Parameters
    ----------
    activity : Relation
        icb_code, setting, start_date, patient_id.
    year : str
        Financial year.
    areas : collection of str
        Areas that are compared.

    Returns
    -------
    dict of str to str
        Area to words: "only April to October 2026", or by setting "Community only April to October 2026".

    Examples
    --------
    Two areas see thirty people a month; QOP's data end in June.

    >>> from itertools import product
    >>> from pathcost_lib.sources import connect
    >>> months, people = pd.date_range("2026-04-01", periods=12, freq="MS"), range(30)
    >>> rows = pd.DataFrame(product(["QHL", "QOP"], months, people), columns=["icb_code", "start_date", "patient_id"])
    >>> rows = rows[(rows["icb_code"] == "QHL") | (rows["start_date"] < "2026-07-01")].assign(setting="community")
    >>> fewer_months(connect().register("activity", rows), "2026-27", ["QHL", "QOP"])
    {'QOP': 'only April to June 2026'}
    """
    first, last = map(quote_value, financial_year_bounds(year))
    table = activity.query(
        "SELECT icb_code, setting, year(start_date) AS y, month(start_date) AS m, "
        "count(DISTINCT patient_id) AS n FROM this "
        f"WHERE start_date BETWEEN {first} AND {last} AND setting IS NOT NULL GROUP BY 1, 2, 3, 4"
    ).to_pandas()
    table = table[table["icb_code"].isin(areas)]
    every = table.groupby(["icb_code", "y", "m"], as_index=False)["n"].sum().assign(setting="")
    by_area: dict[str, dict[str, str]] = {}
    for setting, rows in pd.concat([every, table]).groupby("setting", sort=True):
        seen = rows.pivot_table(index=["y", "m"], columns="icb_code", values="n", aggfunc="sum", fill_value=0)
        for area in seen:
            mine = seen[area]
            lacking = [month for month in seen.index[mine == 0] if _expected(seen, area, month) >= _USUAL]
            if lacking:
                months = seen.index.difference(lacking)
                there = sorted(pd.Period(year=int(y), month=int(m), freq="M") for y, m in months)
                by_area.setdefault(str(area), {})[str(setting)] = f"only {span_words(there)}"
    # What is true of the whole area need not be said of its settings again.
    return {
        area: spans.get("") or "; ".join(f"{label(setting)} {words}" for setting, words in spans.items())
        for area, spans in sorted(by_area.items())
    }


def _expected(seen: pd.DataFrame, area: str, month: Any) -> float:
    """Return how many people an area would see in a month, were it as in those that hold the month."""
    others = seen.columns[seen.loc[month] > 0]
    mine = seen[area] > 0
    theirs = seen.loc[mine, others].to_numpy().sum()
    return float(seen[area].sum() * seen.loc[month, others].sum() / theirs) if theirs else 0.0


def last_whole_year(activity: Relation, year: str) -> str:
    """Return the year, if the data hold all its months, else the last one before it of which they do.

    Where there is none it is the year itself, of which `months_held` says what there is.
    """
    asked = months_held(activity, year)
    if asked.is_whole:
        return year
    first = activity.extent.first_start.year - 1 if activity.extent else asked.first
    for start in range(asked.first - 1, first - 1, -1):
        earlier = financial_year_from(start)
        if months_held(activity, earlier).is_whole:
            return earlier
    return year
