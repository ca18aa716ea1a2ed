"""Code lists that change with the date: who is there on a day, and measures moved to successors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from pathcost_lib.arguments import (
    as_list,
    explain_failure,
    no_gaps,
    numbers,
    refuse,
    require_columns,
    told_apart,
)
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.results import Result
from pathcost_lib.sources.contracts import CONTRACTS

__all__ = ["Apportioned", "apportion", "current_codes"]

SHARES_SUM_WITHIN = 0.001  # published successor shares are rounded to four places


def current_codes(organisations: pd.DataFrame, *, kind: str, on: date) -> list[str]:
    """Return the codes of one kind of organisation that are valid on a day (42 ICBs on 31 March 2026, 36 a day later).

    Raises
    ------
    InputError
        If none is valid then, a day is no date, a row lacks its code, kind or first day, or a kind is not known.
    """
    if not isinstance(on, date):
        raise InputError(f"on must be a date, such as date(2026, 4, 1); this is {on!r}.")
    needed = ["org_code", "kind", "valid_from"]
    require_columns(organisations, [*needed, "valid_to"], what="organisations")
    no_gaps(organisations, needed, what="organisations")
    for value in organisations["kind"].unique():
        require_one_of(str(value), CONTRACTS["organisations"]["kind"].allowed, what="Kind of organisation")
    with explain_failure("The days of the organisations", library="pandas"):
        first, last = (pd.to_datetime(organisations[column]) for column in ("valid_from", "valid_to"))
    day = pd.Timestamp(on)
    valid = (organisations["kind"] == kind) & (first <= day) & (last.isna() | (last >= day))
    codes = sorted(set(organisations.loc[valid, "org_code"]))
    if not codes:
        raise InputError(f"No organisation of kind {kind!r} is valid on {on:%d %B %Y}.")
    return codes


@dataclass(frozen=True, eq=False)
class Apportioned(Result):
    """Additive measures on the new codes; `shares` used, and `not_carried`: measures that cannot be added or split."""

    shares: pd.DataFrame
    not_carried: tuple[str, ...]

    @property
    def summary(self) -> str:
        """Say how many codes changed, and what was not carried over."""
        lost = f"; not carried, because they do not add up: {', '.join(self.not_carried)}" if self.not_carried else ""
        return f"{self.shares['org_code'].nunique()} codes succeeded by {self.shares['successor_code'].nunique()}{lost}"


def apportion(
    df: pd.DataFrame,
    successions: pd.DataFrame,
    *,
    code: str,
    additive: str | Iterable[str],
    by: str | Iterable[str] | None = None,
    on: date | None = None,
) -> Apportioned:
    """Return a table moved from old codes to their successors, splits by share; totals are unchanged.

    Parameters
    ----------
    df : DataFrame
        Rows keyed by `code` and `by`; codes without a successor stay.
    successions : DataFrame
        org_code, successor_code, successor_share (of the old organisation's registered population), and valid_to when
        `on` is given; rows without a successor are ignored.
    code, additive, by : str or list of str
        Columns: organisation; measures that may be split and added (people, contacts, pounds); other keys.
    on : date, optional
        Apply only successions of codes whose last valid day is before it.

    Returns
    -------
    Apportioned
        Shares are rescaled to sum to exactly 1 for each old code. Successors that have themselves been succeeded
        are followed on.

    Raises
    ------
    InputError
        Shares of an old code that do not sum to 1 within 0.001, successions in a circle or without a last day, a
        missing key or measure, or no column that tells two rows apart.
    """
    measures, keys = as_list(additive), as_list(by)
    require_columns(df, [code, *keys, *measures], what="rows to apportion")
    no_gaps(df, [code, *keys], what="rows to apportion")
    told_apart(df, measures, what="rows to apportion")
    df = df.assign(**{m: numbers(df, m, [code, *keys], above=-np.inf) for m in measures})
    require_columns(successions, ["org_code", "successor_code", "successor_share"], what="successions")
    live = successions["successor_code"].notna()
    no_gaps(successions[live], ["org_code", "successor_share"], what="successions")
    if on is not None:
        require_columns(successions, ["valid_to"], what="successions")
        no_gaps(successions[live], ["valid_to"], what="successions")
        live &= pd.to_datetime(successions["valid_to"]) < pd.Timestamp(on)
    links = successions.loc[live, ["org_code", "successor_code", "successor_share"]].reset_index(drop=True)
    links[["org_code", "successor_code"]] = links[["org_code", "successor_code"]].astype(object)
    share = numbers(links, "successor_share", ["org_code"], above=0)
    whole = links.groupby("org_code")["successor_share"].transform("sum").to_numpy(dtype=float)
    refuse(links, np.abs(whole - 1) > SHARES_SUM_WITHIN, ["org_code"], "Successor shares must sum to 1")
    links["successor_share"] = share / whole
    moved = df[[code, *keys, *measures]]
    for _ in range(len(links) + 1):
        if not moved[code].isin(links["org_code"]).any():
            break
        split = moved.merge(links, left_on=code, right_on="org_code", how="left")
        part = split["successor_share"].astype(float).fillna(1.0)
        moved = split[[code, *keys, *measures]].assign(
            **{code: split["successor_code"].fillna(split[code])}, **{m: split[m] * part for m in measures}
        )
    else:
        raise InputError("The successions go round in a circle.")
    left = tuple(str(column) for column in df if column not in {code, *keys, *measures})
    used = links[links["org_code"].isin(df[code])].reset_index(drop=True)
    return Apportioned(moved.groupby([code, *keys], as_index=False)[measures].sum(), used, left)
