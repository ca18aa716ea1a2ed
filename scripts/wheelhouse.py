"""Make one zip that installs pathcost with the network off, and try it: `python scripts/wheelhouse.py`.

For a machine of another kind: `--platform win_amd64 --python 3.12`. What a zip for another system holds cannot be tried
here.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
INSTALL = """How to install pathcost from this folder, with the network off
(docs/install-nhs.md has the whole page)

    python -m venv .venv
    .venv\\Scripts\\python -m pip install --no-index --find-links . -c constraints.txt pathcost     (Windows)
    .venv/bin/python -m pip install --no-index --find-links . -c constraints.txt pathcost           (Linux, Mac)

Then: pathcost pack QHL
"""


def constraints(lock: Path) -> str:
    """Return the versions of a lock file, without hashes: the wheel of pathcost itself has none there."""
    lines = re.findall(r"(?m)^([A-Za-z0-9._-]+==[^ \\]+(?: ; [^\\\n]+)?)", lock.read_text(encoding="utf-8"))
    return "".join(f"{line.strip()}\n" for line in lines)


def make(target: Path, platform: str, python: str) -> None:
    """Write the zip."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "wheels"
        folder.mkdir()
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
        subprocess.run([*pip, *build], check=True)
        (own,) = folder.glob("pathcost-*.whl")
        kept = folder / "constraints.txt"
        kept.write_text(constraints(ROOT / "requirements.lock"), encoding="utf-8")
        other = ["--platform", platform, "--python-version", python] if platform else []
        load = ["download", "--only-binary=:all:", *other, "--dest", str(folder), "-c", str(kept), str(own)]
        subprocess.run([*pip, *load], check=True)
        (folder / "INSTALL.txt").write_text(INSTALL, encoding="utf-8")
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.part")
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
            for path in sorted(folder.iterdir()):
                archive.write(path, f"pathcost/{path.name}")
        part.replace(target)
    print(f"Written: {target} ({target.stat().st_size / 2**20:.0f} MB)")


def without_network() -> list[str]:
    """Return how a command is started without a network; nothing where this machine cannot do that."""
    if not shutil.which("unshare"):
        return []
    command = ["unshare", "--net", "--map-root-user"]
    works = subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
    return command if works else []


def try_it(archive: Path, folder: Path) -> Path:
    """Install a zip into a new environment of a folder, without a network, and return the command that it made."""
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    wheels, environment = folder / "pathcost", folder / "environment"
    alone = without_network()
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    place = environment / ("Scripts" if sysconfig.get_platform().startswith("win") else "bin")
    install = ["-m", "pip", "--disable-pip-version-check", "--isolated", "--quiet", "install", "--no-index"]
    install += ["--find-links", str(wheels), "-c", str(wheels / "constraints.txt"), "pathcost"]
    subprocess.run([*alone, str(place / "python"), *install], check=True)
    subprocess.run([*alone, str(place / "pathcost"), "--version"], check=True, cwd=folder)
    return place / "pathcost"


def main() -> None:
    """Make the zip, and where it is for this machine, install it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--platform", default="", help="such as win_amd64; this machine's if not given")
    parser.add_argument("--python", default="3.11", help="version of Python there")
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / "pathcost-wheelhouse.zip")
    chosen = parser.parse_args()
    make(chosen.out, chosen.platform, chosen.python)
    if not chosen.platform:
        with tempfile.TemporaryDirectory() as work:
            try_it(chosen.out, Path(work))
        print("Installed with the network off." if without_network() else "Installed with --no-index.")


if __name__ == "__main__":
    main()
