"""Board packs: run notebooks with checked parameters, and make a page, a workbook and a manifest of what they show."""

from pathcost_lib.packs.builder import FORMATS, Pack, build, production_notebooks
from pathcost_lib.packs.runner import NotebookError, execute, parameters_of, typed

__all__ = ["FORMATS", "NotebookError", "Pack", "build", "execute", "parameters_of", "production_notebooks", "typed"]
