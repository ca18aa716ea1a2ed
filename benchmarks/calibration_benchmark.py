"""How often benchmark limits hold the truth, and how often nothing is taken for something; prints Markdown.

Run: python benchmarks/calibration_benchmark.py > docs/calibration-benchmark.md (about three minutes on one core)
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pathcost_lib import benchmark
from pathcost_lib.benchmark import standards

REPLICATES = 4_000  # groups in one call: each is one replicate
SEEDS = 200
UNITS = 42

HEAD = """# Calibration: benchmarking

Made by `benchmarks/calibration_benchmark.py`; seeds fixed, so it comes out the same again.

## Limits at 95 %: how often they hold the truth

Simulation error of a share near 95 % from {replicates:,} replicates is 0.7 points (two standard errors).

| measure | case | holds the truth |
|---|---|---|"""

READING = """
Exact and order-statistic limits hold at least 95 % and more for small counts, as they must. Two cases fall short, and a
reader should know them: Wilson where about one event is expected, and the mean of ten skewed costs (use the median, or
more patients)."""

NULL_HEAD = """
## Nothing to find: how often something is claimed

{units} boards with the same true mean cost and 30 to 2,000 patients each, {seeds} seeds, false discovery rate 5 %.
The usual way compares a board's own 95 % interval with the target as if the target were known; Dropkin (2018) measured
12 % for it. Simulation error of a share near 5 % of {seeds} runs is 3 points.

| target | boards with a claim | runs with any claim | boards claimed by the usual way |
|---|---|---|---|"""

CLAIM_HEAD = """
## Something to find: claims, their limits and their size

The same boards with true means spread about £5,000 by the given standard deviation; 100 seeds. *Overstated* is the
sum claimed over the true sum for the same boards, less 1; *plain* is the same for own value less target, unshrunk.

| target | spread, £ | boards claimed | of them not truly above it | limits hold the truth | overstated | plain |
|---|---|---|---|---|---|---|"""


def held(table: pd.DataFrame, truth: np.ndarray | float) -> float:
    return float(((table["lower_95"] <= truth) & (truth <= table["upper_95"])).mean())


def simple_limits(rng: np.random.Generator) -> Iterator[tuple[str, str, float]]:
    """Yield the coverage of rates, ratios, proportions, means and medians."""
    g = np.arange(REPLICATES)
    for count in (2, 8, 20, 100):
        df = pd.DataFrame({"g": g, "x": rng.poisson(count, REPLICATES), "n": 1_000})
        yield (
            "rate (exact under 10, else Byar)",
            f"{count} events expected",
            held(benchmark.rate(df, by="g", events="x", population="n", per=1).table, count / 1_000),
        )
    for p, n in ((0.02, 50), (0.2, 50), (0.5, 20), (0.1, 1_000)):
        df = pd.DataFrame({"g": g, "x": rng.binomial(n, p, REPLICATES), "n": n})
        found = benchmark.proportion(df, by="g", events="x", population="n").table
        yield "proportion (Wilson)", f"{p:.0%} of {n}", held(found, p)
    bands = standards.load_standard()
    rates = 0.002 * np.exp(np.linspace(0, 4, 19))
    for people in (15, 100, 2_000):
        df = pd.DataFrame({"g": np.repeat(g, 19), "age_band": np.tile(bands["age_band"], REPLICATES), "n": people})
        df["x"] = rng.poisson(people * np.tile(rates, REPLICATES))
        truth = np.average(rates, weights=bands["weight"])
        columns = {"by": "g", "population": "n", "strata": "age_band"}
        found = benchmark.directly_standardised_rate(df, events="x", per=1, **columns).table
        case = f"about {people * rates.sum():.0f} events"
        yield "directly standardised rate (Dobson)", case, held(found, truth)
        known = bands.assign(rate=rates)[["age_band", "rate"]]
        ratio = benchmark.indirectly_standardised_ratio(df, observed="x", reference=known, **columns).table
        yield "indirectly standardised ratio", case, held(ratio, 1.0)
    for n in (10, 100, 1_000):
        df = pd.DataFrame({"g": np.repeat(g, n), "v": rng.gamma(1.5, 1_000, n * REPLICATES)})
        yield (
            "mean cost (t), skewed (gamma, shape 1.5)",
            f"{n} patients",
            held(benchmark.mean(df, by="g", value="v").table, 1_500),
        )
    df = pd.DataFrame({"g": np.repeat(g, 50), "v": rng.lognormal(7, 1, 50 * REPLICATES)})
    median = benchmark.quantiles(df, by="g", value="v", q=[0.5]).table
    yield "median (order statistics)", "50 patients", held(median, np.exp(7))


def other_limits(rng: np.random.Generator) -> Iterator[tuple[str, str, float]]:
    """Yield the coverage of the slope index and the cost index."""
    values = np.linspace(120, 80, 10)
    people = rng.integers(500, 1_500, 10)
    df = pd.DataFrame({"g": np.repeat(np.arange(REPLICATES), 10), "q": np.tile(np.arange(10), REPLICATES)})
    df = df.assign(n=np.tile(people, REPLICATES), v=np.tile(values, REPLICATES), se=6.0)
    columns = {"by": "g", "quantile": "q", "value": "v", "se": "se", "population": "n"}
    truth = benchmark.slope_index(df.head(10), **columns).table.loc[0]
    found = benchmark.slope_index(df.assign(v=df["v"] + 6 * rng.standard_normal(len(df))), **columns).table
    yield "slope index of inequality", "ten deciles", held(found, truth["sii"])
    rii = found[["rii_lower_95", "rii_upper_95"]].set_axis(["lower_95", "upper_95"], axis=1)
    yield "relative index of inequality (Fieller)", "ten deciles", held(rii, truth["rii"])
    for currencies in (10, 60, 300):
        for given in (False, True):
            shares = [_index_coverage(rng, currencies, given) for _ in range(300)]
            how = "variances given" if given else "from the scatter"
            yield "cost index, 12 providers", f"{currencies} currencies, {how}", float(np.mean(shares))


def _index_coverage(rng: np.random.Generator, currencies: int, given: bool) -> float:
    level = np.linspace(0.9, 1.1, 12)[:, None]
    price, n = rng.gamma(2, 800, currencies), rng.integers(20, 400, (12, currencies))
    truth = 100 * (level * n * price).sum(1) / (n * ((level * n).sum(0) / n.sum(0) * price)).sum(1)
    df = pd.MultiIndex.from_product([range(12), range(currencies)], names=["p", "c"]).to_frame(index=False)
    df = df.assign(n=n.ravel(), gbp=(level * n * price * rng.gamma(25, 1 / 25, n.shape)).ravel())
    df["var"] = ((level * n * price) ** 2 / 25).ravel()
    columns = {"by": "p", "currency": "c", "activity": "n", "cost": "gbp"}
    return held(benchmark.cost_index(df, variance="var" if given else None, **columns).table, truth)


def boards(seed: int, spread: float) -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame, dict[str, list[int]]]:
    rng = np.random.default_rng(seed)
    n, true = rng.integers(30, 2_000, UNITS), 5_000 + spread * rng.standard_normal(UNITS)
    se = 3_000 / np.sqrt(n)
    names = [f"Q{i:02d}" for i in range(UNITS)]
    df = pd.DataFrame({"icb": names, "v": true + se * rng.standard_normal(UNITS), "se": se, "n": n})
    features = pd.DataFrame({"icb": names, "a": rng.random(UNITS), "b": rng.random(UNITS)})
    peers = benchmark.similar_peers(features, unit="icb").table
    circle = {u: [names.index(p) for p in part["peer"]] for u, part in peers.groupby("unit")}
    return df, true, peers, circle


def aims(values: np.ndarray, target: str, circle: dict[str, list[int]]) -> np.ndarray:
    if target == "best_5_of_10":
        return np.array([np.sort(values[circle[unit]])[:5].mean() for unit in sorted(circle)])
    return np.full(UNITS, np.quantile(values, 0.5 if target == "median" else 0.25))


def opportunities(target: str, spread: float, seeds: int) -> pd.DataFrame:
    parts = []
    for seed in range(seeds):
        df, true, peers, circle = boards(seed, spread)
        found = benchmark.opportunity(
            df, unit="icb", value="v", se="se", count="n", target=target, peers=peers, draws=1_000,
            rng=np.random.default_rng(seed + 10_000),
        ).table  # fmt: skip
        usual = df["v"] - 1.959963984540054 * df["se"] > aims(df["v"].to_numpy(), target, circle)
        parts.append(found.assign(seed=seed, usual=usual, real=(true - aims(true, target, circle)) * df["n"]))
    return pd.concat(parts, ignore_index=True)


def main() -> None:
    """Print the tables."""
    rng = np.random.default_rng(20260401)
    print(HEAD.format(replicates=REPLICATES))
    for part in (simple_limits(rng), other_limits(rng)):
        for measure, case, share in part:
            print(f"| {measure} | {case} | {share:.1%} |")
    print(READING)
    print(NULL_HEAD.format(units=UNITS, seeds=SEEDS))
    targets = ("median", "best_quarter", "best_5_of_10")
    for target in targets:
        table = opportunities(target, 0, SEEDS)
        runs = table.groupby("seed")["significant"].any().mean()
        print(f"| {target} | {table['significant'].mean():.2%} | {runs:.1%} | {table['usual'].mean():.1%} |")
    print(CLAIM_HEAD)
    for target in targets:
        for spread in (200, 500):
            made = opportunities(target, spread, 100).query("significant")
            share = len(made) / (100 * UNITS)
            inside = ((made["lower_95_gbp"] <= made["real"]) & (made["real"] <= made["upper_95_gbp"])).mean()
            over = made["opportunity_gbp"].sum() / made["real"].sum() - 1
            plain = ((made["v"] - made["target_value"]) * made["n"]).sum() / made["real"].sum() - 1
            wrong = (made["real"] <= 0).mean()
            print(f"| {target} | {spread} | {share:.1%} | {wrong:.1%} | {inside:.1%} | {over:+.1%} | {plain:+.1%} |")


if __name__ == "__main__":
    main()
