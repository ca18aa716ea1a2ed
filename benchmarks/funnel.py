"""False positives and power of funnels by simulation, and their speed; writes docs/calibration-variation.md.

Run `python benchmarks/funnel.py` (about fifteen minutes), or with `--quick` (a minute), which only prints.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from pathcost_lib.variation import funnel

TRUTH = {"proportion": 0.2, "ratio": 1.0, "rate": 1.8, "rate (fixed population)": 0.001, "mean": 5000.0}
SD = 4000.0  # of one patient's cost: a coefficient of variation of 0.8
FACTOR = 3.0  # φ where units are over-dispersed multiplicatively
OUT = Path(__file__).resolve().parents[1] / "docs" / "calibration-variation.md"


def simulate(kind: str, spread: str, units: int, rng: np.random.Generator, *, scale: str = "cqc") -> pd.DataFrame:
    """Return units that are all alike (`spread` "none"), or that truly vary about the target on the funnel's scale."""
    truth = TRUTH[kind]
    size = np.exp(rng.uniform(np.log(200), np.log(5000), units))
    size = (
        size * 1000 if kind == "rate (fixed population)" else np.round(size) if kind in ("proportion", "rate") else size
    )
    if kind == "ratio":
        size = size / 4
    root = {"proportion": 0.5 / np.sqrt(size), "ratio": 0.5 / np.sqrt(size), "mean": SD / np.sqrt(size)}
    log_se = np.sqrt(1 / (truth * size) + (1 / size if kind == "rate" else 0))
    log = kind.startswith("rate") or scale == "shmi"
    se = log_se if log else root[kind]
    between = {"none": 0.0, "multiplicative": np.sqrt(FACTOR - 1) * se, "additive": 1.5 * np.median(se)}[spread]
    forward = np.log if log else {"proportion": lambda y: np.arcsin(np.sqrt(y)), "ratio": np.sqrt, "mean": float}[kind]
    centre = forward(truth) + between * rng.normal(size=units)
    if log:
        own = np.exp(centre)
    else:
        own = {
            "proportion": np.sin(np.clip(centre, 0, np.pi / 2)) ** 2,
            "ratio": np.maximum(centre, 0) ** 2,
            "mean": centre,
        }[kind]
    frame = pd.DataFrame({"unit": np.arange(units), "size": size})
    if kind == "mean":
        # A mean of gamma costs is gamma: skewed, as costs are.
        shape = size * (truth / SD) ** 2
        frame["value"] = own - truth + rng.gamma(shape, truth / shape)
        frame["se"] = SD / np.sqrt(size)
    elif kind == "proportion":
        frame["events"] = rng.binomial(size.astype(int), own)
    elif kind == "rate":
        # Given the cases that were counted, events follow; both are Poisson about their own means.
        frame["size"] = np.maximum(rng.poisson(size), 1)
        frame["events"] = rng.poisson(size * own)
    else:
        frame["events"] = rng.poisson(size * own)
    return frame


def draw(kind: str, frame: pd.DataFrame, **options: object) -> pd.DataFrame:
    """Return the funnel's table."""
    columns = (
        {"value": "value", "se": "se", "denominator": "size"}
        if kind == "mean"
        else {"numerator": "events", "denominator": "size"}
    )
    fixed = kind == "rate (fixed population)"
    return funnel(frame, unit="unit", kind=kind.split(" ")[0], fixed_denominator=fixed, **columns, **options).table


def false_positives(
    kind: str,
    spread: str,
    units: int,
    repeats: int,
    rng: np.random.Generator,
    *,
    known_target: bool = True,
    **options: object,
) -> dict[str, float]:
    """Return shares flagged at 95 % and 99.8 %, with their simulation errors between repeats."""
    shares = []
    for _ in range(repeats):
        frame = simulate(kind, spread, units, rng, scale=str(options.get("method") or "cqc"))
        flag = draw(kind, frame, target=TRUTH[kind] if known_target else None, **options)["flag"].to_numpy(dtype=str)
        wide = np.char.endswith(flag, "_998")
        shares.append(((wide | np.char.endswith(flag, "_95")).mean(), wide.mean()))
    at = np.array(shares)
    error = at.std(axis=0, ddof=1) / np.sqrt(repeats)
    # With no flags at all the spread is 0; the nominal rate's own error is the floor.
    floor = np.sqrt(np.array([0.05 * 0.95, 0.002 * 0.998]) / (units * repeats))
    error = np.maximum(error, floor)
    return {"at_95": at[:, 0].mean(), "error_95": error[0], "at_998": at[:, 1].mean(), "error_998": error[1]}


def plan() -> Iterable[tuple[str, str, dict[str, object]]]:
    """Yield kind, how the simulated units vary, and the funnel's options."""
    for kind in TRUTH:
        yield kind, "none", {"overdispersion": "none"}
        if kind not in ("rate", "mean"):
            yield kind, "none", {"overdispersion": "none", "method": "cqc"}
        for method in ("cqc", "shmi") if kind == "ratio" else ("cqc",):
            for over in ("multiplicative", "additive"):
                for unbiased in (False, True):
                    yield kind, "none", {"overdispersion": over, "method": method, "unbiased": unbiased}
                    yield kind, over, {"overdispersion": over, "method": method, "unbiased": unbiased}


def calibration(sizes: dict[int, int], seed: int = 20261122) -> pd.DataFrame:
    """Return one row per kind, truth, options and number of units."""
    rows = []
    for i, (kind, spread, options) in enumerate(plan()):
        for units, repeats in sizes.items():
            found = false_positives(kind, spread, units, repeats, np.random.default_rng([seed, i, units]), **options)
            method = options.get("method") or ("exact" if kind not in ("rate", "mean") else "cqc")
            how = "as published" if not options.get("unbiased") else "unbiased"
            label = f"{options['overdispersion']}, {how}" if options["overdispersion"] != "none" else "chance"
            rows.append(
                {"kind": kind, "method": method, "units truly vary": spread, "limits allow for": label, "units": units}
                | found
            )
    return pd.DataFrame(rows)


def power(repeats: int, seed: int = 7) -> pd.DataFrame:
    """Return the share of planted outliers found: ratios, one unit in twenty raised by a given share."""
    rows = []
    for spread, options in (("none", {"overdispersion": "none"}), ("additive", {"overdispersion": "additive"})):
        for raised in (0.1, 0.2, 0.3, 0.5):
            rng = np.random.default_rng([seed, int(raised * 100)])
            found, false = [], []
            for _ in range(repeats):
                frame = simulate("ratio", spread, 200, rng)
                planted = np.arange(200) < 10
                frame.loc[planted, "events"] += rng.poisson(raised * frame.loc[planted, "size"])
                table = draw("ratio", frame, **options)
                high = np.char.startswith(table["flag"].to_numpy(dtype=str), "high")
                three = table["flag"].to_numpy(dtype=str) == "high_998"
                fdr = table["flag_fdr"].to_numpy()
                found.append([high[planted].mean(), three[planted].mean(), fdr[planted].mean()])
                false.append(fdr[~planted].sum() / max(fdr.sum(), 1))
            mean = np.mean(found, axis=0)
            rows.append(
                {
                    "units truly vary": spread,
                    "raised by": f"{raised:.0%}",
                    "found at 95 %": mean[0],
                    "found at 99.8 %": mean[1],
                }
                | {"found, false discovery 5 %": mean[2], "false among those": float(np.mean(false))}
            )
    return pd.DataFrame(rows)


def speed() -> pd.DataFrame:
    """Return processor milliseconds: 10,000 units with additive limits, and 42 indicators of 42 units in one call."""
    rng = np.random.default_rng(1)
    one = simulate("ratio", "additive", 10_000, rng)
    many = pd.concat([simulate("ratio", "additive", 42, rng).assign(indicator=i) for i in range(42)], ignore_index=True)
    rows = []
    for label, frame, options in (
        ("10,000 units, additive", one, {}),
        ("42 indicators x 42 units, additive", many, {"indicator": "indicator"}),
    ):
        spent = []
        for _ in range(20):
            start = time.process_time()
            draw("ratio", frame, overdispersion="additive", **options)
            spent.append(1000 * (time.process_time() - start))
        rows.append({"job": label, "milliseconds": float(np.median(spent))})
    return pd.DataFrame(rows)


def judged(share: float, error: float, nominal: float) -> str:
    """Return a share in per cent with the verdict: within three simulation errors of nominal, or below or above."""
    mark = "" if abs(share - nominal) <= 3 * error else " ↓" if share < nominal else " ↑"
    return f"{share:.2%}{mark}"


def markdown(frame: pd.DataFrame) -> str:
    """Return a table in Markdown."""
    rows = [list(frame.columns), ["---"] * frame.shape[1], *frame.astype(str).to_numpy().tolist()]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def page(table: pd.DataFrame, pooled: pd.DataFrame, found: pd.DataFrame, fast: pd.DataFrame) -> str:
    """Return the page of documentation."""
    shown = table.assign(
        at_95=[judged(*r, 0.05) for r in zip(table["at_95"], table["error_95"], strict=True)],
        at_998=[judged(*r, 0.002) for r in zip(table["at_998"], table["error_998"], strict=True)],
    )
    keys = ["kind", "method", "units truly vary", "limits allow for"]
    wide = shown.pivot_table(index=keys, columns="units", values=["at_95", "at_998"], aggfunc="first", sort=False)
    wide.columns = [f"{'95 %' if level == 'at_95' else '99.8 %'}, {units:,} units" for level, units in wide.columns]
    order = sorted(
        wide.columns, key=lambda c: (not c.startswith("95"), int(c.split(", ", 1)[1].replace(",", "").split(" ")[0]))
    )
    for column in found.columns[2:]:
        found[column] = found[column].map("{:.1%}".format)
    pooled = pooled.assign(
        at_95=[judged(*r, 0.05) for r in zip(pooled["at_95"], pooled["error_95"], strict=True)],
        at_998=[judged(*r, 0.002) for r in zip(pooled["at_998"], pooled["error_998"], strict=True)],
    )[["kind", "units", "at_95", "at_998"]].rename(columns={"at_95": "95 %", "at_998": "99.8 %"})
    fast["milliseconds"] = fast["milliseconds"].map("{:.1f}".format)
    text = Path(__file__).with_name("calibration-variation.template.md").read_text(encoding="utf-8")
    return text.format(
        null=markdown(wide[order].reset_index()), pooled=markdown(pooled), power=markdown(found), speed=markdown(fast)
    )


def main() -> None:
    """Simulate, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    sizes = {10: 300, 100: 100, 1000: 20} if quick else {10: 3000, 100: 1000, 1000: 200, 10_000: 40}
    table = calibration(sizes)
    rows = []
    for kind in ("proportion", "mean"):
        for units, repeats in sizes.items():
            rng = np.random.default_rng([99, units])
            found = false_positives(kind, "none", units, repeats, rng, known_target=False, overdispersion="none")
            rows.append({"kind": kind, "units": units} | found)
    pooled, found, fast = pd.DataFrame(rows), power(20 if quick else 200), speed()
    if quick:
        print(table.to_string(), pooled.to_string(), found.to_string(), fast.to_string(), sep="\n\n")
    else:
        OUT.write_text(page(table, pooled, found, fast), encoding="utf-8")


if __name__ == "__main__":
    main()
