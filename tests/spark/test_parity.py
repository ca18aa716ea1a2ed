"""Spark gives what DuckDB gives, to the penny, from the same SQL."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from factories import make_tables, write_tables
from test_ledger import HOW
from test_pathways import CHEST, KNEE, with_overlap

from pathcost_lib.errors import InputError
from pathcost_lib.ledger import build_spells, cost_activity, coverage, reconcile
from pathcost_lib.ledger.periods import split_periods
from pathcost_lib.pathways import flow, link, split_phases, summarise
from pathcost_lib.pathways.write_back import LEDGER, LINKS, PATHWAYS, write_ledger
from pathcost_lib.sources import Dataset, Engine, connect, open_dataset

TABLES = make_tables(patients=60)


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Compare every value, whatever null is written as; floats are only ever means and errors of the same integers."""
    assert list(one.columns) == list(other.columns)
    keys = [c for c in one.columns if not pd.api.types.is_float_dtype(one[c])]
    one, other = (f.sort_values(keys).reset_index(drop=True).astype(object) for f in (one, other))
    pd.testing.assert_frame_equal(
        one.where(one.notna(), None), other.where(other.notna(), None), check_exact=False, rtol=1e-12
    )


def ledger_on(engine: Engine, mff: str = "adjust"):
    data = Dataset.from_frames(TABLES, engine)
    return data, cost_activity(data.activity, data.unit_costs, data.organisations, price_base="2024-25", mff=mff, **HOW)


@pytest.mark.property
@pytest.mark.parametrize("mff", ["adjust", "pay"])
def test_the_same_ledger(spark_engine, mff):
    same(ledger_on(connect(), mff)[1].to_pandas(), ledger_on(spark_engine, mff)[1].to_pandas())


@pytest.mark.property
@pytest.mark.parametrize("overlap", ["nearest_index", "equal_split"])
def test_the_same_links_statement_and_summaries(spark_engine, overlap):
    both = []
    for engine in (connect(), spark_engine):
        data, ledger = ledger_on(engine)
        links = link(ledger, [with_overlap(KNEE, overlap), with_overlap(CHEST, overlap)], patients=data.patients)
        table = summarise(links, ledger, ["pathway", "icb_code", "phase", "setting", "currency_code"], year="2024-25")
        both.append((links.links.to_pandas(), table, links.statement(ledger)))
    same(both[0][0], both[1][0])
    same(both[0][1], both[1][1])
    assert both[0][2] == both[1][2]
    assert both[0][2].difference_pence == 0


@pytest.mark.property
def test_the_same_periods_reconciliation_coverage_and_flow(spark_engine):
    both = []
    for engine in (connect(), spark_engine):
        data, ledger = ledger_on(engine, "pay")
        months = split_periods(ledger, "month").query(
            "SELECT period, setting, CAST(sum(cost_pence) AS BIGINT) AS pence, CAST(sum(days) AS BIGINT) AS days "
            "FROM this GROUP BY period, setting"
        )
        books = TABLES["quantum"]
        rates = pd.DataFrame(
            {
                "setting": ["emergency"],
                "pod": ["ae_type1"],
                "age_from": [0],
                "age_to": [120],
                "sex": ["all"],
                "contacts_per_head_per_year": [0.4],
            }
        )
        order = flow(link(ledger, KNEE), ledger)
        both.append(
            (
                months.to_pandas(),
                reconcile(ledger, books).table,
                coverage(data.activity, TABLES["population"], year="2024-25", rates=rates),
                order.table,
                order.variants,
            )
        )
    for one, other in zip(*both, strict=True):
        same(one, other)


@pytest.mark.property
def test_the_same_spells_and_phases_by_days(spark_engine):
    trims = pd.DataFrame({"currency_code": ["HN22E"], "elective_days": [3], "emergency_days": [9]})
    paid = pd.DataFrame({"currency_code": ["*"], "unit_cost": [2_500_000]})
    both = []
    for engine in (connect(), spark_engine):
        data, ledger = ledger_on(engine)
        spells = build_spells(ledger, trims, priced_per="spell", excess_prices=paid, transfer_days=2)
        links = split_phases(link(ledger, [KNEE, CHEST], patients=data.patients), ledger)
        both.append(
            (spells.spells.to_pandas(), spells.members.to_pandas(), links.links.to_pandas(), spells.statement())
        )
    for one, other in zip(both[0][:3], both[1][:3], strict=True):
        same(one, other)
    assert both[0][3] == both[1][3]
    assert both[0][3].difference_pence == 0


@pytest.mark.property
def test_spark_connect_gives_the_same_ledger_links_and_summaries(connect_engine):
    both = []
    for engine in (connect(), connect_engine):
        data, ledger = ledger_on(engine)
        links = link(ledger, [KNEE, CHEST], patients=data.patients)
        table = summarise(links, ledger, ["pathway", "icb_code", "phase", "setting"], year="2024-25")
        both.append((ledger.to_pandas(), links.links.to_pandas(), table, links.statement(ledger)))
    for one, other in zip(both[0][:3], both[1][:3], strict=True):
        same(one, other)
    assert both[0][3] == both[1][3]
    assert both[0][3].difference_pence == 0


@pytest.mark.end_to_end
def test_parquet_is_read_and_written(spark_engine, tmp_path: Path):
    data = open_dataset(write_tables(tmp_path, TABLES), spark_engine)
    out = data.activity.query("SELECT pod, count(*) AS n FROM this GROUP BY pod").write_parquet(
        tmp_path / "out.parquet"
    )
    assert pd.read_parquet(out)["n"].sum() == len(TABLES["activity"])


@pytest.fixture
def schema(spark, tmp_path: Path):
    """Return a schema of the session's own catalog with the tables, `outcomes` behind a view."""
    spark.sql(f"CREATE DATABASE costing LOCATION '{tmp_path / 'warehouse'}'")
    folder = write_tables(tmp_path / "own", TABLES)
    for name in TABLES:
        kept = "kept_outcomes" if name == "outcomes" else name
        spark.read.parquet(str(folder / f"{name}.parquet")).write.saveAsTable(f"costing.{kept}")
    spark.sql("CREATE VIEW costing.outcomes AS SELECT * FROM costing.kept_outcomes")
    yield folder
    spark.sql("DROP DATABASE costing CASCADE")


@pytest.mark.end_to_end
def test_a_catalog_and_a_store_have_the_rows_of_the_folder(spark_engine, schema: Path):
    plain = open_dataset(schema)
    for address in ("spark:///costing", f"file://{schema}"):
        data = open_dataset(address, spark_engine)
        assert list(data) == list(plain)
        for name in ("patients", "outcomes", "unit_costs"):
            same(plain.tables[name].to_pandas(), data.tables[name].to_pandas())
    # The session that is there is found by its address alone, and is not ended with the engine.
    found = open_dataset("spark:///costing")
    assert found.engine.session is spark_engine.session
    before = found.engine.fingerprint(found.patients.name)
    found.engine.close()
    assert found.engine.fingerprint(found.patients.name) == before
    spark_engine.session.sql("INSERT INTO costing.patients SELECT * FROM costing.patients LIMIT 1")
    assert open_dataset("spark:///costing").engine.fingerprint("costing.patients") != before


@pytest.mark.end_to_end
def test_what_is_wrong_in_a_catalog_names_catalog_table_and_column(spark_engine, schema: Path):
    session = spark_engine.session
    with pytest.raises(InputError, match=r"nowhere"):
        open_dataset("spark:///nowhere", spark_engine)
    with pytest.raises(InputError, match=r"Spark session on local\[2\] already"):
        open_dataset("spark://another:7077/costing")
    session.sql("CREATE TABLE costing.new AS SELECT CAST(units AS STRING) AS units, setting FROM costing.activity")
    session.sql("DROP TABLE costing.activity")
    session.sql("ALTER TABLE costing.new RENAME TO costing.activity")
    with pytest.raises(InputError) as refused:
        open_dataset("spark:///costing", spark_engine)
    for words in ("costing.activity, column units: found VARCHAR", "costing.activity: column patient_id"):
        assert words in str(refused.value)
    session.sql("TRUNCATE TABLE costing.activity")
    with pytest.raises(InputError, match=r"costing\.activity: the table has columns but no rows"):
        open_dataset("spark:///costing", spark_engine)


@pytest.mark.end_to_end
def test_a_ledger_is_written_back_to_a_schema_of_the_platform(spark_engine, schema: Path, spark, tmp_path: Path):
    spark.sql(f"CREATE DATABASE results LOCATION '{tmp_path / 'results'}'")
    try:
        pounds = write_ledger("spark:///costing", "spark:///results", price_base="2024-25")
        on_files = write_ledger(schema, tmp_path / "out", price_base="2024-25")
        assert pounds == on_files
        for name in (LEDGER, LINKS, PATHWAYS):
            keys = [c for c in ("activity_id", "pathway", "pathway_id") if c in spark.table(f"results.{name}").columns]
            there = spark.table(f"results.{name}").toPandas().sort_values(keys, ignore_index=True)
            here = pd.read_parquet(tmp_path / "out" / f"{name}.parquet").sort_values(keys, ignore_index=True)
            same(here, there)
        with pytest.raises(InputError, match=r"results has pathcost_ledger, .* already"):
            write_ledger("spark:///costing", "spark:///results", price_base="2024-25")
        with pytest.raises(InputError, match="Allowed: a schema or store of that platform"):
            write_ledger("spark:///costing", tmp_path / "local", price_base="2024-25")
    finally:
        spark.sql("DROP DATABASE results CASCADE")


@pytest.mark.property
def test_the_parts_of_a_shuffle_follow_the_size_of_the_tables(spark_engine, schema: Path):
    engine = connect("spark://")
    data = open_dataset("spark:///costing", engine)
    assert engine.session.conf.get("spark.sql.shuffle.partitions") == "2"
    assert 1e3 < engine._size(data.activity.name) < 1e7
