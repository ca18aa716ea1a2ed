"""Whom to compare with: similar organisations by stated features, and code lists that change with the date."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist

from pathcost_lib.arguments import (
    as_list,
    explain_failure,
    mapping_of_numbers,
    no_gaps,
    number,
    numbers,
    refuse,
    require_columns,
    told_apart,
)
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.results import Result
from pathcost_lib.sources.contracts import CONTRACTS

__all__ = ["Apportioned", "Peers", "apportion", "current_codes", "similar_peers"]

SHARES_SUM_WITHIN = 0.001  # published successor shares are rounded to four places


@dataclass(frozen=True, eq=False)
class Peers(Result):
    """Peers in `table` (unit, peer, rank, distance, chosen_by); all `distances` and standardised `scores` to draw."""

    distances: pd.DataFrame
    scores: pd.DataFrame
    left_out: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """Say on what the peers are alike."""
        per_unit = self.table.groupby("unit").size()
        dropped = f"; the same everywhere, so left out: {', '.join(self.left_out)}" if self.left_out else ""
        features = ", ".join(map(str, self.scores))
        return f"{per_unit.max()} peers for each of {len(per_unit)} units, alike on {features}{dropped}"


def similar_peers(
    features: pd.DataFrame,
    *,
    unit: str,
    n: int = 10,
    weights: Mapping[str, float] | None = None,
    override: Mapping[str, Sequence[str]] | None = None,
) -> Peers:
    """Return each unit's `n` nearest by Euclidean distance on standardised features.

    Parameters
    ----------
    features : DataFrame
        One row per unit; every other column is a numeric feature (deprivation, share over 65, rurality ...).
    unit : str
        Column of codes.
    n : int
        Peers per unit.
    weights : mapping of feature to float, optional
        Weight of each squared standardised difference; 1 where not given.
    override : mapping of unit to codes, optional
        A user's own peers for some units, in their order.

    Returns
    -------
    Peers
        Ties are broken by code, so the order of rows does not matter.

    Raises
    ------
    InputError
        A missing or text feature, a unit twice, fewer than n + 1 units, or an override with unknown codes.

    Notes
    -----
    Features are divided by their standard deviation over all units, as in NHS RightCare's "similar 10" and ONS
    statistical nearest neighbours (z-scores, Euclidean distance).

    Examples
    --------
    City and Port are alike (deprived and young), Hills and Vale too; nobody is much like Coast.

    >>> import pandas as pd
    >>> import pathcost_lib as pc
    >>> areas = pd.DataFrame({
    ...     "area": ["City", "Coast", "Hills", "Port", "Vale"],
    ...     "deprivation": [34.0, 22.0, 12.0, 32.0, 13.0],
    ...     "over_65_pct": [11.0, 27.0, 23.0, 13.0, 22.0],
    ... })
    >>> peers = pc.similar_peers(areas, unit="area", n=1)
    >>> peers.table[["unit", "peer", "distance"]].round(2)
        unit   peer  distance
    0   City   Port      0.39
    1  Coast  Hills      1.27
    2  Hills   Vale      0.20
    3   Port   City      0.39
    4   Vale  Hills      0.20
    """
    require_columns(features, [unit], what="features' rows")
    no_gaps(features, [unit], what="features' rows")
    n = int(number(n, "n (peers)", least=1, whole=True))
    refuse(features, features[unit].duplicated().to_numpy(), [unit], "Each unit must be one row")
    table = features.astype({unit: str}).sort_values(unit).set_index(unit)
    if len(table) <= n:
        raise InputError(f"{len(table)} units cannot give {n} peers each.")
    for name in weights or {}:
        require_one_of(name, map(str, table.columns), what="Feature")
    weighted = mapping_of_numbers(weights, "weights (Feature)", keys=map(str, table.columns), least=0)
    values = table.apply(pd.to_numeric, errors="coerce")
    refuse(
        values.reset_index(), (~np.isfinite(values)).any(axis=1).to_numpy(), [unit], "Every feature must be a number"
    )
    deviation = values.std(ddof=0)
    flat = tuple(deviation.index[deviation == 0].astype(str))
    scores = ((values - values.mean()) / deviation).drop(columns=list(flat))
    if scores.empty:
        raise InputError("No feature differs between units.")
    weight = np.sqrt([weighted.get(str(name), 1.0) for name in scores])
    if not weight.any():
        raise InputError("Every weight is zero, so that no feature counts.")
    scaled = scores.to_numpy() * weight
    distance = cdist(scaled, scaled)
    codes, chosen = scores.index.to_numpy(), _overridden(override)
    for code in [*chosen, *(peer for peers in chosen.values() for peer in peers)]:
        require_one_of(code, codes, what="Unit")
    place, rows = {code: i for i, code in enumerate(codes)}, []
    for i, code in enumerate(codes):
        order = [j for j in np.lexsort((codes, distance[i].round(12))) if j != i][:n]
        peers = [place[peer] for peer in chosen[code]] if code in chosen else order
        by = "user" if code in chosen else "distance"
        rows += [(code, codes[j], rank, distance[i, j], by) for rank, j in enumerate(peers, start=1)]
    listed = pd.DataFrame(rows, columns=["unit", "peer", "rank", "distance", "chosen_by"])
    refuse(listed, (listed["unit"] == listed["peer"]).to_numpy(), ["unit"], "A unit cannot be its own peer")
    return Peers(listed, pd.DataFrame(distance, index=codes, columns=codes), scores, flat)


def _overridden(override: Mapping[str, Sequence[str]] | None) -> dict[str, list[str]]:
    """Return a user's own peers as lists; one code in place of a list is a list of one."""
    chosen = {}
    for code, peers in (override or {}).items():
        if not isinstance(peers, str) and not isinstance(peers, Iterable):
            raise InputError(f"override: the peers of {code} must be a list of codes; this is {peers!r}.")
        chosen[str(code)] = [str(peer) for peer in as_list(peers)]
        if len({*chosen[str(code)]}) < len(chosen[str(code)]) or not chosen[str(code)]:
            raise InputError(f"override: the peers of {code} must be at least one, each once.")
    return chosen


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
