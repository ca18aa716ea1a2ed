"""However a dataset is opened, SQL reads its own files only, and writes nothing outside the engine's folder."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from factories import make_tables, write_tables

import pathcost_lib
from pathcost_lib.errors import InputError
from pathcost_lib.intake.mapping import map_folder
from pathcost_lib.sources import Dataset, open_dataset
from pathcost_lib.sources.engine import Relation, connect

MAPPING = """
[[table]]
name = "patients"
file = "people.csv"
[table.columns]
patient_id = { from = "ID" }
icb_code = { constant = "QHL" }
birth_year = { constant = 1950 }
sex = { constant = "female" }
"""


def folder_of(place: Path) -> Path:
    return write_tables(place / "data", make_tables(patients=20))


def from_folder(place: Path) -> Relation:
    return open_dataset(folder_of(place)).patients


def remembered(place: Path) -> Relation:
    return open_dataset(folder_of(place), remember=True).patients


def in_a_file(place: Path) -> Relation:
    return open_dataset(folder_of(place), connect(f"duckdb:///{place / 'engine.db'}")).patients


def by_a_link(place: Path) -> Relation:
    (place / "linked").symlink_to(folder_of(place), target_is_directory=True)
    return open_dataset(place / "linked").patients


def from_csv(place: Path) -> Relation:
    (place / "csv").mkdir()
    make_tables(patients=20)["patients"].to_csv(place / "csv" / "patients.csv", index=False)
    return open_dataset(place / "csv").patients


def from_frames(_: Path) -> Relation:
    return Dataset.from_frames(make_tables(patients=20)).patients


def imported(place: Path) -> Relation:
    (place / "source").mkdir()
    (place / "source" / "people.csv").write_text("ID\n" + "\n".join(map(str, range(20))) + "\n", encoding="utf-8")
    (place / "m.toml").write_text(MAPPING, encoding="utf-8")
    return map_folder(place / "source", place / "m.toml").dataset.patients


WAYS = [from_folder, remembered, in_a_file, by_a_link, from_csv, from_frames, imported]

QUERIES = [
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM read_blob('{secret}')",
    "SELECT * FROM read_csv('{secret}', header = false)",
    "SELECT * FROM read_parquet('{parquet}')",
    "SELECT * FROM '{parquet}'",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM read_text('{spill}/../{name}/secret.txt')",
    "SELECT * FROM read_text('{spill}/link')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_text('https://example.org/x')",
    "SELECT getenv('HOME') AS home",
    "SELECT 1 AS one; COPY (SELECT 1) TO '{folder}/out.csv'",
    "SELECT 1 AS one); COPY (SELECT 1) TO '{folder}/out.csv'; --",
]

STATEMENTS = [
    "COPY (SELECT 1 AS one) TO '{folder}/out.csv'",
    "COPY (SELECT 1 AS one) TO '{folder}/out.parquet' (FORMAT parquet)",
    "ATTACH '{folder}/out.db' AS other",
    "EXPORT DATABASE '{folder}/out'",
    "IMPORT DATABASE '{folder}/out'",
    "INSTALL httpfs",
    "INSTALL httpfs FROM 'https://example.org'",
    "LOAD httpfs",
    "LOAD '{folder}/x.duckdb_extension'",
    "SET enable_external_access = true",
    "RESET enable_external_access",
    "SET allowed_directories = ['/']",
    "SET allowed_paths = ['/etc/passwd']",
    "SET temp_directory = '{folder}/elsewhere'",
    "SET log_query_path = '{folder}/out.log'",
]


@pytest.mark.end_to_end
@pytest.mark.parametrize("way", WAYS)
def test_sql_reads_and_writes_nothing_but_what_was_opened(tmp_path: Path, way: Callable[[Path], Relation]) -> None:
    people = way(tmp_path)
    engine = people.engine
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "secret.txt").write_text("SENTINEL")
    pq.write_table(pa.table({"one": [1]}), hidden / "other.parquet")
    spill = engine.spill  # type: ignore[attr-defined]
    (spill / "link").symlink_to(hidden / "secret.txt")
    words = {
        "secret": hidden / "secret.txt",
        "parquet": hidden / "other.parquet",
        "folder": hidden,
        "spill": spill,
        "name": hidden.relative_to(tmp_path),
    }
    before = sorted(hidden.iterdir())
    for sql in QUERIES:
        with pytest.raises(Exception, match=r"(?i)disabled|does not exist|one SELECT|syntax error") as raised:
            people.query(sql.format(**words)).to_arrow()
        assert "SENTINEL" not in str(raised.value)
    for sql in STATEMENTS:
        with pytest.raises(Exception, match=r"(?i)disabled|cannot"):
            engine.execute(sql.format(**words))
    with pytest.raises(InputError, match="closed to all files but those it was opened with"):
        engine.seal([hidden / "other.parquet"])
    assert sorted(hidden.iterdir()) == before
    # What an analyst does goes on working: SQL of one's own, a table of one's own, rows written by the library.
    mine = engine.register("mine", pd.DataFrame({"sex": ["female"], "weight": [2]}))
    joined = engine.view(
        "joined",
        "SELECT p.sex, ';' AS mark, sum(m.weight) AS n FROM p AS p JOIN m AS m ON p.sex = m.sex GROUP BY ALL",
        {"p": people, "m": mine},
    )
    assert joined.query("SELECT n, mark FROM this").to_pandas().n[0] > 0
    assert people.materialise().count() == people.count()
    out = people.write_parquet(tmp_path / "out" / "patients.parquet")
    assert pq.read_table(out).num_rows == people.count()


@pytest.mark.unit
def test_what_does_not_fit_in_memory_is_still_kept_in_the_engines_folder(tmp_path: Path) -> None:
    data = open_dataset(folder_of(tmp_path))
    data.engine.execute("SET memory_limit = '60MB'")
    wide = data.engine.view("wide", "SELECT range AS a, md5(CAST(range AS VARCHAR)) AS b FROM range(2000000)", {})
    assert wide.materialise().query("SELECT count(DISTINCT b) AS n FROM this").to_pandas().n[0] == 2_000_000
    assert any("storage" in path.name for path in data.engine.spill.iterdir())  # type: ignore[attr-defined]


def _opens(node: ast.AST) -> bool:
    """Say whether a piece of code opens an engine without saying which files it may read."""
    if not isinstance(node, ast.Call) or node.args or node.keywords:
        return False
    return getattr(node.func, "id", getattr(node.func, "attr", "")) == "connect"


@pytest.mark.unit
def test_no_engine_of_the_library_is_left_open() -> None:
    """Who opens one says which files it may read, or is one of the two doors that seal what they are given."""
    library = Path(pathcost_lib.__file__).parent
    left = {p.name for p in library.rglob("*.py") if any(map(_opens, ast.walk(ast.parse(p.read_text("utf-8")))))}
    assert left == {"dataset.py", "mapping.py"}
    for name in left:
        (path,) = library.rglob(name)
        text = path.read_text(encoding="utf-8")
        assert text.count("connect()") == text.count("engine.seal(")
    with pytest.raises(Exception, match=r"(?i)permission|not allowed|disabled"):
        connect(files=()).register("rows", pd.DataFrame({"n": [1]})).query(
            "SELECT * FROM read_csv('/etc/hostname')"
        ).count()
