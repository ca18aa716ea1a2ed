"""Like with like: standardised rates, cost indices, drivers, peers, ranks and opportunity."""

from pathcost_lib.benchmark.cost_index import cost_index
from pathcost_lib.benchmark.drivers import price_volume_mix
from pathcost_lib.benchmark.expected import expected_cost
from pathcost_lib.benchmark.inequality import slope_index
from pathcost_lib.benchmark.measures import mean, proportion, quantiles, rate
from pathcost_lib.benchmark.opportunity import opportunity
from pathcost_lib.benchmark.ranking import rank, rank_agreement
from pathcost_lib.benchmark.standardise import directly_standardised_rate, indirectly_standardised_ratio
from pathcost_lib.benchmark.standards import age_band
from pathcost_lib.comparators.alike import similar_peers

__all__ = [
    "age_band",
    "cost_index",
    "directly_standardised_rate",
    "expected_cost",
    "indirectly_standardised_ratio",
    "mean",
    "opportunity",
    "price_volume_mix",
    "proportion",
    "quantiles",
    "rank",
    "rank_agreement",
    "rate",
    "similar_peers",
    "slope_index",
]
