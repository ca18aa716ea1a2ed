"""Files that people write (pathways, scenarios, mappings) against pydantic models, and their errors in our words.

A model is a `Table`: each key has a type, a description and, where they apply, `Limits`, `OneOf` or `Like`. From the
same model come the check of a file (`read_file`, `check_content`), the words of what is wrong (`toml_problems`), and
the schema for editors and the table of keys on a page (`toml_pages`).

pydantic takes a tenth of a second to import: only modules of models import this one, and they are imported where a file
is read.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError, model_validator
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from pathcost_lib.codes import PODS, SCHEME_PODS, SETTINGS, financial_year_bounds
from pathcost_lib.codes import Pod as PodOfCare
from pathcost_lib.errors import InputError
from pathcost_lib.sources.contracts import PATTERNS
from pathcost_lib.sources.toml_files import read_toml
from pathcost_lib.sources.toml_problems import problems

__all__ = [
    "Choice",
    "Code",
    "Currency",
    "Doubt",
    "Like",
    "Limits",
    "OneOf",
    "Pod",
    "Setting",
    "Table",
    "Word",
    "Year",
    "against_rule",
    "check_content",
    "doubts_in_words",
    "pods_outside",
    "read_file",
]

Model = TypeVar("Model", bound="Table")


class Table(BaseModel):
    """A table of a TOML file: no other keys, no conversion of types, no numbers that are none."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
    #: The points of delivery that its page lists.
    services: ClassVar[Mapping[str, PodOfCare]] = PODS


class _Rule(ABC):
    """A rule on a value: checked after its type, and written into the schema."""

    @abstractmethod
    def check(self, value: Any) -> Any:
        """Return the value, or raise what the message is made from."""

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """Return its part of the schema."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(schema) | self.schema()


@dataclass(frozen=True)
class OneOf(_Rule):
    """A text that is one of those allowed; `called` ("a POD") stands for a long list of them on a page."""

    allowed: tuple[str, ...]
    called: str = ""

    def check(self, value: str) -> str:
        """Return the value, or raise what the message is made from."""
        if value not in self.allowed:
            raise PydanticCustomError("one_of", "not known", {"allowed": self.allowed})
        return value

    def schema(self) -> dict[str, Any]:
        """Return its part of the schema."""
        return {"enum": list(self.allowed)}

    def __str__(self) -> str:
        return self.called or ", ".join(map(repr, self.allowed))


@dataclass(frozen=True)
class Like(_Rule):
    """A text that a regular expression meets as a whole, and how to say what it is."""

    pattern: str
    words: str

    def check(self, value: str) -> str:
        """Return the value, or raise what the message is made from."""
        if not re.fullmatch(self.pattern, value):
            raise PydanticCustomError("must_be", "not alike", {"words": self.words, "hint": ""})
        return value

    def schema(self) -> dict[str, Any]:
        """Return its part of the schema."""
        return {"pattern": f"^(?:{self.pattern})$"}

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Limits(_Rule):
    """A number from `low` to `high`, both allowed, in a unit ("GBP a year", "share")."""

    low: float | None = None
    high: float | None = None
    unit: str = ""

    def check(self, value: float) -> float:
        """Return the value, or raise what the message is made from."""
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            hint = f" It is a share: write {value / 100:g} for {value:g} %." if self.high == 1 < value <= 100 else ""
            kind = "a whole number" if isinstance(value, int) else "a number"
            raise PydanticCustomError("must_be", "out of range", {"words": f"{kind} {self.range}", "hint": hint})
        return value

    @property
    def range(self) -> str:
        """The limits in words."""
        if self.low is None or self.high is None:
            return f"of at least {self.low:g}" if self.low is not None else f"of at most {self.high:g}"
        return f"from {self.low:g} to {self.high:g}"

    def schema(self) -> dict[str, Any]:
        """Return its part of the schema."""
        limits = {"minimum": self.low, "maximum": self.high}
        return {key: value for key, value in limits.items() if value is not None}

    def __str__(self) -> str:
        limits = self.range if (self.low, self.high) != (None, None) else ""
        return ", ".join(part for part in (self.unit, limits) if part)


@dataclass(frozen=True)
class _FinancialYear(_Rule):
    def check(self, value: str) -> str:
        financial_year_bounds(value)
        return value

    def schema(self) -> dict[str, Any]:
        return {"pattern": r"^\d{4}-\d{2}$"}

    def __str__(self) -> str:
        return "financial year, like 2024-25"


Word = Annotated[str, Like(*PATTERNS["word"])]
Code = Annotated[str, Like(*PATTERNS["code"])]
Currency = Annotated[str, Like(*PATTERNS["currency"])]
Year = Annotated[str, _FinancialYear()]
Setting = Annotated[str, OneOf(SETTINGS, "a setting")]
Pod = Annotated[str, OneOf(tuple(PODS), "a POD")]


class Choice(Table):
    """A table that chooses by lists: a key that is given must list something, and one at least must be given."""

    #: Its heading in the file, and its keys that choose nothing.
    heading: ClassVar[str]
    beside: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="after")
    def _choose(self) -> Self:
        for key, value in self:
            if key in self.model_fields_set and value == []:
                raise against_rule("is an empty list, which nothing meets. List codes, or leave the key out.", key)
        if not self.chosen():
            keys = ", ".join(key for key in type(self).model_fields if key not in self.beside)
            raise against_rule(f"[{self.heading}] chooses by nothing. Allowed: {keys}.")
        return self

    def chosen(self) -> dict[str, tuple[str, ...]]:
        """Return the codes that are chosen by, by key."""
        return {key: tuple(values) for key, values in self if key not in self.beside and values}


def against_rule(words: str, *keys: str | int) -> PydanticCustomError:
    """Return the error of a rule on several keys, to raise in a model's validator: the sentence, and where it is."""
    return PydanticCustomError("rule", "{words}", {"key": keys, "words": words})


@dataclass(frozen=True)
class Doubt:
    """What is allowed and yet likely wrong: a sentence, and the steps to the key that it is about."""

    words: str
    place: tuple[str | int, ...]


def doubts_in_words(doubts: list[Doubt], model: type[Table], content: Mapping[str, Any], path: Path) -> list[str]:
    """Return doubts as problems are told: file, line, table and key, then the sentence."""
    if not doubts:
        return []
    lines = [
        InitErrorDetails(type=against_rule(each.words, each.place[-1]), loc=each.place[:-1], input=None)
        for each in doubts
    ]
    error = ValidationError.from_exception_data("doubts", lines)
    return problems(error, model, content, path.name, path)


def pods_outside(settings: Sequence[str], pods: Sequence[str]) -> str:
    """Return in words which of some PODs belong to none of some settings; empty where there is none."""
    outside = [pod for pod in pods if settings and SCHEME_PODS[pod].setting not in settings]
    words = " and ".join(f"{pod} belongs to setting {SCHEME_PODS[pod].setting}" for pod in outside)
    return f"{words}, not to {' or '.join(settings)}: they meet nothing together." if outside else ""


def read_file(model: type[Model], path: Path, what: str) -> Model:
    """Read and check a file.

    Parameters
    ----------
    model : type of Table
        What it may hold.
    path, what
        As in `toml_files.read_toml`.

    Raises
    ------
    InputError
        As `read_toml`, or if something in it is not allowed: every problem with file, line, place and what is allowed.
    """
    return check_content(model, read_toml(path, what), path.name, path)


def check_content(model: type[Model], content: Mapping[str, Any], file: str, path: Path | None = None) -> Model:
    """Return the content of a file as its model; `path`, where it is known, lets errors name the line.

    Raises
    ------
    InputError
        If something in it is not allowed.
    """
    try:
        return model.model_validate(dict(content))
    except ValidationError as error:
        raise InputError("\n".join(problems(error, model, content, file, path))) from None
