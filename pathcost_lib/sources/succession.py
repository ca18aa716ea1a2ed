"""A series that follows organisations through mergers and splits: additive measures shared out, others not.

An organisation that ends names who takes over and with what share of it (`organisations.successor_code`,
`successor_share`, `valid_to`). Shares are of people, or of whatever the successions were drawn up by: a share says
where the pounds of a whole organisation went, and nothing of how dear each part was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

import pandas as pd

from pathcost_lib import paths
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.results import Result

__all__ = ["Followed", "follow", "icb_successions", "successors_on"]

#: Shares are counted in millionths, so that those of one organisation sum to it exactly.
_WHOLE = 1_000_000


@dataclass(frozen=True)
class Followed(Result):
    """A table under the organisations of `as_of`.

    `.table` has the keys and measures asked for. `.shared_out` has a row per organisation that ended and successor:
    code, successor_code, share. `.left_out` is measure and reason: what cannot be shared out.
    """

    as_of: date
    shared_out: pd.DataFrame = field(default_factory=pd.DataFrame)
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """What was moved, and what could not be."""
        old = self.shared_out["code"].nunique()
        split = int((self.shared_out.groupby("code").size() > 1).sum()) if old else 0
        texts = [f"Organisations as of {self.as_of.day} {self.as_of:%B %Y}: {old} ended before, {split} of them split."]
        texts += [f"{measure} is left out: {reason}." for measure, reason in self.left_out.items()]
        return " ".join(texts)


def icb_successions() -> pd.DataFrame:
    """Return the successions of ICBs (42 to 36 in April 2026) in the columns that `follow` reads."""
    table = pd.read_csv(paths.reference() / "icb_successions.csv")
    ended = pd.to_datetime(table["valid_from"]) - pd.Timedelta(days=1)
    return pd.DataFrame(
        {
            "org_code": table["icb_code"],
            "valid_to": ended.dt.date,
            "successor_code": table["successor_code"],
            "successor_share": table["share"],
        }
    )


def follow(
    table: pd.DataFrame,
    organisations: pd.DataFrame,
    as_of: date | str,
    *,
    organisation: str = "icb_code",
    additive: Iterable[str],
    ratios: Mapping[str, tuple[str, str]] | None = None,
) -> Followed:
    """Put a table of organisations under those of another date, as if they had been there all along.

    Parameters
    ----------
    table : DataFrame
        A row per organisation and whatever else (year, setting). Columns that are neither additive nor ratios nor the
        organisation are keys, except numbers with decimals: a mean cannot be shared out, and is left out with a reason.
    organisations : DataFrame
        org_code, valid_to (last day), successor_code, successor_share: our table of organisations, or
        `icb_successions()`. A chain of successions is followed to its end.
    as_of : date or str
        The day whose organisations are wanted.
    organisation : str
        Column that holds the organisation.
    additive : iterable of str
        Counts and pence. Whole numbers stay whole, and their total is kept exactly: what is shared out is rounded by
        cumulative division, the last successor taking the rest.
    ratios : mapping of str to (str, str), optional
        Measure to the two additive ones that it is the first over the second of; worked out anew from those.

    Returns
    -------
    Followed
        The table, what was shared out, and what was left out and why.

    Raises
    ------
    InputError
        If a column is missing, the shares of an organisation do not sum to one, or successions go round in a ring.

    Notes
    -----
    Cumulative division: of a whole number n shared by s1, s2, ... (millionths), part k is n(s1+...+sk)//10^6 less
    n(s1+...+sk-1)//10^6, so that the parts sum to n whatever n is. Shares that a publisher rounded to four decimals
    (0.2293 + 0.5886 + 0.1821) are taken as they are; their sum may be off by a thousandth and is scaled to one.
    """
    measures, quotients = list(additive), dict(ratios or {})
    day = date.fromisoformat(str(as_of)[:10])
    for name in (organisation, *measures):
        require_one_of(name, map(str, table.columns), what="Column")
    for parts in quotients.values():
        for name in parts:
            require_one_of(name, measures, what="A ratio is of additive measures;")
    rest = [name for name in table.columns if name not in (organisation, *measures, *quotients)]
    means = [name for name in rest if pd.api.types.is_float_dtype(table[name])]
    keys = [name for name in rest if name not in means]
    shares = _shares(organisations, day, sorted(set(table[organisation])))
    rows = table.merge(shares, left_on=organisation, right_on="code")
    for name in measures:
        rows[name] = _parts(rows[name], rows["before"], rows["share"])
    rows[organisation] = rows["successor_code"]
    summed = rows.groupby([organisation, *keys], dropna=False, sort=True)[measures].sum(min_count=1).reset_index()
    for name, (top, bottom) in quotients.items():
        summed[name] = summed[top] / summed[bottom].where(summed[bottom] != 0)
    order = [name for name in table.columns if name in summed] + [n for n in quotients if n not in table]
    moved = shares[shares["code"] != shares["successor_code"]].reset_index(drop=True)
    return Followed(
        summed[order],
        as_of=day,
        shared_out=moved[["code", "successor_code"]].assign(share=moved["share"] / _WHOLE),
        left_out=dict.fromkeys(means, "a mean or a ratio has no share: give the parts that it is made of"),
    )


def successors_on(organisations: pd.DataFrame, day: date, codes: Iterable[str]) -> pd.DataFrame:
    """Return who each organisation is on a day: code, successor_code, share (those of one code sum to 1).

    Parameters
    ----------
    organisations, day
        As in `follow`.
    codes : iterable of str
        The organisations asked about.

    Raises
    ------
    InputError
        If the shares of an organisation do not sum to one, or successions go round in a ring.
    """
    shares = _shares(organisations, day, list(codes))
    return shares[["code", "successor_code"]].assign(share=shares["share"] / _WHOLE)


def _parts(whole: pd.Series, before: pd.Series, share: pd.Series) -> pd.Series:
    """Return the part of each: exact in whole numbers, proportional in others."""
    if pd.api.types.is_float_dtype(whole):
        return whole * share / _WHOLE
    # In Python's own integers: pence times a million may pass what 64 bits hold.
    parts = [
        None if pd.isna(n) else int(n) * (b + s) // _WHOLE - int(n) * b // _WHOLE
        for n, b, s in zip(whole, before.tolist(), share.tolist(), strict=True)
    ]
    return pd.Series(parts, index=whole.index, dtype=whole.dtype)


def _shares(organisations: pd.DataFrame, day: date, codes: list[str]) -> pd.DataFrame:
    """Return who each organisation is on a day: successor, share, and the sum of the shares before it (millionths)."""
    ended = organisations.dropna(subset=["valid_to", "successor_code"])
    ended = ended[pd.to_datetime(ended["valid_to"]) < pd.Timestamp(day)].drop_duplicates(["org_code", "successor_code"])
    steps: dict[str, list[tuple[str, float]]] = {}
    shares = ended["successor_share"].astype(float).fillna(1.0)
    for code, successor, share in zip(ended["org_code"], ended["successor_code"], shares, strict=True):
        steps.setdefault(code, []).append((successor, share))
    for code, parts in steps.items():
        total = sum(share for _, share in parts)
        if abs(total - 1) > 0.001:
            raise InputError(f"The successors of {code} have shares that sum to {total:.4f}. Allowed: 1.")
    rows = []
    for code in codes:
        before = 0
        parts = sorted(_ends(code, steps, ()).items())
        total = sum(share for _, share in parts)
        for n, (successor, share) in enumerate(parts):
            # The last takes what is left, so that the shares are one.
            millionths = _WHOLE - before if n == len(parts) - 1 else round(share / total * _WHOLE)
            rows.append((code, successor, millionths, before))
            before += millionths
    return pd.DataFrame(rows, columns=["code", "successor_code", "share", "before"])


def _ends(code: str, steps: Mapping[str, list[tuple[str, float]]], seen: tuple[str, ...]) -> dict[str, float]:
    """Follow an organisation to those that are there, with the share of it that each has."""
    if code in seen:
        raise InputError(f"The successions of {code} go round in a ring: {' to '.join((*seen, code))}.")
    if code not in steps:
        return {code: 1.0}
    ends: dict[str, float] = {}
    for successor, share in steps[code]:
        for end, part in _ends(successor, steps, (*seen, code)).items():
            ends[end] = ends.get(end, 0.0) + share * part
    return ends
