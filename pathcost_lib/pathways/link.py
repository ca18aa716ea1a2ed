"""Join the ledger into pathways: every pound once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from pathcost_lib.errors import InputError
from pathcost_lib.pathways.definition import INDEX_FIELDS, Definition, Earlier, anywhere, phases_of
from pathcost_lib.sources.engine import Relation
from pathcost_lib.sources.quoting import quote_value, quote_values

__all__ = ["Links", "Statement", "link"]

_WINDOWS = Path(__file__).with_name("windows.sql")
_LINK = Path(__file__).with_name("link.sql")
_OF_PIECE = ("pathway", "pathway_id", "part", "parts")
_COLUMNS = (
    "pathway, pathway_id, patient_id, activity_id, phase, days_from_index, CAST(1.0 / parts AS DOUBLE) AS share, "
    "part, parts, setting, pod, provider_code, cost_basis, its_cost AS cost_pence, its_fixed AS fixed_pence, "
    "its_semi_fixed AS semi_fixed_pence, its_cost - its_fixed - its_semi_fixed AS variable_pence"
)


@dataclass(frozen=True)
class Statement:
    """Where the ledger's pounds went, each counted on its own, in whole pence."""

    ledger_pence: int
    attributed_pence: int
    outside_pence: int
    uncosted_rows: int

    @property
    def difference_pence(self) -> int:
        """Ledger less what is attributed and outside: 0, or something is wrong."""
        return self.ledger_pence - self.attributed_pence - self.outside_pence


@dataclass(frozen=True)
class Links:
    """Which ledger rows belong to which pathway, and the pathways themselves.

    Attributes
    ----------
    links : Relation
        pathway, pathway_id (its index activity), patient_id, activity_id, phase, days_from_index, share, part, parts,
        setting, pod, provider_code, cost_basis, and the pathway's share of cost_pence, fixed_pence, semi_fixed_pence
        and variable_pence.
    pathways : Relation
        pathway, pathway_id, patient_id, index_date, icb_code, index_provider_code, window_from, window_to, complete.
    definitions : tuple of Definition
        What was linked.
    """

    links: Relation
    pathways: Relation
    definitions: tuple[Definition, ...]

    def of(self, *names: str) -> Links:
        """Return some of the pathways that were linked together, each with the pounds that it has beside the others."""
        test = f"SELECT * FROM this WHERE pathway IN ({quote_values(names)})"
        definitions = tuple(d for d in self.definitions if d.name in names)
        return Links(self.links.query(test), self.pathways.query(test), definitions)

    def statement(self, ledger: Relation) -> Statement:
        """Count the ledger, what is in a pathway and what is in none, separately; all within whole pence."""
        pence = "CAST(coalesce(sum({}), 0) AS BIGINT)".format
        whole = ledger.engine.view(
            "statement",
            f"SELECT {pence('l.cost_pence')} AS ledger, "
            f"{pence('CASE WHEN k.activity_id IS NULL THEN l.cost_pence END')} AS outside, "
            f"{pence('CASE WHEN l.cost_pence IS NULL THEN 1 END')} AS uncosted FROM ledger AS l "
            "LEFT JOIN (SELECT DISTINCT activity_id FROM links) AS k ON k.activity_id = l.activity_id",
            {"ledger": ledger, "links": self.links},
        ).to_arrow()
        attributed = self.links.query(f"SELECT {pence('cost_pence')} AS pence FROM this").to_arrow()
        amounts = {name: whole[name][0].as_py() for name in ("ledger", "outside", "uncosted")}
        return Statement(amounts["ledger"], attributed["pence"][0].as_py(), amounts["outside"], amounts["uncosted"])


def link(
    ledger: Relation,
    definition: Definition | Sequence[Definition],
    *,
    patients: Relation | None = None,
    hold: bool = True,
) -> Links:
    """Link ledger rows to the pathways that they belong to.

    Parameters
    ----------
    ledger : Relation
        From `ledger.cost_activity`; `activity_id` must be unique.
    definition : Definition or sequence of Definition
        One pathway, or several that share the pounds between them (each pound once over all of them; ties go to the
        one named first).
    patients : Relation, optional
        With `died_on`: a death closes the window, so that it counts as complete. Needed where an index chooses by age
        or sex.
    hold : bool
        Compute the links once and hold them in the engine, for many questions. False computes, for each question, those
        that it needs: quicker for one, and in less memory for a nation.

    Raises
    ------
    InputError
        If several definitions have different overlap rules or the same name; or, where links are held, if an
        `activity_id` stands on more than one row.

    Examples
    --------
    The pathways that come with the suite, linked together in the synthetic England (at its smallest). Each pound is in
    one pathway or in none; these are millions:

    >>> import pathcost_lib as pc
    >>> from pathcost_lib import paths, pathways
    >>> dataset = pc.open_dataset(paths.sample())
    >>> ledger = pc.cost_activity(dataset.activity, dataset.unit_costs, dataset.organisations, price_base="2024-25")
    >>> together = [pc.load_definition(name) for name in pathways.available()]
    >>> links = pc.link(ledger, together, patients=dataset.patients)
    >>> links.pathways.count(), links.links.count()
    (57, 2198)
    >>> pounds = links.statement(ledger)
    >>> [round(pence / 1e8, 2) for pence in (pounds.attributed_pence, pounds.outside_pence, pounds.ledger_pence)]
    [0.84, 16.05, 16.89]
    >>> pounds.difference_pence
    0
    """
    definitions = (definition,) if isinstance(definition, Definition) else tuple(definition)
    overlaps = {d.overlap for d in definitions}
    if len(overlaps) != 1:
        raise InputError(
            f"Pathways linked together need one overlap rule; these have {', '.join(sorted(overlaps)) or 'none'}."
        )
    if len({d.name for d in definitions}) != len(definitions):
        raise InputError("Two of the pathways linked together have the same name.")
    engine, rows = ledger.engine, ledger.origin or ledger
    keys = [key for d in definitions for key in (*d.index, *d.excluded)]
    chosen_by = [f for f in INDEX_FIELDS if any(key.startswith(f) for key in keys)]
    columns = ", ".join(["activity_id", "patient_id", "start_date", "icb_code", "provider_code", *chosen_by])
    candidates = engine.view(
        "candidates", f"SELECT {columns} FROM rows WHERE {anywhere(definitions)}", {"rows": rows}, materialise=True
    )
    if any(d.people for d in definitions):
        candidates = _with_people(candidates, patients)
    before = _before(rows, candidates, definitions)
    qualifying = " UNION ALL ".join(
        f"SELECT {quote_value(d.name)} AS pathway, {n} AS priority, "
        f"activity_id, patient_id, start_date, icb_code, provider_code FROM candidates AS c WHERE {d.where()}"
        + "".join(
            f" AND {test} (SELECT 1 FROM {name}_{n} AS e WHERE e.patient_id = c.patient_id AND "
            f"e.start_date < c.start_date AND datediff('day', e.start_date, c.start_date) <= {quote_value(each.days)})"
            for name, test, each in _looked_for(d)
        )
        for n, d in enumerate(definitions)
    )
    extent = rows.extent
    settings = pd.DataFrame(
        {
            "overlap": [overlaps.pop()],
            "data_from": [extent.first_start if extent else None],
            "data_to": [extent.last_start if extent else None],
        }
    )
    deaths = (
        patients.query("SELECT patient_id, died_on FROM this WHERE died_on IS NOT NULL")
        if patients is not None
        else candidates.query("SELECT patient_id, start_date AS died_on FROM this WHERE 1 = 0")
    )
    steps = engine.run(
        _WINDOWS,
        {
            "qualifying": engine.view("qualifying", qualifying, {"candidates": candidates, **before}),
            "rules": pd.DataFrame(
                [(d.name, d.washout_days, d.before_days, d.after_days, d.looks_back_days) for d in definitions],
                columns=["pathway", "washout_days", "before_days", "after_days", "looks_back_days"],
            ),
            "deaths": deaths,
            "settings": settings,
        },
    )
    pieces = steps["pieces"]
    phases = engine.register("phases", phases_of(definitions))

    def make(some: Relation) -> Relation:
        more = [c for c in some.columns if c not in pieces.columns]
        of_piece = ", ".join(f"p.{c}" for c in (*_OF_PIECE, *more))
        # Linked before they are costed: only rows that a pathway owns need a cost here.
        owned = ledger.over(
            f"SELECT a.*, {of_piece}, datediff('day', p.index_date, a.start_date) AS days_from_index FROM this AS a "
            "JOIN some AS p ON p.patient_id = a.patient_id AND a.start_date BETWEEN p.from_date AND p.to_date",
            {"some": some},
        )
        shared = engine.run(_LINK, {"owned": owned, "phases": phases})["shared"]
        return engine.view("links", f"SELECT {', '.join([_COLUMNS, *more])} FROM shared", {"shared": shared})

    links = replace(make(pieces), origin=pieces, remake=make)
    if hold:
        links = links.materialise()
        _require_unique_rows(links)
    return Links(links, steps["pathways"], definitions)


def _looked_for(definition: Definition) -> list[tuple[str, str, Earlier]]:
    """Return what a definition looks for before an event: its name, the test in SQL, the kind of contact."""
    each = (("without", "NOT EXISTS", definition.without), ("having", "EXISTS", definition.having))
    return [(name, test, kind) for name, test, kind in each if kind]


def _before(rows: Relation, candidates: Relation, definitions: Sequence[Definition]) -> dict[str, Relation]:
    """Return the days of the contacts that definitions look for, of patients who may qualify: few rows, read once."""
    return {
        f"{name}_{n}": rows.engine.view(
            "earlier",
            f"SELECT DISTINCT patient_id, start_date FROM rows WHERE {each.where()} "
            "AND patient_id IN (SELECT patient_id FROM candidates)",
            {"rows": rows, "candidates": candidates},
            materialise=True,
        )
        for n, d in enumerate(definitions)
        for name, _, each in _looked_for(d)
    }


def _with_people(candidates: Relation, patients: Relation | None) -> Relation:
    """Return contacts with the age, in the calendar year of the contact, and sex of their patient; null if unknown."""
    if patients is None:
        raise InputError("A pathway's index chooses patients by age or sex: give the table patients.")
    return candidates.engine.view(
        "candidates_of_people",
        "SELECT c.*, CASE WHEN k.birth_year IS NOT NULL THEN year(c.start_date) - k.birth_year END AS age, k.sex "
        "FROM candidates AS c LEFT JOIN (SELECT patient_id, min(birth_year) AS birth_year, min(sex) AS sex "
        "FROM patients GROUP BY patient_id) AS k ON k.patient_id = c.patient_id",
        {"candidates": candidates, "patients": patients},
        materialise=True,
    )


def _require_unique_rows(links: Relation) -> None:
    """Refuse links in which an activity_id stands for more rows than the parts that its row was shared out in."""
    ids = "SELECT activity_id FROM this GROUP BY activity_id HAVING count(*) <> max(parts)"
    twice = links.query(f"SELECT count(*) AS ids FROM ({ids}) AS t").to_arrow()["ids"][0].as_py()
    if twice:
        raise InputError(
            f"activity_id must be unique in the ledger: {int(twice):,} of the linked identifiers stand on more than "
            "one row, so that their cost would count twice. `pathcost check` counts them; a mapping's `latest` keeps "
            "the last of rows that were submitted again."
        )
