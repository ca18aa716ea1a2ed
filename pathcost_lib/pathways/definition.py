"""What a pathway is: an index event and the window round it, read from TOML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from pathcost_lib import paths
from pathcost_lib.errors import require_one_of
from pathcost_lib.sources.quoting import quote_condition

__all__ = [
    "INDEX_FIELDS",
    "OVERLAP_RULES",
    "Definition",
    "Earlier",
    "Phase",
    "anywhere",
    "available",
    "linked_with",
    "load_definition",
    "phases_of",
]

OVERLAP_RULES = ("nearest_index", "equal_split")

#: Ledger columns that an index may be chosen by; those with `_prefix` match beginnings.
INDEX_FIELDS = ("setting", "pod", "currency_code", "primary_procedure", "primary_diagnosis")


@dataclass(frozen=True)
class Phase:
    """A named part of the window, in whole days from the index's start date, both ends included."""

    name: str
    from_day: int
    to_day: int


@dataclass(frozen=True)
class Earlier:
    """A kind of contact, by the same keys as an index, in the days before an event; the day of the event is not one."""

    kind: Mapping[str, tuple[str, ...]]
    days: int

    def where(self) -> str:
        """Return the SQL condition by which a ledger row is of that kind."""
        return " AND ".join(quote_condition(key, values) for key, values in self.kind.items())


@dataclass(frozen=True)
class Definition:
    """A pathway: which activity is an index event, the window round it, its phases, and who gets what overlaps.

    A *qualifying* activity meets every key of `index` and none of `excluded`, and its patient every key of `people`
    (age_from, age_to, sex). The patient had a contact of the kind `having`, and none of the kind `without`, in the days
    before it that these state; a pathway whose data do not reach back so far is not complete. Activity has the main
    diagnosis only: a diagnosis in another position is looked for on earlier contacts, by `having`.
    It is an *index event* unless the same patient had another qualifying activity in the `washout_days` before. Every
    contact of the patient that starts in the window is in the pathway (scope "all_cause"). Where windows of one patient
    overlap, a contact belongs to the nearest index (a tie: to the earlier) or is split equally over them.
    """

    name: str
    title: str
    description: str
    overlap: str
    index: Mapping[str, tuple[str, ...]]
    washout_days: int
    before_days: int
    after_days: int
    phases: tuple[Phase, ...]
    people: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    excluded: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    without: Earlier | None = None
    having: Earlier | None = None

    def where(self) -> str:
        """Return the SQL condition by which a ledger row qualifies as index, with its patient's `age` and `sex`.

        What was before it is not in this condition: see `link`.
        """
        tests = [quote_condition(key, values) for key, values in self.index.items()]
        tests += [quote_condition(f"not_{key}", values) for key, values in self.excluded.items()]
        return " AND ".join([*tests, *(_of_people(key, values) for key, values in self.people.items())])

    @property
    def looks_back_days(self) -> int:
        """How many days before an event decide whether it is one, beside the washout."""
        return max((each.days for each in (self.without, self.having) if each), default=0)

    def index_phase(self) -> str:
        """Return the name of the phase that holds day 0."""
        return next(p.name for p in self.phases if p.from_day <= 0 <= p.to_day)


def anywhere(definitions: Iterable[Definition]) -> str:
    """Return an SQL condition that every row meets which qualifies for any of the definitions, and few others.

    Definitions that choose by the same keys share one test a key, so that many cost the engine no more than one.
    """
    alike: dict[tuple[str, ...], dict[str, dict[str, None]]] = {}
    for d in definitions:
        values = alike.setdefault(tuple(sorted(d.index)), {key: {} for key in sorted(d.index)})
        for key, chosen in d.index.items():
            values[key] |= dict.fromkeys(chosen)
    tests = (" AND ".join(quote_condition(key, v) for key, v in values.items()) for values in alike.values())
    return " OR ".join(f"({test})" for test in tests)


def phases_of(definitions: Iterable[Definition]) -> pd.DataFrame:
    """Return each phase of each definition: pathway, phase, from_day, to_day (days from the index)."""
    rows = [(d.name, p.name, p.from_day, p.to_day) for d in definitions for p in d.phases]
    return pd.DataFrame(rows, columns=["pathway", "phase", "from_day", "to_day"])


def available() -> list[str]:
    """Return the names of the pathway definitions that come with the suite and are linked together."""
    return sorted(path.stem for path in paths.pathway_definitions().glob("*.toml"))


def _shipped() -> dict[str, Path]:
    """Return the file of each definition that comes with the suite: those linked together, and those linked alone."""
    folder = paths.pathway_definitions()
    return {path.stem: path for path in sorted((*folder.glob("*.toml"), *folder.glob("alone/*.toml")))}


def load_definition(name: str | Path) -> Definition:
    """Read a pathway definition: by name from `data/pathways` (or `alone` in it), or your own `.toml` file.

    Raises
    ------
    InputError
        If there is no such definition, or its file breaks a rule: the file, the key and what is allowed are named.

    Examples
    --------
    What a knee replacement takes in: half a year before the operation and half a year after it, in four phases.

    >>> import pathcost_lib as pc
    >>> knee = pc.load_definition("knee_replacement")
    >>> knee.title, knee.before_days, knee.after_days
    ('Primary knee replacement', 180, 180)
    >>> [(phase.name, phase.from_day, phase.to_day) for phase in knee.phases]
    [('assessment', -180, -1), ('operation', 0, 2), ('rehabilitation', 3, 90), ('recovery', 91, 180)]
    """
    path = Path(name)
    if path.suffix != ".toml":
        path = _shipped()[require_one_of(str(name), _shipped(), what="Pathway")]
    from pathcost_lib.pathways.definition_file import PathwayFile
    from pathcost_lib.sources.toml_models import read_file  # here, because pydantic takes its time to import

    file = read_file(PathwayFile, path, "pathway")
    return Definition(
        name=file.name,
        title=file.title,
        description=file.description,
        overlap=file.overlap,
        index=file.index.chosen(),
        washout_days=file.index.washout_days,
        before_days=file.window.before_days,
        after_days=file.window.after_days,
        phases=tuple(Phase(p.name, p.from_day, p.to_day) for p in file.phase),
        people=file.index.people(),
        excluded=file.index.excluded(),
        without=file.index.earlier("without"),
        having=file.index.earlier("having"),
    )


def linked_with(chosen: Definition) -> tuple[Definition, ...]:
    """Return the pathways that are linked together with one: all so shipped if it is one of them, else it alone.

    Each notebook and the explorer link by this rule, so that a pathway has one cost whichever shows it. Two ways to
    share out the contacts of overlapping windows would differ by few people, which tells of them.

    Raises
    ------
    InputError
        If a shipped definition breaks a rule.

    Examples
    --------
    >>> import pathcost_lib as pc
    >>> from pathcost_lib import pathways
    >>> [definition.name for definition in pathways.linked_with(pc.load_definition("stroke"))][:2]
    ['copd_exacerbation', 'diabetes_complication']
    """
    shipped = tuple(load_definition(name) for name in available())
    return tuple(d for d in shipped if d.overlap == chosen.overlap) if chosen in shipped else (chosen,)


def _of_people(key: str, values: tuple[str, ...]) -> str:
    if key == "sex":
        return quote_condition(key, values)
    return f"age {'>=' if key == 'age_from' else '<='} {int(values[0])}"
