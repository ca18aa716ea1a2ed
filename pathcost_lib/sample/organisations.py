"""Invented providers in real ICBs: who they are, who uses them, and the dated list of organisations."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from pathcost_lib.sample.reference import read, records

__all__ = ["KIND_OF_POD", "PROVIDER_KINDS", "current_icbs", "flows", "organisations", "providers"]

#: Kind of provider: prefix of its code (a hyphen is in no real ODS code) and what it is called.
PROVIDER_KINDS = {
    "acute": ("SA", "Sample Acute Trust"),
    "community": ("SC", "Sample Community Provider"),
    "mental_health": ("SM", "Sample Mental Health Trust"),
    "ambulance": ("SB", "Sample Ambulance Service"),
    "primary_care": ("SP", "Sample Primary Care Group"),
    "social_care": ("SS", "Sample Social Care Provider"),
}

KIND_OF_POD = {
    "gp_appointment": "primary_care", "practice_nurse_appointment": "primary_care",
    "call_111": "ambulance", "hear_and_treat": "ambulance", "see_and_treat": "ambulance", "see_and_convey": "ambulance",
    "ae_type3": "community", "community_contact": "community", "rehabilitation_day": "community",
    "mental_health_contact": "mental_health", "talking_therapy_contact": "mental_health",
    "mental_health_bed_day": "mental_health", "social_care_week": "social_care",
}  # fmt: skip

#: Most acute trusts cost each contact; one in so many does not.
_WITHOUT_RECORDED_COSTS = 7


def current_icbs() -> pd.DataFrame:
    """Return the ICBs in force during the extract (until 31 March 2026), ordered by code."""
    icbs = read("icbs")
    return icbs[icbs["valid_from"] < "2026"].sort_values("icb_code").reset_index(drop=True)


def providers(rng: np.random.Generator) -> pd.DataFrame:
    """Return every invented provider: org_code, name, kind, icb_code, region_code, size, mff, recorded."""
    icbs = current_icbs()
    rows: list[tuple[str, str, str, str, float]] = []
    for kind, (_, title) in PROVIDER_KINDS.items():
        if kind == "ambulance":
            regions = icbs.groupby("region_code")["population"].sum()
            rows += [(kind, f"{title} {region}", "", region, 1.0) for region in regions.index]
            continue
        for icb in records(icbs):
            code, region = icb["icb_code"], icb["region_code"]
            sizes = np.sort(rng.dirichlet(np.full(_how_many(kind, icb), 8.0)))[::-1]
            rows += [(kind, f"{title} {code} {n}", code, region, size) for n, size in enumerate(sizes, 1)]
    frame = pd.DataFrame(rows, columns=["kind", "name", "icb_code", "region_code", "size"])
    counter = frame.groupby("kind").cumcount() + 1
    codes = [f"{PROVIDER_KINDS[kind][0]}-{n:03d}" for kind, n in zip(frame["kind"], counter, strict=True)]
    frame.insert(0, "org_code", codes)
    frame["mff"] = _market_forces(frame, rng)
    frame["recorded"] = (frame["kind"] == "acute") & (counter % _WITHOUT_RECORDED_COSTS != 0)
    return frame


def flows(frame: pd.DataFrame) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """Return, by kind and ICB, the providers (row numbers) that the ICB's people use and their cumulative shares.

    Acute care crosses borders as the published catchments do; other care stays in the ICB (ambulances: the region).
    """
    regions = dict(zip(current_icbs()["icb_code"], current_icbs()["region_code"], strict=True))
    to: dict[str, dict[str, float]] = {icb: {} for icb in regions}
    for icb, treated_in, share in read("icb_flows")[["icb_code", "treated_in_icb", "share"]].itertuples(index=False):
        to[icb][treated_in] = share
    kinds, icbs = frame["kind"].to_numpy(str), frame["icb_code"].to_numpy(str)
    size, of_region = frame["size"].to_numpy(float), frame["region_code"].to_numpy(str)
    result = {}
    for icb, region in regions.items():
        acute = np.array([to[icb].get(code, 0.0) for code in icbs])
        for kind in PROVIDER_KINDS:
            share = {"ambulance": of_region == region, "acute": acute}.get(kind, icbs == icb)
            weights = np.where(kinds == kind, size * share, 0.0)
            used = np.flatnonzero(weights)
            result[kind, icb] = (used.astype(np.int16), np.cumsum(weights[used] / weights.sum()))
    return result


def organisations(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the `organisations` table: regions, ICBs with their 2026 successions, and the invented providers."""
    icbs, to = read("icbs"), read("icb_successions")
    factors = _factors()
    icb_rows = icbs.merge(to[["icb_code", "successor_code", "share"]], on="icb_code", how="left").assign(
        org_code=lambda d: d["icb_code"], kind="icb", mff=lambda d: _mff_of(d, factors)
    )
    icb_rows = icb_rows.rename(columns={"share": "successor_share"})
    regions = icbs.drop_duplicates("region_code").assign(
        org_code=lambda d: d["region_code"],
        name=lambda d: d["region_name"],
        kind="region",
        icb_code=None,
        valid_from="2022-07-01",
        valid_to="",
        mff=lambda d: d["region_code"].map(factors),
    )
    ours = frame.assign(valid_from="2022-07-01", valid_to="", icb_code=frame["icb_code"].replace("", None))
    table = pd.concat([icb_rows, regions, ours], ignore_index=True)
    columns = ["org_code", "name", "kind", "icb_code", "region_code", "mff", "valid_from", "valid_to"]
    table = table[[*columns, "successor_code", "successor_share"]]
    for column in ("valid_from", "valid_to"):
        table[column] = [date.fromisoformat(v) if v else None for v in table[column]]
    table["successor_code"] = table["successor_code"].astype(object).where(table["successor_code"].notna(), None)
    return table.sort_values(["kind", "org_code", "successor_code"]).reset_index(drop=True)


def _how_many(kind: str, icb: dict[str, Any]) -> int:
    if kind == "acute":
        return max(1, icb["acute_trusts"])
    if kind == "mental_health":
        return 1
    people_each = {"community": 900_000, "primary_care": 250_000, "social_care": 500_000}[kind]
    return max(1, round(icb["population"] / people_each))


def _factors() -> dict[str, float]:
    """Return the mean published market forces factor of each ICB that has one, and of each region."""
    table = read("mff")
    known = table[table["icb_code"] != ""].groupby("icb_code")["mff"].mean().to_dict()
    return known | table[table["region_code"] != ""].groupby("region_code")["mff"].mean().to_dict()


def _mff_of(frame: pd.DataFrame, factors: dict[str, float]) -> np.ndarray:
    return np.array([factors.get(i, factors[r]) for i, r in zip(frame["icb_code"], frame["region_code"], strict=True)])


def _market_forces(frame: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Return a factor near the published mean of the provider's ICB (else region), but no real provider's own."""
    near = _mff_of(frame, _factors()) * np.exp(rng.normal(0, 0.004, len(frame)))
    return np.clip(near, 1.0, None).round(6)
