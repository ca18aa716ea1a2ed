"""Open JupyterLab or the explorer in the browser: on this machine only, and with nothing fetched from elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

from pathcost_lib import paths
from pathcost_lib.errors import InputError
from pathcost_lib.sources.address import parse

__all__ = ["LAB", "VOILA", "open_explorer", "open_lab"]

#: Kernels are reached by sockets in a folder of the user's own, where the platform has them.
PRIVATE = ("--ConnectionFileMixin.transport=ipc",) if os.name == "posix" else ()
#: No news, no look for a newer version, no list of extensions: each would call a server.
LAB = (
    "--ServerApp.ip=127.0.0.1",
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
    *PRIVATE,
)
#: Another user of the machine needs the token too.
VOILA = (*PRIVATE, "--Voila.ip=127.0.0.1", "--Voila.auto_token=True", "--VoilaConfiguration.template=pathcost")

_TEMPLATES = Path(__file__).parent / "templates"


def open_lab(
    data: Path | str | None = None,
    *,
    page: Path | None = None,
    port: int = 8888,
    browser: bool = True,
    as_root: bool = False,
) -> None:
    """Open JupyterLab at a notebook (the start notebook if none is named); returns when it is closed.

    `as_root` is for a container, where there is no other user.
    """
    from jupyterlab.labapp import LabApp

    if not as_root:
        _refuse_root()
    _set_environment(data)
    start = (page or paths.notebooks() / "00_start_here.ipynb").resolve()
    root = paths.root() if page and start.is_relative_to(paths.root()) else start.parent
    where = [f"--ServerApp.root_dir={root}", f"--LabApp.default_url=/lab/tree/{start.relative_to(root).as_posix()}"]
    LabApp.launch_instance([*LAB, *where, *_served(port, browser, as_root)])


def open_explorer(
    data: Path | str | None = None, *, port: int = 8866, browser: bool = True, as_root: bool = False
) -> None:
    """Open the explorer as a page without code; returns when it is closed. `as_root` is for a container."""
    from voila.app import Voila

    if not as_root:
        _refuse_root()
    _set_environment(data)
    page = paths.notebooks() / "explore.ipynb"
    Voila.launch_instance([*VOILA, f"--Voila.port={port}", f"--Voila.open_browser={browser}", str(page)])


def _served(port: int, browser: bool, as_root: bool) -> list[str]:
    return [f"--ServerApp.port={port}", f"--ServerApp.open_browser={browser}", f"--ServerApp.allow_root={as_root}"]


def _refuse_root() -> None:
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        raise InputError("A page in the browser would run as root. Start it as yourself: su - NAME, then the command.")


def _set_environment(data: Path | str | None) -> None:
    """Say where the data are to the kernels, which inherit the environment, and to the servers where settings are."""
    if data is not None:
        os.environ["PATHCOST_DATA"] = parse(data).text
    if PRIVATE:
        from pathcost_lib.packs.private import runtime_folder

        os.environ["JUPYTER_RUNTIME_DIR"] = str(runtime_folder())
    # Voilà's template lies on the first path; on the second, that JupyterLab does not ask about news either.
    for name, folder in (("JUPYTER_PATH", _TEMPLATES), ("JUPYTER_CONFIG_PATH", _TEMPLATES / "jupyter")):
        os.environ[name] = os.pathsep.join(filter(None, (str(folder), os.environ.get(name))))
