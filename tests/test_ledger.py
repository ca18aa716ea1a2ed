"""Pricing: worked by hand, and against a row-by-row pricing in exact fractions."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pandas as pd
import pytest
from factories import SERVICES, activity_frame, activity_row, make_tables, organisations, tables, unit_costs
from hypothesis import given, settings
from hypothesis import strategies as st

from pathcost_lib.codes import PODS, financial_year
from pathcost_lib.errors import InputError
from pathcost_lib.ledger import cost_activity
from pathcost_lib.sources import Dataset

INDEX = pd.DataFrame({"financial_year": ["2022-23", "2023-24", "2024-25"], "gdp_deflator": [91.3, 95.1, 100.0]})
BEHAVIOUR = pd.DataFrame({"pod": list(PODS), "fixed_share": 0.5, "semi_fixed_share": 0.2, "variable_share": 0.3})
HOW = {"price_index": INDEX, "behaviour": BEHAVIOUR, "mff_base": 1.06}


def price(rows: list[dict], price_base: str = "2024-25", prices: pd.DataFrame | None = None, **options) -> pd.DataFrame:
    frames = {"activity": activity_frame(rows), "unit_costs": unit_costs() if prices is None else prices}
    data = Dataset.from_frames(frames | {"organisations": organisations()})
    ledger = cost_activity(data.activity, data.unit_costs, data.organisations, price_base=price_base, **(HOW | options))
    return ledger.query("SELECT * FROM this ORDER BY activity_id").to_pandas()


def half_up(x: Fraction) -> int:
    """Round half away from zero, by another implementation."""
    return int((Decimal(x.numerator) / Decimal(x.denominator)).quantize(Decimal(1), ROUND_HALF_UP))


@pytest.mark.unit
def test_a_gp_appointment_costs_its_national_price_to_the_penny():
    # £43.68 (4.2 % on £42.00 in the factory's second year) is 4,368 pence.
    row = price([activity_row(1, "gp_appointment", date(2024, 6, 1))]).iloc[0]
    assert (row["cost_pence"], row["cost_basis"], row["financial_year"]) == (4368, "national", "2024-25")


@pytest.mark.unit
def test_half_a_penny_rounds_away_from_zero_and_units_multiply_before_rounding():
    prices = unit_costs().assign(unit_cost=50)  # half a penny
    rows = [activity_row(1, "community_contact", date(2024, 6, 1), units=n) for n in (1, 2, 3)]
    assert list(price(rows, prices=prices)["cost_pence"]) == [1, 1, 2]


@pytest.mark.unit
def test_the_order_of_preference_recorded_provider_national_proxy_none():
    day = date(2024, 6, 1)
    rows = [
        activity_row(1, "elective", day, 3, recorded_cost_pence=123_456),
        activity_row(1, "elective", day, 3),
        activity_row(1, "elective", day, 3, "QZ2"),
        activity_row(1, "elective", day, 3, "QZ2", currency_code="ZZ99Z"),
        activity_row(1, "ae_type3", day)
        if "ae_type3" in SERVICES
        else {**activity_row(1, "ae_type1", day), "pod": "ae_type3"},
        {**activity_row(1, "elective", day, 3, "QZ2"), "currency_code": None},
    ]
    ledger = price(rows, mff="none")
    assert list(ledger["cost_basis"]) == ["recorded", "provider", "national", "proxy", "none", "proxy"]
    assert ledger["cost_note"][3] == "mean of the POD"
    assert ledger["cost_note"][4] == "no price for this point of delivery and currency"
    assert ledger["cost_pence"].isna().tolist() == [False] * 4 + [True, False]


@pytest.mark.unit
def test_a_stay_is_priced_in_the_year_it_ends_and_moved_to_the_price_base():
    # 2023-24's price, £41.704... x 100/95.1: 30 March to 2 April 2024 ends in 2024-25, so that year's price holds.
    rows = [activity_row(1, "elective", date(2024, 3, 30), d, "QZ2") for d in (1, 3)]
    ledger = price(rows, mff="none")
    assert list(ledger["financial_year"]) == ["2023-24", "2024-25"]
    old, new = (74_655_602, 74_655_602 * 104 // 100)
    factor = round(1_000_000 * 100.0 / 95.1)
    assert list(ledger["cost_pence"]) == [half_up(Fraction(old * factor, 10**8)), half_up(Fraction(new, 100))]


@pytest.mark.unit
def test_a_price_of_another_year_is_used_where_the_year_has_none_latest_earlier_first():
    prices = unit_costs()
    prices = prices[prices["financial_year"] == "2023-24"]
    ledger = price([activity_row(1, "ae_type1", date(2024, 6, 1))], prices=prices, mff="none")
    assert ledger["cost_pence"][0] == half_up(Fraction(2_655_602 * round(1e6 * 100.0 / 95.1), 10**8))


@pytest.mark.unit
def test_market_forces_adjust_brings_own_costs_down_and_pay_brings_national_prices_up():
    # QZ3's factor is 1.2, national prices stand at 1.06: £1,000.00 recorded is £883.33 at national prices.
    day = date(2024, 6, 1)
    rows = [
        activity_row(1, "elective", day, 3, "QZ3", recorded_cost_pence=100_000),
        activity_row(1, "ae_type1", day, 0, "QZ3"),
    ]
    national = 2_655_602 * 104 // 100
    adjusted, paid = price(rows, mff="adjust"), price(rows, mff="pay")
    assert list(adjusted["cost_pence"]) == [88_333, half_up(Fraction(national, 100))]
    assert list(paid["cost_pence"]) == [100_000, half_up(Fraction(national * round(1e6 * 1.2 / 1.06), 10**8))]


@pytest.mark.unit
def test_the_price_base_moves_by_the_published_deflator_by_cpi_or_by_an_index_of_one_s_own():
    # 2023-24 to 2024-25: HM Treasury's deflator 96.1117 to 100, ONS's CPI 131.675 to 134.7833, own pay 100 to 107.5.
    rows = [activity_row(1, "elective", date(2023, 6, 1), 3, recorded_cost_pence=100_000)]
    own = pd.DataFrame({"financial_year": ["2023-24", "2024-25"], "pay": [100.0, 107.5]})
    moved = {
        "gdp_deflator": price(rows, mff="none", price_index=None),
        "cpi": price(rows, mff="none", price_index=None, index="cpi"),
        "pay": price(rows, mff="none", price_index=own, index="pay"),
    }
    assert {name: int(ledger["cost_pence"][0]) for name, ledger in moved.items()} == {
        "gdp_deflator": 104_046,
        "cpi": 102_361,
        "pay": 107_500,
    }
    # And back: a cost of 2024-25 in pounds of 2023-24.
    back = price(
        [rows[0] | {"start_date": date(2024, 6, 1), "end_date": date(2024, 6, 4)}],
        "2023-24",
        mff="none",
        price_index=None,
    )
    assert back["cost_pence"][0] == 96_112
    with pytest.raises(InputError, match="2025-26 is not in the price index 'cpi', which holds 2010-11 to 2024-25"):
        price(rows, "2025-26", price_index=None, index="cpi")


@pytest.mark.unit
def test_a_day_price_on_a_spell_counts_nights_and_a_stay_of_none_as_one():
    prices = unit_costs()
    prices = prices.assign(unit=prices["unit"].where(prices["pod"] != "elective", "bed_day"), unit_cost=1_000_000)
    rows = [activity_row(1, "elective", date(2024, 6, 1), d, "QZ2") for d in (0, 1, 4, None)]
    ledger = price(rows, prices=prices, mff="none")
    assert list(ledger["cost_pence"][:3]) == [10_000, 10_000, 40_000]
    assert (ledger["cost_basis"][3], ledger["cost_note"][3]) == ("none", "units missing or below 1")


@pytest.mark.unit
def test_own_behaviour_goes_before_the_price_list_and_a_provider_s_before_the_general():
    own = pd.DataFrame(
        [("elective", None, 0.6, 0.3, 0.1), ("elective", "A2", 1.0, 0.0, 0.0)],
        columns=["pod", "provider_code", "fixed_share", "semi_fixed_share", "variable_share"],
    )
    day = date(2024, 6, 1)
    rows = [activity_row(1, "elective", day, 3, icb, recorded_cost_pence=1_000) for icb in ("QZ1", "QZ2")]
    rows += [activity_row(1, "ae_type1", day, recorded_cost_pence=1_000)]
    ledger = price(rows, mff="none", behaviour=own)
    shares = ledger[["fixed_pence", "semi_fixed_pence", "variable_pence"]].to_numpy().tolist()
    assert shares == [[600, 300, 100], [1000, 0, 0], [500, 200, 300]]  # the third by the factory's price list
    with pytest.raises(InputError, match="shares of elective must each be 0 or more and sum to 1"):
        price(rows, behaviour=own.assign(fixed_share=0.7))
    with pytest.raises(InputError, match="listed twice"):
        price(rows, behaviour=own.assign(provider_code="A2"))
    with pytest.raises(InputError, match="pod electve is not known"):
        price(rows, behaviour=own.assign(pod=["electve", "elective"]))


@pytest.mark.unit
def test_a_column_of_the_user_s_own_is_not_taken_for_a_step_s():
    rows = activity_frame([activity_row(1, "gp_appointment", date(2024, 6, 1))])
    data = Dataset.from_frames(
        {
            "activity": rows.assign(unit_cost=7, price_factor=1, amount=9, quantity=3, source="mine"),
            "unit_costs": unit_costs(),
            "organisations": organisations(),
        }
    )
    ledger = cost_activity(data.activity, data.unit_costs, data.organisations, price_base="2024-25", **HOW)
    assert ledger.to_pandas()["cost_pence"].tolist() == [4368]
    assert "amount" not in ledger.columns


@pytest.mark.unit
def test_an_absurd_cost_is_none_with_its_reason_and_overflows_nothing():
    day = date(2024, 6, 1)
    rows = [
        activity_row(1, "elective", day, 3, recorded_cost_pence=2**62),
        activity_row(1, "elective", day, 3, "QZ2", units=2**62),
        activity_row(1, "elective", day, 3, "QZ2", units=900_000),
        activity_row(1, "elective", day, 3, "QZ2", units=0),
        activity_row(1, "elective", day, 3, recorded_cost_pence=-12_345),
    ]
    ledger = price(rows, mff="none")
    assert list(ledger["cost_basis"]) == ["none"] * 4 + ["recorded"]
    assert ledger["cost_pence"][4] == -12_345
    assert ledger["fixed_pence"][4] == -6_173  # half of 12,345, away from zero


@pytest.mark.unit
def test_a_price_base_outside_the_index_and_an_unknown_choice_are_refused():
    rows = [activity_row(1, "ae_type1", date(2024, 6, 1))]
    with pytest.raises(
        InputError, match="2031-32 is not in the price index 'gdp_deflator', which holds 2022-23 to 2024-25"
    ):
        price(rows, price_base="2031-32")
    with pytest.raises(InputError, match="Allowed: adjust, none, pay"):
        price(rows, mff="twice")
    with pytest.raises(InputError, match="Write it like 2024-25"):
        price(rows, price_base="2024")
    with pytest.raises(InputError, match="Price index 'rpi' is not known"):
        price(rows, index="rpi")


def oracle(frame: pd.DataFrame, mff_mode: str, base: str) -> list[int | None]:
    """Price row by row, in fractions."""
    deflator = dict(zip(INDEX["financial_year"], INDEX["gdp_deflator"], strict=True))
    factors = {o.org_code: o.mff for o in organisations().itertuples()}
    prices = unit_costs()
    out: list[int | None] = []
    for row in frame.itertuples():
        year = financial_year(row.start_date if pd.isna(row.end_date) else row.end_date)
        if year not in deflator:
            out.append(None)
            continue
        inflate, mff = 1_000_000 * deflator[base] / deflator[year], factors[row.provider_code]
        if not pd.isna(row.recorded_cost_pence):
            factor = round(inflate * (1.06 / mff)) if mff_mode == "adjust" else round(inflate)
            out.append(half_up(Fraction(int(row.recorded_cost_pence) * factor, 10**6)))
            continue
        mine = prices[
            (prices["financial_year"] == year)
            & (prices["pod"] == row.pod)
            & (prices["currency_code"] == row.currency_code)
        ]
        provider = mine[mine["provider_code"] == row.provider_code]
        chosen = (provider if len(provider) else mine[mine["provider_code"].isna()]).iloc[0]
        factor = round(inflate)
        if mff_mode == "adjust" and len(provider):
            factor = round(inflate * (1.06 / mff))
        if mff_mode == "pay" and not len(provider):
            factor = round(inflate * (mff / 1.06))
        out.append(half_up(Fraction(int(chosen["unit_cost"]) * int(row.units) * factor, 10**8)))
    return out


@pytest.mark.slow
@pytest.mark.property
@settings(max_examples=40)
@given(data=tables(), mode=st.sampled_from(["adjust", "pay", "none"]), base=st.sampled_from(["2023-24", "2024-25"]))
def test_the_ledger_agrees_with_row_by_row_pricing_and_no_row_is_lost(data, mode, base):
    made = Dataset.from_frames(data)
    ledger = cost_activity(made.activity, made.unit_costs, made.organisations, price_base=base, mff=mode, **HOW)
    out = ledger.query("SELECT * FROM this ORDER BY activity_id").to_pandas()
    assert list(out["activity_id"]) == sorted(data["activity"]["activity_id"])
    expected = oracle(data["activity"].sort_values("activity_id"), mode, base)
    got = [None if pd.isna(x) else int(x) for x in out["cost_pence"]]
    assert got == expected
    costed = out[out["cost_basis"] != "none"]
    assert (costed["fixed_pence"] + costed["semi_fixed_pence"] + costed["variable_pence"] == costed["cost_pence"]).all()
    assert (costed[["fixed_pence", "semi_fixed_pence", "variable_pence"]] >= 0).all().all()
    assert out.loc[out["cost_basis"] == "none", "cost_note"].notna().all()


@pytest.mark.property
def test_the_total_does_not_depend_on_the_order_of_rows_or_the_number_of_threads():
    data = make_tables(patients=60)
    totals = set()
    for seed, threads in ((1, 1), (2, 2), (3, 4)):
        shuffled = data | {"activity": data["activity"].sample(frac=1, random_state=seed)}
        made = Dataset.from_frames(shuffled)
        made.engine.execute(f"SET threads = {threads}")
        ledger = cost_activity(made.activity, made.unit_costs, made.organisations, price_base="2024-25", **HOW)
        rows = ledger.query("SELECT activity_id, cost_pence FROM this ORDER BY activity_id").to_pandas()
        totals.add(tuple(rows["cost_pence"]))
    assert len(totals) == 1
