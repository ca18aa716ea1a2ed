"""How a table is drawn where numbers can be edited, as slides and workbooks draw it: said by whoever shows the table.

A table that names no chart has none: what is worth drawing cannot be guessed from the units of its columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pathcost_lib.errors import InputError, require_one_of

__all__ = ["KINDS", "Chart"]

#: Kind to what it is called where it is read aloud.
KINDS = {
    "bars": "Bar chart",
    "columns": "Column chart",
    "stacked": "Stacked bar chart",
    "stacked_columns": "Stacked column chart",
    "lines": "Line chart",
    "dots": "Dots with intervals",
    "waterfall": "Waterfall",
    "tornado": "Tornado chart",
}
_ROWS = ("first", "last")


@dataclass(frozen=True)
class Chart:
    """What the chart of a table shows. Limits after a series' column (`lower_95`, `upper_95`) are drawn with it.

    Attributes
    ----------
    kind : str
        Of `KINDS`. `bars` stand beside each other; `stacked` add up; `columns` and `lines` run over time; `dots` are
        values with their intervals; a `waterfall` has one series of steps; a `tornado` two sides.
    series : sequence of str
        Columns, in the table's own order of meaning.
    category : str
        Column that names the rows; the first if not given.
    by : str
        Column of a long table whose every value is a series of its own.
    reference : str or float
        Column of what is compared with, drawn as a series beside; or the number that bars begin at, such as 100.
    whole : sequence of str
        Of a waterfall, which rows are whole amounts and not steps: `first`, `last`.
    total : str
        Of a waterfall, what a last bar is called that stands where the steps end; none if empty.
    where : mapping of str to str
        Only the rows that hold these values.
    name : str
        What a lone series is called, such as the area; the heading of its column if not given.
    """

    kind: str
    series: Sequence[str]
    category: str = ""
    by: str = ""
    reference: str | float = ""
    whole: Sequence[str] = ()
    total: str = ""
    where: Mapping[str, str] = field(default_factory=dict)
    name: str = ""

    def payload(
        self, columns: Sequence[Mapping[str, Any]], rows: Sequence[Sequence[Any]], *, table: str
    ) -> dict[str, Any]:
        """Return the chart as a table carries it.

        Parameters
        ----------
        columns, rows : sequence
            The table's columns and rows, as its payload has them.
        table : str
            Name of the table, for errors.

        Raises
        ------
        InputError
            If the kind is not known, a column is not in the table or holds no numbers, or a waterfall or tornado has
            another number of series than one or two.
        """
        require_one_of(self.kind, KINDS, what=f"Table {table!r}: kind of chart")
        known = [str(c["key"]) for c in columns]
        category = self.category or known[0]
        beside = [self.reference] if isinstance(self.reference, str) and self.reference else []
        for name in [category, *filter(None, [self.by]), *self.where, *self.series, *beside]:
            require_one_of(name, known, what=f"Table {table!r}: column of the chart")
        # A column in which every row is empty has no type.
        empty = {c["key"] for n, c in enumerate(columns) if c["number"] or not any(row[n] for row in rows)}
        text = [name for name in [*self.series, *beside] if name not in empty]
        sides = {"waterfall": 1, "tornado": 2}.get(self.kind)
        if text or not self.series or len(self.series) != (sides or len(self.series)):
            why = (
                f"columns {', '.join(text)} hold no numbers" if text else f"{self.kind} takes {sides or 'some'} series"
            )
            raise InputError(f"The chart of table {table!r}: {why}.")
        for name in self.whole:
            require_one_of(name, _ROWS, what=f"Table {table!r}: whole row of the waterfall")
        return {
            "kind": self.kind,
            "category": category,
            "series": list(self.series),
            "by": self.by,
            "reference": self.reference,
            "whole": list(self.whole),
            "total": self.total,
            "where": dict(self.where),
            "name": self.name,
        }
