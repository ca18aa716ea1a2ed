"""Plant one fault in one argument of one public function, and see what the function makes of it.

Every public function of `benchmark`, `variation`, `scenarios` and `value` has a `Case`: a call that works. One NaN, one
missing row, one duplicate, one wrong label, text in place of numbers, a per cent in place of a share and the like are
then planted in every argument in turn. A function may answer in three ways: the same numbers (the fault does not
matter), a reason that was not there before, or `InputError`. Another number without a word is a fault of ours, unless
the case says why that number is right (`legitimate`).
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pathcost_lib.errors import InputError
from pathcost_lib.results import NotComputable

__all__ = ["Case", "Plant", "outcome", "plants"]

#: Fields and columns in which a result may say why a number is not there, or how it came about.
_REASONS = ("reason", "left_out", "note", "excluded", "warning", "unmatched", "missing")


@dataclass(frozen=True)
class Case:
    """A call that works, and what is known of it.

    Attributes
    ----------
    call : callable
        The public function, or a function of the same keywords that makes what it returns comparable.
    arguments : callable
        Returns fresh keyword arguments for each call.
    legitimate : mapping of (argument, plant) to str
        Plants that rightly give another number, each with the reason. The plant is named as in `Plant.name`, the
        argument as in `Plant.argument`; a name that ends in "*" stands for all that begin so.
    skip : mapping of str to str
        Arguments that need no plants, each with the reason (a callable, a name of a column).
    """

    call: Callable[..., Any]
    arguments: Callable[[], dict[str, Any]]
    legitimate: Mapping[tuple[str, str], str] = field(default_factory=dict)
    skip: Mapping[str, str] = field(default_factory=dict)

    def excused(self, plant: Plant) -> tuple[str, str] | None:
        """Return the key of `legitimate` that covers a plant."""
        for argument, name in self.legitimate:
            parts = zip((argument, name), (plant.argument, plant.name), strict=True)
            if all(real == said or (said.endswith("*") and real.startswith(said[:-1])) for said, real in parts):
                return argument, name
        return None


@dataclass(frozen=True)
class Plant:
    """One fault in one argument."""

    argument: str
    name: str
    apply: Callable[[Any], Any]

    def __str__(self) -> str:
        return f"{self.argument}: {self.name}"


def plants(arguments: Mapping[str, Any], skip: Iterable[str] = ()) -> Iterator[Plant]:
    """Yield every fault that can be planted in these arguments."""
    for name, value in arguments.items():
        if name in skip:
            continue
        if isinstance(value, pd.DataFrame):
            yield from _frame_plants(name, value)
        elif isinstance(value, pd.Series | np.ndarray) or _is_number_list(value):
            yield from _list_plants(name, value)
        elif isinstance(value, Mapping):
            yield from _mapping_plants(name)
        elif isinstance(value, np.random.Generator):
            yield Plant(name, "a seed for a generator", lambda _: 7)
        elif isinstance(value, bool):
            continue
        elif isinstance(value, int | float):
            yield from _number_plants(name, value)
        elif isinstance(value, str):
            yield Plant(name, "an unknown name", lambda _: "no such thing")


def _frame_plants(name: str, frame: pd.DataFrame) -> Iterator[Plant]:
    middle = len(frame) // 2

    def set_cell(column: str, value: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
        def change(table: pd.DataFrame) -> pd.DataFrame:
            values = table[column].astype(object).tolist()
            values[middle] = value
            kind = float if pd.api.types.is_numeric_dtype(table[column]) and not isinstance(value, str) else object
            return table.assign(**{column: pd.Series(values, index=table.index, dtype=kind)})

        return change

    for column in map(str, frame.columns):
        numeric = pd.api.types.is_numeric_dtype(frame[column]) and not pd.api.types.is_bool_dtype(frame[column])
        if numeric:
            yield Plant(name, f"{column} missing", set_cell(column, np.nan))
            yield Plant(name, f"{column} infinite", set_cell(column, np.inf))
            yield Plant(name, f"{column} as text", lambda t, c=column: t.assign(**{c: "n/a"}))
        elif not pd.api.types.is_datetime64_any_dtype(frame[column]):
            back = sorted(frame[column].dropna().unique(), key=str, reverse=True)
            categories = pd.CategoricalDtype([*back, "nobody's"])
            yield Plant(
                name, f"{column} as categories", lambda t, c=column, k=categories: t.assign(**{c: t[c].astype(k)})
            )
            yield Plant(name, f"{column} missing", set_cell(column, None))
            yield Plant(name, f"{column} mislabelled", set_cell(column, "No such label"))
        yield Plant(name, f"{column} absent", lambda t, c=column: t.drop(columns=c))
    yield Plant(name, "a row missing", lambda t: t.drop(index=t.index[middle]))
    yield Plant(name, "a row twice", lambda t: pd.concat([t, t.iloc[[middle]]]))
    yield Plant(name, "a column twice", lambda t: pd.concat([t, t.iloc[:, [0]]], axis=1))
    yield Plant(name, "no rows", lambda t: t.iloc[:0])
    yield Plant(name, "rows in another order", lambda t: t.iloc[::-1])


def _list_plants(name: str, value: Any) -> Iterator[Plant]:
    def changed(to: Any) -> Callable[[Any], Any]:
        def change(values: Any) -> Any:
            if isinstance(values, pd.Series):
                other = values.astype(object if isinstance(to, str) else float).copy()
                other.iloc[len(other) // 2] = to
                return other
            other = list(np.asarray(values).tolist())
            other[len(other) // 2] = to
            return np.array(other, dtype=object if isinstance(to, str) else float)

        return change

    yield Plant(name, "a value missing", changed(np.nan))
    yield Plant(name, "a value infinite", changed(np.inf))
    yield Plant(name, "text in place of a number", changed("n/a"))
    yield Plant(name, "a value fewer", lambda v: v[:-1])
    yield Plant(name, "a lone value for a list", lambda v: float(np.asarray(v, dtype=float).ravel()[0]))


def _mapping_plants(name: str) -> Iterator[Plant]:
    def renamed(mapping: Mapping[Any, Any]) -> dict[Any, Any]:
        first, *rest = mapping
        return {"no such key": mapping[first], **{key: mapping[key] for key in rest}}

    def first_set(value: Any) -> Callable[[Mapping[Any, Any]], dict[Any, Any]]:
        return lambda mapping: {**mapping, next(iter(mapping)): value}

    yield Plant(name, "a key that matches nothing", renamed)
    yield Plant(name, "a value missing", first_set(float("nan")))
    yield Plant(name, "text in place of a number", first_set("n/a"))


def _number_plants(name: str, value: float) -> Iterator[Plant]:
    yield Plant(name, "missing", lambda _: float("nan"))
    yield Plant(name, "infinite", lambda _: float("inf"))
    yield Plant(name, "text in place of a number", lambda _: "n/a")
    if name == "confidence":
        yield Plant(name, "a per cent", lambda _: 95)
    if name == "draws":
        yield Plant(name, "none", lambda _: 0)
        yield Plant(name, "one", lambda _: 1)
        yield Plant(name, "beyond a laptop", lambda _: 10**12)


def outcome(case: Case, plant: Plant, baseline: Any) -> str:
    """Return "refused", "told", "same", or what went wrong: "another number" or the name of a foreign error."""
    arguments = case.arguments()
    arguments[plant.argument] = plant.apply(copy.deepcopy(arguments[plant.argument]))
    try:
        result = case.call(**arguments)
    except InputError as error:
        return "refused" if str(error).strip() else "an error without words"
    except Exception as error:
        return f"a foreign error: {type(error).__name__}: {str(error)[:160]}"
    before, after = dict(_numbers(baseline)), dict(_numbers(result))
    if _alike(before, after):
        return "same"
    new = set(_reasons(result)) - set(_reasons(baseline))
    return "told" if any(text.strip() for text in new) else "another number"


def _alike(before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray]) -> bool:
    if before.keys() != after.keys():
        return False
    return all(
        a.shape == after[key].shape and np.allclose(a, after[key], rtol=1e-6, atol=1e-9, equal_nan=True)
        for key, a in before.items()
    )


def _numbers(result: Any, where: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Yield every number of a result by its place; rows of a table in the order of their labels."""
    if isinstance(result, NotComputable) or result is None or callable(result):
        return
    if isinstance(result, pd.Series):
        result = result.to_frame("value").reset_index()
    if isinstance(result, pd.DataFrame):
        words = [c for c in result.columns if not pd.api.types.is_numeric_dtype(result[c])]
        labels = [c for c in words if not any(str(c).startswith(reason) for reason in _REASONS)]
        ordered = result.assign(**{str(c): result[c].astype(str) for c in labels})
        ordered = ordered.sort_values([str(c) for c in labels], kind="stable") if labels else ordered
        for column in result.select_dtypes("number"):
            yield f"{where}.{column}", ordered[column].to_numpy(dtype=float, na_value=np.nan)
    elif isinstance(result, np.ndarray):
        if result.dtype.kind in "fiu":
            yield where, result.astype(float)
    elif isinstance(result, bool | str):
        return
    elif isinstance(result, int | float | np.number):
        yield where, np.array([float(result)])
    elif isinstance(result, Mapping):
        for key, value in result.items():
            yield from _numbers(value, f"{where}[{key}]")
    elif isinstance(result, list | tuple):
        for place, value in enumerate(result):
            yield from _numbers(value, f"{where}[{place}]")
    elif dataclasses.is_dataclass(result):
        for item in dataclasses.fields(result):
            yield from _numbers(getattr(result, item.name), f"{where}.{item.name}")


def _reasons(result: Any, name: str = "") -> Iterator[str]:
    """Yield every text of a result that says why a number is as it is."""
    if isinstance(result, NotComputable):
        yield result.reason
    elif isinstance(result, str):
        if name.startswith(_REASONS):
            yield result
    elif isinstance(result, pd.DataFrame):
        for column in result.columns:
            if str(column).startswith(_REASONS):
                yield from (
                    f"{column}: {value}" for value in result[column].astype(str) if value not in ("", "nan", "0")
                )
            else:
                yield from (v.reason for v in result[column] if isinstance(v, NotComputable))
    elif isinstance(result, Mapping):
        for key, value in result.items():
            inside = name.startswith(_REASONS)
            if inside and isinstance(value, int | float | str):
                yield f"{key}: {value}"
            else:
                yield from _reasons(value, str(key))
    elif isinstance(result, list | tuple):
        for value in result:
            yield from _reasons(value, name)
    elif dataclasses.is_dataclass(result) and not isinstance(result, type):
        for item in dataclasses.fields(result):
            yield from _reasons(getattr(result, item.name), item.name)


def _is_number_list(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(isinstance(v, int | float) for v in value)
