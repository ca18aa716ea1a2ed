"""A scenario set on one ICB's ledger: which interventions can be worked out there, on whom, and by whom.

A scenario file speaks of an illustrative trust. Here its interventions act on the ICB's own activity: names of the
file's baseline stand for the ICB and for its largest provider of a setting, and programme costs, which belong to the
size of that baseline, are scaled to the cost in scope. Semi-fixed steps are of a provider's whole activity, so what it
does for other ICBs stays in the baseline. A scheme cannot start in a year whose activity is already known: a file that
states no first year starts, here, in the year after the data's. Its pounds are brought to the pack's price base.

The cost in scope: ledger rows summed, in the engine, into cells that no intervention divides.

A cell is an ICB, a provider, a POD and the set of interventions that select it. Millions of rows become some thousands
of cells, and each pound lies in exactly one of them, however the selections overlap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pathcost_lib.arguments import numbers, refuse, require_columns, require_unique, table
from pathcost_lib.codes import SCHEME_PODS, SCHEME_SETTINGS, financial_year_bounds, label
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.scenarios.change.interventions import Intervention
from pathcost_lib.scenarios.change.people import column_of, of_people, with_people
from pathcost_lib.scenarios.scenario import PROGRAMME, Scenario, moved, rebase
from pathcost_lib.scenarios.years import financial_years, running_years, start_year
from pathcost_lib.sources.engine import Relation, connect
from pathcost_lib.sources.quoting import quote_condition, quote_value


@dataclass(frozen=True, eq=False)
class Local:
    """A scenario on the rows that it acts on.

    Attributes
    ----------
    scenario, asked : Scenario
        As set here, with the interventions that can be worked out; and as the file has it, in the same pounds.
    rows : Relation or DataFrame
        The baseline.
    scope : DataFrame
        intervention, provider_code ("" is all), cost_gbp and, from a ledger, persons and missing_cost (contacts
        without a cost): what each selects.
    left_out : mapping of intervention to str
        Why it cannot be worked out here.
    commissioner : str
        Who buys.
    year : str or None
        Baseline year; None where the baseline is the file's own.
    touched : DataFrame
        One row: touched_gbp, the cost that any intervention selects, each pound once; whole_gbp, all that the ICB buys
        (or the whole of the file's own baseline); touched_pct; and, from a ledger, persons.
    notes : sequence of str
        What was changed to set it here: its first year, its pounds.
    patients : Relation or None
        The table of patients, where it is known.
    """

    scenario: Scenario
    asked: Scenario
    rows: Relation | pd.DataFrame
    scope: pd.DataFrame
    left_out: Mapping[str, str]
    commissioner: str
    year: str | None
    touched: pd.DataFrame
    notes: Sequence[str] = ()
    patients: Relation | None = None

    @property
    def whole(self) -> dict[str, dict[str, float]]:
        """What each intervention selects in all: its name to cost_gbp and, from a ledger, persons."""
        rows = self.scope[self.scope["provider_code"] == ""].drop(
            columns=["provider_code", "missing_cost"], errors="ignore"
        )
        return {
            str(row.pop("intervention")): {str(k): float(v) for k, v in row.items()} for row in rows.to_dict("records")
        }

    @property
    def reason(self) -> str:
        """Why nothing can be worked out here; empty where at least one intervention can."""
        if self.scenario.interventions:
            return ""
        why = "; ".join(dict.fromkeys(r for r in self.left_out.values() if not r.startswith("depends on")))
        return why or f"scenario {self.scenario.name} holds ready calculations, but no intervention"

    @property
    def assumptions(self) -> pd.DataFrame:
        """What each intervention of the file assumes, as set here, and why any is left out; no rows if it has none.

        scheme, left_out, effect_pct with its 80 % interval (lower_80, upper_80), evidence, programme costs (GBP),
        cost_in_scope_gbp and, from a ledger, persons.
        """
        here, whole = {i.name: i for i in self.scenario.interventions}, self.whole
        rows = []
        for asked in self.asked.interventions:
            item, selected = here.get(asked.name, asked), whole[asked.name]
            low, high = 100 * item.effect.ppf([0.1, 0.9])
            row: dict[str, object] = {"scheme": item.title, "left_out": self.left_out.get(asked.name, "")}
            row |= {"effect_pct": 100 * item.effect.mean, "lower_80": low, "upper_80": high, "evidence": item.evidence}
            row |= {key: getattr(item, key) if asked.name in here else np.nan for key in PROGRAMME[:3]}
            row |= {"cost_in_scope_gbp": selected["cost_gbp"]}
            row |= {"persons": int(selected["persons"])} if self.year else {}
            rows.append(row)
        return pd.DataFrame(rows)

    @property
    def buyer(self) -> str:
        """Who buys, as a sentence has it: by name where it provides too (a trust that runs a payroll for itself)."""
        code = self.commissioner
        return self.scenario.names.get(code, code) if code in self.providers else "the commissioner"

    @property
    def providers(self) -> list[str]:
        """The providers in scope, those with the most cost in scope first."""
        own = self.scope[(self.scope["provider_code"] != "") & ~self.scope["intervention"].isin(self.left_out)]
        return [str(p) for p in own.groupby("provider_code")["cost_gbp"].sum().sort_values(ascending=False).index]


def _require(rows: Relation, columns: Sequence[str], what: str) -> None:
    missing = [c for c in columns if c not in rows.columns]
    if missing:
        raise InputError(f"The {what} lacks {', '.join(missing)}. It holds: {', '.join(rows.columns)}.")


def _require_rows(rows: Relation) -> None:
    """Refuse a ledger whose pence are no pence, or with rows of which the person or the kind is not known."""
    kind = str(rows.schema["cost_pence"]).upper()
    if any(word in kind for word in ("CHAR", "STRING", "DOUBLE", "FLOAT")):
        raise InputError(f"cost_pence of the ledger must be whole pence (an integer column); it is {kind.lower()}.")
    for column in ("patient_id", "setting", "pod"):
        lacking = rows.query(f"SELECT count(*) AS n FROM this WHERE {column} IS NULL").to_pandas()["n"].iloc[0]
        if lacking:
            raise InputError(
                f"The ledger has no {column} in {int(lacking)} row(s); run the quality report on the data."
            )


def activity_near(activity: Relation, *, icb: str, year: str) -> Relation:
    """Return the activity of an ICB and of the providers that it uses, in a financial year: all that need be costed.

    Raises
    ------
    InputError
        If a column is missing, the year is not written like 2024-25, or the ICB has no activity in it.
    """
    first, last = financial_year_bounds(year)
    _require(activity, ["icb_code", "provider_code", "start_date", "end_date"], "activity")
    near = f"SELECT DISTINCT provider_code FROM this WHERE icb_code = {quote_value(icb)}"
    rows = activity.query(
        f"SELECT * FROM this WHERE start_date <= {quote_value(last)} "
        f"AND (end_date IS NULL OR end_date >= {quote_value(first)}) "
        f"AND (icb_code = {quote_value(icb)} OR provider_code IN ({near}))"
    ).materialise()
    if not rows.count():
        raise InputError(f"There is no activity of ICB {icb} in {year}.")
    return rows


def localise(
    scenario: Scenario,
    ledger: Relation | None,
    *,
    icb: str,
    year: str,
    price_base: str | None = None,
    first_year: str | None = None,
    patients: Relation | None = None,
) -> Local:
    """Set a scenario on an ICB's part of a costed ledger or, without a ledger, on the baseline in its own file.

    Parameters
    ----------
    scenario : Scenario
        From `load_scenario`.
    ledger : Relation or None
        Costed rows, in pounds of `price_base`.
    icb, year : str
        Whose activity, of which financial year.
    price_base : str, optional
        Financial year of the pounds; the scenario's own by default.
    first_year : str, optional
        Financial year in which it starts here. By default the file's; on a ledger, a file that states none starts in
        the year after `year` at the earliest.
    patients : Relation, optional
        The table of patients, for schemes that choose people (`people.PERSON`).

    Raises
    ------
    InputError
        If there is neither a ledger nor a baseline in the file, a column or price base is not there, or the ICB has no
        rows in the year.
    """
    if not isinstance(scenario, Scenario):
        raise InputError(f"scenario must come from load_scenario; this is a {type(scenario).__name__}.")
    asked, notes = _on_time(scenario, None if ledger is None else year, first_year)
    asked = rebase(asked, price_base or scenario.price_base)
    if asked.price_base != scenario.price_base:
        notes.append(
            f"The file's pounds are of {scenario.price_base}; here they are of {asked.price_base}, by the GDP deflator."
        )
    own, items = asked.baseline, asked.interventions
    if ledger is None:
        if own is None:
            raise InputError(
                f'Scenario {scenario.name} has no [[baseline]] of its own to run on: ask for scope "icb", or add one.'
            )
        scope = pd.concat([_nobody(), *(_in_frame(i, own) for i in items)])
        buyer = str(own["icb_code"].iloc[0])
        return Local(asked, asked, own, scope, {}, buyer, None, _touched_in_frame(items, own), notes)
    financial_year_bounds(year)
    needed = ["financial_year", "icb_code", "provider_code", "patient_id", "setting", "pod", "cost_pence"]
    _require(ledger, needed, "ledger")
    near = f"SELECT DISTINCT provider_code FROM this WHERE icb_code = {quote_value(icb)}"
    rows = ledger.query(
        f"SELECT * FROM this WHERE financial_year = {quote_value(year)} "
        f"AND (icb_code = {quote_value(icb)} OR provider_code IN ({near}))"
    ).materialise()
    _require_rows(rows)
    stands_for = {icb, *(own["icb_code"] if own is not None else ())}
    rows, here = with_people(rows, [_bought_by(i, icb, stands_for) for i in items], patients, year=year)
    for item in here:
        _require(rows, [column_of(key) for key in item.select], "ledger")
    scope = pd.concat([_nobody(), *(_in_ledger(i, rows) for i in here)], ignore_index=True)
    left_out = _left_out(here, scope)
    kept = [_at_home(i, rows, scope, own, icb) for i in here if i.name not in left_out]
    stand_ins = {
        i.to.provider_code: k.to.provider_code for i in here for k in kept if k.name == i.name and i.to and k.to
    }
    there_still = [(c, tuple(n for n in c.names if n not in left_out)) for c in asked.correlations]
    together = [replace(c, names=n) for c, n in there_still if len(n) > 1]
    there = replace(asked, interventions=tuple(kept), correlations=tuple(together))
    local = Local(
        there, asked, rows, scope, left_out, icb, year, _touched_in_ledger(kept, rows, icb, year), notes, patients
    )
    host = _host(asked.payment.host, stand_ins, own, local.providers)
    return replace(local, scenario=replace(there, payment=replace(asked.payment, host=host)))


def _on_time(scenario: Scenario, year: str | None, first_year: str | None) -> tuple[Scenario, list[str]]:
    """Return a scenario that starts in the year asked for, or after the data's, and what to say of it."""
    first = scenario.years[0]
    if first_year:
        (wanted,) = running_years([start_year(first_year)], what=f"first_year {first_year}")
    elif year is None or first > start_year(year):
        return scenario, []
    elif scenario.dated:
        here, data = financial_years([first])[0], financial_years([start_year(year)])[0]
        return scenario, [f"It starts in {here}, as its file says: activity of {data} may already hold some of it."]
    else:
        wanted = start_year(year) + 1
    if wanted == first or not scenario.interventions:
        return scenario, []
    was, now = financial_years([first, wanted])
    return moved(scenario, wanted - first), [f"It starts in {now} here; the file is written for {was}."]


def _host(
    host: str | None, stand_ins: Mapping[str | None, str | None], own: pd.DataFrame | None, providers: Sequence[str]
) -> str | None:
    """Return who holds the budget here, for the host that the file names."""
    if host in stand_ins:
        return stand_ins[host]
    if own is not None and host in set(own["provider_code"]) and providers:
        return providers[0]
    return host


def _touched_in_frame(items: Sequence[Intervention], own: pd.DataFrame) -> pd.DataFrame:
    cells = baseline(items, own)
    chosen = cells["selected_by"].str.contains("1")
    return _touched(float(cells.loc[chosen, "cost_gbp"].sum()), float(cells["cost_gbp"].sum()))


def _touched_in_ledger(items: Sequence[Intervention], rows: Relation, icb: str, year: str) -> pd.DataFrame:
    """Return the cost that any of the interventions selects, each pound once, beside all that the ICB buys."""
    chosen = " OR ".join(f"({selection_sql(i)})" for i in items) or "FALSE"
    touched_gbp, whole_gbp = pounds(f"CASE WHEN {chosen} THEN cost_pence END"), pounds("cost_pence")
    totals = rows.query(
        f"SELECT {touched_gbp} AS touched_gbp, {whole_gbp} AS whole_gbp, "
        f"count(DISTINCT CASE WHEN {chosen} THEN patient_id END) AS persons, count(*) AS contacts "
        f"FROM this WHERE icb_code = {quote_value(icb)}"
    ).to_pandas()
    if not int(totals["contacts"].iloc[0]):
        raise InputError(f"The ledger has no rows of ICB {icb} in {year}.")
    touched, whole, persons = (totals[c].iloc[0] for c in ("touched_gbp", "whole_gbp", "persons"))
    return _touched(float(touched), float(whole)).assign(persons=int(persons))


def _touched(touched: float, whole: float) -> pd.DataFrame:
    share = 100 * touched / whole if whole else float("nan")
    return pd.DataFrame({"touched_gbp": [touched], "whole_gbp": [whole], "touched_pct": [share]})


def _nobody() -> pd.DataFrame:
    return pd.DataFrame({"intervention": [], "provider_code": [], "cost_gbp": []}).astype({"intervention": str})


def _bought_by(item: Intervention, icb: str, stands_for: set[str]) -> Intervention:
    """Narrow a selection to the ICB; one that names other ICBs only selects nothing."""
    codes = item.select.get("icb_code", (icb,))
    return replace(item, select=dict(item.select) | {"icb_code": (icb,) if stands_for & set(codes) else ("-",)})


def _in_ledger(item: Intervention, rows: Relation) -> pd.DataFrame:
    uncosted = "CAST(sum(CASE WHEN cost_pence IS NULL THEN 1 ELSE 0 END) AS BIGINT)"
    sums = f"count(DISTINCT patient_id) AS persons, {pounds('cost_pence')} AS cost_gbp"
    sums += f", coalesce({uncosted}, 0) AS missing_cost"
    chosen = f"FROM this WHERE {selection_sql(item)}"
    costs = rows.query(
        f"SELECT coalesce(provider_code, 'unknown') AS provider_code, {sums} {chosen} GROUP BY 1 "
        f"UNION ALL SELECT '' AS provider_code, {sums} {chosen} ORDER BY provider_code"
    )
    return costs.to_pandas().assign(intervention=item.name)


def _in_frame(item: Intervention, own: pd.DataFrame) -> pd.DataFrame:
    cells = baseline([item], own)
    costs = cells[cells["selected_by"] == "1"].groupby("provider_code")["cost_gbp"].sum().reset_index()
    whole = pd.DataFrame({"provider_code": [""], "cost_gbp": [costs["cost_gbp"].sum()]})
    return pd.concat([costs, whole], ignore_index=True).assign(intervention=item.name)


def _left_out(items: Sequence[Intervention], scope: pd.DataFrame) -> dict[str, str]:
    whole = scope[scope["provider_code"] == ""].set_index("intervention")
    reasons = {str(n): "the activity selected has no cost" for n in whole.index[whole["cost_gbp"] <= 0]}
    reasons |= {str(n): "no activity here is selected" for n in whole.index[whole["persons"] == 0]} if items else {}
    for _ in items:  # as many rounds as a chain can be long
        for item in items:
            gone = [other for other in item.depends_on if other in reasons]
            if gone and item.name not in reasons:
                reasons[item.name] = f"depends on {label(gone[0]).lower()}, which is left out"
    return reasons


def _at_home(
    item: Intervention, rows: Relation, scope: pd.DataFrame, own: pd.DataFrame | None, icb: str
) -> Intervention:
    """Put organisations of this place for the names in the file, and programme costs to the size of this place."""
    if item.to is not None and item.to.provider_code is not None:
        named = f"provider_code = {quote_value(item.to.provider_code)}"
        there = rows.query(
            f"SELECT provider_code, max(CASE WHEN {named} THEN 1 ELSE 0 END) AS named, sum(cost_pence) AS pence "
            f"FROM this WHERE {named} OR (icb_code = {quote_value(icb)} AND setting = {quote_value(item.to.setting)}) "
            "GROUP BY provider_code ORDER BY named DESC, pence DESC NULLS LAST, provider_code"
        ).to_pandas()
        codes = [str(code) for code in there["provider_code"].dropna()]
        item = replace(item, to=replace(item.to, provider_code=(codes or [item.to.provider_code])[0]))
    if own is None:
        return item
    payer = "provider" if item.payer in set(own["provider_code"]) else item.payer
    payer = icb if item.payer in set(own["icb_code"]) else payer
    everywhere = replace(item, select={k: v for k, v in item.select.items() if k != "icb_code" and not of_people(k)})
    mine = scope[(scope["intervention"] == item.name) & (scope["provider_code"] == "")]
    there_gbp = float(_in_frame(everywhere, own)["cost_gbp"].iloc[-1])
    if not there_gbp:
        raise InputError(
            f"Intervention {item.name!r}: what it selects of the file's [[baseline]] has no cost to scale by."
        )
    size = float(mine["cost_gbp"].iloc[0]) / there_gbp
    return replace(item, payer=payer, **{key: getattr(item, key) * size for key in PROGRAMME})


CELL = ["icb_code", "provider_code", "setting", "pod"]
_MONEY = ("cost", "fixed", "semi_fixed", "variable")


def baseline(
    interventions: Sequence[Intervention],
    ledger: Relation | pd.DataFrame,
    *,
    year: str | None = None,
    by: Sequence[str] = (),
) -> pd.DataFrame:
    """Sum a ledger into cells.

    Parameters
    ----------
    interventions : sequence of Intervention
        Whose selections divide the cells.
    ledger : Relation or DataFrame
        A costed ledger in an engine (pence), or a small table of yearly cells with `icb_code, provider_code, setting,
        pod, activity, cost_gbp, fixed_gbp, semi_fixed_gbp, variable_gbp`, any column that a selection names and,
        where it is known, `payment_gbp`.
    year : str, optional
        Financial year to take from a ledger; required if it holds several.
    by : sequence of str
        Columns of the ledger that divide the cells further.

    Returns
    -------
    DataFrame
        One row per cell: the columns of `CELL` and `by` (and `currency_code`, from a small table), `selected_by` (a 0
        or 1 for each intervention), activity and GBP.

    Raises
    ------
    InputError
        If a column is missing, the year is not there, or an intervention selects nothing; in a small table, if a value
        is missing or negative, a cell stands there twice, or its parts do not add up to its cost.
    """
    relation = ledger if isinstance(ledger, Relation) else connect(files=()).register("baseline", _checked(ledger))
    in_pence = "cost_pence" in relation.columns
    money = [f"{m}_pence" if in_pence else f"{m}_gbp" for m in _MONEY]
    wanted = {*CELL, "units" if in_pence else "activity", *money}
    wanted |= {column_of(key) for i in interventions for key in i.select}
    missing = sorted(wanted - set(relation.columns))
    if missing:
        raise InputError(f"The ledger has no column {', '.join(missing)}. It holds: {', '.join(relation.columns)}.")
    where = (
        f"WHERE financial_year = {quote_value(_one_year(relation, year))}"
        if "financial_year" in relation.columns
        else ""
    )
    if in_pence:
        known = ["units", *money]
        sums = ["CAST(sum(units) AS BIGINT) AS activity"]
        sums += [f"{pounds(f'{m}_pence')} AS {m}_gbp" for m in _MONEY]
        sums += ["CAST(sum(CASE WHEN cost_pence IS NULL THEN units ELSE 0 END) AS BIGINT) AS uncosted_activity"]
    else:
        known = [c for c in ("activity", *money, "payment_gbp") if c in relation.columns]
        sums = [f"CAST(sum({column}) AS DOUBLE) AS {column}" for column in known] + ["0 AS uncosted_activity"]
    flags = " || ".join(f"CASE WHEN {selection_sql(i)} THEN '1' ELSE '0' END" for i in interventions) or "''"
    # A small table may tell currencies apart; a ledger has too many of them.
    level = CELL if in_pence or "currency_code" not in relation.columns else [*CELL, "currency_code"]
    named = [f"coalesce({key}, 'unknown') AS {key}" for key in level] + [*by]
    rows = f"SELECT {', '.join([*named, *known])}, {flags} AS selected_by FROM this {where}"
    keys = ", ".join([*level, *by, "selected_by"])
    cells = relation.query(
        f"SELECT {keys}, {', '.join(sums)} FROM ({rows}) AS rows_selected GROUP BY {keys} ORDER BY {keys}"
    ).to_pandas()
    for number, intervention in enumerate(interventions):
        if not (cells["selected_by"].str[number] == "1").any():
            chosen = "; ".join(f"{key} {', '.join(items)}" for key, items in intervention.select.items())
            raise InputError(f"Intervention {intervention.name!r} selects no activity in the ledger ({chosen}).")
    return cells


def pounds(pence: str) -> str:
    """Return the SQL of a sum of pence in pounds, as floats on every engine (Spark divides into decimals)."""
    return f"CAST(coalesce(CAST(sum({pence}) AS BIGINT), 0) AS DOUBLE) / CAST(100 AS DOUBLE)"


def _checked(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a small table of yearly cells, refused where a value is missing or the parts do not add up."""
    table(frame, what="ledger")
    money = [f"{m}_gbp" for m in _MONEY]
    if "cost_pence" in frame.columns or not {*CELL, "activity", *money} <= set(frame.columns):
        return frame  # rows of a ledger; or a column is missing, which is told where all are looked for
    what = "cells of the baseline"
    require_columns(frame, [*CELL, "activity", *money], what=what)
    for key in CELL:
        refuse(frame, frame[key].isna().to_numpy(), [], f"Baseline: {key} must be given")
    for key, known in (("setting", SCHEME_SETTINGS), ("pod", tuple(SCHEME_PODS))):
        for name in frame[key].unique():
            require_one_of(name, known, what=f"Baseline: {key}")
    if "financial_year" in frame.columns:
        for year in frame["financial_year"].unique():
            financial_year_bounds(year)
    require_unique(frame, [c for c in frame.columns if not pd.api.types.is_numeric_dtype(frame[c])], what=what)
    # The rest of a subtraction of shares may lie below zero by a rounding of floats.
    rest = pd.to_numeric(frame["variable_gbp"], errors="coerce")
    frame = frame.assign(variable_gbp=rest.mask((rest < 0) & (rest > -0.005), 0.0))
    values = {c: numbers(frame, c, CELL) for c in ("activity", *money, "payment_gbp") if c in frame.columns}
    gap = values["cost_gbp"] - values["fixed_gbp"] - values["semi_fixed_gbp"] - values["variable_gbp"]
    wrong = np.abs(gap) > np.maximum(0.01, 1e-6 * values["cost_gbp"])
    refuse(frame, wrong, CELL, "Baseline: fixed, semi-fixed and variable cost must add up to cost_gbp")
    return frame.assign(**values)


def selection_sql(intervention: Intervention) -> str:
    """Return what an intervention selects, as the condition of a WHERE clause."""
    parts = []
    for key, codes in intervention.select.items():
        if column_of(key) == "age":
            parts.append(f"age {'>=' if key == 'age_from' else '<='} {int(codes[0])}")
        else:
            parts.append(quote_condition(key, codes))
    return " AND ".join(parts) or "TRUE"


def _one_year(relation: Relation, year: str | None) -> str:
    years = relation.query("SELECT DISTINCT financial_year FROM this ORDER BY 1").to_pandas()["financial_year"].tolist()
    if year is None and len(years) == 1:
        return str(years[0])
    if year is None or year not in years:
        raise InputError(
            f"Say which financial year is the baseline (year=...), not {year!r}. Held: {', '.join(years)}."
        )
    return year
