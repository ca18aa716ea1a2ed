"""Where an address of a pack leads: a table or figure of a notebook, and a row and a number of a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pathcost_lib.errors import InputError
from pathcost_lib.packs import manifest
from pathcost_lib.packs.document import Document, Figure, Section, Table, read_section
from pathcost_lib.present.address import row_keys

__all__ = ["BuiltPack", "Spot", "open_pack", "spot_at"]

#: Most addresses that are named where one is not known.
_MOST = 8


@dataclass(frozen=True)
class BuiltPack:
    """A pack as its files have it: its folder and manifest, what its notebooks show, where its inputs may be."""

    folder: Path
    about: Mapping[str, Any]
    document: Document
    places: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Spot:
    """What an address leads to: a table or figure, and within a table a row and a column, where it names them."""

    section: Section
    block: Table | Figure
    row: int | None = None
    column: int | None = None

    @property
    def within(self) -> str:
        """The address from the table on: row and column, as far as they are named."""
        if self.row is None or not isinstance(self.block, Table):
            return ""
        row = row_keys(self.block.payload)[self.row]
        return row if self.column is None else f"{row}/{self.block.payload['columns'][self.column]['key']}"

    @property
    def address(self) -> str:
        """The whole address."""
        return f"{self.block.address}/{self.within}".rstrip("/")


def open_pack(folder: Path, places: Iterable[Path] = ()) -> BuiltPack:
    """Read a pack from its folder.

    Raises
    ------
    InputError
        If there is no manifest, or one of another format; or as `document.read_section`.
    """
    about = manifest.require(folder)
    sections = tuple(read_section(folder / f"{name}.ipynb") for name in about["notebooks"])
    document = Document(about["organisation"], about["icb"], about["year"], about["asked"]["about"], sections)
    return BuiltPack(folder, about, document, tuple(places))


def spot_at(document: Document, address: str) -> Spot:
    """Return what an address leads to.

    Raises
    ------
    InputError
        If it leads nowhere, or to several rows: with the nearest addresses.
    """
    notebook, *rest = address.strip().strip("/").split("/")
    wanted = "/".join([notebook.partition("_")[0], *rest])
    for section in document.sections:
        for block in section.shown:
            if wanted == block.address:
                return Spot(section, block)
            if isinstance(block, Table) and wanted.startswith(f"{block.address}/"):
                return _within(section, block, wanted.removeprefix(f"{block.address}/"))
    every = [block.address for section in document.sections for block in section.shown]
    same_notebook = [one for one in every if one.partition("/")[0] == wanted.partition("/")[0]]
    raise _unknown(wanted, same_notebook or every)


def _within(section: Section, table: Table, rest: str) -> Spot:
    """Return the row of a table, and the column where it is named."""
    row, _, column = rest.partition("/")
    keys = row_keys(table.payload)
    matches = [n for n, key in enumerate(keys) if key == row]
    matches = matches or [n for n, key in enumerate(keys) if key.startswith(f"{row}.")]
    if len(matches) != 1:
        raise _unknown(f"{table.address}/{row}", [f"{table.address}/{key}" for key in keys])
    (place,) = matches
    columns = [str(one["key"]) for one in table.payload["columns"]]
    if column and column not in columns:
        beside = f"{table.address}/{keys[place]}"
        raise _unknown(f"{beside}/{column}", [f"{beside}/{one}" for one in columns])
    return Spot(section, table, place, columns.index(column) if column else None)


def _unknown(address: str, known: Sequence[str]) -> InputError:
    near = get_close_matches(address, known, n=_MOST, cutoff=0.0)
    return InputError(f"Nothing is at {address!r}. The nearest addresses: {', '.join(near) or 'none'}.")
