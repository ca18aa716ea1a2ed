"""Write the synthetic England: an ICB at a time, a block of people at a time, the same bytes whatever the workers."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pathcost_lib.codes import SETTINGS
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.paths import private_folder
from pathcost_lib.sample.activity import Rows, background, count_effects, journeys, one_bed_at_a_time, truncate
from pathcost_lib.sample.costs import quantum, spent_in, true_costs, unit_costs
from pathcost_lib.sample.organisations import organisations
from pathcost_lib.sample.people import People, draw_people
from pathcost_lib.sample.reference import POD_CODES, YEARS, days_from
from pathcost_lib.sample.tables import dictionary, outcomes, patients, population
from pathcost_lib.sample.world import World, build

__all__ = ["SEED", "SIZES", "VERSION", "generate"]

#: Change when the same seed gives other rows.
VERSION = 2
#: People at the start of the extract. England's mid-2023 population is 57.7 million.
SIZES = {"tiny": 4_000, "default": 576_900}
SEED = 20_240_401
#: People drawn together: the memory of a worker does not grow with the number of people.
_BLOCK = 20_000
_LARGEST = 60_000_000

_TEXT = pa.dictionary(pa.int32(), pa.string())
_ACTIVITY = pa.schema(
    [
        ("activity_id", pa.int64()),
        ("patient_id", pa.int64()),
        ("start_date", pa.date32()),
        ("end_date", pa.date32()),
        *((name, _TEXT) for name in ("setting", "pod", "currency_code", "provider_code", "icb_code")),
        ("units", pa.int64()),
        ("length_of_stay_days", pa.int64()),
        ("primary_diagnosis", _TEXT),
        ("primary_procedure", _TEXT),
        ("recorded_cost_pence", pa.int64()),
    ]
)
_COUNTING = ("activity_id", "patient_id")  # sorted: stored as differences, not as a dictionary


def generate(
    folder: Path | str,
    *,
    people: str | int = "default",
    seed: int = SEED,
    jobs: int = 1,
    icbs: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a synthetic England of two financial years, 2023-24 and 2024-25, with planted truths.

    Parameters
    ----------
    folder : Path or str
        Where the tables go; written under a temporary name beside it and renamed when whole. An earlier sample there
        is replaced; any other folder with files in it is refused.
    people : {"tiny", "default"} or int
        People in England on 1 April 2023 ("tiny" 4,000; "default" 576,900, one in a hundred), shared over the ICBs
        as their populations are. Children born in the two years come on top (about 2%).
    seed : int
        The same seed gives the same bytes, whatever `jobs`.
    jobs : int
        Processes. More than one needs an importable main module, as all of Python's spawned processes do.
    icbs : sequence of str, optional
        Write only these ICBs' people, the same as in the whole; all ICBs if not given.
    progress : callable, optional
        Called with (ICBs done, ICBs in all) after each.

    Returns
    -------
    Path
        `folder`, with the seven tables as Parquet, `truth.json` (what is planted, and how large) and `sample.json`
        (version, seed, people and rows, by which a caller can tell whether a sample is current).

    Raises
    ------
    InputError
        If a size or an ICB is not known, or the folder holds something else.
    """
    target = Path(folder)
    number = _number_of(people)
    if target.exists() and not (target / "sample.json").exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} holds something that is not a sample. Name an empty folder, or a new one.")
    world = build(seed)
    known = world.icbs["icb_code"].tolist()
    wanted = [require_one_of(code, known, what="ICB") for code in (known if icbs is None else icbs)]
    shares = _apportion(number, world.icbs["population"].to_numpy(float))
    shares[~world.icbs["icb_code"].isin(wanted)] = 0
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        private_folder(part)
        summary = _write(world, shares, part, jobs, progress)
        _write_json(part / "truth.json", world.plan.to_json(world.providers) | {"seed": seed})
        about = {
            "version": VERSION,
            "seed": seed,
            "people": number,
            "icbs": sorted(wanted),
            "whole": set(wanted) == set(known),
        }
        _write_json(part / "sample.json", about | summary)
        shutil.rmtree(target, ignore_errors=True)
        part.rename(target)
    except OSError as error:
        why = error.strerror or "the disk is full, or may not be written"
        raise InputError(
            f"{target} cannot be written: {why}. Nothing is left there. Free room, or name another."
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def _write(
    world: World, shares: np.ndarray, folder: Path, jobs: int, progress: Callable[[int, int], None] | None
) -> dict[str, int]:
    """Write every table; return rows by table."""
    # Largest first, so that no worker is left with the largest at the end.
    order = [int(i) for i in np.argsort(-shares, kind="stable") if shares[i]]
    pence = np.zeros((len(world.providers), len(YEARS), len(SETTINGS)), np.int64)
    rows = 0
    for done, (written, sums) in enumerate(_run(world, [(i, int(shares[i]), folder) for i in order], jobs), 1):
        rows += written
        pence += sums
        if progress:
            progress(done, len(order))
    counts = {"activity": rows}
    for table in ("patients", "outcomes"):
        counts[table] = _join(folder, table, [world.icbs["icb_code"].iloc[i] for i in sorted(order)])
    frames = {
        "unit_costs": unit_costs(world),
        "organisations": organisations(world.providers),
        "population": population(world, shares),
        "quantum": quantum(world, pence),
    }
    for table, frame in frames.items():
        arrow = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata()
        pq.write_table(arrow, folder / f"{table}.parquet", compression="zstd", compression_level=9)
        counts[table] = len(frame)
    return {f"{table}_rows": count for table, count in sorted(counts.items())}


_Task = tuple[int, int, Path]
_worker_world: World


def _run(world: World, tasks: list[_Task], jobs: int) -> Iterator[tuple[int, np.ndarray]]:
    if jobs <= 1 or len(tasks) < 2:
        yield from (_write_icb(world, *task) for task in tasks)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(tasks)), context, _start_worker, (world,)) as pool:
        yield from pool.map(_in_worker, tasks)


def _start_worker(world: World) -> None:
    global _worker_world
    _worker_world = world


def _in_worker(task: _Task) -> tuple[int, np.ndarray]:
    return _write_icb(_worker_world, *task)


def _write_icb(world: World, icb: int, n: int, folder: Path) -> tuple[int, np.ndarray]:
    """Write one ICB's people and activity; return its rows and true cost by provider, year and setting."""
    code = world.icbs["icb_code"].iloc[icb]
    pence = np.zeros((len(world.providers), len(YEARS), len(SETTINGS)), np.int64)
    next_patient, next_row = (icb + 1) * 10**9, (icb + 1) * 10**12
    first_row = next_row
    writers: dict[str, pq.ParquetWriter] = {}
    try:
        for block, size in enumerate(_blocks(n)):
            rng = np.random.default_rng(np.random.SeedSequence([world.seed, 2, icb, block]))
            people = draw_people(world, icb, size, rng)
            rows, end, cost, recorded, kept = _block(world, people, code, rng)
            setting = world.catalogue.setting[rows.item]
            for year_number, spent in enumerate(spent_in(rows, end, cost)):
                np.add.at(pence[:, year_number], (rows.provider, setting), spent)
            reports = outcomes(world, people, rows, next_patient, rng)
            rows, end, cost, recorded = rows.take(kept), end[kept], cost[kept], recorded[kept]
            table = _activity(world, rows, end, cost, recorded, code, next_patient, next_row)
            for year, first, last in YEARS:
                chosen = (rows.day >= days_from(first)) & (rows.day <= days_from(last))
                _append(writers, folder / "activity" / year / f"{code}.parquet", table.filter(pa.array(chosen)))
            _append(writers, _part(folder, "patients", code), patients(world, people, icb, next_patient))
            _append(writers, _part(folder, "outcomes", code), reports)
            next_patient += len(people)
            next_row += len(rows)
    finally:
        for writer in writers.values():
            writer.close()
    return next_row - first_row, pence


def _block(
    world: World, people: People, code: str, rng: np.random.Generator
) -> tuple[Rows, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return a block's rows by person and day, their ends, their costs, whether recorded, and whether kept."""
    rows = Rows.concatenate(journeys(world, people, code, rng) + background(world, people, code, rng))
    rows = count_effects(world, rows, code, rng)
    rows, end = truncate(world, people, rows)
    order = np.argsort(
        (rows.person.astype(np.int64) << 32) + (rows.day.astype(np.int64) << 12) + rows.item, kind="stable"
    )
    rows, end = rows.take(order), end[order]
    one_bed_at_a_time(world, rows, end)
    cost, recorded = true_costs(world, rows, end, rng)
    coverage = np.array([world.plan.coverage.get(code, 1.0) for code in world.codes])
    kept = rng.random(len(rows)) < coverage[rows.provider]
    return rows, end, cost, recorded, kept


def _activity(
    world: World,
    rows: Rows,
    end: np.ndarray,
    cost: np.ndarray,
    recorded: np.ndarray,
    code: str,
    first_patient: int,
    first_row: int,
) -> pa.Table:
    items = world.catalogue.items
    columns: list[Any] = [
        first_row + np.arange(len(rows), dtype=np.int64),
        first_patient + rows.person.astype(np.int64),
        pa.array(rows.day).cast(pa.date32()),
        pa.array(end, mask=end < 0).cast(pa.date32()),
        dictionary(world.catalogue.setting[rows.item], list(SETTINGS)),
        dictionary(world.catalogue.pod[rows.item], list(POD_CODES)),
        dictionary(rows.item, [item[1] for item in items]),
        dictionary(rows.provider, world.codes.tolist()),
        dictionary(np.zeros(len(rows), np.int8), [code]),
        rows.units.astype(np.int64),
        pa.array(rows.nights.astype(np.int64), mask=rows.nights < 0),
        dictionary(rows.item, [item[2] or None for item in items]),
        dictionary(rows.item, [item[3] or None for item in items]),
        pa.array(cost, mask=~recorded),
    ]
    return pa.Table.from_arrays([pa.array(c) if isinstance(c, np.ndarray) else c for c in columns], schema=_ACTIVITY)


def _append(writers: dict[str, pq.ParquetWriter], path: Path, table: pa.Table) -> None:
    key = str(path)
    if key not in writers:
        path.parent.mkdir(parents=True, exist_ok=True)
        counting = [c for c in _COUNTING if c in table.column_names]
        writers[key] = pq.ParquetWriter(
            path,
            table.schema,
            compression="zstd",
            store_schema=False,
            use_dictionary=[c for c in table.column_names if c not in counting],
            column_encoding=dict.fromkeys(counting, "DELTA_BINARY_PACKED"),
        )
    writers[key].write_table(table)


def _part(folder: Path, table: str, code: str) -> Path:
    return folder / f".{table}" / f"{code}.parquet"


def _join(folder: Path, table: str, codes: Iterable[str]) -> int:
    """Make one file of the ICBs' parts, a row group at a time; return its rows."""
    writers: dict[str, pq.ParquetWriter] = {}
    rows = 0
    for code in codes:
        with pq.ParquetFile(_part(folder, table, code)) as part:
            for group in range(part.num_row_groups):
                chunk = part.read_row_group(group)
                _append(writers, folder / f"{table}.parquet", chunk)
                rows += len(chunk)
    for writer in writers.values():
        writer.close()
    shutil.rmtree(folder / f".{table}")
    return rows


def _blocks(n: int) -> list[int]:
    return [min(_BLOCK, n - start) for start in range(0, n, _BLOCK)]


def _number_of(people: str | int) -> int:
    if isinstance(people, str):
        return SIZES[require_one_of(people, SIZES, what="Sample size")]
    if not 420 <= people <= _LARGEST:
        raise InputError(
            f"A sample of {people:,} people is not possible. Allowed: tiny, default, or 420 to {_LARGEST:,}."
        )
    return int(people)


def _apportion(number: int, weights: np.ndarray) -> np.ndarray:
    """Share a whole number out in proportion (largest remainders)."""
    exact = number * weights / weights.sum()
    shares = np.floor(exact).astype(np.int64)
    short = number - int(shares.sum())
    shares[np.argsort(-(exact - shares), kind="stable")[:short]] += 1
    return shares


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
