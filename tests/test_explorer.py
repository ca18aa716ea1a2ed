"""The explorer without a browser: views add up, only what may be shown can be opened, the page follows its controls."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from factories import make_tables, write_tables

from pathcost_lib import ledger, pathways, sources
from pathcost_lib.errors import InputError
from pathcost_lib.explore.explorer import BREAKDOWNS, Explorer, View
from pathcost_lib.explore.explorer_page import ExplorerPage
from pathcost_lib.packs import builder
from pathcost_lib.present.display import TABLE

#: What `factories` calls patients and contacts.
IDENTIFIERS = re.compile(r"\b[57]00000[0-9]{3}\b")
START = View("QZ1", "knee_replacement", "2024-25")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tables(tmp_path_factory.mktemp("data"), make_tables(patients=300))


@pytest.fixture(scope="module")
def explorer(folder: Path) -> Explorer:
    return Explorer(sources.open_dataset(folder))


@pytest.fixture
def page(explorer: Explorer, tmp_path: Path) -> ExplorerPage:
    return ExplorerPage(explorer, START, tmp_path / "explored")


def total(explorer: Explorer, view: View) -> float:
    """Return a view's mean per patient, before anything is suppressed, as the sum of its rows."""
    return float(explorer._compared(view, [view.breakdown])["mean_gbp"].sum())


@pytest.mark.unit
def test_down_and_back_is_where_one_was() -> None:
    down = START.into("A1")
    assert (down.breakdown, down.within) == ("phase", (("provider_code", "A1"),))
    assert down.below is None and down.into("assessment") is down
    assert replace(down, breakdown="currency_code").below is None
    assert down.back() == START == START.back()
    assert replace(START, breakdown="setting").into("admitted").breakdown == "provider_code"


@pytest.mark.property
@pytest.mark.parametrize("breakdown", list(BREAKDOWNS))
def test_every_breakdown_adds_up_to_the_same_pathway_cost_and_every_drill_to_its_row(
    explorer: Explorer, breakdown: str
) -> None:
    view = replace(START, breakdown=breakdown)
    whole = explorer._compared(view, [])["mean_gbp"].iloc[0]
    assert total(explorer, view) == pytest.approx(whole, abs=0.001)
    rows = explorer._compared(view, [breakdown])
    for row in rows.head(4).to_dict("records") if view.below else []:
        assert total(explorer, view.into(row[breakdown])) == pytest.approx(row["mean_gbp"])


@pytest.mark.unit
def test_a_view_is_the_national_summary_sliced(explorer: Explorer) -> None:
    data = explorer.dataset
    costed = ledger.cost_activity(data.activity, data.unit_costs, data.organisations, price_base="2024-25")
    every = [pathways.load_definition(name) for name in pathways.available()]
    links = pathways.link(costed, every, patients=data.patients).of("knee_replacement")
    cells = pathways.summarise(links, costed, by=["icb_code", "currency_code"], year="2024-25")
    wanted = cells[cells["icb_code"] == "QZ1"].set_index("currency_code")["mean_gbp"].to_dict()
    frame = explorer._compared(replace(START, breakdown="currency_code"), ["currency_code"])
    assert frame.set_index("currency_code")["mean_gbp"].to_dict() == pytest.approx(wanted)


@pytest.mark.slow
@pytest.mark.unit
def test_what_is_suppressed_cannot_be_opened(folder: Path, tmp_path: Path) -> None:
    """A provider outside the area with three contacts is not named in the choices, and its row bears no number."""
    tables = make_tables(patients=300)
    activity = tables["activity"]
    knees = activity[(activity["icb_code"] == "QZ1") & (activity["pod"] == "rehabilitation_day")].index[:3]
    activity.loc[knees, "provider_code"] = "C2"
    thin = Explorer(sources.open_dataset(write_tables(tmp_path, tables)))
    look = thin.look(START)
    frame = thin.disclosed(START).frame.set_index("provider_code")
    assert pd.isna(frame.loc["C2", "mean_gbp"]) and pd.isna(frame.loc["C2", "contacts"])
    assert "C2" not in look.choices.values() and "A1" in look.choices.values()
    # Alone it could be had by subtraction from the whole, so at least a second row goes with it.
    assert 2 <= frame["mean_gbp"].isna().sum() < len(frame)
    assert sum("*" in row for row in look.tables[0][TABLE]["rows"]) == frame["mean_gbp"].isna().sum()


@pytest.mark.slow
@pytest.mark.unit
def test_providers_are_not_compared_with_all_areas_but_parts_are(explorer: Explorer) -> None:
    assert explorer.disclosed(START).frame["reference_gbp"].isna().all()
    assert explorer.disclosed(START.into("A1")).frame["reference_gbp"].isna().all()
    by_phase = explorer.look(replace(START, breakdown="phase"))
    assert "England" in by_phase.headline and "95% interval" in by_phase.headline
    assert "of the activity expected" in by_phase.headline
    heads = [column["heading"] for column in by_phase.tables[0][TABLE]["columns"]]
    assert "England" in heads
    assert explorer.disclosed(replace(START, breakdown="phase")).frame["phase"].to_list() == [
        "assessment",
        "operation",
        "rehabilitation",
        "recovery",
    ]


@pytest.mark.slow
@pytest.mark.unit
def test_the_code_of_a_view_makes_the_view(explorer: Explorer) -> None:
    view = START.into("A1")
    made: dict[str, object] = {}
    exec(explorer.code(view), made)
    pd.testing.assert_frame_equal(made["table"], explorer.disclosed(view).frame)


@pytest.mark.unit
def test_starts_where_most_pathways_are_and_refuses_what_is_not_there(explorer: Explorer) -> None:
    assert explorer.start("knee_replacement").year == "2024-25"
    held = {icb: explorer._compared(replace(START, icb=icb), [])["pathways"].iloc[0] for icb in explorer.icbs}
    assert held[explorer.start("knee_replacement").icb] == max(held.values())
    with pytest.raises(InputError, match="hold no complete knee_replacement pathway that closes in 2023-24"):
        explorer.start("knee_replacement", year="2023-24")
    for wrong, said in (({"icb": "QZ9"}, "QZ9"), ({"breakdown": "colour"}, "Breakdown"), ({"year": "2031-32"}, "year")):
        with pytest.raises(InputError, match=said):
            explorer.look(replace(START, **wrong))


@pytest.mark.slow
@pytest.mark.unit
def test_the_page_follows_its_controls(page: ExplorerPage) -> None:
    first = page.figure.value, page.table.value, page.status.value, page.code.value
    page.icb.value = "QZ2"
    second = page.figure.value, page.table.value, page.status.value, page.code.value
    assert all(a != b for a, b in zip(first, second, strict=True))
    page.breakdown.value = "setting"
    assert "Primary care" in page.table.value and "breakdown='setting'" in page.code.value
    page.breakdown.value = "provider_code"
    page.inside.value = "A2"
    page.open.click()
    assert (page.breakdown.value, page.view.within) == ("phase", (("provider_code", "A2"),))
    assert "acute of QZ2 (A2)" in page.place.value and not page.back.disabled
    page.icb.value = "QZ3"
    assert page.view.within == () and page.back.disabled


@pytest.mark.unit
def test_what_cannot_be_shown_says_why_and_leaves_no_other_view_standing(page: ExplorerPage) -> None:
    page.year.value = "2023-24"
    assert "No knee_replacement pathway has a window that closes in 2023-24" in page.status.value
    assert (page.figure.value, page.table.value, page.basis.value) == ("", "", "")
    assert page.save.disabled and page.open.disabled
    page.year.value = "2024-25"
    assert "£" in page.table.value and not page.save.disabled


@pytest.mark.unit
def test_saving_makes_a_workbook_of_what_is_shown_and_of_nobody(page: ExplorerPage) -> None:
    page.show(START.into("A1"))
    page.save.click()
    (path,) = page.folder.iterdir()
    assert path.name == "QZ1-knee_replacement-2024-25-A1-by-phase.xlsx" and path.name in page.saved.value
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Contents", "View", "Cost basis", "Suppression", "Method"]
    sheet = {row[0]: row[1:] for row in book["View"].iter_rows(min_row=6, values_only=True)}
    frame = page.explorer.disclosed(page.view).frame.set_index("phase")
    for phase, contacts, mean in frame[["contacts", "mean_gbp"]].itertuples():
        shown = sheet[phase.capitalize()]
        assert shown[:2] == ("*", "*") if pd.isna(mean) else shown[:2] == (contacts, pytest.approx(mean))
    cells = " ".join(str(c) for s in book for row in s.iter_rows(values_only=True) for c in row)
    for said in (cells, page.table.value, page.figure.value, page.status.value, page.code.value):
        assert not IDENTIFIERS.search(said)


@pytest.mark.unit
def test_start_and_explore_are_not_pack_notebooks() -> None:
    assert {"00_start_here", "explore"}.isdisjoint(path.stem for path in builder.production_notebooks())
