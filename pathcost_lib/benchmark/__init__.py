"""Like with like: standardised rates, cost indices, drivers, peers, ranks and opportunity."""

from pathcost_lib.benchmark.cost_index import CostIndex, cost_index
from pathcost_lib.benchmark.drivers import PathwayDrivers, PriceVolumeMix, pathway_drivers, price_volume_mix
from pathcost_lib.benchmark.estimates import Estimates
from pathcost_lib.benchmark.expected import ExpectedCost, expected_cost
from pathcost_lib.benchmark.inequality import slope_index
from pathcost_lib.benchmark.measures import mean, proportion, quantiles, rate
from pathcost_lib.benchmark.opportunity import Deduplicated, Opportunities, deduplicate, opportunity
from pathcost_lib.benchmark.peers import Apportioned, apportion, current_codes
from pathcost_lib.benchmark.productivity import Productivity, productivity
from pathcost_lib.benchmark.ranking import RankAgreement, Ranks, rank, rank_agreement
from pathcost_lib.benchmark.standardise import directly_standardised_rate, indirectly_standardised_ratio
from pathcost_lib.benchmark.standards import age_band, load_standard
from pathcost_lib.benchmark.two_part import TwoPartCost, two_part_cost
from pathcost_lib.comparators.alike import Peers, similar_peers

__all__ = [
    "Apportioned",
    "CostIndex",
    "Deduplicated",
    "Estimates",
    "ExpectedCost",
    "Opportunities",
    "PathwayDrivers",
    "Peers",
    "PriceVolumeMix",
    "Productivity",
    "RankAgreement",
    "Ranks",
    "TwoPartCost",
    "age_band",
    "apportion",
    "cost_index",
    "current_codes",
    "deduplicate",
    "directly_standardised_rate",
    "expected_cost",
    "indirectly_standardised_ratio",
    "load_standard",
    "mean",
    "opportunity",
    "pathway_drivers",
    "price_volume_mix",
    "productivity",
    "proportion",
    "quantiles",
    "rank",
    "rank_agreement",
    "rate",
    "similar_peers",
    "slope_index",
    "two_part_cost",
]
