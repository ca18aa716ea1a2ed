"""What a dataset is about: its ICBs, its financial years, and what organisations are called."""

from __future__ import annotations

from pathcost_lib.codes import financial_year, financial_year_bounds, financial_year_from
from pathcost_lib.sources.contracts import CONTRACTS
from pathcost_lib.sources.dataset import Dataset
from pathcost_lib.sources.engine import Relation
from pathcost_lib.sources.quoting import quote_value

__all__ = [
    "financial_years",
    "icb_codes",
    "icbs_of",
    "organisation_names",
    "organisations_in",
    "organisations_near",
    "provider_names",
    "table_or_empty",
]

#: Characters of a name that a table and a figure have room for.
LONGEST_NAME = 80


def icb_codes(activity: Relation) -> list[str]:
    """Return the ICBs that have activity."""
    table = activity.query("SELECT DISTINCT icb_code FROM this WHERE icb_code IS NOT NULL ORDER BY icb_code")
    return [str(code) for code in table.to_arrow()["icb_code"].to_pylist()]


def icbs_of(dataset: Dataset, year: str) -> list[str]:
    """Return the ICBs that have activity in a financial year and were there for some of it (the list is dated)."""
    first, last = financial_year_bounds(year)
    active = icb_codes(
        dataset.activity.query(
            f"SELECT * FROM this WHERE start_date BETWEEN {quote_value(first)} AND {quote_value(last)}"
        )
    )
    if "organisations" not in dataset:
        return active
    overlaps = f"coalesce(valid_from <= {quote_value(last)}, true) AND coalesce(valid_to >= {quote_value(first)}, true)"
    sql = (
        f"SELECT org_code, max(CASE WHEN {overlaps} THEN 1 ELSE 0 END) AS there FROM this WHERE kind = 'icb' GROUP BY 1"
    )
    listed = dataset.organisations.query(sql).to_pandas()
    return [code for code in active if code not in set(listed.loc[listed["there"] == 0, "org_code"])]


def financial_years(activity: Relation) -> list[str]:
    """Return the financial years from the first day of activity to the last."""
    if activity.extent is None:
        return []
    first, last, _ = activity.extent
    years = range(int(financial_year(first)[:4]), int(financial_year(last)[:4]) + 1)
    return [financial_year_from(year) for year in years]


def organisation_names(organisations: Relation) -> dict[str, str]:
    """Return each organisation's code and its latest name, as a page and a figure can bear it.

    A tab or line break is a blank, what cannot be printed is left out, and a name longer than a line is cut and bears
    its code, so that two that begin alike are still two.
    """
    latest = organisations.query(
        "SELECT org_code, name FROM (SELECT *, row_number() OVER (PARTITION BY org_code ORDER BY valid_from DESC) AS n "
        "FROM this) AS dated WHERE n = 1 ORDER BY org_code"
    ).to_pandas()
    named = zip(latest["org_code"], latest["name"].fillna(latest["org_code"]), strict=True)
    return {str(code): _printable(str(name), str(code)) for code, name in named}


def _printable(name: str, code: str) -> str:
    blanks = "".join(" " if character.isspace() else character for character in name)
    words = " ".join("".join(character for character in blanks if character.isprintable()).split())
    return words if len(words) <= LONGEST_NAME else f"{words[: LONGEST_NAME - len(code) - 4].rstrip()}\u2026 ({code})"


def provider_names(organisations: Relation) -> list[str]:
    """Return the names of the providers of care, as `organisation_names` writes them."""
    codes = organisations.query("SELECT DISTINCT org_code FROM this WHERE kind NOT IN ('icb', 'region')").to_arrow()
    called = organisation_names(organisations)
    return sorted({called[str(code)] for code in codes["org_code"].to_pylist()})


def organisations_in(organisations: Relation, icb_code: str) -> set[str]:
    """Return the codes of the organisations that lie in an ICB."""
    rows = organisations.query("SELECT DISTINCT org_code, icb_code FROM this").to_pandas()
    return set(rows.loc[rows["icb_code"] == icb_code, "org_code"])


def organisations_near(organisations: Relation, icb_code: str) -> set[str]:
    """Return the codes of the organisations in an ICB's region, those in the ICB itself among them."""
    rows = organisations.query("SELECT DISTINCT org_code, icb_code, region_code FROM this").to_pandas()
    here = rows["icb_code"] == icb_code
    regions = set(rows.loc[here, "region_code"].dropna())
    return set(rows.loc[here | rows["region_code"].isin(regions), "org_code"])


def table_or_empty(dataset: Dataset, name: str) -> Relation:
    """Return a table of the dataset, or one of its columns and no rows where the extract does without (prices, say)."""
    if name in dataset:
        return dataset.tables[name]
    columns = ", ".join(f"CAST(NULL AS {c.type.split(' or ')[-1]}) AS {c.name}" for c in CONTRACTS[name].columns)
    return dataset.engine.view(name, f"SELECT {columns} WHERE 1 = 0")
