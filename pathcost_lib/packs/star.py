"""A pack's numbers for other tools: a tidy star of one fact and its dimensions, in Parquet and in CSV, in one zip.

Every number of every table of the pack is one row of `fact_measure`, as the table shows it, with its unit, limits and
the count that it rests on. It is made from the disclosed tables alone, so that what they hide is null here too, with
the mark and the status `suppressed`. Nothing is added up: a mean, an index or a share has no sum, and many tables have
a row for the whole beside its parts.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pathcost_lib.archive import zipped
from pathcost_lib.packs.document import Document
from pathcost_lib.present.address import measure_at
from pathcost_lib.present.disclosure import MARK
from pathcost_lib.present.format import LIMIT, say
from pathcost_lib.present.precision import COUNTED

__all__ = ["COLUMNS", "DIMENSIONS", "star", "star_files", "write_star"]

#: Each dimension: its key in the fact, and the columns of a table that hold it, the first that is there.
DIMENSIONS = {
    "dim_area": ("area", ("icb_code",)),
    "dim_pathway": ("pathway", ("pathway",)),
    "dim_phase": ("phase", ("phase",)),
    "dim_setting": ("setting", ("setting",)),
    "dim_period": ("period", ("financial_year", "month")),
}
_TEXT, _NUMBER, _WHOLE = pa.string(), pa.float64(), pa.int64()
#: The columns of each table, in order, with their types.
COLUMNS: dict[str, dict[str, pa.DataType]] = {
    "fact_measure": {
        "fact": _WHOLE,
        "table_key": _TEXT,
        "row": _WHOLE,
        **{key: _TEXT for key, _ in DIMENSIONS.values()},
        "breakdown": _TEXT,
        "measure": _TEXT,
        "heading": _TEXT,
        "unit": _TEXT,
        "value": _NUMBER,
        "lower": _NUMBER,
        "upper": _NUMBER,
        "interval_pct": _WHOLE,
        "n": _NUMBER,
        "n_of": _TEXT,
        "status": _TEXT,
        "mark": _TEXT,
    },
    "dim_table": {"table_key": _TEXT, "title": _TEXT, "part": _TEXT, "notebook": _TEXT, "note": _TEXT},
    **{name: {key: _TEXT, "label": _TEXT} for name, (key, _) in DIMENSIONS.items()},
}

Rows = list[dict[str, Any]]


def star(document: Document) -> dict[str, pa.Table]:
    """Return the fact and its dimensions by name, as `COLUMNS` lists them."""
    facts, tables = Rows(), Rows()
    labels: dict[str, dict[str, str]] = {name: {} for name in DIMENSIONS}
    for section in document.chapters:
        for table in section.tables:
            key = f"{len(tables) + 1:03d} {table.name}"
            about = {"title": table.title, "part": section.title, "notebook": section.source}
            tables.append({"table_key": key, **about, "note": table.payload["note"]})
            for fact in _facts(table.payload, document):
                facts.append({"fact": len(facts) + 1, "table_key": key, **fact})
    for name, (key, _) in DIMENSIONS.items():
        labels[name] = {code: say(code) if code else "All together" for code in sorted({fact[key] for fact in facts})}
    if document.icb in labels["dim_area"]:
        labels["dim_area"][document.icb] = document.organisation
    rows = {"fact_measure": facts, "dim_table": tables}
    rows |= {n: [{DIMENSIONS[n][0]: k, "label": v} for k, v in each.items()] for n, each in labels.items()}
    return {name: pa.Table.from_pylist(rows[name], schema=pa.schema(list(COLUMNS[name].items()))) for name in COLUMNS}


def _facts(payload: Mapping[str, Any], document: Document) -> Iterator[dict[str, Any]]:
    """Yield a row for each number of a table, limits beside the value that they are of."""
    columns = payload["columns"]
    limits = _limits(columns)
    counts = [at for at, column in enumerate(columns) if column["number"] and column["key"] in COUNTED]
    of = payload.get("of") or {}
    usual = {"area": of.get("icb_code", document.icb), "pathway": of.get("pathway", "")}
    usual["period"] = of.get("year", document.year)
    for row, cells in enumerate(payload["rows"], start=1):
        texts = {c["key"]: str(v) for c, v in zip(columns, cells, strict=True) if not c["number"] and v is not None}
        keys = {}
        for key, names in DIMENSIONS.values():
            keys[key] = next((texts.pop(name) for name in names if name in texts), str(usual.get(key, "")))
        for at, column in enumerate(columns):
            if not column["number"] or at in limits:
                continue
            own = {limit[1:]: cells[of_it] for of_it, limit in limits.items() if limit[0] == at}
            ends = {side: cell for (side, _), cell in own.items()}
            count = next((n for n in counts if n != at), None)
            yield {
                "row": row,
                **keys,
                "breakdown": json.dumps(texts, ensure_ascii=False, sort_keys=True) if texts else "",
                "measure": column["key"],
                "heading": column["heading"],
                "unit": column["unit"],
                "value": _number(cells[at]),
                "lower": _number(ends.get("lower")),
                "upper": _number(ends.get("upper")),
                "interval_pct": next((int(level) for _, level in own), None),
                "n": None if count is None else _number(cells[count]),
                "n_of": "" if count is None else columns[count]["key"],
                **_status(cells[at]),
            }


def _limits(columns: Sequence[Mapping[str, Any]]) -> dict[int, tuple[int, str, str]]:
    """Return, of each column that is a limit, which column it is of, which side it is and at what level.

    A number has one interval here, the first. The limits of another (by the bootstrap, say) are rows of their own.
    """
    limits: dict[int, tuple[int, str, str]] = {}
    first: dict[int, tuple[str, str]] = {}
    for at, column in enumerate(columns):
        match = LIMIT.search(column["key"]) if column["number"] else None
        if match and (whose := measure_at(columns, at)) != at:
            interval = (column["key"][: match.start()], match[2])
            if first.setdefault(whose, interval) == interval:
                limits[at] = (whose, match[1], match[2])
    return limits


def _number(cell: Any) -> float | None:
    return float(cell) if isinstance(cell, int | float) and not isinstance(cell, bool) else None


def _status(cell: Any) -> dict[str, str]:
    if isinstance(cell, str):
        return {"status": "suppressed" if cell == MARK else "in words", "mark": cell}
    return {"status": "none" if cell is None else "shown", "mark": ""}


def star_files(document: Document) -> dict[str, bytes]:
    """Return the files of the star: each table as Parquet and as CSV (UTF-8 with a mark, as Excel wants it)."""
    files = {}
    for name, table in star(document).items():
        buffer = io.BytesIO()
        # The one way of packing that every reader of Parquet knows.
        pq.write_table(table, buffer, compression="snappy")
        files[f"{name}.parquet"] = buffer.getvalue()
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(table.column_names)
        writer.writerows(tuple(_in_csv(value) for value in row.values()) for row in table.to_pylist())
        files[f"{name}.csv"] = text.getvalue().encode("utf-8-sig")
    return files


def _in_csv(value: Any) -> Any:
    # Text that a spreadsheet would take for a formula.
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def about(document: Document) -> bytes:
    """Return what a reader of the files must know, as JSON."""
    words = {
        "organisation": document.organisation,
        "year": document.year,
        "identity": document.identity,
        "banner": document.banner,
        "publication": document.restricted,
        "disclosure": " ".join(document.rules),
        "how to use": "One number a row. Take single rows; do not add them: means, shares and wholes are among them.",
    }
    return (json.dumps(words, indent=2, ensure_ascii=False) + "\n").encode()


def write_star(document: Document) -> bytes:
    """Return the zip of the star's files."""
    return zipped({"about.json": about(document), **star_files(document)})
