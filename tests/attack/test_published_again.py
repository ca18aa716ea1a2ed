"""Asking again: late rows, other parameters, and what `pathcost check --out` says; and is the reader's model right?"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import planted
import pytest
import samples
from honest import held
from published import ATTACKS, Found, Held, apart, bands, counts, few, known, of_subject, payloads_of, reader

from pathcost_lib.errors import InputError
from pathcost_lib.packs import releases
from pathcost_lib.packs.order import production_notebooks
from pathcost_lib.packs.runner import parameters_of

DEFAULTS = {n.stem: {name: p.default for name, p in parameters_of(n).items()} for n in production_notebooks()}


def _rebuilt(seed: int, folder: Path) -> Held:
    """Return the pack of A before and after three late patients: if the second is refused, the first stands."""
    before = held(seed).packs["2024-25/A"]["02_pathway_cost"]
    first = {"02_pathway_cost": [p for p in payloads_of(before) if p["name"] in samples.BY]}
    second = {"02_pathway_cost": [table[seed] for table in samples.late()]}
    reports = folder / str(seed)
    reports.mkdir()
    releases.release("2024-25/A", releases.released_rows(first), reports)
    try:
        releases.release("2024-25/A", releases.released_rows(second), reports)
    except InputError:
        second = first
    books = {"before/A": first, "after/A": second}
    return Held({pack: {n: samples.notebook(t) for n, t in out.items()} for pack, out in books.items()})


def _three_more(held: Held) -> Held:
    packs = {}
    for pack, many in (("before/A", 17), ("after/A", 24)):
        of = {**planted.KNEE, "icb_code": "A"}
        table = planted.payload({"pathways": [many], "mean_gbp": [9000.0 + many]}, name="whole", of=of)
        packs[pack] = {
            "02_pathway_cost": samples.notebook([table, planted.split({("gp",): many * 3 - 50}, "setting", area="A")])
        }
    return held.but(packs=packs)


def _both(held: Held) -> Iterator[tuple[Any, Any, Any]]:
    for before in held.tables(pack="before/A"):
        for after in held.tables(before.name, pack="after/A"):
            yield from ((before, a, b) for a, b in zip(before.rows, after.rows, strict=True))


@reader("again", _three_more, "releases")
def late_rows_counted(held: Held) -> Iterator[Found]:
    """A reader who kept the pack of last month: what came late is the difference of two counts."""
    for table, a, b in _both(held):
        for column in ("pathways", "seen_pathways", "contacts"):
            if known(a.get(column)) and known(b.get(column)) and few(*sorted(apart(b[column], a[column]))):
                yield table.found(column, apart(b[column], a[column]))


@reader("again", _three_more, "releases")
def late_rows_that_moved_a_number(held: Held) -> Iterator[Found]:
    """A reader who kept the pack of last month: a number has moved, by fewer people than may be told of."""
    for table, a, b in _both(held):
        for column in (c for c in a if c in ("pathways", "mean_gbp", "contacts")):
            own = "contacts" if table.name != "whole" and "contacts" in a else "pathways"
            moved = [a.get(own), b.get(own)]
            both = all(map(known, (a[column], b[column], *moved)))
            if both and a[column] != b[column] and abs(moved[1] - moved[0]) < 8:
                yield table.found(column, (a[column], b[column]))


NAMES = of_subject("again")


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> list[Held]:
    folder = tmp_path_factory.mktemp("reports")
    return [_rebuilt(seed, folder) for seed in samples.SEEDS]


@pytest.mark.slow
@pytest.mark.property
@pytest.mark.parametrize("name", NAMES)
def test_three_late_patients_tell_nothing_in_200_honest_samples(name: str, rebuilt: list[Held]) -> None:
    found = {seed: leaks for seed, out in enumerate(rebuilt) if (leaks := list(ATTACKS[name].run(out)))}
    assert not found, next(iter(found.items()))


@pytest.mark.unit
@pytest.mark.parametrize("name", NAMES)
def test_late_patients_in_an_exact_pack_are_found_and_such_a_pack_is_refused(name: str, tmp_path: Path) -> None:
    out = _three_more(held(0))
    assert list(ATTACKS[name].run(out))
    before, after = (out.payloads[pack] for pack in ("before/A", "after/A"))
    releases.record("2024-25/A", releases.released_rows(before), tmp_path / releases.NAME)
    with pytest.raises(InputError, match="perhaps by fewer than eight"):
        releases.refuse_few(releases.released_rows(after), tmp_path / releases.NAME)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("notebook", "values"),
    [
        ("02_pathway_cost", {"fewest": 9}),  # fewest_eight_against_nine
        ("02_pathway_cost", {"definition_file": "/home/me/knee-90-days.toml"}),  # nested_windows
        ("07_value", {"seed": 2}),  # repetition_with_other_seeds, limits_drawn_again
        ("03_icb_variation", {"own_peers": "QE1"}),  # mean_of_areas_less_those_shown
    ],
)
def test_the_second_pack_that_an_attack_by_parameters_needs_is_not_for_publication(
    notebook: str, values: dict[str, Any]
) -> None:
    given = {notebook: {**DEFAULTS[notebook], **values}}
    assert releases.restriction(given, DEFAULTS).startswith(releases.NOT_FOR_PUBLICATION)


@pytest.mark.property
def test_what_the_reader_takes_numbers_to_stand_for_holds_what_is_true() -> None:
    """Else the attacks would look for the truth where it is not: shown counts and means of 200 samples."""
    shown = 0
    for seed in samples.SEEDS:
        of = samples.sample(seed)
        for table in held(seed).tables(pack="2024-25/A"):
            by = samples.BY.get(table.name)
            true = samples.summary(of, by, icb_code="A", year="2024-25", pathway="knee") if by is not None else []
            for row, exact in itertools.product(table.rows, true):
                if all(row[c] == exact[c] for c in by or ()) and known(row["mean_gbp"]):
                    shown += 1
                    for column in samples.COUNTS:
                        assert exact[column] in counts(row[column]) and not 0 < exact[column] < 8, (seed, table.name)
                    low, high = bands(row, "mean_gbp")
                    assert low - 1e-6 <= exact["mean_gbp"] <= high + 1e-6, (seed, table.name)
    assert shown > 1000


@pytest.mark.unit
def test_there_are_at_least_forty_attacks_each_with_a_reader_and_a_plant_that_is_refused_or_why_not() -> None:
    import test_published_files
    import test_published_packs  # noqa: F401
    import test_published_tables

    assert len(ATTACKS) >= 40
    assert all(len(attack.reader) > 40 and "A reader" in attack.reader for attack in ATTACKS.values())
    assert all(attack.refused or "Nothing in the product" in attack.reader for attack in ATTACKS.values())
    assert sum(not attack.refused for attack in ATTACKS.values()) <= 3
    subjects = {ATTACKS[name].subject for name in test_published_tables.NAMES}
    assert subjects == {"counts", "pounds", "sums", "definitions"} and test_published_files.NAMES
