"""What a pathway is: an index event and the window round it, read from TOML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pathcost_lib import paths
from pathcost_lib.codes import PODS, SETTINGS
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.sources.contracts import PATTERNS
from pathcost_lib.sources.quoting import quote_value, quote_values
from pathcost_lib.sources.toml_files import read_toml

__all__ = [
    "INDEX_FIELDS",
    "OVERLAP_RULES",
    "Definition",
    "Phase",
    "anywhere",
    "available",
    "linked_with",
    "load_definition",
    "phases_of",
]

OVERLAP_RULES = ("nearest_index", "equal_split")

#: Ledger columns that an index may be chosen by; those with `_prefix` match beginnings.
INDEX_FIELDS = ("setting", "pod", "currency_code", "primary_procedure", "primary_diagnosis")
_INDEX_KEYS = (*INDEX_FIELDS, *(f"{f}_prefix" for f in INDEX_FIELDS[2:]))
_TOP_KEYS = ("name", "title", "description", "overlap", "scope", "index", "window", "phase")


@dataclass(frozen=True)
class Phase:
    """A named part of the window, in whole days from the index's start date, both ends included."""

    name: str
    from_day: int
    to_day: int


@dataclass(frozen=True)
class Definition:
    """A pathway: which activity is an index event, the window round it, its phases, and who gets what overlaps.

    A *qualifying* activity meets every key of `index`. It is an *index event* unless the same patient had another
    qualifying activity in the `washout_days` before. Every contact of the patient that starts in the window is in the
    pathway (scope "all_cause"). Where windows of one patient overlap, a contact belongs to the nearest index
    (a tie: to the earlier) or is split equally over them.
    """

    name: str
    title: str
    description: str
    overlap: str
    index: Mapping[str, tuple[str, ...]]
    washout_days: int
    before_days: int
    after_days: int
    phases: tuple[Phase, ...]

    def where(self) -> str:
        """Return the SQL condition by which a ledger row qualifies as index."""
        return " AND ".join(_condition(key, values) for key, values in self.index.items())

    def index_phase(self) -> str:
        """Return the name of the phase that holds day 0."""
        return next(p.name for p in self.phases if p.from_day <= 0 <= p.to_day)


def anywhere(definitions: Iterable[Definition]) -> str:
    """Return an SQL condition that every row meets which qualifies for any of the definitions, and few others.

    Definitions that choose by the same keys share one test a key, so that many cost the engine no more than one.
    """
    alike: dict[tuple[str, ...], dict[str, dict[str, None]]] = {}
    for d in definitions:
        values = alike.setdefault(tuple(sorted(d.index)), {key: {} for key in sorted(d.index)})
        for key, chosen in d.index.items():
            values[key] |= dict.fromkeys(chosen)
    tests = (" AND ".join(_condition(key, tuple(v)) for key, v in values.items()) for values in alike.values())
    return " OR ".join(f"({test})" for test in tests)


def phases_of(definitions: Iterable[Definition]) -> pd.DataFrame:
    """Return each phase of each definition: pathway, phase, from_day, to_day (days from the index)."""
    rows = [(d.name, p.name, p.from_day, p.to_day) for d in definitions for p in d.phases]
    return pd.DataFrame(rows, columns=["pathway", "phase", "from_day", "to_day"])


def available() -> list[str]:
    """Return the names of the pathway definitions that come with the suite."""
    return sorted(path.stem for path in paths.pathway_definitions().glob("*.toml"))


def load_definition(name: str | Path) -> Definition:
    """Read a pathway definition: by name from `data/pathways`, or your own `.toml` file.

    Raises
    ------
    InputError
        If there is no such definition, or its file breaks a rule: the file, the key and what is allowed are named.

    Examples
    --------
    What a knee replacement takes in: half a year before the operation and half a year after it, in four phases.

    >>> import pathcost_lib as pc
    >>> knee = pc.load_definition("knee_replacement")
    >>> knee.title, knee.before_days, knee.after_days
    ('Primary knee replacement', 180, 180)
    >>> [(phase.name, phase.from_day, phase.to_day) for phase in knee.phases]
    [('assessment', -180, -1), ('operation', 0, 2), ('rehabilitation', 3, 90), ('recovery', 91, 180)]
    """
    path = Path(name)
    if path.suffix != ".toml":
        require_one_of(str(name), available(), what="Pathway")
        path = paths.pathway_definitions() / f"{name}.toml"
    return _parse(read_toml(path, "pathway"), path.name)


def linked_with(chosen: Definition) -> tuple[Definition, ...]:
    """Return the pathways that are linked together with one: all that are shipped if it is one of them, else it alone.

    Each notebook and the explorer link by this rule, so that a pathway has one cost whichever shows it. Two ways to
    share out the contacts of overlapping windows would differ by few people, which tells of them.

    Raises
    ------
    InputError
        If a shipped definition breaks a rule.

    Examples
    --------
    >>> import pathcost_lib as pc
    >>> from pathcost_lib import pathways
    >>> [definition.name for definition in pathways.linked_with(pc.load_definition("stroke"))][:2]
    ['copd_exacerbation', 'diabetes_complication']
    """
    shipped = tuple(load_definition(name) for name in available())
    return tuple(d for d in shipped if d.overlap == chosen.overlap) if chosen in shipped else (chosen,)


def _parse(raw: dict[str, Any], file: str) -> Definition:
    def fail(message: str) -> InputError:
        return InputError(f"{file}: {message}")

    _only(raw, _TOP_KEYS, file, "top level")
    for key in ("name", "title", "description", "index", "window", "phase"):
        if key not in raw:
            raise fail(f"key {key!r} is missing.")
    for key in ("name", "title", "description"):
        if not isinstance(raw[key], str):
            raise fail(f"{key} must be text.")
    for key in ("index", "window"):
        if not isinstance(raw[key], dict):
            raise fail(f"[{key}] must be a table of keys and values.")
    if not isinstance(raw["phase"], list) or not all(isinstance(phase, dict) for phase in raw["phase"]):
        raise fail("[[phase]] must be a table for each phase.")
    _require_word(raw["name"], "name", file)
    overlap = raw.get("overlap", "nearest_index")
    if overlap not in OVERLAP_RULES:
        raise fail(f"overlap {overlap!r} is not known. Allowed: {', '.join(OVERLAP_RULES)}.")
    if raw.get("scope", "all_cause") != "all_cause":
        raise fail(f"scope {raw['scope']!r} is not known. Allowed: all_cause.")
    index = dict(raw["index"])
    washout = _days(index.pop("washout_days", 0), "index.washout_days", file)
    _only(index, _INDEX_KEYS, file, "[index]")
    if not index:
        raise fail(f"[index] chooses by nothing. Allowed keys: {', '.join(_INDEX_KEYS)}.")
    for key, values in index.items():
        if not isinstance(values, list) or not values or not all(isinstance(v, str) and v for v in values):
            raise fail(f"index.{key} must be a list of texts, in square brackets.")
        for value in values:
            if not re.fullmatch(PATTERNS["currency"][0], value):
                raise fail(f"index.{key}: {value!r} is not {PATTERNS['currency'][1]}.")
    for key, allowed in (("pod", PODS), ("setting", SETTINGS)):
        for value in index.get(key, ()):
            if value not in allowed:
                raise fail(f"index.{key} {value!r} is not known. Allowed: {', '.join(allowed)}.")
    window = raw["window"]
    _only(window, ("before_days", "after_days"), file, "[window]")
    before = _days(window.get("before_days"), "window.before_days", file)
    after = _days(window.get("after_days"), "window.after_days", file)
    phases = tuple(_phase(p, file) for p in raw["phase"])
    _check_tiling(phases, before, after, file)
    return Definition(
        name=raw["name"],
        title=raw["title"],
        description=raw["description"],
        overlap=overlap,
        index={key: tuple(values) for key, values in index.items()},
        washout_days=washout,
        before_days=before,
        after_days=after,
        phases=phases,
    )


def _phase(raw: dict[str, Any], file: str) -> Phase:
    _only(raw, ("name", "from_day", "to_day"), file, "[[phase]]")
    if not isinstance(raw.get("name"), str):
        raise InputError(f"{file}: a [[phase]] has no name.")
    _require_word(raw["name"], "phase name", file)
    first, last = raw.get("from_day"), raw.get("to_day")
    if type(first) is not int or type(last) is not int:
        raise InputError(f"{file}: phase {raw['name']!r} needs whole days from_day and to_day.")
    return Phase(raw["name"], first, last)


def _check_tiling(phases: tuple[Phase, ...], before: int, after: int, file: str) -> None:
    expected = -before
    for phase in phases:
        if phase.from_day != expected or phase.to_day < phase.from_day:
            raise InputError(
                f"{file}: phase {phase.name!r} runs from day {phase.from_day} to {phase.to_day}; it must start on day "
                f"{expected} and not end before it starts. Phases tile the window, day {-before} to {after}, in order."
            )
        expected = phase.to_day + 1
    if expected != after + 1:
        raise InputError(f"{file}: the phases end on day {expected - 1}, the window on day {after}. They must agree.")
    if len({p.name for p in phases}) != len(phases):
        raise InputError(f"{file}: two phases have the same name.")


def _require_word(value: str, key: str, file: str) -> None:
    if not re.fullmatch(PATTERNS["word"][0], value):
        raise InputError(f"{file}: {key} {value!r} is not {PATTERNS['word'][1]}.")


def _days(value: Any, key: str, file: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 3660:
        raise InputError(f"{file}: {key} must be a whole number of days from 0 to 3660, not {value!r}.")
    return value


def _only(raw: Mapping[str, Any], allowed: tuple[str, ...], file: str, where: str) -> None:
    unknown = sorted(set(raw) - set(allowed))
    if unknown:
        raise InputError(f"{file}: unknown key {', '.join(unknown)} in {where}. Allowed: {', '.join(allowed)}.")


def _condition(key: str, values: tuple[str, ...]) -> str:
    if key.endswith("_prefix"):
        column = key.removesuffix("_prefix")
        tests = " OR ".join(f"substr({column}, 1, {len(v)}) = {quote_value(v)}" for v in values)
        return f"({tests})"
    return f"{key} IN ({quote_values(values)})"
