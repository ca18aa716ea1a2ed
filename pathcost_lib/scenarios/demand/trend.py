"""Growth in use at a given age, from activity and people of past years: where a growth assumption can come from."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from pathcost_lib.arguments import numbers, one_row_each, refuse, whole_numbers
from pathcost_lib.results import Result

__all__ = ["ObservedGrowth", "observed_growth"]


class ObservedGrowth(Result):
    """Growth by POD, %/year: `.table` has pod, growth_pct, limits lower_80 to upper_95, dispersion, reason."""

    @property
    def summary(self) -> str:
        """One sentence."""
        known = self.table[self.table["reason"] == ""]
        up = int((known["lower_95"] > 0).sum())
        return f"Use at a given age grows in {up} of {len(known)} PODs, beyond chance."


def observed_growth(counts: pd.DataFrame) -> ObservedGrowth:
    """Estimate yearly growth in use, net of the size and age of the population.

    Parameters
    ----------
    counts : DataFrame
        pod, year (number), age, sex (and any other stratum columns), activity, persons: person-days at risk, or
        person-weekdays for a POD that is closed at weekends (260 weekdays in one year and 261 in the next are 0.4 %).
        Within a POD every stratum has a row for every year: nobody, or no activity, is a row with 0.

    Returns
    -------
    ObservedGrowth
        PODs that cannot be estimated have a reason.
        Its 80 % interval can serve as an assumption: `Distribution("interval", (lower_80, upper_80))`.

    Raises
    ------
    InputError
        If a column is missing, a stratum repeats or lacks a year, a number is missing or negative, or there is
        activity without people; the cells are named. An unknown count is not a count of 0.

    Notes
    -----
    Poisson regression of activity on year with an effect for each stratum and persons as offset; given each stratum's
    total, the years are multinomial, so the stratum effects drop out (Palmgren 1981) and one parameter is left. The
    variance is scaled by Pearson's chi-squared over its degrees of freedom (quasi-Poisson), at least 1.
    """
    strata = [c for c in counts.columns if c not in ("pod", "year", "activity", "persons")]
    keys = ["pod", "year", *strata]
    one_row_each(counts, keys, ["activity", "persons"], what="counts")
    counts = counts.assign(
        year=whole_numbers(counts, "year", keys),
        activity=numbers(counts, "activity", keys),
        persons=numbers(counts, "persons", keys),
    )
    nobody = (counts["activity"] > 0) & (counts["persons"] == 0)
    refuse(counts, nobody.to_numpy(), keys, "There is activity without people")
    years = counts.groupby("pod")["year"].transform("nunique")
    lacking = counts.groupby(["pod", *strata])["year"].transform("size") != years
    refuse(counts, lacking.to_numpy(), ["pod", *strata], "A stratum lacks a year that its POD has")
    rows = []
    for pod, part in counts.groupby("pod", sort=True):
        wide = part.assign(everyone=0).pivot_table(
            index=strata or "everyone", columns="year", values=["activity", "persons"], aggfunc="sum"
        )
        year = wide["activity"].columns.to_numpy(float)
        seen, people = wide["activity"].to_numpy(float), wide["persons"].to_numpy(float)
        use = (seen.sum(axis=1) > 0) & (people > 0).all(axis=1)
        reason = ""
        if len(year) < 2 or use.sum() < 2:
            reason = "fewer than two years or two strata with activity"
        elif not seen[use][:, 1:].any() or not seen[use][:, :-1].any():
            reason = "all activity is of the first or of the last year: no finite rate of growth"
        if reason:
            rows.append((pod, *[np.nan] * 6, reason))
            continue
        slope, error, dispersion = _fit(seen[use], people[use], year - year.mean())
        limits = [slope + z * error for q in (0.8, 0.95) for z in stats.norm.interval(q)]
        rows.append((pod, *(100 * np.expm1([slope, *limits])), dispersion, ""))
    names = ["pod", "growth_pct", "lower_80", "upper_80", "lower_95", "upper_95", "dispersion", "reason"]
    return ObservedGrowth(pd.DataFrame(rows, columns=names))


def _fit(
    seen: NDArray[np.float64], people: NDArray[np.float64], year: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Return the log growth a year, its standard error and the dispersion, by Newton's method (strata x years)."""
    total = seen.sum(axis=1, keepdims=True)
    slope = 0.0
    for _ in range(50):
        weight = people * np.exp(slope * year)
        share = weight / weight.sum(axis=1, keepdims=True)
        centre = (share * year).sum(axis=1, keepdims=True)
        information = float((total * share * (year - centre) ** 2).sum())
        step = float((seen * year).sum() - (total * share * year).sum()) / information
        slope += step
        if abs(step) < 1e-12:
            break
    expected = total * share
    freedom = seen.size - len(seen) - 1
    dispersion = max(float(((seen - expected) ** 2 / expected).sum()) / freedom, 1.0) if freedom > 0 else 1.0
    return slope, float(np.sqrt(dispersion / information)), dispersion
