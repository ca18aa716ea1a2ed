"""The planted truths: which effects are in the synthetic England, how large and where, to mark analyses by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pathcost_lib.codes import PODS
from pathcost_lib.sample.reference import EXTRACT, POD_CODES, days_from

__all__ = ["ICB_SD", "PROVIDER_SD", "RESIDUAL_SD", "TRENDS", "CountEffect", "Plan", "provider_effects"]

#: Standard deviations of log cost: between ICBs, between providers of an ICB, and between contacts of a provider.
ICB_SD, PROVIDER_SD, RESIDUAL_SD = 0.06, 0.08, 0.20

#: Growth of demand at a given age, % a year.
TRENDS = {
    "gp_appointment": 2.0, "practice_nurse_appointment": 2.5, "call_111": 3.0, "hear_and_treat": 4.0,
    "see_and_treat": 1.5, "see_and_convey": 0.5, "ae_type1": 1.5, "ae_type3": 3.5, "outpatient_first": 2.5,
    "outpatient_follow_up": 2.5, "outpatient_procedure": 3.0, "diagnostic_imaging": 4.0, "day_case": 3.0,
    "elective": 0.6, "non_elective_short": 2.5, "non_elective": 0.5, "critical_care_day": 0.5,
    "community_contact": 2.0, "rehabilitation_day": 1.0, "mental_health_contact": 4.0,
    "talking_therapy_contact": 3.0, "mental_health_bed_day": -1.0, "social_care_week": 0.0,
}  # fmt: skip


@dataclass(frozen=True)
class CountEffect:
    """Contacts of a POD multiplied by `ratio` from a day on, at one provider or for one ICB's people."""

    truth: str
    pod: str
    ratio: float
    from_day: int
    provider: str | None = None
    icb: str | None = None


@dataclass(frozen=True)
class Plan:
    """Where the effects are. Providers are named by code; keys of `index_cost` and `after` are (journey, provider)."""

    index_cost: dict[tuple[str, str], float]
    after: dict[tuple[str, str], float]
    counts: tuple[CountEffect, ...]
    coverage: dict[str, float]
    quantum_gap: dict[str, float]
    dear_no_better: str

    @classmethod
    def for_providers(cls, providers: pd.DataFrame) -> Plan:
        """Place the effects, each on the nth largest provider of a kind in an ICB."""

        def nth(kind: str, icb: str, n: int) -> str:
            rows = providers[(providers["kind"] == kind) & (providers["icb_code"] == icb)]
            return str(rows["org_code"].iloc[n - 1])

        # Large trusts, so that one in a hundred still leaves enough operations to see the effect by.
        efficient, dear, hip = nth("acute", "QNX", 1), nth("acute", "QNC", 1), nth("acute", "QU9", 1)
        july = days_from("2024-07-01")
        april = days_from("2024-04-01")
        return cls(
            index_cost={
                ("knee_replacement", nth("acute", "QHL", 1)): 1.40,
                ("knee_replacement", nth("acute", "QOP", 1)): 0.70,
                ("knee_replacement", efficient): 0.75,
                ("knee_replacement", dear): 1.10,
                ("hip_replacement", hip): 1.35,
            },
            after={("knee_replacement", efficient): 2.5, ("knee_replacement", dear): 0.25},
            counts=(
                CountEffect("step_change", "ae_type1", 1.35, july, provider=nth("acute", "QHL", 2)),
                CountEffect("cost_shift", "outpatient_follow_up", 0.75, april, icb="QT1"),
                CountEffect("cost_shift", "community_contact", 1.25, april, icb="QT1"),
            ),
            coverage={
                nth("community", "QYG", 1): 0.55,
                nth("community", "QF7", 1): 0.70,
                nth("primary_care", "QHM", 1): 0.60,
                nth("primary_care", "QHM", 2): 0.40,
                nth("primary_care", "QHL", 3): 0.50,
                nth("primary_care", "QJ2", 1): 0.65,
            },
            quantum_gap={nth("acute", "QYG", 1): 0.02},
            dear_no_better=hip,
        )

    def to_json(self, providers: pd.DataFrame) -> dict[str, Any]:
        """Return the truths as `truth.json` holds them."""
        acute = providers[providers["kind"] == "acute"]
        (efficient, dear) = sorted(self.after, key=lambda key: self.index_cost[key])
        outliers = [key for key in self.index_cost if key not in self.after and key[1] != self.dear_no_better]

        def day(number: int) -> str:
            return str(np.datetime64(number, "D"))

        def contrast(key: tuple[str, str]) -> dict[str, Any]:
            return {
                "pathway": key[0],
                "provider_code": key[1],
                "index_cost_ratio": self.index_cost[key],
                "contacts_after_discharge_ratio": self.after[key],
            }

        return {
            "outlier_providers": [
                {
                    "pathway": pathway,
                    "provider_code": provider,
                    "direction": "up" if self.index_cost[pathway, provider] > 1 else "down",
                    "index_cost_ratio": self.index_cost[pathway, provider],
                }
                for pathway, provider in outliers
            ],
            "efficient_operation_expensive_pathway": contrast(efficient),
            "dear_operation_cheap_pathway": contrast(dear),
            "dear_and_no_better": {
                "pathway": "hip_replacement",
                "provider_code": self.dear_no_better,
                "index_cost_ratio": self.index_cost["hip_replacement", self.dear_no_better],
                "outcome_gain_difference": 0.0,
            },
            "variance_components_log_cost": {
                "rows": "A&E and outpatient contacts: recorded over national unit cost, MFF taken out",
                "icb_sd": ICB_SD,
                "provider_sd": PROVIDER_SD,
                "residual_sd": RESIDUAL_SD,
                "provider_log_effect": dict(zip(acute["org_code"], acute["log_effect"].round(6) + 0.0, strict=True)),
                "icb_log_effect": acute.groupby("icb_code")["icb_log_effect"].first().round(6).add(0.0).to_dict(),
            },
            "cost_shift": {
                "icb_code": next(c.icb for c in self.counts if c.truth == "cost_shift"),
                "from_date": day(next(c.from_day for c in self.counts if c.truth == "cost_shift")),
                "contacts_ratio": {c.pod: c.ratio for c in self.counts if c.truth == "cost_shift"},
            },
            "step_change": [
                {"provider_code": c.provider, "pod": c.pod, "from_date": day(c.from_day), "contacts_ratio": c.ratio}
                for c in self.counts
                if c.truth == "step_change"
            ],
            "poor_coverage": [
                {"provider_code": code, "share_of_rows_kept": kept} for code, kept in self.coverage.items()
            ],
            "demand_trend_holds": "at a given age; ageing, births and deaths move crude counts too, by about 1% a year",
            "demand_trend_pct_per_year": {
                pod: TRENDS[pod] for pod in POD_CODES if PODS[pod].unit not in ("bed_day", "week")
            },
            "quantum_gap": [
                {"provider_code": code, "setting": "admitted", "financial_year": "2024-25", "share_of_total": gap}
                for code, gap in self.quantum_gap.items()
            ],
            "uncostable": [
                {
                    "pod": "diagnostic_imaging",
                    "currency_code": "RD99Z",
                    "reason": "no unit cost and no proxy for the POD",
                },
                {
                    "pod": "talking_therapy_contact",
                    "currency_code": "IAPTG",
                    "reason": "no unit cost and no proxy for the POD",
                },
            ],
            "extract": {"from": day(EXTRACT[0]), "to": day(EXTRACT[1])},
        }


def provider_effects(providers: pd.DataFrame, outliers: list[str], rng: np.random.Generator) -> pd.DataFrame:
    """Draw each provider's log cost effect: its ICB's plus its own, scaled so that the planted SDs are exact.

    Planted outliers and their ICBs have none, so that what is planted is what shows.
    """
    free = ~providers["org_code"].isin(outliers).to_numpy()
    quiet = set(providers.loc[~free, "icb_code"])
    icbs = sorted(set(providers["icb_code"]) - {""})
    drawn = _standard(rng, np.array([icb not in quiet for icb in icbs])) * ICB_SD
    icb = providers["icb_code"].map(dict(zip(icbs, drawn, strict=True))).fillna(0.0).to_numpy()
    total = np.zeros(len(providers))
    for kind in ("acute", "community", "mental_health", "ambulance"):
        rows = (providers["kind"] == kind).to_numpy()
        total[rows] = icb[rows] + _standard(rng, free[rows], icb[rows]) * PROVIDER_SD
    return pd.DataFrame({"icb_log_effect": icb, "log_effect": total}, index=providers.index)


def _standard(rng: np.random.Generator, free: np.ndarray, other: np.ndarray | None = None) -> np.ndarray:
    """Draw standard normals, 0 where not free, of mean 0 and SD 1 exactly, and uncorrelated with another effect."""
    draws = rng.standard_normal(len(free)) * free
    columns = [free.astype(float)] if other is None or not other.any() else [free.astype(float), other * free]
    basis = np.stack(columns, axis=1)
    draws = draws - basis @ np.linalg.lstsq(basis, draws, rcond=None)[0]
    return draws / draws.std()
