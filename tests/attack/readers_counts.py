"""One row of a published table, and what is public: does it tell exactly how many people it is of, or a few of them?"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import planted
from published import (
    Found,
    Held,
    bands,
    counts,
    digit,
    half,
    known,
    only,
    people,
    reader,
    whole_between,
)
from scipy import stats

N, COSTS = 14, planted.patients()
MEAN, SD = float(COSTS.mean()), float(COSTS.std(ddof=1))
_MEASURES = ("mean_gbp", "pathway_gbp", "ratio_gbp", "stage_gbp", "answered_gbp")


def _wilson(part: float, whole: float, side: int, z: float = 1.959964) -> float:
    share = min(part / whole, 1.0)
    middle = (share + z * z / (2 * whole)) / (1 + z * z / whole)
    reach = z * math.sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole)) / (1 + z * z / whole)
    return 100 * (middle + side * reach)


def _byar(events: float, side: int, z: float = 1.959964) -> float:
    n = events + (side > 0)
    return n * (1 - 1 / (9 * n) + side * z / (3 * math.sqrt(n))) ** 3


@reader("counts", planted.row({"pathways": 15, "mean_gbp": round(MEAN, 6)}), "rows")
def whole_pence(held: Held) -> Iterator[Found]:
    """A reader with a pack: a mean times its people is whole pence, so which counts of the class give whole pence?"""
    for column in _MEASURES[:2]:
        for table, row in held.rows(column):
            if of := people(row):
                near, value = digit(row[column]), row[column]
                fits = [n for n in counts(row[of]) if whole_between((value - near) * n * 100, (value + near) * n * 100)]
                if (n := only(fits, row[of])) is not None:
                    yield table.found(f"{of} from {column}", n)


@reader("counts", planted.row({"pathways": 15, "mean_gbp": 20200, "cost_gbp": 282000}), "rows")
def total_over_mean(held: Held) -> Iterator[Found]:
    """A reader with a pack: a total over a mean is the number of people."""
    for table, row in held.rows("cost_gbp", "mean_gbp", "pathways"):
        if row["mean_gbp"] > 0:
            yield from _quotient(table, row, bands(row, "cost_gbp"), bands(row, "mean_gbp"))


def _quotient(table, row, total, mean) -> Iterator[Found]:
    shown = row["pathways"]
    fits = [n for n in counts(shown) if mean[0] * n <= total[1] and mean[1] * n >= total[0]]
    middle = sum(mean) / 2 * shown
    if (n := only(fits, shown, total[0] <= middle <= total[1])) is not None:
        yield table.found("people from a total over a mean", n)


@reader("counts", planted.row({"finding": "£3,010 a patient", "pathways": 15, "excess_gbp": 42140}), "rows")
def words_against_excess(held: Held) -> Iterator[Found]:
    """A reader with 04: so many pounds a patient in words, beside the excess in pounds."""
    for table, row in held.rows("excess_gbp", "pathways"):
        said = [float(w.strip("£").replace(",", "")) for w in str(row.get("finding", "")).split() if w.startswith("£")]
        if said and said[0]:
            each = (said[0] - half(said[0]), said[0] + half(said[0]))
            whole = sorted(abs(end) for end in bands(row, "excess_gbp"))
            yield from _quotient(table, row, whole, each)


@reader("counts", planted.row({"due_pathways": 35, "linked_pathways": 30, "linkage_pct": 82}), "rows")
def share_of_two_counts(held: Held) -> Iterator[Found]:
    """A reader with 07: a percentage of two rounded counts, and which exact ones give it."""
    for part, whole, share in (
        ("linked_pathways", "due_pathways", "linkage_pct"),
        ("answered_pathways", "linked_pathways", "response_pct"),
    ):
        for table, row in held.rows(part, whole, share):
            if not row[whole] or abs(100 * min(row[part] / row[whole], 1.0) - row[share]) <= digit(row[share]) + 1e-9:
                continue  # it is that of the rounded counts, and tells nothing
            pairs = [
                (p, n)
                for p, n in itertools.product(counts(row[part]), counts(row[whole]))
                if p <= n and abs(100 * p / n - row[share]) <= digit(row[share]) + 1e-9
            ]
            apart = {n - p for p, n in pairs}
            if pairs and (len(apart) == 1 or max(apart) < 8) and 0 < min(apart) < 8:
                yield table.found(f"{whole} less {part}", min(apart))


@reader("counts", planted.row({"recorded_rows": 900, "unusual_rows": 15, "high_pct": 21.43}), "rows")
def share_of_one_count(held: Held) -> Iterator[Found]:
    """A reader with 01: a percentage whose divisor alone is shown, and whole numbers that give it."""
    for table, row in held.rows("unusual_rows", "high_pct"):
        share = row["high_pct"]
        # The step is at least 100 over the divisor: a number is a multiple of it, 50 of 10 as well as of 50.
        near = digit(share) if share % 1 else max(half(share) if share % 10 else 5.0, 0.5)
        pairs = [(p, n) for n in counts(row["unusual_rows"]) for p in range(n + 1) if abs(100 * p / n - share) <= near]
        few = [min(p, n - p) for p, n in pairs]
        if few and len({*few}) == 1 and 0 < few[0] < 8:
            yield table.found("part of unusual_rows", few[0])


@reader(
    "counts",
    planted.row({"unit": "pct", "pathways": 15, "events": 10, "value": 64.29, "lower_95": 38.76, "upper_95": 83.66}),
    "rows",
)
def wilson_inverted(held: Held) -> Iterator[Found]:
    """A reader with 07 and a table of Wilson's limits: which events of which people have these?"""
    for table, row in held.rows("events", "pathways", "lower_95", "upper_95"):
        shown = {side: row[c] for side, c in ((-1, "lower_95"), (1, "upper_95"))}
        near = max(digit(v) for v in shown.values()) * 2

        def fits(part: float, whole: float, shown=shown, near=near) -> bool:
            return part <= whole and all(abs(_wilson(part, whole, side) - v) <= near for side, v in shown.items())

        if row["pathways"] and not fits(min(row["events"], row["pathways"]), row["pathways"]):
            pairs = [p for p in itertools.product(counts(row["events"]), counts(row["pathways"])) if fits(*p)]
            if len(pairs) == 1:
                yield table.found("events and people from Wilson's limits", pairs[0])


_RATE = {
    "pathways": 15,
    "rate": 22.83850,
    **{f"{s}_95": round(_byar(N, k) / N * 22.8385, 5) for s, k in (("lower", -1), ("upper", 1))},
}


@reader("counts", planted.row(_RATE), "rows")
def byar_inverted(held: Held) -> Iterator[Found]:
    """A reader with 03: the two sides of a rate's interval are to each other as those of so many events alone."""
    for table, row in held.rows("rate", "lower_95", "upper_95", "pathways"):
        low, rate, high = row["lower_95"], row["rate"], row["upper_95"]
        near = half(rate)

        def fits(n: float, low=low, rate=rate, high=high, near=near) -> bool:
            ends = [n * low / rate, n * high / rate]
            reach = [n * 3 * near / rate] * 2
            return all(abs(_byar(n, side) - end) <= r for side, end, r in zip((-1, 1), ends, reach, strict=True))

        if rate > 0 and (
            n := only([n for n in counts(row["pathways"]) if fits(n)], row["pathways"], fits(row["pathways"]))
        ):
            yield table.found("events from Byar's limits", n)


@reader("counts", planted.row({"pathway": "knee", "pathways": 15, "rate": round(14e5 / 61_300, 3)}), "rows")
def rate_times_population(held: Held) -> Iterator[Found]:
    """A reader with 03 and the public population: a rate times people is the number of events."""
    for table, row in held.rows("rate", "pathways"):
        many = held.public["people"].get(planted.whose(table), 61_300) / 100_000
        low, high = (end * many for end in bands(row, "rate"))
        fits = [n for n in counts(row["pathways"]) if low <= n <= high]
        if (n := only(fits, row["pathways"], low <= row["pathways"] <= high)) is not None:
            yield table.found("events from a rate and the population", n)


@reader("counts", planted.row({"pathway": "knee", "pathways": 15, "index": round(1400 / 17.3, 2)}), "rows")
def index_times_expected(held: Held) -> Iterator[Found]:
    """A reader with 03 and public rates by age: an index times the events expected is the events observed."""
    for table, row in held.rows("index", "pathways"):
        expected = held.public["expected"].get(planted.whose(table), 17.3) / 100
        low, high = (end * expected for end in bands(row, "index"))
        fits = [n for n in counts(row["pathways"]) if low <= n <= high]
        if (n := only(fits, row["pathways"], low <= row["pathways"] <= high)) is not None:
            yield table.found("events from an index", n)


def _levels(n: int = N) -> dict[str, float]:
    reach = {level: stats.t.ppf(0.5 + level / 200, n - 1) * SD / n**0.5 for level in (80, 95)}
    ends = {"lower_95": MEAN - reach[95], "upper_95": MEAN + reach[95]}
    return {
        "pathways": 15,
        "mean_gbp": MEAN,
        **ends,
        "mean_lower_80": MEAN - reach[80],
        "mean_upper_80": MEAN + reach[80],
    }


@reader("counts", planted.row({c: round(v, 4) for c, v in _levels().items()}), "rows")
def two_levels_of_confidence(held: Held) -> Iterator[Found]:
    """A reader with limits at 80 and 95 %: their widths are to each other as Student's t of so many people alone."""
    for table, row in held.rows("upper_95", "lower_95", "mean_upper_80", "mean_lower_80", "pathways"):
        wide, narrow = row["upper_95"] - row["lower_95"], row["mean_upper_80"] - row["mean_lower_80"]
        slack = 4 * max(half(row["mean_gbp"]), half(row["upper_95"]), half(row["lower_95"]))
        ratios = {n: stats.t.ppf(0.975, n - 1) / stats.t.ppf(0.9, n - 1) for n in counts(row["pathways"])}
        fits = [
            n
            for n, ratio in ratios.items()
            if (wide - slack) <= ratio * (narrow + slack) and (wide + slack) >= ratio * (narrow - slack)
        ]
        if (n := only(fits, row["pathways"])) is not None:
            yield table.found("people from two levels of confidence", n)


@reader("counts", planted.row({"pathways": 15, "sd_gbp": round(SD, 4), "se_gbp": round(SD / N**0.5, 4)}), "rows")
def spread_over_error(held: Held) -> Iterator[Found]:
    """A reader with a standard deviation and an error, which no notebook shows: their ratio squared is the people."""
    for table, row in held.rows("sd_gbp", "se_gbp", "pathways"):
        spread, error = bands(row, "sd_gbp"), bands(row, "se_gbp")
        fits = [
            n
            for n in counts(row["pathways"])
            if (spread[0] / error[1]) ** 2 <= n <= (spread[1] / max(error[0], 1e-9)) ** 2
        ]
        if (n := only(fits, row["pathways"])) is not None:
            yield table.found("people from a standard error", n)


def _fieller(n: int = N, gain: float = 1.6) -> dict[str, float]:
    g, ratio = 1.959964**2 * 0.5**2 / n / gain**2, MEAN / gain
    root = 1.959964 / gain * math.sqrt(SD**2 / n * (1 - g) + ratio**2 * 0.25 / n)
    return {
        "pathways": 15,
        "qalys": gain,
        "ratio_gbp": ratio,
        "lower_95": (ratio - root) / (1 - g),
        "upper_95": (ratio + root) / (1 - g),
    }


@reader("counts", planted.row({c: round(v, 5) for c, v in _fieller().items()}), "rows")
def fieller_inverted(held: Held) -> Iterator[Found]:
    """A reader with 07 and the public spread of health gains: the middle of Fieller's limits gives it over n."""
    for table, row in held.rows("ratio_gbp", "lower_95", "upper_95", "qalys", "pathways"):
        near = max(half(row[c]) for c in ("ratio_gbp", "lower_95", "upper_95"))
        middle, ratio = (row["lower_95"] + row["upper_95"]) / 2, row["ratio_gbp"]
        fits = []
        for n in counts(row["pathways"]):
            g = 1.959964**2 * held.public["gain_sd"] ** 2 / n / row["qalys"] ** 2
            if abs(middle - ratio / (1 - g)) <= 3 * near:
                fits.append(n)
        if (n := only(fits, row["pathways"])) is not None:
            yield table.found("people from Fieller's limits", n)


@reader(
    "counts",
    planted.row(
        {
            "pathways": 15,
            "mean_gbp": 10000,
            "lower_95": round(float(COSTS[[*range(13), 0]].mean()), 6),
            "upper_95": 20000,
        }
    ),
    "rows",
)
def bootstrap_in_pence(held: Held) -> Iterator[Found]:
    """A reader with bootstrap limits, which are means of some of the same patients: whole pence again, times n."""
    for table, row in held.rows("lower_95", "upper_95", "mean_gbp", "pathways"):
        for column in ("lower_95", "upper_95"):
            value, near = row[column], digit(row[column])
            fits = [
                n for n in counts(row["pathways"]) if whole_between((value - near) * n * 100, (value + near) * n * 100)
            ]
            if (n := only(fits, row["pathways"])) is not None:
                yield table.found(f"people from {column} in pence", n)


@reader("counts", planted.row({"pathways": 15, "mean_days": round(65 / 14, 4)}), "rows")
def whole_days(held: Held) -> Iterator[Found]:
    """A reader with a mean stay: times people it is whole days."""
    for table, row in held.rows("mean_days", "pathways"):
        value, near = row["mean_days"], digit(row["mean_days"]) if row["mean_days"] % 1 else half(row["mean_days"])
        fits = [n for n in counts(row["pathways"]) if whole_between((value - near) * n, (value + near) * n)]
        if (n := only(fits, row["pathways"])) is not None:
            yield table.found("people from a mean stay", n)


def _mixed(table: dict[str, float]) -> planted.Plant:
    providers = {"provider_code": ["P1", "P2"], "pathways": [25, 15], "mean_gbp": [8121.37, 12345.61]}
    return planted.tables(
        planted.payload(providers, name="ranks"), planted.payload({c: [v] for c, v in table.items()}, name="whole")
    )


@reader("counts", _mixed({"pathways": 40, "mean_gbp": round((27 * 8121.37 + 14 * 12345.61) / 41, 4)}), "rows")
def weights_of_a_mean(held: Held) -> Iterator[Found]:
    """A reader with an area's mean and those of its two providers: how it lies between them says how many each has."""
    for whole in held.tables("whole"):
        for ranks in held.tables("ranks", pack=whole.pack):
            shown = [r for r in ranks.rows if known(r["mean_gbp"]) and known(r["pathways"]) and r["pathways"]]
            if len(shown) != 2 or not known(whole.rows[0].get("mean_gbp")):
                continue
            low, high = bands(whole.rows[0], "mean_gbp")
            ends = [bands(r, "mean_gbp") for r in shown]
            pairs = [
                (n, m)
                for n, m in itertools.product(*(counts(r["pathways"]) for r in shown))
                if n + m in counts(whole.rows[0]["pathways"])
                and (n * ends[0][0] + m * ends[1][0]) / (n + m) <= high
                and (n * ends[0][1] + m * ends[1][1]) / (n + m) >= low
            ]
            if len(pairs) == 1:
                yield ranks.found("people of both providers", pairs[0])


@reader("counts", planted.row({"pathways": 14, "mean_gbp": 20000}), "rows")
def count_as_it_is(held: Held) -> Iterator[Found]:
    """A reader with any table: a count that is not to the nearest five, or is of fewer than eight."""
    for table in held.tables():
        for column in (
            c for c in table.columns if c.rsplit("_", 1)[-1] in ("pathways", "contacts", "rows", "cases", "events")
        ):
            for row in table.rows:
                if known(row[column]) and (row[column] % 5 or 0 < row[column] < 8):
                    yield table.found(column, row[column])


@reader("counts", planted.row({"pathways": 19, "seen_pathways": 14, "contacts": 40}), "rows")
def those_without(held: Held) -> Iterator[Found]:
    """A reader with 02: pathways less those with such a contact are those without, if both are exact."""
    for table, row in held.rows("pathways", "seen_pathways"):
        spans = counts(row["pathways"]), counts(row["seen_pathways"])
        apart = {n - m for n, m in itertools.product(*spans) if n >= m}
        if len(apart) == 1 and 0 < min(apart) < 8:
            yield table.found("pathways without such a contact", min(apart))


@reader(
    "counts",
    planted.row({"setting": "gp", "pathways": "*", "contacts": "*", "contacts_pct": 4.1, "mean_gbp": 300}),
    "rows",
)
def number_beside_a_star(held: Held) -> Iterator[Found]:
    """A reader with any table: a row whose people are hidden, and a share, a mean or a rate that is not."""
    for table in held.tables():
        own = [c for c in table.columns if not c.startswith(("reference", "all_"))]
        counted = [c for c in own if c.rsplit("_", 1)[-1] in ("pathways", "contacts", "cases", "rows")]
        rest = [c for c in own if c not in counted and c not in ("threshold_gbp", "coverage_pct", "decile")]
        for row in table.rows:
            if counted and all(row[c] == "*" for c in counted):
                yield from (table.found(f"{c} of hidden people", row[c]) for c in rest if known(row[c]))


@reader("counts", planted.row({"provider_code": "P1", "pathways": "*", "mean_gbp": "*", "stage_rank": 2}), "rows")
def rank_of_a_star(held: Held) -> Iterator[Found]:
    """A reader with 02: a hidden provider's rank lies between the costs of its neighbours in rank."""
    for table in (found for found in held.tables() if "stage_rank" in found.columns):
        yield from (
            table.found("rank", r["stage_rank"]) for r in table.rows if r["pathways"] == "*" and known(r["stage_rank"])
        )
