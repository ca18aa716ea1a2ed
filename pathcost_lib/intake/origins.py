"""What a mapping may read: a text file, a Parquet file, a sheet of a workbook, a query. All end as rows of text.

Nothing is written but what the mapping asks for, and identifiers are pseudonyms before it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pathcost_lib.errors import InputError
from pathcost_lib.intake.databases import open_query
from pathcost_lib.intake.workbooks import WORKBOOKS, counts_from_1904, read_sheet
from pathcost_lib.sources.csv_files import Dialect, detect, headings, load_text, stage
from pathcost_lib.sources.engine import DuckDBEngine, Relation
from pathcost_lib.sources.quoting import quote_name, quote_value

__all__ = ["Origin", "open_origin"]

#: Options of a mapping that say how a text file is written.
_WRITTEN = ("encoding", "delimiter", "quote", "heading_row", "heading_rows", "headings")


@dataclass(frozen=True)
class Origin:
    """Rows that can be read once: from where, read as what, under which headings.

    `days_from_1904` tells that the numbers of a workbook's days count from 1904, and `typed` that dates and numbers
    came as such. `load(stem, columns, select)` runs a query over `rows`, the columns named, as text, and numbers
    what it makes as `__row`: a file's rows as a spreadsheet numbers them, those of Parquet and of a query from 1.
    """

    label: str
    read_as: str
    headings: list[str]
    typed: bool
    load: Callable[[str, Iterable[str], str], Relation]
    days_from_1904: bool = False


def open_origin(engine: DuckDBEngine, path: Path | None, options: Mapping[str, Any]) -> Origin:
    """Open a file, or the query in `options`, as its name and options say.

    Raises
    ------
    InputError
        If it cannot be read: empty, damaged, protected, or of another kind than its name says.
    """
    if path is None:
        reader, kind = open_query(options["connection"], options["query"])
        return _arrow(engine, "query", kind, reader)
    if path.suffix.lower() == ".parquet":
        return _parquet(engine, path)
    if path.suffix.lower() in WORKBOOKS:
        shape = Dialect(**{k: options[k] for k in ("heading_row", "heading_rows", "headings") if k in options})
        sheet, rows = read_sheet(path, options.get("sheet"), shape.heading_row, shape.heading_rows, shape.headings)
        origin = _arrow(engine, path.name, f"sheet {sheet}", rows, shape.lines_above + 1)
        return replace(origin, days_from_1904=counts_from_1904(path))
    dialect = detect(path, {k: options[k] for k in _WRITTEN if k in options})
    names = headings(path, dialect)
    return Origin(
        path.name, str(dialect), names, False, lambda stem, _, sql: load_text(engine, stem, path, dialect, sql)
    )


def _parquet(engine: DuckDBEngine, path: Path) -> Origin:
    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException):
        raise InputError(f"{path.name} cannot be read as Parquet: it is damaged or cut short.") from None
    load = partial(_load, engine, f"read_parquet({quote_value(str(path))})", 1, schema)
    return Origin(path.name, "Parquet", schema.names, True, load)


def _arrow(engine: DuckDBEngine, label: str, kind: str, reader: pa.RecordBatchReader, first: int = 1) -> Origin:
    """Rows that come by as Arrow, batch after batch: they are never held, nor written as they come."""

    def load(stem: str, columns: Iterable[str], select: str) -> Relation:
        name = engine.new_name("rows")
        engine.connection.register(name, reader)
        try:
            return _load(engine, name, first, reader.schema, stem, columns, select)
        finally:
            engine.connection.unregister(name)

    return Origin(label, kind, reader.schema.names, True, load)


def _load(
    engine: DuckDBEngine, rows: str, first: int, schema: pa.Schema, stem: str, columns: Iterable[str], select: str
) -> Relation:
    texts = [f"{_as_text(schema.field(name))} AS {quote_name(name)}" for name in columns] or ["NULL AS nothing"]
    return stage(engine, stem, f"WITH rows AS (SELECT {', '.join(texts)} FROM {rows}) {select}", first)


def _as_text(column: pa.Field) -> str:
    name = quote_name(column.name)
    if pa.types.is_timestamp(column.type) and column.type.tz:
        # An instant has a day only in some zone: the one it was written in, and England's where that is Greenwich.
        zone = "Europe/London" if column.type.tz.upper() in _GREENWICH else column.type.tz
        return f"CAST({_local(name, zone)} AS VARCHAR)"
    if not pa.types.is_floating(column.type):
        return f"CAST({name} AS VARCHAR)"
    # 0.1 + 0.2 is 0.30000000000000004, and a code kept as a number 9434765919.0.
    return f"regexp_replace(CAST(round({name}, 9) AS VARCHAR), '\\.0$', '')"


#: Zones in which a database hands over instants whatever zone they were written in.
_GREENWICH = {"UTC", "GMT", "Z", "ETC/UTC", "+00:00"}


def _local(name: str, zone: str) -> str:
    """Return the time of day of an instant in a zone ("Europe/London", or an offset such as "+01:00")."""
    offset = re.fullmatch(r"([+-])(\d{2}):?(\d{2})", zone)
    if not offset:
        return f"timezone({quote_value(zone)}, {name})"
    minutes = int(f"{offset[1]}1") * (60 * int(offset[2]) + int(offset[3]))
    return f"timezone('UTC', {name}) + INTERVAL ({minutes}) MINUTE"
