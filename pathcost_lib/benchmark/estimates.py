"""What every rate, ratio and mean returns, and the options that they share: few events, and repeated events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pathcost_lib.arguments import encode, numbers, refuse, require_columns
from pathcost_lib.errors import require_one_of
from pathcost_lib.intervals import EXACT_BELOW
from pathcost_lib.results import Result

__all__ = ["Estimates", "Keys", "Levels", "few_events_rule", "several_each", "withhold"]

Keys = str | Iterable[str] | None
Levels = float | Iterable[float]


@dataclass(frozen=True, eq=False)
class Estimates(Result):
    """One estimate a group, with limits, method and `reason` (empty where nothing needs saying)."""

    measure: str
    column: str = "value"
    note: str = ""

    @property
    def summary(self) -> str:
        """Say what was measured, over how many groups, and how many could not be computed."""
        values = self.table[self.column]
        spread = f", {values.min():,.4g} to {values.max():,.4g}" if values.notna().any() else ""
        lost = f"; {int(values.isna().sum())} not computable (see reason)" if values.isna().any() else ""
        return f"{self.measure}: {len(values):,} groups{spread}{lost}" + (f". {self.note}" if self.note else "")


def several_each(
    df: pd.DataFrame, keys: list[str], events: str, population: str, frequency: str | None
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return rows by key, their events, and the variance of the events.

    Parameters
    ----------
    df : DataFrame
        One row per key; with `frequency`, per key and number of events, the population the same in each row of a key.
    keys, events, population : list of str, str
        Columns. With `frequency`, `events` counts the people who had that many events each.
    frequency : str or None
        Column of events a person (1, 2, 3 ...).

    Notes
    -----
    Events of different people are Poisson, so that the variance of a count is the count. Where a person has f events
    at once, n_f such people add f n_f events with variance f^2 n_f: what PHEindicatormethods 2.1 does for events that
    are not independent (`calculate_dsr`, read in its source; DSR chapter of the Fingertips technical guidance), and
    Stukel, Glynn, Fisher, Sharp, Lu-Yao and Wennberg, Statistics in Medicine 1994;13:1781.
    """
    if frequency is None:
        x = numbers(df, events, keys)
        return df, x, x
    named = [*keys, frequency]
    require_columns(df, [*named, events, population], what="rows by number of events")
    people, times = numbers(df, events, named), numbers(df, frequency, named, above=0)
    refuse(df, times != np.floor(times), named, f"{frequency} must be a whole number of events a person")
    refuse(df, df.duplicated(named, keep=False).to_numpy(), named, "Each number of events must be one row")
    numbers(df, population, named)
    code, cells = encode(df, keys)
    most, least = (getattr(df[population].groupby(code), name)().to_numpy(dtype=float) for name in ("max", "min"))
    refuse(cells, most != least, keys, f"{population} must be the same in every row of one group and stratum")
    rows = cells.assign(**{population: most})
    return rows, np.bincount(code, times * people, len(cells)), np.bincount(code, times**2 * people, len(cells))


def few_events_rule(rule: str) -> bool:
    """Return whether estimates of fewer than ten events are withheld ("withhold") or only marked ("mark")."""
    require_one_of(rule, ["mark", "withhold"], what="few_events")
    return rule == "withhold"


def withhold(table: pd.DataFrame, column: str, events: np.ndarray) -> pd.DataFrame:
    """Return a table without the values and limits that rest on fewer than ten events; the reason says so."""
    few = events < EXACT_BELOW
    hidden = [column, *(name for name in table.columns if str(name).startswith(("lower_", "upper_")))]
    table.loc[few, hidden] = np.nan
    table.loc[few & table["reason"].str.contains("events"), "reason"] += ": withheld"
    return table
