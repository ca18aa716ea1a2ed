"""A first mapping for a folder of files that nobody has described: proposed from headings, types and shapes of values.

The ready mappings are what headings are known by: a file that fits one takes its rules over. What is left goes by words
in a heading (`synonyms.toml`) that the values do not contradict. No value of the files is in the proposal.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pathcost_lib import paths
from pathcost_lib.errors import InputError
from pathcost_lib.intake.feed import Feed, engine_kind, is_required, plain_name
from pathcost_lib.intake.mapping_file import read_mapping
from pathcost_lib.intake.origins import Origin, open_origin
from pathcost_lib.intake.pseudonyms import holds_nhs_number
from pathcost_lib.intake.workbooks import WORKBOOKS
from pathcost_lib.sources.contracts import CONTRACTS
from pathcost_lib.sources.engine import DuckDBEngine, Relation, connect
from pathcost_lib.sources.quoting import quote_name

__all__ = ["suggest"]

_READ = (".csv", ".txt", ".gz", ".zip", ".parquet", *WORKBOOKS)
_ROWS = 5_000
#: Share of the values looked at that must have a shape for a column to be said to have it.
_MOST = 0.9
#: Share of a ready mapping's headings that a file must have for the mapping to be its.
_FITS = 0.6

#: What a value looks like, by name: an SQL test of a text VALUE.
_SHAPES = {
    "NHS number": holds_nhs_number("VALUE"),
    "ISO date": r"regexp_full_match(VALUE, '\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}.*)?')",
    "UK date": r"regexp_full_match(VALUE, '\d{1,2}/\d{1,2}/\d{4}')",
    "UK date and time": r"regexp_full_match(VALUE, '\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d{2}')",
    "date without marks": r"regexp_full_match(VALUE, '(19|20)\d{2}[01]\d[0-3]\d')",
    "Excel day number": r"regexp_full_match(VALUE, '[34]\d{4}(\.\d+)?')",
    "year": r"regexp_full_match(VALUE, '(19|20)\d{2}')",
    "HRG": r"regexp_full_match(VALUE, '[A-Z]{2}\d{2}[A-Z]')",
    "ICD-10": r"regexp_full_match(VALUE, '[A-Z]\d[0-9A-Z]\.?[0-9X]?.{0,2}')",
    "OPCS-4": r"regexp_full_match(VALUE, '[A-Z]\d{2}\.?\d?')",
    "ODS code": r"regexp_full_match(VALUE, '[A-Z][A-Z0-9]{2,5}')",
    "money": r"regexp_full_match(VALUE, '[-(]?£? ?-?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?\)?')",
    "number": r"regexp_full_match(VALUE, '-?\d+(\.\d+)?')",
}
_DATES = {
    "UK date": "%d/%m/%Y",
    "UK date and time": "%d/%m/%Y %H:%M",
    "date without marks": "%Y%m%d",
    "Excel day number": "excel",
}


_HEAD = """\
# A proposal: read each line, mend what is wrong, and look for CHANGE. The format is in docs/data-sources.md.
# known: as a ready mapping has it. likely: the heading's words and the values agree. unsure: the words alone."""
#: Columns that count, which a percentage, a rate or a mean in a file must never feed, whatever else its heading says.
_COUNTS = {
    "persons",
    "units",
    "length_of_stay_days",
    *(c.name for t in CONTRACTS.values() for c in t.columns if c.name.endswith("_pence")),
}
_PROPORTION = re.compile(r"%|per[ _]?cent|pct|proportion|share|rate\b|\bper\b|ratio|average|\bmean\b", re.IGNORECASE)
#: No heading holds a date or a long number: a row of data does.
_DATA = re.compile(r"\d{6}|\d{1,2}/\d{1,2}/\d{2}|\d{4}-\d{2}-\d{2}|\d{3} \d{3} \d{4}")


@dataclass(frozen=True)
class _Guess:
    """Where a column of ours may come from: the heading, what is to be written of it, and why."""

    heading: str
    spec: str
    why: str


def suggest(folder: Path | str) -> str:
    """Propose a mapping for the files of a folder, as TOML to be edited.

    Parameters
    ----------
    folder : Path or str
        Where the files are. Each is proposed as one table; the first rows are looked at for the shapes of values.

    Returns
    -------
    str
        A mapping that can be read as it stands. A column that each row needs and that was not found is NULL, marked
        CHANGE: until it is changed an import reports every row as lacking it, and keeps none.

    Raises
    ------
    InputError
        If the folder holds no file that can be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.")
    files = [
        p for p in sorted(folder.iterdir()) if p.suffix.lower() in _READ and not p.name.startswith(("~$", ".", "_"))
    ]
    if not files:
        raise InputError(f"{folder} holds none of {', '.join(_READ)}.")
    parts = [_HEAD]
    for path in files:
        engine = connect(files=[path])
        assert isinstance(engine, DuckDBEngine)
        try:
            parts.append("\n".join(_table(engine, path)))
        except InputError as error:
            parts.append(f"# {path.name} is left out: {error}".replace("\n", " "))
    return "\n\n".join(parts) + "\n"


def _table(engine: DuckDBEngine, path: Path) -> Iterator[str]:
    origin = open_origin(engine, path, {})
    if any(map(_DATA.search, origin.headings)):
        raise InputError("its first row holds data, not headings. Add headings, or say heading_row in a mapping.")
    shapes = _shapes(origin)
    ready, feed = _best_ready(origin.headings)
    table = feed.name if feed else _best_table(origin.headings)
    guesses = _by_words(table, origin.headings, shapes)
    yield f"# {path.name} ({origin.read_as}): {len(origin.headings)} columns; table {table}" + (
        f", by the ready mapping {ready}." if feed else ", by the words of its headings."
    )
    yield "[[table]]"
    yield f"name = {_toml(table)}"
    yield f"file = {_toml(path.name)}"
    yield 'missing = ["NULL", "null", "NA"]'
    used: list[str] = []
    if feed:
        used += feed.find(origin.headings).values()
        yield from _known(feed, origin.headings)
    yield "[table.columns]"
    for column in CONTRACTS[table].columns:
        if feed and column.name in feed.columns:
            yield f"{column.name} = {_toml(dict(feed.columns[column.name]))} # known"
        elif guess := guesses.get(column.name):
            used.append(guess.heading)
            yield f"{column.name} = {guess.spec} # {guess.why}"
        elif is_required(column):
            words = f"{column.meaning}: {', '.join(column.allowed)}" if column.allowed else column.meaning
            yield f'{column.name} = {{ sql = "NULL" }} # CHANGE, to {{ constant = "..." }} perhaps. {words}'
        else:
            yield f"# {column.name}: nothing found ({column.meaning})"
    left = [heading for heading in origin.headings if heading not in used]
    if left and len(left) < len(origin.headings):
        # Only where some headings are known, so that the row is a heading and not a patient.
        yield f"# Not used: {', '.join(map(_toml, left))}"


def _known(feed: Feed, headings: Sequence[str]) -> Iterator[str]:
    """Yield the options of a ready mapping's table that hold for a file with these headings."""
    columns = feed.find(list(headings))
    absent = [name for name in feed.sources if name not in columns]
    if absent:
        yield f"optional = {_toml(absent)} # not in the file"
    if feed.exclude:
        yield f"exclude = {_toml([dict(item) for item in feed.exclude])}"
    renamed = {name: [heading] for name, heading in columns.items() if plain_name(name) != plain_name(heading)}
    if renamed:
        yield f"also = {_toml(renamed)}"


@cache
def _ready() -> list[tuple[str, Feed]]:
    files = sorted(paths.mappings().glob("*.toml"))
    return [(p.stem, feed) for p in files if "pathway" not in p.stem for feed in read_mapping(p)]


def _best_ready(headings: Sequence[str]) -> tuple[str, Feed | None]:
    """Return the ready mapping whose headings the file has most of, if it has enough of them."""
    scores = [
        (len(feed.find(list(headings))) / len(feed.sources), len(feed.sources), n)
        for n, (_, feed) in enumerate(_ready())
        if len(feed.sources) >= 4
    ]
    share, _, best = max(scores, default=(0.0, 0, 0))
    return _ready()[best] if share >= _FITS else ("", None)


@cache
def _synonyms() -> Mapping[str, Any]:
    return tomllib.loads(Path(__file__).with_name("synonyms.toml").read_text(encoding="utf-8"))


def _best_table(headings: Sequence[str]) -> str:
    """Return the table of which most columns are named by some heading."""
    names = [plain_name(heading) for heading in headings]

    def named(table: str) -> float:
        words = {c: w for c, w in _synonyms()["words"].items() if c in {k.name for k in CONTRACTS[table].columns}}
        hits = sum(any(re.fullmatch(pattern, name) for name in names) for pattern in words.values())
        return hits / len(CONTRACTS[table].columns)

    return max(CONTRACTS, key=named)


def _by_words(table: str, headings: Sequence[str], shapes: Mapping[str, set[str]]) -> dict[str, _Guess]:
    guesses: dict[str, _Guess] = {}
    taken: set[str] = set()
    for column in CONTRACTS[table].columns:
        pattern, wanted = _synonyms()["words"].get(column.name), _synonyms()["shapes"].get(column.name, "").split("|")
        for heading in headings:
            if not pattern or heading in taken or not re.fullmatch(pattern, plain_name(heading)):
                continue
            if column.name in _COUNTS and _PROPORTION.search(heading):
                continue
            has = shapes[heading]
            agrees = not wanted[0] or bool(has & set(wanted))
            dated = engine_kind(column) == "DATE" or (column.name == "birth_year" and has & {*_DATES, "ISO date"})
            if dated and not has & {*_DATES, "ISO date"}:
                continue
            parts = [f"from = {_toml(heading)}"]
            if dated:
                forms = ["%Y-%m-%d", "%Y-%m-%d %H:%M:%S"] if "ISO date" in has else []
                parts.append(f"date = {_toml([*forms, *(f for shape, f in _DATES.items() if shape in has)])}")
            if column.name.endswith("_pence"):
                parts.append('money = "pounds", thousands = ",", rounded = true')
            if column.allowed:
                codes = {k: c for k, c in _synonyms()["codes"].get(column.name, {}).items() if c in column.allowed}
                parts.append(f"codes = {_toml({**{c: c for c in column.allowed}, **codes})}")
            taken.add(heading)
            looks = " or ".join(sorted(has)) or "no shape known"
            why = f"likely: values look like {looks}" if agrees and wanted[0] else f"unsure: {looks}"
            guesses[column.name] = _Guess(heading, f"{{ {', '.join(parts)} }}", why)
            break
    return guesses


def _shapes(origin: Origin) -> dict[str, set[str]]:
    """Return which shapes nearly all of a column's first values have."""
    tests, names = [], []
    for heading in origin.headings:
        value = f"nullif(trim({quote_name(heading)}), '')"
        for shape, test in _SHAPES.items():
            names.append((heading, shape))
            tests.append(
                f"count(*) FILTER ({test.replace('VALUE', value)}) >= {_MOST} * count({value}) AND count({value}) > 0"
            )
    listed = ", ".join(f"{test} AS t{n}" for n, test in enumerate(tests))
    rows: Relation = origin.load("look", origin.headings, f"SELECT {listed} FROM (FROM rows LIMIT {_ROWS})")
    (row,) = rows.to_arrow().to_pylist()
    shapes: dict[str, set[str]] = {heading: set() for heading in origin.headings}
    for n, (heading, shape) in enumerate(names):
        if row[f"t{n}"]:
            shapes[heading].add(shape)
    return shapes


def _toml(value: Any) -> str:
    """Write a value as TOML, on one line."""
    if isinstance(value, Mapping):
        bare = {k: k if re.fullmatch(r"[A-Za-z0-9_]+", str(k)) else _toml(str(k)) for k in value}
        return "{ " + ", ".join(f"{bare[k]} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool | int | float):
        return str(value).lower()
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ").replace("\t", "\\t")
    return f'"{text}"'
