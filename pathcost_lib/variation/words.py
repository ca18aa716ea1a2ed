"""What stands out, in words that a board can act on: how large, how sure, and what may warrant it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pathcost_lib.present.disclosure import Disclosed, disclose
from pathcost_lib.present.findings import QUESTIONS, Confidence, Finding, Headline, unknown
from pathcost_lib.present.format import count, inside, percent, pounds, say
from pathcost_lib.present.naming import Named
from pathcost_lib.present.precision import nearest, step_of
from pathcost_lib.results import NotComputable

__all__ = [
    "About",
    "about",
    "findings",
    "headings",
    "outlier_counts",
    "outlier_finding",
    "outlier_message",
    "series_named",
    "series_words",
]

WHERE = {"before": "before the index event", "index_event": "at the index event", "after": "after the index event"}
WARRANTED = {
    "before": "sicker patients, longer waits, tests that others buy elsewhere, or contacts missing from the data",
    "index_event": "severity beyond what the currency shows, teaching and specialist work, or how costs are recorded",
    "after": "older or frailer patients, more rehabilitation on purpose, or contacts missing from the data",
}
SURE = {
    "sure": "Sure: false alarms over all comparisons controlled",
    "998": "Likely: outside the 99.8% limits",
    "95": "A question: outside the 95% limits",
    "within": "Within the limits",
}


def headings(*, threshold: float, year: str) -> dict[str, dict[str, str]]:
    """Return the headings of each table of notebook 04 where the column's own name will not do.

    Parameters
    ----------
    threshold : float
        Difference from expected cost that matters, in per cent.
    year : str
        Financial year of the contacts.

    Examples
    --------
    >>> headings(threshold=10.0, year="2024-25")["months"]
    {'contacts': 'Contacts, 2024-25'}
    """
    events = {"pathways": "Index events"}
    above = f"Probability of more than {threshold:.0f}% above expected"
    return {
        "shrunk": {"event": "Compared", **events, "chance_above_pct": above},
        "months": {"contacts": f"Contacts, {year}"},
        "left_out": {"comparison": "Comparison", "reason": "Left out because", "rows": "How many"},
        "comparisons": {**events, "excess_gbp": "Above or below expected"},
        "drivers": {"cell": "Phase and setting", "reference_gbp": "Other providers"},
    }


def findings(table: Disclosed, *, names: Mapping[str, str], titles: Mapping[str, str]) -> Disclosed:
    """Return comparisons in words: provider, finding, pathways, excess_gbp, how_sure, may_be_warranted_by.

    The difference in the words is the released excess over the released count, so that the two tell no more together.

    Parameters
    ----------
    table : Disclosed
        Of `variation.screen_costs`.
    names, titles : mapping of str to str
        Of the providers and of the pathways.
    """
    rows = [_finding(row, names, titles) for row in table.frame.to_dict("records")]
    words = {column: [row[column] for row in rows] for column in _WORDS}
    return table.worded(words).select(["provider", "finding", "pathways", "excess_gbp", *_WORDS[2:]])


_WORDS = ("provider", "finding", "how_sure", "may_be_warranted_by")


def _finding(row: Mapping[Any, Any], names: Mapping[str, str], titles: Mapping[str, str]) -> dict[str, str]:
    title = titles.get(row["pathway"], say(row["pathway"]))
    level = "sure" if row["stands_out"] else row["flag"].rsplit("_", 1)[-1]
    return {
        "provider": names.get(row["provider_code"], row["provider_code"]),
        "finding": f"{title}: {_size(row)} {WHERE[row['part']]}",
        "how_sure": SURE[level],
        "may_be_warranted_by": WARRANTED[row["part"]] if level != "within" else "",
    }


def _size(row: Mapping[Any, Any]) -> str:
    """Return the difference of a released row in words: pounds for each patient, and per cent."""
    if pd.isna(row["excess_gbp"]) or not row["pathways"]:
        return "the difference from expected cannot be shown"
    each = np.array([abs(row["excess_gbp"]) / row["pathways"]])
    each = nearest(each, step_of(each, np.array([row["pathways"]])))
    side = "more" if row["excess_gbp"] > 0 else "less"
    return f"{pounds(each[0])} ({percent(abs(row['difference_pct']))}) {side} per patient than expected"


def series_words(series: pd.DataFrame, *, names: Mapping[str, str]) -> pd.DataFrame:
    """Return monthly series with `series` (its name), `finding`, `how_sure` and `may_be_warranted_by` in words."""
    table = series.copy()
    rows = table.to_dict("records")
    table["series"] = [f"{say(r['pod'])}, {names.get(r['provider_code'], r['provider_code'])}" for r in rows]
    table["finding"] = [_change(r) for r in rows]
    sure = "Sure: false alarms over all series controlled"
    table["how_sure"] = [sure if r["sure"] else "A question: may be chance" if r["signal"] else "" for r in rows]
    why = "a service opened, moved or recorded anew, or more and older people"
    table["may_be_warranted_by"] = [why if r["signal"] else "" for r in rows]
    return table


def series_named(series: pd.DataFrame, *, names: Mapping[str, str]) -> list[Named]:
    """Return the providers of the monthly series that the message may name, with the test of each, the surest last."""
    surest = series.sort_values("q_value", ascending=False).to_dict("records")
    return [Named(names.get(r["provider_code"], r["provider_code"]), q_value=float(r["q_value"])) for r in surest]


def _change(row: Mapping[Any, Any]) -> str:
    if not row["signal"]:
        return "The usual ups and downs"
    if not row["sure"]:
        beyond = int(row["months_beyond"])
        return f"{beyond} month{'s' if beyond > 1 else ''} of the year beyond the usual ups and downs"
    side = "more" if row["change_pct"] > 0 else "fewer"
    step = step_of(np.array([100.0]), nearest(np.array([row["contacts"]]), 5))  # a contact's share of the whole
    change = nearest(np.array([abs(row["change_pct"])]), np.maximum(step, 1.0))[0]
    return f"{percent(change)} {side} a day since {row['since']:%B %Y} than a year before"


def outlier_message(own: pd.DataFrame, series: pd.DataFrame, *, area: str, compared: int, chance: float) -> str:
    """Return the message: how many flags, how many chance alone would give, which are sure.

    Parameters
    ----------
    own : DataFrame
        The area's rows of `variation.screen_costs`.
    series : DataFrame
        `series_words` of the area's monthly series (it may have no rows).
    area : str
        What the area is called.
    compared : int
        Comparisons in the whole of the data.
    chance : float
        Share of unchanged series that show a signal.
    """
    return f"{area}: {_costs(own, compared)} {_months(series, chance)}"


def _costs(own: pd.DataFrame, compared: int) -> str:
    if own.empty:
        return (
            "outliers in cost cannot be computed: no provider here and two elsewhere have enough events of one pathway."
        )
    outside = int((own["flag"] != "within").sum())
    far = int(own["flag"].str.endswith("998").sum())
    rows = own[own["stands_out"]]
    sure = (
        f"{len(rows)} of them still stand out once false alarms over all {count(compared)} comparisons are controlled"
        if len(rows)
        else f"None is sure once false alarms over all {count(compared)} comparisons are controlled"
    )
    return (
        f"{outside} of {len(own)} comparisons of provider cost with case mix {'is' if outside == 1 else 'are'} "
        f"outside the 95% limits and {far} outside the 99.8% limits. By chance alone that would be about "
        f"{0.05 * len(own):.1f} and {0.002 * len(own):.1f}. {sure}."
    )


def _months(series: pd.DataFrame, chance: float) -> str:
    if series.empty:
        return "No monthly series is long enough and large enough to judge."
    signals = series[series["signal"]]
    text = (
        f"{len(signals)} of {len(series)} monthly series of activity show a change in the year "
        f"(chance alone would show about {chance * len(series):.0f})"
    )
    if not signals["sure"].any():
        return f"{text}; none is sure."
    first = signals.iloc[0]
    return f"{text}; {int(signals['sure'].sum())} sure, the largest in {first['series']}: {first['finding']}."


def outlier_counts(own: pd.DataFrame, series: pd.DataFrame, *, compared: int) -> Disclosed:
    """Return how many comparisons and monthly series were made and how many are sure: one row, of no patients."""
    sure = [int(table[column].eq(True).sum()) for table, column in ((own, "stands_out"), (series, "sure"))]
    row = {"here_rows": len(own), "all_rows": compared, "sure_rows": sure[0]}
    return disclose(pd.DataFrame([row | {"series_rows": len(series), "sure_series_rows": sure[1]}]), counts=[])


def outlier_finding(counts: Disclosed, comparisons: Disclosed, series: pd.DataFrame) -> Finding:
    """Return who stands out once false alarms are controlled: by cost, else by activity, else nobody.

    Parameters
    ----------
    counts : Disclosed
        `outlier_counts`.
    comparisons : Disclosed
        `findings` of the area, the furthest first.
    series : DataFrame
        `series_words` of the area's monthly series, as the notebook's table of months shows them.
    """
    question, row = QUESTIONS[3], counts.frame.iloc[0]
    here, everywhere = count(row["here_rows"]), count(row["all_rows"])
    if not row["here_rows"] and not row["series_rows"]:
        why = "no provider here has enough patients to be compared"
        return unknown(question, "We cannot say who stands out", why)
    checked = f"We compared what {here} groups of patients cost with what is usual for such patients."
    checked = checked if row["here_rows"] else "No provider here has enough patients for its cost to be compared."
    sure = comparisons.frame[comparisons.frame["how_sure"] == SURE["sure"]]
    figure = Headline(count(row["sure_rows"]), "provider costs that stand out beyond chance", f"of {here} compared")
    reason = Confidence("high", f"false alarms are controlled over all {everywhere} comparisons in every area")
    if len(sure):
        first = sure.iloc[0]
        title = f"{first['provider']} stands out: {inside(first['finding'])}"
        means = f"This may be warranted by {first['may_be_warranted_by']}."
        lines = (f"{checked} {count(len(sure))} stand out.", means, "Ask the provider for its reasons before acting.")
        return Finding(question, title, lines, reason, "funnel", "", figure)
    none = f"{checked} None stands out by more than chance." if row["here_rows"] else checked
    months = series[series["sure"].eq(True)] if "sure" in series else series.iloc[:0]
    if months.empty:
        unseen = Confidence("medium", "with few patients a difference may not show")
        return Finding(question, "Nobody stands out", (none, "There is nothing to act on."), unseen)
    first = months.iloc[0]
    provider = str(first["series"]).rpartition(", ")[2]
    what = str(first["series"]).removesuffix(f", {provider}")
    lines = (
        f"{none} Activity did change: {count(row['sure_series_rows'])} of {count(row['series_rows'])} monthly series.",
        f"The largest change is in {what}: {first['finding']}. A new service, or a new way to record, may explain it.",
        "Ask the provider why, before you plan on this level of activity.",
    )
    title = f"No provider's cost stands out, but activity has changed at {provider}"
    unseen = Confidence("medium", "the change is sure, but with few patients a difference in cost may not show")
    return Finding(question, title, lines, unseen, "months")


@dataclass(frozen=True)
class About:
    """Whom a drill-down is about, what it found, in words, and whose cost it splits, by column."""

    provider: str
    note: str
    whose: Mapping[str, str] = field(default_factory=dict)


def about(row: Mapping[str, Any] | NotComputable, *, names: Mapping[str, str], titles: Mapping[str, str]) -> About:
    """Return whom `variation.explain` explained and what was found there, or why nothing was."""
    if isinstance(row, NotComputable):
        return About("no provider", f"Not computable: {row.reason}.")
    numbers = ["pathways", "excess_gbp", "difference_pct"]
    released = disclose(pd.DataFrame([row])[numbers], counts="pathways").frame.iloc[0]
    finding = _finding({**row, **released}, names, titles)
    why = f" This may be warranted by {finding['may_be_warranted_by']}." if finding["may_be_warranted_by"] else ""
    whose = {"pathway": titles.get(row["pathway"], say(row["pathway"])), "provider": str(finding["provider"])}
    note = f"{finding['finding']}. {finding['how_sure']}.{why}"
    return About(whose["provider"], note, whose | {"provider_code": row["provider_code"]})
