"""How costs answer to volume: fixed, semi-fixed and variable shares by point of delivery.

What of the semi-fixed share goes or comes with a change of volume, in whole steps of capacity: see `scenarios.release`.
"""

from __future__ import annotations

import pandas as pd

from pathcost_lib import paths
from pathcost_lib.codes import PODS
from pathcost_lib.errors import InputError

__all__ = ["all_behaviour", "check_behaviour"]

_SHARES = ["fixed_share", "semi_fixed_share", "variable_share"]


def check_behaviour(table: pd.DataFrame) -> pd.DataFrame:
    """Check a table of cost behaviour and return it with every column that the ledger reads.

    Parameters
    ----------
    table : DataFrame
        pod, fixed_share, semi_fixed_share, variable_share (0 to 1, summing to 1), and if wanted provider_code (missing:
        any provider).

    Raises
    ------
    InputError
        If a column is missing, a POD is unknown, a share is outside 0 to 1, shares do not sum to 1 (to a
        millionth), or a POD and provider are listed twice.
    """
    missing = [c for c in ["pod", *_SHARES] if c not in table]
    if missing:
        raise InputError(f"Cost behaviour: column {', '.join(missing)} is missing.")
    out = table[["pod", *_SHARES]].copy()
    out["provider_code"] = table["provider_code"].astype("string") if "provider_code" in table else None
    out["provider_code"] = out["provider_code"].astype("string")
    unknown = sorted(set(out["pod"]) - set(PODS))
    if unknown:
        raise InputError(f"Cost behaviour: pod {', '.join(unknown)} is not known. Allowed: {', '.join(PODS)}.")
    wrong = ~out[_SHARES].ge(0).all(axis=1) | ((out[_SHARES].sum(axis=1) - 1).abs() > 1e-6)
    if wrong.any():
        pods = ", ".join(out.loc[wrong, "pod"].unique())
        raise InputError(f"Cost behaviour: shares of {pods} must each be 0 or more and sum to 1.")
    if out.duplicated(["pod", "provider_code"]).any():
        raise InputError("Cost behaviour: a POD and provider are listed twice.")
    return out


def all_behaviour(own: pd.DataFrame | None) -> pd.DataFrame:
    """Return the user's own behaviour, marked as going before all else, on top of the reference one."""
    reference = check_behaviour(pd.read_csv(paths.reference() / "behaviour.csv")).assign(overrides=0)
    if own is None:
        return reference
    return pd.concat([check_behaviour(own).assign(overrides=1), reference], ignore_index=True)
