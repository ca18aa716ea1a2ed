"""`pathcost scenario new`, `scenario check` and `pathway check`: what is likely wrong is told with its line."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest
from test_cli import pathcost

from pathcost_lib.errors import InputError
from pathcost_lib.pathways import available, load_definition
from pathcost_lib.pathways.definition_doubts import check_pathway
from pathcost_lib.scenarios import list_scenarios, load_scenario, system_impact
from pathcost_lib.scenarios.scenario_doubts import check_scenario, starter

ROOT = Path(__file__).parents[1]
TODAY = dt.date(2026, 5, 1)
PAGE_SCHEME, PAGE_PATHWAY = (
    re.search("```toml\n(.*?)```", (ROOT / "docs" / name).read_text(encoding="utf-8"), re.DOTALL)[1]
    for name in ("write-a-scheme.md", "write-a-pathway.md")
)


def doubts_of(check, path: Path, text: str, **options) -> list[str]:
    path.write_text(text, encoding="utf-8")
    return check(path, **options)[1]


@pytest.mark.unit
def test_the_starter_runs_as_it_is_and_leaves_no_doubt(tmp_path):
    path = tmp_path / "mine.toml"
    assert doubts_of(check_scenario, path, starter("mine", TODAY), today=TODAY) == []
    scenario = load_scenario(path)
    assert (scenario.name, scenario.years[0]) == ("mine", 2027)
    assert system_impact(scenario).table["impact_gbp"].notna().all()
    for name in ("../mine", "a b", "", "<b>"):
        with pytest.raises(InputError, match="Allowed: 1 to 60 letters"):
            starter(name)


@pytest.mark.unit
def test_the_examples_of_the_pages_leave_no_doubt(tmp_path):
    assert doubts_of(check_scenario, tmp_path / "a.toml", PAGE_SCHEME, today=TODAY) == []
    assert system_impact(load_scenario(tmp_path / "a.toml")).table["impact_gbp"].notna().all()
    assert doubts_of(check_pathway, tmp_path / "b.toml", PAGE_PATHWAY) == []
    assert load_definition(tmp_path / "b.toml").index_phase() == "operation"


@pytest.mark.unit
@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("effect = { low = 0.05, high = 0.25 }", "effect = 0.2", "effect: has no interval. 0.2 is taken as certain"),
        ('start = "2027-28"', 'start = "2026-27"', "start: 2026-27 is before the first year shown, 2027-28."),
        ('first_year = "2027-28"', 'first_year = "2025-26"', "first_year: 2025-26 has passed"),
        ('price_base = "2023-24"', 'price_base = "2028-29"', "price_base: 2028-29 has not begun"),
        (
            'source = "Brown, HFMA, March 2018; the interval is ours"',
            'source = " "',
            "source: is empty: say",
        ),
        ('source = "Our ledger', 'source = "" # "Our', "source: is empty: say where activity and cost"),
        (
            'setting = "emergency"',
            'setting = "admitted"',
            "pod: ae_type1 belongs to setting emergency, not",
        ),
        (
            '[intervention.select]\npod = ["ae_type1"]',
            '[intervention.select]\nsetting = ["community"]\npod = ["ae_type1"]',
            "[intervention.select], pod: ae_type1 belongs to setting emergency",
        ),
        (
            '[intervention.select]\npod = ["ae_type1"]',
            '[intervention.select]\npod = ["elective"]',
            "select: meets no row of [[baseline]]",
        ),
    ],
)
def test_what_is_likely_wrong_in_a_scheme_is_told_with_its_line(tmp_path, old, new, says):
    assert old in PAGE_SCHEME
    text = PAGE_SCHEME.replace(old, new, 1)
    (doubt, *_) = [d for d in doubts_of(check_scenario, tmp_path / "a.toml", text, today=TODAY) if says in d]
    line = int(re.match(r"a\.toml, line (\d+)[,:]", doubt)[1])
    key = says.partition(":")[0].rpartition(" ")[2]
    assert text.split("\n")[line - 1].startswith((f"{key} =", f"[intervention.{key}]"))


@pytest.mark.unit
def test_a_scheme_without_a_baseline_is_asked_for_its_payer_and_start(tmp_path):
    text = PAGE_SCHEME.partition("[[baseline]]")[0].replace("first_year", "# first_year").replace("2027-28", "2025-26")
    doubts = doubts_of(check_scenario, tmp_path / "a.toml", text, today=TODAY)
    assert len(doubts) == 2
    assert "start: 2025-26 has passed. State first_year if you mean it" in doubts[0]
    assert "payer: 'ICB' must be the code of an organisation in the data" in doubts[1]


@pytest.mark.unit
@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            'pod = ["elective", "day_case"]',
            'pod = ["elective"]\nsetting = ["community"]',
            "pod: elective belongs to",
        ),
        ("washout_days = 365", "", "[index], washout_days: is 0"),
        ('["HN22"]', '["hn22"]', "hn22: codes in the data have capital letters (HN22)"),
        ('currency_code_prefix = ["HN22"]', "", "index: chooses by setting or POD alone"),
        ('description = "From', 'description = "" # "From', "description: is empty"),
    ],
)
def test_what_is_likely_wrong_in_a_pathway_is_told_with_its_line(tmp_path, old, new, says):
    assert old in PAGE_PATHWAY
    text = PAGE_PATHWAY.replace(old, new)
    (doubt,) = doubts_of(check_pathway, tmp_path / "b.toml", text)
    assert re.match(r"b\.toml, line \d+, ", doubt) and says in doubt


@pytest.mark.unit
def test_ready_files_can_be_used():
    for name in list_scenarios():
        holds, _ = check_scenario(ROOT / "data" / "scenarios" / f"{name}.toml")
        assert holds.startswith(f"{name}.toml can be used: ") and "nothing in it" not in holds
    for name in available():
        assert check_pathway(ROOT / "data" / "pathways" / f"{name}.toml")[1] == []


@pytest.mark.end_to_end
def test_a_scheme_is_begun_and_checked_by_commands(tmp_path):
    path = tmp_path / "mine.toml"
    begun = pathcost("scenario", "new", "mine", "--out", path)
    assert begun.stdout.strip() == f"Written to {path}. Edit it, then: pathcost scenario check {path}"
    assert "is there already" in pathcost("scenario", "new", "mine", "--out", path).stderr
    checked = pathcost("scenario", "check", path)
    assert (checked.returncode, checked.stdout) == (0, "mine.toml can be used: 1 scheme, 1 row of baseline.\n")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('payer = "commissioner"', 'payer = "comissioner"'), encoding="utf-8")
    refused = pathcost("scenario", "check", path)
    assert (
        refused.returncode == 2
        and "organisation 'comissioner' is not known. Did you mean commissioner" in refused.stderr
    )
    path.write_text(text.replace("cost_gbp = 2_730_000", "cost_gbp = £2.73m"), encoding="utf-8")
    assert "cost_gbp: write £2.73m in full: 2730000." in pathcost("scenario", "check", path).stderr
    path.write_text(PAGE_PATHWAY.replace("washout_days = 365", ""), encoding="utf-8")
    doubted = pathcost("pathway", "check", path)
    assert doubted.returncode == 0 and "  Look at mine.toml, line " in doubted.stdout
