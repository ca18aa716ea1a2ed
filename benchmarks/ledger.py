"""Cost every row, link eight pathways, summarise by pathway x phase x setting x ICB: pathcost, hand-written SQL, pandas.

Usage: python benchmarks/ledger.py [rows in millions ...]   (default: 1 10)

`600` is England's year; only the scan and pathcost run above 100. PATHCOST_SCRATCH names a folder with room for the rows.

Each runs in a process of its own on the same Parquet files; the answers must agree exactly. Printed are wall and CPU
seconds and peak memory (medians of three runs in turns up to 10M rows), and their ratios; the scan of the needed columns is
the floor. pandas runs up to 10M rows.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median

import duckdb
import numpy as np
import pandas as pd

from pathcost_lib.codes import PODS
from pathcost_lib.ledger import cost_activity
from pathcost_lib.pathways import link, summarise
from pathcost_lib.pathways.definition import Definition, Phase
from pathcost_lib.sources import open_dataset

Answer = tuple[pd.DataFrame, pd.DataFrame]
KINDS = ("cost", "fixed", "semi_fixed", "variable")
PATHWAYS = [f"pathway_{n}" for n in range(8)]
BEFORE, AFTER, WASHOUT = 180, 180, 30
PHASES = (Phase("before", -BEFORE, -1), Phase("index", 0, 0), Phase("early", 1, 30), Phase("late", 31, AFTER))
#: Rows after the first so many are copies of them with other patients.
OFFSET_FROM = 50_000_000
INDEX = pd.DataFrame({"financial_year": ["2023-24", "2024-25", "2025-26"], "gdp_deflator": [96.0, 100.0, 100.0]})
BEHAVIOUR = pd.DataFrame({"pod": list(PODS), "fixed_share": 0.5, "semi_fixed_share": 0.2, "variable_share": 0.3})


def definitions() -> list[Definition]:
    return [
        Definition(name, name, name, "nearest_index", {"pod": ("elective", "non_elective"), "currency_code": (f"HX{n:02d}",)},
                   WASHOUT, BEFORE, AFTER, PHASES)
        for n, name in enumerate(PATHWAYS)
    ]  # fmt: skip


def make(folder: Path, rows: int) -> None:
    """Write activity of two years (20 contacts a patient), one in a hundred an index event, in blocks."""
    (folder / "activity").mkdir(parents=True)
    con = duckdb.connect()
    con.execute("SET preserve_insertion_order = false")
    pods = list(PODS.values())
    con.register(
        "pods",
        pd.DataFrame({"n": range(len(pods)), "pod": [p.code for p in pods], "setting": [p.setting for p in pods]}),
    )
    block = 5_000_000
    for first in range(0, rows, block):
        n, file = min(block, rows - first), f"{folder}/activity/{first // block:04d}.parquet"
        if first >= OFFSET_FROM:
            con.execute(
                f"""COPY (SELECT * REPLACE (activity_id + {first - first % OFFSET_FROM} AS activity_id,
                                            patient_id + {(first - first % OFFSET_FROM) // 20} AS patient_id)
                FROM '{folder}/activity/{first % OFFSET_FROM // block:04d}.parquet' LIMIT {n}) TO '{file}' (FORMAT parquet, ROW_GROUP_SIZE 250000)"""
            )
            continue
        con.execute(
            f"""COPY (
            SELECT i AS activity_id, i // 20 AS patient_id,
                   DATE '2023-04-01' + CAST(hash(i, 1) % 731 AS INTEGER) AS start_date,
                   DATE '2023-04-01' + CAST(hash(i, 1) % 731 + hash(i, 2) % 5 AS INTEGER) AS end_date,
                   p.setting, p.pod,
                   CASE WHEN p.pod IN ('elective', 'non_elective') THEN 'HX' || lpad(CAST(hash(i, 3) % 80 AS VARCHAR), 2, '0')
                        ELSE 'C' || CAST(hash(i, 3) % 50 AS VARCHAR) END AS currency_code,
                   'P' || CAST(i // 20 % 200 AS VARCHAR) AS provider_code,
                   'Q' || lpad(CAST(i // 20 % 42 AS VARCHAR), 2, '0') AS icb_code,
                   CAST(1 + hash(i, 4) % 3 AS BIGINT) AS units, CAST(hash(i, 2) % 5 AS BIGINT) AS length_of_stay_days,
                   CAST(NULL AS VARCHAR) AS primary_diagnosis, CAST(NULL AS VARCHAR) AS primary_procedure,
                   CASE WHEN p.setting = 'admitted' AND i // 20 % 200 < 100 THEN CAST(50000 + hash(i, 5) % 900000 AS BIGINT) END AS recorded_cost_pence
            FROM range({first}, {first + n}) AS r(i) JOIN pods AS p ON p.n = hash(i, 6) % {len(pods)}
            ) TO '{file}' (FORMAT parquet, ROW_GROUP_SIZE 250000)"""
        )
    prices = [
        (year, p.code, code, None, 10_000 + 977 * k, p.unit, 0.5, 0.2, 0.3, "bench")
        for year in ("2023-24", "2024-25")
        for p in pods
        for k, code in enumerate(
            [f"HX{n:02d}" for n in range(80)]
            if p.code in ("elective", "non_elective")
            else [f"C{n}" for n in range(50)]
        )
    ]
    columns = [
        "financial_year",
        "pod",
        "currency_code",
        "provider_code",
        "unit_cost",
        "unit",
        "fixed_share",
        "semi_fixed_share",
        "variable_share",
        "source",
    ]
    pd.DataFrame(prices, columns=columns).astype({"provider_code": "string"}).to_parquet(folder / "unit_costs.parquet")
    con.execute(
        f"""COPY (SELECT 'P' || CAST(n AS VARCHAR) AS org_code, 'P' AS name, 'acute' AS kind, 'Q00' AS icb_code, 'Y' AS region_code,
        1 + n / 1000.0::DOUBLE AS mff, DATE '2013-04-01' AS valid_from, CAST(NULL AS DATE) AS valid_to,
        CAST(NULL AS VARCHAR) AS successor_code, CAST(NULL AS DOUBLE) AS successor_share FROM range(200) AS r(n))
        TO '{folder}/organisations.parquet' (FORMAT parquet)"""
    )


def by_pathcost(folder: Path, *, hold: bool = False) -> Answer:
    data = open_dataset(folder)
    ledger = cost_activity(
        data.activity,
        data.unit_costs,
        data.organisations,
        price_base="2024-25",
        price_index=INDEX,
        behaviour=BEHAVIOUR,
        mff_base=1.05,
    )
    table = summarise(link(ledger, definitions(), hold=hold), ledger, ["pathway", "phase", "setting", "icb_code"])
    for kind in KINDS:
        table[f"{kind}_pence"] = (table[f"{kind}_gbp"] * 100).round().astype("int64")
    whole = ledger.query("SELECT cost_basis, CAST(sum(cost_pence) AS BIGINT) AS pence FROM this GROUP BY cost_basis")
    return table, whole.to_pandas()


def by_hand(folder: Path) -> Answer:
    """Write the best SQL for this job alone: prices joined directly, midpoints between neighbours, one range join."""
    con = duckdb.connect()
    con.execute("SET preserve_insertion_order = false")
    con.execute(f"CREATE VIEW a AS SELECT * FROM read_parquet('{folder}/activity/*.parquet')")
    con.execute(
        f"""CREATE TABLE u AS SELECT *, CAST(round(1e6 * 100.0 / CASE WHEN y = 2023 THEN 96.0 ELSE 100.0 END) AS BIGINT) AS factor
        FROM (SELECT *, CAST(substr(financial_year, 1, 4) AS INTEGER) AS y FROM read_parquet('{folder}/unit_costs.parquet'))"""
    )
    con.execute(
        f"""CREATE TABLE o AS SELECT org_code, y, CAST(round(1e6 * 100.0 / d * (1.05 / mff)) AS BIGINT) AS factor
        FROM read_parquet('{folder}/organisations.parquet') CROSS JOIN (VALUES (2023, 96.0), (2024, 100.0)) AS years(y, d)"""
    )
    con.execute(
        f"""CREATE TEMP TABLE i AS
        WITH q AS (SELECT patient_id, activity_id, start_date, icb_code, CAST(substr(currency_code, 3) AS INTEGER) AS n,
                          lag(start_date) OVER (PARTITION BY patient_id, currency_code ORDER BY start_date, activity_id) AS previous
                   FROM a WHERE pod IN ('elective', 'non_elective') AND currency_code < 'HX08'),
             d AS (SELECT min(start_date) AS f, max(start_date) AS t FROM a)
        SELECT q.*, start_date - {BEFORE} >= f AND start_date + {AFTER} <= t AS complete
        FROM q CROSS JOIN d WHERE previous IS NULL OR start_date - previous > {WASHOUT}"""
    )
    con.execute(
        f"""CREATE TEMP TABLE w AS
        WITH one AS (SELECT * FROM i QUALIFY row_number() OVER (PARTITION BY patient_id, start_date ORDER BY n, activity_id) = 1),
             c AS (SELECT *, lag(start_date) OVER p AS before_it, lead(start_date) OVER p AS after_it FROM one
                   WINDOW p AS (PARTITION BY patient_id ORDER BY start_date))
        SELECT patient_id, activity_id, n, icb_code, complete, start_date AS index_date,
               greatest(start_date - {BEFORE}, coalesce(before_it + CAST((start_date - before_it) // 2 + 1 AS INTEGER), DATE '1900-01-01')) AS f,
               least(start_date + {AFTER}, coalesce(start_date + CAST((after_it - start_date) // 2 AS INTEGER), DATE '2999-01-01')) AS t
        FROM c"""
    )
    con.execute(
        """CREATE VIEW costed AS
        SELECT *, (pence * 500000 + 500000) // 1000000 AS fixed, (pence * 700000 + 500000) // 1000000 AS not_variable FROM (
          SELECT a.patient_id, a.setting, a.start_date,
                 CASE WHEN a.recorded_cost_pence IS NOT NULL THEN 'recorded' ELSE 'national' END AS cost_basis,
                 CASE WHEN a.recorded_cost_pence IS NOT NULL THEN (a.recorded_cost_pence * o.factor + 500000) // 1000000
                      ELSE (u.unit_cost * a.units * u.factor + 50000000) // 100000000 END AS pence
          FROM a
          LEFT JOIN o ON o.org_code = a.provider_code AND o.y = CASE WHEN a.end_date < DATE '2024-04-01' THEN 2023 ELSE 2024 END
          LEFT JOIN u ON u.pod = a.pod AND u.currency_code = a.currency_code
               AND u.y = CASE WHEN a.end_date < DATE '2024-04-01' THEN 2023 ELSE 2024 END)"""
    )
    table = con.sql(
        """
        SELECT pathway, phase, setting, icb_code, CAST(sum(contacts) AS BIGINT) AS contacts, CAST(sum(cost) AS BIGINT) AS cost_pence,
               CAST(sum(fixed) AS BIGINT) AS fixed_pence, CAST(sum(half_fixed) AS BIGINT) AS semi_fixed_pence,
               CAST(sum(cost) - sum(fixed) - sum(half_fixed) AS BIGINT) AS variable_pence,
               CAST(sum(CAST(cost AS HUGEINT) * cost) AS DOUBLE) AS squares
        FROM (
          SELECT 'pathway_' || CAST(w.n AS VARCHAR) AS pathway, w.activity_id,
                 CASE WHEN c.start_date < w.index_date THEN 'before' WHEN c.start_date = w.index_date THEN 'index'
                      WHEN c.start_date - w.index_date <= 30 THEN 'early' ELSE 'late' END AS phase,
                 c.setting, w.icb_code, count(*) AS contacts, sum(c.pence) AS cost, sum(c.fixed) AS fixed, sum(c.not_variable - c.fixed) AS half_fixed
          FROM costed AS c JOIN w ON w.patient_id = c.patient_id AND c.start_date BETWEEN w.f AND w.t
          WHERE w.complete GROUP BY ALL)
        GROUP BY ALL"""
    ).df()
    counts = con.sql(
        "SELECT 'pathway_' || CAST(n AS VARCHAR) AS pathway, icb_code, count(*) AS pathways FROM i WHERE complete GROUP BY ALL"
    ).df()
    table = with_error(table.merge(counts, on=["pathway", "icb_code"]))
    return table, con.sql("SELECT cost_basis, CAST(sum(pence) AS BIGINT) AS pence FROM costed GROUP BY cost_basis").df()


def with_error(table: pd.DataFrame) -> pd.DataFrame:
    """Add the mean and its standard error."""
    n, total = table["pathways"].astype(float), table["cost_pence"] / 100
    spread = (table["squares"] / 10_000 - total**2 / n).clip(lower=0)
    return table.assign(mean_gbp=total / n, se_gbp=np.sqrt(spread / (n - 1).where(n > 1) / n))


def by_pandas(folder: Path) -> Answer:
    """Do the same in pandas, as an analyst would: merge, sort, merge."""
    a = pd.read_parquet(folder / "activity").drop(
        columns=["primary_diagnosis", "primary_procedure", "length_of_stay_days"]
    )
    u = pd.read_parquet(folder / "unit_costs.parquet")[["financial_year", "pod", "currency_code", "unit_cost"]]
    o = pd.read_parquet(folder / "organisations.parquet")[["org_code", "mff"]]
    a["start_date"], a["end_date"] = pd.to_datetime(a["start_date"]), pd.to_datetime(a["end_date"])
    a["financial_year"] = np.where(a["end_date"] < pd.Timestamp("2024-04-01"), "2023-24", "2024-25")
    a = a.merge(u, how="left", on=["financial_year", "pod", "currency_code"]).merge(
        o, left_on="provider_code", right_on="org_code"
    )
    inflate = 1e6 * 100.0 / np.where(a["financial_year"] == "2023-24", 96.0, 100.0)
    own = np.round(inflate * (1.05 / a["mff"])).astype("int64")
    national = np.round(inflate).astype("int64")
    recorded = a["recorded_cost_pence"].fillna(0).astype("int64")
    a["pence"] = np.where(
        a["recorded_cost_pence"].notna(),
        (recorded * own + 500_000) // 1_000_000,
        (a["unit_cost"] * a["units"] * national + 50_000_000) // 100_000_000,
    )
    q = a[a["pod"].isin(["elective", "non_elective"]) & (a["currency_code"] < "HX08")].sort_values(
        ["patient_id", "currency_code", "start_date", "activity_id"]
    )
    gap = q["start_date"] - q.groupby(["patient_id", "currency_code"])["start_date"].shift()
    i = q[gap.isna() | (gap > pd.Timedelta(days=WASHOUT))].sort_values(
        ["patient_id", "start_date", "currency_code", "activity_id"]
    )
    first, last = a["start_date"].min(), a["start_date"].max()
    days = pd.Timedelta(days=1)
    i["complete"] = (i["start_date"] - BEFORE * days >= first) & (i["start_date"] + AFTER * days <= last)
    i["pathway"] = "pathway_" + i["currency_code"].str[2:].astype(int).astype(str)
    counts = (
        i[i["complete"]].groupby(["pathway", "icb_code"], as_index=False).size().rename(columns={"size": "pathways"})
    )
    i = i.drop_duplicates(["patient_id", "start_date"])
    i = i[["patient_id", "activity_id", "start_date", "pathway", "icb_code", "complete"]].rename(
        columns={"start_date": "index_date"}
    )
    before_it, after_it = i.groupby("patient_id")["index_date"].shift(), i.groupby("patient_id")["index_date"].shift(-1)
    i["f"] = np.fmax(
        i["index_date"] - BEFORE * days, before_it + ((i["index_date"] - before_it).dt.days // 2 + 1) * days
    )
    i["t"] = np.fmin(
        i["index_date"] + AFTER * days, i["index_date"] + ((after_it - i["index_date"]).dt.days // 2) * days
    )
    a["fixed_pence"] = (a["pence"] * 500_000 + 500_000) // 1_000_000
    a["semi_fixed_pence"] = (a["pence"] * 700_000 + 500_000) // 1_000_000 - a["fixed_pence"]
    a["variable_pence"] = a["pence"] - a["fixed_pence"] - a["semi_fixed_pence"]
    i = i[i["complete"]].rename(columns={"activity_id": "pathway_id"})
    money = ["pence", "fixed_pence", "semi_fixed_pence", "variable_pence"]
    k = a[["patient_id", "start_date", "setting", *money]].merge(i, on="patient_id")
    k = k[(k["start_date"] >= k["f"]) & (k["start_date"] <= k["t"])]
    offset = (k["start_date"] - k["index_date"]).dt.days
    k["phase"] = np.select([offset < 0, offset == 0, offset <= 30], ["before", "index", "early"], "late")
    keys = ["pathway", "phase", "setting", "icb_code"]
    each = k.groupby([*keys, "pathway_id"], as_index=False).agg(
        contacts=("pence", "size"), **{m: (m, "sum") for m in money}
    )
    each["squares"] = each["pence"].astype(float) ** 2
    table = (
        each.groupby(keys, as_index=False)[["contacts", *money, "squares"]]
        .sum()
        .rename(columns={"pence": "cost_pence"})
    )
    table = with_error(table.merge(counts, on=["pathway", "icb_code"]))
    basis = np.where(a["recorded_cost_pence"].notna(), "recorded", "national")
    return table, a.groupby(basis)["pence"].sum().rename_axis("cost_basis").reset_index()


def scan(folder: Path) -> pd.DataFrame:
    """Read the needed columns and nothing else: no job can be faster."""
    columns = "activity_id, patient_id, start_date, end_date, setting, pod, currency_code, provider_code, icb_code, units, recorded_cost_pence"
    counts = ", ".join(f"count({c}) AS {c}, max({c}) AS most_{c}" for c in columns.split(", "))
    return duckdb.sql(f"SELECT {counts} FROM read_parquet('{folder}/activity/*.parquet')").df()


def run_one(how: str, folder: Path) -> None:
    """Run one contender and print what it took and a digest of its answer."""
    start, cpu = time.perf_counter(), time.process_time()
    held = partial(by_pathcost, hold=True)
    answer = {
        "pathcost": by_pathcost,
        "pathcost, links held": held,
        "hand-written SQL": by_hand,
        "pandas": by_pandas,
        "scan": scan,
    }[how](folder)
    took = {"wall": time.perf_counter() - start, "cpu": time.process_time() - cpu}
    took["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if how != "scan":
        table, whole = answer
        keys = ["pathway", "phase", "setting", "icb_code", "contacts", *(f"{kind}_pence" for kind in KINDS)]
        exact = table[keys].sort_values(keys).reset_index(drop=True).astype(dict.fromkeys(keys, str))
        took["answer"] = str(pd.util.hash_pandas_object(exact, index=False).sum())
        took["se"] = round(float(table["se_gbp"].sum()), 2)
        took["pence"] = {k: int(v) for k, v in sorted(zip(whole["cost_basis"], whole["pence"], strict=True))}
    print(json.dumps(took))


#: Rows in millions up to which each contender is run, and up to which all are run three times, in turns.
LIMITS = {"scan": 10_000, "hand-written SQL": 100, "pathcost": 10_000, "pathcost, links held": 100, "pandas": 10}
IN_TURNS = 10


def main(millions: list[float]) -> None:
    for size in millions:
        with tempfile.TemporaryDirectory(prefix="pathcost-bench-", dir=os.environ.get("PATHCOST_SCRATCH")) as scratch:
            folder = Path(scratch) / "data"
            make(folder, int(size * 1_000_000))
            runs = [
                {how: _run(how, folder) for how, most in LIMITS.items() if size <= most}
                for _ in range(3 if size <= IN_TURNS else 1)
            ]
        answers = {(r["answer"], r["se"], str(r["pence"])) for run in runs for how, r in run.items() if how != "scan"}
        if len(answers) != 1:
            sys.exit(f"{size:g}M rows: the answers differ: {runs}")
        results = {how: {k: median(run[how][k] for run in runs) for k, *_ in MEASURES} for how in runs[0]}
        name = "hand-written SQL" if "hand-written SQL" in results else "scan"
        print(f"{size:g}M rows; answers agree exactly; medians of {len(runs)} runs; ratios to {name}, and to the scan")
        for how, r in results.items():
            parts = [f"{what} {r[k]:8.{d}f} {u} ({r[k] / results[name][k]:6.2f} x)" for k, what, d, u in MEASURES]
            print(f"  {how:20} {'   '.join(parts)}   {r['wall'] / results['scan']['wall']:5.1f} x scan")


MEASURES = (("wall", "wall", 2, "s"), ("cpu", "CPU", 2, "s"), ("peak_mb", "peak", 0, "MB"))


def _run(how: str, folder: Path) -> dict:
    command = [sys.executable, __file__, "--run", how, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{how} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run_one(sys.argv[2], Path(sys.argv[3]))
    else:
        main([float(x) for x in sys.argv[1:]] or [1, 10])
