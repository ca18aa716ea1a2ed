"""The engine that remembers: the same numbers, computed once, and never out of date."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from factories import make_tables, write_tables

from pathcost_lib import ledger, paths, pathways, sources
from pathcost_lib.errors import InputError
from pathcost_lib.sources import remember as room
from pathcost_lib.sources.engine import DuckDBEngine
from pathcost_lib.sources.remember import MOST_ROWS, RememberingEngine, Store


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATHCOST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_tables(tmp_path / "data", make_tables(patients=60))


def _national(folder: Path, *, remember: bool) -> dict[str, pd.DataFrame]:
    """Return what a notebook asks for, all ICBs together."""
    dataset = sources.open_dataset(folder, remember=remember)
    costed = ledger.cost_activity(dataset.activity, dataset.unit_costs, dataset.organisations, price_base="2024-25")
    links = pathways.link(costed, pathways.load_definition("knee_replacement"), patients=dataset.patients)
    return {
        "statement": pd.DataFrame([vars(links.statement(costed))]),
        "phases": pathways.summarise(links, costed, ["icb_code", "phase", "currency_code"], year="2024-25"),
        "coverage": ledger.coverage(dataset.activity, dataset.population, year="2024-25"),
    }


def _held(cache: Path) -> list[pa.Table]:
    return [pa.ipc.open_file(path.read_bytes()).read_all() for path in cache.glob("tables/*/*")]


@pytest.mark.unit
def test_the_numbers_are_the_same_and_the_second_time_nothing_is_computed(
    cache: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, first = _national(data, remember=False), _national(data, remember=True)

    def refuse(self: Any, sql: str) -> None:
        raise AssertionError(f"computed again: {sql}")

    monkeypatch.setattr(DuckDBEngine, "fetch", refuse)
    again = _national(data, remember=True)
    for name, frame in plain.items():
        pd.testing.assert_frame_equal(frame, first[name])
        pd.testing.assert_frame_equal(frame, again[name])


@pytest.mark.unit
def test_a_changed_row_setting_or_statement_is_never_answered_from_memory(cache: Path, data: Path) -> None:
    dataset = sources.open_dataset(data, remember=True)
    units = dataset.activity.query("SELECT sum(units) AS n FROM this").to_pandas()["n"][0]
    assert dataset.activity.query("SELECT sum(units) + 1 AS n FROM this").to_pandas()["n"][0] == units + 1
    few = dataset.activity.engine.view("few", "SELECT most FROM settings", {"settings": pd.DataFrame({"most": [1]})})
    more = dataset.activity.engine.view("few", "SELECT most FROM settings", {"settings": pd.DataFrame({"most": [2]})})
    assert [few.to_pandas()["most"][0], more.to_pandas()["most"][0]] == [1, 2]
    # The same size and the same time: only the bytes tell.
    file, frame = data / "activity.parquet", pd.read_parquet(data / "activity.parquet")
    before = file.stat()
    write_tables(data, {"activity": frame.assign(units=frame["units"].to_numpy()[::-1] * 2)})
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    fresh = sources.open_dataset(data, remember=True)
    assert fresh.activity.query("SELECT sum(units) AS n FROM this").to_pandas()["n"][0] == 2 * units


@pytest.mark.unit
def test_an_old_file_is_read_once_and_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, file = Store(tmp_path / "cache"), tmp_path / "file"
    file.write_bytes(b"one")
    monkeypatch.setattr(room, "_RACY_SECONDS", -1)  # as if it had been there for long
    one = store.file_digest(file)
    [note] = (tmp_path / "cache" / "files").glob("*/*")
    assert one in note.read_text(encoding="utf-8")
    note.write_text(note.read_text(encoding="utf-8").replace(one, "0" * 64), encoding="utf-8")
    assert store.file_digest(file) == "0" * 64
    file.write_bytes(b"two")
    assert store.file_digest(file) not in (one, "0" * 64)


@pytest.mark.unit
def test_only_summaries_are_kept(cache: Path, data: Path) -> None:
    _national(data, remember=True)
    dataset = sources.open_dataset(data, remember=True)
    assert len(dataset.activity.to_pandas()) == len(dataset.activity.to_pandas())
    dataset.activity.query("SELECT patient_id, sum(units) AS n FROM this GROUP BY ALL").to_pandas()
    dataset.engine.register("many", pd.DataFrame({"n": range(MOST_ROWS + 1)})).to_pandas()
    held = _held(cache)
    assert held
    assert not {"patient_id", "activity_id", "pathway_id"} & {name for table in held for name in table.column_names}
    assert max(table.num_rows for table in held) <= MOST_ROWS


@pytest.mark.unit
@pytest.mark.parametrize(
    ("sql", "kept"),
    [
        ("SELECT 1 AS n FROM this", True),
        ("WITH some AS (SELECT units FROM this) SELECT count(*) AS n FROM some", True),
        (
            "SELECT 'taken from a random place' AS n, units IS NOT DISTINCT FROM length_of_stay_days AS same FROM this",
            True,
        ),
        ("SELECT random() AS n FROM this", False),
        ("SELECT current_date AS n FROM this", False),
        ("SELECT count(*) AS n FROM this JOIN elsewhere ON true", False),
    ],
)
def test_what_may_differ_another_time_has_no_recipe(cache: Path, data: Path, sql: str, kept: bool) -> None:
    engine = sources.open_dataset(data, remember=True).engine
    engine.execute("CREATE TEMP TABLE elsewhere AS SELECT 1 AS one")
    one, two = (sources.open_dataset(data, engine).activity.query(sql).name for _ in range(2))
    assert isinstance(engine, RememberingEngine)
    assert (engine._recipes[one] == engine._recipes[two]) is kept


@pytest.mark.unit
def test_a_damaged_or_unwritable_store_only_costs_time(
    cache: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _national(data, remember=True)
    for path in cache.glob("tables/*/*"):
        path.write_bytes(path.read_bytes()[:40])
    pd.testing.assert_frame_equal(_national(data, remember=True)["phases"], first["phases"])
    (tmp_path / "file").touch()
    monkeypatch.setenv("PATHCOST_CACHE", str(tmp_path / "file" / "below"))
    pd.testing.assert_frame_equal(_national(data, remember=True)["phases"], first["phases"])


@pytest.mark.unit
def test_bad_data_are_refused_as_without_memory(cache: Path, data: Path) -> None:
    table = pq.read_table(data / "population.parquet")
    nothing = pa.array(np.full(table.num_rows, np.nan))
    write_tables(data, {"population": table.drop_columns("persons").append_column("persons", nothing)})
    for remember in (False, True, True):
        with pytest.raises(InputError, match="persons: 1,092 rows are NaN"):
            sources.open_dataset(data, remember=remember)


@pytest.mark.unit
def test_the_store_lies_among_the_data_and_is_never_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PATHCOST_CACHE")
    assert paths.cache() == paths.root() / "data" / "cache"
    assert "data/cache/" in (paths.root() / ".gitignore").read_text(encoding="utf-8").splitlines()
