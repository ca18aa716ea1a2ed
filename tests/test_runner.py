"""Running packs: all of them, only what has changed, and whatever is killed on the way."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from datetime import date
from pathlib import Path
from typing import Any

import nbformat
import papermill
import psutil
import pytest
from factories import ICBS, make_tables, write_tables
from filelock import FileLock
from pypdf import PdfReader

from pathcost_lib import packs, paths, sources
from pathcost_lib.errors import InputError
from pathcost_lib.intake.pseudonyms import local_key
from pathcost_lib.packs import builder, freshness, manifest, order, pool, proof, runner, warm
from pathcost_lib.packs.document import read_section
from pathcost_lib.packs.verify import verify
from pathcost_lib.sources import names

OPTIONS: dict[str, Any] = {"year": "2024-25", "formats": ("html", "xlsx")}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tables(tmp_path_factory.mktemp("data"), make_tables(patients=60))


@pytest.fixture
def data(tables: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tables, tmp_path / "data"))


def _notebook(path: Path, code: str = "pass") -> Path:
    """Write a notebook that reads a reference table, does `code`, and shows its ICB."""
    imports = "import os, signal, time\nfrom pathcost_lib import present\nfrom pathcost_lib.ledger import pricing"
    cells = [
        ("# Who is asked for", ["pack"]),
        ('icb: str = "QZ1"  # ODS code\ndata: str = ""  # Folder\nextra: str = ""  # Any file', ["parameters"]),
        (f"{imports}\npricing.national_mff()\n{code}", []),
        ("present.message(f'About {icb}.')", ["pack"]),
        ("print(time.time_ns())\npresent.expect(figures=0, tables=0)", []),
    ]
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    notebook.metadata["language_info"] = {"name": "python"}
    make = [nbformat.v4.new_markdown_cell, *[nbformat.v4.new_code_cell] * 4]
    notebook.cells = [new(text, metadata={"tags": tags}) for new, (text, tags) in zip(make, cells, strict=True)]
    nbformat.write(notebook, path)
    return path


def _nothing_left(folder: Path) -> None:
    assert not [p.name for p in folder.rglob("*") if p.suffix == ".part" or p.name.endswith(".old")]


# -- which ICBs -------------------------------------------------------------------------------------------------------
@pytest.mark.unit
def test_the_list_of_icbs_is_that_of_the_year(data: Path) -> None:
    places = make_tables(patients=60)["organisations"]
    ended = places.assign(valid_to=places["valid_to"].mask(places["org_code"] == "QZ2", date(2024, 3, 31)))
    write_tables(data, {"organisations": ended})
    dataset = sources.open_dataset(data)
    assert names.icbs_of(dataset, "2023-24") == ["QZ1", "QZ2", "QZ3"]
    assert names.icbs_of(dataset, "2024-25") == ["QZ1", "QZ3"]
    assert names.icbs_of(dataset, "2019-20") == []


# -- what a result rests on -------------------------------------------------------------------------------------------
@pytest.mark.unit
def test_a_notebook_rests_on_the_rooms_that_it_imports_and_their_sql() -> None:
    known = {path.stem: path for path in builder.production_notebooks()}
    library = Path(packs.__file__).parents[1]
    cost = {p.relative_to(library).as_posix() for p in freshness.library_files([known["02_pathway_cost"]])}
    assert {"ledger/costing.sql", "benchmark/pathway_cost.py", "sources/contracts.toml", "codes.py"} <= cost
    assert not [name for name in cost if name.startswith(("scenarios/", "packs/", "teaching/"))]
    growth = freshness.library_files([known["05_demand_growth"]])
    assert library / "scenarios" / "demand" / "projection.py" in growth


@pytest.mark.unit
@pytest.mark.parametrize(
    "code",
    [
        "import pathcost_lib as pc\npc.link(1, pc.load_definition('x'))",
        "import pathcost_lib\npathcost_lib.link",
        "import pathcost_lib.sources\npathcost_lib.link",
        "from pathcost_lib import link as join",
        "import pathcost_lib as pc\ndef work():\n    return pc.summarise",
        "import pathcost_lib as pc\npc.pathways.link",
        "from pathcost_lib import *",
        "import pathcost_lib as pc\ngetattr(pc, 'link')",
    ],
)
def test_what_a_notebook_takes_from_the_front_door_is_made_again_with_its_room(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Path(shutil.copytree(Path(packs.__file__).parents[1], tmp_path / "pathcost_lib"))
    monkeypatch.setattr(freshness, "_LIBRARY", library)
    notebook = _notebook(tmp_path / "n.ipynb", code)
    noted = [freshness.code_digest([notebook])]
    for name in ("pathways/link.py", "pathways/link.sql", "ledger/costing.sql", "__init__.py"):
        (library / name).write_text((library / name).read_text(encoding="utf-8") + "\n", encoding="utf-8")
        noted.append(freshness.code_digest([notebook]))
    assert len({*noted}) == 5
    elsewhere = library / "scenarios" / "change" / "system.py"
    elsewhere.write_text(elsewhere.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    may_be_all = "*" in code or "getattr" in code
    assert (freshness.code_digest([notebook]) != noted[-1]) == may_be_all


@pytest.mark.unit
def test_kernels_load_the_rooms_that_a_notebook_takes_from_the_front_door(tmp_path: Path) -> None:
    code = "import pathcost_lib as pc\npc.link\npc.system_impact"
    named = freshness.imports_of(_notebook(tmp_path / "n.ipynb", code))
    assert {"pathcost_lib.pathways", "pathcost_lib.scenarios"} <= named
    assert not {"pathcost_lib.value", "pathcost_lib.benchmark"} & named


@pytest.mark.unit
def test_digests_tell_a_changed_file_a_new_name_and_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1", encoding="utf-8")
    noted = freshness.digests([tmp_path, tmp_path / "a.csv"])
    assert freshness.same(noted, [tmp_path])
    (tmp_path / "b.csv").touch()
    assert not freshness.same(noted, [tmp_path])
    (tmp_path / "b.csv").unlink()
    (tmp_path / "a.csv").write_text("2", encoding="utf-8")
    assert not freshness.same(noted, [tmp_path])
    (tmp_path / "a.csv").unlink()
    assert not freshness.same(noted, [tmp_path])


@pytest.mark.slow
@pytest.mark.end_to_end
def test_what_a_notebook_reads_is_noted(tmp_path: Path) -> None:
    reads = tmp_path / "reads.json"
    code = "from pathcost_lib.scenarios import load_scenario; load_scenario('do_nothing')"
    runner.execute(_notebook(tmp_path / "n.ipynb", code), tmp_path / "out.ipynb", {"icb": "QZ1"}, reads=reads)
    found = freshness.shipped_reads(json.loads(reads.read_text(encoding="utf-8")))
    assert {paths.reference().resolve() / "mff.csv", paths.scenarios().resolve() / "do_nothing.toml"} <= set(found)
    assert not [path for path in found if path.suffix == ".py"]


# -- choices ----------------------------------------------------------------------------------------------------------
@pytest.mark.unit
def test_a_pathway_and_a_scenario_go_to_the_notebooks_that_take_them(data: Path, tmp_path: Path) -> None:
    chosen = ["02_pathway_cost", "03_icb_variation", "05_demand_growth", "06_system_savings"]

    def settings(**options: Any) -> dict[str, dict[str, Any]]:
        asked = {"pathway": None, "scenario": (), **options}
        placed = order.place_order(
            ["QZ1"], "2024-25", chosen, asked["pathway"], asked["scenario"], data, ("html",), tmp_path / "reports", {}
        )
        return {n.stem[:2]: values for n, values in placed.settings("QZ1").items()}

    plain = settings()
    assert all(values["icb"] == "QZ1" for values in plain.values())
    assert "pathway" not in plain["02"] and "scenario" not in plain["05"]
    given = settings(pathway="hip_replacement", scenario=["official_groups", "bed_closure"])
    assert [given[n].get("pathway") for n in ("02", "03", "05")] == ["hip_replacement", "hip_replacement", None]
    assert [given[n].get("scenario") for n in ("02", "05", "06")] == [None, "official_groups", "bed_closure"]
    with pytest.raises(InputError, match="Scenario 'closure' is not known"):
        settings(scenario="closure")


_SCHEME = """name = "some"
title = "For some"
narrative = "-"
source = "Made up"
price_base = "2024-25"
[[intervention]]
name = "fewer"
title = "Fewer"
source = "Made up"
evidence = "assumed"
change = "avoid"
effect = 0.5
start = "2025-26"
select = { pod = ["ae_type1"], people = "homes.csv" }
"""


@pytest.mark.unit
@pytest.mark.parametrize("key", ["scenario", "beside"])
def test_a_pack_rests_on_the_files_that_a_scenario_names(key: str, data: Path, tmp_path: Path) -> None:
    scheme, listed = tmp_path / "one" / "some.toml", tmp_path / "one" / "homes.csv"
    scheme.parent.mkdir()
    scheme.write_text(_SCHEME, encoding="utf-8")
    listed.write_text("patient_id\n1\n", encoding="utf-8")
    (notebook,) = [n for n in order.production_notebooks() if n.stem.startswith("06")]

    def placed(*files: Path) -> order.Order:
        given = {"scenario": str(files[0])} if key == "scenario" else {"beside": ", ".join(map(str, files))}
        options = ("2024-25", [notebook], None, (), data, ("html",), tmp_path / "reports", given)
        return order.place_order(["QZ1"], *options)

    before = placed(scheme)
    assert set(before.named[notebook]) == {"(outside)/some.toml", "(outside)/homes.csv"}
    before.require_same_data()
    listed.write_text("patient_id\n1\n2\n", encoding="utf-8")
    assert placed(scheme).state("QZ1", notebook)["files"] != before.state("QZ1", notebook)["files"]
    with pytest.raises(InputError, match=r"homes\.csv and 0 others have changed"):
        before.require_same_data()
    if key == "beside":
        other = tmp_path / "two" / "other.toml"
        other.parent.mkdir()
        other.write_text(_SCHEME, encoding="utf-8")
        (other.parent / "homes.csv").write_text("patient_id\n3\n", encoding="utf-8")
        with pytest.raises(InputError, match=r"Two files are named homes\.csv and differ"):
            placed(scheme, other)


# -- runs -------------------------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.end_to_end
def test_all_packs_then_nothing_then_only_what_has_changed(data: Path, tmp_path: Path) -> None:
    extra = tmp_path / "extra.csv"
    extra.write_text("1", encoding="utf-8")
    one, two = (
        _notebook(tmp_path / "01_one.ipynb"),
        _notebook(tmp_path / "02_two.ipynb", "open(extra).close() if extra else 0"),
    )
    options = OPTIONS | {"data": data, "out": tmp_path / "reports", "notebooks": [one, two], "jobs": 2}
    steps: list[tuple[int, int]] = []
    first = packs.build_all(**options, progress=lambda *at: steps.append(at))
    assert [(p.icb, p.made, p.failures) for p in first] == [(icb, True, ()) for icb in ICBS]
    assert steps[-1] == (9, 9)
    folder = tmp_path / "reports" / "2024-25"
    assert sorted(p.name for p in folder.iterdir()) == [*ICBS, "index.html"]
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert all(f"{icb}/board-pack.html" in page for icb in ICBS)
    assert [p.name for p in first[0].files] == [
        "01_one.ipynb",
        "02_two.ipynb",
        "board-pack.html",
        "board-pack.xlsx",
        "manifest.json",
    ]
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*.*")}

    assert not any(p.made for p in packs.build_all(**options))
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*.*") if p.name != "index.html"}.items() <= before.items()

    def ran(**more: Any) -> list[str]:
        """Return which notebooks of one ICB ran: each prints the time, to the nanosecond."""
        was = {p.stem: p.read_text(encoding="utf-8") for p in (folder / "QZ1").glob("*.ipynb")}
        pack = packs.build("QZ1", **options | more)
        assert not pack.failures
        now = {p.stem: p.read_text(encoding="utf-8") for p in sorted((folder / "QZ1").glob("*.ipynb"))}
        return [name for name in now if now[name] != was.get(name)] if pack.made else []

    given = {"parameters": {"extra": str(extra)}}
    assert ran(**given) == ["01_one", "02_two"]
    extra.write_text("2", encoding="utf-8")
    _notebook(two, "1 + 1")
    assert ran(**given, notebooks=[two]) == ["02_two"]
    (folder / "QZ1" / "board-pack.html").write_text("edited by hand", encoding="utf-8")
    assert ran(**given, notebooks=[two]) == []
    assert "edited by hand" not in (folder / "QZ1" / "board-pack.html").read_text(encoding="utf-8")
    activity = data / "activity.parquet"
    activity.unlink()  # a link to the table of other tests
    write_tables(data, {"activity": make_tables(patients=63)["activity"]})
    assert ran(**given, notebooks=[two]) == ["02_two"]
    _nothing_left(tmp_path / "reports")


@pytest.mark.slow
@pytest.mark.end_to_end
def test_a_failure_and_a_killed_kernel_do_not_stop_the_rest(data: Path, tmp_path: Path) -> None:
    code = "if icb == 'QZ1': raise ValueError('not here')\nif icb == 'QZ2': os.kill(os.getpid(), signal.SIGKILL)"
    notebook = _notebook(tmp_path / "01_x.ipynb", code)
    options = OPTIONS | {"data": data, "out": tmp_path / "reports", "notebooks": [notebook], "jobs": 2}
    found = packs.build_all(**options)
    assert [bool(p.failures) for p in found] == [True, True, False]
    assert found[0].failures == ("01_x.ipynb, cell 3: ValueError: not here",)
    assert "ended from outside (killed, or memory ran out)" in found[1].failures[0]
    page = (tmp_path / "reports" / "2024-25" / "index.html").read_text(encoding="utf-8")
    assert "not here" in page and "QZ3/board-pack.html" in page
    _nothing_left(tmp_path / "reports")
    _notebook(notebook)
    assert not any(p.failures for p in packs.build_all(**options))


def _kill(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.slow
@pytest.mark.end_to_end
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_killed_worker_fails_its_own_task_only_and_is_replaced() -> None:
    with pool.Pool(1, {}) as workers:
        results: list[Any] = []
        for number in (1, 2, 3):
            future = workers.submit(_kill, number)
            assert workers.wait() == [future]
            results.append(future.exception() or future.result())
    assert isinstance(results[1], BrokenProcessPool)
    assert [results[0], results[2]] == [1, 3]
    assert "ended from outside" in builder._said(results[1], Path("02_x.ipynb"))


@pytest.mark.slow
@pytest.mark.end_to_end
def test_a_worker_is_renewed_after_so_many_tasks_and_where_it_is_killed_at_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool, "MOST_TASKS", 2)
    seen = []
    with pool.Pool(1, {}) as workers:
        for _ in range(5):
            future = workers.submit(os.getpid)
            workers.wait()
            seen.append(future.result())
        psutil.Process(seen[-1]).kill()
        psutil.wait_procs([psutil.Process(seen[-1])] if psutil.pid_exists(seen[-1]) else [], timeout=10)
        time.sleep(0.5)  # the pool is told by its own thread
        future = workers.submit(os.getpid)
        workers.wait()
        assert future.result() not in seen
    assert [seen[0] == seen[1], seen[2] == seen[3]] == [True, True]
    assert len({*seen}) == 3


@pytest.mark.slow
@pytest.mark.end_to_end
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_the_main_process_killed_leaves_no_process_and_no_half_pack(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, flag = tmp_path / "waiting", tmp_path / "wait"
    flag.touch()
    # No folder of the machine may stand in a pack, so the notebook finds its own through the environment.
    monkeypatch.setenv("WAITS_IN", str(tmp_path))
    code = (
        "here = os.environ['WAITS_IN']\nopen(f'{here}/waiting', 'w').close()\n"
        "if os.path.exists(f'{here}/wait'): time.sleep(120)"
    )
    notebook = _notebook(tmp_path / "01_x.ipynb", code)
    options = OPTIONS | {"data": data, "out": tmp_path / "reports", "notebooks": [notebook]}
    call = f"from pathlib import *\nfrom pathcost_lib import packs\npacks.build_all(**{options!r}, jobs=1)"
    main = subprocess.Popen([sys.executable, "-c", call.replace("PosixPath", "Path")])
    while not waiting.exists():
        assert main.poll() is None
        time.sleep(0.1)
    # Kernels are in sessions of their own, but all carry the folder of the run.
    mine = [p for p in psutil.process_iter() if p.pid == main.pid or main.pid in [q.pid for q in _parents(p)]]
    assert len(mine) > 3
    main.send_signal(signal.SIGKILL)
    main.wait()
    _, alive = psutil.wait_procs(mine, timeout=30)
    assert not alive
    flag.unlink()
    found = packs.build_all(**options, jobs=2)
    assert not any(p.failures for p in found)
    _nothing_left(tmp_path / "reports")


def _parents(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.parents()
    except psutil.Error:
        return []


@pytest.mark.slow
@pytest.mark.end_to_end
def test_two_runs_at_once_on_one_icb(data: Path, tmp_path: Path) -> None:
    options = OPTIONS | {"data": data, "out": tmp_path / "reports", "notebooks": [_notebook(tmp_path / "01_x.ipynb")]}
    assert not packs.build("QZ1", **options).failures
    lock = tmp_path / "reports" / ".locks" / "2024-25-QZ1.lock"
    with FileLock(lock):
        [held, other] = packs.build_all(["QZ1", "QZ2"], **options)
    assert "another run is building this pack now" in held.failures[0]
    assert (held.folder / "board-pack.html").exists()
    assert not other.failures
    assert not packs.build("QZ1", **options).failures  # a lock file without a holder holds nobody up


@pytest.mark.unit
def test_reports_that_cannot_be_written_are_said_before_anything_runs(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"reports folder .* cannot be written"):
        packs.build("QZ1", **OPTIONS, data=data, out=tmp_path / "file" / "reports", notebooks=["02_pathway_cost"])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small disk can be mounted by root only")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.end_to_end
def test_a_full_disk_and_a_read_only_one_keep_the_old_pack(
    data: Path, tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIZE", str(tmp_path / "size"))
    code = "size = os.environ['SIZE']\nprint('x' * int(open(size).read()) if os.path.exists(size) else '')"
    options = OPTIONS | {"data": data, "out": small_disk, "notebooks": [_notebook(tmp_path / "01_x.ipynb", code)]}
    options |= {"formats": ("xlsx",)}
    assert not packs.build("QZ1", **options).failures
    page = small_disk / "2024-25" / "QZ1" / "board-pack.xlsx"
    before = page.read_bytes()
    (tmp_path / "size").write_text("200000", encoding="utf-8")
    [failure] = packs.build("QZ1", **options, force=True).failures
    assert "No space left on device" in failure
    assert page.read_bytes() == before
    _nothing_left(small_disk)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(InputError, match="Read-only file system"):
        packs.build("QZ1", **options, force=True)


@pytest.mark.slow
@pytest.mark.end_to_end
def test_verify_says_what_differs(data: Path, tmp_path: Path) -> None:
    options = OPTIONS | {"data": data, "out": tmp_path / "reports", "notebooks": [_notebook(tmp_path / "01_x.ipynb")]}
    folder = packs.build("QZ1", **options).folder
    found = verify(folder, places=[tmp_path])
    assert found.intact and found.reproducible, found.summary
    assert "as it was built" in found.summary and "can be built again" in found.summary
    text = (folder / "manifest.json").read_text(encoding="utf-8")
    assert str(tmp_path) not in text and str(paths.root()) not in text and str(Path.home()) + "/" not in text
    assert "(outside)/data/activity.parquet" in json.loads(text)["inputs"]
    (lacking, *_) = verify(folder).inputs
    assert "lay outside the project; say --from FOLDER" in lacking
    (folder / "board-pack.html").write_text("<p>better numbers</p>", encoding="utf-8")
    (folder / "board-pack.xlsx").unlink()
    (folder / "notes.txt").touch()
    write_tables(data, {"population": make_tables(patients=60)["population"].head(100)})
    about = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    about["packages"]["pandas"], about["code"]["source_sha256"] = "1.5.3", "0" * 64
    (folder / "manifest.json").write_text(json.dumps(about), encoding="utf-8")
    found = verify(folder, places=[tmp_path])
    assert found.outputs == (
        "board-pack.html: has changed",
        "board-pack.xlsx: is missing",
        "notes.txt: was not part of it",
        "manifest.json: its own identity is not that of the inputs, code and parameters in it",
        "board-pack.html: bears another identity than that of manifest.json",
    )
    assert [line.split(":")[0].rpartition("/")[2] for line in found.inputs] == [
        "population.parquet",
        "code",
        "package pandas",
    ]
    assert "NOT as it was built" in found.summary
    with pytest.raises(InputError, match="not a pack"):
        verify(tmp_path)


@pytest.mark.slow
@pytest.mark.end_to_end
def test_a_forged_pack_with_a_forged_manifest_fails_with_the_key(data: Path, tmp_path: Path) -> None:
    key, formats = tmp_path / "sign.key", ("html", "pdf", "xlsx", "pptx")
    options = OPTIONS | {"data": data, "out": tmp_path / "reports", "notebooks": [_notebook(tmp_path / "01_x.ipynb")]}
    options["formats"] = formats
    unsigned = packs.build("QZ1", **options)
    assert "Without a key" in verify(unsigned.folder).summary
    folder = unsigned.folder
    local_key(key)
    assert verify(folder, key=key).outputs == ("manifest.json: is not signed",)
    assert not packs.build("QZ1", **options).made
    pack = packs.build("QZ1", **options, key=key)
    assert pack.made  # nothing of a pack that is not signed is kept
    assert not packs.build("QZ1", **options, key=key).made
    about = pack.manifest
    for name in formats:
        assert proof.bears(folder / f"board-pack.{name}", about["identity"]), name
    shown = "".join(page.extract_text() for page in PdfReader(folder / "board-pack.pdf").pages[-2:])
    assert about["identity"] in re.sub(r"\s", "", shown)
    found = verify(folder, key=key)
    assert found.intact and "signed with this key" in found.summary, found.summary

    # Better numbers and their digest: no key, no proof; with the key it is found.
    page = folder / "board-pack.html"
    page.write_text(page.read_text(encoding="utf-8").replace("About QZ1.", "About QZ1, cheap."), encoding="utf-8")
    forged = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    forged["outputs"]["board-pack.html"] = manifest.file_digest(page)
    (folder / "manifest.json").write_text(json.dumps(forged), encoding="utf-8")
    assert verify(folder).intact and "not forgery" in verify(folder).summary
    assert verify(folder, key=key).outputs == ("manifest.json: is not what was signed with this key",)
    # Other inputs in the manifest alone are found without a key, whatever identity it then names.
    forged["parameters"]["01_x"]["extra"] = "other"
    forged["identity"] = proof.identity(forged)
    (folder / "manifest.json").write_text(json.dumps(forged), encoding="utf-8")
    assert [line for line in verify(folder).outputs if "bears another identity" in line] == [
        f"board-pack.{name}: bears another identity than that of manifest.json" for name in sorted(formats)
    ]
    other = tmp_path / "other.key"
    local_key(other)
    (folder / "manifest.hmac").write_text(
        proof.signature((folder / "manifest.json").read_bytes(), local_key(other)), encoding="ascii"
    )
    assert verify(folder, key=key).outputs[0] == "manifest.json: is not what was signed with this key"
    with pytest.raises(InputError, match="There is no key"):
        verify(folder, key=tmp_path / "none.key")
    # What was forged is made again, not signed as it lies.
    again = packs.build("QZ1", **options, key=key)
    assert again.made and "cheap" not in page.read_text(encoding="utf-8") and verify(folder, key=key).intact


# -- kernels ----------------------------------------------------------------------------------------------------------
MODULES = ["pathcost_lib.ledger", "pathcost_lib.present", "ipykernel.kernelapp"]


@pytest.mark.slow
@pytest.mark.end_to_end
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kernels are ordinary ones where there is no fork")
def test_warm_kernels_are_alone_draw_their_figures_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = "from pathcost_lib import codes\nsaid = [getattr(codes, 'left_behind', None), os.getppid()]"
    draw = (
        "import matplotlib.pyplot as plt, duckdb\nfigure, ax = plt.subplots()\nax.plot([1, 2])\nfigure.savefig('f.svg')"
    )
    count = "said += duckdb.sql('SELECT sum(range) FROM range(1000000)').fetchall()[0]"
    size = "said.append(os.path.getsize('f.svg') > 1000)"
    monkeypatch.chdir(tmp_path)
    with warm.KernelSpec(Path(tempfile.mkdtemp(prefix="pathcost-run-")), MODULES) as kernels:
        kernels.wait()
        assert kernels._server is not None
        for name, value in kernels.environment.items():
            monkeypatch.setenv(name, value)
        for number in (1, 2):
            # An executed notebook keeps no output that is not disclosed, so the cell writes a file.
            keep = f"open('{number}.txt', 'w').write(repr(said))"
            code = f"{look}\n{draw}\n{count}\n{size}\n{keep}\ncodes.left_behind = {number}"
            notebook = _notebook(tmp_path / "n.ipynb", code)
            runner.execute(notebook, tmp_path / f"{number}.ipynb", {"icb": "QZ1"}, kernel=warm.KERNEL)
        for number in (1, 2):
            said = (tmp_path / f"{number}.txt").read_text()
            assert said == f"[None, {kernels._server.pid}, 499999500000, True]"
        assert not list((kernels.folder / "runtime").iterdir())
        server = psutil.Process(kernels._server.pid)
        assert server.num_threads() == 1
        assert not [p for p in server.children() if p.status() != psutil.STATUS_ZOMBIE]
    assert not kernels.folder.exists()
    assert not server.is_running()


@pytest.mark.slow
@pytest.mark.end_to_end
def test_an_ordinary_kernel_stands_in_where_the_server_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm.KernelSpec, "_is_ready", lambda self: False)
    with warm.KernelSpec(tmp_path / "run", MODULES) as kernels:
        kernels.wait()
        for name, value in kernels.environment.items():
            monkeypatch.setenv(name, value)
        runner.execute(_notebook(tmp_path / "n.ipynb"), tmp_path / "out.ipynb", {"icb": "QZ1"}, kernel=warm.KERNEL)
    assert (tmp_path / "out.ipynb").exists()


@pytest.mark.unit
def test_a_kernel_that_does_not_start_is_tried_again_a_cell_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def start(book: Any, output: str, *, kernel_name: str, **options: Any) -> None:
        tried.append(kernel_name)
        if len(tried) < 3:
            raise RuntimeError("Kernel died before replying to kernel_info")
        nbformat.write(book, output)

    notebook = _notebook(tmp_path / "n.ipynb")
    monkeypatch.setattr(papermill, "execute_notebook", start)
    runner.execute(notebook, tmp_path / "out.ipynb", {"icb": "QZ1"}, kernel=warm.KERNEL)
    assert tried == [warm.KERNEL, warm.KERNEL, "python3"]
    tried[:] = ["", ""]
    monkeypatch.setattr(papermill, "execute_notebook", lambda *a, **o: (_ for _ in ()).throw(TimeoutError("30 s")))
    with pytest.raises(runner.NotebookError, match="TimeoutError"):
        runner.execute(notebook, tmp_path / "out.ipynb", {"icb": "QZ1"})


@pytest.mark.end_to_end
def test_an_executed_notebook_keeps_only_what_has_passed_disclosure_control(tmp_path: Path) -> None:
    notebook = _notebook(tmp_path / "n.ipynb")
    book = nbformat.read(notebook, as_version=4)
    book.cells.append(nbformat.v4.new_code_cell("print('75 and over: 3 patients')\n{'cost': 6157.3}"))
    mine = nbformat.v4.new_code_cell("raise ValueError('not run in a pack')", metadata={"tags": [runner.YOURS]})
    book.cells.append(mine)
    nbformat.write(book, notebook)
    runner.execute(notebook, tmp_path / "out.ipynb", {"icb": "QZ1"})
    text = (tmp_path / "out.ipynb").read_text(encoding="utf-8")
    assert "patients" in text and "not run in a pack" not in text  # the cell is there, what it showed is not
    shown = [o for cell in nbformat.reads(text, as_version=4).cells for o in cell.get("outputs", [])]
    assert shown and all(any("pathcost" in kind for kind in o.get("data", {})) for o in shown)


@pytest.mark.slow
@pytest.mark.end_to_end
def test_a_cell_that_takes_too_long_ends_and_its_kernel_too(tmp_path: Path) -> None:
    notebook = _notebook(
        tmp_path / "n.ipynb", f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"
    )
    with pytest.raises(runner.NotebookError, match="Timeout"):
        runner.execute(notebook, tmp_path / "out.ipynb", {"icb": "QZ1"}, timeout=5)
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text(encoding="utf-8")))
    assert not (tmp_path / "out.ipynb").exists()


# -- warnings and names -----------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.end_to_end
def test_a_library_s_warning_is_no_output_and_what_a_cell_writes_itself_is(tmp_path: Path) -> None:
    warned = "import warnings, sys\nwarnings.warn('Glyph 128512 missing from font', UserWarning)\n"
    wrote = "import sys\nprint('P123 costs 4321', file=sys.stderr)\n"
    for code, refused in ((warned, False), (wrote, True), (warned + wrote, True)):
        notebook = _notebook(tmp_path / "n.ipynb")
        content = nbformat.read(notebook, as_version=4)
        content.cells[3].source = code + content.cells[3].source
        nbformat.write(content, notebook)
        runner.execute(notebook, tmp_path / "out.ipynb", {"icb": "QZ1"})
        if refused:
            with pytest.raises(InputError, match="has not passed disclosure control"):
                read_section(tmp_path / "out.ipynb")
        else:
            assert len(read_section(tmp_path / "out.ipynb").messages) == 1
            assert (
                "Glyph" not in (tmp_path / "out.ipynb").read_text(encoding="utf-8").split("import warnings", 1)[1][80:]
            )


ODD = {"A1": "Trust\twith a tab", "A2": "Trust 🏥 of emoji", "A3": "Very long name " * 40, "C1": "Line\nbreak\x07"}


@pytest.mark.unit
def test_names_are_made_fit_to_print_at_one_door(tmp_path: Path) -> None:
    places = make_tables(patients=60)["organisations"]
    places["name"] = places["org_code"].map(ODD).fillna(places["name"])
    places.loc[places["org_code"] == "C2", "name"] = ODD["A3"] + "of another"
    called = names.organisation_names(sources.Dataset.from_frames({"organisations": places}).organisations)
    assert (called["A1"], called["C1"]) == ("Trust with a tab", "Line break")
    assert called["A3"] != called["C2"] and called["A3"].endswith("… (A3)")
    assert max(map(len, called.values())) <= names.LONGEST_NAME


@pytest.mark.slow
@pytest.mark.end_to_end
@pytest.mark.parametrize("stem", ["02_pathway_cost", "04_outliers"])
def test_odd_names_of_organisations_stop_no_notebook(stem: str, tmp_path: Path) -> None:
    tables = make_tables(patients=120)
    places = tables["organisations"]
    places["name"] = places["org_code"].map(ODD).fillna(places["name"])
    data = write_tables(tmp_path / "data", tables | {"organisations": places})
    notebook = next(path for path in builder.production_notebooks() if path.stem == stem)
    runner.execute(notebook, tmp_path / "out.ipynb", {"icb": "QZ2", "data": str(data)})
    assert read_section(tmp_path / "out.ipynb").tables


@pytest.mark.unit
def test_what_was_read_is_known_though_a_kernel_is_killed(tmp_path: Path) -> None:
    (tmp_path / "read.csv").write_text("a", encoding="utf-8")
    noted = tmp_path / "reads.json"
    code = f"""
import os
from IPython.core.interactiveshell import InteractiveShell
from pathcost_lib.sources.reads import note
shell = InteractiveShell.instance()
note({str(noted)!r})
shell.run_cell("open({str(tmp_path / "read.csv")!r}).close()")
os._exit(9)
"""
    subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert str(tmp_path / "read.csv") in json.loads(noted.read_text(encoding="utf-8"))
