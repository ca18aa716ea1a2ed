"""Providers against the limits of chance: the fewer the patients, the wider the limits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pathcost_lib.present import style
from pathcost_lib.present.figures._common import axis_title, empty, key, say_list
from pathcost_lib.present.format import count, pounds

__all__ = ["describe_funnel", "funnel", "own_points"]


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
    shown = table.dropna(subset=[value])
    if len(shown) < 3 or limits["lower_95"].isna().all():
        return empty(ax, "No funnel to show: fewer than three providers have enough events to be compared.")
    for level, dashes, weight in (("95", (4, 2), 1.0), ("998", (), 1.1)):
        for side in ("lower", "upper"):
            line = ax.plot(limits["denominator"], limits[f"{side}_{level}"], color=style.MUTED, lw=weight)[0]
            line.set_dashes(dashes) if dashes else None
    ax.axhline(limits["target"].iloc[0], color=style.INK, lw=0.9)
    others = shown[~shown["provider_code"].isin(own)]
    ax.plot(others["pathways"], others[value], "o", ms=3.4, mfc=style.PAPER, mec=style.MUTED, mew=0.8)
    handles = own_points(ax, shown, own, "pathways", value)
    ax.set_ylim(*_reach(shown[value], limits))
    ax.locator_params(axis="x", nbins=5, integer=True)
    ax.xaxis.set_major_formatter(lambda v, _: count(v))
    ax.yaxis.set_major_formatter(lambda v, _: pounds(v))
    ax.grid(True, axis="y")
    axis_title(ax, "Index events at the provider (fewer events, wider limits)")
    lines = [Line2D([], [], color=style.MUTED, dashes=(4, 2), lw=1), Line2D([], [], color=style.MUTED, lw=1.1)]
    marks = [*handles.values(), Line2D([], [], marker="o", ms=4, mfc=style.PAPER, mec=style.MUTED, lw=0), *lines]
    key(ax, marks, [*handles, "Other providers", "95% limits", "99.8% limits"], columns=1 if style.compact(ax) else 3)
    return ax


def own_points(ax: Axes, shown: pd.DataFrame, own: Mapping[str, str], x: str, y: str) -> dict[str, Line2D]:
    """Draw the area's providers, lettered: orange diamond if high, teal square if low; return the key's entries."""
    handles = {}
    for number, row in enumerate(_mine(shown, own).to_dict("records")):
        flag = str(row.get("flag", ""))
        form = (
            ("D", style.MORE)
            if flag.startswith("high")
            else ("s", style.LESS)
            if flag.startswith("low")
            else ("o", style.FOCUS)
        )
        letter = chr(ord("A") + number % 26)
        right, up = _clear_corner(ax, shown[[x, y]], row[x], row[y])
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


def _mine(shown: pd.DataFrame, own: Mapping[str, str]) -> pd.DataFrame:
    # By code, so that a provider has the same letter in every figure that shows the same providers.
    return shown[shown["provider_code"].isin(own)].sort_values("provider_code")


def _reach(values: pd.Series, limits: pd.DataFrame) -> tuple[float, float]:
    """Return the vertical reach: every point, and the 99.8 % limits from a middling number of events on."""
    at = limits.iloc[len(limits) // 4]
    low, high = min(values.min(), at["lower_998"]), max(values.max(), at["upper_998"])
    room = 0.06 * (high - low)
    return float(max(low - room, 0 if values.min() >= 0 else -np.inf)), float(high + room)


def describe_funnel(table: pd.DataFrame, *, own: Mapping[str, str], value: str = "value_gbp") -> str:
    """Return the alternative text: the area's providers with their flags, and how many others are outside."""
    shown = table.dropna(subset=[value])
    mine = shown[shown["provider_code"].isin(own)]
    said = say_list(mine.assign(name=mine["provider_code"].map(own)), "name", "{%s}" % value, **{value: pounds})  # noqa: UP031
    flags = [
        f"{own[c]} is outside ({f.replace('_', ', ')}%)"
        for c, f in zip(mine["provider_code"], mine["flag"], strict=True)
        if f != "within"
    ]
    outside = int((shown["flag"] != "within").sum())
    return (
        f"Funnel of cost per index event at {len(shown)} providers, {outside} of them outside the 95% limits. "
        f"{said if len(mine) else 'None of the area can be shown.'} {'; '.join(flags) or 'None of them is outside'}."
    ).replace("998%", "99.8%")
