"""What in a pathway's file is allowed and yet likely wrong (`pathcost pathway check`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pathcost_lib.pathways.definition_file import PathwayFile
from pathcost_lib.sources.toml_files import read_toml
from pathcost_lib.sources.toml_models import Doubt, check_content, doubts_in_words, pods_outside

__all__ = ["check_pathway"]


def check_pathway(path: Path) -> tuple[str, list[str]]:
    """Return what a pathway's file holds, in a sentence, and what in it is likely wrong, each with its line.

    Raises
    ------
    InputError
        If the file cannot be used; the message has each problem on a line of its own.
    """
    content = read_toml(path, "pathway")
    file = check_content(PathwayFile, content, path.name, path)
    window, phases = file.window, len(file.phase)
    before = f"{window.before_days} day{'s' * (window.before_days != 1)}"
    words = f"{before} before to {window.after_days} days after, {phases} phase{'s' * (phases > 1)}"
    doubts = doubts_in_words(list(_doubts(file)), PathwayFile, content, path)
    return f"{path.name} can be used: {words}.", doubts


def _doubts(file: PathwayFile) -> Iterator[Doubt]:
    if wrong := pods_outside(file.index.setting, file.index.pod):
        yield Doubt(wrong, ("index", "pod"))
    if not file.index.washout_days:
        words = "is 0: each qualifying contact of a patient begins a pathway of its own, two in a week begin two."
        yield Doubt(words, ("index", "washout_days"))
    for key, codes in file.index.chosen().items():
        lower = [code for code in codes if key not in ("setting", "pod") and code != code.upper()]
        if lower:
            words = f"{', '.join(lower)}: codes in the data have capital letters ({lower[0].upper()})."
            yield Doubt(words, ("index", key))
    if set(file.index.chosen()) <= {"setting", "pod"}:
        words = "chooses by setting or POD alone, so that patients of all kinds are in it. Is a code lacking?"
        yield Doubt(words, ("index",))
    for key in ("without", "having"):
        table = getattr(file.index, key)
        if table and (wrong := pods_outside(table.setting, table.pod)):
            yield Doubt(wrong, ("index", key, "pod"))
        if table and table.days > 366:
            words = f"is {table.days}: only pathways for which the data reach back so far are counted."
            yield Doubt(words, ("index", key, "days"))
    for key, days in (("before_days", file.window.before_days), ("after_days", file.window.after_days)):
        if days > 366:
            words = f"is {days}: only pathways whose whole window the data hold are counted, which takes years of data."
            yield Doubt(words, ("window", key))
    if not file.description.strip():
        yield Doubt("is empty: a pack shows it.", ("description",))
