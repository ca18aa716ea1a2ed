"""The zip that installs with the network off: `make wheelhouse` makes it; without it the test is skipped."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("wheelhouse", ROOT / "scripts" / "wheelhouse.py")
wheelhouse = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(wheelhouse)


@pytest.mark.unit
def test_constraints_are_the_versions_of_the_lock():
    lines = wheelhouse.constraints(ROOT / "requirements.lock").splitlines()
    assert len(lines) > 100 and not [line for line in lines if "sha256" in line or "\\" in line]
    assert [line for line in lines if line.startswith("duckdb==")]
    marked = [line for line in lines if " ; " in line]
    assert marked and all(line.count(" ; ") == 1 for line in marked)


@pytest.mark.slow
@pytest.mark.end_to_end
def test_the_zip_installs_with_the_network_off_and_the_command_works(tmp_path: Path):
    archive = Path(os.environ.get("PATHCOST_WHEELHOUSE", ROOT / "dist" / "pathcost-wheelhouse.zip"))
    if not archive.is_file():
        pytest.skip("there is no wheelhouse here: make wheelhouse")
    with zipfile.ZipFile(archive) as file:
        assert not [name for name in file.namelist() if name.endswith(".tar.gz")], (
            "nothing is built on the site's machine"
        )
    command = wheelhouse.try_it(archive, tmp_path)
    home = os.environ | {"PATHCOST_HOME": str(tmp_path / "home"), "PYTHONPATH": ""}
    alone = wheelhouse.without_network()
    made = subprocess.run(
        [*alone, str(command), "sample", "--people", "tiny"], env=home, capture_output=True, text=True, cwd=tmp_path
    )
    assert made.returncode == 0, made.stderr
    checked = subprocess.run(
        [*alone, str(command), "check", "--data", str(tmp_path / "home" / "data" / "sample")],
        env=home, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert checked.returncode == 0 and "0 errors" in checked.stdout
