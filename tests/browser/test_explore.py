"""JupyterLab and the explorer as people meet them: in a browser, by mouse and keyboard, with nothing from outside."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.end_to_end

SLOW = 180_000
CONTROLS = ["Area (ICB)", "Pathway", "Window closes in", "Break down by", "Look inside"]


def picture(page: Page, name: str) -> None:
    """Keep a picture for whoever wants to look, where PATHCOST_PICTURES says."""
    if folder := os.environ.get("PATHCOST_PICTURES"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


@pytest.fixture(scope="module")
def lab(serve: Callable[..., str]) -> str:
    return serve("lab")


@pytest.fixture(scope="module")
def voila(serve: Callable[..., str]) -> str:
    return serve("explore")


@pytest.fixture
def watched(watch):
    """A page of which nothing may be amiss at the end: no error said, no request to anywhere else."""
    seen = watch()
    yield seen
    assert seen.errors == []
    assert seen.left == []


def run_all(page: Page) -> None:
    """Run all cells; what is run before the kernel is ready is lost, so ask until the first cell has a star."""
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=SLOW)
    prompt = page.locator(".jp-CodeCell .jp-InputPrompt:visible").first
    for _ in range(12):
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        page.wait_for_timeout(3_000)
        if prompt.inner_text().strip() != "[ ]:":
            return
    raise AssertionError("the cells do not run")


def explorer_in_lab(page: Page, address: str) -> Locator:
    # A workspace of its own, so that only this notebook is open.
    page.goto(address.replace("/lab/tree/00_start_here", "/lab/workspaces/explore/tree/explore"), timeout=SLOW)
    run_all(page)
    return shown(page)


def shown(page: Page) -> Locator:
    box = page.locator(".pathcost-explorer")
    expect(box.locator("figure img")).to_be_visible(timeout=SLOW)
    return box


def explorer_in_voila(page: Page, address: str) -> Locator:
    page.goto(address, timeout=SLOW)
    return shown(page)


OPENED = {"lab": explorer_in_lab, "voila": explorer_in_voila}


@pytest.mark.slow
def test_lab_opens_at_the_start_notebook_which_runs_from_top_to_bottom(watched, lab: str):
    page = watched.page
    page.goto(lab, timeout=SLOW)
    expect(page.get_by_role("heading", name="Start here")).to_be_visible(timeout=SLOW)
    run_all(page)
    outputs = page.locator(".jp-Notebook .jp-OutputArea-output")
    expect(outputs.filter(has_text="per patient (95% interval")).to_be_visible(timeout=SLOW)
    expect(outputs.filter(has_text="rules checked")).to_be_visible()
    expect(outputs).to_have_count(3)
    assert page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').count() == 0
    assert page.locator('[data-mime-type="application/vnd.jupyter.error"]').count() == 0
    expect(outputs.last.locator("img")).to_have_js_property("complete", True)
    picture(page, "start")


def controls_change_figure_and_table_and_a_row_opens(explorer: Locator):
    image, table, status = (
        explorer.locator(s) for s in ("figure img", ".pathcost-table table >> nth=0", "p[role=status] >> nth=0")
    )
    before = image.get_attribute("src"), table.inner_text(), status.inner_text()
    explorer.get_by_label("Break down by").select_option("Phase")
    expect(table).to_contain_text("Rehabilitation")
    expect(table).to_contain_text("England")
    assert image.get_attribute("src") != before[0] and "Rehabilitation: £" in image.get_attribute("alt")
    assert image.evaluate("i => i.complete && i.naturalWidth > 300")
    explorer.get_by_label("Area (ICB)").select_option("ICB QZ2 (QZ2)")
    expect(status).to_contain_text("ICB QZ2")
    explorer.get_by_label("Break down by").select_option("Provider of the care")
    explorer.get_by_label("Look inside").select_option("acute of QZ2 (A2)")
    explorer.get_by_role("button", name="Open").click()
    expect(explorer.locator(".pathcost-place")).to_contain_text("acute of QZ2 (A2)")
    expect(table).to_contain_text("Rehabilitation")
    # A phase's currencies within a provider would be one split too many: all views are settled together.
    expect(explorer.get_by_role("button", name="Open")).to_be_disabled()
    assert "within=(('provider_code', 'A2'),)" in explorer.get_by_label("Code that makes this view").input_value()


def what_cannot_be_shown_is_said_and_a_view_is_saved_to_excel(explorer: Locator, tmp_path: Path):
    status = explorer.locator("p[role=status]").first
    explorer.get_by_label("Window closes in").select_option("2023-24")
    expect(status).to_contain_text("closes in 2023-24 and lies wholly in the data")
    expect(explorer.locator("figure")).to_have_count(0)
    explorer.get_by_label("Window closes in").select_option("2024-25")
    expect(explorer.locator("figure img")).to_be_visible()
    explorer.get_by_role("button", name="Save to Excel").click()
    link = explorer.get_by_role("link", name=re.compile("^Download .*xlsx$"))
    expect(link).to_be_visible()
    with explorer.page.expect_download() as taken:
        link.click()
    taken.value.save_as(tmp_path / "view.xlsx")
    rows = list(openpyxl.load_workbook(tmp_path / "view.xlsx")["View"].iter_rows(min_row=5, values_only=True))
    assert rows[0][0] == "Phase" and isinstance(rows[1][2], int | float)


def every_control_is_reached_by_tab_with_its_focus_to_be_seen(explorer: Locator):
    page = explorer.page
    explorer.get_by_label("Area (ICB)").focus()
    reached = []
    for _ in range(14):
        focus = page.evaluate(
            "() => { const e = document.activeElement, s = getComputedStyle(e), l = e.labels && e.labels[0];"
            " return [l ? l.innerText : e.getAttribute('aria-label') || e.innerText, s.outlineStyle, s.outlineWidth] }"
        )
        reached.append(focus)
        page.keyboard.press("Tab")
    names = [name.strip() for name, _, _ in reached]
    for name in (*CONTROLS, "Open", "Save to Excel", "Code that makes this view"):
        assert name in names, names
    seen = {name.strip(): (style, width) for name, style, width in reached}
    assert all(seen[name] == ("solid", "3px") for name in (*CONTROLS, "Open", "Save to Excel"))
    explorer.get_by_label("Break down by").focus()
    page.keyboard.press("S")
    expect(explorer.locator(".pathcost-table").first).to_contain_text("Primary care")


@pytest.mark.slow
@pytest.mark.parametrize("place", ["lab", "voila"])
def test_the_explorer_by_mouse_and_by_keyboard(place: str, watched, request: pytest.FixtureRequest, tmp_path: Path):
    explorer = OPENED[place](watched.page, request.getfixturevalue(place))
    picture(watched.page, place)
    controls_change_figure_and_table_and_a_row_opens(explorer)
    picture(watched.page, f"{place}-drilled")
    what_cannot_be_shown_is_said_and_a_view_is_saved_to_excel(explorer, tmp_path)
    every_control_is_reached_by_tab_with_its_focus_to_be_seen(explorer)


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_keeps_within_its_width(watch, voila: str, width: int):
    seen = watch(width, 2400)
    box = explorer_in_voila(seen.page, voila)
    picture(seen.page, f"voila-{width}")
    wide = box.evaluate(
        "b => [...b.querySelectorAll('select, button, figure, .scroll, p')].map(e => e.getBoundingClientRect().right)"
    )
    assert max(wide) <= width
    assert box.locator("figure img").evaluate("i => i.currentSrc") == box.locator(
        "figure source" if width < 640 else "figure img"
    ).get_attribute("srcset" if width < 640 else "src")
    assert seen.errors == seen.left == []
