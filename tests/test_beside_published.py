"""One area beside published prices and published rates, against numbers worked out here from the rows themselves."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from factories import make_tables, write_tables

from pathcost_lib import ledger, sources
from pathcost_lib.benchmark.published import Published, beside_published
from pathcost_lib.sources import Dataset
from pathcost_lib.sources.held import months_held

RATES = pd.DataFrame(
    {
        "setting": ["outpatient", "outpatient", "community"],
        "pod": ["outpatient_first", "outpatient_first", "community_contact"],
        "age_from": [0, 65, 0],
        "age_to": [64, 120, 120],
        "sex": "all",
        "contacts_per_head_per_year": [0.2, 0.5, 1.5],
        "source": ["A. Paper 2024", "A. Paper 2024", "Derived. Level: B. Age and sex pattern: illustrative"],
    }
)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    made = make_tables(patients=150)
    own = made["activity"]["setting"].isin(["outpatient", "admitted"])
    made["activity"]["recorded_cost_pence"] = pd.array(
        np.where(own, 15_000 + 37 * np.arange(len(own)) % 9_000, 0), dtype="Int64"
    )
    made["activity"].loc[~own, "recorded_cost_pence"] = pd.NA
    for name in ("activity", "patients"):
        made[name] = made[name][made[name]["icb_code"] == "QZ1"]
    return made


@pytest.fixture(scope="module")
def data(tables: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return sources.open_dataset(write_tables(tmp_path_factory.mktemp("alone"), tables))


def _beside(data: Dataset, costed: sources.Relation, **how: object) -> Published:
    parts = {"unit_costs": data.unit_costs, "organisations": data.organisations, "population": data.population}
    months = months_held(data.activity, "2024-25")
    how = {"icb": "QZ1", "months": months, "price_base": "2024-25", "rates": RATES} | how
    return beside_published(costed, **{**parts, **how})


@pytest.fixture(scope="module")
def costed(data: Dataset) -> sources.Relation:
    return ledger.cost_activity(data.activity, data.unit_costs, data.organisations, price_base="2024-25")


@pytest.mark.unit
def test_contacts_cost_what_they_cost_over_the_published_price_of_each(
    data: Dataset, costed: sources.Relation, tables: dict[str, pd.DataFrame]
) -> None:
    rows = costed.query("SELECT * FROM this WHERE setting = 'outpatient' AND cost_basis = 'recorded'").to_pandas()
    starts = pd.to_datetime(rows["start_date"])
    rows = rows[(starts >= "2024-04-01") & (starts <= "2025-03-31")]
    prices = tables["unit_costs"]
    prices = prices[prices["provider_code"].isna() & (prices["financial_year"] == "2024-25")]
    unit = rows.merge(prices, on=["pod", "currency_code"], suffixes=("", "_listed"))["unit_cost_listed"].astype(float)
    assert len(unit) == len(rows)
    published = (rows["units"].to_numpy() * unit.to_numpy() / 1e4).sum()
    row = _beside(data, costed).table.set_index("setting").loc["outpatient"]
    assert row["contacts"] == len(rows) > 20
    assert row["persons"] == rows["patient_id"].nunique()
    assert row["index"] == pytest.approx(100 * rows["cost_pence"].sum() / 100 / published, rel=1e-4)
    assert row["index_lower_95"] < row["index"] < row["index_upper_95"]
    # The variance of a sum of independent contacts, by point of delivery.
    each = rows.groupby("pod")["cost_pence"]
    error = math.sqrt((each.size() * each.var(ddof=1) / 1e4).sum()) / published
    assert (row["index_upper_95"] - row["index"]) / 100 == pytest.approx(1.959964 * error, rel=1e-4)


@pytest.mark.unit
def test_care_without_own_costs_has_no_comparison_and_the_reason(data: Dataset, costed: sources.Relation) -> None:
    row = _beside(data, costed).table.set_index("setting").loc["community"]
    assert math.isnan(row["index"]) and row["contacts"] == 0
    assert row["reason"] == "no contact has both a cost of the provider's own and a published price"
    assert row["source"] == ""


@pytest.mark.unit
def test_a_price_that_is_not_published_is_no_comparator(data: Dataset, costed: sources.Relation) -> None:
    prices = data.unit_costs.query("SELECT * REPLACE ('Illustrative, not published' AS source) FROM this")
    table = _beside(data, costed, unit_costs=prices).table
    assert table["index"].isna().all() and (table["reason"] != "").all()


@pytest.mark.unit
def test_use_is_over_what_published_rates_would_have_at_the_same_age(
    data: Dataset, costed: sources.Relation, tables: dict[str, pd.DataFrame]
) -> None:
    people = tables["population"]
    people = people[(people["icb_code"] == "QZ1") & (people["year"] == 2024) & (people["variant"] == "principal")]
    old = people["age"] >= 65
    expected = 0.2 * people.loc[~old, "persons"].sum() + 0.5 * people.loc[old, "persons"].sum()
    rows = tables["activity"][tables["activity"]["pod"] == "outpatient_first"]
    starts = pd.to_datetime(rows["start_date"])
    rows = rows[(starts >= "2024-04-01") & (starts <= "2025-03-31")]
    use = _beside(data, costed).rates.set_index("pod")
    row = use.loc["Outpatient, first"]
    assert row["index"] == pytest.approx(100 * rows["units"].sum() / expected)
    assert row["rate"] == pytest.approx(1000 * rows["units"].sum() / people["persons"].sum())
    assert row["reference_rate"] == pytest.approx(1000 * expected / people["persons"].sum())
    each = rows.groupby("patient_id")["units"].sum().astype(float)
    ratio = math.exp(1.959964 * math.sqrt((each**2).sum()) / each.sum())
    assert row["index_upper_95"] == pytest.approx(row["index"] * ratio, rel=1e-5)
    assert row["source"] == "A. Paper 2024" and row["reason"] == ""


@pytest.mark.unit
def test_a_rate_that_is_published_for_all_ages_together_has_no_index(data: Dataset, costed: sources.Relation) -> None:
    row = _beside(data, costed).rates.set_index("pod").loc["Community contact"]
    assert math.isnan(row["index"]) and row["reason"].startswith("published for people of all ages only")
    assert row["reference_rate"] == pytest.approx(1500)
    assert row["rate"] > 0


@pytest.mark.unit
def test_without_people_there_are_no_rates(data: Dataset, costed: sources.Relation) -> None:
    nobody = data.population.query("SELECT * FROM this WHERE year = 1900")
    use = _beside(data, costed, population=nobody).rates
    assert use[["rate", "index"]].isna().all(axis=None)
    assert (use["reason"] == "the population table holds nobody of the area in 2024").all()


@pytest.mark.unit
def test_half_a_year_is_held_against_half_a_years_rates(
    tables: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory
) -> None:
    part = dict(tables)
    starts = pd.to_datetime(part["activity"]["start_date"])
    part["activity"] = part["activity"][starts < "2024-10-01"]
    held = sources.open_dataset(write_tables(tmp_path_factory.mktemp("half"), part))
    ledgered = ledger.cost_activity(held.activity, held.unit_costs, held.organisations, price_base="2024-25")
    whole_year = 0.2, 0.5
    people = part["population"]
    people = people[(people["icb_code"] == "QZ1") & (people["year"] == 2024) & (people["variant"] == "principal")]
    old = people["age"] >= 65
    expected = whole_year[0] * people.loc[~old, "persons"].sum() + whole_year[1] * people.loc[old, "persons"].sum()
    use = _beside(held, ledgered).rates.set_index("pod").loc["Outpatient, first"]
    assert use["reference_rate"] == pytest.approx(1000 * expected * 183 / 365 / people["persons"].sum())
