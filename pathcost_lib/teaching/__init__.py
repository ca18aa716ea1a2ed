"""Teaching: exercises that answer back, what a learner has passed, and learner copies made from the masters."""

from pathcost_lib.teaching.checks import check, predict
from pathcost_lib.teaching.examples import example
from pathcost_lib.teaching.pictures import bridge, lines, show

__all__ = ["bridge", "check", "example", "lines", "predict", "show"]
