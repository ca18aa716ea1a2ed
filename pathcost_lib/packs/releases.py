"""Which packs may be published: a fixed grid of definitions, and nothing that differs by few people from what is out.

Two tables that count nearly the same people give away the few by which they differ, however well each is settled. So:

- The grid. What may be published is one of a fixed set: the shipped pathways, scenarios and default parameters, for
  each area and year. `PARAMETERS` says of each notebook parameter whether it moves who is counted. A pack outside the
  grid is built, but says on every page that it is not for publication.
- The ledger. `reports/releases.json` holds, of the released rows of the packs of the grid that say what they count, the
  rounded counts and a digest of the other numbers: nothing that was not released. A pack is refused if a row of the
  same definition would now be released otherwise, and its count has moved by so little that fewer than eight people
  may be the difference: the pack that is out stands.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from pathcost_lib import paths
from pathcost_lib.errors import InputError
from pathcost_lib.present.disclosure import MARK, RULES
from pathcost_lib.present.precision import COUNTED

__all__ = [
    "NAME",
    "NOT_FOR_PUBLICATION",
    "PARAMETERS",
    "WITHIN_GRID",
    "outside_grid",
    "record",
    "refuse_few",
    "release",
    "released",
    "released_rows",
    "restriction",
]

NAME = "releases.json"
NOT_FOR_PUBLICATION = "Not for publication"
#: What a manifest says of what may be published.
WITHIN_GRID = "within the grid of definitions that may be published"

#: Each parameter of a notebook: "free" moves nobody (words, money, how often chance is drawn), "grid" takes any value
#: that is allowed, "shipped" takes what is shipped and no file of one's own, "year" its default or the year of the
#: pack; "moves" decides who is counted, or how exact a number comes out, and only its default may be published. One
#: that is not here moves, as far as is known.
PARAMETERS = {
    **dict.fromkeys(("icb", "year", "data", "part"), "grid"),
    **dict.fromkeys(("pathway", "scenario"), "shipped"),
    "price_base": "year",
    **dict.fromkeys(("anyway", "draws", "official", "series", "claims"), "free"),
    **dict.fromkeys(("years", "worth", "moved", "scope", "first_year"), "free"),
    # Another comparator hides other rows of the same area.
    **dict.fromkeys(("definition_file", "reference", "fewest", "as_of", "own_peers", "threshold", "seed"), "moves"),
    # Each choice of files is another rounding of the same own numbers: many of them would tell them exactly.
    "compare": "moves",
    # Each choice of scenarios to set side by side is another sum over the same people.
    "beside": "moves",
    # An estimate beside the counts of the months held would tell their seasons.
    "scale_part_year": "moves",
    # Each index of inflation or quality is another rounding of the same cost.
    **dict.fromkeys(("deflator", "quality"), "moves"),
    # What a guard lets through by name is for those who know why, not for the public.
    "allow": "moves",
}
_SHIPPED = {"pathway": paths.pathway_definitions, "scenario": paths.scenarios}

Rows = Mapping[str, Mapping[str, Any]]


def outside_grid(values: Mapping[str, Mapping[str, Any]], defaults: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return which parameters put a pack outside the grid, as "fewest = 9 (02_pathway_cost)"; none if it is inside.

    Parameters
    ----------
    values, defaults : mapping of str to mapping
        By notebook: each parameter as the pack has it, and as the notebook has it.
    """
    outside = []
    for notebook, given in values.items():
        for name, value in given.items():
            if value == defaults[notebook].get(name) or _inside(name, value, given):
                continue
            text = Path(value).name if isinstance(value, str) else value
            outside.append(f"{name} = {text} ({notebook})")
    return sorted(outside)


def restriction(values: Mapping[str, Mapping[str, Any]], defaults: Mapping[str, Mapping[str, Any]]) -> str:
    """Return why something may not be published, as every page says it; empty if it is within the grid."""
    outside = outside_grid(values, defaults)
    return f"{NOT_FOR_PUBLICATION}: {'; '.join(outside)}." if outside else ""


def _inside(name: str, value: Any, given: Mapping[str, Any]) -> bool:
    kind = PARAMETERS.get(name, "moves")
    if kind == "shipped":
        shipped = {path.stem for path in _SHIPPED[name]().glob("*.toml")}
        return value in {"", "all", *shipped}
    return kind in ("free", "grid") or (kind == "year" and value == given.get("year"))


def released_rows(notebooks: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Return each row of a pack that says what it counts: under a digest of what that is, its table and its numbers."""
    rows: dict[str, dict[str, Any]] = {}
    for source, payloads in notebooks.items():
        for payload in (p for p in payloads if p.get("of")):
            columns = payload["columns"]
            heads = [c["key"] for c in columns]
            for row in payload["rows"]:
                words = [v for c, v in zip(columns, row, strict=True) if not c["number"] and c["key"] != "reason"]
                key = json.dumps([source, sorted(payload["of"].items()), heads, words], ensure_ascii=False)
                numbers = [v for c, v in zip(columns, row, strict=True) if c["number"]]
                counts = [v for c, v in zip(columns, row, strict=True) if c["key"].rsplit("_", 1)[-1] in COUNTED]
                named = f"{source}: {payload['title']}"
                digest = hashlib.sha256(key.encode()).hexdigest()[:32]
                rows[digest] = {
                    "table": named,
                    "counts": counts,
                    "numbers": _digest_of(numbers),
                    "rule": payload["rule"],
                }
    return rows


def _digest_of(numbers: Sequence[Any]) -> str:
    # Whether they are the same is all that is asked of them; how far a count has moved needs the count.
    return hashlib.sha256(json.dumps(numbers, ensure_ascii=False).encode()).hexdigest()[:32]


def refuse_few(rows: Rows, file: Path) -> None:
    """Refuse a pack of which a row differs from what is released, and perhaps by fewer people than may be told of.

    Raises
    ------
    InputError
        With the tables; never a number.
    """
    before = {digest: row for pack in _read(file).values() for digest, row in pack.items()}
    tables = [row["table"] for digest, row in rows.items() if digest in before and _few(before[digest], row)]
    if tables:
        named = list(dict.fromkeys(tables))
        raise InputError(
            f"{len(tables)} rows would differ from those released before, perhaps by fewer than eight people: "
            f"{'; '.join(named[:5])}. The pack that is there stands. If it was never given to anyone, take it out of "
            f"{file} and build again; else wait until more has changed."
        )


def _few(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Say whether what changed a released row may be fewer people than may be told of; one to seven count as four."""
    if before["numbers"] == now["numbers"]:
        return False
    rule = RULES.get(now["rule"], RULES["hes"])
    pairs = zip(*([4 if n == MARK else n or 0 for n in row["counts"]] for row in (before, now)), strict=False)
    moved = [abs(new - old) for old, new in pairs]
    # Each count stands for two more or fewer: what moved by 10 may have moved by 6, what moved by 15 by 11.
    return not moved or min(moved) - 2 * (rule.base // 2) < rule.smallest


def release(pack: str, rows: Rows, reports: Path) -> None:
    """Hold rows against the list of releases and write them down, before they are in place: rather one too many.

    Parameters
    ----------
    pack : str
        What is released, as "2024-25/QHL".
    rows : mapping
        From `released_rows`; without any nothing is written down.
    reports : Path
        Folder of the list. One run at a time reads and writes it.

    Raises
    ------
    InputError
        As `refuse_few`.
    """
    if rows:
        with FileLock(paths.private_folder(reports / ".locks") / "releases.lock"):
            refuse_few(rows, reports / NAME)  # another run may have released since
            record(pack, rows, reports / NAME)


def released(file: Path) -> list[str]:
    """Return the packs of which the list of releases knows, as "2024-25/QHL"."""
    return sorted(_read(file))


def record(pack: str, rows: Rows, file: Path) -> None:
    """Write down what a pack has released, in place of what it had; the file is whole at every moment."""
    packs = {**_read(file), pack: dict(rows)}
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as text:
        text.write(json.dumps({"format": 2, "packs": packs}, ensure_ascii=False, indent=1) + "\n")
    part.replace(file)


def _read(file: Path) -> dict[str, dict[str, dict[str, Any]]]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        raise InputError(
            f"{file} cannot be read as the list of what was released. Put back the one that was there."
        ) from None
    if not isinstance(content, dict) or content.get("format") not in (1, 2):
        raise InputError(f"{file} is not a list of releases of this version. Put back the one that was there.")
    if content["format"] == 1:  # it held the numbers themselves
        for row in (row for pack in content["packs"].values() for row in pack.values()):
            row["numbers"] = _digest_of(row["numbers"])
    return dict(content["packs"])
