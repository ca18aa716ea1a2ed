"""Provider spells from episodes, with critical care and excess bed days beside them, each pound once.

A row of an admitted point of delivery is a finished consultant episode (FCE), the care under one consultant; the
national schedule prices FCEs. A *provider spell*, as in Hospital Episode Statistics and SUS, is a patient's stay at one
provider from admission to discharge: here, episodes of one patient at one provider of which each starts on or before
the day that an earlier one ended. A transfer to another provider starts a new spell; spells that follow each other
without a night between are one *continuous inpatient spell* (CIPS). Activity carries no admission and discharge codes,
so a discharge and a new admission at one provider on one day count as one spell. A price per bed day pays each of
length_of_stay_days: give that without the days of critical care that have rows of their own.

Sources: NHS Data Model and Dictionary ("Hospital Provider Spell", "Consultant Episode"); NHS Digital, Methodology to
create provider and CIP spells from HES APC data. Critical care is unbundled from the HRG, and its days are taken off
the length of stay before it is held against the trim point (NHS Payment Scheme, long stay payments).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from pathcost_lib.codes import PODS
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.sources.engine import Relation

__all__ = ["SpellStatement", "Spells", "build_spells"]

_SQL = Path(__file__).with_name("spells.sql")
_ELECTIVE = ("day_case", "elective")


@dataclass(frozen=True)
class SpellStatement:
    """Where the pounds of admitted rows went, in whole pence: in spells, outside any, or priced more than once."""

    ledger_pence: int
    spells_pence: int
    outside_pence: int
    repeated_pence: int
    added_pence: int

    @property
    def difference_pence(self) -> int:
        """Ledger less spells (without what was added to them), outside and repeated: 0, or something is wrong."""
        return self.ledger_pence + self.added_pence - self.spells_pence - self.outside_pence - self.repeated_pence


@dataclass(frozen=True)
class Spells:
    """Spells, and which ledger row is in which.

    Attributes
    ----------
    spells : Relation
        spell_id (activity_id of the first episode), cips_id, patient_id, provider_code, icb_code, currency_code (of the
        dearest episode), start_date, end_date (missing: still open), episodes, uncosted (episodes without a cost),
        nights, critical_care_days, ward_days (nights less those), trim_days, excess_days, inlier_pence, excess_pence,
        critical_care_pence, cost_pence (all three), added_pence (what of it is not in the ledger). Where the spell is
        open or its HRG has no trim point, excess days are not known: they, inlier_pence and excess_pence are missing.
    members : Relation
        activity_id, spell_id (missing: critical care in no spell), part ("episode", "critical_care"), ledger_pence, and
        cost_pence, what of it counts.
    steps : Relation
        The statement, as a table.
    """

    spells: Relation
    members: Relation
    steps: Relation

    def statement(self) -> SpellStatement:
        """Count the ledger's admitted pounds, and the spells', separately."""
        counts = self.steps.to_arrow().to_pylist()[0]
        pence = "CAST(coalesce(sum({}), 0) AS BIGINT) AS {}".format
        sums = f"{pence('cost_pence', 'spells_pence')}, {pence('added_pence', 'added_pence')}"
        return SpellStatement(**counts, **self.spells.query(f"SELECT {sums} FROM this").to_arrow().to_pylist()[0])


def build_spells(
    ledger: Relation,
    trim_points: Relation | pd.DataFrame | None = None,
    *,
    priced_per: Literal["fce", "spell"] = "fce",
    excess_prices: pd.DataFrame | None = None,
    transfer_days: int = 0,
) -> Spells:
    """Group the ledger's admitted rows into provider spells.

    Parameters
    ----------
    ledger : Relation
        From `cost_activity`.
    trim_points : Relation or DataFrame, optional
        currency_code, elective_days, emergency_days: the longest ordinary stay of each HRG, by how the spell began; as
        `sources.published.read("hrg_trim_points", file).table` gives them.
    priced_per : {"fce", "spell"}
        What one price pays for. "fce": a spell is the sum of its episodes (the national schedule). "spell": it is its
        dearest episode, the others being in that price. Recorded cost is always added up.
    excess_prices : DataFrame, optional
        currency_code ("*" for any other) and unit_cost, ten-thousandths of a pound for one day beyond the trim point at
        the ledger's price base: for price lists whose spell price stops at the trim point (long stay payments). It is
        added to the ledger's cost (`added_pence`), save where a cost is recorded. Without it the cost of the
        episodes holds all their days, as the national schedule's does, and the excess days' part of it is shown, by
        days.
    transfer_days : int
        Most days between two spells of one continuous inpatient spell.

    Raises
    ------
    InputError
        If a choice is not known, or a currency is listed twice in trim points or prices.
    """
    require_one_of(priced_per, ("fce", "spell"), what="Unit of price")
    columns = ["currency_code", "elective_days", "emergency_days"]
    trims = pd.DataFrame(columns=columns) if trim_points is None else trim_points
    prices = pd.DataFrame(columns=["currency_code", "unit_cost"]) if excess_prices is None else excess_prices
    inputs: dict[str, Relation | pd.DataFrame] = {
        "ledger": ledger,
        "spell_pods": pd.DataFrame(
            [(p.code, int(p.code in _ELECTIVE)) for p in PODS.values() if p.unit == "spell"],
            columns=["pod", "elective"],
        ),
        "trims": _once(trims, "Trim points", columns[1:]),
        "excess_prices": _once(prices, "Prices of excess days", ["unit_cost"]),
        "settings": pd.DataFrame({"priced_per": [priced_per], "transfer_days": [transfer_days]}),
    }
    steps = ledger.engine.run(_SQL, inputs)
    return Spells(steps["spells"], steps["members"], steps["statement"])


def _once(table: Relation | pd.DataFrame, what: str, numbers: list[str]) -> pd.DataFrame:
    frame = table.to_pandas() if isinstance(table, Relation) else table
    missing = [c for c in ("currency_code", *numbers) if c not in frame]
    if missing:
        raise InputError(f"{what}: column {', '.join(missing)} is missing. Held: {', '.join(map(str, frame.columns))}.")
    twice = frame.loc[frame["currency_code"].duplicated(), "currency_code"]
    if len(twice):
        raise InputError(f"{what}: currency {', '.join(twice.unique()[:5])} is listed twice.")
    out = frame[["currency_code"]].astype("string")
    for column in numbers:
        values = pd.to_numeric(frame[column], errors="coerce")
        if (wrong := frame[column].notna() & ~(values.ge(0) & (values % 1 == 0))).any():
            raise InputError(
                f"{what}, column {column}: {frame[column][wrong].iloc[0]!r}. Allowed: whole numbers from 0."
            )
        out[column] = values.astype("Int64")
    return out
