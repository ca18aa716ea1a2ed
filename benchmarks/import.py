"""How fast, and in how much memory, a CSV of patient rows is imported; beside pandas on the same file.

python benchmarks/import.py [gigabytes]      # 0.2 if not given
"""

import csv
import os
import subprocess
import sys
import tempfile
import time
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
    block_rows, size, rows = 20_000, 0, 0
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


def measure(code: str, *arguments: object) -> tuple[float, float]:
    """Return the seconds and the peak memory (GB) of a Python program in a process of its own."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)])
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit("the measured program failed")
    return time.perf_counter() - start, used.ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)


IMPORT = "import sys; from pathcost_lib.intake.mapping import map_folder as m; from pathlib import Path; f = Path(sys.argv[1]); m(f, f / 'm.toml', key=f / 'key').write(f / 'out')"
PANDAS = "import sys, pandas as pd; pd.read_csv(sys.argv[1] + '/extract.csv', dtype=str).to_parquet(sys.argv[1] + '/p.parquet')"


def main() -> None:
    gigabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 0.2
    with tempfile.TemporaryDirectory(prefix="pathcost-bench-") as name:
        folder = Path(name)
        rows = write(folder / "extract.csv", gigabytes)
        (folder / "m.toml").write_text(MAPPING, encoding="utf-8")
        size = (folder / "extract.csv").stat().st_size / 1e9
        seconds, memory = measure(IMPORT, folder)
        print(f"{rows:,} rows, {size:.2f} GB of CSV: imported in {seconds:.0f} s, {memory:.2f} GB of memory at most")
        if gigabytes <= 1:
            pandas_seconds, pandas_memory = measure(PANDAS, folder)
            print(f"pandas, unchecked and untyped: {pandas_seconds:.0f} s, {pandas_memory:.2f} GB")
            print(
                f"ratio: {seconds / pandas_seconds:.1f} times the seconds, {memory / pandas_memory:.2f} of the memory"
            )


if __name__ == "__main__":
    main()
