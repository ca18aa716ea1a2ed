"""Spark behind the same small engine: the SQL is transpiled, the rows stay on the platform, only summaries come back.

Install with `pip install pathcost[spark]`; a session of Databricks, Spark Connect, a cluster or this machine will do.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from pathcost_lib.errors import InputError
from pathcost_lib.sources.engine import Engine, Relation, Stored
from pathcost_lib.sources.quoting import quote_name

__all__ = ["SparkEngine"]

#: What a session of ours does whatever the platform's defaults are: parts are joined where they are small, and a join
#: is chosen by what is found.
_SESSION = {
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.adaptive.coalescePartitions.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
}
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50, "EiB": 2**60}
#: Parquet is read into three to five times its size.
_BYTES_A_PART = 32 * 2**20
_FEWEST_PARTS, _MOST_PARTS = 2, 4000


class SparkEngine(Engine):
    """A Spark session, given as an object or by its URL ("local[2]", "spark://host:port", "sc://host:port")."""

    dialect = "spark"

    def __init__(self, session: Any) -> None:
        super().__init__()
        try:
            import sqlglot
        except ImportError as error:
            raise InputError("Spark needs two more packages: pip install 'pathcost[spark]'.") from error
        self._transpile = sqlglot.transpile
        #: Whether the session was made here, and so is ended here.
        self._made = False
        if isinstance(session, str):
            self.session, self._made = _session(session)
        else:
            self.session = session
        # A sum that overflows or a text that is not a number must stop the job, as it does on DuckDB.
        self.session.conf.set("spark.sql.ansi.enabled", "true")
        self._own = isinstance(session, str)
        self._held: list[Any] = []
        if self._own:
            for name, value in _SESSION.items():
                self.session.conf.set(name, value)

    def fit(self, relations: Iterable[Relation]) -> None:
        """Set how many parts a shuffle has by the size of tables, in a session of our own; Spark joins small ones.

        Spark's own number, 200, is for hundreds of gigabytes: of a small table each part is a task that does nothing.
        """
        if self._own:
            size = sum(self._size(relation.name) for relation in relations)
            parts = min(_MOST_PARTS, max(_FEWEST_PARTS, math.ceil(size / _BYTES_A_PART)))
            self.session.conf.set("spark.sql.shuffle.partitions", str(parts))

    def _size(self, name: str) -> float:
        """Return the bytes that Spark reckons a view reads."""
        plan = self.session.sql(f"EXPLAIN COST SELECT * FROM {name}").collect()[0][0]
        size = re.search(r"sizeInBytes=([\d.E+]+) (\w+)", plan)
        return float(size[1]) * _BYTES.get(size[2], 1) if size else 0.0

    def fingerprint(self, name: str) -> str:
        """Return a digest of the rows of a view, whatever their order: their number, and the sum of each one's hash.

        It shows that rows have changed by accident or in the course of work; it is no proof against forgery.
        """
        columns = [field.name for field in self.session.table(name).schema.fields]
        # A null leaves a hash as it was, so that each column says whether it is one.
        listed = ", ".join(f"{quote_name(column)}, {quote_name(column)} IS NULL" for column in columns)
        sums = f"count(*) AS n, sum(CAST(xxhash64({listed}) AS DECIMAL(38, 0))) AS h"
        row = self._sql(f"SELECT {sums} FROM {name}").collect()[0]
        return hashlib.sha256(f"{columns} {row['n']} {row['h']}".encode()).hexdigest()

    def close(self) -> None:
        """Let go of what is held in memory, and of the session where it was made here."""
        for frame in self._held:
            frame.unpersist()
        self._held.clear()
        if self._made:
            self.session.stop()

    def execute(self, sql: str) -> None:
        """Run one statement written in DuckDB's dialect."""
        self._sql(sql)

    def create(self, name: str, query: str, *, materialise: bool) -> None:
        """Make a query known as `name`; kept in memory and on disk where `materialise`."""
        frame = self._sql(query)
        if materialise:
            frame = frame.persist()
            self._held.append(frame)
        frame.createOrReplaceTempView(name)

    def fetch(self, sql: str) -> pa.Table:
        """Run a query and return its rows as Arrow."""
        frame = self._sql(sql)
        if hasattr(frame, "toArrow"):
            return frame.toArrow()
        return pa.Table.from_pandas(frame.toPandas(), preserve_index=False)  # Spark 3.5

    def schema(self, name: str) -> dict[str, str]:
        """Return column name to type of a view or table."""
        return {f.name: f.dataType.simpleString().upper() for f in self.session.table(name).schema.fields}

    def has(self, table: Stored) -> bool:
        """Return whether the catalog has a table or view."""
        from pyspark.errors import AnalysisException

        try:
            return bool(self.session.catalog.tableExists(_dotted(table)))
        except AnalysisException as error:
            place = ".".join(table.parts[:-1])
            raise InputError(f"Spark has no catalog or schema {place} ({error.getCondition()}).") from None

    def _register(self, name: str, source: pa.Table | list[str] | Stored) -> None:
        if isinstance(source, Stored):
            frame = self.session.table(_dotted(source))
        else:
            frame = self._parquet(*source) if isinstance(source, list) else self._from_arrow(source)
        frame.createOrReplaceTempView(name)

    def parquet_at(self, store: str, table: str) -> str:
        """Return where on a store a table's Parquet files are, a folder or one file; empty if there is none."""
        from pyspark.errors import AnalysisException

        for place in (f"{store}/{table}", f"{store}/{table}.parquet"):
            try:
                self._parquet(place)
            except AnalysisException as error:
                if error.getCondition() not in ("PATH_NOT_FOUND", "UNABLE_TO_INFER_SCHEMA"):
                    raise InputError(f"Spark cannot read {place}: {error.getCondition()}.") from None
            except Exception as error:  # whatever the store's own client calls a refusal
                raise InputError(
                    f"Spark cannot reach {store}: {type(error).__name__}. Look at its settings."
                ) from error
            else:
                return place
        return ""

    def _parquet(self, *places: str) -> Any:
        """Read Parquet files, and folders of them at any depth, whether or not folders are named by a column."""
        from pyspark.errors import AnalysisException

        try:
            frame = self.session.read.parquet(*places)
            _ = frame.schema  # Spark Connect looks only when it is asked
        except AnalysisException as error:
            if error.getCondition() != "UNABLE_TO_INFER_SCHEMA":
                raise
            frame = self.session.read.option("recursiveFileLookup", "true").parquet(*places)
            _ = frame.schema
        return frame

    def _from_arrow(self, table: pa.Table) -> Any:
        fields = [pa.field(f.name, pa.string() if pa.types.is_null(f.type) else f.type) for f in table.schema]
        table = table.cast(pa.schema(fields))
        try:
            return self.session.createDataFrame(table)
        except TypeError:  # Spark 3.5 takes no Arrow
            frame: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype).astype(object)
            return self.session.createDataFrame(frame.where(frame.notna(), None), schema=_ddl(table.schema))

    def write_parquet(self, name: str, path: Path) -> Path:
        """Write a view as a folder of Parquet files, whole or not at all."""
        part = path.with_name(path.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        self.session.table(name).write.parquet(str(part))
        shutil.rmtree(path, ignore_errors=True)
        part.replace(path)
        return path

    def save(self, name: str, place: Stored | str) -> None:
        """Write a view as a table of a catalog, or as Parquet on a store, in the place of what is there."""
        rows = self.session.table(name).write.mode("overwrite")
        if isinstance(place, Stored):
            rows.saveAsTable(_dotted(place))
        else:
            rows.parquet(place)

    def _sql(self, sql: str) -> Any:
        return self.session.sql(self._transpile(sql, read="duckdb", write="spark")[0])


#: What a session of our own is given; all but the driver's memory can be changed in one that is there.
_OWN_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    # A bar would be drawn into notebooks, and the pages of a session show queries to whoever can reach the port.
    "spark.ui.showConsoleProgress": "false",
    "spark.ui.enabled": "false",
}


def _session(url: str) -> tuple[Any, bool]:
    """Return a session, and whether it was made now."""
    remote = url.startswith("sc://")
    try:
        # The client's own class, which may live beside another session of this process.
        spark = import_module("pyspark.sql.connect.session" if remote else "pyspark.sql")
    except ImportError as error:
        raise InputError("Spark needs two more packages: pip install 'pathcost[spark]'.") from error
    builder = spark.SparkSession.builder.appName("pathcost")
    if remote:
        return builder.remote(url).config("spark.sql.session.timeZone", "UTC").getOrCreate(), True
    if there := spark.SparkSession.getActiveSession():
        if url != "spark://" and there.sparkContext.master != url:
            raise InputError(
                f"This process has a Spark session on {there.sparkContext.master} already, and can have no other on "
                f"{url}. Use spark:///catalog.schema for the one that is there, or start anew."
            )
        return there, False
    if url == "spark://" and os.environ.get("SPARK_REMOTE"):
        return builder.getOrCreate(), True
    for name, value in {**_OWN_SETTINGS, "spark.driver.memory": os.environ.get("SPARK_DRIVER_MEMORY", "2g")}.items():
        builder = builder.config(name, value)
    builder = builder if url == "spark://" else builder.master(url)
    with tempfile.TemporaryFile() as log, _errors_to(log.fileno()):
        try:
            return builder.getOrCreate(), True
        except Exception as error:  # no Java, a master that does not answer, a setting that is not known
            log.seek(0)
            lines = [line for line in log.read().decode("utf-8", "replace").splitlines() if "WARN" not in line]
            why = lines[-1].strip() if lines else str(error).splitlines()[0]
            raise InputError(
                f"Spark did not start at {url}: {why}. It needs Java 17, and a master that answers."
            ) from None


@contextlib.contextmanager
def _errors_to(file: int) -> Iterator[None]:
    """Send what a program that is started here writes to its error stream to a file: a notebook would show it."""
    kept = os.dup(2)
    os.dup2(file, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _dotted(table: Stored) -> str:
    """Return the name of a table of a catalog as Spark reads it."""
    return ".".join(f"`{part}`" for part in table.parts)


def _ddl(schema: pa.Schema) -> str:
    names = {"int64": "bigint", "int32": "int", "double": "double", "string": "string", "large_string": "string"}
    names |= {"date32[day]": "date", "bool": "boolean"}
    return ", ".join(f"`{f.name}` {names[str(f.type)]}" for f in schema)
