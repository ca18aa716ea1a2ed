"""Definitions inside the grid of which one counts part of the other: no difference between them tells of few people.

Two years of a count of all years up to one; an area's people and a provider's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from pathcost_lib import ledger, pathways, present, sources, value, variation
from pathcost_lib.few import SMALLEST
from pathcost_lib.sample import generate
from pathcost_lib.sources import Dataset

YEARS = ("2023-24", "2024-25")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder: Path = tmp_path_factory.mktemp("years")
    generate(folder, people="default", icbs=("QHL", "QOP", "QUA", "QR1", "QE1", "QWO"))
    return sources.open_dataset(folder)


@pytest.mark.unit
def test_few_new_people_hide_a_row_and_none_or_many_do_not() -> None:
    table = pd.DataFrame({"provider": list("ABCDE"), "pathways": [40, 40, 40, 40, 5], "newest": [0, 1, 7, 8, 5]})
    shown = present.disclose(table, counts="pathways", in_order=True)
    assert list(shown.frame.columns) == ["provider", "pathways"]
    assert shown.hidden["pathways"].tolist() == [False, True, True, False, True]


def _differing(tables: list[pd.DataFrame], keys: list[str]) -> pd.Series:
    """Return by how many people the rows differ that both years' tables show, beside their keys."""
    shown = []
    for table in tables:
        may = present.disclose(table.assign(place=np.arange(len(table))), counts="pathways", exempt=["place"])
        places = may.frame.loc[~may.hidden["pathways"], "place"]
        shown.append(table.iloc[places.astype(int)].set_index(keys)["pathways"].astype(float))
    both = pd.concat(shown, axis=1, keys=YEARS).dropna()
    return both[YEARS[1]] - both[YEARS[0]]


@pytest.mark.property
def test_two_years_of_comparisons_differ_by_nobody_or_by_eight(data: Dataset) -> None:
    costed = ledger.cost_activity(data.activity, data.unit_costs, data.organisations, price_base="2024-25")
    definitions = [pathways.load_definition(name) for name in pathways.available()]
    links = pathways.link(costed, definitions, patients=data.patients)
    tables, truth = [], []
    for year in YEARS:
        cases = variation.cost_cases(links, data.activity, data.organisations, year=year)
        providers = cases["providers"].to_pandas()
        truth.append(providers.set_index(["pathway", "part", "provider_code"])["pathways"])
        tables.append(variation.screen_costs(providers).table)
    # What is new by the column is what is new by the two years themselves.
    known = pd.concat(truth, axis=1, keys=YEARS).fillna(0)
    newest = providers.set_index(["pathway", "part", "provider_code"])["newest"]
    assert ((known[YEARS[1]] - known[YEARS[0]]) == newest.reindex(known.index).fillna(0)).all()
    told = tables[1].set_index(["pathway", "part", "provider_code"])
    may = known.reindex(told.index)[YEARS[0]] >= SMALLEST  # fewer are not shown in the year before
    assert (told["newest"] == newest.reindex(told.index).where(may, 0)).all()
    unsettled = [table.drop(columns="newest") for table in tables]
    keys = ["pathway", "part", "provider_code"]
    assert _differing(unsettled, keys).between(1, SMALLEST - 1).any(), "nothing to be found here: no test"
    assert not _differing(tables, keys).between(1, SMALLEST - 1).any()


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
def test_two_years_of_outcomes_differ_by_what_is_marked_as_new(data: Dataset) -> None:
    costed = ledger.cost_activity(data.activity, data.unit_costs, data.organisations, price_base="2024-25")
    definitions = [pathways.load_definition(name) for name in ("hip_replacement", "knee_replacement")]
    links = pathways.link(costed, definitions, patients=data.patients)
    joined = [value.join_outcomes(links, data.activity, data.patients, data.outcomes, year=year) for year in YEARS]
    before, now = (
        one.pairs.groupby("provider_code").agg(pathways=("gain", "size"), newest=("newest", "sum")) for one in joined
    )
    step = now["pathways"] - before["pathways"].reindex(now.index).fillna(0)
    assert (step == now["newest"]).all()
    now["newest"] = now["newest"].where(before["pathways"].reindex(now.index).fillna(0) >= SMALLEST, 0)
    before["newest"] = 0  # no year is before it
    assert _differing([before.reset_index(), now.reset_index()], ["provider_code"]).between(1, SMALLEST - 1).sum() == 0
    # Of who answered: the fewest that any of its counts has more than the year before.
    counts = ["pathways", "due_pathways", "linked_pathways", "answered_pathways"]
    was, then = (one.response(["provider_code"]).set_index("provider_code") for one in joined)
    assert (then["newest"] == _more(then[counts], was[counts])).all()
    # Of what became of them: the fewer of people and events.
    keys = ["icb_code", "measure"]
    was, then = (one.events(["icb_code"]).set_index(keys) for one in joined)
    assert (then["newest"] == _more(then[["pathways", "events"]], was[["pathways", "events"]])).all()


def _more(now: pd.DataFrame, before: pd.DataFrame) -> pd.Series:
    """Return the fewest by whom any count differs from one of the year before that may be shown."""
    before = before.reindex(now.index).fillna(0)
    more = (now - before).where(before >= SMALLEST, 0)
    return more.where(more > 0).min(axis=1).fillna(0)
