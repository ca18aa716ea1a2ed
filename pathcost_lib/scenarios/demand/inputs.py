"""What an outlook of demand starts from: one ICB's people, use by age, and cost; from a dataset or official figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from pathcost_lib import paths
from pathcost_lib.arguments import (
    as_list,
    no_gaps,
    number,
    number_list,
    numbers,
    one_row_each,
    refuse,
    require_columns,
    whole_numbers,
)
from pathcost_lib.codes import SETTINGS, financial_year_bounds, label
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.few import SMALLEST
from pathcost_lib.ledger import coverage
from pathcost_lib.sample.generate import SIZES
from pathcost_lib.sources import published
from pathcost_lib.sources.dataset import Dataset
from pathcost_lib.sources.engine import Relation
from pathcost_lib.sources.held import months_held
from pathcost_lib.sources.names import icb_codes
from pathcost_lib.sources.quoting import quote_value

__all__ = ["DemandInputs", "dataset_inputs", "official_growth", "official_inputs"]

_SQL = Path(__file__).with_name("inputs.sql")
_RATES = "icb_activity_rates_*.csv*"


@dataclass(frozen=True)
class DemandInputs:
    """One ICB's starting point.

    Attributes
    ----------
    people : DataFrame
        icb_code, year, age, sex, variant, persons.
    rates : DataFrame
        pod, age, sex, rate (yearly use a head).
    pods : DataFrame
        pod, service (in words), setting, contacts and, from a dataset, persons of the base year; cost_gbp,
        unit_cost_gbp (NaN: no cost), uncosted (contacts), reason where the POD is left out.
    coverage : DataFrame
        setting, coverage_pct, reason.
    actual : bool
        Whether contacts are what was recorded (rates are scaled to them), not what the rates give.
    note : str
        What must be said beside the numbers.
    reason : str
        Why nothing can be projected; empty if it can.

    Raises
    ------
    InputError
        Where no reason is given: if a table lacks a column or a number, holds a POD twice or a setting that is not one
        of `codes.SETTINGS`, rates and PODs do not go together, every POD is left out, or the coverage has a setting
        twice, or lacks one of the PODs or the reason of a missing figure; each by name.
    """

    icb: str
    base_year: int
    people: pd.DataFrame
    rates: pd.DataFrame
    pods: pd.DataFrame
    coverage: pd.DataFrame
    actual: bool
    note: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        if not self.reason:
            self._check()

    def only(self, pods: str | Iterable[str]) -> DemandInputs:
        """Return the starting point of these PODs alone; each must be one that can be projected."""
        wanted = as_list(pods)
        for pod in wanted:
            require_one_of(pod, self.pods.loc[self.pods["reason"] == "", "pod"], what="POD to project")
        rows, rates = self.pods["pod"].isin(wanted), self.rates["pod"].isin(wanted)
        return replace(self, pods=self.pods[rows], rates=self.rates[rates])

    @property
    def base_activity(self) -> pd.DataFrame | None:
        """What was recorded in the base year (icb_code, pod, activity); None where the rates alone give it."""
        if not self.actual:
            return None
        kept = self.pods.loc[self.pods["reason"] == "", ["pod", "contacts"]]
        return kept.rename(columns={"contacts": "activity"}).assign(icb_code=self.icb)

    def _check(self) -> None:
        """Refuse inputs of which a sum would forget a part without a word."""
        require_columns(self.people, ["year"], what="people of the outlook")
        whole_numbers(self.people, "year", [])
        require_columns(self.rates, ["pod"], what="rates of the outlook")
        pods = self.pods
        words, amounts = ["service", "setting", "reason"], ["contacts", "cost_gbp", "uncosted"]
        one_row_each(pods, ["pod"], [*words, *amounts, "unit_cost_gbp"], what="PODs of the outlook")
        no_gaps(pods, words, what="PODs of the outlook")
        for setting in pods["setting"]:
            require_one_of(setting, SETTINGS, what="Setting of the PODs")
        kept = pods[pods["reason"] == ""]
        if kept.empty:
            why = "; ".join(f"{reason} ({count})" for reason, count in pods["reason"].value_counts().items())
            raise InputError(f"Every POD of the outlook is left out, so nothing can be projected: {why}.")
        for amount in amounts:
            numbers(kept, amount, ["pod"])
        refuse(kept, ~kept["pod"].isin(self.rates["pod"]).to_numpy(), ["pod"], "A POD has no rate of use")
        strange = ~self.rates["pod"].isin(pods["pod"]).to_numpy()
        refuse(self.rates, strange, ["pod"], "A rate is of a POD not in `pods`")
        _check_coverage(self.coverage, kept)


def _check_coverage(covered: pd.DataFrame, kept: pd.DataFrame) -> None:
    """Refuse a coverage that would double a setting, or leave one without a figure and without a reason."""
    what = "coverage of the outlook"
    one_row_each(covered, ["setting"], ["coverage_pct", "reason"], what=what)
    no_gaps(covered, ["reason"], what=what)
    for setting in covered["setting"]:
        require_one_of(setting, SETTINGS, what="Setting of the coverage")
    refuse(kept, ~kept["setting"].isin(covered["setting"]).to_numpy(), ["setting"], "A setting has no row of coverage")
    numbers(covered[covered["coverage_pct"].notna() | (covered["reason"] == "")], "coverage_pct", ["setting"])


def dataset_inputs(dataset: Dataset, ledger: Relation, *, icb: str, year: str) -> DemandInputs:
    """Read an ICB's starting point from an extract.

    Parameters
    ----------
    dataset : Dataset
        Its tables population and patients are needed; without them the inputs say why nothing can be projected.
    ledger : Relation
        The ICB's activity of the year, costed.
    icb, year : str
        ODS code; financial year, whose mid-year population is that of the calendar year it starts in. Of a year that
        is held in part nothing is projected: seven months are no base year, and the inputs say which months there are
        (`sources.held.last_whole_year` gives the year to start from).

    Raises
    ------
    InputError
        If the year is not written like "2024-25" or the ICB has no activity in the data.
    """
    first, last = financial_year_bounds(year)
    missing = [name for name in ("population", "patients") if name not in dataset]
    nothing = pd.DataFrame()
    if missing:
        reason = f"The data hold no table of {' and none of '.join(missing)}, so growth cannot be projected."
        return DemandInputs(icb, first.year, nothing, nothing, nothing, nothing, actual=True, reason=reason)
    require_one_of(icb, icb_codes(dataset.activity), what="ICB")
    months = months_held(dataset.activity.query(f"SELECT * FROM this WHERE icb_code = {quote_value(icb)}"), year)
    if not months.is_whole:
        reason = f"{months.note} Nothing is projected from part of a year."
        return DemandInputs(icb, first.year, nothing, nothing, nothing, nothing, actual=True, reason=reason)
    settings = pd.DataFrame({"icb_code": [icb], "year": [first.year], "first_day": [first], "last_day": [last]})
    local = dataset.population.query(
        f"SELECT * FROM this WHERE icb_code = {quote_value(icb)} AND year >= {quote_value(first.year)}"
    )
    tables = {name: dataset.tables[name] for name in ("activity", "patients", "population")}
    steps = dataset.engine.run(_SQL, tables | {"ledger": ledger, "settings": settings})
    people = local.to_pandas()
    note = " ".join(part for part in (months.note, _sample_note(dataset)) if part)
    if people["year"].nunique() < 2:
        reason = f"The table of population holds no year after {first.year} for this ICB, so nothing can be projected."
        return DemandInputs(icb, first.year, people, nothing, nothing, nothing, True, note, reason)
    pods = steps["own"].to_pandas()
    grid = pd.MultiIndex.from_product(
        [pods["pod"], range(people["age"].max() + 1), ("female", "male")], names=["pod", "age", "sex"]
    )
    rates = steps["rates"].to_pandas().set_index(grid.names).reindex(grid, fill_value=0.0)
    pods["cost_gbp"] = pods["cost_pence"] / 100
    pods["unit_cost_gbp"] = pods["cost_gbp"] / pods["contacts"]
    pods["service"] = pods["pod"].map(label)
    pods["reason"] = ""
    now = people[(people["year"] == first.year) & (people["variant"] == "principal")].set_index(["age", "sex"])
    expected = (rates["rate"] * now["persons"]).groupby("pod").sum()  # rates by pod, age and sex; people by age and sex
    pods.loc[~(pods["pod"].map(expected) > 0), "reason"] = "use by age and sex is not known"
    pods.loc[(pods[["contacts", "persons"]] < SMALLEST).any(axis=1), "reason"] = "fewer than eight people"
    pods.loc[pods["cost_gbp"].isna(), "reason"] = "no contact has a cost"
    why = "; ".join(pods["reason"].drop_duplicates())
    reason = "" if (pods["reason"] == "").any() else f"No service of this ICB can be projected: {why}."
    covered = coverage(ledger, local, year=year)[["setting", "coverage_pct", "reason"]]
    return DemandInputs(icb, first.year, people, rates.reset_index(), pods, covered, True, note, reason)


def _sample_note(dataset: Dataset) -> str:
    if not dataset.invented:
        return ""
    share = 100 * SIZES["default"] / dataset.invented["people"]
    return f"The sample is invented and holds one in {share:,.0f} of England's people; pounds are on that scale."


def official_inputs(folder: Path | str, *, icb: str, base_year: int, price_base: str) -> DemandInputs:
    """Read an ICB's starting point from the published populations, variants and activity rates.

    Parameters
    ----------
    folder : Path or str
        Folder of publications, with `icb_population_projections` and `icb_lookups` in it.
    icb : str
        ODS code.
    base_year : int
        Calendar year; contacts are what the rates give for its population.
    price_base : str
        Financial year of the pounds: national unit costs of `data/reference/official_groups.csv`, moved by the GDP
        deflator.

    Raises
    ------
    InputError
        If the folder is no path, or a file is not laid out as expected.
    """
    codes = published.icb_codes(paths.folder(folder) / "icb_lookups" / "sub_icb_icb_region_lookup_2022.csv")
    require_one_of(icb, map(str, codes.values()), what="ICB")
    number(base_year, "base_year", whole=True)
    only = {"icb_code": [icb]}
    people = _projections(folder, "icb_population", "icb_population_by_age_sex_*.csv*", only)
    people = people[people["year"].ge(base_year) & people["variant"].ne("estimate")]
    if not people["year"].eq(base_year).any():
        raise InputError(f"The published projections hold no people of {base_year}.")
    rates = _projections(folder, "activity_rates", _RATES, only)
    rates = rates.drop(columns="rate").rename(columns={"activity_group": "pod", "smoothed_rate": "rate"})
    below = int((rates["rate"] < 0).sum())
    rates["rate"] = rates["rate"].clip(lower=0)
    reference = pd.read_csv(paths.reference() / "official_groups.csv").rename(columns={"activity_group": "pod"})
    index = pd.read_csv(paths.reference() / "price_index.csv").set_index("financial_year")["gdp_deflator"]
    require_one_of(price_base, index.index, what="Financial year of the pounds")
    pods = reference[["pod", "setting"]].assign(service=reference["label"], uncosted=0, reason="")
    pods["unit_cost_gbp"] = reference["unit_cost_gbp"] * index[price_base] / reference["financial_year"].map(index)
    now = people[(people["year"] == base_year) & (people["variant"] == "principal")]
    joined = rates.merge(now, on=["age", "sex"])
    pods["contacts"] = pods["pod"].map((joined["persons"] * joined["rate"]).groupby(joined["pod"]).sum())
    pods["cost_gbp"] = (pods["contacts"] * pods["unit_cost_gbp"]).fillna(0.0)
    no_coverage = (
        pods[["setting"]].drop_duplicates().assign(coverage_pct=float("nan"), reason="official rates, ages 18 and over")
    )
    note = "Official rates cover hospital care of people aged 18 and over; pounds are national unit costs."
    if below:
        note += f" {below} of the published rates are smoothed to below zero and are taken as zero."
    return DemandInputs(
        icb, base_year, people, rates[["pod", "age", "sex", "rate"]], pods, no_coverage, actual=False, note=note
    )


def official_growth(folder: Path | str, *, base_year: int, years: Sequence[int]) -> pd.DataFrame:
    """Return what population alone does to each activity group of every ICB, on the official figures.

    Parameters
    ----------
    folder : Path or str
        As in `official_inputs`.
    base_year, years : int, sequence of int
        Calendar years of the principal projection.

    Returns
    -------
    DataFrame
        icb_code, service, and `growth_<year>_pct`: expected contacts (people times use a head, summed over age and sex)
        of the year over those of the base year. Rates that smoothing has put below zero are taken as zero (3 of
        79,716 in the rates of 2022).

    Raises
    ------
    InputError
        If the folder is no path, a year is no whole number of the projection, or a file is not laid out as expected.
    """
    years = [int(number(year, "years", whole=True)) for year in number_list(years, "years")]
    people = _projections(folder, "icb_population", "icb_population_by_age_sex_*_principal.csv*")
    for year in (base_year, *years):
        require_one_of(str(year), people["year"].astype(str).unique(), what="Year of the published projection")
    people = people[people["variant"].eq("principal") & people["year"].isin([base_year, *years])]
    use = _projections(folder, "activity_rates", _RATES).rename(columns={"label": "service"})
    joined = people.merge(use, on=["icb_code", "age", "sex"])
    joined["contacts"] = joined["persons"] * joined["smoothed_rate"].clip(lower=0)
    contacts = joined.pivot_table(index=["icb_code", "service"], columns="year", values="contacts", aggfunc="sum")
    growth = 100 * (contacts[list(years)].div(contacts[base_year], axis=0) - 1)
    return growth.set_axis([f"growth_{year}_pct" for year in years], axis=1).reset_index()


def _projections(
    folder: Path | str, layout: str, pattern: str, only: dict[str, list[str]] | None = None
) -> pd.DataFrame:
    """Read every file of a pattern in the folder of projections, areas by their ODS code."""
    folder = paths.folder(folder)
    codes = published.icb_codes(folder / "icb_lookups" / "sub_icb_icb_region_lookup_2022.csv")
    files = sorted((folder / "icb_population_projections").glob(pattern))
    if not files:
        raise InputError(f"There is no {pattern} in {folder / 'icb_population_projections'}.")
    return pd.concat([published.read(layout, path, icbs=codes, only=only).table for path in files], ignore_index=True)
