"""Comparators: what organisations share so that each may be compared with the others, and who is compared."""

from pathcost_lib.comparators.club import compared_with

__all__ = ["compared_with"]
