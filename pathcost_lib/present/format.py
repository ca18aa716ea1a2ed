"""Numbers become words here, and nowhere else: pure formatters for one value, and the unit in a column's name."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from pathcost_lib.codes import label

__all__ = [
    "ABSENT",
    "LIMIT",
    "UNITS",
    "Unit",
    "begin",
    "care",
    "count",
    "heading",
    "inside",
    "interval",
    "measure_of",
    "percent",
    "plain_pounds",
    "pounds",
    "say",
    "short_pounds",
    "shortened",
    "signed_pounds",
    "three_figures",
    "tick_pounds",
    "unit",
    "units_of",
]

ABSENT = "–"
_MINUS = "\u2212"
#: A limit of an interval: `lower_95`, `difference_upper_95`.
LIMIT = re.compile(r"(?:^|_)(lower|upper)_(\d+)$")
#: Columns that stand between a measure and its limits, and are no measure of theirs.
_SPREAD = re.compile(r"(^|_)(se|sd|n|z|count)(_|$)")


def _rounded(value: float, places: int) -> Decimal:
    # Half away from zero, as an accountant rounds; Python's own formatting rounds half to even.
    return Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def _say(value: float | None, places: int, before: str = "", after: str = "", plus: str = "") -> str:
    if value is None or math.isnan(value):
        return ABSENT
    number = _rounded(value, places)
    sign = _MINUS if number < 0 else plus if number > 0 else ""
    return f"{sign}{before}{abs(number):,.{places}f}{after}"


def pounds(value: float | None, places: int = 0) -> str:
    """Return pounds: 1234.5 is "£1,235", -3 is "−£3", NaN is a dash."""
    return _say(value, places, before="£")


def signed_pounds(value: float | None, places: int = 0) -> str:
    """Return a difference in pounds with its sign always said: "+£12", "−£3"."""
    return _say(value, places, before="£", plus="+")


def short_pounds(value: float | None, plus: str = "+") -> str:
    """Return pounds to three figures, as a cell or a figure has room for: 1308036 is "+£1.31m", -87925 is "−£88k"."""
    if value is None or math.isnan(value):
        return ABSENT
    for size, letter in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
        figure = abs(value) / size
        if figure >= 0.9995:
            places = 0 if figure >= 99.95 else 1 if figure >= 9.995 else 2
            places = places if letter != "k" else 1 if figure < 9.95 else 0
            return _say(value / size, places, before="£", after=letter, plus=plus)
    return _say(value, 0, before="£", plus=plus)


def three_figures(value: float | None) -> str:
    """Return a count to three figures: 65785 is "65,800"."""
    return ABSENT if value is None or math.isnan(value) else count(float(f"{value:.3g}"))


def plain_pounds(value: float | None) -> str:
    """Return pounds as a sentence has them, to three figures and without a sign: "£2,370", "£146k", "£1.21m"."""
    if value is None or math.isnan(value):
        return ABSENT
    size = abs(value)
    if size >= 99_950:
        return short_pounds(size, plus="")
    return pounds(float(f"{size:.3g}"), 2 if 0 < size < 9.995 else 0)


def begin(text: str) -> str:
    """Return a phrase as it begins a sentence."""
    return text[:1].upper() + text[1:]


def inside(text: str) -> str:
    """Return a phrase as it stands inside a sentence: its first letter is small, unless it begins with capitals.

    Examples
    --------
    >>> inside("Hip fracture"), inside("A&E, major department"), inside("COPD exacerbation")
    ('hip fracture', 'A&E, major department', 'COPD exacerbation')
    """
    return text if text[1:2].isupper() or text[1:2] == "&" else text[:1].lower() + text[1:]


def care(name: object) -> str:
    """Return a setting, or the title of a pathway, as it stands inside a sentence.

    Examples
    --------
    >>> care("admitted"), care("emergency"), care("Hip fracture"), care("community")
    ('admitted care', 'A&E', 'hip fracture', 'community care')
    """
    text = inside(say(name))
    return f"{text} care" if name in ("admitted", "community", "outpatient") else text


def tick_pounds(value: float) -> str:
    """Return pounds as an axis has room for: without a sign before gains and without zeros after the point."""
    return re.sub(r"\.0+(?=\D|$)|(?<=\.\d)0(?=\D)", "", short_pounds(value, plus=""))


def percent(value: float | None, places: int = 0) -> str:
    """Return a percentage that is already in per cent: 12.4 is "12%"; 0.3 is "under 1%", because it is not nothing."""
    little = value is not None and 0 < abs(value) < 0.5
    return f"{_share(value)}%" if little and places == 0 else _say(value, places, after="%")


def count(value: float | None) -> str:
    """Return a whole number with thousands separated."""
    return _say(value, 0)


def _share(value: float | None) -> str:
    """Return a number of per cent: a decimal place where it has one, and a little is not nothing."""
    if value is None or math.isnan(value):
        return ABSENT
    if 0 < abs(value) < 0.1:
        return "under 0.1" if value > 0 else f"over {_MINUS}0.1"
    return _say(value, 0 if float(_rounded(value, 1)).is_integer() else 1)


def _probability(value: float | None) -> str:
    """Return a probability in per cent; what simulation finds is never impossible, nor certain."""
    if value is None or math.isnan(value):
        return ABSENT
    return "under 1" if value < 1 else "over 99" if value > 99 else count(value)


def interval(lower: float | None, upper: float | None, form: Callable[[float | None], str] = pounds) -> str:
    """Return an interval in words, "£1,200 to £1,450"; a dash where either end is missing."""
    ends = form(lower), form(upper)
    return ABSENT if ABSENT in ends else f"{ends[0]} to {ends[1]}"


def say(name: object) -> str:
    """Return a code as words ("primary_care" is "Primary care"); a proper name stays as it is written."""
    text = str(name)
    return label(text) if text == text.lower() else text


def shortened(text: str, most: int) -> str:
    """Return a name that is no longer than `most` characters, cut between words where it can be: its end is "..."."""
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    kept = text[: most - 1]
    words = kept.rsplit(" ", 1)[0]
    return f"{words if len(words) > most / 2 else kept}\u2026"


@dataclass(frozen=True)
class Unit:
    """A unit of measure: what a heading says, how a page writes it, how Excel shows it."""

    code: str
    symbol: str
    form: Callable[[float | None], str]
    excel: str


_NONE = Unit("", "", lambda value: _say(value, 1), "#,##0.0")

#: A column's unit is the last word of its name: `cost_gbp`, `held_pct`, `pathways`, `stage_rank`.
UNITS: dict[str, Unit] = {
    "gbp": Unit("gbp", "£", pounds, "£#,##0;-£#,##0"),
    "exact": Unit("exact", "£", lambda value: pounds(value, 2), "£#,##0.00;-£#,##0.00"),
    # Below a twentieth the cell shows as many places as it takes: what is not nothing is not shown as 0.0.
    "pct": Unit("pct", "%", _share, "[>=0.05]0.0;[<=-0.05]-0.0;0.0#####"),
    "pathways": Unit("pathways", "number", count, "#,##0"),
    "contacts": Unit("contacts", "number", count, "#,##0"),
    "rows": Unit("rows", "number", count, "#,##0"),
    "persons": Unit("persons", "number", count, "#,##0"),
    "organisations": Unit("organisations", "number", count, "#,##0"),
    "cells": Unit("cells", "number", count, "#,##0"),
    "months": Unit("months", "number", count, "#,##0"),
    "chance": Unit("chance", "%", _probability, "0.0"),
    "qalys": Unit("qalys", "QALYs", lambda value: _say(value, 2), "0.00"),
    "gain": Unit("gain", "", lambda value: _say(value, 3), "0.000"),
    "mase": Unit("mase", "", lambda value: _say(value, 2), "0.00"),
    "year": Unit("year", "", lambda value: _say(value, 0).replace(",", ""), "0"),
    "rank": Unit("rank", "", count, "0"),
    "decile": Unit("decile", "", count, "0"),
}


def unit(code: str) -> Unit:
    """Return the unit of a code in `UNITS`; any other code is a plain number."""
    return UNITS.get(code, _NONE)


def units_of(columns: Iterable[str]) -> dict[str, Unit]:
    """Return each column's unit from its name; a limit (`lower_95`) has the unit of the measure before it."""
    units: dict[str, Unit] = {}
    measure = _NONE
    for column in columns:
        if not LIMIT.search(column):
            measure = unit(column.rsplit("_", 1)[-1])
        units[column] = measure
    return units


def measure_of(limit: str, before: Sequence[str]) -> str:
    """Return which number a limit belongs to, by the numbers before it: the first of its own name, else the last.

    Counts and spreads, which may stand between a number and its limits, are passed over; empty where there is none.

    Examples
    --------
    >>> measure_of("upper_95", ["persons", "mean_gbp", "mean_se", "lower_95"])
    'mean_gbp'
    >>> measure_of("difference_lower_95", ["difference_gbp", "share_pct"])
    'difference_gbp'
    """
    match = LIMIT.search(limit)
    stem = limit[: match.start()] if match else ""
    numbers = [name for name in before if not LIMIT.search(name)]
    named = [name for name in numbers if stem and (name == stem or name.startswith(f"{stem}_"))]
    return next(iter(named), next((name for name in reversed(numbers) if not _SPREAD.search(name)), ""))


def heading(column: str) -> str:
    """Return a column's name as a heading: "difference_lower_95" is "Difference, lower 95% limit"."""
    limit = LIMIT.search(column)
    if limit:
        stem = column[: limit.start()].replace("_", " ").strip()
        return f"{stem}, {limit[1]} {limit[2]}% limit".lstrip(", ").capitalize().replace("Qalys", "QALYs")
    return label(re.sub(r"_(gbp|pct|gbp_exact)$", "", column)).replace("Qalys", "QALYs")
