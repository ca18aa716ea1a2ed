"""Learner copies are made from the masters by tag; a learner works on a fresh copy that nothing overwrites.

A master's code cell tagged `solution` becomes a blank to fill in; a markdown cell so tagged is left out. The cell
tagged `words` is written anew from the glossary, in the master too.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat

from pathcost_lib import paths
from pathcost_lib.errors import require_one_of
from pathcost_lib.teaching import progress, words
from pathcost_lib.teaching.exercises import lessons

__all__ = ["build", "copies", "learner_copy", "masters", "prose", "start"]


def masters() -> list[Path]:
    """Return the masters, in order."""
    return sorted((paths.notebooks() / "teaching" / "masters").glob("[0-9][0-9]_*.ipynb"))


def copies() -> dict[Path, str]:
    """Return what `build` writes: the masters with their words current, and each one's learner copy."""
    files = {}
    for path in masters():
        master = with_words(nbformat.read(path, as_version=4))
        files[path] = _text(master)
        files[path.parent.parent / path.name] = _text(learner_copy(master))
    return files


def build() -> list[Path]:
    """Write what is not current, and return which files those were."""
    stale = [(path, text) for path, text in copies().items() if not path.exists() or path.read_text("utf-8") != text]
    for path, text in stale:
        path.write_text(text, encoding="utf-8", newline="\n")
    return [path for path, _ in stale]


def start(lesson: str) -> Path:
    """Copy a lesson ("3", or "capstone") to the learner's folder; a copy that is there stays, the new one is numbered.

    Raises
    ------
    InputError
        If there is no such lesson.
    """
    stems = {str(item.number): item.stem for item in lessons()} | {"capstone": lessons()[-1].stem}
    stem = stems[require_one_of(lesson, stems, what="Lesson")]
    content = (paths.notebooks() / "teaching" / f"{stem}.ipynb").read_bytes()
    progress.folder().mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        target = progress.folder() / (f"{stem}.ipynb" if number == 1 else f"{stem}-{number}.ipynb")
        try:
            with target.open("xb") as file:
                file.write(content)
        except FileExistsError:
            number += 1
        else:
            return target


def prose(notebook: Any) -> str:
    """Return a notebook's markdown, without the box of words."""
    told = (c.source for c in notebook.cells if c.cell_type == "markdown" and "words" not in _tags(c))
    return "\n\n".join(told)


def with_words(master: Any) -> Any:
    """Return the master with its box of words as the glossary has them."""
    for cell in master.cells:
        if "words" in _tags(cell):
            cell.source = words.box(prose(master))
    return master


def learner_copy(master: Any) -> Any:
    """Return the learner copy of a master."""
    cells = [_blank(cell) for cell in master.cells if cell.cell_type == "code" or "solution" not in _tags(cell)]
    return nbformat.v4.new_notebook(cells=cells, metadata=master.metadata)


def _blank(cell: Any) -> Any:
    if "solution" not in _tags(cell):
        return cell
    lines = cell.source.splitlines()
    kept = [line for line in lines if line.startswith("#")]
    names = [match[1] for line in lines if (match := re.match(r"(\w+) = ", line))]
    source = "\n".join([*kept, f"{names[-1]} = ..."])
    return nbformat.v4.new_code_cell(source, id=cell.id, metadata={"tags": ["answer"]})


def _tags(cell: Any) -> list[str]:
    return cell.metadata.get("tags", [])


def _text(notebook: Any) -> str:
    return nbformat.writes(notebook, version=4) + "\n"
