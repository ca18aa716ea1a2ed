"""The notebooks of a pack on what one organisation really has: one area, seven months and new codes, no deprivation."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from factories import make_tables, write_tables

from pathcost_lib.packs import builder, runner
from pathcost_lib.packs.document import Section, read_section

NOTEBOOKS = {path.stem[:2]: path for path in builder.production_notebooks()}
Tables = dict[str, pd.DataFrame]


def alone() -> tuple[Tables, dict[str, object]]:
    """Return the rows of one area beside the population of all."""
    tables = make_tables(patients=120)
    for name in ("activity", "patients"):
        tables[name] = tables[name][tables[name]["icb_code"] == "QZ1"]
    return tables, {"icb": "QZ1", "year": "2024-25"}


def seven_months() -> tuple[Tables, dict[str, object]]:
    """Return April to October 2026 and the months before, QMJ until March and Z9B2Z after it, with providers of QMJ."""
    tables = make_tables(patients=240)
    later = pd.Timedelta(days=579)  # 31 March 2025 becomes 31 October 2026
    dated = {"activity": ["start_date", "end_date"], "patients": ["died_on"], "outcomes": ["measured_on"]}
    for name, columns in dated.items():
        for column in columns:
            moved = pd.to_datetime(tables[name][column]) + later
            tables[name][column] = moved.dt.date.astype(tables[name][column].dtype)
    tables["population"]["year"] = tables["population"]["year"] + 2
    for name in ("activity", "patients", "population", "organisations"):
        tables[name]["icb_code"] = tables[name]["icb_code"].replace({"QZ1": "QMJ", "QZ2": "QHL", "QZ3": "QOP"})
    tables["organisations"]["org_code"] = tables["organisations"]["org_code"].replace(
        {"QZ1": "QMJ", "QZ2": "QHL", "QZ3": "QOP"}
    )
    new = (tables["activity"]["icb_code"] == "QMJ") & (
        pd.to_datetime(tables["activity"]["start_date"]) >= pd.Timestamp("2026-04-01")
    )
    tables["activity"].loc[new, "icb_code"] = "Z9B2Z"
    seen = tables["activity"]["setting"] == "outpatient"
    tables["activity"].loc[seen, "recorded_cost_pence"] = 12_345  # what a cost index of providers rests on
    return tables, {"icb": "Z9B2Z", "year": "2026-27"}


def no_deprivation() -> tuple[Tables, dict[str, object]]:
    """Return an extract in which nobody's deprivation is known."""
    tables = make_tables(patients=120)
    tables["patients"]["deprivation_decile"] = pd.array([pd.NA] * len(tables["patients"]), dtype="Int32")
    return tables, {"icb": "QZ1", "year": "2024-25"}


CASES = {"alone": alone, "seven_months": seven_months, "no_deprivation": no_deprivation}


def texts(section: Section) -> str:
    """Return what a section says in messages, titles, headings and alternative texts."""
    said = [m.text + m.decision for m in section.messages] + [f.title + f.alt + f.note for f in section.figures]
    for table in section.tables:
        said += [table.payload["title"], *(str(c.get("heading", c["key"])) for c in table.payload["columns"])]
    return " ".join(said)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: write_tables(tmp_path_factory.mktemp(name), make()[0]) for name, make in CASES.items()}


@pytest.mark.slow
@pytest.mark.notebook
@pytest.mark.parametrize("key", ["02", "03", "04", "07"])
@pytest.mark.parametrize("case", CASES)
def test_the_notebooks_run_on_what_one_organisation_has(
    case: str, key: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    values = {**CASES[case]()[1], "data": str(folders[case])}
    values |= {"pathway": "knee_replacement"} if key != "07" else {}
    runner.execute(NOTEBOOKS[key], tmp_path / "out.ipynb", values)
    section = read_section(tmp_path / "out.ipynb")
    said, first = texts(section), section.messages[0].text
    if case == "alone" and key != "04":
        assert "England" not in re.sub("NHS England", "", said)
        assert "Only QZ1 has activity in these data, so there is nothing to compare with." in first
    if case == "alone" and key == "03":
        index = next(t.payload for t in section.tables if t.name == "Per person")
        at = [c["key"] for c in index["columns"]].index("reference_gbp")
        assert all(row[at] is None for row in index["rows"])
    if case == "seven_months":
        assert "The data cover 7 months of 2026-27, April to October 2026: not a whole year." in first
        assert " a year " not in said
    if case == "seven_months" and key == "03":
        assert "per person in April to October 2026 at equal age and sex" in first
        held = next(t.payload for t in section.tables if t.name == "Providers")
        assert any("A1" in str(row) or "acute of QZ1" in str(row) for row in held["rows"])
    if case == "no_deprivation" and key == "03":
        assert "per person" in first
        assert "The gradient is not computable" in str([t.payload["note"] for t in section.tables])
