"""PROMs of hip and knee replacement, 2016/17 and 2017/18, against the published figures (docs/calibration-value.md)."""

from __future__ import annotations

import runpy
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pathcost_lib.errors import InputError
from pathcost_lib.sources.published import read

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "calibration_value.py"


@pytest.fixture(scope="module", params=[2016, 2017])
def proms(request: pytest.FixtureRequest, public_data: Path) -> Any:
    return runpy.run_path(str(SCRIPT))["Proms"](public_data / "proms_hip_knee", request.param)


@pytest.mark.published
def test_englands_counts_and_means_are_the_published_ones(proms: Any) -> None:
    table = proms.england()
    assert len(table) == 8
    short = 1 - table["records"] / table["published_records"]
    assert short.between(0, 0.0015).all()
    assert (short[table["kind"] == "revision"] == 0).all()
    for part in ("pre", "post", "gain"):
        apart = (table[part] - table[f"published_{part}"]).abs()
        assert (apart <= table["measure"].map({"eq5d_index": 0.001, "oxford_score": 0.02})).all(), part


@pytest.mark.published
@pytest.mark.parametrize("joint", ["hip", "knee"])
@pytest.mark.parametrize("measure", ["eq5d_index", "oxford_score"])
def test_every_provider_in_the_records_has_the_published_count_and_means(proms: Any, joint: str, measure: str) -> None:
    found = proms.agreement(joint, measure)
    print(found)
    assert found["providers"] > 270 and found["not_in_records"] <= 12
    assert found["same_count"] == found["providers"] - found["not_in_records"]
    assert found["worst_mean"] < 0.0005
    assert found["compared"] >= 220
    # Measured 0.917 to 0.967.
    assert found["r"] > 0.9 and found["r"] > found["r_unadjusted"] + 0.05


@pytest.mark.published
def test_records_are_the_questionnaires_returned_and_improve_as_often_as_published(proms: Any) -> None:
    table = proms.returned()
    tolerance = 0.012 if proms.year == 2016 else 0.05  # 2017/18: the participation files are of an earlier cut
    assert ((table["records"] / table["returned"] - 1).abs() <= tolerance).all()
    assert ((table["with_both"] / table["facts_total"] - 1).abs() <= (0.012 if proms.year == 2016 else 0.07)).all()
    assert ((table["improved_pct"] - table["facts_improved_pct"]).abs() <= 0.6).all()


@pytest.mark.published
def test_participation_linkage_and_response_are_the_published_rates(proms: Any) -> None:
    published = {  # PartLink files, England: participation, linkage and response rate of all hip and knee replacements
        2016: {
            "hip": (0.8618276, 0.8027348, 0.7635031),
            "knee": (0.9484161, 0.7178496, 0.7529772),
        },
        2017: {
            "hip": (0.8605338, 0.7675068, 0.7091098),
            "knee": (0.8732124, 0.743449, 0.6950871),
        },
    }[proms.year]
    rates = proms.rates().set_index("procedure")
    for procedure, rate in published.items():
        ours = rates.loc[procedure, ["participation_pct", "linkage_pct", "response_pct"]].astype(float)
        assert ours.to_numpy() / 100 == pytest.approx(rate, abs=1e-6)


@pytest.mark.published
def test_hip_replacement_buys_qalys_more_cheaply_than_knee_and_both_far_below_the_nhs_margin(proms: Any) -> None:
    hip, knee = proms.cost_per_qaly().to_dict("records")
    assert hip["upper_95"] < knee["lower_95"] < 4000
    assert hip["bootstrap_lower_95"] == pytest.approx(hip["lower_95"], rel=0.01)
    assert hip["reason"] == knee["reason"] == ""


@pytest.mark.unit
def test_a_zip_is_read_where_it_holds_one_csv_file_and_is_refused_otherwise(tmp_path: Path) -> None:
    text = "org_code,x\n"
    with zipfile.ZipFile(tmp_path / "one.csv.zip", "w") as archive:
        archive.writestr("mff.csv", "provider_code,provider_name,mff\nR1,A,1.1\n")
        archive.writestr("__MACOSX/._mff.csv", "x")
    assert read("market_forces_factor", tmp_path / "one.csv.zip").table["mff"].tolist() == [1.1]
    with zipfile.ZipFile(tmp_path / "two.csv.zip", "w") as archive:
        archive.writestr("a.csv", text)
        archive.writestr("b.csv", text)
    with pytest.raises(InputError, match=r"two\.csv\.zip holds 2 CSV files"):
        read("proms_gain", tmp_path / "two.csv.zip")
    (tmp_path / "no.csv.zip").write_bytes(b"no zip")
    with pytest.raises(InputError, match=r"no\.csv\.zip cannot be read"):
        read("proms_gain", tmp_path / "no.csv.zip")
