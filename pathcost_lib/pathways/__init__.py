"""Pathways: definitions, the link from ledger rows to pathways, and their summaries."""

from pathcost_lib.pathways.definition import Definition, Phase, available, load_definition
from pathcost_lib.pathways.link import Links, Statement, link
from pathcost_lib.pathways.summary import summarise

__all__ = ["Definition", "Links", "Phase", "Statement", "available", "link", "load_definition", "summarise"]
