"""A kernel that nobody else on the machine can listen to: sockets in a folder of the user's own, not ports.

A kernel on loopback TCP signs its messages, but whoever is on the machine may connect and read what it publishes: the
code and the outputs of a pack. Sockets of a file system obey permissions. Where there are none (Windows), the kernel
is on loopback as Jupyter has it, and the machine should be one person's (`docs/disclosure.md`).
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import uuid
from pathlib import Path

from jupyter_client.manager import AsyncKernelManager
from jupyter_core.paths import jupyter_runtime_dir
from traitlets import default

__all__ = ["PrivateKernelManager", "channel_folder", "runtime_folder"]

#: A path of a socket is cut off at 108 characters, 104 on a Mac.
_LONGEST = 104
#: What is added to the folder's path: here eight letters, by a server the name of its kernel; then "-1" to "-5".
_OWN, _SERVERS = len("/12345678-1"), len(f"/kernel-{uuid.UUID(int=0)}-ipc-1")


def channel_folder(wanted: Path, added: int = _OWN) -> Path:
    """Return a folder for sockets that is the user's alone: the one wanted, or one with a shorter path."""
    if len(str(wanted)) + added < _LONGEST:
        wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
        if wanted.stat().st_uid == os.getuid() and not wanted.stat().st_mode & 0o077:
            return wanted
    return Path(tempfile.mkdtemp(prefix="pc-", dir="/tmp"))  # a name that cannot be guessed, 0700


def runtime_folder() -> Path:
    """Return where a server of notebooks keeps its kernels' sockets; a folder made for it goes when the server ends."""
    wanted = Path(jupyter_runtime_dir())
    folder = channel_folder(wanted, _SERVERS)
    if folder != wanted:
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class PrivateKernelManager(AsyncKernelManager):
    """Jupyter's own manager, but for where its channels are."""

    _own: Path | None = None

    @default("transport")
    def _private_transport(self) -> str:
        return "ipc" if os.name == "posix" else "tcp"

    def _ip_default(self) -> str:
        if self.transport != "ipc":
            return str(super()._ip_default())
        wanted = Path(jupyter_runtime_dir())
        folder = channel_folder(wanted)
        self._own = folder if folder != wanted else None
        return str(folder / uuid.uuid4().hex[:8])

    async def cleanup_resources(self, restart: bool = False) -> None:  # type: ignore[override]
        """Clear away the sockets, and the folder where it was made for them."""
        await super().cleanup_resources(restart=restart)
        if self._own is not None and not restart:
            shutil.rmtree(self._own, ignore_errors=True)
