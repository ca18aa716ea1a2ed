"""A scenario set on one ICB's ledger: which interventions can be worked out there, on whom, and by whom.

A scenario file speaks of an illustrative trust. Here its interventions act on the ICB's own activity: names of the
file's baseline stand for the ICB and for its largest provider of a setting, and programme costs, which belong to the
size of that baseline, are scaled to the cost in scope. Semi-fixed steps are of a provider's whole activity, so what it
does for other ICBs stays in the baseline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from pathcost_lib.codes import financial_year_bounds, label
from pathcost_lib.errors import InputError
from pathcost_lib.scenarios.baseline import baseline, selection_sql
from pathcost_lib.scenarios.interventions import Intervention
from pathcost_lib.scenarios.scenario import Scenario
from pathcost_lib.sources.engine import Relation
from pathcost_lib.sources.quoting import quote_value

__all__ = ["PROGRAMME", "Local", "activity_near", "localise"]

PROGRAMME = ("set_up_gbp", "running_gbp", "double_running_gbp", "exit_cost_gbp")


@dataclass(frozen=True, eq=False)
class Local:
    """A scenario on the rows that it acts on.

    Attributes
    ----------
    scenario, asked : Scenario
        As set here, with the interventions that can be worked out; and as the file has it.
    rows : Relation or DataFrame
        The baseline.
    scope : DataFrame
        intervention, provider_code ("" is all), cost_gbp and, from a ledger, persons: what each selects.
    left_out : mapping of intervention to str
        Why it cannot be worked out here.
    commissioner : str
        Who buys.
    year : str or None
        Baseline year; None where the baseline is the file's own.
    """

    scenario: Scenario
    asked: Scenario
    rows: Relation | pd.DataFrame
    scope: pd.DataFrame
    left_out: Mapping[str, str]
    commissioner: str
    year: str | None

    @property
    def whole(self) -> dict[str, dict[str, float]]:
        """What each intervention selects in all: its name to cost_gbp and, from a ledger, persons."""
        rows = self.scope[self.scope["provider_code"] == ""].drop(columns="provider_code").to_dict("records")
        return {str(row.pop("intervention")): {str(k): float(v) for k, v in row.items()} for row in rows}

    @property
    def providers(self) -> list[str]:
        """The providers in scope, those with the most cost in scope first."""
        own = self.scope[(self.scope["provider_code"] != "") & ~self.scope["intervention"].isin(self.left_out)]
        return [str(p) for p in own.groupby("provider_code")["cost_gbp"].sum().sort_values(ascending=False).index]


def activity_near(activity: Relation, *, icb: str, year: str) -> Relation:
    """Return the activity of an ICB and of the providers that it uses, in a financial year: all that need be costed."""
    first, last = financial_year_bounds(year)
    near = f"SELECT DISTINCT provider_code FROM this WHERE icb_code = {quote_value(icb)}"
    return activity.query(
        f"SELECT * FROM this WHERE start_date <= {quote_value(last)} "
        f"AND (end_date IS NULL OR end_date >= {quote_value(first)}) "
        f"AND (icb_code = {quote_value(icb)} OR provider_code IN ({near}))"
    ).materialise()


def localise(scenario: Scenario, ledger: Relation | None, *, icb: str, year: str) -> Local:
    """Set a scenario on an ICB's part of a costed ledger or, without a ledger, on the baseline in its own file.

    Raises
    ------
    InputError
        If there is neither a ledger nor a baseline in the file.
    """
    own, items = scenario.baseline, scenario.interventions
    if ledger is None:
        if own is None:
            raise InputError(f"Scenario {scenario.name} has no [[baseline]] of its own: leave own_baseline False.")
        scope = pd.concat([_nobody(), *(_in_frame(i, own) for i in items)])
        return Local(scenario, scenario, own, scope, {}, str(own["icb_code"].iloc[0]), None)
    near = f"SELECT DISTINCT provider_code FROM this WHERE icb_code = {quote_value(icb)}"
    rows = ledger.query(
        f"SELECT * FROM this WHERE financial_year = {quote_value(year)} "
        f"AND (icb_code = {quote_value(icb)} OR provider_code IN ({near}))"
    ).materialise()
    stands_for = {icb, *(own["icb_code"] if own is not None else ())}
    here = [_bought_by(i, icb, stands_for) for i in items]
    scope = pd.concat([_nobody(), *(_in_ledger(i, rows) for i in here)], ignore_index=True)
    left_out = _left_out(here, scope)
    kept = [_at_home(i, rows, scope, own, icb) for i in here if i.name not in left_out]
    together = [replace(c, names=tuple(n for n in c.names if n not in left_out)) for c in scenario.correlations]
    there = replace(scenario, interventions=tuple(kept), correlations=tuple(together))
    return Local(there, scenario, rows, scope, left_out, icb, year)


def _nobody() -> pd.DataFrame:
    return pd.DataFrame({"intervention": [], "provider_code": [], "cost_gbp": []}).astype({"intervention": str})


def _bought_by(item: Intervention, icb: str, stands_for: set[str]) -> Intervention:
    """Narrow a selection to the ICB; one that names other ICBs only selects nothing."""
    codes = item.select.get("icb_code", (icb,))
    return replace(item, select=dict(item.select) | {"icb_code": (icb,) if stands_for & set(codes) else ("-",)})


def _in_ledger(item: Intervention, rows: Relation) -> pd.DataFrame:
    sums = "count(DISTINCT patient_id) AS persons, coalesce(CAST(sum(cost_pence) AS BIGINT), 0) / 100.0 AS cost_gbp"
    chosen = f"FROM this WHERE {selection_sql(item)}"
    found = rows.query(
        f"SELECT coalesce(provider_code, 'unknown') AS provider_code, {sums} {chosen} GROUP BY 1 "
        f"UNION ALL SELECT '' AS provider_code, {sums} {chosen} ORDER BY provider_code"
    )
    return found.to_pandas().assign(intervention=item.name)


def _in_frame(item: Intervention, own: pd.DataFrame) -> pd.DataFrame:
    cells = baseline([item], own)
    found = cells[cells["selected_by"] == "1"].groupby("provider_code")["cost_gbp"].sum().reset_index()
    whole = pd.DataFrame({"provider_code": [""], "cost_gbp": [found["cost_gbp"].sum()]})
    return pd.concat([found, whole], ignore_index=True).assign(intervention=item.name)


def _left_out(items: Sequence[Intervention], scope: pd.DataFrame) -> dict[str, str]:
    whole = scope[scope["provider_code"] == ""].set_index("intervention")
    reasons = {str(n): "the activity selected has no cost" for n in whole.index[whole["cost_gbp"] <= 0]}
    reasons |= {str(n): "no activity here is selected" for n in whole.index[whole["persons"] == 0]} if items else {}
    for _ in items:  # as many rounds as a chain can be long
        for item in items:
            gone = [other for other in item.depends_on if other in reasons]
            if gone and item.name not in reasons:
                reasons[item.name] = f"depends on {label(gone[0]).lower()}, which is left out"
    return reasons


def _at_home(
    item: Intervention, rows: Relation, scope: pd.DataFrame, own: pd.DataFrame | None, icb: str
) -> Intervention:
    """Put organisations of this place for the names in the file, and programme costs to the size of this place."""
    if item.to is not None and item.to.provider_code is not None:
        named = f"provider_code = {quote_value(item.to.provider_code)}"
        there = rows.query(
            f"SELECT provider_code, max(CASE WHEN {named} THEN 1 ELSE 0 END) AS named, sum(cost_pence) AS pence "
            f"FROM this WHERE {named} OR (icb_code = {quote_value(icb)} AND setting = {quote_value(item.to.setting)}) "
            "GROUP BY provider_code ORDER BY named DESC, pence DESC NULLS LAST, provider_code"
        ).to_pandas()
        found = [str(code) for code in there["provider_code"].dropna()]
        item = replace(item, to=replace(item.to, provider_code=(found or [item.to.provider_code])[0]))
    if own is None:
        return item
    payer = "provider" if item.payer in set(own["provider_code"]) else item.payer
    payer = icb if item.payer in set(own["icb_code"]) else payer
    everywhere = replace(item, select={k: v for k, v in item.select.items() if k != "icb_code"})
    mine = scope[(scope["intervention"] == item.name) & (scope["provider_code"] == "")]
    size = float(mine["cost_gbp"].iloc[0]) / float(_in_frame(everywhere, own)["cost_gbp"].iloc[-1])
    return replace(item, payer=payer, **{key: getattr(item, key) * size for key in PROGRAMME})
