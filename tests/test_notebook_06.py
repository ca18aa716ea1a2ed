"""Notebook 06: a scenario on one ICB's ledger, its tables, figures and message, and that what it shows adds up."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from factories import make_tables, write_tables
from in_process import run
from matplotlib.backends.backend_agg import FigureCanvasAgg
from system_steps import steps

from pathcost_lib import ledger, paths, present, scenarios, sources
from pathcost_lib.errors import InputError
from pathcost_lib.packs import builder, runner
from pathcost_lib.packs.document import Section, read_section
from pathcost_lib.packs.runner import NotebookError
from pathcost_lib.present import style
from pathcost_lib.present.format import short_pounds
from pathcost_lib.scenarios.change import figures, localise
from pathcost_lib.scenarios.change import words as savings
from pathcost_lib.scenarios.change.tables import OTHERS, SYSTEM
from pathcost_lib.sources import names

NOTEBOOK = next(p for p in builder.production_notebooks() if p.stem == "06_system_savings")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    tables = make_tables(patients=300)
    # A trust next door sees some of the patients of QZ2, and there are emergency stays in the year.
    activity = tables["activity"]
    away = (activity["icb_code"] == "QZ2") & (activity["activity_id"] % 4 == 0) & (activity["provider_code"] == "A2")
    activity.loc[away, "provider_code"] = "A3"
    stays = activity[activity["pod"] == "elective"].assign(pod="non_elective", currency_code="DZ65F")
    stays = stays.assign(activity_id=stays["activity_id"] + 10**6)
    return str(write_tables(tmp_path_factory.mktemp("data"), tables | {"activity": pd.concat([activity, stays])}))


@pytest.fixture(scope="module")
def local(data: str) -> localise.Local:
    dataset = sources.open_dataset(data)
    chosen = scenarios.load_scenario("many_small_improvements")
    near = scenarios.activity_near(dataset.activity, icb="QZ2", year="2024-25")
    prices = names.table_or_empty(dataset, "unit_costs")
    costed = ledger.cost_activity(near, prices, dataset.organisations, price_base="2024-25")
    return scenarios.localise(chosen, costed, icb="QZ2", year="2024-25", price_base="2024-25")


def _run(folder: Path, **values: Any) -> Section:
    runner.execute(NOTEBOOK, folder / "out.ipynb", values)
    return read_section(folder / "out.ipynb")


def _frame(section: Section, name: str) -> pd.DataFrame:
    payload = next(t.payload for t in section.tables if t.name == name)
    return pd.DataFrame(payload["rows"], columns=[c["key"] for c in payload["columns"]])


# -- the notebook -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.notebook
def test_tables_of_the_notebook_are_the_library_s(data: str, local: localise.Local, tmp_path: Path) -> None:
    section = _run(tmp_path, icb="QZ2", data=data, draws=200, seed=5)
    assert (len(section.messages), len(section.figures), len(section.tables)) == (2, 6, 15)
    called = names.organisation_names(sources.open_dataset(data).organisations)
    view = steps(local, names=called, draws=200, seed=5, disclosed=True)
    shown = {
        "Matrix": "matrix",
        "Years": "years",
        "Worth": "worth",
        "Compensation": "compensation",
        "Register": "register",
    }
    for sheet, name in shown.items():
        table = present.disclose(
            view.tables[name], counts=view.counts, totals=view.totals.get(name, []), in_order=True
        ).frame
        expected = table.drop(columns="persons").select_dtypes("number")
        found = _frame(section, sheet)[expected.columns]
        hidden = expected.isna().to_numpy()
        assert (found[expected.columns].eq("*").to_numpy() == hidden).all()
        numbers = found.where(~hidden, np.nan).to_numpy(dtype=float)
        assert numbers == pytest.approx(expected.to_numpy(float), abs=1e-5, nan_ok=True)
    system = view.tables["worth"].iloc[-1]
    assert short_pounds(abs(system["net_present_value_gbp"])).lstrip("+") in section.messages[0].text


@pytest.mark.slow
@pytest.mark.notebook
def test_the_seed_example_in_a_pack(data: str, tmp_path: Path) -> None:
    # Brown, HFMA, March 2018: payment cut £1.0m, £0.5m of it variable; worked off over four years.
    section = _run(tmp_path, icb="QZ2", data=data, scenario="payment_cut", price_base="2017-18", draws=100)
    matrix = _frame(section, "Matrix").set_index(["organisation", "scheme"])["impact_gbp"]
    assert matrix.xs("All schemes", level="scheme").to_dict() == {
        "Commissioner": 5_000_000,
        "Provider": -1_250_000,
        "System": 3_750_000,
    }
    assert _frame(section, "Stranded")["stranded_gbp"].tolist() == [500_000, 375_000, 250_000, 125_000, 0]
    assert _frame(section, "Compensation")["after_gbp"].tolist() == [3_750_000, 0, 3_750_000]
    assert "The commissioner gains £4.67m (no uncertainty stated)" in section.messages[0].text


@pytest.mark.slow
@pytest.mark.notebook
def test_the_system_total_of_a_pack_is_the_library_s_under_capitation(data: str, tmp_path: Path) -> None:
    # A host that is otherwise in no scheme: the system gains, in words as in the table.
    text = (paths.scenarios() / "payment_cut.toml").read_text(encoding="utf-8")
    own = tmp_path / "hosted.toml"
    own.write_text(text + '\n[payment]\nrule = "capitation"\nhost = "alliance"\n', encoding="utf-8")
    section = _run(tmp_path, icb="QZ2", data=data, scenario=str(own), price_base="2017-18", draws=100)
    matrix = _frame(section, "Matrix").set_index(["organisation", "scheme"])["impact_gbp"]
    assert matrix.xs("All schemes", level="scheme").to_dict() == {
        "Commissioner": 0,
        "Provider": -1_250_000,
        "Alliance": 5_000_000,
        "System": 3_750_000,
    }
    assert "The system gains" in section.messages[0].text
    assert "The schemes act on 100% of the scenario's own baseline (£10.0m)" in section.messages[0].text


@pytest.mark.slow
@pytest.mark.notebook
@pytest.mark.parametrize(
    ("without", "values", "said"),
    [
        (("unit_costs", "population"), {}, "the activity selected has no cost"),
    ],
)
def test_says_why_it_is_not_computable(
    without: tuple[str, ...], values: dict[str, Any], said: str, tmp_path: Path
) -> None:
    tables = make_tables(patients=60)
    tables["activity"] = tables["activity"].query("icb_code == 'QZ1'").assign(recorded_cost_pence=None)
    tables["activity"] = tables["activity"].astype({"recorded_cost_pence": "Int64"})
    folder = write_tables(tmp_path / "data", {k: v for k, v in tables.items() if k not in without})
    section = _run(tmp_path, icb="QZ1", data=str(folder), **values)
    assert (len(section.figures), len(section.tables)) == (6, 15)
    assert said in section.messages[0].text
    assert all(said in f.alt for f in section.figures)
    # Also where nothing is worked out, how many people a scheme would select is a count as any other.
    persons = _frame(section, "Schemes").get("persons", pd.Series(dtype=float))
    assert all(value == "*" or value % 5 == 0 for value in persons)


@pytest.mark.slow
@pytest.mark.notebook
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"icb": "QHX"}, "ICB 'QHX' is not known.*QZ1, QZ2, QZ3"),
        ({"year": "2031-32"}, "Financial year '2031-32' is not known.*2023-24, 2024-25"),
        ({"scenario": "magic"}, "Scenario 'magic' is not known.*many_small_improvements"),
    ],
)
def test_stops_in_cell_three_with_what_is_allowed(wrong: dict[str, str], said: str, data: str, tmp_path: Path) -> None:
    with pytest.raises(NotebookError, match=f"(?s)06_system_savings.ipynb, cell 3: {said}"):
        runner.execute(NOTEBOOK, tmp_path / "out.ipynb", {"icb": "QZ2", "data": data, **wrong})


@pytest.mark.slow
@pytest.mark.notebook
@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("payment = scenario.payment", 'payment = scenario.payment.varied("block")', True),
        ("years = scenario.years", "years = scenario.years[:3]", False),
        ("release = scenario.release", "release = scenarios.Release(20.0)", False),
        ('schedule = "green_book"', 'schedule = "green_book_health"', True),
    ],
)
def test_an_analyst_changes_a_rule_in_one_line(before: str, after: str, same: bool, data: str) -> None:
    values = {"data": data, "icb": "QZ2", "draws": 100}
    was, now = run("06", values), run("06", values, {before: after})
    sums = [_frame(s, "Years")["net_gbp"].astype(float) for s in (was, now)]
    assert sums[0].equals(sums[1]) == same
    worth = [_frame(s, "Worth").set_index("organisation")["at_mean_effects_gbp"] for s in (was, now)]
    assert not worth[0].equals(worth[1])
    assert worth[0]["System"] == worth[1]["System"] or "payment" not in before


@pytest.mark.slow
@pytest.mark.notebook
def test_it_ends_in_three_changes_worked_which_no_pack_holds(data: str) -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    (place,) = (n for n, cell in enumerate(cells) if cell.source.startswith("## Make it yours"))
    assert "three changes" in cells[place].source.lower() and len(cells) == place + 4
    assert not any("pack" in cell.metadata.get("tags", []) for cell in cells[place:])
    section = run(
        "06",
        {"data": data, "icb": "QZ2", "draws": 100},
        {
            "mine if computable": "assert len(mine) == 4; mine if computable",
            "deals if computable": "assert list(deals.index)[:2] == ['as above', 'gain share']; deals if computable",
        },
    )
    assert not any("Make it yours" in str(block) for block in section.blocks)


@pytest.mark.slow
@pytest.mark.notebook
def test_what_families_save_has_a_table_and_a_column_and_is_in_no_total(data: str, tmp_path: Path) -> None:
    text = (paths.scenarios() / "many_small_improvements.toml").read_text(encoding="utf-8")
    assert text.count("price_gbp = 86\n") == 1
    stated = '[intervention.families]\ntravel_gbp = -5\nsource = "Made up"\n'
    weights = "[equity]\nmedian_income_gbp = 30_000\nfifth_income_gbp = [20_000, 25_000, 30_000, 35_000, 50_000]\n"
    own = tmp_path / "families.toml"
    text = text.replace("price_gbp = 86\n", f"price_gbp = 86\n{stated}")
    own.write_text(f'{text}{weights}source = "Made up"\n', encoding="utf-8")
    values = {"data": data, "icb": "QZ2", "draws": 100, "scope": "icb"}
    plain, section = run("06", values), run("06", values | {"scenario": str(own)})
    assert (len(plain.tables), len(section.tables)) == (15, 16)
    table = _frame(section, "Patients and families")
    assert "equity_weight" in table and "persons" not in table
    travel = pd.to_numeric(table["travel_gbp"], errors="coerce").dropna()
    assert (travel <= 0).all() and (travel < 0).any()
    years = [_frame(one, "Years") for one in (plain, section)]
    assert "families_gbp" not in years[0] and (years[1]["families_gbp"].astype(float) < 0).any()
    assert years[0]["net_gbp"].equals(years[1]["net_gbp"])
    assert _frame(plain, "Matrix").equals(_frame(section, "Matrix"))


# -- a scenario set on an ICB -----------------------------------------------------------------------------------------


@pytest.mark.unit
def test_programme_costs_are_to_the_size_of_the_place_and_names_are_of_the_place(local: localise.Local) -> None:
    here = {i.name: i for i in local.scenario.interventions}
    rows = local.rows.query(  # type: ignore[union-attr]
        "SELECT sum(cost_pence) / 100.0 AS cost_gbp, count(DISTINCT patient_id) AS persons FROM this "
        "WHERE icb_code = 'QZ2' AND pod = 'non_elective' AND financial_year = '2024-25'"
    ).to_pandas()
    assert local.whole["shorter_stay"] == pytest.approx(rows.iloc[0].to_dict())
    # The file's own trust: £102.64m of emergency stays, £250,000 to run the scheme.
    assert here["shorter_stay"].running_gbp == pytest.approx(250_000 * rows["cost_gbp"][0] / 102_640_000)
    destination = here["discharge_to_assess"].to
    assert destination is not None
    assert destination.provider_code == "C2"
    assert local.providers == ["A2", "A3"]


@pytest.mark.unit
def test_what_cannot_be_worked_out_is_left_out_with_what_depends_on_it(local: localise.Local) -> None:
    first, *others = local.asked.interventions
    nothing = replace(first, select={"pod": ("mental_health_bed_day",), "provider_code": ("NONE",)})
    scenario = replace(local.asked, interventions=(nothing, *others))
    found = scenarios.localise(scenario, local.rows, icb="QZ2", year="2024-25")  # type: ignore[arg-type]
    assert found.left_out == {
        "shorter_stay": "no activity here is selected",
        "discharge_to_assess": "depends on shorter stay, which is left out",
    }
    view = steps(found)
    assert view.tables["assumptions"]["left_out"].tolist() == [*found.left_out.values(), ""]
    assert set(view.tables["matrix"]["scheme"]) == {"Advice before referral", "All schemes"}


@pytest.mark.unit
def test_tables_add_up_and_small_providers_are_shown_as_one(local: localise.Local) -> None:
    view = steps(local, most=1)
    matrix = view.tables["matrix"].pivot_table(index="organisation", columns="scheme", values="impact_gbp", sort=False)
    assert list(matrix.index) == ["QZ2", "A2", "C2", OTHERS, SYSTEM]
    assert matrix.drop(index=SYSTEM).sum().to_numpy() == pytest.approx(matrix.loc[SYSTEM].to_numpy())
    assert matrix.drop(columns="All schemes").sum(axis=1).to_numpy() == pytest.approx(matrix["All schemes"].to_numpy())
    exact = scenarios.system_impact(local.scenario, local.rows, year="2024-25")
    of = exact.by_organisation().set_index("organisation")["impact_gbp"]
    assert matrix["All schemes"][OTHERS] == pytest.approx(of["A3"])
    total = float(exact.system.sum())
    assert view.tables["waterfall"]["running_gbp"].iloc[-1] == pytest.approx(total)
    assert view.tables["years"]["cumulative_gbp"].iloc[-1] == pytest.approx(total)
    rules = view.tables["rules"].query("organisation == @SYSTEM")
    assert rules["impact_gbp"].to_numpy() == pytest.approx([total] * 4)
    paid = view.tables["compensation"].set_index("organisation")
    assert paid["transfer_gbp"].drop(SYSTEM).sum() == pytest.approx(0, abs=1e-6)
    assert (paid["after_gbp"] > -0.01).all()
    assert view.tables["draws"]["draws_share"].sum() == pytest.approx(1)
    worth = view.tables["worth"].set_index("organisation")
    assert worth.loc[SYSTEM, "at_mean_effects_gbp"] == pytest.approx(exact.appraise().net_present_value_gbp)
    spent = view.tables["years"][["programme_gbp", "double_running_gbp"]].sum().sum()
    assert spent == pytest.approx(view.tables["waterfall"]["change_gbp"].iloc[-1])


@pytest.mark.unit
def test_usual_claims_count_the_same_activity_twice_and_a_file_of_claims_is_checked(local: localise.Local) -> None:
    impact = scenarios.system_impact(local.scenario, local.rows, year="2024-25", payment="activity")
    claims = scenarios.usual_claims(impact, "QZ2")
    assert set(claims["programme"]) == {"QIPP", "CIP"}
    full = impact.released["full_cost_gbp"].sum()
    assert claims.query("programme == 'CIP'")["claim_gbp"].sum() == pytest.approx(full)
    register = steps(local).tables["register"]
    assert register["claimed_gbp"].sum() == pytest.approx(claims["claim_gbp"].sum())
    assert (register["claimed_gbp"] > register["system_gbp"]).all()
    with pytest.raises(InputError, match=r"no column claim_gbp\. Needed: scheme"):
        steps(local, claims=claims.drop(columns="claim_gbp"))


@pytest.mark.unit
def test_a_baseline_of_its_own_is_needed_where_there_is_no_ledger() -> None:
    scenario = replace(scenarios.load_scenario("payment_cut"), baseline=None)
    with pytest.raises(InputError, match="has no \\[\\[baseline\\]\\] of its own"):
        scenarios.localise(scenario, None, icb="QZ2", year="2024-25")


# -- words and figures ------------------------------------------------------------------------------------------------


@pytest.mark.unit
@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "£0"), (-635, "−£635"), (7600, "+£7.6k"), (87_925, "+£88k"), (1_308_036, "+£1.31m"), (-123e6, "−£123m")],
)
def test_short_pounds(value: float, said: str) -> None:
    assert short_pounds(value) == said
    assert short_pounds(math.nan) == "–"


def _worth(*rows: tuple[str, float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["organisation", "net_present_value_gbp", "lower_80", "upper_80"])


@pytest.mark.unit
def test_the_message_is_no_more_certain_than_the_interval() -> None:
    said = {"title": "T", "area": "A", "years": 5}
    table = _worth(("ICB", 1e6, 5e5, 2e6), ("P", -5e5, -6e5, -4e5), ("Q", -1.0, -2, -0.5), ("System", 5e5, -1e5, 9e5))
    assert savings.savings_message(table, **said) == (
        "T, A, 5 years in present value. The commissioner gains £1.00m (80% interval £500k to £2.00m). P is worse off "
        "by £500k (80% interval −£600k to −£400k). The system may gain or lose (+£500k; 80% interval −£100k to £900k)."
    )
    named = savings.savings_message(table.assign(organisation=table["organisation"].replace("P", OTHERS)), **said)
    assert "Other providers are worse off by £500k" in named
    touched = pd.DataFrame({"touched_gbp": [3.4e6], "whole_gbp": [28e6]})
    assert savings.touched_sentence(touched, area="Q", year="2024-25") == (
        "The schemes act on 12% of the cost of Q's activity in 2024-25 (£3.40m)."
    )
    table.loc[1:2, "net_present_value_gbp"] = 1.0
    assert "No provider shown is surely worse off" in savings.savings_message(table, **said)
    table["net_present_value_gbp"] = np.nan
    assert "too few people" in savings.savings_message(table, **said)


@pytest.mark.unit
def test_no_text_is_cut_off_and_a_reason_stands_in_for_a_figure(local: localise.Local) -> None:
    view = steps(local, draws=200)
    marks = {"low": -2e3, "middle": 4e3, "high": 9e3, "central": 5e3}
    calls: list[tuple[Any, Any, str, dict[str, Any]]] = [
        (figures.signed_grid, figures.describe_signed_grid, "matrix", {"columns": "scheme"}),
        (figures.signed_grid, figures.describe_signed_grid, "rules", {"columns": "payment_rule"}),
        (figures.cash_waterfall, figures.describe_cash_waterfall, "waterfall", {}),
        (figures.timeline, figures.describe_timeline, "years", {}),
        (figures.stranded, figures.describe_stranded, "stranded", {}),
        (figures.spread, figures.describe_spread, "draws", marks),
    ]
    for draw, describe, name, options in calls:
        assert "£" in describe(view.tables[name], **options)
        for width in (style.WIDE, style.NARROW):
            drawn = style.draw(draw, view.tables[name], width=width, height=4.5, **options)
            renderer, ax = FigureCanvasAgg(drawn).get_renderer(), drawn.axes[0]
            for text in [*ax.texts, ax.xaxis.label, *(t for key in drawn.legends for t in key.get_texts())]:
                box = text.get_window_extent(renderer)
                inside = box.x0 >= -1 and box.x1 <= drawn.bbox.x1 + 1 and box.y0 >= -1 and box.y1 <= drawn.bbox.y1 + 1
                assert inside, f"{name} {width}: {text.get_text()!r} is cut off"
        reason = pd.DataFrame({"not_computable": ["Not computable. No prices."]})
        assert describe(reason, **options) == "Not computable. No prices."
        assert not style.draw(draw, reason, width=7, height=1, **options).axes[0].axison
        hidden = view.tables[name].assign(**dict.fromkeys(view.tables[name].select_dtypes("number"), np.nan))
        assert not style.draw(draw, hidden, width=7, height=1, **options).axes[0].axison


@pytest.mark.unit
def test_the_waterfall_ends_at_what_is_left() -> None:
    table = scenarios.system_impact(scenarios.load_scenario("many_small_improvements")).waterfall
    bars = style.draw(figures.cash_waterfall, table, width=7, height=4).axes[0].patches
    assert bars[-1].get_width() == pytest.approx(table["running_gbp"].iloc[-1])
    assert bars[3].get_width() == pytest.approx(table["running_gbp"].iloc[2])
