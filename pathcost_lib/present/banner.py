"""The banner of every notebook: how much of the expected activity is held, and what the rest would cost."""

from __future__ import annotations

import pandas as pd

from pathcost_lib.codes import SETTINGS, financial_year_bounds
from pathcost_lib.ledger import cost_activity
from pathcost_lib.ledger.coverage import coverage_bounds
from pathcost_lib.present.disclosure import Disclosed, disclose
from pathcost_lib.present.display import message
from pathcost_lib.present.format import care, percent, say, short_pounds
from pathcost_lib.sources import Dataset
from pathcost_lib.sources.held import months_held
from pathcost_lib.sources.lacking import lacking
from pathcost_lib.sources.names import organisation_names, table_or_empty
from pathcost_lib.sources.quoting import quote_value

__all__ = ["coverage_banner", "coverage_line", "coverage_of_all", "coverage_of_one"]

#: Below this share of expected activity a difference may be no more than missing data.
LOW_COVERAGE = 80.0


def coverage_banner(dataset: Dataset, *, icb: str, year: str) -> None:
    """Show, by setting, what share of expected activity an area's data hold, and what they do without.

    What has no cost is named, and what both would add; then the tables and columns left out (`sources.lacking`).

    Call it once near the top of a notebook, in a cell tagged `pack`. Pounds are those of the year itself. The line is
    the same in every notebook of a pack, whose cover says it once.
    """
    called = organisation_names(table_or_empty(dataset, "organisations"))
    cells = coverage_of_one(coverage_of_all(dataset, year=year), icb)
    when = months_held(dataset.activity, year).period
    line = coverage_line(cells, area=called.get(icb, icb), year=when)
    lost = lacking(dataset, icb)
    message(" ".join([line, *lost]), unknown=[*_not_known(cells.frame), *lost])


def coverage_of_all(dataset: Dataset, *, year: str) -> pd.DataFrame:
    """Return `coverage_bounds` of the year's contacts, all areas: one pass over the rows of the year."""
    first, last = financial_year_bounds(year)
    where = f"start_date BETWEEN {quote_value(first)} AND {quote_value(last)}"
    rows = dataset.activity.query(f"SELECT * FROM this WHERE {where}")
    prices, providers, people = (table_or_empty(dataset, n) for n in ("unit_costs", "organisations", "population"))
    return coverage_bounds(cost_activity(rows, prices, providers, price_base=year), people, year=year)


def coverage_of_one(bounds: pd.DataFrame, icb: str) -> Disclosed:
    """Return one area's rows in the order of the settings, disclosed, with uncosted_pct (missing for 1 to 7 units)."""
    table = bounds[bounds["icb_code"] == icb].sort_values("setting", key=lambda s: s.map(SETTINGS.index))
    uncosted = table.pop("uncosted_units")
    table["uncosted_pct"] = 100 * uncosted / table["held_units"].clip(lower=1).where(~uncosted.between(1, 7))
    resting = ("held_units", "coverage_pct")
    return disclose(table, counts="held_units", exempt=[str(c) for c in table if c not in resting])


def coverage_line(cells: Disclosed, *, area: str, year: str) -> str:
    """Return the banner's words from `coverage_of_one`, with the reason where something cannot be computed.

    `year` is the financial year, or the months of it that the data hold.
    """
    table = cells.frame
    rated = table.dropna(subset=["coverage_pct"])
    parts = [f"Coverage, {area}, {year}. {_held(table)}", _uncosted(table)]
    low = [say(s) for s in rated.loc[rated["coverage_pct"] < LOW_COVERAGE, "setting"]]
    if low:
        parts.append(f"Cost is missing, and looks low, where the data cover little: {', '.join(low)}.")
    middle, least, most = (
        short_pounds(table[c].sum(), plus="") for c in ("added_gbp", "added_lower_gbp", "added_upper_gbp")
    )
    if table["added_gbp"].sum() >= 0.5:
        what = "what is missing or has no cost" if len(rated) else "what has no cost"
        # A share, not the total: settings are each rounded, so that their sum is not the total that 03 and 05 state.
        share = percent(100 * table["added_gbp"].sum() / table["cost_gbp"].sum(), 1)
        parts.append(f"With {what}, cost would be about {middle} ({share}) more.")
        parts.append(f"It is {least} at the unit costs of the cheapest area, {most} at those of the most expensive.")
    unknown = [say(s) for s in table.loc[table["reason"] != "", "setting"]]
    if unknown and len(rated):
        parts.append(f"Not all of that can be bounded in: {', '.join(unknown)}.")
    return " ".join(parts)


def _not_known(table: pd.DataFrame) -> list[str]:
    """Return what the coverage leaves unknown, in sentences for a board."""
    rated = table.dropna(subset=["coverage_pct"]).sort_values("coverage_pct")
    if rated.empty:
        return ["How much of the activity the data cover is not known, because they have no population of the year."]
    ends = [
        f"{percent(row['coverage_pct'])} ({care(row['setting'])})" for row in rated.iloc[[0, -1]].to_dict("records")
    ]
    lines = [f"The data cover {' to '.join(ends)} of the activity that we expect for these people."]
    low = [care(name) for name in rated.loc[rated["coverage_pct"] < LOW_COVERAGE, "setting"]]
    if low:
        lines.append(f"Cost is missing, and looks low, where the data cover little: {', '.join(low)}.")
    part = [care(name) for name in table.loc[table["uncosted_pct"] != 0, "setting"]]
    if part:
        lines.append(f"A part of the contacts has no cost: {', '.join(part)}.")
    return lines


def _held(table: pd.DataFrame) -> str:
    if table["coverage_pct"].isna().all():
        return "It is not computable, because the data have no population of the year to expect activity from."
    shares = _listed(table, "coverage_pct", "not known")
    return f"What the data cover of the activity that we expect from the population's age and sex: {shares}."


def _uncosted(table: pd.DataFrame) -> str:
    some = table[table["uncosted_pct"] != 0]
    if some.empty:
        return "All of it has a cost."
    return f"Without a cost: {_listed(some, 'uncosted_pct', 'a few')}."


def _listed(table: pd.DataFrame, column: str, absent: str) -> str:
    texts = [absent if pd.isna(p) else percent(p) if p >= 1 or p == 0 else "under 1%" for p in table[column]]
    return ", ".join(f"{say(name)} {words}" for name, words in zip(table["setting"], texts, strict=True))


def coverage_sentence(coverage: pd.DataFrame) -> str:
    """Return what share of expected activity the data cover, from the worst setting to the best."""
    known = coverage.dropna(subset=["coverage_pct"]) if "coverage_pct" in coverage else coverage.iloc[:0]
    if known.empty:
        return "Coverage is not computable: there is no population to expect activity from."
    ranked = known.sort_values("coverage_pct").to_dict("records")
    worst, best = ranked[0], ranked[-1]
    text = (
        f"The data cover {percent(worst['coverage_pct'])} ({say(worst['setting'])}) to {percent(best['coverage_pct'])} "
        f"({say(best['setting'])}) of the activity expected."
    )
    if worst["coverage_pct"] < LOW_COVERAGE:
        text += " Where they cover less, cost is missing too, and a lower cost may be no more than that."
    return text
