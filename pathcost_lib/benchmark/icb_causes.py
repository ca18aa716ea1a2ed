"""Why one ICB differs from its peers, what of it is recoverable, and how cost falls on rich and poor."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from pathcost_lib.benchmark.drivers import pathway_drivers
from pathcost_lib.benchmark.icb_view import (
    ALL,
    FEWEST_USERS,
    GROUPS,
    LEAST_KNOWN,
    NO_PEOPLE,
    STRATA,
    UNKNOWN,
    Cells,
    Z,
    of_known,
)
from pathcost_lib.benchmark.inequality import slope_index
from pathcost_lib.benchmark.opportunity import deduplicate, opportunity
from pathcost_lib.comparators.alike import FEATURES, features_of, similar_peers
from pathcost_lib.errors import require_one_of

__all__ = ["drivers", "gradient", "opportunities", "peers", "people_by_tenth"]

_CLAIMS = ["claim", "persons", "value_gbp", "target_gbp", "opportunity_gbp", "lower_95", "upper_95", "variable_gbp"]
_CLAIMS += ["once_gbp", "once_variable_gbp", "cost_in_scope_gbp", "reason"]
_POUNDS = ["opportunity_gbp", "lower_95_gbp", "upper_95_gbp", "variable_gbp"]
_GRADIENT = ["area", "decile", "persons", "value_gbp", "lower_95", "upper_95", "fitted_gbp", "reason"]
FEW_HERE = "fewer than eight people of this area are in the tenth, and what the others share would tell of them"
_DRIVERS = ["rate", "intensity", "setting_mix", "price"]


def peers(cells: Cells, icb: str, *, n: int = 10, override: Sequence[str] = ()) -> pd.DataFrame:
    """Return every ICB's peers by age, deprivation and size, or one's own choice for `icb`.

    Returns
    -------
    DataFrame
        unit, peer, rank, distance (standard deviations, Euclidean), chosen_by, and the peer's features: persons,
        under_20_pct, over_65_pct, over_85_pct, mean_deprivation (tenth, 1 the most deprived). Without rows where
        there are fewer than three ICBs. A feature that any ICB lacks is not used, and is missing for all.

    Raises
    ------
    InputError
        If a chosen peer is not an ICB with activity here.
    """
    p = cells.population
    for code in override:  # a wrong one is told of even where nobody has peers
        require_one_of(code, sorted(cells.costs["icb_code"].unique()), what="Unit")
    if p["icb_code"].nunique() < 3:
        return pd.DataFrame(
            columns=["unit", "peer", "rank", "distance", "chosen_by", *FEATURES, "persons"], dtype=float
        )
    every = features_of(p, cells.registered)
    features = every.drop(columns="persons").dropna(axis="columns")
    chosen_by = {icb: list(override)} if override else None
    pairs = similar_peers(features, unit="icb_code", n=min(n, len(features) - 1), override=chosen_by).table
    # Peers rest on what all areas have; a feature that one lacks is shown as missing, not dropped from the table.
    about = features.reindex(columns=["icb_code", *FEATURES]).assign(persons=every["persons"])
    about = about.rename(columns={"icb_code": "peer"})
    return pairs.merge(about, on="peer").sort_values(["unit", "rank"], ignore_index=True)


def drivers(cells: Cells, icb: str, peers: pd.DataFrame) -> pd.DataFrame:
    """Return why the ICB's pathways cost more or less than its peers', in pounds per 1,000 people.

    Parameters
    ----------
    cells : Cells
    icb : str
    peers : DataFrame
        From `peers`; all other ICBs stand in where there are none.

    Returns
    -------
    DataFrame
        driver (rate, intensity, setting_mix, price, and their sum "whole_difference"), reference_gbp (the peers' cost
        at the ICB's age and sex: in the first row), difference_gbp, difference_lower_95, difference_upper_95, pathways,
        reference_pathways, reason. Summed over the pathways.

    Notes
    -----
    `pathway_drivers`, the peers' rate of index events being first brought to the ICB's age and sex. Limits:
    delete-a-group jackknife over 10 groups of pathways on each side (Kott, Journal of Official Statistics 2001;17:521),
    Student's t with 9 degrees of freedom, and the Poisson variance of the two counts added to rate and sum.
    """
    ring = set(peers.loc[peers["unit"] == icb, "peer"]) or set(cells.population["icb_code"]) - {icb}
    shared = ring - set(cells.pieces["icb_code"])
    ring -= shared
    effects, variance, start, counts = np.zeros(5), np.zeros(5), 0.0, np.zeros(2)
    for name, pieces in cells.pieces.groupby("pathway"):
        events = cells.events[cells.events["pathway"] == name]
        sides = [(_summed(pieces, who), events[events["icb_code"].isin(who)]) for who in (ring, {icb})]
        k0, k1 = (int(side["pathways"].sum()) for _, side in sides)
        expected, people = _expected(cells.population, sides[0][1], ring, icb)
        # In one part only, leaving it out would leave none.
        spread_out = all(len(set(closures["part"])) > 1 for _, closures in sides)
        if not spread_out or not expected > 0:
            continue
        whole, *one_out = (_effects(sides, people, expected, left_out) for left_out in (None, *range(GROUPS)))
        spread = (GROUPS - 1) / GROUPS * ((np.array(one_out) - whole) ** 2).sum(axis=0)[:5]
        each0, each1 = whole[5] / expected, (whole[5] + whole[4]) / k1
        spread[0] += each0**2 * (k1 + expected**2 / k0)
        spread[4] += each1**2 * k1 + each0**2 * expected**2 / k0
        scale = 1000 / people
        effects, variance, start = effects + whole[:5] * scale, variance + spread * scale**2, start + whole[5] * scale
        counts += [k1, k0]
    table = pd.DataFrame(
        {"driver": [*_DRIVERS, "whole_difference"], "pathways": counts[0], "reference_pathways": counts[1]}
    )
    table["reference_gbp"] = [start, 0.0, 0.0, 0.0, start]
    reach = stats.t.ppf(0.975, GROUPS - 1) * np.sqrt(variance)
    limits = {"difference_lower_95": effects - reach, "difference_upper_95": effects + reach}
    table = table.assign(difference_gbp=effects, **limits, reason="")
    if not counts[0]:
        table[table.filter(regex="95|gbp").columns] = np.nan
        known = of_known(cells.events, cells.population)
        few = "too few pathways or people, here or elsewhere, to compare"
        few = few if ring or not shared else "peers share no contacts of pathways, so there is no base"
        table["reason"] = NO_PEOPLE if known.empty and len(cells.events) else few
    return table


def _summed(pieces: pd.DataFrame, who: Collection[str]) -> pd.DataFrame:
    """Return contacts and cost by part, phase and setting of some ICBs together."""
    rows = pieces[pieces["icb_code"].isin(who)]
    return rows.groupby(["part", "phase", "setting"], as_index=False)[["contacts", "cost_gbp"]].sum()


def _effects(
    sides: list[tuple[pd.DataFrame, pd.DataFrame]], people: float, expected: float, left_out: int | None
) -> np.ndarray:
    """Return the four effects, their sum and the peers' cost, one part left out on both sides and made up for."""
    tables, events = [], [int(closures["pathways"].sum()) for _, closures in sides]
    for (table, closures), whole in zip(sides, events, strict=True):
        kept = closures.loc[closures["part"] != left_out, "pathways"].sum()
        rows = table[table["part"] != left_out]
        tables.append(rows.assign(contacts=rows["contacts"] * whole / kept, cost_gbp=rows["cost_gbp"] * whole / kept))
    total = pathway_drivers(
        *tables,
        base_population=people * events[0] / expected,
        current_population=people,
        base_pathways=events[0],
        current_pathways=events[1],
    ).totals
    return np.array([total[f"{name}_gbp"] for name in (*_DRIVERS, "change", "base")])


def _expected(population: pd.DataFrame, events: pd.DataFrame, ring: Collection[str], icb: str) -> tuple[float, float]:
    """Return the pathways that the ICB's people would have at the ring's rates by age and sex, and those people."""
    ours = population[population["icb_code"] == icb].set_index(STRATA)["persons"]
    theirs = population[population["icb_code"].isin(ring)].groupby(STRATA)["persons"].sum()
    known = events.dropna(subset=STRATA).groupby(STRATA)["pathways"].sum()
    if not known.sum():
        return 0.0, 0.0
    expected = float((ours * known / theirs).sum())
    return expected * float(events["pathways"].sum() / known.sum()), float(ours.sum())


def opportunities(
    cells: Cells,
    costs: pd.DataFrame,
    icb: str,
    peers: pd.DataFrame,
    *,
    draws: int,
    rng: np.random.Generator,
    adjusted: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return what the ICB would not spend at the level of the best five of its ten peers, each pound once.

    Parameters
    ----------
    cells : Cells
    costs : DataFrame
        From `cost_per_person`.
    icb, peers
        As in `drivers`; the median of all ICBs is the target where there are no peers.
    draws, rng
        As in `opportunity`.
    adjusted : DataFrame, optional
        From `need.adjusted`: cost per person at equal need, in place of that at equal age and sex in `costs`.

    Returns
    -------
    DataFrame
        claim (a pathway: cost per pathway, not case-mix adjusted; a setting: cost per person, adjusted), persons
        (pathways or people), value_gbp, target_gbp, opportunity_gbp, lower_95, upper_95, variable_gbp, and the same
        with each pound counted once (once_gbp, once_variable_gbp), cost_in_scope_gbp, and the reason where it cannot
        be told whether there is any. An opportunity of 0 is not above the target beyond chance. Largest first.
    """
    rows = _to_compare(cells, costs, adjusted).dropna(subset="mean_gbp")
    if rows.empty:
        return pd.DataFrame(columns=_CLAIMS, dtype=float)
    claims = opportunity(
        rows,
        unit="icb_code",
        measure="claim",
        value="mean_gbp",
        se="se_gbp",
        count="persons",
        target="best_5_of_10" if len(peers) else "median",
        peers=peers if len(peers) else None,
        variable_share="variable_share",
        draws=draws,
        rng=rng,
    ).table
    claims = claims[claims["icb_code"] == icb].reset_index(drop=True)
    if claims.empty:
        return pd.DataFrame(columns=_CLAIMS, dtype=float)
    if cells.yearly is not None:  # the pathways of the months held are those of a part of the year
        factor = cells.yearly.set_index("pathway")["factor"]
        claims[_POUNDS] = claims[_POUNDS].mul(claims["claim"].map(factor).fillna(1.0), axis=0)
    if adjusted is not None:  # a pound at the need of all is more where need is more
        here = adjusted[adjusted["icb_code"] == icb].set_index("setting")["own_need"]
        claims[_POUNDS] = claims[_POUNDS].mul(claims["claim"].map(here).fillna(1.0), axis=0)
    scope = _scope(cells, icb)
    limit = scope.groupby("claim")["cost_gbp"].sum().reindex(claims["claim"]).fillna(0.0).to_numpy()
    claims["opportunity_gbp"] = claims["opportunity_gbp"].clip(upper=limit)
    once = deduplicate(claims, scope.assign(icb_code=icb), unit="icb_code", claim="claim", cell="cell").table
    once = once[["claim", "share_kept", "deduplicated_gbp"]].rename(columns={"deduplicated_gbp": "once_gbp"})
    table = claims.drop(columns="cost_in_scope_gbp").merge(once, on="claim").assign(cost_in_scope_gbp=limit)
    table["once_variable_gbp"] = table["variable_gbp"] * table["share_kept"]
    renamed = {
        "mean_gbp": "value_gbp",
        "target_value": "target_gbp",
        "lower_95_gbp": "lower_95",
        "upper_95_gbp": "upper_95",
    }
    tested = table["p_value"].notna()
    table = table.assign(reason=table["reason"].where(~tested, "")).rename(columns=renamed)
    return table.sort_values(["once_gbp", "cost_in_scope_gbp"], ascending=False, ignore_index=True)[_CLAIMS]


def _to_compare(cells: Cells, costs: pd.DataFrame, adjusted: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return each area's mean cost per pathway and, by setting, per person; missing where there is none."""
    per_pathway = cells.pathways.assign(claim=cells.pathways["pathway"], persons=cells.pathways["pathways"])
    per_pathway["variable_share"] = per_pathway["variable_gbp"] / per_pathway["cost_gbp"].where(
        per_pathway["cost_gbp"] > 0
    )
    if cells.yearly is not None:
        known = cells.yearly.dropna(subset="factor")["pathway"]
        per_pathway["mean_gbp"] = per_pathway["mean_gbp"].where(per_pathway["claim"].isin(known))
    per_person = costs[costs["setting"] != ALL].rename(columns={"setting": "claim", "value_gbp": "mean_gbp"})
    if adjusted is not None:
        at_need = adjusted.rename(columns={"setting": "claim"})[["icb_code", "claim", "mean_gbp", "se_gbp"]]
        per_person = per_person.drop(columns=["mean_gbp", "se_gbp"]).merge(at_need, how="left")
    columns = ["icb_code", "claim", "persons", "mean_gbp", "se_gbp", "variable_share"]
    parts = [part[columns] for part in (per_pathway, per_person) if set(columns) <= set(part)]
    return pd.concat(parts, ignore_index=True).fillna({"variable_share": 0.0})


def left_out(cells: Cells, costs: pd.DataFrame, icb: str, peers: pd.DataFrame) -> dict[str, int]:
    """Return how many of an ICB's comparisons and peers `opportunities` leaves out, by reason.

    Parameters
    ----------
    cells, costs, icb, peers
        As in `opportunities`.

    Returns
    -------
    dict of str to int
        Reason to number; without those of which there are none.

    Examples
    --------
    >>> left_out(cells, costs, "QHL", peers)  # doctest: +SKIP
    {'peers without costs in these data': 1}
    """
    rows = _to_compare(cells, costs)
    known = rows.dropna(subset="mean_gbp")
    near = set(peers.loc[peers["unit"] == icb, "peer"]) if len(peers) else set()
    counts = {
        "pathways and settings without a cost of this area": int(
            rows.loc[rows["icb_code"] == icb, "mean_gbp"].isna().sum()
        ),
        "peers without costs in these data": len(near - set(known["icb_code"])),
    }
    return {reason: count for reason, count in counts.items() if count}


def _scope(cells: Cells, icb: str) -> pd.DataFrame:
    """Return the cost that each claim covers, in cells that none divides: pathway or none, setting, year."""
    pieces = cells.pieces[cells.pieces["icb_code"] == icb]
    inside = pieces.groupby(["pathway", "setting", "in_year"], as_index=False)[["cost_gbp"]].sum()
    inside["cell"] = inside["pathway"] + "/" + inside["setting"] + "/" + inside["in_year"].astype(str)
    costs = cells.costs[(cells.costs["icb_code"] == icb) & (cells.costs["setting"] != ALL)]
    whole = costs.groupby("setting")["cost_gbp"].sum()
    now = inside[inside["in_year"] == 1]
    rest = (
        (whole - now.groupby("setting")["cost_gbp"].sum().reindex(whole.index).fillna(0.0)).clip(lower=0).reset_index()
    )
    rest["cell"] = "outside/" + rest["setting"]
    by_setting = pd.concat([now, rest]).assign(claim=lambda d: d["setting"])
    both = pd.concat([inside.assign(claim=inside["pathway"]), by_setting], ignore_index=True)
    return both[["claim", "cell", "cost_gbp"]].assign(cost_gbp=both["cost_gbp"].clip(lower=0))


def gradient(cells: Cells, icb: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return cost per person by tenth of deprivation at equal age and sex, and the slope and relative index.

    Returns
    -------
    deciles : DataFrame
        area ("icb" or "all"), decile (1 = most deprived), persons, value_gbp, lower_95, upper_95, fitted_gbp, reason
        (of a tenth of all areas that is not told).
    slopes : DataFrame
        area, sii, lower_95, upper_95 (pounds: least deprived less most deprived), rii, its limits, reason.

    Notes
    -----
    People of the patients table who lived at the start of the year. Indirect standardisation by five-year age and sex
    (cost over what all ICBs' mean costs would give, times the mean of all), because a tenth of one ICB has too few
    people of some ages for direct. `slope_index` fits the line.
    """
    rows = people_by_tenth(cells)
    if icb not in set(rows["icb_code"]):
        has_tenth = cells.registered.loc[cells.registered["icb_code"] == icb, "deprivation_decile"].notna().any()
        reason = "no patient's age and sex is held beside it" if has_tenth else "no deprivation is held"
        none = pd.DataFrame(columns=_GRADIENT, dtype=float)
        return none, pd.DataFrame({"area": ["icb", "all"], "sii": np.nan, "rii": np.nan, "reason": reason})
    if cells.tenths is not None:
        rows = pd.concat([rows, cells.tenths], ignore_index=True)
    rows = rows.rename(columns={"deprivation_decile": "decile"})
    every = rows.groupby(STRATA)[["cost_gbp", "persons"]].transform("sum")
    rows["expected"] = rows["persons"] * every["cost_gbp"] / every["persons"]
    sums = ["persons", "cost_gbp", "expected", "variance"]
    areas = {"icb": rows[rows["icb_code"] == icb], "all": cells.of_reference(rows)}
    if set(rows["icb_code"]) == {icb}:
        del areas["all"]  # one area is not compared with itself
    table = pd.concat([a.groupby("decile", as_index=False)[sums].sum().assign(area=name) for name, a in areas.items()])
    table = table.astype({"decile": int})
    table["reason"] = ""
    if cells.tenths is not None:
        reasons = table["decile"].map(_not_told(rows, icb)).astype(object).where(table["area"] == "all")
        table["reason"] = reasons.fillna("").astype(str)
        table.loc[reasons.notna(), sums] = np.nan
    scale = rows["cost_gbp"].sum() / rows["persons"].sum() / table["expected"].where(table["expected"] > 0)
    table["value_gbp"], table["se"] = scale * table["cost_gbp"], scale * np.sqrt(table["variance"])
    table["lower_95"], table["upper_95"] = table["value_gbp"] - Z * table["se"], table["value_gbp"] + Z * table["se"]
    known = table.dropna(subset="value_gbp")
    slopes = slope_index(known, by="area", quantile="decile", value="value_gbp", se="se", population="persons").table
    slope = slopes.set_index("area")["sii"].reindex(table["area"]).to_numpy()
    weight = table["persons"] / table.groupby("area")["persons"].transform("sum")
    rank = weight.groupby(table["area"]).cumsum() - weight / 2
    middle = (weight * table["value_gbp"]).groupby(table["area"]).transform("sum")
    table["fitted_gbp"] = middle + slope * (rank - 0.5)
    return table[_GRADIENT], slopes


def people_by_tenth(cells: Cells) -> pd.DataFrame:
    """Return people by area, age, sex and tenth of deprivation with their cost, where all four are known.

    Returns
    -------
    DataFrame
        icb_code, age_from, sex, deprivation_decile, persons, users, cost_gbp, squares (pounds squared), variance (of
        the cost of all of them together: the sum of squared deviations, times persons over persons less one).
    """
    keys = ["icb_code", *STRATA, "deprivation_decile"]
    paid = cells.costs.loc[cells.costs["setting"] == ALL, [*keys, "users", "cost_gbp", "squares"]]
    rows = cells.registered.dropna(subset=keys).merge(paid, on=keys, how="left")
    rows = rows.fillna(dict.fromkeys(["users", "cost_gbp", "squares"], 0.0)).astype({"deprivation_decile": float})
    rows["squares"] /= 1e4
    within = (rows["squares"] - rows["cost_gbp"] ** 2 / rows["persons"]).clip(lower=0)
    return rows.assign(variance=within * rows["persons"] / (rows["persons"] - 1).where(rows["persons"] > 1, 1))


def _not_told(rows: pd.DataFrame, icb: str) -> dict[float, str]:
    """Return the tenths that are not told of all areas, where those are known by what they share, and why.

    A tenth that areas with over 5% of the people do not share, and one in which the area itself has 1 to 7: what the
    others share is out, so that the rest would be the area's.
    """
    people = rows.groupby("icb_code")["persons"].sum()
    tenths = rows.dropna(subset="decile")
    known = tenths.pivot_table(index="decile", columns="icb_code", values="persons", aggfunc="sum")
    known[icb] = known[icb].fillna(0.0)  # by rows, nobody is zero
    reached = known.notna().mul(people, axis=1).sum(axis=1) / people.sum()
    few = known[icb].between(1, FEWEST_USERS - 1)
    return dict.fromkeys(known.index[reached < LEAST_KNOWN], UNKNOWN) | dict.fromkeys(known.index[few], FEW_HERE)
