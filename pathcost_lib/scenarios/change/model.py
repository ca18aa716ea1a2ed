"""The arithmetic of a system: interventions x organisations x years x draws, in a few matrix products.

One code path serves the single central case (one draw, in detail) and the simulation (thousands of draws, in totals).
Activity, cost and payment are linear in the share of each cell that goes; what is not linear (interventions that
compound, semi-fixed steps, the working-off of stranded cost) is done on the small arrays before the products.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from pathcost_lib import arguments
from pathcost_lib.codes import SCHEME_PODS
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.scenarios.change.interventions import Intervention, compound, levels
from pathcost_lib.scenarios.change.release import Release, fixed_released, semi_fixed_released

__all__ = ["COMPONENTS", "PAYMENT_RULES", "Fractions", "PaymentRule", "SystemModel"]

FloatArray = NDArray[np.float64]

PAYMENT_RULES = ("block", "activity", "blended", "capitation")

#: NHS Payment Scheme 2023/25, aligned payment and incentive: elective activity (first attendances, procedures, day
#: cases, electives, unbundled imaging) is paid at 100 % of unit prices; all else, follow-ups too, is fixed.
_API_VARIABLE = dict.fromkeys(
    ("outpatient_first", "outpatient_procedure", "diagnostic_imaging", "day_case", "elective"), 1.0
)

COMPONENTS = (
    "variable_released",
    "semi_fixed_released",
    "fixed_released",
    "payment",
    "cost_at_destination",
    "programme_cost",
)


@dataclass(frozen=True)
class PaymentRule:
    """How money follows activity between organisations.

    Attributes
    ----------
    kind : str
        "block": payment does not move. "activity": it moves with activity at the full price. "blended": so does a
        share of it by POD (fixed and variable parts). "capitation": `host` holds a fixed budget for the population and
        pays the others by activity; the commissioner's payment does not move.
    variable_share : mapping of POD to float
        For "blended": the share of price that follows activity; the NHS Payment Scheme 2023/25 if empty.
    host : str, optional
        For "capitation": the organisation that holds the budget.
    payment_to_cost : float
        Price over full cost, where the baseline has no `payment_gbp`; from 0 to 5 (1.1, not 110).

    Raises
    ------
    InputError
        If the rule or a POD is not known, a number is out of range, or a host is lacking or out of place.
    """

    kind: str = "activity"
    variable_share: Mapping[str, float] = field(default_factory=dict)
    host: str | None = None
    payment_to_cost: float = 1.0

    def __post_init__(self) -> None:
        require_one_of(self.kind, PAYMENT_RULES, what="Payment rule")
        if (self.kind == "capitation") != (self.host is not None):
            raise InputError("A host (the organisation that holds the budget) goes with payment by capitation, only.")
        if self.host is not None and (not isinstance(self.host, str) or not self.host.strip()):
            raise InputError(f"host is {self.host!r}. It must be the code of an organisation.")
        arguments.mapping_of_numbers(
            self.variable_share, "variable_share (share of price)", keys=SCHEME_PODS, least=0.0, most=1.0
        )
        arguments.number(self.payment_to_cost, "payment_to_cost (price over full cost)", least=0.0, most=5.0)

    def varied(self, kind: str, *, host: str | None = None) -> PaymentRule:
        """Return this rule with another kind; its prices and shares stay, and its own host where it has one."""
        return replace(self, kind=kind, host=(self.host or host) if kind == "capitation" else None)

    def share(self, pods: pd.Series) -> FloatArray:
        """Return the share of price that follows activity, for each POD."""
        if self.kind == "blended":
            return np.asarray(pods.map(self.variable_share or _API_VARIABLE).fillna(0.0), dtype=float)
        return np.full(len(pods), float(self.kind != "block"))

    def payer(self, commissioners: pd.Series) -> pd.Series:
        """Return who pays, for each commissioner."""
        return commissioners if self.host is None else pd.Series(self.host, index=commissioners.index)


@dataclass(frozen=True)
class Fractions:
    """Shares of a cell that go, by (pattern, intervention) pair x year x draw: of its cost, payment and fixed cost."""

    cost: FloatArray
    paid: FloatArray
    fixed: FloatArray


class SystemModel:
    """Matrices built once from cells and interventions; `detail` and `totals` apply them to effects.

    Parameters
    ----------
    interventions : sequence of Intervention
        What changes.
    cells : DataFrame
        From `baseline.baseline`.
    years : sequence of int
        Financial years by their first year.
    payment : PaymentRule
        How money follows activity.
    release : Release
        How semi-fixed cost steps.
    realisation : float
        Share of every effect that is believed to come about.
    optimism_pct : float
        Uplift of every programme cost, %.
    declared : collection of str
        Organisations that take part beside those of the cells, the destinations and the host.

    Raises
    ------
    InputError
        If who pays for an intervention is none of them: a mistyped payer would be a new organisation that bears it.
    """

    def __init__(
        self,
        interventions: Sequence[Intervention],
        cells: pd.DataFrame,
        *,
        years: Sequence[int],
        payment: PaymentRule,
        release: Release,
        realisation: float = 1.0,
        optimism_pct: float = 0.0,
        declared: Collection[str] = (),
    ) -> None:
        self.interventions = tuple(interventions)
        self.years = list(years)
        self.cells = cells
        self.levels = realisation * levels(self.interventions, self.years)
        everyone = {*cells["icb_code"], *cells["provider_code"]} | ({payment.host} if payment.host else set())
        everyone |= {i.to.provider_code for i in self.interventions if i.to and i.to.provider_code}
        known = {str(o) for o in everyone} | set(declared)
        for item in self.interventions:
            if item.payer not in ("commissioner", "provider"):
                what = f"Intervention {item.name!r}: payer (declare another organisation under [names])"
                everyone |= {require_one_of(item.payer, known | {"commissioner", "provider"}, what=what)}
        for taken in {"total", "system"} & ({str(o) for o in everyone} | {i.name for i in self.interventions}):
            raise InputError(f"{taken!r} cannot be the code of an organisation or scheme: the sum of all is called so.")
        self.organisations = sorted(str(o) for o in everyone)
        patterns = sorted({p for p in cells["selected_by"] if "1" in p})
        self._patterns = [[i for i, flag in enumerate(p) if flag == "1"] for p in patterns]
        starts = np.cumsum([0, *(len(p) for p in self._patterns)])
        self.pair_intervention = np.array([i for p in self._patterns for i in p], dtype=int)
        # One row per cell and pair: the long form that every matrix is summed from.
        touched = cells[cells["selected_by"].isin(patterns)].reset_index(drop=True)
        number = touched["selected_by"].map({p: n for n, p in enumerate(patterns)}).to_numpy()
        sizes = np.array([len(p) for p in self._patterns], dtype=int)[number]
        rows = touched.loc[touched.index.repeat(sizes)].reset_index(drop=True)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        pair = np.repeat(starts[number], sizes) + within
        self._build_matrices(rows, pair, payment)
        self._build_groups(cells, rows, pair, release)
        self.programme = self._programme(rows, pair) * (1 + optimism_pct / 100)

    def _matrix(self, organisations: pd.Series, pair: NDArray[np.int64], gbp: FloatArray) -> sparse.csr_array:
        at = pd.Index(self.organisations).get_indexer(pd.Index(organisations))
        shape = (len(self.organisations), len(self.pair_intervention))
        return sparse.csr_array(sparse.coo_array((gbp, (at, pair)), shape=shape))

    def _build_matrices(self, rows: pd.DataFrame, pair: NDArray[np.int64], payment: PaymentRule) -> None:
        provider, payer = rows["provider_code"], payment.payer(rows["icb_code"])
        full = rows["payment_gbp"] if "payment_gbp" in rows else rows["cost_gbp"] * payment.payment_to_cost
        moved = full.to_numpy(dtype=float) * payment.share(rows["pod"])
        of = self.pair_intervention[pair]
        to = [self.interventions[i].to for i in of]
        units = rows["activity"].to_numpy(float) * [t.units_per_unit if t else 0.0 for t in to]
        where = pd.Series([(t.provider_code if t else None) for t in to], dtype=object).fillna(provider)
        price = np.array([t.price_gbp if t else 0.0 for t in to])
        there = units * price * payment.share(pd.Series([t.pod if t else "" for t in to], dtype=object))
        self.matrices = {
            "variable_released": self._matrix(provider, pair, rows["variable_gbp"].to_numpy(float)),
            "fixed_released": self._matrix(provider, pair, rows["fixed_gbp"].to_numpy(float)),
            "payment": self._matrix(payer, pair, moved) - self._matrix(provider, pair, moved),
            "payment_there": self._matrix(where, pair, there) - self._matrix(payer, pair, there),
            "cost_at_destination": -self._matrix(where, pair, units * [t.unit_cost_gbp if t else 0.0 for t in to]),
        }
        self.full_cost = self._matrix(provider, pair, rows["cost_gbp"].to_numpy(float))
        self.semi_fixed = self._matrix(provider, pair, rows["semi_fixed_gbp"].to_numpy(float))
        self.activity = self._matrix(provider, pair, rows["activity"].to_numpy(float))
        self._payer_weights = self._matrix(payer, pair, rows["cost_gbp"].to_numpy(float))

    def _build_groups(self, cells: pd.DataFrame, rows: pd.DataFrame, pair: NDArray[np.int64], release: Release) -> None:
        keys = ["provider_code", "setting", "pod"]
        totals = cells.groupby(keys, sort=True)[["activity", "semi_fixed_gbp"]].sum()
        at = totals.index.get_indexer(pd.MultiIndex.from_frame(rows[keys]))
        self.group_base = totals["semi_fixed_gbp"].to_numpy(float)
        pods, activity = totals.index.get_level_values(2), totals["activity"].to_numpy(float)
        self.group_steps = np.array([release.base_steps(p, a) for p, a in zip(pods, activity, strict=True)])
        self.group_owner = pd.Index(self.organisations).get_indexer(totals.index.get_level_values(0))
        values = rows["semi_fixed_gbp"].to_numpy(float)
        shape = (len(totals), len(self.pair_intervention))
        self.groups = sparse.csr_array(sparse.coo_array((values, (at, pair)), shape=shape))

    def _programme(self, rows: pd.DataFrame, pair: NDArray[np.int64]) -> FloatArray:
        """Return programme cost by organisation x intervention x year, as a negative GBP."""
        costs = np.zeros((len(self.organisations), len(self.interventions), len(self.years)))
        years = np.asarray(self.years)
        for number, item in enumerate(self.interventions):
            age = years - item.start
            live = (age >= 0) & (True if item.end is None else years <= item.end)
            flow = np.where(age == 0, item.set_up_gbp, 0.0) + np.where(live, item.running_gbp, 0.0)
            flow += np.where((age >= 0) & (age < item.double_running_years), item.double_running_gbp, 0.0)
            last = item.exit_year if item.exit_year is not None else item.end
            flow += np.where(years == last, item.exit_cost_gbp, 0.0) if last is not None else 0.0
            if item.payer in ("commissioner", "provider"):
                weights = self._payer_weights if item.payer == "commissioner" else self.full_cost
                scope = np.asarray(weights[:, self.pair_intervention == number].sum(axis=1)).ravel()
                if not scope.sum():
                    raise InputError(f"Intervention {item.name!r}: name its payer; the activity selected has no cost.")
                scope = scope / scope.sum()
            else:
                scope = (np.array(self.organisations) == item.payer).astype(float)
            costs[:, number, :] -= scope[:, None] * flow
        return costs

    def fractions(self, effects: FloatArray) -> Fractions:
        """Return what goes, for effects of shape (interventions, draws)."""
        shape = (len(self.pair_intervention), len(self.years), effects.shape[1])
        cost, paid = np.zeros(shape), np.zeros(shape)
        shares = np.clip(effects, 0.0, 1.0)[:, None, :] * self.levels[:, :, None]
        at = 0
        for pattern in self._patterns:
            scale = np.array([self.interventions[i].stay_share for i in pattern])
            pays = np.array([self.interventions[i].change != "shorten_stay" for i in pattern])
            here = slice(at, at + len(pattern))
            cost[here] = compound(shares[pattern] * scale[:, None, None])
            if pays.all():
                paid[here] = cost[here]
            elif pays.any():
                paid[here][pays] = compound(shares[[i for i, p in zip(pattern, pays, strict=True) if p]])
            at += len(pattern)
        fixed = np.zeros(shape)
        for number, item in enumerate(self.interventions):
            if item.stranded_years is None and item.exit_year is None:
                continue
            exit_at = None if item.exit_year is None else max(item.exit_year - self.years[0], 0)
            mine = self.pair_intervention == number
            fixed[mine] = fixed_released(cost[mine], over=item.stranded_years, exit_at=exit_at)
        return Fractions(cost, paid, fixed)

    def _semi_fixed(self, gone_gbp: FloatArray) -> FloatArray:
        """Return semi-fixed cost released by group, from what has gone (groups x columns)."""
        base = self.group_base[:, None]
        share = np.divide(gone_gbp, base, out=np.zeros_like(gone_gbp), where=base > 0)
        return semi_fixed_released(np.minimum(share, 1.0), base, self.group_steps[:, None])

    def detail(self, effects: FloatArray) -> dict[str, FloatArray]:
        """Return each of `COMPONENTS`, and `full_cost`, `semi_fixed` and `units` gone, by organisation x scheme x year.

        `effects` has shape (interventions,). Semi-fixed cost is released by all interventions on a POD together, and
        shared between them in proportion to the semi-fixed cost of what each avoids.
        """
        f = self.fractions(np.asarray(effects, float)[:, None])
        shape = (len(self.organisations), len(self.interventions), len(self.years))
        parts = {name: np.zeros(shape) for name in (*COMPONENTS, "full_cost", "semi_fixed", "units")}
        gone = self.groups @ f.cost[:, :, 0]
        rate = np.divide(self._semi_fixed(gone), gone, out=np.zeros_like(gone), where=gone > 0)
        for number in range(len(self.interventions)):
            mine = np.flatnonzero(self.pair_intervention == number)
            cost, paid, fixed = f.cost[mine, :, 0], f.paid[mine, :, 0], f.fixed[mine, :, 0]
            by = {"variable_released": cost, "fixed_released": fixed, "payment": paid, "cost_at_destination": paid}
            for name, fraction in by.items():
                parts[name][:, number] = self.matrices[name][:, mine] @ fraction
            parts["payment"][:, number] += self.matrices["payment_there"][:, mine] @ paid
            parts["units"][:, number] = self.activity[:, mine] @ paid
            parts["full_cost"][:, number] = self.full_cost[:, mine] @ cost
            parts["semi_fixed"][:, number] = self.semi_fixed[:, mine] @ cost
            np.add.at(parts["semi_fixed_released"][:, number], self.group_owner, rate * (self.groups[:, mine] @ cost))
        parts["programme_cost"] = self.programme
        return parts

    def totals(self, effects: FloatArray, units: FloatArray | None = None) -> FloatArray:
        """Return the net effect by organisation x year x draw.

        Parameters
        ----------
        effects : array of shape (interventions, draws)
            Shares of activity that change.
        units : array of the same shape, optional
            Units where activity moves to for each unit moved, over their mean.
        """
        f = self.fractions(effects)
        there = f.paid if units is None else f.paid * units[self.pair_intervention][:, None, :]
        flat = (len(self.pair_intervention), -1)
        m = self.matrices
        net = m["variable_released"] @ f.cost.reshape(flat)
        net += m["payment"] @ f.paid.reshape(flat)
        net += (m["payment_there"] + m["cost_at_destination"]) @ there.reshape(flat)
        if f.fixed.any():
            net += m["fixed_released"] @ f.fixed.reshape(flat)
        owner = sparse.csr_array(
            (np.ones(len(self.group_owner)), (self.group_owner, np.arange(len(self.group_owner)))),
            shape=(len(self.organisations), len(self.group_owner)),
        )
        net += owner @ self._semi_fixed(self.groups @ f.cost.reshape(flat))
        programme = self.programme.sum(axis=1)[:, :, None]
        return net.reshape(len(self.organisations), len(self.years), -1) + programme
