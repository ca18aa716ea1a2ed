"""The expressions of a mapping: a small part of SQL that computes a value from a row, and can do nothing else.

An expression is parsed, every part of it is looked up in a list of what is allowed, and what runs is written anew from
the parts: nothing of the text itself reaches the engine. What is not on the list is refused by name.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pathcost_lib.errors import InputError

__all__ = ["check_query", "row_expression", "source_columns"]

_LONGEST = 10_000
_WIDEST = 1_000


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Parts of an expression that are no functions: sqlglot's names of them.
_PARTS = _words(
    """
    Column Identifier Literal Boolean Null Paren Neg Add Sub Mul Div IntDiv Mod EQ NEQ GT GTE LT LTE Is
    Between In Like ILike Not And Or Xor DPipe Case If Cast TryCast DataType DataTypeParam Tuple Array
    Interval Var Escape NullSafeEQ NullSafeNEQ
    """
)
#: Functions, as DuckDB names them: of text, of numbers, of dates.
_FUNCTIONS = _words(
    """
    abs ascii ceil ceiling chr coalesce concat concat_ws contains date_diff date_part date_sub date_trunc
    datediff datepart datetrunc day dayofmonth dayofweek dayofyear ends_with extract floor greatest hour
    ifnull instr isodow last_day lcase least left length lower lpad ltrim make_date minute month nullif
    position prefix quarter regexp_extract regexp_full_match regexp_matches regexp_replace replace reverse
    right round rpad rtrim second sign split_part starts_with strftime string_split strip_accents strlen
    strpos strptime substr substring suffix trim trunc try_strptime upper ucase week weekofyear year yearweek
    date to_days to_months to_years
    """
)
_TYPES = _words(
    """
    BIGINT INT SMALLINT TINYINT BOOLEAN DATE DECIMAL DOUBLE FLOAT TEXT VARCHAR TIMESTAMP TIMESTAMPNTZ TIME
    INTERVAL UINT UBIGINT INT128 HUGEINT
    """
)


def row_expression(sql: str, ours: Collection[str], where: str) -> str:
    """Return an expression written anew for the engine, each of their columns (`source.NAME`) as `__source.NAME`.

    Parameters
    ----------
    sql : str
        As it stands in the mapping.
    ours : collection of str
        Columns of our table, which it may read by name.
    where : str
        File, table and column, for the error.

    Raises
    ------
    InputError
        If it is not one expression over the row, in the functions allowed.
    """
    from sqlglot import exp

    tree = _parsed(sql, where)
    for node in tree.walk():
        if (why := _refused(node, {name.lower() for name in ours})) is not None:
            raise InputError(f"{where}: {why}")
    for column in tree.find_all(exp.Column):
        if column.table:
            column.set("table", exp.to_identifier("__source"))
    return str(tree.sql(dialect="duckdb", comments=False))


def source_columns(sql: str, where: str) -> list[str]:
    """Return their columns that an expression reads, in the order met."""
    from sqlglot import exp

    columns = [c.name for c in _parsed(sql, where).find_all(exp.Column, bfs=False) if c.table.lower() == "source"]
    return list(dict.fromkeys(columns))


def _parsed(sql: str, where: str) -> Any:
    import sqlglot

    if len(sql) > _LONGEST:
        raise InputError(f"{where}: an expression has {len(sql):,} characters. Allowed: {_LONGEST:,}.")
    try:
        select: Any
        (select,) = sqlglot.parse(f"SELECT ({sql}\n)", read="duckdb")
        if type(select).__name__ == "Select" and {k for k, v in select.args.items() if v} <= {"expressions", "kind"}:
            (expression,) = select.expressions
            if type(expression).__name__ == "Paren":
                return expression.this
    except (sqlglot.errors.SqlglotError, ValueError, RecursionError):
        pass
    raise InputError(f"{where}: this is not one SQL expression over a row, such as upper(source.NAME).")


def _refused(node: Any, ours: Collection[str]) -> str | None:
    """Return why a part of an expression is not allowed, or None where it is."""
    from sqlglot import exp

    kind = type(node).__name__
    if isinstance(node, exp.Column):
        return _wrong_column(node, ours)
    if isinstance(node, exp.DataType):
        name = node.this.name if hasattr(node.this, "name") else str(node.this)
        return None if name in _TYPES else f"the type {name.lower()} is not allowed. Allowed: text, number, date."
    if isinstance(node, exp.In) and (node.args.get("query") or node.args.get("unnest") or node.args.get("field")):
        return "a query inside an expression is not allowed. List the values: IN ('1', '2')."
    if kind in _PARTS:
        return None
    if isinstance(node, exp.Func):
        name = (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()
        names = {name, node.sql(dialect="duckdb").split("(")[0].lower()}
        if not names & _FUNCTIONS:
            return f"the function {min(names, key=len)} is not allowed. Allowed: {', '.join(sorted(_FUNCTIONS))}."
        return _too_wide(node) if names & {"lpad", "rpad"} else None
    words = {"Subquery": "a query", "Select": "a query", "Lambda": "a lambda", "Star": "a *", "Window": "a window"}
    return (
        f"{words.get(kind, kind)} inside an expression is not allowed. "
        "Allowed: columns, values, arithmetic, comparisons, CASE, CAST, functions of text and of dates."
    )


def _wrong_column(node: Any, ours: Collection[str]) -> str | None:
    if node.args.get("db") or node.args.get("catalog") or type(node.this).__name__ != "Identifier":
        return "a column is read as NAME (ours) or source.NAME (theirs), and in no other way."
    if node.table:
        return None if node.table.lower() == "source" else f"{node.table!r} is no table here: theirs is source."
    if node.name.lower() in ours:
        return None
    return f"there is no column {node.name!r} of ours; theirs are read as source.NAME."


def _too_wide(node: Any) -> str | None:
    parts = list(node.args.values())
    widths = [p for p in parts[1:2] if type(p).__name__ == "Literal" and p.name.isdigit() and int(p.name) <= _WIDEST]
    return None if widths else f"lpad and rpad need a number up to {_WIDEST:,} for the width."


# -- queries for a database --------------------------------------------------------------------------------------------

#: What reads or writes beyond the tables that a query names, in the databases that we know.
_REACHING = ("pg_", "lo_", "dblink", "xp_", "sp_", "open", "query_to_", "table_to_", "current_setting", "set_config")
_WRITES = {"Insert", "Update", "Delete", "Merge", "Create", "Drop", "Alter", "Command", "Into", "Copy", "Set", "Lock"}
_WRITES |= {"TruncateTable", "Execute", "Attach", "Use", "Transaction", "Commit", "Grant", "Pragma", "Kill"}


def check_query(sql: str, where: str) -> None:
    """Refuse a query that is anything but one SELECT of the tables of a database.

    Raises
    ------
    InputError
        If it holds another statement, or a function that reaches beyond the database.
    """
    import sqlglot
    from sqlglot import exp

    statements: list[Any] = []
    for dialect in ("postgres", "tsql", None):
        try:
            statements = sqlglot.parse(sql, read=dialect)
            break
        except (sqlglot.errors.SqlglotError, ValueError, RecursionError):
            continue
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise InputError(f"{where}: query must be one SELECT, and no other statement.")
    for node in statements[0].walk():
        if type(node).__name__ in _WRITES:
            raise InputError(f"{where}: query may only read; {type(node).__name__.upper()} is not allowed.")
        name = node.name.lower() if isinstance(node, exp.Anonymous | exp.Dot) else ""
        if name.startswith(_REACHING):
            raise InputError(f"{where}: the function {name} is not allowed in a query.")
