"""Each provider's rank on its own stage beside the rank of the pathways that it is part of."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pathcost_lib.present import style
from pathcost_lib.present.figures._common import axis_title, empty, key, rows_down
from pathcost_lib.present.format import count

__all__ = ["describe_stage_ranks", "stage_ranks"]


def stage_ranks(ax: Axes, table: pd.DataFrame, *, by: str = "provider", ranked: int, own: Collection[str] = ()) -> Axes:
    """Draw two ranks with 95 % intervals for each provider: own stage above (square), whole pathway below (disc).

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        `by`, stage_rank, stage_rank_lower_95, stage_rank_upper_95, pathway_rank, pathway_rank_lower_95,
        pathway_rank_upper_95; 1 is the lowest cost. NaN: too few pathways to rank.
    by : str
        Column that names the provider.
    ranked : int
        How many providers are ranked in all: the length of the axis.
    own : collection of str
        Providers to set in bold.
    """
    shown = table.dropna(subset=["stage_rank", "pathway_rank"])
    if shown.empty or ranked < 2:
        return empty(ax, "No ranks to show: fewer than two providers here have enough complete pathways to be ranked.")
    handles = []
    for measure, shift, color, marker in (("stage", -0.17, style.MORE, "s"), ("pathway", 0.17, style.FOCUS, "o")):
        for row, (rank, lower, upper) in enumerate(
            shown[[f"{measure}_rank", f"{measure}_rank_lower_95", f"{measure}_rank_upper_95"]].to_numpy(dtype=float)
        ):
            ax.plot([lower, upper], [row + shift] * 2, color=color, lw=2.4, alpha=0.55)
            line = ax.plot(rank, row + shift, marker=marker, ms=7, color=color, mec=style.PAPER, lw=2.4)[0]
        handles.append(line)
    rows_down(ax, shown[by], bold=[n for n, name in enumerate(shown[by]) if name in own])
    ax.set_xlim(0.2, ranked + 0.8)
    middle = MaxNLocator(nbins=5 if style.compact(ax) else 8, integer=True).tick_values(1, ranked)
    ax.set_xticks([1, *(t for t in middle if ranked * 0.06 < t - 1 and t < ranked * 0.9), ranked])
    ax.xaxis.set_major_formatter(lambda value, _: count(value))
    ax.grid(True, axis="x")
    axis_title(ax, f"Rank among {ranked} providers (1: lowest cost; bar: 95% interval)")
    key(ax, handles, ["Own stage: the index event", "Whole pathway, all providers"])
    return ax


def describe_stage_ranks(table: pd.DataFrame, *, by: str = "provider", ranked: int) -> str:
    """Return the alternative text: both ranks of each provider with intervals."""
    shown = table.dropna(subset=["stage_rank", "pathway_rank"])
    said = [
        f"{r[by]}: own stage {count(r['stage_rank'])} ({count(r['stage_rank_lower_95'])} to "
        f"{count(r['stage_rank_upper_95'])}), pathway {count(r['pathway_rank'])} "
        f"({count(r['pathway_rank_lower_95'])} to {count(r['pathway_rank_upper_95'])})"
        for r in shown.to_dict("records")
    ]
    return (
        f"Ranks among {ranked} providers, 1 is the lowest cost, with 95% intervals. {'; '.join(said) or 'None shown'}."
    )
