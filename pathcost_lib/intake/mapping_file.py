"""What a mapping says, read from TOML and checked before any file is opened. The format is at the head of `mapping`."""

from __future__ import annotations

import codecs
import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.intake.expressions import check_query, row_expression, source_columns
from pathcost_lib.sources.contracts import CONTRACTS, PATTERNS, Column
from pathcost_lib.sources.quoting import quote_name, quote_values
from pathcost_lib.sources.toml_files import read_toml
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

#: What each option of a column must be.
_OPTION_KINDS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "from": (str, "the name of a column, as text"),
    "constant": ((str, int, float, dt.date), "a text, a number or a date"),
    "sql": (str, "text"),
    "codes": (dict, 'a table, such as { "1" = "elective" }'),
    "unlisted": (str, "text"),
    "date": ((str, list), "a text or a list of texts"),
    "money": (str, "text"),
    "thousands": (str, "one character"),
    "decimal": (str, "a point or a comma"),
    "rounded": (bool, "true or false"),
}


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
    def place(self) -> str:
        """Where it stands, for an error."""
        return f"{self.mapping}, table {self.name}"

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
        named += [name for text in texts for name in source_columns(text, self.place)]
        named += [self.latest["by"]] if self.latest else []
        return list(dict.fromkeys(named))

    @property
    def latest(self) -> Mapping[str, Any]:
        """How rows submitted again are told: `by` (their column), `key` (ours), `date`; empty if not asked."""
        given = self.options.get("latest")
        return {"key": list(CONTRACTS[self.name].key), **given} if given else {}

    def submitted(self) -> str:
        """Return the SQL of a number that is larger the later a row was submitted; null where that cannot be read."""
        value, dates = f"__source.{quote_name(self.latest['by'])}", self.latest.get("date", ())
        formats = [dates] if isinstance(dates, str) else list(dates)
        if formats:
            return f"epoch(try_strptime({value}, [{quote_values(formats)}]))"
        return f"coalesce(TRY_CAST({value} AS DOUBLE), epoch(TRY_CAST({value} AS TIMESTAMP)))"

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
    tables = read_toml(path, "mapping").get("table")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
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
    _check_source(table, where)
    pairs = [item for item in table.get("exclude", ()) if isinstance(item, dict) and {"where", "reason"} == set(item)]
    if len(pairs) != len(table.get("exclude", ())) or not _are_texts(v for item in pairs for v in item.values()):
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
    _check_latest(feed, where)
    for item in feed.exclude:
        row_expression(item["where"], feed.ours, f"{where}, exclude")
    for column, spec in feed.columns.items():
        require_one_of(column, feed.ours, what=f"{where}: column")
        _check_column(feed, column, spec)
    for needed in feed.ours.values():
        if is_required(needed) and needed.name not in feed.columns:
            raise InputError(f"{where} does not say where {needed.name} comes from, and {name} needs it.")
    return feed


def _check_latest(feed: Feed, where: str) -> None:
    """Refuse a rule on rows submitted again that does not say by what they are told, or by a key that is not ours."""
    given = feed.options.get("latest", {})
    for name in given:
        require_one_of(name, ("by", "key", "date"), what=f"{where}, latest: option")
    if given and not (isinstance(given.get("by"), str) and given["by"]):
        raise InputError(f'{where}: latest needs by, the column of the submission: {{ by = "SUBMISSION_DATE" }}.')
    dates = given.get("date", [])
    if not _are_texts([dates] if isinstance(dates, str) else dates):
        raise InputError(f"{where}, latest: date is a text or a list of texts, such as '%d/%m/%Y'.")
    for column in feed.latest.get("key", ()):
        require_one_of(str(column), feed.columns, what=f"{where}, latest: key")


def _check_source(table: Mapping[str, Any], where: str) -> None:
    """Refuse a file outside the folder of the files, a query that does more than read, options of another kind."""
    if "file" in table:
        parts = re.split(r"[/\\]", table["file"])
        if ".." in parts or parts[0] in ("", "~") or ":" in table["file"]:
            raise InputError(
                f"{where}: file {table['file']!r} leaves the folder. Name a file, or a pattern, inside it."
            )
    if "query" in table:
        check_query(table["query"], where)
    for key in ("delimiter", "quote"):
        if not (str(table.get(key, ",")).isprintable() or table[key] == "\t"):
            raise InputError(f"{where}: {key} must be a character that is seen, or a tab.")
    if not _are_texts([*table.get("missing", ()), *table.get("optional", ()), *table.get("also", ())]):
        raise InputError(f"{where}: missing, optional and also hold texts, in quotation marks.")
    if not all(isinstance(names, list) and _are_texts(names) for names in table.get("also", {}).values()):
        raise InputError(f'{where}: also lists other names, such as {{ ADMITTED = ["Admission Date"] }}.')
    if "encoding" in table:
        try:
            is_text = codecs.lookup(table["encoding"])._is_text_encoding
        except (LookupError, ValueError):
            is_text = False
        if not is_text:
            raise InputError(
                f"{where}: there is no encoding {table['encoding']!r}. Allowed: utf-8, cp1252, latin-1 ..."
            )


def _are_texts(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def _words(kind: type | tuple[type, ...]) -> str:
    return kind.__name__ if isinstance(kind, type) else " or ".join(each.__name__ for each in kind)


def _check_column(feed: Feed, column: str, spec: Any) -> None:
    where = f"{feed.mapping}, table {feed.name}, column {column}"
    if not isinstance(spec, Mapping) or len({"from", "constant", "sql"} & set(spec)) != 1:
        raise InputError(f'{where} needs one of from, constant or sql, such as {{ from = "THEIR COLUMN" }}.')
    for key, value in spec.items():
        require_one_of(key, _OPTION_KINDS, what=f"{where}: option")
        kind, words = _OPTION_KINDS[key]
        if not isinstance(value, kind) or (key == "thousands" and len(str(value)) != 1):
            raise InputError(f"{where}: {key} must be {words}.")
        if key == "date" and not _are_texts([value] if isinstance(value, str) else spec["date"]):
            raise InputError(f"{where}: {key} must be {words}.")
    if not all(isinstance(v, str | int | float) for v in spec.get("codes", {}).values()):
        raise InputError(f"{where}: codes must be {_OPTION_KINDS['codes'][1]}.")
    if "sql" in spec:
        row_expression(spec["sql"], feed.ours, where)
    if "from" not in spec and set(spec) - {"constant", "sql"}:
        raise InputError(f"{where}: codes, date, money and the like go with from, not with constant or sql.")
    if "unlisted" in spec and "codes" not in spec:
        raise InputError(f"{where}: unlisted goes with codes.")
    if "money" in spec:
        require_one_of(spec["money"], MONEY, what=f"{where}: money")
    if spec.get("decimal", ".") not in (".", ","):
        raise InputError(f"{where}: decimal is the mark before the decimals. Allowed: '.' and ','.")
    if "rounded" in spec and "money" not in spec:
        raise InputError(f"{where}: rounded goes with money.")
    if column.endswith("_pence") and "from" in spec and "money" not in spec:
        raise InputError(f"{where}: say what money it is in: money = {' or '.join(repr(m) for m in MONEY)}.")
    given = [spec["constant"]] if "constant" in spec else list(spec.get("codes", {}).values())
    given += [spec["unlisted"]] if spec.get("unlisted", "reject") not in ("reject", "keep") else []
    for value in given:
        if allowed := feed.ours[column].allowed:
            require_one_of(str(value), allowed, what=where)
        elif (pattern := feed.ours[column].pattern) and not re.fullmatch(PATTERNS[pattern][0], str(value)):
            raise InputError(f"{where}: {value!r} is not {PATTERNS[pattern][1]}.")


def is_required(column: Column) -> bool:
    """Return whether every row needs a value in one of our columns."""
    return not (column.null or column.optional)


def engine_kind(column: Column) -> str:
    """Return the engine's type of one of our columns; identifiers are text, which holds any of them."""
    return "VARCHAR" if "VARCHAR" in column.type else column.type
