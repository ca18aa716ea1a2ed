"""The ledger and its links as tables, so that analysts can ask them with the tools that they have: rows of patients."""

from __future__ import annotations

from pathlib import Path

from pathcost_lib.ledger import cost_activity
from pathcost_lib.pathways.definition import available, linked_with, load_definition
from pathcost_lib.pathways.link import Statement, link
from pathcost_lib.sources import names
from pathcost_lib.sources.dataset import open_dataset
from pathcost_lib.sources.write_back import require_place, write_tables

__all__ = ["LEDGER", "LINKS", "PATHWAYS", "write_ledger"]

#: What the tables are called, so that none of a platform's own is in their place.
LEDGER, LINKS, PATHWAYS = "pathcost_ledger", "pathcost_links", "pathcost_pathways"


def write_ledger(
    data: str | Path, to: str | Path, *, price_base: str, pathway: str = "", replace: bool = False
) -> Statement:
    """Cost every contact, link pathways, and write both, and the pathways, where they can be asked.

    Parameters
    ----------
    data : str or Path
        Address of the tables.
    to : str or Path
        Address to write to: a folder or DuckDB file for rows of one; a schema or store of the platform for its own.
    price_base : str
        Financial year of the pounds.
    pathway : str
        A pathway by name or TOML file, linked as packs link it; all that are shipped if not given.
    replace : bool
        Write in the place of tables that an earlier run has written.

    Returns
    -------
    Statement
        Where the ledger's pounds are: in the links, or outside all pathways.

    Raises
    ------
    InputError
        If rows would leave their platform, the tables are there already, or the data cannot be costed.
    """
    dataset = open_dataset(data)
    place = require_place(dataset, to)
    costed = cost_activity(
        dataset.activity, names.table_or_empty(dataset, "unit_costs"), dataset.organisations, price_base=price_base
    )
    definitions = linked_with(load_definition(pathway or available()[0]))
    linked = link(costed, definitions, patients=names.table_or_empty(dataset, "patients"))
    statement = linked.statement(costed)
    assert statement.difference_pence == 0, f"{statement.difference_pence} pence are neither in a pathway nor outside"
    write_tables({LEDGER: costed, LINKS: linked.links, PATHWAYS: linked.pathways}, place, replace=replace)
    return statement
