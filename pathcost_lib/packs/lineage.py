"""What leads to a number: the cells of a notebook, the functions of the library and the steps of SQL behind them.

A notebook's cells are read, not run: from the statement that shows a table back through every name that it uses. So it
may list a step too many (a name is followed whole, not by its parts), and never one too few that the cells name.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pathcost_lib
from pathcost_lib.packs.freshness import content_digest, imports_of
from pathcost_lib.sources.engine import parse_steps

__all__ = ["Script", "Step", "cells_of", "notes_of", "scripts_of", "steps_to"]

_LIBRARY = Path(pathcost_lib.__file__).parent
_NAME = pathcost_lib.__name__
#: Rooms and files whose functions only open, name, check or show.
_NO_STEP = re.compile(r"\.(errors|paths|results|codes|quoting|figures|words|naming|names)(\.|$)|\.present\.(?!disclos)")
#: Methods that change what they are called on.
_CHANGES = ("append", "extend", "insert", "update")
_SQL = re.compile(r'"(\w+\.sql)"|with_suffix\("\.sql"\)')


@dataclass(frozen=True)
class Step:
    """A function of the library on the way to a number: in which cell, its name, and what it does (its first line)."""

    cell: int
    name: str
    does: str
    file: Path


@dataclass(frozen=True)
class Script:
    """A file of named SQL steps: where in the library it is, its SHA-256, and its steps in order."""

    name: str
    digest: str
    steps: tuple[str, ...]


@dataclass(frozen=True)
class _Statement:
    cell: int
    node: ast.AST
    stores: frozenset[str]
    changes: frozenset[str]
    loads: frozenset[str]


def cells_of(cells: Sequence[Any]) -> list[tuple[int, Any]]:
    """Return the cells of a notebook, each with its number as in the notebook before papermill put in the values."""
    own = [cell for cell in cells if "injected-parameters" not in cell.get("metadata", {}).get("tags", [])]
    return list(enumerate(own, start=1))


def steps_to(cells: Sequence[tuple[int, Any]], shown_in: int, name: str) -> list[Step]:
    """Return the functions of the library that lead to what a cell shows, in order, each once.

    Parameters
    ----------
    cells : sequence of (int, cell)
        As `cells_of` gives them.
    shown_in : int
        Number of the cell.
    name : str
        Name of the table or figure that it shows.
    """
    code = [(number, cell.source) for number, cell in cells if cell.cell_type == "code" and number <= shown_in]
    trees = [(number, ast.parse(source)) for number, source in code]
    statements = [s for number, tree in trees for s in _statements(number, tree.body, frozenset())]
    last = [s for s in statements if s.cell == shown_in]
    shows = next((n for n, s in enumerate(last) if _shows(s.node, name)), len(last) - 1)
    before = [s for s in statements if s.cell < shown_in] + last[:shows]
    kept = [last[shows]] if last else []
    wanted = set(kept[0].loads) if kept else set()
    for statement in reversed(before):
        if (statement.stores | statement.changes) & wanted:
            kept.append(statement)
            wanted = wanted - statement.stores | statement.loads
    doors = {alias: path for _, tree in trees for alias, path in _doors(tree)}
    steps: dict[str, Step] = {}
    for statement in reversed(kept):
        for step in _functions(statement, doors):
            steps.setdefault(step.name, step)
    return list(steps.values())


def scripts_of(steps: Iterable[Step]) -> list[Script]:
    """Return the files of SQL that the files of steps name, or the library's files that they import."""
    left = {step.file for step in steps}
    known, scripts = set[Path](), set[Path]()
    while left:
        file = left.pop()
        known.add(file)
        for match in _SQL.finditer(file.read_text(encoding="utf-8")):
            path = file.with_name(match[1]) if match[1] else file.with_suffix(".sql")
            scripts |= {path} if path.is_file() else set()
        # Not through `__init__`, which imports the whole room.
        left |= {m for m in map(_module_file, imports_of(file)) if m is not None and m.name != "__init__.py"} - known
    return [
        Script(path.relative_to(_LIBRARY).as_posix(), content_digest(path), tuple(n for _, n, _ in parse_steps(path)))
        for path in sorted(scripts)
    ]


def notes_of(path: str) -> str:
    """Return the notes of a function of the library, where its method and the method's source are; empty without."""
    module, _, name = path.rpartition(".")
    owner: Any = None
    while owner is None:
        try:
            owner = import_module(f"{_NAME}.{module}")
        except ModuleNotFoundError:
            module, _, outer = module.rpartition(".")
            name = f"{outer}.{name}"
    for part in name.split("."):
        owner = getattr(owner, part)
    text = inspect.getdoc(owner) or ""
    match = re.search(r"^Notes\n-+\n(.*?)(?=\n\n[A-Z]\w+\n-+\n|\Z)", text, re.DOTALL | re.MULTILINE)
    return " ".join(match[1].split()) if match else ""


def _statements(cell: int, body: Sequence[ast.stmt], around: frozenset[str]) -> Iterator[_Statement]:
    """Yield the statements of a cell; what is inside an `if` rests on its test too."""
    for node in body:
        if isinstance(node, ast.If):
            test = around | _loads(node.test)
            yield from _statements(cell, [*node.body, *node.orelse], test)
            continue
        stores, changes = _written(node)
        yield _Statement(cell, node, stores if not around else frozenset(), changes | stores, _loads(node) | around)


def _loads(node: ast.AST) -> frozenset[str]:
    return frozenset(n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))


def _written(node: ast.stmt) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names that a statement sets anew, and those that it changes."""
    stores = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    stores |= {a.asname or a.name.partition(".")[0] for a in getattr(node, "names", ()) if isinstance(a, ast.alias)}
    changes: set[str] = set()
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        stores, changes = stores - {node.target.id}, {node.target.id}
    for one in ast.walk(node):
        if isinstance(one, ast.Subscript | ast.Attribute) and isinstance(one.ctx, ast.Store):
            changes |= _loads(one.value)
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and one.func.attr in _CHANGES:
            changes |= _loads(one.func.value)
    return frozenset(stores), frozenset(changes)


def _shows(node: ast.AST, name: str) -> bool:
    """Whether a statement shows a table or figure of a name."""
    calls = (n for n in ast.walk(node) if isinstance(n, ast.Call))
    words = (k.value for call in calls for k in call.keywords if k.arg == "name")
    return any(isinstance(word, ast.Constant) and word.value == name for word in words)


def _doors(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield what a notebook's imports of the library are called, and what they are."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == _NAME:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == _NAME and alias.asname:
                    yield alias.asname, alias.name


def _functions(statement: _Statement, doors: dict[str, str]) -> Iterator[Step]:
    """Yield the functions of the library that a statement names, in the order of the text."""
    nodes = [n for n in ast.walk(statement.node) if isinstance(n, ast.Attribute | ast.Name)]
    for node in sorted(nodes, key=lambda n: (n.lineno, n.col_offset, -(n.end_col_offset or 0))):
        path = _path(node, doors)
        function = _at(path) if path else None
        if not isinstance(function, FunctionType) or not function.__module__.startswith(f"{_NAME}."):
            continue
        own = f"{function.__module__}.{function.__qualname__}"
        file = inspect.getsourcefile(function)
        if _NO_STEP.search(own) or file is None:
            continue
        first = " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split())
        yield Step(statement.cell, own.removeprefix(f"{_NAME}."), first, Path(file))


def _path(node: ast.AST, doors: dict[str, str]) -> str:
    """Return the dotted name of what a node means, if it begins with an import of the library."""
    if isinstance(node, ast.Name):
        return doors.get(node.id, "")
    if isinstance(node, ast.Attribute) and (owner := _path(node.value, doors)):
        return f"{owner}.{node.attr}"
    return ""


def _at(path: str) -> object:
    module, _, name = path.rpartition(".")
    try:
        owner = import_module(module)
    except ImportError:
        return None
    thing = getattr(owner, name, None)
    return None if isinstance(thing, ModuleType) else thing


def _module_file(name: str) -> Path | None:
    """Return the file of the library that a dotted name of an import is in, or is."""
    package, *parts = name.split(".")
    if package != _NAME:
        return None
    for depth in (len(parts), len(parts) - 1):
        path = _LIBRARY.joinpath(*parts[:depth]).with_suffix(".py")
        if depth > 0 and path.is_file():
            return path
    return None
