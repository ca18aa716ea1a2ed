"""Readers of official publications, by layout: what the columns are called, not what the file is called or which year.

`layouts.toml` holds one table a publication. The files stay with their publishers: nothing of them is shipped.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from pathcost_lib import paths
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.results import Result
from pathcost_lib.sources.csv_files import detect, headings, load_text, wrong_values
from pathcost_lib.sources.engine import Engine, Relation, connect
from pathcost_lib.sources.quoting import quote_name, quote_value, quote_values
from pathcost_lib.sources.typed_text import Reading

__all__ = ["Published", "catalogue", "holdings", "icb_codes", "layouts", "read"]

#: ONS gave two ICBs new codes in April 2023, when their boundaries changed; NHS codes stayed (ONS Open Geography).
_RECODED = {"E54000052": "E54000063", "E54000053": "E54000064"}
_ENGLAND = "E92000001"


@dataclass(frozen=True)
class Published(Result):
    """A publication as a tidy, typed `.table`, with what a page must say of where it is from."""

    layout: str
    file: str
    title: str
    publisher: str
    licence: str
    cautions: tuple[str, ...]

    @property
    def summary(self) -> str:
        """Title, size, publisher, licence and cautions."""
        text = f"{self.title}: {len(self.table):,} rows from {self.file} ({self.publisher}; {self.licence})."
        return " ".join([text, *self.cautions])


@cache
def layouts() -> Mapping[str, Mapping[str, Any]]:
    """Return the layouts that can be read, by name: `layouts.toml`."""
    return tomllib.loads(Path(__file__).with_name("layouts.toml").read_text(encoding="utf-8"))


def read(
    layout: str,
    path: Path | str,
    *,
    icbs: Mapping[str, str] | None = None,
    only: Mapping[str, Collection[str]] | None = None,
    engine: Engine | None = None,
) -> Published:
    """Read an official publication.

    Parameters
    ----------
    layout : str
        A name in `layouts()`, such as "market_forces_factor".
    path : Path or str
        The file, `.csv`, `.csv.gz` or `.csv.zip`.
    icbs : mapping of str to str, optional
        ONS code to ODS code (`icb_codes`): `icb_ons_code` becomes `icb_code`, and England's own rows are left out.
    only : mapping of str to texts, optional
        Keep only these values of a column, such as {"variant": ["principal"]}.
    engine : Engine, optional
        A DuckDB engine; a new one if not given.

    Returns
    -------
    Published
        `.table` has the layout's columns; days are datetime64, and a whole number that is not given is NaN.

    Raises
    ------
    InputError
        If the layout is not known; the file's columns are not those of the layout; a value is not of its column's type;
        a row is there twice; or an ICB is not in `icbs`.
    """
    require_one_of(layout, layouts(), what="Layout")
    path, form = Path(path), layouts()[layout]
    relation = load(layout, path, engine or connect(files=[path]))
    if "select" in form:
        relation = relation.query(form["select"])
    if icbs is not None and "icb_ons_code" in relation.columns and "icb_code" not in relation.columns:
        relation = _with_ods_codes(relation, path, icbs)
    for column, values in (only or {}).items():
        require_one_of(column, relation.columns, what=f"{form['title']}: column")
        relation = relation.query(f"SELECT * FROM this WHERE {column} IN ({quote_values(values)})")
    key = ["icb_code" if k not in relation.columns else k for k in form.get("key", [])]
    order = ", ".join(key or ["1"])
    columns = ", ".join(name for name in relation.columns if name != "__row")
    rows = relation.query(f"SELECT {columns} FROM this ORDER BY {order}").to_arrow()
    table = rows.to_pandas(date_as_object=False)
    if key and (twice := int(table.duplicated(key).sum())):
        raise InputError(f"{path.name}: {twice:,} rows repeat a {', '.join(key)}, which must be unique.")
    return Published(
        table,
        layout=layout,
        file=path.name,
        title=form["title"],
        publisher=form["publisher"],
        licence=form["licence"],
        cautions=tuple(form.get("cautions", ())),
    )


def load(layout: str, path: Path, engine: Engine) -> Relation:
    """Read a file's columns under our names and in our types, with the row's number as `__row`, into the engine."""
    form = layouts()[layout]
    dialect = detect(path)
    names = headings(path, dialect)
    columns = _match(form, names)
    lacking = [f"{name} ({column_of(form, name)['heading']})" for name in form["columns"] if name not in columns]
    if lacking:
        raise InputError(
            f"{path.name} is not laid out as {form['title']}: no column for {', '.join(lacking)}. "
            f"Its columns: {', '.join(names)}."
        )
    empty = quote_values(("", "NA", *form.get("empty", ())))
    texts = [
        f"CASE WHEN trim({quote_name(heading)}) IN ({empty}) THEN NULL ELSE trim({quote_name(heading)}) END AS {name}"
        for name, heading in columns.items()
    ]
    text = load_text(engine, layout, path, dialect, f"SELECT {', '.join(texts)} FROM rows")
    typed = {name: _typed(form, name) for name in columns}
    for name, words, count, rows in wrong_values(text, typed):
        raise InputError(
            f"{path.name}, {name}: each must be {words}, and in {count:,} of the rows is not (row {rows})."
        )
    return text.query(f"SELECT __row, {', '.join(f'{sql} AS {name}' for name, (sql, _) in typed.items())} FROM this")


def icb_codes(path: Path | str) -> dict[str, str]:
    """Return ICBs' ONS codes to their ODS codes, from an ONS look-up of any year; both ONS codes of those recoded."""
    table = read("icb_lookup", path).table
    codes = dict(zip(table["icb_ons_code"], table["icb_code"], strict=True))
    for old, new in _RECODED.items():
        known = codes.get(old) or codes.get(new)
        codes |= {old: known, new: known} if known else {}
    return codes


def catalogue(folder: Path | str) -> pd.DataFrame:
    """List the CSV files below a folder and what each can be read as.

    Returns
    -------
    DataFrame
        file, layout, title, publisher, licence; the last four missing where no layout fits.
    """
    rows = []
    endings = (".csv", ".csv.gz", ".csv.zip")
    for path in sorted(p for p in Path(folder).rglob("*") if p.name.lower().endswith(endings)):
        try:
            names = headings(path, detect(path))
        except InputError:
            names = []
        fits = [name for name, form in layouts().items() if len(_match(form, names)) == len(form["columns"])]
        best = max(fits, key=lambda name: len(layouts()[name]["columns"]), default=None)
        about = {key: layouts()[best][key] for key in ("title", "publisher", "licence")} if best else {}
        rows.append({"file": str(path.relative_to(folder)), "layout": best, **about})
    return pd.DataFrame(rows, columns=["file", "layout", "title", "publisher", "licence"])


def column_of(form: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a column of a layout in full."""
    column = form["columns"][name]
    return {"heading": column} if isinstance(column, str) else column


def _match(form: Mapping[str, Any], names: list[str]) -> dict[str, str]:
    """Return our column to the file's heading, for those found."""
    plain = {re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_"): name for name in names}
    columns = {}
    for ours in form["columns"]:
        near = [name for text, name in plain.items() if re.fullmatch(column_of(form, ours)["heading"], text)]
        if len(near) == 1:
            columns[ours] = near[0]
    return columns


def _typed(form: Mapping[str, Any], name: str) -> tuple[str, str]:
    """Return the SQL of a column in its type, and in words what its text must be."""
    column = column_of(form, name)
    if "codes" in column:
        codes = " ".join(f"WHEN {quote_value(k)} THEN {quote_value(v)}" for k, v in column["codes"].items())
        return f"CASE {name} {codes} ELSE {name} END", "text"
    if column.get("type") == "BOOLEAN":
        return f"TRY_CAST({name} AS BOOLEAN)", "true or false"
    reading = Reading(column.get("type", "VARCHAR"), dates=tuple(column.get("date", ())))
    return reading.sql(name), "text" if reading.kind == "VARCHAR" else reading.words


def _with_ods_codes(relation: Relation, path: Path, icbs: Mapping[str, str]) -> Relation:
    known: dict[str, Relation | pd.DataFrame] = {
        "known": pd.DataFrame({"ons": list(icbs), "ods": list(icbs.values())}),
        "these": relation,
    }
    unknown = relation.engine.view(
        "unknown",
        "SELECT DISTINCT icb_ons_code FROM these LEFT JOIN known ON icb_ons_code = ons "
        f"WHERE ods IS NULL AND icb_ons_code <> {quote_value(_ENGLAND)} ORDER BY 1",
        known,
    ).to_pandas()["icb_ons_code"]
    if len(unknown):
        raise InputError(f"{path.name}: ICB {', '.join(unknown[:5])} is not in the look-up of ICBs given.")
    columns = ", ".join("ods AS icb_code" if name == "icb_ons_code" else name for name in relation.columns)
    return relation.engine.view(relation.name, f"SELECT {columns} FROM these JOIN known ON icb_ons_code = ons", known)


def holdings(folder: Path | str | None = None) -> pd.DataFrame:
    """List the published figures at hand: the reference tables that come with the suite, and the files of a folder.

    Returns
    -------
    DataFrame
        file, layout (of what can be read by `read`), title, publisher, year, licence.
    """
    rows = []
    for path in sorted(paths.reference().glob("*.csv")):
        table = pd.read_csv(path, dtype=str)
        about = {k: _several(table.get(k, table["source"])) for k in ("publisher", "year", "licence")}
        rows.append({"file": f"reference/{path.name}", "title": f"{len(table):,} rows of {path.stem}", **about})
    listing = pd.DataFrame(rows)
    if folder is not None:
        unknown = {
            "title": "No reader knows its layout",
            "publisher": "Publisher not known",
            "licence": "Licence not known",
        }
        files = catalogue(folder).fillna(unknown)
        years = files["file"].str.extract(r"(20\d\d(?:[_-]\d\d(?:\d\d)?)?)[^/]*$")[0]
        listing = pd.concat([listing, files.assign(year=years.fillna("year not in its name"))])
    return listing.reindex(columns=["file", "layout", "title", "publisher", "year", "licence"]).reset_index(drop=True)


def _several(values: pd.Series) -> str:
    return "; ".join(sorted(set(values.dropna()))) or "none: illustrative"
