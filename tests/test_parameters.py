"""Every parameter of every production notebook does what its comment says, or refuses what it cannot do.

The table below names each parameter once, with another value than its default and the tables that must then differ. A
parameter without a line here fails the test, so that a new one is in it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from factories import make_tables, write_tables

from pathcost_lib import packs, paths, pathways
from pathcost_lib.errors import InputError
from pathcost_lib.packs import builder, freshness
from pathcost_lib.packs.document import Section, read_section
from pathcost_lib.packs.order import place_order
from pathcost_lib.packs.pool import Pool
from pathcost_lib.packs.runner import parameters_of
from pathcost_lib.packs.share import share
from pathcost_lib.packs.warm import KernelSpec
from pathcost_lib.sample import generate

NOTEBOOKS = {path.stem[:2]: path for path in builder.production_notebooks()}
MESSAGE = "the message"


@dataclass(frozen=True)
class Case:
    """A value, and what must differ from the notebook at its defaults: tables by name, `MESSAGE`; or what is said."""

    value: Any
    changes: tuple[str, ...] = ()
    refused: str = ""
    #: Further values without which the parameter has nothing to do; the comparison then has them too.
    beside: Mapping[str, Any] = field(default_factory=dict)


def ok(value: Any, *changes: str, **beside: Any) -> Case:
    return Case(value, changes, beside=beside)


def no(value: Any, said: str, **beside: Any) -> Case:
    return Case(value, refused=said, beside=beside)


ICB = no("QXX", "ICB 'QXX' is not known")
YEAR = no("2031-32", "Financial year '2031-32' is not known")
DATA = no("nowhere", "There is no folder nowhere")
PRICES = no("1066-67", "1066-67")
REFERENCE = no("Mars", "(?s)Reference 'Mars' is not known.*England.*Midlands.*North West.*Y60")
ELSEWHERE = no("North West", "ICB QHL is not in it.*Allowed: England, Midlands, Y60")

#: Notebook, parameter: what is tried. "<own>" and the like stand for files that are made for the test.
CASES: dict[tuple[str, str], list[Case]] = {
    ("01", "icb"): [ok("QOP", MESSAGE, "By provider", "Reconciliation"), ICB],
    ("01", "year"): [ok("2023-24", "Reconciliation"), YEAR],
    ("01", "data"): [ok("<other>", MESSAGE, "Findings", icb=""), DATA],
    ("01", "as_of"): [ok("2025-03-15", "Findings", anyway=True), no("15/03/2025", "as_of '15/03/2025'.*2025-06-30")],
    ("01", "price_base"): [ok("2023-24", "Findings"), PRICES],
    ("01", "anyway"): [
        no(False, "not fit for a pack.*anyway=yes", data="<broken>", icb=""),
        ok(True, MESSAGE, data="<broken>", icb=""),
    ],
    ("02", "icb"): [ok("QOP", MESSAGE, "By phase"), ICB],
    ("02", "pathway"): [ok("hip_replacement", MESSAGE, "By phase"), no("knees", "Pathway 'knees' is not known")],
    ("02", "year"): [ok("2023-24", MESSAGE, "By phase"), YEAR],
    ("02", "data"): [ok("<other>", MESSAGE, icb="QZ1"), DATA],
    ("02", "definition_file"): [ok("<own>", MESSAGE, "By phase")],
    ("02", "price_base"): [ok("2023-24", MESSAGE, "By phase"), PRICES],
    # The sample's Midlands are two areas: too few for a reference, unless that is allowed.
    ("02", "reference"): [
        ok("Midlands", MESSAGE, "By phase", allow="few_areas"),
        ok("Y60", MESSAGE, allow="few_areas"),
        REFERENCE,
        ELSEWHERE,
    ],
    ("02", "compare"): [
        ok("<club>", MESSAGE, "Outside share"),
        no("nowhere", "compare: there is no folder nowhere"),
        no("<club>", "pathway my_hips is linked here only", definition_file="<own>"),
    ],
    ("02", "allow"): [
        no("", "Midlands would be 2 areas only.*few_areas", reference="Midlands"),
        no("all", "'all' is not"),
    ],
    ("02", "fewest"): [ok(15, "Ranks")],
    ("02", "draws"): [ok(100, "Ranks", pathway="heart_failure")],
    ("02", "seed"): [ok(7, "Ranks", draws=100, pathway="heart_failure")],
    ("03", "icb"): [ok("QOP", MESSAGE, "Per person"), ICB],
    ("03", "pathway"): [ok("knee_replacement", "Rates", "Opportunity"), no("knees", "Pathway 'knees' is not known")],
    ("03", "year"): [ok("2023-24", MESSAGE, "Per person"), YEAR],
    ("03", "data"): [ok("<other>", MESSAGE, icb="QZ1"), DATA],
    ("03", "definition_file"): [ok("<own>", "Rates", "Opportunity")],
    ("03", "price_base"): [ok("2023-24", MESSAGE, "Per person"), PRICES],
    ("03", "reference"): [
        ok("Midlands", MESSAGE, "Per person", "Rates", allow="few_areas"),
        ok("Y60", MESSAGE, allow="few_areas"),
        ok("peers", MESSAGE, "Per person", data="<england>", icb="QOP"),
        ok("year before", MESSAGE, "Per person", "Need", "Rates", "Deprivation"),
        no("year before", "same months of the year before", year="2023-24"),
        REFERENCE,
        ELSEWHERE,
    ],
    ("03", "compare"): [
        ok("<club>", MESSAGE, "Deprivation"),
        no("nowhere", "compare: there is no folder nowhere"),
        no("<other>", "holds no .zip file"),
        no("<club>", "'Midlands' and compare are both asked for", reference="Midlands"),
        no("<club>", "price base 2024-25, here 2023-24", price_base="2023-24"),
    ],
    ("03", "allow"): [
        no("", "Midlands would be 2 areas only.*few_areas", reference="Midlands"),
        no("all", "'all' is not"),
    ],
    ("03", "scale_part_year"): [ok(True, MESSAGE, "Per person", "Rates", data="<seven>")],
    ("03", "own_peers"): [ok("QUA", "Peers"), no("QUA QXX", "Unit 'QXX' is not known")],
    ("03", "draws"): [ok(100, "Opportunity", data="<england>", icb="QOP")],
    ("03", "seed"): [ok(7, "Opportunity", data="<england>", icb="QOP")],
    ("04", "icb"): [ok("QOP", MESSAGE, "All comparisons"), ICB],
    ("04", "pathway"): [ok("hip_replacement", "Shrunk"), no("knees", "Pathway 'knees' is not known")],
    ("04", "compare"): [ok("<club>", MESSAGE, "All comparisons"), no("nowhere", "compare: there is no folder nowhere")],
    ("04", "part"): [ok("after", "Shrunk"), no("middle", "Part 'middle' is not known")],
    ("04", "year"): [ok("2023-24", MESSAGE), YEAR],
    ("04", "data"): [ok("<other>", MESSAGE, icb="QZ1"), DATA],
    ("04", "definition_file"): [ok("<own>", "Shrunk")],
    ("04", "price_base"): [ok("2023-24", "All comparisons"), PRICES],
    ("04", "allow"): [no("all", "'all' is not")],
    ("04", "threshold"): [ok(2.0, "Shrunk")],
    ("04", "fewest"): [ok(15, MESSAGE, "All comparisons")],
    ("04", "seed"): [ok(7, "Months, chance")],
    ("05", "icb"): [ok("QOP", MESSAGE, "Base year"), ICB],
    ("05", "year"): [ok("2023-24", MESSAGE, "Base year"), YEAR],
    ("05", "scenario"): [ok("<future>", "Gap"), no("bed_closure", "has no demand part")],
    ("05", "official"): [no("nowhere", "nowhere")],
    ("05", "data"): [ok("<other>", MESSAGE, icb="QZ1"), DATA],
    ("05", "price_base"): [ok("2023-24", "Base year"), PRICES],
    ("05", "series"): [ok("day_case", "Forecasts")],
    ("05", "draws"): [ok(100, "Cost by year")],
    ("05", "seed"): [ok(7, "Cost by year")],
    ("06", "icb"): [ok("QOP", MESSAGE, "Schemes"), ICB],
    ("06", "year"): [ok("2023-24", "Schemes"), YEAR],
    ("06", "data"): [ok("<other>", MESSAGE, icb="QZ1"), DATA],
    ("06", "scenario"): [ok("bed_closure", MESSAGE, "Schemes"), no("closure", "Scenario 'closure' is not known")],
    ("06", "beside"): [
        ok("nursing_homes", "Side by side", scenario="bed_closure"),
        no("closure", "Scenario 'closure' is not known"),
    ],
    ("06", "price_base"): [ok("2022-23", MESSAGE), PRICES],
    ("06", "scope"): [
        ok("icb", "Schemes", scenario="nursing_homes"),
        no("baseline", "has no .*baseline.* of its own", scenario="merger"),
        no("trust", "trust"),
    ],
    ("06", "first_year"): [ok("2030-31", MESSAGE, "Years"), no("1066-67", "1066-67")],
    ("06", "claims"): [ok("<claims>", "Register"), no("nowhere.csv", "nowhere.csv")],
    ("06", "draws"): [ok(100, "Worth")],
    ("06", "seed"): [ok(7, "Worth")],
    ("07", "icb"): [ok("QOP", MESSAGE, "Cost per QALY"), ICB],
    # Of the three areas the sample has outcomes of knees only: hips have no section (test_notebook_07 has both).
    ("07", "pathway"): [ok("hip_replacement", MESSAGE), no("knees", "'knees' is not known")],
    ("07", "definition_file"): [ok("<own>", MESSAGE)],
    ("07", "year"): [ok("2023-24", MESSAGE), YEAR],
    ("07", "data"): [ok("<other>", MESSAGE, icb="QZ1"), DATA],
    ("07", "compare"): [ok("<club>", MESSAGE), no("nowhere", "compare: there is no folder nowhere")],
    ("07", "price_base"): [ok("2023-24", "Cost per QALY"), PRICES],
    ("07", "reference"): [ok("Midlands", MESSAGE, "Cost per QALY", allow="few_areas"), REFERENCE, ELSEWHERE],
    ("07", "allow"): [
        no("", "Midlands would be 2 areas only.*few_areas", reference="Midlands"),
        no("all", "'all' is not"),
    ],
    ("07", "years"): [ok(5.0, "Cost per QALY")],
    ("07", "worth"): [ok(60000.0, "Value map, probabilities")],
    ("07", "moved"): [ok(2_000_000.0, "Budget shift")],
    ("07", "seed"): [ok(7, "Two intervals")],
    ("09", "icb"): [ok("QOP", MESSAGE, "Productivity", "Cost movement", "Out of hospital"), ICB],
    ("09", "year"): [ok("2023-24", MESSAGE, "Productivity"), YEAR],
    ("09", "deflator"): [
        ok("cost_uplift", MESSAGE, "Productivity", "Cost movement"),
        no("rpi", "deflator 'rpi' is not known.*cost_uplift, gdp_deflator"),
        no("cost_uplift", "no index of 2022-23", year="2023-24"),
    ],
    ("09", "quality"): [
        ok("<quality>", MESSAGE, "Productivity"),
        no("nowhere.csv", "quality: there is no file nowhere.csv"),
    ],
    ("09", "data"): [ok("<other>", MESSAGE, "Productivity", icb="QZ1"), DATA],
}


def _declared() -> dict[tuple[str, str], Any]:
    return {(key, name): p for key, path in NOTEBOOKS.items() for name, p in parameters_of(path).items()}


def _runs() -> dict[str, tuple[str, str, Case]]:
    """Return every case of a parameter that is there, by a name of its own."""
    there = _declared()
    return {
        f"{key}-{name}-{n}": (key, name, case)
        for (key, name), cases in CASES.items()
        if (key, name) in there
        for n, case in enumerate(cases)
    }


@pytest.fixture(scope="module")
def files(three: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the files that stand behind the names in brackets."""
    folder = tmp_path_factory.mktemp("files")
    hips = (paths.pathway_definitions() / "hip_replacement.toml").read_text(encoding="utf-8")
    title = pathways.load_definition("hip_replacement").title
    (folder / "own.toml").write_text(
        hips.replace('name = "hip_replacement"', 'name = "my_hips"').replace(title, "Hips of my own"), encoding="utf-8"
    )
    future = (paths.scenarios() / "do_nothing.toml").read_text(encoding="utf-8")
    funded = future.replace("allocation_growth_pct = 1.5", "allocation_growth_pct = 3.0")
    (folder / "future.toml").write_text(funded, encoding="utf-8")
    better = pd.DataFrame({"financial_year": ["2023-24", "2024-25"], "index": [100.0, 101.0], "source": "ours"})
    better.to_csv(folder / "quality.csv", index=False)
    claims = pd.DataFrame({"scheme": ["shorter_stay"], "organisation": ["QHL"], "programme": ["Mine"]})
    claims.assign(claim_gbp=1_000_000.0).to_csv(folder / "claims.csv", index=False)
    tables = make_tables(patients=120)
    write_tables(folder / "other", tables)
    worse = tables["activity"].copy()
    worse.loc[worse.index[: len(worse) // 10], "icb_code"] = "ZZZ"
    worse.loc[worse.index[: len(worse) // 10], "end_date"] = worse["start_date"].min() - pd.Timedelta(days=40)
    write_tables(folder / "broken", tables | {"activity": worse})
    # All areas of England, few people each: enough peers for an opportunity.
    generate(folder / "england", people=60_000)
    # The first seven months of the year, and the year before.
    held = pq.read_table(three / "activity" if (three / "activity").is_dir() else three / "activity.parquet")
    shutil.copytree(three, folder / "seven", ignore=shutil.ignore_patterns("activity*"))
    held = held.filter(pc.field("start_date") <= date(2024, 10, 31))
    pq.write_table(held, folder / "seven" / "activity.parquet")
    for icb in ("QOP", "QUA"):
        share(icb, folder / "club" / f"{icb}.zip", data=three, year="2024-25", reports=folder / "reports")
    made = {name: str(folder / name) for name in ("other", "broken", "england", "club", "seven")}
    made |= {name: str(folder / f"{name}.{kind}") for name, kind in (("own", "toml"), ("future", "toml"))}
    made["quality"] = str(folder / "quality.csv")
    return made | {"claims": str(folder / "claims.csv"), "three": str(three)}


@pytest.fixture(scope="module")
def results(
    pack_of_three: Path,
    files: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> dict[str, Section | str]:
    """Run every case asked for, and what each is compared with, through warm kernels: the section, or what was said."""
    asked = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    asked.add("03-reference-0")
    out = tmp_path_factory.mktemp("runs")
    tasks = deque[tuple[str, str, dict[str, Any]]]()
    for name, (key, parameter, case) in _runs().items():
        if name not in asked:
            continue
        beside = {"icb": "QHL", "data": files["three"], **case.beside}
        tasks.append((name, key, _with_files({**beside, parameter: case.value}, files)))
        if case.changes and case.beside:
            tasks.append((f"{name}-without", key, _with_files(beside, files)))
    modules = sorted({*builder._ALWAYS, *(m for path in NOTEBOOKS.values() for m in freshness.imports_of(path))})
    made: dict[str, Section | str] = {
        f"{key}-default": read_section(pack_of_three / path.name) for key, path in NOTEBOOKS.items()
    }
    running: dict[Future[Any], str] = {}
    with (
        KernelSpec(Path(tempfile.mkdtemp(prefix="pathcost-run-")), modules) as kernels,
        Pool(2, kernels.environment) as pool,
    ):
        kernels.wait()
        while tasks or running:
            while tasks and pool.idle:
                name, key, values = tasks.popleft()
                running[pool.submit(builder._run, NOTEBOOKS[key], out / f"{name}.ipynb", values)] = name
            for future in pool.wait():
                name = running.pop(future)
                error = future.exception()
                made[name] = str(error) if error else read_section(out / f"{name}.ipynb")
    shutil.rmtree(out)
    return made


def _with_files(values: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, Any]:
    return {k: files[v[1:-1]] if isinstance(v, str) and v.startswith("<") else v for k, v in values.items()}


def _shown(section: Section) -> dict[str, Any]:
    """Return what a section says, by table; `Months, chance` is what a simulation adds to the message of 04."""
    found: dict[str, Any] = {t.name: (t.payload["columns"], t.payload["rows"]) for t in section.tables}
    found["Months, chance"] = [t.payload["note"] for t in section.tables if t.name == "Months"]
    return found | {MESSAGE: section.messages[0].text}


# -- the table is whole -----------------------------------------------------------------------------------------------
@pytest.mark.unit
def test_every_parameter_of_every_notebook_is_in_the_table_with_another_value_than_its_own() -> None:
    there = _declared()
    assert not [key for key in there if key not in CASES], (
        "say in CASES what the parameter must change, or what refuses it"
    )
    for key, parameter in there.items():
        assert any(case.value != parameter.default or case.beside for case in CASES[key]), key
        assert all(case.changes or case.refused for case in CASES[key]), key


@pytest.mark.slow
@pytest.mark.notebook
@pytest.mark.parametrize("name", _runs())
def test_a_parameter_does_what_it_says_or_is_refused(name: str, results: dict[str, Section | str]) -> None:
    key, parameter, case = _runs()[name]
    found = results[name]
    if case.refused:
        assert isinstance(found, str), f"{parameter}={case.value!r} was taken"
        assert pd.Series([found]).str.contains(case.refused).all(), found
        return
    assert isinstance(found, Section), found
    before = results[f"{name}-without" if case.beside and f"{name}-without" in results else f"{key}-default"]
    if isinstance(before, str):  # what it is compared with is refused, so that it runs at all is the change
        return
    same = [what for what in case.changes if _shown(found)[what] == _shown(before)[what]]
    assert not same, f"{parameter}={case.value!r} changes nothing in {same}"


@pytest.mark.slow
@pytest.mark.notebook
def test_another_reference_is_another_comparator_by_the_right_amount(
    results: dict[str, Section | str], three: Path
) -> None:
    """Worked out with pandas from the data of the two areas that lie in the Midlands."""
    section = results["03-reference-0"]
    assert isinstance(section, Section)
    table = next(t.payload for t in section.tables if t.name == "Deprivation")
    assert {row[0] for row in table["rows"]} == {"NHS Birmingham and Solihull ICB", "Midlands"}
    people = pd.read_parquet(three / "patients.parquet", columns=["icb_code", "deprivation_decile"])
    here = people[people["icb_code"].isin(["QHL", "QUA"])].groupby("deprivation_decile").size()
    at = [c["key"] for c in table["columns"]].index("persons")
    shown = {int(row[1]): row[at] for row in table["rows"] if row[0] == "Midlands"}
    for decile, persons in shown.items():
        # Those who came and went within the year differ a little; England has twice as many.
        assert persons == pytest.approx(here[decile], rel=0.15)


# -- what a command asks for ------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.notebook
def test_a_pathway_or_a_file_reaches_every_notebook_that_takes_one(three: Path, files: dict[str, str]) -> None:
    takers = [path for path in NOTEBOOKS.values() if "pathway" in parameters_of(path)]
    assert len(takers) >= 3

    def settings(pathway: str | None = None, **parameters: Any) -> dict[str, dict[str, Any]]:
        placed = place_order(["QHL"], "2024-25", None, pathway, (), three, ("html",), None, parameters)
        return {n.stem[:2]: placed.settings("QHL")[n] for n in takers}

    for values in settings("hip_fracture").values():
        assert values["pathway"] == "hip_fracture"
    for asked in (settings(files["own"]), settings(definition_file=files["own"])):
        for key, values in asked.items():
            assert files["own"] in (values.get("definition_file"), values["pathway"]), key
    with pytest.raises(InputError, match=r"both asked for. Name one"):
        settings("hip_fracture", definition_file=files["own"])


@pytest.mark.slow
@pytest.mark.notebook
def test_two_scenarios_of_demand_are_refused_in_words_and_two_of_change_go_side_by_side(three: Path) -> None:
    options: dict[str, Any] = {"year": "2024-25", "data": three}
    with pytest.raises(InputError, match=r"'do_nothing' and 'official_groups' are both of demand.*Build a pack for"):
        packs.build("QHL", scenario=["do_nothing", "official_groups"], **options)
    chosen = ["bed_closure", "do_nothing", "nursing_homes", str(paths.scenarios() / "merger.toml")]
    placed = place_order(["QHL"], "2024-25", None, None, chosen, three, ("html",), None, {})
    values = {n.stem[:2]: placed.settings("QHL")[n] for n in NOTEBOOKS.values()}
    assert (values["06"]["scenario"], values["05"]["scenario"]) == ("bed_closure", "do_nothing")
    assert values["06"]["beside"] == f"nursing_homes,{(paths.scenarios() / 'merger.toml').resolve()}"
