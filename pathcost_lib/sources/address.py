"""One address for where the rows are and which engine reads them, wherever data are opened.

| address | rows | engine |
|---|---|---|
| `/folder` | Parquet or CSV files | DuckDB |
| `duckdb:///file.db` | tables of a DuckDB file (`duckdb:////folder/file.db` from the root); `?schema=name` | DuckDB |
| `spark:///catalog.schema` | tables of a catalog | the Spark session that is there, or the platform's own |
| `spark://host:port/catalog.schema` | the same | a session on a cluster |
| `sc://host:port/catalog.schema` | the same | Spark Connect |
| `abfss://`, `s3://`, `s3a://`, `gs://`, `hdfs://`, `file:///folder` | Parquet files on a store | Spark, as it stands |

An address is written into manifests and shown on the screen, so that it has no place for a password or token.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pathcost_lib.errors import InputError

__all__ = ["ALLOWED", "Address", "is_folder", "parse"]

ALLOWED = (
    "a folder, duckdb:///folder/file.db, spark:///catalog.schema, spark://host:port/catalog.schema, "
    "sc://host:port/catalog.schema, or a folder on a store (abfss://, s3://, s3a://, gs://, hdfs://, file:///)"
)
_STORES = ("abfss", "s3", "s3a", "gs", "hdfs", "file")
#: Two letters at least: C:/ is a folder.
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
#: A master is a host with its port; `local[2]`, as Spark writes it, is this machine.
_MASTER = re.compile(r"[\w.-]+:\d+|local(?:\[[\d*]+\])?")
_SCHEMA = re.compile(r"[\w-]+(?:\.[\w-]+)?")
_SECRET = re.compile(r"[;@]|token|password|secret", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """Where rows are: one of a folder, a database file, a schema of a catalog, a store.

    Attributes
    ----------
    text : str
        The address as a command takes it; a folder is absolute.
    folder, file : Path or None
        A folder of files; a DuckDB file.
    schema : tuple of str
        Catalog and schema, or the schema alone.
    engine : str
        What `connect` takes: "" for DuckDB in memory, "spark://" for the Spark session that is there.
    store : str
        A folder that Spark reads.
    """

    text: str
    folder: Path | None = None
    file: Path | None = None
    schema: tuple[str, ...] = ()
    engine: str = ""
    store: str = ""

    @property
    def name(self) -> str:
        """What errors and manifests call it: nothing of the machine but a folder of it."""
        if self.file is not None:
            schema = "" if self.schema == ("main",) else f" ({self.schema[0]})"
            return self.file.name + schema
        return ".".join(self.schema) or self.store or str(self.folder)

    @property
    def public(self) -> str:
        """The address as a manifest or a notebook has it: without folders and hosts; a folder is not for here."""
        if self.file is not None:
            return f"duckdb:///{self.file.name}"
        scheme = "sc" if self.engine.startswith("sc:") else "spark"
        return self.store or f"{scheme}:///{self.name}"

    def where(self, table: str) -> str:
        """Return what errors call a table of a catalog or store; empty for a folder, whose files have names."""
        if self.folder is not None:
            return ""
        return f"{self.name}/{table}" if self.store else f"{self.name}, table {table}" if self.file else self.of(table)

    def of(self, table: str) -> str:
        """Return a table's name in its catalog."""
        return ".".join((*self.schema, table))


def is_folder(value: str) -> bool:
    """Return whether a text names a folder or file of this machine, and no other address."""
    return _SCHEME.match(value) is None


def parse(value: str | Path | Address) -> Address:
    """Return an address.

    Raises
    ------
    InputError
        If it is none of those allowed, or holds what looks like a secret.

    Examples
    --------
    >>> parse("spark://cluster:7077/nhs.costing").schema
    ('nhs', 'costing')
    >>> parse("spark:///costing").engine
    'spark://'
    """
    if isinstance(value, Address):
        return value
    text = str(value)
    match = _SCHEME.match(text) if isinstance(value, str) else None
    if match is None:
        folder = Path(value)
        return Address(str(folder.resolve()), folder=folder)
    scheme, rest = match[1].lower(), text[match.end() :]
    if scheme in _STORES:
        _require(bool(rest.strip("/")) and not _is_secret(scheme, rest), text, "a folder on a store")
        return Address(text.rstrip("/"), store=text.rstrip("/"), engine="spark://")
    if _SECRET.search(rest):
        raise InputError(
            f"The address {scheme}://... holds what looks like a password or token. Take it out: Spark reads those "
            "from SPARK_REMOTE or its own configuration."
        )
    if scheme == "duckdb":
        return _database(text, rest)
    if scheme in ("spark", "sc"):
        return _catalog(text, scheme, rest)
    raise InputError(f"No data at {scheme}://. Allowed: {ALLOWED}.")


def _is_secret(scheme: str, rest: str) -> bool:
    # container@account is how abfss names a place.
    return bool(_SECRET.search(rest.replace("@", "", 1) if scheme == "abfss" else rest))


def _database(text: str, rest: str) -> Address:
    path, _, schema = rest.partition("?schema=")
    _require(path.startswith("/") and len(path) > 1, text, "duckdb:///folder/file.db")
    _require(bool(_SCHEMA.fullmatch(schema or "main")) and "." not in schema, text, "?schema=name")
    place = Path(path[1:]).resolve()
    tail = f"?schema={schema}" if schema else ""
    return Address(f"duckdb:///{place.as_posix()}{tail}", file=place, schema=(schema or "main",))


def _catalog(text: str, scheme: str, rest: str) -> Address:
    master, _, schema = rest.partition("/")
    _require(bool(_MASTER.fullmatch(master)) or (scheme == "spark" and not master), text, f"{scheme}://host:port/...")
    _require(bool(_SCHEMA.fullmatch(schema)), text, "a schema after the last /, such as nhs.costing or costing")
    engine = master if master.startswith("local") else f"{scheme}://{master}"
    return Address(text, schema=tuple(schema.split(".")), engine=engine)


def _require(right: bool, text: str, allowed: str) -> None:
    if not right:
        raise InputError(f"{text!r} is no address of data. Allowed here: {allowed}. Altogether: {ALLOWED}.")
