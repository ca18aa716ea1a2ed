"""Figures: one function each, which takes an `ax` and a table, draws and returns the `ax`; and its alternative text."""

from pathcost_lib.present.figures.basis import cost_basis, describe_cost_basis
from pathcost_lib.present.figures.compare import against_reference, describe_against_reference
from pathcost_lib.present.figures.grid import describe_grid, grid
from pathcost_lib.present.figures.outside import describe_outside_share, outside_share
from pathcost_lib.present.figures.ranks import describe_stage_ranks, stage_ranks
from pathcost_lib.present.figures.waterfall import describe_waterfall, waterfall

__all__ = [
    "against_reference",
    "cost_basis",
    "describe_against_reference",
    "describe_cost_basis",
    "describe_grid",
    "describe_outside_share",
    "describe_stage_ranks",
    "describe_waterfall",
    "grid",
    "outside_share",
    "stage_ranks",
    "waterfall",
]
