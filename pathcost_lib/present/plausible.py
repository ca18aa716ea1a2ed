"""Wrong-answer guards: a comparison that is far out is more often a fault of the data than a finding, and stops."""

from __future__ import annotations

import pandas as pd

from pathcost_lib.errors import InputError
from pathcost_lib.present.format import pounds, say
from pathcost_lib.sources.comparator import allowances

__all__ = ["INDEX_RANGE", "REFERENCE_RANGE", "require_plausible"]

#: Cost of one ICB's people or pathways as a percentage of all areas', or a provider's of what its case mix would lead
#: one to expect: differences in need and price move it by tens, not by fives.
INDEX_RANGE = (20.0, 500.0)
#: The reference as a multiple of the area's own.
REFERENCE_RANGE = (0.1, 10.0)


def require_plausible(table: pd.DataFrame, *, by: str = "", value: str, area: str, allow: str = "") -> None:
    """Refuse a comparison whose index or reference is so far out that the data, not the area, are the likely cause.

    Parameters
    ----------
    table : DataFrame
        As disclosed: `value`, reference_gbp and, where there are, index_lower_95 and index_upper_95. Rows without both
        amounts are not judged. With limits a row is far out only if its whole interval is: few stray by chance.
    by : str
        Column that names the rows; none for a table of one.
    value : str
        Column of the area's own amount.
    area : str
        What the area is called.
    allow : str
        "index" or "reference" (`sources.comparator.allowances`), where it is known to be right.

    Raises
    ------
    InputError
        With both amounts, the index and the likely cause.
    """
    allowed = allowances(allow)
    known = table[table[value].gt(0) & table["reference_gbp"].gt(0)]
    for row in known.to_dict("records"):
        own, reference = row[value], row["reference_gbp"]
        index = 100 * own / reference
        low, high = row.get("index_lower_95"), row.get("index_upper_95")
        ends = (low, high) if pd.notna(low) and pd.notna(high) else (index, index)
        broken = []
        if ends[1] < INDEX_RANGE[0] or ends[0] > INDEX_RANGE[1]:
            broken.append("index")
        if ends[1] < 100 / REFERENCE_RANGE[1] or ends[0] > 100 / REFERENCE_RANGE[0]:
            broken.append("reference")
        if not set(broken) <= allowed:
            code = str(row[by]) if by else ""
            what = f", {say(code).lower() if code == code.lower() else code}" if by else ""
            short = "the reference" if index > 100 else area
            raise InputError(
                f"{area}{what}: {pounds(own)} beside a reference of {pounds(reference)}, index {index:,.0f}. Allowed: "
                f"an index of {INDEX_RANGE[0]:.0f} to {INDEX_RANGE[1]:.0f} and a reference between a tenth and ten "
                f"times the area's own. Most likely activity or cost of {short} is missing, or pence were read as "
                f"pounds: see notebook 01. If it is right, go on with `--set allow={','.join(broken)}`."
            )
