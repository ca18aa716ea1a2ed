"""Ranks with the doubt that belongs to them, and whether two rankings agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special, stats

from pathcost_lib.arguments import as_list, draw_count, generator, no_gaps, numbers, refuse, require_columns
from pathcost_lib.benchmark.streams import Streams
from pathcost_lib.intervals import limit_columns
from pathcost_lib.results import NotComputable, Result

__all__ = ["RankAgreement", "Ranks", "rank", "rank_agreement"]

CHUNK = 1_000  # draws ranked at once, so that memory does not grow with their number


@dataclass(frozen=True, eq=False)
class Ranks(Result):
    """Rank 1 is the lowest value. Limits are of the rank."""

    @property
    def summary(self) -> str:
        """Say how many ranks are firm."""
        firm = (self.table[["probability_lowest_quarter", "probability_highest_quarter"]].max(axis=1) >= 0.95).sum()
        return f"{len(self.table)} ranked; {firm} in the lowest or highest quarter with probability of 95 % or more"


def rank(
    df: pd.DataFrame,
    *,
    by: str,
    value: str,
    se: str,
    count: str | None = None,
    draws: int = 10_000,
    rng: np.random.Generator,
    confidence: float = 0.95,
) -> Ranks:
    """Return ranks with intervals and the probability of the lowest and highest quarter, by simulation.

    Parameters
    ----------
    df : DataFrame
        One row per unit.
    by, value, se : str
        Columns: unit; estimate (rank 1 = lowest); its standard error, same unit.
    count : str, optional
        Column: observations behind each estimate; draws are then Student's t with count - 1 degrees of freedom.
    draws : int
        Simulations. The first k are the same whatever the number, and whatever the order of rows.
    rng : numpy Generator
    confidence : float

    Returns
    -------
    Ranks
        by, value, se, rank, lower_95, upper_95 (of the rank), median_rank, probability_lowest_quarter,
        probability_highest_quarter, sorted by unit.

    Raises
    ------
    InputError
        A unit twice, a missing value, a missing or negative standard error, a count under two, or fewer than 100 draws.

    Notes
    -----
    Marshall and Spiegelhalter, BMJ 1998;316:1701: values drawn from their sampling distributions and ranked.
    A quarter holds a quarter of the units, rounded up.

    Examples
    --------
    A costs least. B and C are too close to tell: either may be second or third.

    >>> import numpy as np
    >>> import pandas as pd
    >>> import pathcost_lib as pc
    >>> costs = pd.DataFrame({"area": ["A", "B", "C"], "gbp": [900.0, 1_000.0, 1_010.0], "se": [10.0, 20.0, 20.0]})
    >>> ranks = pc.rank(costs, by="area", value="gbp", se="se", rng=np.random.default_rng(1))
    >>> ranks.table[["area", "rank", "lower_95", "upper_95"]]
      area  rank  lower_95  upper_95
    0    A     1         1         1
    1    B     2         2         3
    2    C     3         2         3
    """
    draws, rng = draw_count(draws), generator(rng)
    df = _one_row_each(df, by, [value], [se, *as_list(count)])
    centre, error, units = df[value].to_numpy(dtype=float), numbers(df, se, [by]), len(df)
    free = numbers(df, count, [by], above=1) - 1 if count else None
    streams, counts = Streams(rng, df[by]), np.zeros((units, units), dtype=np.int64)
    for start in range(0, draws, CHUNK):
        chance = streams.normal(min(CHUNK, draws - start))
        if free is not None:
            chance = special.stdtrit(free, special.ndtr(chance))
        ranks = stats.rankdata(centre + error * chance, method="min", axis=1).astype(np.int64) - 1
        counts += np.bincount((np.arange(units) * units + ranks).ravel(), minlength=units**2).reshape(units, units)
    share = counts.cumsum(axis=1) / draws
    quarter = -(-units // 4)

    def at(probability: float) -> np.ndarray:
        return (share < probability - 1e-12).sum(axis=1) + 1

    table = df[[by, value, se]].assign(
        rank=stats.rankdata(centre, method="min").astype(int),
        **limit_columns(confidence, lambda level: (at((1 - level) / 2), at((1 + level) / 2))),
        median_rank=at(0.5),
        probability_lowest_quarter=share[:, quarter - 1],
        probability_highest_quarter=counts[:, units - quarter :].sum(axis=1) / draws,
    )
    return Ranks(table)


def _one_row_each(df: pd.DataFrame, by: str, values: list[str], others: list[str]) -> pd.DataFrame:
    """Return the rows sorted by unit, once each, with values that are numbers."""
    require_columns(df, [by, *values, *others], what="rows to rank")
    no_gaps(df, [by], what="rows to rank")
    refuse(df, df[by].duplicated().to_numpy(), [by], "Each unit must be one row")
    df = df.sort_values(by, ignore_index=True)
    for column in values:
        floats = pd.to_numeric(df[column], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        refuse(df, ~np.isfinite(floats), [by], f"{column} must be a number")
    return df


@dataclass(frozen=True, eq=False)
class RankAgreement(Result):
    """Two ranks of each unit, those furthest apart first; Kendall's tau with limits."""

    tau: float | NotComputable
    lower_95: float
    upper_95: float
    p_value: float

    @property
    def summary(self) -> str:
        """Say how well the two agree, and who is furthest apart."""
        if isinstance(self.tau, NotComputable):
            return f"Agreement {self.tau}"
        unit = self.table.iloc[0]
        return (
            f"Kendall's tau {self.tau:.2f} (95 % {self.lower_95:.2f} to {self.upper_95:.2f}) over {len(self.table)}; "
            f"furthest apart: {unit.iloc[0]}, {unit['rank_first']:g} against {unit['rank_second']:g}"
        )


def rank_agreement(df: pd.DataFrame, *, by: str, first: str, second: str) -> RankAgreement:
    """Return how far two rankings agree, such as a provider's own stage against the pathways that it is part of.

    Parameters
    ----------
    df : DataFrame
        One row per unit.
    by, first, second : str
        Columns: unit and the two values (rank 1 = lowest; ties share their mean rank).

    Returns
    -------
    RankAgreement
        Table: by, first, second, rank_first, rank_second, difference (second less first), largest difference first.

    Raises
    ------
    InputError
        A unit twice or a missing value.

    Notes
    -----
    Kendall's tau-b; limits by Fisher's transform with variance 0.437/(n - 4) (Fieller, Hartley and Pearson, Biometrika
    1957;44:470), for five units or more.
    """
    table = _one_row_each(df, by, [first, second], [])[[by, first, second]]
    table["rank_first"], table["rank_second"] = table[first].rank(), table[second].rank()
    table["difference"] = table["rank_second"] - table["rank_first"]
    order = table["difference"].abs().sort_values(ascending=False, kind="stable").index
    table = table.loc[order].reset_index(drop=True)
    if min(table[first].nunique(), table[second].nunique()) < 2:
        return RankAgreement(table, NotComputable("a ranking has fewer than two distinct values"), *[np.nan] * 3)
    tau = stats.kendalltau(table[first], table[second])
    half = special.ndtri(0.975) * np.sqrt(0.437 / (len(table) - 4)) if len(table) > 4 else np.nan
    centre = np.arctanh(np.clip(tau.statistic, -1 + 1e-12, 1 - 1e-12))
    lower, upper = np.tanh([centre - half, centre + half])
    return RankAgreement(table, float(tau.statistic), float(lower), float(upper), float(tau.pvalue))
