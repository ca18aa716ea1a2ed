"""What each file of attacks asks of each attack: silent on what is honest, not silent on its plant, and refused."""

from __future__ import annotations

import functools

import numpy as np
import planted
import pytest
import samples
from published import ATTACKS, Found, Held

from pathcost_lib.errors import InputError
from pathcost_lib.packs.attack import attack, attack_one
from pathcost_lib.packs.audit import audit_pack

#: What everybody may know.
PUBLIC = {
    "people": samples.PEOPLE,
    "expected": samples.EXPECTED,
    "gain_sd": samples.GAIN_SD,
    "inflation": samples.INFLATION,
    "tariff": {"knee_replacement": 6_312.57},
}


@functools.cache
def held(seed: int) -> Held:
    """Return what a reader holds of a sample, and what she knows of herself: she is the second dearest patient."""
    dearest = {}
    for area in samples.AREAS:
        for year in samples.YEARS:
            costs = np.sort(samples.sample(seed).pounds(icb_code=area, year=year, pathway="knee"))
            dearest[f"{year}/{area}"] = (len(costs), costs[-2], costs[-1])
    again = {
        n: {"07_value": samples.notebook([t[seed] for t in tables])} for n, tables in samples.drawn_again().items()
    }
    return Held({**samples.published(seed), **again}, public={**PUBLIC, "dearest": dearest})


def check_honest(name: str) -> None:
    """Run an attack over all samples: it finds nothing of fewer than eight, but in packs that the product refuses."""
    found = {}
    for seed in samples.SEEDS:
        leaks = [leak for leak in ATTACKS[name].run(held(seed)) if _of_few(leak, seed)]
        if leaks and not _is_refused(held(seed)):
            found[seed] = leaks
    assert not found, (len(found), next(iter(found.items())))


def _of_few(leak: Found, seed: int) -> bool:
    """Say whether a cell that is named by area, year, pathway and split is of fewer than eight people or contacts."""
    if leak.table.split(" ")[0] not in samples.AREAS:
        return True
    area, year, pathway, *split = leak.table.split(" ")
    wanted = dict(part.split("=") for part in split)
    rows = samples.summary(samples.sample(seed), [*wanted], icb_code=area, year=year, pathway=pathway)
    row = next(r for r in rows if all(r[c] == v for c, v in wanted.items()))
    return any(0 < row[c] < samples.FEWEST for c in ("pathways", "seen_pathways", "contacts"))


def _is_refused(out: Held) -> bool:
    """Say whether packs would not be built: by the audit of each, or by the attack on all of them."""
    shown = {pack: books for pack, books in out.payloads.items() if pack[:2] == "20"}
    return bool(attack(shown) or any(attack_one(p, b) or list(audit_pack(b)) for p, b in shown.items()))


def check_planted(name: str) -> None:
    """Plant what an attack looks for, in the first sample, and run it."""
    assert _found(name), f"{name} does not find its own plant"


def _found(name: str) -> list[Found]:
    attack = ATTACKS[name]
    return list(attack.run(attack.plant(held(0))))


def check_refused(name: str) -> None:
    """Hold what has the plant, and what has not, against the product's own attacks: they refuse the first alone."""
    attack = ATTACKS[name]
    planted.refused(held(0), attack.refused)
    with pytest.raises(InputError):
        planted.refused(attack.plant(held(0)), attack.refused)
