"""Every notebook shares out contacts between pathways by one rule, so that a pathway has one cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from in_process import run

from pathcost_lib import pathways
from pathcost_lib.errors import InputError
from pathcost_lib.sample import generate

OWN = """
name = "knee_of_my_own"
title = "Knee replacement of my own"
description = "As it is shipped, in one phase."
[index]
setting = ["admitted"]
primary_procedure_prefix = ["W40"]
[window]
before_days = 10
after_days = 20
[[phase]]
name = "all"
from_day = -10
to_day = 20
"""


@pytest.mark.unit
def test_a_shipped_pathway_is_linked_with_all_others_and_ones_own_alone(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN)
    own = pathways.load_definition(tmp_path / "own.toml")
    assert [d.name for d in pathways.linked_with(own)] == ["knee_of_my_own"]
    for name in pathways.available():
        assert [d.name for d in pathways.linked_with(pathways.load_definition(name))] == pathways.available()
    # A file of one's own that takes a shipped name is one's own.
    (tmp_path / "stroke.toml").write_text(OWN.replace("knee_of_my_own", "stroke"))
    assert len(pathways.linked_with(pathways.load_definition(tmp_path / "stroke.toml"))) == 1


@pytest.mark.notebook
@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("02", {}),
        ("02", {"pathway": "stroke"}),
        ("03", {}),
        ("03", {"pathway": "knee_replacement"}),
        ("04", {}),
        ("07", {}),
        ("07", {"pathway": "hip_replacement"}),
    ],
)
def test_every_notebook_links_the_same_pathways(
    key: str, values: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked: list[list[str]] = []

    def noted(ledger: Any, definitions: Any, **options: Any) -> Any:
        linked.append([d.name for d in definitions])
        raise InputError("as far as this test needs")

    monkeypatch.setattr(pathways, "link", noted)
    generate(tmp_path / "data", people="tiny", icbs=("QHL", "QOP", "QUA"))
    with pytest.raises(InputError, match="as far as"):
        run(key, {"data": str(tmp_path / "data"), "year": "2024-25", **values})
    assert linked == [pathways.available()]
