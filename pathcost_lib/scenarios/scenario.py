"""A scenario file: interventions, growth assumptions, settings and ready calculations, checked and identified.

The identity is a hash of what the file says (not of how it is laid out), and goes on every output.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from pathcost_lib import paths
from pathcost_lib.errors import require_one_of
from pathcost_lib.scenarios.change.interventions import Intervention
from pathcost_lib.scenarios.change.model import PaymentRule
from pathcost_lib.scenarios.change.release import Release
from pathcost_lib.scenarios.demand.projection import Growth
from pathcost_lib.scenarios.draws import Correlation
from pathcost_lib.scenarios.years import start_year
from pathcost_lib.sources.toml_files import read_toml

__all__ = [
    "GAPS",
    "PROGRAMME",
    "SCOPES",
    "Demand",
    "Equity",
    "Scenario",
    "list_scenarios",
    "load_scenario",
    "moved",
    "rebase",
]

#: What a scenario is worked out on: the baseline in its own file, or an ICB's ledger.
SCOPES = ("baseline", "icb")

#: What a gap between cost and funding is stated for.
GAPS = ("Health", "Health and social care")

#: The pounds of an intervention itself, before optimism bias.
PROGRAMME = ("set_up_gbp", "running_gbp", "double_running_gbp", "exit_cost_gbp")


@dataclass(frozen=True)
class Demand:
    """The growth part of a scenario: years, population variants by weight, growth, and what funding is assumed.

    `base_gap_gbp` is what cost exceeds funding by in the base year, by scope (of `GAPS`); none if empty.
    """

    base_year: int
    horizon: int
    variants: Mapping[str, float]
    growth: Growth
    allocation_growth_pct: float
    efficiency_pct: float
    base_gap_gbp: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Equity:
    """What equity weights are made from: median equivalised income of all households, and of each fifth, GBP a year.

    The fifths are of deprivation, the most deprived first; `elasticity` is that of the marginal utility of income.
    """

    median_income_gbp: float
    fifth_income_gbp: tuple[float, ...]
    elasticity: float = 1.3


@dataclass(frozen=True, eq=False)
class Scenario:
    """A scenario as read from its file; money in GBP at `price_base`, years by their first calendar year.

    `scope` (of `SCOPES`) says what it is worked out on unless something else is asked for; `names` what organisations
    are called; `dated` whether the file states its first year; `tracked` what finance tracks (claims, positions,
    deliveries), tables that are empty where the file has none.
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
    tracked: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    equity: Equity | None = None

    @property
    def files(self) -> list[Path]:
        """The files beside its own that it names: what comes out rests on them too."""
        return _lists(self.interventions)

    def __str__(self) -> str:
        return f"{self.title} [{self.name} {self.identity}]\n{self.narrative}\nSource: {self.source}"


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
    0  non_elective    4000.0  10000000.0  5000000.0
    """
    path = Path(name)
    if path.suffix != ".toml":
        path = paths.scenarios() / f"{require_one_of(str(name), list_scenarios(), what='Scenario')}.toml"
    return parse_scenario(read_toml(path, "scenario"), path.name, path)


def parse_scenario(content: Mapping[str, Any], file: str, path: Path | None = None) -> Scenario:
    """Check and read the content of a scenario file; `path`, where it is known, lets errors name the line."""
    from pathcost_lib.scenarios.scenario_file import ScenarioFile
    from pathcost_lib.sources.toml_models import check_content  # here, because pydantic takes its time to import

    values = check_content(ScenarioFile, content, file, path)
    interventions, own = [_list_beside(item, path) for item in values.interventions()], values.own_baseline()
    if values.first_year:
        first = start_year(values.first_year)
    else:
        first = min((i.start for i in interventions), default=start_year(values.price_base))
    lists = _lists(interventions)
    told = dict(content) | {"lists": [_digest(each) for each in lists]} if lists else content
    identity = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:12]
    return Scenario(
        name=values.name,
        title=values.title,
        narrative=values.narrative,
        source=values.source,
        price_base=values.price_base,
        realisation=values.realisation,
        optimism_bias_pct=values.optimism_bias_pct,
        years=tuple(range(first, first + values.years)),
        interventions=tuple(interventions),
        baseline=own,
        payment=values.payment.payment(),
        release=values.release.release(),
        correlations=tuple(table.correlation() for table in values.correlation),
        checks=tuple({"kind": table.kind, **table.arguments()} for table in values.check),
        demand=values.demand.demand(f"{values.name} {identity}") if values.demand else None,
        identity=identity,
        scope=values.scope or ("icb" if own is None else "baseline"),
        names=values.names,
        dated=values.first_year is not None,
        tracked=values.tracked(),
        equity=values.equity.equity() if values.equity else None,
    )


def _list_beside(item: Intervention, path: Path | None) -> Intervention:
    """Return an intervention whose list of people is looked for beside the scenario's file."""
    if "people" not in item.select:
        return item
    file = (path.parent if path else Path()) / item.select["people"][0]
    return replace(item, select=dict(item.select) | {"people": (str(file),)})


def _lists(items: Sequence[Intervention]) -> list[Path]:
    return [Path(item.select["people"][0]) for item in items if "people" in item.select]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def rebase(scenario: Scenario, price_base: str) -> Scenario:
    """Return a scenario in pounds of another year, by the GDP deflator of `data/reference/price_index.csv`.

    Programme costs, unit costs and prices at the destination, what families' time and travel are worth, the file's
    baseline and the pounds of its ready
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
        worth = item.families and replace(
            item.families, hour_gbp=item.families.hour_gbp * factor, travel_gbp=item.families.travel_gbp * factor
        )
        items.append(replace(item, to=to, families=worth, **pounds))
    own = scenario.baseline
    if own is not None:
        own = own.assign(**{c: own[c] * factor for c in own.columns if c.endswith("_gbp")})
    checks = tuple(
        {k: v * factor if k.endswith("_gbp") and isinstance(v, int | float) else v for k, v in table.items()}
        for table in scenario.checks
    )
    tracked = {
        name: table.assign(**{c: table[c] * factor for c in table.columns if c.endswith("_gbp")})
        for name, table in scenario.tracked.items()
    }
    return replace(
        scenario, interventions=tuple(items), baseline=own, checks=checks, tracked=tracked, price_base=price_base
    )


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
