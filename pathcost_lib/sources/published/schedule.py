"""The national schedule of NHS costs as our table of unit costs, reconciled, with the rows that could not be used.

Source: NHS England, National Cost Collection. The schedule gives activity, unit cost and total cost by department and
currency. `departments.csv` says which point of delivery a department and currency are, or why they are none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pathcost_lib import paths
from pathcost_lib.codes import financial_year_bounds, label
from pathcost_lib.errors import InputError
from pathcost_lib.results import Result
from pathcost_lib.sources.engine import Engine, Relation, connect
from pathcost_lib.sources.published.reader import layouts, load, read

__all__ = ["Schedule", "read_schedule"]

_HERE = Path(__file__).parent
#: As `schedule.sql` says it.
_UNKNOWN = "department is not in departments.csv"
_SHARES = ["fixed_share", "semi_fixed_share", "variable_share"]

#: Where no behaviour is known: half fixed and half variable, as in the worked case of Brown (HFMA, March 2018), in
#: which £1.0m less paid leaves £0.5m of cost behind.
_HALF = dict(zip(_SHARES, (0.5, 0.0, 0.5), strict=True))


@dataclass(frozen=True)
class Schedule(Result):
    """A national schedule read.

    `.unit_costs` (also `.table`) is our table. Currency "*" is the mean of the POD's currencies, weighted by activity:
    a proxy. The unit of admitted care is "fce": the schedule costs finished consultant episodes, and a spell may hold
    several. `.totals` has a row per department, against the published totals. `.pods` has a row per point of delivery,
    each pound once (A&E departments are not told apart: one cost prices both kinds, and counts under ae_type1).
    `.unused` has each row that could not be used, with its reason. `.unpriced` names the points of delivery that such a
    schedule prices and this file does not: a copy without a sheet leaves all outpatients without a price, say.
    `unit_cost_rounding_gbp` and `rounding_gbp` are
    activity times unit cost, less cost: what rounding to four decimals leaves.
    """

    file: str
    totals: pd.DataFrame
    pods: pd.DataFrame
    unused: pd.DataFrame
    unpriced: tuple[str, ...] = ()

    @property
    def unknown_departments(self) -> pd.Series:
        """Cost in pounds of each department that `departments.csv` does not know, the largest first."""
        unknown = self.unused[self.unused["reason"] == _UNKNOWN]
        return unknown.groupby("department")["cost_gbp"].sum().sort_values(ascending=False)

    @property
    def unit_costs(self) -> pd.DataFrame:
        """The table of unit costs."""
        return self.table

    @property
    def summary(self) -> str:
        """How much of the schedule became unit costs, and whether it agrees with the published totals."""
        rows = self.totals["rows"].sum()
        cost, used = (self.totals[name].sum() / 1e9 for name in ("cost_gbp", "used_gbp"))
        apart = self.totals["difference_gbp"].abs()
        agreed = (
            "no published totals were given"
            if apart.isna().all()
            else f"{(apart < 0.005).sum()} of {len(apart)} departments agree with the published totals to the penny"
        )
        return (
            f"{self.file}: {len(self.table):,} unit costs in {self.table['pod'].nunique()} points of delivery, from "
            f"{self.totals['rows_used'].sum():,} of {rows:,} rows and £{used:,.2f} billion of "
            f"£{cost:,.2f} billion; {len(self.unused):,} rows not used; {agreed}.{self._warnings}"
        )

    @property
    def _warnings(self) -> str:
        """What would leave activity without a price, in sentences that begin with a blank."""
        words = ""
        if self.unpriced:
            words += f" No price at all for {'; '.join(map(label, self.unpriced))}: is a sheet missing from the file?"
        unknown = self.unknown_departments
        if len(unknown):
            named = ", ".join(f"{name} (£{cost / 1e6:,.1f}m)" for name, cost in unknown.items())
            words += f" Departments that are not known, and not used: {named}."
        return words


def read_schedule(
    path: Path | str,
    *,
    totals: Path | str | None = None,
    behaviour: pd.DataFrame | None = None,
    financial_year: str | None = None,
    engine: Engine | None = None,
) -> Schedule:
    """Read a national schedule of NHS costs.

    Parameters
    ----------
    path : Path or str
        The schedule as CSV (`.gz` or not): department, currency, description, activity, unit cost, cost.
    totals : Path or str, optional
        Totals by department, to reconcile to.
    behaviour : DataFrame, optional
        pod, fixed_share, semi_fixed_share, variable_share; `data/reference/behaviour.csv` if not given, and half fixed,
        half variable where that file is not there.
    financial_year : str, optional
        Such as "2023-24"; taken from the file's name (2023_24) if not given.
    engine : Engine, optional
        A DuckDB engine; a new one if not given.

    Raises
    ------
    InputError
        If the columns are not the schedule's, the year is neither given nor in the file's name, or a point of delivery
        has no behaviour.
    """
    path = Path(path)
    engine = engine or connect(files=[path, *([totals] if totals else [])])
    steps = engine.run(
        _HERE / "schedule.sql",
        {
            "schedule": load("national_schedule", path, engine),
            "departments": pd.read_csv(_HERE / "departments.csv", dtype=str),
            "behaviour": _behaviour(behaviour),
            "settings": pd.DataFrame(
                {"financial_year": [_year(path, financial_year)], "title": [layouts()["national_schedule"]["title"]]}
            ),
        },
    )
    unit_costs = steps["unit_costs"].to_pandas()
    without = sorted(unit_costs.loc[unit_costs["fixed_share"].isna(), "pod"].unique())
    if without:
        raise InputError(f"The cost behaviour has no row for {', '.join(without)}. Each point of delivery needs one.")
    routed = pd.read_csv(_HERE / "departments.csv", dtype=str)["pod"].dropna().unique()
    return Schedule(
        unit_costs,
        unpriced=tuple(sorted({*routed} - {*unit_costs["pod"]})),
        file=path.name,
        totals=_against_published(steps["totals"], totals, engine),
        pods=steps["pods"].to_pandas(),
        unused=steps["unused"].to_pandas(),
    )


def _behaviour(given: pd.DataFrame | None) -> pd.DataFrame:
    reference = paths.reference() / "behaviour.csv"
    if given is None and reference.is_file():
        given = pd.read_csv(reference)
    if given is None:
        pods = pd.read_csv(_HERE / "departments.csv", dtype=str)["pod"].dropna().unique()
        return pd.DataFrame({"pod": pods}).assign(**_HALF)
    lacking = [name for name in ("pod", *_SHARES) if name not in given]
    if lacking:
        raise InputError(f"Cost behaviour: column {', '.join(lacking)} is missing.")
    return given[["pod", *_SHARES]]


def _year(path: Path, given: str | None) -> str:
    match = re.search(r"(20\d\d)[_-](\d\d)(?!\d)", path.name)
    year = given or (f"{match[1]}-{match[2]}" if match else None)
    if year is None:
        raise InputError(f"{path.name} does not say its financial year. Give financial_year, such as 2023-24.")
    financial_year_bounds(year)
    return year


def _against_published(ours: Relation, totals: Path | str | None, engine: Engine) -> pd.DataFrame:
    table = ours.to_pandas()
    published: dict[str, float] = {}
    if totals is not None:
        frame = read("department_totals", totals, engine=engine).table
        published = dict(zip(frame["department"], frame["cost"].astype(float).round(2), strict=True))
    table["published_cost_gbp"] = table["department"].map(published).astype(float)
    table["difference_gbp"] = (table["cost_gbp"] - table["published_cost_gbp"]).round(2)
    table["note"] = [
        "" if name in published else "no published total" if totals is not None else "no published totals given"
        for name in table["department"]
    ]
    return table
