"""The suite's SQL in the dialects of other platforms: which statements can be said there at all. None is run here."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlglot
from sqlglot import ErrorLevel, exp
from sqlglot.errors import SqlglotError

from pathcost_lib.sources.engine import parse_steps

LIBRARY = Path(__file__).parents[1] / "pathcost_lib"
STEPS = {f"{path.name}: {name}": sql for path in sorted(LIBRARY.rglob("*.sql")) for _, name, sql in parse_steps(path)}
#: T-SQL has no NULLS LAST, and a running sum or a position in the list of columns cannot be ordered otherwise.
NOT_IN_TSQL = {
    "check.sql: overlaps",
    "findings.sql: places",
    "flow.sql: numbered",
    "spells.sql: breaks",
    "spells.sql: chained",
    "spells.sql: followed",
    "spells.sql: numbered",
}


def said_in(dialect: str, sql: str) -> exp.Expression:
    """Return a statement as another dialect has it, read again by that dialect; refused if a part cannot be said."""
    (text,) = sqlglot.transpile(sql, read="duckdb", write=dialect, unsupported_level=ErrorLevel.RAISE)
    return sqlglot.parse_one(text, read=dialect)


@pytest.mark.unit
@pytest.mark.parametrize(("dialect", "cannot"), [("spark", set()), ("snowflake", set()), ("tsql", NOT_IN_TSQL)])
def test_every_step_can_be_said_in_the_dialect_but_those_that_are_named(dialect: str, cannot: set[str]):
    assert len(STEPS) > 120
    refused, lost = set(), []
    for name, sql in STEPS.items():
        try:
            there = said_in(dialect, sql)
        except SqlglotError:
            refused.add(name)
            continue
        here = sqlglot.parse_one(sql, read="duckdb")
        tables = [{table.name.lower() for table in tree.find_all(exp.Table)} for tree in (here, there)]
        lost += [name] if tables[0] != tables[1] else []
    assert (refused, lost) == (cannot, [])


@pytest.mark.unit
def test_a_part_that_cannot_be_said_is_found():
    with pytest.raises(SqlglotError):
        said_in("tsql", "SELECT a FROM t ORDER BY 1 NULLS LAST")
