"""The page over all packs of a year: a map to find an area by, and a table that sorts, in one file without network."""

from __future__ import annotations

import base64
import csv
import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

import pathcost_lib
from pathcost_lib import paths
from pathcost_lib.packs import manifest
from pathcost_lib.packs.document import PackSummary
from pathcost_lib.packs.finished import refuse_files
from pathcost_lib.packs.render import FORMATS
from pathcost_lib.present.disclosure import MARK
from pathcost_lib.present.format import ABSENT, interval, unit

__all__ = ["render_index", "summaries", "write_index"]


def summaries(folder: Path, failures: Mapping[str, Sequence[str]], names: Mapping[str, str]) -> list[PackSummary]:
    """Return a line for every pack in the folder of a year, and for every one that could not be built."""
    packs = {}
    for path in sorted(folder.glob(f"*/{manifest.NAME}")):
        if about := manifest.read(path.parent):
            files = [item.file for item in FORMATS.values() if item.file in about["outputs"]]
            href = f"{path.parent.name}/{files[0]}" if files else ""
            figures = tuple(about["figures"])
            packs[about["icb"]] = PackSummary(
                about["icb"], about["organisation"], href, figures, (), about.get("banner", "")
            )
    for icb, why in failures.items():
        if why:
            before = packs.get(icb, PackSummary(icb, names.get(icb, icb)))
            packs[icb] = PackSummary(icb, before.organisation, before.href, before.figures, tuple(why), before.banner)
    return [packs[icb] for icb in sorted(packs)]


def write_index(
    folder: Path,
    year: str,
    failures: Mapping[str, Sequence[str]],
    names: Mapping[str, str],
    left_out: Mapping[str, str] | None = None,
) -> None:
    """Write `index.html` in the folder of a year that holds packs, whole or not at all.

    Raises
    ------
    InputError
        If the page says what the manifests' figures do not (`refuse_files`).
    """
    lines = summaries(folder, failures, names)
    if not any(line.href for line in lines):
        return
    page, content = (
        folder / "index.html",
        render_index(lines, year=year, left_out=_named(left_out or {}, names)).encode(),
    )
    figures = [[f.get(key) for key in ("value", "lower", "upper")] for line in lines for f in line.figures]
    refuse_files({page.name: content}, {"figures": [{"rows": figures}]})
    if page.is_file() and page.read_bytes() == content:
        return
    part = folder / f".index.html.{os.getpid()}.part"  # of its own: two runs at once may both write the page
    try:
        part.write_bytes(content)
        part.replace(page)
    finally:
        part.unlink(missing_ok=True)


def _named(left_out: Mapping[str, str], names: Mapping[str, str]) -> dict[str, list[str]]:
    """Return, by reason, the areas that are not compared, as they are called."""
    areas: dict[str, list[str]] = {}
    for icb, why in sorted(left_out.items()):
        areas.setdefault(why, []).append(f"{names[icb]} ({icb})" if icb in names else icb)
    return areas


def render_index(
    lines: Sequence[PackSummary], *, year: str, left_out: Mapping[str, Sequence[str]] | None = None
) -> str:
    """Return the page; the same lines give the same text.

    Parameters
    ----------
    lines : sequence of PackSummary
        One for each organisation, built or not, in the order of the table.
    year : str
        Financial year.
    left_out : mapping of str to sequence of str, optional
        Areas that the data name and that are not compared, by the reason.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    templates = files("pathcost_lib.packs") / "templates"
    read = {name: (templates / name).read_text(encoding="utf-8") for name in ("index.html.j2", "pack.css", "sort.js")}
    headings = list(dict.fromkeys(figure["heading"] for line in lines for figure in line.figures))
    places, off = _map(lines)
    digest = hashlib.sha256(read["sort.js"].encode()).digest()
    return environment.from_string(read["index.html.j2"]).render(
        year=year,
        banners=sorted({line.banner for line in lines} - {""}),
        headings=headings,
        rows=[{"line": line, "figures": [_figure(line, heading) for heading in headings]} for line in lines],
        built=sum(not line.failures for line in lines),
        failed=[line for line in lines if line.failures],
        left_out=left_out or {},
        places=places,
        off=off,
        css=Markup(read["pack.css"]),
        script=Markup(read["sort.js"]),
        # The only script that the page lets run is this one.
        allowed=f"sha256-{base64.b64encode(digest).decode()}",
        version=pathcost_lib.__version__,
    )


def _figure(line: PackSummary, heading: str) -> dict[str, Any]:
    """Return a headline figure as words, its interval, and what to sort it by."""
    figure: Mapping[str, Any] = next((f for f in line.figures if f["heading"] == heading), {})
    value, form = figure.get("value"), unit(figure.get("kind", "")).form
    if isinstance(value, str) or value is None:
        return {"text": MARK if value else ABSENT, "interval": "", "order": ""}
    ends = figure.get("lower"), figure.get("upper")
    between = interval(*ends, form) if all(isinstance(end, int | float) for end in ends) else ""
    return {"text": form(value), "interval": between, "order": repr(float(value))}


def _map(lines: Sequence[PackSummary]) -> tuple[list[dict[str, Any]], list[PackSummary]]:
    """Return every place of the hexagon map, with its corners and its area's line if any, and lines without a place."""
    with (paths.reference() / "icb_hex.csv").open(encoding="utf-8", newline="") as file:
        spots = {row["icb_code"]: (int(row["q"]), int(row["r"])) for row in csv.DictReader(file)}
    top = max(r for _, r in spots.values())
    by_code, places = {line.icb: line for line in lines}, []
    for icb, (q, r) in sorted(spots.items(), key=lambda spot: (-spot[1][1], spot[1][0])):
        x, y = 50 * (q + 0.5 * (r % 2)) + 30, 50 * math.sqrt(0.75) * (top - r) + 34
        corners = [(x + 28 * math.sin(math.pi * k / 3), y - 28 * math.cos(math.pi * k / 3)) for k in range(6)]
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in corners)
        places.append({"line": by_code.get(icb), "points": points, "x": round(x, 1), "y": round(y + 5, 1)})
    # Those that lead somewhere are drawn last, so that their edges lie above their neighbours'.
    places.sort(key=lambda place: place["line"] is not None)
    return places, [line for line in lines if line.icb not in spots]
