"""What a pathway's file may hold, key by key: its check, its schema for editors and its page are made from this."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from pathcost_lib.pathways.definition import OVERLAP_RULES, Earlier
from pathcost_lib.sources.toml_models import Choice, Currency, Limits, OneOf, Pod, Setting, Table, Word, against_rule

__all__ = ["IndexTable", "PathwayFile"]

Days = Annotated[int, Limits(0, 3660, "days")]
Codes = list[Currency]


class EarlierTable(Choice):
    """A kind of contact of the patient in the days before the event: one that meets every key given."""

    beside: ClassVar[tuple[str, ...]] = ("days",)

    days: Annotated[int, Limits(1, 3660, "days")] = Field(
        description="In how many days before the day of the event; data must reach back so far", examples=[365]
    )
    setting: list[Setting] = Field([], description="In any of these settings", examples=[["mental_health"]])
    pod: list[Pod] = Field([], description="In any of these points of delivery", examples=[["non_elective"]])
    currency_code_prefix: Codes = Field([], description="A currency that begins with any of these")
    primary_procedure_prefix: Codes = Field([], description="A main procedure that begins with any of these")
    primary_diagnosis_prefix: Codes = Field(
        [], description="A main diagnosis that begins with any of these", examples=[["F20"]]
    )


class WithoutTable(EarlierTable):
    """No contact of this kind in the days before: a first episode, or a first admission."""

    heading: ClassVar[str] = "index.without"


class HavingTable(EarlierTable):
    """A contact of this kind in the days before: someone known to a service, or a diagnosis of another contact."""

    heading: ClassVar[str] = "index.having"


class IndexTable(Choice):
    """Which activity begins the pathway: a contact that meets every key given, and none that begins with not_."""

    heading: ClassVar[str] = "index"
    excludes: ClassVar[tuple[str, ...]] = (
        "not_pod",
        "not_currency_code_prefix",
        "not_primary_procedure_prefix",
        "not_primary_diagnosis_prefix",
    )
    beside: ClassVar[tuple[str, ...]] = (
        "washout_days",
        "age_from",
        "age_to",
        "sex",
        "without",
        "having",
        *excludes,
    )

    setting: list[Setting] = Field([], description="In any of these settings", examples=[["admitted"]])
    pod: list[Pod] = Field([], description="In any of these points of delivery", examples=[["elective", "day_case"]])
    currency_code: Codes = Field([], description="Any of these currencies (HRGs)", examples=[["HN22E"]])
    currency_code_prefix: Codes = Field([], description="A currency that begins with any of these", examples=[["HN22"]])
    primary_procedure: Codes = Field([], description="Any of these main procedures (OPCS-4)", examples=[["W401"]])
    primary_procedure_prefix: Codes = Field(
        [], description="A main procedure that begins with any of these", examples=[["W40", "W41"]]
    )
    primary_diagnosis: Codes = Field([], description="Any of these main diagnoses (ICD-10)", examples=[["M171"]])
    primary_diagnosis_prefix: Codes = Field(
        [], description="A main diagnosis that begins with any of these", examples=[["I61", "I63"]]
    )
    not_pod: list[Pod] = Field([], description="In none of these points of delivery", examples=[["day_case"]])
    not_currency_code_prefix: Codes = Field([], description="No currency that begins with any of these")
    not_primary_procedure_prefix: Codes = Field([], description="No main procedure that begins with any of these")
    not_primary_diagnosis_prefix: Codes = Field(
        [], description="No main diagnosis that begins with any of these; one not recorded stays", examples=[["C"]]
    )
    age_from: Annotated[int, Limits(0, 120, "years of age")] | None = Field(
        None, description="Patients of this age or older in the calendar year of the event", examples=[75]
    )
    age_to: Annotated[int, Limits(0, 120, "years of age")] | None = Field(
        None, description="Patients of this age or younger; those without a year of birth are in neither"
    )
    sex: list[Annotated[str, OneOf(("female", "male", "unknown"))]] = Field(
        [], description="Patients of any of these sexes", examples=[["female"]]
    )
    washout_days: Days = Field(
        0, description="No new pathway where the same patient qualified in so many days before", examples=[365]
    )
    without: WithoutTable | None = Field(None, description="What the patient did not have in the days before")
    having: HavingTable | None = Field(None, description="What the patient had in the days before")

    @model_validator(mode="after")
    def _ages(self) -> Self:
        if self.age_from is not None and self.age_to is not None and self.age_to < self.age_from:
            raise against_rule(f"{self.age_to} is below age_from, {self.age_from}.", "age_to")
        return self

    def people(self) -> dict[str, tuple[str, ...]]:
        """Return what patients are chosen by, by key, as text."""
        ages = {key: (str(age),) for key in ("age_from", "age_to") if (age := getattr(self, key)) is not None}
        return ages | ({"sex": tuple(self.sex)} if self.sex else {})

    def excluded(self) -> dict[str, tuple[str, ...]]:
        """Return what an event must not be, by key."""
        return {k.removeprefix("not_"): tuple(codes) for k in self.excludes if (codes := getattr(self, k))}

    def earlier(self, key: str) -> Earlier | None:
        """Return what is looked for in the days before: `without` or `having`."""
        table: EarlierTable | None = getattr(self, key)
        return Earlier(table.chosen(), table.days) if table else None


class WindowTable(Table):
    """The days round the index event that belong to the pathway, counted from its first day."""

    before_days: Days = Field(description="Days before the index event", examples=[180])
    after_days: Days = Field(description="Days after the day of the index event", examples=[180])


class PhaseTable(Table):
    """A named part of the window, both ends included; the phases cover the window without gap or overlap, in order."""

    name: Word = Field(description="Name of the phase", examples=["rehabilitation"])
    from_day: int = Field(description="First day, counted from the index event: 0 is its day", examples=[3])
    to_day: int = Field(description="Last day", examples=[90])


class PathwayFile(Table):
    """A pathway: the event that it begins with, the window round it, and the phases of the window."""

    name: Word = Field(description="Short name, as commands and tables have it", examples=["knee_replacement"])
    title: str = Field(description="Title, as people read it", examples=["Primary knee replacement"])
    description: str = Field(description="One sentence: from when, through what, to when")
    overlap: Annotated[str, OneOf(OVERLAP_RULES)] = Field(
        "nearest_index",
        description="Who has a contact that two pathways of a patient reach: the nearest index event, or each a share",
        examples=["nearest_index"],
    )
    scope: Annotated[str, OneOf(("all_cause",))] = Field(
        "all_cause", description="Every contact of the patient in the window counts"
    )
    index: IndexTable = Field(description="Which activity begins the pathway")
    window: WindowTable = Field(description="The days round the index event")
    phase: list[PhaseTable] = Field(description="The parts of the window, in order")

    @model_validator(mode="after")
    def _tile(self) -> Self:
        if not self.phase:
            raise against_rule("a pathway needs at least one [[phase]].", "phase")
        before, after = self.window.before_days, self.window.after_days
        expected = -before
        for n, phase in enumerate(self.phase):
            if phase.from_day != expected or phase.to_day < phase.from_day:
                raise against_rule(
                    f"phase {phase.name!r} runs from day {phase.from_day} to {phase.to_day}; it must start on day "
                    f"{expected} and not end before it starts. Phases tile the window, day {-before} to {after}, in "
                    "order.",
                    "phase",
                    n,
                    "from_day",
                )
            expected = phase.to_day + 1
        if expected != after + 1:
            words = f"the phases end on day {expected - 1}, the window on day {after}. They must agree."
            raise against_rule(words, "phase", len(self.phase) - 1, "to_day")
        if len({p.name for p in self.phase}) != len(self.phase):
            raise against_rule("two phases have the same name.", "phase")
        return self
