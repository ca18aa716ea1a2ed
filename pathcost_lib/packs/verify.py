"""Is a pack as it was built, and could it be built again: every file hashed anew, in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pathcost_lib import paths
from pathcost_lib.errors import InputError
from pathcost_lib.packs import manifest

__all__ = ["Verified", "verify"]


@dataclass(frozen=True)
class Verified:
    """What differs from the manifest: in the pack's own files, and in what it was made from (each a line of words)."""

    folder: Path
    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    counted: tuple[int, int]

    @property
    def intact(self) -> bool:
        """Whether every file of the pack is there as it was built, and no other."""
        return not self.outputs

    @property
    def reproducible(self) -> bool:
        """Whether everything that it was made from is here as it was."""
        return not self.inputs

    @property
    def summary(self) -> str:
        """The findings as text."""
        lines = [f"{self.folder}: {self.counted[0]} files and {self.counted[1]} inputs hashed again."]
        lines += ["The pack is as it was built." if self.intact else "The pack is NOT as it was built:"]
        lines += [f"  {line}" for line in self.outputs]
        if self.reproducible:
            lines += ["It can be built again here: inputs, code and packages are the same."]
        else:
            lines += ["It cannot be built again here to the last byte, because of what differs:"]
        return "\n".join([*lines, *(f"  {line}" for line in self.inputs)])


def verify(folder: Path | str) -> Verified:
    """Hash the files of a pack and what it was made from, and compare them with its manifest.

    Parameters
    ----------
    folder : Path or str
        Folder of a pack.

    Raises
    ------
    InputError
        If there is no manifest, or one of another format.
    """
    folder = Path(folder)
    about = manifest.read(folder)
    if not about:
        raise InputError(
            f"{folder} holds no {manifest.NAME} of this suite's format: not a pack, or from an older version."
        )
    root = paths.root().resolve()
    here = {path.name: path for path in folder.iterdir() if path.name != manifest.NAME}
    outputs = _differences(about["outputs"], {**{name: folder / name for name in about["outputs"]}, **here})
    inputs = _differences(about["inputs"], {name: root / name for name in about["inputs"]})
    now = manifest.versions()
    code, was = now["code"], about["code"]
    if code["source_sha256"] != was["source_sha256"]:
        inputs += [f"code: built by {_code(was)}, here is {_code(code)}"]
    if now["python"] != about["python"]:
        inputs += [f"Python: built with {about['python']}, here is {now['python']}"]
    for name in sorted(now["packages"].keys() | about["packages"].keys()):
        before, after = (side["packages"].get(name, "not installed") for side in (about, now))
        if before != after:
            inputs += [f"package {name}: built with {before}, here is {after}"]
    return Verified(folder, tuple(outputs), tuple(inputs), (len(about["outputs"]), len(about["inputs"])))


def _differences(noted: Mapping[str, str], files: Mapping[str, Path]) -> list[str]:
    found = []
    for name, path in sorted(files.items()):
        if name not in noted:
            found.append(f"{name}: was not part of it")
        elif not path.exists():
            found.append(f"{name}: is missing")
        elif manifest.plain_digest(path) != noted[name]:
            found.append(f"{name}: has changed")
    return found


def _code(about: Mapping[str, str]) -> str:
    commit = f", commit {about['commit'][:10]}" if "commit" in about else ""
    return f"pathcost {about['version']}{commit}, source {about['source_sha256'][:12]}"
