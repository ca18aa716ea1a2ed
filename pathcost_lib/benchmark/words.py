"""What notebooks 02 and 03 say of their numbers, no surer than they; and what a board is asked to decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pathcost_lib.present.banner import coverage_sentence
from pathcost_lib.present.disclosure import Disclosed, disclose
from pathcost_lib.present.format import count, interval, pounds, say, short_pounds, signed_pounds


def headings(reference: str) -> dict[str, dict[str, str]]:
    """Return the headings of each table of notebooks 02 and 03 where the column's own name will not do.

    Parameters
    ----------
    reference : str
        What the area is compared with.

    Examples
    --------
    >>> headings("Midlands")["outside"]
    {'reference_pct': 'Outside, Midlands'}
    """
    beside = {"reference_gbp": reference}
    return {
        "parts": beside,
        "flow": {
            "mean_gbp": "What follows, mean",
            "cases": "Pathways",
            "reference_cases": f"Pathways, {reference}",
            "reference_days": f"Median days, {reference}",
            "reference_gbp": f"What follows, {reference}",
        },
        "outside": {"reference_pct": f"Outside, {reference}"},
        "ranks": {"stage_gbp": "Own stage, mean", "pathway_gbp": "Pathway, mean"},
        "costs": {"value_gbp": "Per person", **beside},
        "rates": {"reference_rate": reference},
        "peers": {"mean_deprivation": "Mean tenth of deprivation (1: most)"},
        "drivers": {"reference_pathways": "Pathways, peers"},
        "claims": {
            "value_gbp": "Mean here",
            "target_gbp": "Target",
            "opportunity_gbp": "At full cost",
            "once_gbp": "Each pound once",
            "once_variable_gbp": "Variable cost",
        },
        "deciles": {"decile": "Tenth (1: most deprived)", "value_gbp": "Per person", "fitted_gbp": "Fitted"},
    }


def variation_message(
    costs: Disclosed,
    claims: Disclosed,
    coverage: pd.DataFrame,
    *,
    area: str,
    reference: str = "England",
    note: str = "",
    span: str = "a year",
) -> str:
    """Return the message: standardised cost per person with its interval, the difference, the opportunity, coverage.

    Parameters
    ----------
    costs : Disclosed
        `benchmark.icb_view.of_one`.
    claims : Disclosed
        `benchmark.icb_causes.opportunities`.
    coverage : DataFrame
        setting, coverage_pct of the area.
    area, reference : str
        What the two are called.
    note : str
        Who is compared, where that must be said (`sources.Compared.note`).
    span : str
        What the pounds are of: "a year", or the months of it that are held (`sources.held.MonthsHeld.span`).

    Notes
    -----
    A difference is named as one only where its own 95 % interval leaves zero out.
    """
    row = costs.frame[costs.frame["setting"] == "all_settings"].iloc[0]
    if pd.isna(row["value_gbp"]):
        why = row["reason"] or "too few people"
        parts = [f"{area}: cost per person is not computable ({why}).", note, coverage_sentence(coverage)]
        return " ".join(part for part in parts if part)
    part = "" if span == "a year" else f" {span}"
    said = (
        f"{area}: {pounds(row['value_gbp'])} per person{part} at equal age and sex "
        f"(95% interval {interval(row['lower_95'], row['upper_95'])}; about {count(row['persons'])} people)"
    )
    step, low, high = row[["difference_gbp", "difference_lower_95", "difference_upper_95"]]
    if pd.isna(low) or pd.isna(high):
        said += f". {note or NO_OTHERS}"
        note = ""
    elif low <= 0 <= high:
        there, reach = pounds(row["reference_gbp"]), interval(low, high, signed_pounds)
        said += f", against {there} in {reference}: no clear difference ({reach})."
    else:
        said += (
            f": {pounds(abs(step))} {'more' if step > 0 else 'less'} than in {reference} "
            f"({pounds(row['reference_gbp'])}; difference {interval(low, high, signed_pounds)})."
        )
    if pd.notna(row.get("cost_gbp")) and row["persons"] > 0:
        said += f" At its own age and sex it is about {pounds(row['cost_gbp'] / row['persons'])} per person."
    return " ".join(filter(None, [said, note, opportunity_sentence(claims, span=span), coverage_sentence(coverage)]))


def opportunity_sentence(claims: Disclosed, *, span: str = "a year") -> str:
    """Return what is above the target beyond chance, in pounds at full and at variable cost, each pound once."""
    found = claims.frame[claims.frame["opportunity_gbp"] > 0]
    if found.empty:
        tested = int(claims.frame["target_gbp"].notna().sum())
        if not tested:
            return "No opportunity is computable: too few areas to compare with, or too few people."
        return f"No opportunity is claimed: none of {tested} comparisons is above its target by more than chance."
    full, variable = found["once_gbp"].sum(), found["once_variable_gbp"].sum()
    names = ", ".join(say(name).replace("_", " ") for name in found["claim"])
    return (
        f"Above the target by more than chance: {names}; {_sum(full)} {span} at full cost, each pound once. Of that "
        f"{_sum(variable)} is variable cost, which stops with the activity. Case mix and need beyond age and sex are "
        "not adjusted for."
    )


def _sum(total: float) -> str:
    """Return a sum of rounded pounds in words: three figures, for its parts bear no more."""
    return short_pounds(total, plus="")


def left_out_sentence(counts: Mapping[str, int]) -> str:
    """Return what is in no comparison, from `benchmark.icb_causes.left_out`; empty where nothing is left out."""
    said = "; ".join(f"{reason}: {count}" for reason, count in counts.items())
    return f"In no comparison: {said}." if said else ""


def gradient_sentence(slopes: pd.DataFrame) -> str:
    """Return the slope and relative index of inequality with their intervals, or why there is none."""
    row = disclose(slopes[slopes["area"] == "icb"], counts=[]).frame.iloc[0]
    if pd.isna(row["sii"]):
        return f"The gradient is not computable: {row['reason']}."
    reach = interval(row["lower_95"], row["upper_95"], signed_pounds)
    ratio = f"{row['rii']:.2f}"
    if pd.notna(row["rii_lower_95"]):
        ratio += f" ({row['rii_lower_95']:.2f} to {row['rii_upper_95']:.2f})"
    return (
        f"Slope index of inequality: {signed_pounds(row['sii'])} per person from the most to the least deprived "
        f"({reach}); relative index {ratio}."
    )


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
        return f", against {pounds(row['reference_gbp'])} in {reference}: no clear difference ({reach})."
    direction = "more" if step > 0 else "less"
    return (
        f": {pounds(abs(step))} {direction} than in {reference} ({pounds(row['reference_gbp'])}; difference {reach}), "
        "not adjusted for case mix."
    )


def reconciliation_line(ledger_pence: int, attributed_pence: int, outside_pence: int) -> str:
    """Return the every-pound-once line, to three figures: ledger, in pathways, outside any, what is left over."""
    left = ledger_pence - attributed_pence - outside_pence
    whole, inside, outside = (short_pounds(p / 100, plus="") for p in (ledger_pence, attributed_pence, outside_pence))
    return (
        f"Ledger {whole} = in pathways {inside} + outside any pathway {outside}; unexplained {pounds(left / 100, 2)}."
    )


def opportunity_decision(claims: Disclosed, costs: Disclosed, *, span: str = "a year") -> dict[str, Any]:
    """Return what to do about what is above its target: look into the largest claim first, or nothing.

    Parameters
    ----------
    claims : Disclosed
        `benchmark.icb_causes.opportunities`.
    costs : Disclosed
        `benchmark.icb_view.of_one`: its row of all settings is the headline figure.
    span : str
        What the pounds are of: "a year", or the months of it that are held.
    """
    found = claims.frame[claims.frame["opportunity_gbp"] > 0]
    whole = costs.headline(["value_gbp", "lower_95", "upper_95"], setting="all_settings")
    said = ""
    if len(found):
        largest = found.sort_values("once_gbp").iloc[-1]
        said = (
            f"Decide whether to review {say(largest['claim'])} first: {pounds(largest['once_gbp'])} of the "
            f"{_sum(found['once_gbp'].sum())} {span} above the target, at full cost and not adjusted for case mix."
        )
    part = "" if span == "a year" else f" {span}"
    return {
        "decision": said,
        "figures": whole,
        "headings": {"value_gbp": f"Cost per person{part} at equal age and sex"},
    }
