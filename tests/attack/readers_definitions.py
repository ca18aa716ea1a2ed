"""One thing asked twice: two years, pathways, parameters, windows, notebooks. Do the answers tell who is in between?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import planted
from published import (
    BY,
    Found,
    Held,
    Table,
    Unknowns,
    apart,
    bands,
    closely,
    counts,
    digit,
    few,
    half,
    known,
    only,
    reader,
    whole_between,
)
from samples import AREAS

MEAN, N = float(planted.patients().mean()), 14


_YEARS = [planted.instead("2024-25/A", "cumulative", lambda row: row.update(pathways=24))]
_YEARS += [planted.instead("2023-24/A", "rates", lambda row: row.update(pathways=21))]


@reader("definitions", lambda held: _YEARS[1](_YEARS[0](held)), "rows")
def one_year_from_two(held: Held) -> Iterator[Found]:
    """A reader with 07, which counts all hips up to a year, and last year's 03: the rest are this year's."""
    for area in AREAS:
        until = [r["pathways"] for t in held.tables("cumulative", pack=f"2024-25/{area}") for r in t.rows]
        before = [
            r["pathways"] for t in held.tables("rates", pack=f"2023-24/{area}") for r in t.rows if r["pathway"] == "hip"
        ]
        if until and before and known(until[0]) and known(before[0]) and few(*apart(until[0], before[0])):
            yield Found(f"2024-25/{area}", "hip", "pathways", apart(until[0], before[0]))


_HIPS = planted.instead("hip-and-knee/A", "whole", lambda row: row.update(pathways=24))
_KNEES = planted.instead("2024-25/A", "whole", lambda row: row.update(pathways=19))


@reader("definitions", lambda held: _HIPS(_KNEES(held)), "rows")
def hip_and_knee_less_knee(held: Held) -> Iterator[Found]:
    """A reader with the packs of two pathways, of which one is part of the other: the rest are hips."""
    for both in held.tables(pack="hip-and-knee/A"):
        for table in held.tables(both.name, pack="2024-25/A"):
            pairs = [(a, b) for a in both.rows for b in table.rows if all(a[c] == b[c] for c in BY[both.name])]
            for a, b in pairs:
                for column in ("pathways", "contacts", "seen_pathways"):
                    if known(a.get(column)) and known(b.get(column)) and few(*apart(a[column], b[column])):
                        yield both.found(column, apart(a[column], b[column]))


def _pounds_between(held: Held) -> Iterator[Found]:
    for both in held.tables("whole", pack="hip-and-knee/A"):
        for knee in held.tables("whole", pack="2024-25/A"):
            a, b = both.rows[0], knee.rows[0]
            if all(known(row[c]) for row in (a, b) for c in ("mean_gbp", "pathways")):
                yield from _rest(both, a, b)


def _rest(table: Table, whole: Any, part: Any) -> Iterator[Found]:
    """The pounds of those by whom two groups differ, where their number is known to be small."""
    many = apart(whole["pathways"], part["pathways"])
    unknowns = Unknowns()
    ends = []
    for row in (whole, part):
        cell = unknowns.pounds(row["mean_gbp"])
        low, high = unknowns.low[cell], unknowns.high[cell]
        ends.append((low * counts(row["pathways"]).start, high * (counts(row["pathways"]).stop - 1)))
    low, high = ends[0][0] - ends[1][1], ends[0][1] - ends[1][0]
    if many[1] < 8 and closely(low, high):
        yield table.found("pounds of those who are in one only", (low, high))


_ONE_MORE = planted.instead("hip-and-knee/A", "whole", lambda row: row.update(pathways=21, mean_gbp=10511.37))
_ONE_LESS = planted.instead("2024-25/A", "whole", lambda row: row.update(pathways=19, mean_gbp=9821.13))


@reader("definitions", lambda held: _ONE_MORE(_ONE_LESS(held)), "packs")
def pounds_of_hip_and_knee_less_knee(held: Held) -> Iterator[Found]:
    """A reader with the packs of two pathways that differ by a few patients: their pounds are the difference."""
    yield from _pounds_between(held)


def _twice(held: Held) -> Iterator[tuple[Table, str, str, list[Any]]]:
    """Yield each cell that several tables show, whatever pack they stand in: what it counts, and all that is shown."""
    seen: dict[tuple[str, str], list[Any]] = {}
    of: dict[tuple[str, str], Table] = {}
    for table in (t for t in held.tables() if t.name in (*BY, "rates")):
        for row in table.rows:
            pathway = row.get("pathway") or table.of.get("pathway")
            split = "".join(f" {c}={row[c]}" for c in BY.get(table.name, ()))
            for column in {"pathways", "contacts"} & {*table.columns}:
                key = f"{table.of.get('icb_code')} {table.of.get('year')} {pathway}{split}", column
                seen.setdefault(key, []).append(row[column])
                of.setdefault(key, table)
    yield from ((of[key], *key, shown) for key, shown in seen.items() if len(shown) > 1)


def _once_more(value: Any, name: str = "whole") -> planted.Plant:
    said = {**planted.KNEE, "icb_code": "A"}
    return planted.tables(planted.payload({"pathways": [value]}, of=said, name=name), source="02_pathway_cost")


@reader("definitions", _once_more(95), "packs")
def two_numbers_for_one_cell(held: Held) -> Iterator[Found]:
    """A reader with the explorer and the packs, 02 and 03, two parameters: one count that is shown twice, not alike."""
    for table, whose, column, shown in _twice(held):
        if len({value for value in shown if known(value)}) > 1:
            yield Found(table.pack, whose, column, shown)


@reader(
    "definitions",
    lambda held: _once_more("*")(planted.instead("2024-25/A", "whole", lambda r: r.update(pathways=10))(held)),
    "packs",
)
def hidden_here_and_shown_there(held: Held) -> Iterator[Found]:
    """A reader with 02, which links a pathway alone, 03, which links it with the others, and the explorer's views."""
    for table, whose, column, shown in _twice(held):
        if len({known(value) for value in shown}) > 1:
            yield Found(table.pack, whose, column, shown)


def _nine(held: Held) -> Held:
    ranks = {"provider_code": ["P1", "P2"], "pathways": [10.0, 30.0], "mean_gbp": [9000.0, 8000.0]}
    of = {**planted.KNEE, "icb_code": "A"}
    eight = planted.payload({**ranks, "stage_rank": [2.0, 1.0]}, name="ranks", of=of)
    nine = planted.payload({**ranks, "stage_rank": [None, 1.0]}, name="ranks", of=of)
    return planted.tables(nine, pack="fewest 9/A")(planted.tables(eight, pack="2024-25/A")(held.but(packs={})))


@reader("definitions", _nine, "packs")
def fewest_eight_against_nine(held: Held) -> Iterator[Found]:
    """A reader with two packs: who is ranked from eight pathways on, and not from nine, has eight."""
    for nine in held.tables("ranks", pack="fewest 9/A"):
        for eight in held.tables("ranks", pack="2024-25/A"):
            for a, b in zip(eight.rows, nine.rows, strict=True):
                if known(a["stage_rank"]) and b["stage_rank"] is None:
                    yield eight.found("pathways", 8)


def _windows(held: Held) -> Held:
    longer = planted.payload({"pathways": [20], "contacts": [104], "mean_gbp": [9000]}, name="whole")
    shorter = planted.payload({"pathways": [20], "contacts": [101], "mean_gbp": [8991]}, name="whole")
    return planted.tables(shorter, pack="90 days/A")(planted.tables(longer, pack="120 days/A")(held))


@reader("definitions", _windows, "rows")
def nested_windows(held: Held) -> Iterator[Found]:
    """A reader with a pathway of 90 days and the same of 120: the contacts of the last thirty days."""
    for longer in held.tables("whole", pack="120 days/A"):
        for shorter in held.tables("whole", pack="90 days/A"):
            ends = apart(longer.rows[0]["contacts"], shorter.rows[0]["contacts"])
            if few(*ends):
                yield longer.found("contacts of the last days", ends)


def _worths(gain: float) -> planted.Plant:
    net = {
        "threshold_gbp": [20000.0, 30000.0],
        "pathways": [15, 15],
        "net_benefit_gbp": [20000 * gain - 9000, 30000 * gain - 9000],
    }
    return planted.tables(planted.payload(net, name="benefit"))


@reader("definitions", _worths(22.417 / N), "rows")
def two_values_of_worth(held: Held) -> Iterator[Found]:
    """A reader with two packs that differ in what a QALY is worth: the slope is the mean gain, in whole thousandths."""
    for table in held.tables("benefit"):
        first, second = table.rows
        if known(first["net_benefit_gbp"]) and known(second["net_benefit_gbp"]) and first["pathways"]:
            apart = second["threshold_gbp"] - first["threshold_gbp"]
            near = (digit(first["net_benefit_gbp"]) + digit(second["net_benefit_gbp"])) / apart
            near = max(
                near, (half(first["net_benefit_gbp"]) + half(second["net_benefit_gbp"])) / apart * (near >= 1e-4)
            )
            gain = (second["net_benefit_gbp"] - first["net_benefit_gbp"]) / apart
            fits = [
                n
                for n in counts(first["pathways"])
                if whole_between((gain - near) * n * 1000, (gain + near) * n * 1000)
            ]
            if (n := only(fits, first["pathways"])) is not None:
                yield table.found("people from two values of worth", n)


_BASES = {
    "price_base": ["2023-24", "2024-25"],
    "pathways": [15, 15],
    "mean_gbp": [round(MEAN, 4), round(MEAN * 1.043, 4)],
}


@reader("definitions", planted.tables(planted.payload(_BASES, name="prices")), "rows")
def two_price_bases(held: Held) -> Iterator[Found]:
    """A reader with a pack in the pounds of two years and the public deflator: one mean, rounded twice."""
    for table in held.tables("prices"):
        first, second = table.rows
        if known(first["mean_gbp"]) and known(second["mean_gbp"]) and first["pathways"]:
            ends = bands(first, "mean_gbp"), [end / held.public["inflation"] for end in bands(second, "mean_gbp")]
            low, high = max(e[0] for e in ends), min(e[1] for e in ends)
            fits = [n for n in counts(first["pathways"]) if whole_between(low * n * 100, high * n * 100)]
            if (n := only(fits, first["pathways"])) is not None:
                yield table.found("people from two price bases", n)
