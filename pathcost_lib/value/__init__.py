"""Value: what the pathway buys. Outcomes joined to cost, cost per outcome, who costs more and is no better."""

from pathcost_lib.value.budget import NHS_MARGIN, BudgetShift, Margin, budget_shift
from pathcost_lib.value.gain import Adjusted, adjust, discounted_years
from pathcost_lib.value.incremental import NICE_RANGES_GBP, THRESHOLDS_GBP, Incremental, dominance, incremental
from pathcost_lib.value.outcomes import INSTRUMENTS, Outcomes, join_outcomes, pathways_with_outcomes
from pathcost_lib.value.quadrants import Quadrants, quadrants
from pathcost_lib.value.ratio import CostPerOutcome, cost_per_outcome

__all__ = [
    "INSTRUMENTS",
    "NHS_MARGIN",
    "NICE_RANGES_GBP",
    "THRESHOLDS_GBP",
    "Adjusted",
    "BudgetShift",
    "CostPerOutcome",
    "Incremental",
    "Margin",
    "Outcomes",
    "Quadrants",
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
