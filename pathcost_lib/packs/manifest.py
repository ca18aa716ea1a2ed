"""Where a pack came from: what was read, with which code and settings, so that it can be made again."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pathcost_lib
from pathcost_lib.errors import InputError
from pathcost_lib.packs.document import Document
from pathcost_lib.packs.releases import WITHIN_GRID

__all__ = [
    "FORMAT",
    "NAME",
    "PACKAGES",
    "code_version",
    "file_digest",
    "make_manifest",
    "read",
    "require",
    "text_digest",
    "versions",
]

NAME = "manifest.json"
FORMAT = 3

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


def plain_digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of the names in a folder."""
    return text_digest(folder_names(path)) if path.is_dir() else file_digest(path)


def folder_names(folder: Path) -> list[str]:
    """Return the names in a folder, but for those that a system or Python adds."""
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith((".", "__")))


def text_digest(lines: Iterable[str]) -> str:
    """Return the SHA-256 of lines of text."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def code_version() -> dict[str, str]:
    """Return the version of the library, the SHA-256 of its source, and the commit where there is one."""
    folder = Path(pathcost_lib.__file__).parent
    sources = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc" and "_data" not in p.parts)
    whole = text_digest(f"{p.relative_to(folder).as_posix()} {file_digest(p)}" for p in sources)
    record = {"version": pathcost_lib.__version__, "source_sha256": whole}
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return record
    return record | {"commit": commit}


def versions() -> dict[str, Any]:
    """Return what can change a result though no input does: the code, Python and the packages."""
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "not installed"
    return {"code": code_version(), "python": platform.python_version(), "packages": packages}


def make_manifest(about: Mapping[str, Any], document: Document, folder: Path) -> dict[str, Any]:
    """Return the manifest of a pack.

    Parameters
    ----------
    about : mapping
        How it came about: `order.Order.about_pack`.
    document : Document
        What it says.
    folder : Path
        Its files, whose digests are taken.
    """
    seeds = {name: values["seed"] for name, values in about["parameters"].items() if "seed" in values}
    return {
        "identity": document.identity,
        **about,
        "organisation": document.organisation,
        "banner": document.banner,
        "figures": [dict(f) for s in document.sections for m in s.messages for f in getattr(m, "figures", ())],
        "seeds": seeds,
        "publication": document.restricted or WITHIN_GRID,
        "outputs": {path.name: file_digest(path) for path in sorted(folder.iterdir())},
    }


def read(folder: Path) -> dict[str, Any]:
    """Return the manifest of the pack in a folder; empty where there is none, or one of another format."""
    try:
        manifest = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) and manifest.get("format") == FORMAT else {}


def require(folder: Path) -> dict[str, Any]:
    """Return the manifest of the pack in a folder.

    Raises
    ------
    InputError
        If there is none, or one of another format.
    """
    if about := read(folder):
        return about
    raise InputError(f"{folder} holds no {NAME} of this suite's format: not a pack, or from an older version.")
