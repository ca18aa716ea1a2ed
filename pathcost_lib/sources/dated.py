"""A dataset under the areas of one year: those that ended before it go to whoever took over, where that is settled.

The list of areas is dated (42 ICBs until March 2026, 36 from April), and an extract holds the codes of whenever
each row was written. A comparison needs one list: that of its year.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date

import pandas as pd

from pathcost_lib import paths
from pathcost_lib.codes import financial_year_bounds
from pathcost_lib.errors import InputError
from pathcost_lib.sources.dataset import Dataset
from pathcost_lib.sources.engine import Relation
from pathcost_lib.sources.quoting import quote_name, quote_value, quote_values
from pathcost_lib.sources.succession import icb_successions, successors_on

__all__ = ["not_there", "refuse_two_dates", "there_before", "under_codes_of"]


def under_codes_of(dataset: Dataset, year: str) -> Dataset:
    """Return the dataset with each area that ended before a year under the one that took it over.

    Activity, patients and providers follow a successor that took over the whole. Rows of an area that was split go
    where the patients table says that the person lives now; else they keep their code, and `not_there` names it.
    Population is shared out by the published shares, unless the table holds the successor's people of that year.

    Parameters
    ----------
    dataset : Dataset
    year : str
        Financial year; the areas are those of its first day.

    Returns
    -------
    Dataset
        The same where no area had ended before the year.
    """
    first, _ = financial_year_bounds(year)
    ended = _ended(dataset, first)
    if ended.empty:
        return dataset
    whole = ended[~ended["code"].duplicated(keep=False)]
    moved = dict(zip(whole["code"], whole["successor_code"], strict=True))
    tables = dict(dataset.tables)
    for name in {"activity", "patients", "organisations"} & tables.keys():
        tables[name] = _mapped(tables[name], moved)
    split = set(ended["code"]) - set(moved)
    if split and "patients" in tables and "activity" in tables:
        tables["activity"] = _by_home(tables["activity"], tables["patients"], split)
    if "population" in tables:
        tables["population"] = _shared_out(tables["population"], ended)
    return replace(dataset, tables=tables)


def not_there(dataset: Dataset, year: str) -> dict[str, str]:
    """Return the areas that had ended before a year or begin after it, by the extract's and the published dates."""
    first, last = financial_year_bounds(year)
    spans = _spans(dataset)
    reasons = {}
    for code, begins, ends in spans.itertuples(index=False):
        if pd.notna(ends) and ends < pd.Timestamp(first):
            reasons[str(code)] = f"ended on {ends.day} {ends:%B %Y}"
        elif pd.notna(begins) and begins > pd.Timestamp(last):
            reasons[str(code)] = f"begins on {begins.day} {begins:%B %Y}"
    return reasons


def refuse_two_dates(active: Iterable[str]) -> None:
    """Refuse areas of which one is the successor of another: the same people under codes of two dates.

    Raises
    ------
    InputError
        Naming each pair.
    """
    areas, moves = set(active), icb_successions()
    both = moves[
        moves["org_code"].isin(areas)
        & moves["successor_code"].isin(areas)
        & (moves["org_code"] != moves["successor_code"])
        # Who takes over may have been there all along, as Hampshire's board, which took a part of Frimley's over.
        & ~moves["successor_code"].isin(there_before(moves["valid_to"].min()))
    ]
    if len(both):
        pairs = ", ".join(f"{old} and {new}" for old, new in zip(both["org_code"], both["successor_code"], strict=True))
        raise InputError(
            f"Column icb_code holds codes of two dates in one year: {pairs}. Allowed: the codes of one date. "
            "Put all tables under the same codes first, with sources.follow."
        )


def _spans(dataset: Dataset) -> pd.DataFrame:
    """Return org_code, valid_from, valid_to of each ICB: those of the extract, held to the published list."""
    listed = pd.read_csv(paths.reference() / "icbs.csv", usecols=["icb_code", "valid_from", "valid_to"])
    parts = [listed.rename(columns={"icb_code": "org_code"})]
    if "organisations" in dataset:
        sql = "SELECT org_code, min(valid_from) AS valid_from, max(coalesce(valid_to, DATE '2199-12-31')) AS valid_to "
        own = dataset.organisations.query(f"{sql}FROM this WHERE kind = 'icb' GROUP BY org_code").to_pandas()
        parts.append(own)
    both = pd.concat(
        [part.assign(**{c: pd.to_datetime(part[c]) for c in ("valid_from", "valid_to")}) for part in parts]
    )
    return both.groupby("org_code", as_index=False).agg(valid_from=("valid_from", "max"), valid_to=("valid_to", "min"))


def there_before(day: date) -> set[str]:
    """Return the ICBs of the published list that were there on a day."""
    listed = pd.read_csv(paths.reference() / "icbs.csv", usecols=["icb_code", "valid_from"], parse_dates=["valid_from"])
    return set(listed.loc[listed["valid_from"] <= pd.Timestamp(day), "icb_code"])


def _ended(dataset: Dataset, day: date) -> pd.DataFrame:
    """Return code, successor_code, share of the areas that had ended before a day; the extract's word goes first."""
    moves = icb_successions()
    if "organisations" in dataset:
        sql = "SELECT org_code, valid_to, successor_code, successor_share FROM this WHERE kind = 'icb'"
        own = dataset.organisations.query(f"{sql} AND successor_code IS NOT NULL").to_pandas()
        moves = pd.concat([own, moves[~moves["org_code"].isin(own["org_code"])]]) if len(own) else moves
    moves = moves[moves["org_code"] != moves["successor_code"]]
    codes = sorted(set(moves.loc[pd.to_datetime(moves["valid_to"]) < pd.Timestamp(day), "org_code"]))
    return successors_on(moves, day, codes)


def _mapped(table: Relation, moved: Mapping[str, str]) -> Relation:
    if not moved:
        return table
    cases = " ".join(f"WHEN {quote_value(old)} THEN {quote_value(new)}" for old, new in sorted(moved.items()))
    # An ICB's own row keeps its code: it is what names the area that has ended.
    own = " AND kind NOT IN ('icb', 'region')" if "kind" in table.columns else ""
    code = (
        f"CASE WHEN icb_code IN ({quote_values(sorted(moved))}){own} THEN CASE icb_code {cases} END ELSE icb_code END"
    )
    return table.query(f"SELECT {_listed(table, code)} FROM this")


def _by_home(activity: Relation, patients: Relation, split: Iterable[str]) -> Relation:
    """Return activity, the rows of areas that were split under where their patient lives now."""
    gone = quote_values(sorted(split))
    homes = patients.query(
        f"SELECT patient_id, min(icb_code) AS home FROM this WHERE icb_code NOT IN ({gone}) GROUP BY patient_id"
    )
    code = f"CASE WHEN a.icb_code IN ({gone}) THEN coalesce(h.home, a.icb_code) ELSE a.icb_code END"
    sql = f"SELECT {_listed(activity, code, 'a.')} FROM this AS a LEFT JOIN homes AS h ON h.patient_id = a.patient_id"
    return activity.engine.view("activity", sql, {"this": activity, "homes": homes})


def _listed(table: Relation, code: str, prefix: str = "") -> str:
    return ", ".join(f"{code} AS icb_code" if c == "icb_code" else f"{prefix}{quote_name(c)}" for c in table.columns)


def _shared_out(population: Relation, ended: pd.DataFrame) -> Relation:
    """Return population with the people of areas that have ended under their successors, each person once."""
    before = there_before(icb_successions()["valid_to"].min())
    shares = ended.assign(is_new=(~ended["successor_code"].isin(before)).astype("int64"))
    steps: dict[str, Relation | pd.DataFrame] = {"this": population, "shares": shares}
    # Where a successor that is new has people of that year, the old code's are the same people: they are left out.
    there = (
        "SELECT DISTINCT s.code, p.year FROM shares AS s JOIN this AS p ON p.icb_code = s.successor_code "
        "WHERE s.is_new = 1"
    )
    known = population.engine.view("known", there, steps)
    sql = (
        "SELECT coalesce(s.successor_code, p.icb_code) AS icb_code, p.year, p.age, p.sex, p.variant, "
        "sum(p.persons * coalesce(s.share, 1.0)) AS persons FROM this AS p "
        "LEFT JOIN shares AS s ON s.code = p.icb_code "
        "LEFT JOIN known AS k ON k.code = p.icb_code AND k.year = p.year "
        "WHERE k.code IS NULL GROUP BY 1, 2, 3, 4, 5"
    )
    return population.engine.view("population", sql, steps | {"known": known})
