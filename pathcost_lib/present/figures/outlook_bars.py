"""Bars of an outlook: what drives cost, which assumption matters most, and how the ages of people change."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from pathcost_lib.present import style
from pathcost_lib.present.figures._common import axis_title, empty, key, margin_text, rows_down
from pathcost_lib.present.format import count, interval, pounds, short_pounds, signed_pounds, tick_pounds

__all__ = [
    "age_pyramid",
    "describe_age_pyramid",
    "describe_driver_steps",
    "describe_tornado",
    "driver_steps",
    "tornado",
]


def driver_steps(ax: Axes, table: pd.DataFrame) -> Axes:
    """Draw the steps from the base year's cost to the last year's; those that are nil are left out.

    The two ends are marks, not bars, because the axis does not start at zero.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        driver, change_gbp: the base first, the last year's total last, and steps between that add up to it.
    """
    if "not_computable" in table:
        return empty(ax, str(table["not_computable"].iloc[0]))
    rows = table[table["change_gbp"] != 0].reset_index(drop=True)
    level, ends, last = 0.0, [], len(rows) - 1
    for row, item in enumerate(rows.to_dict("records")):
        step, whole = item["change_gbp"], row in (0, last)
        color = style.FOCUS if whole else style.MORE if step > 0 else style.LESS
        if whole:
            ax.plot(step, row, marker="o" if row else "D", ms=9, color=color, lw=0)
        else:
            ax.barh(
                row, step, left=level, height=0.56, color=color, hatch="" if step > 0 else "////", edgecolor="white"
            )
        margin_text(ax, row, short_pounds(step, plus="" if whole else "+"), color=color, bold=whole)
        level = step if whole else level + step
        ends.append(level)
        if row < last:
            ax.plot([level, level], [row, row + 1], color=style.MUTED, lw=0.8, zorder=0)
    rows_down(ax, rows["driver"], bold=[0, last])
    room = max(0.12 * (max(ends) - min(ends)), 1.0)
    ax.set_xlim(min(ends) - room, max(ends) + room)
    _pounds_axis(ax, "£ a year (the axis does not start at zero)")
    handles = [Patch(color=style.MORE), Patch(facecolor=style.LESS, hatch="////", edgecolor="white")]
    key(ax, handles, ["Adds to cost", "Takes from cost"])
    return ax


def describe_driver_steps(table: pd.DataFrame) -> str:
    """Return the alternative text: every step."""
    if "not_computable" in table:
        return str(table["not_computable"].iloc[0])
    first, *steps, last = table.to_dict("records")
    said = "; ".join(f"{row['driver']}: {signed_pounds(row['change_gbp'])}" for row in steps if row["change_gbp"])
    return f"From {pounds(first['change_gbp'])} to {pounds(last['change_gbp'])}, driver by driver. {said}."


def tornado(ax: Axes, table: pd.DataFrame, *, most: int = 8) -> Axes:
    """Draw how far each assumption moves the last year's cost, from its low value to its high one.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        assumption, at_low_gbp, at_high_gbp (change from central), largest swing first.
    most : int
        How many to draw.
    """
    if "not_computable" in table or table.empty:
        return empty(ax, str(table.get("not_computable", pd.Series(["No assumption is uncertain."])).iloc[0]))
    rows = table[table["swing_gbp"] > 0].head(most)
    for row, item in enumerate(rows.to_dict("records")):
        ax.barh(row, item["at_low_gbp"], height=0.56, color=style.LESS, hatch="////", edgecolor="white")
        ax.barh(row, item["at_high_gbp"], height=0.56, color=style.MORE)
        margin_text(ax, row, f"±{short_pounds(item['swing_gbp'] / 2, plus='')}")
    ax.axvline(0, color=style.INK, lw=1)
    rows_down(ax, rows["assumption"])
    _pounds_axis(ax, "Change in the last year's cost, £ a year")
    low = Patch(facecolor=style.LESS, hatch="////", edgecolor="white")
    key(ax, [low, Patch(color=style.MORE)], ["At its low value", "At its high value"])
    return ax


def describe_tornado(table: pd.DataFrame, *, most: int = 8) -> str:
    """Return the alternative text: the assumptions that matter most."""
    if "not_computable" in table:
        return str(table["not_computable"].iloc[0])
    said = [
        f"{row['assumption']} ({row['assumed']}): " + interval(row["at_low_gbp"], row["at_high_gbp"], signed_pounds)
        for row in table[table["swing_gbp"] > 0].head(most).to_dict("records")
    ]
    return f"How far each assumption moves the last year's cost. {'; '.join(said) or 'None is uncertain'}."


def _pounds_axis(ax: Axes, text: str) -> None:
    ax.locator_params(axis="x", nbins=4 if style.compact(ax) else 7)
    ax.xaxis.set_major_formatter(lambda value, _: tick_pounds(value))
    axis_title(ax, text)
    ax.grid(True, axis="x")


def age_pyramid(ax: Axes, table: pd.DataFrame, *, base_year: int, last_year: int) -> Axes:
    """Draw people by age and sex: the base year as filled bars, the last year as outlines.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        band, sex, base_persons, last_persons, youngest first.
    base_year, last_year : int
        What the two are called.
    """
    if "not_computable" in table:
        return empty(ax, str(table["not_computable"].iloc[0]))
    bands = list(table["band"].drop_duplicates())
    for sex, side, color in (("female", -1, style.FOCUS), ("male", 1, "#e0a030")):
        rows = table[table["sex"] == sex].set_index("band").reindex(bands)
        ax.barh(range(len(bands)), side * rows["base_persons"], height=0.84, color=color, alpha=0.55)
        ax.barh(range(len(bands)), side * rows["last_persons"], height=0.84, fill=False, edgecolor=style.INK, lw=1.1)
    ax.axvline(0, color=style.PAPER, lw=1)
    ax.set_yticks(range(len(bands)), bands, fontsize=7)
    ax.locator_params(axis="x", nbins=5 if style.compact(ax) else 9)
    ax.xaxis.set_major_formatter(lambda value, _: count(abs(value)))
    axis_title(ax, "Persons: women and girls to the left, men and boys to the right")
    handles = [
        Patch(color=style.FOCUS, alpha=0.55),
        Patch(color="#e0a030", alpha=0.55),
        Patch(fill=False, edgecolor=style.INK),
    ]
    key(ax, handles, [f"Female, {base_year}", f"Male, {base_year}", str(last_year)])
    return ax


def describe_age_pyramid(table: pd.DataFrame, *, base_year: int, last_year: int) -> str:
    """Return the alternative text: people in all and at 65 and over, then and now."""
    if "not_computable" in table:
        return str(table["not_computable"].iloc[0])
    old = table["band"].str.extract(r"(\d+)")[0].astype(int) >= 65
    columns = ["base_persons", "last_persons"]
    (all_base, all_last), (old_base, old_last) = table[columns].sum(), table.loc[old, columns].sum()
    return (
        f"People by age and sex. In all {count(all_base)} in {base_year} and {count(all_last)} in {last_year}; "
        f"aged 65 and over {count(old_base)} and {count(old_last)}."
    )
