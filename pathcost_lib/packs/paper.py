"""The board paper: a cover sheet, a question a half page, and how it was made; at most six pages, whatever the data.

It is made of what the notebooks hand over as findings (`present.finding`), so it states no number that the technical
annex does not show. What is written here is the frame: what NHS boards expect on a cover sheet, and the method.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pathcost_lib.packs.document import Document, Figure, Finding
from pathcost_lib.present.findings import LABELS, Headline
from pathcost_lib.present.format import begin, count

__all__ = ["MOST_PAGES", "Answer", "Paper", "paper_of"]

MOST_PAGES = 6
#: Most lines of the cover's parts, so that it stays on its page.
_MOST_HEADLINES, _MOST_ASKED, _MOST_UNKNOWN = 5, 6, 5

#: What a board does with a paper, by the first word of what it is asked.
_PURPOSES = {"Decide": "Decide", "Plan": "Discuss", "Discuss": "Discuss"}
_METHOD = (
    "We give every contact a cost: the patient's own where the provider records it, else the provider's unit cost, "
    "else a national average. Each pound counts once.",
    "We compare areas at equal age and sex, and providers at an equal mix of patients. "
    "We state a difference only where chance is an unlikely reason for it.",
    "An interval shows how far a number may be from the truth by chance alone. "
    "Confidence is high where the interval leaves out no difference and the checks on the data pass. "
    "It is low where there are too few people, or a number is hidden. Otherwise it is medium.",
    "Costs come from what providers report, and reports have faults. The first part of the technical annex lists the "
    "faults found and the cost of the records that they touch.",
)
#: Terms that the paper cannot do without.
_TERMS = (
    ("Pathway", "All care of one patient for one event, such as an operation, before and after it, by any provider."),
    ("Year of full health", "A quality-adjusted life year (QALY): a year lived in full health, or longer in less."),
    (
        "Full cost",
        "Cost with its share of staff, buildings and overheads. Little of it stops when activity stops.",
    ),
    ("Peers", "The areas most like ours in age, deprivation and size. The best of them are the cheaper half."),
    ("England", "All areas in these data that are compared."),
)
_SURE = ("high", "medium", "low")


@dataclass(frozen=True)
class Answer:
    """One question of the paper with its answer, and the figure of the annex that it shows."""

    finding: Finding
    number: int = 0
    figure: Figure | None = None

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Each line under the title, with what it says; without labels where nothing stands out."""
        labels = LABELS if self.figure else ("",) * len(LABELS)
        return list(zip(labels, self.finding.words.lines, strict=False))

    @property
    def sure(self) -> str:
        """How sure it is, and why; nothing of what cannot be said, which has given its reason already."""
        if _is_unknown(self):
            return ""
        level, reason = self.finding.words.confidence.level, self.finding.words.confidence.reason
        return f"{level.capitalize()}, because {reason}."

    @property
    def source(self) -> str:
        """Where in the annex it is."""
        return f"Figure {self.number} of the technical annex: {self.figure.title}." if self.figure else ""


@dataclass(frozen=True)
class Paper:
    """What the paper says, whatever its format.

    Attributes
    ----------
    purpose : str
        What the board is to do: "Decide", "Discuss" or "Note", the first that applies.
    asked : tuple of str
        Recommendations, a sentence each.
    headlines : tuple of (Headline, str)
        Numbers for the cover, each with how sure it is.
    unknown : tuple of str
        What is not known, a sentence or two each.
    answers : tuple of Answer
        In the order of the questions.
    method : tuple of str
        How the numbers come about, in plain words.
    """

    purpose: str
    asked: tuple[str, ...]
    headlines: tuple[tuple[Headline, str], ...]
    unknown: tuple[str, ...]
    answers: tuple[Answer, ...]
    method: tuple[str, ...] = _METHOD

    @property
    def texts(self) -> list[str]:
        """Everything that it says, for whoever checks words."""
        texts = [text for answer in self.answers for text in (*answer.finding.words.texts, answer.source)]
        return [*self.asked, *self.unknown, *texts, *self.method]


def paper_of(document: Document) -> Paper:
    """Return the board paper of a pack."""
    answers = tuple(_answer(document, finding) for finding in document.findings)
    asked = document.decisions
    verbs = [_PURPOSES.get(text.partition(" ")[0], "Note") for text in asked]
    lacking = [f"{a.finding.words.title}. {a.finding.words.lines[0]}" for a in answers if _is_unknown(a)]
    unknown = [*lacking, *dict.fromkeys(text for m in document.messages for text in m.unknown)]
    return Paper(
        purpose=next((p for p in ("Decide", "Discuss") if p in verbs), "Note"),
        asked=_first(asked, _MOST_ASKED),
        headlines=_headlines(document),
        unknown=_first([*([document.warning] if document.warning else []), *unknown], _MOST_UNKNOWN),
        answers=answers,
        method=(*_METHOD, _hidden(document)),
    )


def _headlines(document: Document) -> tuple[tuple[Headline, str], ...]:
    """Return the numbers for the cover: the surest where there are too many, in the order of the paper."""
    every = [(f.words.headline, f.words.confidence.level) for f in document.findings if f.words.headline]
    kept = sorted(every, key=lambda one: _SURE.index(one[1]))[:_MOST_HEADLINES]
    return tuple(one for one in every if one in kept)


def _hidden(document: Document) -> str:
    """Return how much is hidden to protect patients, and where to see it."""
    *_, total = document.suppression["rows"]
    _, _, rows, small, more, _ = total
    return (
        f"Numbers about one to seven people are hidden, and so is what would reveal them: {count(small + more)} of the "
        f"{count(rows)} rows of the annex. Counts are rounded. The annex says what is hidden in each table."
    )


def _answer(document: Document, finding: Finding) -> Answer:
    figure = document.figure_of(finding)
    return Answer(finding, *figure) if figure else Answer(finding)


def _is_unknown(answer: Answer) -> bool:
    return answer.figure is None and answer.finding.words.confidence.level == "low"


def _first(lines: list[str], most: int) -> tuple[str, ...]:
    """Return the first lines; where there are more, the last says so."""
    if len(lines) <= most:
        return tuple(lines)
    return (*lines[: most - 1], "There is more: the first page of the technical annex lists it.")


def content(document: Document) -> dict[str, Any]:
    """Return the paper as the PDF's template takes it."""
    paper = paper_of(document)
    return {
        "title": replace(document, kind="Board paper").title,
        "organisation": document.organisation,
        "year": document.year,
        "banner": document.banner,
        "restricted": document.restricted,
        "about": document.about,
        "purpose": paper.purpose,
        "asked": paper.asked,
        "headlines": [
            {"number": one.number, "what": begin(one.what), "against": one.against, "sure": sure.capitalize()}
            for one, sure in paper.headlines
        ],
        "unknown": paper.unknown,
        "answers": [
            {
                "question": answer.finding.words.question,
                "title": answer.finding.words.title,
                "lines": answer.lines,
                "sure": answer.sure,
                "source": answer.source,
                "svg": answer.figure.wide if answer.figure else "",
                "alt": answer.figure.alt if answer.figure else "",
            }
            for answer in paper.answers
        ],
        "method": paper.method,
        "terms": _TERMS,
        "facts": document.facts,
    }
