"""Where things are: the project's own folders, whatever the working directory."""

from __future__ import annotations

import os
from pathlib import Path

from pathcost_lib.errors import InputError

__all__ = [
    "cache",
    "data",
    "folder",
    "glossary",
    "mappings",
    "notebooks",
    "pathway_definitions",
    "private_folder",
    "reference",
    "reports",
    "root",
    "sample",
    "scenarios",
]

_PACKAGE = Path(__file__).resolve().parent


def root() -> Path:
    """Return the project folder: `PATHCOST_HOME` if set, else the checkout, else the working directory."""
    home = os.environ.get("PATHCOST_HOME")
    if home:
        return Path(home).resolve()
    checkout = _PACKAGE.parent
    return checkout if (checkout / "pyproject.toml").exists() else Path.cwd()


def folder(value: object, what: str = "folder") -> Path:
    """Return a folder given as a path or text; anything else is refused with its name and type."""
    if isinstance(value, str | os.PathLike):
        return Path(value)
    raise InputError(f"{what} must be the path of a folder; this is a {type(value).__name__}.")


def _shipped(*parts: str) -> Path:
    """Return a folder that comes with the code: beside it in a checkout, inside it in an installed wheel."""
    checkout = _PACKAGE.parent.joinpath(*parts)
    return checkout if checkout.exists() else _PACKAGE.joinpath("_data", parts[-1])


def reference() -> Path:
    """Small tables of published figures, each row with its source."""
    return _shipped("data", "reference")


def pathway_definitions() -> Path:
    """Pathway definitions (TOML)."""
    return _shipped("data", "pathways")


def mappings() -> Path:
    """Mappings ready to use (TOML)."""
    return _shipped("data", "mappings")


def scenarios() -> Path:
    """Scenario files (TOML)."""
    return _shipped("data", "scenarios")


def notebooks() -> Path:
    """Notebooks that make the packs."""
    return _shipped("notebooks")


def glossary() -> Path:
    """Words with their meanings, as a table in markdown."""
    return _shipped("docs", "glossary.md")


def sample() -> Path:
    """Where the synthetic England is generated."""
    return root() / "data" / "sample"


def data(address: str = "") -> str | Path:
    """Return where the tables are: the address named, else `PATHCOST_DATA` if set, else the synthetic England."""
    return address or os.environ.get("PATHCOST_DATA", "") or sample()


def reports() -> Path:
    """Where packs are written."""
    return root() / "reports"


def cache() -> Path:
    """Where summaries are remembered, as confidential as the data: `PATHCOST_CACHE` if set, else `data/cache`."""
    return Path(os.environ.get("PATHCOST_CACHE") or root() / "data" / "cache").resolve()


def private_folder(folder: Path) -> Path:
    """Make a folder, and those above it that are not there, for this user alone (0700); return it.

    Data, cache, keys and reports are as confidential as patients' rows: what is made here no other user of the machine
    can read. A folder that is there already keeps the permissions that its owner gave it.
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir(mode=0o700, exist_ok=True)
    return folder
