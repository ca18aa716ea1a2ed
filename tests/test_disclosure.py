"""An attacker with every table that is shown, here and for the neighbours, cannot work out what is suppressed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathcost_lib import present
from pathcost_lib.errors import InputError
from pathcost_lib.packs.audit import Cells, audit, refuse_leaks
from pathcost_lib.present import disclosure, display
from pathcost_lib.present.protection import Line, exposed, protect

BY = {"setting": ["setting"], "phase": ["phase"], "grid": ["setting", "phase"]}


def _national(rng: np.random.Generator, areas: int = 4) -> dict[str, pd.DataFrame]:
    """Contacts of a few areas by setting and phase, many of them small, with their cost, and all their margins."""
    keys = [(a, s, p) for a in "ABCDEF"[:areas] for s in ("gp", "ae", "op") for p in ("before", "after", "late")]
    frame = pd.DataFrame(keys, columns=["icb_code", "setting", "phase"])
    frame["contacts"] = rng.poisson(rng.gamma(0.8, 15, len(frame)))
    frame["cost_gbp"] = np.round(frame["contacts"] * rng.uniform(40, 400, len(frame)), 2)
    return {
        name: frame.groupby(["icb_code", *by], as_index=False)[["contacts", "cost_gbp"]].sum()
        for name, by in BY.items()
    }


def _of(national: dict[str, pd.DataFrame], area: str, held: dict[Any, Any] = {}) -> dict[str, pd.DataFrame]:  # noqa: B006
    """What the notebook of an area has: its own rows beside those of all areas."""
    if (id(national), area) in held and held[id(national), area][0] is national:
        return held[id(national), area][1]
    tables: dict[str, pd.DataFrame] = {}
    held[id(national), area] = national, tables
    for name, frame in national.items():
        every = frame.groupby(BY[name], as_index=False)[["contacts", "cost_gbp"]].sum()
        own = frame[frame["icb_code"] == area].drop(columns="icb_code")
        tables[name] = own.merge(every.rename(columns=lambda c: f"all_{c}" if c not in BY["grid"] else c), on=BY[name])
    return tables


def _together(national: dict[str, pd.DataFrame], area: str) -> dict[str, disclosure.Disclosed]:
    every = {"everywhere": national, "focus": ("icb_code", area), "apart": {"all_contacts": ["all_cost_gbp"]}}
    return present.disclose_together(_of(national, area), counts="contacts", by=BY, **every)


def _apart(national: dict[str, pd.DataFrame], area: str) -> dict[str, disclosure.Disclosed]:
    """What looking at one table at a time would show."""
    apart = {"all_contacts": ["all_cost_gbp"]}
    return {name: present.disclose(t, counts="contacts", apart=apart) for name, t in _of(national, area).items()}


def _payloads(shown: dict[str, disclosure.Disclosed]) -> list[dict[str, Any]]:
    return [display.table_bundle(d, name=n, title=n)[display.TABLE] for n, d in shown.items()]


Shown = dict[str, dict[str, disclosure.Disclosed]]


def _solved(national: dict[str, pd.DataFrame], shown: Shown, column: str) -> list[tuple[str, str, int]]:
    """Solve for what is hidden and small, from all areas' tables and those of all areas together, which are shown too.

    Written apart from the library's audit: it is told what adds up.
    """
    cells, hidden, place = Cells(), [], {}

    def known(value: float) -> int:
        if column == "cost_gbp":  # rounded, so taken as exact: what no change moves that leaves every sum as it is
            return cells.add(0, 0)
        slack = 2.0 if value else 1e-6
        return cells.add(value - slack, value + slack)

    # The most that an attacker can know: which of the stars stand for one to seven people.
    true = {area: _of(national, area) for area in shown}
    small = {(a, n): frame["contacts"].between(1, 7) for a in shown for n, frame in true[a].items()}
    primary = {(a, n, r) for (a, n), marks in small.items() for r in np.flatnonzero(marks)}
    for area, tables in shown.items():
        for name, table in tables.items():
            keys = table.frame[BY[name]].itertuples(index=False, name=None)
            for row, (key, value) in enumerate(zip(keys, table.frame[column], strict=True)):
                least, most = (1, 7) if (area, name, row) in primary else (0, 1e7)
                least, most = (-1, 1) if column == "cost_gbp" else (least, most)
                place[area, name, key] = cells.add(least, most) if math.isnan(value) else known(value)
                if math.isnan(value):
                    hidden.append((area, name, row, place[area, name, key]))
        for area_, name, key in [k for k in place if k[0] == area and k[1] != "grid"]:
            parts = [c for (a, n, k), c in place.items() if (a, n) == (area, "grid") and key[0] in k]
            cells.add_up(parts, place[area_, name, key])
    for name, table in next(iter(shown.values())).items():
        keys = table.frame[BY[name]].itertuples(index=False, name=None)
        for key, value in zip(keys, table.frame[f"all_{column}"], strict=True):
            cells.add_up(
                [place[area, name, key] for area in shown],
                cells.add(-1 if column == "cost_gbp" else 0, 1e7) if math.isnan(value) else known(value),
            )
    stars = {c: (a, n, r) for a, n, r, c in hidden if (a, n, r) in primary}
    for cell, (area, name, row) in [*stars.items()][: column == "contacts"]:
        value = true[area][name][column][row]
        assert cells.least(cell) - 1e-3 <= value <= cells.most(cell) + 1e-3, "the attacker's programme is wrong"
    return [stars[c] for c in cells.met(list(stars), 1.0 if column == "contacts" else 1e-3)]


@pytest.mark.slow
@pytest.mark.property
def test_no_small_number_can_be_solved_for_on_two_hundred_samples() -> None:
    for seed in range(200):
        national = _national(np.random.default_rng(seed), areas=2)
        shown = {area: _together(national, area) for area in "AB"}
        for column in ("contacts", "cost_gbp"):
            assert _solved(national, shown, column) == [], (seed, column)


@pytest.mark.slow
@pytest.mark.property
def test_the_attacker_finds_what_tables_disclosed_one_by_one_give_away() -> None:
    found = 0
    for seed in range(20):
        national = _national(np.random.default_rng(seed), areas=2)
        found += bool(_solved(national, {a: _apart(national, a) for a in "AB"}, "cost_gbp"))
    assert found > 10


@pytest.mark.slow
@pytest.mark.property
def test_the_national_figure_less_the_other_packs_gives_nothing_away() -> None:
    for seed in range(40):
        national = _national(np.random.default_rng(seed))
        shown = {area: _together(national, area) for area in "ABCD"}
        for name, by in BY.items():
            marks = pd.concat(
                [shown[a][name].frame[by].assign(hidden=shown[a][name].hidden["contacts"], area=a) for a in "ABCD"]
            )
            counts = national[name].rename(columns={"icb_code": "area"})
            for _, cell in marks.merge(counts, on=["area", *by]).groupby(by):
                left = cell[cell["hidden"]]
                assert len(left) != 1 or cell["contacts"].sum() < 8 or (cell["contacts"] > 0).sum() == 1
                assert (
                    not len(left)
                    or left["contacts"].sum() >= 8
                    or cell["contacts"].sum() < 8
                    or not (~cell["hidden"]).any()
                )


@pytest.mark.unit
def test_every_pack_hides_the_same_for_the_others_whichever_is_built() -> None:
    national = _national(np.random.default_rng(3))
    first = {area: _together(national, area)["grid"].hidden for area in "ABCD"}
    again = {area: _together(national, area)["grid"].hidden for area in "DCBA"}
    assert all(first[area].equals(again[area]) for area in "ABCD")


@pytest.mark.unit
def test_a_bridge_between_two_squares_is_seen_by_all_lines_together_only() -> None:
    """By hand: two hidden squares of a table and one cell that joins them; rows 1 + 2 less columns 1 + 2 is it."""
    hidden = np.zeros((4, 4), dtype=bool)
    hidden[:2, :2] = hidden[2:, 2:] = hidden[0, 2] = True
    place = np.arange(16).reshape(4, 4)
    lines = [Line(tuple(row)) for row in place] + [Line(tuple(column)) for column in place.T]
    assert np.flatnonzero(exposed(hidden.ravel(), lines)).tolist() == [place[0, 2]]
    values = np.full(16, 20.0)
    values[hidden.ravel()] = 5.0
    after = protect(values, hidden.ravel(), lines, smallest=8)
    assert not exposed(after, lines).any()


@pytest.mark.unit
def test_two_small_cells_that_are_small_together_take_a_third_with_them() -> None:
    table = pd.DataFrame({"phase": list("abcd"), "contacts": [2, 3, 40, 20], "mean_gbp": [1.0, 2.0, 3.0, 4.0]})
    shown = present.disclose(table, counts="contacts", totals=[[]])
    assert shown.hidden["mean_gbp"].tolist() == [True, True, False, True]
    assert (shown.primary, shown.secondary) == (2, 1)


@pytest.mark.property
@settings(max_examples=30)
@given(st.lists(st.integers(0, 40), min_size=12, max_size=12), st.sampled_from(sorted(present.disclosure.RULES)))
def test_the_audit_of_a_pack_finds_nothing_in_tables_disclosed_together(counts: list[int], rule: str) -> None:
    keys = [(s, p) for s in "wxyz" for p in "abc"]
    grid = pd.DataFrame(keys, columns=["setting", "phase"]).assign(contacts=counts, mean_gbp=np.array(counts) * 3.21)
    tables = {n: grid.groupby(by, as_index=False)[["contacts", "mean_gbp"]].sum() for n, by in BY.items()}
    payloads = _payloads(present.disclose_together(tables, counts="contacts", by=BY, rule=rule))
    assert list(audit(payloads)) == []


@pytest.mark.unit
def test_the_audit_finds_a_planted_leak_and_the_pack_is_refused_without_its_value() -> None:
    grid = pd.DataFrame([(s, p) for s in "wxyz" for p in "abc"], columns=["setting", "phase"])
    grid = grid.assign(contacts=[5, *range(20, 31)])
    grid["mean_gbp"] = grid["contacts"] * 3.21
    tables = {n: grid.groupby(by, as_index=False)[["contacts", "mean_gbp"]].sum() for n, by in BY.items()}
    leaky = _payloads({name: present.disclose(table, counts="contacts") for name, table in tables.items()})
    assert list(audit(leaky)) == ["grid, mean_gbp"]
    with pytest.raises(InputError, match=r"02_x: .*worked out from what is shown: grid, mean_gbp") as refused:
        refuse_leaks("02_x", leaky)
    assert "16.05" not in str(refused.value)
    refuse_leaks("02_x", _payloads(present.disclose_together(tables, counts="contacts", by=BY)))
