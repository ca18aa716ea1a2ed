"""Pathways: definitions, the link from ledger rows to pathways, and their summaries."""

from pathcost_lib.pathways.borne import BORNE, shares_borne, told_by_years
from pathcost_lib.pathways.definition import Definition, Phase, available, linked_with, load_definition
from pathcost_lib.pathways.flow import Flow, flow
from pathcost_lib.pathways.link import Links, Statement, link
from pathcost_lib.pathways.phases import split_phases
from pathcost_lib.pathways.summary import summarise

__all__ = [
    "BORNE",
    "Definition",
    "Flow",
    "Links",
    "Phase",
    "Statement",
    "available",
    "flow",
    "link",
    "linked_with",
    "load_definition",
    "shares_borne",
    "split_phases",
    "summarise",
    "told_by_years",
]
