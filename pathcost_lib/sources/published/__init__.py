"""Readers of official publications: by layout, for any year, each with its source, licence and cautions."""

from pathcost_lib.sources.published.reader import Published, catalogue, holdings, icb_codes, layouts, read
from pathcost_lib.sources.published.schedule import Schedule, read_schedule

__all__ = [
    "Published",
    "Schedule",
    "catalogue",
    "holdings",
    "icb_codes",
    "layouts",
    "read",
    "read_schedule",
]
