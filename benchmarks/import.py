"""How fast, and in how much memory, a CSV of patient rows is imported, as ratios to two ways that check nothing.

python benchmarks/import.py [gigabytes ...]      # 0.05 and 0.2 if not given

The baseline is DuckDB's plain copy of the same file to Parquet in the same run, every column as text. Read the ratio of
processor time: it is the same whatever else the machine does.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

MAPPING = """
[[table]]
name = "activity"
file = "extract.csv"
[table.columns]
activity_id = { from = "EPIKEY" }
patient_id = { from = "NHS NUMBER" }
start_date = { from = "ADMIDATE", date = "%d/%m/%Y" }
end_date = { from = "DISDATE", date = "%d/%m/%Y" }
setting = { constant = "admitted" }
pod = { from = "CLASSPAT", codes = { 1 = "elective", 2 = "day_case" } }
currency_code = { from = "SUSHRG" }
provider_code = { from = "PROCODE3" }
icb_code = { constant = "QHL" }
units = { constant = 1 }
primary_diagnosis = { from = "DIAG_01" }
primary_procedure = { from = "OPERTN_01" }
recorded_cost_pence = { from = "COST", money = "pounds", thousands = "," }
"""
HEADINGS = [
    "EPIKEY",
    "NHS NUMBER",
    "NAME",
    "ADMIDATE",
    "DISDATE",
    "CLASSPAT",
    "SUSHRG",
    "PROCODE3",
    "DIAG_01",
    "OPERTN_01",
    "COST",
    "NOTES",
]


def nhs_number(n: int) -> str:
    """Return an NHS number of the range kept for tests (999...), with its check digit."""
    for serial in range(n, n + 2):
        digits = f"999{serial % 1_000_000:06d}"
        check = -sum((10 - i) * int(d) for i, d in enumerate(digits)) % 11
        if check < 10:
            return f"{digits[:3]} {digits[3:6]} {digits[6:]}{check}"
    return "999 000 0018"


def write(path: Path, gigabytes: float) -> int:
    block_rows, size, rows = 10_000, 0, 0
    people = [nhs_number(17 * n) for n in range(50_000)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADINGS)
        while size < gigabytes * 1e9:
            for n in range(rows, rows + block_rows):
                day = f"{n % 28 + 1:02d}/{n % 12 + 1:02d}/2024"
                writer.writerow([f"E{n:011d}", people[n * 7 % 50_000], f"Surname{n % 1000}", day, day, n % 2 + 1, "HN22E",
                                 f"R{n % 90 + 10}", "M171", "W401", f"{n % 9000 / 7:,.2f}", "Seen in clinic and discharged to the care of the GP"])  # fmt: skip
            rows += block_rows
            file.flush()
            size = path.stat().st_size
    return rows


@dataclass(frozen=True)
class Used:
    """What a program took: seconds by the clock and of the processors, and the most memory (GB)."""

    wall: float
    processor: float
    memory: float

    def beside(self, other: Used) -> str:
        ratios = (self.wall / other.wall, self.processor / other.processor, self.memory / other.memory)
        return "{:.1f} x wall, {:.1f} x processor, {:.1f} x memory".format(*ratios)

    def __str__(self) -> str:
        return f"{self.wall:.0f} s wall, {self.processor:.1f} s of processor, {self.memory:.2f} GB"


def measure(code: str, *arguments: object) -> Used:
    """Return what a Python program takes in a process of its own."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)])
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit("the measured program failed")
    memory = used.ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)
    return Used(time.perf_counter() - start, used.ru_utime + used.ru_stime, memory)


BASELINE = "DuckDB's plain copy"
CONTENDERS = {
    BASELINE: "import sys, duckdb; duckdb.sql('SET enable_progress_bar = false'); duckdb.sql(f\"COPY (FROM read_csv('{sys.argv[1]}/extract.csv', all_varchar = true)) TO '{sys.argv[1]}/d.parquet' (COMPRESSION zstd)\")",
    "pandas": "import sys, pandas as pd; pd.read_csv(sys.argv[1] + '/extract.csv', dtype=str).to_parquet(sys.argv[1] + '/p.parquet')",
    "pathcost import": "import sys; from pathcost_lib.intake.mapping import map_folder as m; from pathlib import Path; f = Path(sys.argv[1]); m(f, f / 'm.toml', key=f / 'key').write(f / 'out')",
}
#: pandas has the whole file in memory.
MOST_FOR_PANDAS = 1


def main() -> None:
    for gigabytes in [float(size) for size in sys.argv[1:]] or [0.05, 0.2]:
        with tempfile.TemporaryDirectory(prefix="pathcost-bench-") as name:
            folder = Path(name)
            rows = write(folder / "extract.csv", gigabytes)
            (folder / "m.toml").write_text(MAPPING, encoding="utf-8")
            print(f"{rows:,} rows, {(folder / 'extract.csv').stat().st_size / 1e9:.2f} GB of CSV")
            codes = {n: c for n, c in CONTENDERS.items() if n != "pandas" or gigabytes <= MOST_FOR_PANDAS}
            used = {contender: measure(code, folder) for contender, code in codes.items()}
        for contender, own in used.items():
            print(f"  {contender}: {own}; {own.beside(used[BASELINE])}")


if __name__ == "__main__":
    main()
