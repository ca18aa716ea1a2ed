"""Time and memory of `variance_components`: 1M rows, statsmodels on fewer, and 50M rows of Parquet through the engine.

Run `python benchmarks/multilevel.py` (1M rows), or with `--rows 50000000` (written to a temporary folder first).
Prints one line per measurement.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
import warnings
from pathlib import Path

import pandas as pd
import statsmodels.formula.api as smf

from pathcost_lib.sources import connect
from pathcost_lib.variation import variance_components

COVARIATES = ["age", "female", "deprivation"]
# 42 ICBs, about five providers in each; cost in pounds.
MAKE = """
SELECT 'Q' || lpad(CAST(i % 42 AS VARCHAR), 2, '0') AS icb_code,
  'R' || lpad(CAST(i % 42 AS VARCHAR), 2, '0') || CAST(hash(i + 1) % 5 AS VARCHAR) AS provider_code,
  18 + CAST(hash(i + 2) % 80 AS DOUBLE) AS age,
  CAST(hash(i + 3) % 2 AS DOUBLE) AS female,
  1 + CAST(hash(i + 4) % 10 AS DOUBLE) AS deprivation,
  6000 + 20 * (hash(i + 2) % 80) + 100 * (hash(i + 3) % 2) + 30 * (hash(i + 4) % 10)
    + 500 * (((i % 42) * 37 % 42) / 21.0 - 1) + 700 * (hash((i % 42) * 10 + hash(i + 1) % 5) % 1000 / 500.0 - 1)
    + 2000 * sqrt(-2 * ln((hash(i + 5) % 1000003 + 1) / 1000004.0))
      * cos(6.283185307179586 * (hash(i + 6) % 1000003) / 1000003.0) AS cost_gbp
FROM this
"""


def generate(folder: Path, rows: int) -> Path:
    """Write rows as Parquet, ten million at a time."""
    engine = connect()
    for start in range(0, rows, 10_000_000):
        stop = min(start + 10_000_000, rows)
        numbers = engine.view("numbers", f"SELECT range AS i FROM range({start}, {stop})")
        numbers.query(MAKE).write_parquet(folder / f"part{start // 10_000_000:03d}.parquet")
    return folder


def peak_gb() -> float:
    """Return the most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def report(label: str, wall: float, cpu: float, note: str = "") -> None:
    """Print one measurement."""
    print(f"{label}: {wall:.2f} s, {cpu:.2f} processor s, peak {peak_gb():.2f} GB. {note}", flush=True)


def timed(label: str, table: object, **options: object) -> float:
    """Fit, print what it took, and return the log-likelihood."""
    wall, cpu = time.perf_counter(), time.process_time()
    fitted = variance_components(
        table, outcome="cost_gbp", groups=["icb_code", "provider_code"], covariates=COVARIATES, **options
    )
    report(
        label,
        time.perf_counter() - wall,
        time.process_time() - cpu,
        f"Log-likelihood {fitted.log_likelihood:.4f}. {fitted.summary}",
    )
    return fitted.log_likelihood


def against_statsmodels(frame: pd.DataFrame) -> None:
    """Time MixedLM on a size that it can finish, and print both log-likelihoods."""
    ours = timed(f"ours, {len(frame):,} rows", frame)
    wall, cpu = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = smf.mixedlm(
            "cost_gbp ~ age + female + deprivation",
            frame,
            groups="icb_code",
            re_formula="1",
            vc_formula={"provider": "0 + C(provider_code)"},
        )
        theirs = model.fit(reml=True)
    note = f"Log-likelihood {theirs.llf:.4f}; ours is higher by {ours - theirs.llf:.2g}."
    report(f"statsmodels MixedLM, {len(frame):,} rows", time.perf_counter() - wall, time.process_time() - cpu, note)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), rows)
        print(f"Parquet: {sum(f.stat().st_size for f in Path(folder).iterdir()) / 1024**3:.2f} GB", flush=True)
        if rows > 5_000_000:
            base = peak_gb()
            timed(
                f"{rows:,} rows of Parquet (the peak before was {base:.2f} GB)",
                connect().register("rows", str(Path(folder) / "*.parquet")),
            )
            return
        frame = pd.read_parquet(folder)
        held = connect().register("rows", frame)
        timed(f"{rows:,} rows held in the engine, first fit", held)
        timed(f"{rows:,} rows held in the engine", held)
        timed(f"{rows:,} rows from pandas", frame)
        against_statsmodels(frame.sample(20_000, random_state=1))


if __name__ == "__main__":
    main()
