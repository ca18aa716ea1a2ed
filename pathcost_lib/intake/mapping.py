"""An analyst's own data taken to our tables by a mapping in TOML: no row and no penny lost without being reported.

A mapping says, for each of our tables, what feeds it and where each column comes from:

    [[table]]
    name = "activity"
    file = "encounters_*.csv"          # one file, or a pattern: .csv, .txt, .csv.gz, .parquet, .xlsx, .xls, .xlsb, .ods
    missing = ["", "NULL"]             # what stands for "no value"
    exclude = [{ where = "source.STATUS = 'cancelled'", reason = "cancelled" }]
    optional = ["HRG"]                 # headings that a file may be without
    also = { ADMITTED = ["Admission Date"] }    # what another year or system calls a heading

    [table.columns]
    activity_id = { from = "SPELL ID" }
    start_date = { from = "ADMITTED", date = ["%d/%m/%Y", "excel"] }
    pod = { from = "CLASS", codes = { "1" = "elective", "2" = "day_case" }, unlisted = "reject" }
    recorded_cost_pence = { from = "TOTAL COST", money = "pounds", thousands = ",", rounded = true }
    units = { constant = 1 }
    length_of_stay_days = { sql = "date_diff('day', start_date, end_date)" }

A text file's `encoding`, `delimiter` and `quote` are told from the file where they are not stated; `heading_row` and,
in a workbook, `sheet` (name or number) say where the table begins. A heading of several rows has `heading_rows = 2`; a
file without a heading is given `headings = ["CODE", "NAME", ...]`. Numbers with a decimal comma have `decimal = ","`. A
database is read with `query = "SELECT ..."` and `connection = "NAME"`, an environment variable that holds its URL, in
place of `file`.

`latest = { by = "SUBMISSION_DATE", date = "%d/%m/%Y" }` keeps, of rows with the same key (the table's own, or `key =
["..."]` of our columns), the one submitted last, in whichever file it is; the others are reported as superseded.

`unlisted` says what becomes of a value that `codes` does not list: "reject" the row (the default), "keep" the value,
or take the code given. `rounded` takes money with more than two decimals, to the nearest penny. An `sql` expression
reads our columns of the same row by name, and theirs, as text, as `source.NAME` or `source."NAME"`. A table that is
named twice is fed by both. All values are trimmed text until they are typed, codes that come `from` a column become
capitals, money is never a float, and a row that breaks a rule is reported under the first rule that it breaks.
Patients' and contacts' identifiers become pseudonyms before anything is written (see `pseudonyms`); a row with an NHS
number in any other column is refused.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from pathcost_lib import paths, scratch
from pathcost_lib.errors import InputError
from pathcost_lib.intake.feed import Feed, engine_kind
from pathcost_lib.intake.mapping_file import read_mapping
from pathcost_lib.intake.mapping_rules import IDENTIFIERS, Rule, broken_rules, rules_of, theirs
from pathcost_lib.intake.origins import Origin, open_origin
from pathcost_lib.intake.pseudonyms import key_in, key_name, local_key, pseudonym
from pathcost_lib.results import Result
from pathcost_lib.sources.dataset import Dataset
from pathcost_lib.sources.engine import DuckDBEngine, Engine, Relation, connect
from pathcost_lib.sources.quoting import quote_name, quote_value, quote_values

__all__ = ["MappingReport", "MappingResult", "map_folder"]


@dataclass(frozen=True)
class MappingReport(Result):
    """What became of every row.

    `.table` has a row per table, file, column, rule and action (rejected, excluded, replaced, absent, superseded), with
    the number of rows and the first row numbers, as a spreadsheet numbers them. `.counts` has how each file was read,
    and rows in, kept and reported; rows in = rows kept + rows reported. `.money` has the pence kept and reported per
    money column, and the rows whose amount could not be read. `key` names the key of the pseudonyms.
    """

    key: str = ""
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
                f"{row.table} from {row.file} ({row.read_as}): {row.rows_in:,} rows in, {row.rows_kept:,} kept, "
                f"{row.rows_reported:,} reported{worth}."
            )
        lines.append(f"Patients and contacts have pseudonyms, made with the key {self.key}.")
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
        part = scratch.make(f".{folder.name}-", paths.private_folder(folder.parent))
        try:
            for name in self.dataset:
                self.dataset.tables[name].write_parquet(part / f"{name}.parquet")
            # An underscore first: not a table of the dataset.
            for name in ("table", "counts", "money"):
                getattr(self.report, name).to_csv(part / f"_import_{name}.csv", index=False)
            for path in part.iterdir():
                path.chmod(0o600)
            if folder.exists():
                folder.rmdir()
            scratch.keep(part)
            part.rename(folder)
        except (OSError, duckdb.IOException) as error:
            scratch.remove(part)
            if isinstance(error, FileExistsError | NotADirectoryError) or getattr(error, "errno", 0) == errno.ENOTEMPTY:
                raise InputError(f"Another import has written {folder} meanwhile. Name a new folder.") from None
            why = getattr(error, "strerror", None) or "the disk is full, or may not be written"
            raise InputError(f"{folder} cannot be written: {why}. Nothing is left there.") from None
        except BaseException:
            scratch.remove(part)
            raise
        return folder


def map_folder(
    source_folder: Path | str,
    mapping_toml: Path | str,
    engine: Engine | None = None,
    *,
    key: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> MappingResult:
    """Take a folder of an analyst's files, or what a database answers, to our tables, as a mapping says.

    Parameters
    ----------
    source_folder : Path or str
        Where the files are.
    mapping_toml : Path or str
        The mapping; its format is described at the head of this module.
    engine : Engine, optional
        A DuckDB engine: files are read there, then written as Parquet for any engine. A new one if not given.
    key : Path, optional
        The key of the pseudonyms; `pseudonyms.key_file()` if not given, made where there is none.
    progress : callable, optional
        Told what is read, as it begins.

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
    feeds = [(feed, path) for feed in read_mapping(mapping_toml) for path in _files(source_folder, feed)]
    engine.seal(path for _, path in feeds if path)
    secret = local_key(key)
    parts: dict[str, list[Relation]] = {}
    findings: list[dict[str, object]] = []
    counts: list[dict[str, object]] = []
    money: list[dict[str, object]] = []
    staged: list[_Staged] = []
    for feed, path in feeds:
        origin = open_origin(engine, path, feed.options)
        columns = _columns_found(feed, origin)
        rules = list(rules_of(feed, origin))
        progress(f"{feed.name} from {origin.label} ({origin.read_as})")
        with key_in(engine, secret):
            staged.append(_Staged(feed, origin, columns, rules, _stage(feed, origin, columns, rules)))
    for part in _without_superseded(engine, staged):
        feed, origin = part.feed, part.origin
        ours = ", ".join(quote_name(c) for c in feed.ours)
        parts.setdefault(feed.name, []).append(part.rows.query(f"SELECT {ours} FROM this WHERE __broken IS NULL"))
        where = {"table": feed.name, "file": origin.label}
        total = _one_row(part.rows, _COUNT_ROWS)
        counts.append(where | {"read_as": origin.read_as} | total)
        findings += [where | finding for finding in broken_rules(part.rows, part.rules)]
        findings += [where | _absent(name, total["rows_in"]) for name in feed.sources if name not in part.columns]
        money += [where | {"column": c} | _one_row(part.rows, _COUNT_MONEY.format(c)) for c in _money_columns(feed)]
    report = MappingReport(
        pd.DataFrame(findings, columns=["table", "file", "column", "rule", "action", "rows", "row_numbers"]),
        key=key_name(secret),
        counts=pd.DataFrame(counts),
        money=pd.DataFrame(
            money, columns=["table", "file", "column", "kept_pence", "reported_pence", "unreadable_rows"]
        ),
    )
    return MappingResult(
        Dataset(engine, {name: _union(engine, name, relations) for name, relations in parts.items()}), report
    )


@dataclass(frozen=True)
class _Staged:
    """One file read: the feed, where from, which heading each column is under, the rules, and the rows with them."""

    feed: Feed
    origin: Origin
    columns: Mapping[str, str]
    rules: list[Rule]
    rows: Relation


def _without_superseded(engine: DuckDBEngine, staged: list[_Staged]) -> list[_Staged]:
    """Mark the rows that were submitted again later, in any file of the same table, as broken by a rule of its own.

    Providers send a month of CSDS, MHSDS or SUS again with what has changed: the same contact, in a later submission.
    Only whole rows are compared by key; of two in one submission the one further down counts.
    """
    tables = dict.fromkeys(part.feed.name for part in staged if part.feed.latest)
    for name in tables:
        several = {n: part for n, part in enumerate(staged) if part.feed.name == name and part.feed.latest}
        keys = {tuple(part.feed.latest["key"]) for part in several.values()}
        if len(keys) > 1:
            raise InputError(f"Table {name}: the files' rules on rows submitted again (latest) have different keys.")
        key = ", ".join(map(quote_name, keys.pop()))
        each = [
            f"SELECT {n} AS __file, __row, __submitted, {key} FROM part_{n} WHERE __broken IS NULL" for n in several
        ]
        old = engine.view(
            "superseded",
            f"SELECT __file, __row FROM (SELECT __file, __row, row_number() OVER (PARTITION BY {key} "
            f"ORDER BY __submitted DESC, __file DESC, __row DESC) AS place FROM ({' UNION ALL '.join(each)})) "
            "WHERE place > 1",
            {f"part_{n}": part.rows for n, part in several.items()},
            materialise=True,
        )
        for n, part in several.items():
            rows = engine.view(
                name,
                f"SELECT p.* REPLACE (CASE WHEN o.__row IS NULL THEN __broken ELSE {len(part.rules)} END AS __broken) "
                f"FROM part AS p LEFT JOIN (SELECT __row FROM old WHERE __file = {n}) AS o ON o.__row = p.__row",
                {"part": part.rows, "old": old},
            )
            again = Rule("", "submitted again later: the last submission counts", "", "superseded")
            staged[n] = replace(part, rules=[*part.rules, again], rows=rows)
    return staged


def _files(folder: Path, feed: Feed) -> list[Path] | list[None]:
    if "query" in feed.options:
        return [None]
    pattern = feed.options["file"]
    # In any case, as on Windows. Excel keeps a file ~$name beside a workbook that is open.
    either = pattern if "[" in pattern else re.sub("[a-zA-Z]", lambda c: f"[{c[0].lower()}{c[0].upper()}]", pattern)
    files = [path for path in sorted(folder.glob(either)) if not path.name.startswith(("~$", "."))]
    inside = folder.resolve()
    for path in files:
        if not path.resolve().is_relative_to(inside):
            raise InputError(
                f"{feed.place}: {path.name} is a link that leads out of {folder}. Put the file itself there."
            )
        if not path.is_file():
            raise InputError(f"{feed.place}: {path.name} in {folder} is not a file.")
    if not files:
        raise InputError(f"{feed.mapping}, table {feed.name}: there is no file {pattern} in {folder}.")
    return files


def _absent(name: str, rows: object) -> dict[str, object]:
    return {
        "column": "",
        "rule": f"there is no column {name}, which may be absent: read as empty",
        "action": "absent",
        "rows": rows,
        "row_numbers": "all",
    }


# -- from text to typed rows -------------------------------------------------------------------------------------------


def _columns_found(feed: Feed, origin: Origin) -> dict[str, str]:
    columns = feed.find(origin.headings)
    lacking = [name for name in feed.sources if name not in columns and name not in feed.options.get("optional", ())]
    if lacking:
        raise InputError(
            f"{origin.label} has no column {', '.join(map(repr, lacking))}, which {feed.mapping} reads for table "
            f"{feed.name}.{_heading_hint(lacking, origin.headings)}"
        )
    return columns


def _stage(feed: Feed, origin: Origin, headings: Mapping[str, str], rules: list[Rule]) -> Relation:
    """Read an origin once into a table: its row number, our columns, the first rule broken, the values replaced."""
    try:
        columns = list(dict.fromkeys(headings.values()))
        return origin.load(feed.name, columns, _select(feed, origin, headings, rules))
    except duckdb.Error as error:
        if isinstance(error, duckdb.OutOfMemoryException | duckdb.IOException):
            raise
        # The engine's own words may quote a patient's value: say only where to look.
        suspects = [c for c, spec in feed.columns.items() if "sql" in spec or "constant" in spec]
        suspects += ["exclude"] if feed.exclude else []
        if not suspects:
            raise InputError(f"{origin.label} cannot be read to its end: it is damaged.") from None
        raise InputError(
            f"{feed.mapping}, table {feed.name}: an SQL expression or a constant fails on {origin.label} "
            f"({type(error).__name__}). Look at {', '.join(suspects)}; use TRY_CAST and try_strptime where "
            "a value may be odd."
        ) from None


def _heading_hint(lacking: list[str], names: list[str]) -> str:
    """Say which headings are near. Never list them all: a file without a heading has a patient's row in its place."""
    near = [close[0] for name in lacking if (close := get_close_matches(name, names, n=1, cutoff=0.75))]
    return f" Did you mean {', '.join(map(repr, near))}?" if near else " Is its first row a heading?"


def _select(feed: Feed, origin: Origin, headings: Mapping[str, str], rules: list[Rule]) -> str:
    """Return the query that types the rows: their texts, our columns, those derived by SQL, the first broken rule."""
    absent = quote_values(feed.missing)
    texts = []
    for name in feed.sources:
        trimmed = f"trim({quote_name(headings[name])})" if name in headings else "CAST(NULL AS VARCHAR)"
        texts.append(f"{quote_name(name)} := CASE WHEN {trimmed} IN ({absent}) THEN NULL ELSE {trimmed} END")
    source = f"struct_pack({', '.join(texts)})" if texts else "NULL"
    direct = [f"{_direct(feed, c, origin)} AS {c}" for c in feed.ours if "sql" not in feed.columns.get(c, {})]
    derived = [
        f"CAST(({theirs(feed, s['sql'])}) AS {engine_kind(feed.ours[c])}) AS {c}"
        for c, s in feed.columns.items()
        if "sql" in s
    ]
    first = " ".join(f"WHEN {r.broken} THEN {n}" for n, r in enumerate(rules) if r.action != "replaced")
    replaced = [f"({r.broken}) AS __replaced_{n}" for n, r in enumerate(rules) if r.action == "replaced"]
    checks = ", ".join([f"CASE {first} END AS __broken" if first else "CAST(NULL AS INTEGER) AS __broken", *replaced])
    submitted = f", {feed.submitted()} AS __submitted" if feed.latest else ""
    out = [f"{pseudonym(c, IDENTIFIERS[c])} AS {c}" if c in IDENTIFIERS else c for c in feed.ours]
    return (
        f", texts AS (SELECT {source} AS __source FROM rows)"
        f", direct AS (SELECT __source, {', '.join(direct)} FROM texts)"
        f", derived AS (SELECT {', '.join(['*', *derived])} FROM direct)"
        f" SELECT {', '.join(out)}, {checks}{submitted} FROM derived"
    )


def _direct(feed: Feed, column: str, origin: Origin) -> str:
    """Return the expression of a column that is constant, absent, or comes from one column of theirs."""
    kind, spec = engine_kind(feed.ours[column]), feed.columns.get(column, {})
    if "constant" in spec:
        return f"CAST({quote_value(str(spec['constant']))} AS {kind})"
    if "from" not in spec:
        return f"CAST(NULL AS {kind})"
    read = feed.reading(column, origin.typed, origin.days_from_1904).sql(_coded(spec))
    # Codes of the NHS are capitals: "qhl" would be another area than "QHL", and "hn22e" would find no price.
    ours = feed.ours[column]
    return f"upper({read})" if ours.pattern in ("code", "currency") or ours.shape else read


def _coded(spec: Mapping[str, Any]) -> str:
    value = f"__source.{quote_name(spec['from'])}"
    if "codes" not in spec:
        return value
    unlisted = str(spec.get("unlisted", "reject"))
    other = {"reject": "NULL", "keep": value}.get(unlisted, quote_value(unlisted))
    listed = " ".join(f"WHEN {quote_value(k)} THEN {quote_value(str(v))}" for k, v in spec["codes"].items())
    return f"CASE WHEN {value} IS NULL THEN NULL ELSE CASE {value} {listed} ELSE {other} END END"


_COUNT_ROWS = """
    SELECT count(*) AS rows_in, count(*) FILTER (__broken IS NULL) AS rows_kept, count(__broken) AS rows_reported
    FROM this
"""

_COUNT_MONEY = """
    SELECT CAST(coalesce(sum({0}) FILTER (__broken IS NULL), 0) AS BIGINT) AS kept_pence,
           CAST(coalesce(sum({0}) FILTER (__broken IS NOT NULL), 0) AS BIGINT) AS reported_pence,
           count(*) FILTER ({0} IS NULL) AS unreadable_rows
    FROM this
"""


def _money_columns(feed: Feed) -> list[str]:
    return [column for column in feed.columns if column.endswith("_pence")]


def _one_row(staged: Relation, sql: str) -> dict[str, object]:
    return dict(staged.query(sql).to_arrow().to_pylist()[0])


def _union(engine: Engine, name: str, parts: list[Relation]) -> Relation:
    if len(parts) == 1:
        return parts[0]
    inputs = {f"part_{n}": part for n, part in enumerate(parts)}
    return engine.view(name, " UNION ALL ".join(f"SELECT * FROM {key}" for key in inputs), inputs)
