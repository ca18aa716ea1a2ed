"""Which national prices an analysis stands on: two areas are compared only where theirs are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pandas as pd

from pathcost_lib.codes import financial_year_bounds
from pathcost_lib.sources.engine import Relation
from pathcost_lib.sources.quoting import quote_value

__all__ = ["price_digests", "unlike_prices"]


def price_digests(unit_costs: Relation, year: str) -> dict[str, str]:
    """Return a digest of the national prices of each point of delivery that hold for a year and the one before it.

    Parameters
    ----------
    unit_costs : Relation
        Price list; may be empty. A provider's own prices are not in it: each area has those of its own providers.
    year : str
        Financial year. Windows of its pathways reach into the year before.

    Returns
    -------
    dict of str to str
        POD to digest, without PODs that have no national price. Currency, price, unit and the shares of fixed and
        semi-fixed cost count; where a price is from does not, nor do prices of other years.
    """
    first = financial_year_bounds(year)[0].year
    # The latest price not after the year, else the next: as `ledger` prices the activity.
    sql = (
        "SELECT y.start_year, u.pod, u.currency_code, u.unit_cost, u.unit, u.fixed_share, u.semi_fixed_share, "
        "row_number() OVER (PARTITION BY y.start_year, u.pod, u.currency_code ORDER BY "
        "CASE WHEN CAST(substr(u.financial_year, 1, 4) AS BIGINT) <= y.start_year "
        "THEN y.start_year - CAST(substr(u.financial_year, 1, 4) AS BIGINT) "
        "ELSE 1000 + CAST(substr(u.financial_year, 1, 4) AS BIGINT) - y.start_year END, u.unit_cost, u.unit) AS choice "
        f"FROM this AS u CROSS JOIN (SELECT {quote_value(first)} AS start_year "
        f"UNION ALL SELECT {quote_value(first - 1)}) AS y WHERE u.provider_code IS NULL"
    )
    rows = unit_costs.query(sql).to_pandas()
    rows = rows[rows["choice"] == 1].drop(columns="choice").sort_values(["pod", "start_year", "currency_code"])
    return {str(pod): _digest(part) for pod, part in rows.groupby("pod")}


def _digest(rows: pd.DataFrame) -> str:
    return hashlib.sha256(rows.to_csv(index=False, float_format="%.6g").encode()).hexdigest()[:16]


def unlike_prices(there: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """Return in words what differs between the national prices of two areas; nothing where they are the same."""
    groups = {
        "differ": [pod for pod in here if pod in there and there[pod] != here[pod]],
        "are there only": [pod for pod in there if pod not in here],
        "are here only": [pod for pod in here if pod not in there],
    }
    return [f"national prices of {', '.join(sorted(pods))} {words}" for words, pods in groups.items() if pods]
