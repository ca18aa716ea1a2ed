"""What a machine may have only in part: a test that needs it looks whether it works, and skips with the reason if not.

That a program or a package is there does not mean that it works: a database driver without the system's ODBC library
cannot even be imported. `PATHCOST_MUST_WORK` (names with commas between, set by CI for what it has installed) turns the
skip into a failure, so that a broken installation does not look like a passing run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def needs(name: str, how: str) -> Iterator[None]:
    """Try something of the machine; where it fails, skip the test with what failed and how to get it.

    Parameters
    ----------
    name : str
        What is tried, as in `PATHCOST_MUST_WORK` ("odbc").
    how : str
        How a developer gets it.
    """
    try:
        yield
    except Exception as error:
        if name in os.environ.get("PATHCOST_MUST_WORK", "").split(","):
            raise
        first = (str(error).strip().splitlines() or [""])[0][:120]
        pytest.skip(f"{name} does not work here ({type(error).__name__}: {first}): {how}")
