"""The mappings that are ready to use, each on an invented extract with the headings of its source."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest
from factories import pseudonym_of

from pathcost_lib.intake.mapping import MappingResult, map_folder
from pathcost_lib.intake.mapping_file import read_mapping

MAPPINGS = Path(__file__).parents[1] / "data" / "mappings"
READY = ("hes_apc", "hes_op", "ecds", "plics", "mhsds", "csds", "gp_appointments")


def put(folder: Path, name: str, headings: str, *rows: str, encoding: str = "utf-8") -> None:
    with (folder / name).open("w", newline="", encoding=encoding) as file:
        csv.writer(file).writerows(line.split("|") for line in (headings, *rows))


def rows(result: MappingResult) -> pd.DataFrame:
    counts = result.report.counts
    assert (counts["rows_in"] == counts["rows_kept"] + counts["rows_reported"]).all()
    return result.dataset.activity.query("SELECT * FROM this ORDER BY start_date, units, currency_code").to_pandas()


@pytest.mark.unit
@pytest.mark.parametrize("name", READY)
def test_each_ready_mapping_is_valid_and_has_no_heading_for_two_things(name):
    for feed in read_mapping(MAPPINGS / f"{name}.toml"):
        also = [other for names in feed.options.get("also", {}).values() for other in names]
        assert set(feed.options.get("also", {})) <= set(feed.sources)
        assert len(also) == len(set(also))


@pytest.mark.unit
def test_admitted_care_in_the_names_of_hes(tmp_path):
    heads = (
        "EPIKEY|TOKEN_PERSON_ID|EPISTART|EPIEND|EPISTAT|CLASSPAT|ADMIMETH|SUSHRG|PROCODE3|DIAG_01|OPERTN_01|ICB_CODE"
    )
    put(
        tmp_path, "hes_apc_2324.csv", heads,
        "1|T1|2024-01-01|2024-01-01|3|2|11|HN23C|RRK|M171|W401|QHL",
        "2|T1|2024-01-02|2024-01-05|3|1|12|HN22E|RRK|M17X|-|QHL",
        "3|T2|2024-01-03|2024-01-04|3|1|21|DZ65F|RRK|J440|W40-|QHL",
        "4|T2|2024-01-04|2024-01-09|3|1|81||RRK|||QHL",
        "5|T3|2024-01-05|1801-01-01|1|1|21|DZ65F|RRK|J440|-|QHL",
        "6|T3|2024-01-06|2024-01-06|3|3|11|LE01A|RRK|N185|-|QHL",
    )  # fmt: skip
    result = map_folder(tmp_path, MAPPINGS / "hes_apc.toml")
    kept = rows(result)
    assert kept["pod"].tolist() == ["day_case", "elective", "non_elective_short", "non_elective"]
    assert kept["length_of_stay_days"].tolist() == [0, 3, 1, 5]
    assert kept["currency_code"].tolist() == ["HN23C", "HN22E", "DZ65F", "UZ01Z"]
    assert kept["primary_diagnosis"].tolist()[:3] == ["M171", "M17", "J440"]
    assert kept["primary_procedure"].fillna("none").tolist() == ["W401", "none", "W40", "none"]
    assert kept["patient_id"].tolist()[0] == pseudonym_of("T1")
    assert result.report.table["rule"].tolist() == [
        "unfinished episode", "regular day or night attender: not costed by episode"
    ]  # fmt: skip


@pytest.mark.unit
def test_admitted_care_from_a_workbook_in_the_warehouse_s_names(tmp_path):
    # Title above the headings, Excel dates, an NHS number kept as a number: as an analyst would save it.
    heads = ["APCS_Ident", "Der_Pseudo_NHS_Number", "Admission Date", "Discharge Date", "Patient Classification",
             "Admission_Method", "Spell_Core_HRG", "Der_Provider_Code", "Der_Postcode_ICB_Code"]  # fmt: skip
    day = pd.Timestamp(2024, 4, 1).to_pydatetime()
    body = pd.DataFrame([[10, 9434765919, day, day, 2, 11, "HN23C", "RRK", "QHL"]], columns=heads)
    with pd.ExcelWriter(tmp_path / "my apc.xlsx", engine="openpyxl") as book:
        pd.DataFrame({"Notes": ["none"]}).to_excel(book, sheet_name="Notes", index=False)
        body.to_excel(book, sheet_name="Extract", index=False, startrow=2)
    mapping = tmp_path / "m.toml"
    ready = (MAPPINGS / "hes_apc.toml").read_text(encoding="utf-8")
    mapping.write_text(
        ready.replace('file = "*apc*.*"', 'file = "*.xlsx"\nsheet = "Extract"\nheading_row = 3'), encoding="utf-8"
    )
    result = map_folder(tmp_path, mapping)
    (row,) = rows(result).to_dict("records")
    assert (row["pod"], str(row["start_date"])[:10], row["patient_id"]) == (
        "day_case", "2024-04-01", pseudonym_of("9434765919")
    )  # fmt: skip
    assert set(result.report.table["action"]) == {"absent"}
    assert result.report.counts["read_as"].tolist() == ["sheet Extract"]


@pytest.mark.unit
def test_outpatients_in_the_names_of_hes(tmp_path):
    heads = "ATTENDKEY|NEWNHSNO|APPTDATE|ATTENDED|FIRSTATT|SUSHRG|PROCODE3|ICB_CODE"
    put(
        tmp_path, "op_2024.csv", heads,
        "1|943 476 5919|01/04/2024|5|1|WF01B|RRK|QHL", "2|9434765919|02/04/2024|6|2||RRK|QHL",
        "3|P3|03/04/2024|5|1|MA23Z|RRK|QHL", "4|P3|04/04/2024|3|1|WF01B|RRK|QHL", "5|P3|05/04/2024|5|9||RRK|QHL",
    )  # fmt: skip
    result = map_folder(tmp_path, MAPPINGS / "hes_op.toml")
    kept = rows(result)
    assert kept["pod"].tolist() == ["outpatient_first", "outpatient_follow_up", "outpatient_procedure"]
    assert kept["currency_code"].tolist() == ["WF01B", "WF01A", "MA23Z"]
    assert kept["patient_id"].tolist()[:2] == [pseudonym_of("9434765919")] * 2
    found = result.report.table[result.report.table["action"] != "absent"]
    assert sorted(found["action"]) == ["excluded", "rejected"] and found["row_numbers"].tolist() == ["5", "6"]


@pytest.mark.unit
def test_emergency_care_in_the_names_of_ecds(tmp_path):
    heads = "EC_Ident|Der_Pseudo_NHS_Number|Der_EC_Arrival_Date_Time|Der_EC_Departure_Date_Time|EC_Department_Type|"
    heads += "SUS_HRG_Code|Der_Provider_Code|ICB"
    put(
        tmp_path, "ecds.csv", heads,
        "1|N1|2024-04-01 23:10:00|2024-04-02 03:00:00|01|VB08Z|RRK|QHL", "2|N2|2024-04-02 10:00:00||03||RRK|QHL",
        "3|N2|2024-04-03 10:00:00||07||RRK|QHL",
    )  # fmt: skip
    result = map_folder(tmp_path, MAPPINGS / "ecds.toml")
    kept = rows(result)
    assert kept["pod"].tolist() == ["ae_type1", "ae_type3"] and kept["currency_code"].tolist() == ["VB08Z", "UZ01Z"]
    assert [str(day)[:10] for day in kept["end_date"]] == ["2024-04-02", "2024-04-02"]
    assert "AEDEPTTYPE is not a listed code" in result.report.table["rule"].iloc[0]


@pytest.mark.unit
def test_a_patient_level_costing_extract_keeps_each_penny(tmp_path):
    put(
        tmp_path, "apc_2024.csv",
        "OrgId|NHSNo|HSpellNo|EpiNo|EpStDte|EpEnDte|HrgFce|Pod|TotCst|ICB_CODE",
        "RRK|N1|S1|1|2024-04-01|2024-04-03|HN22E|EL|7,465.5602|QHL",
        "RRK|N1|S2|1|2024-05-01|2024-05-01|HN23C|DC|£1,832.11|QHL",
    )  # fmt: skip
    put(
        tmp_path,
        "op_2024.csv",
        "OrgId|NHSNo|AttID|AppDate|HRG|Pod|TotCst|ICB_CODE",
        "RRK|N1|A1|2024-04-20|WF01B|OPFA|185.0333|QHL",
    )
    put(
        tmp_path, "ec_2024.csv", "OrgId|NHSNo|AttID|ArrDate|DepDate|DepTyp|HRG|TotCst|ICB_CODE",
        "RRK|N2|A1|2024-04-21|2024-04-21|01|VB08Z|(265.565)|QHL",
    )  # fmt: skip
    result = map_folder(tmp_path, MAPPINGS / "plics.toml")
    kept = rows(result)
    assert sorted(kept["recorded_cost_pence"]) == [-26557, 18503, 183211, 746556]
    assert result.report.money["kept_pence"].sum() == 746556 + 183211 + 18503 - 26557
    assert kept["activity_id"].nunique() == 4


@pytest.mark.unit
def test_mental_health_contacts_and_spells(tmp_path):
    put(
        tmp_path, "MHS201CareContact.csv", "UniqCareContID|Person_ID|CareContDate|AttendOrDNACode|OrgIDProv|ICB_CODE",
        "c1|P1|2024-04-01|5|RXT|QHL", "c2|P1|2024-04-02|3|RXT|QHL",
    )  # fmt: skip
    put(
        tmp_path, "MHS501HospProvSpell.csv",
        "UniqHospProvSpellID|Person_ID|StartDateHospProvSpell|DischDateHospProvSpell|ReportingPeriodEndDate|OrgIDProv|ICB_CODE",
        "s1|P1|2024-04-05|2024-04-15|2024-04-30|RXT|QHL", "s2|P2|2024-04-20||2024-04-30|RXT|QHL",
    )  # fmt: skip
    kept = rows(map_folder(tmp_path, MAPPINGS / "mhsds.toml"))
    assert kept["pod"].tolist() == ["mental_health_contact", "mental_health_bed_day", "mental_health_bed_day"]
    assert kept["units"].tolist() == [1, 10, 10]
    assert kept["length_of_stay_days"].fillna(-1).tolist() == [-1, 10, -1]


@pytest.mark.unit
def test_community_contacts(tmp_path):
    put(
        tmp_path, "cyp201.csv",
        "UNIQUE CARE CONTACT IDENTIFIER|PERSON ID|CARE CONTACT DATE|ATTENDANCE STATUS|"
        "ORGANISATION IDENTIFIER (CODE OF PROVIDER)|ICB_CODE",
        "c1|P1|2024-04-01|5|RYW|QHL", "c2|P1|2024-04-02|7|RYW|QHL",
    )  # fmt: skip
    result = map_folder(tmp_path, MAPPINGS / "csds.toml")
    assert rows(result)["currency_code"].tolist() == ["CSDS"]
    assert "not attended" in result.report.table["rule"].tolist()


@pytest.mark.unit
def test_appointments_of_a_gp_system(tmp_path):
    put(
        tmp_path, "appointments.csv",
        "Slot ID|NHS Number|Appointment Date|Status|Clinician Type|Appointment Mode|Practice ODS Code|ICB",
        "1|943 476 5919|01/04/2024 09:10|Attended|GP|Telephone|M85001|QHL",
        "2|P2|02/04/2024 09:10|Attended|Nurse|Face-to-Face|M85001|QHL",
        "3|P2|03/04/2024 09:10|DNA|GP||M85001|QHL",
    )  # fmt: skip
    kept = rows(map_folder(tmp_path, MAPPINGS / "gp_appointments.toml"))
    assert kept["currency_code"].tolist() == ["GP-TEL", "PN-F2F"]
