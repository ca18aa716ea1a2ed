"""An engine that remembers: a summary once fetched from the same rows by the same SQL is not computed again.

Most of what a notebook asks of the engine is national (every ICB in one table, so that one can be compared with all)
and so the same for every ICB. Here every relation has a recipe: the SHA-256 of its SQL, in which each name that it
reads stands for that relation's own recipe, down to the bytes of the files. Nothing is computed until rows are fetched,
and what is fetched is kept under its recipe. The SQL is the code and the files are the data, so a changed row, setting
or statement is another recipe, and nothing that is out of date can be found.

Only summaries are kept: no table with a patient's or a contact's identifier, and none of more rows than `MOST_ROWS`.
They are not suppressed, so the folder (`paths.cache()`) is as confidential as the data, and lies among them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa
from filelock import FileLock

from pathcost_lib import paths
from pathcost_lib.sources.engine import READS, DuckDBEngine, Stored

__all__ = ["MOST_ROWS", "RememberingEngine", "Store"]

#: More rows than this are no summary.
MOST_ROWS = 250_000
#: Columns that say whose a row is.
_IDENTIFIERS = {"patient_id", "activity_id", "pathway_id"}
#: What gives another answer another time, or reads what has no recipe.
_UNSURE = re.compile(r"\b(read_\w+|\w+_scan|glob|random|\w*uuid|now|today|nextval|current_\w+)\b", re.IGNORECASE)
#: Words in quotation marks, and a FROM that is a comparison, read no table.
_NO_TABLE = re.compile(r"'(?:[^']|'')*'|\bDISTINCT\s+FROM\b", re.IGNORECASE)
_NAME = re.compile(r"\b[A-Za-z_]\w*_[0-9]+\b")
_CTE = re.compile(r"\b([A-Za-z_]\w*)\s+AS\s*(?:(?:NOT\s+)?MATERIALIZED\s*)?\(", re.IGNORECASE)
_DAYS_KEPT = 30
#: A file changed so lately may change again without its time or size telling.
_RACY_SECONDS = 2


class Store:
    """A folder of small Arrow tables by recipe, and of the SHA-256 of files by path, size and time.

    Any number of processes may use it at once. A store that cannot be written to remembers nothing, and says nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> pa.Table | None:
        """Return what is kept under a recipe."""
        path = self._path("tables", key)
        try:
            with pa.ipc.open_file(path.read_bytes()) as file:
                table = file.read_all()
            os.utime(path)
        except (OSError, pa.ArrowException):
            return None
        return table

    def put(self, key: str, table: pa.Table) -> None:
        """Keep a table, if it is a summary."""
        if table.num_rows > MOST_ROWS or _IDENTIFIERS & set(table.column_names):
            return
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as file:
            file.write_table(table)
        self._write(self._path("tables", key), sink.getvalue())

    def lock(self, key: str) -> contextlib.AbstractContextManager[object]:
        """Wait while another process computes the same thing."""
        path = self.folder / "locks" / key[:2]
        try:
            paths.private_folder(path.parent)
            path.touch()
        except OSError:
            return contextlib.nullcontext()
        return FileLock(path)

    def file_digest(self, path: Path) -> str:
        """Return a file's SHA-256; read again only if its size or a time of it has changed."""
        path, about = path.resolve(), path.stat()
        note = self._path("files", hashlib.sha256(str(path).encode()).hexdigest())
        stamp = f"{about.st_size} {about.st_mtime_ns} {about.st_ctime_ns} {about.st_ino}"
        with contextlib.suppress(OSError, ValueError):
            state, _, digest = note.read_text(encoding="utf-8").rpartition(" ")
            if state == stamp and len(digest) == 64:
                return digest
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if time.time() - max(about.st_mtime, about.st_ctime) > _RACY_SECONDS:
            self._write(note, f"{stamp} {digest}".encode())
        return digest

    def prune(self) -> None:
        """Forget what has not been asked for in a month."""
        for path in self.folder.glob("*/*/*"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _DAYS_KEPT * 86_400:
                    path.unlink()

    def _path(self, kind: str, key: str) -> Path:
        return self.folder / kind / key[:2] / key

    def _write(self, path: Path, content: bytes | pa.Buffer) -> None:
        part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
        try:
            paths.private_folder(part.parent)
            part.write_bytes(content)
            part.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink()


class RememberingEngine(DuckDBEngine):
    """DuckDB that makes a view only when rows are asked for that the store does not hold."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store
        self._recipes: dict[str, str] = {}
        self._unmade: dict[str, tuple[str, Callable[[], None]]] = {}
        self._schemas: dict[str, dict[str, str]] = {}

    def execute(self, sql: str) -> None:
        """Run one statement."""
        self._make(sql)
        super().execute(sql)

    def create(self, name: str, query: str, *, materialise: bool) -> None:
        """Note how a view is made."""
        self._recipes[name] = self._recipe(query)
        self._unmade[name] = query, partial(super().create, name, query, materialise=materialise)

    def fetch(self, sql: str) -> pa.Table:
        """Return rows: those that are kept, or computed now."""
        key = self._recipe(f"{sql} -- duckdb {duckdb.__version__}")
        table = self.store.get(key)
        if table is not None:
            return table
        with self.store.lock(key):
            table = self.store.get(key)
            if table is None:
                self._make(sql)
                table = super().fetch(sql)
                self.store.put(key, table)
        return table

    def schema(self, name: str) -> dict[str, str]:
        """Return column name to type of a view or table."""
        if name not in self._schemas:
            columns = self.fetch(f"DESCRIBE {name}")
            self._schemas[name] = dict(zip(*(columns.column(n).to_pylist() for n in (0, 1)), strict=True))
        return self._schemas[name]

    def write_parquet(self, name: str, path: Path) -> Path:
        """Write a view to one Parquet file, whole or not at all."""
        self._make(name)
        return super().write_parquet(name, path)

    def _register(self, name: str, source: pa.Table | list[str] | Stored) -> None:
        if isinstance(source, Stored):
            recipe = _digest(f"{source.digest} {source.sql}") if source.digest else uuid.uuid4().hex
        elif isinstance(source, pa.Table):
            recipe = _rows_digest(source)
        else:
            recipe = _digest(" ".join(self.store.file_digest(Path(p)) for p in source))
        self._recipes[name] = recipe
        self._unmade[name] = "", partial(super()._register, name, source)

    def _recipe(self, sql: str) -> str:
        """Return the digest of a statement, each relation that it reads by its own recipe."""
        plain = _NO_TABLE.sub("''", sql)
        read = {match[3] for match in READS.finditer(plain)} - set(_CTE.findall(plain))
        if _UNSURE.search(plain) or not read <= set(self._recipes):
            return uuid.uuid4().hex  # never met again
        return _digest(_NAME.sub(lambda m: self._recipes.get(m[0], m[0]), sql))

    def _make(self, sql: str) -> None:
        """Make what a statement reads, and what that reads, if it has not been made."""
        for name in _NAME.findall(sql):
            if name in self._unmade:
                query, make = self._unmade.pop(name)
                self._make(query)
                make()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _rows_digest(table: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema.remove_metadata()) as file:
        file.write_table(table.replace_schema_metadata(None))
    return hashlib.sha256(sink.getvalue()).hexdigest()
