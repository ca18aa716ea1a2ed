"""A dataset: the tables of one extract, by name, in one engine; opened only if they keep their contracts.

Opening reads the footers of the Parquet files, and the values only of floating columns and of timestamps that should be
dates. Values are `check`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa

from pathcost_lib import paths
from pathcost_lib.errors import InputError, require_one_of
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
from pathcost_lib.sources.engine import Engine, Relation, connect
from pathcost_lib.sources.files import find_tables, read_source, source_name, unreadable
from pathcost_lib.sources.quoting import quote_name
from pathcost_lib.sources.remember import RememberingEngine, Store

__all__ = ["INVENTED", "TABLES", "Dataset", "column_problems", "is_invented", "open_dataset"]

#: File that stands beside the sample's tables and says how it was made.
INVENTED = "sample.json"


@dataclass(frozen=True)
class Dataset:
    """The tables of one extract. `dataset.activity` is a `Relation`; a table that is not there says so."""

    engine: Engine
    tables: Mapping[str, Relation]
    folder: Path | None = None
    files: Mapping[str, list[Path]] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Relation:
        if name.startswith("_") or name not in TABLES:
            raise AttributeError(name)
        if name not in self.tables:
            where = f" in {self.folder}" if self.folder else ""
            names = ", ".join(self.tables) or "none"
            raise InputError(
                f"There is no table {name!r}{where}. Expected {name}.parquet or {name}/*.parquet. Held: {names}."
            )
        return self.tables[name]

    def __contains__(self, name: object) -> bool:
        return name in self.tables

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    @property
    def invented(self) -> bool:
        """Whether the tables are the sample's, which is invented."""
        return self.folder is not None and is_invented(self.folder)

    @classmethod
    def from_frames(cls, frames: Mapping[str, pd.DataFrame], engine: Engine | None = None) -> Dataset:
        """Build a dataset from tables in memory (lessons and tests). Nothing is refused: `check` says what is wrong."""
        engine = engine or connect()
        engine.seal()
        tables = {}
        for name, frame in frames.items():
            contract = CONTRACTS[require_one_of(name, TABLES, what="Table")]
            arrow = pa.Table.from_pandas(frame, preserve_index=False)
            # A column of nothing but None has no type in pandas: give it the contract's.
            blank = {field.name for field in arrow.schema if pa.types.is_null(field.type)}
            blank |= {column.name for column in contract.columns if column.optional} - set(arrow.schema.names)
            casts = dict(_cast(column) for column in contract.columns if column.name in blank)
            tables[name] = _as_contract(engine.register(name, arrow), casts)
        return cls(engine, tables)


def is_invented(folder: Path) -> bool:
    """Return whether a folder holds the sample's tables, which are invented."""
    return (folder / INVENTED).is_file()


def open_dataset(folder: str | Path, engine: Engine | None = None, *, remember: bool = False) -> Dataset:
    """Open a folder of tables: `activity.parquet`, `activity/` with any depth of `.parquet` files, or `activity.csv`.

    Whole numbers and decimals are widened where nothing is lost, timestamps that are all midnight become dates, and
    optional columns that are left out are null on every row. `docs/tables.md` says what each table must hold.

    Parameters
    ----------
    folder : str or Path
        Where the tables are.
    engine : Engine, optional
        Where to run; DuckDB in memory if not given.
    remember : bool
        Keep the summaries that are fetched, and find them again when the same is asked of the same files
        (`sources.remember`): the first notebook, or ICB, computes what is national, all others read it. The numbers are
        the same. Not with an engine of one's own.

    Raises
    ------
    InputError
        If the folder is not there or holds no known table, or a table cannot be used: no rows, a file cut short, a
        column missing or of another type, files of one table that differ, NaN in a number. Everything that is wrong
        with the columns of all tables is listed at once, by file and column.

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
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}. `pathcost sample` makes the synthetic England.")
    files = find_tables(folder)
    engine = engine or (RememberingEngine(Store(paths.cache())) if remember else connect())
    engine.seal(path for parts in files.values() for path in parts)
    sources = {name: read_source(name, parts) for name, parts in files.items()}
    schemas = {name: schema for name, (schema, _) in sources.items()}
    try:
        tables = {name: engine.register(name, source) for name, (_, source) in sources.items()}
        return Dataset(engine, conform(tables, files, schemas), folder, files)
    except InputError:
        raise
    except Exception:  # Whatever the engine calls a damaged page or bytes that are not text.
        broken = unreadable(files)
        if not broken:
            raise
        lines = [f"{line['file']}, column {line['column']}: {line['rule']}." for line in broken]
        raise InputError(_listed(lines)) from None


def conform(
    tables: Mapping[str, Relation], files: Mapping[str, list[Path]], schemas: Mapping[str, pa.Schema] | None = None
) -> dict[str, Relation]:
    """Return the tables in the types of their contracts, with the optional columns.

    Raises
    ------
    InputError
        If a column is missing or cannot be read as its type without loss, or a number is NaN or infinite.
    """
    schemas = schemas or {
        name: relation.query("SELECT * FROM this LIMIT 0").to_arrow().schema for name, relation in tables.items()
    }
    problems = _schema_problems(schemas, files)
    if not problems:
        for name, relation in tables.items():
            problems += _value_problems(relation, CONTRACTS[name], schemas[name], files.get(name, []))
            problems += _code_problems(relation, CONTRACTS[name], schemas[name], files.get(name, []))
    if problems:
        raise InputError(_listed(problems))
    return {name: _as_contract(relation, _casts(CONTRACTS[name], schemas[name])) for name, relation in tables.items()}


def _schema_problems(schemas: Mapping[str, pa.Schema], files: Mapping[str, list[Path]]) -> list[str]:
    lines = [line for name, schema in schemas.items() for line in column_problems(name, schema, files.get(name, []))]
    return lines + _identifiers_differ(schemas)


def column_problems(name: str, schema: pa.Schema, files: Iterable[Path] = ()) -> list[str]:
    """Return, one line each, which columns of a table are missing, repeated or of a type that cannot be read."""
    where, contract = source_name(name, files), CONTRACTS[name]
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


def _value_problems(relation: Relation, contract: Contract, schema: pa.Schema, files: list[Path]) -> list[str]:
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
    where = source_name(contract.table, files)
    return [f"{where}, column {name}: {n:,} rows {words[name]}." for name, n in row.items() if n]


def _code_problems(relation: Relation, contract: Contract, schema: pa.Schema, files: list[Path]) -> list[str]:
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
    where = source_name(contract.table, files)
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
