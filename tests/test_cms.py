"""CMS DE-SynPUF claims: every dollar in the ledger or in the report, and the beneficiary-years they roll up to."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from factories import organisations, pseudonym_of, unit_costs

from pathcost_lib.intake.mapping import map_folder
from pathcost_lib.ledger import cost_activity

MAPPING = Path(__file__).parents[1] / "data" / "mappings" / "cms_desynpuf.toml"


@pytest.fixture(scope="module")
def claims(public_data):
    folder = public_data / "cms_desynpuf"
    mapped = map_folder(folder, MAPPING)
    calendar = pd.DataFrame({"financial_year": [f"{y}-{(y + 1) % 100:02d}" for y in range(2006, 2012)], "flat": 100.0})
    ledger = cost_activity(
        mapped.dataset.activity,
        unit_costs().iloc[:0],
        organisations(),
        price_base="2010-11",
        mff="none",
        index="flat",
        price_index=calendar,
    )
    return folder, mapped, ledger


@pytest.mark.published
def test_every_claim_dollar_is_in_the_ledger(claims):
    folder, mapped, ledger = claims
    paid = pd.read_csv(folder / "sample1_inpatient_claims_2008_2010.csv.gz", low_memory=False)
    days = paid["CLM_PASS_THRU_PER_DIEM_AMT"].fillna(0) * paid["CLM_UTLZTN_DAY_CNT"].fillna(0)
    cents = ((paid["CLM_PMT_AMT"] + days) * 100).round().astype("int64").sum()
    costed = ledger.query(
        "SELECT cost_basis, count(*) AS n, CAST(sum(cost_pence) AS BIGINT) AS pence FROM this GROUP BY 1"
    )
    assert costed.to_pandas().to_dict("records") == [{"cost_basis": "recorded", "n": 5_775, "pence": cents}]
    assert mapped.report.counts["rows_reported"].sum() == 0


@pytest.mark.published
def test_claims_roll_up_to_the_publisher_s_beneficiary_years(claims):
    # Every one of 30,000 beneficiary-years, to the dollar, by the year in which the stay ends.
    folder, _, ledger = claims
    yearly = ledger.query(
        "SELECT patient_id, year(end_date) AS y, CAST(sum(cost_pence) AS BIGINT) AS pence FROM this GROUP BY ALL"
    )
    held = yearly.to_pandas()
    for year in (2008, 2009, 2010):
        person = pd.read_csv(folder / f"sample1_beneficiary_summary_{year}.csv.gz", dtype={"DESYNPUF_ID": str})
        stated = person.set_index(person["DESYNPUF_ID"].map(pseudonym_of))["MEDREIMB_IP"]
        ours = held[held["y"] == year].set_index("patient_id")["pence"].reindex(stated.index).fillna(0) / 100
        assert (ours == stated).all()
