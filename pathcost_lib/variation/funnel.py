"""Funnel plots: which units differ from a target by more than chance, and by more than units usually differ.

Sources: Spiegelhalter 2005 and 2012 (see `limits` and `dispersion`); Benjamini and Hochberg 1995 for false discovery;
Jones HE, Ohlssen DI, Spiegelhalter DJ. Use of the false discovery rate when comparing multiple health care providers.
Journal of Clinical Epidemiology 2008; 61: 232-240.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from pathcost_lib import arguments
from pathcost_lib.errors import InputError, require_one_of
from pathcost_lib.results import Result
from pathcost_lib.variation.limits import Fit, Options, fit_units, level_name, scale_for
from pathcost_lib.variation.screening import adjust_pvalues

__all__ = ["FunnelResult", "funnel"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

KINDS = ("proportion", "ratio", "rate", "mean")
METHODS = ("exact", "quantile", "wilson", "cqc", "shmi")
OVERDISPERSION = ("none", "multiplicative", "additive")
#: By direction of good: what low and high are.
READINGS = {
    "better": ("worse than expected", "better than expected"),
    "worse": ("better than expected", "worse than expected"),
    "neither": ("lower than expected", "higher than expected"),
}


@dataclass(frozen=True, eq=False)
class FunnelResult(Result):
    """A funnel, or one per indicator.

    Attributes
    ----------
    table : DataFrame
        One row per unit (and indicator): unit, value, denominator, z, z_adjusted, lower_95, upper_95, lower_998,
        upper_998 (by the levels asked for), flag ("within", "low_95", "high_998", "not computable"), reading, p_value,
        q_value (false discovery controlled), flag_fdr, reason (where not computable). A value on a limit is within it.
    fits : dict
        By indicator ("" where there is one funnel): what its limits were made with.
    """

    fits: dict[str, Fit]

    @property
    def target(self) -> float | pd.Series:
        """The centre line; a Series by indicator where there are several."""
        return self._parameter("target")

    @property
    def phi(self) -> float | pd.Series:
        """Mean square of the trimmed z-scores, as estimated (applied only where the inflation rule says so)."""
        return self._parameter("phi")

    @property
    def tau2(self) -> float | pd.Series:
        """Variance between units on the funnel's scale (0 unless additive)."""
        return self._parameter("tau2")

    @property
    def parameters(self) -> pd.DataFrame:
        """One row per indicator: kind, method, scale, target, phi, inflation, tau2, units."""
        rows = [
            {"indicator": name, "kind": f.options.kind, "method": f.options.method, "scale": f.scale.name}
            | {key: getattr(f, key) for key in ("target", "phi", "inflation", "tau2", "units")}
            for name, f in self.fits.items()
        ]
        return pd.DataFrame(rows)

    @property
    def summary(self) -> str:
        """How many units lie outside the widest and the narrowest limits, and how many would by chance."""
        levels = sorted(next(iter(self.fits.values())).options.limits)
        counted = self.table[self.table["flag"] != "not computable"]
        outside = {
            level: int(
                counted["flag"]
                .isin([f"{side}_{level_name(x)}" for side in ("low", "high") for x in levels if x >= level])
                .sum()
            )
            for level in levels
        }
        parts = [
            f"{n} outside the {level:.1%} limits (chance alone: about {len(counted) * (1 - level):.1f})"
            for level, n in outside.items()
        ]
        fdr = f"{int(counted['flag_fdr'].sum())} stand out with false discovery controlled"
        return f"{len(counted):,} units: {'; '.join(parts)}; {fdr}."

    def limits_at(self, denominators: ArrayLike, indicator: str | None = None) -> pd.DataFrame:
        """Return the limits at any denominators, for drawing a funnel elsewhere.

        Parameters
        ----------
        denominators : array-like
            In the units of `table.denominator`: cases, expected events, population; for means given without a
            denominator, the precision 1/se².
        indicator : str, optional
            Which funnel, where there are several.
        """
        if indicator is None and len(self.fits) > 1:
            raise InputError(f"Say which indicator: one of {', '.join(self.fits)}.")
        name = next(iter(self.fits)) if indicator is None else require_one_of(indicator, self.fits, what="indicator")
        size = arguments.number_list(denominators, "Denominators")
        if not (size > 0).all():
            raise InputError("Denominators must be above 0.")
        return pd.DataFrame({"denominator": size, "target": self.fits[name].target} | self.fits[name].limits(size))

    def _parameter(self, name: str) -> float | pd.Series:
        values = {key: getattr(fit, name) for key, fit in self.fits.items()}
        return next(iter(values.values())) if len(values) == 1 else pd.Series(values, name=name)


def funnel(
    table: pd.DataFrame,
    *,
    unit: str,
    numerator: str | None = None,
    denominator: str | None = None,
    value: str | None = None,
    se: str | None = None,
    kind: str,
    limits: Iterable[float] = (0.95, 0.998),
    overdispersion: str = "none",
    method: str | None = None,
    trim: float = 0.1,
    target: float | None = None,
    indicator: str | None = None,
    higher_is: Literal["better", "worse", "neither"] = "neither",
    fixed_denominator: bool = False,
    unbiased: bool = False,
    false_discovery: float = 0.05,
) -> FunnelResult:
    """Compare units with a target, within limits that allow for chance and, if asked, the usual differences.

    Parameters
    ----------
    table : DataFrame
        One row per unit (and indicator).
    unit : str
        Column that names the unit.
    numerator, denominator : str, optional
        Columns of counts: events and cases (proportion), observed and expected (ratio), events and population or cases
        (rate). For means `denominator` is the number of cases and may be left out.
    value, se : str, optional
        Columns of the mean and its standard error, where `kind` is mean.
    kind : {"proportion", "ratio", "rate", "mean"}
        What the indicator is.
    limits : iterable of float
        Levels of the limits.
    overdispersion : {"none", "multiplicative", "additive"}
        None; variance times φ (only where φ is above 1 + 2√(2/units)); or variance plus τ².
    method : {"exact", "quantile", "wilson", "cqc", "shmi"}, optional
        Without over-dispersion, for proportions, ratios, and rates of a fixed population:

        - "exact" (the default): binomial or Poisson on the mid-P tail, interpolated between counts. Each tail has its
          share on average over sizes. These are not the limits of Fingertips.
        - "quantile": the exact binomial or Poisson quantile, a whole count. Each tail has at most its share, so that
          fewer small units are flagged. Fingertips judges ratios and rates so.
        - "wilson" (proportions only): θ ± z √(θ(1 - θ)/n), where a unit's Wilson interval just reaches the target θ.
          Fingertips judges proportions so.

        With over-dispersion, and for means and rates of two counts: "cqc" variance-stabilised scale, winsorised (the
        default); "shmi" log scale, truncated (ratios only).
    trim : float
        Share of z-scores winsorised or truncated at each end before φ or τ² is estimated.
    target : float, optional
        The centre line. Otherwise 1 for ratios, all units pooled for proportions and rates, and the mean weighted by
        cases (by 1/se² where no denominator is given) for means.
    indicator : str, optional
        Column that tells indicators apart: one funnel each, in one call.
    higher_is : {"better", "worse", "neither"}
        Direction of good, stated in the column `reading`.
    fixed_denominator : bool
        For rates: the denominator is a known population, not itself a count that varies.
    unbiased : bool
        Allow for what trimming takes off φ and τ²; the published methods do not. See `dispersion`.
    false_discovery : float
        Share of false alarms tolerated among the units in `flag_fdr` (within an indicator; `screen` controls over all).

    Raises
    ------
    InputError
        If a column is missing or text, a unit or indicator is missing in a row or comes twice, a number is infinite,
        counts or standard errors are negative or counts not whole where they must be, or options clash.

    Notes
    -----
    Limits found on the square-root scale are squared back (a peer does not, and adds τ² to s where s² is meant).
    On a log scale a numerator of 0 counts as half a case. Denominators of 0 are "not computable" with a reason.

    Examples
    --------
    Of 1,000 cases at four trusts 100 are readmitted, 10 %. C's 18 % is outside the limits of chance; the others are
    inside.

    >>> import pandas as pd
    >>> import pathcost_lib as pc
    >>> trusts = pd.DataFrame({"trust": list("ABCD"), "readmitted": [20, 18, 45, 17], "cases": [250, 250, 250, 250]})
    >>> found = pc.funnel(trusts, unit="trust", numerator="readmitted", denominator="cases", kind="proportion")
    >>> found.table[["unit", "value", "lower_998", "upper_998", "flag"]].round(3)
      unit  value  lower_998  upper_998      flag
    0    A  0.080      0.046      0.163    within
    1    B  0.072      0.046      0.163    within
    2    C  0.180      0.046      0.163  high_998
    3    D  0.068      0.046      0.163    within
    """
    levels = tuple(sorted(set(arguments.confidence_levels(limits))))
    trim = arguments.share(trim, "Funnel: trim")
    target = None if target is None else arguments.number(target, "Funnel: target")
    wanted = Options(
        kind,
        levels,
        overdispersion,
        method or "",
        trim,
        target,
        fixed_denominator,
        unbiased,
        higher_is,
        arguments.share(false_discovery, "Funnel: false_discovery"),
        cases=kind != "mean" or denominator is not None,
    )
    options = _checked(wanted)
    keys = [indicator, unit] if indicator else [unit]
    columns = _columns(kind, numerator, denominator, value, se)
    arguments.require_columns(table, [*keys, *columns], what="rows of the funnel")
    for key in keys:
        arguments.refuse(table, table[key].isna().to_numpy(), [], f"Funnel: {key} must be known in every row")
    arguments.require_unique(table, keys, what="rows of the funnel")
    groups = (
        {"": table} if indicator is None else {str(k): g for k, g in table.groupby(indicator, sort=False, dropna=False)}
    )
    pieces, fits = [], {}
    for name, part in groups.items():
        piece, fits[name] = _one(part, options, numerator, denominator, value, se)
        piece.insert(0, "unit", part[unit].to_numpy())
        if indicator:
            piece.insert(0, "indicator", part[indicator].to_numpy())
        pieces.append(piece)
    result = pieces[0] if len(pieces) == 1 else pd.concat(pieces, ignore_index=True)
    return FunnelResult(result, fits)


def _checked(options: Options) -> Options:
    """Return the options with the method settled, or say which clash."""
    require_one_of(options.kind, KINDS, what="kind")
    require_one_of(options.overdispersion, OVERDISPERSION, what="overdispersion")
    require_one_of(options.higher_is, READINGS, what="higher_is")
    if not options.trim < 0.5:
        raise InputError(f"Funnel: trim must be at least 0 and below 0.5, not {options.trim}.")
    has_exact = options.kind in ("proportion", "ratio") or (options.kind == "rate" and options.fixed_denominator)
    plain = options.overdispersion == "none"
    method = require_one_of(options.method or ("exact" if has_exact and plain else "cqc"), METHODS, what="method")
    if method in ("exact", "quantile") and not (has_exact and plain):
        raise InputError(
            "Funnel: exact limits are for counts without over-dispersion, and rates only of a fixed population."
        )
    if method == "wilson" and not (options.kind == "proportion" and plain):
        raise InputError("Funnel: method wilson is for proportions without over-dispersion.")
    if method == "shmi" and options.kind != "ratio":
        raise InputError("Funnel: method shmi is for ratios of observed to expected.")
    return replace(options, method=method)


def _columns(
    kind: str, numerator: str | None, denominator: str | None, value: str | None, se: str | None
) -> Sequence[str]:
    if kind == "mean":
        if value is None or se is None:
            raise InputError("Funnel of means: name the columns `value` (the mean) and `se` (its standard error).")
        return [value, se, *([denominator] if denominator else [])]
    if numerator is None or denominator is None:
        raise InputError(f"Funnel of {kind}s: name the columns `numerator` and `denominator`.")
    return [numerator, denominator]


def _numbers(part: pd.DataFrame, column: str, *, signed: bool = False) -> Array:
    """Return a column as floats, missing ones NaN (the row is then "not computable"); negative only where `signed`."""
    values = pd.to_numeric(part[column], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    text = np.isnan(values) & part[column].notna().to_numpy()
    negative = np.zeros(len(values), dtype=bool) if signed else values < 0
    for wrong, rule in ((text, "must hold numbers"), (np.isinf(values), "must be finite"), (negative, "is negative")):
        if wrong.any():
            raise InputError(f"Funnel: column {column} {rule} in {int(wrong.sum())} row(s).")
    return values


def _one(
    part: pd.DataFrame,
    options: Options,
    numerator: str | None,
    denominator: str | None,
    value: str | None,
    se: str | None,
) -> tuple[pd.DataFrame, Fit]:
    """Return one indicator's rows and what they were fitted with."""
    own_se: Array | None = None
    if options.kind == "mean":
        values, errors = _numbers(part, str(value), signed=True), _numbers(part, str(se))
        with np.errstate(divide="ignore"):
            size = _numbers(part, denominator) if denominator else errors**-2.0
        usable = np.isfinite(values) & np.isfinite(errors) & (errors > 0) & np.isfinite(size) & (size > 0)
        reason = "no mean, no standard error above 0, or no cases"
        counts, own_se = values, errors[usable]
    else:
        counts, size = _numbers(part, str(numerator)), _numbers(part, str(denominator))
        usable = np.isfinite(counts) & np.isfinite(size) & (size > 0)
        reason = "no numerator, or a denominator of 0 or none"
        _check_counts(counts, size, usable, options, (str(numerator), str(denominator)))
        values = np.divide(counts, size, out=np.full(len(size), np.nan), where=usable)
    if not usable.any():
        return _nothing(values, size, options, reason)
    try:
        fit, z, z_adjusted = fit_units(counts[usable], values[usable], size[usable], own_se, options)
    except InputError as error:
        if options.target is not None:
            raise InputError(f"Funnel: {error}.") from None
        return _nothing(values, size, options, str(error))
    columns = fit.limits(size[usable], own_se)
    names = [level_name(level) for level in options.limits]
    # How many limits a unit is beyond, below 0 where low: limits lie one inside the other.
    beyond = sum(
        (values[usable] > columns[f"upper_{n}"]).astype(int) - (values[usable] < columns[f"lower_{n}"]) for n in names
    )
    flags = np.array([*(f"low_{n}" for n in names[::-1]), "within", *(f"high_{n}" for n in names)], dtype=object)
    low, high = READINGS[options.higher_is]
    readings = np.array([low, "as expected", high], dtype=object)
    p_value = 2 * stats.norm.sf(np.abs(z_adjusted))
    q_value = adjust_pvalues(p_value)
    computed: dict[str, NDArray[Any]] = {
        "value": values[usable],
        "denominator": size[usable],
        "z": z,
        "z_adjusted": z_adjusted,
    } | columns
    computed |= {"flag": flags[beyond + len(names)], "reading": readings[np.sign(beyond) + 1]}
    computed |= {"p_value": p_value, "q_value": q_value, "flag_fdr": q_value <= options.false_discovery}
    frame = pd.DataFrame(computed, index=np.flatnonzero(usable)).assign(reason=None)
    if not usable.all():
        frame = frame.reindex(np.arange(len(usable)))
        frame["denominator"] = size
        frame["flag_fdr"] = frame["flag_fdr"].eq(True)
        frame.loc[~usable, ["flag", "reading", "reason"]] = ["not computable", "not computable", reason]
    return frame, fit


def _nothing(values: Array, size: Array, options: Options, reason: str) -> tuple[pd.DataFrame, Fit]:
    """Return an indicator on which no unit can be judged: the reason stands in every row."""
    scale = scale_for(options.kind, options.method, fixed_denominator=options.fixed_denominator, sd=np.nan)
    fit = Fit(options, scale, np.nan, np.nan, 1.0, 0.0, 0)
    frame = pd.DataFrame({"value": values, "denominator": size, "z": np.nan, "z_adjusted": np.nan} | fit.limits(size))
    frame = frame.assign(
        flag="not computable", reading="not computable", p_value=np.nan, q_value=np.nan, flag_fdr=False
    )
    return frame.assign(reason=reason), fit


def _check_counts(counts: Array, size: Array, usable: Flags, options: Options, names: tuple[str, str]) -> None:
    which = " or ".join(names)
    counts, size = counts[usable], size[usable]
    if options.kind == "proportion" and (counts > size).any():
        raise InputError(
            f"Funnel: {int((counts > size).sum())} rows have {names[0]} above {names[1]}, a proportion above 1."
        )
    whole = (np.round(counts) == counts) & ((np.round(size) == size) | (options.kind != "proportion"))
    if options.method in ("exact", "quantile") and not whole.all():
        raise InputError(
            f"Funnel: {int((~whole).sum())} rows of {which} are not whole, as exact limits need. Use method='cqc'."
        )
