"""An area beside each reference that it could be compared with: all areas, the region, those alike, itself before."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from factories import make_tables, write_tables

from pathcost_lib import comparators
from pathcost_lib.benchmark import icb_causes, icb_view, need, references
from pathcost_lib.comparators.alike import alike
from pathcost_lib.errors import InputError
from pathcost_lib.sources import compared_with, open_dataset
from pathcost_lib.sources.engine import connect

BEFORE = "the year before"
STRATA = ["age_from", "sex"]


def area_rows(area: str, users: list[float], gbp: list[float], persons: list[float]) -> pd.DataFrame:
    """Return an area's people of three ages: users and their cost; squares as if costs were exponential."""
    rows = pd.DataFrame({"icb_code": area, "age_from": [20.0, 50.0, 80.0], "sex": "female", "persons": persons})
    rows = rows.assign(users=users, cost_gbp=gbp, variable_gbp=0.0, deprivation_decile=5.0, conditions=0.0)
    return rows.assign(squares=2 * rows["cost_gbp"] ** 2 / rows["users"] * 1e4)


def cells_of(*areas: pd.DataFrame, pathways: dict[str, list[float]] | None = None) -> icb_view.Cells:
    rows = pd.concat(areas, ignore_index=True)
    keys = ["icb_code", *STRATA, "deprivation_decile"]
    costs = rows[[*keys, "users", "cost_gbp", "variable_gbp", "squares"]]
    both = pd.concat([costs.assign(setting=name) for name in ("admitted", icb_view.ALL)], ignore_index=True)
    events = [
        pd.DataFrame({"pathway": "hip", "icb_code": a, "age_from": [20.0, 50.0, 80.0], "sex": "female", "pathways": n})
        for a, n in (pathways or {}).items()
    ]
    none = pd.DataFrame(columns=["pathway", "icb_code", *STRATA, "pathways"])
    return icb_view.Cells(
        costs=both,
        registered=rows[[*keys, "persons"]],
        population=rows[["icb_code", *STRATA, "persons"]],
        providers=pd.DataFrame(),
        events=pd.concat(events, ignore_index=True) if events else none,
        pieces=none,
        pathways=none,
    )


#: This year and the year before, by hand: 100, 200 and 50 people; a tenth more of the old use care, at a tenth more.
NOW = area_rows("QHL", [1_000, 4_000, 2_200], [100_000, 800_000, 1_100_000], [10_000, 10_000, 4_000])
THEN = area_rows("QHL", [1_000, 4_000, 2_000], [100_000, 800_000, 900_000], [10_000, 10_000, 3_500])
OTHERS = [
    area_rows(area, [900, 3_900 + 50 * k, 1_900], [95_000, 780_000 + 9_000 * k, 880_000], [9_000, 9_500, 3_600])
    for k, area in enumerate(["QOP", "QUA", "QWO", "QRV"])
]


@pytest.mark.unit
def test_a_year_beside_the_year_before_by_hand() -> None:
    cells = references.beside_year_before(cells_of(NOW, *OTHERS), cells_of(THEN, *OTHERS), "QHL")
    table = icb_view.cost_per_person(cells)
    assert set(table["icb_code"]) == {"QHL"}  # the year before is the reference, and no area of its own
    row = table.set_index("setting").loc[icb_view.ALL]
    # Both years' people are the measure: 20,000, 20,000 and 7,500 of 47,500.
    weight = np.array([20_000, 20_000, 7_500]) / 47_500
    here = weight @ [10, 80, 1_100_000 / 4_000]
    there = weight @ [10, 80, 900_000 / 3_500]
    assert row["value_gbp"] == pytest.approx(here)
    assert row["reference_gbp"] == pytest.approx(there)
    assert row["difference_gbp"] == pytest.approx(here - there)
    assert row["index"] == pytest.approx(100 * here / there)
    # Each mean's variance is (squares - sum^2 / n) / (n - 1) / n, and the two years' are added.
    variance = 0.0
    for rows in (NOW, THEN):
        n, total, squares = (rows[c].to_numpy() for c in ("persons", "cost_gbp", "squares"))
        variance += (weight**2 * (squares / 1e4 - total**2 / n) / (n - 1) / n).sum()
    half = 1.959964 * np.sqrt(variance)
    assert row["difference_upper_95"] - row["difference_gbp"] == pytest.approx(half, rel=1e-5)


@pytest.mark.unit
def test_rates_of_a_year_and_the_year_before_by_hand() -> None:
    pathways = {"QHL": [10.0, 40.0, 60.0]}
    before = cells_of(THEN, *OTHERS, pathways={"QHL": [10.0, 40.0, 35.0]})
    cells = references.beside_year_before(cells_of(NOW, *OTHERS, pathways=pathways), before, "QHL")
    row = icb_view.event_rates(cells, "QHL").iloc[0]
    weight = np.array([20_000, 20_000, 7_500]) / 47_500
    here, there = weight @ [0.001, 0.004, 60 / 4_000], weight @ [0.001, 0.004, 35 / 3_500]
    assert row["rate"] == pytest.approx(1e5 * here) and row["reference_rate"] == pytest.approx(1e5 * there)
    assert (row["pathways"], row["reference_pathways"]) == (110, 85)
    assert row["index"] == pytest.approx(100 * here / there)
    # The variance of each rate is the sum of (weight / people)^2 times events; of the logarithms' difference, added.
    logs = 0.0
    for rows, events, rate in ((NOW, [10, 40, 60], here), (THEN, [10, 40, 35], there)):
        logs += ((weight / rows["persons"].to_numpy()) ** 2 * events).sum() / rate**2
    assert np.log(row["index_upper_95"] / row["index"]) == pytest.approx(1.96 * np.sqrt(logs), rel=0.1)


@pytest.mark.unit
def test_a_rate_of_a_year_of_which_the_data_lack_pathways_is_not_taken_for_the_rate() -> None:
    before = cells_of(THEN, *OTHERS, pathways={"QHL": [1.0, 4.0, 3.0]})
    before = replace(before, counted=pd.DataFrame({"icb_code": [], "pathway": []}))
    cells = references.beside_year_before(cells_of(NOW, *OTHERS, pathways={"QHL": [10.0, 40.0, 60.0]}), before, "QHL")
    row = icb_view.event_rates(cells, "QHL").iloc[0]
    assert row["rate"] > 0 and np.isnan(row["reference_rate"]) and np.isnan(row["index"])
    assert row["reason"] == icb_view.NO_WHOLE_WINDOW


@pytest.mark.unit
def test_windows_are_whole_where_the_data_begin_as_long_before_the_year_as_they_last() -> None:
    knee = SimpleNamespace(name="knee", before_days=90, after_days=180)
    links = SimpleNamespace(definitions=(knee, SimpleNamespace(name="short", before_days=0, after_days=30)))
    own = connect().register("own", pd.DataFrame({"start_date": [date(2022, 12, 1), date(2023, 6, 1)]}))
    table = references._whole_windows(links, own, "QHL", date(2023, 4, 1))  # type: ignore[arg-type]
    assert table.to_dict("list") == {"icb_code": ["QHL"], "pathway": ["short"]}


@pytest.mark.unit
def test_at_equal_need_a_year_is_to_the_year_before_as_observed_to_expected() -> None:
    cells = references.beside_year_before(cells_of(NOW, *OTHERS), cells_of(THEN, *OTHERS), "QHL")
    row: dict[str, Any] = need.on_basis(cells, icb_view.cost_per_person(cells), "QHL", "age_sex")
    # With ages alone each age is expected to cost the mean of both years.
    means = np.array([200_000 / 20_000, 1_600_000 / 20_000, 2_000_000 / 7_500])
    ratios = [
        rows["cost_gbp"].sum() / (rows["persons"].to_numpy() @ means)
        for rows in (NOW, THEN)
    ]  # fmt: skip
    # Shares of use are drawn a little to their mean, so that a level without users has an estimate.
    assert row["index"] == pytest.approx(100 * ratios[0] / ratios[1], rel=1e-3)
    assert row["reference_gbp"] == pytest.approx(1_800_000 / 23_500)
    assert row["difference_gbp"] == pytest.approx(row["reference_gbp"] * (row["index"] / 100 - 1))
    assert row["index_lower_95"] < row["index"] < row["index_upper_95"]
    # The NHS's weights are of an area, whatever the year: with one need in both it is the ratio of costs per person.
    published: dict[str, Any] = need.on_basis(cells, icb_view.cost_per_person(cells), "QHL", "published")
    assert published["index"] == pytest.approx(100 * (2_000_000 / 24_000) / (1_800_000 / 23_500))


@pytest.mark.slow
@pytest.mark.property
def test_the_interval_of_the_ratio_of_two_years_covers_as_often_as_it_says() -> None:
    """200 pairs of years of one truth, people of each drawn anew: 100 is in 95 of 100 intervals."""
    rng, inside, tries, compared = np.random.default_rng(4), 0, 200, pd.DataFrame()
    chance, mean, persons = np.array([0.2, 0.4, 0.6]), np.array([100.0, 200.0, 500.0]), np.array([4_000, 3_000, 1_000])
    for _ in range(tries):
        years = []
        for _ in range(2):
            users = rng.binomial(persons, chance)
            each = [rng.gamma(0.7, m / 0.7, n) for m, n in zip(mean, users, strict=True)]
            rows = area_rows("QHL", list(users), [e.sum() for e in each], list(persons))
            years.append(rows.assign(squares=[1e4 * (e**2).sum() for e in each]))
        cells = references.beside_year_before(cells_of(years[0]), cells_of(years[1]), "QHL")
        compared = compared if len(compared) else icb_view.cost_per_person(cells)  # who is compared, and no more
        row: dict[str, Any] = need.on_basis(cells, compared, "QHL", "age_sex")
        inside += row["index_lower_95"] <= 100 <= row["index_upper_95"]
    assert inside / tries == pytest.approx(0.95, abs=0.04)  # standard error 0.015


@pytest.mark.unit
def test_each_reference_is_a_row_as_if_it_had_been_asked_for_and_ranks_are_of_the_ratio() -> None:
    cells, before = cells_of(NOW, *OTHERS), cells_of(THEN, *OTHERS)
    circles = {
        "England": ["QHL", "QOP", "QRV", "QUA", "QWO"],
        "North": ["QHL", "QOP"],
        "similar areas": ["QHL", "QRV", "QWO"],
    }
    options: dict[str, Any] = {"basis": "age_sex", "rng": np.random.default_rng(1)}
    table = references.by_reference(cells, before, "QHL", circles, **options).set_index("reference")
    assert list(table.index) == ["England", "North", "similar areas", BEFORE]
    costs = icb_view.cost_per_person(cells)
    england = need.by_basis(cells, costs, "QHL").set_index("basis").loc["age_sex"]
    same = ["index", "index_lower_95", "index_upper_95", "difference_gbp", "reference_gbp"]
    assert table.loc["England", same].astype(float).to_numpy() == pytest.approx(england[same].astype(float).to_numpy())
    # The ranks by pandas: cost over what the ages' means of all would give.
    rows = pd.concat([NOW, *OTHERS])
    means = rows.groupby("age_from")["cost_gbp"].sum() / rows.groupby("age_from")["persons"].sum()
    expected = (rows["persons"] * rows["age_from"].map(means)).groupby(rows["icb_code"]).sum()
    ratio = rows.groupby("icb_code")["cost_gbp"].sum() / expected
    assert table.loc["England", ["organisations", "rank"]].tolist() == [5, ratio.rank()["QHL"]]
    assert 1 <= table.loc["England", "rank_lower_95"] <= table.loc["England", "rank_upper_95"] <= 5
    # Two areas are too few, unless that is allowed; then there is an index, and no rank of two.
    assert table.loc["North", "reason"] == references.TOO_FEW and np.isnan(table.loc["North", "index"])
    allowed = references.by_reference(cells, before, "QHL", circles, **options, allow="few_areas").set_index(
        "reference"
    )
    assert allowed.loc["North", "index"] > 100 and np.isnan(allowed.loc["North", "rank"])
    # Among three areas, as if the analysis had been of them alone.
    three = cells_of(NOW, OTHERS[2], OTHERS[3])
    alone = need.on_basis(three, icb_view.cost_per_person(three), "QHL", "age_sex")
    assert table.loc["similar areas", "index"] == pytest.approx(float(str(alone["index"])))
    assert table.loc[BEFORE, "index"] > 100 and np.isnan(table.loc[BEFORE, "rank"])
    none = references.by_reference(cells, None, "QHL", circles, **options).set_index("reference")
    assert none.loc[BEFORE, "reason"] == references.NO_YEAR_BEFORE


# -- who that is ------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tables(tmp_path_factory.mktemp("data"), make_tables(patients=120)))


@pytest.mark.unit
def test_peers_by_rows_are_those_of_the_tables_of_areas(data: str) -> None:
    dataset = open_dataset(data)
    everyone = compared_with(dataset, "England", icb="QZ1", year="2024-25", allow="few_areas")
    people = everyone.dataset.population.to_pandas()
    people = people[(people["year"] == 2024) & (people["variant"] == "principal")]
    people = people.assign(age_from=people["age"] // 5 * 5)
    people = people.groupby(["icb_code", *STRATA], as_index=False)["persons"].sum()
    patients = everyone.dataset.patients.to_pandas()
    patients = patients[~(patients["birth_year"] > 2024)].assign(persons=1)
    left = pd.to_datetime(patients["died_on"]) < pd.Timestamp("2024-04-01")
    registered = patients[~left].groupby(["icb_code", "deprivation_decile"], as_index=False)["persons"].sum()
    by_hand = SimpleNamespace(population=people, registered=registered)
    peers = icb_causes.peers(by_hand, "QZ1")  # type: ignore[arg-type]
    near = peers.loc[peers["unit"] == "QZ1", "peer"].tolist()
    assert alike(everyone.dataset, "QZ1", "2024-25") == near and len(near) == 2
    who = comparators.compared_with(dataset, "Peers", icb="QZ1", year="2024-25")
    assert who.reference == "similar areas" and set(who.areas) == {"QZ1", *near}
    assert who.note.startswith(f"Compared with the areas most like it: {', '.join(sorted(near))}.")
    assert who.beside == " beside similar areas"


@pytest.mark.unit
def test_the_year_before_stands_where_it_can_be_shown_and_is_said_not_to_be_elsewhere(data: str) -> None:
    dataset = open_dataset(data)
    asked: dict[str, Any] = {"icb": "QZ1", "year": "2024-25"}
    who = comparators.compared_with(dataset, "year before", **asked, years=True)
    assert (who.reference, who.beside, who.areas) == (BEFORE, f" beside {BEFORE}", ("QZ1",))
    assert set(who.widest.activity.to_pandas()["icb_code"].dropna()) == {"QZ1", "QZ2", "QZ3"}
    assert who.counted == ["pathways", "reference_pathways"] and who.settled_with(everywhere=1, by=["a"]) == {
        "by": ["a"]
    }
    elsewhere = comparators.compared_with(dataset, "the year before", **asked)
    assert elsewhere.alone and elsewhere.beside == "" and "cost per person only" in elsewhere.note
    cells = cells_of(NOW.assign(icb_code="QZ1"), *OTHERS)
    with pytest.raises(InputError, match="same months of the year before"):
        references.compared(cells, None, who)
    # What is compared is narrowed from all areas; providers are those of all.
    near = replace(who, reference="similar areas", areas=("QZ1", "QOP"))
    assert set(references.compared(cells, None, near).costs["icb_code"]) == {"QZ1", "QOP"}


@pytest.mark.unit
def test_areas_of_which_nothing_is_known_have_no_peers(data: str, tmp_path: Path) -> None:
    tables = make_tables(patients=60)
    tables.pop("population")
    dataset = open_dataset(write_tables(tmp_path / "data", tables))
    with pytest.raises(InputError, match=r"Which areas are like QZ1 is not known.*Name the areas"):
        comparators.compared_with(dataset, "peers", icb="QZ1", year="2024-25")
