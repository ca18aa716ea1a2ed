"""Demand by driver: the identity, worked examples, the official populations, and the gap."""

from __future__ import annotations

import json
from dataclasses import replace

import duckdb
import numpy as np
import pandas as pd
import pytest
from doors import cases_outlook
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pathcost_lib.errors import InputError
from pathcost_lib.sample import generate
from pathcost_lib.scenarios import (
    DemandModel,
    capacity,
    cost_path,
    do_nothing_gap,
    observed_growth,
    official_growth,
    official_inputs,
    official_months,
    project,
    simulate_demand,
    tornado,
)
from pathcost_lib.scenarios.demand import words
from pathcost_lib.scenarios.demand.projection import ACTIVITY_DRIVERS, Growth
from pathcost_lib.scenarios.draws import Distribution

SEXES = ("female", "male")


def people(persons: np.ndarray, *, first: int = 2024, youngest: int = 60) -> pd.DataFrame:
    """Return a population from persons by (ICB, year, sex, age)."""
    icbs, years, sexes, ages = persons.shape
    index = pd.MultiIndex.from_product(
        [[f"Q{i}" for i in range(icbs)], range(first, first + years), SEXES[:sexes], range(youngest, youngest + ages)],
        names=["icb_code", "year", "sex", "age"],
    )
    return pd.DataFrame({"persons": persons.ravel()}, index=index).reset_index().assign(variant="principal")


def use(rate: np.ndarray, *, youngest: int = 60, icbs: bool = False) -> pd.DataFrame:
    """Return rates from (ICB,) POD, sex, age."""
    pods, sexes, ages = rate.shape[-3:]
    levels = [[f"pod{p}" for p in range(pods)], SEXES[:sexes], range(youngest, youngest + ages)]
    names = ["pod", "sex", "age"]
    if icbs:
        levels, names = [[f"Q{i}" for i in range(len(rate))], *levels], ["icb_code", *names]
    return pd.DataFrame({"rate": rate.ravel()}, index=pd.MultiIndex.from_product(levels, names=names)).reset_index()


numbers = st.integers(0, 2**31)


@st.composite
def settings_of(draw):
    rng = np.random.default_rng(draw(numbers))
    population = people(rng.uniform(0, 5e4, (2, 5, 2, 6)))
    rates = use(rng.uniform(0, 3, (2, 3, 2, 6)), icbs=True)
    growth = Growth(
        non_demographic_pct={"pod0": draw(st.floats(-5, 5)), "*": draw(st.floats(-5, 5))},
        health_status_years=draw(st.floats(-0.5, 0.5)),
        waiting_list_pct={"pod1": draw(st.floats(0, 30))},
        waiting_list_years=draw(st.integers(1, 4)),
        level_up_share=draw(st.floats(0, 1)),
        level_up_years=draw(st.integers(1, 6)),
    )
    return population, rates, growth


laws = settings(max_examples=20)
SPAN = {"base_year": 2024, "horizon": 2028}
PARTS = ["base_activity", *(f"{d}_activity" for d in ACTIVITY_DRIVERS), "interaction_activity"]


@pytest.mark.property
@laws
@given(settings_of(), st.randoms())
def test_drivers_and_interaction_add_exactly_at_every_cell_and_sum(given_, random):
    population, rates, growth = given_
    table = project(population, rates, growth=growth, **SPAN).table
    assert (table[PARTS].sum(axis=1) == table["activity"]).all()
    for by in (["icb_code"], ["year"], ["pod", "year"]):
        sums = table.groupby(by)[[*PARTS, "activity"]].sum()
        assert (sums[PARTS].sum(axis=1) == sums["activity"]).all()
    shuffled = table.sample(frac=1, random_state=random.randint(0, 2**31))
    assert shuffled["activity"].sum() == table["activity"].sum() == table[PARTS].to_numpy().sum()
    costs = cost_path(
        project(population, rates, growth=growth, **SPAN),
        pd.DataFrame({"pod": ["pod0", "pod1", "pod2"], "unit_cost_gbp": [123.4567, 89.1, 5000.0]}),
        price_pct=2.5,
    ).table
    money = [c for c in costs.columns if c.endswith("_gbp") and c != "cost_gbp"]
    assert (costs[money].sum(axis=1) == costs["cost_gbp"]).all()
    assert costs[money].to_numpy().sum() == costs["cost_gbp"].sum()


@pytest.mark.slow
@pytest.mark.property
@laws
@given(settings_of())
def test_each_driver_alone_equals_its_isolated_effect(given_):
    population, rates, growth = given_
    whole = project(population, rates, growth=growth, **SPAN).table
    still = population.merge(
        population.loc[population["year"] == 2024].drop(columns="year"), on=["icb_code", "sex", "age", "variant"]
    ).rename(columns={"persons_y": "persons"})
    only = {
        "demographic": (population, Growth()),
        "health_status": (still, Growth(health_status_years=growth.health_status_years)),
        "non_demographic": (still, Growth(non_demographic_pct=growth.non_demographic_pct)),
        "level_up": (still, Growth(level_up_share=growth.level_up_share, level_up_years=growth.level_up_years)),
        "waiting_list": (
            still,
            Growth(waiting_list_pct=growth.waiting_list_pct, waiting_list_years=growth.waiting_list_years),
        ),
    }
    for driver, (persons, alone) in only.items():
        table = project(persons, rates, growth=alone, **SPAN).table
        effect = table["activity"] - table["base_activity"]
        assert effect.to_numpy() == pytest.approx(whole[f"{driver}_activity"].to_numpy(), abs=2e-6)
        assert (table["interaction_activity"].abs() <= 2e-6).all()


@pytest.mark.property
@laws
@given(numbers)
def test_zero_growth_gives_the_base_exactly(number):
    rng = np.random.default_rng(number)
    year = rng.uniform(0, 5e4, (2, 1, 2, 6))
    population, rates = people(np.repeat(year, 5, axis=1)), use(rng.uniform(0, 3, (3, 2, 6)))
    table = project(population, rates, **SPAN).table
    assert (table["activity"] == table["base_activity"]).all()
    assert (table[PARTS[1:]] == 0).all().all()
    assert sorted(table["year"].unique()) == [2024, 2025, 2026, 2027, 2028]


@pytest.mark.unit
def test_factors_by_hand():
    # 100 people of 60 and 200 of 61 and over; use 1 and 2 a head. Next year 110 and 200.
    persons = np.array([[[[100.0, 200.0]], [[110.0, 200.0]]]])
    population, rates = people(persons), use(np.array([[[1.0, 2.0]]]))
    growth = Growth(non_demographic_pct={"*": 10.0}, health_status_years=0.5, waiting_list_pct={"pod0": 6.0})
    row = project(population, rates, base_year=2024, horizon=2025, growth=growth).table.iloc[1]
    assert row["base_activity"] == 500
    assert row["demographic_activity"] == 10
    # Half a year younger: 61 uses 1.5 a head; 60 is the youngest, and stays at 1.
    assert row["health_status_activity"] == -100
    assert row["non_demographic_activity"] == pytest.approx(50)
    assert row["waiting_list_activity"] == pytest.approx(10)  # 6 % over three years
    assert row["activity"] == pytest.approx((110 + 200 * 1.5) * 1.1 + 10)
    assert row["interaction_activity"] == pytest.approx(461 - 500 - 10 + 100 - 50 - 10)


@pytest.mark.unit
def test_health_status_holds_from_an_age():
    population = people(np.full((1, 2, 1, 3), 100.0), youngest=53)
    rates = use(np.array([[[9.0, 1.0, 2.0]]]), youngest=53)  # the young use more: fewer years must not add use
    growth = Growth(health_status_years=1.0, scenario="test abc")
    result = project(population, rates, base_year=2024, horizon=2025, growth=growth)
    assert result.table["activity"].tolist() == [1200.0, 1100.0]  # only those of 55 are read a year younger
    assert result.scenario == "test abc"


@pytest.mark.unit
def test_levelling_up_by_hand():
    population = people(np.full((2, 2, 1, 1), 100.0))
    rates = use(np.array([[[[1.0]]], [[[3.0]]]]), icbs=True)
    table = project(
        population, rates, base_year=2024, horizon=2025, growth=Growth(level_up_share=0.5, level_up_years=1)
    )
    last = table.table[table.table["year"] == 2025].set_index("icb_code")["activity"]
    assert last.to_dict() == {"Q0": 150.0, "Q1": 300.0}  # pooled use is 2 a head: half of the gap is closed
    with pytest.raises(InputError, match="rates by ICB"):
        project(population, use(np.array([[[1.0]]])), base_year=2024, horizon=2025, growth=Growth(level_up_share=0.5))


@pytest.mark.unit
def test_open_top_age_coverage_and_calibration():
    population = people(np.full((1, 2, 1, 5), 10.0), youngest=58)
    rates = use(np.array([[[1.0, 3.0]]]))  # ages 60 and 61: 58 and 59 have none, 62 joins 61
    actual = pd.DataFrame({"icb_code": ["Q0"], "pod": ["pod0"], "activity": [140.0]})
    result = project(population, rates, base_year=2024, horizon=2025, base_activity=actual)
    assert result.not_covered == "Not covered: ages below 60, 40.0 % of persons, for want of rates."
    assert result.table["activity"].tolist() == [140.0, 140.0]
    assert project(population, rates, base_year=2024, horizon=2025).table["activity"].tolist() == [70.0, 70.0]
    assert "changes by 0.0 %" in result.summary


@pytest.mark.unit
def test_bad_input_is_said_plainly():
    population, rates = people(np.ones((1, 2, 1, 2))), use(np.ones((1, 1, 2)))
    with pytest.raises(InputError, match="no year 2026, 2027"):
        project(population, rates, base_year=2024, horizon=2027)
    with pytest.raises(InputError, match="Allowed: principal"):
        project(population, rates, base_year=2024, horizon=2025, variant="high")
    with pytest.raises(InputError, match="lack persons"):
        project(population.drop(columns="persons"), rates, base_year=2024, horizon=2025)
    with pytest.raises(InputError, match="rates must hold each key once"):
        project(population, pd.concat([rates, rates]), base_year=2024, horizon=2025)
    with pytest.raises(InputError, match="Did you mean pod0"):
        growth = Growth(non_demographic_pct={"pod": 1.0})
        project(population, rates, base_year=2024, horizon=2025, growth=growth)


def projected(population: pd.DataFrame, rates: pd.DataFrame, **options: object) -> object:
    return project(population, rates, base_year=2024, horizon=2025, **options)  # type: ignore[arg-type]


@pytest.mark.unit
@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.assign(persons=t["persons"].where(t.index != 2)),
        lambda t: t[~((t["age"] == 61) & (t["year"] == 2025))],
        lambda t: t[~((t["age"] == 61) & (t["year"] == 2025) & (t["sex"] == "male"))],
        lambda t: t.assign(sex=t["sex"].replace("male", "Male")),
        lambda t: t.assign(sex=t["sex"].replace("male", "M")),
        lambda t: pd.concat([t, t]),
        lambda t: t.assign(persons=-t["persons"]),
    ],
    ids=["persons unknown", "an age without rows", "a sex without rows", "Male", "M", "given twice", "below zero"],
)
def test_a_population_with_a_fault_is_refused(change):
    population, rates = people(np.full((1, 2, 2, 3), 10.0)), use(np.ones((1, 2, 3)))
    projected(population, rates)
    with pytest.raises(InputError):
        projected(change(population), rates)


@pytest.mark.unit
def test_base_activity_that_is_unknown_or_has_no_rate_is_refused():
    population, rates = people(np.full((1, 2, 1, 2), 10.0)), use(np.ones((1, 1, 2)))
    base = pd.DataFrame({"icb_code": ["Q0"], "pod": ["pod0"], "activity": [40.0]})
    assert projected(population, rates, base_activity=base).table["activity"].iloc[0] == pytest.approx(40)
    with pytest.raises(InputError, match="activity"):
        projected(population, rates, base_activity=base.assign(activity=np.nan))
    with pytest.raises(InputError):
        projected(population, rates.assign(rate=0.0), base_activity=base)


@pytest.mark.unit
def test_a_year_not_projected_has_no_waterfall_and_a_backlog_needs_a_year():
    projection = projected(people(np.full((1, 2, 1, 2), 10.0)), use(np.ones((1, 1, 2))))
    assert projection.waterfall(2025)["total"].tolist() == [20.0]
    with pytest.raises(InputError, match="2030"):
        projection.waterfall(2030)
    with pytest.raises(InputError, match="waiting_list_years"):
        Growth(waiting_list_years=0)


@pytest.mark.unit
def test_growth_with_an_unknown_last_year_is_refused():
    years = range(2021, 2025)
    counts = pd.DataFrame(
        [("a", y, age, "female", 1000 * 1.03 ** (y - 2021), 500.0) for y in years for age in (60, 61)],
        columns=["pod", "year", "age", "sex", "activity", "persons"],
    )
    assert observed_growth(counts).table["growth_pct"].iloc[0] == pytest.approx(3.0)
    with pytest.raises(InputError, match="activity"):
        observed_growth(counts.assign(activity=counts["activity"].where(counts["year"] < 2024)))


@pytest.mark.unit
def test_a_scope_without_a_costed_pod_is_refused():
    projection = projected(people(np.full((1, 2, 1, 2), 10.0)), use(np.ones((1, 1, 2))))
    units = pd.DataFrame({"pod": ["pod0"], "unit_cost_gbp": [10.0], "fixed_share": [0.5], "semi_fixed_share": [0.3]})
    path, rest = cost_path(projection, units), {"allocation_growth_pct": 5.0, "efficiency_pct": 1.0}
    assert do_nothing_gap(path, scopes={"health": ["pod0"]}, **rest)["scope"].unique().tolist() == ["health"]
    for scopes in ({"health": ["pod9"]}, {"health": []}, ["pod0"]):
        with pytest.raises(InputError, match=r"[Ss]cope"):
            do_nothing_gap(path, scopes=scopes, **rest)
    with pytest.raises(InputError, match="base_gap_gbp"):
        do_nothing_gap(path, scopes={"health": ["pod0"]}, base_gap_gbp={"social care": 1.0}, **rest)


@pytest.mark.unit
def test_cost_behaviour_capacity_and_gap_by_hand():
    population = people(np.array([[[[100.0]], [[112.0]]]]))
    projection = project(population, use(np.array([[[10.0]]])), base_year=2024, horizon=2025)
    units = pd.DataFrame({"pod": ["pod0"], "unit_cost_gbp": [10.0], "fixed_share": [0.5], "semi_fixed_share": [0.3]})
    average = cost_path(projection, units, price_pct=10.0)
    assert average.table["cost_gbp"].tolist() == pytest.approx([10_000, 12_320])
    assert average.table["price_gbp"].iloc[1] == pytest.approx(1000)
    assert average.table["interaction_gbp"].iloc[1] == pytest.approx(120)
    # In steps of 5 %, 12 % more needs three more: 5,000 fixed + 3,000 x 23/20 + 2,000 x 1.12.
    steps = cost_path(projection, units, behaviour="steps")
    assert steps.table["cost_gbp"].tolist() == pytest.approx([10_000, 10_690], abs=0.001)
    assert cost_path(projection, units.assign(pod="other")).not_costed["reason"].tolist() == ["no unit cost"]
    gap = do_nothing_gap(average, allocation_growth_pct=5.0, efficiency_pct=1.0)
    assert gap["gap_gbp"].tolist() == pytest.approx([0, 12_320 * 0.99 - 10_500])
    needs = pd.DataFrame({"pod": ["pod0"], "bed_days_per_unit": [3.0], "staff_minutes_per_unit": [30.0]})
    row = capacity(projection.table[["pod", "year", "activity"]], needs, occupancy_pct=90).iloc[0]
    assert row["beds"] == pytest.approx(1000 * 3 / 365.25 / 0.9)
    assert row["staff_hours"] == 500


@pytest.mark.unit
def test_tornado_ranks_assumptions():
    population = people(np.array([[[[100.0]], [[100.0]]]]))
    growth = Growth(
        non_demographic_pct={"pod0": Distribution("interval", (1.0, 2.0))},
        waiting_list_pct={"pod0": Distribution("interval", (0.0, 30.0))},
    )
    model = DemandModel(population, use(np.array([[[1.0]]])), base_year=2024, horizon=2025)
    table = tornado(model, growth, year=2025)
    assert table["assumption"].tolist() == ["waiting_list_pct.pod0", "non_demographic_pct.pod0"]
    assert table["low"].tolist() == pytest.approx([101.5, 100 * 1.01 + 5])
    assert table["high"].tolist() == pytest.approx([111.5, 100 * 1.02 + 5])


# -- growth as observed -----------------------------------------------------------------------------------------------


@pytest.mark.oracle
def test_observed_growth_against_statsmodels():
    import statsmodels.api as sm

    rng = np.random.default_rng(3)
    keys = pd.MultiIndex.from_product([range(2015, 2020), range(60, 66), SEXES], names=["year", "age", "sex"])
    cells = keys.to_frame(index=False).assign(pod="x", persons=rng.uniform(100, 900, len(keys)))
    mean = cells["persons"] * 0.01 * (cells["age"] - 55) * 1.04 ** (cells["year"] - 2015)
    cells["activity"] = rng.negative_binomial(8, 8 / (8 + mean))
    ours = observed_growth(cells).table.iloc[0]
    stratum = pd.get_dummies(cells["age"].astype(str) + cells["sex"], dtype=float)
    design = stratum.assign(year=cells["year"] - 2017.0)
    fit = sm.GLM(cells["activity"], design, family=sm.families.Poisson(), offset=np.log(cells["persons"])).fit(
        scale="X2"
    )
    assert ours["growth_pct"] == pytest.approx(100 * np.expm1(fit.params["year"]), abs=1e-6)
    assert ours["dispersion"] == pytest.approx(fit.scale, rel=1e-6)
    limits = 100 * np.expm1(fit.conf_int().loc["year"])
    assert (ours["lower_95"], ours["upper_95"]) == pytest.approx(tuple(limits), abs=1e-5)
    assert observed_growth(cells[cells["year"] == 2015]).table["reason"].str.contains("two years").all()
    with pytest.raises(InputError, match="counts must hold each key once"):
        observed_growth(pd.concat([cells, cells]))


@pytest.mark.slow
@pytest.mark.unit
def test_planted_demand_trends_of_the_sample_are_recovered(tmp_path):
    folder = generate(tmp_path / "sample", people=60_000)
    planted = pd.Series(_find(json.loads((folder / "truth.json").read_text()), "demand_trend_pct_per_year"))
    # One ICB has a planted shift from follow-ups to community contacts in the second year: not a trend.
    shifted = _find(json.loads((folder / "truth.json").read_text()), "cost_shift")["icb_code"]
    counts = duckdb.connect().execute(SAMPLE_COUNTS.format(folder=folder, shifted=shifted)).df()
    table = observed_growth(counts).table.set_index("pod").loc[planted.index]
    assert len(planted) == 19
    # Nineteen intervals at once: the squared distances in standard errors add to a chi-squared of 19 degrees.
    error = (table["upper_95"] - table["lower_95"]) / (2 * stats.norm.ppf(0.975))
    distance = (table["growth_pct"] - planted) / error
    assert (distance**2).sum() < stats.chi2.ppf(0.99, 19)
    assert (distance.abs() < 1.96).sum() >= 16  # fewer would come about once in seventy times
    assert table.loc["gp_appointment", ["lower_95", "upper_95"]].between(0.5, 4.0).all()  # narrow enough to tell


def _find(tree: object, key: str) -> object:
    """Return the value of a key, however deep."""
    if isinstance(tree, dict):
        return tree[key] if key in tree else next((v for t in tree.values() if (v := _find(t, key))), None)
    return None


#: Contacts and person-days (person-weekdays where a POD has none at weekends) by POD, financial year, age and sex.
SAMPLE_COUNTS = """
WITH years AS (
    SELECT * FROM (VALUES (2023, DATE '2023-04-01', DATE '2024-03-31', 366, 260),
                          (2024, DATE '2024-04-01', DATE '2025-03-31', 365, 261)) AS t(year, a, b, days, weekdays)),
people AS (
    SELECT patient_id, sex, birth_year, died_on FROM '{folder}/patients.parquet' WHERE icb_code <> '{shifted}'),
contacts AS (SELECT * FROM read_parquet('{folder}/activity/*/*.parquet', hive_partitioning = false)),
pods AS (SELECT pod, bool_or(isodow(start_date) > 5) AS weekends FROM contacts GROUP BY 1),
risk AS (
    SELECT year, least(year - birth_year, 90) AS age, sex, any_value(days) AS days, any_value(weekdays) AS weekdays,
        sum(CASE WHEN died_on IS NULL OR died_on > b THEN 1 WHEN died_on < a THEN 0 ELSE (died_on - a) / days END) AS n
    FROM people CROSS JOIN years WHERE birth_year < year GROUP BY ALL),
seen AS (
    SELECT pod, year, least(year - birth_year, 90) AS age, sex, count(*) AS activity
    FROM contacts JOIN people USING (patient_id) JOIN years ON start_date BETWEEN a AND b
    WHERE birth_year < year GROUP BY ALL)
SELECT pods.pod, risk.year, risk.age, risk.sex, coalesce(activity, 0) AS activity,
    n * CASE WHEN weekends THEN days ELSE weekdays END AS persons
FROM risk CROSS JOIN pods LEFT JOIN seen USING (pod, year, age, sex)
"""


# -- the official populations and rates -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def official(public_data):
    folder = public_data / "icb_population_projections"
    read = pd.read_csv(folder / "icb_population_by_age_sex_2000_2043_principal.csv.gz")
    read = read[read["area_code"].str.startswith("E54") & read["year"].between(2025, 2040)]
    keys = ["area_code", "year", "age"]
    population = read.melt(keys, ["female", "male"], var_name="sex", value_name="persons")
    population = population.rename(columns={"area_code": "icb_code"}).assign(variant="principal")
    raw = pd.read_csv(folder / "icb_activity_rates_by_age_sex_2022.csv.gz")
    raw = raw[raw["area_code"].str.startswith("E54")].rename(columns={"group": "g"})
    raw = raw.rename(columns={"female_rate_smoothed": "female", "male_rate_smoothed": "male", "area_code": "icb_code"})
    raw["pod"] = raw.pop("g")
    rates = raw.melt(["icb_code", "pod", "age"], ["female", "male"], var_name="sex", value_name="rate")
    # Smoothing has put three rates of 79,716 below zero (elective bed days of men of 18 and 19): a use of zero.
    assert (rates["rate"] < 0).sum() == 3
    return population, rates.assign(rate=rates["rate"].clip(lower=0))


@pytest.mark.published
def test_official_growth_by_two_routes(official):
    population, rates = official
    result = project(population, rates, base_year=2025, horizon=2040)
    table = result.table
    assert table.groupby(["icb_code", "pod"]).ngroups == 42 * 13
    assert "ages below 18" in result.not_covered
    # Route two: an expected value by a plain join on keys, nothing shared with the arrays.
    top = population.assign(age=population["age"].clip(upper=90)).groupby(["icb_code", "year", "age", "sex"])["persons"]
    joined = top.sum().reset_index().merge(rates, on=["icb_code", "age", "sex"])
    expected = (joined["persons"] * joined["rate"]).groupby([joined["icb_code"], joined["year"], joined["pod"]]).sum()
    ours = table.set_index(["icb_code", "year", "pod"])["activity"].reindex(expected.index)
    assert ours.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-9)
    # Sense: an ageing population (FIGURES: all 0.5 %/y, 65+ 1.8 %/y) uses more of what the old use.
    sums = table[table["year"].isin([2025, 2040])].pivot_table(
        index="pod", columns="year", values="activity", aggfunc="sum"
    )
    growth = 100 * ((sums[2040] / sums[2025]) ** (1 / 15) - 1)
    assert growth.between(0.0, 2.5).all()
    assert growth["emer_bds"] > growth["emer_n"] > growth["walkin"]
    assert growth["amb"] > growth["walkin"]


@pytest.mark.unit
def test_inputs_say_why_nothing_is_left_and_what_is_wrong_with_their_coverage():
    inputs = cases_outlook.starting_point()
    with pytest.raises(InputError, match=r"Every POD of the outlook is left out.*too few \(\d+\)"):
        replace(inputs, pods=inputs.pods.assign(reason="too few"))
    covered = inputs.coverage
    for wrong, said in (
        (pd.concat([covered, covered]), "must hold each key once"),
        (covered.iloc[1:], "A setting has no row of coverage"),
        (covered.assign(reason=""), "coverage_pct must be a number"),
        (covered.drop(columns="reason"), "lack reason"),
    ):
        with pytest.raises(InputError, match=said):
            replace(inputs, coverage=wrong)
    nothing = pd.DataFrame()
    why = replace(inputs, people=nothing, rates=nothing, pods=nothing, coverage=nothing, reason="No people.")
    assert why.reason == "No people."  # inputs that say why nothing can be projected need no tables


@pytest.mark.unit
def test_inputs_of_one_service_are_its_rows_and_its_activity():
    inputs = replace(cases_outlook.starting_point(), actual=True)
    first, second = inputs.pods["pod"].iloc[:2]
    contacts = inputs.pods.set_index("pod")["contacts"]
    one = inputs.only(first)
    assert one.pods["pod"].tolist() == [first] and set(one.rates["pod"]) == {first}
    base = one.base_activity
    assert base.to_dict("records") == [{"pod": first, "activity": contacts[first], "icb_code": inputs.icb}]
    assert cases_outlook.starting_point().base_activity is None  # the rates alone give it
    out = replace(inputs, pods=inputs.pods.assign(reason=np.where(inputs.pods["pod"] == first, "too few", "")))
    assert first not in set(out.base_activity["pod"]) and len(out.base_activity) == len(inputs.pods) - 1
    assert out.only([second]).pods["pod"].tolist() == [second]
    for pod in (first, "no such"):
        with pytest.raises(InputError, match="POD to project"):
            out.only([second, pod])
    with pytest.raises(InputError, match="no rows"):
        inputs.only([])


@pytest.mark.unit
def test_growth_of_some_services_keeps_what_is_assumed_of_them_and_of_all():
    growth = Growth(
        non_demographic_pct={"a": 1.0, "b": 2.0, "*": 3.0}, waiting_list_pct={"b": 5.0}, price_pct=1.5, scenario="s"
    )
    only = growth.only(["a", "c"])
    assert (only.non_demographic_pct, only.waiting_list_pct) == ({"a": 1.0, "*": 3.0}, {})
    assert (only.price_pct, only.scenario) == (1.5, "s")
    assert growth.only(["b"]).waiting_list_pct == {"b": 5.0}


@pytest.mark.unit
def test_costs_of_groups_by_hand_and_what_groups_are_refused():
    # 100 people, then 110; use 1 of pod0 and 2 of pod1 a head at £10 and £5; pay and prices 10 % up.
    population = people(np.array([[[[100.0]], [[110.0]]]]))
    rates = use(np.array([[[1.0]], [[2.0]]]))
    simulation = simulate_demand(
        population, rates, Growth(price_pct=10.0), base_year=2024, horizon=2025, draws=4_000, rng=1
    )
    groups = {"both": ["pod0", "pod1"], "first": ["pod0"]}
    table = simulation.costs(groups, unit_cost_gbp={"pod0": 10.0, "pod1": 5.0}).set_index(["group", "year"])
    known = ["p50_gbp", "lower_80", "upper_80", "mean_gbp", "central_gbp"]
    assert table.loc[("both", 2024), known].tolist() == [2000.0] * 5  # nothing to be unsure of
    assert table.loc[("first", 2024), known].tolist() == [1000.0] * 5
    assert table["central_gbp"].tolist() == pytest.approx([2000, 2420, 1000, 1210])
    # Poisson counts of 110 and 220 at £11 and £5.50: variance 110 x 121 + 220 x 30.25.
    sd = np.sqrt(110 * 121 + 220 * 30.25)
    reach = table.loc[("both", 2025), ["lower_80", "upper_80"]].to_numpy(float)
    assert reach == pytest.approx(2420 + np.array([-1, 1]) * stats.norm.ppf(0.9) * sd, rel=0.005)
    assert table["compounding_bias_pct"].to_numpy() == pytest.approx(np.zeros(4), abs=1e-9)
    free = simulation.costs({"both": groups["both"]}, unit_cost_gbp={"pod0": 10.0, "pod1": 0.0})
    assert free["central_gbp"].tolist() == pytest.approx([1000, 1210])
    unit = {"pod0": 10.0, "pod1": 5.0}
    for wrong, said in (
        ({"x": ["pod9"]}, "POD of group x"),
        ({"x": []}, "Group x names no POD"),
        ({}, "groups must give"),
        (["pod0"], "groups must give"),
    ):
        with pytest.raises(InputError, match=said):
            simulation.costs(wrong, unit_cost_gbp=unit)
    for costs in ({"pod0": 10.0}, {"pod0": 10.0, "pod1": np.nan}, {"pod0": 10.0, "pod1": -1.0}):
        with pytest.raises(InputError, match="unit_cost_gbp"):
            simulation.costs(groups, unit_cost_gbp=costs)


@pytest.mark.unit
def test_assumptions_are_named_with_the_values_they_take():
    growth = Growth(
        non_demographic_pct={"pod0": Distribution("interval", (-1.0, 2.0)), "*": Distribution("interval", (0.0, 0.5))},
        price_pct=Distribution("interval", (0.0, 1.0)),
    )
    model = DemandModel(people(np.full((1, 2, 1, 1), 100.0)), use(np.ones((2, 1, 1))), base_year=2024, horizon=2025)
    swings = tornado(model, growth, year=2025)
    at = swings.set_index("assumption")
    assert at.loc["non_demographic_pct.pod0", ["p10", "p90"]].tolist() == pytest.approx([-1.0, 2.0])
    assert at["central"].tolist() == pytest.approx([100 * 1.005 + 100 * 1.0025] * 3)
    named = words.assumptions(swings, {"pod0": "Day case"})
    assert dict(zip(named["assumption"], named["assumed"], strict=True)) == {
        "Use: Day case": "−1.00 to 2.00 % a year",
        "Use: all other services": "0.00 to 0.50 % a year",
        "Pay and prices": "0.00 to 1.00 % a year",
    }
    assert named["low"].tolist() == swings["low"].tolist()
    certain = tornado(model, Growth(), year=2025)
    assert certain.empty and words.assumptions(certain, {}).empty


@pytest.mark.unit
def test_a_folder_that_is_no_path_and_half_a_year_are_refused_in_words():
    year = {"base_year": 2024}
    for call in (
        lambda: official_inputs(7, icb="QF7", price_base="2024-25", **year),
        lambda: official_growth(None, years=[2025], **year),
        lambda: official_months(7, "QF7"),
    ):
        with pytest.raises(InputError, match="folder must be the path of a folder; this is a"):
            call()
    with pytest.raises(InputError, match=r"^years is 2024\.5\. It must be a whole number"):
        official_growth(cases_outlook.publications(), years=2024.5, **year)
