"""What notebooks 02 and 03 say of their numbers, no surer than they; and what a board is asked to decide.

Messages say all of it, for the annex; findings say what a board needs, for its paper.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from pathcost_lib.benchmark.need import BASES, PUBLISHED
from pathcost_lib.present.banner import LOW_COVERAGE, coverage_sentence
from pathcost_lib.present.disclosure import Disclosed, disclose
from pathcost_lib.present.findings import QUESTIONS, Confidence, Finding, Headline, confidence, unknown
from pathcost_lib.present.format import (
    begin,
    care,
    count,
    interval,
    plain_pounds,
    pounds,
    say,
    short_pounds,
    signed_pounds,
    three_figures,
)


def headings(reference: str) -> dict[str, dict[str, str]]:
    """Return the headings of each table of notebooks 02 and 03 where the column's own name will not do.

    Parameters
    ----------
    reference : str
        What the area is compared with.

    Examples
    --------
    >>> headings("Midlands")["outside"]
    {'reference_pct': 'Outside, Midlands'}
    """
    beside = {"reference_gbp": begin(reference)}
    return {
        "parts": beside,
        "flow": {
            "mean_gbp": "What follows, mean",
            "cases": "Pathways",
            "reference_cases": f"Pathways, {reference}",
            "reference_days": f"Median days, {reference}",
            "reference_gbp": f"What follows, {reference}",
        },
        "outside": {"reference_pct": f"Outside, {reference}"},
        "ranks": {"stage_gbp": "Own stage, mean", "pathway_gbp": "Pathway, mean"},
        "costs": {"value_gbp": "Per person", **beside},
        "need": {
            "value_gbp": "Per person",
            **beside,
            "explained_pct": "Spread explained",
            "worst_tenth_pct": "Worst tenth, off by",
        },
        "references": {"organisations": "Areas", "reference": "Compared with", "reference_gbp": "There"},
        "rates": {"reference_rate": begin(reference)},
        "prices": {"own_cost_pct": "Of the cost", "source": "Published prices"},
        "use": {"rate": "Units for 1,000 people", "reference_rate": "As published", "source": "Published rates"},
        "peers": {"mean_deprivation": "Mean tenth of deprivation (1: most)"},
        "drivers": {"reference_pathways": "Pathways, peers"},
        "claims": {
            "value_gbp": "Mean here",
            "target_gbp": "Target",
            "opportunity_gbp": "At full cost",
            "once_gbp": "Each pound once",
            "once_variable_gbp": "Variable cost",
        },
        "deciles": {"decile": "Tenth (1: most deprived)", "value_gbp": "Per person", "fitted_gbp": "Fitted"},
    }


def variation_message(
    costs: Disclosed,
    claims: Disclosed,
    coverage: pd.DataFrame,
    *,
    area: str,
    reference: str = "England",
    note: str = "",
    span: str = "a year",
    need: Disclosed | None = None,
    basis: str = "age_sex",
) -> str:
    """Return the message: standardised cost per person with its interval, the difference, the opportunity, coverage.

    Parameters
    ----------
    costs : Disclosed
        `benchmark.icb_view.of_one`.
    claims : Disclosed
        `benchmark.icb_causes.opportunities`.
    coverage : DataFrame
        setting, coverage_pct of the area.
    area, reference : str
        What the two are called.
    note : str
        Who is compared, where that must be said (`Compared.note`).
    span : str
        What the pounds are of: "a year", or the months of it that are held (`sources.held.MonthsHeld.span`).
    need : Disclosed, optional
        `benchmark.need.by_basis`.
    basis : str
        On which the opportunity rests (`benchmark.need.most_allowed`).

    Notes
    -----
    A difference is named as one only where its own 95 % interval leaves zero out.
    """
    row = costs.frame[costs.frame["setting"] == "all_settings"].iloc[0]
    if pd.isna(row["value_gbp"]):
        why = row["reason"] or "too few people"
        parts = [f"{area}: cost per person is not computable ({why}).", note, coverage_sentence(coverage)]
        return " ".join(part for part in parts if part)
    part = "" if span == "a year" else f" {span}"
    text = (
        f"{area}: {pounds(row['value_gbp'])} per person{part} at equal age and sex "
        f"(95% interval {interval(row['lower_95'], row['upper_95'])}; about {count(row['persons'])} people)"
    )
    step, low, high = row[["difference_gbp", "difference_lower_95", "difference_upper_95"]]
    if pd.isna(low) or pd.isna(high):
        text += f". {note or NO_OTHERS}"
        note = ""
    elif low <= 0 <= high:
        there, reach = pounds(row["reference_gbp"]), interval(low, high, signed_pounds)
        text += f", against {there} in {reference}: no clear difference ({reach})."
    else:
        text += (
            f": {pounds(abs(step))} {'more' if step > 0 else 'less'} than in {reference} "
            f"({pounds(row['reference_gbp'])}; difference {interval(low, high, signed_pounds)})."
        )
    if pd.notna(row.get("cost_gbp")) and row["persons"] > 0:
        text += f" At its own age and sex it is about {pounds(row['cost_gbp'] / row['persons'])} per person."
    parts = [text, note, need_sentence(need, basis, reference=reference)]
    parts += [opportunity_sentence(claims, span=span, basis=basis), coverage_sentence(coverage)]
    return " ".join(filter(None, parts))


def need_sentence(need: Disclosed | None, basis: str, *, reference: str) -> str:
    """Return what allowing for more need does to the difference; empty where nothing more than age and sex is known.

    Parameters
    ----------
    need : Disclosed or None
        `benchmark.need.by_basis`.
    basis : str
        On which the opportunity rests.
    reference : str
        What the area is compared with.
    """
    row = _on_basis(need, basis)
    if row is None or basis == "age_sex":
        return ""
    step, low, high = row[["difference_gbp", "difference_lower_95", "difference_upper_95"]].astype(float)
    reach = interval(low, high, signed_pounds)
    if low <= 0 <= high:
        return f"Allowing for {BASES[basis]} there is no clear difference from {reference} ({reach})."
    more = "more" if step > 0 else "less"
    return f"Allowing for {BASES[basis]} it is {pounds(abs(step))} {more} than {reference} ({reach})."


def _on_basis(need: Disclosed | None, basis: str) -> pd.Series | None:
    """Return the row of a basis; None where it is not known or hidden."""
    if need is None:
        return None
    rows = need.frame[(need.frame["basis"] == basis)].dropna(
        subset=["value_gbp", "difference_gbp", "difference_lower_95", "difference_upper_95"]
    )
    return rows.iloc[0] if len(rows) else None


def opportunity_sentence(claims: Disclosed, *, span: str = "a year", basis: str = "age_sex") -> str:
    """Return what is above the target beyond chance, in pounds at full and at variable cost, each pound once.

    Parameters
    ----------
    claims : Disclosed
        `benchmark.icb_causes.opportunities`.
    span : str
        What the pounds are of.
    basis : str
        At which equal need a person's cost was compared (`benchmark.need.BASES`).
    """
    gains = claims.frame[claims.frame["opportunity_gbp"] > 0]
    if gains.empty:
        tested = int(claims.frame["target_gbp"].notna().sum())
        if not tested:
            return "No opportunity is computable: too few areas to compare with, or too few people."
        return f"No opportunity is claimed: none of {tested} comparisons is above its target by more than chance."
    full, variable = gains["once_gbp"].sum(), gains["once_variable_gbp"].sum()
    names = ", ".join(say(name).replace("_", " ") for name in gains["claim"])
    return (
        f"Above the target by more than chance: {names}; {_sum(full)} {span} at full cost, each pound once. Of that "
        f"{_sum(variable)} is variable cost, which stops with the activity. A person's cost is compared at equal "
        f"{BASES[basis]}. How ill the patients of a pathway are is not allowed for."
    )


def _sum(total: float) -> str:
    """Return a sum of rounded pounds in words: three figures, for its parts bear no more."""
    return short_pounds(total, plus="")


def left_out_sentence(counts: Mapping[str, int]) -> str:
    """Return what is in no comparison, from `benchmark.icb_causes.left_out`; empty where nothing is left out."""
    text = "; ".join(f"{reason}: {count}" for reason, count in counts.items())
    return f"In no comparison: {text}." if text else ""


def gradient_sentence(slopes: pd.DataFrame) -> str:
    """Return the slope and relative index of inequality with their intervals, or why there is none."""
    row = disclose(slopes[slopes["area"] == "icb"], counts=[]).frame.iloc[0]
    if pd.isna(row["sii"]):
        return f"The gradient is not computable: {row['reason']}."
    reach = interval(row["lower_95"], row["upper_95"], signed_pounds)
    ratio = f"{row['rii']:.2f}"
    if pd.notna(row["rii_lower_95"]):
        ratio += f" ({row['rii_lower_95']:.2f} to {row['rii_upper_95']:.2f})"
    return (
        f"Slope index of inequality: {signed_pounds(row['sii'])} per person from the most to the least deprived "
        f"({reach}); relative index {ratio}."
    )


NO_OTHERS = "No other area can be compared here, so there is nothing to compare with."


def pathway_message(
    whole: Disclosed, coverage: pd.DataFrame, *, area: str, title: str, reference: str, note: str = ""
) -> str:
    """Return the message of a pathway's cost: mean, interval, comparison, coverage.

    Parameters
    ----------
    whole : Disclosed
        One row of `benchmark.compare` over the whole pathway.
    coverage : DataFrame
        setting, coverage_pct; without rows or without any known coverage it is said to be not computable.
    area, title, reference : str
        The organisation; the pathway; what it is compared with.
    note : str
        Who is compared, where that must be said (`Compared.note`).

    Notes
    -----
    A difference is named as one only where its own 95 % interval leaves zero out.
    """
    row = {str(key): value for key, value in whole.frame.iloc[0].items()}
    if pd.isna(row["mean_gbp"]):
        few = f"{title}, {area}: too few complete pathways to show a cost."
        return " ".join(filter(None, [few, note, coverage_sentence(coverage) if len(coverage) else ""]))
    text = (
        f"{title}, {area}: {pounds(row['mean_gbp'])} per patient "
        f"(95% interval {interval(row['lower_95'], row['upper_95'])}; about {count(row['pathways'])} pathways)"
    )
    return " ".join(filter(None, [text + _against(row, reference, note), coverage_sentence(coverage)]))


def _against(row: Mapping[str, Any], reference: str, note: str) -> str:
    if pd.isna(row["difference_gbp"]):
        return f". {note or NO_OTHERS}"
    return f"{_difference(row, reference)} {note}".rstrip()


def _difference(row: Mapping[str, Any], reference: str) -> str:
    step, low, high = row["difference_gbp"], row["difference_lower_95"], row["difference_upper_95"]
    if pd.isna(low) or pd.isna(high):
        return f", against {pounds(row['reference_gbp'])} in {reference}; too few pathways to say whether they differ."
    reach = interval(low, high, signed_pounds)
    if low <= 0 <= high:
        return f", against {pounds(row['reference_gbp'])} in {reference}: no clear difference ({reach})."
    direction = "more" if step > 0 else "less"
    return (
        f": {pounds(abs(step))} {direction} than in {reference} ({pounds(row['reference_gbp'])}; difference {reach}), "
        "not adjusted for case mix."
    )


def reconciliation_line(ledger_pence: int, attributed_pence: int, outside_pence: int) -> str:
    """Return the every-pound-once line, to three figures: ledger, in pathways, outside any, what is left over."""
    left = ledger_pence - attributed_pence - outside_pence
    whole, inside, outside = (short_pounds(p / 100, plus="") for p in (ledger_pence, attributed_pence, outside_pence))
    return (
        f"Ledger {whole} = in pathways {inside} + outside any pathway {outside}; unexplained {pounds(left / 100, 2)}."
    )


def opportunity_decision(
    claims: Disclosed, costs: Disclosed, *, span: str = "a year", basis: str = "age_sex"
) -> dict[str, Any]:
    """Return what to do about what is above its target: look into the largest claim first, or nothing.

    Parameters
    ----------
    claims : Disclosed
        `benchmark.icb_causes.opportunities`.
    costs : Disclosed
        `benchmark.icb_view.of_one`: its row of all settings is the headline figure.
    span : str
        What the pounds are of: "a year", or the months of it that are held.
    basis : str
        As in `opportunity_sentence`.
    """
    gains = claims.frame[claims.frame["opportunity_gbp"] > 0]
    whole = costs.headline(["value_gbp", "lower_95", "upper_95"], setting="all_settings")
    text = ""
    if len(gains):
        largest = gains.sort_values("once_gbp").iloc[-1]
        part = "" if len(gains) < 2 else f"{_sum(largest['once_gbp'])} of the "
        before = "" if basis == "conditions" else ", before illness is allowed for"
        text = (
            f"Decide whether to review {care(largest['claim'])} first: {part}{_sum(gains['once_gbp'].sum())} {span} "
            f"above the best of our peers{before}."
        )
    part = "" if span == "a year" else f" {span}"
    return {
        "decision": text,
        "figures": whole,
        "headings": {"value_gbp": f"Cost per person{part} at equal age and sex"},
    }


def spend_figures(costs: Disclosed) -> Disclosed | None:
    """Return the people and the cost of the area in one row, which `spend_finding` states and no table shows."""
    return costs.headline(["persons", "cost_gbp"], setting="all_settings")


def spend_finding(
    costs: Disclosed,
    deciles: Disclosed,
    coverage: pd.DataFrame,
    *,
    area: str,
    reference: str = "England",
    span: str = "a year",
) -> Finding:
    """Return what is spent, and on whom: the total, the largest setting, the most and the least deprived tenth.

    Parameters
    ----------
    costs : Disclosed
        `benchmark.icb_view.of_one`.
    deciles : Disclosed
        area, decile, value_gbp, lower_95, upper_95.
    coverage, area, reference, span
        As in `variation_message`.
    """
    question, whole = QUESTIONS[0], _whole(costs)
    if pd.isna(whole["value_gbp"]) or pd.isna(whole["cost_gbp"]):
        why = str(whole["reason"] or "too few people")
        return unknown(question, "We cannot say what we spend on a person", why)
    total, people = plain_pounds(whole["cost_gbp"]), f"about {three_figures(whole['persons'])} people"
    settings = costs.frame[costs.frame["setting"] != "all_settings"].dropna(subset=["value_gbp"])
    line = f"The money is for {people}."
    if len(settings):
        largest = settings.sort_values("value_gbp").iloc[-1]
        mix = "England's mix of ages" if reference == "England" else "equal age and sex"
        line += (
            f" At {mix} a person costs {plain_pounds(whole['value_gbp'])}. The largest part is "
            f"{care(largest['setting'])}, {plain_pounds(largest['value_gbp'])}."
        )
    title, on_whom, (low, high) = _on_whom(deciles.frame[deciles.frame["area"] == area].set_index("decile"))
    todo = "Use this as the baseline. Ask how much of it goes to crises that earlier care could prevent."
    figure = Headline(total, f"cost of all care {span}", f"for {people}")
    doubt = _thin(coverage)
    sure = confidence(low, high, checked=not doubt, doubt=doubt)
    return Finding(
        question, f"We spend {total} {span}, {title}", (line, on_whom, todo), sure, "gradient", "Deprivation", figure
    )


def _on_whom(tenths: pd.DataFrame) -> tuple[str, str, tuple[float, float]]:
    """Return the end of a title, a line, and between what the most deprived tenth costs more than the least."""
    low, high = math.nan, math.nan
    if {1, 10} <= {*tenths.index}:
        ends = tenths[["value_gbp", "lower_95", "upper_95"]].astype(float)
        most, least = ends.loc[1].to_dict(), ends.loc[10].to_dict()
        low, high = most["lower_95"] - least["upper_95"], most["upper_95"] - least["lower_95"]
    if math.isnan(low) or low <= 0 <= high:
        line = "Cost by deprivation shows no clear difference, or there are too few people to show one."
        return "with no clear difference between deprived and other places", line, (low, high)
    line = (
        f"A person in the most deprived tenth costs {plain_pounds(most['value_gbp'])}, in the least deprived "
        f"{plain_pounds(least['value_gbp'])}. This is no fault in itself: illness is more common in deprived places."
    )
    return f"{'more' if low > 0 else 'less'} on each person in the most deprived places", line, (low, high)


def variation_finding(
    costs: Disclosed,
    claims: Disclosed,
    coverage: pd.DataFrame,
    *,
    reference: str,
    span: str = "a year",
    prices: Disclosed | None = None,
    need: Disclosed | None = None,
    basis: str = "age_sex",
) -> Finding:
    """Return whether the area is more expensive, where, whether it is need, and what that is worth.

    Parameters
    ----------
    costs, claims, coverage, reference, span, need, basis
        As in `variation_message`.
    prices : Disclosed, optional
        The area beside published prices (`benchmark.published`): what there is to say where no area can be compared.
    """
    question, whole = QUESTIONS[1], _whole(costs)
    at_need = _on_basis(need, basis) if basis != "age_sex" and pd.notna(whole["difference_lower_95"]) else None
    whole = whole if at_need is None else at_need
    here, there = plain_pounds(whole["value_gbp"]), plain_pounds(whole["reference_gbp"])
    step, low, high = whole[["difference_gbp", "difference_lower_95", "difference_upper_95"]].astype(float)
    if math.isnan(low) or math.isnan(high):
        why = "no other area can be compared, or the number is hidden"
        alone = None if prices is None else _beside_prices(prices, coverage)
        return alone or unknown(question, "We cannot say where we are more expensive", why)
    more = f"{plain_pounds(step)} {'more' if step > 0 else 'less'}"
    if low <= 0 <= high:
        title = f"We spend about as much on each person as {reference}"
        reach = f"Chance alone may explain the difference: {plain_pounds(low)} less to {plain_pounds(high)} more."
        against = f"{there} in {reference}: no clear difference"
    else:
        most = _most_on(costs.frame, more=step > 0) if at_need is None else ", after need is allowed for"
        title = f"We spend {more} on each person than {reference}{most}"
        ends = sorted((abs(low), abs(high)))
        reach = f"The difference is between {plain_pounds(ends[0])} and {plain_pounds(ends[1])}."
        against = f"{more} than {reference}"
    equal = "age and sex" if at_need is None else BASES[basis]
    seen = f"At equal {equal} a person costs {here} here and {there} in {reference}. {reach}"
    opposite = False
    doubt, less, published = _thin(coverage), _on_basis(need, "age_sex"), _on_basis(need, PUBLISHED)
    if at_need is not None and less is not None:
        seen += f" At equal age and sex alone: {_more_or_less(less)}."
    if published is not None:
        seen += f" By {BASES[PUBLISHED]}: {_more_or_less(published)}."
        clear = (published["difference_lower_95"] > 0, published["difference_upper_95"] < 0)
        doubt = doubt or ("" if clear == (low > 0, high < 0) else f"{BASES[PUBLISHED]} do not show it")
        opposite = any(clear) and clear == (high < 0, low > 0)
    reason = confidence(low, high, checked=not doubt, doubt=doubt)
    if published is not None and opposite:
        title = f"Whether we cost more than {reference} depends on how need is allowed for"
        against = f"{against}; {_more_or_less(published)} by {BASES[PUBLISHED]}"
        reason = Confidence("low", "two ways to allow for need say the opposite")
    figure = Headline(here, f"cost of a person {span}, at equal {equal}", against)
    picture = ("costs", "Per person") if at_need is None else ("need", "Need")
    return Finding(question, title, (seen, *_worth(claims, span, equal)), reason, *picture, figure)


def _more_or_less(row: pd.Series) -> str:
    """Return a difference in words, as clear as its interval has it."""
    step, low, high = row[["difference_gbp", "difference_lower_95", "difference_upper_95"]].astype(float)
    clear = "" if low <= 0 <= high else f"{plain_pounds(step)} {'more' if step > 0 else 'less'}"
    return clear or "no clear difference"


def _beside_prices(prices: Disclosed, coverage: pd.DataFrame) -> Finding | None:
    """Return what the area's contacts cost beside published prices; nothing where that is not known."""
    row = prices.frame[prices.frame["setting"] == "all_settings"]
    if not len(row) or row[["index", "index_lower_95", "index_upper_95"]].isna().any(axis=None):
        return None
    index, low, high = row[["index", "index_lower_95", "index_upper_95"]].iloc[0].astype(float)
    title = f"Our contacts cost £{index:.0f} for every £100 at published prices"
    if low <= 100 <= high:
        title = "Our contacts cost about what is published for them"
    lines = (
        f"The same contacts at published prices would cost £100 where ours cost £{low:.0f} to £{high:.0f}.",
        "No other area can be compared here, so we do not know whether others are more expensive.",
        "Ask other areas for their statistics: a file of each is enough.",
    )
    doubt = _thin(coverage)
    reason = confidence(low - 100, high - 100, checked=not doubt, doubt=doubt)
    return Finding(QUESTIONS[1], title, lines, reason, "published", "Published prices")


def _thin(coverage: pd.DataFrame) -> str:
    """Return what the data cover too little of for a difference to be sure; empty where they cover enough."""
    known = coverage.dropna(subset=["coverage_pct"]) if "coverage_pct" in coverage else coverage.iloc[:0]
    thin = [care(name) for name in known.loc[known["coverage_pct"] < LOW_COVERAGE, "setting"]]
    if not len(known):
        return "how much of the activity the data cover is not known"
    return f"the data cover too little of {', '.join(thin)}" if thin else ""


def _most_on(costs: pd.DataFrame, *, more: bool) -> str:
    """Return on which setting the difference is largest, of those that surely differ that way."""
    sure = costs["index_lower_95"] > 100 if more else costs["index_upper_95"] < 100  # as the figure has it
    parts = costs[sure & (costs["setting"] != "all_settings")].sort_values("difference_gbp", key=abs)
    return f", most of all on {care(parts['setting'].iloc[-1])}" if len(parts) else ""


def _worth(claims: Disclosed, span: str, equal: str) -> tuple[str, str]:
    """Return what the difference from peers is worth and what to do, as the second and third line of the finding."""
    gains = claims.frame[claims.frame["opportunity_gbp"] > 0]
    need = f"{begin(equal)} are allowed for."
    if equal != BASES["conditions"]:
        need += " Illness is not, and may explain a part."
    if gains.empty and not claims.frame["target_gbp"].notna().any():
        return f"There are too few areas to set a target by. {need}", "Set a target when more areas share their data."
    if gains.empty:
        return f"We spend no more than our peers beyond chance. {need}", "These numbers call for no review."
    largest = gains.sort_values("once_gbp").iloc[-1]
    full, variable = plain_pounds(gains["once_gbp"].sum()), plain_pounds(gains["once_variable_gbp"].sum())
    first, where = f"Review {care(largest['claim'])} first", "We"
    if len(gains) < 2:
        where = f"On {care(largest['claim'])} alone we"
    else:
        first += f", which is {plain_pounds(largest['once_gbp'])} of the {full}"
    return (
        f"{where} spend {full} {span} more than the best of our peers, by more than chance. Only {variable} of that "
        f"would stop soon if activity fell. {need}",
        f"{first}. Check how ill the patients are before you act.",
    )


def pathway_finding(
    whole: Disclosed, by_phase: Disclosed, by_setting: Disclosed, *, title: str, reference: str
) -> Finding:
    """Return what a patient's whole pathway costs beside the reference, and where in it the money is.

    Parameters
    ----------
    whole, by_phase, by_setting : Disclosed
        Tables of `benchmark.compare`: the whole pathway, and its parts. The figure is that of which less is hidden.
    title, reference : str
        As in `pathway_message`.
    """
    question, row = QUESTIONS[2], whole.frame.iloc[0]
    if pd.isna(row["mean_gbp"]):
        why = "there are too few complete pathways to show a cost"
        return unknown(question, f"We cannot say what {care(title)} costs us", why)
    step, low, high = (float(row[c]) for c in ("difference_gbp", "difference_lower_95", "difference_upper_95"))
    compared = not (math.isnan(low) or math.isnan(high))
    sure = compared and not low <= 0 <= high
    here, there, against = plain_pounds(row["mean_gbp"]), plain_pounds(row["reference_gbp"]), ""
    if sure:
        against = f"{plain_pounds(step)} {'more' if step > 0 else 'less'} than {reference}"
        sentence = f"{title} costs {here} a patient, {against}"
    elif compared:
        sentence = f"{title} costs {here} a patient, with no clear difference from {reference}"
    else:
        sentence = f"{title} costs {here} a patient"
    by, parts = _less_hidden(phase=by_phase.frame, setting=by_setting.frame)
    seen = f"A patient's whole pathway costs {here}" + (f", and {there} in {reference}. " if compared else ". ")
    seen += f"By chance alone ours could be {interval(row['lower_95'], row['upper_95'], plain_pounds)}."
    means = "The parts of the pathway have too few patients to be shown."
    if len(parts):
        top = parts.sort_values("mean_gbp").iloc[-1]
        beside = f", against {plain_pounds(top['reference_gbp'])} in {reference}" if compared else ""
        means = f"The largest part that can be shown is {care(top[by])}: {plain_pounds(top['mean_gbp'])}{beside}."
    reason = confidence(low, high, checked=False, doubt="how ill the patients are is not allowed for")
    headline = Headline(here, f"cost of a patient's whole pathway, {care(title)}", against) if sure else None
    lines = (seen, means, _WHAT_NEXT[sure and step > 0, sure])
    return Finding(question, sentence, lines, reason, f"cost_by_{by}", f"By {by}", headline)


#: What to do about a pathway, by whether it costs more, and whether it surely differs.
_WHAT_NEXT = {
    (True, True): "Ask the providers what drives the difference, and how ill their patients are.",
    (False, True): "Ask what the providers do differently, and whether their patients do as well.",
    (False, False): "The total calls for no decision. Compare the parts again when there are more patients.",
}


def _less_hidden(**tables: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """Return the breakdown of which the smaller share is hidden, and the rows of it that are shown."""
    by = max(tables, key=lambda name: tables[name]["mean_gbp"].notna().mean())
    return by, tables[by].dropna(subset=["mean_gbp"])


def _whole(costs: Disclosed) -> pd.Series:
    return costs.frame[costs.frame["setting"] == "all_settings"].iloc[0]
