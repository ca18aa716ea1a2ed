"""Run a notebook with parameters that are checked and typed before anything starts.

Plain papermill accepts a name that it does not know and reads `01E5` as a number, both without a word. Here names are
those of the notebook's one `parameters` cell, and values go in as typed Python.
"""

from __future__ import annotations

import ast
import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import CellExecutionError, DeadKernelError
from papermill.exceptions import PapermillExecutionError

from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.present.display import TALLY
from pathcost_lib.sources.address import is_folder, parse

__all__ = [
    "TYPES",
    "NotebookError",
    "Parameter",
    "check_parameters",
    "execute",
    "parameters_of",
    "typed",
    "with_variable",
]

#: Tag of cells that an analyst makes their own, and that no pack runs.
YOURS = "yours"
TYPES: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}
_WORDS = {"true": True, "yes": True, "false": False, "no": False}
#: Beyond these a run would not end: draws of a simulation, and any other number.
_LARGEST = {"draws": 1_000_000, "": 1_000_000_000}
_WARNING = re.compile(r"^\S.*:\d+: \w*Warning: ")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Parameter:
    """One line of a notebook's `parameters` cell."""

    name: str
    kind: str
    default: Any
    help: str


class NotebookError(RuntimeError):
    """A cell failed: which notebook, and the error's own words."""


def parameters_of(notebook: Path) -> dict[str, Parameter]:
    """Return the parameters that a notebook declares.

    Raises
    ------
    InputError
        If there is not exactly one cell tagged `parameters`, one of them has no usable type, or no kernel is named.
    """
    cells = nbformat.read(notebook, as_version=4).cells
    tagged = [c for c in cells if "parameters" in c.get("metadata", {}).get("tags", [])]
    if len(tagged) != 1:
        raise InputError(f"{notebook.name}: {len(tagged)} cells are tagged `parameters`; there must be exactly one.")
    parameters = {}
    try:
        declared = papermill.inspect_notebook(str(notebook))
    except ValueError:  # all that papermill says of a notebook without a kernel
        raise InputError(f"{notebook.name}: names no kernel. Save it once in JupyterLab with Python 3.") from None
    for name, item in declared.items():
        kind = item["inferred_type_name"]
        if kind not in TYPES:
            raise InputError(f"{notebook.name}: parameter {name} is of type {kind}. Allowed: {', '.join(TYPES)}.")
        parameters[name] = Parameter(name, kind, ast.literal_eval(item["default"]), item["help"])
    lines = [line for line in tagged[0].source.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if len(parameters) != len(lines):
        raise InputError(f"{notebook.name}: {len(lines)} lines of parameters, but only {len(parameters)} can be read.")
    return parameters


def check_parameters(notebook: Path, values: Mapping[str, Any]) -> None:
    """Refuse a parameter that the notebook does not declare, or a value of another type.

    Raises
    ------
    InputError
        Naming the notebook, the parameter, and what is allowed.
    """
    declared = parameters_of(notebook)
    for name, value in values.items():
        require_one_of(name, declared, what=f"{notebook.name}: parameter")
        wanted = TYPES[declared[name].kind]
        if isinstance(value, int | float) and abs(value) > _LARGEST.get(name, _LARGEST[""]):
            most = _LARGEST.get(name, _LARGEST[""])
            raise InputError(f"{notebook.name}: parameter {name} is {value:,}. Allowed: up to {most:,}.")
        right = type(value) is wanted or (wanted is float and type(value) is int)
        if not right:
            got = f"{type(value).__name__}: {value!r}"
            raise InputError(f"{notebook.name}: parameter {name} must be {declared[name].kind}, not {got}.")


def typed(parameter: Parameter, text: str) -> Any:
    """Return text from a command line as the parameter's declared type, and no other: ODS code `01E5` stays text.

    Raises
    ------
    InputError
        If the text is not of that type.
    """
    try:
        return _WORDS[text.lower()] if parameter.kind == "bool" else TYPES[parameter.kind](text)
    except (KeyError, ValueError):
        raise InputError(f"Parameter {parameter.name} must be {parameter.kind}, not {text!r}.") from None


def execute(
    notebook: Path,
    output: Path,
    values: Mapping[str, Any],
    *,
    timeout: int = 1800,
    kernel: str = "python3",
    reads: Path | None = None,
) -> float:
    """Run a notebook in a kernel of its own, write the executed copy, and return the seconds it took.

    Parameters
    ----------
    notebook, output : Path
        What to run, and where the executed copy goes.
    values : mapping
        Parameters; checked first.
    timeout : int
        Seconds for one cell. The kernel is shut down whatever happens.
    kernel : str
        Name of the kernel. One that does not start is tried again, the last time as an ordinary one; a cell that fails
        is not.
    reads : Path, optional
        Where to note which files were read (`sources.reads`).

    Raises
    ------
    InputError
        If a parameter is refused.
    NotebookError
        If a cell fails; the message is the error's own.
    """
    check_parameters(notebook, values)
    start = time.perf_counter()
    # What ipykernel logs on its way up and down is nothing to do with the notebook, nor is the user's history.
    arguments = ["--IPKernelApp.log_level=50", "--HistoryManager.enabled=False"]
    if reads is not None:
        arguments.append(
            f"--IPKernelApp.exec_lines=__import__('pathcost_lib.sources.reads').sources.reads.note({str(reads)!r})"
        )
    for name in (kernel, kernel, "python3"):
        try:
            _execute(notebook, output, values, kernel_name=name, execution_timeout=timeout, extra_arguments=arguments)
            return time.perf_counter() - start
        except _NotStartedError as error:
            failed = error
    raise NotebookError(f"{notebook.name}: no kernel would start, after three tries: {failed}")


class _NotStartedError(RuntimeError):
    """The kernel did not come up, so nothing of the notebook has run."""


def _execute(notebook: Path, output: Path, values: Mapping[str, Any], **options: Any) -> None:
    try:
        # Without this a kernel may look for a screen, or lose figures after a fork.
        with with_variable("MPLBACKEND", "Agg"):
            papermill.execute_notebook(
                _without_yours(notebook),
                str(output),
                parameters=dict(values),
                progress_bar=False,
                request_save_on_cell_execute=False,
                kernel_manager_class="pathcost_lib.packs.private.PrivateKernelManager",
                **options,
            )
        _clean(output, values)
        return
    except PapermillExecutionError as error:
        text = _ANSI.sub("", str(error.evalue)).strip()
        kind = "" if error.ename == InputError.__name__ else f"{error.ename}: "
        # Counted from zero, after the cell that papermill puts in with the values.
        number = error.cell_index + 1 - bool(values)
        why = f"{notebook.name}, cell {number}: {kind}{text}"
    except CellExecutionError:  # papermill's own says which cell; this one only that the kernel broke off
        why = f"{notebook.name}: the kernel broke off. Are open files or memory short (ulimit -n)? Run it again."
    except DeadKernelError:
        why = f"{notebook.name}: the kernel was ended from outside (killed, or memory ran out). Run it again."
    except TimeoutError as error:
        why = f"{notebook.name}: {type(error).__name__}: {error}"
    except RuntimeError as error:  # jupyter_client's word for a kernel that does not answer
        raise _NotStartedError(str(error)) from None
    finally:
        if sys.exc_info()[0] is not None:
            output.unlink(missing_ok=True)
    output.unlink(missing_ok=True)
    raise NotebookError(why) from None


def _without_yours(notebook: Path) -> Any:
    """Return a notebook without the cells tagged `yours`: they move definitions out of the grid of packs."""
    book = nbformat.read(notebook, as_version=4)
    book.cells = [cell for cell in book.cells if YOURS not in cell.metadata.get("tags", [])]
    return book


def _clean(output: Path, values: Mapping[str, Any]) -> None:
    """Take out of an executed notebook what is not for others: see the parts."""
    if not output.is_file():
        return
    book = nbformat.read(output, as_version=4)
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs = [one for one in cell.outputs if not _only_warns(one)]
    _only_disclosed(book)
    _without_traces(book, values)
    nbformat.write(book, output)


def _only_disclosed(book: Any) -> None:
    """Take out what cells show and no pack reads: it has passed no disclosure control.

    A cell tagged `pack` keeps all that it shows, so that a pack can refuse what has not come through `present`.
    """
    for cell in book.cells:
        if cell.cell_type == "code" and "pack" not in cell.metadata.get("tags", []):
            cell.outputs = [one for one in cell.outputs if TALLY in one.get("data", {})]


def _without_traces(book: Any, values: Mapping[str, Any]) -> None:
    """Take out whose machine it ran on: papermill's notes, and the folders of parameters."""
    book.metadata.pop("papermill", None)
    folders = {v: Path(v).name for v in values.values() if isinstance(v, str) and v and Path(v).is_absolute()}
    if (data := values.get("data")) and not is_folder(data):
        folders[data] = parse(data).public
    for cell in book.cells:
        cell.metadata.pop("papermill", None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            for place, name in folders.items():
                cell.source = cell.source.replace(json.dumps(place, ensure_ascii=False), json.dumps(name))


def _only_warns(output: Any) -> bool:
    """Return whether an output is what libraries warned of (a glyph that a font lacks, say).

    It is no result, names paths of this computer, and is told by its form from what else a cell may write to the error
    stream: that stays, and a pack refuses it (`blocks.read_section`).
    """
    if output.get("output_type") != "stream" or output.get("name") != "stderr":
        return False
    # A warning is two lines: where and what, then the line of code, indented.
    lines = [line for line in "".join(output["text"]).splitlines() if line.strip()]
    return all(_WARNING.match(line) or line.startswith("  ") for line in lines) and bool(lines)


@contextmanager
def with_variable(name: str, value: str) -> Iterator[None]:
    """Set a variable of the environment, which kernels inherit, and put back what was there."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
