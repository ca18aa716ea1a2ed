"""One area's small tables as statistics that may be shared, and other areas' statistics as rows of the same tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from pathcost_lib.benchmark.icb_causes import people_by_tenth
from pathcost_lib.benchmark.icb_view import ALL, STRATA, Cells
from pathcost_lib.benchmark.pathway_cost import LEAST_KNOWN, NOT_SHARED, WHOLE
from pathcost_lib.codes import SETTINGS
from pathcost_lib.comparators.combine import combine, share_out, squares_of
from pathcost_lib.comparators.files import Statistics
from pathcost_lib.pathways import BORNE

__all__ = [
    "BREAKDOWNS",
    "cost_of_pathway",
    "flow_with_others",
    "of_area",
    "outside_with_others",
    "summaries_with_others",
    "with_others",
]

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
        mean_gbp, variable_gbp, squared_deviations, shares of the dearest. "deprivation" by tenth: persons registered of
        known age and sex and, of a tenth that is not combined, cost_gbp and squared_deviations. "registered" by tenth,
        age and sex: persons. "population" by age and sex, as it is published.

    Notes
    -----
    Squared deviations are from the mean of the persons (or pathways) of the cell: with the cost and the count they give
    the sum of squares, and they survive rounding where a difference of two large sums would not. By tenth they are from
    the mean of the persons' age and sex, each group's times its persons over those less one: they add up to the
    variance of the cost of the tenth.
    """
    people = cells.population[cells.population["icb_code"] == icb]
    strata = people[STRATA]
    costs = cells.costs[cells.costs["icb_code"] == icb].rename(columns={"users": "persons"})
    costs = costs.assign(squares=costs["squares"] / 1e4).merge(strata)
    events = cells.events[cells.events["icb_code"] == icb].merge(strata)
    tables = {
        "costs": _by("setting", costs, strata, ["persons", *_SUMS], costs["setting"].unique()),
        "events": _by("pathway", events, strata, ["pathways"], pathways),
        "pathways": _pathways(cells.pathways[cells.pathways["icb_code"] == icb]),
        **_tenths(people_by_tenth(cells).query("icb_code == @icb"), strata),
        "population": people.assign(age_band=people["age_from"].map(_five_years))[["age_band", "sex", "persons"]],
    }
    table = tables["costs"]
    mean_squares = (table["cost_gbp"] ** 2 / table["persons"].where(table["persons"] > 0)).fillna(0.0)
    table["squared_deviations"] = (table.pop("squares") - mean_squares).clip(lower=0)
    table.loc[table["setting"] == ALL, ["cost_gbp", "variable_gbp"]] = np.nan
    return tables


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


def _tenths(people: pd.DataFrame, strata: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return people and cost by tenth of deprivation, and people by age and sex in it; tenths are combined as ages are.

    Of tenths that are combined the cost is left out: with what a pack shows of one it would tell that of the other.
    """
    sums = ["persons", "users", "cost_gbp", "squares", "variance"]
    tenths = people.groupby("deprivation_decile")[sums].sum().reindex(np.arange(1.0, 11.0), fill_value=0.0)
    # A tenth stands where five years of age do, so that one rule combines both.
    tenths = tenths.assign(age_from=5 * tenths.index, sex="")
    cells = combine(tenths, "persons", "users") if len(people) else pd.DataFrame()
    ends = cells["age_band"].str.extract(r"^(\d+) to (\d+)$").astype(int) if len(cells) else pd.DataFrame()
    spans = [(a // 5, (b - 4) // 5) for a, b in ends.itertuples(index=False)]
    one = np.array([first == last for first, last in spans], dtype=bool)
    bands = pd.Series([f"{a}" if a == b else f"{a} to {b}" for a, b in spans], dtype=str)
    by_tenth = pd.DataFrame({"deprivation": bands, "persons": cells.get("persons", pd.Series(dtype=float))})
    for name, column in (("cost_gbp", "cost_gbp"), ("squared_deviations", "variance")):
        by_tenth[name] = cells[column].where(one) if len(cells) else pd.Series(dtype=float)
    rows = []
    for (first, last), band in zip(spans, bands, strict=True):
        residents = people[people["deprivation_decile"].between(first, last)]
        part = strata.merge(residents.groupby(STRATA, as_index=False)[["persons"]].sum(), how="left").fillna(0.0)
        rows.append(combine(part, "persons").assign(deprivation=band))
    columns = ["deprivation", "age_band", "sex", "persons"]
    registered = pd.concat([row for row in rows if row["persons"].any()] or [pd.DataFrame(columns=columns)])
    return {"deprivation": by_tenth, "registered": registered[columns].reset_index(drop=True)}


def _five_years(age: float) -> str:
    return "90 and over" if age >= 90 else f"{age:.0f} to {age + 4:.0f}"


def with_others(cells: Cells, others: Statistics | None) -> Cells:
    """Return an area's tables with the rows of the other areas behind its own, from what they share.

    What the files do not hold has no rows: providers and pieces of pathways. Without others the tables are as they
    were.
    """
    if others is None:
        return cells
    theirs = others.of("population")
    theirs = theirs.assign(age_from=theirs["age_band"].str.extract(r"^(\d+)")[0].astype(float))
    population = pd.concat([cells.population, theirs[["icb_code", *STRATA, "persons"]]], ignore_index=True)
    costs = _costs(cells, others, population)
    return replace(
        cells,
        population=population,
        costs=pd.concat([cells.costs, costs], ignore_index=True),
        events=pd.concat([cells.events, _events(cells, others, population)], ignore_index=True),
        registered=pd.concat([cells.registered, _registered(others)], ignore_index=True),
        pathways=pd.concat([cells.pathways, _means(others)], ignore_index=True),
        counted=_counted(cells, others),
        tenths=_by_tenth(cells, others, population, costs),
    )


def _costs(cells: Cells, others: Statistics, population: pd.DataFrame) -> pd.DataFrame:
    groups = others.of("costs").rename(columns={"persons": "users"})
    own = cells.costs.groupby(["icb_code", *STRATA, "setting"], as_index=False)[["cost_gbp", "squares"]].sum()
    own["squares"] /= 1e4
    parts = groups[groups["setting"] != ALL]
    parts = parts.assign(squares=squares_of(parts["squared_deviations"], parts["cost_gbp"], parts["users"]))
    parts = _to_whole(parts, "setting", ["users", *_SUMS])
    shares = _shared(share_out(parts, population, own, by=["setting"], lead="cost_gbp"), parts, ["users", *_SUMS])
    # All settings: their cost is the sum over settings, and only their spread was shared.
    whole = groups[groups["setting"] == ALL].assign(squares=lambda d: d["squared_deviations"])
    whole = _to_whole(whole, "setting", ["users"])
    rows = share_out(whole, population, own, by=["setting"], lead="squares")
    keys = ["icb_code", *STRATA]
    rows = rows.merge(shares.groupby(keys, as_index=False)[["cost_gbp", "variable_gbp"]].sum(), how="left", on=keys)
    rows = rows.fillna({"cost_gbp": 0.0, "variable_gbp": 0.0})
    total = rows.groupby("cell")["cost_gbp"].sum().reindex(whole.index).fillna(0.0)
    whole["squares"] = squares_of(whole["squared_deviations"], total, whole["users"])
    sums = rows[["cost_gbp", "variable_gbp"]]
    both = pd.concat([shares, _shared(rows, whole, ["users", "squares"]).assign(**sums)], ignore_index=True)
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
    totals = parts[keys].merge(whole, how="left", on=keys)
    for column in sums:
        added = parts.groupby(keys)[column].transform("sum")
        parts[column] *= (totals[column] / added.where(added > 0)).fillna(1.0)
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


def _by_tenth(cells: Cells, others: Statistics, population: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """Return people of other areas by age, sex and tenth of deprivation, with cost.

    The cost of a tenth lies on its ages and sexes as their means in the area would have it. It adds up to the tenth,
    and a row of no tenth has what is left of an age and sex, so that both sums are those that were shared.
    """
    groups = others.of("registered").rename(columns={"persons": "registered"})
    own = people_by_tenth(cells).rename(columns={"persons": "registered"})
    own["deprivation"] = own["deprivation_decile"].map("{:.0f}".format)
    own = own[["icb_code", *STRATA, "deprivation", "registered"]]
    rows = share_out(groups, population, own, by=["deprivation"], lead="registered")
    people = _shared(rows, groups, ["registered"]).rename(columns={"registered": "persons"})
    keys = ["icb_code", *STRATA]
    paid = costs.loc[costs["setting"] == ALL, [*keys, "cost_gbp"]].groupby(keys, as_index=False).sum()
    paid = paid[paid["icb_code"].isin(people["icb_code"])]
    each = people.groupby(keys, as_index=False)[["persons"]].sum().merge(paid, on=keys)
    each["mean"] = each.pop("cost_gbp") / each.pop("persons")
    sums = others.of("deprivation").rename(columns={"squared_deviations": "variance"})
    sums = sums[["icb_code", "deprivation", "cost_gbp", "variance"]]
    people = people.merge(each, how="left", on=keys).merge(sums, how="outer", on=["icb_code", "deprivation"])
    weight = people["persons"] * people["mean"]
    part = (weight / weight.groupby([people["icb_code"], people["deprivation"]]).transform("sum")).fillna(0.0)
    people[["cost_gbp", "variance"]] = people[["cost_gbp", "variance"]].mul(part, axis=0)
    tenth = pd.to_numeric(people["deprivation"], errors="coerce").where(people["cost_gbp"].notna())
    people = people.assign(deprivation_decile=tenth).fillna({"persons": 0.0})
    told = people.groupby(keys, as_index=False)[["cost_gbp"]].sum().rename(columns={"cost_gbp": "told"})
    rest = paid.merge(told, how="left", on=keys).fillna({"told": 0.0})
    rest = rest.assign(cost_gbp=rest["cost_gbp"] - rest["told"], persons=0.0, variance=0.0)
    kept = [*keys, "deprivation_decile", "persons", "cost_gbp", "variance"]
    return pd.concat([people, rest], ignore_index=True)[kept]


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
    tables = {}
    for name, split in BREAKDOWNS.items():
        rows = whole
        for column in split:
            rows = rows.merge(pd.DataFrame({column: parts[column]}), how="cross")
        rows = rows.merge(summary[name].drop(columns="pathways"), how="left", on=["icb_code", *split])
        n = rows["pathways"].astype(float)
        rows["squared_deviations"] = n * (n - 1) * rows["se_gbp"].fillna(0.0) ** 2
        rows = rows.fillna({"seen_pathways": 0, "contacts": 0, "mean_gbp": 0.0})
        kept = ["pathways", "seen_pathways", "contacts", "mean_gbp", "squared_deviations"]
        tables[name] = rows[[*split, *kept, *BORNE]]
    return tables


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
    tables = dict(summary)
    for name, split in BREAKDOWNS.items():
        rest = [c for c in ("phase", "setting") if c not in split]
        theirs = rows[(rows[split] != "").all(axis=1) & (rows[rest] == "").all(axis=1)]
        every = areas
        for column in split:
            values = {*summary[name][column], *theirs[column]}
            every = every.merge(pd.DataFrame({column: sorted(values)}), how="cross")
        kept = ["contacts", "mean_gbp", "se_gbp"]
        theirs = every.merge(theirs[["icb_code", *split, *kept]], how="left", on=["icb_code", *split])
        tables[name] = pd.concat([summary[name], theirs], ignore_index=True)
    return tables


def outside_with_others(
    table: pd.DataFrame, beside: Mapping[str, pd.DataFrame], others: Statistics | None, *, pathway: str, icb: str
) -> pd.DataFrame:
    """Return `pathway_cost.outside_share` of an area with the reference of all areas, from what the others share.

    Parameters
    ----------
    table : DataFrame
        Of the area alone.
    beside : mapping of str to DataFrame
        From `summaries_with_others`.
    others, pathway, icb
        What the others share, and whose the table is. Without others the table is as it was.

    Returns
    -------
    DataFrame
        reference_pct: the shares of all areas, by their cost in the phase. Missing, with the reason, where areas with
        over 5% of the pathways do not share theirs.
    """
    if others is None:
        return table
    theirs = others.of("outside").query("pathway == @pathway")[["icb_code", "phase", "outside_pct"]]
    shares = pd.concat([table.assign(icb_code=icb)[theirs.columns], theirs])
    means = pd.concat([beside["phase"], beside["whole"].assign(phase=WHOLE)])[["icb_code", "phase", "mean_gbp"]]
    rows = beside["whole"][["icb_code", "pathways"]].merge(table[["phase"]], how="cross")
    rows = rows.merge(means, how="left").merge(shares, how="left")
    # By rows, a phase without a contact costs nothing; of the others what is missing is not known.
    cost = rows["pathways"] * rows["mean_gbp"].mask(rows["icb_code"] == icb, rows["mean_gbp"].fillna(0.0))
    known = cost.notna() & (rows["outside_pct"].notna() | (cost == 0))
    rows = rows.assign(cost=cost.where(known), outside=(cost * rows["outside_pct"]).where(known))
    rows["known"] = rows["pathways"].where(known, 0)
    sums = rows.groupby("phase")[["cost", "outside", "known", "pathways"]].sum().reindex(table["phase"])
    told = (sums["known"] >= LEAST_KNOWN * sums["pathways"]).to_numpy()
    percentages = (sums["outside"] / sums["cost"].where(sums["cost"] > 0)).where(told).to_numpy()
    return table.assign(reference_pct=percentages, reason=np.where(told, "", NOT_SHARED))


def flow_with_others(
    passed: pd.DataFrame, groups: pd.DataFrame, others: Statistics | None, *, pathway: str, icb: str
) -> pd.DataFrame:
    """Return `pathway_cost.passages` of an area with the reference of all areas, from what the others share.

    Parameters
    ----------
    passed : DataFrame
        Of the area alone.
    groups : DataFrame
        icb_code, pathways: the whole pathways of every area.
    others, pathway, icb
        As in `outside_with_others`.

    Returns
    -------
    DataFrame
        reference_cases and reference_gbp of all areas, where those that share theirs have 95% of the pathways. No
        median of all areas can be had from what each shares: reference_days stays missing.
    """
    if others is None:
        return passed
    theirs = others.of("flow").query("pathway == @pathway")
    theirs = theirs.rename(columns={"from_setting": "from_step", "setting": "to_step"})
    theirs = theirs.rename(columns={"contacts": "passages", "pathways": "cases"})
    keys = ["from_step", "to_step"]
    rows = pd.concat([passed.assign(icb_code=icb), theirs])[["icb_code", *keys, "passages", "cases", "mean_gbp"]]
    rows = rows.merge(groups[["icb_code", "pathways"]], on="icb_code")
    rows["cost"] = rows["passages"] * rows["mean_gbp"]
    sums = rows.groupby(keys)[["passages", "cases", "cost", "pathways"]].sum()
    sums = sums[sums["pathways"] >= LEAST_KNOWN * groups["pathways"].sum()]
    reference_rows = sums.assign(mean=sums["cost"] / sums["passages"].where(sums["passages"] > 0)).reindex(
        pd.MultiIndex.from_frame(passed[keys])
    )
    return passed.assign(
        reference_cases=reference_rows["cases"].to_numpy(),
        reference_days=np.nan,
        reference_gbp=reference_rows["mean"].to_numpy(),
    )
