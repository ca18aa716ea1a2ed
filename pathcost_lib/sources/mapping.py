"""An analyst's own files taken to our tables by a mapping in TOML: no row and no penny lost without being reported.

A mapping says, for each of our tables, which file feeds it and where each column comes from:

    [[table]]
    name = "activity"
    file = "encounters_*.csv"          # one file, or a pattern; .csv, .txt, .csv.gz, .parquet
    encoding = "cp1252"                # also: delimiter, quote, missing = ["", "NULL"]
    exclude = [{ where = "source.STATUS = 'cancelled'", reason = "cancelled" }]

    [table.columns]
    activity_id = { from = "SPELL ID" }
    start_date = { from = "ADMITTED", date = "%d/%m/%Y" }
    pod = { from = "CLASS", codes = { "1" = "elective", "2" = "day_case" }, unlisted = "reject" }
    recorded_cost_pence = { from = "TOTAL COST", money = "pounds", thousands = "," }
    units = { constant = 1 }
    length_of_stay_days = { sql = "date_diff('day', start_date, end_date)" }

`unlisted` says what becomes of a value that `codes` does not list: "reject" the row (the default), "keep" the value,
or take the code given. An `sql` expression reads our columns of the same row by name, and theirs, as text, as
`source.NAME` or `source."NAME"`. A table that is named twice is fed by both. All values are trimmed text until they
are typed, money is never a float, and a row that breaks a rule is reported under the first rule that it breaks.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from pathcost_lib.errors import InputError
from pathcost_lib.results import Result
from pathcost_lib.sources.csv_files import headings, load_text, number_list, quote_name, quote_text
from pathcost_lib.sources.dataset import Dataset
from pathcost_lib.sources.engine import DuckDBEngine, Engine, Relation, connect
from pathcost_lib.sources.mapping_file import Feed, engine_kind, is_required, read_mapping

__all__ = ["MappingReport", "MappingResult", "map_folder"]


@dataclass(frozen=True)
class MappingReport(Result):
    """What became of every row.

    `.table` has a row per table, file, column, rule and action (rejected, excluded, replaced), with the number of
    rows and the first row numbers (1 is the first row below the heading). `.counts` has rows in, kept and reported
    per table and file; rows in = rows kept + rows reported. `.money` has the pence kept and reported per money
    column, and the rows whose amount could not be read.
    """

    counts: pd.DataFrame = field(default_factory=pd.DataFrame)
    money: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def summary(self) -> str:
        """One line a table: rows in, kept and reported, and the pounds among those reported."""
        lines = []
        for row in self.counts.itertuples():
            pence = self.money.loc[(self.money.table == row.table) & (self.money.file == row.file), "reported_pence"]
            worth = f", {int(pence.sum()) / 100:,.2f} in money" if row.rows_reported and len(pence) else ""
            lines.append(
                f"{row.table} from {row.file}: {row.rows_in:,} rows in, {row.rows_kept:,} kept, "
                f"{row.rows_reported:,} reported{worth}."
            )
        return "\n".join(lines)


@dataclass(frozen=True)
class MappingResult:
    """Our tables, in the engine, and the report on what did not reach them."""

    dataset: Dataset
    report: MappingReport

    def write(self, folder: Path | str) -> Path:
        """Write each table as Parquet, and the report as CSV, to a new folder: whole or not at all.

        Raises
        ------
        InputError
            If the folder is there already and is not empty.
        """
        folder = Path(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"{folder} is there already. Name a new folder, or empty this one first.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            part.chmod(0o755)
            for name in self.dataset:
                self.dataset.tables[name].write_parquet(part / f"{name}.parquet")
            # An underscore first: not a table of the dataset.
            for name in ("table", "counts", "money"):
                getattr(self.report, name).to_csv(part / f"_import_{name}.csv", index=False)
            if folder.exists():
                folder.rmdir()
            part.rename(folder)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        return folder


@dataclass(frozen=True)
class _Rule:
    """What a row must not be, for the report."""

    column: str
    rule: str
    broken: str
    action: str = "rejected"


def map_folder(source_folder: Path | str, mapping_toml: Path | str, engine: Engine | None = None) -> MappingResult:
    """Take a folder of an analyst's files to our tables, as a mapping says.

    Parameters
    ----------
    source_folder : Path or str
        Where the files are: text (any encoding and delimiter, `.gz` or not) or Parquet.
    mapping_toml : Path or str
        The mapping; its format is described at the head of this module.
    engine : Engine, optional
        A DuckDB engine: files are read there, then written as Parquet for any engine. A new one if not given.

    Returns
    -------
    MappingResult
        `.dataset` with the tables that the mapping feeds, `.report`, and `.write(folder)`.

    Raises
    ------
    InputError
        If the mapping names a table, column, option or code that is not allowed; if a file or a column is missing; or
        if a file has rows that do not fit its heading. Row by row faults are reported, not raised.
    """
    engine = engine or connect()
    if not isinstance(engine, DuckDBEngine):
        raise InputError(
            "Files are imported with DuckDB. Import first, write the result, and open that folder with the engine."
        )
    mapping_toml, source_folder = Path(mapping_toml), Path(source_folder)
    if not source_folder.is_dir():
        raise InputError(f"There is no folder {source_folder}.")
    parts: dict[str, list[Relation]] = {}
    findings: list[dict[str, object]] = []
    counts: list[dict[str, object]] = []
    money: list[dict[str, object]] = []
    for feed in read_mapping(mapping_toml):
        for path in _files(source_folder, feed):
            rules = list(_rules(feed))
            staged = _stage(engine, feed, path, rules)
            columns = ", ".join(quote_name(c) for c in feed.ours)
            parts.setdefault(feed.name, []).append(staged.query(f"SELECT {columns} FROM this WHERE __broken IS NULL"))
            where = {"table": feed.name, "file": path.name}
            findings += [where | found for found in _findings(staged, rules)]
            counts.append(where | _one_row(staged, _COUNT_ROWS))
            money += [where | {"column": c} | _one_row(staged, _COUNTMONEY.format(c)) for c in _money_columns(feed)]
    report = MappingReport(
        pd.DataFrame(findings, columns=["table", "file", "column", "rule", "action", "rows", "row_numbers"]),
        counts=pd.DataFrame(counts),
        money=pd.DataFrame(
            money, columns=["table", "file", "column", "kept_pence", "reported_pence", "unreadable_rows"]
        ),
    )
    return MappingResult(Dataset(engine, {name: _union(engine, name, found) for name, found in parts.items()}), report)


def _files(folder: Path, feed: Feed) -> list[Path]:
    found = sorted(folder.glob(feed.file))
    if not found:
        raise InputError(f"{feed.mapping}, table {feed.name}: there is no file {feed.file} in {folder}.")
    return found


# -- from text to typed rows -------------------------------------------------------------------------------------------


def _stage(engine: Engine, feed: Feed, path: Path, rules: list[_Rule]) -> Relation:
    """Read one file once into a table: its row number, our columns, the first rule broken, the values replaced."""
    names = _parquet_columns(engine, path) if path.suffix == ".parquet" else headings(path, feed.dialect)
    lacking = [name for name in feed.sources if name not in names]
    if lacking:
        raise InputError(
            f"{path.name} has no column {', '.join(map(repr, lacking))}, which {feed.mapping} reads for table "
            f"{feed.name}.{_heading_hint(lacking, names)}"
        )
    select = _select(feed, rules)
    try:
        if path.suffix == ".parquet":
            file = f"read_parquet({quote_text(str(path))}, file_row_number = true)"
            texts = ", ".join(f"CAST({quote_name(n)} AS VARCHAR) AS {quote_name(n)}" for n in feed.sources)
            rows = f"WITH rows AS (SELECT file_row_number + 1 AS __row{', ' + texts if texts else ''} FROM {file})"
            return engine.view(feed.name, f"{rows} {select}", materialise=True)
        return load_text(engine, feed.name, path, feed.dialect, select)
    except duckdb.Error as error:
        if isinstance(error, duckdb.OutOfMemoryException | duckdb.IOException):
            raise
        # The engine's own words may quote a patient's value: say only where to look.
        suspects = [c for c, spec in feed.columns.items() if "sql" in spec or "constant" in spec]
        suspects += ["exclude"] if feed.exclude else []
        raise InputError(
            f"{feed.mapping}, table {feed.name}: an SQL expression or a constant fails on {path.name} "
            f"({type(error).__name__}). Look at {', '.join(suspects)}; use TRY_CAST and try_strptime where "
            "a value may be odd."
        ) from None


def _heading_hint(lacking: list[str], names: list[str]) -> str:
    """Say which headings are near. Never list them all: a file without a heading has a patient's row in its place."""
    near = [close[0] for name in lacking if (close := get_close_matches(name, names, n=1, cutoff=0.75))]
    return f" Did you mean {', '.join(map(repr, near))}?" if near else " Is its first row a heading?"


def _parquet_columns(engine: Engine, path: Path) -> list[str]:
    try:
        return engine.register("parquet", path).columns
    except duckdb.Error:
        raise InputError(f"{path.name} cannot be read as Parquet: it is damaged or cut short.") from None


def _select(feed: Feed, rules: list[_Rule]) -> str:
    """Return the query that types the rows: their texts, our columns, those derived by SQL, the first broken rule."""
    absent = ", ".join(quote_text(token) for token in feed.missing)
    texts = [
        f"{quote_name(n)} := CASE WHEN trim({quote_name(n)}) IN ({absent}) THEN NULL ELSE trim({quote_name(n)}) END"
        for n in feed.sources
    ]
    source = f"struct_pack({', '.join(texts)})" if texts else "NULL"
    direct = [f"{_direct(feed, c)} AS {c}" for c in feed.ours if "sql" not in feed.columns.get(c, {})]
    derived = [
        f"CAST(({s['sql']}) AS {engine_kind(feed.ours[c])}) AS {c}" for c, s in feed.columns.items() if "sql" in s
    ]
    first = " ".join(f"WHEN {r.broken} THEN {n}" for n, r in enumerate(rules) if r.action != "replaced")
    replaced = [f"({r.broken}) AS __replaced_{n}" for n, r in enumerate(rules) if r.action == "replaced"]
    checks = ", ".join([f"CASE {first} END AS __broken" if first else "CAST(NULL AS INTEGER) AS __broken", *replaced])
    return (
        f", texts AS (SELECT __row, {source} AS source FROM rows)"
        f", direct AS (SELECT __row, source, {', '.join(direct)} FROM texts)"
        f", derived AS (SELECT {', '.join(['*', *derived])} FROM direct)"
        f" SELECT __row, {', '.join(feed.ours)}, {checks} FROM derived"
    )


def _direct(feed: Feed, column: str) -> str:
    """Return the expression of a column that is constant, absent, or comes from one column of theirs."""
    kind, spec = engine_kind(feed.ours[column]), feed.columns.get(column, {})
    if "constant" in spec:
        return f"CAST({quote_text(str(spec['constant']))} AS {kind})"
    if "from" not in spec:
        return f"CAST(NULL AS {kind})"
    return feed.reading(column).sql(_coded(spec))


def _coded(spec: Mapping[str, Any]) -> str:
    value = f"source.{quote_name(spec['from'])}"
    if "codes" not in spec:
        return value
    unlisted = str(spec.get("unlisted", "reject"))
    other = {"reject": "NULL", "keep": value}.get(unlisted, quote_text(unlisted))
    listed = " ".join(f"WHEN {quote_text(k)} THEN {quote_text(str(v))}" for k, v in spec["codes"].items())
    return f"CASE WHEN {value} IS NULL THEN NULL ELSE CASE {value} {listed} ELSE {other} END END"


# -- rules and what became of the rows ---------------------------------------------------------------------------------


def _rules(feed: Feed) -> Iterator[_Rule]:
    """Yield the rules of a feed, in the order in which a row is held to them."""
    for item in feed.exclude:
        yield _Rule("", str(item["reason"]), f"coalesce(({item['where']}), false)", "excluded")
    for column, spec in feed.columns.items():
        target = feed.ours[column]
        value = f"source.{quote_name(spec['from'])}" if "from" in spec else None
        if value and "codes" in spec:
            listed = ", ".join(quote_text(k) for k in spec["codes"])
            unlisted, broken = spec.get("unlisted", "reject"), f"{value} NOT IN ({listed})"
            if unlisted == "reject":
                yield _Rule(column, f"{spec['from']} is not a listed code. Listed: {', '.join(spec['codes'])}", broken)
            elif unlisted != "keep":
                yield _Rule(column, f"{spec['from']} is not a listed code, so {unlisted} was taken", broken, "replaced")
        if value and engine_kind(target) != "VARCHAR":
            yield _Rule(
                column,
                f"{spec['from']} is not {feed.reading(column).words}",
                f"{value} IS NOT NULL AND {column} IS NULL",
            )
        if target.allowed:
            allowed = ", ".join(quote_text(code) for code in target.allowed)
            yield _Rule(column, f"not allowed. Allowed: {', '.join(target.allowed)}", f"{column} NOT IN ({allowed})")
        if is_required(target):
            yield _Rule(column, "missing, and the table needs it", f"{column} IS NULL")


_COUNT_ROWS = """
    SELECT count(*) AS rows_in, count(*) FILTER (__broken IS NULL) AS rows_kept, count(__broken) AS rows_reported
    FROM this
"""

_COUNTMONEY = """
    SELECT CAST(coalesce(sum({0}) FILTER (__broken IS NULL), 0) AS BIGINT) AS kept_pence,
           CAST(coalesce(sum({0}) FILTER (__broken IS NOT NULL), 0) AS BIGINT) AS reported_pence,
           count(*) FILTER ({0} IS NULL) AS unreadable_rows
    FROM this
"""

_FINDINGS = """
    SELECT {0} AS n, count(*) AS rows, min(__row, 5) AS numbers FROM this WHERE {1}
    GROUP BY ALL HAVING count(*) > 0 ORDER BY n
"""


def _money_columns(feed: Feed) -> list[str]:
    return [column for column in feed.columns if column.endswith("_pence")]


def _one_row(staged: Relation, sql: str) -> dict[str, object]:
    return dict(staged.query(sql).to_arrow().to_pylist()[0])


def _findings(staged: Relation, rules: list[_Rule]) -> Iterator[dict[str, object]]:
    queries = [_FINDINGS.format("__broken", "__broken IS NOT NULL")]
    queries += [
        _FINDINGS.format(n, f"__broken IS NULL AND __replaced_{n}")
        for n, r in enumerate(rules)
        if r.action == "replaced"
    ]
    for sql in queries:
        for found in staged.query(sql).to_arrow().to_pylist():
            rule, rows = rules[found["n"]], found["rows"]
            yield {
                "column": rule.column,
                "rule": rule.rule,
                "action": rule.action,
                "rows": rows,
                "row_numbers": number_list(found["numbers"], rows),
            }


def _union(engine: Engine, name: str, parts: list[Relation]) -> Relation:
    if len(parts) == 1:
        return parts[0]
    inputs = {f"part_{n}": part for n, part in enumerate(parts)}
    return engine.view(name, " UNION ALL ".join(f"SELECT * FROM {key}" for key in inputs), inputs)
