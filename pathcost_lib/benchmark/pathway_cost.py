"""One organisation's cost per pathway against all organisations, from one national summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from pathcost_lib.codes import COST_BASES, SETTINGS
from pathcost_lib.errors import require_one_of
from pathcost_lib.few import SMALLEST
from pathcost_lib.pathways import BORNE
from pathcost_lib.pathways.flow import Flow
from pathcost_lib.pathways.link import Statement
from pathcost_lib.results import Result

__all__ = ["Comparison", "compare", "cost_basis", "outside_share", "passages", "statement_table", "with_focus"]


#: A reference is told where units with this share of all pathways are in it.
LEAST_KNOWN = 0.95
#: Stands where a phase would, for all of them together.
WHOLE = "whole_pathway"
NOT_SHARED = "areas with over 5% of the pathways have too few such contacts to share theirs"
ONE_UNIT = "the data hold one unit only, so there is nothing to compare with"


@dataclass(frozen=True, eq=False)
class Comparison(Result):
    """Cost per pathway of one unit beside all units together, with intervals, and the difference with its own."""

    unit: str = ""
    confidence: float = 0.95


def with_focus(groups: pd.DataFrame, *, unit: str, focus: str) -> pd.DataFrame:
    """Return `groups` of `compare` with the focus among them: where it has no pathway, with a count of 0.

    `compare` then has its row, without a mean of its own, and the reference of the others.
    """
    if focus in set(groups[unit]):
        return groups
    return pd.concat([groups, pd.DataFrame({unit: [focus], "pathways": [0]})], ignore_index=True)


def compare(
    cells: pd.DataFrame,
    groups: pd.DataFrame,
    *,
    unit: str,
    focus: str,
    by: Sequence[str] = (),
    order: Mapping[str, Sequence[str]] | None = None,
    confidence: float = 0.95,
) -> Comparison:
    """Compare one unit's mean cost per pathway with the mean of all units.

    Parameters
    ----------
    cells : DataFrame
        `pathways.summarise(..., by=[unit, *by])` over all units. A row without a mean is of a unit that does not share
        it: the unit is not compared there.
    groups : DataFrame
        `pathways.summarise(..., by=[unit])`: how many pathways each unit has, those without such a contact included.
    unit : str
        Column of the unit ("icb_code").
    focus : str
        Which unit to compare.
    by : sequence of str
        Columns that split the pathway (phase, setting); none for the whole.
    order : mapping of str to sequence of str, optional
        Values of each `by` column in order; a combination that never occurs costs 0. Default: those in `cells`, sorted.
    confidence : float
        Of the intervals.

    Returns
    -------
    Comparison
        `by`, pathways, seen_pathways (those with such a contact), contacts (of the focus), largest_share,
        two_largest_share (of the cells, which disclosure control takes away), mean_gbp, lower_95, upper_95;
        reference_contacts, reference_gbp, reference_lower_95, reference_upper_95 (of all units); difference_gbp,
        difference_lower_95, difference_upper_95; reason. The differences of the parts add up to the difference of the
        whole. Where an interval cannot be had it is NaN and `reason` says why; so is the reference of a part that units
        with over 5% of the pathways do not share, because those are units with few such contacts.

    Raises
    ------
    InputError
        If the focus is not one of the units.

    Notes
    -----
    Each mean has a t interval, cut off at 0 because a cost is never less. The whole holds the focus, so the difference
    m - M equals (1 - w)(m - r), where r is the mean of the others and w the focus's share of pathways: its standard
    error is (1 - w) sqrt(se_m^2 + se_r^2), with the degrees of freedom of Welch (Biometrika 1947; 34: 28-35). The
    others' mean and standard error come exactly from the units' counts, means and standard errors (sums of squares
    within and between). Neither case mix nor need is adjusted for.
    """
    require_one_of(focus, groups[unit], what=f"{unit} with a complete pathway")
    parts = list(by)
    values = [list((order or {}).get(c, sorted(cells[c].unique()))) for c in parts]
    units = list(groups[unit])
    every = pd.MultiIndex.from_product([units, *values], names=[unit, *parts]).to_frame(index=False)
    seen = cells if "seen_pathways" in cells else cells.rename(columns={"pathways": "seen_pathways"})
    rows = every.merge(groups[[unit, "pathways"]], on=unit, how="left").merge(
        seen.reindex(columns=[unit, *parts, "seen_pathways", "contacts", "mean_gbp", "se_gbp", *BORNE]),
        on=[unit, *parts],
        how="left",
        indicator="held",
    )
    unknown = ((rows.pop("held") == "both") & rows["mean_gbp"].isna()).to_numpy()
    short = _not_shared(rows, parts, unknown)
    rows = rows[~unknown]
    alone = (rows["pathways"] == 1).to_numpy()
    rows = rows.fillna({"seen_pathways": 0, "contacts": 0, "mean_gbp": 0.0})
    rows["se_gbp"] = np.where(alone, np.nan, rows["se_gbp"].fillna(0.0))
    rows.loc[rows["pathways"] == 0, ["mean_gbp", "se_gbp"]] = np.nan  # nobody's mean is not zero
    ours = _tidy(rows[rows[unit] == focus], parts)
    everyone, others = (_like(_pool(r, parts), ours, parts) for r in (rows, rows[rows[unit] != focus]))
    table = ours[[*parts, "pathways", "seen_pathways", "contacts", *BORNE, "mean_gbp"]].copy()
    level = f"{round(confidence * 100)}"
    _limits(table, "", ours, ours["pathways"] - 1, level, confidence)
    table["reference_contacts"] = everyone["contacts"]
    table["reference_gbp"] = everyone["mean_gbp"]
    _limits(table, "reference_", everyone, everyone["pathways"] - 1, level, confidence)
    table["difference_gbp"] = ours["mean_gbp"] - everyone["mean_gbp"]
    if others.empty:
        # The only unit is its own reference: shown twice, it would tell what is suppressed once.
        table[[c for c in table.columns if c.startswith("reference_")]] = np.nan
        table[["difference_gbp", f"difference_lower_{level}", f"difference_upper_{level}"]] = np.nan
        table["reason"] = ONE_UNIT
        return Comparison(table, unit, confidence)
    share_of_others = others["pathways"] / everyone["pathways"]
    freedom = _welch(ours, others)
    step = pd.DataFrame({"mean_gbp": table["difference_gbp"]})
    step["se_gbp"] = share_of_others * np.hypot(ours["se_gbp"], others["se_gbp"])
    _limits(table, "difference_", step, freedom, level, confidence)
    unsure = table[f"difference_lower_{level}"].isna()
    table["reason"] = np.where(unsure, "fewer than two pathways here or elsewhere: no interval", "")
    beside = [c for c in table.columns if c.startswith(("reference_", "difference_"))]
    table.loc[short, beside], table.loc[short, "reason"] = np.nan, NOT_SHARED
    return Comparison(table, unit, confidence)


def _not_shared(rows: pd.DataFrame, parts: list[str], unknown: np.ndarray) -> np.ndarray:
    """Say of each part, in the order of a unit's rows, whether units with too many of the pathways do not share it."""
    missing = rows["pathways"].where(unknown, 0.0)
    sums = pd.DataFrame({"missing": missing, "pathways": rows["pathways"], **{c: rows[c] for c in parts}})
    sums = sums.groupby(parts, sort=False).sum() if parts else sums.sum().to_frame().T
    return (sums["missing"] > (1 - LEAST_KNOWN) * sums["pathways"]).to_numpy()


def _like(pooled: pd.DataFrame, ours: pd.DataFrame, parts: list[str]) -> pd.DataFrame:
    """Return pooled rows in the order of our parts, missing where no unit shares one."""
    return ours[parts].merge(pooled, on=parts, how="left") if parts and len(pooled) else pooled


def outside_share(
    cells: pd.DataFrame, *, unit: str, focus: str, phases: Sequence[str], index: str = "index_provider_code"
) -> pd.DataFrame:
    """Return the share of cost at providers other than that of the index event, by phase and for the whole pathway.

    Parameters
    ----------
    cells : DataFrame
        `pathways.summarise(..., by=[unit, index, "phase", "provider_code"])` over all units.
    unit, focus : str
        Column of the unit, and which one.
    phases : sequence of str
        In order.
    index : str
        Column of the provider of the index event.

    Returns
    -------
    DataFrame
        phase ("whole_pathway" last), pathways, inside_contacts, outside_contacts, outside_pct, reference_pct (of all
        units), reason. NaN where there is no cost to share out, no pathway, or one unit only.
    """
    frame = cells.assign(
        outside=(cells["provider_code"] != cells[index]).to_numpy(), at_focus=(cells[unit] == focus).to_numpy()
    )
    # The count belongs to each provider of the index event, once.
    pathways = int(frame[frame["at_focus"]].groupby(index)["pathways"].first().sum())
    compared = len(cells[unit].unique()) > 1
    rows = []
    for phase in [*phases, WHOLE]:
        part = frame if phase == WHOLE else frame[frame["phase"] == phase]
        here = part[part["at_focus"]]
        rows.append(
            {
                "phase": phase,
                "pathways": pathways,
                "inside_contacts": int(here.loc[~here["outside"], "contacts"].sum()),
                "outside_contacts": int(here.loc[here["outside"], "contacts"].sum()),
                "outside_pct": _percent_outside(here),
                "reference_pct": _percent_outside(part) if compared else float("nan"),
                "reason": "" if compared else ONE_UNIT,
            }
        )
    return pd.DataFrame(rows)


def cost_basis(cells: pd.DataFrame, coverage: pd.DataFrame | None, *, unit: str, focus: str) -> pd.DataFrame:
    """Return what the cost of each setting rests on, and the setting's coverage.

    Parameters
    ----------
    cells : DataFrame
        `pathways.summarise(..., by=[unit, "setting", "cost_basis"])` over all units.
    coverage : DataFrame or None
        From `ledger.coverage`; None where there is no population, and coverage is then missing with its reason.
    unit, focus : str
        Column of the unit, and which one.

    Returns
    -------
    DataFrame
        setting, cost_basis, pathways, seen_pathways (those with such a contact), contacts, contacts_pct (of the
        setting's contacts), coverage_pct, reason.
    """
    here = cells[cells[unit] == focus]
    table = here[["setting", "cost_basis", "pathways", "seen_pathways", "contacts"]].copy()
    table["contacts_pct"] = 100 * table["contacts"] / table.groupby("setting")["contacts"].transform("sum")
    for column, ranking in (("setting", SETTINGS), ("cost_basis", COST_BASES)):
        table[column] = pd.Categorical(table[column], [*ranking])
    table = table.sort_values(["setting", "cost_basis"]).astype({"setting": str, "cost_basis": str})
    if coverage is None:
        return table.assign(coverage_pct=np.nan, reason="no population: coverage is not computable")
    own = coverage.loc[coverage[unit] == focus, ["setting", "coverage_pct", "reason"]]
    return table.merge(own, on="setting", how="left").reset_index(drop=True)


def passages(own: Flow, every: Flow) -> pd.DataFrame:
    """Return how one area's patients pass from step to step, commonest first, beside all areas together.

    Parameters
    ----------
    own, every : Flow
        `pathways.flow` of the area, and of all areas.

    Returns
    -------
    DataFrame
        from_step, to_step, passages, cases (pathways), median_days and p90_days between the two, mean_gbp of what is
        arrived at; reference_cases, reference_days (median) and reference_gbp of all areas, missing where the data hold
        one area only.
    """
    ours, theirs = (f.table.assign(mean_gbp=f.table["cost_gbp"] / f.table["passages"]) for f in (own, every))
    theirs = theirs[["from_step", "to_step", "cases", "median_days", "mean_gbp"]]
    theirs = theirs.set_axis(["from_step", "to_step", "reference_cases", "reference_days", "reference_gbp"], axis=1)
    if own.variants["cases"].sum() == every.variants["cases"].sum():
        theirs = theirs.assign(**dict.fromkeys(theirs.columns[2:], np.nan))
    return ours.drop(columns=["mean_days", "cost_gbp"]).merge(theirs, on=["from_step", "to_step"], how="left")


def statement_table(
    statement: Statement, *, compared_gbp: float, pathways: int, year: str, smallest: int = SMALLEST
) -> pd.DataFrame:
    """Return where the ledger's pounds went, line by line, in exact pounds.

    Parameters
    ----------
    statement : Statement
        From `Links.statement`.
    compared_gbp : float
        Cost of the pathways that are compared: complete, and closing in `year`.
    pathways : int
        How many those are.
    year : str
        Financial year of those.
    smallest : int
        Fewest that have a line of their own; fewer are in one line with the other pathways.
    """
    attributed = statement.attributed_pence
    split = {
        f"In complete pathways of this kind whose window closes in {year}": round(100 * compared_gbp),
        "In other pathways": attributed - round(100 * compared_gbp),
    }
    lines = {
        "Ledger: all activity with a cost": statement.ledger_pence,
        **({"In pathways": attributed} if 0 < pathways < smallest else split),
        "Outside any pathway": statement.outside_pence,
        "Unexplained": statement.difference_pence,
    }
    return pd.DataFrame({"line": list(lines), "amount_gbp_exact": [pence / 100 for pence in lines.values()]})


def _percent_outside(frame: pd.DataFrame) -> float:
    total = frame["cost_gbp"].sum()
    return float(100 * frame.loc[frame["outside"], "cost_gbp"].sum() / total) if total > 0 else float("nan")


def _tidy(rows: pd.DataFrame, parts: list[str]) -> pd.DataFrame:
    kept = [*parts, "pathways", "seen_pathways", "contacts", *BORNE, "mean_gbp", "se_gbp"]
    return rows[kept].reset_index(drop=True)


def _pool(rows: pd.DataFrame, parts: list[str]) -> pd.DataFrame:
    """Pool units' means and standard errors into those of all their pathways: exact, from the sums of squares."""
    if rows.empty:
        return rows
    n, mean = rows["pathways"].astype(float), rows["mean_gbp"]
    within = (n * (n - 1) * rows["se_gbp"] ** 2).fillna(0.0)
    sums = rows[[*parts, "contacts"]].assign(n=n, total=n * mean, squares=within + n * mean**2)
    sums = sums.groupby(parts, sort=False).sum().reset_index() if parts else sums.sum().to_frame().T
    pooled = sums["total"] / sums["n"]
    spread = (sums["squares"] - sums["n"] * pooled**2).clip(lower=0)
    error = np.sqrt(spread / (sums["n"] - 1).where(sums["n"] > 1) / sums["n"])
    return sums[[*parts, "contacts"]].assign(pathways=sums["n"], mean_gbp=pooled, se_gbp=error)


def _welch(ours: pd.DataFrame, others: pd.DataFrame) -> pd.Series:
    a, b = ours["se_gbp"] ** 2, others["se_gbp"] ** 2
    below = a**2 / (ours["pathways"] - 1) + b**2 / (others["pathways"] - 1)
    return (a + b) ** 2 / below.where(below > 0)


def _limits(
    table: pd.DataFrame, prefix: str, estimate: pd.DataFrame, freedom: pd.Series, level: str, confidence: float
) -> None:
    # No spread at all (a phase in which nobody is seen) is an interval of no width, not an unknown one.
    reach = stats.t.ppf(0.5 + confidence / 2, freedom.where(freedom > 0)) * estimate["se_gbp"]
    reach = np.where(estimate["se_gbp"] == 0, 0.0, reach)
    lower = estimate["mean_gbp"] - reach
    table[f"{prefix}lower_{level}"] = lower if prefix == "difference_" else lower.clip(lower=0)
    table[f"{prefix}upper_{level}"] = estimate["mean_gbp"] + reach
