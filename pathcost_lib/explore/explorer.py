"""From a view (area, pathway, year, breakdown, how far drilled) to its table, figure, words and code; no widgets here.

One pathway is linked over all areas once and held in the engine; every view after that is a small query of it. What
is shown, saved or offered for drilling has passed `disclose`, on the analyst's own screen too: screens are shared.

Whoever looks can hold every view against every other, so all views of an area's pathway in a year are one system: the
tables of `SPLITS` are settled together the first time, and a view is rows of one of them. What would need another table
is refused.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from pathcost_lib import ledger, pathways
from pathcost_lib.benchmark import icb_view, pathway_cost
from pathcost_lib.benchmark.words import pathway_message
from pathcost_lib.codes import SETTINGS
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.pathways.definition import Definition
from pathcost_lib.pathways.link import Links
from pathcost_lib.present import shapes
from pathcost_lib.present.banner import coverage_sentence
from pathcost_lib.present.disclosure import Disclosed, disclose_together
from pathcost_lib.present.display import FIGURE, TABLE, figure_bundle, table_bundle
from pathcost_lib.present.format import count, interval, pounds, say
from pathcost_lib.sources import Dataset, Relation, names
from pathcost_lib.sources.comparator import EVERYWHERE, FEWEST_AREAS, Compared, compared_with
from pathcost_lib.sources.dated import under_codes_of
from pathcost_lib.sources.quoting import quote_name, quote_value

__all__ = ["BREAKDOWNS", "SPLITS", "Explorer", "Look", "View"]

BREAKDOWNS = {
    "phase": "Phase",
    "setting": "Setting",
    "pod": "Point of delivery",
    "provider_code": "Provider of the care",
    "currency_code": "Currency",
}
#: The way down: whose care, in which part of the pathway, and what it was.
_DRILL = ("provider_code", "phase", "currency_code")
#: What the views of a pathway may be split by, all of it settled together. Few, because each more hides more in the
#: others: with all pairs, or currencies by provider and phase beside all currencies, nothing of a small area is left.
SPLITS: tuple[tuple[str, ...], ...] = (
    *((column,) for column in BREAKDOWNS),
    ("phase", "setting"),
    *((column, "provider_code") for column in BREAKDOWNS if column != "provider_code"),
)
_ROWS_DRAWN = 12
_APART = {"reference_contacts": ["reference_gbp", "reference_lower_95", "reference_upper_95"]}


@dataclass(frozen=True)
class View:
    """What is looked at: one area's pathways that close in a year, split by a breakdown, within what was drilled into.

    `within` holds (breakdown, value) pairs from the outside in: `(("provider_code", "RXX"), ("phase", "before"))`.
    """

    icb: str
    pathway: str
    year: str
    breakdown: str = "provider_code"
    within: tuple[tuple[str, str], ...] = ()

    @property
    def below(self) -> str | None:
        """The breakdown one level down, or None at the bottom: a currency has nothing inside."""
        if self.breakdown == _DRILL[-1]:
            return None
        used = {self.breakdown, *(column for column, _ in self.within)}
        allowed = (column for column in _DRILL if column not in used and _split({*used, column}) is not None)
        return next(allowed, None)

    def into(self, value: str) -> View:
        """Return the view of what makes up one row of this one."""
        if self.below is None:
            return self
        return replace(self, breakdown=self.below, within=(*self.within, (self.breakdown, value)))

    def back(self) -> View:
        """Return the view that this one was reached from."""
        return replace(self, breakdown=self.within[-1][0], within=self.within[:-1]) if self.within else self


def _split(columns: Iterable[str]) -> tuple[str, ...] | None:
    """Return the split of `SPLITS` by these columns, whatever their order; None if there is none."""
    wanted = set(columns)
    return next((split for split in SPLITS if set(split) == wanted), None)


def _inside(frame: pd.DataFrame, view: View) -> np.ndarray:
    """Return which rows of a table lie within what was drilled into."""
    chosen = np.ones(len(frame), dtype=bool)
    for column, value in view.within:
        chosen &= (frame[column] == value).to_numpy()
    return chosen


@dataclass(frozen=True)
class Look:
    """What a view shows.

    Attributes
    ----------
    headline : str
        The whole in a sentence or two, with its interval, and how much of the activity the data hold.
    picture : mapping
        Display bundle of the figure.
    tables : tuple of mapping
        Display bundles of the numbers, and of what they rest on.
    choices : mapping of str to str
        What may be drilled into, label to code: rows that are shown, none that are suppressed.
    """

    headline: str
    picture: Mapping[str, Any]
    tables: tuple[Mapping[str, Any], ...]
    choices: Mapping[str, str]

    @property
    def figure_html(self) -> str:
        """The figure in both its widths, with caption, alternative text and note."""
        words = {key: html.escape(self.picture[FIGURE][key]) for key in ("title", "alt", "note")}
        wide, narrow = (_data_uri(svg) for svg in (self.picture["image/svg+xml"], self.picture[FIGURE]["narrow"]))
        image = f'<source media="(max-width: 640px)" srcset="{narrow}"><img src="{wide}" alt="{words["alt"]}">'
        note = f"<p>{words['note']}</p>" if words["note"] else ""
        return f"<figure><figcaption>{words['title']}</figcaption><picture>{image}</picture>{note}</figure>"

    @property
    def tables_html(self) -> list[str]:
        """Each table in a region that scrolls where it must, with its note."""
        parts = [(b["text/html"], html.escape(b[TABLE]["title"]), html.escape(b[TABLE]["note"])) for b in self.tables]
        region = '<div class="scroll" role="region" tabindex="0" aria-label="{1}">{0}</div><p>{2}</p>'
        return [region.format(*part) for part in parts]

    def _repr_html_(self) -> str:
        return f"<p><strong>{html.escape(self.headline)}</strong></p>{self.figure_html}{self.tables_html[0]}"


def _data_uri(svg: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


class Explorer:
    """The views of a dataset. What is slow (linking a pathway) is done once and kept.

    Parameters
    ----------
    dataset : Dataset
    price_base : str, optional
        Financial year of the pounds; the last that the data hold if not given.
    reference : str
        What all areas together are called.
    """

    def __init__(self, dataset: Dataset, *, price_base: str = "", reference: str = "England") -> None:
        self.dataset = dataset
        self.years = names.financial_years(dataset.activity)
        self.price_base = price_base or self.years[-1]
        self.reference = reference
        self.names = names.organisation_names(dataset.organisations)
        self.icbs = names.icb_codes(dataset.activity)
        self.pathways = {name: pathways.load_definition(name) for name in pathways.available()}
        self._held: dict[tuple[str, str], tuple[Links, Relation]] = {}
        self._who: dict[tuple[str, str], Compared] = {}
        self._together: dict[tuple[str, str], Links] = {}
        self._dated: dict[str, tuple[str, Dataset]] = {}
        self._coverage: dict[tuple[str, str], pd.DataFrame] = {}
        self._systems: dict[tuple[str, str, str], dict[tuple[str, ...], Disclosed]] = {}

    def is_held(self, view: View) -> bool:
        """Say whether a view's pathway is linked already: if not, the next look at it takes some seconds."""
        return (view.pathway, self._codes_of(view.year)[0]) in self._held

    def _codes_of(self, year: str) -> tuple[str, Dataset]:
        """Return the tables under a year's codes, and a name for those: one for all years that nothing moves in."""
        if year not in self._dated:
            moved = under_codes_of(self.dataset, year)
            self._dated[year] = ("" if moved is self.dataset else year), moved
        return self._dated[year]

    def _compared_in(self, view: View) -> Compared:
        """Return who is compared with the view's area in its year; too few are as good as none."""
        key = view.icb, view.year
        if key not in self._who:
            dataset = self._codes_of(view.year)[1]
            self._who[key] = compared_with(dataset, EVERYWHERE, icb=view.icb, year=view.year, allow="few_areas")
        return self._who[key]

    def start(self, pathway: str, *, icb: str = "", year: str = "", breakdown: str = "provider_code") -> View:
        """Return a view to begin with: where not given, the area with most pathways and the last year that has any.

        Raises
        ------
        InputError
            If the data hold no complete pathway.
        """
        for closes in [year] if year else reversed(self.years):
            links, codes = self._linked(View(icb, pathway, closes))
            with suppress(InputError):
                table = pathways.summarise(links, codes, by=["icb_code"], year=closes)
                return View(icb or str(table.nlargest(1, "pathways")["icb_code"].iloc[0]), pathway, closes, breakdown)
        raise InputError(f"The data hold no complete {pathway} pathway{f' that closes in {year}' if year else ''}.")

    # -- numbers ------------------------------------------------------------------------------------------------------
    def disclosed(self, view: View) -> Disclosed:
        """Return cost per patient by the view's breakdown, as it may be shown: the dearest first, phases in order.

        Returns
        -------
        Disclosed
            The breakdown's column (codes), and the columns of `benchmark.pathway_cost.compare`. Means are per pathway
            of the area, those without such a contact counted as 0: rows add up to the row that was drilled into.

        Raises
        ------
        InputError
            If the view names what the data do not hold, or the area has no complete pathway that closes in the year.
        """
        require_one_of(view.breakdown, BREAKDOWNS, what="Breakdown")
        data = self._settled(view, {view.breakdown, *dict(view.within)})
        frame, hidden = data.frame, data.hidden["contacts"]
        rows = frame.assign(starred=hidden)[_inside(frame, view)]
        if view.breakdown in ("phase", "setting"):
            rows["place"] = rows[view.breakdown].map({v: n for n, v in enumerate(self._order(view)[view.breakdown])})
            rows = rows.sort_values("place")
        else:
            rows = rows.sort_values(["starred", "mean_gbp", view.breakdown], ascending=[True, False, True])
        places = rows.index.to_numpy()
        kept = [str(c) for c in frame if c not in dict(view.within)]
        small, more = (int(marks[places].sum()) for marks in (data.small, ~data.small & hidden.to_numpy()))
        return replace(data.rows(places).select(kept), primary=small, secondary=more)

    def basis(self, view: View) -> Disclosed:
        """Return what the costs of the view's pathway rest on and how much of the expected activity is held."""
        return self._settled(view, {"setting", "cost_basis"})

    def _settled(self, view: View, columns: Iterable[str]) -> Disclosed:
        """Return one table of the system of the view's area, pathway and year."""
        split = _split(columns) or (("setting", "cost_basis") if "cost_basis" in set(columns) else None)
        if split is None and set(columns):
            raise InputError(
                f"{say(view.breakdown)} within {len(view.within)} others is not shown: all views of a pathway are "
                "settled together, and there are none by so many. Go back a step."
            )
        key = view.icb, view.pathway, view.year
        if key not in self._systems:
            self._systems[key] = self._system(replace(view, within=()))
        return self._systems[key][split or ()]

    def _system(self, view: View) -> dict[tuple[str, ...], Disclosed]:
        """Settle all tables that any view of an area's pathway in a year shows rows of."""
        links, codes = self._linked(view)
        tables: dict[tuple[str, ...], pd.DataFrame] = {(): self._compared(view, [])}
        for split in SPLITS:
            tables[split] = self._compared(view, list(split)) if len(split) == 1 else self._finer(view, split)
        cells = pathways.summarise(links, codes, by=["icb_code", "setting", "cost_basis"], year=view.year)
        resting = pathway_cost.cost_basis(cells, self._covered(view), unit="icb_code", focus=view.icb)
        tables["setting", "cost_basis"] = resting
        named = {"+".join(split): table for split, table in tables.items()}
        by = {"+".join(split): split for split in tables}
        options: dict[str, Any] = {"apart": _APART, "exempt": ["coverage_pct"], "in_order": True}
        options["adds_up"] = "mean_gbp"
        settled = disclose_together(named, counts=["pathways", "seen_pathways", "contacts"], by=by, **options)
        return {by[name]: data for name, data in settled.items()}

    def _finer(self, view: View, split: tuple[str, ...]) -> pd.DataFrame:
        """Return an area's cost by several columns: what is there, beside no other area."""
        links, codes = self._linked(view)
        cells = pathways.summarise(links, codes, by=["icb_code", *split], year=view.year)
        groups = pathways.summarise(links, codes, by=["icb_code"], year=view.year)
        ours, whole = (frame[frame["icb_code"] == view.icb] for frame in (cells, groups))
        table = pathway_cost.compare(ours, whole, unit="icb_code", focus=view.icb, by=split).table
        return table[table["contacts"] > 0].assign(reason="").reset_index(drop=True)

    def _order(self, view: View) -> dict[str, list[str]]:
        return {"phase": [p.name for p in self._definition(view).phases], "setting": list(SETTINGS)}

    def _compared(self, view: View, by: list[str]) -> pd.DataFrame:
        links, codes = self._linked(view)
        whole_links = self._held[view.pathway, self._codes_of(view.year)[0]][0]
        groups = pathways.summarise(whole_links, codes, by=["icb_code"], year=view.year)
        require_one_of(view.icb, self.icbs, what="ICB")
        who = self._compared_in(view)
        areas = who.areas if len(who.areas) >= FEWEST_AREAS else (view.icb,)
        groups = groups[groups["icb_code"].isin(areas)]
        if view.icb not in set(groups["icb_code"]):
            title, area = self._definition(view).title, self.names.get(view.icb, view.icb)
            raise InputError(f"{title}, {area}: no complete pathway closes in {view.year}.")
        cells = pathways.summarise(links, codes, by=["icb_code", *by], year=view.year)
        cells = cells[cells["icb_code"].isin(areas)]
        ours = cells[cells["icb_code"] == view.icb]
        ranks = self._order(view)
        values = {column: set(ours[column]) for column in by}
        order = {c: [v for v in ranks.get(c, sorted(values[c])) if v in values[c]] for c in by}
        table = pathway_cost.compare(cells, groups, unit="icb_code", focus=view.icb, by=by, order=order).table
        if "provider_code" in {*by, *dict(view.within)}:
            # What all areas' patients have at one area's provider says nothing.
            table[table.filter(regex="^(reference|difference)_").columns] = float("nan")
        return table

    def _linked(self, view: View) -> tuple[Links, Relation]:
        """Return the pathway's links within what was drilled into, and the currency of each linked row."""
        require_one_of(view.breakdown, BREAKDOWNS, what="Breakdown")
        require_one_of(view.year, self.years, what="Financial year")
        dated, dataset = self._codes_of(view.year)
        if (view.pathway, dated) not in self._held:
            definition = self._definition(view)
            links = self._linked_together(definition, dated, dataset).of(definition.name)
            codes = dataset.activity.having("activity_id", links.links)
            codes = codes.query("SELECT activity_id, currency_code FROM this").materialise()
            self._held[view.pathway, dated] = links, codes
        links, codes = self._held[view.pathway, dated]
        if not view.within:
            return links, codes
        # Values come from the tables themselves; a quote in one is doubled.
        tests = " AND ".join(f"{quote_name(column)} = {quote_value(value)}" for column, value in view.within)
        return replace(links, links=links.links.query(f"SELECT * FROM this WHERE {tests}")), codes

    def _linked_together(self, definition: Definition, dated: str, dataset: Dataset) -> Links:
        """Return the links of a pathway and of those that are linked with it."""
        key = definition.overlap, dated
        if key not in self._together:
            prices, patients = (names.table_or_empty(dataset, name) for name in ("unit_costs", "patients"))
            costed = ledger.cost_activity(dataset.activity, prices, dataset.organisations, price_base=self.price_base)
            self._together[key] = pathways.link(costed, pathways.linked_with(definition), patients=patients)
        return self._together[key]

    def _definition(self, view: View) -> Definition:
        return self.pathways[require_one_of(view.pathway, self.pathways, what="Pathway")]

    def _covered(self, view: View) -> pd.DataFrame | None:
        key = view.icb, view.year
        if key not in self._coverage:
            dataset = self._codes_of(view.year)[1]
            people = names.table_or_empty(dataset, "population")
            table = icb_view.coverage_of(dataset.activity, people, view.icb, year=view.year)
            self._coverage[key] = table.assign(icb_code=view.icb, reason="")
        return self._coverage[key]

    # -- words --------------------------------------------------------------------------------------------------------
    def label(self, column: str, value: str) -> str:
        """Return how a value of a breakdown is called."""
        return f"{self.names.get(value, value)} ({value})" if column.endswith("provider_code") else say(value)

    def title(self, view: View) -> str:
        """Return the title of a view: pathway, area, what was drilled into, year."""
        inside = [self.label(column, value) for column, value in view.within]
        return ", ".join([self._definition(view).title, self.names.get(view.icb, view.icb), *inside, view.year])

    def _headline(self, view: View, basis: pd.DataFrame) -> str:
        whole = self._settled(view, dict(view.within))
        area = self.names.get(view.icb, view.icb)
        if not view.within:
            title, note = self._definition(view).title, self._compared_in(view).note
            return pathway_message(whole, basis, area=area, title=title, reference=self.reference, note=note)
        row = whole.frame[_inside(whole.frame, view)].iloc[0]
        if pd.isna(row["mean_gbp"]):
            return f"{self.title(view)}: too few contacts or pathways to show a cost. {coverage_sentence(basis)}"
        reach = interval(row["lower_95"], row["upper_95"])
        return (
            f"{self.title(view)}: {pounds(row['mean_gbp'])} per patient of the area's about {count(row['pathways'])} "
            f"pathways (95% interval {reach}). {coverage_sentence(basis)}"
        )

    def code(self, view: View) -> str:
        """Return the lines of Python that make the view's table."""
        where = self.dataset.folder.as_posix() if self.dataset.folder else getattr(self.dataset.address, "text", "")
        named = f'"{where}"' if where else "..."
        return (
            "from pathcost_lib import sources\n"
            "from pathcost_lib.explore.explorer import Explorer, View\n\n"
            f"dataset = sources.open_dataset({named})\n"
            f'explorer = Explorer(dataset, price_base="{self.price_base}", reference="{self.reference}")\n'
            f"view = {view!r}\n"
            "table = explorer.disclosed(view).frame\n"
        )

    # -- what is shown ------------------------------------------------------------------------------------------------
    def look(self, view: View) -> Look:
        """Return everything that a page shows of a view; `disclosed` says what is refused."""
        data, basis = self.disclosed(view), self.basis(view)
        codes: Iterable[str] = data.frame.loc[data.frame["contacts"] > 0, view.breakdown] if view.below else []
        choices = {self.label(view.breakdown, code): code for code in codes}
        called = data.frame[view.breakdown].map(lambda code: self.label(view.breakdown, code))
        data = replace(data, frame=data.frame.assign(**{view.breakdown: called}))
        tables = self._numbers(view, data), self._rests_on(view, basis)
        return Look(self._headline(view, basis.frame), self._picture(view, data), tables, choices)

    def _numbers(self, view: View, data: Disclosed) -> dict[str, Any]:
        columns = [view.breakdown, "contacts", "mean_gbp", "lower_95", "upper_95"]
        compared = ["reference_gbp", "difference_gbp", "difference_lower_95", "difference_upper_95"]
        columns += compared if data.frame["reference_gbp"].notna().any() else []
        heads = {view.breakdown: BREAKDOWNS[view.breakdown], "reference_gbp": self.reference}
        heads |= {"mean_gbp": "Mean per patient"}
        note = f"Pounds of {self.price_base}. Per pathway of the area; the interval is of the mean, by chance alone."
        title = f"Cost per patient by {BREAKDOWNS[view.breakdown].lower()}: {self.title(view)}"
        return table_bundle(data.select(columns), name="View", title=title, note=note, headings=heads)

    def _rests_on(self, view: View, basis: Disclosed) -> dict[str, Any]:
        columns = ["setting", "cost_basis", "contacts", "contacts_pct", "coverage_pct"]
        title = f"Cost basis, and activity held of that expected, by setting: {self.title(view)}"
        note = "Coverage is of all the area's activity in the year, not of these pathways alone."
        return table_bundle(basis.select(columns), name="Cost basis", title=title, note=note)

    def _picture(self, view: View, data: Disclosed) -> dict[str, Any]:
        rows = data.frame.index[:_ROWS_DRAWN]
        drawn = replace(data, frame=data.frame.loc[rows], hidden=data.hidden.loc[rows])
        more = len(data.frame) - len(rows)
        labels: dict[str, Any] = {
            "by": view.breakdown,
            "area": self.names.get(view.icb, view.icb),
            "reference": self.reference,
        }
        return figure_bundle(
            shapes.against_reference,
            drawn,
            name="view",
            title=f"Cost per patient by {BREAKDOWNS[view.breakdown].lower()}",
            alt=shapes.describe_against_reference(drawn.frame, **labels),
            note=f"The {len(rows)} most expensive; {more} more in the table." if more else "",
            height=1.1 + 0.36 * max(len(rows), 2),
            **labels,
        )
