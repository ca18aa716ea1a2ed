"""Plants: what would be published if a rule were not kept, put among honest artefacts for the attacks to find."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from published import Held, Table
from samples import BY, notebook

from pathcost_lib import present
from pathcost_lib.packs.attack import attack, attack_one, refuse
from pathcost_lib.packs.audit import refuse_leaks_between
from pathcost_lib.packs.finished import refuse_files
from pathcost_lib.present import display

PLANT = "2024-25/PLANT"
KNEE = {"what": "closed pathways", "year": "2024-25", "pathway": "knee", "icb_code": "PLANT"}
Plant = Callable[[Held], Held]


def payload(
    columns: Mapping[str, list[Any]], *, of: Mapping[str, str] | None = None, name: str = "t"
) -> dict[str, Any]:
    """Return a table that has not been through the door: its numbers as they are."""
    frame = pd.DataFrame(columns)
    words = [c for c in frame if all(isinstance(v, str) and v != "*" for v in columns[str(c)])]
    shape = frame.assign(**{str(c): 0.0 for c in frame if c not in words})
    shown = present.disclose(shape, counts=[], of=dict(of or {}))
    made = display.table_bundle(shown, name=name, title=name)[display.TABLE]
    rows = [
        [v if isinstance(v, str) or v is None else float(v) for v in row] for row in zip(*columns.values(), strict=True)
    ]
    return {**made, "rows": rows, "rule": "hes", "steps": {}}


def tables(*planted: dict[str, Any], pack: str = PLANT, source: str = "02_planted") -> Plant:
    """Return a plant of tables in a pack of its own, or in one that is there."""

    def put(held: Held) -> Held:
        books = {**held.packs.get(pack, {}), source: notebook(planted)}
        return held.but(packs={**held.packs, pack: books})

    return put


def row(columns: Mapping[str, Any], **options: Any) -> Plant:
    """Return a plant of a table with one row."""
    return tables(payload({c: [v] for c, v in columns.items()}, **options))


def instead(pack: str, name: str, change: Callable[[dict[str, Any]], None]) -> Plant:
    """Return a plant that changes a row of a table which is published."""

    def put(held: Held) -> Held:
        books = {}
        for source, text in held.packs[pack].items():
            book = json.loads(text)
            for output in (o for cell in book["cells"] for o in cell.get("outputs", [])):
                for table in output["data"].values():
                    if isinstance(table, dict) and table.get("name") == name:
                        heads = [c["key"] for c in table["columns"]]
                        shown = [dict(zip(heads, cells, strict=True)) for cells in table["rows"]]
                        for one in shown:
                            change(one)
                        table["rows"] = [list(one.values()) for one in shown]
            books[source] = json.dumps(book)
        return held.but(packs={**held.packs, pack: books})

    return put


def split(
    values: Mapping[tuple[str, ...], Any], name: str, column: str = "contacts", area: str = "PLANT"
) -> dict[str, Any]:
    """Return a table by setting, phase, both or neither, as it would stand in a pack of knees."""
    words = {by: [key[n] for key in values] for n, by in enumerate(BY[name])}
    return payload({**words, column: [*values.values()]}, name=name, of={**KNEE, "icb_code": area})


def file(name: str, make: Callable[[bytes], bytes]) -> Plant:
    """Return a plant that changes a file, or makes one where there is none of that name."""

    def put(held: Held) -> Held:
        named = next((n for n in held.files if n.endswith(name)), name)
        return held.but(files={**held.files, named: make(held.files.get(named, b""))})

    return put


def patients(seed: int = 7, many: int = 14) -> np.ndarray:
    """Return what some patients cost, in pounds and whole pence."""
    return np.round(np.random.default_rng(seed).lognormal(9.0, 0.6, many), 2)


def refused(held: Held, by: str) -> None:
    """Hold what a reader would have against the part of the product that stands at that door."""
    shown = held.payloads
    if by == "rows":
        refuse([leak for pack, books in shown.items() for leak in attack_one(pack, books)])
    elif by == "files":
        books = {source: text.encode() for source, text in held.packs["2024-25/A"].items()}
        own = {n: c for n, c in held.files.items() if n.startswith("A/") or "/" not in n}
        refuse_files(own | {f"{source}.ipynb": text for source, text in books.items()}, shown["2024-25/A"])
    elif by == "packs":
        refuse(attack(shown))
    elif by == "audit":
        for books in shown.values():
            refuse_leaks_between(books)
    else:
        raise ValueError(by)


def whose(table: Table) -> str:
    """Return the area of a pack's name."""
    return table.pack.rsplit("/", 1)[-1]
