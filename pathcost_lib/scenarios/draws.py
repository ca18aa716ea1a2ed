"""Uncertain assumptions as distributions, and draws from them that stay the same whatever else changes.

Each assumption has a stream of its own: a counter-based generator (Philox; Salmon et al. 2011, "Parallel random
numbers: as easy as 1, 2, 3") keyed by the seed and the assumption's name. So draw 17 of an assumption is the same
number whether 100 or 10,000 draws are taken, in one block or many, for one ICB or all: common random numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from pathcost_lib.arguments import number, number_list
from pathcost_lib.errors import InputError, require_one_of

__all__ = ["Correlation", "Distribution", "parse_distribution", "quantile_draws", "seed_of", "uniforms"]

FloatArray = NDArray[np.float64]

#: Half the width of an 80 % interval of a normal distribution, in standard deviations: norm.ppf(0.9).
_Z90 = float(special.ndtri(0.9))

#: What each kind of distribution is made of, by name and in order; they rise from the first to the last.
_PARAMETERS = {"fixed": ("value",), "interval": ("low", "high"), "triangular": ("low", "mode", "high")}


@dataclass(frozen=True)
class Distribution:
    """An assumption's distribution.

    Attributes
    ----------
    kind : str
        "fixed" (value), "interval" (low, high: an elicited 80 % interval, read as a normal distribution with the
        interval's midpoint as mean and (high - low) / (2 x 1.2816) as standard deviation), "triangular" (low, mode,
        high) or "empirical" (the values seen, equally likely).
    parameters : tuple of float
        As above.

    Raises
    ------
    InputError
        If the kind is not one of these, or its parameters are not as many, not finite or do not rise.
    """

    kind: str
    parameters: tuple[float, ...]

    def __post_init__(self) -> None:
        require_one_of(self.kind, (*_PARAMETERS, "empirical"), what="Distribution")
        values = number_list(self.parameters, f"Distribution {self.kind}")
        names = _PARAMETERS.get(self.kind)
        if len(values) != len(names or values) or not len(values):
            wanted = f"({', '.join(names)})" if names else "(one value or more)"
            raise InputError(f"Distribution {self.kind} takes {wanted}; it was given {len(values)} number(s).")
        if names and (np.diff(values) < 0).any():
            raise InputError(f"Distribution {self.kind}: {', '.join(names)} must rise; they are {values.tolist()}.")
        object.__setattr__(self, "parameters", tuple(values.tolist()))

    @property
    def mean(self) -> float:
        """Expected value."""
        return float(np.mean(self.parameters))  # all four kinds: midpoint, (low + mode + high) / 3, sample mean

    @property
    def sd(self) -> float:
        """Standard deviation."""
        p = self.parameters
        if self.kind == "interval":
            return (p[1] - p[0]) / (2 * _Z90)
        if self.kind == "triangular":
            low, mode, high = p
            variance = (low**2 + mode**2 + high**2 - low * mode - low * high - mode * high) / 18
            return float(np.sqrt(variance))
        return float(np.std(p))

    def ppf(self, u: ArrayLike) -> FloatArray:
        """Return the value at each cumulative probability `u` in (0, 1)."""
        u = np.asarray(u, dtype=float)
        p = self.parameters
        if self.kind == "fixed":
            return np.full(u.shape, p[0])
        if self.kind == "interval":
            return self.mean + self.sd * special.ndtri(u)
        if self.kind == "triangular":
            low, mode, high = p
            turn = (mode - low) / (high - low) if high > low else 0.0
            rising = low + np.sqrt(u * (high - low) * (mode - low))
            return np.where(u < turn, rising, high - np.sqrt((1 - u) * (high - low) * (high - mode)))
        return np.sort(p)[np.minimum((u * len(p)).astype(int), len(p) - 1)]


def parse_distribution(value: object, *, where: str) -> Distribution:
    """Read an assumption: a number, {low, high}, {low, mode, high} or {values}.

    Raises
    ------
    InputError
        If it is none of these or its numbers do not rise; `where` (file and key) begins the message.
    """
    shapes = {("high", "low"): "interval", ("high", "low", "mode"): "triangular", ("values",): "empirical"}
    if _is_number(value):
        return Distribution("fixed", (float(value),))  # type: ignore[arg-type]
    if isinstance(value, Mapping) and tuple(sorted(value)) in shapes:
        kind = shapes[tuple(sorted(value))]
        numbers = value["values"] if kind == "empirical" else [value[k] for k in ("low", "mode", "high") if k in value]
        if isinstance(numbers, list) and numbers and all(_is_number(n) for n in numbers):
            if kind != "empirical" and sorted(numbers) != numbers:
                raise InputError(f"{where}: low, mode and high must rise; they are {numbers}.")
            return Distribution(kind, tuple(float(n) for n in numbers))
    raise InputError(
        f"{where}: {value!r} is not an assumption. Allowed: a number; {{low, high}} (an 80 % interval); "
        "{low, mode, high} (triangular); {values = [...]} (seen values)."
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


@dataclass(frozen=True)
class Correlation:
    """Assumptions that move together: every pair of `names` has correlation `rho` between their normal scores."""

    names: tuple[str, ...]
    rho: float

    def __post_init__(self) -> None:
        if isinstance(self.names, str) or len(set(self.names)) < 2:
            raise InputError(f"A correlation needs the names of two assumptions or more; it has {self.names!r}.")
        number(self.rho, "rho (correlation)", least=-1, most=1)


def seed_of(rng: int | np.random.Generator) -> int:
    """Return a seed: the number given, or one drawn from a generator.

    Raises
    ------
    InputError
        If it is neither a whole number nor a generator.
    """
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(2**62))
    if isinstance(rng, int | np.integer) and not isinstance(rng, bool):
        return int(rng)
    raise InputError(f"rng is {rng!r}. It must be a seed (a whole number) or a numpy random generator.")


def uniforms(name: str, draws: int, *, seed: int, start: int = 0) -> FloatArray:
    """Return draws `start` to `start + draws` of the stream called `name`, in (0, 1)."""
    key = int.from_bytes(hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=16).digest(), "little")
    generator = np.random.Philox(key=key)
    generator.advance(start // 4)  # one step of the counter gives four numbers
    numbers = np.random.Generator(generator).random(draws + start % 4)[start % 4 :]
    return np.maximum(numbers, 2.0**-54)  # 0 has no normal score


def quantile_draws(
    assumptions: Mapping[str, Distribution],
    draws: int,
    *,
    seed: int,
    correlations: Sequence[Correlation] = (),
    start: int = 0,
) -> dict[str, FloatArray]:
    """Draw every assumption.

    Parameters
    ----------
    assumptions : mapping of name to Distribution
        Fixed ones are returned as constants.
    draws, start : int
        How many draws, and the number of the first.
    seed : int
        Names the family of streams.
    correlations : sequence of Correlation
        Gaussian copula: the normal scores correlate, each margin stays as stated (Iman and Conover 1982 describe the
        aim; here the scores are exactly multivariate normal).

    Raises
    ------
    InputError
        If a correlation names an unknown assumption or the stated correlations cannot hold together.
    """
    unknown = sorted({n for c in correlations for n in c.names} - set(assumptions))
    if unknown:
        raise InputError(f"A correlation names {', '.join(unknown)}. Allowed: {', '.join(sorted(assumptions))}.")
    linked = sorted({n for c in correlations for n in c.names})
    matrix = np.eye(len(linked))
    for correlation in correlations:
        at = [linked.index(n) for n in correlation.names]
        for i in at:
            for j in at:
                if i != j:
                    matrix[i, j] = correlation.rho
    values, vectors = np.linalg.eigh(matrix)
    if len(linked) and values.min() < -1e-9:
        raise InputError(f"The correlations of {', '.join(linked)} cannot all hold together.")
    # The symmetric square root does not depend on the order of names, as Cholesky's would.
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    streams = {n: uniforms(n, draws, seed=seed, start=start) for n, d in assumptions.items() if d.kind != "fixed"}
    if linked:
        scores = np.array([special.ndtri(streams.get(n, np.full(draws, 0.5))) for n in linked])
        streams |= dict(zip(linked, special.ndtr(root @ scores), strict=True))
    return {n: d.ppf(streams.get(n, np.full(draws, 0.5))) for n, d in assumptions.items()}
