"""Several tables, packs, areas, years, pathways and definitions: do they add up to what is hidden of a few people?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import planted
from published import (
    BY,
    Found,
    Held,
    Key,
    System,
    Unknowns,
    few,
    known,
    reader,
)
from samples import AREAS

GRID = [(s, p) for s in ("acute", "community", "gp") for p in ("before", "during", "later")]


def _read(held: Held, measure: str, packs: Iterable[str], names: Iterable[str]) -> System:
    system = System(measure)
    for pack in packs:
        for table in held.tables(pack=pack):
            if table.name in names and measure in table.columns:
                system.read(table, f"{planted.whose(table)} {table.of.get('year')} {table.of.get('pathway')}")
    return system


def _told(system: System, pack: str) -> Iterator[Found]:
    for key, ends in system.told():
        yield Found(pack, " ".join(key), system.measure, ends)


def _packs(held: Held, year: str = "2024-25") -> list[str]:
    return [pack for pack in held.packs if pack.startswith(f"{year}/")]


def _nested(held: Held, measure: str, names: Iterable[str]) -> Iterator[Found]:
    """Solve some tables of each pack together, one split further than the other."""
    for pack in _packs(held):
        system = _read(held, measure, [pack], names)
        system.nest()
        yield from _told(system, pack)


#: Exact counts, of which one of three alone is hidden.
_ONE_OF_THREE = planted.tables(
    planted.split({(): 57}, "whole"), planted.split({("acute",): 21, ("community",): 33, ("gp",): "*"}, "setting")
)


@reader("sums", _ONE_OF_THREE, "rows")
def total_less_rows(held: Held) -> Iterator[Found]:
    """A reader with one pack's table by setting, and the total in its headline."""
    yield from _nested(held, "contacts", ["whole", "setting"])


def _grid(value: Callable[[int], Any], hidden: Iterable[int]) -> dict[Key, Any]:
    return {key: "*" if n in hidden else value(n) for n, key in enumerate(GRID)}


_SETTING = {("acute",): 63.0, ("community",): 107.0, ("gp",): 243.0}


@reader(
    "sums",
    planted.tables(
        planted.split(_SETTING, "setting"),
        planted.split(_grid(lambda n: 10.0 * n + 11, [4]) | {("community", "during"): "*"}, "grid"),
    ),
    "rows",
)
def setting_less_phases(held: Held) -> Iterator[Found]:
    """A reader with one pack: a setting, less the phases of it in the workbook's longer table."""
    yield from _nested(held, "contacts", ["setting", "grid"])


_POUNDS = planted.tables(
    planted.split({("acute",): 610.51, ("community",): 312.37, ("gp",): 99.13}, "setting", "mean_gbp"),
    planted.split(
        _grid(lambda n: [301.21, 202.11, 107.19, 91.33, 0, 101.11, 33.17, 32.91, 33.05][n], [4]), "grid", "mean_gbp"
    ),
)


@reader("sums", _POUNDS, "audit")
def pounds_of_a_setting_less_phases(held: Held) -> Iterator[Found]:
    """A reader with one pack: the same in pounds a patient, each known to its step."""
    yield from _nested(held, "mean_gbp", ["setting", "grid"])


def _chain(measure: str) -> planted.Plant:
    """Two stars in one setting, two in one phase, but they meet: only all lines together tell."""
    exact = {key: 11.0 + 12 * n for n, key in enumerate(GRID)}
    phases = {(p,): sum(v for k, v in exact.items() if k[1] == p) for p in ("before", "during", "later")}
    settings = {(s,): sum(v for k, v in exact.items() if k[0] == s) for s in ("acute", "community", "gp")}
    exact[("acute", "before")], settings[("acute",)], phases[("before",)] = (
        3.0,
        settings[("acute",)] - 8,
        phases[("before",)] - 8,
    )
    hidden = {("acute", "before"), ("acute", "during"), ("community", "during")}
    grid = {key: "*" if key in hidden else value for key, value in exact.items()}
    named = ((settings, "setting"), (phases, "phase"), (grid, "grid"))
    return planted.tables(*(planted.split(values, name, measure) for values, name in named))


@reader("sums", _chain("contacts"), "rows")
def all_tables_of_a_pack(held: Held) -> Iterator[Found]:
    """A reader with all tables of one pack's 02: every sum at once, as one linear programme."""
    yield from _nested(held, "contacts", BY)


@reader("sums", _chain("mean_gbp"), "audit")
def pounds_of_all_tables(held: Held) -> Iterator[Found]:
    """A reader with all tables of one pack's 02, and the pounds of every sum at once."""
    yield from _nested(held, "mean_gbp", BY)


def _england(held: Held, measure: str, year: str) -> System:
    system = _read(held, measure, [f"{year}/{area}" for area in AREAS], BY)
    for table in held.tables(pack=f"{year}/A"):
        if f"reference_{measure}" in table.columns:
            system.read(table, "all", f"reference_{measure}")
    system.nest()
    own = {key[0] for key in system.cells} - {"all"}
    system.across(sorted(own), "all")
    return system


def _of_area(area: str, **columns: Any) -> planted.Plant:
    def change(row: dict[str, Any]) -> None:
        row.update(columns)

    return planted.instead(f"2024-25/{area}", "whole", change)


def _neighbours(held: Held) -> Held:
    for plant in (
        _of_area("A", contacts=146.0, reference_contacts=151.0),
        _of_area("B", contacts="*"),
        *(
            planted.instead("2024-25/B", name, lambda row: row.update(contacts="*"))
            for name in ("setting", "phase", "grid")
        ),
        *(
            planted.instead("2024-25/A", n, lambda row: row.update(contacts="*", reference_contacts="*"))
            for n in ("setting", "phase", "grid")
        ),
    ):
        held = plant(held)
    # Exact, and not to the nearest five: 151 less 146.
    return held


@reader("sums", _neighbours, "packs")
def england_less_the_neighbours(held: Held) -> Iterator[Found]:
    """A reader with the packs of all areas: England's contacts in any of them, less those of the others."""
    for year in {pack.split("/")[0] for pack in held.packs if pack.endswith("/A") and pack[:2] == "20"}:
        yield from _told(_england(held, "contacts", year), f"{year}/*")


_PROVIDERS = planted.tables(
    planted.payload({"pathways": [33]}, name="whole", of=planted.KNEE),
    planted.payload({"provider_code": ["P1", "P2"], "pathways": [29, "*"]}, name="ranks", of=planted.KNEE),
)


@reader("sums", _PROVIDERS, "rows")
def area_less_its_providers(held: Held) -> Iterator[Found]:
    """A reader with an area's pathways and those of its providers: the last provider has the rest."""
    for pack in _packs(held):
        wholes = [r for t in held.tables("whole", pack=pack) for r in t.rows if known(r.get("pathways"))]
        for ranks in held.tables("ranks", pack=pack) if wholes else []:
            unknowns = Unknowns()
            cells = [unknowns.count(row["pathways"]) for row in ranks.rows]
            unknowns.add_up(cells, unknowns.count(wholes[0]["pathways"]))
            stars = [cell for cell, row in zip(cells, ranks.rows, strict=True) if not known(row["pathways"])]
            yield from (ranks.found("pathways", ends) for ends in unknowns.narrow(stars, few).values())


def _explorer(held: Held, measure: str) -> Iterator[Found]:
    system = System(measure)
    for table in [*held.tables(pack="explorer/A"), *held.tables(pack="2024-25/A")]:
        if measure in table.columns and table.name in BY:
            system.read(table, "A 2024-25 knee")
    for pack, whose in (("2024-25/B", "B 2024-25 knee"), ("2024-25/A", "all")):
        column = measure if whose != "all" else f"reference_{measure}"
        for table in (
            t for t in held.tables(pack=pack) if column in t.columns and t.name in BY and not measure.endswith("gbp")
        ):
            system.read(table, whose, column)
    system.nest()
    system.across(["A 2024-25 knee", "B 2024-25 knee"], "all")
    yield from _told(system, "explorer/A")


def _opened(held: Held) -> Held:
    grid = planted.split(
        {("gp", p): v for p, v in zip(("before", "during", "later"), (21, 33, "*"), strict=True)}, "grid", area="A"
    )
    pack = planted.split({("gp",): 57}, "setting", area="A")
    held = held.but(packs={p: b for p, b in held.packs.items() if p not in ("2024-25/A", "2024-25/B", "explorer/A")})
    return planted.tables(pack, pack="2024-25/A")(planted.tables(grid, pack="explorer/A")(held))


@reader("sums", _opened, "rows")
def explorer_beside_the_packs(held: Held) -> Iterator[Found]:
    """A reader with the explorer's views saved as workbooks, and the packs of the area and of its neighbour."""
    yield from _explorer(held, "contacts")


def _pounds_opened(held: Held) -> Held:
    grid = {("gp", p): v for p, v in zip(("before", "during", "later"), (210.13, 330.31, "*"), strict=True)}
    held = held.but(packs={p: b for p, b in held.packs.items() if p not in ("2024-25/A", "explorer/A")})
    held = planted.tables(planted.split(grid, "grid", "mean_gbp", area="A"), pack="explorer/A")(held)
    return planted.tables(planted.split({("gp",): 641.77}, "setting", "mean_gbp", area="A"), pack="2024-25/A")(held)


@reader("sums", _pounds_opened, "packs")
def pounds_of_the_explorer_beside_the_pack(held: Held) -> Iterator[Found]:
    """A reader with the explorer's views and the pack: a setting's pounds from one, its phases' from the other."""
    yield from _explorer(held, "mean_gbp")


def _noted(held: Held) -> Held:
    table = planted.split({("acute",): 22, ("community",): "*", ("gp",): "*"}, "setting")
    return planted.tables({**table, "primary": 2, "secondary": 0}, planted.split({(): 36}, "whole"))(held)


@reader("sums", _noted, "rows")
def how_many_rows_are_small(held: Held) -> Iterator[Found]:
    """A reader with the log of what was suppressed: where no row was hidden to protect others, each star is 1 to 7."""
    for pack in _packs(held):
        noted = {p["name"]: p for text in held.packs[pack].values() for p in _payloads(text)}
        for name in ("setting", "phase", "grid"):
            if name in noted and noted[name]["primary"] and not noted[name]["secondary"]:
                system = _read(held, "contacts", [pack], ["whole", name])
                for cell in system.stars:
                    system.unknowns.low[cell], system.unknowns.high[cell] = 1.0, 7.0
                system.nest()
                yield from _told(system, pack)


def _payloads(text: str) -> list[dict[str, Any]]:
    outputs = [o for cell in json.loads(text)["cells"] for o in cell.get("outputs", [])]
    return [next(iter(o["data"].values())) for o in outputs]
