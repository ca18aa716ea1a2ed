"""Figures of notebook 04: each takes an `ax` and a table, draws, and returns the `ax`.

`describe_...` is a figure's alternative text, and gives it its size.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib import dates as mdates
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pathcost_lib.present import style
from pathcost_lib.present.described import describes
from pathcost_lib.present.format import count, interval, percent, pounds
from pathcost_lib.present.shapes import axis_title, empty, key, say_list, wrapped


def funnel(
    ax: Axes, table: pd.DataFrame, *, limits: pd.DataFrame, own: Mapping[str, str], value: str = "value_gbp"
) -> Axes:
    """Draw every provider within the limits of the funnel; those of the area in colour, with a letter.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        provider_code, pathways (how many, rounded), `value`, flag.
    limits : DataFrame
        From `FunnelResult.limits_at`: denominator, target, lower_95, upper_95, lower_998, upper_998.
    own : mapping of str to str
        Code to name of the area's providers.
    value : str
        Column of the mean.
    """
    points = table.dropna(subset=[value])
    if len(points) < 3 or limits["lower_95"].isna().all():
        return empty(ax, "No funnel to show: fewer than three providers have enough events to be compared.")
    for level, dashes, weight in (("95", (4, 2), 1.0), ("998", (), 1.1)):
        for side in ("lower", "upper"):
            line = ax.plot(limits["denominator"], limits[f"{side}_{level}"], color=style.MUTED, lw=weight)[0]
            line.set_dashes(dashes) if dashes else None
    ax.axhline(limits["target"].iloc[0], color=style.INK, lw=0.9)
    others = points[~points["provider_code"].isin(own)]
    ax.plot(others["pathways"], others[value], "o", ms=3.4, mfc=style.PAPER, mec=style.MUTED, mew=0.8)
    handles = own_points(ax, points, own, "pathways", value)
    ax.set_ylim(*_reach(points[value], limits))
    ax.locator_params(axis="x", nbins=5, integer=True)
    ax.xaxis.set_major_formatter(lambda v, _: count(v))
    ax.yaxis.set_major_formatter(lambda v, _: pounds(v))
    ax.grid(True, axis="y")
    axis_title(ax, "Index events at the provider (fewer events, wider limits)")
    lines = [Line2D([], [], color=style.MUTED, dashes=(4, 2), lw=1), Line2D([], [], color=style.MUTED, lw=1.1)]
    marks = [*handles.values(), Line2D([], [], marker="o", ms=4, mfc=style.PAPER, mec=style.MUTED, lw=0), *lines]
    key(ax, marks, [*handles, "Other providers", "95% limits", "99.8% limits"], columns=1 if style.compact(ax) else 3)
    return ax


def own_points(ax: Axes, points: pd.DataFrame, own: Mapping[str, str], x: str, y: str) -> dict[str, Line2D]:
    """Draw the area's providers, lettered: orange diamond if high, teal square if low; return the key's entries."""
    handles = {}
    for number, row in enumerate(_mine(points, own).to_dict("records")):
        flag = str(row.get("flag", ""))
        form = (
            ("D", style.MORE)
            if flag.startswith("high")
            else ("s", style.LESS)
            if flag.startswith("low")
            else ("o", style.FOCUS)
        )
        letter = chr(ord("A") + number % 26)
        right, up = _clear_corner(ax, points[[x, y]], row[x], row[y])
        mark = ax.plot(row[x], row[y], form[0], ms=7, color=form[1], mec=style.PAPER, zorder=4)[0]
        ax.annotate(
            letter,
            (row[x], row[y]),
            xytext=(5 * right, 4 * up),
            textcoords="offset points",
            ha="left" if right > 0 else "right",
            va="bottom" if up > 0 else "top",
            color=form[1],
            fontweight="bold",
            zorder=5,
        )
        handles[f"{letter}  {own[row['provider_code']]}"] = mark
    return handles


def _clear_corner(ax: Axes, points: pd.DataFrame, x: float, y: float) -> tuple[int, int]:
    """Return on which side of a point, and whether above or below, its letter is farthest from all other points."""
    away = (points.to_numpy(dtype=float) - [x, y]) / [ax.dataLim.width or 1, ax.dataLim.height or 1]
    others = away[np.abs(away).sum(axis=1) > 0]
    corners = [(1, 1), (-1, 1), (1, -1), (-1, -1)]
    nearest = [np.min(np.hypot(*(others - [0.02 * a, 0.035 * b]).T), initial=9) for a, b in corners]
    # Above on the right, as one reads, unless something lies there.
    return corners[0] if nearest[0] > 0.04 else corners[int(np.argmax(nearest))]


def _mine(points: pd.DataFrame, own: Mapping[str, str]) -> pd.DataFrame:
    # By code, so that a provider has the same letter in every figure that shows the same providers.
    return points[points["provider_code"].isin(own)].sort_values("provider_code")


def _reach(values: pd.Series, limits: pd.DataFrame) -> tuple[float, float]:
    """Return the vertical reach: every point, and the 99.8 % limits from a middling number of events on."""
    at = limits.iloc[len(limits) // 4]
    low, high = min(values.min(), at["lower_998"]), max(values.max(), at["upper_998"])
    room = 0.06 * (high - low)
    return float(max(low - room, 0 if values.min() >= 0 else -np.inf)), float(high + room)


@describes(funnel, height=4.2)
def describe_funnel(table: pd.DataFrame, *, own: Mapping[str, str], value: str = "value_gbp") -> str:
    """Return the alternative text: the area's providers with their flags, and how many others are outside."""
    points = table.dropna(subset=[value])
    mine = points[points["provider_code"].isin(own)]
    text = say_list(mine.assign(name=mine["provider_code"].map(own)), "name", "{%s}" % value, **{value: pounds})  # noqa: UP031
    flags = [
        f"{own[c]} is outside ({f.replace('_', ', ')}%)"
        for c, f in zip(mine["provider_code"], mine["flag"], strict=True)
        if f != "within"
    ]
    outside = int((points["flag"] != "within").sum())
    return (
        f"Funnel of cost per index event at {len(points)} providers, {outside} of them outside the 95% limits. "
        f"{text if len(mine) else 'None of the area can be shown.'} {'; '.join(flags) or 'None of them is outside'}."
    ).replace("998%", "99.8%")


def caterpillar(ax: Axes, table: pd.DataFrame, *, own: Mapping[str, str], threshold: float) -> Axes:
    """Draw each provider's shrunken difference with its 95 % interval, lowest to highest; the area's in colour.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        provider_code, difference_pct, lower_95, upper_95.
    own : mapping of str to str
        Code to name of the area's providers.
    threshold : float
        Difference that matters, in per cent: drawn as a line.
    """
    points = table.dropna(subset=["difference_pct"]).sort_values("difference_pct").reset_index(drop=True)
    if len(points) < 2:
        return empty(ax, "No order to show: fewer than two providers have enough events, or their costs do not vary.")
    points["place"] = np.arange(1, len(points) + 1)
    mine = points["provider_code"].isin(own)
    for rows, color, weight in ((points[~mine], style.MUTED, 0.8), (points[mine], style.FOCUS, 2.2)):
        ax.vlines(rows["place"], rows["lower_95"], rows["upper_95"], color=color, lw=weight)
    ax.plot(points.loc[~mine, "place"], points.loc[~mine, "difference_pct"], "o", ms=2.6, color=style.MUTED)
    handles = own_points(ax, points, own, "place", "difference_pct")
    ax.axhline(0, color=style.INK, lw=0.9)
    ax.axhline(threshold, color=style.MORE, lw=0.9, ls=(0, (4, 2)))
    ax.set_xticks([1, len(points)])
    ax.yaxis.set_major_formatter(lambda v, _: percent(v))
    ax.grid(True, axis="y")
    axis_title(ax, "Providers from the lowest to the highest cost for their case mix (bar: 95% interval)")
    marks = [*handles.values(), Line2D([], [], color=style.MUTED, marker="o", ms=3, lw=0.8)]
    marks.append(Line2D([], [], color=style.MORE, lw=0.9, ls=(0, (4, 2))))
    key(
        ax,
        marks,
        [*handles, "Other providers", f"{percent(threshold)} above expected"],
        columns=1 if style.compact(ax) else 2,
    )
    return ax


@describes(caterpillar, height=4.0)
def describe_caterpillar(table: pd.DataFrame, *, own: Mapping[str, str], threshold: float) -> str:
    """Return the alternative text: the area's providers with intervals and the chance of exceeding the threshold."""
    points = table.dropna(subset=["difference_pct"])
    texts = [
        f"{own[r['provider_code']]} {percent(r['difference_pct'])} "
        f"({interval(r['lower_95'], r['upper_95'], percent)}), "
        f"{percent(r['chance_above_pct'])} probable to be over {percent(threshold)} above expected"
        for r in points[points["provider_code"].isin(own)].to_dict("records")
    ]
    mine = "; ".join(texts) or "None of the area is shown"
    return f"Difference from expected cost at {len(points)} providers, shrunk. {mine}."


def share_chart(ax: Axes, table: pd.DataFrame, *, value: str, expected: str, measure: str) -> Axes:
    """Draw a share month by month with its limits from the year before, and what is expected of it.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        month (as 2024-04), judged, centre, lower, upper, special_cause, and the columns of the share and of what is
        expected (per cent).
    value, expected, measure : str
        The two columns; what the share is of.
    """
    if table[value].notna().sum() == 0:
        return empty(ax, "Nothing to show: the data have care of one kind only.")
    months = pd.Series(mdates.date2num(pd.to_datetime(table["month"])), index=table.index)
    for column, dashes in (("centre", ()), ("lower", (4, 2)), ("upper", (4, 2))):
        line = ax.plot(months, table[column], color=style.MUTED, lw=0.9)[0]
        if dashes:
            line.set_dashes(dashes)
    judged = table["judged"].to_numpy(dtype=bool)
    if judged.any() and not judged.all():
        ax.axvspan(months[judged].min(), months.max(), color=style.SOFT, zorder=0)
    ax.plot(months[judged], table.loc[judged, expected], color=style.LESS, lw=1.4)
    ax.plot(months, table[value], color=style.FOCUS, lw=1.1, marker="o", ms=3.5)
    odd = table["special_cause"].to_numpy(dtype=bool)
    ax.plot(months[odd], table.loc[odd, value], "D", ms=5.5, color=style.MORE)
    ax.xaxis_date()
    ax.xaxis.set_major_locator(mdates.MonthLocator(bymonth=(4, 10)))
    ax.xaxis.set_major_formatter(mdates.DateFormatter("%b %Y"))
    ax.yaxis.set_major_formatter(lambda share, _: percent(share))
    ax.grid(True, axis="y")
    axis_title(ax, f"{measure} (dashed: limits from the year before)")
    handles = [
        Line2D([], [], color=style.FOCUS, marker="o", ms=3.5, lw=1.1),
        Line2D([], [], color=style.MORE, marker="D", ms=5, lw=0),
        Line2D([], [], color=style.LESS, lw=1.4),
    ]
    key(ax, handles, ["Share", "More than the usual ups and downs", "By ageing alone"], columns=2)
    return ax


@describes(share_chart, height=3.6)
def describe_share_chart(table: pd.DataFrame, *, value: str, expected: str, measure: str) -> str:
    """Return the alternative text: the mean share of both years, what is expected, and how many months stand out."""
    means = [table.loc[table["judged"] == year, value].mean() for year in (False, True)]
    aged = table.loc[table["judged"], expected].mean()
    odd = int((table["special_cause"].astype(bool) & table["judged"].astype(bool)).sum())
    return (
        f"{measure}, month by month. Mean of the year before {percent(means[0], 1)}, of the year "
        f"{percent(means[1], 1)}; by ageing alone {percent(aged, 1)}. Its months beyond the usual ups and downs: {odd}."
    )


def control_charts(ax: Axes, table: pd.DataFrame, *, by: str = "series") -> Axes:
    """Draw a small chart for each series: months, centre and limits, and the points that chance does not explain.

    Parameters
    ----------
    ax : Axes
        Whose place the charts take.
    table : DataFrame
        `by`, finding, month, days, contacts (rounded, NaN where suppressed), centre, lower, upper (a day),
        special_cause, judged. Order of first appearance is kept.
    by : str
        Column that tells series apart and names them.
    """
    if table["contacts"].notna().sum() == 0:
        return empty(ax, "No charts to show: no series is long enough and large enough for limits.")
    narrow = style.compact(ax)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines["bottom"].set_visible(False)
    names = list(table[by].drop_duplicates())
    across = 2 if narrow else 3
    places = ax.get_subplotspec().subgridspec(-(-len(names) // across), across, hspace=0.14)  # type: ignore[union-attr]
    for number, name in enumerate(names):
        small = ax.figure.add_subplot(places[number // across, number % across])
        _chart(small, table[table[by] == name])
        lines = wrapped(str(name), 22 if narrow else 34)
        small.set_title("\n".join(lines), loc="left", fontsize=6.5 if narrow else 7.5, color=style.INK)
    handles = [
        Line2D([], [], color=style.MUTED, marker="o", ms=3, lw=0.8),
        Line2D([], [], color=style.MORE, marker="D", ms=4.5, lw=0),
        Line2D([], [], color=style.MUTED, dashes=(4, 2), lw=0.9),
    ]
    key(ax, handles, ["Contacts a day", "More than the usual ups and downs", "Limits from the year before"])
    return ax


def _chart(ax: Axes, rows: pd.DataFrame) -> None:
    months = pd.Series(mdates.date2num(rows["month"]), index=rows.index)
    judged = months[rows["judged"]].min()
    a_day = rows["contacts"] / rows["days"]
    for column, dashes in (("centre", ()), ("lower", (4, 2)), ("upper", (4, 2))):
        line = ax.plot(months, rows[column].clip(lower=0), color=style.MUTED, lw=0.8)[0]
        if dashes:
            line.set_dashes(dashes)
    ax.axvspan(judged, months.max(), color=style.SOFT, zorder=0)
    ax.plot(months, a_day, color=style.FOCUS, lw=0.9, marker="o", ms=2.2)
    odd = rows["special_cause"].to_numpy(dtype=bool)
    ax.plot(months[odd], a_day[odd], "D", ms=3.6, color=style.MORE)
    ax.set_xticks([months.iloc[0], judged])
    ax.set_xticklabels([f"{d:%b %Y}" for d in mdates.num2date([months.iloc[0], judged])], fontsize=6.5, ha="left")
    ax.tick_params(axis="y", labelsize=6.5)
    ax.locator_params(axis="y", nbins=4)


@describes(control_charts, height=4.4, tall=6.2)
def describe_control_charts(table: pd.DataFrame, *, by: str = "series") -> str:
    """Return the alternative text: each series and what was found in it (`finding`, of `words.series_words`)."""
    series = table[[by, "finding"]].drop_duplicates()
    text = "; ".join(f"{row[by]}: {row['finding']}" for row in series.to_dict("records"))
    return f"Contacts a day by month, with limits from the year before. {text or 'None shown'}."
