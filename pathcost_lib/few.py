"""Of how many people a number may be shown, and how much of it one of them may bear: one place for all floors."""

from __future__ import annotations

__all__ = ["LARGEST_SHARES", "NEWEST", "SMALLEST"]

#: Fewest people of whom a number is shown: NHS England's rule for hospital episodes (`present.disclosure`).
SMALLEST = 8
#: The largest share of a cost that one person, and that two together, may bear. Sources: `present.disclosure`.
LARGEST_SHARES = {"largest_share": 0.5, "two_largest_share": 0.8}
#: Column of a table that counts all years up to one: how many people the last year that added any has added to a row,
#: where the years before have as many as may be shown; else 0. Where they are few, the tables of two years would tell.
NEWEST = "newest"
