"""The page over all packs of a year."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path

from pathcost_lib.packs import manifest
from pathcost_lib.packs.document import PackSummary
from pathcost_lib.packs.formats import FORMATS

__all__ = ["render_index", "summaries", "write_index"]


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


def render_index(lines: Sequence[PackSummary], *, year: str) -> str:
    """Return the page: a row for each ICB, with a link to its pack, or why there is none."""
    rows = "".join(
        f"<tr><th scope='row'>{_linked(line)}</th><td>{html.escape(line.icb)}</td>"
        f"<td>{html.escape(' '.join(line.failures)) or 'Built'}</td></tr>"
        for line in lines
    )
    return (
        f"<!doctype html><html lang='en-GB'><meta charset='utf-8'><title>Board packs, {html.escape(year)}</title>"
        f"<main><h1>Board packs, {html.escape(year)}</h1><table><caption>All packs</caption><thead><tr>"
        "<th scope='col'>Organisation</th><th scope='col'>Code</th><th scope='col'>Pack</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></main></html>\n"
    )


def _linked(line: PackSummary) -> str:
    name = html.escape(line.organisation)
    return f"<a href='{html.escape(line.href)}'>{name}</a>" if line.href else name
