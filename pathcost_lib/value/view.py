"""What a board needs to see of value: one national computation, of which every area is a slice; aggregates only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from pathcost_lib.arguments import draw_count, number
from pathcost_lib.benchmark import slope_index
from pathcost_lib.codes import label
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.pathways import BORNE, Links, shares_borne
from pathcost_lib.results import NotComputable, Result
from pathcost_lib.sources import Relation
from pathcost_lib.sources.quoting import quote_value
from pathcost_lib.value.budget import Margin
from pathcost_lib.value.gain import adjust, discounted_years, group_means
from pathcost_lib.value.incremental import NICE_RANGES_GBP, Incremental, dominance, incremental
from pathcost_lib.value.outcomes import INSTRUMENTS, OUTCOME_COLUMNS, Outcomes, join_outcomes
from pathcost_lib.value.quadrants import quadrants
from pathcost_lib.value.ratio import cost_per_outcome

__all__ = ["ALL_AREAS", "ValueView", "pathways_with_outcomes", "value_view"]

GAIN_FACTORS, COST_FACTORS = ("age_from", "sex", "deprivation_fifth"), ("currency_code", "age_from", "sex")
QALY_INSTRUMENT = "eq5d_index"
#: Patients below which a service or variant is not set beside others.
FEWEST = 8
#: Stands for all areas together among the codes of ICBs.
ALL_AREAS = "all areas"
#: Patients below which a case mix of some twenty traits cannot be allowed for.
FEWEST_TO_ADJUST = 60
_MARGINAL = ["marginal_gbp", "marginal_lower_95", "marginal_upper_95", "status"]
_MAP = ["pathways", "own_gbp", "own_qalys", "cost_gbp", "lower_95", "upper_95", "qalys", "qalys_lower_95"]
_MAP += ["qalys_upper_95", "expensive_no_better_pct", "cheaper_worse_pct", "cheap_no_worse_pct"]
_MAP += ["worthwhile_pct", "cost_q", "qalys_q", "finding", "reason"]
_COST = ["pathways", "mean_gbp", "qalys", "ratio_gbp", "lower_95", "upper_95", "bootstrap_lower_95"]
_COST += ["bootstrap_upper_95", "mean_of_ratios_gbp", "reason", *BORNE]

_RATIO = ["ratio_gbp", "lower_95", "upper_95"]
_PLANE = ["icb_code", "pathways", "reference_pathways", "cost_gbp", "lower_95", "upper_95", "qalys", "qalys_lower_95"]
_PLANE += ["qalys_upper_95", "quadrant", "ratio_gbp", "reason", "cost_se_gbp", "qalys_se", "correlation"]
_ROWS = ["pathway", "icb_code", "provider_code", "deprivation_decile", "variant", "cost_gbp", "marginal_gbp"]
_ROWS += ["index_gbp", "bed_days", "gain", "qalys", "excess_gain", "excess_cost_gbp", "excess_index_gbp"]


@dataclass(frozen=True, eq=False)
class ValueView(Result):
    """Value over all areas: no row of a patient is in it.

    Tables with pounds of people have `pathways.BORNE`: what the dearest bear, for disclosure control.

    `pathways` are the pathways whose patients are counted in every part, and no others; `left_out` counts by reason the
    answers and patients that are not, `notes` the patients of whom a trait is not known or too rare.

    `table` is the cost per QALY by service (pathway), all areas together, with `marginal_gbp` (semi-fixed and variable
    cost per QALY) and each one's status among the others; `variants` the same by point of delivery of the index event,
    `areas` by ICB and for all of them (`ALL_AREAS`). `response` is by ICB. `providers` (by cost of the index phase) and
    `icbs` (by cost of the pathway) are the value maps, each patient's cost held at its pathway's trim point;
    `increments` is each ICB against the others; `panel` the triple aim of each ICB. Where something cannot be computed
    its table has no rows and `reasons` (by table) says why.
    """

    years: float
    fading: bool
    areas: pd.DataFrame
    variants: pd.DataFrame
    response: pd.DataFrame
    providers: pd.DataFrame
    icbs: pd.DataFrame
    increments: Incremental | NotComputable
    panel: pd.DataFrame
    pathways: tuple[str, ...] = ()
    reasons: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """Cost per QALY by service, or why there is none."""
        if self.table.empty:
            return f"Cost per QALY is not computable: {self.reasons['services']}."
        said = [
            f"{row['pathway']} {row['reason'] or format(row['ratio_gbp'], ',.0f')}"
            for row in self.table.to_dict("records")
        ]
        return f"Pounds per QALY, all areas: {'; '.join(said)}."

    @property
    def assumption(self) -> str:
        """How a gain becomes QALYs, in a sentence."""
        lasts = f"{'fade to nothing over' if self.fading else 'last'} {self.years:g} years"
        whole = discounted_years(self.years, fading=self.fading)
        after = ", and less after year 30" if self.years > 30 else ""
        return (
            f"A gain is taken to build up over half a year and to {lasts}: {whole:.1f} years at the full gain, health "
            f"discounted at 1.5% a year{after}. Patients who did not answer are taken to gain as much as those who did."
        )

    def sensitivity(self, icb: str, years: tuple[float, ...] = (1.0, 5.0, 10.0, 15.0)) -> pd.DataFrame:
        """Return an area's cost per QALY with its limits if the gain lasted otherwise, at 1.5 % and 3.5 % a year."""
        base = self.areas[self.areas["icb_code"] == icb]
        rows = []
        for lasts, fading in [(y, False) for y in years] + [(self.years, True)]:
            for schedule, rate in (("green_book_health", "1.5%"), ("green_book", "3.5%")):
                factor = discounted_years(self.years, fading=self.fading) / discounted_years(
                    lasts, fading=fading, schedule=schedule
                )
                said = f"{lasts:g} year{'s' * (lasts != 1)}{', fading to nothing' if fading else ''}"
                scaled = base[["pathways", *_RATIO, *BORNE]].assign(**{c: base[c] * factor for c in _RATIO})
                rows.append(scaled.assign(gain_lasts=said, discount=rate))
        return pd.concat(rows, ignore_index=True)[["gain_lasts", "discount", "pathways", *_RATIO, *BORNE]]

    def plane(self, icb: str) -> pd.DataFrame:
        """Return an area's row of the cost-effectiveness plane: increments, their standard errors and correlation."""
        if isinstance(self.increments, NotComputable):
            return _none(*_PLANE)
        found, moments = (frame[frame["icb_code"] == icb] for frame in (self.increments.table, self.increments.moments))
        renamed = found.rename(columns={c: c.replace("effect", "qalys") for c in found.columns})
        cost, qalys = np.sqrt(moments["cost_var"]), np.sqrt(moments["effect_var"])
        renamed = renamed.assign(cost_se_gbp=cost, qalys_se=qalys, correlation=moments["both"] / (cost * qalys))
        return renamed[_PLANE].merge(self.areas[["icb_code", *BORNE]], how="left")

    def curve(self, icb: str, thresholds: Sequence[float]) -> pd.DataFrame:
        """Return an area's net benefit and acceptability against the other areas, by threshold, with `pathways`."""
        plane = self.plane(icb)
        if isinstance(self.increments, NotComputable) or plane.empty:
            return _none("threshold_gbp", "pathways", "net_benefit_gbp", "lower_95", "upper_95", "worthwhile_chance")
        benefit = self.increments.net_benefit(thresholds, unit=icb).drop(columns="icb_code")
        benefit.insert(1, "pathways", plane["pathways"].iloc[0])
        return benefit.assign(**{share: plane[share].iloc[0] for share in BORNE})

    def margin(self, pathway: str) -> Margin | NotComputable:
        """Return what a QALY costs a service at its margin, for `budget_shift`: semi-fixed and variable cost only."""
        row = self.table[(self.table["pathway"] == pathway) & self.table["marginal_gbp"].notna()]
        if row.empty:
            return NotComputable(f"{label(pathway)} has no cost per QALY here")
        one = row.iloc[0]
        return Margin(label(pathway), one["marginal_gbp"], one["marginal_lower_95"], one["marginal_upper_95"])


def pathways_with_outcomes(outcomes: Relation) -> list[str]:
    """Return the pathways that have scores of the EQ-5D index both before and after."""
    lacking = [column for column in OUTCOME_COLUMNS if column not in outcomes.columns]
    if lacking:
        raise InputError(f"The table outcomes lacks {', '.join(lacking)}.")
    found = outcomes.query(
        f"SELECT pathway FROM this WHERE instrument = {quote_value(QALY_INSTRUMENT)} AND stage IN ('pre', 'post') "
        "AND pathway IS NOT NULL AND patient_id IS NOT NULL AND measured_on IS NOT NULL AND score IS NOT NULL "
        "GROUP BY pathway "
        "HAVING count(DISTINCT stage) = 2 ORDER BY pathway"
    )
    return [str(name) for name in found.to_arrow()["pathway"].to_pylist()]


def value_view(
    links: Links,
    activity: Relation,
    patients: Relation,
    outcomes: Relation,
    *,
    pathway: str,
    year: str,
    years: float = 10.0,
    fading: bool = False,
    whole: bool = False,
    worth_gbp: float = NICE_RANGES_GBP["from April 2026"][0],
    draws: int = 2_000,
    seed: int = 20250401,
) -> ValueView:
    """Return all that notebook 07 shows, for every ICB at once.

    Parameters
    ----------
    links : Links
        Of all pathways with a gain: linked together, so that each pound is in one of them whichever is asked for.
    activity, patients, outcomes : Relation
        Tables of the dataset; without outcomes each part has its reason.
    pathway : str
        The only one that is counted, in every part; "" for all that have a gain, each patient beside others of the same
        pathway (`ValueView.pathways` names them).
    year : str
        Pathways count whose window closes by the end of this financial year.
    years, fading : float, bool
        How long the gain lasts, and whether it fades (`discounted_years`).
    whole : bool
        Count the cost from before the index event too (`join_outcomes`).
    worth_gbp : float
        What a QALY is worth, for the probability that extra gain is worth its extra cost.
    draws, seed : int
        Of the bootstrap and of the shrinkage.

    Raises
    ------
    InputError
        If the pathway was not linked, or an argument is out of range.
    """
    if pathway:
        require_one_of(pathway, [d.name for d in links.definitions], what="Pathway")
    worth_gbp, draws = number(worth_gbp, "worth_gbp (£ per QALY)", above=0), draw_count(draws)
    seed = int(number(seed, "seed", least=0, whole=True))
    joined = join_outcomes(links, activity, patients, outcomes, year=year, instrument=QALY_INSTRUMENT, whole=whole)
    scope = joined.of(pathway) if pathway else joined
    scale, rng = discounted_years(years, fading=fading), np.random.default_rng(seed)
    reasons: dict[str, str] = {}

    def tried(name: str, make: Callable[[], Any], otherwise: Any) -> Any:
        try:
            return make()
        except InputError as error:
            reasons.setdefault(name, str(error).rstrip("."))  # the first says why, those that follow only that
            return otherwise

    none = joined.pairs.iloc[:0].reindex(columns=_ROWS)
    mine, few, notes = tried("services", lambda: _adjusted(scope, scale), (none, dict[str, int](), scope.notes))
    counted = tuple(sorted(mine["pathway"].unique()))
    scope = scope.of(*counted) if counted else scope
    at_average = {f"adjusted_{c}": mine[f"excess_{c}"] + mine[c].mean() for c in ("gain", "cost_gbp", "index_gbp")}
    mine = mine.assign(**at_average, adjusted_qalys=scale * at_average["adjusted_gain"])
    mine = mine.assign(**{f"trimmed_{c}": _trimmed(mine, f"adjusted_{c}") for c in ("cost_gbp", "index_gbp")})
    value_map = partial(
        quadrants,
        mine,
        effect="adjusted_qalys",
        matters=INSTRUMENTS[QALY_INSTRUMENT].matters * scale,
        worth_gbp=worth_gbp,
        draws=draws,
        rng=rng,
    )

    def mapped(name: str, by: str, cost: str) -> pd.DataFrame:
        table = tried(name, lambda: value_map(by=by, cost=cost).table, _none(by, *_MAP))
        table = table.rename(columns={c: c.replace("effect", "qalys") for c in table.columns})[[by, *_MAP]]
        return _with_borne(table, mine, by, cost.removeprefix("trimmed_"))

    against = partial(incremental, mine, cost="adjusted_cost_gbp", effect="adjusted_qalys")
    costs = partial(_costs, draws=draws, rng=rng)
    # One area is not compared with itself.
    everywhere = mine if len(set(mine["icb_code"])) == 1 else pd.concat([mine, mine.assign(icb_code=ALL_AREAS)])
    return ValueView(
        tried("services", lambda: _services(mine, "pathway", costs), _none("pathway", *_COST, *_MARGINAL)),
        years=years,
        fading=fading,
        areas=tried("areas", lambda: costs(everywhere, "icb_code"), _none("icb_code", *_COST)),
        variants=tried("variants", lambda: _services(mine, "variant", costs), _none("variant", *_COST, *_MARGINAL)),
        response=scope.response(["icb_code"]),
        providers=mapped("providers", "provider_code", "trimmed_index_gbp"),
        icbs=mapped("icbs", "icb_code", "trimmed_cost_gbp"),
        increments=tried("increments", lambda: against(by="icb_code"), NotComputable("there is no health gain")),
        panel=_panel(mine, scope.events(["icb_code"])),
        pathways=counted,
        reasons=reasons,
        left_out=joined.left_out | few,
        notes=notes,
    )


def _adjusted(joined: Outcomes, scale: float) -> tuple[pd.DataFrame, dict[str, int], dict[str, int]]:
    """Return the pairs with gain, QALYs and cost at average case mix, pathway by pathway; how many are left out; and
    how many have a trait that is not known or too rare.
    """  # noqa: D205
    if joined.reason:
        raise InputError(joined.reason)
    pairs = joined.pairs.assign(deprivation_fifth=np.ceil(joined.pairs["deprivation_decile"].astype(float) / 2))
    sizes = pairs.groupby("pathway")["pre"].transform("size")
    few = int((sizes < FEWEST_TO_ADJUST).sum())
    left_out = {f"patients of pathways with fewer than {FEWEST_TO_ADJUST} of them": few} if few else {}
    pairs = pairs[sizes >= FEWEST_TO_ADJUST].reset_index(drop=True)
    if pairs.empty:
        raise InputError(f"fewer than {FEWEST_TO_ADJUST} patients have a score before and after")
    gain = adjust(pairs, "gain", numbers=["pre"], factors=GAIN_FACTORS, within="pathway")
    table = gain.table
    for cost in ("cost_gbp", "index_gbp"):
        table = adjust(table, cost, factors=COST_FACTORS, within="pathway").table
    variant = table["pathway"].map(label) + ", " + table["pod"].map(label).str.lower()
    return table.assign(qalys=scale * table["gain"], variant=variant), left_out, gain.notes


def _trimmed(rows: pd.DataFrame, column: str) -> pd.Series:
    """Return a column held within 1.5 interquartile ranges of its pathway's quartiles, so that no one patient decides.

    The upper end is the trim point of the national schedule (HRG4+ trim points: upper quartile + 1.5 x the range).
    """
    grouped = rows.groupby("pathway")[column]
    low, high = grouped.transform("quantile", 0.25), grouped.transform("quantile", 0.75)
    return rows[column].clip(low - 1.5 * (high - low), high + 1.5 * (high - low))


def _none(*columns: str) -> pd.DataFrame:
    return pd.DataFrame(columns=list(columns))


def _costs(
    rows: pd.DataFrame, by: str, *, draws: int, rng: np.random.Generator, cost: str = "cost_gbp"
) -> pd.DataFrame:
    found = cost_per_outcome(rows, by=by, cost=cost, effect="qalys", draws=draws, rng=rng).table
    found["reason"] = found["reason"].str.replace("effect", "health gain")
    return _with_borne(found.rename(columns={"effect": "qalys"}), rows, by, cost)


def _with_borne(table: pd.DataFrame, rows: pd.DataFrame, by: str, cost: str) -> pd.DataFrame:
    """Return a table by group with how much of the cost the dearest one and two patients bear, for disclosure control.

    Of costs as they are, where those that are shown are held at a trim point too: who is dear is dear there as well.
    """
    costs = rows.assign(squares=rows[cost] ** 2).groupby(by)
    shares = shares_borne(costs[cost].max(), costs["squares"].sum(), costs[cost].sum())
    return table.merge(shares.reset_index(), on=by, how="left")


def _services(rows: pd.DataFrame, by: str, costs: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """Return cost per QALY, whole and marginal, the cheapest first, with the status among services, or among variants
    of one pathway.
    """  # noqa: D205
    rows = rows[rows.groupby(by)["pathway"].transform("size") >= FEWEST]
    table = costs(rows, by)
    margin = costs(rows, by, cost="marginal_gbp")[[by, "ratio_gbp", "lower_95", "upper_95"]]
    margin.columns = [by, *_MARGINAL[:-1]]
    alike = table[by].str.partition(",")[0] if by == "variant" else pd.Series("", index=table.index)
    status = pd.concat([dominance(t, option=by, cost="mean_gbp", effect="qalys") for _, t in table.groupby(alike)])
    return table.merge(margin).merge(status[[by, "status"]]).sort_values("ratio_gbp", ignore_index=True)


def _panel(rows: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """Return the triple aim of each ICB beside all areas: aim, measure, unit, pathways, value, limits, reference."""
    parts = []
    areas = events[["icb_code"]].drop_duplicates()
    measures = (
        ("Health", "Health gain (EQ-5D index, case mix allowed for)", "adjusted_gain", "gain"),
        ("Resource use", "Cost per patient (case mix allowed for)", "adjusted_cost_gbp", "gbp"),
        ("Resource use", "Bed days of the index admission", "bed_days", "days"),
    )
    for aim, measure, column, unit in measures:
        held = rows.dropna(subset=[column])
        if len(rows) and held.empty:  # of the three only bed days can be missing of every patient
            parts.append(
                areas.assign(
                    aim=aim, measure=measure, unit=unit, reason="no index admission has an end date", pathways=0
                )
            )
        elif len(held):
            parts.append(
                _means(held, column).assign(aim=aim, measure=measure, unit=unit, reference=held[column].mean())
            )
    for aim, column, measure, unit in (
        ("Inequality", "gain", "Gain, least less most deprived (slope index)", "gain"),
        ("Inequality", "adjusted_cost_gbp", "Cost, least less most deprived (slope index)", "gbp"),
    ):
        slopes = _slopes(rows, column)
        if slopes.empty and len(rows):
            slopes = areas.assign(reason="no patient's deprivation is held", pathways=0)
        parts.append(slopes.assign(aim=aim, measure=measure, unit=unit))
    said = {"readmitted": "Emergency readmission within 30 days", "died": "Death within 90 days"}
    said["usual_residence"] = "Return to usual residence"
    for name, measure in said.items():
        part = events[events["measure"] == name].rename(columns={"value_pct": "value"})
        share = (part["value"] * part["pathways"]).sum() / max(part["pathways"].sum(), 1)
        parts.append(
            part.drop(columns="measure").assign(
                aim="Health", measure=measure, unit="pct", reference=share if part["value"].notna().any() else np.nan
            )
        )
    for aim, measure, reason in (
        ("Experience", "Satisfaction with the result", "the tables hold no answers on satisfaction"),
        ("Access", "Weeks waited", "the tables hold no dates of referral"),
    ):
        parts.append(areas.assign(aim=aim, measure=measure, unit="", reason=reason, pathways=0))
    # What is in pounds tells of who bears them.
    parts = [_with_borne(p, rows, "icb_code", "cost_gbp") if "gbp" in set(p["unit"]) else p for p in parts]
    columns = [
        "icb_code",
        "aim",
        "measure",
        "unit",
        "pathways",
        "events",
        "value",
        "lower_95",
        "upper_95",
        "reference",
        "reason",
        *BORNE,
    ]
    table = pd.concat([p.reindex(columns=columns) for p in parts], ignore_index=True)
    order = ["Health", "Experience", "Access", "Resource use", "Inequality"]
    table = table.sort_values("aim", key=lambda aims: aims.map(order.index), kind="stable", ignore_index=True)
    if len(set(table["icb_code"])) == 1:
        table["reference"] = np.nan  # one area is not compared with itself
    return table.assign(reason=table["reason"].fillna(""))


def _means(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the mean of each ICB with limits from the patients' spread, pooled over ICBs."""
    means = group_means(rows.assign(one=rows[column]), by="icb_code", cost=column, effect="one", pooled=True)
    half = 1.959964 * np.sqrt(means["cost_var"])
    return means[["icb_code", "pathways"]].assign(
        value=means["cost"], lower_95=means["cost"] - half, upper_95=means["cost"] + half
    )


def _slopes(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    known = rows.dropna(subset=["deprivation_decile"])
    if known.empty or known[column].nunique() < 2:
        return pd.DataFrame(columns=["icb_code"])
    sd = float(known[column].std())
    both = pd.concat([known.assign(area=known["icb_code"]), known.assign(area="")])
    cells = both.groupby(["area", "deprivation_decile"], as_index=False).agg(value=(column, "mean"), n=(column, "size"))
    found = slope_index(
        cells.assign(se=sd / np.sqrt(cells["n"])),
        by="area", quantile="deprivation_decile", value="value", se="se", population="n",
    ).table  # fmt: skip
    found["pathways"] = found["area"].map(both.groupby("area").size())
    reference = float(found.loc[found["area"] == "", "sii"].iloc[0])
    few = np.where(found["sii"].isna(), "fewer than 3 tenths of deprivation have patients", "")
    table = found.assign(value=found["sii"], reference=reference, reason=few).rename(columns={"area": "icb_code"})
    return table[table["icb_code"] != ""]
