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
from scipy import special

from pathcost_lib.scenarios import load_scenario, simulate, simulate_demand
from pathcost_lib.scenarios.change.interventions import Intervention
from pathcost_lib.scenarios.demand.projection import Growth
from pathcost_lib.scenarios.draws import Correlation, Distribution, uniforms

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


def england() -> tuple[pd.DataFrame, pd.DataFrame, Growth]:
    """42 ICBs x 21 years (a base and 20 more) x 91 ages x 2 sexes, 20 PODs, three kinds of uncertain assumption."""
    rng = np.random.default_rng(2)
    keys = ["icb_code", "year", "age", "sex"]
    levels = [[f"Q{i:02d}" for i in range(42)], range(2024, 2045), range(91), ["female", "male"]]
    population = pd.MultiIndex.from_product(levels, names=keys).to_frame(index=False).assign(variant="principal")
    population["persons"] = rng.uniform(1_000, 10_000, len(population))
    pods = [f"pod{p:02d}" for p in range(20)]
    rates = pd.MultiIndex.from_product([pods, range(91), ["female", "male"]], names=["pod", "age", "sex"])
    rates = rates.to_frame(index=False).assign(rate=rng.uniform(0, 2, 20 * 182))
    growth = Growth(
        non_demographic_pct={pod: Distribution("interval", (0.0, 2.5)) for pod in pods},
        health_status_years=Distribution("interval", (0.0, 0.2)),
        price_pct=Distribution("triangular", (0.5, 1.0, 3.0)),
    )
    return population, rates, growth


def demand() -> None:
    population, rates, growth = england()
    result = simulate_demand(population, rates, growth, base_year=2024, horizon=2044, draws=1_000)
    costs = dict.fromkeys(result.labels["pod"], 250.0)
    result.intervals(by=("icb_code", "year"))
    result.intervals(by=("icb_code", "pod", "year"), unit_cost_gbp=costs)


def against_resampling(rows: int = 100_000, draws: int = 256) -> bool:
    """Set the analytic route beside resampling every row (a Poisson weight each), the same mean and quantiles."""
    rng = np.random.default_rng(3)
    group = rng.integers(0, 100, rows)
    factor = rng.uniform(0.8, 1.4, rows)
    start = time.process_time()
    resampled = np.array([np.bincount(group, rng.poisson(factor), 100) for _ in range(draws)])
    slow = time.process_time() - start
    z = special.ndtri(uniforms("poisson", draws, seed=0))
    repeats = 20
    start = time.process_time()
    for _ in range(repeats):
        rate = np.bincount(group, factor, 100)[:, None]
        analytic = rate + np.sqrt(rate) * z
    fast = (time.process_time() - start) / repeats
    rate = np.bincount(group, factor, 100)
    error = np.abs(resampled.mean(axis=0) - rate) / np.sqrt(rate / draws)
    ends = [np.abs(np.quantile(resampled, q, axis=0) - np.quantile(analytic, q, axis=1)) for q in (0.1, 0.9)]
    # A 10 % quantile of n normal draws has standard error 1.71 sd / sqrt(n); both sides have it.
    allowed = 4 * 1.71 * np.sqrt(2 / draws) * np.sqrt(rate)
    same = bool((error < 4.5).all() and all((e < allowed).all() for e in ends))
    print(f"{rows:,} rows x {draws} draws: resampled {slow:.2f} s, analytic {fast:.4f} s, {slow / fast:,.0f} x", end="")
    print(f", {'same' if same else 'DIFFERENT'} means and quantiles within Monte Carlo error")
    return same and slow / fast >= 100


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
    fine &= timed("42 ICBs x 20 years x 182 ages and sexes x 20 PODs x 1,000 draws", demand)
    fine &= against_resampling()
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
