"""Statistics that areas share: nothing in them is of few people, and they stand in for the rows of all areas."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from pathcost_lib import comparators, pathways
from pathcost_lib.benchmark import exchanged, icb_causes, icb_view, pathway_cost
from pathcost_lib.cli import app
from pathcost_lib.comparators.club import NO_COMPARATOR, Club
from pathcost_lib.comparators.combine import combine, share_out
from pathcost_lib.comparators.files import KEYS, NUMBERS, Shared, Statistics, definition_digest, read, write
from pathcost_lib.comparators.prices import price_digests, unlike_prices
from pathcost_lib.errors import InputError
from pathcost_lib.packs import builder, runner
from pathcost_lib.packs.audit import audit_pack
from pathcost_lib.packs.document import Section, read_section
from pathcost_lib.packs.share import share
from pathcost_lib.sources import open_dataset
from pathcost_lib.sources.comparator import NO_OTHER
from pathcost_lib.sources.dataset import Dataset

YEAR = "2024-25"
NOTEBOOKS = {path.stem[:2]: path for path in builder.production_notebooks()}
AGES = np.arange(0, 95, 5)


def ages(counts: dict[str, list[float]], each: float = 1.0, dearest: float = 0.0) -> pd.DataFrame:
    """Return cells by sex, the first ages given and the others empty; each person costs the same but for the first."""
    rows = [(a, sex, n) for sex, held in counts.items() for a, n in zip(AGES, held, strict=False)]
    table = pd.DataFrame(rows, columns=["age_from", "sex", "persons"])
    table["cost_gbp"], table["squares"] = table["persons"] * each, table["persons"] * each**2
    table.loc[0, ["cost_gbp", "squares"]] += [dearest, dearest**2]
    return table


# -- ages are combined -------------------------------------------------------------------------------------------------
@pytest.mark.unit
def test_ages_are_combined_until_eight_are_together_and_the_rest_goes_to_the_cell_before() -> None:
    found = combine(ages({"female": [0, 3, 4, 2, 9, 7], "male": [8, 8, 8, 8, 8, 8]}), "persons")
    women = found[found["sex"] == "female"]
    assert women["age_band"].tolist() == ["0 to 4", "5 to 19", "20 to 29"]
    assert women["persons"].tolist() == [0, 9, 16]
    assert (found["sex"] == "male").sum() == 6


@pytest.mark.unit
def test_both_sexes_are_combined_where_one_has_too_few_and_nothing_is_left_where_all_have() -> None:
    both = combine(ages({"female": [3, 0], "male": [4, 4]}), "persons")
    assert both[["age_band", "sex", "persons"]].to_numpy().tolist() == [["0 to 9", "all", 11.0]]
    assert combine(ages({"female": [3, 0], "male": [4, 0]}), "persons").empty


@pytest.mark.unit
def test_a_cell_that_one_person_dominates_is_combined_further() -> None:
    """One of £100 beside eight of £1: 100 of 108. With 100 more of £1 each it may bear 100 of 208: under half."""
    found = combine(ages({"female": [9, 100, 50]}, dearest=100.0), "persons")
    assert found["age_band"].tolist() == ["0 to 9", "10 to 14"]


@pytest.mark.property
@settings(max_examples=60)
@given(st.lists(st.integers(0, 30), min_size=38, max_size=38))
def test_combined_cells_add_up_and_none_is_of_one_to_seven(counts: list[int]) -> None:
    rows = ages({"female": [*map(float, counts[:19])], "male": [*map(float, counts[19:])]})
    found = combine(rows, "persons")
    assert not found["persons"].between(1, 7).any()
    if len(found):
        assert found["persons"].sum() == sum(counts)
        assert found["squares"].sum() == pytest.approx(rows["squares"].sum())
    else:
        assert sum(counts) > 0


@pytest.mark.unit
def test_a_cell_is_shared_out_by_the_rates_that_fit_all_areas() -> None:
    """10 a person under 5 and 20 from 5 to 9, as the own rows show: 400 of 20 and 10 people are 200 and 200."""
    people = pd.DataFrame(
        [("A", 0, 100.0), ("A", 5, 100.0), ("B", 0, 20.0), ("B", 5, 10.0)], columns=["icb_code", "age_from", "persons"]
    ).assign(sex="male")
    own = people[people["icb_code"] == "A"].assign(what="x", n=[1000.0, 2000.0]).drop(columns="persons")
    groups = pd.DataFrame({"icb_code": ["B"], "what": "x", "age_band": "0 to 9", "sex": "all", "n": 400.0})
    found = share_out(groups, people, own, by=["what"], lead="n").sort_values("age_from")
    assert found["share"].tolist() == pytest.approx([0.5, 0.5])
    one = groups.assign(age_band="5 to 9", sex="male")
    assert share_out(one, people, own, by=["what"], lead="n")["share"].tolist() == [1.0]


# -- files -------------------------------------------------------------------------------------------------------------
def shared(icb: str = "QOP", **manifest: Any) -> Shared:
    row: dict[str, Any] = dict.fromkeys(KEYS, "") | dict.fromkeys(NUMBERS, np.nan)
    table = pd.DataFrame([row | {"statistic": "population", "age_band": "0 to 4", "sex": "male", "persons": 12.5}])
    knees = pathways.load_definition("knee_replacement")
    said = {"icb": icb, "name": icb, "year": YEAR, "price_base": YEAR, "months": [], "banner": "", "lacking": {}}
    said |= {"prices": {}, "definitions": {knees.name: definition_digest(knees)}, "coverage_pct": {}}
    return Shared(table, said | {"contacts": 100, "persons": 50} | manifest)


@pytest.mark.unit
def test_a_file_is_read_as_it_was_written_and_the_same_content_is_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write(shared(), tmp_path / name) for name in ("QOP.zip", "b.zip"))
    assert first.read_bytes() == second.read_bytes()
    second.unlink()
    (found,) = read(tmp_path)
    pd.testing.assert_frame_equal(found.table, shared().table)
    assert (found.icb, found.file) == ("QOP", "QOP.zip")


def _spoil(path: Path, how: str) -> None:
    if how == "bytes":
        path.write_bytes(path.read_bytes()[:-40])
        return
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name).decode() for name in archive.namelist()}
    said = json.loads(held["manifest.json"])
    if how == "format":
        said["format"] = 99
    elif how == "manifest":
        said["contacts"] = "many"
    else:
        held["statistics.csv"] = held["statistics.csv"].replace("12.5", "13.5" if how == "digest" else how)
    if how not in ("digest", "format", "manifest"):
        import hashlib

        said["statistics_sha256"] = hashlib.sha256(held["statistics.csv"].encode()).hexdigest()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("statistics.csv", held["statistics.csv"])
        archive.writestr("manifest.json", json.dumps(said))


@pytest.mark.unit
@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("bytes", "QOP.zip cannot be read"),
        ("format", "its format is not 2"),
        ("manifest", r"manifest.json: contacts is missing or no int"),
        ("digest", "is not what was written"),
        ("-3", "column persons: row 2 is no number that can be there"),
        ("nan", "column persons: row 2 is no number"),
        ("inf", "column persons: row 2 is no number"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_words(how: str, words: str, tmp_path: Path) -> None:
    _spoil(write(shared(), tmp_path / "QOP.zip"), how)
    with pytest.raises(InputError, match=words):
        read(tmp_path)


@pytest.mark.unit
def test_two_files_of_one_area_no_file_and_no_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no \.zip file"):
        read(tmp_path)
    for name in ("a.zip", "b.zip"):
        write(shared(), tmp_path / name)
    with pytest.raises(InputError, match=r"a.zip and b.zip are both of QOP"):
        read(tmp_path)
    with pytest.raises(InputError, match="there is no folder"):
        read(tmp_path / "nowhere")


# -- who is compared ---------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def alone(three: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data of one area only, as an ICB has them: its own rows, the price lists and organisations of all."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "sample.json").write_bytes((three / "sample.json").read_bytes())
    patients = pq.read_table(three / "patients.parquet")
    own = patients.filter(pc.field("icb_code") == "QHL")["patient_id"]
    for name in sorted({path.stem for path in three.iterdir() if path.suffix != ".json"}):
        table = pq.read_table(three / name if (three / name).is_dir() else three / f"{name}.parquet")
        if name in ("activity", "patients", "population"):
            table = table.filter(pc.field("icb_code") == "QHL")
        elif name == "outcomes":
            table = table.filter(pc.field("patient_id").isin(own))
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


@pytest.fixture(scope="module")
def club(three: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the files that the three areas share."""
    folder = tmp_path_factory.mktemp("club")
    for icb in ("QHL", "QOP", "QUA"):
        share(icb, folder / f"{icb}.zip", data=three, year=YEAR, reports=tmp_path_factory.mktemp("reports"))
    return folder


def _who(data: Path, folder: Path, **options: Any) -> Club:
    definitions = [pathways.load_definition(name) for name in pathways.available()]
    given_ = {"icb": "QHL", "year": YEAR, "price_base": YEAR, "definitions": definitions, "compare": str(folder)}
    return comparators.compared_with(open_dataset(data), "England", **(given_ | options))


@pytest.mark.slow
@pytest.mark.end_to_end
def test_own_rows_and_the_files_of_the_others_are_compared_and_named(alone: Path, three: Path, club: Path) -> None:
    for data in (alone, three):  # the own area's rows, whatever else the data hold, and not its own file
        who = _who(data, club)
        assert (who.areas, who.reference, who.alone) == (("QHL", "QOP", "QUA"), "the areas compared", False)
        assert who.note == "Compared with 2 areas by the statistics that they share: QOP, QUA."
        assert set(who.dataset.activity.query("SELECT DISTINCT icb_code FROM this").to_pandas()["icb_code"]) == {"QHL"}
        assert who.others is not None
        assert set(who.others.table["icb_code"]) == {"QOP", "QUA"}
    with pytest.raises(InputError, match=r"'Midlands' and compare are both asked for"):
        comparators.compared_with(open_dataset(three), "Midlands", icb="QHL", year=YEAR, compare=str(club))


@pytest.mark.slow
@pytest.mark.end_to_end
def test_where_files_do_not_serve_the_area_stands_alone_and_says_why(alone: Path, club: Path) -> None:
    who = _who(alone, club).without("outcomes")
    assert (who.areas, who.reference, who.others) == (("QHL",), NO_OTHER, None)
    assert who.alone
    assert who.note == who.lacks == NO_COMPARATOR["outcomes"]
    rows = comparators.compared_with(open_dataset(alone), "England", icb="QHL", year=YEAR)
    assert rows.without("outcomes") is rows
    assert rows.lacks == ""


@pytest.mark.slow
@pytest.mark.end_to_end
def test_files_that_count_otherwise_are_refused_and_what_differs_is_named(
    alone: Path, club: Path, tmp_path: Path
) -> None:
    one = next(item for item in read(club) if item.icb == "QOP")
    other = {**one.manifest, "year": "2023-24", "price_base": "2022-23", "months": one.manifest["months"][:6]}
    other |= {"definitions": {**one.manifest["definitions"], "stroke": "0", "gout": "1"}, "banner": ""}
    other["definitions"].pop("hip_fracture")
    other["prices"] = {**one.manifest["prices"], "day_case": "0", "home_visit": "1"}
    other["prices"].pop("elective")
    write(replace(one, manifest=other), tmp_path / "QOP.zip")
    with pytest.raises(InputError) as caught:
        _who(alone, tmp_path)
    for words in (
        "QOP.zip (QOP)",
        "year 2023-24, here 2024-25",
        "price base 2022-23, here 2024-25",
        "months 2024-04 to 2024-09 (6), here 2024-04 to 2025-03 (12)",
        "invented data no, here yes",
        "pathway stroke is defined otherwise",
        "pathway gout is linked there only",
        "pathway hip_fracture is linked here only",
        "national prices of day_case differ",
        "national prices of home_visit are there only",
        "national prices of elective are here only",
    ):
        assert words in str(caught.value)


@pytest.mark.slow
@pytest.mark.end_to_end
def test_a_thin_file_is_left_out_with_the_reason_and_two_areas_are_too_few(
    alone: Path, club: Path, tmp_path: Path
) -> None:
    for one in read(club):
        thin = {"contacts": one.manifest["contacts"] // 3} if one.icb == "QUA" else {}
        write(replace(one, manifest={**one.manifest, **thin}), tmp_path / one.file)
    with pytest.raises(InputError, match=r"2 areas only would be compared \(QHL, QOP\).*few_areas"):
        _who(alone, tmp_path)
    who = _who(alone, tmp_path, allow="few_areas")
    assert who.note.endswith("Not compared: QUA (under 50% of the contacts per head of the median area).")


# -- what is shared ----------------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.end_to_end
def test_no_cell_of_a_file_is_of_one_to_seven_and_counts_are_rounded(club: Path) -> None:
    for one in read(club):
        people = one.table[one.table["statistic"] != "population"]
        for name in ("persons", "pathways", "contacts"):
            counts = people[name].dropna()
            assert not counts.between(1, 7).any()
            assert (counts % 5 == 0).all()
        assert (club / one.file).stat().st_size < 20_000_000 / 41


@pytest.mark.slow
@pytest.mark.end_to_end
def test_what_a_pack_hides_is_not_in_the_file_and_both_together_give_nothing_away(
    club: Path, pack_of_three: Path
) -> None:
    one = next(item for item in read(club) if item.icb == "QHL")
    shown = {path.stem: list(read_section(path).payloads) for path in sorted(pack_of_three.glob("[0-9]*.ipynb"))}
    titles = {pathways.load_definition(name).title: name for name in pathways.available()}
    (rates,) = (p for p in shown["03_icb_variation"] if p.get("name") == "Rates")
    hidden = {titles[row[0]] for row in rates["rows"] if row[1] == "*"}
    held = {row["pathway"] for row in one.table.to_dict("records")} - {""}
    assert not hidden & held
    assert {f"pathways, {name}" for name in hidden} <= set(one.manifest["lacking"])
    # The file's own tables beside the pack's, as the audit of a pack reads them.
    closed = one.table[one.table["statistic"] == "pathways"]
    knees = one.table[(one.table["statistic"] == "pathway_cost") & (one.table["pathway"] == "knee_replacement")]
    for name, statistic in (("Outside share", "outside"), ("Flow", "flow")):
        (table,) = (p for p in shown["02_pathway_cost"] if p.get("name") == name)
        heads, mine = [c["key"] for c in table["columns"]], one.table[one.table["statistic"] == statistic]
        mine = mine[mine["pathway"] == "knee_replacement"]
        words = [("phase",)] if name == "Outside share" else [("from_setting", "setting")]
        number = "outside_pct" if name == "Outside share" else "mean_gbp"
        here = {tuple(row[: len(words[0])]): row[heads.index(number)] for row in table["rows"]}
        there = dict(zip(mine[[*words[0]]].itertuples(index=False, name=None), mine[number], strict=True))
        assert {key: n for key, n in here.items() if n != "*"} == {key: n for key, n in there.items() if n == n}
        assert not {key for key, n in here.items() if n == "*"} & set(there)
    (by_phase,) = (p for p in shown["02_pathway_cost"] if p.get("name") == "By phase")
    starred = {row[0] for row in by_phase["rows"] if row[1] == "*"}
    assert not starred & set(knees.loc[knees["setting"] == "", "phase"])
    back = {name: title for title, name in titles.items()}
    columns = [{"key": "pathway", "kind": "", "number": False}, {"key": "pathways", "kind": "pathways", "number": True}]
    rows = [[back[p], n] for p, n in closed[["pathway", "pathways"]].itertuples(index=False)]
    said = {"what": "closed pathways", "year": YEAR, "icb_code": "QHL"}
    payload = {"title": "shared", "columns": columns, "rows": rows, "rule": "hes", "of": said, "steps": {}}
    assert not list(audit_pack({**shown, "comparators": [payload]}))
    known = {row[0]: row[1] for row in rates["rows"]}
    assert all(known[title] == n for title, n in rows), "the same cell with two numbers"


@pytest.mark.slow
@pytest.mark.end_to_end
def test_a_second_file_that_differs_by_few_people_is_refused(alone: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"year": YEAR, "reports": tmp_path}
    first = share("QHL", tmp_path / "QHL.zip", data=alone, **options)
    before = (tmp_path / "QHL.zip").read_bytes()
    share("QHL", tmp_path / "QHL.zip", data=alone, **options)
    assert (tmp_path / "QHL.zip").read_bytes() == before
    fewer = tmp_path / "fewer"
    fewer.mkdir()
    for path in alone.iterdir():
        (fewer / path.name).write_bytes(path.read_bytes())
    activity = pq.read_table(fewer / "activity.parquet")
    cared = activity.filter(pc.field("setting") == "outpatient")["patient_id"].unique()[:60]
    pq.write_table(activity.filter(~pc.field("patient_id").isin(cared)), fewer / "activity.parquet")
    with pytest.raises(InputError, match="perhaps by fewer than eight people"):
        share("QHL", tmp_path / "QHL.zip", data=fewer, **options)
    with pytest.raises(InputError, match="would differ from those released before"):
        share("QHL", tmp_path / "QHL.zip", data=alone, price_base="2023-24", **options)
    assert (tmp_path / "QHL.zip").read_bytes() == before
    assert first.manifest["banner"]


@pytest.mark.slow
@pytest.mark.end_to_end
def test_what_is_no_area_and_no_file_is_refused(three: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ICB 'QXX' is not known"):
        share("QXX", tmp_path / "a.zip", data=three, year=YEAR, reports=tmp_path)
    with pytest.raises(InputError, match=r"ends in \.zip"):
        share("QHL", tmp_path / "a.csv", data=three, year=YEAR, reports=tmp_path)


@pytest.mark.slow
@pytest.mark.end_to_end
def test_the_commands_share_and_compare(
    alone: Path, three: Path, club: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pathcost_lib.paths.reports", lambda: tmp_path / "reports")
    run, folder = CliRunner(), tmp_path / "club"
    for icb in ("QOP", "QUA"):
        said = run.invoke(app, ["share", icb, "--out", str(folder / f"{icb}.zip"), "--data", str(three)])
        assert said.exit_code == 0, said.output
        assert "none of one to seven people" in said.output
        assert (folder / f"{icb}.zip").read_bytes() == (club / f"{icb}.zip").read_bytes()
    given_ = ["pack", "QHL", "--data", str(alone), "--notebooks", "03_icb_variation", "--formats", "html"]
    said = run.invoke(app, [*given_, "--compare", str(folder), "--out", str(tmp_path / "out")])
    assert said.exit_code == 0, said.output
    page = (tmp_path / "out" / YEAR / "QHL" / "board-pack.html").read_text(encoding="utf-8")
    assert "Not for publication: compare = club (03_icb_variation)." in page
    assert "Compared with 2 areas by the statistics that they share: QOP, QUA." in page
    assert str(tmp_path) not in page


# -- the same pack -----------------------------------------------------------------------------------------------------
def _tables(section: Section) -> dict[str, pd.DataFrame]:
    found = {}
    for table in section.tables:
        columns = [c["key"] for c in table.payload["columns"]]
        labels = [c["key"] for c in table.payload["columns"] if not c["number"] or c["key"] == "decile"]
        words = [label for label in labels if label != "reason"]
        frame = pd.DataFrame(table.payload["rows"], columns=columns).drop(columns="reason", errors="ignore")
        found[table.name] = frame.set_index(words).apply(pd.to_numeric, errors="coerce")
    return found


Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def beside(
    alone: Path, club: Path, pack_of_three: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Section, Section]]:
    """Return 02 and 03 from the rows of all three areas, and from own rows with the files of the others."""
    out, found = tmp_path_factory.mktemp("beside"), {}
    for number in ("02", "03"):
        runner.execute(NOTEBOOKS[number], out / f"{number}.ipynb", {"data": str(alone), "compare": str(club)})
        sections = (pack_of_three / NOTEBOOKS[number].name, out / f"{number}.ipynb")
        found[number] = (read_section(sections[0]), read_section(sections[1]))
    return found


#: Of each table the largest difference from that of all rows, as a share of the number (of a difference: of the
#: reference; of percentages: points over 100), and how many numbers are withheld. Three areas of about 14,000 people.
LARGEST = {
    "02": {
        "Cost basis": (0.0, 0),
        # One step of rounding where few patients are, of what files hold and of what is made from it.
        "By phase": (0.07, 2),
        "By setting": (0.07, 2),
        "By setting and phase": (0.17, 11),
        "Flow": (0.1, 61),
        "Outside share": (0.04, 2),
    },
    "03": {
        "Per person": (0.005, 0),
        "All areas": (0.005, 0),
        "Rates": (0.15, 2),
        "Peers": (0.005, 0),
        # Files do not hold use by deprivation: by them a person's cost is compared at equal age and sex, and says so.
        "Need": (0.005, 7),
        "Opportunity": (0.02, 0),
        "Deprivation": (0.02, 0),
        "References": (0.02, 0),  # as Need: one point of an index
        # The area's own rows beside what is published: no other area has a part in it.
        "Published prices": (0.0, 0),
        "Published rates": (0.0, 0),
    },
}
#: What files do not carry, or what is of the own rows alone; each says so.
NOT_COMPARED = {"02": {"Ranks", "Every pound once"}, "03": {"Providers", "Drivers"}}


@pytest.mark.slow
@pytest.mark.notebook
@pytest.mark.parametrize("number", LARGEST)
def test_every_table_from_own_rows_and_files_is_that_from_all_rows(
    number: str, beside: dict[str, tuple[Section, Section]]
) -> None:
    theirs, ours = (_tables(section) for section in beside[number])
    assert list(theirs) == list(ours)
    assert {*LARGEST[number], *NOT_COMPARED[number]} == set(ours)
    found = {name: _difference(theirs[name], ours[name]) for name in LARGEST[number]}
    assert all(largest <= LARGEST[number][name][0] for name, (largest, _) in found.items()), found
    assert {name: withheld for name, (_, withheld) in found.items()} == {n: w for n, (_, w) in LARGEST[number].items()}


def _difference(theirs: pd.DataFrame, ours: pd.DataFrame) -> tuple[float, int]:
    """Return the largest difference of two tables, and how many numbers the second withholds."""
    ours = ours.rename(index={"the areas compared": "England"})
    assert sorted(ours.index) == sorted(theirs.index)
    ours = ours.loc[theirs.index]
    size = theirs.abs()
    for column in theirs:
        if column.startswith("difference_"):
            size[column] = theirs["reference_gbp"].abs()
        elif column.endswith("_pct"):
            size[column] = 100.0
    apart = ((ours - theirs).abs() / size).where(ours != theirs, 0.0).where(ours.notna() & theirs.notna())
    return float(np.nanmax(apart.to_numpy(), initial=0.0)), int((ours.isna() & theirs.notna()).sum().sum())


@pytest.mark.slow
@pytest.mark.notebook
def test_what_is_the_areas_own_is_the_same_to_the_last_figure_and_nobody_is_england(
    beside: dict[str, tuple[Section, Section]],
) -> None:
    for number, (rows, files) in beside.items():
        theirs, ours = _tables(rows), _tables(files)
        assert "Compared with 2 areas by the statistics that they share: QOP, QUA." in files.messages[0].text
        assert "England" not in files.messages[0].text
        own = {
            "02": {
                "By phase": ["contacts", "mean_gbp", "lower_95", "upper_95"],
                "By setting": ["contacts", "mean_gbp"],
                "By setting and phase": ["contacts", "mean_gbp"],
                "Flow": ["passages", "cases", "median_days", "p90_days", "mean_gbp"],
                "Outside share": ["inside_contacts", "outside_contacts", "outside_pct"],
            },
            "03": {
                "Per person": ["value_gbp", "lower_95", "upper_95"],
                "Rates": ["pathways", "rate", "lower_95", "upper_95"],
            },
        }
        for name, columns in own[number].items():
            a, b = theirs[name][columns], ours[name][columns]
            pd.testing.assert_frame_equal(a, b.where(a.notna()), obj=name)


@pytest.mark.slow
@pytest.mark.notebook
def test_what_files_do_not_carry_has_no_comparator_and_says_why(beside: dict[str, tuple[Section, Section]]) -> None:
    pages = {number: {t.name: t for t in files.tables} for number, (_, files) in beside.items()}
    for number, name, why in (
        ("02", "Flow", "medians"),
        ("02", "Ranks", "providers"),
        ("03", "Providers", "providers"),
    ):
        assert NO_COMPARATOR[why] in pages[number][name].payload["note"]
        (rows,) = (t for t in beside[number][0].tables if t.name == name)
        assert NO_COMPARATOR[why] not in rows.payload["note"]
    ours = {number: _tables(files) for number, (_, files) in beside.items()}
    assert ours["02"]["Flow"]["reference_days"].isna().all()
    assert ours["03"]["Drivers"]["difference_gbp"].isna().all()
    drivers = pages["03"]["Drivers"].payload
    at = [c["key"] for c in drivers["columns"]].index("reason")
    assert {row[at] for row in drivers["rows"]} == {"peers share no contacts of pathways, so there is no base"}
    # A reference is nowhere told where the area's own number is not.
    for name in ("By phase", "By setting", "By setting and phase"):
        table = ours["02"][name]
        assert table.loc[table["contacts"].isna(), "reference_gbp"].isna().all()


@pytest.mark.unit
def test_a_part_that_an_area_does_not_share_is_not_zero_there() -> None:
    """Means of 10, 20 and 40 over 10 pathways each; the second area's is not shared, which is a third: withheld."""
    groups = pd.DataFrame({"icb_code": ["A", "B", "C"], "pathways": [10, 10, 10], "mean_gbp": 1.0, "se_gbp": 1.0})
    cells = pd.DataFrame({"icb_code": ["A", "B", "C"], "phase": "x", "mean_gbp": [10.0, np.nan, 40.0], "se_gbp": 1.0})
    cells = cells.assign(seen_pathways=9.0, contacts=9.0)
    options: dict[str, Any] = {"unit": "icb_code", "focus": "A", "by": ["phase"]}
    row = pathway_cost.compare(cells, groups, **options).table.iloc[0]
    assert row["mean_gbp"] == 10
    assert np.isnan(row["reference_gbp"])
    assert row["reason"] == pathway_cost.NOT_SHARED
    few = groups.assign(pathways=[10, 1, 30])
    row = pathway_cost.compare(cells, few, **options).table.iloc[0]
    assert row["reference_gbp"] == pytest.approx((10 * 10 + 30 * 40) / 40)
    absent = pathway_cost.compare(cells.drop(index=1), few, **options).table.iloc[0]
    assert absent["reference_gbp"] == pytest.approx((10 * 10 + 30 * 40) / 41), "by rows, no contact costs nothing"


@pytest.mark.unit
def test_parts_keep_their_order_whoever_does_not_share_one() -> None:
    groups = pd.DataFrame({"icb_code": ["B", "A", "C"], "pathways": [1, 50, 50]})
    rows = [("B", "x", np.nan), ("B", "y", 7.0), ("A", "x", 10.0), ("A", "y", 1.0), ("C", "x", 20.0), ("C", "y", 3.0)]
    cells = pd.DataFrame(rows, columns=["icb_code", "phase", "mean_gbp"]).assign(se_gbp=1.0, contacts=5.0)
    cells["seen_pathways"] = 5.0
    found = pathway_cost.compare(cells, groups, unit="icb_code", focus="A", by=["phase"]).table.set_index("phase")
    assert found.loc["x", "reference_gbp"] == pytest.approx(15.0)
    assert found.loc["y", "reference_gbp"] == pytest.approx((7 + 50 + 150) / 101)


@pytest.mark.unit
def test_rates_have_no_reference_where_areas_with_many_people_share_none() -> None:
    """A pathway that one of three areas cannot share is not zero there: its reference is withheld."""
    people = pd.DataFrame({"icb_code": ["A", "B", "C"], "age_from": 0, "sex": "male", "persons": 1000.0})
    events = pd.DataFrame({"pathway": "x", "icb_code": ["A", "B"], "age_from": 0, "sex": "male", "pathways": [20, 40]})
    none = pd.DataFrame()
    known = events[["icb_code", "pathway"]]
    cells = icb_view.Cells(none, none, people, none, events, none, none, counted=known)
    row = icb_view.event_rates(cells, "A").iloc[0]
    assert np.isnan(row["reference_rate"])
    assert row["reason"] == icb_view.UNKNOWN
    assert row["rate"] == pytest.approx(2000.0)
    small = replace(cells, population=people.assign(persons=[1000.0, 1000.0, 50.0]))
    assert icb_view.event_rates(small, "A").iloc[0]["reference_rate"] == pytest.approx(3000.0)


def _statistics(*rows: dict[str, Any]) -> Statistics:
    blank: dict[str, Any] = dict.fromkeys(KEYS, "") | dict.fromkeys(NUMBERS, np.nan)
    return Statistics(pd.DataFrame([blank | row for row in rows]), {})


@pytest.mark.unit
def test_the_share_outside_is_that_of_all_areas_by_their_cost() -> None:
    """10 pathways of £100, half outside, and 30 of £200, a tenth: (500 + 600) of (1,000 + 6,000) is 15.7%."""
    whole = pd.DataFrame({"icb_code": ["A", "B"], "pathways": [10, 30], "mean_gbp": [100.0, 200.0]})
    beside = {"whole": whole, "phase": whole.assign(phase="after")[["icb_code", "phase", "mean_gbp"]]}
    table = pd.DataFrame({"phase": ["after", "whole_pathway"], "outside_pct": [50.0, 50.0], "reference_pct": np.nan})
    row = {"statistic": "outside", "pathway": "x", "icb_code": "B", "phase": "after", "outside_pct": 10.0}
    found = exchanged.outside_with_others(table, beside, _statistics(row), pathway="x", icb="A")
    assert found["reference_pct"][0] == pytest.approx(1100 / 70)
    assert np.isnan(found["reference_pct"][1]), "an area with three quarters of the pathways does not share the whole"
    assert found["reason"].tolist() == ["", pathway_cost.NOT_SHARED]


@pytest.mark.unit
def test_passages_of_all_areas_are_told_where_all_that_have_pathways_share_theirs() -> None:
    """20 passages of £50 and 60 of £90 are 80 of £80; nobody in the third area makes one."""
    groups = pd.DataFrame({"icb_code": ["A", "B", "C"], "pathways": [10, 30, 20]})
    passed = pd.DataFrame({"from_step": "admitted", "to_step": ["community", "outpatient"], "cases": 9, "passages": 20})
    passed = passed.assign(mean_gbp=50.0, median_days=3.0, reference_days=3.0)
    row = {"statistic": "flow", "pathway": "x", "icb_code": "B", "from_setting": "admitted", "setting": "community"}
    row |= {"contacts": 60.0, "pathways": 25.0, "mean_gbp": 90.0}
    none = row | {"icb_code": "C", "contacts": 0.0, "pathways": 0.0, "mean_gbp": np.nan}
    found = exchanged.flow_with_others(passed, groups, _statistics(row, none), pathway="x", icb="A")
    assert found["reference_cases"][0] == 34
    assert found["reference_gbp"][0] == pytest.approx(80)
    assert found.loc[1, ["reference_cases", "reference_gbp"]].isna().all()
    assert found["reference_days"].isna().all()


def _deprived(others: list[tuple[Any, ...]], own: list[tuple[Any, ...]]) -> icb_view.Cells:
    """Return cells by area, age, tenth, persons and cost, each of whom has a contact and costs the same."""
    columns = ["icb_code", "age_from", "deprivation_decile", "persons", "cost_gbp"]
    mine = pd.DataFrame(own, columns=columns).assign(sex="male")
    paid = mine.assign(
        users=mine["persons"], squares=1e4 * mine["cost_gbp"] ** 2 / mine["persons"], setting="all_settings"
    )
    theirs = pd.DataFrame(others, columns=columns).assign(sex="male", variance=4.0) if others else None
    none = pd.DataFrame()
    return icb_view.Cells(
        paid.drop(columns="persons"), mine.drop(columns="cost_gbp"), none, none, none, none, none, tenths=theirs
    )


@pytest.mark.unit
def test_a_tenth_of_all_areas_is_told_where_areas_with_the_people_share_it() -> None:
    """£10 a person in the first tenth and 30 in the second, here and there; the other area combines 2 and 3."""
    own = [("A", 40, 1, 100, 1000.0), ("A", 40, 2, 100, 3000.0)]
    table, _ = icb_causes.gradient(_deprived([("B", 40, 1.0, 300, 6000.0), ("B", 40, 2.0, 300, 9000.0)], own), "A")
    told = table[table["area"] == "all"].set_index("decile")
    assert told["value_gbp"].tolist() == pytest.approx([7000 / 400, 12000 / 400])
    assert told["persons"].tolist() == [400, 400]
    assert (told["upper_95"] - told["value_gbp"]).tolist() == pytest.approx([1.96 * 2 / 400] * 2, rel=1e-3)
    table, _ = icb_causes.gradient(_deprived([("B", 40, 1.0, 300, 6000.0), ("B", 40, np.nan, 300, 9000.0)], own), "A")
    told = table[table["area"] == "all"].set_index("decile")
    assert told["value_gbp"].notna().tolist() == [True, False]
    assert told["reason"].tolist() == ["", icb_view.UNKNOWN]


@pytest.mark.unit
def test_a_tenth_in_which_the_area_has_few_is_not_told_of_all_areas() -> None:
    own = [("A", 40, 1, 5, 50.0), ("A", 40, 2, 100, 3000.0)]
    table, _ = icb_causes.gradient(_deprived([("B", 40, 1.0, 300, 6000.0), ("B", 40, 2.0, 300, 9000.0)], own), "A")
    told = table[table["area"] == "all"].set_index("decile")
    assert told["reason"].tolist() == [icb_causes.FEW_HERE, ""]
    assert np.isnan(told.loc[1, "value_gbp"])


@pytest.mark.unit
def test_each_count_of_a_cell_may_be_shown() -> None:
    """Twenty registered of each age, of whom nine, three and nine have a contact."""
    rows = ages({"female": [20, 20, 20]}).assign(users=[9.0, 3.0, 9.0])
    assert combine(rows, "persons")["age_band"].tolist() == ["0 to 4", "5 to 9", "10 to 14"]
    assert combine(rows, "persons", "users")["age_band"].tolist() == ["0 to 4", "5 to 14"]


@pytest.mark.slow
@pytest.mark.end_to_end
def test_tenths_that_are_combined_share_no_cost_and_people_add_up(club: Path) -> None:
    for one in read(club):
        tenths = one.table[one.table["statistic"] == "deprivation"]
        registered = one.table[one.table["statistic"] == "registered"]
        combined = tenths["deprivation"].str.contains(" to ")
        assert tenths["cost_gbp"].isna().tolist() == combined.tolist()
        sums = registered.groupby("deprivation")["persons"].sum().reindex(tenths["deprivation"]).fillna(0.0)
        # Each count stands for two more or fewer.
        cells = registered.groupby("deprivation").size().reindex(tenths["deprivation"]).fillna(0.0)
        assert (np.abs(sums.to_numpy() - tenths["persons"].to_numpy()) <= 2.5 * (cells.to_numpy() + 1)).all()


@pytest.mark.unit
def test_prices_are_the_same_where_those_of_the_year_are() -> None:
    """Another provider's price, an older list and another source change nothing; a price of the year before does."""
    columns = ["financial_year", "pod", "currency_code", "provider_code", "unit_cost", "unit", "source"]
    rows = [(YEAR, "day_case", "HN22E", None, 5_000_000, "spell", "a"), (YEAR, "elective", "*", None, 1, "spell", "a")]
    rows += [("2023-24", "day_case", "HN22E", None, 4_000_000, "spell", "a")]

    def digests(*rows: tuple[Any, ...]) -> dict[str, str]:
        table = pd.DataFrame(rows, columns=columns).assign(fixed_share=0.5, semi_fixed_share=0.2, variable_share=0.3)
        return price_digests(Dataset.from_frames({"unit_costs": table}).unit_costs, YEAR)

    held = digests(*rows)
    assert set(held) == {"day_case", "elective"}
    more = [
        ("2021-22", "day_case", "HN22E", None, 9, "spell", "b"),
        (YEAR, "day_case", "HN22E", "RRK", 9, "spell", "a"),
    ]
    assert digests(*[(*row[:-1], "b") for row in rows], *more) == held
    other = digests(*rows[:2], (*rows[2][:4], 4_000_001, "spell", "a"))
    assert unlike_prices(other, held) == ["national prices of day_case differ"]
    assert unlike_prices({}, held) == ["national prices of day_case, elective are here only"]
