"""Build one organisation's pack: run the notebooks, render, and put the whole in place at once or not at all."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pathcost_lib import paths
from pathcost_lib.codes import financial_year_bounds
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.packs.blocks import Section, read_section
from pathcost_lib.packs.document import Document
from pathcost_lib.packs.formats import DEFAULT_FORMATS, FORMATS
from pathcost_lib.packs.manifest import make_manifest
from pathcost_lib.packs.runner import NotebookError, check_parameters, execute, parameters_of, typed
from pathcost_lib.pathways import load_definition
from pathcost_lib.sources import Dataset, open_dataset
from pathcost_lib.sources.names import financial_years, icb_codes, organisation_names

__all__ = ["Pack", "build", "production_notebooks", "safe_name"]


@dataclass(frozen=True)
class Pack:
    """A pack: where it is, its files and manifest, and what failed and why (then nothing was replaced)."""

    icb: str
    folder: Path
    files: tuple[Path, ...] = ()
    manifest: Mapping[str, Any] = field(default_factory=dict)
    failures: tuple[str, ...] = ()


def production_notebooks() -> list[Path]:
    """Return the notebooks that make packs, in order: those whose name begins with two digits, 00 (the start) apart."""
    return sorted(p for p in paths.notebooks().glob("[0-9][0-9]_*.ipynb") if not p.name.startswith("00"))


def safe_name(text: str) -> str:
    """Return text as a file name that cannot leave its folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._") or "unnamed"


def build(
    icb: str,
    *,
    year: str,
    notebooks: Sequence[Path | str] | None = None,
    pathway: str = "knee_replacement",
    data: Path | str | None = None,
    formats: Sequence[str] = DEFAULT_FORMATS,
    out: Path | str | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> Pack:
    """Build the board pack of one ICB in `out/<year>/<icb>/`.

    Parameters
    ----------
    icb : str
        ODS code.
    year : str
        Financial year, such as "2024-25".
    notebooks : sequence of Path or str, optional
        Notebooks, or their names in `notebooks/`; all production notebooks if not given.
    pathway : str
        Name of a definition, or the path of a TOML file.
    data : Path or str, optional
        Folder of Parquet tables; the sample if not given.
    formats : sequence of str
        Of `FORMATS`.
    out : Path or str, optional
        Reports folder; the project's `reports/` if not given.
    parameters : mapping, optional
        Further notebook parameters; each must be declared by one notebook at least. Text (from a command line) is
        read as the type that the notebook declares, and as no other.

    Returns
    -------
    Pack
        With `failures` where a notebook failed: the pack that was there before is then still there, untouched.

    Raises
    ------
    InputError
        If the ICB, pathway, year, a format or a parameter is not known, before anything is run.
    """
    financial_year_bounds(year)
    for name in formats:
        require_one_of(name, FORMATS, what="Format")
    definition = load_definition(pathway)
    folder = Path(data or paths.sample()).resolve()
    dataset = open_dataset(folder)
    require_one_of(icb, icb_codes(dataset.activity), what="ICB")
    require_one_of(year, financial_years(dataset.activity), what="Financial year")
    chosen = [_notebook(n) for n in notebooks] if notebooks else production_notebooks()
    own = Path(pathway).suffix == ".toml"
    context = {
        "icb": icb,
        "year": year,
        "data": "" if folder == paths.sample().resolve() else str(folder),
        "pathway": definition.name if own else pathway,
        "definition_file": str(Path(pathway).resolve()) if own else "",
    }
    plan = _plan(chosen, context, dict(parameters or {}))
    target = Path(out or paths.reports()).resolve() / safe_name(year) / safe_name(icb)
    target.parent.mkdir(parents=True, exist_ok=True)
    _recover(target)
    about = f"{definition.title}. {definition.description}"
    cover = Document(_organisation(dataset, icb), icb, year, about, sections=())
    inputs = [*_inputs(dataset, pathway, own), *chosen]
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", suffix=".part", dir=target.parent) as name:
            work = Path(name) / target.name
            work.mkdir()
            manifest = _write(work, plan, cover, formats, inputs)
            _swap(work, target)
    except (NotebookError, InputError) as error:
        return Pack(icb, target, failures=(str(error),))
    finally:
        with contextlib.suppress(OSError):  # a year in which nothing was built leaves no empty folder
            target.parent.rmdir()
    return Pack(icb, target, tuple(sorted(target.iterdir())), manifest)


def _write(
    work: Path,
    plan: Mapping[Path, Mapping[str, Any]],
    cover: Document,
    formats: Sequence[str],
    inputs: Sequence[Path],
) -> dict[str, Any]:
    """Run the notebooks, write every file of the pack into `work`, and return its manifest."""
    seconds: dict[str, float] = {}
    sections: list[Section] = []
    for notebook, values in plan.items():
        seconds[notebook.stem] = execute(notebook, work / notebook.name, values)
        sections.append(read_section(work / notebook.name))
    document = replace(cover, sections=tuple(sections))
    for name in formats:
        (work / FORMATS[name].file).write_bytes(FORMATS[name].write(document))
    manifest = make_manifest(
        inputs=inputs,
        root=paths.root().resolve(),
        parameters={n.stem: _settings(n, v) for n, v in plan.items()},
        seconds=seconds,
        outputs=work.iterdir(),
    )
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    (work / "manifest.json").write_text(text + "\n", encoding="utf-8", newline="\n")
    return manifest


def _notebook(name: Path | str) -> Path:
    path = Path(name)
    if path.suffix == ".ipynb" and path.is_file():
        return path.resolve()
    known = {p.stem: p for p in production_notebooks()}
    return known[require_one_of(path.stem, known, what="Notebook")]


def _plan(chosen: Sequence[Path], context: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[Path, dict[str, Any]]:
    """Give each notebook the parameters that it declares; refuse a name that none declares."""
    declared = {notebook: parameters_of(notebook) for notebook in chosen}
    every = {name for found in declared.values() for name in found}
    for name in extra:
        require_one_of(name, every, what="Notebook parameter")
    given = {**context, **extra}
    plan = {
        n: {k: typed(found[k], v) if isinstance(v, str) else v for k, v in given.items() if k in found}
        for n, found in declared.items()
    }
    for notebook, values in plan.items():
        check_parameters(notebook, values)
    return plan


def _settings(notebook: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: p.default for name, p in parameters_of(notebook).items()} | dict(values)


def _inputs(dataset: Dataset, pathway: str, own: bool) -> list[Path]:
    held = [p for found in dataset.files.values() for p in found]
    toml = Path(pathway) if own else paths.pathway_definitions() / f"{pathway}.toml"
    return [*held, toml, *paths.reference().glob("*.csv")]


def _organisation(dataset: Dataset, icb: str) -> str:
    return organisation_names(dataset.organisations).get(icb, icb) if "organisations" in dataset else icb


def _swap(work: Path, target: Path) -> None:
    """Put the new pack in the old one's place; at every moment one whole pack is there under its name or `.old`."""
    old = target.with_name(f".{target.name}.old")
    if target.exists():
        target.replace(old)
    work.replace(target)
    shutil.rmtree(old, ignore_errors=True)


def _recover(target: Path) -> None:
    """If an earlier run ended between the two renames, put the old pack back."""
    old = target.with_name(f".{target.name}.old")
    if old.exists() and not target.exists():
        old.replace(target)
