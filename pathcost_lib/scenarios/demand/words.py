"""What notebook 05 says of its numbers, no surer than they; and what a board is asked to plan on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd

from pathcost_lib.codes import financial_year_from
from pathcost_lib.present.disclosure import Disclosed
from pathcost_lib.present.findings import QUESTIONS, Finding, Headline, confidence, unknown
from pathcost_lib.present.format import inside, interval, plain_pounds, short_pounds

#: An amount that is no change: without a sign before it.
_POUNDS = partial(short_pounds, plus="")

#: What a reader calls the columns of `CostPath.table`, in the order of the steps.
DRIVERS = {
    "base_gbp": "Base year",
    "demographic_gbp": "Size and age of the population",
    "health_status_gbp": "Health at a given age",
    "non_demographic_gbp": "Use at a given age",
    "level_up_gbp": "Levelling up",
    "waiting_list_gbp": "Backlog of the year",
    "price_gbp": "Pay and prices",
    "interaction_gbp": "Interaction",
    "cost_gbp": "Last year",
}
#: Headings of the notebook's tables where the column's own name will not do.
HEADINGS = {
    "growth": "What grows",
    "uncosted_pct": "Without a cost",
    "ageing_pct": "Population alone",
    "growth_pct": "All drivers",
    "p50_gbp": "Median",
    "mean_gbp": "Mean",
    "central_gbp": "At mean assumptions",
    "compounding_bias_pct": "Bias of the mean",
    "change_gbp": "Cost or change",
    "allocation_gbp": "Funding",
    "efficiency_gbp": "Efficiency would save",
    "at_low_gbp": "At its low value",
    "at_high_gbp": "At its high value",
    "swing_gbp": "Between the two",
    "mase": "MASE",
    "naive_mase": "MASE of the naive",
    "coverage_80_pct": "Months inside the 80% interval",
}
_ASSUMPTIONS = {
    "non_demographic_pct": ("Use", "% a year"),
    "waiting_list_pct": ("Backlog", "% of a year's activity"),
    "health_status_years": ("Health at a given age", "years of age a year"),
    "level_up_share": ("Levelling up", "of the gap"),
    "price_pct": ("Pay and prices", "% a year"),
}


def assumptions(swings: pd.DataFrame, services: Mapping[str, str]) -> pd.DataFrame:
    """Return swings with each assumption in words, and what is assumed in place of its values.

    Parameters
    ----------
    swings : DataFrame
        From `scenarios.tornado`.
    services : mapping of POD to str
        What each POD is called; "*" stands for all other services.
    """
    rows = []
    for assumption, low, high in zip(swings["assumption"], swings["p10"], swings["p90"], strict=True):
        kind, _, pod = str(assumption).partition(".")
        name, measure = _ASSUMPTIONS[kind]
        name += f": {services.get(pod, 'all other services')}" if pod else ""
        rows.append((name, f"{low:.2f} to {high:.2f} {measure}".replace("-", "−")))
    named = pd.DataFrame(rows, columns=["assumption", "assumed"], index=swings.index)
    return pd.concat([named, swings.drop(columns=["assumption", "p10", "p90"])], axis=1)


def outlook_message(cost: Disclosed, gap: Disclosed, drivers: Disclosed, *, area: str, price_base: str) -> str:
    """Return the message: cost in the last year and its interval, the gap to funding, and the largest driver.

    Parameters
    ----------
    cost, gap, drivers : Disclosed
        Tables of notebook 05.
    area, price_base : str
        The organisation; the financial year of the pounds.

    Notes
    -----
    The gap is given with its 80 % interval; within a quarter of that interval of zero it is "about break-even".
    """
    if "not_computable" in cost.frame:
        return f"{area}: demand is not projected. {cost.frame['not_computable'].iloc[0]}"
    whole = cost.frame[cost.frame["setting"] == cost.frame["setting"].iloc[0]]
    first, last = whole.iloc[0], whole.iloc[-1]
    widest = gap.frame[gap.frame["year"] == last["year"]].iloc[-1]
    steps = drivers.frame.iloc[1:-1]
    largest = steps.iloc[int(steps["change_gbp"].abs().argmax())]
    return (
        f"{area}, if nothing changes: cost goes from {_POUNDS(first['p50_gbp'])} in {_year(first['year'])} to "
        f"{_POUNDS(last['p50_gbp'])} in {_year(last['year'])} "
        f"(80% interval {interval(last['lower_80'], last['upper_80'], _POUNDS)}, pounds of {price_base}). "
        f"Against funding: {_against_funding(widest)}. "
        f"Largest driver: {str(largest['driver']).lower()}, {short_pounds(largest['change_gbp'])}."
    )


def _against_funding(row: pd.Series) -> str:
    low, high = row["gap_lower_80"], row["gap_upper_80"]
    return f"{gap_words(row['gap_gbp'], low, high)} ({_reach(low, high)})"


def _reach(low: float, high: float) -> str:
    """Return the interval of the gap in words: on which side of the funding it lies."""
    if low <= 0 <= high:
        return f"80% interval {_POUNDS(-low)} under to {_POUNDS(high)} over the funding assumed"
    return f"80% interval {interval(*_ends(low, high), _POUNDS)}"


def _year(value: float) -> str:
    return financial_year_from(int(value))


def gap_decision(gap: Disclosed, tornado: Disclosed | None = None) -> dict[str, Any]:
    """Return what to plan on: the gap in the last year with its 80 % interval, and what decides most of it.

    Parameters
    ----------
    gap, tornado : Disclosed
        Tables of notebook 05; the gap's last year is the headline figure.
    """
    last = gap.headline(["gap_gbp", "gap_lower_80", "gap_upper_80"])
    if last is None or last.frame.isna().any(axis=None):
        return {}
    low, high = last.frame["gap_lower_80"].iloc[0], last.frame["gap_upper_80"].iloc[0]
    year = f"{gap.frame['year'].iloc[-1]:.0f}"
    text = f"Plan on {gap_words(last.frame['gap_gbp'].iloc[0], low, high)} in {year} ({_reach(low, high)})"
    if most := _matters_most(tornado):
        text += f"; {most} {_decide(most)} most of it"
    text += "."
    headings = {"gap_gbp": f"Gap to funding in {year} (80% interval)"}
    return {"decision": text, "figures": last, "headings": headings}


def _matters_most(tornado: Disclosed | None) -> str:
    """Return the assumption that moves the gap most, as it stands inside a sentence; empty where that is not known."""
    if tornado is None or "swing_gbp" not in tornado.frame or tornado.frame.empty:
        return ""
    return inside(str(tornado.frame.sort_values("swing_gbp").iloc[-1]["assumption"]))


def _decide(names: str) -> str:
    return "decide" if " and " in names else "decides"


def gap_words(gap: float, low: float, high: float) -> str:
    """Return the gap as it is said: "about break-even" within a quarter of its interval of zero."""
    if low <= 0 <= high and abs(gap) <= (high - low) / 4:
        return "about break-even"
    spoken = _POUNDS(abs(gap))
    return f"a gap of about {spoken}" if gap > 0 else f"about {spoken} less than the funding assumed"


def _ends(low: float, high: float) -> tuple[float, float]:
    return min(abs(low), abs(high)), max(abs(low), abs(high))


def outlook_finding(cost: Disclosed, gap: Disclosed, tornado: Disclosed) -> Finding:
    """Return what is coming if nothing changes: cost, the gap to the funding assumed, and what decides it.

    Parameters
    ----------
    cost, gap, tornado : Disclosed
        Tables of notebook 05.
    """
    question = QUESTIONS[5]
    if "not_computable" in cost.frame:
        why = str(cost.frame["not_computable"].iloc[0]).rstrip(".")
        return unknown(question, "We cannot say what is coming", inside(why))
    whole = cost.frame[cost.frame["setting"] == cost.frame["setting"].iloc[0]]
    first, last = whole.iloc[0], whole.iloc[-1]
    row = gap.frame[gap.frame["year"] == last["year"]].iloc[-1]
    low, high = row["gap_lower_80"], row["gap_upper_80"]
    start, end, year = plain_pounds(first["p50_gbp"]), plain_pounds(last["p50_gbp"]), _year(last["year"])
    words = gap_words(row["gap_gbp"], low, high)
    funding = _funding(words, sure=not low <= 0 <= high)
    title = f"If nothing changes, cost goes from {start} to {end} by {year}, and funding {funding}"
    reach = interval(last["lower_80"], last["upper_80"], plain_pounds)
    seen = f"Cost goes from {start} in {_year(first['year'])} to {end} in {year}. Eight in ten futures give {reach}."
    if low <= 0 <= high:
        means = f"On the funding assumed, we end between {plain_pounds(low)} in hand and {plain_pounds(high)} short."
    else:
        ends = interval(*_ends(low, high), plain_pounds)
        means = f"On the funding assumed, we end {ends} {'short' if low > 0 else 'in hand'}."
    todo = f"Plan on {words}."
    if most := _matters_most(tornado):
        todo += f" Test the plan first against {most.replace(': ', ' of ')}, which {_decide(most)} most of it."
    same = "the range of futures includes both enough funding and too little"
    reason = confidence(low, high, checked=False, same=same, doubt="it rests on assumptions over many years")
    figure = Headline(end, f"cost in {year} if nothing changes", f"{start} in {_year(first['year'])}")
    return Finding(question, title, (seen, means, todo), reason, "gap", "Gap", figure)


def _funding(words: str, *, sure: bool) -> str:
    """Return what funding does, from `gap_words`, as sure as the interval of the gap is."""
    if words == "about break-even":
        return "may keep pace"
    if words.startswith("a gap"):
        return "falls short" if sure else "may fall short"
    return "is more than enough" if sure else "may be more than enough"
