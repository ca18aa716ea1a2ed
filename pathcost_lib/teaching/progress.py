"""What a learner has passed: a small JSON file in the learner's own folder, written whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from pathcost_lib import paths
from pathcost_lib.errors import InputError
from pathcost_lib.teaching.exercises import lessons

__all__ = ["folder", "passed", "record", "summary"]


def folder() -> Path:
    """Where a learner's copies and progress are: `PATHCOST_LEARNER` if set, else data/own/teaching."""
    own = os.environ.get("PATHCOST_LEARNER")
    return Path(own) if own else paths.root() / "data" / "own" / "teaching"


def record(exercise: str, *, passed: bool) -> str:
    """Save one try, and return what to tell the learner; a file that cannot be used never stops a lesson.

    A master holds the solutions, so nothing is saved where one is run. A pass stays a pass.
    """
    if Path.cwd().name == "masters":
        return "A master: not saved."
    try:
        entries = _read()
        entry = entries.setdefault(exercise, {"tries": 0, "passed_on": None})
        entry["tries"] += 1
        if passed and not entry["passed_on"]:
            entry["passed_on"] = date.today().isoformat()
        _write(entries)
    except (OSError, InputError) as error:
        return f"Not saved: {error}"
    return "Saved in your progress." if passed else ""


def passed() -> dict[str, str]:
    """Return the exercises passed, each with its day.

    Raises
    ------
    InputError
        If the file is not what `record` writes.
    """
    return {exercise: entry["passed_on"] for exercise, entry in _read().items() if entry["passed_on"]}


def summary() -> pd.DataFrame:
    """Return lesson, title, exercises and passed (how many), to_do (which), last_day (of a pass): one row a lesson."""
    done = passed()
    rows = []
    for lesson in lessons():
        names = [task.id for task in lesson.exercises]
        left = [name for name in names if name not in done]
        last = max((done[name] for name in names if name in done), default="")
        rows.append((lesson.number, lesson.title, len(names), len(names) - len(left), ", ".join(left), last))
    return pd.DataFrame(rows, columns=["lesson", "title", "exercises", "passed", "to_do", "last_day"])


def _file() -> Path:
    return folder() / "progress.json"


def _read() -> dict[str, dict[str, Any]]:
    if not _file().exists():
        return {}
    try:
        entries = json.loads(_file().read_text(encoding="utf-8"))
        if all({"tries", "passed_on"} <= set(entry) for entry in entries.values()):
            return entries
    except (ValueError, AttributeError, TypeError):
        pass
    raise InputError(f"{_file()} is not a progress file. Move it away to start a new one.")


def _write(entries: dict[str, dict[str, Any]]) -> None:
    folder().mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder(), suffix=".part")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(entries, file, indent=1, sort_keys=True)
    Path(name).replace(_file())
