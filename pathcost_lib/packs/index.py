"""The page over all packs of a year."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pathcost_lib.packs import manifest
from pathcost_lib.packs.document import PackSummary
from pathcost_lib.packs.formats import FORMATS
from pathcost_lib.packs.index_page import render_index

__all__ = ["summaries", "write_index"]


def summaries(folder: Path, failures: Mapping[str, Sequence[str]], names: Mapping[str, str]) -> list[PackSummary]:
    """Return a line for every pack in the folder of a year, and for every one that could not be built."""
    found = {}
    for path in sorted(folder.glob(f"*/{manifest.NAME}")):
        if about := manifest.read(path.parent):
            files = [item.file for item in FORMATS.values() if item.file in about["outputs"]]
            href = f"{path.parent.name}/{files[0]}" if files else ""
            figures = tuple(about["figures"])
            found[about["icb"]] = PackSummary(about["icb"], about["organisation"], href, figures)
    for icb, why in failures.items():
        if why:
            before = found.get(icb, PackSummary(icb, names.get(icb, icb)))
            found[icb] = PackSummary(icb, before.organisation, before.href, before.figures, tuple(why))
    return [found[icb] for icb in sorted(found)]


def write_index(folder: Path, year: str, failures: Mapping[str, Sequence[str]], names: Mapping[str, str]) -> None:
    """Write `index.html` in the folder of a year that holds packs, whole or not at all."""
    lines = summaries(folder, failures, names)
    if not any(line.href for line in lines):
        return
    part, text = folder / ".index.html.part", render_index(lines, year=year)
    part.write_text(text, encoding="utf-8", newline="\n")
    part.replace(folder / "index.html")
