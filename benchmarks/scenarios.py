"""Time the two heavy simulations: a portfolio of interventions, and demand by ICB.

Run as `python benchmarks/scenarios.py`; prints CPU seconds (all threads) and peak memory, and fails above the limits.
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd

from pathcost_lib.scenarios import load_scenario, simulate
from pathcost_lib.scenarios.draws import Correlation, Distribution
from pathcost_lib.scenarios.interventions import Intervention

LIMIT_SECONDS = 10.0
LIMIT_GB = 1.5
PODS = {
    "outpatient": ("outpatient_first", "outpatient_follow_up"),
    "admitted": ("day_case", "elective", "non_elective"),
}


def portfolio(providers: int = 200, interventions: int = 50) -> tuple:
    """50 interventions, each on one or two PODs of all 200 providers, most PODs shared by about a dozen of them."""
    rng = np.random.default_rng(1)
    rows = [
        (f"ICB{number % 42:02d}", f"T{number:03d}", setting, pod)
        for number in range(providers)
        for setting, pods in PODS.items()
        for pod in pods
    ]
    cells = pd.DataFrame(rows, columns=["icb_code", "provider_code", "setting", "pod"])
    cells["activity"] = rng.integers(1_000, 100_000, len(cells)).astype(float)
    cells["cost_gbp"] = cells["activity"] * rng.uniform(100, 2_000, len(cells))
    for name, part in (("fixed", 0.4), ("semi_fixed", 0.35), ("variable", 0.25)):
        cells[f"{name}_gbp"] = cells["cost_gbp"] * part
    pods = [pod for group in PODS.values() for pod in group]
    schemes = tuple(
        Intervention(
            f"scheme{number:02d}", "", "", "assumed", "avoid",
            {"pod": (pods[number % 5],)},
            Distribution("interval", (0.005, 0.03)),
            start=2024 + number % 3, ramp=(0.3, 0.7, 1.0), running_gbp=1e5, stranded_years=5,
        )
        for number in range(interventions)
    )  # fmt: skip
    return schemes, cells


def timed(name: str, job) -> bool:
    wall, cpu = time.perf_counter(), time.process_time()
    job()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    fine = cpu <= LIMIT_SECONDS and memory <= LIMIT_GB
    print(f"{name}: {cpu:.1f} CPU s, {wall:.1f} s, peak {memory:.2f} GB{'' if fine else '  ABOVE THE LIMIT'}")
    return fine


def main() -> int:
    schemes, cells = portfolio()
    scenario = replace(
        load_scenario("payment_cut"),
        interventions=schemes,
        baseline=cells,
        years=tuple(range(2024, 2034)),
        correlations=(Correlation(tuple(s.name for s in schemes), 0.3),),
    )
    fine = timed(
        "50 interventions x 200 organisations x 10 years x 10,000 draws", lambda: simulate(scenario, draws=10_000)
    )
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
