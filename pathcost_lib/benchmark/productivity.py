"""Productivity: cost-weighted activity over deflated cost, year on year and as a chain, and what moved the cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from pathcost_lib.arguments import as_list, encode, match, no_gaps, numbers, one_row_each, require_columns, told_apart
from pathcost_lib.benchmark.index_numbers import chained
from pathcost_lib.errors import InputError
from pathcost_lib.intervals import Limits, limit_columns
from pathcost_lib.results import Result

__all__ = ["NEUTRAL", "Productivity", "productivity"]

#: Points of delivery between which a procedure may move without its output changing: they share one price.
NEUTRAL = {"day_case": "planned procedure", "outpatient_procedure": "planned procedure"}
_LINK = ["activity", "mix", "quality", "output", "cost", "price", "input", "productivity"]


@dataclass(frozen=True, eq=False)
class Productivity(Result):
    """Links by group and period in `table`; `excluded` lists currencies in one of two periods only, and why."""

    excluded: pd.DataFrame

    @property
    def summary(self) -> str:
        """Say the range of the last link, and how much of the cost it leaves out."""
        last = self.table[self.table.iloc[:, -1] == ""]
        values = last["productivity_index"]
        return (
            f"Productivity of {len(values):,} links: {values.min():.1f} to {values.max():.1f} (the year before = 100)"
        )


def productivity(
    df: pd.DataFrame,
    *,
    by: str | Iterable[str],
    period: str,
    currency: str | Iterable[str],
    activity: str,
    cost: str,
    within: str | None = None,
    deflator: pd.DataFrame | None = None,
    quality: pd.DataFrame | None = None,
    spread: Iterable[str] | None = None,
    confidence: float | Iterable[float] = 0.95,
) -> Productivity:
    """Return by how much output grew for the input, from each period to the next.

    Parameters
    ----------
    df : DataFrame
        One row per group, period and currency, or finer, of all whose average price is to count.
    by, period, currency : str or list of str
        Columns: provider, area or setting; financial year; what has one price (with points of delivery that are
        `NEUTRAL` under one name, a procedure may move between them without its output changing).
    activity, cost : str
        Columns: units; cost in the pounds of the period.
    within : str, optional
        Column that classes currencies, such as the setting: splits output into activity (units, each class at its
        mean price) and mix inside the classes. Without it the currencies are one class.
    deflator : DataFrame, optional
        `period` and `index`: the price of inputs, at any base. Without it cost is taken to be at constant prices.
    quality : DataFrame, optional
        `period` and `index`: how good a unit of output is, at any base. Output is then multiplied by its growth, as ONS
        adjusts public service output for quality.
    spread : list of three str, optional
        Columns: sums over contacts of units squared, of units times cost, and of cost squared. Without them there is no
        interval.
    confidence : float or several

    Returns
    -------
    Productivity
        by, period, activity_index, mix_index, output_index (their product), cost_index, price_index, input_index (cost
        over price), productivity_index (output over input), each 100 in the period before; lower_95, upper_95 of
        productivity; with `quality` its quality_index too, by which output_index is multiplied; chain (productivity,
        the first period 100), cost, excluded_pct (of the cost, without a price of
        the period before), reason.

    Raises
    ------
    InputError
        Fewer than two periods, negative or missing activity or cost, a deflator or quality without a period, or no
        column that tells two rows apart.

    Notes
    -----
    Output is a Laspeyres index with the mean unit costs of the period before over all groups; links are multiplied to a
    chain, and productivity is output over input (ONS, Sources and methods for public service productivity estimates;
    Castelli, Chalkley, Gaughan and Santos, Productivity of the English NHS, CHE Research Paper series, University of
    York). A currency without activity in both periods has no price or no use: its cost is left out of both sides and
    stated. A quality index multiplies each link of output (Atkinson, Measurement of government output and
    productivity for the national accounts, 2005, principle B). The interval is for chance between contacts, whose
    number is Poisson: with the ratio r of output to cost, a contact of price p and units u and cost y moves it by p
    u - r y, of which the squares are summed (Cochran, Sampling Techniques, 1977, section 6.4), in both periods, on
    the log scale. Prices, deflator and quality are taken as known.

    Examples
    --------
    At last year's £10 and £30 the trust's output grows from £4,000 to £5,400, by 35 %. Its cost grows by 30 %, of which
    4 % is the price of inputs: productivity is 135 / 125.

    >>> import pandas as pd
    >>> import pathcost_lib as pc
    >>> rows = pd.DataFrame({
    ...     "trust": "T", "year": ["2023-24"] * 2 + ["2024-25"] * 2, "hrg": ["A", "B"] * 2,
    ...     "spells": [100, 100, 90, 150], "gbp": [1_000, 3_000, 990, 4_210],
    ... })
    >>> prices = pd.DataFrame({"period": ["2023-24", "2024-25"], "index": [100.0, 104.0]})
    >>> from pathcost_lib.benchmark.productivity import productivity
    >>> found = productivity(rows, by="trust", period="year", currency="hrg", activity="spells", cost="gbp",
    ...     deflator=prices)
    >>> found.table[["output_index", "cost_index", "price_index", "input_index", "productivity_index"]].round(1)
       output_index  cost_index  price_index  input_index  productivity_index
    0         135.0       130.0        104.0        125.0               108.0
    """  # fmt: skip
    group_keys, currency_keys = (
        as_list(by),
        [*as_list(currency), *(k for k in as_list(within) if k not in as_list(currency))],
    )
    keys = [*group_keys, period, *currency_keys]
    squares = as_list(spread)
    if squares and len(squares) != 3:
        raise InputError("spread must name three columns: units squared, units times cost, cost squared.")
    require_columns(df, [*keys, activity, cost, *squares], what="rows")
    no_gaps(df, keys, what="rows")
    told_apart(df, [activity, cost, *squares], what="rows")
    measures = {name: numbers(df, name, keys) for name in (activity, cost, *squares)}
    group, groups = encode(df, group_keys)
    code, currencies = encode(df, currency_keys)
    when, periods = encode(df, [period])
    names = periods[period].tolist()
    if len(names) < 2:
        raise InputError(f"Productivity needs two periods of {period}; these rows have {len(names)}.")
    price = _index_of(deflator, names, period, what="deflator")
    good = _index_of(quality, names, period, what="index of quality")
    of_class = encode(currencies, as_list(within))[0]

    def total(at: np.ndarray, values: np.ndarray, size: int, rows: np.ndarray) -> np.ndarray:
        return np.bincount(at[rows], values[rows], size)

    links, left = [], []
    for t in range(1, len(names)):
        before, now = when == t - 1, when == t
        n0, c0 = (total(code, measures[name], len(currencies), before) for name in (activity, cost))
        n1 = total(code, measures[activity], len(currencies), now)
        priced = (n0 > 0) & (c0 > 0) & (n1 > 0)
        unit = np.divide(c0, n0, out=np.zeros(len(n0)), where=priced)
        class_cost, class_n = (np.bincount(of_class, np.where(priced, v, 0)) for v in (c0, n0))
        plain = np.where(
            priced, np.divide(class_cost, class_n, out=np.zeros(len(class_n)), where=class_n > 0)[of_class], 0
        )
        used = priced[code]
        sides = []
        for rows in (before & used, now & used):
            output, flat = (total(group, p[code] * measures[activity], len(groups), rows) for p in (unit, plain))
            paid = total(group, measures[cost], len(groups), rows)
            ratio = np.divide(output, paid, out=np.full(len(groups), np.nan), where=paid > 0)
            error = np.full(len(groups), np.nan)
            if squares:
                uu, uy, yy = (measures[name] for name in squares)
                r, p = ratio[group], unit[code]
                error = total(group, np.nan_to_num(p**2 * uu - 2 * r * p * uy + r**2 * yy), len(groups), rows)
                error = np.divide(np.maximum(error, 0), output**2, out=error * np.nan, where=output > 0)
            sides.append((output, flat, paid, error))
        links.append(_link(groups, period, names[t], sides, price[t] / price[t - 1], good[t] / good[t - 1]))
        out = total(group, measures[cost], len(groups), now & ~used)
        whole = total(group, measures[cost], len(groups), now)
        links[-1] = links[-1].assign(
            cost=whole, excluded_pct=100 * np.divide(out, whole, out=out * np.nan, where=whole > 0)
        )
        alone = ~priced & ((n0 > 0) | (n1 > 0))
        why = np.where(n0 > 0, "no activity in the period", "no price of the period before")
        lost = currencies.assign(**{period: str(names[t])}, activity=n1, reason=why)
        left.append(lost[alone])
    table = pd.concat(links, ignore_index=True).drop(columns=[] if quality is not None else ["quality_index"])
    z = table.pop("error").to_numpy(dtype=float)
    value = table["productivity_index"].to_numpy(dtype=float)

    def limits(level: float) -> Limits:
        reach = np.exp(special.ndtri((1 + level) / 2) * np.sqrt(z))
        return value / reach, value * reach

    chain = table.groupby(group_keys)["productivity_index"].transform(lambda link: chained(link.to_numpy() / 100))
    ends = table[["cost", "excluded_pct", "reason"]]
    table = table.drop(columns=[*ends]).assign(**limit_columns(confidence, limits), chain=chain)
    table[[*ends]] = ends
    return Productivity(table, pd.concat(left, ignore_index=True))


def _index_of(table: pd.DataFrame | None, names: list[object], period: str, *, what: str) -> np.ndarray:
    """Return an index in each period, such as the price of inputs; 1 where there is none."""
    if table is None:
        return np.ones(len(names))
    require_columns(table, ["period", "index"], what=f"{what}'s rows")
    one_row_each(table, ["period"], what=f"{what}'s rows")
    place = match(pd.DataFrame({"period": names}), table, ["period"], what=what)
    if (place < 0).any():
        missing = ", ".join(str(name) for name, at in zip(names, place, strict=True) if at < 0)
        raise InputError(f"The {what} has no index of {period} {missing}.")
    return numbers(table, "index", ["period"], above=0)[place]


def _link(
    groups: pd.DataFrame,
    period: str,
    name: object,
    sides: Sequence[tuple[np.ndarray, ...]],
    price: float,
    quality: float,
) -> pd.DataFrame:
    """Return one link of every group: indices, the period before being 100."""
    (output0, flat0, paid0, error0), (output1, flat1, paid1, error1) = sides
    there = (output0 > 0) & (output1 > 0) & (paid0 > 0) & (paid1 > 0)

    def over(now: np.ndarray, before: np.ndarray) -> np.ndarray:
        return np.divide(now, before, out=np.full(len(there), np.nan), where=there)

    output, activity, cost = over(output1, output0), over(flat1, flat0), over(paid1, paid0)
    better = np.where(there, quality, np.nan)
    values = [activity, output / activity, better, output * better, cost, np.where(there, price, np.nan), cost / price]
    values.append(values[3] / values[-1])
    table = groups.assign(**{period: str(name)})
    for part, link in zip(_LINK, values, strict=True):
        table[f"{part}_index"] = 100 * link
    reason = np.where(there, "", "no activity with a price and a cost in both periods")
    return table.assign(error=error0 + error1, reason=reason)
