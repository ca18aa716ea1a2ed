"""One address for where the rows are: what is read, what is refused, and that a database gives what the folder does."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from factories import make_tables, write_tables
from test_cli import pathcost
from typer.testing import CliRunner

from pathcost_lib import packs, paths
from pathcost_lib.cli import app
from pathcost_lib.errors import InputError
from pathcost_lib.packs.attack import payloads_of
from pathcost_lib.packs.freshness import without_machine
from pathcost_lib.sources import check, connect, open_dataset
from pathcost_lib.sources.address import is_folder, parse
from pathcost_lib.sources.contracts import TABLES
from pathcost_lib.sources.write_back import require_place
from pathcost_lib.sources.write_back import write_tables as write_tables_to

ROOT = Path(__file__).parents[1]


def database(file: Path, folder: Path, *, views: bool = False, made: str = "") -> str:
    """Copy a folder of tables into a DuckDB file, where asked each behind a view, and return its address."""
    with duckdb.connect(str(file)) as connection:
        for name in TABLES:
            files = [str(path) for path in (folder / f"{name}.parquet", *(folder / name).rglob("*.parquet"))]
            files = [file for file in files if Path(file).is_file()]
            kept = f"rows_of_{name}" if views else name
            sql = f"CREATE TABLE {kept} AS SELECT * FROM read_parquet(?, hive_partitioning = false)"
            connection.execute(sql, [files])
            if views:
                connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {kept}")
        if made:
            connection.execute("CREATE TABLE sample AS SELECT ? AS about", [made])
    return f"duckdb:///{file}"


@pytest.mark.unit
@pytest.mark.parametrize(
    ("text", "engine", "schema", "name", "public"),
    [
        ("spark://h-1.nhs.uk:7077/nhs.costing", "spark://h-1.nhs.uk:7077", ("nhs", "costing"), "nhs.costing", "spark:///nhs.costing"),
        ("spark:///costing", "spark://", ("costing",), "costing", "spark:///costing"),
        ("spark://local[2]/costing", "local[2]", ("costing",), "costing", "spark:///costing"),
        ("sc://10.0.0.1:15002/nhs.costing", "sc://10.0.0.1:15002", ("nhs", "costing"), "nhs.costing", "sc:///nhs.costing"),
        ("abfss://c@nhs.dfs.core.windows.net/x/", "spark://", (), "abfss://c@nhs.dfs.core.windows.net/x", "abfss://c@nhs.dfs.core.windows.net/x"),
        ("s3://bucket/extract", "spark://", (), "s3://bucket/extract", "s3://bucket/extract"),
        ("duckdb:////data/own.db", "", ("main",), "own.db", "duckdb:///own.db"),
        ("duckdb:////data/own.db?schema=nhs", "", ("nhs",), "own.db (nhs)", "duckdb:///own.db"),
    ],
)  # fmt: skip
def test_an_address_says_where_and_by_what(text, engine, schema, name, public):
    address = parse(text)
    assert (address.engine, address.schema, address.name, address.public) == (engine, schema, name, public)
    assert parse(address.text) == address
    assert not is_folder(text)


@pytest.mark.unit
@pytest.mark.parametrize("text", ["data/own", "/data/own", r"C:\NHS data\own", "C:/NHS data/own", r"\\\\server\share"])
def test_a_folder_is_a_folder_on_every_system(text):
    assert parse(text).folder == Path(text) and is_folder(text)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("spark://h:7077", "a schema after the last /"),
        ("spark://h:7077/a.b.c", "a schema after the last /"),
        ("spark:///x'; DROP TABLE y", "password or token"),
        ("spark:///x'--", "a schema after the last /"),
        ("sc:///costing", "sc://host:port"),
        ("sc://h:443/;token=abc123", "password or token"),
        ("spark://user@h:7077/costing", "password or token"),
        ("s3://", "a folder on a store"),
        ("s3://key@bucket/x", "a folder on a store"),
        ("duckdb://own.db", "duckdb:///"),
        ("snowflake://account/db", "No data at snowflake://. Allowed: a folder, duckdb:///"),
    ],
)
def test_what_is_no_address_is_refused_with_what_is(text, said):
    with pytest.raises(InputError) as refused:
        open_dataset(text)
    assert said in str(refused.value)
    assert "abc123" not in str(refused.value)


@pytest.mark.unit
@pytest.mark.parametrize("views", [False, True])
@pytest.mark.parametrize("remember", [False, True])
def test_a_database_has_the_rows_and_findings_of_the_folder(tmp_path: Path, views: bool, remember: bool):
    folder = write_tables(tmp_path / "own", make_tables())
    stored = open_dataset(database(tmp_path / "own.db", folder, views=views), remember=remember)
    plain = open_dataset(folder)
    assert list(stored) == list(plain)
    for name in plain:
        pd.testing.assert_frame_equal(stored.tables[name].to_pandas(), plain.tables[name].to_pandas())
    one, other = check(plain), check(stored)
    pd.testing.assert_frame_equal(one.table.drop(columns="file"), other.table.drop(columns="file"))
    assert set(other.table["file"]) <= {f"own.db, table {name}" for name in TABLES}
    assert not stored.invented


@pytest.mark.unit
def test_what_is_wrong_in_a_database_names_file_table_and_column(tmp_path: Path):
    tables = make_tables()
    tables["activity"] = tables["activity"].astype({"units": str, "start_date": str}).drop(columns="pod")
    tables["patients"] = tables["patients"].iloc[:0]
    address = database(tmp_path / "own.db", write_tables(tmp_path / "own", tables))
    with pytest.raises(InputError, match=r"own\.db, table patients: the table has columns but no rows"):
        open_dataset(address)
    with duckdb.connect(str(tmp_path / "own.db")) as connection:
        connection.execute("DROP TABLE patients")
    with pytest.raises(InputError) as refused:
        open_dataset(address)
    for words in ("own.db, table activity: column pod", "own.db, table activity, column units: found VARCHAR"):
        assert words in str(refused.value)
    with pytest.raises(InputError, match=r"own.db \(costs\) holds none of the tables or views activity, "):
        open_dataset(f"{address}?schema=costs")
    with pytest.raises(InputError, match="There is no database"):
        open_dataset(f"duckdb:///{tmp_path / 'other.db'}")
    (tmp_path / "text.db").write_text("no database")
    with pytest.raises(InputError, match=r"text.db is no DuckDB database"):
        open_dataset(f"duckdb:///{tmp_path / 'text.db'}")


@pytest.mark.unit
def test_a_database_is_read_and_not_written_and_nothing_else_is_read(tmp_path: Path):
    folder = write_tables(tmp_path / "own", make_tables())
    data = open_dataset(database(tmp_path / "own.db", folder))
    with pytest.raises(duckdb.Error, match="read-only"):
        data.engine.execute("DELETE FROM attached.main.activity")
    with pytest.raises(duckdb.Error, match=r"disabled|permission|not allowed"):
        data.activity.query(f"SELECT * FROM read_parquet('{folder / 'patients.parquet'}')").to_arrow()
    with pytest.raises(InputError, match="Leave the engine out"):
        open_dataset(f"duckdb:///{tmp_path / 'own.db'}", connect())


@pytest.mark.unit
def test_a_changed_row_is_another_answer(tmp_path: Path):
    address = database(tmp_path / "own.db", write_tables(tmp_path / "own", make_tables()))
    before = open_dataset(address, remember=True).activity.count()
    with duckdb.connect(str(tmp_path / "own.db")) as connection:
        connection.execute("DELETE FROM activity WHERE activity_id = (SELECT min(activity_id) FROM activity)")
    assert open_dataset(address, remember=True).activity.count() == before - 1


@pytest.mark.unit
def test_the_environment_names_the_data_where_nothing_else_does(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PATHCOST_DATA", raising=False)
    assert paths.data() == paths.sample()
    monkeypatch.setenv("PATHCOST_DATA", "spark:///nhs.costing")
    assert paths.data() == "spark:///nhs.costing"
    assert paths.data("duckdb:///own.db") == "duckdb:///own.db"


@pytest.fixture(scope="module")
def sixty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tables(tmp_path_factory.mktemp("sixty") / "own", make_tables(patients=60))


@pytest.mark.end_to_end
@pytest.mark.parametrize("to", ["folder", "file"])
def test_a_ledger_is_written_where_it_can_be_asked_and_its_pounds_are_all_there(sixty: Path, tmp_path: Path, to: str):
    place = f"duckdb:///{tmp_path / 'own.db'}?schema=costing" if to == "file" else str(tmp_path / "out")
    command = ["ledger", "--data", str(sixty), "--to", place]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output

    def read(sql: str) -> int:
        names = ("ledger", "links")
        if to == "folder":
            files = {name: f"'{tmp_path}/out/pathcost_{name}.parquet'" for name in names}
            return int(duckdb.sql(sql.format(**files)).fetchall()[0][0])
        with duckdb.connect(str(tmp_path / "own.db"), read_only=True) as connection:
            tables = {name: f"costing.pathcost_{name}" for name in names}
            return int(connection.sql(sql.format(**tables)).fetchall()[0][0])

    pence = "SELECT CAST(coalesce(sum(cost_pence), 0) AS BIGINT) FROM "
    whole, linked = read(pence + "{ledger}"), read(pence + "{links}")
    outside = read(pence + "{ledger} AS l ANTI JOIN {links} AS k ON k.activity_id = l.activity_id")
    assert linked + outside == whole > linked > 0
    assert read("SELECT count(*) FROM {ledger}") == len(make_tables(patients=60)["activity"])
    assert f"£{whole / 100:,.2f} are £{linked / 100:,.2f} in pathways" in done.output
    assert "rows of patients" in done.output
    again = CliRunner().invoke(app, command)
    assert "has pathcost_ledger, pathcost_links, pathcost_pathways already" in str(again.exception)
    assert CliRunner().invoke(app, [*command, "--replace"]).exit_code == 0
    assert read(pence + "{ledger}") == whole


@pytest.mark.unit
def test_rows_stay_on_their_platform_and_what_is_read_is_not_written_over(tmp_path: Path):
    folder = write_tables(tmp_path / "own", make_tables(patients=6))
    data = open_dataset(folder)
    for to in ("spark://host:7077/nhs.results", "sc://host:15002/nhs.results", "s3://bucket/results"):
        with pytest.raises(InputError, match=r"rows of .*own are not written to .*Allowed: a folder or a DuckDB file"):
            require_place(data, to)
    with pytest.raises(InputError, match="the data themselves"):
        require_place(data, folder)
    whole = open_dataset(database(tmp_path / "own.db", folder))
    with pytest.raises(InputError, match="the data themselves"):
        require_place(whole, f"duckdb:///{tmp_path / 'own.db'}?schema=other")
    (tmp_path / "no.db").write_text("no database")
    with pytest.raises(InputError, match=r"no\.db is no DuckDB database"):
        write_tables_to({"a": data.activity}, require_place(data, f"duckdb:///{tmp_path / 'no.db'}"))


@pytest.mark.unit
def test_every_notebook_takes_an_address():
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        assert "paths.data(" in notebook.read_text(encoding="utf-8"), notebook.name


@pytest.mark.unit
def test_a_manifest_has_no_host_and_no_folder():
    values = {"data": "spark://cluster.trust.nhs.uk:7077/nhs.costing", "icb": "QHL", "draws": 9}
    assert without_machine(values) == {"data": "spark:///nhs.costing", "icb": "QHL", "draws": 9}
    assert without_machine({"data": "duckdb:////home/me/own.db"}) == {"data": "duckdb:///own.db"}


@pytest.mark.end_to_end
def test_check_takes_an_address(tmp_path: Path):
    address = database(tmp_path / "own.db", write_tables(tmp_path / "own", make_tables()))
    checked = pathcost("check", "--data", address)
    assert (checked.returncode, checked.stderr) == (0, "")
    refused = pathcost("check", "--data", "oracle://own")
    assert refused.returncode == 2
    assert refused.stderr.startswith("pathcost: No data at oracle://. Allowed: a folder, duckdb:///")


@pytest.mark.slow
@pytest.mark.end_to_end
def test_a_pack_of_a_database_is_the_pack_of_the_folder(three: Path, tmp_path: Path):
    address = database(tmp_path / "own.db", three, views=True, made=(three / "sample.json").read_text())
    chosen = ["02_pathway_cost", "05_demand_growth"]
    built = [
        packs.build("QHL", year="2024-25", data=data, out=tmp_path / out, formats=["html"], notebooks=chosen, jobs=2)
        for data, out in ((three, "folder"), (address, "database"))
    ]
    assert not [pack.failures for pack in built if pack.failures]
    one, other = (payloads_of(pack.folder) for pack in built)
    assert one == other
    assert sum(map(len, one.values())) > 15
    manifest = json.loads((built[1].folder / "manifest.json").read_text())
    assert list(manifest["data"]) == ["(outside)/own.db"]
    assert manifest["banner"] == "Synthetic data, not a real area"
    assert str(tmp_path) not in "".join(path.read_text("utf-8") for path in built[1].folder.glob("*.ipynb"))
