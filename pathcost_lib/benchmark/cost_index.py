"""Cost index: actual cost over what the same activity would cost at average unit costs, 100 being the average."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from pathcost_lib.arguments import as_list, encode, match, numbers, require_columns, told_apart
from pathcost_lib.intervals import Limits, limit_columns
from pathcost_lib.results import Result

__all__ = ["CostIndex", "contact_variance", "cost_index"]


@dataclass(frozen=True, eq=False)
class CostIndex(Result):
    """Index by group; `excluded` lists the currencies left out, with activity, cost and why."""

    excluded: pd.DataFrame

    @property
    def summary(self) -> str:
        """Say the range, and how much cost the index leaves out."""
        low, high = self.table["index"].min(), self.table["index"].max()
        left, whole = self.excluded["cost_gbp"].sum(), self.table["actual"].sum() + self.excluded["cost_gbp"].sum()
        share = left / whole if whole else 0.0
        return f"Cost index of {len(self.table):,} groups: {low:.1f} to {high:.1f}; {share:.1%} of cost is excluded"


def cost_index(
    df: pd.DataFrame,
    *,
    by: str | Iterable[str],
    currency: str | Iterable[str],
    activity: str,
    cost: str,
    mff: str | None = None,
    reference: pd.DataFrame | None = None,
    variance: str | None = None,
    confidence: float | Iterable[float] = 0.95,
) -> CostIndex:
    """Return the cost index of each group, in the manner of the National Cost Collection Index.

    Parameters
    ----------
    df : DataFrame
        One row per group and currency, or finer.
    by, currency : str or list of str
        Columns: whom to compare (provider, ICB, POD, chapter, pathway, phase); what is compared like with like.
    activity, cost : str
        Columns: units of activity; cost in pounds, null where it is not known.
    mff : str, optional
        Column of market forces factors; each row's cost is divided by it.
    reference : DataFrame, optional
        Currency columns and `unit_cost` (pounds), such as a national schedule; else the pooled average of `df`.
    variance : str, optional
        Column: sampling variance of the row's cost (pounds squared), such as n x the variance between contacts.
        Without it, the scatter of a group's currencies about its own index stands for it (the ratio estimator's
        jackknife: Cochran, Sampling Techniques, 1977, section 6.17), with Student's t on currencies - 1.
    confidence : float or several

    Returns
    -------
    CostIndex
        by, actual, expected (pounds after MFF), index, lower_95, upper_95, activity, currencies, sole_share (share of
        expected cost in currencies that no other group delivers: there the index is 100 by construction),
        excluded_activity, excluded_cost_gbp, reason.

    Raises
    ------
    InputError
        Negative cost or activity, MFF zero or less, a currency twice in the reference, or no other column
        that tells two rows of a group and currency apart: with the keys.

    Notes
    -----
    NHS England, National Cost Collection: index = 100 x actual cost / MFF over activity at national mean unit costs.
    Limits by the delta method, carrying the uncertainty of the average and the group's own share in it:
    with R the index/100, E expected, n activity and N its total, var R = sum over currencies of
    (1/E)^2 [ (1 - R n/N)^2 V_own + (R n/N)^2 V_others ]. A reference is taken as known.

    Examples
    --------
    Pooled, HN22A costs £40,000 / 40 = £1,000 and HN22B £10,000 / 20 = £500, so A's activity would cost £15,000. A's
    own cost is £17,500.

    >>> import pandas as pd
    >>> import pathcost_lib as pc
    >>> costs = pd.DataFrame({
    ...     "provider": ["A", "A", "B", "B"],
    ...     "hrg": ["HN22A", "HN22B", "HN22A", "HN22B"],
    ...     "spells": [10, 10, 30, 10],
    ...     "gbp": [12_000, 5_500, 28_000, 4_500],
    ... })
    >>> found = pc.cost_index(costs, by="provider", currency="hrg", activity="spells", cost="gbp")
    >>> found.table[["provider", "actual", "expected", "index"]].round(1)
      provider   actual  expected  index
    0        A  17500.0   15000.0  116.7
    1        B  32500.0   35000.0   92.9
    """
    group_keys, currency_keys = as_list(by), as_list(currency)
    keys = [*group_keys, *currency_keys]
    measures = [activity, cost, *as_list(mff), *as_list(variance)]
    require_columns(df, [*keys, *measures], what="rows to index")
    told_apart(df, measures, what="rows to index")
    n = numbers(df, activity, keys)
    unknown = df[cost].isna().to_numpy()
    paid = numbers(df.assign(**{cost: df[cost].where(~unknown, 0)}), cost, keys)
    factor = np.ones(len(df)) if mff is None else numbers(df, mff, keys, above=0)
    group, groups = encode(df, group_keys)
    code, currencies = encode(df, currency_keys)
    if reference is None:
        position = code
        unlisted = np.zeros(len(df), dtype=bool)
    else:
        require_columns(reference, [*currency_keys, "unit_cost"], what="reference unit costs' rows")
        position = match(currencies, reference, currency_keys, what="reference unit costs")[code]
        unlisted = position < 0
    why = np.select(
        [unknown, n == 0, unlisted], ["cost is not known", "no activity to price", "not in the reference"], ""
    )
    used = why == ""
    g, c, shape = group[used], code[used], (len(groups), len(currencies))

    def grid(values: np.ndarray) -> np.ndarray:
        return np.bincount(g * shape[1] + c, values[used], shape[0] * shape[1]).reshape(shape)

    own_n, own_cost = grid(n), grid(paid / factor)
    all_n = own_n.sum(axis=0)
    contacts = np.where(all_n > 0, all_n, 1)
    if reference is None:
        unit_cost, share = own_cost.sum(axis=0) / contacts, own_n / contacts
    else:
        unit_cost, share = np.zeros(shape[1]), np.zeros(shape)
        unit_cost[c] = numbers(reference, "unit_cost", currency_keys)[position[used]]
    expected_cells = own_n * unit_cost
    actual, expected = own_cost.sum(axis=1), expected_cells.sum(axis=1)
    ratio = actual / np.where(expected > 0, expected, np.nan)
    count = (own_n > 0).sum(axis=1)
    free = np.full(len(groups), np.inf)
    if variance is None:
        free = np.maximum(count - 1.0, 1)
        leverage = expected_cells / np.where(expected > 0, expected, np.nan)[:, None]
        rest = np.where((count > 1)[:, None] & (leverage < 1), 1 - leverage, np.nan)
        spread = ((own_cost - ratio[:, None] * expected_cells) / rest) ** 2  # as leaving each currency out in turn
        spread /= np.where(share < 1, 1 - share, 1)  # for the group's own cost has drawn the average towards itself
    else:
        spread = grid(numbers(df, variance, keys) / factor**2)
    pull = ratio[:, None] * share
    others = np.nansum(spread, axis=0) - np.nan_to_num(spread)
    error = np.sqrt(((1 - pull) ** 2 * spread + pull**2 * others).sum(axis=1)) / np.where(
        expected > 0, expected, np.nan
    )

    def limits(level: float) -> Limits:
        half = special.stdtrit(free, (1 + level) / 2) * error
        return 100 * (ratio - half), 100 * (ratio + half)

    table = groups.assign(
        actual=actual,
        expected=expected,
        index=100 * ratio,
        **limit_columns(confidence, limits),
        activity=own_n.sum(axis=1),
        currencies=count,
        sole_share=np.where(own_n == all_n, expected_cells, 0).sum(axis=1) / np.where(expected > 0, expected, np.nan),
        excluded_activity=np.bincount(group, np.where(used, 0, n), len(groups)),
        excluded_cost_gbp=np.bincount(group, np.where(used, 0, paid), len(groups)),
        reason=np.select(
            [expected == 0, np.isnan(error)], ["no activity can be indexed", "one currency: no interval"], ""
        ),
    )
    left = df.loc[~used, currency_keys].assign(activity=n[~used], cost_gbp=paid[~used], reason=why[~used])
    excluded = left.groupby([*currency_keys, "reason"], as_index=False)[["activity", "cost_gbp"]].sum()
    return CostIndex(table, excluded)


def contact_variance(rows: pd.DataFrame, like: list[str]) -> pd.Series:
    """Return the sampling variance of each row's cost: its contacts times the variance between contacts of the like.

    Parameters
    ----------
    rows : DataFrame
        The `like` columns; contacts, cost_gbp, squares (of the contacts' costs, pounds squared).
    like : list of str
        What is pooled: a point of delivery and currency, say.

    Notes
    -----
    The variance is that within rows, pooled over rows that are alike. Where no row has two contacts, it is that of the
    currency with the median coefficient of variation.
    """
    within = (rows["squares"] - rows["cost_gbp"] ** 2 / rows["contacts"]).clip(lower=0)
    sums = rows[[*like, "contacts", "cost_gbp"]].assign(within=within, free=rows["contacts"] - 1)
    pooled = sums.groupby(like)[["within", "free", "contacts", "cost_gbp"]].transform("sum")
    relative = pooled["within"] / pooled["free"] / (pooled["cost_gbp"] / pooled["contacts"]) ** 2
    usual = float(relative[np.isfinite(relative)].median()) if np.isfinite(relative).any() else 0.0
    spread = relative.where(np.isfinite(relative), usual)
    return spread * (pooled["cost_gbp"] / pooled["contacts"]) ** 2 * rows["contacts"]
