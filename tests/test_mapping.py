"""An analyst's own files: no row and no penny is lost, and nothing of a patient is said aloud."""

from __future__ import annotations

import csv
import errno
import gzip
import io
import random
import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from factories import pseudonym_of
from hypothesis import given, settings
from hypothesis import strategies as st

from pathcost_lib.errors import InputError
from pathcost_lib.intake.mapping import MappingResult, map_folder
from pathcost_lib.ledger import cost_activity
from pathcost_lib.pathways.definition import load_definition
from pathcost_lib.sources import connect, open_dataset
from pathcost_lib.sources.contracts import CONTRACTS, type_problem
from pathcost_lib.sources.typed_text import Reading

MAPPINGS = Path(__file__).parents[1] / "data" / "mappings"

HEADINGS = ["Spell ID", "Person", "Admitted", "Discharged", "Class", "Trust", "Total (£)", "Status"]

MAPPING = """
[[table]]
name = "activity"
file = "extract.csv"
encoding = "{encoding}"
delimiter = "{delimiter}"
missing = ["NULL"]
exclude = [{{ where = "source.Status = 'cancelled'", reason = "cancelled" }}]

[table.columns]
activity_id = {{ from = "Spell ID" }}
patient_id = {{ from = "Person" }}
start_date = {{ from = "Admitted", date = ["%d/%m/%Y", "%d/%m/%Y %H:%M"] }}
end_date = {{ from = "Discharged", date = "%d/%m/%Y" }}
setting = {{ constant = "admitted" }}
pod = {{ from = "Class", codes = {{ "1" = "elective", "2" = "day_case" }}, unlisted = "{unlisted}" }}
currency_code = {{ constant = "HN22E" }}
provider_code = {{ from = "Trust" }}
icb_code = {{ constant = "QHL" }}
units = {{ constant = 1 }}
length_of_stay_days = {{ sql = "date_diff('day', start_date, end_date)" }}
recorded_cost_pence = {{ from = "Total (£)", money = "pounds", thousands = "," }}
"""

GOOD = ["a1", "SENTINEL7", "31/12/2023", "02/01/2024", "1", "RRK", "1,234.50", "done"]


def put(
    folder: Path,
    rows: list[list[str]],
    *,
    encoding: str = "utf-8",
    delimiter: str = ",",
    line_end: str = "\r\n",
    unlisted: str = "reject",
) -> Path:
    """Write an extract and its mapping; return the mapping."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=line_end).writerows([HEADINGS, *rows])
    (folder / "extract.csv").write_bytes(text.getvalue().encode(encoding))
    mark = delimiter.replace("\t", "\\t")
    mapping = folder / "mapping.toml"
    mapping.write_text(MAPPING.format(encoding=encoding, delimiter=mark, unlisted=unlisted), encoding="utf-8")
    return mapping


def rows_of(result: MappingResult, table: str = "activity") -> pd.DataFrame:
    return result.dataset.tables[table].to_pandas()


def expected(row: list[str]) -> tuple[str, int | None]:
    """Return what should become of a row, and its pence if they can be read, by plain Python."""
    value = dict(zip(HEADINGS, (None if v.strip(" ") in ("", "NULL") else v.strip(" ") for v in row), strict=True))

    def day(text: str | None, *formats: str) -> bool:
        for form in formats:
            try:
                return text is not None and 1850 <= datetime.strptime(text, form).year < 2200
            except ValueError:
                continue
        return False

    cost = value["Total (£)"]
    plain = (cost or "").replace("£", "").replace(",", "")
    groups = (cost or "").lstrip("-£").split(".")[0].split(",")
    grouped = len(groups) == 1 or (len(groups[0]) in (1, 2, 3) and all(len(g) == 3 for g in groups[1:]))
    try:
        pence = Decimal(plain) * 100 if grouped and not set(plain) - set("-0123456789.") else None
        pence = None if pence is None or pence != int(pence) else pence
    except ArithmeticError:
        pence = None
    if value["Status"] == "cancelled":
        fate = "excluded"
    elif (
        value["Spell ID"] is None
        or value["Person"] is None
        or not day(value["Admitted"], "%d/%m/%Y", "%d/%m/%Y %H:%M")
        or (value["Discharged"] is not None and not day(value["Discharged"], "%d/%m/%Y"))
        or value["Class"] not in ("1", "2")
        or re.fullmatch("[A-Za-z0-9-]{1,12}", value["Trust"] or "") is None
        or (cost is not None and pence is None)
    ):
        fate = "rejected"
    else:
        fate = "kept"
    return fate, None if pence is None else int(pence)


def awkward_rows() -> st.SearchStrategy[list[list[str]]]:
    dates = ["31/12/2023", "1/2/2024", "29/02/2023", "29/02/2024 10:15", "2024-01-01", "01/02/24", "", "NULL", "soon"]
    costs = ["1,234.50", "0", "-12.30", "£7.1", "1,23.00", "12.345", "12.3400", "1e5", "", "nan", "99999999999.99", "."]
    values = [
        ["a", "b é", " c ", 'd"d', "line\nbreak", "e;f|g,h", ""],
        ["p1", "p2", "NULL"],
        dates,
        ["31/12/2023", "", "31/11/2023"],
        ["1", "2", " 2", "3", "", "one"],
        ["RRK", "R;R|K,X", ""],
        costs,
        ["done", "", "cancelled"],
    ]
    # One column at a time is odd, so that each oddity decides its row's fate; then all at once.
    odd = st.integers(0, 7).flatmap(lambda n: st.sampled_from(values[n]).map(lambda v: [*GOOD[:n], v, *GOOD[n + 1 :]]))
    wild = st.tuples(*map(st.sampled_from, values)).map(list)
    return st.lists(odd | wild, max_size=12)


@pytest.mark.slow
@pytest.mark.property
@settings(max_examples=60)
@given(
    rows=awkward_rows(),
    encoding=st.sampled_from(["utf-8", "cp1252", "latin-1", "utf-16", "utf-8-sig"]),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    line_end=st.sampled_from(["\r\n", "\n"]),
)
def test_each_row_and_penny_is_kept_or_reported(tmp_path_factory, rows, encoding, delimiter, line_end):
    folder = tmp_path_factory.mktemp("own")
    result = map_folder(folder, put(folder, rows, encoding=encoding, delimiter=delimiter, line_end=line_end))
    fates = [expected(row) for row in rows]
    counts, money = result.report.counts.iloc[0], result.report.money.iloc[0]
    assert counts.rows_in == len(rows) == counts.rows_kept + counts.rows_reported
    assert counts.rows_kept == sum(fate == "kept" for fate, _ in fates) == result.dataset.activity.count()
    found = result.report.table.groupby("action")["rows"].sum()
    for fate in ("rejected", "excluded"):
        assert found.get(fate, 0) == sum(f == fate for f, _ in fates)
    assert money.kept_pence == sum(pence or 0 for fate, pence in fates if fate == "kept")
    assert money.reported_pence == sum(pence or 0 for fate, pence in fates if fate != "kept")
    assert money.unreadable_rows == sum(pence is None for _, pence in fates)


@pytest.mark.slow
@pytest.mark.property
def test_two_hundred_damaged_files_are_read_right_or_refused(tmp_path):
    rows = [[f"a{n}", "SENTINEL7", *GOOD[2:]] for n in range(30)]
    mapping, engine = put(tmp_path, rows), connect()
    whole = (tmp_path / "extract.csv").read_bytes()
    refused = 0
    for seed in range(200):
        rng = random.Random(seed)
        damaged = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(damaged))
            piece = rng.choice([b'"', b",", b"\n", b"\xff", b"\x00", b"\r", b"9", b"", b'",', bytes(damaged[:200])])
            damaged[at : at + rng.choice([0, 1, 1, 40])] = piece
        if rng.random() < 0.1:
            damaged = damaged[: rng.randrange(len(damaged))]
        (tmp_path / "extract.csv").write_bytes(damaged)
        try:
            result = map_folder(tmp_path, mapping, engine)
        except InputError as error:
            refused += 1
            assert "extract.csv" in str(error)
            assert "SENTINEL7" not in str(error)
            continue
        read = [row for row in csv.reader(io.StringIO(damaged.decode(), newline="")) if row][1:]
        counts = result.report.counts.iloc[0]
        assert counts.rows_in == len(read) == counts.rows_kept + counts.rows_reported, seed
        assert counts.rows_kept == result.dataset.activity.count()
        assert result.report.table["rows"].sum() == counts.rows_reported
        kept = set(rows_of(result)["activity_id"])
        assert kept <= {pseudonym_of(row[0].strip(" "), "activity") for row in read}
        assert "SENTINEL7" not in result.report.table.to_csv()
    assert 40 < refused < 200  # the damage is neither harmless nor always fatal


@pytest.mark.unit
@pytest.mark.parametrize(
    ("reading", "text", "value"),
    [
        (Reading("DATE", dates=("%d/%m/%Y",)), "29/02/2024", date(2024, 2, 29)),
        (Reading("DATE", dates=("%d/%m/%Y",)), "29/02/2023", None),
        (Reading("DATE", dates=("%d/%m/%Y",)), "01/02/24", None),
        (Reading("DATE", dates=("%d/%m/%Y", "%d %b %y")), "1 Feb 24", date(2024, 2, 1)),
        (Reading("DATE"), "2024-02-01 23:59:59", date(2024, 2, 1)),
        (Reading("INTEGER", dates=("%Y-%m-%d",)), "1948-07-05", 1948),
        (Reading("BIGINT", money="pounds"), "0.29", 29),
        (Reading("BIGINT", money="pounds"), "-12.3", -1230),
        (Reading("BIGINT", money="pounds"), "£12.340000", 1234),
        (Reading("BIGINT", money="pounds"), "12.345", None),
        (Reading("BIGINT", money="pounds"), "1,234.50", None),
        (Reading("BIGINT", money="pounds", thousands=","), "1,234,567.89", 123456789),
        (Reading("BIGINT", money="pounds", thousands=","), "12,34.50", None),
        (Reading("BIGINT", money="pounds"), "999999999999999.99", 99999999999999999),
        (Reading("BIGINT", money="pounds"), "9999999999999999", None),
        (Reading("BIGINT", money="pounds"), "(12.30)", -1230),
        (Reading("BIGINT", money="pounds", thousands=","), "£ 1,234.50", 123450),
        (Reading("BIGINT", money="pounds"), "£-5", -500),
        (Reading("BIGINT", money="pounds"), "-£5", -500),
        (Reading("BIGINT", money="pounds"), "--5", None),
        (Reading("BIGINT", money="pounds"), "(-5)", None),
        (Reading("BIGINT", money="pounds"), "(5", None),
        (Reading("BIGINT", money="pounds", rounded=True), "0.12500001", 13),
        (Reading("BIGINT", money="pounds", rounded=True), "(0.125)", -13),
        (Reading("BIGINT", money="pounds", rounded=True), "999999999999999.994", 99999999999999999),
        (Reading("DATE", dates=("excel",)), "45383", date(2024, 4, 1)),
        (Reading("DATE", dates=("%d/%m/%Y", "excel")), "45383.75", date(2024, 4, 1)),
        (Reading("DATE", dates=("%d/%m/%Y", "excel")), "01/04/2024", date(2024, 4, 1)),
        (Reading("DATE", dates=("excel",)), "60", None),
        (Reading("DATE", dates=("excel",)), "999999", None),
        (Reading("INTEGER", dates=("excel",)), "10000", 1927),
        (Reading("BIGINT", money="pence"), "1234.0", 1234),
        (Reading("BIGINT", money="pence"), "1234.5", None),
        (Reading("BIGINT"), "1e3", None),
        (Reading("INTEGER"), "3000000000", None),
        (Reading("INTEGER"), "7.00", 7),
        (Reading("DOUBLE"), "1.5e-3", 0.0015),
        (Reading("DOUBLE"), "1e999", None),
        (Reading("DOUBLE"), "NaN", None),
    ],
)
def test_texts_become_values_exactly_or_not_at_all(reading, text, value):
    rows = connect().fetch(f"SELECT {reading.sql('t')} AS v FROM (SELECT CAST('{text}' AS VARCHAR) AS t)")
    assert rows["v"][0].as_py() == value


@pytest.mark.unit
def test_a_good_row_by_hand(tmp_path):
    (row,) = rows_of(map_folder(tmp_path, put(tmp_path, [GOOD]))).to_dict("records")
    assert row["recorded_cost_pence"] == 123450
    assert (str(row["start_date"])[:10], str(row["end_date"])[:10]) == ("2023-12-31", "2024-01-02")
    assert (row["pod"], row["length_of_stay_days"], row["units"]) == ("elective", 2, 1)


@pytest.mark.unit
def test_what_comes_out_has_the_types_of_the_contract(tmp_path):
    result = map_folder(tmp_path, put(tmp_path, [GOOD]))
    schema = result.dataset.activity.to_arrow().schema
    assert schema.names == [column.name for column in CONTRACTS["activity"].columns]
    assert not [c.name for c in CONTRACTS["activity"].columns if type_problem(c, schema.field(c.name).type)]


@pytest.mark.unit
def test_the_report_names_column_rule_rows_and_allowed_values(tmp_path):
    rows = [list(GOOD) for _ in range(8)]
    for n in range(1, 8):
        rows[n][4] = "9"
    table = map_folder(tmp_path, put(tmp_path, rows)).report.table
    assert table.to_dict("records") == [
        {
            "table": "activity",
            "file": "extract.csv",
            "column": "pod",
            "rule": "Class is not a listed code. Listed: 1, 2",
            "action": "rejected",
            "rows": 7,
            "row_numbers": "3, 4, 5, 6, 7 and 2 more",
        }
    ]


@pytest.mark.unit
@pytest.mark.parametrize(("unlisted", "kept", "action"), [("elective", 2, "replaced"), ("keep", 1, "rejected")])
def test_values_not_listed_may_take_a_code_or_be_kept_as_they_are(tmp_path, unlisted, kept, action):
    other = [*GOOD[:4], "outpatient", *GOOD[5:]]
    result = map_folder(tmp_path, put(tmp_path, [GOOD, other], unlisted=unlisted))
    assert result.report.counts.iloc[0].rows_kept == kept
    assert result.report.table[["action", "rows"]].to_numpy().tolist() == [[action, 1]]


@pytest.mark.unit
def test_files_that_match_a_pattern_and_tables_named_twice_are_joined(tmp_path):
    for month in ("2024-01", "2024-02"):
        (tmp_path / f"org_{month}.csv").write_text("code,name\nRRK,Birmingham\n", encoding="utf-8")
    one = '[[table]]\nname = "organisations"\nfile = "org_*.csv"\n[table.columns]\nname = {{ from = "name" }}\n'
    one += 'org_code = {{ {0} }}\nkind = {{ constant = "{1}" }}\nvalid_from = {{ constant = "2020-01-01" }}\n'
    mapping = tmp_path / "m.toml"
    mapping.write_text(one.format('from = "code"', "acute") + one.format('constant = "QHL"', "icb"), encoding="utf-8")
    result = map_folder(tmp_path, mapping)
    assert sorted(rows_of(result, "organisations")["org_code"]) == ["QHL", "QHL", "RRK", "RRK"]
    assert result.report.counts["rows_in"].tolist() == [1, 1, 1, 1]


@pytest.mark.unit
def test_parquet_and_gzip_give_the_same_as_plain_text(tmp_path):
    rows = [[f"a{n}", *GOOD[1:]] for n in range(5)]
    mapping = put(tmp_path, rows)
    plain = rows_of(map_folder(tmp_path, mapping)).sort_values("activity_id", ignore_index=True)
    source = (tmp_path / "extract.csv").read_bytes()
    pd.read_csv(tmp_path / "extract.csv", dtype=str).to_parquet(tmp_path / "extract.parquet")
    (tmp_path / "extract.csv.gz").write_bytes(gzip.compress(source))
    for name in ("extract.parquet", "extract.csv.gz"):
        other = tmp_path / "other.toml"
        other.write_text(mapping.read_text(encoding="utf-8").replace("extract.csv", name), encoding="utf-8")
        again = rows_of(map_folder(tmp_path, other)).sort_values("activity_id", ignore_index=True)
        pd.testing.assert_frame_equal(plain, again)


@pytest.mark.unit
@pytest.mark.parametrize("keep", [0, 10, 0.5, -1])
def test_a_file_cut_short_is_refused(tmp_path, keep):
    mapping = put(tmp_path, [[f"a{n}", *GOOD[1:]] for n in range(2000)])
    packed = gzip.compress((tmp_path / "extract.csv").read_bytes())
    cut = packed[: int(len(packed) * keep) if isinstance(keep, float) else keep]
    (tmp_path / "extract.csv.gz").write_bytes(cut)
    mapping.write_text(mapping.read_text(encoding="utf-8").replace("extract.csv", "extract.csv.gz"), encoding="utf-8")
    with pytest.raises(InputError, match=r"extract\.csv\.gz (is empty|cannot be read)"):
        map_folder(tmp_path, mapping)


@pytest.mark.unit
def test_damaged_parquet_is_refused(tmp_path):
    mapping = put(tmp_path, [GOOD])
    pd.read_csv(tmp_path / "extract.csv", dtype=str).to_parquet(tmp_path / "extract.parquet")
    (tmp_path / "extract.parquet").write_bytes((tmp_path / "extract.parquet").read_bytes()[:-20])
    mapping.write_text(mapping.read_text(encoding="utf-8").replace("extract.csv", "extract.parquet"), encoding="utf-8")
    with pytest.raises(InputError, match=r"extract\.parquet cannot be read as Parquet"):
        map_folder(tmp_path, mapping)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"a,a\n1,2\n", "same heading more than once, in columns 1, 2"),
        (",".join(GOOD[:6]).encode() + b"\n", "Is its first row a heading"),
        (",".join(HEADINGS).replace("Person", "Persons").encode() + b"\n", "Did you mean 'Persons'"),
        (b"a,b\n1,2\n", "has no column 'Spell ID', 'Person'"),
        (b",".join(h.encode("cp1252") for h in HEADINGS) + b"\n", "is not written in utf-8"),
        (",".join(HEADINGS).encode() + b"\n" + ",".join(GOOD[:3]).encode() + b"\n", r"too few values .*\(line 2\)"),
        (",".join(HEADINGS).encode() + b"\n" + b"x," * 8 + b"x\n", r"too many values .*\(line 2\)"),
        (",".join(HEADINGS).encode() + b"\n" + b'"SENTINEL7,' * 8 + b"\n", "quotation mark that is not closed"),
    ],
)
def test_a_file_of_another_shape_is_refused_by_name_and_line(tmp_path, content, said):
    mapping = put(tmp_path, [GOOD])
    (tmp_path / "extract.csv").write_bytes(content)
    with pytest.raises(InputError, match=said) as refused:
        map_folder(tmp_path, mapping)
    assert "extract.csv" in str(refused.value)
    assert "SENTINEL7" not in str(refused.value)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "activity"', 'name = "activities"', "Did you mean activity"),
        ("units =", "unit =", "Did you mean units"),
        ('activity_id = { from = "Spell ID" }', "", "does not say where activity_id comes from"),
        ("{ constant = 1 }", '{ constant = 1, sql = "1" }', "needs one of from, constant or sql"),
        ('constant = "admitted"', 'constant = "inpatient"', "inpatient' is not known.*Allowed: admitted"),
        ('"2" = "day_case"', '"2" = "daycase"', "Did you mean day_case"),
        ('money = "pounds"', 'money = "euros"', "Allowed: cents, dollars, pence, pounds"),
        (', money = "pounds"', "", "say what money it is in"),
        ('thousands = ","', 'thousand = ","', "Did you mean thousands"),
        ('file = "extract.csv"', 'file = "extracts.csv"', "there is no file extracts.csv"),
        ('encoding = "utf-8"', 'encoding = "utf-88"', "there is no encoding 'utf-88'"),
        ("[[table]]", "[table]", "at least one|not valid TOML"),
        ("date_diff('day', start_date, end_date)", "CAST(patient_id AS BIGINT)", "Look at .*length_of_stay_days"),
        (
            "date_diff('day', start_date, end_date)",
            "no_such(end_date)",
            "length_of_stay_days: the function no_such",
        ),
        ("'cancelled'", "cancelled", "exclude: there is no column 'cancelled' of ours"),
        ("{ constant = 1 }", '{ constant = "one" }', "constant fails on extract.csv .*Look at .*units"),
        (', reason = "cancelled"', "", r"line 8, .* \[\[table.exclude\]\] 1: key 'reason' is missing"),
        ('delimiter = ","', 'delimiter = "::"', "delimiter must be one character"),
        ('missing = ["NULL"]', 'missing = "NULL"', "missing must be a list"),
    ],
)
def test_a_wrong_mapping_says_where_and_what_is_allowed(tmp_path, old, new, said):
    mapping = put(tmp_path, [GOOD])
    text = mapping.read_text(encoding="utf-8")
    assert old in text
    mapping.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=said) as refused:
        map_folder(tmp_path, mapping)
    assert "SENTINEL7" not in str(refused.value)


@pytest.mark.unit
def test_what_is_written_opens_as_a_dataset_and_is_never_half_there(tmp_path, monkeypatch):
    result = map_folder(tmp_path, put(tmp_path, [GOOD, [*GOOD[:6], "twelve", "done"]]))
    folder = result.write(tmp_path / "out" / "mine")
    assert open_dataset(folder).activity.count() == 1
    assert pd.read_csv(folder / "_import_counts.csv")["rows_reported"].tolist() == [1]
    with pytest.raises(InputError, match="is there already"):
        result.write(folder)
    monkeypatch.setattr(
        pd.DataFrame, "to_csv", lambda *a, **k: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left"))
    )
    with pytest.raises(InputError, match=r"cannot be written: No space left\. Nothing is left there"):
        result.write(tmp_path / "out" / "second")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


@pytest.fixture(scope="module")
def synthea(public_data) -> MappingResult:
    return map_folder(public_data / "synthea_hospital_records", MAPPINGS / "synthea.toml")


@pytest.mark.published
def test_every_dollar_of_synthea_is_accounted_for(synthea, public_data):
    with gzip.open(public_data / "synthea_hospital_records" / "encounters.csv.gz", "rt", encoding="utf-8-sig") as file:
        costs = [Decimal(row["TOTAL_CLAIM_COST"]) for row in csv.DictReader(file)]
    money = synthea.report.money.iloc[0]
    assert len(costs) == 27_891
    assert sum(costs) == Decimal("101514375.52") == Decimal(int(money.kept_pence + money.reported_pence)) / 100
    assert rows_of(synthea)["recorded_cost_pence"].sum() == money.kept_pence
    assert synthea.report.counts["rows_reported"].sum() == money.unreadable_rows == 0
    years = [f"{year}-{(year + 1) % 100:02d}" for year in range(2010, 2022)]
    dtypes = {"VARCHAR": "string", "BIGINT": "int64", "DOUBLE": "float64"}
    ledger = cost_activity(
        synthea.dataset.activity,
        pd.DataFrame({c.name: pd.Series(dtype=dtypes[c.type]) for c in CONTRACTS["unit_costs"].columns}),
        synthea.dataset.organisations,
        price_base="2021-22",
        mff="none",
        price_index=pd.DataFrame({"financial_year": years, "gdp_deflator": 100.0}),
    )
    costed = ledger.query(
        "SELECT cost_basis, CAST(sum(cost_pence) AS BIGINT) AS pence FROM this GROUP BY 1"
    ).to_pandas()
    assert costed.to_dict("records") == [{"cost_basis": "recorded", "pence": 10_151_437_552}]


@pytest.mark.published
def test_synthea_has_every_encounter_in_a_setting_and_a_pathway_that_can_be_read(synthea):
    by_setting = rows_of(synthea).groupby("setting")["activity_id"].nunique().to_dict()
    assert by_setting == {"admitted": 1135, "emergency": 2322 + 3666, "outpatient": 12537, "primary_care": 6300 + 1931}
    patients = rows_of(synthea, "patients")
    assert patients["sex"].value_counts().to_dict() == {"female": 480, "male": 494}
    assert patients["died_on"].notna().sum() == 154
    assert load_definition(MAPPINGS / "synthea_pathway.toml").index == {"pod": ("non_elective",)}
