"""Comparators: what organisations share so that each may be compared with the others, and who is compared."""

from pathcost_lib.comparators.club import Club, compared_with
from pathcost_lib.comparators.files import Shared, Statistics, definition_digest, read, write

__all__ = ["Club", "Shared", "Statistics", "compared_with", "definition_digest", "read", "write"]
