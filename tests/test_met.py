"""Every name at a room's door is met by a user: in a notebook, a lesson, a command or a page of the documentation."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SIZE = runpy.run_path(str(ROOT / "benchmarks" / "size.py"))
READERS = (
    *sorted((ROOT / "notebooks").glob("*.ipynb")),
    *sorted((ROOT / "notebooks" / "teaching" / "masters").glob("*.ipynb")),
    ROOT / "pathcost_lib" / "cli.py",
)
#: Pages for users; `design` and `decisions` say how the library is built, and name everything.
PAGES = [page for page in sorted((ROOT / "docs").glob("*.md")) if page.stem not in ("design", "decisions")]

#: Names of the public contracts (docs/design.md, section 5) that stay although no user meets them, and why.
KEPT = {
    "benchmark.opportunity": "03 takes it with its overlaps settled, by `icb_causes`; it is at the front door",
    "benchmark.similar_peers": "03 takes it with its features, by `icb_causes`; it is at the front door",
    "benchmark.slope_index": "03 and 07 take it by area, by `icb_causes` and `value.tables`",
    "ledger.reconcile": "01 takes it in words, by `quality.reconciled`; it is at the front door",
    "packs.Pack": "what `packs.build` returns",
    "packs.build": "one pack, from Python; the command builds one or many by `build_all`",
    "pathways.split_phases": "stays over phases, for a pathway whose phases cut long stays",
    "scenarios.backtest": "05 takes it for several series, by `monthly_outlook`",
    "scenarios.forecast": "05 takes it for several series, by `monthly_outlook`; it is at the front door",
    "sources.Dataset": "what `open_dataset` returns: a type for an analyst's own functions",
    "sources.Engine": "what `connect` returns: a type for an analyst's own functions",
    "sources.QualityReport": "what `check` returns: a type for an analyst's own functions",
    "sources.Relation": "what every step of the ground floor returns: a type for an analyst's own functions",
    "value.cost_per_outcome": "07 takes it by group, by `value.tables`; it is at the front door",
    "variation.FunnelResult": "what `funnel` returns: a type for an analyst's own functions",
    "variation.variance_components": "04 takes it by `shrink`; it is at the front door",
}


def at_the_doors() -> dict[str, str]:
    """Return the names at the rooms' doors ("value.incremental"), each with where it is defined, in full."""
    names = {}
    for face in sorted((ROOT / "pathcost_lib").rglob("*/__init__.py")):
        text = face.read_text(encoding="utf-8")
        passed, room = SIZE["imports"](ast.parse(text)), SIZE["module_of"](face)
        own = {name: passed.get(name, f"{room}.{name}") for name in SIZE["door"](text)}
        names |= {f"{room.removeprefix('pathcost_lib.')}.{name}": full for name, full in own.items()}
    return names


def met() -> set[str]:
    """Return the names at the doors that a user meets."""
    code = {SIZE["FRONT"].get(name, name) for path in READERS for name in SIZE["uses"](SIZE["source_of"](path))}
    pages = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    return {
        name
        for name, full in at_the_doors().items()
        if {full, f"pathcost_lib.{name}"} & code or re.search(rf"\b{'.'.join(name.split('.')[-2:])}\b", pages)
    }


@pytest.mark.unit
def test_every_name_at_a_door_is_met_by_a_user():
    """A name that only the library uses is imported from its file; one that nobody uses leaves."""
    unmet = {*at_the_doors()} - met() - {*KEPT}
    assert not unmet, f"at a door, and in no notebook, lesson, command or page: {', '.join(sorted(unmet))}"


@pytest.mark.unit
def test_what_is_kept_although_unmet_is_a_contract():
    """The list of exceptions is short, and true: each is at a door, met by nobody, and in the contracts."""
    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    contracts = design[design.index("## 5. ") : design.index("## 6. ")]
    assert {*KEPT} <= {*at_the_doors()}
    assert not {*KEPT} & met()
    assert [name for name in KEPT if name.rsplit(".", 1)[1] not in contracts] == []


@pytest.mark.unit
@pytest.mark.parametrize("name", ["quality.in_words", "benchmark.cost_index"])
def test_a_name_is_met_by_whoever_reads_it(name: str) -> None:
    """An attribute of a room and a name of the front door both count."""
    assert name in met()
