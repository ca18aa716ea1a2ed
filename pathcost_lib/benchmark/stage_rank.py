"""Efficient at its own stage, in a costly pathway? Each provider's two ranks, side by side."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from pathcost_lib.results import Result

__all__ = ["StageRanks", "stage_ranks"]


@dataclass(frozen=True, eq=False)
class StageRanks(Result):
    """Two ranks a provider: on the stage it does itself, and on the pathways that begin with it."""

    ranked: int = 0
    fewest: int = 0

    @property
    def summary(self) -> str:
        """How many were ranked."""
        return f"{self.ranked} of {len(self.table)} providers have at least {self.fewest} pathways and are ranked."

    def of(self, providers: Collection[str]) -> pd.DataFrame:
        """Return the ranked ones of some providers, in the order of their pathways' rank."""
        rows = self.table[self.table["provider_code"].isin(providers) & (self.table["reason"] == "")]
        return rows.drop(columns="reason").sort_values(["pathway_rank", "provider_code"]).reset_index(drop=True)


def stage_ranks(
    stages: pd.DataFrame,
    pathways: pd.DataFrame,
    *,
    index_phase: str,
    fewest: int,
    draws: int,
    rng: np.random.Generator,
) -> StageRanks:
    """Rank every provider on its own stage and on its whole pathways.

    Parameters
    ----------
    stages : DataFrame
        `pathways.summarise(..., by=["index_provider_code", "phase", "provider_code"])`.
    pathways : DataFrame
        `pathways.summarise(..., by=["index_provider_code"])`.
    index_phase : str
        The phase of the index event. A provider's own stage is what it does itself in that phase.
    fewest : int
        Providers with fewer pathways are listed, not ranked: their mean says too little.
    draws : int
        How many re-rankings.
    rng : Generator
        Gives one seed; each provider then has draws of its own, so that they do not depend on how many draws or other
        providers there are.

    Returns
    -------
    StageRanks
        provider_code, pathways, stage_gbp, stage_rank, stage_rank_lower_95, stage_rank_upper_95, pathway_gbp,
        pathway_rank, pathway_rank_lower_95, pathway_rank_upper_95, reason. Rank 1 is the lowest cost. Means are not
        adjusted for case mix: a rank is a question, not a verdict.

    Notes
    -----
    Goldstein and Spiegelhalter, J. R. Statist. Soc. A 1996; 159: 385-443: each draw takes every provider from its own
    sampling distribution (t, for the standard error is estimated from n - 1 degrees of freedom) and ranks them all;
    the interval holds the middle 95 % of the ranks.
    """
    own = stages[(stages["phase"] == index_phase) & (stages["provider_code"] == stages["index_provider_code"])]
    columns = {"stage": own.drop(columns="index_provider_code"), "pathway": pathways}
    table = pathways[["index_provider_code", "pathways"]].rename(columns={"index_provider_code": "provider_code"})
    table = table.reset_index(drop=True)
    enough = (table["pathways"] >= fewest).to_numpy()
    seed = int(rng.integers(2**63))
    ranked = 0
    for number, (name, source) in enumerate(columns.items()):
        means = source.rename(columns={"index_provider_code": "provider_code"})[["provider_code", "mean_gbp", "se_gbp"]]
        frame = table[["provider_code", "pathways"]].merge(means, on="provider_code", how="left")
        usable = enough & frame["se_gbp"].notna().to_numpy()
        table[f"{name}_gbp"] = frame["mean_gbp"]
        _add_ranks(table, name, frame, usable, draws, [seed, number])
        ranked = int(usable.sum())
    missing = (table["stage_rank"].isna() | table["pathway_rank"].isna()).to_numpy()
    small = f"fewer than {fewest} pathways: not ranked"
    table["reason"] = np.select([~enough, missing], [small, "no cost of its own in this phase"], "")
    return StageRanks(table, ranked, fewest)


def _add_ranks(
    table: pd.DataFrame, name: str, frame: pd.DataFrame, usable: np.ndarray, draws: int, seed: list[int]
) -> None:
    units = frame[usable]
    simulated = np.empty((draws, len(units)))
    for column, row in enumerate(units.to_dict("records")):
        own = np.random.default_rng([*seed, zlib.crc32(str(row["provider_code"]).encode())])
        simulated[:, column] = row["mean_gbp"] + row["se_gbp"] * own.standard_t(max(row["pathways"] - 1, 1), draws)
    lower = upper = np.array([])
    if len(units):
        ranks = stats.rankdata(simulated, axis=1)
        lower = np.quantile(ranks, 0.025, axis=0, method="lower")
        upper = np.quantile(ranks, 0.975, axis=0, method="higher")
    for column_name, values in (
        (f"{name}_rank", units["mean_gbp"].rank().to_numpy()),
        (f"{name}_rank_lower_95", lower),
        (f"{name}_rank_upper_95", upper),
    ):
        table[column_name] = np.nan
        table.loc[usable, column_name] = values
