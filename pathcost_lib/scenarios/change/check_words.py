"""What ready calculations answer, in a sentence each: what notebook 06 says of a file that holds no scheme."""

from __future__ import annotations

import pandas as pd

from pathcost_lib.present.findings import QUESTIONS, Confidence, Finding, Headline, unknown
from pathcost_lib.present.format import begin, short_pounds, three_figures

__all__ = ["answers", "checks_finding", "checks_message"]

#: The measure of each calculation that answers its question.
_ANSWER = {
    "displacement": "net saving",
    "merger_ceiling": "ceiling: the whole back office",
    "utilisation": "unit cost",
    "withdrawal": "change if it leaves",
    "shared_service": "payback",
    "freed_time": "clinician time freed",
    "growth_case": "cost added to the system if all grow",
    "realised": "delivered, of the middle",
}
_OWN = "the figures are the file's own, and no activity of this area is behind them"


def answers(checks: pd.DataFrame) -> pd.DataFrame:
    """Return the row of each calculation that answers it, with `said`: the number as a sentence has it.

    Parameters
    ----------
    checks : DataFrame
        check, measure, value, unit, reading: rows of `run_checks`, in order.

    Examples
    --------
    >>> import pathcost_lib as pc
    >>> from pathcost_lib.scenarios.change.check_words import answers
    >>> answers(pc.scenarios.run_checks(pc.load_scenario("bed_closure")))[["measure", "said"]].to_numpy().tolist()
    [['net saving', '−£604k a year']]
    """
    answering = [m.startswith(_ANSWER[c]) for c, m in zip(checks["check"], checks["measure"], strict=True)]
    rows = checks[answering].copy()
    if rows.empty:
        return rows.assign(said="")
    # Of several answers of one calculation (unit cost at each use of capacity) the first stands for it.
    again = rows["check"].eq(rows["check"].shift()) & rows["check"].eq("utilisation")
    rows = rows[~again]
    return rows.assign(said=[_said(v, u) for v, u in zip(rows["value"], rows["unit"], strict=True)])


def _said(value: float, unit: str) -> str:
    if pd.isna(value):
        return "not within fifty years"
    if unit.startswith("GBP"):
        amount = f"£{value:.2f}" if 0 <= value < 100 else short_pounds(value, plus="")
        return f"{amount}{unit.removeprefix('GBP')}"
    if unit in ("%", "years"):
        return f"{value:.0f}%" if unit == "%" else f"{value:.1f} years"
    return f"{three_figures(value)} {unit}"


def _sentence(row: pd.Series) -> str:
    measure = begin(str(row["measure"])).replace(": ", ", ")
    return f"{measure}: {row['said']}{' (' + row['reading'] + ')' if row['reading'] else ''}.".replace(" %", "%")


def checks_message(checks: pd.DataFrame, *, title: str, note: str = "") -> str:
    """Return the message of a file that holds ready calculations only."""
    texts = [_sentence(row) for _, row in answers(checks).iterrows()]
    return " ".join(part for part in (f"{title}.", *dict.fromkeys(texts), "No scheme is in the file.", note) if part)


def checks_finding(checks: pd.DataFrame, *, title: str) -> Finding:
    """Return the finding of a file that holds ready calculations only: the first answer, and the others under it."""
    rows = answers(checks)
    if rows.empty:
        return unknown(QUESTIONS[6], f"We cannot say who saves from {title}", "the file holds nothing to work out")
    first = rows.iloc[0]
    lines = tuple(_sentence(row) for _, row in rows.head(2).iterrows())
    answer = f"{title}: {first['measure'].replace(' %', '%')}, {first['said']}".replace("ceiling: ", "at most ")
    headline = Headline(first["said"], str(first["measure"]).replace(" %", "%"))
    return Finding(QUESTIONS[6], answer, lines, Confidence("low", _OWN), headline=headline)
