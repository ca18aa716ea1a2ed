"""No value enters SQL text but through `sources.quoting`: the library and the notebooks are read, not run."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathcost_lib.errors import InputError
from pathcost_lib.sources.engine import connect
from pathcost_lib.sources.quoting import quote_name, quote_value, quote_values

ROOT = Path(__file__).parents[2]
DOOR = {"quote_value", "quote_values", "quote_name"}
_SQL = re.compile(
    r"\b(SELECT|FROM|JOIN|WHERE|GROUP BY|ORDER BY|UNION ALL|CASE WHEN|CAST\(|TRY_CAST|COPY|read_\w+\(|CREATE OR|BETWEEN"
    r"|IS NOT NULL|IS NULL|IN \(|DATE '|count\(|sum\(|max\(|coalesce\(|regexp_\w+\(|starts_with\(|substr\(|FILTER)"
    r"|\b[a-z_]+ (=|<>|<=|>=|LIKE) '"
)
#: Words of ours that are no SQL have these in capitals only by chance: prose is told by where it goes.
_PROSE = {"InputError", "NotebookError", "Finding", "ValueError"}

#: Parts of statements that are not literals: each was read, and each is made from the library's own words (names of
#: columns in contracts, of steps in .sql files, numbers that are counted here), or from what has passed the door.
REVIEWED = {line for line in (Path(__file__).with_name("sql_parts.txt")).read_text().splitlines() if "\t" in line}


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / "pathcost_lib").rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "notebooks").rglob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
        yield path.relative_to(ROOT).as_posix(), ast.parse("\n".join(x for x in code.splitlines() if x[:1] not in "%!"))


def called(node: ast.AST) -> str:
    function = node.func if isinstance(node, ast.Call) else None
    return getattr(function, "id", getattr(function, "attr", ""))


def from_the_door(node: ast.expr) -> bool:
    """Whether an expression is a call of the door, or of map and join over nothing else."""
    if called(node) in DOOR or isinstance(node, ast.Constant):
        return True
    if called(node) == "join":
        (inside,) = node.args
        element = inside.elt if isinstance(inside, ast.GeneratorExp | ast.ListComp) else inside
        return from_the_door(element) or (called(inside) == "map" and getattr(inside.args[0], "id", "") in DOOR)
    return False


def prose(tree: ast.Module) -> set[int]:
    """Return the lines of what is said to people: arguments of errors."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        if called(node) in _PROSE:
            lines |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def faults(name: str, tree: ast.Module) -> Iterator[str]:
    """Yield the parts of SQL text that are neither literals, nor from the door, nor reviewed."""
    said = prose(tree)
    for node in ast.walk(tree):
        if getattr(node, "lineno", 0) in said:
            continue
        if isinstance(node, ast.JoinedStr):
            plain = "".join(v.value if isinstance(v, ast.Constant) else " " for v in node.values)
            if not _SQL.search(plain):
                continue
            before = ""
            for part in node.values:
                if isinstance(part, ast.Constant):
                    before += str(part.value)
                elif isinstance(part, ast.FormattedValue) and not from_the_door(part.value):
                    # Between quotation marks nothing is let through, reviewed or not.
                    mark = "IN QUOTES " if before.count("'") % 2 else ""
                    yield f"{name}\t{mark}{ast.unparse(part.value)}"
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
            texts = [n.value for n in (node.left, node.right) if isinstance(n, ast.Constant)]
            if any(isinstance(t, str) and _SQL.search(t) for t in texts):
                yield f"{name}\t{ast.unparse(node)}"
        elif called(node) == "format" and isinstance(node.func, ast.Attribute):
            yield f"{name}\t{ast.unparse(node)}"


@pytest.mark.unit
def test_no_value_enters_sql_text_outside_the_door():
    found = [fault for name, tree in sources() if not name.endswith("quoting.py") for fault in faults(name, tree)]
    assert len(found) > 100  # the reader sees the statements
    assert sorted({fault for fault in found if "IN QUOTES" in fault}) == []
    assert sorted({*found} - REVIEWED) == []
    assert sorted(REVIEWED - {*found}) == []  # nothing stays on the list that is no longer there


@pytest.mark.unit
@pytest.mark.parametrize(
    "code",
    [
        "engine.fetch(f\"SELECT * FROM t WHERE icb_code = '{icb}'\")",
        "where = f\"WHERE provider_code IN ('{code}')\"",
        "sql = f'SELECT {choice} FROM t'",
        "sql = 'SELECT * FROM t WHERE x = %s' % icb",
        "sql = 'SELECT * FROM t WHERE x = ' + icb",
        "sql = 'SELECT * FROM t WHERE x = {}'.format(icb)",
    ],
)
def test_the_reader_finds_every_way_of_making_text(code):
    assert set(faults("planted.py", ast.parse(code))) - REVIEWED


@pytest.mark.property
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40))
def test_a_quoted_value_comes_back_as_it_was_and_a_quoted_name_names_a_column(text):
    engine = ENGINE
    row = engine.fetch(f"SELECT {quote_value(text)} AS v")
    assert row["v"][0].as_py() == text
    assert engine.fetch(f"SELECT 1 AS {quote_name('c' + text)}").column_names == ["c" + text]


ENGINE = connect()


@pytest.mark.unit
def test_values_of_each_kind():
    listed = [None, True, 3, 2.5, date(2024, 4, 1), "a'b"]
    assert quote_values(listed) == "NULL, true, 3, 2.5, DATE '2024-04-01', 'a''b'"
    assert quote_values([]) == "NULL"
    for refused in ("a\0b", float("nan"), b"x", ["x"]):
        with pytest.raises(InputError):
            quote_value(refused)
