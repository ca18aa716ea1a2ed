"""One number of a pack explained: what it is, how it is shown, how it was made, and whether it comes out again.

It reads the executed notebooks of the pack, which hold disclosed tables only, and its manifest. So it says nothing that
the pack does not show.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from pathcost_lib.errors import InputError
from pathcost_lib.packs import manifest
from pathcost_lib.packs.agreement import price_bases
from pathcost_lib.packs.definitions import definition, interval_method
from pathcost_lib.packs.document import Document, Figure, Table, why_suppressed
from pathcost_lib.packs.lineage import cells_of, notes_of, scripts_of, steps_to
from pathcost_lib.packs.recompute import changed_since, worked_out_again
from pathcost_lib.packs.spot import BuiltPack, Spot, open_pack, spot_at
from pathcost_lib.present.address import row_keys, telling_columns
from pathcost_lib.present.disclosure import MARK, RULES
from pathcost_lib.present.display import FIGURE, TABLE
from pathcost_lib.present.format import LIMIT, count, interval, say, unit
from pathcost_lib.present.precision import IN_WORDS

__all__ = ["Explanation", "explain"]

#: Most rows that are listed.
_MOST = 12


@dataclass(frozen=True)
class Explanation:
    """What is known of a number, a row, a table or a figure.

    Attributes
    ----------
    address : str
        Of what is explained.
    parts : tuple of (str, tuple of str)
        Headings, each with its lines.
    as_built : bool
        Whether the notebook, and all that it was made from, are as the manifest has them.
    same : bool, optional
        Whether it came out the same when it was worked out again; None where it was not.
    """

    address: str
    parts: tuple[tuple[str, tuple[str, ...]], ...]
    as_built: bool
    same: bool | None = None

    @property
    def summary(self) -> str:
        """The explanation as text."""
        blocks = ["\n".join([heading, *(f"  {line}" for line in lines)]) for heading, lines in self.parts if lines]
        return "\n\n".join([self.address, *blocks])


def explain(
    folder: Path | str, address: str, *, recompute: bool = False, places: Iterable[Path | str] = ()
) -> Explanation:
    """Explain a number, a row, a table or a figure of a pack.

    Parameters
    ----------
    folder : Path or str
        Folder of a pack.
    address : str
        Notebook, table, row and column: `02/by_phase/operation/mean_gbp`; without the last, or the last two, the row
        or the table. A figure is `02/figure/waterfall`.
    recompute : bool
        Whether to run the notebook again from the data, with the parameters of the manifest, and compare.
    places : iterable of Path or str
        Where what lay outside the project is on this machine, as in `verify`.

    Raises
    ------
    InputError
        If there is no pack, or nothing at the address: with the nearest addresses; or if the notebook cannot be run
        again because the data are not here.
    """
    pack = open_pack(Path(folder), map(Path, places))
    spot = spot_at(pack.document, address)
    changed = changed_since(pack, spot.section.source)
    parts = [*_what(pack, spot), *_made(pack, spot)]
    parts.append(("Is all as it was when the pack was built?", ("No:", *changed) if changed else _SAME_INPUTS))
    same: bool | None = None
    if recompute:
        same, words = worked_out_again(pack, spot)
        parts.append(("Worked out again from the data", (words,)))
    return Explanation(spot.address, tuple(parts), not changed, same)


_SAME_INPUTS = ("Yes: the notebook, its data, files, parameters and code are as the manifest has them.",)


# -- what it is -------------------------------------------------------------------------------------------------------
def _what(pack: BuiltPack, spot: Spot) -> Iterator[tuple[str, tuple[str, ...]]]:
    block = spot.block
    where = next((n for n, b in enumerate(_alike(pack.document, block), start=1) if b is block), 0)
    kind = "Figure" if isinstance(block, Figure) else "Table"
    lines = [f"{kind} {where} of the pack: {block.title}."]
    if isinstance(block, Figure):
        yield "What it is", (*lines, block.alt, *([block.note] if block.note else []))
        yield "What is suppressed", (why_suppressed(block.log),) if block.log else ()
        return
    payload = block.payload
    columns = payload["columns"]
    if spot.row is None:
        lines += [payload["note"]] if payload["note"] else []
        yield "What it is", tuple(lines)
        yield "Columns", tuple(_column(block.address, columns, n) for n in range(len(columns)))
        yield "Rows", _few([f"{block.address}/{key}" for key in row_keys(payload)])
    else:
        row = payload["rows"][spot.row]
        chosen = range(len(columns)) if spot.column is None else [spot.column]
        yield "What it is", (*lines, f"Row: {_row_label(payload, spot.row)}.")
        yield (
            "The number" if spot.column is not None else "The numbers",
            tuple(
                line
                for n in chosen
                if not LIMIT.search(columns[n]["key"]) or n == spot.column
                for line in _number(block.address, payload, row, n)
            ),
        )
        counts = [n for n, c in enumerate(columns) if payload.get("rounding", {}).get(c["key"]) == "count"]
        rests = [f"{columns[n]['heading']}: {_shown(columns, row, n)}" for n in counts if n != spot.column]
        yield "It rests on", tuple(rests)
    exact = _exactness(payload, spot)
    yield "How exact it is", exact
    if any(LIMIT.search(c["key"]) for c in columns) and (how := interval_method(block.address)):
        notes = notes_of(how.code)
        source = f"{how.code}: {notes}" if notes else f"Worked out by {how.code}."
        yield "How the interval is worked out", (how.method, source)


def _alike(document: Document, block: Table | Figure) -> list[Any]:
    return document.numbered if isinstance(block, Figure) else document.tables


def _column(address: str, columns: Sequence[Mapping[str, Any]], place: int) -> str:
    column = columns[place]
    mark = f" ({column['unit']})" if column["unit"] else ""
    return f"{column['key']}: {column['heading']}{mark}. {definition(address, columns, place)}".strip()


def _row_label(payload: Mapping[str, Any], place: int) -> str:
    """Return what tells a row from the others, in words: as many columns as its key is made of."""
    columns, row = payload["columns"], payload["rows"][place]
    telling = telling_columns(columns)
    return ", ".join(_shown(columns, row, n) for n in telling[: row_keys(payload)[place].count(".") + 1])


def _number(address: str, payload: Mapping[str, Any], row: Sequence[Any], place: int) -> Iterator[str]:
    """Yield what a cell is: its heading and value, its interval, what it means, its unit, to what it is rounded."""
    columns = payload["columns"]
    column, value = columns[place], _shown(columns, row, place)
    ends = [n for n in (place + 1, place + 2) if n < len(columns) and LIMIT.search(columns[n]["key"])]
    between = ""
    if len(ends) == 2 and not LIMIT.search(column["key"]):
        level = LIMIT.search(columns[ends[0]]["key"])
        limits = [row[n] for n in ends]
        known = all(isinstance(one, int | float) for one in limits)
        words = interval(limits[0], limits[1], unit(column["kind"]).form) if known else MARK if MARK in limits else ""
        between = f" ({level[2]}% interval {words})" if level and words else ""
    yield f"{column['heading']}: {value}{between}. {definition(address, columns, place)}".strip()
    if value == MARK:
        yield "It is suppressed: it would tell of one to seven people, or reveal a number that does."


def _shown(columns: Sequence[Mapping[str, Any]], row: Sequence[Any], place: int) -> str:
    value = row[place]
    if value is None:
        return "missing"
    return unit(columns[place]["kind"]).form(value) if isinstance(value, int | float) else say(value)


def _exactness(payload: Mapping[str, Any], spot: Spot) -> tuple[str, ...]:
    rule = payload["rule"]
    lines = [RULES[rule].text if rule else "It counts no people or contacts, so nothing in it is suppressed."]
    lines += [why_suppressed(payload)] if rule else []
    if spot.column is None or not payload["columns"][spot.column]["number"]:
        return tuple(lines)
    key = payload["columns"][spot.column]["key"]
    lines += [IN_WORDS[kind]] if (kind := payload.get("rounding", {}).get(key)) else []
    steps = payload["steps"].get(key)
    if steps and spot.row is not None and steps[spot.row]:
        lines.append(f"Here it is rounded to the nearest {unit('gbp').form(steps[spot.row])}.")
    return tuple(lines)


# -- how it was made --------------------------------------------------------------------------------------------------
def _made(pack: BuiltPack, spot: Spot) -> Iterator[tuple[str, tuple[str, ...]]]:
    source = spot.section.source
    state = pack.about["notebooks"][source]
    number, cells = _shown_in(pack.folder / f"{source}.ipynb", spot.block)
    steps = steps_to(cells, number, spot.block.name)
    lines = [f"cell {step.cell}, {step.name}: {step.does}" for step in steps]
    yield f"How it was made: {source}.ipynb, shown by cell {number}, after these steps", tuple(lines)
    scripts = [f"{s.name}, SHA-256 {s.digest[:16]}: {', '.join(s.steps)}" for s in scripts_of(steps)]
    yield "Steps in SQL behind them, in pathcost_lib/", tuple(scripts)
    given = [f"{name} = {value!r}" for name, value in state["parameters"].items()]
    bases = sorted(price_bases(spot.section, state["parameters"]))
    yield "Parameters", tuple(given)
    yield "Price base", (f"Pounds of {' and of '.join(bases)}.",) if bases else ()
    yield "Data and files that it was made from, by SHA-256", tuple(_inputs(pack, state))


def _shown_in(path: Path, block: Table | Figure) -> tuple[int, list[tuple[int, Any]]]:
    """Return the number of the cell that shows a table or figure, and all cells."""
    cells = cells_of(nbformat.read(path, as_version=4).cells)
    kind = TABLE if isinstance(block, Table) else FIGURE
    for number, cell in cells:
        outputs = [output.get("data", {}).get(kind, {}).get("name") for output in cell.get("outputs", [])]
        if block.name in outputs:
            return number, cells
    raise InputError(f"{path.name}: {block.name!r} is not in it any more.")


def _inputs(pack: BuiltPack, state: Mapping[str, Any]) -> Iterator[str]:
    """Yield the tables of the data, each with one digest over its files, and the other files one by one."""
    tables: dict[str, dict[str, str]] = {}
    common = os.path.commonpath([*pack.about["data"]]) if len(pack.about["data"]) > 1 else ""
    for name, digest in pack.about["data"].items():
        table = name.removeprefix(common).strip("/").split("/")[0]
        tables.setdefault(table, {})[name] = digest
    for table, files in sorted(tables.items()):
        whole = next(iter(files.values())) if len(files) == 1 else _digest_of(files)
        yield f"{table}{f' ({count(len(files))} files)' if len(files) > 1 else ''}: {whole[:16]}"
    others = {**state["files"], **state["reads"]}
    yield from (f"{name}: {digest[:16]}" for name, digest in sorted(others.items()))


def _digest_of(files: Mapping[str, str]) -> str:
    return manifest.text_digest(f"{name} {digest}" for name, digest in sorted(files.items()))


def _few(lines: Sequence[str]) -> tuple[str, ...]:
    more = len(lines) - _MOST
    return (*lines[:_MOST], f"and {count(more)} more") if more > 0 else tuple(lines)
