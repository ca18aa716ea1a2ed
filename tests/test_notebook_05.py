"""The notebook on demand: what is shown adds up, on the sample and on official figures, and an empty one says why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from factories import make_tables, write_tables
from in_process import run

from pathcost_lib import ledger, paths, sources
from pathcost_lib.packs import runner
from pathcost_lib.packs.document import Section, read_section
from pathcost_lib.packs.runner import NotebookError
from pathcost_lib.present.format import short_pounds
from pathcost_lib.sample import generate
from pathcost_lib.scenarios import DemandModel, monthly_outlook, tornado
from pathcost_lib.scenarios.demand.projection import Growth
from pathcost_lib.scenarios.draws import Distribution
from pathcost_lib.sources import published

NOTEBOOK = paths.notebooks() / "05_demand_growth.ipynb"


#: What a table that counts nobody may be off by: half a unit of its third figure, of 100 at the least.
THREE_FIGURES = 0.005


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("made") / "sample", people=250_000, icbs=["QHL", "QJG"])


def shown(data: Path, to: Path, **values: object) -> Section:
    runner.execute(NOTEBOOK, to / "out.ipynb", {"data": str(data), "draws": 200, **values})
    return read_section(to / "out.ipynb")


def table(section: Section, name: str) -> pd.DataFrame:
    payload = next(t.payload for t in section.tables if t.name == name)
    return pd.DataFrame(payload["rows"], columns=[c["key"] for c in payload["columns"]])


@pytest.fixture(scope="module")
def section(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Section:
    return shown(sample, tmp_path_factory.mktemp("run"), icb="QJG")


@pytest.mark.slow
@pytest.mark.notebook
def test_drivers_and_interaction_are_the_total_in_the_table_shown(section: Section) -> None:
    steps = table(section, "Drivers")["change_gbp"]
    assert len(steps) == 9
    # A table leaves with three figures; the drivers add up exactly before (test_demand).
    assert steps.iloc[:-1].sum() == pytest.approx(steps.iloc[-1], rel=THREE_FIGURES)
    assert steps.iloc[-1] > steps.iloc[0] > 1e6


@pytest.mark.slow
@pytest.mark.notebook
def test_the_message_has_the_interval_of_the_table_and_says_that_the_sample_is_a_sample(section: Section) -> None:
    cost = table(section, "Cost by year")
    last = cost[(cost["setting"] == "All settings") & (cost["year"] == 2040)].iloc[0]
    assert len(section.messages) == 2 and section.messages[1].text.startswith("Coverage, ")
    reach = f"80% interval {short_pounds(last['lower_80'], plus='')} to {short_pounds(last['upper_80'], plus='')}"
    assert reach in section.messages[0].text
    assert "The sample is invented and holds one in 231" in section.messages[0].text
    assert last["lower_80"] < last["p50_gbp"] < last["upper_80"]
    assert last["compounding_bias_pct"] == pytest.approx(100 * (last["mean_gbp"] / last["central_gbp"] - 1), abs=1.0)
    assert "80% interval" in " ".join(f.alt for f in section.figures)


@pytest.mark.slow
@pytest.mark.notebook
def test_settings_add_up_and_the_gap_is_cost_less_funding(section: Section) -> None:
    cost = table(section, "Cost by year")
    sums = cost[cost["setting"] != "All settings"].groupby("year")["central_gbp"].sum()
    whole = cost[cost["setting"] == "All settings"].set_index("year")["central_gbp"]
    assert sums.to_numpy() == pytest.approx(whole.to_numpy(), rel=THREE_FIGURES)
    gap = table(section, "Gap")
    assert gap["scope"].unique().tolist() == ["Health", "Health and social care"]
    most = 2 * THREE_FIGURES * gap["cost_gbp"].max()
    assert (gap["cost_gbp"] - gap["allocation_gbp"]).to_numpy() == pytest.approx(gap["gap_gbp"].to_numpy(), abs=most)
    both = gap[(gap["scope"] == "Health and social care") & (gap["year"] == 2040)].iloc[0]
    assert both["cost_gbp"] == pytest.approx(whole[2040], rel=THREE_FIGURES)
    assert both["allocation_gbp"] == pytest.approx(whole[2024] * 1.015**16, rel=2 * THREE_FIGURES)
    assert both["efficiency_gbp"] == pytest.approx(both["cost_gbp"] * (1 - 0.989**16), rel=2 * THREE_FIGURES)


@pytest.mark.slow
@pytest.mark.notebook
def test_the_base_is_the_ledger_of_the_year(section: Section, sample: Path) -> None:
    dataset = sources.open_dataset(sample)
    costed = ledger.cost_activity(dataset.activity, dataset.unit_costs, dataset.organisations, price_base="2024-25")
    own = costed.query(
        "SELECT sum(cost_pence) / 100 AS gbp FROM this WHERE icb_code = 'QJG' AND start_date >= DATE '2024-04-01'"
    )
    left_out = table(section, "Growth by service")
    assert table(section, "Drivers")["change_gbp"].iloc[0] == pytest.approx(
        float(own.to_pandas()["gbp"][0]), rel=THREE_FIGURES
    )
    assert (left_out["reason"].fillna("") == "").mean() > 0.8


@pytest.mark.slow
@pytest.mark.notebook
@pytest.mark.parametrize("missing", [("population",), ("population", "patients"), ()])
def test_where_nothing_can_be_projected_every_block_says_why(missing: tuple[str, ...], tmp_path: Path) -> None:
    tables = {name: t for name, t in make_tables(patients=60).items() if name not in missing}
    section = shown(write_tables(tmp_path / "data", tables), tmp_path, icb="QZ2")
    why = f"no table of {missing[0]}" if missing else "no year after 2024"
    assert why in section.messages[0].text
    assert (len(section.figures), len(section.tables)) == (6, 8)
    assert all(why in f.alt for f in section.figures[:5])
    assert why in table(section, "Drivers")["not_computable"][0]


VARIANT = "variant = max(variants, key=variants.get)"
PODS = 'pods = inputs.pods[inputs.pods["reason"] == ""]'


@pytest.mark.slow
@pytest.mark.notebook
@pytest.mark.parametrize(
    ("before", "after", "name", "rises"),
    [
        (VARIANT, 'variant = "low_population"', "Size and age of the population", False),
        (VARIANT, 'variant = "high_population"', "Size and age of the population", True),
        ("growth = futures.demand.growth\n", "growth = scenarios.Growth(price_pct=2.0)\n", "Pay and prices", True),
    ],
)
def test_an_analyst_changes_the_population_or_the_growth_in_one_line(
    before: str, after: str, name: str, rises: bool, section: Section, sample: Path
) -> None:
    other = run("05", {"data": str(sample), "icb": "QJG", "draws": 100}, {before: after})
    was, now = (table(one, "Drivers").set_index("driver")["change_gbp"] for one in (section, other))
    assert (now[name] > 1.02 * was[name]) if rises else (now[name] < 0.98 * was[name])
    assert now["Base year"] == was["Base year"]
    assert now.iloc[:-1].sum() == pytest.approx(now.iloc[-1], rel=THREE_FIGURES)


@pytest.mark.slow
@pytest.mark.notebook
def test_an_analyst_takes_one_service_only_or_another_scope_of_health(section: Section, sample: Path) -> None:
    values = {"data": str(sample), "icb": "QJG", "draws": 100}
    one = run("05", values, {PODS: 'pods = inputs.pods[inputs.pods["pod"] == "ae_type1"]'})
    assert table(one, "Base year")["setting"].tolist() == ["emergency"]
    assert table(one, "Gap")["scope"].unique().tolist() == ["Health"]
    assert table(one, "Growth by service").set_index("service")["growth_pct"].notna().sum() == 1
    narrow = run("05", values, {'isin(["social_care"])': 'isin(["social_care", "community"])'})
    was, now = (table(s, "Gap").set_index(["scope", "year"])["cost_gbp"] for s in (section, narrow))
    assert now["Health", 2024] < was["Health", 2024]
    assert now["Health and social care", 2024] == was["Health and social care", 2024]


@pytest.mark.slow
@pytest.mark.notebook
def test_it_ends_in_three_changes_worked_which_no_pack_holds(
    section: Section, sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("05", {"data": str(sample), "icb": "QJG", "draws": 100})
    said = capsys.readouterr().out
    assert [line.partition(":")[0] for line in said.splitlines()][:3] == [
        "as above", "another variant", "no growth in use"
    ]  # fmt: skip
    assert len(said.splitlines()) == 4 and "high_population" in said
    assert not any("Make it yours" in str(block) for block in section.blocks)


@pytest.mark.slow
@pytest.mark.notebook
def test_it_stops_on_a_scenario_without_demand(sample: Path, tmp_path: Path) -> None:
    with pytest.raises(NotebookError, match="cell 3: Scenario 'bed_closure' has no demand part"):
        shown(sample, tmp_path, scenario="bed_closure")


@pytest.mark.unit
def test_tornado_of_cost_by_hand() -> None:
    index = pd.MultiIndex.from_product(
        [["Q0"], [2024, 2025], ["female"], [60]], names=["icb_code", "year", "sex", "age"]
    )
    people = pd.DataFrame({"persons": 100.0}, index=index).reset_index().assign(variant="principal")
    rates = pd.DataFrame({"pod": ["a", "b"], "age": 60, "sex": "female", "rate": [1.0, 2.0]})
    growth = Growth(
        non_demographic_pct={"a": Distribution("interval", (0.0, 10.0))},
        price_pct=Distribution("interval", (1.0, 3.0)),
    )
    model = DemandModel(people, rates, base_year=2024, horizon=2025)
    found = tornado(model, growth, year=2025, unit_cost_gbp={"a": 10.0, "b": 0.0})
    found = found.set_index("assumption")
    assert found.loc["non_demographic_pct.a", ["low", "high"]].tolist() == pytest.approx([1020.0, 1122.0])
    assert found.loc["price_pct", ["low", "high"]].tolist() == pytest.approx([1050 * 1.01, 1050 * 1.03])


@pytest.mark.slow
@pytest.mark.unit
def test_a_month_that_copies_the_year_before_is_left_out() -> None:
    months = pd.period_range("2021-04", periods=36, freq="M")
    values = 100 + 10 * np.sin(np.arange(36)) + np.arange(36)
    values[30] = values[18]
    series = pd.DataFrame({"series": "x", "month": months, "activity": values, "calendar": "days"})
    result = monthly_outlook(series, names=["x"], methods=["stl"])
    assert result.table["months"].tolist() == [35]
    assert result.table["mase"].notna().all()
    assert months[30].to_timestamp() not in set(result.path["month"])
    short = monthly_outlook(series.iloc[:20], names=["x"])
    assert "24 months or more" in short.table["reason"][0]
    assert short.path.empty


@pytest.mark.unit
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (950, "£950"),
        (45_678, "£46k"),
        (999_600, "£1.00m"),
        (1_234_567, "£1.23m"),
        (1.9e9, "£1.90bn"),
        (-33.4e6, "−£33.4m"),
    ],
)
def test_short_pounds(value: float, said: str) -> None:
    assert short_pounds(value, plus="") == said


@pytest.mark.slow
@pytest.mark.published
def test_official_figures_run_and_agree_with_the_projection(sample: Path, public_data: Path, tmp_path: Path) -> None:
    section = shown(sample, tmp_path, icb="QHL", scenario="official_groups", official=str(public_data))
    services = table(section, "Growth by service")
    assert len(services) == 13
    # A second route: people times rates by a plain join, nothing shared with the arrays.
    folder = public_data / "icb_population_projections"
    codes = published.icb_codes(public_data / "icb_lookups" / "sub_icb_icb_region_lookup_2022.csv")
    only = {"icb_code": ["QHL"]}
    path = folder / "icb_population_by_age_sex_2000_2043_principal.csv.gz"
    people = published.read("icb_population", path, icbs=codes, only=only | {"variant": ["principal"]}).table
    rates = published.read(
        "activity_rates", folder / "icb_activity_rates_by_age_sex_2022.csv.gz", icbs=codes, only=only
    )
    both = people[people["year"].isin([2025, 2040])].merge(rates.table, on=["age", "sex"])
    both["use"] = both["persons"] * both["smoothed_rate"]
    use = both.pivot_table(index="activity_group", columns="year", values="use", aggfunc="sum")
    growth = 100 * (use[2040] / use[2025] - 1)
    # Shown to one decimal place, by service in words.
    assert sorted(services["ageing_pct"]) == pytest.approx(sorted(growth), abs=0.051)
    assert sorted(services["contacts"]) == pytest.approx(sorted(use[2025]), abs=2.6)
    everywhere = table(section, "Every ICB")
    assert everywhere.groupby("icb_code").size().tolist() == [13] * 42
    own = everywhere[everywhere["icb_code"] == "QHL"]
    assert sorted(own["growth_2040_pct"]) == pytest.approx(sorted(growth), abs=0.051)
    steps = table(section, "Drivers")["change_gbp"]
    assert steps.iloc[:-1].sum() == pytest.approx(steps.iloc[-1], rel=THREE_FIGURES)
    assert 1e9 < steps.iloc[0] < 3e9  # hospital care of one ICB's adults
    assert "Official rates cover" in section.messages[0].text
    assert "23.5 % of persons" in section.messages[0].text
    scores = table(section, "Forecasts")
    assert (scores["mase"] < scores["naive_mase"]).all()


@pytest.mark.published
def test_unit_costs_of_the_official_groups_are_those_of_the_schedule(public_data: Path) -> None:
    totals = published.read(
        "department_totals", public_data / "ncc_national_schedule" / "DERIVED_department_totals_2023_24.csv"
    ).table.set_index("department")
    totals = totals[["cost", "activity"]].astype(float)
    mean = totals["cost"] / totals["activity"]
    ours = pd.read_csv(paths.reference() / "official_groups.csv").set_index("activity_group")["unit_cost_gbp"]
    assert ours["amb"] == pytest.approx(mean["Emergency Care"], abs=0.006)
    assert ours["daycase_n"] == pytest.approx(mean["Daycase"], abs=0.006)
    assert ours["ordelec_n"] == pytest.approx(mean["Elective Inpatients"], abs=0.006)
    assert ours["surg_proc"] == pytest.approx(mean["Outpatient Procedures"], abs=0.006)
    stays = totals.loc[totals.index.str.startswith("Non-Elective Inpatient"), ["cost", "activity"]].sum()
    assert ours["emer_n"] == pytest.approx(stays["cost"] / stays["activity"], abs=0.006)
    assert ours[["emer_bds", "ordelec_bds"]].isna().all()


@pytest.mark.slow
@pytest.mark.notebook
def test_a_gap_of_the_base_year_is_in_the_gap(sample: Path, tmp_path: Path) -> None:
    # Brown, HFMA, March 2018: £286m in health, £542m with social care.
    text = (paths.scenarios() / "do_nothing.toml").read_text(encoding="utf-8")
    own = tmp_path / "gap.toml"
    own.write_text(text + '\n[demand.base_gap_gbp]\nHealth = 286_000_000\n"Health and social care" = 542_000_000\n')
    section = shown(sample, tmp_path, scenario=str(own))
    payload = next(t.payload for t in section.tables if t.name == "Gap")
    rows = pd.DataFrame(payload["rows"], columns=[c["key"] for c in payload["columns"]])
    first = rows.groupby("scope").first()["gap_gbp"]
    assert first.to_dict() == pytest.approx({"Health": 286e6, "Health and social care": 542e6}, rel=1e-3)
