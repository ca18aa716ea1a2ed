"""Build packs: run what has changed, render, and put each whole pack in place at once or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pathcost_lib import paths, scratch
from pathcost_lib.errors import InputError
from pathcost_lib.intake.pseudonyms import local_key
from pathcost_lib.packs import freshness, manifest, proof, releases
from pathcost_lib.packs.agreement import price_base_warning
from pathcost_lib.packs.attack import attack, attack_one, payloads_of, refuse, released_payloads
from pathcost_lib.packs.audit import refuse_leaks_between
from pathcost_lib.packs.document import Document, Prose, read_section
from pathcost_lib.packs.finished import refuse_files
from pathcost_lib.packs.index import write_index
from pathcost_lib.packs.order import Order, place_order, production_notebooks, safe_name
from pathcost_lib.packs.paper import paper_of
from pathcost_lib.packs.pool import Pool
from pathcost_lib.packs.render import DEFAULT_FORMATS, FORMATS
from pathcost_lib.packs.runner import NotebookError, execute
from pathcost_lib.packs.warm import KERNEL, KernelSpec

__all__ = ["Pack", "build", "build_all", "production_notebooks", "safe_name"]

#: What a kernel imports beyond what notebooks name: the library reads the models of files only where it needs them.
_ALWAYS = (
    "ipykernel.kernelapp",
    "matplotlib.backends.backend_svg",
    "pathcost_lib.pathways.definition_file",
    "pathcost_lib.scenarios.scenario_file",
    "statsmodels.api",
)


@dataclass(frozen=True)
class Pack:
    """A pack: where it is, its files and manifest, whether it was made now (or nothing had changed), and what failed.

    Where something failed, the pack that was there before is still there, untouched.
    """

    icb: str
    folder: Path
    files: tuple[Path, ...] = ()
    manifest: Mapping[str, Any] = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    made: bool = True


def build(icb: str, **options: Any) -> Pack:
    """Build the board pack of one ICB in `out/<year>/<icb>/`: `build_all` for one."""
    return build_all([icb], **options)[0]


def build_all(
    icbs: Sequence[str] | None = None,
    *,
    year: str,
    notebooks: Sequence[Path | str] | None = None,
    pathway: str | None = None,
    scenario: str | Sequence[str] = (),
    data: Path | str | None = None,
    formats: Sequence[str] = DEFAULT_FORMATS,
    out: Path | str | None = None,
    parameters: Mapping[str, Any] | None = None,
    jobs: int = 1,
    force: bool = False,
    key: Path | str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Pack]:
    """Build the packs of several ICBs, in `out/<year>/<icb>/`, and the page over all packs of the year.

    No pack is put in place before all are made: a reader may hold them all, so they are attacked together once, with
    what is released. A run that is stopped puts in place the packs that were ready by then.

    What has not changed is not made again: a notebook runs if its text, a parameter, the data, the library as far as it
    imports it, a package or a file that it read the last time has changed, and a pack is rendered if one of its
    notebooks ran or the library changed. One failure does not stop the rest.

    Parameters
    ----------
    icbs : sequence of str, optional
        ODS codes; every ICB that is held in the data and valid in the year if not given.
    year : str
        Financial year, such as "2024-25".
    notebooks : sequence of Path or str, optional
        Notebooks, or their names in `notebooks/`; all production notebooks if not given.
    pathway : str, optional
        Name of a definition, or the path of a TOML file, for every notebook that takes one; each notebook's own choice
        (one pathway, or all) if not given.
    scenario : str or sequence of str
        Names of scenarios or paths of TOML files; each goes to the notebooks whose own is of its kind (of demand, or of
        change). One of demand at most; several of change are set side by side and added up.
    data : Path or str, optional
        Where the tables are (`sources.address`); `PATHCOST_DATA`, or the sample, if not given.
    formats : sequence of str
        Of `FORMATS`.
    out : Path or str, optional
        Reports folder; the project's `reports/` if not given.
    parameters : mapping, optional
        Further notebook parameters; each must be declared by one notebook at least. Text (from a command line) is
        read as the type that the notebook declares, and as no other.
    jobs : int
        Notebooks at work at once.
    force : bool
        Make everything again.
    key : Path or str, optional
        File of a key of your own, made where there is none: the manifest is signed with it. A pack that lies there and
        is not signed with it is made again from nothing.
    progress : callable, optional
        Told how many steps are done, and how many there are.

    Returns
    -------
    list of Pack
        In the order asked for, those that failed with the reason.

    Raises
    ------
    InputError
        If an ICB, pathway, scenario, year, format or parameter is not known, or the reports folder cannot be written,
        before anything is run; or if the page over all packs cannot be written, after all packs.
    """
    order = place_order(icbs, year, notebooks, pathway, scenario, data, formats, out, parameters or {})
    _require_writable(order.folder)
    secret = local_key(Path(key)) if key else None
    tell = _Progress(progress, len(order.icbs) * (len(order.notebooks) + 1))
    try:
        with contextlib.ExitStack() as locks:
            opened = {icb: _open(order, icb, force, secret, locks) for icb in order.icbs}
            tell(sum(isinstance(one, Pack) for one in opened.values()) * (len(order.notebooks) + 1))
            tell(sum(len(one.kept) for one in opened.values() if isinstance(one, _Making)))
            packs = {one.icb: one for one in opened.values() if isinstance(one, Pack)}
            packs |= _make([one for one in opened.values() if isinstance(one, _Making)], order, jobs, tell)
            ready = [packs[icb] for icb in order.icbs]
            try:
                write_index(order.folder, order.year, {p.icb: p.failures for p in ready}, order.names, order.left_out)
            except OSError as error:
                raise InputError(_without_page(error, ready)) from None
    finally:
        with contextlib.suppress(OSError):  # a year in which nothing was built leaves no empty folder
            order.folder.rmdir()
    return ready


class _Progress:
    def __init__(self, progress: Callable[[int, int], None] | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self, steps: int = 1) -> None:
        self._done += steps
        if self._progress is not None:
            self._progress(self._done, self._total)


@dataclass
class _Making:
    """One pack under way."""

    icb: str
    target: Path
    settings: Mapping[Path, Mapping[str, Any]]
    before: Mapping[str, Any]
    kept: list[Path]
    key: bytes | None = field(default=None, repr=False)
    part: Path | None = None
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    left: int = 0
    made: tuple[dict[str, Any], releases.Rows] | None = None
    failures: list[str] = field(default_factory=list)

    @property
    def work(self) -> Path:
        assert self.part is not None
        return self.part / self.target.name

    def begin(self) -> list[Path]:
        """Make the folder to work in, with what need not be run again, and return the notebooks to run."""
        self.part = Path(tempfile.mkdtemp(prefix=f".{self.target.name}.", suffix=".part", dir=self.target.parent))
        self.work.mkdir(mode=0o700)
        for notebook in self.kept:
            shutil.copy2(self.target / notebook.name, self.work / notebook.name)
            self.notes[notebook.stem] = self.before["notebooks"][notebook.stem]
        todo = [n for n in self.settings if n not in self.kept]
        self.left = len(todo)
        return todo

    def sign(self) -> None:
        """Sign the manifest, where there is a key."""
        if self.key is not None:
            signed = proof.signature((self.work / manifest.NAME).read_bytes(), self.key)
            (self.work / proof.SIGNATURE).write_text(signed + "\n", encoding="ascii", newline="\n")

    def result(self) -> Pack:
        """Return the pack as it lies there now, or what failed."""
        if self.failures or self.made is None:
            return Pack(self.icb, self.target, failures=tuple(self.failures))
        return Pack(self.icb, self.target, tuple(sorted(self.target.iterdir())), self.made[0])

    def end(self) -> None:
        if self.part is not None:
            shutil.rmtree(self.part, ignore_errors=True)


def _require_writable(folder: Path) -> None:
    try:
        paths.private_folder(folder)
        (folder.parent / ".locks").mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"The reports folder {folder} cannot be written: {_said(error)}. Name another.") from None


def _open(order: Order, icb: str, force: bool, key: bytes | None, locks: contextlib.ExitStack) -> _Making | Pack:
    """Take the pack's lock, mend what a crash left, and see what has changed."""
    target = order.folder / safe_name(icb)
    lock = FileLock(order.folder.parent / ".locks" / f"{order.folder.name}-{target.name}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        why = "another run is building this pack now. That pack will stand; run this again when the other has ended"
        return Pack(icb, target, failures=(f"{why}.",), made=False)
    locks.callback(lock.release)
    _recover(target)
    # Nothing is kept of a pack that another may have put there: its new signature would vouch for it.
    forged = key is not None and not proof.is_signed(target, manifest.NAME, key)
    before = {} if force or forged else manifest.read(target)
    settings = order.settings(icb)
    kept = order.unchanged(icb, target, before)
    if len(kept) == len(settings) and order.rendered(target, before):
        lock.release()
        return Pack(icb, target, tuple(sorted(target.iterdir())), before, made=False)
    return _Making(icb, target, settings, before, kept, key)


def _make(making: list[_Making], order: Order, jobs: int, tell: _Progress) -> dict[str, Pack]:
    """Run and render what has changed, so many tasks at once, one pack after another."""
    if not making:
        return {}
    waiting, tasks = deque(making), deque[tuple[_Making, Path | None]]()
    running: dict[Future[Any], tuple[_Making, Path | None]] = {}
    steps = sum(len(order.notebooks) - len(pack.kept) for pack in making)
    # Loading a server takes as long as starting a kernel, so it pays from the second round on.
    named = {name for n in order.notebooks for name in freshness.imports_of(n)} if steps > jobs else set()
    modules = sorted({*_ALWAYS, *named}) if named else []
    try:
        with (
            KernelSpec(scratch.make("pathcost-run-"), modules) as kernels,
            Pool(max(1, min(jobs, steps)), kernels.environment) as pool,
        ):
            kernels.wait()
            while waiting or tasks or running:
                while pool.idle and (waiting or tasks):
                    if tasks:
                        pack, notebook = tasks.popleft()
                        running[_submit(pool, order, pack, notebook)] = pack, notebook
                    else:
                        _begin(waiting.popleft(), tasks)
                for future in pool.wait() if running else ():
                    pack, notebook = running.pop(future)
                    _note(future, pack, notebook, tasks)
                    tell()
    finally:
        try:
            _place([pack for pack in making if pack.made], order)
        finally:
            for pack in making:
                pack.end()
    return {pack.icb: pack.result() for pack in making}


def _begin(pack: _Making, tasks: deque[tuple[_Making, Path | None]]) -> None:
    try:
        todo: list[Path | None] = [*pack.begin()]
        tasks.extend((pack, notebook) for notebook in todo or [None])
    except OSError as error:
        pack.failures.append(_said(error))


def _submit(pool: Pool, order: Order, pack: _Making, notebook: Path | None) -> Future[Any]:
    if notebook is None:
        return pool.submit(_render, pack.work, order, pack.icb, pack.notes)
    return pool.submit(_run, notebook, pack.work / notebook.name, pack.settings[notebook])


def _note(future: Future[Any], pack: _Making, notebook: Path | None, tasks: deque[tuple[_Making, Path | None]]) -> None:
    """Take in what a task has done; after the last notebook of a pack render it."""
    try:
        result = future.result()
        if notebook is None:
            pack.made = result
        else:
            pack.notes[notebook.stem] = result
    except Exception as error:  # whatever it is, the other packs go on
        pack.failures.append(_said(error, notebook))
    if notebook is not None:
        pack.left -= 1
        if not pack.left and not pack.failures:
            tasks.appendleft((pack, None))


def _place(ready: Sequence[_Making], order: Order) -> None:
    """Attack all packs that are made, with all that are released, and put in place those that give nothing away."""
    ours = {_name(pack.target): payloads_of(pack.work) for pack in ready if not order.restricted(pack.icb)}
    packs = released_payloads(order.folder.parent, but=ours) if ours else {}
    leaks = attack({**packs, **ours}, areas=order.areas)
    named = {name for leak in leaks for name in leak.packs} & {*ours}
    packs |= {name: payloads for name, payloads in ours.items() if name not in named}
    for pack in ready:
        name = _name(pack.target)
        try:
            order.require_same_data()
            if name in named:  # the first of those that give something away together may stand
                refuse(attack({**packs, name: ours[name]}, areas=order.areas))
                packs[name] = ours[name]
            _put(pack)
        except Exception as error:  # whatever it is, the other packs go on
            pack.failures.append(_said(error))


def _put(pack: _Making) -> None:
    """Sign a pack, write down what it releases and put it in place."""
    assert pack.made is not None
    pack.sign()
    releases.release(_name(pack.target), pack.made[1], pack.target.parent.parent)
    _swap(pack.work, pack.target)


def _name(target: Path) -> str:
    """Return what a pack is called in the list of releases."""
    return f"{target.parent.name}/{target.name}"


def _said(error: Exception, notebook: Path | None = None) -> str:
    """Return an error in words for the person who asked for a pack."""
    where = f"{notebook.name}: " if notebook else ""
    if isinstance(error, (NotebookError, InputError)):
        return str(error)
    if isinstance(error, BrokenProcessPool):
        return f"{where}the process at work on it was ended from outside (killed, or memory ran out). Run it again."
    if isinstance(error, OSError) and error.strerror:
        return f"{where}{error.strerror} ({error.filename or 'no file'})"
    return f"{where}{type(error).__name__}: {error}"


def _without_page(error: OSError, packs: Sequence[Pack]) -> str:
    why = f"The page over all packs cannot be written: {error.strerror or error}. Every pack is whole; run this again."
    return " ".join([why, *(f"Not built: {pack.icb}: {' '.join(pack.failures)}" for pack in packs if pack.failures)])


def _run(notebook: Path, output: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """Run one notebook (in a worker) and return how long it took and what it read."""
    reads = Path(os.environ["TMPDIR"]) / f"{os.getpid()}.json"
    reads.unlink(missing_ok=True)
    seconds = execute(notebook, output, values, kernel=KERNEL, reads=reads)
    read = json.loads(reads.read_text(encoding="utf-8"))
    return {"seconds": round(seconds, 2), "reads": freshness.digests(freshness.shipped_reads(read))}


def _render(
    work: Path, order: Order, icb: str, notes: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Any], releases.Rows]:
    """Write every file of a pack into `work` (in a worker) and return its manifest, and the rows that it releases."""
    sections = tuple(read_section(work / notebook.name) for notebook in order.notebooks)
    payloads = {section.source: section.payloads for section in sections}
    refuse_leaks_between(payloads)
    name, restricted = _name(order.folder / safe_name(icb)), order.restricted(icb)
    refuse(attack_one(name, payloads))
    parameters = {n.stem: order.state(icb, n)["parameters"] for n in order.notebooks}
    about = order.about_pack(icb, notes)
    identity = proof.identity(about)
    document = Document(
        organisation=order.names.get(icb, icb),
        icb=icb,
        year=order.year,
        about=order.about,
        sections=sections,
        facts=(*order.facts(icb), ("Identity of this build", proof.in_groups(identity))),
        banner=order.banner,
        others=order.providers,
        warning=price_base_warning(sections, parameters),
        restricted=restricted,
        identity=identity,
    )
    rows = {} if restricted else releases.released_rows(payloads)
    releases.refuse_few(rows, order.folder.parent / releases.NAME)
    for name in order.formats:
        (work / FORMATS[name].file).write_bytes(FORMATS[name].write(document))
    made = manifest.make_manifest(about, document, work)
    text = json.dumps(made, indent=2, ensure_ascii=False)
    (work / manifest.NAME).write_text(text + "\n", encoding="utf-8", newline="\n")
    prose = [block.markdown for section in sections for block in section.blocks if isinstance(block, Prose)]
    files = {file.name: file.read_bytes() for file in work.iterdir()}
    if document.findings:  # a PDF is not read, so its words are
        files[f"{FORMATS['paper'].file}.txt"] = "\n".join(paper_of(document).texts).encode()
    refuse_files(files, payloads, prose)
    return made, rows


def _swap(work: Path, target: Path) -> None:
    """Put the new pack in the old one's place; at every moment one whole pack is there under its name or `.old`.

    Raises
    ------
    InputError
        If Windows lets nobody move the old pack, because a file of it is open in Excel or a reader.
    """
    old = _old(target)
    if target.exists():
        try:
            target.replace(old)
        except PermissionError:
            raise InputError(
                f"A file of {target.name} is open in another program, such as Excel. Close it and run this again; the "
                "pack that was there stands."
            ) from None
    work.replace(target)
    shutil.rmtree(old, ignore_errors=True)


def _recover(target: Path) -> None:
    """Mend what a run that was killed has left: half a pack goes, the old pack returns if the new was not in place."""
    for part in target.parent.glob(f".{target.name}.*.part"):
        shutil.rmtree(part, ignore_errors=True)
    old = _old(target)
    if old.exists() and not target.exists():
        old.replace(target)
    shutil.rmtree(old, ignore_errors=True)


def _old(target: Path) -> Path:
    return target.with_name(f".{target.name}.old")
