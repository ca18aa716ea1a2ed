"""Sentences written from the numbers, never more certain than they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pathcost_lib.present.disclosure import Disclosed
from pathcost_lib.present.format import count, interval, percent, pounds, say, short_pounds, signed_pounds

__all__ = ["LOW_COVERAGE", "NO_OTHERS", "coverage_sentence", "pathway_message", "reconciliation_line"]

#: Below this share of expected activity a difference may be no more than missing data.
LOW_COVERAGE = 80.0
NO_OTHERS = "No other area can be compared here, so there is nothing to compare with."


def pathway_message(
    whole: Disclosed, coverage: pd.DataFrame, *, area: str, title: str, reference: str, note: str = ""
) -> str:
    """Return the message of a pathway's cost: mean, interval, comparison, coverage.

    Parameters
    ----------
    whole : Disclosed
        One row of `benchmark.compare` over the whole pathway.
    coverage : DataFrame
        setting, coverage_pct; without rows or without any known coverage it is said to be not computable.
    area, title, reference : str
        The organisation; the pathway; what it is compared with.
    note : str
        Who is compared, where that must be said (`sources.Compared.note`).

    Notes
    -----
    A difference is named as one only where its own 95 % interval leaves zero out.
    """
    row = {str(key): value for key, value in whole.frame.iloc[0].items()}
    if pd.isna(row["mean_gbp"]):
        few = f"{title}, {area}: too few complete pathways to show a cost."
        return " ".join(filter(None, [few, note, coverage_sentence(coverage) if len(coverage) else ""]))
    said = (
        f"{title}, {area}: {pounds(row['mean_gbp'])} per patient "
        f"(95% interval {interval(row['lower_95'], row['upper_95'])}; about {count(row['pathways'])} pathways)"
    )
    return " ".join(filter(None, [said + _against(row, reference, note), coverage_sentence(coverage)]))


def _against(row: Mapping[str, Any], reference: str, note: str) -> str:
    if pd.isna(row["difference_gbp"]):
        return f". {note or NO_OTHERS}"
    return f"{_difference(row, reference)} {note}".rstrip()


def _difference(row: Mapping[str, Any], reference: str) -> str:
    step, low, high = row["difference_gbp"], row["difference_lower_95"], row["difference_upper_95"]
    if pd.isna(low) or pd.isna(high):
        return f", against {pounds(row['reference_gbp'])} in {reference}; too few pathways to say whether they differ."
    reach = interval(low, high, signed_pounds)
    if low <= 0 <= high:
        return f", against {pounds(row['reference_gbp'])} in {reference}: no difference is shown ({reach})."
    direction = "more" if step > 0 else "less"
    return (
        f": {pounds(abs(step))} {direction} than in {reference} ({pounds(row['reference_gbp'])}; difference {reach}), "
        "not adjusted for case mix."
    )


def coverage_sentence(coverage: pd.DataFrame) -> str:
    """Return what share of expected activity the data hold, from the worst setting to the best."""
    known = coverage.dropna(subset=["coverage_pct"]) if "coverage_pct" in coverage else coverage.iloc[:0]
    if known.empty:
        return "Coverage is not computable: there is no population to expect activity from."
    ranked = known.sort_values("coverage_pct").to_dict("records")
    worst, best = ranked[0], ranked[-1]
    said = (
        f"The data hold {percent(worst['coverage_pct'])} ({say(worst['setting'])}) to {percent(best['coverage_pct'])} "
        f"({say(best['setting'])}) of the activity expected."
    )
    if worst["coverage_pct"] < LOW_COVERAGE:
        said += " Where less is held, cost is missing too, and a lower cost may be no more than that."
    return said


def reconciliation_line(ledger_pence: int, attributed_pence: int, outside_pence: int) -> str:
    """Return the every-pound-once line, to three figures: ledger, in pathways, outside any, what is left over."""
    left = ledger_pence - attributed_pence - outside_pence
    whole, inside, outside = (short_pounds(p / 100, plus="") for p in (ledger_pence, attributed_pence, outside_pence))
    return (
        f"Ledger {whole} = in pathways {inside} + outside any pathway {outside}; unexplained {pounds(left / 100, 2)}."
    )
