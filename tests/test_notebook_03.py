"""The notebook on one ICB among all runs on any data, says what it shows, and finds what is planted in the sample."""

from __future__ import annotations

from pathlib import Path

import pytest
from factories import make_tables, write_tables

from pathcost_lib import ledger, pathways
from pathcost_lib.benchmark import icb_view
from pathcost_lib.packs import builder, runner
from pathcost_lib.packs.document import Section, read_section
from pathcost_lib.packs.runner import NotebookError
from pathcost_lib.sample import generate
from pathcost_lib.sources import open_dataset

NOTEBOOK = next(path for path in builder.production_notebooks() if path.stem == "03_icb_variation")


def shown(folder: Path, **values: object) -> Section:
    runner.execute(NOTEBOOK, folder / "out.ipynb", values)
    return read_section(folder / "out.ipynb")


@pytest.fixture(scope="module")
def thin(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tables(tmp_path_factory.mktemp("data"), make_tables(patients=120)))


# -- the sample's planted truths --
@pytest.mark.slow
@pytest.mark.unit
def test_planted_dear_and_cheap_providers_are_found(tmp_path: Path) -> None:
    """About 15 operations for each large trust: enough to see 40 % above and 30 % below the average."""
    data = open_dataset(generate(tmp_path / "sample", people=1_800_000, icbs=("QHL", "QOP", "QUA")))
    costed = ledger.cost_activity(data.activity, data.unit_costs, data.organisations, price_base="2024-25")
    links = pathways.link(costed, pathways.load_definition("knee_replacement"), patients=data.patients)
    cells = icb_view.read(costed, links, patients=data.patients, population=data.population, year="2024-25")
    index = icb_view.provider_index(cells)
    knees = index[(index["scope"] == "knee_replacement") & (index["contacts"] >= 8)].set_index("provider_code")
    dear, cheap = knees.loc["SA-015"], knees.loc["SA-066"]
    assert 100 < dear["index_lower_95"] < 140 < dear["index_upper_95"]
    assert cheap["index_lower_95"] < 70 < cheap["index_upper_95"] < 100
    assert knees["index"].idxmin() == "SA-066"
    assert knees["index"].nlargest(2).index.isin(["SA-015"]).any()
    # What is planted in one operation does not make the whole trust an outlier.
    every = index[index["scope"] == "all_activity"].set_index("provider_code")["index"]
    assert every[["SA-015", "SA-066"]].between(90, 110).all()


# -- the notebook --
@pytest.mark.slow
@pytest.mark.notebook
def test_runs_for_all_pathways_of_a_whole_england(tmp_path: Path) -> None:
    section = shown(tmp_path, icb="QOP", draws=200, data=str(generate(tmp_path / "sample", people=60_000)))
    assert section.title == "How this area differs, why, and what is recoverable"
    assert (len(section.figures), len(section.tables)) == (9, 12)
    message, banner = (m.text for m in section.messages)
    assert banner.startswith("Coverage, ")
    assert message.startswith("NHS Greater Manchester ICB: £")
    assert "per person at equal age and sex (95% interval £" in message
    assert "of the activity expected" in message
    tables = {table.name: table.payload for table in section.tables}
    assert len(tables["Peers"]["rows"]) == 10
    assert len(tables["Rates"]["rows"]) == len(pathways.available())
    assert len(tables["All areas"]["rows"]) == 42
    steps = [row[1] for row in tables["Drivers"]["rows"]]
    # They add up exactly before they leave (test_drivers); each leaves rounded to as few patients as are behind it.
    assert sum(steps[:-1]) == pytest.approx(steps[-1], abs=0.25 * sum(map(abs, steps)))


@pytest.mark.slow
@pytest.mark.notebook
def test_thin_data_claim_nothing(thin: str, tmp_path: Path) -> None:
    section = shown(tmp_path, icb="QZ2", pathway="knee_replacement", data=thin, draws=100)
    message, banner = (m.text for m in section.messages)
    assert banner.startswith("Coverage, ")
    assert "No opportunity is computable: too few areas to compare with, or too few people." in message
    assert "Where they cover less, cost is missing too" in message
    assert (len(section.figures), len(section.tables)) == (9, 12)


@pytest.mark.slow
@pytest.mark.notebook
@pytest.mark.parametrize(
    ("left_out", "said"),
    [
        ((), "Only QZ1 has activity in these data, so there is nothing to compare with."),
        (("patients", "population"), "is not computable"),
    ],
)
def test_one_area_or_no_people_are_said_to_be_so(left_out: tuple[str, ...], said: str, tmp_path: Path) -> None:
    tables = make_tables(patients=60)
    for name in ("activity", "patients", "population"):
        tables[name] = tables[name][tables[name]["icb_code"] == "QZ1"]
    kept = {name: table for name, table in tables.items() if name not in left_out}
    data = str(write_tables(tmp_path / "data", kept))
    section = shown(tmp_path, icb="QZ1", pathway="knee_replacement", data=data, draws=100)
    assert said in section.messages[0].text
    assert "per person: " not in section.messages[0].text


@pytest.mark.slow
@pytest.mark.notebook
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"icb": "QHX"}, "cell 3: ICB 'QHX' is not known"),
        ({"pathway": "knees"}, "cell 3: Pathway 'knees' is not known"),
        ({"own_peers": "QZ2 QXX"}, "Unit 'QXX' is not known.*QZ1, QZ2, QZ3"),
    ],
)
def test_wrong_values_stop_it_with_what_is_allowed(wrong: dict[str, str], said: str, thin: str, tmp_path: Path) -> None:
    values = {"icb": "QZ1", "pathway": "knee_replacement", "data": thin, **wrong}
    with pytest.raises(NotebookError, match=f"(?s){said}"):
        runner.execute(NOTEBOOK, tmp_path / "out.ipynb", values)
