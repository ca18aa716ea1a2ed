"""What the production notebooks say of two areas of invented data, kept in `tests/golden` and compared.

A file for each area and notebook, in JSON lines: each message, figure and table, then the columns and rows of the
table. `PATHCOST_GOLDEN=write` writes them anew; git then shows what changed.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from in_process import NOTEBOOKS, run

from pathcost_lib import __version__
from pathcost_lib.packs.document import Figure, Finding, Message, Section, Table
from pathcost_lib.sample import generate

KEPT = Path(__file__).parent / "golden"
WRITE = os.environ.get("PATHCOST_GOLDEN") == "write"
#: A large area, and a small one in which more is hidden.
ICBS = ("QHL", "QR1")
#: Small areas beside them: five peers are the fewest to compare with.
OTHERS = ("QOC", "QT6", "QSL", "QGH", "QJM")
#: The day of the extract, so that nothing depends on the day of the run.
PARAMETERS = {"01": {"as_of": "2025-06-30"}}
MOST = 12  # differences that a failure names
_WIDTH = 80

KINDS = ("message", "finding", "table", "figure")
Line = dict[str, Any] | list[Any]
#: The lines of each message, figure and table, by its kind and name.
Items = dict[str, list[Line]]


# -- what is kept -----------------------------------------------------------------------------------------------------
def lines_of(section: Section) -> Iterator[Line]:
    """Yield what a section says: of each block what it is, then its columns, steps of rounding, and rows."""
    messages = 0
    for block in section.blocks:
        if isinstance(block, Message):
            messages += 1
            said = {"text": block.text, "decision": block.decision, "figures": [dict(f) for f in block.figures]}
            said |= {"named": [one.payload() for one in block.named], "unknown": list(block.unknown)}
            yield from _payload({"message": f"{messages}", **said}, block.behind)
        elif isinstance(block, Finding):
            said = {**asdict(block.words), "named": [one.payload() for one in block.named]}
            yield from _payload({"finding": said.pop("question"), "sentence": said.pop("title"), **said}, block.behind)
        elif isinstance(block, Figure):
            said = {"title": block.title, "alt": block.alt, "note": block.note, "log": dict(block.log)}
            yield {"figure": block.name, **said, "on_slides": bool(block.picture)}
        elif isinstance(block, Table):
            yield from _payload({"table": block.name}, block.payload)


def _payload(head: dict[str, Any], payload: Mapping[str, Any]) -> Iterator[Line]:
    yield head | {
        key: value for key, value in payload.items() if key not in ("name", "columns", "rows", "steps", "rounding")
    }
    for column in payload.get("columns", []):
        yield {"column": column["key"], **{key: value for key, value in column.items() if key != "key"}}
    yield from ({"steps": column, "by_row": steps} for column, steps in payload.get("steps", {}).items())
    yield from payload.get("rows", [])


def text_of(lines: Iterable[Line]) -> str:
    """Return JSON lines, numbers to nine figures, without the digests of scenario files."""
    text = "".join(f"{json.dumps(_rounded(line), ensure_ascii=False)}\n" for line in lines)
    return re.sub(r"\bversion [0-9a-f]{12}\b", "version …", text)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(part) for part in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


# -- how it is compared -----------------------------------------------------------------------------------------------
def items(text: str) -> Items:
    """Return the lines of each message, figure and table."""
    found: Items = {}
    for line in map(json.loads, text.splitlines()):
        if isinstance(line, dict) and (kind := next((k for k in KINDS if k in line), "")):
            name = f"{kind} {line[kind]!r}"
            assert name not in found, f"two of {name}"
            found[name] = []
        found[name].append(line)
    return found


def differences(before: str, now: str) -> list[str]:
    """Return where two texts differ, by item, row and column; not in noise of numbers."""
    kept, made = items(before), items(now)
    found = [f"{name}: is not there any more" for name in kept if name not in made]
    found += [f"{name}: is new" for name in made if name not in kept]
    if not found and list(kept) != list(made):
        found.append(f"the order is {', '.join(made)}")
    for name in (name for name in kept if name in made):
        found += [
            f"{name}, {what}" for what in (*_in_fields(kept[name], made[name]), *_in_rows(kept[name], made[name]))
        ]
    return found


def _in_fields(before: list[Line], now: list[Line]) -> Iterator[str]:
    """Yield the differences in what is said of an item, its columns and its steps."""
    kept, made = _fields(before), _fields(now)
    for name in dict.fromkeys([*kept, *made]):
        if not same(kept.get(name), made.get(name)):
            yield f"{name}: {_beside(kept.get(name), made.get(name))}"
    if list(kept) != list(made) and set(kept) == set(made):
        yield f"the order is {', '.join(made)}"


def _fields(lines: list[Line]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for line in lines:
        if isinstance(line, dict):
            kind = next((k for k in ("column", "steps") if k in line), "")
            fields |= {f"{kind} {line[kind]}": line} if kind else line
    return fields


def _in_rows(before: list[Line], now: list[Line]) -> Iterator[str]:
    """Yield the differences between rows: by place, or the rows of one side only where they are not as many."""
    columns = [line["column"] for line in before if isinstance(line, dict) and "column" in line]
    kept, made = ([line for line in lines if isinstance(line, list)] for lines in (before, now))
    if len(kept) != len(made):
        yield f"rows: {len(kept)} → {len(made)}"
        yield from (f"row {n}: lost: {_short(row)}" for n, row in enumerate(kept, 1) if not _among(row, made))
        yield from (f"row {n}: new: {_short(row)}" for n, row in enumerate(made, 1) if not _among(row, kept))
        return
    for n, (old, new) in enumerate(zip(kept, made, strict=True), 1):
        words = ", ".join(value for value in old if isinstance(value, str) and value not in ("", "*"))[:40]
        for column, *pair in zip_longest(columns, old, new):
            if not same(*pair):
                yield f"row {n} ({words}), {column}: {_beside(*pair)}"


def _among(row: Line, rows: list[Line]) -> bool:
    return any(same(row, other) for other in rows)


def same(one: Any, other: Any) -> bool:
    """Say whether two values are the same but for noise: a millionth of a number, or of what is shown."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float | int) and isinstance(other, float | int):
        return math.isclose(one, other, rel_tol=1e-6, abs_tol=1.5e-6)
    return bool(one == other)


def _beside(one: Any, other: Any) -> str:
    """Return two values side by side; of long ones the part where they begin to differ."""
    texts = [json.dumps(value, ensure_ascii=False) for value in (one, other)]
    alike = next((n for n, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), 0)
    start = max(0, alike - 30) if max(map(len, texts)) > _WIDTH else 0
    return " → ".join(_short(text, start) for text in texts)


def _short(value: Any, start: int = 0) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    end = start + _WIDTH
    return f"{'…' if start else ''}{text[start:end]}{'…' if len(text) > end else ''}"


# -- the notebooks ----------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(generate(tmp_path_factory.mktemp("golden") / "sample", people=2_500_000, icbs=(*ICBS, *OTHERS)))


def _file(icb: str, key: str) -> Path:
    return KEPT / icb / f"{NOTEBOOKS[key].stem}.jsonl"


@pytest.mark.regression
@pytest.mark.parametrize("key", NOTEBOOKS)
@pytest.mark.parametrize("icb", ICBS)
def test_a_notebook_says_what_it_said(icb: str, key: str, data: str) -> None:
    file = _file(icb, key)
    text = text_of(lines_of(run(key, {"icb": icb, "data": data, **PARAMETERS.get(key, {})})))
    if WRITE:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    found = differences(file.read_text(encoding="utf-8") if file.is_file() else "", text)
    if found:
        more = [f"and {len(found) - MOST} more"] if len(found) > MOST else []
        what = "\n  ".join([*found[:MOST], *more])
        hint = "PATHCOST_GOLDEN=write keeps what it says now"
        pytest.fail(f"{file.stem}, {icb}, does not say what is kept ({hint}):\n  {what}", pytrace=False)


@pytest.mark.regression
def test_every_notebook_is_kept_and_nothing_else_and_nothing_of_the_run() -> None:
    files = {_file(icb, key) for icb in ICBS for key in NOTEBOOKS}
    assert {path for path in KEPT.rglob("*") if path.is_file()} == files
    assert sum(path.stat().st_size for path in files) < 1_500_000
    texts = {path: path.read_text(encoding="utf-8") for path in files}
    run_dependent = re.compile(rf"{re.escape(str(KEPT.parents[1]))}|/tmp|{re.escape(__version__)}|\b[0-9a-f]{{12,}}\b")
    assert {path.name for path, text in texts.items() if run_dependent.search(text)} == set()


# -- the comparison ---------------------------------------------------------------------------------------------------
TEXT = text_of(
    [
        {"message": "1", "text": "Knees: £17,000 per patient"},
        {"figure": "phases", "alt": "Bars of cost by phase. " * 10 + "The operation costs most."},
        {"table": "By phase", "title": "Cost by phase", "rule": "strict"},
        {"column": "phase", "heading": "Phase"},
        {"column": "mean_gbp", "heading": "Mean"},
        {"steps": "mean_gbp", "by_row": [100.0, 100.0]},
        ["assessment", 3800.0],
        ["operation", "*"],
    ]
)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("£17,000", "£17,001", ["message '1', text:", "£17,000", "£17,001"]),
        ("costs most", "costs least", ["figure 'phases', alt: …", "costs most", "costs least"]),
        ("3800.0", "3810.0", ["table 'By phase', row 1 (assessment), mean_gbp: 3800.0 → 3810.0"]),
        ('"*"', "0.0", ["table 'By phase', row 2 (operation), mean_gbp: \"*\" → 0.0"]),
        ("3800.0", "null", ["row 1 (assessment), mean_gbp: 3800.0 → null"]),
        ('"Mean"', '"Cost"', ["table 'By phase', column mean_gbp:", '"Mean"', '"Cost"']),
        ("100.0]", "10.0]", ["table 'By phase', steps mean_gbp:"]),
        ('["operation", "*"]\n', "", ["table 'By phase', rows: 2 → 1", 'row 2: lost: ["operation", "*"]']),
        ('"table": "By phase"', '"table": "By part"', ["table 'By phase': is not", "table 'By part': is new"]),
    ],
)
def test_a_difference_is_named_by_table_row_and_column(old: str, new: str, said: list[str]) -> None:
    found = "\n".join(differences(TEXT, TEXT.replace(old, new)))
    assert all(part in found for part in said), found
    assert len(found) < 500


@pytest.mark.unit
def test_rows_and_items_in_another_order_are_another_text() -> None:
    *head, first, second = TEXT.splitlines()
    assert len(differences(TEXT, "\n".join([*head, second, first]))) == 4
    message, figure, *table = TEXT.splitlines()
    assert differences(TEXT, "\n".join([figure, message, *table])) == [
        "the order is figure 'phases', message '1', table 'By phase'"
    ]


@pytest.mark.unit
def test_noise_of_numbers_is_no_difference() -> None:
    assert differences(TEXT, TEXT.replace("3800.0", "3800.00002")) == []
    assert differences(TEXT, TEXT.replace("3800.0", "3800.02")) != []
    assert text_of([[1 / 3, 2_000_000 / 3]]) == "[0.333333333, 666666.667]\n"
