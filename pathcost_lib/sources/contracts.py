"""What each table must hold: `contracts.toml`, that types, quality rules and the data dictionary are made from.

`docs/tables.md` is `data_dictionary()` written to a file; a test holds the two together.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa

from pathcost_lib.codes import PODS, SETTINGS, UNITS
from pathcost_lib.sources.quoting import quote_value

__all__ = [
    "CONTRACTS",
    "PATTERNS",
    "TABLES",
    "Column",
    "Contract",
    "Rule",
    "data_dictionary",
    "engine_type",
    "full_match",
    "type_problem",
]

Bound = int | float | date

#: Control characters, and those that hide or turn round what follows.
_UNSEEN = r"\x00-\x1f\x7f-\x9f" + "\u200b-\u200f\u2028-\u202e\u2060-\u2069"
#: What a code or a name is made of, and how to say it. Values go into queries, pages, workbooks and file names; all of
#: those quote them, and a value that is none is refused at the door besides.
PATTERNS = {
    "code": ("[A-Za-z0-9-]{1,12}", "a code of 1 to 12 letters, digits and hyphens"),
    "currency": (
        "[A-Za-z0-9*][A-Za-z0-9 ._/:*+-]{0,23}",
        "a code of 1 to 24 letters, digits, spaces and . _ / : * + -",
    ),
    "word": ("[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}", "a name of 1 to 60 letters, digits, spaces and . _ -"),
    "name": (f"[^{_UNSEEN}]{{1,200}}", "a name of 1 to 200 characters, all of them visible"),
}


@dataclass(frozen=True)
class Rule:
    """A test in SQL that is true on the rows at fault, and how the report says it."""

    severity: str
    column: str
    rule: str
    test: str
    effect: str
    example: str = ""
    needs: str = ""
    of: str = "rows_with"


@dataclass(frozen=True)
class Column:
    """One column: what it means and which values are allowed. The heading of `contracts.toml` explains each word."""

    name: str
    type: str
    meaning: str
    null: bool = False
    without: str = ""
    allowed: tuple[str, ...] = ()
    lowest: Bound | None = None
    highest: Bound | None = None
    pattern: str = ""
    shape: str = ""
    like: str = ""
    malformed: str = "warning"
    refers: str = ""
    effect: str = ""

    @property
    def optional(self) -> bool:
        """Whether the column may be left out, and is then null on every row."""
        return bool(self.without)

    @property
    def types(self) -> list[str]:
        """The types allowed: one, but for identifiers, which may be numbers or text."""
        return self.type.split(" or ")

    @property
    def range_words(self) -> str:
        """The bounds in words, with pounds beside pence; empty if there are none."""
        low, high = (self._bound(value) for value in (self.lowest, self.highest))
        return (
            f"from {low} to {high}" if low and high else f"at least {low}" if low else f"at most {high}" if high else ""
        )

    def _bound(self, value: Bound | None) -> str:
        if value is None or isinstance(value, date):
            return value.isoformat() if value else ""
        to_the_pound = 100 if self.name.endswith("_pence") else 10_000 if self.name == "unit_cost" else 0
        pounds = f" (£{value // to_the_pound:,})" if to_the_pound and value else ""
        return (f"{value}" if self.name.endswith("year") else f"{value:,}") + pounds


@dataclass(frozen=True)
class Contract:
    """One table: what a row is, which columns make it unique, columns in order, rules, what repeats do, what is lost
    without it (empty: it must be there).
    """  # noqa: D205

    table: str
    one_row_per: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...]
    repeated: str
    without: str = ""

    def __getitem__(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)


def _load() -> dict[str, Contract]:
    named = {"settings": SETTINGS, "pods": tuple(PODS), "units": UNITS}
    page = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    contracts = {}
    for table, content in page.items():
        columns = []
        for entry in content["columns"]:
            allowed = entry.pop("allowed", ())
            columns.append(Column(**entry, allowed=named[allowed] if isinstance(allowed, str) else tuple(allowed)))
        rules = tuple(Rule(**rule) for rule in content["rules"])
        key, repeated = tuple(content["key"]), content.get("repeated", "Kept: counted each time.")
        without = content.get("without", "")
        contracts[table] = Contract(table, content["one_row_per"], key, tuple(columns), rules, repeated, without)
    return contracts


CONTRACTS = _load()
TABLES = tuple(CONTRACTS)

_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
#: What may be read as each type without loss (an INTEGER column may be wider: it is kept as it is).
_READ_AS = {
    "BIGINT": _WHOLE,
    "INTEGER": _WHOLE,
    "DOUBLE": (*_WHOLE, "REAL", "DOUBLE"),
    "VARCHAR": ("VARCHAR",),
    "DATE": ("DATE", "TIMESTAMP"),
}
_ENGINE_TYPES = (
    (pa.types.is_boolean, "BOOLEAN"),
    (pa.types.is_null, "NULL"),
    (pa.types.is_int8, "TINYINT"),
    (pa.types.is_int16, "SMALLINT"),
    (pa.types.is_int32, "INTEGER"),
    (pa.types.is_int64, "BIGINT"),
    (pa.types.is_uint8, "UTINYINT"),
    (pa.types.is_uint16, "USMALLINT"),
    (pa.types.is_uint32, "UINTEGER"),
    (pa.types.is_float32, "REAL"),
    (pa.types.is_float64, "DOUBLE"),
    (pa.types.is_string, "VARCHAR"),
    (pa.types.is_large_string, "VARCHAR"),
    (pa.types.is_string_view, "VARCHAR"),
    (pa.types.is_binary, "BLOB"),
    (pa.types.is_large_binary, "BLOB"),
    (pa.types.is_date, "DATE"),
)
_NUMBERS_FOR_CODES = (
    "a code stored as a number has lost its leading zeros (01 became 1) and cannot be mended here. Export it as text"
)
_REASONS = {
    ("VARCHAR", "BLOB"): "bytes that are not marked as UTF-8 text. Export it as text in UTF-8",
    (
        "BIGINT",
        "DOUBLE",
    ): "decimals (often blanks turned whole numbers into them). Export it as whole numbers with nulls",
    ("BIGINT", "VARCHAR"): "text, not numbers. Export it as whole numbers",
    ("DOUBLE", "VARCHAR"): "text, not numbers. Export it as numbers",
    ("DATE", "VARCHAR"): "text, and day and month could be swapped. Export it as dates",
    ("DATE", "TIMESTAMP WITH TIME ZONE"): "a time zone can move midnight to the day before. Export it as dates",
}


def full_match(pattern: str) -> str:
    """Return, as an SQL literal, the regular expression that a whole text of a pattern meets."""
    return quote_value(rf"^(?:{PATTERNS[pattern][0]})\z")


def engine_type(arrow_type: pa.DataType) -> str:
    """Return the engine's name for an Arrow type, as an analyst would write it in SQL."""
    if pa.types.is_dictionary(arrow_type):
        return engine_type(arrow_type.value_type)
    if pa.types.is_timestamp(arrow_type):
        return "TIMESTAMP WITH TIME ZONE" if arrow_type.tz else "TIMESTAMP"
    if pa.types.is_decimal(arrow_type):
        return f"DECIMAL({arrow_type.precision},{arrow_type.scale})"
    return next((name for test, name in _ENGINE_TYPES if test(arrow_type)), str(arrow_type).upper())


def type_problem(column: Column, arrow_type: pa.DataType) -> str | None:
    """Return why a column cannot be read from what was found without loss, or None where it can."""
    name = engine_type(arrow_type)
    if name == "NULL":
        return None if column.null or column.optional else "nothing but nulls, where none is allowed"
    wanted = column.types
    if any(name in _READ_AS[kind] or _exact_decimal(arrow_type, kind) for kind in wanted):
        return None
    if "VARCHAR" in wanted and (name in _WHOLE or name in ("REAL", "DOUBLE") or name.startswith("DECIMAL")):
        return f"{name}: {_NUMBERS_FOR_CODES}"
    kind = {"REAL": "DOUBLE"}.get(name, "DOUBLE" if name.startswith("DECIMAL") else name)
    reason = _REASONS.get(("BIGINT" if "INTEGER" in wanted else wanted[0], kind))
    return f"{name}: {reason}" if reason else name


def _exact_decimal(arrow_type: pa.DataType, wanted: str) -> bool:
    """A database's NUMERIC holds whole numbers exactly below 19 digits; a double holds 15 digits exactly."""
    if not pa.types.is_decimal(arrow_type):
        return False
    whole = arrow_type.scale == 0 and arrow_type.precision <= 18
    return (wanted in ("BIGINT", "INTEGER") and whole) or (wanted == "DOUBLE" and arrow_type.precision <= 15)


def data_dictionary() -> str:
    """Return `docs/tables.md`: every table and column with its type, rules and meaning."""
    parts = [
        "# Tables\n",
        "What a dataset folder holds: `<table>.parquet`, `<table>/` with any depth of `.parquet` files, or",
        "`<table>.csv` (UTF-8, dates like 2024-04-01). Codes are text, so that leading zeros stay. This page is made",
        "from `pathcost_lib/sources/contracts.toml`: change that, then write `contracts.data_dictionary()` here.",
        "[What is lost without each column or table](own-data.md) says what goes where one is left out.",
        "The files of statistics that areas exchange have a page of their own: [comparators](comparators.md).\n",
    ]
    for contract in CONTRACTS.values():
        parts.append(f"## {contract.table}\n\nOne row per {contract.one_row_per}. Key: {', '.join(contract.key)}.\n")
        lines = ["| column | type | null | allowed | meaning |", "|---|---|---|---|---|"]
        lines += [
            f"| {c.name} | {c.type} | {_null_words(c)} | {_allowed_words(c)} | {c.meaning} |" for c in contract.columns
        ]
        parts.append("\n".join(lines) + "\n")
        rules = [f"- {rule.severity}, `{rule.column}`: {rule.rule}. *{rule.effect}*" for rule in contract.rules]
        parts += ["`check` also looks for:\n", "\n".join(rules) + "\n"] if rules else []
    return "\n".join(parts)


def _null_words(column: Column) -> str:
    return ("yes, " * column.null + "column may be left out") if column.optional else "yes" if column.null else "no"


def _allowed_words(column: Column) -> str:
    known = {"": "", "icb": "an ICB in organisations", "organisations": "a code in organisations"}
    pattern = PATTERNS[column.pattern][1] if column.pattern else ""
    words = (
        ", ".join(column.allowed),
        column.range_words,
        pattern,
        column.like,
        known.get(column.refers, "in patients"),
    )
    return "; ".join(word for word in words if word)
