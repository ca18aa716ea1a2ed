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
from pathcost_lib.present import require_plausible
from pathcost_lib.sources import Dataset, check, names, open_dataset
from pathcost_lib.sources.between import RULES_BETWEEN
from pathcost_lib.sources.comparator import NO_DATA, NO_OTHER, areas_compared, compared_with, taking_part
from pathcost_lib.sources.dated import under_codes_of

YEAR = "2024-25"


def cells_of(tables: dict[str, pd.DataFrame], folder: Path, areas: list[str]) -> icb_view.Cells:
    """Return the cells of the rows of some areas, beside the population of all."""
    kept = {name: tables[name][tables[name]["icb_code"].isin(areas)] for name in ("patients", "activity")}
    # Areas with many people of unknown sex have no cost per person; here all are known.
    kept["patients"] = kept["patients"].assign(sex=kept["patients"]["sex"].replace("unknown", "female"))
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
    few = {icb_view.FEW_USERS, icb_view.PROTECTS}  # some settings have few users in so small a table
    assert icb_view.ONE_AREA in set(costs["reason"]) <= {icb_view.ONE_AREA, *few}
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


# -- one place decides ------------------------------------------------------------------------------------------------
LATER = "2026-27"


def extract(
    contacts: dict[tuple[str, str], int],
    people: dict[tuple[str, int], float] | None = None,
    homes: dict[int, str] | None = None,
) -> Dataset:
    """Return contacts by area and day, people by area and year, and where the patient of a row lives."""
    rows = [(area, day) for (area, day), n in contacts.items() for _ in range(n)]
    activity = pd.DataFrame(rows, columns=["icb_code", "start_date"]).assign(
        start_date=lambda d: pd.to_datetime(d["start_date"]).dt.date, setting="outpatient"
    )
    activity["patient_id"] = activity["activity_id"] = range(len(activity))
    tables = {"activity": activity}
    if people:
        held = pd.DataFrame([(a, y, n) for (a, y), n in people.items()], columns=["icb_code", "year", "persons"])
        tables["population"] = held.assign(age=40, sex="female", variant="principal")
    if homes is not None:
        tables["patients"] = pd.DataFrame({"patient_id": homes.keys(), "icb_code": homes.values()})
    return Dataset.from_frames(tables)


@pytest.mark.oracle
def test_areas_without_activity_or_with_little_are_named_and_left_out() -> None:
    """Contacts per head 1.0, 1.2, 0.4 and none: the median of those held is 1.0, and 0.4 is under half of it."""
    day = "2024-06-01"
    data = extract(
        {("QHL", day): 10, ("QOP", day): 12, ("QUA", day): 4, ("QWO", "2023-06-01"): 9},
        {("QHL", 2024): 10, ("QOP", 2024): 10, ("QUA", 2024): 10, ("QWO", 2024): 10, ("QXU", 2023): 10},
    )
    areas, left_out = taking_part(data, YEAR)
    assert areas == ["QHL", "QOP"]
    assert left_out == {"QWO": NO_DATA, "QUA": "under 50% of the contacts per head of the median area"}


@pytest.mark.regression
def test_one_area_has_no_reference_and_two_are_too_few_unless_allowed() -> None:
    people = {(area, 2024): 10.0 for area in ("QHL", "QOP", "QUA")}
    day = "2024-06-01"
    alone = compared_with(extract({("QHL", day): 10}, people), "England", icb="QHL", year=YEAR)
    assert (alone.areas, alone.reference, alone.alone) == (("QHL",), NO_OTHER, True)
    assert alone.note == "Only QHL has activity in these data, so there is nothing to compare with."
    assert alone.dataset.population.to_pandas()["icb_code"].unique().tolist() == ["QHL"]
    two = extract({("QHL", day): 10, ("QOP", day): 10}, people)
    with pytest.raises(InputError, match=r"England would be 2 areas only \(QHL, QOP\).*allow=few_areas"):
        compared_with(two, "England", icb="QHL", year=YEAR)
    allowed = compared_with(two, "England", icb="QHL", year=YEAR, allow="few_areas")
    assert allowed.note.startswith("Only 2 areas are compared (QHL, QOP)")
    assert allowed.note.endswith("Not compared: QUA (no data).")
    with pytest.raises(InputError, match=r"allow 'all' is not known.*few_areas, index, reference"):
        compared_with(two, "England", icb="QHL", year=YEAR, allow="all")


@pytest.mark.unit
def test_areas_of_ones_own_choice_are_compared_and_named() -> None:
    day, areas = "2024-06-01", ("QHL", "QOP", "QUA", "QWO")
    data = extract({(area, day): 10 for area in areas}, {(area, 2024): 10.0 for area in areas})
    chosen = compared_with(data, "QOP, QUA", icb="QHL", year=YEAR)
    assert (chosen.areas, chosen.reference) == (("QHL", "QOP", "QUA"), "the areas chosen")
    assert chosen.note == "Compared with areas of your own choice: QOP, QUA."
    assert set(chosen.dataset.activity.to_pandas()["icb_code"]) == {"QHL", "QOP", "QUA"}
    with pytest.raises(InputError, match=r"area that takes part 'QXX' is not known.*QHL, QOP, QUA, QWO"):
        compared_with(data, "QOP,QXX", icb="QHL", year=YEAR)
    with pytest.raises(InputError, match=r"2 areas only.*allow=few_areas"):
        compared_with(data, "QOP,", icb="QHL", year=YEAR)


@pytest.mark.oracle
def test_a_thin_area_is_shown_alone_and_the_others_are_compared_without_it() -> None:
    day = "2024-06-01"
    contacts = {("QHL", day): 2, ("QOP", day): 10, ("QUA", day): 10, ("QWO", day): 10}
    data = extract(contacts, {(area, 2024): 10.0 for area, _ in contacts})
    assert compared_with(data, "England", icb="QOP", year=YEAR).areas == ("QOP", "QUA", "QWO")
    thin = compared_with(data, "England", icb="QHL", year=YEAR)
    assert thin.alone
    assert thin.note == ("QHL is compared with nothing: under 50% of the contacts per head of the median area.")


# -- codes of two dates -----------------------------------------------------------------------------------------------
@pytest.mark.oracle
def test_areas_that_have_ended_go_to_whoever_took_over_and_no_earlier() -> None:
    """QMJ and QRV became Z9B2Z on 1 April 2026; the population of 2026 is under both, of 2025 under the old codes."""
    contacts = {
        ("QMJ", "2025-06-01"): 3,
        ("QRV", "2026-06-01"): 2,
        ("Z9B2Z", "2026-06-01"): 5,
        ("QHL", "2026-06-01"): 4,
    }
    people = {("QMJ", 2025): 30.0, ("QRV", 2025): 20.0, ("QMJ", 2026): 31.0, ("QRV", 2026): 21.0}
    data = extract(contacts, people | {("Z9B2Z", 2026): 52.0, ("QHL", 2026): 40.0})
    moved = under_codes_of(data, LATER)
    assert moved.activity.to_pandas()["icb_code"].value_counts().to_dict() == {"Z9B2Z": 10, "QHL": 4}
    held = moved.population.to_pandas().set_index(["icb_code", "year"])["persons"].to_dict()
    assert held == {("Z9B2Z", 2025): 50.0, ("Z9B2Z", 2026): 52.0, ("QHL", 2026): 40.0}
    assert taking_part(moved, LATER)[0] == ["QHL", "Z9B2Z"]
    assert under_codes_of(data, "2025-26") is data
    with pytest.raises(InputError, match=r"QMJ and Z9B2Z.*sources\.follow"):
        taking_part(extract({("QMJ", "2025-06-01"): 3, ("Z9B2Z", "2025-06-01"): 3}), "2025-26")


@pytest.mark.oracle
def test_an_area_that_was_split_follows_its_people_and_else_is_refused() -> None:
    """Frimley (QNQ): people by the published shares, rows by where the patient lives now."""
    contacts = {("QNQ", "2026-06-01"): 3}
    data = extract(contacts, {("QNQ", 2026): 1000.0}, homes={0: "S0E4D", 1: "QRL", 2: "S9B9J"})
    moved = under_codes_of(data, LATER)
    assert sorted(moved.activity.to_pandas()["icb_code"]) == ["QRL", "S0E4D", "S9B9J"]
    persons = moved.population.to_pandas().set_index("icb_code")["persons"]
    assert persons.to_dict() == pytest.approx({"QRL": 229.3, "S0E4D": 588.6, "S9B9J": 182.1})
    with pytest.raises(InputError, match=r"no one successor: QNQ \(ended on 31 March 2026\).*patients, icb_code"):
        taking_part(under_codes_of(extract(contacts), LATER), LATER)


@pytest.mark.regression
def test_providers_follow_the_area_that_they_lie_in(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    organisations = tables["organisations"].replace({"icb_code": {"QZ1": "QMJ", "QZ2": "QRV"}})
    data = Dataset.from_frames({"organisations": organisations})
    here = names.organisations_in(under_codes_of(data, LATER).organisations, "Z9B2Z")
    assert {"A1", "A2", "C1", "C2"} <= here
    assert not {"A3", "C3"} & here


# -- guards -----------------------------------------------------------------------------------------------------------
def compare_row(own: float, reference: float, **limits: float) -> pd.DataFrame:
    return pd.DataFrame({"setting": ["admitted"], "value_gbp": [own], "reference_gbp": [reference], **limits})


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("own", "reference", "limits", "broken"),
    [
        (100.0, 100.0, {}, ""),
        (499.0, 100.0, {}, ""),
        (501.0, 100.0, {}, "index"),
        (19.9, 100.0, {}, "index"),
        (2326.0, 55.95, {}, "index,reference"),  # an index of 4,157: one area beside a nation of which nothing is held
        (9.0, 100.0, {}, "index,reference"),
        (600.0, 100.0, {"index_lower_95": 300.0, "index_upper_95": 900.0}, ""),  # chance may be all of it
        (600.0, 100.0, {"index_lower_95": 510.0, "index_upper_95": 690.0}, "index"),
        (float("nan"), 100.0, {}, ""),
    ],
)
def test_an_index_or_a_reference_far_out_stops_unless_allowed_by_name(
    own: float, reference: float, limits: dict[str, float], broken: str
) -> None:
    row, options = compare_row(own, reference, **limits), {"by": "setting", "value": "value_gbp", "area": "ICB QHL"}
    if broken:
        with pytest.raises(InputError, match=rf"ICB QHL, admitted: £.* index [\d,]+.*--set allow={broken}`"):
            require_plausible(row, **options)
        with pytest.raises(InputError, match="is not known"):
            require_plausible(row, **options, allow="anything")
    require_plausible(row, **options, allow=broken)


@pytest.mark.oracle
def test_of_part_of_a_year_the_same_months_count_of_every_area(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    """The first area's rows end in October; the others' later ones are not set beside them. Summed again in pandas."""
    days = pd.to_datetime(tables["activity"]["start_date"])
    kept = tables["activity"][(days <= "2024-10-31") | (tables["activity"]["icb_code"] != "QZ1")]
    data = open_dataset(write_tables(tmp_path, {**tables, "activity": kept}))
    held = compared_with(data, "England", icb="QZ1", year=YEAR).months
    assert held.span == "in April to October 2024"
    assert compared_with(data, "England", icb="QZ2", year=YEAR).fewer.keys() <= {"QZ1"}
    costed = ledger.cost_activity(data.activity, data.unit_costs, data.organisations, price_base=YEAR)
    links = pathways.link(costed, pathways.load_definition("knee_replacement"), patients=data.patients)
    people = {"patients": data.patients, "population": data.population}
    cells = icb_view.read(costed, links, **people, year=YEAR, months=held)
    rows = costed.to_pandas()
    inside = pd.to_datetime(rows["start_date"]).between("2024-04-01", "2024-10-31")
    listed = links.pathways.to_pandas()
    closed = pd.to_datetime(listed["window_to"]).between("2024-04-01", "2024-10-31") & listed["complete"]
    late = pd.to_datetime(listed["window_to"]).between("2024-11-01", "2025-03-31") & listed["complete"]
    assert late.any(), "some windows close after the months held"
    assert cells.events["pathways"].sum() == cells.pathways["pathways"].sum() == closed.sum()
    assert pathways.summarise(links, costed, year=YEAR, months=held)["pathways"].sum() == closed.sum()
    assert len(pathways.flow(links, costed, year=YEAR, months=held).variants) > 0
    whole = cells.costs.loc[cells.costs["setting"] == icb_view.ALL, "cost_gbp"].sum()
    assert whole == pytest.approx(rows.loc[inside, "cost_pence"].sum() / 100)


@pytest.mark.regression
def test_check_names_areas_that_one_table_lacks_codes_of_two_dates_and_providers_of_no_area(
    tables: dict[str, pd.DataFrame],
) -> None:
    assert not set(check(Dataset.from_frames(tables)).table["rule"]) & {rule.rule for rule in RULES_BETWEEN}
    activity, population = tables["activity"].copy(), tables["population"]
    ours = activity["icb_code"] == "QZ1"
    activity.loc[ours, "icb_code"] = ["QMJ" if n % 2 else "Z9B2Z" for n in range(int(ours.sum()))]
    homeless = tables["organisations"].copy()
    homeless.loc[homeless["org_code"] == "A2", "icb_code"] = pd.NA
    report = check(Dataset.from_frames({**tables, "activity": activity, "organisations": homeless}))
    found = report.table.set_index("rule")
    assert found.loc["area without activity", ["rows", "example"]].to_list() == [
        int((population["icb_code"] == "QZ1").sum()),
        "QZ1",
    ]
    lacking = found.loc["area without people in population"]
    assert (lacking["rows"], lacking["example"]) == (int(ours.sum()), "QMJ, Z9B2Z")
    two = found.loc["codes of two dates in one year: an area and its successor"]
    assert (two["rows"], two["example"]) == (int((activity["icb_code"] == "QMJ").sum()), "QMJ")
    assert found.loc["provider with activity that no area holds", "rows"] == 1
