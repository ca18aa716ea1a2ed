"""Expected cost in two parts, and what an area's people would be expected to cost by what is allowed for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from factories import make_tables, typed, write_tables

from pathcost_lib import ledger, paths, pathways, present
from pathcost_lib.benchmark import figures, icb_causes, icb_view, need, two_part, words
from pathcost_lib.benchmark.two_part import two_part_cost
from pathcost_lib.errors import InputError
from pathcost_lib.present import disclosure
from pathcost_lib.sources import open_dataset
from pathcost_lib.sources.published import read

COLUMNS = {"people": "people", "users": "users", "cost": "gbp", "squares": "squares"}
AREAS = [f"Q{n:02d}" for n in range(20)]
#: Areas of the planted data: one whose people are more ill and deprived, one that is expensive for what they are.
ILL, EXPENSIVE = AREAS[0], AREAS[1]
PAID = ["cost_gbp", "variable_gbp", "mean_gbp", "se_gbp"]
PRACTICES = "icb_allocations_weighted_pop/gp_practice_weighted_pop_2025_26.csv.gz"


def cells_of(people: pd.DataFrame, factors: list[str]) -> pd.DataFrame:
    """Return the cells of people, one row each with `gbp`: users have a cost."""
    people = people.assign(people=1, users=(people["gbp"] > 0).astype(int), squares=people["gbp"] ** 2)
    return people.groupby(factors, as_index=False)[["people", "users", "gbp", "squares"]].sum()


def planted_people() -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return 4,000 people of each area by age, tenth and conditions; the chance of any cost; the cost of a user."""
    mixes = []
    for area in AREAS:
        age, tenth, ill = np.linspace(1.2, 0.6, 6), np.ones(5), np.array([0.6, 0.3, 0.1])
        if area == ILL:
            tenth, ill = np.array([2.5, 1.6, 1.0, 0.6, 0.3]), np.array([0.45, 0.35, 0.2])
        mix = np.einsum("a,t,c->atc", age, tenth, ill)
        mixes.append(np.maximum(np.rint(4_000 * mix / mix.sum()), 1))
    numbers = np.array(mixes)
    area, age, tenth, conditions = np.indices(numbers.shape).reshape(4, -1)
    cells = pd.DataFrame({"area": np.array(AREAS)[area], "age": age, "tenth": tenth, "conditions": conditions})
    chance = 1 / (1 + np.exp(0.5 - 0.15 * age + 0.15 * tenth - 0.9 * conditions))
    return cells.assign(people=numbers.ravel()), chance, 800 * np.exp(0.25 * age - 0.08 * tenth + 0.5 * conditions)


def drawn(times: float, rng: np.random.Generator) -> pd.DataFrame:
    """Return the planted people with what they cost this time; users of the expensive area cost `times` as much."""
    cells, chance, cost = planted_people()
    cost = cost * np.where(cells["area"] == EXPENSIVE, times, 1.0)
    users = rng.binomial(cells["people"].to_numpy(dtype=int), chance)
    each, cell = rng.gamma(0.7, np.repeat(cost, users) / 0.7), np.repeat(np.arange(len(cells)), users)
    sums = [np.bincount(cell, value, len(cells)) for value in (each, each**2)]
    return cells.assign(users=users, gbp=sums[0], squares=sums[1])


# -- two parts --------------------------------------------------------------------------------------------------------
@pytest.mark.unit
def test_with_one_factor_each_level_costs_its_own_mean() -> None:
    """Young: 30 of 60 are users, £100 each; old: all 40, £300. So £50 and £300 a person, less what is spread evenly."""
    cells = pd.DataFrame({"area": ["N", "N", "S", "S"], "age": ["young", "old"] * 2})
    cells[["people", "users", "gbp"]] = [[40_000, 22_000, 2.1e6], [10_000, 10_000, 2.8e6],
                                         [20_000, 8_000, 0.9e6], [30_000, 30_000, 9.2e6]]  # fmt: skip
    cells["squares"] = 2 * cells["gbp"] ** 2 / cells["users"]
    model = two_part_cost(cells, factors="age", **COLUMNS)
    table = model.compare("area").set_index("area")
    assert table.loc["N", "expected_gbp"] == pytest.approx(40_000 * 50 + 10_000 * 300, rel=1e-4)
    assert table.loc["S", "difference_gbp"] == pytest.approx(10.1e6 - 20_000 * 50 - 30_000 * 300, rel=0.01)
    assert table["expected_gbp"].sum() == pytest.approx(15e6) and table["difference_gbp"].sum() == pytest.approx(
        0, abs=1
    )
    assert model.worst_tenth < 1e-4
    weighted = two_part_cost(cells.assign(need=[1.0, 1.0, 1.5, 1.5]), weight="need", **COLUMNS).compare("area")
    # 50,000 people of need 1 and as many of 1.5: two fifths and three fifths of £15m.
    assert weighted["expected_gbp"].to_numpy() == pytest.approx([6e6, 9e6])


@pytest.mark.oracle
@pytest.mark.parametrize("odds", [True, False])
def test_coefficients_are_those_of_statsmodels(odds: bool) -> None:
    rng = np.random.default_rng(3)
    x = np.column_stack([np.ones(60), rng.integers(0, 2, (60, 3))]).astype(float)
    n, offset = rng.integers(20, 400, 60).astype(float), np.zeros(60) if odds else rng.normal(0, 0.2, 60)
    rate = rng.uniform(0.01, 0.99, 60) if odds else rng.gamma(2, 300, 60)
    family = sm.families.Binomial() if odds else sm.families.Poisson()
    theirs = sm.GLM(rate, x, family=family, var_weights=n, offset=offset).fit(tol=1e-12).params
    assert two_part._fit(rate, x, n, odds=odds, offset=offset) == pytest.approx(theirs, abs=1e-8)


@pytest.mark.unit
def test_the_standard_error_is_what_each_person_moves() -> None:
    """The infinitesimal jackknife by hand: give one person a little more weight, fit all again, see what moves."""
    rng = np.random.default_rng(8)
    # People who are alike to the penny move the same, so that few refits stand for all.
    kinds = pd.DataFrame([(a, g, s, c) for a in "NS" for g in range(3) for s in "fm" for c in (0.0, 100.0, 900.0)],
                         columns=["area", "age", "sex", "gbp"])  # fmt: skip
    kinds["number"] = rng.integers(200, 900, len(kinds)).astype(float)

    def difference(number: np.ndarray) -> float:
        gbp = kinds["gbp"]
        sums = kinds.assign(people=number, users=number * (gbp > 0), gbp=number * gbp, squares=number * gbp**2)
        cells = sums.groupby(["area", "age", "sex"], as_index=False)[["people", "users", "gbp", "squares"]].sum()
        nonlocal table
        table = two_part_cost(cells, factors=["age", "sex"], **COLUMNS).compare("area").set_index("area")
        return float(table.loc["N", "difference_gbp"])

    table = pd.DataFrame()
    number, step = kinds["number"].to_numpy(), 0.01
    moved = [difference(number + step * (np.arange(len(kinds)) == k)) - difference(number) for k in range(len(kinds))]
    by_hand = np.sqrt((number * (np.array(moved) / step) ** 2).sum())
    assert table.loc["N", "se_gbp"] == pytest.approx(by_hand, rel=2e-3)
    assert table.loc["N", "observed_se_gbp"] > 0


@pytest.mark.unit
@pytest.mark.parametrize(
    ("change", "words_of_it"),
    [
        ({"people": 0}, "people"),
        ({"users": 0}, "gbp must be zero where users is"),
        ({"squares": 0.0}, "squares must be at least"),
        ({"gbp": np.nan}, "gbp"),
    ],
)
def test_cells_that_cannot_be_are_refused(change: dict[str, Any], words_of_it: str) -> None:
    cells = drawn(1.0, np.random.default_rng(1)).astype({"people": float, "users": float})
    cells.loc[cells["gbp"].idxmax(), list(change)] = list(change.values())
    with pytest.raises(InputError, match=words_of_it):
        two_part_cost(cells, factors=["age", "tenth"], **COLUMNS)


@pytest.mark.unit
def test_a_level_without_any_user_has_an_expected_cost_of_about_nothing() -> None:
    cells = pd.DataFrame({"area": ["N", "S"] * 2, "age": ["a", "a", "b", "b"], "people": 500.0})
    cells = cells.assign(users=[250.0, 250.0, 0.0, 0.0], gbp=[2.5e4, 2.5e4, 0.0, 0.0], squares=[5e6, 5e6, 0.0, 0.0])
    table = two_part_cost(cells, factors="age", **COLUMNS).table
    assert table["expected_gbp"].to_numpy() == pytest.approx([25_000, 25_000, 0, 0], abs=60)


# -- planted: an area that costs more because its people are more ill, and one that is expensive ----------------------
@pytest.mark.unit
def test_need_explains_the_ill_area_and_not_the_expensive_one() -> None:
    cells = drawn(1.12, np.random.default_rng(5))
    by_age, by_need = (
        two_part_cost(cells, factors=factors, **COLUMNS).compare("area").set_index("area")
        for factors in (["age"], ["age", "tenth", "conditions"])
    )
    assert by_age.loc[ILL, "lower_95"] > 0 and by_age.loc[EXPENSIVE, "lower_95"] > 0
    assert by_need.loc[ILL, "lower_95"] < 0 < by_need.loc[ILL, "upper_95"]
    assert by_need.loc[EXPENSIVE, "lower_95"] > 0
    # A user costs 12 % more there: about that much of the expected cost.
    share = by_need.loc[EXPENSIVE, ["lower_95", "upper_95"]] / by_need.loc[EXPENSIVE, "expected_gbp"]
    assert share["lower_95"] < 0.12 < share["upper_95"]
    tenths = two_part_cost(cells, factors=["age", "tenth", "conditions"], **COLUMNS).compare("tenth")
    ratio = tenths["expected_gbp"] / tenths["observed_gbp"]
    assert ratio.between(0.95, 1.05).all() and len(ratio) == 10


@pytest.mark.slow
@pytest.mark.property
def test_false_alarms_are_nominal_over_200_samples_once_need_is_allowed_for() -> None:
    """Nobody is expensive: one in twenty intervals leaves zero out, the ill area's among them."""
    rng, out = np.random.default_rng(11), []
    for _ in range(200):
        table = two_part_cost(drawn(1.0, rng), factors=["age", "tenth", "conditions"], **COLUMNS).compare("area")
        out.append((table["lower_95"] > 0) | (table["upper_95"] < 0))
    wrong = np.array(out)
    assert wrong.mean() == pytest.approx(0.05, abs=0.01)  # 4,000 intervals: standard error 0.0034
    assert wrong[:, 0].mean() == pytest.approx(0.05, abs=0.04)  # of the ill area 200


# -- by area ----------------------------------------------------------------------------------------------------------
def view_of(times: float = 1.0, *, conditions: bool = True) -> icb_view.Cells:
    """Return the planted people as tables of areas: two settings, everyone of one sex, the tenth as deprivation."""
    people = drawn(times, np.random.default_rng(5)).rename(columns={"area": "icb_code", "people": "persons"})
    people = people.assign(age_from=40 + 5 * people["age"], sex="female", deprivation_decile=people["tenth"] + 1.0)
    keys = ["icb_code", "age_from", "sex", "deprivation_decile", "conditions"]
    costs = people[[*keys, "users"]].assign(cost_gbp=people["gbp"], squares=people["squares"] * 1e4)
    costs["variable_gbp"] = 0.3 * costs["cost_gbp"]
    costs = pd.concat([costs.assign(setting=name) for name in ("admitted", icb_view.ALL)], ignore_index=True)

    def summed(frame: pd.DataFrame, by: list[str]) -> pd.DataFrame:
        return frame.groupby(by, as_index=False).sum(numeric_only=True)

    by_tenth = [*keys[:-1], "setting"]
    ill = {"condition_people": people[[*keys, "persons"]], "condition_costs": costs} if conditions else {}
    none = pd.DataFrame(columns=["pathway", "icb_code", "phase", "setting", "in_year", "contacts", "cost_gbp"])
    return icb_view.Cells(
        costs=summed(costs, by_tenth).drop(columns="conditions"),
        registered=summed(people[[*keys[:-1], "persons"]], keys[:-1]),
        population=summed(people[[*keys[:3], "persons"]], keys[:3]),
        providers=pd.DataFrame(),
        events=pd.DataFrame(),
        pieces=none,
        pathways=pd.DataFrame(columns=["pathway", "icb_code", "pathways", *PAID]),
        **ill,
    )


@pytest.mark.unit
def test_each_basis_stands_beside_the_others_and_the_most_that_is_known_is_taken() -> None:
    cells = view_of(1.12)
    costs = icb_view.cost_per_person(cells)
    table = need.by_basis(cells, costs, ILL).set_index("basis")
    assert list(table.index) == list(need.BASES)
    assert table.loc["age_sex", "difference_lower_95"] > 0
    assert table.loc["conditions", "difference_lower_95"] < 0 < table.loc["conditions", "difference_upper_95"]
    assert table.loc["head":"conditions", "explained_pct"].is_monotonic_increasing
    assert table.loc["published", "reason"] == "no weight is published of this area"  # these areas are invented
    assert need.most_allowed(table.reset_index()) == "conditions"
    # At equal age and sex it is the ratio to what the area's people would cost at the means of all, by hand.
    strata = cells.costs[cells.costs["setting"] == icb_view.ALL].groupby(["icb_code", "age_from"])["cost_gbp"].sum()
    persons = cells.population.set_index(["icb_code", "age_from"])["persons"]
    means = strata.groupby("age_from").sum() / persons.groupby("age_from").sum()
    ratio = strata[ILL].sum() / (persons[ILL] * means).sum()
    assert table.loc["age_sex", "index"] == pytest.approx(100 * ratio, rel=1e-4)
    assert table.loc["age_sex", "reference_gbp"] == pytest.approx(strata.sum() / persons.sum())


@pytest.mark.unit
def test_what_is_not_known_has_a_reason_and_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = view_of(conditions=False)
    costs = icb_view.cost_per_person(cells)
    table = need.by_basis(cells, costs, ILL).set_index("basis")
    assert table.loc["conditions", "reason"] == "long-term conditions are not known of areas with over 5% of the people"
    assert (
        np.isnan(table.loc["conditions", "difference_gbp"]) and need.most_allowed(table.reset_index()) == "deprivation"
    )
    # Of one area no tenth is known: it is out, and the others are compared without it (it has 5 % of the people).
    monkeypatch.setattr(need, "LEAST_KNOWN", 0.9)
    lost = cells.costs["icb_code"] == ILL
    gone = replace(
        cells,
        costs=cells.costs.assign(deprivation_decile=cells.costs["deprivation_decile"].mask(lost)),
        registered=cells.registered[cells.registered["icb_code"] != ILL],
    )
    mine, other = (need.by_basis(gone, costs, icb).set_index("basis").loc["deprivation"] for icb in (ILL, EXPENSIVE))
    assert mine["reason"] == "deprivation is not known of over 5% of the people of this area"
    assert np.isfinite(other["difference_gbp"])
    alone = replace(gone, population=cells.population.query("icb_code == @ILL"), costs=cells.costs[lost])
    one = need.by_basis(alone, icb_view.cost_per_person(alone), ILL)
    assert set(one["reason"].head(3)) == {icb_view.ONE_AREA} and one["difference_gbp"].isna().all()


@pytest.mark.unit
def test_published_weights_share_out_the_cost_of_all() -> None:
    listed = pd.read_csv(paths.reference() / "need_weights.csv").query("service == 'general_and_acute'").head(20)
    renamed = dict(zip(AREAS, listed["icb_code"], strict=True))
    cells = view_of()
    tables = {n: getattr(cells, n) for n in ("costs", "population")}
    cells = replace(cells, **{n: t.assign(icb_code=t["icb_code"].map(renamed)) for n, t in tables.items()})
    table = need.by_basis(cells, icb_view.cost_per_person(cells), renamed[ILL]).set_index("basis")
    # By hand: the cost of all, shared out by people times their weight (all of it is admitted care).
    weight = listed.set_index("icb_code")["weighted"] / listed.set_index("icb_code")["registered"]
    persons = cells.population.groupby("icb_code")["persons"].sum()
    paid = cells.costs.query("setting == 'admitted'").groupby("icb_code")["cost_gbp"].sum()
    expected = paid.sum() * (persons * weight)[renamed[ILL]] / (persons * weight).sum()
    assert table.loc["published", "index"] == pytest.approx(100 * paid[renamed[ILL]] / expected)


@pytest.mark.unit
def test_opportunity_is_claimed_where_an_area_is_expensive_and_not_where_its_people_are_ill() -> None:
    cells = view_of(1.25)
    costs = icb_view.cost_per_person(cells)
    peers = (
        pd.DataFrame([(a, b) for a in AREAS for b in AREAS if a != b], columns=["unit", "peer"])
        .groupby("unit")
        .head(10)
    )

    def claimed(icb: str, basis: str) -> float:
        equal = need.adjusted(cells, costs, basis)
        options = {"draws": 500, "rng": np.random.default_rng(1), "adjusted": equal}
        return float(icb_causes.opportunities(cells, costs, icb, peers, **options)["opportunity_gbp"].sum())  # type: ignore[arg-type]

    assert claimed(ILL, "age_sex") > 0 and claimed(ILL, "conditions") == 0
    assert claimed(EXPENSIVE, "conditions") > 0
    # In its own pounds: what is spent beyond the mean of all, at the need of its people.
    table = need.adjusted(cells, costs, "conditions")
    assert table is not None
    equal = table.set_index("icb_code").loc[ILL]
    model = need.expected_cost_of(cells, costs, basis="conditions")
    assert not isinstance(model, str)
    row = model.compare("icb_code").set_index("icb_code").loc[ILL]
    assert equal["mean_gbp"] * equal["own_need"] * row["people"] == pytest.approx(row["observed_gbp"])


@pytest.mark.unit
def test_conditions_are_read_with_every_pound_of_them(tmp_path: Path) -> None:
    tables = make_tables(patients=60)
    tables["patients"] = typed(tables["patients"].assign(conditions=[n % 9 for n in range(60)]))
    data = open_dataset(write_tables(tmp_path / "data", tables))
    costed = ledger.cost_activity(data.activity, data.unit_costs, data.organisations, price_base="2024-25")
    links = pathways.link(costed, pathways.load_definition("knee_replacement"), patients=data.patients)
    cells = icb_view.read(costed, links, patients=data.patients, population=data.population, year="2024-25")
    assert cells.condition_costs is not None and cells.condition_people is not None
    keys = ["icb_code", "setting"]
    for sums in (["users", "cost_gbp", "squares"],):
        whole, parts = (frame.groupby(keys)[sums].sum() for frame in (cells.costs, cells.condition_costs))
        pd.testing.assert_frame_equal(whole, parts, check_dtype=False)
    assert set(cells.condition_costs["conditions"]) == {0, 1, 2, 3, 4, 5}  # five and over together
    assert cells.condition_people["persons"].sum() == cells.registered["persons"].sum()


# -- words and figure -------------------------------------------------------------------------------------------------
def _need(step: float, low: float, high: float, *, published: tuple[float, float, float]) -> disclosure.Disclosed:
    rows = [("age_sex", 140.0, 51.0, 228.0), ("deprivation", step, low, high), ("published", *published)]
    table = pd.DataFrame(rows, columns=["basis", *need._DIFFERENCE]).assign(persons=15_000, reference_gbp=2_180.0)
    table = table.assign(value_gbp=2_180.0 + table["difference_gbp"], reason="")
    table["allows_for"] = table["basis"].map(need.BASES)
    return present.disclose(table, counts="persons", in_order=True)


@pytest.mark.unit
def test_words_say_what_need_does_and_doubt_what_the_published_weights_deny() -> None:
    table = _need(90.0, 20.0, 160.0, published=(-90.0, -170.0, -10.0))
    said = words.need_sentence(table, "deprivation", reference="England")
    assert said == "Allowing for age, sex and deprivation it is £90 more than England (+£20 to +£160)."
    none = words.need_sentence(_need(9.0, -60.0, 80.0, published=(1.0, -9.0, 9.0)), "deprivation", reference="England")
    assert none == "Allowing for age, sex and deprivation there is no clear difference from England (−£60 to +£80)."
    assert words.need_sentence(table, "age_sex", reference="England") == ""
    row = {"setting": "all_settings", "persons": 15_000, "value_gbp": 2_330.0, "lower_95": 2_230.0, "upper_95": 2_420.0}
    row |= {
        "reference_gbp": 2_180.0,
        "difference_gbp": 150.0,
        "difference_lower_95": 57.0,
        "difference_upper_95": 237.0,
    }
    costs = present.disclose(pd.DataFrame([row | {"cost_gbp": 3e7, "reason": ""}]), counts="persons")
    claims = pd.DataFrame({"claim": ["admitted"], "persons": [15_000], "target_gbp": [800.0], "opportunity_gbp": [0.0]})
    gone = present.disclose(claims.assign(once_gbp=0.0, once_variable_gbp=0.0), counts="persons")
    coverage = pd.DataFrame({"setting": ["admitted"], "coverage_pct": [95.0]})
    options: dict[str, Any] = {"reference": "England", "need": table, "basis": "deprivation"}
    finding = words.variation_finding(costs, gone, coverage, **options)
    assert finding.title == "Whether we cost more than England depends on how need is allowed for"
    assert finding.headline is not None
    assert finding.headline.against == "£90 more than England; £90 less by the NHS's own need weights"
    assert "By the NHS's own need weights: £90 less." in finding.lines[0]
    assert (finding.confidence.level, finding.figure) == ("low", "need")
    unsure = {**options, "need": _need(90.0, 20.0, 160.0, published=(-40.0, -170.0, 90.0))}
    finding = words.variation_finding(costs, gone, coverage, **unsure)
    assert finding.title == "We spend £90 more on each person than England, after need is allowed for"
    assert finding.confidence == present.findings.Confidence("medium", "the NHS's own need weights do not show it")
    agree = {**options, "need": _need(90.0, 20.0, 160.0, published=(80.0, 10.0, 150.0))}
    assert words.variation_finding(costs, gone, coverage, **agree).confidence.level == "high"
    text = figures.describe_adjustments(table.frame, reference="England")
    assert "Age, sex and deprivation: +£90 (+£20 to +£160)" in text.replace("age, sex", "Age, sex")


# -- published --------------------------------------------------------------------------------------------------------
@pytest.mark.published
def test_weights_by_icb_are_the_sums_of_the_published_ones_by_practice(public_data: Path) -> None:
    practices = read("gp_weighted_population", public_data / PRACTICES)
    ours = pd.read_csv(paths.reference() / "need_weights.csv")
    services = sorted(ours["service"].unique())
    theirs = practices.table.groupby("icb_code")[["registered", *services]].sum()
    table = ours.set_index(["icb_code", "service"])["weighted"].unstack()  # noqa: PD010
    assert table.loc[theirs.index, services].to_numpy() == pytest.approx(theirs[services].to_numpy(), abs=0.51)
    registered = ours.drop_duplicates("icb_code").set_index("icb_code")["registered"]
    assert registered[theirs.index].to_numpy() == pytest.approx(theirs["registered"].to_numpy(), abs=0.51)


@pytest.mark.published
def test_conditions_of_one_year_predict_the_cost_of_the_next(public_data: Path) -> None:
    """CMS DE-SynPUF, 2008 to 2009: by number of chronic conditions, beside age and sex alone."""
    file = "cms_desynpuf/sample1_beneficiary_summary_{}.csv.gz"
    before, after = (pd.read_csv(public_data / file.format(year)) for year in (2008, 2009))
    paid = ["MEDREIMB_IP", "MEDREIMB_OP", "MEDREIMB_CAR"]
    after = after.assign(gbp=after[paid].sum(axis=1).clip(lower=0))[["DESYNPUF_ID", "gbp"]]
    people = before[before["BENE_DEATH_DT"].isna()].merge(after, on="DESYNPUF_ID")
    names = [c for c in people if c.startswith("SP_") and c != "SP_STATE_CODE"]
    people = people.assign(
        age=((2008 - people["BENE_BIRTH_DT"] // 10_000).clip(25, 94) // 5 * 5).astype(str),
        sex=people["BENE_SEX_IDENT_CD"].astype(str),
        conditions=(people[names] == 1).sum(axis=1).clip(upper=8).astype(str),
    )
    cells = cells_of(people, ["age", "sex", "conditions"])
    plain = two_part_cost(cells, factors=["age", "sex"], **COLUMNS)
    model = two_part_cost(cells, factors=["age", "sex", "conditions"], **COLUMNS)
    assert plain.r_squared < 0.01 and model.r_squared == pytest.approx(0.177, abs=0.001)
    # Nine tenths of the cost are in these six; below, where a tenth has few users, chance alone is over a tenth of it.
    upper = model.compare("tenth").query("tenth >= 5")
    assert upper["observed_gbp"].sum() > 0.85 * model.table["gbp"].sum()
    assert (upper["expected_gbp"] / upper["observed_gbp"]).between(0.95, 1.05).all()
    groups = [m.compare("conditions") for m in (plain, model)]
    alone, with_conditions = (g["expected_gbp"] / g["observed_gbp"] for g in groups)
    assert with_conditions.between(0.99, 1.01).all()
    assert (
        alone.iloc[0] > 4 and alone.iloc[-1] < 0.4
    )  # age and sex alone: the well cost a quarter of it, the ill thrice
