"""A sheet of a workbook (xlsx, xlsm, xlsb, xls, ods) as batches of text, as a person reads it.

A date is written 2024-04-01, a number with the fifteen digits that Excel keeps. In .xlsx and .xlsm a cell that holds an
error (#N/A), or a formula whose result was never saved, is read as one of `FAULTS`, so that an import can report its
row; the other kinds of workbook do not tell such a cell from an empty one.
"""

from __future__ import annotations

import datetime as dt
import posixpath
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree

import pyarrow as pa

from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.sources.csv_files import join_headings, named, refuse_swollen

__all__ = ["FAULTS", "WORKBOOKS", "counts_from_1904", "read_sheet", "sheet_names"]

WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
#: What stands in place of a cell without a value that can be used: Excel's errors, and ours for a formula not saved.
UNSAVED = "#FORMULA NOT SAVED"
FAULTS = ("#N/A", "#DIV/0!", "#REF!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#CALC!", UNSAVED)
_BATCH = 20_000
#: Workbooks whose cells are written as XML (ECMA-376, part 1, section 18.3).
_XML = (".xlsx", ".xlsm")


def sheet_names(path: Path) -> list[str]:
    """Return the names of a workbook's sheets, in order."""
    return list(_open(path).sheet_names)


def read_sheet(
    path: Path,
    sheet: str | int | None = None,
    heading_row: int = 1,
    heading_rows: int = 1,
    headings: Sequence[str] = (),
) -> tuple[str, pa.RecordBatchReader]:
    """Open a sheet.

    Parameters
    ----------
    path : Path
        The workbook.
    sheet : str or int, optional
        Its name, or its number from 1; the first if not given.
    heading_row : int
        The row of the headings, as the workbook numbers it. What stands above is passed over.
    heading_rows, headings
        As in `csv_files.Dialect`: a heading of several rows, and headings for a sheet that has none.

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
    rows = islice(_with_faults(path, name, book.get_sheet_by_name(name)), heading_row - 1, None)
    lines = [[_text(cell) or "" for cell in row] for row in islice(rows, 0 if headings else heading_rows)]
    heads = list(headings) or join_headings(lines)
    schema = pa.schema([(head, pa.string()) for head in named(f"{path.name}, sheet {name}", heads)])
    return name, pa.RecordBatchReader.from_batches(schema, _batches(rows, schema))


def _open(path: Path) -> Any:
    import python_calamine

    if path.is_file() and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:  # a reader takes no more of a part than it says it holds
            refuse_swollen(path.name, path.stat().st_size, sum(part.file_size for part in archive.infolist()))
    try:
        return python_calamine.load_workbook(path)
    except python_calamine.PasswordError:
        raise InputError(f"{path.name} has a password. Save it without one.") from None
    except (python_calamine.CalamineError, OSError, ValueError):
        raise InputError(f"{path.name} cannot be read as a workbook: it is damaged, or another kind of file.") from None


def counts_from_1904(path: Path) -> bool:
    """Return whether a workbook numbers its days from 1904, as Excel on a Mac once did, and not from 1900."""
    if path.suffix.lower() not in _XML:
        return False
    with _part(path, "xl/workbook.xml") as part:
        for _, element in ElementTree.iterparse(part):
            if element.tag.endswith("}workbookPr"):
                return element.get("date1904") in ("1", "true")
    return False


def _with_faults(path: Path, name: str, sheet: Any) -> Iterator[list[object]]:
    """Yield the rows of a sheet, with the cells that hold an error, or nothing that was saved, marked as such."""
    faults = _faults(path, name) if path.suffix.lower() in _XML else {}
    # The reader begins with the first row of the sheet, but with the first column that is used.
    right = (sheet.start or (0, 0))[1]
    for number, row in enumerate(sheet.iter_rows()):
        cells: list[object] = list(row)
        for column, fault in faults.get(number, {}).items():
            if 0 <= column - right < len(cells):
                cells[column - right] = fault
        yield cells


def _faults(path: Path, name: str) -> dict[int, dict[int, str]]:
    """Return the cells of a sheet that hold no value, by row and column from 0: an error, or a formula not saved."""
    faults: dict[int, dict[int, str]] = {}
    with _part(path, _sheet_part(path, name)) as part:
        for _, element in ElementTree.iterparse(part):
            tag = element.tag.rpartition("}")[2]
            if tag == "c":
                parts = {child.tag.rpartition("}")[2]: child.text for child in element}
                value = parts.get("v")
                fault = value if element.get("t") == "e" else UNSAVED if "f" in parts and not value else None
                # A formula whose result is an empty text is saved as one (t="str"), and is simply empty.
                if fault and not (fault == UNSAVED and element.get("t") == "str"):
                    row, column = _place(element.get("r", ""))
                    faults.setdefault(row, {})[column] = fault if fault in FAULTS else FAULTS[0]
            if tag == "row":
                element.clear()
    return faults


def _place(reference: str) -> tuple[int, int]:
    """Return row and column from 0 of a cell named as in a spreadsheet ("B3" is 2, 1)."""
    letters = reference.rstrip("0123456789")
    column = 0
    for letter in letters:
        column = 26 * column + ord(letter) - ord("A") + 1
    return int(reference[len(letters) :] or 1) - 1, column - 1


def _sheet_part(path: Path, name: str) -> str:
    """Return where in a workbook's archive a sheet is."""
    relation = ""
    with _part(path, "xl/workbook.xml") as part:
        for _, element in ElementTree.iterparse(part):
            if element.tag.endswith("}sheet") and element.get("name") == name:
                relation = next(value for key, value in element.attrib.items() if key.endswith("}id"))
    with _part(path, "xl/_rels/workbook.xml.rels") as part:
        targets = {e.get("Id"): e.get("Target", "") for _, e in ElementTree.iterparse(part)}
    target = targets.get(relation) or ""
    return target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join("xl", target))


@contextmanager
def _part(path: Path, part: str) -> Iterator[IO[bytes]]:
    """Open a part of a workbook's archive; both are closed after, or Windows would keep the file from its owner."""
    with ExitStack() as opened:
        try:
            rows = opened.enter_context(opened.enter_context(zipfile.ZipFile(path)).open(part))
        except (KeyError, OSError, zipfile.BadZipFile):
            raise InputError(
                f"{path.name} cannot be read as a workbook: a part of it is missing. Save it again."
            ) from None
        yield rows


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
