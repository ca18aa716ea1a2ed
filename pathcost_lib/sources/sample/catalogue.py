"""What a contact can be: every combination of POD, currency, diagnosis and procedure, and the journeys that use them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pathcost_lib.codes import PODS, SETTINGS
from pathcost_lib.sources.sample.reference import BANDS, POD_CODES, POD_INDEX, SEXES, read

__all__ = ["Catalogue", "Contact", "Index", "Journey", "load_journeys"]

_COLUMNS = ("pod", "currency_code", "primary_diagnosis", "primary_procedure")
#: Correlation of a long stay with severity.
STAY_WITH_SEVERITY = 0.7


@dataclass(frozen=True)
class Contact:
    """A kind of contact round an index event: how many are to be expected, and when."""

    pod: int
    item: int
    mean: float
    from_day: int
    to_day: int
    after_discharge: bool
    severity: float
    stay: float
    units: float
    fill: bool

    @property
    def spread(self) -> float:
        """Half the variance of the log mean over patients; taken off, it leaves the mean as stated."""
        cross = 2 * self.severity * self.stay * STAY_WITH_SEVERITY
        return 0.5 * (self.severity**2 + self.stay**2 + cross)


@dataclass(frozen=True)
class Index:
    """One form of the index event: its items from least to most severe, their cumulative shares, mean nights."""

    pod: int
    items: np.ndarray
    cumulative: np.ndarray
    nights: float


@dataclass(frozen=True)
class Journey:
    """An index event (None for the background's admissions), its short form if any, deaths, and contacts."""

    name: str
    index: Index | None
    short: Index | None
    short_share: float
    death_in_stay: float
    death_after: float
    contacts: tuple[Contact, ...]


@dataclass
class Catalogue:
    """Items by number; rows of activity carry the number. `choice[pod]` holds the background mix by sex and band."""

    items: pd.DataFrame
    choice: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    @classmethod
    def from_reference(cls) -> Catalogue:
        """Build the background's items and, for each POD, which are drawn at what sex and age."""
        mix = read("currency_mix")
        catalogue = cls(mix[[*_COLUMNS, "mean_nights"]].copy())
        for pod, rows in mix.groupby("pod"):
            weights = np.stack([[_weights(rows, sex, band) for band in BANDS] for sex in SEXES])
            cumulative = np.cumsum(weights / weights.sum(axis=2, keepdims=True), axis=2)
            catalogue.choice[POD_INDEX[pod]] = (rows.index.to_numpy(np.int16), cumulative)
        return catalogue

    def item(self, pod: str, currency: str, diagnosis: str = "", procedure: str = "", nights: float = 6.0) -> int:
        """Return the number of an item, adding it if it is new."""
        key = dict(zip(_COLUMNS, (pod, currency, diagnosis, procedure), strict=True))
        same = np.logical_and.reduce([self.items[c].to_numpy() == v for c, v in key.items()])
        if not same.any():
            self.items.loc[len(self.items)] = {**key, "mean_nights": nights}
            return len(self.items) - 1
        return int(np.flatnonzero(same)[0])

    def draw(self, pod: int, sex: np.ndarray, band: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw an item of a POD for each person from the background mix."""
        numbers, cumulative = self.choice[pod]
        if len(numbers) == 1:
            return np.full(len(sex), numbers[0], np.int16)
        drawn = rng.random(len(sex), dtype=np.float32)
        chosen = np.zeros(len(sex), np.int16)
        for step in range(len(numbers) - 1):
            chosen += drawn >= cumulative[:, :, step].astype(np.float32)[sex, band]
        return numbers[chosen]

    def finish(self) -> None:
        """Work out the arrays by item once all items are there."""
        pods = self.items["pod"].map(POD_INDEX)
        self.pod = pods.to_numpy(np.int8)
        self.nights = self.items["mean_nights"].to_numpy(float)
        self.setting = np.array([SETTINGS.index(PODS[POD_CODES[p]].setting) for p in pods], np.int8)
        self.unit_cost = _unit_costs(self.items)


def load_journeys(catalogue: Catalogue) -> tuple[list[Journey], dict[int, Journey]]:
    """Read `journeys.toml`: the eight journeys, and what goes with the background's admissions (by POD)."""
    raw = tomllib.loads(Path(__file__).with_name("journeys.toml").read_text(encoding="utf-8"))
    journeys = [_journey(name, entry, catalogue) for name, entry in raw["journey"].items()]
    spells = {POD_INDEX[pod]: _journey(pod, entry, catalogue) for pod, entry in raw["spell"].items()}
    return journeys, spells


def _journey(name: str, raw: dict[str, Any], catalogue: Catalogue) -> Journey:
    index, short, death = raw.get("index"), raw.get("short"), raw.get("death", {})
    if short:
        short = {**index, **short}
    return Journey(
        name=name,
        index=_index(index, catalogue) if index else None,
        short=_index(short, catalogue) if short else None,
        short_share=short["share"] if short else 0.0,
        death_in_stay=death.get("in_stay", 0.0),
        death_after=death.get("after", 0.0),
        contacts=tuple(_contact(c, catalogue) for c in raw["contact"]),
    )


def _index(raw: dict[str, Any], catalogue: Catalogue) -> Index:
    codes = (raw.get("diagnosis", ""), raw.get("procedure", ""))
    items = [catalogue.item(raw["pod"], currency, *codes, raw["nights"]) for currency in raw["currency"]]
    weight = np.array(raw["weight"], float)
    return Index(POD_INDEX[raw["pod"]], np.array(items, np.int16), np.cumsum(weight / weight.sum()), raw["nights"])


def _contact(raw: dict[str, Any], catalogue: Catalogue) -> Contact:
    pod, currency = raw["pod"], raw.get("currency")
    return Contact(
        pod=POD_INDEX[pod],
        item=catalogue.item(pod, currency, raw.get("diagnosis", "")) if currency else -1,
        mean=raw["mean"],
        from_day=raw["days"][0],
        to_day=raw["days"][1],
        after_discharge=raw.get("after") == "discharge",
        severity=raw.get("severity", 0.0),
        stay=raw.get("stay", 0.0),
        units=raw.get("units", 1.0),
        fill=raw.get("fill", False),
    )


def _weights(rows: pd.DataFrame, sex: str, band: tuple[int, int]) -> np.ndarray:
    """Return the weight of each item of a POD for a sex and age band; all items where none is meant for it."""
    meant = (rows["age_from"] <= band[0]) & (rows["age_to"] >= band[1]) & rows["sex"].isin(["all", sex])
    weights = rows["weight"].to_numpy(float)
    return np.where(meant, weights, 0.0) if meant.any() else weights


def _unit_costs(items: pd.DataFrame) -> np.ndarray:
    """Return each item's national unit cost at 2023-24 prices, in ten-thousandths of a pound; 0 where there is none."""
    published = read("unit_costs").set_index(["pod", "currency_code"])["unit_cost_gbp"]
    keys = pd.MultiIndex.from_frame(items[["pod", "currency_code"]])
    return (published.reindex(keys).fillna(0.0).to_numpy() * 10_000).round().astype(np.int64)
