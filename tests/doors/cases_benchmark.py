"""A working call of each public function of `benchmark`."""

from __future__ import annotations

import pandas as pd

from doors.harness import Case
from pathcost_lib import benchmark

AREAS = pd.DataFrame(
    {"icb_code": ["QA", "QB", "QC", "QD"], "events": [12, 30, 25, 41], "persons": [400, 900, 700, 1000]}
)

CASES: dict[str, Case | list[Case]] = {
    "proportion": Case(
        benchmark.proportion,
        lambda: {"df": AREAS.copy(), "by": "icb_code", "events": "events", "population": "persons", "confidence": 0.95},
        legitimate={
            ("df", "icb_code mislabelled"): "a label of its own is an area of its own",
            ("df", "a row missing"): "rows are areas: fewer areas are fewer rows",
        },
    ),
}
