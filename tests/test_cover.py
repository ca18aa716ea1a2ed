"""A cover names an organisation only on sure grounds, says what a decision rests on, and that invented data are so."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pypdf
import pytest
from pptx import Presentation

from pathcost_lib import present
from pathcost_lib.packs import render
from pathcost_lib.packs.document import Document, Message, PackSummary, Section, Table, read_section
from pathcost_lib.packs.index import render_index
from pathcost_lib.packs.order import SYNTHETIC
from pathcost_lib.packs.pdf import render_pdf
from pathcost_lib.packs.render import render_html
from pathcost_lib.packs.slides import write_slides
from pathcost_lib.packs.workbook import write_workbook
from pathcost_lib.present import display
from pathcost_lib.present.naming import Named, for_cover
from pathcost_lib.scenarios.change import words as savings
from pathcost_lib.scenarios.demand import words as outlook
from pathcost_lib.sources import names, open_dataset
from pathcost_lib.variation import words as outlier_words

OTHERS = frozenset({"Trust 1", "Trust 12", "St. Mary's Hospital"})
LEFT_OUT = "What is said of single organisations stands in its section, with how sure it is."


# -- the rule ---------------------------------------------------------------------------------------------------------
@pytest.mark.unit
@pytest.mark.parametrize(
    ("one", "sure"),
    [
        (Named("T", 10.0, 90.0, 0.01), True),
        (Named("T", -90.0, -10.0, 0.05), True),
        (Named("T", -131.0, 1783.0, 0.0), False),  # 95% probable to be above, but its interval holds zero
        (Named("T", 10.0, 90.0, 0.2), False),  # past its own limits, not past the false-alarm rule
        (Named("T", 10.0, 90.0), False),  # no test at all
        (Named("T", 0.0, 90.0, 0.0), False),
        (Named("T", math.nan, math.nan, 0.04), True),
    ],
)
def test_an_organisation_is_named_past_the_false_alarm_rule_and_with_an_interval_without_zero(
    one: Named, sure: bool
) -> None:
    assert one.sure is sure
    again = Named.read(one.payload())
    assert again.sure is sure and again.name == "T"


@pytest.mark.unit
@pytest.mark.parametrize(
    ("text", "named", "said"),
    [
        ("Nobody is named. £1.77m is.", [], "Nobody is named. £1.77m is."),
        ("It costs £5. Trust 1 is bad (95% probable).", [], f"It costs £5. {LEFT_OUT}"),
        ("It costs £5. Trust 1 is bad.", [Named("Trust 1", 1.0, 2.0, 0.01)], "It costs £5. Trust 1 is bad."),
        ("Trust 12 is bad; Trust 1 is good; none else.", [Named("Trust 12", 1.0, 2.0, 0.0)], None),
        ("Trust 12 is bad.", [Named("Trust 1", 1.0, 2.0, 0.0)], LEFT_OUT),
        ("Trust 1 alone.", [Named("Trust 1", -1.0, 2.0, 0.0)], LEFT_OUT),
        ("Trust 123 is nobody's name.", [], "Trust 123 is nobody's name."),
        ("At St. Mary's Hospital all is well. The rest: £1.", [], f"The rest: £1. {LEFT_OUT}"),
    ],
)
def test_what_is_said_of_others_is_left_out_by_the_clause(text: str, named: list[Named], said: str | None) -> None:
    expected = said if said is not None else f"Trust 12 is bad; none else. {LEFT_OUT}"
    assert for_cover(text, named, OTHERS) == expected


@pytest.mark.unit
def test_no_format_bears_a_name_that_is_not_sure() -> None:
    """The review's own case: 95% probable by itself, on 15 patients, with an interval that holds zero."""
    said = "£4,367 per QALY. Trust 1 is dearer and no better (95% probable)."
    grounds = (Named("Trust 1", -131.0, 1783.0, 0.05),)
    section = Section("n", "T", (Message(said, "Ask Trust 12 why.", named=grounds),))
    document = Document("NHS", "QZ1", "2024-25", "A.", (section,), others=OTHERS)
    assert document.messages[0].text == f"£4,367 per QALY. {LEFT_OUT}"
    deck = Presentation(io.BytesIO(write_slides(document)))
    words = " ".join(s.text_frame.text for slide in deck.slides for s in slide.shapes if s.has_text_frame)
    pdf = " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(render_pdf(document))).pages)
    for text in (words, pdf, render_html(document)):
        assert "4,367" in text and "Trust 1" not in text


@pytest.mark.unit
def test_a_loss_is_laid_at_a_provider_s_door_only_where_its_interval_leaves_zero_out() -> None:
    columns = ["organisation", "net_present_value_gbp", "lower_80", "upper_80"]
    rows = [
        ("ICB", 1e6, 5e5, 2e6),
        ("P", -9e5, -3e6, 1e5),
        ("Other providers", -4e5, -5e5, -3e5),
        ("System", 1.0, 0, 2),
    ]
    table = pd.DataFrame(rows, columns=columns)
    text = savings.savings_message(table, title="T", area="A", years=5)
    assert "Other providers are worse off by £400k" in text and "P " not in text
    sure = {one.name for one in savings.providers_named(table) if one.sure}
    assert sure == {"ICB", "Other providers"}
    table.loc[2, "upper_80"] = 1.0
    assert "No provider shown is surely worse off" in savings.savings_message(table, title="T", area="A", years=5)
    assert savings.providers_named(pd.DataFrame({"not_computable": ["No prices."]})) == []


@pytest.mark.unit
def test_the_grounds_of_a_monthly_series_are_its_test_with_false_alarms_controlled() -> None:
    series = pd.DataFrame({"provider_code": ["a", "b"], "q_value": [0.01, 0.2]})
    found = {one.name: one.sure for one in outlier_words.series_named(series, names={"a": "A"})}
    assert found == {"A": True, "b": False}


@pytest.mark.slow
@pytest.mark.notebook
def test_the_cover_of_a_pack_names_nobody_but_on_sure_grounds(pack_of_three: Path, three: Path) -> None:
    others = names.provider_names(open_dataset(three).organisations)
    sections = tuple(read_section(path) for path in sorted(pack_of_three.glob("*.ipynb")))
    document = Document("O", "QHL", "2024-25", "", sections, others=frozenset(others))
    for message in document.messages:
        sure = {one.name for one in message.named if one.sure}
        # The longest name first, so that a sure "... QUA 1" is not found in "... QUA 12".
        named = [name for name in others if name in message.text and not any(name in s for s in sure)]
        assert not named, message.text
    page = (pack_of_three / render.FORMATS["html"].file).read_text(encoding="utf-8")
    cover = page[page.index("<header") : page.index("</header>")]
    assert all(name in "".join(m.text + m.decision for m in document.messages) for name in others if name in cover)


# -- a decision says what it rests on ---------------------------------------------------------------------------------
@pytest.mark.unit
@pytest.mark.parametrize(
    ("gap", "said"),
    [
        ((142_709.0, -3.5e6, 4.47e6), "about break-even in 2040 .*£3.50m under to £4.47m over"),
        ((-191_467.0, -3.5e6, 3.1e6), "about break-even in 2040 .*£3.50m under to £3.10m over"),
        ((2e6, 1e6, 3e6), r"a gap of about £2.00m in 2040 \(80% interval £1.00m to £3.00m\)"),
    ],
)
def test_a_gap_is_said_with_its_central_figure_and_its_range(gap: tuple[float, float, float], said: str) -> None:
    frame = pd.DataFrame({"year": [2040.0]})
    frame[["gap_gbp", "gap_lower_80", "gap_upper_80"]] = np.array([gap])
    found = outlook.gap_decision(present.disclose(frame, counts=[]))["decision"]
    assert pd.Series([found]).str.contains(said).all(), found


# -- invented data are said to be invented ----------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.notebook
def test_every_page_slide_sheet_and_the_index_say_that_the_data_are_invented(pack_of_three: Path) -> None:
    pages = pypdf.PdfReader(pack_of_three / render.FORMATS["pdf"].file).pages
    assert all(SYNTHETIC in " ".join(page.extract_text().split()) for page in pages)
    for slide in Presentation(pack_of_three / render.FORMATS["pptx"].file).slides:
        assert SYNTHETIC in " ".join(s.text_frame.text for s in slide.shapes if s.has_text_frame)
    html = (pack_of_three / render.FORMATS["html"].file).read_text(encoding="utf-8")
    title = html[html.index("<title>") : html.index("</title>")]
    assert SYNTHETIC[1:] in title and f'<p class="banner">{SYNTHETIC}</p>' in html
    assert SYNTHETIC in (pack_of_three.parent / "index.html").read_text(encoding="utf-8")


@pytest.mark.unit
def test_real_data_bear_no_such_banner() -> None:
    document = Document("NHS", "QZ1", "2024-25", "A.", (Section("n", "T", (Message("M."),)),))
    assert "ynthetic" not in render_html(document)
    assert document.title == "NHS: board pack 2024-25"
    assert "ynthetic" not in render_index([PackSummary("QZ1", "NHS", "QZ1/p.html")], year="2024-25")
    assert "Invented" in render_index([PackSummary("QZ1", "NHS", "QZ1/p.html", banner="Invented")], year="2024-25")


@pytest.mark.unit
def test_a_warning_stands_first_on_every_cover() -> None:
    section = Section("n", "T", (Message("It costs £5."),))
    document = Document("NHS", "QZ1", "2024-25", "A.", (section,), warning="Pounds of two years.")
    assert [m.text for m in document.messages] == ["Pounds of two years.", "It costs £5."]
    deck = Presentation(io.BytesIO(write_slides(document)))
    words = " ".join(s.text_frame.text for slide in deck.slides for s in slide.shapes if s.has_text_frame)
    pdf = " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(render_pdf(document))).pages)
    assert all("Pounds of two years." in text for text in (words, pdf, render_html(document)))


@pytest.mark.unit
def test_a_cell_of_the_workbook_shows_a_little_as_more_than_nothing() -> None:
    """Excel's own rule: the first condition that a number meets gives its format, the third is for all others."""
    frame = pd.DataFrame({"what": ["a", "b", "c"], "share_pct": [0.003, -0.02, 12.34]})
    table = display.table_bundle(present.disclose(frame, counts=[]), name="t", title="T")[display.TABLE]
    section = Section("n", "T", (Message("M."), Table(table)))
    book = openpyxl.load_workbook(io.BytesIO(write_workbook(Document("NHS", "QZ1", "2024-25", "A.", (section,)))))
    sheet = book[book.sheetnames[1]]
    form = sheet["B6"].number_format
    assert form == "[>=0.05]0.0;[<=-0.05]-0.0;0.0#####"
    assert [sheet[f"B{n}"].value for n in (6, 7, 8)] == [0.003, -0.02, 12.3]


@pytest.mark.unit
def test_the_page_over_all_packs_names_the_areas_that_are_not_compared() -> None:
    page = render_index(
        [PackSummary("QZ1", "NHS", "QZ1/p.html")], year="2024-25", left_out={"no data": ["B ICB (QZ2)"]}
    )
    assert '<h2 id="left-out">Not compared</h2>' in page
    assert "<li><strong>no data</strong>: B ICB (QZ2)</li>" in page
    assert "Not compared" not in render_index([PackSummary("QZ1", "NHS", "QZ1/p.html")], year="2024-25")
