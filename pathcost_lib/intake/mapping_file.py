"""What a mapping may say, key by key, checked before any file is opened. The format is at the head of `mapping`."""

from __future__ import annotations

import codecs
import datetime as dt
import re
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.intake.expressions import check_query, row_expression
from pathcost_lib.intake.feed import Feed, is_required
from pathcost_lib.sources.contracts import CONTRACTS, PATTERNS, TABLES, Column
from pathcost_lib.sources.toml_models import Like, Limits, OneOf, Table, against_rule, read_file
from pathcost_lib.sources.typed_text import MONEY

__all__ = ["MappingFile", "read_mapping"]

Character = Annotated[str, Like(r"[^\x00-\x1f\x7f-\x9f]|\t", "one character that is seen, or a tab")]
Counted = Annotated[int, Limits(1, unit="counted from 1")]


class ColumnTable(Table):
    """Where one of our columns comes from, and how its text is read."""

    from_: str | None = Field(None, alias="from", description="Their column", examples=["TOTAL COST"])
    constant: str | int | float | dt.date | None = Field(None, description="One value for every row", examples=[1])
    sql: str | None = Field(
        None, description="An expression of our columns and `source.THEIRS`", examples=["upper(source.SEX)"]
    )
    codes: dict[str, str | int | float] = Field({}, description="Ours for each of theirs", examples=[{"1": "elective"}])
    unlisted: str = Field("reject", description="What becomes of others: reject, keep, or a code", examples=["keep"])
    date: str | list[str] = Field([], description="How a date is written, one form or several", examples=["%d/%m/%Y"])
    money: Annotated[str, OneOf(tuple(MONEY))] | None = Field(
        None, description="What an amount is in", examples=["pounds"]
    )
    thousands: Character = Field("", description="Mark between thousands", examples=[","])
    decimal: Annotated[str, OneOf((".", ","))] = Field(".", description="Mark before the decimals", examples=[","])
    rounded: bool = Field(False, description="Whether more than two decimals go to the nearest penny", examples=[True])

    @model_validator(mode="after")
    def _agree(self) -> Self:
        given = self.model_fields_set
        if len(given & {"from_", "constant", "sql"}) != 1:
            raise against_rule('needs one of from, constant or sql, such as { from = "THEIR COLUMN" }.')
        if "from_" not in given and given - {"constant", "sql"}:
            raise against_rule("codes, date, money and the like go with from, not with constant or sql.")
        if "unlisted" in given and not self.codes:
            raise against_rule("goes with codes.", "unlisted")
        if "rounded" in given and not self.money:
            raise against_rule("goes with money.", "rounded")
        return self

    def check(self, ours: dict[str, Column], column: str) -> None:
        """Refuse what does not suit our column.

        Raises
        ------
        InputError
            In a sentence without its place.
        """
        if self.sql is not None:
            row_expression(self.sql, ours, "")
        if column.endswith("_pence") and self.from_ and not self.money:
            raise InputError(f"say what money it is in: money = {' or '.join(map(repr, MONEY))}.")
        codes = [*self.codes.values(), *([] if self.unlisted in ("reject", "keep") else [self.unlisted])]
        for value in codes if self.constant is None else [self.constant]:
            if allowed := ours[column].allowed:
                require_one_of(str(value), allowed, what="code")
            elif (pattern := ours[column].pattern) and not re.fullmatch(PATTERNS[pattern][0], str(value)):
                raise InputError(f"{value!r} is not {PATTERNS[pattern][1]}.")


class ExcludeTable(Table):
    """Rows that are left out and reported."""

    where: str = Field(description="An expression that is true of them", examples=["source.STATUS = 'cancelled'"])
    reason: str = Field(description="Why, for the report", examples=["cancelled"])


class LatestTable(Table):
    """Rows submitted again: the last submission counts."""

    by: Annotated[str, Like(".+", "the name of a column")] = Field(
        description="Their column of the submission", examples=["SUBMISSION_DATE"]
    )
    key: list[str] | None = Field(
        None, description="Our columns by which rows are the same; the table's key if left out"
    )
    date: str | list[str] = Field([], description="How its date is written", examples=["%d/%m/%Y"])


class FeedTable(Table):
    """One of our tables: what feeds it, and where each column comes from."""

    name: Annotated[str, OneOf(TABLES)] = Field(description="Our table", examples=["activity"])
    file: str = Field("", description="A file, or a pattern, inside the folder", examples=["encounters_*.csv"])
    encoding: str = Field("", description="Of a text file; told from it if left out", examples=["cp1252"])
    delimiter: Character = Field(",", description="Of a text file; told from it if left out", examples=[";"])
    quote: Character = Field('"', description="Of a text file; told from it if left out", examples=["'"])
    heading_row: Counted = Field(1, description="The row of the headings", examples=[3])
    heading_rows: Counted = Field(1, description="How many rows the heading has", examples=[2])
    headings: list[str] = Field([], description="The headings of a file that has none", examples=[["CODE", "NAME"]])
    latest: LatestTable | None = Field(None, description="How rows submitted again are told")
    sheet: str | int = Field("", description="Of a workbook: name or number", examples=["Data"])
    connection: str = Field("", description="Environment variable with the URL of a database", examples=["WAREHOUSE"])
    query: str = Field("", description="What to read from it", examples=["SELECT * FROM spells"])
    also: dict[str, list[str]] = Field({}, description="Other names of a heading", examples=[{"DAY": ["Date"]}])
    optional: list[str] = Field([], description="Headings that a file may be without", examples=[["HRG"]])
    missing: list[str] = Field([], description="What stands for no value", examples=[["NULL"]])
    exclude: list[ExcludeTable] = Field([], description="Rows that are left out and reported")
    columns: dict[str, ColumnTable] = Field(description="Where each of our columns comes from")

    @model_validator(mode="after")
    def _read(self) -> Self:
        """Refuse a file outside the folder, a query that does more than read, columns that are not ours."""
        if bool(self.file) == bool(self.query) or bool(self.query) != bool(self.connection):
            words = "a table needs a file, or a query and the connection (an environment variable) that it is for."
            raise against_rule(words, "file")
        parts = re.split(r"[/\\]", self.file)
        if self.file and (".." in parts or parts[0] in ("", "~") or ":" in self.file):
            raise against_rule(f"{self.file!r} leaves the folder. Name a file, or a pattern, inside it.", "file")
        if self.encoding and not _is_text_encoding(self.encoding):
            words = f"there is no encoding {self.encoding!r}. Allowed: utf-8, cp1252, latin-1 ..."
            raise against_rule(words, "encoding")
        self._check_columns()
        return self

    def _check_columns(self) -> None:
        ours = {column.name: column for column in CONTRACTS[self.name].columns}
        place: tuple[str, ...] = ()
        try:
            if self.query:
                place = ("query",)
                check_query(self.query, "")
            for item in self.exclude:
                place = ("exclude",)
                row_expression(item.where, ours, "")
            for column, spec in self.columns.items():
                place = ("columns", column)
                require_one_of(column, ours, what="column")
                spec.check(ours, column)
            for column in self.latest.key or () if self.latest else ():
                place = ("latest", "key")
                require_one_of(column, self.columns, what="column")
        except InputError as error:
            raise against_rule(str(error).removeprefix(": "), *place) from None
        for needed in ours.values():
            if is_required(needed) and needed.name not in self.columns:
                words = f"the table does not say where {needed.name} comes from, and {self.name} needs it."
                raise against_rule(words, "columns")

    def feed(self, mapping: str) -> Feed:
        """Return what the import works with."""
        values: dict[str, Any] = self.model_dump(by_alias=True, exclude_unset=True)
        beside = ("name", "columns", "missing", "exclude")
        return Feed(
            mapping=mapping,
            name=self.name,
            columns=values["columns"],
            options={key: value for key, value in values.items() if key not in beside},
            missing=("", *self.missing),
            exclude=tuple(values.get("exclude", ())),
        )


class MappingFile(Table):
    """A mapping: for each of our tables, what feeds it."""

    table: Annotated[list[FeedTable], Field(min_length=1)] = Field(
        description="What feeds one of our tables: at least one"
    )


def _is_text_encoding(name: str) -> bool:
    try:
        return bool(codecs.lookup(name)._is_text_encoding)
    except (LookupError, ValueError):
        return False


def read_mapping(path: Path) -> list[Feed]:
    """Read and check a mapping.

    Raises
    ------
    InputError
        If the file is missing or not TOML, or names a table, column, option or code that is not allowed.
    """
    return [table.feed(path.name) for table in read_file(MappingFile, path, "mapping").table]
