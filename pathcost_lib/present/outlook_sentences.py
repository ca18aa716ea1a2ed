"""The line on the cover about demand, cost and funding, never more certain than its numbers."""

from __future__ import annotations

from functools import partial

import pandas as pd

from pathcost_lib.present.decisions import gap_words
from pathcost_lib.present.disclosure import Disclosed
from pathcost_lib.present.format import interval, short_pounds

__all__ = ["outlook_message"]


#: An amount that is no change: without a sign before it.
_POUNDS = partial(short_pounds, plus="")


def outlook_message(cost: Disclosed, gap: Disclosed, drivers: Disclosed, *, area: str, price_base: str) -> str:
    """Return the message: cost in the last year and its interval, the gap to funding, and the largest driver.

    Parameters
    ----------
    cost, gap, drivers : Disclosed
        Tables of a `scenarios.DemandOutlook`.
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
        f"(80% interval {interval(last['lower_80'], last['upper_80'], _POUNDS)}, pounds of {price_base}), "
        f"against funding {_against_funding(widest)}. "
        f"Largest driver: {str(largest['driver']).lower()}, {short_pounds(largest['change_gbp'])}."
    )


def _against_funding(row: pd.Series) -> str:
    low, high = row["gap_lower_80"], row["gap_upper_80"]
    words = gap_words(row["gap_gbp"], low, high)
    if low <= 0 <= high:
        return f"{words} (80% interval {_POUNDS(-low)} under to {_POUNDS(high)} over the funding assumed)"
    reach = interval(min(abs(low), abs(high)), max(abs(low), abs(high)), _POUNDS)
    return f"{words} (80% interval {reach})"


def _year(value: float) -> str:
    return f"{int(value)}-{(int(value) + 1) % 100:02d}"
