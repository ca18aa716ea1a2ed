"""Whom to compare with: similar organisations by stated features."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist

from pathcost_lib.arguments import (
    as_list,
    mapping_of_numbers,
    no_gaps,
    number,
    refuse,
    require_columns,
)
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.results import Result

__all__ = ["Peers", "similar_peers"]


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
