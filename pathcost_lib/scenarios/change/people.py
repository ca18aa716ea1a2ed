"""Whom a scheme is for: rows with the age, sex, deprivation, practice or a diagnosis of their patient, or from a list.

A row of activity has one diagnosis, the main one. A diagnosis "of a patient" is one of any of the patient's contacts in
the year, wherever: so dementia is found in an admission for a fall.

A list of people is a CSV file of its own with a column patient_id. Identifiers in it become pseudonyms as at intake
(see `intake.pseudonyms`), with the same local key, and are compared with those of the data; nothing of them is kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from pathcost_lib.errors import InputError
from pathcost_lib.few import SMALLEST
from pathcost_lib.intake.pseudonyms import key_file, key_in, local_key, pseudonym
from pathcost_lib.scenarios.change.interventions import Intervention
from pathcost_lib.scenarios.years import start_year
from pathcost_lib.sources.engine import DuckDBEngine, Relation, connect
from pathcost_lib.sources.quoting import quote_condition

__all__ = ["COLUMNS", "PERSON", "column_of", "is_listed", "of_people", "with_people"]

#: What `select` may choose people by.
PERSON = (
    "age_from",
    "age_to",
    "sex",
    "deprivation_decile",
    "practice_code",
    "practice_code_prefix",
    "not_practice_code",
    "patient_diagnosis_prefix",
    "people",
)
#: The columns of patients behind that.
COLUMNS = ("age", "sex", "deprivation_decile", "practice_code")
_PSEUDONYM = re.compile("p[0-9a-f]{32}")


def column_of(key: str) -> str:
    """Return the column that a key of `select` is compared with."""
    return "age" if key in ("age_from", "age_to") else key.removeprefix("not_").removesuffix("_prefix")


def of_people(key: str) -> bool:
    """Return whether a key of `select` chooses people, also once a list or a diagnosis has become a column."""
    return key in PERSON or key.startswith(("listed_", "diagnosed_"))


def is_listed(file: str) -> str:
    """Return the column that says whether a row's patient is on a list: by the file, so that no two are mixed up."""
    return f"listed_{_short(file)}"


def _diagnosed(codes: Sequence[str]) -> str:
    """Return the column that says whether a row's patient has a diagnosis that begins with any of some codes."""
    return f"diagnosed_{_short(' '.join(sorted(codes)))}"


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def with_people(
    rows: Relation, items: Sequence[Intervention], patients: Relation | None, *, year: str
) -> tuple[Relation, list[Intervention]]:
    """Return rows with what is chosen by of their patients, and the schemes that choose by those columns.

    Parameters
    ----------
    rows : Relation
        Costed rows of one financial year.
    items : sequence of Intervention
        Schemes; as they are where none chooses by people.
    patients : Relation, optional
        The table of patients.
    year : str
        Age is of the calendar year in which this financial year begins, as in notebook 03.

    Raises
    ------
    InputError
        If people are chosen by what the data do not have, or a list cannot be read or has nobody of the data in it.
    """
    if not any(key in PERSON for item in items for key in item.select):
        return rows, list(items)
    if patients is None:
        words = "A scheme chooses people by age, sex, deprivation, practice, diagnosis or list"
        raise InputError(f"{words}: give the table patients.")
    lists = {item.select["people"][0]: _listed(item, rows) for item in items if "people" in item.select}
    sources = {is_listed(file): f"list_{n}" for n, file in enumerate(lists)}
    of_codes = {codes: _diagnosed(codes) for item in items if (codes := item.select.get("patient_diagnosis_prefix"))}
    if of_codes and "primary_diagnosis" not in rows.columns:
        raise InputError("A scheme chooses people by a diagnosis: the ledger has no column primary_diagnosis.")
    for codes, column in of_codes.items():
        test = quote_condition("primary_diagnosis_prefix", codes)
        sources[column] = f"(SELECT DISTINCT CAST(patient_id AS VARCHAR) AS listed_id FROM rows WHERE {test})"
    joined = " ".join(
        f"LEFT JOIN {source} AS {column}_of ON {column}_of.listed_id = CAST(r.patient_id AS VARCHAR)"
        for column, source in sources.items()
    )
    flags = "".join(
        f", CASE WHEN {column}_of.listed_id IS NULL THEN 'no' ELSE 'yes' END AS {column}" for column in sources
    )
    calendar_year = start_year(year)
    each = (
        f"SELECT patient_id, CASE WHEN min(birth_year) IS NOT NULL THEN greatest({calendar_year} - min(birth_year), 0) "
        "END AS age, min(sex) AS sex, "
        "CAST(min(deprivation_decile) AS VARCHAR) AS deprivation_decile, min(practice_code) AS practice_code "
        "FROM patients GROUP BY patient_id"
    )
    named = ", ".join(f"p.{column}" for column in COLUMNS)
    whole = rows.engine.view(
        "rows_of_people",
        f"SELECT r.*, {named}{flags} FROM rows AS r LEFT JOIN ({each}) AS p ON p.patient_id = r.patient_id {joined}",
        {"rows": rows, "patients": patients} | {f"list_{n}": frame for n, frame in enumerate(lists.values())},
        materialise=True,
    )
    return whole, [_by_columns(item) for item in items]


def _by_columns(item: Intervention) -> Intervention:
    select = dict(item.select)
    for file in select.pop("people", ()):
        select[is_listed(file)] = ("yes",)
    if codes := select.pop("patient_diagnosis_prefix", ()):
        select[_diagnosed(codes)] = ("yes",)
    return replace(item, select=select)


def _listed(item: Intervention, rows: Relation) -> pd.DataFrame:
    """Return who is on a scheme's list, by the identifiers of the data, each once."""
    (name,) = item.select["people"]
    path, where = Path(name), f"Intervention {item.name!r}, people"
    try:
        table = pd.read_csv(path, dtype=str, encoding="utf-8-sig")
    except (OSError, ValueError):
        raise InputError(f"{where}: {path.name} cannot be read. Give a CSV file with a column patient_id.") from None
    if "patient_id" not in table:
        raise InputError(f"{where}: {path.name} has no column patient_id.")
    people = table["patient_id"].dropna().str.strip()
    people = people[people != ""].drop_duplicates()
    if len(people) < SMALLEST:
        # A digest of the file stands in the pack: of a few identifiers it could be found by trial.
        raise InputError(f"{where}: {path.name} lists fewer than {SMALLEST} people. Nothing could be shown of them.")
    if str(rows.schema["patient_id"]).upper() == "VARCHAR":
        people = _at_the_door(people, where).drop_duplicates()
    listed = pd.DataFrame({"listed_id": people.to_numpy(dtype=object)}).astype({"listed_id": "string"})
    matches = rows.engine.view(
        "listed",
        "SELECT 1 AS one FROM rows AS r JOIN list AS l ON l.listed_id = CAST(r.patient_id AS VARCHAR) LIMIT 1",
        {"rows": rows, "list": listed},
    )
    if not matches.count():
        raise InputError(f"{where}: nobody of {path.name} is in the activity of this area and year.")
    return listed


def _at_the_door(people: pd.Series, where: str) -> pd.Series:
    """Return identifiers as the pseudonyms that intake makes of them; pseudonyms stay."""
    plain = ~people.map(lambda text: bool(_PSEUDONYM.fullmatch(text)))
    if not plain.any():
        return people
    if not key_file().exists():
        raise InputError(f"{where}: there is no key to make pseudonyms with. The list needs the key of the import.")
    engine = connect(files=())
    assert isinstance(engine, DuckDBEngine)
    with key_in(engine, local_key()):
        made = engine.view(
            "door",
            f"SELECT {pseudonym('id', 'patient')} AS id FROM plain",
            {"plain": pd.DataFrame({"id": people[plain]})},
        ).to_pandas()
    return pd.concat([people[~plain], made["id"]])
