"""What is asked for: checked, before anything runs, and the same for every ICB of the run."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pathcost_lib import paths
from pathcost_lib.codes import financial_year_bounds
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.packs import freshness, manifest, runner
from pathcost_lib.packs.releases import restriction
from pathcost_lib.packs.render import FORMATS
from pathcost_lib.packs.runner import Parameter, check_parameters, parameters_of, typed
from pathcost_lib.pathways import load_definition
from pathcost_lib.scenarios import load_scenario
from pathcost_lib.sources import names, open_dataset
from pathcost_lib.sources.address import Address, is_folder, parse
from pathcost_lib.sources.comparator import taking_part
from pathcost_lib.sources.dataset import Dataset
from pathcost_lib.sources.dated import under_codes_of

__all__ = ["SYNTHETIC", "Order", "banner_of", "notebook_digest", "place_order", "production_notebooks", "safe_name"]

#: What every page of a pack from the sample bears, which has real names on invented costs.
SYNTHETIC = "Synthetic data, not a real area"


def production_notebooks() -> list[Path]:
    """Return the notebooks that make packs, in order: named by two digits, with parameters; 00 (the start) apart."""
    notebooks = sorted(p for p in paths.notebooks().glob("[0-9][0-9]_*.ipynb") if not p.name.startswith("00"))
    return [p for p in notebooks if '"parameters"' in p.read_text(encoding="utf-8")]


def banner_of(dataset: Dataset) -> str:
    """Return what every page made from a dataset must bear: that it is the sample, which is invented."""
    return SYNTHETIC if dataset.invented else ""


def safe_name(text: str) -> str:
    """Return text as a file name that cannot leave its folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._") or "unnamed"


@dataclass(frozen=True)
class Order:
    """A run: whose packs, of which notebooks with which values, in which formats, from which data and code."""

    icbs: tuple[str, ...]
    year: str
    notebooks: tuple[Path, ...]
    formats: tuple[str, ...]
    folder: Path
    about: str
    names: Mapping[str, str]
    given: Mapping[Path, Mapping[str, Any]]
    declared: Mapping[Path, Mapping[str, Parameter]]
    data: Mapping[str, str]
    address: Address
    named: Mapping[Path, Mapping[str, str]]
    code: Mapping[str, str] = field(default_factory=dict)
    version: Mapping[str, Any] = field(default_factory=dict)
    banner: str = ""
    #: Names of all organisations but regions, to see whom a cover names.
    providers: frozenset[str] = frozenset()
    #: The folder of the data and what else parameters name: where a name in a manifest is here.
    places: tuple[Path, ...] = ()
    #: Areas that are compared in the year.
    areas: tuple[str, ...] = ()
    #: Areas that the tables name and that are not compared in the year, and why.
    left_out: Mapping[str, str] = field(default_factory=dict)

    def require_same_data(self) -> None:
        """Refuse a pack whose data, or own files, have changed since it was begun: its digests would not be theirs.

        A file is read again only where its size or a time of it has changed; the tables of a catalog are looked at
        once, when the first pack is ready.

        Raises
        ------
        InputError
            Naming the first file that has changed.
        """
        files_read = {**self.data, **{k: v for files in self.named.values() for k, v in files.items()}}
        changed = freshness.changed(files_read, self.places) + self._changed_tables
        if changed:
            raise InputError(
                f"{Path(changed[0]).name} and {len(changed) - 1} others have changed while the pack was built. "
                "The pack that was there stands; run this again."
            )

    @cached_property
    def _changed_tables(self) -> list[str]:
        before = {name: digest for name, digest in self.data.items() if name.startswith(freshness.TABLE)}
        if not before:
            return []
        dataset = open_dataset(self.address)
        now = freshness.data_digests(dataset)
        dataset.engine.close()
        return [name for name, digest in before.items() if now.get(name) != digest]

    def settings(self, icb: str) -> dict[Path, dict[str, Any]]:
        """Return each notebook's values for one ICB."""
        own = {n: {"icb": icb} if "icb" in parameters else {} for n, parameters in self.declared.items()}
        return {n: {**values, **own[n]} for n, values in self.given.items()}

    def state(self, icb: str, notebook: Path) -> dict[str, Any]:
        """Return what a notebook rests on beside data and packages: all of it must be as it was, or it runs again."""
        values = {name: p.default for name, p in self.declared[notebook].items()}
        values.update(self.settings(icb)[notebook])
        return {
            "code": self.code[notebook.stem],
            "parameters": freshness.without_machine(values),
            "files": self.named[notebook],
        }

    def unchanged(self, icb: str, target: Path, before: Mapping[str, Any]) -> list[Path]:
        """Return the notebooks whose result, as it lies in a pack, still holds."""
        notebooks = before.get("notebooks", {})
        around = {"data": self.data, "python": self.version["python"], "packages": self.version["packages"]}
        if not around.items() <= before.items():
            return []
        return [
            n
            for n in self.notebooks
            if n.stem in notebooks
            and self.state(icb, n).items() <= notebooks[n.stem].items()
            and freshness.same(notebooks[n.stem]["reads"])
            and freshness.content_digest(target / n.name) == before["outputs"].get(n.name)
        ]

    def rendered(self, target: Path, before: Mapping[str, Any]) -> bool:
        """Whether the files of a pack are all there, of the same formats, about the same, by the same code."""
        asked = {"formats": list(self.formats), "about": self.about, "source": self.version["code"]["source_sha256"]}
        files = {n.name for n in self.notebooks} | {FORMATS[name].file for name in self.formats}
        outputs = before.get("outputs", {})
        return (
            before.get("asked") == asked
            and set(outputs) == files
            and all(freshness.content_digest(target / name) == digest for name, digest in outputs.items())
        )

    def about_pack(self, icb: str, notes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Return what the manifest of a pack says of how it came about."""
        states = {n.stem: {**self.state(icb, n), **notes[n.stem]} for n in self.notebooks}
        read = {k: v for state in states.values() for k, v in (*state["reads"].items(), *state["files"].items())}
        asked = {"formats": list(self.formats), "about": self.about, "source": self.version["code"]["source_sha256"]}
        return {
            "format": manifest.FORMAT,
            "icb": icb,
            "year": self.year,
            **self.version,
            "asked": asked,
            "data": self.data,
            "notebooks": states,
            "parameters": {name: state["parameters"] for name, state in states.items()},
            "inputs": dict(sorted({**self.data, **read, **freshness.digests(self.notebooks)}.items())),
            "seconds": {name: state["seconds"] for name, state in states.items()},
        }

    def restricted(self, icb: str) -> str:
        """Return why a pack may not be published, empty if it may: it is outside the grid of definitions."""
        values = {n.stem: self.state(icb, n)["parameters"] for n in self.notebooks}
        defaults = {
            n.stem: {name: p.default for name, p in parameters.items()} for n, parameters in self.declared.items()
        }
        return restriction(values, defaults)

    def facts(self, icb: str) -> tuple[tuple[str, str], ...]:
        """Return how the pack is made, in words, the same for the same inputs."""
        code = self.version["code"]
        data = manifest.text_digest(f"{name} {digest}" for name, digest in self.data.items())
        seeds = {v["seed"] for n in self.notebooks if "seed" in (v := self.state(icb, n)["parameters"])}
        return (
            ("Made with", f"pathcost {code['version']}, source {code['source_sha256'][:12]}"),
            ("From data", f"{len(self.data):,} files, SHA-256 {data[:12]}"),
            ("Notebooks", ", ".join(n.stem for n in self.notebooks)),
            ("Seeds of simulations", ", ".join(str(seed) for seed in sorted(seeds)) or "none"),
        )


def notebook_digest(notebook: Path) -> str:
    """Return a digest of a notebook, the library behind it, and how it is run: that decides what its copy keeps."""
    own, run_by = (freshness.content_digest(path)[:16] for path in (notebook, Path(runner.__file__)))
    return freshness.code_digest([notebook]) + own + run_by


def place_order(
    icbs: Sequence[str] | None,
    year: str,
    notebooks: Sequence[Path | str] | None,
    pathway: str | None,
    scenario: str | Sequence[str],
    data: Path | str | None,
    formats: Sequence[str],
    out: Path | str | None,
    parameters: Mapping[str, Any],
) -> Order:
    """Check what is asked for and return it as an `Order`; the arguments are those of `packs.build_all`."""
    financial_year_bounds(year)
    for name in formats:
        require_one_of(name, FORMATS, what="Format")
    chosen = list(dict.fromkeys(_notebook(n) for n in notebooks)) if notebooks else production_notebooks()
    declared = {notebook: parameters_of(notebook) for notebook in chosen}
    address = parse(data or paths.data())
    # An empty parameter is the sample, where no variable of the environment says otherwise.
    usual = address.folder is not None and address == parse(paths.sample()) and "PATHCOST_DATA" not in os.environ
    bases = [p["price_base"].default for p in declared.values() if "price_base" in p]
    # One price base for the whole pack: that asked for, or else what most notebooks would take.
    own = {"price_base": max(bases, key=bases.count)} if bases else {}
    own |= {"year": year, "data": "" if usual else address.text}
    given = {n: _given(settings, own, dict(parameters)) for n, settings in declared.items()}
    every = {name for settings in declared.values() for name in settings}
    for name in parameters:
        require_one_of(name, every, what="Notebook parameter")
    about = _pathway(_one_pathway(pathway, parameters), declared, given)
    taken = dict[Path, str]()
    for name in [scenario] if isinstance(scenario, str) else dict.fromkeys(scenario):
        _scenario(name, declared, given, taken)
    dataset = open_dataset(address, remember=True)
    digests = freshness.data_digests(dataset)
    dataset = under_codes_of(dataset, year)
    valid, left_out = taking_part(dataset, year)
    areas = names.icb_codes(dataset.activity)
    require_one_of(year, names.financial_years(dataset.activity), what="Financial year")
    codes = [require_one_of(icb, areas, what="ICB") for icb in dict.fromkeys(icbs)] if icbs is not None else valid
    for notebook, values in given.items():
        check_parameters(notebook, values)
    called = names.organisation_names(dataset.organisations) if "organisations" in dataset else {}
    providers = frozenset(names.provider_names(dataset.organisations)) if "organisations" in dataset else frozenset()
    dataset.engine.close()  # each notebook has a session of its own, which needs the cluster
    place = address.folder or address.file
    return Order(
        icbs=tuple(codes),
        year=year,
        notebooks=tuple(chosen),
        formats=tuple(formats),
        folder=Path(out or paths.reports()).resolve() / safe_name(year),
        about=about,
        names=called,
        given=given,
        declared=declared,
        data=digests,
        address=address,
        named={n: _named(values) for n, values in given.items()},
        code={n.stem: notebook_digest(n) for n in chosen},
        version=manifest.versions(),
        banner=banner_of(dataset),
        providers=providers,
        places=(
            *([place.resolve()] if place else []),
            *(path for values in given.values() for path in _places(values)),
        ),
        areas=tuple(valid),
        left_out=left_out,
    )


def _given(parameters: Mapping[str, Parameter], own: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a notebook's parameters that are asked for: those that it declares, in their types."""
    return {
        k: typed(parameters[k], v) if isinstance(v, str) else v for k, v in {**own, **extra}.items() if k in parameters
    }


def _notebook(name: Path | str) -> Path:
    path = Path(name)
    if path.suffix == ".ipynb" and path.is_file():
        return path.resolve()
    known = {p.stem: p for p in production_notebooks()}
    return known[require_one_of(path.stem, known, what="Notebook")]


def _one_pathway(pathway: str | None, parameters: Mapping[str, Any]) -> str | None:
    """Return the pathway of the run: asked for by name or file, or by the parameter `definition_file`, not by both."""
    file = str(parameters.get("definition_file") or "")
    if file and pathway not in (None, "all", file):
        raise InputError(f"Pathway {pathway!r} and definition_file {file!r} are both asked for. Name one of them.")
    return file or pathway


def _pathway(
    pathway: str | None, declared: Mapping[Path, Mapping[str, Parameter]], given: Mapping[Path, dict[str, Any]]
) -> str:
    """Give the pathway to every notebook that takes one, and return what the cover says of it."""
    takers = {n: str(parameters["pathway"].default) for n, parameters in declared.items() if "pathway" in parameters}
    if pathway not in (None, "all"):
        definition = load_definition(pathway)
        file = str(Path(pathway).resolve()) if Path(pathway).suffix == ".toml" else ""
        for notebook in takers:
            beside = "definition_file" in declared[notebook]
            # A notebook without a parameter for a file takes the file in the place of a name.
            given[notebook].setdefault("pathway", file if file and not beside else definition.name if file else pathway)
            if file and beside:
                given[notebook]["definition_file"] = file
    elif pathway == "all":
        for notebook, default in takers.items():
            given[notebook].setdefault("pathway", default)
    chosen = [str(given[n].get("pathway", default)) for n, default in takers.items()]
    file = next((given[n]["definition_file"] for n in takers if given[n].get("definition_file")), "")
    first = next((name for name in [file, *chosen] if name and name != "all"), None)
    if first is None:
        return ""
    definition = load_definition(first)
    return f"{definition.title}. {definition.description}"


def _scenario(
    name: str,
    declared: Mapping[Path, Mapping[str, Parameter]],
    given: Mapping[Path, dict[str, Any]],
    taken: dict[Path, str],
) -> None:
    """Give a scenario to the notebooks whose own is of its kind; more go where a notebook sets them side by side."""
    of_demand = load_scenario(name).demand is not None
    kind = "demand" if of_demand else "change"
    value = str(Path(name).resolve()) if Path(name).suffix == ".toml" else name
    takers = [
        n
        for n, parameters in declared.items()
        if "scenario" in parameters
        and (load_scenario(str(parameters["scenario"].default)).demand is not None) == of_demand
    ]
    if not takers:
        raise InputError(f"Scenario {name!r} is one of {kind}, and no notebook of this run takes one.")
    for notebook in takers:
        if notebook not in taken:
            given[notebook]["scenario"], taken[notebook] = value, name
        elif "beside" in declared[notebook]:
            given[notebook]["beside"] = ",".join(filter(None, [str(given[notebook].get("beside", "")), value]))
        else:
            raise InputError(
                f"Scenarios {taken[notebook]!r} and {name!r} are both of {kind}, and {notebook.stem} takes one. Build "
                "a pack for each, with --out for the second."
            )


def _named(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the digests of the files, and of all files of the folders, that parameters name, the data apart."""
    digests = dict[str, str]()
    for path in _places(values):
        files = [p for p in ([path] if path.is_file() else path.rglob("*")) if p.is_file()]
        for name, digest in freshness.digests(files, path).items():
            if digests.setdefault(name, digest) != digest:
                raise InputError(f"Two files are named {Path(name).name} and differ. Give one of them another name.")
    return digests


def _places(values: Mapping[str, Any]) -> list[Path]:
    """Return the files and folders that parameters name, and the files that a scenario among them names in its turn."""
    texts = {k: v for k, v in values.items() if isinstance(v, str) and v and k != "data"}
    each = [(k, one.strip()) for k, v in texts.items() for one in (v.split(",") if k == "beside" else [v])]
    named = [Path(text).resolve() for _, text in each if is_folder(text)]
    schemes = [load_scenario(text) for k, text in each if k in ("scenario", "beside") and text]
    named += [file.resolve() for scheme in schemes for file in scheme.files]
    return list(dict.fromkeys(path for path in named if path.exists()))
