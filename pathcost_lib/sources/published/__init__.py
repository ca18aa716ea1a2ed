"""Readers of official publications: by layout, for any year, each with its source, licence and cautions."""

from pathcost_lib.sources.published.reader import catalogue, holdings, icb_codes, read
from pathcost_lib.sources.published.schedule import read_schedule

__all__ = [
    "catalogue",
    "holdings",
    "icb_codes",
    "read",
    "read_schedule",
]
