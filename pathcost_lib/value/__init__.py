"""Value: what the pathway buys. Outcomes joined to cost, cost per outcome, who costs more and is no better."""

from pathcost_lib.value.budget import NHS_MARGIN, Margin, budget_shift
from pathcost_lib.value.gain import adjust, discounted_years
from pathcost_lib.value.incremental import THRESHOLDS_GBP, dominance, incremental
from pathcost_lib.value.outcomes import INSTRUMENTS, join_outcomes, pathways_with_outcomes
from pathcost_lib.value.quadrants import quadrants
from pathcost_lib.value.ratio import cost_per_outcome

__all__ = [
    "INSTRUMENTS",
    "NHS_MARGIN",
    "THRESHOLDS_GBP",
    "Margin",
    "adjust",
    "budget_shift",
    "cost_per_outcome",
    "discounted_years",
    "dominance",
    "incremental",
    "join_outcomes",
    "pathways_with_outcomes",
    "quadrants",
]
