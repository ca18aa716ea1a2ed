"""How hard a text is to read: its sentences, its reading grade, words that the style guide rules out, abbreviations.

The grade is Flesch and Kincaid's, that of most readability checkers: 0.39 words a sentence + 11.8 syllables a word
- 15.59 (Kincaid et al., Derivation of new readability formulas, US Navy Research Branch report 8-75, 1975). Libraries
for it take syllables from a dictionary that they download; here they are counted by groups of vowels, which is right
for more than nine words in ten.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

#: What `docs/style.md` rules out, as it may be met in a text.
BANNED = {
    "zero, not nought": r"\bnoughts?\b",
    "fix or correct, not mend": r"\bmend(?:s|ed|ing)?\b",
    "more expensive, not dear": r"\bdear(?:er|est)?\b",
    "contain or cover, not hold": r"\b(?:data|extract|file|pack|table|months?)s? (?:hold|holds|held)\b|\bheld at all\b",
    "show or state, not say": r"\b(?:table|tables|figure|figures|column|columns|log|chart) says?\b",
    "not lie on or stand": r"\blies on\b|\bstands? in the way\b|\b(?:is|are) left standing\b",
    "not those that go together together": r"\btogether together\b",
}
#: Words in capitals that need no explanation: units, names of places and of nobody's making.
KNOWN = {"NHS", "II", "I", "A", "UK", "US", "CSV", "PDF", "HTML", "SHA", "TOML", "ID", "SQL"}
_END = re.compile(r"(?<=[.!?:;])[\"')\]]*\s+(?=[\"'(]?[A-Z£\d])|\n+")
_WORD = re.compile(r"[A-Za-z][A-Za-z'\u2019]*")
_CAPITALS = re.compile(r"\b(?:[A-Z]&[A-Z]|[A-Z][A-Za-z]*[A-Z]+[A-Za-z]*)\b(?!-?\d)")


def plain(markdown: str) -> str:
    """Return markdown without its marks, a heading or list item as a sentence of its own."""
    lines = [re.sub(r"^\s*(?:#+|[-*]|\d+\.)\s+", "", line) for line in markdown.splitlines()]
    return re.sub(r"[`*_]{1,2}(\S(?:[^`*]*\S)?)[`*_]{1,2}", r"\1", "\n".join(lines))


def sentences(text: str) -> list[str]:
    """Return the sentences of a text; a colon or semicolon before a capital ends one too."""
    return [part.strip() for part in _END.split(text) if _WORD.search(part)]


def words(text: str) -> int:
    """Return how many words a text has, numbers among them."""
    return len([part for part in text.split() if re.search(r"[A-Za-z0-9]", part)])


def syllables(word: str) -> int:
    """Return the syllables of a word, by its groups of vowels: a silent e at the end makes none."""
    word = re.sub(r"[^a-z]", "", word.lower())
    groups = len(re.findall(r"[aeiouy]+", word))
    if re.search(r"[^aeiouyl]e$|[^aeiouytd]ed$|[^aeiouyscxzg]es$", word):
        groups -= 1
    return max(groups, 1)


def grade(texts: Iterable[str]) -> float:
    """Return the Flesch-Kincaid grade of texts; numbers count as no words, for nobody spells them out."""
    parts = [_WORD.findall(one) for text in texts for one in sentences(text)]
    parts = [part for part in parts if len(part) > 2]
    total = [word for part in parts for word in part]
    return 0.39 * len(total) / len(parts) + 11.8 * sum(map(syllables, total)) / len(total) - 15.59


def banned(text: str) -> Iterator[str]:
    """Yield what a text says that the style guide rules out."""
    yield from (f"{rule}: {text!r}" for rule, pattern in BANNED.items() if re.search(pattern, text, re.IGNORECASE))


def abbreviations(text: str) -> set[str]:
    """Return the abbreviations of a text."""
    return {match.rstrip("s") for match in _CAPITALS.findall(text)} - KNOWN
