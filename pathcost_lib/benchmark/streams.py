"""Random numbers that belong to a name: the same whatever the number of draws, the order of rows or the other names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

__all__ = ["Streams"]


class Streams:
    """One stream of random numbers for each name, all from one number taken from `rng`.

    Parameters
    ----------
    rng : numpy Generator
        Gives the one number; called twice, it gives other streams.
    names : iterable of str
        Columns of what `normal` returns.
    """

    def __init__(self, rng: np.random.Generator, names: Iterable[object]) -> None:
        seed = int(rng.integers(2**63))
        keys = (hashlib.blake2b(str(name).encode(), digest_size=8).digest() for name in names)
        #: One generator a name.
        self.generators = [np.random.default_rng([seed, int.from_bytes(key, "little")]) for key in keys]

    def normal(self, draws: int) -> np.ndarray:
        """Return the next standard normal numbers, of shape (draws, names)."""
        return np.column_stack([stream.standard_normal(draws) for stream in self.generators])
