"""The commands, as a user runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from factories import make_tables, write_tables

from pathcost_lib import __version__


def pathcost(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "from pathcost_lib.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.mark.end_to_end
def test_version_and_help_answer():
    assert pathcost("--version").stdout.strip() == f"pathcost {__version__}"
    shown = pathcost("--help").stdout
    for command in ("sample", "check", "import", "pack", "verify"):
        assert command in shown


@pytest.mark.slow
@pytest.mark.end_to_end
def test_a_sample_is_made_once_and_checks_clean(tmp_path: Path):
    made = pathcost("sample", "--people", "tiny", "--out", tmp_path / "sample", "--jobs", 1)
    assert (made.returncode, made.stdout.strip()) == (0, f"Sample written to {tmp_path / 'sample'}")
    again = pathcost("sample", "--people", "tiny", "--out", tmp_path / "sample")
    assert again.stdout.strip().endswith("is current.")
    checked = pathcost("check", "--data", tmp_path / "sample")
    assert checked.returncode == 0
    assert "0 errors" in checked.stdout


@pytest.mark.end_to_end
def test_check_prints_what_is_wrong_without_a_patient_and_fails(tmp_path: Path):
    tables = make_tables()
    broken = tables["activity"].copy()
    broken.loc[:4, "units"] = 0
    checked = pathcost("check", "--data", write_tables(tmp_path, tables | {"activity": broken}))
    assert checked.returncode == 1
    assert "activity.units" in checked.stdout and "(5 rows)" in checked.stdout
    assert "7000000" not in checked.stdout


@pytest.mark.slow
@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check", "--data", "nowhere"), "pathcost: There is no folder nowhere"),
        (("sample", "--people", "huge"), "pathcost: Sample size 'huge' is not known"),
        (("pack", "QHL", "--data", "nowhere"), "pathcost: There is no folder nowhere"),
        (("pack", "--data", "nowhere"), "Name one or more ICBs, or give --all"),
        (("pack", "QHL", "--all"), "Name one or more ICBs, or give --all"),
        (("verify", "nowhere"), "pathcost: nowhere holds no manifest.json"),
        (("pack", "QHL", "--year", "2024", "--data", "nowhere"), "Write it like 2024-25"),
        (("pack", "QHL", "--data", "nowhere", "--set", "colour"), "--set 'colour' is not name=value"),
    ],
)
def test_bad_input_is_one_plain_line(arguments, said):
    done = pathcost(*arguments)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.end_to_end
def test_import_writes_tables_and_refuses_a_folder_that_is_not_empty(tmp_path: Path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "people.csv").write_text("NHS,BORN,SEX\n1,1950,F\n2,1960,M\n3,1970,X\n", encoding="utf-8")
    mapping = tmp_path / "mine.toml"
    mapping.write_text(
        '[[table]]\nname = "patients"\nfile = "people.csv"\n[table.columns]\npatient_id = { from = "NHS" }\n'
        'icb_code = { constant = "QHL" }\nbirth_year = { from = "BORN" }\n'
        'sex = { from = "SEX", codes = { F = "female", M = "male" } }\n',
        encoding="utf-8",
    )
    first = pathcost("import", source, "--mapping", mapping, "--out", tmp_path / "out")
    assert first.returncode == 0, first.stderr
    assert "3 rows in, 2 kept, 1 reported" in first.stdout
    assert (tmp_path / "out" / "patients.parquet").exists()
    second = pathcost("import", source, "--mapping", mapping, "--out", tmp_path / "out")
    assert second.returncode == 2 and "Traceback" not in second.stderr
