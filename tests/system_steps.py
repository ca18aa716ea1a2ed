"""Take the steps of notebook 06 on any scenario: its own cells, run from what `localise` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import CodeType
from typing import Any

import nbformat
import pandas as pd
from in_process import NOTEBOOKS

from pathcost_lib import scenarios
from pathcost_lib.scenarios.change.localise import Local
from pathcost_lib.scenarios.change.system import SystemImpact

FIRST, LAST, SHOWN = "scenario = local.scenario", "# Nobody is left out", "from pathcost_lib import present"
#: What the notebook shows by name.
MOST = "most=6, fewest=8"


@dataclass(frozen=True)
class Steps:
    """Tables by name before disclosure, the impact that they are made of, and what disclosure is told of them."""

    tables: dict[str, pd.DataFrame]
    impact: SystemImpact | None
    counts: list[str]
    totals: dict[str, list[list[str]]]


@cache
def _cells(until: str) -> list[CodeType]:
    """Return the cells from the first step to one that begins so, with the numbers of `MOST` open."""
    sources = [cell.source for cell in nbformat.read(NOTEBOOKS["06"], as_version=4).cells if cell.cell_type == "code"]
    (first,) = (n for n, source in enumerate(sources) if source.startswith(FIRST))
    (last,) = (n for n, source in enumerate(sources) if source.startswith(until))
    (_,) = (n for n, source in enumerate(sources) if MOST in source)
    steps = [source.replace(MOST, "most=most, fewest=fewest") for source in sources[first : last + 1]]
    return [compile(source, "06_system_savings.ipynb", "exec") for source in steps]


def steps(
    local: Local,
    *,
    names: Mapping[str, str] | None = None,
    claims: pd.DataFrame | None = None,
    draws: int = 100,
    seed: int = 0,
    most: int = 6,
    fewest: int = 8,
    disclosed: bool = False,
) -> Steps:
    """Run the notebook's steps up to its check that nobody is left out, or up to disclosure."""
    scope: dict[str, Any] = {"__name__": "__main__", "scenarios": scenarios, "pd": pd, "local": local, "others": []}
    scope |= {"called": names, "claimed": claims, "draws": draws, "seed": seed, "most": most, "fewest": fewest}
    for code in _cells(SHOWN if disclosed else LAST):
        exec(code, scope)
    impact = scope.get("impact")
    return Steps(scope["results"], impact, scope.get("rest_on", []), scope.get("totals", {}))
