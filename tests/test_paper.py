"""The board paper: what a finding may be, that it states nothing that the annex does not show, and its length."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pypdf
import pytest
from pptx import Presentation

from pathcost_lib import present
from pathcost_lib.benchmark import words as benchmark_words
from pathcost_lib.errors import InputError
from pathcost_lib.packs import render
from pathcost_lib.packs.backing import unbacked
from pathcost_lib.packs.document import Document, Figure, Finding, Message, Section, Table, read_section
from pathcost_lib.packs.paper import MOST_PAGES, paper_of
from pathcost_lib.packs.pdf import render_paper, render_pdf
from pathcost_lib.packs.render import render_html
from pathcost_lib.packs.slides import write_slides
from pathcost_lib.present import disclosure, display, findings, shapes
from pathcost_lib.present.findings import FINDING, LABELS, MOST_WORDS, QUESTIONS, Confidence, Headline, sentences
from pathcost_lib.present.findings import Finding as Words
from pathcost_lib.present.naming import Named

SURE = Confidence("high", "the checks pass")
LINES = ("We see £1,200.", "It matters.", "Act.")
COVER: dict[str, Any] = {"organisation": "NHS ICB", "icb": "QZ1", "year": "2024-25", "about": "Knees."}
FRAME = pd.DataFrame({"phase": ["a", "b"], "contacts": [40, 50], "mean_gbp": [1200.0, 800.0]})


def _words(**changes: Any) -> Words:
    return replace(Words(QUESTIONS[2], "Knees cost £1,200", LINES, SURE, "f", "t"), **changes)


def _blocks() -> tuple[Figure, Table]:
    frame = FRAME.assign(lower_95=1.0, upper_95=2.0, reference_gbp=9.0, reference_lower_95=8.0, reference_upper_95=10.0)
    options: dict[str, Any] = {"name": "f", "title": "Cost by phase", "alt": "Cost.", "by": "phase", "area": "A"}
    bundle = display.figure_bundle(shapes.against_reference, present.disclose(frame, counts="contacts"), **options)
    words = {k: bundle[display.FIGURE][k] for k in ("name", "title", "alt", "note", "narrow")}
    safe, chart = present.disclose(FRAME, counts="contacts"), present.Chart("bars", ["mean_gbp"])
    table = display.table_bundle(safe, name="t", title="T", chart=chart)[display.TABLE]
    return Figure(wide=bundle["image/svg+xml"], **words), Table(table)


def _document(*words: Words, messages: Sequence[Message] = (), named: tuple[Named, ...] = ()) -> Document:
    stated = tuple(Finding(one, "n", named=named) for one in words)
    return Document(**COVER, sections=(Section("n", "Part", (*messages, *stated, *_blocks())),))


# -- what a finding may be --------------------------------------------------------------------------------------------
@pytest.mark.unit
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"title": " "}, "it has no title"),
        ({"title": "long " * 40}, "its title is longer"),
        ({"lines": (*LINES, "More.")}, "it has 4 lines"),
        ({"lines": ()}, "it has 0 lines"),
        ({"lines": (" ".join(["word"] * (MOST_WORDS + 1)), "b", "c")}, "a sentence has more than 30 words"),
        ({"lines": ("Words. " * 60, "b", "c")}, "a line is longer"),
        ({"confidence": Confidence("sure", "so")}, "its confidence is 'sure'"),
        ({"question": "Why?"}, "Question of the board paper"),
    ],
)
def test_a_finding_that_a_board_could_not_read_in_half_a_page_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=why):
        findings.finding_bundle(_words(**changes))


@pytest.mark.unit
def test_figures_of_a_finding_that_are_not_disclosed_are_refused() -> None:
    with pytest.raises(InputError, match=r"has not passed `present.disclose`"):
        present.finding(_words(), figures=FRAME)  # type: ignore[arg-type]


@pytest.mark.unit
def test_a_finding_is_read_as_it_was_written() -> None:
    words = _words(headline=Headline("£1,200", "cost of knees", "£9 in England"))
    payload = findings.finding_bundle(words, figures=present.disclose(FRAME.head(1), counts="contacts"))[FINDING]
    assert Words.read(payload) == words
    assert payload["behind"]["rows"] == [["a", 40, 1200.0]]


@pytest.mark.unit
@pytest.mark.parametrize(
    ("lower", "upper", "checked", "level"),
    [
        (65.0, 150.0, True, "high"),
        (-150.0, -65.0, True, "high"),
        (65.0, 150.0, False, "medium"),
        (-5.0, 150.0, True, "medium"),
        (0.0, 150.0, True, "medium"),
        (float("nan"), 150.0, True, "low"),
    ],
)
def test_one_rule_says_how_sure_a_finding_is(lower: float, upper: float, checked: bool, level: str) -> None:
    assert findings.confidence(lower, upper, checked=checked).level == level
    assert findings.confidence(lower + 7, upper + 7, checked=checked, none=7.0).level == level


# -- no number that the annex does not show ---------------------------------------------------------------------------
@pytest.mark.unit
@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("In 2024-25 it costs £1,200 (95% interval), and £2,000 in all.", []),
        ("It costs £1.2k, or £0.8k.", []),
        ("It costs £1,210.", ["£1,210"]),
        ("It costs £1.3k at Trust 12.", ["£1.3k"]),
        ("38% more since July 2024.", []),
        ("39% more at 41 places.", ["39", "41"]),
    ],
)
def test_a_number_is_looked_for_in_cells_words_and_sums(text: str, missing: list[str]) -> None:
    frame = FRAME.assign(provider=["Trust 12", "Trust 3"], finding=["38% more a day", ""])
    table = display.table_bundle(present.disclose(frame, counts="contacts"), name="t", title="T")[display.TABLE]
    assert unbacked([text], [table]) == missing


def _executed(path: Path, words: Words) -> Path:
    figure, table = _blocks()
    shown = {display.FIGURE: {"name": "f", "title": "F", "alt": "A", "note": "", "narrow": figure.narrow}}
    data = [
        findings.finding_bundle(words),
        shown | {"image/svg+xml": figure.wide},
        {display.TABLE: dict(table.payload)},
    ]
    data.append({display.TALLY: {"figures": 1, "tables": 1}})
    outputs = [nbformat.v4.new_output("display_data", data=one) for one in data]
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_markdown_cell("# Title", metadata={"tags": ["pack"]})]
    notebook.cells += [nbformat.v4.new_code_cell("x", metadata={"tags": ["pack"]}, outputs=outputs)]
    nbformat.write(notebook, path)
    return path


@pytest.mark.unit
def test_a_pack_refuses_a_finding_with_a_number_or_a_figure_that_is_not_there(tmp_path: Path) -> None:
    section = read_section(_executed(tmp_path / "n.ipynb", _words()))
    assert [b.words for b in section.blocks if isinstance(b, Finding)] == [_words()]
    with pytest.raises(InputError, match="states 1 numbers that no table"):
        read_section(_executed(tmp_path / "n.ipynb", _words(title="Knees cost £1,300")))
    with pytest.raises(InputError, match="there is no such figure"):
        read_section(_executed(tmp_path / "n.ipynb", _words(figure="g")))


@pytest.mark.unit
def test_a_finding_names_no_organisation_on_grounds_too_thin_for_a_cover() -> None:
    others = frozenset({"Trust 1"})
    lines = ("Trust 1 is slow.", "It costs £1,200.", "Act.")
    document = replace(_document(_words(lines=lines)), others=others)
    assert "Trust 1" not in " ".join(paper_of(document).texts)
    with pytest.raises(InputError, match="names an organisation in its title"):
        paper_of(replace(_document(_words(title="Trust 1 is slow")), others=others))
    grounds = (Named("Trust 1", 1.0, 2.0, 0.01),)
    document = replace(_document(_words(title="Trust 1 is slow"), named=grounds), others=others)
    assert "Trust 1 is slow" in paper_of(document).texts


# -- the paper --------------------------------------------------------------------------------------------------------
def _text(content: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages).split())


@pytest.mark.unit
def test_paper_page_and_slides_say_the_same_and_the_annex_is_called_so() -> None:
    message = Message("M.", "Decide whether to act.", unknown=("We do not know who.",))
    words = _words(headline=Headline("£1,200", "cost of knees", "£9 in England"))
    document = _document(words, messages=[message])
    deck = Presentation(io.BytesIO(write_slides(document)))
    slides = [[s.text_frame.text for s in slide.shapes if s.has_text_frame] for slide in deck.slides]
    page = re.sub(r"<[^<>]+>", "", render_html(document))
    paper = _text(render_paper(document))
    for text in (words.title, *LINES, "Decide whether to act.", "Figure 1 of the technical annex"):
        assert text in paper and text in page and text in " ".join([text for slide in slides for text in slide]), text
    for text in ("We do not know who.", "Cost of knees", "For this board to decide", "Owner"):
        assert text in paper
    assert [slide.shapes.title.text for slide in deck.slides] == ["NHS ICB", "The board is asked to", words.title]
    assert any(shape.has_chart for shape in deck.slides[2].shapes)
    assert "Technical annex, 2024-25" in _text(render_pdf(document)) and 'href="#figure-1"' in render_html(document)
    plain = Document(**COVER, sections=(Section("n", "Part", _blocks()),))
    assert "Board pack, 2024-25" in _text(render_pdf(plain))


@pytest.mark.unit
def test_nothing_that_stands_out_takes_two_lines_and_gives_its_space_away() -> None:
    nothing = [
        Words(question, "Nothing stands out", ("We looked at all.", "There is nothing to act on."), SURE)
        for question in QUESTIONS
    ]
    content = render_paper(_document(*nothing))
    assert len(pypdf.PdfReader(io.BytesIO(content)).pages) <= 3
    assert LABELS[0] not in _text(content)


@pytest.mark.unit
def test_the_paper_does_not_grow_with_what_it_is_given() -> None:
    """Every question with a figure, each text as long as it may be, and more to ask and not to know than fits."""
    sentence = " ".join(["words"] * 24)
    line = ". ".join([sentence.capitalize()] * 2) + "."
    long = "A title that is as long as the title of a finding may be, which is a hundred and fifty characters"
    full = [
        Words(q, long, (line, line, line), SURE, "f", headline=Headline("£1,200", "cost " * 12, "England " * 8))
        for q in QUESTIONS
    ]
    for one in full:
        findings.finding_bundle(one)  # allowed
    messages = [Message(f"M{n}", f"Decide {line}", unknown=(f"{n} {line}",)) for n in range(40)]
    twice = [*full, *full]  # another notebook that answers the same adds no page
    content = render_paper(replace(_document(*twice, messages=messages), facts=(("Made with", line),) * 5))
    assert len(pypdf.PdfReader(io.BytesIO(content)).pages) <= MOST_PAGES


@pytest.mark.unit
def test_what_cannot_be_said_is_on_the_cover() -> None:
    words = findings.unknown(QUESTIONS[5], "We cannot say what is coming", "the data hold no population")
    assert paper_of(_document(words)).unknown == (
        "We cannot say what is coming. The reason: the data hold no population.",
    )


# -- the words of findings --------------------------------------------------------------------------------------------
def _costs(low: float, high: float, *, people: int = 65_785) -> disclosure.Disclosed:
    rows = []
    for setting, value, step in (
        ("admitted", 972.0, 65.0),
        ("mental_health", 236.0, 25.0),
        ("all_settings", 2370.0, 100.0),
    ):
        rows.append(
            {"setting": setting, "persons": people, "value_gbp": value, "lower_95": value - 9, "upper_95": value + 9}
            | {"reference_gbp": value - step, "difference_gbp": step}
            | {"difference_lower_95": low, "difference_upper_95": high}
            | {"index": 105.0, "index_lower_95": 100 + low / 10, "index_upper_95": 100 + high / 10}
            | {"cost_gbp": 137e6, "reason": ""}
        )
    return present.disclose(pd.DataFrame(rows), counts="persons", in_order=True)


def _claims(gbp: float) -> disclosure.Disclosed:
    frame = pd.DataFrame({"claim": ["admitted", "Hip fracture"], "persons": [65_785, 400], "target_gbp": [868.0, 9.0]})
    frame["opportunity_gbp"] = frame["once_gbp"] = [gbp, 0.0]
    return present.disclose(frame.assign(once_variable_gbp=frame["once_gbp"] / 4), counts="persons", in_order=True)


@pytest.mark.unit
def test_a_difference_is_stated_only_where_its_interval_leaves_zero_out() -> None:
    coverage = pd.DataFrame({"setting": ["admitted"], "coverage_pct": [95.0]})
    sure = benchmark_words.variation_finding(_costs(65.0, 150.0), _claims(6.43e6), coverage, reference="England")
    assert sure.title == "We spend £100 more on each person than England, most of all on admitted care"
    assert sure.confidence.level == "high" and "Review admitted care first." in sure.lines[2]
    thin = pd.DataFrame({"setting": ["admitted"], "coverage_pct": [60.0]})
    found = benchmark_words.variation_finding(_costs(65.0, 150.0), _claims(0.0), thin, reference="England")
    assert found.confidence == Confidence("medium", "the data cover too little of admitted care")
    same = benchmark_words.variation_finding(_costs(-65.0, 150.0), _claims(0.0), coverage, reference="England")
    assert same.title == "We spend about as much on each person as England"
    assert same.confidence.level == "medium" and same.lines[2] == "These numbers call for no review."


# -- real packs -------------------------------------------------------------------------------------------------------
def _sections(folder: Path) -> tuple[Section, ...]:
    return tuple(read_section(path) for path in sorted(folder.glob("*.ipynb")))


@pytest.mark.slow
@pytest.mark.notebook
def test_the_paper_of_a_pack_is_short_and_each_of_its_numbers_is_in_the_annex(pack_of_three: Path) -> None:
    pages = pypdf.PdfReader(pack_of_three / render.FORMATS["paper"].file).pages
    assert 2 <= len(pages) <= MOST_PAGES
    document = Document(**COVER, sections=_sections(pack_of_three))
    assert len(document.findings) >= 6
    shown = [payload for section in document.sections for payload in section.payloads]
    paper = paper_of(document)
    stated = [text for answer in paper.answers for text in answer.finding.words.texts]
    assert unbacked([*stated, *paper.asked], shown) == []
    for text in paper.texts:
        assert all(len(one.split()) <= MOST_WORDS for one in sentences(text)), text
