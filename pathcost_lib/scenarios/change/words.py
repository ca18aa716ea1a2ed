"""What notebook 06 says of its numbers, no surer than they; and what a board is asked to decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pathcost_lib.present.disclosure import Disclosed
from pathcost_lib.present.findings import QUESTIONS, Finding, Headline, confidence, unknown
from pathcost_lib.present.format import begin, interval, plain_pounds, short_pounds
from pathcost_lib.present.naming import Named
from pathcost_lib.scenarios.change.check_words import checks_finding, checks_message

#: Headings of each of the notebook's tables where the column's own name will not do.
HEADINGS: dict[str, dict[str, str]] = {
    "assumptions": {
        "effect_pct": "Share of activity changed",
        "persons": "Persons in scope",
        "left_out": "Left out because",
    },
    "waterfall": {"change_gbp": "Change", "running_gbp": "Left"},
    "years": {
        "ramp_pct": "Along the ramp",
        "destination_gbp": "Where activity moves to",
        "families_gbp": "Time and travel of patients and families (in no total)",
    },
    "compensation": {"transfer_gbp": "Transition payment"},
    "worth": {
        "net_present_value_gbp": "Net present value, median",
        "mean_gbp": "Mean of outcomes",
        "loss_chance": "Chance of a loss",
    },
    "beside": {
        "alone_gbp": "Alone",
        "together_gbp": "As part of all",
        "difference_gbp": "Alone less together",
        "net_present_value_gbp": "Net present value, alone",
    },
    "claimed": {
        "claim_gbp": "Claimed",
        "delivered_gbp": "Cost that it releases itself",
        "not_delivered_gbp": "Claimed and not delivered by it",
    },
    "totals": {
        "control_total_gbp": "Control total",
        "position_gbp": "Planned position",
        "at_risk_gbp": "Lost of payment at risk",
        "impact_gbp": "By the schemes",
        "after_gbp": "Position after",
        "variance_gbp": "Against the control total",
        "met": "Met",
    },
    "families": {
        "cost_goes_gbp": "Full cost of the activity that goes",
        "hours_saved": "Hours of their time",
        "time_gbp": "Worth of that time",
        "travel_gbp": "Travel",
        "families_gbp": "Time and travel",
        "equity_weight": "Equity weight",
        "weighted_gbp": "Time and travel, weighted",
    },
    "delivery": {"delivered_so_far_pct": "Delivered so far, of plan"},
    "register": {
        "over_claim_gbp": "Claimed beyond that",
        "system_gbp": "The system gains",
        "released_gbp": "Cost released",
        "transfer_gbp": "Only moves between organisations",
    },
    "checks": {
        "full_cost_gbp": "Claimed at full cost",
        "cash_gbp": "Released as cash",
        "carried_per_contact_gbp": "Each contact left carries",
        "average_contacts_gbp": "Average contacts go",
        "cheapest_contacts_gbp": "Cheapest contacts go",
    },
}
#: The row of all organisations that have none of their own.
OTHERS = "Other providers"
FAMILIES = "Patients, carers and families: their time and travel, in no organisation's total"
#: On what the pictures of who gains and who loses rest; what a scheme is worth is discounted and simulated.
UNDISCOUNTED = "over all years, not discounted"
#: How the transition payment is settled.
BY_YEAR = "Settled year by year: no organisation is worse off in any year."
NOT_AT_ALL = "Not computable: the system as a whole loses, and no transfer between its members can cover that."


def settled_in_all(reason: str) -> str:
    """Return that the transition payment is settled over all years, and why not year by year."""
    return f"Not year by year ({reason}); settled over all years together."


def savings_message(
    worth: pd.DataFrame,
    *,
    title: str,
    area: str,
    years: int,
    note: str = "",
    buyer: str = "the commissioner",
    checks: pd.DataFrame | None = None,
) -> str:
    """Return the message of a scenario.

    Parameters
    ----------
    worth : DataFrame
        organisation, net_present_value_gbp (p50), lower_80, upper_80: the commissioner first, the system last; or
        not_computable, with the reason.
    title, area : str
        The scenario; the organisation that the pack is for.
    years : int
        Years appraised.
    note : str
        What to know of the amounts.
    buyer : str
        What the first row is called in a sentence.
    checks : DataFrame, optional
        Rows of `run_checks`: what is answered where the file holds no scheme.

    Notes
    -----
    A gain or a loss is named as one only where its 80 % interval leaves zero out.
    """
    if "not_computable" in worth and checks is not None and "measure" in checks:
        return checks_message(checks, title=title, note=note)
    if "not_computable" in worth:
        return f"{title}, {area}. {worth['not_computable'].iloc[0]}"
    rows: list[dict[str, Any]] = [{str(k): v for k, v in r.items()} for r in worth.to_dict("records")]
    first, *providers, system = rows
    if pd.isna(system["net_present_value_gbp"]):
        return f"{title}, {area}: the schemes act on too few people to show who saves and who bears."
    # Only a loss whose interval leaves zero out is laid at a provider's door.
    sure = [p for p in providers if not pd.isna(p["net_present_value_gbp"]) and p["upper_80"] < 0]
    worst = min(sure, key=_middle, default=None)
    parts = [_said(first, buyer)]
    if worst is not None and _middle(worst) < 0:
        parts.append(_said(worst, worst["organisation"]))
    else:
        parts.append("No provider shown is surely worse off")
    parts.append(_said(system, "The system"))
    return f"{title}, {area}, {years} years in present value. {'. '.join(map(begin, parts))}. {note}".strip()


def touched_sentence(touched: pd.DataFrame, *, area: str, year: str = "") -> str:
    """Return what share of which cost the schemes act on; nothing where it is suppressed or not computable.

    Parameters
    ----------
    touched : DataFrame
        One row: touched_gbp, whole_gbp, touched_pct.
    area, year : str
        Whose cost, of which year (empty for the file's own baseline).
    """
    if "not_computable" in touched:
        return ""
    row = touched.iloc[0]
    part, whole = row["touched_gbp"], row["whole_gbp"]
    if pd.isna(part) or pd.isna(whole) or not whole:
        return ""
    share = 100 * part / whole
    text = "under 1%" if 0 < share < 1 else f"{share:.0f}%"
    of = f"the cost of {area}'s activity in {year}" if year else area
    # Not the whole: it counts stays by the year of their end, and 03 and 05 state it by the year of their start.
    return f"The schemes act on {text} of {of} ({_plain(part)})."


def providers_named(worth: pd.DataFrame) -> list[Named]:
    """Return the organisations of a scenario with the interval of what each gains or loses.

    Nothing is searched for: the scenario's own sums say who pays, so there are no false alarms to control.
    """
    if "lower_80" not in worth:
        return []
    rows = worth[["organisation", "lower_80", "upper_80"]].itertuples(index=False, name=None)
    return [Named(str(name), float(low), float(high), 0.0) for name, low, high in rows]


def _plain(value: float | None) -> str:
    return short_pounds(value).lstrip("+")


def _middle(row: Mapping[str, Any]) -> float:
    return float(row["net_present_value_gbp"])


def _said(row: Mapping[str, Any], who: str) -> str:
    middle, low, high = _middle(row), row["lower_80"], row["upper_80"]
    if pd.isna(middle):
        return f"{who}: not shown"
    reach = f"80% interval {interval(low, high, _plain)}"
    if _plain(low) == _plain(high):
        reach = "no uncertainty stated"
    several = who == OTHERS
    if abs(middle) < 0.5:
        return f"{who} neither {'gain nor lose' if several else 'gains nor loses'}"
    if low <= 0 <= high:
        return f"{who} may gain or lose ({short_pounds(middle)}; {reach})"
    gains, loses = ("gain", "are worse off by") if several else ("gains", "is worse off by")
    verb = gains if middle > 0 else loses
    return f"{who} {verb} {_plain(abs(middle))} ({reach})"


def savings_decision(worth: Disclosed, compensation: Disclosed, *, title: str) -> dict[str, Any]:
    """Return what to do about a scenario, and who is made whole.

    To go on with it, to stop it, or to ask for better evidence: a gain or a loss is taken as one only where the 80 %
    interval of the system's net present value leaves zero out.
    """
    whole = worth.headline(["net_present_value_gbp", "lower_80", "upper_80"], organisation="System")
    if whole is None or pd.isna(whole.frame["lower_80"].iloc[0]):
        return {}
    low, high = whole.frame["lower_80"].iloc[0], whole.frame["upper_80"].iloc[0]
    paid = compensation.frame["transfer_gbp"] if "transfer_gbp" in compensation.frame else pd.Series(dtype=float)
    moved = paid[paid > 0].sum()
    made_whole = (
        f", with {short_pounds(moved, plus='')} of transition payments ({UNDISCOUNTED}) so that none is worse off"
    )
    text = f"Decide whether to go on with {title}{made_whole if moved else ''}."
    if high < 0:
        text = f"Decide not to go on with {title} as it stands: the system is expected to lose."
    elif low <= 0:
        text = f"Ask for better evidence on {title} before it goes on: whether the system gains is not certain."
    headings = {"net_present_value_gbp": "Net present value to the system (80% interval)"}
    named = providers_named(worth.frame)
    return {"decision": text, "figures": whole, "headings": headings, "named": named}


def savings_finding(
    worth: Disclosed,
    compensation: Disclosed,
    *,
    title: str,
    buyer: str = "the commissioner",
    checks: pd.DataFrame | None = None,
) -> Finding:
    """Return what a scenario saves the system, who bears it, and what makes them whole.

    Parameters
    ----------
    worth, compensation : Disclosed
        Tables of notebook 06.
    title : str
        The scenario.
    buyer : str
        What the first row is called in a sentence.
    checks : DataFrame, optional
        Rows of `run_checks`: what is answered where the file holds no scheme.
    """
    question, cannot = QUESTIONS[6], f"We cannot say who saves from {title}"
    if "not_computable" in worth.frame and checks is not None and "measure" in checks:
        return checks_finding(checks, title=title)
    if "not_computable" in worth.frame:
        return unknown(question, cannot, str(worth.frame["not_computable"].iloc[0]).rstrip("."))
    rows: list[dict[str, Any]] = [{str(k): v for k, v in r.items()} for r in worth.frame.to_dict("records")]
    first, *providers, system = rows
    middle, low, high = (float(system[c]) for c in ("net_present_value_gbp", "lower_80", "upper_80"))
    if pd.isna(middle) or pd.isna(low):
        return unknown(question, cannot, "the schemes act on too few people")
    losers = sorted((p for p in providers if p["upper_80"] < 0), key=_middle)
    amount = plain_pounds(middle)
    whole = "may save or cost the system money" if low <= 0 <= high else f"would save the system {amount}"
    whole = f"would cost the system {amount}" if high < 0 else whole
    borne = f"; {losers[0]['organisation']} would bear {plain_pounds(_middle(losers[0]))}" if losers else ""
    ends = [plain_pounds(end) + ("" if low >= 0 else " gained" if end > 0 else " lost") for end in (low, high)]
    what = "worth about" if middle > 0 else "a loss of about"
    seen = f"Over its years, {title} is {what} {amount} to the system, in today's value. "
    seen += f"Eight in ten outcomes lie between {ends[0]} and {ends[1]}."
    means = "No provider is surely worse off."
    if losers:
        names = sorted((str(p["organisation"]) for p in losers[:3]), key=lambda name: name == OTHERS)
        names += [f"and {len(losers) - 3} more"] if len(losers) > 3 else []
        means = f"Surely worse off: {', '.join(names)}.".replace(f", {OTHERS}", f", {OTHERS.lower()}")
    if not pd.isna(first["net_present_value_gbp"]):
        verb = "gains" if first["net_present_value_gbp"] > 0 else "loses"
        means = f"{begin(buyer)} {verb} {plain_pounds(first['net_present_value_gbp'])}. {means}"
    todo = (
        "Ask for evidence of the effects before you go on."
        if low <= 0
        else "Agree who pays for the years until it saves."
    )
    paid = compensation.frame["transfer_gbp"] if "transfer_gbp" in compensation.frame else pd.Series(dtype=float)
    if low > 0 and paid[paid > 0].sum():
        todo += f" Payments of {plain_pounds(paid[paid > 0].sum())} between us, {UNDISCOUNTED}, leave nobody worse off."
    same = "the range of outcomes includes both a gain and a loss"
    sure = confidence(low, high, checked=False, same=same, doubt="the effects are assumed and not yet seen here")
    figure = Headline(amount, f"worth of {title} to the system", f"from {ends[0]} to {ends[1]}")
    lines = (seen, means, todo)
    return Finding(question, f"{title} {whole}{borne}", lines, sure, "matrix", "Worth", figure)
