"""Rules of `check` between tables: which areas one table has and another lacks, and codes of two dates in one year."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from pathcost_lib.sources.contracts import Rule
from pathcost_lib.sources.dated import there_before
from pathcost_lib.sources.engine import Relation
from pathcost_lib.sources.succession import icb_successions

__all__ = ["RULES_BETWEEN", "between_tables"]

_NO_DATA = Rule(
    "info",
    "icb_code",
    "area without activity",
    "",
    "Named as having no data; not compared, and never counted as one that costs nothing.",
)
_NO_PEOPLE = Rule(
    "warning",
    "icb_code",
    "area without people in population",
    "",
    "Kept and costed; left out of whatever is per person.",
)
_TWO_DATES = Rule(
    "warning",
    "icb_code",
    "codes of two dates in one year: an area and its successor",
    "",
    "From the year after the change they go to the successor; before it, comparisons stop.",
)
_NO_AREA = Rule(
    "info",
    "icb_code",
    "provider with activity that no area holds",
    "",
    "In no area's pack; compared among all providers.",
)
RULES_BETWEEN = (_NO_DATA, _NO_PEOPLE, _TWO_DATES, _NO_AREA)

_CONTACTS = (
    "SELECT icb_code, year(start_date) - CASE WHEN month(start_date) < 4 THEN 1 ELSE 0 END AS starts, count(*) AS held "
    "FROM this WHERE icb_code IS NOT NULL AND start_date IS NOT NULL GROUP BY 1, 2"
)


def between_tables(tables: Mapping[str, Relation]) -> Iterator[tuple[Rule, str, int, list[str]]]:
    """Yield each rule that some rows break, with the table, the number of rows, and the codes that break it."""
    if "activity" not in tables:
        return
    contacts = tables["activity"].query(_CONTACTS).to_pandas()
    rows = contacts.groupby("icb_code")["held"].sum()
    if "population" in tables:
        people = tables["population"].query("SELECT icb_code, count(*) AS held FROM this GROUP BY icb_code").to_pandas()
        persons = people.dropna(subset="icb_code").set_index("icb_code")["held"]
        yield from _found(_NO_DATA, "population", persons[~persons.index.isin(rows.index)])
        if len(persons):
            yield from _found(_NO_PEOPLE, "activity", rows[~rows.index.isin(persons.index)])
    moves = icb_successions()
    both = contacts.merge(moves, left_on="icb_code", right_on="org_code").merge(
        contacts[["icb_code", "starts"]], left_on=["successor_code", "starts"], right_on=["icb_code", "starts"]
    )
    # Who was there before the change is no code of another date: Hampshire took over a part of Frimley.
    new = both[~both["successor_code"].isin(there_before(moves["valid_to"].min()))].drop_duplicates(
        ["org_code", "starts"]
    )
    yield from _found(_TWO_DATES, "activity", new.groupby("org_code")["held"].sum())
    if "organisations" in tables:
        sql = (
            "SELECT a.provider_code, count(*) AS held FROM activity AS a JOIN (SELECT org_code, max(icb_code) AS area "
            "FROM this WHERE kind NOT IN ('icb', 'region') GROUP BY org_code) AS o ON o.org_code = a.provider_code "
            "WHERE o.area IS NULL GROUP BY a.provider_code"
        )
        view = tables["activity"].engine.view(
            "without_area", sql, {"activity": tables["activity"], "this": tables["organisations"]}
        )
        yield from _found(_NO_AREA, "organisations", view.to_pandas().set_index("provider_code")["held"])


def _found(rule: Rule, table: str, counts: pd.Series) -> Iterator[tuple[Rule, str, int, list[str]]]:
    if len(counts):
        # Of organisations the rows at fault are the organisations, not their contacts.
        many = len(counts) if table == "organisations" else int(counts.sum())
        yield rule, table, many, [str(code) for code in counts.index]
