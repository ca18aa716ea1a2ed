"""Outcomes joined to pathways: who answered, what changed, who came back or died, and what is not held and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from pathcost_lib.benchmark import proportion
from pathcost_lib.codes import financial_year_bounds, label
from pathcost_lib.errors import InputError
from pathcost_lib.pathways import BORNE
from pathcost_lib.pathways.borne import shares_borne, told_by_years
from pathcost_lib.pathways.link import Links
from pathcost_lib.results import Result
from pathcost_lib.sources import Relation
from pathcost_lib.sources.quoting import quote_name, quote_value, quote_values

__all__ = ["INSTRUMENTS", "Instrument", "Outcomes", "join_outcomes", "pathways_with_outcomes"]


@dataclass(frozen=True)
class Instrument:
    """A measure that patients answer: how it is said, and the least difference between groups that matters."""

    title: str
    matters: float
    source: str


#: Instruments whose least important difference is published; a higher score is better in all of them.
INSTRUMENTS = {
    "eq5d_index": Instrument("EQ-5D index", 0.074, "Walters and Brazier, Quality of Life Research 2005;14:1523"),
    "oxford_hip_score": Instrument("Oxford Hip Score", 5.0, "Beard and others, J Clin Epidemiol 2015;68:73"),
    "oxford_knee_score": Instrument("Oxford Knee Score", 5.0, "Beard and others, J Clin Epidemiol 2015;68:73"),
}
#: Days in which a score counts: up to `PRE_DAYS` before the index event; about six months after it, as PROMs of hips
#: and knees are asked (NHS England, PROMs guide).
PRE_DAYS, POST_FROM, POST_TO = 180, 120, 270
#: Emergency readmission: within 30 days of discharge, days 0 to 29 (NHS England, compendium of hospital readmissions).
#: Death within 90 days: National Joint Registry.
READMISSION_DAYS, DEATH_DAYS = 30, 90
#: Patients below which no mean cost of those who answered, or did not, is shown.
FEWEST = 8

QALY_INSTRUMENT = "eq5d_index"
OUTCOME_COLUMNS = ("patient_id", "pathway", "instrument", "stage", "measured_on", "score")
#: Columns of the dataset's tables that the join reads.
_NEEDED = {
    "activity": ("activity_id", "patient_id", "setting", "pod", "currency_code", "start_date", "end_date"),
    "patients": ("patient_id", "birth_year", "sex", "deprivation_decile", "died_on"),
    "outcomes": OUTCOME_COLUMNS,
}


@dataclass(frozen=True, eq=False)
class Outcomes(Result):
    """`table` is the response by pathway (see `response`); `cases` has a row a pathway, in the engine; `pairs` are
    those with a score before and after and a cost: pathway, pathway_id, icb_code, provider_code, pod, currency_code,
    age_from, sex, deprivation_decile, counted_in (from which financial year it is counted: the year in which that
    begins), cost_gbp, of which marginal_gbp (semi-fixed and variable) and index_gbp (in the phase of the index event),
    bed_days, pre, post, gain.
    `left_out` counts by reason the answers that are not used, and the patients who answered twice but have no cost;
    `notes` the pairs of which a trait is not known.
    """  # noqa: D205

    cases: Relation
    pairs: pd.DataFrame
    instrument: str
    deaths_known: bool
    left_out: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)

    def of(self, *pathways: str) -> Outcomes:
        """Return those of some pathways, of which there is one at least."""
        cases = self.cases.query(f"SELECT * FROM this WHERE pathway IN ({quote_values(pathways)})")
        pairs = self.pairs[self.pairs["pathway"].isin(pathways)].reset_index(drop=True)
        table = self.table[self.table["pathway"].isin(pathways)].reset_index(drop=True)
        return replace(self, table=table, cases=cases, pairs=pairs)

    @property
    def summary(self) -> str:
        """How many pathways, how many linked and answered."""
        n, due, both = (int(self.table[c].sum()) for c in ("pathways", "due_pathways", "answered_pathways"))
        if not len(self.pairs):
            return f"Health gain is not computable: {self.reason}."
        return (
            f"{n:,} pathways; of the {due:,} whose second questionnaire was due, {both:,} ({both / max(due, 1):.0%}) "
            f"have {self.instrument} before and after."
        )

    @property
    def reason(self) -> str:
        """Why there is no gain; empty where there is."""
        if len(self.pairs):
            return ""
        measure = INSTRUMENTS[self.instrument].title if self.instrument in INSTRUMENTS else label(self.instrument)
        return f"no patient has the {measure} both before and after the index event"

    def response(self, by: Sequence[str] = ("pathway",)) -> pd.DataFrame:
        """Return linkage and response by group, and the cost of those who answered beside the others'.

        Returns
        -------
        DataFrame
            The `by` columns; pathways; due_pathways (second questionnaire due); linked_pathways (of them, with a score
            before); answered_pathways (with both); linkage_pct and response_pct of those due and of those linked;
            answered_gbp, silent_gbp (mean cost of pathways with both scores, and of the others due); and for disclosure
            control `pathways.BORNE`: the larger of both groups', where they are of as many as a mean is shown of.
        """
        heads = ", ".join(map(quote_name, by))
        both = "pre IS NOT NULL AND post IS NOT NULL"
        of = {"due": "due", "linked": "due AND pre IS NOT NULL", "answered": f"due AND {both}"}
        years = {name: f"CASE WHEN {condition} THEN due_in END" for name, condition in of.items()}
        dated, newest = _newest(heads, {"pathways": "counted_in"} | years)
        silent = f"NOT ({both})"
        table = self.cases.query(
            f"SELECT {heads}, CAST(count(*) AS BIGINT) AS pathways, "
            "CAST(sum(CASE WHEN due THEN 1 ELSE 0 END) AS BIGINT) AS due_pathways, "
            "CAST(sum(CASE WHEN due AND pre IS NOT NULL THEN 1 ELSE 0 END) AS BIGINT) AS linked_pathways, "
            f"CAST(sum(CASE WHEN due AND {both} THEN 1 ELSE 0 END) AS BIGINT) AS answered_pathways, "
            f"avg(CASE WHEN due AND {both} THEN cost_gbp END) AS answered_gbp, "
            f"avg(CASE WHEN due AND NOT ({both}) THEN cost_gbp END) AS silent_gbp, "
            f"{_costs('answered', both)}, {_costs('silent', silent)}, {newest} "
            f"FROM ({dated}) AS dated GROUP BY {heads} ORDER BY {heads}"
        ).to_pandas()
        answered, linked, due = (
            table[f"{c}_pathways"].astype(float).replace(0, np.nan) for c in ("answered", "linked", "due")
        )
        table.insert(len(by) + 4, "linkage_pct", 100 * linked / due)
        table.insert(len(by) + 5, "response_pct", 100 * answered / linked)
        silent_too = table["due_pathways"] - table["answered_pathways"] >= FEWEST
        told, rest = _shares(table, "answered"), _shares(table, "silent").where(silent_too)
        table = table.assign(**{c: np.fmax(told[c], rest[c]) for c in BORNE})
        new = table.filter(regex="^newest_")
        counted = table[["pathways", "due_pathways", "linked_pathways", "answered_pathways"]]
        return table.drop(columns=new.columns).assign(newest=_fewest(new, counted))

    def events(self, by: Sequence[str] = ("pathway",)) -> pd.DataFrame:
        """Return what can be counted without a questionnaire, by group, and what cannot with the reason.

        Returns
        -------
        DataFrame
            The `by` columns; measure (readmitted, died, usual_residence); pathways; events (how many); value_pct
            with lower_95, upper_95 (Wilson); reason where there is no value; newest (`pathways.BORNE`).
        """
        heads = ", ".join(map(quote_name, by))
        may = {"of_readmitted": "readmitted IS NOT NULL", "readmitted": "readmitted = 1", "died": "died = 1"}
        years = {name: f"CASE WHEN {condition} THEN counted_in END" for name, condition in may.items()}
        never = {"usual_residence": "CAST(NULL AS BIGINT)"}
        dated, newest = _newest(heads, {"pathways": "counted_in"} | years | never)
        counts = self.cases.query(
            f"SELECT {heads}, CAST(count(*) AS BIGINT) AS pathways, "
            "CAST(count(readmitted) AS BIGINT) AS of_readmitted, CAST(sum(readmitted) AS BIGINT) AS readmitted, "
            "CAST(sum(died) AS BIGINT) AS died, CAST(0 AS BIGINT) AS usual_residence, "
            f"{newest} FROM ({dated}) AS dated GROUP BY {heads} ORDER BY {heads}"
        ).to_pandas()
        reasons = {
            "readmitted": "" if counts["of_readmitted"].sum() else "no index event is an admission with an end date",
            "died": "" if self.deaths_known else "the patients' table holds no dates of death",
            "usual_residence": "the tables hold no destination of discharge",
        }
        parts = []
        for measure, reason in reasons.items():
            counted = counts.assign(pathways=counts["of_readmitted" if measure == "readmitted" else "pathways"])
            counted = counted if reason else counted[counted["pathways"] > 0]
            people = "newest_of_readmitted" if measure == "readmitted" else "newest_pathways"
            new = counted[[people]] if reason else counted[[people, f"newest_{measure}"]]
            of = counted[["pathways"]] if reason else counted[["pathways", measure]]
            part = counted[[*by, "pathways"]].assign(
                measure=measure, reason=reason, events=np.nan if reason else counted[measure], newest=_fewest(new, of)
            )
            if not reason and len(part):
                limits = proportion(counted, by=list(by), events=measure, population="pathways").table
                part = part.merge(limits[[*by, "value", "lower_95", "upper_95"]], on=list(by), how="left")
            part = part.reindex(
                columns=[*by, "measure", "pathways", "events", "value", "lower_95", "upper_95", "reason", "newest"]
            )
            part[["value", "lower_95", "upper_95"]] = 100 * part[["value", "lower_95", "upper_95"]].astype(float)
            parts.append(part.rename(columns={"value": "value_pct"}))
        return pd.concat(parts, ignore_index=True)


def _costs(whose: str, condition: str) -> str:
    """Return the sums by which the shares of the dearest are told, of those due who fulfil a condition."""
    cost = f"CASE WHEN due AND {condition} THEN cost_gbp END"
    return f"max({cost}) AS {whose}_0, sum({cost} * {cost}) AS {whose}_1, sum({cost}) AS {whose}_2"


def _newest(heads: str, years: Mapping[str, str]) -> tuple[str, str]:
    """Return a query and columns of it: how many the last year that added any has added to each count.

    `years` has each count's name, and the year from which a row is in it: missing where it never is.
    """
    over = f"OVER (PARTITION BY {heads})"
    last = ", ".join(f"{year} AS year_of_{name}, max({year}) {over} AS last_of_{name}" for name, year in years.items())
    sums = (f"sum(CASE WHEN year_of_{name} = last_of_{name} THEN 1 ELSE 0 END)" for name in years)
    columns = (f"CAST({one} AS BIGINT) AS newest_{name}" for name, one in zip(years, sums, strict=True))
    return f"SELECT *, {last} FROM this", ", ".join(columns)


def _fewest(newest: pd.DataFrame, counts: pd.DataFrame) -> pd.Series:
    """Return the fewest people by whom any count of a row differs from the year before's; 0 where none does."""
    told = pd.concat([told_by_years(newest[a], counts[b]) for a, b in zip(newest, counts, strict=True)], axis=1)
    return told.where(told > 0).min(axis=1).fillna(0.0)


def _shares(table: pd.DataFrame, whose: str) -> pd.DataFrame:
    sums = [table.pop(f"{whose}_{n}").astype(float) for n in range(3)]
    return shares_borne(*sums)


def pathways_with_outcomes(outcomes: Relation) -> list[str]:
    """Return the pathways that have scores of the EQ-5D index both before and after."""
    lacking = [column for column in OUTCOME_COLUMNS if column not in outcomes.columns]
    if lacking:
        raise InputError(f"The table outcomes lacks {', '.join(lacking)}.")
    names = outcomes.query(
        f"SELECT pathway FROM this WHERE instrument = {quote_value(QALY_INSTRUMENT)} AND stage IN ('pre', 'post') "
        "AND pathway IS NOT NULL AND patient_id IS NOT NULL AND measured_on IS NOT NULL AND score IS NOT NULL "
        "GROUP BY pathway "
        "HAVING count(DISTINCT stage) = 2 ORDER BY pathway"
    )
    return [str(name) for name in names.to_arrow()["pathway"].to_pylist()]


def join_outcomes(
    links: Links,
    activity: Relation,
    patients: Relation,
    outcomes: Relation,
    *,
    year: str,
    instrument: str = QALY_INSTRUMENT,
    whole: bool = False,
) -> Outcomes:
    """Join what patients reported, and what became of them, to their pathways and the cost of these.

    Parameters
    ----------
    links : Links
        From `pathways.link`.
    activity, patients, outcomes : Relation
        Tables of the dataset; `outcomes` may be empty.
    year : str
        Pathways count whose window closes by the end of this financial year, of all years that the data hold.
    instrument : str
        Measure whose change is the gain; higher is better.
    whole : bool
        Cost of the whole window, from before the index event. By default from the index event on: the time over which
        the gain is had; more pathways are then held whole.

    Notes
    -----
    A score before is the last in the `PRE_DAYS` before the index event; after, the nearest to it from day `POST_FROM`
    to `POST_TO`. The second questionnaire is due once `POST_TO` has passed, unless the patient has died. Deaths are
    not non-response: they are counted apart. Two answers on one day: the lower counts.

    Raises
    ------
    InputError
        If a table lacks a column that is needed or writes `patient_id` otherwise than the activity, a patient stands
        twice in `patients`, a score is infinite, or `year` is no financial year.
    """
    for name, relation in (("activity", activity), ("patients", patients), ("outcomes", outcomes)):
        lacking = [column for column in _NEEDED[name] if column not in relation.columns]
        if lacking:
            raise InputError(f"The table {name} lacks {', '.join(lacking)}.")
        rows = relation.query("SELECT patient_id FROM this LIMIT 1").to_arrow().num_rows
        if rows and _is_text(relation) != _is_text(activity):
            raise InputError(f"patient_id is text in one of the tables activity and {name}, and a number in the other.")
    infinite = outcomes.query("SELECT score FROM this WHERE abs(score) > 1e300").to_arrow().num_rows
    if infinite:
        raise InputError(f"score of the table outcomes must be a finite number; it is not in {infinite} row(s).")
    twice = patients.query("SELECT patient_id FROM this GROUP BY patient_id HAVING count(*) > 1").to_arrow().num_rows
    if twice:
        raise InputError(f"The table patients must hold each patient once: {twice} stand in more than one row.")
    reach = pd.DataFrame(
        [(d.name, -d.before_days if whole else 0, d.after_days, d.index_phase()) for d in links.definitions],
        columns=["pathway", "from_day", "to_day", "index_phase"],
    )
    extent = activity.require_extent()
    first, last = extent.first_start, min(extent.last_start, financial_year_bounds(year)[1])
    settings = {
        "data_from": first,
        "data_to": last,
        "instrument": instrument,
        "pre_days": PRE_DAYS,
        "post_from": POST_FROM,
        "post_to": POST_TO,
        "readmission_days": READMISSION_DAYS,
        "death_days": DEATH_DAYS,
    }
    inputs = {"pathways": links.pathways, "links": links.links, "activity": activity, "patients": patients}
    steps = activity.engine.run(
        Path(__file__).with_name("outcomes.sql"),
        {**inputs, "outcomes": outcomes, "reach": reach, "settings": pd.DataFrame([settings])},
    )
    cases = steps["cases"]
    pairs = cases.query(
        "SELECT pathway, pathway_id, icb_code, provider_code, pod, currency_code, age_from, sex, deprivation_decile, "
        "counted_in, cost_gbp, marginal_gbp, index_gbp, bed_days, pre, post, post - pre AS gain FROM this "
        "WHERE pre IS NOT NULL AND post IS NOT NULL AND cost_gbp IS NOT NULL AND index_gbp IS NOT NULL "
        "ORDER BY pathway, pathway_id"
    ).to_pandas()
    deaths = patients.query("SELECT count(died_on) AS n FROM this").to_arrow()["n"][0].as_py()
    unused = steps["unused"].to_pandas()
    left_out = {str(why): int(n) for why, n in zip(unused["why"], unused["answers"], strict=True)}
    both = cases.query("SELECT count(*) AS n FROM this WHERE pre IS NOT NULL AND post IS NOT NULL").to_arrow()
    uncosted = int(both["n"][0].as_py()) - len(pairs)
    left_out |= {"patients with both answers and no cost": uncosted} if uncosted else {}
    unknown = pairs[["age_from", "sex", "deprivation_decile"]].isna().sum()
    notes = {f"{label(str(name)).lower()} not known": int(n) for name, n in unknown.items() if n}
    joined = Outcomes(pd.DataFrame(), cases, pairs, instrument, bool(deaths), left_out, notes)
    return replace(joined, table=joined.response())


def _is_text(relation: Relation) -> bool:
    """Say whether a table's patients are named by text."""
    return relation.schema["patient_id"].upper().startswith(("VARCHAR", "STRING", "LARGE_STRING"))
