"""What an organisation gives to others so that they may compare themselves with it: `pathcost share`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pathcost_lib import __version__, paths, pathways
from pathcost_lib.benchmark import exchanged, icb_view, pathway_cost
from pathcost_lib.benchmark.pathway_tables import disclose_pathway
from pathcost_lib.codes import SETTINGS, financial_year_bounds
from pathcost_lib.comparators import files
from pathcost_lib.comparators.files import COLUMNS, KEYS, NUMBERS, Shared
from pathcost_lib.comparators.prices import price_digests
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.ledger import cost_activity
from pathcost_lib.packs import releases
from pathcost_lib.packs.attack import attack_one, refuse
from pathcost_lib.packs.audit import refuse_leaks, refuse_leaks_between
from pathcost_lib.packs.order import banner_of
from pathcost_lib.pathways.link import Links
from pathcost_lib.present.disclosure import Disclosed, disclose
from pathcost_lib.present.display import TABLE, table_bundle
from pathcost_lib.sources import compared_with, names, open_dataset
from pathcost_lib.sources.comparator import Compared, contacts_of, persons_of
from pathcost_lib.sources.engine import Relation

__all__ = ["share"]

_SOURCE = "comparators"
_SMALL = "too few people, or one or two who bear most of the cost"
_RULE = "hes"


def share(
    icb: str, out: Path, *, data: Path | str, year: str, price_base: str = "", reports: Path | None = None
) -> Shared:
    """Write one area's statistics after disclosure control, for others to compare themselves with.

    Parameters
    ----------
    icb : str
        ODS code.
    out : Path
        File to write, ending in `.zip`.
    data : Path or str
        Where the tables are (`sources.address`).
    year : str
        Financial year of the contacts, and in which the window of a pathway closes.
    price_base : str
        Financial year of the pounds; the year itself if not given.
    reports : Path, optional
        Folder of the list of releases, by which a later file may not differ by few people; `reports/` if not given.

    Returns
    -------
    Shared
        What was written.

    Raises
    ------
    InputError
        If the area or year is not in the data, no population or patients are held, the area's data are too thin to be
        compared, something hidden could be worked out, or a row would differ by few people from one that is out.

    Examples
    --------
    >>> share("QHL", Path("QHL.zip"), data="data/sample", year="2024-25")  # doctest: +SKIP
    """
    financial_year_bounds(year)
    if out.suffix != ".zip":
        raise InputError(f"--out {out}: a file of statistics ends in .zip.")
    dataset = open_dataset(data, remember=True)
    require_one_of(icb, names.icb_codes(dataset.activity), what="ICB")
    require_one_of(year, names.financial_years(dataset.activity), what="Financial year")
    who = compared_with(dataset, "England", icb=icb, year=year, allow="few_areas")
    if icb in who.left_out:
        raise InputError(f"{icb} cannot be compared with: {who.left_out[icb]}. Nothing is shared.")
    definitions = [pathways.load_definition(name) for name in pathways.available()]
    people = {name: names.table_or_empty(who.dataset, name) for name in ("patients", "population")}
    ledger = cost_activity(
        who.dataset.activity,
        names.table_or_empty(who.whole, "unit_costs"),
        who.whole.organisations,
        price_base=price_base or year,
    )
    links = pathways.link(ledger, definitions, patients=people["patients"])
    patients, population = people["patients"], people["population"]
    cells = icb_view.read(ledger, links, patients=patients, population=population, year=year, months=who.months)
    if icb not in set(cells.population["icb_code"]):
        raise InputError(f"{icb}: {icb_view.NO_PEOPLE}. Nothing can be shared without.")
    titles = {d.name: d.title for d in definitions}
    own_pathways = set(cells.pathways.loc[cells.pathways["icb_code"] == icb, "pathway"])
    costs = {d.name: _pathway_cost(ledger, links.of(d.name), who) for d in definitions if d.name in own_pathways}
    # What the table of costs hides, that of rates hides, and the reverse.
    gone = {titles[name] for name, tables in costs.items() if tables["whole"].frame["contacts"].isna().any()}
    safe, lacking = _disclosed(cells, icb, year, titles, gone)
    visible = set(safe["pathways"].frame["pathway"])
    for pathway in (name for name in costs if titles[name] in visible):
        safe |= {f"pathway_cost/{pathway}/{name}": costs[pathway][name] for name in exchanged.BREAKDOWNS}
        safe |= {f"{name}/{pathway}": costs[pathway][name] for name in ("outside", "flow")}
    _audit(safe, icb, year, reports or paths.reports())
    coverage = icb_view.coverage_of(who.whole.activity, people["population"], icb, year=year)
    banner = banner_of(dataset)
    manifest = {
        "icb": icb,
        "name": names.organisation_names(who.whole.organisations).get(icb, icb),
        "year": year,
        "price_base": price_base or year,
        "months": [str(month) for month in who.months.months],
        "definitions": {d.name: files.definition_digest(d) for d in definitions},
        "prices": price_digests(names.table_or_empty(who.whole, "unit_costs"), year),
        # Rounded as counts are: they say whether the area's data are thin.
        "contacts": int(5 * round(contacts_of(who.whole, year)[icb] / 5)),
        "persons": int(5 * round(persons_of(who.whole, year)[icb] / 5)),
        "coverage_pct": {s: round(c) for s, c in coverage.itertuples(index=False) if pd.notna(c)},
        "lacking": lacking,
        "banner": banner,
        "disclosure": next(iter(safe.values())).rule.text,
        "made_with": __version__,
    }
    shared = Shared(_long(safe, {title: name for name, title in titles.items()}), manifest, out.name)
    paths.private_folder(out.parent)
    files.write(shared, out)
    return shared


def _disclosed(
    cells: icb_view.Cells, icb: str, year: str, titles: Mapping[str, str], gone: Collection[str]
) -> tuple[dict[str, Disclosed], dict[str, str]]:
    """Return each statistic as it may leave, and what is left out with the reason."""
    raw = exchanged.of_area(cells, icb, list(titles))
    for name in ("events", "pathways"):
        raw[name] = raw[name].replace({"pathway": titles})
    whose = {"year": year, "icb_code": icb}
    spread = {"squared_deviations": "sum"}
    # By the pathways of all areas in the data, as notebooks 02 and 03: what a pack hides is not in the file.
    everywhere = cells.pathways.replace({"pathway": titles})
    closed = disclose(
        raw["pathways"],
        counts="pathways",
        by=["pathway"],
        everywhere=everywhere,
        focus=("icb_code", icb),
        kinds=spread,
        of={"what": "closed pathways", **whose},
    )
    hidden = set(closed.frame.loc[closed.frame["pathways"].isna(), "pathway"])
    hidden |= {*gone, *(set(titles.values()) - set(raw["events"]["pathway"]))}
    events = raw["events"][~raw["events"]["pathway"].isin(hidden)]
    costs = raw["costs"]
    settings = set(cells.costs.loc[cells.costs["icb_code"] == icb, "setting"])
    short = sorted(settings - set(costs["setting"]) - {icb_view.ALL})
    if short:  # the sum over settings is not known either
        costs = costs[costs["setting"] != icb_view.ALL]
    whats = ("people with a contact", "closed pathways by age", "registered", "registered by age")
    contact, by_age, registered, registered_by_age = ({"what": what, **whose} for what in whats)
    safe = {
        "costs": disclose(costs, counts="persons", kinds=spread, of=contact, in_order=True),
        "events": disclose(events, counts="pathways", of=by_age, in_order=True),
        "pathways": closed.rows((~closed.frame["pathway"].isin(hidden)).to_numpy().nonzero()[0]),
        "deprivation": disclose(raw["deprivation"], counts="persons", kinds=spread, of=registered, in_order=True),
        "registered": disclose(raw["registered"], counts="persons", of=registered_by_age, in_order=True),
        "population": disclose(raw["population"], counts=[]),
    }
    names_of = {title: name for name, title in titles.items()}
    lacking = {**{f"costs, {s}": _SMALL for s in short}, **{f"pathways, {names_of[t]}": _SMALL for t in sorted(hidden)}}
    for name, table in safe.items():
        if table.primary + table.secondary and name != "pathways":
            raise InputError(f"{icb}: {name} would have to be hidden in part though ages were combined. Not shared.")
        if table.frame.empty:
            lacking[name] = _SMALL
    return safe, lacking


def _pathway_cost(ledger: Relation, links: Links, who: Compared) -> dict[str, Disclosed]:
    """Return what 02 shows of one pathway, settled as it settles it: cost, other providers, passages."""
    (definition,) = links.definitions
    by, icb, year = exchanged.BREAKDOWNS, who.icb, who.year
    at: dict[str, Any] = {"year": year, "months": who.months}
    summary = {name: pathways.summarise(links, ledger, ["icb_code", *split], **at) for name, split in by.items()}
    phases = [phase.name for phase in definition.phases]
    tables = exchanged.cost_of_pathway(summary, icb, phases)
    # Not shared, but shown in 02, where it hides cells of the others.
    resting = pathways.summarise(links, ledger, ["icb_code", "setting", "cost_basis"], **at)
    tables["basis"] = pathway_cost.cost_basis(resting, None, unit="icb_code", focus=icb)
    of = {"year": year, "pathway": definition.title}
    safe = disclose_pathway(tables, icb=icb, **of, everywhere=summary, kinds={"squared_deviations": "sum"})
    # Of the parts no count but of contacts: all have the pathways of the whole.
    kept = {name: ["pathways"] if name == "whole" else by[name] for name in by}
    kept = {name: [*columns, "contacts", "mean_gbp", "squared_deviations"] for name, columns in kept.items()}
    seen = tables["phase"][["phase", "seen_pathways"]]
    beside = _beside(links, ledger, seen, phases, who, {**of, "icb_code": icb})
    return {**{name: safe[name].select(columns) for name, columns in kept.items()}, **beside}


def _beside(
    links: Links, ledger: Relation, seen: pd.DataFrame, phases: list[str], who: Compared, of: dict[str, str]
) -> dict[str, Disclosed]:
    """Return what 02 shows beside the cost of a pathway, as it shows it: cost at other providers, and passages."""
    at: dict[str, Any] = {"year": who.year, "months": who.months}
    cells = pathways.summarise(links, ledger, ["icb_code", "index_provider_code", "phase", "provider_code"], **at)
    outside = pathway_cost.outside_share(cells, unit="icb_code", focus=who.icb, phases=phases)
    outside = outside.drop(columns=["reference_pct", "reason"]).merge(seen, how="left")
    counts = ["pathways", "seen_pathways", "inside_contacts", "outside_contacts"]
    options: dict[str, Any] = {"totals": [[]], "in_order": True}
    own = pathways.flow(links, ledger, icb=who.icb, **at)
    passed = pathway_cost.passages(own, own)[["from_step", "to_step", "passages", "cases", "mean_gbp"]]
    return {
        "outside": disclose(outside, counts=counts, of={**of, "what": "inside and outside"}, **options),
        "flow": disclose(passed, counts=["passages", "cases"], of={**of, "what": "passages"}),
    }


def _audit(safe: Mapping[str, Disclosed], icb: str, year: str, reports: Path) -> None:
    """Hold the file against pencil and paper, against itself, and against what is released, as a pack is."""
    bundles = {name: table_bundle(table, name=name, title=f"{name}: {icb}")[TABLE] for name, table in safe.items()}
    groups: dict[str, list[dict[str, Any]]] = {}
    for name, payload in bundles.items():  # the cost of one pathway is in several tables, which add up
        groups.setdefault(name.rpartition("/")[0] if name.startswith("pathway_cost/") else name, []).append(payload)
    for payloads in groups.values():
        refuse_leaks(_SOURCE, payloads)
    refuse_leaks_between({_SOURCE: [*bundles.values()]})
    pack = f"{year}/{icb}/shared"
    refuse(attack_one(pack, {_SOURCE: [*bundles.values()]}))
    releases.release(pack, releases.released_rows({_SOURCE: [*bundles.values()]}), reports)


def _long(safe: Mapping[str, Disclosed], names_of: Mapping[str, str]) -> pd.DataFrame:
    """Return the tables as one, by the columns of the format."""
    parts: list[pd.DataFrame] = []
    for name, disclosed in safe.items():
        statistic, *of = name.split("/")
        frame = disclosed.frame.assign(statistic=statistic, **({"pathway": of[0]} if of else {}))
        # What is hidden is not in the file; a setting in which nobody is seen is zero, and said to be.
        if statistic == "pathway_cost":
            parts += [frame[frame["contacts"].notna()], *_nobody(frame)]
        elif statistic == "outside":
            parts.append(frame[["statistic", "pathway", "phase", "outside_pct"]].dropna(subset="outside_pct"))
        else:
            parts.append(_passages(frame) if statistic == "flow" else frame)
    parts = [part.reindex(columns=[*COLUMNS]) for part in parts]
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    table["pathway"] = table["pathway"].replace(dict(names_of))
    blank: dict[Any, Any] = dict.fromkeys(KEYS, "")
    return table.fillna(blank).astype(dict.fromkeys(NUMBERS, float))


def _nobody(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """Return rows of zero for the settings that no pathway in the data has a contact in."""
    if "setting" not in frame or frame["contacts"].isna().all():
        return []
    keys = frame[[c for c in ("statistic", "pathway", "phase") if c in frame]].drop_duplicates()
    rest = pd.DataFrame({"setting": [s for s in SETTINGS if s not in set(frame["setting"])]})
    return [keys.merge(rest, how="cross").assign(contacts=0.0, mean_gbp=0.0, squared_deviations=0.0)]


def _passages(frame: pd.DataFrame) -> pd.DataFrame:
    """Return passages by the columns of the format, those that nobody makes as zero, without those that are hidden."""
    frame = frame.rename(columns={"from_step": "from_setting", "to_step": "setting"})
    frame = frame.rename(columns={"passages": "contacts", "cases": "pathways"})
    every = pd.MultiIndex.from_product([SETTINGS, SETTINGS], names=["from_setting", "setting"]).to_frame(index=False)
    every = every[every["from_setting"] != every["setting"]]
    every = every.merge(frame[["statistic", "pathway"]].iloc[:1], how="cross")
    rows = every.merge(frame, how="left", on=list(every.columns), indicator="held")
    never = (rows.pop("held") == "left_only").to_numpy()
    rows.loc[never, ["contacts", "pathways"]] = 0.0
    return rows[rows["contacts"].notna()]
