"""What a row of a mapping must not be, and what became of the rows that were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pathcost_lib.intake.expressions import row_expression
from pathcost_lib.intake.feed import Feed, engine_kind
from pathcost_lib.intake.origins import Origin
from pathcost_lib.intake.pseudonyms import holds_nhs_number, rounded_by_excel
from pathcost_lib.intake.workbooks import FAULTS
from pathcost_lib.sources.contracts import PATTERNS
from pathcost_lib.sources.csv_files import number_list
from pathcost_lib.sources.engine import Relation
from pathcost_lib.sources.quoting import quote_name, quote_value, quote_values

__all__ = ["IDENTIFIERS", "Rule", "broken_rules", "rules_of", "theirs"]

#: Columns that hold identifiers, and what they identify.
IDENTIFIERS = {"patient_id": "patient", "activity_id": "activity"}


_FINDINGS = """
    SELECT {0} AS n, count(*) AS rows, min(__row, 5) AS numbers FROM this WHERE {1}
    GROUP BY ALL HAVING count(*) > 0 ORDER BY n
"""


@dataclass(frozen=True)
class Rule:
    """What a row must not be, for the report."""

    column: str
    rule: str
    broken: str
    action: str = "rejected"


def theirs(feed: Feed, sql: str) -> str:
    """Return an expression as the engine runs it, `source.NAME` under a name that no column of ours has."""
    return row_expression(sql, feed.ours, feed.place)


def rules_of(feed: Feed, origin: Origin) -> Iterator[Rule]:
    """Yield the rules of a feed, in the order in which a row is held to them."""
    for item in feed.exclude:
        yield Rule("", str(item["reason"]), f"coalesce(({theirs(feed, item['where'])}), false)", "excluded")
    if feed.latest:
        words = f"{feed.latest['by']} is neither a number nor a date, so that the later submission cannot be told"
        yield Rule("", words, f"({feed.submitted()}) IS NULL")
    if texts := ", ".join(f"__source.{quote_name(name)}" for name in feed.sources):
        yield Rule("", "the row is empty", f"coalesce({texts}) IS NULL", "excluded")
    for column, spec in feed.columns.items():
        value = f"__source.{quote_name(spec['from'])}" if "from" in spec else None
        yield from _privacy_rules(feed, column, value)
        yield from _value_rules(feed, column, spec, value, origin)


def _privacy_rules(feed: Feed, column: str, value: str | None) -> Iterator[Rule]:
    """An identifier is whole where it belongs, and nowhere else: what is not a date is looked through."""
    kind = engine_kind(feed.ours[column])
    if column in IDENTIFIERS:
        broken = rounded_by_excel(value or column)
        yield Rule(column, "a workbook has rounded it (9.43E+09): format the column as text, and export again", broken)
    elif kind != "DATE":
        text = value or f"CAST({column} AS VARCHAR)"
        yield Rule(column, "holds an NHS number, which is never stored", holds_nhs_number(text))
        if kind == "VARCHAR" and "patient_id" in feed.columns:
            broken = f"length(patient_id) >= 6 AND {text} = patient_id"
            yield Rule(column, "holds the patient's identifier, which is never stored", broken)


def _value_rules(feed: Feed, column: str, spec: Mapping[str, Any], value: str | None, origin: Origin) -> Iterator[Rule]:
    target = feed.ours[column]
    if value and origin.typed:
        faults = quote_values(FAULTS)
        words = f"{spec['from']}: the cell holds an error, or a formula whose result was not saved (open, save, import)"
        yield Rule(column, words, f"{value} IN ({faults})")
    if value and "codes" in spec:
        listed = quote_values(spec["codes"])
        unlisted, broken = spec.get("unlisted", "reject"), f"{value} NOT IN ({listed})"
        if unlisted == "reject":
            yield Rule(column, f"{spec['from']} is not a listed code. Listed: {', '.join(spec['codes'])}", broken)
        elif unlisted != "keep":
            yield Rule(column, f"{spec['from']} is not a listed code, so {unlisted} was taken", broken, "replaced")
    if value and engine_kind(target) != "VARCHAR":
        words = feed.reading(column, origin.typed, origin.days_from_1904).words
        yield Rule(column, f"{spec['from']} is not {words}", f"{value} IS NOT NULL AND {column} IS NULL")
    if target.allowed:
        allowed = quote_values(target.allowed)
        yield Rule(column, f"not allowed. Allowed: {', '.join(target.allowed)}", f"{column} NOT IN ({allowed})")
    if target.pattern:
        pattern, words = PATTERNS[target.pattern]
        yield Rule(column, f"not {words}", f"NOT regexp_full_match({column}, {quote_value(pattern)})")
    if not target.null:
        yield Rule(column, "missing, and the table needs it", f"{column} IS NULL")


def broken_rules(staged: Relation, rules: list[Rule]) -> Iterator[dict[str, object]]:
    """Yield the rules that rows broke: how many rows, and the first of their numbers."""
    queries = [_FINDINGS.format("__broken", "__broken IS NOT NULL")]
    queries += [
        _FINDINGS.format(n, f"__broken IS NULL AND __replaced_{n}")
        for n, r in enumerate(rules)
        if r.action == "replaced"
    ]
    for sql in queries:
        for row in staged.query(sql).to_arrow().to_pylist():
            rule, rows = rules[row["n"]], row["rows"]
            yield {
                "column": rule.column,
                "rule": rule.rule,
                "action": rule.action,
                "rows": rows,
                "row_numbers": number_list(row["numbers"], rows),
            }
