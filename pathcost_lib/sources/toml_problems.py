"""What pydantic finds wrong with a TOML file, in our words: the one place that turns its errors into sentences."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from pathcost_lib.errors import InputError, require_one_of

__all__ = ["fields_of", "kinds_of", "problems"]

Steps = Sequence[str | int]

#: What a value must be, by the error that pydantic gives where it is none.
_TYPES = {
    "string": "text, in quotation marks",
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "bool": "true or false",
    "list": "a list, in square brackets",
    "dict": "a table of keys and values",
    "model": "a table of keys and values",
    "date": "a date",
}
#: How many problems of a file are told. Of a longer file, or beside a longer value, no line is: finding it means
#: parsing parts of the file again, and a hostile file could make that take minutes.
_MOST_PROBLEMS, _MOST_CHARACTERS, _MOST_LINES_OF_A_VALUE = 10, 50_000, 50


def problems(
    error: ValidationError, model: type[BaseModel], content: Mapping[str, Any], file: str, path: Path | None
) -> list[str]:
    """Return each problem of a file in a sentence: file, line, table, key and what is allowed.

    The types that a value might have had are one problem.

    Parameters
    ----------
    error : ValidationError
        What pydantic has to say.
    model : type of model
        What the file may hold.
    content : mapping
        What it holds.
    file : str
        Its name.
    path : Path, optional
        Where it is; the line is known only then.
    """
    text = path.read_text(encoding="utf-8-sig") if path else ""
    grouped: dict[tuple[str | int, ...], tuple[_Spot, list[ErrorDetails]]] = {}
    for detail in error.errors(include_url=False):
        spot = _spot(detail, model, content)
        grouped.setdefault(spot.steps, (spot, []))[1].append(detail)
    told = list(grouped.values())[:_MOST_PROBLEMS]
    more = [f"{file}: and {len(grouped) - len(told)} more."] if len(grouped) > len(told) else []
    return [_sentence(spot, details, file, _line(text, spot.steps)) for spot, details in told] + more


def _sentence(spot: _Spot, details: list[ErrorDetails], file: str, line: int | None) -> str:
    place = ", ".join(part for part in (file, f"line {line}" if line else "", " ".join(spot.headings)) if part)
    detail, given, key = details[0], details[0].get("ctx", {}), spot.key
    kind, value = detail["type"], _short(detail["input"])
    if kind in ("missing", "union_tag_not_found"):
        return f"{place}: key {key!r} is missing{_about(spot)}."
    if kind == "extra_forbidden":
        return _unknown(key.rpartition(".")[2], fields_of(spot.table), f"{place}: key")
    if kind == "one_of" and detail["loc"][-1] == "[key]":
        return _unknown(detail["input"], given["allowed"], f"{place}, {key.rpartition('.')[0]}: key")
    if kind == "one_of":
        return _unknown(detail["input"], given["allowed"], f"{place}: {key}")
    if kind == "union_tag_invalid":
        return _unknown(given["tag"], re.findall("'(.*?)'", given["expected_tags"]), f"{place}: {key}")
    if kind == "must_be":
        return f"{place}: {key} must be {given['words']}, not {value}.{given['hint']}"
    if kind in ("rule", "value_error"):
        words = given["words"] if kind == "rule" else str(given["error"]).removeprefix(": ")
        return f"{place}, {key}: {words}"
    if kind in ("list_type", "too_short") and spot.lists_tables:
        return f"{place}: {key} must be at least one table, under [[{key}]]."
    wanted = list(dict.fromkeys(_TYPES.get(each["type"].partition("_")[0], "of another kind") for each in details))
    hint = _plain_number(detail["input"]) if any("number" in words for words in wanted) else ""
    return f"{place}: {key} must be {' or '.join(wanted)}, not {value}.{hint}"


def _unknown(value: str, allowed: Iterable[str], what: str) -> str:
    try:
        return require_one_of(value if len(value) <= 60 else f"{value[:57]}...", allowed, what=what)
    except InputError as error:
        return str(error)


def _about(spot: _Spot) -> str:
    """Return what a key that is missing is for."""
    field = fields_of(spot.table).get(str(spot.steps[-1]))
    return f" ({field.description[:1].lower()}{field.description[1:]})" if field and field.description else ""


def _plain_number(value: Any) -> str:
    """Return how a number that was written as text ("£382,158", "60%") is written in TOML."""
    digits = re.sub(r"[£,\s]", "", value) if isinstance(value, str) else ""
    if re.fullmatch(r"\d+(\.\d+)?%", digits):
        return f" Write it without quotes and %: {digits[:-1]}, or {float(digits[:-1]) / 100:g} if it is a share."
    return f" Write it without quotes, £ and commas: {digits}." if re.fullmatch(r"-?\d+(\.\d+)?", digits) else ""


def _short(value: Any) -> str:
    text = str(value) if isinstance(value, dt.date) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


# -- the place of a problem --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Spot:
    """Where a problem is: the steps to it in the file's own keys, headings of tables, the key, and the key's table."""

    steps: tuple[str | int, ...]
    headings: tuple[str, ...]
    key: str
    table: type[BaseModel]
    lists_tables: bool


def _spot(detail: ErrorDetails, model: type[BaseModel], content: Any) -> _Spot:
    """Walk to a problem through file and model at once: pydantic's own place names branches of unions besides."""
    ctx = detail.get("ctx", {})
    tag = [ctx["discriminator"].strip("'")] if "discriminator" in ctx else []
    place = (*detail["loc"], *(ctx["key"] if detail["type"] == "rule" else tag))
    absent = len(detail["loc"]) - (detail["type"] == "missing")  # from here on, a key need not be there
    kinds: list[Any] = [model]
    table, steps, headings, heading, key, lists = model, [], [], "", "", False
    for n, step in enumerate(place):
        there = step in _steps_of(content)
        if not there and n < absent:
            kinds = [kind for kind in kinds if step in _tags(kind)] or kinds
            continue
        table = next((kind for kind in kinds if _is_table(kind)), table)
        kinds = [inner for kind in kinds for inner in _inside(kind, step)]
        content = content[step] if there else {}
        steps.append(step)
        last, tables = n == len(place) - 1, any(map(_is_table, kinds))
        lists = any(_is_table(inner) for kind in kinds if get_origin(kind) is list for inner in _inside(kind, 0))
        if isinstance(step, int) and tables and not last:
            name = content.get("name")
            headings.append(f"[[{heading}]] {name if isinstance(name, str) else step + 1}")
        elif isinstance(step, int):
            key = key if isinstance(content, str) else f"value {step + 1} of {key or heading}"
        elif not key and not last and (tables or lists):
            heading = f"{heading}.{step}".strip(".")
            headings += [] if lists else [f"[{heading}]"]
        else:
            key = f"{key}.{step}".strip(".")
    return _Spot(tuple(steps), tuple(headings), key, table, lists)


def _steps_of(content: Any) -> Collection[Any]:
    if isinstance(content, list):
        return range(len(content))
    return content if isinstance(content, dict) else ()


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def fields_of(table: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a table by their keys in the file."""
    return {field.alias or name: field for name, field in table.model_fields.items()}


def _tags(kind: Any) -> tuple[Any, ...]:
    """Return the values of `kind` by which a table is told from others in the same place."""
    field = kind.model_fields.get("kind") if _is_table(kind) else None
    return get_args(field.annotation) if field else ()


def kinds_of(annotation: Any) -> list[Any]:
    """Return the types that a value may have, without `Annotated` and unions."""
    if get_origin(annotation) is Annotated:
        return kinds_of(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [kind for each in get_args(annotation) for kind in kinds_of(each) if kind is not type(None)]
    return [annotation]


def _inside(kind: Any, step: str | int) -> list[Any]:
    """Return the types of what is inside a value of one type."""
    if _is_table(kind):
        field = fields_of(kind).get(str(step))
        return kinds_of(field.annotation) if field else []
    return kinds_of(get_args(kind)[-1]) if get_origin(kind) in (list, dict) else []


# -- the line of a key -------------------------------------------------------------------------------------------------


def _line(text: str, steps: Steps) -> int | None:
    """Return the line on which a key stands, or the table that lacks it; None where that cannot be told.

    The first lines of a file, cut after a whole statement, are TOML too: the key stands in the first such part that
    has it.
    """
    if not 0 < len(text) <= _MOST_CHARACTERS:
        return None
    lines, content = text.splitlines(keepends=True), tomllib.loads(text)
    while steps and not _has(content, steps):
        steps = steps[:-1]
    low, high = 0, len(lines)  # the part of `low` lines lacks it, and of those from `high` on each whole one has it
    while high - low > 1:
        middle = (low + high) // 2
        end = min(high, middle + _MOST_LINES_OF_A_VALUE)
        whole = next((n for n in range(middle, end) if _parsed(lines[:n]) is not None), None)
        if whole is None and end < high:
            return None
        if whole is None or _has(_parsed(lines[:whole]), steps):
            high = middle
        else:
            low = whole
    while low < len(lines) and lines[low].lstrip()[:1] in ("", "#"):
        low += 1
    return low + 1 if steps else None


def _parsed(lines: list[str]) -> dict[str, Any] | None:
    """Return what the first lines of a file say; None where they end within a value."""
    try:
        return tomllib.loads("".join(lines))
    except tomllib.TOMLDecodeError:
        return None


def _has(content: Any, steps: Steps) -> bool:
    for step in steps:
        if isinstance(step, int):
            if not isinstance(content, list) or step >= len(content):
                return False
        elif not isinstance(content, dict) or step not in content:
            return False
        content = content[step]
    return True
