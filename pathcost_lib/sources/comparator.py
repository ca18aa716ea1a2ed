"""Who takes part in a comparison, and what an area is compared with: all areas in the data, a region's, or a list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from pathcost_lib.codes import financial_year_bounds
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.sources.dataset import Dataset
from pathcost_lib.sources.dated import not_there, refuse_two_dates, under_codes_of
from pathcost_lib.sources.held import MonthsHeld, fewer_months, months_held
from pathcost_lib.sources.names import icb_codes, table_or_empty
from pathcost_lib.sources.quoting import quote_value, quote_values

__all__ = [
    "EVERYWHERE",
    "NO_OTHER",
    "Compared",
    "allowances",
    "areas_compared",
    "compared_with",
    "contacts_of",
    "named",
    "of_areas",
    "persons_of",
    "taking_part",
    "thin_areas",
]

EVERYWHERE = "England"
#: What areas of one's own choice are called.
CHOSEN = "the areas chosen"
#: Stands where a reference's name would, if there is nothing to compare with.
NO_OTHER = "no other area"
NO_DATA = "no data"
#: Contacts per head as a share of the median area's below which an area's data are taken to be incomplete. Use per head
#: of ICBs differs by a third or so either way; with half of it missing, whole settings or months are.
LEAST_OF_MEDIAN = 0.5
#: A reference of two areas is the area itself and one other.
FEWEST_AREAS = 3
#: What a guard lets through where it is named.
ALLOWANCES = ("few_areas", "index", "reference")


@dataclass(frozen=True, eq=False)
class Compared:
    """Who is compared with whom in a year.

    Attributes
    ----------
    icb, year : str
        The area itself, and the financial year.
    reference : str
        What the others together are called: "England", a region, or `NO_OTHER` where there is none.
    areas : tuple of str
        Areas that take part, the area itself among them.
    left_out : mapping of str to str
        Other areas that the tables name, and why they do not take part.
    whole : Dataset
        All tables under the year's codes.
    dataset : Dataset
        The same with the activity, people and outcomes of the areas that take part.
    """

    icb: str
    year: str
    reference: str
    areas: tuple[str, ...]
    left_out: Mapping[str, str]
    whole: Dataset
    dataset: Dataset

    @property
    def alone(self) -> bool:
        """Whether there is nothing to compare the area with."""
        return set(self.areas) <= {self.icb}

    @property
    def beside(self) -> str:
        """What a title says after the area's name: " beside England"; nothing where it stands alone."""
        return "" if self.alone else f" beside {self.reference}"

    @cached_property
    def months(self) -> MonthsHeld:
        """The months of the year that the area's own data hold."""
        mine = self.whole.activity.query(f"SELECT * FROM this WHERE icb_code = {quote_value(self.icb)}")
        return months_held(mine, self.year)

    @cached_property
    def fewer(self) -> dict[str, str]:
        """Areas that take part and lack months which others hold, with the months that they do hold."""
        return {} if self.alone else fewer_months(self.whole.activity, self.year, self.areas)

    @property
    def note(self) -> str:
        """What must be said of who is compared; empty where all areas of the tables are, and they are enough."""
        if self.alone and self.icb in self.left_out:
            return f"{self.icb} is compared with nothing: {self.left_out[self.icb]}."
        texts = []
        if self.alone:
            others = [why for why in self.left_out.values() if why != NO_DATA]
            kind = "enough activity to be compared" if others else "activity"
            texts.append(f"Only {self.icb} has {kind} in these data, so there is nothing to compare with.")
        elif len(self.areas) < FEWEST_AREAS:
            texts.append(
                f"Only {len(self.areas)} areas are compared ({', '.join(self.areas)}): the reference says little."
            )
        if self.reference == CHOSEN:
            texts.append(
                f"Compared with areas of your own choice: {', '.join(a for a in self.areas if a != self.icb)}."
            )
        for why in dict.fromkeys(self.left_out.values()):
            codes = [code for code, reason in self.left_out.items() if reason == why]
            if not (self.alone and why == NO_DATA):
                texts.append(f"Not compared: {named(codes)} ({why}).")
        return " ".join([*texts, self.fewer_note]).strip()

    @property
    def fewer_note(self) -> str:
        """Which areas hold fewer months than others; empty where none does."""
        if not self.fewer:
            return ""
        some = "; ".join(f"{area} ({words})" for area, words in list(self.fewer.items())[:3])
        more = f" and {len(self.fewer) - 3} more" if len(self.fewer) > 3 else ""
        return f"Fewer months than others have (they look cheap where all months count): {some}{more}."


def named(codes: Sequence[str]) -> str:
    """Return codes as they are listed in a sentence: five of them, and how many more there are."""
    return ", ".join(codes[:5]) + (f" and {len(codes) - 5} more" if len(codes) > 5 else "")


def areas_compared(active: Iterable[str], listed: Iterable[str]) -> list[str]:
    """Return the areas that take part in a comparison: listed in the population, with activity in the year.

    An area without activity has no data: it is left out, and never counts as one that costs nothing.

    Parameters
    ----------
    active : iterable of str
        Areas with activity in the year.
    listed : iterable of str
        Areas of the population table.

    Raises
    ------
    InputError
        If an area and its successor both have activity in the year: the same people under codes of two dates.
    """
    refuse_two_dates(active)
    return sorted(set(active) & set(listed))


def taking_part(dataset: Dataset, year: str) -> tuple[list[str], dict[str, str]]:
    """Return the areas that take part in the comparisons of a year, and why the others that the tables name do not.

    An area takes part if it was there in the year (by the extract's and the published dates), has activity that starts
    in it, and has at least `LEAST_OF_MEDIAN` of the contacts per head that the median area has.

    Parameters
    ----------
    dataset : Dataset
        Under the codes of the year (`dated.under_codes_of`). Without people of the year all areas with activity are
        taken to hold enough.
    year : str
        Financial year.

    Raises
    ------
    InputError
        If codes of two dates have activity in the year, or areas that had ended and were split have.
    """
    contacts, persons = contacts_of(dataset, year), persons_of(dataset, year)
    refuse_two_dates(contacts.index)
    gone = not_there(dataset, year)
    split = [f"{code} ({gone[code]})" for code in contacts.index if gone.get(code, "").startswith("ended")]
    if split:
        raise InputError(
            f"Rows of {year} bear codes of areas that were not there and have no one successor: {', '.join(split)}. "
            "Allowed: the codes of the year. Give these people the area that they live in now (patients, icb_code): "
            "their activity follows it."
        )
    left_out = {str(code): f"{gone[code]}, so not there in {year}" for code in contacts.index if code in gone}
    left_out |= {code: NO_DATA for code in persons.index if code not in contacts.index and code not in gone}
    left_out |= thin_areas((contacts / persons).drop(index=list(left_out), errors="ignore"))
    return [str(code) for code in contacts.index if code not in left_out], left_out


def contacts_of(dataset: Dataset, year: str) -> pd.Series:
    """Return the contacts that start in a financial year, by area."""
    first, last = financial_year_bounds(year)
    table = dataset.activity.query(
        "SELECT icb_code, count(*) AS contacts FROM this WHERE icb_code IS NOT NULL "
        f"AND start_date BETWEEN {quote_value(first)} AND {quote_value(last)} GROUP BY icb_code ORDER BY icb_code"
    ).to_pandas()
    return table.set_index("icb_code")["contacts"].astype(float)


def persons_of(dataset: Dataset, year: str) -> pd.Series:
    """Return people by area at the mid-year of a financial year, without rows where the tables hold none."""
    if "population" not in dataset:
        return pd.Series(dtype=float)
    first = financial_year_bounds(year)[0].year
    sql = "SELECT icb_code, sum(persons) AS persons FROM this WHERE variant = 'principal' AND icb_code IS NOT NULL "
    table = dataset.population.query(f"{sql}AND year = {quote_value(first)} GROUP BY icb_code").to_pandas()
    return table.set_index("icb_code")["persons"].astype(float)


def thin_areas(per_head: pd.Series) -> dict[str, str]:
    """Return the areas whose contacts per head are so few that their data must be incomplete, and the reason."""
    few = f"under {100 * LEAST_OF_MEDIAN:.0f}% of the contacts per head of the median area"
    shares = per_head.dropna() / per_head.dropna().median()
    return dict.fromkeys(map(str, shares.index[shares < LEAST_OF_MEDIAN]), few)


def compared_with(dataset: Dataset, reference: str, *, icb: str, year: str, allow: str = "") -> Compared:
    """Return who an area is compared with in a year: what they are called, and the dataset of their people.

    Parameters
    ----------
    dataset : Dataset
        With `organisations` where a region is asked for.
    reference : str
        "England": all areas that take part (`taking_part`). Else a region of the organisations, by name or code: those
        of its areas that do. Or codes of areas with commas between ("QOP,QUA"): those that do, and the area itself.
    icb, year : str
        ODS code of the area itself; financial year. The area must lie in the region, because each comparison sets a
        part beside the whole that holds it (`benchmark.pathway_cost.compare`).
    allow : str
        "few_areas" lets a reference of fewer than three areas pass (`allowances`).

    Raises
    ------
    InputError
        If the reference is no region of areas in the data, or one that the area does not lie in; if the area had ended
        before the year or begins after it; if two areas only are left and that is not allowed; each with what is.
    """
    allowed = allowances(allow)
    whole = under_codes_of(dataset, year)
    if "organisations" not in whole:  # codes then stand for names, and no provider is known to lie in an area
        whole = replace(whole, tables={**whole.tables, "organisations": table_or_empty(whole, "organisations")})
    active, left_out = taking_part(whole, year)
    gone = not_there(whole, year)
    if icb in gone:
        raise InputError(f"ICB {icb} {gone[icb]}, so not there in {year}. Allowed: {', '.join(active)}.")
    # An area whose own data are thin is shown alone: beside others it would look cheap.
    areas, name = (active if icb in active else [icb]), EVERYWHERE
    if reference != EVERYWHERE:
        named_areas = _of_list(reference, icb, areas) if "," in reference else None
        name, areas = named_areas or _of_region(_places(whole), reference, icb, areas)
        left_out = {code: why for code, why in left_out.items() if code == icb}
    if 1 < len(areas) < FEWEST_AREAS and "few_areas" not in allowed:
        raise InputError(
            f"{name} would be {len(areas)} areas only ({', '.join(areas)}), {icb} among them: a reference from fewer "
            f"than {FEWEST_AREAS} says little. The data may lack the rest. Add them, or go on with `--set "
            "allow=few_areas`."
        )
    name = NO_OTHER if set(areas) <= {icb} else name
    codes = set(icb_codes(whole.activity)) | set(left_out)
    narrowed = whole if reference == EVERYWHERE and codes <= set(areas) else of_areas(whole, areas)
    return Compared(icb, year, name, tuple(areas), left_out, whole, narrowed)


def allowances(text: str) -> set[str]:
    """Return what is let through by name: "few_areas", "index", "reference", with commas or blanks between.

    Raises
    ------
    InputError
        If a name is not known.
    """
    return {require_one_of(name, ALLOWANCES, what="allow") for name in text.replace(",", " ").split()}


def _of_list(reference: str, icb: str, active: Iterable[str]) -> tuple[str, list[str]]:
    """Return the areas that are named, the area itself with them, and what they are called."""
    codes = {code.strip() for code in reference.split(",") if code.strip()}
    for code in sorted(codes):
        require_one_of(code, active, what=f"Reference {reference!r}: area that takes part")
    return CHOSEN, sorted({*codes, icb} & set(active))


def _of_region(places: pd.DataFrame, reference: str, icb: str, active: Iterable[str]) -> tuple[str, list[str]]:
    regions = {name: code for code, name in zip(places["region_code"], places["region"], strict=True)}
    code = regions.get(reference, reference)
    require_one_of(code if code in set(places["region_code"]) else reference, _allowed(places), what="Reference")
    areas = sorted(set(places.loc[places["region_code"] == code, "icb_code"]))
    if icb not in areas:
        home = places[places["icb_code"] == icb]
        raise InputError(
            f"Reference {reference!r}: ICB {icb} is not in it, and an area is compared with a whole that holds it. "
            f"Allowed: {', '.join([EVERYWHERE, *sorted({*home['region'], *home['region_code']})])}."
        )
    name = str(places.loc[places["region_code"] == code, "region"].iloc[0])
    return name, [area for area in areas if area in set(active)]


def _places(dataset: Dataset) -> pd.DataFrame:
    """Return the areas that have activity, with the code and the latest name of their region."""
    blank = pd.DataFrame(columns=["icb_code", "region_code", "region"], dtype=str)
    if "organisations" not in dataset:
        return blank
    rows = dataset.organisations.query(
        "SELECT org_code, name, kind, region_code FROM this WHERE kind IN ('icb', 'region') ORDER BY valid_from"
    ).to_pandas()
    names = rows[rows["kind"] == "region"].drop_duplicates("org_code", keep="last").set_index("org_code")["name"]
    areas = rows[(rows["kind"] == "icb") & rows["org_code"].isin(icb_codes(dataset.activity))]
    areas = areas.dropna(subset=["region_code"]).drop_duplicates("org_code", keep="last")
    named = areas["region_code"].map(names).fillna(areas["region_code"])
    return pd.DataFrame({"icb_code": areas["org_code"], "region_code": areas["region_code"], "region": named})


def _allowed(places: pd.DataFrame) -> set[str]:
    return {EVERYWHERE, *places["region_code"], *places["region"]}


def of_areas(dataset: Dataset, areas: list[str]) -> Dataset:
    """Return the dataset with the people of some areas only."""
    tables = dict(dataset.tables)
    chosen = quote_values(areas)
    for name in ("activity", "patients", "population"):
        if name in tables:
            tables[name] = tables[name].query(f"SELECT * FROM this WHERE icb_code IN ({chosen})")
    if "outcomes" in tables and "patients" in tables:
        tables["outcomes"] = tables["outcomes"].having("patient_id", tables["patients"])
    return replace(dataset, tables=tables)
