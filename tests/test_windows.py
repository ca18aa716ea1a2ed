"""What Windows does otherwise, forced on any system: console, no fork, no sockets, open files, folders, encodings."""

from __future__ import annotations

import ast
import json
import multiprocessing
import os
import subprocess
import sys
import types
from pathlib import Path, PureWindowsPath

import pytest
from factories import make_tables, write_tables
from test_cli import pathcost

from pathcost_lib import scratch
from pathcost_lib.errors import InputError
from pathcost_lib.explore import serve
from pathcost_lib.intake import pseudonyms
from pathcost_lib.packs import builder, order, pool, private, warm
from pathcost_lib.sources.address import is_folder, parse

LIBRARY = Path(__file__).parents[1] / "pathcost_lib"
#: `os` as a module of ours sees it there: no owner of a file, and another name.
WINDOWS = types.SimpleNamespace(
    **{name: getattr(os, name) for name in dir(os) if name not in ("fork", "getuid", "geteuid")}
)
WINDOWS.name = "nt"


@pytest.mark.end_to_end
@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "ascii"])
def test_a_console_of_few_characters_is_written_to(encoding: str):
    code = (
        "from pathcost_lib import cli; cli.app = lambda: print('Cost £5 \u2212 \u2265 \u0141\u00f3d\u017a'); cli.main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, env=os.environ | {"PYTHONIOENCODING": encoding}
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert ran.stdout.startswith("Cost £5".encode(encoding, "backslashreplace"))
    assert b"\\u0141" in ran.stdout  # what none of them has is written as its code


@pytest.mark.end_to_end
def test_a_folder_with_blanks_and_letters_of_other_languages_is_read(tmp_path: Path):
    folder = write_tables(tmp_path / "NHS Trust (Größe) \u0141" / "own data", make_tables())
    checked = pathcost("check", "--data", folder)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.unit
@pytest.mark.parametrize(
    "text", [r"C:\Users\anna\NHS data", r"D:\x", r"\\server\share\own", r"data\own", "C:/Users/anna"]
)
def test_a_windows_folder_is_no_address_of_another_kind(text: str):
    assert is_folder(text) and is_folder(str(PureWindowsPath(text)))
    assert parse(text).engine == ""
    assert parse(f"duckdb:///{PureWindowsPath('C:/own data/x.db').as_posix()}").file is not None


@pytest.mark.unit
@pytest.mark.parametrize("name", ["NHS A/B: <c>?", 'a"b|c*', "..", " x. ", "QHL"])
def test_a_name_from_the_data_is_a_file_name_on_windows(name: str):
    safe = order.safe_name(name)
    assert not set(safe) & set('<>:"/\\|?*') and not safe.endswith((" ", ".")) and safe


@pytest.mark.unit
def test_without_fork_or_sockets_kernels_are_ordinary_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for lacking, module in (("fork", os), ("AF_UNIX", warm.socket)):
        with monkeypatch.context() as patched:
            patched.delattr(module, lacking)
            folder = tmp_path / lacking
            with warm.KernelSpec(folder, ["json"]) as kernels:
                kernels.wait()
                assert kernels._server is None
                spec = json.loads((folder / "kernels" / warm.KERNEL / "kernel.json").read_text(encoding="utf-8"))
    assert spec["argv"][1:3] == ["-m", "ipykernel_launcher"]


@pytest.mark.unit
def test_processes_are_spawned_as_windows_must(monkeypatch: pytest.MonkeyPatch):
    asked, real = [], multiprocessing.get_context
    monkeypatch.setattr(multiprocessing, "get_context", lambda method=None: asked.append(method) or real(method))
    with pool.Pool(1, {}) as workers:
        workers.submit(os.getpid)
        (ran,) = workers.wait()
    assert asked == ["spawn"] and ran.result() != os.getpid()
    text = "".join(path.read_text(encoding="utf-8") for path in LIBRARY.rglob("*.py"))
    assert 'get_context("fork' not in text


@pytest.mark.unit
def test_where_nobody_owns_a_file_nothing_asks_who_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for module in (scratch, pseudonyms, private, serve):
        monkeypatch.setattr(module, "os", WINDOWS)
    assert private.PrivateKernelManager().transport == "tcp"
    gone = tmp_path / "pathcost-1-x"
    gone.mkdir()
    (gone / ".held").touch()
    scratch.sweep("pathcost-", tmp_path)
    assert not gone.exists()
    key = tmp_path / "own.key"
    made = pseudonyms.local_key(key)
    key.chmod(0o644)  # permissions mean nothing there
    assert pseudonyms.local_key(key) == made
    serve._refuse_root()


@pytest.mark.unit
def test_a_pack_whose_file_is_open_in_excel_stands_and_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    target, work = tmp_path / "QHL", tmp_path / ".QHL.x.part" / "QHL"
    for folder, text in ((target, "old"), (work, "new")):
        folder.mkdir(parents=True)
        (folder / "board-pack.xlsx").write_text(text, encoding="utf-8")
    real = Path.replace

    def locked(self: Path, other: Path) -> Path:
        if self == target:
            raise PermissionError(13, "The process cannot access the file", str(self))
        return real(self, other)

    monkeypatch.setattr(Path, "replace", locked)
    with pytest.raises(InputError, match=r"A file of QHL is open in another program, such as Excel\. Close it"):
        builder._swap(work, target)
    assert (target / "board-pack.xlsx").read_text(encoding="utf-8") == "old"
    monkeypatch.setattr(Path, "replace", real)
    builder._swap(work, target)
    assert (target / "board-pack.xlsx").read_text(encoding="utf-8") == "new"


@pytest.mark.unit
def test_text_files_are_utf8_whatever_the_system_says():
    """Windows reads and writes cp1252 where no encoding is named."""
    wrong = []
    for path in LIBRARY.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
            if name == "read_text" and not (node.args or node.keywords):
                wrong.append(f"{path.name}:{node.lineno}")
            if name == "write_text" and len(node.args) < 2 and "encoding" not in {k.arg for k in node.keywords}:
                wrong.append(f"{path.name}:{node.lineno}")
    assert wrong == []
