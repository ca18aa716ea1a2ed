"""A pack as a Power BI project: the star of `packs.star`, a semantic model in TMDL, and an empty report on it.

Its measures show one number, or nothing: where a visual's cell covers more than one, the cell stays empty, so that no
mean is added to another and no whole to its parts. Unzip it, open `board.pbip`, and set the parameter *Folder* to where
its `data` folder is.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from pathcost_lib.archive import zipped
from pathcost_lib.packs.document import Document
from pathcost_lib.packs.star import COLUMNS, DIMENSIONS, about, star_files

__all__ = ["MEASURES", "write_powerbi"]

_TYPES = {pa.string(): "string", pa.float64(): "double", pa.int64(): "int64"}
_ONE = "COUNTROWS(fact_measure) = 1"
#: Name, what it returns where one fact is chosen, and how it is written.
MEASURES = {
    "Value": ("MAX(fact_measure[value])", "#,##0.##"),
    "Lower limit": ("MAX(fact_measure[lower])", "#,##0.##"),
    "Upper limit": ("MAX(fact_measure[upper])", "#,##0.##"),
    "Rests on": ("MAX(fact_measure[n])", "#,##0"),
    "Shown": (
        'IF(ISBLANK(MAX(fact_measure[value])), MAX(fact_measure[mark]), FORMAT(MAX(fact_measure[value]), "#,##0.##"))',
        "",
    ),
}


def write_powerbi(document: Document) -> bytes:
    """Return the project as a zip."""
    model, report = "board.SemanticModel", "board.Report"
    tables = "\n".join(f"ref table {name}" for name in COLUMNS)
    head = "model Model\n\tculture: en-GB\n\tdefaultPowerBIDataSourceVersion: powerBI_V3\n\n"
    links = [("fact_measure", key, name, key) for name, (key, _) in DIMENSIONS.items()]
    links.append(("fact_measure", "table_key", "dim_table", "table_key"))
    files = {
        "about.json": about(document),
        "board.pbip": _json({"version": "1.0", "artifacts": [{"report": {"path": report}}], "settings": {}}),
        f"{report}/definition.pbir": _json({"version": "4.0", "datasetReference": {"byPath": {"path": f"../{model}"}}}),
        f"{report}/report.json": _json(_report(document)),
        f"{model}/definition.pbism": _json({"version": "4.0", "settings": {}}),
        f"{model}/definition/database.tmdl": b"database\n\tcompatibilityLevel: 1567\n",
        f"{model}/definition/model.tmdl": f"{head}{tables}\n".encode(),
        f"{model}/definition/expressions.tmdl": _FOLDER.encode(),
        f"{model}/definition/relationships.tmdl": "\n".join(_relationship(*link) for link in links).encode(),
        **{f"{model}/definition/tables/{name}.tmdl": _table(name).encode() for name in COLUMNS},
        **{f"data/{name}": content for name, content in star_files(document).items() if name.endswith(".parquet")},
    }
    return zipped(files)


_FOLDER = (
    'expression Folder = "data\\" meta [IsParameterQuery=true, Type="Text", IsParameterQueryRequired=true]\n'
    "\n\tannotation PBI_ResultType = Text\n"
)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _report(document: Document) -> dict[str, Any]:
    """Return a report of one empty page that bears the pack's title."""
    page = {"name": "page1", "displayName": document.title[:50], "displayOption": 1, "width": 1280, "height": 720}
    config = {"version": "5.50", "activeSectionIndex": 0}
    return {
        "config": json.dumps(config),
        "layoutOptimization": 0,
        "sections": [{**page, "visualContainers": [], "config": "{}", "filters": "[]"}],
    }


def _relationship(table: str, column: str, other: str, key: str) -> str:
    return f"relationship {table}_{other}\n\tfromColumn: {table}.{column}\n\ttoColumn: {other}.{key}\n"


def _table(name: str) -> str:
    """Return a table in TMDL: measures (of the fact), columns that nothing sums, and where its rows are."""
    lines = [f"table {name}", ""]
    for measure, (one, form) in MEASURES.items() if name == "fact_measure" else ():
        lines.append(f"\tmeasure '{measure}' = IF({_ONE}, {one})")
        lines += [f"\t\tformatString: {form}", ""] if form else [""]
    for column, kind in COLUMNS[name].items():
        lines += [f"\tcolumn {column}", f"\t\tdataType: {_TYPES[kind]}", "\t\tsummarizeBy: none"]
        lines += ["\t\tisHidden"] if name == "fact_measure" and kind == pa.float64() else []
        lines += [f"\t\tsourceColumn: {column}", ""]
    source = f'Parquet.Document(File.Contents(Folder & "{name}.parquet"))'
    lines += [f"\tpartition {name} = m", "\t\tmode: import", "\t\tsource ="]
    lines += ["\t\t\t\tlet", f"\t\t\t\t\tSource = {source}", "\t\t\t\tin", "\t\t\t\t\tSource", ""]
    return "\n".join(lines)
