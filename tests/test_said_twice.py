"""What a pack states more than once it states alike: value, price base and scale. What differs is named apart.

A quantity has an identifier: what it is, of whom, of which year and pathway, by which measure. The places below say
where each stands, by table and column, never by its words; the value is read from every place of the notebooks as run.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pathcost_lib.packs.agreement import price_base_warning, price_bases
from pathcost_lib.packs.document import Finding, Message, Prose, Section, Table, read_section
from pathcost_lib.present.format import count, percent, unit

ICB, YEAR, KNEE = "QHL", "2024-25", "Primary knee replacement"
Rows = pd.DataFrame


@dataclass(frozen=True)
class Place:
    """Where a quantity stands: the notebook, the table ("message" or "finding": the figures behind), how it is read."""

    notebook: str
    table: str
    read: Callable[[Rows], float]


def total(column: str, **rows: object) -> Callable[[Rows], float]:
    """Return a reader of the sum of a column over the rows that hold these values."""

    def read(frame: Rows) -> float:
        for key, value in rows.items():
            frame = frame[frame[key] == value]
        assert len(frame), f"no row of {rows}"
        return float(pd.to_numeric(frame[column], errors="raise").sum())

    return read


def at(column: str, position: int, **rows: object) -> Callable[[Rows], float]:
    """Return a reader of one cell: of the rows that hold these values, the one at a position."""

    def read(frame: Rows) -> float:
        for key, value in rows.items():
            frame = frame[frame[key] == value]
        return float(frame[column].iloc[position])

    return read


#: (what, of whom, year, pathway, measure) to every place where it stands.
STATED: dict[tuple[str, str, str, str, str], list[Place]] = {
    ("cost of a pathway looked at alone", ICB, YEAR, KNEE, "mean"): [
        Place("02", "message", at("mean_gbp", 0)),
        Place("02", "By phase", total("mean_gbp")),
    ],
    ("cost of a pathway looked at alone, difference", ICB, YEAR, KNEE, "mean"): [
        Place("02", "By phase", total("difference_gbp")),
        Place("02", "By phase", lambda f: float((f["mean_gbp"] - f["reference_gbp"]).sum())),
    ],
    ("cost per person at equal age and sex", ICB, YEAR, "", "mean"): [
        Place("03", "message", at("value_gbp", 0)),
        Place("03", "Per person", total("value_gbp", setting="all_settings")),
        Place("03", "Per person", lambda f: total("value_gbp")(f[f["setting"] != "all_settings"])),
    ],
    ("cost per person at equal age and sex, index", ICB, YEAR, "", "England is 100"): [
        Place("03", "All areas", total("index", icb_code=ICB)),
        Place(
            "03",
            "Per person",
            lambda f: 100 * (1 + total("difference_gbp", setting="all_settings")(f) / at("reference_gbp", -1)(f)),
        ),
    ],
    ("cost of all care", ICB, YEAR, "", "sum"): [
        Place("03", "finding", at("cost_gbp", 0)),
        Place("05", "Base year", total("cost_gbp")),
        Place("05", "Cost by year", at("p50_gbp", 0, setting="All settings")),
    ],
    ("people", ICB, YEAR, "", "at mid-year"): [
        Place("03", "finding", at("persons", 0)),
        Place("03", "All areas", total("persons", icb_code=ICB)),
    ],
    ("cost of what is projected", ICB, "2024", "", "sum"): [
        Place("05", "Base year", total("cost_gbp")),
        Place("05", "Drivers", at("change_gbp", 0)),
        Place("05", "Cost by year", at("central_gbp", 0)),
        Place("05", "Cost by year", at("p50_gbp", 0)),
    ],
    ("cost of what is projected", ICB, "2040", "", "at mean assumptions"): [
        Place("05", "Drivers", at("change_gbp", -1)),
        Place("05", "Cost by year", at("central_gbp", -1, setting="All settings")),
        Place("05", "Gap", at("cost_gbp", -1)),
    ],
    ("gap to funding", ICB, "2040", "", "at mean assumptions"): [
        Place("05", "message", at("gap_gbp", 0)),
        Place("05", "Gap", at("gap_gbp", -1)),
    ],
    ("what the system gains", ICB, "all years", "", "not discounted, at mean effects"): [
        Place("06", "Matrix", total("impact_gbp", organisation="System", scheme="All schemes")),
        Place("06", "Matrix", lambda f: total("impact_gbp", organisation="System")(f[f["scheme"] != "All schemes"])),
        Place("06", "To cash", at("running_gbp", -1)),
        Place("06", "Years", at("cumulative_gbp", -1)),
        Place("06", "Years", total("net_gbp")),
        Place("06", "Compensation", total("before_gbp", organisation="System")),
        Place("06", "Compensation", total("after_gbp", organisation="System")),
        Place("06", "Register", total("system_gbp")),
        *(
            Place("06", "Payment rules", total("impact_gbp", organisation="System", payment_rule=rule))
            for rule in ("block", "activity", "blended", "capitation")
        ),
    ],
    ("what the system gains", ICB, "all years", "", "net present value, median"): [
        Place("06", "message", at("net_present_value_gbp", 0)),
        Place("06", "Worth", total("net_present_value_gbp", organisation="System")),
    ],
    ("cost per QALY from the index event on", ICB, YEAR, "all that have a gain", "ratio of means"): [
        Place("07", "Cost per QALY", at("ratio_gbp", 0)),
        Place("07", "Two intervals", at("ratio_gbp", 0)),
    ],
    ("cost per QALY from the index event on", "England", YEAR, "all that have a gain", "ratio of means"): [
        Place("07", "Cost per QALY", at("ratio_gbp", -1)),
        Place("07", "Two intervals", at("ratio_gbp", -1)),
    ],
    **{
        (f"coverage of {setting}", ICB, YEAR, "", "held of expected"): [
            Place("02", "Cost basis", at("coverage_pct", 0, setting=setting)),
            Place("05", "Base year", at("coverage_pct", 0, setting=setting)),
        ]
        for setting in ("primary_care", "outpatient", "admitted")
    },
}


@pytest.fixture(scope="module")
def sections(pack_of_three: Path) -> dict[str, Section]:
    return {path.stem[:2]: read_section(path) for path in sorted(pack_of_three.glob("*.ipynb"))}


def _frame(payload: Mapping[str, Any]) -> Rows:
    return pd.DataFrame(payload["rows"], columns=[c["key"] for c in payload["columns"]])


def _read(place: Place, payload: Mapping[str, Any]) -> float | None:
    try:
        return place.read(_frame(payload))
    except (TypeError, ValueError):
        assert any("*" in row for row in payload["rows"])
        return None


def _values(sections: Mapping[str, Section], place: Place) -> list[tuple[float | None, str]]:
    """Return what stands there (None where it is hidden), with the unit: of every table of that name."""
    section, found = sections[place.notebook], []
    payloads = [t.payload for t in section.tables if t.name == place.table]
    if place.table == "message":
        payloads = [m.behind for m in section.messages if m.behind]
    if place.table == "finding":
        payloads = [b.behind for b in section.blocks if isinstance(b, Finding) and b.behind]
    for payload in payloads:
        kinds = {c["kind"] for c in payload["columns"] if c["number"]}
        found.append((_read(place, payload), "gbp" if "gbp" in kinds else "other"))
    assert found, f"{place.table} of {place.notebook} is not there"
    return found


def _last_place(value: float) -> float:
    """Return what the last digit of a number that is not zero is worth: of 12,300 a hundred, of 12.5 a tenth."""
    digits = Decimal(repr(round(value, 6))).normalize()
    return float(10.0 ** int(digits.as_tuple().exponent))


@pytest.mark.slow
@pytest.mark.notebook
def test_what_a_pack_states_more_than_once_is_one_number(sections: dict[str, Section], pack_of_three: Path) -> None:
    parameters = json.loads((pack_of_three / "manifest.json").read_text(encoding="utf-8"))["parameters"]
    of = {name[:2]: values for name, values in parameters.items()}
    wrong, starred = defaultdict(list), []
    for identity, places in STATED.items():
        assert len(places) > 1
        stated = [(p, value) for p in places for value, _ in _values(sections, p) if value is not None]
        if len(stated) < 2:  # hidden in all places but one
            starred.append(identity)
            continue
        first = stated[0][1]
        # Parts are each rounded to what may be shown: at most ten of them make a sum; coverage is of whole counts.
        least = max(_last_place(value) for _, value in stated)
        slack = {"abs": 0.51} if identity[0].startswith("coverage") else {"rel": 1e-6, "abs": max(0.02, 5 * least)}
        wrong[identity] += [
            f"{p.notebook} {p.table}: {v} not {first}" for p, v in stated if v != pytest.approx(first, **slack)
        ]
        bases = {base for p in places for base in price_bases(sections[p.notebook], of[p.notebook])}
        if len(bases) > 1:
            wrong[identity].append(f"pounds of {sorted(bases)}")
    assert not {identity: lines for identity, lines in wrong.items() if lines}
    assert len(starred) <= 2, starred  # by phase of 15 to 20 knees


@pytest.mark.notebook
def test_what_looks_like_one_quantity_and_is_two_is_explained_where_it_stands(sections: dict[str, Section]) -> None:
    """The rows of the review's table that are no mistakes: each differs by definition, and the pack says so."""
    words = {key: " ".join(b.markdown for b in s.blocks if isinstance(b, Prose)) for key, s in sections.items()}
    assert "linked together, here and in every other part of the pack" in words["02"], "one cost of a pathway"
    assert "Cost counts from the index event on" in words["07"], "a pathway's cost and the part that buys the gain"
    assert "not the cost of the area's own people" in words["01"], "providers with accounts, and residents"
    assert "We count the people registered" in words["03"], "people by tenth, and the population"
    assert "larger than the same difference shrunk" in words["04"], "as observed, and shrunk"
    assert "for each provider by itself" in words["04"], "one probability, and all comparisons"
    assert "At its own age and sex it is about £" in sections["03"].messages[0].text, "adjusted, and not"
    assert "not discounted" in words["06"] and "simulation averages" in words["06"], "four gains of the system"


# -- the price base ---------------------------------------------------------------------------------------------------
def _section(source: str, *texts: str) -> Section:
    return Section(source, source.upper(), tuple(Message(text) for text in texts))


@pytest.mark.unit
def test_pounds_of_several_years_are_said_on_the_cover_and_those_of_one_are_not() -> None:
    one = [_section("a", "Pounds of 2024-25."), _section("b", "Nothing.")]
    assert price_base_warning(one, {"b": {"price_base": "2024-25"}}) == ""
    two = [*one, _section("c", "£1m (pounds of 2023-24).")]
    said = price_base_warning(two, {"b": {"price_base": "2024-25"}})
    assert "pounds of 2024-25, but of 2023-24 in 'C'" in said
    assert price_bases(two[2], {"price_base": "2024-25"}) == {"2023-24"}, "its words go before its parameter"
    payload = {"note": "Pounds of 2022-23.", "name": "t", "title": "T", "columns": [], "rows": [], "rule": ""}
    assert price_bases(Section("d", "D", (Table(payload),)), {}) == {"2022-23"}


@pytest.mark.slow
@pytest.mark.notebook
def test_a_pack_has_one_price_base_or_says_on_its_cover_that_it_has_not(
    sections: dict[str, Section], pack_of_three: Path
) -> None:
    parameters = json.loads((pack_of_three / "manifest.json").read_text(encoding="utf-8"))["parameters"]
    ordered: Sequence[Section] = list(sections.values())
    said = price_base_warning(ordered, parameters)
    bases = {b for s in ordered for b in price_bases(s, parameters[s.source])}
    assert bool(said) == (len(bases) > 1)
    page = (pack_of_three / "board-pack.html").read_text(encoding="utf-8")
    assert ("which must not be added" in page) == bool(said)
    assert len({values["price_base"] for values in parameters.values() if "price_base" in values}) == 1


# -- a little is not nothing ------------------------------------------------------------------------------------------
@pytest.mark.unit
@pytest.mark.parametrize("value", [0.3, 0.24, 0.02, 1e-4, -0.02, -0.3, 0.49])
def test_a_share_that_is_not_nothing_is_never_printed_as_nothing(value: float) -> None:
    for text in (unit("pct").form(value), percent(value)):
        assert text.strip("%\u2212") not in ("0", "0.0"), text
    assert unit("pct").form(0.0) == "0" == count(0.0) and percent(0.0) == "0%"
