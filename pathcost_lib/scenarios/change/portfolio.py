"""Several scenarios side by side, and stacked: each alone, all together, and what they have in common counted once.

Schemes that act on the same activity compound (see `interventions`): 20 % and 30 % of what is left are 44 %. So what a
scenario adds to the others is less than what it does alone, and their sum counts the difference twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pathcost_lib.codes import label
from pathcost_lib.errors import InputError
from pathcost_lib.results import Result
from pathcost_lib.scenarios.change.interventions import Intervention
from pathcost_lib.scenarios.change.localise import CELL, Local
from pathcost_lib.scenarios.change.system import SystemImpact, compare, system_impact
from pathcost_lib.scenarios.change.tables import SYSTEM, by_name, names_shown
from pathcost_lib.scenarios.scenario import PROGRAMME, Scenario

__all__ = ["TOGETHER", "Portfolio", "side_by_side", "stack"]

TOGETHER = "All together"
_ROW = [*CELL, "currency_code"]


@dataclass(frozen=True, eq=False)
class Portfolio(Result):
    """Scenarios side by side.

    `.table` has a row a scenario (a scheme, where there is but one scenario) and a last one, `TOGETHER`: scenario,
    alone_gbp (the system's net effect over the years of all), together_gbp (its part in the portfolio),
    difference_gbp (alone less together: more than zero where adding up counts pounds twice, less where a step of
    capacity goes only by all together), net_present_value_gbp (alone), worse_off and, where a ledger
    is behind any, persons.

    Attributes
    ----------
    note : str
        What is left out, and why they are not stacked; empty where all are.
    """

    note: str = ""

    @property
    def summary(self) -> str:
        """One sentence."""
        last = self.table.iloc[-1]
        if last["scenario"] != TOGETHER:
            return self.note
        return (
            f"Each alone they make £{last['alone_gbp']:,.0f}, all together £{last['together_gbp']:,.0f}: "
            f"a difference of £{last['difference_gbp']:,.0f}."
        )


def stack(scenarios: Sequence[Scenario]) -> Scenario:
    """Return scenarios as one: all their schemes on one baseline, each on the rows that its own file gives.

    Parameters
    ----------
    scenarios : sequence of Scenario
        In pounds of one year. All with a baseline of their own, or none; a row that two files give alike is one row.
        How money and steps follow is the first one's; realisation and optimism bias are each one's own.

    Raises
    ------
    InputError
        If there is none, their pounds are of different years, or two files give the same row differently.

    Examples
    --------
    >>> import pathcost_lib as pc
    >>> from pathcost_lib.scenarios.change.portfolio import stack
    >>> homes, cut = pc.load_scenario("nursing_homes"), pc.load_scenario("payment_cut")
    >>> both = stack([homes, pc.scenarios.rebase(cut, homes.price_base)])
    >>> [item.name for item in both.interventions]
    ['one_gp_a_home', 'fewer_admissions', 'payment_cut']
    """
    if not scenarios or not all(isinstance(each, Scenario) for each in scenarios):
        raise InputError("Give the scenarios to stack, each from load_scenario.")
    first = scenarios[0]
    if len(bases := sorted({each.price_base for each in scenarios})) > 1:
        raise InputError(f"The scenarios are in pounds of different years ({', '.join(bases)}): use rebase first.")
    names = [item.name for each in scenarios for item in each.interventions]
    items, correlations = [], []
    for place, each in enumerate(scenarios):
        own = [item.name for item in each.interventions]
        called = {name: f"{each.name}_{place}_{name}" if names.count(name) > 1 else name for name in own}
        items += [_stacked(i, each, called, place) for i in each.interventions]
        correlations += [replace(c, names=tuple(called[n] for n in c.names)) for c in each.correlations]
    return replace(
        first,
        name="portfolio",
        interventions=tuple(items),
        baseline=_one_baseline(scenarios),
        correlations=tuple(correlations),
        years=tuple(_span(scenarios)),
        names={code: name for each in reversed(scenarios) for code, name in each.names.items()},
        realisation=1.0,
        optimism_bias_pct=0.0,
    )


def _stacked(item: Intervention, of: Scenario, called: Mapping[str, str], place: int) -> Intervention:
    """Return a scheme as it stands in a stack: its file's realisation and optimism bias are in its own numbers."""
    pounds = {key: getattr(item, key) * (1 + of.optimism_bias_pct / 100) for key in PROGRAMME}
    ramp = tuple(of.realisation * share for share in item.ramp)
    select = dict(item.select) | ({} if of.baseline is None else {f"in_{place}": ("yes",)})
    depends = tuple(called[name] for name in item.depends_on)
    return replace(item, name=called[item.name], ramp=ramp, select=select, depends_on=depends, **pounds)


def _one_baseline(scenarios: Sequence[Scenario]) -> pd.DataFrame | None:
    """Return the rows of all files, each once, and which files give it (in_0, in_1 ...: yes or no)."""
    own = [each.baseline for each in scenarios]
    if all(rows is None for rows in own):
        return None
    parts = []
    for place, (each, rows) in enumerate(zip(scenarios, own, strict=True)):
        if rows is None:
            raise InputError(f"Scenario {each.name} has no [[baseline]] of its own; the others have.")
        paid = rows["payment_gbp"] if "payment_gbp" in rows else rows["cost_gbp"] * each.payment.payment_to_cost
        known = rows.drop(columns="source", errors="ignore").assign(payment_gbp=paid)
        parts.append(known.assign(currency_code=known.get("currency_code", "*"), place=place))
    rows = pd.concat(parts, ignore_index=True)
    numbers = [c for c in rows.columns if c.endswith("_gbp")] + ["activity"]
    for keys, group in rows.groupby(_ROW, sort=False):
        if (group[numbers].max() - group[numbers].min() > 0.005).any():
            files = " and ".join(scenarios[n].name for n in group["place"])
            provider, pod = str(keys[1]), label(str(keys[3]))
            raise InputError(
                f"{files} state {pod} of {provider} differently. Where it is other activity, give it another "
                "currency_code."
            )
    given = {place: set(group.index) for place, group in rows.set_index(_ROW).groupby("place")}
    rows = rows.drop_duplicates(_ROW).drop(columns="place").set_index(_ROW)
    for place in range(len(scenarios)):
        rows[f"in_{place}"] = ["yes" if keys in given[place] else "no" for keys in rows.index]
    return rows.reset_index()


def side_by_side(parts: Sequence[Local], *, names: Mapping[str, str] | None = None) -> Portfolio:
    """Set scenarios beside each other, alone and together; of one scenario, its schemes.

    Parameters
    ----------
    parts : sequence of Local
        From `localise`, each in the same pounds.
    names : mapping of code to str, optional
        What organisations are called.

    Raises
    ------
    InputError
        If there is none, or none can be worked out.

    Examples
    --------
    Two plans claim the same admissions: a fifth and three tenths of them.

    >>> import pathcost_lib as pc
    >>> from pathcost_lib import scenarios
    >>> plans = scenarios.localise(pc.load_scenario("same_admissions"), None, icb="", year="")
    >>> scenarios.side_by_side([plans]).table[["scenario", "alone_gbp", "together_gbp", "difference_gbp"]].round(-3)
                      scenario   alone_gbp  together_gbp  difference_gbp
    0             Virtual ward  11290000.0     9254000.0       2036000.0
    1  Same-day emergency care  15854000.0    12787000.0       3068000.0
    2             All together  27144000.0    22040000.0       5104000.0
    """
    if not parts or not all(isinstance(part, Local) for part in parts):
        raise InputError("Give the scenarios to set side by side, each from localise.")
    gone = [f"{part.asked.title.partition(':')[0]} is left out: {part.reason}." for part in parts if part.reason]
    parts = [part for part in parts if not part.reason]
    if not parts:
        raise InputError(f"None of the scenarios can be worked out here. {' '.join(gone)}")
    names = {code: name for part in reversed(parts) for code, name in part.scenario.names.items()} | dict(names or {})
    span = _span([part.scenario for part in parts])
    lines = _lines(parts)
    alone = [_impact(line.scenario, line.part, span) for line in lines]
    together, note = _together(parts, span)
    table = pd.DataFrame({"scenario": [line.title for line in lines]})
    table["alone_gbp"] = [float(impact.system.sum()) for impact in alone]
    table["together_gbp"] = _shares(together, lines)
    table["net_present_value_gbp"] = compare(*alone)["net_present_value_gbp"]
    table["worse_off"] = [_worse_off(one, [line.part], names) for one, line in zip(alone, lines, strict=True)]
    if any(part.year for part in parts):
        table["persons"] = [line.persons for line in lines]
    if together is not None:
        last: dict[str, object] = {str(c): v for c, v in table.select_dtypes("number").sum().items()}
        last |= {"scenario": TOGETHER, "net_present_value_gbp": together.appraise().net_present_value_gbp}
        last |= {"worse_off": _worse_off(together, parts, names)}
        last |= {"persons": int(table["persons"].max())} if "persons" in table else {}
        table = pd.concat([table, pd.DataFrame([last])], ignore_index=True)
    table.insert(3, "difference_gbp", table["alone_gbp"] - table["together_gbp"])
    return Portfolio(table, " ".join([*gone, note]).strip())


@dataclass(frozen=True, eq=False)
class _Line:
    """A row of the table: what is worked out alone, and where."""

    title: str
    scenario: Scenario
    part: Local
    persons: int


def _lines(parts: Sequence[Local]) -> list[_Line]:
    """Return a line a scenario or, of one scenario, a line a scheme."""
    if len(parts) > 1:
        people = [int(part.touched["persons"].iloc[0]) if part.year else 0 for part in parts]
        named = [part.scenario.title.partition(":")[0] for part in parts]
        return [_Line(t, part.scenario, part, n) for t, part, n in zip(named, parts, people, strict=True)]
    (part,) = parts
    items = [(i, part.whole[i.name].get("persons", 0)) for i in part.scenario.interventions]
    return [_Line(item.title, _only(part.scenario, item), part, int(n)) for item, n in items]


def _only(scenario: Scenario, item: Intervention) -> Scenario:
    """Return a scenario with one of its schemes, which waits for no other."""
    return replace(scenario, interventions=(replace(item, depends_on=()),), correlations=())


def _span(scenarios: Sequence[Scenario]) -> range:
    years = [year for each in scenarios for year in each.years]
    return range(min(years), max(years) + 1)


def _impact(scenario: Scenario, part: Local, years: range) -> SystemImpact:
    return system_impact(scenario, None if part.year is None else part.rows, year=part.year, years=years)


def _together(parts: Sequence[Local], years: range) -> tuple[SystemImpact | None, str]:
    """Return all schemes worked out as one, or why they cannot be."""
    if len({part.year for part in parts}) > 1:
        return None, "Not added up: some are worked out on their own baseline, some on the activity of the area."
    on_rows = [p.scenario if p.year is None else replace(p.scenario, baseline=None) for p in parts]
    # Rows have the columns of people that their own schemes choose by; those that have most serve all, if any do.
    most = parts[0] if parts[0].year is None else max(parts, key=lambda part: len(part.rows.columns))
    try:
        return _impact(on_rows[0] if len(parts) == 1 else stack(on_rows), most, years), ""
    except InputError as error:
        return None, f"Not added up: {error}"


def _shares(together: SystemImpact | None, lines: Sequence[_Line]) -> list[float]:
    """Return what each line adds to the whole: its schemes stand there in the order of the lines."""
    if together is None:
        return [float("nan")] * len(lines)
    of = together.table.groupby("intervention")["impact_gbp"].sum().reindex(together.interventions, fill_value=0.0)
    ends = np.cumsum([len(line.scenario.interventions) for line in lines])
    return [float(part.sum()) for part in np.split(of.to_numpy(float), ends[:-1])]


def _worse_off(impact: SystemImpact, parts: Sequence[Local], names: Mapping[str, str]) -> str:
    """Return who loses, by name, the greatest loss first."""
    called = {code: name for part in reversed(parts) for code, name in names_shown(part, [impact], names=names).items()}
    rows = by_name(impact.by_organisation().set_index("organisation"), called)["impact_gbp"].drop(SYSTEM)
    worse = rows[rows < -0.005].sort_values()
    more = f" and {len(worse) - 3} more" if len(worse) > 3 else ""
    return ", ".join(map(str, worse.index[:3])) + more or "nobody"
