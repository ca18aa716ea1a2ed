"""A dataset: the tables of one extract, by name, in one engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from pathcost_lib.errors import InputError
from pathcost_lib.sources.engine import Engine, Relation, connect

__all__ = ["TABLES", "Dataset", "open_dataset"]

TABLES = ("activity", "patients", "unit_costs", "organisations", "population", "quantum", "outcomes")


@dataclass(frozen=True)
class Dataset:
    """The tables of one extract. `dataset.activity` is a `Relation`; a table that is not there says so."""

    engine: Engine
    tables: Mapping[str, Relation]
    folder: Path | None = None
    files: Mapping[str, list[Path]] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Relation:
        if name.startswith("_") or name not in TABLES:
            raise AttributeError(name)
        if name not in self.tables:
            where = f" in {self.folder}" if self.folder else ""
            held = ", ".join(self.tables) or "none"
            raise InputError(f"There is no table {name!r}{where}. Expected {name}.parquet or {name}/*.parquet. Held: {held}.")
        return self.tables[name]

    def __contains__(self, name: object) -> bool:
        return name in self.tables

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    @classmethod
    def from_frames(cls, frames: Mapping[str, pd.DataFrame], engine: Engine | None = None) -> Dataset:
        """Build a dataset from tables in memory (lessons and tests)."""
        engine = engine or connect()
        return cls(engine, {name: engine.register(name, frame) for name, frame in frames.items()})


def open_dataset(folder: str | Path, engine: Engine | None = None) -> Dataset:
    """Open a folder of Parquet tables: `activity.parquet`, or `activity/` with any depth of `.parquet` files.

    Parameters
    ----------
    folder : str or Path
        Where the tables are.
    engine : Engine, optional
        Where to run; DuckDB in memory if not given.

    Raises
    ------
    InputError
        If the folder is not there, holds no known table, or a file in it cannot be read; the file is named.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}. `pathcost sample` makes the synthetic England.")
    engine = engine or connect()
    files = {name: found for name in TABLES if (found := _files(folder, name))}
    if not files:
        raise InputError(f"{folder} holds none of the tables {', '.join(TABLES)} as Parquet.")
    return Dataset(engine, {name: engine.register(name, paths) for name, paths in files.items()}, folder, files)


def _files(folder: Path, name: str) -> list[Path]:
    single = folder / f"{name}.parquet"
    return [single] if single.is_file() else sorted((folder / name).rglob("*.parquet"))
