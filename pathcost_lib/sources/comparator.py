"""What an area is compared with: all areas in the data, or those of a region."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

import pandas as pd

from pathcost_lib import paths
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.sources.dataset import Dataset
from pathcost_lib.sources.names import icb_codes
from pathcost_lib.sources.quoting import quote_values
from pathcost_lib.sources.succession import icb_successions

__all__ = ["EVERYWHERE", "areas_compared", "compared_with"]

EVERYWHERE = "England"


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
    areas = set(active)
    moves = icb_successions()
    both = moves[
        moves["org_code"].isin(areas)
        & moves["successor_code"].isin(areas)
        & (moves["org_code"] != moves["successor_code"])
        # Who takes over may have been there all along, as Hampshire's board, which took a part of Frimley's over.
        & ~moves["successor_code"].isin(_there_before(moves["valid_to"].min()))
    ]
    if len(both):
        pairs = ", ".join(f"{old} and {new}" for old, new in zip(both["org_code"], both["successor_code"], strict=True))
        raise InputError(
            f"Column icb_code holds codes of two dates in one year: {pairs}. Allowed: the codes of one date. "
            "Put all tables under the same codes first, with sources.follow."
        )
    return sorted(areas & set(listed))


def _there_before(day: date) -> set[str]:
    """Return the ICBs of the published list that were there on a day."""
    listed = pd.read_csv(paths.reference() / "icbs.csv", usecols=["icb_code", "valid_from"], parse_dates=["valid_from"])
    return set(listed.loc[listed["valid_from"] <= pd.Timestamp(day), "icb_code"])


def compared_with(dataset: Dataset, reference: str, *, icb: str) -> tuple[str, Dataset]:
    """Return what an area is compared with: what it is called, and the dataset of the people who live there.

    Parameters
    ----------
    dataset : Dataset
        With `organisations` where a region is asked for.
    reference : str
        "England": all areas in the data. Else a region of the organisations, by name or code: its areas.
    icb : str
        ODS code of the area itself. It must lie in the region, because each comparison sets a part beside the whole
        that holds it (`benchmark.pathway_cost.compare`).

    Returns
    -------
    str, Dataset
        The region's name, or "England"; the activity, patients, population and outcomes of its areas, with all prices,
        organisations and accounts.

    Raises
    ------
    InputError
        If the reference is no region of areas in the data, or one that the area does not lie in; with what is allowed.
    """
    if reference == EVERYWHERE:
        return reference, dataset
    places = _places(dataset)
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
    return str(places.loc[places["region_code"] == code, "region"].iloc[0]), _of_areas(dataset, areas)


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


def _of_areas(dataset: Dataset, areas: list[str]) -> Dataset:
    """Return the dataset with the people of some areas only."""
    tables = dict(dataset.tables)
    chosen = quote_values(areas)
    for name in ("activity", "patients", "population"):
        if name in tables:
            tables[name] = tables[name].query(f"SELECT * FROM this WHERE icb_code IN ({chosen})")
    if "outcomes" in tables and "patients" in tables:
        tables["outcomes"] = tables["outcomes"].having("patient_id", tables["patients"])
    return replace(dataset, tables=tables)
