"""Files of packs for the attacks on files: of small samples (workbook, page, figure), and of real packs."""

from __future__ import annotations

import functools
import hashlib
import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from honest import PUBLIC, held
from published import Held, payloads_of

from pathcost_lib import present
from pathcost_lib.packs import releases
from pathcost_lib.packs.document import Document, PackSummary, Section, Table
from pathcost_lib.packs.index import render_index
from pathcost_lib.packs.manifest import make_manifest
from pathcost_lib.packs.render import render_html
from pathcost_lib.packs.workbook import write_workbook
from pathcost_lib.present import display, shapes

#: Seeds whose figures are drawn: drawing is slow, and the same whatever the numbers are.
DRAWN = range(0, 200, 50)
#: Seeds whose files are written: the same code writes them, whatever the numbers are.
WRITTEN = range(0, 200, 5)


def _document(books: Mapping[str, str]) -> Document:
    sections = []
    for source, text in books.items():
        tables = []
        for payload in payloads_of(text):
            chart = None
            if payload["name"] in ("setting", "phase"):
                spec = present.Chart("bars", ["mean_gbp"], reference="reference_gbp")
                chart = spec.payload(payload["columns"], payload["rows"], table=payload["name"])
            tables.append(Table({**payload, "chart": chart}))
        sections.append(Section(source, source, tuple(tables)))
    return Document("Area A", "A", "2024-25", "About.", tuple(sections))


@functools.cache
def sample_files(seed: int, folder: Path) -> Held:
    """Return what a reader holds of a sample, with the files of A's pack, the index, the manifest and the releases."""
    out = held(seed)
    books = out.packs["2024-25/A"]
    document = _document(books)
    work = folder / str(seed)
    work.mkdir(exist_ok=True)
    files = {"A/board-pack.xlsx": write_workbook(document), "A/board-pack.html": render_html(document).encode()}
    for name, content in files.items():
        (work / Path(name).name).write_bytes(content)
    manifest = make_manifest({"icb": "A", "parameters": {}, "inputs": {}}, document, work)
    manifest["figures"] = [_figure(out)]
    rows = releases.released_rows(out.but(packs={"A": books}).payloads["A"])
    releases.record("2024-25/A", rows, work / releases.NAME)
    summary = PackSummary("A", "Area A", "A/board-pack.html", (_figure(out),))
    files |= {"A/manifest.json": json.dumps(manifest).encode(), "releases.json": (work / releases.NAME).read_bytes()}
    files |= {"index.html": render_index([summary], year="2024-25").encode()}
    if seed in DRAWN:
        files |= drawn(out)
    return out.but(files=files)


def _figure(out: Held) -> dict[str, Any]:
    row = out.tables("whole", pack="2024-25/A")[0].rows[0]
    return {
        "heading": "Cost",
        "kind": "gbp",
        "value": row["mean_gbp"],
        "lower": row["lower_95"],
        "upper": row["upper_95"],
    }


def drawn(out: Held, pack: str = "2024-25/A") -> dict[str, bytes]:
    """Return the figure by setting of a pack, drawn from what its table shows, with its alternative text."""
    table = out.tables("setting", pack=pack)[0]
    frame = pd.DataFrame([{c: pd.NA if v == "*" else v for c, v in row.items()} for row in table.rows])
    numbers = [c for c in frame if c != "setting"]
    frame[numbers] = frame[numbers].astype(float)
    frame["reason"] = ""
    return picture(frame)


def picture(frame: pd.DataFrame) -> dict[str, bytes]:
    """Return a figure and its alternative text as the files they are in a page."""
    frame = frame.assign(reference_lower_95=frame["reference_gbp"], reference_upper_95=frame["reference_gbp"])
    frame = frame.assign(difference_lower_95=frame["difference_gbp"], difference_upper_95=frame["difference_gbp"])
    options: dict[str, Any] = {"by": "setting", "area": "Area A", "reference": "England"}
    alt = shapes.describe_against_reference(frame, **options)
    shown = present.disclose(
        frame, counts=[], exempt=[], in_order=True, kinds=dict.fromkeys(frame.select_dtypes("number"), "as_is")
    )
    bundle = display.figure_bundle(shapes.against_reference, shown, name="f", title="By setting", alt=alt, **options)
    return {"A/figure.svg": bundle["image/svg+xml"].encode(), "A/figure.txt": html.unescape(alt).encode()}


def real_files(folder: Path) -> Held:
    """Return what a reader holds of the packs in the folder of a year: every file of each, the index, the releases."""
    packs = {}
    files = {"index.html": (folder / "index.html").read_bytes()}
    for pack in sorted(p for p in folder.iterdir() if (p / "manifest.json").is_file()):
        packs[f"{folder.name}/{pack.name}"] = {
            p.stem: p.read_text(encoding="utf-8") for p in sorted(pack.glob("*.ipynb"))
        }
        files |= {f"{pack.name}/{p.name}": p.read_bytes() for p in sorted(pack.iterdir()) if p.suffix != ".ipynb"}
    listed = folder.parent / releases.NAME
    return Held(packs, {**files, releases.NAME: listed.read_bytes()}, PUBLIC)


def sha(text: str) -> str:
    """Return a SHA-256 as the product writes it."""
    return hashlib.sha256(text.encode()).hexdigest()
