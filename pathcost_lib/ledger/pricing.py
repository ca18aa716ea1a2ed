"""A cost on every activity row: recorded, else the provider's, the national one, a proxy, or none with its reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pandas as pd

from pathcost_lib import paths
from pathcost_lib.codes import PODS, financial_year_bounds
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.ledger.behaviour import all_behaviour
from pathcost_lib.sources.contracts import CONTRACTS
from pathcost_lib.sources.engine import Relation
from pathcost_lib.sources.quoting import quote_name, quote_value

__all__ = ["cost_activity", "national_mff"]

_PRICES = Path(__file__).with_name("prices.sql")
_COSTING = Path(__file__).with_name("costing.sql")
_LINES = ("lines", "national_line", "proxy_line", "own_line", "provider_year", "paid_factor", "own_behaviour")
_ADDED = (
    "financial_year, unit_cost, cost_pence, fixed_pence, not_variable_pence - fixed_pence AS semi_fixed_pence, "
    "cost_pence - not_variable_pence AS variable_pence, cost_basis, cost_note, mff"
)


def cost_activity(
    activity: Relation,
    unit_costs: Relation | pd.DataFrame,
    organisations: Relation | pd.DataFrame,
    *,
    price_base: str,
    mff: Literal["adjust", "pay", "none"] = "adjust",
    index: str = "gdp_deflator",
    price_index: pd.DataFrame | None = None,
    behaviour: pd.DataFrame | None = None,
    mff_base: float | None = None,
) -> Relation:
    """Put a cost on every activity row, in whole pence at one price base.

    A row takes, in this order: its own recorded cost; its provider's unit cost; the national unit cost of its
    currency; a proxy for its point of delivery (currency "*"); else none, with the reason in `cost_note`. Of several
    years' prices the latest that is not after the activity is used, and moved to the price base by the index.

    Parameters
    ----------
    activity, unit_costs, organisations : Relation (or DataFrame for the last two)
        The tables of `docs/tables.md`. `recorded_cost_pence` may be absent.
    price_base : str
        Financial year of the pounds, such as "2024-25".
    mff : {"adjust", "pay", "none"}
        "adjust" brings what providers recorded or priced themselves to national average prices (divides by the
        provider's market forces factor over the national one), for comparison. "pay" brings national prices to
        the provider's, for what is paid. "none" leaves both.
    index : str
        Column of the price index: "gdp_deflator", "cpi", or one of the user's own in `price_index`.
    price_index : DataFrame, optional
        `financial_year` and the index column; the published one if not given.
    behaviour : DataFrame, optional
        The user's own cost behaviour (`ledger.behaviour.check_behaviour`), which goes before the shares of the price
        list. Where neither has shares, those of `data/reference/behaviour.csv` hold.
    mff_base : float, optional
        The factor at which national prices stand; `national_mff()` if not given.

    Returns
    -------
    Relation
        `activity` with financial_year, unit_cost (ten-thousandths of a pound, as in the price list), cost_pence,
        fixed_pence, semi_fixed_pence, variable_pence (int64), cost_basis, cost_note, mff, mff_mode and
        price_base. Rows of basis "none" have no pence.

    Raises
    ------
    InputError
        If the price base is not a financial year that the index holds, or a choice is not known.

    Notes
    -----
    Money is integer: unit costs in ten-thousandths of a pound, factors in millionths, a row rounded once half away
    from zero, so that every engine and every order of rows gives the same total. A row beyond £50m, a price beyond £10m
    a unit or more than a million units is a fault in the data and is not believed: basis "none".

    Examples
    --------
    Where the costs of the synthetic England (at its smallest) come from:

    >>> import pathcost_lib as pc
    >>> from pathcost_lib import paths
    >>> dataset = pc.open_dataset(paths.sample())
    >>> ledger = pc.cost_activity(dataset.activity, dataset.unit_costs, dataset.organisations, price_base="2024-25")
    >>> ledger.query(
    ...     "SELECT cost_basis, count(*) AS contacts, sum(cost_pence) // 100 AS gbp FROM this GROUP BY 1 ORDER BY 1"
    ... ).to_pandas()
      cost_basis  contacts      gbp
    0   national     65473  7573348
    1       none        24     None
    2   provider      6085  1171982
    3      proxy       247    33344
    4   recorded     16080  8113137
    """
    require_one_of(mff, ("adjust", "pay", "none"), what="MFF treatment")
    financial_year_bounds(price_base)
    years = _price_index(price_index, index)
    base = years.loc[years["financial_year"] == price_base]
    if base.empty:
        span = f"{years['financial_year'].min()} to {years['financial_year'].max()}"
        raise InputError(f"Price base {price_base} is not in the price index {index!r}, which holds {span}.")
    settings = pd.DataFrame(
        {
            "price_base_index": [float(base["index_value"].iloc[0])],
            "mff_mode": [mff],
            "mff_base": [mff_base if mff_base is not None else national_mff()],
        }
    )
    # Columns of the user's own stay out: one that bears the name of a step's, such as unit_cost, would be taken for it.
    given = activity.columns
    columns = [
        f"CAST(NULL AS {c.type}) AS {c.name}" if c.optional and c.name not in given else c.name
        for c in CONTRACTS["activity"].columns
    ]
    activity = activity.query(f"SELECT {', '.join(columns)} FROM this")
    engine = activity.engine
    inputs = {
        "unit_costs": unit_costs,
        "organisations": organisations,
        "years": years.assign(in_activity=years["start_year"].between(*_reach(activity)).astype("int64")),
        "behaviour": all_behaviour(behaviour),
        "pods": pd.DataFrame([(p.code, p.unit) for p in PODS.values()], columns=["pod", "unit"]),
        "settings": settings,
    }
    tables = engine.run(_PRICES, inputs)
    lines = {name: tables[name] for name in _LINES}

    def cost(rows: Relation) -> Relation:
        added = f"{_ADDED}, {quote_value(mff)} AS mff_mode, {quote_value(price_base)} AS price_base"
        columns = f"{', '.join(map(quote_name, rows.columns))}, {added}"
        split = engine.run(_COSTING, lines | {"activity": rows})["split"]
        return engine.view("ledger", f"SELECT {columns} FROM split", {"split": split})

    return replace(cost(activity), origin=activity, remake=cost)


def national_mff() -> float:
    """Return the market forces factor at which national average unit costs stand.

    The mean of the published provider factors (`data/reference/mff.csv`, NHS England 2026/27): national unit costs
    are averages over providers, not the cost where the factor is 1. Unweighted, because the publication carries no
    volumes; pass `mff_base` to `cost_activity` to use a weighted one.
    """
    return float(pd.read_csv(paths.reference() / "mff.csv")["mff"].mean())


def _reach(activity: Relation) -> tuple[int, int]:
    """Return the calendar years that the activity lies in, a year wide on the early side for January to March."""
    extent = activity.extent
    return (extent.first_start.year - 1, extent.last.year) if extent else (0, -1)


def _price_index(frame: pd.DataFrame | None, index: str) -> pd.DataFrame:
    frame = pd.read_csv(paths.reference() / "price_index.csv") if frame is None else frame
    numeric = frame.drop(columns="financial_year", errors="ignore").select_dtypes("number").columns
    require_one_of(index, list(numeric), what="Price index")
    years = frame[["financial_year", index]].dropna().rename(columns={index: "index_value"})
    for year in years["financial_year"]:
        financial_year_bounds(year)
    if (years["index_value"] <= 0).any() or years["financial_year"].duplicated().any():
        raise InputError(f"Price index {index!r} must hold one positive value a financial year.")
    return years.assign(
        start_year=years["financial_year"].str[:4].astype("int64"), index_value=years["index_value"].astype(float)
    )
