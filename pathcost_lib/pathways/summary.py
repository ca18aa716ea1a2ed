"""Summarise linked pathways: cost per pathway by phase, setting, organisation, with its standard error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pathcost_lib.codes import financial_year_bounds
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.pathways.borne import BORNE, shares_borne
from pathcost_lib.pathways.link import Links
from pathcost_lib.sources.engine import Relation
from pathcost_lib.sources.held import MonthsHeld
from pathcost_lib.sources.quoting import quote_name, quote_value

__all__ = ["chosen_pathways", "summarise"]

#: Columns that a pathway has, and columns that each of its contacts has.
_OF_PATHWAY = ("pathway", "icb_code", "index_provider_code")
_OF_CONTACT = ("phase", "setting", "pod", "provider_code", "cost_basis")


def summarise(
    links: Links,
    ledger: Relation,
    by: Sequence[str] = ("pathway",),
    *,
    year: str | None = None,
    months: MonthsHeld | None = None,
    none_ok: bool = False,
) -> pd.DataFrame:
    """Return cost per pathway, with its standard error, for each combination of `by`.

    Parameters
    ----------
    links : Links
        From `link`.
    ledger : Relation
        The ledger that was linked; read only where `by` names one of its columns that the links do not carry.
    by : sequence of str
        Of the pathway: pathway, icb_code, index_provider_code. Of its contacts: phase, setting, pod, provider_code,
        cost_basis, and any other column of the ledger (currency_code, financial_year ...).
    year : str, optional
        Only pathways whose window closes in this financial year. Always: only those whose window the data hold.
    months : MonthsHeld, optional
        Months of the year that an area's data hold: of part of a year only pathways whose window closes from the first
        to the last of them, of every area, so that like months are compared.
    none_ok : bool
        Return a table without rows where no pathway is left.

    Returns
    -------
    DataFrame
        The `by` columns; pathways (how many in the group of pathway columns: the divisor), contacts, uncosted (contacts
        of cost basis "none"), cost_gbp, fixed_gbp, semi_fixed_gbp, variable_gbp (totals), mean_gbp (per pathway,
        those without such a contact counted as 0), se_gbp (of that mean; missing where there is 1 pathway),
        seen_pathways (how many of the pathways have such a contact), largest_share and two_largest_share (of the cost,
        that of the dearest pathway, and at most that of the two dearest: disclosure control reads them, and they are
        never shown).

    Raises
    ------
    InputError
        If a column of `by` is not known, or no pathway is left and that is not allowed.

    Notes
    -----
    se = sqrt((sum x^2 - (sum x)^2 / n) / (n - 1) / n) over the n pathways, x in pounds. The second dearest is at most
    sqrt(sum x^2 - max^2), which needs no second pass over the rows; where costs are even this is far above it, but
    then no two of eight or more come near four fifths.

    Examples
    --------
    What a pathway costs in each setting: the mean of all that come with the suite, in the synthetic England (at its
    smallest). The means are over all pathways, also those without a contact in the setting, so that they add up.

    >>> import pathcost_lib as pc
    >>> from pathcost_lib import paths, pathways
    >>> dataset = pc.open_dataset(paths.sample())
    >>> ledger = pc.cost_activity(dataset.activity, dataset.unit_costs, dataset.organisations, price_base="2024-25")
    >>> together = [pc.load_definition(name) for name in pathways.available()]
    >>> links = pc.link(ledger, together, patients=dataset.patients)
    >>> costs = pc.summarise(links, ledger, by=["setting"])
    >>> costs[["setting", "pathways", "contacts", "mean_gbp", "se_gbp"]].round(0)
             setting  pathways  contacts  mean_gbp  se_gbp
    0       admitted        30        47    6642.0  1097.0
    1      ambulance        30        50     395.0   117.0
    2      community        30       346    1106.0   227.0
    3      emergency        30        46     539.0   105.0
    4  mental_health        30        75    1231.0   585.0
    5     outpatient        30       138     821.0   100.0
    6   primary_care        30       484     408.0    32.0
    7    social_care        30         5    1550.0  1327.0
    """
    extra = [c for c in by if c not in (*_OF_PATHWAY, *_OF_CONTACT)]
    for column in extra:
        require_one_of(column, [*_OF_PATHWAY, *_OF_CONTACT, *ledger.columns], what="Column to summarise by")
    chosen = chosen_pathways(links, year, months, none_ok=none_ok)
    of_pathway = [c for c in by if c in _OF_PATHWAY]
    of_index = {c: f"of_{c}" for c in of_pathway if c != "pathway"}
    contacts = links.links.over(
        f"SELECT k.*{''.join(f', p.{c} AS {name}' for c, name in of_index.items())} FROM this AS k "
        "JOIN chosen AS p ON p.pathway = k.pathway AND p.pathway_id = k.pathway_id",
        {"chosen": chosen},
    )
    if extra:
        origin = ledger.origin  # what a ledger is made from is read without costing it again
        rows = origin if origin is not None and {*extra} <= {*origin.columns} else ledger
        contacts = ledger.engine.view(
            "contacts",
            f"SELECT k.*, {', '.join(f'l.{quote_name(c)}' for c in extra)} FROM links AS k "
            "JOIN rows AS l ON l.activity_id = k.activity_id",
            {"links": contacts, "rows": rows},
        )
    keys = "".join(f"{of_index.get(c, c)} AS {c}, " for c in by)
    heads = ", ".join(by)
    grouped = f"{heads}, " if heads else ""
    cells = ledger.engine.view(
        "summary",
        f"""
        SELECT {grouped}CAST(sum(contacts) AS BIGINT) AS contacts, CAST(sum(uncosted) AS BIGINT) AS uncosted,
               {_sums("cost", "fixed", "semi_fixed", "variable")},
               CAST(sum(CAST(cost_pence AS DECIMAL(19, 0)) * CAST(cost_pence AS DECIMAL(19, 0))) AS DOUBLE) AS squares,
               CAST(max(cost_pence) AS BIGINT) AS largest, count(*) AS seen_pathways
        FROM (
          SELECT {keys}pathway AS of_pathway, pathway_id, count(*) AS contacts,
                 sum(CASE WHEN cost_pence IS NULL THEN 1 ELSE 0 END) AS uncosted,
                 {_sums("cost", "fixed", "semi_fixed", "variable")}
          FROM contacts
          GROUP BY ALL
        ) AS per_pathway
        {"GROUP BY " + heads + " ORDER BY " + heads if heads else ""}
        """,
        {"contacts": contacts},
    ).to_pandas()
    counts = _counts(chosen, of_pathway)
    table = (
        cells.merge(counts, on=of_pathway, how="left")
        if of_pathway
        else cells.assign(pathways=int(counts["pathways"].iloc[0]))
    )
    return _finish(table, list(by))


def _sums(*kinds: str) -> str:
    return ", ".join(f"CAST(coalesce(sum({kind}_pence), 0) AS BIGINT) AS {kind}_pence" for kind in kinds)


def chosen_pathways(
    links: Links, year: str | None, months: MonthsHeld | None = None, *, none_ok: bool = False
) -> Relation:
    """Return the pathways whose window the data hold, and closes in the year (or its months held) if one is given."""
    where = "complete"
    if year is not None:
        first, last = months.days if months else financial_year_bounds(year)
        where += f" AND window_to BETWEEN {quote_value(first)} AND {quote_value(last)}"
    chosen = links.pathways.query(f"SELECT * FROM this WHERE {where}")
    if not none_ok and chosen.count() == 0:
        names = ", ".join(d.name for d in links.definitions)
        when = f" closes in {months.words if months and months.months else year} and" if year else ""
        raise InputError(f"No {names} pathway has a window that{when} lies wholly in the data.")
    return chosen


def _counts(chosen: Relation, columns: list[str]) -> pd.DataFrame:
    heads = ", ".join(columns)
    sql = f"SELECT {heads + ', ' if heads else ''}count(*) AS pathways FROM this {'GROUP BY ' + heads if heads else ''}"
    return chosen.query(sql).to_pandas()


def _finish(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    n = table["pathways"].astype(float)
    total = table["cost_pence"] / 100
    spread = (table["squares"] / 10_000 - total**2 / n).clip(lower=0)
    out = table[by].copy()
    out["pathways"] = table["pathways"].astype("int64")
    out["contacts"] = table["contacts"]
    out["uncosted"] = table["uncosted"]
    for kind in ("cost", "fixed", "semi_fixed", "variable"):
        out[f"{kind}_gbp"] = table[f"{kind}_pence"] / 100
    out["mean_gbp"] = total / n
    out["se_gbp"] = np.sqrt(spread / (n - 1).where(n > 1) / n)
    out[[*BORNE]] = shares_borne(table["largest"], table["squares"], table["cost_pence"])
    out["seen_pathways"] = table["seen_pathways"]
    return out
