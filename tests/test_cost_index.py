"""The cost index, and expected cost by case mix from cells, against closed forms and fits to the patients."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from pathcost_lib import benchmark
from pathcost_lib.errors import InputError

COLUMNS = {"by": "provider", "currency": "hrg", "activity": "n", "cost": "gbp"}


@pytest.fixture
def two_providers() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "provider": ["A", "A", "B", "B"],
            "hrg": ["HN22A", "HN22B", "HN22A", "HN22B"],
            "n": [10, 10, 30, 10],
            "gbp": [12_000.0, 5_500.0, 28_000.0, 4_500.0],
        }
    )


@pytest.mark.unit
def test_index_by_hand(two_providers):
    # averages: 40,000/40 = 1,000 and 10,000/20 = 500; A expects 15,000, B expects 35,000
    table = benchmark.cost_index(two_providers, **COLUMNS).table.set_index("provider")
    assert table["expected"].tolist() == [15_000, 35_000]
    assert table.loc["A", "index"] == pytest.approx(100 * 17_500 / 15_000)
    assert table.loc["B", "index"] == pytest.approx(100 * 32_500 / 35_000)
    assert table["actual"].sum() == pytest.approx(table["expected"].sum())


@pytest.mark.unit
def test_mff_is_taken_out_before_comparing(two_providers):
    dear = two_providers.assign(mff=[1.2, 1.2, 1.0, 1.0])
    dear["gbp"] *= dear["mff"]
    plain = benchmark.cost_index(two_providers, **COLUMNS).table
    pd.testing.assert_frame_equal(benchmark.cost_index(dear, mff="mff", **COLUMNS).table, plain)
    with pytest.raises(InputError, match=r"mff must be more than 0.*B/HN22A"):
        benchmark.cost_index(dear.assign(mff=[1, 1, 0, 1]), mff="mff", **COLUMNS)


@pytest.mark.unit
def test_what_cannot_be_indexed_is_stated(two_providers):
    extra = pd.DataFrame(
        {"provider": ["A", "B", "B"], "hrg": ["ZZ", "YY", "XX"], "n": [5, 0, 7], "gbp": [np.nan, 900.0, 700.0]}
    )
    found = benchmark.cost_index(pd.concat([two_providers, extra]), **COLUMNS)
    assert found.excluded.set_index("hrg")["reason"].to_dict() == {
        "YY": "no activity to price",
        "ZZ": "cost is not known",
    }
    table = found.table.set_index("provider")
    assert table["excluded_activity"].tolist() == [5, 0]
    assert table["excluded_cost_gbp"].tolist() == [0, 900]
    assert table["actual"].sum() + found.excluded["cost_gbp"].sum() == pytest.approx(50_000 + 1_600)
    assert table.loc["B", "sole_share"] == pytest.approx(700 / 35_700)  # XX is 100 by construction
    assert "excluded" in found.summary


@pytest.mark.unit
def test_a_schedule_may_be_the_reference(two_providers):
    schedule = pd.DataFrame({"hrg": ["HN22B", "QQ", "HN22A"], "unit_cost": [400.0, 1.0, 1_100.0]})
    found = benchmark.cost_index(two_providers, reference=schedule, **COLUMNS)
    assert found.table["expected"].tolist() == [15_000, 37_000]
    short = benchmark.cost_index(two_providers, reference=schedule.head(2), **COLUMNS)
    assert short.excluded["reason"].unique().tolist() == ["not in the reference"]
    assert short.table["reason"].tolist() == ["one currency: no interval"] * 2
    with pytest.raises(InputError, match=r"must hold each key once.*HN22A"):
        benchmark.cost_index(two_providers, reference=pd.concat([schedule, schedule.tail(1)]), **COLUMNS)
    nothing = benchmark.cost_index(two_providers, reference=schedule[schedule["hrg"] == "QQ"], **COLUMNS).table
    assert nothing["index"].isna().all()
    assert set(nothing["reason"]) == {"no activity can be indexed"}
    unknown = two_providers.assign(gbp=two_providers["gbp"].where(two_providers["provider"] == "A"))
    table = benchmark.cost_index(unknown, **COLUMNS).table.set_index("provider")
    assert table.loc["A", "index"] == pytest.approx(100)
    assert table.loc["B", ["reason", "excluded_activity"]].tolist() == ["no activity can be indexed", 40]


@pytest.mark.unit
def test_negative_cost_is_refused_with_its_key(two_providers):
    with pytest.raises(InputError, match=r"gbp must not be negative.*B/HN22B"):
        benchmark.cost_index(two_providers.assign(gbp=[1, 1, 1, -1.0]), **COLUMNS)
    with pytest.raises(InputError, match=r"n must not be negative.*A/HN22A"):
        benchmark.cost_index(two_providers.assign(n=[-1, 1, 1, 1]), **COLUMNS)


@pytest.mark.oracle
def test_delta_limits_carry_the_average_as_a_parametric_bootstrap_does(two_providers):
    df = two_providers.assign(variance=[9e5, 1e5, 2e6, 2e5])
    row = benchmark.cost_index(df, variance="variance", **COLUMNS).table.set_index("provider").loc["B"]
    rng = np.random.default_rng(3)
    drawn = df["gbp"].to_numpy() + np.sqrt(df["variance"].to_numpy()) * rng.standard_normal((200_000, 4))
    unit = np.column_stack([(drawn[:, 0] + drawn[:, 2]) / 40, (drawn[:, 1] + drawn[:, 3]) / 20])
    index = 100 * (drawn[:, 2] + drawn[:, 3]) / (30 * unit[:, 0] + 10 * unit[:, 1])
    assert (row["upper_95"] - row["lower_95"]) / 2 / 1.959963984540054 == pytest.approx(index.std(), rel=0.01)


@pytest.mark.oracle
def test_without_variances_the_limits_cover_the_true_index():
    rng = np.random.default_rng(9)
    held, providers, currencies = 0, 12, 60
    price = rng.gamma(2, 800, currencies)
    level = np.linspace(0.9, 1.1, providers)
    n = rng.integers(20, 400, (providers, currencies))
    truth = 100 * (level[:, None] * n * price).sum(1) / (n * ((level[:, None] * n).sum(0) / n.sum(0) * price)).sum(1)
    df = pd.MultiIndex.from_product([range(providers), range(currencies)], names=["provider", "hrg"]).to_frame(
        index=False
    )
    df["n"] = n.ravel()
    for _ in range(100):
        df["gbp"] = (level[:, None] * n * price * rng.gamma(25, 1 / 25, n.shape)).ravel()
        table = benchmark.cost_index(df, **COLUMNS).table
        held += ((table["lower_95"] <= truth) & (truth <= table["upper_95"])).sum()
    assert 0.92 < held / (100 * providers) < 0.98


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), providers=st.integers(2, 9))
@pytest.mark.property
def test_indices_average_to_100_whatever_the_order_of_rows(seed, providers):
    rng = np.random.default_rng(seed)
    df = pd.MultiIndex.from_product([range(providers), list("abcde")], names=["provider", "hrg"]).to_frame(index=False)
    df["n"], df["gbp"] = rng.integers(0, 50, len(df)) + (df["hrg"] == "a"), rng.gamma(2, 500, len(df))
    table = benchmark.cost_index(df, **COLUMNS).table
    assert np.average(table["index"], weights=table["expected"]) == pytest.approx(100)
    assert table["actual"].sum() + table["excluded_cost_gbp"].sum() == pytest.approx(df["gbp"].sum())
    again = benchmark.cost_index(df.sample(frac=1, random_state=seed), **COLUMNS).table
    pd.testing.assert_frame_equal(again, table, rtol=1e-9)


# --- expected cost


@pytest.fixture
def patients() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    n = 6_000
    df = pd.DataFrame(
        {
            "age": rng.choice(["18-39", "40-64", "65+"], n, p=[0.2, 0.5, 0.3]),
            "sex": rng.choice(["female", "male"], n),
            "decile": rng.integers(1, 11, n),
            "icb": rng.choice(["QHL", "QOP", "QWO"], n),
        }
    )
    mean = 1_500 * df["age"].map({"18-39": 0.6, "40-64": 1, "65+": 1.9}) * df["sex"].map({"female": 1, "male": 1.1})
    df["gbp"] = rng.gamma(1.5, mean * np.exp(-0.03 * (df["decile"] - 5)) * (1 + 0.15 * (df["icb"] == "QOP")) / 1.5)
    return df


def cells_of(patients: pd.DataFrame) -> pd.DataFrame:
    parts = patients.assign(n=1, sq=patients["gbp"] ** 2, logs=np.log(patients["gbp"]))
    return parts.groupby(["icb", "age", "sex", "decile"], as_index=False)[["n", "gbp", "sq", "logs"]].sum()


MODEL = {"count": "n", "cost": "gbp", "squares": "sq", "factors": ["age", "sex"], "covariates": "decile"}


def design(patients: pd.DataFrame) -> np.ndarray:
    columns = [patients["age"] == "18-39", patients["age"] == "65+", patients["decile"]]
    base_is_female = (patients["sex"] == "female").sum() >= (patients["sex"] == "male").sum()
    columns.insert(2, patients["sex"] == ("male" if base_is_female else "female"))
    return sm.add_constant(np.column_stack(columns).astype(float))


@pytest.mark.parametrize(("family", "of"), [("gamma", sm.families.Gamma), ("poisson", sm.families.Poisson)])
@pytest.mark.oracle
def test_cells_give_the_fit_to_the_patients(patients, family, of):
    found = benchmark.expected_cost(cells_of(patients), family=family, **MODEL)
    whole = sm.GLM(patients["gbp"], design(patients), family=of(link=sm.families.links.Log())).fit(tol=1e-12)
    np.testing.assert_allclose(found.coefficients["estimate"], whole.params, rtol=1e-6)
    assert found.table["expected_gbp"].sum() == pytest.approx(whole.fittedvalues.sum(), rel=1e-8)
    x, fitted = design(patients), np.asarray(whole.fittedvalues)  # HC0 on the patients, as White (1980) writes it
    weight = 1.0 if family == "gamma" else fitted
    bread = np.linalg.inv(x.T @ (x * np.reshape(weight, (-1, 1))))
    meat = x.T @ (x * ((patients["gbp"].to_numpy() - fitted) / fitted * weight)[:, None] ** 2)
    np.testing.assert_allclose(found.coefficients["se"], np.sqrt(np.diag(bread @ meat @ bread)), rtol=1e-6)


@pytest.mark.oracle
def test_log_least_squares_and_smearing_are_those_of_the_patients(patients):
    found = benchmark.expected_cost(cells_of(patients), family="log_ols", log_sum="logs", **MODEL)
    whole = sm.OLS(np.log(patients["gbp"]), design(patients)).fit()
    np.testing.assert_allclose(found.coefficients["estimate"], whole.params, rtol=1e-8)
    assert found.smearing == pytest.approx(np.exp(whole.resid).mean(), rel=1e-9)  # Duan 1983


@pytest.mark.oracle
def test_park_exponent_is_that_of_the_patients_and_chooses(patients):
    found = benchmark.expected_cost(cells_of(patients), log_sum="logs", **MODEL)
    gamma = sm.GLM(patients["gbp"], design(patients), family=sm.families.Gamma(link=sm.families.links.Log()))
    fitted = gamma.fit(tol=1e-12).fittedvalues
    park = sm.GLM(
        (patients["gbp"] - fitted) ** 2,
        sm.add_constant(np.log(fitted)),
        family=sm.families.Gamma(link=sm.families.links.Log()),
    ).fit(maxiter=200)
    assert found.park_exponent == pytest.approx(np.asarray(park.params)[1], rel=1e-5)
    assert found.family == "gamma"  # the sample is gamma: exponent 2
    rng = np.random.default_rng(4)
    flat = patients.assign(gbp=patients.groupby("age")["gbp"].transform("mean") + rng.uniform(-200, 200, len(patients)))
    assert benchmark.expected_cost(cells_of(flat), **MODEL).family == "poisson"
    mean = patients.groupby("age")["gbp"].transform("mean")
    wild = patients.assign(gbp=mean * rng.lognormal(-0.5 * (mean / 2_000) ** 2, mean / 2_000))
    assert benchmark.expected_cost(cells_of(wild), log_sum="logs", **MODEL).family == "log_ols"
    unheld = benchmark.expected_cost(cells_of(wild), **MODEL)
    assert (unheld.family, "not held" in unheld.chosen_because) == ("gamma", True)


@pytest.mark.unit
def test_expected_cost_finds_the_dear_icb_and_is_calibrated(patients):
    found = benchmark.expected_cost(cells_of(patients), **MODEL)
    ratio = found.compare("icb").set_index("icb")
    assert ratio.loc["QOP", "lower_95"] > ratio.loc["QHL", "ratio"]
    assert ratio.loc["QOP", "ratio"] / ratio.loc["QHL", "ratio"] == pytest.approx(1.15, abs=0.06)
    assert found.calibration["patients"].sum() == 6_000
    np.testing.assert_allclose(found.calibration["expected_gbp"], found.calibration["observed_gbp"], rtol=0.2)
    assert ratio["observed_gbp"].sum() == pytest.approx(ratio["expected_gbp"].sum(), rel=0.01)


@pytest.mark.unit
def test_expected_cost_refuses_what_it_cannot_use(patients):
    cells = cells_of(patients)
    with pytest.raises(InputError, match="say the same thing twice"):
        benchmark.expected_cost(cells.assign(gender=cells["sex"]), **{**MODEL, "factors": ["age", "sex", "gender"]})
    with pytest.raises(InputError, match="sq must be at least gbp squared over n"):
        benchmark.expected_cost(cells.assign(sq=1.0), **MODEL)
    with pytest.raises(InputError, match="needs log_sum"):
        benchmark.expected_cost(cells, family="log_ols", **MODEL)
    with pytest.raises(InputError, match="gbp must not be negative"):
        benchmark.expected_cost(cells.assign(gbp=-cells["gbp"]), **MODEL)
    none = cells.assign(gbp=cells["gbp"].where(cells["age"] != "18-39", 0), sq=cells["sq"])
    assert benchmark.expected_cost(none, **{**MODEL, "factors": "sex"}).family == "poisson"


@pytest.mark.published
def test_national_schedule_indexes_to_100_and_its_totals_are_the_publishers(public_data):
    folder = public_data / "ncc_national_schedule"
    text = {"department_code": str, "currency_code": str}
    schedule = pd.read_csv(folder / "ncc_national_schedule_2023_24.csv.gz", dtype=text)
    sums = pd.read_csv(folder / "DERIVED_department_totals_2023_24.csv").set_index("department_code")
    priced = schedule[(schedule["activity"] > 0) & (schedule["unit_cost"] > 0)]
    found = benchmark.cost_index(
        schedule.dropna(subset=["cost"]),
        by="department_code",
        currency=["department_code", "currency_code", "currency_desc"],
        activity="activity",
        cost="cost",
        reference=priced.drop_duplicates(["department_code", "currency_code", "currency_desc"]),
    )
    table = found.table.set_index("department_code")
    np.testing.assert_allclose(
        (table["actual"] + table["excluded_cost_gbp"]).loc[sums.index], sums["cost"], rtol=0, atol=0.01
    )
    np.testing.assert_allclose(
        (table["activity"] + table["excluded_activity"]).loc[sums.index], sums["activity"], rtol=1e-6
    )
    np.testing.assert_allclose(table["index"], 100, atol=0.01)  # unit costs are printed to four places
