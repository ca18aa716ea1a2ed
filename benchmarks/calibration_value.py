"""Agreement with the published PROMs of hip and knee replacement; writes docs/calibration-value.md.

Needs the official files (PATHCOST_PUBLIC_DATA, or ../shared/public beside the checkout).
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from pathcost_lib import paths, value
from pathcost_lib.sources.published import read

HERE = Path(__file__).parent
FILES = {
    2016: {
        "hip": "Hip_Replacement_Provider_1617.csv.zip",
        "knee": "Knee_Replacement_Provider_1617.csv.zip",
        "gain": "ProvComm_Hip_and_Knee_Replacement_1617.csv.zip",
        "facts": "Key_Facts_Hip_and_Knee_Replacement_1617.csv.zip",
        "participation": "PartLink_Hip_and_Knee_Replacement_1617.csv.zip",
    },
    2017: {
        "hip": "Hip_Replacements_Provider_1718.csv.zip",
        "knee": "Knee_Replacements_Provider_1718.csv.zip",
        "gain": "ProvComm_Hip_and_Knee_Replacements_1718.csv.zip",
        "facts": "Key_Facts_Hip_and_Knee_Replacements_1718.csv.zip",
        "participation": "PartLink_Hip_and_Knee_Replacements_1718.csv.zip",
    },
}
MEASURES = {
    "eq5d_index": {"hip": "EQ-5D Index", "knee": "EQ-5D Index"},
    "oxford_score": {"hip": "Oxford Hip Score", "knee": "Oxford Knee Score"},
}
TRAITS = [
    "age_band",
    "sex",
    "assisted",
    "symptom_period",
    "previous_surgery",
    "living",
    "disability",
    "heart_disease",
    "high_blood_pressure",
    "stroke",
    "circulation",
    "lung_disease",
    "diabetes",
    "kidney_disease",
    "nervous_system",
    "liver_disease",
    "cancer",
    "depression",
    "arthritis",
]


class Proms:
    """One year's files, each read once."""

    def __init__(self, folder, year):
        files = FILES[year]
        self.year = year
        self.records = {joint: read("proms_records", folder / files[joint]).table for joint in ("hip", "knee")}
        self.gain = read("proms_gain", folder / files["gain"]).table
        self.facts = read("proms_key_facts", folder / files["facts"]).table
        self.participation = read("proms_participation", folder / files["participation"]).table

    def modelled(self, joint, measure, kind=None):
        """Records with a score before and after and a published prediction: those that NHS Digital modelled."""
        rows = self.records[joint]
        rows = rows.assign(
            pre=rows[f"{measure}_pre"], post=rows[f"{measure}_post"], predicted=rows[f"{measure}_predicted"]
        )
        rows = rows.dropna(subset=["pre", "post", "predicted"])
        rows = rows.assign(gain=rows["post"] - rows["pre"])
        return rows if kind is None else rows[rows["revision"] == kind].reset_index(drop=True)

    def published(self, joint, measure, kind=None):
        name = f"{joint.capitalize()} Replacement"
        name = f"Total {name}" if kind is None else f"{name} {kind.capitalize()}"
        return self.gain[(self.gain["procedure"] == name) & (self.gain["measure"] == MEASURES[measure][joint])]

    def england(self):
        """England, ours beside the published, by joint, kind and measure."""
        rows = []
        for joint in ("hip", "knee"):
            for kind in ("primary", "revision"):
                for measure in MEASURES:
                    ours, theirs = self.modelled(joint, measure, kind), self.published(joint, measure, kind)
                    them = theirs[theirs["organisation_type"] == "England"].iloc[0]
                    both = {
                        "year": self.year,
                        "joint": joint,
                        "kind": kind,
                        "measure": measure,
                        "records": len(ours),
                        "published_records": them["records"],
                    }
                    for part in ("pre", "post", "gain"):
                        both |= {part: ours[part].mean(), f"published_{part}": them[part]}
                    rows.append(both)
        return pd.DataFrame(rows)

    def providers(self, joint, measure):
        """Providers of primary replacement, ours beside the published, with our case-mix adjusted gain."""
        ours = self.modelled(joint, measure, "primary")
        fit = value.adjust(ours, "gain", numbers=["pre"], factors=TRAITS)
        table = fit.table.assign(adjusted=fit.table["excess_gain"] + ours["gain"].mean())
        means = table.groupby("provider_code").agg(
            n=("gain", "size"),
            pre=("pre", "mean"),
            post=("post", "mean"),
            gain=("gain", "mean"),
            adjusted=("adjusted", "mean"),
        )
        theirs = self.published(joint, measure, "primary")
        theirs = theirs[theirs["organisation_type"] == "Provider"].set_index("org_code")
        return means.join(
            theirs[["records", "pre", "post", "gain", "adjusted_gain"]].add_prefix("published_"), how="outer"
        ), fit

    def agreement(self, joint, measure):
        """How many providers have the published count and means, and how the adjusted gains correlate."""
        table, fit = self.providers(joint, measure)
        told = table.dropna(subset=["published_records"])
        both = told.dropna(subset=["n"])
        same = both[both["n"] == both["published_records"]]
        apart = (
            same[["pre", "post", "gain"]] - same[["published_pre", "published_post", "published_gain"]].to_numpy()
        ).abs()
        large = both[both["published_records"] >= 30].dropna(subset=["published_adjusted_gain"])
        r, raw = (float(np.corrcoef(large[c], large["published_adjusted_gain"])[0, 1]) for c in ("adjusted", "gain"))
        return {
            "year": self.year,
            "joint": joint,
            "measure": measure,
            "providers": len(told),
            "not_in_records": len(told) - len(both),
            "same_count": len(same),
            "largest_count_difference": int((both["n"] - both["published_records"]).abs().max()),
            "worst_mean": float(apart.max().max()),
            "compared": len(large),
            "r": r,
            "r_unadjusted": raw,
            "r_squared": fit.r_squared,
            "largest_difference": float((large["adjusted"] - large["published_adjusted_gain"]).abs().max()),
        }

    def returned(self):
        """Records in the file beside second questionnaires returned and linked, and shares improved beside the key facts."""
        rows = []
        england = self.participation[self.participation["org_code"] == "England"].set_index("procedure")
        for joint in ("hip", "knee"):
            name = f"{joint.capitalize()} Replacement"
            linked = sum(england.loc[f"{kind}_{joint}", "returned"] for kind in ("primary", "revision"))
            for kind in ("primary", "revision"):
                facts = self.facts[
                    (self.facts["organisation_type"] == "England")
                    & (self.facts["procedure"] == f"{name} {kind.capitalize()}")
                    & (self.facts["measure"] == "EQ-5D Index")
                ].iloc[0]
                held = (
                    self.records[joint].query("revision == @kind").dropna(subset=["eq5d_index_pre", "eq5d_index_post"])
                )
                better = (held["eq5d_index_post"] > held["eq5d_index_pre"]).mean()
                rows.append(
                    {
                        "year": self.year,
                        "joint": joint,
                        "kind": kind,
                        "records": len(self.records[joint]),
                        "returned": linked,
                        "with_both": len(held),
                        "facts_total": facts["total"],
                        "improved_pct": 100 * better,
                        "facts_improved_pct": facts["improved_pct"],
                    }
                )
        return pd.DataFrame(rows)

    def rates(self):
        """England's participation, linkage and response."""
        table = self.participation
        return table[(table["org_code"] == "England") & table["procedure"].isin(["hip", "knee"])].assign(year=self.year)

    def cost_per_qaly(self, years=10.0):
        """Cost per QALY at the national unit cost (2023/24) of the primary replacement, elective and day case by activity."""
        costs = pd.read_csv(paths.reference() / "unit_costs.csv")
        rows = []
        for joint, root in (("hip", "HN12"), ("knee", "HN22")):
            part = costs[costs["currency_code"].str.startswith(root) & costs["pod"].isin(["elective", "day_case"])]
            unit = np.average(part["unit_cost_gbp"], weights=part["activity"])
            ours = self.modelled(joint, "eq5d_index", "primary")
            frame = pd.DataFrame(
                {"joint": joint, "cost_gbp": unit, "qalys": ours["gain"] * value.discounted_years(years)}
            )
            rows.append(
                value.cost_per_outcome(
                    frame, by="joint", cost="cost_gbp", effect="qalys", draws=200, rng=np.random.default_rng(1)
                ).table
            )
        return pd.concat(rows).assign(year=self.year)


def markdown(frame, formats=None):
    form = formats or {}
    lines = ["| " + " | ".join(frame.columns) + " |", "|" + "---|" * frame.shape[1]]
    for row in frame.to_dict("records"):
        lines.append("| " + " | ".join(form.get(k, "{}").format(v) for k, v in row.items()) + " |")
    return "\n".join(lines)


def main():
    folder = Path(os.environ.get("PATHCOST_PUBLIC_DATA", HERE.parents[1] / "shared" / "public")) / "proms_hip_knee"
    if not folder.is_dir():
        print(f"The official PROMs files are not in {folder}: set PATHCOST_PUBLIC_DATA to the folder of publications.")
        return
    years = [Proms(folder, year) for year in FILES]
    england = pd.concat([y.england() for y in years])
    agreement = pd.DataFrame(
        [y.agreement(joint, measure) for y in years for joint in ("hip", "knee") for measure in MEASURES]
    )
    three = "{:.3f}"
    text = (HERE / "calibration-value.template.md").read_text(encoding="utf-8")
    parts = {
        "ENGLAND": markdown(
            england, dict.fromkeys(england.columns[6:], three) | {"records": "{:,}", "published_records": "{:,.0f}"}
        ),
        "AGREEMENT": markdown(
            agreement,
            {
                "worst_mean": "{:.4f}",
                "r": three,
                "r_unadjusted": three,
                "r_squared": three,
                "largest_difference": three,
            },
        ),
        "RETURNED": markdown(
            pd.concat([y.returned() for y in years]),
            {
                "records": "{:,}",
                "returned": "{:,.0f}",
                "with_both": "{:,}",
                "facts_total": "{:,.0f}",
                "improved_pct": "{:.1f}",
                "facts_improved_pct": "{:.1f}",
            },
        ),
        "RATES": markdown(
            pd.concat([y.rates() for y in years])[
                [
                    "year",
                    "procedure",
                    "procedures",
                    "asked",
                    "linked",
                    "sent",
                    "returned",
                    "participation_pct",
                    "linkage_pct",
                    "response_pct",
                ]
            ],
            dict.fromkeys(("participation_pct", "linkage_pct", "response_pct"), "{:.1f}")
            | dict.fromkeys(("procedures", "asked", "linked", "sent", "returned"), "{:,.0f}"),
        ),
        "COST": markdown(
            pd.concat([y.cost_per_qaly() for y in years])[
                ["year", "joint", "pathways", "mean_gbp", "effect", "ratio_gbp", "lower_95", "upper_95"]
            ],
            {"pathways": "{:,}", "effect": "{:.2f}"}
            | dict.fromkeys(("mean_gbp", "ratio_gbp", "lower_95", "upper_95"), "{:,.0f}"),
        ),
    }
    for name, table in parts.items():
        text = text.replace(f"<!-- {name} -->", table)
        print(f"{name}\n{table}\n")
    (HERE.parent / "docs" / "calibration-value.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
