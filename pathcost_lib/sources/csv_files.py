"""Text files read exactly: every value as text, every row numbered, and a file with a broken row refused by line.

The shape of a file is stated, or read from its heading and all of its bytes, never guessed from a sample of rows, so
that a file cannot be read one way today and another tomorrow. Rows go from the file to Parquet in one pass and in
bounded memory.
"""

from __future__ import annotations

import codecs
import csv
import errno
import gzip
import io
import itertools
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import duckdb

from pathcost_lib.errors import InputError
from pathcost_lib.sources.engine import DuckDBEngine, Engine, Relation
from pathcost_lib.sources.quoting import quote_name, quote_value

__all__ = [
    "Dialect",
    "detect",
    "headings",
    "join_headings",
    "load_text",
    "number_list",
    "refuse_swollen",
    "stage",
    "wrong_values",
]

_FAULTS = {
    "MISSING COLUMNS": "too few values for the heading",
    "TOO MANY COLUMNS": "too many values for the heading (a delimiter inside an unquoted value?)",
    "UNQUOTED VALUE": "a quotation mark that is not closed",
    "INVALID ENCODING": 'characters that are not {encoding} (try encoding = "cp1252")',
    "LINE SIZE OVER MAXIMUM": "a row of more than 2 MB (a quotation mark that is not closed?)",
}
#: Where more rows than this are broken, counting them on would only fill the memory.
_MANY = 10_000

#: What an archive may unpack to, in bytes: at most, without a look at its packed size, and as a multiple of that.
LARGEST, SMALL, RATIO = 100 * 10**9, 100 * 10**6, 200

_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", "^": "caret", "~": "tilde"}


@dataclass(frozen=True)
class Dialect:
    """How a text file is written. `encoding` is any name that Python knows ("utf-8", "cp1252", "latin-1", "utf-16").

    `heading_row` is the line of the heading; what stands above it (a title, say) is passed over. A heading of several
    lines (`heading_rows`) is read column by column, from top to bottom ("2024-25 Cost"); a cell that is empty in the
    upper line takes the one left of it, as cells that are merged do. A file without a heading, as the Organisation Data
    Service publishes, is given its `headings`.
    """

    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = '"'
    heading_row: int = 1
    heading_rows: int = 1
    headings: tuple[str, ...] = ()

    @property
    def lines_above(self) -> int:
        """Lines before the first row of data."""
        return self.heading_row - 1 + (0 if self.headings else self.heading_rows)

    def __str__(self) -> str:
        return f"{self.encoding}, {_DELIMITERS.get(self.delimiter, self.delimiter)}"


def detect(path: Path, stated: Mapping[str, Any] | None = None) -> Dialect:
    """Return how a file is written: as `stated`, and otherwise as its bytes and its heading say.

    The encoding is what a byte order mark says; without one UTF-8 if every byte of the file is, else Windows' (cp1252),
    else latin-1, in which every byte is something. The delimiter is the one that makes most columns of the heading.
    """
    known = dict(stated or {})
    if "headings" in known:
        known["headings"] = tuple(map(str, known["headings"]))
    try:
        known.setdefault("encoding", _encoding(path))
        if "delimiter" not in known:
            # By the columns of the first row, whether it is a heading or, where headings are given, data.
            shapes = [Dialect(**{**known, "headings": ()}, delimiter=mark) for mark in _DELIMITERS]
            known["delimiter"] = max(shapes, key=lambda shape: len(_first_row(path, shape))).delimiter
    except (OSError, EOFError, UnicodeError, LookupError, csv.Error):
        # `headings` meets the same fault, and says it in words.
        pass
    return Dialect(**known)


def _encoding(path: Path) -> str:
    with _open(path) as raw:
        start = raw.read(4)
    marked = next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)
    if marked:
        return marked
    if wide := _without_mark(path):
        return wide
    for name in ("utf-8", "cp1252"):
        with suppress(UnicodeError), _open(path) as raw:
            decoder = codecs.getincrementaldecoder(name)()
            while block := raw.read(1 << 20):
                decoder.decode(block)
            decoder.decode(b"", True)
            return name
    return "latin-1"


def _without_mark(path: Path) -> str | None:
    """Return which UTF-16 a file is in that has no byte order mark: of plain text, every second byte is zero then."""
    with _open(path) as raw:
        start = raw.read(4096)
    low, high = start[0::2].count(0), start[1::2].count(0)
    if len(start) >= 8 and 2 * max(low, high) > 0.8 * len(start):
        return "utf-16-le" if high > low else "utf-16-be"
    return None


def number_list(numbers: list[int], total: int) -> str:
    """Return a handful of row or line numbers in words ("4, 7 and 91 more")."""
    text = ", ".join(f"{n:,}" for n in numbers)
    return f"{text} and {total - len(numbers):,} more" if total > len(numbers) else text


def headings(path: Path, dialect: Dialect) -> list[str]:
    """Return the headings of a text file, as they are written.

    Raises
    ------
    InputError
        If the file is missing, empty, cannot be decoded, or has a heading twice.
    """
    try:
        names = _first_row(path, dialect)
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except (UnicodeError, LookupError):
        raise InputError(
            f"{path.name} is not written in {dialect.encoding}. Name its encoding, such as cp1252."
        ) from None
    except PermissionError:
        raise InputError(f"{path.name} may not be read. Is it open in another program?") from None
    except (OSError, EOFError, csv.Error):
        raise InputError(f"{path.name} cannot be read: it is damaged, or not a text file.") from None
    return named(path.name, names)


def _first_row(path: Path, dialect: Dialect) -> list[str]:
    # What is wrong below the heading is for the reader of the rows, which knows the line.
    codec = _codec(dialect.encoding)
    with _open(path) as raw, io.TextIOWrapper(raw, encoding=codec, errors="replace", newline="") as text:
        for _ in range(dialect.heading_row - 1):
            text.readline()
        rows = csv.reader(text, delimiter=dialect.delimiter, quotechar=dialect.quote)
        lines = list(itertools.islice(rows, 1 if dialect.headings else dialect.heading_rows))
    if any("\ufffd" in name for line in lines for name in line):
        raise UnicodeError
    if dialect.headings and lines and len(lines[0]) != len(dialect.headings):
        raise InputError(
            f"{path.name} has {len(lines[0])} columns, and the mapping gives {len(dialect.headings)} headings."
        )
    return list(dialect.headings) if dialect.headings and lines else join_headings(lines)


def join_headings(lines: list[list[str]]) -> list[str]:
    """Return one heading a column from one or several lines of them; merged cells above span what is below."""
    if len(lines) < 2:
        return lines[0] if lines else []
    width = max(map(len, lines))
    filled = [[*line, *[""] * (width - len(line))] for line in lines]
    for line in filled[:-1]:
        for n in range(1, width):
            line[n] = line[n] if line[n].strip() else line[n - 1]
    return [" ".join(part.strip() for part in parts if part.strip()) for parts in zip(*filled, strict=True)]


def named(file: str, names: list[str]) -> list[str]:
    """Return headings as the names of columns: trimmed, and none of them empty or there twice."""
    if not names:
        raise InputError(f"{file} is empty: no heading and no rows.")
    names = [name.strip() or f"column {n}" for n, name in enumerate(names, start=1)]
    if odd := [n for n, name in enumerate(names, start=1) if "\0" in name]:
        raise InputError(f"{file} has the character NUL in its heading, in columns {', '.join(map(str, odd))}.")
    folded = [name.casefold() for name in names]
    twice = [n for n, name in enumerate(folded, start=1) if folded.count(name) > 1]
    if twice:
        # By place, not by name: a file without a heading has a patient's row here.
        raise InputError(f"{file} has the same heading more than once, in columns {', '.join(map(str, twice))}.")
    return names


def stage(engine: Engine, stem: str, sql: str, first: int = 1) -> Relation:
    """Run a query once, to a Parquet file in the engine's temporary folder, and return its rows in order.

    `__row` numbers them from `first`. The order is that of what the query reads, on any number of threads.
    """
    path = quote_value(str(_duckdb(engine).spill / f"{engine.new_name(stem)}.parquet"))
    engine.execute("SET preserve_insertion_order = true")
    try:
        engine.execute(f"COPY ({sql}) TO {path} (FORMAT parquet, COMPRESSION zstd)")
    finally:
        engine.execute("SET preserve_insertion_order = false")
    rows = f"read_parquet({path}, file_row_number = true)"
    return engine.view(stem, f"SELECT file_row_number + {first} AS __row, * EXCLUDE (file_row_number) FROM {rows}")


def _duckdb(engine: Engine) -> DuckDBEngine:
    if not isinstance(engine, DuckDBEngine):
        raise InputError("Files are read with DuckDB. Import first, write the result, and open that with the engine.")
    return engine


def load_text(engine: Engine, stem: str, path: Path, dialect: Dialect, select: str) -> Relation:
    """Read a text file into the engine, in one pass and in bounded memory.

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
        A query over `rows`: the file's columns as text. It passes every row on, in order.

    Returns
    -------
    Relation
        What the query makes, and `__row`, numbered as a spreadsheet does: the first row below a heading in row 1 is 2.

    Raises
    ------
    InputError
        If any row does not have the shape of the heading. The lines are named, their contents never.
    """
    names = headings(path, dialect)
    columns = ", ".join(f"{quote_value(name)}: 'VARCHAR'" for name in names)
    rejects = engine.new_name("rejects")
    with _as_utf8(path, dialect.encoding, _duckdb(engine).spill) as plain:
        read = (
            f"read_csv({quote_value(str(plain))}, auto_detect = false, header = false, columns = {{{columns}}}, "
            f"delim = {quote_value(dialect.delimiter)}, quote = {quote_value(dialect.quote)}, "
            f"escape = {quote_value(dialect.quote)}, strict_mode = true, skip = {dialect.lines_above}, "
            f"store_rejects = true, rejects_limit = {_MANY}, rejects_table = {quote_value(rejects)}, "
            f"rejects_scan = {quote_value(rejects + '_scan')})"
        )
        try:
            relation = stage(engine, stem, f"WITH rows AS (FROM {read}) {select}", dialect.lines_above + 1)
        except duckdb.InvalidInputException:
            raise InputError(f"{path.name} cannot be read as {dialect}: check the delimiter and the quote.") from None
    _refuse_broken_rows(engine, path, dialect, rejects)
    return relation


def _refuse_broken_rows(engine: Engine, path: Path, dialect: Dialect, rejects: str) -> None:
    faults = engine.fetch(
        f"SELECT error_type AS fault, count(DISTINCT line) AS lines, min(line) AS first_line, "
        f"list_slice(list(DISTINCT line ORDER BY line), 1, 5) AS numbers "
        f"FROM (SELECT CAST(error_type AS VARCHAR) AS error_type, line FROM {rejects}) GROUP BY ALL ORDER BY first_line"
    ).to_pylist()
    engine.execute(f"DROP TABLE {rejects}")
    engine.execute(f"DROP TABLE {rejects}_scan")
    if faults:
        raise InputError(
            f"{path.name} has rows that do not fit its heading: {'; '.join(_fault(row, dialect) for row in faults)}. "
            "Nothing was read."
        )


def _fault(row: dict[str, Any], dialect: Dialect) -> str:
    words = _FAULTS.get(row["fault"], row["fault"].lower()).format(encoding=dialect.encoding)
    least = "at least " if row["lines"] >= _MANY else ""
    return f"{least}{row['lines']:,} with {words} (line {number_list(row['numbers'], row['lines'])})"


def wrong_values(text: Relation, typed: Mapping[str, tuple[str, str]]) -> Iterator[tuple[str, str, int, str]]:
    """Find the columns in which texts are not what they must be.

    Parameters
    ----------
    text : Relation
        Columns of text, and `__row`.
    typed : mapping of str to (str, str)
        Column to the SQL that types it (null where it cannot), and in words what it must be.

    Yields
    ------
    tuple
        Column, words, number of rows at fault, and the first row numbers.
    """
    for name, (sql, words) in typed.items():
        (wrong,) = (
            text.query(
                f"SELECT count(*) AS n, min(__row, 5) AS numbers FROM this "
                f"WHERE {quote_name(name)} IS NOT NULL AND ({sql}) IS NULL"
            )
            .to_arrow()
            .to_pylist()
        )
        if wrong["n"]:
            yield name, words, wrong["n"], number_list(wrong["numbers"], wrong["n"])


@contextmanager
def _as_utf8(path: Path, encoding: str, place: Path) -> Iterator[Path]:
    """Yield the file itself, or a copy in UTF-8, below `place`, where it is compressed or otherwise encoded.

    Python decompresses because DuckDB 1.5 reads a truncated gzip file to where it breaks off, and says nothing.
    """
    codec = _codec(encoding)
    if path.suffix.lower() not in (".gz", ".zip") and codec == "utf-8-sig":
        yield path
        return
    with tempfile.TemporaryDirectory(dir=place) as folder:
        copy = Path(folder) / "copy.csv"
        try:
            with _open(path) as raw, copy.open("wb") as out:
                source = raw if codec == "utf-8-sig" else codecs.EncodedFile(raw, "utf-8", codec)
                shutil.copyfileobj(source, out, 1 << 20)
        except UnicodeError:
            raise InputError(f"{path.name} is not written in {encoding}. Name its encoding, such as cp1252.") from None
        except (OSError, EOFError) as error:
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
                raise InputError(
                    f"There is no room to unpack {path.name} in {place.parent}. Free some, or name another by TMPDIR."
                ) from None
            raise InputError(f"{path.name} cannot be read: it is damaged or cut short.") from None
        yield copy


def _open(path: Path) -> IO[bytes]:
    if path.suffix.lower() == ".zip":
        return _only_member(path)
    if path.suffix.lower() == ".gz":
        return cast(IO[bytes], io.BufferedReader(_Unpacked(path, cast(IO[bytes], gzip.open(path)))))
    return path.open("rb")


class _Unpacked(io.RawIOBase):
    """What an archive holds, as it is unpacked, up to a limit: a small file may be made to fill a disk."""

    def __init__(self, path: Path, content: IO[bytes]) -> None:
        self._path, self._held, self._packed, self._count = path, content, path.stat().st_size, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            block = self._held.read(len(buffer))
        except (zlib.error, zipfile.BadZipFile):
            raise OSError("damaged") from None
        self._count += len(block)
        refuse_swollen(self._path.name, self._packed, self._count)
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._held.close()
        super().close()


def refuse_swollen(name: str, packed: int, unpacked: int) -> None:
    """Refuse an archive that unpacks to what no table of data does.

    Raises
    ------
    InputError
        Above 100 GB, or above 100 MB and 200 times its packed size (tables in text unpack to 5 to 50 times).
    """
    if unpacked > LARGEST:
        raise InputError(
            f"{name} unpacks to more than {LARGEST / 1e9:,.0f} GB. Nothing was read. Split it by year, or unpack it."
        )
    if unpacked > SMALL and unpacked > RATIO * packed:
        raise InputError(
            f"{name} unpacks to more than {RATIO} times its own size, as no table of data does: it may be made to fill "
            "the disk. Nothing was read. If you know that it is right, unpack it and name the file."
        )


def _only_member(path: Path) -> IO[bytes]:
    """Open the one CSV file of an archive; what a Mac adds of its own is passed over."""
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise OSError(path) from None
    names = [n for n in archive.namelist() if n.lower().endswith(".csv") and not n.startswith("__MACOSX/")]
    if len(names) != 1:
        raise InputError(f"{path.name} holds {len(names)} CSV files. Allowed: one; unpack it and name the file.")
    try:
        return cast(IO[bytes], io.BufferedReader(_Unpacked(path, archive.open(names[0]))))
    except (RuntimeError, NotImplementedError):
        raise InputError(f"{path.name} has a password, or is packed in a way that Python cannot read.") from None


def _codec(encoding: str) -> str:
    name = codecs.lookup(encoding).name
    return "utf-8-sig" if name == "utf-8" else name
