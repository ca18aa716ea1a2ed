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

from pathcost_lib.arguments import (
    explain_failure,
    mapping_of_numbers,
    number,
    number_list,
    numbers,
    per_cent,
    refuse,
    require_columns,
    require_unique,
    share,
    table,
)
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.results import NotComputable, Result
from pathcost_lib.scenarios.change.system import SystemImpact

__all__ = [
    "GainShareTerms",
    "ShareRange",
    "acceptable_share",
    "gain_share",
    "payment_at_risk",
    "scheme_register",
    "settlement",
    "usual_claims",
]

#: Columns of a claim.
CLAIM = ("scheme", "organisation", "programme", "claim_gbp")

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

    Raises
    ------
    InputError
        If the basis is not known, or a rate is not a share from 0 to 1 (50 for 0.5).
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
        for name in ("share", "minimum_rate", "loss_share", "quality_gate"):
            share(getattr(self, name), name)
        for name in ("cap_rate", "loss_cap_rate"):
            if getattr(self, name) is not None:
                share(getattr(self, name), name)


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

    Raises
    ------
    InputError
        If an amount or a score is missing, negative or not a number, or the shapes do not fit together.
    """
    if not isinstance(terms, GainShareTerms):
        raise InputError(f"terms must be GainShareTerms, such as GainShareTerms(0.5); got {type(terms).__name__}.")
    benchmark = _amounts(benchmark_gbp, "benchmark_gbp")
    actual, score = _amounts(actual_gbp, "actual_gbp"), _amounts(quality, "quality (share)", most=1.0)
    with explain_failure("The gain share", library="numpy"):
        np.broadcast(benchmark, actual, score)
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


def _amounts(values: ArrayLike, what: str, *, most: float = np.inf) -> FloatArray:
    """Return amounts of any shape as finite floats that are not negative."""
    try:
        amounts = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{what} must be numbers; there is text in it.") from None
    number_list(amounts.ravel(), what, least=0.0, most=most)
    return amounts


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

    Raises
    ------
    InputError
        If an amount is missing or not a number.
    """
    commissioner_gbp, provider_gbp = number(commissioner_gbp, "commissioner_gbp"), number(provider_gbp, "provider_gbp")
    commissioner_minimum_gbp = number(commissioner_minimum_gbp, "commissioner_minimum_gbp")
    provider_minimum_gbp = number(provider_minimum_gbp, "provider_minimum_gbp")
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

    Parameters
    ----------
    positions_gbp : mapping of organisation to float
        Each party's position before the deal.
    minimum_gbp : mapping of organisation to float, optional
        The least that a party accepts; 0 for those that name none.

    Returns
    -------
    DataFrame or NotComputable
        organisation, before_gbp, transfer_gbp (adding to nil), after_gbp; not computable where the minimums add to
        more than there is. This is the Nash bargaining solution with transferable money (Nash 1950).

    Raises
    ------
    InputError
        If an amount is missing, or a minimum is that of an organisation without a position.
    """
    parties = list(positions_gbp) if isinstance(positions_gbp, Mapping) else []
    positions = mapping_of_numbers(positions_gbp, "positions_gbp", keys=parties)
    if not positions:
        raise InputError("positions_gbp is empty. Give each party's position, such as {'ICB': 1.0, 'Trust': -0.5}.")
    minimum = dict.fromkeys(parties, 0.0) | mapping_of_numbers(minimum_gbp, "minimum_gbp", keys=parties)
    table = pd.DataFrame({"organisation": parties, "before_gbp": list(positions.values())})
    least = table["organisation"].map(minimum)
    surplus = table["before_gbp"].sum() - least.sum()
    if surplus < -0.005:
        return NotComputable(f"the parties' minimums are £{-surplus:,.0f} more than there is to share")
    table["after_gbp"] = least + surplus / len(table)
    table.insert(2, "transfer_gbp", table["after_gbp"] - table["before_gbp"])
    return table


def payment_at_risk(contract_gbp: float, at_risk_pct: float, achieved: float) -> float:
    """Return the payment lost when a share `achieved` of the goals is met (CQUIN: 1 % of contract value).

    Parameters
    ----------
    contract_gbp : float
        Contract value, not negative.
    at_risk_pct : float
        Per cent of it at risk (1 for 1 %, not 0.01).
    achieved : float
        Share of the goals met, 0 to 1.

    Raises
    ------
    InputError
        If a number is missing or out of range.
    """
    value, rate = number(contract_gbp, "contract_gbp", least=0), per_cent(at_risk_pct, "at_risk_pct")
    return value * rate / 100 * (1 - share(achieved, "achieved"))


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
        If a column or a value is missing, a claim is negative, a scheme or organisation is not in the impact, or an
        organisation claims the same scheme twice.
    """
    keys = ["scheme", "organisation"]
    table(claims, what="claims")
    if missing := [column for column in CLAIM if column not in claims]:
        raise InputError(f"Claims: no column {', '.join(missing)}. Needed: {', '.join(CLAIM)}.")
    require_columns(claims, CLAIM, what="claims")
    for key, known in (("scheme", impact.interventions), ("organisation", impact.organisations)):
        refuse(claims, claims[key].isna().to_numpy(), [], f"Claims: {key} must be given")
        for name in claims[key].unique():
            require_one_of(name, known, what=f"Claims: {key}")
    require_unique(claims, keys, what="claims")
    claims = claims.assign(claim_gbp=numbers(claims, "claim_gbp", keys))
    released = impact.table[impact.table["component"].str.endswith("_released")]
    paid = impact.table[impact.table["component"] == "payment"]
    schemes = claims.groupby("scheme", sort=False).agg(
        claimants=("organisation", "nunique"), claimed_gbp=("claim_gbp", "sum")
    )
    schemes["released_gbp"] = released.groupby("intervention")["impact_gbp"].sum()
    schemes["transfer_gbp"] = paid[paid["impact_gbp"] > 0].groupby("intervention")["impact_gbp"].sum()
    schemes["system_gbp"] = impact.table.groupby("intervention")["impact_gbp"].sum()
    schemes = schemes.fillna(0.0).reset_index()
    schemes["over_claim_gbp"] = (schemes["claimed_gbp"] - schemes["system_gbp"]).clip(lower=0)
    delivered = released.groupby(["intervention", "organisation"])["impact_gbp"].sum().rename("delivered_gbp")
    own = claims.merge(delivered, left_on=["scheme", "organisation"], right_index=True, how="left")
    own["delivered_gbp"] = own["delivered_gbp"].fillna(0.0)
    own["not_delivered_gbp"] = (own["claim_gbp"] - own["delivered_gbp"]).clip(lower=0)
    return SchemeRegister(schemes, own.reset_index(drop=True))


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
    parts = [qipp.assign(organisation=commissioner, programme="QIPP"), cip.assign(programme="CIP")]
    claims = pd.concat(parts)[[*CLAIM]]
    idle = [scheme for scheme in impact.interventions if scheme not in set(claims["scheme"])]
    none = pd.DataFrame({"scheme": idle, "organisation": commissioner, "programme": "QIPP", "claim_gbp": 0.0})
    return pd.concat([claims, none], ignore_index=True) if idle else claims.reset_index(drop=True)
