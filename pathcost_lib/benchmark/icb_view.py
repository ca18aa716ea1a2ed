"""One ICB among all: cost per person and rates like for like, and the cost index of its providers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from pathcost_lib import paths
from pathcost_lib.benchmark.cost_index import contact_variance, cost_index
from pathcost_lib.benchmark.standardise import directly_standardised_rate, indirectly_standardised_ratio
from pathcost_lib.codes import SETTINGS, financial_year_bounds
from pathcost_lib.few import SMALLEST
from pathcost_lib.ledger import coverage
from pathcost_lib.pathways import summarise
from pathcost_lib.pathways.link import Links
from pathcost_lib.pathways.summary import chosen_pathways
from pathcost_lib.sources.comparator import areas_compared
from pathcost_lib.sources.engine import Relation
from pathcost_lib.sources.held import MonthsHeld, months_held
from pathcost_lib.sources.quoting import quote_value

__all__ = [
    "Cells",
    "all_activity",
    "cost_per_person",
    "coverage_of",
    "event_rates",
    "gap_gbp",
    "hexagons",
    "of_known",
    "of_one",
    "provider_index",
    "read",
]

_SQL = Path(__file__).with_name("icb_view.sql")
STRATA = ["age_from", "sex"]
Z = float(stats.norm.ppf(0.975))
GROUPS = 10  # parts that the jackknife leaves out in turn: 9 degrees of freedom
OWN = ("recorded", "provider")  # cost bases that say something of the provider's own cost
ALL = "all_settings"
_INDEX = ["index", "index_lower_95", "index_upper_95"]
_DIFFERENCE = ["difference_gbp", "difference_lower_95", "difference_upper_95"]
_FIGURES = ["value_gbp", "lower_95", "upper_95", "reference_gbp", *_DIFFERENCE, *_INDEX]
_RATES = ["pathways", "rate", "lower_95", "upper_95", "reference_pathways", "reference_rate", *_INDEX]
_PROVIDERS = ["provider_code", "scope", "contacts", *_INDEX, "actual_gbp", "expected_gbp", "own_cost_pct", "reason"]
ONE_AREA = "the data hold one area only, so there is nothing to compare with"
#: Of an area's cost, the most that may be of people of unknown age or sex: they fit no stratum, so that what is shown
#: per person is too low by that share.
MOST_UNKNOWN = 0.05
NO_PEOPLE = (
    "no population by age and sex, or over 5% of the cost is of patients whose age or sex is not known, for this area "
    "and year"
)
FEWEST_USERS = SMALLEST
FEW_USERS = "fewer than eight people of known age and sex have a contact"
PROTECTS = "not shown, because a setting of fewer than eight people could be worked out from it"
#: People of the areas whose events are known, as a share of all that are compared: areas that cannot share theirs have
#: few, so that leaving them out puts the reference up, by at most about what is missing.
LEAST_KNOWN = 0.95
UNKNOWN = "areas with over 5% of the people have too few to share theirs: without them the reference would be too high"
NO_CONTACTS = "the data hold no contact of this area in this setting, so it is not compared"
NOT_SCALED = "too few pathways close in these months of a whole year to scale the rate"
NO_WHOLE_WINDOW = "the data begin too late to have all pathways that close in the year before"
NOT_WHOLE = "the data hold no contact of this area in one of the settings, so all of them together are not compared"


@dataclass(frozen=True, eq=False)
class Cells:
    """Small tables over all ICBs, in pounds, made in one pass by person, one by provider, one over the links.

    `costs` (icb_code, age_from, sex, deprivation_decile, setting, users, cost_gbp, variable_gbp, squares),
    `registered` (people of the patients table), `population` (icb_code, age_from, sex, persons), `providers`,
    `events` (pathways by ICB, age, sex and part), `pieces` (contacts and cost by pathway, ICB, part, phase,
    setting, in_year), `pathways` (`summarise` by pathway and ICB), `counted` (icb_code, pathway: whose events are
    known; None: those of all areas), `tenths` (of areas whose cost is not in `costs` by tenth of deprivation: icb_code,
    age_from, sex, deprivation_decile, persons, cost_gbp, variance; None: of all areas it is), `yearly` (pathway,
    factor: what scales those of the months held to a year, missing where that is not known; None: nothing is scaled),
    `condition_people` and `condition_costs` (as `registered` and `costs`, by number of long-term conditions too; None:
    no number is held), `apart` (the code whose rows alone are the reference; empty: all rows are, the area's own too).
    """

    costs: pd.DataFrame
    registered: pd.DataFrame
    population: pd.DataFrame
    providers: pd.DataFrame
    events: pd.DataFrame
    pieces: pd.DataFrame
    pathways: pd.DataFrame
    counted: pd.DataFrame | None = None
    tenths: pd.DataFrame | None = None
    yearly: pd.DataFrame | None = None
    condition_people: pd.DataFrame | None = None
    condition_costs: pd.DataFrame | None = None
    apart: str = ""

    def of_reference(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the rows that are the reference: those of the area that stands apart, or else all."""
        return rows[rows["icb_code"] == self.apart] if self.apart else rows


#: Tables of `Cells` of pathways and providers, without rows.
_OF_PATHWAYS = {
    "providers": pd.DataFrame(columns=["provider_code", "pathway", "cost_basis", "cost_gbp"]),
    "events": pd.DataFrame(columns=["pathway", "icb_code", *STRATA, "part", "pathways"]),
    "pieces": pd.DataFrame(columns=["pathway", "icb_code", "part", "phase", "setting", "contacts", "cost_gbp"]),
    "pathways": pd.DataFrame(columns=["pathway", "icb_code", "pathways"]),
}


def read(
    ledger: Relation,
    links: Links,
    *,
    patients: Relation,
    population: Relation,
    year: str,
    months: MonthsHeld | None = None,
    costs_only: bool = False,
) -> Cells:
    """Read the ledger and its links once each into `Cells`.

    Parameters
    ----------
    ledger, links : Relation, Links
        From `cost_activity` and `link`; contacts count in the year in which they start, pathways in the year in which
        their window closes, if the data hold the whole of it.
    patients, population : Relation
        May be empty: what needs them is then not computable, and says so. Areas of the population without activity
        in the year are left out: nothing is known of their cost. So are those in which over 5 % of the cost is of
        people of unknown age or sex: their cost per person would be too low.
    year : str
        Financial year; ages and population are those of the mid-year in which it starts.
    months : MonthsHeld, optional
        Months of the year that the area's data hold: of part of a year only contacts from the first to the last of
        them count, and pathways whose window closes in them, of every area, so that like months are compared.
    costs_only : bool
        Read people and their cost alone: the tables of pathways and providers are without rows.

    Raises
    ------
    InputError
        If an area and its successor both have activity in the year.
    """
    first, last = financial_year_bounds(year)
    span = months.days if months else (first, last)
    settings = pd.DataFrame({"first_day": [span[0]], "last_day": [span[1]], "calendar_year": [first.year]})
    inputs: dict[str, Relation | pd.DataFrame] = {
        "ledger": ledger,
        "links": links.links,
        "index_events": links.pathways,
        "chosen": chosen_pathways(links, year, months, none_ok=True),
        "patients": patients,
        "settings": settings.assign(groups=GROUPS),
    }
    steps = ledger.engine.run(_SQL, inputs)
    names = ["costs", "registered", *([] if costs_only else ["providers", "events", "pieces"])]
    tables: dict[str, Any] = _OF_PATHWAYS | {name: steps[name].to_pandas() for name in names}
    if not costs_only:
        by = ["pathway", "icb_code"]
        tables["pathways"] = summarise(links, ledger, by, year=year, months=months, none_ok=True)
    for name in {"costs", "providers", "pieces"} & {*names}:
        pence = [str(c) for c in tables[name].filter(like="_pence")]
        tables[name] = tables[name].assign(**{c.replace("_pence", "_gbp"): tables[name][c] / 100 for c in pence})
    people = population.query(
        "SELECT icb_code, age // 5 * 5 AS age_from, sex, sum(persons) AS persons FROM this "
        f"WHERE variant = 'principal' AND year = {quote_value(first.year)} AND sex IN ('female', 'male') "
        "GROUP BY icb_code, age // 5 * 5, sex HAVING sum(persons) > 0"
    ).to_pandas()
    # An area without activity has no data: left in, it would count as one whose people cost nothing.
    areas = areas_compared(tables["costs"]["icb_code"].dropna(), people["icb_code"])
    unknown = steps["unknown"].to_pandas()
    unknown = unknown[unknown["unknown_pence"] > MOST_UNKNOWN * unknown["cost_pence"]]
    areas = sorted(set(areas) - set(unknown["icb_code"]))
    people = people[people["icb_code"].isin(areas)].reset_index(drop=True)
    conditions = _by_conditions(steps, settings_held=sorted(tables["costs"]["setting"].unique()), patients=patients)
    return Cells(**tables, population=people, **conditions)


def _by_conditions(
    steps: Mapping[str, Relation], *, settings_held: Collection[str], patients: Relation
) -> dict[str, Any]:
    """Return people and costs by number of conditions, a setting at a time so that each is remembered; or nothing."""
    if not patients.query("SELECT count(conditions) AS n FROM this").to_pandas()["n"].iloc[0]:
        return {}
    costs = [
        steps["condition_costs"].query(f"SELECT * FROM this WHERE setting = {quote_value(name)}").to_pandas()
        for name in settings_held
    ]
    table = pd.concat(costs, ignore_index=True)
    people = steps["registered_conditions"].to_pandas()
    return {"condition_people": people, "condition_costs": table.assign(cost_gbp=table["cost_pence"] / 100)}


def _moments(n: pd.Series, total: pd.Series, squares: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return the mean over n people, those without cost counted as zero, and the variance of that mean."""
    n = n.where(n > 1)
    return total / n, (squares - total**2 / n).clip(lower=0) / (n - 1) / n


def cost_per_person(cells: Cells) -> pd.DataFrame:
    """Return cost per person standardised by age and sex, by ICB and setting, against all ICBs.

    Returns
    -------
    DataFrame
        icb_code, setting (and "all_settings"), persons, cost_gbp (not standardised), variable_share, value_gbp,
        lower_95, upper_95, reference_gbp, difference_gbp, difference_lower_95, difference_upper_95, index (reference
        = 100), index_lower_95, index_upper_95, se_gbp, reason.

    Notes
    -----
    An area without any contact in a setting is in no comparison of that setting; its row has the reason. Where more
    than half of the areas have contacts in it, the area is in no comparison over all settings either.

    Direct standardisation to the population of all ICBs, W: value = sum W_s m_s, variance = sum W_s^2 var(m_s): a
    stratified mean (Cochran, Sampling Techniques, 1977, section 5.3). With f_s the ICB's share of a stratum and r_s
    the mean of the others, the difference from all is sum W_s (1 - f_s)(m_s - r_s), whose variance carries
    the others' too. Normal limits. Where the reference stands apart (`Cells.apart`: the area itself a year earlier) the
    difference is sum W_s (m_s - r_s). The same people are in both years, and are taken to be others: the limits are
    if anything too wide.
    """
    heads = ["icb_code", "setting"]
    known = of_known(cells.costs, cells.population)
    seen = known.groupby(heads, as_index=False)["users"].sum()
    users = seen[seen["setting"] == ALL].set_index("icb_code")["users"]
    if known.empty:
        return pd.DataFrame(columns=[*heads, "persons", *_FIGURES, "reason"], dtype=float)
    known = known[known["icb_code"].map(users) >= FEWEST_USERS]  # of fewer a mean over all people tells their cost
    if known.empty:
        none = pd.DataFrame({"icb_code": users.index, "setting": ALL, "reason": FEW_USERS})
        return none.assign(**dict.fromkeys(["persons", "cost_gbp", "variable_share", "se_gbp", *_FIGURES], np.nan))
    sums = ["cost_gbp", "variable_gbp", "squares"]
    costs = known.assign(squares=known["squares"] / 1e4)
    costs = costs.groupby(["icb_code", *STRATA, "setting"], as_index=False)[sums].sum()
    settings = pd.DataFrame({"setting": [s for s in (*SETTINGS, ALL) if s in set(costs["setting"])]})
    pairs = cells.population[["icb_code"]].drop_duplicates().merge(settings, how="cross")
    there = _with_data(costs[heads].drop_duplicates())
    rows = cells.population.merge(there).merge(costs, how="left").fillna(dict.fromkeys(sums, 0.0))
    every = rows.groupby([*STRATA, "setting"])[["persons", "cost_gbp", "squares"]].transform("sum")
    weight = every["persons"] / rows.groupby("setting")["persons"].transform("sum")
    mean, variance = _moments(rows["persons"], rows["cost_gbp"], rows["squares"])
    away = every - rows[["persons", "cost_gbp", "squares"]]
    others, others_variance = _moments(away["persons"], away["cost_gbp"], away["squares"])
    step = weight if cells.apart else weight * away["persons"] / every["persons"]
    rows = rows.assign(
        value_gbp=weight * mean,
        variance=weight**2 * variance,
        reference_gbp=weight * (others if cells.apart else every["cost_gbp"] / every["persons"]),
        difference_gbp=step * (mean - others),
        step_variance=step**2 * (variance + others_variance),
    )
    lacking = len(rows[STRATA].drop_duplicates())
    table = rows.groupby(heads, sort=False, as_index=False).agg(
        persons=("persons", "sum"),
        cost_gbp=("cost_gbp", "sum"),
        variable_gbp=("variable_gbp", "sum"),
        strata=("value_gbp", "count"),
        compared=("difference_gbp", "count"),
        **{c: (c, "sum") for c in ("value_gbp", "variance", "reference_gbp", "difference_gbp", "step_variance")},
    )
    short, alone = table.pop("strata") < lacking, table.pop("compared") < lacking
    table["variable_share"] = table.pop("variable_gbp") / table["cost_gbp"].where(table["cost_gbp"] > 0)
    table["se_gbp"] = np.sqrt(table.pop("variance"))
    reach = Z * np.sqrt(table.pop("step_variance"))
    table["lower_95"], table["upper_95"] = (
        table["value_gbp"] - Z * table["se_gbp"],
        table["value_gbp"] + Z * table["se_gbp"],
    )
    table["difference_lower_95"], table["difference_upper_95"] = (
        table["difference_gbp"] - reach,
        table["difference_gbp"] + reach,
    )
    table.loc[short, ["value_gbp", "lower_95", "upper_95", "se_gbp"]] = np.nan
    table.loc[alone, table.filter(regex="^(difference|reference)").columns] = np.nan
    for name in ("", "_lower_95", "_upper_95"):
        table[f"index{name}"] = 100 * (1 + table[f"difference{name or '_gbp'}"] / table["reference_gbp"])
    table["reason"] = np.select([short, alone], ["an age and sex group of fewer than two people", ONE_AREA], "")
    # No contact at all in a setting is no data of it: the area costs something there, and must not lower the reference.
    table = pairs.merge(table, how="left")
    of_few, beside = _of_few(table.merge(seen, how="left"))
    table.loc[of_few | beside, ["cost_gbp", "variable_share", "se_gbp", *_FIGURES]] = np.nan
    table["reason"] = np.select([of_few, beside], [FEW_USERS, PROTECTS], table["reason"].to_numpy())
    few = table["icb_code"].map(users).lt(FEWEST_USERS) & table["reason"].isna()
    table["reason"] = table["reason"].mask(few, FEW_USERS)
    lacking_all = table["reason"].isna() & (table["setting"] == ALL)
    table = table[table["icb_code"] != cells.apart].reset_index(drop=True)
    return table.assign(reason=table["reason"].mask(lacking_all, NOT_WHOLE).fillna(NO_CONTACTS))


def _of_few(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the settings whose numbers would tell of fewer than eight users, and those that would give them away.

    A mean over all people times the people is their cost. Beside settings of 1 to 7 users that of the next fewest goes,
    and all settings where there is none: the others would tell it by subtraction.
    """
    few = (table["users"] < FEWEST_USERS) & (table["setting"] != ALL) & table["value_gbp"].notna()
    left = table[~few & table["icb_code"].isin(table.loc[few, "icb_code"]) & table["value_gbp"].notna()]
    left = left.assign(last=left["setting"] == ALL).sort_values(["users", "last"])
    beside = table.index.isin(left.groupby("icb_code").head(1).index)
    return few.to_numpy(), beside


def gap_gbp(costs: pd.DataFrame, icb: str) -> float:
    """Return what one ICB's settings together cost a person more than all settings: 0 but for rounding.

    Missing where a setting rests on other areas than the whole, because one of them lacks it: each then has a standard
    of its own, and they do not add up. Missing too where a setting is not shown, because few people use it.

    Parameters
    ----------
    costs : DataFrame
        From `cost_per_person`, all areas.
    icb : str
        ODS code.
    """
    if costs.loc[costs["icb_code"] == icb, "reason"].isin([FEW_USERS, PROTECTS]).any():
        return float("nan")
    known = costs[costs["value_gbp"].notna()]
    resting = known.groupby("setting")["icb_code"].agg(frozenset)
    mine = known[known["icb_code"] == icb].set_index("setting")["value_gbp"]
    if ALL not in mine or len(set(resting)) > 1:
        return float("nan")
    return float(mine.drop(ALL).sum() - mine[ALL])


def of_known(cells: pd.DataFrame, population: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of people whose age and sex are known, as the population counts them: others fit no stratum."""
    return cells[cells["age_from"].notna() & cells["sex"].isin(population["sex"])]


def of_one(costs: pd.DataFrame, icb: str) -> pd.DataFrame:
    """Return one ICB's rows of `cost_per_person`; where it has none, one row without numbers and the reason."""
    rows = costs[costs["icb_code"] == icb].reset_index(drop=True)
    if len(rows):
        return rows
    none = pd.DataFrame({"icb_code": [icb], "setting": [ALL], "persons": [np.nan], "reason": [NO_PEOPLE]})
    return none.assign(**dict.fromkeys(_FIGURES, np.nan))


def _with_data(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the areas and settings that are compared: over all settings, areas that lack none that most areas have."""
    parts = rows[rows["setting"] != ALL]
    usual = parts["setting"].value_counts().loc[lambda areas: areas > parts["icb_code"].nunique() / 2].index
    number = parts[parts["setting"].isin(usual)].groupby("icb_code")["setting"].nunique()
    whole = set(number[number == len(usual)].index)
    return rows[(rows["setting"] != ALL) | rows["icb_code"].isin(whole)]


def event_rates(cells: Cells, icb: str) -> pd.DataFrame:
    """Return rates of index events per 100,000 people, standardised by age and sex, of one ICB against all.

    Returns
    -------
    DataFrame
        pathway, pathways, rate, lower_95, upper_95 (direct; Dobson), reference_pathways, reference_rate, index
        (observed over expected at the rates of all ICBs, 100 = as expected), index_lower_95, index_upper_95
        (Byar; exact below 10), reason. Pathways of people of unknown age or sex are left out. Of a reference that
        stands apart (`Cells.apart`) the rates are its own; the index and its limits are then of the two direct rates,
        both counts being of chance.
    """
    names = pd.DataFrame({"pathway": sorted(cells.events["pathway"].unique())})
    known = of_known(cells.events, cells.population)
    unknown = icb in set(cells.events["icb_code"]) - set(known["icb_code"])  # a rate of 0 would be no finding
    if icb not in set(cells.population["icb_code"]) or known.empty or unknown:
        return names.assign(**dict.fromkeys(_RATES, np.nan), reason=NO_PEOPLE)
    events = known.groupby(["pathway", "icb_code", *STRATA], as_index=False)["pathways"].sum()
    rows = cells.population.merge(names, how="cross")
    rows = rows if cells.counted is None else rows.merge(cells.counted, on=["icb_code", "pathway"])
    rows = rows.merge(events, how="left").fillna({"pathways": 0})
    standard = cells.population.groupby(STRATA, as_index=False)[["persons"]].sum().rename(columns={"persons": "weight"})
    others = cells.of_reference(rows)
    everyone = others.groupby(["pathway", *STRATA], as_index=False)[["persons", "pathways"]].sum().assign(icb_code="")
    both = pd.concat([rows[rows["icb_code"] == icb], everyone])
    by = ["pathway", "icb_code"]
    direct = directly_standardised_rate(
        both, by=by, events="pathways", population="persons", strata=STRATA, standard=standard
    ).table
    ratio = indirectly_standardised_ratio(
        rows, by=by, observed="pathways", population="persons", strata=["pathway", *STRATA]
    ).table
    ours = direct[direct["icb_code"] == icb].reset_index(drop=True)
    all_icbs = direct[direct["icb_code"] == ""].set_index("pathway").reindex(ours["pathway"]).reset_index()
    ratio = ratio[ratio["icb_code"] == icb].reset_index(drop=True)
    table = ours[["pathway"]].assign(pathways=ours["events"], rate=ours["value"])
    table[["lower_95", "upper_95"]] = ours[["lower_95", "upper_95"]]
    table["reference_pathways"], table["reference_rate"] = all_icbs["events"], all_icbs["value"]
    table[_INDEX] = 100 * (_of_two_rates(ours, all_icbs) if cells.apart else ratio[["ratio", "lower_95", "upper_95"]])
    reason = ours["reason"].where(ours["reason"].str.startswith("missing"), "")
    if cells.yearly is not None:
        factor = table["pathway"].map(cells.yearly.set_index("pathway")["factor"])
        per_year = ["rate", "lower_95", "upper_95", "reference_rate"]
        table[per_year] = table[per_year].mul(factor, axis=0)
        reason = reason.mask(factor.isna(), NOT_SCALED)
    if cells.apart:
        return table.assign(reason=reason.mask(all_icbs["value"].isna(), NO_WHOLE_WINDOW))
    if set(rows["icb_code"]) == {icb}:
        none = dict.fromkeys(["reference_pathways", "reference_rate", *_INDEX], np.nan)
        return table.assign(**none, reason=ONE_AREA)
    share = rows.groupby("pathway")["persons"].sum() / cells.population["persons"].sum()
    short = (share.reindex(table["pathway"]) < LEAST_KNOWN).to_numpy()
    table.loc[short, ["reference_pathways", "reference_rate", *_INDEX]] = np.nan
    return table.assign(reason=np.where(short, UNKNOWN, reason))


def _of_two_rates(ours: pd.DataFrame, theirs: pd.DataFrame) -> np.ndarray:
    """Return the ratio of two standardised rates and its limits: on the log scale, by both counts (Rothman, 1986)."""
    ratio = (ours["value"] / theirs["value"].where(theirs["value"] > 0)).to_numpy(dtype=float)
    # Half the width of each rate's own limits, over the rate, is Z times its standard error on the log scale.
    reach = [(r["upper_95"] - r["lower_95"]) / 2 / r["value"].where(r["value"] > 0) for r in (ours, theirs)]
    half = np.sqrt(reach[0] ** 2 + reach[1] ** 2).to_numpy(dtype=float)
    return np.column_stack([ratio, ratio * np.exp(-half), ratio * np.exp(half)])


def provider_index(cells: Cells, providers: Collection[str] | None = None) -> pd.DataFrame:
    """Return the cost index of providers: all they do, and their index events, at their own cost.

    Parameters
    ----------
    cells : Cells
    providers : collection of str, optional
        Which to return; all if not given. All of them make the average.

    Returns
    -------
    DataFrame
        provider_code, scope ("all_activity" or a pathway's index events), contacts, index (100 = average for the same
        currencies), index_lower_95, index_upper_95, actual_gbp, expected_gbp, own_cost_pct (share of the cost in scope
        that rests on the provider's own; the rest, at national price, is left out), reason.

    Notes
    -----
    `cost_index` by point of delivery and currency. A row's sampling variance is its contacts times the variance
    between contacts of a provider in the currency, pooled over providers; where no provider has two contacts, that of
    the currency with the median coefficient of variation.
    """
    rows = cells.providers.assign(pathway=cells.providers["pathway"].fillna(""))
    rows = pd.concat(
        [rows.assign(scope="all_activity"), rows[rows["pathway"] != ""].assign(scope=lambda d: d["pathway"])]
    )
    like, who = ["scope", "pod", "currency_code"], ["scope", "provider_code"]
    whole = rows.groupby(who)["cost_gbp"].sum()
    own = (
        rows[rows["cost_basis"].isin(OWN)]
        .groupby([*like, "provider_code"], as_index=False)[["contacts", "units", "cost_gbp", "squares"]]
        .sum()
    )
    if own.empty:
        return pd.DataFrame(columns=_PROVIDERS, dtype=float)
    own["variance"] = contact_variance(own.assign(squares=own["squares"] / 1e4), like)
    table = cost_index(own, by=who, currency=like, activity="units", cost="cost_gbp", variance="variance").table
    table = table.merge(own.groupby(who, as_index=False)["contacts"].sum(), on=who)
    table = table.rename(columns={"lower_95": "index_lower_95", "upper_95": "index_upper_95"})
    table = table.rename(columns={"actual": "actual_gbp", "expected": "expected_gbp"})
    table["own_cost_pct"] = 100 * table["actual_gbp"] / whole.reindex(pd.MultiIndex.from_frame(table[who])).to_numpy()
    alone = table["sole_share"] > 0.999
    table.loc[alone, _INDEX] = np.nan
    table["reason"] = np.where(alone, "no other provider does the same", table["reason"])
    result = table[_PROVIDERS]
    return result[result["provider_code"].isin(providers)] if providers is not None else result


def all_activity(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `provider_index` over all that a provider does, the lowest index first."""
    return table[table["scope"] == "all_activity"].sort_values("index", ignore_index=True)


def coverage_of(activity: Relation, population: Relation, icb: str, *, year: str) -> pd.DataFrame:
    """Return `ledger.coverage` of one ICB: setting, coverage_pct; without rows where no population is held."""
    if not population.count():
        return pd.DataFrame(columns=["setting", "coverage_pct"], dtype=float)
    # Only this ICB's rows are counted; the months are those of all areas, so that one with fewer is seen to lack some.
    sql = "SELECT a.* FROM activity AS a JOIN one AS o ON o.icb_code = a.icb_code"
    ours = activity.engine.view("ours", sql, {"activity": activity, "one": pd.DataFrame({"icb_code": [icb]})})
    table = coverage(ours, population, year=year, months=months_held(activity, year))
    return table.loc[table["icb_code"] == icb, ["setting", "coverage_pct"]]


def hexagons(costs: pd.DataFrame) -> pd.DataFrame:
    """Return the ICBs' places on the hexagon map (q across, r up; odd rows half a step right) with their cost index.

    ICBs that are not among the 42 of the map have no place and come last.
    """
    places = pd.read_csv(paths.reference() / "icb_hex.csv")[["icb_code", "q", "r"]]
    whole = costs[costs["setting"] == ALL].reindex(
        columns=["icb_code", "persons", "index", "index_lower_95", "index_upper_95"]
    )
    return places.merge(whole, on="icb_code", how="outer").sort_values(["r", "q"], ignore_index=True)
