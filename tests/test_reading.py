"""Texts that people read: short sentences, plain words, a reading grade, abbreviations that the glossary explains."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
import reading

from pathcost_lib import paths
from pathcost_lib.packs import builder, definitions
from pathcost_lib.packs.document import Document, Figure, Message, Prose, Table
from pathcost_lib.packs.paper import paper_of
from pathcost_lib.packs.spot import open_pack

#: Most words of a sentence, and the hardest grades of the paper and of the annex.
MOST_WORDS, PAPER_GRADE, ANNEX_GRADE = 30, 9.0, 11.0
GOLDEN = sorted((Path(__file__).parent / "golden").glob("*/*.jsonl"))
#: Names that a text quotes as they are: codes of areas in the names of invented trusts, licences, measures.
NAMES = {"MIT", "EQ-5D", "EQ"}


def annex_texts(document: Document) -> Iterator[str]:
    """Yield every sentence-bearing text of the annex: prose, messages, titles, notes, rules."""
    for block in (block for chapter in document.chapters for block in chapter.blocks):
        if isinstance(block, Prose):
            yield reading.plain(block.markdown)
        elif isinstance(block, Message):
            yield from (block.text, block.decision, *block.unknown)
        elif isinstance(block, Figure):
            yield from (block.title, block.note)
        elif isinstance(block, Table):
            yield from (block.title, str(block.payload["note"]))
    yield from document.rules


def golden_texts() -> Iterator[str]:
    """Yield what the notebooks say of two areas: messages, findings, titles and notes, as `tests/golden` keeps them."""
    for path in GOLDEN:
        for line in path.read_text(encoding="utf-8").splitlines():
            item: Any = json.loads(line)
            if isinstance(item, dict) and {"message", "finding", "table", "figure"} & {*item}:
                yield from (
                    str(item[key]) for key in ("text", "decision", "sentence", "title", "note") if item.get(key)
                )
                yield from (str(text) for key in ("lines", "unknown") for text in item.get(key, ()))


def prose_texts() -> Iterator[str]:
    """Yield the prose that notebooks give to a pack."""
    for path in builder.production_notebooks():
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown" and "pack" in cell.metadata.get("tags", []):
                yield reading.plain(cell.source)


def definition_texts() -> Iterator[str]:
    """Yield the definitions of columns, and of interval methods."""
    for name, entries in definitions.entries().items():
        for text in entries.values():
            yield from (text["method"],) if name == "intervals" else (text,)


def too_long(texts: Iterator[str] | list[str]) -> list[str]:
    """Return the sentences that have too many words."""
    every = {one for text in texts for one in reading.sentences(text)}
    return sorted(one for one in every if reading.words(one) > MOST_WORDS)


def ruled_out(texts: Iterator[str] | list[str]) -> list[str]:
    """Return what the style guide rules out."""
    return sorted({fault for text in texts for fault in reading.banned(text)})


def unexplained(texts: Iterator[str] | list[str]) -> set[str]:
    """Return the abbreviations that neither the glossary explains nor a text where it writes them out."""
    texts = list(texts)
    glossary = paths.glossary().read_text(encoding="utf-8")
    used = {short for text in texts for short in reading.abbreviations(text)}
    written_out = {short for short in used if any(f"({short})" in text or f"({short}s)" in text for text in texts)}
    return {short for short in used - written_out - NAMES - codes_of(texts) if short not in glossary}


def codes_of(texts: list[str]) -> set[str]:
    """Return codes of areas, which are parts of invented names."""
    words = {word.strip(".,:;()") for text in texts for word in text.split()}
    return {word for word in words if len(word) == 3 and word.startswith("Q") and word.isalnum()}


@pytest.mark.unit
@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("It costs £1.2m. Why? Ask.", ["It costs £1.2m.", "Why?", "Ask."]),
        ("One: two; three", ["One: two; three"]),
        ("# Head\n\nBody text.", ["# Head", "Body text."]),
    ],
)
def test_a_text_is_taken_apart_into_sentences(text: str, parts: list[str]) -> None:
    assert reading.sentences(text) == parts


@pytest.mark.unit
def test_syllables_and_the_grade_are_those_worked_out_by_hand() -> None:
    words = {"care": 1, "patient": 2, "hospital": 3, "activity": 4, "the": 1, "costs": 1, "people": 2, "needed": 2}
    words |= {"moved": 1, "prices": 2, "table": 2, "year": 1}
    assert {word: reading.syllables(word) for word in words} == words
    # Eleven words in two sentences, fourteen syllables: 0.39 x 5.5 + 11.8 x 14 / 11 - 15.59 = 1.57.
    text = "The hospital costs more in this year. People move on now."
    assert reading.words(text) == 11
    assert reading.grade([text]) == pytest.approx(0.39 * 5.5 + 11.8 * 14 / 11 - 15.59)


@pytest.mark.unit
@pytest.mark.parametrize(
    "text", ["It is dearer.", "Nought.", "The data hold 95%.", "The table says so.", "They go together together."]
)
def test_what_the_style_guide_rules_out_is_told(text: str) -> None:
    assert list(reading.banned(text))
    assert not list(reading.banned("The threshold and the household are more expensive, as the table shows."))


@pytest.mark.regression
@pytest.mark.parametrize("texts", [golden_texts, prose_texts, definition_texts])
def test_what_notebooks_say_is_short_and_plain(texts: Any) -> None:
    every = list(texts())
    assert len(every) > 40
    assert not too_long(every)
    assert not ruled_out(every)
    assert not unexplained(every)
    assert reading.grade(every) <= ANNEX_GRADE


@pytest.mark.slow
@pytest.mark.notebook
def test_a_built_pack_reads_as_the_style_guide_asks(pack_of_three: Path) -> None:
    document = open_pack(pack_of_three).document
    paper, annex = paper_of(document).texts, [text for text in annex_texts(document) if text]
    assert len(paper) > 30 and len(annex) > 200
    assert not too_long(paper) + too_long(annex)
    assert not ruled_out(paper) + ruled_out(annex)
    assert not unexplained(paper) | unexplained(annex)
    assert reading.grade(paper) <= PAPER_GRADE
    assert reading.grade(annex) <= ANNEX_GRADE
