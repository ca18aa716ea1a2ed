"""An attacker who has every file of a pack and of its neighbour, and knows what adds up, works out no small number.

Each sample is a little England of two areas. The packs are made as the notebooks make theirs: pathway cost (02), the
cost of each pathway (03) and what drives a provider's cost (04). What the attacker knows is read back from the files.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import openpyxl
import pandas as pd
import pypdf
import pytest
from factories import make_tables, write_tables

from pathcost_lib import packs, present
from pathcost_lib.errors import InputError
from pathcost_lib.packs.audit import Cells, audit_pack, refuse_leaks_between
from pathcost_lib.packs.blocks import Figure, Message, Section, Table
from pathcost_lib.packs.document import Document
from pathcost_lib.packs.render import render_html
from pathcost_lib.packs.workbook import write_workbook
from pathcost_lib.present import display

BY: dict[str, list[str]] = {"whole": [], "setting": ["setting"], "phase": ["phase"], "grid": ["setting", "phase"]}
SUMS = ["contacts", "cost_gbp"]
AREAS = ("A", "B")
Sample = dict[str, pd.DataFrame]
Shown = dict[str, dict[str, present.Disclosed]]
Read = dict[str, list[dict[str, Any]]]


# -- what notebooks show ----------------------------------------------------------------------------------------------
def _sample(seed: int) -> Sample:
    """Contacts and cost of a pathway by area, setting and phase; of two others by area; of a provider by cell."""
    rng = np.random.default_rng(seed)

    def drawn(frame: pd.DataFrame, scale: float) -> pd.DataFrame:
        frame["contacts"] = rng.poisson(rng.gamma(0.8, scale, len(frame)))
        frame["cost_gbp"] = np.round(frame["contacts"] * rng.uniform(40, 400, len(frame)), 2)
        return frame

    keys = [(a, s, p) for a in AREAS for s in ("gp", "ae", "op") for p in ("before", "after", "late")]
    grid = drawn(pd.DataFrame(keys, columns=["icb_code", "setting", "phase"]), rng.choice([1.0, 15.0]))
    found = {name: grid.groupby(["icb_code", *by], as_index=False)[SUMS].sum() for name, by in BY.items()}
    others = pd.DataFrame([(a, p) for a in AREAS for p in ("hip", "cataract")], columns=["icb_code", "pathway"])
    knees = found["whole"].assign(pathway="knee")
    found["pathways"] = pd.concat([knees, drawn(others, 12.0)], ignore_index=True)
    cells = pd.DataFrame([(a, c) for a in AREAS for c in "abcd"], columns=["icb_code", "cell"])
    found["cells"] = drawn(cells, 15.0)
    return found


def _own(frame: pd.DataFrame, area: str) -> pd.DataFrame:
    return frame[frame["icb_code"] == area].drop(columns="icb_code").reset_index(drop=True)


def _shown(sample: Sample, area: str, *, planted: bool = False) -> Shown:
    """What the three notebooks of an area show; planted: 03 and 04 look at nothing but themselves."""
    counted = {"what": "closed pathways", "year": "2024-25"}
    focus: tuple[str, str] = ("icb_code", area)
    tables = {}
    for name, by in BY.items():
        keys = [*by] or ["one"]
        national = sample[name].assign(one=0)
        every = national.groupby(keys, as_index=False)[SUMS].sum().rename(columns={c: f"all_{c}" for c in SUMS})
        tables[name] = _own(national, area).merge(every, on=keys).drop(columns="one", errors="ignore")
    options: dict[str, Any] = {"everywhere": {name: sample[name] for name in BY}, "focus": focus}
    options |= {"apart": {"all_contacts": ["all_cost_gbp"]}, "of": {**counted, "pathway": "knee", "icb_code": area}}
    cost = present.disclose_together(tables, counts="contacts", by=BY, **options)
    provider = {**counted, "pathway": "knee", "provider_code": f"{area}1"}
    cells = _own(sample["cells"], area)
    ranks = cells[SUMS].sum().to_frame().T.assign(provider_code=provider["provider_code"])[["provider_code", *SUMS]]
    cost["ranks"] = present.disclose(ranks, counts="contacts", of={**counted, "pathway": "knee"})
    options = {"of": {**counted, "icb_code": area}}
    options |= {} if planted else {"everywhere": sample["pathways"], "focus": focus, "by": ["pathway"]}
    claims = _own(sample["pathways"], area)[["pathway", *SUMS]]
    variation = {"claims": present.disclose(claims, counts="contacts", **options)}
    drivers = present.disclose(cells, counts="contacts", totals=[] if planted else [[]], of=provider)
    return {"02_cost": cost, "03_variation": variation, "04_outliers": {"drivers": drivers}}


def _document(shown: Shown, area: str) -> Document:
    sections = []
    for source, tables in shown.items():
        blocks = [Table(display.table_bundle(d, name=n, title=n)[display.TABLE]) for n, d in tables.items()]
        sections.append(Section(source, source, tuple(blocks)))
    return Document(f"Area {area}", area, "2024-25", "A.", tuple(sections))


def _payloads(shown: Shown) -> dict[str, list[Mapping[str, Any]]]:
    return {section.source: section.shown for section in _document(shown, "A").sections}


# -- what an attacker reads -------------------------------------------------------------------------------------------
def _read_workbook(content: bytes) -> Read:
    """Every sheet of a workbook as rows by column heading; the key is what stands in cell A1."""
    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True)
    found: Read = {}
    for sheet in book.worksheets:
        rows = [row for row in sheet.iter_rows(values_only=True) if any(value is not None for value in row)]
        if len(rows) > 3 and rows[2][0] == "Contents" or len(rows) > 2 and rows[1][0] == "Contents":
            start = next(n for n, row in enumerate(rows) if row[0] == "Contents") + 1
            names = [str(name).split(" (")[0].lower() for name in rows[start] if name is not None]
            found[str(rows[0][0])] = [dict(zip(names, row, strict=False)) for row in rows[start + 1 :]]
    return found


def _read_page(text: str) -> dict[str, list[list[str]]]:
    """Every table of a page as text, by its caption."""
    found = {}
    for part in re.findall(r"<table>(.*?)</table>", text, re.DOTALL):
        caption = re.search(r"<caption.*?<span>(.*?)</span>", part, re.DOTALL)
        assert caption
        body = part.split("<tbody>")[1]
        rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in body.split("<tr>")[1:]]
        found[re.sub(r"^Table \d+\. ", "", html.unescape(caption[1]))] = [[html.unescape(c) for c in r] for r in rows]
    return found


def _solved(read: dict[str, Read], sample: Sample, column: str) -> list[tuple[str, ...]]:
    """Solve for what is starred and small from all areas' files; told what adds up, and which stars are small."""
    cells, place, small = Cells(), dict[tuple[str, ...], int](), list[tuple[str, ...]]()
    heading = {"contacts": "contacts", "cost_gbp": "cost"}[column]

    def add(key: tuple[str, ...], value: Any, count: int) -> None:
        star = value == "*"
        assert star or not 1 <= count <= 7, f"a small number is shown: {key}"
        if star and 1 <= count <= 7:
            small.append(key)
            place[key] = cells.add(1, 7) if column == "contacts" else cells.add(0, 1e7)
        elif star:
            place[key] = cells.add(0, 1e7)
        else:
            slack = 2.0 if column == "contacts" and value else 1e-6
            place[key] = cells.add(value - slack, value + slack)

    for area, sheets in read.items():
        true = {name: _own(sample[name], area) for name in (*BY, "pathways", "cells")}
        for name, table in (*((n, n) for n in BY), ("claims", "pathways"), ("drivers", "cells")):
            keys = [c for c in true[table] if c not in SUMS]
            counts = dict(zip(true[table][keys].itertuples(index=False, name=None), true[table]["contacts"], strict=True))
            assert len(sheets[name]) == len(counts)
            for row in sheets[name]:
                key = tuple(str(row[k]).lower() for k in keys)
                add((area, name, *key), row[heading], int(counts[key]))
                if name in BY and area == AREAS[0]:
                    every = sample[name][(sample[name][keys] == list(key)).all(axis=1)]["contacts"].sum() if keys else 0
                    add(("all", name, *key), row[f"all {heading}"], int(every))
        add((area, "ranks"), sheets["ranks"][0][heading], int(true["cells"]["contacts"].sum()))
        grid = [k for k in place if k[:2] == (area, "grid")]
        for n, name in ((0, "setting"), (1, "phase")):
            for key in [k for k in place if k[:2] == (area, name)]:
                cells.add_up([place[k] for k in grid if k[2 + n] == key[2]], place[key])
        cells.add_up([place[k] for k in grid], place[area, "whole"])
        cells.add_up([place[area, "claims", "knee"]], place[area, "whole"])
        cells.add_up([place[k] for k in place if k[:2] == (area, "drivers")], place[area, "ranks"])
    for key in [k for k in place if k[0] == "all"]:
        cells.add_up([place[area, *key[1:]] for area in read], place[key])
    by_cell = {place[key]: key for key in small}
    return [by_cell[cell] for cell in cells.met(list(by_cell), 1.0)]


def _workbooks(sample: Sample, *, planted: bool = False) -> dict[str, Read]:
    shown = {area: _shown(sample, area, planted=planted) for area in AREAS}
    return {area: _read_workbook(write_workbook(_document(shown[area], area))) for area in AREAS}
