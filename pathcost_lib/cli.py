"""`pathcost`: the suite's commands. Each one checks, calls the library and says what came out."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from pathcost_lib import __version__, paths
from pathcost_lib.errors import InputError

# The library is imported inside each command, so that `pathcost --help` answers at once.

app = typer.Typer(
    help="Cost a patient's whole NHS pathway, compare it fairly, and see who saves and who bears.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

DataAddress = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="Where the tables are: a folder, duckdb:///file.db, spark://host:port/catalog.schema and others "
        "(docs/scale.md); PATHCOST_DATA, or the sample, made if need be, if not given.",
    ),
]


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="Say which version this is.")] = False) -> None:
    if version:
        typer.echo(f"pathcost {__version__}")
        raise typer.Exit


@app.command()
def sample(
    people: Annotated[
        str, typer.Option(help="tiny, default (England at 1:100, about 570,000 people), or a number.")
    ] = "default",
    out: Annotated[Path | None, typer.Option(help="Folder to write; data/sample if not given.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed makes another England.")] = None,
    jobs: Annotated[int, typer.Option(help="Processes at work at once; the result does not depend on it.")] = 2,
    force: Annotated[bool, typer.Option(help="Make it anew even if it is there and current.")] = False,
) -> None:
    """Make the synthetic England."""
    from pathcost_lib.sample import is_current

    folder = out or paths.sample()
    size = int(people) if people.isdigit() else people
    if not force and is_current(folder, people=size, seed=seed):
        typer.echo(f"The sample in {folder} is current.")
        return
    _make_sample(folder, size, jobs, seed)
    typer.echo(f"Sample written to {folder}")


@app.command()
def check(
    data: DataAddress = None,
    limit: Annotated[int, typer.Option(help="How many findings to print.")] = 40,
    out: Annotated[Path | None, typer.Option(help="Folder for the report as files too (notebook 01).")] = None,
    formats: Annotated[str, typer.Option(help="Which files, with commas between: html,xlsx.")] = "html,xlsx",
) -> None:
    """Check the tables and say what is wrong, where, and what it does to the results."""
    from pathcost_lib import sources

    # With a report as files notebook 01 asks the same of the same rows: what was counted once is remembered.
    report = sources.check(sources.open_dataset(_data(data), remember=out is not None))
    typer.echo(report.summary)
    for row in report.table.head(limit).itertuples():
        typer.echo(f"  {row.severity:8} {row.table}.{row.column}: {row.rule} ({row.rows:,} rows). {row.what_it_does}")
    if out is not None:
        from pathcost_lib.packs.quality_report import quality_report

        for path in quality_report(_data(data), out, formats=[name.strip() for name in formats.split(",")]):
            typer.echo(f"Report written to {path}")
    raise typer.Exit(0 if report.ok else 1)


@app.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(help="Folder of your own files; any folder for a database.")],
    mapping: Annotated[
        str, typer.Option(help="TOML that says which column is which, or a ready one's name (hes_apc).")
    ] = "",
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Propose a mapping for you to edit; reads no more.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write, data/own/<name> if not given; with --suggest, the mapping.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="Key of the pseudonyms, if not the one in your own configuration folder.")
    ] = None,
) -> None:
    """Bring your own files, or a database's rows, into the suite's tables by a mapping."""
    from pathcost_lib.intake.mapping import map_folder
    from pathcost_lib.intake.suggest import suggest as propose

    if suggest:
        _write_new(out, propose(folder), "pathcost import FOLDER --mapping")
        return
    if not mapping:
        raise InputError("Say --mapping FILE, or --suggest to have one proposed.")
    named = paths.mappings() / f"{mapping}.toml"
    file = named if named.is_file() else Path(mapping)
    target = out or paths.root() / "data" / "own" / file.stem
    result = map_folder(folder, file, key=key, progress=lambda line: typer.echo(f"Reading {line} ...", err=True))
    result.write(target)
    typer.echo(result.report.summary)
    for row in result.report.table.itertuples():
        typer.echo(f"  {row.action:8} {row.table}.{row.column}, {row.file}: {row.rule} (row {row.row_numbers})")
    typer.echo(f"Tables written to {target}. What was reported: {target / '_import_table.csv'}")


def _write_new(path: Path | None, text: str, after: str) -> None:
    """Write a text to a file that is not there yet, or print it."""
    if path is None:
        typer.echo(text)
        return
    if path.exists():
        raise InputError(f"{path} is there already. Name another file.")
    path.write_text(text, encoding="utf-8")
    typer.echo(f"Written to {path}. Edit it, then: {after} {path}")


@app.command()
def data(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of publications that you have downloaded; subfolders too.")
    ] = None,
) -> None:
    """List the reference data, each with its source, year and licence."""
    from pathcost_lib.sources import published

    for row in published.holdings(folder).itertuples():
        typer.echo(f"{row.file}: {row.title}. {row.publisher}, {row.year}. {row.licence}.")


@app.command()
def pack(
    icb: Annotated[list[str] | None, typer.Argument(help="ODS codes of ICBs, such as QHL.")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every ICB that is held in the data and valid in the year.")
    ] = False,
    year: Annotated[str, typer.Option(help="Financial year reported.")] = "2024-25",
    notebooks: Annotated[
        str, typer.Option(help="Names of notebooks, with commas between; all production notebooks if not given.")
    ] = "",
    pathway: Annotated[
        str | None, typer.Option(help="Pathway by name, or a .toml file of your own; each notebook's own if not given.")
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option(help="Scenario by name, or a .toml file of your own; several of change are set side by side."),
    ] = None,
    formats: Annotated[str, typer.Option(help="With commas between; what is usual if not given.")] = "",
    data: DataAddress = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write; reports/<year> if not given.")] = None,
    compare: Annotated[
        Path | None, typer.Option(help="Folder of files that other areas share (pathcost share): compare with those.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A notebook parameter, as name=value; repeat for more.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Notebooks at work at once.")] = 2,
    force: Annotated[bool, typer.Option(help="Make everything again, changed or not.")] = False,
    key: Annotated[
        Path | None, typer.Option(help="Sign with this key of your own, made if there is none; keep it from others.")
    ] = None,
) -> None:
    """Build board packs, and the page over them. Only what has changed is rebuilt."""
    from tqdm import tqdm

    from pathcost_lib import packs

    if bool(icb) == every:
        raise InputError("Name one or more ICBs, or give --all.")
    settings = _settings(set_) | ({"compare": str(compare.resolve())} if compare else {})
    with tqdm(desc="Packs", unit="step", disable=None) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        built = packs.build_all(
            icb or None,
            year=year,
            notebooks=_listed(notebooks) or None,
            pathway=pathway,
            scenario=scenario or (),
            data=_data(data),
            formats=_listed(formats) or packs.DEFAULT_FORMATS,
            out=out,
            parameters=settings,
            jobs=jobs,
            force=force,
            key=key,
            progress=show,
        )
    for item in built:
        if not item.failures:
            typer.echo(f"{item.folder}{'' if item.made else ' (unchanged)'}")
    failed = [item for item in built if item.failures]
    if failed:
        typer.echo(f"{len(failed)} of {len(built)} packs were not built:", err=True)
    for item in failed:
        for why in item.failures:
            typer.echo(f"  {item.icb}: {why}", err=True)
    raise typer.Exit(1 if failed else 0)


@app.command()
def ledger(
    to: Annotated[
        str,
        typer.Option(
            help="Where to write: a folder or duckdb:///file.db?schema=name for rows of one; spark:///catalog.schema "
            "or a store for rows of the platform."
        ),
    ],
    data: DataAddress = None,
    price_base: Annotated[str, typer.Option(help="Financial year of the pounds.")] = "2024-25",
    pathway: Annotated[
        str, typer.Option(help="Pathway by name, or a .toml file of your own; all that are shipped if not given.")
    ] = "",
    replace: Annotated[bool, typer.Option(help="Write in the place of what an earlier run has written.")] = False,
) -> None:
    """Write the ledger and its links to pathways as tables, for your own tools: rows of patients."""
    from pathcost_lib.pathways import write_back

    pounds = write_back.write_ledger(_data(data), to, price_base=price_base, pathway=pathway, replace=replace)
    typer.echo(f"Written to {to}: {write_back.LEDGER}, {write_back.LINKS} and {write_back.PATHWAYS}.")
    amounts = (pounds.attributed_pence, pounds.outside_pence, pounds.ledger_pence)
    linked, outside, whole = (f"£{pence / 100:,.2f}" for pence in amounts)
    typer.echo(f"The ledger's {whole} are {linked} in pathways and {outside} outside them.")
    typer.echo("These are rows of patients, without disclosure control. Keep them where the data are.")


@app.command()
def share(
    icb: Annotated[str, typer.Argument(help="ODS code of the ICB, such as QHL.")],
    out: Annotated[Path, typer.Option(help="File to write, ending in .zip.")],
    year: Annotated[str, typer.Option(help="Financial year.")] = "2024-25",
    price_base: Annotated[str, typer.Option(help="Financial year of the pounds; the year itself if not given.")] = "",
    data: DataAddress = None,
) -> None:
    """Write an area's statistics, after disclosure control, for other areas to compare themselves with."""
    from pathcost_lib.packs.share import share as write_shared

    shared = write_shared(icb, out, data=_data(data), year=year, price_base=price_base)
    typer.echo(f"Written to {out}: {len(shared.table):,} rows of statistics, none of one to seven people.")
    for what, why in shared.manifest["lacking"].items():
        typer.echo(f"  Not in it: {what} ({why})")


@app.command()
def verify(
    pack: Annotated[Path, typer.Argument(help="Folder of a pack, such as reports/2024-25/QHL.")],
    key: Annotated[Path | None, typer.Option(help="The key that it was signed with: shows any forgery.")] = None,
    places: Annotated[
        list[Path] | None,
        typer.Option("--from", help="Where data or files that lay outside the project are; repeat for more."),
    ] = None,
) -> None:
    """Check that a pack is unchanged since it was built, and that it can be built again."""
    from pathcost_lib.packs.verify import verify as check_pack

    result = check_pack(pack, key=key, places=places or ())
    typer.echo(result.summary)
    raise typer.Exit(0 if result.intact and result.reproducible else 1)


@app.command()
def explain(
    pack: Annotated[Path, typer.Argument(help="Folder of a pack, such as reports/2024-25/QHL.")],
    address: Annotated[
        str, typer.Argument(help="Notebook, table, row and column, such as 02/by_phase/operation/mean_gbp.")
    ],
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Work it out again from the data, and say whether it is the same.")
    ] = False,
    places: Annotated[
        list[Path] | None,
        typer.Option("--from", help="Where data or files that lay outside the project are; repeat for more."),
    ] = None,
) -> None:
    """Explain a number of a pack: what it is, how sure it is, and how it was made."""
    from pathcost_lib.packs.explain import explain as explain_number

    result = explain_number(pack, address, recompute=recompute, places=places or ())
    typer.echo(result.summary)
    raise typer.Exit(0 if result.as_built and result.same is not False else 1)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


Port = Annotated[int, typer.Option(help="Port on this machine.")]
Browser = Annotated[bool, typer.Option(help="Open the browser; without it, the address is printed.")]
AsRoot = Annotated[bool, typer.Option("--as-root", help="In a container, where there is no other user.")]


@app.command()
def lab(data: DataAddress = None, port: Port = 8888, browser: Browser = True, as_root: AsRoot = False) -> None:
    """Open JupyterLab at the start notebook, for this machine only."""
    from pathcost_lib.explore.serve import open_lab

    open_lab(_data(data), port=port, browser=browser, as_root=as_root)


@app.command()
def explore(
    data: DataAddress = None,
    port: Port = 8866,
    browser: Browser = True,
    as_root: AsRoot = False,
) -> None:
    """Open the explorer as a page in the browser, for this machine only."""
    from pathcost_lib.explore.serve import open_explorer

    open_explorer(_data(data), port=port, browser=browser, as_root=as_root)


teach = typer.Typer(help="Ten lessons and a capstone with exercises with instant feedback.", no_args_is_help=True)
app.add_typer(teach, name="teach")


@teach.command("start")
def teach_start(
    lesson: Annotated[str, typer.Argument(help="A number from 1 to 10, or capstone.")],
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open it in JupyterLab.")] = True,
    port: Port = 8888,
    browser: Browser = True,
    as_root: AsRoot = False,
) -> None:
    """Make a fresh copy of a lesson in your own folder, and open it; your earlier copies stay as they are."""
    from pathcost_lib.explore.serve import open_lab
    from pathcost_lib.teaching.build import start

    copy = start(lesson)
    typer.echo(f"Your copy: {copy}")
    if open_:
        open_lab(page=copy, port=port, browser=browser, as_root=as_root)


@teach.command("progress")
def teach_progress() -> None:
    """Show which exercises you have passed."""
    from pathcost_lib.teaching import progress

    table = progress.summary()
    for row in table.to_dict("records"):
        rest = f"to do: {row['to_do']}" if row["to_do"] else f"done {row['last_day']}"
        typer.echo(f"{row['lesson']:>3}  {row['title']:<62} {row['passed']} of {row['exercises']}  {rest}")
    typer.echo(f"Passed {table['passed'].sum()} of {table['exercises'].sum()} exercises. Kept in {progress.folder()}")


@teach.command("build")
def teach_build() -> None:
    """Write the learner copies from the masters (for those who write lessons)."""
    from pathcost_lib.teaching.build import build

    written = build()
    for path in written:
        typer.echo(f"Written: {path}")
    typer.echo(f"{len(written)} files written; all lessons are current.")


@teach.command("glossary")
def teach_glossary(
    out: Annotated[Path | None, typer.Option(help="File to write; reports/glossary.pdf if not given.")] = None,
) -> None:
    """Write the glossary as a one-page PDF."""
    from pathcost_lib.teaching.words import write_pdf

    typer.echo(f"Glossary written to {write_pdf(out or paths.reports() / 'glossary.pdf')}")


scenario = typer.Typer(help="Scenario files of your own: begin one, check one.", no_args_is_help=True)
pathway = typer.Typer(help="Pathway files of your own: check one.", no_args_is_help=True)
app.add_typer(scenario, name="scenario")
app.add_typer(pathway, name="pathway")
TomlFile = Annotated[Path, typer.Argument(help="A .toml file of your own.")]


@scenario.command("new")
def scenario_new(
    name: Annotated[str, typer.Argument(help="Its name: letters, digits, _ and -.")],
    out: Annotated[Path | None, typer.Option(help="File to write; NAME.toml here if not given.")] = None,
) -> None:
    """Write a commented scenario to start from: it can be used as it is, and every line says what it is."""
    from pathcost_lib.scenarios.scenario_doubts import starter

    _write_new(out or Path(f"{name}.toml"), starter(name), "pathcost scenario check")


@scenario.command("check")
def scenario_check(file: TomlFile) -> None:
    """Say what in a scenario file is wrong, or likely wrong, with its line."""
    from pathcost_lib.scenarios.scenario_doubts import check_scenario

    _say_checked(check_scenario(file))


@pathway.command("check")
def pathway_check(file: TomlFile) -> None:
    """Say what in a pathway file is wrong, or likely wrong, with its line."""
    from pathcost_lib.pathways.definition_doubts import check_pathway

    _say_checked(check_pathway(file))


def _say_checked(checked: tuple[str, list[str]]) -> None:
    holds, doubts = checked
    typer.echo(holds)
    for line in doubts:
        typer.echo(f"  Look at {line}")


def _settings(pairs: list[str] | None) -> dict[str, str]:
    settings = {}
    for pair in pairs or []:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"--set {pair!r} is not name=value.")
        settings[name.strip()] = value.strip()
    return settings


def _data(address: str | None) -> str | Path:
    """Return the address asked for, or the sample's folder, which is made where it is not there."""
    if address or os.environ.get("PATHCOST_DATA"):
        return paths.data(address or "")
    from pathcost_lib.sample import is_current

    if not is_current(paths.sample()):
        typer.echo(f"Making the synthetic England in {paths.sample()} (once, about a minute) ...", err=True)
        _make_sample(paths.sample(), "default", 2, None)
    return paths.sample()


def _make_sample(folder: Path, people: str | int, jobs: int, seed: int | None) -> None:
    from tqdm import tqdm

    from pathcost_lib.sample import SEED, generate

    with tqdm(desc="ICBs", unit="ICB", disable=None) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        generate(folder, people=people, jobs=jobs, progress=show, seed=SEED if seed is None else seed)


def main() -> None:
    """Run the commands; an input error is one plain line and exit code 2, without a traceback.

    What the commands write, and their workers and kernels, is for this user alone: 0700 and 0600.
    """
    os.umask(0o077)
    for stream in (sys.stdout, sys.stderr):
        # A Windows console or pipe has a few hundred characters: one that it lacks is written as its code.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except InputError as error:
        typer.echo(f"pathcost: {error}", err=True)
        raise SystemExit(2) from None
    except OSError as error:
        if not error.strerror or not error.filename:
            raise
        typer.echo(f"pathcost: {error.filename} cannot be read or written: {error.strerror}.", err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
