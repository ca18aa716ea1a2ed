"""Cost a patient's whole NHS pathway, compare it fairly, and see who saves and who bears.

`import pathcost_lib as pc` gives an analyst the names below, in the order of the work: open and check the data, put a
cost on every row, link rows to pathways, compare like with like, judge variation, look ahead, ask what the pounds buy,
and make a table fit to leave. Each room (`pathcost_lib.benchmark`, `pathcost_lib.scenarios` ...) has more.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# What editors and mypy read, from the very files: `pathways.link` is a module to mypy, and a function to Python.
if TYPE_CHECKING:
    from pathcost_lib.benchmark.cost_index import cost_index as cost_index
    from pathcost_lib.benchmark.drivers import price_volume_mix as price_volume_mix
    from pathcost_lib.benchmark.expected import expected_cost as expected_cost
    from pathcost_lib.benchmark.opportunity import opportunity as opportunity
    from pathcost_lib.benchmark.ranking import rank as rank
    from pathcost_lib.benchmark.standardise import directly_standardised_rate as directly_standardised_rate
    from pathcost_lib.comparators.alike import similar_peers as similar_peers
    from pathcost_lib.ledger.pricing import cost_activity as cost_activity
    from pathcost_lib.ledger.reconcile import reconcile as reconcile
    from pathcost_lib.pathways.definition import load_definition as load_definition
    from pathcost_lib.pathways.link import link as link
    from pathcost_lib.pathways.summary import summarise as summarise
    from pathcost_lib.present.disclosure import disclose as disclose
    from pathcost_lib.scenarios.change.simulation import simulate as simulate
    from pathcost_lib.scenarios.change.system import system_impact as system_impact
    from pathcost_lib.scenarios.demand.forecasting import forecast as forecast
    from pathcost_lib.scenarios.demand.projection import project as project
    from pathcost_lib.scenarios.scenario import load_scenario as load_scenario
    from pathcost_lib.sources.check import check as check
    from pathcost_lib.sources.dataset import open_dataset as open_dataset
    from pathcost_lib.value.ratio import cost_per_outcome as cost_per_outcome
    from pathcost_lib.variation.funnel import funnel as funnel
    from pathcost_lib.variation.multilevel import variance_components as variance_components
    from pathcost_lib.variation.spc import xmr as xmr

__version__ = "0.1.0"

#: Each name to the room that it comes from, in the order of the work.
ROOM_OF = {
    "open_dataset": "sources",
    "check": "sources",
    "cost_activity": "ledger",
    "reconcile": "ledger",
    "load_definition": "pathways",
    "link": "pathways",
    "summarise": "pathways",
    "directly_standardised_rate": "benchmark",
    "cost_index": "benchmark",
    "price_volume_mix": "benchmark",
    "expected_cost": "benchmark",
    "similar_peers": "benchmark",
    "rank": "benchmark",
    "opportunity": "benchmark",
    "funnel": "variation",
    "variance_components": "variation",
    "xmr": "variation",
    "project": "scenarios",
    "forecast": "scenarios",
    "load_scenario": "scenarios",
    "system_impact": "scenarios",
    "simulate": "scenarios",
    "cost_per_outcome": "value",
    "disclose": "present",
}

__all__ = [*ROOM_OF]


if not TYPE_CHECKING:  # else mypy would take every name

    def __getattr__(name: str) -> Any:
        """Import the room of a name when the name is first asked for: until then the package costs nothing."""
        if name not in ROOM_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{ROOM_OF[name]}"), name)
        return value


def __dir__() -> list[str]:
    """Return what an editor offers after `pc.`: the names in the order of the work."""
    return [*__all__, "__version__"]
