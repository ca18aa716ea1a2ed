"""Of how many people a number may be shown, and how much of it one of them may bear: one place for all floors."""

from __future__ import annotations

__all__ = ["LARGEST_SHARES", "NEWEST", "SMALLEST"]

#: Fewest people of whom a number is shown: NHS England's rule for hospital episodes (`present.disclosure`).
SMALLEST = 8
#: The largest share of a cost that one person, and that two together, may bear. Sources: `present.disclosure`.
LARGEST_SHARES = {"largest_share": 0.5, "two_largest_share": 0.8}
#: Column of a table that counts all years up to one: by how many people a row is larger than the year before, where
#: that year has as many as may be shown; else 0. Where they are few, the tables of both years would tell of them.
NEWEST = "newest"
