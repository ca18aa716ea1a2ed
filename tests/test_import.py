"""An analyst's data of every kind comes in the same: mutated, in foreign dress, from a workbook, from a database."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from factories import make_tables, pseudonym_of, write_tables
from machine import needs

from pathcost_lib.errors import InputError
from pathcost_lib.intake.mapping import map_folder
from pathcost_lib.intake.pseudonyms import holds_nhs_number, key_in, local_key, pseudonym
from pathcost_lib.intake.suggest import suggest
from pathcost_lib.ledger import cost_activity
from pathcost_lib.sources import connect, open_dataset
from pathcost_lib.sources.contracts import CONTRACTS, TABLES

TABLE = make_tables(patients=6)
#: NHS numbers of the range that is kept for tests (999), by the check digit of the NHS Data Dictionary.
NHS = ["999 000 0018", "9990000026", "999-000-0034"]


def mapping_of(name: str, file: str, **other: str) -> str:
    """Return a mapping that takes each column from one of its own name."""
    lines = [
        f'[[table]]\nname = "{name}"\nfile = "{file}"',
        *(f"{k} = {v}" for k, v in other.items()),
        "[table.columns]",
    ]
    for column in CONTRACTS[name].columns:
        if column.name in TABLE[name]:
            money = ', money = "pence"' if column.name.endswith("_pence") else ""
            lines.append(f'{column.name} = {{ from = "{column.name}"{money} }}')
    return "\n".join(lines) + "\n"


def total(dataset: object) -> int:
    ledger = cost_activity(dataset.activity, dataset.unit_costs, dataset.organisations, price_base="2024-25")
    return ledger.query("SELECT CAST(sum(cost_pence) AS BIGINT) AS n FROM this").to_arrow()["n"][0].as_py()


# -- mutations ---------------------------------------------------------------------------------------------------------


def mutated(text: str, seed: int) -> bytes:
    rng = random.Random(seed)
    lines = text.splitlines()
    kind = rng.choice(["byte", "cell", "line", "heading", "encoding", "cut"])
    row = rng.randrange(1, len(lines))
    if kind == "cell":
        cells = lines[row].split(",")
        odd = ["", "NULL", "soon", "-1", "1e9", "31/02/2024", NHS[0], "9" * 30, "é", "#N/A", "1,5", '"', "nan"]
        cells[rng.randrange(len(cells))] = rng.choice(odd)
        lines[row] = ",".join(cells)
    elif kind == "line":
        lines[row : row + 1] = rng.choice([[], [lines[row]] * 2, [""], ["," * lines[0].count(",")], [lines[0]]])
    elif kind == "heading":
        heads = lines[0].split(",")
        heads[rng.randrange(len(heads))] = rng.choice(["", "other", heads[0], heads[-1].upper()])
        lines[0] = ",".join(heads)
    whole = ("\r\n" if seed % 2 else "\n").join([*lines, ""])
    data = whole.encode(rng.choice(["utf-8-sig", "utf-16", "cp1252"]) if kind == "encoding" else "utf-8")
    at = rng.randrange(len(data))
    if kind == "byte":
        return (
            data[:at] + rng.choice([b'"', b",", b"\n", b"\xff", b"\x00", b"\r", b"9"]) + data[at + rng.choice([0, 1]) :]
        )
    return data[:at] if kind == "cut" else data


@pytest.mark.slow
@pytest.mark.property
@pytest.mark.parametrize("name", TABLES)
def test_two_hundred_mutated_copies_of_each_table_are_read_right_or_refused(tmp_path, name):
    # All copies that can be read at all are read in one import: it is the file, not the run, that is refused.
    frame = TABLE[name].head(8)
    text = frame.to_csv(index=False)
    engine, refused, kept_rows = connect(), 0, 0
    (tmp_path / "m.toml").write_text(mapping_of(name, "copy.csv"), encoding="utf-8")
    for seed in range(200):
        (tmp_path / "copy.csv").write_bytes(mutated(text, seed))
        try:
            result = map_folder(tmp_path, tmp_path / "m.toml", engine)
        except InputError as error:
            refused += 1
            assert "copy.csv" in str(error)
            continue
        counts, table = result.report.counts.iloc[0], result.report.table
        assert counts.rows_in == counts.rows_kept + counts.rows_reported, seed
        assert counts.rows_kept == result.dataset.tables[name].count()
        assert table.loc[table["action"].isin(["rejected", "excluded"]), "rows"].sum() == counts.rows_reported
        assert (table["row_numbers"] != "").all() and (table["rule"] != "").all()
        # One mutation touches two rows at most: the others came in, unless the file was cut short.
        kept_rows += counts.rows_kept
        assert counts.rows_in <= len(frame) + 2 and counts.rows_reported <= 2 + counts.rows_in * (counts.rows_in < 8), (
            seed
        )
    assert 0 < refused < 150 and kept_rows > 0


# -- foreign dress -----------------------------------------------------------------------------------------------------


def foreign(folder: Path) -> Path:
    """Write the tables as another system would, and the mapping that reads them."""
    tables = make_tables(patients=30)
    maps = []
    for name, frame in tables.items():
        out, lines = {}, []
        for n, column in enumerate(CONTRACTS[name].columns):
            if column.name not in frame:
                continue
            head, values, extra = f"Spalte {n} £", frame[column.name], ""
            if column.type == "DATE":
                values = pd.to_datetime(values).dt.strftime("%d/%m/%Y")
                extra = ', date = "%d/%m/%Y"'
            elif column.name.endswith("_pence"):
                values = values.map(lambda p: f"£{int(p) / 100:,.2f}", na_action="ignore")
                extra = ', money = "pounds", thousands = ","'
            elif column.name == "name":
                values = values + " é"
            elif column.pattern in ("code", "currency") or column.shape:
                values = values.str.lower() + " "
            out[head] = values
            lines.append(f'{column.name} = {{ from = "{head}"{extra} }}')
        shuffled = pd.DataFrame(out).sample(frac=1, axis=1, random_state=1).assign(Nachname="Müller")
        shuffled.to_csv(folder / f"{name}.txt", sep=";", index=False, encoding="latin-1")
        maps.append(f'[[table]]\nname = "{name}"\nfile = "{name}.txt"\n[table.columns]\n' + "\n".join(lines))
    (folder / "m.toml").write_text("\n".join(maps), encoding="utf-8")
    return folder / "m.toml"


@pytest.mark.property
def test_the_same_data_in_foreign_dress_has_the_identical_ledger_total(tmp_path):
    plain = open_dataset(write_tables(tmp_path / "plain", make_tables(patients=30)))
    (tmp_path / "foreign").mkdir()
    result = map_folder(tmp_path / "foreign", foreign(tmp_path / "foreign"))
    assert result.report.counts["rows_reported"].sum() == 0
    assert set(result.report.counts["read_as"]) <= {"cp1252, semicolon", "utf-8, semicolon"}
    assert total(open_dataset(result.write(tmp_path / "out"))) == total(plain) > 0


# -- identifiers -------------------------------------------------------------------------------------------------------


_SPELLINGS = [
    "9434765919",
    "943 476 5919",
    "943-476-5919",
    "943.476.5919",
    "943\u00a0476\u00a05919",
    "943\u2013476\u20135919",
]
_SPELLINGS += ["943\u200b4765919", "09434765919", "9434765919".translate({48 + n: 0xFF10 + n for n in range(10)})]
_SPELLINGS += ["9434765919".translate({48 + n: 0x0660 + n for n in range(10)}), "943_476_5919", "943 - 476 - 5919"]


@pytest.mark.unit
@pytest.mark.parametrize("text", _SPELLINGS, ids=ascii)
def test_an_nhs_number_is_told_however_it_is_spelled(text):
    # 943 476 5919 is the NHS Data Dictionary's own example.
    engine = connect()
    rows = pd.DataFrame({"t": [text, f"seen {text} today", "9434765919", f"1{text}", "9434765918"]})
    with key_in(engine, b"k" * 32):
        sql = f"SELECT {holds_nhs_number('t')} AS n, {pseudonym('t', 'patient')} AS p FROM this"
        found = engine.register("texts", rows).query(sql).to_pandas()
    assert found["n"].tolist() == [True, True, True, False, False]
    assert found["p"][0] == found["p"][2]


@pytest.mark.oracle
def test_a_pseudonym_is_hmac_sha_256_as_rfc_4231_has_it():
    # Test case 2 of RFC 4231: key "Jefe", data "what do ya want for nothing?".
    engine = connect()
    with key_in(engine, b"Jefe"):
        sql = pseudonym("text", "what do ya want for nothing?"[:4]).replace("'what:' || ", "")
        found = engine.fetch(f"SELECT {sql} AS p FROM (SELECT 'what do ya want for nothing?' AS text)")
    assert found["p"][0].as_py() == "p5bdcc146bf60754e6a042426089575c7"


@pytest.mark.property
def test_pseudonyms_are_those_that_python_makes_of_the_same_identifiers():
    random_ = random.Random(7)
    numbers = [f"{random_.randrange(10**10):010d}" for _ in range(2000)]
    forms = [lambda n: n, lambda n: f"{n[:3]} {n[3:6]} {n[6:]}", lambda n: f"0{n}", lambda n: f"H{n}", lambda n: n[:9]]
    texts = [forms[at % len(forms)](number) for at, number in enumerate(numbers)]
    rows = pd.DataFrame({"t": [*texts, "", "9" * 300, None]})
    engine = connect()
    with key_in(engine, local_key()):
        sql = f"SELECT t, {pseudonym('t', 'patient')} AS p FROM this"
        made = engine.register("texts", rows).query(sql).to_arrow().to_pylist()
    plain = [number_of(row["t"]) or row["t"] for row in made if row["t"] is not None]
    assert [row["p"] for row in made if row["t"] is not None] == [pseudonym_of(text) for text in plain]
    assert [row["p"] for row in made if row["t"] is None] == [None]
    assert 60 < sum(number_of(text) is not None for text in texts) < len(texts) - 1000


def number_of(text: str) -> str | None:
    """Return the ten digits of an NHS number, told as the Data Dictionary says: weights 10 to 2, 11 less the rest."""
    digits = text.replace(" ", "")
    digits = digits[1:] if len(digits) == 11 and digits[0] == "0" else digits
    if len(digits) != 10 or not digits.isdecimal():
        return None
    check = 11 - sum(weight * int(digit) for weight, digit in zip(range(10, 1, -1), digits[:9], strict=True)) % 11
    return digits if check % 11 == int(digits[9]) and check != 10 else None


@pytest.mark.unit
def test_the_digits_of_an_identifier_are_worked_out_once_a_row():
    """The engine works out a part of a CASE wherever it stands: ten times the digits took most of an import's time."""
    assert pseudonym("t", "patient").count("regexp_replace") == 1


@pytest.mark.unit
def test_one_person_has_one_pseudonym_however_the_nhs_number_is_written_and_a_key_is_private(tmp_path, monkeypatch):
    engine = connect()
    with key_in(engine, local_key()):
        rows = "(SELECT unnest(['999 000 0018', '9990000018', '999-000-0018']) AS t)"
        sql = f"SELECT {pseudonym('t', 'patient')} AS p FROM {rows}"
        assert set(engine.fetch(sql)["p"].to_pylist()) == {pseudonym_of("9990000018")}
    path = tmp_path / "there" / "key"
    assert local_key(path) == local_key(path) != local_key(tmp_path / "other")
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600
        path.chmod(0o644)
        with pytest.raises(InputError, match="Others can read the key"):
            local_key(path)
        path.chmod(0o600)
    path.write_text("cut", encoding="ascii")
    with pytest.raises(InputError, match="is not a key"):
        local_key(path)


@pytest.mark.slow
@pytest.mark.end_to_end
def test_no_identifier_of_the_input_is_in_any_output_or_word(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    rows = ["SPELL,PERSON,ADMIDATE,HRG,PROV,ICB,COST,NAME"]
    local = [f"HOSP{n:06d}" for n in range(5)]
    for n, nhs in enumerate([*NHS, *local]):
        rows.append(f"SP-{n:07d},{nhs},01/04/2024,HN22E,RRK,QHL,10.00,Zyxwvut{n}")
    rows += [
        "SP-0000101,9990000018,01/04/2024,999 000 0018,RRK,QHL,10.00,x",
        "SP-0000102,HOSP000001,soon,HN22E,HOSP000001,QHL,1,x",
    ]
    rows += [
        "SP-0000103,HOSP000002,01/04/2024,HN22E,Seen 9990000026 by,QHL,9990000034,x",
        "SP-0000104,9.99E+09,01/04/2024,HN22E,RRK,QHL,1,x",
    ]
    (source / "x.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    columns = 'activity_id = { from = "SPELL" }\npatient_id = { from = "PERSON" }\nstart_date = { from = "ADMIDATE", date = "%d/%m/%Y" }\n'  # noqa: E501
    columns += 'setting = { constant = "admitted" }\npod = { constant = "elective" }\ncurrency_code = { from = "HRG" }\nunits = { constant = 1 }\n'  # noqa: E501
    columns += 'provider_code = { from = "PROV" }\nicb_code = { from = "ICB" }\nrecorded_cost_pence = { from = "COST", money = "pounds" }\n'  # noqa: E501
    (tmp_path / "m.toml").write_text(
        f'[[table]]\nname = "activity"\nfile = "x.csv"\n[table.columns]\n{columns}', encoding="utf-8"
    )
    bad = columns.replace("units = { constant = 1 }", 'units = { sql = "CAST(source.PERSON AS BIGINT)" }')
    (tmp_path / "bad.toml").write_text(
        f'[[table]]\nname = "activity"\nfile = "x.csv"\n[table.columns]\n{bad}', encoding="utf-8"
    )
    code = "from pathcost_lib.cli import main; main()"
    said = b""
    for arguments in (
        ("import", source, "--mapping", tmp_path / "m.toml", "--out", tmp_path / "out"),
        ("import", source, "--mapping", tmp_path / "bad.toml", "--out", tmp_path / "never"),
        ("import", source, "--suggest", "--out", tmp_path / "out" / "suggested.toml"),
    ):
        done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, check=False)
        said += done.stdout + done.stderr
        assert b"Traceback" not in done.stderr
    assert b"12 rows in, 8 kept, 4 reported" in said and not (tmp_path / "never").exists()
    pages = [said, *(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())]
    parquet = pd.read_parquet(tmp_path / "out" / "activity.parquet")
    pages.append(parquet.to_csv().encode())
    plain = [n.replace(" ", "").replace("-", "") for n in NHS]
    for secret in [*NHS, *plain, *local, *(f"SP-{n:07d}" for n in range(8)), "Zyxwvut", "SP-00001"]:
        assert not any(secret.encode() in page for page in pages), "an identifier came out"
    assert parquet["patient_id"].str.fullmatch("p[0-9a-f]{32}").all() and len(parquet) == 8


@pytest.mark.unit
def test_codes_become_capitals_and_a_suggestion_lists_only_what_its_table_allows(tmp_path):
    rows = "icb_code;year;age;sex;variant;persons\nqhl;2024;40;F;principal;10\n qHL ;2024;40;M ;principal;12\n"
    (tmp_path / "population.csv").write_text(rows, encoding="utf-8")
    (tmp_path / "m.toml").write_text(suggest(tmp_path), encoding="utf-8")
    people = map_folder(tmp_path, tmp_path / "m.toml").dataset.tables["population"].to_pandas()
    assert people.groupby("icb_code")["persons"].sum().to_dict() == {"QHL": 22.0}
    assert sorted(people["sex"]) == ["female", "male"]


@pytest.mark.unit
def test_a_suggested_mapping_loads_and_keeps_no_row_until_what_is_unknown_is_said(tmp_path):
    (tmp_path / "odd.csv").write_text(
        "Trust;Spell number;NHS No;Admitted;HRG code;Total cost\nRRK;S1;9990000018;45383;HN22E;1,234.50\n",
        encoding="utf-8",
    )
    proposed = suggest(tmp_path)
    assert "9990000018" not in proposed and "1,234.50" not in proposed
    assert 'start_date = { from = "Admitted", date = ["excel"] } # likely' in proposed
    (tmp_path / "m.toml").write_text(proposed, encoding="utf-8")
    assert map_folder(tmp_path, tmp_path / "m.toml").dataset.activity.count() == 0
    mended = proposed.replace('setting = { sql = "NULL" }', 'setting = { constant = "admitted" }')
    mended = mended.replace('pod = { sql = "NULL" }', 'pod = { constant = "elective" }').replace(
        'icb_code = { sql = "NULL" }', 'icb_code = { constant = "QHL" }'
    )
    mended = mended.replace('units = { sql = "NULL" }', "units = { constant = 1 }")
    (tmp_path / "m.toml").write_text(mended, encoding="utf-8")
    (row,) = map_folder(tmp_path, tmp_path / "m.toml").dataset.activity.to_pandas().to_dict("records")
    assert (str(row["start_date"])[:10], row["recorded_cost_pence"]) == ("2024-04-01", 123450)


# -- databases ---------------------------------------------------------------------------------------------------------

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture(scope="module")
def postgres(tmp_path_factory) -> Iterator[Path]:
    """Start a PostgreSQL server of Debian's on a socket of its own, with the little England in it."""
    with needs("postgresql", "install the extra `databases`, and apt-get install postgresql"):
        import adbc_driver_postgresql.dbapi as dbapi

        if not BINARIES:
            raise FileNotFoundError("no server in /usr/lib/postgresql")
    folder = Path(shutil.copytree(tmp_path_factory.mktemp("pg"), f"/tmp/pathcost-pg-{os.getpid()}"))
    root = os.name == "posix" and os.geteuid() == 0
    if root:
        shutil.chown(folder, "postgres")
    as_user = ["runuser", "-u", "postgres", "--"] if root else []

    def run(*command: object) -> None:
        subprocess.run([*as_user, *map(str, command)], check=True, capture_output=True, cwd=folder)

    try:
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        with needs("postgresql", "a server that this user may start"):
            run(
                BINARIES[-1] / "initdb", "-D", folder / "data", "-A", "trust", "-U", "tester", "-E", "UTF8", "--no-sync"
            )
            run(BINARIES[-1] / "pg_ctl", "-D", folder / "data", "-l", folder / "log", "-w", "-o", options, "start")
        try:
            with dbapi.connect(f"postgresql:///postgres?host={folder}&user=tester", autocommit=True) as connection:
                for name, frame in make_tables(patients=30).items():
                    with connection.cursor() as cursor:
                        import pyarrow as pa

                        cursor.adbc_ingest(name, pa.Table.from_pandas(frame, preserve_index=False), mode="create")
            yield folder
        finally:
            run(BINARIES[-1] / "pg_ctl", "-D", folder / "data", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def imported_from(database: str, folder: Path, monkeypatch) -> int:
    monkeypatch.setenv("PATHCOST_TEST_DATABASE", database)
    maps = []
    for name in TABLES:
        held = mapping_of(name, "x").replace(
            'file = "x"', f'connection = "PATHCOST_TEST_DATABASE"\nquery = "SELECT * FROM {name}"'
        )
        maps.append(held)
    (folder / "m.toml").write_text("\n".join(maps), encoding="utf-8")
    result = map_folder(folder, folder / "m.toml")
    assert result.report.counts["rows_reported"].sum() == 0
    return total(open_dataset(result.write(folder / "out")))


@pytest.mark.end_to_end
def test_a_postgresql_server_with_the_same_tables_gives_the_same_ledger(postgres, tmp_path, monkeypatch):
    plain = open_dataset(write_tables(tmp_path / "plain", make_tables(patients=30)))
    url = f"postgresql:///postgres?host={postgres}&user=tester"
    assert imported_from(url, tmp_path, monkeypatch) == total(plain) > 0


@pytest.mark.slow
@pytest.mark.end_to_end
def test_odbc_gives_the_same_ledger(postgres, tmp_path, monkeypatch):
    drivers = sorted(Path("/usr/lib").glob("*/odbc/psqlodbcw.so"))
    with needs("odbc", "install the extra `databases`, and apt-get install unixodbc odbc-postgresql"):
        from arrow_odbc import read_arrow_batches_from_odbc

        if not drivers:
            raise FileNotFoundError("no psqlodbcw.so in /usr/lib")
        string = f"Driver={drivers[0]};Servername={postgres};Database=postgres;UserName=tester;"
        assert read_arrow_batches_from_odbc(query="SELECT 1", connection_string=string) is not None
    plain = open_dataset(write_tables(tmp_path / "plain", make_tables(patients=30)))
    assert imported_from(string, tmp_path, monkeypatch) == total(plain)


@pytest.mark.unit
def test_a_database_that_cannot_be_read_says_why_and_never_the_password(tmp_path, monkeypatch):
    with needs("adbc", "install the extra `databases`"):
        import adbc_driver_postgresql  # noqa: F401
    text = mapping_of("patients", "x").replace(
        'file = "x"', 'connection = "PATHCOST_TEST_DATABASE"\nquery = "SELECT 1"'
    )
    (tmp_path / "m.toml").write_text(text, encoding="utf-8")
    monkeypatch.delenv("PATHCOST_TEST_DATABASE", raising=False)
    with pytest.raises(InputError, match="PATHCOST_TEST_DATABASE is not set"):
        map_folder(tmp_path, tmp_path / "m.toml")
    monkeypatch.setenv("PATHCOST_TEST_DATABASE", "postgresql://me:sesame@127.0.0.1:1/none")
    with pytest.raises(InputError, match="The database of PATHCOST_TEST_DATABASE") as refused:
        map_folder(tmp_path, tmp_path / "m.toml")
    assert "sesame" not in str(refused.value)
