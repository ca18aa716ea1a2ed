"""The data quality report as a reader wants it: what was found, where, what it costs, what is missing, what ties up."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pathcost_lib.codes import PODS, financial_year_bounds, label, months, words
from pathcost_lib.errors import InputError
from pathcost_lib.ledger import cost_activity, reconcile
from pathcost_lib.ledger.reconcile import Reconciliation
from pathcost_lib.present.disclosure import disclose
from pathcost_lib.present.format import begin, count, percent, pounds, short_pounds
from pathcost_lib.present.precision import nearest
from pathcost_lib.sources import Dataset, QualityReport, Relation
from pathcost_lib.sources.names import table_or_empty
from pathcost_lib.sources.quoting import quote_value, quote_values

__all__ = [
    "FEWEST_CONTACTS",
    "HEADINGS",
    "THIN_PCT",
    "findings",
    "in_words",
    "places",
    "providers_of",
    "reconciled",
    "thin_months",
    "unusual_costs",
]

#: A month with less than this share of a provider's own average is thin.
THIN_PCT = 50.0
#: A service with fewer contacts a month has thin months by chance.
FEWEST_CONTACTS = 20
#: Headings of each of the notebook's tables where the column's own name will not do.
HEADINGS: dict[str, dict[str, str]] = {
    "findings": {"share_pct": "Of the table", "cost_gbp": "Cost of these rows"},
    "filled": {"filled_pct": "Filled"},
    "unusual": {
        "unusual_gbp": "Cost of these rows",
        "median_gbp": "Median of a unit",
        "high_pct": "Of these, high",
    },
    "thin": {"share_pct": "Of its average"},
}
_SAID = {"error": "Error", "warning": "Warning", "info": "Note"}


def in_words(report: QualityReport, *, area: str) -> str:
    """Return the report in a few sentences, the gravest first."""
    many = {severity: int((report.table["severity"] == severity).sum()) for severity in _SAID}
    size = f"about {count(nearest(np.array([sum(report.rows.values())]), 5)[0])} rows of {len(report.rows)} tables"
    sentence = f"Data quality, {area}: {report.rules} rules on {size} found "
    sentence += " and ".join(f"{many[s]} {s}{'s' * (many[s] != 1)}" for s in ("error", "warning")) + "."
    grave = report.table[report.table["severity"].isin(["error", "warning"]) & (report.table["rows"] > 0)]
    costs = disclose(grave[["rows", "cost_gbp"]], counts="rows", in_order=True).frame["cost_gbp"]
    if len(costs) and costs.max() >= 1:
        row = grave.iloc[int(costs.argmax())]
        sentence += f" The largest issue by value is {_finding(row)} ({short_pounds(costs.max(), plus='')})."
    if report.blocking.empty:
        return f"{sentence} No errors were serious enough to stop this pack."
    blocks = "; ".join(_finding(row) for _, row in report.blocking.iterrows())
    return f"{sentence} Not fit for a pack without saying so: {blocks}."


def findings(report: QualityReport) -> pd.DataFrame:
    """Return the findings as finding, severity, rows, share_pct, cost_gbp, what_it_does, example, file."""
    table = report.table[report.table["rows"] > 0].reset_index(drop=True)
    out = pd.DataFrame({"finding": [begin(_finding(row)) for _, row in table.iterrows()]})
    out["severity"] = table["severity"].map(_SAID).where(~table["blocks"], "Error: blocks a pack")
    return out.join(table[["rows", "share_pct", "cost_gbp", "what_it_does", "example", "file"]])


def _finding(row: pd.Series) -> str:
    return f"{words(row['table'])}, {words(row['column'])}: {row['rule']}"


def places(report: QualityReport, *, icb: str, names: Mapping[str, str], by_month: bool = False) -> pd.DataFrame:
    """Return the findings on an area's patients by provider (and month): most rows first, or in order of months."""
    rows = report.places if not icb else report.places[report.places["icb_code"] == icb]
    keys = ["provider_code", *(["month"] if by_month else []), "column", "rule"]
    table = rows.groupby(keys, as_index=False, dropna=False).agg(
        rows=("rows", "sum"), cost_gbp=("cost_gbp", lambda pounds: pounds.sum(min_count=1))
    )
    table["finding"] = (table["column"].map(words) + ": " + table["rule"]).map(begin)
    table["provider"] = _called(table["provider_code"], names)
    ordered = table.sort_values(
        keys if by_month else ["rows", *keys], ascending=by_month or [False, *[True] * len(keys)]
    )
    # By month without pounds: with a provider's total beside them, a suppressed month's could be worked out.
    columns = ["provider", "month", "finding", "rows"] if by_month else ["provider", "finding", "rows", "cost_gbp"]
    return ordered[columns].reset_index(drop=True)


def _called(codes: pd.Series, names: Mapping[str, str]) -> list[str]:
    return [names.get(code, code) for code in codes]


def unusual_costs(report: QualityReport) -> pd.DataFrame:
    """Return recorded costs far from the usual by currency, most pounds first; counts and pounds, no single cost."""
    columns = ["currency_code", "service", "recorded_rows", "median_gbp", "unusual_rows", "high_pct", "unusual_gbp"]
    if report.unusual.empty:
        return pd.DataFrame(columns=columns).astype(dict.fromkeys(columns[2:], float))
    table = report.unusual.assign(service=report.unusual["pod"].map(label))
    table["unusual_rows"] = table["high_rows"] + table["low_rows"]
    return table.assign(high_pct=100 * table["high_rows"] / table["unusual_rows"])[columns]


def providers_of(dataset: Dataset, icb: str) -> Relation:
    """Return the codes of the providers that lie in an area (all if `icb` is empty), as provider_code."""
    organisations = table_or_empty(dataset, "organisations")
    sql = (
        "SELECT DISTINCT o.org_code AS provider_code FROM organisations AS o "
        "JOIN chosen AS c ON c.icb_code = '' OR c.icb_code = o.icb_code"
    )
    chosen = pd.DataFrame({"icb_code": [icb]})
    return dataset.engine.view("local", sql, {"organisations": organisations, "chosen": chosen})


def thin_months(dataset: Dataset, local: Relation, *, year: str, names: Mapping[str, str]) -> pd.DataFrame:
    """Return an area's providers' months with no activity, or with less than `THIN_PCT` of their own average.

    Services of fewer than `FEWEST_CONTACTS` contacts a month are left out, and so are packages counted in weeks: when
    they begin says little about when they are given.

    Returns
    -------
    DataFrame
        provider, setting, month, contacts, share_pct (of the provider's own monthly average in the setting).
    """
    first, last = financial_year_bounds(year)
    weekly = quote_values(pod.code for pod in PODS.values() if pod.unit == "week")
    sql = f"""
        SELECT provider_code, setting, year(start_date) * 100 + month(start_date) AS month, count(*) AS contacts
        FROM this
        WHERE start_date BETWEEN {quote_value(first)} AND {quote_value(last)} AND pod NOT IN ({weekly})
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""
    table = dataset.activity.having("provider_code", local).query(sql).to_pandas()
    table["month"] = table["month"].astype(str).str[:4] + "-" + table["month"].astype(str).str[4:]
    services = table[["provider_code", "setting"]].drop_duplicates()
    every = services.merge(pd.DataFrame({"month": [name for name, *_ in months(first, last)]}), how="cross")
    table = every.merge(table, how="left").fillna({"contacts": 0})
    usual = table.groupby(["provider_code", "setting"])["contacts"].transform("mean")
    table["share_pct"] = 100 * table["contacts"] / usual
    table["provider"] = _called(table["provider_code"], names)
    thin = (table["share_pct"] < THIN_PCT) & (usual >= FEWEST_CONTACTS)
    return table.loc[thin, ["provider", "setting", "month", "contacts", "share_pct"]].reset_index(drop=True)


def reconciled(dataset: Dataset, local: Relation, *, year: str, names: Mapping[str, str]) -> tuple[pd.DataFrame, str]:
    """Return the reconciliation of an area's providers to the quantum, and what it says or why there is none.

    Returns
    -------
    DataFrame, str
        provider, setting, contacts, quantum_gbp, matched_gbp, unmatched_gbp, unmatched_pct: most unmatched first.
    """
    columns = ["provider", "setting", "contacts", "quantum_gbp", "unmatched_gbp", "unmatched_pct"]
    nothing = pd.DataFrame(columns=columns).astype(dict.fromkeys(columns[2:], float))
    if "quantum" not in dataset:
        return nothing, "Not computable: the data hold no quantum to reconcile to."
    prices, organisations = (table_or_empty(dataset, name) for name in ("unit_costs", "organisations"))
    mine = dataset.activity.having("provider_code", local)
    counts = mine.query("SELECT count(*) AS contacts, count(end_date) AS ended FROM this").to_arrow().to_pylist()[0]
    if not counts["contacts"]:
        return nothing, "Not computable: no provider with activity is known to lie in the area."
    if not counts["ended"]:  # all would seem open, and all that was spent matched to nobody
        return nothing, "Not computable: end date is not in these data, so nothing is known to have ended in the year."
    try:
        paid = cost_activity(mine, prices, organisations, price_base=year, mff="pay")
        statement = reconcile(paid, dataset.quantum.having("provider_code", local))
    except InputError as error:
        return nothing, f"Not computable: {error}"
    table = statement.table.sort_values("unmatched_gbp", key=abs, ascending=False)
    table["provider"] = _called(table["provider_code"], names)
    return table[columns].reset_index(drop=True), _tied(statement)


def _tied(statement: Reconciliation) -> str:
    """Return what ties up, no more exact than may leave: the whole to three figures, what is unmatched in per cent."""
    rows = statement.table[statement.table["quantum_gbp"].notna()]
    total = rows["quantum_gbp"].sum()
    whole = disclose(pd.DataFrame({"quantum_gbp": [total]}), counts=[]).frame["quantum_gbp"].iloc[0]
    share = 100 * rows["unmatched_gbp"].sum() / total if total else 0.0
    lines = statement.summary.find(" Beyond")
    return (
        f"{statement.year}: quantum {short_pounds(whole, plus='')}, of which {percent(share, 1)} is matched to no "
        f"patient; closes to {pounds(statement.difference_gbp, 2)}.{statement.summary[lines:] if lines >= 0 else ''}"
    )
