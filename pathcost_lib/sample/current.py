"""Tell whether the sample in a folder is the one that this version of the suite would write."""

from __future__ import annotations

import json
from pathlib import Path

from pathcost_lib.sample.generate import SIZES, VERSION

__all__ = ["is_current"]


def is_current(folder: Path | str, *, people: str | int = "default", seed: int | None = None) -> bool:
    """Return whether `folder` holds a sample of this version, size and seed (any, if not given), of all ICBs."""
    try:
        manifest = json.loads((Path(folder) / "sample.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    wanted = {"version": VERSION, "people": SIZES.get(str(people), people), "whole": True}
    if seed is not None:
        wanted["seed"] = seed
    return all(manifest.get(name) == value for name, value in wanted.items())
