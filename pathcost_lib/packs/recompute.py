"""A number of a pack worked out again from the data, and whether all that it was made from is as it was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pathcost_lib import scratch
from pathcost_lib.errors import InputError
from pathcost_lib.packs import freshness
from pathcost_lib.packs.document import Figure, Table, read_section
from pathcost_lib.packs.order import notebook_digest
from pathcost_lib.packs.runner import NotebookError, execute, with_variable
from pathcost_lib.packs.spot import BuiltPack, Spot
from pathcost_lib.packs.verify import differences
from pathcost_lib.present.address import row_keys
from pathcost_lib.present.format import count

__all__ = ["changed_since", "compared", "worked_out_again"]

#: Most files, or cells, that are named.
_MOST = 12


def changed_since(pack: BuiltPack, source: str) -> list[str]:
    """Return what differs from the manifest in all that a notebook of a pack rests on; every file is hashed anew.

    Parameters
    ----------
    pack : BuiltPack
        As `spot.open_pack` gives it.
    source : str
        Name of the notebook.
    """
    about, state, own = pack.about, pack.about["notebooks"][source], f"{source}.ipynb"
    name, notebook = _notebook(pack, source)
    lines = differences({own: about["outputs"][own]}, {own: pack.folder / own})
    read = {**about["data"], **state["files"], **state["reads"], name: about["inputs"][name]}
    lines += differences(read, {one: freshness.place_of(one, pack.places) for one in read})
    if notebook is not None:
        code = notebook_digest(notebook)
        lines += [] if code == state["code"] else ["the code of the library that the notebook imports: has changed"]
    more = len(lines) - _MOST
    return [*lines[:_MOST], f"and {count(more)} more"] if more > 0 else lines


def worked_out_again(pack: BuiltPack, spot: Spot) -> tuple[bool, str]:
    """Run a notebook again, with the manifest's parameters and nothing remembered, and compare.

    Returns
    -------
    same : bool
        Whether what the address names is as in the pack: the number, the row, or the table; of a figure, its words.
    words : str
        The same in words, and how many cells of the whole table agree.

    Raises
    ------
    InputError
        If the notebook, or a file that a parameter names, is not on this machine.
    """
    source = spot.section.source
    _, notebook = _notebook(pack, source)
    if notebook is None or not notebook.is_file():
        raise InputError(f"There is no notebook {source}.ipynb here, so it cannot be run again.")
    values, work = _values(pack, source), scratch.make("pathcost-explain-")
    try:
        # No summary of an earlier run is taken for one worked out now.
        with with_variable("PATHCOST_CACHE", str(work / "cache")):
            execute(notebook, work / notebook.name, values)
        section = read_section(work / notebook.name)
    except NotebookError as error:
        return False, f"It cannot be worked out: {error}"
    finally:
        scratch.remove(work)
    return compared(spot, section.shown)


def compared(spot: Spot, blocks: Sequence[Table | Figure]) -> tuple[bool, str]:
    """Return whether what an address names is the same among what a notebook shows now, and that in words.

    Parameters
    ----------
    spot : Spot
        In the pack.
    blocks : sequence of Table or Figure
        What the notebook shows now.
    """
    now = next((block for block in blocks if block.address == spot.block.address), None)
    if now is None:
        return False, f"NOT the same: the notebook shows no {spot.block.address} now."
    if isinstance(spot.block, Figure) or isinstance(now, Figure):
        same = isinstance(now, Figure) and isinstance(spot.block, Figure) and now.alt == spot.block.alt
        return (
            same,
            "Same: the figure says the same in words." if same else "NOT the same: the figure says other things.",
        )
    was, here = _cells(spot.block), _cells(now)
    asked = [name for name in was if not spot.within or f"{name}/".startswith(f"{spot.within}/")]
    differ = [name for name in was if name not in here or here[name] != was[name]]
    changed = [name for name in asked if name in {*differ}]
    whole = f"{count(len(was) - len(differ))} of the table's {count(len(was))} cells are the same."
    more = f", and {count(len(changed) - _MOST)} more" if len(changed) > _MOST else ""
    words = f"NOT the same: {', '.join(changed[:_MOST])}{more}." if changed else "Same, in every figure that is shown."
    return not changed, f"{words} {whole}"


def _cells(table: Table) -> dict[str, Any]:
    """Return every cell of a table by row and column."""
    keys = [str(column["key"]) for column in table.payload["columns"]]
    rows = zip(row_keys(table.payload), table.payload["rows"], strict=True)
    return {f"{row}/{key}": value for row, cells in rows for key, value in zip(keys, cells, strict=True)}


def _notebook(pack: BuiltPack, source: str) -> tuple[str, Path | None]:
    """Return what the manifest calls the notebook that a pack was made with, and where it is here."""
    name = next(one for one in pack.about["inputs"] if one.rpartition("/")[2] == f"{source}.ipynb")
    return name, freshness.place_of(name, pack.places)


def _values(pack: BuiltPack, source: str) -> dict[str, Any]:
    """Return the parameters of the manifest, each path where it is on this machine."""
    values: dict[str, Any] = {}
    for name, value in pack.about["notebooks"][source]["parameters"].items():
        is_path = isinstance(value, str) and (name == "data" or value.startswith(freshness.OUTSIDE) or "/" in value)
        values[name] = _here(pack, name, value) if is_path and value else value
    return values


def _here(pack: BuiltPack, name: str, value: str) -> str:
    """Return where a path that a parameter names is on this machine."""
    place = freshness.place_of(value, pack.places)
    if place is None or not place.exists():
        what = value.removeprefix(freshness.OUTSIDE)
        raise InputError(f"The parameter {name} names {what}, which is not in this project. Say --from FOLDER.")
    return str(place)
