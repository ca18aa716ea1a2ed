"""What the pathway buys, in words: never more sure than the numbers, and a reason where there are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from pathcost_lib.present.disclosure import Disclosed, disclose
from pathcost_lib.present.figures import say_measure
from pathcost_lib.present.format import count, interval, percent, pounds, say

__all__ = ["map_headings", "map_table", "named", "panel_table", "response_line", "response_table", "value_message"]


def value_message(
    costs: Disclosed,
    providers: Disclosed,
    response: Disclosed,
    *,
    area: str,
    reference: str,
    own: Mapping[str, str],
    reason: str,
) -> str:
    """Return the notebook's one-line message: cost per QALY, response, and what stands out among the area's providers.

    Parameters
    ----------
    costs : Disclosed
        Rows of the area and of all areas, in that order: `ValueView.areas`.
    providers, response : Disclosed
        `ValueView.providers`; the area's row of `ValueView.response`.
    area, reference : str
        What the two are called.
    own : mapping of str to str
        The area's providers, code to name.
    reason : str
        Why there is no health gain at all.
    """
    if reason:
        return f"What the pathway buys in {area} cannot be computed: {reason}."
    rows = costs.frame.to_dict("records")
    mine = next((r for r in rows if r["area"] == area), None)
    everyone = next((r for r in rows if r["area"] == reference), None)
    said = f"{area}: " + _ratio(mine)
    if everyone is not None and not pd.isna(everyone["ratio_gbp"]):
        said += f", against {pounds(everyone['ratio_gbp'])} in {reference} ({_limits(everyone)})"
    return f"{said}. {response_line(response)} {_standing(providers.frame, own)}"


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
    return f"Both questionnaires are held for {percent(both)} of the patients for whom they were due."


def response_table(response: pd.DataFrame, *, icb: str, area: str) -> Disclosed:
    """Return an area's row of `ValueView.response` as it may be shown: no mean cost of one to seven who were silent."""
    row = named(response, by="icb_code", names={icb: area})
    silent = row["due_pathways"] - row["answered_pathways"]
    row["silent_gbp"] = row["silent_gbp"].where(~silent.between(1, 7))
    return disclose(row, counts=[str(c) for c in row if str(c).endswith("pathways")])


def _standing(providers: pd.DataFrame, own: Mapping[str, str]) -> str:
    mine = providers[providers["provider_code"].isin(own) & providers["cost_gbp"].notna()]
    if mine.empty:
        return "None of the area's providers has patients enough to be judged."
    found = [_found(own[r["provider_code"]], r) for r in mine.to_dict("records") if r["finding"]]
    none = "None of the area's providers is shown to be dearer and no better, or cheaper and worse"
    return f"{'; '.join(found) or none}."


def _found(name: str, row: Mapping[Any, Any]) -> str:
    columns = {"dearer and no better": "dear_no_better_pct", "cheaper and worse": "cheaper_worse_pct"}
    chance = row[columns.get(row["finding"], "cheap_no_worse_pct")]
    return f"{name} is {row['finding']} ({percent(chance)} probable)"


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
        "dear_no_better_pct": "Probability dearer and no better",
        "cheaper_worse_pct": "Probability cheaper and worse",
        "cheap_no_worse_pct": "Probability cheaper and no worse",
        "worthwhile_pct": f"Probability that gain is worth cost at {pounds(worth_gbp)} a QALY",
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
        code, held = row["unit"], not pd.isna(row["value"])
        ends = [say_measure(row[c], code) for c in ("lower_95", "upper_95")] if held else []
        value = say_measure(row["value"], code) if held else row["reason"] or "* (rests on one to seven patients)"
        compared = say_measure(row["reference"], code) if held and not pd.isna(row["reference"]) else ""
        rows.append((say(row["aim"]), row["measure"], value, " to ".join(ends), compared))
    frame = pd.DataFrame(rows, columns=["aim", "measure", "value", "interval", reference])
    return replace(panel, frame=frame, hidden=pd.DataFrame(False, index=frame.index, columns=frame.columns))
