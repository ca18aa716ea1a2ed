"""The quantum statement: closes to 0.00, finds a planted gap, and moves work in progress between years."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest
from factories import activity_frame, activity_row, make_tables, tables
from hypothesis import given, settings
from test_ledger import HOW

from pathcost_lib.errors import InputError
from pathcost_lib.ledger import cost_activity, reconcile
from pathcost_lib.sources import Dataset


def statement(
    data: dict[str, pd.DataFrame], quantum: pd.DataFrame, year: str = "2023-24", mff: str = "none", **options
):
    made = Dataset.from_frames(data)
    ledger = cost_activity(made.activity, made.unit_costs, made.organisations, price_base=year, mff=mff, **HOW)
    return reconcile(ledger, quantum, **options)


def accounts(rows: list[tuple]) -> pd.DataFrame:
    columns = ["provider_code", "financial_year", "setting", "total_cost_pence", "non_patient_pence", "excluded_pence"]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.unit
def test_a_stay_over_the_year_end_is_work_in_progress_of_both_years():
    # Ten nights, four of them in March: £1,000 recorded, of which £400 is 2023-24's.
    rows = [activity_row(1, "elective", date(2024, 3, 28), 10, recorded_cost_pence=100_000)]
    data = make_tables() | {"activity": activity_frame(rows)}
    first = statement(data, accounts([("A1", "2023-24", "admitted", 50_000, 6_000, 4_000)])).table.iloc[0]
    inflate = round(1e6 * 95.1 / 100.0)  # 2024-25's pounds in those of 2023-24
    spent = (100_000 * inflate + 500_000) // 1_000_000 * 4 // 10 / 100
    assert (first["recorded_gbp"], first["work_in_progress_gbp"]) == (0.0, spent)
    assert first["unmatched_gbp"] == pytest.approx(500 - 60 - 40 - spent)
    second = statement(data, accounts([("A1", "2024-25", "admitted", 60_000, 0, 0)]), year="2024-25").table.iloc[0]
    assert (second["recorded_gbp"], second["work_in_progress_gbp"], second["unmatched_gbp"]) == (1_000.0, -400.0, 0.0)


@pytest.mark.unit
def test_a_planted_two_per_cent_gap_is_found_and_located():
    rows = [
        activity_row(1, "elective", date(2023, 6, 1), 3, icb, recorded_cost_pence=1_000_000)
        for icb in ("QZ1", "QZ2", "QZ3")
    ]
    data = make_tables() | {"activity": activity_frame(rows)}
    books = accounts(
        [
            (f"A{n}", "2023-24", "admitted", 1_000_000 + 50_000 + (20_000 if n == 2 else 0), 30_000, 20_000)
            for n in (1, 2, 3)
        ]
    )
    result = statement(data, books)
    assert result.difference_gbp == 0.0
    assert result.to_explain["provider_code"].tolist() == ["A2"]
    assert result.to_explain["unmatched_gbp"].tolist() == [200.0]
    assert "A2 admitted +2.0%" in result.summary
    assert "closes to £0.00" in result.summary


@pytest.mark.unit
def test_a_provider_without_accounts_and_accounts_without_patients_are_both_shown():
    rows = [activity_row(1, "elective", date(2023, 6, 1), 3, "QZ2", recorded_cost_pence=1_000_000)]
    data = make_tables() | {"activity": activity_frame(rows)}
    result = statement(data, accounts([("A1", "2023-24", "admitted", 70_000, 0, 0)]))
    table = result.table.set_index("provider_code")
    assert table.loc["A1", ["unmatched_gbp", "matched_pct"]].tolist() == [700.0, 0.0]
    assert "A2 admitted no accounts" in result.summary
    assert pd.isna(table.loc["A2", "unmatched_gbp"]) and table.loc["A2", "recorded_gbp"] == 10_000.0


@pytest.mark.unit
def test_an_adjusted_ledger_and_a_year_without_accounts_are_refused():
    data = make_tables()
    with pytest.raises(InputError, match='mff="pay" or "none"'):
        statement(data, data["quantum"], mff="adjust")
    with pytest.raises(InputError, match="no row of 2023-24"):
        statement(data, accounts([("A1", "2019-20", "admitted", 1, 0, 0)]))


@pytest.mark.slow
@pytest.mark.property
@settings(max_examples=25)
@given(data=tables())
def test_it_closes_for_every_provider(data):
    result = statement(data, data["quantum"], mff="pay")
    lines = ["recorded", "priced", "work_in_progress", "non_patient", "excluded", "unmatched"]
    held = result.table[result.table["quantum_gbp"].notna()]
    assert (held[[f"{x}_gbp" for x in lines]].sum(axis=1).round(2) == held["quantum_gbp"].round(2)).all()
    assert result.difference_gbp == 0.0
