"""The tables of one pathway's cost as they may be shown together: in notebook 02, and in the file that areas share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pathcost_lib.benchmark.exchanged import BREAKDOWNS
from pathcost_lib.present.disclosure import Disclosed, disclose_together

__all__ = ["disclose_pathway"]


def disclose_pathway(
    tables: Mapping[str, pd.DataFrame], *, icb: str, year: str, pathway: str, **beside: Any
) -> dict[str, Disclosed]:
    """Return an area's tables of one pathway, settled together: what one hides, no other tells.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        "whole", "phase", "setting", "grid" and "basis": pathways, seen_pathways, contacts and, but for the basis of the
        costs, mean_gbp.
    icb, year : str
        ODS code; financial year in which the windows close.
    pathway : str
        Title of the pathway.
    **beside
        What `disclose_together` is told besides: everywhere, apart, exempt, kinds.
    """
    return disclose_together(
        {name: tables[name] for name in (*BREAKDOWNS, "basis")},
        counts=["pathways", "seen_pathways", "contacts"],
        by={**BREAKDOWNS, "basis": ["setting", "cost_basis"]},
        adds_up="mean_gbp",
        focus=("icb_code", icb),
        of={"what": "closed pathways", "year": year, "pathway": pathway, "icb_code": icb},
        **beside,
    )
