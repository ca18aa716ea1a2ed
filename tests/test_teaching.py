"""Checks answer back and never say the answer; copies are current; worked examples are those of their sources."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from pathcost_lib.benchmark import standards
from pathcost_lib.errors import InputError
from pathcost_lib.teaching import build, check, example, lines, predict, progress, words
from pathcost_lib.teaching.checks import judge
from pathcost_lib.teaching.exercises import Exercise, find, lessons

TASKS = [task for lesson in lessons() for task in lesson.exercises]
NUMBERS = [task for task in TASKS if task.unit != "choice"]
MASTERS = build.masters()
COPIES = [path.parent.parent / path.name for path in MASTERS]

each_task = pytest.mark.parametrize("task", TASKS, ids=lambda t: t.id)
each_number = pytest.mark.parametrize("task", NUMBERS, ids=lambda t: t.id)
each_master = pytest.mark.parametrize("path", MASTERS, ids=lambda p: p.stem)
each_copy = pytest.mark.parametrize("path", COPIES, ids=lambda p: p.stem)


@pytest.fixture(autouse=True)
def learner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATHCOST_LEARNER", str(tmp_path / "learner"))
    return tmp_path / "learner"


def variants(task: Exercise) -> Iterator[object]:
    """The right answer as learners give it: exact, to the pence, as asked, in every type a notebook may hold."""
    exact = float(task.answer)
    places = round(-np.log10(2 * task.tolerance))
    rounded = round(exact, places) if places else round(exact)
    for value in (exact, rounded, round(exact, max(places, 2))):
        yield from (value, Decimal(repr(value)), Fraction(repr(value)), np.float64(value), np.array(value))
        yield from (pd.Series([value]).iloc[0], pd.Series([value]), pd.Series([value], dtype="Float64"), [value])
        yield from (np.array([value]), pd.DataFrame({"a": [value]}))
    if places == 0 or exact == int(exact):
        whole = round(exact)
        yield from (whole, np.int64(whole), pd.Series([whole], dtype="Int64").iloc[0], Decimal(whole))


@pytest.mark.unit
@each_number
def test_the_right_answer_passes_in_every_natural_form(task: Exercise) -> None:
    for answer in variants(task):
        assert judge(task, answer).passed, f"{answer!r} of {type(answer)}"


@pytest.mark.unit
@each_task
def test_every_named_mistake_has_its_own_hint_and_is_not_right(task: Exercise) -> None:
    assert len(task.mistakes) >= 1
    assert len({mistake.name for mistake in task.mistakes}) == len(task.mistakes)
    for mistake in task.mistakes:
        verdict = judge(task, mistake.value)
        assert not verdict.passed, mistake.name
        assert verdict.text == mistake.hint, f"{mistake.name}: {verdict.text}"


@pytest.mark.unit
@pytest.mark.parametrize("kind", ["thousands for pounds", "pence for pounds", "share for", "mean of", "ratio", "sign"])
def test_each_usual_kind_of_mistake_is_known_somewhere(kind: str) -> None:
    assert any(kind in mistake.name for task in TASKS for mistake in task.mistakes)
    assert sum("wrong denominator" in mistake.name for task in TASKS for mistake in task.mistakes) >= 3


@pytest.mark.unit
@each_number
def test_nothing_that_is_said_holds_the_answer(task: Exercise) -> None:
    said = [task.right, task.hint, *(mistake.hint for mistake in task.mistakes)]
    for text in said:
        for number in re.findall(r"\d[\d,]*(?:\.\d+)?", text):
            value = float(number.replace(",", ""))
            assert all(abs(value * size - abs(float(task.answer))) > task.tolerance for size in (1, 1e3, 1e6)), text


@pytest.mark.property
@settings(max_examples=200)
@given(st.sampled_from(NUMBERS), st.floats(allow_nan=False, allow_infinity=True))
def test_any_other_number_gets_a_hint_and_not_the_answer(task: Exercise, answer: float) -> None:
    verdict = judge(task, answer)
    right = abs(answer - float(task.answer)) <= task.tolerance * 1.01
    assert verdict.passed == right or abs(answer - float(task.answer)) < task.tolerance * 1.02
    assert verdict.text
    assert f"{task.answer:g}" not in verdict.text.split()


@pytest.mark.unit
def test_what_is_no_number_is_refused_kindly() -> None:
    task = find("2.1")
    assert judge(task, ...).state == judge(task, None).state == "Not answered yet"
    for text in ("400000", "£400,000"):
        assert "no quotes, no pound sign, no comma" in judge(task, text).text
    assert "holds 2 values" in judge(task, pd.Series([400_000, 1])).text
    assert "holds 0 values" in judge(task, []).text
    for nothing in (float("nan"), np.nan, pd.NA, Decimal("NaN"), np.array(np.nan)):
        assert "not a number" in judge(task, nothing).text
    for other in (True, np.True_, 1j, {"a": 1}, print):
        assert "Give one number" in judge(task, other).text
    assert "rounded a step" in judge(task, 400_900).text
    assert judge(task, 123).text == task.hint
    with pytest.raises(InputError, match=r"Exercise '2\.9' is not known"):
        check("2.9", 1)


@pytest.mark.unit
def test_a_choice_takes_its_words_in_any_case_and_lists_them() -> None:
    assert judge(find("3.4"), " No ").passed
    assert "with one of these words, in quotes: no, yes" in judge(find("3.4"), 3).text


@pytest.mark.unit
def test_a_prediction_is_answered_with_what_came_out() -> None:
    assert predict(..., 500).startswith("Predict first")
    assert predict("500", 500).startswith("That is text")
    assert predict(Decimal(500), 500.4) == "You predicted £500. It is £500. Spot on."
    assert predict(-3, -2.93, unit="%", places=1).startswith("You predicted -3.0%. It is -2.9%. Before")
    assert predict(100, 500).startswith("You predicted £100. It is £500. Before")


@pytest.mark.unit
def test_verdict_shows_itself_in_words_and_is_escaped() -> None:
    shown = judge(find("2.1"), 1_600_000)._repr_html_()
    assert "2.1 Not yet.</strong>" in shown
    assert 'role="status"' in shown
    assert repr(judge(find("2.1"), 400_000)).startswith("2.1 Right.")
    assert "<b>" not in judge(find("2.1"), "<b>")._repr_html_()


@pytest.mark.unit
def test_progress_counts_tries_keeps_passes_and_leaves_nothing_half_written(learner: Path) -> None:
    assert check("2.1", ...).note == ""
    assert not learner.exists()
    assert check("2.1", 1).note == ""
    assert check("2.1", 400_000).note == "Saved in your progress."
    check("2.1", 1)
    held = json.loads((learner / "progress.json").read_text())
    assert held["2.1"]["tries"] == 3
    assert held["2.1"]["passed_on"]
    assert list(progress.passed()) == ["2.1"]
    assert [path.name for path in learner.iterdir()] == ["progress.json"]
    row = progress.summary().set_index("lesson").loc[2]
    assert (row["passed"], row["exercises"], row["to_do"]) == (1, 4, "2.2, 2.3, 2.4")


@pytest.mark.unit
@pytest.mark.parametrize("text", ["", "[]", "{", '{"2.1": 3}', '{"2.1": {"tries": 1}}'])
def test_a_spoilt_progress_file_is_kept_and_does_not_stop_the_lesson(learner: Path, text: str) -> None:
    learner.mkdir()
    (learner / "progress.json").write_text(text)
    verdict = check("2.1", 400_000)
    assert verdict.passed
    assert "is not a progress file" in verdict.note
    assert (learner / "progress.json").read_text() == text


@pytest.mark.unit
def test_a_master_is_no_progress(learner: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "masters").mkdir()
    monkeypatch.chdir(tmp_path / "masters")
    assert check("2.1", 400_000).note == "A master: not saved."
    assert not learner.exists()


@pytest.mark.unit
def test_names_at_the_ends_of_lines_do_not_lie_on_each_other() -> None:
    from matplotlib.figure import Figure

    table = pd.DataFrame({"year": [0, 1], "cost_gbp": [0, 10.0], "funding_gbp": [0, 10.1], "gap_gbp": [0, 1.0]})
    ax = lines(Figure().add_subplot(), table, x="year", y=["cost_gbp", "funding_gbp", "gap_gbp"])
    heights = sorted(text.xy[1] for text in ax.texts)
    assert min(np.diff(heights)) >= 0.05 * ax.get_ylim()[1]
    assert {text.get_text() for text in ax.texts} == {"Cost", "Funding", "Gap"}
    assert len({line.get_color() for line in ax.lines}) == 3


@pytest.mark.unit
def test_a_lessons_rows_become_the_suites_tables() -> None:
    did = pd.DataFrame({"pod": ["elective"], "currency": ["HN22E"], "trust": ["NORTH"], "nights": [2], "day": [3]})
    prices = pd.DataFrame({"pod": ["elective"], "currency": ["*"], "unit_cost_gbp": [12.3456]})
    data = example(did, prices, {"NORTH": 1.1})
    row = data.activity.to_pandas().iloc[0]
    assert (str(row["start_date"])[:10], str(row["end_date"])[:10]) == ("2024-06-04", "2024-06-06")
    assert (row["setting"], row["length_of_stay_days"], row["units"]) == ("admitted", 2, 1)
    assert data.unit_costs.to_pandas().iloc[0][["unit_cost", "unit"]].tolist() == [123_456, "spell"]
    assert data.organisations.to_pandas()["mff"].tolist() == [1.1]


# --- masters and copies


@pytest.mark.unit
def test_learner_copies_are_current() -> None:
    stale = [str(path) for path, text in build.copies().items() if path.read_text(encoding="utf-8") != text]
    assert not stale, "run `pathcost teach build`"
    held = sorted(COPIES[0].parent.glob("*.ipynb"))
    assert held == COPIES


@pytest.mark.unit
@each_master
def test_a_copy_holds_no_solution(path: Path) -> None:
    master = nbformat.read(path, as_version=4)
    copy = nbformat.read(path.parent.parent / path.name, as_version=4)
    lines = {line.strip() for cell in copy.cells for line in cell.source.splitlines()}
    solutions = [cell for cell in master.cells if "solution" in cell.metadata.get("tags", [])]
    assert len(solutions) >= 4
    for cell in solutions:
        kept = {line.strip() for line in cell.source.splitlines() if line.strip() and not line.startswith("#")}
        assert not kept & lines
    assert not any("solution" in cell.metadata.get("tags", []) for cell in copy.cells)
    blanks = [cell.source for cell in copy.cells if "answer" in cell.metadata.get("tags", [])]
    assert all(re.search(r"^\w+ = \.\.\.$", source, re.MULTILINE) for source in blanks)


@pytest.mark.unit
@each_copy
def test_a_copy_does_not_say_an_answer_anywhere(path: Path) -> None:
    lesson = next(item for item in lessons() if item.stem == path.stem)
    told = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells).replace(",", "").replace("_", "")
    for task in (task for task in lesson.exercises if task.unit != "choice" and abs(float(task.answer)) >= 1_000):
        assert not re.search(rf"(?<!\d){round(abs(float(task.answer)))}(?!\d)", told), task.id


@pytest.mark.unit
@pytest.mark.parametrize("path", [*MASTERS, *COPIES], ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_cells_are_short_and_clean(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    sizes = [len(cell.source.splitlines()) for cell in notebook.cells if cell.cell_type == "code"]
    assert max(sizes) <= 10
    assert np.mean(sizes) <= 4.5
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.unit
@each_master
def test_a_lesson_has_all_its_parts(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    lesson = next(item for item in lessons() if item.stem == path.stem)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert f"**{lesson.minutes} minutes**" in text
    parts = ["**For**", "**Before this**", "invented", "## You will be able to", "## Why it matters"]
    parts += ["Worked example", "## Predict, then run", "## Exercises", "## Common mistakes", "## Recap"]
    capstone = {"## Why it matters", "Worked example", "## Predict, then run", "## Exercises"}
    for part in [*parts, "## Try it on the real sample"]:
        assert part in text or (lesson.number == 11 and part in capstone), part
    goals = re.search(r"## You will be able to\n\n((?:\d\. .+\n?)+)", text)
    assert goals
    assert 3 <= len(goals[1].strip().splitlines()) <= 4
    assert re.findall(r'check\("([\d.]+)"', code) == [task.id for task in lesson.exercises]
    assert re.findall(r"### Exercise ([\d.]+)", text) == [task.id for task in lesson.exercises]
    assert 2 <= len(lesson.exercises) <= 4
    assert 30 <= lesson.minutes <= 45 or lesson.number == 11
    assert "print(predict(guess" in code
    assert "show(" in code or lesson.number == 5


@pytest.mark.unit
def test_some_lessons_have_a_slider() -> None:
    assert sum("interact(" in path.read_text(encoding="utf-8") for path in MASTERS) >= 4


#: Known to every reader, or the name of a publisher that is cited.
KNOWN = {"NHS", "GP", "GPs", "PDF", "I", "A", "B", "C", "D", "E", "X", "R"}


@pytest.mark.unit
@each_copy
def test_no_word_is_used_before_it_is_explained(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    box = next(n for n, cell in enumerate(notebook.cells) if "words" in cell.metadata.get("tags", []))
    assert box == 1  # straight after the title
    explained = set(re.findall(r"^- \*(.+?)\*: \S", notebook.cells[box].source, re.MULTILINE))
    assert set(words.used(build.prose(notebook))) <= explained
    short = set(re.findall(r"\b[A-Z][A-Z&]+\b", words.NOT_PROSE.sub(" ", build.prose(notebook))))
    assert short - KNOWN <= explained


@pytest.mark.unit
def test_words_are_found_in_the_plural_and_abbreviations_only_as_written() -> None:
    held = {"currency": "", "HRG": "", "A&E": "", "peers": "", "unit cost": ""}
    assert words.used("Two currencies, HRGs, A&E; `peers` in code.", held) == ["currency", "HRG", "A&E"]
    assert words.used("hrg, Unit costs", held) == ["unit cost"]


# --- what the masters work out

#: What each worked example must give: worked by hand here, or published where a source is named.
WORKED = {
    1: 7_012.50 + 270 + 280 + 200,
    2: 500_000,  # Brown, HFMA, March 2018: £1.0m less paid, the system £0.5m better off
    3: 97_120,  # Kaplan and Anderson, HBR, November 2004: unused capacity, in dollars
    4: 1_236.49,  # 1,000 x 100 / 80.8738, HM Treasury, GDP deflators, March 2026
    5: 7_650,
    6: 157.25,  # weights 80,500 and 19,500 are Eurostat's, European Standard Population 2013
    7: -60_000,
    8: 56.384,  # 50 + 2.66 x 2.4, NHS England, Making Data Count
    9: 12_065.48,  # 40,000 x (0.966184 + 0.933511 + 0.901943) - 100,000, HM Treasury, Green Book 2022, annex A6
    10: 0.375,
    11: 100 * 556_400 / 579_000,
}


@pytest.mark.oracle
@each_master
def test_worked_examples_and_solutions_hold(path: Path) -> None:
    lesson = next(item for item in lessons() if item.stem == path.stem)
    known: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for number, cell in enumerate(nbformat.read(path, as_version=4).cells):
            if cell.cell_type == "code":
                exec(compile(cell.source, f"{path.name}, cell {number}", "exec"), known)
    assert known["by_hand"] == pytest.approx(WORKED[lesson.number], rel=1e-5)
    assert known["by_library"] == pytest.approx(known["by_hand"], rel=1e-9)
    for number, task in enumerate(lesson.exercises, start=1):
        assert judge(task, known[f"answer_{number}"]).passed, task.id


@pytest.mark.oracle
def test_published_numbers_in_the_prose_are_those_of_the_library() -> None:
    from pathcost_lib import scenarios

    factors = scenarios.discount_factors(30)
    text = MASTERS[8].read_text(encoding="utf-8")
    for year, published in {1: "0.9662", 5: "0.8420", 10: "0.7089", 30: "0.3563"}.items():
        assert f"year {year}: {published}" in text
        assert f"{factors[year]:.4f}" == published
    weights = standards.load_standard("ESP2013")
    old = weights.loc[weights["age_band"].str[:2].isin(["65", "70", "75", "80", "85", "90"]), "weight"].sum()
    assert (old, weights["weight"].sum() - old) == (19_500, 80_500)


# --- the guide

GUIDE = (Path(__file__).parents[1] / "docs" / "teaching" / "instructor-guide.md").read_text(encoding="utf-8")


@pytest.mark.unit
def test_the_guide_has_every_answer_as_the_check_takes_it() -> None:
    rows = dict(re.findall(r"^\| (\d+\.\d) \| ([^|]+) \|", GUIDE, re.MULTILINE))
    assert list(rows) == [task.id for task in TASKS]
    for task in TASKS:
        told = rows[task.id].replace(",", "").strip('"')
        assert judge(task, told if task.unit == "choice" else float(told)).passed, task.id


@pytest.mark.unit
def test_the_session_plans_add_up_to_the_minutes_of_the_lessons() -> None:
    plans = re.findall(r"^\| (\d+) \D[^|]+ \|((?: \d+ \|){6})$", GUIDE, re.MULTILINE)
    assert [int(number) for number, _ in plans] == [lesson.number for lesson in lessons()[:-1]]
    for (_, cells), lesson in zip(plans, lessons(), strict=False):
        *parts, whole = map(int, re.findall(r"\d+", cells))
        assert sum(parts) == whole == lesson.minutes


@pytest.mark.unit
def test_marks_of_the_capstone_add_up_to_100() -> None:
    rubric = GUIDE.split("## Marking the capstone")[1].split("## ")[0]
    assert sum(int(mark) for mark in re.findall(r"^\| [^|]+ \| (\d+) \|", rubric, re.MULTILINE)) == 100


@pytest.mark.unit
@each_copy
def test_sentences_are_short(path: Path) -> None:
    text = build.prose(nbformat.read(path, as_version=4))
    text = re.sub(r"^[|#].*$|^(?:\d\.|-) ", "\n", words.NOT_PROSE.sub("it", text), flags=re.MULTILINE)
    sentences = [len(part.split()) for part in re.split(r"\n\s*\n|(?<=[.?!:])\s+", text) if len(part.split()) > 1]
    assert np.mean(sentences) <= 12
    assert max(sentences) <= 35


# --- the commands


@pytest.mark.end_to_end
def test_start_never_writes_over_a_learners_work(learner: Path) -> None:
    first = build.start("3")
    first.write_text("mine")
    second, third = build.start("3"), build.start("3")
    assert [p.name for p in (first, second, third)] == [
        f"03_time_driven_costing{tail}.ipynb" for tail in ("", "-2", "-3")
    ]
    assert first.read_text() == "mine"
    assert second.read_bytes() == COPIES[2].read_bytes()
    assert build.start("capstone").name == "11_capstone.ipynb"
    with pytest.raises(InputError, match="Lesson '12' is not known"):
        build.start("12")


@pytest.mark.end_to_end
def test_commands_say_what_they_did(learner: Path, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from pathcost_lib.cli import app

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["teach", *arguments])
        assert result.exit_code == 0, result.output
        return result.output

    assert "02_the_million_pound_cut.ipynb" in run("start", "2", "--no-open").replace("\n", "")
    check("2.1", 400_000)
    told = run("progress")
    assert re.search(r"2  Fixed, semi-fixed.* 1 of 4  to do: 2\.2, 2\.3, 2\.4", told)
    assert f"Passed 1 of {len(TASKS)} exercises" in told
    assert "0 files written" in run("build")
    run("glossary", "--out", str(tmp_path / "glossary.pdf"))
    pages = PdfReader(tmp_path / "glossary.pdf").pages
    assert len(pages) == 1
    text = re.sub(r"\s+", " ", pages[0].extract_text())
    assert all(f"{word}:" in text for word in words.glossary())
    assert not list(tmp_path.glob("*.part"))
