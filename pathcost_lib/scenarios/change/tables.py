"""What a scenario's tables by organisation need beside the methods: names, the system's row, and on whom a row rests.

Amounts are GBP at the scenario's price base; positive is better for the organisation. Providers that are small in the
scenario are worked out one by one and shown as one. Every table by organisation is made from the whole matrix by one
function, `by_name`, which refuses to drop an organisation that has money.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from pathcost_lib.arguments import number
from pathcost_lib.codes import label
from pathcost_lib.errors import InputError
from pathcost_lib.results import NotComputable
from pathcost_lib.scenarios.change.interventions import levels
from pathcost_lib.scenarios.change.localise import Local
from pathcost_lib.scenarios.change.sharing import GainShareTerms, gain_share, payment_at_risk, settlement
from pathcost_lib.scenarios.change.system import SystemImpact, control_totals
from pathcost_lib.scenarios.years import financial_years

__all__ = [
    "ALL",
    "ASKED",
    "OTHERS",
    "SYSTEM",
    "by_name",
    "counted",
    "deals",
    "delivered",
    "names_shown",
    "persons",
    "positions",
    "running",
    "titles",
]

SYSTEM, ALL, OTHERS = "System", "All schemes", "Other providers"
#: Measures of `outpatient_checks` as columns.
ASKED = {
    "claimed at full cost": "full_cost_gbp",
    "released as cash": "cash_gbp",
    "each contact left carries": "carried_per_contact_gbp",
    "variable cost, average contacts go": "average_contacts_gbp",
    "variable cost, cheapest go first": "cheapest_contacts_gbp",
}


def names_shown(
    local: Local,
    impacts: Iterable[SystemImpact],
    *,
    names: Mapping[str, str] | None = None,
    most: int = 6,
    fewest: int = 8,
) -> dict[str, str]:
    """Return what each code is shown as: the commissioner, the largest providers, all others that have money, the rest.

    Providers stand by name: among rows in the order of their cost, a suppressed one's place would bound it.

    Parameters
    ----------
    local : Local
        From `localise`.
    impacts : iterable of SystemImpact
        All whose organisations are shown.
    names : mapping of code to str, optional
        What organisations are called; else as the scenario's file has it.
    most, fewest : int
        Providers shown by name, and the fewest persons in scope that such a provider has; the rest are `OTHERS`.

    Raises
    ------
    InputError
        If a name is no text, or a number is out of range.
    """
    most, fewest = int(number(most, "most", least=1, whole=True)), int(number(fewest, "fewest", least=0, whole=True))
    if names is not None and not isinstance(names, Mapping):
        raise InputError(f"names must give a text for each code; this is a {type(names).__name__}.")
    for code, name in (names or {}).items():
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"names, {code}: {name!r} is not a name. Give a text.")
    called = dict(local.scenario.names) | dict(names or {})
    own = local.scope if local.year is None else local.scope[local.scope["persons"] >= fewest]
    large = set(own["provider_code"])
    ranked = sorted([p for p in local.providers if p in large][:most], key=lambda code: (called.get(code, code), code))
    items = local.scenario.interventions
    others = {i.to.provider_code for i in items if i.to and i.to.provider_code}
    others |= {i.payer for i in items if i.payer not in ("commissioner", "provider")}
    for impact in impacts:
        others |= set(impact.table["organisation"])
    small = set(local.providers) - set(ranked)
    named = dict.fromkeys([local.commissioner, *ranked, *sorted(others - small)])
    plain = {code: called.get(code) or (label(code) if code.islower() else code) for code in named}
    return _apart(plain, {SYSTEM, OTHERS}) | {p: OTHERS for p in local.providers if p not in named}


def titles(local: Local) -> dict[str, str]:
    """Return the title of each intervention that is worked out here, no two alike."""
    return _apart({item.name: item.title for item in local.scenario.interventions}, {ALL})


def _apart(called: Mapping[str, str], taken: Iterable[str]) -> dict[str, str]:
    """Return names that differ from each other and from those taken: two of one name bear their codes."""
    counts = pd.Series(list(called.values())).value_counts()
    return {c: f"{n} ({c})" if counts[n] > 1 or n in set(taken) else n for c, n in called.items()}


def by_name(values: pd.DataFrame, called: Mapping[str, str]) -> pd.DataFrame:
    """Return amounts by organisation as they are shown, with the system's row: the sum over *all* organisations.

    Parameters
    ----------
    values : DataFrame
        Amounts, GBP: one row an organisation, its code the index.
    called : mapping of code to str
        From `names_shown`.

    Returns
    -------
    DataFrame
        The same columns, one row a name and a last one, `SYSTEM`; the index is called organisation.

    Raises
    ------
    AssertionError
        If an organisation with money has no name, or those shown do not add up to the system.

    Examples
    --------
    >>> import pandas as pd
    >>> from pathcost_lib.scenarios.change import tables
    >>> values = pd.DataFrame({"gbp": [5.0, -1.0, -2.0]}, index=["ICB", "R1", "R2"])
    >>> tables.by_name(values, {"ICB": "ICB", "R1": "Trust", "R2": "Trust"})["gbp"].to_dict()
    {'ICB': 5.0, 'Trust': -3.0, 'System': 2.0}
    """
    unnamed = [code for code in values.index if code not in called]
    if (values.loc[unnamed].fillna(0.0) != 0).any(axis=None):
        raise AssertionError(f"organisations with money would be left out: {', '.join(map(str, unnamed))}")
    system = values.sum(min_count=1)
    rows = values.groupby(lambda code: called.get(code, OTHERS), sort=False).sum(min_count=1)
    rows = rows.reindex(list(dict.fromkeys(called.values())))
    scale = values.abs().sum().fillna(0.0)
    if ((rows.sum() - system.fillna(0.0)).abs() > 0.005 + 1e-9 * scale).any():
        raise AssertionError("the organisations shown do not add up to the system")
    rows.loc[SYSTEM] = system
    return rows.rename_axis(index="organisation")


def deals(local: Local, impact: SystemImpact, terms: GainShareTerms) -> pd.DataFrame:
    """Return what each organisation gains over all years under two deals, which move money and save none.

    Parameters
    ----------
    local : Local
        From `localise`.
    impact : SystemImpact
        The same, worked out.
    terms : GainShareTerms
        What providers get, year by year, of what who pays them saves of the cost in scope: each in proportion to its
        own cost in scope.

    Returns
    -------
    DataFrame
        GBP by organisation (its code the index): `as above`, `gain share`, and `all gain alike`, a settlement in which
        nobody is worse off and what the system gains is shared equally; missing where the system loses. Those whom the
        schemes do not touch have no row.

    Raises
    ------
    InputError
        If `terms` are no terms.
    """
    payer = local.scenario.payment.host or local.commissioner
    parties = {payer, *impact.table["organisation"]}  # whoever has no part has none in a deal
    before = impact.matrix()["total"].drop("total").loc[lambda each: each.index.isin(parties)]
    years = impact.by_year()
    spend = float(local.touched["touched_gbp"].iloc[0])
    saved = years.loc[years["organisation"] == payer, "impact_gbp"].to_numpy(dtype=float)
    paid = float(gain_share(spend, np.maximum(spend - saved, 0.0), terms).sum())
    own = local.scope[(local.scope["provider_code"] != "") & ~local.scope["intervention"].isin(local.left_out)]
    weights = own.groupby("provider_code")["cost_gbp"].sum().reindex(before.index.drop(payer), fill_value=0.0)
    shared = before.copy()
    if weights.sum() > 0:
        shared[payer] -= paid
        shared[weights.index] += paid * weights / weights.sum()
    alike = settlement({str(code): float(amount) for code, amount in before.items()})
    nothing = pd.Series(np.nan, index=before.index)
    settled = nothing if isinstance(alike, NotComputable) else alike.set_index("organisation")["after_gbp"]
    return pd.DataFrame({"as above": before, "gain share": shared, "all gain alike": settled}, index=before.index)


def positions(local: Local, impact: SystemImpact, called: Mapping[str, str]) -> pd.DataFrame:
    """Return each organisation's first year against its control total, with what it loses of payment at risk.

    Parameters
    ----------
    local : Local
        From `localise`, on the file's own baseline.
    impact : SystemImpact
        The same, worked out.
    called : mapping of code to str
        From `names_shown`.

    Returns
    -------
    DataFrame
        organisation, control_total_gbp, position_gbp, impact_gbp, at_risk_gbp (not positive), after_gbp, variance_gbp,
        met ("yes", "no"); the last row, the system, is their sum. No rows where the file states no positions.

    Raises
    ------
    InputError
        If an organisation that the schemes touch has no position in the file.
    """
    stated = local.asked.tracked.get("positions", pd.DataFrame())
    if stated.empty or local.year is not None:
        return pd.DataFrame()
    lost = -np.array(
        [
            payment_at_risk(contract, rate, achieved)
            for contract, rate, achieved in stated[["contract_gbp", "at_risk_pct", "achieved"]].itertuples(index=False)
        ]
    )
    totals = stated[["organisation", "control_total_gbp", "position_gbp"]]
    with_risk = totals.assign(position_gbp=totals["position_gbp"] + lost)
    table = control_totals(with_risk, impact, impact.financial_years[0])
    table.insert(3, "at_risk_gbp", [*lost, lost.sum()])
    table["position_gbp"] -= table["at_risk_gbp"]
    names = dict(called) | {"system": SYSTEM}
    table["organisation"] = [names.get(code, code) for code in table["organisation"]]
    return table.assign(met=np.where(table["met"], "yes", "no"))


def delivered(local: Local) -> pd.DataFrame:
    """Return plan and delivery of each scheme, month by month, with who answers for it and who gains.

    Returns
    -------
    DataFrame
        scheme, owner, beneficiary, month, planned_gbp, delivered_gbp, delivered_so_far_pct (of the plan of the
        months known so far), recurrent ("yes", "no"). No rows where the file states no deliveries.
    """
    rows = local.asked.tracked.get("deliveries", pd.DataFrame())
    if rows.empty or local.year is not None:
        return pd.DataFrame()
    items, codes = {i.name: i for i in local.asked.interventions}, local.asked.names
    rows = rows.sort_values(["scheme", "month"], ignore_index=True)
    known = rows["delivered_gbp"].notna()
    of = rows["scheme"]
    planned = rows["planned_gbp"].where(known, 0.0).groupby(of).cumsum()
    came = rows["delivered_gbp"].fillna(0.0).astype(float).groupby(of).cumsum()
    rows["delivered_so_far_pct"] = (100 * came / planned.where(planned > 0)).where(known)
    for place, key in enumerate(("owner", "beneficiary"), start=1):
        who = [getattr(items[name], key) or "" for name in of]
        rows.insert(place, key, [codes.get(code, code) for code in who])
    rows["recurrent"] = np.where(rows["recurrent"], "yes", "no")
    return rows.assign(scheme=[items[name].title for name in of])


def running(local: Local, years: Sequence[int] | None = None) -> pd.DataFrame:
    """Return year by year how far along the schemes are, and what it takes that old and new run side by side.

    Returns
    -------
    DataFrame
        financial_year, ramp_pct (weighted by the cost that each scheme takes away; missing if none does),
        double_running_gbp (not positive).
    """
    items, whole = local.scenario.interventions, local.whole
    calendar = np.array(local.scenario.years if years is None else years)
    weights = np.array([i.effect.mean * whole[i.name]["cost_gbp"] for i in items])
    double = np.zeros(len(calendar))
    for item in items:
        side_by_side = (calendar >= item.start) & (calendar < item.start + item.double_running_years)
        double -= side_by_side * item.double_running_gbp * (1 + local.scenario.optimism_bias_pct / 100)
    ramp = np.average(levels(items, calendar.tolist()), axis=0, weights=weights) if weights.any() else np.nan
    labels = list(financial_years(calendar.tolist()))
    return pd.DataFrame({"financial_year": labels}).assign(ramp_pct=100 * ramp, double_running_gbp=double)


def persons(local: Local, called: Mapping[str, str]) -> pd.DataFrame:
    """Return on how many persons each organisation x scheme rests, at least; totals too. None where it is not people.

    Who provides none of it (who buys, pays, or takes over what moves) has a figure that rests on all of it.
    """
    if local.year is None:
        return pd.DataFrame()
    named = titles(local)
    own = local.scope[local.scope["intervention"].isin(named)]
    own = own.assign(organisation=own["provider_code"].map(dict(called) | {"": SYSTEM}))
    wide = own.assign(scheme=own["intervention"].map(named)).pivot_table(
        index="organisation", columns="scheme", values="persons", aggfunc="max"
    )
    wide = wide.reindex(index=[*dict.fromkeys(called.values()), SYSTEM], columns=list(dict.fromkeys(named.values())))
    wide = wide.apply(lambda column: column.fillna(column[SYSTEM]))
    wide[ALL] = wide.max(axis=1)
    return wide.astype(int)


def counted(table: pd.DataFrame, people: pd.DataFrame) -> pd.DataFrame:
    """Return a table with `persons`, on how many each row rests; as it is where it has them or rests on nobody.

    Parameters
    ----------
    table : DataFrame
        A table by organisation or scheme as they are shown, or of the whole system.
    people : DataFrame
        From `persons`.
    """
    if people.empty or "persons" in table:
        return table
    organisation = table.get("organisation", pd.Series(SYSTEM, index=table.index))
    scheme = table.get("scheme", pd.Series(ALL, index=table.index))
    at = people.index.get_indexer(pd.Index(organisation)), people.columns.get_indexer(pd.Index(scheme))
    return table.assign(persons=people.to_numpy()[at])
