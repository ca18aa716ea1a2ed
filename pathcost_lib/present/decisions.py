"""What a board is asked to decide, and the headline figure: from the numbers behind the message, no surer than they.

Each function returns what `present.message` takes beside the message itself.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd

from pathcost_lib.present.disclosure import Disclosed
from pathcost_lib.present.format import interval, pounds, say, short_pounds
from pathcost_lib.present.savings import providers_named

__all__ = ["gap_decision", "gap_words", "lower_first", "opportunity_decision", "savings_decision"]

_POUNDS = partial(short_pounds, plus="")


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
            f"Decide whether to look into {say(largest['claim'])} first: {pounds(largest['once_gbp'])} of the "
            f"{pounds(found['once_gbp'].sum())} {span} above the target, at full cost and before case mix is looked at."
        )
    part = "" if span == "a year" else f" {span}"
    return {
        "decision": said,
        "figures": whole,
        "headings": {"value_gbp": f"Cost per person{part} at equal age and sex"},
    }


def gap_decision(gap: Disclosed, tornado: Disclosed | None = None) -> dict[str, Any]:
    """Return what to plan on: the gap in the last year with its 80 % interval, and what decides most of it.

    Parameters
    ----------
    gap, tornado : Disclosed
        Tables of a `scenarios.DemandOutlook`; the gap's last year is the headline figure.
    """
    last = gap.headline(["gap_gbp", "gap_lower_80", "gap_upper_80"])
    if last is None or last.frame.isna().any(axis=None):
        return {}
    low, high = last.frame["gap_lower_80"].iloc[0], last.frame["gap_upper_80"].iloc[0]
    year = f"{gap.frame['year'].iloc[-1]:.0f}"
    if low <= 0 <= high:
        reach = f"{_POUNDS(-low)} under to {_POUNDS(high)} over the funding assumed"
    else:
        reach = interval(*_ends(low, high), _POUNDS)
    said = f"Plan on {gap_words(last.frame['gap_gbp'].iloc[0], low, high)} in {year} (80% interval {reach})"
    if tornado is not None and "swing_gbp" in tornado.frame and len(tornado.frame):
        most = tornado.frame.sort_values("swing_gbp").iloc[-1]
        name = str(most["assumption"])
        said += f"; {lower_first(name)} {'decide' if ' and ' in name else 'decides'} most of it"
    said += "."
    headings = {"gap_gbp": f"Gap to funding in {year} (80% interval)"}
    return {"decision": said, "figures": last, "headings": headings}


def gap_words(gap: float, low: float, high: float) -> str:
    """Return the gap as it is said: "about break-even" within a quarter of its interval of zero."""
    if low <= 0 <= high and abs(gap) <= (high - low) / 4:
        return "about break-even"
    spoken = _POUNDS(abs(gap))
    return f"a gap of about {spoken}" if gap > 0 else f"about {spoken} less than the funding assumed"


def _ends(low: float, high: float) -> tuple[float, float]:
    return min(abs(low), abs(high)), max(abs(low), abs(high))


def lower_first(text: str) -> str:
    """Return a phrase as it stands inside a sentence."""
    return text[:1].lower() + text[1:]


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
    made_whole = f", with {short_pounds(moved, plus='')} of transition payments so that none is worse off"
    said = f"Decide whether to go on with {title}{made_whole if moved else ''}."
    if high < 0:
        said = f"Decide not to go on with {title} as it stands: the system is expected to lose."
    elif low <= 0:
        said = f"Ask for better evidence on {title} before it goes on: whether the system gains is not certain."
    headings = {"net_present_value_gbp": "Net present value to the system (80% interval)"}
    named = providers_named(worth.frame)
    return {"decision": said, "figures": whole, "headings": headings, "named": named}
