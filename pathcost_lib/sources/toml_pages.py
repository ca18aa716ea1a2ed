"""What is made from a model beside its check: the schema that editors complete by, and the tables of keys on a page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from pathcost_lib import codes
from pathcost_lib.sources.toml_models import Limits, Table
from pathcost_lib.sources.toml_problems import fields_of, kinds_of

__all__ = ["editor_schema", "key_tables"]

_KINDS = {str: "text", float: "number", int: "whole number", bool: "true or false"}


def editor_schema(model: type[Table]) -> str:
    """Return the JSON schema of a file, as it is committed: an editor completes and checks keys by it."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def key_tables(model: type[Table]) -> str:
    """Return the keys of a file in Markdown: a heading and a table for each of its tables, then settings and PODs."""
    services = [
        f"| `{pod.setting}` | `{pod.code}` | {pod.label} | {codes.words(pod.unit)} |" for pod in model.services.values()
    ]
    lines = [
        *_lines("", "", model),
        "### Settings and points of delivery (POD)\n",
        "| setting | POD | what it is | counted in |",
        "|---|---|---|---|",
        *services,
    ]
    return "\n".join(lines).strip() + "\n"


def _lines(path: str, heading: str, table: type[Table]) -> Iterator[str]:
    yield f"### `{heading}`" if heading else "### At the top of the file"
    yield f"\n{_about(table)}\n"
    yield "| key | meaning | unit and range | if left out | example |"
    yield "|---|---|---|---|---|"
    inside = []
    for key, field in fields_of(table).items():
        inner = [kind for each in kinds_of(field.annotation) for kind in _tables_in(each)]
        place = f"{path}.{key}".strip(".")
        if inner and get_origin(kinds_of(field.annotation)[0]) is not dict:
            many = get_origin(kinds_of(field.annotation)[0]) is list
            inside += [(place, f"[[{place}]]" if many else f"[{place}]", each) for each in inner]
            continue
        cells = (f"`{key}`", field.description or "", _range(field), _default(field), _example(key, field))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        inside += [(place, f"{place}.NAME", each) for each in inner]
    yield ""
    for place, title, each in inside:
        kind = each.model_fields.get("kind")
        named = f", kind = {get_args(kind.annotation)[0]}" if kind and get_args(kind.annotation) else ""
        yield from _lines(place, title + named, each)


def _about(table: type[Table]) -> str:
    return " ".join((table.__doc__ or "").split("\n\n")[0].split())


def _tables_in(kind: Any) -> list[type[Table]]:
    if isinstance(kind, type) and issubclass(kind, Table):
        return [kind]
    return [t for each in get_args(kind) for k in kinds_of(each) for t in _tables_in(k)] if get_origin(kind) else []


def _range(field: FieldInfo) -> str:
    """Return the unit and range of a value, or of what it lists."""
    rules = [str(rule) for rule in _rules(field.annotation, field.metadata)]
    (first, *_) = kinds_of(field.annotation)
    kind = get_origin(first) or first
    if kind is list:
        (inside,) = get_args(first)
        return f"a list, each {rules[-1] if rules else _KINDS.get(inside, 'text')}"
    if kind is dict:
        return f"a table, each {rules[-1] if rules else 'text'}"
    if kind in (int, float):
        whole = "whole " if kind is int and not any(isinstance(r, Limits) for r in field.metadata) else ""
        return rules[0] if rules else f"{whole}number"
    return rules[0] if rules else _KINDS.get(kind, "text")


def _rules(annotation: Any, metadata: list[Any]) -> Iterator[Any]:
    """Walk over the rules of a type and of what is inside it."""
    yield from (rule for rule in metadata if isinstance(rule, str) or type(rule).__module__ == Limits.__module__)
    for each in get_args(annotation):
        yield from _rules(each, list(getattr(each, "__metadata__", ())))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**must be given**"
    value = field.get_default(call_default_factory=True)
    parameters = getattr(value, "parameters", None)
    value = parameters[0] if parameters else value
    return "" if value in (None, [], {}, "") else f"`{_toml(value)}`"


def _example(key: str, field: FieldInfo) -> str:
    return f"`{key} = {_toml(field.examples[0])}`" if field.examples else ""


def _toml(value: Any) -> str:
    """Write a value as TOML, on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:_}" if isinstance(value, int) and value >= 10_000 else json.dumps(value, ensure_ascii=False)
