"""Files as people have them: what is written in them is read as it is meant, or refused in words."""

from __future__ import annotations

import datetime as dt
import gzip
import time
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from factories import make_tables, write_tables

from pathcost_lib import pathways
from pathcost_lib.errors import InputError
from pathcost_lib.intake.mapping import map_folder
from pathcost_lib.intake.suggest import suggest
from pathcost_lib.ledger import cost_activity
from pathcost_lib.sources import check, open_dataset, published

POPULATION = """[[table]]
name = "population"
file = "{file}"
{options}
[table.columns]
icb_code = {{ from = "ICB" }}
year = {{ from = "Year" }}
age = {{ from = "Age" }}
sex = {{ from = "Sex" }}
variant = {{ constant = "principal" }}
persons = {{ from = "People"{more} }}
"""
ROWS = "ICB,Year,Age,Sex,People\nQHL,2024,30,female,1200\nQOP,2024,30,male,900\n"


def people(folder: Path, file: str, *, options: str = "", more: str = "") -> pd.DataFrame:
    """Import a population through a mapping."""
    (folder / "m.toml").write_text(POPULATION.format(file=file, options=options, more=more), encoding="utf-8")
    return map_folder(folder, folder / "m.toml").dataset.population.to_pandas()


@pytest.mark.unit
@pytest.mark.parametrize("name", ["P.CSV", "p.csv.GZ", "p.ZIP", "utf-16-le.csv", "utf-16-be.csv", "marked.csv"])
def test_a_file_is_read_whatever_its_ending_is_written_in_and_whichever_utf_16_it_is(tmp_path, name):
    path = tmp_path / name
    if name.endswith(".GZ"):
        path.write_bytes(gzip.compress(ROWS.encode()))
    elif name.endswith(".ZIP"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("P.CSV", ROWS)
    else:
        codec = {"utf-16-le.csv": "utf-16-le", "utf-16-be.csv": "utf-16-be", "marked.csv": "utf-16"}.get(name, "utf-8")
        path.write_bytes(ROWS.encode(codec))
    assert people(tmp_path, name)["persons"].tolist() == [1200, 900]


@pytest.mark.unit
def test_a_heading_of_two_rows_a_file_without_one_and_decimal_commas_are_read_when_the_mapping_says_so(tmp_path):
    (tmp_path / "two.csv").write_text(
        "Population estimates\nArea,,Group,,\nICB,Year,Age,Sex,People\nQHL,2024,30,female,1200\n", encoding="utf-8"
    )
    mapping = POPULATION.format(file="two.csv", options="heading_row = 2\nheading_rows = 2", more="")
    for ours, theirs in {"ICB": "Area ICB", "Year": "Area Year", "Age": "Group Age", "Sex": "Group Sex"}.items():
        mapping = mapping.replace(f'"{ours}"', f'"{theirs}"')
    mapping = mapping.replace('"People"', '"Group People"')
    (tmp_path / "m.toml").write_text(mapping, encoding="utf-8")
    assert map_folder(tmp_path, tmp_path / "m.toml").dataset.population.to_pandas()["persons"].tolist() == [1200]
    (tmp_path / "bare.csv").write_text(ROWS.split("\n", 1)[1], encoding="utf-8")
    names = 'headings = ["ICB", "Year", "Age", "Sex", "People"]'
    assert people(tmp_path, "bare.csv", options=names)["icb_code"].tolist() == ["QHL", "QOP"]
    with pytest.raises(InputError, match=r"has 5 columns, and the mapping gives 4 headings"):
        people(tmp_path, "bare.csv", options='headings = ["ICB", "Year", "Age", "Sex"]')
    (tmp_path / "comma.csv").write_text(ROWS.replace(",", ";").replace("1200", "1.200,00"), encoding="utf-8")
    comma = ', thousands = ".", decimal = ","'
    assert people(tmp_path, "comma.csv", more=comma)["persons"].tolist() == [1200, 900]


@pytest.mark.unit
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_the_day_is_the_one_written_wherever_the_computer_is(tmp_path, monkeypatch, zone):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        midnight = "2024-04-01T00:00:00+01:00"
        texts = {"offset": midnight, "zulu": "2024-04-01T23:59:59Z", "plain": "2024-04-01 00:00"}
        frame = pd.DataFrame({"day": texts.values()})
        frame.to_csv(tmp_path / "text.csv", index=False)
        instants = pa.array([dt.datetime.fromisoformat(midnight)] * 2, pa.timestamp("us", tz="UTC"))
        fixed = pa.array([dt.datetime.fromisoformat("2024-04-01T00:00:00+05:30")] * 2, pa.timestamp("us", tz="+05:30"))
        pq.write_table(pa.table({"day": instants, "other": fixed}), tmp_path / "typed.parquet")
        assert days(tmp_path, "text.csv", "day", '["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M"]') == ["2024-04-01"] * 3
        assert days(tmp_path, "typed.parquet", "day", '["%Y-%m-%d"]') == ["2024-04-01"] * 2
        assert days(tmp_path, "typed.parquet", "other", '["%Y-%m-%d"]') == ["2024-04-01"] * 2
    finally:
        monkeypatch.undo()
        time.tzset()


def days(folder: Path, file: str, column: str, forms: str) -> list[str]:
    (folder / "d.toml").write_text(
        f'[[table]]\nname = "outcomes"\nfile = "{file}"\n[table.columns]\npatient_id = {{ constant = "p" }}\n'
        'pathway = { constant = "knee" }\ninstrument = { constant = "eq5d_index" }\nstage = { constant = "pre" }\n'
        f'score = {{ constant = 1 }}\nmeasured_on = {{ from = "{column}", date = {forms} }}\n',
        encoding="utf-8",
    )
    rows = map_folder(folder, folder / "d.toml").dataset.outcomes.to_pandas()
    return [str(day)[:10] for day in rows["measured_on"]]


@pytest.mark.unit
def test_a_cell_that_holds_an_error_is_reported_by_row_and_days_may_count_from_1904(tmp_path):
    book = xlsxwriter.Workbook(tmp_path / "p.xlsx", {"date_1904": True})
    sheet = book.add_worksheet()
    sheet.write_row(1, 1, ["ICB", "Year", "Age", "Sex", "People"])
    for number, value in enumerate(["#N/A", "#DIV/0!", "", 1200], start=2):
        sheet.write_row(number, 1, ["QHL", 2024, 30 + number, "female"])
        sheet.write_formula(number, 5, "=1/A1", None, value)
    book.close()
    (tmp_path / "m.toml").write_text(
        POPULATION.format(file="p.xlsx", options="heading_row = 2", more=""), encoding="utf-8"
    )
    result = map_folder(tmp_path, tmp_path / "m.toml")
    assert result.dataset.population.to_pandas()["persons"].tolist() == [1200]
    (finding,) = result.report.table.to_dict("records")
    assert "People: the cell holds an error, or a formula whose result was not saved" in finding["rule"]
    assert (finding["rows"], finding["row_numbers"]) == (3, "3, 4, 5")
    book = xlsxwriter.Workbook(tmp_path / "d.xlsx", {"date_1904": True})
    sheet = book.add_worksheet()
    sheet.write(0, 0, "day")
    sheet.write_number(1, 0, (dt.date(2024, 4, 1) - dt.date(1904, 1, 1)).days)
    sheet.write_datetime(2, 0, dt.datetime(2024, 4, 1), book.add_format({"num_format": "dd/mm/yyyy"}))
    book.close()
    assert days(tmp_path, "d.xlsx", "day", '["excel"]') == ["2024-04-01"] * 2


@pytest.mark.unit
def test_of_rows_submitted_again_the_last_counts_in_whichever_file_it_is(tmp_path):
    head = "id,who,day,sent,cost\n"
    april = (
        head
        + "1,anna,2024-04-02,01/05/2024,10.00\n2,ben,2024-04-03,01/05/2024,20.00\n2,ben,2024-04-03,02/05/2024,21.00\n"
    )
    (tmp_path / "a_april.csv").write_text(april, encoding="utf-8")
    (tmp_path / "b_may.csv").write_text(
        head + "1,anna,2024-04-02,11/12/2024,11.00\n3,cy,2024-05-01,soon,5.00\n", "utf-8"
    )
    mapping = """[[table]]
name = "activity"
file = "*.csv"
latest = { by = "sent", date = "%d/%m/%Y" }
[table.columns]
activity_id = { from = "id" }
patient_id = { from = "who" }
start_date = { from = "day", date = "%Y-%m-%d" }
setting = { constant = "outpatient" }
pod = { constant = "outpatient_first" }
currency_code = { constant = "WF01A" }
provider_code = { constant = "RXX" }
icb_code = { constant = "QHL" }
units = { constant = 1 }
recorded_cost_pence = { from = "cost", money = "pounds" }
"""
    (tmp_path / "m.toml").write_text(mapping, encoding="utf-8")
    result = map_folder(tmp_path, tmp_path / "m.toml")
    # Worked by hand: 11.00 of anna's second submission, 21.00 of ben's, cy's day of submission cannot be read.
    assert sorted(result.dataset.activity.to_pandas()["recorded_cost_pence"]) == [1100, 2100]
    found = result.report.table[["file", "action", "rows", "row_numbers"]].itertuples(index=False, name=None)
    assert {("a_april.csv", "superseded", 2, "2, 3"), ("b_may.csv", "rejected", 1, "3")} <= {*found}
    counts = result.report.counts
    assert (counts["rows_in"] == counts["rows_kept"] + counts["rows_reported"]).all()
    (tmp_path / "m.toml").write_text(mapping.replace("latest = { by", "latest = { of"), encoding="utf-8")
    with pytest.raises(InputError, match=r"\[table\.latest\]: key 'of' is not known.*Allowed: by, date, key"):
        map_folder(tmp_path, tmp_path / "m.toml")


@pytest.mark.unit
def test_links_refuse_a_ledger_in_which_an_identifier_stands_on_two_rows(tmp_path):
    made = make_tables(patients=30)
    rows = made["activity"]
    index = rows[rows["primary_procedure"].notna()].iloc[[0]]
    made["activity"] = pd.concat([rows, index], ignore_index=True)
    data = open_dataset(write_tables(tmp_path, made))
    ledger = cost_activity(data.activity, data.unit_costs, data.organisations, price_base="2024-25")
    with pytest.raises(InputError, match=r"activity_id must be unique in the ledger: 1 of the linked identifiers"):
        pathways.link(ledger, [pathways.load_definition(n) for n in ("knee_replacement",)])


@pytest.mark.unit
def test_a_price_list_without_a_point_of_delivery_is_told_with_how_much_of_the_activity(tmp_path):
    made = make_tables(patients=30)
    lacking = "outpatient_first"
    made["unit_costs"] = made["unit_costs"][made["unit_costs"]["pod"] != lacking]
    report = check(open_dataset(write_tables(tmp_path, made)))
    (row,) = report.table[report.table["rule"].str.startswith("no price for the POD")].to_dict("records")
    assert row["example"].startswith(f"{lacking} (100% of its rows)")
    assert row["rows"] == (made["activity"]["pod"] == lacking).sum()


@pytest.mark.published
def test_the_schedule_without_outpatients_names_what_it_leaves_without_a_price(public_data):
    folder = public_data / "ncc_national_schedule"
    whole = published.read_schedule(folder / "ncc_national_schedule_2023_24.csv.gz")
    part = published.read_schedule(folder / "ncc_national_schedule_2024_25.csv.gz")
    assert whole.unpriced == () and "No price at all" not in whole.summary
    assert part.unpriced == ("outpatient_first", "outpatient_follow_up")
    assert "No price at all for Outpatient, first; Outpatient, follow-up" in part.summary
    # SOURCE.txt: High Cost Drugs, 5.05 billion; it is known, and left out with its reason.
    drugs = part.unused[part.unused["department"] == "High Cost Drugs"]
    assert round(drugs["cost_gbp"].sum() / 1e9, 2) == 5.05
    assert part.unknown_departments.empty


@pytest.mark.unit
def test_a_department_that_is_not_known_is_named_with_its_pounds(tmp_path):
    path = tmp_path / "schedule_2024_25.csv"
    path.write_text(
        "department_code,currency_code,currency_desc,activity,unit_cost,cost\n"
        "Daycase,HN22A,Knee,10,1000,10000\nMoon surgery,M01,Far,2,1500000,3000000\n",
        encoding="utf-8",
    )
    schedule = published.read_schedule(path)
    assert schedule.unknown_departments.to_dict() == {"Moon surgery": 3_000_000.0}
    assert "Departments that are not known, and not used: Moon surgery (£3.0m)." in schedule.summary


@pytest.mark.unit
def test_a_percentage_is_not_proposed_as_persons(tmp_path):
    (tmp_path / "pop.csv").write_text(
        "ICB Code,Year,Age,Sex,Population %,Persons\nQHL,2024,30,1,12.5,1200\n", encoding="utf-8"
    )
    proposal = suggest(tmp_path)
    assert 'persons = { from = "Persons"' in proposal
    (tmp_path / "pop.csv").write_text("ICB Code,Year,Age,Sex,Population %\nQHL,2024,30,1,12.5\n", encoding="utf-8")
    assert 'from = "Population %"' not in suggest(tmp_path)
