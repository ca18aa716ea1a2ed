"""The front door shows what an analyst needs, and every example in a docstring runs and gives what it says."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pathcost_lib as pc
from pathcost_lib.sample import generate

LIBRARY = Path(pc.__file__).parent
FLAGS = doctest.NORMALIZE_WHITESPACE


def _examples() -> Iterator[doctest.DocTest]:
    for path in sorted(LIBRARY.rglob("*.py")):
        if ">>>" in path.read_text(encoding="utf-8"):
            name = ".".join((LIBRARY.name, *path.relative_to(LIBRARY).with_suffix("").parts))
            yield from doctest.DocTestFinder().find(importlib.import_module(name))


EXAMPLES = {test.name.removeprefix("pathcost_lib."): test for test in _examples() if test.examples}
#: The examples of the front door by its names.
DOOR = {name: f"{getattr(pc, name).__module__}.{name}".removeprefix("pathcost_lib.") for name in pc.__all__}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project folder with the synthetic England at its smallest, as the examples find it."""
    folder = tmp_path_factory.mktemp("home")
    generate(folder / "data" / "sample", people="tiny")
    return folder


@pytest.mark.unit
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_runs(name: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATHCOST_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    example = EXAMPLES[name]
    # Those of the front door are copied into a notebook as they are: they import what they use.
    names = {} if name in DOOR.values() else example.globs.copy()
    told: list[str] = []
    result = doctest.DocTestRunner(optionflags=FLAGS).run(
        doctest.DocTest(example.examples, names, name, example.filename, example.lineno, example.docstring),
        out=told.append,
    )
    assert not result.failed, "".join(told)


@pytest.mark.unit
@pytest.mark.parametrize("name", pc.__all__)
def test_each_name_of_the_front_door_has_an_example_with_an_outcome(name: str) -> None:
    examples = EXAMPLES[DOOR[name]].examples
    assert "Examples\n--------\n" in (inspect.getdoc(getattr(pc, name)) or "")
    assert any(f"pc.{name}(" in example.source for example in examples)
    assert any(example.want for example in examples)
    assert not any(doctest.SKIP in example.options for example in examples)


@pytest.mark.unit
def test_the_front_door_is_small_in_one_order_and_known_to_editors() -> None:
    assert 20 <= len(pc.__all__) <= 24
    assert pc.__all__[:2] == ["open_dataset", "check"] and pc.__all__[-1] == "disclose"
    assert set(dir(pc)) == {*pc.__all__, "__version__"}
    for name, room in pc.ROOM_OF.items():
        face = importlib.import_module(f"pathcost_lib.{room}")
        assert name in face.__all__ and getattr(pc, name) is getattr(face, name)
    tree = ast.parse(Path(pc.__file__).read_text(encoding="utf-8"))
    shown = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    imports = {f"{n.module}.{alias.name}" for n in shown.body if isinstance(n, ast.ImportFrom) for alias in n.names}
    assert imports == {f"pathcost_lib.{place}" for place in DOOR.values()}


@pytest.mark.unit
def test_what_is_not_at_the_front_door_is_told_with_what_is_near() -> None:
    with pytest.raises(AttributeError, match="'pathcost_lib' has no attribute 'lnik'"):
        pc.lnik  # noqa: B018


@pytest.mark.unit
def test_importing_the_package_imports_no_room_and_a_name_only_its_own() -> None:
    code = """
import sys
import pathcost_lib as pc
print(sorted(m for m in sys.modules if m.startswith("pathcost_lib.") or m in ("pandas", "duckdb", "numpy")))
pc.load_definition
print("pathcost_lib.pathways" in sys.modules, "pathcost_lib.benchmark" in sys.modules, "matplotlib" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["[]", "True False False"]
