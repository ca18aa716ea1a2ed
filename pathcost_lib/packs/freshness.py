"""What the result of a notebook rests on, by content: its text, the library that it imports, the files that it read.

Nothing is made again while all of that is as it was; anything that changes makes again what rests on it and no more.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import nbformat

import pathcost_lib
from pathcost_lib import ROOM_OF, paths
from pathcost_lib.packs.manifest import folder_names, text_digest
from pathcost_lib.sources.address import is_folder, parse
from pathcost_lib.sources.dataset import Dataset
from pathcost_lib.sources.remember import Store
from pathcost_lib.sources.spark_engine import SparkEngine

__all__ = [
    "OUTSIDE",
    "TABLE",
    "changed",
    "code_digest",
    "content_digest",
    "data_digests",
    "digests",
    "imports_of",
    "library_files",
    "place_of",
    "same",
    "shipped_reads",
    "without_machine",
    "written",
]

#: How the name of what lies outside the project begins in a manifest.
OUTSIDE = "(outside)/"
#: How the name of a table of a catalog begins there: no file, so that its digest is the engine's.
TABLE = "(table)/"

_LIBRARY = Path(pathcost_lib.__file__).parent
_DOOR = pathcost_lib.__name__


def content_digest(path: Path) -> str:
    """Return the SHA-256 of a file, of the names in a folder, or "missing"."""
    if path.is_dir():
        return text_digest(folder_names(path))
    return Store(paths.cache()).file_digest(path) if path.is_file() else "missing"


def digests(files: Iterable[Path], base: Path | None = None) -> dict[str, str]:
    """Return name to digest; a name says nothing of the machine, and holds on another (`written`)."""
    return {written(path, base): content_digest(path) for path in sorted({p.resolve() for p in files})}


def data_digests(dataset: Dataset) -> dict[str, str]:
    """Return name to digest of what a dataset was opened from: files, hidden ones apart, or the tables of a catalog."""
    address, engine = dataset.address, dataset.engine
    assert address is not None
    if isinstance(engine, SparkEngine) and not dataset.files:
        return {f"{TABLE}{address.of(name)}": engine.fingerprint(r.name) for name, r in dataset.tables.items()}
    if address.file is not None:
        return digests([address.file])
    folder = address.folder
    assert folder is not None
    folder = folder.resolve()
    return digests((p for p in folder.rglob("*") if p.is_file() and not _hidden(p, folder)), folder)


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)


def written(path: Path, base: Path | None = None) -> str:
    """Return a path as a manifest has it: from the project's folder, or if it lies outside, by its name alone.

    Parameters
    ----------
    path : Path
        A file or folder.
    base : Path, optional
        The folder outside the project that was asked for: what lies in it is named from there on.
    """
    path, root = path.resolve(), paths.root().resolve()
    if path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    folders = ([base.resolve()] if base else []) + _shipped()
    folder = next((f.parent for f in folders if path.is_relative_to(f)), path.parent)
    return OUTSIDE + path.relative_to(folder).as_posix()


def place_of(name: str, places: Iterable[Path] = ()) -> Path | None:
    """Return where what a manifest names is on this machine, None where that cannot be known.

    Parameters
    ----------
    name : str
        As `written` has it.
    places : iterable of Path
        What lies outside the project: the very folders and files, or folders in which they are.
    """
    if not name.startswith(OUTSIDE):
        return paths.root().resolve() / name
    rest = name.removeprefix(OUTSIDE)
    head = rest.split("/")[0]
    for place in (*(p.resolve() for p in places), *_shipped()):
        candidates = ([place.parent / rest] if place.name == head else []) + [place / rest]
        if match := next((path for path in candidates if path.exists()), None):
            return match
    return None


def without_machine(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values of parameters in which a path of this machine is as a manifest has it."""
    return {k: _impersonal(k, v) if isinstance(v, str) and v else v for k, v in values.items()}


def _impersonal(name: str, value: str) -> str:
    if name == "data" and not is_folder(value):
        return parse(value).public
    return written(Path(value)) if Path(value).is_absolute() else value


def _shipped() -> list[Path]:
    shipped = (paths.reference, paths.pathway_definitions, paths.scenarios, paths.notebooks)
    return [folder().resolve() for folder in shipped]


def shipped_reads(read: Iterable[str]) -> list[Path]:
    """Return, of what a notebook read, what comes with the suite: reference tables, pathways, scenarios."""
    folders = [folder().resolve() for folder in (paths.reference, paths.pathway_definitions, paths.scenarios)]
    candidates = (Path(name).resolve() for name in read)
    return [path for path in candidates if any(path.is_relative_to(folder) for folder in folders)]


def imports_of(path: Path) -> set[str]:
    """Return the dotted names that a module or the cells of a notebook import, a name from a module as if a module.

    What is taken from the front door (`import pathcost_lib as pc; pc.link`) is there under the room that it comes from.
    """
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = nbformat.reads(source, as_version=4).cells
        source = "\n".join(c.source for c in cells if c.cell_type == "code")
    nodes = list(_that_run(ast.parse(source)))
    names: set[str] = set()
    doors = {_DOOR}
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
            doors |= {alias.asname for alias in node.names if alias.name == _DOOR and alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    names |= _parts(nodes, doors)
    return names | {f"{_DOOR}.{room}" for name, room in ROOM_OF.items() if {f"{_DOOR}.{name}", f"{_DOOR}.*"} & names}


def _that_run(node: ast.AST) -> Iterator[ast.AST]:
    """Walk over a tree without what only editors and mypy read: the front door shows them every floor."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            for other in child.orelse:
                yield from _that_run(other)
        else:
            yield from _that_run(child)


def _parts(nodes: list[ast.AST], doors: set[str]) -> set[str]:
    """Return what code takes of the package, under any of its names; `*` where it hands on the package itself."""
    attributes = {id(node.value): node.attr for node in nodes if isinstance(node, ast.Attribute)}
    uses = [node for node in nodes if isinstance(node, ast.Name) and node.id in doors]
    return {f"{_DOOR}.{attributes.get(id(node), '*')}" for node in uses}


def code_digest(roots: Iterable[Path]) -> str:
    """Return one digest of every file of the library that modules or notebooks rest on."""
    files = sorted(library_files(roots))
    return text_digest(f"{p.relative_to(_LIBRARY).as_posix()} {content_digest(p)}" for p in files)


def library_files(roots: Iterable[Path]) -> set[Path]:
    """Return the files of the library that modules or notebooks rest on, however indirectly."""
    known: set[Path] = set()
    left = {module for root in roots for module in _modules(root)}
    while left:
        module = left.pop()
        known.add(module)
        left |= _modules(module) - known
    # SQL, TOML and templates go with the modules that they lie beside, or above.
    return known | {p for m in known if m.parent != _LIBRARY for p in m.parent.rglob("*") if _is_text(p)}


def _is_text(path: Path) -> bool:
    return path.is_file() and path.suffix not in (".py", ".pyc")


def _modules(path: Path) -> set[Path]:
    """Return the library's files that one file imports; a module brings the packages that it lies in."""
    return _found(path, content_digest(path))


@cache
def _found(path: Path, digest: str) -> set[Path]:
    files = set()
    for name in imports_of(path):
        package, *parts = name.split(".")
        if package != _LIBRARY.name:
            continue
        for depth in range(len(parts) + 1):
            stem = _LIBRARY.joinpath(*parts[:depth])
            files |= {p for p in (stem.with_suffix(".py"), stem / "__init__.py") if p.is_file()}
    return files


def same(before: Mapping[str, str], places: Iterable[Path] = ()) -> bool:
    """Whether files have the digests that were noted; `places` as in `place_of`."""
    return not changed(before, places)


def changed(before: Mapping[str, str], places: Iterable[Path] = ()) -> list[str]:
    """Return the names of files that have not the digests that were noted, or are not there; tables are no files."""
    places = list(places)
    now = {name: place_of(name, places) for name in before if not name.startswith(TABLE)}
    return [n for n, path in now.items() if (content_digest(path) if path else "missing") != before[n]]
