"""Tables of value by group: cost per QALY with what disclosure control needs to know, and the triple aim of areas."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pathcost_lib.benchmark import slope_index
from pathcost_lib.pathways import BORNE
from pathcost_lib.pathways.borne import shares_borne
from pathcost_lib.value.gain import group_means
from pathcost_lib.value.ratio import cost_per_outcome

__all__ = ["MAP", "MARGINAL", "borne", "cost_per_qaly", "marginal", "triple_aim"]

#: Columns of a value map after the organisation, as its figure and its table take them.
MAP = ["pathways", "own_gbp", "own_qalys", "cost_gbp", "lower_95", "upper_95", "qalys", "qalys_lower_95"]
MAP += ["qalys_upper_95", "expensive_no_better_pct", "cheaper_worse_pct", "cheap_no_worse_pct"]
MAP += ["worthwhile_pct", "cost_q", "qalys_q", "finding", "reason"]
#: What a QALY costs at the margin, and its limits.
MARGINAL = ["marginal_gbp", "marginal_lower_95", "marginal_upper_95"]

_EVENTS = {
    "readmitted": "Emergency readmission within 30 days",
    "died": "Death within 90 days",
    "usual_residence": "Return to usual residence",
}
_ABSENT = (
    ("Experience", "Satisfaction with the result", "the tables hold no answers on satisfaction"),
    ("Access", "Weeks waited", "the tables hold no dates of referral"),
)
_AIMS = ["Health", "Experience", "Access", "Resource use", "Inequality"]
_PANEL = ["icb_code", "aim", "measure", "unit", "pathways", "events", "value", "lower_95", "upper_95", "reference"]
_PANEL += ["reason", *BORNE]


def borne(rows: pd.DataFrame, *, by: str, cost: str) -> pd.DataFrame:
    """Return what disclosure control needs to know of each group: who bears its cost, and how many are new.

    Of costs as they are, where those that are shown are held at a trim point too: who costs most does so there as well.

    Parameters
    ----------
    rows : DataFrame
        One row a patient, with `counted_in` as `Outcomes.pairs` has it.
    by, cost : str
        Columns: the group; pounds.

    Returns
    -------
    DataFrame
        by, and the columns of `pathways.BORNE`.

    Examples
    --------
    >>> import pandas as pd
    >>> from pathcost_lib.value import tables
    >>> rows = pd.DataFrame({"area": ["North"] * 10, "gbp": [2100.0] + [100.0] * 9})
    >>> rows["counted_in"] = [2024] * 2 + [2023] * 8
    >>> tables.borne(rows, by="area", cost="gbp")[["area", "largest_share", "newest"]]
        area  largest_share  newest
    0  North            0.7     2.0
    """
    costs = rows.assign(squares=rows[cost] ** 2).groupby(by)
    spread = costs[cost].max(), costs["squares"].sum(), costs[cost].sum()
    newest = (rows["counted_in"] == costs["counted_in"].transform("max")).groupby(rows[by]).sum()
    return shares_borne(*spread, newest, costs.size()).reset_index()


def cost_per_qaly(
    rows: pd.DataFrame, *, by: str, cost: str, fewest: int = 1, draws: int = 2_000, rng: np.random.Generator
) -> pd.DataFrame:
    """Return `cost_per_outcome` of `qalys` by group, with what those who cost most bear of it.

    Parameters
    ----------
    rows : DataFrame
        One row a patient: the group, the cost, qalys.
    by, cost : str
        Columns: the group; pounds.
    fewest : int
        Patients below which a group is left out.
    draws, rng
        Of the bootstrap.

    Returns
    -------
    DataFrame
        As `cost_per_outcome`, the effect called qalys and health gain; and `pathways.BORNE`. No rows without patients.

    Raises
    ------
    InputError
        As `cost_per_outcome`.
    """
    rows = rows[rows.groupby(by)[by].transform("size") >= fewest]
    ratio = cost_per_outcome(rows, by=by, cost=cost, effect="qalys", draws=draws, rng=rng).table
    ratio["reason"] = ratio["reason"].str.replace("effect", "health gain")
    return ratio.rename(columns={"effect": "qalys"}).merge(borne(rows, by=by, cost=cost), on=by, how="left")


def marginal(table: pd.DataFrame) -> pd.DataFrame:
    """Return the group and what a QALY costs it at the margin with limits (`MARGINAL`), to be merged beside the whole.

    Parameters
    ----------
    table : DataFrame
        `cost_per_qaly` of semi-fixed and variable cost.
    """
    by = table.columns[0]
    return table[[by, "ratio_gbp", "lower_95", "upper_95"]].set_axis([by, *MARGINAL], axis=1)


def triple_aim(
    rows: pd.DataFrame,
    events: pd.DataFrame,
    *,
    means: Mapping[str, tuple[str, str, str]],
    slopes: Mapping[str, tuple[str, str]],
) -> pd.DataFrame:
    """Return the triple aim of each ICB beside all areas: health, experience, access, resource use, inequality.

    Parameters
    ----------
    rows : DataFrame
        One row a patient: icb_code, deprivation_decile, cost_gbp, and the columns of the measures.
    events : DataFrame
        `Outcomes.events` by icb_code.
    means : mapping of str to (str, str, str)
        What each mean is called: aim, column, unit (gain, gbp, days).
    slopes : mapping of str to (str, str)
        What each slope index of inequality is called: column, unit.

    Returns
    -------
    DataFrame
        icb_code, aim, measure, unit, pathways, events, value, lower_95, upper_95, reference (all areas; missing where
        there is one area only), reason (why there is no value), and `pathways.BORNE`.

    Notes
    -----
    Limits of means come from the patients' spread, pooled over ICBs. The slope index: `benchmark.slope_index`.
    """
    areas = events[["icb_code"]].drop_duplicates()
    parts = []
    if len(rows):
        parts = [_means(rows, areas, *of).assign(measure=name) for name, of in means.items()]
        for name, (column, unit) in slopes.items():
            parts.append(_slopes(rows, areas, column, unit).assign(aim="Inequality", measure=name))
    for name, measure in _EVENTS.items():
        part = events[events["measure"] == name].rename(columns={"value_pct": "value"})
        share = (part["value"] * part["pathways"]).sum() / max(part["pathways"].sum(), 1)
        everywhere = share if part["value"].notna().any() else np.nan
        parts.append(part.assign(aim="Health", measure=measure, unit="pct", reference=everywhere))
    for aim, measure, reason in _ABSENT:
        parts.append(areas.assign(aim=aim, measure=measure, unit="", reason=reason, pathways=0))
    table = pd.concat([part.reindex(columns=_PANEL) for part in parts], ignore_index=True)
    table = table.sort_values("aim", key=lambda aims: aims.map(_AIMS.index), kind="stable", ignore_index=True)
    if len(set(table["icb_code"])) == 1:
        table["reference"] = np.nan  # one area is not compared with itself
    return table.assign(reason=table["reason"].fillna(""))


def _means(rows: pd.DataFrame, areas: pd.DataFrame, aim: str, column: str, unit: str) -> pd.DataFrame:
    """Return the mean of each ICB with limits, and of all; or why there is none."""
    known = rows.dropna(subset=[column])
    if known.empty:
        why = "no index admission has an end date" if column == "bed_days" else f"no patient's {column} is known"
        return areas.assign(aim=aim, unit=unit, reason=why, pathways=0)
    means = group_means(known.assign(one=known[column]), by="icb_code", cost=column, effect="one", pooled=True)
    half = 1.959964 * np.sqrt(means["cost_var"])
    limits = {"value": means["cost"], "lower_95": means["cost"] - half, "upper_95": means["cost"] + half}
    table = means[["icb_code", "pathways"]].assign(**limits, aim=aim, unit=unit, reference=known[column].mean())
    return table.merge(_resting(known, unit), how="left")


def _slopes(rows: pd.DataFrame, areas: pd.DataFrame, column: str, unit: str) -> pd.DataFrame:
    """Return the slope index of each ICB, and of all; or why there is none."""
    known = rows.dropna(subset=["deprivation_decile"])
    if known.empty or known[column].nunique() < 2:
        return areas.assign(reason="no patient's deprivation is held", pathways=0, unit=unit)
    sd = float(known[column].std())
    both = pd.concat([known.assign(area=known["icb_code"]), known.assign(area="")])
    cells = both.groupby(["area", "deprivation_decile"], as_index=False).agg(value=(column, "mean"), n=(column, "size"))
    cells["se"] = sd / np.sqrt(cells["n"])
    by, tenth = "area", "deprivation_decile"
    index = slope_index(cells, by=by, quantile=tenth, value="value", se="se", population="n").table
    index["pathways"] = index["area"].map(both.groupby("area").size())
    everywhere = float(index.loc[index["area"] == "", "sii"].iloc[0])
    few = np.where(index["sii"].isna(), "fewer than 3 tenths of deprivation have patients", "")
    table = index.assign(value=index["sii"], reference=everywhere, reason=few).rename(columns={"area": "icb_code"})
    return table[table["icb_code"] != ""].assign(unit=unit).merge(_resting(known, unit), how="left")


def _resting(rows: pd.DataFrame, unit: str) -> pd.DataFrame:
    """Return what each ICB's row rests on: what is in pounds tells of who bears them too."""
    table = borne(rows, by="icb_code", cost="cost_gbp")
    return table if unit == "gbp" else table[["icb_code", "newest"]]
