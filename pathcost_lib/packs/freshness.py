"""What the result of a notebook rests on, by content: its text, the library that it imports, the files that it read.

Nothing is made again while all of that is as it was; anything that changes makes again what rests on it and no more.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import nbformat

import pathcost_lib
from pathcost_lib import paths
from pathcost_lib.packs.manifest import folder_names, text_digest
from pathcost_lib.sources.remember import Store

__all__ = ["code_digest", "content_digest", "digests", "imports_of", "library_files", "same", "shipped_reads"]

_LIBRARY = Path(pathcost_lib.__file__).parent


def content_digest(path: Path) -> str:
    """Return the SHA-256 of a file, of the names in a folder, or "missing"."""
    if path.is_dir():
        return text_digest(folder_names(path))
    return Store(paths.cache()).file_digest(path) if path.is_file() else "missing"


def digests(files: Iterable[Path]) -> dict[str, str]:
    """Return path to digest; a path below the project is written relative to it, to hold on another machine."""
    root = paths.root().resolve()
    found = {}
    for path in sorted({p.resolve() for p in files}):
        name = path.relative_to(root) if path.is_relative_to(root) else path
        found[name.as_posix()] = content_digest(path)
    return found


def shipped_reads(read: Iterable[str]) -> list[Path]:
    """Return, of what a notebook read, what comes with the suite: reference tables, pathways, scenarios."""
    folders = [folder().resolve() for folder in (paths.reference, paths.pathway_definitions, paths.scenarios)]
    found = (Path(name).resolve() for name in read)
    return [path for path in found if any(path.is_relative_to(folder) for folder in folders)]


def imports_of(path: Path) -> set[str]:
    """Return the dotted names that a module or the cells of a notebook import, a name from a module as if a module."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = nbformat.reads(source, as_version=4).cells
        source = "\n".join(c.source for c in cells if c.cell_type == "code")
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


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
    found = set()
    for name in imports_of(path):
        package, *parts = name.split(".")
        if package != _LIBRARY.name:
            continue
        for depth in range(len(parts) + 1):
            stem = _LIBRARY.joinpath(*parts[:depth])
            found |= {p for p in (stem.with_suffix(".py"), stem / "__init__.py") if p.is_file()}
    return found


def same(before: Mapping[str, str]) -> bool:
    """Whether files have the digests that were noted."""
    root = paths.root().resolve()
    return all(content_digest(root / name) == digest for name, digest in before.items())
