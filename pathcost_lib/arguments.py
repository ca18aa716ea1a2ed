"""What every public function asks of its arguments, in one place, and in words that name what is wrong.

Tables as arrays (keys turned to whole numbers), numbers with the offending keys named, levels, draws, generators,
mappings whose keys must match, and a library's own error turned into ours.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from pathcost_lib.errors import InputError, require_one_of

__all__ = [
    "as_list",
    "complete_rows",
    "confidence_levels",
    "draw_count",
    "encode",
    "explain_failure",
    "generator",
    "mapping_of_numbers",
    "match",
    "no_gaps",
    "number",
    "number_list",
    "numbers",
    "one_row_each",
    "per_cent",
    "refuse",
    "require_columns",
    "require_unique",
    "share",
    "table",
    "told_apart",
    "whole_numbers",
]


def table(df: object, *, what: str) -> pd.DataFrame:
    """Return `df` if it is a DataFrame.

    Raises
    ------
    InputError
        If it is anything else, or two of its columns have one name; the message names `what` and which.
    """
    if not isinstance(df, pd.DataFrame):
        raise InputError(f"The {what} must be a table (pandas DataFrame); this is a {type(df).__name__}.")
    if not df.columns.is_unique:
        twice = df.columns[df.columns.duplicated()].unique()[:5]
        raise InputError(f"The {what} have a column twice: {', '.join(map(str, twice))}. Keep one of them.")
    return df


def as_list(keys: str | Iterable[str] | None) -> list[str]:
    """Return one key, several or none as a list."""
    if not isinstance(keys, str | Iterable | None):
        raise InputError(f"{keys!r} is no name of a column. Give one name, or several in a list.")
    return [] if keys is None else [keys] if isinstance(keys, str) else list(keys)


def require_columns(df: pd.DataFrame, columns: Iterable[str], *, what: str, may_be_empty: bool = False) -> None:
    """Raise `InputError` if `df` is no table, lacks a column, or has no rows where it needs one."""
    table(df, what=what)
    missing = [column for column in columns if not isinstance(column, str) or column not in df.columns]
    if missing:
        raise InputError(f"The {what} lack {', '.join(map(str, missing))}. Columns: {', '.join(map(str, df.columns))}.")
    if df.empty and not may_be_empty:
        raise InputError(f"The {what} have no rows.")


def refuse(df: pd.DataFrame, wrong: np.ndarray, keys: Sequence[str], rule: str) -> None:
    """Raise `InputError` naming up to five of the keys whose rows break a rule; the tables hold aggregates only."""
    if not wrong.any():
        return
    examples = df.loc[wrong, list(keys)].drop_duplicates().head(5)
    named = "; ".join("/".join(map(str, row)) for row in examples.itertuples(index=False)) if keys else "all"
    raise InputError(f"{rule}: {int(wrong.sum())} row(s), {'/'.join(keys)}: {named}.")


def require_unique(df: pd.DataFrame, keys: Sequence[str], *, what: str) -> None:
    """Raise `InputError` if a combination of keys stands in more than one row, naming the keys."""
    refuse(df, df.duplicated(list(keys), keep=False).to_numpy(), keys, f"The {what} must hold each key once")


def one_row_each(df: pd.DataFrame, keys: Sequence[str], values: Iterable[str] = (), *, what: str) -> None:
    """Raise `InputError` if a table lacks a column, a row lacks a key, or a combination of keys stands in two rows."""
    require_columns(df, [*keys, *values], what=what)
    no_gaps(df, keys, what=what)
    require_unique(df, keys, what=what)


def no_gaps(df: pd.DataFrame, keys: Iterable[str], *, what: str) -> None:
    """Raise `InputError` if a row lacks a key, or labels cannot be told apart: a sum by key would be wrong."""
    for key in keys:
        if lacking := int(df[key].isna().sum()):
            raise InputError(f"{key} of the {what} is missing in {lacking} row(s).")
        _labels(df[key].unique(), f"{key} of the {what}")


def _labels(distinct: Iterable[Any], name: str) -> None:
    """Raise `InputError` if a label differs from another in outer spaces alone, or some are text and some are not."""
    values = list(distinct)
    texts = [value for value in values if isinstance(value, str)]
    if texts and len(texts) < len(values):
        raise InputError(f"{name} has text in some rows and numbers in others. Give one kind.")
    bare = [text.strip() for text in texts]
    if len(set(bare)) < len(bare):
        raise InputError(f"{name} has labels that differ only in spaces before or after. Take the spaces off.")


def told_apart(df: pd.DataFrame, measures: Iterable[str], *, what: str) -> None:
    """Raise `InputError` if two rows that will be added up differ in nothing but measures: one may stand twice."""
    keys = [column for column in df.columns if column not in {*measures}]
    twice = df.duplicated(keys, keep=False).to_numpy() if keys else np.full(len(df), len(df) > 1)
    refuse(df, twice, keys, f"No column tells these {what} apart, so that one may stand twice; add it, or add them up")


def whole_numbers(df: pd.DataFrame, column: str, keys: Sequence[str]) -> np.ndarray:
    """Return a column of whole numbers that are not negative (years, ages); anything else is refused by its keys."""
    values = numbers(df, column, keys)
    refuse(df, values != np.floor(values), keys, f"{column} must be a whole number")
    return values.astype(np.int64)


def numbers(df: pd.DataFrame, column: str, keys: Sequence[str], *, above: float | None = None) -> np.ndarray:
    """Return a column as finite floats that are not negative (or are greater than `above`).

    Raises
    ------
    InputError
        If a value is missing, not a number, or out of range; the offending keys are named.
    """
    values = pd.to_numeric(df[column], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    refuse(df, ~np.isfinite(values), keys, f"{column} must be a number")
    if above is None:
        refuse(df, values < 0, keys, f"{column} must not be negative")
    else:
        refuse(df, values <= above, keys, f"{column} must be more than {above:g}")
    return values


def complete_rows(df: pd.DataFrame, columns: Sequence[str], *, what: str) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the rows in which every one of these columns has a value, and how many were left out by reason.

    A patient without a cost is not a patient who cost nothing: such rows belong neither to a mean nor to its n.

    Parameters
    ----------
    df : DataFrame
    columns : sequence of str
        Columns that a row needs. Number columns with an infinite value, or text in place of a number, are refused.
    what : str
        Name of the rows as the reader knows them ("rows to compare").

    Returns
    -------
    (DataFrame, dict of str to int)
        Complete rows with their own index; `{"no cost_gbp": 3}`, a row under the first column that it lacks.

    Raises
    ------
    InputError
        If a column is absent or a number is infinite.
    """
    require_columns(df, columns, what=what)
    keep, left_out = np.ones(len(df), dtype=bool), dict[str, int]()
    for column in columns:
        if pd.api.types.is_numeric_dtype(df[column]):
            infinite = np.isinf(df[column].to_numpy(dtype=float, na_value=np.nan))
            if infinite.any():
                raise InputError(f"{column} of the {what} is infinite in {int(infinite.sum())} row(s).")
        lacking = keep & df[column].isna().to_numpy()
        if lacking.any():
            left_out[f"no {column}"] = int(lacking.sum())
            keep &= ~lacking
    return df[keep], left_out


def number(
    value: Any,
    what: str,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
    whole: bool = False,
) -> float:
    """Return one finite number within its range.

    Parameters
    ----------
    value : number
    what : str
        Name of the argument, with its unit ("occupancy_pct (per cent)").
    least, most : float
        Range, ends included.
    above : float
        The number must be greater than this.
    whole : bool
        Whether it must be a whole number.

    Raises
    ------
    InputError
        With the name, the value and what is allowed.
    """
    finite = _is_number(value) and math.isfinite(value)
    if finite and least <= value <= most and value > above and not (whole and value != int(value)):
        return float(value)
    ends = [f"at least {least:g}"] if least > -math.inf else []
    ends += [f"more than {above:g}"] if above > -math.inf else []
    ends += [f"at most {most:g}"] if most < math.inf else []
    kind = "a whole number" if whole else "a number"
    value = value.item() if isinstance(value, np.generic) else value  # numpy's own names are no reader's
    raise InputError(f"{what} is {value!r}. It must be {' '.join([kind, ' and '.join(ends)]).strip()}.")


def share(value: Any, what: str, *, below_one: bool = False) -> float:
    """Return a share between 0 and 1; a per cent in its place (60 for 0.6) is refused with the share that it means."""
    if isinstance(value, int | float | np.number) and 1 < float(value) <= 100:
        raise InputError(
            f"{what} is {value!r}. It is a share between 0 and 1: write {float(value) / 100:g} for {value} %."
        )
    checked = number(value, f"{what} (share)", least=0.0, most=1.0)
    if below_one and checked == 1:
        raise InputError(f"{what} is 1. It must be less than 1.")
    return checked


def per_cent(value: Any, what: str, *, least: float = 0.0, most: float = 100.0) -> float:
    """Return a per cent in its range; a share in its place (0.05 for 5 %) is refused with the per cent that it means.

    Raises
    ------
    InputError
        If it is no number in range, or more than 0 and below 0.1: so small a per cent is a share by mistake.
    """
    if _is_number(value) and 0 < float(value) < 0.1:
        raise InputError(
            f"{what} is {value!r}. It is a per cent: write {100 * float(value):g} for {value!r} as a share."
        )
    return number(value, f"{what} (per cent)", least=least, most=most)


def confidence_levels(confidence: Any) -> tuple[float, ...]:
    """Return the confidence levels asked for as a tuple.

    Raises
    ------
    InputError
        If a level is not strictly between 0.5 and 1; a per cent (95) is told the level that it means (0.95).
    """
    confidence = np.atleast_1d(confidence) if isinstance(confidence, np.ndarray) else confidence
    several = isinstance(confidence, Iterable) and not isinstance(confidence, str)
    levels = tuple(confidence) if several else (confidence,)
    if not levels:
        raise InputError("Confidence is empty. Give a level between 0.5 and 1, such as 0.95.")
    for level in levels:
        if _is_number(level) and 50 < level < 100:
            raise InputError(f"Confidence is {level!r}. Write {level / 100:g} for {level} %.")
        if not _is_number(level) or not 0.5 < level < 1:
            raise InputError(f"Confidence is {level!r}. Give a level between 0.5 and 1, such as 0.95.")
    return tuple(float(level) for level in levels)


def _is_number(value: Any) -> bool:
    """Say whether a value is one number; True and False are not."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)


#: Fewer simulated outcomes than this make limits of noise; more than this are a mistake for a laptop.
LEAST_DRAWS, MOST_DRAWS = 100, 1_000_000


def draw_count(draws: object, *, least: int = LEAST_DRAWS, most: int = MOST_DRAWS) -> int:
    """Return a number of simulated outcomes: a whole number, neither too few to mean anything nor too many to hold."""
    return int(number(draws, "draws (simulated outcomes)", least=least, most=most, whole=True))


def generator(rng: object) -> np.random.Generator:
    """Return `rng` if it is a numpy Generator; a seed in its place is told how to make one."""
    if isinstance(rng, np.random.Generator):
        return rng
    hint = f"numpy.random.default_rng({rng if isinstance(rng, int) else 20250401})"
    raise InputError(f"rng must be a random generator, such as {hint}; this is a {type(rng).__name__}.")


def number_list(values: object, what: str, *, least: float = -math.inf, most: float = math.inf) -> np.ndarray:
    """Return one number or a sequence of numbers as an array of finite floats with one dimension.

    Raises
    ------
    InputError
        If a value is missing, text, infinite or out of range; the position (from 1) is named.
    """
    try:
        array = np.atleast_1d(np.asarray(values, dtype=float))
    except (TypeError, ValueError):
        raise InputError(f"{what} must be numbers; this is {type(values).__name__} with text or gaps in it.") from None
    if array.ndim != 1:
        raise InputError(f"{what} must be one list of numbers; this has {array.ndim} dimensions.")
    for wrong, rule in ((~np.isfinite(array), "is missing or not a number"), (array < least, f"is below {least:g}")):
        if wrong.any():
            raise InputError(f"{what}: value {int(np.argmax(wrong)) + 1} of {len(array)} {rule}.")
    if (array > most).any():
        raise InputError(f"{what}: value {int(np.argmax(array > most)) + 1} of {len(array)} is above {most:g}.")
    return array


def mapping_of_numbers(
    mapping: Mapping[Any, Any] | None,
    what: str,
    *,
    keys: Iterable[Hashable],
    complete: bool = False,
    least: float = -math.inf,
    most: float = math.inf,
) -> dict[Any, float]:
    """Return a mapping whose keys are all known and whose values are finite numbers.

    Parameters
    ----------
    mapping : mapping or None
        None is an empty one.
    what : str
        Name of the argument.
    keys : iterable
        Keys that may stand in it. A key that matches none of them would be forgotten without a word.
    complete : bool
        Whether every one of the keys must be there.
    least, most : float
        Range of the values.

    Raises
    ------
    InputError
        For a key that is not known, one that is missing, or a value that is not a number in range.
    """
    if mapping is not None and not isinstance(mapping, Mapping):
        raise InputError(
            f"{what} must give a number for each name, such as {{'name': 1.0}}; got {type(mapping).__name__}."
        )
    allowed = list(keys)
    checked = {}
    for key, value in (mapping or {}).items():
        if key not in allowed:
            require_one_of(str(key), map(str, allowed), what=f"{what}: key")
        checked[key] = number(value, f"{what}, {key}", least=least, most=most)
    lacking = [key for key in allowed if key not in checked] if complete else []
    if lacking:
        raise InputError(f"{what} lacks {', '.join(map(str, lacking[:5]))}.")
    return checked


@contextmanager
def explain_failure(what: str, *, library: str) -> Iterator[None]:
    """Turn a library's own error into an `InputError` that says what was being done, to which series or table.

    Use it at the door to statsmodels, scipy or numpy; our own errors pass through as they are.
    """
    try:
        yield
    except InputError:
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError, np.linalg.LinAlgError, NotImplementedError) as error:
        message = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise InputError(f"{what} cannot be computed: {library} says {message!r}.") from error


def encode(df: pd.DataFrame, keys: Sequence[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """Return a code for each row, and a frame whose row number is the code: one row per combination, sorted.

    Raises
    ------
    InputError
        If a key is missing (null) in any row, or its labels differ in spaces alone or are of two kinds.
    """
    code = np.zeros(len(df), dtype=np.int64)
    levels: list[np.ndarray] = []
    for key in keys:
        values = df[key]
        if isinstance(values.dtype, pd.CategoricalDtype) and not values.cat.ordered:
            values = values.astype(values.cat.categories.dtype)  # such categories stand in any order: years would too
        if lacking := int(values.isna().sum()):
            raise InputError(f"{key} is missing in {lacking} row(s).")
        _labels(values.unique(), key)
        places, level = pd.factorize(values, sort=True)
        code = code * len(level) + places
        levels.append(np.asarray(level))
    if not keys:
        return code, pd.DataFrame(index=[0])
    sizes = [len(level) for level in levels]
    if np.prod(sizes, dtype=float) <= 4 * len(df) + 10_000:  # a count is several times quicker than a sort
        present = np.bincount(code) > 0
        used, code = np.flatnonzero(present), (np.cumsum(present) - 1)[code]
    else:
        used, code = np.unique(code, return_inverse=True)
    parts = np.unravel_index(used, sizes)
    return code, pd.DataFrame({key: level[part] for key, level, part in zip(keys, levels, parts, strict=True)})


def match(rows: pd.DataFrame, table: pd.DataFrame, keys: Sequence[str], *, what: str) -> np.ndarray:
    """Return, for each row, the position in `table` with the same keys, or -1. By key, never by row order.

    Raises
    ------
    InputError
        If `table` has a combination of keys twice.
    """
    refuse(table, table.duplicated(list(keys)).to_numpy(), keys, f"The {what} must hold each key once")
    index = pd.MultiIndex.from_frame(table[list(keys)].astype(str))
    return index.get_indexer(pd.MultiIndex.from_frame(rows[list(keys)].astype(str)))
