"""Who an area is compared with: areas by their rows, areas by what they share, those most like it, or itself before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import pandas as pd

from pathcost_lib.comparators.alike import alike
from pathcost_lib.comparators.files import Shared, Statistics, definition_digest, read
from pathcost_lib.comparators.prices import price_digests, unlike_prices
from pathcost_lib.errors import InputError
from pathcost_lib.sources.comparator import (
    EVERYWHERE,
    FEWEST_AREAS,
    NO_OTHER,
    Compared,
    allowances,
    contacts_of,
    named,
    of_areas,
    persons_of,
    thin_areas,
)
from pathcost_lib.sources.comparator import (
    compared_with as by_rows,
)
from pathcost_lib.sources.dataset import Dataset
from pathcost_lib.sources.names import table_or_empty

__all__ = ["ALIKE", "BEFORE", "SHARED", "Club", "compared_with"]

#: What the areas of a club together are called: they are not England.
SHARED = "the areas compared"
#: Values of `reference` that are no place, and what is then compared with is called in a title.
PEERS, ALIKE = "peers", "similar areas"
BEFORE = "the year before"
#: What cannot be compared by what areas share, and why.
NO_COMPARATOR = {
    "medians": "Median days have no comparator: a median of all areas cannot be made from what each shares.",
    "providers": "No comparator from other areas: files hold nothing of single providers, because the few patients "
    "whom an area sends to one could be worked out. Providers stand beside each other, by this area's patients only.",
    "outcomes": "No comparator from other areas: files hold no outcomes of patients.",
}


@dataclass(frozen=True, eq=False)
class Club(Compared):
    """Who is compared with whom, where some may be known by what they share only.

    Attributes
    ----------
    others : Statistics or None
        What the other areas share; None where all are compared by rows.
    lacks : str
        Why the area stands alone, where what is asked for does not serve here.
    everyone : Dataset or None
        All areas that take part, those that the area is not compared with among them; None: there are no more than in
        `dataset`.
    """

    others: Statistics | None = None
    lacks: str = ""
    everyone: Dataset | None = None

    @property
    def widest(self) -> Dataset:
        """The dataset of all areas that take part, whoever of them the area is compared with."""
        return self.dataset if self.everyone is None else self.everyone

    @property
    def before(self) -> bool:
        """Whether the area is compared with itself in the year before."""
        return self.reference == BEFORE

    @property
    def beside(self) -> str:
        """What a title says after the area's name: " beside England"; nothing where it stands alone."""
        return f" beside {BEFORE}" if self.before else super().beside

    @property
    def counted(self) -> list[str]:
        """What counts people of a table of pathways: its own last year's too, where that is what it stands beside."""
        return ["pathways", "reference_pathways"] if self.before else ["pathways"]

    @property
    def note(self) -> str:
        """What must be said of who is compared: all that share, by name, and who does not take part and why."""
        if self.lacks:
            return self.lacks
        if self.before:
            return "Compared with itself in the year before, in the same months and the same year's pounds."
        if self.reference == ALIKE:
            near = ", ".join(code for code in self.areas if code != self.icb)
            return " ".join(filter(None, [f"Compared with the areas most like it: {near}.", self.fewer_note]))
        if self.others is None:
            return super().note
        codes = [code for code in self.areas if code != self.icb]
        many = "1 area" if len(codes) == 1 else f"{len(codes)} areas"
        listed = ", ".join(codes) if len(codes) <= 10 else named(codes)
        texts = [f"Compared with {many} by the statistics that they share: {listed}."] if codes else []
        texts += [f"Not compared: {code} ({why})." for code, why in self.left_out.items()]
        return " ".join(texts)

    def no_comparator(self, what: str) -> str:
        """Return why something has no comparator ("medians", "providers") where others share files; empty by rows."""
        return "" if self.others is None else NO_COMPARATOR[what]

    def without(self, what: str) -> Club:
        """Return the area alone, with the reason, where others share files and those do not hold `what`."""
        if self.others is None:
            return self
        alone = replace(self, reference=NO_OTHER, areas=(self.icb,), left_out={}, others=None)
        return replace(alone, lacks=NO_COMPARATOR[what])

    def settled_with(self, **beside: Any) -> dict[str, Any]:
        """Return what `present.disclose` is told of national figures: nothing where the other areas share files.

        What they share is out. No second area can be hidden to protect this one's small numbers, so the reference goes
        with them: it stands in no group of its own (`apart`), is not shown whatever goes (`exempt`), and nothing is
        settled over areas (`everywhere`).
        """
        if self.others is None and not self.before:
            return beside
        return {name: value for name, value in beside.items() if name not in ("everywhere", "apart", "exempt")}


def compared_with(
    dataset: Dataset,
    reference: str,
    *,
    icb: str,
    year: str,
    allow: str = "",
    compare: str = "",
    definitions: Iterable[Any] = (),
    price_base: str = "",
    years: bool = False,
) -> Club:
    """Return who an area is compared with: by the rows of the data, or by what other organisations share.

    Parameters
    ----------
    dataset, icb, year, allow
        As in `sources.compared_with`.
    reference : str
        As there; or "peers": the ten areas most like it (`alike`), and the area itself, as England holds it too; or
        "year before": the area itself a year earlier.
    compare : str
        Folder of shared files (`files.read`); empty: all areas are compared by the rows of the data. With a folder the
        data's own rows count for the area itself only, and a file of the area itself is not read.
    definitions : iterable of Definition
        Pathways that are linked here; those of every file must be the same. None: no pathway is compared.
    price_base : str
        Financial year of the pounds.
    years : bool
        Whether the analysis can set the area beside its own year before. Where it cannot, the area stands alone then.

    Raises
    ------
    InputError
        As `sources.compared_with`; if another reference than England is asked for beside files; if files differ in
        definitions, price base, national prices, year, months, or in being invented: each with what differs; if fewer
        than three areas are left and that is not allowed.

    Examples
    --------
    >>> compared_with(dataset, "England", icb="QHL", year="2024-25", compare="club")  # doctest: +SKIP
    """
    if not compare:
        return _by_rows(dataset, _called(reference), icb=icb, year=year, allow=allow, years=years)
    if reference != EVERYWHERE:
        raise InputError(
            f"Reference {reference!r} and compare are both asked for. Put the files of the areas that you want into a "
            f"folder, and leave the reference at {EVERYWHERE}."
        )
    own = by_rows(dataset, reference, icb=icb, year=year, allow="few_areas")
    files = [one for one in read(compare) if one.icb != icb]
    digests = {d.name: definition_digest(d) for d in definitions}
    here: dict[str, Any] = {"year": year, "price base": price_base, "months": [str(m) for m in own.months.months]}
    here["invented data"] = bool(own.whole.invented)
    prices = price_digests(table_or_empty(own.whole, "unit_costs"), year)
    _refuse_unlike(files, here, digests, prices)
    per_head = (contacts_of(own.whole, year) / persons_of(own.whole, year)).reindex([icb])
    for one in files:
        per_head[one.icb] = one.manifest["contacts"] / one.manifest["persons"]
    left_out = {} if per_head.isna()[icb] else thin_areas(per_head)
    kept = [one for one in files if one.icb not in left_out and icb not in left_out]
    areas = sorted([icb, *(one.icb for one in kept)])
    if 1 < len(areas) < FEWEST_AREAS and "few_areas" not in allowances(allow):
        raise InputError(
            f"{len(areas)} areas only would be compared ({named(areas)}), {icb} among them: fewer than {FEWEST_AREAS} "
            "say little. Add files, or go on with `--set allow=few_areas`."
        )
    lacking = {one.icb: one.manifest["lacking"] for one in kept}
    tables = [one.table.assign(icb_code=one.icb) for one in kept]
    others = Statistics(pd.concat(tables, ignore_index=True), lacking) if tables else None
    mine = Compared(
        icb,
        year,
        SHARED if others is not None else NO_OTHER,
        tuple(areas),
        left_out,
        own.whole,
        of_areas(own.whole, [icb]),
    )
    return _club(mine, others)


def _called(reference: str) -> str:
    """Return a reference as asked for, what is no place in one spelling: "Peers" and "the year before" are known."""
    text = reference.strip().lower().removeprefix("the ").replace("_", " ")
    return {PEERS: ALIKE, ALIKE: ALIKE, "year before": BEFORE}.get(text, reference)


def _by_rows(dataset: Dataset, reference: str, *, icb: str, year: str, allow: str, years: bool) -> Club:
    """Return who is compared by the rows of the data."""
    place = {"icb": icb, "year": year}
    if reference == EVERYWHERE:
        return _club(by_rows(dataset, reference, **place, allow=allow))
    all_areas = by_rows(dataset, EVERYWHERE, **place, allow="few_areas")
    if reference == BEFORE:
        own = of_areas(all_areas.whole, [icb])
        alone = replace(_club(all_areas), areas=(icb,), left_out={}, dataset=own, everyone=all_areas.dataset)
        lacks = "" if years else "The year before is a comparison of cost per person only, so nothing is compared here."
        return replace(alone, reference=BEFORE if years else NO_OTHER, lacks=lacks)
    if reference == ALIKE:
        # A list is what those that are alike come to.
        near = [] if all_areas.alone else alike(all_areas.dataset, icb, year)
        who = by_rows(dataset, ",".join([*near, icb, ""]), **place, allow=allow) if near else all_areas
        return replace(_club(who), reference=ALIKE if near else NO_OTHER, everyone=all_areas.dataset)
    return replace(_club(by_rows(dataset, reference, **place, allow=allow)), everyone=all_areas.dataset)


def _club(who: Compared, others: Statistics | None = None) -> Club:
    return Club(**{f.name: getattr(who, f.name) for f in fields(Compared)}, others=others)


def _refuse_unlike(
    files: Iterable[Shared],
    here: Mapping[str, Any],
    digests: Mapping[str, str],
    prices: Mapping[str, str],
) -> None:
    """Refuse files that do not count as this analysis does, each with all that differs."""
    lines = []
    for one in files:
        manifest = one.manifest
        there = {"year": manifest["year"], "price base": manifest["price_base"], "months": manifest["months"]}
        there |= {"invented data": bool(manifest["banner"])}
        differs = [what for what in here if there[what] != here[what]]
        unlike = [f"{what} {_said(there[what])}, here {_said(here[what])}" for what in differs]
        for name in sorted({*digests, *(manifest["definitions"] if digests else ())}):
            pair = manifest["definitions"].get(name), digests.get(name)
            if None in pair:
                unlike.append(f"pathway {name} is linked {'here' if pair[0] is None else 'there'} only")
            elif pair[0] != pair[1]:
                unlike.append(f"pathway {name} is defined otherwise")
        unlike += unlike_prices(manifest["prices"], prices)
        if unlike:
            lines.append(f"- {one.file} ({one.icb}): {'; '.join(unlike)}.")
    if lines:
        raise InputError("These files do not count as you do, and are not compared with:\n" + "\n".join(lines))


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value[0]} to {value[-1]} ({len(value)})" if isinstance(value, list) and value else str(value or "none")
