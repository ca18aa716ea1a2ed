"""The ledger: activity with a cost on every row, and how much of the expected activity it covers."""

from pathcost_lib.ledger import tdabc
from pathcost_lib.ledger.coverage import coverage, coverage_by_month
from pathcost_lib.ledger.pricing import cost_activity
from pathcost_lib.ledger.reconcile import reconcile
from pathcost_lib.ledger.spells import build_spells

__all__ = [
    "build_spells",
    "cost_activity",
    "coverage",
    "coverage_by_month",
    "reconcile",
    "tdabc",
]
