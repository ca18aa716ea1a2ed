"""What an extract does without, and what is lost by it, in the words of `contracts.toml`.

The banner of every notebook says it (`present.banner`), and `docs/own-data.md` is `own_data()` written to a file.
"""

from __future__ import annotations

from pathcost_lib.codes import label
from pathcost_lib.sources.contracts import CONTRACTS
from pathcost_lib.sources.dataset import Dataset
from pathcost_lib.sources.quoting import quote_value

__all__ = ["lacking", "own_data", "sentence"]

#: Tables of which an area has its own rows: others may hold a column that it does without.
_OF_AREAS = ("activity", "patients")
#: Columns whose own name would not tell a reader what is meant.
_SAID = {
    ("organisations", "icb_code"): "The ICB of each organisation",
    ("organisations", "mff"): "The market forces factor",
    ("activity", "recorded_cost_pence"): "Recorded cost",
    ("patients", "died_on"): "The date of death",
    ("patients", "birth_year"): "Year of birth",
}


def lacking(dataset: Dataset, icb: str = "") -> list[str]:
    """Return what is not in the data and what that takes away, a sentence each; empty where nothing is lost.

    Parameters
    ----------
    dataset : Dataset
        As opened: a column that is left out is null on every row.
    icb : str
        The area whose own rows of activity and patients are looked at; all rows if not given.

    Examples
    --------
    >>> from pathcost_lib import paths
    >>> from pathcost_lib.sources import open_dataset
    >>> whole = open_dataset(paths.sample())
    >>> lacking(whole, "QHL")
    []
    >>> patients = whole.patients.query("SELECT * REPLACE (NULL AS deprivation_decile) FROM this")
    >>> lacking(Dataset(whole.engine, {**whole.tables, "patients": patients}))
    ['Deprivation decile is not in these data, so there is no slope over deprivation, and peers are chosen without it.']
    """
    texts = []
    for table, contract in CONTRACTS.items():
        if table not in dataset:
            texts.append(sentence(table))
            continue
        columns = [c.name for c in contract.columns if c.optional]
        if not columns:
            continue
        where = f" WHERE icb_code = {quote_value(icb)}" if icb and table in _OF_AREAS else ""
        counts = ", ".join(f"count({name}) AS {name}" for name in columns)
        row = dataset.tables[table].query(f"SELECT count(*) AS all_rows, {counts} FROM this{where}").to_arrow()
        numbers = row.to_pylist()[0]
        texts += [sentence(table, c) for c in columns if not numbers[c]] if numbers["all_rows"] else [sentence(table)]
    return [words for words in texts if words]


def sentence(table: str, column: str = "") -> str:
    """Return what a pack says without a table or one of its columns; empty where nothing is lost."""
    contract = CONTRACTS[table]
    lost = contract[column].without if column else contract.without
    if not lost or lost.startswith(("nothing:", "nothing,", "nothing but")):
        return ""
    what = (_SAID.get((table, column)) or label(column)) if column else f"The table {table}"
    return f"{what} is not in these data, so {lost}."


def own_data() -> str:
    """Return `docs/own-data.md`: what is lost without each column or table, and what the pack says."""
    lines = [
        "# Use your own data",
        "",
        "Map an extract, check it, build a pack:",
        "",
        "```",
        "pathcost import FOLDER --suggest            # proposes a mapping: edit it",
        "pathcost import FOLDER --mapping my.toml",
        "pathcost check --data FOLDER",
        "pathcost pack QHL --data FOLDER",
        "```",
        "",
        "[Tables](tables.md) has every column. Needed are the table `activity` and its columns that may not be left",
        "out. What else is there is used; what is not there is said, in the banner of every notebook and on the cover.",
        "A number that does not need what is missing is the same with and without it. One area alone, one provider, or",
        "one month will do: each comparison that needs more has a reason in the place of its number.",
        "",
        "## What is lost without each column or table",
        "",
        "A column of nothing but nulls counts as left out. This page is made from",
        "`pathcost_lib/sources/contracts.toml`: change that, then write `lacking.own_data()` here.",
        "",
        "| without | what goes | what the pack says |",
        "|---|---|---|",
    ]
    for table, contract in CONTRACTS.items():
        rows = [(table, "", contract.without)] if contract.without else []
        rows += [(table, c.name, c.without) for c in contract.columns if c.optional]
        for _, column, lost in rows:
            name = f"{table}, `{column}`" if column else f"table `{table}`"
            lines.append(f"| {name} | {lost[0].upper()}{lost[1:]} | {sentence(table, column) or '(nothing)'} |")
    return "\n".join(lines) + "\n"
