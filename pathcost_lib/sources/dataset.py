"""A dataset: the tables of one extract, by name, in one engine; opened only if they keep their contracts.

There is one door, `open_dataset`, whatever the address (`sources.address`): a folder, a DuckDB file, a Spark catalog, a
store. Opening reads the footers of the Parquet files, and the values only of floating columns and of timestamps that
should be dates. Values are `check`'s.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from pathcost_lib import paths
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.sources.address import Address, parse
from pathcost_lib.sources.contracts import (
    CONTRACTS,
    PATTERNS,
    TABLES,
    Column,
    Contract,
    engine_type,
    full_match,
    type_problem,
)
from pathcost_lib.sources.engine import DuckDBEngine, Engine, Relation, Stored, as_arrow, connect
from pathcost_lib.sources.files import find_tables, read_source, source_name, unreadable
from pathcost_lib.sources.quoting import quote_name, quote_value
from pathcost_lib.sources.remember import RememberingEngine, Store
from pathcost_lib.sources.spark_engine import SparkEngine

__all__ = ["INVENTED", "TABLES", "Dataset", "column_problems", "open_dataset"]

#: File that stands beside the sample's tables and says how it was made; in a database the table `sample` of one text.
INVENTED = "sample.json"


@dataclass(frozen=True)
class Dataset:
    """The tables of one extract. `dataset.activity` is a `Relation`; a table that is not there says so."""

    engine: Engine
    tables: Mapping[str, Relation]
    address: Address | None = None
    files: Mapping[str, list[Path]] = field(default_factory=dict)
    #: How the sample was made, which is invented; empty for data that are somebody's.
    invented: Mapping[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Relation:
        if name.startswith("_") or name not in TABLES:
            raise AttributeError(name)
        if name not in self.tables:
            where = f" in {self.address.name}" if self.address else ""
            names = ", ".join(self.tables) or "none"
            expected = f"{name}.parquet or {name}/*.parquet" if self.folder else f"a table or view {name}"
            raise InputError(f"There is no table {name!r}{where}. Expected {expected}. Held: {names}.")
        return self.tables[name]

    @property
    def folder(self) -> Path | None:
        """The folder that it was read from, if it was."""
        return self.address.folder if self.address else None

    def where(self, name: str) -> str:
        """Return where a table is from, in words for an error."""
        return source_name(name, self.files.get(name, []), self.address.where(name) if self.address else "")

    def __contains__(self, name: object) -> bool:
        return name in self.tables

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    @classmethod
    def from_frames(cls, frames: Mapping[str, pd.DataFrame], engine: Engine | None = None) -> Dataset:
        """Build a dataset from tables in memory (lessons and tests). Nothing is refused: `check` says what is wrong."""
        engine = engine or connect()
        engine.seal()
        tables = {}
        for name, frame in frames.items():
            contract = CONTRACTS[require_one_of(name, TABLES, what="Table")]
            arrow = as_arrow(frame, name)
            # A column of nothing but None has no type in pandas: give it the contract's.
            blank = {field.name for field in arrow.schema if pa.types.is_null(field.type)}
            blank |= {column.name for column in contract.columns if column.optional} - set(arrow.schema.names)
            casts = dict(_cast(column) for column in contract.columns if column.name in blank)
            tables[name] = _as_contract(engine.register(name, arrow), casts)
        return cls(engine, tables)


def open_dataset(folder: str | Path | Address, engine: Engine | None = None, *, remember: bool = False) -> Dataset:
    """Open the tables at an address: a folder, or a database or catalog whose tables are called as ours are.

    A folder holds `activity.parquet`, `activity/` with any depth of `.parquet` files, or `activity.csv`; a database, a
    table or view `activity`. `sources.address` lists what an address may be.

    Whole numbers and decimals are widened where nothing is lost, timestamps that are all midnight become dates, and
    optional columns that are left out are null on every row. `docs/tables.md` says what each table must hold.

    Parameters
    ----------
    folder : str, Path or Address
        Where the tables are, such as "data/own", "duckdb:///own.db" or "spark:///nhs.costing".
    engine : Engine, optional
        Where to run; what the address names if not given, DuckDB in memory for a folder.
    remember : bool
        Keep the summaries that are fetched, and find them again when the same is asked of the same files
        (`sources.remember`): the first notebook, or ICB, computes what is national, all others read it. The numbers are
        the same. Not with an engine of one's own.

    Raises
    ------
    InputError
        If the folder or schema is not there or holds no known table, or a table cannot be used: no rows, a file cut
        short, a column missing or of another type, files of one table that differ, NaN in a number. Everything that is
        wrong with the columns of all tables is listed at once, by file (or catalog and table) and column.

    Examples
    --------
    The synthetic England at its smallest (`pathcost sample --people tiny`), and its contacts by setting:

    >>> import pathcost_lib as pc
    >>> from pathcost_lib import paths
    >>> dataset = pc.open_dataset(paths.sample())
    >>> list(dataset.tables)
    ['activity', 'patients', 'unit_costs', 'organisations', 'population', 'quantum', 'outcomes']
    >>> dataset.activity.query("SELECT setting, count(*) AS contacts FROM this GROUP BY 1 ORDER BY 1").to_pandas()
             setting  contacts
    0       admitted      2712
    1      ambulance      4501
    2      community      9349
    3      emergency      3631
    4  mental_health      3518
    5     outpatient     13715
    6   primary_care     50095
    7    social_care       388
    """
    address = parse(folder)
    if address.folder is not None:
        return _open_folder(address, address.folder, engine, remember)
    if address.file is not None:
        return _open_file(address, address.file, engine, remember)
    return _open_spark(address, engine)


def _open_folder(address: Address, folder: Path, engine: Engine | None, remember: bool) -> Dataset:
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}. `pathcost sample` makes the synthetic England.")
    files = find_tables(folder)
    engine = engine or _own_engine(remember)
    engine.seal(path for parts in files.values() for path in parts)
    sources = {name: read_source(name, parts) for name, parts in files.items()}
    schemas = {name: schema for name, (schema, _) in sources.items()}
    made = folder / INVENTED
    about = json.loads(made.read_text(encoding="utf-8")) if made.is_file() else {}
    try:
        tables = {name: engine.register(name, source) for name, (_, source) in sources.items()}
        engine.fit(tables.values())
        return Dataset(engine, conform(tables, files, schemas), address, files, about)
    except InputError:
        raise
    except Exception:  # Whatever the engine calls a damaged page or bytes that are not text.
        broken = unreadable(files)
        if not broken:
            raise
        lines = [f"{line['file']}, column {line['column']}: {line['rule']}." for line in broken]
        raise InputError(_listed(lines)) from None


def _own_engine(remember: bool) -> Engine:
    return RememberingEngine(Store(paths.cache())) if remember else connect()


def _open_file(address: Address, file: Path, engine: Engine | None, remember: bool) -> Dataset:
    if not file.is_file():
        raise InputError(f"There is no database {file}.")
    if engine is not None:
        raise InputError("A DuckDB file has an engine of its own. Leave the engine out.")
    own = _own_engine(remember)
    assert isinstance(own, DuckDBEngine)
    digest = Store(paths.cache()).file_digest(file) if remember else ""
    try:
        catalog = own.attach(file)
    except Exception:  # whatever DuckDB calls a file that is no database, or another version's
        raise InputError(f"{file.name} is no DuckDB database that this version reads, or is being written.") from None
    own.seal()
    return _open_catalog(address, own, {n: Stored((catalog, *address.schema, n), digest) for n in (*TABLES, _SAMPLE)})


def _open_spark(address: Address, engine: Engine | None) -> Dataset:
    engine = engine or connect(address.engine)
    if not isinstance(engine, SparkEngine):
        raise InputError(f"{address.name} is read by Spark, not by the engine given. Leave the engine out.")
    if address.store:
        return _open_store(address, engine)
    return _open_catalog(address, engine, {n: Stored((*address.schema, n)) for n in (*TABLES, _SAMPLE)})


#: Table of one text that says how the sample was made, where its tables were copied into a database.
_SAMPLE = "sample"


def _open_catalog(address: Address, engine: Engine, names: Mapping[str, Stored]) -> Dataset:
    there = {name: stored for name, stored in names.items() if engine.has(stored)}
    tables = {name: engine.register(name, stored) for name, stored in there.items()}
    made = tables.pop(_SAMPLE, None)
    return _conformed(address, engine, tables, json.loads(made.to_arrow()["about"][0].as_py()) if made else {})


def _open_store(address: Address, engine: SparkEngine) -> Dataset:
    tables = {}
    for name in TABLES:
        if place := engine.parquet_at(address.store, name):
            tables[name] = engine.register(name, place)
    return _conformed(address, engine, tables, {})


def _conformed(address: Address, engine: Engine, tables: Mapping[str, Relation], about: Mapping[str, Any]) -> Dataset:
    """Return the tables of a catalog or store as a dataset."""
    if not tables:
        raise InputError(f"{address.name} holds none of the tables or views {', '.join(TABLES)}.")
    # One question for all tables: on a cluster each has its price.
    firsts = [f"SELECT * FROM (SELECT {quote_value(n)} AS name FROM {n} LIMIT 1) AS {n}" for n in tables]
    filled = set(engine.view("filled", " UNION ALL ".join(firsts), tables).to_arrow()["name"].to_pylist())
    if empty := [name for name in tables if name not in filled]:
        lines = [f"{address.where(n)}: the table has columns but no rows. Fill it, or leave it out." for n in empty]
        raise InputError(_listed(lines))
    engine.fit(tables.values())
    return Dataset(engine, conform(tables, {}, where=address.where), address, {}, about)


def conform(
    tables: Mapping[str, Relation],
    files: Mapping[str, list[Path]],
    schemas: Mapping[str, pa.Schema] | None = None,
    where: Callable[[str], str] = lambda name: "",
) -> dict[str, Relation]:
    """Return the tables in the types of their contracts, with the optional columns.

    `where` says what errors call a table that is in no file.

    Raises
    ------
    InputError
        If a column is missing or cannot be read as its type without loss, or a number is NaN or infinite.
    """
    schemas = schemas or {
        name: relation.query("SELECT * FROM this LIMIT 0").to_arrow().schema for name, relation in tables.items()
    }
    places = {name: source_name(name, files.get(name, []), where(name)) for name in tables}
    problems = _schema_problems(schemas, places)
    if not problems:
        for name, relation in tables.items():
            problems += _value_problems(relation, CONTRACTS[name], schemas[name], places[name])
            problems += _code_problems(relation, CONTRACTS[name], schemas[name], places[name], files.get(name, []))
    if problems:
        raise InputError(_listed(problems))
    return {name: _as_contract(relation, _casts(CONTRACTS[name], schemas[name])) for name, relation in tables.items()}


def _schema_problems(schemas: Mapping[str, pa.Schema], places: Mapping[str, str]) -> list[str]:
    lines = [line for name, schema in schemas.items() for line in column_problems(name, schema, places[name])]
    return lines + _identifiers_differ(schemas)


def column_problems(name: str, schema: pa.Schema, where: str = "") -> list[str]:
    """Return, one line each, which columns of a table are missing, repeated or of a type that cannot be read."""
    where, contract = where or name, CONTRACTS[name]
    lines = []
    for column in contract.columns:
        times = schema.names.count(column.name)
        if times > 1:
            lines.append(f"{where}: column {column.name} is there {times} times. Allowed: once.")
        elif not times:
            like = next((n for n in schema.names if n.strip().lower() == column.name), None)
            if column.optional and not like:
                continue
            hint = f" There is {like!r}: rename it." if like else ""
            lines.append(f"{where}: column {column.name} ({column.meaning}) is missing.{hint} Allowed: {column.type}.")
        elif times and (reason := type_problem(column, schema.field(column.name).type)):
            lines.append(f"{where}, column {column.name}: found {reason}. Allowed: {column.type}.")
    return lines


def _listed(problems: list[str]) -> str:
    return "The dataset cannot be used:\n" + "\n".join(f"- {line}" for line in problems)


def _identifiers_differ(schemas: Mapping[str, pa.Schema]) -> list[str]:
    types = {name: schema.field("patient_id").type for name, schema in schemas.items() if "patient_id" in schema.names}
    kinds = {name: "text" if engine_type(kind) == "VARCHAR" else "a number" for name, kind in types.items()}
    listed = ", ".join(f"{kind} in {name}" for name, kind in kinds.items())
    return [f"column patient_id: {listed}. Allowed: one type."] if len(set(kinds.values())) > 1 else []


# -- values and types --------------------------------------------------------------------------------------------------


def _value_problems(relation: Relation, contract: Contract, schema: pa.Schema, where: str) -> list[str]:
    """Count, in one pass over the columns concerned, what would poison a sum (NaN, infinity) or lose a time of day."""
    tests, words = {}, {}
    for column in contract.columns:
        kind = engine_type(schema.field(column.name).type) if column.name in schema.names else ""
        if kind in ("DOUBLE", "REAL"):
            # NaN compares as greater than every number; one NaN makes the sum of its column NaN.
            tests[column.name] = f"{column.name} NOT BETWEEN -1e300 AND 1e300"
            words[column.name] = "are NaN or infinite, which would make every sum NaN. Allowed: a number, or null"
        elif kind == "TIMESTAMP":
            tests[column.name] = f"{column.name} <> date_trunc('day', {column.name})"
            words[column.name] = "have a time of day. Allowed: dates, or timestamps that are all midnight"
    if not tests:
        return []
    counts = ", ".join(f"count(*) FILTER (WHERE {test}) AS {name}" for name, test in tests.items())
    row = relation.query(f"SELECT {counts} FROM this").to_arrow().to_pylist()[0]
    return [f"{where}, column {name}: {n:,} rows {words[name]}." for name, n in row.items() if n]


def _code_problems(
    relation: Relation, contract: Contract, schema: pa.Schema, where: str, files: list[Path]
) -> list[str]:
    """Count the rows whose codes are made of other characters than a code has.

    Names are no codes: they reach no SQL, `names.organisation_names` makes them fit to print, and `check` counts them.

    Codes are few: the engine groups the rows first, in a fiftieth of the time of costing them, and judges the groups.
    """
    columns = [c for c in contract.columns if c.pattern not in ("", "name") and c.name in schema.names]
    if not columns:
        return []
    names = [quote_name(column.name) for column in columns]
    wrong = [f"NOT regexp_matches({n}, {full_match(c.pattern)})" for n, c in zip(names, columns, strict=True)]
    counts = ", ".join(f"sum(CASE WHEN {w} THEN held ELSE 0 END) AS {n}" for n, w in zip(names, wrong, strict=True))
    listed = ", ".join(names)
    groups = f"SELECT {listed}, count(*) AS held FROM this GROUP BY {listed}"
    try:
        row = relation.query(f"SELECT {counts} FROM ({groups}) AS codes").to_arrow().to_pylist()[0]
    except Exception:  # Whatever the engine calls a damaged page or bytes that are not text: `check` counts those.
        if not unreadable({contract.table: files}):
            raise
        return []
    return [
        f"{where}, column {c.name}: {int(row[c.name]):,} rows hold what is not {PATTERNS[c.pattern][1]}."
        for c in columns
        if row[c.name]
    ]


def _casts(contract: Contract, schema: pa.Schema) -> dict[str, str]:
    """Return how to read the columns that must be widened, and the optional ones to add as nulls."""
    casts: dict[str, str] = {}
    for column in contract.columns:
        kind = engine_type(schema.field(column.name).type) if column.name in schema.names else "missing"
        if kind not in column.types and (column.type, kind) != ("INTEGER", "BIGINT"):
            casts.update([_cast(column)])
    return casts


def _cast(column: Column) -> tuple[str, str]:
    # Of an identifier's two types the first, a number: text needs no cast.
    return column.name, f"CAST({{}} AS {column.types[0]}) AS {column.name}"


def _as_contract(relation: Relation, casts: Mapping[str, str]) -> Relation:
    if not casts:
        return relation
    columns = relation.columns
    listed = [casts[name].format(name) if name in casts else quote_name(name) for name in columns]
    listed += [cast.format("NULL") for name, cast in casts.items() if name not in columns]
    return relation.engine.view(relation.name, f"SELECT {', '.join(listed)} FROM this", {"this": relation})
