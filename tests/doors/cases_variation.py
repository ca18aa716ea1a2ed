"""A working call of each public function of `variation`.

Functions that read rows in an engine get the table that is planted as a DataFrame; `call` registers it in the engine
that holds the rest of the small England of `factories`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from factories import make_tables

from doors.harness import Case
from pathcost_lib import variation
from pathcost_lib.ledger import cost_activity
from pathcost_lib.pathways import link, load_definition
from pathcost_lib.sources import Dataset, connect
from pathcost_lib.variation import screening, spc
from pathcost_lib.variation.outlier_view import CostScreen
from pathcost_lib.variation.patients import cost_drivers

UNITS = [f"R{i:02}" for i in range(12)]
LABEL = "a label of its own is a unit of its own"
ROW = "rows are units: fewer units are fewer rows"
#: A sorted label of its own moves the unit's row; with a target that is pooled it changes nothing else.
RELABELLED = {("table", "unit mislabelled"): LABEL, ("table", "a row missing"): ROW}


def units() -> pd.DataFrame:
    """Return twelve units with counts, cases, and mean costs."""
    rng = np.random.default_rng(5)
    cases = rng.integers(200, 900, 12)
    frame = pd.DataFrame({"unit": UNITS, "cases": cases, "events": rng.binomial(cases, 0.2)})
    return frame.assign(expected=cases * 0.2, mean_gbp=rng.normal(5000, 120, 12).round(), se_gbp=100.0)


def funnel_of(**options: Any) -> dict[str, Any]:
    """Return arguments of a funnel of events."""
    columns = {"unit": "unit", "numerator": "events", "denominator": "cases", "kind": "proportion"}
    return {"table": units()[["unit", "events", "cases"]], **columns, **options}


LEVELS = {
    ("limits", "a value fewer"): "fewer limits asked for are fewer limits",
    ("limits", "a lone value for a list"): "one level is a list of one",
}


def two_indicators() -> pd.DataFrame:
    """Return twelve units on two indicators."""
    return pd.concat([units().assign(indicator=name) for name in ("falls", "strokes")], ignore_index=True)[
        ["indicator", "unit", "events", "expected"]
    ]


def means() -> dict[str, Any]:
    """Return arguments of a funnel of mean costs."""
    columns = {"unit": "unit", "value": "mean_gbp", "se": "se_gbp", "denominator": "cases", "kind": "mean"}
    table = units()[["unit", "mean_gbp", "se_gbp", "cases"]]
    return {"table": table, **columns, "overdispersion": "additive", "trim": 0.1, "unbiased": True}


def screened(table: pd.DataFrame, **options: Any) -> Any:
    """Screen a family of ratios and mean costs."""
    ratios = variation.funnel(
        table, unit="unit", numerator="events", denominator="expected", kind="ratio", indicator="indicator"
    )
    costs = variation.funnel(**means(), higher_is="worse")
    return screening.screen({"ratios": ratios, "cost": costs}, **options)


def months(series: int = 1) -> pd.DataFrame:
    """Return two years of months for some series."""
    rng = np.random.default_rng(8)
    calendar = pd.period_range("2023-04", periods=24, freq="M")
    parts = [
        pd.DataFrame({"icb": f"Q{i}", "month": calendar, "contacts": rng.normal(100, 5, 24).round(1)})
        for i in range(series)
    ]
    return pd.concat(parts, ignore_index=True)


def patients() -> pd.DataFrame:
    """Return costs of patients of six providers in three areas."""
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"provider": np.repeat([f"P{i}" for i in range(6)], 20)})
    frame["icb"] = "Q" + (frame["provider"].str[1].astype(int) // 2).astype(str)
    frame["age"] = rng.integers(50, 90, 120).astype(float)
    level = frame["provider"].astype("category").cat.codes * 150.0
    return frame.assign(cost=5000 + level + 10 * frame["age"] + rng.normal(0, 300, 120))


PATIENT = {
    ("table", "a row missing"): "rows are patients: one fewer is one fewer in n",
    ("table", "a row twice"): "rows are patients without an identifier: nothing tells a copy from a second patient",
}


def stays() -> pd.DataFrame:
    """Return stays of two currencies."""
    rng = np.random.default_rng(3)
    days = rng.geometric(0.2, 40)
    return pd.DataFrame({"currency_code": np.repeat(["HN22E", "HN23C"], 20), "length_of_stay_days": days})


def cells() -> pd.DataFrame:
    """Return mean costs of three units by phase and setting."""
    rows = [
        (unit, phase, setting, 1000.0 + 100 * i + 10 * j, 40 + 10 * i)
        for i, unit in enumerate(("Q1", "Q2", "Q3"))
        for j, (phase, setting) in enumerate(
            (("before", "outpatient"), ("operation", "admitted"), ("after", "community"))
        )
    ]
    return pd.DataFrame(rows, columns=["icb_code", "phase", "setting", "mean_gbp", "pathways"])


@cache
def england() -> tuple[Any, ...]:
    """Return dataset, ledger, links and cost cases of a small England, made once."""
    data = Dataset.from_frames(make_tables(patients=120), connect())
    ledger = cost_activity(data.activity, data.unit_costs, data.organisations, price_base="2024-25")
    links = link(ledger, [load_definition("knee_replacement")], patients=data.patients)
    return data, ledger, links, variation.cost_cases(links, data.activity, data.organisations, year="2024-25")


def registered(frame: pd.DataFrame) -> Any:
    """Return a frame in the engine of the small England; a column of mixed kinds arrives as text, as from a file."""
    engine = england()[0].engine
    try:
        return engine.register("planted", frame)
    except pa.ArrowTypeError:
        return engine.register("planted", frame.astype(str))


def provider_sums() -> pd.DataFrame:
    """Return the sums of cost by provider, pathway and part."""
    return england()[3]["providers"].to_pandas().sort_values(["pathway", "part", "provider_code"], ignore_index=True)


def organisations() -> pd.DataFrame:
    """Return what cost cases reads of organisations."""
    columns = ["org_code", "icb_code", "valid_from"]
    table = england()[0].organisations.to_pandas()[columns].sort_values("org_code", ignore_index=True)
    return table.assign(valid_from=pd.to_datetime(table["valid_from"]))


def costed(organisations: pd.DataFrame, year: str) -> dict[str, pd.DataFrame]:
    """Return cost cases as tables, without a patient in them."""
    data, _, links, _ = england()
    relations = variation.cost_cases(links, data.activity, registered(organisations), year=year)
    homes = relations["cases"].query("SELECT icb_code, CAST(count(*) AS BIGINT) AS events FROM this GROUP BY icb_code")
    tables = {"homes": homes, "providers": relations["providers"], "left_out": relations["left_out"]}
    return {name: table.to_pandas() for name, table in tables.items()}


def compared() -> pd.DataFrame:
    """Return comparisons as `screen_costs` gives them."""
    return variation.screen_costs(provider_sums(), fewest=2).table


def explained(comparisons: pd.DataFrame, year: str, most: int) -> Any:
    """Explain one of the comparisons."""
    _, ledger, links, _ = england()
    return variation.explain(links, ledger, comparisons, year=year, most=most)


def screened_costs(providers: pd.DataFrame, fewest: int) -> CostScreen:
    """Screen the providers' costs; the funnels hold functions, which nothing can compare."""
    result = variation.screen_costs(providers, fewest=fewest)
    return CostScreen(result.table, None, result.left_out)


def shrunk(cases: pd.DataFrame, **options: Any) -> Any:
    """Shrink a small table of cases."""
    return variation.shrink(registered(cases), **options)


def few_cases() -> pd.DataFrame:
    """Return the columns of cases that shrinking reads."""
    columns = ["pathway", "part", "provider_code", "icb_code", "difference_pct"]
    frame = england()[3]["cases"].query("SELECT * FROM this ORDER BY pathway_id, part").to_pandas()[columns]
    return frame[frame["part"] == "index_event"].reset_index(drop=True)


def contacts() -> pd.DataFrame:
    """Return contacts of one provider over two years, as the monthly charts read them."""
    rng = np.random.default_rng(4)
    days = pd.date_range("2023-04-01", "2025-03-31")
    dates = np.sort(rng.choice(days, 2400))
    return pd.DataFrame({"provider_code": "A1", "pod": "ae_type1", "start_date": pd.to_datetime(dates).date})


def monthly(activity: pd.DataFrame, **options: Any) -> Any:
    """Chart the contacts."""
    return variation.monthly_signals(registered(activity), {"A1"}, **options)


CONTACT = {
    ("activity", "a row missing"): "rows are contacts: one fewer is one fewer counted",
    ("activity", "a row twice"): "the rows carry no identifier here; `sources.check` finds an activity_id that repeats",
    ("activity", "provider_code mislabelled"): "a contact of another provider is in another series",
}


def measure(function: Any, **more: Any) -> Case:
    """Return the case of a measure of variation between units."""
    return Case(
        function,
        lambda: {"observed": [12, 30, 25, 41, 18], "expected": [15.0, 25.0, 27.0, 33.0, 20.0], **more},
    )


CASES: dict[str, Case | list[Case]] = {
    "adjust_pvalues": Case(
        variation.adjust_pvalues,
        lambda: {"p": [0.001, 0.01, 0.02, 0.4, 0.6], "method": "bh"},
        legitimate={
            ("p", "a value missing"): "a comparison that was not made is not counted and stays missing in its place",
            ("p", "a value fewer"): "fewer comparisons need less adjustment",
        },
    ),
    "chance_share": measure(variation.chance_share),
    "extremal_quotient": measure(variation.extremal_quotient, confidence=0.95),
    "gini": measure(variation.gini, confidence=0.95),
    "interquartile_ratio": measure(variation.interquartile_ratio, confidence=0.95),
    "systematic_component": measure(variation.systematic_component, confidence=0.95),
    "weighted_cv": measure(variation.weighted_cv, confidence=0.95),
    "funnel": [
        Case(
            variation.funnel,
            lambda: funnel_of(limits=[0.95, 0.998], target=0.2, false_discovery=0.05, higher_is="worse"),
            legitimate=RELABELLED | LEVELS,
        ),
        Case(variation.funnel, lambda: funnel_of(method="quantile"), legitimate=RELABELLED),
        Case(variation.funnel, lambda: funnel_of(method="wilson"), legitimate=RELABELLED),
        Case(variation.funnel, means, legitimate=RELABELLED),
        Case(
            variation.funnel,
            lambda: {
                "table": two_indicators(),
                "unit": "unit",
                "numerator": "events",
                "denominator": "expected",
                "kind": "ratio",
                "method": "shmi",
                "overdispersion": "additive",
                "indicator": "indicator",
            },
            legitimate={
                ("table", "a row missing"): ROW,
                ("table", "indicator mislabelled"): "it has a funnel of its own",
            },
        ),
    ],
    "screen": Case(
        screened,
        lambda: {"table": two_indicators(), "gbp_per": {"falls": 900.0, "strokes": 4000.0}, "false_discovery": 0.05},
        legitimate={("table", "a row missing"): ROW},
    ),
    "state_differences": [
        Case(
            screening.state_differences,
            lambda: {
                "table": units().assign(df=20, se=40.0, gap=lambda d: d["mean_gbp"] - 5000)[
                    ["unit", "gap", "se", "df"]
                ],
                "keys": "unit",
                "difference": "gap",
                "se": "se",
                "degrees": "df",
                "false_discovery": 0.05,
            },
            legitimate={("table", "unit mislabelled"): LABEL},
        ),
        Case(
            screening.state_differences,
            lambda: {
                "table": pd.DataFrame({"unit": list("abcd"), "p": [0.001, 0.02, 0.3, 0.5]}),
                "keys": ["unit"],
                "p_value": "p",
                "method": "bh",
            },
            legitimate={("table", "unit mislabelled"): LABEL},
        ),
    ],
    "variance_components": [
        Case(
            variation.variance_components,
            lambda: {
                "table": patients(),
                "outcome": "cost",
                "groups": ["icb", "provider"],
                "covariates": ["age"],
                "method": "reml",
            },
            legitimate=PATIENT | {("table", "provider mislabelled"): "a label of its own is a group of its own"},
        ),
        Case(
            lambda table, **options: variation.variance_components(registered(table), **options),
            lambda: {"table": patients(), "outcome": "cost", "groups": "provider"},
            legitimate=PATIENT | {("table", "provider mislabelled"): "a label of its own is a group of its own"},
        ),
    ],
    "xmr": [
        Case(
            variation.xmr,
            lambda: {
                "values": months().set_index("month")["contacts"],
                "baseline": 12,
                "rebase": "2024-04",
                "improvement": "lower",
                "target": 100.0,
                "rules": "nhs",
            },
            legitimate={("values", "a value fewer"): "a series that ends a month sooner is another series"},
        ),
        Case(
            variation.xmr,
            lambda: {"values": months()["contacts"].tolist(), "rules": "western_electric"},
            legitimate={("values", "a value fewer"): "a series that ends a month sooner is another series"},
        ),
        Case(
            variation.xmr,
            lambda: {"values": months().set_index("month")["contacts"], "frequency": "M"},
            legitimate={("values", "a value fewer"): "a series that ends a month sooner is another series"},
        ),
    ],
    "xmr_many": [
        Case(
            spc.xmr_many,
            lambda: {
                "table": months(3),
                "by": "icb",
                "period": "month",
                "value": "contacts",
                "target": {"Q0": 100.0, "Q1": 90.0},
                "baseline": 12,
                "rebase": "2024-04",
                "improvement": "lower",
                "rules": "nhs",
            },
        ),
        Case(
            spc.xmr_many,
            lambda: {
                "table": months(2).assign(month=lambda d: d["month"].dt.strftime("%b-%y")),
                "by": ["icb"],
                "period": "month",
                "value": "contacts",
                "target": 100.0,
                "frequency": "M",
            },
        ),
    ],
    "trim_points": [
        Case(
            variation.trim_points,
            lambda: {"los": stays(), "by": "currency_code", "length": "length_of_stay_days"},
            legitimate={("los", name): reason for (_, name), reason in PATIENT.items()},
        ),
        Case(
            variation.trim_points,
            lambda: {"los": [1, 2, 2, 3, 3, 4, 4, 6, 30]},
            legitimate={("los", "a value fewer"): "one stay fewer is one fewer counted"},
        ),
    ],
    "robust_outliers": Case(
        lambda table, **options: (
            (result := variation.robust_outliers(table, **options)).table,
            {"left_out": result.left_out},
        ),
        lambda: {
            "table": patients().rename(columns={"provider": "currency_code", "cost": "cost_pence"})[
                ["currency_code", "cost_pence"]
            ],
            "value": "cost_pence",
            "by": "currency_code",
            "threshold": 3.5,
        },
        legitimate=PATIENT,
    ),
    "cost_drivers": Case(
        cost_drivers,
        lambda: {"summary": cells(), "unit_column": "icb_code", "unit": "Q1", "by": ["phase", "setting"]},
    ),
    "cost_cases": Case(
        costed,
        lambda: {"organisations": organisations(), "year": "2024-25"},
    ),
    "screen_costs": Case(
        screened_costs,
        lambda: {"providers": provider_sums(), "fewest": 2},
        legitimate={("providers", "provider_code mislabelled"): LABEL},
    ),
    "provider_totals": Case(
        lambda comparisons, names: variation.provider_totals(comparisons, names=names),
        lambda: {"comparisons": compared(), "names": {"P1": "One"}},
        legitimate={
            ("comparisons", "a row missing"): "what is summed is what is given",
            ("comparisons", "no rows"): "nothing could be compared: no row, not a zero",
            ("comparisons", "provider_code mislabelled"): LABEL,
        },
    ),
    "shrink": Case(
        shrunk,
        lambda: {"cases": few_cases(), "pathway": "knee_replacement", "part": "index_event", "threshold": 10.0},
        legitimate={("cases", name): reason for (_, name), reason in PATIENT.items()}
        | {("cases", f"{column} mislabelled"): "a case of another pathway or part" for column in ("pathway", "part")},
    ),
    "explain": Case(
        explained,
        lambda: {"comparisons": compared(), "year": "2024-25", "most": 8},
        legitimate={("comparisons", "a row missing"): "the furthest out is looked for among the rows given"},
    ),
    "monthly_signals": Case(
        monthly,
        lambda: {"activity": contacts(), "year": "2024-25", "fewest": 20, "draws": 100, "seed": 1},
        legitimate=CONTACT,
    ),
}
