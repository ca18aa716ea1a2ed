"""Part of a year scaled to a whole one by the seasons of other years: only where that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from pathcost_lib.benchmark.icb_view import ALL, STRATA, Cells
from pathcost_lib.codes import financial_year_from, label
from pathcost_lib.few import SMALLEST
from pathcost_lib.pathways.link import Links
from pathcost_lib.sources.engine import Relation
from pathcost_lib.sources.held import MonthsHeld

__all__ = ["YearScale", "scaled", "year_scale"]


@dataclass(frozen=True)
class YearScale:
    """How part of a year is scaled to a whole one.

    Attributes
    ----------
    months : MonthsHeld
        The months that are scaled.
    settings : mapping of str to float
        By setting: a whole year's pounds over those of the months held, in other years.
    pathways : mapping of str to float
        By pathway: a whole year's pathways over those whose window closes in the months held. Missing where too few do.
    years : tuple of str
        Whole years that it rests on.
    reason : str
        Why nothing is scaled though that was asked for.
    """

    months: MonthsHeld
    settings: Mapping[str, float] = field(default_factory=dict)
    pathways: Mapping[str, float] = field(default_factory=dict)
    years: tuple[str, ...] = ()
    reason: str = ""

    @property
    def scales(self) -> bool:
        """Whether anything is scaled."""
        return bool(self.settings)

    @property
    def span(self) -> str:
        """What pounds are of, as it follows them: "a year" where they are scaled."""
        return "a year" if self.scales else self.months.span

    @property
    def period(self) -> str:
        """What a title names."""
        return f"{self.months.year}, scaled from {self.months.words}" if self.scales else self.months.period

    @property
    def note(self) -> str:
        """What a headline must say: that the year is held in part, that it is scaled, and by what."""
        if not self.scales:
            return f"{self.months.part_note} {self.reason}".strip()
        shares = ", ".join(f"{label(s)} {100 / factor:.0f}%" for s, factor in sorted(self.settings.items()))
        unknown = [label(name) for name, factor in self.pathways.items() if np.isnan(factor)]
        lacking = f" Not scaled and left out, for too few pathways close: {', '.join(unknown)}." if unknown else ""
        return (
            f"{self.months.part_note} Pounds and rates are scaled to a year, which is an estimate: "
            f"in {_and(self.years)} these months had of a year's cost: {shares}.{lacking}"
        )


def _and(words: tuple[str, ...]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def year_scale(ledger: Relation, links: Links, months: MonthsHeld, *, asked: bool) -> YearScale:
    """Return how the months held are scaled to a year: by the same months of the other years that are held whole.

    Parameters
    ----------
    ledger, links : Relation, Links
        Of all areas that are compared by rows: their seasons together count.
    months : MonthsHeld
        Months of the year that the area's data hold, by setting.
    asked : bool
        Whether scaling is asked for. Nothing is scaled else, nor where the year is whole.

    Returns
    -------
    YearScale
        With the reason where no other year of a setting is whole, or none of these months, or of the others, has eight
        people.

    Notes
    -----
    Ratio to the same months: sum over the whole years of a year's pounds over that of the months. No trend is taken
    out: growth within a year is in the ratio. Of pathways the index events of whole years count, by the calendar month
    in which their window closes, whether or not the data hold the whole of it.
    """
    if not asked or months.is_whole or not months.months:
        return YearScale(months)
    costs = ledger.query(
        "SELECT setting, year(start_date) AS y, month(start_date) AS m, "
        "CAST(count(DISTINCT patient_id) AS BIGINT) AS people, "
        "CAST(coalesce(sum(cost_pence), 0) AS BIGINT) AS amount FROM this "
        "WHERE setting IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    ).to_pandas()
    costs = costs.assign(first=costs["y"] - (costs["m"] < 4))
    settings, years = {}, set()
    for setting, listed in months.by_setting.items():
        rows = costs[costs["setting"] == setting]
        whole = _whole_years(rows, months.first)
        years |= whole
        settings[setting] = _factor(rows[rows["first"].isin(whole)], listed, "m")
    lacking = [label(setting) for setting, factor in settings.items() if np.isnan(factor)]
    if lacking:
        why = f"Not scaled to a year: no whole year with enough people is held of {', '.join(lacking)}."
        return YearScale(months, reason=why)
    started = links.pathways.query(
        "SELECT pathway, year(index_date) AS y, month(index_date) AS m, month(window_to) AS closes, "
        "CAST(count(*) AS BIGINT) AS amount FROM this GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
    ).to_pandas()
    started = started[(started["y"] - (started["m"] < 4)).isin(_whole_years(costs, months.first))]
    closing = started.groupby(["pathway", "closes"], as_index=False)["amount"].sum()
    closing["people"] = closing.groupby(["pathway", closing["closes"].isin({m.month for m in months.months})])[
        "amount"
    ].transform("sum")
    names = [d.name for d in links.definitions]
    pathways = {name: _factor(closing[closing["pathway"] == name], months.months, "closes") for name in names}
    whole_years = tuple(financial_year_from(first) for first in sorted(years))
    return YearScale(months, settings, pathways, whole_years)


def _whole_years(rows: pd.DataFrame, this: int) -> set[int]:
    """Return the other financial years, by the calendar year they start in, of which all twelve months are there."""
    number = rows[rows["first"] != this].groupby("first")["m"].nunique()
    return set(map(int, number.index[number == 12]))


def _factor(rows: pd.DataFrame, months: list[pd.Period], column: str) -> float:
    """Return a year's amount over that of some calendar months, missing where either part is of fewer than eight."""
    inside = rows[column].isin({month.month for month in months})
    part, rest = rows[inside], rows[~inside]
    # Of several months no fewer people than in the fullest of them.
    if not min(part["people"].max(), rest["people"].max()) >= SMALLEST or not part["amount"].sum() > 0:
        return float("nan")
    return float(rows["amount"].sum() / part["amount"].sum())


def scaled(cells: Cells, scale: YearScale) -> Cells:
    """Return an area's tables, and those it is compared with, as of a year: every area by the same factors.

    All settings together are the sum of the settings, as before. Counts stay those of the months held.
    """
    if not scale.scales:
        return cells
    keys = ["icb_code", *STRATA, "deprivation_decile"]
    money = ["cost_gbp", "variable_gbp"]
    parts, whole = (cells.costs[(cells.costs["setting"] == ALL) == every] for every in (False, True))
    factor = parts["setting"].map(scale.settings)
    squares = parts["squares"] * factor**2
    parts = parts.assign(**{c: parts[c] * factor for c in money}, squares=squares).dropna(subset="cost_gbp")
    sums = parts.groupby(keys, dropna=False, as_index=False)[money].sum()
    before = whole["cost_gbp"]
    whole = whole.drop(columns=money).merge(sums, how="left", on=keys).fillna(dict.fromkeys(money, 0.0))
    ratio = whole["cost_gbp"] / before.where(before > 0).to_numpy()
    whole["squares"] = whole["squares"] * ratio.fillna(0.0) ** 2
    pieces = cells.pieces.assign(cost_gbp=cells.pieces["cost_gbp"] * cells.pieces["pathway"].map(scale.pathways))
    tenths = cells.tenths
    if tenths is not None:
        both = cells.costs[cells.costs["setting"] == ALL].groupby("icb_code")["cost_gbp"].sum()
        times = tenths["icb_code"].map(whole.groupby("icb_code")["cost_gbp"].sum() / both)
        tenths = tenths.assign(cost_gbp=tenths["cost_gbp"] * times, variance=tenths["variance"] * times**2)
    return replace(
        cells,
        costs=pd.concat([parts, whole], ignore_index=True),
        pieces=pieces.dropna(subset="cost_gbp"),
        tenths=tenths,
        yearly=pd.DataFrame({"pathway": [*scale.pathways], "factor": [*scale.pathways.values()]}),
        condition_people=None,  # not scaled, so that nothing rests on them
        condition_costs=None,
    )
