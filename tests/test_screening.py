"""Multiplicity, screening over indicators and organisations, trim points, robust outliers, cost drivers."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pathcost_lib import paths
from pathcost_lib.errors import InputError
from pathcost_lib.sample import generate
from pathcost_lib.sources import connect, open_dataset
from pathcost_lib.variation import adjust_pvalues, funnel, robust_outliers, trim_points, variance_components
from pathcost_lib.variation.patients import cost_drivers
from pathcost_lib.variation.screening import screen, state_differences
from pathcost_lib.variation.spc import xmr_many


@pytest.mark.oracle
def test_adjusted_p_values_are_those_of_the_paper() -> None:
    """Benjamini and Hochberg 1995, section 4.1: of 15 p-values four are rejected at 5 %, three by Bonferroni."""
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1.0,
    ]
    assert (adjust_pvalues(p) <= 0.05).sum() == 4
    assert (adjust_pvalues(p, "bonferroni") <= 0.05).sum() == 3
    assert adjust_pvalues(p)[3] == pytest.approx(0.0095 * 15 / 4)


@pytest.mark.unit
def test_missing_p_values_are_not_counted() -> None:
    found = adjust_pvalues([0.01, np.nan, 0.04])
    np.testing.assert_allclose(found, [0.02, np.nan, 0.04])
    assert np.isnan(adjust_pvalues([np.nan])).all()
    with pytest.raises(InputError, match="between 0 and 1"):
        adjust_pvalues([1.2])
    with pytest.raises(InputError, match="method"):
        adjust_pvalues([0.1], "magic")
    with pytest.raises(InputError, match="must be a list"):
        adjust_pvalues(0.03)
    with pytest.raises(InputError, match="text among them"):
        adjust_pvalues([0.03, "n/a"])


def many(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame([(f"I{i:02}", f"Q{q:02}") for i in range(42) for q in range(42)], columns=["indicator", "icb"])
    frame["expected"] = rng.uniform(100, 900, len(frame))
    frame["observed"] = rng.poisson(frame["expected"])
    return frame


def ratio_funnel(frame: pd.DataFrame):
    return funnel(frame, unit="icb", numerator="observed", denominator="expected", kind="ratio", indicator="indicator")


@pytest.mark.unit
def test_screening_finds_what_is_planted_and_says_how_large() -> None:
    frame = many(1)
    planted = frame.index[[5, 400, 900, 1500]]
    frame.loc[planted, "observed"] += (0.5 * frame.loc[planted, "expected"]).astype(int)
    found = screen({"ratios": ratio_funnel(frame)}, gbp_per={f"I{i:02}": 1000.0 for i in range(42)})
    table = found.table
    hits = set(zip(*table.loc[table["stands_out"], ["indicator", "unit"]].to_numpy().T, strict=True))
    assert set(zip(frame.loc[planted, "indicator"], frame.loc[planted, "icb"], strict=True)) <= hits
    assert len(hits) <= 6 and len(table) == 42 * 42
    top = table.iloc[0]
    assert top["excess_gbp"] == pytest.approx(1000 * (top["value"] - 1) * top["denominator"])
    assert "may be warranted" in top["in_words"]
    assert "does not stand out" in table.iloc[-1]["in_words"]


@pytest.mark.slow
@pytest.mark.property
def test_screening_nothing_finds_nothing_mostly() -> None:
    any_found = [screen({"r": ratio_funnel(many(s))}).table["stands_out"].any() for s in range(15)]
    assert np.mean(any_found) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 15)


@pytest.mark.unit
def test_mean_cost_screens_in_pounds_and_families_mix() -> None:
    rng = np.random.default_rng(2)
    cost = pd.DataFrame({"icb": [f"Q{i}" for i in range(30)], "n": 400, "se": 50.0, "mean": rng.normal(5000, 50, 30)})
    cost.loc[0, "mean"] = 5600.0
    means = funnel(cost, unit="icb", value="mean", se="se", denominator="n", kind="mean", target=5000.0)
    both = screen({"cost": means, "ratios": ratio_funnel(many(3))}).table
    top = both.iloc[0]
    assert (top["indicator"], top["unit"], top["excess_gbp"]) == ("cost", "Q0", pytest.approx(600 * 400))
    assert both.loc[both["indicator"] != "cost", "excess_gbp"].isna().all()
    with pytest.raises(InputError, match="no funnels"):
        screen({})


@pytest.mark.unit
def test_a_mean_without_cases_has_no_excess_and_says_so() -> None:
    """£700 above the target over 100 patients is £70,000; without the patients it came out as £7 (700 / 10²)."""
    cost = pd.DataFrame({"icb": ["A", "B", "C"], "n": 100, "se": 10.0, "mean": [5700.0, 5000.0, 5000.0]})
    options = {"unit": "icb", "value": "mean", "se": "se", "kind": "mean", "target": 5000.0}
    counted = screen({"cost": funnel(cost, denominator="n", **options)}).table
    assert counted.loc[0, "excess_gbp"] == pytest.approx(70_000) and counted["reason"].isna().all()
    bare = screen({"cost": funnel(cost, **options)}).table
    assert bare[["excess", "excess_gbp"]].isna().all(axis=None)
    assert bare["reason"].str.contains("no number of cases").all() and bare.loc[0, "stands_out"]


@pytest.mark.unit
def test_a_price_for_one_indicator_leaves_the_pounds_of_the_others() -> None:
    cost = pd.DataFrame({"icb": [f"Q{i:02}" for i in range(42)], "n": 400, "se": 50.0, "mean": 5000.0})
    cost.loc[0, "mean"] = 5600.0
    means = funnel(cost, unit="icb", value="mean", se="se", denominator="n", kind="mean", target=5000.0)
    funnels = {"cost": means, "ratios": ratio_funnel(many(3))}
    table = screen(funnels, gbp_per={"I00": 1000.0}).table.set_index(["indicator", "unit"])
    assert table.loc[("cost", "Q00"), "excess_gbp"] == pytest.approx(600 * 400)
    row = table.loc[("I00", "Q05")]
    assert row["excess_gbp"] == pytest.approx(1000 * (row["value"] - 1) * row["denominator"])
    assert table.loc["I01", "excess_gbp"].isna().all() and (table.loc["I01", "reason"].str.contains("no price")).all()
    days = screen({"cost": means}, gbp_per={"cost": 350.0}).table.iloc[0]  # a mean of days at £350 a day
    assert days["excess_gbp"] == pytest.approx(600 * 400 * 350)
    for key, words in (("I42", "key 'I42' is not known"), ("ratios", "key 'ratios' is not known")):
        with pytest.raises(InputError, match=words):
            screen(funnels, gbp_per={key: 1000.0})
    with pytest.raises(InputError, match="gbp_per, I00 is nan"):
        screen(funnels, gbp_per={"I00": np.nan})


@pytest.mark.unit
def test_screening_says_what_it_could_not_compare() -> None:
    frame = pd.DataFrame({"icb": list("ABCD"), "o": [10, 12, np.nan, 9], "e": [10.0, 0.0, 10.0, 9.0]})
    found = screen({"r": funnel(frame, unit="icb", numerator="o", denominator="e", kind="ratio")})
    assert len(found.table) == 2 and found.left_out == {"no numerator, or a denominator of 0 or none": 2}
    assert "2 not compared" in found.summary
    none = screen({"r": funnel(frame.iloc[[1, 2]], unit="icb", numerator="o", denominator="e", kind="ratio")})
    assert none.table.empty and sum(none.left_out.values()) == 2
    twice = funnel(frame, unit="icb", numerator="o", denominator="e", kind="ratio")
    with pytest.raises(InputError, match="not the result of a funnel"):
        screen({"r": frame})
    both = funnel(frame.assign(i="x"), unit="icb", numerator="o", denominator="e", kind="ratio", indicator="i")
    with pytest.raises(InputError, match=r"each key once: 4 row\(s\), indicator/unit: x/A; x/D"):
        screen({"x": twice, "family": both})
    for share in (5, -0.1, np.nan):
        with pytest.raises(InputError, match="false_discovery"):
            screen({"r": twice}, false_discovery=share)


# -- one rule for what may be stated --
@pytest.mark.oracle
def test_stated_differences_are_those_of_the_paper() -> None:
    """Benjamini and Hochberg 1995, section 4.1: the first four of fifteen, where a test one by one states nine."""
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.324,
        0.4262,
        0.5719,
        0.6528,
        0.759,
        1,
    ]
    rows = pd.DataFrame({"trust": [f"R{i:02}" for i in range(15)], "p": p}).sample(frac=1, random_state=4)
    found = state_differences(rows, keys="trust", p_value="p")
    assert set(found.table.loc[found.table["stated"], "trust"]) == {"R00", "R01", "R02", "R03"}
    assert list(found.table["trust"]) == list(rows["trust"])  # rows keep their places
    assert "15 comparisons; 4 may be stated" in found.summary
    bare = screen({"r": ratio_funnel(many(1))}).table
    again = state_differences(bare, keys=["indicator", "unit"], p_value="p_value").table
    assert (again["stated"] == bare["stands_out"]).all() and (again["q_value"] == bare["q_value"]).all()


@pytest.mark.oracle
def test_fifteen_patients_are_judged_by_students_t() -> None:
    """A trust dearer by £826 (95 % interval -£131 to £1,783) on 15 patients: p is 0.085 with 14 degrees of freedom."""
    se = (1783 + 131) / 2 / stats.t.ppf(0.975, 14)
    rows = pd.DataFrame({"trust": ["A"], "gbp": [826.0], "se": [se], "df": [14]})
    options = {"keys": "trust", "difference": "gbp", "se": "se"}
    judged = state_differences(rows, degrees="df", **options).table.iloc[0]
    assert judged["p_value"] == pytest.approx(0.0855, abs=5e-4) and not judged["stated"]
    assert judged["reason"].startswith("may be chance")
    normal = state_differences(rows, **options).table.iloc[0]
    assert normal["p_value"] == pytest.approx(2 * stats.norm.sf(826 / se)) and normal["p_value"] < judged["p_value"]


@pytest.mark.property
def test_at_most_one_in_twenty_stated_differences_is_false() -> None:
    """900 trusts alike, 100 that truly differ by four standard errors: Benjamini and Hochberg promise 0.9 × 5 %."""
    rng, shares, power = np.random.default_rng(3), [], []
    for _ in range(60):
        truth = np.repeat([0.0, 4.0], [900, 100])
        rows = pd.DataFrame({"trust": range(1000), "gbp": truth + rng.normal(size=1000), "se": 1.0})
        stated = state_differences(rows, keys="trust", difference="gbp", se="se").table["stated"].to_numpy()
        shares.append(stated[truth == 0].sum() / max(stated.sum(), 1))
        power.append(stated[truth > 0].mean())
    assert 0.035 < np.mean(shares) < 0.05 and np.mean(power) > 0.85


@pytest.mark.unit
def test_a_difference_that_cannot_be_judged_is_not_stated_and_not_counted() -> None:
    rows = pd.DataFrame({"trust": list("ABCD"), "gbp": [900.0, 5.0, np.nan, 50.0], "se": [100.0, 10.0, 1.0, 0.0]})
    table = state_differences(rows, keys="trust", difference="gbp", se="se").table
    assert list(table["stated"]) == [True, False, False, False]
    assert list(table["reason"].str[:14]) == ["", "may be chance:", "not computable", "not computable"]
    assert "all 2 comparisons" in table.loc[1, "reason"] and table["q_value"].isna().tolist() == [
        False,
        False,
        True,
        True,
    ]
    for change, words in (
        ({"se": "no"}, "lack no"),
        ({"difference": None}, "name the column p_value"),
        ({"keys": "k"}, r"each key once: 4 row"),
        ({"method": "magic"}, "method"),
    ):
        with pytest.raises(InputError, match=words):
            state_differences(rows.assign(k=1), **{"keys": "trust", "difference": "gbp", "se": "se"} | change)
    for column, value in (("se", -1.0), ("gbp", np.inf), ("gbp", "n/a"), ("trust", None), ("trust", "A")):
        wrong = rows.astype({"gbp": object, "trust": object})
        wrong.loc[1, column] = value
        with pytest.raises(InputError, match=column):
            state_differences(wrong, keys="trust", difference="gbp", se="se")


# -- patient level --
@pytest.mark.unit
def test_trim_points_by_hand_and_from_the_engine() -> None:
    stays = pd.DataFrame(
        {"currency_code": ["A"] * 9 + ["B"] * 3, "length_of_stay_days": [1, 2, 2, 3, 3, 4, 4, 6, 30, 1, 2, 3]}
    )
    table = trim_points(stays).table.set_index("group")
    # Quartiles of A: 2 and 4, so 4 + 1.5 × 2 = 7; one stay is 23 days beyond it.
    assert table.loc["A", ["lower_quartile_days", "upper_quartile_days", "trim_point_days"]].tolist() == [2, 4, 7]
    assert (table.loc["A", "long_stays"], table.loc["A", "excess_days"]) == (1, 23)
    assert np.isnan(table.loc["B", "trim_point_days"]) and "fewer than 5" in table.loc["B", "reason"]
    held = trim_points(connect().register("activity", stays)).table.set_index("group")
    pd.testing.assert_frame_equal(table, held)


@pytest.mark.oracle
def test_quartiles_are_numpys() -> None:
    days = np.random.default_rng(3).geometric(0.2, 1237)
    low, high = np.quantile(days, [0.25, 0.75])
    row = trim_points(days).table.loc[0]
    assert row["group"] == "all" and row["trim_point_days"] == pytest.approx(high + 1.5 * (high - low))
    assert row["long_stays"] == (days > row["trim_point_days"]).sum()
    codes = np.where(np.arange(1237) % 2, "x", "y")
    assert list(trim_points(days, by=codes).table["group"]) == ["x", "y"]


@pytest.mark.unit
def test_trim_points_bad_input() -> None:
    with pytest.raises(InputError, match="no column"):
        trim_points(pd.DataFrame({"currency_code": ["A"], "days": [1]}))
    with pytest.raises(InputError, match=r"1 rows .* negative"):
        trim_points([3, -1, 4])


@pytest.mark.oracle
def test_robust_outliers_are_those_of_scipys_median_deviation() -> None:
    from scipy.stats import median_abs_deviation

    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {"currency_code": rng.choice(["A", "B", "C"], 3001), "cost_pence": rng.lognormal(12, 0.6, 3001).round()}
    )
    frame.loc[:4, "cost_pence"] = [9e9, 1.0, 0.0, -50.0, np.nan]
    found = robust_outliers(frame)
    usable = frame[frame["cost_pence"] > 0]
    high = low = 0
    for code, part in usable.groupby("currency_code"):
        logs = np.log(part["cost_pence"])
        z = (logs - logs.median()) / median_abs_deviation(logs, scale="normal")
        row = found.table.set_index("group").loc[code]
        assert row["cases"] == len(part)
        assert row["median"] == pytest.approx(np.exp(logs.median()))
        assert (row["high_outliers"], row["low_outliers"]) == ((z > 3.5).sum(), (z < -3.5).sum())
        over = part.loc[z > 3.5, "cost_pence"] - row["upper_fence"]
        assert row["excess"] == pytest.approx(over.sum())
        high, low = high + (z > 3.5).sum(), low + (z < -3.5).sum()
    assert found.rows.count() == high + low
    assert set(frame.columns) < set(found.rows.columns)


@pytest.mark.unit
def test_groups_without_fences_say_why() -> None:
    frame = pd.DataFrame({"currency_code": ["few"] * 3 + ["same"] * 9, "cost_pence": [100, 200, 9e9, *[500] * 8, 9e9]})
    table = robust_outliers(frame).table.set_index("group")
    assert "fewer than 5" in table.loc["few", "reason"] and "equal" in table.loc["same", "reason"]
    assert table["high_outliers"].sum() == 0


@pytest.mark.unit
def test_cost_drivers_add_up() -> None:
    summary = pd.DataFrame(
        [
            ("Q1", "before", "primary_care", 100.0, 50),
            ("Q1", "operation", "admitted", 7000.0, 50),
            ("Q1", "after", "community", 900.0, 50),
            ("Q2", "operation", "admitted", 6000.0, 100),
            ("Q2", "after", "community", 1000.0, 100),
            ("Q3", "operation", "admitted", 6600.0, 300),
        ],
        columns=["icb_code", "phase", "setting", "mean_gbp", "pathways"],
    )
    found = cost_drivers(summary, unit_column="icb_code", unit="Q1")
    table = found.table.set_index("phase")
    assert table.loc["operation", "others_gbp"] == pytest.approx((6000 * 100 + 6600 * 300) / 400)
    assert table.loc["after", "difference_gbp"] == pytest.approx(900 - 250)
    others = (7000 * 100 + 6600 * 300) / 400
    assert table["difference_gbp"].sum() == pytest.approx(8000 - others)
    assert table["share"].sum() == pytest.approx(1) and found.table.loc[0, "difference_gbp"] == 650
    with pytest.raises(InputError, match="Q9"):
        cost_drivers(summary, unit_column="icb_code", unit="Q9")


# -- the sample's planted truths --
@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, dict]:
    """Return `costs` (log of recorded over national cost at the same prices) and `activity`, and the truths."""
    icbs = ("QHL", "QOP", "QT1", "QK1", "QNC", "QH8")
    folder = generate(tmp_path_factory.mktemp("planted") / "sample", people=900_000, icbs=icbs)
    data = open_dataset(folder)
    index = pd.read_csv(paths.reference() / "price_index.csv").set_index("financial_year")["gdp_deflator"]
    rise = index["2024-25"] / index["2023-24"]
    costs = data.engine.view(
        "costs",
        f"""
        SELECT a.provider_code, o.icb_code, o.kind, a.setting, a.pod, a.currency_code,
          ln(a.recorded_cost_pence * 100.0 / (u.unit_cost * a.units) / o.mff
            / CASE WHEN a.end_date >= DATE '2024-04-01' THEN {rise} ELSE 1 END) AS log_ratio
        FROM activity AS a
        JOIN unit_costs AS u ON u.pod = a.pod AND u.currency_code = a.currency_code AND u.provider_code IS NULL
        JOIN organisations AS o ON o.org_code = a.provider_code
        WHERE a.recorded_cost_pence IS NOT NULL AND u.currency_code <> '*'
        """,
        {name: getattr(data, name) for name in ("activity", "unit_costs", "organisations")},
    )
    return {"costs": costs, "activity": data.activity}, json.loads((folder / "truth.json").read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.unit
def test_planted_variance_components_are_found(planted: tuple) -> None:
    tables, truth = planted
    truth = truth["variance_components_log_cost"]
    rows = tables["costs"].query("SELECT * FROM this WHERE setting IN ('outpatient', 'emergency') AND kind = 'acute'")
    found = variance_components(rows, outcome="log_ratio", groups=["icb_code", "provider_code"])
    assert np.sqrt(found.variances["residual"]) == pytest.approx(truth["residual_sd"], rel=0.01)
    table = found.table.set_index("component")
    for group, sd in (("icb_code", truth["icb_sd"]), ("provider_code", truth["provider_sd"])):
        assert table.loc[group, "lower_95"] <= sd**2 <= table.loc[group, "upper_95"]
    # Each provider's whole deviation, its ICB's and its own, is what was drawn for it.
    icb = found.blups["icb_code"].set_index("level")["blup"]
    own = found.blups["provider_code"]
    whole = pd.Series((own["blup"] + own["icb_code"].map(icb)).to_numpy(), index=own["level"])[
        own["rows"].to_numpy() > 500
    ]
    drawn = pd.Series(truth["provider_log_effect"]).reindex(whole.index)
    assert np.corrcoef(whole, drawn)[0, 1] > 0.99


@pytest.mark.slow
@pytest.mark.unit
def test_planted_outliers_are_found(planted: tuple) -> None:
    tables, truth = planted
    operations = (
        tables["costs"]
        .query(
            "SELECT CASE WHEN currency_code LIKE 'HN22%' THEN 'knee_replacement' ELSE 'hip_replacement' END "
            "AS pathway, provider_code, avg(log_ratio) AS mean_log_ratio, CAST(count(*) AS BIGINT) AS cases FROM this "
            "WHERE pod = 'elective' AND (currency_code LIKE 'HN22%' OR currency_code LIKE 'HN12%') GROUP BY 1, 2"
        )
        .to_pandas()
    )
    operations["se"] = truth["variance_components_log_cost"]["residual_sd"] / np.sqrt(operations["cases"])
    options = {"value": "mean_log_ratio", "se": "se", "denominator": "cases", "kind": "mean", "indicator": "pathway"}
    table = funnel(operations, unit="provider_code", overdispersion="additive", higher_is="worse", **options).table
    flags = table.set_index(["indicator", "unit"])["flag"]
    flagged = set(flags.index[flags != "within"])
    outliers = {(e["pathway"], e["provider_code"]) for e in truth["outlier_providers"]}
    odd = ("efficient_operation_expensive_pathway", "dear_operation_cheap_pathway", "dear_and_no_better")
    others = set(flags.index) - outliers - {(truth[name]["pathway"], truth[name]["provider_code"]) for name in odd}
    assert outliers <= flagged
    # Providers truly vary in the sample as well: published limits then flag up to 12 % (docs/calibration-variation.md).
    assert len(flagged & others) <= 0.12 * len(others)
    three = set(flags.index[flags.str.endswith("998")])
    assert len(three & others) <= 0.02 * len(others) + 1


@pytest.mark.slow
@pytest.mark.unit
def test_planted_step_change_is_found(planted: tuple) -> None:
    tables, truth = planted
    (step,) = truth["step_change"]
    monthly = (
        tables["activity"]
        .query(
            "SELECT provider_code, CAST(date_trunc('month', start_date) AS DATE) AS month, "
            f"CAST(count(*) AS DOUBLE) AS n FROM this WHERE pod = '{step['pod']}' "
            "AND start_date BETWEEN DATE '2023-04-01' AND DATE '2025-03-31' GROUP BY 1, 2"
        )
        .to_pandas()
    )
    charts = xmr_many(monthly, by="provider_code", period="month", value="n", baseline=15)
    own = charts.table[charts.table["provider_code"] == step["provider_code"]]
    after = pd.to_datetime(own["period"]) >= step["from_date"]
    assert own.loc[after, "special_cause"].mean() > 0.8
    assert not own.loc[~after, "rule"].str.contains("outside").any()
    assert charts.icons.set_index("provider_code").loc[step["provider_code"], "variation"] == "neither_high"
