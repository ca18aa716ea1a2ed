"""The areas most like one another, by stated features: whom to compare an area with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist

from pathcost_lib.arguments import as_list, mapping_of_numbers, no_gaps, number, refuse, require_columns
from pathcost_lib.codes import financial_year_bounds
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.results import Result
from pathcost_lib.sources.dataset import Dataset
from pathcost_lib.sources.names import table_or_empty
from pathcost_lib.sources.quoting import quote_value

__all__ = ["FEATURES", "Peers", "alike", "features_of", "similar_peers"]

#: By what areas are alike, beside the size of their population (its logarithm).
FEATURES = ("under_20_pct", "over_65_pct", "over_85_pct", "mean_deprivation")
PEERS = 10  # as many as NHS RightCare sets an area beside


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


def features_of(population: pd.DataFrame, registered: pd.DataFrame) -> pd.DataFrame:
    """Return what makes areas alike: the size of the population, its ages, and its mean tenth of deprivation.

    Parameters
    ----------
    population : DataFrame
        icb_code, age_from, persons.
    registered : DataFrame
        icb_code, deprivation_decile, persons: patients who lived at the start of the year.

    Returns
    -------
    DataFrame
        icb_code, size (logarithm of persons), persons, and `FEATURES`. A tenth that no patient has is missing.
    """
    persons = population.groupby("icb_code")["persons"].sum().astype(float)
    features = pd.DataFrame({"size": np.log(persons), "persons": persons})
    age = population["age_from"]
    for name, chosen in {"under_20": age < 20, "over_65": age >= 65, "over_85": age >= 85}.items():
        features[f"{name}_pct"] = 100 * population[chosen].groupby("icb_code")["persons"].sum() / persons
    known = registered.dropna(subset="deprivation_decile")
    weighted = (known["deprivation_decile"].astype(float) * known["persons"]).groupby(known["icb_code"]).sum()
    mean = weighted / known.groupby("icb_code")["persons"].sum()
    features["mean_deprivation"] = mean.reindex(features.index)
    return features.reset_index()


def alike(dataset: Dataset, icb: str, year: str, *, n: int = PEERS) -> list[str]:
    """Return the areas of a dataset most like one of them in the middle of a financial year, the most alike first.

    Parameters
    ----------
    dataset : Dataset
        With the population, and patients for deprivation: of the areas that take part (`sources.compared_with`).
    icb : str
        The area.
    year : str
        Financial year.
    n : int
        How many; all others where there are not so many.

    Raises
    ------
    InputError
        If the tables have no people of the area or of two others: nothing is then known of who is alike.
    """
    first, middle = financial_year_bounds(year)[0], quote_value(financial_year_bounds(year)[0].year)
    people = table_or_empty(dataset, "population").query(
        "SELECT icb_code, age // 5 * 5 AS age_from, sum(persons) AS persons FROM this "
        f"WHERE variant = 'principal' AND year = {middle} AND sex IN ('female', 'male') GROUP BY 1, 2"
    )
    patients = table_or_empty(dataset, "patients").query(
        "SELECT icb_code, deprivation_decile, count(*) AS persons FROM this "
        f"WHERE coalesce(birth_year <= {middle}, TRUE) AND (died_on IS NULL OR died_on >= {quote_value(first)}) "
        "GROUP BY 1, 2"
    )
    table = features_of(people.to_pandas(), patients.to_pandas()).drop(columns="persons").dropna(axis="columns")
    if icb not in set(table["icb_code"]) or len(table) < 3:
        raise InputError(
            f"Which areas are like {icb} is not known: the population table has too few areas of {year}. "
            "Name the areas to compare with, with commas between."
        )
    pairs = similar_peers(table, unit="icb_code", n=min(n, len(table) - 1)).table
    return [str(peer) for peer in pairs.loc[pairs["unit"] == icb, "peer"]]
