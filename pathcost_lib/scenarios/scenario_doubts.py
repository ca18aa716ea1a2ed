"""What in a scenario's file is allowed and yet likely wrong, and a file to start from (`pathcost scenario`)."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pathcost_lib.codes import financial_year
from pathcost_lib.errors import InputError
from pathcost_lib.scenarios.scenario_file import InterventionTable, ScenarioFile
from pathcost_lib.scenarios.years import financial_years, start_year
from pathcost_lib.sources.toml_files import read_toml
from pathcost_lib.sources.toml_models import Doubt, check_content, doubts_in_words, pods_outside

__all__ = ["check_scenario", "starter"]


def check_scenario(path: Path, today: dt.date | None = None) -> tuple[str, list[str]]:
    """Return what a scenario's file holds, in a sentence, and what in it is likely wrong, each with its line.

    Parameters
    ----------
    path : Path
        The file.
    today : date, optional
        The day by which a year has passed; this day by default.

    Raises
    ------
    InputError
        If the file cannot be used; the message has each problem on a line of its own.
    """
    content = read_toml(path, "scenario")
    file = check_content(ScenarioFile, content, path.name, path)
    doubts = doubts_in_words(list(_doubts(file, today or dt.date.today())), ScenarioFile, content, path)
    holds = (
        ("scheme", "schemes", len(file.intervention)),
        ("row of baseline", "rows of baseline", len(file.baseline)),
        ("ready calculation", "ready calculations", len(file.check)),
        ("outlook of demand", "", int(file.demand is not None)),
    )
    words = ", ".join(f"{n} {one if n == 1 else more}" for one, more, n in holds if n)
    return f"{path.name} can be used: {words or 'nothing in it is worked out'}.", doubts


def _doubts(file: ScenarioFile, today: dt.date) -> Iterator[Doubt]:
    now = start_year(financial_year(today))
    if start_year(file.price_base) > now:
        yield Doubt(f"{file.price_base} has not begun: prices of that year are not known.", ("price_base",))
    if file.first_year and start_year(file.first_year) < now:
        yield Doubt(f"{file.first_year} has passed: what is shown begins in the past.", ("first_year",))
    for n, row in enumerate(file.baseline):
        if wrong := pods_outside([row.setting], [row.pod]):
            yield Doubt(wrong, ("baseline", n, "pod"))
        if not row.source.strip():
            yield Doubt("is empty: say where activity and cost come from.", ("baseline", n, "source"))
    for n, calculation in enumerate(file.check):
        if not calculation.source.strip():
            yield Doubt("is lacking: say where the numbers come from.", ("check", n, "source"))
    if file.demand and file.demand.horizon <= now:
        (year,) = financial_years([file.demand.horizon])
        yield Doubt(f"{year} has begun or passed: nothing is left to project.", ("demand", "horizon"))
    for n, scheme in enumerate(file.intervention):
        for doubt in _doubts_of_scheme(file, scheme, now):
            yield Doubt(doubt.words, ("intervention", n, *doubt.place))


def _doubts_of_scheme(file: ScenarioFile, scheme: InterventionTable, now: int) -> Iterator[Doubt]:
    if scheme.effect.kind == "fixed" and scheme.evidence != "decided":
        value = scheme.effect.parameters[0]
        words = f"has no interval. {value:g} is taken as certain; write how sure it is, as {{ low = ..., high = ... }}"
        words += ', or evidence = "decided" where the effect is itself what is decided.'
        yield Doubt(words, ("effect",))
    if file.first_year is None and start_year(scheme.start) < now:
        words = (
            f"{scheme.start} has passed. State first_year if you mean it: on an ICB's data it else starts after them."
        )
        yield Doubt(words, ("start",))
    if file.first_year is not None and start_year(scheme.start) < start_year(file.first_year):
        yield Doubt(f"{scheme.start} is before the first year shown, {file.first_year}.", ("start",))
    if scheme.end and start_year(scheme.end) < now:
        yield Doubt(f"{scheme.end} has passed: the scheme has ended.", ("end",))
    costs = (scheme.set_up_gbp, scheme.running_gbp, scheme.double_running_gbp, scheme.exit_cost_gbp)
    if not scheme.source.strip():
        what = "effect and costs come" if any(costs) else "the effect comes"
        yield Doubt(f"is empty: say where {what} from.", ("source",))
    if wrong := pods_outside(scheme.select.setting, scheme.select.pod):
        yield Doubt(wrong, ("select", "pod"))
    if scheme.to and (wrong := pods_outside([scheme.to.setting], [scheme.to.pod])):
        yield Doubt(wrong, ("to", "pod"))
    known = {"commissioner", "provider", *file.names, file.payment.host}
    if not file.baseline and scheme.payer not in known:
        words = f"{scheme.payer!r} must be the code of an organisation in the data, or be declared under [names]."
        yield Doubt(words, ("payer",))
    if file.baseline and not any(_selects(scheme, row.model_dump()) for row in file.baseline):
        yield Doubt("meets no row of [[baseline]], so that nothing would change.", ("select",))


def _selects(scheme: InterventionTable, row: dict[str, object]) -> bool:
    """Return whether a row of the baseline is selected; columns that it has not are not asked."""

    def meets(key: str, codes: Sequence[str]) -> bool:
        value = row.get(key.removesuffix("_prefix"))
        return value is None or (str(value).startswith(tuple(codes)) if key.endswith("_prefix") else value in codes)

    return all(meets(key, codes) for key, codes in scheme.select.chosen().items())


def starter(name: str, today: dt.date | None = None) -> str:
    """Return a commented scenario to start from, beginning in the next financial year.

    Raises
    ------
    InputError
        If the name has other characters than letters, digits and _ -.
    """
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]{0,59}", name):
        raise InputError(f"Name {name!r} is not allowed. Allowed: 1 to 60 letters, digits, _ and -.")
    (year,) = financial_years([start_year(financial_year(today or dt.date.today())) + 1])
    text = Path(__file__).with_name("starter.toml").read_text(encoding="utf-8")
    return text.replace('"NAME"', f'"{name}"').replace('"START"', f'"{year}"')
