"""The cost in scope: ledger rows summed, in the engine, into cells that no intervention divides.

A cell is an ICB, a provider, a POD and the set of interventions that select it. Millions of rows become some thousands
of cells, and each pound lies in exactly one of them, however the selections overlap.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pathcost_lib.arguments import numbers, refuse, require_columns, require_unique, table
from pathcost_lib.codes import PODS, SETTINGS, financial_year_bounds
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.scenarios.interventions import Intervention
from pathcost_lib.sources.engine import Relation, connect
from pathcost_lib.sources.quoting import quote_value, quote_values

__all__ = ["CELL", "baseline", "pounds", "selection_sql"]

CELL = ["icb_code", "provider_code", "setting", "pod"]
_MONEY = ("cost", "fixed", "semi_fixed", "variable")


def baseline(
    interventions: Sequence[Intervention], ledger: Relation | pd.DataFrame, *, year: str | None = None
) -> pd.DataFrame:
    """Sum a ledger into cells.

    Parameters
    ----------
    interventions : sequence of Intervention
        Whose selections divide the cells.
    ledger : Relation or DataFrame
        A costed ledger in an engine (pence), or a small table of yearly cells with `icb_code, provider_code, setting,
        pod, activity, cost_gbp, fixed_gbp, semi_fixed_gbp, variable_gbp`, any column that a selection names and,
        where it is known, `payment_gbp`.
    year : str, optional
        Financial year to take from a ledger; required if it holds several.

    Returns
    -------
    DataFrame
        One row per cell: the columns of `CELL` (and `currency_code`, from a small table), `selected_by` (a 0 or 1 for
        each intervention), activity and GBP.

    Raises
    ------
    InputError
        If a column is missing, the year is not there, or an intervention selects nothing; in a small table, if a value
        is missing or negative, a cell stands there twice, or its parts do not add up to its cost.
    """
    relation = ledger if isinstance(ledger, Relation) else connect(files=()).register("baseline", _checked(ledger))
    in_pence = "cost_pence" in relation.columns
    money = [f"{m}_pence" if in_pence else f"{m}_gbp" for m in _MONEY]
    wanted = {*CELL, "units" if in_pence else "activity", *money}
    wanted |= {key.removesuffix("_prefix") for i in interventions for key in i.select}
    missing = sorted(wanted - set(relation.columns))
    if missing:
        raise InputError(f"The ledger has no column {', '.join(missing)}. It holds: {', '.join(relation.columns)}.")
    where = (
        f"WHERE financial_year = {quote_value(_one_year(relation, year))}"
        if "financial_year" in relation.columns
        else ""
    )
    if in_pence:
        known = ["units", *money]
        sums = ["CAST(sum(units) AS BIGINT) AS activity"]
        sums += [f"{pounds(f'{m}_pence')} AS {m}_gbp" for m in _MONEY]
        sums += ["CAST(sum(CASE WHEN cost_pence IS NULL THEN units ELSE 0 END) AS BIGINT) AS uncosted_activity"]
    else:
        known = [c for c in ("activity", *money, "payment_gbp") if c in relation.columns]
        sums = [f"CAST(sum({column}) AS DOUBLE) AS {column}" for column in known] + ["0 AS uncosted_activity"]
    flags = " || ".join(f"CASE WHEN {selection_sql(i)} THEN '1' ELSE '0' END" for i in interventions) or "''"
    # A small table may tell currencies apart; a ledger has too many of them.
    level = CELL if in_pence or "currency_code" not in relation.columns else [*CELL, "currency_code"]
    named = [f"coalesce({key}, 'unknown') AS {key}" for key in level]
    rows = f"SELECT {', '.join([*named, *known])}, {flags} AS selected_by FROM this {where}"
    keys = ", ".join([*level, "selected_by"])
    cells = relation.query(
        f"SELECT {keys}, {', '.join(sums)} FROM ({rows}) AS rows_selected GROUP BY {keys} ORDER BY {keys}"
    ).to_pandas()
    for number, intervention in enumerate(interventions):
        if not (cells["selected_by"].str[number] == "1").any():
            chosen = "; ".join(f"{key} {', '.join(items)}" for key, items in intervention.select.items())
            raise InputError(f"Intervention {intervention.name!r} selects no activity in the ledger ({chosen}).")
    return cells


def pounds(pence: str) -> str:
    """Return the SQL of a sum of pence in pounds, as floats on every engine (Spark divides into decimals)."""
    return f"CAST(coalesce(CAST(sum({pence}) AS BIGINT), 0) AS DOUBLE) / CAST(100 AS DOUBLE)"


def _checked(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a small table of yearly cells, refused where a value is missing or the parts do not add up."""
    table(frame, what="ledger")
    money = [f"{m}_gbp" for m in _MONEY]
    if "cost_pence" in frame.columns or not {*CELL, "activity", *money} <= set(frame.columns):
        return frame  # rows of a ledger; or a column is missing, which is told where all are looked for
    what = "cells of the baseline"
    require_columns(frame, [*CELL, "activity", *money], what=what)
    for key in CELL:
        refuse(frame, frame[key].isna().to_numpy(), [], f"Baseline: {key} must be given")
    for key, known in (("setting", SETTINGS), ("pod", tuple(PODS))):
        for name in frame[key].unique():
            require_one_of(name, known, what=f"Baseline: {key}")
    if "financial_year" in frame.columns:
        for year in frame["financial_year"].unique():
            financial_year_bounds(year)
    require_unique(frame, [c for c in frame.columns if not pd.api.types.is_numeric_dtype(frame[c])], what=what)
    # The rest of a subtraction of shares may lie below zero by a rounding of floats.
    rest = pd.to_numeric(frame["variable_gbp"], errors="coerce")
    frame = frame.assign(variable_gbp=rest.mask((rest < 0) & (rest > -0.005), 0.0))
    values = {c: numbers(frame, c, CELL) for c in ("activity", *money, "payment_gbp") if c in frame.columns}
    gap = values["cost_gbp"] - values["fixed_gbp"] - values["semi_fixed_gbp"] - values["variable_gbp"]
    wrong = np.abs(gap) > np.maximum(0.01, 1e-6 * values["cost_gbp"])
    refuse(frame, wrong, CELL, "Baseline: fixed, semi-fixed and variable cost must add up to cost_gbp")
    return frame.assign(**values)


def selection_sql(intervention: Intervention) -> str:
    """Return what an intervention selects, as the condition of a WHERE clause."""
    parts = []
    for key, codes in intervention.select.items():
        column = key.removesuffix("_prefix")
        if key == column:
            parts.append(f"{column} IN ({quote_values(codes)})")
        else:
            parts.append("(" + " OR ".join(f"starts_with({column}, {quote_value(code)})" for code in codes) + ")")
    return " AND ".join(parts)


def _one_year(relation: Relation, year: str | None) -> str:
    held = relation.query("SELECT DISTINCT financial_year FROM this ORDER BY 1").to_pandas()["financial_year"].tolist()
    if year is None and len(held) == 1:
        return str(held[0])
    if year is None or year not in held:
        raise InputError(f"Say which financial year is the baseline (year=...), not {year!r}. Held: {', '.join(held)}.")
    return year
