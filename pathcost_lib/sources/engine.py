"""One small engine that hides where the rows are: register a table, run a SQL file of named steps, fetch Arrow.

SQL is written in DuckDB's dialect in `.sql` files, one named view a step, so that an analyst can read a file and run
it by hand. `Engine.run` gives each run its own names, so that two ledgers can live in one session.

On Spark (`sources.spark_engine`) the SQL is transpiled and the rows stay on the platform.
"""

from __future__ import annotations

import contextlib
import html
import itertools
import re
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pathcost_lib import arguments, scratch
from pathcost_lib.errors import InputError
from pathcost_lib.sources.quoting import quote_name, quote_value, quote_values

_STEP = re.compile(r"\s*CREATE\s+OR\s+REPLACE\s+TEMP\s+(VIEW|TABLE)\s+(\w+)\s+AS\b(.*)", re.IGNORECASE | re.DOTALL)
#: A table that a statement reads by name.
READS = re.compile(r"\b(FROM|JOIN)(\s+)([A-Za-z_]\w*)\b(?!\s*\()", re.IGNORECASE)
_ALIAS = re.compile(r"\s+AS\b", re.IGNORECASE)
#: Rows of a group in a Parquet file, as DuckDB has it.
_ROWS_WRITTEN = 122_880
_COMMENT = re.compile(r"--[^\n]*")
#: A literal, which is passed over, or a table that is read.
_LITERAL_OR_READS = re.compile(rf"'(?:[^']|'')*'|{READS.pattern}", re.IGNORECASE)


class Stored(NamedTuple):
    """A table or view of an engine's own catalog by the parts of its name, and a digest of its rows where one is known.

    Without a digest no answer from it is remembered.
    """

    parts: tuple[str, ...]
    digest: str = ""

    @property
    def sql(self) -> str:
        """Its name as SQL."""
        return ".".join(map(quote_name, self.parts))


class Extent(NamedTuple):
    """The days that activity lies in: the first and last on which some starts, and the last of all (an end, maybe)."""

    first_start: date
    last_start: date
    last: date


@dataclass(frozen=True)
class Relation:
    """A named view or table in an engine. Rows stay there until they are asked for.

    `origin`, where there is one, is what it is made from; a ledger's has the same rows and passes its columns on, so
    that reading them there is cheaper. `remake` makes the relation from some of the origin's rows, and passes on
    columns that have been added to them.
    """

    engine: Engine
    name: str
    origin: Relation | None = None
    remake: Callable[[Relation], Relation] | None = None

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in order."""
        return list(self.schema)

    @cached_property
    def schema(self) -> dict[str, str]:
        """Column name to engine type."""
        return self.engine.schema(self.name)

    @cached_property
    def extent(self) -> Extent | None:
        """The days that the rows lie in, by start_date and (where there is one) end_date; None if no row has a date."""
        if self.origin is not None and "start_date" in self.origin.columns:
            return self.origin.extent
        last = "greatest(max(start_date), max(end_date))" if "end_date" in self.columns else "max(start_date)"
        table = self.query(f"SELECT min(start_date) AS f, max(start_date) AS s, {last} AS e FROM this").to_arrow()
        days = [table[column][0].as_py() for column in "fse"]
        return None if days[0] is None else Extent(*days)

    def require_extent(self) -> Extent:
        """Return the extent.

        Raises
        ------
        InputError
            If no row has a date.
        """
        if self.extent is None:
            raise InputError("There is no activity with a start date.")
        return self.extent

    def query(self, sql: str) -> Relation:
        """Return a new relation from a query over this one, called `this` in the SQL.

        Examples
        --------
        >>> contacts = connect().register("contacts", pd.DataFrame({"setting": ["admitted", "emergency", "emergency"]}))
        >>> contacts.query("SELECT setting, count(*) AS contacts FROM this GROUP BY 1 ORDER BY 1").to_pandas()
             setting  contacts
        0   admitted         1
        1  emergency         2
        """
        return self.engine.view("query", sql, {"this": self})

    def over(self, sql: str, inputs: Mapping[str, Relation]) -> Relation:
        """Return the rows (`this` in the SQL) as a query picks and joins them: before they are made, if that can be."""
        if self.origin is None or self.remake is None:
            return self.engine.view(self.name, sql, {"this": self, **inputs})
        return self.remake(self.engine.view(self.origin.name, sql, {"this": self.origin, **inputs}))

    def having(self, column: str, among: Relation) -> Relation:
        """Return the rows whose `column` is in `among`'s."""
        return self.over(
            f"SELECT * FROM this WHERE {quote_name(column)} IN (SELECT {quote_name(column)} FROM among)",
            {"among": among},
        )

    def materialise(self) -> Relation:
        """Compute the rows once and hold them in the engine (spilling to disk where they do not fit)."""
        return self.engine.view(self.name, "SELECT * FROM this", {"this": self}, materialise=True)

    def to_arrow(self) -> pa.Table:
        """Fetch all rows as Arrow."""
        return self.engine.fetch(f"SELECT * FROM {self.name}")

    def to_pandas(self) -> pd.DataFrame:
        """Fetch all rows as pandas: for tables of thousands, not millions."""
        return self.to_arrow().to_pandas()

    def count(self) -> int:
        """Return the number of rows."""
        return int(self.engine.fetch(f"SELECT count(*) AS n FROM {self.name}")["n"][0].as_py())

    def write_parquet(self, path: Path | str) -> Path:
        """Write the rows to one Parquet file, under a temporary name that is renamed when it is whole."""
        return self.engine.write_parquet(self.name, Path(path))

    def _repr_html_(self) -> str:
        # Columns and types only: rows may be patients, and notebooks are shared.
        cells = "".join(f"<tr><td>{html.escape(c)}</td><td>{html.escape(t)}</td></tr>" for c, t in self.schema.items())
        heads = "<tr><th>column</th><th>type</th></tr>"
        return f"<p>{html.escape(self.name)}: {self.count():,} rows</p><table>{heads}{cells}</table>"


class Engine(ABC):
    """What the ground floor asks of a database; each engine supplies the abstract methods."""

    #: sqlglot's name for the dialect that the engine speaks.
    dialect: str

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    # -- what each engine supplies ------------------------------------------------------------------------------------
    @abstractmethod
    def execute(self, sql: str) -> None:
        """Run one statement."""

    @abstractmethod
    def create(self, name: str, query: str, *, materialise: bool) -> None:
        """Make a query known as `name`: a view, or computed once where `materialise`."""

    @abstractmethod
    def fetch(self, sql: str) -> pa.Table:
        """Run a query and return its rows as Arrow."""

    @abstractmethod
    def schema(self, name: str) -> dict[str, str]:
        """Return column name to type of a view or table."""

    @abstractmethod
    def has(self, table: Stored) -> bool:
        """Return whether the engine's catalog has a table or view."""

    @abstractmethod
    def _register(self, name: str, source: pa.Table | list[str] | Stored) -> None:
        """Make an Arrow table, a list of Parquet files, or a table of a catalog known as `name`."""

    @abstractmethod
    def write_parquet(self, name: str, path: Path) -> Path:
        """Write a view to one Parquet file, whole or not at all."""

    def close(self) -> None:  # noqa: B027
        """Let go of what the engine holds elsewhere: nothing, for one in this process."""

    def fit(self, relations: Iterable[Relation]) -> None:  # noqa: B027
        """Set the engine for the size of tables that it will read."""

    def seal(self, files: Iterable[Path | str] = ()) -> None:  # noqa: B027
        """Let SQL read these files only, from now on. Does nothing where a platform has its own rules of access."""

    # -- what all engines share ---------------------------------------------------------------------------------------
    def new_name(self, stem: str) -> str:
        """Return a name that nothing in this session has."""
        return f"{re.sub(r'_[0-9]+$', '', stem)}_{next(self._numbers)}"

    def register(self, stem: str, source: pd.DataFrame | pa.Table | Stored | Path | str | list[Path]) -> Relation:
        """Make rows known to the engine.

        Parameters
        ----------
        stem : str
            What to call them; a number is added.
        source : DataFrame, Arrow table, Stored, path, or list of paths
            Rows in memory, a table of the engine's catalog, or Parquet files (a path may hold `*`).
        """
        name = self.new_name(stem)
        if isinstance(source, pd.DataFrame):
            source = as_arrow(source, stem)
        if not isinstance(source, pa.Table | Stored):
            source = [str(p) for p in source] if isinstance(source, list) else [str(source)]
        self._register(name, source)
        return Relation(self, name)

    def view(
        self,
        stem: str,
        sql: str,
        inputs: Mapping[str, Relation | pd.DataFrame] | None = None,
        *,
        materialise: bool = False,
    ) -> Relation:
        """Create a view (or a table, where `materialise`) from a query whose table names are keys of `inputs`."""
        name = self.new_name(stem)
        names = {key: self._as_relation(key, value).name for key, value in (inputs or {}).items()}
        self.create(name, _rename(sql, names), materialise=materialise)
        return Relation(self, name)

    def run(self, script: Path, inputs: Mapping[str, Relation | pd.DataFrame]) -> Mapping[str, Relation]:
        """Run a `.sql` file of named steps and return every step as a relation.

        Parameters
        ----------
        script : Path
            A file of `CREATE OR REPLACE TEMP VIEW|TABLE name AS SELECT ...;` steps. A step reads inputs and earlier
            steps by name, after FROM or JOIN.
        inputs : mapping of str to Relation or DataFrame
            What the file's outside names stand for. Settings are a one-row table like any other.

        Raises
        ------
        InputError
            If the file holds anything but named steps.
        """
        return _Steps(self, parse_steps(script), {key: self._as_relation(key, value) for key, value in inputs.items()})

    def _as_relation(self, stem: str, value: Relation | pd.DataFrame) -> Relation:
        return value if isinstance(value, Relation) else self.register(stem, value)


class _Steps(Mapping[str, Relation]):
    """Relations by name. A VIEW step becomes one only when it is asked for: within later steps it is a subquery.

    An engine reads a view's whole text again whenever another is made on it, so that twenty small ones are slow.
    """

    def __init__(self, engine: Engine, steps: list[tuple[str, str, str]], known: Mapping[str, Relation]) -> None:
        self._engine, self._made, self._views = engine, dict(known), dict[str, str]()
        for kind, step, sql in steps:
            names = {key: relation.name for key, relation in self._made.items()}
            query = _rename(sql, names | {key: f"({text})" for key, text in self._views.items()})
            if kind == "TABLE":
                self._made[step] = engine.view(step, query, materialise=True)
            else:
                self._views[step] = query

    def __getitem__(self, step: str) -> Relation:
        if step not in self._made:
            self._made[step] = self._engine.view(step, self._views[step])
        return self._made[step]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made | self._views)

    def __len__(self) -> int:
        return len(self._made | self._views)


class DuckDBEngine(Engine):
    """DuckDB in this process: the default."""

    dialect = "duckdb"

    def __init__(self, database: str = ":memory:") -> None:
        super().__init__()
        #: What does not fit in memory, and rows on their way; gone when the engine is, or at the next run.
        self.spill = scratch.make()
        weakref.finalize(self, scratch.remove, self.spill)
        self._files: set[str] | None = None
        # What an extension can do nobody has reviewed, and one that is fetched comes from the network.
        alone = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
        self.connection = duckdb.connect(database, config={"temp_directory": str(self.spill), **alone})
        # Every result is ordered by a key where order matters, so the engine need not buffer to keep the input's.
        self.connection.execute("SET preserve_insertion_order = false")
        # DuckDB 2.0 writes every step out again in each sum that it moves below a join: three times the time.
        with contextlib.suppress(duckdb.InvalidInputException, duckdb.ParserException):  # 1.5 does not know it
            self.connection.execute("SET disabled_optimizers = 'partial_aggregate_pushdown'")
        # Where DuckDB 2.0 gathers small chunks after a join, it stops now and then with an internal error (of
        # dictionaries that changed identity). Without it the ground floor takes a tenth longer, and no pack is lost.
        self.connection.execute("SET enable_caching_operators = false")
        # In a notebook without ipywidgets DuckDB 2.0 has no bar, and refuses even to have it switched off.
        with contextlib.suppress(duckdb.InvalidInputException):
            self.connection.execute("SET enable_progress_bar = false")

    def seal(self, files: Iterable[Path | str] = ()) -> None:
        """Let SQL read these files and no others, and write nothing outside the engine's own folder, for good.

        From then on DuckDB refuses other files, databases, extensions and the network. It has no way back, so that SQL
        of whatever origin cannot undo it. The rest of its settings are not locked: `csv_files.stage` changes one.

        Raises
        ------
        InputError
            If the engine is closed to one of them already.
        """
        # A link is followed before DuckDB looks whether the file is allowed.
        wanted = {str(path) for file in files for path in (Path(file).absolute(), Path(file).resolve())}
        if self._files is None:
            self._files = wanted
            self.execute(f"SET allowed_directories = [{quote_value(str(self.spill))}]")
            self.execute(f"SET allowed_paths = [{quote_values(sorted(wanted)) if wanted else ''}]")
            self.execute("SET enable_external_access = false")
        if lacking := sorted(wanted - self._files):
            raise InputError(
                f"This engine is closed to all files but those it was opened with, and so to {Path(lacking[0]).name}. "
                "Open those with an engine of their own: leave the engine out."
            )

    def execute(self, sql: str) -> None:
        """Run one statement."""
        self.connection.execute(sql)

    def create(self, name: str, query: str, *, materialise: bool) -> None:
        """Make a query known as `name`: a view, or a table where `materialise`."""
        self._require_one(query)
        self.execute(f"CREATE OR REPLACE TEMP {'TABLE' if materialise else 'VIEW'} {name} AS {query}")

    def _require_one(self, sql: str) -> None:
        # A second statement would run without being a query: it could write over a file that may be read.
        if ";" in sql and len(self.connection.extract_statements(sql)) > 1:
            raise InputError("A query must be one SELECT. Take out the semicolon and what follows it.")

    def fetch(self, sql: str) -> pa.Table:
        """Run a query and return its rows as Arrow."""
        self._require_one(sql)
        # The one spelling that DuckDB 1.5 and 2.0 share without a copy.
        return self.connection.sql(sql).to_arrow_table()

    def schema(self, name: str) -> dict[str, str]:
        """Return column name to type of a view or table."""
        return {row[0]: str(row[1]) for row in self.connection.execute(f"DESCRIBE {name}").fetchall()}

    def attach(self, file: Path) -> str:
        """Attach a DuckDB file, to be read and not written, and return what it is called; before `seal`."""
        self.execute(f"ATTACH {quote_value(str(file))} AS attached (READ_ONLY)")
        return "attached"

    def has(self, table: Stored) -> bool:
        """Return whether an attached file has a table or view."""
        names = ("table_catalog", "table_schema", "table_name")
        same = " AND ".join(f"{n} = {quote_value(part)}" for n, part in zip(names, table.parts, strict=True))
        return bool(self.connection.execute(f"SELECT 1 FROM information_schema.tables WHERE {same}").fetchall())

    def _register(self, name: str, source: pa.Table | list[str] | Stored) -> None:
        if isinstance(source, Stored):
            self.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM {source.sql}")
            return
        if isinstance(source, pa.Table):
            self.connection.register(f"{name}_arrow", source)
            self.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM {name}_arrow")
            self.connection.unregister(f"{name}_arrow")
            return
        files = quote_values(source)
        rows = f"read_parquet([{files}], hive_partitioning = false)"
        self.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM {rows}")

    def batches(self, name: str) -> pa.RecordBatchReader:
        """Return the rows of a view, batch after batch."""
        return self.connection.sql(f"SELECT * FROM {name}").to_arrow_reader(_ROWS_WRITTEN)

    def write_parquet(self, name: str, path: Path) -> Path:
        """Write a view to one Parquet file, whole or not at all, batch after batch."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        try:
            # Not by COPY: the engine itself writes nowhere but in its own folder.
            rows = self.batches(name)
            with pq.ParquetWriter(part, rows.schema, compression="zstd") as file:
                for batch in rows:
                    file.write_batch(batch)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return path


def as_arrow(frame: pd.DataFrame, what: str) -> pa.Table:
    """Return a table as Arrow has it.

    Raises
    ------
    InputError
        If it has a column twice, or a column of several kinds; without a value of it, which may be a patient's.
    """
    try:
        return pa.Table.from_pandas(arguments.table(frame, what=f"rows of {what}"), preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        raise InputError(
            f"A column of {what} has values of several kinds, such as text and numbers. Give one kind."
        ) from None


def connect(url: str | Any | None = None, *, files: Iterable[Path | str] | None = None) -> Engine:
    """Open an engine.

    Parameters
    ----------
    url : str or SparkSession, optional
        None, "" or "duckdb://" for DuckDB in memory; "duckdb:///folder/file.db" for a DuckDB file; "local[2]",
        "spark://host:port" or "sc://host:port" for Spark; "spark://" for the Spark session that is there, or the one
        that its own configuration names; or a Spark session that you have.
    files : iterable of Path or str, optional
        Let SQL read these files and no others, for good (`Engine.seal`); without it, whatever the user may read.

    Raises
    ------
    InputError
        If the URL names no engine that we have, or Spark is not installed.
    """
    engine = _engine(url)
    if files is not None:
        engine.seal(files)
    return engine


def _engine(url: str | Any | None) -> Engine:
    if url in (None, "", "duckdb://"):
        return DuckDBEngine()
    if isinstance(url, str) and url.startswith("duckdb:///"):
        return DuckDBEngine(url.removeprefix("duckdb:///"))
    if not isinstance(url, str) or url.startswith(("local", "spark://", "sc://")):
        from pathcost_lib.sources.spark_engine import SparkEngine  # only where somebody asks for it

        return SparkEngine(url)
    raise InputError(
        f"No engine for {url!r}. Allowed: nothing (DuckDB in memory), duckdb:///file.db, local[2], spark://, sc://."
    )


def parse_steps(script: Path) -> list[tuple[str, str, str]]:
    """Split a `.sql` file into (VIEW or TABLE, name, query) steps; comments are dropped.

    Raises
    ------
    InputError
        If a statement is not `CREATE OR REPLACE TEMP VIEW|TABLE name AS ...`.
    """
    steps = []
    for statement in _COMMENT.sub("", script.read_text(encoding="utf-8")).split(";"):
        if not statement.strip():
            continue
        match = _STEP.fullmatch(statement)
        if not match:
            raise InputError(f"{script.name}: not a named step: {statement.strip()[:80]!r}")
        steps.append((match[1].upper(), match[2], match[3].strip()))
    return steps


def _rename(sql: str, names: Mapping[str, str]) -> str:
    """Replace the table names after FROM and JOIN that are known, and leave all else (CTEs, columns) alone."""

    def replaced(match: re.Match[str]) -> str:
        if match[3] is None:
            return match[0]
        name = names.get(match[3], match[3])
        # A subquery goes by the name of its step, unless it has another.
        alias = f" AS {match[3]}" if name.startswith("(") and not _ALIAS.match(sql, match.end()) else ""
        return f"{match[1]}{match[2]}{name}{alias}"

    return _LITERAL_OR_READS.sub(replaced, sql)
