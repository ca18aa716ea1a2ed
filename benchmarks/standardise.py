"""CPU seconds to standardise 7,000 areas x 19 age bands x 2 sexes, beside a loop over groups in the same run.

Run: python benchmarks/standardise.py
"""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
from scipy import stats

from pathcost_lib.benchmark import directly_standardised_rate, indirectly_standardised_ratio
from pathcost_lib.benchmark.standards import load_standard

AREAS = 7_000
LOOPED = 500  # areas done by the loop; its time is scaled to all of them and the scale is printed


def table(areas: int = AREAS, seed: int = 1) -> pd.DataFrame:
    """Return one row per area, age band and sex, shuffled."""
    rng = np.random.default_rng(seed)
    bands = load_standard()["age_band"].to_numpy()
    keys = pd.MultiIndex.from_product([[f"E{i:05d}" for i in range(areas)], bands, ["female", "male"]])
    df = keys.to_frame(index=False, name=["area", "age_band", "sex"])
    df["population"] = rng.integers(20, 900, len(df))
    df["events"] = rng.poisson(df["population"] * 0.02)
    return df.sample(frac=1, random_state=seed).reset_index(drop=True)


def loop(df: pd.DataFrame, areas: int) -> pd.DataFrame:
    """Return both measures by a loop over the groups, as one does by hand: filter, merge, sum (exact limits)."""
    standard = load_standard()
    pooled = df.groupby(["age_band", "sex"], as_index=False)[["events", "population"]].sum()
    pooled["rate"] = pooled["events"] / pooled["population"]
    rows = []
    for area, part in list(df.groupby("area"))[:areas]:
        joined = part.merge(standard, on="age_band").merge(pooled[["age_band", "sex", "rate"]], on=["age_band", "sex"])
        weight = joined["weight"] / joined["weight"].sum()
        observed = joined["events"].sum()
        value = (weight * joined["events"] / joined["population"]).sum()
        variance = (weight**2 * joined["events"] / joined["population"] ** 2).sum()
        low, high = stats.chi2.ppf([0.025], 2 * observed)[0] / 2, stats.chi2.ppf([0.975], 2 * observed + 2)[0] / 2
        spread = np.sqrt(variance / observed)
        expected = (joined["population"] * joined["rate"]).sum()
        lower = value + spread * (low - observed)
        rows.append((area, 1e5 * value, 1e5 * lower, observed / expected, high / expected))
    return pd.DataFrame(rows, columns=["area", "value", "lower", "ratio", "ratio_upper"])


def cpu(task, repeats: int = 5) -> tuple[float, object]:
    """Return the least CPU seconds over the repeats, and the result."""
    best, result = np.inf, None
    for _ in range(repeats):
        start = time.process_time()
        result = task()
        best = min(best, time.process_time() - start)
    return best, result


def main() -> None:
    """Time each, check that the two agree, print."""
    df = table()
    keys = {"by": "area", "population": "population", "strata": ["age_band", "sex"]}
    direct, rates = cpu(lambda: directly_standardised_rate(df, events="events", **keys))
    indirect, ratios = cpu(lambda: indirectly_standardised_ratio(df, observed="events", **keys))
    looped, expected = cpu(lambda: loop(df, LOOPED), repeats=1)
    both = expected.merge(rates.table[["area", "value"]], on="area").merge(ratios.table[["area", "ratio"]], on="area")
    np.testing.assert_allclose(both["value_x"], both["value_y"], rtol=1e-12)
    np.testing.assert_allclose(both["ratio_x"], both["ratio_y"], rtol=1e-12)
    whole = looped * AREAS / LOOPED
    print(f"{len(df):,} rows: direct {direct:.3f} CPU s, indirect {indirect:.3f} CPU s, both {direct + indirect:.3f}")
    print(f"loop over groups (pandas merges): {looped:.2f} CPU s for {LOOPED} areas, {whole:.1f} scaled to {AREAS:,}")
    print(f"ratio: {whole / (direct + indirect):,.0f} times")


if __name__ == "__main__":
    main()
