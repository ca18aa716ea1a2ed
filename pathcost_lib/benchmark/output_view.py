"""What notebook 09 shows: productivity of an area and its providers, and the share of care that is out of hospital."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pathcost_lib.benchmark.icb_view import OWN
from pathcost_lib.benchmark.input_prices import InputPrices, input_prices
from pathcost_lib.benchmark.productivity import NEUTRAL, productivity
from pathcost_lib.codes import SETTINGS, financial_year_bounds, year_before
from pathcost_lib.few import SMALLEST
from pathcost_lib.sources.engine import Relation
from pathcost_lib.sources.held import MonthsHeld
from pathcost_lib.sources.quoting import quote_values

__all__ = ["ALL_AREAS", "OUT_OF_HOSPITAL", "OutputCells", "left_shift", "productivity_table", "read"]

_SQL = Path(__file__).with_name("output_view.sql")
#: Settings out of hospital and in one. Not counted as either: ambulances and 111, which lead to one or away from it;
#: social care, whose packages begin once a quarter, so that no month has its own.
OUT_OF_HOSPITAL = ("primary_care", "community", "mental_health")
IN_HOSPITAL = ("emergency", "outpatient", "admitted")
#: Points of delivery of the settings out of hospital that are beds, and so are in one.
BEDS = ("mental_health_bed_day", "rehabilitation_day")
ALL_AREAS = "all areas"
#: Contacts in each period below which an index says nothing: half its size by chance.
FEWEST_CONTACTS = 100
FEW = f"fewer than {FEWEST_CONTACTS} contacts with a cost of the provider's own in one of the years"
_INDICES = [f"{name}_index" for name in ("activity", "mix", "output", "cost", "price", "input")]
_INDICES += ["index", "index_lower_95", "index_upper_95"]
_COLUMNS = ["kind", "whom", "contacts", "before_contacts", *_INDICES, "own_cost_pct", "reason"]
_NAMED = {"productivity_index": "index", "lower_95": "index_lower_95", "upper_95": "index_upper_95"}
_LIMITS = ["centre", "lower", "upper"]
_SPREAD = ["units_squared", "units_times_cost", "cost_squared"]


@dataclass(frozen=True, eq=False)
class OutputCells:
    """Small tables over all areas: `services`, `monthly`, `by_age` (of `output_view.sql`), and the two periods."""

    services: pd.DataFrame
    monthly: pd.DataFrame
    by_age: pd.DataFrame
    periods: tuple[str, str]


def read(ledger: Relation, patients: Relation, *, year: str, months: MonthsHeld) -> OutputCells:
    """Read the ledger of two years: those months of the year that are held, and the same of the year before.

    Parameters
    ----------
    ledger : Relation
        From `cost_activity`, at the prices of the year.
    patients : Relation
        May be empty: then nothing is known of ageing.
    year : str
    months : MonthsHeld
        Months of the year that the data hold.
    """
    before = year_before(year)
    there = [(month.year, month.month) for month in months.months]
    rows = [(y - back, m, name, n) for n, back, name in ((0, 1, before), (1, 0, year)) for y, m in there]
    inputs: dict[str, Relation | pd.DataFrame] = {
        "ledger": ledger,
        "patients": patients,
        "calendar": pd.DataFrame(rows, columns=["y", "m", "period", "n"]).astype({"y": "int64", "m": "int64"}),
        "own": pd.DataFrame({"cost_basis": list(OWN)}),
    }
    steps = ledger.engine.run(_SQL, inputs)
    tables = {name: steps[name].to_pandas() for name in ("services", "monthly", "by_age")}
    tables = {name: t.assign(cost_gbp=t["cost_pence"] / 100) for name, t in tables.items()}
    return OutputCells(**tables, periods=(before, year))


def productivity_table(
    cells: OutputCells,
    icb: str,
    providers: Collection[str],
    prices: InputPrices | None = None,
    quality: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return productivity against the year before: of all areas, the area's residents, their settings, its providers.

    Parameters
    ----------
    cells : OutputCells
    icb : str
        ODS code.
    providers : collection of str
        The area's own.
    prices : InputPrices, optional
        By what inputs are deflated; the GDP deflator if not given.
    quality : DataFrame, optional
        period, index: by which output is adjusted (`input_prices.quality_index`).

    Returns
    -------
    DataFrame
        kind ("all", "area", "setting" or "provider"), whom, contacts, before_contacts, the indices of
        `benchmark.productivity` (100: the year before), index (of productivity) and its limits, own_cost_pct (share of
        the year's cost that is the provider's own; the rest stands at national prices, which know no productivity, and
        is left out), reason. Without rows where the year before is not held.

    Notes
    -----
    Inputs are deflated by the GDP deflator, as the ledger's prices are, or by pay and non-pay inflation
    (`input_prices`). Day cases and outpatient procedures of a currency share one price.

    Raises
    ------
    InputError
        If the prices lack one of the two years.
    """
    general = input_prices()
    index, prices = general.table.set_index("period")["index"], prices or general
    prices.require(cells.periods)
    every = cells.services.assign(service=cells.services["pod"].replace(NEUTRAL), everyone=ALL_AREAS)
    every = every.dropna(subset=["icb_code", "provider_code", "setting", "pod", "currency_code"])
    own = every[every["own"] == 1]
    if own["period"].nunique() < 2:
        return pd.DataFrame(columns=_COLUMNS)
    # The ledger is at the prices of the year, by the GDP deflator: the pounds of each period are those, moved back.
    moved = own["period"].map(index / index[cells.periods[1]])
    own = own.assign(
        gbp=own["cost_gbp"] * moved,
        units_times_cost=own["units_times_cost"] / 100 * moved,
        cost_squared=own["cost_squared"] / 1e4 * moved**2,
    )
    parts = []
    for kind, by in (("all", ["everyone"]), ("area", ["icb_code"]), ("setting", ["icb_code", "setting"]),
                     ("provider", ["provider_code"])):  # fmt: skip
        keys = [*by, "period", "service", "currency_code"]
        rows = own.groupby(keys, as_index=False)[["contacts", "units", "gbp", *_SPREAD]].sum()
        links = productivity(
            rows, by=by, period="period", currency="currency_code", within="service", activity="units", cost="gbp",
            deflator=prices.table, quality=quality, spread=_SPREAD,
        ).table.rename(columns=_NAMED)  # fmt: skip
        counts = rows.groupby([*by, "period"])["contacts"].sum().unstack(fill_value=0)  # noqa: PD010
        whole = every[every["period"] == cells.periods[1]].groupby(by)["cost_gbp"].sum()
        mine = own[own["period"] == cells.periods[1]].groupby(by)["cost_gbp"].sum()
        at = pd.MultiIndex.from_frame(links[by]) if len(by) > 1 else pd.Index(links[by[0]])
        links["before_contacts"], links["contacts"] = (counts[p].reindex(at).to_numpy() for p in cells.periods)
        links["own_cost_pct"] = (100 * mine / whole).reindex(at).to_numpy()
        parts.append(links.assign(kind=kind, whom=links[by[-1]]))
    table = pd.concat(parts, ignore_index=True)
    here = table["icb_code"].eq(icb) | (table["kind"] == "all") | table["provider_code"].isin(providers)
    table = table[here].reset_index(drop=True)
    few = table[["contacts", "before_contacts"]].min(axis=1) < FEWEST_CONTACTS
    table.loc[few, _INDICES] = np.nan
    table = table.assign(reason=table["reason"].mask(few, FEW))
    return table[~_told_by_the_rest(table)][_COLUMNS].reset_index(drop=True)


def _told_by_the_rest(table: pd.DataFrame) -> pd.Series:
    """Return the settings of one to seven contacts in a year, and the next fewest: the area less the rest tells."""
    settings = table[table["kind"] == "setting"]
    fewest = settings[["contacts", "before_contacts"]].where(lambda n: n > 0).min(axis=1).sort_values()
    hidden = fewest.index[fewest < SMALLEST]
    return table.index.to_series().isin(fewest.index[: max(2, len(hidden))] if len(hidden) else [])


def left_shift(cells: OutputCells, population: Relation, icb: str) -> pd.DataFrame:
    """Return by month how much of an area's care is out of hospital, and what ageing alone would make of the cost.

    Parameters
    ----------
    cells : OutputCells
    population : Relation
        May be empty.
    icb : str
        ODS code.

    Returns
    -------
    DataFrame
        month (as 2024-04), judged (in the year, not in the one before), contacts, cost_out_pct and contacts_out_pct (of
        the cost and contacts in and out of hospital), ageing_pct (the year before's share, moved by ageing alone;
        missing where the population is not known), centre, lower, upper and special_cause (empty: `variation.xmr` fills
        them). Without rows where the data have care of one kind only.

    Notes
    -----
    Ageing alone: the cost of each age and sex and setting of the year before, times the growth of the people of that
    age and sex from mid-year to mid-year.
    """
    rows = cells.monthly[(cells.monthly["icb_code"] == icb) & cells.monthly["setting"].isin(_COUNTED)]
    rows = rows.assign(out=_out(rows))
    columns = [
        "month",
        "judged",
        "contacts",
        "cost_out_pct",
        "contacts_out_pct",
        "ageing_pct",
        *_LIMITS,
        "special_cause",
    ]
    if rows["out"].nunique() < 2:
        return pd.DataFrame(columns=columns)
    whole = rows.groupby(["y", "m", "period"], as_index=False)[["contacts", "cost_gbp"]].sum()
    out = rows[rows["out"]].groupby(["y", "m", "period"], as_index=False)[["contacts", "cost_gbp"]].sum()
    table = whole.merge(out, how="left", on=["y", "m", "period"], suffixes=("", "_out")).fillna(0.0)
    table["month"] = [f"{y}-{m:02d}" for y, m in zip(table["y"], table["m"], strict=True)]
    table["judged"] = table["period"] == cells.periods[1]
    table["cost_out_pct"] = 100 * table["cost_gbp_out"] / table["cost_gbp"].where(table["cost_gbp"] > 0)
    table["contacts_out_pct"] = 100 * table["contacts_out"] / table["contacts"]
    before = table[~table["judged"]]
    start = 100 * before["cost_gbp_out"].sum() / before["cost_gbp"].sum() if len(before) else np.nan
    moved = _ageing(cells, population, icb)
    table["ageing_pct"] = np.where(table["judged"], start + moved, start) if np.isfinite(moved) else np.nan
    table = table.assign(**dict.fromkeys(_LIMITS, np.nan), special_cause=False)
    return table.sort_values("month", ignore_index=True)[columns]


def _out(rows: pd.DataFrame) -> pd.Series:
    return rows["setting"].isin(OUT_OF_HOSPITAL) & ~rows["pod"].isin(BEDS)


_COUNTED = [name for name in SETTINGS if name in (*OUT_OF_HOSPITAL, *IN_HOSPITAL)]


def _ageing(cells: OutputCells, population: Relation, icb: str) -> float:
    """Return by how many points ageing alone moves the share of the cost that is out of hospital."""
    first = financial_year_bounds(cells.periods[0])[0].year
    people = population.query(
        "SELECT icb_code, year, age // 5 * 5 AS age_from, sex, sum(persons) AS persons FROM this "
        f"WHERE variant = 'principal' AND year IN ({quote_values([first, first + 1])}) AND sex IN ('female', 'male') "
        "GROUP BY icb_code, year, age // 5 * 5, sex"
    ).to_pandas()
    people = people[people["icb_code"] == icb]
    if people["year"].nunique() < 2:
        return float("nan")
    by_year = people.set_index(["age_from", "sex", "year"])["persons"].unstack()  # noqa: PD010
    growth = (by_year[first + 1] / by_year[first]).rename("growth").reset_index()
    paid = cells.by_age[(cells.by_age["icb_code"] == icb) & cells.by_age["setting"].isin(_COUNTED)]
    paid = paid.merge(growth, on=["age_from", "sex"])
    out = _out(paid)
    if not paid["cost_gbp"].sum() > 0:
        return float("nan")
    grown = paid["cost_gbp"] * paid["growth"]
    return float(100 * (grown[out].sum() / grown.sum() - paid.loc[out, "cost_gbp"].sum() / paid["cost_gbp"].sum()))
