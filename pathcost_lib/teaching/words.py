"""The glossary: which of its words a lesson uses, and the one-page PDF of all of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import typst

from pathcost_lib import paths
from pathcost_lib.errors import InputError

__all__ = ["NOT_PROSE", "box", "glossary", "used", "write_pdf"]

_ROW = re.compile(r"^\| (?!word \|)([^|]+) \| (.+) \|$", re.MULTILINE)
#: What is not prose: code, links' targets.
NOT_PROSE = re.compile(r"```.*?```|`[^`]*`|\]\([^)]*\)|<[^>]+>", re.DOTALL)


def glossary() -> dict[str, str]:
    """Return the words of `docs/glossary.md` with their meanings, in its order."""
    return dict(_ROW.findall(paths.glossary().read_text(encoding="utf-8")))


def used(prose: str, words: dict[str, str] | None = None) -> list[str]:
    """Return the glossary's words that a text uses, plurals too; an abbreviation only as it is written."""
    text = NOT_PROSE.sub(" ", prose)
    return [word for word in words or glossary() if _pattern(word).search(text)]


def box(prose: str) -> str:
    """Return the box that explains the glossary's words of a lesson before they are first used."""
    words = glossary()
    lines = [f"- *{word}*: {words[word]}" for word in used(prose, words)]
    return "\n".join(["<details open><summary><b>Words in this lesson</b></summary>", "", *lines, "", "</details>"])


def write_pdf(target: Path) -> Path:
    """Write the glossary as one A4 page.

    Raises
    ------
    InputError
        If it no longer fits on one page.
    """
    plain = [[word, meaning.replace("*", "")] for word, meaning in glossary().items()]
    template = Path(__file__).with_name("glossary.typ")
    pages = typst.query(template, "<pages>", field="value", one=True, sys_inputs={"words": json.dumps(plain)})
    if json.loads(pages) != 1:
        raise InputError(f"The glossary takes {pages} pages; shorten docs/glossary.md or the type in {template.name}.")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    typst.compile(template, output=part, format="pdf", sys_inputs={"words": json.dumps(plain)})
    return part.replace(target)


def _pattern(word: str) -> re.Pattern[str]:
    if word.isupper():
        return re.compile(rf"\b{re.escape(word)}s?\b")
    stem = word[:-1] + "(?:y|ies)" if word.endswith("y") else re.escape(word) + "(?:s|es)?"
    return re.compile(rf"\b{stem}\b", re.IGNORECASE)
