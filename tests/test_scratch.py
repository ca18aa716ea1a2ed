"""What must not outlive a run does not, however the run ends; an archive made to fill a disk is refused."""

from __future__ import annotations

import gzip
import os
import signal
import stat
import subprocess
import sys
import time
import uuid
import zipfile
from pathlib import Path

import pytest

from pathcost_lib import scratch
from pathcost_lib.errors import InputError
from pathcost_lib.explore import serve
from pathcost_lib.intake import workbooks
from pathcost_lib.intake.mapping import map_folder
from pathcost_lib.packs import private
from pathcost_lib.sample import generate
from pathcost_lib.sources import csv_files
from pathcost_lib.sources.engine import connect

MAPPING = """
[[table]]
name = "patients"
file = "{file}"
[table.columns]
patient_id = {{ from = "NHS" }}
icb_code = {{ constant = "QHL" }}
birth_year = {{ constant = 1950 }}
sex = {{ constant = "female" }}
"""

#: Imports, says so when the raw copy lies there, and waits to be killed.
RUN = """
import sys, time
from pathcost_lib.sources import csv_files
from pathcost_lib.intake.mapping import map_folder
from pathcost_lib.sample import generate
def wait(*arguments, **options):
    print("unpacked", flush=True)
    time.sleep(60)
csv_files.stage = wait
map_folder(sys.argv[1], sys.argv[2])
"""


def holding(place: Path, text: bytes) -> list[Path]:
    return [path for path in place.rglob("*") if path.is_file() and text in path.read_bytes()]


@pytest.mark.end_to_end
@pytest.mark.skipif(os.name != "posix", reason="killed as on Unix")
@pytest.mark.parametrize("name", ["people.csv.gz", "people.csv.zip", "people.csv"])
def test_a_raw_copy_does_not_outlive_a_run_that_is_killed(tmp_path: Path, name: str) -> None:
    source, place = tmp_path / "source", tmp_path / "tmp"
    source.mkdir()
    place.mkdir(mode=0o755)
    text = "NHS,NAME\nSENTINEL7,Zoë\n".encode("utf-8" if name != "people.csv" else "cp1252")
    if name.endswith(".gz"):
        (source / name).write_bytes(gzip.compress(text))
    elif name.endswith(".zip"):
        with zipfile.ZipFile(source / name, "w") as archive:
            archive.writestr("people.csv", text)
    else:
        (source / name).write_bytes(text)
    mapping = tmp_path / "mine.toml"
    mapping.write_text(MAPPING.format(file=name), encoding="utf-8")
    around = {**os.environ, "TMPDIR": str(place), "PATHCOST_KEY": str(tmp_path / "key")}
    run = subprocess.Popen([sys.executable, "-c", RUN, str(source), str(mapping)], stdout=subprocess.PIPE, env=around)
    assert run.stdout is not None and run.stdout.readline() == b"unpacked\n"
    (copy,) = holding(place, b"SENTINEL7")
    (top,) = place.iterdir()
    assert stat.S_IMODE(top.stat().st_mode) == 0o700 and str(run.pid) in top.name
    # Another run beside it leaves a living one's folder alone.
    code = "from pathcost_lib.sources.engine import connect; connect()"
    subprocess.run([sys.executable, "-c", code], env=around, check=True)
    assert copy.exists()
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    assert copy.exists()  # nobody can do anything at that moment
    subprocess.run([sys.executable, "-c", code], env=around, check=True)
    assert holding(place, b"SENTINEL7") == [] and list(place.iterdir()) == []


@pytest.mark.unit
def test_a_sweep_leaves_what_is_alive_or_was_not_made_here(tmp_path: Path) -> None:
    mine = scratch.make("pathcost-", tmp_path)
    other = tmp_path / "pathcost-notes"
    other.mkdir()
    (other / "text").touch()
    (tmp_path / "pathcost-link").symlink_to(mine)
    dead = tmp_path / "pathcost-1-x"
    dead.mkdir()
    (dead / ".held").touch()
    scratch.sweep("pathcost-", tmp_path)
    assert mine.exists() and other.exists() and not dead.exists()
    scratch.remove(mine)
    assert not mine.exists()
    kept = scratch.make("pathcost-", tmp_path)
    scratch.keep(kept)
    assert list(kept.iterdir()) == []


@pytest.mark.unit
@pytest.mark.parametrize("kind", ["gz", "zip"])
def test_an_archive_made_to_fill_a_disk_is_refused_and_a_table_is_not(tmp_path, monkeypatch, kind) -> None:
    monkeypatch.setattr(csv_files, "SMALL", 1_000_000)

    def put(text: bytes) -> Path:
        path = tmp_path / f"people.csv.{kind}"
        if kind == "gz":
            path.write_bytes(gzip.compress(text))
        else:
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("people.csv", text)
        return path

    mapping = tmp_path / "mine.toml"
    mapping.write_text(MAPPING.format(file=f"people.csv.{kind}"), encoding="utf-8")
    monkeypatch.setenv("PATHCOST_KEY", str(tmp_path / "key"))
    put(b"NHS\n" + b"1\n" * 4_000_000)
    began = time.monotonic()
    with pytest.raises(InputError, match="unpacks to more than 200 times its own size"):
        map_folder(tmp_path, mapping)
    assert time.monotonic() - began < 20
    put(b"NHS\n" + b"".join(b"%d\n" % (n * 7919) for n in range(300_000)))
    assert map_folder(tmp_path, mapping).dataset.patients.count() == 300_000
    monkeypatch.setattr(csv_files, "LARGEST", 1_500_000)
    with pytest.raises(InputError, match="unpacks to more than 0 GB"):
        map_folder(tmp_path, mapping)


@pytest.mark.unit
def test_a_workbook_made_to_fill_the_memory_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(csv_files, "SMALL", 1_000_000)
    path = tmp_path / "people.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b" " * 4_000_000)
    with pytest.raises(InputError, match="unpacks to more than 200 times"):
        workbooks.sheet_names(path)


@pytest.mark.unit
def test_a_damaged_archive_and_one_with_a_full_disk_say_which(tmp_path, monkeypatch) -> None:
    path = tmp_path / "people.csv.gz"
    whole = gzip.compress(b"NHS\n" + b"".join(b"%d\n" % (n * 7919) for n in range(100_000)))
    dialect = csv_files.Dialect()
    for damaged in (whole[:-40], whole[:2000] + b"\x00" * 500 + whole[2500:]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="damaged or cut short"):
            csv_files.load_text(connect(), "people", path, dialect, "SELECT * FROM rows")
    path.write_bytes(whole)
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(csv_files.shutil, "copyfileobj", lambda *a: (_ for _ in ()).throw(full))
    with pytest.raises(InputError, match="no room to unpack"):
        csv_files.load_text(connect(), "people", path, dialect, "SELECT * FROM rows")


@pytest.mark.unit
def test_a_sample_that_cannot_be_written_says_so_and_leaves_nothing(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written: Not a directory"):
        generate(tmp_path / "file" / "sample", people="tiny")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.unit
@pytest.mark.parametrize("open_page", [serve.open_lab, serve.open_explorer])
def test_a_page_is_not_opened_as_root(monkeypatch, open_page) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    with pytest.raises(InputError, match="would run as root"):
        open_page(browser=False)


@pytest.mark.unit
@pytest.mark.skipif(os.name != "posix", reason="sockets of a file system")
def test_a_long_path_does_not_cut_off_the_sockets_of_a_server(monkeypatch, tmp_path) -> None:
    for length, kept in ((40, True), (60, False)):
        wanted = Path("/tmp/" + f"pathcost-{os.getpid()}-".ljust(length - 5, "x"))
        monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(wanted))
        folder = private.runtime_folder()
        try:
            assert (folder == wanted) is kept
            assert len(f"{folder}/kernel-{uuid.UUID(int=0)}-ipc-5") < 104
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        finally:
            folder.rmdir()
