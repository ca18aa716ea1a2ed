"""What a mapping says, read from TOML and checked before any file is opened. The format is at the head of `mapping`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.sources.contracts import CONTRACTS, Column
from pathcost_lib.sources.typed_text import ISO_DATES, MONEY, Reading

__all__ = ["Feed", "engine_kind", "is_required", "plain_name", "read_mapping"]

_TABLE_KEYS: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "file": str,
    "encoding": str,
    "delimiter": str,
    "quote": str,
    "heading_row": int,
    "heading_rows": int,
    "headings": list,
    "latest": dict,
    "sheet": (str, int),
    "connection": str,
    "query": str,
    "also": dict,
    "optional": list,
    "missing": list,
    "exclude": list,
    "columns": dict,
}
_COLUMN_KEYS = {"from", "constant", "sql", "codes", "unlisted", "date", "money", "thousands", "decimal", "rounded"}

_SOURCE = re.compile(r"\bsource\s*\.\s*(?:\"([^\"]+)\"|(\w+))")


@dataclass(frozen=True)
class Feed:
    """One `[[table]]` of a mapping: a table of ours, what feeds it, and where each column comes from.

    `options` are the table's other keys, as they stand.
    """

    mapping: str
    name: str
    columns: Mapping[str, Mapping[str, Any]]
    options: Mapping[str, Any]
    missing: tuple[str, ...]
    exclude: tuple[Mapping[str, str], ...]

    @property
    def ours(self) -> dict[str, Column]:
        """Columns of our table, by name."""
        return {column.name: column for column in CONTRACTS[self.name].columns}

    @property
    def sources(self) -> list[str]:
        """Columns of the file that the mapping reads, in the order met."""
        named = [str(spec["from"]) for spec in self.columns.values() if "from" in spec]
        texts = [str(spec["sql"]) for spec in self.columns.values() if "sql" in spec]
        texts += [item["where"] for item in self.exclude]
        named += [quoted or bare for text in texts for quoted, bare in _SOURCE.findall(text)]
        return list(dict.fromkeys(named))

    def reading(self, column: str, typed: bool = False, days_from_1904: bool = False) -> Reading:
        """Return how the text of a column is to be read; from a source that is `typed`, a date may be a date."""
        spec = self.columns[column]
        dates = spec.get("date", ())
        given = (dates,) if isinstance(dates, str) else tuple(dates)
        if days_from_1904:
            given = tuple("excel1904" if form == "excel" else form for form in given)
        return Reading(
            kind=engine_kind(self.ours[column]),
            dates=(*given, *ISO_DATES) if given and typed else given,
            decimal=spec.get("decimal", "."),
            money=spec.get("money", ""),
            thousands=spec.get("thousands", ""),
            rounded=bool(spec.get("rounded", False)),
        )

    def find(self, headings: list[str]) -> dict[str, str]:
        """Return which heading each column is under: its own name or another in `also`, in whatever case and spacing.

        A column that is not there is left out.
        """
        alike: dict[str, list[str]] = {}
        for heading in headings:
            alike.setdefault(plain_name(heading), []).append(heading)
        found = {}
        for name in self.sources:
            names = [name, *self.options.get("also", {}).get(name, ())]
            near = [here[0] for each in names if len(here := alike.get(plain_name(each), [])) == 1]
            here = [each for each in names if each in headings] + near
            if here:
                found[name] = here[0]
        return found


def plain_name(heading: str) -> str:
    """Return a heading in lower case, with one `_` for all that is no letter or digit (provider_code)."""
    return re.sub(r"[^a-z0-9£%]+", "_", heading.casefold()).strip("_")


def read_mapping(path: Path) -> list[Feed]:
    """Read and check a mapping.

    Raises
    ------
    InputError
        If the file is missing or not TOML, or names a table, column, option or code that is not allowed.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"There is no mapping {path}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} is not valid TOML: {error}.") from None
    tables = content.get("table")
    if not isinstance(tables, list) or not tables:
        raise InputError(f"{path.name} maps nothing: it needs at least one [[table]].")
    return [_feed(path.name, table) for table in tables]


def _feed(mapping: str, table: Mapping[str, Any]) -> Feed:
    where = f"{mapping}, table {table.get('name', '(no name)')}"
    for key in ("name", "columns"):
        if not table.get(key):
            raise InputError(f"{where} has no {key!r}.")
    if bool(table.get("file")) == bool(table.get("query")) or bool(table.get("query")) != bool(table.get("connection")):
        raise InputError(
            f"{where} needs a file, or a query and the connection (an environment variable) that it is for."
        )
    for key, value in table.items():
        require_one_of(key, _TABLE_KEYS, what=f"{where}: key")
        if not isinstance(value, _TABLE_KEYS[key]):
            raise InputError(f"{where}: {key} must be a {_words(_TABLE_KEYS[key])}, as the format's example shows.")
        if key in ("heading_row", "heading_rows") and int(str(value)) < 1:
            raise InputError(f"{where}: {key} is counted from 1.")
        if key in ("delimiter", "quote") and len(str(value)) != 1:
            raise InputError(f"{where}: {key} must be one character.")
    if not all(isinstance(item, dict) and {"where", "reason"} == set(item) for item in table.get("exclude", ())):
        raise InputError(
            f'{where}: each of exclude needs where and reason, such as {{ where = "...", reason = "..." }}.'
        )
    name = require_one_of(table["name"], CONTRACTS, what=f"{mapping}: table")
    feed = Feed(
        mapping=mapping,
        name=name,
        columns=table["columns"],
        options={key: value for key, value in table.items() if key not in ("name", "columns", "missing", "exclude")},
        missing=("", *table.get("missing", ())),
        exclude=tuple(table.get("exclude", ())),
    )
    for column, spec in feed.columns.items():
        require_one_of(column, feed.ours, what=f"{where}: column")
        _check_column(feed, column, spec)
    for needed in feed.ours.values():
        if is_required(needed) and needed.name not in feed.columns:
            raise InputError(f"{where} does not say where {needed.name} comes from, and {name} needs it.")
    return feed


def _words(kind: type | tuple[type, ...]) -> str:
    return kind.__name__ if isinstance(kind, type) else " or ".join(each.__name__ for each in kind)


def _check_column(feed: Feed, column: str, spec: Mapping[str, Any]) -> None:
    where = f"{feed.mapping}, table {feed.name}, column {column}"
    if not isinstance(spec, Mapping) or len({"from", "constant", "sql"} & set(spec)) != 1:
        raise InputError(f'{where} needs one of from, constant or sql, such as {{ from = "THEIR COLUMN" }}.')
    for key in spec:
        require_one_of(key, _COLUMN_KEYS, what=f"{where}: option")
    if "from" not in spec and set(spec) - {"constant", "sql"}:
        raise InputError(f"{where}: codes, date, money and the like go with from, not with constant or sql.")
    if "unlisted" in spec and "codes" not in spec:
        raise InputError(f"{where}: unlisted goes with codes.")
    if "money" in spec:
        require_one_of(spec["money"], MONEY, what=f"{where}: money")
    if "rounded" in spec and "money" not in spec:
        raise InputError(f"{where}: rounded goes with money.")
    if column.endswith("_pence") and "from" in spec and "money" not in spec:
        raise InputError(f"{where}: say what money it is in: money = {' or '.join(repr(m) for m in MONEY)}.")
    if allowed := feed.ours[column].allowed:
        given = [spec["constant"]] if "constant" in spec else list(spec.get("codes", {}).values())
        given += [spec["unlisted"]] if spec.get("unlisted", "reject") not in ("reject", "keep") else []
        for value in given:
            require_one_of(str(value), allowed, what=where)


def is_required(column: Column) -> bool:
    """Return whether every row needs a value in one of our columns."""
    return not (column.null or column.optional)


def engine_kind(column: Column) -> str:
    """Return the engine's type of one of our columns; identifiers are text, which holds any of them."""
    return "VARCHAR" if "VARCHAR" in column.type else column.type
