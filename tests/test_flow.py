"""The order of steps: by hand, and on a published hospital event log."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from factories import activity_frame, activity_row, make_tables
from test_pathways import KNEE, costed

from pathcost_lib import present
from pathcost_lib.benchmark import figures, pathway_cost
from pathcost_lib.errors import InputError
from pathcost_lib.pathways import flow, link
from pathcost_lib.pathways.flow import flow_of
from pathcost_lib.present import style
from pathcost_lib.sources import connect


@pytest.mark.unit
def test_runs_edges_days_and_variants_by_hand():
    day = date(2023, 12, 1)

    def on(patient: int, offset: int, pod: str, nights: int = 0) -> dict:
        return activity_row(patient, pod, day + timedelta(days=offset), nights)

    rows = [on(p, 0, "elective", 2) for p in (1, 2, 3)]
    rows += [on(1, -20, "gp_appointment"), on(1, -10, "gp_appointment"), on(1, 14, "community_contact")]
    rows += [on(2, -30, "gp_appointment"), on(2, 20, "community_contact"), on(2, 26, "community_contact")]
    rows += [activity_row(9, "gp_appointment", d) for d in (date(2023, 4, 1), date(2025, 3, 31))]
    _, ledger = costed(make_tables() | {"activity": activity_frame(rows)})
    result = flow(link(ledger, KNEE), ledger)
    edges = result.table.set_index(["from_step", "to_step"])
    gp = edges.loc[("primary_care", "admitted")]
    assert (gp["passages"], gp["cases"], gp["mean_days"], gp["median_days"]) == (2, 2, 20.0, 10.0)
    assert edges.loc[("admitted", "community"), "mean_days"] == 17.0
    first = result.variants.iloc[0]
    assert (first["variant"], first["cases"], first["steps"]) == ("primary_care > admitted > community", 2, 3)
    assert result.variants["cost_gbp"].sum() == pytest.approx(result.table["cost_gbp"].sum() + gp_cost(ledger))
    apart = flow(link(ledger, KNEE), ledger, collapse=False).variants
    assert apart["steps"].max() == 4
    with pytest.raises(InputError, match="Step 'colour' is not known"):
        flow(link(ledger, KNEE), ledger, step="colour")


def gp_cost(ledger) -> float:
    """Return the cost of first runs, which no edge leads to: the GP contacts, and the operation of patient 3."""
    frame = ledger.to_pandas()
    first = frame[(frame["setting"] == "primary_care") & frame["patient_id"].isin([1, 2]) | (frame["activity_id"] == 3)]
    return first["cost_pence"].sum() / 100


# -- drawn -------------------------------------------------------------------------------------------------------------
PASSED = pd.DataFrame(
    [
        ("primary_care", "outpatient", 40, 20, 6.0, 225.0),
        ("outpatient", "primary_care", 10, 8, 1.0, 42.4),
        ("primary_care", "admitted", 5, 5, 3.0, 9_999.0),
    ],
    columns=["from_step", "to_step", "passages", "cases", "median_days", "mean_gbp"],
)


@pytest.mark.unit
@pytest.mark.parametrize("width", [style.WIDE, style.NARROW])
def test_the_drawn_flow_numbers_its_passages_and_shows_no_small_ones(width):
    shown = present.disclose(PASSED, counts=["passages", "cases"])
    drawn = style.draw(figures.flow_map, shown.frame, width=width, height=5, top=1)
    (ax,) = drawn.axes
    words = [t.get_text() for t in ax.texts]
    assert [w for w in words if w in ("Primary care", "Outpatient", "Admitted")] == ["Primary care", "Outpatient"]
    assert "Primary care → Outpatient" in words and "40 times, 5 days, £220" in words
    assert words.count("1") == 2 and "2" not in words  # on the passage and beside its words
    down, up = ax.patches
    assert down.get_linewidth() > up.get_linewidth()  # 40 against 10
    assert down.get_path().vertices[0, 0] > 0 > up.get_path().vertices[0, 0]  # on the right, on the left
    assert ax.axison
    said = figures.describe_flow_map(shown.frame, area="Here", top=1)
    assert "Primary care to Outpatient: 40 times, 5 days, £220. Drawn without words: 1." in said
    assert "9,999" not in said and "Admitted" not in said
    few = present.disclose(PASSED.tail(1), counts=["passages", "cases"]).frame
    assert "fewer than eight" in figures.describe_flow_map(few, area="Here")
    assert not style.draw(figures.flow_map, few, width=width, height=5).axes[0].axison


@pytest.mark.unit
def test_one_area_s_passages_stand_beside_those_of_all_and_beside_nothing_where_it_is_alone():
    day = date(2024, 3, 1)
    rows = []
    for patient, icb, gap in ((1, "QZ1", 4), (2, "QZ2", 10), (3, "QZ2", 10)):
        rows += [
            activity_row(patient, "elective", day, 0, icb),
            activity_row(patient, "gp_appointment", day + timedelta(gap), 0, icb),
        ]
    rows += [activity_row(9, "gp_appointment", d) for d in (date(2023, 4, 1), date(2025, 3, 31))]
    _, ledger = costed(make_tables() | {"activity": activity_frame(rows)})
    links = link(ledger, KNEE)
    own, every = flow(links, ledger, icb="QZ1"), flow(links, ledger)
    (row,) = pathway_cost.passages(own, every).to_dict("records")
    assert (row["passages"], row["cases"], row["median_days"]) == (1, 1, 4.0)
    assert (row["reference_cases"], row["reference_days"]) == (3, 10.0)
    assert row["mean_gbp"] == row["reference_gbp"] == 44.16  # £42.00 of 2023-24 in pounds of 2024-25: x 100 / 95.1
    alone = pathway_cost.passages(every, every).iloc[0]
    assert np.isnan(alone[["reference_cases", "reference_days", "reference_gbp"]].to_numpy(float)).all()


@pytest.mark.unit
def test_an_event_log_without_a_column_or_a_row_is_refused():
    engine = connect()
    with pytest.raises(InputError, match="column case_id, cost_pence is missing"):
        flow_of(engine.register("log", pd.DataFrame({"step": ["a"], "day": [0.0], "position": [1]})))
    empty = pd.DataFrame({"case_id": [1], "step": ["a"], "day": [0.0], "position": [1], "cost_pence": [0]}).iloc[:0]
    with pytest.raises(InputError, match="holds no events"):
        flow_of(engine.register("log", empty))


@pytest.mark.published
def test_the_sepsis_log_gives_its_publisher_s_variants_and_edge_times(public_data: Path):
    log = pd.read_csv(public_data / "event_logs" / "sepsis_cases_event_log.csv.gz", sep=";", low_memory=False)
    at = pd.to_datetime(log["Complete Timestamp"], format="%Y/%m/%d %H:%M:%S.%f")
    days = (at - at.min()) / pd.Timedelta(days=1)
    events = pd.DataFrame(
        {"case_id": log["Case ID"], "step": log["Activity"], "day": days, "position": range(len(log)), "cost_pence": 0}
    )
    result = flow_of(connect().register("events", events), collapse=False)
    assert len(log) == 15_214 and result.variants["cases"].sum() == 1_050
    # The file names each case's variant: the same cases must fall together.
    published = log.drop_duplicates("Case ID")["Variant"].value_counts()
    assert len(result.variants) == len(published) == 846
    assert sorted(result.variants["cases"]) == sorted(published)
    # Edges, by pandas on the same order.
    ordered = log.assign(day=days).sort_values(["Case ID", "day"], kind="stable")
    following = ordered.groupby("Case ID")[["Activity", "day"]].shift(-1)
    pairs = pd.DataFrame(
        {"a": ordered["Activity"], "b": following["Activity"], "d": following["day"] - ordered["day"]}
    ).dropna()
    expected = pairs.groupby(["a", "b"])["d"].agg(["size", "mean"])
    got = result.table.set_index(["from_step", "to_step"]).loc[expected.index]
    assert (got["passages"] == expected["size"]).all()
    assert got["mean_days"].to_numpy() == pytest.approx(expected["mean"].to_numpy(), abs=1e-9)
