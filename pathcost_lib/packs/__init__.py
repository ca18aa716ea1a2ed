"""Board packs: run notebooks with checked parameters, and make a page, a workbook and a manifest of what they show."""

from pathcost_lib.packs.builder import Pack, build, build_all
from pathcost_lib.packs.render import DEFAULT_FORMATS

__all__ = [
    "DEFAULT_FORMATS",
    "Pack",
    "build",
    "build_all",
]
