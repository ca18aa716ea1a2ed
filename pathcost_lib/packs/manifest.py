"""Where a pack came from: what was read, with which code and settings, so that it can be made again."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pathcost_lib

__all__ = ["PACKAGES", "code_version", "file_digest", "make_manifest"]

#: Packages whose version can change a number or a page.
PACKAGES = (
    "duckdb",
    "pyarrow",
    "pandas",
    "numpy",
    "scipy",
    "statsmodels",
    "matplotlib",
    "seaborn",
    "papermill",
    "jinja2",
    "markdown-it-py",
    "xlsxwriter",
    "typst",
    "python-pptx",
)


def file_digest(path: Path) -> str:
    """Return a file's SHA-256, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_version() -> dict[str, str]:
    """Return the version of the library, the SHA-256 of its source, and the commit where there is one."""
    folder = Path(pathcost_lib.__file__).parent
    whole = hashlib.sha256()
    for path in sorted(
        p for p in folder.rglob("*") if p.suffix in (".py", ".sql", ".toml", ".csv", ".j2", ".css", ".js", ".typ")
    ):
        whole.update(f"{path.relative_to(folder).as_posix()} {file_digest(path)}\n".encode())
    found = {"version": pathcost_lib.__version__, "source_sha256": whole.hexdigest()}
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return found
    return found | {"commit": commit}


def make_manifest(
    *,
    inputs: Iterable[Path],
    root: Path,
    parameters: Mapping[str, Mapping[str, Any]],
    seconds: Mapping[str, float],
    outputs: Iterable[Path],
) -> dict[str, Any]:
    """Return the manifest of a pack.

    Parameters
    ----------
    inputs : iterable of Path
        Every file that was read: data, definitions, notebooks, reference tables.
    root : Path
        Paths are written relative to it where they lie below it.
    parameters : mapping
        Notebook to the parameters that it was given.
    seconds : mapping
        Notebook to how long it took.
    outputs : iterable of Path
        Files of the pack, by name.
    """
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "not installed"
    return {
        "format": 1,
        "code": code_version(),
        "python": platform.python_version(),
        "packages": packages,
        "parameters": {k: dict(v) for k, v in sorted(parameters.items())},
        "seeds": {k: v["seed"] for k, v in sorted(parameters.items()) if "seed" in v},
        "inputs": {_relative(p, root): file_digest(p) for p in sorted(set(inputs))},
        "outputs": {p.name: file_digest(p) for p in sorted(outputs)},
        "seconds": {k: round(v, 2) for k, v in sorted(seconds.items())},
    }


def _relative(path: Path, root: Path) -> str:
    resolved = path.resolve()
    return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else resolved.as_posix()
