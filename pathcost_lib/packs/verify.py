"""Is a pack as it was built, and could it be built again: every file hashed anew, in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathcost_lib.errors import InputError
from pathcost_lib.intake.pseudonyms import local_key
from pathcost_lib.packs import freshness, manifest, proof
from pathcost_lib.packs.render import FORMATS

__all__ = ["Verified", "differences", "verify"]


@dataclass(frozen=True)
class Verified:
    """What differs from the manifest: in the pack's own files, and in what it was made from (each a line of words)."""

    folder: Path
    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    counted: tuple[int, int]
    #: Who vouches for the manifest, in words.
    vouched: str = ""

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
        lines += [self.vouched] if self.intact else []
        if self.reproducible:
            lines += ["It can be built again here: inputs, code and packages are the same."]
        else:
            lines += ["It cannot be built again here to the last byte, because of what differs:"]
        return "\n".join([*lines, *(f"  {line}" for line in self.inputs)])


#: What can be said of a manifest that nobody vouches for.
_UNSIGNED = (
    "Its manifest agrees with the identity that its files bear. Without a key this shows accidents and clumsy changes, "
    "not forgery: whoever changes files, digests and identity together is not found. Compare the identity with the one "
    "that its maker names, {}, {}."
)


def verify(folder: Path | str, *, key: Path | str | None = None, places: Iterable[Path | str] = ()) -> Verified:
    """Hash the files of a pack and what it was made from, and compare them with its manifest, and that with its proof.

    Parameters
    ----------
    folder : Path or str
        Folder of a pack.
    key : Path or str, optional
        File of the key that the pack was signed with: with it a forged manifest, and so any forged file, is found.

    places : iterable of Path or str
        Where what lay outside the project is on this machine: a manifest has the names of such files only.

    Raises
    ------
    InputError
        If there is no manifest, or one of another format; or if there is no key in the file.
    """
    folder = Path(folder)
    about = manifest.require(folder)
    secret = _key(key)
    here = {path.name: path for path in folder.iterdir() if path.name not in (manifest.NAME, proof.SIGNATURE)}
    outputs = differences(about["outputs"], {**{name: folder / name for name in about["outputs"]}, **here})
    outputs += _disproved(folder, about, secret)
    inputs = differences(about["inputs"], _here(about["inputs"], map(Path, places)))
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
    counted = (len(about["outputs"]), len(about["inputs"]))
    return Verified(folder, tuple(outputs), tuple(inputs), counted, _vouched(folder, about, secret))


def _key(path: Path | str | None) -> bytes | None:
    if path is None:
        return None
    if not Path(path).is_file():
        raise InputError(f"There is no key {path}. Name the file that the pack was signed with.")
    return local_key(Path(path))


def _disproved(folder: Path, about: Mapping[str, Any], key: bytes | None) -> list[str]:
    """Return what speaks against the manifest: its own identity, those that the files bear, the signature."""
    reasons = []
    if key is not None and not proof.is_signed(folder, manifest.NAME, key):
        signed = (folder / proof.SIGNATURE).exists()
        reasons.append(f"{manifest.NAME}: {'is not what was signed with this key' if signed else 'is not signed'}")
    identity = proof.identity(about)
    if about.get("identity") != identity:
        reasons.append(f"{manifest.NAME}: its own identity is not that of the inputs, code and parameters in it")
    made = {form.file for form in FORMATS.values()} & {*about["outputs"]}
    files = [name for name in sorted(made) if (folder / name).is_file()]
    reasons += [
        f"{name}: bears another identity than that of {manifest.NAME}"
        for name in files
        if not proof.bears(folder / name, identity)
    ]
    return reasons


def _vouched(folder: Path, about: Mapping[str, Any], key: bytes | None) -> str:
    if key is not None:
        return "Its manifest, and by it every file, is signed with this key."
    signed = (folder / proof.SIGNATURE).exists()
    way = "or use --key with the key that it is signed with" if signed else "or ask for a signed pack (pack --key FILE)"
    return _UNSIGNED.format(proof.in_groups(proof.identity(about)), way)


def _here(names: Iterable[str], places: Iterable[Path]) -> dict[str, Path | None]:
    known = list(places)
    return {name: freshness.place_of(name, known) for name in names}


def differences(noted: Mapping[str, str], files: Mapping[str, Path | None]) -> list[str]:
    """Return what is not as a manifest has it, a line a file, with every file hashed anew.

    Parameters
    ----------
    noted : mapping of str to str
        SHA-256 by name.
    files : mapping of str to Path or None
        Where each is here; None where that is not known.
    """
    reasons = []
    for name, path in sorted(files.items()):
        if name not in noted:
            reasons.append(f"{name}: was not part of it")
        elif name.startswith(freshness.TABLE):
            reasons.append(f"{name.removeprefix(freshness.TABLE)}: a table of a catalog, which only `pack` reads again")
        elif path is None:
            reasons.append(f"{name.removeprefix(freshness.OUTSIDE)}: lay outside the project; say --from FOLDER")
        elif not path.exists():
            reasons.append(f"{name}: is missing")
        elif manifest.plain_digest(path) != noted[name]:
            reasons.append(f"{name}: has changed")
    return reasons


def _code(about: Mapping[str, str]) -> str:
    commit = f", commit {about['commit'][:10]}" if "commit" in about else ""
    return f"pathcost {about['version']}{commit}, source {about['source_sha256'][:12]}"
