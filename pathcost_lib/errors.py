"""The one error that an accountant is meant to read."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["InputError", "require_one_of"]


class InputError(ValueError):
    """Input that cannot be used, said in words that name where it is and what is allowed.

    Never put a patient-level value in the message: name the file, the column, the rule and how many rows.
    """


def require_one_of(value: str, allowed: Iterable[str], *, what: str) -> str:
    """Return `value` if it is allowed, else raise an error that lists what is.

    Parameters
    ----------
    value : str
        What was asked for.
    allowed : iterable of str
        What may be asked for.
    what : str
        Name of the thing, as the reader knows it ("ICB", "pathway").

    Raises
    ------
    InputError
        If `value` is not in `allowed`; close spellings come first in the message.
    """
    options = sorted(set(allowed))
    if value in options:
        return value
    near = get_close_matches(str(value), options, n=3)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise InputError(f"{what} {value!r} is not known.{hint} Allowed: {', '.join(options) or '(none)'}.")
