"""Split linked stays and weekly packages over the phases of their pathway by days."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd

from pathcost_lib.pathways.definition import phases_of
from pathcost_lib.pathways.link import Links
from pathcost_lib.sources.engine import Relation

__all__ = ["split_phases"]

_SQL = Path(__file__).with_name("phases.sql")


def split_phases(links: Links, ledger: Relation, *, as_of: date | None = None) -> Links:
    """Return the links with each row's cost in the phases that its days fall in, for `summarise` and `flow`.

    `link` puts a contact whole into the phase in which it starts: a phase then answers for what it sets going. Here a
    stay that begins in one phase and ends in the next costs both, by nights, as in `split_periods`. A row stays
    with the pathway in which it starts; its days after the window's last stay with the last phase.

    Parameters
    ----------
    links, ledger : Links, Relation
        From `link`, and what was linked.
    as_of : date, optional
        The day of the extract, for stays still open; the latest date in the ledger if not given.

    Returns
    -------
    Links
        The rows have days (in the phase) and days_in_all too; days_from_index is that of the piece. The pieces of a row
        sum to the row. A stay in two phases is a contact of each.
    """
    rows = ledger.origin or ledger
    phases = phases_of(links.definitions)
    last = ~phases["pathway"].duplicated(keep="last")
    inputs: dict[str, Relation | pd.DataFrame] = {
        "links": links.links,
        "dates": rows,
        "phases": phases.assign(to_day=phases["to_day"].mask(last, 1_000_000)),
        "settings": pd.DataFrame({"as_of": [as_of or rows.require_extent().last]}),
    }
    return replace(links, links=ledger.engine.run(_SQL, inputs)["links_by_day"])
