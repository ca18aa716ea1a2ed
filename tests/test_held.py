"""Which months of a year the data hold, and how that is said."""

from __future__ import annotations

import pandas as pd
import pytest

from pathcost_lib.codes import label
from pathcost_lib.errors import InputError
from pathcost_lib.sources import connect
from pathcost_lib.sources.engine import Relation
from pathcost_lib.sources.held import fewer_months, last_whole_year, months_held, span_words


def activity(months: dict[str, list[str]]) -> Relation:
    """Return one contact on the tenth of each month of each setting."""
    rows = [(setting, pd.Timestamp(f"{month}-10")) for setting, held in months.items() for month in held]
    return connect().register("activity", pd.DataFrame(rows, columns=["setting", "start_date"]))


def whole(year: int) -> list[str]:
    return pd.period_range(f"{year}-04", periods=12, freq="M").astype(str).tolist()


SEVEN = pd.period_range("2026-04", periods=7, freq="M").astype(str).tolist()


@pytest.mark.unit
def test_seven_months_are_named_and_are_no_year():
    held = months_held(activity({"acute": SEVEN}), "2026-27")
    assert held.words == "April to October 2026"
    assert not held.is_whole
    assert held.note == "The data cover 7 months of 2026-27, April to October 2026: not a whole year."


@pytest.mark.unit
def test_a_whole_year_has_no_note_and_a_setting_that_ends_sooner_has():
    assert months_held(activity({"acute": whole(2025)}), "2025-26").note == ""
    held = months_held(activity({"acute": whole(2025), "community": whole(2025)[:3]}), "2025-26")
    assert held.is_whole
    assert held.note.endswith("only April to June 2025.")
    assert months_held(activity({"acute": SEVEN}), "2024-25").note == "The data have no activity of 2024-25."


@pytest.mark.unit
def test_spans_with_a_gap_and_over_the_new_year():
    months = [pd.Period(m, "M") for m in ("2026-04", "2026-05", "2026-06", "2026-08")]
    assert span_words(months) == "April to June and August 2026"
    assert span_words([pd.Period(m, "M") for m in ("2026-12", "2027-01")]) == "December 2026 to January 2027"


@pytest.mark.unit
def test_the_last_whole_year_comes_before_the_one_held_in_part():
    both = activity({"acute": whole(2025) + SEVEN})
    assert last_whole_year(both, "2026-27") == "2025-26"
    assert last_whole_year(both, "2025-26") == "2025-26"
    assert last_whole_year(activity({"acute": SEVEN}), "2026-27") == "2026-27"
    with pytest.raises(InputError):
        months_held(both, "2026")


def areas(**months: dict[str, list[str]]) -> Relation:
    """Return contacts of 25 people on the tenth of each month of each setting of each area."""
    rows = [
        (area, setting, pd.Timestamp(f"{month}-10"), person)
        for area, settings in months.items()
        for setting, held in settings.items()
        for month in held
        for person in range(25)
    ]
    table = pd.DataFrame(rows, columns=["icb_code", "setting", "start_date", "patient_id"])
    return connect().register("activity", table)


@pytest.mark.unit
def test_an_area_with_fewer_months_than_others_is_named_by_setting():
    year = whole(2025)
    both = {"acute": year, "community": year}
    table = areas(QA=both, QB={"acute": year[:7], "community": year[:7]}, QC={"acute": year, "community": year[:3]})
    assert fewer_months(table, "2025-26", ["QA", "QB", "QC"]) == {
        "QB": "only April to October 2025",
        "QC": f"{label('community')} only April to June 2025",
    }
    assert fewer_months(table, "2025-26", ["QA"]) == {}
    # Seven months of all areas are the months held: none of them lacks any.
    assert fewer_months(areas(QA={"acute": SEVEN}, QB={"acute": SEVEN}), "2026-27", ["QA", "QB"]) == {}


@pytest.mark.unit
def test_an_empty_month_of_few_contacts_may_be_chance():
    year = whole(2025)
    few = areas(QA={"acute": year}, QB={"acute": year[1:]}).query(
        "SELECT icb_code, setting, start_date, patient_id FROM (SELECT *, row_number() OVER "
        "(PARTITION BY icb_code, start_date) AS place FROM this) AS t WHERE place <= 19"
    )
    assert fewer_months(few, "2025-26", ["QA", "QB"]) == {}
    # Packages begin once a quarter: four large months, and the others are empty by chance.
    large = areas(QA={"acute": year}, QB={"acute": year[::3]})
    small = areas(QB={"acute": year[1:10]}).query("SELECT * FROM this WHERE patient_id < 2").to_pandas()
    quarters = connect().register("activity", pd.concat([large.to_pandas(), small]))
    assert fewer_months(quarters, "2025-26", ["QA", "QB"]) == {}
    # One person with many contacts is one person.
    one = areas(QA={"acute": year}, QB={"acute": year[1:]}).query("SELECT * REPLACE (1 AS patient_id) FROM this")
    assert fewer_months(one, "2025-26", ["QA", "QB"]) == {}


@pytest.mark.unit
def test_a_title_names_the_months_of_part_of_a_year_and_a_headline_says_so():
    part, year = (
        months_held(activity({"acute": SEVEN}), "2026-27"),
        months_held(activity({"acute": whole(2025)}), "2025-26"),
    )
    assert (part.period, year.period) == ("April to October 2026", "2025-26")
    assert (part.part_note, year.part_note) == (part.note, "")
