"""What feeds one of our tables, as a mapping says: which file, and where each column comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pathcost_lib.intake.expressions import source_columns
from pathcost_lib.sources.contracts import CONTRACTS, Column
from pathcost_lib.sources.quoting import quote_name, quote_values
from pathcost_lib.sources.typed_text import ISO_DATES, Reading

__all__ = ["Feed", "engine_kind", "is_required", "plain_name"]


@dataclass(frozen=True)
class Feed:
    """One `[[table]]` of a mapping: a table of ours, what feeds it, and where each column comes from.

    `options` are the table's other keys, as they stand.
    """

    mapping: str
    name: str
    columns: Mapping[str, Mapping[str, Any]]
    options: Mapping[str, Any]
    missing: tuple[str, ...]
    exclude: tuple[Mapping[str, str], ...]

    @property
    def place(self) -> str:
        """Where it stands, for an error."""
        return f"{self.mapping}, table {self.name}"

    @property
    def ours(self) -> dict[str, Column]:
        """Columns of our table, by name."""
        return {column.name: column for column in CONTRACTS[self.name].columns}

    @property
    def sources(self) -> list[str]:
        """Columns of the file that the mapping reads, in the order met."""
        named = [str(spec["from"]) for spec in self.columns.values() if "from" in spec]
        texts = [str(spec["sql"]) for spec in self.columns.values() if "sql" in spec]
        texts += [item["where"] for item in self.exclude]
        named += [name for text in texts for name in source_columns(text, self.place)]
        named += [self.latest["by"]] if self.latest else []
        return list(dict.fromkeys(named))

    @property
    def latest(self) -> Mapping[str, Any]:
        """How rows submitted again are told: `by` (their column), `key` (ours), `date`; empty if not asked."""
        given = self.options.get("latest")
        return {"key": list(CONTRACTS[self.name].key), **given} if given else {}

    def submitted(self) -> str:
        """Return the SQL of a number that is larger the later a row was submitted; null where that cannot be read."""
        value, dates = f"__source.{quote_name(self.latest['by'])}", self.latest.get("date", ())
        formats = [dates] if isinstance(dates, str) else list(dates)
        if formats:
            return f"epoch(try_strptime({value}, [{quote_values(formats)}]))"
        return f"coalesce(TRY_CAST({value} AS DOUBLE), epoch(TRY_CAST({value} AS TIMESTAMP)))"

    def reading(self, column: str, typed: bool = False, days_from_1904: bool = False) -> Reading:
        """Return how the text of a column is to be read; from a source that is `typed`, a date may be a date."""
        spec = self.columns[column]
        dates = spec.get("date", ())
        given = (dates,) if isinstance(dates, str) else tuple(dates)
        if days_from_1904:
            given = tuple("excel1904" if form == "excel" else form for form in given)
        return Reading(
            kind=engine_kind(self.ours[column]),
            dates=(*given, *ISO_DATES) if given and typed else given,
            decimal=spec.get("decimal", "."),
            money=spec.get("money", ""),
            thousands=spec.get("thousands", ""),
            rounded=bool(spec.get("rounded", False)),
        )

    def find(self, headings: list[str]) -> dict[str, str]:
        """Return which heading each column is under: its own name or another in `also`, in whatever case and spacing.

        A column that is not there is left out.
        """
        alike: dict[str, list[str]] = {}
        for heading in headings:
            alike.setdefault(plain_name(heading), []).append(heading)
        columns = {}
        for name in self.sources:
            names = [name, *self.options.get("also", {}).get(name, ())]
            near = [here[0] for each in names if len(here := alike.get(plain_name(each), [])) == 1]
            here = [each for each in names if each in headings] + near
            if here:
                columns[name] = here[0]
        return columns


def plain_name(heading: str) -> str:
    """Return a heading in lower case, with one `_` for all that is no letter or digit (provider_code)."""
    return re.sub(r"[^a-z0-9£%]+", "_", heading.casefold()).strip("_")


def is_required(column: Column) -> bool:
    """Return whether every row needs a value in one of our columns."""
    return not (column.null or column.optional)


def engine_kind(column: Column) -> str:
    """Return the engine's type of one of our columns; identifiers are text, which holds any of them."""
    return "VARCHAR" if "VARCHAR" in column.type else column.type
