"""Folders for what must not outlive a run: patients' rows on their way, what does not fit in memory, kernels' files.

Each is the user's alone (0700), in the temporary folder, by a name that cannot be guessed. Its run holds a lock in it,
which the system lets go however the run ends, so that the next run can tell what a killed one has left and clears it.
"""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

__all__ = ["keep", "make", "remove", "sweep"]

_LOCK = ".held"
_STEM = "pathcost-"
_held: dict[Path, BaseFileLock] = {}
_swept: set[Path] = set()


def make(stem: str = _STEM, place: Path | None = None) -> Path:
    """Make a folder, and clear what killed runs have left beside it.

    Parameters
    ----------
    stem : str
        How its name begins.
    place : Path, optional
        The folder to make it in; the system's temporary folder if not given.
    """
    place = Path(place or tempfile.gettempdir())
    if place / stem not in _swept:
        _swept.add(place / stem)
        sweep(stem, place)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{stem}{os.getpid()}-", dir=place))
        lock = FileLock(folder / _LOCK, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except (Timeout, FileNotFoundError):  # another run's sweep was in between
            continue
        _held[folder] = lock
        return folder


def remove(folder: Path) -> None:
    """Remove a folder and all that is in it."""
    if folder in _held:
        _held.pop(folder).release()
    shutil.rmtree(folder, ignore_errors=True)


def keep(folder: Path) -> None:
    """Make a folder an ordinary one, to be renamed into its place."""
    _held.pop(folder).release()
    (folder / _LOCK).unlink(missing_ok=True)


def sweep(stem: str, place: Path) -> None:
    """Remove the folders of one's own whose runs have ended without doing so."""
    for folder in place.glob(f"{glob.escape(stem)}*"):
        try:
            # Without a lock it is somebody's folder that happens to be called so, or is about to have one.
            if folder.is_symlink() or not (folder / _LOCK).is_file() or not _is_ours(folder):
                continue
            with FileLock(folder / _LOCK, timeout=0, thread_local=False):
                pass
            shutil.rmtree(folder, ignore_errors=True)
        except (OSError, Timeout):  # alive, or gone meanwhile
            continue


def _is_ours(folder: Path) -> bool:
    return os.name != "posix" or folder.stat().st_uid == os.getuid()
