"""Identifiers become pseudonyms at the door: a keyed hash that cannot be undone or guessed without the local key.

A pseudonym is "p" and the first 80 bits of HMAC-SHA-256 (RFC 2104, FIPS 198-1) of the identifier, in hexadecimal. The
same person has the same pseudonym in every table and every import made with the same key; in 60 million people the
chance that any two share one is below one in a hundred million. An NHS number is the same with and without spaces.

The key is 32 random bytes, made once in the user's own configuration folder and readable to that user alone. Who holds
it can test whether a known identifier is in the data: keep it off shared drives and out of what is passed on.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pathcost_lib.errors import InputError
from pathcost_lib.sources.engine import DuckDBEngine

__all__ = ["holds_nhs_number", "key_file", "key_in", "key_name", "local_key", "pseudonym", "rounded_by_excel"]

_BLOCK = 64  # bytes in a block of SHA-256


def key_file() -> Path:
    """Return where the local key is: `PATHCOST_KEY` if set, else in the user's configuration folder."""
    if named := os.environ.get("PATHCOST_KEY"):
        return Path(named)
    home = os.environ.get("APPDATA") or os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "pathcost" / "pseudonym.key"


def local_key(path: Path | None = None) -> bytes:
    """Return the local key; make it, if there is none yet.

    Raises
    ------
    InputError
        If the file is no key, or others may read it. A new key is never put in the place of a damaged one: pseudonyms
        would no longer agree with those of earlier imports.
    """
    path = path or key_file()
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise InputError(f"Others can read the key {path}. Make it yours alone: chmod 600 {path}")
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        key = b""
    if len(key) != 32:
        raise InputError(f"{path} is not a key (64 hexadecimal digits). Put back the one that was there.")
    return key


def key_name(key: bytes) -> str:
    """Return eight digits that tell one key from another and say nothing of it."""
    return hmac.new(key, b"name of this key", hashlib.sha256).hexdigest()[:8]


@contextmanager
def key_in(engine: DuckDBEngine, key: bytes) -> Iterator[None]:
    """Let the engine hold the key, as the two padded halves that HMAC hashes with, while rows are read."""
    padded = key.ljust(_BLOCK, b"\0")
    for name, mark in (("inner", 0x36), ("outer", 0x5C)):
        engine.connection.execute(f"SET VARIABLE pathcost_{name} = ?", [bytes(byte ^ mark for byte in padded)])
    try:
        yield
    finally:
        for name in ("inner", "outer"):
            engine.execute(f"RESET VARIABLE pathcost_{name}")


def pseudonym(text: str, of: str) -> str:
    """Return the SQL of an identifier's pseudonym, null where it is null; `of` keeps patients and contacts apart."""
    plain = f"CASE WHEN {_is_nhs_number(text)} THEN {_digits(text)} ELSE {text} END"
    inner = f"unhex(sha256(getvariable('pathcost_inner') || encode('{of}:' || {plain})))"
    return f"'p' || substr(sha256(getvariable('pathcost_outer') || {inner}), 1, 20)"


# -- NHS numbers -------------------------------------------------------------------------------------------------------

_SHAPE = "[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}"


def _digits(text: str) -> str:
    return f"regexp_replace({text}, '[ -]', '', 'g')"


def _checks(digits: str) -> str:
    """Ten digits weighted 10, 9, ... 2 and the last (the check digit) 1: a multiple of 11 (NHS Data Dictionary)."""
    weighted = " + ".join(f"{11 - n} * (ascii(substr({digits}, {n}, 1)) - 48)" for n in range(1, 11))
    return f"({weighted}) % 11 = 0"


def _is_nhs_number(text: str) -> str:
    return f"CASE WHEN regexp_full_match({text}, '{_SHAPE}') THEN {_checks(_digits(text))} ELSE false END"


def holds_nhs_number(text: str) -> str:
    """Return the SQL that is true where an NHS number, told by its check digit, stands anywhere in a text."""
    found = f"regexp_extract_all({text}, '(?:^|[^0-9])({_SHAPE})(?:\\b|[A-Za-z_])', 1)"
    wanted = f"len(list_filter({found}, lambda nhs: {_checks(_digits('nhs'))})) > 0"
    return f"CASE WHEN length({text}) >= 10 THEN {wanted} ELSE false END"


def rounded_by_excel(text: str) -> str:
    """Return the SQL that is true where a workbook has made a long number like 9.43477E+09 of an identifier."""
    return f"regexp_full_match({text}, '[0-9](\\.[0-9]+)?[eE]\\+[0-9]+')"
