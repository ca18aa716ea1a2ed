"""Forecast every published series of waits and A&E, and print what share of months lies inside the 80 % intervals.

Run `python benchmarks/forecasts.py [FOLDER] [rtt] [icb] [trust]`, FOLDER the official publications
(`PATHCOST_PUBLIC_DATA` or `../shared/public`). About ten minutes of one core for all of them.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pandas as pd

from pathcost_lib.scenarios import monthly_outlook

FILES = {
    "rtt": ("england_rtt_stp", "stp20_nhs_code", ("waits_over_18_weeks",), "%Y-%m-%d", "none"),
    "icb": (
        "england_icb_accidents_emergency",
        "icb22_code",
        ("total_attendances", "total_emergency_admissions"),
        "%B %Y",
        "days",
    ),
    "trust": (
        "england_trust_accidents_emergency",
        "nhs_trust22_code",
        ("total_attendances", "total_emergency_admissions"),
        "%B %Y",
        "days",
    ),
}


def series_of(folder: Path, file: str) -> pd.DataFrame:
    """Return every series of a file as `monthly_outlook` takes them."""
    name, code, measures, layout, calendar = FILES[file]
    rows = pd.read_csv(folder / "activity_performance" / f"{name}.csv.gz")
    if file == "rtt":
        rows = rows[rows["treatment"] == "Total"]
    rows["month"] = pd.to_datetime(rows["date"], format=layout).dt.to_period("M")
    long = rows.melt([code, "month"], list(measures), var_name="measure", value_name="activity")
    long["series"] = long[code] + " " + long["measure"]
    return long[["series", "month", "activity"]].assign(calendar=calendar)


def main(folder: Path, files: list[str]) -> None:
    """Print, for each file, how many series are forecast, why the others are not, and the coverage over all months."""
    for file in files:
        start = time.perf_counter()
        series = series_of(folder, file)
        tables = []
        for number, name in enumerate(series["series"].unique(), start=1):
            tables.append(monthly_outlook(series[series["series"] == name], names=[name]).table)
            if number % 20 == 0:
                report(file, pd.concat(tables), start)
        report(file, pd.concat(tables), start)


def report(file: str, table: pd.DataFrame, start: float) -> None:
    """Print the coverage of the series done so far."""
    done = table[table["method"].notna()]
    tested = done[done["coverage_80_pct"].notna()]
    inside = (tested["coverage_80_pct"] * tested["tested_months"]).sum() / tested["tested_months"].sum()
    print(
        f"{file}: {len(table)} series, {len(done)} forecast, {len(tested)} tested on {tested['tested_months'].sum():.0f} "
        f"months, {inside:.1f} % inside 80 %, median MASE {tested['mase'].median():.2f} against "
        f"{tested['naive_mase'].median():.2f} for the naive; {time.perf_counter() - start:.0f} s",
        flush=True,
    )
    for reason, number in table.loc[table["method"].isna(), "reason"].value_counts().items():
        print(f"    {number} not forecast: {reason}")


if __name__ == "__main__":
    asked = [word for word in sys.argv[1:] if word in FILES]
    places = [word for word in sys.argv[1:] if word not in FILES]
    default = os.environ.get("PATHCOST_PUBLIC_DATA", Path(__file__).parents[2] / "shared" / "public")
    main(Path(places[0] if places else default), asked or list(FILES))
