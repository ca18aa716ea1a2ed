"""Definitions inside the grid of which one counts part of the other: no difference between them tells of few people.

Years of a count of all years up to one; an area's people and a provider's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from pathcost_lib import ledger, pathways, present, sources, value, variation
from pathcost_lib.few import SMALLEST
from pathcost_lib.pathways.borne import told_by_years
from pathcost_lib.sample import generate
from pathcost_lib.sources import Relation
from pathcost_lib.value import tables

YEARS = ("2022-23", "2023-24", "2024-25")


@dataclass(frozen=True)
class Shifted:
    """The sample with all days half a year earlier, so that its two years touch three financial years."""

    costed: Relation
    activity: Relation
    patients: Relation
    outcomes: Relation
    organisations: Relation


def _earlier(relation: Relation, *days: str) -> Relation:
    moved = ", ".join(f"CAST({day} - INTERVAL 182 DAY AS DATE) AS {day}" for day in days)
    return relation.query(f"SELECT * REPLACE ({moved}) FROM this")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Shifted:
    folder: Path = tmp_path_factory.mktemp("years")
    generate(folder, people="default", icbs=("QHL", "QOP", "QUA", "QR1", "QE1", "QWO"))
    whole = sources.open_dataset(folder)
    costed = ledger.cost_activity(whole.activity, whole.unit_costs, whole.organisations, price_base="2024-25")
    return Shifted(
        _earlier(costed, "start_date", "end_date"),
        _earlier(whole.activity, "start_date", "end_date"),
        _earlier(whole.patients, "died_on"),
        _earlier(whole.outcomes, "measured_on"),
        whole.organisations,
    )


def _years_apart(counts: pd.DataFrame, newest: pd.DataFrame) -> pd.DataFrame:
    """Return, of each row and pair of years that are both shown, by how many people they differ."""
    told = pd.DataFrame({year: told_by_years(newest[year], counts[year]) for year in counts})
    shown = counts.where((counts >= SMALLEST) & ~told.gt(0) | told.ge(SMALLEST) & (counts >= SMALLEST))
    pairs = [(a, b) for n, a in enumerate(counts) for b in counts.columns[n + 1 :]]
    return pd.DataFrame({pair: (shown[pair[1]] - shown[pair[0]]).abs() for pair in pairs})


@pytest.mark.property
@given(st.lists(st.integers(0, 12), min_size=2, max_size=6))
def test_no_two_years_of_a_row_differ_by_few(added: list[int]) -> None:
    people = np.cumsum(added)
    newest = [next((one for one in reversed(added[: n + 1]) if one), 0) for n in range(len(added))]
    one = pd.DataFrame([people], columns=range(len(added))), pd.DataFrame([newest], columns=range(len(added)))
    apart = _years_apart(*one)
    assert not apart.isin(range(1, SMALLEST)).any(axis=None)


@pytest.mark.unit
def test_a_row_that_few_have_joined_stays_hidden_in_a_year_that_adds_nobody() -> None:
    # Twenty, then three more, then nobody: with the third year shown, it and the first would tell of the three.
    told = told_by_years(pd.Series([20, 3, 3]), pd.Series([20, 23, 23]))
    assert told.tolist() == [0, 3, 3]


@pytest.mark.unit
def test_few_new_people_hide_a_row_and_none_or_many_do_not() -> None:
    table = pd.DataFrame({"provider": list("ABCDE"), "pathways": [40, 40, 40, 40, 5], "newest": [0, 1, 7, 8, 5]})
    shown = present.disclose(table, counts="pathways", in_order=True)
    assert list(shown.frame.columns) == ["provider", "pathways"]
    assert shown.hidden["pathways"].tolist() == [False, True, True, False, True]


def _differing(tables: list[pd.DataFrame], keys: list[str]) -> pd.DataFrame:
    """Return by how many people the rows differ that the tables of any two years both show, beside their keys."""
    shown = []
    for table in tables:
        if table.empty:
            continue
        may = present.disclose(table.assign(place=np.arange(len(table))), counts="pathways", exempt=["place"])
        places = may.frame.loc[~may.hidden["pathways"], "place"]
        shown.append(table.iloc[places.astype(int)].set_index(keys)["pathways"].astype(float))
    pairs = [(a, b) for n, a in enumerate(shown) for b in shown[n + 1 :]]
    return pd.concat([(b - a).dropna() for a, b in pairs], axis=1)


@pytest.mark.property
def test_years_of_comparisons_differ_by_nobody_or_by_eight(data: Shifted) -> None:
    definitions = [pathways.load_definition(name) for name in pathways.available()]
    links = pathways.link(data.costed, definitions, patients=data.patients)
    keys = ["pathway", "part", "provider_code"]
    screens, truth, newest = [], {}, {}
    for year in YEARS:
        cases = variation.cost_cases(links, data.activity, data.organisations, year=year)
        providers = cases["providers"].to_pandas()
        sums = providers.set_index(keys)
        truth[year], newest[year] = sums["pathways"], sums["newest"]
        screens.append(variation.screen_costs(providers).table)
    # What is new by the column is what is new by the years themselves: the last difference that is not 0.
    known = pd.DataFrame(truth).fillna(0)
    assert (known.iloc[:, 1] > known.iloc[:, 0]).any() and (known.iloc[:, 2] > known.iloc[:, 1]).any()
    for n, year in enumerate(YEARS):
        assert (newest[year] == _last_addition(known.iloc[:, : n + 1]).reindex(newest[year].index)).all()
    unsettled = [table.drop(columns="newest") for table in screens]
    assert _differing(unsettled, keys).isin(range(1, SMALLEST)).any(axis=None), "nothing to be found here: no test"
    assert not _differing(screens, keys).isin(range(1, SMALLEST)).any(axis=None)


def _last_addition(counts: pd.DataFrame) -> pd.Series:
    """Return the last difference of each row from one year to the next that is not 0, from 0 before the first."""
    steps = pd.concat([counts.iloc[:, [0]], counts.diff(axis=1).iloc[:, 1:]], axis=1)
    return steps.where(steps > 0).ffill(axis=1).iloc[:, -1].fillna(0)


@pytest.mark.property
@settings(max_examples=25)
@given(st.lists(st.lists(st.integers(0, 40), min_size=3, max_size=3), min_size=2, max_size=4))
def test_areas_and_providers_never_tell_that_few_of_an_area_went_to_a_provider(cells: list[list[int]]) -> None:
    people = np.array(cells)
    areas, providers = people.sum(axis=1), people.sum(axis=0)
    known = np.zeros((people.shape[0] + people.shape[1], *people.shape))
    for area in range(people.shape[0]):
        known[area, area, :] = 1
    for provider in range(people.shape[1]):
        known[people.shape[0] + provider, :, provider] = 1
    known = known.reshape(len(known), -1)
    for place in range(people.size):
        at_most = linprog(-np.eye(people.size)[place], A_eq=known, b_eq=np.r_[areas, providers], method="highs")
        area, provider = np.unravel_index(place, people.shape)
        # As many as the smaller of the two may be in the cell: where both are shown, that is eight or more.
        assert -at_most.fun == pytest.approx(min(areas[area], providers[provider]))


@pytest.mark.property
def test_years_of_outcomes_differ_by_what_is_marked_as_new(data: Shifted) -> None:
    definitions = [pathways.load_definition(name) for name in ("hip_replacement", "knee_replacement")]
    links = pathways.link(data.costed, definitions, patients=data.patients)
    years = {year: value.join_outcomes(links, data.activity, data.patients, data.outcomes, year=year) for year in YEARS}
    borne = {year: tables.borne(one.pairs, by="provider_code", cost="cost_gbp") for year, one in years.items()}
    sizes = {year: one.pairs.groupby("provider_code").size() for year, one in years.items()}
    known = pd.DataFrame(sizes).fillna(0)
    rows = {y: one.assign(pathways=one["provider_code"].map(sizes[y])) for y, one in borne.items()}
    for n, (year, table) in enumerate(rows.items()):
        new = told_by_years(_last_addition(known.iloc[:, : n + 1]), known[year])
        assert (table.set_index("provider_code")["newest"] == new.reindex(table["provider_code"])).all(), year
    counted = [table[["provider_code", "pathways", "newest"]] for table in rows.values()]
    assert not _differing(counted, ["provider_code"]).isin(range(1, SMALLEST)).any(axis=None)
    # Of who answered: the fewest that any of its counts has more than the last other one.
    counts = ["pathways", "due_pathways", "linked_pathways", "answered_pathways"]
    asked = {y: one.response(["provider_code"]).set_index("provider_code") for y, one in years.items()}
    _assert_fewest(asked, counts)
    # Of what became of them: the fewer of people and events.
    events = {y: one.events(["icb_code"]).set_index(["icb_code", "measure"]) for y, one in years.items()}
    _assert_fewest(events, ["pathways", "events"])


def _assert_fewest(tables: dict[str, pd.DataFrame], counts: list[str]) -> None:
    """Each table's `newest` is the fewest that any count has more than its last other one, where that may be shown."""
    for n, (year, now) in enumerate(tables.items()):
        told = {}
        for count in counts:
            known = pd.DataFrame({y: tables[y][count].astype(float) for y in YEARS[: n + 1]}).fillna(0)
            told[count] = told_by_years(_last_addition(known), known[year])
        fewest = pd.DataFrame(told).reindex(now.index)
        assert (now["newest"] == fewest.where(fewest > 0).min(axis=1).fillna(0)).all(), year
