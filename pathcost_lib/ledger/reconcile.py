"""From the ledger to a provider's audited total cost: a statement that closes to 0.00."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from pathcost_lib.codes import financial_year_bounds
from pathcost_lib.errors import InputError
from pathcost_lib.ledger.periods import split_periods
from pathcost_lib.results import Result
from pathcost_lib.sources.engine import Relation

__all__ = ["Reconciliation", "reconcile"]

_SQL = Path(__file__).with_name("reconcile.sql")
_LINES = ["recorded", "priced", "work_in_progress", "non_patient", "excluded", "unmatched", "quantum"]


@dataclass(frozen=True, eq=False)
class Reconciliation(Result):
    """`table` one row a provider and setting; its lines from recorded_gbp to unmatched_gbp sum to quantum_gbp."""

    year: str
    tolerance_pct: float

    @property
    def summary(self) -> str:
        """How much of the quantum is matched, and where it is not."""
        rows = self.table[self.table["quantum_gbp"].notna()]
        total, unmatched = rows["quantum_gbp"].sum(), rows["unmatched_gbp"].sum()
        wrong = self.to_explain
        own = wrong["recorded_gbp"] >= wrong["priced_gbp"]
        tail = _lines(wrong[own], f" Beyond {self.tolerance_pct:g}%")
        tail += _lines(wrong[~own], " Beyond it where average prices stand for patients' own cost")
        return (
            f"{self.year}: quantum £{total:,.2f}, of which £{unmatched:,.2f} ({100 * unmatched / total:.2f}%) is "
            f"matched to no patient; closes to £{self.difference_gbp:,.2f}.{tail}"
        )

    @property
    def difference_gbp(self) -> float:
        """Quantum less all its lines, over all rows: 0.00."""
        rows = self.table[self.table["quantum_gbp"].notna()]
        return round(float(rows["quantum_gbp"].sum() - rows[[f"{x}_gbp" for x in _LINES[:-1]]].sum().sum()), 2)

    @property
    def to_explain(self) -> pd.DataFrame:
        """Rows whose unmatched cost is beyond the tolerance, or that have no quantum; largest first.

        A line of recorded cost has patients missing, or cost on the wrong ones. One of average prices differs because
        the provider's own cost does, long before that.
        """
        t = self.table
        wrong = t[(t["unmatched_pct"].abs() > self.tolerance_pct) | t["quantum_gbp"].isna()]
        return wrong.sort_values("unmatched_gbp", key=abs, ascending=False)


def _lines(rows: pd.DataFrame, where: str) -> str:
    first = rows.head(5)
    shares = ["no accounts" if np.isnan(x) else f"{x:+.1f}%" for x in first["unmatched_pct"].to_numpy(float)]
    named = "; ".join(
        map(" ".join, zip(first["provider_code"], first["setting"].str.replace("_", " "), shares, strict=True))
    )
    return f"{where}: {len(rows)} line{'s' * (len(rows) != 1)} ({named})." if len(rows) else ""


def reconcile(
    ledger: Relation,
    quantum: Relation | pd.DataFrame,
    *,
    as_of: date | None = None,
    tolerance_pct: float = 1.0,
) -> Reconciliation:
    """Reconcile the ledger to the quantum by provider and setting, for the year that the ledger is priced in.

    Parameters
    ----------
    ledger : Relation
        From `cost_activity` with `price_base` the year to reconcile and `mff="pay"` or "none": accounts are in the
        pounds of the year and the place.
    quantum : Relation or DataFrame
        provider_code, financial_year, setting, total_cost_pence, non_patient_pence, excluded_pence.
    as_of : date, optional
        The day of the extract, for stays still open; the year's last day at most.
    tolerance_pct : float
        Unmatched cost beyond this share of the quantum is to be explained.

    Returns
    -------
    Reconciliation
        `.table`: provider_code, setting, recorded_gbp and priced_gbp (cost of what ended in the year, by basis),
        work_in_progress_gbp (cost of this year's days of what ended later, less earlier years' days of what ended in
        it), non_patient_gbp (education, research), excluded_gbp, unmatched_gbp (in the accounts, borne by no patient
        record; negative: patients were given more than was spent), quantum_gbp, unmatched_pct, matched_pct, contacts,
        uncosted. Rows without a quantum keep their patient cost, with the rest missing.

    Raises
    ------
    InputError
        If the ledger is adjusted for market forces, is priced in several bases, or the quantum has no row of the year.

    Examples
    --------
    Of the synthetic England (at its smallest): the lines from recorded to unmatched cost are the quantum, to the penny.

    >>> import pathcost_lib as pc
    >>> from pathcost_lib import paths
    >>> dataset = pc.open_dataset(paths.sample())
    >>> tables = dataset.activity, dataset.unit_costs, dataset.organisations
    >>> ledger = pc.cost_activity(*tables, price_base="2024-25", mff="pay")
    >>> statement = pc.reconcile(ledger, dataset.quantum)
    >>> lines = statement.table.loc[:, "recorded_gbp":"quantum_gbp"].sum()
    >>> (lines / 1e6).round(2)
    recorded_gbp            4.14
    priced_gbp              4.09
    work_in_progress_gbp    0.31
    non_patient_gbp         0.40
    excluded_gbp            0.20
    unmatched_gbp           0.01
    quantum_gbp             7.20
    dtype: float64
    >>> statement.difference_gbp
    0.0
    """
    bases = ledger.query("SELECT DISTINCT price_base, mff_mode FROM this").to_pandas()
    if len(bases) != 1:
        raise InputError("The ledger to reconcile must be priced at one price base.")
    year, mode = bases.iloc[0]
    if mode == "adjust":
        raise InputError(
            'Reconcile a ledger priced with mff="pay" or "none": accounts are not adjusted for market forces.'
        )
    last = financial_year_bounds(year)[1]
    pieces = split_periods(ledger, "financial_year", as_of=min(as_of or last, last))
    settings = pd.DataFrame({"financial_year": [year]})
    steps = ledger.engine.run(_SQL, {"pieces": pieces, "ledger": ledger, "quantum": quantum, "settings": settings})
    table = steps["statement"].to_pandas()
    if table["quantum_pence"].isna().all():
        raise InputError(f"The quantum table holds no row of {year}, the ledger's price base.")
    explained = [f"{x}_pence" for x in _LINES[:5]]
    table["unmatched_pence"] = table["quantum_pence"] - table[explained].sum(axis=1)
    out = table[["provider_code", "setting"]].copy()
    for line in _LINES:
        out[f"{line}_gbp"] = table[f"{line}_pence"] / 100
    patient = table["quantum_pence"] - table["non_patient_pence"] - table["excluded_pence"]
    out["unmatched_pct"] = np.where(patient > 0, 100 * table["unmatched_pence"] / patient.where(patient > 0), np.nan)
    out["matched_pct"] = 100 - out["unmatched_pct"]
    return Reconciliation(out.assign(contacts=table["contacts"], uncosted=table["uncosted"]), year, tolerance_pct)
