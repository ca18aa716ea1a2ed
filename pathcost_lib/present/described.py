"""What a figure carries beside its drawing: the function that says it in words, and its size."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

__all__ = ["Form", "describes", "form_of"]

Draw = Callable[..., Axes]
Describe = Callable[..., str]
#: Inches, or how many a table needs; of the options of the figure it may take some, by name.
Height = float | Callable[..., float]


@dataclass(frozen=True)
class Form:
    """A figure's alternative text and size."""

    describe: Describe | None = None
    height: Height = 3.4
    tall: Height | None = None

    def alt(self, frame: pd.DataFrame, options: Mapping[str, Any]) -> str:
        """Return the alternative text from what is drawn, with those of the figure's options that it takes."""
        if self.describe is None:
            return ""
        return str(_called(self.describe, frame, options))

    def drawing(self, figure: Draw, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options for the drawing: all but those that the alternative text alone takes."""
        words_only = _arguments(self.describe) - _arguments(figure) if self.describe else set()
        return {name: value for name, value in options.items() if name not in words_only}

    def sizes(self, frame: pd.DataFrame, options: Mapping[str, Any]) -> tuple[float, float | None]:
        """Return the height of the page form, and of the phone form if it is not in proportion, in inches."""
        height = _called(self.height, frame, options) if callable(self.height) else self.height
        return height, _called(self.tall, frame, options) if callable(self.tall) else self.tall


def _arguments(function: Callable[..., Any]) -> set[str]:
    return set(inspect.signature(function).parameters)


def _called(function: Callable[..., Any], frame: pd.DataFrame, options: Mapping[str, Any]) -> Any:
    takes = _arguments(function)
    return function(frame, **{name: value for name, value in options.items() if name in takes})


_FORMS: dict[Draw, Form] = {}


def describes(figure: Draw, *, height: Height = 3.4, tall: Height | None = None) -> Callable[[Describe], Describe]:
    """Mark a function as the alternative text of a figure, and give that figure its size.

    Parameters
    ----------
    figure : callable
        What the function below describes: takes `ax`, a table and options.
    height, tall : float
        Inches of the page form and of the phone form, or functions of the table (and options) that return them.
    """

    def mark(describe: Describe) -> Describe:
        _FORMS[figure] = Form(describe, height, tall)
        return describe

    return mark


def form_of(figure: Draw) -> Form:
    """Return what a figure carries; a plain size and no text where it carries nothing."""
    return _FORMS.get(figure, Form())
