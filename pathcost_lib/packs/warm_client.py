"""What Jupyter starts in place of a kernel: it asks the fork server for one, and lives as long as the kernel does.

Run as a script, without site-packages, so that it starts in a few hundredths of a second. If it is killed the kernel
ends, and if the kernel ends it ends with the same code, so whoever started it need not know.
"""

import json
import os
import select
import socket
import sys


def main(address: str, *arguments: str) -> int:
    """Ask for a kernel, and wait until it, or the process that wanted it, has ended."""
    parent = os.getppid()
    request = {"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd()}  # noqa: PTH109
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        connection.sendall(json.dumps(request).encode() + b"\n")
        while os.getppid() == parent:
            if select.select([connection], [], [], 1.0)[0]:
                return 0 if connection.recv(1) == b"0" else 1
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
