"""Tables as arrays: keys turned to whole numbers, and inputs checked with the offending keys named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from pathcost_lib.errors import InputError

__all__ = ["as_list", "encode", "match", "numbers", "refuse", "require_columns"]


def as_list(keys: str | Iterable[str] | None) -> list[str]:
    """Return one key, several or none as a list."""
    return [] if keys is None else [keys] if isinstance(keys, str) else list(keys)


def require_columns(df: pd.DataFrame, columns: Iterable[str], *, what: str) -> None:
    """Raise `InputError` if the table lacks a column, or has no rows."""
    missing = [column for column in columns if column not in df.columns]
    if missing:
        raise InputError(f"The {what} lack {', '.join(missing)}. Columns held: {', '.join(map(str, df.columns))}.")
    if df.empty:
        raise InputError(f"The {what} have no rows.")


def refuse(df: pd.DataFrame, wrong: np.ndarray, keys: Sequence[str], rule: str) -> None:
    """Raise `InputError` naming up to five of the keys whose rows break a rule; the tables hold aggregates only."""
    if not wrong.any():
        return
    shown = df.loc[wrong, list(keys)].drop_duplicates().head(5)
    named = "; ".join("/".join(map(str, row)) for row in shown.itertuples(index=False)) if keys else "all"
    raise InputError(f"{rule}: {int(wrong.sum())} row(s), {'/'.join(keys)}: {named}.")


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


def encode(df: pd.DataFrame, keys: Sequence[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """Return a code for each row, and a frame whose row number is the code: one row per combination, sorted.

    Raises
    ------
    InputError
        If a key is missing (null) in any row.
    """
    code = np.zeros(len(df), dtype=np.int64)
    levels: list[np.ndarray] = []
    for key in keys:
        found, level = pd.factorize(df[key], sort=True)
        if (found < 0).any():
            raise InputError(f"{key} is missing in {int((found < 0).sum())} row(s).")
        code = code * len(level) + found
        levels.append(np.asarray(level))
    if not keys:
        return code, pd.DataFrame(index=[0])
    sizes = [len(level) for level in levels]
    if np.prod(sizes, dtype=float) <= 4 * len(df) + 10_000:  # a count is several times quicker than a sort
        held = np.bincount(code) > 0
        used, code = np.flatnonzero(held), (np.cumsum(held) - 1)[code]
    else:
        used, code = np.unique(code, return_inverse=True)
    parts = np.unravel_index(used, sizes)
    return code, pd.DataFrame({key: level[part] for key, level, part in zip(keys, levels, parts, strict=True)})


def match(rows: pd.DataFrame, table: pd.DataFrame, keys: Sequence[str], *, what: str) -> np.ndarray:
    """Return, for each row, the position in `table` with the same keys, or -1. By key, never by row order.

    Raises
    ------
    InputError
        If `table` holds a combination of keys twice.
    """
    refuse(table, table.duplicated(list(keys)).to_numpy(), keys, f"The {what} must hold each key once")
    index = pd.MultiIndex.from_frame(table[list(keys)].astype(str))
    return index.get_indexer(pd.MultiIndex.from_frame(rows[list(keys)].astype(str)))
