"""Kernels forked from a process that has already imported the library: seconds saved at every notebook.

`KernelSpec` writes a kernelspec, so that papermill (or anything of Jupyter's) starts such a kernel by name and knows no
difference. Each kernel is a fork of its own: nothing that a notebook does reaches another. Where there is no fork
(Windows), or the server does not start, the same name stands for an ordinary kernel.

A fork copies one thread only, so the server may have one only: it imports, but opens no engine, and `serve` refuses to
go on if a library has started a thread of its own.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import random
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from pathcost_lib import scratch

__all__ = ["KERNEL", "KernelSpec", "serve"]

KERNEL = "pathcost"
_SECONDS_TO_START = 180
#: No screen, one order of hashes, and one thread: a fork copies one, and sums are then the same on every machine.
QUIET = {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
QUIET |= {"PYTHONHASHSEED": "0", "JE_ARROW_MALLOC_CONF": "background_thread:false"}


class KernelSpec:
    """A kernel by the name of `KERNEL`, pre-loaded where that can be; a context that ends with all its kernels.

    The server loads from the start, so that other work can be done before `wait`.

    Parameters
    ----------
    folder : Path
        Of its own: for the kernelspec, the server's socket and Jupyter's own files. Removed at the end, by the server
        if this process is killed.
    modules : iterable of str
        What to import before the first fork; where there is nothing to import, kernels are ordinary ones.
    """

    def __init__(self, folder: Path, modules: Sequence[str]) -> None:
        self.folder = folder
        self._server: subprocess.Popen[bytes] | None = None
        if modules and hasattr(os, "fork") and hasattr(socket, "AF_UNIX"):
            command = [sys.executable, "-m", "pathcost_lib.packs.warm", str(folder), *modules]
            pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            self._server = subprocess.Popen(command, env=os.environ | QUIET, start_new_session=True, **pipes)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to start the kernel, undisturbed by the user's own Jupyter."""
        places = {"JUPYTER_PATH": "", "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython", "TMPDIR": "tmp"}
        return QUIET | {name: str(self.folder / part) for name, part in places.items()}

    def __enter__(self) -> KernelSpec:
        for part in ("runtime", "ipython", "tmp", f"kernels/{KERNEL}"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        return self

    def wait(self) -> None:
        """Write the kernelspec, once the server has loaded: the kernel can be started by its name from now on."""
        command = [sys.executable, "-m", "ipykernel_launcher"]
        if self._is_ready():
            client = Path(__file__).with_name("warm_client.py")
            command = [sys.executable, "-I", "-S", str(client), str(self.folder / "socket")]
        spec = {"argv": [*command, "-f", "{connection_file}"], "display_name": "pathcost", "language": "python"}
        spec["interrupt_mode"] = "message"
        (self.folder / "kernels" / KERNEL / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        if self._server is not None and self._server.stdin is not None:
            self._server.stdin.close()
            self._server.wait()
        scratch.remove(self.folder)

    def _is_ready(self) -> bool:
        if self._server is None or self._server.stdout is None:
            return False
        ready, _, _ = select.select([self._server.stdout], [], [], _SECONDS_TO_START)
        return bool(ready) and self._server.stdout.read(1) == b"1"


def serve(folder: Path, modules: Sequence[str]) -> None:
    """Import, say so, and fork a kernel for each caller until the starter has gone."""
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError:  # a name that is not a module, or a notebook that will say so itself
            continue
    _draw_once()
    if threading.active_count() > 1 or len(list(Path("/proc/self/task").glob("*"))) > 1:
        sys.exit("a library has started a thread, which a fork would lose")
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        listener.listen(64)
        os.write(1, b"1")
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            with contextlib.suppress(ChildProcessError):  # clear away the kernels that have ended
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if sys.stdin in ready:  # closed: the process that wanted the kernels has ended, however it did
                break
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _become_kernel(connection)
            connection.close()
    shutil.rmtree(folder, ignore_errors=True)


def _draw_once() -> None:
    """Read the fonts and what else the first figure of a process waits for."""
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().set_title("£1")
    figure.savefig(io.BytesIO(), format="svg")


def _become_kernel(connection: socket.socket) -> NoReturn:
    """Be a kernel in every respect, in this fork, and never return."""
    code = 1
    try:
        with connection.makefile("rb") as lines:
            request = json.loads(lines.readline())
        os.setsid()
        os.environ.clear()
        os.environ.update(request["environment"])
        os.environ.pop("JPY_PARENT_PID", None)  # the caller is watched by its connection
        os.chdir(request["folder"])
        tempfile.tempdir = None
        random.seed()
        sys.modules["numpy"].random.seed()
        threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
        from ipykernel.kernelapp import IPKernelApp

        IPKernelApp.launch_instance(argv=request["arguments"])
        code = 0
    except SystemExit as done:
        code = int(bool(done.code))
    finally:
        atexit._run_exitfuncs()
        connection.sendall(str(code).encode())
        os._exit(code)


def _end_with(connection: socket.socket) -> None:
    connection.recv(1)  # returns when the caller has gone
    os._exit(1)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2:])
