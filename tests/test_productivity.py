"""Productivity by hand, by the national schedule of two years, and as laws that hold for any rows."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pathcost_lib import paths, present
from pathcost_lib.benchmark import output_view, output_words, price_volume_mix
from pathcost_lib.benchmark.index_numbers import chained, laspeyres
from pathcost_lib.benchmark.input_prices import input_prices, pay_and_non_pay, quality_index
from pathcost_lib.benchmark.productivity import NEUTRAL, productivity
from pathcost_lib.errors import InputError
from pathcost_lib.sources.engine import connect
from pathcost_lib.sources.published import read

COLUMNS = {"by": "trust", "period": "year", "currency": "code", "activity": "n", "cost": "gbp"}
#: National schedule of NHS costs, NHS England, Open Government Licence v3.0: department, currency, activity and unit
#: cost of 2023/24, activity and total cost of 2024/25.
SCHEDULE = """\
Ambulance 01 1147817 65.5602 1439703 89794775.00
Ambulance 02 2659366 326.9878 2674034 974291436.62
Ambulance 03 4858582 458.7311 4928029 2411734150.85
Ambulance 04 4425204 22.4591 4160030 114792081.88
Cancer_MDT CMDTB 664943 72.1138 381804 51956332.86
Cancer_MDT CMDTC 421928 71.4722 203379 31798640.67
Cancer_MDT CMDTLG 315326 44.8049 112742 15255193.16
Cancer_MDT CMDTOth 2294797 81.6952 1292265 200001951.47
Cancer_MDT CMDTSpG 52096 155.5887 76680 10365506.63
Cancer_MDT CMDTSpU 302604 93.4321 201516 30545022.84
Transport XA06Z 8697 2622.2300 8920 25993337.04
Transport XB08Z 6003 4533.6405 6879 31532098.94
"""


def two_years(lines: str = SCHEDULE) -> pd.DataFrame:
    rows = []
    for line in lines.split("\n")[:-1]:
        trust, code, n0, unit, n1, paid = line.split()
        rows.append((trust, "2023-24", code, float(n0), float(n0) * float(unit)))
        rows.append((trust, "2024-25", code, float(n1), float(paid)))
    return pd.DataFrame(rows, columns=["trust", "year", "code", "n", "gbp"])


@pytest.mark.oracle
@pytest.mark.parametrize("department", ["Ambulance", "Cancer_MDT", "Transport"])
def test_output_of_three_departments_is_that_worked_out_in_fractions(department: str) -> None:
    lines = [line.split() for line in SCHEDULE.split("\n")[:-1] if line.startswith(department)]
    at_old = [(Fraction(unit), int(n0), int(n1), Fraction(paid)) for _, _, n0, unit, n1, paid in lines]
    output = sum(p * n1 for p, _, n1, _ in at_old) / sum(p * n0 for p, n0, _, _ in at_old)
    cost = sum(paid for *_, paid in at_old) / sum(p * n0 for p, n0, _, _ in at_old)
    table = productivity(two_years(), **COLUMNS).table.set_index("trust")
    assert table.loc[department, "output_index"] == pytest.approx(float(100 * output), abs=1e-6)
    assert table.loc[department, "productivity_index"] == pytest.approx(float(100 * output / cost), abs=1e-6)
    # More ambulances and transports, far fewer meetings about cancer, as anyone can see from the activity.
    assert (output > 1) == (department != "Cancer_MDT")


@pytest.mark.published
def test_output_of_the_whole_schedule_is_that_of_a_plain_join(public_data: Path) -> None:
    folder = public_data / "ncc_national_schedule"
    years = []
    for name, year in (("2023_24", "2023-24"), ("2024_25", "2024-25")):
        frame = pd.read_csv(folder / f"ncc_national_schedule_{name}.csv.gz", dtype={"currency_code": str})
        frame = frame.rename(
            columns={"department_code": "trust", "currency_code": "code", "activity": "n", "cost": "gbp"}
        )
        frame = frame.dropna(subset=["code", "n", "gbp"]).query("n > 0 and gbp > 0")
        years.append(frame.groupby(["trust", "code"], as_index=False)[["n", "gbp"]].sum().assign(year=year))
    both = years[0].merge(years[1], on=["trust", "code"])
    expected = (both["gbp_x"] / both["n_x"] * both["n_y"]).sum() / both["gbp_x"].sum()
    # Departments are classes: a currency is priced within its department.
    options = {"period": "year", "currency": "code", "within": "trust", "activity": "n", "cost": "gbp"}
    found = productivity(pd.concat(years).assign(all="NHS"), by="all", **options)
    row = found.table.iloc[0]
    assert row["output_index"] == pytest.approx(100 * expected)
    assert row["output_index"] == pytest.approx(row["activity_index"] * row["mix_index"] / 100)
    assert laspeyres(*(both[c].to_numpy() for c in ("gbp_x", "n_x", "n_y"))) == pytest.approx(expected)
    assert 5 < row["excluded_pct"] < 40  # the file of 2024/25 lacks a sheet, and has new currencies


@pytest.mark.published
def test_price_indices_serve_as_a_deflator(public_data: Path) -> None:
    table = read("price_indices", public_data / "price_indices" / "uk_cost_indices.csv").table
    prices = table.rename(columns={"financial_year": "period", "gdp_deflator": "index"})[["period", "index"]]
    row = productivity(two_years(), deflator=prices, **COLUMNS).table.iloc[0]
    assert row["price_index"] == pytest.approx(100 * 100 / 96.1117, abs=1e-4)


# -- by hand ----------------------------------------------------------------------------------------------------------
@pytest.mark.unit
def test_a_chain_of_three_years_uses_the_prices_of_the_year_before() -> None:
    """A costs £10, £20 and £20; B £30 always. 100 and 100, then 110 and 90, then 110 and 99."""
    rows = pd.DataFrame(
        [("T", "1", "A", 100, 1000), ("T", "1", "B", 100, 3000), ("T", "2", "A", 110, 2200), ("T", "2", "B", 90, 2700),
         ("T", "3", "A", 110, 2200), ("T", "3", "B", 99, 2970)],
        columns=["trust", "year", "code", "n", "gbp"],
    )  # fmt: skip
    table = productivity(rows, **COLUMNS).table.set_index("year")
    # Second: (110 x 10 + 90 x 30) / 4,000. Third, at £20 and £30: (2,200 + 2,970) / 4,900.
    assert table["output_index"].tolist() == pytest.approx([95.0, 100 * 5170 / 4900])
    # Cost: 4,900 over 4,000, then 5,170 over 4,900: all of the second is output.
    assert table["productivity_index"].tolist() == pytest.approx([100 * 0.95 / 1.225, 100.0])
    assert table.loc["3", "chain"] == pytest.approx(100 * 0.95 / 1.225)
    assert chained(np.array([0.5, 2.0])).tolist() == [50.0, 100.0]


@pytest.mark.unit
def test_a_procedure_may_move_to_outpatients_without_its_output_changing() -> None:
    """Of 100 procedures 40 move from a day case at £1,000 to an outpatient procedure at £200; nothing else changes."""
    rows = pd.DataFrame(
        [("T", "1", "day_case", 90, 90_000), ("T", "1", "outpatient_procedure", 10, 2_000),
         ("T", "2", "day_case", 50, 50_000), ("T", "2", "outpatient_procedure", 50, 10_000)],
        columns=["trust", "year", "pod", "n", "gbp"],
    )  # fmt: skip
    plain = {"by": "trust", "period": "year", "activity": "n", "cost": "gbp"}
    apart = productivity(rows, currency="pod", **plain).table.iloc[0]
    assert apart["productivity_index"] == pytest.approx(100)  # by itself the move looks like less output for less cost
    together = productivity(rows.assign(service=rows["pod"].replace(NEUTRAL)), currency="service", **plain).table
    assert together["output_index"].iloc[0] == pytest.approx(100)
    assert together["productivity_index"].iloc[0] == pytest.approx(100 * 92_000 / 60_000)


@pytest.mark.unit
def test_output_is_the_volume_and_mix_of_price_volume_mix() -> None:
    rows = two_years()
    base, current = (rows[rows["year"] == year] for year in ("2023-24", "2024-25"))
    effects = price_volume_mix(base, current, by="trust", currency="code", activity="n", cost="gbp").by_group
    table = productivity(rows, **COLUMNS).table.set_index("trust")
    before = base.groupby("trust")["gbp"].sum()
    grown = effects.set_index("trust")[["volume_gbp", "mix_gbp"]].sum(axis=1)
    assert table["output_index"].to_numpy() == pytest.approx((100 * (1 + grown / before)).to_numpy(), abs=1e-6)


@pytest.mark.unit
def test_what_has_no_price_of_the_year_before_is_left_out_of_both_sides_and_stated() -> None:
    rows = pd.concat([two_years(), pd.DataFrame([("Transport", "2024-25", "NEW", 5.0, 14_381_358.995)],
                                                columns=["trust", "year", "code", "n", "gbp"])])  # fmt: skip
    found = productivity(rows, **COLUMNS)
    table, plain = found.table.set_index("trust"), productivity(two_years(), **COLUMNS).table.set_index("trust")
    assert table.loc["Transport", "excluded_pct"] == pytest.approx(20.0, abs=1e-4)  # a quarter of the rest
    assert table.loc["Transport", "productivity_index"] == plain.loc["Transport", "productivity_index"]
    assert found.excluded["code"].tolist() == ["NEW"]
    only = productivity(rows.query("trust != 'Transport' or year == '2024-25'"), **COLUMNS).table.set_index("trust")
    assert np.isnan(only.loc["Transport", "productivity_index"]) and only.loc["Transport", "reason"]


@pytest.mark.unit
def test_rows_that_cannot_be_are_refused() -> None:
    rows = two_years()
    with pytest.raises(InputError, match="needs two periods"):
        productivity(rows.query("year == '2023-24'"), **COLUMNS)
    with pytest.raises(InputError, match="no index of year 2024-25"):
        productivity(rows, deflator=pd.DataFrame({"period": ["2023-24"], "index": [1.0]}), **COLUMNS)
    with pytest.raises(InputError, match="spread must name three"):
        productivity(rows, spread=["n"], **COLUMNS)


# -- the interval -----------------------------------------------------------------------------------------------------
@pytest.mark.property
def test_the_interval_leaves_100_out_as_often_as_it_says_where_nothing_changes() -> None:
    """Contacts of twelve currencies, Poisson, with skewed costs; 40 trusts, 25 times, nothing changes."""
    rng, out = np.random.default_rng(4), []
    means = rng.gamma(3, 400, 12)
    for _ in range(25):
        parts = []
        for year in ("1", "2"):
            n = rng.poisson(25, (40, 12))
            trust, code = np.indices(n.shape)
            each = np.repeat(np.stack([trust.ravel(), code.ravel()]), n.ravel(), axis=1)
            cost = rng.gamma(1.5, means[each[1]] / 1.5)
            parts.append(pd.DataFrame({"trust": each[0], "code": each[1], "gbp": cost, "year": year, "n": 1.0}))
        rows = pd.concat(parts).assign(uu=1.0, uy=lambda d: d["gbp"], yy=lambda d: d["gbp"] ** 2)
        cells = rows.groupby(["trust", "code", "year"], as_index=False).sum()
        table = productivity(cells, spread=["uu", "uy", "yy"], **COLUMNS).table
        out.append((table["lower_95"] > 100) | (table["upper_95"] < 100))
    assert np.mean(out) == pytest.approx(0.05, abs=0.02)  # 1,000 intervals


# -- by area ----------------------------------------------------------------------------------------------------------
def _cells(times: float = 1.0, *, few: int = 300) -> output_view.OutputCells:
    """Return two areas of one trust each, alike but for TA's cost of the second year; and months of four settings."""
    rows = []
    for icb, trust in (("QA", "TA"), ("QB", "TB")):
        for period in ("2023-24", "2024-25"):
            for setting, pod, n in (("admitted", "elective", 400), ("community", "community_contact", few)):
                # At the prices of the second year a contact costs £1,000, and a tenth of them twice that.
                up = times if (trust, period) == ("TA", "2024-25") else 1.0
                pence = int(100_000 * up)
                rows.append(
                    (icb, trust, setting, pod, "X", period, 1, n, n, n * pence, n, n * pence, 1.3 * n * pence**2)
                )
    columns = ["icb_code", "provider_code", "setting", "pod", "currency_code", "period", "own", "contacts", "units"]
    columns += ["cost_pence", "units_squared", "units_times_cost", "cost_squared"]
    services = pd.DataFrame(rows, columns=columns)
    months = [("2023-24", 2023, 4), ("2023-24", 2023, 5), ("2024-25", 2024, 4), ("2024-25", 2024, 5)]
    monthly = pd.DataFrame(
        [("QA", setting, pod, *month, 100, pence) for month in months for setting, pod, pence in (
            ("admitted", "elective", 600_000), ("primary_care", "gp_appointment", 300_000),
            ("mental_health", "mental_health_bed_day", 100_000), ("social_care", "social_care_week", 900_000))],
        columns=["icb_code", "setting", "pod", "period", "y", "m", "contacts", "cost_pence"],
    )  # fmt: skip
    columns = ["icb_code", "setting", "pod", "age_from", "sex", "cost_pence"]
    old = ("QA", "admitted", "elective", 70, "female", 600_000)
    ages = pd.DataFrame([old, ("QA", "primary_care", "gp_appointment", 30, "female", 300_000)], columns=columns)
    tables = {"services": services, "monthly": monthly, "by_age": ages}
    tables = {name: t.assign(cost_gbp=t["cost_pence"] / 100) for name, t in tables.items()}
    return output_view.OutputCells(**tables, periods=("2023-24", "2024-25"))


@pytest.mark.unit
def test_an_area_whose_costs_rise_by_a_tenth_for_the_same_care_is_less_productive_by_that() -> None:
    """The ledger is at the prices of the year, so that inflation is out: input 110, output 100."""
    table = output_view.productivity_table(_cells(1.1), "QA", ["TA"]).set_index(["kind", "whom"])
    kinds = ["all", "area", "setting", "setting", "provider"]
    assert list(table.index) == [*zip(kinds, ["all areas", "QA", "admitted", "community", "TA"], strict=True)]
    row = table.loc[("provider", "TA")]
    assert row["output_index"] == pytest.approx(100) and row["input_index"] == pytest.approx(110)
    assert row["index"] == pytest.approx(100 / 1.1) and row["index_upper_95"] < 100
    assert row["cost_index"] == pytest.approx(row["price_index"] * 1.1)
    assert table.loc[("all", "all areas"), "index"] == pytest.approx(100 / 1.05)
    same = output_view.productivity_table(_cells(), "QA", ["TA"])
    assert same["index"].to_numpy() == pytest.approx(100) and (same["own_cost_pct"] == 100).all()


@pytest.mark.unit
def test_pay_and_non_pay_are_weighted_by_their_shares_and_chained_by_hand(tmp_path: Path) -> None:
    rows = pd.DataFrame(
        [("2024-25", 5.5, 2.0, 0.7, "plan"), ("2025-26", 3.0, 2.5, 0.6, "plan")],
        columns=["financial_year", "pay_pct", "non_pay_pct", "pay_share", "source"],
    )
    # 0.7 x 5.5 + 0.3 x 2 = 4.45; 0.6 x 3 + 0.4 x 2.5 = 2.8.
    expected = [100.0, 104.45, 104.45 * 1.028]
    assert pay_and_non_pay(rows)["index"].tolist() == pytest.approx(expected, abs=1e-5)
    rows.to_csv(tmp_path / "ours.csv", index=False)
    own = input_prices(str(tmp_path / "ours.csv"))
    assert own.table["period"].tolist() == ["2023-24", "2024-25", "2025-26"] and "your own" in own.words
    # A deflator of 4.45% in place of 4.05%: the same output of the same cost is that much more productive.
    plain, ours = (output_view.productivity_table(_cells(), "QA", ["TA"], p) for p in (None, own))
    ratio = (ours["index"] / plain["index"]).dropna()
    assert ratio.to_numpy() == pytest.approx(1.0445 * 0.961117, rel=1e-6)
    assert (ours["output_index"].dropna() == plain["output_index"].dropna()).all()
    for change, said in (
        ({"pay_share": 70.0}, "from 0 to 1"),
        ({"source": None}, "source"),
        ({"financial_year": "2023-24"}, "(?s)2023-24"),
    ):
        with pytest.raises(InputError, match=said):
            pay_and_non_pay(rows.assign(**change))
    with pytest.raises(InputError, match="follow on"):
        pay_and_non_pay(rows.assign(financial_year=["2024-25", "2026-27"]))


@pytest.mark.unit
def test_output_that_is_better_counts_for_more_by_the_growth_of_quality(tmp_path: Path) -> None:
    """Quality from 80 to 82 is a fortieth more of each unit: output and productivity are, and nothing else is."""
    quality = pd.DataFrame({"period": ["2023-24", "2024-25"], "index": [80.0, 82.0]})
    plain, better = (productivity(two_years(), **COLUMNS, quality=q).table for q in (None, quality))
    for name in ("output_index", "productivity_index"):
        assert (better[name] / plain[name]).to_numpy() == pytest.approx(1.025)
    for name in ("activity_index", "mix_index", "cost_index", "input_index"):
        assert better[name].tolist() == plain[name].tolist()
    assert better["quality_index"].to_numpy() == pytest.approx(102.5) and "quality_index" not in plain
    assert better["output_index"].to_numpy() == pytest.approx(
        (better["activity_index"] * better["mix_index"] * better["quality_index"] / 1e4).to_numpy()
    )
    with pytest.raises(InputError, match="index of quality has no index of year 2023-24"):
        productivity(two_years(), **COLUMNS, quality=quality.tail(1))
    file = tmp_path / "quality.csv"
    quality.rename(columns={"period": "financial_year"}).assign(source="ours").to_csv(file, index=False)
    table = output_view.productivity_table(_cells(), "QA", ["TA"], None, quality_index(str(file)))
    ratio = table["index"] / output_view.productivity_table(_cells(), "QA", ["TA"])["index"]
    assert ratio.dropna().to_numpy() == pytest.approx(1.025)
    assert quality_index("") is None
    with pytest.raises(InputError, match=r"quality: there is no file none.csv"):
        quality_index("none.csv")


@pytest.mark.oracle
def test_the_cost_uplift_is_that_of_the_payment_scheme_with_its_pay_awards() -> None:
    """NHS England: 1.7% became 5.0% in 2024/25, and 4.15% became 4.83% in 2025/26 (pages of the schemes)."""
    index = input_prices("cost_uplift").table.set_index("period")["index"]
    assert index.to_dict() == pytest.approx({"2023-24": 100.0, "2024-25": 105.0, "2025-26": 105.0 * 1.0483})
    scheme = pd.read_csv(paths.reference() / "payment_scheme.csv")
    assert (scheme["value"].isna() == (scheme["status"] == "none at hand")).all()
    assert scheme.loc[scheme["value"].isna(), "source"].str.startswith("No figure at hand").all()
    assert list(scheme["financial_year"].unique()) == ["2023-24", "2024-25", "2025-26", "2026-27"]
    assert set(scheme["scheme"]) == {"2023/25", "2025/26", "2026/27"}
    with pytest.raises(InputError, match=r"no index of 2022-23.*Allowed: 2023-24, 2024-25, 2025-26"):
        input_prices("cost_uplift").require(("2022-23", "2023-24"))
    with pytest.raises(InputError, match="deflator 'rpi'"):
        input_prices("rpi")
    with pytest.raises(InputError, match=r"there is no file none.csv"):
        input_prices("none.csv")


@pytest.mark.unit
@pytest.mark.parametrize(("few", "settings"), [(99, ["admitted", "community"]), (7, [])])
def test_a_setting_of_few_contacts_has_no_index_and_of_seven_no_row_nor_the_next(few: int, settings: list[str]) -> None:
    table = output_view.productivity_table(_cells(few=few), "QA", ["TA"])
    assert table.loc[table["kind"] == "setting", "whom"].tolist() == settings
    assert table.loc[table["whom"] == "community", "index"].isna().all()
    assert table.loc[table["kind"] == "area", "index"].notna().all()


@pytest.mark.unit
def test_the_share_out_of_hospital_counts_beds_in_and_social_care_not_and_ageing_moves_it() -> None:
    cells = _cells()
    persons = pd.DataFrame(
        [("QA", year, age, "female", "principal", n) for year, age, n in
         ((2023, 70, 100.0), (2024, 70, 150.0), (2023, 30, 100.0), (2024, 30, 100.0))],
        columns=["icb_code", "year", "age", "sex", "variant", "persons"],
    )  # fmt: skip
    people = connect().view("people", "SELECT * FROM given", {"given": persons})
    table = output_view.left_shift(cells, people, "QA")
    assert table["month"].tolist() == ["2023-04", "2023-05", "2024-04", "2024-05"]
    assert table["cost_out_pct"].to_numpy() == pytest.approx(30.0)  # 3,000 of 3,000 + 6,000 + 1,000 in a bed
    assert table["contacts_out_pct"].to_numpy() == pytest.approx(100 / 3)
    # The old grow by half: 3 of 9 thousand becomes 3 of 12, which is 8.33 points less.
    assert table["ageing_pct"].tolist() == pytest.approx([30.0, 30.0, 30 - 100 / 12, 30 - 100 / 12])
    alone = output_view.left_shift(replace(cells, monthly=cells.monthly.query("setting == 'admitted'")), people, "QA")
    assert alone.empty


@pytest.mark.unit
def test_words_claim_a_change_only_where_the_interval_leaves_100_out() -> None:
    def said(times: float) -> str:
        table = output_view.productivity_table(_cells(times), "QA", ["TA"])
        shown = present.disclose(table, counts=["before_contacts", "contacts"], in_order=True)
        none = present.disclose(
            pd.DataFrame(columns=["month", "judged", "contacts", "cost_out_pct"]), counts="contacts"
        )
        return output_words.productivity_message(shown, none, area="A", year="2024-25", before="2023-24")

    assert said(1.3).startswith("A: −23% output for the same input from 2023-24 to 2024-25 (95% interval −")
    assert said(1.0).startswith("A: no clear change in productivity from 2023-24 to 2024-25 (95% interval −")
