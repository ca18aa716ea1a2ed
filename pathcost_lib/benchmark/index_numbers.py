"""Index numbers of quantity and price: what activity is worth at other prices, and links of years made a chain."""

from __future__ import annotations

import numpy as np

__all__ = ["chained", "laspeyres", "revalued"]


def revalued(cost: np.ndarray, before: np.ndarray, after: np.ndarray, where: np.ndarray | None = None) -> np.ndarray:
    """Return what the quantities `after` cost at the prices of `before`: cost x after / before.

    Parameters
    ----------
    cost, before, after : array of float
        Cost and quantity of the base; the other quantity.
    where : array of bool, optional
        Where it is worked out; elsewhere the cost is left as it is. Where `before` is above zero if not given.

    Examples
    --------
    >>> revalued(np.array([1_000.0, 3_000.0]), np.array([100.0, 100.0]), np.array([90.0, 150.0]))
    array([ 900., 4500.])
    """
    where = before > 0 if where is None else where
    return cost * np.divide(after, before, out=np.ones(len(cost)), where=where)


def laspeyres(cost: np.ndarray, before: np.ndarray, after: np.ndarray) -> float:
    """Return the Laspeyres quantity index: the later quantities over the earlier ones, at the earlier prices.

    Source: International Labour Office and others, Consumer Price Index Manual (2004), chapter 15; ONS, sources and
    methods for public service productivity estimates: output is chained from links weighted by the year before's cost.

    Examples
    --------
    (90 x £10 + 150 x £30) / (100 x £10 + 100 x £30):

    >>> laspeyres(np.array([1_000.0, 3_000.0]), np.array([100.0, 100.0]), np.array([90.0, 150.0]))
    1.35
    """
    return float(revalued(cost, before, after).sum() / cost.sum())


def chained(links: np.ndarray) -> np.ndarray:
    """Return the chain of links, the first year being 100 (and not returned): 1.1 and then 0.9 make 110 and 99.

    Examples
    --------
    >>> chained(np.array([1.1, 0.9])).round(6).tolist()
    [110.0, 99.0]
    """
    return np.asarray(100 * np.cumprod(links))
