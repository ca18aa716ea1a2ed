"""Multiplicity, screening over indicators and organisations, trim points, robust outliers, cost drivers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pathcost_lib.errors import InputError
from pathcost_lib.sources import connect
from pathcost_lib.variation import adjust_pvalues, cost_drivers, funnel, robust_outliers, screen, trim_points


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
