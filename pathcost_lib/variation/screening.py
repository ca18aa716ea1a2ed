"""Many comparisons at once: p-values adjusted, which differences may be stated, and what stands out, in pounds.

One rule decides whether an organisation's difference may be stated: `state_differences`. All comparisons of a notebook
(or of a pack) go into it together, and those remain of which at most about one in twenty is expected to be a false
alarm. Screening and the monthly charts use it; so can any other room.

References
----------
Benjamini Y, Hochberg Y. Controlling the false discovery rate. JRSS B 1995; 57: 289-300.
Jones HE, Ohlssen DI, Spiegelhalter DJ. Use of the false discovery rate when comparing multiple health care providers.
Journal of Clinical Epidemiology 2008; 61: 232-240.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests

from pathcost_lib import arguments
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.results import Result

if TYPE_CHECKING:
    from pathcost_lib.variation.funnel import FunnelResult

__all__ = ["FALSE_DISCOVERY", "ScreenResult", "StatedDifferences", "adjust_pvalues", "screen", "state_differences"]

#: Share of false alarms tolerated among the differences that are stated.
FALSE_DISCOVERY = 0.05

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
        p-values; missing ones stay missing and are not counted, for a comparison that could not be made is none.
    method : {"bh", "by", "bonferroni", "holm", "hochberg", "hommel", "sidak"}
        "bh" (Benjamini and Hochberg 1995) and "by" (Benjamini and Yekutieli 2001, any dependence) control the share of
        false alarms among what is flagged; the others the chance of any false alarm.

    Raises
    ------
    InputError
        If a p-value is text or not between 0 and 1, there is one value and no list, or the method is not known.
    """
    name = METHODS[require_one_of(method, METHODS, what="method")]
    if np.ndim(p) == 0:
        raise InputError("p-values must be a list: how many there are is what they are adjusted for.")
    try:
        values = np.asarray(p, dtype=float)
    except (TypeError, ValueError):
        raise InputError("p-values must be numbers; there is text among them.") from None
    known = ~np.isnan(values)
    wrong = (values[known] < 0) | (values[known] > 1)
    if wrong.any():
        raise InputError(f"p-values must lie between 0 and 1: {int(wrong.sum())} of {values.size} do not.")
    adjusted = np.full(values.shape, np.nan)
    if known.any():
        adjusted[known] = multipletests(values[known], method=name)[1]
    return adjusted


@dataclass(frozen=True, eq=False)
class StatedDifferences(Result):
    """Which differences may be stated: `table` has the keys, p_value, q_value, stated (true or false) and reason (why a
    difference may not be stated; empty where it may), in the order of the rows given.
    """  # noqa: D205

    false_discovery: float
    method: str

    @property
    def summary(self) -> str:
        """How many comparisons were made, how many may be stated, and how many could not be made."""
        compared, stated = int(self.table["p_value"].notna().sum()), int(self.table["stated"].sum())
        none = len(self.table) - compared
        lacking = f" {none} could not be made." if none else ""
        return (
            f"{compared:,} comparisons; {stated} may be stated, of which at most about {self.false_discovery:.0%} are "
            f"expected to be false alarms.{lacking}"
        )


def state_differences(
    table: pd.DataFrame,
    *,
    keys: str | list[str],
    p_value: str | None = None,
    difference: str | None = None,
    se: str | None = None,
    degrees: str | None = None,
    method: str = "bh",
    false_discovery: float = FALSE_DISCOVERY,
) -> StatedDifferences:
    """Decide which organisations' differences may be stated, false alarms controlled over all comparisons together.

    Give every comparison that was made, not only the interesting ones: those of one notebook, or better those of all
    notebooks of a pack, in one table.

    Parameters
    ----------
    table : DataFrame
        One row per comparison.
    keys : str or list of str
        Columns that name the comparison, such as organisation and indicator: each combination once.
    p_value : str, optional
        Column of two-sided p-values. For a probability that the difference is above 0, give 2 × the smaller of it and
        its complement.
    difference, se, degrees : str, optional
        In place of `p_value`: columns of the difference and its standard error (one unit), and of the degrees of
        freedom of the standard error (cases less 1, say). Without `degrees` the normal distribution is used, which
        states too much where cases are few: 15 patients need them.
    method : str
        See `adjust_pvalues`.
    false_discovery : float
        Share of false alarms tolerated among what is stated.

    Returns
    -------
    StatedDifferences
        A row without a p-value (or difference and standard error above 0) is not counted, not stated, and says why.

    Raises
    ------
    InputError
        If a column is missing or text, a key is missing or comes twice, or a p-value, standard error or number of
        degrees is out of range.

    Examples
    --------
    >>> rows = pd.DataFrame({"trust": ["A", "B", "C"], "p": [0.001, 0.03, 0.5]})
    >>> state_differences(rows, keys="trust", p_value="p").table["stated"].tolist()
    [True, True, False]
    >>> rows = pd.DataFrame({"trust": ["A"], "gbp": [826.0], "se": [446.0], "df": [14]})
    >>> state_differences(rows, keys="trust", difference="gbp", se="se", degrees="df").table["reason"].item()
    'may be chance: false alarms over all 1 comparisons are controlled'
    """
    names = arguments.as_list(keys)
    if (p_value is None) == (difference is None or se is None):
        raise InputError("State differences: name the column p_value, or the columns difference and se.")
    wanted = [c for c in (p_value, difference, se, degrees) if c is not None]
    arguments.require_columns(table, [*names, *wanted], what="comparisons")
    for column in names:
        arguments.refuse(table, table[column].isna().to_numpy(), [], f"{column} must be known for every comparison")
    arguments.require_unique(table, names, what="comparisons")
    numbers = {column: _finite(table, column, names) for column in wanted}
    if p_value is not None:
        p = numbers[p_value]
        lacking = f"no {p_value}"
    else:
        gap, error = numbers[str(difference)], numbers[str(se)]
        arguments.refuse(table, error < 0, names, f"{se} must not be negative")
        score = np.divide(np.abs(gap), error, out=np.full(len(gap), np.nan), where=error > 0)
        freedom = np.full(len(gap), np.inf) if degrees is None else numbers[degrees]
        arguments.refuse(table, freedom <= 0, names, f"{degrees} must be more than 0")
        p = 2 * stats.t.sf(score, freedom)
        lacking = f"no {difference}, or no {se} above 0" + (f", or no {degrees}" if degrees else "")
    q, share = adjust_pvalues(p, method), arguments.share(false_discovery, "false_discovery")
    known = ~np.isnan(p)
    stated = known & (np.nan_to_num(q, nan=1.0) <= share)
    chance = f"may be chance: false alarms over all {int(known.sum()):,} comparisons are controlled"
    reason = np.where(stated, "", np.where(known, chance, f"not computable: {lacking}"))
    frame = table[names].reset_index(drop=True).assign(p_value=p, q_value=q, stated=stated, reason=reason)
    return StatedDifferences(frame, share, method)


def _finite(table: pd.DataFrame, column: str, keys: list[str]) -> NDArray[np.float64]:
    """Return a column as floats in which a missing value is NaN; text and infinity are refused."""
    values = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    text = np.isnan(values) & table[column].notna().to_numpy()
    arguments.refuse(table, text | np.isinf(values), keys, f"{column} must be a finite number, or missing")
    return values


@dataclass(frozen=True, eq=False)
class ScreenResult(Result):
    """What stands out over all indicators and units: the surest first.

    `table` has indicator, unit, value, target, difference, denominator, z_adjusted, p_value, q_value, stands_out,
    excess (in the numerator's units), excess_gbp, in_words, reason (why there is no excess, or none in pounds).
    `left_out` counts the units of the funnels that could not be compared, by reason.
    """

    false_discovery: float
    method: str
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """How many cells were looked at, how many stand out, and how many could not be compared."""
        number = int(self.table["stands_out"].sum())
        without = "; ".join(f"{n:,} not compared: {reason}" for reason, n in self.left_out.items())
        return (
            f"{len(self.table):,} comparisons of {self.table['unit'].nunique():,} units on "
            f"{self.table['indicator'].nunique():,} indicators; {number} stand out, of which at most about "
            f"{self.false_discovery:.0%} are expected to be false alarms.{f' ({without}.)' if without else ''}"
        )


_NO_CASES = "no excess: the funnel of means was given no number of cases (denominator)"
_NO_PRICE = "no pounds: gbp_per has no price for this indicator"


def screen(
    funnels: Mapping[str, FunnelResult],
    *,
    gbp_per: Mapping[str, float] | None = None,
    method: str = "bh",
    false_discovery: float = FALSE_DISCOVERY,
) -> ScreenResult:
    """Screen all indicators and units together, with false discovery controlled over every comparison.

    Parameters
    ----------
    funnels : mapping of str to FunnelResult
        By indicator (or by family, where a funnel holds several indicators).
    gbp_per : mapping of str to float, optional
        By indicator, pounds for each unit of the numerator (a case, a contact). A funnel of means is taken to be of
        pounds (£1 for £1) unless it has an entry of its own: a mean length of stay, say, at pounds a day.
    method : str
        See `adjust_pvalues`.
    false_discovery : float
        q-value at or below which a comparison stands out (`state_differences`).

    Raises
    ------
    InputError
        If there is no funnel, an indicator comes twice, or `gbp_per` has a key that is no indicator or a value that is
        no number.

    Notes
    -----
    The excess is (value - target) × denominator. A funnel of means that was given no `denominator` does not know its
    cases: it has no excess, and says so in `reason`.
    """
    if not isinstance(funnels, Mapping) or not funnels:
        raise InputError("Screening: no funnels were given. Give a mapping such as {'name': funnel(...)}.")
    pieces, left_out = [], pd.Series(dtype="int64")
    for family, result in funnels.items():
        if not hasattr(result, "fits"):
            raise InputError(f"Screening: {family} is a {type(result).__name__}, not the result of a funnel.")
        usable = result.table["flag"] != "not computable"
        left_out = left_out.add(result.table.loc[~usable, "reason"].value_counts(), fill_value=0)
        piece = result.table[usable].drop(columns="reason")
        piece["fit"] = piece["indicator"].astype(str) if "indicator" in piece else ""
        piece["indicator"] = np.where(piece["fit"] == "", family, piece["fit"])
        fits = {name: (fit.target, fit.options.kind == "mean", fit.options.cases) for name, fit in result.fits.items()}
        for place, column in enumerate(("target", "mean", "cases")):
            piece[column] = piece["fit"].map({name: values[place] for name, values in fits.items()})
        pieces.append(piece)
    table = pd.concat(pieces, ignore_index=True)
    arguments.require_unique(table, ["indicator", "unit"], what="comparisons of all funnels")
    named = {name or family for family, result in funnels.items() for name in result.fits}
    prices = arguments.mapping_of_numbers(gbp_per, "Screening: gbp_per", keys=named)
    price = table["indicator"].map(prices).astype(float)
    price = price.fillna(table["mean"].map({True: 1.0}))
    cases = table["cases"].eq(True)
    table["difference"] = table["value"] - table["target"].astype(float)
    table["excess"] = (table["difference"] * table["denominator"]).where(cases)
    table["excess_gbp"] = table["excess"] * price
    table["reason"] = pd.Series(_NO_PRICE, table.index).where(price.isna(), None).where(cases, _NO_CASES)
    compared = ["indicator", "unit"]
    if len(table):
        stated = state_differences(
            table, keys=compared, p_value="p_value", method=method, false_discovery=false_discovery
        ).table
        table["q_value"], table["stands_out"] = stated["q_value"], stated["stated"]
    else:
        table = table.assign(q_value=np.nan, stands_out=False)
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
    results = table[[*columns, "excess", "excess_gbp", "in_words", "reason"]]
    return ScreenResult(results, false_discovery, method, {str(k): int(n) for k, n in left_out.items()})


def _words(unit: object, indicator: object, difference: float, stands_out: bool) -> str:
    if not stands_out:
        return f"{unit} does not stand out on {indicator}."
    side = "higher" if difference > 0 else "lower"
    return (
        f"{unit} is {side} than expected on {indicator} by more than chance and the usual differences explain. This "
        "may be warranted by case mix, coding, or how services are arranged locally: look before you act."
    )
