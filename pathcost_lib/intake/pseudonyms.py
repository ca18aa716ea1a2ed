"""Identifiers become pseudonyms at the door: a keyed hash that cannot be undone or guessed without the local key.

A pseudonym is "p" and the first 128 bits of HMAC-SHA-256 (RFC 2104, FIPS 198-1) of the identifier, in hexadecimal. The
same person has the same pseudonym in every table and every import made with the same key; in 60 million people the
chance that any two share one is about 60,000,000^2 / 2^129, below one in 10^23. An NHS number is the same however it is
spelled: with spaces, points or dashes of any kind, in digits of any script, with a 0 before it.

The key is 32 random bytes, readable to the user alone. It is the project's own where there is one (`pseudonym.key` in
the project's folder), else the user's, made once in the configuration folder. Who holds it can test every NHS number
against the data: keep it off shared drives and out of what is passed on (`docs/disclosure.md`).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pathcost_lib import paths
from pathcost_lib.errors import InputError
from pathcost_lib.sources.engine import DuckDBEngine
from pathcost_lib.sources.quoting import quote_value

__all__ = ["holds_nhs_number", "key_file", "key_in", "key_name", "local_key", "pseudonym", "rounded_by_excel"]

_BLOCK = 64  # bytes in a block of SHA-256
_HEX_DIGITS = 32  # of a pseudonym: 128 bits


def key_file() -> Path:
    """Return where the key is: `PATHCOST_KEY` if set, else the project's own if it has one, else the user's."""
    if named := os.environ.get("PATHCOST_KEY"):
        return Path(named)
    if (own := paths.root() / "pseudonym.key").exists():
        return own
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
    plain = f"coalesce({_nhs_number(text)}, {text})"
    inner = f"unhex(sha256(getvariable('pathcost_inner') || encode({quote_value(of + ':')} || {plain})))"
    return f"'p' || substr(sha256(getvariable('pathcost_outer') || {inner}), 1, {_HEX_DIGITS})"


# -- NHS numbers -------------------------------------------------------------------------------------------------------

#: What may stand between the groups of an NHS number: spaces, dashes and invisible marks of any kind, points, strokes.
_BETWEEN = r"[\s\p{Z}\p{Pd}\p{Cf}._/·-]{0,3}"
#: A system that counts in eleven digits puts a 0 before the ten.
_SHAPE = f"0?[0-9]{{3}}{_BETWEEN}[0-9]{{3}}{_BETWEEN}[0-9]{{4}}"
#: Digits of every script (full width, Arabic-Indic, ...) that are not ASCII, and what each is worth.
_SCRIPTS = {c: str(unicodedata.decimal(c)) for c in map(chr, range(128, sys.maxunicode + 1)) if c.isdecimal()}
_TRANSLATED = ", ".join(quote_value("".join(side)) for side in (_SCRIPTS.keys(), _SCRIPTS.values()))


def _ascii(text: str) -> str:
    """Digits of any script as 0 to 9. Nearly all text is ASCII already, and is left as it is."""
    return f"CASE WHEN strlen({text}) = length({text}) THEN {text} ELSE translate({text}, {_TRANSLATED}) END"


def _digits(text: str) -> str:
    return _ten(_ascii(text))


def _ten(text: str) -> str:
    return f"right(regexp_replace({text}, '[^0-9]', '', 'g'), 10)"


def _checks(digits: str) -> str:
    """Ten digits weighted 10, 9, ... 2 and the last (the check digit) 1: a multiple of 11 (NHS Data Dictionary)."""
    weighted = " + ".join(f"{11 - n} * (ascii(substr({digits}, {n}, 1)) - 48)" for n in range(1, 11))
    return f"({weighted}) % 11 = 0"


def _nhs_number(text: str) -> str:
    """The ten digits of a text that is an NHS number, else null."""
    shaped = f"length({text}) >= 10 AND regexp_full_match({_ascii(text)}, {quote_value(_SHAPE)})"
    # In a lambda, because the engine works out a part of a CASE anew wherever it stands: the digits ten times a row.
    checked = f"list_filter([{_digits(text)}], lambda ten: {_checks('ten')})[1]"
    return f"CASE WHEN {shaped} THEN {checked} END"


def holds_nhs_number(text: str) -> str:
    """Return the SQL that is true where an NHS number, told by its check digit, stands anywhere in a text."""
    pattern = quote_value(rf"(?:^|[^0-9])({_SHAPE})(?:\b|[A-Za-z_])")
    numbers = f"regexp_extract_all({_ascii(text)}, {pattern}, 1)"
    digits = f"list_transform({numbers}, lambda nhs: {_ten('nhs')})"
    wanted = f"len(list_filter({digits}, lambda ten: {_checks('ten')})) > 0"
    return f"CASE WHEN length({text}) >= 10 THEN {wanted} ELSE false END"


def rounded_by_excel(text: str) -> str:
    """Return the SQL that is true where a workbook has made a long number like 9.43477E+09 of an identifier."""
    return f"regexp_full_match({text}, '[0-9](\\.[0-9]+)?[eE]\\+[0-9]+')"
