"""What the pathway buys, in words: never more sure than the numbers, and a reason where there are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from pathcost_lib.codes import label
from pathcost_lib.present.disclosure import Disclosed, disclose
from pathcost_lib.present.findings import QUESTIONS, Finding, Headline, confidence, unknown
from pathcost_lib.present.format import (
    begin,
    count,
    inside,
    interval,
    percent,
    plain_pounds,
    pounds,
    say,
    signed_pounds,
)
from pathcost_lib.value import THRESHOLDS_GBP, discounted_years
from pathcost_lib.value.figures import FLAGS, say_measure
from pathcost_lib.value.incremental import NICE_RANGES_GBP

__all__ = [
    "HEADINGS",
    "assumption",
    "map_headings",
    "map_table",
    "named",
    "operations",
    "panel_table",
    "response_line",
    "response_table",
    "thresholds_note",
    "value_finding",
    "value_message",
]


#: Headings of the notebook's tables where the column's own name will not do.
HEADINGS = {
    "answered_gbp": "Cost, answered",
    "silent_gbp": "Cost, did not answer",
    "mean_gbp": "Cost per patient",
    "ratio_gbp": "Cost per QALY",
    "mean_of_ratios_gbp": "Mean of ratios (not to be used)",
    "marginal_gbp": "Cost per QALY at the margin",
    "worthwhile_chance": "Probability above zero",
}


def assumption(years: float, *, fading: bool) -> str:
    """Return how a gain becomes QALYs, as `discounted_years` has it.

    Examples
    --------
    >>> assumption(10.0, fading=False).partition(",")[0]
    'A gain is taken to build up over half a year and to last 10 years: 9.1 years at the full gain'
    """
    lasts = f"{'fade to nothing over' if fading else 'last'} {years:g} years"
    whole = discounted_years(years, fading=fading)
    after = ", and less after year 30" if years > 30 else ""
    return (
        f"A gain is taken to build up over half a year and to {lasts}: {whole:.1f} years at the full gain, health "
        f"discounted at 1.5% a year{after}. Patients who did not answer are taken to gain as much as those who did."
    )


def operations(pathways: Sequence[str]) -> str:
    """Return which pathways are counted, for a title or inside a sentence.

    Examples
    --------
    >>> operations(["hip_replacement", "knee_replacement"])
    'hip and knee replacement together'
    """
    names = [inside(label(name)) for name in pathways]
    if len(names) < 2:
        return names[0] if names else "the pathway"
    ends = {name.rpartition(" ")[2] for name in names}
    if len(ends) == 1 and all(" " in name for name in names):
        names[:-1] = [name.rpartition(" ")[0] for name in names[:-1]]
    return f"{', '.join(names[:-1])} and {names[-1]} together"


def thresholds_note() -> str:
    """Return what the thresholds of a QALY are, and since when."""
    margin, department, low, high = map(pounds, THRESHOLDS_GBP)
    now, before = NICE_RANGES_GBP
    former = " to ".join(map(pounds, NICE_RANGES_GBP[before]))
    return (
        f"Dashed lines: {margin}, what the NHS gives up at its margin; {department}, the Department of Health and "
        f"Social Care's; {low} to {high}, NICE's range {now} ({before}: {former})."
    )


def value_message(
    costs: Disclosed,
    providers: Disclosed,
    response: Disclosed,
    *,
    area: str,
    reference: str,
    own: Mapping[str, str],
    of: str,
    reason: str,
) -> str:
    """Return the notebook's one-line message: cost per QALY, response, and what stands out among the area's providers.

    No provider is named unless the rule of `value.quadrants` states a finding of it.

    Parameters
    ----------
    costs : Disclosed
        Rows of the area and of all areas, in that order.
    providers, response : Disclosed
        The value map of providers; the area's row of `Outcomes.response`.
    area, reference : str
        What the two are called.
    own : mapping of str to str
        The area's providers, code to name.
    of : str
        What is counted: `operations`.
    reason : str
        Why there is no health gain at all.
    """
    if reason:
        return f"Cost per QALY of {of} in {area} cannot be computed: {reason}."
    rows = costs.frame.to_dict("records")
    mine = next((r for r in rows if r["area"] == area), None)
    everyone = next((r for r in rows if r["area"] == reference), None)
    text = f"{begin(of)}, {area}: {_ratio(mine)}"
    if everyone is not None and not pd.isna(everyone["ratio_gbp"]):
        text += f", against {pounds(everyone['ratio_gbp'])} in {reference} ({_limits(everyone)})"
    return f"{text}. {response_line(response)} {_standing(providers.frame, own)}"


def value_finding(
    costs: Disclosed, response: Disclosed, *, area: str, reference: str, of: str, reason: str, worth_gbp: float
) -> Finding:
    """Return what health the money buys: the cost per QALY beside the reference's, and beside what a QALY is worth."""
    question, rows = QUESTIONS[4], {r["area"]: r for r in costs.frame.to_dict("records")}
    mine, everyone = rows.get(area), rows.get(reference)
    if reason or mine is None or pd.isna(mine["ratio_gbp"]):
        why = reason or "too few patients answered about their health"
        return unknown(question, "We cannot say what health the money buys", why)
    here, reach = plain_pounds(mine["ratio_gbp"]), interval(mine["lower_95"], mine["upper_95"], plain_pounds)
    title, seen = f"A year of full health from {of} costs {here}", f"A year of full health (a QALY) costs {here} here"
    level, headline = float("nan"), None
    if everyone is not None and pd.notna(everyone["ratio_gbp"]):
        level, there = float(everyone["ratio_gbp"]), plain_pounds(everyone["ratio_gbp"])
        seen += f" and {there} in {reference}"
        if mine["lower_95"] <= level <= mine["upper_95"]:
            title += f", about the same as in {reference}"
        else:
            title += f", {'less' if mine['ratio_gbp'] < level else 'more'} than in {reference}"
            headline = Headline(here, f"cost of a year of full health, {of}", f"{there} in {reference}")
    seen += f". By chance alone ours could be {reach}."
    means = f"{_worth(mine, worth_gbp)} {_answered(response)}".strip()
    todo = f"Keep the service. {_more(response)} before you compare providers."
    sure = confidence(mine["lower_95"], mine["upper_95"], none=level, checked=False, doubt="not every patient answered")
    return Finding(question, title, (seen, means, todo), sure, "cost_of_health", "Cost per QALY", headline)


def _worth(row: Mapping[Any, Any], worth_gbp: float) -> str:
    """Return whether a year of full health costs less or more than it is held to be worth, where that is sure."""
    if row["upper_95"] < worth_gbp:
        return "That is less than a year of full health is held to be worth."
    return "That is more than a year of full health is held to be worth." if row["lower_95"] > worth_gbp else ""


def _more(response: Disclosed) -> str:
    """Return what to ask for, so that more patients count: their answer before or, where that is rarer, after."""
    linked, answered = (response.frame.get(c, pd.Series(dtype=float)) for c in ("linkage_pct", "response_pct"))
    before = not linked.empty and float(linked.iloc[0]) < float(answered.iloc[0])
    return "Have more patients fill in the first questionnaire" if before else "Have more patients answer the second"


def _answered(response: Disclosed) -> str:
    """Return how many answered, in the numbers of the table of responses."""
    if response.frame.empty or response.frame[["linkage_pct", "response_pct"]].isna().any(axis=None):
        return "How many patients answered cannot be shown."
    row = response.frame.iloc[0]
    return (
        f"We can follow {percent(row['linkage_pct'])} of the patients due a second questionnaire. Of these, "
        f"{percent(row['response_pct'])} answered."
    )


def beside(costs: pd.DataFrame, *, area: str, reference: str) -> pd.DataFrame:
    """Return an area's mean cost beside the reference's in one row: mean_gbp, reference_gbp; none without both."""
    means = costs.drop_duplicates("area").set_index("area")["mean_gbp"].reindex([area, reference])
    return pd.DataFrame({"mean_gbp": [means.iloc[0]], "reference_gbp": [means.iloc[1]]}).astype(float).dropna()


def _ratio(row: Mapping[Any, Any] | None) -> str:
    if row is None or pd.isna(row["mean_gbp"]):
        return "too few patients with a health gain to show a cost per QALY"
    if pd.isna(row["ratio_gbp"]):
        return f"no cost per QALY can be given, because {row['reason']}"
    return f"{pounds(row['ratio_gbp'])} per QALY (95% interval {_limits(row)}; about {count(row['pathways'])} patients)"


def _limits(row: Mapping[Any, Any]) -> str:
    return interval(row["lower_95"], row["upper_95"])


def response_line(response: Disclosed) -> str:
    """Return how many of those whose second questionnaire was due can be linked and answered."""
    if response.frame.empty or pd.isna(response.frame["linkage_pct"].iloc[0]):
        return "How many answered cannot be shown."
    row = response.frame.iloc[0]
    both = row["linkage_pct"] * row["response_pct"] / 100
    return f"Both questionnaires are in the data for {percent(both)} of the patients for whom they were due."


def response_table(response: pd.DataFrame, *, icb: str, area: str) -> Disclosed:
    """Return an area's row of `Outcomes.response` as it may be shown: no mean cost of one to seven who were silent."""
    row = named(response, by="icb_code", names={icb: area})
    silent = row["due_pathways"] - row["answered_pathways"]
    row["silent_gbp"] = row["silent_gbp"].where(~silent.between(1, 7))
    return disclose(row, counts=[str(c) for c in row if str(c).endswith("pathways")])


def _standing(providers: pd.DataFrame, own: Mapping[str, str]) -> str:
    mine = providers[providers["provider_code"].isin(own) & providers["cost_gbp"].notna() & (providers["reason"] == "")]
    if mine.empty:
        return "None of the area's providers has patients enough to be judged."
    named = [_found(own[r["provider_code"]], r) for r in mine.to_dict("records") if r["finding"] in FLAGS]
    none = "Of none of the area's providers is it sure that it is more expensive and no better, or cheaper and worse"
    return f"{'; '.join(named) or none}."


def _found(name: str, row: Mapping[Any, Any]) -> str:
    limits = interval(row["lower_95"], row["upper_95"], signed_pounds)
    return f"{name} is {row['finding']}: {signed_pounds(row['cost_gbp'])} per patient (95% interval {limits})"


def map_table(table: pd.DataFrame, *, by: str, own: Mapping[str, str]) -> pd.DataFrame:
    """Return the value map's rows of some organisations, by name."""
    rows = table[table[by].isin(own)].copy()
    rows.insert(0, "organisation", rows.pop(by).map(own))
    return rows.drop(columns=["own_gbp", "own_qalys"])


def map_headings(worth_gbp: float) -> dict[str, str]:
    """Return the headings of `map_table`; probabilities are of the quadrant, or that gain is worth cost."""
    return {
        "cost_gbp": "Cost, difference",
        "qalys": "QALYs, difference",
        "expensive_no_better_pct": "Probability more expensive and no better",
        "cheaper_worse_pct": "Probability cheaper and worse",
        "cheap_no_worse_pct": "Probability cheaper and no worse",
        "worthwhile_pct": f"Probability that gain is worth cost at {pounds(worth_gbp)} a QALY",
        "cost_q": "False-discovery rate, cost",
        "qalys_q": "False-discovery rate, QALYs",
        "reason": "Why not judged",
    }


def named(table: pd.DataFrame, *, by: str, names: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows whose `by` is named, in the order of the names, called by them in a first column `area`."""
    rows = table[table[by].isin(names)].set_index(by).reindex([n for n in names if n in set(table[by])])
    rows.insert(0, "area", [names[str(code)] for code in rows.index])
    return rows.reset_index(drop=True)


def panel_table(panel: Disclosed, *, reference: str) -> Disclosed:
    """Return the triple aim as text, each measure in its own unit: aim, measure, value, interval, reference, reason."""
    rows = []
    for row in panel.frame.to_dict("records"):
        code, has_value = row["unit"], not pd.isna(row["value"])
        ends = [say_measure(row[c], code) for c in ("lower_95", "upper_95")] if has_value else []
        value = say_measure(row["value"], code) if has_value else row["reason"] or "* (rests on one to seven patients)"
        compared = say_measure(row["reference"], code) if has_value and not pd.isna(row["reference"]) else ""
        rows.append((say(row["aim"]), row["measure"], value, " to ".join(ends), compared))
    frame = pd.DataFrame(rows, columns=["aim", "measure", "value", "interval", reference])
    return replace(panel, frame=frame, hidden=pd.DataFrame(False, index=frame.index, columns=frame.columns))
