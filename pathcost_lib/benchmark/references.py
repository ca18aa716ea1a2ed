"""An area beside each reference that it could be compared with, so that nobody takes the convenient one unseen."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from pathcost_lib.benchmark.icb_view import ONE_AREA, Cells, cost_per_person, read
from pathcost_lib.benchmark.need import expected_cost_of, on_basis
from pathcost_lib.benchmark.part_year import YearScale, scaled
from pathcost_lib.benchmark.ranking import rank
from pathcost_lib.benchmark.two_part import TwoPartCost
from pathcost_lib.codes import year_before
from pathcost_lib.comparators.club import ALIKE, BEFORE, Club
from pathcost_lib.errors import InputError
from pathcost_lib.pathways.link import Links
from pathcost_lib.sources.comparator import allowances
from pathcost_lib.sources.engine import Relation
from pathcost_lib.sources.held import MonthsHeld, months_held
from pathcost_lib.sources.names import organisation_names
from pathcost_lib.sources.quoting import quote_value

__all__ = ["beside_year_before", "by_reference", "circles", "compared", "read_year_before"]

#: Areas below which a rank says nothing.
FEWEST_RANKED = 3
NO_YEAR_BEFORE = "the data do not have the same months of the year before"
TOO_FEW = "fewer than three areas, this one among them"
_LIMITS = ["difference_gbp", "difference_lower_95", "difference_upper_95", "index", "index_lower_95", "index_upper_95"]
_RANKS = ["rank", "rank_lower_95", "rank_upper_95"]
_COLUMNS = ["reference", "persons", "organisations", *_RANKS, "value_gbp", "reference_gbp", *_LIMITS, "reason"]


def read_year_before(
    ledger: Relation, links: Links, *, patients: Relation, population: Relation, who: Club, scale: YearScale
) -> Cells | None:
    """Return all areas in the same months of the year before; None where the data do not have them of this area.

    Parameters
    ----------
    ledger, links, patients, population
        As in `icb_view.read`: in the pounds of one year, whichever that is.
    who : Club
        Who is compared. People and cost alone are read, unless it is the area with its own year before.
    scale : YearScale
        What part of a year is scaled by: both years alike.
    """
    before, months = year_before(who.year), who.months
    own = who.whole.activity.query(f"SELECT * FROM this WHERE icb_code = {quote_value(who.icb)}")
    there = set(months_held(own, before).months)
    earlier = {setting: [month - 12 for month in listed] for setting, listed in months.by_setting.items()}
    if not there or not {month for listed in earlier.values() for month in listed} <= there:
        return None
    same = MonthsHeld(before, earlier)
    people, costs_only = {"patients": patients, "population": population}, not who.before
    cells = scaled(read(ledger, links, **people, year=before, months=same, costs_only=costs_only), scale)
    return cells if costs_only else replace(cells, counted=_whole_windows(links, own, who.icb, same.days[0]))


def _whole_windows(links: Links, own: Relation, icb: str, first: date) -> pd.DataFrame:
    """Return the pathways of which the data have the whole window of each that closes from a day on."""
    begins = pd.Timestamp(own.query("SELECT min(start_date) AS first FROM this").to_pandas()["first"].iloc[0])
    names = [
        d.name
        for d in links.definitions
        if begins <= pd.Timestamp(first) - pd.Timedelta(days=d.before_days + d.after_days)
    ]
    return pd.DataFrame({"icb_code": icb, "pathway": pd.Series(names, dtype=object)})


def compared(cells: Cells, before: Cells | None, who: Club) -> Cells:
    """Return the tables of the area and of what it is compared with, of those of all areas.

    Parameters
    ----------
    cells : Cells
        Of all areas that take part. Providers stay those of all: what they do has one average.
    before : Cells or None
        From `read_year_before`.
    who : Club

    Raises
    ------
    InputError
        If the area is to be compared with its own year before, and the data do not have that.
    """
    if who.everyone is None:
        return cells
    if not who.before:
        return _narrowed(cells, who.areas)
    if before is None or who.icb not in set(before.population["icb_code"]):
        raise InputError(
            f"Reference {BEFORE!r}: {NO_YEAR_BEFORE}, or not its people. "
            "Add them, or compare with England, the region, or peers."
        )
    return beside_year_before(cells, before, who.icb)


def beside_year_before(cells: Cells, before: Cells, icb: str) -> Cells:
    """Return one area's tables with those of its own year before as a second area, that stands apart (`Cells.apart`).

    A setting of which one of the two years has no contact is in no comparison, as between areas; nor is the rate of a
    pathway of which the data do not have all that close in the year before (`Cells.counted`).
    """
    both: dict[str, Any] = {}
    mine, theirs = _narrowed(cells, [icb]), _narrowed(before, [icb])
    for name, table in _tables(mine).items():
        other = _tables(theirs).get(name)
        both[name] = table if other is None else pd.concat([table, other.assign(icb_code=BEFORE)], ignore_index=True)
    names = sorted({*mine.events["pathway"], *theirs.events["pathway"]})
    counted = {icb: names, BEFORE: names if theirs.counted is None else [*theirs.counted["pathway"]]}
    rows = [(code, name) for code, known in counted.items() for name in known]
    both["counted"] = pd.DataFrame(rows, columns=["icb_code", "pathway"])
    return replace(mine, **both, apart=BEFORE)


def _narrowed(cells: Cells, areas: Collection[str]) -> Cells:
    some: dict[str, Any] = {
        name: t[t["icb_code"].isin(areas)].reset_index(drop=True) for name, t in _tables(cells).items()
    }
    return replace(cells, **some)


def _tables(cells: Cells) -> dict[str, pd.DataFrame]:
    """Return the tables that have rows of areas, by name."""
    tables = {field.name: getattr(cells, field.name) for field in fields(Cells)}
    return {name: t for name, t in tables.items() if isinstance(t, pd.DataFrame) and "icb_code" in t}


def circles(cells: Cells, who: Club, peers: pd.DataFrame) -> dict[str, list[str]]:
    """Return the references that an area could be compared with, by what they are called, and the areas of each.

    All areas that take part, those of the region, those most alike, and those chosen where that is none of these.
    None where only one takes part.

    Parameters
    ----------
    cells : Cells
        Of all areas that take part.
    who : Club
    peers : DataFrame
        From `icb_causes.peers`.
    """
    everyone = sorted(set(cells.population["icb_code"]))
    if len(everyone) < 2:  # one area alone is not England, nor its region
        return {}
    names = organisation_names(who.whole.organisations)
    rows = who.whole.organisations.query(
        "SELECT org_code, region_code FROM this WHERE kind = 'icb' ORDER BY valid_from"
    )
    region_of = rows.to_pandas().dropna().drop_duplicates("org_code", keep="last").set_index("org_code")["region_code"]
    called = "England" if who.others is None else who.reference
    areas_by_name = {called: everyone}
    region = region_of.get(who.icb)
    if region is not None:
        areas_by_name[names.get(region, str(region))] = [a for a in everyone if region_of.get(a) == region]
    if len(peers):
        areas_by_name[ALIKE] = sorted({who.icb, *peers.loc[peers["unit"] == who.icb, "peer"]})
    if not who.before and not who.alone:
        areas_by_name.setdefault(who.reference, [*who.areas])
    return areas_by_name


def by_reference(
    cells: Cells,
    before: Cells | None,
    icb: str,
    circles: Mapping[str, Collection[str]],
    *,
    basis: str,
    rng: np.random.Generator,
    allow: str = "",
) -> pd.DataFrame:
    """Return an area's rank and index among each of the references that it could be compared with, at equal need.

    Parameters
    ----------
    cells : Cells
        Of all areas that take part.
    before : Cells or None
        The same of the year before.
    icb : str
    circles : mapping of str to codes
        From `circles`.
    basis : str
        What is allowed for, one for all references (`need.most_allowed`).
    rng : numpy Generator
        For the intervals of the ranks.
    allow : str
        "few_areas" lets a reference of two areas through (`sources.compared_with`).

    Returns
    -------
    DataFrame
        reference, persons (of the area), organisations (areas compared, this one among them), rank (1 costs least) and
        its limits, value_gbp, reference_gbp, difference_gbp and index (the reference = 100) with their limits, reason.
        In the year before there is one area and no rank.

    Notes
    -----
    Each reference has a model of its own (`need.on_basis`), as if the analysis had asked for it: the row of the one
    that was asked for is that of the analysis. Ranks are of observed over expected cost (`ranking.rank`).
    """
    rows, fewest = [], FEWEST_RANKED - ("few_areas" in allowances(allow))
    for name, areas in circles.items():
        some = _narrowed(cells, areas)
        row: dict[str, object] = {"reference": name, "organisations": float(len(areas))}
        if len(areas) < fewest:
            rows.append(row | {"reason": TOO_FEW if len(areas) > 1 else ONE_AREA})
            continue
        costs = cost_per_person(some)
        model = expected_cost_of(some, costs, basis=basis)
        row |= on_basis(some, costs, icb, basis, model=model)
        rows.append(row | (_rank(model, icb, rng) if "index" in row else {}))
    row = {"reference": BEFORE, "reason": NO_YEAR_BEFORE}
    if before is not None:
        both = beside_year_before(cells, before, icb)
        row |= on_basis(both, cost_per_person(both), icb, basis)
    return pd.DataFrame([*rows, row], columns=_COLUMNS).astype(dict.fromkeys(_COLUMNS[1:-1], float))


def _rank(model: TwoPartCost | str, icb: str, rng: np.random.Generator) -> dict[str, float]:
    """Return how many areas are ranked by observed over expected cost, and the place of one with its limits."""
    table = pd.DataFrame() if isinstance(model, str) else model.compare("icb_code")
    if len(table) < FEWEST_RANKED:
        return {}
    table = table.assign(
        ratio=table["observed_gbp"] / table["expected_gbp"], se=table["se_gbp"] / table["expected_gbp"]
    )
    ranks = rank(table, by="icb_code", value="ratio", se="se", rng=rng).table.set_index("icb_code")
    place = ranks.loc[icb, ["rank", "lower_95", "upper_95"]].to_numpy(dtype=float)
    return {"organisations": float(len(ranks))} | dict(zip(_RANKS, map(float, place), strict=True))
