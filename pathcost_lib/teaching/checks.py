"""A check answers back: right, or not yet with the hint that fits the answer given. It never says the answer."""

from __future__ import annotations

import html
from dataclasses import dataclass, replace
from numbers import Number

import numpy as np
import pandas as pd

from pathcost_lib.present.format import pounds
from pathcost_lib.teaching import progress
from pathcost_lib.teaching.exercises import Exercise, find

__all__ = ["Verdict", "check", "judge", "predict"]

PASSED, NOT_YET, OPEN = "Right", "Not yet", "Not answered yet"
_MARKS = {PASSED: ("✔", "#00756b"), NOT_YET: ("✘", "#c4500d"), OPEN: ("…", "#566573")}
_ROUNDED = "Very near: it looks as if you rounded a step on the way. Round only once, at the end."


@dataclass(frozen=True)
class Verdict:
    """What a check says; it shows itself in a notebook, as a mark, a word and a hint."""

    exercise: str
    state: str
    text: str
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether the exercise is passed."""
        return self.state == PASSED

    def __repr__(self) -> str:
        return " ".join(part for part in (f"{self.exercise} {self.state}. {self.text}", self.note) if part)

    def _repr_html_(self) -> str:
        mark, colour = _MARKS[self.state]
        note = f'<br><small style="opacity:.8">{html.escape(self.note)}</small>' if self.note else ""
        return (
            f'<div role="status" style="border-left:4px solid {colour};padding:.4em .8em;max-width:44em">'
            f"<strong>{mark} {self.exercise} {self.state}.</strong> {html.escape(self.text)}{note}</div>"
        )


def check(exercise: str, answer: object) -> Verdict:
    """Check an answer, and save it in the learner's progress.

    Parameters
    ----------
    exercise : str
        Such as "2.1".
    answer : object
        A number of any kind (int, float, Decimal, of pandas or numpy, a Series of one value), in the unit asked for,
        rounded as asked for or not at all; text where the exercise asks for a word; `...` is not answered yet.

    Raises
    ------
    InputError
        If there is no such exercise.
    """
    verdict = judge(find(exercise), answer)
    return verdict if verdict.state == OPEN else replace(verdict, note=progress.record(exercise, passed=verdict.passed))


def judge(task: Exercise, answer: object) -> Verdict:
    """Return the verdict on an answer; nothing is saved."""
    if answer is None or answer is Ellipsis:
        return Verdict(task.id, OPEN, "Put your working in place of the three dots, then run both cells again.")
    if task.unit == "choice":
        return _chosen(task, answer)
    given = _number(answer)
    if isinstance(given, str):
        return Verdict(task.id, NOT_YET, given)

    def like(value: float | str) -> bool:
        return abs(given - float(value)) <= task.tolerance + 1e-9 * abs(float(value))

    if like(task.answer):
        return Verdict(task.id, PASSED, task.right)
    hints = (mistake.hint for mistake in task.mistakes if like(mistake.value))
    near = abs(given - float(task.answer)) < 0.005 * abs(float(task.answer))
    return Verdict(task.id, NOT_YET, next(hints, _ROUNDED if near else task.hint))


def predict(guess: object, actual: float, unit: str = "£", places: int = 0) -> str:
    """Set a prediction beside what came out; here the answer is said, for the point is the surprise."""
    if guess is None or guess is Ellipsis:
        return "Predict first: put a number in place of the three dots above. To be wrong is how it sticks."
    given = _number(guess)
    if isinstance(given, str):
        return given

    def text(value: float) -> str:
        return pounds(value, places) if unit == "£" else f"{value:,.{places}f}{unit}"

    end = "Spot on." if text(given) == text(actual) else "Before you read on: what did you leave out, or count twice?"
    return f"You predicted {text(given)}. It is {text(actual)}. {end}"


def _chosen(task: Exercise, answer: object) -> Verdict:
    words = sorted({str(task.answer), *(str(mistake.value) for mistake in task.mistakes)})
    given = answer.strip().casefold() if isinstance(answer, str) else None
    if given not in words:
        return Verdict(task.id, NOT_YET, f"Answer with one of these words, in quotes: {', '.join(words)}.")
    if given == task.answer:
        return Verdict(task.id, PASSED, task.right)
    return Verdict(task.id, NOT_YET, next(mistake.hint for mistake in task.mistakes if mistake.value == given))


def _number(answer: object) -> float | str:
    """Return the one number in an answer, or in words why there is none."""
    if isinstance(answer, str):
        return "That is text. Give a number: no quotes, no pound sign, no comma."
    if isinstance(answer, pd.DataFrame | pd.Series | pd.Index | np.ndarray | list | tuple):
        values = np.asarray(answer, dtype=object).ravel()
        if len(values) != 1:
            return f"That holds {len(values)} values; the question asks for one number."
        answer = values[0]
    if answer is pd.NA or (isinstance(answer, Number) and answer != answer):
        return "That is 'not a number': something in your working is missing or was divided by zero."
    if isinstance(answer, bool | np.bool_ | complex) or not isinstance(answer, Number):
        return f"Give one number; this is a {type(answer).__name__}."
    return float(answer)  # type: ignore[arg-type]
