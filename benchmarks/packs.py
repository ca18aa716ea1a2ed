"""Packs against the plain loop: papermill, then nbconvert to HTML, one notebook after another, one ICB after another.

    python benchmarks/packs.py            four ICBs each way, and the page for all scaled from them
    python benchmarks/packs.py --all      and every ICB for real

The same notebooks and data. The plain loop remembers nothing; the packs begin with an empty store, so that their first ICB
pays for what is national. Wall time is what a user waits; CPU seconds (of all processes) hardly depend on what else the
machine is doing. Memory is the proportional set size of all processes together, at its highest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from pathcost_lib import paths, sources
from pathcost_lib.packs import builder
from pathcost_lib.sources import names

BIN = Path(sys.executable).parent
YEAR = "2024-25"


def measure(commands: list[list[str]], **environment: str) -> tuple[float, float, float]:
    """Run commands one after another; return wall seconds, CPU seconds, and the highest memory in MB."""
    start, before, peak, done = time.perf_counter(), os.times(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.3):
            total = 0
            for process in psutil.Process().children(recursive=True):
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:
                    continue
            peak[0] = max(peak[0], total / 1e6)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for command in commands:
            subprocess.run(
                command, check=True, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
    finally:
        done.set()
        watcher.join()
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - start, cpu, peak[0]


def plain(icbs: list[str], folder: Path) -> list[list[str]]:
    """Return the commands of the plain loop."""
    commands = []
    for icb in icbs:
        for notebook in builder.production_notebooks():
            made = str(folder / f"{icb}-{notebook.name}")
            commands.append([str(BIN / "papermill"), str(notebook), made, "-p", "icb", icb, "-k", "python3"])
            commands.append([str(BIN / "jupyter"), "nbconvert", "--to", "html", made])
    return commands


def main() -> None:
    every = names.icbs_of(sources.open_dataset(paths.sample()), YEAR)
    four = every[:: len(every) // 4][:4]
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows.append(("plain loop, 4 ICBs", 4, *measure(plain(four, folder), PATHCOST_CACHE=os.devnull)))

        def ours(label: str, icbs: list[str], *more: str) -> None:
            command = [str(BIN / "pathcost"), "pack", *icbs, "--jobs", "2", "--out", str(folder / "reports"), *more]
            rows.append((label, len(icbs), *measure([command], PATHCOST_CACHE=str(folder / "cache"))))

        ours("pathcost pack, first ICB", four[:1])
        ours("pathcost pack, 3 more ICBs", four[1:])
        if "--all" in sys.argv:
            ours(f"pathcost pack --all, the {len(every) - 4} others", [icb for icb in every if icb not in four])
            ours(f"pathcost pack --all again, all {len(every)} unchanged", every)
    print(f"{'':45} {'wall, s':>9} {'CPU, s':>9} {'a ICB':>7} {'peak, MB':>9}")
    for label, number, wall, cpu, peak in rows:
        print(f"{label:45} {wall:9.1f} {cpu:9.1f} {wall / number:7.1f} {peak:9,.0f}")
    n, (loop, first, more) = len(every), (row[2:4] for row in rows[:3])
    for column, kind in enumerate(("wall", "CPU")):
        # Scaled, the start of a run counts once for every three ICBs: the real run is quicker.
        said, ours = "at most", first[column] + more[column] * (n - 1) / 3
        if len(rows) > 3:
            said, ours = "in fact", sum(row[2 + column] for row in rows[1:4])
        plain_loop = loop[column] * n / 4
        print(
            f"{kind}, {n} ICBs: plain loop {plain_loop:,.0f} s (scaled), packs {said} {ours:,.0f} s: 1 / {plain_loop / ours:.1f}"
        )


if __name__ == "__main__":
    main()
