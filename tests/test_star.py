"""A pack's numbers for other tools: as the tables show them, each once, and nothing of what they hide."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pathcost_lib import present
from pathcost_lib.archive import zipped
from pathcost_lib.errors import InputError
from pathcost_lib.packs.document import Document, Section, Table, read_section
from pathcost_lib.packs.finished import refuse_files
from pathcost_lib.packs.powerbi import MEASURES, write_powerbi
from pathcost_lib.packs.star import COLUMNS, DIMENSIONS, star, write_star
from pathcost_lib.present import display
from pathcost_lib.present.address import measure_at
from pathcost_lib.present.format import LIMIT


@pytest.fixture(scope="module")
def document() -> Document:
    frame = pd.DataFrame(
        {"phase": ["assessment", "operation", "rehabilitation", "after"], "contacts": [400, 3, 600, 5]}
    )
    frame["mean_gbp"] = [4321.0, 9876.0, 1234.0, 4567.0]
    frame["lower_95"], frame["upper_95"] = frame["mean_gbp"] - 100, frame["mean_gbp"] + 100
    frame["reference_gbp"] = [4000.0, 5000.0, 2000.0, 1000.0]
    frame["reason"] = [None, "=few", None, None]
    of = {"icb_code": "QHL", "pathway": "Primary knee replacement", "year": "2024-25", "what": "closed pathways"}
    phases = present.disclose(frame, counts=["contacts"], totals=[[]], of=of)
    years = pd.DataFrame({"organisation": ["A", "B"], "financial_year": ["2025-26", "2026-27"], "net_gbp": [1.0, -2.0]})
    tables = [
        Table(display.table_bundle(phases, name="By phase", title="Cost by phase")[display.TABLE]),
        Table(display.table_bundle(present.disclose(years, counts=[]), name="Years", title="Years")[display.TABLE]),
    ]
    sections = (Section("02_pathway_cost", "Pathway", (tables[0],)), Section("06_x", "System", (tables[1],)))
    return Document("NHS Example ICB", "QHL", "2024-25", "About.", sections, identity="a1" * 32)


def parts(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {name: file.read(name) for name in file.namelist()}


def differences(document: Document, facts: pd.DataFrame, tables: pd.DataFrame) -> list[str]:
    """Return what a fact and a table of the pack do not have in common: every number is looked for in both ways."""
    wrong, seen = [], 0
    payloads = [table.payload for section in document.chapters for table in section.tables]
    for key, payload in zip(tables["table_key"], payloads, strict=True):
        own = facts[facts["table_key"] == key]
        numbers = [(at, c["key"]) for at, c in enumerate(payload["columns"]) if c["number"]]
        for row, cells in enumerate(payload["rows"], start=1):
            there = own[own["row"] == row]
            kept = [*there["value"], *there["lower"], *there["upper"]]
            for at, column in numbers:
                seen += 1
                fits = there[there["measure"] == column]
                if len(fits) != 1 and not LIMIT.search(column):
                    wrong.append(f"{key}, row {row}: {column} is there {len(fits)} times")
                elif len(fits) == 1:
                    value, shown = fits["value"].iloc[0], cells[at]
                    same = value == shown if isinstance(shown, int | float) else pd.isna(value)
                    mark = fits["mark"].iloc[0] == (shown if isinstance(shown, str) else "")
                    wrong += [] if same and mark else [f"{key}, row {row}: {column}"]
                elif isinstance(cells[at], int | float) and cells[at] not in kept:
                    wrong.append(f"{key}, row {row}: limit {column} is lost")
            shown_numbers = [cells[at] for at, _ in numbers if isinstance(cells[at], int | float)]
            wrong += [f"{key}, row {row}: {n} is not shown" for n in kept if pd.notna(n) and n not in shown_numbers]
    assert seen
    return wrong


@pytest.mark.unit
def test_a_number_has_its_unit_limits_count_and_dimensions(document: Document) -> None:
    tables = {name: table.to_pandas() for name, table in star(document).items()}
    facts = tables["fact_measure"]
    means = facts[facts["measure"] == "mean_gbp"].set_index("phase")
    first = means.loc["assessment"]
    assert (first["unit"], first["interval_pct"], first["n"], first["n_of"]) == ("£", 95, 400, "contacts")
    assert first["lower"] < first["value"] < first["upper"]
    assert (first["area"], first["pathway"], first["period"]) == ("QHL", "Primary knee replacement", "2024-25")
    small = means.loc["operation"]
    assert (small["status"], small["mark"]) == ("suppressed", "*")
    assert small[["value", "lower", "upper", "n"]].isna().all()
    assert json.loads(small["breakdown"]) == {"reason": "=few"}
    net = facts[facts["measure"] == "net_gbp"]
    assert list(net["period"]) == ["2025-26", "2026-27"] and list(net["value"]) == [1.0, -2.0]
    assert not facts["measure"].str.contains("lower|upper").any()
    assert tables["dim_area"].to_dict("records") == [{"area": "QHL", "label": "NHS Example ICB"}]
    for name, (key, _) in DIMENSIONS.items():
        assert set(facts[key]) == set(tables[name][key]) and tables[name][key].is_unique
    assert set(facts["table_key"]) <= set(tables["dim_table"]["table_key"])


@pytest.mark.unit
def test_the_star_is_the_tables_of_the_pack(document: Document) -> None:
    tables = {name: table.to_pandas() for name, table in star(document).items()}
    facts = tables["fact_measure"]
    assert differences(document, facts, tables["dim_table"]) == []
    for changed in (facts.iloc[1:], facts.assign(value=facts["value"] + 1), facts.assign(upper=7.0)):
        assert differences(document, changed, tables["dim_table"]), "the comparison finds nothing"


@pytest.mark.unit
def test_parquet_and_csv_are_the_same_and_no_text_is_a_formula(document: Document) -> None:
    files = parts(write_star(document))
    for name in COLUMNS:
        table = pq.read_table(io.BytesIO(files[f"{name}.parquet"])).to_pandas()
        text = pd.read_csv(io.BytesIO(files[f"{name}.csv"]), keep_default_na=False, dtype=str)
        assert list(text.columns) == list(table.columns) == list(COLUMNS[name])
        for column, kind in COLUMNS[name].items():
            cells = text[column] if kind == pa.string() else pd.to_numeric(text[column])
            expected = table[column].astype(object).where(table[column].notna(), None)
            assert [None if v == "" or pd.isna(v) else v for v in cells] == [None if v == "" else v for v in expected]
    assert not any(
        re.search(r'(?m)(^|,)"?[=+@]', content.decode()) for n, content in files.items() if n.endswith("csv")
    )


def kept_tables() -> Iterator[Table]:
    """Yield the tables with limits that the production notebooks make of two areas, as `tests/golden` has them."""
    for path in sorted((Path(__file__).parent / "golden").rglob("*.jsonl")):
        payload: dict[str, Any] = {"columns": []}
        for line in [*map(json.loads, path.read_text(encoding="utf-8").splitlines()), {"end": True}]:
            if isinstance(line, list):
                payload["rows"].append(line)
            elif "column" in line:
                payload["columns"].append({**line, "key": line["column"]})
            elif "steps" not in line:
                if "table" in payload and any(LIMIT.search(column["key"]) for column in payload["columns"]):
                    yield Table({**payload, "name": payload["table"], "source": path.stem})
                payload = {**line, "columns": [], "rows": []}


@pytest.mark.property
def test_a_limit_is_of_the_number_that_lies_within_in_every_table_and_is_in_the_star_once() -> None:
    tables, seen = list(kept_tables()), 0
    assert len(tables) > 30
    for table in tables:
        columns = table.payload["columns"]
        for at, column in enumerate(columns):
            match = LIMIT.search(column["key"])
            if match is None:
                continue
            whose = measure_at(columns, at)
            where = f"{table.payload['source']}, {table.name}: {column['key']} is of {columns[whose]['key']}"
            assert whose != at and columns[whose]["unit"] == column["unit"], where
            pairs = [(row[whose], row[at]) for row in table.payload["rows"]]
            known = [(value, limit) for value, limit in pairs if not {type(value), type(limit)} - {int, float}]
            seen += len(known)
            # To half a penny: the limits of the first year's gap, which is zero, are a fifth of one.
            beyond = [(limit - value) * (1 if match[1] == "lower" else -1) for value, limit in known]
            assert max(beyond, default=0) < 0.005, where
    assert seen > 500
    document = Document("A", "QHL", "2024-25", "", (Section("07_value", "All", tuple(tables)),), identity="a1" * 32)
    made = {name: one.to_pandas() for name, one in star(document).items()}
    assert differences(document, made["fact_measure"], made["dim_table"]) == []


def _tampered(files: Mapping[str, bytes], name: str, change: str) -> dict[str, bytes]:
    content = files[name]
    if name.endswith(".parquet"):
        table = pq.read_table(io.BytesIO(content)).to_pandas()
        table.loc[table["status"] != "shown", "value"] = float(change)
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(), buffer)
        return {**files, name: buffer.getvalue()}
    return {**files, name: content + change.encode()}


@pytest.mark.unit
@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("fact_measure.parquet", "9876", "a number is kept"),
        ("fact_measure.csv", "9,t,1,QHL,,,,,,m,H,£,9876.0,,,,,,suppressed,*\r\n", "a number is kept"),
        ("about.json", "it cost £98,761", "pounds in words"),
        ("dim_table.csv", "t,in /home/anna/data,,,\r\n", "folder of a machine"),
        ("dim_table.csv", "t,only 3 patients,,,\r\n", "one to seven people"),
    ],
)
def test_what_no_table_shows_is_refused_in_the_zip_too(document: Document, name: str, change: str, said: str) -> None:
    payloads = {section.source: section.payloads for section in document.sections}
    files = parts(write_star(document))
    refuse_files({"board-data.zip": zipped(files), "board-powerbi.zip": write_powerbi(document)}, payloads)
    with pytest.raises(InputError, match=rf"board-data\.zip: .*{said}"):
        refuse_files({"board-data.zip": zipped(_tampered(files, name, change))}, payloads)


@pytest.mark.unit
def test_a_power_bi_model_has_the_columns_of_the_data_and_adds_nothing(document: Document) -> None:
    files = parts(write_powerbi(document))
    folder = "board.SemanticModel/definition"
    for name, content in files.items():
        if name.endswith((".json", ".pbip", ".pbir", ".pbism")):
            json.loads(content)
    columns = {}
    for name in COLUMNS:
        text = files[f"{folder}/tables/{name}.tmdl"].decode()
        columns[name] = re.findall(r"(?m)^\tcolumn (\w+)$", text)
        assert columns[name] == pq.read_schema(io.BytesIO(files[f"data/{name}.parquet"])).names
        assert text.count("summarizeBy: none") == len(columns[name])
        assert f'Folder & "{name}.parquet"' in text
    for link in re.findall(r"Column: (\w+)\.(\w+)", files[f"{folder}/relationships.tmdl"].decode()):
        assert link[1] in columns[link[0]]
    fact = files[f"{folder}/tables/fact_measure.tmdl"].decode()
    measures = re.findall(r"(?m)^\tmeasure '([^']+)' = (.+)$", fact)
    assert [name for name, _ in measures] == list(MEASURES)
    for _, formula in measures:
        assert formula.startswith("IF(COUNTROWS(fact_measure) = 1, ")
        assert not re.search(r"\b(SUM|SUMX|AVERAGE|AVERAGEX|CALCULATE)\b", formula)
    assert "ref table fact_measure" in files[f"{folder}/model.tmdl"].decode()


@pytest.mark.slow
@pytest.mark.end_to_end
def test_the_star_of_a_whole_pack_is_its_tables(pack_of_three: Path) -> None:
    sections = tuple(read_section(path) for path in sorted(pack_of_three.glob("*.ipynb")))
    document = Document("NHS Birmingham and Solihull ICB", "QHL", "2024-25", "", sections)
    files = parts((pack_of_three / "board-data.zip").read_bytes())
    tables = {name: pd.read_parquet(io.BytesIO(files[f"{name}.parquet"])) for name in COLUMNS}
    assert differences(document, tables["fact_measure"], tables["dim_table"]) == []
    assert len(tables["fact_measure"]) > 1000
    assert {"shown", "suppressed", "none"} <= set(tables["fact_measure"]["status"])
    inside = parts((pack_of_three / "board-powerbi.zip").read_bytes())
    assert all(inside[f"data/{name}.parquet"] == files[f"{name}.parquet"] for name in COLUMNS)
