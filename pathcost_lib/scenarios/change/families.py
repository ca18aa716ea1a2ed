"""What a change means for patients, carers and families: their time and travel, beside the pounds of organisations.

Nothing of it is in the position of an organisation, or in the system's. It is stated by the scenario's file for each
unit of activity that goes, and follows the same effects, ramps and overlaps as the cost does.

Equity weights follow HM Treasury's Green Book (2022), A3.14 to A3.22: the median income of all households over that of
the group, raised to the elasticity of the marginal utility of income, 1.3 (Layard, Mayraz and Nickell, 2008, Journal
of Public Economics 92, 1846-1857). Weighted amounts stand beside the unweighted, as the Green Book asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pathcost_lib.errors import InputError
from pathcost_lib.scenarios.change.interventions import Intervention
from pathcost_lib.scenarios.change.localise import Local, baseline, selection_sql
from pathcost_lib.scenarios.change.model import PaymentRule, SystemModel
from pathcost_lib.scenarios.change.release import Release
from pathcost_lib.scenarios.scenario import Equity
from pathcost_lib.scenarios.years import financial_years
from pathcost_lib.sources.engine import Relation

__all__ = ["by_fifth", "by_year", "equity_weights"]

#: Fifths of deprivation, by number; 0 is not known.
FIFTHS = {1: "1, most deprived", 2: "2", 3: "3", 4: "4", 5: "5, least deprived", 0: "Not known"}
_EACH = ["hours_saved", "time_gbp", "travel_gbp"]


def equity_weights(equity: Equity) -> list[float]:
    """Return what a pound of each fifth weighs, the most deprived first.

    Raises
    ------
    InputError
        If there are not five incomes, or one of them, or the median, is not above zero.

    Examples
    --------
    Half the median income, and an elasticity of 1: a pound weighs twice (Green Book, A3.13).

    >>> equity_weights(Equity(20_000, (10_000, 15_000, 20_000, 25_000, 40_000), elasticity=1.0))
    [2.0, 1.3333333333333333, 1.0, 0.8, 0.5]
    """
    incomes = np.asarray(equity.fifth_income_gbp, dtype=float)
    if len(incomes) != 5 or not (incomes > 0).all() or not equity.median_income_gbp > 0:
        raise InputError("Equity weights need the median income, and five incomes, all above £0.")
    weights: list[float] = ((equity.median_income_gbp / incomes) ** equity.elasticity).tolist()
    return weights


def by_year(local: Local) -> pd.DataFrame:
    """Return year by year what the schemes save patients, carers and families, at mean effects.

    Returns
    -------
    DataFrame
        financial_year, hours_saved, time_gbp, travel_gbp, families_gbp; positive is better. No rows where no scheme of
        the file states any.
    """
    items = local.scenario.interventions
    if not any(item.families for item in items):
        return pd.DataFrame(columns=["financial_year", *_EACH, "families_gbp"])
    amounts, _ = _saved(local, items, baseline(items, local.rows, year=local.year))
    table = pd.DataFrame(amounts.T, columns=_EACH)
    table.insert(0, "financial_year", list(financial_years(local.scenario.years)))
    return table.assign(families_gbp=table["time_gbp"] + table["travel_gbp"])


def by_fifth(local: Local) -> pd.DataFrame:
    """Return who is touched, by fifth of deprivation, over all years; on a file's own baseline, of all people as one.

    Returns
    -------
    DataFrame
        fifth, persons (from a ledger), cost_goes_gbp (full cost of the activity that goes), hours_saved, time_gbp,
        travel_gbp, families_gbp and, where the file has `[equity]` and people have fifths, equity_weight and
        weighted_gbp (families_gbp, weighted). No rows where the file states neither, or people are not known.
    """
    items, equity = local.scenario.interventions, local.scenario.equity
    if not items or not (equity or any(item.families for item in items)):
        return pd.DataFrame()
    if local.year is None:
        cells = baseline(items, local.rows).assign(fifth=-1)
        return _rows(local, items, cells, {-1: "All"})
    if local.patients is None or "deprivation_decile" not in local.patients.columns:
        return pd.DataFrame()
    assert isinstance(local.rows, Relation)
    rows = local.rows.engine.view(
        "rows_by_fifth",
        "SELECT r.*, coalesce(p.of_fifth, 0) AS fifth FROM rows AS r LEFT JOIN (SELECT patient_id, "
        "CAST((min(deprivation_decile) + 1) // 2 AS INTEGER) AS of_fifth FROM patients GROUP BY patient_id) AS p "
        "ON p.patient_id = r.patient_id",
        {"rows": local.rows, "patients": local.patients},
        materialise=True,
    )
    chosen = " OR ".join(f"({selection_sql(item)})" for item in items)
    people = rows.query(
        f"SELECT fifth, count(DISTINCT patient_id) AS persons FROM this WHERE {chosen} GROUP BY fifth"
    ).to_pandas()
    table = _rows(local, items, baseline(items, rows, year=local.year, by=["fifth"]), FIFTHS)
    counts = table["fifth"].map(people.assign(fifth=people["fifth"].map(FIFTHS)).set_index("fifth")["persons"])
    table.insert(1, "persons", counts.fillna(0).astype(int))
    if equity:
        weights = dict(zip(list(FIFTHS.values())[:5], equity_weights(equity), strict=True))
        table["equity_weight"] = table["fifth"].map(weights).astype(float)
        table["weighted_gbp"] = table["equity_weight"] * table["families_gbp"]
    return table


def _rows(local: Local, items: Sequence[Intervention], cells: pd.DataFrame, named: dict[int, str]) -> pd.DataFrame:
    rows = []
    for code, name in named.items():
        own = cells[cells["fifth"] == code]
        amounts, cost = _saved(local, items, own) if own["selected_by"].str.contains("1").any() else (np.zeros(3), 0.0)
        rows.append((name, cost, *amounts.reshape(3, -1).sum(axis=1)))
    table = pd.DataFrame(rows, columns=["fifth", "cost_goes_gbp", *_EACH])
    return table.assign(families_gbp=table["time_gbp"] + table["travel_gbp"])


def _saved(local: Local, items: Sequence[Intervention], cells: pd.DataFrame) -> tuple[NDArray[np.float64], float]:
    """Return hours, their worth and travel (by year), and the full cost of the activity that goes, of some cells.

    Who pays whom, and how cost is released, has no part in it.
    """
    scenario = local.scenario
    payer = str(cells["icb_code"].iloc[0])  # who is among the cells, whatever part of them this is
    model = SystemModel(
        [replace(item, payer=payer) for item in items],
        cells.reset_index(drop=True),
        years=scenario.years,
        payment=PaymentRule(),
        release=Release(),
        realisation=scenario.realisation,
    )
    parts = model.detail(np.array([i.effect.mean for i in items]))
    units = parts["units"].sum(axis=0)
    each = [(f.hours, f.hours * f.hour_gbp, f.travel_gbp) if (f := i.families) else (0.0, 0.0, 0.0) for i in items]
    return np.asarray(each).T @ units, float(parts["full_cost"].sum())
