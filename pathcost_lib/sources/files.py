"""The files of a dataset folder: which there are, what their footers say, what is wrong with those that cannot be read.

Errors name the file, the column and how many rows; they never repeat a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.sources.contracts import CONTRACTS, TABLES, Contract, engine_type
from pathcost_lib.sources.csv_files import Dialect, headings, load_text, wrong_values
from pathcost_lib.sources.engine import connect
from pathcost_lib.sources.quoting import quote_name
from pathcost_lib.sources.typed_text import Reading

__all__ = ["find_tables", "read_source", "source_name", "unreadable"]


def source_name(name: str, files: Iterable[Path], where: str = "") -> str:
    """Return where a table is from in words: "activity.parquet", "activity/ (84 files)", or as its catalog says."""
    paths = list(files)
    if where:
        return where
    return f"{name}/ ({len(paths)} files)" if len(paths) > 1 else paths[0].name if paths else name


def find_tables(folder: Path) -> dict[str, list[Path]]:
    """Return the files of each table; hidden and underscored files are not ours."""
    for path in sorted(folder.iterdir()):
        table_like = path.suffix.lower() in (".parquet", ".csv") or (path.is_dir() and any(_parquet_below(path)))
        if table_like and not path.name.startswith((".", "_")):
            require_one_of(path.stem, TABLES, what=f"{path.name} in {folder}: table")
    files = {}
    for name in TABLES:
        singles = [p for p in sorted(folder.iterdir()) if p.stem == name and p.suffix.lower() in (".parquet", ".csv")]
        parts = sorted(_parquet_below(folder / name))
        if len(singles) + bool(parts) > 1:
            places = [path.name for path in singles] + [f"{name}/"] * bool(parts)
            raise InputError(f"{folder} holds the table {name} more than once: {', '.join(places)}. Keep one.")
        if singles or parts:
            files[name] = singles or parts
    if not files:
        raise InputError(f"{folder} holds none of the tables {', '.join(TABLES)} as Parquet or CSV.")
    return files


def _parquet_below(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*.parquet") if not path.name.startswith((".", "_")))


def read_source(name: str, paths: list[Path]) -> tuple[pa.Schema, pa.Table | list[Path]]:
    """Return a table's schema, and what to register: its Parquet files, or the rows of a CSV."""
    empty = [path.name for path in paths if path.stat().st_size == 0]
    if empty:
        raise InputError(f"{paths[0].parent}: {', '.join(empty[:5])}: the file is empty (0 bytes). Export it again.")
    if paths[0].suffix.lower() == ".csv":
        table = _read_csv(paths[0], CONTRACTS[name])
        return table.schema, table
    footers = [_footer(path) for path in paths]
    first = footers[0][0]
    for path, (schema, _) in zip(paths[1:], footers[1:], strict=True):
        _same_schema(name, paths[0], first, path, schema)
    if not sum(rows for _, rows in footers):
        raise InputError(
            f"{source_name(name, paths)}: the table has columns but no rows. Export it again, or leave it out."
        )
    return first, paths


def _footer(path: Path) -> tuple[pa.Schema, int]:
    try:
        metadata = pq.read_metadata(path)
        return metadata.schema.to_arrow_schema(), metadata.num_rows
    except (OSError, pa.ArrowException):
        with path.open("rb") as file:
            parquet = file.read(4) == b"PAR1"
    reason = "it is cut short or damaged. Copy or export it again" if parquet else "it is not Parquet. Name a CSV .csv"
    raise InputError(f"{path.parent}: {path.name} ({path.stat().st_size:,} bytes) cannot be read: {reason}.")


def _same_schema(name: str, first: Path, expected: pa.Schema, path: Path, schema: pa.Schema) -> None:
    ours, theirs = ({field.name: engine_type(field.type) for field in each} for each in (expected, schema))
    differing = [column for column in {**ours, **theirs} if ours.get(column) != theirs.get(column)]
    if differing:
        # Only our own names are said: a file without headings has values in their place.
        known = [column for column in differing if column in {c.name for c in CONTRACTS[name].columns}]
        pairs = [f"{c} is {theirs.get(c, 'missing')} and {ours.get(c, 'missing')}" for c in known]
        others = [f"{len(differing) - len(known)} other columns"] if len(differing) > len(known) else []
        raise InputError(
            f"{path.parent}: the files of table {name} differ. {path.name} and {first.name}: "
            f"{', '.join(pairs + others)}. Allowed: the same columns and types in every file."
        )


def _read_csv(path: Path, contract: Contract) -> pa.Table:
    """Read a CSV as the contract's types; identifiers are text. No value is repeated in an error."""
    dialect, engine = Dialect(), connect(files=[path])
    try:
        names = headings(path, dialect)
        texts = [f"nullif({quote_name(name)}, '') AS {quote_name(name)}" for name in names]
        text = load_text(engine, contract.table, path, dialect, f"SELECT {', '.join(texts)} FROM rows")
    except InputError as error:
        raise InputError(f"{error} Allowed: UTF-8, commas. Save it as 'CSV UTF-8', or export Parquet.") from None
    if not text.count():
        raise InputError(f"{path.name}: the table has columns but no rows. Export it again, or leave it out.")
    kinds = {column.name: column.type.split(" or ")[-1] for column in contract.columns}
    typed = {n: _READ_AS.get(kinds.get(n, "VARCHAR"), (Reading("VARCHAR"), "")) for n in names}
    sql = {n: (reading.sql(quote_name(n)), words) for n, (reading, words) in typed.items()}
    for name, words, rows, numbers in wrong_values(text, sql):
        raise InputError(f"{path.name}, column {name}: {rows:,} rows cannot be read. Allowed: {words} (row {numbers}).")
    columns = ", ".join(f"{each} AS {quote_name(name)}" for name, (each, _) in sql.items())
    return text.query(f"SELECT {columns} FROM this ORDER BY __row").to_arrow()


_READ_AS = {
    "BIGINT": (Reading("BIGINT"), "whole numbers, without commas"),
    "INTEGER": (Reading("INTEGER"), "whole numbers, without commas"),
    "DOUBLE": (Reading("DOUBLE"), "numbers, without commas"),
    "DATE": (Reading("DATE", dates=("%Y-%m-%d",)), "dates like 2024-04-01"),
}


def _casts(values: pa.ChunkedArray, kind: pa.DataType) -> bool:
    try:
        values.cast(pa.large_string()).cast(kind)
    except pa.ArrowException:
        return False
    return True


def unreadable(files: Mapping[str, list[Path]]) -> list[dict[str, object]]:
    """Find what an engine could not read: damaged pages, and text that is not UTF-8, by file and column.

    Slow (every value is looked at in Python), so it is asked only once a read has failed.

    Returns
    -------
    list of dict
        table, file, column, rule, rows (at fault; the whole file where the column cannot be read at all).
    """
    findings: list[dict[str, object]] = []
    for name, paths in files.items():
        for path in (p for p in paths if p.suffix.lower() == ".parquet"):
            for column in pq.read_schema(path).names:
                rows, rule = _broken_column(path, column)
                if rule:
                    findings.append({"table": name, "file": path.name, "column": column, "rule": rule, "rows": rows})
    return findings


def _broken_column(path: Path, column: str) -> tuple[int, str]:
    try:
        values = pq.read_table(path, columns=[column]).column(0)
    except (OSError, pa.ArrowException):
        rows = pq.read_metadata(path).num_rows
        return rows, "the file is damaged inside: this column cannot be read. Copy or export it again"
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return 0, ""
    raw = values.cast(pa.large_binary())
    if _casts(raw, pa.large_string()):
        return 0, ""
    rows = sum(not _casts(raw.slice(row, 1), pa.large_string()) for row in range(len(raw)))
    return rows, "text is not in UTF-8 (an older Windows encoding?). Export it again as UTF-8"
