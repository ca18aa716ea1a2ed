"""Rows of a database by a query, as Arrow, batch after batch: PostgreSQL by ADBC, SQL Server and others by ODBC.

The connection is named in an environment variable, so that neither a mapping nor a log ever holds a password.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pyarrow as pa

from pathcost_lib.errors import InputError

__all__ = ["open_query"]

_BATCH = 50_000
#: Classes of SQLSTATE (ISO 9075), by their first characters, as an analyst can act on them.
_STATES = {
    "08": "the server cannot be reached",
    "28": "the user or the password is not accepted",
    "3D": "there is no such database",
    "42P01": "there is no such table",
    "42S02": "there is no such table",
    "42703": "there is no such column",
    "42S22": "there is no such column",
    "42501": "the user may not read this",
    "42": "the query is not understood",
    "IM002": "there is no such ODBC driver or data source",
    "01000": "there is no such ODBC driver",
}


def open_query(variable: str, query: str) -> tuple[pa.RecordBatchReader, str]:
    """Run a query and return its rows as a stream, and what read them.

    Parameters
    ----------
    variable : str
        Environment variable that holds a URL (postgresql://user:password@host/database) or an ODBC connection string
        (Driver={ODBC Driver 18 for SQL Server};Server=...).
    query : str
        A query in the database's own SQL.

    Raises
    ------
    InputError
        If the variable is not set, the driver is not installed, or the database refuses. Its own words are not
        repeated: they may hold a password or a patient's value.
    """
    url = os.environ.get(variable)
    if not url:
        raise InputError(
            f"The environment variable {variable} is not set. Put the database's URL or ODBC string there."
        )
    postgres = url.startswith(("postgresql://", "postgres://"))
    try:
        return (_postgres(url, query), "PostgreSQL") if postgres else (_odbc(url, query), "ODBC")
    except ImportError:
        raise InputError("Databases need an extra that is not installed: pip install 'pathcost[databases]'.") from None
    except Exception as error:
        state = _state(error)
        why = next((_STATES[state[:n]] for n in (5, 2) if state[:n] in _STATES), "it refuses the query")
        raise InputError(f"The database of {variable}: {why} (SQLSTATE {state or 'not given'}).") from None


def _postgres(url: str, query: str) -> pa.RecordBatchReader:
    from adbc_driver_postgresql import dbapi

    connection = dbapi.connect(url)
    cursor = connection.cursor()
    cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    cursor.execute(query)
    reader = cursor.fetch_record_batch()

    def batches() -> Iterator[pa.RecordBatch]:
        with connection, cursor:  # open for as long as rows come
            yield from reader

    return pa.RecordBatchReader.from_batches(reader.schema, batches())


def _odbc(connection: str, query: str) -> pa.RecordBatchReader:
    import arrow_odbc

    reader = arrow_odbc.read_arrow_batches_from_odbc(query=query, connection_string=connection, batch_size=_BATCH)
    return pa.RecordBatchReader.from_batches(reader.schema, reader)


def _state(error: Exception) -> str:
    """Return the SQLSTATE of an error: ADBC has it as an attribute, an ODBC driver writes it in its message."""
    match = re.search(r"State: (\w{5})", str(error))
    return str(getattr(error, "sqlstate", None) or (match[1] if match else ""))
