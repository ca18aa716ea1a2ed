"""A shift between programme budgets: marginal pounds taken from one service and given to another, in QALYs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pathcost_lib.arguments import draw_count, generator, number
from pathcost_lib.benchmark.streams import Streams
from pathcost_lib.errors import InputError
from pathcost_lib.results import NotComputable, Result

__all__ = ["NHS_MARGIN", "BudgetShift", "Margin", "budget_shift"]


@dataclass(frozen=True)
class Margin:
    """What a QALY costs a service at the margin, with 95 % limits: lognormal about the central figure."""

    service: str
    cost_per_qaly_gbp: float
    lower_95: float
    upper_95: float

    def __post_init__(self) -> None:
        for name in ("lower_95", "cost_per_qaly_gbp", "upper_95"):
            number(getattr(self, name), f"{self.service}: {name} (£ per QALY)", above=0)
        if not self.lower_95 <= self.cost_per_qaly_gbp <= self.upper_95:
            raise InputError(f"{self.service}: the cost per QALY must lie between its limits, lower_95 and upper_95.")

    @property
    def log_sd(self) -> float:
        """Standard deviation of the log."""
        return float(np.log(self.upper_95 / self.lower_95) / (2 * 1.959964))  # norm.ppf(0.975)


#: The NHS at its margin: £12,936 per QALY; £20,000 or less with probability 0.89, £30,000 with 0.97 (Claxton and
#: others, HTA 2015;19(14)). The limits are the lognormal's about £12,936 that has the second; it puts the first at
#: 0.83, so that it errs on the wide side. Expenditure of 2008: in today's pounds a QALY costs more, so that a shift
#: away gives up less than is said here.
NHS_MARGIN = Margin("NHS at its margin (pounds of 2008)", 12_936.0, 5_383.0, 31_087.0)


@dataclass(frozen=True, eq=False)
class BudgetShift(Result):
    """`table` has part (given up, gained, net), service, qalys, lower_95, upper_95."""

    amount_gbp: float
    net_gain_pct: float
    reason: str = ""

    @property
    def summary(self) -> str:
        """The shift in a sentence."""
        if self.reason:
            return f"Not computable: {self.reason}."
        net = self.table.iloc[-1]
        # Simulated: neither certain nor impossible.
        gain = (
            "over 99" if self.net_gain_pct > 99 else "under 1" if self.net_gain_pct < 1 else f"{self.net_gain_pct:.0f}"
        )
        return (
            f"£{self.amount_gbp:,.0f} moved: {net['qalys']:+,.1f} QALYs (95% interval {net['lower_95']:,.1f} to "
            f"{net['upper_95']:,.1f}), a gain with {gain}% probability."
        )


def budget_shift(
    amount_gbp: float,
    *,
    source: Margin | NotComputable,
    target: Margin | NotComputable,
    draws: int = 10_000,
    rng: np.random.Generator,
) -> BudgetShift:
    """Return the QALYs given up and gained when pounds move at the margin from one service to another.

    Parameters
    ----------
    amount_gbp : float
        Pounds that really move: what the source can release and the target can spend in the time meant.
    source, target : Margin
        Marginal, not average: the cost of the last patients treated. An average holds only if the service would
        treat more of the same patients at the same cost. One that is not computable gives its reason and no rows.
    draws : int
        Simulated costs per QALY of both services.
    rng : numpy Generator

    Raises
    ------
    InputError
        If the amount is not above zero, a side is no `Margin`, or draws or generator cannot be used.

    Notes
    -----
    QALYs = pounds / (cost per QALY), the two services independent. Central figures are at the central costs; limits are
    percentiles of the draws. Programme budgeting and marginal analysis: Brambleby and Fordham, 2003.
    """
    amount_gbp = number(amount_gbp, "amount_gbp (£ that move)", above=0)
    draws, rng = draw_count(draws), generator(rng)
    columns = ["part", "service", "qalys", "lower_95", "upper_95"]
    for name, side in (("source", source), ("target", target)):
        if not isinstance(side, Margin | NotComputable):
            raise InputError(f"{name} must be a Margin (what a QALY costs there); this is a {type(side).__name__}.")
        if isinstance(side, NotComputable):
            return BudgetShift(pd.DataFrame(columns=columns), amount_gbp, np.nan, side.reason)
    assert isinstance(source, Margin) and isinstance(target, Margin)
    chance = Streams(rng, ["source", "target"]).normal(draws)
    sides = (source, target)
    central = [amount_gbp / side.cost_per_qaly_gbp for side in sides]
    lost, won = (central[n] * np.exp(-side.log_sd * chance[:, n]) for n, side in enumerate(sides))
    rows = []
    for part, service, middle, drawn in (
        ("given up", source.service, -central[0], -lost),
        ("gained", target.service, central[1], won),
        ("net", f"{source.service} to {target.service}", central[1] - central[0], won - lost),
    ):
        low, high = np.quantile(drawn, [0.025, 0.975])
        rows.append((part, service, middle, low, high))
    table = pd.DataFrame(rows, columns=columns)
    return BudgetShift(table, amount_gbp, float(100 * (won > lost).mean()))
