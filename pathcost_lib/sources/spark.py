"""The same ground floor on Spark: the SQL is transpiled, the rows stay on the platform.

Install with `pip install pathcost[spark]`. A session of Databricks, Spark Connect or this machine will do.
"""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from pathcost_lib.errors import InputError
from pathcost_lib.sources.engine import Engine

__all__ = ["SparkEngine"]


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
        self.session = _session(session) if isinstance(session, str) else session
        # A sum that overflows or a text that is not a number must stop the job, as it does on DuckDB.
        self.session.conf.set("spark.sql.ansi.enabled", "true")

    def execute(self, sql: str) -> None:
        """Run one statement written in DuckDB's dialect."""
        self._sql(sql)

    def create(self, name: str, query: str, *, materialise: bool) -> None:
        """Make a query known as `name`; kept in memory and on disk where `materialise`."""
        frame = self._sql(query)
        (frame.persist() if materialise else frame).createOrReplaceTempView(name)

    def fetch(self, sql: str) -> pa.Table:
        """Run a query and return its rows as Arrow."""
        frame = self._sql(sql)
        if hasattr(frame, "toArrow"):
            return frame.toArrow()
        return pa.Table.from_pandas(frame.toPandas(), preserve_index=False)  # Spark 3.5

    def schema(self, name: str) -> dict[str, str]:
        """Return column name to type of a view or table."""
        return {f.name: f.dataType.simpleString().upper() for f in self.session.table(name).schema.fields}

    def _register(self, name: str, source: pa.Table | list[str]) -> None:
        frame = self.session.read.parquet(*source) if isinstance(source, list) else self._from_arrow(source)
        frame.createOrReplaceTempView(name)

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

    def _sql(self, sql: str) -> Any:
        return self.session.sql(self._transpile(sql, read="duckdb", write="spark")[0])


def _session(url: str) -> Any:
    remote = url.startswith("sc://")
    try:
        # The client's own class, which may live beside another session of this process.
        spark = import_module("pyspark.sql.connect.session" if remote else "pyspark.sql")
    except ImportError as error:
        raise InputError("Spark needs two more packages: pip install 'pathcost[spark]'.") from error
    builder = spark.SparkSession.builder.appName("pathcost").config("spark.sql.session.timeZone", "UTC")
    return (builder.remote(url) if remote else builder.master(url)).getOrCreate()


def _ddl(schema: pa.Schema) -> str:
    names = {"int64": "bigint", "int32": "int", "double": "double", "string": "string", "large_string": "string"}
    names |= {"date32[day]": "date", "bool": "boolean"}
    return ", ".join(f"`{f.name}` {names[str(f.type)]}" for f in schema)
