"""The file by which an organisation lets others compare themselves with it: statistics, never rows of people.

A file is a zip archive of two members: `statistics.csv` (`docs/tables.md` has its columns) and `manifest.json`. What is
read was written by somebody else: sizes are bounded, every column is held to its type, and nothing is taken on trust.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pathcost_lib.archive import zipped
from pathcost_lib.errors import InputError

__all__ = ["COLUMNS", "FORMAT", "KEYS", "NUMBERS", "Shared", "Statistics", "definition_digest", "read", "write"]

FORMAT = 2
#: What a row is of; empty where it is not split by it.
KEYS = ("statistic", "pathway", "phase", "from_setting", "setting", "age_band", "sex", "deprivation")
#: What a row holds; empty where it does not apply. An empty cell is not known, and never zero.
NUMBERS = (
    "persons",
    "pathways",
    "contacts",
    "cost_gbp",
    "mean_gbp",
    "variable_gbp",
    "squared_deviations",
    "outside_pct",
)
#: Of those, what is never less than zero.
_NEVER_NEGATIVE = ("persons", "pathways", "contacts", "squared_deviations", "outside_pct")
COLUMNS = (*KEYS, *NUMBERS)
_STATISTICS, _MANIFEST = "statistics.csv", "manifest.json"
#: A file of one area has a few thousand rows.
_MOST_BYTES = 5_000_000
_WORD = re.compile(r"[A-Za-z0-9_ ]{0,60}")
#: What a manifest must say, and of what type.
_SAID: dict[str, type] = {
    "icb": str,
    "name": str,
    "year": str,
    "price_base": str,
    "months": list,
    "definitions": dict,
    "prices": dict,
    "contacts": int,
    "persons": int,
    "coverage_pct": dict,
    "lacking": dict,
    "banner": str,
}


@dataclass(frozen=True, eq=False)
class Shared:
    """What one organisation shares.

    Attributes
    ----------
    table : DataFrame
        Rows of `COLUMNS`; numbers are as they were disclosed, missing where they are not known.
    manifest : mapping
        icb, name, year, price_base, months, definitions (digest by pathway), prices
        (digest by POD), contacts, persons, coverage_pct, lacking
        (what the file does not hold, and why), banner.
    file : str
        Name of the file.
    """

    table: pd.DataFrame
    manifest: Mapping[str, Any]
    file: str = ""

    @property
    def icb(self) -> str:
        """Code of the area."""
        return str(self.manifest["icb"])


@dataclass(frozen=True, eq=False)
class Statistics:
    """What several organisations share: their rows one after another, with icb_code, and what each file lacks."""

    table: pd.DataFrame
    lacking: Mapping[str, Mapping[str, str]]

    def of(self, statistic: str) -> pd.DataFrame:
        """Return the rows of one statistic; areas whose file lacks it have none."""
        return self.table[self.table["statistic"] == statistic].reset_index(drop=True)


def definition_digest(definition: object) -> str:
    """Return a digest of what a pathway's definition says, whatever its file looks like."""
    return hashlib.sha256(repr(definition).encode()).hexdigest()


def write(shared: Shared, path: Path) -> Path:
    """Write a file, whole or not at all; the same content is the same bytes.

    Examples
    --------
    >>> rows = pd.DataFrame([{"statistic": "people", "persons": 1_250}], columns=[*COLUMNS])
    >>> write(Shared(rows, {"icb": "QHL"}), Path("QHL.zip")).name
    'QHL.zip'
    """
    text = shared.table[[*COLUMNS]].to_csv(index=False, float_format="%.10g", lineterminator="\n")
    manifest = {"format": FORMAT, **shared.manifest, "statistics_sha256": hashlib.sha256(text.encode()).hexdigest()}
    about = json.dumps(manifest, indent=1, ensure_ascii=False)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(zipped({_STATISTICS: text.encode(), _MANIFEST: about.encode()}))
    return part.replace(path)


def read(folder: Path | str) -> list[Shared]:
    """Read the files of a folder, one for each organisation.

    Parameters
    ----------
    folder : Path or str
        With files that `pathcost share` wrote, at any depth of folders.

    Raises
    ------
    InputError
        If there is no such folder or no file in it, two files are of one area, or a file cannot be used: the file, the
        column and what is allowed are named.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"compare: there is no folder {folder}. Allowed: a folder with files of `pathcost share`.")
    contents = [_read_one(path) for path in sorted(folder.rglob("*.zip"))]
    if not contents:
        raise InputError(f"compare: {folder} holds no .zip file. Allowed: files that `pathcost share` wrote.")
    files: dict[str, str] = {}
    for one in contents:
        if one.icb in files:
            raise InputError(f"{files[one.icb]} and {one.file} are both of {one.icb}. Allowed: one file for each area.")
        files[one.icb] = one.file
    return contents


def _read_one(path: Path) -> Shared:
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {about.filename: about.file_size for about in archive.infolist()}
            if set(sizes) != {_STATISTICS, _MANIFEST} or max(sizes.values()) > _MOST_BYTES:
                raise InputError(
                    f"{path.name} is no file of `pathcost share`. Allowed: {_STATISTICS} and {_MANIFEST}, each of at "
                    f"most {_MOST_BYTES // 1_000_000} MB."
                )
            text, manifest_text = (archive.read(name).decode() for name in (_STATISTICS, _MANIFEST))
            manifest = json.loads(manifest_text)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path.name} cannot be read: it is damaged, or no file of `pathcost share`.") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(f"{path.name}: its format is not {FORMAT}. Ask for a file of this version of pathcost.")
    for name, kind in _SAID.items():
        if type(manifest.get(name)) is not kind:
            raise InputError(f"{path.name}, {_MANIFEST}: {name} is missing or no {kind.__name__}.")
    if not re.fullmatch(r"[A-Z0-9]{3,6}", manifest["icb"]):
        raise InputError(f"{path.name}, {_MANIFEST}: icb is no ODS code. Allowed: 3 to 6 letters and digits.")
    if hashlib.sha256(text.encode()).hexdigest() != manifest.get("statistics_sha256"):
        raise InputError(f"{path.name}: {_STATISTICS} is not what was written. Ask for the file again.")
    return Shared(_typed(text, path.name), manifest, path.name)


def _typed(text: str, file: str) -> pd.DataFrame:
    table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    if list(table.columns) != [*COLUMNS]:
        raise InputError(f"{file}, {_STATISTICS}: columns are not those of the format. Allowed: {', '.join(COLUMNS)}.")
    for name in KEYS:
        wrong = ~table[name].str.fullmatch(_WORD)
        if wrong.any():
            raise InputError(f"{file}, {_STATISTICS}, column {name}: row {_first(wrong)} is no word of the format.")
    for name in NUMBERS:
        numbers = pd.to_numeric(table[name].where(table[name] != ""), errors="coerce")
        wrong = (table[name] != "") & ~(np.isfinite(numbers) & (numbers.abs() < 1e15))
        wrong |= (numbers < 0) if name in _NEVER_NEGATIVE else False
        if wrong.any():
            row = _first(wrong)
            raise InputError(f"{file}, {_STATISTICS}, column {name}: row {row} is no number that can be there.")
        table[name] = numbers.astype(float)
    return table


def _first(wrong: pd.Series) -> int:
    """Return the first row that is wrong, as a spreadsheet numbers them."""
    return int(wrong.to_numpy().argmax()) + 2
