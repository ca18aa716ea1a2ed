"""Pathways: definitions, the link from ledger rows to pathways, and their summaries."""

from pathcost_lib.pathways.borne import BORNE
from pathcost_lib.pathways.definition import available, linked_with, load_definition
from pathcost_lib.pathways.flow import flow
from pathcost_lib.pathways.link import link
from pathcost_lib.pathways.phases import split_phases
from pathcost_lib.pathways.summary import summarise

__all__ = [
    "BORNE",
    "available",
    "flow",
    "link",
    "linked_with",
    "load_definition",
    "split_phases",
    "summarise",
]
