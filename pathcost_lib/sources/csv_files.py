"""Text files read exactly: every value as text, every row numbered, and a file with a broken row refused by line.

The shape of a file is stated or read from its heading, never guessed from a sample of rows, so that a file cannot be
read one way today and another tomorrow.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import duckdb

from pathcost_lib.errors import InputError
from pathcost_lib.sources.engine import Engine, Relation

__all__ = ["Dialect", "headings", "load_text", "number_list", "quote_name", "quote_text"]

_FAULTS = {
    "MISSING COLUMNS": "too few values for the heading",
    "TOO MANY COLUMNS": "too many values for the heading (a delimiter inside an unquoted value?)",
    "UNQUOTED VALUE": "a quotation mark that is not closed",
    "INVALID ENCODING": 'characters that are not {encoding} (try encoding = "cp1252")',
    "LINE SIZE OVER MAXIMUM": "a row of more than 2 MB (a quotation mark that is not closed?)",
}


@dataclass(frozen=True)
class Dialect:
    """How a text file is written. `encoding` is any name that Python knows ("utf-8", "cp1252", "latin-1", "utf-16")."""

    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = '"'


def quote_text(value: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def quote_name(name: str) -> str:
    """Return a column's name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def number_list(numbers: list[int], total: int) -> str:
    """Return a handful of row or line numbers in words ("4, 7 and 91 more")."""
    shown = ", ".join(f"{n:,}" for n in numbers)
    return f"{shown} and {total - len(numbers):,} more" if total > len(numbers) else shown


def headings(path: Path, dialect: Dialect) -> list[str]:
    """Return the headings of a text file, as they are written.

    Raises
    ------
    InputError
        If the file is missing, empty, cannot be decoded, or has a heading twice.
    """
    try:
        with _open(path) as raw, io.TextIOWrapper(raw, encoding=_codec(dialect.encoding), newline="") as text:
            names = next(csv.reader(text, delimiter=dialect.delimiter, quotechar=dialect.quote), [])
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except (UnicodeError, LookupError):
        raise InputError(
            f"{path.name} is not written in {dialect.encoding}. Name its encoding, such as cp1252."
        ) from None
    except (OSError, EOFError, csv.Error):
        raise InputError(f"{path.name} cannot be read: it is damaged, or not a text file.") from None
    if not names:
        raise InputError(f"{path.name} is empty: no heading and no rows.")
    names = [name.strip() or f"column {n}" for n, name in enumerate(names, start=1)]
    folded = [name.casefold() for name in names]
    twice = [n for n, name in enumerate(folded, start=1) if folded.count(name) > 1]
    if twice:
        # By place, not by name: a file without a heading has a patient's row here.
        raise InputError(f"{path.name} has the same heading more than once, in columns {', '.join(map(str, twice))}.")
    return names


def load_text(engine: Engine, stem: str, path: Path, dialect: Dialect, select: str) -> Relation:
    """Read a text file into a table of the engine, in one pass and in bounded memory.

    Parameters
    ----------
    engine : Engine
        A DuckDB engine: it reads the text, whatever engine computes later.
    stem : str
        What to call the table.
    path : Path
        The file; `.gz`, and `.zip` with one CSV file, are decompressed.
    dialect : Dialect
        How it is written.
    select : str
        A query over `rows`: the file's columns as text, and `__row`, 1 for the first row below the heading.

    Raises
    ------
    InputError
        If any row does not have the shape of the heading. The lines are named, their contents never.
    """
    names = headings(path, dialect)
    columns = ", ".join(f"{quote_text(name)}: 'VARCHAR'" for name in names)
    rejects = engine.new_name("rejects")
    with _as_utf8(path, dialect.encoding) as plain, _in_file_order(engine):
        read = (
            f"read_csv({quote_text(str(plain))}, auto_detect = false, header = true, columns = {{{columns}}}, "
            f"delim = {quote_text(dialect.delimiter)}, quote = {quote_text(dialect.quote)}, "
            f"escape = {quote_text(dialect.quote)}, strict_mode = true, store_rejects = true, "
            f"rejects_table = '{rejects}', rejects_scan = '{rejects}_scan')"
        )
        sql = f"WITH rows AS (SELECT row_number() OVER () AS __row, * FROM {read}) {select}"
        try:
            relation = engine.view(stem, sql, materialise=True)
        except duckdb.InvalidInputException:
            raise InputError(f"{path.name} cannot be read with {dialect}: check the delimiter and the quote.") from None
    _refuse_broken_rows(engine, path, dialect, rejects)
    return relation


def _refuse_broken_rows(engine: Engine, path: Path, dialect: Dialect, rejects: str) -> None:
    found = engine.fetch(
        f"SELECT error_type AS fault, count(DISTINCT line) AS lines, min(line) AS first_line, "
        f"list_slice(list(DISTINCT line ORDER BY line), 1, 5) AS numbers "
        f"FROM (SELECT CAST(error_type AS VARCHAR) AS error_type, line FROM {rejects}) GROUP BY ALL ORDER BY first_line"
    ).to_pylist()
    engine.execute(f"DROP TABLE {rejects}")
    engine.execute(f"DROP TABLE {rejects}_scan")
    if found:
        raise InputError(
            f"{path.name} has rows that do not fit its heading: {'; '.join(_fault(row, dialect) for row in found)}. "
            "Nothing was read."
        )


def _fault(row: dict[str, Any], dialect: Dialect) -> str:
    words = _FAULTS.get(row["fault"], row["fault"].lower()).format(encoding=dialect.encoding)
    return f"{row['lines']:,} with {words} (line {number_list(row['numbers'], row['lines'])})"


@contextmanager
def _in_file_order(engine: Engine) -> Iterator[None]:
    """Keep the order of the file while its rows are numbered."""
    engine.execute("SET preserve_insertion_order = true")
    try:
        yield
    finally:
        engine.execute("SET preserve_insertion_order = false")


@contextmanager
def _as_utf8(path: Path, encoding: str) -> Iterator[Path]:
    """Yield the file itself, or a temporary copy in UTF-8 where it is compressed or otherwise encoded.

    Python decompresses because DuckDB 1.5 reads a truncated gzip file to where it breaks off, and says nothing.
    """
    codec = _codec(encoding)
    if path.suffix not in (".gz", ".zip") and codec == "utf-8-sig":
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="pathcost-") as folder:
        copy = Path(folder) / "copy.csv"
        try:
            with _open(path) as raw, copy.open("wb") as out:
                source = raw if codec == "utf-8-sig" else codecs.EncodedFile(raw, "utf-8", codec)
                shutil.copyfileobj(source, out, 1 << 20)
        except UnicodeError:
            raise InputError(f"{path.name} is not written in {encoding}. Name its encoding, such as cp1252.") from None
        except (OSError, EOFError):
            raise InputError(f"{path.name} cannot be read: it is damaged or cut short.") from None
        yield copy


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".zip":
        return _only_member(path)
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _only_member(path: Path) -> IO[bytes]:
    """Open the one CSV file of an archive; what a Mac adds of its own is passed over."""
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise OSError(path) from None
    names = [n for n in archive.namelist() if n.lower().endswith(".csv") and not n.startswith("__MACOSX/")]
    if len(names) != 1:
        raise InputError(f"{path.name} holds {len(names)} CSV files. Allowed: one; unpack it and name the file.")
    return archive.open(names[0])


def _codec(encoding: str) -> str:
    name = codecs.lookup(encoding).name
    return "utf-8-sig" if name == "utf-8" else name
