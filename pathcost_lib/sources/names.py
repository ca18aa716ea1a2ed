"""What organisations are called."""

from __future__ import annotations

from pathcost_lib.sources.engine import Relation

__all__ = ["organisation_names"]


def organisation_names(organisations: Relation) -> dict[str, str]:
    """Return each organisation's code and its latest name."""
    latest = organisations.query(
        "SELECT org_code, name FROM (SELECT *, row_number() OVER (PARTITION BY org_code ORDER BY valid_from DESC) AS n "
        "FROM this) AS dated WHERE n = 1 ORDER BY org_code"
    ).to_pandas()
    return dict(zip(latest["org_code"], latest["name"].fillna(latest["org_code"]), strict=True))
