"""Every table that a reader needs of a scenario: who saves, who bears, what is really released, and when.

Amounts are GBP at the scenario's price base; positive is better for the organisation. Providers that are small in the
scenario are worked out one by one and shown as one. Every table by organisation is made from the whole matrix by one
function, `_grouped`, which refuses to drop an organisation that has money.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from pathcost_lib.arguments import number
from pathcost_lib.codes import label
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.results import NotComputable
from pathcost_lib.scenarios.change.appraisal import net_present_value
from pathcost_lib.scenarios.change.checks import outpatient_checks, run_checks
from pathcost_lib.scenarios.change.interventions import levels
from pathcost_lib.scenarios.change.localise import PROGRAMME, Local
from pathcost_lib.scenarios.change.model import COMPONENTS, PAYMENT_RULES
from pathcost_lib.scenarios.change.sharing import scheme_register
from pathcost_lib.scenarios.change.simulation import Simulation, describe, simulate
from pathcost_lib.scenarios.change.system import SystemImpact, system_impact, transition_payment

__all__ = ["ALL", "OTHERS", "SYSTEM", "SystemView", "system_view", "usual_claims"]

SYSTEM, ALL, OTHERS = "System", "All schemes", "Other providers"


@dataclass(frozen=True, eq=False)
class SystemView:
    """Tables by name, with what disclosure control needs to know of them.

    Attributes
    ----------
    tables : mapping of str to DataFrame
        assumptions, touched, matrix, waterfall, years, rules, compensation, stranded, worth, draws, register, checks.
        Where the scenario cannot be worked out, a table has one column, not_computable, with the reason.
    counts : sequence of str
        The column that counts people; none where the baseline is not patients but the file's own.
    totals : mapping of str to sequence
        Over which columns sums are shown too.
    notes : mapping of str to str
        What to know before reading a table; "here": what was changed to set the scenario here.
    impact : SystemImpact or None
        What the tables were made of, organisation by organisation.
    """

    tables: Mapping[str, pd.DataFrame]
    counts: Sequence[str] = ()
    totals: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    impact: SystemImpact | None = None


_TOTALS: dict[str, list[list[str]]] = {
    "matrix": [["organisation"], ["scheme"]],
    "rules": [["payment_rule"]],
    **{name: [[]] for name in ("compensation", "worth", "register")},
}
_ASKED = {
    "claimed at full cost": "full_cost_gbp",
    "released as cash": "cash_gbp",
    "each contact left carries": "carried_per_contact_gbp",
    "variable cost, average contacts go": "average_contacts_gbp",
    "variable cost, cheapest go first": "cheapest_contacts_gbp",
}
_CLAIM = ("scheme", "organisation", "programme", "claim_gbp")
_TABLES = (
    "touched",
    "matrix",
    "waterfall",
    "years",
    "rules",
    "compensation",
    "stranded",
    "worth",
    "draws",
    "register",
    "checks",
)


def system_view(
    local: Local,
    *,
    names: Mapping[str, str] | None = None,
    claims: pd.DataFrame | None = None,
    draws: int = 2000,
    seed: int = 0,
    most: int = 6,
    fewest: int = 8,
) -> SystemView:
    """Work a scenario out and lay its tables ready.

    Parameters
    ----------
    local : Local
        From `localise`.
    names : mapping of code to str, optional
        What organisations are called.
    claims : DataFrame, optional
        As in `scheme_register`; `usual_claims` if not given.
    draws, seed : int
        Of the simulation; at least 100 draws.
    most, fewest : int
        Providers shown by name, and the fewest persons in scope that such a provider has.

    Raises
    ------
    InputError
        If a column of the claims is missing, a claim is of a scheme that is not worked out here, a name is no text, or
        a number is out of range.
    AssertionError
        If an organisation that has money would be left out: a fault of this suite, never of the input.
    """
    if not isinstance(local, Local):
        raise InputError(f"local must come from localise; this is a {type(local).__name__}.")
    most, fewest = int(number(most, "most", least=1, whole=True)), int(number(fewest, "fewest", least=0, whole=True))
    called = _names(local, names)
    missing = [c for c in _CLAIM if claims is not None and c not in claims]
    if missing:
        raise InputError(f"Claims: no column {', '.join(missing)}. Needed: {', '.join(_CLAIM)}.")
    scenario, settings = local.scenario, {"ledger": local.rows, "year": local.year}
    ready = {"checks": run_checks(local.asked).iloc[:, 2:]} if local.asked.checks else {}
    notes = {"here": " ".join(local.notes)}
    if not scenario.interventions:
        why = "; ".join(dict.fromkeys(r for r in local.left_out.values() if not r.startswith("depends on")))
        reason = f"Not computable: {why or f'scenario {scenario.name} holds ready calculations, but no intervention'}."
        blank = pd.DataFrame({"not_computable": [reason]})
        return SystemView(dict.fromkeys(_TABLES, blank) | ready | {"assumptions": _assumptions(local)}, notes=notes)
    exact = system_impact(scenario, **settings)  # type: ignore[arg-type]
    own = scenario.payment
    ways = {kind: own if kind == own.kind else own.varied(kind, host=local.providers[0]) for kind in PAYMENT_RULES}
    rules = {kind: system_impact(scenario, payment=way, **settings) for kind, way in ways.items()}  # type: ignore
    called = _called(local, (exact, *rules.values()), called, most, fewest)
    titles = _apart({i.name: i.title for i in scenario.interventions}, {ALL})
    persons = _persons(local, called, titles)
    claimed = usual_claims(rules["activity"], local.commissioner) if claims is None else claims
    compensation, how = _compensation(exact, called)
    simulated = simulate(scenario, draws=draws, rng=seed, **settings)  # type: ignore[arg-type]
    worth, spread = _worth(exact, simulated, called)
    asked = outpatient_checks(scenario, exact, **settings)  # type: ignore[arg-type]
    tables = {
        "touched": local.touched,
        "matrix": _matrix(exact, called, titles),
        "waterfall": exact.waterfall,
        "years": _years(local, exact),
        "rules": _rules(rules, called),
        "compensation": compensation,
        "stranded": _stranded(exact),
        "worth": worth,
        "draws": spread,
        "register": scheme_register(claimed, exact).table.rename(columns={"claimants": "claiming_organisations"}),
        "checks": asked.pivot_table(index="intervention", columns="measure", values="value", sort=False)
        .rename(columns=_ASKED)
        .rename_axis(index="scheme", columns=None)
        .reset_index(),
    }
    if local.year is not None:
        tables = {n: t if "persons" in t else _counted(t, persons, titles) for n, t in tables.items()}
    for name in ("register", "checks"):
        tables[name] = tables[name].assign(scheme=tables[name]["scheme"].map(titles))
    tables |= {name: table.assign(persons=0) if local.year else table for name, table in ready.items()}
    tables |= {"assumptions": _assumptions(local)}
    return SystemView(tables, ["persons"] if local.year else [], _TOTALS, notes | {"compensation": how}, exact)


def usual_claims(impact: SystemImpact, commissioner: str) -> pd.DataFrame:
    """Return the claims that are usually made, for `scheme_register`.

    The commissioner books what it no longer pays as QIPP; each provider books the full (average) cost of the activity
    that goes as CIP. Both are of the same activity. A scheme without effect has a claim of £0, so that none is left
    out.

    Raises
    ------
    InputError
        If the commissioner has no part in the impact.
    """
    if not isinstance(impact, SystemImpact):
        raise InputError(f"impact must come from system_impact; this is a {type(impact).__name__}.")
    require_one_of(commissioner, impact.organisations, what="Commissioner")
    paid = impact.table.query("component == 'payment' and organisation == @commissioner and impact_gbp > 0")
    qipp = paid.groupby("intervention")["impact_gbp"].sum().rename_axis("scheme").rename("claim_gbp").reset_index()
    full = impact.released.groupby(["intervention", "provider_code"])["full_cost_gbp"].sum()
    cip = full.rename_axis(["scheme", "organisation"]).rename("claim_gbp").reset_index()
    both = [qipp.assign(organisation=commissioner, programme="QIPP"), cip.assign(programme="CIP")]
    claims = pd.concat(both)[[*_CLAIM]]
    idle = [scheme for scheme in impact.interventions if scheme not in set(claims["scheme"])]
    none = pd.DataFrame({"scheme": idle, "organisation": commissioner, "programme": "QIPP", "claim_gbp": 0.0})
    return pd.concat([claims, none], ignore_index=True) if idle else claims.reset_index(drop=True)


def _assumptions(local: Local) -> pd.DataFrame:
    """Return what each intervention of the file assumes, as set here, and why any is left out."""
    here, whole = {i.name: i for i in local.scenario.interventions}, local.whole
    rows = []
    for asked in local.asked.interventions:
        item, found = here.get(asked.name, asked), whole[asked.name]
        low, high = 100 * item.effect.ppf([0.1, 0.9])
        row: dict[str, Any] = {"scheme": item.title, "left_out": local.left_out.get(asked.name, "")}
        row |= {"effect_pct": 100 * item.effect.mean, "lower_80": low, "upper_80": high, "evidence": item.evidence}
        row |= {key: getattr(item, key) if asked.name in here else np.nan for key in PROGRAMME[:3]}
        row |= {"cost_in_scope_gbp": found["cost_gbp"]}
        row |= {"persons": int(found["persons"])} if local.year else {}
        rows.append(row)
    return pd.DataFrame(rows or [{"not_computable": "The scenario holds no intervention."}])


def _names(local: Local, names: Mapping[str, str] | None) -> dict[str, str]:
    """Return what organisations are called: as the caller has it, or else as the scenario's file does."""
    if names is not None and not isinstance(names, Mapping):
        raise InputError(f"names must give a text for each code; this is a {type(names).__name__}.")
    for code, name in (names or {}).items():
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"names, {code}: {name!r} is not a name. Give a text.")
    return dict(local.scenario.names) | dict(names or {})


def _apart(called: Mapping[str, str], taken: Iterable[str]) -> dict[str, str]:
    """Return names that differ from each other and from those taken: two of one name bear their codes."""
    counts = pd.Series(list(called.values())).value_counts()
    return {c: f"{n} ({c})" if counts[n] > 1 or n in set(taken) else n for c, n in called.items()}


def _called(
    local: Local, impacts: Iterable[SystemImpact], names: Mapping[str, str], most: int, fewest: int
) -> dict[str, str]:
    """Return what each code is shown as: the commissioner, the largest providers, all others that have money, the rest.

    Providers stand by name: among rows in the order of their cost, a suppressed one's place would bound it.
    """
    own = local.scope if local.year is None else local.scope[local.scope["persons"] >= fewest]
    large = set(own["provider_code"])
    ranked = sorted([p for p in local.providers if p in large][:most], key=lambda code: (names.get(code, code), code))
    items = local.scenario.interventions
    others = {i.to.provider_code for i in items if i.to and i.to.provider_code}
    others |= {i.payer for i in items if i.payer not in ("commissioner", "provider")}
    for impact in impacts:
        others |= set(impact.table["organisation"])
    small = set(local.providers) - set(ranked)
    shown = dict.fromkeys([local.commissioner, *ranked, *sorted(others - small)])
    plain = {code: names.get(code) or (label(code) if code.islower() else code) for code in shown}
    return _apart(plain, {SYSTEM, OTHERS}) | {p: OTHERS for p in local.providers if p not in shown}


def _grouped(values: pd.DataFrame, called: Mapping[str, str]) -> pd.DataFrame:
    """Return amounts by organisation as they are shown, with the system's row: the sum over *all* organisations.

    Raises
    ------
    AssertionError
        If an organisation with money has no name, or those shown do not add up to the system.
    """
    unnamed = [code for code in values.index if code not in called]
    if (values.loc[unnamed].fillna(0.0) != 0).any(axis=None):
        raise AssertionError(f"organisations with money would be left out: {', '.join(map(str, unnamed))}")
    system = values.sum(min_count=1)
    shown = values.groupby(lambda code: called.get(code, OTHERS), sort=False).sum(min_count=1)
    shown = shown.reindex(list(dict.fromkeys(called.values())))
    scale = values.abs().sum().fillna(0.0)
    if ((shown.sum() - system.fillna(0.0)).abs() > 0.005 + 1e-9 * scale).any():
        raise AssertionError("the organisations shown do not add up to the system")
    shown.loc[SYSTEM] = system
    return shown.rename_axis(index="organisation")


def _matrix(impact: SystemImpact, called: Mapping[str, str], titles: Mapping[str, str]) -> pd.DataFrame:
    """Return organisation, scheme, impact_gbp, with the system's row and the column of all schemes."""
    whole = impact.matrix().drop(index="total")
    shown = _grouped(whole, called).rename(columns=dict(titles) | {"total": ALL})
    total, system = float(shown[ALL].loc[[SYSTEM]].sum()), float(impact.system.sum())
    if abs(total - system) > 0.01 + 1e-9 * float(whole.abs().to_numpy().sum()):
        raise AssertionError(f"the system's row shows {total:,.2f}, but the impact on the system is {system:,.2f}")
    return shown.reset_index().melt("organisation", var_name="scheme", value_name="impact_gbp")


def _persons(local: Local, called: dict[str, str], titles: Mapping[str, str]) -> pd.DataFrame:
    """Return on how many persons each organisation x scheme rests, at least; totals too."""
    if local.year is None:
        return pd.DataFrame()
    own = local.scope[local.scope["intervention"].isin(titles)]
    own = own.assign(organisation=own["provider_code"].map(dict(called) | {"": SYSTEM}))
    wide = own.assign(scheme=own["intervention"].map(titles)).pivot_table(
        index="organisation", columns="scheme", values="persons", aggfunc="max"
    )
    wide = wide.reindex(index=[*dict.fromkeys(called.values()), SYSTEM], columns=list(dict.fromkeys(titles.values())))
    # Who provides none of it (who buys, pays, or takes over what moves) has a figure that rests on all of it.
    wide = wide.apply(lambda column: column.fillna(column[SYSTEM]))
    wide[ALL] = wide.max(axis=1)
    return wide.astype(int)


def _counted(table: pd.DataFrame, persons: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    organisation = table.get("organisation", pd.Series(SYSTEM, index=table.index))
    scheme = table.get("scheme", pd.Series(ALL, index=table.index)).replace(dict(titles))
    at = persons.index.get_indexer(pd.Index(organisation)), persons.columns.get_indexer(pd.Index(scheme))
    return table.assign(persons=persons.to_numpy()[at])


def _years(local: Local, impact: SystemImpact) -> pd.DataFrame:
    """Return year by year: how far along, cost released, what it takes, double running apart, net and running total."""
    items, years, whole = local.scenario.interventions, np.array(local.scenario.years), local.whole
    weights = np.array([i.effect.mean * whole[i.name]["cost_gbp"] for i in items])
    part = impact.table.pivot_table(index="financial_year", columns="component", values="impact_gbp", aggfunc="sum")
    part = part.reindex(index=list(impact.financial_years), columns=list(COMPONENTS)).fillna(0.0)
    part = part.rename_axis(columns=None).reset_index()
    double = np.zeros(len(years))
    for item in items:
        running = (years >= item.start) & (years < item.start + item.double_running_years)
        double -= running * item.double_running_gbp * (1 + local.scenario.optimism_bias_pct / 100)
    ramp = np.average(levels(items, local.scenario.years), axis=0, weights=weights) if weights.any() else np.nan
    table = part[["financial_year"]].assign(ramp_pct=100 * ramp)
    table["released_gbp"] = part[[c for c in COMPONENTS if c.endswith("_released")]].sum(axis=1)
    table["destination_gbp"] = part["cost_at_destination"]
    table["programme_gbp"] = part["programme_cost"] - double
    table["double_running_gbp"] = double
    table["net_gbp"] = table.loc[:, "released_gbp":"double_running_gbp"].sum(axis=1)
    return table.assign(cumulative_gbp=table["net_gbp"].cumsum())


def _rules(rules: Mapping[str, SystemImpact], called: Mapping[str, str]) -> pd.DataFrame:
    found = []
    for rule, impact in rules.items():
        sums = _grouped(impact.by_organisation().set_index("organisation"), called)
        found.append(sums.reset_index().assign(payment_rule=rule))
    return pd.concat(found, ignore_index=True)[["organisation", "payment_rule", "impact_gbp"]]


def _compensation(impact: SystemImpact, called: dict[str, str]) -> tuple[pd.DataFrame, str]:
    """Return the transition payment by organisation, year by year where that can be, else over all years."""
    paid, how = transition_payment(impact), "Settled year by year: no organisation is worse off in any year."
    if isinstance(paid, NotComputable):
        first = impact.financial_years[0]
        whole = replace(impact, table=impact.table.assign(financial_year=first), financial_years=(first,))
        how = f"Not year by year ({paid.reason}); settled over all years together."
        paid = transition_payment(whole)
        if isinstance(paid, NotComputable):
            how = "Not computable: the system as a whole loses, and no transfer between its members can cover that."
            paid = whole.by_year().rename(columns={"impact_gbp": "before_gbp"}).assign(transfer_gbp=np.nan)
            paid["after_gbp"] = np.nan
    sums = paid.groupby("organisation", sort=False)[["before_gbp", "transfer_gbp", "after_gbp"]].sum(min_count=1)
    return _grouped(sums, called).reset_index(), how


def _stranded(impact: SystemImpact) -> pd.DataFrame:
    """Return year by year the full cost of what goes, what of it is released, and what stays."""
    sums = impact.released.groupby("financial_year").sum(numeric_only=True)
    sums = sums.reindex(list(impact.financial_years), fill_value=0.0)
    stays = ["stranded_semi_fixed_gbp", "stranded_fixed_gbp"]
    table = sums[["full_cost_gbp", *stays]].reset_index()
    table.insert(2, "released_gbp", table["full_cost_gbp"] - table[stays].sum(axis=1))
    return table.assign(stranded_gbp=table[stays].sum(axis=1))


def _worth(impact: SystemImpact, simulated: Simulation, called: dict[str, str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return net present values by organisation (p50, p10 to p90, mean, at mean effects), and the system's draws."""
    order = [*dict.fromkeys(called.values()), SYSTEM]
    flows = impact.by_year().pivot_table(index="organisation", columns="financial_year", values="impact_gbp")
    both = [
        _grouped(pd.DataFrame(values, index=list(at)), called)
        for values, at in (
            (simulated.net_present_value_gbp, simulated.organisations),
            (net_present_value(flows.to_numpy()), flows.index),
        )
    ]
    drawn, central = (values.reindex(order) for values in both)
    found = describe(drawn.to_numpy(), suffix="_gbp")
    table = pd.DataFrame({"organisation": order, "net_present_value_gbp": found["p50_gbp"]})
    table["lower_80"], table["upper_80"] = found["p10_gbp"], found["p90_gbp"]
    table["mean_gbp"], table["at_mean_effects_gbp"] = found["mean_gbp"], central.iloc[:, 0].to_numpy()
    table["loss_chance"] = 100 * (drawn.to_numpy() < 0).mean(axis=1)
    certain = bool(found["sd_gbp"].iloc[-1] < 0.005)  # nothing in the file is uncertain
    shares, edges = np.histogram(drawn.loc[SYSTEM], bins=1 if certain else 24)
    spread = pd.DataFrame({"from_gbp": edges[:-1], "to_gbp": edges[1:], "draws_share": shares / shares.sum()})
    return table, spread
