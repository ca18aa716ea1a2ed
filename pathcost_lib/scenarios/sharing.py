"""Sharing a saving between those who save and those who bear, and counting each pound once.

The gain-share terms are those of shared-savings contracts in general; the worked example follows the US Medicare
Shared Savings Program, whose rules are public law (42 CFR 425.604 and 425.606): a minimum savings rate that must be
met, then a share of the saving from the first pound, scaled by quality, up to a cap on the benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.results import NotComputable, Result
from pathcost_lib.scenarios.system import SystemImpact

__all__ = [
    "GainShareTerms",
    "ShareRange",
    "acceptable_share",
    "gain_share",
    "payment_at_risk",
    "scheme_register",
    "settlement",
]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class GainShareTerms:
    """Terms of a gain and risk share; rates are shares of the benchmark, 0 to 1.

    Attributes
    ----------
    share, loss_share : float
        The provider's part of a saving and of an overspend.
    minimum_rate : float
        A saving (or overspend) below this rate is not shared.
    basis : str
        "first_pound": once the minimum is met all of the saving is shared; "over_threshold": only what is above it.
    cap_rate, loss_cap_rate : float or None
        Most that the provider receives, and bears.
    quality_gate : float
        Below this quality score (0 to 1) no saving is shared.
    """

    share: float
    minimum_rate: float = 0.0
    basis: str = "first_pound"
    cap_rate: float | None = None
    loss_share: float = 0.0
    loss_cap_rate: float | None = None
    quality_gate: float = 0.0

    def __post_init__(self) -> None:
        require_one_of(self.basis, ("first_pound", "over_threshold"), what="Basis")
        rates = (self.share, self.loss_share, self.minimum_rate, self.quality_gate)
        if not all(0 <= r <= 1 for r in rates):
            raise InputError("Shares, the minimum rate and the quality gate must be from 0 to 1.")


def gain_share(
    benchmark_gbp: ArrayLike, actual_gbp: ArrayLike, terms: GainShareTerms, *, quality: ArrayLike = 1.0
) -> FloatArray:
    """Return what the commissioner pays the provider (negative: the provider pays back).

    It is a transfer: the system's saving is the same whatever the terms.

    Parameters
    ----------
    benchmark_gbp, actual_gbp : array
        Expected and actual spend; any shapes that broadcast (years, draws).
    terms : GainShareTerms
        The deal.
    quality : array
        Quality score from 0 to 1: scales the shared saving, as in 42 CFR 425.604(d).
    """
    benchmark, actual, score = (np.asarray(a, dtype=float) for a in (benchmark_gbp, actual_gbp, quality))
    saving = benchmark - actual
    threshold = terms.minimum_rate * benchmark
    off = threshold if terms.basis == "over_threshold" else 0.0
    gain = np.where((saving >= threshold) & (saving > 0) & (score >= terms.quality_gate), saving - off, 0.0)
    loss = np.where((-saving >= threshold) & (saving < 0), -saving - off, 0.0)
    paid = terms.share * score * gain
    borne = terms.loss_share * loss
    if terms.cap_rate is not None:
        paid = np.minimum(paid, terms.cap_rate * benchmark)
    if terms.loss_cap_rate is not None:
        borne = np.minimum(borne, terms.loss_cap_rate * benchmark)
    return np.asarray(paid - borne)


@dataclass(frozen=True)
class ShareRange:
    """The shares of the commissioner's saving, passed to the provider, that both accept."""

    low: float
    high: float

    @property
    def middle(self) -> float:
        """The share at which both are equally better off than their minimum."""
        return (self.low + self.high) / 2


def acceptable_share(
    commissioner_gbp: float,
    provider_gbp: float,
    *,
    commissioner_minimum_gbp: float = 0.0,
    provider_minimum_gbp: float = 0.0,
) -> ShareRange | NotComputable:
    """Solve for the share of the commissioner's saving that each party accepts.

    Parameters
    ----------
    commissioner_gbp, provider_gbp : float
        Change in each position before any deal (the commissioner's a gain).
    commissioner_minimum_gbp, provider_minimum_gbp : float
        The least change that each accepts.

    Returns
    -------
    ShareRange or NotComputable
        Within 0 to 1; not computable, with the reason, if no share satisfies both.
    """
    if commissioner_gbp <= 0:
        return NotComputable("the commissioner gains nothing that could be shared")
    low = max((provider_minimum_gbp - provider_gbp) / commissioner_gbp, 0.0)
    high = min((commissioner_gbp - commissioner_minimum_gbp) / commissioner_gbp, 1.0)
    if low > high:
        short = commissioner_minimum_gbp + provider_minimum_gbp - commissioner_gbp - provider_gbp
        return NotComputable(f"the parties' minimums are £{short:,.0f} more than there is to share")
    return ShareRange(low, high)


def settlement(
    positions_gbp: Mapping[str, float], minimum_gbp: Mapping[str, float] | None = None
) -> pd.DataFrame | NotComputable:
    """Return transfers between any number of parties that give each its minimum and split the rest equally.

    Returns
    -------
    DataFrame or NotComputable
        organisation, before_gbp, transfer_gbp (adding to nil), after_gbp; not computable where the minimums add to
        more than there is. This is the Nash bargaining solution with transferable money (Nash 1950).
    """
    table = pd.DataFrame({"organisation": list(positions_gbp), "before_gbp": list(positions_gbp.values())})
    least = table["organisation"].map(dict(minimum_gbp or {})).fillna(0.0)
    surplus = table["before_gbp"].sum() - least.sum()
    if surplus < -0.005:
        return NotComputable(f"the parties' minimums are £{-surplus:,.0f} more than there is to share")
    table["after_gbp"] = least + surplus / len(table)
    table.insert(2, "transfer_gbp", table["after_gbp"] - table["before_gbp"])
    return table


def payment_at_risk(contract_gbp: float, at_risk_pct: float, achieved: float) -> float:
    """Return the payment lost when a share `achieved` (0 to 1) of the goals is met (CQUIN: 1 % of contract value)."""
    if not 0 <= achieved <= 1:
        raise InputError("The share achieved must be from 0 to 1.")
    return contract_gbp * at_risk_pct / 100 * (1 - achieved)


@dataclass(frozen=True, eq=False)
class SchemeRegister(Result):
    """Claims against what is released: `.table` has a row a scheme, `.claims` the claims with what each may count."""

    claims: pd.DataFrame

    @property
    def summary(self) -> str:
        """One sentence."""
        t = self.table
        return (
            f"£{t['claimed_gbp'].sum():,.0f} is claimed; the system saves £{t['system_gbp'].sum():,.0f}. "
            f"{int((t['claimants'] > 1).sum())} schemes are claimed more than once."
        )


def scheme_register(claims: pd.DataFrame, impact: SystemImpact) -> SchemeRegister:
    """Set what organisations claim to save against what each scheme releases, and count each pound once.

    Parameters
    ----------
    claims : DataFrame
        scheme (an intervention's name), organisation (who claims), programme ("QIPP" for a commissioner's, "CIP" for a
        provider's), claim_gbp.
    impact : SystemImpact
        The same schemes, worked out together, over all its years.

    Returns
    -------
    SchemeRegister
        By scheme: claimants, claimed_gbp, released_gbp (cost that really goes), transfer_gbp (what only moves between
        organisations), system_gbp (net of what the scheme takes), over_claim_gbp (claimed beyond the system's effect).
        By claim: delivered_gbp, the cost that the claimant itself releases; what it claims beyond that, it did not
        deliver (a commissioner's QIPP scheme that a trust delivers).

    Raises
    ------
    InputError
        If a scheme is not in the impact or an organisation claims the same scheme twice.
    """
    for scheme in claims["scheme"].unique():
        require_one_of(scheme, impact.interventions, what="Scheme")
    doubled = claims.duplicated(["scheme", "organisation"])
    if doubled.any():
        raise InputError(f"Claims: {int(doubled.sum())} rows repeat a scheme and organisation; one claim each.")
    released = impact.table[impact.table["component"].str.endswith("_released")]
    paid = impact.table[impact.table["component"] == "payment"]
    table = claims.groupby("scheme", sort=False).agg(
        claimants=("organisation", "nunique"), claimed_gbp=("claim_gbp", "sum")
    )
    table["released_gbp"] = released.groupby("intervention")["impact_gbp"].sum()
    table["transfer_gbp"] = paid[paid["impact_gbp"] > 0].groupby("intervention")["impact_gbp"].sum()
    table["system_gbp"] = impact.table.groupby("intervention")["impact_gbp"].sum()
    table = table.fillna(0.0).reset_index()
    table["over_claim_gbp"] = (table["claimed_gbp"] - table["system_gbp"]).clip(lower=0)
    delivered = released.groupby(["intervention", "organisation"])["impact_gbp"].sum().rename("delivered_gbp")
    own = claims.merge(delivered, left_on=["scheme", "organisation"], right_index=True, how="left")
    own["delivered_gbp"] = own["delivered_gbp"].fillna(0.0)
    own["not_delivered_gbp"] = (own["claim_gbp"] - own["delivered_gbp"]).clip(lower=0)
    return SchemeRegister(table, own.reset_index(drop=True))
