"""Figures of notebook 05: each takes an `ax` and a table, draws, and returns the `ax`.

`describe_...` is a figure's alternative text, and gives it its size.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import date2num
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pathcost_lib.present import style
from pathcost_lib.present.described import describes
from pathcost_lib.present.format import count, interval, percent, pounds, say, short_pounds, signed_pounds, tick_pounds
from pathcost_lib.present.shapes import axis_title, empty, key, margin_text, rows_down, wrapped

_BAND = "#a9cfe6"


def _panels(ax: Axes, table: pd.DataFrame, by: str, across: int, draw: Callable[[Axes, pd.DataFrame], str]) -> Axes:
    """Draw each group in a small chart of its own in the place of `ax`; `draw` returns the chart's second line."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines["bottom"].set_visible(False)
    names = list(table[by].drop_duplicates())
    across = 2 if len(names) == 4 else min(across, len(names))
    places = ax.get_subplotspec().subgridspec(-(-len(names) // across), across)  # type: ignore[union-attr]
    for number, name in enumerate(names):
        small = ax.figure.add_subplot(places[number // across, number % across])
        subtitle = draw(small, table[table[by] == name])
        title = [*wrapped(say(name), 24), subtitle]
        small.set_title("\n".join(title), loc="left", fontsize=7 if style.compact(ax) else 8, color=style.INK)
        small.tick_params(labelsize=7)
        small.grid(True, axis="y")
    return ax


def cost_fans(ax: Axes, table: pd.DataFrame) -> Axes:
    """Draw each setting's change in cost since the base year: 80 % band, median and mean, all on one scale.

    Parameters
    ----------
    ax : Axes
        Whose place the charts take.
    table : DataFrame
        setting, year, p50_gbp, lower_80, upper_80, mean_gbp (GBP); the first year is the base.
    """
    if "not_computable" in table:
        return empty(ax, str(table["not_computable"].iloc[0]))
    base = table.groupby("setting")["p50_gbp"].transform("first")
    change = table[["setting", "year", "p50_gbp"]].copy()
    for name in ("p50", "lower_80", "upper_80", "mean"):
        change[name] = 100 * (table[name if name in table else f"{name}_gbp"] / base - 1)
    floor, top = change["lower_80"].min(), change["upper_80"].max()

    def draw(small: Axes, rows: pd.DataFrame) -> str:
        small.fill_between(rows["year"], rows["lower_80"], rows["upper_80"], color=_BAND, lw=0)
        small.plot(rows["year"], rows["p50"], color=style.FOCUS, lw=1.6)
        small.plot(rows["year"], rows["mean"], color=style.INK, lw=1, dashes=(2, 2))
        small.set_ylim(floor - 3, top + 3)
        small.yaxis.set_major_formatter(lambda value, _: percent(value))
        small.set_xticks([rows["year"].min(), rows["year"].max()])
        return f"{short_pounds(rows['p50_gbp'].iloc[0], plus='')} to {short_pounds(rows['p50_gbp'].iloc[-1], plus='')}"

    drawn = _panels(ax, change, "setting", 2 if style.compact(ax) else 3, draw)
    handles = [Line2D([], [], color=style.FOCUS, lw=1.6), Line2D([], [], color=style.INK, lw=1, dashes=(2, 2))]
    key(ax, [*handles, Patch(color=_BAND)], ["Median (p50)", "Mean", "80% interval (p10 to p90)"])
    return drawn


@describes(cost_fans, height=5.4, tall=8.5)
def describe_cost_fans(table: pd.DataFrame) -> str:
    """Return the alternative text: each setting's cost in the base year and the last, with its interval."""
    if "not_computable" in table:
        return str(table["not_computable"].iloc[0])
    texts = []
    for setting, rows in table.groupby("setting", sort=False):
        last = rows.iloc[-1]
        reach = interval(last["lower_80"], last["upper_80"])
        texts.append(f"{say(setting)}: {pounds(rows['p50_gbp'].iloc[0])} to {pounds(last['p50_gbp'])} ({reach})")
    first, last_year = table["year"].min(), table["year"].max()
    return f"Cost in {first:.0f} and its median in {last_year:.0f} (80% interval). {'; '.join(texts)}."


def funding_gap(ax: Axes, table: pd.DataFrame) -> Axes:
    """Draw cost against funding for each scope, with the 80 % band of cost and what efficiency would save.

    Lines, not bars: the axis does not start at zero, so that the gap can be seen.

    Parameters
    ----------
    ax : Axes
        Whose place the charts take.
    table : DataFrame
        scope, year, cost_gbp, allocation_gbp, gap_gbp, gap_lower_80, gap_upper_80, efficiency_gbp (GBP).
    """
    if "not_computable" in table:
        return empty(ax, str(table["not_computable"].iloc[0]))

    saves = bool(table["efficiency_gbp"].any())

    def draw(small: Axes, rows: pd.DataFrame) -> str:
        year, funded = rows["year"], rows["allocation_gbp"]
        small.fill_between(year, funded + rows["gap_lower_80"], funded + rows["gap_upper_80"], color=_BAND, lw=0)
        small.plot(year, rows["cost_gbp"], color=style.FOCUS, lw=1.8)
        small.plot(year, funded, color=style.MORE, lw=1.8, dashes=(5, 2))
        if saves:
            small.plot(year, rows["cost_gbp"] - rows["efficiency_gbp"], color=style.LESS, lw=1.2, dashes=(1, 1.5))
        small.locator_params(axis="y", nbins=6)
        small.yaxis.set_major_formatter(lambda value, _: tick_pounds(value))
        small.set_xticks([year.min(), year.max()])
        return f"In {year.max():.0f} {_against_funding(rows.iloc[-1])} funding"

    drawn = _panels(ax, table, "scope", 1 if style.compact(ax) else 2, draw)
    handles = [
        Line2D([], [], color=style.FOCUS, lw=1.8),
        Patch(color=_BAND),
        Line2D([], [], color=style.MORE, lw=1.8, dashes=(5, 2)),
        Line2D([], [], color=style.LESS, lw=1.2, dashes=(1, 1.5)),
    ]
    names = ["Cost if nothing changes", "80% interval", "Funding", "Cost less efficiency"]
    key(ax, handles[: 3 + saves], names[: 3 + saves])
    return drawn


def _against_funding(last: pd.Series) -> str:
    """Return how far cost lies from funding: both ends where the interval holds either side, else the middle."""
    low, gap, high = (float(last[name]) for name in ("gap_lower_80", "gap_gbp", "gap_upper_80"))
    if low <= 0 <= high:
        return f"{short_pounds(-low, plus='')} below to {short_pounds(high, plus='')} above"
    return f"{short_pounds(abs(gap), plus='')} {'above' if gap > 0 else 'below'}"


@describes(funding_gap, height=3.2, tall=5.4)
def describe_funding_gap(table: pd.DataFrame) -> str:
    """Return the alternative text: each scope's cost, funding and gap in the last year."""
    if "not_computable" in table:
        return str(table["not_computable"].iloc[0])
    texts = [
        f"{row['scope']}: cost {pounds(row['cost_gbp'])}, funding {pounds(row['allocation_gbp'])}, gap "
        f"{pounds(row['gap_gbp'])} ({interval(row['gap_lower_80'], row['gap_upper_80'])})"
        for row in table[table["year"] == table["year"].max()].to_dict("records")
    ]
    return f"Cost against funding in {table['year'].max():.0f} (80% interval of the gap). {'; '.join(texts)}."


def monthly_forecasts(ax: Axes, table: pd.DataFrame) -> Axes:
    """Draw each series by month: what happened, what had been forecast, the seasonal naive, and the months to come.

    Parameters
    ----------
    ax : Axes
        Whose place the charts take.
    table : DataFrame
        series, month, actual, tested, naive, forecast, lower_80, upper_80; NaN where there is none.
    """
    if table.empty or "not_computable" in table:
        return empty(ax, "No forecast to show: no series has two whole years of months.")

    def draw(small: Axes, rows: pd.DataFrame) -> str:
        month = pd.to_datetime(rows["month"])
        small.fill_between(month, rows["lower_80"], rows["upper_80"], color=_BAND, lw=0)
        small.plot(month, rows["actual"], color=style.INK, lw=1.1)
        small.plot(month, rows["naive"], color=style.MUTED, lw=0.9, dashes=(1, 1.5))
        small.plot(month, rows["tested"], color=style.MORE, lw=1.1, dashes=(4, 1.5))
        small.plot(month, rows["forecast"], color=style.FOCUS, lw=1.4)
        small.set_ylim(0, 1.08 * rows[["actual", "upper_80"]].max().max())
        ends = [month.min(), month[rows["forecast"].notna()].min()]
        small.set_xticks(date2num(ends), [f"{end:%b %Y}" for end in ends], ha="left")
        small.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        return "number a month"

    drawn = _panels(ax, table, "series", 1 if style.compact(ax) else 3, draw)
    lines = [(style.INK, ()), (style.FOCUS, ()), (style.MORE, (4, 1.5)), (style.MUTED, (1, 1.5))]
    handles = [Line2D([], [], color=color, lw=1.3, dashes=dashes or (None, None)) for color, dashes in lines]
    tested = 4 if table["tested"].notna().any() else 2
    names = ["Actual", "Forecast", "Test: forecast from the months before", "Test: seasonal naive"]
    key(
        ax,
        [*handles[:tested], Patch(color=_BAND)],
        [*names[:tested], "80% interval"],
        columns=1 if style.compact(ax) else 3,
    )
    return drawn


def describe_monthly_forecasts(scores: pd.DataFrame) -> str:
    """Return the alternative text from the scores: each series' method and how it did against the seasonal naive."""
    texts = []
    for row in scores.to_dict("records"):
        tested = "not tested" if pd.isna(row["mase"]) else f"MASE {row['mase']:.2f} against {row['naive_mase']:.2f}"
        texts.append(f"{say(row['series'])}: {say(row['method']) if row['method'] else 'no forecast'}, {tested}")
    return (
        f"Activity by month with forecasts, and tests against the seasonal naive. {'; '.join(texts) or 'None shown'}."
    )


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


@describes(driver_steps)
def describe_driver_steps(table: pd.DataFrame) -> str:
    """Return the alternative text: every step."""
    if "not_computable" in table:
        return str(table["not_computable"].iloc[0])
    first, *steps, last = table.to_dict("records")
    text = "; ".join(f"{row['driver']}: {signed_pounds(row['change_gbp'])}" for row in steps if row["change_gbp"])
    return f"From {pounds(first['change_gbp'])} to {pounds(last['change_gbp'])}, driver by driver. {text}."


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


@describes(tornado, height=3.6, tall=5.2)
def describe_tornado(table: pd.DataFrame, *, most: int = 8) -> str:
    """Return the alternative text: the assumptions that matter most."""
    if "not_computable" in table:
        return str(table["not_computable"].iloc[0])
    texts = [
        f"{row['assumption']} ({row['assumed']}): " + interval(row["at_low_gbp"], row["at_high_gbp"], signed_pounds)
        for row in table[table["swing_gbp"] > 0].head(most).to_dict("records")
    ]
    return f"How far each assumption moves the last year's cost. {'; '.join(texts) or 'None is uncertain'}."


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


@describes(age_pyramid, height=4.2)
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
