"""Files from others: each malicious one is refused in words, and nothing outside its folder is read or written."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from pathcost_lib import paths
from pathcost_lib.errors import InputError
from pathcost_lib.intake.expressions import check_query, row_expression
from pathcost_lib.intake.mapping import map_folder
from pathcost_lib.intake.mapping_file import read_mapping
from pathcost_lib.intake.pseudonyms import local_key
from pathcost_lib.packs.private import channel_folder
from pathcost_lib.pathways import load_definition
from pathcost_lib.scenarios import load_scenario
from pathcost_lib.sources import check, open_dataset
from pathcost_lib.sources.remember import Store

pytestmark = pytest.mark.unit
ROOT = Path(__file__).parents[2]

#: Expressions of a mapping that are programs.
EXPRESSIONS = [
    "(SELECT content FROM read_text('/etc/passwd'))",
    "(SELECT max(x) FROM read_csv('/etc/passwd') AS t(x))",
    "(SELECT 1 FROM 'CANARY')",
    "getvariable('pathcost_inner')",
    "hex(getvariable('pathcost_outer'))",
    "getenv('HOME')",
    "current_setting('temp_directory')",
    "x'; COPY (SELECT 1) TO 'CANARY'; --",
    "1); COPY (SELECT 1) TO 'CANARY' --",
    "1; ATTACH 'CANARY'",
    "1; INSTALL httpfs; LOAD httpfs",
    "1; SET enable_external_access = true",
    "1; PRAGMA database_list",
    "EXISTS (SELECT 1 FROM duckdb_secrets())",
    "source.A IN (SELECT 1)",
    "(WITH t AS (SELECT 1 AS x) SELECT x FROM t)",
    "count(*) OVER ()",
    "sum(units)",
    "list_transform([1], x -> x)",
    "lambda x: x",
    "repeat('x', 1000000000000)",
    "lpad('x', 1000000000, 'y')",
    "range(1000000000)",
    "nextval('s')",
    "query('SELECT 1')",
    "query_table('activity')",
    "glob('/*')",
    "read_blob('/etc/shadow')",
    "read_parquet('/etc/shadow')",
    "parse_path('/etc/shadow')",
    "current_user",
    "other.secret",
    "a.b.c.d",
    "not_a_column",
    "*",
    "COLUMNS('.*')",
    "$1",
    "?",
    "CAST('x' AS STRUCT(a INT))",
    "1 /* ) */ ) /* (",
    "random()",
    "now()",
    "(" * 3000 + "1" + ")" * 3000,
]

#: Tables of a mapping, whole.
TABLES = {
    "file above": 'file = "../secret.csv"',
    "file from the root": 'file = "/etc/passwd"',
    "file in a home": 'file = "~/x.csv"',
    "file of Windows": 'file = "C:\\\\x.csv"',
    "file above, Windows": 'file = "..\\\\secret.csv"',
    "file pattern above": 'file = "*/../../*.csv"',
    "a codec that is none": 'file = "a.csv"\nencoding = "zlib"',
    "a codec that turns": 'file = "a.csv"\nencoding = "rot13"',
    "a query that writes": 'connection = "X"\nquery = "DELETE FROM t"',
    "two queries": 'connection = "X"\nquery = "SELECT 1; DROP TABLE t"',
    "a query that reads files": 'connection = "X"\nquery = "SELECT pg_read_file(\'/etc/passwd\')"',
    "a query that runs": 'connection = "X"\nquery = "EXEC xp_cmdshell \'dir\'"',
    "a query into a table": 'connection = "X"\nquery = "SELECT * INTO other FROM t"',
}
COLUMNS = """
[table.columns]
icb_code = { constant = "QHL" }
year = { constant = 2024 }
age = { constant = 1 }
sex = { constant = "female" }
variant = { constant = "principal" }
persons = { constant = 1 }
"""

#: Pathways: what replaces a line of a sound one.
PATHWAYS = {
    "name that is SQL": ('name = "p"', "name = \"x'; COPY (SELECT 1) TO 'CANARY'; --\""),
    "name that is a path": ('name = "p"', 'name = "../../CANARY"'),
    "name that is a page": ('name = "p"', 'name = "<script>alert(1)</script>"'),
    "name that is a number": ('name = "p"', "name = 1"),
    "phase that is SQL": ('name = "all"', 'name = "a\' OR 1=1"'),
    "code that is SQL": ('["HN22E"]', "[\"HN22E' OR '1'='1\"]"),
    "deep": ('title = "t"', 'title = "t"\nx = ' + "[" * 5000 + "]" * 5000),
    "invisible": ('title = "t"', 'title = "t\\u202e"'),
    "huge number": ("after_days = 1", "after_days = 1" + "0" * 5000),
    "index that is text": ('[index]\ncurrency_code = ["HN22E"]', 'index = "x"'),
}
PATHWAY = """name = "p"
title = "t"
description = "d"
[index]
currency_code = ["HN22E"]
[window]
before_days = 0
after_days = 1
[[phase]]
name = "all"
from_day = 0
to_day = 1
"""


@pytest.mark.parametrize("sql", EXPRESSIONS, ids=lambda sql: sql[:40])
def test_an_expression_that_is_a_program_is_refused_by_name(sql):
    with pytest.raises(InputError) as refused:
        row_expression(sql, {"units", "start_date"}, "m.toml, table activity, column units")
    assert str(refused.value).startswith("m.toml, table activity, column units: ")


@pytest.mark.parametrize("name", ["getvariable", "read_text", "sum", "getenv"])
def test_the_refusal_names_the_function(name):
    with pytest.raises(InputError, match=name):
        row_expression(f"{name}(source.A)", {"units"}, "m.toml")


def test_what_is_allowed_is_written_anew():
    sql = row_expression('upper(source.A) || source."B C" -- \'', {"units"}, "m.toml")
    assert sql == 'UPPER(__source.A) || __source."B C"'
    check_query("SELECT a, count(*) FROM t JOIN u USING (a) GROUP BY a", "m.toml")


@pytest.mark.parametrize("name", TABLES)
def test_a_mapping_that_leaves_its_folder_or_writes_is_refused(tmp_path, name):
    path = tmp_path / "m.toml"
    path.write_text(f'[[table]]\nname = "population"\n{TABLES[name]}\n{COLUMNS}', encoding="utf-8")
    with pytest.raises(InputError, match=r"m\.toml"):
        read_mapping(path)


def test_a_link_that_leads_out_is_refused(tmp_path):
    (tmp_path / "secret.csv").write_text("A\n1\n", encoding="utf-8")
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "a.csv").symlink_to(tmp_path / "secret.csv")
    mapping = tmp_path / "m.toml"
    mapping.write_text(f'[[table]]\nname = "population"\nfile = "a.csv"\n{COLUMNS}', encoding="utf-8")
    with pytest.raises(InputError, match="leads out"):
        map_folder(folder, mapping)


@pytest.mark.parametrize("name", PATHWAYS)
def test_a_malicious_pathway_is_refused(tmp_path, name):
    path = tmp_path / "own.toml"
    sound, bad = PATHWAYS[name]
    path.write_text(PATHWAY, encoding="utf-8")
    assert load_definition(path).name == "p"
    path.write_text(PATHWAY.replace(sound, bad), encoding="utf-8")
    with pytest.raises(InputError, match=r"own\.toml"):
        load_definition(path)


@pytest.mark.parametrize(
    "old, new", [("provider_code = ", 'provider_code = "x\' OR 1=1" #'), ("name = ", 'name = "<b>" #')]
)
def test_a_malicious_scenario_is_refused(tmp_path, old, new):
    sources = sorted((ROOT / "data" / "scenarios").glob("*.toml"))
    text = next(t for t in (p.read_text(encoding="utf-8") for p in sources) if old in t)
    (tmp_path / "own.toml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=r"own\.toml"):
        load_scenario(tmp_path / "own.toml")


@pytest.mark.parametrize(
    "code", ["x'; COPY (SELECT 1) TO 'CANARY'; --", "Q\u202eHL", "=1+1", "<script>", "../..", "QHL\n", "A" * 13, ""]
)
@pytest.mark.parametrize("column", ["icb_code"])
def test_a_code_in_the_data_that_is_none_is_refused_and_not_printed(tmp_path, monkeypatch, code, column):
    monkeypatch.chdir(tmp_path)
    people = {"icb_code": ["QHL", "QHL"], "year": [2024, 2024], "age": [1, 2], "sex": ["female"] * 2}
    rows = pd.DataFrame({**people, "variant": ["principal"] * 2, "persons": [1.0, 2.0]})
    rows.loc[1, column] = code
    rows.to_parquet(tmp_path / "population.parquet")
    with pytest.raises(InputError, match=rf"population\.parquet, column {column}: 1 rows") as refused:
        check(open_dataset(tmp_path))
    assert not code or code not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["population.parquet"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root, to become another user")
def test_another_user_reads_neither_channels_nor_what_is_written(tmp_path):
    for part in (tmp_path, *tmp_path.parents):  # pytest's own folders are private already: open them for the test
        if "pytest" in str(part):
            part.chmod(0o755)
    before = os.umask(0o077)  # as the commands have it
    try:
        Store(tmp_path / "cache").put("ab", pa.table({"n": [1]}))
        local_key(tmp_path / "home" / "key")
        channels = channel_folder(tmp_path / "runtime")
        (channels / "s-1").touch()
        (paths.private_folder(tmp_path / "reports" / "2024-25") / "pack.html").touch()
    finally:
        os.umask(before)
    control = tmp_path / "control.txt"
    control.touch(mode=0o644)
    control.chmod(0o644)
    written = [p for p in tmp_path.rglob("*") if p.is_file() and p != control] + [channels / "s-1"]
    assert len(written) >= 4
    look = "import os, sys\nfor p in sys.argv[1:]: print('READ' if os.access(p, os.R_OK) else 'no')"

    def become():
        os.setgid(65534)
        os.setuid(65534)

    command = ["/usr/bin/python3", "-I", "-S", "-c", look, str(control), *map(str, written)]
    seen = subprocess.run(command, capture_output=True, text=True, preexec_fn=become, timeout=60)
    if seen.returncode or not seen.stdout.startswith("READ"):
        pytest.skip(f"another user cannot come as far as the folder here: {seen.stderr[-80:]}")
    assert seen.stdout.split()[1:] == ["no"] * len(written)
