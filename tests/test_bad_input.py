"""Bad input: every table x every fault gets an error or a line of the quality report, and nobody's identifier."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from factories import make_tables, tables, write_tables
from hypothesis import HealthCheck, given, settings

from pathcost_lib.errors import InputError
from pathcost_lib.sources import Dataset, QualityReport, check, open_dataset
from pathcost_lib.sources.contracts import CONTRACTS

TODAY = date(2026, 1, 1)
TABLES = list(CONTRACTS)
COLUMNS = [(name, column) for name, contract in CONTRACTS.items() for column in contract.columns]
VALID = make_tables()
#: Every pseudonym in the tables, and one planted as text in a column of codes.
PLANTED = "PX7100042"
IDENTIFIERS = re.compile("|".join([r"\b[57]00000[0-9]{3}\b", PLANTED]))


def ids(names: list[tuple[str, object]]) -> list[str]:
    return [f"{name}.{getattr(column, 'name', column)}" for name, column in names]


def arrow(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)


def refused(folder: Path) -> str:
    """Open a folder that must be refused; the message holds no identifier, and nothing is left behind."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(InputError) as caught:
        open_dataset(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    message = str(caught.value)
    assert not IDENTIFIERS.search(message), message
    return message


def checked(frames: dict[str, pd.DataFrame]) -> QualityReport:
    """Check frames; whatever the report says holds no identifier."""
    report = check(Dataset.from_frames(frames), as_of=TODAY)
    for said in (report.table.to_csv(), report._repr_html_(), str(report), report.summary, report.coverage.to_csv()):
        assert not IDENTIFIERS.search(said), said
    return report


def line(report: QualityReport, table: str, column: str, rule: str) -> pd.Series:
    """Return the one line of a table and column whose rule holds some words."""
    found = report.table[
        (report.table["table"] == table)
        & (report.table["column"] == column)
        & report.table["rule"].str.contains(rule, regex=False)
    ]
    assert len(found) == 1, report.table.to_string()
    return found.iloc[0]


def changed(name: str, column: str, rows: list[int], values: object) -> dict[str, pd.DataFrame]:
    """Return the valid tables with other values in a column of one of them."""
    frame = VALID[name].copy()
    frame.loc[rows, column] = values
    return {**VALID, name: frame}


def few(frames: dict[str, pd.DataFrame], name: str) -> dict[str, pd.DataFrame]:
    """Return one of the tables with those that its columns refer to."""
    return {table: frames[table] for table in TABLES if table in (name, "patients", "organisations")}


# -- refused at the door -----------------------------------------------------------------------------------------------


@pytest.mark.unit
def test_a_folder_that_is_not_there_or_holds_nothing(tmp_path):
    with pytest.raises(InputError, match="There is no folder"):
        open_dataset(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("nothing here")
    assert "none of the tables activity, patients" in refused(tmp_path)


@pytest.mark.unit
def test_an_unknown_table_is_named_with_what_was_meant(tmp_path):
    write_tables(tmp_path, {"activty": VALID["activity"]})
    message = refused(tmp_path)
    assert "activty.parquet" in message and "Did you mean activity?" in message


@pytest.mark.unit
@pytest.mark.parametrize(("name", "column"), COLUMNS, ids=ids(COLUMNS))
def test_a_missing_column(tmp_path, name, column):
    write_tables(tmp_path, {name: VALID[name].drop(columns=column.name)})
    if column.optional:
        assert column.name in open_dataset(tmp_path).tables[name].columns
    else:
        message = refused(tmp_path)
        assert f"{name}.parquet: column {column.name}" in message and column.type in message


@pytest.mark.unit
@pytest.mark.parametrize(("name", "column"), COLUMNS, ids=ids(COLUMNS))
def test_a_column_of_the_wrong_type(tmp_path, name, column):
    rows = len(VALID[name])
    wrong = pa.array([1.5] * rows) if column.type in ("BIGINT", "INTEGER") or " or " in column.type else None
    wrong = wrong if wrong is not None else pa.array(["x"] * rows) if column.type != "VARCHAR" else pa.array([7] * rows)
    table = arrow(VALID[name])
    write_tables(tmp_path, {name: table.set_column(table.schema.get_field_index(column.name), column.name, wrong)})
    message = refused(tmp_path)
    assert f"{name}.parquet, column {column.name}: found" in message and f"Allowed: {column.type}." in message
    assert "leading zeros" in message or column.type != "VARCHAR"


@pytest.mark.unit
def test_everything_that_is_wrong_with_the_columns_is_listed_at_once(tmp_path):
    activity = VALID["activity"].drop(columns="units").rename(columns={"pod": "POD"})
    write_tables(tmp_path, {"activity": activity, "patients": VALID["patients"].astype({"birth_year": "string"})})
    message = refused(tmp_path)
    assert message.count("\n- ") == 3
    assert (
        "column units" in message and "There is 'POD': rename it." in message and "birth_year: found VARCHAR" in message
    )


@pytest.mark.unit
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_an_empty_file(tmp_path, name, suffix):
    (tmp_path / f"{name}.{suffix}").write_bytes(b"")
    assert f"{name}.{suffix}: the file is empty (0 bytes)" in refused(tmp_path)


@pytest.mark.unit
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_table_without_rows(tmp_path, name, suffix):
    if suffix == "parquet":
        write_tables(tmp_path, {name: VALID[name].head(0)})
    else:
        VALID[name].head(0).to_csv(tmp_path / f"{name}.csv", index=False)
    assert f"{name}.{suffix}: the table has columns but no rows" in refused(tmp_path)


@pytest.mark.unit
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("kept", [0.1, 0.9])
def test_a_truncated_parquet_file(tmp_path, name, kept):
    path = write_tables(tmp_path, {name: VALID[name]}) / f"{name}.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    assert f"{name}.parquet" in (message := refused(tmp_path)) and "cut short or damaged" in message


@pytest.mark.unit
@pytest.mark.parametrize("name", TABLES)
def test_text_named_parquet_and_parquet_named_csv(tmp_path, name):
    VALID[name].to_csv(tmp_path / f"{name}.parquet", index=False)
    assert "it is not Parquet. Name a CSV .csv" in refused(tmp_path)
    pq.write_table(arrow(VALID[name]), tmp_path / f"{name}.parquet")
    (tmp_path / f"{name}.parquet").rename(tmp_path / f"{name}.csv")
    assert f"{name}.csv" in (message := refused(tmp_path)) and "CSV" in message


@pytest.mark.unit
@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
@pytest.mark.parametrize("name", TABLES)
def test_a_csv_in_the_wrong_encoding(tmp_path, name, encoding):
    column = next(c.name for c in CONTRACTS[name].columns if c.type == "VARCHAR")
    frame = VALID[name].copy()
    frame.loc[[0, 2], column] = "Trêve"
    frame.to_csv(tmp_path / f"{name}.csv", index=False, encoding=encoding)
    message = refused(tmp_path)
    assert f"{name}.csv" in message and "UTF-8" in message
    assert "2 with characters that are not utf-8" in message or encoding == "utf-16"
    assert "(line 2, 4)" in message or encoding == "utf-16"


@pytest.mark.unit
def test_a_csv_with_ragged_rows_or_values_that_do_not_convert(tmp_path):
    frame = VALID["activity"].astype({"units": "string", "start_date": "string"})
    frame.loc[[3, 4], "units"] = "1,234"
    frame.loc[[5], "units"] = PLANTED
    frame.to_csv(tmp_path / "activity.csv", index=False)
    assert "activity.csv, column units: 3 rows cannot be read. Allowed: whole numbers" in refused(tmp_path)
    frame["units"] = "1"
    frame.loc[[7], "start_date"] = "01/04/2024"
    frame.to_csv(tmp_path / "activity.csv", index=False)
    assert "column start_date: 1 rows cannot be read. Allowed: dates like 2024-04-01" in refused(tmp_path)
    with (tmp_path / "activity.csv").open("a") as file:
        file.write(f"{PLANTED},{PLANTED},2024-04-01\n")
    assert "rows that do not fit its heading: 1 with too few values for the heading (line 303)" in refused(tmp_path)


@pytest.mark.unit
@pytest.mark.parametrize("name", TABLES)
def test_text_in_parquet_that_is_not_utf8_is_counted_by_file_and_column(tmp_path, name):
    column = next(c.name for c in CONTRACTS[name].columns if c.type == "VARCHAR")
    values = [value.encode() for value in VALID[name][column]]
    values[1] = values[4] = b"Tr\xeave"
    table = arrow(VALID[name])
    # Arrow does not look inside text that it is told is UTF-8; neither does its Parquet writer.
    raw = pa.array(values, pa.binary())
    text = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    write_tables(tmp_path, {name: table.set_column(table.schema.get_field_index(column), column, text)})
    found = line(check(open_dataset(tmp_path), as_of=TODAY), name, column, "text is not in UTF-8")
    assert (found["severity"], found["file"], found["rows"]) == ("error", f"{name}.parquet", 2)


@pytest.mark.unit
@pytest.mark.parametrize("name", TABLES)
def test_a_file_damaged_inside_is_named_by_column(tmp_path, name):
    path = tmp_path / f"{name}.parquet"
    pq.write_table(arrow(VALID[name]), path, compression="zstd", use_dictionary=False)
    place = pq.read_metadata(path).row_group(0).column(0)
    damaged = bytearray(path.read_bytes())
    start = place.data_page_offset
    damaged[start : start + place.total_compressed_size] = b"\xff" * place.total_compressed_size
    path.write_bytes(damaged)
    found = line(check(open_dataset(tmp_path), as_of=TODAY), name, CONTRACTS[name].columns[0].name, "damaged inside")
    assert (found["severity"], found["file"], found["rows"]) == ("error", path.name, len(VALID[name]))


@pytest.mark.unit
def test_a_table_that_cannot_be_read_to_its_end_is_not_written_in_part(tmp_path):
    activity = pd.concat([VALID["activity"].assign(provider_code="100")] * 500).reset_index(drop=True)
    activity.loc[len(activity) - 1, "provider_code"] = "A1"
    dataset = Dataset.from_frames({"activity": activity})
    numbers = dataset.activity.query("SELECT CAST(provider_code AS BIGINT) AS number FROM this")
    kept = dataset.activity.write_parquet(tmp_path / "out" / "activity.parquet").read_bytes()
    with pytest.raises(Exception, match="A1"):
        numbers.write_parquet(tmp_path / "out" / "activity.parquet")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["activity.parquet"]
    assert (tmp_path / "out" / "activity.parquet").read_bytes() == kept


@pytest.mark.unit
def test_damage_in_a_column_read_at_the_door_is_refused_there(tmp_path):
    path = tmp_path / "population.parquet"
    pq.write_table(arrow(VALID["population"]), path, compression="zstd", use_dictionary=False)
    place = pq.read_metadata(path).row_group(0).column(5)
    damaged = bytearray(path.read_bytes())
    damaged[place.data_page_offset + 8 : place.data_page_offset + place.total_compressed_size] = b"\xff" * (
        place.total_compressed_size - 8
    )
    path.write_bytes(damaged)
    assert "population.parquet, column persons: the file is damaged inside" in refused(tmp_path)


FLOATS = [(name, column) for name, column in COLUMNS if column.type == "DOUBLE"]


@pytest.mark.unit
@pytest.mark.parametrize(("name", "column"), FLOATS, ids=ids(FLOATS))
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_in_a_number(tmp_path, name, column, poison):
    values = VALID[name][column.name].to_numpy(dtype=float, na_value=1.0).copy()
    values[[0, 3, 5]] = poison
    table = arrow(VALID[name])
    poisoned = pa.array(values, from_pandas=False)
    write_tables(tmp_path, {name: table.set_column(table.schema.get_field_index(column.name), column.name, poisoned)})
    assert f"{name}.parquet, column {column.name}: 3 rows are NaN or infinite" in refused(tmp_path)


DATES = [(name, column) for name, column in COLUMNS if column.type == "DATE"]


@pytest.mark.unit
@pytest.mark.parametrize(("name", "column"), DATES, ids=ids(DATES))
def test_timestamps_that_are_not_all_midnight(tmp_path, name, column):
    times = [pd.Timestamp(2024, 1, 1)] * len(VALID[name])
    times[2] += pd.Timedelta(hours=9)
    table = arrow(VALID[name])
    column_of_times = pa.array(times, pa.timestamp("us"))
    write_tables(
        tmp_path, {name: table.set_column(table.schema.get_field_index(column.name), column.name, column_of_times)}
    )
    assert f"{name}.parquet, column {column.name}: 1 rows have a time of day" in refused(tmp_path)


@pytest.mark.unit
@pytest.mark.parametrize("name", TABLES)
def test_files_of_one_table_that_differ(tmp_path, name):
    column = next(c.name for c in CONTRACTS[name].columns if c.type == "VARCHAR")
    table = arrow(VALID[name])
    other = table.set_column(table.schema.get_field_index(column), column, pa.nulls(table.num_rows))
    (tmp_path / name).mkdir()
    pq.write_table(table, tmp_path / name / "a.parquet")
    pq.write_table(other, tmp_path / name / "b.parquet")
    message = refused(tmp_path)
    assert f"b.parquet and a.parquet: {column} is NULL and VARCHAR" in message
    pq.write_table(table.drop_columns([column]), tmp_path / name / "b.parquet")
    assert f"{column} is missing and VARCHAR" in refused(tmp_path)
    (tmp_path / name / "b.parquet").unlink()
    write_tables(tmp_path, {name: table})
    assert "more than once" in refused(tmp_path)


@pytest.mark.unit
def test_files_without_headings_do_not_have_their_values_said(tmp_path):
    VALID["patients"].to_csv(tmp_path / "patients.csv", index=False, header=False)
    assert "column patient_id (Pseudonym" in refused(tmp_path)
    (tmp_path / "patients.csv").unlink()
    (tmp_path / "activity").mkdir()
    for number in (0, 1):
        rows = VALID["activity"].iloc[[number]]
        odd = rows.rename(columns={"activity_id": str(rows["activity_id"].iloc[0])})
        pq.write_table(arrow(odd), tmp_path / "activity" / f"{number}.parquet")
    assert "1.parquet and 0.parquet: 2 other columns" in refused(tmp_path)


@pytest.mark.unit
def test_the_files_at_fault_in_a_table_of_many_are_named(tmp_path):
    activity = VALID["activity"].copy()
    activity["units"] = range(1, len(activity) + 1)
    activity.loc[activity["icb_code"] == "QZ2", "units"] = 0
    activity.loc[activity.index[:3], "setting"] = PLANTED
    for icb, part in activity.groupby("icb_code"):
        (tmp_path / "activity" / str(icb)).mkdir(parents=True)
        pq.write_table(arrow(part), tmp_path / "activity" / str(icb) / "part-0.parquet")
    write_tables(tmp_path, {"patients": VALID["patients"], "organisations": VALID["organisations"]})
    report = check(open_dataset(tmp_path), as_of=TODAY)
    rows = (activity["icb_code"] == "QZ2").sum()
    assert line(report, "activity", "units", "outside")["file"] == f"activity/QZ2/part-0.parquet ({rows})"
    assert line(report, "activity", "setting", "not allowed")["file"] == "activity/QZ1/part-0.parquet (3)"
    assert not IDENTIFIERS.search(report.table.to_csv())


@pytest.mark.unit
def test_identifiers_of_two_types_would_join_nothing(tmp_path):
    text = VALID["patients"].astype({"patient_id": "string"})
    write_tables(tmp_path, {"activity": VALID["activity"], "patients": text})
    assert "patient_id: a number in activity, text in patients. Allowed: one type." in refused(tmp_path)


# -- reported, in counts -----------------------------------------------------------------------------------------------


@pytest.mark.unit
@pytest.mark.parametrize("name", TABLES)
def test_duplicates_whole_rows_apart_from_keys(tmp_path, name):
    frame = VALID[name]
    differing = next(c for c in CONTRACTS[name].columns if c.name not in CONTRACTS[name].key and c.type != "DATE")
    again = frame.iloc[[2, 2, 5]]
    other = frame.iloc[[7]].copy()
    other[differing.name] = frame[differing.name].dropna().iloc[0] if differing.type == "VARCHAR" else 3
    assert not other.equals(frame.iloc[[7]])
    folder = write_tables(tmp_path, {**VALID, name: pd.concat([frame, again, other])})
    report = check(open_dataset(folder), as_of=TODAY)
    key = ", ".join(CONTRACTS[name].key)
    whole, part = (
        line(report, name, key, "whole row repeated"),
        line(report, name, key, "key repeated on rows that differ"),
    )
    assert (whole["rows"], part["rows"], whole["severity"], whole["file"]) == (3, 1, "error", f"{name}.parquet")
    assert whole["share_pct"] == pytest.approx(100 * 3 / (len(frame) + 4))
    assert not IDENTIFIERS.search(report.table.to_csv() + report._repr_html_())


@pytest.mark.unit
@pytest.mark.parametrize("name", TABLES)
def test_nulls_where_a_value_must_be(name):
    frame = VALID[name].copy()
    needed = [column.name for column in CONTRACTS[name].columns if not column.null]
    for row, column in enumerate(needed):
        frame.loc[[row, 11], column] = None
    report = checked({**VALID, name: frame})
    for column in needed:
        assert line(report, name, column, "null, where a value must be")["rows"] == 2
    assert not report.ok


CODED = [(name, column) for name, column in COLUMNS if column.allowed or column.shape or column.refers]
RANGED = [(name, column) for name, column in COLUMNS if column.range_words]


@pytest.mark.unit
@pytest.mark.parametrize(("name", "column"), CODED, ids=ids(CODED))
def test_codes_that_are_not_allowed_or_not_known(name, column):
    bad = 700_000_999 if column.name == "patient_id" else PLANTED
    report = checked(few(changed(name, column.name, [1, 2, 6], bad), name))
    rule = "value is not allowed" if column.allowed else f"not {column.like}" if column.shape else "not "
    found = line(report, name, column.name, rule)
    assert found["rows"] == 3 and found["what_it_does"]
    if column.allowed:
        assert found["example"] == "Allowed: " + ", ".join(column.allowed)


@pytest.mark.unit
@pytest.mark.parametrize(("name", "column"), RANGED, ids=ids(RANGED))
def test_values_beyond_what_is_allowed(name, column):
    step = timedelta(days=1) if column.type == "DATE" else 1
    bad = [bound + sign * step for bound, sign in ((column.lowest, -1), (column.highest, 1)) if bound is not None]
    edge = [bound for bound in (column.lowest, column.highest) if bound is not None]
    found = line(
        checked(few(changed(name, column.name, list(range(len(bad))), bad), name)),
        name,
        column.name,
        "outside what is allowed",
    )
    assert found["rows"] == len(bad) and found["severity"] == "error" and column.range_words in found["rule"]
    at_edge = checked(few(changed(name, column.name, list(range(len(edge))), edge), name)).table
    assert at_edge[(at_edge["column"] == column.name) & at_edge["rule"].str.contains("outside")].empty


def first(pod: str, count: int = 2) -> list[int]:
    return VALID["activity"].index[VALID["activity"]["pod"] == pod][:count].to_list()


def again(pod: str) -> dict[str, pd.DataFrame]:
    """Return the valid tables with two contacts there twice, under other identifiers."""
    rows = VALID["activity"].loc[first(pod)]
    more = rows.assign(activity_id=rows["activity_id"] + 900_000)
    return {**VALID, "activity": pd.concat([VALID["activity"], more], ignore_index=True)}


def costs_of(pod: str, odd: list[int]) -> dict[str, pd.DataFrame]:
    """Return the valid tables with recorded costs of £9 to £11 for one POD, but for the first few."""
    rows = first(pod, 1000)
    usual = [900 + 10 * (n % 21) for n in range(len(rows) - len(odd))]
    return changed("activity", "recorded_cost_pence", rows, [*odd, *usual])


def born_late(count: int) -> list[int]:
    """Return the patients who have one contact each in 2023 and none before, as many as that."""
    early = VALID["activity"][VALID["activity"]["start_date"] < date(2024, 1, 1)]
    people = early["patient_id"].value_counts().loc[lambda n: n == 1].index[:count]
    return VALID["patients"].index[VALID["patients"]["patient_id"].isin(people)].to_list()


Fault = tuple[str, str, str, str, Callable[[], dict[str, pd.DataFrame]]]
FAULTS: list[Fault] = [
    (
        "activity",
        "end_date",
        "end before start",
        "error",
        lambda: changed("activity", "end_date", [1, 2], date(2023, 3, 1)),
    ),
    (
        "activity",
        "end_date",
        "end in the future",
        "warning",
        lambda: changed("activity", "end_date", [1, 2], date(2026, 1, 2)),
    ),
    ("activity", "end_date", "no end date", "info", lambda: changed("activity", "end_date", [1, 2], None)),
    (
        "activity",
        "start_date",
        "start in the future",
        "error",
        lambda: changed("activity", "start_date", [1, 2], date(2026, 1, 2)),
    ),
    (
        "activity",
        "length_of_stay_days",
        "not the days from start to end",
        "warning",
        lambda: changed("activity", "length_of_stay_days", first("elective"), 99),
    ),
    ("activity", "units", "above £50m", "error", lambda: changed("activity", "units", first("elective"), 9_000)),
    (
        "activity",
        "patient_id",
        "not in patients",
        "warning",
        lambda: changed("activity", "patient_id", first("call_111"), 700_000_999),
    ),
    (
        "activity",
        "setting",
        "POD belongs to another setting",
        "error",
        lambda: changed("activity", "setting", [1, 2], "social_care"),
    ),
    (
        "activity",
        "currency_code",
        "not an HRG",
        "warning",
        lambda: changed("activity", "currency_code", first("elective"), PLANTED),
    ),
    (
        "activity",
        "currency_code",
        "no price of its own",
        "info",
        lambda: changed("activity", "currency_code", first("elective"), "HN99Z"),
    ),
    ("activity", "patient_id", "same patient, day, POD and provider", "info", lambda: again("call_111")),
    ("activity", "recorded_cost_pence", "far from the usual", "info", lambda: costs_of("gp_appointment", [9, 80_000])),
    (
        "activity",
        "start_date",
        "before the patient's year of birth",
        "error",
        lambda: changed("patients", "birth_year", born_late(2), 2024) | {"outcomes": VALID["outcomes"]},
    ),
    (
        "patients",
        "died_on",
        "before the year of birth",
        "error",
        lambda: changed("patients", "birth_year", [9, 19], 2026),
    ),
    (
        "patients",
        "died_on",
        "died in the future",
        "error",
        lambda: changed("patients", "died_on", [1, 2], date(2026, 1, 2)),
    ),
    ("patients", "birth_year", "born in the future", "error", lambda: changed("patients", "birth_year", [1, 2], 2027)),
    (
        "unit_costs",
        "financial_year",
        "second part",
        "error",
        lambda: changed("unit_costs", "financial_year", [1, 2], "2024-26"),
    ),
    (
        "unit_costs",
        "fixed_share",
        "do not sum to 1",
        "error",
        lambda: changed("unit_costs", "fixed_share", [1, 2], 0.6),
    ),
    (
        "organisations",
        "valid_to",
        "ends before it begins",
        "error",
        lambda: changed("organisations", "valid_to", [1, 2], date(2012, 1, 1)),
    ),
    (
        "quantum",
        "financial_year",
        "second part",
        "error",
        lambda: changed("quantum", "financial_year", [1, 2], "1999-01"),
    ),
    (
        "quantum",
        "total_cost_pence",
        "exceed the total",
        "error",
        lambda: changed("quantum", "excluded_pence", [1, 2], 10**10),
    ),
    (
        "outcomes",
        "measured_on",
        "measured in the future",
        "error",
        lambda: changed("outcomes", "measured_on", [1, 2], date(2026, 1, 2)),
    ),
]


@pytest.mark.unit
@pytest.mark.parametrize(
    ("name", "column", "rule", "severity", "make"), FAULTS, ids=[f"{f[0]}: {f[2]}" for f in FAULTS]
)
def test_a_rule_between_columns_or_tables(name, column, rule, severity, make):
    found = line(checked(make()), name, column, rule)
    assert (found["rows"], found["severity"]) == (2, severity) and found["what_it_does"]


@pytest.mark.unit
def test_every_rule_between_columns_is_tried_in_this_file():
    tried = {(name, column) for name, column, *_ in FAULTS}
    elsewhere = {("activity", "start_date"), ("activity", "provider_code"), ("activity", "icb_code")}
    assert {(name, rule.column) for name, c in CONTRACTS.items() for rule in c.rules} == tried | elsewhere


@pytest.mark.unit
def test_activity_after_death_and_at_organisations_that_are_gone():
    activity = VALID["activity"]
    person = activity["patient_id"].iloc[0]
    row = VALID["patients"].index[VALID["patients"]["patient_id"] == person].to_list()
    report = checked(changed("patients", "died_on", row, date(2024, 1, 1)))
    late = (activity["patient_id"] == person) & (activity["start_date"] > date(2024, 1, 1))
    assert line(report, "activity", "start_date", "after the patient's death")["rows"] == late.sum() > 0
    for code, column in (("A1", "provider_code"), ("QZ2", "icb_code")):
        rows = VALID["organisations"].index[VALID["organisations"]["org_code"] == code].to_list()
        report = checked(changed("organisations", "valid_to", rows, date(2024, 3, 31)))
        gone = (activity[column] == code) & (activity["start_date"] > date(2024, 3, 31))
        assert line(report, "activity", column, "did not exist on the start date")["rows"] == gone.sum() > 0


@pytest.mark.unit
def test_unknown_providers_are_shown_by_code_unless_the_code_could_be_a_person():
    activity, patients = (
        VALID["activity"].astype({"patient_id": "string"}),
        VALID["patients"].astype({"patient_id": "string"}),
    )
    frames = {**VALID, "patients": patients, "outcomes": VALID["outcomes"].astype({"patient_id": "string"})}
    patients.loc[0, "patient_id"] = "PAT42"  # of the shape of a provider's code, and in the provider's column too
    activity.loc[:9, "provider_code"] = "RXX"
    activity.loc[10:19, "provider_code"] = "PAT42"
    activity.loc[20:22, "provider_code"] = "RYY"  # on too few rows to be shown
    report = check(Dataset.from_frames({**frames, "activity": activity}), as_of=TODAY)
    found = line(report, "activity", "provider_code", "not in organisations")
    assert (found["rows"], found["example"]) == (23, "RXX (10 rows)")


@pytest.mark.unit
def test_pods_without_a_price_or_a_proxy():
    kept = VALID["unit_costs"][VALID["unit_costs"]["pod"] != "elective"]
    report = checked({**VALID, "unit_costs": kept.reset_index(drop=True)})
    rows = (VALID["activity"]["pod"] == "elective").sum()
    assert line(report, "activity", "currency_code", "nor a proxy")["rows"] == rows


@pytest.mark.unit
def test_rules_that_need_a_table_that_is_not_held_are_said_to_be_unchecked():
    report = checked({"activity": VALID["activity"]})
    assert report.ok and report.warnings.empty
    assert set(report.table["table"]) == set(TABLES) - {"activity"}
    assert set(report.table["rule"]) == {"the table is not held"}
    assert "Errors" not in report.summary


@pytest.mark.unit
def test_frames_that_lack_a_column_are_refused_by_check():
    with pytest.raises(InputError, match="column units"):
        check(Dataset.from_frames({"activity": VALID["activity"].drop(columns="units")}))


@pytest.mark.unit
def test_text_identifiers_are_not_printed_either():
    frames = {name: VALID[name].astype({"patient_id": "string"}) for name in ("activity", "patients", "outcomes")}
    frames["activity"] = frames["activity"].astype({"activity_id": "string"})
    doubled = pd.concat([frames["activity"]] * 2).assign(units=0)
    report = checked({**VALID, **frames, "activity": doubled})
    assert line(report, "activity", "activity_id", "whole row repeated")["rows"] == len(VALID["activity"])
    assert " errors, " in report.summary and "activity, units: outside what is allowed" in report.summary


BEDS = ["elective", "non_elective", "day_case", "mental_health_bed_day", "rehabilitation_day"]


# -- awkward activity --------------------------------------------------------------------------------------------------


@pytest.mark.property
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(frames=tables())
def test_counts_agree_with_a_count_by_hand_on_awkward_activity(frames):
    report = checked(frames)
    activity, patients = frames["activity"], frames["patients"]
    counted = dict(zip(report.table["rule"], report.table["rows"], strict=True))
    assert counted.get("no end date", 0) == activity["end_date"].isna().sum()
    stays = activity[activity["pod"].isin(BEDS)].sort_values("activity_id")
    overlapping = 0
    for _, person in stays.groupby("patient_id"):
        spans = sorted(
            (s, s if e is None or pd.isna(e) else e)
            for s, e in zip(person["start_date"], person["end_date"], strict=True)
        )
        overlapping += sum(any(end > start for _, end in spans[:place]) for place, (start, _) in enumerate(spans))
    assert counted.get("stay begins before an earlier one of the same patient ends: two beds at once", 0) == overlapping
    died = activity.merge(patients, on="patient_id")[["start_date", "died_on"]].dropna()
    assert counted.get("after the patient's death", 0) == (died["start_date"] > died["died_on"]).sum() == 0
    assert report.coverage["activity_rows"].sum() == len(activity)
    assert report.coverage["units"].sum() == activity["units"].sum()


@pytest.mark.property
@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(frames=tables(max_size=8))
def test_no_row_is_silent_when_rows_repeat(frames):
    activity = pd.concat([frames["activity"], frames["activity"].sample(5, replace=True, random_state=1)])
    report = checked({**frames, "activity": activity})
    assert line(report, "activity", "activity_id", "whole row repeated")["rows"] == activity.duplicated().sum() == 5
