"""Charts of slides and workbook are what their tables name: every series, reference and interval, and no guess."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from openpyxl.utils.cell import range_boundaries
from pptx import Presentation

from pathcost_lib import present
from pathcost_lib.benchmark import figures
from pathcost_lib.errors import InputError
from pathcost_lib.packs import render
from pathcost_lib.packs.charts import BASE, NativeChart, native_chart
from pathcost_lib.packs.document import Document, Figure, Finding, Message, Section, Table, read_section
from pathcost_lib.packs.slides import write_slides
from pathcost_lib.packs.workbook import write_workbook
from pathcost_lib.present import display

STEPS = pd.DataFrame({"step": ["start", "up", "down", "end"], "change_gbp": [10.0, 5.0, -18.0, -3.0]})
LONG = pd.DataFrame({"who": ["a", "b", "a", "b"], "rule": ["x", "x", "y", "y"], "impact_gbp": [1.0, 2.0, 3.0, 4.0]})


def payload(frame: pd.DataFrame, chart: present.Chart | None, counts: Sequence[str] = ()) -> dict[str, Any]:
    safe = present.disclose(frame, counts=list(counts))
    return dict(display.table_bundle(safe, name="t", title="T", chart=chart)[display.TABLE])


def drawn(frame: pd.DataFrame, chart: present.Chart, counts: Sequence[str] = ()) -> NativeChart:
    native = native_chart(payload(frame, chart, counts))
    assert native is not None
    return native


def series(native: NativeChart) -> dict[str, list[float | None]]:
    return {one.name: list(one.numbers) for one in native.series}


# -- the specification ------------------------------------------------------------------------------------------------
@pytest.mark.unit
@pytest.mark.parametrize(
    ("chart", "said"),
    [
        (present.Chart("pie", ["change_gbp"]), "kind of chart 'pie' is not known.*bars"),
        (present.Chart("bars", ["chnge_gbp"]), "Did you mean change_gbp"),
        (present.Chart("bars", ["step"]), "columns step hold no numbers"),
        (present.Chart("bars", []), "bars takes some series"),
        (present.Chart("tornado", ["change_gbp"]), "tornado takes 2 series"),
        (present.Chart("waterfall", ["change_gbp"], whole=["end"]), "whole row of the waterfall 'end' is not known"),
        (present.Chart("bars", ["change_gbp"], reference="England"), "column of the chart 'England' is not known"),
    ],
)
def test_a_chart_that_does_not_fit_its_table_is_refused(chart: present.Chart, said: str) -> None:
    with pytest.raises(InputError, match=f"(?s)'t'.*{said}|{said}"):
        payload(STEPS, chart)


@pytest.mark.unit
def test_without_a_name_there_is_no_chart() -> None:
    frame = pd.DataFrame({"phase": ["a", "b"], "mean_gbp": [1.0, 2.0]})
    assert native_chart(payload(frame, None)) is None
    blocks = (Message("M"), Table(payload(frame, None)))
    document = Document("NHS", "QZ1", "2024-25", "", (Section("n", "T", blocks),))
    assert not [
        s for slide in Presentation(io.BytesIO(write_slides(document))).slides for s in slide.shapes if s.has_chart
    ]
    assert not any(sheet._charts for sheet in openpyxl.load_workbook(io.BytesIO(write_workbook(document))))


@pytest.mark.unit
def test_a_waterfall_runs_from_step_to_step_and_over_zero() -> None:
    """By hand: 10, then 10 to 15, then 15 down to -3 in two pieces, then the whole -3."""
    native = drawn(STEPS, present.Chart("waterfall", ["change_gbp"], whole=["first", "last"]))
    shown = [list(one.numbers) for one in native.series]
    assert [one.name for one in native.series] == [BASE, "Whole amount", "Whole amount", "More", "Less", "Less"]
    assert shown[0] == [0.0, 10.0, 0.0, 0.0]
    assert shown[1] == [10.0, None, None, 0.0] and shown[2] == [0.0, None, None, -3.0]
    assert shown[3] == [None, 5.0, None, None]
    assert shown[4] == [None, None, 15.0, None] and shown[5] == [None, None, -3.0, None]
    ended = drawn(STEPS, present.Chart("waterfall", ["change_gbp"], whole=["first"], total="Left"))
    assert ended.categories[-1] == "Left" and ended.series[0].numbers[:2] == (0.0, 10.0)
    assert min(value for one in ended.series for value in one.numbers if value is not None) == -6.0


@pytest.mark.unit
def test_a_waterfall_with_a_hidden_step_is_not_drawn() -> None:
    frame = STEPS.assign(contacts=[40, 3, 50, 60])
    chart = present.Chart("waterfall", ["change_gbp"], whole=["first"])
    assert native_chart(payload(frame, chart, ["contacts"])) is None
    assert native_chart(payload(frame, present.Chart("bars", ["change_gbp"]), ["contacts"])) is not None


@pytest.mark.unit
def test_limits_references_and_where_bars_begin() -> None:
    frame = pd.DataFrame({"who": ["a", "b"], "index": [90.0, 120.0], "index_lower_95": [80.0, 100.0]})
    frame["index_upper_95"], frame["kind"], frame["england_index"] = [95.0, 150.0], ["x", "x"], [100.0, 101.0]
    native = drawn(frame, present.Chart("bars", ["index"], reference=100, where={"kind": "x"}))
    assert (native.series[0].below, native.series[0].above) == ((10.0, 20.0), (5.0, 30.0))
    assert native.origin == 100.0 and native.axis[0] <= 80.0 and native.axis[1] >= 150.0
    native = drawn(frame, present.Chart("bars", ["index"], reference="england_index"))
    assert series(native) == {"Index": [90.0, 120.0], "England index": [100.0, 101.0]}
    native = drawn(frame, present.Chart("bars", ["index"], reference="england_index", name="Trust"))
    assert series(native) == {"Trust": [90.0, 120.0], "England index": [100.0, 101.0]}
    assert native.title == "Index", "the axis says what is measured, the legend whose it is"
    assert native_chart(payload(frame, present.Chart("bars", ["index"], where={"kind": "y"}))) is None


@pytest.mark.unit
def test_ranks_are_drawn_as_ranks_and_a_tornado_has_two_sides() -> None:
    ranks = pd.DataFrame({"provider": ["a", "b"], "stage_gbp": [9e3, 8e3], "stage_rank": [2.0, 1.0]})
    ranks["stage_rank_lower_95"], ranks["stage_rank_upper_95"] = [1.0, 1.0], [2.0, 2.0]
    ranks["pathway_rank"] = [1.0, 2.0]
    native = drawn(ranks, present.Chart("dots", ["stage_rank", "pathway_rank"]))
    assert series(native) == {"Stage rank": [2.0, 1.0], "Pathway rank": [1.0, 2.0]}
    assert native.series[0].below == (1.0, 0.0) and native.title == "Rank"
    sides = pd.DataFrame({"what": ["x", "y"], "at_low_gbp": [-5.0, 3.0], "at_high_gbp": [6.0, -2.0]})
    native = drawn(sides, present.Chart("tornado", ["at_low_gbp", "at_high_gbp"]))
    assert series(native) == {"At low": [-5.0, 3.0], "At high": [6.0, -2.0]}


@pytest.mark.unit
def test_a_long_table_has_a_series_for_each_group_and_none_where_a_row_stands_twice() -> None:
    native = drawn(LONG, present.Chart("bars", ["impact_gbp"], by="rule"))
    assert native.categories == ("A", "B")
    assert series(native) == {"X": [1.0, 2.0], "Y": [3.0, 4.0]}
    chart = present.Chart("bars", ["impact_gbp"], by="rule")
    assert native_chart(payload(pd.concat([LONG, LONG]), chart)) is None
    assert native_chart(payload(LONG, present.Chart("bars", ["impact_gbp"]))) is None, "names stand twice"


@pytest.mark.unit
@pytest.mark.parametrize(
    "column", ["share_pct", "cost_gbp", "amount_gbp_exact", "pathways", "chance", "qalys", "index"]
)
def test_every_unit_can_be_drawn_on_a_slide_and_in_a_workbook(column: str) -> None:
    """A number format with conditions holds "<", which slides would read as markup."""
    table = payload(pd.DataFrame({"who": ["a", "b"], column: [10.0, 20.0]}), present.Chart("bars", [column]))
    document = Document("NHS", "QZ1", "2024-25", "", (Section("n", "T", (Message("M"), Table(table))),))
    deck = Presentation(io.BytesIO(write_slides(document)))
    shapes = [s for slide in deck.slides for s in slide.shapes if s.has_chart]
    assert [list(s.chart.plots[0].series[0].values) for s in shapes] == [[10.0, 20.0]]
    assert write_workbook(document)


@pytest.mark.unit
def test_a_long_name_is_cut_in_the_chart_and_whole_in_the_words() -> None:
    name = "A name " * 90 + "end"
    native = drawn(pd.DataFrame({"who": [name, "b"], "cost_gbp": [1.0, 2.0]}), present.Chart("bars", ["cost_gbp"]))
    assert len(native.categories[0]) <= 44 and native.categories[0].endswith("…")


# -- all notebooks ----------------------------------------------------------------------------------------------------
def _expected(table: Mapping[str, Any]) -> dict[str, list[float | None]]:
    """Work out, with pandas and from the table alone, what the series that the chart names are."""
    spec = table["chart"]
    frame = pd.DataFrame(table["rows"], columns=[c["key"] for c in table["columns"]])
    heads = {c["key"]: c["heading"] for c in table["columns"]}
    for key, value in spec["where"].items():
        frame = frame[frame[key] == value]
    keys = [*spec["series"], *([spec["reference"]] if isinstance(spec["reference"], str) and spec["reference"] else [])]
    numbers = frame[keys].apply(pd.to_numeric, errors="coerce")
    if not spec["by"]:
        return {heads[key]: [None if pd.isna(v) else v for v in numbers[key]] for key in keys}
    found = {}
    for group in frame[spec["by"]].drop_duplicates():
        for key in spec["series"]:
            mine = numbers[frame[spec["by"]] == group].set_index(
                frame.loc[frame[spec["by"]] == group, spec["category"]]
            )
            ordered = mine[key].reindex(frame[spec["category"]].drop_duplicates())
            found[group, key] = [None if pd.isna(v) else v for v in ordered]
    return {f"{group} {key}": values for (group, key), values in found.items()}


def _cells(book: Any, reference: str) -> list[float | None]:
    sheet, _, cells = reference.rpartition("!")
    left, top, right, bottom = range_boundaries(cells.replace("$", ""))
    rows = book[sheet.strip("'").replace("''", "'")].iter_rows(top, bottom, left, right, values_only=True)
    return [value if isinstance(value, int | float) else None for row in rows for value in row]


@pytest.fixture(scope="module")
def sections(pack_of_three: Path) -> list[Section]:
    return [read_section(path) for path in sorted(pack_of_three.glob("*.ipynb"))]


@pytest.fixture(scope="module")
def on_slides(pack_of_three: Path) -> dict[str, Any]:
    deck = Presentation(pack_of_three / render.FORMATS["pptx"].file)
    return {s.name: s for slide in deck.slides for s in slide.shapes if s.has_chart or s.shape_type == 13}


@pytest.fixture(scope="module")
def in_workbook(pack_of_three: Path) -> dict[str, dict[str, list[float | None]]]:
    """Return each chart's series by the title of its table, read through the cells that it points to."""
    book = openpyxl.load_workbook(pack_of_three / render.FORMATS["xlsx"].file)
    return {
        str(sheet["A1"].value): {
            f"{n} {s.tx.v if s.tx.v else s.tx.strRef.f}": _cells(book, s.val.numRef.f)
            for n, s in enumerate(chart.series)
        }
        for sheet in book
        for chart in sheet._charts
    }


def _tables(sections: Sequence[Section]) -> list[Mapping[str, Any]]:
    return [table.payload for section in sections for table in section.tables]


@pytest.mark.notebook
def test_every_chart_of_slides_and_workbook_is_what_its_table_names(
    sections: list[Section], on_slides: dict[str, Any], in_workbook: dict[str, Any]
) -> None:
    seen = 0
    for table in _tables(sections):
        native = native_chart(table)
        assert (table["title"] in in_workbook) == (native is not None), table["name"]
        if native is None:
            continue
        seen += 1
        drawings = [list(in_workbook[table["title"]].values())]
        if f"Chart: {table['title']}" in on_slides:
            plot = on_slides[f"Chart: {table['title']}"].chart.plots[0]
            drawings.append([list(one.values) for one in plot.series])
            assert on_slides[f"Chart: {table['title']}"]._element.nvGraphicFramePr.cNvPr.get("descr") == native.says
        for values in drawings:
            if table["chart"]["kind"] == "waterfall":
                _follows_the_steps(table, values)
            else:
                expected = list(_expected(table).values())
                assert len(values) == len(expected), table["name"]
                for one, wanted in zip(values, expected, strict=True):
                    assert one == pytest.approx(wanted), table["name"]
    assert seen >= 20
    named = {(b.source, b.words.chart) for s in sections for b in s.blocks if isinstance(b, Finding)}
    charts = {
        f"Chart: {t.title}"
        for s in sections
        for t in s.tables
        if (s.source, t.name) in named and native_chart(t.payload)
    }
    assert charts and {name for name in on_slides if name.startswith("Chart: ")} == charts, "a chart of no finding"


def _follows_the_steps(table: Mapping[str, Any], values: Sequence[Sequence[float | None]]) -> None:
    """Each step's bar ends where the running sum of the table's own column stands."""
    at = [c["key"] for c in table["columns"]].index(table["chart"]["series"][0])
    running, last = 0.0, len(table["rows"]) - 1
    for n, row in enumerate(table["rows"]):
        whole = (n == 0 and "first" in table["chart"]["whole"]) or (n == last and "last" in table["chart"]["whole"])
        start, end = (0.0, row[at]) if whole else (running, running + row[at])
        base, *rest = (one[n] or 0.0 for one in values)
        top, bottom = base + sum(v for v in rest if v > 0), base + sum(v for v in rest if v < 0)
        assert (min(base, bottom) if base <= 0 and bottom < 0 else base) == pytest.approx(min(start, end), abs=1e-3)
        assert max(top, min(base, 0.0) if bottom < 0 and top <= 0 else top) == pytest.approx(max(start, end), abs=1e-3)
        running = end


NAMED = {
    "Per person": ["value_gbp", "reference_gbp"],
    "By phase": ["mean_gbp", "reference_gbp"],
    "By setting": ["mean_gbp", "reference_gbp"],
    "Ranks": ["stage_rank", "pathway_rank"],
    "Stranded": ["released_gbp", "stranded_semi_fixed_gbp", "stranded_fixed_gbp"],
    "Years": ["released_gbp", "destination_gbp", "programme_gbp", "double_running_gbp"],
    "Assumptions": ["at_low_gbp", "at_high_gbp"],
    "Compensation": ["before_gbp", "after_gbp"],
    "Unusual": ["unusual_gbp"],
    "Worth": ["net_present_value_gbp"],
}


@pytest.mark.notebook
@pytest.mark.parametrize("name", NAMED)
def test_the_charts_that_readers_missed_a_series_in_have_it(name: str, sections: list[Section]) -> None:
    table = next(t for t in _tables(sections) if t["name"] == name and t["chart"])
    native = native_chart(table)
    keys = [c["key"] for c in table["columns"]]
    beside = [table["chart"]["reference"]] if table["chart"]["reference"] else []
    assert [*table["chart"]["series"], *beside] == NAMED[name]
    if native is None:  # on data as few as these most of it is hidden, or one row is left
        cells = [row[keys.index(key)] for key in NAMED[name] for row in table["rows"]]
        numbers = [cell for cell in cells if isinstance(cell, int | float)]
        assert len(table["rows"]) < 2 or len(numbers) < len(cells) / 2
        return
    for one, key in zip(native.series, NAMED[name], strict=True):
        column = [row[keys.index(key)] for row in table["rows"]]
        assert list(one.numbers) == [value if isinstance(value, int | float) else None for value in column]
    if name == "Stranded":
        full = [row[keys.index("full_cost_gbp")] for row in table["rows"]]
        # Each leaves a pack with three figures, so that the parts add up to a unit of the third.
        assert [sum(v or 0 for v in year) for year in zip(*(s.numbers for s in native.series), strict=True)] == (
            pytest.approx(full, rel=0.005)
        )
    if name in ("Per person", "By phase", "Worth"):
        low = [row[keys.index(NAMED[name][0]) + 1] for row in table["rows"]]
        ends = [v - b for v, b in zip(native.series[0].numbers, native.series[0].below, strict=True) if v is not None]
        assert ends == pytest.approx([x for x in low if isinstance(x, int | float)])


@pytest.mark.notebook
def test_figures_that_no_chart_shows_are_on_slides_as_pictures(
    sections: list[Section], on_slides: dict[str, Any]
) -> None:
    pictures = {name: shape for name, shape in on_slides.items() if name.startswith("Figure: ")}
    figures_of = {f"Figure: {f.title}": f for section in sections for f in section.figures if f.picture}
    assert {"map", "rules", "worth"} <= {f.name for f in figures_of.values()}
    (funnel,) = (f for section in sections for f in section.figures if f.name == "funnel")
    assert bool(funnel.picture) != ("at 0 providers" in funnel.alt)  # one in which every provider is hidden has none
    document = Document("O", "QHL", "2024-25", "", tuple(sections))
    meant = set()
    for finding in document.findings:
        shown, table = document.figure_of(finding), document.table_of(finding)
        if shown and shown[1].picture and not (table and native_chart(table.payload)):
            meant.add(f"Figure: {shown[1].title}")
    assert {*pictures} == meant
    for name, shape in pictures.items():
        assert shape.image.content_type == "image/png"
        assert shape._element.nvPicPr.cNvPr.get("descr").endswith(figures_of[name].alt)


@pytest.mark.unit
def test_a_figure_without_data_is_no_picture() -> None:
    safe = present.disclose(pd.DataFrame({"phase": ["a"], "outside_pct": [10.0], "reference_pct": [5.0]}), counts=[])
    empty = safe.select(["phase", "outside_pct", "reference_pct"])
    options: dict[str, Any] = {"name": "f", "title": "F", "alt": "A", "slide": True}
    bundle = display.figure_bundle(figures.outside_share, empty, **options)[display.FIGURE]
    assert bundle["picture"] and Figure("f", "F", "A", "", "w", "n").picture == ""
