"""Whom a cover may name: an organisation only where its difference from none is surer than the false-alarm rule asks.

One rule for the whole pack, that of `variation.screen_costs` (notebook 04): false discoveries are controlled over all
that was compared, and the interval of the difference leaves zero out. Sentences that name an organisation on less stay
in their section and are left out of the cover.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["FALSE_DISCOVERY", "Named", "for_cover"]

#: Share of false alarms among what is named (Benjamini and Hochberg, J R Stat Soc B 1995; 57: 289-300), as in 04.
FALSE_DISCOVERY = 0.05
_SENTENCE = re.compile(r"(?<=[.!?]) (?=[A-Z\0\1])")
_SURE, _UNSURE = "\0", "\1"
_LEFT_OUT = "What is said of single organisations stands in its section, with how sure it is."


@dataclass(frozen=True)
class Named:
    """An organisation that a message names, and on what grounds.

    Attributes
    ----------
    name : str
        As the message writes it.
    lower, upper : float
        Interval of its difference from none; NaN where the test has none.
    q_value : float
        Of the test, false discoveries controlled over all that was compared; 0 where nothing was searched for, as
        where a scenario's own sums say who pays.
    """

    name: str
    lower: float = math.nan
    upper: float = math.nan
    q_value: float = 1.0

    @property
    def sure(self) -> bool:
        """Whether a cover may say it: past the false-alarm rule, and no interval that holds zero."""
        holds_zero = self.lower <= 0 <= self.upper
        return self.q_value <= FALSE_DISCOVERY and not holds_zero

    def payload(self) -> dict[str, Any]:
        """Return it as JSON can hold it: no NaN."""
        return {key: None if value != value else value for key, value in asdict(self).items()}

    @classmethod
    def read(cls, payload: Mapping[str, Any]) -> Named:
        """Return what `payload` made."""
        limits = (math.nan if payload[key] is None else float(payload[key]) for key in ("lower", "upper"))
        lower, upper = limits
        return cls(str(payload["name"]), lower, upper, float(payload["q_value"]))


def for_cover(text: str, named: Sequence[Named], organisations: Collection[str]) -> str:
    """Return a message without what it says of organisations on grounds too thin for a cover.

    Parameters
    ----------
    text : str
        The message: sentences, and clauses between semicolons.
    named : sequence of Named
        The organisations that it names, with the grounds.
    organisations : collection of str
        Names of all organisations, the one that the pack is about apart.
    """
    text = " ".join(text.split())
    sure = {one.name for one in named if one.sure}
    # The longest first, so that "Trust 12" is not read as "Trust 1"; masked, so that "St. Mary's" ends no sentence.
    masked = text
    for name in sorted({*sure, *organisations} - {""}, key=len, reverse=True):
        if name in masked:
            mark = _SURE if name in sure else _UNSURE
            masked = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", mark * len(name), masked)
    if _UNSURE not in masked:
        return text
    kept, at = [], 0
    for sentence in _SENTENCE.split(masked):
        clauses, good = sentence.split("; "), []
        for clause in clauses:
            if _UNSURE not in clause:
                good.append(text[at : at + len(clause)])
            at += len(clause) + 2
        at -= 1  # one blank stands between sentences, "; " between clauses
        if good:
            words = "; ".join(good)
            kept.append(words if words[-1] in ".!?" else f"{words}.")
    return " ".join([*kept, _LEFT_OUT])
