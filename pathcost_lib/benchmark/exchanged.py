"""One area's small tables as statistics that may be shared, and other areas' statistics as rows of the same tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from pathcost_lib.benchmark.icb_view import ALL, STRATA, Cells
from pathcost_lib.codes import SETTINGS
from pathcost_lib.comparators.combine import combine, share_out, squares_of
from pathcost_lib.comparators.files import Statistics
from pathcost_lib.pathways import BORNE

__all__ = ["BREAKDOWNS", "cost_of_pathway", "of_area", "summaries_with_others", "with_others"]

#: How 02 splits the cost of a pathway where areas are compared.
BREAKDOWNS: dict[str, list[str]] = {
    "whole": [],
    "phase": ["phase"],
    "setting": ["setting"],
    "grid": ["setting", "phase"],
}

_SUMS = ["cost_gbp", "variable_gbp", "squares"]


def of_area(cells: Cells, icb: str, pathways: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Return an area's statistics, ages combined so that nothing in them is of one to seven people.

    Parameters
    ----------
    cells : Cells
    icb : str
    pathways : iterable of str
        All that were linked: one that the area does not have is shared as zero, so that it is not taken for unknown.

    Returns
    -------
    dict of str to DataFrame
        "costs" by setting, age and sex: persons with a contact, cost_gbp, variable_gbp, squared_deviations. Of all
        settings together persons and squared_deviations only: their cost is the sum over settings. "events" by pathway,
        age and sex: pathways. Of both a row without age and sex holds all of them. "pathways": pathways,
        mean_gbp, variable_gbp, squared_deviations, shares of the dearest. "deprivation" by tenth: persons registered.
        "population" by age and sex, as it is published.

    Notes
    -----
    Squared deviations are from the mean of the persons (or pathways) of the cell: with the cost and the count they give
    the sum of squares, and they survive rounding where a difference of two large sums would not.
    """
    people = cells.population[cells.population["icb_code"] == icb]
    strata = people[STRATA]
    costs = cells.costs[cells.costs["icb_code"] == icb].rename(columns={"users": "persons"})
    costs = costs.assign(squares=costs["squares"] / 1e4).merge(strata)
    events = cells.events[cells.events["icb_code"] == icb].merge(strata)
    found = {
        "costs": _by("setting", costs, strata, ["persons", *_SUMS], costs["setting"].unique()),
        "events": _by("pathway", events, strata, ["pathways"], pathways),
        "pathways": _pathways(cells.pathways[cells.pathways["icb_code"] == icb]),
        "deprivation": _tenths(cells.registered[cells.registered["icb_code"] == icb]),
        "population": people.assign(age_band=people["age_from"].map(_five_years))[["age_band", "sex", "persons"]],
    }
    table = found["costs"]
    mean_squares = (table["cost_gbp"] ** 2 / table["persons"].where(table["persons"] > 0)).fillna(0.0)
    table["squared_deviations"] = (table.pop("squares") - mean_squares).clip(lower=0)
    table.loc[table["setting"] == ALL, ["cost_gbp", "variable_gbp"]] = np.nan
    return found


def _by(name: str, rows: pd.DataFrame, strata: pd.DataFrame, sums: list[str], values: Iterable[str]) -> pd.DataFrame:
    parts = []
    for value in values:
        part = rows[rows[name] == value].groupby(STRATA, as_index=False)[sums].sum()
        cells = combine(strata.merge(part, how="left").fillna(0.0), sums[0])
        # All ages together too, rounded once: cells of few are rounded far, and mostly up.
        whole = cells[sums].sum().to_frame().T.assign(age_band="", sex="")
        parts += [part.assign(**{name: value}) for part in (whole, cells) if len(cells)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[name, "age_band", "sex", *sums])


def _pathways(rows: pd.DataFrame) -> pd.DataFrame:
    columns = ["pathway", "pathways", "mean_gbp", "variable_gbp"]
    n = rows["pathways"].astype(float)
    spread = n * (n - 1) * rows["se_gbp"] ** 2
    return rows[[*columns, *BORNE]].assign(squared_deviations=spread)


def _tenths(rows: pd.DataFrame) -> pd.DataFrame:
    """Return people by tenth of deprivation; tenths are combined as ages are."""
    known = rows.dropna(subset=["deprivation_decile"])
    held = known.groupby(known["deprivation_decile"].astype(int))["persons"].sum()
    tenths = held.reindex(range(1, 11), fill_value=0).reset_index().set_axis(["tenth", "persons"], axis=1)
    # A tenth stands where five years of age do, so that one rule combines both.
    found = combine(tenths.assign(age_from=5 * tenths["tenth"], sex="")[["age_from", "sex", "persons"]], "persons")
    parts = found["age_band"].str.split(" to ", expand=True).astype(int) if len(found) else pd.DataFrame()
    ends = [(a // 5, (b - 4) // 5) for a, b in parts.itertuples(index=False)]
    bands = [f"{a}" if a == b else f"{a} to {b}" for a, b in ends]
    return pd.DataFrame({"deprivation": pd.Series(bands, dtype=str), "persons": found["persons"]})


def _five_years(age: float) -> str:
    return "90 and over" if age >= 90 else f"{age:.0f} to {age + 4:.0f}"


def with_others(cells: Cells, others: Statistics | None) -> Cells:
    """Return an area's tables with the rows of the other areas behind its own, from what they share.

    What the files do not hold has no rows: providers, pieces of pathways, cost by tenth of deprivation. Without others
    the tables are as they were.
    """
    if others is None:
        return cells
    theirs = others.of("population")
    theirs = theirs.assign(age_from=theirs["age_band"].str.extract(r"^(\d+)")[0].astype(float))
    population = pd.concat([cells.population, theirs[["icb_code", *STRATA, "persons"]]], ignore_index=True)
    return replace(
        cells,
        population=population,
        costs=pd.concat([cells.costs, _costs(cells, others, population)], ignore_index=True),
        events=pd.concat([cells.events, _events(cells, others, population)], ignore_index=True),
        registered=pd.concat([cells.registered, _registered(others)], ignore_index=True),
        pathways=pd.concat([cells.pathways, _means(others)], ignore_index=True),
        counted=_counted(cells, others),
    )


def _costs(cells: Cells, others: Statistics, population: pd.DataFrame) -> pd.DataFrame:
    groups = others.of("costs").rename(columns={"persons": "users"})
    own = cells.costs.groupby(["icb_code", *STRATA, "setting"], as_index=False)[["cost_gbp", "squares"]].sum()
    own["squares"] /= 1e4
    parts = groups[groups["setting"] != ALL]
    parts = parts.assign(squares=squares_of(parts["squared_deviations"], parts["cost_gbp"], parts["users"]))
    parts = _to_whole(parts, "setting", ["users", *_SUMS])
    found = _shared(share_out(parts, population, own, by=["setting"], lead="cost_gbp"), parts, ["users", *_SUMS])
    # All settings: their cost is the sum over settings, and only their spread was shared.
    whole = groups[groups["setting"] == ALL].assign(squares=lambda d: d["squared_deviations"])
    whole = _to_whole(whole, "setting", ["users"])
    rows = share_out(whole, population, own, by=["setting"], lead="squares")
    keys = ["icb_code", *STRATA]
    rows = rows.merge(found.groupby(keys, as_index=False)[["cost_gbp", "variable_gbp"]].sum(), how="left", on=keys)
    rows = rows.fillna({"cost_gbp": 0.0, "variable_gbp": 0.0})
    total = rows.groupby("cell")["cost_gbp"].sum().reindex(whole.index).fillna(0.0)
    whole["squares"] = squares_of(whole["squared_deviations"], total, whole["users"])
    sums = rows[["cost_gbp", "variable_gbp"]]
    both = pd.concat([found, _shared(rows, whole, ["users", "squares"]).assign(**sums)], ignore_index=True)
    return both.assign(squares=both["squares"] * 1e4)


def _events(cells: Cells, others: Statistics, population: pd.DataFrame) -> pd.DataFrame:
    groups = others.of("events")
    groups = _to_whole(groups[groups["pathway"].isin(cells.events["pathway"])], "pathway", ["pathways"])
    own = cells.events.groupby(["icb_code", *STRATA, "pathway"], as_index=False)[["pathways"]].sum()
    rows = share_out(groups, population, own, by=["pathway"], lead="pathways")
    return _shared(rows, groups, ["pathways"])


def _to_whole(groups: pd.DataFrame, name: str, sums: list[str]) -> pd.DataFrame:
    """Return cells so that they add up to the row of all ages, which was rounded once, and not that row."""
    keys = ["icb_code", name]
    parts, whole = (groups[(groups["age_band"] == "") == all_ages].reset_index(drop=True) for all_ages in (False, True))
    shown = parts[keys].merge(whole, how="left", on=keys)
    for column in sums:
        added = parts.groupby(keys)[column].transform("sum")
        parts[column] *= (shown[column] / added.where(added > 0)).fillna(1.0)
    return parts


def _shared(rows: pd.DataFrame, groups: pd.DataFrame, sums: list[str]) -> pd.DataFrame:
    out = rows.drop(columns=["share", "cell", "cost_gbp", "variable_gbp"], errors="ignore")
    for name in sums:
        out[name] = rows["share"] * groups[name].to_numpy()[rows["cell"]]
    return out


def _counted(cells: Cells, others: Statistics) -> pd.DataFrame:
    """Return of which areas the events of which pathways are known: a pathway that a file lacks is not zero there."""
    theirs = others.of("events")[["icb_code", "pathway"]].drop_duplicates()
    own = (
        cells.population[["icb_code"]].drop_duplicates().merge(cells.events[["pathway"]].drop_duplicates(), how="cross")
    )
    return pd.concat([own, theirs], ignore_index=True)


def _registered(others: Statistics) -> pd.DataFrame:
    rows = others.of("deprivation")
    ends = rows["deprivation"].str.extract(r"^(\d+)(?: to (\d+))?$").astype(float)
    return rows[["icb_code", "persons"]].assign(deprivation_decile=ends.mean(axis=1))


def _means(others: Statistics) -> pd.DataFrame:
    rows = others.of("pathways")
    n = rows["pathways"]
    error = np.sqrt(rows["squared_deviations"] / (n - 1).where(n > 1) / n)
    kept = rows[["icb_code", "pathway", "pathways", "mean_gbp", "variable_gbp"]]
    return kept.assign(cost_gbp=n * rows["mean_gbp"], se_gbp=error)


def cost_of_pathway(summary: Mapping[str, pd.DataFrame], icb: str, phases: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return an area's cost per pathway by `BREAKDOWNS`, a part without contacts as zero.

    Parameters
    ----------
    summary : mapping of str to DataFrame
        `pathways.summarise` of one pathway by area and each breakdown.
    icb : str
    phases : sequence of str
        Of the pathway; settings are those that occur in the summary.

    Returns
    -------
    dict of str to DataFrame
        The columns of the breakdown, pathways, seen_pathways, contacts, mean_gbp, squared_deviations (of all the
        pathways, those without such a contact as zero), and the shares of the dearest.
    """
    parts = {"phase": list(phases), "setting": [s for s in SETTINGS if s in set(summary["setting"]["setting"])]}
    whole = summary["whole"].loc[summary["whole"]["icb_code"] == icb, ["icb_code", "pathways"]]
    found = {}
    for name, split in BREAKDOWNS.items():
        rows = whole
        for column in split:
            rows = rows.merge(pd.DataFrame({column: parts[column]}), how="cross")
        rows = rows.merge(summary[name].drop(columns="pathways"), how="left", on=["icb_code", *split])
        n = rows["pathways"].astype(float)
        rows["squared_deviations"] = n * (n - 1) * rows["se_gbp"].fillna(0.0) ** 2
        rows = rows.fillna({"seen_pathways": 0, "contacts": 0, "mean_gbp": 0.0})
        kept = ["pathways", "seen_pathways", "contacts", "mean_gbp", "squared_deviations"]
        found[name] = rows[[*split, *kept, *BORNE]]
    return found


def summaries_with_others(
    summary: Mapping[str, pd.DataFrame], others: Statistics | None, pathway: str
) -> dict[str, pd.DataFrame]:
    """Return an area's summaries with those of the other areas behind its own, from what they share.

    A part that an area with such pathways does not share has a row without numbers: it is not zero there. An area
    that shares nothing of the pathway has no rows.
    """
    if others is None:
        return dict(summary)
    rows = others.of("pathway_cost")
    rows = rows[rows["pathway"] == pathway]
    areas = rows.loc[(rows["phase"] == "") & (rows["setting"] == ""), ["icb_code", "pathways"]]
    rows = rows.drop(columns="pathways").merge(areas, on="icb_code")
    n = rows["pathways"]
    rows = rows.assign(se_gbp=np.sqrt(rows["squared_deviations"] / (n - 1).where(n > 1) / n))
    found = dict(summary)
    for name, split in BREAKDOWNS.items():
        rest = [c for c in ("phase", "setting") if c not in split]
        theirs = rows[(rows[split] != "").all(axis=1) & (rows[rest] == "").all(axis=1)]
        every = areas
        for column in split:
            values = {*summary[name][column], *theirs[column]}
            every = every.merge(pd.DataFrame({column: sorted(values)}), how="cross")
        kept = ["contacts", "mean_gbp", "se_gbp"]
        theirs = every.merge(theirs[["icb_code", *split, *kept]], how="left", on=["icb_code", *split])
        found[name] = pd.concat([summary[name], theirs], ignore_index=True)
    return found
