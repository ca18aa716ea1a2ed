"""A Spark session tuned for tiny data; the tests here are skipped where Spark is not installed (`make test-spark`)."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from machine import needs


@pytest.fixture(scope="session")
def spark():
    with needs("spark", "make test-spark, with Java 17"):
        session = _session()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


def _session():
    import pyspark.sql as pyspark

    return (
        pyspark.SparkSession.builder.master("local[2]")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.default.parallelism", "2")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.adaptive.enabled", "false")
        .config("spark.driver.memory", "2g")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )


@pytest.fixture
def spark_engine(spark):
    from pathcost_lib.sources import connect

    yield connect(spark)
    spark.catalog.clearCache()


@pytest.fixture(scope="session")
def connect_server(tmp_path_factory: pytest.TempPathFactory):
    """Start the Spark Connect server that comes with PySpark and return its address."""
    with needs("spark", "make test-spark, with Java 17"):
        import pyspark

        subprocess.run(["java", "-version"], check=True, capture_output=True, timeout=60)
    home = Path(pyspark.__file__).parent
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "spark.connect.grpc.binding.port": port,
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.sql.shuffle.partitions": 2,
        "spark.sql.adaptive.enabled": "false",
        "spark.ui.enabled": "false",
    }
    # What start-connect-server.sh runs, in the foreground.
    command = [str(home / "bin" / "spark-submit"), "--master", "local[2]", "--driver-memory", "2g"]
    command += [part for name, value in options.items() for part in ("--conf", f"{name}={value}")]
    command += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"]
    log = tmp_path_factory.mktemp("connect") / "server.log"
    with log.open("w") as out:
        server = subprocess.Popen(command, env=os.environ | {"SPARK_HOME": str(home)}, stdout=out, stderr=out)
        try:
            _wait(port, server, log)
            yield f"sc://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=60)


def _wait(port: int, server: subprocess.Popen, log: Path, seconds: int = 240) -> None:
    until = time.monotonic() + seconds
    while server.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.5)
    pytest.fail(f"the Spark Connect server did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture
def connect_engine(connect_server: str):
    from pathcost_lib.sources import connect

    engine = connect(connect_server)
    yield engine
    engine.session.stop()
