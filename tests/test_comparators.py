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

from pathcost_lib import comparators, packs, pathways
from pathcost_lib.benchmark import icb_view, pathway_cost
from pathcost_lib.cli import app
from pathcost_lib.comparators.combine import combine, share_out
from pathcost_lib.comparators.files import KEYS, NUMBERS, Shared
from pathcost_lib.errors import InputError
from pathcost_lib.packs.audit import audit_pack
from pathcost_lib.packs.document import Section, read_section
from pathcost_lib.packs.share import share
from pathcost_lib.sources import open_dataset

YEAR = "2024-25"
NOTEBOOKS = {path.stem[:2]: path for path in packs.production_notebooks()}
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
@settings(max_examples=60, deadline=None)
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
    said |= {"definitions": {knees.name: comparators.definition_digest(knees)}, "coverage_pct": {}}
    return Shared(table, said | {"contacts": 100, "persons": 50} | manifest)


@pytest.mark.unit
def test_a_file_is_read_as_it_was_written_and_the_same_content_is_the_same_bytes(tmp_path: Path) -> None:
    first, second = (comparators.write(shared(), tmp_path / name) for name in ("QOP.zip", "b.zip"))
    assert first.read_bytes() == second.read_bytes()
    second.unlink()
    (found,) = comparators.read(tmp_path)
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
        ("format", "its format is not 1"),
        ("manifest", r"manifest.json: contacts is missing or no int"),
        ("digest", "is not what was written"),
        ("-3", "column persons: row 2 is no number that can be there"),
        ("nan", "column persons: row 2 is no number"),
        ("inf", "column persons: row 2 is no number"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_words(how: str, words: str, tmp_path: Path) -> None:
    _spoil(comparators.write(shared(), tmp_path / "QOP.zip"), how)
    with pytest.raises(InputError, match=words):
        comparators.read(tmp_path)


@pytest.mark.unit
def test_two_files_of_one_area_no_file_and_no_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no \.zip file"):
        comparators.read(tmp_path)
    for name in ("a.zip", "b.zip"):
        comparators.write(shared(), tmp_path / name)
    with pytest.raises(InputError, match=r"a.zip and b.zip are both of QOP"):
        comparators.read(tmp_path)
    with pytest.raises(InputError, match="there is no folder"):
        comparators.read(tmp_path / "nowhere")


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


def _who(data: Path, folder: Path, **options: Any) -> comparators.Club:
    definitions = [pathways.load_definition(name) for name in pathways.available()]
    given_ = {"icb": "QHL", "year": YEAR, "price_base": YEAR, "definitions": definitions, "compare": str(folder)}
    return comparators.compared_with(open_dataset(data), "England", **(given_ | options))


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


@pytest.mark.end_to_end
def test_files_that_count_otherwise_are_refused_and_what_differs_is_named(
    alone: Path, club: Path, tmp_path: Path
) -> None:
    one = next(item for item in comparators.read(club) if item.icb == "QOP")
    other = {**one.manifest, "year": "2023-24", "price_base": "2022-23", "months": one.manifest["months"][:6]}
    other |= {"definitions": {**one.manifest["definitions"], "stroke": "0", "gout": "1"}, "banner": ""}
    other["definitions"].pop("hip_fracture")
    comparators.write(replace(one, manifest=other), tmp_path / "QOP.zip")
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
    ):
        assert words in str(caught.value)


@pytest.mark.end_to_end
def test_a_thin_file_is_left_out_with_the_reason_and_two_areas_are_too_few(
    alone: Path, club: Path, tmp_path: Path
) -> None:
    for one in comparators.read(club):
        thin = {"contacts": one.manifest["contacts"] // 3} if one.icb == "QUA" else {}
        comparators.write(replace(one, manifest={**one.manifest, **thin}), tmp_path / one.file)
    with pytest.raises(InputError, match=r"2 areas only would be compared \(QHL, QOP\).*few_areas"):
        _who(alone, tmp_path)
    who = _who(alone, tmp_path, allow="few_areas")
    assert who.note.endswith("Not compared: QUA (under 50% of the contacts per head of the median area).")


# -- what is shared ----------------------------------------------------------------------------------------------------
@pytest.mark.end_to_end
def test_no_cell_of_a_file_is_of_one_to_seven_and_counts_are_rounded(club: Path) -> None:
    for one in comparators.read(club):
        people = one.table[one.table["statistic"] != "population"]
        for name in ("persons", "pathways", "contacts"):
            counts = people[name].dropna()
            assert not counts.between(1, 7).any()
            assert (counts % 5 == 0).all()
        assert (club / one.file).stat().st_size < 20_000_000 / 41


@pytest.mark.end_to_end
def test_what_a_pack_hides_is_not_in_the_file_and_both_together_give_nothing_away(
    club: Path, pack_of_three: Path
) -> None:
    one = next(item for item in comparators.read(club) if item.icb == "QHL")
    shown = {path.stem: list(read_section(path).shown) for path in sorted(pack_of_three.glob("[0-9]*.ipynb"))}
    titles = {pathways.load_definition(name).title: name for name in pathways.available()}
    (rates,) = (p for p in shown["03_icb_variation"] if p.get("name") == "Rates")
    hidden = {titles[row[0]] for row in rates["rows"] if row[1] == "*"}
    held = {row["pathway"] for row in one.table.to_dict("records")} - {""}
    assert not hidden & held
    assert {f"pathways, {name}" for name in hidden} <= set(one.manifest["lacking"])
    # The file's own tables beside the pack's, as the audit of a pack reads them.
    closed = one.table[one.table["statistic"] == "pathways"]
    knees = one.table[(one.table["statistic"] == "pathway_cost") & (one.table["pathway"] == "knee_replacement")]
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
    assert (tmp_path / "QHL.zip").read_bytes() == before
    assert first.manifest["banner"]


@pytest.mark.end_to_end
def test_what_is_no_area_and_no_file_is_refused(three: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ICB 'QXX' is not known"):
        share("QXX", tmp_path / "a.zip", data=three, year=YEAR, reports=tmp_path)
    with pytest.raises(InputError, match=r"ends in \.zip"):
        share("QHL", tmp_path / "a.csv", data=three, year=YEAR, reports=tmp_path)


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
        words = [c["key"] for c in table.payload["columns"] if not c["number"] and c["key"] != "reason"]
        frame = pd.DataFrame(table.payload["rows"], columns=columns).drop(columns="reason", errors="ignore")
        found[table.name] = frame.set_index(words).apply(pd.to_numeric, errors="coerce")
    return found


#: Largest difference of each table of 03 between all rows and own rows with files, three areas of about 14,000 people.
#: Limits of differences are in the unit of the measure, over its reference.
LARGEST = {"Per person": 0.02, "All areas": 0.02, "Peers": 0.01}


@pytest.mark.notebook
def test_own_rows_with_the_others_files_are_the_pack_from_all_rows(
    alone: Path, club: Path, pack_of_three: Path, tmp_path: Path
) -> None:
    packs.execute(NOTEBOOKS["03"], tmp_path / "out.ipynb", {"data": str(alone), "compare": str(club)})
    theirs = _tables(read_section(pack_of_three / NOTEBOOKS["03"].name))
    section = read_section(tmp_path / "out.ipynb")
    ours = _tables(section)
    assert "Compared with 2 areas by the statistics that they share: QOP, QUA." in section.messages[0].text
    assert "England" not in section.messages[0].text
    # What is the area's own is the same to the last figure.
    for name, columns in {
        "Per person": ["value_gbp", "lower_95", "upper_95"],
        "Rates": ["pathways", "rate", "lower_95", "upper_95"],
        "Opportunity": ["value_gbp"],
    }.items():
        pd.testing.assert_frame_equal(theirs[name][columns], ours[name][columns])
    own = theirs["Per person"]
    for name, most in LARGEST.items():
        a, b = theirs[name].align(ours[name], join="outer")
        assert list(a.index) == list(b.index), name
        assert (a.isna() == b.isna()).all().all(), name
        size = own[["reference_gbp"]].to_numpy() if name == "Per person" else a.abs().clip(lower=1e-9)
        largest = float(np.nanmax(((a - b).abs() / size).to_numpy()))
        assert largest <= most, (name, largest)
    # What no file holds is said not to be comparable, and is never zero.
    assert ours["Drivers"]["difference_gbp"].isna().all()
    assert set(ours["Deprivation"].index.get_level_values(0)) == {"NHS Birmingham and Solihull ICB"}


@pytest.mark.notebook
def test_the_cost_of_a_pathway_beside_files_is_that_beside_rows_or_is_withheld(
    alone: Path, club: Path, pack_of_three: Path, tmp_path: Path
) -> None:
    """A reference that is told differs by no more than its step: what both leave rounded to, of some 40 pathways."""
    packs.execute(NOTEBOOKS["02"], tmp_path / "out.ipynb", {"data": str(alone), "compare": str(club)})
    section = read_section(tmp_path / "out.ipynb")
    theirs, ours = _tables(read_section(pack_of_three / NOTEBOOKS["02"].name)), _tables(section)
    assert "in the areas compared" in section.messages[0].text
    assert "Compared with 2 areas by the statistics that they share: QOP, QUA." in section.messages[0].text
    told = 0
    for name in ("By phase", "By setting", "By setting and phase"):
        a, b = theirs[name], ours[name]
        assert list(a.index) == list(b.index)
        both = a["mean_gbp"].notna() & b["mean_gbp"].notna()
        pd.testing.assert_frame_equal(a.loc[both, ["contacts", "mean_gbp"]], b.loc[both, ["contacts", "mean_gbp"]])
        pair = pd.DataFrame({"rows": a["reference_gbp"], "files": b["reference_gbp"]}).dropna()
        told += len(pair)
        assert ((pair["files"] - pair["rows"]).abs() <= 0.1 * pair["rows"].abs()).all(), pair
        # The reference is nowhere told where the area's own number is not.
        assert b.loc[b["contacts"].isna(), "reference_gbp"].isna().all()
    assert told >= 5
    assert ours["Outside share"]["reference_pct"].isna().all()
    assert ours["Flow"]["reference_cases"].isna().all()


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
