"""Where the rows of activity that break a rule are, and what they cost: by provider, area and month, not by patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from pathcost_lib import paths
from pathcost_lib.sources.contracts import Rule
from pathcost_lib.sources.engine import Relation

__all__ = ["KNOWN", "gone_examples", "no_places", "place", "published_icbs"]

_SQL = Path(__file__).with_suffix(".sql")
#: Codes that a column may refer to, from the table that must hold them.
KNOWN = {
    "icb": "SELECT DISTINCT org_code AS code FROM known WHERE kind = 'icb'",
    "organisations": "SELECT DISTINCT org_code AS code FROM known",
    "patients": "SELECT DISTINCT patient_id AS code FROM known",
}
_PLACES = ["column", "rule", "provider_code", "icb_code", "month", "rows", "cost_gbp", "uncosted"]


def published_icbs() -> pd.DataFrame:
    """Return the published list of ICBs: icb_code, valid_from, valid_to (missing = open), successors as words."""
    listed = pd.read_csv(paths.reference() / "icbs.csv", usecols=["icb_code", "valid_from", "valid_to"], dtype=str)
    follow = pd.read_csv(paths.reference() / "icb_successions.csv", usecols=["icb_code", "successor_code"], dtype=str)
    successors = follow.groupby("icb_code")["successor_code"].agg(" and ".join).rename("successors").reset_index()
    for column in ("valid_from", "valid_to"):
        listed[column] = pd.to_datetime(listed[column]).astype("date32[pyarrow]")
    return listed.merge(successors, on="icb_code", how="left").astype({"successors": "string"})


def place(
    steps: Mapping[str, Relation], broken: Sequence[Rule], tables: Mapping[str, Relation], ledger: Relation | None
) -> pd.DataFrame:
    """Return the rows of activity that break each rule, by provider, ICB and month, and what the ledger says they cost.

    Parameters
    ----------
    steps : mapping of str to Relation
        The steps of `check.sql`.
    broken : sequence of Rule
        Rules of activity that some row breaks.
    tables : mapping of str to Relation
        The dataset's tables.
    ledger : Relation, optional
        From `ledger.cost_activity`; only the rows at fault are priced. Without it costs are missing.

    Returns
    -------
    DataFrame
        column, rule, provider_code and icb_code ("not known" where organisations do not hold the code: it could be
        anything), month ("2024-04"), rows, cost_gbp, uncosted (rows without a cost).
    """
    if not broken:
        return no_places()
    engine = steps["activity"].engine
    what = "activity_id, provider_code, icb_code, start_date"
    parts = [f"SELECT {n} AS finding, {what} FROM ({_rows(rule)}) AS at_fault" for n, rule in enumerate(broken)]
    known = {f"known_{rule.needs}": tables[rule.needs] for rule in broken if rule.needs}
    faulty = engine.view("faulty", " UNION ALL ".join(parts), {**steps, **known}, materialise=True)
    costs: Relation | pd.DataFrame = pd.DataFrame({"activity_id": [], "cost_pence": []}, dtype="int64")
    if ledger is not None:
        costs = ledger.having("activity_id", faulty)
    inputs = {"faulty": faulty, "costs": costs, "spans": steps["spans"]}
    table = engine.run(_SQL, inputs)["places"].to_pandas()
    month = table["month"].astype("Int64").astype("string")
    rules = pd.DataFrame([(r.column, r.rule) for r in broken], columns=["column", "rule"])
    table = table.join(rules, on="finding").assign(month=month.str[:4] + "-" + month.str[4:])
    table["cost_gbp"] = table["cost_pence"] / 100 if ledger is not None else float("nan")
    return table[_PLACES]


def no_places() -> pd.DataFrame:
    """Return `place`'s table without rows."""
    return pd.DataFrame({name: pd.Series(dtype="float" if name in _PLACES[5:] else "object") for name in _PLACES})


def _rows(rule: Rule) -> str:
    """Return the SQL of the rows of activity that break a rule."""
    if rule.of == "services":
        same = " AND ".join(f"s.{c} IS NOT DISTINCT FROM a.{c}" for c in ("setting", "pod", "currency_code"))
        return f"SELECT a.* FROM activity AS a JOIN (SELECT * FROM services WHERE {rule.test}) AS s ON {same}"
    if rule.test in KNOWN:
        known = KNOWN[rule.test].replace("FROM known", f"FROM known_{rule.needs}")
        sql = f"SELECT a.* FROM activity AS a LEFT JOIN ({known}) AS k ON k.code = a.{rule.column}"
        return f"{sql} WHERE k.code IS NULL AND a.{rule.column} IS NOT NULL"
    return f"SELECT * FROM {'activity' if rule.of == 'codes' else rule.of} WHERE {rule.test}"


def gone_examples(places: pd.DataFrame, spans: Relation) -> dict[str, str]:
    """Return, for `provider_code` and `icb_code`, the codes used outside their dates, with who took over."""
    dated = spans.query("SELECT org_code, successors FROM this").to_pandas().set_index("org_code")["successors"]
    words = {}
    for column in ("provider_code", "icb_code"):
        lines = places[(places["column"] == column) & places["rule"].str.contains("did not exist")]
        top = lines.groupby(column)["rows"].sum().nlargest(5)
        after = {code: f"; taken over by {dated[code]}" if pd.notna(dated.get(code)) else "" for code in top.index}
        words[column] = ", ".join(f"{code} ({rows:,} rows{after[code]})" for code, rows in top.items() if rows >= 5)
    return words
