"""A working call of each public function of the change half of `scenarios`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from system_steps import steps

from doors.harness import Case
from pathcost_lib import scenarios
from pathcost_lib.scenarios.change import appraisal, model, portfolio, sharing, system
from pathcost_lib.scenarios.scenario import Scenario, parse_scenario, rebase
from pathcost_lib.sources.engine import connect

FEWER_YEARS = "a flow of fewer years is a flow of fewer years"
ONE_LEVEL = "rows are levels: fewer levels are fewer rows"
OWN_LABEL = "a label of its own is an organisation of its own"
OWN_CELLS = "rows are cells: a cell fewer is less cost in scope"


def cells() -> pd.DataFrame:
    """Two providers and two PODs of one ICB; no two amounts alike."""
    table = pd.DataFrame(
        {
            "icb_code": "QA",
            "provider_code": ["R1", "R1", "R2"],
            "setting": ["outpatient", "admitted", "admitted"],
            "pod": ["outpatient_first", "elective", "elective"],
            "activity": [4000.0, 1000.0, 700.0],
            "cost_gbp": [800_000.0, 5_000_000.0, 3_100_000.0],
        }
    )
    table["fixed_gbp"], table["semi_fixed_gbp"] = 0.4 * table["cost_gbp"], 0.3 * table["cost_gbp"]
    return table.assign(variable_gbp=table["cost_gbp"] - table["fixed_gbp"] - table["semi_fixed_gbp"])


def scheme(**changes: Any) -> dict[str, Any]:
    """A scenario file of one scheme that moves a fifth of elective stays to a third provider."""
    change = {
        "name": "fewer", "title": "Fewer stays", "source": "Made up", "evidence": "assumed", "change": "move",
        "effect": {"low": 0.1, "high": 0.3}, "start": "2025-26", "running_gbp": 90_000, "set_up_gbp": 40_000,
        "double_running_gbp": 30_000, "double_running_years": 1, "exit_cost_gbp": 5000, "exit_year": "2028-29",
        "stranded_years": 3, "decay_pct": 2.0, "payer": "QA", "select": {"pod": ["elective"]},
        "to": {
            "provider_code": "C1", "setting": "community", "pod": "community_contact", "unit_cost_gbp": 50.0,
            "price_gbp": 60.0, "units_per_unit": 6.0,
        },
    }  # fmt: skip
    content = {
        "name": "doors", "title": "Doors", "narrative": "One scheme.", "source": "Made up", "price_base": "2024-25",
        "first_year": "2025-26", "years": 5, "names": {"C1": "Community"}, "intervention": [change],
    }  # fmt: skip
    for key, value in changes.items():
        (change if key in change else change["to"] if key in change["to"] else content)[key] = value
    return content


def scenario(**changes: Any) -> Scenario:
    """Return the scenario of `scheme`, read as from a file."""
    return parse_scenario(scheme(**changes), "doors.toml")


def impact(ledger: pd.DataFrame | None = None, **options: Any) -> system.SystemImpact:
    """Return the impact of `scheme` on cells."""
    return scenarios.system_impact(scenario(), cells() if ledger is None else ledger, **options)


def numbers_of(found: system.SystemImpact) -> dict[str, Any]:
    """Return what an impact says in numbers, and why any is not there."""
    return {"year": found.by_year(), "released": found.released, "system": found.system}


#: Every number of a scenario file, as an argument of its own.
FILE_NUMBERS = {
    "running_gbp": 90_000.0, "set_up_gbp": 40_000.0, "double_running_gbp": 30_000.0, "exit_cost_gbp": 5000.0,
    "decay_pct": 2.0, "unit_cost_gbp": 50.0, "price_gbp": 60.0, "units_per_unit": 6.0, "realisation": 0.8,
    "optimism_bias_pct": 10.0,
}  # fmt: skip


def system_impact_of_file(ledger: pd.DataFrame, payer: str, effect: dict[str, float], **numbers: float) -> Any:
    """Read a scenario with these numbers and work it out."""
    return numbers_of(scenarios.system_impact(scenario(payer=payer, effect=effect, **numbers), ledger))


def system_impact_by_arguments(
    ledger: pd.DataFrame,
    years: list[int],
    payment: str,
    host: str,
    shares: dict[str, float],
    to_cost: float,
    step: float,
    capacity: dict[str, float],
) -> Any:
    """Work a scenario out under a rule and steps of its own."""
    blended = model.PaymentRule("blended", shares, payment_to_cost=to_cost)
    release = scenarios.Release(step, capacity)
    by_rule = scenarios.system_impact(scenario(), ledger, years=years, payment=blended, release=release)
    by_name = scenarios.system_impact(scenario(), ledger, years=years, payment=payment)
    capitation = model.PaymentRule("capitation", host=host)
    by_host = scenarios.system_impact(scenario(), ledger, years=years, payment=capitation)
    return [numbers_of(by_rule), numbers_of(by_name), numbers_of(by_host)]


def ledger_rows() -> pd.DataFrame:
    """A small costed ledger: patients of two ICBs at two providers, in pence."""
    count = 24
    table = pd.DataFrame(
        {
            "patient_id": np.arange(count) // 2,
            "icb_code": ["QA"] * 18 + ["QB"] * 6,
            "provider_code": ["R1", "R2"] * 12,
            "setting": "admitted",
            "pod": "elective",
            "units": 1,
            "financial_year": "2024-25",
            "cost_pence": 100_000 + 1000 * np.arange(count),
        }
    )
    table["fixed_pence"], table["semi_fixed_pence"] = table["cost_pence"] // 2, table["cost_pence"] // 4
    return table.assign(variable_pence=table["cost_pence"] - table["fixed_pence"] - table["semi_fixed_pence"])


def localise(ledger: pd.DataFrame, **options: Any) -> Any:
    """Set the scheme on a ledger, and return what it selects and costs there."""
    local = scenarios.localise(scenario(payer="commissioner"), connect().register("ledger", ledger), **options)
    item = local.scenario.interventions[0]
    return {
        "scope": local.scope, "left_out": local.left_out, "touched": local.touched, "running": item.running_gbp,
        "years": list(local.scenario.years), "note": " ".join(local.notes),
    }  # fmt: skip


def activity_near(activity: pd.DataFrame, **options: Any) -> pd.DataFrame:
    """Return how many contacts are near, by provider."""
    near = scenarios.activity_near(connect().register("activity", activity), **options)
    return near.query("SELECT provider_code, count(*) AS contacts FROM this GROUP BY 1 ORDER BY 1").to_pandas()


def activity() -> pd.DataFrame:
    """Contacts of two ICBs, most in the year."""
    return pd.DataFrame(
        {
            "icb_code": ["QA", "QA", "QA", "QB", "QB"],
            "provider_code": ["R1", "R2", "R1", "R2", "R3"],
            "start_date": pd.to_datetime(["2024-05-01", "2024-06-01", "2025-01-01", "2024-07-01", "2024-08-01"]),
            "end_date": pd.to_datetime(["2024-05-02", "2024-06-03", "2025-01-09", "2024-07-01", "2024-08-04"]),
        }
    )


def system_steps(
    ledger: pd.DataFrame, names: dict[str, str], claims: pd.DataFrame, draws: int, seed: int, most: int, fewest: int
) -> Any:
    """Take the steps of notebook 06 on the scheme's own baseline."""
    local = scenarios.localise(
        scenario(baseline=[baseline_row(row) for row in ledger.to_dict("records")]), None, icb="QA", year="2024-25"
    )
    options = {"draws": draws, "seed": seed, "most": most, "fewest": fewest}
    return steps(local, names=names, claims=claims, **options).tables


def own(ledger: pd.DataFrame, **changes: Any) -> Scenario:
    """Return the scheme on cells as its file's own baseline."""
    return scenario(baseline=[baseline_row(row) for row in ledger.to_dict("records")], **changes)


def side_by_side(ledger: pd.DataFrame, effect: float, names: dict[str, str]) -> Any:
    """Set the scheme beside itself with another effect, on the same baseline."""
    both = [
        scenarios.localise(own(ledger, **more), None, icb="QA", year="2024-25") for more in ({}, {"effect": effect})
    ]
    return scenarios.side_by_side(both, names=names).table


def baseline_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a cell as a [[baseline]] table of a file."""
    kept = {k: row[k] for k in ("icb_code", "provider_code", "setting", "pod", "activity", "cost_gbp") if k in row}
    return kept | {"fixed_share": 0.4, "semi_fixed_share": 0.3, "source": "Made up"}


def own_cells() -> pd.DataFrame:
    """The cells as a file has them."""
    return cells()[["icb_code", "provider_code", "setting", "pod", "activity", "cost_gbp"]]


def claims() -> pd.DataFrame:
    """The commissioner's claim and a provider's, of the same scheme."""
    return pd.DataFrame(
        {
            "scheme": "fewer",
            "organisation": ["QA", "R1"],
            "programme": ["QIPP", "CIP"],
            "claim_gbp": [1_500_000.0, 700_000.0],
        }
    )


def positions() -> pd.DataFrame:
    """A planned position and a control total for each organisation of the scheme."""
    return pd.DataFrame(
        {
            "organisation": ["C1", "QA", "R1", "R2"],
            "control_total_gbp": [0.0, 100_000.0, -50_000.0, 20_000.0],
            "position_gbp": [10_000.0, 90_000.0, -40_000.0, 30_000.0],
        }
    )


def rebased(price_base: str, cost_gbp: float, running_gbp: float, bed_day_gbp: float) -> Any:
    """Return the pounds of a scenario in another year's."""
    rows = [baseline_row(row) | {"cost_gbp": cost_gbp} for row in own_cells().to_dict("records")]
    check = {
        "kind": "displacement", "bed_days_closed": 100, "released_per_bed_day_gbp": bed_day_gbp,
        "displaced_share": 0.5, "out_of_area_per_bed_day_gbp": 800,
    }  # fmt: skip
    found = rebase(scenario(baseline=rows, check=[check], running_gbp=running_gbp), price_base)
    item = found.interventions[0]
    to = item.to
    return {
        "baseline": found.baseline,
        "programme": [item.set_up_gbp, item.running_gbp, to.unit_cost_gbp if to else None],
        "checks": scenarios.run_checks(found),
    }


def ready(kind: str, **arguments: Any) -> Any:
    """Run one ready calculation of a file."""
    return scenarios.run_checks(parse_scenario(READY | {"check": [{"kind": kind, **arguments}]}, "ready.toml"))


READY = {"name": "ready", "title": "Ready", "narrative": "-", "source": "Made up", "price_base": "2024-25"}
READY_CALCULATIONS: list[dict[str, Any]] = [
    {
        "kind": "displacement", "bed_days_closed": 100.0, "released_per_bed_day_gbp": 300.0,
        "displaced_share": 0.6, "out_of_area_per_bed_day_gbp": 750.0,
    },
    {
        "kind": "merger_ceiling", "turnover_gbp": 4e8, "back_office_pct": 11.0, "saving_pct": 20.0,
        "exit_cost_gbp": 1e6, "double_running_gbp": 2e6,
    },
    {
        "kind": "utilisation", "capacity": 1000.0, "fixed_gbp": 500.0, "variable_unit_gbp": 0.6,
        "utilisation_pct": [50.0, 80.0],
    },
    {
        "kind": "withdrawal", "income_gbp": 400.0, "variable_gbp": 180.0, "semi_fixed_gbp": 140.0,
        "fixed_gbp": 130.0, "fixed_avoidable_gbp": 20.0,
    },
    {
        "kind": "shared_service", "members": 8, "cost_each_gbp": 6e5, "scale_elasticity": -0.15,
        "exit_cost_each_gbp": 1e5, "double_running_months": 6.0,
    },
    {
        "kind": "freed_time", "contacts": 6000.0, "cancelled_share": 0.75, "minutes_each": 15.0,
        "replacement_minutes": 3.0,
    },
    {
        "kind": "growth_case", "activity": 1000.0, "fixed_gbp": 500.0, "variable_unit_gbp": 8.0,
        "growth_pct": 5.0, "organisations": 10,
    },
    {"kind": "realised", "planned_low_gbp": 250.0, "planned_high_gbp": 500.0, "delivered_gbp": 200.0},
]  # fmt: skip

TERMS = {
    "share": 0.5, "minimum_rate": 0.02, "cap_rate": 0.1, "loss_share": 0.4, "loss_cap_rate": 0.05, "quality_gate": 0.3
}  # fmt: skip
LEDGER = {
    ("ledger", "a row missing"): OWN_CELLS,
    ("ledger", "icb_code mislabelled"): OWN_LABEL,
    ("ledger", "provider_code mislabelled"): OWN_LABEL,
}
LESS = {("ledger", "a row missing"): OWN_CELLS}
FLOW = {"cash_flows": [-100.0, 30.0, 40.0, 50.0], "schedule": "green_book"}
BOTH = {"benefits": [0.0, 60.0, 70.0, 80.0], "costs": [100.0, 5.0, 6.0, 7.0], "schedule": "green_book"}

CASES: dict[str, Case | list[Case]] = {
    "acceptable_share": Case(
        scenarios.acceptable_share,
        lambda: {
            "commissioner_gbp": 1.0,
            "provider_gbp": -0.5,
            "commissioner_minimum_gbp": 0.1,
            "provider_minimum_gbp": 0.05,
        },
    ),
    "activity_near": Case(
        activity_near,
        lambda: {"activity": activity(), "icb": "QA", "year": "2024-25"},
        legitimate={
            ("activity", "a row missing"): "it picks rows: what is not there is not picked",
            ("activity", "a row twice"): "it picks rows; repeated rows are an error of the quality report",
            ("activity", "provider_code missing"): "no provider; the quality report counts such rows",
            ("activity", "provider_code mislabelled"): OWN_LABEL,
        },
    ),
    "appraise": Case(
        appraisal.appraise,
        lambda: BOTH | {"realisation": [0.5, 0.8, 0.9, 1.0]},
    ),
    "break_even": Case(scenarios.break_even, lambda: {"value_at": lambda n: 3.0 * n - 90.0, "low": 0.0, "high": 100.0}),
    "compare": Case(
        lambda ledger, **bases: system.compare(
            *(scenarios.system_impact(scenario(price_base=base), ledger) for base in bases.values())
        ),
        lambda: {"ledger": cells(), "first": "2024-25", "second": "2024-25"},
        legitimate=LESS,
    ),
    "control_totals": Case(
        lambda positions, financial_year: system.control_totals(positions, impact(), financial_year),
        lambda: {"positions": positions(), "financial_year": "2026-27"},
    ),
    "discount_factors": [
        Case(scenarios.discount_factors, lambda: {"years": 40, "schedule": "green_book_health"}),
        Case(
            lambda years, first, then: scenarios.discount_factors(years, [(10, first), (50, then)]),
            lambda: {"years": 40, "first": 3.5, "then": 3.0},
        ),
    ],
    "flexible_budget": Case(
        scenarios.flexible_budget,
        lambda: {
            "activity": [100.0, 120.0, 150.0],
            "base_activity": 100.0,
            "fixed_gbp": 600.0,
            "semi_fixed_gbp": 200.0,
            "variable_gbp": 250.0,
            "step": 50.0,
        },
        legitimate={
            ("activity", "a value fewer"): ONE_LEVEL,
            ("activity", "a lone value for a list"): ONE_LEVEL,
        },
    ),
    "gain_share": Case(
        lambda benchmark_gbp, actual_gbp, quality, **terms: scenarios.gain_share(
            benchmark_gbp, actual_gbp, scenarios.GainShareTerms(**terms), quality=quality
        ),
        lambda: (
            {
                "benchmark_gbp": [100.0, 101.0, 102.0],
                "actual_gbp": [95.0, 91.0, 108.0],
                "quality": [0.8, 0.9, 1.0],
                "basis": "over_threshold",
            }
            | TERMS
        ),
        legitimate={
            (name, "a lone value for a list"): "one value holds for every year, as documented"
            for name in ("benchmark_gbp", "actual_gbp", "quality")
        },
    ),
    "list_scenarios": Case(scenarios.list_scenarios, dict),
    "load_scenario": Case(
        lambda name: scenarios.load_scenario(name).baseline, lambda: {"name": "many_small_improvements"}
    ),
    "localise": Case(
        localise,
        lambda: {
            "ledger": ledger_rows(),
            "icb": "QA",
            "year": "2024-25",
            "price_base": "2023-24",
            "first_year": "2026-27",
        },
        legitimate={
            ("ledger", "a row missing"): "rows are contacts: fewer contacts cost less",
            ("ledger", "a row twice"): "contacts cost what the ledger holds; repeats are in the quality report",
            ("ledger", "patient_id infinite"): "an identifier of its own is a person of its own",
            ("ledger", "patient_id as text"): "one identifier is one person",
            ("ledger", "icb_code missing"): "a contact of no ICB: the quality report counts it",
            ("ledger", "icb_code mislabelled"): "another ICB's contact",
            ("ledger", "provider_code missing"): "it is shown under the provider 'unknown'",
            ("ledger", "provider_code mislabelled"): OWN_LABEL,
            ("ledger", "pod mislabelled"): "a contact of another kind is not selected",
            ("ledger", "financial_year missing"): "a stay that has not ended belongs to no year yet",
            ("ledger", "financial_year mislabelled"): "a contact of another year",
        },
    ),
    "net_present_value": [
        Case(
            scenarios.net_present_value, lambda: dict(FLOW), legitimate={("cash_flows", "a value fewer"): FEWER_YEARS}
        ),
        Case(scenarios.net_present_value, lambda: FLOW | {"years": [2026, 2027, 2030, 2031]}),
    ],
    "optimism_bias": [
        Case(
            scenarios.optimism_bias,
            lambda: {"cost_gbp": 100.0, "upper_bound": 24.0, "mitigation": {"design": (30, 0.5), "survey": (20, 1.0)}},
        ),
        Case(scenarios.optimism_bias, lambda: {"cost_gbp": 100.0, "upper_bound": "standard_buildings"}),
        Case(
            lambda contribution, mitigated: scenarios.optimism_bias(1.0, 24.0, {"design": (contribution, mitigated)}),
            lambda: {"contribution": 30.0, "mitigated": 0.5},
        ),
    ],
    "outpatient_checks": Case(
        lambda ledger, year: scenarios.outpatient_checks(
            scenario(),
            scenarios.system_impact(scenario(), ledger, year=year),
            ledger,
            year=year,
        ),
        lambda: {"ledger": cells().assign(financial_year="2024-25"), "year": "2024-25"},
        legitimate=LESS,
    ),
    "payback": [
        Case(scenarios.payback, lambda: dict(FLOW)),
        Case(scenarios.payback, lambda: {"cash_flows": FLOW["cash_flows"]}),
    ],
    "payment_at_risk": Case(
        sharing.payment_at_risk, lambda: {"contract_gbp": 1e6, "at_risk_pct": 1.0, "achieved": 0.6}
    ),
    "realise": [
        Case(
            appraisal.realise,
            lambda: {"planned_gbp": [250.0, -50.0, 10.0], "factor": 0.8},
            legitimate={("planned_gbp", "a value fewer"): FEWER_YEARS},
        ),
        Case(
            appraisal.realise,
            lambda: {"planned_gbp": [250.0, -50.0, 10.0], "factor": [0.5, 0.8, 0.9]},
            legitimate={("factor", "a lone value for a list"): "one factor holds for every year, as documented"},
        ),
    ],
    "rebase": Case(
        rebased, lambda: {"price_base": "2025-26", "cost_gbp": 1e6, "running_gbp": 5e4, "bed_day_gbp": 300.0}
    ),
    "return_on_investment": Case(scenarios.return_on_investment, lambda: dict(BOTH)),
    "run_checks": [
        Case(
            ready,
            lambda values=values: dict(values),
            legitimate={("utilisation_pct", "a value fewer"): ONE_LEVEL} if "utilisation_pct" in values else {},
        )
        for values in READY_CALCULATIONS
    ],
    "scheme_register": Case(
        lambda claims, ledger: scenarios.scheme_register(claims, impact(ledger)),
        lambda: {"claims": claims(), "ledger": cells()},
        legitimate=LESS
        | {("ledger", "provider_code mislabelled"): OWN_LABEL}
        | {("claims", "a row missing"): "rows are claims: a claim fewer is claimed less"},
    ),
    "side_by_side": Case(
        side_by_side,
        lambda: {"ledger": own_cells(), "effect": 0.3, "names": {"R1": "First trust"}},
        legitimate=LESS,
    ),
    "stack": Case(
        lambda ledger, effect: numbers_of(
            scenarios.system_impact(portfolio.stack([own(ledger), own(ledger, effect=effect)]))
        ),
        lambda: {"ledger": own_cells(), "effect": 0.3},
        legitimate=LESS,
    ),
    "sensitivity": Case(
        lambda ledger, **options: scenarios.sensitivity(scenario(), ledger, **options),
        lambda: {
            "ledger": cells().assign(financial_year="2024-25"),
            "year": "2024-25",
            "schedule": "green_book",
        },
        legitimate=LESS,
    ),
    "settlement": Case(
        scenarios.settlement,
        lambda: {
            "positions_gbp": {"ICB": 1.0, "Trust": -0.5, "Community": -0.2},
            "minimum_gbp": {"ICB": 0.1, "Community": 0.05},
        },
    ),
    "simulate": Case(
        lambda ledger, **options: scenarios.simulate(scenario(), ledger, **options),
        lambda: {
            "ledger": cells(),
            "draws": 100,
            "rng": 3,
            "payment": "activity",
            "years": [2025, 2026, 2027, 2028],
            "schedule": "green_book",
        },
        legitimate=LEDGER | {("years", "a value fewer"): "fewer years are appraised"},
    ),
    "stranded_cost": [
        Case(scenarios.stranded_cost, lambda: {"avoided_gbp": 100.0, "released_gbp": 40.0, "years": 5, "over": 4}),
        Case(
            scenarios.stranded_cost,
            lambda: {"avoided_gbp": 100.0, "released_gbp": 40.0, "years": 5, "exit_after": 2},
        ),
    ],
    "system_impact": [
        Case(
            system_impact_of_file,
            lambda: {"ledger": cells(), "payer": "QA", "effect": {"low": 0.1, "high": 0.3}} | FILE_NUMBERS,
            legitimate=LEDGER,
        ),
        Case(
            system_impact_by_arguments,
            lambda: {
                "ledger": cells(),
                "years": [2025, 2026, 2027, 2028],
                "payment": "block",
                "host": "Alliance",
                "shares": {"elective": 0.3, "outpatient_first": 0.9},
                "to_cost": 0.9,
                "step": 5.0,
                "capacity": {"elective": 90.0},
            },
            legitimate=LEDGER
            | {
                ("years", "a value fewer"): "fewer years are worked out",
                ("host", "an unknown name"): "an alliance that is in no scheme may hold the budget",
            },
        ),
    ],
    "Local": Case(
        system_steps,
        lambda: {
            "ledger": own_cells(),
            "names": {"R1": "R1 Trust", "R2": "R2 Trust"},
            "claims": claims(),
            "draws": 100,
            "seed": 7,
            "most": 2,
            "fewest": 8,
        },
        legitimate={k: v for k, v in LEDGER.items() if "mislabelled" not in k[1]}
        | {
            ("names", "text in place of a number"): "any text is a name",
            ("claims", "a row missing"): "rows are claims: a claim fewer is claimed less",
        },
    ),
    "transition_payment": Case(
        lambda ledger: scenarios.transition_payment(impact(ledger)), lambda: {"ledger": cells()}, legitimate=LEDGER
    ),
    "usual_claims": Case(
        lambda ledger, commissioner: scenarios.usual_claims(impact(ledger), commissioner),
        lambda: {"ledger": cells(), "commissioner": "QA"},
        legitimate=LEDGER,
    ),
}
