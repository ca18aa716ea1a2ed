"""Explain a number of a pack: its address, its definition, its method, whether it comes out again, wrong bytes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pathcost_lib import present
from pathcost_lib.cli import app
from pathcost_lib.errors import InputError
from pathcost_lib.packs.definitions import definition, interval_method
from pathcost_lib.packs.document import Document, Section, Table, read_section
from pathcost_lib.packs.explain import explain
from pathcost_lib.packs.lineage import cells_of, notes_of, scripts_of, steps_to
from pathcost_lib.packs.recompute import compared
from pathcost_lib.packs.spot import spot_at
from pathcost_lib.present import display
from pathcost_lib.present.address import row_keys, table_address
from pathcost_lib.present.format import LIMIT

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*/*.jsonl"))
#: A number of each notebook, as a reader of the pack would ask for it.
ASKED = (
    "01/unusual",
    "02/by_phase/operation/mean_gbp",
    "03/per_person/all_settings/value_gbp",
    "04/all_comparisons",
    "05/gap/health.2030/gap_gbp",
    "06/worth/system/net_present_value_gbp",
    "07/cost_per_qaly/england/ratio_gbp",
)


def _golden() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield each table of the notebooks: its address and its columns."""
    for path in GOLDEN:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for number, line in enumerate(lines):
            if isinstance(line, dict) and "table" in line:
                rest = lines[number + 1 :]
                end = next((n for n, one in enumerate(rest) if not (isinstance(one, dict) and "column" in one)), None)
                columns = [{"key": one["column"], **one} for one in rest[:end]]
                yield table_address(path.stem, line["table"]), columns


def _table(frame: pd.DataFrame, name: str = "By phase") -> Table:
    safe = present.disclose(frame, counts="contacts", in_order=True)
    return Table(display.table_bundle(safe, name=name, title="Cost by phase")[display.TABLE], "02_made_up")


FRAME = pd.DataFrame({"phase": ["before", "after"], "contacts": [40, 3], "mean_gbp": [1234.5, 987.6]})


def _document(*tables: Table) -> Document:
    return Document("NHS ICB", "QZ1", "2024-25", "Knees.", (Section("02_made_up", "Part", tables),))


# -- addresses --------------------------------------------------------------------------------------------------------
@pytest.mark.property
@given(st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6), st.integers(2000, 2003)), max_size=12))
def test_no_two_rows_of_a_table_have_the_same_address(rows: list[tuple[str, str, int]]) -> None:
    columns = [{"key": "a", "number": False, "kind": ""}, {"key": "b", "number": False, "kind": ""}]
    columns += [{"key": "year", "number": True, "kind": "year"}]
    keys = row_keys({"columns": columns, "rows": [list(row) for row in rows]})
    assert len({*keys}) == len(rows)
    assert all(key and "/" not in key for key in keys)


@pytest.mark.unit
def test_an_address_leads_to_a_table_a_row_and_a_number() -> None:
    table = _table(FRAME)
    document = _document(table)
    assert spot_at(document, "02/by_phase").block is table
    spot = spot_at(document, "02_made_up/by_phase/before/mean_gbp/")
    assert (spot.row, spot.column, spot.address) == (0, 2, "02/by_phase/before/mean_gbp")


@pytest.mark.unit
@pytest.mark.parametrize(
    ("address", "near"),
    [
        ("02/by_fase", "02/by_phase"),
        ("02/by_phase/befor", "02/by_phase/before"),
        ("02/by_phase/before/mean", "02/by_phase/before/mean_gbp"),
        ("nothing", "02/by_phase"),
    ],
)
def test_an_unknown_address_is_answered_with_the_nearest(address: str, near: str) -> None:
    with pytest.raises(InputError, match=f"nearest addresses: .*{near}"):
        spot_at(_document(_table(FRAME)), address)


@pytest.mark.regression
def test_tables_of_a_notebook_have_addresses_of_their_own() -> None:
    for path in GOLDEN:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        names = [line["table"] for line in lines if isinstance(line, dict) and "table" in line]
        assert len({table_address(path.stem, name) for name in names}) == len(names)


# -- definitions ------------------------------------------------------------------------------------------------------
@pytest.mark.regression
def test_every_column_of_the_notebooks_is_defined_and_every_interval_has_a_method() -> None:
    tables = list(_golden())
    assert len(tables) > 100
    lacking = {
        f"{a}/{c['key']}" for a, columns in tables for n, c in enumerate(columns) if not definition(a, columns, n)
    }
    assert not lacking - {f"{a}/not_computable" for a, _ in tables}
    with_limits = {address for address, columns in tables if any(LIMIT.search(c["key"]) for c in columns)}
    methods = {address: interval_method(address) for address in with_limits}
    assert not [address for address, method in methods.items() if method is None]
    # Notes name the method's source; a function without any is named all the same, and is there.
    notes = {method.code: notes_of(method.code) for method in methods.values() if method}
    assert sum(bool(text) for text in notes.values()) >= 12


@pytest.mark.unit
def test_notes_are_those_of_the_function_with_the_source() -> None:
    assert "Welch (Biometrika 1947; 34: 28-35)" in notes_of("benchmark.pathway_cost.compare")
    assert "Stinnett and Mullahy" in notes_of("value.incremental.Incremental.net_benefit")
    assert "Examples" not in notes_of("benchmark.ranking.rank")


# -- what leads to a number -------------------------------------------------------------------------------------------
@pytest.mark.unit
def test_the_steps_to_a_table_are_those_that_its_names_lead_back_to() -> None:
    sources = [
        "from pathcost_lib import ledger, pathways, present, value",
        "costed = ledger.cost_activity(1)\nunused = value.cost_per_outcome(2)",
        "links = pathways.link(costed)\ntables = {}\nif links:\n    tables['a'] = pathways.summarise(links)",
        "present.table(unused, name='Other')\npresent.table(tables['a'], name='Mine')",
    ]
    cells = cells_of([nbformat.v4.new_code_cell(source) for source in sources])
    steps = steps_to(cells, 4, "Mine")
    assert [(step.cell, step.name) for step in steps] == [
        (2, "ledger.pricing.cost_activity"),
        (3, "pathways.link.link"),
        (3, "pathways.summary.summarise"),
    ]
    assert steps[0].does == "Put a cost on every activity row, in whole pence at one price base."
    names = {script.name for script in scripts_of(steps)}
    assert {"ledger/costing.sql", "ledger/prices.sql", "pathways/link.sql", "pathways/windows.sql"} <= names
    assert "value/outcomes.sql" not in names


# -- the same or not --------------------------------------------------------------------------------------------------
@pytest.mark.unit
def test_a_number_that_comes_out_otherwise_is_named() -> None:
    spot = spot_at(_document(_table(FRAME)), "02/by_phase/before")
    assert compared(spot, [_table(FRAME)]) == (
        True,
        "Same, in every figure that is shown. 6 of the table's 6 cells are the same.",
    )
    same, words = compared(spot, [_table(FRAME.assign(mean_gbp=[1334.5, 987.6]))])
    assert (same, words) == (
        False,
        "NOT the same: before/mean_gbp. 5 of the table's 6 cells are the same.",
    )
    assert not compared(spot, [])[0]


# -- a whole pack -----------------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.end_to_end
@pytest.mark.parametrize("address", ASKED)
def test_a_number_of_each_notebook_is_explained_and_comes_out_again(
    address: str, pack_of_three: Path, three: Path
) -> None:
    result = explain(pack_of_three, address, recompute=True, places=[three])
    assert result.same is True, result.summary
    assert result.as_built, result.summary
    parts = dict(result.parts)
    assert parts["What it is"] and parts["Parameters"] and parts["Data and files that it was made from, by SHA-256"]
    assert "ledger/costing.sql" in result.summary
    if address.count("/") == 3:
        said = parts["The number"][0]
        spot = spot_at(_document_of(pack_of_three, address), address)
        assert isinstance(spot.block, Table) and spot.row is not None and spot.column is not None
        value = spot.block.payload["rows"][spot.row][spot.column]
        assert said.startswith(spot.block.payload["columns"][spot.column]["heading"])
        assert "£" in said or value == "*"


def _document_of(pack: Path, address: str) -> Document:
    (path,) = pack.glob(f"{address[:2]}_*.ipynb")
    section = read_section(path)
    return Document("NHS ICB", "QHL", "2024-25", "", (section,))


@pytest.mark.slow
@pytest.mark.end_to_end
def test_a_wrong_byte_in_what_a_number_was_made_from_is_told(pack_of_three: Path, three: Path, tmp_path: Path) -> None:
    data = tmp_path / three.name
    shutil.copytree(three, data)
    assert explain(pack_of_three, ASKED[1], places=[data]).as_built
    prices = data / "unit_costs.parquet"
    raw = bytearray(prices.read_bytes())
    raw[len(raw) // 2] ^= 1
    prices.write_bytes(raw)
    arguments = ["explain", str(pack_of_three), ASKED[1], "--from", str(data)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "unit_costs.parquet: has changed" in result.output

    pack = tmp_path / "pack"
    shutil.copytree(pack_of_three, pack)
    notebook = next(pack.glob("02_*.ipynb"))
    notebook.write_text(notebook.read_text(encoding="utf-8").replace("\u00a3", "\u00a3 ", 1), encoding="utf-8")
    told = explain(pack, ASKED[1], places=[three])
    assert not told.as_built
    assert f"{notebook.name}: has changed" in told.summary


@pytest.mark.slow
@pytest.mark.end_to_end
def test_a_suppressed_number_is_explained_without_its_value(pack_of_three: Path, three: Path) -> None:
    document = _document_of(pack_of_three, "02")
    table = next(t for t in document.tables if t.name == "By setting and phase")
    key = next(k for k, row in zip(row_keys(table.payload), table.payload["rows"], strict=True) if "*" in row)
    told = dict(explain(pack_of_three, f"{table.address}/{key}/mean_gbp", places=[three]).parts)
    assert told["The number"][0].startswith("Mean: *")
    assert told["The number"][1].startswith("It is suppressed")
