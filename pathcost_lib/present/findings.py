"""One finding of a notebook, as a board reads it: a question, the answer in a sentence, what follows, how sure it is.

The board paper is made of findings (`packs.paper`). Their words are made from disclosed tables by a subject's `words`;
`packs.document` refuses a number that no table of the notebook shows.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.present import display
from pathcost_lib.present.disclosure import Disclosed
from pathcost_lib.present.naming import Named

__all__ = [
    "FINDING",
    "LABELS",
    "QUESTIONS",
    "Confidence",
    "Finding",
    "Headline",
    "confidence",
    "finding",
    "finding_bundle",
    "sentences",
    "unknown",
]

FINDING = "application/vnd.pathcost.finding+json"

#: What a board asks, in the order of its paper: one finding each.
QUESTIONS = (
    "What do we spend, and on whom?",
    "Where are we more expensive, and is it need?",
    "Which pathway, and where in it?",
    "Who stands out?",
    "What health does the money buy?",
    "What is coming?",
    "Who saves, and who bears the cost?",
)
#: What the three lines under a finding say.
LABELS = ("What we see", "What it means", "What next")
#: Most words of a sentence, and most characters of a title and of a line: so a finding takes half a page, not more.
MOST_WORDS, MOST_TITLE, MOST_LINE = 30, 150, 330
_SENTENCE = re.compile(r"(?<=[.!?]) +(?=[A-Z£\d])")


@dataclass(frozen=True)
class Confidence:
    """How sure a finding is: "high", "medium" or "low", and why, in words that follow "because"."""

    level: str
    reason: str


@dataclass(frozen=True)
class Headline:
    """A number for the cover: as it is written, what it is, and what it is set against."""

    number: str
    what: str
    against: str = ""


@dataclass(frozen=True)
class Finding:
    """A finding.

    Attributes
    ----------
    question : str
        Of `QUESTIONS`.
    title : str
        The finding in a sentence.
    lines : tuple of str
        What we see, what it means, what next; fewer where nothing stands out.
    confidence : Confidence
        How sure, and why: `confidence`.
    figure : str
        Name of the figure of the same notebook that it shows; none where there is nothing to see.
    chart : str
        Name of the table whose chart slides draw in its place; the figure's own picture if not given.
    headline : Headline, optional
        Its number for the cover.
    """

    question: str
    title: str
    lines: tuple[str, ...]
    confidence: Confidence
    figure: str = ""
    chart: str = ""
    headline: Headline | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything that it says, for whoever checks words."""
        first = (self.headline.number, self.headline.what, self.headline.against) if self.headline else ()
        return tuple(text for text in (self.title, *self.lines, self.confidence.reason, *first) if text)

    @classmethod
    def read(cls, payload: Mapping[str, Any]) -> Finding:
        """Return what `finding_bundle` wrote."""
        words = {key: str(payload[key]) for key in ("question", "title", "figure", "chart")}
        first = Headline(**payload["headline"]) if payload["headline"] else None
        sure = Confidence(**payload["confidence"])
        return cls(lines=tuple(payload["lines"]), confidence=sure, headline=first, **words)


def confidence(
    lower: float,
    upper: float,
    *,
    checked: bool,
    none: float = 0.0,
    same: str = "chance alone may explain the difference",
    doubt: str = "the data may not cover all activity",
) -> Confidence:
    """Return how sure a difference is, by the one rule of the paper.

    Parameters
    ----------
    lower, upper : float
        Its interval; NaN where it is hidden, or rests on too few.
    checked : bool
        Whether false alarms are controlled over all that was compared, or the data cover what is expected.
    none : float
        What the interval leaves out where there is a difference.
    same, doubt : str
        Why it is not sure: where the interval includes no difference, and where it is not checked.

    Examples
    --------
    >>> confidence(65, 150, checked=True).level
    'high'
    >>> confidence(-10, 150, checked=True)
    Confidence(level='medium', reason='chance alone may explain the difference')
    >>> confidence(float("nan"), 1, checked=True).level
    'low'
    """
    if math.isnan(lower) or math.isnan(upper):
        return Confidence("low", "there are too few people, or the number is hidden to protect them")
    if lower <= none <= upper:
        return Confidence("medium", same)
    if not checked:
        return Confidence("medium", doubt)
    return Confidence("high", "chance is an unlikely reason, and the checks on the data pass")


def unknown(question: str, title: str, why: str) -> Finding:
    """Return the finding that something cannot be said, and why (words that end a sentence): two lines, no figure."""
    return Finding(question, title, (f"The reason: {why}.",), Confidence("low", why))


def sentences(text: str) -> list[str]:
    """Return the sentences of a text.

    Examples
    --------
    >>> sentences("It costs £1.2m. Does it? Yes.")
    ['It costs £1.2m.', 'Does it?', 'Yes.']
    """
    return [part for part in _SENTENCE.split(text.strip()) if part]


def finding(what: Finding, *, figures: Disclosed | None = None, named: Sequence[Named] = ()) -> None:
    """Show the notebook's finding, and hand it to the board paper.

    Parameters
    ----------
    what : Finding
        Made by a subject's `words` from disclosed tables.
    figures : Disclosed, optional
        One row of numbers that it states and no table of the notebook shows.
    named : sequence of Named
        Organisations that it names, with the grounds, as in `present.message`.

    Raises
    ------
    InputError
        If the figures have not passed `disclose`, the question is not one of the paper's, there is no title, more than
        three lines, no figure where there are three, or a sentence is too long.
    """
    display.display(finding_bundle(what, figures=figures, named=named), raw=True)


def finding_bundle(what: Finding, *, figures: Disclosed | None = None, named: Sequence[Named] = ()) -> dict[str, Any]:
    """Return the display bundle of a finding."""
    require_one_of(what.question, QUESTIONS, what="Question of the board paper")
    for why in _faults(what):
        raise InputError(f"Finding {what.question!r}: {why}.")
    payload = {
        **asdict(what),
        "behind": display.figures_behind(figures, what.title, kind="finding") if figures is not None else {},
    }
    payload["named"] = [one.payload() for one in named]
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in what.lines)
    sure = f"Confidence: {what.confidence.level}, because {what.confidence.reason}."
    page = f"<p>{html.escape(what.question)}</p><p><strong>{html.escape(what.title)}</strong></p><ul>{lines}</ul>"
    page += f"<p>{html.escape(sure)}</p>"
    return {"text/plain": f"{what.question} {what.title} {sure}", "text/html": page, FINDING: payload}


def _faults(what: Finding) -> Iterator[str]:
    if not what.title.strip():
        yield "it has no title"
    if len(what.title) > MOST_TITLE:
        yield f"its title is longer than {MOST_TITLE} characters"
    if not 1 <= len(what.lines) <= len(LABELS):
        yield f"it has {len(what.lines)} lines, and one to {len(LABELS)} are allowed"
    if what.confidence.level not in ("high", "medium", "low"):
        yield f"its confidence is {what.confidence.level!r}, and not high, medium or low"
    for line in what.lines:
        if len(line) > MOST_LINE:
            yield f"a line is longer than {MOST_LINE} characters: {line!r}"
    for text in what.texts:
        for one in sentences(text):
            if len(one.split()) > MOST_WORDS:
                yield f"a sentence has more than {MOST_WORDS} words: {one!r}"
