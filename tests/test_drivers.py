"""Price, volume and mix to the penny; pathway drivers that add up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathcost_lib import benchmark
from pathcost_lib.benchmark.drivers import pathway_drivers
from pathcost_lib.errors import InputError

COLUMNS = {"currency": "hrg", "activity": "n", "cost": "gbp"}


def frame(*rows: tuple[object, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["hrg", "n", "gbp"])


@pytest.mark.unit
def test_price_volume_mix_by_hand():
    # base 100 A at £10 and 100 B at £30 (£4,000); current 90 A at £11 and 150 B at £32 (£5,790)
    found = benchmark.price_volume_mix(
        frame(("A", 100, 1_000), ("B", 100, 3_000)), frame(("A", 90, 990), ("B", 150, 4_800)), **COLUMNS
    )
    assert found.total == 1_790
    assert found.volume == 800  # 240 against 200 contacts, at an average of £20
    assert found.mix == 600  # 90 x £10 + 150 x £30 = £5,400, against 240 x £20
    assert found.price == 390  # 90 x £1 + 150 x £2
    assert found.unmatched == 0
    table = found.table.set_index("hrg")
    assert table.loc["A", ["volume_gbp", "mix_gbp", "price_gbp"]].tolist() == [200, -300, 90]
    assert set(table["status"]) == {"matched"}
    assert "£1,790.00" in found.summary


@pytest.mark.unit
def test_unmatched_currencies_stand_apart():
    base = frame(("A", 100, 1_000), ("OLD", 10, 500), ("NIL", 0, 40), ("DRUG", 5, 100))
    current = frame(("A", 110, 1_210), ("NEW", 10, 700), ("NIL", 7, 90), ("DRUG", 0, 0))
    found = benchmark.price_volume_mix(base, current, **COLUMNS)
    assert found.unmatched == -500 + 700 + 50 - 100
    assert (found.volume, found.mix, found.price) == (100, 0, 110)
    status = found.table.set_index("hrg")["status"].to_dict()
    assert status == {
        "A": "matched",
        "DRUG": "no activity",
        "NEW": "only in current",
        "NIL": "no activity",
        "OLD": "only in base",
    }


@pytest.mark.unit
def test_case_mix_is_the_mix_inside_a_class():
    base, current = (
        frame(("A", 100, 1_000), ("B", 100, 3_000), ("C", 100, 500)),
        frame(("A", 50, 500), ("B", 150, 4_500)),
    )
    current = pd.concat([current, frame(("C", 100, 500))])
    pods = {"A": "elective", "B": "elective", "C": "outpatient"}
    base, current = base.assign(pod=base["hrg"].map(pods)), current.assign(pod=current["hrg"].map(pods))
    found = benchmark.price_volume_mix(base, current, within="pod", **COLUMNS)
    assert (found.volume, found.mix, found.case_mix, found.price) == (0, 0, 1_000, 0)
    plain = benchmark.price_volume_mix(base, current, **COLUMNS)
    assert (plain.mix, plain.case_mix) == (1_000, 0)


money = st.integers(0, 10**9).map(lambda pence: pence / 100)
rows = st.dictionaries(
    st.tuples(st.sampled_from(["QHL", "QOP"]), st.sampled_from(list("ABCDEF"))),
    st.tuples(st.integers(0, 10**6), money),
    min_size=1,
)


@pytest.mark.slow
@settings(max_examples=100)
@given(base=rows, current=rows, seed=st.integers(0, 99))
@pytest.mark.property
def test_effects_sum_to_the_penny_in_any_order_of_rows(base, current, seed):
    def table(held: dict) -> pd.DataFrame:
        return pd.DataFrame([(*k, *v, "AB" if k[1] < "C" else "other") for k, v in held.items()], columns=names)

    names = ["icb", "hrg", "n", "gbp", "class"]
    columns = {"by": "icb", "within": "class", **COLUMNS}
    found = benchmark.price_volume_mix(table(base), table(current), **columns)
    parts = [found.volume, found.mix, found.case_mix, found.price, found.unmatched]
    change = sum(round(v[1] * 100) for v in current.values()) - sum(round(v[1] * 100) for v in base.values())
    assert sum(round(part * 100) for part in parts) == change == round(found.total * 100)
    groups = found.by_group
    effects = groups.filter(like="_gbp").drop(columns="change_gbp").sum(axis=1)
    np.testing.assert_allclose(effects, groups["change_gbp"], atol=0.001)
    shuffled = benchmark.price_volume_mix(
        table(base).sample(frac=1, random_state=seed), table(current).sample(frac=1, random_state=seed), **columns
    )
    pd.testing.assert_frame_equal(shuffled.table, found.table)


@pytest.mark.unit
def test_nothing_changed_has_no_driver():
    same = frame(("A", 3, 10.01), ("B", 7, 99.99))
    found = benchmark.price_volume_mix(same, same, **COLUMNS)
    assert (found.volume, found.mix, found.price, found.total) == (0, 0, 0, 0)


@pytest.mark.unit
def test_bad_rows_are_refused_with_their_keys():
    good = frame(("A", 3, 10.0))
    with pytest.raises(InputError, match=r"gbp must not be negative.*B"):
        benchmark.price_volume_mix(good, frame(("B", 3, -1)), **COLUMNS)
    with pytest.raises(InputError, match=r"n must be a number.*B"):
        benchmark.price_volume_mix(good, frame(("B", np.nan, 1)), **COLUMNS)
    with pytest.raises(InputError, match="A key is missing in the base rows"):
        benchmark.price_volume_mix(frame((None, 3, 1.0)), good, **COLUMNS)
    with pytest.raises(InputError, match="lack n"):
        benchmark.price_volume_mix(good.drop(columns="n"), good, **COLUMNS)


# --- along a pathway


def pathway(*rows: tuple[object, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["phase", "setting", "contacts", "cost_gbp"])


SIZES = {"base_population": 1_000, "current_population": 500, "base_pathways": 20, "current_pathways": 12}


@pytest.mark.unit
def test_pathway_drivers_by_hand():
    base = pathway(
        ("before", "outpatient", 40, 4_000), ("before", "community", 40, 2_000), ("op", "admitted", 20, 80_000)
    )
    current = pathway(
        ("before", "outpatient", 45, 4_950), ("before", "community", 15, 750), ("op", "admitted", 12, 60_000)
    )
    found = pathway_drivers(base, current, **SIZES)
    before = found.table[found.table["phase"] == "before"].set_index("setting")
    # per 500 people 10 pathways in the base, 12 here; 4 contacts a pathway, then 5; half outpatient, then 3/4
    assert before["base_gbp"].to_dict() == {"community": 1_000, "outpatient": 2_000}
    assert before["rate_gbp"].to_dict() == {"community": 200, "outpatient": 400}
    assert before["intensity_gbp"].to_dict() == {"community": 300, "outpatient": 600}
    assert before["setting_mix_gbp"].to_dict() == {"community": -750, "outpatient": 1_500}
    assert before["price_gbp"].to_dict() == {"community": 0, "outpatient": 450}
    assert found.totals["price_gbp"] == 450 + 12_000
    assert "unit price £12,450.00" in found.summary


@pytest.mark.slow
@settings(max_examples=100)
@given(seed=st.integers(0, 10_000))
@pytest.mark.property
def test_pathway_drivers_add_up_whatever_is_missing(seed):
    rng = np.random.default_rng(seed)
    sides = []
    for _ in range(2):
        keys = pd.MultiIndex.from_product([["before", "op", "after"], list("xyz")], names=["phase", "setting"])
        side = keys.to_frame(index=False)
        side["contacts"] = rng.integers(0, 60, 9)
        side["cost_gbp"] = np.round(side["contacts"] * rng.gamma(2, 90, 9), 2)
        sides.append(side.sample(rng.integers(1, 10), random_state=seed))
    found = pathway_drivers(*sides, **SIZES)
    totals = {name: round(value * 100) for name, value in found.totals.items()}
    drivers = ["rate_gbp", "intensity_gbp", "setting_mix_gbp", "price_gbp"]
    assert sum(totals[name] for name in drivers) == totals["change_gbp"]
    assert totals["change_gbp"] == totals["current_gbp"] - totals["base_gbp"]
    assert totals["current_gbp"] == round(sides[1]["cost_gbp"].sum() * 100)
    same = pathway_drivers(sides[0], sides[0], **dict.fromkeys(SIZES, 7))
    assert not same.table[drivers].to_numpy().any()


@pytest.mark.unit
def test_pathway_drivers_refuse_what_they_cannot_use():
    side = pathway(("op", "admitted", 1, 10.0))
    with pytest.raises(InputError, match=r"population must be more than 0.*base"):
        pathway_drivers(side, side, **{**SIZES, "base_population": 0})
    with pytest.raises(InputError, match=r"Cost without contacts.*op/admitted"):
        pathway_drivers(side, side.assign(contacts=0), **SIZES)


@pytest.mark.published
def test_two_schedules_are_explained_to_the_penny_and_unmatched_codes_listed(public_data):
    folder = public_data / "ncc_national_schedule"
    base = pd.read_csv(
        folder / "ncc_national_schedule_2023_24.csv.gz", dtype={"department_code": str, "currency_code": str}
    )
    base = base[(base["activity"] >= 0) & (base["cost"] >= 0)]
    keys = ["department_code", "currency_code", "currency_desc"]
    base = base.groupby(keys, as_index=False, dropna=False)[["activity", "cost"]].sum().fillna({"currency_desc": ""})
    base["cost"] = base["cost"].round(2)
    rng = np.random.default_rng(7)
    current = base.assign(
        activity=(base["activity"] * rng.uniform(0.8, 1.3, len(base))).round(),
        cost=(base["cost"] * rng.uniform(0.8, 1.4, len(base))).round(2),
    )
    dropped, renamed = current.index[::400], current.index[1::700]
    current.loc[renamed, "currency_code"] = current.loc[renamed, "currency_code"] + "_NEW"
    current = current.drop(dropped)
    found = benchmark.price_volume_mix(
        base, current, currency=keys, within="department_code", activity="activity", cost="cost"
    )
    pence = [round(x * 100) for x in (found.volume, found.mix, found.case_mix, found.price, found.unmatched)]
    change = sum(round(x * 100) for x in current["cost"]) - sum(round(x * 100) for x in base["cost"])
    assert sum(pence) == change == round(found.total * 100)
    status = found.table.groupby("status").size()
    assert status["only in base"] == len(dropped) + len(renamed)
    assert status["only in current"] == len(renamed)
    listed = set(found.table.loc[found.table["status"] == "only in current", "currency_code"])
    assert listed == set(current.loc[renamed, "currency_code"])
