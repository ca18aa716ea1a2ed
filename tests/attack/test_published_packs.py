"""The packs of three areas of the sample, as they are built: every attack on what lies in their folders.

The reader has the whole pack of one area, 02 of its two neighbours, and the explorer's views of one of
them. What is true comes from the links, and only says of whom a shown number is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import planted
import pytest
import readers_counts  # noqa: F401
import readers_definitions  # noqa: F401
import readers_pounds  # noqa: F401
import readers_sums  # noqa: F401
from honest import PUBLIC
from published import ATTACKS, Found, Held, System, known, of_subject, reader
from samples import notebook

from pathcost_lib import ledger, packs, pathways, sources
from pathcost_lib.errors import InputError
from pathcost_lib.explore.explorer import BREAKDOWNS, Explorer, View
from pathcost_lib.present.display import TABLE, table_bundle

YEAR, AREA, NEIGHBOURS, EXPLORED = "2024-25", "QHL", ("QOP", "QUA"), "QOP"
#: As the small samples call the same tables.
_NAMES = {
    "By setting": "setting",
    "By phase": "phase",
    "By setting and phase": "grid",
    "Cost basis": "basis",
    "Ranks": "ranks",
}
_FEW = r"(?:[1-7]|one|two|three|four|five|six|seven)"
_WHO = r"(?:patients?|people|persons?|contacts?|pathways?|rows?|events?|deaths?)"


def _renamed(text: str) -> str:
    book = json.loads(text)
    for output in (o for cell in book["cells"] for o in cell.get("outputs", [])):
        table = output.get("data", {}).get(TABLE)
        if table:
            table["name"] = _NAMES.get(table["name"], table["name"])
    return json.dumps(book)


@dataclass(frozen=True)
class Real:
    """What the reader holds, and (for the judge) how many people each cell is of."""

    held: Held
    explored: Held
    people: pd.DataFrame

    def many(self, area: str, **said: str) -> int:
        """Return how many people have a contact in a cell."""
        rows = self.people[self.people["icb_code"] == area]
        for column, value in said.items():
            rows = rows[rows[column] == value]
        return int(rows["pathway_id"].nunique())


@pytest.fixture(scope="module")
def real(three: Path, pack_of_three: Path, tmp_path_factory: pytest.TempPathFactory) -> Real:
    out = tmp_path_factory.mktemp("neighbours")
    options = {"data": three, "out": out, "formats": ("html",), "notebooks": ["02_pathway_cost"]}
    built = packs.build_all([*NEIGHBOURS], year=YEAR, **options)
    assert [pack.failures for pack in built] == [(), ()]
    texts = {p.folder: [*p.folder.glob("*.ipynb")] for p in built} | {pack_of_three: [*pack_of_three.glob("*.ipynb")]}
    books = {
        f"{YEAR}/{f.name}": {p.stem: _renamed(p.read_text(encoding="utf-8")) for p in ps} for f, ps in texts.items()
    }
    dataset = sources.open_dataset(three)
    explored = Held({f"explorer/{EXPLORED}": {"explore": notebook(_views(Explorer(dataset)))}})
    return Real(Held(books, public={**PUBLIC, "dearest": {}}), explored, _people(dataset))


def _views(explorer: Explorer) -> Iterator[dict]:
    """Yield every view of an area's knees, and what each row of it opens."""
    for breakdown in BREAKDOWNS:
        view = View(EXPLORED, "knee_replacement", YEAR, breakdown)
        choices = explorer.look(view).choices if view.below else {}
        for one in (view, *(view.into(code) for code in choices.values())):
            name = breakdown if one is view else f"{one.breakdown} within {breakdown}"
            for data, called in ((explorer.disclosed(one), name), (explorer.basis(one), "basis")):
                yield table_bundle(data, name=called, title=called)[TABLE]


def _people(dataset: sources.Dataset) -> pd.DataFrame:
    costed = ledger.cost_activity(dataset.activity, dataset.unit_costs, dataset.organisations, price_base=YEAR)
    links = pathways.link(costed, pathways.load_definition("knee_replacement"), patients=dataset.patients)
    whole = links.pathways.to_pandas().query("complete")
    whole = whole[pd.to_datetime(whole["window_to"]).between("2024-04-01", "2025-03-31")]
    columns = ["pathway_id", "activity_id", "phase", "provider_code", "cost_basis"]
    rows = links.links.to_pandas()[columns].merge(
        whole[["pathway_id", "icb_code", "index_provider_code"]], on="pathway_id"
    )
    rows = rows.merge(costed.to_pandas()[["activity_id", "setting"]], on="activity_id")
    return rows.assign(
        inside=(rows["provider_code"] == rows["index_provider_code"]).map({True: "inside", False: "outside"})
    )


# -- attacks that need what only whole packs have ---------------------------------------------------------------------
_BASIS = planted.payload(
    {"setting": ["gp", "ae"], "cost_basis": ["national"] * 2, "contacts": [20.0, 40.0]}, name="basis"
)
_SETTINGS = planted.payload({"setting": ["gp", "ae"], "contacts": ["*", 40.0], "mean_gbp": ["*", 99.0]}, name="setting")


@reader("packs", planted.tables(_BASIS, _SETTINGS), "rows")
def cost_basis_beside_settings(held: Held) -> Iterator[Found]:
    """A reader with one pack's 02: a setting whose contacts are hidden, and whose cost bases show all of them."""
    for settings in held.tables("setting"):
        for basis in held.tables("basis", pack=settings.pack):
            for row in (r for r in settings.rows if r["contacts"] == "*"):
                parts = [r["contacts"] for r in basis.rows if r["setting"] == row["setting"]]
                if parts and all(map(known, parts)):
                    yield basis.found(str(row["setting"]), sum(parts))


@reader(
    "packs",
    planted.tables(planted.payload({"finding": ["Stroke: 3 patients wait"], "contacts": [40]}, name="words")),
    "rows",
)
def few_in_words(held: Held) -> Iterator[Found]:
    """A reader of all that is said in tables: a number of one to seven people, in figures or in words."""
    said = re.compile(rf"(?<!fewer than )(?<!to )(?<![\d.,])\b{_FEW} {_WHO}\b", re.IGNORECASE)
    for table in held.tables():
        texts = (v for row in table.rows for c, v in row.items() if isinstance(v, str) and c != "what_it_does")
        yield from (table.found("words", text) for text in texts if said.search(text))


@reader(
    "packs",
    planted.tables(planted.payload({"finding": ["x"], "example": ["9434765919 on 2024-05-17"]}, name="examples")),
    "rows",
)
def identifiers_in_examples(held: Held) -> Iterator[Found]:
    """A reader of 01, which is also what `check --out` writes: examples that are a person's number, or a day."""
    for table in held.tables():
        texts = (v for row in table.rows for v in row.values() if isinstance(v, str))
        yield from (
            table.found("text", t) for t in texts if re.search(r"\b\d{7,}\b|\b[0-9a-f]{20,}\b|\b\d{4}-\d\d-\d\d\b", t)
        )


#: Attacks on sums that need one pack; with all three, the sums over areas below.
SUMS = ["total_less_rows", "setting_less_phases", "pounds_of_a_setting_less_phases", "all_tables_of_a_pack"]
SUMS += ["pounds_of_all_tables", "area_less_its_providers", "two_numbers_for_one_cell"]


@pytest.mark.slow
@pytest.mark.end_to_end
def test_no_attack_on_rows_or_sums_finds_anything_in_three_packs(real: Real) -> None:
    rows = [n for subject in ("counts", "pounds") for n in of_subject(subject)]
    rows += [n for subject in ("definitions", "sums") for n in of_subject(subject) if n.startswith("two_")]
    found = {
        n: leaks
        for n in [*rows, *SUMS, "few_in_words", "identifiers_in_examples"]
        if (leaks := list(ATTACKS[n].run(real.held)))
    }
    assert not found


@pytest.mark.unit
@pytest.mark.parametrize("name", of_subject("packs"))
def test_a_planted_leak_of_its_kind_is_found_and_refused(name: str) -> None:
    assert not list(ATTACKS[name].run(Held({})))
    assert list(ATTACKS[name].run(ATTACKS[name].plant(Held({}))))
    with pytest.raises(InputError):
        planted.refused(ATTACKS[name].plant(Held({})), ATTACKS[name].refused)


@pytest.mark.slow
@pytest.mark.end_to_end
def test_no_cell_of_the_tables_by_setting_and_phase_is_shown_that_is_of_fewer_than_eight_people(real: Real) -> None:
    shown = 0
    for table in (
        t for name in ("setting", "phase", "grid") for held in (real.held, real.explored) for t in held.tables(name)
    ):
        area = table.pack.rsplit("/", 1)[-1]
        for row in (r for r in table.rows if known(r["contacts"]) and r["contacts"]):
            shown += 1
            said = {c: row[c] for c in ("setting", "phase") if c in table.columns}
            assert real.many(area, **said) >= 8, (table.pack, table.name, said)
    assert shown > 40


@pytest.mark.slow
@pytest.mark.end_to_end
@pytest.mark.parametrize("which", ["held", "explored"])
def test_no_cell_of_the_cost_basis_is_shown_that_is_of_fewer_than_eight_people(real: Real, which: str) -> None:
    few = []
    for table in getattr(real, which).tables("basis"):
        area = table.pack.rsplit("/", 1)[-1]
        for row in (r for r in table.rows if known(r["contacts"]) and r["contacts"]):
            said = {c: row[c] for c in ("setting", "cost_basis")}
            few += [(table.pack, said)] if 0 < real.many(area, **said) < 8 else []
    assert not few


@pytest.mark.slow
@pytest.mark.end_to_end
def test_the_cost_basis_shows_no_setting_that_is_hidden(real: Real) -> None:
    assert not list(ATTACKS["cost_basis_beside_settings"].run(real.held))


@pytest.mark.slow
@pytest.mark.end_to_end
def test_no_contacts_inside_or_outside_are_shown_that_are_of_fewer_than_eight_people(real: Real) -> None:
    few = []
    for table in real.held.tables("Outside share"):
        area = table.pack.rsplit("/", 1)[-1]
        for row in (r for r in table.rows if r["phase"] != "whole_pathway"):
            for where in ("inside", "outside"):
                many = real.many(area, phase=row["phase"], inside=where)
                few += (
                    [(table.pack, row["phase"], where, many)]
                    if known(row[f"{where}_contacts"]) and 0 < many < 8
                    else []
                )
    assert not few


@pytest.mark.slow
@pytest.mark.end_to_end
@pytest.mark.parametrize("name", ["england", "explorer"])
def test_areas_and_views_together_tell_no_small_number(real: Real, name: str) -> None:
    """All three areas add up to all; the explorer's views are of one of them."""
    system = System("contacts")
    for area in (AREA, *NEIGHBOURS):
        for table in (t for t in real.held.tables(pack=f"{YEAR}/{area}") if t.name in ("setting", "phase", "grid")):
            system.read(table, area)
    for table in real.explored.tables() if name == "explorer" else ():
        if table.name in ("setting", "phase"):
            system.read(table, EXPLORED)
    system.nest()
    assert list(system.told()) == []
