"""One ICB among all: standardised cost, rates, provider index, drivers, opportunity, gradient and their figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from factories import make_tables, write_tables

from pathcost_lib import ledger, pathways, present
from pathcost_lib.benchmark import figures, icb_causes, icb_view
from pathcost_lib.benchmark import words as icb_sentences
from pathcost_lib.present import style
from pathcost_lib.sources import open_dataset
from pathcost_lib.value import figures as value_figures

YEAR = "2024-25"
ICBS = [f"Q{n:02d}" for n in range(12)]


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return make_tables(patients=120)


@pytest.fixture(scope="module")
def read(tables: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> tuple:
    data = open_dataset(write_tables(tmp_path_factory.mktemp("data"), tables))
    costed = ledger.cost_activity(data.activity, data.unit_costs, data.organisations, price_base=YEAR)
    links = pathways.link(costed, pathways.load_definition("knee_replacement"), patients=data.patients)
    with pytest.MonkeyPatch.context() as patch:  # a third of these people are of unknown sex; the formulas are tested
        patch.setattr(icb_view, "MOST_UNKNOWN", 1.0)
        cells = icb_view.read(costed, links, patients=data.patients, population=data.population, year=YEAR)
    return cells, costed, links


@pytest.mark.unit
def test_an_area_with_over_a_twentieth_of_its_cost_of_unknown_people_has_no_cost_per_person(
    tables: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    """Whether their age or sex is not known or they are not in the table at all; and they lower no reference."""
    known = {**tables, "patients": tables["patients"].assign(sex="female", birth_year=1960)}
    links = pathways.load_definition("knee_replacement")

    def persons(tables: dict[str, pd.DataFrame], name: str) -> set[str]:
        data = open_dataset(write_tables(tmp_path / name, tables))
        costed = ledger.cost_activity(data.activity, data.unit_costs, data.organisations, price_base=YEAR)
        linked = pathways.link(costed, links, patients=data.patients)
        cells = icb_view.read(costed, linked, patients=data.patients, population=data.population, year=YEAR)
        assert (icb_view.event_rates(cells, "QZ1")["reason"] == icb_view.NO_PEOPLE).all() == (name != "whole")
        assert (icb_view.of_one(icb_view.cost_per_person(cells), "QZ1")["reason"] == icb_view.NO_PEOPLE).all() == (
            name != "whole"
        )
        return set(cells.population["icb_code"])

    everywhere = persons(known, "whole")
    assert "QZ1" in everywhere
    here = (known["patients"]["icb_code"] == "QZ1").to_numpy()
    some = here & (np.arange(len(here)) % 4 == 0)
    unknown = {**known, "patients": known["patients"].assign(sex=known["patients"]["sex"].mask(some, "unknown"))}
    assert persons(unknown, "unknown sex") == everywhere - {"QZ1"}
    missing = {**known, "patients": known["patients"][~some]}
    assert persons(missing, "not in the table") == everywhere - {"QZ1"}


def made(rng: np.random.Generator, *, dear: str = "", times: float = 1.0, per_head: float = 1e-3) -> icb_view.Cells:
    """Return cells of twelve ICBs alike but for chance: one pathway, two phases and settings, one dear setting."""
    strata = pd.DataFrame([(a, s) for a in (40, 70) for s in ("female", "male")], columns=["age_from", "sex"])
    population = pd.DataFrame({"icb_code": ICBS}).merge(strata, how="cross")
    population["persons"] = np.random.default_rng(0).integers(20_000, 60_000, len(population)).astype(float)
    costs = population.merge(pd.DataFrame({"setting": ["admitted", "outpatient"]}), how="cross")
    up = np.where((costs["icb_code"] == dear) & (costs["setting"] == "outpatient"), times, 1.0)
    mean = rng.normal(100 * up, 200 * up / np.sqrt(costs["persons"]))
    costs["cost_gbp"], costs["variable_gbp"] = mean * costs["persons"], 0.3 * mean * costs["persons"]
    costs["squares"] = (200**2 + 100**2) * up**2 * costs["persons"] * 1e4
    costs["users"] = costs["persons"]
    whole = costs.groupby(["icb_code", "age_from", "sex"], as_index=False).sum(numeric_only=True)
    costs = pd.concat([costs, whole.assign(setting=icb_view.ALL)], ignore_index=True).assign(deprivation_decile=1)
    events, pieces, rows = [], [], []
    for icb, people in population.groupby("icb_code")["persons"].sum().items():
        number = int(rng.poisson(per_head * people))
        part = np.arange(number) % icb_view.GROUPS
        held = pd.DataFrame({"icb_code": icb, "part": part, **strata.iloc[0].to_dict(), "pathways": 1})
        events.append(held.groupby([c for c in held if c != "pathways"], as_index=False).sum())
        paid = rng.gamma(4, 250, (number, 2))
        for column, (phase, setting) in enumerate([("before", "outpatient"), ("operation", "admitted")]):
            piece = held.assign(phase=phase, setting=setting, in_year=1, contacts=1, cost_gbp=paid[:, column])
            pieces.append(piece.drop(columns=["age_from", "sex", "pathways"]))
        each = paid.sum(axis=1)
        rows.append((icb, number, each.sum(), 0.3 * each.sum(), each.mean(), each.std(ddof=1) / np.sqrt(number)))
    columns = ["icb_code", "pathways", "cost_gbp", "variable_gbp", "mean_gbp", "se_gbp"]
    return icb_view.Cells(
        costs=costs,
        registered=pd.DataFrame(columns=["icb_code", "age_from", "sex", "deprivation_decile", "persons"]),
        population=population,
        providers=pd.DataFrame(),
        events=pd.concat(events).assign(pathway="knee_replacement"),
        pieces=pd.concat(pieces).assign(pathway="knee_replacement"),
        pathways=pd.DataFrame(rows, columns=columns).assign(pathway="knee_replacement"),
    )


# -- cost per person --
@pytest.mark.oracle
def test_cost_per_person_is_the_stratified_mean_worked_out_person_by_person(
    read: tuple, tables: dict[str, pd.DataFrame]
) -> None:
    """Cochran 1977, section 5.3, in pandas from single persons, those of the population without cost included."""
    cells, costed, _ = read
    rows = costed.query(
        "SELECT patient_id, CAST(sum(cost_pence) AS BIGINT) AS pence FROM this "
        "WHERE start_date BETWEEN DATE '2024-04-01' AND DATE '2025-03-31' GROUP BY patient_id"
    ).to_pandas()
    people = tables["patients"].astype({"patient_id": "int64"}).merge(rows, on="patient_id")
    people = people.assign(band=(2024 - people["birth_year"].astype(int)) // 5 * 5, pounds=people["pence"] / 100)
    lived = tables["population"].query("year == 2024").astype({"age": int, "persons": float})
    lived = lived.assign(band=lived["age"] // 5 * 5).groupby(["icb_code", "band", "sex"])["persons"].sum()
    standard = lived.groupby(["band", "sex"]).sum() / lived.sum()
    found = icb_view.cost_per_person(cells).set_index(["icb_code", "setting"])
    for icb in ("QZ1", "QZ3"):
        value, variance = 0.0, 0.0
        for (band, sex), weight in standard.items():
            n = lived[icb, band, sex]
            paid = people.query("icb_code == @icb and band == @band and sex == @sex")["pounds"]
            mean = paid.sum() / n
            spread = (((paid - mean) ** 2).sum() + (n - len(paid)) * mean**2) / (n - 1)
            value, variance = value + weight * mean, variance + weight**2 * spread / n
        row = found.loc[icb, icb_view.ALL]
        assert row["value_gbp"] == pytest.approx(value, rel=1e-9)
        assert row["se_gbp"] == pytest.approx(np.sqrt(variance), rel=1e-9)


@pytest.mark.property
def test_settings_add_up_and_the_reference_is_the_crude_mean_of_all() -> None:
    cells = made(np.random.default_rng(3))
    table = icb_view.cost_per_person(cells)
    split = table[table["setting"] != icb_view.ALL].groupby("icb_code")[["value_gbp", "difference_gbp"]].sum()
    whole = table[table["setting"] == icb_view.ALL].set_index("icb_code")
    for column in split:
        np.testing.assert_allclose(split[column], whole[column], atol=1e-9)
    np.testing.assert_allclose(whole["value_gbp"] - whole["reference_gbp"], whole["difference_gbp"], atol=1e-9)
    crude = cells.costs.query("setting == 'all_settings'")["cost_gbp"].sum() / cells.population["persons"].sum()
    np.testing.assert_allclose(whole["reference_gbp"], crude)


@pytest.mark.unit
def test_an_area_without_a_setting_does_not_lower_its_reference() -> None:
    cells = made(np.random.default_rng(3))
    gone = (cells.costs["icb_code"] == ICBS[0]) & (cells.costs["setting"] == "outpatient")
    table = icb_view.cost_per_person(replace(cells, costs=cells.costs[~gone]))
    rows = table[table["setting"] == "outpatient"].set_index("icb_code")
    assert rows.loc[ICBS[0], "reason"] == icb_view.NO_CONTACTS and np.isnan(rows.loc[ICBS[0], "value_gbp"])
    others = cells.costs[(cells.costs["setting"] == "outpatient") & ~gone]
    people = cells.population.loc[cells.population["icb_code"] != ICBS[0], "persons"]
    np.testing.assert_allclose(rows.loc[ICBS[1], "reference_gbp"], others["cost_gbp"].sum() / people.sum())
    assert list(table["icb_code"].unique()) == ICBS and len(table) == 3 * len(ICBS)
    whole = table[table["setting"] == icb_view.ALL].set_index("icb_code")
    assert whole["value_gbp"].isna().to_dict() == {icb: icb == ICBS[0] for icb in ICBS}
    every = cells.costs[(cells.costs["setting"] == icb_view.ALL) & (cells.costs["icb_code"] != ICBS[0])]
    np.testing.assert_allclose(whole.loc[ICBS[1], "reference_gbp"], every["cost_gbp"].sum() / people.sum())


@pytest.mark.unit
def test_settings_are_added_up_only_where_all_rest_on_the_same_areas() -> None:
    cells = made(np.random.default_rng(3))
    assert abs(icb_view.gap_gbp(icb_view.cost_per_person(cells), ICBS[1])) < 1e-6
    gone = (cells.costs["icb_code"] == ICBS[0]) & (cells.costs["setting"] == "outpatient")
    lacking = icb_view.cost_per_person(replace(cells, costs=cells.costs[~gone]))
    assert np.isnan(icb_view.gap_gbp(lacking, ICBS[1])) and np.isnan(icb_view.gap_gbp(lacking, ICBS[0]))


@pytest.mark.unit
def test_a_mean_over_all_people_is_not_shown_where_fewer_than_eight_bear_it() -> None:
    cells = made(np.random.default_rng(3))
    few = cells.costs.assign(users=cells.costs["users"].where(cells.costs["icb_code"] != ICBS[0], 1))
    table = icb_view.cost_per_person(replace(cells, costs=few)).set_index("icb_code")
    assert table.loc[ICBS[0], "value_gbp"].isna().all() and set(table.loc[ICBS[0], "reason"]) == {icb_view.FEW_USERS}
    assert table.loc[ICBS[1], "value_gbp"].notna().all()
    alone = cells.costs[cells.costs["icb_code"] == ICBS[0]].assign(users=1)
    none = icb_view.of_one(icb_view.cost_per_person(replace(cells, costs=alone)), ICBS[0])
    assert list(none["reason"]) == [icb_view.FEW_USERS] and none["persons"].isna().all()


@pytest.mark.unit
def test_a_setting_of_seven_users_and_the_one_that_would_give_it_away_have_no_numbers() -> None:
    cells = made(np.random.default_rng(3))
    here = (cells.costs["icb_code"] == ICBS[0]) & (cells.costs["setting"] == "outpatient")
    first = here & ~cells.costs[["icb_code", "setting"]].duplicated()
    users = cells.costs["users"].where(~here, 0).where(~first, 7)
    whole = icb_view.cost_per_person(cells).set_index(["icb_code", "setting"])
    table = icb_view.cost_per_person(replace(cells, costs=cells.costs.assign(users=users)))
    table = table.set_index(["icb_code", "setting"])
    gone = table.loc[ICBS[0]]["value_gbp"].isna()
    assert gone["outpatient"] and gone.sum() == 2 and not gone[icb_view.ALL]
    assert set(table.loc[ICBS[0]].loc[gone, "reason"]) == {icb_view.FEW_USERS, icb_view.PROTECTS}
    assert table.loc[ICBS[0]].loc[gone].filter(regex="gbp|95|index").isna().all(axis=None)
    pd.testing.assert_frame_equal(table.drop(ICBS[0]), whole.drop(ICBS[0]))  # it still counts in England


@pytest.mark.slow
@pytest.mark.property
def test_under_the_null_the_difference_is_claimed_no_more_often_than_by_chance() -> None:
    claimed = []
    for seed in range(30):
        table = icb_view.cost_per_person(made(np.random.default_rng(seed), per_head=1e-4))
        claimed += list((table["difference_lower_95"] > 0) | (table["difference_upper_95"] < 0))
    assert np.mean(claimed) == pytest.approx(0.05, abs=0.02)  # about 720 independent comparisons, and their sums


# -- rates, providers --
@pytest.mark.property
def test_observed_over_expected_weighs_to_one_hundred(read: tuple) -> None:
    cells, *_ = read
    tables = [icb_view.event_rates(cells, icb).iloc[0] for icb in ("QZ1", "QZ2", "QZ3")]
    expected = sum(row["pathways"] / (row["index"] / 100) for row in tables)
    assert expected == pytest.approx(tables[0]["reference_pathways"])
    assert all(row["lower_95"] < row["rate"] < row["upper_95"] for row in tables)


@pytest.mark.slow
@pytest.mark.property
def test_provider_index_covers_one_hundred_at_its_nominal_rate() -> None:
    """Twenty providers with lognormal costs and the same prices, few contacts each, 30 seeds: 600 intervals."""
    held, nobody = [], made(np.random.default_rng(0), per_head=1e-4)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        rows = pd.DataFrame(
            [(f"P{p}", c) for p in range(20) for c in range(4)], columns=["provider_code", "currency_code"]
        )
        rows["contacts"] = rng.integers(2, 12, len(rows))
        paid = [
            1000 * (c + 1) * rng.lognormal(0, 0.3, n)
            for c, n in zip(rows["currency_code"], rows["contacts"], strict=True)
        ]
        rows["cost_gbp"], rows["squares"] = [p.sum() for p in paid], [(p**2).sum() * 1e4 for p in paid]
        rows = rows.assign(pathway=None, pod="elective", cost_basis="recorded", units=rows["contacts"])
        table = icb_view.provider_index(replace(nobody, providers=rows))
        held += list((table["index_lower_95"] <= 100) & (table["index_upper_95"] >= 100))
    assert np.mean(held) == pytest.approx(0.95, abs=0.025)


@pytest.mark.unit
def test_provider_index_leaves_out_national_prices_and_says_so() -> None:
    row = {"pathway": None, "pod": "elective", "currency_code": "A", "contacts": 4, "units": 4, "squares": 1e10}
    rows = pd.DataFrame(
        [
            {**row, "provider_code": "P1", "cost_basis": "recorded", "cost_gbp": 600.0},
            {**row, "provider_code": "P2", "cost_basis": "recorded", "cost_gbp": 200.0},
            {**row, "provider_code": "P2", "cost_basis": "national", "cost_gbp": 600.0},
            {**row, "provider_code": "P3", "cost_basis": "recorded", "cost_gbp": 99.0, "currency_code": "ALONE"},
        ]
    )
    cells = replace(made(np.random.default_rng(1), per_head=1e-4), providers=rows)
    table = icb_view.provider_index(cells).set_index("provider_code")
    assert table["index"].round(6).to_dict()["P1"] == 150
    assert table.loc["P2", ["index", "own_cost_pct"]].tolist() == [50, 25]
    assert np.isnan(table.loc["P3", "index"])
    assert table.loc["P3", "reason"] == "no other provider does the same"
    assert list(icb_view.provider_index(cells, {"P1"})["provider_code"]) == ["P1"]


# -- drivers, opportunity --
@pytest.mark.property
@pytest.mark.parametrize("seed", [1, 2])
def test_drivers_add_up_and_their_interval_is_that_of_two_poisson_sums(seed: int) -> None:
    """Both sides are compound Poisson: variance = count x (mean^2 + variance), here of 2,000 and 707 pounds."""
    cells = made(np.random.default_rng(seed))
    peers = icb_causes.peers(cells, "Q00", n=5)
    table = icb_causes.drivers(cells, "Q00", peers).set_index("driver")
    total, steps = table.loc["whole_difference"], table.drop(index="whole_difference")
    assert steps["difference_gbp"].sum() == pytest.approx(total["difference_gbp"], abs=0.01)
    thousands = cells.population.query("icb_code == 'Q00'")["persons"].sum() / 1000
    spent = cells.pieces.query("icb_code == 'Q00'")["cost_gbp"].sum()
    assert total["reference_gbp"] + total["difference_gbp"] == pytest.approx(spent / thousands, abs=0.01)
    ours, theirs = total["pathways"], total["reference_pathways"]
    expected = total["reference_gbp"] * thousands / 2000  # what the peers' rates by age and sex would give here
    se = np.sqrt((2000**2 + 2 * 4 * 250**2) * (ours + expected**2 / theirs)) / thousands
    half = (total["difference_upper_95"] - total["difference_lower_95"]) / 2
    assert half / 2.262 == pytest.approx(se, rel=0.1)


@pytest.mark.unit
def test_drivers_without_peers_or_pathways_have_a_reason() -> None:
    cells = made(np.random.default_rng(2))
    none = icb_causes.drivers(
        replace(cells, events=cells.events.query("icb_code != 'Q00'")), "Q00", icb_causes.peers(cells, "Q00")
    )
    assert none["difference_gbp"].isna().all()
    assert set(none["reason"]) == {"too few pathways or people, here or elsewhere, to compare"}


@pytest.mark.unit
def test_a_dear_setting_is_claimed_once_and_a_usual_one_is_not() -> None:
    cells = made(np.random.default_rng(5), dear="Q03", times=1.3)
    costs, peers = icb_view.cost_per_person(cells), icb_causes.peers(cells, "Q03")
    claims = icb_causes.opportunities(cells, costs, "Q03", peers, draws=500, rng=np.random.default_rng(1))
    table = claims.set_index("claim")
    dear = table.loc["outpatient"]
    persons = cells.population.query("icb_code == 'Q03'")["persons"].sum()
    assert dear["lower_95"] < dear["opportunity_gbp"] < dear["upper_95"]
    assert dear["opportunity_gbp"] == pytest.approx(30 * persons, rel=0.15)
    assert dear["variable_gbp"] == pytest.approx(0.3 * dear["opportunity_gbp"])
    assert (table.drop(index="outpatient")["opportunity_gbp"] == 0).all()
    assert (table["once_gbp"] <= table["opportunity_gbp"]).all()
    assert (table["once_gbp"] <= table["cost_in_scope_gbp"]).all()
    said = icb_sentences.opportunity_sentence(present.disclose(claims, counts="persons"))
    assert said.startswith("Above the target by more than chance: Outpatient; £")
    usual = icb_causes.opportunities(cells, costs, "Q04", peers, draws=500, rng=np.random.default_rng(1))
    said = icb_sentences.opportunity_sentence(present.disclose(usual, counts="persons"))
    assert said == "No opportunity is claimed: none of 3 comparisons is above its target by more than chance."


@pytest.mark.unit
def test_what_is_in_no_comparison_is_counted_by_reason_and_said() -> None:
    cells = made(np.random.default_rng(5))
    costs, peers = icb_view.cost_per_person(cells), icb_causes.peers(cells, "Q03")
    assert icb_causes.left_out(cells, costs, "Q03", peers) == {}
    assert icb_sentences.left_out_sentence({}) == ""
    first = peers.loc[peers["unit"] == "Q03", "peer"].iloc[0]
    lacking = costs["icb_code"].eq("Q03") & costs["setting"].eq("outpatient")
    thin = costs.assign(value_gbp=costs["value_gbp"].mask(lacking))
    renamed = peers.replace({"peer": {first: "Q99"}})
    counts = icb_causes.left_out(cells, thin, "Q03", renamed)
    assert counts == {"pathways and settings without a cost of this area": 1, "peers without costs in these data": 1}
    said = (
        "In no comparison: pathways and settings without a cost of this area: 1; peers without costs in these data: 1."
    )
    assert icb_sentences.left_out_sentence(counts) == said


@pytest.mark.unit
def test_what_pathway_and_setting_both_cover_is_one_cell() -> None:
    cells = made(np.random.default_rng(6))
    scope = icb_causes._scope(cells, "Q01").set_index(["claim", "cell"])["cost_gbp"]
    shared = "knee_replacement/admitted/1"
    assert scope["knee_replacement", shared] == scope["admitted", shared]
    held = cells.costs.query("icb_code == 'Q01' and setting == 'admitted'")["cost_gbp"].sum()
    assert scope["admitted"].sum() == pytest.approx(held)


# -- inequality --
@pytest.mark.unit
@pytest.mark.parametrize("slope", [0.0, -900.0])
def test_gradient_finds_the_slope_that_is_there(slope: float) -> None:
    tenths = pd.DataFrame({"deprivation_decile": range(1, 11)})
    strata = pd.DataFrame({"icb_code": ["Q00", "Q01"], "age_from": 40, "sex": "female"})
    rows = strata.merge(tenths, how="cross").assign(persons=1000, setting=icb_view.ALL, variable_gbp=0.0, users=1000)
    people = ["icb_code", "age_from", "sex", "deprivation_decile", "persons"]
    mean = 2000 + slope * ((rows["deprivation_decile"] - 0.5) / 10 - 0.5)
    rows = rows.assign(cost_gbp=1000 * mean, squares=1000 * (mean**2 + 500**2) * 1e4)
    cells = replace(made(np.random.default_rng(1), per_head=1e-4), registered=rows[people], costs=rows)
    deciles, slopes = icb_causes.gradient(cells, "Q00")
    ours = slopes.set_index("area").loc["icb"]
    assert ours["sii"] == pytest.approx(slope, abs=1e-6)
    assert ours["lower_95"] < slope < ours["upper_95"]
    np.testing.assert_allclose(deciles["fitted_gbp"], deciles["value_gbp"])
    said = icb_sentences.gradient_sentence(slopes)
    assert ("−£900 per person" in said) == (slope < 0)


# -- thin data --
@pytest.mark.unit
def test_one_area_or_none_is_a_reason_not_a_number(read: tuple) -> None:
    cells, *_ = read
    alone = replace(
        cells, **{n: getattr(cells, n).query("icb_code == 'QZ1'") for n in ("costs", "population", "events", "pieces")}
    )
    costs = icb_view.cost_per_person(replace(alone, costs=alone.costs.assign(users=50)))
    assert costs["value_gbp"].notna().all()
    assert costs[["difference_gbp", "index"]].isna().all(axis=None)
    assert set(costs["reason"]) == {icb_view.ONE_AREA}
    assert icb_view.event_rates(alone, "QZ1")["index"].isna().all()
    assert icb_causes.peers(alone, "QZ1").empty
    nobody = replace(cells, costs=cells.costs.iloc[:0], population=cells.population.iloc[:0])
    row = icb_view.of_one(icb_view.cost_per_person(nobody), "QZ1").iloc[0]
    assert row["reason"] == icb_view.NO_PEOPLE
    assert icb_view.event_rates(nobody, "QZ1")["reason"].tolist() == [icb_view.NO_PEOPLE]


# -- the map and the figures --
@pytest.mark.unit
def test_the_map_has_a_place_of_its_own_for_each_of_the_42_icbs() -> None:
    places = icb_view.hexagons(pd.DataFrame(columns=["icb_code", "setting", "persons"]))
    assert len(places) == 42
    assert not places.duplicated(["q", "r"]).any()
    known = pd.read_csv(icb_view.paths.reference() / "icbs.csv").query("valid_from < '2026'")
    assert set(places["icb_code"]) == set(known["icb_code"])


@pytest.mark.published
def test_the_map_is_the_published_one(public_data: Path) -> None:
    hexes = json.loads((public_data / "boundaries" / "nhs-icb-2022.hexjson").read_text(encoding="utf-8"))["hexes"]
    places = icb_view.hexagons(pd.DataFrame(columns=["icb_code", "setting", "persons"])).set_index("icb_code")
    assert {code: (h["q"], h["r"]) for code, h in hexes.items()} == dict(
        zip(places.index, zip(places["q"], places["r"], strict=True), strict=True)
    )


@pytest.mark.unit
@pytest.mark.parametrize("width", [style.WIDE, style.NARROW])
def test_the_map_says_each_value_in_words_too(width: float) -> None:
    frame = pd.DataFrame({"icb_code": ["QHL", "QOP", "QXX"], "q": [4, 4, np.nan], "r": [5, 8, np.nan]})
    frame["index"] = [107.4, np.nan, 99.0]
    drawn = style.draw(figures.hexmap, frame, width=width, height=4, focus="QHL")
    texts = {text.get_text() for text in drawn.axes[0].texts}
    assert {"QHL", "107", "QOP", "–"} <= texts
    said = figures.describe_hexmap(frame, focus="QHL")
    assert "QHL: 107" in said
    assert "Not on the map: QXX" in said


@pytest.mark.unit
def test_indices_are_marked_by_what_their_interval_says() -> None:
    frame = pd.DataFrame({"setting": ["admitted", "outpatient", "emergency"], "index": [120, 99, np.nan]})
    frame = frame.assign(index_lower_95=[110, 90, np.nan], index_upper_95=[130, 108, np.nan])
    about = {"by": "setting", "measure": "Index"}
    drawn = style.draw(figures.against_hundred, frame, width=style.WIDE, height=3, **about)
    texts = [text.get_text() for text in drawn.axes[0].texts]
    assert {"120 (110 to 130)", "99 (90 to 108)", "* not shown"} <= set(texts)
    assert figures.describe_against_hundred(frame, **about).endswith(
        "Admitted: 120 (110 to 130); Outpatient: 99 (90 to 108); A&E: not shown."
    )


@pytest.mark.unit
@pytest.mark.parametrize("others", [True, False])
def test_a_key_names_only_what_is_drawn(others: bool) -> None:
    # One area's own rows: the key had a mark for "no other area", of which nothing was drawn.
    rows = pd.DataFrame({"decile": [1, 2], "value_gbp": [20.0, 10.0], "fitted_gbp": [20.0, 10.0]})
    rows = rows.assign(lower_95=rows["value_gbp"] - 1, upper_95=rows["value_gbp"] + 1)
    names = {"area": "Here", "reference": "England" if others else "no other area"}
    table = pd.concat([rows.assign(area="Here"), *([rows.assign(area="England")] if others else [])])
    drawn = style.draw(figures.gradient, table, width=6, height=3, **names)
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["Here", "England"][: 1 + others]
    assert ("beside" in figures.describe_gradient(table, **names)) == others
    aim = pd.DataFrame({"measure": ["Cost"], "unit": ["gbp"], "value": [9.0], "lower_95": [8.0], "upper_95": [10.0]})
    aim = aim.assign(reference=7.0 if others else np.nan, reason="")
    drawn = style.draw(value_figures.triple_aim, aim, width=6, height=3, **names)
    assert len(drawn.legends[0].get_texts()) == 1 + others
    assert [tick.get_text() for tick in drawn.axes[0].get_xticklabels()] == ["less", "England", "more"] * others
