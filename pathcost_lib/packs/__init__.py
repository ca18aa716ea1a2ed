"""Board packs: run notebooks with checked parameters, and make a page, a workbook and a manifest of what they show."""

from pathcost_lib.packs.builder import Pack, build, build_all, production_notebooks
from pathcost_lib.packs.document import Document, PackSummary
from pathcost_lib.packs.render import DEFAULT_FORMATS, FORMATS
from pathcost_lib.packs.runner import NotebookError, execute, parameters_of, typed

__all__ = [
    "DEFAULT_FORMATS",
    "FORMATS",
    "Document",
    "NotebookError",
    "Pack",
    "PackSummary",
    "build",
    "build_all",
    "execute",
    "parameters_of",
    "production_notebooks",
    "typed",
]
