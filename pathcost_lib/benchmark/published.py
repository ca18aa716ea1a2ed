"""An area beside published figures: what its contacts would cost at national prices, how many its people have.

For whoever holds one area's rows and nobody else's. A published figure says nothing of another area, so there is no
rank and no peer here; each row names what it is compared with.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

from pathcost_lib import paths
from pathcost_lib.benchmark.cost_index import contact_variance, cost_index
from pathcost_lib.codes import SETTINGS, financial_year_bounds, label
from pathcost_lib.ledger import cost_activity
from pathcost_lib.results import Result
from pathcost_lib.sources import Relation
from pathcost_lib.sources.held import MonthsHeld
from pathcost_lib.sources.quoting import quote_name, quote_value, quote_values

__all__ = ["Published", "beside_published"]

ALL = "all_settings"
#: How a source says that no publication stands behind a figure, or behind its ages.
_NOT_PUBLISHED, _AGES = "illustrative", "pattern: illustrative"
_INDEX = ["index", "index_lower_95", "index_upper_95"]
_PRICES = ["setting", "persons", "contacts", *_INDEX, "own_cost_pct", "source", "reason"]
_RATES = ["pod", "persons", "rate", "reference_rate", *_INDEX, "source", "reason"]


@dataclass(frozen=True, eq=False)
class Published(Result):
    """`table` is the cost of contacts beside national prices, by setting; `rates` the units of people, by POD.

    `table`: setting, persons and contacts in the comparison, index (100: the published price of the same contacts) with
    limits, own_cost_pct (share of the setting's cost that rests on the provider's own costs and has a published price),
    source, reason. `rates`: pod, persons, rate and reference_rate (units for 1,000 people of the area, as they are and
    as the published rates would have it at the area's age and sex), index (of the two) with limits, source, reason.
    """

    rates: pd.DataFrame

    @property
    def summary(self) -> str:
        """What all settings together cost beside the published prices."""
        row = self.table[self.table["setting"] == ALL]
        if not len(row) or row["index"].isna().all():
            return "No contact has both a cost of the provider's own and a published price."
        index, low, high = row[_INDEX].iloc[0]
        return f"100 pounds at published prices cost £{index:.0f} here (£{low:.0f} to £{high:.0f})."


def beside_published(
    ledger: Relation,
    unit_costs: Relation,
    organisations: Relation,
    population: Relation,
    *,
    icb: str,
    months: MonthsHeld,
    price_base: str,
    rates: pd.DataFrame | None = None,
) -> Published:
    """Compare one area's contacts with published prices and published rates of use.

    Parameters
    ----------
    ledger : Relation
        From `ledger.cost_activity`, with the market forces factor taken out ("adjust"); other areas' rows are passed
        over.
    unit_costs, organisations, population : Relation
        Tables of the dataset. Rows of `unit_costs` without a provider are the published prices, by their `source`; a
        source that says "illustrative" is none.
    icb : str
        Whose residents.
    months : MonthsHeld
        Contacts that start in these months; of part of a year the published rates are taken for that part.
    price_base : str
        That of the ledger.
    rates : DataFrame, optional
        Published units per head and year: setting, pod, age_from, age_to, sex ("all" for both),
        contacts_per_head_per_year, source; those of `data/reference/contacts_per_head.csv` if not given.

    Returns
    -------
    Published
        What a publication cannot support has no index, and the reason.

    Raises
    ------
    InputError
        As `ledger.cost_activity`.

    Notes
    -----
    Prices: `cost_index` by point of delivery and currency over the published unit cost of the same contact (NHS
    England, National Cost Collection Index). Only contacts that the provider costed itself count; the variance of a
    currency is that between contacts times their number.

    Rates: indirect standardisation, 100 x units over expected units. A person's units are not independent of each
    other: the variance of their sum is taken as the sum over people of squared units (a compound Poisson sum; Stukel et
    al., Statistics in Medicine 1994;13:1781), and limits are on the logarithm.

    Examples
    --------
    >>> import pathcost_lib as pc
    >>> from pathcost_lib import paths
    >>> from pathcost_lib.benchmark.published import beside_published
    >>> from pathcost_lib.sources.held import months_held
    >>> data = pc.open_dataset(paths.sample())
    >>> ledger = pc.cost_activity(data.activity, data.unit_costs, data.organisations, price_base="2024-25")
    >>> months = months_held(data.activity, "2024-25")
    >>> tables = data.unit_costs, data.organisations, data.population
    >>> one = beside_published(ledger, *tables, icb="QHL", months=months, price_base="2024-25")
    >>> one.table.columns[:3].tolist()
    ['setting', 'persons', 'contacts']
    """
    own = ledger.query(f"SELECT * FROM this WHERE icb_code = {quote_value(icb)}")
    listed = unit_costs.columns
    national = "WHERE provider_code IS NULL" if "provider_code" in listed else ""
    prices = unit_costs.query(f"SELECT * FROM this {national}")
    if "source" in listed:
        unlike = f"lower(coalesce(source, '')) NOT LIKE {quote_value(f'%{_NOT_PUBLISHED}%')}"
        prices = prices.query(f"SELECT * FROM this WHERE {unlike}")
    needed = ["activity_id", "patient_id", "start_date", "end_date", "setting", "pod", "currency_code", "provider_code"]
    needed += ["icb_code", "units", "length_of_stay_days"]
    columns = ", ".join(quote_name(c) for c in needed if c in own.columns)
    bare = own.query(f"SELECT {columns}, CAST(NULL AS BIGINT) AS recorded_cost_pence FROM this")
    priced = cost_activity(bare, prices, organisations, price_base=price_base)
    first, last = months.days
    settings = pd.DataFrame([{"first_day": first, "last_day": last}])
    steps = ledger.engine.run(
        Path(__file__).with_suffix(".sql"), {"ledger": own, "national": priced, "settings": settings}
    )
    table = _beside_prices(steps["prices"].to_pandas(), steps["whole"].to_pandas())
    table = table.merge(steps["people_priced"].to_pandas(), how="left", on="setting").fillna({"persons": 0})
    order = {setting: place for place, setting in enumerate((*SETTINGS, ALL))}
    table = table.sort_values("setting", key=lambda names: names.map(order), ignore_index=True)
    table["source"] = np.where(table["index"].notna(), _sources(prices, steps["prices"]), "")
    if rates is None:
        rates = pd.read_csv(paths.reference() / "contacts_per_head.csv")
    persons = population.query(
        f"SELECT age, sex, CAST(sum(persons) AS DOUBLE) AS persons FROM this WHERE icb_code = {quote_value(icb)} "
        f"AND year = {months.first:d} AND variant = 'principal' GROUP BY age, sex"
    ).to_pandas()
    use = _beside_rates(steps["had"].to_pandas(), persons, rates, months.year, (first, last))
    return Published(table[_PRICES], use)


def _sources(prices: Relation, rows: Relation) -> str:
    """Return the publications behind the prices that are used: of each what stands before its part."""
    if "source" not in prices.columns:
        return ""
    pods = quote_values(rows.query("SELECT DISTINCT pod FROM this").to_pandas()["pod"])
    texts = prices.query(
        f"SELECT DISTINCT source FROM this WHERE source IS NOT NULL AND currency_code <> '*' AND pod IN ({pods})"
    ).to_pandas()["source"]
    return "; ".join(sorted({str(text).split(":")[0] for text in texts}))


def _beside_prices(rows: pd.DataFrame, whole: pd.DataFrame) -> pd.DataFrame:
    """Return the index of each setting, and of all, over the published prices."""
    whole = pd.concat([whole, pd.DataFrame([{"setting": ALL, "whole_gbp": whole["whole_gbp"].sum()}])])
    nothing = "no contact has both a cost of the provider's own and a published price"
    if rows.empty:
        unknown = dict.fromkeys([*_INDEX, "own_cost_pct"], np.nan)
        return whole[["setting"]].assign(contacts=0, reason=nothing, **unknown)
    like = ["pod", "currency_code"]
    price = rows.assign(unit_cost=rows["national_gbp"] / rows["contacts"]).drop_duplicates(like)[[*like, "unit_cost"]]
    rows = rows.assign(variance=contact_variance(rows, like))
    rows = pd.concat([rows, rows.assign(setting=ALL)], ignore_index=True)
    table = cost_index(
        rows, by="setting", currency=like, activity="contacts", cost="cost_gbp", variance="variance", reference=price
    ).table
    table = table.rename(columns={"lower_95": _INDEX[1], "upper_95": _INDEX[2]})
    table["contacts"] = table["activity"].astype(int)
    table = whole.merge(table, how="left", on="setting")
    table["own_cost_pct"] = 100 * table["actual"] / table["whole_gbp"].where(table["whole_gbp"] > 0)
    return table.assign(
        contacts=table["contacts"].fillna(0).astype(int), reason=np.where(table["index"].isna(), nothing, "")
    ).drop(columns=["actual", "expected"])


def _beside_rates(
    had: pd.DataFrame, persons: pd.DataFrame, rates: pd.DataFrame, year: str, days: tuple[date, date]
) -> pd.DataFrame:
    """Return units for 1,000 people beside those that the published rates would have at the same age and sex."""
    first, last = financial_year_bounds(year)
    part = ((days[1] - days[0]).days + 1) / ((last - first).days + 1)
    expected = part * _at_rates(rates, persons)
    sources = rates.drop_duplicates("pod").set_index("pod")["source"] if "source" in rates else pd.Series(dtype=object)
    table = expected.rename("expected").reset_index().merge(had, how="left", on=["setting", "pod"])
    everyone = persons["persons"].sum()
    told = 1000 / everyone if everyone > 0 else np.nan
    table["rate"], table["reference_rate"] = table["units"] * told, table["expected"] * told
    table["index"] = 100 * table["units"] / table["expected"].where(table["expected"] > 0)
    half = norm.ppf(0.975) * np.sqrt(table["squares"]) / table["units"].where(table["units"] > 0)
    table[_INDEX[1]], table[_INDEX[2]] = table["index"] * np.exp(-half), table["index"] * np.exp(half)
    table["source"] = table["pod"].map(sources).fillna("").str.removeprefix("Derived. ")
    table["persons"] = table["persons"].fillna(0).astype(int)
    ages, none = table["source"].str.contains(_AGES, regex=False), table["units"].isna()
    england = _england()
    level = 1000 * part * _at_rates(rates, england) / england["persons"].sum()
    table["reference_rate"] = table["reference_rate"].where(~ages, level.to_numpy())
    nobody = np.full(len(table), not everyone > 0)
    why = np.select(
        [nobody, none, ages],
        [
            f"the population table holds nobody of the area in {year[:4]}",
            "the data hold none: missing is not zero",
            "published for people of all ages only: not compared at equal age and sex",
        ],
        "",
    )
    unlike = why != ""
    table.loc[unlike, _INDEX] = np.nan
    table.loc[none, "rate"] = np.nan
    return table.assign(reason=why, pod=table["pod"].map(label))[_RATES]


def _at_rates(rates: pd.DataFrame, persons: pd.DataFrame) -> pd.Series:
    """Return, by setting and POD, the units that people would have in a year at rates by age and sex."""
    if persons.empty:
        return rates.assign(units=0.0).groupby(["setting", "pod"], sort=False)["units"].sum()
    cells = rates.merge(persons, how="cross", suffixes=("_rate", ""))
    fits = cells["age"].between(cells["age_from"], cells["age_to"])
    fits &= cells["sex_rate"].isin(["all"]) | (cells["sex_rate"] == cells["sex"])
    cells["units"] = cells["persons"] * cells["contacts_per_head_per_year"].where(fits, 0.0)
    return cells.groupby(["setting", "pod"], sort=False)["units"].sum()


def _england() -> pd.DataFrame:
    """Return England's people by age and sex."""
    table = pd.read_csv(paths.reference() / "age_structure.csv")
    return table.melt("age", ["female", "male"], var_name="sex", value_name="persons")
