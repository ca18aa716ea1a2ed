"""What malicious files make a run do is read off its system calls: nothing is written elsewhere, nobody's file is read.

One process takes all of them, under strace. It opens a file that is not there by the name of a stage when a stage
begins: first what is refused before any row is read, then expressions handed to the engine past the parser that
refuses them, then what is taken, because it only looks dangerous.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from machine import needs

HERE = Path(__file__).parent

RUN = r"""
import contextlib, sys
from pathlib import Path

def stage(name):
    with contextlib.suppress(FileNotFoundError):
        open(f"/nowhere/STAGE-{name}")

sys.path[:0] = [sys.argv[1], str(Path(sys.argv[1]).parent)]
place = Path(sys.argv[2])
import pandas as pd
from factories import make_tables, write_tables
from test_hostile_files import COLUMNS, EXPRESSIONS, PATHWAY, PATHWAYS, TABLES
from pathcost_lib import paths
from pathcost_lib.errors import InputError
from pathcost_lib.pathways import load_definition
from pathcost_lib.scenarios import load_scenario
from pathcost_lib.sources import check, open_dataset
from pathcost_lib.sources.engine import connect
from pathcost_lib.intake.mapping import map_folder
from pathcost_lib.intake.mapping_file import read_mapping
from pathcost_lib.sources.names import organisation_names

def refused(act, *arguments):
    global count
    count += 1
    try:
        act(*arguments)
    except InputError:
        return
    raise SystemExit(f"taken: {act.__name__} {number}")

source, out, count = place / "inputs", place / "out", 0
source.mkdir(exist_ok=True)
(source / "a.csv").write_text("A\n1\n", encoding="utf-8")
mapping = source / "m.toml"
scenario = next(t for t in (p.read_text(encoding="utf-8") for p in sorted(paths.scenarios().glob("*.toml")))
                if "provider_code = " in t)
data = write_tables(source / "data", make_tables(patients=20))

engine = connect()
stage("refused")
for number, sql in enumerate(EXPRESSIONS):
    table = '[[table]]\nname = "population"\nfile = "a.csv"\n'
    columns = COLUMNS.replace("persons = { constant = 1 }", "persons = { sql = '''" + sql + "''' }")
    mapping.write_text(table + columns, encoding="utf-8")
    refused(map_folder, source, mapping, engine)
for number, text in TABLES.items():
    mapping.write_text(f'[[table]]\nname = "population"\n{text}\n{COLUMNS}', encoding="utf-8")
    refused(map_folder, source, mapping, engine)
for number, (sound, bad) in PATHWAYS.items():
    mapping.write_text(PATHWAY.replace(sound, bad), encoding="utf-8")
    refused(load_definition, mapping)
SCENARIOS = [("provider_code = ", "provider_code = \"x' OR 1=1\" #"), ("name = ", 'name = "<b>" #')]
for number, (old, new) in enumerate(SCENARIOS):
    mapping.write_text(scenario.replace(old, new), encoding="utf-8")
    refused(load_scenario, mapping)

stage("past")
people = open_dataset(data).patients
for sql in EXPRESSIONS:
    # The rest ask for memory or time, not for files.
    if any(word in sql.lower() for word in ("read_", "glob", "getenv", "copy", "attach", "install", "'/etc")):
        count += 1
        with contextlib.suppress(Exception):
            people.query(f"SELECT {sql} AS x FROM this").to_arrow()

stage("taken")
NAMES = ["x'; COPY (SELECT 1) TO 'CANARY'; --.csv", "$(touch CANARY).csv", "`touch CANARY`.csv", "=cmd|' calc'!A0.csv",
         "a\nb.csv", "-rf.csv", "a;touch CANARY;.csv", "%2e%2e%2fsecret.csv", "<script>.csv", "\u202egpj.csv", "*.csv",
         "{x}.csv"]
count += len(NAMES)
folder = source / "named as code"
folder.mkdir()
for name in NAMES:
    (folder / name).write_text("A\n1\n", encoding="utf-8")
mapping.write_text(f'[[table]]\nname = "population"\nfile = "*.csv"\n{COLUMNS}', encoding="utf-8")
taken = map_folder(folder, mapping)
assert set(taken.report.counts["file"]) == set(NAMES)
taken.write(out / "taken")
tables = make_tables(patients=20)
evil = ["x'; COPY (SELECT 1) TO 'CANARY'; --", "../../CANARY", "$(touch CANARY)", "<script>alert(1)</script>", "=1+1",
        "\u202eevil", "{{x}}", "%s%n", "' OR 1=1"]
count += len(evil)
names = tables["organisations"]["name"].astype(object)
names.iloc[: len(evil)] = evil[: len(names)]
tables["organisations"]["name"] = names
hostile = open_dataset(write_tables(source / "named", tables))
organisation_names(hostile.organisations)
check(hostile)
stage("end")
print(count)
"""

_OPENED = re.compile(
    r'(openat|open|creat|rename|renameat2?|unlink|unlinkat|mkdir|mkdirat)\((?:[^"]*?)"((?:[^"\\]|\\.)*)"(.*)'
)
_WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND")
_NOBODYS = re.compile(r"/etc/(passwd|shadow|hosts)|/environ\b|\.ssh|secret|CANARY")


@pytest.mark.end_to_end
@pytest.mark.skipif(sys.platform != "linux", reason="system calls are traced as on Linux")
def test_sixty_malicious_files_open_nothing_but_inputs_output_and_scratch(tmp_path: Path) -> None:
    place, scratch, key = tmp_path / "place", tmp_path / "scratch", tmp_path / "config" / "pseudonym.key"
    place.mkdir()
    scratch.mkdir()
    log = tmp_path / "calls.log"
    with needs("strace", "apt-get install strace, and allow a process to trace its own"):
        subprocess.run(["strace", "-o", os.devnull, "true"], check=True, capture_output=True)
    around = {
        **os.environ,
        "TMPDIR": str(scratch),
        "HOME": str(tmp_path),
        "PATHCOST_KEY": str(key),
        "PATHCOST_CACHE": str(place / "cache"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    calls = "open,openat,creat,rename,renameat,renameat2,mkdir,mkdirat,connect,execve"
    trace = ["strace", "-f", "--seccomp-bpf", "-e", f"trace={calls}", "-s", "400", "-o", str(log)]
    done = subprocess.run(
        [*trace, sys.executable, "-c", RUN, str(HERE), str(place)],
        env=around,
        cwd=place,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout
    assert int(done.stdout) >= 60
    stages = {"before": []}
    current = "before"
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if found := re.search(r"/nowhere/STAGE-(\w+)", line):
            current = found[1]
        stages.setdefault(current, []).append(line)
    assert list(stages) == ["before", "refused", "past", "taken", "end"]
    seen = 0
    for name in ("refused", "past", "taken"):
        for line in stages[name]:
            assert "connect(" not in line and "execve(" not in line, line
            call = _OPENED.search(line)
            if call is None or "/nowhere/STAGE-" in line:
                continue
            path, flags = call[2], call[3]
            seen += 1
            inside = path.startswith((str(place), str(scratch))) or not path.startswith("/")
            writes = call[1] not in ("open", "openat") or _WRITES.search(flags)
            if writes and path not in ("/dev/null", str(key), str(key.parent)):
                assert inside, line
            if name != "taken":  # there the library itself takes the key, to make pseudonyms
                assert path != str(key), line
            assert not _NOBODYS.search(path) or str(source_of(place)) in path, line
    assert seen > 100
    assert not [path for path in tmp_path.rglob("*CANARY*") if path.parent.parent != source_of(place)]


def source_of(place: Path) -> Path:
    """Return where the inputs lie, some of them under names that look dangerous."""
    return place / "inputs"
