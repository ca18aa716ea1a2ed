"""What a board needs to see of its providers' outliers, in few passes over the activity.

Three parts of each pathway (before, at and after the index event) that add up to the whole, each pound in one of them;
who stands out in a part; how much of that is left once small numbers are shrunk; what drives it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from pathcost_lib import arguments
from pathcost_lib.codes import financial_year_bounds, label
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.pathways import BORNE, summarise
from pathcost_lib.pathways.borne import shares_borne
from pathcost_lib.pathways.definition import Definition
from pathcost_lib.pathways.link import Links
from pathcost_lib.results import NotComputable, Result
from pathcost_lib.sources import Relation
from pathcost_lib.sources.held import MonthsHeld
from pathcost_lib.sources.quoting import quote_value
from pathcost_lib.variation.funnel import FunnelResult, funnel
from pathcost_lib.variation.multilevel import VarianceComponents, variance_components
from pathcost_lib.variation.patients import columns_in, cost_drivers
from pathcost_lib.variation.screening import screen

__all__ = [
    "PARTS",
    "CostScreen",
    "Explained",
    "Shrunken",
    "cost_cases",
    "explain",
    "provider_totals",
    "screen_costs",
    "shrink",
]

Array = NDArray[np.float64]

PARTS = ("before", "index_event", "after")
#: Index events of a currency below which it is pooled with other rare ones: an expected cost must rest on others' too.
FEWEST_IN_MIX = 20
#: Providers below which there is nothing to be an outlier from.
FEWEST_PROVIDERS = 3


@dataclass(frozen=True, eq=False)
class CostScreen(Result):
    """Every provider x pathway x part: `table` has pathway, part, provider_code, pathways, actual_gbp, expected_gbp,
    difference_pct, value_gbp (what an event of average case mix would cost), flag, q_value, stands_out, excess_gbp,
    z_adjusted, and `pathways.BORNE` (for disclosure control); `funnels` holds the limits, by
    "pathway/part"; `left_out` counts the comparisons that were not made, by reason.
    """  # noqa: D205

    funnels: FunnelResult | None
    left_out: Mapping[str, int] = field(default_factory=dict)

    def funnel_of(self, pathway: str, part: str) -> tuple[pd.DataFrame, pd.DataFrame, str]:
        """Return one funnel's rows, its limits over their range, and what the limits allow for, in a sentence."""
        rows = self.table[(self.table["pathway"] == pathway) & (self.table["part"] == part)].reset_index(drop=True)
        if self.funnels is None or rows.empty:
            return rows, pd.DataFrame(columns=["denominator", "target", "lower_95"]), ""
        name = f"{pathway}/{part}"
        sizes = np.linspace(rows["pathways"].min(), rows["pathways"].max() + 5, 80)
        tau = np.sqrt(self.funnels.fits[name].tau2)
        share = tau / self.funnels.fits[name].target
        usual = f"Limits allow for usual differences of £{tau:,.0f} ({share:.0%} of the mean; standard deviation)."
        none = (
            "Providers differ no more than chance allows, so the limits are those of chance alone (no over-dispersion)."
        )
        return rows, self.funnels.limits_at(sizes, name), usual if tau else none

    @property
    def summary(self) -> str:
        """How many comparisons, how many outside their limits, and how many chance alone would put there."""
        outside = int((self.table["flag"] != "within").sum())
        return (
            f"All areas in these data: {len(self.table):,} comparisons; {outside:,} outside the 95% limits (by chance "
            f"alone about {0.05 * len(self.table):.0f}); {int(self.table['stands_out'].sum())} sure."
        )


def cost_cases(
    links: Links, activity: Relation, organisations: Relation, *, year: str, months: MonthsHeld | None = None
) -> dict[str, Relation]:
    """Return `cases` (one row per index event and part), `providers` (their sums) and `left_out`, all in the engine.

    `left_out` has pathway, part, reason and number: events without any cost, contacts without one, and events whose
    provider is in no ICB.

    Parameters
    ----------
    links : Links
        From `pathways.link`, best of all pathways together, so that each pound is in one.
    activity, organisations : Relation
        Tables of the dataset.
    year : str
        Events count up to the end of this financial year, a part only where the data hold the whole of it.
    months : MonthsHeld, optional
        Months of the year that the area's data hold: of part of a year events count up to the last of them, of every
        area, so that like months are compared.

    Notes
    -----
    Expected cost is the mean of all events of the same pathway, part and index currency (indirect standardisation).
    """
    columns_in(activity, ["activity_id", "currency_code", "start_date"], what="activity")
    columns_in(organisations, ["org_code", "icb_code", "valid_from"], what="organisations")
    extent = activity.require_extent()
    last = min(extent.last_start, months.days[1] if months else financial_year_bounds(year)[1])
    settings = {"data_from": extent.first_start, "data_to": last, "fewest": FEWEST_IN_MIX}
    rows = [
        (d.name, p.name, _part(d, p.from_day, p.to_day), p.from_day, p.to_day)
        for d in links.definitions
        for p in d.phases
    ]
    parts = pd.DataFrame(rows, columns=["pathway", "phase", "part", "from_day", "to_day"])
    reach = parts.groupby(["pathway", "part"], as_index=False).agg(
        from_day=("from_day", "min"), to_day=("to_day", "max")
    )
    inputs = {"pathways": links.pathways, "links": links.links, "activity": activity, "organisations": organisations}
    tables = {"parts": parts, "reach": reach, "settings": pd.DataFrame([settings])}
    steps = activity.engine.run(Path(__file__).with_name("outlier_view.sql"), {**inputs, **tables})
    return {name: steps[name] for name in ("cases", "providers", "left_out")}


def _part(definition: Definition, first: int, last: int) -> str:
    return "before" if last < 0 else "after" if first > 0 else "index_event"


def screen_costs(providers: pd.DataFrame, *, fewest: int = 8, overdispersion: str = "additive") -> CostScreen:
    """Compare each provider's cost with what its case mix would lead one to expect, all pathways and parts at once.

    Parameters
    ----------
    providers : DataFrame
        Of `cost_cases`.
    fewest : int
        Providers with fewer events are not compared, nor are parts of a pathway that fewer than three providers have.
        At least 2.
    overdispersion : {"additive", "multiplicative", "none"}
        What the limits allow for beside chance: the usual differences between providers, as `funnel` has it.

    Raises
    ------
    InputError
        If a column is missing, a key is missing or comes twice, or a number is missing, infinite or negative.

    Notes
    -----
    The funnel is of (actual - expected)/n about the mean. A cost is taken to vary in proportion to what is expected of
    it, by one coefficient of variation within providers, pooled over them: se = cv √Σe²/n. Limits allow for the usual
    differences between providers (additive τ², unbiased; see `dispersion`); false discovery is controlled over the lot.
    """
    require_one_of(overdispersion, ("additive", "multiplicative", "none"), what="overdispersion")
    fewest = int(arguments.number(fewest, "fewest (index events)", least=2, whole=True))
    arguments.table(providers, what="costs of the providers")
    if providers.empty:
        return CostScreen(_no_comparisons(), None, {"no provider has an index event": 0})
    providers = _checked(providers)
    many = providers["pathways"] >= fewest
    table = providers[many].sort_values(["pathway", "part", "provider_code"])
    table["indicator"] = table["pathway"].astype(str) + "/" + table["part"].astype(str)
    shared = table.groupby("indicator")["indicator"].transform("size") >= FEWEST_PROVIDERS
    counted = {
        f"fewer than {fewest} events": int((~many).sum()),
        f"fewer than {FEWEST_PROVIDERS} providers have that part": int((~shared).sum()),
    }
    left_out = {reason: rows for reason, rows in counted.items() if rows}
    table = table[shared].reset_index(drop=True)
    if table.empty:
        return CostScreen(_no_comparisons(), None, left_out)
    within = table["squares"] - table["differences"] ** 2 / table["pathways"]
    sums = pd.DataFrame(
        {"within": within, "freedom": table["pathways"] - 1, "cost": table["actual_gbp"], "n": table["pathways"]}
    )
    pooled = sums.groupby(table["indicator"]).transform("sum")
    cv = np.sqrt(pooled["within"].clip(lower=0) / pooled["freedom"]) / 100
    excess = table["actual_gbp"] - table["expected_gbp"]
    table["value_gbp"] = pooled["cost"] / pooled["n"] + excess / table["pathways"]
    table["se_gbp"] = cv * np.sqrt(table["expected_squares"]) / table["pathways"]
    table["difference_pct"] = 100 * excess / table["expected_gbp"]
    funnels = funnel(
        table,
        unit="provider_code",
        indicator="indicator",
        value="value_gbp",
        se="se_gbp",
        denominator="pathways",
        kind="mean",
        overdispersion=overdispersion,
        unbiased=overdispersion == "additive",
        higher_is="worse",
    )
    table["flag"] = funnels.table["flag"].to_numpy()
    flags = screen({"cost": funnels}).table.rename(columns={"unit": "provider_code"})
    compared = table[[*_COMPARED, "indicator", "flag"]].merge(flags[[*_JUDGED, "provider_code"]])
    return CostScreen(_with_borne(compared, providers, _NAMED), funnels, left_out)


def _with_borne(table: pd.DataFrame, sums: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return a table with how much its dearest one and two events bear, and how many are new, where the sums tell."""
    if not {*_SPREAD, "actual_gbp"} <= {*sums}:
        return table
    largest, squares, newest, whole = (sums[c] for c in (*_SPREAD, "actual_gbp"))
    shares = shares_borne(largest, squares, whole, newest, sums["pathways"])
    return table.merge(pd.concat([sums[keys], shares], axis=1), on=keys, how="left")


_COMPARED = [
    "pathway",
    "part",
    "provider_code",
    "pathways",
    "actual_gbp",
    "expected_gbp",
    "difference_pct",
    "value_gbp",
]
#: From which follows how much the one and two most expensive events bear, for disclosure control.
_SPREAD = ["largest_gbp", "cost_squares", "newest"]
_JUDGED = ["indicator", "z_adjusted", "q_value", "stands_out", "excess_gbp"]


def provider_totals(comparisons: pd.DataFrame, *, names: Mapping[str, str]) -> pd.DataFrame:
    """Return what each provider's pathways cost and what their case mix would lead one to expect, all parts together.

    Parameters
    ----------
    comparisons : DataFrame
        Rows of `CostScreen.table`.
    names : mapping of code to str
        What providers are called.

    Returns
    -------
    DataFrame
        provider, pathways (events, once for each part), actual_gbp, reference_gbp (expected), for
        `present.require_plausible`. Without rows where nothing could be compared.

    Raises
    ------
    InputError
        If a column is missing, a comparison is there twice, or a number or a provider is not known.
    """
    amounts = ["pathways", "actual_gbp", "expected_gbp"]
    if comparisons.empty and {*_NAMED, *amounts} <= {*comparisons}:  # nothing could be compared
        return pd.DataFrame(columns=["provider", "pathways", "actual_gbp", "reference_gbp"])
    arguments.require_columns(comparisons, [*_NAMED, *amounts], what="comparisons")
    for column in _NAMED:
        arguments.refuse(comparisons, comparisons[column].isna().to_numpy(), [], f"{column} must be known in every row")
    arguments.require_unique(comparisons, _NAMED, what="comparisons")
    comparisons = comparisons.assign(**{c: arguments.numbers(comparisons, c, _NAMED) for c in amounts})
    called = comparisons["provider_code"].map(lambda code: names.get(code, code))
    sums = comparisons.assign(provider=called).rename(columns={"expected_gbp": "reference_gbp"})
    columns = ["pathways", "actual_gbp", "reference_gbp"]
    return sums.astype(dict.fromkeys(columns, float)).groupby("provider", as_index=False)[columns].sum()


def _no_comparisons() -> pd.DataFrame:
    return pd.DataFrame(columns=[*_COMPARED, "flag", *_JUDGED])


def _checked(providers: pd.DataFrame) -> pd.DataFrame:
    """Return the sums of the providers, every key once and every number there."""
    keys = _NAMED
    amounts = ["actual_gbp", "expected_gbp", "expected_squares", "squares"]
    arguments.require_columns(providers, [*keys, "pathways", *amounts, "differences"], what="costs of the providers")
    for column in keys:
        arguments.refuse(providers, providers[column].isna().to_numpy(), [], f"{column} must be known in every row")
    arguments.require_unique(providers, keys, what="costs of the providers")
    checked = {column: arguments.numbers(providers, column, keys) for column in amounts}
    checked["pathways"] = arguments.numbers(providers, "pathways", keys, above=0.0)
    if any(column in providers for column in _SPREAD):  # one without the other would hide nothing
        arguments.require_columns(providers, _SPREAD, what="costs of the providers")
        checked |= {column: arguments.numbers(providers, column, keys) for column in _SPREAD}
    return providers.assign(**checked, differences=_known(providers, "differences"))


def _known(table: pd.DataFrame, column: str) -> Array:
    """Return a column of finite numbers, which may be negative."""
    values = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    arguments.refuse(table, ~np.isfinite(values), _NAMED, f"{column} must be a number")
    return values


@dataclass(frozen=True, eq=False)
class Shrunken(Result):
    """Providers' differences from expected cost, shrunk: `table` has provider_code, pathways, difference_pct, lower_95,
    upper_95, chance_above_pct (that the true difference exceeds the threshold), highest first, and for disclosure
    control `pathways.BORNE`.
    """  # noqa: D205

    threshold: float
    between: VarianceComponents | NotComputable
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """Where the variation lies, or why that cannot be said."""
        if isinstance(self.between, NotComputable):
            return f"Where the variation lies cannot be computed: {self.between.reason}"
        share = self.between.table.set_index("component")["share"]
        names = {"icb_code": "between ICBs", "provider_code": "between providers", "residual": "between patients"}
        return (
            "Of the variation, "
            + ", ".join(f"{share[k]:.0%} is {text}" for k, text in names.items() if k in share)
            + "."
        )


def shrink(cases: Relation, *, pathway: str, part: str, threshold: float = 10.0) -> Shrunken:
    """Return each provider's difference from expected, drawn towards the mean as far as its numbers are small.

    Parameters
    ----------
    cases : Relation
        Of `cost_cases`.
    pathway, part : str
        Which events, and which part of them.
    threshold : float
        Difference from expected that matters, in per cent.

    Raises
    ------
    InputError
        If the part is not known or the threshold is no number. Where no case fits, `between` holds the reason.
    """
    require_one_of(part, PARTS, what="part")
    threshold = arguments.number(threshold, "threshold (per cent)")
    columns_in(cases, ["pathway", "part", "provider_code", "icb_code", "difference_pct"], what="cases")
    lacking = cases.query(
        "SELECT CAST(count(*) AS BIGINT) AS number FROM this WHERE pathway IS NULL OR part IS NULL"
    ).to_pandas()
    left_out = {"no pathway or part": int(lacking["number"][0])} if lacking["number"][0] else {}
    rows = cases.query(f"SELECT * FROM this WHERE pathway = {quote_value(str(pathway))} AND part = {quote_value(part)}")
    try:
        fit = variance_components(rows, outcome="difference_pct", groups=["provider_code"])
    except InputError as error:
        columns = ["provider_code", "pathways", "difference_pct", "lower_95", "upper_95", "chance_above_pct"]
        return Shrunken(pd.DataFrame(columns=columns), threshold, NotComputable(str(error)), left_out)
    league = fit.league_table("provider_code")
    beyond = fit.exceedance("provider_code", threshold).set_index("level")["probability"]
    table = league[["level", "rows", "blup", "lower_95", "upper_95"]].assign(
        chance_above_pct=100 * league["level"].map(beyond)
    )
    table.columns = ["provider_code", "pathways", "difference_pct", *table.columns[3:]]
    if {"cost_gbp", "counted_in"} <= {*cases.columns}:
        sums = "sum(cost_gbp) AS actual_gbp, max(cost_gbp) AS largest_gbp, sum(cost_gbp * cost_gbp) AS cost_squares"
        dated = "SELECT *, max(counted_in) OVER (PARTITION BY provider_code) AS last_in FROM this"
        sums = f"{sums}, sum(CASE WHEN counted_in = last_in THEN 1 ELSE 0 END) AS newest, count(*) AS pathways"
        costs = rows.query(f"SELECT provider_code, {sums} FROM ({dated}) AS t GROUP BY provider_code").to_pandas()
        table = _with_borne(table, costs, ["provider_code"])
    try:
        nested: VarianceComponents = variance_components(
            rows, outcome="difference_pct", groups=["icb_code", "provider_code"]
        )
    except InputError:
        nested = fit
    return Shrunken(table, threshold, nested, left_out)


@dataclass(frozen=True, eq=False)
class Explained(Result):
    """The comparison that is furthest out, by phase and setting: `table` has cell, pathways, contacts, mean_gbp,
    lower_95, upper_95, reference_gbp (the other providers, so many that they have no limits here), difference_gbp, the
    largest first, with `pathways.BORNE`; `row` the comparison, or the reason why there is none.
    """  # noqa: D205

    row: dict[str, Any] | NotComputable

    @property
    def summary(self) -> str:
        """What was explained."""
        return (
            str(self.row)
            if isinstance(self.row, NotComputable)
            else f"{self.row['provider_code']}, {self.row['pathway']}."
        )


_NAMED = ["pathway", "part", "provider_code"]


def explain(
    links: Links,
    ledger: Relation,
    comparisons: pd.DataFrame,
    *,
    year: str,
    months: MonthsHeld | None = None,
    most: int = 8,
) -> Explained:
    """Split the pathway cost of the provider that is furthest out into phase and setting, beside all other providers.

    Parameters
    ----------
    links, ledger : Links, Relation
        From `pathways.link` and `ledger.cost_activity`.
    comparisons : DataFrame
        Rows of `screen_costs`, such as one area's.
    year : str
        Financial year in which the pathways' windows close: whole pathways only.
    months : MonthsHeld, optional
        As in `cost_cases`.
    most : int
        Cells shown.

    Raises
    ------
    InputError
        If a comparison lacks its provider, pathway, part or score, or comes twice. Where nothing can be explained,
        `row` holds the reason.
    """
    columns = ["cell", "pathways", "contacts", "mean_gbp", "lower_95", "upper_95", "reference_gbp", "difference_gbp"]
    most = int(arguments.number(most, "most (cells)", least=1, whole=True))
    arguments.table(comparisons, what="comparisons")
    if comparisons.empty:
        return Explained(pd.DataFrame(columns=columns), NotComputable("no provider here has enough index events"))
    arguments.require_columns(comparisons, [*_COMPARED, "flag", *_JUDGED], what="comparisons")
    for column in [*_NAMED, "flag", "stands_out", "indicator"]:
        arguments.refuse(comparisons, comparisons[column].isna().to_numpy(), [], f"{column} must be known in every row")
    arguments.require_unique(comparisons, _NAMED, what="comparisons")
    for column in [c for c in (*_COMPARED, *_JUDGED) if c not in (*_NAMED, "indicator", "stands_out")]:
        _known(comparisons, column)
    furthest = comparisons.iloc[[int(comparisons["z_adjusted"].abs().argmax())]][[*_COMPARED, "flag", *_JUDGED]]
    row = {str(name): value for name, value in furthest.to_dict("records")[0].items()}
    unit = "index_provider_code"
    try:
        cells = summarise(links, ledger, ["pathway", unit, "phase", "setting"], year=year, months=months)
        cells = cells[cells["pathway"] == row["pathway"]]
        few = row["provider_code"] not in set(cells[unit]) or cells[unit].nunique() < 2
        reason = "too few whole pathways close in the year"
        parts = None if few else cost_drivers(cells, unit_column=unit, unit=row["provider_code"]).table
    except InputError as error:
        parts, reason = None, str(error).rstrip(".")
    if parts is None:
        return Explained(pd.DataFrame(columns=columns), NotComputable(reason))
    own = cells.loc[cells[unit] == row["provider_code"], ["phase", "setting", "pathways", "contacts", "se_gbp", *BORNE]]
    table = parts.merge(own, on=["phase", "setting"], how="left")
    table = table.rename(columns={"others_gbp": "reference_gbp"}).head(most)
    table = table.fillna({"pathways": own["pathways"].max(), "contacts": 0, "se_gbp": 0.0})
    half = stats.t.ppf(0.975, table["pathways"].clip(lower=2) - 1) * table["se_gbp"]
    table["lower_95"], table["upper_95"] = (table["mean_gbp"] - half).clip(lower=0), table["mean_gbp"] + half
    table["cell"] = [f"{label(p)}: {label(s)}" for p, s in zip(table["phase"], table["setting"], strict=True)]
    return Explained(table[[*columns, *BORNE]].assign(reference_lower_95=np.nan, reference_upper_95=np.nan), row)
