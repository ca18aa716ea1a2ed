"""Figures: one function each, which takes an `ax` and a table, draws and returns the `ax`; and its alternative text."""

from pathcost_lib.present.figures.against_hundred import (
    against_hundred,
    describe_against_hundred,
    describe_drivers,
    describe_peers,
    drivers_waterfall,
    peers,
)
from pathcost_lib.present.figures.basis import cost_basis, describe_cost_basis
from pathcost_lib.present.figures.cash import cash_waterfall, describe_cash_waterfall
from pathcost_lib.present.figures.caterpillar import caterpillar, describe_caterpillar
from pathcost_lib.present.figures.compare import against_reference, describe_against_reference
from pathcost_lib.present.figures.control import control_charts, describe_control_charts
from pathcost_lib.present.figures.flow_map import describe_flow_map, flow_map
from pathcost_lib.present.figures.funnel import describe_funnel, funnel
from pathcost_lib.present.figures.gradient import describe_gradient, gradient
from pathcost_lib.present.figures.grid import describe_grid, grid
from pathcost_lib.present.figures.hexmap import describe_hexmap, hexmap
from pathcost_lib.present.figures.outlook_bars import (
    age_pyramid,
    describe_age_pyramid,
    describe_driver_steps,
    describe_tornado,
    driver_steps,
    tornado,
)
from pathcost_lib.present.figures.outlook_lines import (
    cost_fans,
    describe_cost_fans,
    describe_funding_gap,
    describe_monthly_forecasts,
    funding_gap,
    monthly_forecasts,
)
from pathcost_lib.present.figures.outside import describe_outside_share, outside_share
from pathcost_lib.present.figures.ranks import describe_stage_ranks, stage_ranks
from pathcost_lib.present.figures.signed_grid import describe_signed_grid, signed_grid
from pathcost_lib.present.figures.spread import describe_spread, spread
from pathcost_lib.present.figures.triple_aim import describe_triple_aim, say_measure, triple_aim
from pathcost_lib.present.figures.value_map import (
    acceptability,
    cost_effectiveness_plane,
    describe_acceptability,
    describe_cost_effectiveness_plane,
    describe_value_map,
    value_map,
)
from pathcost_lib.present.figures.waterfall import describe_waterfall, waterfall
from pathcost_lib.present.figures.years import describe_stranded, describe_timeline, stranded, timeline

__all__ = [
    "acceptability",
    "against_hundred",
    "against_reference",
    "age_pyramid",
    "cash_waterfall",
    "caterpillar",
    "control_charts",
    "cost_basis",
    "cost_effectiveness_plane",
    "cost_fans",
    "describe_acceptability",
    "describe_against_hundred",
    "describe_against_reference",
    "describe_age_pyramid",
    "describe_cash_waterfall",
    "describe_caterpillar",
    "describe_control_charts",
    "describe_cost_basis",
    "describe_cost_effectiveness_plane",
    "describe_cost_fans",
    "describe_driver_steps",
    "describe_drivers",
    "describe_flow_map",
    "describe_funding_gap",
    "describe_funnel",
    "describe_gradient",
    "describe_grid",
    "describe_hexmap",
    "describe_monthly_forecasts",
    "describe_outside_share",
    "describe_peers",
    "describe_signed_grid",
    "describe_spread",
    "describe_stage_ranks",
    "describe_stranded",
    "describe_timeline",
    "describe_tornado",
    "describe_triple_aim",
    "describe_value_map",
    "describe_waterfall",
    "driver_steps",
    "drivers_waterfall",
    "flow_map",
    "funding_gap",
    "funnel",
    "gradient",
    "grid",
    "hexmap",
    "monthly_forecasts",
    "outside_share",
    "peers",
    "say_measure",
    "signed_grid",
    "spread",
    "stage_ranks",
    "stranded",
    "timeline",
    "tornado",
    "triple_aim",
    "value_map",
    "waterfall",
]
