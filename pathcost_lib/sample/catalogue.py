"""What a contact can be: each combination of POD, currency, diagnosis and procedure, and the journeys that use them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pathcost_lib.codes import PODS, SETTINGS
from pathcost_lib.sample.reference import BANDS, POD_INDEX, SEXES, prices, read

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


class Catalogue:
    """Items by number; rows of activity carry the number.

    `items` are (pod, currency, diagnosis, procedure); `choice[pod]` is the background mix: item numbers, and their
    cumulative shares by sex and band. The arrays by item are there after `finish`.
    """

    def __init__(self) -> None:
        mix = read("currency_mix")
        self.items: list[tuple[str, ...]] = list(mix[list(_COLUMNS)].itertuples(index=False, name=None))
        self._nights: list[float] = mix["mean_nights"].astype(float).tolist()
        self.choice: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for pod, rows in mix.groupby("pod"):
            weights = _weights(rows)
            cumulative = np.cumsum(weights / weights.sum(axis=2, keepdims=True), axis=2)
            self.choice[POD_INDEX[str(pod)]] = (rows.index.to_numpy(np.int16), cumulative.astype(np.float32))

    def item(self, pod: str, currency: str, diagnosis: str = "", procedure: str = "", nights: float = 6.0) -> int:
        """Return the number of an item, adding it if it is new."""
        key = (pod, currency, diagnosis, procedure)
        if key not in self.items:
            self.items.append(key)
            self._nights.append(nights)
        return self.items.index(key)

    def draw(self, pod: int, sex: np.ndarray, band: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw an item of a POD for each person from the background mix."""
        numbers, cumulative = self.choice[pod]
        drawn = rng.random(len(sex), dtype=np.float32)
        chosen = np.zeros(len(sex), np.int16)
        for step in range(len(numbers) - 1):
            chosen += drawn >= cumulative[:, :, step][sex, band]
        return numbers[chosen]

    def finish(self) -> None:
        """Work out the arrays by item once all items are there: POD, setting, usual nights, national unit cost."""
        self.pod = np.array([POD_INDEX[item[0]] for item in self.items], np.int8)
        self.setting = np.array([SETTINGS.index(PODS[item[0]].setting) for item in self.items], np.int8)
        self.nights = np.array(self._nights)
        national = prices()
        published = national.set_index(["pod", "currency_code"])["unit_cost_gbp"].to_dict()
        typical = national.groupby("pod")["unit_cost_gbp"].mean()
        pounds = [published.get(item[:2], typical[item[0]]) for item in self.items]
        #: Ten-thousandths of a pound at 2023-24 prices; the POD's mean where no price is published: it cost something.
        self.unit_cost = (np.array(pounds) * 10_000).round().astype(np.int64)


def load_journeys(catalogue: Catalogue) -> tuple[list[Journey], dict[int, Journey]]:
    """Read `journeys.toml`: the eight journeys, and what goes with the background's admissions (by POD)."""
    raw = tomllib.loads(Path(__file__).with_name("journeys.toml").read_text(encoding="utf-8"))
    journeys = [_journey(name, entry, catalogue) for name, entry in raw["journey"].items()]
    spells = {POD_INDEX[pod]: _journey(pod, entry, catalogue) for pod, entry in raw["spell"].items()}
    return journeys, spells


def _journey(name: str, raw: dict[str, Any], catalogue: Catalogue) -> Journey:
    index, short, death = raw.get("index"), raw.get("short"), raw.get("death", {})
    if index and short:
        short = index | short
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


def _weights(rows: pd.DataFrame) -> np.ndarray:
    """Return the weight of each item of a POD by sex and age band; all items where none is meant for it."""
    first, last = (rows[c].to_numpy() for c in ("age_from", "age_to"))
    weights, meant_for = rows["weight"].to_numpy(float), rows["sex"].to_numpy(str)
    result = np.empty((len(SEXES), len(BANDS), len(rows)))
    for s, sex in enumerate(SEXES):
        for b, band in enumerate(BANDS):
            meant = (first <= band[0]) & (last >= band[1]) & ((meant_for == "all") | (meant_for == sex))
            result[s, b] = np.where(meant, weights, 0.0) if meant.any() else weights
    return result
