"""What is published in pounds and days: does it tell what one person cost, or a few together?"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import planted
from published import Found, Held, bands, closely, counts, digit, half, known, people, reader
from scipy.stats import t

COSTS = planted.patients()
N, TOTAL = len(COSTS), float(COSTS.sum())
_DOMINATED = np.array([212_000.0, 61_000.0, *np.linspace(900.0, 1_900.0, 12)])


def _limits(costs: np.ndarray) -> dict[str, float]:
    many, mean = len(costs), float(costs.mean())
    reach = float(t.ppf(0.975, many - 1) * costs.std(ddof=1) / many**0.5)
    return {"pathways": 15, "mean_gbp": round(mean, -2), "lower_95": 0, "upper_95": round(mean + reach, -2)}


def _two_groups(held: Held) -> Held:
    one = planted.payload({"pathways": [15], "cost_gbp": [round(TOTAL, 2)], "mean_gbp": [10000]}, name="cost")
    less = planted.payload(
        {"pathways": [15], "cost_gbp": [round(TOTAL - COSTS[0], 2)], "mean_gbp": [10000]}, name="cost"
    )
    return planted.tables(one)(planted.tables(less, pack="2024-25/OTHER")(held))


@reader("pounds", _two_groups, "rows")
def totals_that_differ_by_one(held: Held) -> Iterator[Found]:
    """A reader with two packs who knows that one patient is in one group and not in the other."""
    tables = [
        tb for tb in held.tables() if tb.name in ("cost", "whole") and tb.pack.split("/")[1] in ("A", "PLANT", "OTHER")
    ]
    for one, other in itertools.permutations(tables, 2):
        a, b = one.rows[0], other.rows[0]
        if (
            not all(known(r.get("mean_gbp")) and known(r.get("pathways")) for r in (a, b))
            or a["pathways"] != b["pathways"]
        ):
            continue
        if known(a.get("cost_gbp")) and known(b.get("cost_gbp")):
            ends = bands(a, "cost_gbp"), bands(b, "cost_gbp")
        else:  # she knows the number of patients of each
            n = a["pathways"]
            ends = tuple(tuple(end * (n - k) for end in bands(r, "mean_gbp")) for k, r in enumerate((a, b)))
        if closely(ends[0][0] - ends[1][1], ends[0][1] - ends[1][0]):
            yield one.found("what the one patient cost", ends)


@reader("pounds", planted.row({"pathways": 15, "mean_gbp": 20000, "largest_gbp": 60123.45}), "rows")
def extremes(held: Held) -> Iterator[Found]:
    """A reader with any table: a smallest or largest number is one person's."""
    for table in held.tables():
        for column in (
            c for c in table.columns if re.search(r"(^|_)(min|max|smallest|largest|highest|lowest)(_|$)", c)
        ):
            yield from (table.found(column, row[column]) for row in table.rows if known(row[column]) and people(row))


@reader("pounds", planted.row({"pathways": 15, "p90_days": 20}), "rows")
def quantile_of_few(held: Held) -> Iterator[Found]:
    """A reader with any table: beyond a quantile of a group lie so many of it, by its name."""
    for table in held.tables():
        for column in table.columns:
            found = re.match(r"p(\d\d)_(days|gbp)$", column)
            for row in table.rows if found else []:
                if known(row[column]) and people(row):
                    share = min(int(found[1]), 100 - int(found[1])) / 100
                    if (counts(row[people(row)]).stop - 1) * share < 8 - 1e-9:
                        yield table.found(column, row[column])


@reader("pounds", planted.row({"pathways": 15, "median_gbp": 8123.45}), "rows")
def median_in_pence(held: Held) -> Iterator[Found]:
    """A reader with any table: a median to the penny is one person's cost, or half way between two."""
    for table in held.tables():
        for column in (c for c in table.columns if re.match(r"median_gbp|p\d\d_gbp", c)):
            for row in (r for r in table.rows if known(r[column]) and r[column]):
                many = next((row[c] for c in ("recorded_rows", "pathways") if known(row.get(c))), 0)
                if many and digit(row[column]) < 0.5 and half(row[column]) < row[column] / many / 4:
                    yield table.found(column, row[column])


def _most_of_it(row: Any) -> tuple[float, float]:
    """Return between what the share of the dearest lies, by a mean's Student limits: from the sum of squares."""
    low, high = 0.0, 1.0
    for n in counts(row["pathways"]):
        mean, reach = row["mean_gbp"], row["upper_95"] - row["mean_gbp"]
        near = half(row["upper_95"]) * 2 + half(mean)
        least = max(reach - near, 0.0) / t.ppf(0.975, n - 1)
        share = 1 / n + (n - 1) / n * (least / (mean + half(mean))) ** 2
        low = share if not low else min(low, share)
    return low, high


@reader("pounds", planted.row(_limits(_DOMINATED)), "rows")
def dominance_by_one(held: Held) -> Iterator[Found]:
    """A reader with 02: limits so wide that one person must bear over half of the cost."""
    for table, row in held.rows("mean_gbp", "upper_95", "pathways"):
        if table.name not in ("booted", "ratio") and row["mean_gbp"] > 0 and row["pathways"]:
            share = _most_of_it(row)
            yield from [table.found("the dearest bears over half", share)] if share[0] > 0.5 else []


def _inside(held: Held) -> Held:
    held = planted.row({"pathways": 15, "mean_gbp": round(float(_DOMINATED.mean()), 2)}, name="whole")(held)
    dearest = {**held.public["dearest"], planted.PLANT: (14, 61_000.0, 212_000.0)}
    return held.but(public={**held.public, "dearest": dearest})


@reader("pounds", _inside, "rows")
def dominance_by_two(held: Held) -> Iterator[Found]:
    """A reader who is the second dearest patient and knows how many there are: the total less her own cost."""
    for table in held.tables("whole"):
        for row in (r for r in table.rows if known(r["mean_gbp"]) and table.pack in held.public["dearest"]):
            many, own, dearest = held.public["dearest"][table.pack]
            if dearest <= bands(row, "mean_gbp")[1] * many - own <= 1.1 * dearest:
                yield table.found("at most a tenth above what the dearest cost", dearest)


def _remainder(held: Held) -> Held:
    names = {
        "provider_code": ["P1", "P2"],
        "pathways": [31, "*"],
        "mean_gbp": [8120.37, "*"],
        "cost_gbp": [251731.47, "*"],
    }
    whole = {"pathways": [34], "mean_gbp": [8390.21], "cost_gbp": [285267.14]}
    return planted.tables(planted.payload(names, name="ranks"), planted.payload(whole, name="whole"))(held)


@reader("pounds", _remainder, "rows")
def total_less_the_providers(held: Held) -> Iterator[Found]:
    """A reader with an area's mean and people and its providers' totals: the pounds of the provider that is hidden."""
    for ranks in held.tables("ranks"):
        for whole in (w.rows[0] for w in held.tables("whole", pack=ranks.pack)):
            shown = [r for r in ranks.rows if known(r["cost_gbp"])]
            if len(shown) == len(ranks.rows) - 1 and known(whole["mean_gbp"]) and known(whole["pathways"]):
                spans, mean = counts(whole["pathways"]), bands(whole, "mean_gbp")
                ends = (
                    bands(whole, "cost_gbp")
                    if known(whole.get("cost_gbp"))
                    else (mean[0] * spans.start, mean[1] * (spans.stop - 1))
                )
                rest = sum(bands(r, "cost_gbp")[0] for r in shown), sum(bands(r, "cost_gbp")[1] for r in shown)
                if closely(ends[0] - rest[1], ends[1] - rest[0]):
                    yield ranks.found("cost of the hidden", ends)


_SORTED = {
    "provider": list("kbcdaefgzhijx"),
    "pathways": [50.0] * 10 + ["*", 50.0, 50.0],
    "mean_gbp": [*(float(v) for v in range(2000, 1000, -100)), "*", 990.0, 800.0],
}


@reader("pounds", planted.tables(planted.payload(_SORTED)), "rows")
def star_among_sorted_rows(held: Held) -> Iterator[Found]:
    """A reader with any table: a star among rows that are sorted by a number lies between its neighbours."""
    for table in held.tables():
        words = [tuple(v for v in r.values() if isinstance(v, str) and v != "*") for r in table.rows]
        for column in table.columns if words != sorted(words) else ():
            values = [r[column] for r in table.rows]
            shown = [v for v in values if known(v)]
            if len({*shown}) >= 4 and shown in (sorted(shown), sorted(shown, reverse=True)):
                for before, star, after in zip(values, values[1:], values[2:], strict=False):
                    if star == "*" and known(before) and known(after) and closely(*sorted((before, after))):
                        yield table.found(column, (before, after))


_TWELVE = {
    "provider": [f"p{n:02}" for n in range(12)],
    "pathways": [50.0] * 11 + ["*"],
    "mean_gbp": [*(9000.0 - 10 * n for n in range(11)), "*"],
}
_AFTER = {"provider": ["q1"], "pathways": [50.0], "mean_gbp": [8885.0]}


@reader(
    "pounds",
    planted.tables(planted.payload(_TWELVE, name="dearest twelve"), planted.payload(_AFTER, name="the others")),
    "rows",
)
def star_among_the_first_twelve(held: Held) -> Iterator[Found]:
    """A reader with a table of the dearest and one of the rest: a star in the first costs what lies between both."""
    for first in (tb for tb in held.tables() if "dearest" in tb.name):
        shown = [r["mean_gbp"] for r in first.rows if known(r["mean_gbp"])]
        rest = [
            r["mean_gbp"] for tb in held.tables("the others", pack=first.pack) for r in tb.rows if known(r["mean_gbp"])
        ]
        if any(r["mean_gbp"] == "*" for r in first.rows) and shown and rest and closely(max(rest), max(shown)):
            yield first.found("mean_gbp", (max(rest), max(shown)))


@reader(
    "pounds",
    planted.row(
        {"phase": "during", "inside_contacts": 300, "outside_contacts": "*", "mean_gbp": 21300, "outside_pct": 8.37}
    ),
    "rows",
)
def share_of_hidden_pounds(held: Held) -> Iterator[Found]:
    """A reader with 02: a share of the cost that rests on contacts which are hidden, times the cost."""
    for table, row in held.rows("outside_pct", "mean_gbp"):
        if row.get("outside_contacts") == "*" and row["outside_pct"]:
            yield table.found("pounds outside", row["outside_pct"] * row["mean_gbp"])


_AREAS = {"icb_code": ["A", "B", "C"], "pathways": [40.0, 50.0, "*"], "mean_gbp": [8123.4, 9012.7, "*"]}


@reader(
    "pounds",
    planted.tables(
        planted.payload(_AREAS, name="areas"), planted.payload({"mean_of_areas_gbp": [9378.5]}, name="peers")
    ),
    "rows",
)
def mean_of_areas_less_those_shown(held: Held) -> Iterator[Found]:
    """A reader with an unweighted mean of areas, and all of them but one: three times the mean less the two."""
    for peers in held.tables("peers"):
        for areas in held.tables("areas", pack=peers.pack):
            shown = [bands(r, "mean_gbp") for r in areas.rows if known(r["mean_gbp"])]
            if len(shown) == len(areas.rows) - 1:
                whole = [end * len(areas.rows) for end in bands(peers.rows[0], "mean_of_areas_gbp")]
                ends = whole[0] - sum(s[1] for s in shown), whole[1] - sum(s[0] for s in shown)
                if closely(*ends):
                    yield areas.found("mean of the hidden", ends)


@reader(
    "pounds",
    planted.row({"setting": "acute", "pathways": 20, "contacts": "*", "mean_gbp": round(3 * 6312.57 / 20, 4)}),
    "rows",
)
def price_list(held: Held) -> Iterator[Found]:
    """A reader with the public price of the one thing that a cell holds: its cost is so many times the price."""
    price = held.public["tariff"]["knee_replacement"]
    for table, row in held.rows("mean_gbp", "pathways"):
        low, high = (
            end * n / price
            for end, n in zip(
                bands(row, "mean_gbp"), (counts(row["pathways"]).start, counts(row["pathways"]).stop - 1), strict=True
            )
        )
        exact = row["mean_gbp"] * row["pathways"] / price
        if row.get("contacts") == "*" and (high - low < 1 or abs(exact - round(exact)) < 1e-4):
            yield table.found("contacts", round(exact))


def _noisy(held: Held) -> Held:
    for n, noise in enumerate((-310.0, 120.0, 260.0, -70.0), start=1):
        drawn = planted.payload({"pathways": [15.0], "mean_gbp": [round(TOTAL / N + noise, 1)]}, name="booted")
        held = planted.tables(drawn, pack=f"seed {n}/A", source="07_value")(held)
    return held


@reader("pounds", _noisy, "rows")
def repetition_with_other_seeds(held: Held) -> Iterator[Found]:
    """A reader with the same pack built with many seeds: were rounding drawn anew, its mean would be exact."""
    drawn = [tb.rows[0] for tb in held.tables("booted") if tb.pack.startswith("seed ") or tb.pack == "2024-25/A"]
    means = [r["mean_gbp"] for r in drawn if known(r["mean_gbp"])]
    again = means[1:] if len(means) == 5 else means
    if len({*again}) > 1:
        yield Found("seed */A", "booted", "mean_gbp", float(np.mean(again)))


def _jittered(held: Held) -> Held:
    for n in range(1, 5):
        cells = {"pathways": [15.0], "mean_gbp": [10000.0], "lower_95": [7000.0 + 37.0 * n], "upper_95": [14000.0]}
        held = planted.tables(planted.payload(cells, name="booted"), pack=f"seed {n}/A", source="07_value")(held)
    return held


@reader("pounds", _jittered, "rows")
def limits_drawn_again(held: Held) -> Iterator[Found]:
    """A reader with the same pack built with many seeds: limits that move by less than an average patient's share."""
    for column in ("lower_95", "upper_95"):
        drawn = [tb.rows[0] for tb in held.tables("booted") if tb.pack.startswith("seed ")]
        shown = sorted({r[column] for r in drawn if known(r[column])})
        apart = [after - before for before, after in itertools.pairwise(shown)]
        if apart and min(apart) < 0.5 * drawn[0]["mean_gbp"] / max(drawn[0]["pathways"], 1):
            yield Found("seed */A", "booted", column, float(np.mean(shown)))
