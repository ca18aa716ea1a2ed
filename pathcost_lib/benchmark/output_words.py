"""What notebook 09 says of its numbers: productivity, what moved the cost, and care out of hospital."""

from __future__ import annotations

import pandas as pd

from pathcost_lib.present.disclosure import Disclosed
from pathcost_lib.present.format import percent

__all__ = ["headings", "productivity_message", "shift_sentence"]

#: Headings of the notebook's tables where the column's own name will not do.
headings = {
    "whom": "Of",
    "index": "Productivity",
    "activity_index": "Activity",
    "mix_index": "Mix",
    "output_index": "Output",
    "cost_index": "Cost",
    "price_index": "Prices",
    "input_index": "Input",
    "own_cost_pct": "Cost that counts",
    "cost_out_pct": "Of the cost",
    "contacts_out_pct": "Of contacts",
    "ageing_pct": "By ageing alone",
}


def productivity_message(
    table: Disclosed, shift: Disclosed, *, area: str, year: str, before: str, prices: str = "", adjusted: bool = False
) -> str:
    """Return the message: the output for each pound of input against the year before, with its interval; the shift.

    Parameters
    ----------
    table : Disclosed
        `benchmark.output_view.productivity_table`.
    shift : Disclosed
        `benchmark.output_view.left_shift`, charted.
    area, year, before : str
        What the area is called; the two financial years.
    prices : str
        By what inputs are deflated, in words (`InputPrices.words`).
    adjusted : bool
        Whether output is adjusted for quality, by a file of one's own.
    """
    rows = table.frame[table.frame["kind"] == "area"].dropna(subset=["index"])
    if rows.empty:
        text = (
            f"{area}: productivity of {year} is not computable: the data do not hold {before} too, or hold too few "
            "costs of the providers' own."
        )
        return f"{text} {shift_sentence(shift)}".strip()
    row = rows.iloc[0]
    low, high = row["index_lower_95"], row["index_upper_95"]
    reach = f"95% interval {_change(low)} to {_change(high)}"
    if low <= 100 <= high:
        text = f"{area}: no clear change in productivity from {before} to {year} ({reach})."
    else:
        text = f"{area}: {_change(row['index'])} output for the same input from {before} to {year} ({reach})."
    text += (
        f" Cost moved by {_change(row['cost_index'])}: activity {_change(row['activity_index'])}, mix "
        f"{_change(row['mix_index'])}, prices {_change(row['price_index'])}, and input for the same output the rest. "
        f"It rests on the {percent(row['own_cost_pct'])} of the cost that is the providers' own."
    )
    text += f" Inflation is taken out by {prices}." if prices else ""
    text += " Output is adjusted for quality, by an index of your own." if adjusted else ""
    return f"{text} {shift_sentence(shift)}".strip()


def _change(index: float) -> str:
    """Return an index as a change: 101.3 is +1.3%, 103.0 is +3%."""
    if pd.isna(index):
        return "not known"
    step = round(float(index) - 100, 1)
    return f"{'+' if step > 0 else '−' if step < 0 else ''}{abs(step):g}%"


def shift_sentence(shift: Disclosed) -> str:
    """Return how the share of cost out of hospital moved, and whether that is more than its usual ups and downs.

    Empty where a month is hidden, or the year before is not held.
    """
    frame = shift.frame
    if frame.empty or frame["judged"].nunique() < 2 or frame["cost_out_pct"].isna().any():
        return ""
    months = frame[frame["judged"] & frame["special_cause"]]
    mean = {year: frame.loc[frame["judged"] == year, "cost_out_pct"].mean() for year in (False, True)}
    aged = frame.loc[frame["judged"], "ageing_pct"].mean()
    beside = "" if pd.isna(aged) else f"; ageing alone would give {percent(aged, 1)}"
    here, there = percent(mean[True], 1), percent(mean[False], 1)
    text = f"Out of hospital is {here} of the cost in an average month, {there} the year before{beside}."
    if frame["centre"].isna().all():
        return text
    beyond = "No month is" if months.empty else "One month is" if len(months) == 1 else f"{len(months)} months are"
    return f"{text} {beyond} beyond the usual ups and downs."
