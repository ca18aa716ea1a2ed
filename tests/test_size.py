"""The script that counts the project counts what it says."""

from __future__ import annotations

import runpy
from pathlib import Path

import nbformat
import pytest

SIZE = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "size.py"))
SOURCE = '''"""What it does."""

# why
__all__ = ["total"]


def total(table, *parts, by="x", **options):
    """Return the total.

    In pounds.
    """
    found = sum(
        parts,
    )  # all of them

    return make(found, **options)
'''
CELLS = """from pathcost_lib import present, value
title = "Cost"
year = 2024
rows = table[table["cost"] > 0]
mean = rows.groupby("icb").mean()
moved = value.budget_shift(mean)
safe = present.disclose(moved, counts="pathways")
if len(safe):
    present.table(
        safe,
        title=title,
    )
"""


@pytest.mark.unit
def test_code_lines_arguments_names_and_doors_are_counted() -> None:
    assert SIZE["code_lines"](SOURCE) == {4, 7, 12, 13, 14, 16}
    assert list(SIZE["functions"](SOURCE)) == [("total", 5, 4)]
    assert SIZE["variables"](SOURCE)["found"] == 2
    assert SIZE["splats"](SOURCE) == 1
    assert SIZE["door"](SOURCE) == ["total"]
    assert {"pathcost_lib.value.budget_shift", "pathcost_lib.present.table"} <= SIZE["uses"](CELLS)


@pytest.mark.unit
def test_lines_of_a_notebook_are_counted_by_kind(tmp_path: Path) -> None:
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELLS), nbformat.v4.new_markdown_cell("# Text")])
    nbformat.write(book, tmp_path / "01.ipynb")
    kinds = {"imports": 1, "disclosure": 1, "form": 5, "analysis": 3, "other": 2}
    assert SIZE["kinds"](tmp_path / "01.ipynb") == kinds
