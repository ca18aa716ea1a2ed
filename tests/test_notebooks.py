"""Notebooks keep the house rules, stand alone, and stop at once on values that are not allowed."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from factories import make_tables, write_tables

from pathcost_lib import paths
from pathcost_lib.packs import builder, runner
from pathcost_lib.packs.document import read_section
from pathcost_lib.packs.runner import NotebookError

NOTEBOOKS = builder.production_notebooks()
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


@pytest.mark.unit
def test_there_are_notebooks() -> None:
    assert any(path.stem == "02_pathway_cost" for path in NOTEBOOKS)


@pytest.mark.unit
@each
def test_it_ends_in_changes_to_make_yours_which_no_pack_runs(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    tags = [cell.metadata.get("tags", []) for cell in cells]
    first = next(n for n, cell in enumerate(cells) if cell.source.startswith("## Make it yours"))
    assert tags[first:-1] == [["yours"]] * (len(cells) - 1 - first) and tags[-1] == []
    assert [cell.cell_type for cell in cells[first + 1 : -1]].count("code") >= 1
    assert cells[-1].source.startswith("present.expect") and not any("yours" in tag for tag in tags[:first])


@pytest.mark.unit
@each
def test_cells_are_few_short_and_define_nothing(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert len(notebook.cells) <= 40
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type != "code":
            continue
        assert len(cell.source.splitlines()) <= 15, f"cell {number}"
        assert not re.search(r"^\s*(def|class|async def) |\blambda\b", cell.source, re.MULTILINE), f"cell {number}"


@pytest.mark.unit
@each
def test_cell_two_is_the_one_parameters_cell(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    tagged = [n for n, c in enumerate(notebook.cells) if "parameters" in c.metadata.get("tags", [])]
    assert tagged == [1]
    assert runner.parameters_of(path)
    for line in notebook.cells[1].source.splitlines():
        value, mark, comment = line.partition("  # ")
        assert mark, f"no comment: {line}"
        assert comment.strip()
        assert not re.search(r"[=|]|Literal", comment), line
        assert re.fullmatch(r"\w+: (str|int|float|bool) = [^=|]+", value), line


@pytest.mark.unit
@each
def test_committed_clean(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    assert "papermill" not in notebook.metadata
    assert len({c["id"] for c in notebook.cells}) == len(notebook.cells)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert "papermill" not in cell.metadata


@pytest.mark.unit
@each
def test_says_how_many_figures_it_means_to_show(path: Path) -> None:
    assert "expect(figures=" in nbformat.read(path, as_version=4).cells[-1].source


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tables(tmp_path_factory.mktemp("data"), make_tables(patients=120)))


@pytest.mark.notebook
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"icb": "QHX"}, "ICB 'QHX' is not known.*QZ1, QZ2, QZ3"),
        ({"pathway": "knees"}, "Pathway 'knees' is not known.*knee_replacement"),
        ({"year": "2031-32"}, "Financial year '2031-32' is not known.*2023-24, 2024-25"),
    ],
)
def test_pathway_cost_stops_in_cell_three_with_what_is_allowed(
    wrong: dict[str, str], said: str, data: str, tmp_path: Path
) -> None:
    path = next(p for p in NOTEBOOKS if p.stem == "02_pathway_cost")
    with pytest.raises(NotebookError, match=f"(?s)02_pathway_cost.ipynb, cell 3: {said}"):
        runner.execute(path, tmp_path / "out.ipynb", {"icb": "QZ1", "data": data, **wrong})
    assert not (tmp_path / "out.ipynb").exists()


@pytest.mark.slow
@pytest.mark.notebook
def test_pathway_cost_shows_its_message_coverage_figures_and_tables(data: str, tmp_path: Path) -> None:
    path = next(p for p in NOTEBOOKS if p.stem == "02_pathway_cost")
    runner.execute(path, tmp_path / "out.ipynb", {"icb": "QZ2", "data": data, "draws": 100})
    section = read_section(tmp_path / "out.ipynb")
    assert section.title == "What a patient's whole pathway costs"
    assert len(section.messages) == 2
    assert section.messages[1].text.startswith("Coverage, ICB QZ2, 2024-25. What the data cover of the activity")
    assert "ICB QZ2" in section.messages[0].text
    assert "95% interval" in section.messages[0].text
    assert (len(section.figures), len(section.tables)) == (8, 8)


@pytest.mark.unit
def test_readers_words_are_used_in_what_people_read() -> None:
    """The words of `docs/style.md` that are easy to look for; a page that lists them is not looked at."""
    root = paths.notebooks().parent
    folders = [root / "notebooks", root / "docs", root / "pathcost_lib" / "teaching"]
    files = [f for folder in folders for kind in ("*.ipynb", "*.md", "*.toml") for f in folder.rglob(kind)]
    assert len(files) > 40
    old = re.compile(r"\b(nought|mend(ed|ing|s)?|dear(er|est)?)\b", re.IGNORECASE)
    texts = {f.name: f.read_text(encoding="utf-8") for f in files if f.name != "style.md"}
    said = {name: old.findall(text) for name, text in texts.items()}
    assert {name for name, words in said.items() if words} == set()
