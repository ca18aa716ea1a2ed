"""Who saves, who bears, and what the system really gains: an organisation x intervention matrix that adds up.

A payment between two organisations is a gain to one and a loss to the other; only cost released (less what the
intervention itself costs) is a saving to the system. So the system's figure cannot depend on the payment rule.
The example that the suite was asked for (Brown, HFMA, March 2018): £1.0m less is paid, £0.5m of variable cost goes,
£0.5m of fixed cost stays: commissioner +£1.0m, provider -£0.5m, system +£0.5m.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pathcost_lib.arguments import numbers, refuse, require_columns, require_unique
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.results import NotComputable, Result
from pathcost_lib.scenarios.change.appraisal import Appraisal, Schedule, appraise
from pathcost_lib.scenarios.change.interventions import Intervention
from pathcost_lib.scenarios.change.localise import baseline
from pathcost_lib.scenarios.change.model import COMPONENTS, PaymentRule, SystemModel
from pathcost_lib.scenarios.change.release import Release
from pathcost_lib.scenarios.scenario import Scenario
from pathcost_lib.scenarios.years import financial_years, running_years
from pathcost_lib.sources.engine import Relation

__all__ = ["SystemImpact", "build_model", "compare", "control_totals", "system_impact", "transition_payment"]


@dataclass(frozen=True, eq=False)
class SystemImpact(Result):
    """The effect on each organisation's position, GBP, positive is better.

    `.table` has organisation, intervention, financial_year, component (of `COMPONENTS`), impact_gbp.
    `.released` has provider_code, intervention, financial_year, and of the full cost of the activity that goes: what is
    released (variable, semi-fixed, fixed) and what is left stranded (semi-fixed capacity, fixed).
    """

    released: pd.DataFrame
    organisations: tuple[str, ...]
    interventions: tuple[str, ...]
    financial_years: tuple[str, ...]
    payment_rule: str
    uncosted_activity: float = 0.0
    scenario: str = ""
    identity: str = ""
    price_base: str = ""

    @property
    def summary(self) -> str:
        """Two sentences for a board."""
        position = self.by_organisation()
        losers = _worse_off(position)
        total = self.table["impact_gbp"].sum()
        return (
            f"Over {len(self.financial_years)} years the system's position changes by £{total:,.0f} net. "
            f"Worse off: {losers}."
            + (f" {self.uncosted_activity:,.0f} units selected have no cost." if self.uncosted_activity else "")
        )

    def matrix(self, financial_year: str | None = None) -> pd.DataFrame:
        """Return organisations x interventions, with a `total` row (each intervention to the system) and column."""
        rows = self.table
        if financial_year is not None:
            rows = rows[rows["financial_year"] == self._year(financial_year)]
        wide = rows.pivot_table(index="organisation", columns="intervention", values="impact_gbp", aggfunc="sum")
        wide = wide.reindex(index=self.organisations, columns=self.interventions).fillna(0.0)
        wide["total"] = wide.sum(axis=1)
        wide.loc["total"] = wide.sum(axis=0)
        return wide.rename_axis(index="organisation")

    def by_organisation(self, financial_year: str | None = None) -> pd.DataFrame:
        """Return organisation, impact_gbp."""
        return self.matrix(financial_year)["total"].drop("total").to_frame("impact_gbp").reset_index()

    def by_year(self) -> pd.DataFrame:
        """Return organisation, financial_year, impact_gbp, every year of every organisation."""
        grid = pd.MultiIndex.from_product(
            [self.organisations, self.financial_years], names=["organisation", "financial_year"]
        )
        sums = self.table.groupby(["organisation", "financial_year"])["impact_gbp"].sum()
        return sums.reindex(grid, fill_value=0.0).reset_index()

    @property
    def system(self) -> pd.Series:
        """The system's net effect by financial year, GBP: payments cancel out."""
        sums = self.table.groupby("financial_year")["impact_gbp"].sum()
        return sums.reindex(list(self.financial_years), fill_value=0.0)

    @property
    def waterfall(self) -> pd.DataFrame:
        """From activity to cash, all years: full cost of what goes, what stays behind, what it takes, what is left."""
        r = self.released
        part = self.table.groupby("component")["impact_gbp"].sum().reindex(COMPONENTS, fill_value=0.0)
        steps = [
            ("Full cost of activity that goes", r["full_cost_gbp"].sum()),
            ("Fixed cost left behind", -r["stranded_fixed_gbp"].sum()),
            ("Semi-fixed capacity freed, not cashed", -r["stranded_semi_fixed_gbp"].sum()),
            ("Cost where activity moves to", part["cost_at_destination"]),
            ("Cost of the interventions", part["programme_cost"]),
        ]
        table = pd.DataFrame(steps, columns=["step", "change_gbp"])
        table["running_gbp"] = table["change_gbp"].cumsum()
        return table

    @property
    def stranded(self) -> pd.DataFrame:
        """Year by year the full cost of what goes, what of it is released, and what stays (semi-fixed, fixed, both)."""
        sums = self.released.groupby("financial_year").sum(numeric_only=True)
        sums = sums.reindex(list(self.financial_years), fill_value=0.0)
        stays = ["stranded_semi_fixed_gbp", "stranded_fixed_gbp"]
        table = sums[["full_cost_gbp", *stays]].reset_index()
        table.insert(2, "released_gbp", table["full_cost_gbp"] - table[stays].sum(axis=1))
        return table.assign(stranded_gbp=table[stays].sum(axis=1))

    def together(self) -> SystemImpact:
        """Return the same with all years taken as one, the first."""
        first = self.financial_years[0]
        return replace(self, table=self.table.assign(financial_year=first), financial_years=(first,))

    def appraise(self, schedule: Schedule = "green_book") -> Appraisal:
        """Appraise the system's net effect: programme cost and cost at the destination against cost released."""
        of = self.table.assign(cost=self.table["component"].isin(["programme_cost", "cost_at_destination"]))
        flows = of.pivot_table(index="financial_year", columns="cost", values="impact_gbp", aggfunc="sum", fill_value=0)
        flows = flows.reindex(list(self.financial_years), fill_value=0.0).reindex(columns=[False, True], fill_value=0.0)
        return appraise(flows[False].to_numpy(), -flows[True].to_numpy(), schedule=schedule)

    def _year(self, financial_year: str) -> str:
        return require_one_of(financial_year, self.financial_years, what="Financial year")


def _worse_off(position: pd.DataFrame) -> str:
    """Return who loses, the greatest loss first, at most five by name."""
    worse = position[position["impact_gbp"] < -0.005].sort_values("impact_gbp")["organisation"].tolist()
    more = f" and {len(worse) - 5} more" if len(worse) > 5 else ""
    return ", ".join(worse[:5]) + more or "nobody"


def build_model(
    interventions: Scenario | Sequence[Intervention],
    ledger: Relation | pd.DataFrame | None = None,
    *,
    payment: PaymentRule | str | None = None,
    release: Release | None = None,
    years: Sequence[int] | None = None,
    year: str | None = None,
) -> SystemModel:
    """Return the matrices of a system, from a scenario or from interventions and a ledger (see `system_impact`)."""
    realisation, optimism_pct, own = 1.0, 0.0, PaymentRule()
    declared: tuple[str, ...] = ()
    if isinstance(interventions, Scenario):
        scenario = interventions
        ledger = scenario.baseline if ledger is None else ledger
        own, release = scenario.payment, release or scenario.release
        years = scenario.years if years is None else years
        realisation, optimism_pct = scenario.realisation, scenario.optimism_bias_pct
        interventions, declared = scenario.interventions, tuple(scenario.names)
    if not isinstance(interventions, Sequence) or not all(isinstance(i, Intervention) for i in interventions):
        raise InputError("Give a scenario (from load_scenario) or a list of interventions.")
    if ledger is None:
        raise InputError("There is no baseline: give a ledger, or a scenario file with [[baseline]] tables.")
    if not interventions:
        raise InputError("There is no intervention to work out.")
    if release is not None and not isinstance(release, Release):
        raise InputError(f"release must be a Release, such as Release(5.0); this is a {type(release).__name__}.")
    first = min(i.start for i in interventions)
    return SystemModel(
        interventions,
        baseline(interventions, ledger, year=year),
        years=running_years(range(first, first + 10) if years is None else years),
        payment=_payment_rule(payment, own),
        release=release or Release(),
        realisation=realisation,
        optimism_pct=optimism_pct,
        declared=declared,
    )


def _payment_rule(payment: PaymentRule | str | None, own: PaymentRule) -> PaymentRule:
    """Return the rule asked for; a name alone varies the scenario's own rule, whose prices and shares stay."""
    if payment is None or isinstance(payment, PaymentRule):
        return payment or own
    if payment == "capitation" and own.host is None:
        raise InputError('Payment by capitation needs its host: payment=PaymentRule("capitation", host="...").')
    return own.varied(payment)


def system_impact(
    interventions: Scenario | Sequence[Intervention],
    ledger: Relation | pd.DataFrame | None = None,
    *,
    payment: PaymentRule | str | None = None,
    release: Release | None = None,
    years: Sequence[int] | None = None,
    year: str | None = None,
) -> SystemImpact:
    """Work out who saves and who bears, at each assumption's mean.

    Parameters
    ----------
    interventions : Scenario or sequence of Intervention
        A scenario brings its own baseline, payment rule, steps and years, unless they are given here.
    ledger : Relation or DataFrame, optional
        See `baseline.baseline`.
    payment : PaymentRule or str, optional
        A `PaymentRule`, or "block", "activity" or "blended": the scenario's own rule (by activity, if it has none) with
        that kind in place of its own.
    release : Release, optional
        How semi-fixed cost steps: 5 % of a provider's activity in a POD by default.
    years : sequence of int, optional
        Financial years by their first year, without a gap; ten from the first start by default.
    year : str, optional
        Baseline financial year of the ledger.

    Raises
    ------
    InputError
        If there is no baseline, a value of it is missing, an intervention selects nothing in it, its payer is not
        known, or the years are out of order or have a gap.

    Notes
    -----
    Steps make the result at the mean effect differ from the mean result: a mean effect that just completes a step looks
    better than its neighbours. `simulate` averages over the steps.

    Examples
    --------
    A commissioner buys £1.0m less of a contract whose cost is half fixed. The provider sheds £0.5m and is £0.5m worse
    off; the system is £0.5m better off.

    >>> import pathcost_lib as pc
    >>> impact = pc.system_impact(pc.load_scenario("payment_cut"))
    >>> impact.matrix("2027-28")
    intervention  payment_cut      total
    organisation
    commissioner    1000000.0  1000000.0
    provider        -500000.0  -500000.0
    total            500000.0   500000.0
    """
    model = build_model(interventions, ledger, payment=payment, release=release, years=years, year=year)
    scenario = interventions if isinstance(interventions, Scenario) else None
    parts = model.detail(np.array([i.effect.mean for i in model.interventions]))
    labels = financial_years(model.years)
    index = pd.MultiIndex.from_product(
        [model.organisations, [i.name for i in model.interventions], labels],
        names=["organisation", "intervention", "financial_year"],
    )
    wide = pd.DataFrame({name: parts[name].ravel() for name in COMPONENTS}, index=index)
    table = wide.reset_index().melt(id_vars=index.names, var_name="component", value_name="impact_gbp")
    table = table[table["impact_gbp"] != 0].reset_index(drop=True)
    released = pd.DataFrame({f"{name}_gbp": wide[name] for name in COMPONENTS[:3]})
    released.insert(0, "full_cost_gbp", parts["full_cost"].ravel())
    released["stranded_semi_fixed_gbp"] = parts["semi_fixed"].ravel() - released["semi_fixed_released_gbp"]
    spent = released[["variable_released_gbp", "semi_fixed_released_gbp", "fixed_released_gbp"]].sum(axis=1)
    released["stranded_fixed_gbp"] = released["full_cost_gbp"] - spent - released["stranded_semi_fixed_gbp"]
    released = released[released["full_cost_gbp"] != 0].reset_index().rename(columns={"organisation": "provider_code"})
    rule = _payment_rule(payment, scenario.payment if scenario else PaymentRule()).kind
    return SystemImpact(
        table,
        released,
        tuple(model.organisations),
        tuple(i.name for i in model.interventions),
        tuple(labels),
        rule,
        float(model.cells.loc[model.cells["selected_by"].str.contains("1"), "uncosted_activity"].sum()),
        scenario.name if scenario else "",
        scenario.identity if scenario else "",
        scenario.price_base if scenario else "",
    )


def compare(*impacts: SystemImpact) -> pd.DataFrame:
    """Set scenarios (or one scenario under several payment rules) side by side.

    Returns
    -------
    DataFrame
        scenario, identity, payment_rule, price_base, years, net_gbp (all years), net_present_value_gbp, worse_off
        (organisations).

    Raises
    ------
    InputError
        If there is nothing to compare, or the amounts are pounds of different years (see `rebase`).
    """
    if not impacts or not all(isinstance(impact, SystemImpact) for impact in impacts):
        raise InputError("Give the impacts to compare, each from system_impact.")
    bases = sorted({impact.price_base for impact in impacts})
    if len(bases) > 1:
        named = ", ".join(base or "no year stated" for base in bases)
        raise InputError(
            f"The scenarios are in pounds of different years ({named}): bring them to one with scenarios.rebase before "
            "they are worked out."
        )
    rows = []
    for impact in impacts:
        position = impact.by_organisation()
        worse = _worse_off(position)
        value = impact.appraise().net_present_value_gbp
        net = float(impact.system.sum())
        span = f"{impact.financial_years[0]} to {impact.financial_years[-1]}"
        rows.append((impact.scenario, impact.identity, impact.payment_rule, impact.price_base, span, net, value, worse))
    columns = ["scenario", "identity", "payment_rule", "price_base", "years"]
    return pd.DataFrame(rows, columns=[*columns, "net_gbp", "net_present_value_gbp", "worse_off"])


def transition_payment(impact: SystemImpact) -> pd.DataFrame | NotComputable:
    """Return the transfers, year by year, that leave nobody worse off.

    Those who lose are made whole; those who gain pay in proportion to their gain. Transfers of a year add to nil.

    Returns
    -------
    DataFrame or NotComputable
        organisation, financial_year, before_gbp, transfer_gbp, after_gbp; not computable where the system itself loses
        in some year, for then no transfer can make everybody whole.
    """
    table = impact.by_year().rename(columns={"impact_gbp": "before_gbp"})
    total = table.groupby("financial_year")["before_gbp"].transform("sum")
    if (total < -0.005).any():
        worst = sorted(table.loc[total < -0.005, "financial_year"].unique())
        return NotComputable(f"the system as a whole loses in {', '.join(worst)}: a transfer cannot cover that")
    gain = table["before_gbp"].clip(lower=0)
    need = (-table["before_gbp"].clip(upper=0)).groupby(table["financial_year"]).transform("sum")
    gains = gain.groupby(table["financial_year"]).transform("sum")
    share = gain / gains.where(gains > 0, 1.0)
    table["transfer_gbp"] = (-table["before_gbp"]).clip(lower=0) - share * need
    table["after_gbp"] = table["before_gbp"] + table["transfer_gbp"]
    return table


def control_totals(positions: pd.DataFrame, impact: SystemImpact, financial_year: str) -> pd.DataFrame:
    """Set each organisation's position after a scenario against its control total, and the system's against their sum.

    Parameters
    ----------
    positions : DataFrame
        organisation, control_total_gbp, position_gbp (planned surplus, positive, before the scenario).
    impact : SystemImpact
        The scenario.
    financial_year : str
        Which year.

    Returns
    -------
    DataFrame
        One row an organisation and a last one, "system", that is their sum: control total, position before, impact,
        position after, variance, met (bool). A system can meet its total while members miss theirs.

    Raises
    ------
    InputError
        If an organisation that the scenario touches has no position, stands there twice, or an amount is missing.
    """
    require_columns(positions, ["organisation", "control_total_gbp", "position_gbp"], what="positions")
    refuse(positions, positions["organisation"].isna().to_numpy(), [], "Positions: organisation must be given")
    require_unique(positions, ["organisation"], what="positions")
    if (positions["organisation"] == "system").any():
        raise InputError("Positions: the system's row is worked out as the sum of the others; leave it out.")
    amounts = ["control_total_gbp", "position_gbp"]
    positions = positions.assign(**{c: numbers(positions, c, ["organisation"], above=-np.inf) for c in amounts})
    change = impact.by_organisation(financial_year)
    missing = sorted(set(change["organisation"]) - set(positions["organisation"]))
    if missing:
        raise InputError(f"Positions: no row for {', '.join(missing)}, which the scenario touches.")
    table = positions.merge(change, on="organisation", how="left", validate="one_to_one").fillna({"impact_gbp": 0.0})
    money = ["control_total_gbp", "position_gbp", "impact_gbp"]
    table = pd.concat([table, pd.DataFrame([{"organisation": "system"} | table[money].sum().to_dict()])])
    table["after_gbp"] = table["position_gbp"] + table["impact_gbp"]
    table["variance_gbp"] = table["after_gbp"] - table["control_total_gbp"]
    table["met"] = table["variance_gbp"] >= -0.005
    return table.reset_index(drop=True)
