"""A working call of each public function of `benchmark`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from doors.harness import Case
from pathcost_lib import benchmark
from pathcost_lib.benchmark import drivers, productivity, standards, two_part
from pathcost_lib.benchmark.opportunity import deduplicate

OTHER_GROUPS = "rows are groups: one fewer is another list"
OTHER_PATIENTS = "rows are observations: one fewer, or one more, is another sample"
OTHER_REPEATS = "rows are people by their number of events: one fewer is fewer people"
OTHER_WORK = "rows are what was done: a cell fewer is less activity"
A_NAME = "a name is a label only: the rows are sorted by it here"
AGES = ["0-4", "5-9", "10-14", "15-19"]
WHERE = {"by": "icb", "population": "persons"}


def _rng() -> np.random.Generator:
    return np.random.default_rng(1)


def _cells() -> pd.DataFrame:
    """Events and persons of four areas by age and sex."""
    keys = pd.MultiIndex.from_product(
        [["QA", "QB", "QC", "QD"], AGES, ["female", "male"]], names=["icb", "age_band", "sex"]
    )
    rng = np.random.default_rng(2)
    table = keys.to_frame(index=False)
    table["persons"] = rng.integers(500, 900, len(table)).astype(float)
    return table.assign(events=rng.integers(5, 40, len(table)).astype(float))


def _standard() -> pd.DataFrame:
    return pd.DataFrame({"age_band": AGES, "weight": [5_000.0, 5_500.0, 5_400.0, 5_600.0]})


def _reference() -> pd.DataFrame:
    """Return rates of every age and sex, as a publication gives them."""
    keys = pd.MultiIndex.from_product([AGES, ["female", "male"]], names=["age_band", "sex"])
    return keys.to_frame(index=False).assign(rate=np.linspace(0.02, 0.05, 8))


def _repeats() -> pd.DataFrame:
    """Return how many people had one, two and three events, by area, age and sex."""
    cells = _cells().drop(columns="events")
    parts = [cells.assign(times=float(f), events=np.arange(len(cells)) % 4 + 4.0 - f) for f in (1, 2, 3)]
    return pd.concat(parts, ignore_index=True)


def _groups() -> pd.DataFrame:
    names = ["QA", "QB", "QC", "QD"]
    return pd.DataFrame({"icb": names, "events": [12.0, 40.0, 33.0, 25.0], "persons": [210.0, 500.0, 480.0, 320.0]})


def _observations() -> pd.DataFrame:
    values = np.random.default_rng(3).gamma(4, 250, 90)
    return pd.DataFrame({"icb": np.repeat(["QA", "QB", "QC"], 30), "cost": values})


def _sums() -> pd.DataFrame:
    rows = _observations().assign(n=1.0, squares=lambda t: t["cost"] ** 2)
    return rows.groupby("icb", as_index=False)[["cost", "n", "squares"]].sum()


def _deciles() -> pd.DataFrame:
    keys = pd.MultiIndex.from_product([["QA", "QB"], range(1, 11)], names=["icb", "decile"]).to_frame(index=False)
    values = 100 + 5.0 * keys["decile"] + np.random.default_rng(4).normal(0, 2, len(keys))
    return keys.assign(value=values, se=2.0 + keys["decile"] / 10, persons=1_000.0 + 10 * keys["decile"])


def _indexed() -> pd.DataFrame:
    keys = pd.MultiIndex.from_product([["P1", "P2", "P3"], ["AA", "BB", "CC", "DD"]], names=["provider", "hrg"])
    rng = np.random.default_rng(5)
    table = keys.to_frame(index=False)
    n = rng.integers(20, 90, len(table)).astype(float)
    table = table.assign(n=n, gbp=n * rng.uniform(800, 1_200, len(table)))
    return table.assign(mff=np.repeat([1.0, 1.1, 1.05], 4), variance=n * 200.0**2)


def _indexed_at(**more: Any) -> dict[str, Any]:
    return {"df": _indexed(), "by": "provider", "currency": "hrg", "activity": "n", "cost": "gbp", **more}


def _year(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    keys = pd.MultiIndex.from_product([["QA", "QB"], ["day", "stay"], ["AA", "BB"]], names=["icb", "pod", "hrg"])
    table = keys.to_frame(index=False)
    return table.assign(
        n=rng.integers(20, 90, len(table)).astype(float), gbp=rng.integers(9_000, 90_000, len(table)).astype(float)
    )


def _phases(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    keys = pd.MultiIndex.from_product([["before", "after"], ["outpatient", "admitted"]], names=["phase", "setting"])
    table = keys.to_frame(index=False)
    return table.assign(
        contacts=rng.integers(20, 90, 4).astype(float), cost_gbp=rng.integers(9_000, 90_000, 4).astype(float)
    )


def _mix() -> pd.DataFrame:
    rng = np.random.default_rng(6)
    keys = pd.MultiIndex.from_product([["60s", "70s", "80s"], ["female", "male"], ["QA", "QB"]])
    table = keys.to_frame(index=False, name=["age", "sex", "icb"])
    patients = [rng.gamma(4, 500 + 40 * i, 30) for i in range(len(table))]
    return table.assign(
        n=30.0,
        gbp=[p.sum() for p in patients],
        sq=[(p**2).sum() for p in patients],
        logs=[np.log(p).sum() for p in patients],
        frailty=rng.uniform(0, 1, len(table)),
    )


def _modelled(**arguments: Any) -> dict[str, Any]:
    found = benchmark.expected_cost(**arguments)
    names = {"note": found.note, "family": found.family, "power": found.park_exponent, "terms": found.coefficients}
    return {**names, "expected": found.table.sort_values("gbp")["expected_gbp"].to_numpy(), "tenths": found.calibration}


def _compared(**arguments: Any) -> pd.DataFrame:
    model = benchmark.expected_cost(_mix(), count="n", cost="gbp", squares="sq", factors=["age", "sex"])
    return model.compare(**arguments)


def _two_parts(**arguments: Any) -> dict[str, Any]:
    found = two_part.two_part_cost(**arguments)
    table = found.table.sort_values("gbp")
    names = {"note": found.note, "r": found.r_squared, "terms": found.coefficients}
    return {**names, "expected": table["expected_gbp"].to_numpy()}


def _two_part_groups(**arguments: Any) -> pd.DataFrame:
    cells = _mix().assign(people=40.0)
    return two_part.two_part_cost(cells, factors=["age", "sex"], **TWO_PARTS).compare(**arguments)


def _trusts() -> pd.DataFrame:
    """Return what two trusts did in three years, in four currencies of two classes, with sums over contacts."""
    rng = np.random.default_rng(9)
    keys = pd.MultiIndex.from_product([["TA", "TB"], ["2022-23", "2023-24", "2024-25"], ["A", "B", "C", "D"]])
    table = keys.to_frame(index=False, name=["trust", "year", "hrg"])
    table = table.assign(pod=table["hrg"].map({"A": "x", "B": "x", "C": "y", "D": "y"}))
    table["spells"] = rng.integers(50, 90, len(table)).astype(float)
    table["gbp"] = (table["spells"] * rng.uniform(800, 1_200, len(table))).round(2)
    return table.assign(uu=table["spells"] + 3, uy=table["gbp"] * 1.05, yy=1.6 * table["gbp"] ** 2 / table["spells"])


def _inputs() -> pd.DataFrame:
    return pd.DataFrame({"period": ["2022-23", "2023-24", "2024-25"], "index": [94.0, 97.0, 101.5]})


def _productive(**arguments: Any) -> dict[str, Any]:
    found = productivity.productivity(**arguments)
    return {"links": found.table, "left": found.excluded}


TWO_PARTS = {"people": "people", "users": "n", "cost": "gbp", "squares": "sq"}
MODEL = {"count": "n", "cost": "gbp", "squares": "sq", "factors": ["age", "sex"]}
OTHER_MIX = "rows are cells of patients: a cell fewer is another population"


def _features() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    return pd.DataFrame(
        {"icb": [f"Q{k}" for k in "ABCDEFGH"], "over_65": rng.uniform(10, 25, 8), "rural": rng.uniform(0, 60, 8)}
    )


def _peers() -> pd.DataFrame:
    pairs = [(a, b) for a in "ABCDEFGH" for b in "ABCDEFGH" if a != b]
    return pd.DataFrame([(f"Q{a}", f"Q{b}") for a, b in pairs], columns=["unit", "peer"])


def _costs() -> pd.DataFrame:
    units = [f"Q{k}" for k in "ABCDEFGH"]
    mean_gbp = [1_000.0, 1_020.0, 980.0, 1_010.0, 990.0, 1_600.0, 1_005.0, 995.0]
    table = pd.DataFrame({"icb": units, "mean_gbp": mean_gbp, "se": 20.0 + np.arange(8), "n": 200.0 + np.arange(8)})
    return table.assign(share=np.linspace(0.3, 0.6, 8), tariff=1_000.0)


COSTS = {"unit": "icb", "value": "mean_gbp", "se": "se", "count": "n", "draws": 200}


def _claims() -> pd.DataFrame:
    return pd.DataFrame(
        {"icb": ["QA", "QA", "QB"], "claim": ["knee", "outpatient", "knee"], "opportunity_gbp": [40.0, 30.0, 20.0]}
    )


def _scope() -> pd.DataFrame:
    rows = [("QA", "knee", "a", 50.0), ("QA", "knee", "b", 60.0), ("QA", "outpatient", "a", 50.0)]
    rows += [("QA", "outpatient", "c", 45.0), ("QB", "knee", "a", 90.0)]
    return pd.DataFrame(rows, columns=["icb", "claim", "cell", "cost_gbp"])


def _bands(**arguments: Any) -> pd.Series:
    """Return where each band begins."""
    return benchmark.age_band(**arguments).str.extract(r"^(\d+)")[0].astype(float)


def _loaded(**arguments: Any) -> pd.DataFrame:
    return standards.load_standard(**arguments)


SOLE = "a label of its own: sole_share says how much cost no other group has"
INDEXED = {
    ("df", "a row missing"): OTHER_WORK,
    ("df", "provider mislabelled"): A_NAME,
    ("df", "hrg mislabelled"): SOLE,
}
FREE_LABELS = {
    ("df", "icb mislabelled"): A_NAME,
    ("df", "a row missing"): OTHER_GROUPS,
}
CASES: dict[str, Case | list[Case]] = {
    "age_band": Case(
        _bands,
        lambda: {"age": pd.Series([3.0, 17.0, 44.0, 91.0])},
        legitimate={("age", "a value fewer"): "rows are people: one fewer is a shorter list"},
    ),
    "load_standard": Case(_loaded, lambda: {"name": "ESP2013"}),
    "directly_standardised_rate": [
        Case(
            benchmark.directly_standardised_rate,
            lambda: {
                "df": _cells(),
                "standard": _standard(),
                "events": "events",
                "strata": ["age_band", "sex"],
                "per": 1_000.0,
                "confidence": 0.95,
                **WHERE,
            },
        ),
        Case(
            benchmark.directly_standardised_rate,
            lambda: {
                "df": _repeats(),
                "standard": _standard(),
                "events": "events",
                "event_frequency": "times",
                "few_events": "withhold",
                "strata": ["age_band", "sex"],
                **WHERE,
            },
            legitimate={("df", "a row missing"): OTHER_REPEATS},
        ),
    ],
    "indirectly_standardised_ratio": [
        Case(
            benchmark.indirectly_standardised_ratio,
            lambda: {
                "df": _cells(),
                "observed": "events",
                "strata": ["age_band", "sex"],
                "reference": _reference(),
                "confidence": 0.95,
                **WHERE,
            },
        ),
        Case(
            benchmark.indirectly_standardised_ratio,
            lambda: {"df": _cells(), "observed": "events", "strata": ["age_band", "sex"], **WHERE},
        ),
    ],
    "proportion": Case(
        benchmark.proportion,
        lambda: {"df": _groups(), "events": "events", "confidence": 0.95, "few_events": "withhold", **WHERE},
        legitimate=FREE_LABELS,
    ),
    "rate": [
        Case(
            benchmark.rate,
            lambda: {"df": _groups(), "events": "events", "per": 1_000.0, "confidence": 0.95, **WHERE},
            legitimate=FREE_LABELS,
        ),
        Case(
            benchmark.rate,
            lambda: {
                "df": _repeats()[lambda t: (t["age_band"] == "0-4") & (t["sex"] == "male")][
                    ["icb", "persons", "times", "events"]
                ],
                "events": "events",
                "event_frequency": "times",
                **WHERE,
            },
            legitimate={("df", "a row missing"): OTHER_REPEATS},
        ),
    ],
    "mean": [
        Case(
            benchmark.mean,
            lambda: {"df": _observations(), "by": "icb", "value": "cost", "confidence": 0.95},
            legitimate={("df", "a row missing"): OTHER_PATIENTS, ("df", "a row twice"): OTHER_PATIENTS},
        ),
        Case(
            benchmark.mean,
            lambda: {"df": _sums(), "by": "icb", "value": "cost", "count": "n", "squares": "squares"},
            legitimate=FREE_LABELS,
        ),
    ],
    "quantiles": Case(
        benchmark.quantiles,
        lambda: {"df": _observations(), "by": "icb", "value": "cost", "q": (0.25, 0.5, 0.75), "confidence": 0.95},
        legitimate={
            ("df", "a row missing"): OTHER_PATIENTS,
            ("df", "a row twice"): OTHER_PATIENTS,
            ("q", "a value fewer"): "rows are quantiles: what is asked for is answered",
            ("q", "a lone value for a list"): "rows are quantiles: what is asked for is answered",
        },
    ),
    "slope_index": Case(
        benchmark.slope_index,
        lambda: {
            "df": _deciles(),
            "quantile": "decile",
            "value": "value",
            "se": "se",
            "confidence": 0.95,
            **WHERE,
        },
    ),
    "cost_index": [
        Case(
            benchmark.cost_index,
            lambda: _indexed_at(mff="mff", variance="variance", confidence=0.95),
            legitimate=INDEXED,
        ),
        Case(
            benchmark.cost_index,
            lambda: _indexed_at(
                reference=pd.DataFrame({"hrg": ["AA", "BB", "CC", "DD"], "unit_cost": [900.0, 950.0, 1_000.0, 1_050.0]})
            ),
            legitimate={("df", "a row missing"): OTHER_WORK},
        ),
    ],
    "price_volume_mix": Case(
        benchmark.price_volume_mix,
        lambda: {
            "base": _year(1),
            "current": _year(2),
            "by": "icb",
            "currency": "hrg",
            "activity": "n",
            "cost": "gbp",
            "within": "pod",
        },
    ),
    "pathway_drivers": Case(
        drivers.pathway_drivers,
        lambda: {
            "base": _phases(1),
            "current": _phases(2),
            "base_population": 1_000.0,
            "current_population": 900.0,
            "base_pathways": 40.0,
            "current_pathways": 39.0,
            "phase": "phase",
            "setting": "setting",
            "contacts": "contacts",
            "cost": "cost_gbp",
        },
    ),
    "expected_cost": [
        Case(
            _modelled,
            lambda: {"cells": _mix().drop(columns=["icb", "logs"]), "covariates": "frailty", "family": "auto", **MODEL},
            legitimate={("cells", "a row missing"): OTHER_MIX},
            skip={"factors": "names of columns"},
        ),
        Case(
            _modelled,
            lambda: {
                "cells": _mix()[["age", "sex", "icb", "n", "gbp", "sq", "logs"]],
                "log_sum": "logs",
                "family": "log_ols",
                **MODEL,
            },
            legitimate={("cells", "a row missing"): OTHER_MIX},
            skip={"factors": "names of columns"},
        ),
        Case(_compared, lambda: {"by": "sex", "confidence": 0.95}),
    ],
    "productivity": Case(
        _productive,
        lambda: {
            "df": _trusts(),
            "by": "trust",
            "period": "year",
            "currency": "hrg",
            "activity": "spells",
            "cost": "gbp",
            "within": "pod",
            "deflator": _inputs(),
            "quality": _inputs(),
            "spread": ["uu", "uy", "yy"],
        },
        legitimate={("df", "a row missing"): OTHER_WORK},
    ),
    "two_part_cost": [
        Case(
            _two_parts,
            lambda: {
                "cells": _mix().drop(columns=["icb", "logs"]).assign(people=40.0, need=np.linspace(0.9, 1.1, 12)),
                "covariates": "frailty",
                "factors": ["age", "sex"],
                "weight": "need",
                **TWO_PARTS,
            },
            legitimate={("cells", "a row missing"): OTHER_MIX},
            skip={"factors": "names of columns"},
        ),
        Case(_two_part_groups, lambda: {"by": "sex", "confidence": 0.95}),
    ],
    "similar_peers": Case(
        benchmark.similar_peers,
        lambda: {
            "features": _features(),
            "unit": "icb",
            "n": 3,
            "weights": {"over_65": 2.0, "rural": 1.0},
            "override": {"QA": ["QB", "QC", "QD"]},
        },
        legitimate={
            ("features", "icb mislabelled"): A_NAME,
            ("features", "a row missing"): "rows are units: a unit that is not there is nobody's peer",
        },
    ),
    "rank": Case(
        benchmark.rank,
        lambda: {
            "df": _costs()[["icb", "mean_gbp", "se", "n"]],
            "by": "icb",
            "value": "mean_gbp",
            "se": "se",
            "count": "n",
            "draws": 500,
            "rng": _rng(),
            "confidence": 0.95,
        },
        legitimate=FREE_LABELS,
    ),
    "rank_agreement": Case(
        benchmark.rank_agreement,
        lambda: {"df": _costs()[["icb", "mean_gbp", "share"]], "by": "icb", "first": "mean_gbp", "second": "share"},
        legitimate=FREE_LABELS,
    ),
    "opportunity": [
        Case(
            benchmark.opportunity,
            lambda: {
                "df": _costs().drop(columns="tariff"),
                "target": "median",
                "variable_share": "share",
                "false_discovery_rate": 0.05,
                "confidence": 0.95,
                "rng": _rng(),
                **COSTS,
            },
            legitimate=FREE_LABELS,
        ),
        Case(
            benchmark.opportunity,
            lambda: {
                "df": _costs().drop(columns=["tariff", "share"]),
                "target": "best_5_of_10",
                "peers": _peers(),
                "rng": _rng(),
                **COSTS,
            },
            legitimate={
                ("peers", "a row missing"): "peers are the user's own list",
            },
        ),
        Case(
            benchmark.opportunity,
            lambda: {"df": _costs().drop(columns=["tariff", "share"]), "target": 1_000.0, "rng": _rng(), **COSTS},
            legitimate=FREE_LABELS,
        ),
        Case(
            benchmark.opportunity,
            lambda: {"df": _costs().drop(columns="share"), "target": "tariff", "rng": _rng(), **COSTS},
            legitimate=FREE_LABELS,
        ),
    ],
    "deduplicate": Case(
        deduplicate,
        lambda: {
            "claims": _claims(),
            "scope": _scope(),
            "unit": "icb",
            "claim": "claim",
            "cell": "cell",
            "amount": "opportunity_gbp",
            "cost": "cost_gbp",
        },
        legitimate={
            ("scope", "cell mislabelled"): "a cell of its own meets no other claim",
            ("scope", "a row missing"): "a claim is spread over the cells that it is given",
        },
    ),
}
