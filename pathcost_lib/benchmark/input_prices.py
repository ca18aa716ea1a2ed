"""What a year's inputs cost beside the year before: pay, and all else, as an index for productivity."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pathcost_lib import paths
from pathcost_lib.arguments import no_gaps, numbers, one_row_each, require_columns
from pathcost_lib.codes import financial_year_bounds, financial_year_from
from pathcost_lib.errors import InputError, require_one_of

__all__ = ["BASES", "InputPrices", "input_prices", "pay_and_non_pay", "quality_index"]

#: Where an index of input prices comes from, in the words of a message.
BASES = {
    "gdp_deflator": "the Treasury's GDP deflator, which knows nothing of NHS pay",
    "cost_uplift": "the cost uplift factor of the NHS Payment Scheme with the pay awards of the year, for pay, drugs, "
    "capital and other costs of a provider together",
}
OWN = "pay and non-pay inflation of a file of your own"
_COLUMNS = ["financial_year", "pay_pct", "non_pay_pct", "pay_share", "source"]


@dataclass(frozen=True, eq=False)
class InputPrices:
    """An index by financial year in `table` (period, index), and in words where it comes from."""

    table: pd.DataFrame
    words: str

    def require(self, years: tuple[str, ...]) -> None:
        """Refuse years that the index does not have.

        Raises
        ------
        InputError
            With those years, and what the index does have.
        """
        lacking = [year for year in years if year not in set(self.table["period"])]
        if lacking:
            there = ", ".join(self.table["period"])
            raise InputError(f"Deflator: {self.words} has no index of {', '.join(lacking)}. Allowed: {there}.")


def input_prices(deflator: str = "gdp_deflator") -> InputPrices:
    """Return the price of inputs by financial year.

    Parameters
    ----------
    deflator : str
        "gdp_deflator"; "cost_uplift": the NHS Payment Scheme's factor with the pay awards of the year, chained from
        the first year before one that is known (`data/reference/payment_scheme.csv`); or a CSV file of one's own for
        `pay_and_non_pay`.

    Raises
    ------
    InputError
        If it is none of these, or the file's columns are not those.

    Examples
    --------
    >>> prices = input_prices("cost_uplift").table.set_index("period")["index"]
    >>> prices[["2023-24", "2024-25"]].tolist()
    [100.0, 105.0]
    """
    if deflator.lower().endswith(".csv"):
        return InputPrices(pay_and_non_pay(_own_file(deflator, "deflator")), OWN)
    require_one_of(deflator, [*BASES, "a CSV file"], what="deflator")
    if deflator == "gdp_deflator":
        table = pd.read_csv(paths.reference() / "price_index.csv")
        table = table.rename(columns={"financial_year": "period", "gdp_deflator": "index"})[["period", "index"]]
        return InputPrices(table, BASES[deflator])
    scheme = pd.read_csv(paths.reference() / "payment_scheme.csv").dropna(subset="value")
    known = scheme[scheme["item"] == "cost_uplift_with_awards"]
    return InputPrices(_chain(known["financial_year"], known["value"]), BASES[deflator])


def pay_and_non_pay(table: pd.DataFrame) -> pd.DataFrame:
    """Return an index of input prices from the inflation of pay and of all else.

    Parameters
    ----------
    table : DataFrame
        financial_year, pay_pct and non_pay_pct (on the year before), pay_share (of the cost that is pay, from 0 to 1),
        source; years in order without a gap.

    Returns
    -------
    DataFrame
        period, index: the year before the first row is 100.

    Raises
    ------
    InputError
        A column or value is missing, a share beyond 1, a row without a source, or years that do not follow on.

    Notes
    -----
    A year's index over that of the year before is the mean of the two, by their shares of the cost: as the cost uplift
    factor of the NHS Payment Scheme is made (annex D of each scheme), and as ONS deflates labour apart from goods
    (Sources and methods for public service productivity estimates).

    Examples
    --------
    Pay rises by 5% and is 70% of the cost, all else by 2%: 0.7 x 5 + 0.3 x 2 = 4.1%.

    >>> import pandas as pd
    >>> rows = {"financial_year": ["2024-25"], "pay_pct": [5.0], "non_pay_pct": [2.0], "pay_share": [0.7]}
    >>> pay_and_non_pay(pd.DataFrame(rows).assign(source="our plan"))["index"].round(1).tolist()
    [100.0, 104.1]
    """
    what = "rows of pay and non-pay"
    require_columns(table, _COLUMNS, what=what)
    no_gaps(table, _COLUMNS, what=what)
    one_row_each(table, ["financial_year"], what=what)
    pay, other = (numbers(table, name, ["financial_year"], above=-100) for name in ("pay_pct", "non_pay_pct"))
    share = numbers(table, "pay_share", ["financial_year"])
    if (share > 1).any():
        raise InputError(f"pay_share is a share of the cost, from 0 to 1; this is {share.max():g}.")
    return _chain(table["financial_year"], share * pay + (1 - share) * other)


def quality_index(file: str) -> pd.DataFrame | None:
    """Return how good a unit of output is by financial year, of a CSV file of one's own; None without a file.

    Parameters
    ----------
    file : str
        financial_year, index (at any base), source: of survival, gains in health, waiting or experience, put together
        as ONS or the Centre for Health Economics at York do. Nothing is shipped: what counts as quality is a choice.

    Raises
    ------
    InputError
        If the file is not there, or lacks a column, a value or a source.
    """
    if not file:
        return None
    table, what = _own_file(file, "quality"), "rows of quality"
    require_columns(table, ["financial_year", "index", "source"], what=what)
    no_gaps(table, ["financial_year", "index", "source"], what=what)
    return table.rename(columns={"financial_year": "period"})[["period", "index"]]


def _own_file(file: str, parameter: str) -> pd.DataFrame:
    if not Path(file).is_file():
        raise InputError(f"{parameter}: there is no file {file}.")
    return pd.read_csv(file)


def _chain(years: pd.Series, growth_pct: pd.Series | np.ndarray) -> pd.DataFrame:
    """Return the index of years that follow on, the year before the first of them being 100."""
    starts = [financial_year_bounds(str(year))[0].year for year in years]
    if not starts or starts != [*range(starts[0], starts[0] + len(starts))]:
        raise InputError(f"Years of inflation must follow on without a gap; these are {', '.join(map(str, years))}.")
    names = [financial_year_from(start) for start in (starts[0] - 1, *starts)]
    growth = np.cumprod(1 + np.asarray(growth_pct, dtype=float) / 100)
    return pd.DataFrame({"period": names, "index": [100.0, *(100 * growth).round(6)]})
