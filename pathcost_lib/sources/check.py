"""What is wrong with a dataset, rule by rule, in counts: no value of a patient or a contact leaves the engine.

Rules on a column come from its contract. Each table is read once for the rules on its rows, once a coded column for the
rules on codes (on distinct values), and once for its key; activity a few times more, for what `check.sql` groups.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from pathcost_lib.codes import PODS
from pathcost_lib.errors import InputError
from pathcost_lib.results import Result
from pathcost_lib.sources.between import RULES_BETWEEN, between_tables
from pathcost_lib.sources.contracts import CONTRACTS, PATTERNS, Contract, Rule, full_match
from pathcost_lib.sources.dataset import Dataset, conform
from pathcost_lib.sources.engine import Relation
from pathcost_lib.sources.files import unreadable
from pathcost_lib.sources.findings import KNOWN, gone_examples, no_places, place, published_icbs
from pathcost_lib.sources.quoting import quote_name, quote_value, quote_values

__all__ = ["QualityReport", "check"]

_SQL = Path(__file__).with_name("check.sql")
_SEVERITIES = {"error": "error", "warning": "warning", "info": "note"}
#: An ODS code is three to six capitals and digits, beginning with a letter: nothing else is shown as an example.
_ODS_CODE = "^[A-Z][A-Z0-9]{2,5}$"
#: A code on fewer rows is not shown.
_FEWEST_ROWS_SHOWN = 5


@dataclass(frozen=True, eq=False)
class QualityReport(Result):
    """What `check` found: `table` holds one line a broken rule and table; nothing in it is about one patient.

    Attributes
    ----------
    table : DataFrame
        severity (error, warning, info), table, file, column, rule, rows, share_pct (of the table's rows), cost_gbp (of
        those rows, where a ledger was given), example (allowed values, or organisation codes), what_it_does (what
        happens to those rows downstream), blocks (whether a pack may not be built).
    coverage : DataFrame
        setting, provider_kind, activity_rows, units, providers, first_month, last_month, months_held: what is held.
        What would be expected is the ledger's question.
    places : DataFrame
        `findings.place`: the findings on activity by provider, ICB and month, with their cost.
    filled : DataFrame
        table, column, rows, filled_pct (not null).
    unusual : DataFrame
        pod, currency_code, recorded_rows, median_gbp (a unit), high_rows, low_rows, unusual_gbp: recorded costs that
        are far from the usual.
    rows : mapping of str to int
        Rows of each table.
    rules : int
        How many rules were checked.
    """

    coverage: pd.DataFrame
    places: pd.DataFrame = field(default_factory=no_places)
    filled: pd.DataFrame = field(default_factory=pd.DataFrame)
    unusual: pd.DataFrame = field(default_factory=pd.DataFrame)
    rows: Mapping[str, int] = field(default_factory=dict)
    rules: int = 0

    @property
    def errors(self) -> pd.DataFrame:
        """Lines that make figures wrong: mend them at the source."""
        return self._of("error")

    @property
    def warnings(self) -> pd.DataFrame:
        """Lines that a reader of the figures should know of."""
        return self._of("warning")

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return self.errors.empty

    @property
    def blocking(self) -> pd.DataFrame:
        """Errors on so many rows (`MATERIAL_PCT` of their table), or so grave, that no pack may be built."""
        return self.table[self.table["blocks"]].reset_index(drop=True)

    def require_sound(self, anyway: bool = False) -> None:
        """Refuse data on which no pack may be built.

        Raises
        ------
        InputError
            If a finding blocks and `anyway` is False; each is named.
        """
        if len(self.blocking) and not anyway:
            raise InputError(f"The data are not fit for a pack: {_worst(self.blocking)}. `--set anyway=yes` builds it.")

    @property
    def summary(self) -> str:
        """How much was checked, how much was found, and the errors in words."""
        numbers = ", ".join(f"{name} {rows:,}" for name, rows in self.rows.items()) or "none"
        findings = ", ".join(_many(len(self._of(severity)), word) for severity, word in _SEVERITIES.items())
        worst = " No errors." if self.ok else f" Errors: {_worst(self.errors)}."
        return f"{self.rules} rules checked (rows: {numbers}). Found: {findings}.{worst}"

    def _of(self, severity: str) -> pd.DataFrame:
        return self.table[self.table["severity"] == severity].reset_index(drop=True)


def check(dataset: Dataset, *, as_of: date | None = None, ledger: Relation | None = None) -> QualityReport:
    """Check every table of a dataset against its contract and against the others.

    Parameters
    ----------
    dataset : Dataset
        What `open_dataset` gave.
    as_of : date, optional
        Later dates are in the future; today if not given.
    ledger : Relation, optional
        From `ledger.cost_activity`: what the rows at fault cost is then said. Only those rows are priced.

    Returns
    -------
    QualityReport
        A file that is damaged inside, or holds text that is not UTF-8, is named, and then nothing else is checked.

    Raises
    ------
    InputError
        If a table made from frames lacks a column or has one of another type (`open_dataset` refuses those itself).

    Examples
    --------
    The synthetic England at its smallest has no error, and two things that a reader of its figures should know of:

    >>> from datetime import date
    >>> import pathcost_lib as pc
    >>> from pathcost_lib import paths
    >>> report = pc.check(pc.open_dataset(paths.sample()), as_of=date(2026, 3, 31))
    >>> report.ok
    True
    >>> for rule in report.warnings["rule"]:
    ...     print(rule)
    no price for the POD and currency, nor a proxy
    stay begins before an earlier one of the same patient ends: two beds at once
    """
    try:
        return _check(dataset, as_of or date.today(), ledger)
    except Exception:  # Whatever the engine calls a damaged page or bytes that are not text.
        broken = unreadable(dataset.files)
        if not broken:
            raise
    effect = "Nothing can be computed from this table, and no other rule was checked."
    lines = [{"severity": "error", "example": "", "what_it_does": effect, "blocks": True, **line} for line in broken]
    names = {str(line["table"]) for line in broken}
    sizes = {name: sum(pq.read_metadata(path).num_rows for path in dataset.files[name]) for name in names}
    return QualityReport(_frame(lines, sizes), _no_coverage(), rows=sizes, rules=1)


def _check(dataset: Dataset, as_of: date, ledger: Relation | None) -> QualityReport:
    tables = {name: dataset.tables[name] for name in CONTRACTS if name in dataset}
    tables = conform(tables, dataset.files, where=dataset.where)
    steps = _activity_steps(tables) if "activity" in tables else {}
    rows = {name: relation.count() for name, relation in tables.items()}
    lines, rules, places = _not_checked(tables), 0, no_places()
    for name, relation in tables.items():
        counts = _found(CONTRACTS[name], tables, steps if name == "activity" else {"rows_with": relation}, as_of)
        broken = {rule: n for rule, n in counts if n}
        where = _where(dataset, name, [rule for rule in broken if rule.severity != "info"])
        whole = dataset.where(name)
        if name == "activity":
            places = place(steps, [rule for rule in broken if rule.test], tables, ledger)
            gone = gone_examples(places, steps["spans"])
            broken = {_with_example(rule, gone, steps): n for rule, n in broken.items()}
        lines += [_line(rule, name, where.get(rule, whole), n) for rule, n in broken.items()]
        rules += len(counts)
    for rule, name, n, codes in between_tables(tables):
        examples = [code for code in codes if re.fullmatch(_ODS_CODE, code)]
        example = ", ".join(examples[:5]) + (f" and {len(codes) - 5} more" if len(codes) > 5 else "")
        lines.append(_line(replace(rule, example=example), name, dataset.where(name), n))
    rules += len(RULES_BETWEEN)
    coverage = steps["coverage"].to_pandas() if steps else _no_coverage()
    unusual = steps["unusual_costs"].to_pandas() if steps else pd.DataFrame()
    return QualityReport(_frame(lines, rows, places), coverage, places, _filled(tables), unusual, rows, rules)


def _filled(tables: Mapping[str, Relation]) -> pd.DataFrame:
    """Count what is not null in each column of each table, in one pass over a table."""
    lines = []
    for name, relation in tables.items():
        counts = ", ".join(f"count({c.name}) AS {c.name}" for c in CONTRACTS[name].columns)
        row = relation.query(f"SELECT count(*) AS all_rows, {counts} FROM this").to_arrow().to_pylist()[0]
        size = row.pop("all_rows")
        lines += [(name, column, size, 100 * n / size if size else float("nan")) for column, n in row.items()]
    return pd.DataFrame(lines, columns=["table", "column", "rows", "filled_pct"])


def _with_example(rule: Rule, gone: Mapping[str, str], steps: Mapping[str, Relation]) -> Rule:
    if "did not exist" in rule.rule:
        return replace(rule, example=gone[rule.column])
    if rule.of == "services" and rule.severity != "info":
        # Which points of delivery, and how much of their activity: a price list may lack a whole one.
        sql = (
            f"SELECT pod, CAST(sum(held) AS BIGINT) AS rows, CAST(sum(held) FILTER (WHERE {rule.test}) AS BIGINT) AS n "
        )
        pods = steps["services"].query(f"{sql} FROM this GROUP BY pod ORDER BY n DESC NULLS LAST, pod").to_arrow()
        named = [
            f"{row['pod']} ({100 * row['n'] / row['rows']:.0f}% of its rows)" for row in pods.to_pylist() if row["n"]
        ]
        return replace(rule, example=", ".join(named[:5]) + (f" and {len(named) - 5} more" if len(named) > 5 else ""))
    return rule


def _activity_steps(tables: Mapping[str, Relation]) -> Mapping[str, Relation]:
    """Run `check.sql`; a table that is not held is empty there, and its rules are left out by `_found`."""
    activity = tables["activity"]
    inputs: dict[str, Relation | pd.DataFrame] = dict(tables)
    for name in CONTRACTS.keys() - tables.keys():
        types = {c.name: activity.schema["patient_id"] if " or " in c.type else c.type for c in CONTRACTS[name].columns}
        nulls = ", ".join(f"CAST(NULL AS {kind}) AS {column}" for column, kind in types.items())
        inputs[name] = activity.engine.view(name, f"SELECT {nulls} WHERE false")
    pods = [(p.code, p.setting, p.code in _HRG_PODS, p.code in _BEDS, n) for n, p in enumerate(PODS.values())]
    inputs["pods"] = pd.DataFrame(pods, columns=["pod", "pod_setting", "counts_hrg", "is_bed", "pod_number"])
    inputs["published"] = published_icbs()
    lists = {"setting": CONTRACTS["activity"]["setting"].allowed, "kind": CONTRACTS["organisations"]["kind"].allowed}
    allowed = [(name, code) for name, codes in lists.items() for code in codes]
    inputs["allowed"] = pd.DataFrame(allowed, columns=["name", "code"])
    return activity.engine.run(_SQL, inputs)


def _found(
    contract: Contract, tables: Mapping[str, Relation], steps: Mapping[str, Relation], as_of: date
) -> list[tuple[Rule, int]]:
    """Return every rule of a table that can be checked, with the rows that break it."""
    relation = tables[contract.table]
    every_rule = [r for r in (*_row_rules(contract, as_of), *_code_rules(contract)) if not r.needs or r.needs in tables]
    counts = _repeated(relation, contract)
    for of in dict.fromkeys(rule.of for rule in every_rule):
        rules = [rule for rule in every_rule if rule.of == of]
        if of == "codes":
            counts += [_count_codes(relation, rule, tables) for rule in rules]
        else:
            counts += zip(
                rules, _count(steps[of], rules, "count(*)" if of == "rows_with" else "sum(held)"), strict=True
            )
    return counts


# -- rules -------------------------------------------------------------------------------------------------------------

_ADMISSIONS = ("day_case", "elective", "non_elective", "non_elective_short")
#: A critical care day lies inside a spell.
_BEDS = (*_ADMISSIONS, "mental_health_bed_day", "rehabilitation_day")
_HRG_PODS = (*_ADMISSIONS, "outpatient_procedure")
#: What happens downstream to values at fault, where the contract does not say more.
_NULL = "Kept; left out wherever rows are grouped or matched by this column."
_CODE = "Kept; no price, definition or breakdown knows the value, so it falls outside them."
_RANGE = "Kept and used as it stands."


def _row_rules(contract: Contract, as_of: date) -> list[Rule]:
    """Return what one row can break: nulls and ranges, then the rules between columns."""
    rules = []
    for c in contract.columns:
        if not c.null:
            # Without the whole of an optional column a pack goes on, and says what is lost.
            severity = "warning" if c.optional else "error"
            rules.append(Rule(severity, c.name, "null, where a value must be", f"{c.name} IS NULL", c.effect or _NULL))
        if c.range_words:
            limits = ((">=", c.lowest), ("<=", c.highest))
            inside = " AND ".join(
                f"{c.name} {sign} {quote_value(value)}" for sign, value in limits if value is not None
            )
            words = f"outside what is allowed, {c.range_words}"
            rules.append(Rule("error", c.name, words, f"NOT ({inside})", c.effect or _RANGE))
    return rules + [replace(rule, test=rule.test.replace("{today}", quote_value(as_of))) for rule in contract.rules]


def _code_rules(contract: Contract) -> list[Rule]:
    """Return the rules on a column's distinct values; where another table must hold them, `test` is a key of KNOWN."""
    rules = []
    for c in contract.columns:
        effect = c.effect or _CODE
        if c.allowed:
            listed, allowed = quote_values(c.allowed), "Allowed: " + ", ".join(c.allowed)
            rules.append(Rule("error", c.name, "value is not allowed", f"{c.name} NOT IN ({listed})", effect, allowed))
        if c.pattern:
            test = f"NOT regexp_matches({c.name}, {full_match(c.pattern)})"
            odd_name = ("warning", "Made fit to print wherever it is shown.")
            severity, refused = odd_name if c.pattern == "name" else ("error", "Refused when opened as a file.")
            rules.append(Rule(severity, c.name, f"not {PATTERNS[c.pattern][1]}", test, refused))
        if c.shape:
            test = f"NOT regexp_matches({c.name}, {quote_value(f'^({c.shape})$')})"
            rules.append(Rule(c.malformed, c.name, f"not {c.like}", test, effect))
        if c.refers == "patients":
            rules.append(Rule("warning", c.name, "not in patients", "patients", effect, needs="patients"))
        elif c.refers:
            words = "not an ICB in organisations" if c.refers == "icb" else "not in organisations"
            rules.append(Rule("error", c.name, words, c.refers, effect, needs="organisations"))
    return [replace(rule, of="codes") for rule in rules]


# -- counts ------------------------------------------------------------------------------------------------------------


def _count(relation: Relation, rules: list[Rule], weight: str = "count(*)") -> list[int]:
    """Return the rows that break each rule, in one pass over rows, or over groups that hold `sum(held)` rows."""
    listed = ", ".join(f"{weight} FILTER (WHERE {rule.test}) AS n{i}" for i, rule in enumerate(rules))
    row = relation.query(f"SELECT {listed} FROM this").to_arrow().to_pylist()[0]
    return [int(n or 0) for n in row.values()]


def _sum(relation: Relation, expression: str = "held") -> int:
    table = relation.query(f"SELECT CAST(coalesce(sum({expression}), 0) AS BIGINT) AS n FROM this").to_arrow()
    return int(table["n"][0].as_py())


def _count_codes(relation: Relation, rule: Rule, tables: Mapping[str, Relation]) -> tuple[Rule, int]:
    """Count the rows that break a rule on a column's distinct values; of organisations, give codes as examples."""
    column, view = rule.column, relation.engine.view
    sql = f"SELECT {column}, count(*) AS held FROM this WHERE {column} IS NOT NULL GROUP BY {column}"
    codes = view("codes", sql, {"this": relation})
    if rule.test not in KNOWN:
        return rule, _count(codes, [rule], "sum(held)")[0]
    known = f"LEFT JOIN ({KNOWN[rule.test]}) AS k ON k.code = c.{column}"
    sql = f"SELECT c.{column} AS code, c.held FROM codes AS c {known} WHERE k.code IS NULL"
    unknown = view("unknown", sql, {"codes": codes, "known": tables[rule.needs]}, materialise=True)
    rows = _sum(unknown)
    return (replace(rule, example=_examples(unknown, tables)) if rows and rule.test != "patients" else rule), rows


def _examples(unknown: Relation, tables: Mapping[str, Relation]) -> str:
    """Return up to five organisation codes; never what could be a patient's pseudonym in the wrong column."""
    codes = unknown.query(
        f"SELECT * FROM this WHERE regexp_matches(code, {quote_value(_ODS_CODE)}) AND held >= {_FEWEST_ROWS_SHOWN}"
    )
    for name in ("patients", "activity", "outcomes"):
        if name in tables and codes.count():
            people = "SELECT DISTINCT CAST(patient_id AS VARCHAR) AS code FROM people"
            sql = f"SELECT c.* FROM codes AS c LEFT JOIN ({people}) AS p ON p.code = c.code WHERE p.code IS NULL"
            codes = unknown.engine.view("shown", sql, {"codes": codes, "people": tables[name]})
    rows = codes.query("SELECT code, held FROM this ORDER BY held DESC, code LIMIT 5").to_arrow().to_pylist()
    return ", ".join(f"{row['code']} ({row['held']:,} rows)" for row in rows)


def _repeated(relation: Relation, contract: Contract) -> list[tuple[Rule, int]]:
    """Count rows that repeat a key: whole rows twice, apart from keys twice on rows that differ."""
    key = ", ".join(contract.key)
    present = " AND ".join(f"{name} IS NOT NULL" for name in contract.key if not contract[name].null)
    keyed = relation.query(f"SELECT count(*) AS held FROM this WHERE {present} GROUP BY {key}")
    # Counting groups takes two thirds of the time of finding those that hold more than one row.
    repeats = _sum(keyed, "held - 1")
    whole = _whole_repeats(relation, contract, key, present) if repeats else 0
    counts = (("whole row repeated", whole), ("key repeated on rows that differ", repeats - whole))
    return [(Rule("error", key, words, "", contract.repeated), rows) for words, rows in counts]


def _whole_repeats(relation: Relation, contract: Contract, key: str, present: str) -> int:
    keys = relation.query(f"SELECT {key} FROM this WHERE {present} GROUP BY {key} HAVING count(*) > 1")
    columns = ", ".join(f"a.{quote_name(name)}" for name in relation.columns)
    same = " AND ".join(f"a.{name} IS NOT DISTINCT FROM k.{name}" for name in contract.key)
    sql = f"SELECT count(*) AS held FROM this AS a JOIN keys AS k ON {same} GROUP BY {columns}"
    return _sum(relation.engine.view("whole_rows", sql, {"this": relation, "keys": keys}), "held - 1")


def _where(dataset: Dataset, name: str, broken: list[Rule]) -> dict[Rule, str]:
    """Return which of a table's files break each rule, where one file is enough to tell: most rows first."""
    files = dataset.files.get(name, [])
    rules = [rule for rule in broken if rule.test and not rule.needs and rule.of in ("rows_with", "codes")]
    if len(files) < 2 or not rules:
        return {}
    counts = {}
    for path in files:
        part = conform({name: dataset.engine.register("part", path)}, {name: [path]})[name]
        counts[path.relative_to(dataset.folder or "").as_posix()] = dict(zip(rules, _count(part, rules), strict=True))
    words = {}
    for rule in rules:
        places = sorted(
            ((n[rule], file) for file, n in counts.items() if n[rule]), key=lambda pair: (-pair[0], pair[1])
        )
        more = f" and {len(places) - 3} more files" if len(places) > 3 else ""
        words[rule] = ", ".join(f"{file} ({n:,})" for n, file in places[:3]) + more
    return words


# -- the report --------------------------------------------------------------------------------------------------------

#: An error on this share of a table's rows, or more, blocks a pack: as much as the tolerance of the reconciliation.
MATERIAL_PCT = 1.0
_COLUMNS = ["severity", "table", "file", "column", "rule", "rows", "share_pct", "cost_gbp", "example", "what_it_does"]
_COLUMNS += ["blocks"]


def _line(rule: Rule, table: str, file: str, rows: int) -> dict[str, object]:
    words = {"severity": rule.severity, "column": rule.column, "rule": rule.rule, "example": rule.example}
    return {**words, "table": table, "file": file, "rows": rows, "what_it_does": rule.effect}


def _not_checked(tables: Mapping[str, Relation]) -> list[dict[str, object]]:
    effect = "Rules that need it were not checked, and analyses that need it stop with this reason."
    absent = [(n, f"Expected {n}.parquet or {n}/*.parquet") for n in CONTRACTS if n not in tables]
    return [_line(Rule("info", "", "the table is not held", "", effect, words), name, "", 0) for name, words in absent]


def _many(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _worst(lines: pd.DataFrame) -> str:
    findings = lines[["file", "column", "rule", "rows"]].itertuples(index=False)
    return "; ".join(f"{file}, {column}: {rule} ({_many(rows, 'row')})" for file, column, rule, rows in findings)


def _frame(lines: list[dict[str, object]], rows: Mapping[str, int], places: pd.DataFrame | None = None) -> pd.DataFrame:
    frame = pd.DataFrame(lines, columns=_COLUMNS)
    total = frame["table"].map(rows)
    share = (100 * frame["rows"] / total).where(frame["rows"] > 0, 0.0)
    if places is not None:
        costs = places.groupby(["column", "rule"])["cost_gbp"].sum(min_count=1)
        of = pd.MultiIndex.from_frame(frame[["column", "rule"]])
        frame["cost_gbp"] = costs.reindex(of).to_numpy(dtype=float)
        frame.loc[frame["table"] != "activity", "cost_gbp"] = float("nan")
    frame["blocks"] = frame["blocks"].eq(True) | (frame["severity"].eq("error") & (share >= MATERIAL_PCT))
    order = frame["severity"].map(list(_SEVERITIES).index)
    table = frame["table"].map(list(CONTRACTS).index)
    return (
        frame.assign(share_pct=share, order=order, place=table)
        .sort_values(["order", "place", "rows"], ascending=[True, True, False], kind="stable")[_COLUMNS]
        .reset_index(drop=True)
    )


def _no_coverage() -> pd.DataFrame:
    words = "setting provider_kind activity_rows units providers first_month last_month months_held"
    return pd.DataFrame(columns=words.split())
