"""Teaching: exercises that answer back, what a learner has passed, and learner copies made from the masters."""

from pathcost_lib.teaching.checks import Verdict, check, judge, predict
from pathcost_lib.teaching.examples import example
from pathcost_lib.teaching.pictures import bridge, lines, show

__all__ = ["Verdict", "bridge", "check", "example", "judge", "lines", "predict", "show"]
