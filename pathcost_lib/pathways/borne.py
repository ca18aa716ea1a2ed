"""What disclosure control needs to know of a group beside its counts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pathcost_lib.few import NEWEST, SMALLEST

__all__ = ["BORNE", "shares_borne", "told_by_years"]

#: Of the cost of a group: that of its dearest person, and at most that of its dearest two together. Of its people: how
#: many the last year has added that added any, where all years up to one are counted and the years before may be shown.
BORNE = ("largest_share", "two_largest_share", NEWEST)


def shares_borne(
    largest: pd.Series,
    squares: pd.Series,
    whole: pd.Series,
    newest: pd.Series | None = None,
    people: pd.Series | None = None,
) -> pd.DataFrame:
    """Return how much of each group's cost its dearest person bears, and how much its dearest two do at most.

    Parameters
    ----------
    largest, squares, whole : Series of float
        Of each group's costs of a person: the largest, the sum of squares, the sum; all in pounds or all in pence.
    newest, people : Series of int, optional
        Of a count of all years up to one: how many people the last year that added any has added to each group, and how
        many there are.

    Returns
    -------
    DataFrame
        largest_share, two_largest_share, newest; missing where a group costs nothing, or less, and where one year is
        counted.

    Notes
    -----
    The second largest is at most the root of the sum of squares without the largest's: a bound that lets no dominated
    group through, and that one pass over the rows gives.
    """
    largest, whole = largest.astype(float), whole.where(whole > 0).astype(float)
    second = np.sqrt((squares - largest**2).clip(lower=0))
    shares = pd.DataFrame({BORNE[0]: largest / whole, BORNE[1]: (largest + second) / whole})
    return shares.assign(**{NEWEST: np.nan if newest is None or people is None else told_by_years(newest, people)})


def told_by_years(newest: pd.Series, people: pd.Series) -> pd.Series:
    """Return by how many people a count differs from the last other one; 0 where that one has too few to be shown.

    Parameters
    ----------
    newest, people : Series of int
        How many people the last year that added any has added to each row; how many there are.

    Notes
    -----
    Where it is 0 or 8 at least, any two years that are both shown differ by nobody or by eight at least: the later of
    them differs from the earlier by all that the years between have added, of which the last addition is a part. A row
    that a year of few additions hides stays hidden in later years that add nobody.
    """
    return newest.astype(float).where(people - newest >= SMALLEST, 0.0)
