"""Rows written where an analyst's own tools can ask them: a folder, a DuckDB file, a schema or store of the platform.

What a platform reads it also writes: rows of a catalog or store go to a catalog or store of the same platform, and
never through this machine. Rows of a folder or DuckDB file go to another, batch after batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb

from pathcost_lib import paths
from pathcost_lib.errors import InputError
from pathcost_lib.sources.address import Address, parse
from pathcost_lib.sources.dataset import Dataset
from pathcost_lib.sources.engine import DuckDBEngine, Engine, Relation, Stored
from pathcost_lib.sources.quoting import quote_name
from pathcost_lib.sources.spark_engine import SparkEngine

__all__ = ["require_place", "write_tables"]


def require_place(dataset: Dataset, to: str | Path | Address) -> Address:
    """Return the address to write to, where a dataset's rows may go.

    Raises
    ------
    InputError
        If rows would leave their platform, or go among the tables that they are read from.
    """
    place = parse(to)
    spark = isinstance(dataset.engine, SparkEngine)
    if spark != bool(place.engine):
        words = "a schema or store of that platform" if spark else "a folder or a DuckDB file"
        source = dataset.address.name if dataset.address else "memory"
        raise InputError(f"The rows of {source} are not written to {place.name}. Allowed: {words}.")
    own = dataset.address
    if own and place.engine not in ("spark://", own.engine):
        raise InputError(f"{place.name} is on another cluster than the data. Allowed: the same, or spark:///schema.")
    if own and (own.folder or own.file) and (own.folder, own.file) == (place.folder, place.file):
        raise InputError(f"{place.name} has the data themselves. Name another folder or file: what is read stays.")
    return place


def write_tables(tables: Mapping[str, Relation], place: Address, *, replace: bool = False) -> None:
    """Write relations of one engine as tables at an address.

    Parameters
    ----------
    tables : mapping of str to Relation
        What to write, by the name to write it under.
    place : Address
        From `require_place`.
    replace : bool
        Write in the place of tables of these names.

    Raises
    ------
    InputError
        If one of them is there and may not be replaced, or the place cannot be written.
    """
    engine = next(iter(tables.values())).engine
    if isinstance(engine, SparkEngine):
        _to_platform(engine, tables, place, replace)
    elif place.file is not None:
        _to_file(engine, tables, place, place.file, replace)
    else:
        folder = paths.private_folder(Path(place.text))
        _refuse([name for name in tables if (folder / f"{name}.parquet").exists()], place, replace)
        for name, relation in tables.items():
            relation.write_parquet(folder / f"{name}.parquet").chmod(0o600)


def _refuse(there: list[str], place: Address, replace: bool) -> None:
    if there and not replace:
        raise InputError(f"{place.name} has {', '.join(there)} already. Write in their place with --replace.")


def _to_platform(engine: SparkEngine, tables: Mapping[str, Relation], place: Address, replace: bool) -> None:
    if place.store:
        _refuse([name for name in tables if engine.parquet_at(place.store, name)], place, replace)
    else:
        _refuse([name for name in tables if engine.has(Stored((*place.schema, name)))], place, replace)
    for name, relation in tables.items():
        engine.save(relation.name, f"{place.store}/{name}" if place.store else Stored((*place.schema, name)))


def _to_file(engine: Engine, tables: Mapping[str, Relation], place: Address, file: Path, replace: bool) -> None:
    assert isinstance(engine, DuckDBEngine)
    new = not file.exists()
    try:
        connection = duckdb.connect(str(file), config={"enable_external_access": "false"})
    except duckdb.Error:
        raise InputError(f"{file.name} is no DuckDB database that this version writes, or is in use.") from None
    with connection:
        if new:
            file.chmod(0o600)
        schema = place.schema[0]
        sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = ?"
        there = {row[0] for row in connection.execute(sql, [schema]).fetchall()}
        _refuse([name for name in tables if name in there], place, replace)
        connection.begin()
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_name(schema)}")
        for name, relation in tables.items():
            connection.register("rows_to_write", engine.batches(relation.name))
            connection.execute(f"CREATE OR REPLACE TABLE {quote_name(schema)}.{quote_name(name)} AS FROM rows_to_write")
            connection.unregister("rows_to_write")
        connection.commit()
