"""The reader takes one row and asks which exact counts, and whose cost, its numbers give away.

Nothing here knows how numbers are rounded. It knows what a reader knows: that a count of 15 stands for 13 to 17, and
how the other numbers of a row are worked out from counts. Of each formula it asks first whether the shown, rounded
counts give the shown number: then it tells nothing. Else the number came from true counts, and those that fit are kept.

Formulas: a mean times its count is whole pence; a total over its mean is the count; a share of people is one count over
another; Wilson's limits of it; Byar's limits of a rate, whose two sides differ by the number of events alone
(`n (1 - 1/(9n) - z/(3 sqrt n))^3` and that of n + 1 with the other sign: Breslow and Day 1987, page 69); t limits of a
mean, from which the sum of squares follows, and that one person bears at least sum of squares over squared sum of it;
a mean of days times its count is whole days; a standard deviation over a standard error, squared, is the count; so many
pounds a patient, in words, times the count is the excess. A rate or an index times what is public (a population, what
is expected) is a count, whatever the public number is: so each is as exact as one person's share of it, and no more.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from scipy.stats import norm, t

__all__ = ["SMALLEST", "STAR", "counted", "grain", "is_number", "row_leaks", "span", "tells", "words_of"]

STAR = "*"
#: The smallest count that a rule shows. Counts are to the nearest 5 by each of them.
SMALLEST = {"hes": 8, "mental_health": 7, "omop": 5}
_PEOPLE = re.compile(r"(^|_)(pathways|contacts|rows|persons|cases|passages|events|units)$")
_LIMIT = re.compile(r"^(.*?)_?(lower|upper)_(\d\d)$")
_POUNDS = re.compile(r"^(mean|value|pathway|stage|target|answered|silent|ratio|marginal|actual|cost)_gbp$")
#: What times a public number counts events.
_EVENTS = re.compile(r"^(rate|crude_rate|index)$")
_MIDDLE = re.compile(r"^(median|p\d\d?)_gbp$")
#: So many pounds each, as words say it: "£2,600 (30%) more per patient".
_EACH = re.compile(r"£(\d[\d,]*(?:\.\d+)?)(k?)(?: \([^)]*\))?(?: (?:more|less))? (?:a|per|each|for each) [a-z]")
_EXTREME = re.compile(r"^(min|max|smallest|largest|highest|lowest)_|_(min|max)$")
_QUANTILE = re.compile(r"^p(\d\d?)_(days|gbp)$")
#: Shares of people: numerator and divisor by the names of their columns; none where it is not shown.
_SHARES = {
    "linkage_pct": ("linked_pathways", "due_pathways"),
    "response_pct": ("answered_pathways", "linked_pathways"),
    "high_pct": ("", "unusual_rows"),
}
#: Sums of pounds of all people of a row.
_WHOLE = re.compile(r"^(cost|actual|excess|opportunity)_gbp$")
#: In how many parts what a mean is of is counted: whole pence, whole days.
_PARTS = {"_gbp": 100, "mean_days": 1}
#: Columns of which each counts some of those that the next counts.
_NESTED = ("answered_pathways", "linked_pathways", "due_pathways", "pathways")
_MOST = 4000  # combinations of counts; beyond, a row has too many people for any of this to tell


def is_number(value: Any) -> bool:
    """Say whether a cell holds a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def words_of(payload: Mapping[str, Any], row: Sequence[Any], *, but: str = "") -> list[str]:
    """Return what a row says in words, but in one column."""
    pairs = zip(payload["columns"], row, strict=True)
    return [str(v) for c, v in pairs if not c["number"] and v is not None and c["key"] != but]


def counted(column: Mapping[str, Any]) -> bool:
    """Say whether a column counts people or contacts."""
    return bool(column["number"] and _PEOPLE.search(column["key"]))


def grain(value: float) -> float:
    """Return the coarsest step, 1, 2 or 5 times a power of ten, of which a shown number is a multiple."""
    if not value:
        return 0.0
    _, digits, power = Decimal(repr(round(float(value), 6))).normalize().as_tuple()
    lead = 5 if digits[-1] == 5 else 2 if digits[-1] % 2 == 0 else 1
    return float(lead * Decimal(10) ** int(power))


def span(value: Any, rule: str) -> range:
    """Return the exact counts that a shown count stands for."""
    number = round(value)
    return range(max(number - 2, SMALLEST.get(rule, 8)), number + 3) if number else range(1)


def row_leaks(payload: Mapping[str, Any], row: Sequence[Any], people: range | None = None) -> Iterator[tuple[str, str]]:
    """Yield what one row of a table gives away: the column, and how.

    Parameters
    ----------
    payload : mapping
        The table.
    row : sequence
        One row of it.
    people : range, optional
        How many people the row's means are of, where another table says so.
    """
    rule = payload["rule"]
    if rule not in SMALLEST:
        return
    values = {c["key"]: v for c, v in zip(payload["columns"], row, strict=True) if c["number"]}
    counts = {c["key"]: values[c["key"]] for c in payload["columns"] if counted(c)}
    yield from _beside_a_star(values, counts)
    yield from _of_a_star(values, counts)
    numbers = {k: float(v) for k, v in values.items() if is_number(v)}
    whole = {k: numbers[k] for k in counts if k in numbers}
    for key, value in whole.items():
        if abs(value / 5 - round(value / 5)) > 1e-9:
            yield key, "a count is not rounded"
        elif 0 < value < SMALLEST[rule] - 2:
            yield key, "a count of fewer than may be told of"
    if any(abs(v / 5 - round(v / 5)) > 1e-9 for v in whole.values()):
        return
    of = min((span(v, rule) for v in whole.values() if v), key=lambda s: s.stop, default=None)
    known = people if people and (of is None or people.stop < of.stop) else of
    yield from _too_close(numbers, whole, known)
    yield from _extremes(numbers, of)
    yield from _dominated(numbers, people or _people_of(whole, rule))
    yield from _told(numbers, whole, rule, _each_in(words_of(payload, row)))


def _people_of(whole: Mapping[str, float], rule: str) -> range | None:
    key = next((k for k in ("pathways", "persons") if whole.get(k)), "")
    return span(whole[key], rule) if key else None


def _beside_a_star(values: Mapping[str, Any], counts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A row whose every count is hidden has no number of its own."""
    if not counts or any(v != STAR for k, v in counts.items() if not k.startswith(("reference_", "all_"))):
        return
    for key, value in values.items():
        own = not key.startswith(("reference", "all_")) and key not in counts and not key.endswith("coverage_pct")
        if own and isinstance(value, int | float) and re.search(r"_gbp$|(^|_)rank|_days$|^rate|index$", key):
            yield key, "a number stands in a row that is hidden"


def _of_a_star(values: Mapping[str, Any], counts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A share of what is hidden, times what is shown, is what is hidden."""
    for key, value in values.items():
        if key.endswith("_pct") and is_number(value):
            stem = key.removesuffix("_pct")
            parts = [*_SHARES.get(key, ()), *(c for c in counts if c == stem or c.startswith(f"{stem}_"))]
            if any(values.get(c) == STAR for c in parts):
                yield key, "a share of what is hidden"


def _too_close(
    numbers: Mapping[str, float], whole: Mapping[str, float], people: range | None
) -> Iterator[tuple[str, str]]:
    """With the number of people known exactly, a total is known no better than to one average person's cost."""
    if people is None or people.stop <= 1:
        return
    most = people.stop - 1
    for key, value in numbers.items():
        limit = _LIMIT.match(key)
        named = f"{limit[1]}_gbp" if limit and limit[1] else "mean_gbp" if limit and _first(numbers) else key
        if _MIDDLE.match(key) and value and grain(value) < 0.85 * abs(value) / max(whole.values()):
            yield key, "one person's cost, or half way between two"
        if key in whole or not (_POUNDS.match(named) or _EVENTS.match(named)) or not value:
            continue
        if limit:  # a limit is as exact as its measure, or three figures
            near = grain(value) < 0.9 * abs(value) / 1000 and grain(value) < abs(value) / most
        else:
            near = grain(value) < 0.85 * abs(value) / most
        if near:
            yield key, "more exact than one person's share of it"


def _first(numbers: Mapping[str, float]) -> str:
    return next((k for k in numbers if _POUNDS.match(k)), "")


def _extremes(numbers: Mapping[str, float], people: range | None) -> Iterator[tuple[str, str]]:
    for key in numbers:
        quantile = _QUANTILE.match(key)
        if _EXTREME.search(key):
            yield key, "one person's value"
        elif quantile and people and (people.stop - 1) * min(int(quantile[1]), 100 - int(quantile[1])) / 100 < 8:
            yield key, "fewer than eight people lie beyond it"


def _dominated(numbers: Mapping[str, float], people: range | None) -> Iterator[tuple[str, str]]:
    """From t limits: one person bears at least the sum of squares over the squared sum."""
    mean, upper = numbers.get("mean_gbp", 0.0), numbers.get("upper_95")
    if not people or mean <= 0 or upper is None or people.start < 2:
        return
    reach = upper - grain(upper) - mean - grain(mean) / 2
    least = mean + grain(mean) / 2
    shares = [1 / n + (n - 1) * max(reach, 0.0) ** 2 / (n * t.ppf(0.975, n - 1) ** 2 * least**2) for n in people]
    if min(shares) > 0.5:
        yield "upper_95", "its width says that one person bears over half of the cost"


# -- which exact counts fit -------------------------------------------------------------------------------------------
def tells(fits: Callable[[int], bool], value: float, rule: str) -> bool:
    """Say whether one exact count alone fits, of several that a shown count stands for, and not the shown one."""
    return not fits(round(value)) and sum(map(fits, span(value, rule))) == 1


def _told(
    numbers: Mapping[str, float], whole: Mapping[str, float], rule: str, each: Sequence[float]
) -> Iterator[tuple[str, str]]:
    """Keep the exact counts that fit each number which the rounded counts do not explain."""
    names = [k for k in whole if whole[k]]
    spans = [span(whole[k], rule) for k in names]
    if not names or math.prod(map(len, spans)) > _MOST:
        return
    fits = [dict(zip(names, values, strict=True)) for values in itertools.product(*spans)]
    fits = [f for f in fits if all(f[a] <= f[b] for a, b in _pairs(names))]
    centre = dict(whole)
    for column, formula in _formulas(numbers, names, each):
        if formula(centre):
            continue  # the rounded counts explain it
        left = [f for f in fits if formula(f)]
        if not left:
            continue  # it is worked out otherwise
        alone = [k for k in names if len({f[k] for f in left}) == 1 < len({f[k] for f in fits})]
        few = [1 for a, b in _pairs(names) if all(1 <= f[b] - f[a] <= 7 for f in left)]
        if alone:
            yield column, f"it gives the exact number of {alone[0]}"
        elif few:
            yield column, "it gives a difference of one to seven people"


def _pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    keys = [k for k in _NESTED if k in names]
    return list(itertools.combinations(keys, 2))


def _each_in(words: Sequence[str]) -> list[float]:
    """Return the pounds for each person that words say."""
    pairs = (pair for text in words for pair in _EACH.findall(text))
    return [float(number.replace(",", "")) * (1000 if k else 1) for number, k in pairs]


def _formulas(numbers: Mapping[str, float], names: Sequence[str], each: Sequence[float]) -> Iterator[tuple[str, Any]]:
    """Yield each number that follows from counts, with a test of whether some counts give it."""
    last = next((k for k in ("pathways", *reversed(names)) if k in names), names[-1])
    for key, value in numbers.items():
        near = grain(value) / 2
        if value and (parts := _PARTS["_gbp"] if _POUNDS.match(key) else _PARTS.get(key, 0)):
            yield key, lambda f, v=value, n=last, k=parts: _whole_parts(v, f[n], k)
        own = numbers.get("mean_gbp", 0) if key in ("cost_gbp", "actual_gbp") else 0
        for mean in (own, *each) if _WHOLE.match(key) else ():
            if mean > 0 and value:
                yield key, lambda f, v=value, h=near, m=mean, n=last: _quotient(abs(v), h, m, f[n])
        if re.search(r"(^|_)sd(_|$)", key) and numbers.get(error := re.sub(r"(^|_)sd(?=_|$)", r"\1se", key), 0) > 0:
            yield key, lambda f, v=value, e=numbers[error], n=last: _spread(v, e, f[n])
        if key in _SHARES or (key == "value" and {"events", "pathways"} <= {*names} and _is_share(numbers)):
            part, divisor = _SHARES.get(key, ("events", "pathways"))
            step = 1.0 if round(value) == round(value, 6) else 10.0 ** -_decimals(value)
            if divisor in names and (not part or part in names):
                yield key, lambda f, v=value, p=part, d=divisor, h=step: _share(v, h, f.get(p), f[d])
        limit = _LIMIT.match(key)
        if limit and limit[2] == "upper" and (triple := _rate_of(numbers, key)):
            yield key, lambda f, rates=triple, n=last, level=int(limit[3]): _byar(rates, f[n], level)
        if limit and numbers.get("value") is not None and {"events", "pathways"} <= {*names} and _is_share(numbers):
            side = 1 if limit[2] == "upper" else -1
            yield key, lambda f, v=value, s=side: _wilson(v, s, f["events"], f["pathways"])


def _is_share(numbers: Mapping[str, float]) -> bool:
    share = 100 * numbers["events"] / numbers["pathways"] if numbers.get("pathways") else 0.0
    return abs(min(share, 100.0) - numbers["value"]) <= 12  # by another measure of the same table it is far off


def _decimals(value: float) -> int:
    _, _, power = Decimal(repr(round(value, 6))).normalize().as_tuple()
    return max(-int(power), 0)


def _whole_parts(mean: float, people: float, parts: int) -> bool:
    near = 0.5 * 10.0 ** -_decimals(mean)
    return math.floor((mean + near) * people * parts + 1e-6) >= math.ceil((mean - near) * people * parts - 1e-6)


def _spread(deviation: float, error: float, people: float) -> bool:
    """Say whether a standard deviation over the root of so many people is a standard error."""
    half, root = grain(deviation) / 2, math.sqrt(people)
    return abs(deviation / root - error) <= half / root + grain(error) / 2


def _quotient(total: float, near: float, mean: float, people: float) -> bool:
    half = grain(mean) / 2
    return (mean - half) * people <= total + near and (mean + half) * people >= total - near


def _share(value: float, step: float, part: float | None, whole: float) -> bool:
    parts = [part] if part is not None else [math.floor(value * whole / 100), math.ceil(value * whole / 100)]
    # Divisors alone: numbers to the step that is shown, coarse ones to the coarsest that they are a multiple of.
    reach = step / 2 if part is not None else max(step, grain(value) if value % 100 else 5.0) / 2
    return any(abs(100 * min(p / whole, 1.0) - value) <= reach + 1e-9 for p in parts)


def _rate_of(numbers: Mapping[str, float], upper: str) -> tuple[float, float, float] | None:
    """Return a rate with its limits; whose it is stands before it."""
    lower, stem = upper.replace("upper", "lower"), _LIMIT.match(upper)[1]  # type: ignore[index]
    measure = stem or ("rate" if "rate" in numbers else "crude_rate")
    if not re.search(r"rate$", measure) or measure not in numbers or lower not in numbers:
        return None
    triple = numbers[lower], numbers[measure], numbers[upper]
    return triple if 0 < triple[0] < triple[1] < triple[2] else None


def _byar(rates: tuple[float, float, float], events: float, level: int) -> bool:
    """Say whether the two sides of a rate's interval are to each other as those of so many events."""
    low, rate, high = rates
    z = norm.ppf(0.5 + level / 200)
    below = events - events * (1 - 1 / (9 * events) - z / (3 * math.sqrt(events))) ** 3
    after = events + 1
    above = after * (1 - 1 / (9 * after) + z / (3 * math.sqrt(after))) ** 3 - events
    half = grain(rate) / 2
    least = (high - grain(high) - rate - half) / (rate + half - low)
    reach = rate - half - low - grain(low)
    most = (high - rate + half) / reach if reach > 0 else math.inf
    return least - 1e-9 <= above / below <= most + 1e-9


def _wilson(limit: float, side: int, part: float, whole: float) -> bool:
    z, share = norm.ppf(0.975), min(part / whole, 1.0)
    middle = (share + z * z / (2 * whole)) / (1 + z * z / whole)
    reach = z * math.sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole)) / (1 + z * z / whole)
    exact = 100 * (middle + side * reach)
    step = 1.0 if round(limit) == round(limit, 6) else 10.0 ** -_decimals(limit)
    return abs(exact - limit) <= step + 1e-9
