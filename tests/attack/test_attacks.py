"""A reader with several packs: every kind of leak is found where it is planted, and none where nothing is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import samples
from published import payloads_of

from pathcost_lib import present
from pathcost_lib.errors import InputError
from pathcost_lib.packs.attack import attack, attack_one, refuse
from pathcost_lib.present import display

KNEE = {"what": "closed pathways", "year": "2024-25", "pathway": "knee", "icb_code": "A"}
Payload = dict[str, Any]


def _payload(table: pd.DataFrame, of: dict[str, str] | None = KNEE, **options: Any) -> Payload:
    shown = present.disclose(table, of=of, **{"counts": "pathways", "in_order": True, **options})
    payload: Payload = display.table_bundle(shown, name="t", title="t")[display.TABLE]
    return payload


def _planted(columns: dict[str, Any], rule: str = "hes", of: dict[str, str] | None = None) -> Payload:
    """A table that has not been through the door: its numbers as they are."""
    made = _payload(pd.DataFrame(columns), of, counts=[])
    frame = pd.DataFrame(columns)
    rows = [[v if isinstance(v, str) else float(v) for v in row] for row in frame.itertuples(index=False, name=None)]
    numbers = [{**c, "number": c["key"] not in ("phase", "provider", "finding")} for c in made["columns"]]
    return {**made, "columns": numbers, "rows": rows, "rule": rule, "steps": {}}


#: One row, of one pack: what the reader gets from it.
ROWS: dict[str, dict[str, list[Any]]] = {
    "an exact mean": {"pathways": [15], "mean_gbp": [20194.857143]},
    "a mean to the pound": {"pathways": [15], "mean_gbp": [20195]},
    "an exact total": {"pathways": [15], "cost_gbp": [282728.01]},
    "a total of the true count": {"pathways": [15], "mean_gbp": [20000], "cost_gbp": [401000]},
    "an un-rounded limit": {"pathways": [15], "mean_gbp": [20000], "lower_95": [15517.19], "upper_95": [24873.4]},
    "a count": {"pathways": [14], "mean_gbp": [20000]},
    "a small count": {"pathways": [5], "mean_gbp": [20000]},
    "a share of the true count": {"due_pathways": [35], "linked_pathways": [30], "linkage_pct": [82]},
    "limits of a rate of eight": {"pathways": [10], "rate": [8.123], "lower_95": [3.49766], "upper_95": [16.00632]},
    "the largest": {"pathways": [15], "largest_gbp": [60000]},
    "a quantile of two": {"pathways": [15], "p90_days": [20]},
    "one person's cost in a wide interval": {"pathways": [15], "mean_gbp": [22000], "upper_95": [64000]},
    "a rate to three places": {"pathways": [15], "rate": [22.838]},
    "an index to two places": {"pathways": [15], "index": [80.92]},
    "a median to the penny": {"pathways": [15], "median_gbp": [8123.45]},
    "a mean of whole days": {"pathways": [15], "mean_days": [4.6429]},
    "a deviation beside its error": {"pathways": [15], "sd_gbp": [7420.11], "se_gbp": [1983.11]},
    "a difference in words beside an excess": {
        "finding": ["Hips: £3.01k (20%) more per patient than expected"],
        "pathways": [15],
        "excess_gbp": [42140],
    },
    "a share of what is hidden": {"inside_contacts": [300], "outside_contacts": ["*"], "outside_pct": [8.4]},
    "two values of worth": {
        "threshold_gbp": [20000, 30000],
        "pathways": [15, 15],
        "net_benefit_gbp": [20000 * 1.601214 - 9000, 30000 * 1.601214 - 9000],
    },
    # By hand: g = 1.96² × 0.5² / (n × 1.6127²), 0.026376 of 14 and 0.000185 of 2,000; middle = 6123.45 / (1 - g).
    "Fieller's limits beside another row's": {
        "pathways": [15, 2000],
        "qalys": [1.6127, 1.6127],
        "ratio_gbp": [6123.45, 6123.45],
        "lower_95": [4289.33, 5958.57],
        "upper_95": [8289.34, 6290.59],
    },
    "few people in words": {"finding": ["Stroke: three patients wait"], "pathways": [40]},
    "what may be a person's number": {"finding": ["as 9434765919"], "pathways": [40]},
    "a mean beside a star": {"pathways": ["*"], "mean_gbp": [20000]},
    "the rank of a star": {"pathways": ["*"], "stage_rank": [3]},
}


@pytest.mark.unit
@pytest.mark.parametrize("kind", ROWS)
def test_a_planted_number_is_found_and_its_pack_refused_without_its_value(kind: str) -> None:
    leaks = attack_one("P", {"02_x": [_planted(ROWS[kind])]})
    assert leaks, kind
    with pytest.raises(InputError, match="02_x: t") as said:
        refuse(leaks)
    assert "20194" not in str(said.value) and "15517" not in str(said.value)


@pytest.mark.unit
def test_the_same_cell_with_two_numbers_or_a_star_and_a_number_is_found() -> None:
    """With and without a pathway of one's own, fewest = 8 against 9, late rows: two numbers for one definition."""
    one, two = (_payload(pd.DataFrame({"pathways": [20], "mean_gbp": [m]})) for m in (9000.0, 12000.0))
    small = _payload(pd.DataFrame({"pathways": [5], "mean_gbp": [9000.0]}))
    for other, how in ((two, "two numbers"), (small, "hidden in one place")):
        leaks = attack({"P": {"02_x": [one]}, "Q": {"02_x": [other]}})
        assert any(how in leak.how and leak.packs == ("P", "Q") for leak in leaks)
    assert attack({"P": {"02_x": [one]}, "Q": {"02_x": [one]}}) == []
    for of in ({"year": "2023-24"}, {"icb_code": "B"}, {"pathway": "hip-and-knee"}):  # another thing, no alarm
        assert attack({"P": {"02_x": [one]}, "Q": {"02_x": [{**two, "of": {**KNEE, **of}}]}}) == []


@pytest.mark.unit
def test_an_unsuppressed_complement_is_found_by_the_sums_in_pounds_and_counts() -> None:
    whole = _planted({"contacts": [100], "mean_gbp": [7321.5]}, of=KNEE)
    parts = _planted({"phase": list("abc"), "contacts": [95, "*", 0], "mean_gbp": [3050.0, "*", 0.0]}, of=KNEE)
    found = {leak.how for leak in attack({"P": {"02_x": [whole, parts]}})}
    assert any("closely" in how for how in found)


@pytest.mark.unit
def test_with_all_areas_packs_one_area_is_everybody_s_less_the_others() -> None:
    """By hand: 98 to 102 people each. England 1.97m to 2.07m, B 197,000 to 207,000: A is 17,300 to 19,100 a head."""

    def pack(area: str, mean: float | str) -> dict[str, list[Payload]]:
        whole = _planted({"pathways": [100]}, of={**KNEE, "icb_code": area})
        row = {"phase": ["a"], "mean_gbp": [mean], "reference_pathways": [200], "reference_gbp": [10_100]}
        return {"02_x": [{**whole, "title": "w"}, _planted(row, of={**KNEE, "icb_code": area})]}

    packs = {"P": pack("A", "*"), "Q": pack("B", 2020)}
    leaks = attack(packs, areas=["A", "B"])
    assert [leak.packs for leak in leaks if "closely" in leak.how] == [("P",)]
    assert attack(packs, areas=["A", "B", "C"]) == []  # what C costs is not known
    assert attack({"P": pack("A", "*"), "Q": pack("B", "*")}, areas=["A", "B"]) == []


@pytest.mark.unit
def test_a_star_among_rows_sorted_by_their_numbers_is_found() -> None:
    values = [*range(2000, 1000, -100), "*", 900, 800]
    table = _planted({"provider": list("kbcdaefgzhijx"), "pathways": [50] * 10 + ["*", 50, 50], "mean_gbp": values})
    assert any("sorted" in leak.how for leak in attack_one("P", {"02_x": [table]}))


@pytest.mark.property
@pytest.mark.parametrize("first", range(0, 40, 20))
def test_from_the_rows_of_honest_packs_nothing_is_found(first: int) -> None:
    for seed in range(first, first + 20):
        rng = np.random.default_rng(seed)
        n = rng.poisson(rng.gamma(1.5, 15, 6))
        mean = rng.uniform(100, 30_000, 6)
        half = 2 * mean / np.sqrt(np.maximum(n, 1)) * 0.7
        table = pd.DataFrame({"phase": list("abcdef"), "pathways": n, "mean_gbp": mean})
        table = table.assign(lower_95=mean - half, upper_95=mean + half, cost_gbp=n * mean)
        assert attack_one("P", {"02_x": [_payload(table)]}) == [], seed


@pytest.mark.unit
def test_a_row_that_one_person_dominates_here_hides_nothing_of_everybody_s() -> None:
    """One pack hid England's number that all others showed: so its own row was known to be dominated."""
    table = pd.DataFrame({"phase": list("ab"), "pathways": [20, 30], "mean_gbp": [900.0, 800.0]})
    table = table.assign(reference_pathways=[900, 800], reference_gbp=[850.0, 820.0], largest_share=[0.9, 0.1])
    shown = present.disclose(table, counts="pathways", apart={"reference_pathways": ["reference_gbp"]}, in_order=True)
    assert shown.hidden["mean_gbp"].tolist() == [True, False]
    assert shown.hidden["reference_gbp"].tolist() == [False, False]


@pytest.mark.property
def test_in_one_pack_of_the_samples_that_pass_the_door_nothing_is_found() -> None:
    """Whatever is looked for row by row, table by table: none of it is in what is honest."""
    for seed in samples.SEEDS[::5]:
        for pack, books in samples.published(seed).items():
            shown = {source: payloads_of(text) for source, text in books.items()}
            assert attack_one(pack, shown) == [], (seed, pack)
