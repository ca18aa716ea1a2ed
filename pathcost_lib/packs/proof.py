"""What shows that a manifest is the one that a pack was built with: an identity in print, and a signature beside it.

The identity is a digest of what a pack is made from: inputs, code, packages, parameters. It is printed in every file of
the pack, so that a manifest that names other inputs than the files were made from is found without any key. It cannot
cover the files themselves, which bear it. The signature does: it is an HMAC-SHA-256 (RFC 2104, FIPS 198-1) of the whole
manifest, which holds the digest of each file, under a key of the maker's own.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["SIGNATURE", "bears", "identity", "in_groups", "is_signed", "signature"]

SIGNATURE = "manifest.hmac"

_MADE_FROM = (
    "format",
    "icb",
    "year",
    "code",
    "python",
    "packages",
    "asked",
    "data",
    "notebooks",
    "parameters",
    "inputs",
)
_DOMAIN = b"pathcost manifest\0"


def identity(about: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what a manifest says a pack is made from: nothing that differs from run to run.

    Parameters
    ----------
    about : mapping
        A manifest, or as much of one as is known before the files of the pack are written.
    """
    made_from = {name: about.get(name) for name in _MADE_FROM}
    # The same source is the same code, whatever commit it lies in; seconds are of one run.
    made_from["code"] = {k: v for k, v in about["code"].items() if k != "commit"}
    made_from["notebooks"] = {
        name: {k: v for k, v in state.items() if k != "seconds"} for name, state in about["notebooks"].items()
    }
    text = json.dumps(made_from, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def in_groups(digest: str) -> str:
    """Return a digest in groups of eight, as it is printed."""
    return " ".join(digest[n : n + 8] for n in range(0, len(digest), 8))


def bears(path: Path, digest: str) -> bool:
    """Whether a file of a pack bears an identity: a page as text, a PDF as a keyword, an Office file in any part."""
    words = (digest.encode(), in_groups(digest).encode())
    try:
        if not zipfile.is_zipfile(path):
            return any(word in path.read_bytes() for word in words)
        with zipfile.ZipFile(path) as parts:
            return any(word in parts.read(name) for name in parts.namelist() for word in words)
    except (OSError, zipfile.BadZipFile, RuntimeError):
        return False


def signature(manifest: bytes, key: bytes) -> str:
    """Return the signature of a manifest, as it stands in `SIGNATURE`."""
    return hmac.new(key, _DOMAIN + manifest, hashlib.sha256).hexdigest()


def is_signed(folder: Path, name: str, key: bytes) -> bool:
    """Whether the manifest of that name in a folder is signed with a key, and is as it was signed."""
    try:
        there = (folder / SIGNATURE).read_text(encoding="ascii").strip()
        return hmac.compare_digest(there, signature((folder / name).read_bytes(), key))
    except (OSError, ValueError, TypeError):
        return False
