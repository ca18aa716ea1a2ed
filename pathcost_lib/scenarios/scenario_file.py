"""What a scenario's file may hold, key by key: its check, its schema for editors and its page are made from this.

A table that stands for an object of the library makes it, so that the object's own rules are checked with the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, Union, get_type_hints

import pandas as pd
from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema, create_model, model_validator

from pathcost_lib import codes
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.scenarios.change.checks import CHECKS
from pathcost_lib.scenarios.change.interventions import (
    CHANGES,
    EVIDENCE,
    Destination,
    Families,
    Intervention,
    dependence_order,
)
from pathcost_lib.scenarios.change.model import PAYMENT_RULES, PaymentRule
from pathcost_lib.scenarios.change.people import PERSON
from pathcost_lib.scenarios.change.release import Release
from pathcost_lib.scenarios.demand.projection import Growth
from pathcost_lib.scenarios.draws import Correlation, Distribution, parse_distribution
from pathcost_lib.scenarios.scenario import GAPS, SCOPES, Demand, Equity
from pathcost_lib.scenarios.years import start_year
from pathcost_lib.sources.toml_models import (
    Choice,
    Code,
    Currency,
    Like,
    Limits,
    OneOf,
    Table,
    Word,
    Year,
    against_rule,
)

__all__ = ["ScenarioFile"]

Share = Annotated[float, Limits(0, 1, "share")]
#: Where and in what form: of care, or of what organisations do for each other.
Setting = Annotated[str, OneOf(codes.SCHEME_SETTINGS, "a setting")]
Pod = Annotated[str, OneOf(tuple(codes.SCHEME_PODS), "a POD")]
PerCent = Annotated[float, Limits(0, 100, "%")]
Percentage = Annotated[float, Limits(unit="%")]
Pounds = Annotated[float, Limits(0, unit="GBP")]
AnyPounds = Annotated[float, Limits(unit="GBP")]
PoundsAYear = Annotated[float, Limits(0, unit="GBP a year")]
Units = Annotated[float, Limits(0, unit="units of the POD")]
CalendarYear = Annotated[int, Limits(1990, 2100, "financial year by its first calendar year")]
YearCount = Annotated[int, Limits(1, unit="years")]
SelectCode = Annotated[str, Like("[A-Za-z0-9_.*-]+", "a code of letters, digits, and _ . * -")]

_NUMBER = {"type": "number"}
_SHAPES = ({"low": _NUMBER, "high": _NUMBER}, {"low": _NUMBER, "mode": _NUMBER, "high": _NUMBER})
_ASSUMPTION_SCHEMA = {
    "anyOf": [
        _NUMBER,
        *({"type": "object", "properties": p, "required": list(p), "additionalProperties": False} for p in _SHAPES),
        {
            "type": "object",
            "properties": {"values": {"type": "array", "items": _NUMBER}},
            "required": ["values"],
            "additionalProperties": False,
        },
    ]
}
#: A number, { low, high }, { low, mode, high } or { values }.
Assumption = Annotated[
    Distribution,
    PlainValidator(lambda value: parse_distribution(value, where="")),
    WithJsonSchema(_ASSUMPTION_SCHEMA),
    "a number; { low, high }, an 80 % interval; { low, mode, high }; or { values = [...] }",
]


def _share(assumption: Distribution) -> Distribution:
    """Refuse an effect whose stated values are no shares; an interval's tails may go beyond its ends."""
    low, high = min(assumption.parameters), max(assumption.parameters)
    if low < 0 or high > 1:
        hint = f" Write {high / 100:g} for {high:g} %." if 1 < high <= 100 else ""
        stated = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        raise against_rule(f"is a share of the activity selected; it must be from 0 to 1, not {stated}.{hint}")
    return assumption


def _not_negative(assumption: Distribution) -> Distribution:
    if min(assumption.parameters) < 0:
        raise against_rule("must be of at least 0.")
    return assumption


class SelectTable(Choice):
    """Which activity changes: rows that meet every key given, and none that begins with not_."""

    heading: ClassVar[str] = "intervention.select"

    setting: list[Setting] = Field([], description="In any of these settings", examples=[["admitted"]])
    setting_prefix: list[SelectCode] = Field([], description="A setting that begins with any of these")
    pod: list[Pod] = Field([], description="In any of these points of delivery", examples=[["elective"]])
    pod_prefix: list[SelectCode] = Field(
        [], description="A POD that begins with any of these", examples=[["outpatient_"]]
    )
    currency_code: list[SelectCode] = Field([], description="Any of these currencies (HRGs)", examples=[["HN22E"]])
    currency_code_prefix: list[SelectCode] = Field(
        [], description="A currency that begins with any of these", examples=[["HN"]]
    )
    provider_code: list[SelectCode] = Field([], description="At any of these providers", examples=[["RRK"]])
    provider_code_prefix: list[SelectCode] = Field([], description="A provider whose code begins with any of these")
    icb_code: list[SelectCode] = Field([], description="Patients of any of these ICBs", examples=[["QHL"]])
    icb_code_prefix: list[SelectCode] = Field([], description="An ICB whose code begins with any of these")
    primary_diagnosis: list[SelectCode] = Field([], description="Any of these main diagnoses", examples=[["M171"]])
    primary_diagnosis_prefix: list[SelectCode] = Field(
        [], description="A main diagnosis that begins with any of these", examples=[["S72"]]
    )
    primary_procedure: list[SelectCode] = Field([], description="Any of these main procedures", examples=[["W401"]])
    primary_procedure_prefix: list[SelectCode] = Field(
        [], description="A main procedure that begins with any of these", examples=[["W40"]]
    )
    not_pod: list[Pod] = Field([], description="In none of these points of delivery")
    not_currency_code_prefix: list[SelectCode] = Field([], description="No currency that begins with any of these")
    not_provider_code: list[SelectCode] = Field([], description="At none of these providers")
    not_primary_diagnosis_prefix: list[SelectCode] = Field(
        [], description="No main diagnosis that begins with any of these; one not recorded stays", examples=[["O"]]
    )
    not_primary_procedure_prefix: list[SelectCode] = Field(
        [], description="No main procedure that begins with any of these"
    )
    patient_diagnosis_prefix: list[SelectCode] = Field(
        [],
        description="Patients with a main diagnosis that begins with any of these, on any contact of the year",
        examples=[["F00", "F01", "F03", "G30"]],
    )
    age_from: Annotated[int, Limits(0, 120, "years of age")] | None = Field(
        None, description="Patients of this age or older, in the calendar year in which the data's year begins"
    )
    age_to: Annotated[int, Limits(0, 120, "years of age")] | None = Field(
        None, description="Patients of this age or younger; those without a year of birth are not selected"
    )
    sex: list[Annotated[str, OneOf(("female", "male", "unknown"))]] = Field(
        [], description="Patients of any of these sexes", examples=[["female"]]
    )
    deprivation_decile: list[Annotated[int, Limits(1, 10, "tenth")]] = Field(
        [], description="Patients of any of these tenths; 1 is the most deprived", examples=[[1, 2]]
    )
    practice_code: list[SelectCode] = Field([], description="Patients of any of these GP practices")
    practice_code_prefix: list[SelectCode] = Field(
        [], description="Patients of a GP practice whose code begins with any of these"
    )
    not_practice_code: list[SelectCode] = Field([], description="Patients of none of these GP practices")
    people: str | None = Field(
        None,
        description="Patients on a list: a CSV file, beside this one, with a column patient_id",
        examples=["homes.csv"],
    )
    cost_basis: list[SelectCode] = Field([], description="Costed on any of these bases", examples=[["recorded"]])
    cost_basis_prefix: list[SelectCode] = Field([], description="A cost basis that begins with any of these")

    @model_validator(mode="after")
    def _ages(self) -> Self:
        if self.age_from is not None and self.age_to is not None and self.age_to < self.age_from:
            raise against_rule(f"{self.age_to} is below age_from, {self.age_from}.", "age_to")
        return self

    def chosen(self) -> dict[str, tuple[str, ...]]:
        """Return what is chosen by, by key: codes, ages and the file of a list as text."""
        values = {key: [value] if isinstance(value, int | str) else value for key, value in self}
        return {key: tuple(map(str, each)) for key, each in values.items() if each}


class ToTable(Table):
    """Where moved activity goes, and what it costs there; for `change = "move"` only."""

    provider_code: Code | None = Field(
        None, description="Who takes it; left out, it stays with its provider", examples=["COMMUNITY"]
    )
    setting: Setting = Field(description="The setting that it becomes", examples=["community"])
    pod: Pod = Field(description="The point of delivery that it becomes", examples=["community_contact"])
    unit_cost_gbp: Pounds = Field(description="What one unit really adds to cost there (marginal)", examples=[45])
    price_gbp: Pounds | None = Field(
        None, description="What is paid for one unit there; `unit_cost_gbp` if left out", examples=[86]
    )
    units_per_unit: Annotated[Assumption, AfterValidator(_not_negative)] = Field(
        Distribution("fixed", (1.0,)),
        description="Units there for each unit moved; less than 1 where only part of it turns up there",
        examples=[12],
    )

    def destination(self) -> Destination:
        """Return what the library works with."""
        price = self.unit_cost_gbp if self.price_gbp is None else self.price_gbp
        where = (self.provider_code, self.setting, self.pod)
        return Destination(*where, self.unit_cost_gbp, price, self.units_per_unit.mean, self.units_per_unit)


class FamiliesTable(Table):
    """What patients, carers and families save for each unit that goes; negative where they give more. In no total."""

    hours: Annotated[float, Limits(unit="hours a unit")] = Field(
        0.0, description="Their time, less what they give where the activity moves to", examples=[2.5]
    )
    hour_gbp: Pounds = Field(0.0, description="What an hour of it is worth", examples=[12.5])
    travel_gbp: Annotated[float, Limits(unit="GBP a unit")] = Field(
        0.0, description="Travel and parking", examples=[8.4]
    )
    source: str = Field(description="Where the numbers come from")

    @model_validator(mode="after")
    def _worth(self) -> Self:
        if bool(self.hours) != bool(self.hour_gbp):
            raise against_rule("goes with hour_gbp, what an hour is worth; give both or neither.", "hours")
        return self

    def families(self) -> Families:
        """Return what the library works with."""
        return Families(self.hours, self.hour_gbp, self.travel_gbp)


class InterventionTable(Table):
    """One scheme: what changes, by how much, when, at what cost, and how good the evidence is."""

    name: Word = Field(description="Short name, unlike the others'", examples=["one_gp_a_home"])
    title: str = Field(description="Title, as people read it", examples=["One GP practice for each nursing home"])
    source: str = Field(description="Where effect and costs come from", examples=["Brown, HFMA, March 2018"])
    evidence: Annotated[str, OneOf(EVIDENCE)] = Field(description="How good the evidence is", examples=["weak"])
    change: Annotated[str, OneOf(CHANGES)] = Field(
        description="What becomes of the activity: avoided, moved, or the stay shortened", examples=["avoid"]
    )
    effect: Annotated[Assumption, AfterValidator(_share)] = Field(
        description="Share of the selected activity that changes, 0 to 1", examples=[{"low": 0.05, "high": 0.25}]
    )
    start: Year = Field(description="First year", examples=["2025-26"])
    end: Year | None = Field(None, description="Last year; left out, it goes on", examples=["2029-30"])
    ramp: list[Share] = Field(
        [1.0], description="Share of the effect reached in each year from the first, not falling", examples=[[0.5, 1.0]]
    )
    decay_pct: PerCent = Field(0.0, description="What is lost of the effect each year after the ramp", examples=[5.0])
    depends_on: list[str] = Field([], description="Names of interventions that it is never further along than")
    owner: str | None = Field(None, description="Who is answerable for it", examples=["PRACTICES"])
    beneficiary: str | None = Field(None, description="Who is meant to gain", examples=["ICB"])
    payer: str = Field(
        "commissioner",
        description="Who pays the programme: commissioner, provider, or a code in the file",
        examples=["provider"],
    )
    set_up_gbp: Pounds = Field(0.0, description="Paid once, in the first year", examples=[20_000])
    running_gbp: Annotated[float, Limits(unit="GBP a year")] = Field(
        0.0, description="Paid every year", examples=[56_000]
    )
    double_running_gbp: PoundsAYear = Field(0.0, description="Paid while old and new run side by side")
    double_running_years: Annotated[int, Limits(0, unit="years")] = Field(0, description="For how long", examples=[2])
    exit_cost_gbp: Pounds = Field(0.0, description="Paid once, in `exit_year` (or `end`)")
    stranded_years: YearCount | None = Field(
        None, description="Years in which cost that stays is worked off; left out, it stays", examples=[8]
    )
    exit_year: Year | None = Field(None, description="When fixed cost goes too; left out, never")
    stay_share: Share = Field(
        1.0, description='Share of cost that follows bed days, for `change = "shorten_stay"`', examples=[0.7]
    )
    select: SelectTable = Field(description="Which activity changes")
    to: ToTable | None = Field(None, description="Where moved activity goes")
    families: FamiliesTable | None = Field(None, description="What it saves patients, carers and families")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if not self.ramp:
            raise against_rule("is empty; it must list shares from 0 to 1, one a year.", "ramp")
        if sorted(self.ramp) != self.ramp:
            words = f"is {self.ramp}; a ramp must not fall (an effect that wears off is decay_pct)."
            raise against_rule(words, "ramp")
        for key, year in (("end", self.end), ("exit_year", self.exit_year)):
            if year and start_year(year) < start_year(self.start):
                raise against_rule(f"{year} is before the start, {self.start}.", key)
        if (self.change == "move") != (self.to is not None):
            raise against_rule('a table of where activity goes is required for change = "move", and only then.', "to")
        if self.families and self.change == "shorten_stay":
            words = 'is stated for each unit that goes; with change = "shorten_stay" no unit goes.'
            raise against_rule(words, "families")
        if self.exit_cost_gbp and not (self.exit_year or self.end):
            raise against_rule("falls in the exit year or the end; give exit_year or end.", "exit_cost_gbp")
        if bool(self.double_running_gbp) != bool(self.double_running_years):
            raise against_rule("goes with double_running_years; give both or neither.", "double_running_gbp")
        if self.stay_share != 1.0 and self.change != "shorten_stay":
            words = 'is the share of cost that follows bed days: only for change = "shorten_stay".'
            raise against_rule(words, "stay_share")
        return self

    def intervention(self) -> Intervention:
        """Return what the library works with."""
        values = {key: value for key, value in self if key not in ("select", "to", "families")}
        years = {key: start_year(values[key]) if values[key] else None for key in ("start", "end", "exit_year")}
        lists = {key: tuple(values[key]) for key in ("ramp", "depends_on")}
        return Intervention(
            **values | years | lists,
            select=self.select.chosen(),
            to=self.to.destination() if self.to else None,
            families=self.families.families() if self.families else None,
        )


class BaselineTable(Table):
    """One row of what is there before: activity, cost and how the cost behaves."""

    icb_code: Code = Field(description="Who commissions it", examples=["ICB"])
    provider_code: Code = Field(description="Who provides it", examples=["TRUST"])
    setting: Setting = Field(description="Setting", examples=["emergency"])
    pod: Pod = Field(description="Point of delivery", examples=["ae_type1"])
    currency_code: Currency = Field("*", description="Currency (HRG); left out, all of the POD", examples=["HN22E"])
    activity: Units = Field(description="Activity of a year", examples=[1400])
    cost_gbp: PoundsAYear = Field(description="Its full cost", examples=[382_158])
    fixed_share: Share = Field(description="Share of cost that is fixed", examples=[0.45])
    semi_fixed_share: Share = Field(
        description="Share that goes in steps; what is left of 1 is variable", examples=[0.40]
    )
    payment_gbp: PoundsAYear | None = Field(
        None, description="What is paid for it: in every row or in none; left out, its cost", examples=[400_000]
    )
    source: str = Field(description="Where the numbers come from")

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        if self.fixed_share + self.semi_fixed_share > 1 + 1e-9:
            raise against_rule("with semi_fixed_share is above 1; the rest is variable.", "fixed_share")
        return self

    def row(self) -> dict[str, Any]:
        """Return a row of the library's baseline."""
        row = self.model_dump(exclude={"cost_gbp", "fixed_share", "semi_fixed_share"})
        cost, fixed, semi_fixed = self.cost_gbp, self.cost_gbp * self.fixed_share, self.cost_gbp * self.semi_fixed_share
        row |= {"cost_gbp": cost, "fixed_gbp": fixed, "semi_fixed_gbp": semi_fixed}
        return row | {"variable_gbp": max(cost - fixed - semi_fixed, 0.0)}


class PaymentTable(Table):
    """How money follows activity between organisations."""

    rule: Annotated[str, OneOf(PAYMENT_RULES)] = Field("activity", description="Rule of payment", examples=["blended"])
    host: str | None = Field(
        None, description="For capitation: the organisation that holds the budget", examples=["TRUST"]
    )
    payment_to_cost: Annotated[float, Limits(0, 5, "price over full cost")] = Field(
        1.0, description="Price, where the baseline has no `payment_gbp`", examples=[0.9]
    )
    variable_share: dict[Pod, Share] = Field(
        {},
        description="For blended: share of price that follows activity, by POD; left out, the NHS Payment Scheme",
        examples=[{"elective": 1.0}],
    )

    @model_validator(mode="after")
    def _work(self) -> Self:
        self.payment()
        return self

    def payment(self) -> PaymentRule:
        """Return what the library works with."""
        return PaymentRule(self.rule, self.variable_share, self.host, self.payment_to_cost)


class ReleaseTable(Table):
    """How semi-fixed cost goes: in steps."""

    semi_fixed_step_pct: Annotated[float, Limits(0.01, 100, "%")] = Field(
        5.0, description="One step, of a provider's activity in a POD", examples=[5.0]
    )
    capacity: dict[Pod, Units] = Field(
        {},
        description="What one step can do in a year, by POD; in place of `semi_fixed_step_pct`",
        examples=[{"ae_type1": 10_000}],
    )

    @model_validator(mode="after")
    def _work(self) -> Self:
        self.release()
        return self

    def release(self) -> Release:
        """Return what the library works with."""
        return Release(self.semi_fixed_step_pct, self.capacity)


class CorrelationTable(Table):
    """Interventions that go well or badly together."""

    of: list[str] = Field(description="Names of two interventions or more", examples=[["shorter_stay", "virtual_ward"]])
    rho: Annotated[float, Limits(-1, 1, "correlation")] = Field(description="How much", examples=[0.4])

    @model_validator(mode="after")
    def _work(self) -> Self:
        self.correlation()
        return self

    def correlation(self) -> Correlation:
        """Return what the library works with."""
        return Correlation(tuple(self.of), self.rho)


class DemandTable(Table):
    """Growth: from when to when, of whom, by what, and what funding is assumed."""

    base_year: CalendarYear = Field(description="Year of the activity that grows", examples=[2024])
    horizon: CalendarYear = Field(description="Last year", examples=[2034])
    variants: dict[str, Annotated[float, Limits(0, unit="weight")]] = Field(
        {"principal": 1.0}, description="Variants of the population projection, by weight"
    )
    non_demographic_pct: dict[str, Assumption] = Field(
        {},
        description='Growth in use at a given age, % a year, by POD; "*" is every other POD',
        examples=[{"non_elective": {"low": 0.5, "high": 1.5}}],
    )
    health_status_years: Assumption = Field(
        Distribution("fixed", (0.0,)),
        description="Years by which an age becomes younger, in health, each year",
        examples=[{"low": 0.0, "high": 0.2}],
    )
    health_status_from_age: Annotated[int, Limits(0, unit="years of age")] = Field(
        55, description="Youngest age that it holds for"
    )
    waiting_list_pct: dict[str, Assumption] = Field(
        {}, description="Backlog, % of a year's activity, by POD", examples=[{"elective": 12}]
    )
    waiting_list_years: YearCount = Field(3, description="Years in which the backlog is cleared")
    level_up_share: Assumption = Field(
        Distribution("fixed", (0.0,)), description="Part of the gap that areas of low use close, 0 to 1", examples=[0.5]
    )
    level_up_years: YearCount = Field(10, description="Years in which they close it")
    price_pct: Assumption = Field(
        Distribution("fixed", (0.0,)), description="Pay and prices above the price base, % a year", examples=[0.5]
    )
    allocation_growth_pct: Percentage = Field(0.0, description="Growth of funding a year", examples=[3.0])
    efficiency_pct: PerCent = Field(0.0, description="Efficiency assumed a year", examples=[1.1])
    base_gap_gbp: dict[Annotated[str, OneOf(GAPS)], Pounds] = Field(
        {},
        description="What cost already exceeds funding by in the base year: Health, Health and social care",
        examples=[{"Health": 286_000_000}],
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.horizon < self.base_year:
            raise against_rule(f"{self.horizon} is before the base year, {self.base_year}.", "horizon")
        self.growth("")
        return self

    def growth(self, scenario: str) -> Growth:
        """Return the drivers that the library works with."""
        beside = {"base_year", "horizon", "variants", "allocation_growth_pct", "efficiency_pct", "base_gap_gbp"}
        return Growth(**{key: value for key, value in self if key not in beside}, scenario=scenario)

    def demand(self, scenario: str) -> Demand:
        """Return what the library works with."""
        funding = (self.allocation_growth_pct, self.efficiency_pct)
        return Demand(self.base_year, self.horizon, self.variants, self.growth(scenario), *funding, self.base_gap_gbp)


class ClaimTable(Table):
    """What an organisation books as its saving from a scheme, over all years shown."""

    scheme: str = Field(description="Name of the intervention", examples=["virtual_ward"])
    organisation: str = Field(description="Who claims: a code of the file", examples=["TRUST"])
    programme: Annotated[str, OneOf(("QIPP", "CIP"))] = Field(
        description="A commissioner's programme or a provider's", examples=["CIP"]
    )
    claim_gbp: Pounds = Field(description="What is claimed", examples=[500_000])


class PositionTable(Table):
    """What an organisation plans for the first year, before the schemes: a surplus is positive."""

    organisation: str = Field(description="Who: a code of the file", examples=["TRUST"])
    control_total_gbp: AnyPounds = Field(description="Its control total", examples=[-250_000])
    position_gbp: AnyPounds = Field(description="Its planned position", examples=[300_000])
    contract_gbp: Pounds = Field(0.0, description="Value of its contract, of which a part is at risk")
    at_risk_pct: PerCent = Field(0.0, description="Part of that at risk, such as CQUIN's 1%", examples=[1])
    achieved: Share = Field(1.0, description="Share of the goals that it expects to meet", examples=[0.6])


class DeliveryTable(Table):
    """A month of a scheme: what was planned, and what came."""

    scheme: str = Field(description="Name of the intervention", examples=["virtual_ward"])
    month: Annotated[str, Like(r"20\d\d-(0[1-9]|1[0-2])", "a month like 2027-04")] = Field(
        description="Month", examples=["2027-04"]
    )
    planned_gbp: Pounds = Field(description="Planned saving", examples=[40_000])
    delivered_gbp: AnyPounds | None = Field(
        None, description="What came; left out where it is not known yet", examples=[31_000]
    )
    recurrent: bool = Field(True, description="Whether it comes again next year", examples=[True])


class EquityTable(Table):
    """Equity weights (Green Book, A3.14 to A3.22): what a pound of a fifth of deprivation weighs."""

    median_income_gbp: PoundsAYear = Field(description="Median equivalised income of all households", examples=[32_000])
    fifth_income_gbp: list[PoundsAYear] = Field(
        description="The same of each fifth of deprivation, the most deprived first",
        examples=[[24_000, 28_000, 32_000, 36_000, 42_000]],
    )
    elasticity: Annotated[float, Limits(0, 4, "elasticity of the marginal utility of income")] = Field(
        1.3, description="How fast a pound loses worth as income rises; 1.3 is the Green Book's", examples=[1.3]
    )
    source: str = Field(description="Where the incomes come from")

    @model_validator(mode="after")
    def _five(self) -> Self:
        if len(self.fifth_income_gbp) != 5:
            raise against_rule(f"has {len(self.fifth_income_gbp)} incomes; there are five fifths.", "fifth_income_gbp")
        if not min(self.median_income_gbp, *self.fifth_income_gbp) > 0:
            raise against_rule("must be above £0, as the median must.", "fifth_income_gbp")
        return self

    def equity(self) -> Equity:
        """Return what the library works with."""
        return Equity(self.median_income_gbp, tuple(self.fifth_income_gbp), self.elasticity)


class CheckTable(Table):
    """A ready calculation: its kind, its arguments, and where they come from."""

    kind: str
    source: str = Field("", description="Where the numbers come from")

    @model_validator(mode="after")
    def _work(self) -> Self:
        try:
            CHECKS[self.kind](**self.arguments())
        except InputError as error:
            raise against_rule(str(error), self.kind) from None
        return self

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the calculation."""
        return {key: value for key, value in self if key not in ("kind", "source")}


#: Units of arguments by the end of their names; the calculations themselves check them.
_UNITS = {
    "_gbp": "GBP, of at least 0",
    "_share": "share, from 0 to 1",
    "utilisation_pct": "%, from 1 to 100",
    "_pct": "%, from 0 to 100",
    "elasticity": "from -1 to 0",
    "members": "of at least 1",
    "organisations": "of at least 1",
}


def _check_table(kind: str) -> type[CheckTable]:
    """Return the table of a ready calculation, made from its signature."""
    types, calculation = get_type_hints(CHECKS[kind]), CHECKS[kind]
    fields: dict[str, Any] = {"kind": (Literal[kind], Field(description="Which calculation"))}
    for name, parameter in signature(calculation).parameters.items():
        unit = next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), "of at least 0")
        default = ... if parameter.default is parameter.empty else parameter.default
        meaning = codes.words(name.removesuffix("_gbp").removesuffix("_pct")).capitalize()
        fields[name] = (Annotated[types[name], Limits(unit=unit)], Field(default, description=meaning))
    about = (calculation.__doc__ or "").partition("\n")[0]
    return create_model(kind, __base__=CheckTable, __doc__=about, **fields)


if TYPE_CHECKING:
    _Check = CheckTable
else:
    _Check = Annotated[Union[tuple(map(_check_table, CHECKS))], Field(discriminator="kind")]  # noqa: UP007


class ScenarioFile(Table):
    """A scenario: schemes and what they act on, growth, or ready calculations."""

    services: ClassVar[Mapping[str, codes.Pod]] = codes.SCHEME_PODS

    name: Word = Field(description="Short name, as commands and tables have it", examples=["nursing_homes"])
    title: str = Field(description="Title, as people read it", examples=["One GP practice for each of 28 homes"])
    narrative: str = Field(description="What it is about, in a few sentences")
    source: str = Field(description="Where it comes from, and what in it is illustrative")
    price_base: Year = Field(description="Year of its pounds", examples=["2023-24"])
    scope: Annotated[str, OneOf(SCOPES)] | None = Field(
        None,
        description="Worked out on the file's own baseline, or on an ICB's activity; left out, its own if it has one",
        examples=["icb"],
    )
    names: dict[str, str] = Field(
        {}, description="What organisations are called, by code", examples=[{"TRUST": "Trust"}]
    )
    first_year: Year | None = Field(
        None, description="First year shown; left out, when the first intervention starts", examples=["2025-26"]
    )
    years: Annotated[int, Limits(1, 60, "years")] = Field(10, description="How many years are shown", examples=[5])
    realisation: Share = Field(1.0, description="Part of the effects that is expected to come", examples=[0.8])
    optimism_bias_pct: Annotated[float, Limits(0, unit="%")] = Field(
        0.0, description="Added to programme costs (Green Book)", examples=[10]
    )
    intervention: list[InterventionTable] = Field([], description="Schemes")
    baseline: list[BaselineTable] = Field([], description="What is there before")
    payment: PaymentTable = Field(PaymentTable(), description="How money follows activity")
    release: ReleaseTable = Field(ReleaseTable(), description="How semi-fixed cost goes")
    correlation: list[CorrelationTable] = Field([], description="Interventions that go well or badly together")
    check: list[_Check] = Field([], description="Ready calculations")
    claim: list[ClaimTable] = Field([], description="What is claimed")
    position: list[PositionTable] = Field([], description="Control totals and planned positions")
    delivery: list[DeliveryTable] = Field([], description="Plan and delivery, month by month")
    equity: EquityTable | None = Field(None, description="Equity weights, of an ICB's activity")
    demand: DemandTable | None = Field(None, description="Growth")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        names = [table.name for table in self.intervention]
        if not names:
            for key in ("realisation", "optimism_bias_pct", "payment", "release", "correlation", "scope", "equity"):
                if key in self.model_fields_set:
                    raise against_rule("changes nothing: the file has no [[intervention]] that it could act on.", key)
        for n, table in enumerate(self.intervention):
            if table.name in names[:n]:
                words = f"intervention names must differ; they are {', '.join(names)}."
                raise against_rule(words, "intervention", n, "name")
            for other in table.depends_on:
                _among(other, names, "intervention", "intervention", n, "depends_on")
        try:
            dependence_order(self.interventions())
        except InputError as error:
            raise against_rule(str(error), "intervention", 0, "depends_on") from None
        for n, correlation in enumerate(self.correlation):
            for other in correlation.of:
                _among(other, names, "intervention", "correlation", n, "of")
        for n, table in enumerate(self.intervention):
            people = [key for key in table.select.chosen() if key in PERSON]
            if people and self.baseline and self.scope != "icb":
                words = f'chooses people by {people[0]}, and [[baseline]] has none. Ask for scope = "icb".'
                raise against_rule(words, "intervention", n, "select")
        if not self.baseline and self.scope == "baseline":
            raise against_rule('is "baseline", but the file has no [[baseline]].', "scope")
        for n, row in enumerate(self.baseline):
            if (row.payment_gbp is None) != (self.baseline[0].payment_gbp is None):
                raise against_rule("must be given for every row or for none.", "baseline", n, "payment_gbp")
        of_schemes = [("claim", n, c.scheme) for n, c in enumerate(self.claim)]
        of_schemes += [("delivery", n, d.scheme) for n, d in enumerate(self.delivery)]
        for key, n, scheme in of_schemes:
            _among(scheme, names, "intervention", key, n, "scheme")
        if self.baseline:
            known, more = self._organisations(), " Declare another organisation under [names]."
            for n, table in enumerate(self.intervention):
                _among(table.payer, known, "organisation", "intervention", n, "payer", more=more)
            organisations = [("claim", n, c.organisation) for n, c in enumerate(self.claim)]
            organisations += [("position", n, p.organisation) for n, p in enumerate(self.position)]
            for key, n, organisation in organisations:
                _among(organisation, known[2:], "organisation", key, n, "organisation", more=more)
            lacking = sorted(self._with_money() - {p.organisation for p in self.position})
            if self.position and lacking:
                words = f"no row for {', '.join(lacking)}, which the schemes touch."
                raise against_rule(words, "position", 0, "organisation")
        return self

    def _organisations(self) -> list[str]:
        """Return who may pay: another code would be a new organisation, made by a slip, that bears the cost."""
        rows = [code for row in self.baseline for code in (row.icb_code, row.provider_code)]
        taking = [table.to.provider_code for table in self.intervention if table.to and table.to.provider_code]
        host = [self.payment.host] if self.payment.host else []
        return ["commissioner", "provider", *rows, *taking, *host, *self.names]

    def _with_money(self) -> set[str]:
        """Return who has money in the schemes: who buys, provides, takes over, pays or holds the budget."""
        rows = {code for row in self.baseline for code in (row.icb_code, row.provider_code)}
        rows |= {table.to.provider_code for table in self.intervention if table.to and table.to.provider_code}
        rows |= {table.payer for table in self.intervention} - {"commissioner", "provider"}
        return rows | ({self.payment.host} if self.payment.host else set())

    def interventions(self) -> tuple[Intervention, ...]:
        """Return what the library works with."""
        return tuple(table.intervention() for table in self.intervention)

    def tracked(self) -> dict[str, pd.DataFrame]:
        """Return what finance tracks, by name: claims, positions, deliveries; empty where the file has none."""
        kinds: dict[str, Sequence[Table]] = {}
        kinds |= {"claims": self.claim, "positions": self.position, "deliveries": self.delivery}
        return {name: pd.DataFrame([row.model_dump() for row in rows]) for name, rows in kinds.items()}

    def own_baseline(self) -> pd.DataFrame | None:
        """Return the baseline that the library works with, if there is one."""
        table = pd.DataFrame([row.row() for row in self.baseline])
        return None if table.empty else table.dropna(axis="columns", how="all")


def _among(value: str, allowed: list[str], what: str, *keys: str | int, more: str = "") -> None:
    try:
        require_one_of(value, allowed, what=what)
    except InputError as error:
        raise against_rule(f"{error}{more}", *keys) from None
