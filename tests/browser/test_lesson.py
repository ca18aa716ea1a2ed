"""A learner's way through an exercise, in a real browser: wrong answer, hint, right answer, progress saved."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from test_explore import SLOW, picture, run_all

pytestmark = pytest.mark.end_to_end


@pytest.fixture
def lesson(serve: Callable[..., str], watch: Callable[..., object], tmp_path: Path) -> tuple[Page, Path]:
    """Lesson 2 as `pathcost teach start 2` opens it, run from top to bottom; and the learner's folder."""
    page = watch().page  # type: ignore[attr-defined]
    page.goto(serve("teach", "start", "2", home=tmp_path, data=False), timeout=SLOW)
    expect(page.get_by_role("heading", name="Lesson 2: the million pound cut")).to_be_visible(timeout=SLOW)
    run_all(page)
    expect(page.get_by_text("2.4 Not answered yet.")).to_be_attached(timeout=SLOW)
    return page, tmp_path / "data" / "own" / "teaching"


def answer(page: Page, name: str, working: str) -> None:
    """Write the working in place of what the cell holds, and run it and the check below it."""
    cell = page.locator(".jp-CodeCell", has_text=f"{name} = ").first
    cell.scroll_into_view_if_needed()
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.type(f"{name} = {working}")
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")


@pytest.mark.slow
def test_a_learner_goes_from_a_hint_to_a_pass_that_is_saved(lesson: tuple[Page, Path]) -> None:
    page, folder = lesson
    assert [path.name for path in folder.glob("*.ipynb")] == ["02_the_million_pound_cut.ipynb"]
    assert not (folder / "progress.json").exists()
    picture(page, "lesson-opened")
    answer(page, "answer_1", "1_600_000 * 0.60")
    verdict = page.get_by_role("status").filter(has_text="2.1")
    expect(verdict).to_contain_text("Not yet. You took the fixed share. Fixed cost is what stays")
    picture(page, "lesson-hint")
    assert json.loads((folder / "progress.json").read_text())["2.1"] == {"tries": 1, "passed_on": None}
    answer(page, "answer_1", "1_600_000 * 0.25")
    expect(verdict).to_contain_text("Right. Only the variable part goes with the patients.")
    expect(verdict).to_contain_text("Saved in your progress.")
    picture(page, "lesson-passed")
    held = json.loads((folder / "progress.json").read_text())
    assert held["2.1"]["tries"] == 2
    assert held["2.1"]["passed_on"]
    assert list(held) == ["2.1"]


@pytest.mark.slow
def test_the_slider_moves_the_numbers(lesson: tuple[Page, Path]) -> None:
    page, _ = lesson
    told = page.get_by_text("trust −£500,000")
    told.scroll_into_view_if_needed()
    page.get_by_role("slider").first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("trust −£550,000")).to_be_visible()
    picture(page, "lesson-slider")
