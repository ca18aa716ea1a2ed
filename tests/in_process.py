"""Run a notebook's cells in this process: no kernel to start, so that dozens of variants of the data are affordable."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import matplotlib.pyplot as plt
import nbformat

from pathcost_lib.packs import builder
from pathcost_lib.packs.document import Section, read_section
from pathcost_lib.packs.runner import check_parameters
from pathcost_lib.present import display

NOTEBOOKS = {path.stem[:2]: path for path in builder.production_notebooks()}


def run(key: str, values: Mapping[str, Any], edits: Mapping[str, str] | None = None) -> Section:
    """Return what a production notebook ("03") shows at these parameters; its errors are raised as they are.

    `edits` are what an analyst changes in the cells: a text that stands in one place, and the text in its place.
    """
    notebook = NOTEBOOKS[key]
    check_parameters(notebook, values)
    book = nbformat.read(notebook, as_version=4)
    for before, after in (edits or {}).items():
        (cell,) = (cell for cell in book.cells if before in cell.source)
        cell.source = cell.source.replace(before, after)
    scope: dict[str, Any] = {"__name__": "__main__"}
    with (
        patch.object(display, "_shown", {"figures": 0, "tables": 0}),
        patch.object(display, "_left", {"out": False}),
        tempfile.TemporaryDirectory() as folder,
    ):
        for cell in book.cells:
            if cell.cell_type != "code":
                continue
            shown: list[dict[str, Any]] = []
            with patch.object(display, "display", lambda bundle, raw, to=shown: to.append(bundle)):
                exec(compile(cell.source, f"{notebook.name}", "exec"), scope)
            if "parameters" in cell.metadata.get("tags", []):
                scope.update(values)
            cell.outputs = [nbformat.v4.new_output("display_data", data=bundle) for bundle in shown]
        plt.close("all")
        executed = Path(folder) / notebook.name
        nbformat.write(book, executed)
        return read_section(executed)
