"""A scenario file: interventions, growth assumptions, settings and ready calculations, checked and identified.

The identity is a hash of what the file says (not of how it is laid out), and goes on every output.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from pathcost_lib import paths
from pathcost_lib.codes import PODS, SETTINGS
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.scenarios.change.interventions import Intervention, parse_interventions
from pathcost_lib.scenarios.change.model import PAYMENT_RULES, PaymentRule
from pathcost_lib.scenarios.change.release import Release
from pathcost_lib.scenarios.demand.projection import Growth
from pathcost_lib.scenarios.draws import Correlation, Distribution, parse_distribution
from pathcost_lib.scenarios.schema import Field, Where, check_table, start_year
from pathcost_lib.sources.toml_files import read_toml

__all__ = ["PROGRAMME", "SCOPES", "Demand", "Scenario", "list_scenarios", "load_scenario", "moved", "rebase"]

#: What a scenario is worked out on: the baseline in its own file, or an ICB's ledger.
SCOPES = ("baseline", "icb")

#: The pounds of an intervention itself, before optimism bias.
PROGRAMME = ("set_up_gbp", "running_gbp", "double_running_gbp", "exit_cost_gbp")


@dataclass(frozen=True)
class Demand:
    """The growth part of a scenario: years, population variants by weight, growth, and what funding is assumed."""

    base_year: int
    horizon: int
    variants: Mapping[str, float]
    growth: Growth
    allocation_growth_pct: float
    efficiency_pct: float


@dataclass(frozen=True, eq=False)
class Scenario:
    """A scenario as read from its file; money in GBP at `price_base`, years by their first calendar year.

    `scope` (of `SCOPES`) says what it is worked out on unless something else is asked for; `names` what organisations
    are called; `dated` whether the file states its first year.
    """

    name: str
    title: str
    narrative: str
    source: str
    price_base: str
    years: tuple[int, ...]
    interventions: tuple[Intervention, ...]
    baseline: pd.DataFrame | None
    payment: PaymentRule
    release: Release
    realisation: float
    optimism_bias_pct: float
    correlations: tuple[Correlation, ...]
    checks: tuple[Mapping[str, Any], ...]
    demand: Demand | None = None
    identity: str = ""
    scope: str = "icb"
    names: Mapping[str, str] = field(default_factory=dict)
    dated: bool = False

    def __str__(self) -> str:
        return f"{self.title} [{self.name} {self.identity}]\n{self.narrative}\nSource: {self.source}"


_SCENARIO = {
    "name": Field(required=True),
    "title": Field(required=True),
    "narrative": Field(required=True),
    "source": Field(required=True),
    "price_base": Field("year", required=True),
    "scope": Field(allowed=SCOPES),
    "names": Field("table", default={}),
    "first_year": Field("year"),
    "years": Field("integer", default=10, low=1, high=60),
    "realisation": Field("number", default=1.0, low=0, high=1),
    "optimism_bias_pct": Field("number", default=0.0, low=0),
    "intervention": Field("list", default=[]),
    "baseline": Field("list", default=[]),
    "payment": Field("table", default={}),
    "release": Field("table", default={}),
    "correlation": Field("list", default=[]),
    "check": Field("list", default=[]),
    "demand": Field("table", default={}),
}

_BASELINE = {
    "icb_code": Field(required=True),
    "provider_code": Field(required=True),
    "setting": Field(required=True, allowed=SETTINGS),
    "pod": Field(required=True, allowed=PODS),
    "currency_code": Field(),
    "activity": Field("number", required=True, low=0),
    "cost_gbp": Field("number", required=True, low=0),
    "fixed_share": Field("number", required=True, low=0, high=1),
    "semi_fixed_share": Field("number", required=True, low=0, high=1),
    "payment_gbp": Field("number", low=0),
    "source": Field(required=True),
}

_PAYMENT = {
    "rule": Field(default="activity", allowed=PAYMENT_RULES),
    "host": Field(),
    "payment_to_cost": Field("number", default=1.0, low=0),
    "variable_share": Field("table", default={}),
}

_RELEASE = {
    "semi_fixed_step_pct": Field("number", default=5.0, low=0.01, high=100),
    "capacity": Field("table", default={}),
}

_DEMAND = {
    "base_year": Field("integer", required=True, low=1990, high=2100),
    "horizon": Field("integer", required=True, low=1990, high=2100),
    "variants": Field("table", default={"principal": 1.0}),
    "non_demographic_pct": Field("table", default={}),
    "health_status_years": Field("any", default=0.0),
    "health_status_from_age": Field("integer", default=55, low=0),
    "waiting_list_pct": Field("table", default={}),
    "waiting_list_years": Field("integer", default=3, low=1),
    "level_up_share": Field("any", default=0.0),
    "level_up_years": Field("integer", default=10, low=1),
    "price_pct": Field("any", default=0.0),
    "allocation_growth_pct": Field("number", default=0.0),
    "efficiency_pct": Field("number", default=0.0, low=0, high=100),
}

_CORRELATION = {"of": Field("list", required=True), "rho": Field("number", required=True, low=-1, high=1)}


def list_scenarios() -> list[str]:
    """Return the names of the scenarios that come with the project."""
    return sorted(path.stem for path in paths.scenarios().glob("*.toml"))


def load_scenario(name: str | Path) -> Scenario:
    """Read and check a scenario.

    Parameters
    ----------
    name : str or Path
        The name of a scenario that comes with the project, or a path to a TOML file.

    Raises
    ------
    InputError
        If there is no such file or something in it is not allowed; the message names file, key and allowed values.

    Examples
    --------
    What a file says: a tenth less is bought of a contract of £10m, half of whose cost is fixed.

    >>> import pathcost_lib as pc
    >>> cut = pc.load_scenario("payment_cut")
    >>> cut.title
    'A payment cut of £1.0m when half of the cost stays'
    >>> [(part.title, part.change) for part in cut.interventions]
    [('Buy a tenth less of one contract', 'avoid')]
    >>> cut.baseline[["pod", "activity", "cost_gbp", "fixed_gbp"]]
                pod  activity    cost_gbp  fixed_gbp
    0  non_elective      4000  10000000.0  5000000.0
    """
    path = Path(name)
    if path.suffix != ".toml":
        path = paths.scenarios() / f"{require_one_of(str(name), list_scenarios(), what='Scenario')}.toml"
    return parse_scenario(read_toml(path, "scenario"), path.name)


def parse_scenario(content: Mapping[str, Any], file: str) -> Scenario:
    """Check and read the content of a scenario file."""
    where = Where(file)
    values = check_table(content, _SCENARIO, where)
    interventions = parse_interventions(values["intervention"], file)
    if not interventions:
        for key in ("realisation", "optimism_bias_pct", "payment", "release", "correlation", "scope"):
            if key in content:
                raise where.fail(key, "changes nothing: the file has no [[intervention]] that it could act on.")
    if values["first_year"]:
        first = start_year(values["first_year"])
    elif interventions:
        first = min(i.start for i in interventions)
    else:
        first = start_year(values["price_base"])
    identity = hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:12]
    correlations = []
    for table in values["correlation"]:
        place = where.inside("[[correlation]]")
        checked = check_table(table, _CORRELATION, place)
        for name in checked["of"]:
            require_one_of(name, [i.name for i in interventions], what=f"{place.key('of')}:")
        correlations.append(Correlation(tuple(checked["of"]), float(checked["rho"])))
    own, payment = _baseline(values["baseline"], where), _payment(values["payment"], where)
    names = check_table(values["names"], {code: Field() for code in values["names"]}, where.inside("[names]"))
    if own is not None:
        _require_payers(interventions, own, {*names, *([payment.host] if payment.host else [])}, where)
    elif values["scope"] == "baseline":
        raise where.fail("scope", 'is "baseline", but the file has no [[baseline]].')
    return Scenario(
        name=values["name"],
        title=values["title"],
        narrative=values["narrative"],
        source=values["source"],
        price_base=values["price_base"],
        realisation=float(values["realisation"]),
        optimism_bias_pct=float(values["optimism_bias_pct"]),
        years=tuple(range(first, first + values["years"])),
        interventions=interventions,
        baseline=own,
        payment=payment,
        release=_release(values["release"], where),
        correlations=tuple(correlations),
        checks=tuple(values["check"]),
        demand=_demand(values["demand"], where, f"{values['name']} {identity}") if values["demand"] else None,
        identity=identity,
        scope=values["scope"] or ("icb" if own is None else "baseline"),
        names=names,
        dated=values["first_year"] is not None,
    )


def _require_payers(interventions: tuple[Intervention, ...], own: pd.DataFrame, others: set[str], where: Where) -> None:
    """Refuse a payer that takes no part: mistyped, it would be a new organisation that bears the cost."""
    known = {"commissioner", "provider", *own["icb_code"], *own["provider_code"], *others}
    known |= {i.to.provider_code for i in interventions if i.to and i.to.provider_code}
    for item in interventions:
        place = where.inside(f"[[intervention]] {item.name}").key("payer")
        require_one_of(item.payer, known, what=f"{place} (declare another organisation under [names]):")


def rebase(scenario: Scenario, price_base: str) -> Scenario:
    """Return a scenario in pounds of another year, by the GDP deflator of `data/reference/price_index.csv`.

    Programme costs, unit costs and prices at the destination, the file's baseline and the pounds of its ready
    calculations (arguments that end in _gbp) are multiplied by one factor; shares and activity stay.

    Raises
    ------
    InputError
        If the index has no value for either year.
    """
    if price_base == scenario.price_base:
        return scenario
    index = pd.read_csv(paths.reference() / "price_index.csv").set_index("financial_year")["gdp_deflator"].dropna()
    for year in (scenario.price_base, price_base):
        require_one_of(year, index.index, what="Price base")
    factor = float(index[price_base] / index[scenario.price_base])
    items = []
    for item in scenario.interventions:
        pounds = {key: getattr(item, key) * factor for key in PROGRAMME}
        to = item.to and replace(
            item.to, unit_cost_gbp=item.to.unit_cost_gbp * factor, price_gbp=item.to.price_gbp * factor
        )
        items.append(replace(item, to=to, **pounds))
    own = scenario.baseline
    if own is not None:
        own = own.assign(**{c: own[c] * factor for c in own.columns if c.endswith("_gbp")})
    checks = tuple(
        {k: v * factor if k.endswith("_gbp") and isinstance(v, int | float) else v for k, v in table.items()}
        for table in scenario.checks
    )
    return replace(scenario, interventions=tuple(items), baseline=own, checks=checks, price_base=price_base)


def moved(scenario: Scenario, years: int) -> Scenario:
    """Return a scenario that many years later: its years and every start, end and exit."""
    if not years:
        return scenario
    items = [
        replace(
            item,
            start=item.start + years,
            end=None if item.end is None else item.end + years,
            exit_year=None if item.exit_year is None else item.exit_year + years,
        )
        for item in scenario.interventions
    ]
    return replace(scenario, interventions=tuple(items), years=tuple(y + years for y in scenario.years))


def _baseline(tables: list[Any], where: Where) -> pd.DataFrame | None:
    if not tables:
        return None
    rows = []
    for number, table in enumerate(tables, start=1):
        place = where.inside(f"[[baseline]] {number}")
        row = check_table(table, _BASELINE, place)
        if row["fixed_share"] + row["semi_fixed_share"] > 1 + 1e-9:
            raise place.fail("fixed_share", "with semi_fixed_share is above 1; the rest is variable.")
        cost, fixed, semi_fixed = (row.pop(k) for k in ("cost_gbp", "fixed_share", "semi_fixed_share"))
        row |= {"cost_gbp": float(cost), "fixed_gbp": cost * fixed, "semi_fixed_gbp": cost * semi_fixed}
        rows.append(row | {"variable_gbp": max(cost - cost * fixed - cost * semi_fixed, 0.0)})
    frame = pd.DataFrame(rows)
    if frame["payment_gbp"].isna().all():
        frame = frame.drop(columns="payment_gbp")
    elif frame["payment_gbp"].isna().any():
        raise where.fail("[[baseline]] payment_gbp", "must be given for every row or for none.")
    return frame.fillna({"currency_code": "*"})


def _demand(table: Mapping[str, Any], where: Where, scenario: str) -> Demand:
    place = where.inside("[demand]")
    values = check_table(table, _DEMAND, place)
    if values["horizon"] < values["base_year"]:
        raise place.fail("horizon", f"{values['horizon']} is before the base year, {values['base_year']}.")
    weights = check_table(values["variants"], {v: Field("number", low=0) for v in values["variants"]}, place)

    def read(key: str) -> Distribution:
        return parse_distribution(values[key], where=place.key(key))

    def by_pod(key: str) -> dict[str, Distribution | float]:
        return {pod: parse_distribution(v, where=place.key(f"{key}.{pod}")) for pod, v in values[key].items()}

    growth = Growth(
        non_demographic_pct=by_pod("non_demographic_pct"),
        health_status_years=read("health_status_years"),
        health_status_from_age=values["health_status_from_age"],
        waiting_list_pct=by_pod("waiting_list_pct"),
        waiting_list_years=values["waiting_list_years"],
        level_up_share=read("level_up_share"),
        level_up_years=values["level_up_years"],
        price_pct=read("price_pct"),
        scenario=scenario,
    )
    funding = (float(values["allocation_growth_pct"]), float(values["efficiency_pct"]))
    return Demand(values["base_year"], values["horizon"], weights, growth, *funding)


def _by_pod(table: Mapping[str, Any], place: Where, high: float | None) -> dict[str, float]:
    values = check_table(table, {pod: Field("number", low=0, high=high) for pod in PODS}, place)
    return {pod: float(value) for pod, value in values.items() if value is not None}


def _payment(table: Mapping[str, Any], where: Where) -> PaymentRule:
    place = where.inside("[payment]")
    values = check_table(table, _PAYMENT, place)
    shares = _by_pod(values["variable_share"], place.inside("[variable_share]"), 1)
    try:
        return PaymentRule(values["rule"], shares, values["host"], float(values["payment_to_cost"]))
    except InputError as error:
        raise place.fail("host", str(error)) from None


def _release(table: Mapping[str, Any], where: Where) -> Release:
    place = where.inside("[release]")
    values = check_table(table, _RELEASE, place)
    capacity = _by_pod(values["capacity"], place.inside("[capacity]"), None)
    return Release(float(values["semi_fixed_step_pct"]), capacity)
