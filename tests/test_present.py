"""Words for numbers, disclosure control, figures, and what a notebook hands over."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy import stats

from pathcost_lib import present
from pathcost_lib.benchmark import figures, pathway_cost, stage_rank
from pathcost_lib.benchmark import words as sentences
from pathcost_lib.errors import InputError
from pathcost_lib.present import disclosure, display, shapes, style
from pathcost_lib.present import format as words
from pathcost_lib.present.described import describes, form_of
from pathcost_lib.present.shapes import wrapped
from pathcost_lib.scenarios.change import words as savings
from pathcost_lib.scenarios.demand import words as outlook


# -- words ------------------------------------------------------------------------------------------------------------
@pytest.mark.unit
@pytest.mark.parametrize(
    ("value", "said"), [(1234.5, "£1,235"), (-2.5, "−£3"), (0, "£0"), (-0.4, "£0"), (math.nan, "–"), (None, "–")]
)
def test_pounds_round_half_away_from_zero(value: float | None, said: str) -> None:
    assert words.pounds(value) == said


@pytest.mark.unit
def test_differences_say_their_sign_and_intervals_their_ends() -> None:
    assert words.signed_pounds(12.2) == "+£12"
    assert words.interval(-3, 4.6, words.signed_pounds) == "−£3 to +£5"
    assert words.interval(1, math.nan) == "–"
    assert words.percent(12.5) == "13%"


@pytest.mark.unit
def test_a_little_is_not_nothing_and_no_simulated_chance_is_certain() -> None:
    share, chance = (words.unit(code).form for code in ("pct", "chance"))
    assert [share(value) for value in (0, 0.05, 0.3, 35.0, -0.3, 100, math.nan)] == [
        "0",
        "under 0.1",
        "0.3",
        "35",
        "−0.3",
        "100",
        "–",
    ]
    assert [chance(v) for v in (0, 1, 50.4, 99, 100, None)] == ["under 1", "1", "50", "99", "over 99", "–"]


@pytest.mark.unit
@given(st.text("ab -", max_size=60), st.integers(3, 30))
def test_lines_are_as_few_as_they_can_be_and_lose_nothing(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert len(lines) == len(textwrap.wrap(text, width))
    assert all(len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@pytest.mark.unit
def test_no_line_holds_a_stray_word() -> None:
    assert wrapped("Sample Community Provider QHL 2", 30) == ["Sample Community", "Provider QHL 2"]


@pytest.mark.unit
def test_units_and_headings_come_from_column_names() -> None:
    units = words.units_of(["phase", "mean_gbp", "lower_95", "held_pct", "held_upper_95", "stage_rank"])
    assert [u.code for u in units.values()] == ["", "gbp", "gbp", "pct", "pct", "rank"]
    assert words.heading("difference_lower_95") == "Difference, lower 95% limit"
    assert words.heading("reference_gbp") == "Reference"
    assert words.say("primary_care") == "Primary care"
    assert words.say("NHS North ICB") == "NHS North ICB"


# -- disclosure -------------------------------------------------------------------------------------------------------
@pytest.mark.unit
def test_hes_rule_keeps_zero_hides_one_to_seven_and_rounds_the_rest() -> None:
    table = pd.DataFrame({"phase": list("abcde"), "contacts": [0, 1, 7, 8, 12], "mean_gbp": [0.0, 5.0, 6.0, 7.0, 8.0]})
    shown = present.disclose(table, counts="contacts")
    assert shown.frame["contacts"].tolist()[0] == 0
    assert shown.frame["contacts"].tolist()[3:] == [10, 10]
    assert shown.frame["contacts"].isna().tolist() == [False, True, True, False, False]
    assert shown.frame["mean_gbp"].isna().tolist() == [False, True, True, False, False]
    assert (shown.primary, shown.secondary) == (2, 0)


@pytest.mark.unit
def test_percentages_keep_a_decimal_place_only_from_four_thousand() -> None:
    table = pd.DataFrame({"contacts": [3997, 3998], "held_pct": [12.34, 12.34]})
    assert present.disclose(table, counts="contacts").frame["held_pct"].tolist() == [12.0, 12.3]


@pytest.mark.unit
def test_a_lone_suppressed_row_takes_a_second_with_it_where_a_total_is_shown() -> None:
    table = pd.DataFrame({"phase": list("abc"), "contacts": [3, 40, 20], "mean_gbp": [1.0, 2.0, 3.0]})
    assert present.disclose(table, counts="contacts").hidden["mean_gbp"].tolist() == [True, False, False]
    shown = present.disclose(table, counts="contacts", totals=[[]])
    assert shown.hidden["mean_gbp"].tolist() == [True, False, True]
    assert shown.secondary == 1


@pytest.mark.unit
def test_a_local_difference_goes_with_a_suppressed_reference() -> None:
    table = pd.DataFrame({"contacts": [0], "all_contacts": [4], "reference_gbp": [9.0], "difference_gbp": [-9.0]})
    shown = present.disclose(table, counts="contacts", apart={"all_contacts": ["reference_gbp"]})
    assert shown.hidden[["all_contacts", "reference_gbp", "difference_gbp"]].all(axis=None)


@pytest.mark.property
@given(st.lists(st.integers(0, 60), min_size=12, max_size=12))
def test_no_shown_row_or_column_of_a_grid_has_exactly_one_hidden_cell(counts: list[int]) -> None:
    keys = [(s, p) for s in "xyz" for p in "abcd"]
    grid = pd.DataFrame(keys, columns=["setting", "phase"]).assign(contacts=counts, mean_gbp=np.arange(12.0))
    shown = present.disclose(grid, counts="contacts", totals=[["setting"], ["phase"]])
    hidden = grid.assign(hidden=shown.hidden["contacts"])
    for by in ("setting", "phase"):
        for _, group in hidden.groupby(by):
            alone = group["hidden"].sum() == 1
            # Then all else in the group is zero, and so is the total small: it is suppressed in its own table.
            assert not alone or group["contacts"].sum() < 8
    left = shown.frame["contacts"].dropna()
    assert ((left == 0) | (left >= 10)).all()
    assert (left % 5 == 0).all()


@pytest.mark.unit
@pytest.mark.parametrize("name", ["contacts", "people", "patients", "n"])
def test_what_is_said_to_count_is_rounded_as_a_count_whatever_its_name(name: str) -> None:
    table = pd.DataFrame({"setting": ["a", "b", "c"], name: [412, 188, 33], "all_of_them": [4121, 1883, 331]})
    shown = present.disclose(table, counts=name, apart={"all_of_them": []})
    assert shown.frame[name].tolist() == [410, 190, 35]
    assert shown.frame["all_of_them"].tolist() == [4120, 1885, 330]


@pytest.mark.unit
def test_unknown_rule_and_column_are_refused() -> None:
    table = pd.DataFrame({"contacts": [9]})
    with pytest.raises(InputError, match=r"Disclosure rule 'x' is not known.*hes"):
        present.disclose(table, counts="contacts", rule="x")
    with pytest.raises(InputError, match="'people' is not in the table"):
        present.disclose(table, counts="people")


# -- display ----------------------------------------------------------------------------------------------------------
@pytest.fixture
def phases() -> pd.DataFrame:
    mean = np.array([620.0, 6900.0, 840.0])
    frame = pd.DataFrame({"phase": ["before", "operation", "recovery"], "contacts": [40, 25, 60], "mean_gbp": mean})
    frame["lower_95"], frame["upper_95"] = mean * 0.9, mean * 1.1
    frame["reference_gbp"] = [600.0, 6500.0, 900.0]
    frame["reference_lower_95"], frame["reference_upper_95"] = frame["reference_gbp"] - 9, frame["reference_gbp"] + 9
    frame["difference_gbp"] = frame["mean_gbp"] - frame["reference_gbp"]
    frame["difference_lower_95"] = frame["difference_gbp"] - [50, 100, 20]
    frame["difference_upper_95"] = frame["difference_gbp"] + [50, 100, 20]
    return frame


@pytest.mark.unit
def test_a_table_carries_its_numbers_and_shows_intervals_in_one_column(phases: pd.DataFrame) -> None:
    bundle = display.table_bundle(present.disclose(phases, counts="contacts"), name="t", title="By phase")
    payload = bundle[display.TABLE]
    assert payload["rows"][1][:3] == ["operation", 25.0, 7000.0]
    assert [c["unit"] for c in payload["columns"][:4]] == ["", "number", "£", "£"]
    page = bundle["text/html"]
    assert "£6,000 to £8,000" in page  # outward, to the step of the mean of about 25
    assert '<th scope="row">Operation</th>' in page
    assert '<th scope="col" class="number">95% interval</th>' in page
    assert page.count("<caption") == 1


@pytest.mark.unit
def test_a_table_without_rows_says_so(phases: pd.DataFrame) -> None:
    payload = display.table_bundle(present.disclose(phases[:0], counts="contacts"), name="t", title="T")[display.TABLE]
    assert payload["rows"] == []
    assert display.page_table(payload).rows[0][:2] == ("None to show", "–")
    assert '<th scope="row">None to show</th>' in display.table_html(payload)


@pytest.mark.unit
def test_an_interval_that_leaves_100_out_does_not_seem_to_reach_it() -> None:
    table = pd.DataFrame({"by": ["a", "b"], "index": [88.0, 99.0]})
    table["index_lower_95"], table["index_upper_95"] = [76.0, 98.0], [99.7, 100.2]
    ax = style.draw(figures.against_hundred, table, width=style.WIDE, height=2, by="by", measure="M").axes[0]
    assert {"88 (76.0 to 99.7)", "99 (98 to 100)"} <= {text.get_text() for text in ax.texts}


@pytest.mark.unit
def test_a_suppressed_cell_is_a_star_in_payload_and_page(phases: pd.DataFrame) -> None:
    phases.loc[0, "contacts"] = 3
    bundle = display.table_bundle(present.disclose(phases, counts="contacts", totals=[[]]), name="t", title="By phase")
    rows = bundle[display.TABLE]["rows"]
    assert rows[0][1:] == ["*"] * 10
    assert rows[1][1] == "*"
    assert "620" not in str(bundle)


@pytest.mark.unit
def test_only_disclosed_data_with_title_and_alternative_text_are_shown(phases: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="not passed"):
        display.table_bundle(phases, name="t", title="By phase")  # type: ignore[arg-type]
    safe = present.disclose(phases, counts="contacts")
    with pytest.raises(InputError, match="no title"):
        display.table_bundle(safe, name="t", title=" ")
    with pytest.raises(InputError, match="alternative text"):
        display.figure_bundle(shapes.waterfall, safe, name="f", title="T", alt="", by="phase", area="A")


@pytest.mark.unit
def test_a_figure_carries_its_alternative_text_and_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    def dots(ax: Any, table: pd.DataFrame, *, by: str) -> Any:
        ax.plot(table[by], table["value"])
        return ax

    @describes(dots, height=lambda table: 2.0 + len(table))
    def describe_dots(table: pd.DataFrame, *, by: str) -> str:
        return f"{len(table)} of {by}"

    form = form_of(dots)
    frame = pd.DataFrame({"year": [1, 2], "value": [3.0, 4.0]})
    assert form.alt(frame, {"by": "year", "not_taken": 1}) == "2 of year" == describe_dots(frame, by="year")
    assert form.sizes(frame, {}) == (4.0, None)
    bundles: list[Any] = []
    monkeypatch.setattr(display, "display", lambda bundle, raw: bundles.append(bundle))
    monkeypatch.setattr(display, "_shown", {"figures": 0, "tables": 0})
    safe = present.disclose(frame, counts=[])
    present.figure(dots, safe, name="f", title="T", by="year")
    present.figure(dots, safe, name="f", title="T", alt="Said here", by="year")
    assert [bundle[display.FIGURE]["alt"] for bundle in bundles] == ["2 of year", "Said here"]
    assert form_of(lambda ax: ax).alt(frame, {}) == ""
    with pytest.raises(InputError, match="no alternative text"):
        present.figure(lambda ax, table: ax, safe, name="f", title="T")


@pytest.mark.unit
def test_what_only_the_alternative_text_takes_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    def dots(ax: Any, table: pd.DataFrame, *, by: str) -> Any:
        ax.plot(table[by], table["value"])
        return ax

    @describes(dots, height=2.0, tall=lambda table, by: 1.0 + table[by].max())
    def describe_dots(table: pd.DataFrame, *, by: str, area: str) -> str:
        return f"{len(table)} of {by} in {area}"

    frame = pd.DataFrame({"year": [1, 2], "value": [3.0, 4.0]})
    assert form_of(dots).sizes(frame, {"by": "year"}) == (2.0, 3.0)
    assert form_of(dots).drawing(dots, {"by": "year", "area": "A"}) == {"by": "year"}
    assert describe_dots(frame, by="year", area="A") == "2 of year in A"
    bundles: list[Any] = []
    monkeypatch.setattr(display, "display", lambda bundle, raw: bundles.append(bundle))
    monkeypatch.setattr(display, "_shown", {"figures": 0, "tables": 0})
    safe = present.disclose(frame, counts=[])
    present.figure(dots, safe, name="f", title="T", by="year", area="A")
    assert bundles[0][display.FIGURE]["alt"] == "2 of year in A"
    with pytest.raises(TypeError, match="colour"):
        present.figure(dots, safe, name="f", title="T", by="year", area="A", colour="red")


@pytest.mark.unit
def test_text_in_a_table_cannot_become_markup() -> None:
    table = present.disclose(pd.DataFrame({"provider": ['<script>alert("x")</script>']}), counts=[])
    page = display.table_bundle(table, name="t", title="<b>T</b>")["text/html"]
    assert "<script" not in page
    assert "<b>" not in page


@pytest.mark.unit
def test_a_figure_comes_in_two_widths_and_is_the_same_bytes_each_time(phases: pd.DataFrame) -> None:
    safe = present.disclose(phases, counts="contacts")
    options = {"name": "f", "title": "T", "alt": "Alt.", "by": "phase", "area": "<Area> & co"}
    one, two = (display.figure_bundle(shapes.against_reference, safe, **options) for _ in range(2))
    assert one == two
    wide, narrow = one["image/svg+xml"], one[display.FIGURE]["narrow"]
    assert wide != narrow
    assert "&lt;Area&gt; &amp; co" in wide
    assert "£7,000" in wide


@pytest.mark.unit
def test_a_notebook_that_lost_a_figure_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(display._shown, "figures", 1)
    monkeypatch.setitem(display._shown, "tables", 0)
    with pytest.raises(AssertionError, match="'figures': 1"):
        present.expect(figures=2, tables=0)


# -- figures ----------------------------------------------------------------------------------------------------------
def _all_figures(phases: pd.DataFrame) -> dict[str, Figure]:
    grid = pd.DataFrame({"setting": ["admitted"] * 3, "phase": phases["phase"], "mean_gbp": [1.0, np.nan, 900.0]})
    outside = phases[["phase"]].assign(outside_pct=[80.0, np.nan, 30.0], reference_pct=[70.0, 5.0, 40.0])
    ranks = pd.DataFrame({"provider": ["A", "B"]})
    for kind in ("stage", "pathway"):
        ranks[[f"{kind}_rank", f"{kind}_rank_lower_95", f"{kind}_rank_upper_95"]] = [[2, 1, 9], [30, 12, 40]]
    basis = pd.DataFrame(
        {"setting": ["admitted", "admitted", "community"], "cost_basis": ["national", "none", "proxy"]}
    )
    basis = basis.assign(contacts_pct=[90.0, 10.0, np.nan], coverage_pct=[99.0, 99.0, np.nan])
    calls = [
        (shapes.against_reference, phases, {"by": "phase", "area": "NHS Area"}),
        (shapes.waterfall, phases, {"by": "phase", "area": "NHS Area"}),
        (shapes.grid, grid, {}),
        (figures.outside_share, outside, {}),
        (figures.stage_ranks, ranks, {"ranked": 40}),
        (figures.cost_basis, basis, {}),
    ]
    return {
        f"{drawn.__name__} {width}": style.draw(drawn, table, width=width, height=4, **options)
        for drawn, table, options in calls
        for width in (style.WIDE, style.NARROW)
    }


@pytest.mark.unit
def test_no_text_of_any_figure_is_cut_off(phases: pd.DataFrame) -> None:
    for name, drawn in _all_figures(phases).items():
        renderer = FigureCanvasAgg(drawn).get_renderer()
        ax = drawn.axes[0]
        low, high = ax.get_xlim()
        ticks = [label for label in ax.get_xticklabels() if low <= label.get_position()[0] <= high]
        for text in [*ax.texts, *ticks, ax.xaxis.label, *(t for key in drawn.legends for t in key.get_texts())]:
            box = text.get_window_extent(renderer)
            inside = box.x0 >= -1 and box.x1 <= drawn.bbox.x1 + 1 and box.y0 >= -1 and box.y1 <= drawn.bbox.y1 + 1
            assert inside, f"{name}: {text.get_text()!r} is cut off"


@pytest.mark.unit
def test_waterfall_ends_where_the_organisation_stands(phases: pd.DataFrame) -> None:
    drawn = style.draw(shapes.waterfall, phases, width=7, height=4, by="phase", area="A")
    bars = drawn.axes[0].patches
    assert bars[0].get_x() == pytest.approx(8000.0)
    assert bars[-1].get_x() + bars[-1].get_width() == pytest.approx(8360.0)
    said = shapes.describe_waterfall(phases, by="phase", area="A")
    assert "England, £8,000" in said
    assert "A, £8,360" in said
    assert "Operation: +£400 (+£300 to +£500)" in said
    phases["reference_gbp"] *= 12.3456  # £98,765: a sum of rounded parts bears three figures, as they do
    assert "England, £98,800" in figures.describe_waterfall(phases, by="phase", area="A")


@pytest.mark.unit
def test_a_waterfall_with_a_suppressed_step_shows_none(phases: pd.DataFrame) -> None:
    phases.loc[1, "difference_gbp"] = np.nan
    drawn = style.draw(shapes.waterfall, phases, width=7, height=4, by="phase", area="A")
    assert not drawn.axes[0].patches
    assert "not shown" in shapes.describe_waterfall(phases, by="phase", area="A")


# -- sentences --------------------------------------------------------------------------------------------------------
def _whole(low: float, high: float) -> disclosure.Disclosed:
    row = {"pathways": 2500, "mean_gbp": 8360.0, "lower_95": 8000.0, "upper_95": 8720.0, "reference_gbp": 8000.0}
    row |= {"difference_gbp": 360.0, "difference_lower_95": low, "difference_upper_95": high}
    return present.disclose(pd.DataFrame([row]), counts="pathways")


@pytest.mark.unit
def test_message_names_a_difference_only_where_the_interval_leaves_zero_out() -> None:
    coverage = pd.DataFrame({"setting": ["community", "admitted"], "coverage_pct": [61.0, 100.0]})
    said = {"area": "A", "title": "Knee", "reference": "England"}
    unsure = sentences.pathway_message(_whole(-10.0, 700.0), coverage, **said)
    assert "no clear difference (−£10 to +£700)" in unsure
    assert "61% (Community) to 100% (Admitted)" in unsure
    assert "no more than that" in unsure
    sure = sentences.pathway_message(_whole(20.0, 700.0), coverage, **said)
    assert "£360 more than in England" in sure
    assert "not adjusted for case mix" in sure


@pytest.mark.unit
def test_message_of_too_few_or_of_one_area_alone_says_so() -> None:
    none = pd.DataFrame({"setting": ["admitted"], "coverage_pct": [np.nan]})
    said = {"area": "A", "title": "Knee", "reference": "England"}
    alone = sentences.pathway_message(_whole(math.nan, math.nan), none, **said)
    assert "too few pathways to say" in alone
    assert "Coverage is not computable" in alone
    few = present.disclose(pd.DataFrame([{"pathways": 5, "mean_gbp": 8360.0}]), counts="pathways")
    assert "8,360" not in sentences.pathway_message(few, none, **said)


# -- the numbers behind the page --------------------------------------------------------------------------------------
def _summaries(costs: dict[str, np.ndarray]) -> pd.DataFrame:
    rows = [(icb, len(x), len(x), x.mean(), x.std(ddof=1) / len(x) ** 0.5) for icb, x in costs.items()]
    return pd.DataFrame(rows, columns=["icb_code", "pathways", "contacts", "mean_gbp", "se_gbp"])


@pytest.mark.oracle
def test_pooling_units_is_pooling_their_patients_and_the_difference_is_welch() -> None:
    """Oracle: scipy on the patients themselves."""
    rng = np.random.default_rng(5)
    costs = {"A": rng.gamma(2, 900, 40), "B": rng.gamma(3, 700, 55), "C": rng.gamma(2, 800, 31)}
    groups = _summaries(costs)
    row = pathway_cost.compare(groups, groups, unit="icb_code", focus="A").table.iloc[0]
    everyone = np.concatenate(list(costs.values()))
    low, high = stats.t.interval(0.95, len(everyone) - 1, everyone.mean(), stats.sem(everyone))
    assert (row["reference_lower_95"], row["reference_upper_95"]) == pytest.approx((low, high))
    others = np.concatenate([costs["B"], costs["C"]])
    welch = stats.ttest_ind(costs["A"], others, equal_var=False).confidence_interval(0.95)
    share = len(others) / len(everyone)
    limits = (row["difference_lower_95"], row["difference_upper_95"])
    assert limits == pytest.approx((share * welch.low, share * welch.high))
    assert row["difference_gbp"] == pytest.approx(costs["A"].mean() - everyone.mean())


@pytest.mark.unit
def test_one_area_alone_has_no_reference_that_would_tell_what_is_suppressed() -> None:
    groups = _summaries({"A": np.array([1.0, 2.0, 3.0])})
    row = pathway_cost.compare(groups, groups, unit="icb_code", focus="A").table.iloc[0]
    assert row[["reference_gbp", "difference_gbp"]].isna().all()
    assert "one unit only" in row["reason"]


@pytest.mark.unit
def test_outside_share_by_hand() -> None:
    rows = [("A", "P", "op", "P", 3, 10, 90.0), ("A", "P", "op", "Q", 3, 10, 10.0), ("B", "Q", "op", "P", 2, 9, 100.0)]
    columns = ["icb_code", "index_provider_code", "phase", "provider_code", "pathways", "contacts", "cost_gbp"]
    cells = pd.DataFrame(rows, columns=columns)
    table = pathway_cost.outside_share(cells, unit="icb_code", focus="A", phases=["op"])
    assert table["outside_pct"].tolist() == [10.0, 10.0]
    assert table["reference_pct"].tolist() == [55.0, 55.0]
    assert table["pathways"].tolist() == [3, 3]


def _rank_inputs() -> tuple[pd.DataFrame, pd.DataFrame]:
    pathways = pd.DataFrame({"index_provider_code": ["P", "Q", "R"], "pathways": [50, 50, 3]})
    pathways = pathways.assign(mean_gbp=[900.0, 800.0, 10.0], se_gbp=[10.0, 10.0, 1.0])
    stages = pathways.assign(phase="op", provider_code=["P", "Q", "R"], mean_gbp=[100.0, 500.0, 1.0], se_gbp=200.0)
    return stages, pathways


@pytest.mark.unit
def test_a_provider_can_be_cheap_at_its_stage_and_dear_as_a_pathway() -> None:
    stages, pathways = _rank_inputs()
    options = {"index_phase": "op", "fewest": 8, "draws": 500}
    ranks = stage_rank.stage_ranks(stages, pathways, rng=np.random.default_rng(1), **options)
    table = ranks.table.set_index("provider_code")
    assert table["stage_rank"].tolist()[:2] == [1, 2]
    assert table["pathway_rank"].tolist()[:2] == [2, 1]
    assert table.loc["P", ["stage_rank_lower_95", "stage_rank_upper_95"]].tolist() == [1, 2]  # wide: it may be either
    assert table.loc["P", ["pathway_rank_lower_95", "pathway_rank_upper_95"]].tolist() == [2, 2]
    assert math.isnan(table.loc["R", "pathway_rank"])
    assert "fewer than 8" in table.loc["R", "reason"]
    assert ranks.ranked == 2
    assert ranks.of(["P", "R"])["provider_code"].tolist() == ["P"]


@pytest.mark.unit
def test_ranks_do_not_depend_on_the_order_of_rows() -> None:
    stages, pathways = _rank_inputs()
    options = {"index_phase": "op", "fewest": 2, "draws": 300}
    one = stage_rank.stage_ranks(stages, pathways, rng=np.random.default_rng(1), **options).table
    two = stage_rank.stage_ranks(stages[::-1], pathways[::-1], rng=np.random.default_rng(1), **options).table
    pd.testing.assert_frame_equal(one, two.sort_values("provider_code", ignore_index=True))


# -- decisions --------------------------------------------------------------------------------------------------------
@pytest.mark.unit
@pytest.mark.parametrize(
    ("middle", "low", "high", "said"),
    [
        (40.0, 10.0, 90.0, "a gap of about £40 in 2040 (80% interval £10 to £90)"),
        (40.0, -10.0, 90.0, "a gap of about £40 in 2040 (80% interval £10 under to £90 over the funding assumed)"),
        (5.0, -35.0, 45.0, "about break-even in 2040 (80% interval £35 under to £45 over the funding assumed)"),
        (-40.0, -90.0, -10.0, "about £40 less than the funding assumed in 2040 (80% interval £10 to £90)"),
    ],
)
def test_the_decision_on_a_gap_gives_its_middle_and_its_interval(
    middle: float, low: float, high: float, said: str
) -> None:
    gap = pd.DataFrame({"year": [2039, 2040], "gap_gbp": middle, "gap_lower_80": low, "gap_upper_80": high})
    asked = outlook.gap_decision(present.disclose(gap, counts=[]))
    assert asked["decision"] == f"Plan on {said}."
    moved = pd.DataFrame({"assumption": ["Use: A&E", "Pay and prices"], "swing_gbp": [10.0, 30.0]})
    both = outlook.gap_decision(present.disclose(gap, counts=[]), present.disclose(moved, counts=[]))
    assert both["decision"] == f"Plan on {said}; pay and prices decide most of it."
    figure = display.message_bundle("Line.", **asked)[display.MESSAGE]["figures"]
    heading = "Gap to funding in 2040 (80% interval)"
    assert figure == [{"heading": heading, "kind": "gbp", "value": middle, "lower": low, "upper": high}]


@pytest.mark.unit
@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (
            1e6,
            3e6,
            "Decide whether to go on with Plan, with £2.00m of transition payments (over all years, not discounted) "
            "so that none is worse off.",
        ),
        (-1e6, 3e6, "Ask for better evidence on Plan before it goes on: whether the system gains is not certain."),
        (-3e6, -1e6, "Decide not to go on with Plan as it stands: the system is expected to lose."),
    ],
)
def test_the_decision_on_a_scenario_is_no_surer_than_its_interval(low: float, high: float, said: str) -> None:
    worth = pd.DataFrame({"organisation": ["A", "System"], "net_present_value_gbp": 2e6})
    worth = worth.assign(lower_80=low, upper_80=high)
    paid = pd.DataFrame({"organisation": ["A", "B"], "transfer_gbp": [2e6, -2e6]})
    safe, moved = (present.disclose(table, counts=[]) for table in (worth, paid))
    assert savings.savings_decision(safe, moved, title="Plan")["decision"] == said
    assert savings.savings_decision(moved, moved, title="Plan") == {}
