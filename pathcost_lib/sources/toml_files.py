"""TOML from anyone: a mapping, a pathway, a scenario. It is data, of a reasonable size, or it is refused in words."""

from __future__ import annotations

import math
import re
import tomllib
import unicodedata
from pathlib import Path
from typing import Any

from pathcost_lib.errors import InputError

__all__ = ["read_toml"]

#: The largest that comes with the suite has 9 kB, and the deepest has four floors.
_MOST_BYTES, _MOST_FLOORS, _MOST_VALUES = 1_000_000, 12, 50_000
#: Pence of the whole health service for a thousand years, and no more.
_LARGEST = 10**18


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Read a TOML file.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What it is to the reader ("mapping").

    Raises
    ------
    InputError
        If it is missing, is no file, is not TOML in UTF-8, or goes beyond what any such file needs: more than 1 MB,
        more than 12 tables or lists inside each other, more than 50,000 values, a number beyond 10^18 or not finite, a
        text with control characters.
    """
    if not path.is_file():
        raise InputError(f"There is no {what} file {path}.")
    if path.stat().st_size > _MOST_BYTES:
        raise InputError(f"{path.name} has {path.stat().st_size:,} bytes. Allowed for a {what}: {_MOST_BYTES:,}.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} cannot be read as text in UTF-8: {error}.") from None
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path.name} is not valid TOML: {_explain(str(error), text)}") from None
    except RecursionError:
        raise InputError(_too_deep(path.name)) from None
    except ValueError:  # Python's own limit on the digits of a number
        raise InputError(f"{path.name} holds a number of thousands of digits. Allowed: up to 10^18.") from None
    _check(content, path.name)
    return content


def _check(content: dict[str, Any], file: str) -> None:
    left: list[tuple[str, Any, int]] = [("", content, 1)]
    number = 0
    while left:
        key, value, floor = left.pop()
        number += 1
        if floor > _MOST_FLOORS:
            raise InputError(_too_deep(file))
        if number > _MOST_VALUES:
            raise InputError(f"{file} holds more than {_MOST_VALUES:,} values.")
        if isinstance(value, dict):
            left += [(str(k), v, floor + 1) for k, v in value.items()]
            left += [("(a key)", str(k), floor) for k in value]
        elif isinstance(value, list):
            left += [(key, v, floor + 1) for v in value]
        elif isinstance(value, str):
            if any(unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\r\t" for c in value):
                raise InputError(f"{file}, {key}: the text holds control or invisible characters. Take them out.")
        elif isinstance(value, int | float) and not (math.isfinite(value) and abs(value) <= _LARGEST):
            raise InputError(f"{file}, {key}: a number must be finite, from -10^18 to 10^18.")


def _too_deep(file: str) -> str:
    return f"{file} has tables or lists inside each other more than {_MOST_FLOORS} deep."


#: Values as people write them: "£382,158", "£1.2m", "20k"; "382,158" as the whole value; "15%"; a year, 2025-26.
_WRITTEN = re.compile(
    r"£ ?\d[\d,.]*[mk]?\b|\d[\d.]*[mk]\b|(?<== )\d{1,3}(?:,\d{3})+(?:\.\d+)?(?= *$)|\d[\d.]* ?%|\b\d{4}[-/]\d\d\b",
    re.IGNORECASE,
)


def _explain(error: str, text: str) -> str:
    """Return TOML's own error in words, with its line; of a value as people write it, how to write it."""
    place = re.search(r"at line (\d+)", error)
    lines = text.splitlines()
    line = lines[int(place[1]) - 1].strip() if place and int(place[1]) <= len(lines) else ""
    key, equals, value = line[:1_000].partition("=")
    unquoted = re.sub(r"\"[^\"]*\"|'[^']*'|#.*", "", value)
    written = _WRITTEN.search(f"= {unquoted.strip()}") if equals else None
    if place is None or not written:
        return f"{error}{f': {line[:200]!r}' if line else ''}."
    return f"line {place[1]}, {key.strip()}: write {written[0]} {_plainly(written[0])}."


def _plainly(written: str) -> str:
    digits = re.sub(r"[£,%mk ]", "", written, flags=re.IGNORECASE)
    if re.fullmatch(r"\d{4}[-/]\d\d", digits):
        return f'in quotation marks: "{digits.replace("/", "-")}"'
    size = {"m": 6, "k": 3}.get(written[-1].lower(), 0)
    try:
        if written.endswith("%"):
            return f"as {float(digits) / 100:g}, or as {digits} where the key ends in _pct"
        return f"in full: {float(digits) * 10**size:.0f}" if size else f"without £ and commas: {digits}"
    except ValueError:  # 1.2.3
        return "as a number, such as 1234.5"
