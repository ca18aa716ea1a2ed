"""The reader takes the tables of one notebook, and asks what their rows tell together that no row tells by itself.

- Order. A star among rows that are sorted by their numbers lies between its neighbours'.
- Twice. Rows of the same words in two tables: a number in one, a star in the other.
- Parts. A star of which a finer table shows every part.
- Two values of worth. Net benefit is worth times gain less cost: over the difference of two values of worth, that of
  two rows is the mean gain, and gains are scores in thousandths, so that the mean times its count is whole thousandths.
- Fieller's limits of cost over gain. Their middle is the ratio over 1 - g, g = z^2 var(gain) / (n gain^2) (Fieller,
  JRSS B 1954; 16: 175): the spread of gains that one row gives, and another row's limits, give the other's count.
- Words. Few people in figures or words, and what looks like a person's number or a day.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scipy.stats import norm

from pathcost_lib.packs.attack_rows import SMALLEST, STAR, counted, grain, is_number, span, tells, words_of

__all__ = ["COMMENT", "few_in_words", "table_leaks"]

Payload = Mapping[str, Any]
Leaks = Iterator[tuple[str, str]]

#: Words of a row that name what another word of it says, or comment on it.
COMMENT = {"reason", "provider", "finding", "how_sure", "may_be_warranted_by", "organisation"}
_FEW = re.compile(
    r"(?<!fewer than )(?<!to )(?<!least )(?<![\d.,£])\b(?:[1-7]|one|two|three|four|five|six|seven) "
    r"(?:patients?|people|persons?|contacts?|pathways?|events?|deaths?)\b",
    re.IGNORECASE,
)
#: A column of the code's own words: what a rule does.
_RULES = "what_it_does"
_PERSONAL = re.compile(r"\b\d{7,}\b|\b[0-9a-f]{20,}\b|\b\d{4}-\d\d-\d\d\b")
#: Gains in health are scores in thousandths.
_GAIN_PARTS = 1000
_Z = norm.ppf(0.975)


def table_leaks(payloads: Sequence[Payload]) -> Leaks:
    """Yield what the tables of a notebook give away: the table and column, and how."""
    people = [p for p in payloads if p["rule"] in SMALLEST]
    for payload in people:
        for look in (_order, _worth, _fieller, _words):
            yield from ((f"{payload['title']}{column}", how) for column, how in look(payload))
    yield from _twice(people)
    yield from _parts(people)


def few_in_words(text: str) -> list[str]:
    """Return what a text says of one to seven people, in figures or in words."""
    return _FEW.findall(text)


def _words(payload: Payload) -> Leaks:
    for row in payload["rows"]:
        for text in words_of(payload, row, but=_RULES):
            if few_in_words(text):
                yield ", in words", "it tells of one to seven people"
            if _PERSONAL.search(text):
                yield ", in words", "it holds what looks like a person's number or a day"


def _order(payload: Payload) -> Leaks:
    """A star among rows that are sorted by their numbers lies between its neighbours'."""
    rows, columns = payload["rows"], payload["columns"]
    words = [tuple(words_of(payload, row)) for row in rows]
    if words == sorted(words):
        return
    for place, column in enumerate(columns):
        values = [row[place] for row in rows]
        places = [n for n, value in enumerate(values) if is_number(value)]
        among = [n for n, value in enumerate(values) if value == STAR and places and places[0] < n < places[-1]]
        numbers = [values[n] for n in places]
        # Eight in a row by chance are one in 20,000, either way; fewer different ones would be an accident.
        if among and len(set(numbers)) >= 8 and numbers in (sorted(numbers), sorted(numbers, reverse=True)):
            yield f", {column['key']}", f"a star stands among rows sorted by {column['key']}"


def _dicts(payload: Payload, *columns: str) -> list[dict[str, float]]:
    """Return the rows in which all these columns have a number above zero."""
    heads = [c["key"] for c in payload["columns"]]
    rows = [dict(zip(heads, row, strict=True)) for row in payload["rows"]] if {*columns} <= {*heads} else []
    return [row for row in rows if all(is_number(row[c]) and (row[c] > 0 or c.startswith("net")) for c in columns)]


def _worth(payload: Payload) -> Leaks:
    """The slope of net benefit by what a gain is worth is the mean gain, in whole thousandths times its people."""
    rows = _dicts(payload, "threshold_gbp", "net_benefit_gbp", "pathways")
    for a, b in itertools.combinations(rows, 2):
        apart = b["threshold_gbp"] - a["threshold_gbp"]
        if a["pathways"] != b["pathways"] or not apart:
            continue
        gain = (b["net_benefit_gbp"] - a["net_benefit_gbp"]) / apart
        near = (grain(a["net_benefit_gbp"]) + grain(b["net_benefit_gbp"])) / 2 / abs(apart)
        if tells(lambda n, gain=gain, near=near: _whole_gains(gain, near, n), a["pathways"], payload["rule"]):  # type: ignore[misc]
            yield ", net_benefit_gbp", "two values of worth give the exact number of pathways"


def _whole_gains(gain: float, near: float, people: int) -> bool:
    ends = [(gain + sign * near) * people * _GAIN_PARTS for sign in (-1, 1)]
    return math.floor(ends[1] + 1e-6) >= math.ceil(ends[0] - 1e-6)


def _fieller(payload: Payload) -> Leaks:
    """The spread of gains, from one row's limits, and another row's limits are the other's exact count."""
    rows = _dicts(payload, "ratio_gbp", "lower_95", "upper_95", "qalys", "pathways")
    for donor, row in itertools.permutations(rows, 2):
        spread = [_variance(donor, n) for n in span(donor["pathways"], payload["rule"])]
        low, high = min(s[0] for s in spread), max(s[1] for s in spread)

        def fits(n: int, row: Mapping[str, float] = row, low: float = low, high: float = high) -> bool:
            own = _variance(row, n)
            return own[0] <= high and own[1] >= low

        if high > 0 and tells(fits, row["pathways"], payload["rule"]):
            yield ", upper_95", "Fieller's limits give the exact number of pathways"


def _variance(row: Mapping[str, float], people: int) -> tuple[float, float]:
    """Return between what the variance of gains lies, were a row's limits those of so many people."""
    ends = []
    half = (grain(row["lower_95"]) + grain(row["upper_95"])) / 2
    if abs(row["lower_95"] + row["upper_95"]) / 2 <= half:  # the middle may be zero: the limits tell nothing
        return -math.inf, math.inf
    for sign in (-1, 1):
        middle = (row["lower_95"] + row["upper_95"]) / 2 + sign * half
        g = 1 - (row["ratio_gbp"] - sign * grain(row["ratio_gbp"]) / 2) / middle
        ends.append(g * people * (row["qalys"] + sign * grain(row["qalys"]) / 2) ** 2 / _Z**2)
    return min(ends), max(ends)


def _twice(payloads: Sequence[Payload]) -> Leaks:
    """Rows of the same words in tables with the same columns of words: a number in one, a star in the other."""
    families: dict[tuple[Any, ...], dict[str, set[bool]]] = defaultdict(lambda: defaultdict(set))
    for payload in payloads:
        family = payload["title"].split(":")[0]
        for words, row in _labelled(payload, COMMENT - {"provider"}):
            for key, value in row.items() if words else ():
                if isinstance(value, int | float | str) and (key, value) not in words:
                    families[family, words, key][payload["title"]].add(value == STAR)
    for (_, _, key), tables in families.items():
        # Rows of the same words within one table are not the same row.
        if all(len(stars) == 1 for stars in tables.values()) and len({*map(min, tables.values())}) > 1:
            first, second = list(tables)[:2]
            yield f"{first}, {key}", f"hidden here or in {second!r}, and shown in the other"


def _labelled(payload: Payload, comment: set[str]) -> Iterator[tuple[frozenset[tuple[str, Any]], dict[str, Any]]]:
    """Yield each row by its words, without those that comment."""
    words = [c["key"] for c in payload["columns"] if not c["number"] and c["key"] not in comment]
    for row in payload["rows"]:
        cells = dict(zip((c["key"] for c in payload["columns"]), row, strict=True))
        yield frozenset((k, cells[k]) for k in words), cells


def _parts(payloads: Sequence[Payload]) -> Leaks:
    """A star in one table, and in a table of the same that is split once more a number for each of its parts."""
    tables = [(p, list(_labelled(p, COMMENT)), {c["key"] for c in p["columns"] if counted(c)}) for p in payloads]
    for (coarse, rows, counts), (fine, parts, more) in itertools.permutations(tables, 2):
        if coarse.get("of") != fine.get("of") or not counts & more or not rows or not parts:
            continue
        heads = {k for k, _ in rows[0][0]}
        if not heads or not heads < {k for k, _ in parts[0][0]}:
            continue
        for words, row in rows:
            own = [part for label, part in parts if words < label] if STAR in row.values() else []
            for key in (k for k in counts & more if row[k] == STAR):
                if own and all(is_number(part[key]) for part in own):
                    yield f"{coarse['title']}, {key}", f"hidden here, and its parts are shown in {fine['title']!r}"
