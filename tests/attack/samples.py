"""Two hundred small honest samples: two areas, two years, knees and hips, patient by patient, through the real door.

Each patient has contacts in some of three settings and three phases, with a cost in pence. What 01, 02, 03, 04 and 07
show of them is made here as those notebooks make it, and leaves by `present.disclose` and `disclose_together`. All
samples leave at once: a sample's number is one more column of each table and of each sum, so that none meets another.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from pathcost_lib import present
from pathcost_lib.intervals import fieller_limits, poisson_limits, wilson_limits
from pathcost_lib.present import disclosure, display

SEEDS, FEWEST = range(200), 8
SETTINGS, PHASES = ("acute", "community", "gp"), ("before", "during", "later")
AREAS, YEARS, PROVIDERS = ("A", "B"), ("2023-24", "2024-25"), ("P1", "P2")
BY: dict[str, list[str]] = {"whole": [], "setting": ["setting"], "phase": ["phase"], "grid": ["setting", "phase"]}
#: Public: people of an area; events expected there; the spread of gains in health; what prices rose by.
PEOPLE, EXPECTED, GAIN_SD, INFLATION = {"A": 61_300, "B": 48_900}, {"A": 17.3, "B": 15.1}, 0.5, 1.043
WORTH = (20_000.0, 30_000.0)
COUNTS = ["pathways", "seen_pathways", "contacts"]
Payload = dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """Patients: what each is (area, year, knee or hip, provider), and contacts and pence by setting and phase."""

    of: pd.DataFrame
    contacts: np.ndarray
    pence: np.ndarray

    def where(self, **said: str) -> np.ndarray:
        """Return which patients these are; the pathway hip-and-knee is both."""
        chosen = np.ones(len(self.of), dtype=bool)
        for column, value in said.items():
            if (column, value) != ("pathway", "hip-and-knee"):
                chosen &= (self.of[column] == value).to_numpy()
        return chosen

    def pounds(self, **said: str) -> np.ndarray:
        """Return the cost of each of some patients, in pounds."""
        found: np.ndarray = self.pence[self.where(**said)].sum(axis=(1, 2)) / 100
        return found


@functools.cache
def sample(seed: int, more: int = 0) -> Sample:
    """Return a sample; with `more` late patients of area A, a knee each, of the later year."""
    rng = np.random.default_rng(seed)
    size, rows = rng.choice([4.0, 9.0, 25.0]), []
    for area in AREAS:
        for year in YEARS:
            for pathway, share in (("knee", 1.0), ("hip", 0.4)):
                n = 8 * (pathway == "knee") + rng.poisson(rng.gamma(2.0, size * share / 2.0))
                rows += [(area, year, pathway, PROVIDERS[int(p < 0.3)]) for p in rng.random(n)]
    expected = rng.gamma(0.9, 1.0, (3, 3))
    columns = ["icb_code", "year", "pathway", "provider_code"]
    parts = [(pd.DataFrame(rows, columns=columns), *_care(rng, len(rows), expected))]
    if more:
        late = pd.DataFrame([("A", YEARS[1], "knee", "P1")] * more, columns=columns)
        parts.append((late, *_care(rng, more, expected)))
    of, contacts, pence = zip(*parts, strict=True)
    return Sample(pd.concat(of, ignore_index=True), np.concatenate(contacts), np.concatenate(pence))


def _care(rng: np.random.Generator, many: int, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    contacts = rng.poisson(expected, (many, 3, 3))
    contacts[:, 0, 1] += 1
    return contacts, np.round(contacts * rng.lognormal(10.0, 0.8, (many, 1, 1))).astype(int)


def summary(of: Sample, by: Sequence[str], **said: str) -> list[dict[str, Any]]:
    """Return what `pathways.summarise` does of some patients: a row for each part of the split."""
    axes = tuple(n for n, column in enumerate(("setting", "phase"), start=1) if column not in by)
    chosen = of.where(**said)
    contacts, pounds = of.contacts[chosen].sum(axis=axes), of.pence[chosen].sum(axis=axes) / 100
    many, rows = len(contacts), []
    contacts, pounds = contacts.reshape(many, -1).T, pounds.reshape(many, -1).T
    for key, seen, costs in zip(keys(by), contacts, pounds, strict=True):
        total, ranked = costs.sum(), np.sort(costs)[::-1]
        shares = (ranked[:1].sum() / total, ranked[:2].sum() / total) if total else (0.0, 0.0)
        row = {**dict(zip(by, key, strict=True)), "pathways": many, "seen_pathways": int((seen > 0).sum())}
        row |= {"contacts": int(seen.sum()), "largest_share": shares[0], "two_largest_share": shares[1]}
        row |= {"mean_gbp": total / max(many, 1)}
        rows.append(row | {"se_gbp": costs.std(ddof=1) / many**0.5 if many > 1 else np.nan})
    return rows


def keys(by: Sequence[str]) -> list[tuple[str, ...]]:
    """Return what a split's rows are, in order."""
    found: list[tuple[str, ...]] = [()]
    for column in by:
        values = {"setting": SETTINGS, "phase": PHASES}[column]
        found = [(*key, value) for key in found for value in values]
    return found


# -- through the door -------------------------------------------------------------------------------------------------
def _of_each(rows: Callable[[int], Iterable[dict[str, Any]]]) -> pd.DataFrame:
    return pd.DataFrame([{"sample": f"{seed:03}", **row} for seed in SEEDS for row in rows(seed)])


def _split(shown: disclosure.Disclosed, name: str) -> dict[int, Payload]:
    """Return each sample's own rows of a table, as a notebook's output holds them."""
    whole = display.table_bundle(shown, name=name, title=name)[display.TABLE]
    small = shown.small if len(shown.small) == len(whole["rows"]) else np.zeros(len(whole["rows"]), dtype=bool)
    places: dict[int, list[int]] = {seed: [] for seed in SEEDS}
    for n, row in enumerate(whole["rows"]):
        places[int(row[0])].append(n)
    found = {}
    for seed, rows in places.items():
        own = {"columns": whole["columns"][1:], "rows": [whole["rows"][n][1:] for n in rows]}
        own |= {"steps": {c: [s[n] for n in rows] for c, s in whole["steps"].items()}}
        stars, primary = sum("*" in row for row in own["rows"]), int(small[rows].sum())
        found[seed] = {**whole, **own, "primary": primary, "secondary": stars - primary}
    return found


def _cost(area: str, year: str, pathway: str, *, more: int = 0) -> dict[str, dict[int, Payload]]:
    """Return 02's tables of a pathway: the whole, by setting, by phase, by both, beside all areas."""
    wanted, tables, everywhere = {"year": year, "pathway": pathway}, {}, {}
    for name, by in BY.items():
        every = _of_each(lambda s, by=by: summary(sample(s, more), by, **wanted))
        areas = {a: _of_each(lambda s, by=by, a=a: summary(sample(s, more), by, **wanted, icb_code=a)) for a in AREAS}
        own = areas[area].copy()
        mean, reach = own["mean_gbp"], own.pop("se_gbp") * stats.t.ppf(0.975, np.maximum(own["pathways"] - 1, 1))
        own["lower_95"], own["upper_95"] = np.maximum(mean - reach, 0.0), mean + reach
        own["reference_contacts"], own["reference_gbp"] = every["contacts"], every["mean_gbp"]
        own["difference_gbp"] = mean - every["mean_gbp"]
        tables[name] = own
        everywhere[name] = pd.concat([part.assign(icb_code=a) for a, part in areas.items()], ignore_index=True)
    said = {"what": "closed pathways", **wanted, "icb_code": area}
    options: dict[str, Any] = {"counts": COUNTS, "by": {name: ["sample", *by] for name, by in BY.items()}, "of": said}
    options |= {"apart": {"reference_contacts": ["reference_gbp"]}, "everywhere": everywhere}
    safe = present.disclose_together(tables, focus=("icb_code", area), **options)
    return {name: _split(table, name) for name, table in safe.items()}


def _explored(area: str) -> dict[str, dict[int, Payload]]:
    """Return the explorer's views of an area's knees: splits of `explorer.SPLITS`, settled together."""
    wanted = {"icb_code": area, "year": YEARS[1], "pathway": "knee"}
    tables = {
        n: _of_each(lambda s, by=by: summary(sample(s), by, **wanted)).drop(columns="se_gbp") for n, by in BY.items()
    }
    by = {name: ["sample", *columns] for name, columns in BY.items()}
    said = {"what": "closed pathways", **wanted}
    safe = present.disclose_together(tables, counts=COUNTS, by=by, of=said, in_order=True)
    return {name: _split(table, name) for name, table in safe.items()}


def _rates(area: str, year: str) -> dict[int, Payload]:
    """Return 03's events of each pathway for every 100,000 people, with Byar's limits, and against what is expected."""

    def counted(seed: int, areas: Sequence[str]) -> Iterable[dict[str, Any]]:
        for a in areas:
            for p in ("knee", "hip"):
                many = int(sample(seed).where(icb_code=a, year=year, pathway=p).sum())
                yield {"icb_code": a, "pathway": p, "pathways": many}

    own = _of_each(lambda seed: counted(seed, [area])).drop(columns="icb_code")
    per, count = 100_000 / PEOPLE[area], own["pathways"].to_numpy(float)
    lower, upper = poisson_limits(np.maximum(count, 1.0), 0.95, exact_below=0)
    own = own.assign(rate=count * per, lower_95=lower * per, upper_95=upper * per, index=100 * count / EXPECTED[area])
    said = {"what": "closed pathways", "year": year, "icb_code": area}
    options: dict[str, Any] = {"focus": ("icb_code", area), "of": said, "kinds": {"index": "rate"}}
    options |= {"everywhere": _of_each(lambda seed: counted(seed, AREAS)), "by": ["sample", "pathway"]}
    return _split(present.disclose(own, counts="pathways", **options), "rates")


def _providers(area: str, year: str) -> dict[str, dict[int, Payload]]:
    """Return 02's costs and ranks of an area's providers, and 04's excess of each with its words."""

    def rows(seed: int) -> Iterable[dict[str, Any]]:
        every = sample(seed).pounds(year=year, pathway="knee").mean()
        for provider in PROVIDERS:
            costs = sample(seed).pounds(icb_code=area, year=year, pathway="knee", provider_code=provider)
            mean = costs.mean() if len(costs) else 0.0
            row = {"provider_code": provider, "pathways": len(costs), "mean_gbp": mean, "cost_gbp": costs.sum()}
            yield row | {"difference_gbp": mean - every, "excess_gbp": len(costs) * (mean - every)}

    own = _of_each(rows)
    ranks = own[["sample", "provider_code", "pathways", "mean_gbp", "cost_gbp"]]
    ranked = own["mean_gbp"].where(own["pathways"] >= FEWEST).groupby(own["sample"]).rank()
    said = {"what": "closed pathways", "year": year, "pathway": "knee", "icb_code": area}
    known: dict[str, Any] = {"counts": "pathways", "totals": [["sample"]], "in_order": True}
    shown = present.disclose(ranks.assign(stage_rank=ranked), of=said, **known)
    excess = own[["sample", "provider_code", "pathways", "difference_gbp", "excess_gbp"]]
    stands = present.disclose(excess, **known)
    words = [f"£{abs(d):,.0f} a patient" if d == d else "too few" for d in stands.frame["difference_gbp"]]
    columns = ["sample", "provider_code", "finding", "pathways", "excess_gbp"]
    findings = stands.worded({"finding": words}).select(columns)
    return {"ranks": _split(shown, "ranks"), "findings": _split(findings, "findings")}


def _value(area: str, year: str, again: int = 0) -> dict[str, dict[int, Payload]]:
    """Return what rests on the patients of one row each: 01's, 02's and 07's; `again` draws chance anew."""
    held: dict[str, list[dict[str, Any]]] = {}
    for seed in SEEDS:
        both = [int(sample(seed).where(icb_code=area, year=y, pathway="hip").sum()) for y in YEARS if y <= year]
        held.setdefault("cumulative", []).append({"sample": f"{seed:03}", "pathway": "hip", "pathways": sum(both)})
        costs = sample(seed).pounds(icb_code=area, year=year, pathway="knee")
        for name, rows in _of_one(costs, np.random.default_rng(seed), np.random.default_rng((seed, again))).items():
            held.setdefault(name, []).extend({"sample": f"{seed:03}", **row} for row in rows)
    counts = {"response": ["due_pathways", "linked_pathways", "answered_pathways"], "flow": ["passages", "cases"]}
    counts |= {"readmission": ["pathways", "events"], "unusual": ["recorded_rows", "unusual_rows"]}
    counts |= {"outside": ["inside_contacts", "outside_contacts"]}
    shown = {
        name: present.disclose(pd.DataFrame(rows), counts=counts.get(name, ["pathways"]), in_order=True)
        for name, rows in held.items()
    }
    return {name: _split(table, name) for name, table in shown.items()}


def _of_one(
    costs: np.ndarray, rng: np.random.Generator, chance: np.random.Generator
) -> dict[str, list[dict[str, Any]]]:
    many = len(costs)
    gains = np.round(rng.normal(1.6, GAIN_SD, many), 3)
    linked, events = rng.binomial(many, 0.9), rng.binomial(many, 0.5)
    answered, unusual, days = rng.binomial(linked, 0.8), rng.poisson(14), rng.integers(1, 60, many)
    response = {"due_pathways": many, "linked_pathways": linked, "answered_pathways": answered}
    response |= {"linkage_pct": 100 * linked / many, "response_pct": 100 * answered / max(linked, 1)}
    wilson = [100 * float(limit) for limit in wilson_limits(np.float64(events), np.float64(many), 0.95)]
    share = {"unit": "pct", "pathways": many, "events": events, "value": 100 * events / many}
    share |= {"lower_95": wilson[0], "upper_95": wilson[1]}
    mean, gain, spread = costs.mean(), gains.mean(), np.cov(costs, gains) / many
    reach = {level: stats.t.ppf(0.5 + level / 200, many - 1) * spread[0, 0] ** 0.5 for level in (80, 95)}
    levels = {"pathways": many, "mean_gbp": mean, "lower_95": mean - reach[95], "upper_95": mean + reach[95]}
    levels |= {"mean_lower_80": mean - reach[80], "mean_upper_80": mean + reach[80]}
    fieller = fieller_limits(np.float64(mean), np.float64(gain), np.diag(spread), spread[0, 1], np.float64(1.96))
    boot = [costs[chance.integers(many, size=many)].mean() for _ in range(100)]
    ratio = {"pathways": many, "mean_gbp": mean, "qalys": gain, "ratio_gbp": mean / gain}
    ratio |= {"lower_95": float(fieller[0]), "upper_95": float(fieller[1])}
    booted = {"pathways": many, "mean_gbp": mean}
    booted |= {"lower_95": np.quantile(boot, 0.025), "upper_95": np.quantile(boot, 0.975)}
    net = [{"threshold_gbp": w, "pathways": many, "net_benefit_gbp": w * gain - mean} for w in WORTH]
    flow = {"passages": 2 * many, "cases": many, "median_days": np.median(days), "p90_days": np.quantile(days, 0.9)}
    flow |= {"mean_gbp": mean / 2}
    prices = [{"price_base": y, "pathways": many, "mean_gbp": mean * INFLATION**n} for n, y in enumerate(YEARS)]
    inside, outside = rng.binomial(3 * many, 0.6), rng.poisson(rng.choice([5.0, 30.0]))
    share_out = {"phase": "during", "inside_contacts": inside, "outside_contacts": outside, "mean_gbp": mean}
    share_out |= {"outside_pct": 100 * outside / max(inside + outside, 1)}
    high = {"recorded_rows": 900 + many, "unusual_rows": unusual, "median_gbp": float(np.median(costs))}
    high |= {"high_pct": 100 * rng.binomial(unusual, 0.6) / max(unusual, 1)}
    found = {"response": [response], "readmission": [share], "levels": [levels], "ratio": [ratio], "booted": [booted]}
    found |= {"benefit": net, "flow": [flow], "prices": prices, "unusual": [high]}
    found |= {"outside": [share_out]}
    return found | {"stays": [{"pathways": many, "mean_days": days.mean()}]}


# -- what is out ------------------------------------------------------------------------------------------------------
def notebook(tables: Iterable[Payload]) -> str:
    """Return an executed notebook with some tables, as text."""
    outputs = [{"output_type": "display_data", "data": {display.TABLE: table}} for table in tables]
    return json.dumps({"cells": [{"cell_type": "code", "source": "", "metadata": {}, "outputs": outputs}]})


@functools.cache
def _all() -> dict[str, dict[str, list[dict[int, Payload]]]]:
    out: dict[str, dict[str, list[dict[int, Payload]]]] = {}
    for area, year in ((a, y) for y in YEARS[::-1] for a in AREAS):
        value, providers = _value(area, year), _providers(area, year)
        out[f"{year}/{area}"] = {
            "01_data_quality": [value.pop("unusual")],
            "02_pathway_cost": [*_cost(area, year, "knee").values(), value.pop("flow"), providers["ranks"]],
            "03_icb_variation": [_rates(area, year)],
            "04_outliers": [providers["findings"]],
            "07_value": [*value.values()],
        }
    out["hip-and-knee/A"] = {"02_pathway_cost": [*_cost("A", YEARS[1], "hip-and-knee").values()]}
    out["explorer/A"] = {"explore": [*_explored("A").values()]}
    return out


@functools.cache
def late() -> list[dict[int, Payload]]:
    """Return what 02 of A would be with three late patients more, by sample."""
    return [*_cost("A", YEARS[1], "knee", more=3).values()]


@functools.cache
def drawn_again() -> dict[str, list[dict[int, Payload]]]:
    """Return what rests on chance in 07 of A, drawn anew four times, by sample."""
    return {f"seed {n}/A": [_value("A", YEARS[1], again=n)["booted"]] for n in range(1, 5)}


@functools.cache
def published(seed: int) -> dict[str, dict[str, str]]:
    """Return what is out of a sample: executed notebooks by pack, the explorer's views among them."""
    packs = _all()
    return {
        pack: {n: notebook(t[seed] for t in tables) for n, tables in books.items()} for pack, books in packs.items()
    }
