"""What every analysis returns: a frozen result with a table, a summary and a reason when there is none."""

from __future__ import annotations

import html
from dataclasses import dataclass

import pandas as pd

__all__ = ["NotComputable", "Result"]


@dataclass(frozen=True)
class NotComputable:
    """A value that cannot be computed, with the reason; it is falsy and prints its reason."""

    reason: str

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return f"not computable: {self.reason}"


@dataclass(frozen=True, eq=False)
class Result:
    """Base of every result: a tidy `table` with units in the column names, and a one-paragraph `summary`."""

    table: pd.DataFrame

    @property
    def reason(self) -> str:
        """Why the table has no rows; empty where it has, and in a result that refuses instead."""
        return ""

    @property
    def summary(self) -> str:
        """One paragraph in words; subclasses say more."""
        return f"{type(self).__name__}: {len(self.table):,} rows"

    def __str__(self) -> str:
        return f"{self.summary}\n{self.table.to_string(max_rows=20)}"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.summary)}</p>{self.table.head(50).to_html(index=False, border=0)}"
