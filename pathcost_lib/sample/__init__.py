"""A synthetic England: invented people and providers in real ICBs, published figures, planted truths."""

from pathcost_lib.sample.current import is_current
from pathcost_lib.sample.generate import SEED, generate

__all__ = ["SEED", "generate", "is_current"]
