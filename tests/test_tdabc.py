"""Time-driven costing against the example that its authors published."""

from __future__ import annotations

import pandas as pd
import pytest

from pathcost_lib.errors import InputError
from pathcost_lib.ledger import tdabc

# Kaplan and Anderson, Harvard Business Review, November 2004: a customer service department that costs $560,000 a
# quarter and supplies 700,000 practical minutes.
RESOURCES = pd.DataFrame({"resource": ["service"], "supplied_gbp": [560_000.0], "practical_minutes": [700_000.0]})
STEPS = pd.DataFrame(
    {
        "step": ["process orders", "handle inquiries", "credit checks"],
        "resource": "service",
        "minutes": [8.0, 44.0, 50.0],
        "volume": [49_000, 1_400, 2_500],
    }
)


@pytest.mark.oracle
def test_the_published_example_to_the_dollar():
    result = tdabc.cost(RESOURCES, STEPS)
    row = result.resources.iloc[0]
    assert row["rate_gbp_per_minute"] == pytest.approx(0.80)
    assert result.table["unit_cost_gbp"].tolist() == pytest.approx([6.40, 35.20, 40.00])
    assert result.table["cost_gbp"].tolist() == pytest.approx([313_600, 49_280, 100_000])
    assert (row["used_minutes"], row["unused_minutes"]) == (578_600, 121_400)
    assert row["unused_gbp"] == pytest.approx(97_120)
    assert "£97,120.00 (17.3%) is unused" in result.summary


@pytest.mark.unit
def test_practical_is_80_per_cent_of_theoretical_unless_said():
    theory = pd.DataFrame({"resource": ["a", "b"], "supplied_gbp": 80.0, "theoretical_minutes": 100.0})
    steps = pd.DataFrame({"step": "s", "resource": ["a", "b"], "minutes": 1.0, "volume": 90})
    rates = tdabc.cost(theory, steps).resources["rate_gbp_per_minute"]
    assert rates.tolist() == [1.0, 1.0]
    said = tdabc.cost(theory.assign(practical_share=[1.0, 0.5]), steps).resources
    assert said["utilisation_pct"].tolist() == [90.0, 180.0]
    assert "Over practical capacity: b" in tdabc.cost(theory.assign(practical_share=[1.0, 0.5]), steps).summary


@pytest.mark.unit
@pytest.mark.parametrize(
    ("resources", "steps", "message"),
    [
        (RESOURCES.drop(columns="supplied_gbp"), STEPS, "resources: column supplied_gbp is missing"),
        (RESOURCES.drop(columns="practical_minutes"), STEPS, "theoretical_minutes is missing"),
        (RESOURCES.assign(practical_minutes=0), STEPS, "service needs practical minutes above 0"),
        (pd.concat([RESOURCES, RESOURCES]), STEPS, "service is listed twice"),
        (RESOURCES, STEPS.assign(resource="nobody"), "nobody is used by a step but not listed"),
        (RESOURCES, STEPS.assign(minutes=-1), "negative minutes or volume"),
    ],
)
def test_bad_input_is_refused_by_name(resources, steps, message):
    with pytest.raises(InputError, match=message):
        tdabc.cost(resources, steps)
