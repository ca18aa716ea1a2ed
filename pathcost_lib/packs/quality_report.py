"""The data quality report as files: notebook 01 on its own, whatever stands in the way of a pack."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pathcost_lib import paths
from pathcost_lib.errors import require_one_of
from pathcost_lib.packs import releases
from pathcost_lib.packs.document import Document, read_section
from pathcost_lib.packs.freshness import data_digests, digests, without_machine
from pathcost_lib.packs.manifest import file_digest, versions
from pathcost_lib.packs.order import banner_of
from pathcost_lib.packs.render import FORMATS as ALL_FORMATS
from pathcost_lib.packs.runner import execute, parameters_of
from pathcost_lib.sources import open_dataset
from pathcost_lib.sources.address import parse
from pathcost_lib.sources.names import financial_years

__all__ = ["quality_report"]

_ABOUT = (
    "Every table checked against what it must hold and against the others: what was found, where, and what it costs."
)


#: The report is about the data, so it has no paper for a board, and nothing for other tools.
FORMATS = {name: form for name, form in ALL_FORMATS.items() if name not in ("paper", "parquet", "powerbi")}


def quality_report(
    data: Path | str, out: Path, *, formats: Sequence[str] = ("html", "pdf", "xlsx"), year: str = ""
) -> list[Path]:
    """Write `data-quality.html`, `.xlsx` and so on, each whole or not at all, and `manifest.json`.

    Parameters
    ----------
    data : Path or str
        Where the tables are.
    out : Path
        Where to write.
    formats : sequence of str
        Of `FORMATS`.
    year : str
        Financial year of missing months and reconciliation; the last in the data if not given.

    Raises
    ------
    InputError
        If a format is not known, the data cannot be opened, or a row differs by few people from one that is released.
    NotebookError
        If the notebook fails.
    """
    for name in formats:
        require_one_of(name, FORMATS, what="Format")
    address = parse(data)
    dataset = open_dataset(address)
    year = year or financial_years(dataset.activity)[-1]
    values = {"data": address.text, "year": year, "price_base": year, "anyway": True}
    banner, inputs = banner_of(dataset), data_digests(dataset)
    dataset.engine.close()
    notebook = paths.notebooks() / "01_data_quality.ipynb"
    with tempfile.TemporaryDirectory() as work:
        executed = Path(work) / notebook.name
        seconds = execute(notebook, executed, values)
        section = read_section(executed)
    defaults = {name: parameter.default for name, parameter in parameters_of(notebook).items()}
    restricted = releases.restriction({notebook.stem: values}, {notebook.stem: defaults})
    document = Document(
        Path(address.text).name, "", year, _ABOUT, (section,), kind="Data quality", banner=banner, restricted=restricted
    )
    if not restricted:  # wherever the report is written
        rows = releases.released_rows({section.source: section.payloads})
        releases.release(f"data-quality/{document.organisation}/{year}", rows, paths.reports())
    paths.private_folder(out)
    written = []
    for form in (FORMATS[name] for name in formats):
        path = out / f"data-quality{Path(form.file).suffix}"
        part = path.with_name(f"{path.name}.part")
        part.write_bytes(form.write(document))
        written.append(part.replace(path))
    manifest = {
        "kind": "data quality",
        **versions(),
        "publication": restricted or releases.WITHIN_GRID,
        "parameters": {notebook.stem: without_machine(values)},
        "inputs": inputs | digests([notebook]),
        "outputs": {path.name: file_digest(path) for path in written},
        "seconds": {notebook.stem: round(seconds, 2)},
    }
    place = out / "manifest.json"
    place.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
    return [*written, place]
