"""Which files a notebook reads, so that its results are made again when one of them changes, and not otherwise."""

from __future__ import annotations

import atexit
import json
import os
import sys
from pathlib import Path
from typing import Any

from IPython import get_ipython

__all__ = ["note"]


def note(path: str) -> None:
    """From now on note every file that Python opens to read, and folder that it lists; written to `path` at the end.

    In a kernel it is written after every cell too: one that ends slowly, as a session on a cluster does, is killed.

    The engine reads its tables by itself: those are not noted.
    """
    seen: set[str] = set()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            name, _, flags = arguments
            if flags & (os.O_WRONLY | os.O_RDWR):
                return
        elif event in ("os.listdir", "os.scandir"):
            name = arguments[0]
        else:
            return
        if isinstance(name, (str, Path)):
            seen.add(os.path.abspath(name))  # noqa: PTH100

    def write() -> None:
        Path(path).write_text(json.dumps(sorted(seen.copy())), encoding="utf-8")

    sys.addaudithook(hook)
    atexit.register(write)
    if shell := get_ipython():
        shell.events.register("post_run_cell", lambda result: write())
