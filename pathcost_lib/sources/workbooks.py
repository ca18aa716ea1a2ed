"""A sheet of a workbook (xlsx, xlsm, xlsb, xls, ods) as batches of text, as a person reads it.

A date is written 2024-04-01, a number with the fifteen digits that Excel keeps. A cell that holds an error (#N/A) is
read as empty.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.sources.csv_files import named

__all__ = ["WORKBOOKS", "read_sheet", "sheet_names"]

WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
_BATCH = 20_000


def sheet_names(path: Path) -> list[str]:
    """Return the names of a workbook's sheets, in order."""
    return list(_open(path).sheet_names)


def read_sheet(path: Path, sheet: str | int | None = None, heading_row: int = 1) -> tuple[str, pa.RecordBatchReader]:
    """Open a sheet.

    Parameters
    ----------
    path : Path
        The workbook.
    sheet : str or int, optional
        Its name, or its number from 1; the first if not given.
    heading_row : int
        The row of the headings, as the workbook numbers it. What stands above is passed over.

    Returns
    -------
    str, RecordBatchReader
        The sheet's name, and its rows below the headings: text, null where a cell is empty.

    Raises
    ------
    InputError
        If the workbook is damaged or protected, has no such sheet, or a heading is there twice.
    """
    book = _open(path)
    names = list(book.sheet_names)
    if isinstance(sheet, int):
        if not 1 <= sheet <= len(names):
            raise InputError(f"{path.name} has {len(names)} sheets, and no sheet {sheet}.")
        sheet = names[sheet - 1]
    name = require_one_of(str(sheet), names, what=f"{path.name}: sheet") if sheet is not None else names[0]
    rows = islice(book.get_sheet_by_name(name).iter_rows(), heading_row - 1, None)
    heads = [_text(cell) or "" for cell in next(rows, [])]
    schema = pa.schema([(head, pa.string()) for head in named(f"{path.name}, sheet {name}", heads)])
    return name, pa.RecordBatchReader.from_batches(schema, _batches(rows, schema))


def _open(path: Path) -> Any:
    import python_calamine

    try:
        return python_calamine.load_workbook(path)
    except python_calamine.PasswordError:
        raise InputError(f"{path.name} has a password. Save it without one.") from None
    except (python_calamine.CalamineError, OSError, ValueError):
        raise InputError(f"{path.name} cannot be read as a workbook: it is damaged, or another kind of file.") from None


def _batches(rows: Iterable[list[object]], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    rows = iter(rows)
    while block := [[_text(cell) for cell in row] for row in islice(rows, _BATCH)]:
        columns = [pa.array(column, pa.string()) for column in zip(*block, strict=True)]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _text(cell: object) -> str | None:
    if cell is None or cell == "":
        return None
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, int | float):
        return f"{Decimal(f'{cell:.15g}'):f}"
    if isinstance(cell, dt.datetime):
        return cell.date().isoformat() if cell.time() == dt.time() else f"{cell:%Y-%m-%d %H:%M:%S}"
    return str(cell)
