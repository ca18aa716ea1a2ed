"""An attacker who has every file of a pack and of its neighbour, and knows what adds up, works out no small number.

Each sample is a little England of two areas. The packs are made as the notebooks make theirs: pathway cost (02), the
cost of each pathway (03) and what drives a provider's cost (04). What the attacker knows is read back from the files.
"""

from __future__ import annotations

import base64
import html
import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pypdf
import pytest
from factories import make_tables, write_tables

from pathcost_lib import packs, present
from pathcost_lib.errors import InputError
from pathcost_lib.packs import render
from pathcost_lib.packs.audit import Cells, audit_pack, refuse_leaks_between
from pathcost_lib.packs.document import Document, Message, Section, Table
from pathcost_lib.packs.render import render_html
from pathcost_lib.packs.workbook import write_workbook
from pathcost_lib.present import disclosure, display
from pathcost_lib.present.areas import ALL_AREAS, hidden_by_area

BY: dict[str, list[str]] = {"whole": [], "setting": ["setting"], "phase": ["phase"], "grid": ["setting", "phase"]}
SUMS = ["contacts", "cost_gbp"]
AREAS = ("A", "B")
Sample = dict[str, pd.DataFrame]
Shown = dict[str, dict[str, disclosure.Disclosed]]
Read = dict[str, list[dict[str, Any]]]


# -- what notebooks show ----------------------------------------------------------------------------------------------
def _sample(seed: int) -> Sample:
    """Contacts and cost of a pathway by area, setting and phase; of two others by area; of a provider by cell."""
    rng = np.random.default_rng(seed)

    def drawn(frame: pd.DataFrame, scale: float) -> pd.DataFrame:
        frame["contacts"] = rng.poisson(rng.gamma(0.8, scale, len(frame)))
        frame["cost_gbp"] = np.round(frame["contacts"] * rng.uniform(40, 400, len(frame)), 2)
        return frame

    keys = [(a, s, p) for a in AREAS for s in ("gp", "ae", "op") for p in ("before", "after", "late")]
    grid = drawn(pd.DataFrame(keys, columns=["icb_code", "setting", "phase"]), rng.choice([1.0, 15.0]))
    found = {name: grid.groupby(["icb_code", *by], as_index=False)[SUMS].sum() for name, by in BY.items()}
    others = pd.DataFrame([(a, p) for a in AREAS for p in ("hip", "cataract")], columns=["icb_code", "pathway"])
    knees = found["whole"].assign(pathway="knee")
    found["pathways"] = pd.concat([knees, drawn(others, 12.0)], ignore_index=True)
    cells = pd.DataFrame([(a, c) for a in AREAS for c in "abcd"], columns=["icb_code", "cell"])
    found["cells"] = drawn(cells, 15.0)
    return found


def _own(frame: pd.DataFrame, area: str) -> pd.DataFrame:
    return frame[frame["icb_code"] == area].drop(columns="icb_code").reset_index(drop=True)


def _shown(sample: Sample, area: str, *, planted: bool = False) -> Shown:
    """What the three notebooks of an area show; planted: 03 and 04 look at nothing but themselves."""
    counted = {"what": "closed pathways", "year": "2024-25"}
    focus: tuple[str, str] = ("icb_code", area)
    tables = {}
    for name, by in BY.items():
        keys = [*by] or ["one"]
        national = sample[name].assign(one=0)
        every = national.groupby(keys, as_index=False)[SUMS].sum().rename(columns={c: f"all_{c}" for c in SUMS})
        tables[name] = _own(national, area).merge(every, on=keys).drop(columns="one", errors="ignore")
    options: dict[str, Any] = {"everywhere": {name: sample[name] for name in BY}, "focus": focus}
    options |= {"apart": {"all_contacts": ["all_cost_gbp"]}, "of": {**counted, "pathway": "knee", "icb_code": area}}
    cost = present.disclose_together(tables, counts="contacts", by=BY, **options)
    provider = {**counted, "pathway": "knee", "provider_code": f"{area}1"}
    cells = _own(sample["cells"], area)
    ranks = cells[SUMS].sum().to_frame().T.assign(provider_code=provider["provider_code"])[["provider_code", *SUMS]]
    cost["ranks"] = present.disclose(ranks, counts="contacts", of={**counted, "pathway": "knee"})
    options = {"of": {**counted, "icb_code": area}}
    options |= {} if planted else {"everywhere": sample["pathways"], "focus": focus, "by": ["pathway"]}
    claims = _own(sample["pathways"], area)[["pathway", *SUMS]]
    variation = {"claims": present.disclose(claims, counts="contacts", **options)}
    drivers = present.disclose(cells, counts="contacts", totals=[] if planted else [[]], of=provider)
    return {"02_cost": cost, "03_variation": variation, "04_outliers": {"drivers": drivers}}


def _document(shown: Shown, area: str) -> Document:
    sections = []
    for source, tables in shown.items():
        blocks = [Table(display.table_bundle(d, name=n, title=n)[display.TABLE]) for n, d in tables.items()]
        sections.append(Section(source, source, tuple(blocks)))
    return Document(f"Area {area}", area, "2024-25", "A.", tuple(sections))


def _payloads(shown: Shown) -> dict[str, list[Mapping[str, Any]]]:
    return {section.source: section.payloads for section in _document(shown, "A").sections}


# -- what an attacker reads -------------------------------------------------------------------------------------------
def _read_workbook(content: bytes) -> Read:
    """Every sheet of a workbook as rows by column heading; the key is what stands in cell A1."""
    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True)
    found: Read = {}
    for sheet in book.worksheets:
        rows = [row for row in sheet.iter_rows(values_only=True) if any(value is not None for value in row)]
        if (len(rows) > 3 and rows[2][0] == "Contents") or (len(rows) > 2 and rows[1][0] == "Contents"):
            start = next(n for n, row in enumerate(rows) if row[0] == "Contents") + 1
            names = [str(name).split(" (")[0].lower() for name in rows[start] if name is not None]
            found[str(rows[0][0])] = [dict(zip(names, row, strict=False)) for row in rows[start + 1 :]]
    return found


def _read_page(text: str) -> dict[str, list[list[str]]]:
    """Every table of a page as text, by its caption."""
    found = {}
    for part in re.findall(r"<table[^>]*>(.*?)</table>", text, re.DOTALL):
        caption = re.search(r"<caption.*?<span>(.*?)</span>", part, re.DOTALL)
        assert caption
        body = re.split("<tbody[^>]*>", part)[1]
        rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in re.split("<tr[^>]*>", body)[1:]]
        found[re.sub(r"^Table \d+\. ", "", html.unescape(caption[1]))] = [[html.unescape(c) for c in r] for r in rows]
    return found


def _solved(read: dict[str, Read], sample: Sample, column: str) -> list[tuple[str, ...]]:
    """Solve for what is starred and small from all areas' files; told what adds up, and which stars are small.

    Pounds are rounded, so that none can be solved exactly. The attack on them is stricter: it takes what is shown to be
    exact, and asks which stars would then be known, that is, which no change moves that leaves every sum as it is.
    """
    cells, place, small = Cells(), dict[tuple[str, ...], int](), list[tuple[str, ...]]()
    heading = {"contacts": "contacts", "cost_gbp": "cost"}[column]

    def add(key: tuple[str, ...], value: Any, count: int) -> None:
        star = value == "*"
        assert star or not 1 <= count <= 7, f"a small number is shown: {key}"
        if star and 1 <= count <= 7:
            small.append(key)
        if column == "cost_gbp":
            place[key] = cells.add(-1, 1) if star else cells.add(0, 0)
        elif star:
            place[key] = cells.add(1, 7) if 1 <= count <= 7 else cells.add(0, 1e7)
        else:
            slack = 2.0 if value else 1e-6
            place[key] = cells.add(value - slack, value + slack)

    for area, sheets in read.items():
        true = {name: _own(sample[name], area) for name in (*BY, "pathways", "cells")}
        for name, table in (*((n, n) for n in BY), ("claims", "pathways"), ("drivers", "cells")):
            keys = [c for c in true[table] if c not in SUMS]
            counts = dict(
                zip(true[table][keys].itertuples(index=False, name=None), true[table]["contacts"], strict=True)
            )
            assert len(sheets[name]) == len(counts)
            for row in sheets[name]:
                key = tuple(str(row[k]).lower() for k in keys)
                add((area, name, *key), row[heading], int(counts[key]))
                if name in BY and area == AREAS[0]:
                    every = sample[name][(sample[name][keys] == list(key)).all(axis=1)]["contacts"].sum() if keys else 0
                    add(("all", name, *key), row[f"all {heading}"], int(every))
        add((area, "ranks"), sheets["ranks"][0][heading], int(true["cells"]["contacts"].sum()))
        grid = [k for k in place if k[:2] == (area, "grid")]
        for n, name in ((0, "setting"), (1, "phase")):
            for key in [k for k in place if k[:2] == (area, name)]:
                cells.add_up([place[k] for k in grid if k[2 + n] == key[2]], place[key])
        cells.add_up([place[k] for k in grid], place[area, "whole"])
        cells.add_up([place[area, "claims", "knee"]], place[area, "whole"])
        cells.add_up([place[k] for k in place if k[:2] == (area, "drivers")], place[area, "ranks"])
    for key in [k for k in place if k[0] == "all"]:
        cells.add_up([place[area, *key[1:]] for area in read], place[key])
    by_cell = {place[key]: key for key in small}
    # A count that can be one of two whole numbers is not solved.
    return [by_cell[cell] for cell in cells.met(list(by_cell), 0.99 if column == "contacts" else 1e-3)]


def _workbooks(sample: Sample, *, planted: bool = False) -> dict[str, Read]:
    shown = {area: _shown(sample, area, planted=planted) for area in AREAS}
    return {area: _read_workbook(write_workbook(_document(shown[area], area))) for area in AREAS}


# -- the attack -------------------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.property
@pytest.mark.parametrize("first", range(0, 200, 25))
def test_from_the_workbooks_of_a_pack_and_its_neighbour_no_small_number_can_be_solved_for(first: int) -> None:
    """200 samples, 25 at a time so that they share the processors."""
    for seed in range(first, first + 25):
        sample = _sample(seed)
        read = _workbooks(sample)
        for column in SUMS:
            assert _solved(read, sample, column) == [], (seed, column)


@pytest.mark.slow
@pytest.mark.property
def test_the_attacker_finds_what_a_notebook_gives_away_that_looks_at_itself_only() -> None:
    found = [bool(_solved(_workbooks(s, planted=True), s, "cost_gbp")) for s in map(_sample, range(20))]
    assert sum(found) > 5


@pytest.mark.slow
@pytest.mark.property
def test_the_audit_of_a_whole_pack_is_silent_where_nothing_can_be_solved_for_and_finds_what_is_planted() -> None:
    leaks = []
    for seed in range(12):
        sample = _sample(seed)
        for area in AREAS:
            assert list(audit_pack(_payloads(_shown(sample, area)))) == [], (seed, area)
            leaks += audit_pack(_payloads(_shown(sample, area, planted=True)))
    assert "04_outliers: drivers, cost_gbp" in leaks


@pytest.mark.unit
def test_a_planted_leak_between_two_notebooks_is_refused_by_name_and_without_its_value() -> None:
    """By hand: 04 hides one of three cells, whose pounds are the provider's whole in 02 less the two others."""
    counted = {"what": "closed pathways", "year": "2024-25", "pathway": "knee"}
    cells = pd.DataFrame({"cell": list("abc"), "contacts": [3, 20, 30], "mean_gbp": [43.21, 100.0, 200.0]})
    whole = pd.DataFrame({"provider_code": ["P1"], "pathways": [40], "pathway_gbp": [343.21]})
    ranks = present.disclose(whole, counts="pathways", of=counted)
    one_by_one = {"counts": "contacts", "of": {**counted, "provider_code": "P1"}}
    shown = {"02_x": {"ranks": ranks}, "04_y": {"drivers": present.disclose(cells, **one_by_one)}}
    with pytest.raises(InputError, match=r"notebooks of this pack show together: 04_y: drivers, mean_gbp\.") as refused:
        refuse_leaks_between(_payloads(shown))
    assert "43" not in str(refused.value)
    # Another year, or a whole that what is shown contradicts, is not the same thing: no false alarm.
    for other in ({**counted, "year": "2023-24"}, {**counted, "pathway": "hip"}):
        refuse_leaks_between(
            _payloads({**shown, "02_x": {"ranks": present.disclose(whole, counts="pathways", of=other)}})
        )
    whole["pathway_gbp"] = 200.0
    refuse_leaks_between(
        _payloads({**shown, "02_x": {"ranks": present.disclose(whole, counts="pathways", of=counted)}})
    )
    shown["04_y"] = {"drivers": present.disclose(cells, totals=[[]], **one_by_one)}
    shown["02_x"] = {"ranks": ranks}
    refuse_leaks_between(_payloads(shown))


@pytest.mark.unit
def test_the_figures_behind_a_message_are_attacked_too() -> None:
    counted = {"what": "closed pathways", "year": "2024-25", "icb_code": "A"}
    cells = pd.DataFrame({"phase": list("abc"), "contacts": [3, 20, 30], "mean_gbp": [43.21, 100.0, 200.0]})
    total = pd.DataFrame({"contacts": [53], "mean_gbp": [343.21]})
    said = display.message_bundle("M", figures=present.disclose(total, counts="contacts", of=counted))[display.MESSAGE]
    table = display.table_bundle(present.disclose(cells, counts="contacts", of=counted), name="n", title="t")
    blocks = (Message("M", behind=said["behind"]), Table(table[display.TABLE]))
    assert list(audit_pack({"02_x": Section("02_x", "T", blocks).payloads})) == ["02_x: t, mean_gbp"]


@pytest.mark.slow
@pytest.mark.property
def test_pages_and_workbook_star_the_same_cells_and_the_page_is_no_more_exact() -> None:
    for seed in range(10):
        document = _document(_shown(_sample(seed), "A"), "A")
        page, sheets = _read_page(render_html(document)), _read_workbook(write_workbook(document))
        assert page.keys() == sheets.keys()
        for name in page.keys() - {"What was suppressed"}:
            rows = [list(row.values()) for row in sheets[name]]
            assert [["*" in cell for cell in row] for row in page[name]] == [[c == "*" for c in row] for row in rows]
            for shown, exact in zip(page[name], rows, strict=True):
                for text, value in zip(shown, exact, strict=True):
                    if isinstance(value, int | float):
                        assert abs(float(re.sub(r"[£,]", "", text)) - value) <= 0.5


@pytest.mark.slow
@pytest.mark.property
def test_notebooks_that_count_the_same_pathways_hide_the_same_areas_whatever_their_contacts() -> None:
    """02 links one pathway and splits it; 03 links all, so that its contacts differ, and does not."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        whole = pd.DataFrame({"icb_code": list("ABCDEF"), "pathways": rng.poisson(rng.gamma(1.5, 12, 6)) + 1})
        seen = [rng.binomial(whole["pathways"], share) for share in (1.0, 0.9, 0.6)]
        rows = [whole.assign(phase=p, pathways=n, contacts=n * 3) for p, n in zip("abc", seen, strict=True)]
        phase = pd.concat(rows, ignore_index=True)
        whole["contacts"] = phase.groupby("icb_code")["contacts"].sum().to_numpy()
        options: dict[str, Any] = {"unit": "icb_code", "smallest": 8, "base": 5}
        both = {"whole": whole, "phase": phase}
        one = hidden_by_area(both, by={"whole": [], "phase": ["phase"]}, counts=["pathways", "contacts"], **options)
        claims = whole.assign(claim="knee", persons=whole["pathways"], contacts=rng.permutation(whole["contacts"]))
        other = hidden_by_area({"": claims}, by={"": ["claim"]}, counts=["persons"], **options)
        assert {key[0] for key in one["whole"]} == {key[0] for key in other[""]}, seed


def _told_of_everybody(sample: Sample) -> list[tuple[Any, ...]]:
    """Return the hidden cells of everybody whose pounds are known to a tenth either way from those that are shown."""
    options: dict[str, Any] = {"unit": "icb_code", "smallest": 8, "base": 5, "adds_up": "mean_gbp", "by": BY}
    frames = {n: sample[n].assign(pathways=50, mean_gbp=sample[n]["cost_gbp"] / 50) for n in BY}
    hidden = hidden_by_area(frames, counts=["pathways", "contacts"], **options)
    cells, places, dark = Cells(), dict[frozenset[tuple[str, Any]], int](), {}
    for name, by in BY.items():
        for key, rows in frames[name].groupby(by) if by else [((), frames[name])]:
            mean, many = rows["mean_gbp"].mean(), rows["contacts"].sum()
            near = max(mean / max(many, 1), mean / 1000) / 2  # no step is finer
            said = frozenset(zip(by, key, strict=True))
            away = (ALL_AREAS, *key) in hidden[name]
            places[said] = cells.add(*((0.0, 1e6) if away else (mean - near, mean + near)))
            dark |= {said: places[said]} if away and mean else {}
    for total, at in places.items():
        for split in BY.values():
            heads = {k for k, _ in total}
            parts = [cell for said, cell in places.items() if total < said and {k for k, _ in said} == {*split}]
            if heads < {*split} and parts:
                cells.add_up(parts, at)
    return [tuple(k) for k, at in dark.items() if cells.least(at) > 0 and cells.most(at) < 1.2 * cells.least(at)]


@pytest.mark.unit
def test_pounds_of_everybody_s_hidden_cells_are_not_told_by_those_that_are_shown() -> None:
    """By hand: four cells are hidden, of which three cost £1; so the fourth is its setting's £901 but for £1 or two."""
    keys = [(area, s, p) for area in AREAS for s in ("gp", "ae") for p in ("before", "after")]
    grid = pd.DataFrame(keys, columns=["icb_code", "setting", "phase"])
    many = len(AREAS)
    grid = grid.assign(contacts=[2, 10, 10, 10] * many, cost_gbp=[45_000.0, 50.0, 50.0, 50.0] * many)
    sample = {name: grid.groupby(["icb_code", *by], as_index=False)[SUMS].sum() for name, by in BY.items()}
    assert _told_of_everybody(sample) == []


def _everybody_shown_to(sample: Sample, area: str) -> dict[tuple[str, ...], bool]:
    """Return whether an area's tables, as those of notebook 02 are settled, show everybody's figure of each row."""
    tables = {}
    for name, by in BY.items():
        every = (
            sample[name].groupby(by, as_index=False)["contacts"].sum()
            if by
            else sample[name][["contacts"]].sum().to_frame().T
        )
        own = _own(sample[name], area).assign(pathways=50, mean_gbp=1.0, reference_gbp=1.0)
        many = own[by].merge(every, how="left")["contacts"] if by else every["contacts"]
        tables[name] = own.assign(reference_contacts=many.to_numpy())
    basis = _own(sample["setting"], area).assign(pathways=50)
    shown = present.disclose_together(
        {**tables, "basis": basis},
        counts=["pathways", "contacts"],
        by={**BY, "basis": ["setting"]},
        apart={"reference_contacts": ["reference_gbp"]},
        everywhere={n: sample[n].assign(pathways=50, mean_gbp=sample[n]["cost_gbp"] / 50) for n in BY},
        focus=("icb_code", area),
        adds_up="mean_gbp",
    )
    return {
        (name, *row[1:]): pd.notna(row[0])
        for name, by in BY.items()
        for row in shown[name].frame[["reference_gbp", *by]].itertuples(index=False, name=None)
    }


@pytest.mark.property
def test_what_is_shown_of_everybody_is_the_same_in_every_area_s_pack_whatever_rows_it_lacks() -> None:
    hidden = 0
    for seed in range(12):
        sample = _sample(seed)
        thin = {n: t[~((t["icb_code"] == AREAS[0]) & (t["contacts"] < 30) & (n != "whole"))] for n, t in sample.items()}
        said = [_everybody_shown_to(thin, area) for area in AREAS]
        for cell in {c for one in said for c in one}:
            answers = {one[cell] for one in said if cell in one}
            assert len(answers) == 1, (seed, cell)
            hidden += False in answers
    assert hidden > 10


@pytest.mark.unit
def test_two_small_numbers_that_are_nearly_as_large_as_small_ones_can_be_take_a_third_with_them() -> None:
    """By hand: 7 and 7 are 14; who knows that both are small knows both."""
    table = pd.DataFrame({"phase": list("abcd"), "contacts": [7, 7, 40, 20]})
    assert present.disclose(table, counts="contacts", totals=[[]]).hidden["contacts"].tolist() == [
        True,
        True,
        False,
        True,
    ]
    table["contacts"] = [6, 6, 40, 20]
    assert present.disclose(table, counts="contacts", totals=[[]]).secondary == 0


@pytest.mark.unit
def test_the_log_says_of_each_table_how_many_rows_were_suppressed_by_which_rule_and_why() -> None:
    cells = pd.DataFrame({"cell": list("abcd"), "contacts": [3, 20, 30, 40], "mean_gbp": [43.21, 100.0, 200.0, 50.0]})
    shown = {"hidden": present.disclose(cells, counts="contacts", totals=[[]])}
    shown |= {"open": present.disclose(cells[1:], counts="contacts"), "prices": present.disclose(cells, counts=[])}
    log = _document({"02_x": shown}, "A").suppression
    rows = {row[0]: row[1:] for row in log["rows"]}
    assert rows["hidden"][:4] == ["HES", 4, 1, 1]
    assert rows["hidden"][4].startswith("1 row rests on 1 to 7 people or contacts. 1 more, large enough by itself")
    assert rows["open"] == ["HES", 3, 0, 0, "No row rests on 1 to 7 people or contacts."]
    assert rows["prices"][:4] == ["None", 4, 0, 0]
    assert rows["prices"][4].startswith("No count of people or contacts")
    assert rows["All together"][1:4] == [11, 1, 1]


# -- real packs -------------------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.end_to_end
def test_from_all_files_of_three_neighbours_packs_no_small_count_and_none_of_its_pounds_can_be_read(
    tmp_path: Path,
) -> None:
    tables = make_tables(patients=240)
    data = write_tables(tmp_path / "data", tables)
    names = ["02_pathway_cost", "03_icb_variation", "04_outliers"]
    options: dict[str, Any] = {"notebooks": names, "formats": [*render.FORMATS], "parameters": {"draws": "100"}}
    built = packs.build_all(year="2024-25", data=data, out=tmp_path / "reports", jobs=2, **options)
    assert [pack.failures for pack in built] == [()] * 3
    true = _truth(data)
    hidden = large = 0
    for pack in built:
        sheets = openpyxl.load_workbook(pack.folder / "board-pack.xlsx")
        rows = [r for r in sheets["By setting and phase"].iter_rows(min_row=6, values_only=True) if r[0] is not None]
        texts = _texts(pack.folder)
        for setting, phase, contacts, mean, *_ in rows:
            cell = true.get((pack.icb, _code(setting), _code(phase)), {"contacts": 0, "pathways": 0, "mean_gbp": 0.0})
            said = {f"{cell['mean_gbp']:,.2f}", f"{cell['mean_gbp']:.2f}", str(round(cell["mean_gbp"], 6))}
            if cell["mean_gbp"] > 1:  # hidden or shown, nobody's exact mean is in any file
                assert not [n for n, numbers in texts.items() if said & numbers], (pack.icb, setting, phase, said)
            if 1 <= cell["contacts"] <= 7 or 1 <= cell["pathways"] <= 7:
                hidden += 1
                assert (contacts, mean) == ("*", "*"), (pack.icb, setting, phase)
            elif mean not in ("*", 0):
                large += "02_pathway_cost.ipynb" in [n for n, numbers in texts.items() if f"{mean:.1f}" in numbers]
    assert large > 3, "the search does not find what is there"
    assert hidden > 20


def _code(words: str) -> str:
    return words.lower().replace(" ", "_")


def _truth(data: Path) -> dict[tuple[str, str, str], dict[str, float]]:
    """Contacts, patients and mean cost of every area's knee pathways by setting and phase, straight from the links."""
    from pathcost_lib import ledger, pathways, sources

    dataset = sources.open_dataset(data)
    costed = ledger.cost_activity(dataset.activity, dataset.unit_costs, dataset.organisations, price_base="2024-25")
    links = pathways.link(costed, pathways.load_definition("knee_replacement"), patients=dataset.patients)
    whole = links.pathways.to_pandas().query("complete")
    whole = whole[pd.to_datetime(whole["window_to"]).between("2024-04-01", "2025-03-31")]
    rows = links.links.to_pandas()[["pathway_id", "activity_id", "phase", "cost_pence"]]
    rows = rows.merge(whole[["pathway_id", "icb_code"]], on="pathway_id")
    rows = rows.merge(costed.to_pandas()[["activity_id", "setting"]], on="activity_id")
    found = rows.groupby(["icb_code", "setting", "phase"]).agg(
        contacts=("activity_id", "size"), pathways=("pathway_id", "nunique"), pence=("cost_pence", "sum")
    )
    found["mean_gbp"] = found["pence"] / 100 / whole.groupby("icb_code").size().reindex(found.index, level=0)
    return {key: dict(row) for key, row in found.iterrows()}


def _texts(folder: Path) -> dict[str, set[str]]:
    """Every number that can be read in the files of a pack, the executed notebooks among them; no drawing's places."""
    found = {}
    for path in folder.iterdir():
        if path.suffix == ".pdf":
            text = " ".join(page.extract_text() for page in pypdf.PdfReader(path).pages)
        elif path.suffix in (".xlsx", ".pptx"):
            with zipfile.ZipFile(path) as parts:
                text = " ".join(parts.read(n).decode("utf-8", "replace") for n in parts.namelist())
        elif path.suffix == ".zip":
            with zipfile.ZipFile(path) as parts:
                data = [parts.read(n) for n in parts.namelist()]
            rows = (pq.read_table(io.BytesIO(part)).to_pylist() for part in data if part.startswith(b"PAR1"))
            text = " ".join([*map(str, rows), *(part.decode("utf-8", "replace") for part in data)])
        else:
            text = path.read_text(encoding="utf-8")
            images = re.findall(r"base64,([A-Za-z0-9+/=]{40,})", text)
            text += " ".join(base64.b64decode(i).decode("utf-8", "replace") for i in images)
        said = " ".join(re.findall(r'(?:alt|aria-label|descr|title)=\\?"([^"]*)"', text))
        plain = re.sub(r"<[^<>]*>", " ", text)
        found[path.name] = set(re.findall(r"\d[\d,]*\.\d+", f"{plain} {said}"))
    return found


_PLANTED = """from pathcost_lib import present
import pandas as pd
counted = {{"what": "closed pathways", "year": "2024-25", "icb_code": "QZ1"}}
shown = present.disclose(pd.DataFrame({rows}), counts="pathways", of=counted)
present.table(shown, name="t", title="{title}")
present.expect(figures=0, tables=1)"""


@pytest.mark.slow
@pytest.mark.notebook
def test_a_pack_with_a_leak_planted_across_two_notebooks_is_not_built(tmp_path: Path) -> None:
    data = write_tables(tmp_path / "data", make_tables(patients=6))
    parts = {"phase": ["a", "b", "c"], "pathways": [3, 20, 30], "mean_gbp": [4321.5, 1000.0, 2000.0]}
    whole = {"pathways": [53], "mean_gbp": [7321.5]}
    notebooks = []
    for name, rows in (("02_parts", parts), ("03_whole", whole)):
        notebook = nbformat.v4.new_notebook(metadata={"language_info": {"name": "python"}})
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        cells = [("icb: str = ''  # ICB", "parameters"), (_PLANTED.format(rows=rows, title=name), "pack")]
        notebook.cells = [nbformat.v4.new_markdown_cell("# Title", metadata={"tags": ["pack"]})]
        notebook.cells += [nbformat.v4.new_code_cell(text, metadata={"tags": [tag]}) for text, tag in cells]
        notebooks.append(tmp_path / f"{name}.ipynb")
        nbformat.write(notebook, notebooks[-1])
    options: dict[str, Any] = {"year": "2024-25", "data": data, "out": tmp_path / "reports", "formats": ("html",)}
    pack = packs.build("QZ1", notebooks=notebooks, **options)
    assert len(pack.failures) == 1
    assert "notebooks of this pack show together: 02_parts: 02_parts, mean_gbp." in pack.failures[0]
    assert "4321" not in pack.failures[0]
    assert not pack.folder.exists()
    assert not packs.build("QZ1", notebooks=notebooks[:1], **options).failures
