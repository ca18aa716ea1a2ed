"""The order in which patients pass through settings: common variants, and what lies between one step and the next."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.pathways.link import Links
from pathcost_lib.pathways.summary import chosen_pathways
from pathcost_lib.results import Result
from pathcost_lib.sources.engine import Relation
from pathcost_lib.sources.held import MonthsHeld

__all__ = ["Flow", "flow", "flow_of"]

_SQL = Path(__file__).with_name("flow.sql")


@dataclass(frozen=True, eq=False)
class Flow(Result):
    """`table` one row an edge (from_step, to_step); `variants` one row a whole order of steps, commonest first."""

    variants: pd.DataFrame

    @property
    def summary(self) -> str:
        """How varied the order of steps is."""
        v = self.variants
        cases, first = int(v["cases"].sum()), v.iloc[0]
        alone = int((v["cases"] == 1).sum())
        return (
            f"{cases:,} pathways follow {len(v):,} different orders of steps; the commonest is that of "
            f"{100 * first['cases'] / cases:.0f}% ({first['variant']}); {alone:,} are followed once."
        )


def flow(
    links: Links,
    ledger: Relation,
    *,
    step: str = "setting",
    year: str | None = None,
    months: MonthsHeld | None = None,
    icb: str | None = None,
    collapse: bool = True,
    none_ok: bool = False,
) -> Flow:
    """Return the flow of linked pathways through a ledger column.

    Parameters
    ----------
    links : Links
        From `link`, of one pathway or several together.
    ledger : Relation
        The ledger that was linked.
    step : str
        What a step is: setting, pod, phase, provider_code.
    year : str, optional
        Only pathways whose window closes in this financial year. Always: only those whose window the data hold.
    months : MonthsHeld, optional
        As in `summarise`.
    icb : str, optional
        Only pathways of this ICB.
    collapse : bool
        The same step several times on end counts as one run.
    none_ok : bool
        Return tables without rows where no pathway is left.

    Returns
    -------
    Flow
        `.table`: from_step, to_step, passages (how often), cases (pathways), mean_days, median_days and p90_days (by
        nearest rank) between the last contact of one run and the first of the next, cost_gbp of the runs arrived at.
        `.variants`: variant ("Primary care > ..."), steps, cases, cost_gbp, mean_gbp, share_pct.

    Raises
    ------
    InputError
        If the column is not known or no pathway is left.

    Notes
    -----
    Contacts are ordered by day, then by activity_id: dates carry no time, so the order within a day is a convention.
    """
    require_one_of(step, ("setting", "pod", "phase", "provider_code"), what="Step")
    chosen = chosen_pathways(links, year, months, none_ok=none_ok)
    if icb is not None:
        of_icb = "SELECT c.* FROM chosen AS c JOIN one AS o ON o.icb_code = c.icb_code"
        chosen = ledger.engine.view("chosen", of_icb, {"chosen": chosen, "one": pd.DataFrame({"icb_code": [icb]})})
    events = ledger.engine.view(
        "events",
        f"SELECT k.pathway || ':' || CAST(k.pathway_id AS VARCHAR) AS case_id, k.{step} AS step, "
        "CAST(k.days_from_index AS DOUBLE) AS day, "
        "k.activity_id AS position, k.cost_pence FROM links AS k "
        "JOIN chosen AS p ON p.pathway = k.pathway AND p.pathway_id = k.pathway_id",
        {"links": links.links, "chosen": chosen},
    )
    return flow_of(events, collapse=collapse, none_ok=none_ok)


def flow_of(events: Relation, *, collapse: bool = True, none_ok: bool = False) -> Flow:
    """Return the flow of any event log: case_id, step, day (a number), position (order within a day), cost_pence.

    Raises
    ------
    InputError
        If the log is empty and that is not allowed, or a column is missing.
    """
    missing = {"case_id", "step", "day", "position", "cost_pence"} - set(events.columns)
    if missing:
        raise InputError(f"Event log: column {', '.join(sorted(missing))} is missing.")
    steps = events.engine.run(_SQL, {"events": events, "settings": pd.DataFrame({"collapse": [int(collapse)]})})
    variants = steps["variants"].to_pandas()
    if variants.empty and not none_ok:
        raise InputError("Event log: it holds no events.")
    edges = steps["edges"].to_pandas()
    edges["cost_gbp"] = edges.pop("cost_pence") / 100
    variants["cost_gbp"] = variants.pop("cost_pence") / 100
    variants["mean_gbp"] = variants["cost_gbp"] / variants["cases"]
    variants["share_pct"] = 100 * variants["cases"] / variants["cases"].sum()
    return Flow(edges, variants)
