"""What each contact cost its provider, what the price list says, and the providers' audited totals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pathcost_lib.codes import PODS, SETTINGS
from pathcost_lib.sample.activity import Rows
from pathcost_lib.sample.reference import EXTRACT, POD_CODES, YEARS, days_from, prices, read
from pathcost_lib.sample.truths import RESIDUAL_SD
from pathcost_lib.sample.world import World

__all__ = ["RECORDED_SETTINGS", "quantum", "spent_in", "true_costs", "unit_costs", "year_of"]

#: Settings in which acute trusts cost each contact.
RECORDED_SETTINGS = ("emergency", "outpatient", "admitted")
#: PODs with no proxy, so that a currency without a price has no cost.
_NO_PROXY = ("diagnostic_imaging", "talking_therapy_contact")
#: Share of a stay's cost that goes with its nights.
_NIGHTS_SHARE = 0.5
#: Named reconciling items of a provider's audited total, as shares of its patient cost.
_NON_PATIENT, _EXCLUDED = 0.06, 0.03


def true_costs(world: World, rows: Rows, end: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's true cost in pence at its own year's prices, and which of them the provider recorded.

    National unit cost x units x prices of the year x the provider's market forces factor and own effect; for what is
    costed contact by contact also the patient's deviation and, for stays, nights over the usual nights.
    """
    catalogue = world.catalogue
    setting = catalogue.setting[rows.item]
    by_contact = np.isin(setting, [SETTINGS.index(s) for s in RECORDED_SETTINGS])
    log_cost = world.log_level[rows.provider] + rows.log_cost
    log_cost[by_contact] += rng.normal(-0.5 * RESIDUAL_SD**2, RESIDUAL_SD, int(by_contact.sum()))
    usual = catalogue.nights[rows.item]
    has_nights = (rows.nights >= 0) & (usual > 1) & (setting == SETTINGS.index("admitted"))
    stay = np.where(has_nights, 1 + _NIGHTS_SHARE * (rows.nights / np.maximum(usual, 1) - 1), 1.0)
    prices = read("price_index").set_index("financial_year")["gdp_deflator"]
    inflation = np.array([prices[year] / prices["2023-24"] for year, _, _ in YEARS])
    unit = catalogue.unit_cost[rows.item]
    pence = unit * rows.units * inflation[year_of(rows, end)] * np.exp(log_cost) * stay / 100
    recorded = world.providers["recorded"].to_numpy()[rows.provider] & by_contact & (end >= 0)
    return np.rint(pence).astype(np.int64), recorded


def year_of(rows: Rows, end: np.ndarray) -> np.ndarray:
    """Return the financial year (0 or 1) in which each row ends; an open stay counts where it began."""
    return (np.where(end >= 0, end, rows.day) >= days_from(YEARS[1][1])).astype(np.int8)


def spent_in(rows: Rows, end: np.ndarray, cost: np.ndarray) -> list[np.ndarray]:
    """Split each row's cost over the two years by its days, as accounts do: a stay is paid for as it is lived."""
    final = np.where(end < 0, EXTRACT[1], np.maximum(end - 1, rows.day))
    before = np.clip(days_from(YEARS[1][1]) - rows.day, 0, final - rows.day + 1)
    first = cost * before // (final - rows.day + 1)
    return [first, cost - first]


def unit_costs(world: World) -> pd.DataFrame:
    """Return the `unit_costs` table: national prices, some providers' own, and a proxy for each POD but two."""
    national = prices().merge(read("behaviour")[["pod", "fixed_share", "semi_fixed_share", "variable_share"]])
    national["provider_code"] = None
    parts = [national, _proxies(national), _own_prices(world, national)]
    table = pd.concat(parts, ignore_index=True)
    table["unit_cost"] = (table["unit_cost_gbp"].astype(float) * 10_000).round().astype("int64")
    table["provider_code"] = table["provider_code"].astype(object).where(table["provider_code"].notna(), None)
    columns = ["financial_year", "pod", "currency_code", "provider_code", "unit_cost", "unit"]
    columns += ["fixed_share", "semi_fixed_share", "variable_share", "source"]
    return table[columns].sort_values(["pod", "currency_code", "provider_code"], na_position="first", ignore_index=True)


def quantum(world: World, patient_pence: np.ndarray) -> pd.DataFrame:
    """Return the `quantum` table: patient cost plus named non-patient and excluded amounts, and the planted gap.

    Parameters
    ----------
    patient_pence : ndarray of int64, providers x years x settings
        True cost of all contacts, those of poor coverage included: an audited total knows them.
    """
    number, year, setting = np.nonzero(patient_pence)
    pence = patient_pence[number, year, setting]
    table = pd.DataFrame(
        {
            "provider_code": world.providers["org_code"].to_numpy()[number],
            "financial_year": np.array([y for y, _, _ in YEARS])[year],
            "setting": np.array(SETTINGS)[setting],
            "non_patient_pence": np.rint(pence * _NON_PATIENT).astype("int64"),
            "excluded_pence": np.rint(pence * _EXCLUDED).astype("int64"),
        }
    )
    gap = table["provider_code"].map(world.plan.quantum_gap).fillna(0.0)
    gap = gap.where((table["setting"] == "admitted") & (table["financial_year"] == "2024-25"), 0.0)
    total = pence + table["non_patient_pence"] + table["excluded_pence"]
    # A gap is a share of the audited total: what is explained is (1 - gap) of it.
    table.insert(3, "total_cost_pence", np.rint(total / (1 - gap)).where(gap > 0, total).astype("int64"))
    nhs = world.providers["kind"].isin(["acute", "community", "mental_health", "ambulance"]).to_numpy()
    return table[nhs[number]].reset_index(drop=True)


def _proxies(national: pd.DataFrame) -> pd.DataFrame:
    proxies = national.groupby("pod", as_index=False).agg(
        financial_year=("financial_year", "first"),
        unit_cost_gbp=("unit_cost_gbp", "mean"),
        unit=("unit", "first"),
        fixed_share=("fixed_share", "first"),
        semi_fixed_share=("semi_fixed_share", "first"),
        variable_share=("variable_share", "first"),
    )
    proxies = proxies[~proxies["pod"].isin(_NO_PROXY)]
    return proxies.assign(
        currency_code="*", provider_code=None, source="Proxy: plain mean of the POD's national unit costs"
    )


def _own_prices(world: World, national: pd.DataFrame) -> pd.DataFrame:
    """Return prices of every second community and mental health provider: its true level, market forces included."""
    frame = world.providers[world.providers["kind"].isin(["community", "mental_health"])].iloc[::2]
    level = frame["mff"] / read("mff")["mff"].mean() * np.exp(frame["log_effect"])
    parts = []
    for code, kind, ratio in zip(frame["org_code"], frame["kind"], level, strict=True):
        pods = [p for p in POD_CODES if PODS[p].setting == kind]
        own = national[national["pod"].isin(pods)]
        parts.append(
            own.assign(provider_code=code, unit_cost_gbp=own["unit_cost_gbp"] * ratio, source="Provider's own costing")
        )
    return pd.concat(parts)
