"""The exercises as data: the right answer and each known mistake are formulas in `exercises.toml`, not numbers."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pathcost_lib.errors import require_one_of

__all__ = ["Exercise", "Lesson", "Mistake", "find", "lessons"]

_FILE = Path(__file__).with_name("exercises.toml")


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
    content = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return tuple(_lesson(item, content["unit"]) for item in content["lesson"])


def find(exercise: str) -> Exercise:
    """Return an exercise by its id.

    Raises
    ------
    InputError
        If there is no such exercise.
    """
    held = {task.id: task for lesson in lessons() for task in lesson.exercises}
    return held[require_one_of(str(exercise), held, what="Exercise")]


def _lesson(item: dict[str, Any], units: dict[str, list[dict[str, str]]]) -> Lesson:
    number = item["number"]
    tasks = (_exercise(f"{number}.{n}", raw, units) for n, raw in enumerate(item["exercise"], 1))
    return Lesson(number, item["stem"], item["title"], item["minutes"], tuple(tasks))


def _exercise(name: str, raw: dict[str, Any], units: dict[str, list[dict[str, str]]]) -> Exercise:
    unit, given = raw["unit"], dict(raw.get("given", {}))
    answer = given["answer"] = _value(raw["answer"], unit, given)
    known = [*raw["mistake"], *units.get(unit, [])]
    mistakes = tuple(Mistake(m["name"], _value(m["value"], unit, given), m["hint"]) for m in known)
    return Exercise(name, unit, answer, 0.5 * 10.0 ** -raw.get("places", 0), raw["right"], raw["hint"], mistakes)


def _value(formula: str, unit: str, given: dict[str, float | str]) -> float | str:
    """Work out a formula of the exercise's given numbers; a choice is its own value."""
    return formula if unit == "choice" else float(np.asarray(pd.eval(formula, local_dict=given, engine="python")))
