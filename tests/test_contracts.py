"""The contracts: what each type may be read from, the data dictionary, and opening what is right."""

from __future__ import annotations

import shutil
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from factories import SETTING_OF, make_tables, write_tables

from pathcost_lib.codes import PODS
from pathcost_lib.sources import Dataset, check, open_dataset
from pathcost_lib.sources.contracts import CONTRACTS, Column, data_dictionary, engine_type, type_problem

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return make_tables()


def arrow(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)


def with_column(frame: pd.DataFrame, name: str, values: pa.Array) -> pa.Table:
    table = arrow(frame)
    return table.set_column(table.schema.get_field_index(name), name, values)


def test_the_data_dictionary_in_docs_is_current():
    # To write it: Path("docs/tables.md").write_text(contracts.data_dictionary(), encoding="utf-8")
    page = Path(__file__).parents[1] / "docs" / "tables.md"
    assert page.read_text(encoding="utf-8") == data_dictionary()


def test_the_frames_for_tests_are_the_tables_of_the_contracts(tables):
    assert list(tables) == list(CONTRACTS)
    for name, frame in tables.items():
        held = {field.name: engine_type(field.type) for field in arrow(frame).schema}
        assert list(held) == [column.name for column in CONTRACTS[name].columns]
        assert all(held[column.name] in column.types for column in CONTRACTS[name].columns), name
    assert all(PODS[pod].setting == setting for pod, setting in SETTING_OF.items())


def test_every_rule_and_key_names_columns_of_its_table():
    for contract in CONTRACTS.values():
        names = {column.name for column in contract.columns}
        assert set(contract.key) <= names
        assert {rule.column for rule in contract.rules} <= names
        assert {rule.severity for rule in contract.rules} <= {"error", "warning", "info"}


@pytest.mark.parametrize(
    ("wanted", "found", "reason"),
    [
        ("BIGINT", pa.int8(), None),
        ("BIGINT", pa.uint32(), None),
        ("BIGINT", pa.uint64(), "UINT64"),
        ("BIGINT", pa.decimal128(18, 0), None),
        ("BIGINT", pa.decimal128(19, 0), "decimals"),
        ("BIGINT", pa.decimal128(12, 2), "decimals"),
        ("BIGINT", pa.float64(), "decimals"),
        ("BIGINT", pa.string(), "text"),
        ("INTEGER", pa.int64(), None),
        ("INTEGER", pa.float32(), "decimals"),
        ("DOUBLE", pa.int32(), None),
        ("DOUBLE", pa.float32(), None),
        ("DOUBLE", pa.decimal128(9, 6), None),
        ("DOUBLE", pa.string(), "text"),
        ("VARCHAR", pa.large_string(), None),
        ("VARCHAR", pa.dictionary(pa.int32(), pa.string()), None),
        ("VARCHAR", pa.int64(), "leading zeros"),
        ("VARCHAR", pa.float64(), "leading zeros"),
        ("VARCHAR", pa.decimal128(9, 0), "leading zeros"),
        ("VARCHAR", pa.binary(), "UTF-8"),
        ("VARCHAR", pa.bool_(), "BOOLEAN"),
        ("DATE", pa.date64(), None),
        ("DATE", pa.timestamp("ns"), None),
        ("DATE", pa.timestamp("us", tz="Europe/London"), "time zone"),
        ("DATE", pa.string(), "day and month"),
        ("DATE", pa.int64(), "BIGINT"),
        ("BIGINT or VARCHAR", pa.int32(), None),
        ("BIGINT or VARCHAR", pa.string(), None),
        ("BIGINT or VARCHAR", pa.float64(), "leading zeros"),
        ("DATE", pa.null(), "nulls"),
    ],
)
def test_a_type_is_read_only_where_nothing_is_lost(wanted, found, reason):
    problem = type_problem(Column("column", wanted, "a column"), found)
    assert (problem is None) if reason is None else (problem is not None and reason in problem)


def test_a_column_of_nulls_has_no_type_and_passes_where_null_is_allowed():
    assert type_problem(Column("column", "VARCHAR", "a column", null=True), pa.null()) is None


def test_valid_tables_open_with_the_types_of_the_contract_and_check_clean(tmp_path, tables):
    dataset = open_dataset(write_tables(tmp_path, tables))
    for name in CONTRACTS:
        held = dataset.tables[name].schema
        assert all(held[column.name] in column.types for column in CONTRACTS[name].columns), name
        assert dataset.tables[name].count() == len(tables[name])
    report = check(dataset, as_of=date(2026, 1, 1))
    assert report.ok and report.table.empty, report.table.to_string()
    assert report.rows == {name: len(frame) for name, frame in tables.items()}


def test_widening_keeps_every_value(tmp_path, tables):
    activity, costs = tables["activity"], tables["unit_costs"]
    changed = {
        "units": pa.array(activity["units"], pa.int16()),
        "recorded_cost_pence": pa.array([Decimal(7)] * len(activity), pa.decimal128(12, 0)),
        "start_date": pa.array(
            [datetime.combine(d, datetime.min.time()) for d in activity["start_date"]], pa.timestamp("ns")
        ),
        "setting": pa.array(activity["setting"], pa.string()).dictionary_encode(),
        "primary_procedure": pa.nulls(len(activity)),
        "patient_id": pa.array(activity["patient_id"], pa.int32()),
    }
    table = arrow(activity)
    for name, values in changed.items():
        table = table.set_column(table.schema.get_field_index(name), name, values)
    shares = with_column(costs, "fixed_share", pa.array(costs["fixed_share"], pa.float32()))
    folder = write_tables(tmp_path, {**tables, "activity": table, "unit_costs": shares})
    dataset = open_dataset(folder)
    schema = dataset.activity.schema
    assert [schema[name] for name in changed] == ["BIGINT", "BIGINT", "DATE", "VARCHAR", "VARCHAR", "BIGINT"]
    held = dataset.activity.to_pandas().set_index("activity_id").loc[activity["activity_id"]]
    assert held["units"].to_list() == activity["units"].to_list()
    assert held["start_date"].to_list() == activity["start_date"].to_list()
    assert set(held["recorded_cost_pence"]) == {7}
    assert dataset.unit_costs.schema["fixed_share"] == "DOUBLE"
    assert check(dataset, as_of=date(2026, 1, 1)).ok


def test_optional_columns_that_are_left_out_are_null_and_a_users_own_are_kept(tmp_path, tables):
    activity = tables["activity"].drop(columns="recorded_cost_pence").assign(**{"my own column": 1})
    patients = tables["patients"].drop(columns=["practice_code", "died_on"])
    dataset = open_dataset(write_tables(tmp_path, {**tables, "activity": activity, "patients": patients}))
    assert dataset.activity.schema["recorded_cost_pence"] == "BIGINT"
    assert dataset.patients.schema["died_on"] == "DATE"
    held = dataset.activity.query(
        'SELECT count(recorded_cost_pence) AS c, sum("my own column") AS s FROM this'
    ).to_pandas()
    assert held.to_dict("records") == [{"c": 0, "s": len(activity)}]
    assert check(dataset, as_of=date(2026, 1, 1)).ok


def test_partitions_of_any_depth_are_one_table_whatever_the_order_of_their_columns(tmp_path, tables):
    write_tables(tmp_path, {name: frame for name, frame in tables.items() if name != "activity"})
    activity = tables["activity"]
    for number, (icb, part) in enumerate(activity.groupby("icb_code")):
        folder = tmp_path / "activity" / f"icb={icb}" / "year=2024"
        folder.mkdir(parents=True)
        part = part[part.columns[::-1]] if number == 1 else part
        pq.write_table(arrow(part), folder / "part-0.parquet")
    (tmp_path / "activity" / "_SUCCESS").write_text("")
    dataset = open_dataset(tmp_path)
    assert len(dataset.files["activity"]) == 3
    report = check(dataset, as_of=date(2026, 1, 1))
    assert report.table.empty and report.rows["activity"] == len(activity)
    assert (
        dataset.activity.to_pandas()["provider_code"].value_counts().to_dict()
        == activity["provider_code"].value_counts().to_dict()
    )


def test_tables_saved_as_csv_open_as_the_same_values(tmp_path, tables):
    for name, frame in tables.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False, encoding="utf-8-sig" if name == "activity" else "utf-8")
    dataset = open_dataset(tmp_path)
    assert dataset.activity.schema["patient_id"] == "VARCHAR"
    assert dataset.activity.schema["start_date"] == "DATE"
    assert check(dataset, as_of=date(2026, 1, 1)).table.empty
    total = dataset.population.query("SELECT sum(persons) AS persons FROM this").to_pandas()["persons"][0]
    assert total == pytest.approx(tables["population"]["persons"].sum())


def test_frames_with_untyped_nulls_take_the_contracts_types(tables):
    organisations = tables["organisations"].astype(object).where(tables["organisations"].notna(), None)
    dataset = Dataset.from_frames({**tables, "organisations": organisations})
    assert dataset.organisations.schema["successor_code"] == "VARCHAR"
    assert dataset.organisations.schema["valid_to"] == "DATE"
    assert check(dataset, as_of=date(2026, 1, 1)).ok


def test_opening_and_checking_write_nothing(tmp_path, tables):
    folder = write_tables(tmp_path / "data", tables)
    shutil.copytree(folder, tmp_path / "before")
    check(open_dataset(folder))
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "before" / path.name).read_bytes()
    assert {p.name for p in folder.iterdir()} == {p.name for p in (tmp_path / "before").iterdir()}


def test_coverage_counts_rows_and_months_by_setting_and_kind_of_provider(tables):
    report = check(Dataset.from_frames(tables), as_of=date(2026, 1, 1))
    activity = tables["activity"].merge(tables["organisations"], left_on="provider_code", right_on="org_code")
    activity["month"] = [day.replace(day=1) for day in activity["start_date"]]
    expected = activity.groupby(["setting", "kind"]).agg(
        activity_rows=("activity_id", "size"),
        units=("units", "sum"),
        providers=("provider_code", "nunique"),
        first_month=("month", "min"),
        last_month=("month", "max"),
        months_held=("month", "nunique"),
    )
    held = report.coverage.set_index(["setting", "provider_kind"])
    assert held.astype(str).to_numpy().tolist() == expected.astype(str).to_numpy().tolist()
