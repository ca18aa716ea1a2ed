"""Variation on Spark: the same sums, so the same models, trim points, outliers and screens."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from factories import make_tables
from test_ledger import HOW
from test_parity import same
from test_pathways import CHEST, KNEE

from pathcost_lib.ledger import cost_activity
from pathcost_lib.pathways import link
from pathcost_lib.sources import Dataset, connect
from pathcost_lib.variation import (
    cost_cases,
    monthly_signals,
    robust_outliers,
    screen_costs,
    trim_points,
    variance_components,
)


def patients() -> pd.DataFrame:
    """Return 3,000 patients of 24 providers in 6 ICBs, a few with something missing."""
    rng = np.random.default_rng(5)
    provider = rng.integers(24, size=3000)
    cost = 4000 + 300 * np.repeat(rng.standard_normal(6), 4)[provider] + 200 * rng.standard_normal(24)[provider]
    frame = pd.DataFrame({"icb_code": [f"Q{p // 4}" for p in provider], "provider_code": [f"R{p}" for p in provider]})
    frame["age"] = rng.integers(40, 90, size=3000)
    frame["frail"] = rng.random(3000) < 0.3
    frame["cost_gbp"] = cost + 12 * frame["age"] + 900 * rng.standard_normal(3000)
    frame.loc[::400, "cost_gbp"] = np.nan
    frame.loc[7::500, "provider_code"] = None
    return frame


@pytest.mark.property
@pytest.mark.parametrize("method", ["reml", "ml"])
def test_the_same_variance_components(spark_engine, method):
    options = {"outcome": "cost_gbp", "groups": ["icb_code", "provider_code"], "covariates": ["age", "frail"]}
    one, other = (
        variance_components(engine.register("rows", patients()), method=method, **options)
        for engine in (connect(), spark_engine)
    )
    assert one.rows == other.rows and one.notes == other.notes and one.converged and other.converged
    assert one.log_likelihood == pytest.approx(other.log_likelihood, rel=1e-10)
    pd.testing.assert_series_equal(one.variances, other.variances, rtol=1e-5)
    pd.testing.assert_frame_equal(one.fixed_effects, other.fixed_effects, rtol=1e-5)
    for group in options["groups"]:
        pd.testing.assert_frame_equal(one.blups[group], other.blups[group], rtol=1e-5, check_dtype=False)


@pytest.mark.property
def test_the_same_trim_points_and_patient_level_outliers(spark_engine):
    rng = np.random.default_rng(6)
    stays = pd.DataFrame({"currency_code": rng.choice(["HN22E", "HN22C", "DZ65F"], 600)})
    stays["length_of_stay_days"] = rng.geometric(0.2, 600)
    stays["cost_pence"] = np.round(np.exp(rng.normal(13, 0.8, 600))).astype("int64")
    both = []
    for engine in (connect(), spark_engine):
        rows = engine.register("stays", stays)
        found = robust_outliers(rows, threshold=2.5)
        both.append((trim_points(rows).table, found.table, found.rows.count()))
    same(both[0][0], both[1][0])
    same(both[0][1], both[1][1])
    assert both[0][2] == both[1][2] > 0


@pytest.mark.property
def test_the_same_screen_and_monthly_signals(spark_engine):
    both = []
    for engine in (connect(), spark_engine):
        data = Dataset.from_frames(make_tables(patients=60), engine)
        ledger = cost_activity(data.activity, data.unit_costs, data.organisations, price_base="2024-25", **HOW)
        links = link(ledger, [KNEE, CHEST], patients=data.patients)
        cases = cost_cases(links, data.activity, data.organisations, year="2024-25")
        providers = cases["providers"].to_pandas()
        months = monthly_signals(data.activity, {"A1", "A2", "A3"}, year="2024-25", fewest=0, draws=100)
        both.append((providers, screen_costs(providers, fewest=2).table, months.table, months.series))
    assert len(both[0][0]) and len(both[0][2])
    for one, other in zip(*both, strict=True):
        same(one, other)
