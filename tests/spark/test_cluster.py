"""On a cluster of a master and two workers, from the tables of a catalog: what DuckDB gives from the files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cluster import Cluster, require_programs, small_cluster, with_connect
from machine import needs

from pathcost_lib import packs
from pathcost_lib.packs.attack import payloads_of
from pathcost_lib.sample import generate
from pathcost_lib.sources.contracts import TABLES

#: Half an hour on two cores, most of it the start of Java programs: asked for by name.
pytestmark = pytest.mark.skipif(not os.environ.get("PATHCOST_CLUSTER"), reason="asked for by make test-cluster")
NOTEBOOK = "02_pathway_cost"


@pytest.fixture(scope="module")
def programs() -> None:
    with needs("spark", "make test-spark, with Java 17"):
        require_programs()


@pytest.fixture(scope="module")
def small(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of the sample: 660,000 contacts in three ICBs."""
    return generate(tmp_path_factory.mktemp("small") / "sample", people=300_000, icbs=("QHL", "QOP", "QUA"))


@pytest.fixture(scope="module")
def cluster(small: Path, tmp_path_factory: pytest.TempPathFactory):
    with small_cluster(tmp_path_factory.mktemp("cluster"), small, TABLES) as running:
        yield running


@pytest.fixture(scope="module")
def duckdb_pack(small: Path, tmp_path_factory: pytest.TempPathFactory):
    out = tmp_path_factory.mktemp("duckdb")
    built = packs.build("QHL", year="2024-25", data=small, notebooks=[NOTEBOOK], formats=["html"], out=out)
    assert not built.failures, built.failures
    return payloads_of(built.folder)


def pathcost(env: dict[str, str], *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from pathcost_lib.cli import main; main()", *map(str, arguments)]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def built(run: subprocess.Popen[str], out: Path) -> Path:
    said = run.communicate(timeout=1200)
    assert run.returncode == 0, said
    return out / "2024-25" / "QHL"


@pytest.mark.end_to_end
def test_check_of_a_catalog_finds_what_it_finds_in_the_files(cluster: Cluster, small: Path):
    run = pathcost(cluster.env, "check", "--data", f"{cluster.master}/costing")
    on_spark = run.communicate(timeout=900)
    on_files = pathcost(dict(os.environ), "check", "--data", small).communicate(timeout=300)
    assert on_spark[0] == on_files[0], on_spark[1]
    assert "0 errors" in on_spark[0]
    refused = pathcost(cluster.env, "check", "--data", f"{cluster.master}/nowhere").communicate(timeout=300)
    assert "nowhere" in refused[1] and "Traceback" not in refused[1]


@pytest.mark.end_to_end
def test_a_pack_through_spark_connect_is_that_of_duckdb(cluster: Cluster, duckdb_pack, tmp_path: Path):
    """The server's driver and the two workers do the work; the client has an address and nothing else."""
    address = with_connect(cluster)
    options = ("--notebooks", NOTEBOOK, "--formats", "html", "--out", tmp_path)
    env = {name: value for name, value in os.environ.items() if not name.startswith("SPARK")}
    folder = built(pathcost(env, "pack", "QHL", "--data", address, *options), tmp_path)
    cluster.kill("connect")
    assert payloads_of(folder) == duckdb_pack
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["data"]) == {f"(table)/costing.{name}" for name in TABLES}
    assert "127.0.0.1" not in (folder / "manifest.json").read_text()
    assert manifest["banner"] == "Synthetic data, not a real area"


@pytest.mark.end_to_end
def test_a_pack_is_that_of_duckdb_though_a_worker_is_killed(cluster: Cluster, duckdb_pack, tmp_path: Path):
    before = cluster.applications("worker-2")
    options = ("--notebooks", NOTEBOOK, "--formats", "html", "--out", tmp_path)
    run = pathcost(cluster.env, "pack", "QHL", "--data", f"{cluster.master}/costing", *options)
    until = time.monotonic() + 600
    # The first application checks the order; the second is the notebook's.
    while cluster.applications("worker-2") < before + 2 and run.poll() is None and time.monotonic() < until:
        time.sleep(0.5)
    assert run.poll() is None, run.communicate()
    cluster.kill("worker-2")
    assert payloads_of(built(run, tmp_path)) == duckdb_pack
