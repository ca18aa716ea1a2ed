"""Data quality as notebook 01 shows it: what `sources.check` found, in words and tables."""

from pathcost_lib.quality.tables import (
    HEADINGS,
    findings,
    in_words,
    places,
    providers_of,
    reconciled,
    thin_months,
    unusual_costs,
)

__all__ = [
    "HEADINGS",
    "findings",
    "in_words",
    "places",
    "providers_of",
    "reconciled",
    "thin_months",
    "unusual_costs",
]
