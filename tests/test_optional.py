"""Whatever is optional may be missing: every notebook runs, says what is lost, and all else is the same as with it.

`LOST` names every optional table and column once. Here each is left out where it matters; with PATHCOST_SWEEP=1 (`make
sweep`) each is left out, null, and missing in pairs, in every notebook.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from factories import make_tables, write_tables
from in_process import NOTEBOOKS, run

from pathcost_lib import packs
from pathcost_lib.errors import InputError
from pathcost_lib.packs.document import Section
from pathcost_lib.sample import generate
from pathcost_lib.sources import lacking, open_dataset
from pathcost_lib.sources.contracts import CONTRACTS

ICB, YEAR, MESSAGE = "QOP", "2024-25", "message"
EVERYTHING = "everything"
sweep = pytest.mark.skipif(not os.environ.get("PATHCOST_SWEEP"), reason="a long sweep: set PATHCOST_SWEEP=1")
Variant = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Lost:
    """What may differ without a table or column, by notebook: names of tables; and what must be said there."""

    differs: Mapping[str, str] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)


_LEDGER = dict.fromkeys(NOTEBOOKS, EVERYTHING)
_NO_AGES = (
    r"not computable \(no population by age and sex, or over 5% of the cost is of patients whose age or sex is not "
    r"known, for this area and year\)"
)
_OUTLOOK = {"03": EVERYTHING, "05": EVERYTHING, "09": EVERYTHING}
_CHECKED = "Findings; Findings, files; Filled; By provider; By month"
_PATHWAYS = {"01": "Filled", "03": "Rates; Providers; Drivers; Opportunity", "04": EVERYTHING}
#: Columns of which nothing is shown but how often they are filled.
_SHOWN_ONLY = Lost({"01": f"{_CHECKED}; message"})

LOST: dict[str, Lost] = {
    "activity.end_date": Lost(
        {"01": EVERYTHING, "02": "Every pound once", "04": "Drivers", "06": EVERYTHING}
        | {"07": "Triple aim; Triple aim, numbers"},
        {"01": "so nothing is known to have ended in the year", "07": "is an admission with an end date"},
    ),
    "activity.length_of_stay_days": _SHOWN_ONLY,
    "activity.primary_diagnosis": Lost(_PATHWAYS, {"03": "Primary diagnosis is not in these data"}),
    "activity.primary_procedure": Lost(
        {**_PATHWAYS, "02": EVERYTHING, "07": EVERYTHING},
        {"02": r"too few complete pathways to show a cost\.", "07": "no patient has the EQ-5D index both before and"},
    ),
    "activity.recorded_cost_pence": Lost(_LEDGER, {"02": "each cost is an average"}),
    "patients": Lost(
        {"01": "Filled; message", **_OUTLOOK, "02": EVERYTHING, "07": EVERYTHING},
        {"03": _NO_AGES, "05": "none of patients|no table of patients, so growth cannot be projected"},
    ),
    "patients.birth_year": Lost(
        {"01": f"{_CHECKED}; message", **_OUTLOOK, "07": EVERYTHING},
        {"03": _NO_AGES, "05": "demand is not projected.*use by age and sex is not known"},
    ),
    "patients.sex": Lost(
        {"01": f"{_CHECKED}; message", **_OUTLOOK, "07": EVERYTHING},
        {"03": _NO_AGES, "05": "demand is not projected.*use by age and sex is not known"},
    ),
    "patients.conditions": _SHOWN_ONLY,
    "patients.deprivation_decile": Lost(
        {"01": "Filled", "03": "Peers; Deprivation; Need; References; Opportunity", "07": EVERYTHING},
        {"03": "The gradient is not computable.*no deprivation is held", "07": "no patient's deprivation is held"},
    ),
    "patients.practice_code": _SHOWN_ONLY,
    "patients.died_on": Lost(
        {"01": _CHECKED, "02": EVERYTHING, "03": EVERYTHING, "04": EVERYTHING, "07": EVERYTHING},
        {"07": "holds no dates of death"},
    ),
    "unit_costs": Lost(_LEDGER, {"02": "Without a cost: Primary care 100%", "05": "no contact has a cost"}),
    "unit_costs.fixed_share": _SHOWN_ONLY,
    "unit_costs.semi_fixed_share": _SHOWN_ONLY,
    "unit_costs.variable_share": _SHOWN_ONLY,
    "organisations": Lost(
        _LEDGER, {"01": "no provider with activity is known to lie in the area", "02": "codes stand for names"}
    ),
    "organisations.icb_code": Lost(
        {"01": EVERYTHING, "02": "Ranks", "03": "Providers", "04": EVERYTHING, "09": EVERYTHING}
        | {"07": "Value map; Value map, probabilities; message"},
        {"01": "no provider with activity is known to lie in the area", "04": "so no provider is known to lie in"},
    ),
    "organisations.region_code": Lost({"01": _CHECKED, "02": "Ranks"}),
    "organisations.mff": Lost(_LEDGER, {"02": "each provider's cost is taken at the average"}),
    "organisations.valid_to": _SHOWN_ONLY,
    "organisations.successor_code": _SHOWN_ONLY,
    "organisations.successor_share": _SHOWN_ONLY,
    "population": Lost(
        {"01": MESSAGE, "02": "Cost basis; message", **_OUTLOOK},
        {"02": "there is no population", "03": _NO_AGES, "05": "hold no table of population, so growth cannot be"},
    ),
    "quantum": Lost(
        {"01": "Reconciliation; Reconciliation, all; message"}, {"01": "the data hold no quantum to reconcile to"}
    ),
    "outcomes": Lost({"01": MESSAGE, "07": EVERYTHING}, {"07": "cannot be computed: no patient has the EQ-5D index"}),
}  # fmt: skip
#: What the issue of a stranger's extract names; all pairs of these are in the sweep.
PAIRED = [
    *(f"activity.{c}" for c in ("end_date", "primary_diagnosis", "primary_procedure", "recorded_cost_pence")),
    *(f"patients.{c}" for c in ("birth_year", "sex", "deprivation_decile")),
    *("organisations.icb_code", "population", "quantum", "outcomes"),
]


def without(folder: Path, names: Iterable[str], to: Path, *, null: bool = False) -> Path:
    """Return a copy of a dataset without some tables and columns, or with nothing but nulls in those columns."""
    names = set(names)
    shutil.copytree(folder, to, copy_function=os.link)
    for table in CONTRACTS:
        lost = {name.partition(".")[2] for name in names if name.partition(".")[0] == table}
        files = [*to.glob(f"{table}.parquet"), *to.glob(f"{table}/**/*.parquet")]
        for path in files if lost else ():
            held = pq.read_table(path, partitioning=None)
            path.unlink()  # a link: written anew, lest the original change
            for column in lost & set(held.column_names):
                at, kind = held.column_names.index(column), held.schema.field(column).type
                held = held.set_column(at, column, pa.nulls(len(held), kind)) if null else held.drop_columns([column])
            if "" not in lost:
                pq.write_table(held, path)
        if "" in lost:
            shutil.rmtree(to / table, ignore_errors=True)
    return to


def shown(section: Section) -> dict[str, Any]:
    """Return what a section shows: the numbers of its tables by name, and its message."""
    tables = {t.name: (t.payload["columns"], t.payload["rows"]) for t in section.tables}
    return {**tables, MESSAGE: section.messages[0].text}


def words(section: Section) -> str:
    """Return all that a section says, tables' cells among it."""
    said = [m.text for m in section.messages] + [f.note + f.alt for f in section.figures]
    for table in section.tables:
        cells = [str(cell) for row in table.payload["rows"] for cell in row if isinstance(cell, str)]
        said += [table.payload["note"], *cells]
    return " ".join(said)


def check(key: str, data: Path, names: Iterable[str], full: Section) -> Section:
    """Run a notebook on data without some things: all that does not need them is as it was, and the loss is said."""
    names = list(names)
    section = run(key, {"icb": ICB, "year": YEAR, "data": str(data)})
    may = {part for name in names for part in LOST[name].differs.get(key, "").split("; ")}
    before, after = shown(full), shown(section)
    differ = [part for part in {**before, **after} if before.get(part) != after.get(part)]
    unlooked = [] if EVERYTHING in may else [p for p in differ if p not in may and not (p == MESSAGE and len(may) > 1)]
    assert not unlooked, f"without {names}, notebook {key} differs in {unlooked}"
    text = words(section)
    for name in names:
        # A column is not missed where its table is.
        sentence = "" if name.partition(".")[0] in names and "." in name else lacking.sentence(*name.split("."))
        assert sentence in text, f"notebook {key} does not say: {sentence}"
    return section


@cache
def _full(data: Path, key: str) -> Section:
    return run(key, {"icb": ICB, "year": YEAR, "data": str(data)})


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return three areas with few people each, for what is run hundreds of times."""
    return generate(tmp_path_factory.mktemp("small") / "sample", people=60_000, icbs=("QHL", "QOP", "QUA"))


# -- the table is whole, and the page is true --------------------------------------------------------------------------
@pytest.mark.unit
def test_every_optional_table_and_column_is_in_the_table() -> None:
    tables = [name for name, contract in CONTRACTS.items() if contract.without]
    columns = [f"{table}.{c.name}" for table, contract in CONTRACTS.items() for c in contract.columns if c.optional]
    assert set(LOST) == {*tables, *columns}
    assert set(CONTRACTS) - set(tables) == {"activity"}


@pytest.mark.unit
def test_the_page_on_own_data_is_current_and_linked() -> None:
    docs = Path(__file__).parents[1] / "docs"
    # To write it: Path("docs/own-data.md").write_text(lacking.own_data(), encoding="utf-8")
    assert (docs / "own-data.md").read_text(encoding="utf-8") == lacking.own_data()
    assert "docs/own-data.md" in (docs.parent / "README.md").read_text(encoding="utf-8")
    assert "own-data.md" in (docs / "tables.md").read_text(encoding="utf-8")


@pytest.mark.unit
def test_what_is_lost_is_said_in_a_sentence_of_its_own() -> None:
    """What loses nothing says nothing; what loses something is a sentence that a reader can end."""
    said = {name: lacking.sentence(*name.split(".")) for name in LOST}
    assert said["patients.practice_code"] == said["organisations.valid_to"] == ""
    assert said["patients.deprivation_decile"].startswith("Deprivation decile is not in these data, so there is no")
    assert all(len(one.split()) <= 20 for one in said.values()), said
    with_numbers = {name for name, lost in LOST.items() if lost.said}
    assert with_numbers == {name for name, one in said.items() if one}


@pytest.mark.unit
@pytest.mark.parametrize("name", [name for name in LOST if "." in name])
def test_a_column_left_out_is_one_of_nulls(name: str, tmp_path: Path) -> None:
    table = name.partition(".")[0]
    whole = write_tables(tmp_path / "whole", make_tables(patients=30))
    absent, null = (without(whole, [name], tmp_path / str(n), null=n) for n in (False, True))
    frames = [open_dataset(d).tables[table].to_pandas() for d in (absent, null)]
    pd.testing.assert_frame_equal(*(f[sorted(f)].astype(str) for f in frames))
    assert lacking.lacking(open_dataset(absent)) == lacking.lacking(open_dataset(null))


# -- each, where it matters --------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.notebook
@pytest.mark.parametrize(("name", "key"), [(name, key) for name, lost in LOST.items() for key in lost.said])
def test_a_notebook_says_what_is_lost_and_shows_the_rest_as_it_was(
    name: str, key: str, three: Path, tmp_path: Path
) -> None:
    section = check(key, without(three, [name], tmp_path / "data"), [name], _full(three, key))
    assert pd.Series([words(section)]).str.contains(f"(?s){LOST[name].said[key]}").all(), words(section)


# -- a stranger's extract ----------------------------------------------------------------------------------------------
Tables = dict[str, pa.Table]


def _rows(tables: Tables, activity: pa.Array | None = None, patients: pa.Array | None = None) -> Tables:
    kept = {"activity": activity, "patients": patients}
    return {name: table.filter(kept[name]) if kept.get(name) is not None else table for name, table in tables.items()}


def _own(tables: Tables, table: str) -> pa.Array:
    return pc.equal(tables[table]["icb_code"], ICB)


def _provider(tables: Tables) -> pa.Array:
    """Return the rows of the acute provider that admits most of the area's patients."""
    mine = tables["activity"].filter(
        pc.and_(_own(tables, "activity"), pc.equal(tables["activity"]["setting"], "admitted"))
    )
    return pc.equal(tables["activity"]["provider_code"], mine["provider_code"].to_pandas().value_counts().index[0])


def _one_patient(tables: Tables) -> Tables:
    mine = tables["activity"].filter(_own(tables, "activity"))["patient_id"].to_pandas()
    busiest = mine.value_counts().index[0]
    return _rows(tables, *(pc.equal(tables[name]["patient_id"], busiest) for name in ("activity", "patients")))


def _one_month(tables: Tables) -> Tables:
    day = tables["activity"]["start_date"].cast(pa.date32())
    first, last = (pa.scalar(pd.Timestamp(f"2024-06-{n}").date(), pa.date32()) for n in ("01", "30"))
    return _rows(tables, pc.and_(pc.greater_equal(day, first), pc.less_equal(day, last)))


#: What one organisation may have, and what the notebooks must then say.
EXTRACTS: dict[str, tuple[Callable[[Tables], Tables], dict[str, str]]] = {
    "one area": (
        lambda t: _rows(t, _own(t, "activity"), _own(t, "patients")),
        {"02": f"Only {ICB} has activity", "03": "there is nothing to compare with", "07": f"Only {ICB} has activity"},
    ),
    "one provider": (
        lambda t: _rows(t, pc.and_(_own(t, "activity"), _provider(t)), _own(t, "patients")),
        {"02": "Where they cover less, cost is missing too", "03": "there is nothing to compare with"},
    ),
    "one patient": (
        _one_patient,
        {"02": "too few complete pathways", "03": "fewer than eight people", "06": "act on too few people"},
    ),
    "one month": (_one_month, {"03": "in June 2024", "05": "not a whole year", "07": "no patient has the EQ-5D"}),
    "a trust's slice": (
        lambda t: _rows(t, _provider(t)),
        {"02": "Where they cover less, cost is missing too", "03": "activity.*there is nothing to compare with"},
    ),
    "activity alone": (lambda t: {"activity": t["activity"]}, {"03": _NO_AGES, "05": "none of patients"}),
}  # fmt: skip


def read_tables(folder: Path) -> Tables:
    return {n: pq.read_table(p, partitioning=None) for n in CONTRACTS for p in folder.glob(f"{n}*")}


@pytest.mark.slow
@pytest.mark.notebook
@pytest.mark.parametrize(
    ("case", "key"),
    [
        pytest.param(case, key, marks=() if key in said else sweep)
        for case, (_, said) in EXTRACTS.items()
        for key in NOTEBOOKS
    ],
)
def test_a_notebook_runs_on_what_one_organisation_has(case: str, key: str, small: Path, tmp_path: Path) -> None:
    make, said = EXTRACTS[case]
    data = write_tables(tmp_path / "data", make(read_tables(small)))
    text = words(run(key, {"icb": ICB, "year": YEAR, "data": str(data)}))
    assert said.get(key, "") in text or pd.Series([text]).str.contains(said[key]).all(), text


# -- a comparison that is far out stops --------------------------------------------------------------------------------
def _in_pence(tables: Tables) -> Tables:
    """Return the tables with each contact at £100, but at £1 where the area's people or providers are concerned."""
    activity = tables["activity"]
    organisations = tables["organisations"]
    here = organisations.filter(_own(tables, "organisations"))["org_code"]
    mine = pc.or_(_own(tables, "activity"), pc.is_in(activity["provider_code"], here.combine_chunks()))
    costs = pc.cast(pc.if_else(mine, 100, 10_000), pa.int64())
    at = activity.column_names.index("recorded_cost_pence")
    return {**tables, "activity": activity.set_column(at, "recorded_cost_pence", costs)}


@pytest.fixture(scope="module")
def in_pence(three: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return data in which the area's costs were read a hundred times too small."""
    return write_tables(tmp_path_factory.mktemp("pence") / "data", _in_pence(read_tables(three)))


@pytest.mark.slow
@pytest.mark.notebook
@pytest.mark.parametrize("key", ["02", "03", "04", "07"])
def test_a_cost_a_hundred_times_too_small_stops_with_the_numbers_unless_allowed(key: str, in_pence: Path) -> None:
    values = {"icb": ICB, "year": YEAR, "data": str(in_pence)}
    said = r"£\d.* beside a reference of £[\d,]+, index \d+\..*cost of .* is missing, or pence were read as pounds"
    with pytest.raises(InputError, match=f"(?s){said}.*--set allow=index"):
        run(key, values)
    assert run(key, {**values, "allow": "index,reference"}).tables


@pytest.mark.slow
@pytest.mark.notebook
@pytest.mark.parametrize("key", ["02", "03", "07"])
def test_a_reference_of_two_areas_stops_unless_allowed(key: str, three: Path, tmp_path: Path) -> None:
    tables = read_tables(three)
    two = (pc.is_in(tables[name]["icb_code"], pa.array([ICB, "QHL"])) for name in ("activity", "patients"))
    values = {"icb": ICB, "year": YEAR, "data": str(write_tables(tmp_path / "data", _rows(tables, *two)))}
    with pytest.raises(InputError, match=r"2 areas only \(QHL, QOP\).*says little.*--set allow=few_areas"):
        run(key, values)
    assert "Only 2 areas are compared (QHL, QOP)" in words(run(key, {**values, "allow": "few_areas"}))


# -- the long sweep ----------------------------------------------------------------------------------------------------
@sweep
@pytest.mark.notebook
@pytest.mark.parametrize("null", [False, True])
@pytest.mark.parametrize("name", LOST)
def test_all_notebooks_without_each(name: str, null: bool, small: Path, tmp_path: Path) -> None:
    data = without(small, [name], tmp_path / "data", null=null and "." in name)
    for key in NOTEBOOKS:
        check(key, data, [name], _full(small, key))


@sweep
@pytest.mark.notebook
@pytest.mark.parametrize("pair", [*itertools.combinations(PAIRED, 2)], ids=" ".join)
def test_all_notebooks_without_two(pair: tuple[str, str], small: Path, tmp_path: Path) -> None:
    data = without(small, pair, tmp_path / "data")
    for key in NOTEBOOKS:
        check(key, data, pair, _full(small, key))


@pytest.mark.slow
@sweep
@pytest.mark.notebook
@pytest.mark.parametrize("name", PAIRED)
def test_a_pack_without_each(name: str, three: Path, tmp_path: Path) -> None:
    data = without(three, [name], tmp_path / "data")
    built = packs.build(ICB, year=YEAR, data=data, out=tmp_path / "reports", formats=("html",), jobs=2)
    assert not built.failures, built.failures
    page = next(path for path in built.files if path.suffix == ".html").read_text(encoding="utf-8")
    assert lacking.sentence(*name.split(".")) in page
