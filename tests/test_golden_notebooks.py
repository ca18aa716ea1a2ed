"""Notebooks with saved outputs, compared digit by digit by nbval: who saves and who bears, case by case."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).with_name("golden_notebooks")
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def strict(path: Path) -> subprocess.CompletedProcess[str]:
    """Run a notebook under nbval, which compares every saved output but what `sanitise.cfg` makes alike."""
    rules = f"--nbval-sanitize-with={FOLDER / 'sanitise.cfg'}"
    command = [sys.executable, "-m", "pytest", "--nbval", rules, "-p", "no:cacheprovider", "-q", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])


@pytest.mark.slow
@pytest.mark.regression
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_output_is_as_it_was_saved(path: Path) -> None:
    ran = strict(path)
    assert ran.returncode == 0, ran.stdout[-3000:]


@pytest.mark.slow
@pytest.mark.unit
def test_a_digit_that_differs_is_found(tmp_path: Path) -> None:
    book = nbformat.read(NOTEBOOKS[0], as_version=4)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    (output,) = code[1].outputs
    assert "'total': 2000.0" in output["data"]["text/plain"]
    output["data"]["text/plain"] = output["data"]["text/plain"].replace("2000.0", "2000.1")
    book.cells = [cell for cell in book.cells if cell in code[:2]]
    nbformat.write(book, tmp_path / "changed.ipynb")
    ran = strict(tmp_path / "changed.ipynb")
    assert ran.returncode == 1 and "1 failed, 1 passed" in ran.stdout


@pytest.mark.unit
def test_a_golden_notebook_keeps_outputs_of_its_sums_and_nothing_of_a_machine() -> None:
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert all(cell.outputs for cell in code[1:]) and len(code) >= 11
        text = path.read_text(encoding="utf-8")
        assert not any(word in text for word in ("/home/", "/tmp/", "/work/", "C:\\\\", "0x7f"))
