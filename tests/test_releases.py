"""What may be published: a fixed grid of definitions, and nothing that differs by few people from what is out."""

from __future__ import annotations

import io
import json
import os
import re
import stat
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pypdf
import pytest
from pptx import Presentation

from pathcost_lib import present
from pathcost_lib.errors import InputError
from pathcost_lib.packs import releases
from pathcost_lib.packs.document import Document, Section, Table
from pathcost_lib.packs.order import production_notebooks
from pathcost_lib.packs.render import FORMATS
from pathcost_lib.packs.runner import parameters_of
from pathcost_lib.present import display

DEFAULTS = {n.stem: {name: p.default for name, p in parameters_of(n).items()} for n in production_notebooks()}


def _with(notebook: str, **values: Any) -> list[str]:
    return releases.outside_grid({notebook: {**DEFAULTS[notebook], **values}}, DEFAULTS)


@pytest.mark.unit
def test_the_default_pack_of_any_area_year_and_shipped_pathway_is_in_the_grid() -> None:
    assert releases.outside_grid(DEFAULTS, DEFAULTS) == []
    assert _with("02_pathway_cost", icb="QE1", year="2023-24", pathway="stroke", price_base="2023-24", draws=50) == []
    assert _with("05_demand_growth", scenario="do_nothing") == []


@pytest.mark.unit
@pytest.mark.parametrize(
    ("notebook", "values"),
    [
        ("02_pathway_cost", {"fewest": 9}),
        ("02_pathway_cost", {"definition_file": "/home/me/own.toml"}),
        ("02_pathway_cost", {"pathway": "own"}),
        ("02_pathway_cost", {"price_base": "2021-22"}),
        ("03_icb_variation", {"own_peers": "QE1"}),
        ("04_outliers", {"threshold": 11.0}),
        ("05_demand_growth", {"scenario": "/home/me/own.toml"}),
        ("01_data_quality", {"as_of": "2025-03-01"}),
        ("07_value", {"seed": 1}),
    ],
)
def test_what_moves_who_is_counted_is_outside_the_grid_and_named_without_its_folder(
    notebook: str, values: dict[str, Any]
) -> None:
    outside = _with(notebook, **values)
    assert len(outside) == 1 and next(iter(values)) in outside[0] and "/home" not in outside[0]


@pytest.mark.unit
def test_every_parameter_of_every_production_notebook_is_in_the_table() -> None:
    assert {name for found in DEFAULTS.values() for name in found} <= releases.PARAMETERS.keys()


@pytest.mark.unit
def test_a_parameter_that_is_not_in_the_table_is_taken_to_move_people() -> None:
    assert releases.outside_grid({"09_x": {"window": 30}}, {"09_x": {"window": 90}}) == ["window = 30 (09_x)"]


def _payloads(pathways: list[int], mean: float = 9000.0) -> dict[str, list[dict[str, Any]]]:
    table = pd.DataFrame({"phase": list("ab"), "pathways": pathways, "mean_gbp": [mean, 4000.0]})
    shown = present.disclose(table, counts="pathways", of={"what": "closed pathways", "icb_code": "QHL"}, in_order=True)
    return {"02_x": [display.table_bundle(shown, name="t", title="By phase")[display.TABLE]]}


@pytest.mark.unit
@pytest.mark.parametrize(
    ("pathways", "mean", "refused"),
    [
        ([21, 40], 9000.0, False),  # one more of the same class: the same release
        ([21, 40], 9100.0, False),  # and a mean that has not moved by a step
        ([23, 40], 9000.0, True),  # three late rows cross into the next class
        ([20, 40], 10000.0, True),  # the mean has moved, the count has not
        ([26, 40], 9000.0, True),  # from 20 to 25, perhaps by one
        ([36, 40], 9000.0, False),  # by 11 at least
        ([7, 40], 9000.0, False),  # to a star: by eleven at least
        ([20, 5], 9000.0, False),
    ],
)
def test_a_row_that_may_have_changed_by_fewer_than_eight_people_is_refused(
    tmp_path: Path, pathways: list[int], mean: float, refused: bool
) -> None:
    """By hand, from 20 and 40 patients."""
    file = tmp_path / releases.NAME
    releases.record("2024-25/QHL", releases.released_rows(_payloads([20, 40])), file)
    now = releases.released_rows(_payloads(pathways, mean))
    if not refused:
        releases.refuse_few(now, file)
        return
    with pytest.raises(InputError, match=r"1 rows would differ .* 02_x: By phase\. The pack that is there") as said:
        releases.refuse_few(now, file)
    assert "9000" not in str(said.value)


@pytest.mark.unit
def test_the_list_is_the_users_alone_and_holds_no_number_but_rounded_counts(tmp_path: Path) -> None:
    file = tmp_path / releases.NAME
    rows = releases.released_rows(_payloads([20, 40], mean=9130.0))
    releases.record("2024-25/QHL", rows, file)
    assert os.name != "posix" or stat.S_IMODE(file.stat().st_mode) == 0o600
    held = json.loads(file.read_text())["packs"]["2024-25/QHL"]
    assert [row["counts"] for row in held.values()] == [[20], [40]]
    assert all(re.fullmatch("[0-9a-f]{32}", row["numbers"]) for row in held.values())
    assert not {"9130", "9100", "9000", "4000"} & set(re.findall(r"[0-9.]+", file.read_text()))


@pytest.mark.unit
def test_a_list_of_the_version_before_is_still_compared_with(tmp_path: Path) -> None:
    file = tmp_path / releases.NAME
    now = releases.released_rows(_payloads([20, 40]))
    before = {d: {**row, "numbers": [20, 9000]} for d, row in now.items()}
    file.write_text(json.dumps({"format": 1, "packs": {"2024-25/QHL": before}}))
    with pytest.raises(InputError, match="rows would differ"):
        releases.refuse_few(releases.released_rows(_payloads([23, 40])), file)


@pytest.mark.unit
def test_another_definition_is_another_row_and_a_damaged_list_is_refused(tmp_path: Path) -> None:
    file = tmp_path / releases.NAME
    releases.record("2024-25/QHL", releases.released_rows(_payloads([20, 40])), file)
    other = _payloads([23, 40])
    other["02_x"][0]["of"]["icb_code"] = "QE1"
    releases.refuse_few(releases.released_rows(other), file)
    assert json.loads(file.read_text())["packs"].keys() == {"2024-25/QHL"}
    file.write_text("{")
    with pytest.raises(InputError, match="Put back the one that was there"):
        releases.refuse_few({}, file)


@pytest.mark.unit
def test_a_pack_outside_the_grid_says_so_on_every_page_of_every_format() -> None:
    sections = [Section(f"0{n}_x", f"Part {n}", (Table(_payloads([20, 40])["02_x"][0]),)) for n in (2, 3)]
    plain = Document("An ICB", "QHL", "2024-25", "", tuple(sections))
    words = f"{releases.NOT_FOR_PUBLICATION}: fewest = 9 (02_pathway_cost)."
    files = {name: form.write(replace(plain, restricted=words)) for name, form in FORMATS.items()}
    assert words in files["html"].decode()
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(files["pdf"])).pages]
    assert len(pages) > 2 and all(words in " ".join(page.split()) for page in pages)
    slides = Presentation(io.BytesIO(files["pptx"])).slides
    assert all(words in [shape.text_frame.text for shape in s.shapes if shape.has_text_frame] for s in slides)
    book = openpyxl.load_workbook(io.BytesIO(files["xlsx"]))
    assert book.worksheets[0]["A3"].value == words
    assert all(words in (sheet.oddHeader.center.text or "") for sheet in book.worksheets)
    for name, form in FORMATS.items():
        raw = form.write(plain)
        text = raw if name != "xlsx" else b"".join(map(zipfile.ZipFile(io.BytesIO(raw)).read, ["xl/sharedStrings.xml"]))
        assert releases.NOT_FOR_PUBLICATION.encode() not in text
