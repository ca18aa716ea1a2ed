"""Spells: episodes grouped by hand and by another rule of thumb, and every admitted pound once."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from factories import activity_row, tables
from hypothesis import given, settings
from hypothesis import strategies as st
from test_ledger import HOW, price

from pathcost_lib.errors import InputError
from pathcost_lib.ledger import build_spells, cost_activity
from pathcost_lib.ledger.spells import Spells
from pathcost_lib.sources import Dataset, connect
from pathcost_lib.sources.published import read

DAY = date(2024, 6, 1)
TRIMS = pd.DataFrame({"currency_code": ["HN22E", "DZ65F"], "elective_days": [5, 3], "emergency_days": [9, 4]})


def episode(offset: int, nights: int | None, pence: int | None = 100_000, pod: str = "elective", **other) -> dict:
    """Return an episode of patient 1, that many days after the first of June."""
    return activity_row(1, pod, DAY + timedelta(days=offset), nights, recorded_cost_pence=pence, **other)


def spells_of(
    rows: list[dict], trims: pd.DataFrame | None = TRIMS, prices: pd.DataFrame | None = None, **how
) -> Spells:
    frame = price(rows, mff="none", prices=prices).drop(columns="recorded_cost_pence")
    return build_spells(connect().register("ledger", frame), trims, **how)


def table(rows: list[dict], *args, **how) -> pd.DataFrame:
    made = spells_of(rows, *args, **how)
    assert made.statement().difference_pence == 0
    return made.spells.query("SELECT * FROM this ORDER BY patient_id, start_date, spell_id").to_pandas()


@pytest.mark.unit
def test_episodes_end_to_end_are_one_spell_and_a_transfer_starts_another_of_one_continuous_stay():
    rows = [
        episode(0, 2),
        episode(2, 3, 250_000, "non_elective"),  # starts on the day the first ended
        episode(5, 4, provider_code="A2"),  # moved to another hospital
        episode(10, 1),  # home for a night, then back
        activity_row(2, "elective", DAY, 1, recorded_cost_pence=7),
    ]
    out = table(rows, pd.DataFrame({"currency_code": ["DZ65F"], "elective_days": [3], "emergency_days": [99]}))
    assert out["episodes"].tolist() == [2, 1, 1, 1]
    assert out["nights"].tolist() == [5, 4, 1, 1]
    assert out["cost_pence"].tolist() == [350_000, 100_000, 100_000, 7]
    assert out["cips_id"].tolist() == [1, 1, 4, 5]
    assert table(rows, transfer_days=1)["cips_id"].tolist() == [1, 1, 1, 5]
    # The dearer episode's HRG is dominant; its trim point is that of how the spell began, elective: 3 days.
    first = out.iloc[0]
    assert (first["currency_code"], first["trim_days"], first["excess_days"]) == ("DZ65F", 3, 2)
    assert (first["inlier_pence"], first["excess_pence"]) == (210_000, 140_000)
    assert out["excess_days"].isna().tolist() == [False, True, True, True]  # HN22E has no trim point here


@pytest.mark.unit
def test_critical_care_days_are_beside_the_spell_and_off_its_length_before_the_trim():
    rows = [
        episode(0, 10, 1_000_000),
        episode(1, 3, 450_000, "critical_care_day", units=3),
        episode(40, 2, 300_000, "critical_care_day", units=2),
    ]
    made = spells_of(rows)
    (row,) = made.spells.to_pandas().to_dict("records")
    assert [row[c] for c in ("nights", "critical_care_days", "ward_days", "trim_days", "excess_days")] == [
        10,
        3,
        7,
        5,
        2,
    ]
    assert (row["inlier_pence"], row["excess_pence"], row["critical_care_pence"]) == (714_286, 285_714, 450_000)
    assert row["cost_pence"] == 1_450_000
    statement = made.statement()
    assert (statement.ledger_pence, statement.outside_pence, statement.difference_pence) == (1_750_000, 300_000, 0)


@pytest.mark.unit
def test_excess_days_paid_apart_are_added_once_and_never_to_a_recorded_cost():
    # £7,764.18 an episode (the factory's 2024-25 price); 10 nights, 5 beyond the trim point, at £250.00.
    paid = pd.DataFrame({"currency_code": ["HN22E", "*"], "unit_cost": [2_500_000, 1]})
    priced = table([episode(0, 10, None, icb_code="QZ2")], excess_prices=paid).iloc[0]
    assert (priced["inlier_pence"], priced["excess_pence"], priced["added_pence"]) == (776_418, 125_000, 125_000)
    assert priced["cost_pence"] == 901_418
    recorded = [activity_row(1, "elective", DAY, 10, "QZ2", recorded_cost_pence=1_000_000)]
    made = build_spells(connect().register("ledger", price(recorded, mff="none")), TRIMS, excess_prices=paid)
    row = made.spells.to_pandas().iloc[0]
    assert (row["inlier_pence"], row["excess_pence"], row["added_pence"], row["cost_pence"]) == (
        500_000,
        500_000,
        0,
        10**6,
    )


@pytest.mark.unit
def test_a_price_per_spell_pays_once_for_all_its_episodes_and_a_price_per_episode_for_each():
    rows = [episode(0, 2, None, icb_code="QZ2"), episode(2, 2, None, "non_elective", icb_code="QZ2")]
    both, dearest = table(rows)["cost_pence"][0], table(rows, priced_per="spell")["cost_pence"][0]
    assert (both, dearest) == (776_418 + 414_648, 776_418)
    statement = spells_of(rows, priced_per="spell").statement()
    assert (statement.repeated_pence, statement.difference_pence) == (414_648, 0)


@pytest.mark.unit
def test_an_open_spell_has_no_length_and_an_uncosted_episode_is_counted():
    rows = [episode(0, None), episode(3, 2, 2**60), episode(9, 1, 500_000, "critical_care_day")]
    row = table(rows).iloc[0]
    assert (row["episodes"], row["uncosted"], row["cost_pence"]) == (2, 1, 600_000)
    assert pd.isna(row[["end_date", "nights", "ward_days", "excess_days", "inlier_pence", "excess_pence"]]).all()


@pytest.mark.unit
def test_wrong_trim_points_and_choices_are_refused():
    rows = [episode(0, 2)]
    with pytest.raises(InputError, match="Trim points: currency HN22E is listed twice"):
        table(rows, pd.concat([TRIMS, TRIMS.head(1)]))
    with pytest.raises(InputError, match=r"Trim points, column elective_days: '-'\. Allowed: whole numbers from 0"):
        table(rows, TRIMS.assign(elective_days=["-", "3"]))
    with pytest.raises(InputError, match="Trim points: column emergency_days is missing"):
        table(rows, TRIMS.drop(columns="emergency_days"))
    with pytest.raises(InputError, match="Allowed: fce, spell"):
        table(rows, priced_per="day")


def groups(frame: pd.DataFrame) -> set[frozenset]:
    """Group by the days each pair of episodes shares, until nothing moves: quadratic, and nothing like the SQL."""
    rows = frame[frame["pod"].isin(["day_case", "elective", "non_elective", "non_elective_short"])].to_dict("records")
    found = [{r["activity_id"]} for r in rows]
    days = {
        r["activity_id"]: (
            r["patient_id"],
            r["provider_code"],
            r["start_date"],
            date.max if pd.isna(r["end_date"]) else r["end_date"],
        )
        for r in rows
    }
    moved = True
    while moved:
        moved = False
        for i, one in enumerate(found):
            for other in found[i + 1 :]:
                if any(
                    days[a][:2] == days[b][:2] and days[a][2] <= days[b][3] and days[b][2] <= days[a][3]
                    for a in one
                    for b in other
                ):
                    one |= other
                    found.remove(other)
                    moved = True
                    break
    return {frozenset(g) for g in found}


@pytest.mark.slow
@pytest.mark.property
@settings(max_examples=25)
@given(data=tables(patients=2), how=st.sampled_from(["fce", "spell"]), apart=st.booleans())
def test_every_admitted_row_is_in_one_spell_and_every_pound_counts_once(data, how, apart):
    made = Dataset.from_frames(data)
    ledger = cost_activity(made.activity, made.unit_costs, made.organisations, price_base="2024-25", **HOW)
    paid = pd.DataFrame({"currency_code": ["*"], "unit_cost": [2_500_000]}) if apart else None
    spells = build_spells(ledger, TRIMS, priced_per=how, excess_prices=paid)
    members = spells.members.to_pandas()
    assert members["activity_id"].is_unique
    admitted = ledger.query("SELECT * FROM this WHERE setting = 'admitted'").to_pandas()
    assert set(members["activity_id"]) == set(admitted["activity_id"])
    statement = spells.statement()
    assert statement.difference_pence == 0
    assert statement.ledger_pence == admitted["cost_pence"].sum()
    assert how == "spell" or statement.repeated_pence == 0
    assert apart or statement.added_pence == 0
    held = spells.spells.to_pandas()
    parts = held[["inlier_pence", "excess_pence", "critical_care_pence"]].sum(axis=1, skipna=False)
    assert (parts.dropna() == held.loc[parts.notna(), "cost_pence"]).all()
    assert (held["cost_pence"] >= 0).all() and (held["excess_days"].dropna() >= 0).all()
    episodes = members[members["part"] == "episode"]
    assert {frozenset(g) for _, g in episodes.groupby("spell_id")["activity_id"]} == groups(data["activity"])


@pytest.mark.published
def test_the_published_trim_points_are_taken_as_they_are(public_data: Path):
    trims = read("hrg_trim_points", public_data / "hrg_reference" / "hrg_trimpoints.csv").table
    # HN22E: 29 days elective (the file); 40 nights are 11 beyond it.
    row = table([episode(0, 40, 400_000)], trims).iloc[0]
    assert (row["trim_days"], row["excess_days"], row["excess_pence"]) == (29, 11, 110_000)
