"""What questions cost on Spark: jobs and bytes back follow the question and not the rows; nothing stays in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import pyarrow as pa
import pytest
from factories import make_tables, write_tables
from test_pathways import CHEST, KNEE

from pathcost_lib.ledger import cost_activity
from pathcost_lib.pathways import link, summarise
from pathcost_lib.sources import connect, open_dataset
from pathcost_lib.sources.spark_engine import SparkEngine


class Work(NamedTuple):
    """Jobs that Spark ran, tables fetched, and their bytes."""

    jobs: int
    tables: int
    bytes: int


@contextmanager
def counted(spark) -> Iterator[list[Work]]:
    """Count what a session does: jobs by Spark's own scheduler, bytes at the one door through which rows come back."""
    scheduler, fetched, made = spark.sparkContext._jsc.sc().dagScheduler(), [], []
    before, fetch = scheduler.numTotalJobs(), SparkEngine.fetch

    def fetching(self, sql: str) -> pa.Table:
        table = fetch(self, sql)
        fetched.append(table.nbytes)
        return table

    with patch.object(SparkEngine, "fetch", fetching):
        yield made
    made.append(Work(scheduler.numTotalJobs() - before, len(fetched), sum(fetched)))


def questions(folder: Path, spark) -> None:
    """Ask what notebook 02 asks: where the pounds went, and three breakdowns."""
    engine = connect(spark)
    data = open_dataset(folder, engine)
    ledger = cost_activity(data.activity, data.unit_costs, data.organisations, price_base="2024-25")
    links = link(ledger, [KNEE, CHEST], patients=data.patients)
    assert links.statement(ledger).difference_pence == 0
    for by in (["icb_code"], ["icb_code", "phase"], ["icb_code", "setting"]):
        assert len(summarise(links, ledger, ["pathway", *by], year="2024-25"))
    engine.close()


@pytest.mark.slow
@pytest.mark.property
def test_jobs_and_bytes_back_follow_the_question_and_not_the_rows_and_nothing_is_held_after(spark, tmp_path: Path):
    work, spark = [], spark.newSession()  # as a user has it: other tests set how theirs divides its work
    for patients in (60, 240):
        folder = write_tables(tmp_path / str(patients), make_tables(patients=patients))
        with counted(spark) as made:
            questions(folder, spark)
        work += made
    few, many = work
    assert many.jobs <= few.jobs * 1.1 and many.tables == few.tables
    assert many.bytes <= 1.5 * few.bytes
    assert few.jobs <= MOST_JOBS and few.bytes <= MOST_BYTES, few
    assert spark.sparkContext._jsc.getPersistentRDDs().isEmpty()


#: The questions took 63 jobs, and 6,608 bytes came back, when they were counted.
MOST_JOBS, MOST_BYTES = 80, 20_000


@pytest.mark.property
def test_many_small_files_at_any_depth_are_read_in_few_parts(spark, tmp_path: Path):
    whole = make_tables(patients=60)["activity"]
    for n in range(84):
        folder = tmp_path / "activity" / f"area {n % 3}" / f"{n % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        whole.iloc[n::84].to_parquet(folder / f"{n}.parquet")
    engine = connect(spark)
    assert engine.parquet_at(f"file://{tmp_path}", "activity") == f"file://{tmp_path}/activity"
    relation = engine.register("activity", f"file://{tmp_path}/activity")
    assert relation.count() == len(whole)
    assert spark.table(relation.name).rdd.getNumPartitions() <= 4
