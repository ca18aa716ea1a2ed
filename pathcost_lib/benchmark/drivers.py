"""What drives a difference in cost: price, volume and mix; and, along a pathway, rate, intensity, setting and price.

Effects are taken one after another in a stated order, each at the values that the earlier ones have already reached, so
they add up; they are held in whole pence and the last is derived by subtraction, so the sum is exact.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pathcost_lib.arguments import as_list, numbers, refuse, require_columns, told_apart
from pathcost_lib.benchmark.index_numbers import revalued
from pathcost_lib.results import Result

__all__ = ["PathwayDrivers", "PriceVolumeMix", "pathway_drivers", "price_volume_mix"]


def _whole(pounds: np.ndarray) -> np.ndarray:
    """Return whole pence, half away from zero."""
    return (np.sign(pounds) * np.floor(np.abs(pounds) * 100 + 0.5)).astype(np.int64)


def _sum(table: pd.DataFrame, column: str) -> float:
    return int(_whole(table[column].to_numpy(dtype=float)).sum()) / 100


@dataclass(frozen=True, eq=False)
class PriceVolumeMix(Result):
    """Effects by currency in `table` (status matched, only in base, only in current, no activity), summed in pounds."""

    by: tuple[str, ...] = ()

    @property
    def volume(self) -> float:
        """Pounds: total activity changed, at the base's mix and prices."""
        return _sum(self.table, "volume_gbp")

    @property
    def mix(self) -> float:
        """Pounds: activity moved to dearer or cheaper currencies, at base prices."""
        return _sum(self.table, "mix_gbp")

    @property
    def case_mix(self) -> float:
        """Pounds: the same inside each class of `within`, zero without it; `mix` is then between the classes."""
        return _sum(self.table, "case_mix_gbp")

    @property
    def price(self) -> float:
        """Pounds: unit costs changed, at current activity."""
        return _sum(self.table, "price_gbp")

    @property
    def unmatched(self) -> float:
        """Pounds: currencies on one side only, or without activity to price."""
        return _sum(self.table, "unmatched_gbp")

    @property
    def total(self) -> float:
        """Pounds: current cost less base cost; the five effects sum to it, to the penny."""
        return _sum(self.table, "change_gbp")

    @property
    def by_group(self) -> pd.DataFrame:
        """The effects summed for each group."""
        effects = ["volume_gbp", "mix_gbp", "case_mix_gbp", "price_gbp", "unmatched_gbp", "change_gbp"]
        return self.table.groupby(list(self.by), as_index=False)[effects].sum().round(2)

    @property
    def summary(self) -> str:
        """Say the change and its parts."""
        inside = f", case mix £{self.case_mix:,.2f}" if self.table["case_mix_gbp"].any() else ""
        parts = f"volume £{self.volume:,.2f}, mix £{self.mix:,.2f}{inside}, price £{self.price:,.2f}"
        return f"Change of £{self.total:,.2f}: {parts}, unmatched £{self.unmatched:,.2f}"


def _sides(
    base: pd.DataFrame, current: pd.DataFrame, keys: list[str], measures: list[str], *, what: str
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return one row per key held by either side, each measure as name_base and name_current, and which are in both."""
    sides = []
    for name, df in (("base", base), ("current", current)):
        require_columns(df, [*keys, *measures], what=f"{name} {what}")
        refuse(df, df[keys].isna().any(axis=1).to_numpy(), keys, f"A key is missing in the {name} {what}")
        told_apart(df, measures, what=f"{name} {what}")
        table = df.assign(**{m: numbers(df, m, keys) for m in measures})
        sides.append(table.groupby(keys, as_index=False)[measures].sum())
    both = sides[0].merge(sides[1], on=keys, how="outer", suffixes=("_base", "_current"), indicator="held")
    both = both.sort_values(keys, ignore_index=True).fillna(
        {f"{m}_{s}": 0.0 for m in measures for s in ("base", "current")}
    )
    return both, (both.pop("held").astype(str) == "both").to_numpy()


def price_volume_mix(
    base: pd.DataFrame,
    current: pd.DataFrame,
    *,
    by: str | Iterable[str] | None = None,
    currency: str | Iterable[str],
    activity: str,
    cost: str,
    within: str | None = None,
) -> PriceVolumeMix:
    """Return the change in cost from `base` to `current` as volume, mix and price, exact to the penny.

    Parameters
    ----------
    base, current : DataFrame
        One row per group and currency, or finer: two years, or peers (scaled to the ICB's population) and the ICB.
    by, currency : str or list of str, optional
        Columns: within which volume and mix are measured; what is priced.
    activity, cost : str
        Columns: units, and cost in pounds, taken to the penny for each currency.
    within : str, optional
        Column that classes currencies, such as the POD: splits mix into mix between classes and case mix inside them.

    Returns
    -------
    PriceVolumeMix
        `.volume, .mix, .case_mix, .price, .unmatched, .total`, and a table by currency: the effects, activity and cost
        of both sides, status.

    Raises
    ------
    InputError
        Negative or missing activity or cost, or no column that tells two rows apart, with the keys.

    Notes
    -----
    Order: volume, mix, case mix (all at base prices), then price (at current activity): Laspeyres volume and Paasche
    price, the convention of flexed-budget variances (CIMA, Official Terminology: volume, mix and price variances).

    Examples
    --------
    Last year 100 of A at £10 and 100 of B at £30; now 90 of A at £11 and 150 of B at £32. Volume: 40 more at the old
    average of £20. Mix: the new activity at old prices, £5,400, less 240 x £20. Price: 90 x £1 + 150 x £2.

    >>> import pandas as pd
    >>> import pathcost_lib as pc
    >>> last = pd.DataFrame({"hrg": ["A", "B"], "contacts": [100, 100], "gbp": [1_000, 3_000]})
    >>> now = pd.DataFrame({"hrg": ["A", "B"], "contacts": [90, 150], "gbp": [990, 4_800]})
    >>> change = pc.price_volume_mix(last, now, currency="hrg", activity="contacts", cost="gbp")
    >>> change.volume, change.mix, change.price, change.total
    (800.0, 600.0, 390.0, 1790.0)
    """
    group_keys = as_list(by)
    inner = [key for key in as_list(within) if key not in as_list(currency)]
    keys = [*group_keys, *inner, *as_list(currency)]
    table, shared = _sides(base, current, keys, [activity, cost], what="rows")
    q0, q1 = table[f"{activity}_base"].to_numpy(), table[f"{activity}_current"].to_numpy()
    c0, c1 = _whole(table[f"{cost}_base"].to_numpy()), _whole(table[f"{cost}_current"].to_numpy())
    priced = shared & (q0 > 0) & (q1 > 0)
    group = table.groupby(group_keys).ngroup().to_numpy() if group_keys else np.zeros(len(table), dtype=int)
    inner_group = table.groupby([*group_keys, within]).ngroup().to_numpy() if within else group

    def at_growth_of(code: np.ndarray) -> np.ndarray:
        """Return base cost, in pence, had each currency's activity grown as that of all with its code."""
        before, after = (np.bincount(code, np.where(priced, q, 0))[code] for q in (q0, q1))
        return _whole(revalued(c0.astype(float), before, after, priced) / 100)

    flexed, remixed = at_growth_of(group), at_growth_of(np.arange(len(table)))
    classed = at_growth_of(inner_group) if within else remixed
    one_side = np.where((q0 > 0) | (c0 > 0), "only in base", "only in current")
    effects = {
        "volume_gbp": flexed - c0,
        "mix_gbp": classed - flexed,
        "case_mix_gbp": remixed - classed,
        "price_gbp": np.where(priced, c1 - remixed, 0),
        "unmatched_gbp": np.where(priced, 0, c1 - c0),
        "change_gbp": c1 - c0,
    }
    table = table.assign(
        **{name: pence / 100 for name, pence in effects.items()},
        status=np.where(priced, "matched", np.where(shared, "no activity", one_side)),
    )
    return PriceVolumeMix(table, tuple(group_keys))


@dataclass(frozen=True, eq=False)
class PathwayDrivers(Result):
    """Effects by phase and setting, in pounds; `totals` sums them."""

    @property
    def totals(self) -> dict[str, float]:
        """Pounds by effect; the four effects sum to `change_gbp` to the penny."""
        return {column: _sum(self.table, column) for column in self.table.filter(like="_gbp").columns.astype(str)}

    @property
    def summary(self) -> str:
        """Say the difference and its parts."""
        t = self.totals
        return (
            f"Difference of £{t['change_gbp']:,.2f}: rate of index events £{t['rate_gbp']:,.2f}, phase intensity "
            f"£{t['intensity_gbp']:,.2f}, setting mix £{t['setting_mix_gbp']:,.2f}, unit price £{t['price_gbp']:,.2f}"
        )


def pathway_drivers(
    base: pd.DataFrame,
    current: pd.DataFrame,
    *,
    base_population: float,
    current_population: float,
    base_pathways: float,
    current_pathways: float,
    phase: str = "phase",
    setting: str = "setting",
    contacts: str = "contacts",
    cost: str = "cost_gbp",
) -> PathwayDrivers:
    """Return why a pathway costs more here than in the base, per the same population.

    Parameters
    ----------
    base, current : DataFrame
        One row per phase and setting (or finer), as `pathways.summarise` gives: peers or England, and the ICB.
    base_population, current_population : float
        Persons; base cost is scaled to the current population, so the difference is what the ICB would not spend at
        the base's pattern.
    base_pathways, current_pathways : float
        Index events.
    phase, setting, contacts, cost : str
        Columns; cost in pounds.

    Returns
    -------
    PathwayDrivers
        By phase and setting: base_gbp (scaled), current_gbp, rate_gbp, intensity_gbp, setting_mix_gbp, price_gbp,
        change_gbp, unmatched (empty, "only in base" or "only in current").

    Raises
    ------
    InputError
        Population or pathways zero or less; negative or missing contacts or cost; no column that tells two rows
        apart.

    Notes
    -----
    Cost = population x rate of index events x contacts per pathway in the phase x share of the setting x cost per
    contact. Order: rate, intensity, setting mix, price, each at what the earlier have reached. Where the base has no
    contact in a setting (or a phase), the current side's unit price (or mix) stands in: that effect is zero.
    """
    sizes = pd.DataFrame(
        {"side": ["base", "current"], "population": [base_population, current_population],
         "pathways": [base_pathways, current_pathways]}
    )  # fmt: skip
    people, index_events = (numbers(sizes, column, ["side"], above=0) for column in ("population", "pathways"))
    table, _ = _sides(base, current, [phase, setting], [contacts, cost], what="pathway rows")
    k0, k1 = table[f"{contacts}_base"].to_numpy(), table[f"{contacts}_current"].to_numpy()
    cost0, cost1 = table.pop(f"{cost}_base").to_numpy(), table.pop(f"{cost}_current").to_numpy()
    refuse(table, ((k0 == 0) & (cost0 > 0)) | ((k1 == 0) & (cost1 > 0)), [phase, setting], "Cost without contacts")
    scale, events = people[1] / people[0], index_events[1] / index_events[0]
    code = table.groupby(phase).ngroup().to_numpy()
    phase0, phase1 = np.bincount(code, k0)[code], np.bincount(code, k1)[code]
    share1 = np.divide(k1, phase1, out=np.zeros(len(table)), where=phase1 > 0)
    share0 = np.divide(k0, phase0, out=share1.copy(), where=phase0 > 0)
    unit1 = np.divide(cost1, k1, out=np.zeros(len(table)), where=k1 > 0)
    unit0 = np.divide(cost0, k0, out=unit1.copy(), where=k0 > 0)
    start, end = _whole(cost0 * scale), _whole(cost1)
    after_rate = _whole(cost0 * events)
    after_intensity = _whole(phase1 * share0 * unit0)
    after_mix = _whole(phase1 * share1 * unit0)
    pence = {
        "base_gbp": start,
        "current_gbp": end,
        "rate_gbp": after_rate - start,
        "intensity_gbp": after_intensity - after_rate,
        "setting_mix_gbp": after_mix - after_intensity,
        "price_gbp": end - after_mix,
        "change_gbp": end - start,
    }
    effects = {name: value / 100 for name, value in pence.items()}
    unmatched = np.select([k0 == 0, k1 == 0], ["only in current", "only in base"], "")
    return PathwayDrivers(table.assign(**effects, unmatched=unmatched))
