"""Where rows come from: engines, datasets, checks, mappings, published tables, the synthetic England."""

from pathcost_lib.sources.check import QualityReport, check
from pathcost_lib.sources.comparator import compared_with
from pathcost_lib.sources.dataset import Dataset, open_dataset
from pathcost_lib.sources.engine import Engine, Relation, connect
from pathcost_lib.sources.succession import follow

__all__ = [
    "Dataset",
    "Engine",
    "QualityReport",
    "Relation",
    "check",
    "compared_with",
    "connect",
    "follow",
    "open_dataset",
]
