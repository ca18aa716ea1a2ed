"""What an area's people would be expected to cost: the one comparison of areas, by what it allows for of their need.

Each basis allows for what the one before it does, and more; the published weights of the NHS's allocations stand apart.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from pathcost_lib import paths
from pathcost_lib.benchmark.icb_view import (
    ALL,
    LEAST_KNOWN,
    NO_CONTACTS,
    NO_PEOPLE,
    NOT_WHOLE,
    ONE_AREA,
    STRATA,
    Cells,
    of_known,
)
from pathcost_lib.benchmark.two_part import TwoPartCost, two_part_cost
from pathcost_lib.present.format import begin

__all__ = ["BASES", "PUBLISHED", "adjusted", "by_basis", "expected_cost_of", "most_allowed", "need_index", "on_basis"]

#: What is allowed for on each basis, in words, from least to most; then the weights by which the NHS shares out money.
BASES = {
    "head": "nothing",
    "age_sex": "age and sex",
    "deprivation": "age, sex and deprivation",
    "conditions": "age, sex, deprivation and long-term conditions",
    "published": "the NHS's own need weights",
}
PUBLISHED = "published"
#: Columns that a basis has beside age and sex.
_MORE: dict[str, list[str]] = {
    "deprivation": ["deprivation_decile"],
    "conditions": ["deprivation_decile", "conditions"],
}
#: Weighted population of the allocations by which the need for a setting's care is told.
_SERVICES = {
    "primary_care": "primary_medical_care",
    "community": "community",
    "mental_health": "mental_health",
    "social_care": "core_services",
}
_HOSPITAL = "general_and_acute"
_UNKNOWN = -1.0  # level of people of whom a factor is not known
_SUMS = ["users", "cost_gbp", "squares"]
_DIFFERENCE = ["difference_gbp", "difference_lower_95", "difference_upper_95"]
_INDEX = ["index", "index_lower_95", "index_upper_95"]
_COLUMNS = ["basis", "allows_for", "persons", "value_gbp", "reference_gbp", *_DIFFERENCE, *_INDEX]
_COLUMNS += ["explained_pct", "worst_tenth_pct", "reason"]
_NOT_KNOWN = {
    "deprivation": "deprivation is not known of areas with over 5% of the people",
    "conditions": "long-term conditions are not known of areas with over 5% of the people",
}
_NOT_HERE = {
    "deprivation": "deprivation is not known of over 5% of the people of this area",
    "conditions": "long-term conditions are not known of over 5% of the people of this area",
    PUBLISHED: "no weight is published of this area",
}


def expected_cost_of(cells: Cells, costs: pd.DataFrame, *, basis: str, setting: str = ALL) -> TwoPartCost | str:
    """Return what each area's people would cost at the average for their need, or why that cannot be told.

    Parameters
    ----------
    cells : Cells
    costs : DataFrame
        From `icb_view.cost_per_person`, all areas: who is compared in each setting.
    basis : str
        One of `BASES`.
    setting : str

    Returns
    -------
    TwoPartCost or str
        By cells of people alike in each area: `.compare("icb_code")`. Or the reason.

    Notes
    -----
    People are those of the population by age and sex. Within an age and sex they lie on tenths of deprivation and
    numbers of conditions as the registered people of the area do (and where more people have a contact than are
    registered, as those). Areas in which the factor is not known of over 5 % of people do not take part.
    """
    rows = _people(cells, basis, setting, [*_compared(costs, setting), *filter(None, [cells.apart])])
    if rows.empty:
        return NO_PEOPLE
    there = _known(rows, basis)
    share = rows.loc[rows["icb_code"].isin(there), "persons"].sum() / rows["persons"].sum()
    if share < LEAST_KNOWN:
        return _NOT_KNOWN.get(basis, _NOT_HERE[PUBLISHED])
    rows = rows[rows["icb_code"].isin(there)].fillna(dict.fromkeys(_MORE.get(basis, []), _UNKNOWN))
    if rows["icb_code"].nunique() < 2:
        return ONE_AREA
    if not rows["cost_gbp"].sum() > 0:
        return NO_CONTACTS
    if basis not in ("head", PUBLISHED):
        rows["age_and_sex"] = rows["age_from"].astype(int).astype(str) + rows["sex"]
    # A factor of one level in these data tells nobody apart.
    factors = [c for c in ["age_and_sex", *_MORE.get(basis, [])] if c in rows and rows[c].min() < rows[c].max()]
    columns = {"people": "persons", "users": "users", "cost": "cost_gbp", "squares": "squares"}
    return two_part_cost(rows, factors=factors, weight="weight" if basis == PUBLISHED else None, **columns)


def _compared(costs: pd.DataFrame, setting: str) -> list[str]:
    rows = costs[(costs["setting"] == setting) & ~costs["reason"].isin([NO_CONTACTS, NOT_WHOLE, NO_PEOPLE])]
    return sorted(rows["icb_code"])


def _people(cells: Cells, basis: str, setting: str, areas: Iterable[str]) -> pd.DataFrame:
    """Return people of some areas alike in what a basis allows for, with their users, cost and squared cost."""
    more, strata = _MORE.get(basis, []), ["icb_code", *STRATA]
    keys = [*strata, *more]
    everyone = cells.population[cells.population["icb_code"].isin([*areas])]
    registered, spent = cells.registered, cells.costs
    if "conditions" in more:
        if cells.condition_people is None or cells.condition_costs is None:
            registered, spent = (frame.assign(conditions=np.nan) for frame in (registered, spent))
        else:
            registered, spent = cells.condition_people, cells.condition_costs
    spent = of_known(spent, cells.population).assign(squares=lambda d: d["squares"] / 1e4)

    def summed(rows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
        return rows.groupby(keys, as_index=False, dropna=False)[columns].sum()

    rows = everyone[[*strata, "persons"]]
    if more:
        users = summed(spent[spent["setting"] == ALL].rename(columns={"users": "seen"}), ["seen"])
        mix = summed(registered.dropna(subset=STRATA).rename(columns={"persons": "registered"}), ["registered"])
        mix = mix.merge(users, how="outer", on=keys).fillna({"registered": 0.0, "seen": 0.0})
        mix["part"] = mix[["registered", "seen"]].max(axis=1)
        mix["part"] /= mix.groupby(strata)["part"].transform("sum")
        # Where nobody of an age and sex is registered, nothing is known of them.
        rows = rows.merge(mix[[*keys, "part"]], how="left", on=strata).fillna({"part": 1.0})
        rows = rows.assign(persons=rows["persons"] * rows.pop("part"))
    rows = rows.merge(summed(spent[spent["setting"] == setting], _SUMS), how="left", on=keys)
    rows = rows.fillna(dict.fromkeys(_SUMS, 0.0)).query("persons > 0")
    # What other areas share was spread over ages, each sum by itself: a cell with a cost has a user, and squares to it.
    seen = rows["users"].mask((rows["cost_gbp"] > 0) & (rows["users"] == 0), 1.0)
    least = (rows["cost_gbp"] ** 2 / seen.where(seen > 0)).fillna(0.0)
    rows = rows.assign(users=seen, squares=rows["squares"].clip(lower=least))
    if basis == PUBLISHED:
        index = need_index(cells, [*areas], setting)
        if cells.apart:  # the same people a year earlier
            index[cells.apart] = index.drop(cells.apart).iloc[0]
        rows = rows.assign(weight=rows["icb_code"].map(index).astype(float))
        sums = rows.groupby(["icb_code", "weight"], as_index=False, dropna=False)[["persons", *_SUMS]].sum()
        return sums.reset_index(drop=True)
    return rows.reset_index(drop=True)


def _known(rows: pd.DataFrame, basis: str) -> set[str]:
    """Return the areas of which a basis is known: that have a weight, or each factor of 95% of people."""
    columns = ["weight"] if basis == PUBLISHED else _MORE.get(basis, [])
    told = rows["persons"].where(rows[columns].notna().all(axis=1), 0.0)
    share = told.groupby(rows["icb_code"]).sum() / rows.groupby("icb_code")["persons"].sum()
    return set(share.index[share >= LEAST_KNOWN])


def need_index(cells: Cells, areas: list[str], setting: str) -> pd.Series:
    """Return the published need of each area's people for a setting's care, over that of a person on average.

    Parameters
    ----------
    cells : Cells
    areas : list of str
        ODS codes; one of which no weight is published has none.
    setting : str
        All settings together have the mean of the settings' weights, by what each costs.

    Notes
    -----
    NHS England, allocations 2025/26: weighted over registered population, by ICB (`data/reference/need_weights.csv`).
    Hospital and ambulance care have the weight of general and acute services, social care that of core services.
    """
    table = pd.read_csv(paths.reference() / "need_weights.csv")
    table["need"] = table["weighted"] / table["registered"]
    by_service = table.set_index(["icb_code", "service"])["need"].unstack().reindex(areas)  # noqa: PD010
    if setting != ALL:
        return by_service[_SERVICES.get(setting, _HOSPITAL)]
    spent = cells.costs[cells.costs["icb_code"].isin(areas) & (cells.costs["setting"] != ALL)]
    each = spent.groupby("setting")["cost_gbp"].sum()
    parts = [by_service[_SERVICES.get(str(name), _HOSPITAL)] * amount for name, amount in each.items()]
    return sum(parts[1:], parts[0]) / each.sum() if len(parts) else by_service[_HOSPITAL]


def by_basis(cells: Cells, costs: pd.DataFrame, icb: str) -> pd.DataFrame:
    """Return what each adjustment does to an area's difference in cost per person, all settings together.

    Parameters
    ----------
    cells : Cells
    costs : DataFrame
        From `icb_view.cost_per_person`, all areas.
    icb : str
        ODS code.

    Returns
    -------
    DataFrame
        One row a basis: basis, allows_for (in words), persons, value_gbp (what a person would cost if the need of the
        area's people were that of all: observed over expected, times the mean of all), reference_gbp (the mean of all),
        difference_gbp and its limits, index (100 as expected) and its limits, explained_pct (of the spread between
        people, R-squared), worst_tenth_pct (of the tenths of people, by expected cost, how far the expected cost is
        from the observed where it is furthest), reason. What cannot be told is missing, with the reason.
    """
    rows = [on_basis(cells, costs, icb, basis) | {"allows_for": begin(words)} for basis, words in BASES.items()]
    return pd.DataFrame(rows, columns=_COLUMNS).astype(dict.fromkeys(_COLUMNS[2:-1], float))


def on_basis(
    cells: Cells, costs: pd.DataFrame, icb: str, basis: str, *, model: TwoPartCost | str | None = None
) -> dict[str, object]:
    """Return the row of `by_basis` of one basis, without what it allows for in words.

    Parameters
    ----------
    cells, costs, icb
        As there.
    basis : str
        One of `BASES`.
    model : TwoPartCost or str, optional
        `expected_cost_of` on that basis, where it is there already.

    Notes
    -----
    Where the reference stands apart (`Cells.apart`) both are expected by one model, and what is said is observed over
    expected here over the same there. The differences of the two from what is expected are one, with two signs, so
    that the interval of the one gives that of the ratio.
    """
    hidden = costs.loc[(costs["icb_code"] == icb) & (costs["setting"] == ALL), "reason"]
    why = "" if costs.loc[hidden.index, "index"].notna().any() else (hidden.iloc[0] if len(hidden) else NO_PEOPLE)
    row: dict[str, object] = {"basis": basis, "reason": why}
    model = why or (expected_cost_of(cells, costs, basis=basis) if model is None else model)
    if isinstance(model, str):
        return row | {"reason": model}
    table = model.compare("icb_code").set_index("icb_code")
    if not {icb, cells.apart or icb} <= set(table.index):
        return row | {"reason": _NOT_HERE.get(basis, NO_PEOPLE)}
    one = table.loc[icb]
    ratios = one[["difference_gbp", "lower_95", "upper_95"]].to_numpy(dtype=float) / one["expected_gbp"]
    mean = table["observed_gbp"].sum() / table["people"].sum()
    if cells.apart:
        other = table.loc[cells.apart]
        mean = other["observed_gbp"] / other["people"]
        there = ratios * one["expected_gbp"] / other["expected_gbp"]
        ratios = (1 + ratios) / np.maximum(1 - there, 1e-9) - 1
    row |= {"persons": one["people"], "value_gbp": mean * (1 + ratios[0]), "reference_gbp": mean}
    row |= dict(zip(_DIFFERENCE, mean * ratios, strict=True))
    row |= dict(zip(_INDEX, 100 * (1 + ratios), strict=True))
    return row | {"explained_pct": 100 * model.r_squared, "worst_tenth_pct": 100 * model.worst_tenth}


def most_allowed(table: pd.DataFrame) -> str:
    """Return the basis that allows for most of those that the data support: what the opportunity rests on.

    Parameters
    ----------
    table : DataFrame
        From `by_basis`. The published weights are not of these people but of areas and years, and hold what a
        policy adds: they are shown beside the others, and not taken.
    """
    known = table.loc[table["difference_gbp"].notna() & (table["basis"] != PUBLISHED), "basis"]
    return known.iloc[-1] if len(known) and known.iloc[-1] != "head" else "age_sex"


def adjusted(cells: Cells, costs: pd.DataFrame, basis: str) -> pd.DataFrame | None:
    """Return each area's cost per person by setting, as it would be if its people's need were that of all.

    Parameters
    ----------
    cells, costs
        As in `by_basis`.
    basis : str
        One of `BASES`.

    Returns
    -------
    DataFrame
        icb_code, setting, mean_gbp (observed over expected cost, times the mean of all), se_gbp, own_need (expected
        cost of a person over the mean of all: what a pound of mean_gbp is here).
        Settings and areas that `costs` does not show, or that the basis does not reach, have no row. None at equal age
        and sex, which `costs` itself is.
    """
    if basis == "age_sex":
        return None
    known = costs[costs["value_gbp"].notna() & (costs["setting"] != ALL)]
    parts = []
    for setting in known["setting"].unique():
        model = expected_cost_of(cells, costs, basis=basis, setting=setting)
        if isinstance(model, str):
            continue
        table = model.compare("icb_code")
        mean = table["observed_gbp"].sum() / table["people"].sum()
        expected = table["expected_gbp"]
        ratio, error = table["observed_gbp"] / expected, table["observed_se_gbp"] / expected
        row = {"setting": setting, "mean_gbp": mean * ratio, "se_gbp": mean * error}
        parts.append(table[["icb_code"]].assign(**row, own_need=expected / (mean * table["people"])))
    columns = ["icb_code", "setting", "mean_gbp", "se_gbp", "own_need"]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    return table.merge(known[["icb_code", "setting"]], on=["icb_code", "setting"])[columns]
