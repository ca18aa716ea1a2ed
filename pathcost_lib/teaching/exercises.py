"""The exercises as data: the right answer and each known mistake are formulas in `exercises.toml`, not numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from pathcost_lib.errors import require_one_of
from pathcost_lib.sources.toml_models import Limits, OneOf, Table, read_file

__all__ = ["Exercise", "Lesson", "Mistake", "find", "lessons"]

UNITS = ("pounds", "unit_cost", "millions", "percent", "number", "choice")

_FILE = Path(__file__).with_name("exercises.toml")


class MistakeTable(Table):
    """A known mistake: a formula of what is given and of the answer, and what to say to it."""

    name: str
    value: str
    hint: str


class ExerciseTable(Table):
    """One question: what is given, the right answer as a formula of it, and known mistakes."""

    unit: Annotated[str, OneOf(UNITS)]
    answer: str
    given: dict[str, int | float] = Field({})
    places: Annotated[int, Limits(unit="decimals asked for")] = 0
    right: str
    hint: str
    mistake: list[MistakeTable]


class LessonTable(Table):
    """A lesson, and its questions in order."""

    number: int
    stem: str
    title: str
    minutes: int
    exercise: list[ExerciseTable]


class ExercisesFile(Table):
    """Every lesson, and the mistakes that go with a unit."""

    unit: dict[str, list[MistakeTable]]
    lesson: list[LessonTable]


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that learners give, and what to say to it."""

    name: str
    value: float | str
    hint: str


@dataclass(frozen=True)
class Exercise:
    """One question.

    Attributes
    ----------
    id : str
        Lesson and number: "2.1".
    unit : str
        pounds, millions, percent, number; or choice, which is answered by a word.
    tolerance : float
        Half of the last place that is asked for.
    right, hint : str
        What to say to the right answer, and to a wrong one that is no known mistake.
    mistakes : tuple of Mistake
        The exercise's own, then those of its unit (pence, thousands, sign ...).
    """

    id: str
    unit: str
    answer: float | str
    tolerance: float
    right: str
    hint: str
    mistakes: tuple[Mistake, ...]


@dataclass(frozen=True)
class Lesson:
    """A lesson: number, file stem, title, minutes and exercises."""

    number: int
    stem: str
    title: str
    minutes: int
    exercises: tuple[Exercise, ...]


@cache
def lessons() -> tuple[Lesson, ...]:
    """Return every lesson, in order; the capstone is the last."""
    content = read_file(ExercisesFile, _FILE, "exercises")
    return tuple(_lesson(item, content.unit) for item in content.lesson)


def find(exercise: str) -> Exercise:
    """Return an exercise by its id.

    Raises
    ------
    InputError
        If there is no such exercise.
    """
    tasks = {task.id: task for lesson in lessons() for task in lesson.exercises}
    return tasks[require_one_of(str(exercise), tasks, what="Exercise")]


def _lesson(item: LessonTable, units: dict[str, list[MistakeTable]]) -> Lesson:
    tasks = (_exercise(f"{item.number}.{n}", raw, units) for n, raw in enumerate(item.exercise, 1))
    return Lesson(item.number, item.stem, item.title, item.minutes, tuple(tasks))


def _exercise(name: str, raw: ExerciseTable, units: dict[str, list[MistakeTable]]) -> Exercise:
    given: dict[str, float | str] = dict(raw.given)
    answer = given["answer"] = _value(raw.answer, raw.unit, given)
    known = [*raw.mistake, *units.get(raw.unit, [])]
    mistakes = tuple(Mistake(m.name, _value(m.value, raw.unit, given), m.hint) for m in known)
    return Exercise(name, raw.unit, answer, 0.5 * 10.0**-raw.places, raw.right, raw.hint, mistakes)


def _value(formula: str, unit: str, given: dict[str, float | str]) -> float | str:
    """Work out a formula of the exercise's given numbers; a choice is its own value."""
    return formula if unit == "choice" else float(np.asarray(pd.eval(formula, local_dict=given, engine="python")))
