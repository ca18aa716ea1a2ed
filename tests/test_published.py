"""Official publications: read by layout, reconciled to their publishers' figures, refused when they are another."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathcost_lib.codes import PODS, UNITS
from pathcost_lib.errors import InputError
from pathcost_lib.sources.contracts import CONTRACTS
from pathcost_lib.sources.published import catalogue, holdings, icb_codes, read, read_schedule
from pathcost_lib.sources.published import schedule as schedule_module
from pathcost_lib.sources.published.reader import layouts

HEADINGS = "department_code,currency_code,currency_desc,activity,unit_cost,cost"


def put(folder: Path, *rows: str, headings: str = HEADINGS, name: str = "schedule_2023_24.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([headings, *rows]) + "\n", encoding="utf-8")
    return path


# -- the national schedule ---------------------------------------------------------------------------------------------


@pytest.mark.unit
def test_departments_of_one_pod_are_weighted_by_activity(tmp_path):
    path = put(
        tmp_path,
        "Consultant Led,WF01B,First,300,200.0000,60000",
        "Non Consultant Led,WF01B,First,100,120.0000,12000.02",
        "Ambulance,02,See & Treat,10,326.9878,3269.88",
    )
    costs = read_schedule(path).unit_costs.set_index(["pod", "currency_code"])["unit_cost"]
    assert costs["see_and_treat", "02"] == 3_269_878  # one department: as published, in ten-thousandths of a pound
    assert costs["outpatient_first", "WF01B"] == 1_800_001  # 72,000.02 over 400 is 180.00005: half up
    assert costs["outpatient_first", "*"] == 1_800_001


@pytest.mark.unit
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("Chiropody,X1,New,10,5,50", "department is not in departments.csv"),
        ("Consultant Led,IVF01,Drug,10,5,50", "no point of delivery for this currency in this department"),
        ("Cancer MDT,CMDTB,Meeting,10,5,50", "a meeting about patients"),
        ("Daycase,HN22E,Knee,*,5,50", "activity is suppressed"),
        ("Daycase,HN22E,Knee,10,0,50", "unit cost is zero"),
        ("Daycase,HN22E,Knee,10,n/a,50", "unit cost is not a number"),
        ("Daycase,HN22E,Knee,10,5,", "cost is not a number"),
        ("Daycase,,Knee,10,5,50", "no department or currency"),
        ("Elective Inpatients,HN22E,Knee again,10,5,50", "more than once"),
    ],
)
def test_a_row_that_cannot_be_used_is_reported_with_its_reason(tmp_path, row, reason):
    good = "Elective Inpatients,HN22E,Knee,100,8000,800000"
    result = read_schedule(put(tmp_path, "Daycase,HN23A,Other,5,10,50", good, row))
    assert result.unused["reason"].str.contains(reason, regex=False).any()
    assert "HN23A" in set(result.unit_costs["currency_code"])
    assert (result.totals["rows"] - result.totals["rows_used"]).sum() == len(result.unused)


@pytest.mark.unit
def test_departments_are_reconciled_to_the_published_totals_with_the_difference_stated(tmp_path):
    path = put(tmp_path, "Daycase,HN22E,Knee,10,5,50.005", "Ambulance,02,See,10,3,30", "Renal Dialysis,LD05A,S,1,1,1")
    totals = put(
        tmp_path,
        "Daycase,1,10,50.0050000001",
        "Ambulance,1,10,31.5",
        headings="department_code,rows,activity,cost",
        name="t.csv",
    )
    table = read_schedule(path, totals=totals).totals.set_index("department")
    assert table.loc["Daycase", "difference_gbp"] == 0
    assert table.loc["Ambulance", "difference_gbp"] == -1.5
    assert table.loc["Renal Dialysis", "note"] == "no published total"
    assert pd.isna(table.loc["Renal Dialysis", "difference_gbp"])
    assert "1 of 3 departments agree" in read_schedule(path, totals=totals).summary


@pytest.mark.unit
def test_another_years_headings_and_thousands_are_read_and_the_year_comes_from_the_file(tmp_path):
    other = "Department name,Currency,Currency description,Number of FCEs,Unit cost,Total cost,Trusts"
    path = put(
        tmp_path, 'Daycase,HN22E,Knee,"1,000","5,056.5973","5,056,597.30",12', headings=other, name="x-2024-25.csv"
    )
    costs = read_schedule(path).unit_costs
    assert costs["unit_cost"].tolist() == [50_565_973, 50_565_973]
    assert set(costs["financial_year"]) == {"2024-25"}
    with pytest.raises(InputError, match="does not say its financial year"):
        read_schedule(path.rename(tmp_path / "schedule.csv"))
    assert set(read_schedule(tmp_path / "schedule.csv", financial_year="2022-23").unit_costs["financial_year"]) == {
        "2022-23"
    }


@pytest.mark.unit
def test_behaviour_is_as_given_or_half_fixed_and_half_variable(tmp_path, monkeypatch):
    path = put(tmp_path, "Daycase,HN22E,Knee,10,5,50")
    shares = ["fixed_share", "semi_fixed_share", "variable_share"]
    given = pd.DataFrame([["day_case", 0.2, 0.3, 0.5]], columns=["pod", *shares])
    assert read_schedule(path, behaviour=given).unit_costs[shares].iloc[0].tolist() == [0.2, 0.3, 0.5]
    monkeypatch.setattr(schedule_module.paths, "reference", lambda: tmp_path)
    assert read_schedule(path).unit_costs[shares].iloc[0].tolist() == [0.5, 0, 0.5]
    with pytest.raises(InputError, match="no row for day_case"):
        read_schedule(path, behaviour=given.assign(pod="elective"))
    with pytest.raises(InputError, match="column variable_share is missing"):
        read_schedule(path, behaviour=given.drop(columns="variable_share"))


@pytest.mark.unit
def test_departments_go_to_known_points_of_delivery_and_units():
    table = pd.read_csv(Path(schedule_module.__file__).with_name("departments.csv"), dtype=str)
    used = table[table["pod"].notna()]
    assert set(used["pod"]) <= set(PODS)
    assert set(used["unit"]) <= set(UNITS)
    admitted = used["pod"].isin(["day_case", "elective", "non_elective", "non_elective_short"])
    assert set(used.loc[admitted, "unit"]) == {"fce"}
    others = used[~admitted]
    assert (others["unit"] == others["pod"].map(lambda pod: PODS[pod].unit)).all()
    assert (table["pod"].isna() == table["left_out_because"].notna()).all()


@pytest.mark.slow
@pytest.mark.property
@settings(max_examples=40)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(
                ["Daycase", "Consultant Led", "Non Consultant Led", "Emergency Care", "Cancer MDT", "Other"]
            ),
            st.sampled_from(["WF01B", "WF01A", "VB08Z", "HN22E", "WF02D", ""]),
            st.sampled_from(["10", "7", "1234567", "0", "*", ""]),
            st.decimals(0, 99_999, places=4),
            st.decimals(0, 9_999_999, places=4),
        ),
        max_size=25,
    )
)
def test_each_row_and_pound_of_a_schedule_is_used_or_reported(tmp_path_factory, rows):
    text = [f"{d},{c},x,{a},{u},{cost}" for d, c, a, u, cost in rows]
    result = read_schedule(put(tmp_path_factory.mktemp("s"), *text))
    assert result.totals["rows"].sum() == len(rows) == result.totals["rows_used"].sum() + len(result.unused)
    total = sum((row[4] for row in rows), Decimal(0))
    assert Decimal(result.totals["cost_gbp"].sum()) == pytest.approx(total, abs=Decimal("0.04"))
    assert result.pods["cost_gbp"].sum() == pytest.approx(result.totals["used_gbp"].sum(), abs=0.04)
    weights = defaultdict(lambda: [Decimal(0), Decimal(0), 0, Decimal(0)])
    unused = set(result.unused["row_number"])
    for number, (department, currency, activity, unit_cost, cost) in enumerate(rows, start=2):
        if number not in unused:
            pod = {"WF01B": "outpatient_first", "WF02D": "outpatient_first", "WF01A": "outpatient_follow_up"}
            key = ("day_case" if department == "Daycase" else pod.get(currency, "ae_type1"), currency)
            weights[key][0] += cost
            weights[key][1] += Decimal(activity)
            weights[key][2] += 1
            weights[key][3] = unit_cost
    ours = result.unit_costs.set_index(["pod", "currency_code"])["unit_cost"]
    for key, (cost, activity, count, unit_cost) in weights.items():
        expected = unit_cost if count == 1 else cost / activity
        assert abs(Decimal(int(ours[key])) / 10_000 - expected) <= Decimal("0.00005")


@pytest.fixture(scope="module")
def ncc(public_data):
    folder = public_data / "ncc_national_schedule"
    return read_schedule(
        folder / "ncc_national_schedule_2023_24.csv.gz", totals=folder / "DERIVED_department_totals_2023_24.csv"
    )


@pytest.mark.published
def test_the_2023_24_schedule_reconciles_to_its_departments(ncc, public_data):
    assert len(ncc.totals) == 26
    assert (ncc.totals["difference_gbp"] == 0).all()
    path = public_data / "ncc_national_schedule" / "ncc_national_schedule_2023_24.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        published = list(csv.DictReader(file))
    assert len(published) == 11_303 == ncc.totals["rows_used"].sum() + len(ncc.unused)
    cost = sum(Decimal(row["cost"]) for row in published)
    assert Decimal(ncc.totals["cost_gbp"].sum()) == pytest.approx(
        cost, abs=Decimal("0.13")
    )  # 26 roundings to the penny
    assert ncc.totals["used_gbp"].sum() + ncc.totals["unused_gbp"].sum() == pytest.approx(float(cost), abs=0.26)
    assert ncc.pods["cost_gbp"].sum() == pytest.approx(ncc.totals["used_gbp"].sum(), abs=0.13)
    # What rounding unit costs to four decimals leaves is never more than half a ten-thousandth for each unit.
    assert (ncc.pods["rounding_gbp"].abs() <= ncc.pods["activity"] * 0.00005 + 1000).all()
    assert ncc.pods["rounding_gbp"].abs().sum() < 5_000  # of £95 billion


@pytest.mark.published
def test_unit_costs_are_the_published_ones_where_one_department_gives_them(ncc, public_data):
    path = public_data / "ncc_national_schedule" / "ncc_national_schedule_2023_24.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        published = {(r["department_code"], r["currency_code"]): r for r in csv.DictReader(file)}
    ours = ncc.unit_costs.set_index(["pod", "currency_code"])["unit_cost"]
    for pod, department in (
        ("elective", "Elective Inpatients"),
        ("day_case", "Daycase"),
        ("non_elective", "Non-Elective Inpatient - Long Stay"),
    ):
        of_pod = [(c, r) for (d, c), r in published.items() if d == department and float(r["unit_cost"]) > 0]
        assert len(of_pod) == len(ours[pod]) - 1
        assert all(ours[pod, c] == int(Decimal(r["unit_cost"]) * 10_000) for c, r in of_pod)
    two = [published[d, "WF01B"] for d in ("Consultant Led", "Non Consultant Led")]
    mean = sum(Decimal(r["cost"]) for r in two) / sum(Decimal(r["activity"]) for r in two)
    assert ours["outpatient_first", "WF01B"] == round(mean * 10_000)


# -- the other publications --------------------------------------------------------------------------------------------


@pytest.mark.unit
def test_a_layout_of_another_year_is_read(tmp_path):
    path = put(tmp_path, "RRK,Birmingham,1.02", headings="\ufeffTrust code,Trust name,MFF value 2027/28", name="m.csv")
    result = read("market_forces_factor", path)
    assert result.table.to_dict("records") == [{"provider_code": "RRK", "name": "Birmingham", "mff": 1.02}]
    assert "NHS England" in result.summary


@pytest.mark.unit
@pytest.mark.parametrize(
    ("headings", "rows", "said"),
    [
        (
            "provider,name,factor",
            ["R,a,1"],
            r"f\.csv is not laid out as Market forces.*Its columns: provider, name, factor",
        ),
        (
            "provider_code,provider_name,mff",
            ["R,a,about 1"],
            r"f\.csv, mff: each must be a number, and in 1 of the rows is not \(row 2\)",
        ),
        ("provider_code,provider_name,mff", ["R,a,1", "R,b,1"], "1 rows repeat a provider_code"),
        ("provider_code,provider_name,mff", ["R,a"], r"too few values .*line 2"),
    ],
)
def test_another_layout_or_type_is_refused_by_file_and_column(tmp_path, headings, rows, said):
    with pytest.raises(InputError, match=said):
        read("market_forces_factor", put(tmp_path, *rows, headings=headings, name="f.csv"))


@pytest.mark.unit
def test_an_unknown_layout_and_an_unknown_icb_are_refused(tmp_path):
    with pytest.raises(InputError, match="Did you mean market_forces_factor"):
        read("market_force_factor", tmp_path / "f.csv")
    path = put(tmp_path, "E54000099,v1,2024,0,5,6", headings="area_code,variant,year,age,female,male", name="p.csv")
    with pytest.raises(InputError, match=r"p\.csv: ICB E54000099 is not in the look-up"):
        read("icb_population", path, icbs={"E54000055": "QHL"})


@pytest.mark.unit
def test_population_is_tidy_ages_end_at_ninety_and_england_is_left_out(tmp_path):
    rows = [
        f"{area},v1,2024,{age},{n},{n + 1}" for area, n in (("E92000001", 90), ("E54000055", 5)) for age in (89, 90, 97)
    ]
    path = put(tmp_path, *rows, headings="area_code,variant,year,age,female,male", name="p.csv")
    table = read("icb_population", path, icbs={"E54000055": "QHL"}).table
    assert table.columns.tolist() == [column.name for column in CONTRACTS["population"].columns]
    assert table["persons"].tolist() == [5, 6, 10, 12]
    assert set(table["icb_code"]) == {"QHL"}
    assert set(table["variant"]) == {"principal"}


@pytest.mark.unit
def test_each_layout_is_documented_with_where_to_download_it():
    text = (Path(__file__).parents[1] / "docs" / "data-sources.md").read_text(encoding="utf-8")
    for name, form in layouts().items():
        line = next((line for line in text.splitlines() if f"`{name}`" in line), "")
        assert form["title"] in line, name
        assert form["publisher"] in line, name


@pytest.fixture(scope="module")
def codes(public_data):
    return icb_codes(public_data / "icb_lookups" / "sub_icb_icb_region_lookup_2022.csv")


@pytest.mark.published
def test_icbs_are_42_with_both_ons_codes_of_the_two_recoded_and_36_from_april_2026(codes, public_data):
    assert len(codes) == 44
    assert len(set(codes.values())) == 42
    assert codes["E54000052"] == codes["E54000063"] == "QXU"
    assert codes["E54000053"] == codes["E54000064"] == "QNX"
    table = read("icb_successions", public_data / "icb_lookups" / "DERIVED_icb42_to_icb36_april_2026.csv").table
    assert (table["icb_code"].nunique(), table["successor_code"].nunique()) == (42, 36)
    assert table.groupby("icb_code")["share"].sum().to_numpy() == pytest.approx(1, abs=1e-9)
    split = table["icb_code"].value_counts()
    assert split[split > 1].to_dict() == {"QNQ": 3, "QM7": 2, "QJG": 2}


@pytest.mark.published
def test_icbs_add_up_to_the_published_england_population(codes, public_data):
    path = public_data / "icb_population_projections" / "icb_population_by_age_sex_2000_2043_principal.csv.gz"
    ours = read("icb_population", path, icbs=codes).table
    assert ours["icb_code"].nunique() == 42
    england = read("icb_population", path, only={"icb_ons_code": ["E92000001"]}).table
    apart = ours.groupby("year")["persons"].sum() - england.groupby("year")["persons"].sum()
    assert len(apart) == 44
    assert apart.abs().max() <= 43  # SOURCE.txt: within 43 persons
    assert ours.groupby("variant")["year"].agg(["min", "max"]).to_numpy().tolist() == [[2000, 2023], [2024, 2043]]
    variants = path.with_name("icb_population_by_age_sex_2024_2043_variants_v2_v11.csv.gz")
    high = read("icb_population", variants, icbs=codes, only={"variant": ["high_population"]}).table
    principal = ours[ours["year"] == 2043]["persons"].sum()
    assert high[high["year"] == 2043]["persons"].sum() > principal


@pytest.mark.published
def test_activity_rates_have_every_icb_group_age_and_sex(codes, public_data):
    path = public_data / "icb_population_projections" / "icb_activity_rates_by_age_sex_2022.csv.gz"
    table = read("activity_rates", path, icbs=codes).table
    assert (table["icb_code"].nunique(), table["activity_group"].nunique()) == (42, 13)
    assert (table["age"].min(), table["age"].max()) == (18, 90)
    assert table["rate"].between(0, 100).all()


@pytest.mark.published
def test_weighted_populations_sum_to_england_and_follow_the_published_formula(public_data):
    path = public_data / "icb_allocations_weighted_pop" / "gp_practice_weighted_pop_2025_26.csv.gz"
    table = read("gp_weighted_population", path).table
    assert (len(table), table["icb_code"].nunique()) == (6_348, 42)
    totals = table.select_dtypes("number").sum()
    assert totals.to_numpy() == pytest.approx(63_849_324, abs=1)
    formula = 0.85 * table["primary_medical_care"] + 0.15 * table["health_inequalities"]
    assert table["primary_medical_care_final"].to_numpy() == pytest.approx(formula.to_numpy(), abs=0.01)


@pytest.mark.published
def test_factors_indices_shares_and_trim_points_are_as_their_sources_say(public_data):
    mff = read("market_forces_factor", public_data / "mff_2026_27" / "nhse_provider_mff_2026_27.csv").table
    assert (len(mff), mff["mff"].min(), mff["mff"].max()) == (205, 1.0, 1.179944)
    prices = read("price_indices", public_data / "price_indices" / "uk_cost_indices.csv").table
    assert (len(prices), prices["is_forecast"].sum()) == (31, 6)
    assert prices.set_index("financial_year").loc["2024-25", "gdp_deflator"] == 100
    trims = read("hrg_trim_points", public_data / "hrg_reference" / "hrg_trimpoints.csv").table
    assert (len(trims), trims["emergency_days"].isna().sum()) == (2_312, 3)
    shares = read("trust_icb_shares", public_data / "icb_lookups" / "trust22_to_icb22_admission_shares.csv").table
    assert shares.groupby("provider_code")["share"].sum().to_numpy() == pytest.approx(1, abs=1e-6)
    assert shares["provider_code"].nunique() == 138


@pytest.mark.published
def test_long_waits_by_specialty_add_up_to_the_published_total(public_data):
    table = read("rtt_monthly", public_data / "activity_performance" / "england_rtt_stp.csv.gz").table
    total = table["specialty"] == "Total"
    by = ["icb_code", "month"]
    waits = ["waits_over_18_weeks", "waits_over_52_weeks"]
    published, summed = (table[rows].groupby(by)[waits].sum() for rows in (total, ~total))
    assert len(published) == 42 * 59
    pd.testing.assert_frame_equal(published, summed)


@pytest.mark.published
def test_the_caution_on_accident_and_emergency_months_is_still_true(codes, public_data):
    folder = public_data / "activity_performance"
    icb = read("ae_monthly_icb", folder / "england_icb_accidents_emergency.csv.gz", icbs=codes).table
    assert icb.groupby("month")["icb_code"].nunique().to_list() == [42] * 40
    trust = read("ae_monthly_trust", folder / "england_trust_accidents_emergency.csv.gz").table
    for table, key in ((icb, "icb_code"), (trust, "provider_code")):
        wide = table.pivot_table(index="month", columns=key, values="attendances")
        same = [
            m for m in wide.index if (n := m - pd.DateOffset(years=1)) in wide.index and wide.loc[m].equals(wide.loc[n])
        ]
        assert [f"{m:%Y-%m}" for m in same] == ["2025-02", "2025-03"]


@pytest.mark.published
def test_each_official_file_with_a_reader_is_recognised(public_data):
    found = catalogue(public_data).dropna(subset="layout")
    assert set(found["layout"]) == set(layouts())
    # Schedules: two years. Populations: principal and variants. PROMs: four layouts, of two years each, records of hips
    # and of knees.
    assert len(found) == len(layouts()) + 1 + 1 + 4 + 2


@pytest.mark.unit
def test_what_is_at_hand_is_listed_with_year_and_licence(tmp_path):
    put(tmp_path, name="schedule_2023_24.csv")
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    held = holdings(tmp_path).set_index("file")
    assert held.loc["schedule_2023_24.csv", ["layout", "year"]].tolist() == ["national_schedule", "2023_24"]
    assert held.loc["odd.csv", "title"] == "No reader knows its layout"
    assert held.loc["reference/mff.csv", "licence"] == "Open Government Licence v3.0"
    assert not held.drop(columns="layout").isna().any(axis=None)
