"""The view of outliers: expected costs that add up, flags that are calibrated, planted truths found."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest
from factories import make_tables

from pathcost_lib.ledger import cost_activity
from pathcost_lib.pathways import link, load_definition
from pathcost_lib.results import NotComputable
from pathcost_lib.sample import generate
from pathcost_lib.sources import Dataset, connect, open_dataset
from pathcost_lib.sources.held import MonthsHeld
from pathcost_lib.sources.names import organisations_in
from pathcost_lib.variation import cost_cases, explain, monthly_signals, screen_costs, shrink
from pathcost_lib.variation.dispersion import estimate_tau2
from pathcost_lib.variation.monthly import _chance
from pathcost_lib.variation.outlier_view import PARTS


def linked(data: Dataset, *names: str):
    ledger = cost_activity(data.activity, data.unit_costs, data.organisations, price_base="2024-25")
    links = link(ledger, [load_definition(name) for name in names], patients=data.patients)
    return ledger, links, cost_cases(links, data.activity, data.organisations, year="2024-25")


# -- expected costs --
@pytest.mark.property
def test_parts_hold_each_pound_once_and_expected_is_actual_over_all_providers() -> None:
    data = Dataset.from_frames(make_tables(patients=120), connect())
    _, links, found = linked(data, "knee_replacement", "heart_failure")
    cases, providers = found["cases"].to_pandas(), found["providers"].to_pandas()
    whole = links.pathways.query("SELECT * FROM this WHERE complete").to_pandas()[["pathway", "pathway_id"]]
    attributed = links.links.to_pandas().merge(whole)["cost_pence"].sum() / 100
    in_parts = cases.merge(whole)
    assert in_parts["cost_gbp"].sum() == pytest.approx(attributed)
    assert set(cases["part"]) == set(PARTS)
    assert not cases.duplicated(["pathway", "pathway_id", "part"]).any()
    sums = providers.groupby(["pathway", "part"])[["actual_gbp", "expected_gbp"]].sum()
    assert sums["actual_gbp"].to_numpy() == pytest.approx(sums["expected_gbp"].to_numpy())
    assert providers["pathways"].sum() == len(cases)


@pytest.mark.unit
def test_what_the_dearest_event_bears_is_known_for_disclosure_control() -> None:
    """By hand, from the events themselves; the two dearest bear at most what is said, and never less."""
    data = Dataset.from_frames(make_tables(patients=120), connect())
    _, _, found = linked(data, "knee_replacement", "heart_failure")
    cases, table = found["cases"].to_pandas(), screen_costs(found["providers"].to_pandas(), fewest=2).table
    assert len(table)
    for row in table.to_dict("records"):
        own = cases[(cases[["pathway", "part", "provider_code"]] == pd.Series(row)[_KEYS]).all(axis=1)]["cost_gbp"]
        ranked = own.sort_values(ascending=False).to_numpy()
        if not ranked.sum():
            assert np.isnan(row["largest_share"])
            continue
        assert row["largest_share"] == pytest.approx(ranked[0] / ranked.sum())
        assert row["two_largest_share"] >= ranked[:2].sum() / ranked.sum() - 1e-9
    shrunk = shrink(found["cases"], pathway="knee_replacement", part="index_event")
    shares = table.set_index(_KEYS)["largest_share"]
    for row in shrunk.table.to_dict("records"):
        key = ("knee_replacement", "index_event", row["provider_code"])
        assert key not in shares or row["largest_share"] == pytest.approx(shares[key], nan_ok=True)


_KEYS = ["pathway", "part", "provider_code"]


@pytest.mark.unit
def test_of_part_of_a_year_events_count_up_to_the_last_month_held_of_every_area() -> None:
    data = Dataset.from_frames(make_tables(patients=120), connect())
    _, links, found = linked(data, "knee_replacement")
    months = pd.period_range("2024-04", "2024-05", freq="M")
    held = MonthsHeld("2024-25", {"admitted": list(months)})
    options = {"year": "2024-25", "months": held}
    cases = cost_cases(links, data.activity, data.organisations, **options)["cases"].to_pandas()
    days = links.pathways.to_pandas().set_index("pathway_id")["index_date"]
    whole = found["cases"].to_pandas()
    index = whole[whole["part"] == "index_event"]["pathway_id"]
    late = pd.to_datetime(index.map(days)) > "2024-05-31"
    assert late.any() and not late.all()
    assert set(cases.loc[cases["part"] == "index_event", "pathway_id"]) == set(index[~late])


def sums(costs: dict[str, list[float]], expected: float, indicator: str = "knee") -> pd.DataFrame:
    """Return `providers` for costs of cases that are all expected to cost the same."""
    rows = []
    for code, values in costs.items():
        difference = 100 * (np.array(values) / expected - 1)
        row = {"pathway": indicator, "part": "after", "provider_code": code, "pathways": len(values)}
        row |= {"actual_gbp": sum(values), "expected_gbp": expected * len(values)}
        row |= {"expected_squares": expected**2 * len(values)}
        rows.append(row | {"differences": difference.sum(), "squares": (difference**2).sum()})
    return pd.DataFrame(rows)


@pytest.mark.unit
def test_screen_by_hand() -> None:
    costs = {"A": [900.0, 1100.0], "B": [1400.0, 1600.0], "C": [400.0, 600.0], "few": [9000.0]}
    found = screen_costs(
        pd.concat([sums(costs, 1000.0), sums({"A": [1.0, 2.0], "B": [3.0, 4.0]}, 2.5, "two")]), fewest=2
    )
    table = found.table.set_index("provider_code")
    assert list(table.index) == ["A", "B", "C"]  # one with a single case, and a part that two have, are left out
    assert table["value_gbp"].tolist() == pytest.approx([1000, 1500, 500])
    assert table["difference_pct"].tolist() == pytest.approx([0, 50, -50])
    assert table["excess_gbp"].tolist() == pytest.approx([0, 1000, -1000])
    # Within providers the coefficient of variation is √(6 × 10² / 3) = 14.1 %; a mean of two has it over √2.
    fit = found.funnels.fits["knee/after"]
    assert fit.scale.standard_error(1000.0, np.array([2.0]))[0] == pytest.approx(1000 * np.sqrt(0.02 / 2))
    rows, limits, said = found.funnel_of("knee", "after")
    assert len(rows) == 3 and {"lower_998", "target"} <= set(limits) and "£" in said
    assert found.funnel_of("knee", "before")[0].empty


@pytest.mark.unit
def test_nothing_to_compare_is_said() -> None:
    none = screen_costs(sums({"A": [1.0]}, 1.0))
    assert none.table.empty and none.funnels is None and "0 comparisons" in none.summary
    assert (
        estimate_tau2(np.array([3.0]), np.array([1.0]), trim=0.1, method="cqc", unbiased=True, target_estimated=True)
        == 0
    )


@pytest.mark.property
def test_false_alarms_and_power() -> None:
    """Null: 5 % outside the 95 % limits. Planted at +40 %: recall and precision of what stands out."""
    rng = np.random.default_rng(11)
    outside, recall, false, flagged = [], [], 0, 0
    for _ in range(30):
        usual = np.exp(rng.normal(0, 0.08, 130))
        usual[:6] *= 1.5
        costs = {
            f"P{i:03}": list(1000 * level * rng.lognormal(-0.045, 0.3, rng.integers(60, 300)))
            for i, level in enumerate(usual)
        }
        table = screen_costs(sums(costs, 1000.0)).table
        planted = table["provider_code"] < "P006"
        outside.append((table.loc[~planted, "flag"] != "within").mean())
        recall.append(table.loc[planted, "stands_out"].mean())
        false, flagged = false + int(table.loc[~planted, "stands_out"].sum()), flagged + int(table["stands_out"].sum())
    assert 0.02 < np.mean(outside) < 0.06  # planted ones widen the limits somewhat
    assert np.mean(recall) > 0.9
    assert false / flagged < 0.05


# -- the sample's planted truths --
@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple:
    icbs = ("QHL", "QOP", "QNX", "QNC", "QU9")
    folder = generate(tmp_path_factory.mktemp("outliers") / "sample", people=1_500_000, icbs=icbs)
    data = open_dataset(folder)
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    return data, truth, *linked(data, "knee_replacement", "hip_replacement")


@pytest.mark.slow
@pytest.mark.unit
def test_planted_outliers_are_found(planted: tuple) -> None:
    """Of six planted effects of a quarter or more on 20 to 45 cases, at least five; few false alarms among the rest."""
    _, truth, _, _, found = planted
    table = screen_costs(found["providers"].to_pandas()).table
    effects = {(e["pathway"], "index_event", e["provider_code"]) for e in truth["outlier_providers"]}
    efficient, cheap = truth["efficient_operation_expensive_pathway"], truth["dear_operation_cheap_pathway"]
    hip = truth["dear_and_no_better"]
    effects |= {(efficient["pathway"], part, efficient["provider_code"]) for part in ("index_event", "after")}
    effects |= {
        (hip["pathway"], "index_event", hip["provider_code"]),
        (cheap["pathway"], "after", cheap["provider_code"]),
    }
    small = {(cheap["pathway"], "index_event", cheap["provider_code"])}
    flags = table.set_index(["pathway", "part", "provider_code"])["flag"]
    flagged, judged = set(flags.index[flags != "within"]), set(flags.index)
    assert effects <= judged
    assert len(flagged & effects) >= 5  # recall 5/6
    others = judged - effects - small
    assert len(flagged & others) <= 0.05 * len(others)  # precision 5/8
    direction = flags.str.split("_").str[0]
    for outlier in truth["outlier_providers"]:
        expected = "high" if outlier["direction"] == "up" else "low"
        assert direction[outlier["pathway"], "index_event", outlier["provider_code"]] == expected


@pytest.mark.slow
@pytest.mark.unit
def test_shrinking_keeps_the_planted_ones_apart_and_draws_small_numbers_in(planted: tuple) -> None:
    _, truth, _, _, found = planted
    result = shrink(found["cases"], pathway="knee_replacement", part="index_event", threshold=10.0)
    table = result.table.set_index("provider_code")
    up, down = (
        e["provider_code"] for e in sorted(truth["outlier_providers"], key=lambda e: e["direction"], reverse=True)
    )
    assert table.index[0] == up and table.index[-1] == down
    assert table.loc[up, "chance_above_pct"] > 95 and table.loc[down, "chance_above_pct"] < 1
    assert table.loc[up, "lower_95"] > 0 > table.loc[down, "upper_95"]
    raw = screen_costs(found["providers"].to_pandas()).table
    raw = raw[(raw["pathway"] == "knee_replacement") & (raw["part"] == "index_event")].set_index("provider_code")
    assert abs(table.loc[up, "difference_pct"]) < abs(raw.loc[up, "difference_pct"])
    assert "between providers" in result.summary
    nothing = shrink(found["cases"], pathway="stroke", part="after")
    assert (
        nothing.table.empty and isinstance(nothing.between, NotComputable) and "cannot be computed" in nothing.summary
    )


@pytest.mark.slow
@pytest.mark.unit
def test_the_flag_is_driven_by_the_planted_phase(planted: tuple) -> None:
    _, truth, ledger, links, found = planted
    table = screen_costs(found["providers"].to_pandas()).table
    code = truth["outlier_providers"][0]["provider_code"]
    explained = explain(links, ledger, table[table["provider_code"] == code], year="2024-25")
    assert explained.row["pathway"] == "knee_replacement" and explained.row["part"] == "index_event"
    first = explained.table.iloc[0]
    assert first["cell"] == "Operation: Admitted" and first["lower_95"] > first["reference_gbp"]
    none = explain(links, ledger, table.iloc[:0], year="2024-25")
    assert none.table.empty and isinstance(none.row, NotComputable)


@pytest.mark.slow
@pytest.mark.unit
def test_planted_step_change_is_the_first_sure_signal(planted: tuple) -> None:
    data, truth, *_ = planted
    (step,) = truth["step_change"]
    found = monthly_signals(data.activity, organisations_in(data.organisations, "QHL"), year="2024-25")
    first = found.series.iloc[0]
    assert (first["provider_code"], first["pod"], first["sure"]) == (step["provider_code"], step["pod"], True)
    assert first["since"] == date.fromisoformat(step["from_date"])
    # Within three standard errors of what is planted and the growth of demand: counts of the nine months, and of the
    # same nine a year before.
    own = found.table[(found.table["provider_code"] == first["provider_code"]) & (found.table["pod"] == first["pod"])]
    after, before = own["contacts"].iloc[15:].sum(), own["contacts"].iloc[3:12].sum()
    growth = 1 + truth["demand_trend_pct_per_year"][step["pod"]] / 100
    error = np.log1p(first["change_pct"] / 100) - np.log(step["contacts_ratio"] * growth)
    assert abs(error) < 3 * np.sqrt(1 / after + 1 / before)
    assert first["change_pct"] == pytest.approx(100 * (after / before - 1), abs=1)
    # Demand grows by a few per cent in the sample, so that some of the other signals are true as well.
    others = found.series.iloc[1:]
    assert others["signal"].mean() < 2 * found.chance
    assert found.table.groupby(["provider_code", "pod"]).size().eq(24).all()
    assert not found.table.loc[~found.table["judged"], "special_cause"].any()


@pytest.mark.oracle
def test_chance_of_a_signal_agrees_with_a_direct_simulation() -> None:
    rng = np.random.default_rng(3)
    values = rng.standard_normal((4000, 24))
    before, year = values[:, :12], values[:, 12:]
    moving = np.abs(np.diff(before, axis=1))
    kept = np.where(moving < 3.267 * moving.mean(axis=1, keepdims=True), moving, np.nan)
    centre, half = before.mean(axis=1, keepdims=True), 2.66 * np.nanmean(kept, axis=1)[:, None]
    outside = (np.abs(year - centre) > half).any(axis=1)
    sides = np.sign(values - centre)
    runs = np.array([[abs(s[i : i + 7].sum()) == 7 for i in range(18)] for s in sides])
    expected = (outside | runs[:, 6:].any(axis=1)).mean()
    assert _chance(24, 12, 400, 1) == pytest.approx(expected, abs=0.06)


@pytest.mark.slow
@pytest.mark.unit
def test_months_that_cannot_be_judged(planted: tuple) -> None:
    data = planted[0]
    for providers, year in ((set(), "2024-25"), ({"nobody's"}, "2024-25"), ({"SA-016"}, "2023-24")):
        found = monthly_signals(data.activity, providers, year=year)
        assert found.series.empty and found.table.empty and "No monthly series" in found.summary
