"""Who is compared: areas with activity in the year, never those of which nothing is held."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from factories import make_tables, write_tables

from pathcost_lib import ledger, paths, pathways
from pathcost_lib.benchmark import icb_causes, icb_view
from pathcost_lib.errors import InputError
from pathcost_lib.sources import open_dataset
from pathcost_lib.sources.comparator import areas_compared

YEAR = "2024-25"


def cells_of(tables: dict[str, pd.DataFrame], folder: Path, areas: list[str]) -> icb_view.Cells:
    """Return the cells of the rows of some areas, beside the population of all."""
    kept = {name: tables[name][tables[name]["icb_code"].isin(areas)] for name in ("patients", "activity")}
    data = open_dataset(write_tables(folder, {**tables, **kept}))
    costed = ledger.cost_activity(data.activity, data.unit_costs, data.organisations, price_base=YEAR)
    links = pathways.link(costed, pathways.load_definition("knee_replacement"), patients=data.patients)
    return icb_view.read(costed, links, patients=data.patients, population=data.population, year=YEAR)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return make_tables(patients=120)


@pytest.mark.regression
def test_one_area_beside_the_population_of_all_has_no_reference(
    tables: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    assert len(set(tables["population"]["icb_code"])) > 1
    cells = cells_of(tables, tmp_path, ["QZ1"])
    costs = icb_view.cost_per_person(cells)
    assert set(costs["icb_code"]) == {"QZ1"}
    assert costs[["reference_gbp", "difference_gbp", "index"]].isna().all(axis=None)
    assert costs["value_gbp"].gt(0).any()
    assert set(costs["reason"]) == {icb_view.ONE_AREA}
    rates = icb_view.event_rates(cells, "QZ1")
    assert rates[["reference_rate", "index"]].isna().all(axis=None)
    assert icb_causes.peers(cells, "QZ1").empty


@pytest.mark.oracle
def test_the_reference_is_the_cost_of_the_compared_areas_over_their_people(
    tables: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    """Worked in pandas from the ledger's rows and the population of the two areas that have activity."""
    areas = ["QZ1", "QZ2"]
    cells = cells_of(tables, tmp_path, areas)
    whole = icb_view.cost_per_person(cells).query("setting == @icb_view.ALL")
    data = open_dataset(tmp_path)
    costed = ledger.cost_activity(data.activity, data.unit_costs, data.organisations, price_base=YEAR).to_pandas()
    inside = pd.to_datetime(costed["start_date"]).between("2024-04-01", "2025-03-31")
    homes = tables["patients"].assign(patient_id=tables["patients"]["patient_id"].astype("int64"))
    paid = (
        costed[inside]
        .drop(columns="icb_code", errors="ignore")
        .merge(homes[["patient_id", "icb_code"]], on="patient_id")
    )
    people = tables["population"].query("year == 2024 and icb_code in @areas")["persons"].astype(float).sum()
    expected = paid.loc[paid["icb_code"].isin(areas), "cost_pence"].sum() / 100 / people
    assert set(whole["icb_code"]) == set(areas)
    assert whole["reference_gbp"].to_list() == pytest.approx([expected] * 2, rel=1e-9)


@pytest.mark.unit
def test_codes_of_two_dates_are_refused_and_areas_without_activity_left_out() -> None:
    with pytest.raises(InputError, match=r"QMJ and Z9B2Z.*sources\.follow"):
        areas_compared(["QMJ", "Z9B2Z"], ["QMJ", "Z9B2Z"])
    assert areas_compared(["QHL"], ["QHL", "Z9B2Z"]) == ["QHL"]


@pytest.mark.regression
def test_peers_without_deprivation_use_the_other_features(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    areas = sorted(tables["population"]["icb_code"].unique())
    cells = cells_of(tables, tmp_path, areas)
    lacking = replace(cells, registered=cells.registered.assign(deprivation_decile=float("nan")))
    peers = icb_causes.peers(lacking, areas[0])
    assert len(peers) > 0
    assert peers["mean_deprivation"].isna().all()
    assert peers["over_65_pct"].notna().all()


@pytest.mark.unit
def test_all_areas_of_one_date_are_compared_though_some_took_others_over():
    listed = pd.read_csv(paths.reference() / "icbs.csv")
    before = listed.loc[listed["valid_from"] < "2026-04-01", "icb_code"]
    after = listed.loc[listed["valid_to"].isna(), "icb_code"]
    assert [len(areas_compared(codes, codes)) for codes in (before, after)] == [42, 36]
    with pytest.raises(InputError, match="QMJ and Z9B2Z"):
        areas_compared(listed["icb_code"], listed["icb_code"])
