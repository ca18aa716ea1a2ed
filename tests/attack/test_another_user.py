"""Another user of the machine reads nothing of ours: data, summaries, key, channels of kernels, list of releases."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from factories import make_tables, write_tables

from pathcost_lib import paths
from pathcost_lib.intake.mapping import map_folder
from pathcost_lib.intake.pseudonyms import local_key
from pathcost_lib.packs import releases
from pathcost_lib.packs.private import channel_folder
from pathcost_lib.sources import open_dataset

_NOBODY = 65534

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


@pytest.fixture
def open_place() -> Iterator[Path]:
    """Return a folder that everybody may enter: pytest's own is closed, and would keep others out by itself."""
    folder = Path(tempfile.mkdtemp(prefix="pc-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def reached_by_another(places: list[Path]) -> list[str]:
    """Return which files, folders and sockets a child that has become another user can read, list or connect to."""
    out, into = os.pipe()
    child = os.fork()
    if not child:
        found = ["the child did not come to an end"]
        try:
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
            found = [str(place) for place in places if _reaches(place)]
        finally:
            os.write(into, json.dumps(found).encode())
            os._exit(0)
    os.close(into)
    with os.fdopen(out) as text:
        found = json.loads(text.read())
    os.waitpid(child, 0)
    return list(found)


def _reaches(place: Path) -> bool:
    try:
        if place.suffix == ".socket":
            with socket.socket(socket.AF_UNIX) as channel:
                channel.connect(str(place))
        elif place.suffix:
            place.read_bytes()
        else:
            list(place.iterdir())
    except PermissionError:
        return False
    return True


@pytest.mark.end_to_end
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
def test_another_user_reads_no_data_summaries_key_channels_or_releases(
    open_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = open_place
    monkeypatch.setenv("PATHCOST_CACHE", str(place / "cache"))
    source = paths.private_folder(place / "source")
    (source / "people.csv").write_text("ID\n1\n2\n", encoding="utf-8")
    (source / "m.toml").write_text(MAPPING, encoding="utf-8")
    key = place / "config" / "pseudonym.key"
    local_key(key)
    result = map_folder(source, source / "m.toml", key=key)
    imported = result.write(place / "projects" / "imported")
    mine = paths.private_folder(place / "tables")
    data = open_dataset(write_tables(mine, make_tables(patients=20)), remember=True)
    data.activity.query("SELECT setting, count(*) AS n FROM this GROUP BY setting").to_pandas()
    summaries = [path for path in (place / "cache").rglob("*") if path.is_file()]
    assert summaries
    channels = channel_folder(place / "runtime")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(channels / "1.socket"))
    listener.listen()
    reports = paths.private_folder(place / "reports")
    releases.record("2024-25/QHL", {"a": {"counts": [20], "numbers": "b"}}, reports / releases.NAME)
    spill = result.dataset.engine.spill  # type: ignore[attr-defined]
    (spill / "rows.parquet").touch()
    control = place / "control.txt"
    control.touch(mode=0o644)
    hidden = [
        *(path for path in imported.iterdir() if path.is_file()),
        *[path.rename(path.with_name(f"{path.name}.bin")) for path in summaries],
        key,
        channels / "1.socket",
        reports / releases.NAME,
        spill / "rows.parquet",
        *(imported, place / "cache", key.parent, channels, reports, spill),
    ]
    with listener:
        assert reached_by_another([control, *hidden]) == [str(control)]
    # Not by the folder alone: what leaves its folder is still closed.
    for path in (*imported.iterdir(), key, reports / releases.NAME):
        if path.is_file():
            assert not path.stat().st_mode & 0o077, path.name
