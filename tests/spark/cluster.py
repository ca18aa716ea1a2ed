"""A small real cluster of the programs that PySpark ships: catalog, master, two workers, Spark Connect server."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_HIVE = {
    "hive.async.log.enabled": "false",
    "hive.metastore.schema.verification": "false",
    "datanucleus.schema.autoCreateAll": "true",
}
_CATALOG = """
import sys
from pathlib import Path
from pyspark.sql import SparkSession

folder = Path(sys.argv[1])
spark = SparkSession.builder.master("local[2]").getOrCreate()
spark.sql("CREATE DATABASE costing")
for table in sys.argv[2:]:
    files = [folder / f"{table}.parquet", *(folder / table).rglob("*.parquet")]
    rows = spark.read.parquet(*(str(path) for path in files if path.is_file()))
    name = "rows_of_outcomes" if table == "outcomes" else table
    rows.coalesce(2).write.saveAsTable(f"costing.{name}")
spark.sql("CREATE VIEW costing.outcomes AS SELECT * FROM costing.rows_of_outcomes")
about = (folder / "sample.json").read_text()
spark.createDataFrame([(about,)], "about string").write.saveAsTable("costing.sample")
"""


@dataclass
class Cluster:
    """Its programs, by name, and how to reach it; `env` is for whoever uses it."""

    folder: Path
    home: Path
    env: dict[str, str] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    master: str = ""

    def start(self, name: str, program: str, *arguments: object, port: int = 0) -> None:
        """Start a program; where it has a port, wait until it answers."""
        with (self.folder / f"{name}.log").open("w") as log:
            command = [str(self.home / "bin" / program), *map(str, arguments)]
            # A group of its own: what the program starts ends with it.
            self.running[name] = subprocess.Popen(
                command, env=self.env, stdout=log, stderr=log, start_new_session=True, cwd=self.folder
            )
        until = time.monotonic() + 240
        while port and time.monotonic() < until and self.running[name].poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            time.sleep(0.3)
        if port:
            raise RuntimeError(f"{name} did not start: {(self.folder / f'{name}.log').read_text()[-1500:]}")

    def kill(self, name: str) -> None:
        """End a program at once, with all that it has started."""
        program = self.running.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.wait(timeout=60)

    def applications(self, worker: str) -> int:
        """Return how many applications a worker has had an executor of."""
        return len(list((self.folder / worker).glob("app-*")))


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def small_cluster(folder: Path, tables: Path, names: tuple[str, ...]) -> Iterator[Cluster]:
    """Start a metastore with the tables of a folder in `costing`, a master and two workers of a core each."""
    import pyspark

    cluster = Cluster(folder, Path(pyspark.__file__).parent)
    ports = {name: free_port() for name in ("metastore", "master")}
    conf = folder / "conf"
    conf.mkdir()
    hive = {**_HIVE, "javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={folder / 'metastore'};create=true"}
    lines = [f"<property><name>{name}</name><value>{value}</value></property>" for name, value in hive.items()]
    (conf / "hive-site.xml").write_text(f"<configuration>{''.join(lines)}</configuration>")
    settings = {
        "spark.sql.catalogImplementation": "hive",
        "spark.hadoop.hive.metastore.uris": f"thrift://127.0.0.1:{ports['metastore']}",
        "spark.sql.warehouse.dir": folder / "warehouse",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.executor.memory": "700m",
        "spark.ui.enabled": "false",
    }
    (conf / "spark-defaults.conf").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    cluster.env = os.environ | {"SPARK_HOME": str(cluster.home), "SPARK_CONF_DIR": str(conf)}
    cluster.env |= {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_NO_DAEMONIZE": "1"}
    cluster.master = f"spark://127.0.0.1:{ports['master']}"
    try:
        metastore = "org.apache.hadoop.hive.metastore.HiveMetaStore"
        cluster.start("metastore", "spark-class", metastore, "-p", ports["metastore"], port=ports["metastore"])
        # What users have says where the metastore is; what serves it must not.
        load = [sys.executable, "-c", _CATALOG, str(tables), *names]
        subprocess.run(load, env=cluster.env, check=True, capture_output=True, timeout=600)
        deploy = "org.apache.spark.deploy"
        at = ("--host", "127.0.0.1", "--port", ports["master"], "--webui-port", free_port())
        cluster.start("master", "spark-class", f"{deploy}.master.Master", *at, port=ports["master"])
        for worker in ("worker-1", "worker-2"):
            port = free_port()
            size = ("-c", 1, "-m", "1g", "--host", "127.0.0.1", "--port", port, "--webui-port", free_port())
            where = ("--work-dir", folder / worker)
            cluster.start(worker, "spark-class", f"{deploy}.worker.Worker", *size, *where, cluster.master, port=port)
        yield cluster
    finally:
        for name in [*cluster.running]:
            cluster.kill(name)


def with_connect(cluster: Cluster) -> str:
    """Start a Spark Connect server whose work the cluster does, and return the address of its schema."""
    port = free_port()
    options = {"spark.connect.grpc.binding.port": port, "spark.connect.grpc.binding.address": "127.0.0.1"}
    parts = [part for name, value in options.items() for part in ("--conf", f"{name}={value}")]
    server = ("--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal")
    cluster.start("connect", "spark-submit", "--master", cluster.master, *parts, *server, port=port)
    return f"sc://127.0.0.1:{port}/costing"


def require_programs() -> None:
    """Fail where there is no Spark, no Java, or no programs in the package."""
    import pyspark

    subprocess.run(["java", "-version"], check=True, capture_output=True, timeout=60)
    assert (Path(pyspark.__file__).parent / "bin" / "spark-class").is_file()
