"""Many comparisons at once: p-values adjusted, and what stands out over indicators and organisations, in pounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from statsmodels.stats.multitest import multipletests

from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.results import Result

if TYPE_CHECKING:
    from pathcost_lib.variation.funnel import FunnelResult

__all__ = ["ScreenResult", "adjust_pvalues", "screen"]

METHODS = {
    "bh": "fdr_bh",
    "by": "fdr_by",
    "bonferroni": "bonferroni",
    "holm": "holm",
    "hochberg": "simes-hochberg",
    "hommel": "hommel",
    "sidak": "sidak",
}


def adjust_pvalues(p: ArrayLike, method: str = "bh") -> NDArray[np.float64]:
    """Adjust p-values for how many there are.

    Parameters
    ----------
    p : array-like
        p-values; missing ones stay missing and are not counted.
    method : {"bh", "by", "bonferroni", "holm", "hochberg", "hommel", "sidak"}
        "bh" (Benjamini and Hochberg 1995) and "by" (Benjamini and Yekutieli 2001, any dependence) control the share of
        false alarms among what is flagged; the others the chance of any false alarm.

    Raises
    ------
    InputError
        If a p-value is not between 0 and 1, or the method is not known.
    """
    name = METHODS[require_one_of(method, METHODS, what="method")]
    values = np.asarray(p, dtype=float)
    known = ~np.isnan(values)
    if ((values[known] < 0) | (values[known] > 1)).any():
        raise InputError("p-values must lie between 0 and 1.")
    adjusted = np.full(values.shape, np.nan)
    if known.any():
        adjusted[known] = multipletests(values[known], method=name)[1]
    return adjusted


@dataclass(frozen=True, eq=False)
class ScreenResult(Result):
    """What stands out over all indicators and units: the surest first.

    `table` has indicator, unit, value, target, difference, denominator, z_adjusted, p_value, q_value, stands_out,
    excess (in the numerator's units), excess_gbp, in_words.
    """

    false_discovery: float
    method: str

    @property
    def summary(self) -> str:
        """How many cells were looked at, and how many stand out."""
        found = int(self.table["stands_out"].sum())
        return (
            f"{len(self.table):,} comparisons of {self.table['unit'].nunique():,} units on "
            f"{self.table['indicator'].nunique():,} indicators; {found} stand out, of which at most about "
            f"{self.false_discovery:.0%} are expected to be false alarms."
        )


def screen(
    funnels: Mapping[str, FunnelResult],
    *,
    gbp_per: Mapping[str, float] | None = None,
    method: str = "bh",
    false_discovery: float = 0.05,
) -> ScreenResult:
    """Screen all indicators and units together, with false discovery controlled over every comparison.

    Parameters
    ----------
    funnels : mapping of str to FunnelResult
        By indicator (or by family, where a funnel holds several indicators).
    gbp_per : mapping of str to float, optional
        Pounds for each unit of the numerator (a case, a contact). A funnel of mean cost needs none: its excess is in
        pounds.
    method : str
        See `adjust_pvalues`.
    false_discovery : float
        q-value at or below which a comparison stands out.
    """
    if not funnels:
        raise InputError("Screening: no funnels were given.")
    pieces = []
    for family, result in funnels.items():
        piece = result.table[result.table["flag"] != "not computable"].copy()
        piece["fit"] = piece["indicator"].astype(str) if "indicator" in piece else ""
        piece["indicator"] = np.where(piece["fit"] == "", family, piece["fit"])
        piece["target"] = piece["fit"].map({name: fit.target for name, fit in result.fits.items()})
        kinds = {name: fit.options.kind for name, fit in result.fits.items()}
        price = pd.Series({"mean": 1.0}).reindex(piece["fit"].map(kinds)).to_numpy()
        if gbp_per:
            price = piece["indicator"].map(gbp_per).to_numpy(dtype=float)
        piece["excess"] = (piece["value"] - piece["target"]) * piece["denominator"]
        piece["excess_gbp"] = piece["excess"] * price
        pieces.append(piece)
    table = pd.concat(pieces, ignore_index=True)
    table["difference"] = table["value"] - table["target"]
    table["q_value"] = adjust_pvalues(table["p_value"], method)
    table["stands_out"] = table["q_value"] <= false_discovery
    table["in_words"] = [
        _words(*row) for row in zip(*(table[c] for c in ("unit", "indicator", "difference", "stands_out")), strict=True)
    ]
    columns = [
        "indicator",
        "unit",
        "value",
        "target",
        "difference",
        "denominator",
        "z_adjusted",
        "p_value",
        "q_value",
        "stands_out",
    ]
    table = table.sort_values(["q_value", "p_value", "indicator", "unit"], kind="stable", ignore_index=True)
    return ScreenResult(table[[*columns, "excess", "excess_gbp", "in_words"]], false_discovery, method)


def _words(unit: object, indicator: object, difference: float, stands_out: bool) -> str:
    if not stands_out:
        return f"{unit} does not stand out on {indicator}."
    side = "higher" if difference > 0 else "lower"
    return (
        f"{unit} is {side} than expected on {indicator} by more than chance and the usual differences explain. This "
        "may be warranted by case mix, coding, or how services are arranged locally: look before you act."
    )
