"""Nested random intercepts: against dense algebra, closed forms, and statsmodels."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pathcost_lib.errors import InputError
from pathcost_lib.sources import connect
from pathcost_lib.variation import variance_components
from pathcost_lib.variation.multilevel import VarianceComponents

COVARIATES = ["age", "female"]


def patients(seed: int, rows: int = 600, *, sd: tuple[float, ...] = (400.0, 600.0, 1500.0)) -> pd.DataFrame:
    """Return patients in providers in ICBs, unbalanced; standard deviations of ICBs, providers and patients."""
    rng = np.random.default_rng(seed)
    icb = rng.choice(12, rows, p=np.arange(1, 13) / 78)
    provider = rng.integers(0, 4, rows)
    age, female = rng.normal(60, 15, rows), rng.random(rows) < 0.5
    cost = 5000 + 20 * age - 300 * female + rng.normal(0, sd[0], 12)[icb] + rng.normal(0, sd[1], (12, 4))[icb, provider]
    return pd.DataFrame(
        {
            "icb": [f"Q{i:02}" for i in icb],
            "provider": [f"R{i:02}{p}" for i, p in zip(icb, provider, strict=True)],
            "site": [f"{i}-{p}-{s}" for i, p, s in zip(icb, provider, rng.integers(0, 3, rows), strict=True)],
            "age": age,
            "female": female,
            "cost": cost + rng.normal(0, sd[2], rows),
        }
    )


def fit(frame: pd.DataFrame, groups: list[str] | None = None, **options) -> VarianceComponents:
    options = {"covariates": COVARIATES} | options
    return variance_components(frame, outcome="cost", groups=groups or ["icb", "provider"], **options)


def dense(frame: pd.DataFrame, groups: list[str], variances: pd.Series, *, reml: bool) -> dict:
    """Return likelihood, fixed effects and BLUPs by n x n matrices, given variances (Harville 1977)."""
    x = np.column_stack([np.ones(len(frame)), frame[COVARIATES].astype(float)])
    y = frame["cost"].to_numpy()
    designs = {g: pd.get_dummies(frame[g]).to_numpy(dtype=float) for g in groups}
    v = variances["residual"] * np.eye(len(y)) + sum(variances[g] * z @ z.T for g, z in designs.items())
    inverse = np.linalg.inv(v)
    information = x.T @ inverse @ x
    beta = np.linalg.solve(information, x.T @ inverse @ y)
    residual = y - x @ beta
    constant = (len(y) - (3 if reml else 0)) * np.log(2 * np.pi)
    deviance = constant + np.linalg.slogdet(v)[1] + residual @ inverse @ residual
    deviance += np.linalg.slogdet(information)[1] if reml else 0
    blups = {g: variances[g] * z.T @ inverse @ residual for g, z in designs.items()}
    sds = {
        g: np.sqrt(np.diag(variances[g] * np.eye(z.shape[1]) - variances[g] ** 2 * z.T @ inverse @ z))
        for g, z in designs.items()
    }
    se = np.sqrt(np.diag(np.linalg.inv(information)))
    return {"log_likelihood": -deviance / 2, "beta": beta, "se": se, "blups": blups, "sds": sds}


@pytest.mark.oracle
@pytest.mark.parametrize("method", ["reml", "ml"])
@pytest.mark.parametrize("groups", [["icb"], ["icb", "provider"], ["icb", "provider", "site"]])
def test_everything_agrees_with_dense_matrices(groups: list[str], method: str) -> None:
    frame = patients(1)
    found = fit(frame, groups, method=method)
    want = dense(frame, groups, found.variances, reml=method == "reml")
    assert found.log_likelihood == pytest.approx(want["log_likelihood"], rel=1e-10)
    np.testing.assert_allclose(found.fixed_effects["estimate"], want["beta"], rtol=1e-7)
    np.testing.assert_allclose(found.fixed_effects["se"], want["se"], rtol=1e-7)
    for group in groups:
        blups = found.blups[group].sort_values("level")
        np.testing.assert_allclose(blups["blup"], want["blups"][group], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(blups["sd"], want["sds"][group], rtol=1e-6, atol=1e-6)


@pytest.mark.slow
@pytest.mark.oracle
@pytest.mark.parametrize("method", ["reml", "ml"])
@pytest.mark.parametrize("groups", [["icb", "provider"], ["icb", "provider", "site"]])
def test_the_likelihood_is_highest_there(groups: list[str], method: str) -> None:
    frame = patients(10, 300).assign(cost=lambda d: d["cost"] + 900 * d["site"].str[-1].astype(int))
    found = fit(frame, groups, method=method)
    assert (found.variances > 0).all()
    for name in found.variances.index:
        for factor in (0.98, 1.02):
            moved = found.variances.copy()
            moved[name] *= factor
            assert dense(frame, groups, moved, reml=method == "reml")["log_likelihood"] < found.log_likelihood


@pytest.mark.oracle
@pytest.mark.parametrize("method", ["reml", "ml"])
def test_statsmodels_finds_no_higher_likelihood_and_the_same_estimates(method: str) -> None:
    frame = patients(2, 3000).assign(female=lambda d: d["female"].astype(float))
    ours = fit(frame, method=method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = smf.mixedlm(
            "cost ~ age + female", frame, groups="icb", re_formula="1", vc_formula={"p": "0 + C(provider)"}
        )
        theirs = model.fit(reml=method == "reml", method="bfgs", gtol=1e-8)
    assert ours.log_likelihood >= theirs.llf - 1e-7
    assert ours.log_likelihood == pytest.approx(theirs.llf, abs=1e-4)
    np.testing.assert_allclose(ours.fixed_effects["estimate"], theirs.fe_params, rtol=1e-5)
    assert ours.variances["residual"] == pytest.approx(theirs.scale, rel=1e-5)
    # Its search stops at about four figures of the variances between groups.
    assert ours.variances["icb"] == pytest.approx(float(theirs.cov_re.iloc[0, 0]), rel=5e-3)
    assert ours.variances["provider"] == pytest.approx(float(theirs.vcomp[0]), rel=5e-3)


@pytest.mark.oracle
def test_balanced_one_way_reml_is_the_analysis_of_variance() -> None:
    """Dyestuff (Davies 1947), 6 batches of 5: lme4 prints variances 1764 and 2451, and REML criterion 319.6543."""
    batches = {
        "A": [1545, 1440, 1440, 1520, 1580],
        "B": [1540, 1555, 1490, 1560, 1495],
        "C": [1595, 1550, 1605, 1510, 1560],
        "D": [1445, 1440, 1595, 1465, 1545],
        "E": [1595, 1630, 1515, 1635, 1625],
        "F": [1520, 1455, 1450, 1480, 1445],
    }
    frame = pd.DataFrame([(b, float(y)) for b, ys in batches.items() for y in ys], columns=["batch", "cost"])
    found = fit(frame, ["batch"], covariates=[])
    within = float(np.mean([np.var(ys, ddof=1) for ys in batches.values()]))
    between = 5 * np.var([np.mean(ys) for ys in batches.values()], ddof=1)
    assert found.variances["residual"] == pytest.approx(within, rel=1e-8)
    assert found.variances["batch"] == pytest.approx((between - within) / 5, rel=1e-8)
    assert found.variances.round(0).to_dict() == {"batch": 1764, "residual": 2451}
    assert -2 * found.log_likelihood == pytest.approx(319.6543, abs=5e-5)
    assert found.fixed_effects.loc["intercept", "estimate"] == pytest.approx(1527.5)
    assert found.fixed_effects.loc["intercept", "se"] == pytest.approx(19.3834, abs=5e-5)
    full = fit(frame, ["batch"], covariates=[], method="ml")
    assert -2 * full.log_likelihood == pytest.approx(327.3271, abs=5e-5)
    assert full.variances["batch"] == pytest.approx(1388.33, abs=0.01)
    # Of the residual on 24 degrees of freedom the interval is the exact one.
    row = found.table.set_index("component").loc["residual"]
    assert row["upper_95"] == pytest.approx(24 * within / stats.chi2.ppf(0.025, 24), rel=0.02)
    # BLUPs shrink each batch's deviation by n σ²b/(n σ²b + σ²).
    shrink = 5 * found.variances["batch"] / (5 * found.variances["batch"] + within)
    blup = found.blups["batch"].set_index("level")["blup"]
    assert blup["E"] == pytest.approx(shrink * (1600 - 1527.5))


@pytest.mark.unit
def test_no_variation_between_groups_is_a_variance_of_zero() -> None:
    rng = np.random.default_rng(0)
    # Group means all alike, so that between is below what chance gives.
    frame = pd.DataFrame(
        {"icb": np.repeat(list("abcdef"), 4), "cost": np.tile([1.0, 2.0, 4.0, 9.0], 6) + 1e-3 * rng.normal(size=24)}
    )
    found = fit(frame, ["icb"], covariates=[])
    assert found.variances["icb"] == 0 and found.icc["icb"] == 0
    assert (found.blups["icb"]["blup"] == 0).all()
    row = found.table.set_index("component").loc["icb"]
    assert np.isnan(row["lower_95"]) and row["reason"]
    assert any("icb" in note for note in found.notes) and found.converged
    assert (found.exceedance("icb", 0.0)["probability"] == 0).all()


@pytest.mark.unit
def test_an_inner_level_of_zero_leaves_the_outer_one() -> None:
    frame = patients(3, 2000, sd=(800.0, 0.0, 1500.0))
    found = fit(frame)
    one = fit(frame, ["icb"])
    assert found.log_likelihood >= one.log_likelihood - 1e-8
    if found.variances["provider"] == 0:
        assert found.variances["icb"] == pytest.approx(one.variances["icb"], rel=1e-6)


@pytest.mark.unit
def test_relation_and_frame_agree_and_gaps_are_counted() -> None:
    frame = patients(4)
    frame.loc[[0, 1], "cost"] = [np.nan, np.inf]
    frame.loc[2, "age"] = np.nan
    frame.loc[3, "icb"] = None
    found = fit(connect().register("rows", frame))
    whole = fit(frame.drop(index=[0, 1, 2, 3]))
    assert found.log_likelihood == pytest.approx(whole.log_likelihood, rel=1e-12)
    assert found.rows == 596 and any("4 rows" in note for note in found.notes)


@pytest.mark.unit
def test_codes_under_two_parents_are_two_groups_and_said() -> None:
    frame = patients(5)
    frame["provider"] = frame["provider"].str[-1]
    found = fit(frame)
    assert len(found.blups["provider"]) == len(frame[["icb", "provider"]].drop_duplicates())
    assert any("more than one icb" in note for note in found.notes)


@pytest.mark.unit
def test_league_table_and_exceedance() -> None:
    found = fit(patients(6, 3000))
    table = found.league_table("icb")
    assert list(table["rank"]) == list(range(1, 13)) and table["blup"].is_monotonic_decreasing
    row = table.iloc[0]
    assert row["probability_above_average"] == pytest.approx(stats.norm.cdf(row["blup"] / row["sd"]))
    assert row["upper_95"] - row["lower_95"] == pytest.approx(2 * stats.norm.ppf(0.975) * row["sd"])
    both = found.exceedance("icb", 200.0)["probability"] + found.exceedance("icb", 200.0, above=False)["probability"]
    np.testing.assert_allclose(both, 1)
    with pytest.raises(InputError, match="group"):
        found.league_table("region")
    with pytest.raises(InputError, match=r"Write 0.95 for 95 %"):
        found.league_table("icb", confidence=95)
    with pytest.raises(InputError, match="threshold is nan"):
        found.exceedance("icb", np.nan)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"outcome": "nothing"}, "lack nothing"),
        ({"covariates": ["icb"]}, "must be a number"),
        ({"covariates": ["one"]}, "constant"),
        ({"covariates": ["age", "twice"]}, "twice"),
        ({"groups": ["patient"]}, "holds one thing only"),
        ({"groups": ["same"]}, "1 group"),
        ({"groups": []}, "one to three"),
        ({"method": "bayes"}, "method"),
        ({"outcome": "one"}, "same in every row"),
        ({"outcome": "level"}, "same in all rows of each icb"),
        ({"outcome": "icb", "groups": ["provider"]}, "must be a number"),
        ({"groups": ["icb", "icb"]}, "named more than once"),
        ({"covariates": "nothing"}, "lack nothing"),
    ],
)
def test_bad_input_is_said(change: dict, words: str) -> None:
    frame = patients(7).assign(
        one=1.0,
        twice=lambda d: 2 * d["age"] + 3,
        same="x",
        patient=lambda d: d.index.astype(str),
        level=lambda d: d["icb"].astype("category").cat.codes.astype(float),
    )
    options = {"outcome": "cost", "groups": ["icb"], "covariates": ["age"]} | change
    with pytest.raises(InputError, match=words):
        variance_components(frame, **options)


@pytest.mark.slow
@pytest.mark.property
@given(st.integers(0, 1000), st.floats(-1e6, 1e6), st.floats(1e-3, 1e3))
@settings(max_examples=8)
def test_units_and_order_do_not_matter(seed: int, shift: float, scale: float) -> None:
    frame = patients(8)
    moved = frame.assign(cost=shift + scale * frame["cost"], age=frame["age"] / 10 + 5).sample(
        frac=1, random_state=seed
    )
    before, after = fit(frame), fit(moved)
    np.testing.assert_allclose(after.variances, scale**2 * before.variances, rtol=1e-4)
    slope = after.fixed_effects.loc["age", "estimate"]
    assert slope == pytest.approx(10 * scale * before.fixed_effects.loc["age", "estimate"], rel=1e-5)
    # The restricted likelihood's Jacobian: rows - 3 of the outcome's scale, and log 10 of the covariate's.
    assert after.log_likelihood == pytest.approx(before.log_likelihood - 597 * np.log(scale) + np.log(10), rel=1e-7)


@pytest.mark.slow
@pytest.mark.property
def test_intervals_of_variances_cover_the_truth() -> None:
    covered = {"icb": [], "residual": []}
    rng = np.random.default_rng(9)
    for _ in range(100):
        icb = np.repeat(np.arange(40), rng.integers(5, 60, 40))
        cost = 5000 + rng.normal(0, 300, 40)[icb] + rng.normal(0, 1000, len(icb))
        table = fit(pd.DataFrame({"icb": icb, "cost": cost}), ["icb"], covariates=[]).table.set_index("component")
        for name, truth in (("icb", 300.0**2), ("residual", 1000.0**2)):
            covered[name].append(table.loc[name, "lower_95"] <= truth <= table.loc[name, "upper_95"])
    for name, inside in covered.items():
        assert np.mean(inside) >= 0.90, name


# -- lme4 on the same rows --------------------------------------------------------------------------------------------


def _patients_in_providers_in_icbs() -> pd.DataFrame:
    rng = np.random.default_rng(20241122)
    n = 20_000
    icb = rng.integers(0, 20, n)
    provider = icb * 6 + rng.integers(0, 6, n)
    of_icb, of_provider = rng.normal(0, 300, 20), rng.normal(0, 450, 120)
    frame = pd.DataFrame(
        {
            "icb_code": [f"Q{i:02d}" for i in icb],
            "provider_code": [f"R{p:03d}" for p in provider],
            "age": rng.integers(18, 95, n).astype(float),
            "female": rng.integers(0, 2, n).astype(float),
        }
    )
    noise = rng.gamma(4, 900, n)
    cost = 6000 + 21 * frame["age"] + 120 * frame["female"] + of_icb[icb] + of_provider[provider] + noise
    return frame.assign(cost_gbp=np.round(cost, 2))


@pytest.mark.oracle
def test_lme4_finds_the_same_optimum_on_the_same_rows():
    # R 4.2, lme4 1.1-31: lmer(cost_gbp ~ age + female + (1 | icb_code) + (1 | provider_code)). By REML its default
    # optimiser stops 6e-8 short in log-likelihood, so its deviance function was minimised on (Nelder-Mead, to 1e-16).
    options = {"outcome": "cost_gbp", "groups": ["icb_code", "provider_code"], "covariates": ["age", "female"]}
    rows = _patients_in_providers_in_icbs()
    reml = variance_components(rows, **options)
    assert reml.log_likelihood == pytest.approx(-356821.9837607904 / 2, abs=1e-7)
    theta = np.sqrt(reml.variances[["provider_code", "icb_code"]] / reml.variances["residual"])
    assert theta.to_numpy() == pytest.approx([0.231630415887, 0.145720922952], rel=1e-5)
    ml = variance_components(rows, method="ml", **options)
    assert ml.log_likelihood == pytest.approx(-178420.68193949, abs=1e-7)
    assert ml.variances[["provider_code", "icb_code", "residual"]].to_numpy() == pytest.approx(
        [173552.0808355, 63642.9527452, 3234337.2834703], rel=1e-5
    )
    effects = ml.fixed_effects.loc[["intercept", "age", "female"]]
    assert effects["estimate"].to_numpy() == pytest.approx([9564.5778836918, 21.0482668783, 85.4828646764], rel=1e-7)
    assert effects["se"].to_numpy() == pytest.approx([77.459822554705, 0.573620509528, 25.509741776291], rel=1e-6)
