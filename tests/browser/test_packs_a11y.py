"""A pack and the page over all packs in a real browser: axe finds nothing, nothing is cut off or leaves the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from pathcost_lib import present
from pathcost_lib.packs.document import Document, Figure, Message, PackSummary, Prose, Section, Table
from pathcost_lib.packs.index import render_index
from pathcost_lib.packs.render import render_html
from pathcost_lib.present import display, shapes

pytestmark = pytest.mark.end_to_end

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
SIZES = {"wide": 1280, "phone": 390, "small phone": 320}


def _document() -> Document:
    names = [f"A provider with quite a long name number {n}" for n in range(6)]
    frame = pd.DataFrame({"provider": names, "contacts": [3, 10, 20, 30, 40, 50], "mean_gbp": [1234567.5] * 6})
    for column in ("lower_95", "upper_95", "reference_gbp", "reference_lower_95", "reference_upper_95"):
        frame[column] = frame["mean_gbp"] * 1.1
    safe, said = present.disclose(frame, counts="contacts"), {"by": "provider", "area": "NHS Area ICB"}
    alt = shapes.describe_against_reference(safe.frame, **said)
    bundle = display.figure_bundle(shapes.against_reference, safe, name="f", title="Cost", alt=alt, note="N.", **said)
    words = {key: bundle[display.FIGURE][key] for key in ("name", "title", "alt", "note", "narrow")}
    table = display.table_bundle(safe, name="t", title="Cost by provider", note="A note.")[display.TABLE]
    blocks = (
        Message("A line of the cover.", "Decide on something."),
        Prose("## A part\n\nSome *words* and `code`.\n\n- one\n- two\n\n### A smaller part\n\nMore."),
        Figure(wide=bundle["image/svg+xml"], **words),
        Table(table),
        Table({**table, "sheet_only": True}),
    )
    facts = (("Made with", "pathcost"), ("From data", "a" * 64))
    return Document("NHS Area ICB", "QZ1", "2024-25", "About.", (Section("02_x", "What it costs", blocks),), facts)


def _lines() -> list[PackSummary]:
    figure = {"heading": "Cost per patient", "kind": "gbp", "lower": 1.0, "upper": 99_999.0}
    codes = ["QHL", "QOP", "QMF", "QT6"]
    held = [({**figure, "value": value},) for value in (300.0, 20.0, 1000.0)]
    built = [PackSummary(c, f"NHS {c} ICB", f"{c}/board-pack.html", f) for c, f in zip(codes, held, strict=False)]
    return [*built, PackSummary(codes[3], "NHS QT6 ICB", "", (), ("02_x.ipynb, cell 3: no.",)), PackSummary("QZ9", "X")]


@pytest.fixture(params=["pack", "index"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    page = tmp_path / f"{request.param}.html"
    made = {"pack": lambda: render_html(_document()), "index": lambda: render_index(_lines(), year="2024-25")}
    page.write_text(made[request.param](), encoding="utf-8")
    return page


@pytest.fixture
def pages(browser: Browser) -> Iterator[Any]:
    contexts = []

    def opened(path: Path, width: int, scheme: Any = "light") -> tuple[Page, list[str]]:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page, left = context.new_page(), list[str]()
        page.on("request", lambda request: left.append(request.url))
        page.on("console", lambda said: left.append(said.text))
        page.goto(path.as_uri())
        return page, [item for item in left if not item.startswith(("file:", "data:"))]

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_nothing_and_nothing_leaves_the_file(pages: Any, path: Path, size: str, scheme: str) -> None:
    page, left = pages(path, SIZES[size], scheme)
    found = Axe().run(page, options={**RULES, "resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()
    assert left == []


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_the_page_fits_its_width_and_what_is_wider_scrolls_by_itself(pages: Any, path: Path, size: str) -> None:
    page, _ = pages(path, SIZES[size])
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]
    small = "[...document.querySelectorAll('button, nav a, .map a')].filter(e => e.getBoundingClientRect().height < 24)"
    assert page.evaluate(f"{small}.length") == 0


@pytest.mark.slow
def test_the_table_of_packs_sorts_by_key_and_says_so(pages: Any, tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    path.write_text(render_index(_lines(), year="2024-25"), encoding="utf-8")
    page, left = pages(path, 1280)
    codes = "[...document.querySelectorAll('tbody tr')].map(row => row.cells[1].textContent)"
    page.get_by_role("button", name="Cost per patient").press("Enter")
    assert page.evaluate(codes)[:3] == ["QOP", "QHL", "QMF"]
    page.get_by_role("button", name="Cost per patient").press("Enter")
    assert page.evaluate(codes)[:3] == ["QMF", "QHL", "QOP"]
    assert page.get_by_role("status").inner_text() == "Sorted by Cost per patient, descending"
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    assert left == []


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_a_click_on_a_number_shows_its_address_and_what_it_is(pages: Any, tmp_path: Path, size: str) -> None:
    document = _document()
    (section,) = document.sections
    blocks = tuple(Table(b.payload, "02_x") if isinstance(b, Table) else b for b in section.blocks)
    path = tmp_path / "pack.html"
    path.write_text(render_html(replace(document, sections=(replace(section, blocks=blocks),))), encoding="utf-8")
    page, left = pages(path, SIZES[size])
    said = page.locator("#explained")
    page.locator("table[data-address] td.number").nth(1).click()
    assert "Address: 02/t/a_provider_with_quite_a_long_name_number_0/mean_gbp" in said.inner_text()
    assert "Mean cost of a patient's pathway" in said.inner_text()
    assert Axe().run(page, options=RULES).violations_count == 0
    page.keyboard.press("Escape")
    assert said.inner_text() == ""
    # Without a mouse: the list under the table names its address and what each column is.
    page.locator(".explain summary").first.focus()
    page.keyboard.press("Enter")
    assert "Address of the table: 02/t" in page.locator(".explain").first.inner_text()
    assert left == []
