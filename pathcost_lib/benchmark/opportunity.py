"""What is realistically recoverable, in pounds: significant, shrunk, with the comparator's doubt, each pound once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special, stats

from pathcost_lib.arguments import (
    as_list,
    confidence_levels,
    draw_count,
    encode,
    generator,
    no_gaps,
    number,
    numbers,
    one_row_each,
    refuse,
    require_columns,
)
from pathcost_lib.arguments import (
    share as as_share,
)
from pathcost_lib.benchmark.shrinkage import posterior_draws
from pathcost_lib.benchmark.streams import Streams
from pathcost_lib.errors import InputError
from pathcost_lib.intervals import limit_columns
from pathcost_lib.results import Result

__all__ = ["Deduplicated", "Opportunities", "deduplicate", "opportunity"]

TARGETS = ("median", "best_quarter", "best_5_of_10")
FEWEST_UNITS = 5  # a comparator from fewer says little, and the best five need five


@dataclass(frozen=True, eq=False)
class Opportunities(Result):
    """Opportunity by unit (and measure); zero with a reason where nothing is claimed.

    `unmatched` names units of the peers' list that have no costs here: they were compared with nobody.
    """

    target: str
    false_discovery_rate: float
    unmatched: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """Say how many claims there are, and what they come to before overlaps are removed."""
        claimed = self.table[self.table["significant"]]
        return (
            f"{len(claimed)} of {len(self.table)} above {self.target.replace('_', ' ')} (false discovery rate "
            f"{self.false_discovery_rate:.0%}): £{claimed['opportunity_gbp'].sum():,.0f} before overlaps are removed"
        )


def opportunity(
    df: pd.DataFrame,
    *,
    unit: str,
    value: str,
    se: str,
    count: str,
    measure: str | Iterable[str] | None = None,
    target: str | float = "median",
    peers: pd.DataFrame | None = None,
    variable_share: str | None = None,
    false_discovery_rate: float = 0.05,
    confidence: float | Iterable[float] = 0.95,
    draws: int = 4_000,
    rng: np.random.Generator,
) -> Opportunities:
    """Return the cost above a target, where it is significant, in pounds with limits.

    Parameters
    ----------
    df : DataFrame
        One row per unit and measure.
    unit, value, se, count, measure : str or list of str
        Columns: organisation; mean cost in pounds per patient (or person), case-mix adjusted if need be; its standard
        error; number of patients; what is measured (pathway, setting ...), each with its own comparator.
    target : "median", "best_quarter", "best_5_of_10", a column of `df`, or pounds
        Lower is better. The first two are of all units; the third is the mean of the five lowest of a unit's peers.
        A column or a figure is taken as known.
    peers : DataFrame, optional
        unit, peer (as `similar_peers(...).table`); needed by best_5_of_10.
    variable_share : str, optional
        Column: share of the cost that goes when activity goes; adds the opportunity at variable cost.
    false_discovery_rate : float
        Benjamini-Hochberg level over all rows.
    confidence : float or several
    draws : int
        Simulations; the first k are the same whatever their number.
    rng : numpy Generator

    Returns
    -------
    Opportunities
        unit, measure, value, target_value, p_value, p_adjusted, significant, shrunk_value, opportunity_gbp,
        lower_95_gbp, upper_95_gbp, variable_gbp (and limits), cost_in_scope_gbp, reason.

    Raises
    ------
    InputError
        Negative cost or standard error, a count of zero, a unit twice, shares outside 0 to 1, an unknown target,
        best_5_of_10 without peers, peers of whom none has costs here, a peer twice, or fewer than 100 draws. (One
        patient, or no standard error, is a row with a reason.)

    Notes
    -----
    The test asks whether a unit's excess over its comparator is more than chance gives when the unit and its
    comparators are alike: the mean and spread of that chance excess are simulated with every unit's own error, and
    Student's t with count - 1 degrees of freedom is used. So neither the comparator's error nor the choice of the
    luckiest as best is ignored (where they are, Dropkin, BMC Health Services Research 2018, found 12 % false claims).
    Values are then shrunk (`posterior_draws`) and target and excess recomputed in each draw: the opportunity is the
    mean excess x count, within 0 and the cost in scope.

    Examples
    --------
    Nine areas cost about £1,000 a patient and J £1,300. Only J's excess over the median is more than chance: about £300
    for each of 400 patients.

    >>> import numpy as np
    >>> import pandas as pd
    >>> import pathcost_lib as pc
    >>> costs = pd.DataFrame({
    ...     "area": list("ABCDEFGHIJ"),
    ...     "gbp": [980, 985, 990, 995, 1_000, 1_000, 1_005, 1_010, 1_015, 1_300],
    ...     "se": 20.0,
    ...     "patients": 400,
    ... })
    >>> found = pc.opportunity(
    ...     costs, unit="area", value="gbp", se="se", count="patients", target="median", rng=np.random.default_rng(1)
    ... )
    >>> columns = ["area", "target_value", "significant", "opportunity_gbp"]
    >>> found.table.loc[found.table["significant"], columns].round(-3)
      area  target_value  significant  opportunity_gbp
    9    J        1000.0         True         120000.0
    """
    keys = as_list(measure)
    named = [unit, *keys]
    fixed = [target] if isinstance(target, str) and target not in TARGETS else []
    require_columns(df, [*named, value, se, count, *fixed, *as_list(variable_share)], what="rows")
    refuse(df, df.duplicated(named).to_numpy(), named, "Each unit and measure must be one row")
    if target == "best_5_of_10" and peers is None:
        raise InputError("best_5_of_10 needs peers: pass similar_peers(...).table, or your own unit and peer columns.")
    df = df.sort_values(named, ignore_index=True)
    cost, n = numbers(df, value, named), numbers(df, count, named, above=0)
    error = numbers(df.assign(**{se: df[se].fillna(0)}), se, named)
    usable = (error > 0) & (n >= 2)
    share = numbers(df, variable_share, named) if variable_share else None
    if share is not None:
        refuse(df, share > 1, named, f"{variable_share} must be between 0 and 1")
    levels, draws, rng = confidence_levels(confidence), draw_count(draws), generator(rng)
    false_discovery_rate = as_share(false_discovery_rate, "false_discovery_rate", below_one=True)
    code, units = encode(df, [unit])
    group, _ = encode(df, keys)
    index = {name: i for i, name in enumerate(units[unit])}
    circle = _circle(peers, index)

    # the same numbers serve every measure, so that adding one changes no other
    null_normal = Streams(rng, units[unit]).normal(draws)
    normal, scale = Streams(rng, units[unit]).normal(draws), special.ndtr(Streams(rng, units[unit]).normal(draws))
    which = special.ndtr(Streams(rng, ["mean and spread"]).normal(draws)[:, 0])

    p_value, shrunk, aim, mean = (np.full(len(df), np.nan) for _ in range(4))
    limits = np.full((2 * len(levels), len(df)), np.nan)
    edges = [edge for level in levels for edge in ((1 - level) / 2, (1 + level) / 2)]
    for one in range(group.max() + 1):
        rows = np.flatnonzero((group == one) & usable)
        if len(rows) < FEWEST_UNITS:
            continue
        here = code[rows]
        known = _known(df.iloc[rows], target, named)
        y, s = cost[rows], error[rows]
        true = posterior_draws(y, s, which=which, scale=scale[:, here], normal=normal[:, here])
        if known is not None:
            aim[rows], compared = known, np.broadcast_to(known, true.shape)
            z = (y - known) / s
        else:
            aim[rows] = _targets(y[None, :], target, here, circle)[0]
            compared = _targets(true, target, here, circle)
            by_chance = s * null_normal[:, here]
            excess = by_chance - _targets(by_chance, target, here, circle)
            z = (y - aim[rows] - excess.mean(axis=0)) / excess.std(axis=0)
        p_value[rows] = special.stdtr(np.maximum(n[rows] - 1, 1), -z)  # t, for the standard error is an estimate
        shrunk[rows] = true.mean(axis=0)
        pounds = (true - np.maximum(compared, 0)) * n[rows]
        mean[rows] = pounds.mean(axis=0)
        limits[:, rows] = np.quantile(pounds, edges, axis=0)

    scope = cost * n
    tested = np.isfinite(p_value)
    adjusted = np.full(len(df), np.nan)
    if tested.any():
        adjusted[tested] = stats.false_discovery_control(p_value[tested], method="bh")
    claimed = tested & (adjusted <= false_discovery_rate) & (mean > 0)
    figures = {"opportunity_gbp": np.where(claimed, np.clip(mean, 0, scope), 0.0)}
    pairs = iter(limits)
    for name, bound in limit_columns(levels, lambda _: (next(pairs), next(pairs))).items():
        figures[f"{name}_gbp"] = np.where(claimed, np.minimum(bound, scope), np.nan)
    if share is not None:
        figures |= {f"variable_{name}".replace("opportunity_", ""): pounds * share for name, pounds in figures.items()}
    lacking = f"fewer than {FEWEST_UNITS} units or peers to compare with"
    table = df[[*named, value, se, count]].assign(
        target_value=aim,
        p_value=p_value,
        p_adjusted=adjusted,
        significant=claimed,
        shrunk_value=shrunk,
        **figures,
        cost_in_scope_gbp=scope,
        reason=np.select(
            [claimed, ~usable, ~tested],
            ["", "fewer than 2 patients, or no standard error", lacking],
            "not above the target by more than chance",
        ),
    )
    named_as_peers = set() if peers is None else {*peers["unit"], *peers["peer"]}
    return Opportunities(table, str(target), false_discovery_rate, tuple(sorted(map(str, named_as_peers - {*index}))))


def _known(rows: pd.DataFrame, target: str | float, named: list[str]) -> np.ndarray | None:
    """Return a target that is given rather than estimated, one for each row."""
    if target in TARGETS:
        return None
    return (
        numbers(rows, target, named)
        if isinstance(target, str)
        else np.full(len(rows), number(target, "target (pounds)", least=0))
    )


def _circle(peers: pd.DataFrame | None, index: dict[str, int]) -> dict[int, list[int]]:
    """Return each unit's peers, as positions in the list of units."""
    if peers is None:
        return {}
    one_row_each(peers, ["unit", "peer"], what="peers' rows")
    refuse(peers, (peers["unit"] == peers["peer"]).to_numpy(), ["unit"], "A unit cannot be its own peer")
    rows = peers[peers["unit"].isin(index) & peers["peer"].isin(index)]
    if rows.empty:
        unknown = ", ".join(sorted({*map(str, peers["peer"])} - {*map(str, index)})[:5])
        raise InputError(
            "No row of the peers names a unit and a peer that both have costs here; without costs: "
            f"{unknown or 'none'}. Allowed: the codes of the units."
        )
    pairs = rows.groupby("unit")["peer"].agg(list)
    return {index[str(one)]: [index[peer] for peer in others] for one, others in pairs.items()}


def _targets(values: np.ndarray, target: str | float, here: np.ndarray, circle: dict[int, list[int]]) -> np.ndarray:
    """Return the comparator of each unit in each draw; NaN where too few peers are there. Shape as `values`."""
    if target != "best_5_of_10":
        return np.repeat(np.quantile(values, 0.5 if target == "median" else 0.25, axis=1)[:, None], len(here), axis=1)
    place = {unit: i for i, unit in enumerate(here)}
    targets = np.full(values.shape, np.nan)
    for unit, i in place.items():
        others = [place[peer] for peer in circle.get(unit, []) if peer in place]
        if len(others) >= FEWEST_UNITS:
            targets[:, i] = np.partition(values[:, others], FEWEST_UNITS - 1, axis=1)[:, :FEWEST_UNITS].mean(axis=1)
    return targets


@dataclass(frozen=True, eq=False)
class Deduplicated(Result):
    """Claims with overlaps removed in `table`; `overlap`: pounds of cost in scope that each pair of claims shares.

    `unmatched` names units and claims of the scope that no claim has: their cells count for nothing.
    """

    overlap: pd.DataFrame
    cost_in_scope_gbp: float
    unmatched: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """Say what the claims come to, and how much of it was counted twice."""
        once, listed = self.table["deduplicated_gbp"].sum(), self.table["opportunity_gbp"].sum()
        return f"£{once:,.0f} of £{self.cost_in_scope_gbp:,.0f} in scope; £{listed - once:,.0f} was counted twice"


def deduplicate(
    claims: pd.DataFrame,
    scope: pd.DataFrame,
    *,
    unit: str,
    claim: str,
    cell: str | Iterable[str],
    amount: str = "opportunity_gbp",
    cost: str = "cost_gbp",
) -> Deduplicated:
    """Return claims with each pound counted once across overlapping pathways, settings and methods.

    Parameters
    ----------
    claims : DataFrame
        One row per unit and claim, with the amount in pounds.
    scope : DataFrame
        One row per unit, claim and cell that the claim covers, with the cell's whole cost. Cells are the smallest
        pieces of cost that no claim divides, such as pathway x setting x phase.
    unit, claim, cell, amount, cost : str or list of str
        Columns.

    Returns
    -------
    Deduplicated
        unit, claim, opportunity_gbp, deduplicated_gbp, overlap_gbp (removed), share_kept (apply it to limits, or to the
        variable cost), cost_in_scope_gbp.

    Raises
    ------
    InputError
        A claim without scope, a claim beyond its cost in scope, a negative amount or cost, or a
        cell whose cost differs between claims: with the keys.

    Notes
    -----
    A claim is spread over its cells by their cost. Where claims meet in a cell, only the largest counts, and they share
    it in proportion to what each claims there. So the sum is at most the cost in scope, no claim rises, and order
    does not matter. Claims on the same cost are taken to be the same saving seen twice, which is the careful reading.
    """
    cells = [unit, *as_list(cell)]
    require_columns(claims, [unit, claim, amount], what="claims")
    require_columns(scope, [*cells, claim, cost], what="scope rows")
    no_gaps(claims, [unit, claim], what="claims")
    no_gaps(scope, [*cells, claim], what="scope rows")
    refuse(claims, claims.duplicated([unit, claim]).to_numpy(), [unit, claim], "Each unit and claim must be one row")
    refuse(scope, scope.duplicated([*cells, claim]).to_numpy(), [*cells, claim], "Each claim must hold a cell once")
    wanted, pounds = numbers(claims, amount, [unit, claim]), numbers(scope, cost, [*cells, claim])
    spread = scope.groupby(cells)[cost].transform(lambda costs: costs.max() - costs.min()).to_numpy(dtype=float)
    refuse(scope, spread > 0.005, cells, "A cell must have one cost, whichever claim names it")
    rows = scope[[*cells, claim]].assign(cost=pounds)
    rows["whole"] = rows.groupby([unit, claim])["cost"].transform("sum")
    table = claims[[unit, claim]].assign(opportunity_gbp=wanted)
    table = table.merge(rows[[unit, claim, "whole"]].drop_duplicates([unit, claim]), on=[unit, claim], how="left")
    table = table.rename(columns={"whole": "cost_in_scope_gbp"})
    beyond = (wanted > 0) & ~(wanted <= table["cost_in_scope_gbp"].to_numpy() + 0.005)
    refuse(table, beyond, [unit, claim], "A claim must not exceed its cost in scope")

    claimed = pd.MultiIndex.from_frame(claims[[unit, claim]])
    unclaimed = pd.MultiIndex.from_frame(scope[[unit, claim]]).difference(claimed)
    rows = rows.merge(table[[unit, claim, "opportunity_gbp"]], on=[unit, claim])
    part = np.minimum(np.divide(rows["opportunity_gbp"], rows["whole"].where(rows["whole"] > 0, 1.0)), 1) * rows["cost"]
    rows["part"] = part
    met = rows.groupby(cells)["part"]
    total = met.transform("sum")
    rows["kept"] = part * (met.transform("max") / total.where(total > 0, 1.0))
    rows = rows.rename(columns={"kept": "deduplicated_gbp"})
    kept = rows.groupby([unit, claim], as_index=False)[["deduplicated_gbp"]].sum()
    table = table.merge(kept, on=[unit, claim], how="left").fillna({"deduplicated_gbp": 0.0, "cost_in_scope_gbp": 0.0})
    table["deduplicated_gbp"] = table[["deduplicated_gbp", "opportunity_gbp"]].min(axis=1)
    table["overlap_gbp"] = table["opportunity_gbp"] - table["deduplicated_gbp"]
    table["share_kept"] = (table["deduplicated_gbp"] / table["opportunity_gbp"]).where(
        table["opportunity_gbp"] > 0, 1.0
    )
    pairs = rows[[*cells, claim, "cost"]].merge(rows[[*cells, claim]], on=cells, suffixes=("", "_other"))
    overlap = pairs.pivot_table(index=claim, columns=f"{claim}_other", values="cost", aggfunc="sum", fill_value=0.0)
    whole = float(rows.drop_duplicates(cells)["cost"].sum())
    table = table.sort_values([unit, claim], ignore_index=True)
    return Deduplicated(table, overlap, whole, tuple(" ".join(map(str, pair)) for pair in unclaimed))
